"""`Continue` and `RefreshLeaves`, against loops by hand: boosters of others, and own models.

Boosters are tried where they are installed: ``pip install -e '.[models]'``.
"""

from __future__ import annotations

import copy
from typing import Any

import numpy as np
import pandas as pd
import pytest
from sklearn.base import BaseEstimator, RegressorMixin
from sklearn.ensemble import HistGradientBoostingRegressor, RandomForestRegressor
from sklearn.linear_model import Ridge, SGDRegressor
from sklearn.pipeline import make_pipeline
from sklearn.preprocessing import StandardScaler

from backtrain import Backtest, PartError, Prices, Strategy, Stream
from backtrain.strategies import Continue, Every, Expanding, Refit, RefreshLeaves, Sliding
from backtrain.strategies.updates.boosters import aligned, trees_of
from backtrain.testing import check_part

LIBRARIES = ("lightgbm", "xgboost", "catboost")
libraries = pytest.mark.parametrize("library", LIBRARIES)


def booster(library: str, task: str = "regression", trees: int = 30) -> Any:
    package = pytest.importorskip(library)
    kind = "Regressor" if task == "regression" else "Classifier"
    if library == "lightgbm":
        return getattr(package, f"LGBM{kind}")(n_estimators=trees, verbose=-1, n_jobs=1)
    if library == "xgboost":
        made = getattr(package, f"XGB{kind}")
        return made(n_estimators=trees, enable_categorical=True, n_jobs=1)
    made = getattr(package, f"CatBoost{kind}")
    return made(iterations=trees, verbose=0, thread_count=1, allow_writing_files=False)


def history(n: int = 2_000, task: str = "regression", categories: bool = False) -> Stream:
    """A slope that grows from 1 to 3, and a category with an effect of its own."""
    rng = np.random.default_rng(0)
    x, level = rng.normal(size=(n, 3)), rng.integers(4, size=n)
    y = x[:, 0] * np.linspace(1, 3, n) + np.sin(2 * x[:, 1]) + rng.normal(size=n) / 10
    frame = pd.DataFrame(x, columns=["p", "q", "r"])
    if categories:
        frame["level"] = np.array(["a", "b", "c", "d"])[level]
        y = y + level
    frame["y"] = y if task == "regression" else (y > np.median(y)).astype(int)
    frame["t"] = pd.date_range("2024-01-01", periods=n, freq="h")
    return Stream.from_frame(frame, target="y", time="t")


def halves(stream: Stream) -> tuple[tuple[Any, Any], tuple[Any, Any]]:
    middle = len(stream) // 2
    parts = slice(0, middle), slice(middle, len(stream))
    first, second = ((stream.take(rows), stream.y[rows]) for rows in parts)
    return first, second


def error(model: Any, X: Any, y: Any) -> float:
    return float(np.abs(np.ravel(model.predict(X)) - y).mean())


# --- boosters -------------------------------------------------------------------------------------


@libraries
@pytest.mark.parametrize("task", ["regression", "classification"])
def test_it_is_what_the_library_itself_goes_on_with(library: str, task: str) -> None:
    (X, y), (later, z) = halves(history(600, task))
    parent = booster(library, task).fit(X, y)
    said = np.ravel(parent.predict(later)).copy()
    child = Continue(7).fit(booster(library, task), later, z, None, parent, 0)
    name = "xgb_model" if library == "xgboost" else "init_model"
    byhand = booster(library, task, trees=7).fit(later, z, **{name: parent})
    assert trees_of(child) == 37
    assert np.array_equal(child.predict(later), byhand.predict(later))
    assert np.array_equal(np.ravel(parent.predict(later)), said)  # the parent is as it was
    assert trees_of(parent) == 30


@libraries
def test_weights_reach_the_new_trees(library: str) -> None:
    (X, y), (later, z) = halves(history(600))
    parent = booster(library).fit(X, y)
    weights = np.where(np.arange(len(z)) % 2, 1.0, 0.0)
    child = Continue(7).fit(booster(library), later, z, weights, parent, 0)
    name = "xgb_model" if library == "xgboost" else "init_model"
    byhand = booster(library, trees=7).fit(later, z, sample_weight=weights, **{name: parent})
    assert np.array_equal(child.predict(later), byhand.predict(later))


@libraries
def test_the_last_step_of_a_pipeline_goes_on(library: str) -> None:
    (X, y), (later, z) = halves(history(600))
    parent = make_pipeline(StandardScaler(), booster(library)).fit(X, y)
    blank = make_pipeline(StandardScaler(), booster(library))
    child = Continue(5).fit(blank, later, z, None, parent, 0)
    assert trees_of(child[-1]) == 35
    assert np.array_equal(child[0].mean_, parent[0].mean_)
    assert error(child, later, z) < error(parent, later, z)


