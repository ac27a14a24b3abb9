"""Statistics of stretches of an array: mean, sum, std, min, max, median, count."""

from collections.abc import Callable

import numpy as np
import numpy.typing as npt
import pandas as pd
from pandas.api.indexers import BaseIndexer

Floats = npt.NDArray[np.float64]
Places = npt.NDArray[np.int64]


def statistic(name: str, values: Floats, start: Places, stop: Places) -> Floats:
    """A statistic of `values[start:stop]` for each of q stretches, (q,); stops ascend, none twice.

    `std` is that of a sample, and missing of one value; of none, all but `count` are missing. What
    comes out depends on the values of the stretch and their order alone, to the last bit: a sum is
    that of blocks whose lengths are the powers of two in the length of the stretch, the shortest
    at its end; blocks are added up in halves. A running sum, from which old values are taken away
    again, would depend on all that came before.

    >>> values = np.array([1.0, 2.0, 4.0, 8.0])
    >>> statistic("mean", values, np.array([0, 1]), np.array([2, 4])).tolist()
    [1.5, 4.666666666666667]
    """
    found = np.full(len(start), np.nan)
    some = stop > start
    if some.any():
        found[some] = STATISTICS[name](values, start[some], stop[some])
    return np.where(some, found, 0.0) if name == "count" else found


def _sum(values: Floats, start: Places, stop: Places) -> Floats:
    return _moments(values, start, stop, squares=False)[0]


def _mean(values: Floats, start: Places, stop: Places) -> Floats:
    return _sum(values, start, stop) / (stop - start)


def _std(values: Floats, start: Places, stop: Places) -> Floats:
    length = (stop - start).astype(np.float64)
    squares = _moments(values, start, stop, squares=True)[1]
    changes = np.append(True, values[1:] != values[:-1])
    last = np.maximum.accumulate(np.where(changes, np.arange(len(values)), 0))
    squares[last[stop - 1] <= start] = 0.0  # all values are equal; no rounding shall say otherwise
    with np.errstate(invalid="ignore", divide="ignore"):
        return np.asarray(np.sqrt(squares / (length - 1)))


def _moments(values: Floats, start: Places, stop: Places, squares: bool) -> tuple[Floats, Floats]:
    """Sums, and sums of squared distances from the mean.

    Two stretches become one as Chan, Golub and LeVeque (1979) join their moments.
    """
    left, end, done = stop - start, stop.copy(), np.zeros(len(start))
    total, around = np.zeros(len(start)), np.zeros(len(start))
    block, spread, size = values, np.zeros(len(values) if squares else 0), 1
    with np.errstate(over="ignore", invalid="ignore"):
        while True:
            here = np.flatnonzero(left & size)
            place = end[here] - size
            if squares:
                had = done[here]
                apart = block[place] / size - total[here] / np.maximum(had, 1)
                around[here] += spread[place] + apart * apart * (had * size / (had + size))
            total[here] += block[place]
            end[here], done[here] = place, done[here] + size
            if 2 * size > left.max():
                return total, around
            if squares:
                apart = (block[size:] - block[:-size]) / size
                spread = spread[:-size] + spread[size:] + apart * apart * (size / 2)
            block, size = block[:-size] + block[size:], 2 * size


def _count(values: Floats, start: Places, stop: Places) -> Floats:
    return (stop - start).astype(np.float64)


class _Stretches(BaseIndexer):
    """The stretches that end at each place, for pandas."""

    begin: Places

    def get_window_bounds(  # pandas wants all five
        self,
        num_values: int = 0,
        min_periods: int | None = None,
        center: bool | None = None,
        closed: str | None = None,
        step: int | None = None,
    ) -> tuple[Places, Places]:
        return self.begin, np.arange(1, len(self.begin) + 1)


def _chosen(name: str) -> Callable[[Floats, Places, Places], Floats]:
    """Of pandas, whose stretches may have any bounds: no sum is taken, so nothing is rounded."""

    def found(values: Floats, start: Places, stop: Places) -> Floats:
        # Where no stretch ends, that of the next end stands: it only grows, as pandas wants it.
        following = np.searchsorted(stop, np.arange(1, stop[-1] + 1))
        rows = pd.Series(values[: stop[-1]]).rolling(
            _Stretches(begin=np.minimum(start[following], np.arange(stop[-1]))), min_periods=1
        )
        return np.asarray(getattr(rows, name)().to_numpy()[stop - 1])

    return found


#: By name: from values, starts and stops, (q,) each, of stretches that are not empty, to (q,).
STATISTICS: dict[str, Callable[[Floats, Places, Places], Floats]] = {
    "mean": _mean,
    "sum": _sum,
    "std": _std,
    "min": _chosen("min"),
    "max": _chosen("max"),
    "median": _chosen("median"),
    "count": _count,
}
