"""Windows: which rows each selects, worked by hand, and what holds for any history."""

from __future__ import annotations

from contextlib import suppress
from dataclasses import dataclass
from typing import ClassVar

import numpy as np
import pandas as pd
import pytest
from hourly import At, Judge, Look, Spy, history, hour, hour_of, hourly, spent
from hypothesis import given, settings
from hypothesis import strategies as st
from sklearn.dummy import DummyRegressor
from sklearn.linear_model import Ridge
from sklearn.neighbors import KNeighborsRegressor

from backtrain import (
    Backtest,
    FutureLeak,
    PartError,
    Prices,
    Reason,
    Selection,
    SetupError,
    Strategy,
)
from backtrain.datasets.calendar import UTC
from backtrain.datasets.latency import LogNormal, apply
from backtrain.datasets.synthetic import abrupt
from backtrain.lossmatrix.trial_models import loss_matrix
from backtrain.simulator.asking import monitor_of
from backtrain.strategies import (
    AnyOf,
    BeatsChampion,
    CompleteCohorts,
    Decay,
    Dynamic,
    ErrorDrift,
    Every,
    EveryRows,
    Expanding,
    FeatureDrift,
    PartialFit,
    PerformanceDrop,
    Refit,
    Representative,
    Reservoir,
    SinceDrift,
    SinceLastTraining,
    Sliding,
)

DROP = PerformanceDrop("MAE", window=8, min_labels=4, drop="10%")

