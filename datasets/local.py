"""Times that clocks of a zone showed when a table was written, as instants.

A table says what has been, a schedule what shall be: of a time that clocks leave out they make two
things (docs/time.md). `Calendar` reads those of schedules.
"""

from contextlib import suppress
from typing import NamedTuple

import numpy as np
import pandas as pd

from backtrain.datasets.calendar import Calendar
from backtrain.datasets.clocks import Instants, nanoseconds

#: What pandas raises where there are no repeated times, or several changes.
_UNTOLD: tuple[type[Exception], ...] = (ValueError,)
try:
    import pytz
except ModuleNotFoundError:
    pass
else:
    _UNTOLD += (pytz.AmbiguousTimeError,)  # pandas 2
_MOMENT = np.timedelta64(1, "ns")
#: Rows are in order where at least this share of steps from one to the next does not go back.
_IN_ORDER = 0.9


class Local(NamedTuple):
    """Clock times as UTC; `said` where the clock shows an hour twice, or never."""

    times: Instants
    said: tuple[str, ...] = ()


def to_utc(clock: Instants, zone: str, name: str = "", late: bool = False) -> Local:
    """What clocks of a zone show as UTC, (n,).

    An hour that comes twice is told by the order of the rows, newest first or last, where that
    tells; else it is the first of the two, or the second if `late`. A time that is left out is
    that of a clock which nobody has put forward: so rows keep their distances, and no label is
    known too early.

    >>> night = np.array(["2024-10-27T02:30", "2024-03-31T02:30"], "M8[ns]")
    >>> to_utc(night, "Europe/Berlin").times.astype("M8[m]").tolist()
    [datetime.datetime(2024, 10, 27, 0, 30), datetime.datetime(2024, 3, 31, 1, 30)]
    """
    calendar = Calendar(zone)
    clock = clock.astype("datetime64[ns]", copy=False)
    times, second = calendar.both(clock)
    said = []
    skipped = np.isnat(times) & ~np.isnat(clock)
    if skipped.any():
        eve = calendar.utc(clock[skipped]) - _MOMENT
        moved = eve + (clock[skipped] - calendar.local(eve))
        times[skipped], second[skipped] = moved, moved
        one, read = pd.Timestamp(clock[skipped][0]), calendar.to_local(pd.Timestamp(moved[0]))
        said.append(
            f"{name}: {skipped.sum()} in an hour that clocks of {zone} leave out, such as {one}: "
            f"read as {read}; is that the zone?"
        )
    twice = (times != second) & ~np.isnat(times)
    if twice.any():
        how = f"the {'second' if late else 'first'} of the two"
        told = _by_order(clock, calendar)
        if told is not None:
            how = "told by the order of the rows"
        elif late:
            told = second
        times = times if told is None else np.where(twice, told, times)
        one = pd.Timestamp(clock[int(twice.argmax())])
        said.append(f"{name}: {twice.sum()} in an hour that comes twice, such as {one}: {how}")
    return Local(times, tuple(said))


def _by_order(clock: Instants, calendar: Calendar) -> Instants | None:
    """Instants of rows in order, `NaT` where there are none; None where the order tells nothing.

    The rows of each such hour must go back once (pandas' "infer"), and few others may.
    """
    for way in (1, -1):
        with suppress(*_UNTOLD):
            told = pd.DatetimeIndex(clock[::way]).tz_localize(
                calendar.zone, ambiguous="infer", nonexistent="NaT"
            )
            times = nanoseconds(told)
            steps = np.diff(times[~np.isnat(times)]).astype(np.int64)
            if (steps >= 0).mean() >= _IN_ORDER:
                return times[::way]
    return None
