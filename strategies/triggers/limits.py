"""When not to retrain yet: what silences a trigger for a while, or for good."""

from collections.abc import Callable
from dataclasses import dataclass
from typing import Literal

import pandas as pd

from backtrain.datasets.offsets import parse_offset
from backtrain.simulator.answers import PartError, Reason, Selection
from backtrain.simulator.asking import monitor_of, needs_parent
from backtrain.simulator.constraints import Amount, Count, CountOrZero, Offset, exactly_one
from backtrain.simulator.parts import AnyTrigger, Monitor
from backtrain.simulator.view import View
from backtrain.strategies.triggers.combinations import Wrapped

__all__ = ["Budget", "Cooldown", "WarmUp"]


@dataclass(frozen=True, repr=False)
class Cooldown(Wrapped):
    """Silence a trigger for a while after each decision to train, whoever caused it.

    Parameters
    ----------
    trigger : Trigger
        What to silence.
    offset : str
        For how long, such as ``"3D"``.

    >>> Cooldown(Random(0.2), "3D")
    Cooldown(Random(0.2), '3D')
    """

    offset: Offset

    def monitor(self) -> Monitor:
        """A watch over the inner trigger."""
        return _Silenced(self.trigger, lambda view: view.at < cool_from(view, self.offset))


@dataclass(frozen=True, repr=False)
class WarmUp(Wrapped):
    """Silence a trigger until enough has passed since ``start``, or since each deployment.

    The trigger sees every tick meanwhile: a detector learns, and an alarm that it raised and that
    is still on is heard when the silence ends; a schedule's instant in it is lost.

    Parameters
    ----------
    trigger : Trigger
        What to silence.
    offset : str, optional
        For this long.
    rows : int, optional
        Until so many rows have been served.
    labels : int, optional
        Until the labels of so many rows served since then have arrived.
    since : {"start", "deployment"}
        ``"deployment"`` counts anew for each version, from the instant at which it came into force.

    >>> WarmUp(ErrorDrift(), "30D"), WarmUp(ErrorDrift(), labels=500, since="deployment")
    (WarmUp(ErrorDrift(), offset='30D'), WarmUp(ErrorDrift(), labels=500, since='deployment'))
    """

    offset: Offset | None = None
    rows: Count | None = None
    labels: Count | None = None
    since: Literal["start", "deployment"] = "start"

    def check_parameters(self) -> None:
        """Refuse what is not one length."""
        super().check_parameters()
        exactly_one(self, "offset", "rows", "labels")

    def monitor(self) -> Monitor:
        """A watch over the inner trigger."""
        return _Warming(self)


class _Warming:
    def __init__(self, spec: WarmUp) -> None:
        self._spec = spec
        self._inner = monitor_of(spec.trigger)
        self._version = -1
        self._cursor = self._labels = 0
        self._offset = None if spec.offset is None else parse_offset(spec.offset)

    def fires(self, view: View) -> Reason | None:
        reason = self._inner.fires(view)
        if view.model.version != self._version:
            self._restart(view)
        if self._spec.labels is not None:
            self._count(view)
        return reason if self._is_warm(view) else None

    def _restart(self, view: View) -> None:
        """Note what the version, or the first one, began with."""
        if self._version < 0 or self._spec.since == "deployment":
            self._first_row, self._labels = view.model.first_row, 0
            since = view.model.in_force_since
            assert since is not None
            offset = self._offset
            self._warm_at = 0 if offset is None else view.calendar.due_at(since, offset)
        self._version = view.model.version

    def _count(self, view: View) -> None:
        """Count new labels of rows that were served since then; older labels are of older rows."""
        new = view.arrived(self._cursor)
        self._cursor = new.cursor
        self._labels += int((Selection(new.rows).indices() >= self._first_row).sum())

    def _is_warm(self, view: View) -> bool:
        spec = self._spec
        if spec.offset is not None:
            return view.at >= self._warm_at
        if spec.rows is not None:
            return view.past - self._first_row >= spec.rows
        return self._labels >= (spec.labels or 0)


@dataclass(frozen=True, repr=False)
class Budget(Wrapped):
    """Silence a trigger when so many trainings were decided, or so much money was spent.

    A training under way counts from its decision. A number of trainings is never exceeded, nor is
    an amount of money by what is known beforehand; prices by rows, labels and checks are not, and
    can bring the last training above it.

    Parameters
    ----------
    trigger : Trigger
        What to silence.
    retrains : int, optional
        Trainings of the whole strategy, rejected and failed ones included, the first model not.
    money : float, optional
        Silent once a training at the fixed prices (retrain, review, release) would bring the money
        spent (training, labels, checks, reviews, releases; not errors) above this.

    >>> Budget(Every("1D"), retrains=10)
    Budget(Every('1D'), retrains=10)
    """

    retrains: CountOrZero | None = None
    money: Amount | None = None

    def check_parameters(self) -> None:
        """Refuse a budget of nothing."""
        super().check_parameters()
        if self.retrains is None and self.money is None:
            raise PartError("Budget: give retrains= or money=")

    def monitor(self) -> Monitor:
        """A watch over the inner trigger."""
        return _Silenced(self.trigger, self._is_spent)

    def _is_spent(self, view: View) -> bool:
        if is_used_up(view, self.retrains):
            return True
        fixed = view.prices.training(0, plus=view.prices.review, goes_on=needs_parent(view.update))
        return self.money is not None and view.spent + fixed > self.money


class _Silenced:
    """A trigger that is silent while a condition holds; it sees every tick."""

    def __init__(self, trigger: AnyTrigger, silent: Callable[[View], bool]) -> None:
        self._inner, self._silent = monitor_of(trigger), silent

    def fires(self, view: View) -> Reason | None:
        reason = self._inner.fires(view)
        return None if reason is None or self._silent(view) else reason


# --- what a strategy limits in the same way -----------------------------------------------------


def cool_from(view: View, cooldown: str | None) -> int:
    """When a cooldown after the last decision to train is over, in ns; 0 where there is none."""
    if cooldown is None or not view.trainings:
        return 0
    return view.calendar.due_at(pd.Timestamp(view.trainings[-1]), parse_offset(cooldown))


def is_used_up(view: View, retrains: int | None) -> bool:
    """Whether as many trainings were decided as are allowed; None allows any number."""
    return retrains is not None and len(view.trainings) >= retrains