PARTS = [
    SinceDrift(),
    SinceDrift(min_rows=20, otherwise=Sliding("90D")),
    SinceLastTraining(),
    SinceLastTraining(min_rows=5, otherwise=Sliding(500)),
    Dynamic([Sliding("30D"), Expanding()]),
    Dynamic([Sliding(20), Decay("90D")], holdout="7D", metric="MAE"),
    Representative(500),
    Representative(500, window=Decay("30D"), max_weight=3.0),
    Reservoir(1_000),
    Reservoir(1_000, seed=3),
    CompleteCohorts(Expanding(), "7D"),
    CompleteCohorts(Sliding("365D"), "MS", coverage=0.9, max_age="120D"),
]
NONSENSE = [
    (lambda: SinceDrift(min_rows=0), r"SinceDrift\(min_rows=0\): give a whole number, 1 or more"),
    (lambda: SinceDrift(otherwise=Expanding), r"did you mean Expanding\(\)"),
    (lambda: SinceLastTraining(min_rows=2.5), "1 or more"),
    (lambda: SinceLastTraining(otherwise=Every("7D")), "not a window"),
    (lambda: Dynamic([]), "a list of windows"),
    (lambda: Dynamic(Expanding()), "a list of windows"),
    (lambda: Dynamic([Expanding]), r"did you mean Expanding\(\)"),
    (lambda: Dynamic([Expanding()], holdout=0), r"Dynamic\(holdout=0\)"),
    (lambda: Dynamic([Expanding()], holdout="7X"), r"Dynamic\(holdout='7X'\).*did you mean '7D'"),
    (lambda: Representative(0), "1 or more"),
    (lambda: Representative(10, max_weight=0.5), "which is the mean weight"),
    (lambda: Representative(10, window="all"), "not a window"),
    (lambda: Reservoir(0), "1 or more"),
    (lambda: Reservoir(10, seed=-1), "0 or more"),
    (lambda: CompleteCohorts(Expanding(), "0D"), "no time at all"),
    (lambda: CompleteCohorts(Expanding(), "7X"), "not a time offset; did you mean '7D'"),
    (lambda: CompleteCohorts(Expanding(), "7D", coverage=0), "a share above 0"),
    (lambda: CompleteCohorts(Expanding(), "7D", max_age="soon"), "not a time offset"),
    (lambda: CompleteCohorts(Expanding, "7D"), r"did you mean Expanding\(\)"),
]
REGRESSION = {
    "since the drop": Strategy(DROP, SinceDrift(5, Sliding(20))),
    "since drift of features": Strategy(
        AnyOf(Every("13h"), FeatureDrift(window=12, min_rows=6, alpha=0.3), DROP),
        SinceDrift(4),
        gate=BeatsChampion(0.3, min_rows=2),
    ),
    "since the last training": Strategy(
        AnyOf(Every("6h"), DROP), SinceLastTraining(4), gate=BeatsChampion(0.3, min_rows=2)
    ),
    "the best of three": Strategy(
        Every("8h"), Dynamic([Sliding(12), Sliding("1D"), Expanding()], holdout=4)
    ),
    "the best by RMSE": Strategy(
        EveryRows(8),
        Dynamic([Decay("10h"), Reservoir(15)], holdout="9h", metric="RMSE"),
        gate=BeatsChampion(0.2, min_rows=1, refit=True),
    ),
    "representative": Strategy(Every("9h"), Representative(10)),
    "representative and decaying": Strategy(
        DROP, Representative(8, Decay("1D", Sliding(30)), max_weight=2.0)
    ),
    "reservoir": Strategy(Every("7h"), Reservoir(18, seed=2)),
    "complete cohorts": Strategy(
        Every("9h"), CompleteCohorts(Decay("2D"), "5h", coverage=0.7, max_age="1D")
    ),
    "complete days": Strategy(EveryRows(9), CompleteCohorts(Expanding(), "W-TUE", coverage=0.5)),
}
CLASSIFICATION = {
    "the best by accuracy": Strategy(
        Every("10h"), Dynamic([Sliding(10), Expanding()], holdout=5, metric="accuracy")
    ),
    "representative": Strategy(EveryRows(9), Representative(10, max_weight=4.0)),
    "reservoir": Strategy(Every("9h"), Reservoir(16), gate=BeatsChampion(0.3, min_rows=2)),
}
INCREMENTAL = {
    "partial fit since the last training": Strategy(
        Every("6h"), SinceLastTraining(3), PartialFit()
    ),
    "partial fit of the best": Strategy(
        Every("9h"), Dynamic([Sliding(15), Expanding()], holdout=4), PartialFit()
    ),
}
LONG = {
    "since ADWIN's cut": Strategy(
        AnyOf(ErrorDrift("ADWIN", {"delta": 0.5, "clock": 1}), Every("3D")), SinceDrift(5)
    ),
    "since Page and Hinkley": Strategy(
        ErrorDrift("PageHinkley", {"min_instances": 10, "threshold": 0.5, "delta": 0.01}),
        SinceDrift(5, Sliding(40)),
    ),
}


def selected(window, *hours, since=None, gate=None, late=None, start=4, **more):
    """What the window selects for the first model and for trainings at the given hours."""
    spy = Spy(window)
    strategy = Strategy(At(hours, since), spy, **({} if gate is None else {"gate": gate}))
    run = hourly(history(late=late), start=start, **more).replay(strategy)
    return spy.rows, run


# --- since the drift ------------------------------------------------------------------------------


def test_rows_since_the_change_whose_labels_have_arrived():
    # The change is dated to 5; at 9 the rows 5 to 8 are past, and the label of row 6 comes at 20.
    rows, _ = selected(SinceDrift(3), 9, since=5, late={6: 20})
    assert rows == {4: [0, 1, 2, 3], 9: [5, 7, 8]}


def test_too_few_rows_since_the_change_are_left_to_the_other_window():
    rows, _ = selected(SinceDrift(5, Sliding(3)), 9, since=5)  # there are four
    assert rows == {4: [1, 2, 3], 9: [6, 7, 8]}


def test_a_schedule_dates_no_change():
    rows, _ = selected(SinceDrift(1, Sliding(2)), 9)
    assert rows == {4: [2, 3], 9: [7, 8]}


