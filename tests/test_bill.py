"""How many models a loss matrix may be made of: what it would take, and what is left out."""

import json
import time
from html import escape
from pathlib import Path

import numpy as np
import pytest
from sklearn.linear_model import Ridge

from backtrain import Backtest, Comparison, Prices, Strategy
from backtrain.datasets.synthetic import abrupt
from backtrain.lossmatrix import bill, regret, trial_models
from backtrain.lossmatrix.bill import Bill, seconds_of
from backtrain.lossmatrix.trial_models import Effort
from backtrain.simulator.setup import SetupError
from backtrain.strategies import Every, Expanding, Never, Sliding

WINDOW = Sliding("20D")
PLANS = {"static": Strategy(Never(), WINDOW), "weekly": Strategy(Every("7D"), WINDOW)}


def setting(n: int = 2_000, **more) -> Backtest:
    stream = abrupt(n=n, task="regression", seed=1)
    return Backtest(stream, Ridge(), start=0.2, prices=Prices(retrain=5, error=1), **more)


@pytest.fixture
def slow(monkeypatch):
    """Every fit and every look takes so many seconds, by what stands in the dictionary."""
    seconds = {"train": 60.0, "ask": 0.0, "asked": 0}

    def effort(*_: object) -> Effort:
        seconds["asked"] += 1
        return Effort(seconds["train"], seconds["ask"])

    monkeypatch.setattr(regret, "effort", effort)
    return seconds


def facts(comparison: Comparison) -> dict:
    return comparison.runs["weekly"].info["hindsight"]


# --- the budget -----------------------------------------------------------------------------------


@pytest.mark.parametrize("wrong", ["2", "soon", "-2h", "MS", 2, None, "0h"])
def test_what_is_no_budget_is_refused_with_one_that_is(wrong):
    with pytest.raises(SetupError, match=rf"hindsight={wrong!r}: give 'auto', true, false, or"):
        setting().compare(PLANS, hindsight=wrong)


def test_a_budget_is_a_time_all_or_nothing():
    assert [seconds_of(x) for x in ("90min", True, False, "auto")] == [5400, np.inf, 0, None]


def test_the_bill_by_hand():
    """A model trained at 1 s and asked for half of 2 s; 66 ticks and the start."""
    setup, efforts = setting(), [Effort(1.0, 2.0)]
    assert len(setup.ticks) == 66
    found = Bill.of(setup, efforts, {}, "1min")  # 30 of 67 models: every third leaves 23
    assert (found.models, found.every, found.kept, found.seconds) == (67, 3, 23, 2.0)
    assert found.kept * found.seconds <= 60
    assert Bill.of(setup, efforts, {}, "134s").every == 1
    assert Bill.of(setup, efforts, {}, "133s").every == 2
    assert Bill.of(setup, efforts, {}, "41s").every == 0  # 20 are too dear
    both = Bill.of(setup, efforts * 2, {}, "2min")
    assert (both.models, both.every, both.kept, both.seconds) == (134, 3, 46, 2.0)
    assert Bill.of(setup, [], {}, "1s").facts == {}


@pytest.mark.parametrize("budget", ["41s", "50s", "75s", "100s", "200s"])
@pytest.mark.parametrize("seconds", [0.3, 1.0, 7.0])
def test_what_is_kept_never_costs_more_than_the_budget(budget, seconds):
    found = Bill.of(setting(), [Effort(seconds, 0.0)], {}, budget)
    assert found.kept * seconds <= seconds_of(budget)
    assert found.kept == 0 or found.kept >= bill.FEWEST_MODELS


def test_by_default_a_matrix_may_cost_what_the_replays_did():
    """Of two strategies that share fits each fit counts once, and each answers all rows."""
    setup = setting()
    runs = setup.compare(PLANS, hindsight=False).runs
    made = {}
    for run in runs.values():
        for name in run.versions["fit"]:
            made[name] = 10.0
        run.versions["fit_seconds"] = 10.0
    assert 5 < len(made) < sum(len(run.versions) for run in runs.values())
    effort = Effort(10.0, 3.0)
    assert bill.replayed(runs, [effort]) == pytest.approx(10.0 * len(made) + 2 * 3.0)
    assert Bill.of(setup, [Effort(1.0, 0.0)], runs, "auto").every == 1  # below the floor
    found = Bill.of(setup, [effort], runs, "auto")
    assert found.kept * effort.model <= max(bill.FLOOR, bill.replayed(runs, [effort]))


def test_seconds_are_measured_once_for_whoever_has_the_store(monkeypatch):
    setup = setting()
    ticks = iter(range(10_000))
    monkeypatch.setattr(time, "process_time", lambda: float(next(ticks)))
    args = setup, WINDOW, PLANS["static"].update, setup.store
    first, again = trial_models.effort(*args), trial_models.effort(*args)
    assert first == again
    assert first.ask == 1.0
    assert first.model == first.train + first.ask / 2


