"""Fits and seeds are named by what a part is, not by the file in which its class stands."""

import sys
from dataclasses import dataclass
from functools import cached_property
from types import ModuleType

import numpy as np
import pytest
from sklearn.linear_model import Ridge, SGDRegressor

from backtrain import Backtest, Prices, Strategy
from backtrain.datasets.synthetic import abrupt
from backtrain.store.content import content, content_for_seed, public_name
from backtrain.strategies import Every, Expanding, PartialFit, Refit, Retune, Sliding

PARTS = [Refit(), PartialFit(epochs=3), Retune({"alpha": [0.1, 1.0]}), Sliding("90D"), Expanding()]

SGD = SGDRegressor(random_state=None)

UPDATE = """
from dataclasses import dataclass

def factor():
    return {factor}

@dataclass(frozen=True)
class Scaled:
    needs_parent = False

    def fit(self, model, X, y, weights, parent, seed):
        return model.fit(X, y * factor())
"""


def moved(monkeypatch, kind, module):
    """The class stands in another module from here on."""
    there = ModuleType(module)
    there.__file__ = sys.modules[kind.__module__].__file__
    setattr(there, kind.__name__, kind)
    monkeypatch.setitem(sys.modules, module, there)
    monkeypatch.setattr(kind, "__module__", module)


def defined(monkeypatch, module, factor):
    """An update of a module that is made anew, as by a cell that is run again."""
    there = ModuleType(module)
    monkeypatch.setitem(sys.modules, module, there)
    exec(compile(UPDATE.format(factor=factor), f"{module}.py", "exec"), vars(there))
    return there.Scaled()


@pytest.mark.parametrize("part", PARTS, ids=repr)
def test_a_part_of_ours_that_moves_keeps_names_and_seeds(part, monkeypatch) -> None:
    before = content(part), content_for_seed(part)
    moved(monkeypatch, type(part), "backtrain.elsewhere")
    assert (content(part), content_for_seed(part)) == before


def test_a_part_of_others_that_moves_keeps_its_seeds(monkeypatch) -> None:
    one, two = (defined(monkeypatch, module, 2.0) for module in ("one", "another"))
    assert content(one) != content(two)  # two of this name need not do the same
    assert content_for_seed(one) == content_for_seed(two)


def test_moving_a_part_changes_no_fit_of_a_replay(monkeypatch) -> None:
    strategy = Strategy(Every("4D"), Sliding("14D"), PartialFit(epochs=2))
    backtest = Backtest(abrupt(n=400, task="regression"), SGD, tick="2D")
    before = backtest.replay(strategy)
    moved(monkeypatch, PartialFit, "backtrain.elsewhere")
    after = Backtest(backtest.stream, SGD, tick="2D").replay(strategy)
    assert before.versions["fit"].tolist() == after.versions["fit"].tolist()
    assert before.totals == after.totals


@pytest.mark.parametrize("factor", ["5.0", "[1.0, 5.0][1]", "(lambda x: x + 2.0)(3.0)"])
def test_a_class_that_is_defined_again_is_another_one(factor, monkeypatch) -> None:
    """A notebook's cell is run again, with another number in a function beside the class."""
    backtest = Backtest(abrupt(n=400, task="regression"), Ridge(), prices=Prices(retrain=1))
    totals = []
    for value in ("1.0", factor, "1.0"):
        update = defined(monkeypatch, "cells", value)
        totals.append(backtest.replay(Strategy(Every("7D"), Expanding(), update)).totals["loss"])
    assert totals[0] == totals[2] != totals[1]
    assert backtest.store.computed * 3 == backtest.store.asked * 2


def test_what_a_part_has_worked_out_is_no_part_of_its_name() -> None:
    part = Sliding("90D")
    fresh = content(Sliding("90D"))
    assert part._offset is not None  # cached by then
    assert content(part) == fresh
    assert content(Sliding("91D")) != fresh


@dataclass(frozen=True)
class Hidden:
    """Its repr does not show what it does."""

    values: tuple

    @cached_property
    def mean(self):
        return float(np.mean(self.values))

    def __repr__(self) -> str:
        return "Hidden()"


def test_names_tell_apart_what_a_repr_hides() -> None:
    assert content(Hidden((1, 2))) != content(Hidden((1, 3)))
    assert content_for_seed(Hidden((1, 2))) != content_for_seed(Hidden((1, 3)))


def test_public_names_are_those_that_users_import() -> None:
    assert public_name(Refit) == "backtrain.Refit"
    assert public_name(Ridge) == "sklearn.linear_model._ridge.Ridge"
