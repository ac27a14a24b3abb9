"""A part that remembers one replay in the next is refused, with what to do instead."""

from __future__ import annotations

import copy
import random
import threading
from dataclasses import dataclass, field, replace
from functools import cached_property
from typing import Any

import numpy as np
import pandas as pd
import pytest
from sklearn.dummy import DummyRegressor
from sklearn.linear_model import Ridge

from backtrain import Backtest, PartError, Reason, Selection, Strategy, Verdict
from backtrain.datasets.synthetic import abrupt
from backtrain.lossmatrix.trial_models import loss_matrix
from backtrain.strategies import AnyOf, Cooldown, Every, Expanding, Refit, Sliding


def setting() -> Backtest:
    return Backtest(abrupt(n=400, task="regression"), Ridge(), tick="12h")


class Counts:
    """Fires at every third tick that it sees, in whatever replay."""

    def __init__(self) -> None:
        self.seen = 0

    def monitor(self) -> Counts:
        return self

    def fires(self, view: Any) -> Reason | None:
        self.seen += 1
        return Reason("the third") if self.seen % 3 == 0 else None


class Stateless:
    """Not frozen, and nothing in it changes."""

    def __init__(self, hour: int = 12) -> None:
        self.hour = hour

    def monitor(self) -> Stateless:
        return self

    def fires(self, view: Any) -> Reason | None:
        return Reason("it is noon") if self.offset and view.now.hour >= self.hour else None

    @cached_property
    def offset(self) -> str:
        return "worked out when it is first needed"


class BeginsAnew(Counts):
    """Counts from 0 in each replay."""

    def monitor(self) -> BeginsAnew:
        self.seen = 0
        return self


@dataclass(frozen=True)
class HoldsDice:
    """A coin whose generator lives as long as the trigger does."""

    dice: Any = field(default_factory=lambda: np.random.default_rng(0))

    def monitor(self) -> HoldsDice:
        return self

    def fires(self, view: Any) -> Reason | None:
        return Reason("the coin fell so") if self.dice.random() < 0.3 else None


class RemembersRows:
    """A window that grows with every call."""

    def __init__(self) -> None:
        self.calls = 0

    def select(self, view: Any) -> Selection:
        self.calls += 1
        return Selection(view.labelled.newest(10 * self.calls))


class CountsFits:
    """An update that learns less each time."""

    needs_parent = False

    def __init__(self) -> None:
        self.fits = 0

    def fit(self, model: Any, X: Any, y: Any, weights: Any, parent: Any, seed: int) -> Any:
        self.fits += 1
        return model.set_params(alpha=self.fits).fit(X, y)


class EverySecond:
    """A gate that lets every second challenger pass."""

    def __init__(self) -> None:
        self.turn = False

    def open(self) -> EverySecond:
        return self

    def check(self, selection: Selection, view: Any) -> None:
        return None

    def reserve(self, selection: Selection) -> tuple[Selection, None]:
        return selection, None

    def review(self, view: Any) -> Verdict:
        self.turn = not self.turn
        return Verdict.deploy() if self.turn else Verdict.reject()


@dataclass(frozen=True)
class Looks:
    """Never fires."""

    look: Any

    def monitor(self) -> Looks:
        return self

    def fires(self, view: Any) -> None:
        self.look(view)


class KeepsItsMonitor:
    """Opens one monitor for good."""

    def __init__(self) -> None:
        self.kept = Counts()

    def monitor(self) -> Counts:
        return self.kept


DAILY = Every("1D")
REMEMBERS = {
    "trigger": (Strategy(Counts(), Sliding("5D")), r"Counts: seen changed.*monitor\(\) return a"),
    "within": (Strategy(AnyOf(Cooldown(Counts(), "1D")), Expanding()), "Counts: seen changed"),
    "kept": (Strategy(KeepsItsMonitor(), Sliding("5D")), r"KeepsItsMonitor: kept changed"),
    "dice": (Strategy(HoldsDice(), Expanding()), r"Generator: Generator changed.*from a seed"),
    "window": (Strategy(DAILY, RemembersRows()), r"RemembersRows: calls.*let select\(\) compute"),
    "update": (Strategy(DAILY, Expanding(), CountsFits()), r"CountsFits: fits.*let fit\(\) keep"),
    "gate": (Strategy(DAILY, Expanding(), gate=EverySecond()), r"EverySecond: turn.*let open\(\)"),
}


