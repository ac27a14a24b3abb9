"""Trainings that failed and rows that no model answered: said in the table, verdict and report."""

import dataclasses
import math
import runpy
from pathlib import Path

import numpy as np
import pandas as pd
import pytest
from hourly import At, history, hourly
from hypothesis import given, settings
from hypothesis import strategies as st
from sklearn.base import BaseEstimator, RegressorMixin
from sklearn.linear_model import LogisticRegression

from backtrain.reports import remarks
from backtrain.reports.comparison import Comparison
from backtrain.reports.numbers import shorten
from backtrain.reports.page import render
from backtrain.reports.plain import terminal_table
from backtrain.reports.tables import role_names
from backtrain.simulator.record import Run
from backtrain.strategies import Never, Sliding, Strategy, WarmStart

fabricated = runpy.run_path(str(Path(__file__).with_name("fabricated.py")))
parts_of, plain_run = fabricated["parts_of"], fabricated["plain_run"]
DAYS = 40


def run_with(name: str, level: float, trainings: int = 0, events: tuple = (), **info) -> Run:
    """A run of a known cost a day and so many trainings, to whose events some are added."""
    charges = [(day, "error", level + (0.2 if day % 3 else -0.4)) for day in range(DAYS)]
    charges += [(DAYS * k / (trainings + 1), "train", 0.0) for k in range(1, trainings + 1)]
    parts = parts_of("Every", every="2D") if trainings else parts_of("Never")
    run = plain_run(name, parts, charges, **info)
    at = pd.Timestamp(run.info["start"])
    more = pd.DataFrame(
        [(at, kind, 1, reason, statistic, np.nan) for kind, reason, statistic in events],
        columns=run.events.columns,
    ).astype(run.events.dtypes.to_dict())
    log = pd.concat([run.events, more], ignore_index=True) if events else run.events
    count = sum(kind in ("failed", "nothing to learn") for kind, *_ in events)
    rows = sum(int(statistic) for kind, _, statistic in events if kind == "fallback")
    totals = {**run.totals, "failed": count, "fallback": rows}
    return dataclasses.replace(run, totals=totals, tables={**run.tables, "events": log})


def compared(*runs: Run) -> Comparison:
    return Comparison({run.name: run for run in runs})


def raising(count: int, text: str = "ValueError: {} columns, not {}") -> tuple:
    return tuple(("failed", text.format(n, n + 1), math.nan) for n in range(count))


ONE_CLASS = ("nothing to learn", "the window holds one class only: 1", math.nan)


# --- what is gathered -----------------------------------------------------------------------------


def test_texts_that_differ_in_numbers_are_one_cause_and_one_line() -> None:
    runs = compared(
        run_with("weekly", 1.0, 5, raising(3)), run_with("monthly", 1.0, 4, raising(1))
    ).runs
    (remark,) = remarks.gather(runs)
    assert remark == remarks.Remark(
        "failed",
        ("weekly", "monthly"),
        "Trainings failed (weekly 3 of 5 and monthly 1 of 4): ValueError: 0 columns, not 1.",
    )


@pytest.mark.parametrize(
    ("one", "other"),
    [
        ("at 0x7f3a11", "at 0x7f9bcd"),
        ("classes [0 1 2], not [0 1]", "classes [0 1], not [1 2 3 4]"),
        ("shape (1, 121), expected 122", "shape (1, 9), expected 1e3"),
        ("loss is -1.5", "loss is 2"),
    ],
)
def test_what_counts_as_a_number(one: str, other: str) -> None:
    events = tuple(("failed", text, math.nan) for text in (one, other))
    assert len(remarks.gather({"a": run_with("a", 1.0, 9, events)})) == 1


def test_other_words_are_another_cause_and_many_end_in_one_line() -> None:
    events = tuple(("failed", f"no {word}", math.nan) for word in "abcdefg")
    found = remarks.gather({"a": run_with("a", 1.0, 99, events)})
    assert len(found) == 5
    assert found[-1].sentence == "Trainings failed for 3 more causes (a): see their events."


def test_a_reason_is_one_line_without_characters_that_steer_a_terminal() -> None:
    events = (("failed", "red\x1b[31m\nalert", math.nan),)
    (remark,) = remarks.gather({"a": run_with("a", 1.0, 9, events)})
    assert remark.sentence.endswith(": red [31m alert.")


