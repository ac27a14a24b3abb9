"""What needs no model knows what a strategy knows at the same instant, and no more."""

import numpy as np
import pandas as pd
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from sklearn.dummy import DummyClassifier, DummyRegressor
from sklearn.linear_model import LinearRegression

from backtrain import Backtest, Comparison, Prices, Strategy, Stream
from backtrain.datasets.synthetic import abrupt
from backtrain.reports import archive
from backtrain.reports.plain import terminal_table
from backtrain.reports.tables import ranked
from backtrain.simulator.baselines import baselines
from backtrain.simulator.setup import Setup
from backtrain.strategies import Every, Expanding, Never, Sliding

MIDNIGHT = pd.Timestamp("2024-01-01")
LAST, MEAN, MAJORITY = "last known label", "running mean", "majority class"


def hours(values):
    return np.array([(MIDNIGHT + pd.Timedelta(hours=h)).to_datetime64() for h in values])


def stream(event, label, y, **more):
    X = np.zeros((len(event), 1))
    known = np.array([np.datetime64("NaT", "ns") if h is None else hours([h])[0] for h in label])
    return Stream(X, np.array(y), hours(event), known.astype("datetime64[ns]"), **more)


def by_name(history, start, model=None, season="1D", **more):
    setup = Setup(history, model or DummyRegressor(), start=hours([start])[0], **more)
    return {one.name: one for one in baselines(setup, season)}


# --- by hand --------------------------------------------------------------------------------------


def test_a_label_counts_from_the_instant_at_which_it_is_known():
    # Served are hours 2, 3 and 4, whose labels are 20, 30 and 40. Known are
    #   at 2: row 0 (at 1); at 3: row 1, too (at 3, that instant); at 4: row 3, not row 2.
    history = stream([0, 1, 2, 3, 4], [1, 3, 9, 4, 9], [0.0, 10.0, 20.0, 30.0, 40.0])
    known = by_name(history, 2)
    assert known[LAST].loss == (20 - 0) + (30 - 10) + (40 - 30)
    assert known[MEAN].loss == (20 - 0) + (30 - 5) + (40 - 40 / 3)
    assert known[LAST].fallback == known[MEAN].fallback == 0


def test_a_label_that_is_known_at_once_is_none_for_rows_of_that_instant():
    history = stream([0, 1, 1, 2], [0, 1, 1, 2], [1.0, 5.0, 7.0, 9.0])
    known = by_name(history, 1)
    assert known[LAST].loss == (5 - 1) + (7 - 1) + (9 - 7)
    assert known[MEAN].loss == (5 - 1) + (7 - 1) + (9 - 13 / 3)


def test_the_label_that_arrived_last_need_not_be_of_the_newest_row():
    history = stream([0, 1, 2, 3], [3, 2, None, 9], [1.0, 2.0, 4.0, 8.0])
    known = by_name(history, 3)
    assert known[LAST].loss == 8 - 1


def test_groups_have_answers_of_their_own_and_fall_back_on_all_where_they_have_none():
    #        hour  0    1    2    3     4     5
    history = stream(
        [0, 1, 2, 3, 4, 5],
        [1, 2, 3, 4, 5, 6],
        [1.0, 10.0, 2.0, 20.0, 7.0, 30.0],
        group=np.array(["a", "b", "a", "b", "c", "b"]),
    )
    known = by_name(history, 2)
    # At 2 a knows 1; at 3 b knows 10; at 4 c knows nothing: the mean of 1, 10, 2, 20 is 8.25;
    # at 5 b knows 20 as the last, 15 as the mean.
    assert known[LAST].loss == (2 - 1) + (20 - 10) + (8.25 - 7) + (30 - 20)
    assert known[MEAN].loss == (2 - 1) + (20 - 10) + (8.25 - 7) + (30 - 15)
    assert known[LAST].fallback == known[MEAN].fallback == 1


def test_the_season_before_is_as_few_seasons_old_as_the_labels_allow():
    # One row every 12 hours; the label of row i comes 30 hours later, so of a daily season the one
    # before is not known, and that of two days before is: four rows back.
    event = [12 * i for i in range(8)]
    y = [float(2**i) for i in range(8)]
    history = stream(event, [h + 30 for h in event], y)
    known = by_name(history, 36)
    # Row 3 knows row 0, and row 2 at least is wanted for none of a day: no row is two days old.
    rest = sum(y[i] - y[i - 4] for i in range(4, 8))
    assert known["label 1D before"].loss == (y[3] - y[0]) + rest
    assert known["label 1D before"].fallback == 1


