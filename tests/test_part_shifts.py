"""Triggers on distributions: worked by hand, and replayed on tables with categories and gaps."""

from dataclasses import dataclass
from unittest.mock import patch

import numpy as np
import pandas as pd
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from scipy import stats
from sklearn.base import BaseEstimator, RegressorMixin
from sklearn.compose import make_column_transformer
from sklearn.dummy import DummyClassifier, DummyRegressor
from sklearn.impute import SimpleImputer
from sklearn.linear_model import Ridge, RidgeClassifier
from sklearn.naive_bayes import GaussianNB
from sklearn.pipeline import make_pipeline
from sklearn.preprocessing import OneHotEncoder

from backtrain import Backtest, PartError, Prices, Strategy, Stream, Verdict
from backtrain.strategies import (
    AnyOf,
    Every,
    Expanding,
    FeatureDrift,
    MissingDrift,
    Never,
    OnDates,
    PredictionDrift,
    Sliding,
)
from backtrain.strategies.drift.distances import Sample, calibrated
from backtrain.strategies.drift.rules import USUAL, Rule

PARTS = [
    FeatureDrift("PSI", threshold=0.2),
    FeatureDrift("domain classifier"),
    FeatureDrift(correction="Bonferroni", season="hour of week"),
    PredictionDrift(),
    PredictionDrift("JS", threshold=0.3, window=500),
    MissingDrift(),
    MissingDrift("none", alpha=0.001, exclude=["hour"], min_share=0.5),
]
SMALL = {"window": 20, "min_rows": 8}
DISTANCES = {"PSI": 2.5, "JS": 0.55, "domain classifier": 0.75, "PCA": 0.35, "MMD": "calibrated"}
REGRESSION = {
    f"feature drift: {test}": Strategy(FeatureDrift(test, threshold=limit, **SMALL), Sliding(24))
    for test, limit in DISTANCES.items()
} | {
    "feature drift: chi2": Strategy(FeatureDrift("chi2", alpha=0.3, **SMALL), Sliding(24)),
    "feature drift, corrected": Strategy(
        FeatureDrift("KS", correction="Bonferroni", alpha=0.3, **SMALL), Expanding()
    ),
    "feature drift, same hour": Strategy(
        FeatureDrift(alpha=0.3, season="hour", window=12, min_rows=3), Expanding()
    ),
    "distance, same weekday": Strategy(
        FeatureDrift("Wasserstein", threshold=0.6, season="weekday", window=16, min_rows=4),
        Expanding(),
        cooldown="5h",
    ),
    "prediction drift": Strategy(PredictionDrift(alpha=0.2, window=16, min_rows=6), Sliding(24)),
    "prediction drift, distance": Strategy(
        PredictionDrift("Wasserstein", threshold=1.5, window=16, min_rows=6), Expanding()
    ),
    "missing drift": Strategy(MissingDrift(alpha=0.3, **SMALL), Sliding(24)),
}
CLASSIFICATION = {
    "prediction drift of scores": Strategy(
        PredictionDrift(alpha=0.2, window=16, min_rows=6), Sliding(24)
    ),
    "prediction drift of counts": Strategy(
        PredictionDrift("chi2", alpha=0.2, window=16, min_rows=6), Expanding()
    ),
}
NONSENSE = [
    (lambda: FeatureDrift("KSS"), "not one of 'auto', 'KS'.*did you mean 'KS'"),
    (lambda: FeatureDrift(correction="BH"), "not one of 'Benjamini-Hochberg'"),
    (lambda: FeatureDrift(threshold=0.2), "'auto' gives p-values; set alpha instead"),
    (lambda: FeatureDrift("PSI", threshold="high"), "a distance, not negative, or 'calibrated'"),
    (lambda: FeatureDrift("PSI", threshold=-1), "not negative"),
    (lambda: FeatureDrift("PSI", alpha=0.01), "alpha=0.01.*'PSI' gives no p-values; set threshold"),
    (lambda: FeatureDrift("PSI", correction="none"), "correction='none'.*set threshold"),
    (lambda: FeatureDrift(season="summer"), "not one of 'hour', 'weekday'"),
    (lambda: FeatureDrift(min_share=2), "a share from 0 to 1"),
    (lambda: FeatureDrift(max_reference=1), "2 or more"),
    (lambda: FeatureDrift(max_reference=float("nan")), "whole number"),  # type: ignore[arg-type]
    (lambda: FeatureDrift(window=500.5), "1 or more"),  # type: ignore[arg-type]
    (lambda: PredictionDrift("PCA"), "not one of 'auto', 'KS'"),
    (lambda: PredictionDrift(min_rows=2_000), "at least min_rows"),
    (lambda: MissingDrift("BH"), "not one of 'Benjamini-Hochberg'"),
    (lambda: MissingDrift(alpha=1), "between 0 and 1"),
    (lambda: MissingDrift(exclude="hour"), r"give a list, such as \['hour'\]"),
]