@pytest.mark.parametrize("library", ["lightgbm", "xgboost"])
def test_categories_keep_the_codes_that_the_parent_has_learnt(library: str) -> None:
    """The second half meets them in another order, and one more."""
    rng = np.random.default_rng(0)
    effect = {"a": 0.0, "b": 5.0, "c": 10.0, "d": 15.0}

    def rows(names: str) -> tuple[pd.DataFrame, Any]:
        drawn = rng.choice(list(names), 400)
        order = pd.Categorical(drawn, categories=list(names))
        return pd.DataFrame({"level": order}), np.array([effect[name] for name in drawn])

    (X, y), (later, z) = rows("abc"), rows("dcba")
    parent = booster(library).fit(X, y)
    child = Continue(1).fit(booster(library), later, z, None, parent, 0)
    known = (later["level"] != "d").to_numpy()
    assert error(child, aligned(later, parent)[known], z[known]) < 0.7
    assert list(aligned(later, parent)["level"].cat.categories) != list("dcba")
    assert aligned(later, parent)["level"].isna().sum() == (~known).sum()


@libraries
def test_classes_that_the_parent_does_not_know_fail_the_training(library: str) -> None:
    (X, y), (later, z) = halves(history(400, "classification"))
    parent = booster(library, "classification").fit(X, y)
    three = np.arange(len(z)) % 3
    with pytest.raises(ValueError, match=r"needs the parent's classes \[0 1\], not \[0 1 2\]"):
        Continue().fit(booster(library, "classification"), later, three, None, parent, 0)


@libraries
def test_it_learns_what_has_changed_for_less_than_a_refit(library: str) -> None:
    """A tenth of the rows, and less loss, too, where the slope moves all the time."""
    backtest = Backtest(history(), booster(library), prices=Prices(0, per_1k_rows=1))
    updates = {"refit": Refit(), "continue": Continue(rounds=5)}
    runs = {
        name: backtest.replay(Strategy(Every("3D"), Sliding("30D"), update))
        for name, update in updates.items()
    }
    assert runs["continue"].totals["train"] < 0.15 * runs["refit"].totals["train"]
    assert runs["continue"].totals["loss"] < runs["refit"].totals["loss"]
    assert runs["continue"].totals["failed"] == 0


@libraries
def test_a_booster_that_is_full_starts_afresh(library: str) -> None:
    seen: list[int | None] = []

    class Watched(Continue):
        def fit(self, model, X, y, weights, parent, seed):
            fitted = super().fit(model, X, y, weights, parent, seed)
            seen.append(trees_of(fitted))
            return fitted

    backtest = Backtest(history(900), booster(library), start=0.4)
    backtest.replay(Strategy(Every("5D"), Expanding(), Watched(10, max_models=50, learns="window")))
    assert seen[:5] == [30, 40, 50, 30, 40]


@pytest.mark.parametrize("library", ["lightgbm", "xgboost"])
@pytest.mark.parametrize("task", ["regression", "classification"])
def test_leaves_learn_what_the_trees_can_say(library: str, task: str) -> None:
    (X, y), (later, z) = halves(history(1_000, task))
    parent = booster(library, task).fit(X, y)
    said = np.ravel(parent.predict(later)).copy()
    child = RefreshLeaves().fit(booster(library, task), later, z, None, parent, 0)
    assert trees_of(child) == trees_of(parent)
    assert error(child, later, z) < error(parent, later, z)
    assert np.array_equal(np.ravel(parent.predict(later)), said)


def test_leaves_keep_a_share_of_what_they_were() -> None:
    (X, y), (later, z) = halves(history(1_000))
    parent = booster("lightgbm").fit(X, y)
    child = RefreshLeaves(0.9).fit(booster("lightgbm"), later, z, None, parent, 0)
    byhand = parent.booster_.refit(later, z, decay_rate=0.9)
    assert np.array_equal(child.predict(later), byhand.predict(later))


@pytest.mark.parametrize("library", ["lightgbm", "xgboost"])
def test_leaves_of_tables_with_categories_and_weights(library: str) -> None:
    stream = history(1_000, categories=True)
    backtest = Backtest(stream, booster(library), start=0.5)
    run = backtest.replay(Strategy(Every("5D"), Sliding("15D"), RefreshLeaves()))
    assert run.totals["failed"] == 0
    assert run.totals["deployed"] > 0


@pytest.mark.parametrize("library", ["lightgbm", "xgboost"])
@pytest.mark.parametrize("update", [Continue(3), Continue(3, max_models=40), RefreshLeaves()])
def test_the_future_spoilt_changes_nothing_before(library: str, update: Any) -> None:
    backtest = Backtest(history(600), booster(library), start=0.4)
    assert backtest.audit(Strategy(Every("3D"), Sliding("8D"), update), data=False).found == ()


LEARNT: list[int] = []


class Counts(Continue):
    """Goes on by more trees each time, also in the next replay."""

    def fit(self, model, X, y, weights, parent, seed):
        LEARNT.append(len(y))
        return super().fit(model, X, y, weights, parent, seed)


@pytest.mark.parametrize("library", ["lightgbm", "xgboost"])
def test_what_an_update_of_a_user_leaves_behind_is_found_beside_a_booster(library: str) -> None:
    backtest = Backtest(history(600), booster(library), start=0.4)
    strategy = Strategy(Every("3D"), Sliding("8D"), Counts(3))
    (found,) = backtest.audit(strategy, data=False).found
    assert (found.check, "global 'LEARNT'" in found.says) == ("is not repeatable", True)