def test_classes_are_counted_and_a_certain_answer_has_a_probability_of_one():
    history = stream(range(6), range(1, 7), ["n", "y", "y", "n", "n", "y"])
    known = by_name(history, 2, DummyClassifier(), metrics=["accuracy", "Brier"])
    # The last label before: y, y, n, n. The majority: of n y a tie, n; then y; a tie, n; then n.
    assert known[LAST].loss == 0 + 1 + 0 + 1
    assert known[LAST].metrics == {"accuracy": 0.5, "Brier": 0.5}
    assert known[MAJORITY].loss == 1 + 1 + 0 + 1
    shares = np.array([1 / 2, 2 / 3, 2 / 4, 2 / 5])
    truth = np.array([1, 0, 0, 1])
    assert known[MAJORITY].metrics["Brier"] == pytest.approx(np.mean((shares - truth) ** 2))


def test_weights_weigh_and_a_row_of_no_weight_tells_nothing():
    history = stream([0, 1, 2, 3], [1, 2, 3, 4], [1.0, 9.0, 4.0, 6.0], weight=[1.0, 0.0, 3.0, 2.0])
    known = by_name(history, 2, prices=Prices(error=10))
    assert known[LAST].loss == 3 * (4 - 1) + 2 * (6 - 4)
    assert known[MEAN].loss == 3 * (4 - 1) + 2 * (6 - 13 / 4)
    assert known[LAST].error == 130
    assert known[LAST].mean == 13 / 5


def test_rows_are_scored_against_what_labels_really_were_but_nobody_knows_that():
    truth = np.array([1.0, 2.0, 3.0])
    known = by_name(stream([0, 1, 2], [1, 2, 3], [1.0, 20.0, 3.0], truth=truth), 1)
    assert known[LAST].loss == abs(2 - 1) + abs(3 - 20)


def test_a_calendar_is_no_season():
    with pytest.raises(ValueError, match="'MS': not of fixed length"):
        by_name(stream([0, 1], [1, 2], [1.0, 2.0]), 1, season="MS")


# --- against a loop -------------------------------------------------------------------------------


class Slow:
    """Goes through all rows for every row."""

    def __init__(self, setup, season):
        s = setup.stream
        self.event, self.season = setup.event_at.tolist(), season
        self.label, self.y = setup.label_at.tolist(), setup.truth.tolist()
        self.weight = [1.0] * len(s) if s.weight is None else s.weight.tolist()
        self.group = [0] * len(s) if s.group is None else s.group.tolist()

    def known(self, row, group):
        at = self.event[row]
        return [
            j
            for j in range(len(self.y))
            if self.event[j] < at and self.label[j] <= at and self.weight[j] > 0
            if group is None or self.group[j] == group
        ]

    def mean(self, rows):
        return sum(self.y[j] * self.weight[j] for j in rows) / sum(self.weight[j] for j in rows)

    def answers(self, row):
        """Last, mean and season before, and which of them fall back."""
        mine, all_of_them = self.known(row, self.group[row]), self.known(row, None)
        rest = self.mean(all_of_them) if all_of_them else 0.0
        before = self.before(row, set(mine))
        return (
            (self.y[max(mine, key=lambda j: (self.label[j], j))], False) if mine else (rest, True),
            (self.mean(mine), False) if mine else (rest, True),
            (rest, True) if before is None else (self.y[before], False),
        )

    def before(self, row, known):
        seasons = 1
        while self.event[row] - seasons * self.season >= min(self.event):
            limit = self.event[row] - seasons * self.season
            old = [
                j
                for j in range(len(self.y))
                if self.event[j] <= limit and self.group[j] == self.group[row]
                if self.weight[j] > 0 and self.label[j] < np.iinfo(np.int64).max
            ]
            if old and max(old) in known:
                return max(old)
            seasons += 1
        return None


@st.composite
def histories(draw):
    n = draw(st.integers(3, 24))
    event = sorted(draw(st.lists(st.integers(0, 30), min_size=n, max_size=n)))
    delay = draw(st.lists(st.one_of(st.none(), st.integers(0, 20)), min_size=n, max_size=n))
    y = draw(st.lists(st.integers(-9, 9), min_size=n, max_size=n))
    weight = draw(st.one_of(st.none(), st.lists(st.integers(0, 3), min_size=n, max_size=n)))
    group = draw(st.one_of(st.none(), st.lists(st.sampled_from("abc"), min_size=n, max_size=n)))
    label = [None if d is None else e + d for e, d in zip(event, delay, strict=True)]
    return event, label, [float(v) for v in y], weight, group