MIDNIGHT = np.datetime64("2024-01-01T00", "ns")
HOUR = np.timedelta64(3_600_000_000_000, "ns")


class Echo(RegressorMixin, BaseEstimator):
    """Predicts the first feature, whatever it was fitted on."""

    def fit(self, X, y, sample_weight=None):
        self.fitted_ = True
        return self

    def predict(self, X):
        return np.asarray(X, dtype=float)[:, 0]


def hourly(values, start, model=None, **more):
    """One row an hour, of one feature or several; row ``start`` is served first, a tick an hour."""
    X = np.asarray(values, dtype=float).reshape(len(values), -1)
    stream = Stream(X, np.arange(len(X)) % 2 * 1.0, MIDNIGHT + np.arange(len(X)) * HOUR)
    at = pd.Timestamp(stream.event_time[start])
    model = DummyRegressor() if model is None else model
    return Backtest(stream, model, tick="1h", start=at, prices=Prices(check=1), **more)


def alarms(backtest, trigger, window=None):
    """Hour, statistic and threshold of each decision to train."""
    run = backtest.replay(Strategy(trigger, Expanding() if window is None else window))
    found = run.events[run.events["kind"] == "trained"]
    hours = (found["at"] - pd.Timestamp(MIDNIGHT)) / pd.Timedelta("1h")
    return list(zip(hours, found["statistic"].round(9), found["threshold"], strict=True))


def checks(run):
    """Hours at which a check was charged."""
    at = run.charges["when"][run.charges["kind"] == "check"]
    return ((at - pd.Timestamp(MIDNIGHT)) / pd.Timedelta("1h")).tolist()


# --- features -----------------------------------------------------------------------------------


def test_a_distance_is_held_against_a_fixed_threshold():
    # Trained on 0, 0, 2, 2: mean 1, standard deviation 1. At hour 6 rows 4 and 5 have been served:
    # 1 and 3. Quantiles 0 0 2 2 against 1 1 3 3 lie 1 apart: 1 over sigma. At hour 7 these are 3
    # and 3, against 0 0 2 2: 3, 3, 1 and 1 apart: 2.
    setup = hourly([0, 2, 0, 2, 1, 3, 3, 3], start=4)
    small = {"window": 2, "min_rows": 2}
    assert alarms(setup, FeatureDrift("Wasserstein", threshold=0.9, **small))[0] == (6, 1, 0.9)
    assert alarms(setup, FeatureDrift("Wasserstein", threshold=1.9, **small)) == [(7, 2, 1.9)]
    assert alarms(setup, FeatureDrift("Wasserstein", threshold=2.0, **small)) == []


def test_the_reference_is_what_the_model_in_force_was_trained_on():
    # Retrained at hour 6 on rows 2 to 5 (0, 2, 1, 3: mean 1.5, variance 1.25), of which rows 6 and
    # 7 (3 and 3) lie 3, 2, 1 and 0 away: 1.5 over sigma. They are seen at hour 8.
    setup = hourly([0, 2, 0, 2, 1, 3, 3, 3, 3], start=4)
    trigger = FeatureDrift("Wasserstein", threshold=0.9, window=2, min_rows=2)
    found = alarms(setup, trigger, Sliding(4))
    assert found == [(6, 1, 0.9), (8, pytest.approx(1.5 / 1.25**0.5), 0.9)]


