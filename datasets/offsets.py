"""Time offsets: how long things take, and when they fall due.

Fixed offsets ("7D", "2h") become a `pandas.Timedelta`; calendar ones ("MS", "W-MON") stay a
`pandas.DateOffset`, because a month has no length of its own. All times are naive and in
nanoseconds.
"""

import difflib
import re
import warnings
from datetime import date, datetime, timedelta
from typing import Any, TypeAlias, overload

import numpy as np
import numpy.typing as npt
import pandas as pd
from pandas.tseries.frequencies import to_offset

Offset: TypeAlias = pd.Timedelta | pd.offsets.BaseOffset
OffsetLike: TypeAlias = str | timedelta | np.timedelta64 | pd.Timedelta | pd.offsets.BaseOffset
Times: TypeAlias = npt.NDArray[np.datetime64]

# What people write, and the unit that they most likely mean. "day" stands first: it wins ties.
_UNITS = {
    **dict.fromkeys(("day", "days", "daily", "d"), "D"),
    **dict.fromkeys(("hour", "hours", "hourly", "hr", "h"), "h"),
    **dict.fromkeys(("minute", "minutes", "mins", "min"), "min"),
    **dict.fromkeys(("second", "seconds", "secs", "s"), "s"),
    **dict.fromkeys(("week", "weeks", "weekly", "w"), "W"),
    **dict.fromkeys(("month", "months", "monthly", "mon", "m"), "MS"),
    **dict.fromkeys(("quarter", "quarters", "quarterly", "q"), "QS"),
    **dict.fromkeys(("year", "years", "yearly", "annual", "y", "a"), "YS"),
}
# What a `DateOffset` adds, from long to short, and what it sets: each within the place before.
_ADDED = (
    *("years", "months", "weeks", "days", "hours", "minutes", "seconds"),
    *("milliseconds", "microseconds", "nanoseconds"),
)
_SET = {
    **{"year": 0, "month": 1, "day": 2, "weekday": 3, "hour": 4, "minute": 5, "second": 6},
    **{"millisecond": 7, "microsecond": 8, "nanosecond": 9},
}
_PROBE = pd.Timestamp("2000-01-12").as_unit("ns")
#: What never comes, in ns.
LATEST = np.iinfo(np.int64).max


def parse_offset(value: OffsetLike, name: str = "offset") -> Offset:
    """Read a time offset: fixed ones as a `Timedelta` in ns, calendar ones as a `DateOffset`.

    Accepts pandas aliases ("1D", "2h", "MS", "W-MON"), durations ("1 days") and pandas, NumPy or
    standard-library objects. "W" is a calendar week, which ends on Sunday; "7D" is seven days.
    `name` is what the error calls the value. Raises `ValueError` for what is no offset, and for
    negative ones.

    >>> parse_offset("7D")
    Timedelta('7 days 00:00:00')
    >>> parse_offset("MS")
    <MonthBegin>
    >>> parse_offset("7X", name="tick")
    Traceback (most recent call last):
    ...
    ValueError: tick='7X': not a time offset; did you mean '7D'?
    """
    try:
        offset = _read(value)
        moved = _PROBE if offset is None else _PROBE + offset
    except (OverflowError, ValueError):  # what pandas says of a year that it does not know
        raise ValueError(f"{name}={value!r}: longer than 260 years; use a shorter offset") from None
    if offset is None:
        raise ValueError(f"{name}={value!r}: not a time offset; did you mean {_nearest(value)!r}?")
    # By effect, not by sign: DateOffset(months=-1) has n=1.
    if moved < _PROBE:
        raise ValueError(f"{name}={value!r}: a negative offset; write it without the minus sign")
    if isinstance(offset, pd.offsets.BaseOffset) and (
        moved == _PROBE or getattr(offset, "n", 1) == 0
    ):
        raise ValueError(f"{name}={value!r}: a calendar offset of nothing; did you mean '0D'?")
    _refuse_standing_still(offset, value, name)
    return offset


def to_timestamp(value: Any, name: str = "time") -> pd.Timestamp:
    """Read one instant as a naive `Timestamp` in ns; one with a time zone is converted to UTC.

    Raises `ValueError` for what is no instant, numbers included: 2011 is no year to pandas, but
    2011 ns after 1970.

    >>> to_timestamp("2011-04-01 05:00+02:00")
    Timestamp('2011-04-01 03:00:00')
    """
    readable = isinstance(value, str | date | datetime | np.datetime64)
    try:
        # pandas 2 takes no text of NumPy's
        text = str(value) if isinstance(value, str) else value
        when = pd.Timestamp(text) if readable else None
        if isinstance(when, pd.Timestamp):  # and not NaT
            return (when if when.tzinfo is None else when.tz_convert(None)).as_unit("ns")
    except (ValueError, OverflowError):
        pass
    raise ValueError(
        f"{name}={value!r}: not a date or time between 1678 and 2261; "
        "write it like '2011-04-01' or '2011-04-01 05:00'"
    )