def reasons(trigger, stream=None, **more):
    """What the trigger said, by hour."""
    said = {}

    class Watch:
        def monitor(self):
            inner = monitor_of(trigger)

            class Inner:
                def fires(self, view):
                    said[hour_of(view.now)] = inner.fires(view)

            return Inner()

    hourly(stream, **more).replay(Strategy(Watch(), Expanding()))
    return {at: reason for at, reason in said.items() if reason is not None}


def test_a_drop_is_dated_by_the_oldest_label_of_its_window():
    # The model answers 1.5. At 8 the newest three labels of served rows are 5, 6, 7: they are off
    # by 4.5 on average. An alarm stays as it was when it rose.
    said = reasons(PerformanceDrop("MAE", window=3, min_labels=3, below=4))
    assert {hour_of(reason.since) for reason in said.values()} == {5}
    assert min(said) == 8


def test_the_window_of_a_drop_is_in_order_of_arrival():
    # Row 4 is known at 8, the last of all: the newest three at 8 are then 6, 7, 4 or 5, 6, 7?
    # Labels arrive at 5, 6, 7 for rows 5 to 7 and at 8 for row 4; at 9 that of row 8 has come, too.
    said = reasons(PerformanceDrop("MAE", window=3, min_labels=3, below=4.4), history(late={4: 8}))
    # At 8, rows 6, 7, 4 are off by 4.5, 5.5, 2.5 (4.17); at 9, rows 7, 4, 8 by 5.5, 2.5, 6.5.
    assert min(said) == 9
    assert hour_of(said[9].since) == 7


def test_drift_of_features_is_dated_by_the_first_row_tested():
    stream = history(30, X=np.repeat([0.0, 9.0], 15)[:, None] + np.arange(30)[:, None] % 3)
    said = reasons(FeatureDrift(window=6, min_rows=5, alpha=0.05), stream, start=14)
    first = min(said)
    assert hour_of(said[first].since) == max(14, first - 6)


@pytest.mark.parametrize("detector", ["ADWIN", "KSWIN", "PageHinkley"])
@pytest.mark.parametrize("tick", ["1h", "20h"])
def test_a_rise_of_losses_is_dated_where_it_began(detector, tick):
    # The model answers 0: losses of 0 and 2 in turn, and of 5 and 7 from hour 200 on. The mean of
    # all lies between 1 and 6, so what has been summed up less that mean is lowest at 200.
    row = np.arange(300)
    y = 1 + 5.0 * (row >= 200) + (-1.0) ** row
    y[:4] = 0
    options = {"clock": 1} if detector == "ADWIN" else {}
    said = reasons(ErrorDrift(detector, options), history(300, y=y), tick=tick)
    rises = [reason for at, reason in said.items() if at > 200]
    assert {hour_of(reason.since) for reason in rises[:1]} == {200}


def test_rows_since_a_rise_are_trained_on():
    y = np.where(np.arange(300) < 200, 0.0, 5.0)
    spy = Spy(SinceDrift(1))
    trigger = ErrorDrift("PageHinkley")
    hourly(history(300, y=y), tick="20h").replay(Strategy(trigger, spy))
    assert spy.rows[224] == list(range(200, 224))


def test_several_alarms_give_the_first_date_there_is():
    both = AnyOf(Every("5h"), PerformanceDrop("MAE", window=3, min_labels=3, below=5))
    said = reasons(both)  # at 9 the rows 6, 7, 8 are off by 5.5, and five hours have passed
    assert hour_of(said[9].since) == 6
    assert "scheduled" in said[9].sentence


def test_the_reason_is_there_for_the_training_and_gone_after_it():
    seen = []

    class Watch:
        def select(self, view):
            seen.append(view.reason)
            return Sliding(3).select(view)

    look = Look(lambda view: view.reason, At((6,)))
    hourly().replay(Strategy(look, Watch()))
    assert [reason and reason.sentence for reason in seen] == [None, "it is time"]
    assert set(look.seen.values()) == {None}


# --- since the last training ----------------------------------------------------------------------


