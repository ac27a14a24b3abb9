"""The rows of a history laid out so that "so many rows earlier" means something: series."""

from collections.abc import Iterator
from dataclasses import dataclass
from functools import cached_property

import numpy as np
import pandas as pd
from numpy.typing import NDArray
from scipy.fft import irfft, next_fast_len, rfft

from backtrain.datasets.stream import Stream

Floats = NDArray[np.float64]
#: A grid of times may have so many empty places for each row.
_SPARSEST = 3


@dataclass(frozen=True)
class Series:
    """Rows side by side; -1 where there is none.

    Attributes
    ----------
    rows : ndarray of shape (m,)
        Positions in the table.
    at : ndarray of shape (m,)
        Event times in nanoseconds; ascending, those of one group after those of another.
    same : ndarray of shape (m,) or None
        The group of each row; rows of several groups are no neighbours.
    step : Timedelta or None
        The time from one place to the next, where that is always the same.
    by : str
        What rows are grouped by, or nothing.
    """

    rows: NDArray[np.int64]
    at: NDArray[np.int64]
    same: NDArray[np.int64] | None = None
    step: pd.Timedelta | None = None
    by: str = ""

    def laid(self, values: Floats) -> Floats:
        """Values of rows in this order; NaN where there is no row."""
        return np.where(self.rows >= 0, values[self.rows], np.nan)

    def pairs(self, lag: int) -> tuple[NDArray[np.int64], NDArray[np.int64]]:
        """Rows, and for each the one ``lag`` places earlier, among neighbours."""
        m = len(self.rows)
        later = np.arange(max(0, lag), min(m, m + lag))
        earlier = later - lag
        real = (self.rows[later] >= 0) & (self.rows[earlier] >= 0)
        if self.same is not None:
            real &= self.same[later] == self.same[earlier]
        return self.rows[later[real]], self.rows[earlier[real]]

    @cached_property
    def length(self) -> int:
        """Of a transform that does not wrap round."""
        return int(next_fast_len(2 * len(self.rows), real=True))

    def spectrum(self, values: Floats) -> NDArray[np.complex128]:
        """Transform of values without what is missing and their mean."""
        known = np.isfinite(values)
        mean = values[known].mean() if known.any() else 0.0
        return np.asarray(rfft(np.where(known, values - mean, 0.0), self.length))

    def peaks(self, spectrum: NDArray[np.complex128], count: int) -> list[tuple[int, float]]:
        """The lags at which the transform back is largest, and its values there."""
        values = irfft(spectrum, self.length)
        largest = np.argpartition(-np.abs(values), count)[:count]
        largest = largest[np.argsort(-np.abs(values[largest]), kind="stable")]
        half, n = self.length // 2, self.length
        return [(int(at - n if at > half else at), float(values[at])) for at in largest]


def series_of(
    stream: Stream, first: int, groupings: dict[str, NDArray[np.int64]]
) -> Iterator[Series]:
    """The rows from ``first`` on as they come, on a grid of times, and by each grouping."""
    at = stream.event_time[first:].view(np.int64)
    yield Series(np.arange(len(at)), at)
    grid = _grid(at)
    if grid is not None:
        yield grid
    for name, codes in groupings.items():
        order = np.argsort(codes[first:], kind="stable")
        same = codes[first:][order]
        apart = np.unique(same, return_inverse=True)[1] * 2 * (at[-1] - at[0] + 1)
        yield Series(order, at[order] - at[0] + apart, same, by=name)


def _grid(at: NDArray[np.int64]) -> Series | None:
    """The rows by time, where times are whole steps apart, and some are missing."""
    gaps = np.diff(at)
    if not len(gaps) or gaps.min() <= 0:
        return None
    step = int(np.gcd.reduce(gaps))
    place = (at - at[0]) // step
    if place[-1] + 1 == len(at) or place[-1] > (1 + _SPARSEST) * len(at):
        return None
    rows = np.full(int(place[-1]) + 1, -1, dtype=np.int64)
    rows[place] = np.arange(len(at))
    times = at[0] + step * np.arange(len(rows))
    return Series(rows, times, step=pd.Timedelta(step, "ns"))
