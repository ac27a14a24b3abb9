"""The calendar of a stream: its time zone, and when days and months of it begin.

Times are kept as naive UTC in nanoseconds; local times are what a clock on the wall there shows,
naive as well. What a length of time means depends on what it is for: `Calendar.offset` reads the
days of a schedule, which are days of the calendar and may last 23 or 25 hours, and
`offsets.parse_offset` elapsed time, of which a day is 24 hours. Hours and less are elapsed in both.

Some local times are none or two: one that is left out when the clock goes forward is taken as the
first instant that exists after it, one that comes twice when it goes back as the first of the two.
So what is due keeps its order. Times in a table are read by `local.to_utc`.
"""

import difflib
import re
from collections.abc import Iterator, Mapping
from dataclasses import dataclass
from datetime import date, datetime, timedelta, timezone, tzinfo
from functools import cached_property, lru_cache
from typing import Any
from zoneinfo import ZoneInfo, available_timezones

import numpy as np
import pandas as pd

from backtrain.datasets import offsets
from backtrain.datasets.offsets import Offset, OffsetLike, Times, parse_offset, to_timestamp

_SECOND = 1_000_000_000
_DAY = 86_400 * _SECOND
_AT_ONCE = pd.Timedelta(0)
#: Local times from here on may have no instant that nanoseconds can count.
_LAST = offsets.LATEST - 2 * _DAY
_FIXED = re.compile(r"(?:UTC|GMT)?([+-])(\d\d?)(?::?(\d\d))?(?::(\d\d))?$")
_DAYS = re.compile(r"\s*\d*\s*(?:d|days?|weeks?)\s*$|P\d+[DW]$", re.IGNORECASE)


def zone_name(zone: str | tzinfo | None, name: str = "timezone") -> str | None:
    """Read a time zone by its IANA name or as a fixed offset; None is UTC.

    Raises `ValueError` for what is no time zone, naming the nearest one.

    >>> zone_name("Europe/Berlin"), zone_name("+02:00"), zone_name("UTC")
    ('Europe/Berlin', 'UTC+02:00', None)
    >>> zone_name("Europe/Berlln")
    Traceback (most recent call last):
    ...
    ValueError: timezone='Europe/Berlln': not a time zone; did you mean 'Europe/Berlin'?
    """
    if zone is None:
        return None
    text = str(getattr(zone, "key", None) or getattr(zone, "zone", None) or zone)
    fixed = _FIXED.match(text)
    if fixed:
        sign, hours, minutes, seconds = fixed.groups()
        ahead = timedelta(hours=int(hours), minutes=int(minutes or 0), seconds=int(seconds or 0))
        if ahead < timedelta(hours=24):
            text = str(timezone(-ahead if sign == "-" else ahead))
            return None if text == "UTC" else text
    elif isinstance(zone, tzinfo) and zone.utcoffset(None) is not None:  # pytz has its own
        return zone_name(str(timezone(zone.utcoffset(None) or timedelta(0))), name)
    if text.upper() in ("UTC", "ETC/UTC", "Z", "GMT", "ETC/GMT"):
        return None
    known = available_timezones()
    if not fixed and text in known:
        return text
    file = re.search(r"zoneinfo/([\w+/-]+)", text)  # as dateutil shows one
    if file and file.group(1) in known:
        return zone_name(file.group(1), name)
    nearest = difflib.get_close_matches(text, sorted(known), n=1, cutoff=0.0)
    hint = f"did you mean {nearest[0]!r}?" if nearest else "is the package tzdata installed?"
    raise ValueError(f"{name}={zone!r}: not a time zone; {hint}")


def zone_of(zone: tzinfo | str | None) -> str | None:
    """The name of what times are kept in; None where it has no name that others could read."""
    try:
        return zone_name(zone)
    except ValueError:
        return None