def test_late_labels_count_by_their_arrival():
    # Row 2 happens before start; its label comes at 9: after the decision at 6, before that at 10.
    rows, _ = selected(SinceLastTraining(1), 6, 10, late={2: 9})
    assert rows == {4: [0, 1, 3], 6: [4, 5], 10: [2, 6, 7, 8, 9]}


def test_rows_of_a_rejected_training_are_offered_again():
    rows, _ = selected(SinceLastTraining(1), 6, 8, 10, late={2: 9}, gate=Judge((2,)))
    assert rows == {4: [0, 1, 3], 6: [4, 5], 8: [4, 5, 6, 7], 10: [2, 8, 9]}


def test_with_too_few_new_rows_the_other_window_is_asked():
    rows, _ = selected(SinceLastTraining(3, Sliding(4)), 6, 9)
    assert rows == {4: [0, 1, 2, 3], 6: [2, 3, 4, 5], 9: [6, 7, 8]}


@settings(max_examples=30, deadline=None)
@given(
    late=st.dictionaries(st.integers(0, 12), st.integers(0, 14) | st.none(), max_size=6),
    hours=st.sets(st.integers(5, 12), min_size=1, max_size=4),
)
def test_no_label_is_lost_and_none_is_learnt_twice(late, hours):
    late = {row: None if at is None else max(row, at) for row, at in late.items() if row > 1}
    spy = Spy(SinceLastTraining(1, otherwise=Sliding(1)))
    stream = history(late=late)
    hourly(stream).replay(Strategy(At(tuple(hours)), spy))
    known_before: set[int] = set()
    for at, rows in spy.rows.items():
        known = {i for i in range(13) if i < at and (late.get(i, i) or 99) <= at}
        known |= {0} if at > 0 and 0 not in late else set()
        fresh = sorted(known - known_before)
        if fresh:
            assert rows == fresh
        known_before = known


# --- the best of several --------------------------------------------------------------------------

#: At 8 the rows 6 and 7 are held out. All of the others (0 to 5, mean 2.5) miss them by 3.5 and
#: 4.5; the newest four without them (4 and 5, mean 4.5) by 1.5 and 2.5; the newest two are gone.
TRIED = Dynamic([Expanding(), Sliding(2), Sliding(4)], holdout=2)


def test_the_winner_is_fitted_again_with_the_newest_rows():
    rows, run = selected(TRIED, 8)
    assert rows[8] == [4, 5, 6, 7]
    assert run.predictions["prediction"].tolist()[-1] == 5.5
    assert run.versions["rows"].tolist()[1] == 4


def test_every_fit_of_the_search_is_charged():
    prices = Prices(retrain=5, per_1k_rows=1000, label=1)
    _, run = selected(TRIED, 8, prices=prices)
    # 6 rows for the first candidate, 2 for the third, 4 for the winner; nothing for the second.
    assert spent(run, "train") == {8: 5 + 6 + 2 + 4}
    # All eight labels were looked at, four of them before: two by the first model's own search,
    # that held out 2 and 3, and fitted 0 and 1, and trained on all.
    assert spent(run, "label") == {8: 4}
    # The first model: rows 0 and 1 for two candidates, then the winner's: all four.
    assert spent(run, "initial") == {4: 5 + 2 + 2 + 4 + 4}


def test_labels_of_losing_candidates_are_bought():
    # The first model buys rows 2 and 3. At 8 the winner trains on 4 to 7; the loser was fitted on
    # 0 to 5. Labels from before start are charged as initial, whenever they are used.
    tried = Dynamic([Sliding(4), Expanding()], holdout=2)

    class Later:
        def select(self, view):
            return (Sliding(2) if view.reason is None else tried).select(view)

    spy = Spy(Later())
    run = hourly(prices=Prices(retrain=0, label=1)).replay(Strategy(At((8,)), spy))
    assert spy.rows[8] == [4, 5, 6, 7]
    assert spent(run, "label") == {8: 4}
    assert spent(run, "initial") == {4: 2, 8: 2}


