"""When to retrain: triggers made of triggers."""

from __future__ import annotations

from dataclasses import dataclass, field, replace
from typing import Any

import pandas as pd

from backtrain.datasets.offsets import parse_offset, shift
from backtrain.simulator.protocols import (
    Checked,
    Monitor,
    Part,
    PartError,
    Reason,
    Recording,
    Trigger,
    Tuned,
)
from backtrain.simulator.setup import Setup
from backtrain.simulator.view import View
from backtrain.strategies.triggers import refuse_no_count

__all__ = ["AllOf", "AnyOf", "AtLeast", "Budget", "Cooldown", "Not", "WarmUp"]


# --- several ------------------------------------------------------------------------------------


@dataclass(frozen=True, repr=False)
class _Combined(Part):
    triggers: tuple[Trigger, ...] = field(default=())

    def __init__(self, *triggers: Trigger) -> None:
        object.__setattr__(self, "triggers", tuple(triggers))
        if not triggers:
            raise PartError(f"{type(self).__name__}(): give at least one trigger")
        for trigger in triggers:
            refuse_other(type(self).__name__, trigger)

    def __repr__(self) -> str:
        return f"{type(self).__name__}({', '.join(map(repr, self.triggers))})"

    def check_setup(self, setup: Setup) -> None:
        """Hold every part against the setup."""
        for trigger in self.triggers:
            check(trigger, setup)

    def prepare(self, history: View) -> Any:
        """The same of tuned triggers; itself where nothing is to be tuned."""
        inner = [tuned(trigger, history) for trigger in self.triggers]
        same = all(new is old for new, old in zip(inner, self.triggers, strict=True))
        return self if same else self._of(inner)

    def _of(self, triggers: list[Trigger]) -> Trigger:
        return type(self)(*triggers)

    def monitor(self) -> Monitor:
        """A watch over all of them."""
        raise NotImplementedError


class AnyOf(_Combined):
    """When any of its triggers fires. All of them see every tick.

    Parameters
    ----------
    *triggers : Trigger
        One or more.

    >>> AnyOf(Every("30D"), EveryRows(5_000))
    AnyOf(Every('30D'), EveryRows(5000))
    """

    def monitor(self) -> Monitor:
        """A watch over all of them."""
        return _Several(self.triggers, need=1)


class AllOf(_Combined):
    """When all of its triggers fire at the same tick. All of them see every tick.

    An alarm of a detector stays on until a training starts, a schedule fires at one tick only.

    Parameters
    ----------
    *triggers : Trigger
        One or more.

    >>> AllOf(Every("7D"), Random(0.5))
    AllOf(Every('7D'), Random(0.5))
    """

    def monitor(self) -> Monitor:
        """A watch over all of them."""
        return _Several(self.triggers, need=len(self.triggers))


@dataclass(frozen=True, repr=False)
class AtLeast(_Combined):
    """When at least k of its triggers fire at the same tick. All of them see every tick.

    Parameters
    ----------
    k : int
        How many; 1 is `AnyOf`, the number of triggers is `AllOf`.
    *triggers : Trigger
        Of which.

    >>> AtLeast(2, FeatureDrift(), ErrorDrift(), PerformanceDrop("MAE", drop="20%"))
    AtLeast(2, FeatureDrift(), ErrorDrift(), PerformanceDrop('MAE', drop='20%'))
    """

    k: int = 1

    def __init__(self, k: int, *triggers: Trigger) -> None:
        super().__init__(*triggers)
        object.__setattr__(self, "k", k)
        if not isinstance(k, int) or isinstance(k, bool) or not 1 <= k <= len(triggers):
            raise PartError(
                f"AtLeast(k={k!r}): give 1 or more, and no more than its {len(triggers)} triggers"
            )

    def __repr__(self) -> str:
        return f"AtLeast({', '.join(map(repr, (self.k, *self.triggers)))})"

    def _of(self, triggers: list[Trigger]) -> Trigger:
        return AtLeast(self.k, *triggers)

    def monitor(self) -> Monitor:
        """A watch over all of them."""
        return _Several(self.triggers, need=self.k)


class _Several:
    def __init__(self, triggers: tuple[Trigger, ...], need: int) -> None:
        self._monitors = [trigger.monitor() for trigger in triggers]
        self._need = need
        self._parts: list[Reason] = []
        self._whole: Reason | None = None

    def fires(self, view: View) -> Reason | None:
        fired = [reason for m in self._monitors if (reason := m.fires(view)) is not None]
        if len(fired) < self._need:
            return None
        if self._whole is None or fired != self._parts:  # alarms that stay on are one reason
            said = "; ".join(reason.sentence for reason in fired)
            since = next((reason.since for reason in fired if reason.since is not None), None)
            self._whole = Reason(said, fired[0].statistic, fired[0].threshold, since)
            self._parts = fired
        return fired[0] if len(fired) == 1 else self._whole


