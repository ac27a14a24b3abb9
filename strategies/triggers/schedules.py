"""When to retrain: on a schedule, on demand, or by luck."""

from collections.abc import Callable, Iterator
from dataclasses import dataclass
from typing import Literal

import numpy as np
import pandas as pd

from backtrain.datasets.offsets import parse_fixed, parse_offset, to_timestamp
from backtrain.simulator.answers import PartError, Reason
from backtrain.simulator.constraints import Chance, Count, Dates, FixedOffset, Interval, Seed
from backtrain.simulator.parts import Monitor, Part, Trigger
from backtrain.simulator.view import View
from backtrain.strategies.triggers.performance import Detector

__all__ = ["Every", "EveryLabels", "EveryRows", "MaxAge", "Never", "OnDates", "Random"]

_NEVER = np.iinfo(np.int64).max


@dataclass(frozen=True, repr=False)
class Never(Part, Trigger):
    """Keep the first model: the baseline that every strategy must beat.

    >>> Never()
    Never()
    """

    def fires(self, view: View) -> Reason | None:
        """Say nothing."""
        return None


@dataclass(frozen=True, repr=False)
class Every(Part):
    """At a fixed interval.

    Its instants are ``start + k * every + phase`` (k = 0, 1, ...) after ``start``; it fires at the
    first tick at or after each, and once where several have passed. Days, weeks and months are
    those of the stream's calendar: ``"1D"`` keeps the local time of day, ``"24h"`` does not.

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

    every: Interval
    phase: FixedOffset = "0D"
    since: Literal["start", "training"] = "start"

    def check_parameters(self) -> None:
        """Refuse a phase that no schedule has."""
        every, phase = parse_offset(self.every), parse_fixed(self.phase)
        if isinstance(every, pd.Timedelta) and phase >= every:
            raise PartError(f"Every(phase={self.phase!r}): give less than every={self.every!r}")
        if self.since == "training" and phase:
            raise PartError("Every(phase=..., since='training'): a phase is for a fixed schedule")

    def monitor(self) -> Monitor:
        """A watch over the schedule."""
        return _SinceTraining(self.every) if self.since == "training" else _Schedule(self._instants)

    def _instants(self, view: View) -> Iterator[int]:
        read = view.calendar.offset
        return view.calendar.schedule(view.start, read(self.every), read(self.phase))


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
        return Reason(f"scheduled for {view.calendar.shown(pd.Timestamp(due))}")


class _SinceTraining:
    def __init__(self, every: str) -> None:
        self._every = every
        self._last = -1
        self._due = 0

    def fires(self, view: View) -> Reason | None:
        last = view.trainings[-1] if view.trainings else view.start.value
        if last != self._last:
            every = view.calendar.offset(self._every)
            self._last, self._due = last, view.calendar.due_at(pd.Timestamp(last), every)
        return Reason(f"{self._every} since the last training") if view.at >= self._due else None


@dataclass(frozen=True, repr=False)
class EveryRows(Part):
    """Whenever so many rows more have been served, counted from ``start``.

    Parameters
    ----------
    rows : int
        How many.

    >>> EveryRows(500)
    EveryRows(500)
    """

    rows: Count

    def monitor(self) -> Monitor:
        """A counter."""
        return _Counter(self.rows, lambda view: view.answered_so_far, "rows served")


class _Counter:
    """Fires when a count has passed another multiple of ``step`` since the last tick."""

    def __init__(self, step: int, count: Callable[[View], int], what: str) -> None:
        self._step, self._count, self._what = step, count, what
        self._times = 0

    def fires(self, view: View) -> Reason | None:
        count = self._count(view)
        times = count // self._step
        if times == self._times:
            return None
        self._times = times
        return Reason(f"{count} {self._what}", count, times * self._step)


@dataclass(frozen=True, repr=False)
class EveryLabels(Part):
    """Whenever so many labels more of served rows have arrived, counted from ``start``.

    Late labels count when they arrive, whichever version answered their rows; labels of rows
    before ``start`` do not. To count is not to look: it buys no label.

    Parameters
    ----------
    labels : int
        How many.

    >>> EveryLabels(500)
    EveryLabels(500)
    """

    labels: Count

    def monitor(self) -> Monitor:
        """A counter."""
        return _Counter(self.labels, lambda view: view.arrivals, "labels arrived")


@dataclass(frozen=True, repr=False)
class MaxAge(Part):
    """When the model in force has reached an age, counted from the decision to train it.

    The age is that of what the model can know, not of its service: delays and a gate that waits
    make it older. A training that fails or is rejected leaves the old model in force and the alarm
    on, so the next tick tries again; a `Cooldown` round it waits.

    Parameters
    ----------
    offset : str
        A time offset such as ``"30D"`` or ``"MS"``; an age in days is elapsed time.

    >>> MaxAge("30D"), AnyOf(MaxAge("90D"), PerformanceDrop("MAE", drop="20%"))
    (MaxAge('30D'), AnyOf(MaxAge('90D'), PerformanceDrop('MAE', drop='20%')))
    """

    offset: Interval

    def monitor(self) -> Monitor:
        """A watch over the model in force."""
        return _Ageing(self)


class _Ageing(Detector):
    _spec: MaxAge

    def restart(self, view: View) -> None:
        self._decided = view.model.decided_at
        self._due = view.calendar.due_at(self._decided, parse_offset(self._spec.offset))

    def alarm(self, view: View) -> Reason | None:
        if view.at < self._due:
            return None
        made = view.calendar.shown(self._decided)
        return Reason(f"the model in force is of {made}, {self._spec.offset} old or older")


@dataclass(frozen=True, repr=False)
class OnDates(Part):
    """On given dates: planned releases, or retraining on demand.

    Parameters
    ----------
    dates : sequence of str
        Dates or instants, without a time zone local ones; it fires at the first tick at or after
        each.

    >>> OnDates(["2012-01-02", "2012-07-02"])
    OnDates(['2012-01-02', '2012-07-02'])
    """

    dates: Dates

    def check_parameters(self) -> None:
        """Read the dates."""
        for date in self.dates:
            to_timestamp(date, "dates")

    def monitor(self) -> Monitor:
        """A watch over the dates."""
        return _Schedule(self._times)

    def _times(self, view: View) -> Iterator[int]:
        return iter(sorted({view.calendar.instant(date, "dates").value for date in self.dates}))


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

    rate: Chance
    seed: Seed = 0

    def monitor(self) -> Monitor:
        """A coin."""
        return _Coin(self.rate, self.seed)


class _Coin:
    def __init__(self, rate: float, seed: int) -> None:
        self._rate, self._random = rate, np.random.default_rng(seed)

    def fires(self, view: View) -> Reason | None:
        drawn = self._random.random()
        return Reason("the coin fell so", drawn, self._rate) if drawn < self._rate else None
