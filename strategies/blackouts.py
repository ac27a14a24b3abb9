"""When no training is decided: days and hours that come again, on the stream's local clock."""

from __future__ import annotations

from abc import abstractmethod
from collections.abc import Callable, Sequence
from dataclasses import dataclass
from functools import cached_property, lru_cache
from typing import Annotated, Any, Protocol

import pandas as pd

from backtrain.datasets.calendar import UTC, Calendar
from backtrain.simulator.answers import PartError
from backtrain.simulator.constraints import Listed, PartKind, Whole
from backtrain.simulator.parts import Part
from backtrain.simulator.texts import code
from backtrain.strategies.holidays import dates_of, first_open, is_holiday

__all__ = ["Hours", "LastDays", "PublicHolidays", "Weekdays"]

_DAY = pd.Timedelta(days=1)
_NAMES = ("Mon", "Tue", "Wed", "Thu", "Fri", "Sat", "Sun")


class Blackout(Protocol):
    """When no training is decided: any object with this method is one."""

    def until(self, when: pd.Timestamp, calendar: Calendar) -> pd.Timestamp | None:
        """The first instant after the stretch that one lies in; None where it lies in none."""
        ...


AnyBlackout = Annotated[Any, PartKind("a blackout", ("until",))]


@dataclass(frozen=True)
class Between:
    """From one instant up to another, or for a day; texts without a time zone are local."""

    times: Sequence[str | pd.Timestamp]

    def bounds(self, calendar: Calendar) -> tuple[pd.Timestamp, pd.Timestamp]:
        """Its first instant, and the first after it."""
        return _bounds(tuple(self.times), calendar)

    def until(self, when: pd.Timestamp, calendar: Calendar) -> pd.Timestamp | None:
        """Its end, where an instant lies in it."""
        start, stop = self.bounds(calendar)
        return stop if start <= when < stop else None


@lru_cache
def _bounds(
    times: tuple[str | pd.Timestamp, ...], calendar: Calendar
) -> tuple[pd.Timestamp, pd.Timestamp]:
    read = [calendar.instant(time, "blackout") for time in times]
    if len(read) == 1:
        start = calendar.midnight(read[0])
        return start, calendar.later(start, calendar.offset("1D"))
    start, stop = read
    return start, stop


def read_blackout(entry: Any) -> Blackout:
    """Read one: a day, a pair (from, to) or a blackout; raises `ValueError` for others."""
    if callable(getattr(entry, "until", None)):
        blackout: Blackout = entry
        return blackout
    times = entry if isinstance(entry, tuple) else (entry,)
    if len(times) != 2 and isinstance(entry, tuple):
        raise PartError(f"Strategy(blackout={entry!r}): a day, or a pair (from, to)")
    between = Between(times)
    start, stop = between.bounds(UTC)
    if stop <= start:
        raise PartError(f"Strategy(blackout={entry!r}): ends before it begins")
    return between


def forbidden(blackouts: Sequence[Blackout], when: pd.Timestamp, calendar: Calendar) -> str | None:
    """A sentence of the first blackout that an instant lies in, or None."""
    for blackout in blackouts:
        stop = blackout.until(when, calendar)
        if stop is None:
            continue
        if isinstance(blackout, Between):
            start = calendar.shown(blackout.bounds(calendar)[0])
            return f"no training from {start} to {calendar.shown(stop)}"
        return f"no training until {calendar.shown(stop)}, by {code(blackout)}"
    return None


# --- what comes again -----------------------------------------------------------------------------


class _Days(Part):
    """Whole local days."""

    @abstractmethod
    def closed(self, day: pd.Timestamp) -> bool:
        """Whether a local day is one of them."""

    def until(self, when: pd.Timestamp, calendar: Calendar) -> pd.Timestamp | None:
        """The end of the days in a row that an instant lies in."""
        day = calendar.to_local(when).normalize()
        return calendar.to_utc(first_open(day, self.closed)) if self.closed(day) else None


