"""When to retrain: schedules and combinations. Detectors stand in ``detectors.py``."""

from __future__ import annotations

from collections.abc import Callable, Iterator, Sequence
from dataclasses import dataclass, field
from functools import cached_property

import numpy as np
import pandas as pd

from backtrain.datasets.offsets import parse_offset, shift, to_timestamp
from backtrain.simulator.protocols import Checked, Monitor, Part, PartError, Reason, Trigger
from backtrain.simulator.setup import Setup
from backtrain.simulator.view import View

_NEVER = np.iinfo(np.int64).max
#: Later than any instant that a clock can reach, and early enough for one more offset.
_LAST = pd.Timestamp("2200-01-01")

# --- schedules ----------------------------------------------------------------------------------


@dataclass(frozen=True, repr=False)
class Never(Part):
    """Keep the first model: the baseline that every strategy must beat.

    >>> Never()
    Never()
    """

    def monitor(self) -> Never:
        """Itself: it has nothing to remember."""
        return self

    def fires(self, view: View) -> Reason | None:
        """Say nothing."""
        return None


@dataclass(frozen=True, repr=False)
class Every(Part):
    """At a fixed interval.

    Its instants are ``start + k * every + phase`` (k = 0, 1, ...) after ``start``; it fires at the
    first tick at or after each, and once where several have passed.

    Parameters
    ----------
    every : str
        A time offset such as ``"7D"`` or ``"MS"``.
    phase : str
        Moves all instants; shorter than ``every``.
    since : {"start", "training"}
        ``"training"`` counts from the last decision to train instead.

    >>> Every("7D", phase="2D")
    Every('7D', phase='2D')
    """

    every: str
    phase: str = "0D"
    since: str = "start"

    def __post_init__(self) -> None:
        every, phase = (
            parse_offset(self.every, "Every(every)"),
            parse_offset(self.phase, "Every(phase)"),
        )
        if every == parse_offset("0D"):
            raise PartError(f"Every(every={self.every!r}): no time at all; did you mean '1D'?")
        if not isinstance(phase, pd.Timedelta) or (
            isinstance(every, pd.Timedelta) and phase >= every
        ):
            raise PartError(
                f"Every(phase={self.phase!r}): must be of fixed length and below {self.every!r}"
            )
        if self.since not in ("start", "training"):
            raise PartError(f"Every(since={self.since!r}): not one of 'start', 'training'")
        if self.since == "training" and phase:
            raise PartError("Every(phase=..., since='training'): a phase is for a fixed schedule")

    def monitor(self) -> Monitor:
        """A watch over the schedule."""
        return _SinceTraining(self.every) if self.since == "training" else _Schedule(self._instants)

    def _instants(self, view: View) -> Iterator[int]:
        every, phase = parse_offset(self.every), parse_offset(self.phase)
        at = view.start
        while at <= _LAST:
            yield shift(at, phase).value
            at = shift(at, every)


class _Schedule:
    """Fires when one of the instants has passed since the last tick."""

    def __init__(self, instants: Callable[[View], Iterator[int]]) -> None:
        self._open = instants
        self._instants: Iterator[int] | None = None
        self._next = _NEVER

    def fires(self, view: View) -> Reason | None:
        if self._instants is None:
            start = view.start.value
            self._instants = (at for at in self._open(view) if at > start)
            self._next = next(self._instants, _NEVER)
        if view.at < self._next:
            return None
        due = self._next
        while self._next <= view.at:
            self._next = next(self._instants, _NEVER)
        return Reason(f"scheduled for {pd.Timestamp(due)}")


class _SinceTraining:
    def __init__(self, every: str) -> None:
        self._every = every
        self._offset = parse_offset(every)
        self._last = -1
        self._due = 0

    def fires(self, view: View) -> Reason | None:
        last = view.trainings[-1] if view.trainings else view.start.value
        if last != self._last:
            self._last, self._due = last, shift(pd.Timestamp(last), self._offset).value
        return Reason(f"{self._every} since the last training") if view.at >= self._due else None


@dataclass(frozen=True, repr=False)
class EveryRows(Part):
    """Whenever so many rows more have been served, counted from ``start``.

    >>> EveryRows(500)
    EveryRows(500)
    """

    rows: int

    def __post_init__(self) -> None:
        if not isinstance(self.rows, int) or isinstance(self.rows, bool) or self.rows < 1:
            raise PartError(f"EveryRows(rows={self.rows!r}): give 1 or more")

    def monitor(self) -> Monitor:
        """A counter."""
        return _RowCounter(self.rows)


class _RowCounter:
    def __init__(self, rows: int) -> None:
        self._rows = rows
        self._times = 0

    def fires(self, view: View) -> Reason | None:
        served = view.answered_so_far
        times = served // self._rows
        if times == self._times:
            return None
        self._times = times
        return Reason(f"{served} rows served", served, times * self._rows)


@dataclass(frozen=True, repr=False)
class OnDates(Part):
    """On given dates: planned releases, or retraining on demand.

    >>> OnDates(["2012-01-02", "2012-07-02"])
    OnDates(['2012-01-02', '2012-07-02'])
    """

    dates: Sequence[str]

    def __post_init__(self) -> None:
        if isinstance(self.dates, str):
            raise PartError(f"OnDates(dates={self.dates!r}): give a list, such as [{self.dates!r}]")
        _ = self._times

    @cached_property
    def _times(self) -> list[int]:
        return sorted({to_timestamp(date, "OnDates(dates)").value for date in self.dates})

    def monitor(self) -> Monitor:
        """A watch over the dates."""
        return _Schedule(lambda view: iter(self._times))


