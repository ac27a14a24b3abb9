"""A finished matrix is made once: the same numbers, for the same question only."""

from dataclasses import fields, replace
from pathlib import Path
from typing import Any

import numpy as np
import pandas as pd
import pytest
from sklearn.linear_model import LogisticRegression, Ridge

from backtrain import Backtest, CostMatrix, Delays, Prices, Strategy
from backtrain.datasets.latency import Fixed, apply
from backtrain.datasets.synthetic import abrupt
from backtrain.lossmatrix import trial_models
from backtrain.lossmatrix.matrix import LossMatrix
from backtrain.lossmatrix.shared import Name
from backtrain.lossmatrix.trial_models import PathError
from backtrain.simulator.training import Learner
from backtrain.store.code_version import origin_of
from backtrain.store.fits import FitStore
from backtrain.strategies import Every, Expanding, Refit, SinceLastTraining, Sliding

STREAM = abrupt(n=900, task="regression")


def never(*_: object) -> Any:
    raise AssertionError("a matrix was made again")


def same(one: LossMatrix, other: LossMatrix) -> None:
    for field in fields(LossMatrix):
        mine, theirs = getattr(one, field.name), getattr(other, field.name)
        if isinstance(mine, np.ndarray):
            assert mine.tobytes() == theirs.tobytes(), field.name
            assert mine.dtype == theirs.dtype, field.name
        else:
            assert mine == theirs, field.name


@pytest.mark.parametrize("on_disk", [True, False])
def test_it_is_made_once_and_is_the_same_with_the_prices_of_who_asks(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch, on_disk: bool
) -> None:
    cache = tmp_path if on_disk else None
    first = Backtest(STREAM, Ridge(), cache=cache)
    made = first.loss_matrix(Sliding("5D"), every=4)
    monkeypatch.setattr(trial_models, "_made", never)
    store = FitStore(tmp_path) if on_disk else first.store
    dear = Backtest(STREAM, Ridge(), prices=Prices(retrain=99), metrics=["RMSE"], currency="EUR")
    again = trial_models.loss_matrix(dear, Sliding("5D"), Refit(), store, 4)
    same(replace(again, prices=made.prices, info=made.info), made)
    assert (again.prices, again.info["currency"]) == (Prices(retrain=99), "EUR")
    if on_disk:
        assert (store.asked, store.computed, store.predicted) == (0, 0, 0)
    with pytest.raises(AssertionError, match="made again"):
        trial_models.loss_matrix(dear, Sliding("6D"), Refit(), store, 4)


def spoilt() -> Any:
    X = STREAM.X.copy()
    X[-1, 0] += 1e-12
    return replace(STREAM, X=X)


def name_of(**changes: Any) -> Name | None:
    given = {
        "window": Sliding("5D"),
        "update": Refit(),
        "every": 4,
        "stream": STREAM,
        "model": Ridge(),
    }
    given |= changes
    window, update, every = (given.pop(key) for key in ("window", "update", "every"))
    backtest = Backtest(**given)
    return Name.of(Learner(backtest, backtest.store), window, update, every)


OTHERS: dict[str, dict[str, Any]] = {
    "a cell": {"stream": spoilt()},
    "label times": {"stream": apply(STREAM, Fixed("1h"))},
    "model": {"model": Ridge(2)},
    "window": {"window": Sliding("6D")},
    "another window": {"window": Expanding()},
    "every": {"every": 5},
    "start": {"start": 0.25},
    "end": {"end": "2024-02-01"},
    "tick": {"tick": "2D"},
    "delays": {"delays": Delays(train="1h")},
    "delay by rows": {"delays": Delays(train_per_1k_rows="1h")},
    "loss": {"loss": "squared"},
    "seed": {"seed": 1},
    "features": {"features": "frame"},
}


@pytest.mark.parametrize("other", OTHERS)
def test_another_question_has_another_name(other: str) -> None:
    name = name_of()
    assert name is not None
    assert name.lasting
    assert name_of(**OTHERS[other]) != name


def test_prices_metrics_and_words_are_no_part_of_the_name() -> None:
    words = {"currency": "EUR", "unit": "bikes", "metrics": ["RMSE"]}
    assert name_of(prices=Prices(retrain=7, error=3), **words) == name_of()


def test_the_loss_and_the_threshold_of_a_classifier_are() -> None:
    stream = abrupt(n=900)
    base = {"stream": stream, "model": LogisticRegression()}
    costs = [CostMatrix({0: {1: price}, 1: {0: 1}}) for price in (2, 3)]
    names = [name_of(**base), name_of(**base, threshold=0.3), name_of(**base, threshold=0.4)]
    names += [name_of(**base, loss=cost) for cost in costs]
    names += [name_of(**base, loss=costs[0], threshold="cost")]
    assert len(set(names)) == len(names)
    assert name_of(**base, loss=CostMatrix({0: {1: 2}, 1: {0: 1}})) == names[3]


class Thrifty:
    """A window of one's own, which may look at anything that a view shows."""

    def select(self, view: Any) -> Any:
        return Sliding("5D").select(view)


def test_of_foreign_windows_prices_are_and_only_memory_keeps_them() -> None:
    one, other = (name_of(window=Thrifty(), prices=Prices(retrain=n)) for n in (1, 2))
    assert one is not None
    assert one != other
    assert not one.lasting
    assert name_of(window=lambda view: slice(0, 50)) is None


def test_a_window_that_follows_the_path_is_refused_again_without_a_search(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    texts = []
    for _ in range(2):
        backtest = Backtest(STREAM, Ridge(), cache=tmp_path)
        with pytest.raises(PathError, match="selects by what was trained before") as found:
            backtest.loss_matrix(SinceLastTraining())
        texts.append(str(found.value))
        monkeypatch.setattr(trial_models, "_made", never)
    assert texts[0] == texts[1]


def test_a_comparison_is_the_same_from_a_warm_store(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    strategies = {
        "weekly": Strategy(Every("7D"), Sliding("5D")),
        "often": Strategy(Every("2D"), Expanding()),
    }

    def facts(cache: Path | None, chosen: dict[str, Strategy]) -> list[Any]:
        backtest = Backtest(STREAM, Ridge(), tick="12h", prices=Prices(retrain=3), cache=cache)
        runs = backtest.compare(chosen, hindsight=True).runs
        return [(name, run.info["hindsight"], run.totals) for name, run in runs.items()]

    alone = {name: {name: strategy} for name, strategy in strategies.items()}
    cold = [facts(None, strategies), *(facts(None, one) for one in alone.values())]
    for one in alone.values():
        facts(tmp_path, one)
    monkeypatch.setattr(trial_models, "_made", never)
    warm = [facts(tmp_path, strategies), *(facts(tmp_path, one) for one in alone.values())]
    warm = [facts(tmp_path, strategies), *(facts(tmp_path, one) for one in alone.values())]
    assert warm == cold


def test_compiled_functions_have_the_version_of_their_library() -> None:
    """A part that keeps a Timedelta is pickled by a function that Cython has compiled."""
    assert origin_of(pd.Timedelta("1D")).lasting
    window = Sliding("5D")
    Backtest(STREAM, Ridge()).replay(Strategy(Every("7D"), window))
    assert origin_of(window) == origin_of(Sliding("5D"))