@overload
def shift(times: pd.Timestamp, offset: Offset, k: int = 1) -> pd.Timestamp: ...
@overload
def shift(times: Times, offset: Offset, k: int = 1) -> Times: ...
def shift(times: pd.Timestamp | Times, offset: Offset, k: int = 1) -> pd.Timestamp | Times:
    """Move one instant, or an array of them (datetime64[ns], `NaT` stays), by k >= 0 offsets.

    A calendar offset is multiplied and added once: from the 31st of January two months lead to the
    31st of March, though one leads to the 29th of February. Raises `OverflowError` past the year
    2261.

    >>> shift(pd.Timestamp("2024-04-15 05:00"), parse_offset("MS"), k=2)
    Timestamp('2024-06-01 05:00:00')
    >>> shift(pd.Timestamp("2024-01-31"), parse_offset(pd.DateOffset(months=1)), k=2)
    Timestamp('2024-03-31 00:00:00')
    """
    if isinstance(times, pd.Timestamp):
        return (times if k == 0 else times + offset * k).as_unit("ns")
    times = times.astype("datetime64[ns]", copy=False)
    if k == 0:
        return times
    if isinstance(offset, pd.Timedelta):
        return _shift_fixed(times, nanoseconds(offset) * k)
    return _shift_calendar(times, offset * k)


def due_at(when: pd.Timestamp, offset: Offset, k: int = 1) -> int:
    """Return the instant k offsets later than `when`, in ns; past the year 2261 the largest int.

    >>> due_at(pd.Timestamp("2024-04-15"), parse_offset("250YS")) == np.iinfo(np.int64).max
    True
    """
    try:
        return int(shift(when, offset, k).value)
    except (OverflowError, ValueError):  # pandas has an error of its own, Python's years another
        return LATEST


def subtract(when: pd.Timestamp, offset: Offset) -> pd.Timestamp:
    """Return the instant one offset earlier than `when`.

    >>> subtract(pd.Timestamp("2024-04-15 05:00"), parse_offset("MS"))
    Timestamp('2024-04-01 05:00:00')
    """
    return (when.as_unit("ns") - offset).as_unit("ns")