@settings(max_examples=150, deadline=None)
@given(histories(), st.integers(1, 9))
def test_what_is_computed_at_once_is_what_a_loop_finds(history, season):
    event, label, y, weight, group = history
    arriving = {v for v, h in zip(y, label, strict=True) if h is not None}
    if len(arriving) < 2 or event[0] == event[-1] or (weight is not None and not any(weight)):
        return
    more = {"group": None if group is None else np.array(group), "weight": weight}
    middle = min(e for e in event if e > event[0])
    setup = Setup(stream(event, label, y, **more), DummyRegressor(), start=hours([middle])[0])
    found = {one.name: one for one in baselines(setup, f"{season}h")}
    if not found:  # only rows of no weight have labels
        return
    slow = Slow(setup, season * 3_600_000_000_000)
    served = range(setup.served.start, setup.served.stop)
    expected = [slow.answers(row) for row in served]
    season_name = next(name for name in found if name.endswith(" before"))
    for place, name in enumerate((LAST, MEAN, season_name)):
        lost = sum(
            abs(y[row] - answers[place][0]) * slow.weight[row]
            for row, answers in zip(served, expected, strict=True)
            if label[row] is not None
        )
        assert found[name].loss == pytest.approx(lost, abs=1e-9), name
        assert found[name].fallback == sum(answers[place][1] for answers in expected), name


# --- in a comparison ------------------------------------------------------------------------------


@pytest.fixture(scope="module")
def walk():
    """Labels that wander, which features tell nothing of: the last one is hard to beat."""
    n = 600
    y = np.cumsum(np.random.default_rng(0).normal(size=n))
    X = np.random.default_rng(1).normal(size=(n, 2))
    return Stream(X, y, hours(range(0, 6 * n, 6)), hours(range(6, 6 * n + 6, 6)))


@pytest.fixture(scope="module")
def wandering(walk):
    return compared(walk)


def compared(history, **more):
    weekly = Strategy(Every("7D"), Sliding("14D"))
    plans = {"static": Strategy(Never(), Expanding()), "weekly": weekly}
    return Backtest(history, LinearRegression(), **more).compare(plans, hindsight=False)


def test_it_is_said_where_no_model_beats_the_last_label(wandering):
    comparison = wandering
    verdict, known = comparison.verdict(), comparison.without_model
    (line,) = [line for line in verdict.remarks if line.startswith("No model here beats")]
    errors = {name: run.totals["error"] for name, run in comparison.runs.items()}
    assert "beats the last known label, which needs none: its errors cost" in line
    assert f"cost {known.loc[LAST, 'error']:,.2f} (" in line
    assert f"{min(errors.values()):,.2f} (" in line
    assert f"those of {min(errors, key=errors.get)}, the least of all" in line


def test_it_is_not_said_where_a_model_does():
    comparison = compared(abrupt(n=1_000, task="regression"))
    assert not any("No model here" in line for line in comparison.verdict().remarks)
    assert len(comparison.without_model) == 3


def test_errors_that_cost_nothing_are_compared_by_loss(walk):
    comparison = compared(walk, prices=Prices(retrain=1, error=0))
    assert any("beats the last known label" in line for line in comparison.verdict().remarks)


def test_they_are_shown_below_the_strategies_and_never_chosen(wandering):
    comparison = wandering
    assert list(comparison.table().index) == list(comparison.table().sort_values("total").index)
    assert (
        set(comparison.table().index) == set(comparison.verdict().expected) == set(comparison.runs)
    )
    rows = ranked(comparison, "static").rows
    assert [row.role == "needs no model" for row in rows] == [False, False, True, True, True]
    assert rows[2].name == LAST
    text = terminal_table(comparison)
    assert text.index("weekly") < text.index("~ last known label") < text.index("~ running mean")
    assert "~ needs no model" in text
    assert "needs no model" in comparison.page()


def test_a_comparison_that_is_read_back_has_them(wandering, tmp_path):
    comparison = wandering
    comparison.save(tmp_path / "plain")
    again = Comparison.load(tmp_path / "plain")
    pd.testing.assert_frame_equal(again.without_model, comparison.without_model)
    assert again.verdict() == comparison.verdict()
    one = Comparison.load(tmp_path / "plain" / "weekly")
    pd.testing.assert_frame_equal(one.without_model, comparison.without_model)


def test_the_summary_holds_them_where_that_is_asked_for(wandering, tmp_path):
    comparison = wandering
    plain = pd.read_csv(comparison.save(tmp_path / "plain") / archive.SUMMARY, index_col=0)
    more = comparison.save(tmp_path / "more", baselines=True)
    whole = pd.read_csv(more / archive.SUMMARY, index_col=0)
    assert list(plain.index) == ["static", "weekly"]
    assert list(whole.index) == ["static", "weekly", *comparison.without_model.index]
    assert list(whole.columns) == list(plain.columns)
    assert whole.loc[LAST, "remarks"] == "needs no model"
    assert whole.loc[LAST, "error"] == pytest.approx(comparison.without_model.loc[LAST, "error"])
    assert set(Comparison.load(more).runs) == {"static", "weekly"}


def test_records_without_them_are_read(walk):
    comparison = compared(walk)
    for run in comparison.runs.values():
        del run.info["baselines"]
    again = Comparison(comparison.runs)
    assert again.without_model.empty
    assert len(ranked(again, "static").rows) == 2
    assert "~" not in terminal_table(again)
    assert not again.verdict().remarks