def test_rows_of_the_fallback_are_counted_by_cause() -> None:
    said = "{} rows could not be scored and got the training mean: ValueError: NaN"
    events = (("fallback", said.format(3), 3.0), ("fallback", said.format(5), 5.0))
    (remark,) = remarks.gather({"a": run_with("a", 1.0, 2, events)})
    assert remark.sentence == (
        "Rows answered by the training mean or prior, not by the model (a 8 of 40): ValueError: "
        "NaN."
    )


@pytest.mark.parametrize("kind", ["neighbours", "learnt nothing"])
def test_a_sentence_on_record_is_said_once_with_all_whom_it_befell(kind: str) -> None:
    events = ((kind, "answers depend on neighbours in the batch", math.nan),)
    found = remarks.gather(
        compared(run_with("a", 1, 2, events * 2), run_with("b", 1, 2, events)).runs
    )
    assert [r.sentence for r in found] == ["a and b: answers depend on neighbours in the batch."]


def test_records_of_earlier_versions_are_told_apart_by_their_reasons() -> None:
    old = tuple(("failed", reason, math.nan) for _, reason, _ in [ONE_CLASS] * 3)
    run = run_with("a", 1.0, 5, old)
    assert remarks.raised(run) == 0
    assert not remarks.failing(run)
    assert "nothing to learn from (a 3 of 5)" in remarks.gather({"a": run})[0].sentence


def test_a_remedy_is_that_of_the_strategy() -> None:
    class Sulks(LogisticRegression):
        def fit(self, X, y):
            if y[0] == 1:
                raise ValueError("not today")
            return super().fit(X, y)

    X, y = np.arange(13.0)[:, None], np.array([0, 0, 1, 0, 1, 0, 1, 1, 1, 0, 1, 0, 1])
    run = hourly(history(X=X, y=y), Sulks(warm_start=True)).replay(
        Strategy(At((7, 9, 11)), Sliding(3), WarmStart())
    )
    said = [remark.sentence for remark in remarks.gather({"warm": run})]
    assert said == [
        "Trainings failed (warm 2 of 3): ValueError: not today. WarmStart() goes on from the model "
        "in force; Refit() starts afresh.",
        "Trainings had nothing to learn from (warm 1 of 3): the window holds one class only: 1. "
        "Use a window longer than Sliding(length=3), or train less often.",
    ]


# --- the verdict ----------------------------------------------------------------------------------


def test_of_whose_trainings_a_tenth_raised_cannot_win_although_it_was_cheapest() -> None:
    verdict = compared(
        run_with("static", 3.0), run_with("broken", 1.0, 10, raising(1)), run_with("good", 2.0, 9)
    ).verdict()
    assert (verdict.decision, verdict.strategy, verdict.failing) == ("retrain", "good", ("broken",))
    assert "broken" not in (*verdict.rivals, *verdict.unjudged)
    assert verdict.sentence.endswith(
        "Trainings failed: broken 1 of 10. broken cannot be judged: a tenth or more of the "
        "trainings failed."
    )


def test_below_a_tenth_it_is_judged_and_said() -> None:
    verdict = compared(run_with("static", 3.0), run_with("good", 1.0, 11, raising(1))).verdict()
    assert (verdict.decision, verdict.strategy) == ("retrain", "good")
    assert verdict.sentence.endswith("Trainings failed: good 1 of 11.")
    assert verdict.remarks == ("Trainings failed (good 1 of 11): ValueError: 0 columns, not 1.",)


def test_what_had_nothing_to_learn_from_is_said_and_not_punished() -> None:
    run = run_with("good", 1.0, 9, (ONE_CLASS,) * 5)
    verdict = compared(run_with("static", 3.0), run).verdict()
    assert (verdict.decision, verdict.strategy) == ("retrain", "good")
    assert verdict.sentence.endswith("Trainings had nothing to learn from: good 5 of 9.")


def test_of_whose_trainings_a_tenth_raised_is_not_called_not_worth_it() -> None:
    comparison = compared(run_with("static", 1.0), run_with("broken", 3.0, 10, raising(1)))
    verdict = comparison.verdict()
    assert (verdict.decision, verdict.strategy) == ("keep", "static")
    assert math.isnan(verdict.saves)
    assert str(verdict).startswith(
        "Nothing can be said about retraining: too many trainings of broken failed. "
        "Trainings failed (broken 1 of 10): "
    )
    assert role_names(comparison, "static") == {"static": "baseline", "broken": "trainings failed"}


