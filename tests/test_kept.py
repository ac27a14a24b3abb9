"""Records without predictions: the same table, verdict and advice; what needs rows says so."""

from pathlib import Path
from typing import Any

import numpy as np
import pandas as pd
import pytest
from sklearn.linear_model import Ridge

from backtrain import Backtest, Comparison, Prices, Strategy
from backtrain.datasets.faults import UnitChange, inject
from backtrain.datasets.latency import LogNormal, apply
from backtrain.datasets.synthetic import abrupt
from backtrain.reports.archive import VERDICT, ReportError
from backtrain.reports.due import next_due
from backtrain.reports.kept import NOT_KEPT, rows_before, scored_weight
from backtrain.reports.timers import timer
from backtrain.simulator.record import RecordError, Run
from backtrain.strategies import (
    Every,
    EveryLabels,
    EveryRows,
    Never,
    PerformanceDrop,
    Sliding,
)


@pytest.fixture(scope="module")
def backtest() -> Backtest:
    stream = apply(abrupt(n=2_400, task="regression"), LogNormal("1D"))
    stream = inject(stream, [UnitChange("x0", 100, start=0.5, stop=0.55)])
    return Backtest(stream, Ridge(), prices=Prices(retrain=3), tick="1D")


@pytest.fixture(scope="module")
def whole(backtest: Backtest) -> Comparison:
    triggers = {
        "static": Never(),
        "weekly": Every("7D"),
        "rows": EveryRows(200),
        "labels": EveryLabels(150),
        "drop": PerformanceDrop("MAE", below=2.0, window=50),
    }
    window = Sliding("20D")
    return backtest.compare({name: Strategy(trigger, window) for name, trigger in triggers.items()})


def test_table_verdict_and_intervals_are_the_same(whole: Comparison, tmp_path: Path) -> None:
    whole.save(tmp_path / "all", report="none")
    whole.save(tmp_path / "totals", records="totals", report="none")
    told = Comparison.load(tmp_path / "all")
    kept = Comparison.load(tmp_path / "totals")
    for baseline in whole.runs:
        for one in (told, whole):
            pd.testing.assert_frame_equal(
                kept.table(baseline), one.table(baseline), check_exact=True
            )
            assert repr(kept.verdict(baseline)) == repr(one.verdict(baseline))
    for name in (VERDICT, "summary.csv"):
        assert (tmp_path / "all" / name).read_bytes() == (tmp_path / "totals" / name).read_bytes()
    for name, run in kept.runs.items():
        assert next_due(run) == next_due(whole.runs[name]), name
        assert timer(run) == timer(whole.runs[name]), name
        assert scored_weight(run) == scored_weight(whole.runs[name])


def test_rows_before_an_instant_are_those_of_the_steps(whole: Comparison, tmp_path: Path) -> None:
    whole.save(tmp_path, records="totals", report="none")
    kept = Comparison.load(tmp_path)
    for name, run in whole.runs.items():
        decided = run.versions["decided_at"].to_numpy("datetime64[ns]").view(np.int64)
        expected = rows_before(run, decided)
        assert len(set(expected.tolist())) == len(decided)
        np.testing.assert_array_equal(rows_before(kept.runs[name], decided), expected)


def test_predictions_are_not_written_and_who_asks_is_told(
    whole: Comparison, tmp_path: Path
) -> None:
    whole.save(tmp_path / "t", records="totals", report="none")
    assert not list((tmp_path / "t").rglob("predictions*"))
    run = Run.load(tmp_path / "t" / "weekly")
    assert not run.has_predictions
    with pytest.raises(RecordError, match="'weekly': its predictions were not kept"):
        _ = run.predictions
    size = {
        kind: sum(f.stat().st_size for f in (tmp_path / kind).rglob("*") if f.is_file())
        for kind in "t"
    }
    whole.save(tmp_path / "a", report="none")
    all_of_it = sum(f.stat().st_size for f in (tmp_path / "a").rglob("*") if f.is_file())
    assert size["t"] < all_of_it / 2


def test_the_report_says_what_was_not_kept(whole: Comparison, tmp_path: Path) -> None:
    whole.save(tmp_path, records="totals", report="page")
    page = Comparison.load(tmp_path).page()
    assert page.count(NOT_KEPT) == 2  # the time line, and the fault
    assert NOT_KEPT not in whole.page()
    assert NOT_KEPT not in (tmp_path / "report.html").read_text()  # made while they were there


def test_a_comparison_writes_no_predictions_from_the_start(
    backtest: Backtest, whole: Comparison, tmp_path: Path
) -> None:
    strategies = {"weekly": Strategy(Every("7D"), Sliding("20D"))}
    found = backtest.compare(strategies, directory=tmp_path, records="totals", hindsight=False)
    assert not list(tmp_path.rglob("predictions*"))
    assert found.runs["weekly"].has_predictions
    assert Comparison.load(tmp_path).runs["weekly"].totals == whole.runs["weekly"].totals
    found.save(tmp_path, records="totals", report="none")
    assert not list(tmp_path.rglob("predictions*"))
    found.save(tmp_path, report="none")
    assert len(list(tmp_path.rglob("predictions*"))) == 1
    found.save(tmp_path, records="totals", report="none")
    assert not list(tmp_path.rglob("predictions*"))


def test_what_was_not_kept_stays_so_when_it_is_saved_again(
    whole: Comparison, tmp_path: Path
) -> None:
    whole.save(tmp_path / "a", records="totals", report="none")
    Comparison.load(tmp_path / "a").save(tmp_path / "b", report="none")
    again: Any = Comparison.load(tmp_path / "b")
    pd.testing.assert_frame_equal(again.table(), whole.table(), check_exact=True)


def test_another_word_is_refused(whole: Comparison, tmp_path: Path) -> None:
    with pytest.raises(ReportError, match="records='some': give 'all', 'totals'"):
        whole.save(tmp_path / "no", records="some")
    assert not (tmp_path / "no").exists()
