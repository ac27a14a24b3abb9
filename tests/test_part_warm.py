"""`WarmStart(keep=)`: forests that drop their oldest trees, against loops by hand."""

from __future__ import annotations

import copy
from typing import Any

import numpy as np
import pytest
from sklearn.ensemble import (
    BaggingRegressor,
    ExtraTreesRegressor,
    GradientBoostingRegressor,
    RandomForestClassifier,
    RandomForestRegressor,
)
from sklearn.linear_model import SGDRegressor
from sklearn.pipeline import make_pipeline
from sklearn.preprocessing import StandardScaler

from backtrain import Backtest, PartError, Strategy, Stream
from backtrain.store.content import content, content_for_seed
from backtrain.strategies import Every, Refit, Sliding, WarmStart

RNG = np.random.default_rng(0)
N = 1_000
X = RNG.normal(size=(N, 3))
Y = X[:, 0] + np.arange(N) / 100  # a level that rises all the time
TIMES = np.datetime64("2024-01-01", "ns") + np.arange(N) * np.timedelta64(1, "h")
FORESTS = [
    RandomForestRegressor(12, random_state=0),
    ExtraTreesRegressor(12, random_state=0),
    BaggingRegressor(n_estimators=12, max_features=2, random_state=0),
]
forests = pytest.mark.parametrize("forest", FORESTS, ids=lambda forest: type(forest).__name__)


def trees(model: Any) -> list[Any]:
    return list(model.estimators_)


@forests
def test_the_newest_trees_stay_and_the_parent_is_as_it_was(forest: Any) -> None:
    parent = copy.deepcopy(forest).fit(X[:300], Y[:300])
    said = parent.predict(X).copy()
    model = parent
    for turn in range(3):
        new = slice(300 + 100 * turn, 400 + 100 * turn)
        before = model
        model = WarmStart(5, keep=15).fit(copy.deepcopy(forest), X[new], Y[new], None, before, turn)
        assert len(trees(model)) == 15
        kept, old = trees(model)[:10], trees(before)[-10:]
        assert all(np.array_equal(a.predict(X[:, :2]) if forest is FORESTS[2] else a.predict(X),
                                  b.predict(X[:, :2]) if forest is FORESTS[2] else b.predict(X))
                   for a, b in zip(kept, old, strict=True))  # fmt: skip
    assert np.array_equal(parent.predict(X), said)
    assert model.get_params()["random_state"] == 0


@forests
def test_new_trees_draw_other_rows_each_time(forest: Any) -> None:
    """On the very same window, twice: all ten new trees differ."""
    model = copy.deepcopy(forest).fit(X[:300], Y[:300])
    for seed in (1, 2):
        model = WarmStart(5, keep=11).fit(forest, X[:300], Y[:300], None, model, seed)
    width = 2 if forest is FORESTS[2] else 3
    said = {tuple(tree.predict(X[:, :width])) for tree in trees(model)[-10:]}
    assert len(said) == 10


def losses(forest: Any) -> dict[str, float]:
    backtest = Backtest(Stream(X, Y, TIMES), forest, tick="24h", start=0.2)
    updates = {"all": WarmStart(6), "newest": WarmStart(6, keep=12), "refit": Refit()}
    return {
        name: backtest.replay(Strategy(Every("2D"), Sliding("6D"), update)).totals["loss"]
        for name, update in updates.items()
    }


@forests
def test_what_is_bounded_follows_a_drift(forest: Any) -> None:
    loss = losses(forest)
    assert loss["newest"] < 0.5 * loss["all"]
    assert loss["newest"] < 1.5 * loss["refit"]


def test_a_class_that_comes_later_or_leaves_starts_it_afresh() -> None:
    y = np.where(np.arange(N) < 500, RNG.integers(2, size=N), RNG.integers(1, 3, size=N))
    stream = Stream(X, y, TIMES)
    forest = RandomForestClassifier(8, random_state=0)
    backtest = Backtest(stream, forest, tick="24h", start=0.2)
    for update, fails in ((WarmStart(4, keep=8), False), (WarmStart(4), True)):
        run = backtest.replay(Strategy(Every("2D"), Sliding("6D"), update))
        assert (run.totals["failed"] > 0) == fails
    parent = copy.deepcopy(forest).fit(X[:200], y[:200])
    last = WarmStart(4, keep=8).fit(forest, X[-200:], y[-200:], None, parent, 0)
    assert last.classes_.tolist() == [1, 2]


def test_a_pipelines_forest_is_bounded_as_well() -> None:
    model = make_pipeline(StandardScaler(), RandomForestRegressor(10, random_state=0))
    parent = copy.deepcopy(model).fit(X[:200], Y[:200])
    child = WarmStart(3, keep=9).fit(copy.deepcopy(model), X[200:], Y[200:], None, parent, 0)
    assert (len(trees(parent[-1])), len(trees(child[-1]))) == (10, 9)


@pytest.mark.parametrize("model", [GradientBoostingRegressor(), SGDRegressor()], ids=repr)
def test_what_has_no_vote_is_refused(model: Any) -> None:
    backtest = Backtest(Stream(X, Y, TIMES), model)
    with pytest.raises(PartError, match=r"holds no trees that can be dropped.*leave keep out"):
        backtest.replay(Strategy(Every("2D"), Sliding("6D"), WarmStart(keep=50)))


def test_a_limit_that_leaves_no_old_tree_is_refused() -> None:
    with pytest.raises(PartError, match="keep more than rounds, or use Refit"):
        WarmStart(10, keep=10)


def test_without_a_limit_names_and_seeds_are_those_that_were() -> None:
    assert content(WarmStart()) == "2fbc36c7162794ee46361f9f1bcf990a"
    assert content_for_seed(WarmStart()) == "WarmStart:13d16c82b454d65b2f75b6d78d7df89b"
    assert content(WarmStart(3)) == "5669f16bd79d723be5f7f4fe476478dc"
    assert content(WarmStart(3, keep=9)) != content(WarmStart(3))