@dataclass(frozen=True, repr=False)
class Random(Part):
    """With a fixed chance at every tick: luck, as a strategy.

    Parameters
    ----------
    rate : float
        Chance to fire at a tick.
    seed : int
        Seed of the coin.

    >>> Random(0.1, seed=3)
    Random(0.1, seed=3)
    """

    rate: float
    seed: int = 0

    def __post_init__(self) -> None:
        if not 0 <= self.rate <= 1:
            raise PartError(f"Random(rate={self.rate!r}): a chance lies between 0 and 1")

    def monitor(self) -> Monitor:
        """A coin."""
        return _Coin(self)


class _Coin:
    def __init__(self, spec: Random) -> None:
        self._rate = spec.rate
        self._random = np.random.default_rng(spec.seed)

    def fires(self, view: View) -> Reason | None:
        drawn = self._random.random()
        return Reason("the coin fell so", drawn, self._rate) if drawn < self._rate else None


# --- combinations -------------------------------------------------------------------------------


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


class AnyOf(_Combined):
    """When any of its triggers fires. All of them see every tick.

    >>> AnyOf(Every("30D"), EveryRows(5_000))
    AnyOf(Every('30D'), EveryRows(5000))
    """

    def monitor(self) -> Monitor:
        """A watch over all of them."""
        return _Several([trigger.monitor() for trigger in self.triggers], need=1)


class AllOf(_Combined):
    """When all of its triggers fire at the same tick. All of them see every tick.

    An alarm of a detector stays on until a training starts, a schedule fires at one tick only.

    >>> AllOf(Every("7D"), Random(0.5))
    AllOf(Every('7D'), Random(0.5))
    """

    def monitor(self) -> Monitor:
        """A watch over all of them."""
        return _Several([trigger.monitor() for trigger in self.triggers], need=len(self.triggers))


class _Several:
    def __init__(self, monitors: list[Monitor], need: int) -> None:
        self._monitors = monitors
        self._need = need
        self._parts: list[Reason] = []
        self._whole: Reason | None = None

    def fires(self, view: View) -> Reason | None:
        fired = [reason for m in self._monitors if (reason := m.fires(view)) is not None]
        if len(fired) < self._need:
            return None
        if self._whole is None or fired != self._parts:  # alarms that stay on are one reason
            said = "; ".join(reason.sentence for reason in fired)
            self._whole = Reason(said, fired[0].statistic, fired[0].threshold)
            self._parts = fired
        return fired[0] if len(fired) == 1 else self._whole


@dataclass(frozen=True, repr=False)
class Cooldown(Part):
    """Silence a trigger for a while after each decision to train, whoever caused it.

    >>> Cooldown(Random(0.2), "3D")
    Cooldown(Random(0.2), '3D')
    """

    trigger: Trigger
    offset: str

    def __post_init__(self) -> None:
        refuse_other("Cooldown", self.trigger)
        parse_offset(self.offset, "Cooldown(offset)")

    def check_setup(self, setup: Setup) -> None:
        """Hold the inner trigger against the setup."""
        check(self.trigger, setup)

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
class Budget(Part):
    """Silence a trigger when so many trainings were decided, or so much money was spent.

    Parameters
    ----------
    trigger : Trigger
        What to silence.
    retrains : int, optional
        Trainings of the whole strategy, rejected and failed ones included, the first model not.
    money : float, optional
        Silent once a training at the fixed price would bring the money spent (training, labels,
        checks, releases; not errors) above this.

    >>> Budget(Every("1D"), retrains=10)
    Budget(Every('1D'), retrains=10)
    """

    trigger: Trigger
    retrains: int | None = None
    money: float | None = None

    def __post_init__(self) -> None:
        refuse_other("Budget", self.trigger)
        if self.retrains is None and self.money is None:
            raise PartError("Budget: give retrains= or money=")
        if (self.retrains or 0) < 0 or (self.money or 0) < 0:
            raise PartError(f"{self!r}: a budget is not negative")

    def check_setup(self, setup: Setup) -> None:
        """Hold the inner trigger against the setup."""
        check(self.trigger, setup)

    def monitor(self) -> Monitor:
        """A watch over the inner trigger."""
        return _Budgeted(self)


class _Budgeted:
    def __init__(self, spec: Budget) -> None:
        self._spec = spec
        self._inner = spec.trigger.monitor()

    def fires(self, view: View) -> Reason | None:
        reason = self._inner.fires(view)
        retrains, money = self._spec.retrains, self._spec.money
        if retrains is not None and len(view.trainings) >= retrains:
            return None
        if money is not None and view.spent + view.prices.retrain > money:
            return None
        return reason


def check(trigger: Trigger, setup: Setup) -> None:
    """Hold a trigger against the setup, if it wants to be."""
    if isinstance(trigger, Checked):
        trigger.check_setup(setup)


def refuse_other(where: str, trigger: object) -> None:
    """Raise `PartError` for what is not a trigger."""
    if isinstance(trigger, type):
        raise PartError(
            f"{where}: {trigger.__name__} is a class; did you mean {trigger.__name__}()?"
        )
    if not hasattr(trigger, "monitor"):
        raise PartError(f"{where}: {trigger!r} is not a trigger, it has no method 'monitor'")