def test_a_bonferroni_limit_is_that_of_one_column():
    values = np.zeros((30, 2))
    values[:20] = np.random.default_rng(0).normal(size=(20, 2))
    values[20:, 0] = 9
    values[20:, 1] = values[:10, 1]
    setup = hourly(values, start=20)
    trigger = FeatureDrift("KS", "Bonferroni", alpha=0.04, window=5, min_rows=5)
    p_value = stats.ks_2samp(values[:20, 0], values[20:25, 0], method="asymp").pvalue
    found = alarms(setup, trigger)[0]
    assert found == (25, pytest.approx(p_value), 0.02)
    run = setup.replay(Strategy(trigger, Expanding()))
    said = run.events["reason"][run.events["kind"] == "trained"].iloc[0]
    assert said == "1 of 2 features drifted: x0"


def test_hours_do_not_drift_against_the_same_hours():
    # Three days of training, then rows that say which hour it is, and next to it a value that
    # rises by 5 on the last day.
    hours = np.arange(24 * 5) % 24
    rising = np.random.default_rng(0).normal(size=len(hours)) + 5 * (np.arange(24 * 5) >= 96)
    small = {"window": 6, "min_rows": 6}
    setup = hourly(hours, start=72)
    assert alarms(setup, FeatureDrift(**small))
    assert alarms(setup, FeatureDrift(season="hour", **small)) == []
    both = hourly(np.column_stack((hours, rising)), start=72)
    first = alarms(both, FeatureDrift(season="hour", **small))[0][0]
    assert 96 < first <= 102


def test_a_season_that_training_did_not_see_is_not_compared():
    # Trained on hours 0 to 11 of one day, asked at hours 12 to 23: nothing to compare with.
    run = hourly(np.arange(30), start=12).replay(
        Strategy(FeatureDrift(season="hour", window=6, min_rows=3), Expanding())
    )
    # From midnight on hours 0, 1, 2, ... come again, one row of each in training: three at 3 h.
    assert checks(run)[0] == 27


def test_a_threshold_is_calibrated_on_a_window_that_is_not_longer_than_the_rows():
    rng = np.random.default_rng(0)
    values = rng.normal(size=4_000)
    sample = Sample(lambda places: [values[places]], 4_000, 4_000)
    rule = Rule("JS", *USUAL, "calibrated", window=400)
    comparison = rule.against(sample, ["x"])
    for rows, size in ((400, 400), (399, 200), (200, 200), (150, 100)):
        found = comparison.look([rng.normal(size=rows)])
        assert found.limit == calibrated("JS", sample, size)


def test_one_check_is_charged_a_look_and_only_where_rows_are_new():
    values = np.random.default_rng(0).normal(size=12)
    run = hourly(values, start=6).replay(
        Strategy(FeatureDrift(window=4, min_rows=3, alpha=1e-9), Expanding())
    )
    assert checks(run) == [9, 10, 11]
    quiet = hourly(values, start=6).replay(Strategy(Never(), Expanding()))
    assert run.totals["total"] - quiet.totals["total"] == pytest.approx(3)


# --- predictions --------------------------------------------------------------------------------


def test_predictions_are_held_against_those_on_the_newest_fifth_of_the_training_rows():
    # Predictions are the feature. Of ten training rows the newest two say 0 and 2: sigma is 1. At
    # hour 12 the served 1 and 3 lie 1 apart from that; at hour 13 the newest two, 3 and 4, lie 2.5.
    setup = hourly([9] * 8 + [0, 2] + [1, 3, 4, 4], start=10, model=Echo())
    small = {"window": 2, "min_rows": 2}
    assert alarms(setup, PredictionDrift("Wasserstein", threshold=0.9, **small))[0] == (12, 1, 0.9)
    assert alarms(setup, PredictionDrift("Wasserstein", threshold=2, **small)) == [(13, 2.5, 2)]