def test_where_every_training_failed_the_verdict_says_why_and_what_helps() -> None:
    said = "ValueError: feature 'user' has a cardinality of {} > {}"
    verdict = compared(run_with("static", 1.0), run_with("a", 1.0, 3, raising(3, said))).verdict()
    assert str(verdict) == (
        "Nothing can be said about retraining: no strategy trained. Trainings failed (a 3 of 3): "
        "ValueError: feature 'user' has a cardinality of 0 > 1. Leave that column out (drop=), or "
        "encode it, as model=linear does."
    )


def test_nothing_is_held_against_a_baseline_that_did_not_train() -> None:
    runs = (run_with("broken", 3.0, 10, raising(2)), run_with("good", 1.0, 9), run_with("c", 2, 9))
    verdict = compared(*runs).verdict("broken")
    assert (verdict.decision, verdict.strategy) == ("retrain", "good")
    assert str(verdict).startswith(
        "Nothing can be held against broken: its trainings failed. Of the others good was cheapest."
    )
    only = compared(runs[0]).verdict()
    assert str(only).startswith("Nothing can be held against broken: its trainings failed. Train")


def test_no_strategy_is_called_the_cheapest_of_all_beside_one_that_did_not_train() -> None:
    runs = (run_with("static", 2.0), run_with("good", 3.0, 9), run_with("b", 1.0, 9, raising(9)))
    assert "nothing that may win is expected to cost less" in compared(*runs).verdict().sentence


# --- where it stands ------------------------------------------------------------------------------

SCORED = ("fallback", "4 rows could not be scored and got the training mean: ValueError: NaN", 4.0)


@pytest.fixture
def mishaps() -> Comparison:
    return compared(run_with("static", 3.0), run_with("weekly", 2.0, 20, (*raising(1), SCORED)))


def test_the_terminal_shows_counts_and_causes(mishaps: Comparison) -> None:
    lines = terminal_table(mishaps).splitlines()
    assert lines[0].split()[:5] == ["total", "error", "retrains", "failed", "fallback"]
    row = next(line for line in lines if line[2:].startswith("weekly"))
    assert row[2:].split()[3:6] == ["20", "1", "4"]
    assert [line for line in lines if line.startswith("! ")] == [
        "! Trainings failed (weekly 1 of 20): ValueError: 0 columns, not 1.",
        "! Rows answered by the training mean or prior, not by the model (weekly 4 of 40): "
        "ValueError: NaN.",
    ]


def test_the_columns_stay_away_where_all_went_well() -> None:
    text = terminal_table(compared(run_with("static", 3.0), run_with("weekly", 2.0, 20)))
    assert "failed" not in text
    assert "fallback" not in text


def test_the_table_fits_the_terminal_with_all_columns(mishaps: Comparison) -> None:
    facts = dict.fromkeys(("regret", "gap", "placebo_even", "placebo_random"), 1.0)
    facts |= {"cost": 1.0, "oracle": 1.0, "oracle_retrains": 1, "best_interval": 1.0}
    runs = {
        f"{name} with a name that is long": dataclasses.replace(
            run, info={**run.info, "hindsight": {**facts, "best_interval_ticks": 1}}
        )
        for name, run in mishaps.runs.items()
    }
    lines = terminal_table(Comparison(runs)).splitlines()
    assert max(len(line) for line in lines[:3]) <= 100
    meanings = {line.partition(":")[0] for line in lines[4:] if ":" in line}
    for column in (
        "regret",
        "beats even spacing",
        "beats random",
    ):  # what is not shown is not explained
        assert (column in lines[0]) == (column in meanings)


def test_long_names_are_told_apart_by_their_ends() -> None:
    names = [f"retrain every day on the last 30 days, seed {seed}" for seed in (1, 2)]
    runs = {name: dataclasses.replace(run_with(name, 2.0), name=name) for name in names}
    lines = terminal_table(Comparison(runs)).splitlines()
    assert len({line[:20] for line in lines[1:3]}) == 2
    assert len({shorten(name) for name in names}) == 2


SCHEDULE = "expected: mean over phases and starts of its schedule, steadied by the windows compared"
STARTS = {"cost": 1.0, "eras": [0.1] * 10, "starts": [1.0]}