@dataclass(frozen=True, repr=False)
class Weekdays(_Days):
    """On days of the week; by default at weekends.

    Parameters
    ----------
    days : sequence of str
        Their names, such as ``["Fri", "Sat"]``.

    >>> Weekdays(), Weekdays(["Friday"])
    (Weekdays(), Weekdays(days=('Fri',)))
    """

    days: Annotated[Sequence[str], Listed(least=1, such_as="['Sat', 'Sun']")] = ("Sat", "Sun")

    def check_parameters(self) -> None:
        """Read the names."""
        names = tuple(str(day)[:3].title() for day in self.days)
        for name, day in zip(names, self.days, strict=True):
            if name not in _NAMES:
                raise PartError(f"Weekdays(days={self.days!r}): {day!r} is not one of {_NAMES}")
        if len(set(names)) == len(_NAMES):
            raise PartError("Weekdays(days=...): all seven, so that nothing is ever trained")
        object.__setattr__(self, "days", names)

    def closed(self, day: pd.Timestamp) -> bool:
        """Whether the name of the day is one of them."""
        return _NAMES[day.day_of_week] in self.days


@dataclass(frozen=True, repr=False)
class LastDays(_Days):
    """On the last days of each month.

    Parameters
    ----------
    days : int
        How many, of 1 to 27.

    >>> LastDays(2)
    LastDays(2)
    """

    days: Annotated[int, Whole()]

    def check_parameters(self) -> None:
        """Refuse whole months."""
        if self.days > 27:
            raise PartError(f"LastDays(days={self.days}): a February has 28; give 27 or fewer")

    def closed(self, day: pd.Timestamp) -> bool:
        """Whether as few days or fewer are left of the month, this one among them."""
        return bool(day.days_in_month - day.day < self.days)


@dataclass(frozen=True, repr=False)
class PublicHolidays(_Days):
    """On holidays.

    Parameters
    ----------
    holidays : str or sequence of str
        A country, a part of one or an exchange, such as ``"US"``, ``"DE-BY"`` and ``"NYSE"``, by
        the package holidays (``pip install 'backtrain[holidays]'``); or dates.

    >>> PublicHolidays(["2024-12-24", "2024-12-31"])
    PublicHolidays(('2024-12-24', '2024-12-31'))
    """

    holidays: str | Annotated[Sequence[str], Listed(least=1, such_as="['2012-12-24']")]

    def check_parameters(self) -> None:
        """Look the country up, or read the dates."""
        object.__setattr__(self, "holidays", dates_of(self.holidays))
        _ = self.closed

    @cached_property
    def closed(self) -> Callable[[pd.Timestamp], bool]:
        """Whether a day is one."""
        return is_holiday(self.holidays)


@dataclass(frozen=True, repr=False)
class Hours(Part):
    """At hours of the day, such as at night.

    Parameters
    ----------
    start, stop : str
        On the local clock, from the first up to the second; one that is earlier is of the next day.

    >>> Hours("22:00", "06:00")
    Hours('22:00', '06:00')
    """

    start: str
    stop: str

    def check_parameters(self) -> None:
        """Read the hours."""
        start, stop = self._clock
        if start == stop:
            raise PartError(f"{self!r}: all day or no time at all; give two different hours")

    @cached_property
    def _clock(self) -> tuple[pd.Timedelta, pd.Timedelta]:
        try:
            start, stop = (pd.Timedelta(f"{clock}:00") for clock in (self.start, self.stop))
        except ValueError:
            start = stop = -_DAY
        if not (pd.Timedelta(0) <= start < _DAY and pd.Timedelta(0) <= stop <= _DAY):
            raise PartError(
                f"Hours(start={self.start!r}, stop={self.stop!r}): give hours of the day, such as "
                "'22:00' and '06:00'; on the command line in quotes"
            )
        return start, stop

    def until(self, when: pd.Timestamp, calendar: Calendar) -> pd.Timestamp | None:
        """The end of the hours that an instant lies in."""
        local = calendar.to_local(when)
        (start, stop), day = self._clock, local.normalize()
        clock = local - day
        if start < stop:
            end = day + stop if start <= clock < stop else None
        elif clock >= start:
            end = day + _DAY + stop
        else:
            end = day + stop if clock < stop else None
        if end is None:
            return None
        found = calendar.to_utc(end)
        # The clock may show the end twice, and be between the two now.
        return found if found > when else when + (end - local)
