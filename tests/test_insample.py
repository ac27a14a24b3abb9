"""What was chosen on the rows that it is judged on is marked, shown, and cannot win."""

import json
import math
import sys
from pathlib import Path
from typing import Any

import pandas as pd
import pytest
from hourly import At, history, hour, hourly

from backtrain import PartError, Strategy
from backtrain.cli import main
from backtrain.reports.comparison import Comparison
from backtrain.reports.plain import terminal_table
from backtrain.reports.sweep.page import terminal
from backtrain.reports.sweep.result import Result
from backtrain.reports.sweep.sweep import Sweep
from backtrain.reports.tables import role_names
from backtrain.strategies import Every, Never, Sliding

STATIC = Strategy(Never(), Sliding(4))
OFTEN = Strategy(At((6, 8, 10)), Sliding(2))


def compared(**tuned: Any) -> Comparison:
    return hourly(history(13)).compare({"static": STATIC, "often": OFTEN}, **tuned)


def marked(comparison: Comparison) -> dict[str, bool]:
    return {name: run.info["in_sample"] for name, run in comparison.runs.items()}


@pytest.mark.parametrize(
    ("until", "in_sample"),
    [(None, False), (hour(4), False), (hour(4.5), True), ("2024-01-01 12:00", True)],
)
def test_a_choice_is_in_sample_where_it_was_made_on_served_rows(
    until: Any, in_sample: bool
) -> None:
    run = hourly().replay(Strategy(At((6,)), Sliding(2), tuned_until=until))
    assert run.info["in_sample"] is in_sample
    assert run.info["tuned_until"] == (None if until is None else pd.Timestamp(until).isoformat())


def test_the_mark_changes_nothing_else() -> None:
    plain, tuned = compared().runs["often"], compared(tuned_until=hour(9)).runs["often"]
    pd.testing.assert_frame_equal(plain.predictions, tuned.predictions)
    assert plain.totals == tuned.totals


def test_all_or_some_are_marked() -> None:
    assert marked(compared(tuned_until=hour(9))) == {"static": True, "often": True}
    assert marked(compared(tuned_until={"often": hour(9)})) == {"static": False, "often": True}
    with pytest.raises(PartError, match=r"tuned_until\['oftn'\]: no such strategy; there are stat"):
        compared(tuned_until={"oftn": hour(9)})
    with pytest.raises(ValueError, match="tuned_until='soon': not a date"):
        compared(tuned_until="soon")


def test_it_cannot_win_and_every_place_says_so(tmp_path: Path) -> None:
    assert compared().verdict().strategy == "often"
    comparison = compared(tuned_until={"often": hour(9)})
    verdict = comparison.verdict()
    assert (verdict.decision, verdict.strategy) == ("keep", "static")
    assert math.isnan(verdict.saves)
    assert str(verdict) == (
        "Nothing can be said about retraining: often was chosen on the span that it is judged on."
    )
    said = (
        "In-sample, chosen on the span that it is judged on, so it cannot win: often. Judge it on "
        "start=2024-01-01T09:00:00 or later."
    )
    assert verdict.remarks[0] == said
    assert f"! {said}" in terminal_table(comparison)
    assert role_names(comparison, "static")["often"] == "in-sample"
    assert said in comparison.to_html(tmp_path / "r.html").read_text(encoding="utf-8")


def test_the_mark_comes_back_from_disk_and_from_code(tmp_path: Path) -> None:
    compared(tuned_until=hour(9)).save(tmp_path / "study")
    assert marked(Comparison.load(tmp_path / "study")) == {"static": True, "often": True}
    strategy = Strategy(Every("7D"), Sliding("9D"), tuned_until=pd.Timestamp("2024-02-01"))
    assert repr(strategy) == (
        "Strategy(Every('7D'), Sliding('9D'), tuned_until='2024-02-01T00:00:00')"
    )


def test_a_sweep_of_several_jobs_says_how_to_mark_what_is_chosen() -> None:
    def told(seeds: int) -> str:
        rows = [{"strategy": name, "total": total} for name, total in (("a", 2.0), ("b", 1.0))]
        rows = [{"kind": "strategy", "retrains": 0, **row} for row in rows]
        same = {"baseline": "a", "rows": rows, "verdict": {"strategy": "b"}}
        jobs = [Result(number=k, seed=k, overrides={"seed": k}, **same) for k in range(seeds)]
        return " ".join(terminal(Sweep(jobs)).split())

    assert "strategy.tuned_until=DATE" in told(2)


def test_run_marks_what_tune_advised(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    monkeypatch.chdir(tmp_path)
    monkeypatch.setattr(sys, "path", sys.path.copy())
    small = ("dataset=abrupt", "dataset.n=900", "model=linear", "n_jobs=1", "progress=false")

    def command(*arguments: str) -> str:
        status = main([*arguments, *small])
        printed = capsys.readouterr()
        assert status == 0, printed.err
        return printed.out

    told = command("tune", "end=2024-01-20", "hydra.run.dir=advice")
    offered = told[told.index("backtrain run") : told.index("report")].replace("\\\n", " ").split()
    asked = [word for word in small if word != "hydra.run.dir=advice"]
    told_to = ["backtrain", "run", "--config-dir", "advice", "strategy=tuned", *asked, "start=DATE"]
    assert offered == told_to
    for start, in_sample in (("2024-01-15", True), ("2024-01-20", False)):
        few = ("comparison=one", "hindsight=false", f"start={start}", f"hydra.run.dir={start}")
        few += ("report=none",)
        out = command(*offered[1:5], *few)
        facts = json.loads((tmp_path / start / "tuned/run.json").read_text())
        assert facts["in_sample"] is in_sample
        assert facts["tuned_until"] == "2024-01-20T00:00:00"
        assert ("In-sample" in out) is in_sample