@pytest.mark.parametrize("name", REMEMBERS)
def test_what_remembers_is_refused(name: str) -> None:
    strategy, says = REMEMBERS[name]
    with pytest.raises(PartError, match=says):
        setting().replay(strategy)


@pytest.mark.parametrize("trigger", [Stateless(), BeginsAnew(), AnyOf(BeginsAnew(), Stateless())])
def test_what_begins_anew_is_not(trigger: Any) -> None:
    first, second = (setting().replay(Strategy(trigger, Sliding("5D"))).totals for _ in range(2))
    assert first == second
    assert first["retrains"] > 3


def test_a_part_that_keeps_the_view_is_refused_without_a_copy_of_the_history() -> None:
    class Keeps(Stateless):
        """Holds on to what it was handed."""

        def fires(self, view: Any) -> Reason | None:
            self.view, self.model = view, view.model
            return super().fires(view)

    backtest = setting()
    with pytest.raises(PartError, match="Keeps: view, model changed"):
        backtest.replay(Strategy(Keeps(), Expanding()))
    seen = []
    backtest.replay(Strategy(Looks(seen.append), Expanding()))
    assert copy.deepcopy(seen[0]) is seen[0]


def test_it_is_noticed_in_a_matrix_too() -> None:
    with pytest.raises(PartError, match="RemembersRows: calls changed"):
        loss_matrix(setting(), RemembersRows(), Refit())


def test_what_cannot_be_copied_is_watched_as_it_is() -> None:
    counts = Counts()
    counts.lock = threading.Lock()  # type: ignore[attr-defined]
    with pytest.raises(PartError, match="Counts: seen changed"):
        setting().replay(Strategy(counts, Expanding()))


# --- the global random generators ---------------------------------------------------------------


@dataclass(frozen=True)
class Tosses:
    """Draws from a global generator, where one of each kind of part would."""

    module: Any

    def monitor(self) -> Tosses:
        return self

    def open(self) -> Tosses:
        return self

    def check(self, selection: Selection, view: Any) -> None:
        return None

    def reserve(self, selection: Selection) -> tuple[Selection, None]:
        return selection, None

    def fires(self, view: Any) -> Reason | None:
        return Reason("the coin fell so") if self.module.random() < 0.3 else None

    def select(self, view: Any) -> Selection:
        return Selection(view.labelled.newest(10 + int(90 * self.module.random())))

    def review(self, view: Any) -> Verdict:
        return Verdict.deploy() if self.module.random() < 0.5 else Verdict.reject()


@pytest.mark.parametrize("module", [np.random, random])
@pytest.mark.parametrize("kind", ["trigger", "window", "gate"])
def test_a_part_that_draws_from_global_generators_is_refused(module: Any, kind: str) -> None:
    plain = Strategy(DAILY, Expanding())
    strategy = replace(plain, **{kind: Tosses(module)})
    with pytest.raises(PartError, match=r"Tosses: it draws from .*give the part a seed"):
        setting().replay(strategy)


def test_a_matrix_refuses_it_too() -> None:
    with pytest.raises(PartError, match="Tosses: it draws from"):
        loss_matrix(setting(), Tosses(random), Refit())


class DrawsInFit(DummyRegressor):
    """A model may draw from them."""

    def fit(self, X: Any, y: Any, sample_weight: Any = None) -> Any:
        np.random.random()  # noqa: NPY002 - what it is about
        return super().fit(X, y)


def test_a_model_may_draw_from_global_generators() -> None:
    backtest = Backtest(abrupt(n=400, task="regression"), DrawsInFit(), tick="12h")
    assert backtest.replay(Strategy(DAILY, Expanding())).totals["retrains"] > 3


def test_to_look_into_a_table_of_ones_own_is_no_memory() -> None:
    """pandas fills caches when it is asked, and then pickles to other bytes."""
    holidays = pd.Series(pd.to_datetime(["2024-01-03", "2024-01-09"]))
    backtest = setting()
    backtest.replay(Strategy(lambda view: bool((holidays == view.now).any()), Sliding(9)))
    table = pd.DataFrame({"day": holidays, "seen": [0, 0]})
    backtest.replay(Strategy(lambda view: bool(table.day.eq(view.now).any()), Sliding(9)))

    def remembers(view: Any) -> bool:
        table.loc[0, "seen"] += 1
        return False

    with pytest.raises(PartError, match="table changed during the replay"):
        backtest.replay(Strategy(remembers, Sliding(9)))
