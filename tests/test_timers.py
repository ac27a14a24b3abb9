"""Alarms that are timers by another name, and alarms that never fired."""

import dataclasses
import runpy
from collections.abc import Sequence
from pathlib import Path

import pandas as pd
import pytest

from backtrain.reports import timers
from backtrain.reports.comparison import Comparison
from backtrain.reports.tables import role_names
from backtrain.simulator.record import Run

fabricated = runpy.run_path(str(Path(__file__).with_name("fabricated.py")))
parts_of, plain_run = fabricated["parts_of"], fabricated["plain_run"]
START = pd.Timestamp("2020-01-01")


def trained_on(
    name: str, days: Sequence[float], level: float = 2.0, kind: str = "FeatureDrift"
) -> Run:
    """A run that trains on those days and costs so much a day, a little more on every third."""
    charges = [(day, "error", level + (0.2 if day % 3 else -0.4)) for day in range(40)]
    charges += [(day, "train", 0.1) for day in days]
    keys = {"every": "4D"} if kind == "Every" else {}
    return plain_run(name, parts_of(kind, **keys), charges)


def read(run: Run, readings: Sequence[tuple[float, float, float]]) -> Run:
    """The same run with readings: day, statistic, threshold; those of trainings are reasons."""
    days, statistics, thresholds = zip(*readings, strict=True)
    at = (START + pd.to_timedelta(list(days), unit="D")).astype("datetime64[ns]")
    frame = pd.DataFrame(
        {"at": at, "trigger": "Alarm()", "statistic": statistics, "threshold": thresholds}
    )
    events = run.events.copy()
    for row in frame.itertuples():
        here = (events["kind"] == "trained") & (events["at"] == row.at)
        events.loc[here, ["statistic", "threshold"]] = row.statistic, row.threshold
    return dataclasses.replace(run, tables={**run.tables, "readings": frame, "events": events})


def compared(*runs: Run) -> Comparison:
    return Comparison({run.name: run for run in runs})


EVEN = [4.0 * k for k in range(1, 10)]
UNEVEN = [2.0, 3.0, 9.0, 11.0, 18.0, 20.0, 29.0, 31.0, 38.0]


def test_equal_gaps_are_those_of_a_timer():
    assert timers.timer(trained_on("alarm", EVEN)) == timers.Timer("4 days", 9, 9, True)
    assert timers.timer(trained_on("alarm", UNEVEN)) is None
    assert timers.timer(trained_on("alarm", EVEN[:7])) is None  # too few to tell
    assert timers.timer(trained_on("clock", EVEN, kind="Every")) is None


def test_equal_counts_of_rows_are_those_of_a_timer_too():
    run = trained_on("alarm", UNEVEN)
    times = [
        START + pd.Timedelta(days=(lo + (hi - lo) * k / 50))
        for lo, hi in zip([0.0, *UNEVEN], UNEVEN, strict=False)
        for k in range(50)
    ]
    served = pd.DataFrame({"event_time": pd.DatetimeIndex(times).astype("datetime64[ns]")})
    run = dataclasses.replace(run, tables={**run.tables, "predictions": served})
    assert timers.timer(run) == timers.Timer("50 rows", 9, 9, True)


def test_a_shorter_gap_or_a_reading_that_did_not_fire_is_not_whenever_it_may():
    assert not timers.timer(trained_on("alarm", [*EVEN, 38.0])).always
    run = trained_on("alarm", EVEN)
    assert timers.timer(read(run, [(day, 2.0, 1.0) for day in EVEN])).always
    below = [(day + 1, 0.5, 1.0) for day in EVEN]
    assert not timers.timer(read(run, [*((day, 2.0, 1.0) for day in EVEN), *below])).always


@pytest.mark.parametrize("level", [0.5, 1.9])
def test_a_timer_is_not_advised_beside_the_schedule_that_does_the_same(level):
    static, weekly = (
        trained_on("static", [], 4.0, "Never"),
        trained_on("weekly", EVEN, 2.0, "Every"),
    )
    verdict = compared(static, weekly, trained_on("alarm", EVEN, level)).verdict()
    assert verdict.strategy == "weekly"
    assert "alarm" not in verdict.expected
    (told,) = [text for text in verdict.remarks if "timer by another name" in text]
    assert told == (
        "alarm fires whenever it may, every 4 days, in 9 of 9 gaps: a timer by another name. "
        "weekly does the same without a monitor and stands in its place."
    )
    # An alarm of other gaps, and a timer without such a schedule, may win.
    assert (
        compared(static, weekly, trained_on("alarm", UNEVEN, level)).verdict().strategy == "alarm"
    )
    assert compared(static, trained_on("alarm", EVEN, level)).verdict().strategy == "alarm"
    twice = trained_on("weekly", EVEN[::2], 2.0, "Every")
    assert compared(static, twice, trained_on("alarm", EVEN, level)).verdict().strategy == "alarm"


def test_a_schedule_is_kept_beside_its_own_timer():
    weekly = trained_on("weekly", EVEN, 2.0, "Every")
    verdict = compared(weekly, trained_on("alarm", EVEN, 0.5)).verdict("weekly")
    assert (verdict.decision, verdict.strategy, verdict.saves) == ("keep", "weekly", 0.0)


def test_who_never_fired_says_how_near_it_came():
    static, silent = trained_on("static", [], 2.0, "Never"), trained_on("silent", [], 2.0)
    assert timers.never_fired(silent)
    assert not timers.never_fired(static)
    near = read(silent, [(3, 0.5, 2.0), (9, 1.5, 2.0), (12, 0.1, 2.0)])
    assert [told for *_, told in timers.sentences({"static": static, "silent": near})] == [
        "silent never fired: the nearest of 3 readings was 1.50 beside a threshold of 2.00, on "
        "2020-01-10."
    ]
    # One that passed its threshold without firing asks for more: no reading was near.
    passed = read(silent, [(3, 0.5, 2.0), (9, 2.5, 2.0), (12, 3.0, 2.0)])
    assert [told for *_, told in timers.sentences({"static": static, "silent": passed})] == [
        "silent never fired: 2 of 3 readings lay above their thresholds, and more is asked for "
        "than that; its other parameters decide."
    ]
    comparison = compared(static, silent)
    assert "silent never fired and had nothing to compare." in comparison.verdict().remarks
    assert "never fired" in role_names(comparison, "static")["silent"]


def test_one_that_fired_and_could_not_train_has_fired():
    run = trained_on("silent", [])
    event = pd.DataFrame(
        [(START, "blackout", None, "", float("nan"), float("nan"))], columns=run.events.columns
    )
    log = pd.concat([run.events, event.astype(run.events.dtypes.to_dict())], ignore_index=True)
    assert not timers.never_fired(dataclasses.replace(run, tables={**run.tables, "events": log}))