def instants(start: pd.Timestamp, offset: Offset, stop: pd.Timestamp) -> Times:
    """List start + k * offset for k = 1, 2, ... up to and including `stop`, as datetime64[ns].

    Each once, in order. Raises `ValueError` for an offset of zero.

    >>> start, stop = pd.Timestamp("2024-04-15 05:00"), pd.Timestamp("2024-06-01 05:00")
    >>> print(instants(start, parse_offset("MS"), stop))
    ['2024-05-01T05:00:00.000000000' '2024-06-01T05:00:00.000000000']
    """
    start, stop = start.as_unit("ns"), stop.as_unit("ns")
    if isinstance(offset, pd.Timedelta):
        step = nanoseconds(offset)
        if step == 0:
            raise ValueError("offset='0D': no instants lie zero apart; use a positive offset")
        count = max((stop.value - start.value) // step, 0)
        return (start.value + step * np.arange(1, count + 1)).astype("datetime64[ns]")
    due_times, k = [start.value], 1
    while (due := due_at(start, offset, k)) <= stop.value and due != LATEST:
        if due > due_times[-1]:  # with a day named in it, two can fall on one
            due_times.append(due)
        k += 1
    return np.array(due_times[1:], dtype=np.int64).astype("datetime64[ns]")


def parse_fixed(value: OffsetLike, name: str = "offset") -> pd.Timedelta:
    """Read a time offset of fixed length; raises `ValueError` for calendar offsets, too.

    >>> parse_fixed("MS", name="delay")
    Traceback (most recent call last):
    ...
    ValueError: delay='MS': not of fixed length; give days or hours, such as '30D'
    """
    offset = parse_offset(value, name)
    if not isinstance(offset, pd.Timedelta):
        raise ValueError(
            f"{name}={value!r}: not of fixed length; give days or hours, such as '30D'"
        )
    return offset


def nanoseconds(offset: pd.Timedelta) -> int:
    """Return the length of a fixed offset in ns (pandas keeps it in a unit of its own choice).

    >>> nanoseconds(pd.Timedelta("1s"))
    1000000000
    """
    return int(offset.as_unit("ns").value)


def _refuse_standing_still(offset: Offset, value: object, name: str) -> None:
    """Raise `ValueError` for a `DateOffset` of which twice as much may not be later.

    It may set what is finer than all that it adds: the day of a month that is added, the hour of a
    day. What is coarser would hold time at one place.
    """
    if type(offset) is not pd.DateOffset:
        return
    fields = [*offset.kwds]
    added = [_ADDED.index(field) for field in fields if field in _ADDED]
    fixed = [field for field in fields if field in _SET]
    if fixed and (not added or min(_SET[field] for field in fixed) <= max(added)):
        raise ValueError(
            f"{name}={value!r}: sets {', '.join(fixed)} and adds nothing longer, so that many of "
            f"them lead no further than one; add something longer, as DateOffset(months=1, day=15) "
            "does"
        )


def _read(value: Any) -> Offset | None:
    if isinstance(value, str | pd.offsets.BaseOffset):
        offset = _read_alias(value)
        return _read_duration(value) if offset is None and isinstance(value, str) else offset
    if isinstance(value, timedelta | np.timedelta64):  # a Timedelta is a timedelta
        return _read_duration(value)
    return None


def _read_alias(value: str | pd.offsets.BaseOffset) -> Offset | None:
    try:
        with warnings.catch_warnings():
            warnings.simplefilter("ignore")  # "7d" is deprecated in pandas, and clear all the same
            offset = to_offset(value)
    except ValueError:
        return None
    # Day is a Tick in pandas 2 and no longer in pandas 3: in naive time it is 24 hours in both.
    if isinstance(offset, pd.offsets.Day):
        return pd.Timedelta(days=offset.n).as_unit("ns")
    if isinstance(offset, pd.offsets.Tick):
        return pd.Timedelta(offset).as_unit("ns")
    return _fixed(offset) if _has_length(offset) else offset


def _has_length(offset: pd.offsets.BaseOffset) -> bool:
    """Whether it is a `DateOffset` that only adds, and nothing longer than weeks."""
    to_midnight = getattr(offset, "normalize", False)
    return type(offset) is pd.DateOffset and not to_midnight and {*offset.kwds} <= {*_ADDED[2:]}


def _fixed(offset: Any) -> pd.Timedelta:
    """The length of a `DateOffset` of weeks and less; in naive time they have one."""
    one = pd.Timedelta(**(offset.kwds or {"days": 1}))
    return (one * int(offset.n)).as_unit("ns")


def _read_duration(value: str | timedelta | np.timedelta64) -> pd.Timedelta | None:
    # To a Timedelta a bare number is a count of ns, and "1.5MS" are milliseconds: nobody means it.
    if isinstance(value, str) and not re.search("[a-z:DHTPW]", value):
        return None
    try:
        with warnings.catch_warnings():
            warnings.simplefilter("ignore")
            duration = pd.Timedelta(value)
        return duration.as_unit("ns") if isinstance(duration, pd.Timedelta) else None
    except (ValueError, OverflowError):
        return None


def _nearest(value: Any) -> str:
    number = re.search(r"\d+(\.\d+)?", str(value))
    letters = re.sub("[^a-z]", "", value.lower()) if isinstance(value, str) else ""

    def likeness(word: str) -> float:
        return difflib.SequenceMatcher(None, letters, word).ratio()

    unit = _UNITS[max(_UNITS, key=likeness)]
    many = number.group() if number else "1"
    return unit if many == "1" and unit.endswith("S") else many + unit


def _shift_fixed(times: Times, step: int) -> Times:
    counts = times.view(np.int64)
    if len(counts) and int(counts.max()) > LATEST - step:  # NumPy would wrap round in silence
        raise OverflowError(f"{times.max()} + {pd.Timedelta(step)}: past the year 2261")
    return times + np.timedelta64(step, "ns")


def _shift_calendar(times: Times, offset: pd.offsets.BaseOffset) -> Times:
    with warnings.catch_warnings():
        warnings.simplefilter("ignore", pd.errors.PerformanceWarning)
        moved = pd.DatetimeIndex(times) + offset
    return moved.to_numpy().astype("datetime64[ns]", copy=False)


#: A cycle that no block of periods holds.
YEAR = pd.Timedelta(days=365.25)


def usual_season(span: pd.Timedelta) -> pd.Timedelta:
    """A week where the history holds twenty of them, else a day where it holds twenty, else none.

    Most histories that people leave behind have a weekly and a daily rhythm; twenty, because a
    block of a season should not use up the seven blocks that an interval needs.
    """
    seasons = (pd.Timedelta(days=7), pd.Timedelta(days=1))
    return next((season for season in seasons if span >= 20 * season), pd.Timedelta(0))