def test_the_reference_of_predictions_is_charged_and_its_labels_are_not_bought_twice():
    setup = hourly([9] * 8 + [0, 2] + [0, 2], start=10, model=Echo())
    prices = Prices(per_1k_rows=1_000, label=1)
    trigger = PredictionDrift(window=2, min_rows=1)
    charges = (
        Backtest(setup.stream, Echo(), tick="1h", start=setup.start, prices=prices)
        .replay(Strategy(trigger, Expanding()))
        .charges
    )
    trained = charges[charges["kind"] == "train"]
    assert trained["amount"].tolist() == [8]
    assert charges["amount"][charges["kind"] == "label"].sum() == 0


@dataclass(frozen=True)
class Handover:
    """A challenger that answers everything and is never confirmed."""

    def open(self):
        return self

    def check(self, selection, view):
        return None

    def reserve(self, selection):
        return selection, None

    def review(self, view):
        return Verdict.wait(share=1.0)


def test_rows_that_a_challenger_answered_are_not_looked_at():
    # From hour 13 on, the rows are the challenger's: at 14 one of the newest two is, at 15 both.
    setup = hourly([0, 1] * 8, start=10, model=Echo())
    trigger = AnyOf(OnDates(["2024-01-01 13:00"]), PredictionDrift(window=2, min_rows=2))
    run = setup.replay(Strategy(trigger, Expanding(), gate=Handover()))
    assert checks(run) == [12, 13]


@pytest.mark.parametrize("model", [GaussianNB(), RidgeClassifier()], ids=["scores", "classes"])
def test_predictions_of_classes_and_of_probabilities(model):
    rng = np.random.default_rng(0)
    late = np.arange(300) >= 250
    x = rng.normal(size=300) + 3 * late
    y = np.where(x + rng.normal(size=300) > 0, "yes", "no")
    stream = Stream(x[:, None], y, MIDNIGHT + np.arange(300) * HOUR)
    at = pd.Timestamp(stream.event_time[150])
    setup = Backtest(stream, model, tick="5h", start=at)
    trigger = PredictionDrift(alpha=0.001, window=30, min_rows=20)
    found = alarms(setup, trigger)
    assert 250 < found[0][0] <= 285


# --- missing values -----------------------------------------------------------------------------


def test_missing_values_are_counted_by_hand():
    # One of ten is missing in training, six of the ten newest: 7 of 20 together.
    # z = 0.5 / sqrt(0.35 * 0.65 * (1 / 10 + 1 / 10)) = 2.344, both sides beyond it: p = 0.019.
    x = np.ones((20, 2))
    x[[3, *range(12, 18)], 0] = np.nan
    p_value = 2 * stats.norm.sf(0.5 / np.sqrt(0.35 * 0.65 * 0.2))
    assert p_value == pytest.approx(0.0191, abs=5e-5)
    setup = hourly(np.vstack((x, x[:1])), start=10)
    small = {"window": 10, "min_rows": 10, "correction": "none"}
    assert alarms(setup, MissingDrift(alpha=0.02, **small)) == [(20, round(p_value, 9), 0.02)]
    assert alarms(setup, MissingDrift(alpha=0.019, **small)) == []
    assert alarms(setup, MissingDrift(alpha=0.02, exclude=["x0"], **small)) == []
    assert alarms(setup, MissingDrift(alpha=0.02, min_share=0.6, **small)) == []


def test_missing_drift_names_the_columns():
    x = np.ones((60, 2))
    x[30:, 1] = np.nan
    run = hourly(x, start=30).replay(Strategy(MissingDrift(window=20, min_rows=5), Expanding()))
    said = run.events["reason"][run.events["kind"] == "trained"].iloc[0]
    assert said == "1 of 2 features drifted: x1 (missing)"


# --- tables with categories and gaps ------------------------------------------------------------