def test_a_window_of_all_rows_is_priced_at_both_ends(monkeypatch):
    """The first model is trained on a fifth of the rows, the last on all."""
    setup, seen = setting(), []
    plain = trial_models._TrialTraining.fit

    def fit(self, *args, **more):
        found = plain(self, *args, **more)
        seen.append(self.rows)
        self.cpu_seconds = float(self.rows)
        return found

    monkeypatch.setattr(trial_models._TrialTraining, "fit", fit)
    found = trial_models.effort(setup, Expanding(), PLANS["static"].update, setup.store)
    assert found.train == np.mean(seen)
    assert seen[1] > 4 * seen[0]


# --- comparisons ----------------------------------------------------------------------------------


def test_a_matrix_that_is_cheap_is_whole_and_its_record_says_nothing_of_seconds():
    auto, whole = setting().compare(PLANS), setting().compare(PLANS, hindsight=True)
    assert facts(auto) == facts(whole)
    assert "thinned" not in facts(auto)
    assert (auto.verdict().every, whole.verdict().every) == (1, 1)
    assert auto.verdict().evidence == (
        "Expected costs rest on 67 models a window, one at every tick."
    )


def test_a_dear_matrix_is_thinned_out_and_the_decision_says_so(slow):
    found = setting().compare(PLANS, hindsight="30min")
    told = dict(facts(found)["thinned"])
    assert f"{told.pop('says')}." == found.verdict().evidence
    assert told == {"every": 3, "models": 67, "kept": 23, "seconds": 60.0, "asked": "30min"}
    assert (facts(found)["candidates"], facts(found)["every"]) == (23, 3)
    verdict = found.verdict()
    assert verdict.every == 3
    assert verdict.evidence == (
        "Loss matrices of 67 models of about 60 s each are 67 min of CPU time; one was trained at "
        "every 3rd tick: 23 models, about 23 min. hindsight=true trains all."
    )
    assert verdict.strategy in PLANS
    assert verdict.evidence in found.page()


def test_too_dear_a_matrix_is_not_made_and_the_decision_says_so(slow):
    found = setting().compare(PLANS, hindsight="5min")
    assert "hindsight" not in found.runs["weekly"].info
    verdict = found.verdict()
    assert (verdict.every, verdict.strategy in PLANS) == (0, True)
    assert "67 min of CPU time, too much beside the replays" in verdict.evidence
    assert escape(verdict.evidence, quote=False).replace("'", "&#39;") in found.page()


def test_all_are_trained_where_that_is_asked_for(slow):
    found = setting().compare(PLANS, hindsight=True)
    assert (facts(found)["every"], slow["asked"]) == (1, 0)
    none = setting().compare(PLANS, hindsight=False)
    assert none.verdict().evidence == (
        "Expected costs are those of one path of each strategy: no loss matrix covers them."
    )


def test_no_total_depends_on_how_far_it_is_thinned_out(slow):
    thin, whole = (setting().compare(PLANS, hindsight=h) for h in ("30min", True))
    for name, run in thin.runs.items():
        assert run.totals == whole.runs[name].totals


def test_a_later_run_of_the_same_is_thinned_out_alike(slow, tmp_path: Path):
    """The second measurement would leave out more: what was recorded counts."""

    def saved() -> bytes:
        found = setting().compare(PLANS, hindsight="30min", directory=tmp_path)
        found.save(tmp_path)
        return (tmp_path / "verdict.json").read_bytes()

    first, asked = saved(), slow["asked"]
    slow["train"] = 80.0
    assert saved() == first
    assert slow["asked"] == asked
    assert facts(setting().compare(PLANS, hindsight="30min"))["every"] == 4
    other = setting().compare(PLANS, hindsight="40min", directory=tmp_path)
    assert facts(other)["thinned"]["asked"] == "40min"


def test_a_store_on_disk_gives_the_same_bytes(monkeypatch, tmp_path: Path):
    """Nothing is measured again, though the clock now runs ten times as fast."""
    monkeypatch.setattr(bill, "FLOOR", 1e-9)
    monkeypatch.setattr(bill, "replayed", lambda *_: 1e-9 + speed * 45)

    def text(rate: float, directory: Path) -> str:
        seconds = iter(range(10**6))
        monkeypatch.setattr(time, "process_time", lambda: rate * next(seconds))
        found = setting(cache=tmp_path / "store").compare(PLANS)
        found.save(directory)
        return json.dumps([found.verdict().to_dict(), facts(found)], default=str)

    speed = 1.0
    first = text(1.0, tmp_path / "a")
    assert '"thinned"' in first
    assert text(10.0, tmp_path / "b") == first
