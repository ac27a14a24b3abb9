"""Which intervals, ages and lengths to try: round ones, evenly spaced by ratio, and their names."""

import pandas as pd

from backtrain.datasets.calendar import UTC, Calendar
from backtrain.datasets.offsets import parse_offset

#: More trial models than this are thinned out: each must be trained and scored on all that follows.
MOST_MODELS = 700
#: Intervals and ages where a tick is a time offset of fixed length, and where it is not, in ticks.
_TIMES = tuple(
    pd.Timedelta(count, unit)  # type: ignore[arg-type]
    for unit, counts in {
        "min": (1, 2, 5, 10, 15, 30),
        "h": (1, 2, 3, 6, 12),
        "D": (1, 2, 3, 5, 7, 10, 14, 21, 30, 45, 60, 90, 120, 180, 270, 365, 540, 730),
    }.items()
    for count in counts
)
_COUNTS = (1, 2, 3, 5, 7, 10, 14, 20, 30, 50, 70, 100, 150, 200, 300, 500, 700, 1000)
#: Every so many ticks, where there are too many: hours make days, and days weeks.
_THINNED = (1, 2, 3, 4, 6, 7, 12, 14, 24, 28, 48, 96, 168, 336, 672)


def usual_thinning(ticks: int, most: int | None = None) -> int:
    """Every how many ticks a model is trained, so that they are not too many.

    >>> usual_thinning(641), usual_thinning(15_384)
    (1, 24)
    """
    most = MOST_MODELS if most is None else most
    known = (step for step in _THINNED if ticks <= step * most)
    return next(known, -(-ticks // most))


def label(tick: str | int, count: int, calendar: Calendar = UTC) -> str:
    """So many ticks in words: a time offset where a tick is one, else rows.

    In a time zone 24 hours are no day.

    >>> label("1D", 7), label("1h", 36), label("MS", 3), label(50, 10)
    ('7D', '36h', '3MS', '500 rows')
    >>> label("1h", 168, Calendar("Europe/Berlin")), label("1D", 7, Calendar("Europe/Berlin"))
    ('168h', '7D')
    """
    if isinstance(tick, int):
        return f"{count * tick:,} rows"
    offset = parse_offset(tick)
    if isinstance(offset, pd.Timedelta):
        elapsed = calendar.zone is not None and isinstance(calendar.offset(tick), pd.Timedelta)
        return _length(offset * count, days=not elapsed)
    return str((offset * count).freqstr)


def ladder(tick: str | int, every: int, most: int) -> tuple[int, ...]:
    """Intervals up to ``most`` periods: hours, days and weeks where a period divides them."""
    offset = None if isinstance(tick, int) else parse_offset(tick)
    counts: list[int] = list(_COUNTS)
    if isinstance(offset, pd.Timedelta):
        even = [int(time / (offset * every)) for time in _TIMES if not time % (offset * every)]
        counts = [1, *even] if sum(n <= most for n in even) > 4 else counts
    return tuple(sorted({n for n in counts if n <= max(1, most)}))


def _length(length: pd.Timedelta, days: bool = True) -> str:
    """A length of time as an offset, in the largest unit that it is a multiple of."""
    seconds = length.total_seconds()
    for unit, size in (("D", 86400), ("h", 3600), ("min", 60)):
        if (days or unit != "D") and seconds % size == 0:
            return f"{int(seconds) // size}{unit}"
    return f"{seconds:g}s"


def rounded(length: pd.Timedelta) -> str:
    """Likewise, to the nearest day, hour, minute or second that leaves two digits or a few days."""
    for unit, least in (("D", "7D"), ("h", "7h"), ("min", "7min")):
        if length >= pd.Timedelta(least):
            return _length(length.round(unit))
    return _length(max(length.round("s"), pd.Timedelta("1s")))
