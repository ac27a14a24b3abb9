"""Positions of rows in a stream: a slice where they are neighbours, else an array."""

from __future__ import annotations

import numpy as np
from numpy.typing import NDArray

from backtrain.simulator.errors import PartError

Rows = slice | NDArray[np.int64]


def count(rows: Rows) -> int:
    """How many there are."""
    return int(rows.stop - rows.start) if isinstance(rows, slice) else len(rows)


def positions(rows: Rows) -> NDArray[np.int64]:
    """The same as an array, shape (n,)."""
    return np.arange(rows.start, rows.stop) if isinstance(rows, slice) else rows


def span(rows: Rows) -> tuple[int, int] | None:
    """The smallest and the largest position, or None where there are no rows."""
    if count(rows) <= 0:
        return None
    if isinstance(rows, slice):
        return rows.start, rows.stop - 1
    return int(rows.min()), int(rows.max())


def last(rows: Rows, n: int) -> Rows:
    """The last n of them; all where there are fewer."""
    if isinstance(rows, slice):
        return slice(max(rows.start, rows.stop - n), rows.stop)
    return rows[-n:]


def newest(rows: Rows) -> int:
    """The largest position, -1 where there are no rows.

    Raises `PartError` for positions that count from the end, and for what is no position.
    """
    if isinstance(rows, slice):
        if rows.step not in (None, 1) or rows.start is None or rows.stop is None:
            raise PartError(f"rows={rows}: give a slice with a start, a stop and no step")
        least, largest = rows.start, rows.stop - 1
    else:
        if rows.dtype.kind not in "iu":
            raise PartError(f"rows of dtype {rows.dtype}: give positions, as np.flatnonzero does")
        least, largest = span(rows) or (0, -1)
    if least < 0 or largest < -1:
        raise PartError(f"rows={rows}: positions count from the start of the stream, not its end")
    return int(largest)
