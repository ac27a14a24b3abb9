"""The same decision at earlier instants of a history, and what runs now, in comparisons."""

import json
from dataclasses import replace
from pathlib import Path

import numpy as np
import pytest
from sklearn.linear_model import Ridge

from backtrain import Backtest, Comparison, Prices, Strategy
from backtrain.datasets.synthetic import abrupt, stationary
from backtrain.lossmatrix import intervals
from backtrain.lossmatrix.walk import Walk
from backtrain.reports.followed import _since
from backtrain.reports.plain import terminal_table
from backtrain.strategies import Every, Never, Random, Sliding

WINDOW = Sliding("20D")


def compared(stream=None, price=5.0, hindsight=True, **more) -> Comparison:
    stream = (
        abrupt(n=3_000, at=(0.2, 0.4, 0.6, 0.8), task="regression", seed=1)
        if (stream is None)
        else stream
    )
    backtest = Backtest(stream, Ridge(), start=0.2, prices=Prices(retrain=price, error=1))
    plans = {
        "static": Strategy(Never(), WINDOW),
        "weekly": Strategy(Every("7D"), WINDOW),
        "daily": Strategy(Every("1D"), WINDOW),
        **more,
    }
    return backtest.compare(plans, hindsight=hindsight)


@pytest.fixture(scope="module")
def drifting() -> Comparison:
    return compared(alarm=Strategy(Random(0.1), WINDOW))


def test_where_drift_goes_on_the_advice_was_worth_it_from_the_middle_on(drifting):
    found = drifting.followed()
    assert found.walk.chosen[0] in ("weekly", "daily")
    assert found.walk.paid[0] < found.walk.kept[0]
    assert 0 < found.walk.share <= 1
    assert found.sentence.startswith(
        f"Had you followed this advice from the middle of the history on, you would have run "
        f"{found.walk.chosen[0]} from {found.at[0]:%Y-%m-%d} and paid "
    )
    assert "nan" not in found.sentence


def test_what_is_paid_is_the_mean_over_phases_of_the_matrix(drifting):
    backtest = Backtest(
        abrupt(n=3_000, at=(0.2, 0.4, 0.6, 0.8), task="regression", seed=1),
        Ridge(),
        start=0.2,
        prices=Prices(retrain=5, error=1),
    )
    matrix = backtest.loss_matrix(WINDOW)
    told = drifting.runs["weekly"].info["hindsight"]["walk"]
    at = np.array(told["at"], "datetime64[ns]")
    first = int(np.searchsorted(matrix.decided_at, at[0].view(np.int64)))
    assert first == round(len(matrix) / 2)
    part = matrix.between(first)
    n = round((len(matrix) - 1) / drifting.runs["weekly"].totals["retrains"])
    mean = part.interval_curve([n]).cost(backtest.prices)[0][0]
    assert sum(told["paid"][0]) == pytest.approx(mean)


def test_only_fixed_schedules_walk(drifting):
    walks = {name for name, run in drifting.runs.items() if "walk" in run.info["hindsight"]}
    assert walks == {"static", "weekly", "daily"}
    told = drifting.followed("alarm").sentence
    assert told.endswith("is not known: alarm is no fixed schedule with a loss matrix.")


def test_what_was_not_known_at_an_instant_changes_no_decision_there():
    """The rest is another one: what was decided in the middle stays, what it paid does not."""
    calm = stationary(n=2_000, task="regression", seed=2)
    rng = np.random.default_rng(0)
    y = np.where(np.arange(2_000) < 1_300, calm.y, rng.normal(0, 9, 2_000))
    wild = replace(calm, y=y)
    one, two = (
        compared(stream).runs["weekly"].info["hindsight"]["walk"] for stream in (calm, wild)
    )
    assert one["at"] == two["at"]
    assert one["options"][0] == two["options"][0]
    assert one["options"][-1] != two["options"][-1]
    assert one["paid"] != two["paid"]


def test_without_a_matrix_or_with_too_little_history_a_sentence_says_so(tmp_path: Path):
    none = compared(hindsight=False)
    assert none.followed().sentence.endswith("is not known: no loss matrix was made.")
    short = compared(abrupt(n=900, task="regression", seed=1))
    assert short.followed().sentence.endswith("its first half is too short to decide on.")
    assert short.followed().sentence in short.page()
    short.save(tmp_path)
    told = json.loads((tmp_path / "verdict.json").read_text())["followed"]
    assert told == short.followed().to_dict()
    assert (told["paid"], told["sentence"]) == (None, short.followed().sentence)