def table(rng, n=70):
    """A category that gets rarer, a number that goes missing, and one that moves."""
    from test_leaks import history

    stream, late = history(rng, n), np.arange(n) > n / 2
    frame = pd.DataFrame({"x": stream.X[:, 0], "gaps": stream.X[:, 1]})
    frame.loc[rng.random(n) < np.where(late, 0.5, 0.1), "gaps"] = np.nan
    kind = np.where(rng.random(n) < np.where(late, 0.7, 0.2), "new", "old").astype(object)
    kind[rng.random(n) < 0.1] = None
    frame["kind"] = pd.Categorical(kind)
    return Stream(frame, stream.y, stream.event_time, stream.label_time)


TABLE = {
    "auto": Strategy(FeatureDrift(alpha=0.2, **SMALL), Sliding(30)),
    "chi2": Strategy(FeatureDrift("chi2", alpha=0.3, exclude=["x"], **SMALL), Expanding()),
    "PSI": Strategy(FeatureDrift("PSI", threshold=3.5, **SMALL), Sliding(30)),
    "MMD": Strategy(FeatureDrift("MMD", threshold=0.1, **SMALL), Expanding()),
    "PCA": Strategy(FeatureDrift("PCA", threshold=0.3, **SMALL), Sliding(30)),
    "same hour": Strategy(
        FeatureDrift(alpha=0.4, season="hour", window=12, min_rows=4), Expanding()
    ),
    "missing": Strategy(MissingDrift(alpha=0.2, **SMALL), Sliding(30)),
    "prediction": Strategy(PredictionDrift(alpha=0.2, **SMALL), Sliding(30)),
}


def on_a_table(seed):
    """A model that takes gaps and unknown categories."""
    rng = np.random.default_rng(seed)
    inputs = make_column_transformer(
        (OneHotEncoder(handle_unknown="ignore"), ["kind"]),
        (SimpleImputer(keep_empty_features=True), ["x", "gaps"]),
    )
    stream = table(rng)
    prices = Prices(retrain=5, per_1k_rows=100, label=0.25, check=0.5)
    at = pd.Timestamp(stream.event_time[25])
    model = make_pipeline(inputs, Ridge())
    return Backtest(stream, model, tick=["2h", "5h", 3][rng.integers(3)], start=at, prices=prices)


@pytest.mark.parametrize("name", TABLE)
def test_a_table_is_replayed_row_by_row(name):
    from test_replay import assert_same

    trained = 0
    for seed in range(2):
        setup = on_a_table(seed)
        assert_same(setup, TABLE[name], exact=False)
        trained += setup.replay(TABLE[name]).totals["retrains"]
    assert trained


@pytest.mark.parametrize("name", TABLE)
def test_a_table_is_blind(name):
    from test_leaks import assert_blind, some_instant, spoilt

    for seed in range(2):
        rng = np.random.default_rng(seed)
        setup = on_a_table(seed)
        assert_blind(setup, TABLE[name], some_instant(rng, setup.stream), spoilt, rng)


def test_columns_that_a_test_cannot_compare_are_left_out_or_refused():
    setup = on_a_table(0)
    run = setup.replay(Strategy(FeatureDrift("KS", alpha=0.5, **SMALL), Expanding()))
    said = run.events["reason"][run.events["kind"] == "trained"].iloc[0]
    assert "of 2 features" in said
    for trigger, says in (
        (FeatureDrift("KS", exclude=["x", "gaps"], **SMALL), "needs a numeric column; use 'auto'"),
        (FeatureDrift("PCA", exclude=["x", "gaps"], **SMALL), "needs two columns"),
        (FeatureDrift(exclude=["z"]), "no column 'z'; the stream has x, gaps, kind"),
        (MissingDrift(exclude=["z"]), "no column 'z'"),
        (MissingDrift(exclude=["x", "gaps", "kind"]), "leaves no column to test"),
    ):
        with pytest.raises(PartError, match=says):
            setup.replay(Strategy(trigger, Expanding()))


