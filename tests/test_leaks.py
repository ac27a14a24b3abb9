"""Nothing recorded before an instant depends on anything that was unknown at it.

Each test replays a history twice: as it was, and with everything spoilt that was not known at an
instant t. Whatever both records say about the time before t must be equal, to the last bit.
"""

from __future__ import annotations

from dataclasses import dataclass, replace

import numpy as np
import pandas as pd
import pytest
from hypothesis import HealthCheck, Phase, given, settings
from hypothesis import strategies as st
from shipped import CLASSIFICATION, INCREMENTAL, LONG, PIPELINES, REGRESSION, ZERO_ONE
from sklearn.compose import ColumnTransformer
from sklearn.ensemble import (
    HistGradientBoostingRegressor,
    RandomForestClassifier,
    RandomForestRegressor,
)
from sklearn.linear_model import LogisticRegression, Ridge, SGDClassifier, SGDRegressor
from sklearn.naive_bayes import GaussianNB
from sklearn.pipeline import make_pipeline
from sklearn.preprocessing import OneHotEncoder, StandardScaler
from sklearn.tree import DecisionTreeClassifier, DecisionTreeRegressor

from backtrain import Backtest, Delays, Prices, Reason, Selection, Strategy
from backtrain.audit.poison import cut, poisoned, shuffled
from backtrain.audit.records import before
from backtrain.strategies import (
    AnyOf,
    BeatsChampion,
    Every,
    Expanding,
    FeatureDrift,
    PerformanceDrop,
    Sliding,
)
from backtrain.testing import history

PRICES = Prices(retrain=5, per_1k_rows=100, label=0.25, check=0.5, review=2, release=3)
DELAYS = (Delays(), Delays(train="2h30min"), Delays(train="3h", deploy="5h"))
SERVED_FROM = 20

slowly = settings(
    max_examples=4,
    deadline=None,
    derandomize=True,
    phases=[Phase.explicit, Phase.generate],
    suppress_health_check=[HealthCheck.too_slow, HealthCheck.data_too_large],
)
seeds = st.integers(0, 100_000)


# --- histories, and how to spoil them -------------------------------------------------------------


def spoilt(stream, t, rng, labels=None):
    """The stream with everything wildly changed that is not known at ``t``.

    ``labels`` are what spoilt classes are drawn from; by default, those there are.
    """
    classes = None if stream.y.dtype.kind == "f" else np.unique(stream.y)
    classes = classes if labels is None else np.array(labels)
    return poisoned(stream, t, rng, classes=classes, unseen=True)


def with_fewer_or_more_rows(stream, t, rng):
    """Later rows dropped, or there twice."""
    classes = None if stream.y.dtype.kind == "f" else np.unique(stream.y)
    return poisoned(stream, t, rng, classes=classes, rows=rng.choice([0.5, 1.5]))


def cut_off(stream, t, rng):
    return cut(stream, t)


# --- the comparison -----------------------------------------------------------------------------


def assert_blind(backtest, strategy, t, spoil, rng, **more):
    """Hold the record of the history against that of the spoilt one."""
    other = replace(backtest, stream=spoil(backtest.stream, t, rng, **more))
    t = min(t, other.stream.event_time[-1])  # a history that was cut has no ticks after its end
    known, again = before(backtest.replay(strategy), t), before(other.replay(strategy), t)
    for what, table in known.items():
        pd.testing.assert_frame_equal(
            table.reset_index(drop=True),
            again[what].reset_index(drop=True),
            check_exact=True,
            check_dtype=False,
            obj=what,
        )


def backtest(rng, model, stream, **more):
    tick = ["2h", "5h", "1D", 3, 8][rng.integers(5)]
    start = pd.Timestamp(stream.event_time[SERVED_FROM])
    delays = DELAYS[rng.integers(3)]
    return Backtest(stream, model, tick=tick, start=start, prices=PRICES, delays=delays, **more)