def test_page_and_file_say_the_same_and_records_give_it_back(drifting, tmp_path: Path):
    found = drifting.followed()
    drifting.save(tmp_path)
    told = json.loads((tmp_path / "verdict.json").read_text())["followed"]
    assert told == found.to_dict()
    assert (told["chosen"], told["paid"]) == (found.walk.chosen[0], found.walk.paid[0])
    assert Comparison.load(tmp_path).followed().to_dict() == told
    page = (tmp_path / "report.html").read_text()
    assert found.sentence in page
    assert all(f"{at:%Y-%m-%d}" in page for at in found.at)


def test_care_is_taken_at_earlier_instants_too(drifting):
    careful = replace(drifting, careful=0.99).followed()
    assert careful.walk.chosen == ["static"] * 4
    assert careful.walk.reviewed == pytest.approx(careful.walk.kept[0])
    assert "you would have kept static" in careful.sentence


def test_a_schedule_that_trains_between_the_instants_of_its_matrix_is_left_out(monkeypatch):
    monkeypatch.setattr(intervals, "MOST_MODELS", 50)
    found = compared(stationary(n=3_000, task="regression", seed=2))
    facts = {name: run.info["hindsight"] for name, run in found.runs.items()}
    assert {name for name in facts if "walk" in facts[name]} == {"static", "weekly"}
    assert facts["daily"]["expected"] is None


# --- what runs now --------------------------------------------------------------------------------


def test_what_runs_now_is_the_baseline_and_must_be_beaten_by_a_training_more(drifting):
    """Daily is cheaper than weekly by less than a training: whoever runs weekly keeps it."""
    free = drifting.verdict().expected
    gap = free["weekly"] - free["daily"]
    running, other = ("weekly", "daily") if gap > 0 else ("daily", "weekly")
    now = replace(drifting, running=running)
    verdict = now.verdict()
    assert verdict.baseline == running == now.baseline()
    price = drifting.info["prices"]["retrain"]
    evidence_gap = abs(gap) - price
    floor = 0.01 * free[running]
    assert (verdict.strategy == other) == (evidence_gap > floor)
    assert now.verdict("static").strategy == drifting.verdict("static").strategy


def test_to_stop_goes_back_to_the_model_of_the_start():
    calm = replace(compared(stationary(n=2_000, task="regression", seed=2), 50.0), running="daily")
    verdict = calm.verdict()
    assert (verdict.decision, verdict.strategy, verdict.baseline) == ("retrain", "static", "daily")
    assert verdict.back_to == calm.info["start"]
    start = calm.info["start"][:10]
    assert verdict.sentence.startswith(f"Stop retraining: go back to the model of {start}, static")
    assert "do not keep the one in force" in verdict.sentence
    kept = replace(calm, running="static").verdict()
    assert (kept.decision, kept.back_to) == ("keep", "")


def test_what_runs_is_saved_and_read_back(drifting, tmp_path: Path):
    now = replace(drifting, running="weekly")
    now.save(tmp_path)
    told = json.loads((tmp_path / "verdict.json").read_text())
    assert (told["running"], told["baseline"]) == ("weekly", "weekly")
    again = Comparison.load(tmp_path)
    assert again.running == "weekly"
    assert again.verdict().to_dict() == now.verdict().to_dict()
    with pytest.raises(ValueError, match="running='monthly': not among 'static', 'weekly'"):
        replace(drifting, running="monthly")


def walked(*chosen: str, reviewed: float = 50.0) -> Walk:
    """Decisions at as many instants; the first pays 60 to the end, decided again ``reviewed``."""
    n = len(chosen)
    paid = np.array([60.0, *[20.0] * (n - 1)])
    return Walk([*chosen], ["weekly"] * n, paid, paid + 1, paid - 10, reviewed, [])


def test_why_it_was_not_what_is_advised_now_is_said_where_later_decisions_show_it():
    at = ["2024-01-01", "2024-04-01", "2024-07-01"]
    turned = _since(walked("static", "static", "weekly"), at, "weekly")
    assert turned[0] == (
        "From 2024-07-01 on the same rule says weekly: what speaks for that came after 2024-04-01."
    )
    assert turned[1].startswith("Decide again on all history so far")
    only_now = _since(walked("static", "static", "static"), at, "weekly")
    assert only_now[0] == (
        "At all these dates the same rule said static: what speaks for weekly came after "
        "2024-07-01."
    )


def test_nothing_is_said_of_a_reason_that_nobody_knows_nor_of_reviews_that_cost_more():
    at = ["2024-01-01", "2024-04-01"]
    assert _since(walked("weekly", "weekly", reviewed=60.0), at, "weekly") == []
    assert _since(walked("static", "static", reviewed=60.0), at, "") == []  # now an alarm
    assert len(_since(walked("static", "weekly", reviewed=61.0), at, "weekly")) == 1


def test_equal_totals_with_unequal_regrets_are_explained_where_they_stand(drifting):
    assert "so equal totals can have unequal regrets" in terminal_table(drifting)