def beside_luck(name: str, kind: str, trained: int, **more: object) -> Run:
    """Held against a loss matrix, and against 7 and 1,000 schedules."""
    facts = dict.fromkeys(("regret", "gap", "placebo_even", "placebo_random", "cost"), 1.0)
    facts |= {"schedules_even": 7, "schedules_random": 1000, "oracle": 1.0, "every": 1, **more}
    run = run_with(name, 2.0, trained)
    parts = {**run.info["parts"], "trigger": {"type": kind}}
    info = {**run.info, "parts": parts, "hindsight": {**facts, "candidates": 9}}
    return dataclasses.replace(run, info=info)


def told(*runs: Run, monkeypatch: pytest.MonkeyPatch) -> str:
    monkeypatch.setenv("COLUMNS", "200")
    return terminal_table(compared(run_with("static", 3.0), *runs))


def test_what_is_expected_is_told_for_each_kind_that_there_is(monkeypatch) -> None:
    weekly = beside_luck("weekly", "Every", 9, expected=STARTS)
    alarm = beside_luck("alarm", "ErrorDrift", 9, expected={**STARTS, "starts": []})
    coin = beside_luck("coin", "Random", 9, expected={**STARTS, "starts": []})
    plain = told(weekly, monkeypatch=monkeypatch)
    assert SCHEDULE in plain
    assert "half of what its moments saved" not in plain
    assert "of static, without a loss matrix: that of the strategy nearest in cost" in plain
    assert "of an alarm: what as many evenly" in told(weekly, alarm, monkeypatch=monkeypatch)
    both = told(weekly, alarm, coin, monkeypatch=monkeypatch)
    assert "of an alarm and coin: what as many evenly spaced trainings are expected" in both


def test_without_expected_costs_nothing_is_said_of_phases(monkeypatch) -> None:
    text = told(beside_luck("alarm", "ErrorDrift", 9), monkeypatch=monkeypatch)
    assert "expected: the total, as no loss matrix tells more" in text
    assert "phases and starts" not in text


def test_both_yardsticks_of_luck_stand_in_a_wide_terminal(monkeypatch) -> None:
    text = told(beside_luck("alarm", "ErrorDrift", 9), monkeypatch=monkeypatch)
    header, *rows = text.splitlines()
    assert "beats even spacing  beats random" in header
    assert "100 % of 7         100 %" in next(row for row in rows if "alarm" in row)
    assert "prove little" not in text
    for trained in (1, 2):
        few = told(beside_luck("alarm", "ErrorDrift", trained), monkeypatch=monkeypatch)
        assert "  alarm trained no more than twice: so few events prove little" in few
    # Its own placebo is no test of a schedule.
    assert "prove little" not in told(beside_luck("weekly", "Every", 1), monkeypatch=monkeypatch)


def test_the_page_of_answers_shows_the_columns_that_there_are(monkeypatch) -> None:
    page = (Path(__file__).parent.parent / "docs" / "how_to.md").read_text("utf-8")
    shown = next(line for line in page.splitlines() if "beats even spacing  beats" in line)
    header = told(beside_luck("alarm", "ErrorDrift", 9), monkeypatch=monkeypatch).splitlines()[0]
    for columns in shown.split("  "):
        assert columns.strip() in header


def test_the_report_says_what_is_expected_below_its_table() -> None:
    # On its own path each costs its total: where that is what is expected, there is no column.
    facts = {**STARTS, "starts": [], "cost": 99.0}
    runs = run_with("static", 3.0), beside_luck("alarm", "ErrorDrift", 9, expected=facts)
    page = render(compared(*runs), "static")
    assert "Expected: mean over phases and starts of its schedule" in page
    assert "Of an alarm: what as many evenly spaced trainings are expected to cost" in page
    plain = render(compared(run_with("static", 3.0), run_with("weekly", 2.0, 9)), "static")
    assert "Expected:" not in plain


def test_who_has_no_interval_is_named(monkeypatch) -> None:
    text = told(beside_luck("alarm", "ErrorDrift", 1), monkeypatch=monkeypatch)
    assert "no interval for alarm: fewer than seven blocks of the usual gap" in text
    assert "what trains rarely has long gaps" in text


