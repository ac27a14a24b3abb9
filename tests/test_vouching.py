"""What is vouched for is checked once, and what is not is refused as scikit-learn refuses it."""

import numpy as np
import pytest
import sklearn
from sklearn.base import BaseEstimator, RegressorMixin
from sklearn.compose import TransformedTargetRegressor
from sklearn.linear_model import Ridge
from sklearn.pipeline import make_pipeline
from sklearn.preprocessing import FunctionTransformer, StandardScaler
from sklearn.tree import DecisionTreeRegressor

from backtrain import Backtest, Strategy, Stream
from backtrain.simulator.setup import SetupError
from backtrain.strategies import EveryRows, Expanding, Refit, Sliding

WEEKLY = Strategy(EveryRows(10), Sliding(20))


def stream(X=None, n=60):
    random = np.random.default_rng(0)
    X = random.normal(size=(n, 2)) if X is None else X
    times = np.datetime64("2024-01-01", "ns") + np.arange(n) * np.timedelta64(1, "h")
    return Stream(X, X[:, 0] + random.normal(size=n), times)


class Watching(RegressorMixin, BaseEstimator):
    """Notes what scikit-learn is told to check while it fits and predicts."""

    seen: list = []  # noqa: RUF012 - shared by all copies, on purpose

    def __init__(self, alpha=1.0):
        self.alpha = alpha

    def note(self):
        config = sklearn.get_config()
        self.seen.append((config["assume_finite"], config["skip_parameter_validation"]))

    def fit(self, X, y):
        self.note()
        return self

    def predict(self, X):
        self.note()
        return np.zeros(len(X))


@pytest.fixture
def seen():
    Watching.seen.clear()
    return Watching.seen


def replay(model, stream, strategy=WEEKLY):
    return Backtest(stream, model, tick=5, start=stream.event_time[20], features="array").replay(
        strategy
    )


def test_only_the_first_fit_checks_the_parameters(monkeypatch, seen):
    monkeypatch.setattr(Watching, "__module__", "sklearn.watching")
    run = replay(Watching(), stream())
    assert len(run.versions) == 4
    fit, predict = (True, False), (True, False)
    assert seen[:2] == [fit, predict]
    assert set(seen[2:]) == {(True, True), predict}
    assert not sklearn.get_config()["assume_finite"]
    assert not sklearn.get_config()["skip_parameter_validation"]


def test_estimators_from_elsewhere_are_left_alone(seen):
    replay(Watching(), stream())
    assert set(seen) == {(False, False)}


class Doubling(Refit):
    """Sets a parameter, and does not say that it keeps them."""

    keeps_parameters = False


def test_an_update_that_sets_parameters_has_them_checked_each_time(monkeypatch, seen):
    monkeypatch.setattr(Watching, "__module__", "sklearn.watching")
    replay(Watching(), stream(), Strategy(EveryRows(10), Sliding(20), Doubling()))
    assert set(seen) == {(True, False)}


def test_a_missing_number_fails_the_training_as_ever():
    X = np.random.default_rng(0).normal(size=(60, 2))
    X[35, 1] = np.nan
    run = replay(Ridge(), stream(X))
    failed = run.events[run.events["kind"] == "failed"]
    assert len(failed) == 2  # decided at rows 40 and 50, whose windows hold row 35
    assert failed["reason"].str.contains("contains NaN").all()
    assert run.totals["fallback"] == 1


def test_a_number_too_large_for_a_tree_fails_the_training_as_ever():
    X = np.random.default_rng(0).normal(size=(60, 2))
    X[35, 1] = 1e200
    run = replay(DecisionTreeRegressor(), stream(X))
    assert run.events["reason"].str.contains("too large").sum() >= 2


def test_what_a_step_makes_is_checked_by_the_next():
    X = np.random.default_rng(0).normal(size=(60, 2)) ** 2
    X[35, 1] = -1.0
    model = make_pipeline(FunctionTransformer(np.sqrt), StandardScaler(), Ridge())
    with np.errstate(invalid="ignore"):
        run = replay(model, stream(X))
    assert run.events["reason"].str.contains("contains NaN").sum() >= 2


def test_a_wrong_parameter_is_named():
    with pytest.raises(SetupError, match="'alpha' parameter of Ridge"):
        replay(Ridge(alpha=-1.0), stream())


class Odd(Expanding):
    """Weights that are no numbers."""

    def select(self, view):
        chosen = super().select(view)
        return type(chosen)(chosen.rows, np.full(len(chosen), np.nan))


def test_weights_are_looked_at():
    with pytest.raises(SetupError, match="NaN"):
        replay(Ridge(), stream(), Strategy(EveryRows(10), Odd()))


def test_what_becomes_of_the_labels_is_checked():
    """By the regressor inside, which is a default and no parameter with parameters of its own."""
    with np.errstate(all="ignore"):
        model = TransformedTargetRegressor(func=np.log, inverse_func=np.exp, check_inverse=False)
        with pytest.raises(SetupError, match="contains NaN"):
            replay(model, stream())


class Logarithm(Refit):
    """Makes something else of the rows, and inherits what `Refit` says of its own ``fit``."""

    def fit(self, model, X, y, weights, parent, seed):
        with np.errstate(all="ignore"):
            return super().fit(model, np.log(X), y, weights, parent, seed)


def test_what_an_update_makes_of_the_rows_is_checked():
    with pytest.raises(SetupError, match="contains NaN"):
        replay(Ridge(), stream(), Strategy(EveryRows(10), Sliding(20), Logarithm()))


def test_another_kind_of_model_checks_what_its_steps_are_given():
    asked = []

    class Listening(FunctionTransformer):
        def transform(self, X):
            asked.append(sklearn.get_config()["assume_finite"])
            return super().transform(X)

    class Piped(Refit):
        def fit(self, model, X, y, weights, parent, seed):
            return make_pipeline(Listening(), Ridge()).fit(X, y)

    replay(Ridge(), stream(), Strategy(EveryRows(10), Sliding(20), Piped()))
    assert asked
    assert not any(asked)
