"""When not to retrain yet: what silences a trigger for a while, or for good."""

from __future__ import annotations

from dataclasses import dataclass

import pandas as pd

from backtrain.datasets.offsets import due_at, parse_offset
from backtrain.simulator.asking import monitor_of
from backtrain.simulator.errors import PartError
from backtrain.simulator.parts import Monitor
from backtrain.simulator.reason import Reason
from backtrain.simulator.view import View
from backtrain.strategies.constraints import is_count, refuse_no_count
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

    offset: str

    def __post_init__(self) -> None:
        super().__post_init__()
        parse_offset(self.offset, "Cooldown(offset)")

    def monitor(self) -> Monitor:
        """A watch over the inner trigger."""
        return _Cooling(self)


class _Cooling:
    def __init__(self, spec: Cooldown) -> None:
        self._inner = monitor_of(spec.trigger)
        self._offset = parse_offset(spec.offset)

    def fires(self, view: View) -> Reason | None:
        reason = self._inner.fires(view)
        if reason is None or not view.trainings:
            return reason
        until = due_at(pd.Timestamp(view.trainings[-1]), self._offset)
        return reason if view.at >= until else None


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

    offset: str | None = None
    rows: int | None = None
    labels: int | None = None
    since: str = "start"

    def __post_init__(self) -> None:
        super().__post_init__()
        if sum(given is not None for given in (self.offset, self.rows, self.labels)) != 1:
            raise PartError(f"{self!r}: give exactly one of offset=, rows= and labels=")
        for name in ("rows", "labels"):
            if (count := getattr(self, name)) is not None:
                refuse_no_count(f"WarmUp({name}={count!r})", count)
        if self.offset is not None:
            parse_offset(self.offset, "WarmUp(offset)")
        if self.since not in ("start", "deployment"):
            raise PartError(f"WarmUp(since={self.since!r}): not one of 'start', 'deployment'")

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
            self._warm_at = 0 if self._offset is None else due_at(since, self._offset)
        self._version = view.model.version

    def _count(self, view: View) -> None:
        """Count new labels of rows that were served since then; older labels are of older rows."""
        new = view.arrived(self._cursor)
        self._cursor, rows = new.cursor, new.rows
        if isinstance(rows, slice):
            self._labels += max(0, rows.stop - max(rows.start, self._first_row))
        else:
            self._labels += int((rows >= self._first_row).sum())

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

    retrains: int | None = None
    money: float | None = None

    def __post_init__(self) -> None:
        super().__post_init__()
        if self.retrains is None and self.money is None:
            raise PartError("Budget: give retrains= or money=")
        if self.retrains is not None and not is_count(self.retrains, least=0):
            raise PartError(f"{self!r}: a budget is not negative, and a whole number of retrains")
        if self.money is not None and not self.money >= 0:
            raise PartError(f"{self!r}: a budget is an amount of money, not negative")

    def monitor(self) -> Monitor:
        """A watch over the inner trigger."""
        return _Budgeted(self)


class _Budgeted:
    def __init__(self, spec: Budget) -> None:
        self._spec = spec
        self._inner = monitor_of(spec.trigger)

    def fires(self, view: View) -> Reason | None:
        reason = self._inner.fires(view)
        retrains, money, prices = self._spec.retrains, self._spec.money, view.prices
        if retrains is not None and len(view.trainings) >= retrains:
            return None
        fixed = prices.retrain + prices.review + prices.release
        if money is not None and view.spent + fixed > money:
            return None
        return reason