def test_predicted_classes_are_no_numbers():
    stream = Stream(np.ones((20, 1)), np.arange(20) % 2, MIDNIGHT + np.arange(20) * HOUR)
    at = pd.Timestamp(stream.event_time[10])
    numbers = Strategy(PredictionDrift("KS"), Expanding())
    Backtest(stream, DummyClassifier(), tick="1h", start=at).replay(numbers)
    with pytest.raises(PartError, match="RidgeClassifier gives classes without probabilities"):
        Backtest(stream, RidgeClassifier(), tick="1h", start=at).replay(numbers)


# --- whose rows are compared --------------------------------------------------------------------


class Recorder:
    """Stands in for a comparison: keeps both samples and finds nothing."""

    def __init__(self, sample, looks):
        self.sample, self.looks = sample, looks

    def look(self, columns):
        self.looks.append((self.sample.columns[0].astype(int), columns[0].astype(int)))
        return self

    def worst_reading(self):
        return 0.0, 1.0

    def reason(self, share):
        return None


@settings(max_examples=30, deadline=None)
@given(
    seed=st.integers(0, 10_000),
    season=st.sampled_from([None, "hour", "weekday"]),
    window=st.integers(4, 30),
)
def test_training_rows_in_force_are_compared_with_the_newest_rows_since(seed, season, window):
    # The feature is the row's own number, so that both samples say which rows they hold.
    from test_leaks import DELAYS, history

    rng = np.random.default_rng(seed)
    stream = history(rng, 80)
    stream = Stream(np.arange(80.0)[:, None], stream.y, stream.event_time, stream.label_time)
    start = pd.Timestamp(stream.event_time[25])
    setup = Backtest(
        stream,
        DummyRegressor(),
        tick="3h",
        start=start,
        prices=Prices(check=1),
        delays=DELAYS[seed % 3],
    )
    trigger = FeatureDrift("KS", window=window, min_rows=4, season=season)
    looks = []
    with patch.object(Rule, "against", lambda rule, sample, names: Recorder(sample, looks)):
        run = setup.replay(Strategy(AnyOf(Every("13h"), trigger), Sliding(40)))
    at = run.charges["when"][run.charges["kind"] == "check"]
    assert len(looks) == len(at)
    decided_at = run.deployments["version"].map(run.versions.set_index("version")["decided_at"])
    for now, (learnt, newest) in zip(at, looks, strict=True):
        past = int(stream.event_time.searchsorted(now.to_datetime64()))
        # What was decided at this very tick came after the look.
        there = (run.deployments["from"] <= now) & ((decided_at < now) | (decided_at == start))
        force = run.deployments[there].iloc[-1]
        since = int(stream.event_time.searchsorted(force["from"].to_datetime64()))
        version = run.versions.set_index("version").loc[force["version"]]
        decided = version["decided_at"].to_datetime64()
        assert (stream.event_time[learnt] < decided).all()
        assert (stream.label_time[learnt] <= decided).all()
        expected = range(max(since, past - window), past)
        if season is None:
            assert newest.tolist() == list(expected)
            assert len(learnt) == version["rows"]
        else:
            assert set(newest) <= set(expected)
            sides = [pd.DatetimeIndex(stream.event_time[rows]) for rows in (learnt, newest)]
            counts = [
                (side.hour if season == "hour" else side.day_of_week).value_counts()
                for side in sides
            ]
            assert (counts[0] / counts[1]).nunique() == 1


@pytest.mark.parametrize("name", [*REGRESSION, *CLASSIFICATION])
@pytest.mark.filterwarnings("error")
def test_every_strategy_of_these_acts(name):
    from test_leaks import history

    trained = 0
    for seed in range(6):
        rng = np.random.default_rng(seed)
        task = "classification" if name in CLASSIFICATION else "regression"
        stream = history(rng, 80, task)
        model = GaussianNB() if name in CLASSIFICATION else Ridge()
        at = pd.Timestamp(stream.event_time[20])
        run = Backtest(stream, model, tick="3h", start=at).replay(
            {**REGRESSION, **CLASSIFICATION}[name]
        )
        trained += run.totals["retrains"]
    assert trained or name == "missing drift"  # nothing is missing here; it acts in TABLE