def some_instant(rng, stream):
    """At a row or between two, in the served part."""
    row = rng.integers(SERVED_FROM + 10, len(stream) - 5)
    return stream.event_time[row] + rng.integers(0, 2) * np.timedelta64(20, "m")


def assert_blind_on(seed, strategy, models, task, n, spoil, **more):
    rng = np.random.default_rng(seed)
    stream = history(rng, n, task)
    model = models[rng.integers(len(models))]
    t = some_instant(rng, stream)
    assert_blind(backtest(rng, model, stream), strategy, t, spoil, rng, **more)


REGRESSORS = (
    RandomForestRegressor(3, max_depth=3),
    DecisionTreeRegressor(max_depth=3, max_features=1),
    Ridge(),
    make_pipeline(StandardScaler(), SGDRegressor(max_iter=5, tol=None)),
)
CLASSIFIERS = (
    RandomForestClassifier(3, max_depth=3),
    DecisionTreeClassifier(max_depth=3, max_features=1),
    GaussianNB(),
    SGDClassifier(loss="log_loss", max_iter=5, tol=None),
)
SPOIL = st.sampled_from((spoilt, spoilt, shuffled))


# --- every strategy that is shipped ---------------------------------------------------------------


@pytest.mark.parametrize("name", REGRESSION)
@slowly
@given(seed=seeds, spoil=SPOIL)
def test_regression_is_blind(name, seed, spoil):
    assert_blind_on(seed, REGRESSION[name], REGRESSORS, "regression", 80, spoil)


@pytest.mark.parametrize("name", LONG)
@slowly
@given(seed=seeds, spoil=SPOIL)
def test_drift_of_errors_is_blind(name, seed, spoil):
    assert_blind_on(seed, LONG[name], REGRESSORS[:2], "regression", 200, spoil)


@pytest.mark.parametrize("name", INCREMENTAL)
@slowly
@given(seed=seeds, spoil=SPOIL)
def test_going_on_from_the_model_in_force_is_blind(name, seed, spoil):
    models = [SGDRegressor(max_iter=5, tol=None)]
    assert_blind_on(seed, INCREMENTAL[name], models, "regression", 80, spoil)


@pytest.mark.parametrize("name", PIPELINES)
@slowly
@given(seed=seeds, spoil=SPOIL)
def test_pipelines_are_blind(name, seed, spoil):
    models = [make_pipeline(StandardScaler(), Ridge())]
    assert_blind_on(seed, PIPELINES[name], models, "regression", 80, spoil)


@pytest.mark.parametrize("name", CLASSIFICATION)
@slowly
@given(seed=seeds, spoil=SPOIL)
def test_classification_is_blind(name, seed, spoil):
    assert_blind_on(seed, CLASSIFICATION[name], CLASSIFIERS, "classification", 80, spoil)


@pytest.mark.parametrize("name", ZERO_ONE)
@slowly
@given(seed=seeds, spoil=SPOIL)
def test_drift_of_mistakes_is_blind(name, seed, spoil):
    assert_blind_on(seed, ZERO_ONE[name], CLASSIFIERS[:2], "classification", 200, spoil)


@slowly
@given(seed=seeds, name=st.sampled_from(sorted(REGRESSION)))
def test_how_many_rows_come_later_changes_nothing_before(seed, name):
    spoil = with_fewer_or_more_rows
    assert_blind_on(seed, REGRESSION[name], REGRESSORS[:2], "regression", 80, spoil)


@slowly
@given(seed=seeds, name=st.sampled_from(sorted(REGRESSION)))
def test_a_history_that_ends_earlier_gives_the_same_record_up_to_there(seed, name):
    assert_blind_on(seed, REGRESSION[name], REGRESSORS[:2], "regression", 80, cut_off)


# --- what nobody had seen before ------------------------------------------------------------------


