"""What a part is handed can be read and not set, and nothing that it changes reaches the record."""

from __future__ import annotations

from collections.abc import Callable, Iterator
from dataclasses import dataclass
from typing import Any

import numpy as np
import pandas as pd
import pytest
from sklearn.linear_model import LogisticRegression, Ridge
from test_leaks import history

from backtrain import Backtest, Prices, Reason, Selection, Strategy, Verdict
from backtrain.strategies import BeatsChampion, Expanding, Sliding

PRICES = Prices(retrain=5, label=0.25, review=2)


@dataclass(frozen=True)
class Asks:
    """Calls ``look(view)`` at every tick, and fires at each."""

    look: Callable[[Any], Any]

    def monitor(self) -> Asks:
        return self

    def fires(self, view: Any) -> Reason:
        self.look(view)
        return Reason("it is time")


@dataclass(frozen=True)
class Reviews:
    """Calls ``look(view)`` at every review, and deploys."""

    look: Callable[[Any], Any]

    def open(self) -> Reviews:
        return self

    def check(self, selection: Selection, view: Any) -> None:
        self.look(view)

    def reserve(self, selection: Selection) -> tuple[Selection, None]:
        return selection, None

    def review(self, view: Any) -> Verdict:
        self.look(view)
        return Verdict.deploy()


def setting(task: str = "regression") -> Backtest:
    stream = history(np.random.default_rng(3), 70, task)
    model = Ridge() if task == "regression" else LogisticRegression()
    start = pd.Timestamp(stream.event_time[30])
    return Backtest(stream, model, tick="5h", start=start, prices=PRICES)


def reachable(view: Any) -> Iterator[Any]:
    """The view and everything that its public names lead to, each object of ours once."""
    rows = slice(view.past - min(2, view.answered_so_far), view.past)
    known, arrived = view.labelled.newest(5), view.arrived()
    metric = view.metric("RMSE" if view.task == "regression" else "accuracy")
    todo = [view, arrived, arrived.by(view.model.version), view.served.within(rows), metric]
    todo += [view.model.outcomes(known), view.answers(rows), Selection(known), Reason("why")]
    seen = set()
    while todo:
        thing = todo.pop()
        yield thing
        if not type(thing).__module__.startswith("backtrain.") or id(thing) in seen:
            continue
        seen.add(id(thing))
        for name in public(thing):
            try:
                value = getattr(thing, name)
            except RuntimeError:  # a challenger, where there is none
                continue
            if not callable(value) or type(value).__module__.startswith("backtrain."):
                todo.append(value)


def public(thing: Any) -> list[str]:
    return [name for name in dir(thing) if not name.startswith("_")]


def refuses(view: Any) -> None:
    for thing in reachable(view):
        if isinstance(thing, np.ndarray):
            assert not thing.flags.writeable
        assert not isinstance(thing, (list, dict, set, pd.DataFrame))
        if type(thing).__module__.startswith("backtrain.simulator"):
            for name in [*public(thing), "of_my_own"]:
                with pytest.raises(AttributeError):
                    setattr(thing, name, None)


@pytest.mark.parametrize("task", ["regression", "classification"])
def test_nothing_that_a_view_leads_to_can_be_set(task: str) -> None:
    looked = []

    def look(view: Any) -> None:
        looked.append(view.now)
        refuses(view)

    strategy = Strategy(Asks(look), Sliding(20), gate=Reviews(look))
    setting(task).replay(strategy)
    assert len(looked) > 5


@pytest.mark.parametrize(
    "door",
    [
        lambda view: setattr(view, "at", 2**62),
        lambda view: view.trainings.clear(),
        lambda view: setattr(view, "spent", -1e9),
        lambda view: setattr(view.model, "first_row", 0),
        lambda view: view.model.selection.rows.fill(0),
        lambda view: view.model.reference.loss.fill(0),
        lambda view: view.model.reference.outcomes.label.fill(0),
        lambda view: view.arrived().rows.fill(0),
        lambda view: view.model.outcomes(view.labelled.newest(5)).label.fill(0),
    ],
)
def test_a_door_that_was_open_is_shut(door: Callable[[Any], Any]) -> None:
    setup, outcomes = setting(), []

    def look(view: Any) -> None:
        with pytest.raises((AttributeError, ValueError)) as refused:
            door(view)
        outcomes.append(refused.value)

    plain = setup.replay(Strategy(Asks(lambda view: view.model.reference), Expanding()))
    run = setup.replay(Strategy(Asks(look), Expanding()))
    assert len(outcomes) == len(setup.ticks)
    assert run.totals["retrains"] == plain.totals["retrains"] == len(setup.ticks)
    assert run.totals["loss"] == plain.totals["loss"]


@pytest.mark.parametrize("name", ["label_at", "event_at", "truth", "outcome", "ticks"])
@pytest.mark.parametrize("task", ["regression", "classification"])
def test_a_setup_is_read_only_to_the_parts_that_check_it(name: str, task: str) -> None:
    setup = setting(task)
    with pytest.raises(AttributeError):
        setattr(setup, name, None)
    with pytest.raises(ValueError, match="read-only"):
        getattr(setup, name).fill(0)
    for values in setup.arrival_order:
        with pytest.raises(ValueError, match="read-only"):
            values.fill(0)  # type: ignore[union-attr]


def test_a_budget_counts_what_the_log_holds() -> None:
    setup, seen = setting(), []
    strategy = Strategy(Asks(lambda view: seen.append(view.trainings)), Expanding(), budget=2)
    run = setup.replay(strategy)
    decided = run.versions["decided_at"].to_numpy().view(np.int64)[1:]
    assert seen[-1] == tuple(decided)
    assert run.totals["retrains"] == 2


def test_a_window_that_reuses_its_array_changes_no_selection_of_before() -> None:

    buffer = np.arange(4)[::-1].copy()
    weights = np.ones(4)
    chosen = Selection(buffer, weights)
    buffer[:], weights[:] = 0, 7
    assert chosen.indices().tolist() == [3, 2, 1, 0]
    assert chosen.weights is not None
    assert chosen.weights.tolist() == [1, 1, 1, 1]


def test_what_is_spent_is_what_the_ledger_says() -> None:
    spent = []
    strategy = Strategy(
        Asks(lambda view: spent.append(view.spent)), Expanding(), gate=BeatsChampion(5, min_rows=1)
    )
    run = setting().replay(strategy)
    assert spent == sorted(spent)
    assert 0 < spent[-1] <= run.totals["total"] + run.totals["initial"]