def test_a_metric_that_should_be_large_is_turned_round():
    # R2 on rows 6 and 7: the model nearer to them has the larger one.
    rows, _ = selected(Dynamic([Expanding(), Sliding(4)], holdout=2, metric="R2"), 8)
    assert rows[8] == [4, 5, 6, 7]


def test_of_equals_and_where_nothing_can_be_judged_the_first_one_wins():
    rows, _ = selected(Dynamic([Sliding(3), Sliding(2)], holdout=5), 8)
    assert rows[8] == [5, 6, 7]
    rows, _ = selected(Dynamic([Sliding("20h"), Expanding()], holdout=2), 8)
    assert rows[8] == list(range(8))


def test_weights_are_kept_by_the_candidate_that_gives_them():
    spy = Spy(Dynamic([Decay("1h")], holdout=2))
    hourly().replay(Strategy(At((8,)), spy))
    assert spy.seen[8].weights.tolist() == [0.5**age for age in range(8, 0, -1)]


# --- weights that resemble the newest -------------------------------------------------------------


def mixed(**more):
    """400 old rows, x = 1 in a quarter of them; 100 new ones, x = 1 in three quarters.

    The labels of the new ones are not there yet. So x = 1 is three times as frequent now, and x = 0
    a third as frequent: 0.75 / 0.25 and 0.25 / 0.75.
    """
    x = np.r_[np.tile([1.0, 0, 0, 0], 100), np.tile([1.0, 1, 1, 0], 25), 0]
    late = dict.fromkeys(range(400, 501), 900.0)
    return history(501, X=x[:, None], y=x, late=late, **more)


def test_weights_are_the_ratio_of_the_densities():
    spy = Spy(Representative(100))
    run = hourly(mixed(), start=300, tick="10h").replay(Strategy(At((500,)), spy))
    found = spy.seen[500]
    assert found.indices().tolist() == list(range(400))
    one, zero = found.weights[0], found.weights[1]
    assert one == pytest.approx(3, rel=0.05)
    assert zero == pytest.approx(1 / 3, rel=0.05)
    assert np.mean(found.weights) == pytest.approx(1)
    # The weighted mean of x over the old rows is its mean over the new ones.
    assert run.predictions["prediction"].iloc[-1] == pytest.approx(0.75, abs=0.01)


def test_no_weight_is_larger_than_the_largest():
    spy = Spy(Representative(100, max_weight=2.0))
    hourly(mixed(), start=300, tick="10h").replay(Strategy(At((500,)), spy))
    assert spy.seen[500].weights.max() == 2.0


def test_inner_weights_are_multiplied_and_count_for_the_classifier():
    # Rows with x = 1 weigh three times as much already: 0.5 of the weight instead of 0.25.
    class Threefold:
        def select(self, view):
            inner = Expanding().select(view)
            return type(inner)(inner.rows, 1 + 2 * view.X(inner.rows)[:, 0])

    spy = Spy(Representative(100, window=Threefold()))
    run = hourly(mixed(), start=300, tick="10h").replay(Strategy(At((500,)), spy))
    assert run.predictions["prediction"].iloc[-1] == pytest.approx(0.75, abs=0.01)
    ratio = spy.seen[500].weights[0] / spy.seen[500].weights[1]
    assert ratio == pytest.approx(9, rel=0.1)  # 3 of its own, times (0.75/0.5) / (0.25/0.5)


def test_the_classifier_is_charged_and_looks_at_no_label():
    prices = Prices(retrain=0, per_1k_rows=1000, label=1)
    window = Representative(100)
    run = hourly(mixed(), start=300, tick="10h", prices=prices).replay(Strategy(At((500,)), window))
    assert spent(run, "train") == {500: 400 + 100 + 400}
    assert spent(run, "label") == {500: 100}  # rows 300 to 399; those before came with the first