# --- one, and what becomes of it ----------------------------------------------------------------


@dataclass(frozen=True, repr=False)
class _Wrapped(Part):
    trigger: Trigger

    def __post_init__(self) -> None:
        refuse_other(type(self).__name__, self.trigger)

    def check_setup(self, setup: Setup) -> None:
        """Hold the inner trigger against the setup."""
        check(self.trigger, setup)

    def prepare(self, history: View) -> Any:
        """The same of the tuned trigger; itself where nothing is to be tuned."""
        inner = tuned(self.trigger, history)
        return self if inner is self.trigger else replace(self, trigger=inner)


@dataclass(frozen=True, repr=False)
class Not(_Wrapped):
    """When a trigger does not fire: made for `AllOf`, alone it fires at most ticks.

    >>> AllOf(Every("7D"), Not(FeatureDrift()))
    AllOf(Every('7D'), Not(FeatureDrift()))
    """

    def monitor(self) -> Monitor:
        """A watch over the inner trigger."""
        return _Inverted(self)


class _Inverted:
    def __init__(self, spec: Not) -> None:
        self._inner = spec.trigger.monitor()
        self._said = f"{spec.trigger!r} does not fire"
        self._silence: Reason | None = None
        self._trainings = 0

    def fires(self, view: View) -> Reason | None:
        broken = self._inner.fires(view) is not None
        if broken or len(view.trainings) != self._trainings:
            self._trainings, self._silence = len(view.trainings), None
        if broken:
            return None
        # A silence that goes on is one reason, as an alarm that stays on is.
        self._silence = self._silence or Reason(self._said)
        return self._silence


@dataclass(frozen=True, repr=False)
class Cooldown(_Wrapped):
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
        self._inner = spec.trigger.monitor()
        self._offset = parse_offset(spec.offset)

    def fires(self, view: View) -> Reason | None:
        reason = self._inner.fires(view)
        if reason is None or not view.trainings:
            return reason
        until = shift(pd.Timestamp(view.trainings[-1]), self._offset)
        return reason if view.now >= until else None


@dataclass(frozen=True, repr=False)
class WarmUp(_Wrapped):
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
        self._inner = spec.trigger.monitor()
        self._version = -1
        self._cursor = self._labels = 0

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
            self._since = view.model.in_force_since
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
            assert self._since is not None
            return view.now >= shift(self._since, parse_offset(spec.offset))
        if spec.rows is not None:
            return view.past - self._first_row >= spec.rows
        return self._labels >= (spec.labels or 0)


@dataclass(frozen=True, repr=False)
class Budget(_Wrapped):
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
        if (self.retrains or 0) < 0 or (self.money or 0) < 0:
            raise PartError(f"{self!r}: a budget is not negative")

    def monitor(self) -> Monitor:
        """A watch over the inner trigger."""
        return _Budgeted(self)


class _Budgeted:
    def __init__(self, spec: Budget) -> None:
        self._spec = spec
        self._inner = spec.trigger.monitor()

    def fires(self, view: View) -> Reason | None:
        reason = self._inner.fires(view)
        retrains, money, prices = self._spec.retrains, self._spec.money, view.prices
        if retrains is not None and len(view.trainings) >= retrains:
            return None
        fixed = prices.retrain + prices.review + prices.release
        if money is not None and view.spent + fixed > money:
            return None
        return reason


# --- what they have in common -------------------------------------------------------------------


def check(trigger: Trigger, setup: Setup) -> None:
    """Hold a trigger against the setup, if it wants to be."""
    if isinstance(trigger, Checked):
        trigger.check_setup(setup)


def tuned(trigger: Trigger, history: View) -> Trigger:
    """The trigger tuned on what was known at ``start``, if it wants to be; else as it is."""
    return trigger.prepare(history) if isinstance(trigger, Tuned) else trigger


def refuse_other(where: str, trigger: object) -> None:
    """Raise `PartError` for what is not a trigger."""
    if isinstance(trigger, type):
        raise PartError(
            f"{where}: {trigger.__name__} is a class; did you mean {trigger.__name__}()?"
        )
    if isinstance(trigger, Recording):
        raise PartError(
            f"{where}: {type(trigger).__name__} answers rows itself, so it stands alone: "
            "Strategy(Recorded(...), window)"
        )
    if not hasattr(trigger, "monitor"):
        raise PartError(f"{where}: {trigger!r} is not a trigger, it has no method 'monitor'")
