"""The only file that advances time."""

import heapq
from collections.abc import Iterator

import numpy as np
import pandas as pd
from numpy.typing import NDArray

from backtrain.datasets.stream import Stream

Nanoseconds = NDArray[np.int64]

#: Ticks turned into Python integers at a time: quick to loop over, small to hold.
_CHUNK = 4096


def tick_instants(
    stream: Stream, tick: object, start: pd.Timestamp, end: pd.Timestamp
) -> Nanoseconds:
    """Instants at which a strategy may act: ``start + k * tick``, k = 1, 2, ..., up to ``end``.

    Days and months are those of the stream's calendar.

    A number of rows n puts tick k at the first event time after the instant by which ``k * n`` rows
    have been served; an instant's rows are never split. Ticks of one instant merge, and where no
    row follows there is none. Returns nanoseconds since the epoch, strictly increasing.
    """
    if isinstance(tick, int):
        rows = stream.rows(start, None)
        served = stream.event_time[rows]
        if stream.aside is not None:  # rows to learn from alone are not served
            served = served[~stream.aside[rows]]
        served = served[: served.searchsorted(end.to_datetime64(), side="right")]
        following = served.searchsorted(served[tick - 1 :: tick], side="right")
        at = np.unique(served[following[following < len(served)]])
        return np.asarray(at.astype("datetime64[ns]").view(np.int64))
    calendar = stream.calendar
    step = calendar.offset(tick, "tick")  # type: ignore[arg-type]
    return calendar.instants(start, step, end).view(np.int64)


class Clock:
    """Walks through ticks and wake-ups in order; both at one instant come as one.

    >>> clock = Clock(np.array([10, 20, 30]), np.array([2, 7, 8]), end=30)
    >>> seen = []
    >>> for now, past in clock:
    ...     seen.append((now, past))
    ...     if now == 10:
    ...         clock.wake(13)
    ...         clock.wake(20)
    >>> seen
    [(10, 2), (13, None), (20, 7), (30, 8)]
    """

    def __init__(self, ticks: Nanoseconds, rows: NDArray[np.int64], end: int) -> None:
        self._ticks = ticks
        self._rows = rows
        self._end = end
        self._due: list[int] = []

    def wake(self, at: int) -> None:
        """Ask for a stop at an instant that need not be a tick; after ``end`` it never comes."""
        if at <= self._end:
            heapq.heappush(self._due, at)

    def __iter__(self) -> Iterator[tuple[int, int | None]]:
        """Yield (instant in nanoseconds, number of rows before it); None rows: it is no tick."""
        due = self._due
        for lower in range(0, len(self._ticks), _CHUNK):
            part = slice(lower, lower + _CHUNK)
            for tick in zip(self._ticks[part].tolist(), self._rows[part].tolist(), strict=True):
                while due and due[0] < tick[0]:
                    yield self._next_due(), None
                if due and due[0] == tick[0]:
                    self._next_due()
                yield tick
                # A wake-up for this very instant is served by the caller, in the same instant.
        while due:
            yield self._next_due(), None

    def _next_due(self) -> int:
        at = heapq.heappop(self._due)
        while self._due and self._due[0] == at:
            heapq.heappop(self._due)
        return at
