"""Columns that are labels of other rows, or a smooth function of them."""

from dataclasses import dataclass
from functools import cached_property

import numpy as np
import pandas as pd
from numpy.typing import NDArray
from scipy.stats import rankdata

from backtrain.audit.orders import Floats, Series

#: Lags that are looked at closely, of those at which two columns go together the most.
_LAGS = 4
#: Below this share of what two equal columns reach, a lag is not looked at.
_FAINT = 0.1
#: In so large a share of rows a column must be what it is said to be.
_NEARLY_ALL = 0.95
_FEWEST = 50
#: A smooth function is one of labels where they leave less than this of its steps unexplained.
_UNEXPLAINED = 0.02
#: Means over so long a time are looked for where rows are not whole steps apart.
_LENGTHS = ("1h", "6h", "12h", "1D", "2D", "3D", "7D", "14D", "28D", "30D", "60D", "90D", "365D")


@dataclass(frozen=True)
class Relation:
    """A column is a function of another one, ``lag`` places earlier.

    Attributes
    ----------
    kind : str
        ``"copy"``, ``"order"`` (a rising or falling function), ``"smooth"`` or ``"mean of the
        past"``.
    lag : int
        The smallest lag that it takes; below 0: from later rows.
    row, source : ndarray
        Rows of the column, and for each the newest row of the other one that it is made of.
    """

    kind: str
    lag: int
    row: NDArray[np.int64]
    source: NDArray[np.int64]


