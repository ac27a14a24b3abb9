"""What the report says of the triggers, by hand."""

import dataclasses
import runpy
from pathlib import Path

import numpy as np
import pandas as pd
import pytest

from backtrain.reports.comparison import Comparison
from backtrain.reports.estimates import mean_gap
from backtrain.reports.sections import happened, luck
from backtrain.simulator.record import Run

fabricated = runpy.run_path(str(Path(__file__).with_name("fabricated.py")))
START = pd.Timestamp("2020-01-01")


def day(n: float) -> pd.Timestamp:
    return START + pd.Timedelta(days=n)


def played(name: str, trigger: str, trained: list[int], events=(), **info) -> Run:
    """Forty daily ticks; trained on these days, with other events ``(day, kind)``."""
    parts = info.pop("parts", None) or fabricated["parts_of"](trigger)
    charges = [(0, "error", 1.0), *((at, "train", 5.0) for at in trained)]
    run = fabricated["plain_run"](name, parts, charges, **info)
    rows = pd.DataFrame([{"at": day(at), "kind": kind} for at, kind in events])
    log = pd.concat([run.events, rows], ignore_index=True)
    busy = int((log["kind"] == "busy").sum())
    tables = {**run.tables, "events": log}
    return dataclasses.replace(run, tables=tables, totals=run.totals | {"busy": busy})


def shown(*runs: Run) -> dict[str, dict[str, str]]:
    """What stands in the table, by strategy and column."""
    return cells(happened, *runs)


def cells(table_of, *runs: Run) -> dict[str, dict[str, str]]:
    table = table_of(Comparison({run.name: run for run in runs}), runs[0].name)
    labels = [column.label for column in table.columns]
    return {
        row.name: dict(zip(labels, [cell.text for cell in row.cells], strict=True))
        for row in table.rows
    }


def test_what_fired_and_how_late_by_hand() -> None:
    drift = [day(10).isoformat(), day(20).isoformat(), day(30).isoformat()]
    events = [(13, "busy"), (14, "cooldown"), (15, "budget"), (16, "refused")]
    alarm = played("alarm", "ErrorDrift", [5, 12, 13, 36], events, drift=drift)
    static = played("static", "Never", [], drift=drift)
    found = shown(static, alarm)
    # 4 trainings and 4 alarms without one at 40 ticks; 2 days after the first drift, none after
    # the second before the third came, 6 after that.
    assert found["alarm"] == {
        "deployed": "4",
        "refused before training": "1",
        "while busy": "1",
        "suppressed": "3",
        "fired per 100 ticks": "20.0",
        "training after drift": "4 days, 2 of 3",
    }
    assert set(found["static"].values()) == {"0", "0.0", "–"}


def test_what_nobody_did_has_no_column() -> None:
    assert shown(played("static", "Never", [])) == {
        "static": {"deployed": "0", "fired per 100 ticks": "0.0"}
    }


def test_luck_is_blank_where_it_says_nothing() -> None:
    hindsight = {"regret": 3.0, "gap": 1.0, "placebo_even": 0.75, "placebo_random": 1.0}
    hindsight |= {"oracle": 1.0, "candidates": 3, "every": 1, "over_even": 2.5}
    hindsight |= {"schedules_even": 7, "schedules_random": 1000}
    hindsight |= {"judged": 3, "unpaid": 2, "no_better": 1}
    alarm = played("alarm", "ErrorDrift", [5], hindsight=hindsight)
    weekly = played("weekly", "Every", [7, 14], hindsight=hindsight)
    static = played("static", "Never", [], hindsight=hindsight)
    found = cells(luck, static, alarm, weekly)
    columns = "against even spacing", "beats even spacing", "beats random", "did not pay"
    assert {name: tuple(row[c] for c in columns) for name, row in found.items()} == {
        "alarm": ("−2.50", "75 % of 7", "100 %", "2 of 3"),
        "weekly": ("–", "–", "–", "–"),
        "static": ("–", "–", "–", "–"),
    }


ESTIMATED = {"type": "EstimatedDrop", "metric": "mae", "window": 2}


def estimating(*estimating: dict) -> Run:
    """Absolute errors 1 2 3 4 ... a day; before day 2 it expected 1, before day 4 it expected 5."""
    parts = fabricated["parts_of"]("AnyOf", triggers=[{"type": "Never"}, *estimating])
    run = played("watch", "", [], parts=parts)
    noted = pd.DataFrame(
        {"at": [day(2), day(4)], "kind": "estimate", "version": 0, "statistic": [1.0, 5.0]}
    )
    label = np.arange(1.0, len(run.predictions) + 1)
    tables = {
        **run.tables,
        "events": pd.concat([run.events, noted]),
        "predictions": run.predictions.assign(label=label, loss=label),
    }
    return dataclasses.replace(run, tables=tables)


def test_estimates_are_held_against_what_came_true() -> None:
    run = estimating(ESTIMATED)
    # Realised: (1 + 2) / 2 and (3 + 4) / 2; gaps -0.5 and +1.5.
    assert mean_gap(run) == ("MAE", pytest.approx(0.5), 2)
    assert shown(run)["watch"]["estimated less realised"] == "MAE +0.50, 2 ×"


@pytest.mark.parametrize("specs", [(), (ESTIMATED, ESTIMATED)])
def test_whose_estimates_they_are_must_be_known(specs) -> None:
    assert mean_gap(estimating(*specs)) is None
