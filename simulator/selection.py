"""Which rows a training learns from."""

from __future__ import annotations

import hashlib
from dataclasses import dataclass
from typing import Any

import numpy as np
from numpy.typing import NDArray

from backtrain.simulator.errors import PartError
from backtrain.simulator.rows import Rows as Rows
from backtrain.simulator.rows import count, positions, span


@dataclass(frozen=True, eq=False)
class Selection:
    """The rows that a training learns from, in the order in which it learns them.

    Arrays are copied, unless they are read-only: what was learnt does not change afterwards.

    Attributes
    ----------
    rows : slice or ndarray of shape (n,)
        Positions in the stream; a slice where they are neighbours (nothing is copied then).
    weights : ndarray of shape (n,) or None
        Sample weights, multiplied with the stream's own where it has them.
    """

    rows: Rows
    weights: NDArray[np.float64] | None = None

    def __post_init__(self) -> None:
        if isinstance(self.rows, slice):
            _refuse_half_open(self.rows)
        else:
            rows = np.asarray(self.rows)
            if rows.ndim != 1 or (len(rows) and rows.dtype.kind not in "iu"):
                kind = f"shape {rows.shape}" if rows.ndim != 1 else f"dtype {rows.dtype}"
                raise PartError(
                    f"Selection: rows of {kind}; give positions, as np.flatnonzero does"
                )
            rows = rows.astype(np.int64, copy=False)
            if len(rows) and rows.min() < 0:
                raise PartError(f"Selection: row {rows.min()}; positions are counted from 0")
            if len(rows) and len(rows) == rows[-1] - rows[0] + 1 and (np.diff(rows) == 1).all():
                rows = slice(int(rows[0]), int(rows[-1]) + 1)  # type: ignore[assignment]
            else:
                rows = _kept(rows)
            object.__setattr__(self, "rows", rows)
        weights: Any = self.weights
        if weights is not None:
            weights = _as_weights(weights)
            if len(weights) != len(self):
                raise PartError(f"Selection: {len(self)} rows, but {len(weights)} weights")
            object.__setattr__(self, "weights", _kept(weights))

    def __len__(self) -> int:
        return count(self.rows)

    def indices(self) -> NDArray[np.int64]:
        """Positions as an array, shape (n,)."""
        return positions(self.rows)

    def span(self) -> tuple[int, int] | None:
        """The smallest and the largest position, or None where there are no rows."""
        return span(self.rows)

    def take(self, where: slice | NDArray[Any]) -> Selection:
        """The part of this selection at the given places of it."""
        weights = None if self.weights is None else self.weights[where]
        if isinstance(self.rows, slice) and isinstance(where, slice):
            start, stop, _ = where.indices(len(self))
            return Selection(slice(self.rows.start + start, self.rows.start + stop), weights)
        return Selection(self.indices()[where], weights)

    def digest(self) -> bytes:
        """Names the content in 16 bytes: the borders of its runs of neighbours, and the weights."""
        if isinstance(self.rows, slice):
            borders = b"".join(int(e).to_bytes(8, "big") for e in (self.rows.start, self.rows.stop))
            if self.weights is None:
                return borders
        else:
            breaks = np.flatnonzero(np.diff(self.rows) != 1) + 1
            first = self.rows[np.concatenate(([0], breaks))] if len(self.rows) else self.rows
            borders = np.concatenate((first, breaks, [len(self.rows)])).tobytes()
        sha = hashlib.blake2b(borders, digest_size=16)
        if self.weights is not None:
            sha.update(np.ascontiguousarray(self.weights, dtype=np.float64).tobytes())
        return sha.digest()


def _kept(values: NDArray[Any]) -> NDArray[Any]:
    """The same numbers, read-only: a copy where somebody else could write to them."""
    if values.flags.writeable:
        values = values.copy()
        values.flags.writeable = False
    return values


def _as_weights(weights: Any) -> NDArray[np.float64]:
    try:
        return np.asarray(weights, dtype=np.float64).reshape(-1)
    except (TypeError, ValueError):
        raise PartError(f"Selection: weights={weights!r}; give a number for each row") from None


def _refuse_half_open(rows: slice) -> None:
    """Raise `PartError` for a slice that names no stretch of rows."""
    whole = isinstance(rows.start, (int, np.integer)) and isinstance(rows.stop, (int, np.integer))
    if not whole or rows.start < 0 or rows.step not in (None, 1):
        raise PartError(
            f"Selection: {rows}; give a slice from a row to a row, such as slice(0, view.past)"
        )