class Source:
    """A column that others may be made of, prepared for one series."""

    def __init__(self, values: Floats, series: Series) -> None:
        self.values, self.series = values, series
        self._laid = series.laid(values)
        steps = _steps(_ranks(self._laid))
        self._steps, self._size = series.spectrum(steps), np.sqrt(np.nansum(steps**2))
        whole = series.spectrum(self._laid)
        power = np.abs(whole) ** 2
        self._undo = np.conj(whole) / (power + 1e-3 * power.mean())

    def relation(self, column: Floats) -> Relation | None:
        """What a column is of this one, if anything; the first that holds is given."""
        laid = self.series.laid(column)
        known = laid[np.isfinite(laid)]
        if len(known) < _FEWEST or known.min() == known.max():
            return None
        return self._copy(column, laid) or self._smooth(laid) or self._mean_of_past(column)

    # --- copies -------------------------------------------------------------------------------

    def _copy(self, column: Floats, laid: Floats) -> Relation | None:
        steps = _steps(_ranks(laid))
        size = np.sqrt(np.nansum(steps**2)) * self._size
        both = self.series.spectrum(steps) * np.conj(self._steps)
        for lag, value in self.series.peaks(both, _LAGS):
            if abs(value) < _FAINT * size:
                break
            row, source = self.series.pairs(lag)
            x, y = column[row], self.values[source]
            real = np.isfinite(x) & np.isfinite(y)
            if real.sum() < max(_FEWEST, 0.1 * len(column)):
                continue
            x, y, row, source = x[real], y[real], row[real], source[real]
            if _equal(x, y):
                return Relation("copy", lag, row, source)
            if _same_order(x, y):
                return Relation("order", lag, row, source)
        return None

    # --- smooth functions ---------------------------------------------------------------------

    def _smooth(self, laid: Floats) -> Relation | None:
        """A rolling or exponentially weighted mean or sum, or a sum of all rows so far.

        Its steps are then those of labels: ``x[i] = a x[i-1] + b y[i-p] + c y[i-q] + d``. The
        lags p and q are those at which the steps answer to labels, found by deconvolution.
        """
        answer = self.series.spectrum(_steps(laid)) * self._undo
        lags = [lag for lag, _ in self.series.peaks(answer, _LAGS)]
        for p, q in [(lags[0], lags[1]), (lags[0], lags[2]), (lags[0], lags[0])]:
            if self._explains(laid, p, q):
                row, source = self.series.pairs(min(p, q))
                return Relation("smooth", min(p, q), row, source)
        return None

    def _explains(self, laid: Floats, p: int, q: int) -> bool:
        m, reach = len(laid), max(abs(p), abs(q), 1)
        # The first quarter is left out: means that begin there are not yet what they will be.
        here = np.arange(max(1, p, q, m // 4), min(m, m + p, m + q))
        if len(here) < max(_FEWEST, 0.1 * m) or reach >= m:
            return False
        parts = [np.ones(len(here)), laid[here - 1], self._laid[here - p], self._laid[here - q]]
        table, target = np.column_stack(parts), laid[here]
        real = np.isfinite(table).all(axis=1) & np.isfinite(target)
        if self.series.same is not None:
            same = self.series.same
            for lag in (1, p, q):
                real &= same[here] == same[here - lag]
        if real.sum() < max(_FEWEST, 0.1 * m):
            return False
        table, target = table[real], target[real]
        spread = float(np.std(target - table[:, 1]))
        left, before = _left(table, target), _left(table[:, :2], target)
        return spread > 0 and left < _UNEXPLAINED * spread and before > 10 * left + 1e-6 * spread

    def _mean_of_past(self, column: Floats) -> Relation | None:
        """A mean of all rows so far, or of those of a usual length of time, in its own group."""
        rows, x = self.series.rows, self.series.laid(column)
        some = np.linspace(0, len(x) - 1, 500).astype(np.int64)
        for means, newest in self._means:
            if np.isclose(x[some], means[some], rtol=1e-6).mean() < 0.4:
                continue
            real = np.isfinite(x) & np.isfinite(means) & (newest >= 0)
            if real.sum() >= max(_FEWEST, 0.1 * len(column)) and _equal(x[real], means[real]):
                here = np.flatnonzero(real)
                lag = int(np.median(here - newest[here]))
                return Relation("mean of the past", lag, rows[here], rows[newest[here]])
        return None

    @cached_property
    def _means(self) -> list[tuple[Floats, NDArray[np.int64]]]:
        """Means that people make, and the place of the newest row in each."""
        if self.series.step is not None:  # the same rows as they come are another series
            return []
        at, y, place = self.series.at, self._laid, np.arange(len(self._laid))
        known = np.isfinite(y)
        total = np.append(0.0, np.cumsum(np.where(known, y - np.nanmean(y), 0.0)))
        count = np.append(0, np.cumsum(known))
        begin = _begins(self.series.same, len(y))
        stops = [place + 1, at.searchsorted(at, side="left")]
        windows = [(begin, stop) for stop in (place + 1, place)]
        for length in _LENGTHS:
            earliest = at - pd.Timedelta(length).value
            starts = at.searchsorted(earliest, "right"), at.searchsorted(earliest, "left")
            windows += [(np.maximum(begin, a), b) for a, b in zip(starts, stops, strict=True)]
        found = []
        for start, stop in windows:
            held = count[stop] - count[start]
            with np.errstate(invalid="ignore", divide="ignore"):
                means = (total[stop] - total[start]) / held + np.nanmean(y)
            found.append((np.where(held > 0, means, np.nan), stop - 1))
        return found


def _begins(same: NDArray[np.int64] | None, n: int) -> NDArray[np.int64]:
    """The first place of the group that each place lies in."""
    if same is None:
        return np.zeros(n, dtype=np.int64)
    new = np.append(True, same[1:] != same[:-1])
    return np.asarray(np.maximum.accumulate(np.where(new, np.arange(n), 0)))


def _left(table: Floats, target: Floats) -> float:
    """What a linear model leaves unexplained: the root of the mean square."""
    weights, *_ = np.linalg.lstsq(table, target, rcond=None)
    rest = np.abs(target - table @ weights)
    return float(np.sqrt(np.mean(rest**2)))


def _steps(values: Floats) -> Floats:
    return np.diff(values, prepend=np.nan)


def _ranks(values: Floats) -> Floats:
    """Ranks around 0, so that a rising function of a column is the column itself."""
    known = np.isfinite(values)
    ranks = np.full(len(values), np.nan)
    ranks[known] = rankdata(values[known])
    return np.asarray(ranks / max(1, known.sum()) - 0.5)


def _usual(values: Floats) -> float:
    found, counts = np.unique(values, return_counts=True)
    return float(found[np.argmax(counts)])


def _equal(x: Floats, y: Floats) -> bool:
    """Whether they are equal in nearly all rows, those left out that hold the usual value."""
    telling = (x != _usual(x)) | (y != _usual(y))
    if telling.sum() < _FEWEST / 2:
        return False
    return bool(np.isclose(x[telling], y[telling], rtol=1e-6, atol=1e-12).mean() >= _NEARLY_ALL)


def _same_order(x: Floats, y: Floats) -> bool:
    """Whether one is a rising or falling function of the other, both ways."""
    if len(np.unique(y)) < 3:
        return False
    one, other = rankdata(x), rankdata(y)
    falling = len(y) + 1 - other
    return any(float((one == ranks).mean()) >= _NEARLY_ALL for ranks in (other, falling))