@pytest.mark.parametrize("library", ["lightgbm", "xgboost"])
def test_the_contract_of_parts_holds_on_a_booster(library: str) -> None:
    setup = Backtest(history(400), booster(library, trees=5), start=0.5, tick="24h")
    for update in (Continue(2), RefreshLeaves()):
        check_part(update, setup)


# --- models of one's own --------------------------------------------------------------------------


class Mean(RegressorMixin, BaseEstimator):
    """Answers the mean of its labels; goes on from it with a given rate."""

    def fit(self, X, y, sample_weight=None):
        self.n_features_in_ = X.shape[1]
        self.mean_ = float(np.average(y, weights=sample_weight))
        self.given_ = {}
        return self

    def continue_fit(self, X, y, sample_weight=None, rounds=1):
        self.given_ = {"rounds": rounds, "rows": len(y), "weighted": sample_weight is not None}
        self.mean_ += 0.5 * (float(np.average(y, weights=sample_weight)) - self.mean_)

    def predict(self, X):
        return np.full(len(X), self.mean_)


def test_a_model_goes_on_by_its_own_method() -> None:
    X = np.zeros((4, 1))
    parent = Mean().fit(X, np.zeros(4))
    child = Continue(3).fit(Mean(), X, np.full(4, 8.0), None, parent, 0)
    assert (child.mean_, parent.mean_) == (4.0, 0.0)
    assert child.given_ == {"rounds": 3, "rows": 4, "weighted": False}
    child = Continue(3).fit(Mean(), X, np.full(4, 8.0), np.ones(4), child, 0)
    assert child.mean_ == 6.0
    assert child.given_["weighted"]


def test_new_rows_are_those_that_arrived_since_the_model_in_force() -> None:
    """A row an hour, labels at once; a training every five hours from the 10th row on."""
    n, learnt = 30, []

    class Noted(Mean):
        def continue_fit(self, X, y):
            learnt.append(y.tolist())

    y = np.arange(float(n))
    times = np.datetime64("2024-01-01", "ns") + np.arange(n) * np.timedelta64(1, "h")
    stream = Stream(np.zeros((n, 1)), y, times)
    backtest = Backtest(stream, Noted(), start="2024-01-01 10:00", tick="5h")
    backtest.replay(Strategy(Every("5h"), Sliding(8), Continue()))
    assert learnt[:2] == [[10, 11, 12, 13, 14], [15, 16, 17, 18, 19]]


@pytest.mark.parametrize(
    ("model", "remedy"),
    [
        (Ridge(), "cannot go on; use Refit"),
        (HistGradientBoostingRegressor(), "cannot go on; use Refit"),
        (SGDRegressor(), "has partial_fit; use PartialFit"),
        (RandomForestRegressor(), "has warm_start; use WarmStart"),
    ],
    ids=lambda value: type(value).__name__,
)
def test_what_has_an_update_already_is_named(model: Any, remedy: str) -> None:
    backtest = Backtest(history(200), model)
    with pytest.raises(PartError, match=remedy):
        backtest.replay(Strategy(Every("3D"), Expanding(), Continue()))


def test_leaves_are_those_of_two_libraries() -> None:
    with pytest.raises(PartError, match="no booster of LightGBM or XGBoost; use Continue"):
        Backtest(history(200), Ridge()).replay(Strategy(Every("3D"), Expanding(), RefreshLeaves()))
    with pytest.raises(PartError, match=r"keep=0.5.*XGBoost keeps nothing"):
        Backtest(history(200), booster("xgboost")).replay(
            Strategy(Every("3D"), Expanding(), RefreshLeaves(0.5))
        )


def test_a_limit_that_the_first_addition_reaches_is_refused() -> None:
    with pytest.raises(PartError, match="every training would start afresh"):
        Continue(rounds=20, max_models=20)
    assert copy.copy(Continue(20, max_models=21)).max_models == 21


def test_a_net_of_skorch_learns_on() -> None:
    """Three epochs on new rows follow a level that has moved; weights of the parent stay."""
    torch = pytest.importorskip("torch")
    skorch = pytest.importorskip("skorch")
    X = np.float32(np.random.default_rng(0).normal(size=(400, 3)))
    y = X[:, :1] + np.repeat(np.float32([[0], [5]]), 200, axis=0)
    settings = {"train_split": None, "verbose": 0, "lr": 0.1, "batch_size": 20}
    size = {"module__in_features": 3, "module__out_features": 1}

    def net() -> Any:
        return skorch.NeuralNetRegressor(torch.nn.Linear, max_epochs=10, **size, **settings)

    parent = net().fit(X[:200], y[:200])
    said = parent.predict(X).copy()
    child = Continue(epochs=3).fit(net(), X[200:], y[200:], None, parent, 0)
    assert len(child.history) == 13
    assert error(child, X[200:], y[200:, 0]) < 0.2 * error(parent, X[200:], y[200:, 0])
    assert np.array_equal(parent.predict(X), said)