def test_a_wide_terminal_shows_names_whole(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("COLUMNS", "140")
    names = ["every=1D", "every=10D"]
    money = 123_456.0
    hindsight = dict.fromkeys(("regret", "gap", "placebo_even", "cost", "oracle"), money)
    runs = {n: dataclasses.replace(run_with(n, money), name=n) for n in names}
    for name, run in runs.items():
        runs[name] = dataclasses.replace(run, info={**run.info, "hindsight": hindsight})
    lines = terminal_table(Comparison(runs)).splitlines()
    assert {line[2:13].strip() for line in lines[1:3]} == set(names)


def test_the_notebook_says_each_cause_once() -> None:
    broken = run_with("weekly", 2.0, 2, raising(2, "ValueError: no"))
    shown = compared(run_with("static", 3.0), broken)._repr_html_()
    assert shown.count("ValueError: no") == 1


def test_summary_report_and_notebook_say_it_too(mishaps: Comparison, tmp_path: Path) -> None:
    saved = mishaps.save(tmp_path / "study")
    summary = pd.read_csv(saved / "summary.csv", index_col="strategy")
    assert summary.loc["weekly", ["failed", "fallback"]].tolist() == [1, 4]
    assert summary.loc["weekly", "remarks"] == " ".join(mishaps.verdict().remarks)
    assert pd.isna(summary.loc["static", "remarks"])
    page = (saved / "report.html").read_text(encoding="utf-8")
    head = page[page.index("<header") : page.index("</header>")]
    notebook = mishaps._repr_html_()
    for line in mishaps.verdict().remarks:
        assert line in head
        assert line in notebook


def test_the_estimator_of_a_replay_that_raises_is_reported() -> None:
    class Refuses(RegressorMixin, BaseEstimator):
        def fit(self, X, y):
            if len(X) != 4:
                raise ValueError(f"{len(X)} rows")
            return self

        def predict(self, X):
            return np.zeros(len(X))

    strategies = {"static": Strategy(Never(), Sliding(4)), "b": Strategy(At((6, 9)), Sliding(5))}
    comparison = hourly(model=Refuses()).compare(strategies)
    assert remarks.raised(comparison.runs["b"]) == 2
    assert comparison.verdict().failing == ("b",)
    assert "Trainings failed (b 2 of 2): ValueError: 5 rows." in str(comparison.verdict())


# --- one family of intervals ----------------------------------------------------------------------


@st.composite
def histories(draw: st.DrawFn) -> Comparison:
    """Up to five strategies whose costs are alike, apart, or equal but for the order of sums."""
    seed = draw(st.integers(0, 2**16))
    rng = np.random.default_rng(seed)
    common = rng.normal(5, draw(st.sampled_from([0.0, 0.1, 3.0])), DAYS)
    runs = []
    for k in range(draw(st.integers(2, 5))):
        shift = draw(st.sampled_from([0.0, 0.0, 0.1, 0.5, -0.3]))
        own = common + shift + rng.normal(0, draw(st.sampled_from([0.0, 0.05, 0.5, 2.0])), DAYS)
        charges = [(day, "error", own[day]) for day in rng.permutation(DAYS).tolist()]
        runs.append(plain_run(f"s{k}", parts_of("Never" if k == 0 else "ErrorDrift"), charges))
    return compared(*runs)


@settings(max_examples=25, deadline=None)
@given(histories(), st.data())
def test_what_is_saved_and_who_cannot_be_told_apart_never_contradict(
    comparison: Comparison, data: st.DataObject
) -> None:
    baseline = data.draw(st.sampled_from(list(comparison.runs)))
    verdict, table = comparison.verdict(baseline), comparison.table(baseline)
    if verdict.decision == "keep":
        other = verdict.runner_up
    else:
        other = baseline
        low, high = table.loc[verdict.strategy, ["low", "high"]]
        assert (verdict.low, verdict.high) == (-high, -low)
    assert (other in verdict.rivals) == (verdict.low <= 0 <= verdict.high)
    for one in comparison.runs:
        for two in comparison.runs:
            here, there = comparison.contrast(one), comparison.contrast(two)
            assert here.low[two] == -there.high[one]


def test_intervals_of_one_family_agree_whoever_is_the_baseline() -> None:
    """Held against s0 alone and against the winner alone, two families disagreed here."""
    rng = np.random.default_rng(28)
    common, runs = rng.normal(5, 1, DAYS), []
    for k, noise in enumerate((0.4, 0.1, 0.1, 3.0)):
        cost = common - 0.15 * (k == 1) + rng.normal(0, noise, DAYS)
        charges = [(day, "error", cost[day]) for day in range(DAYS)]
        runs.append(plain_run(f"s{k}", parts_of("Never" if k == 0 else "ErrorDrift"), charges))
    verdict = compared(*runs).verdict()
    assert verdict.strategy == "s1"
    assert (verdict.low > 0) == ("s0" not in verdict.rivals)