def test_categories_and_gaps_are_weighted_too():
    kind = np.array(["a", "b", "b", "b"] * 100 + ["a", "a", "a", "b"] * 25 + ["c"])
    frame = pd.DataFrame({"size": np.where(np.arange(501) % 7 == 0, np.nan, 1.0)})
    frame["kind"] = pd.Categorical(kind)
    stream = mixed()
    stream = type(stream)(frame, stream.y, stream.event_time, stream.label_time)
    spy = Spy(Representative(100))
    hourly(stream, start=300, tick="10h").replay(Strategy(At((500,)), spy))
    weights = spy.seen[500].weights
    assert weights[kind[:400] == "a"].mean() > 5 * weights[kind[:400] == "b"].mean()


@dataclass(frozen=True)
class Blind:
    """An update that looks at features alone, and says what it was handed."""

    needs_parent: ClassVar[bool] = False

    def fit(self, model, X, y, weights, parent, seed):
        return X[:, 0].tolist(), y


def test_a_fit_on_features_alone_takes_unlabelled_rows_and_gets_no_label():
    made = []

    class Asking:
        def select(self, view):
            rows = Selection(slice(2, view.past))
            made.append(view.fit(Blind(), rows, labels=False).estimator)
            return Expanding().select(view)

    hourly(history(late={3: 20})).replay(Strategy(At(()), Asking()))
    assert made == [([2, 3], None)]


def test_a_fit_on_features_alone_does_not_reach_into_the_future():
    class Asking:
        def select(self, view):
            return view.fit(Blind(), Selection(slice(2, view.past + 1)), labels=False).selection

    with pytest.raises(FutureLeak, match="features of row 4"):
        hourly().replay(Strategy(At(()), Asking()))


# --- a sample of everything -----------------------------------------------------------------------


def test_the_rows_with_the_smallest_numbers_are_the_sample():
    # default_rng(0) gives rows 0 to 8 the numbers .64 .27 .04 .02 .81 .91 .61 .73 .54.
    rows, _ = selected(Reservoir(3), 9)
    assert rows == {4: [1, 2, 3], 9: [1, 2, 3]}
    rows, _ = selected(Reservoir(3), 9, late={2: 20})
    assert rows == {4: [0, 1, 3], 9: [1, 3, 8]}


@settings(max_examples=40, deadline=None)
@given(
    size=st.integers(1, 8),
    seed=st.integers(0, 99),
    late=st.dictionaries(st.integers(2, 12), st.integers(0, 14), max_size=8),
)
def test_a_row_that_has_left_the_sample_never_comes_back(size, seed, late):
    late = {row: max(row, at) for row, at in late.items()}
    rows, _ = selected(Reservoir(size, seed), *range(5, 13), late=late)
    gone: set[int] = set()
    for at, sample in rows.items():
        known = {i for i in range(13) if i < at and late.get(i, i) <= at}
        assert len(sample) == min(size, len(known))
        assert not set(sample) & gone
        gone = known - set(sample)


def test_every_row_is_as_likely():
    counts = np.zeros(12)
    for seed in range(600):
        rows, _ = selected(Reservoir(4, seed), 12)
        counts[rows[12]] += 1
    assert np.abs(counts / 600 - 4 / 12).max() < 4 * np.sqrt(4 / 12 * 8 / 12 / 600)


# --- complete cohorts -----------------------------------------------------------------------------

#: Cohorts of four hours: rows 0 to 3, 4 to 7, 8 to 11. Row 1 has no label ever, that of row 6 comes
#: at 30. At 10 three of four labels of the first two cohorts are there, and both past rows of the
#: third.
LATE = {1: None, 6: 30}