@dataclass(frozen=True)
class Calendar:
    """Local days and months of a time zone; None is UTC, where nothing is ever converted.

    >>> berlin = Calendar("Europe/Berlin")
    >>> start = berlin.instant("2024-03-30")
    >>> start
    Timestamp('2024-03-29 23:00:00')
    >>> print(berlin.instants(start, berlin.offset("1D"), start + pd.Timedelta("2D")))
    ['2024-03-30T23:00:00.000000000' '2024-03-31T22:00:00.000000000']
    """

    zone: str | None = None

    def __post_init__(self) -> None:
        object.__setattr__(self, "zone", zone_name(self.zone))

    @classmethod
    def of(cls, info: Mapping[str, Any]) -> "Calendar":
        """The calendar of a record, by what it says of its stream; UTC where it says nothing."""
        return cls((info.get("stream") or {}).get("timezone"))

    @cached_property
    def _tz(self) -> tzinfo:
        return _tzinfo(self.zone or "UTC")

    # --- local times --------------------------------------------------------------------------

    def local(self, times: Times) -> Times:
        """What the clock on the wall shows at instants, (n,) datetime64[ns]; `NaT` stays."""
        times = times.astype("datetime64[ns]", copy=False)
        if self.zone is None:
            return times
        index = pd.DatetimeIndex(times).tz_localize("UTC").tz_convert(self._tz)
        return index.tz_localize(None).to_numpy()

    def utc(self, local: Times) -> Times:
        """The instants of local times, (n,) datetime64[ns]; `NaT` stays."""
        local = local.astype("datetime64[ns]", copy=False)
        if self.zone is None:
            return local
        found = self._placed(local, True)
        left_out = np.isnat(found) & ~np.isnat(local)
        if left_out.any():
            each, which = np.unique(local[left_out], return_inverse=True)
            changes = np.array([self._change(one) for one in each], dtype="datetime64[ns]")
            found[left_out] = changes[which]
        return found

    def both(self, local: Times) -> tuple[Times, Times]:
        """The first and the last instants of local times, (n,) each: `NaT` where there is none."""
        return self._placed(local, True), self._placed(local, False)

    def _placed(self, local: Times, first: bool) -> Times:
        aware = pd.DatetimeIndex(local).tz_localize(
            self._tz, ambiguous=np.full(len(local), first), nonexistent="NaT"
        )
        return aware.tz_convert(None).to_numpy().astype("datetime64[ns]")

    def _change(self, local: np.datetime64) -> np.datetime64:
        """The instant at which the clock goes forward over a local time.

        pandas (3.1) shifts some too far, such as half an hour on Lord Howe and a day in Samoa.
        """
        clock = pd.Timestamp(local).to_pydatetime(warn=False)
        before, after = (clock.replace(tzinfo=self._tz, fold=fold).utcoffset() for fold in (0, 1))
        assert before is not None
        assert after is not None
        at = int(local.astype("datetime64[s]").astype(np.int64))
        low, high = at - int(after.total_seconds()), at - int(before.total_seconds()) + 1
        while high - low > 1:
            middle = (low + high) // 2
            ahead = datetime.fromtimestamp(middle, self._tz).utcoffset()
            low, high = (middle, high) if ahead == before else (low, middle)
        return np.datetime64(high * _SECOND, "ns")

    def to_local(self, when: pd.Timestamp) -> pd.Timestamp:
        """What the clock on the wall shows at an instant."""
        return when if self.zone is None else pd.Timestamp(self.local(_one(when))[0])

    def to_utc(self, local: pd.Timestamp) -> pd.Timestamp:
        """The instant of a local time."""
        return local if self.zone is None else pd.Timestamp(self.utc(_one(local))[0])

    def instant(self, value: Any, name: str = "time") -> pd.Timestamp:
        """Read one instant: text and dates without a zone are local, other times naive UTC.

        What streams and views hand out, `Timestamp` and datetime64, is in UTC already. Raises
        `ValueError` for what is no instant.
        """
        when = to_timestamp(value, name)
        if self.zone is None or not isinstance(value, str | date) or isinstance(value, datetime):
            return when
        aware = isinstance(value, str) and pd.Timestamp(value).tzinfo is not None
        return when if aware else self.to_utc(when)

    def shown(self, when: pd.Timestamp) -> str:
        """An instant as text: the local time, with its distance from UTC where there is a zone."""
        return str(when if self.zone is None else when.tz_localize("UTC").tz_convert(self._tz))

    def day(self, when: pd.Timestamp | str) -> str:
        """The local date of an instant, as text."""
        return f"{self.to_local(pd.Timestamp(when)):%Y-%m-%d}"

    def iso(self, when: pd.Timestamp) -> str:
        """An instant in ISO format, which `instant` reads back; local where there is a zone."""
        return self.shown(when).replace(" ", "T") if self.zone else when.isoformat()

    # --- steps --------------------------------------------------------------------------------

    def offset(self, value: OffsetLike, name: str = "offset") -> Offset:
        """Read the step of a schedule: whole days, such as "7D", are days of the calendar.

        Raises `ValueError` as `offsets.parse_offset` does, which reads elapsed time.

        >>> Calendar("Europe/Berlin").offset("7D"), Calendar("Europe/Berlin").offset("168h")
        (<DateOffset: days=7>, Timedelta('7 days 00:00:00'))
        """
        offset = parse_offset(value, name)
        if self.zone is None or not isinstance(offset, pd.Timedelta) or not _is_days(value):
            return offset
        days = offsets.nanoseconds(offset) // _DAY
        return pd.DateOffset(days=days) if days else offset

    def shift(self, times: Times, offset: Offset, k: int = 1) -> Times:
        """Move instants, (n,) datetime64[ns], by k >= 0 offsets: months and days locally."""
        if self.zone is None or isinstance(offset, pd.Timedelta):
            return offsets.shift(times, offset, k)
        return self.utc(offsets.shift(self.local(times), offset, k)) if k else times

    def later(self, when: pd.Timestamp, offset: Offset, k: int = 1) -> pd.Timestamp:
        """Move one instant by k >= 0 offsets; raises `OverflowError` past the year 2261."""
        if self.zone is None or isinstance(offset, pd.Timedelta) or k == 0:
            return offsets.shift(when, offset, k)
        return self.to_utc(offsets.shift(self.to_local(when), offset, k))

    def due_at(self, when: pd.Timestamp, offset: Offset, k: int = 1) -> int:
        """Return the instant k offsets later, in ns; past the year 2261 the largest int."""
        if self.zone is None or isinstance(offset, pd.Timedelta) or k == 0:
            return offsets.due_at(when, offset, k)
        due = offsets.due_at(self.to_local(when), offset, k)
        return offsets.LATEST if due >= _LAST else self.to_utc(pd.Timestamp(due)).value

    def subtract(self, when: pd.Timestamp, offset: Offset) -> pd.Timestamp:
        """Return the instant one offset earlier."""
        if self.zone is None or isinstance(offset, pd.Timedelta):
            return offsets.subtract(when, offset)
        return self.to_utc(offsets.subtract(self.to_local(when), offset))

    def instants(self, start: pd.Timestamp, offset: Offset, stop: pd.Timestamp) -> Times:
        """List start + k * offset for k = 1, 2, ... up to and including `stop`, each once."""
        if self.zone is None or isinstance(offset, pd.Timedelta):
            return offsets.instants(start, offset, stop)
        # A clock that goes back shows less at the stop than before it.
        until = self.to_local(stop) + pd.Timedelta(days=2)
        found = np.unique(self.utc(_steps(self.to_local(start), offset, until)))
        return found[(found > start.to_datetime64()) & (found <= stop.to_datetime64())]

    def schedule(
        self, start: pd.Timestamp, every: Offset, phase: Offset = _AT_ONCE, after: int | None = None
    ) -> Iterator[int]:
        """Yield start + k * every + phase for k = 0, 1, ..., in ns, as far as there are times.

        With `after` some of those that are not later than that are left out.
        """
        k = 0 if after is None else self._passed(start, every, phase, after)
        if self.zone is None or isinstance(every, pd.Timedelta):
            while (at := self.due_at(start, every, k)) < offsets.LATEST:
                yield self.due_at(pd.Timestamp(at), phase)
                k += 1
            return
        first, block = self.to_local(start), 16
        while len(local := _block(first, every, range(k, k + block))):
            if not isinstance(phase, pd.Timedelta):  # of a local time that may not exist
                moved = np.array([offsets.due_at(pd.Timestamp(at), phase) for at in local])
                local = moved[moved < _LAST].view("datetime64[ns]")
            found = self.utc(local)
            later = phase if isinstance(phase, pd.Timedelta) else _AT_ONCE
            for at in found.view(np.int64).tolist():
                yield min(at + offsets.nanoseconds(later), offsets.LATEST)
            k, block = k + block, min(2 * block, 1024)

    def _passed(self, start: pd.Timestamp, every: Offset, phase: Offset, after: int) -> int:
        """How many steps have surely passed; those of unknown length are counted from the start."""
        if not isinstance(every, pd.Timedelta):
            every = _in_days(every)
        most = offsets.nanoseconds(_in_days(phase)) + (0 if self.zone is None else 2 * _DAY)
        step = offsets.nanoseconds(every)
        return max(0, (after - start.value - most) // step) if step else 0

    def midnight(self, when: pd.Timestamp) -> pd.Timestamp:
        """The instant at which the local day of an instant begins."""
        return self.to_utc(self.to_local(when).normalize())


#: The calendar of streams without a time zone.
UTC = Calendar()


def _steps(start: pd.Timestamp, offset: Offset, until: pd.Timestamp) -> Times:
    """Local times from a local start on; those of days without a loop."""
    days = _in_days(offset)
    return offsets.instants(start, days if days else offset, until)


def _block(start: pd.Timestamp, every: Offset, counts: range) -> Times:
    """Local start + k * every, as far as there are times."""
    days = offsets.nanoseconds(_in_days(every))
    if days:
        most = (_LAST - start.value) // days
        local = start.value + days * np.arange(counts.start, min(counts.stop, most + 1))
    else:
        local = np.array([offsets.due_at(start, every, k) for k in counts], dtype=np.int64)
    return local[local < _LAST].view("datetime64[ns]")


def _in_days(offset: Offset) -> pd.Timedelta:
    """The length of an offset in local time; 0 where it has none of its own, as months."""
    if isinstance(offset, pd.Timedelta):
        return offset
    if type(offset) is pd.DateOffset and [*offset.kwds] == ["days"]:
        return pd.Timedelta(days=offset.kwds["days"] * offset.n).as_unit("ns")
    return _AT_ONCE


def _one(when: pd.Timestamp) -> Times:
    return np.array([when.to_datetime64()], dtype="datetime64[ns]")


def _is_days(value: OffsetLike) -> bool:
    """Whether a step is written as whole days, and not as so many hours."""
    if isinstance(value, str):
        return _DAYS.match(value) is not None
    return isinstance(value, pd.offsets.Day) or (
        type(value) is pd.DateOffset and {*value.kwds} <= {"days", "weeks"}
    )


@lru_cache
def _tzinfo(zone: str) -> tzinfo:
    fixed = _FIXED.match(zone)
    if fixed is None:
        return ZoneInfo(zone)
    sign, *parts = fixed.groups()
    hours, minutes, seconds = (int(part or 0) for part in parts)
    ahead = timedelta(hours=hours, minutes=minutes, seconds=seconds)
    return timezone(-ahead if sign == "-" else ahead)