@pytest.mark.parametrize("metric", ["F1", "balanced accuracy", "log loss", "accuracy"])
@slowly
@given(seed=seeds)
def test_a_class_that_appears_later_changes_nothing_before(metric, seed):
    trigger = PerformanceDrop(metric, window=10, min_labels=4, drop="5%")
    strategy = Strategy(trigger, Sliding(25), gate=BeatsChampion(0.3, metric=metric, min_rows=2))
    models = [GaussianNB(), RandomForestClassifier(3, max_depth=3)]
    assert_blind_on(seed, strategy, models, "classification", 80, spoilt, labels=[0, 1, 2])


@slowly
@given(seed=seeds)
def test_a_class_that_appears_later_changes_no_loss_before(seed):
    rng = np.random.default_rng(seed)
    stream = history(rng, 80, "classification")
    setup = backtest(
        rng, LogisticRegression(max_iter=1000), stream, loss="log", metrics=["accuracy"]
    )
    strategy = Strategy(Every("9h"), Sliding(40))
    assert_blind(setup, strategy, some_instant(rng, stream), spoilt, rng, labels=[0, 1, 2])


def with_categories(rng, n):
    stream = history(rng, n)
    rare = np.where(rng.random(n) < 0.05, "rare", rng.choice(["a", "b", "c"], size=n))
    frame = pd.DataFrame(stream.X, columns=["x", "y", "z"])
    frame["kind"] = pd.Categorical(np.where(np.arange(n) < 30, "a", rare))
    return replace(stream, X=frame, columns=())


def encoded(model):
    """One-hot encoding that refuses what it has not seen: such rows get the training mean."""
    encoder = ColumnTransformer([("kind", OneHotEncoder(), ["kind"])], remainder="passthrough")
    return make_pipeline(encoder, model)


TABLE = {
    "schedule": Strategy(Every("10h"), Sliding("2D")),
    "drift": Strategy(FeatureDrift(window=20, min_rows=8, alpha=0.3), Expanding()),
    "champion": Strategy(
        AnyOf(PerformanceDrop("MAE", window=12, min_labels=5, drop="20%"), Every("30h")),
        Expanding(),
        gate=BeatsChampion(0.3, min_rows=3, refit=True),
    ),
}


@pytest.mark.parametrize("name", TABLE)
@settings(slowly, max_examples=4)
@given(seed=seeds, spoil=SPOIL)
def test_a_table_with_categories_is_blind(name, seed, spoil):
    rng = np.random.default_rng(seed)
    stream = with_categories(rng, 60)
    model = [
        encoded(Ridge()),
        encoded(RandomForestRegressor(3, max_depth=3)),
        HistGradientBoostingRegressor(
            max_iter=3, min_samples_leaf=3, categorical_features="from_dtype"
        ),
    ][rng.integers(3)]
    setup = backtest(rng, model, stream)
    assert_blind(setup, TABLE[name], some_instant(rng, stream), spoil, rng)


# --- the check can fail ---------------------------------------------------------------------------


@dataclass(frozen=True)
class Clairvoyant:
    """Trains on fewer rows if a large label is to come: it reaches round the fence."""

    def select(self, view):
        coming = np.abs(view._fence.setup.stream.y[view.past :])
        return Selection(view.labelled.newest(10 if np.nanmax(coming) > 50 else 20))


@dataclass(frozen=True)
class Foreboding:
    """Fires while no row to come has a large feature."""

    def monitor(self):
        return self

    def fires(self, view):
        coming = np.abs(view._fence.setup.stream.X[view.past :])
        return None if coming.max() > 50 else Reason("all will be well")


@pytest.mark.parametrize(
    "strategy",
    [Strategy(Every("5h"), Clairvoyant()), Strategy(Foreboding(), Sliding(20))],
    ids=["window", "trigger"],
)
def test_a_part_that_reaches_round_the_fence_is_found_out(strategy):
    caught = 0
    for seed in range(10):
        try:
            assert_blind_on(seed, strategy, REGRESSORS[:2], "regression", 80, spoilt)
        except AssertionError:
            caught += 1
    assert caught >= 5