@pytest.mark.parametrize(
    ("coverage", "max_age", "rows"),
    [
        (0.75, None, [0, 2, 3, 4, 5, 7, 8, 9]),
        (0.76, None, [8, 9]),
        (0.76, "6h", [0, 2, 3, 8, 9]),  # the first cohort ended at 4, the second at 8
        (0.76, "6h1min", [8, 9]),
        (0.76, "2h", [0, 2, 3, 4, 5, 7, 8, 9]),
    ],
)
def test_only_cohorts_whose_labels_are_there_or_that_are_old(coverage, max_age, rows):
    window = CompleteCohorts(Expanding(), "4h", coverage, max_age)
    # The first model is trained at 9, so that it has rows, too.
    assert selected(window, 10, late=LATE, start=9)[0][10] == rows


def test_the_inner_window_chooses_and_its_weights_are_kept():
    spy = Spy(CompleteCohorts(Decay("1h", Sliding(5)), "4h", coverage=0.8))
    hourly(history(late=LATE), start=9).replay(Strategy(At((10,)), spy))
    assert spy.rows[10] == [8, 9]
    assert spy.seen[10].weights.tolist() == [0.25, 0.5]


def test_months_begin_where_months_begin():
    # A row a day from January 20 on; the label of February 3 is missing, so on February 6 February
    # has 4 of 5 labels.
    days = pd.date_range("2024-01-20 06:00", periods=40, freq="D")
    label = days.to_numpy(copy=True)
    label[14] = np.datetime64("NaT", "ns")
    stream = history(40, event_time=days.to_numpy(), label_time=label)
    for coverage, count in ((0.8, 12 + 4), (0.81, 12)):
        spy = Spy(CompleteCohorts(Expanding(), "MS", coverage))
        backtest = Backtest(stream, DummyRegressor(), tick="1D", start="2024-02-06")
        backtest.replay(Strategy(At(()), spy))
        ((_, rows),) = spy.rows.items()
        assert len(rows) == count


@settings(max_examples=40, deadline=None)
@given(
    freq=st.sampled_from(["3h", "5h", "1D", "7D", "W-MON", "W-THU", "MS", "2MS"]),
    coverage=st.sampled_from([0.3, 0.5, 0.9, 1.0]),
    max_age=st.sampled_from([None, "1D", "3D", "MS"]),
    seed=st.integers(0, 999),
)
def test_cohorts_are_those_of_pandas(freq, coverage, max_age, seed):
    rng = np.random.default_rng(seed)
    gaps = rng.choice([0, 1, 2, 30], size=60)
    event = hour(0).to_datetime64() + np.cumsum(gaps) * np.timedelta64(1, "h")
    label = event + rng.choice([0, 0, 5, 60], size=60) * np.timedelta64(1, "h")
    label[5:][rng.random(55) < 0.1] = np.datetime64("NaT", "ns")
    stream = history(60, event_time=event, label_time=label)
    now = pd.Timestamp(event[rng.integers(30, 55)])
    spy = Spy(CompleteCohorts(Expanding(), freq, coverage, max_age))
    with suppress(SetupError):  # where no cohort is complete
        Backtest(stream, DummyRegressor(), start=now).replay(Strategy(At(()), spy))
    rows = next(iter(spy.rows.values()))  # where it finds none, it is tried at later starts, too
    assert rows == cohorts_by_pandas(event, label, now, freq, coverage, max_age)


def cohorts_by_pandas(event, label, now, freq, coverage, max_age):
    begin, offset = {}, pd.tseries.frequencies.to_offset(freq)
    fixed = not freq.endswith(("S", "MON", "THU"))
    edge = pd.Timestamp(0) if fixed else offset.rollback(pd.Timestamp(event[0]).normalize())
    borders = pd.date_range(edge, pd.Timestamp(event[-1]) + pd.Timedelta("80D"), freq=offset)
    past = [i for i in range(len(event)) if event[i] < now]
    for i in past:
        begin[i] = borders[borders <= event[i]][-1]
    kept = []
    for i in past:
        mates = [j for j in past if begin[j] == begin[i]]
        known = [j for j in mates if not np.isnat(label[j]) and label[j] <= now]
        end = borders[borders > begin[i]][0]
        old = max_age is not None and end <= now - pd.tseries.frequencies.to_offset(max_age)
        if i in known and (len(known) >= coverage * len(mates) - 1e-12 or old):
            kept.append(i)
    return kept


# --- what fits with what --------------------------------------------------------------------------

FOLLOWING = [
    SinceDrift(),
    SinceLastTraining(),
    Decay("7D", window=SinceDrift()),
    Dynamic([Expanding(), SinceLastTraining()]),
    Representative(100, window=SinceDrift()),
    CompleteCohorts(SinceLastTraining(), "7D"),
]
FREE = [
    Dynamic([Sliding(60), Expanding()], holdout=20),
    Representative(50),
    Reservoir(80),
    CompleteCohorts(Sliding("10D"), "1D", coverage=0.8, max_age="2D"),
]


def setting():
    stream = apply(abrupt(n=700, task="regression"), LogNormal("5h"))
    return Backtest(stream, Ridge(), tick="1D", prices=Prices(retrain=3, per_1k_rows=2, release=1))


@pytest.mark.parametrize("window", FOLLOWING, ids=repr)
def test_windows_that_follow_what_was_trained_stay_out_of_matrices(window):
    backtest = setting()
    with pytest.raises(PartError, match="what was trained before"):
        backtest.loss_matrix(window)
    with pytest.raises(PartError, match="what was trained before"):
        backtest.tune(window)
    strategies = {"a": Strategy(Every("10D"), window), "b": Strategy(Every("10D"), Expanding())}
    runs = backtest.compare(strategies, hindsight=True).runs
    assert "hindsight" not in runs["a"].info
    assert "reads view." in runs["a"].info["no_hindsight"]
    assert "hindsight" in runs["b"].info


@pytest.mark.parametrize("window", FREE, ids=repr)
def test_a_matrix_of_the_others_costs_what_replays_cost(window):
    backtest = setting()
    matrix = loss_matrix(backtest, window, Refit(), backtest.store)
    for days in (1, 3):
        run = backtest.replay(Strategy(Every(f"{days}D"), window))
        cost = matrix.every(days).cost(backtest.prices)[0]
        assert cost == pytest.approx(run.totals["total"], rel=1e-9)


@pytest.mark.parametrize(
    "window",
    [
        Representative(50),
        SinceDrift(otherwise=Decay("7D")),
        SinceLastTraining(otherwise=Decay("7D")),
        Dynamic([Expanding(), Decay("7D")]),
        CompleteCohorts(Decay("7D"), "7D"),
        Decay("7D", window=Decay("30D")),
        Representative(50, window=CompleteCohorts(Dynamic([Decay("1D")]), "7D")),
    ],
    ids=repr,
)
def test_weights_are_refused_for_models_that_take_none(window):
    with pytest.raises(PartError, match="KNeighborsRegressor takes no sample_weight"):
        hourly(model=KNeighborsRegressor()).replay(Strategy(At(()), window))


def test_a_metric_is_refused_that_the_model_cannot_give():
    with pytest.raises(ValueError, match="accuracy"):
        hourly().replay(Strategy(At(()), Dynamic([Expanding()], metric="accuracy")))


def test_a_reason_has_no_date_unless_it_is_told():
    assert Reason("because").since is None


def test_cohorts_of_a_month_stay_at_the_end_of_the_month() -> None:
    event = pd.date_range("2024-01-31", "2024-05-15", freq="12h").to_numpy()
    window = CompleteCohorts(Expanding(), pd.DateOffset(months=1))  # type: ignore[arg-type]
    number, ends = window._cohorts(event, UTC)
    days = ["2024-02-29", "2024-03-31", "2024-04-30", "2024-05-31"]
    assert ends.astype("datetime64[D]").astype(str).tolist() == days
    assert (ends[number] > event).all()
    assert number.tolist() == sorted(number.tolist())
    assert (event >= np.r_[event[:1], ends][number]).all()
