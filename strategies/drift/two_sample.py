"""Drift tests: two samples of a column in, a p-value out, and no notion of time."""

from collections.abc import Callable, Mapping, Sequence
from typing import Any

import numpy as np
import pandas as pd
from numpy.typing import NDArray

Floats = NDArray[np.float64]
Flags = NDArray[np.bool_]

#: Cells that a numeric column is counted in.
BINS = 10


class Cells:
    """Where the values of one column are counted, as a reference sample draws the borders.

    A categorical column has a cell for each category, one for all that the reference does not
    know, and one for missing values. A numeric column of more than ten values has ten cells, cut at
    the reference's quantiles, of which those that coincide count once; one of at most ten values
    has a cell for each value and one for each gap between them. Missing numbers are left out.

    Parameters
    ----------
    values : ndarray of float, or categorical Series, of shape (n,)
        The reference sample.
    """

    def __init__(self, values: Any) -> None:
        self._categories: pd.Index | None = None
        if isinstance(values, pd.Series):
            self._categories = values.cat.categories[np.unique(values.cat.codes[values.notna()])]
            return
        present = values[~np.isnan(values)]
        distinct = np.unique(present)
        self._by_value = len(distinct) <= BINS
        inner = np.arange(1, BINS) / BINS
        self._edges: Floats = distinct if self._by_value else np.unique(np.quantile(present, inner))

    def count(self, values: Any) -> Floats:
        """How many values lie in each cell."""
        if self._categories is not None:
            counts = values.value_counts(dropna=True)
            in_reference = counts.reindex(self._categories, fill_value=0).to_numpy(np.float64)
            other = float(counts.sum() - in_reference.sum())
            return np.append(in_reference, [other, float(values.isna().sum())])
        values = values[~np.isnan(values)]
        cells = np.searchsorted(self._edges, values, side="right")
        if self._by_value:
            cells = cells + np.searchsorted(self._edges, values, side="left")
        most = (2 if self._by_value else 1) * len(self._edges) + 1
        return np.bincount(cells, minlength=most).astype(np.float64)


class ReferenceSample:
    """One column to compare with again and again: sorted, or counted, once.

    Numeric columns are tested by Kolmogorov-Smirnov (two-sided), categorical ones by Pearson's
    chi-squared test of homogeneity. Missing numbers are left out, unless the reference has no other
    (`first_numbers`); a missing category is a category.

    Parameters
    ----------
    values : ndarray of float, or categorical Series, of shape (n,)
        The reference sample.
    counted : bool
        Test numeric columns by chi-squared too, on the counts in `Cells`.
    """

    def __init__(self, values: Any, counted: bool = False) -> None:
        self._cells: Cells | None = None
        self._empty = len(values) if is_empty(values) else 0
        if counted or isinstance(values, pd.Series):
            self._cells = Cells(values)
            self._counts = self._cells.count(values)
            return
        self._sorted: Floats = np.sort(values[~np.isnan(values)])

    def compare(self, values: Any) -> tuple[float, float]:
        """Statistic and effective sample size (NaN: the statistic is a p-value already)."""
        if self._empty:
            return first_numbers(self._empty, values), np.nan
        if self._cells is not None:
            return chi_squared(self._counts, self._cells.count(values)), np.nan
        current = np.sort(values[~np.isnan(values)])
        n, m = len(self._sorted), len(current)
        if n == 0 or m == 0:
            return 1.0, np.nan
        return ks_statistic(self._sorted, current), float(max(1, round(n * m / (n + m))))


def is_empty(values: Any) -> bool:
    """Whether a column of numbers has rows, and no number in them."""
    return isinstance(values, np.ndarray) and len(values) > 0 and bool(np.isnan(values).all())


def first_numbers(n: int, current: Any) -> float:
    """p-value of the first numbers of a column that had none in n rows.

    The chance that, of all rows in random order, those with a number all lie among the current
    ones: Fisher's exact test.

    >>> round(first_numbers(3, np.array([np.nan, 1.0])), 3)
    0.4
    """
    m, present = len(current), int((~np.isnan(current)).sum())
    kept = np.arange(present)
    return float(np.prod((m - kept) / (n + m - kept)))


def p_values(references: Sequence[ReferenceSample], columns: Sequence[Any]) -> Floats:
    """The p-value of each column against its reference, shape (columns,).

    Kolmogorov's distribution is asked once for all of them: asking takes longer than the rest.
    """
    pairs = [r.compare(column) for r, column in zip(references, columns, strict=True)]
    values, sizes = (np.array(side, dtype=np.float64) for side in zip(*pairs, strict=True))
    numeric = ~np.isnan(sizes)
    if numeric.any():
        values[numeric] = ks_p_value(values[numeric], sizes[numeric])
    return values


def ks_statistic(reference: Floats, current: Floats) -> float:
    """Largest distance between two empirical distributions; both samples sorted.

    The distance can only peak at a value of one of the samples, and between values of the shorter
    one the longer one's distribution is monotone: looking just before and at each value of the
    shorter one is enough.
    """
    pair = (reference, current)
    longer, shorter = pair if len(reference) >= len(current) else pair[::-1]
    n, m = len(longer), len(shorter)
    if (shorter[1:] != shorter[:-1]).all():
        before = np.arange(m) / m
        at = before + 1 / m
    else:
        at = np.searchsorted(shorter, shorter, side="right") / m
        before = np.searchsorted(shorter, shorter, side="left") / m
    right = longer.searchsorted(shorter, side="right")
    left = right
    tied = longer[np.maximum(right, 1) - 1] == shorter
    if tied.any():
        left = right.copy()
        left[tied] = longer.searchsorted(shorter[tied], side="left")
    above, below = at - right / n, left / n - before
    return max(float(above.max()), float(below.max()), 0.0)


def ks_p_value(statistic: Any, effective: Any) -> Any:
    """Two-sided p-values by the asymptotic distribution of Kolmogorov's statistic.

    ``effective`` is the sample size ``n * m / (n + m)``, rounded, as in SciPy's
    ``ks_2samp(method="asymp")``.
    """

    from scipy.stats import kstwo

    return np.clip(kstwo.sf(statistic, effective), 0.0, 1.0)


def chi_squared(reference: Floats, current: Floats) -> float:
    """p-value of Pearson's test that two rows of counts come from one distribution."""

    from scipy.special import gammaincc

    table = np.vstack((reference, current))
    table = table[:, table.sum(axis=0) > 0]
    freedom = table.shape[1] - 1
    if freedom < 1 or (table.sum(axis=1) == 0).any():
        return 1.0
    expected = np.outer(table.sum(axis=1), table.sum(axis=0)) / table.sum()
    statistic = float((np.square(table - expected) / expected).sum())
    return float(gammaincc(freedom / 2, statistic / 2))


def two_proportions(hits: Floats, n: int, more_hits: Floats, m: int) -> Floats:
    """Two-sided p-values of the pooled z-test that hits are as frequent in n as in m trials.

    >>> two_proportions(np.array([10.0, 0.0]), 100, np.array([20.0, 0.0]), 100).round(4).tolist()
    [0.0477, 1.0]
    """

    from scipy.special import ndtr

    pooled = (hits + more_hits) / (n + m)
    error = np.sqrt(pooled * (1 - pooled) * (1 / n + 1 / m))
    gap = np.abs(hits / n - more_hits / m)
    z = np.divide(gap, error, out=np.zeros_like(gap), where=error > 0)
    return np.asarray(2 * ndtr(-z))


# --- many columns -------------------------------------------------------------------------------


def benjamini_hochberg(p_values: Floats, rate: float) -> Flags:
    """Which hypotheses to reject so that at most ``rate`` of the rejections are wrong on average.

    Benjamini & Hochberg (1995), J. R. Stat. Soc. B 57, 289-300.

    >>> benjamini_hochberg(np.array([0.01, 0.9, 0.02]), 0.05).tolist()
    [True, False, True]
    """
    n = len(p_values)
    order = np.argsort(p_values, kind="stable")
    below = p_values[order] <= rate * np.arange(1, n + 1) / n
    rejected = np.zeros(n, dtype=bool)
    if below.any():
        rejected[order[: int(np.flatnonzero(below)[-1]) + 1]] = True
    return rejected


def bonferroni(p_values: Floats, rate: float) -> Flags:
    """Which hypotheses to reject so that the chance of any wrong rejection is at most ``rate``.

    >>> bonferroni(np.array([0.01, 0.9, 0.02]), 0.05).tolist()
    [True, False, False]
    """
    return np.asarray(p_values <= rate / len(p_values))


def uncorrected(p_values: Floats, rate: float) -> Flags:
    """Which hypotheses to reject, each wrongly with a chance of ``rate``.

    >>> uncorrected(np.array([0.01, 0.9, 0.02]), 0.05).tolist()
    [True, False, True]
    """
    return np.asarray(p_values <= rate)


CORRECTIONS: Mapping[str, Callable[[Floats, float], Flags]] = {
    "Benjamini-Hochberg": benjamini_hochberg,
    "Bonferroni": bonferroni,
    "none": uncorrected,
}


# --- which rows to compare ----------------------------------------------------------------------


def matched(
    reference: NDArray[np.int64], current: NDArray[np.int64], most: int
) -> tuple[NDArray[np.int64], NDArray[np.int64]]:
    """Places in two samples, given the group of each row, such that both hold groups alike.

    Of each group come k times as many reference rows as current ones, evenly spaced, with the
    largest whole k that the scarcest group and ``most`` reference rows allow. A group with fewer
    reference rows than current ones is left out on both sides.

    >>> reference, current = np.array([0, 0, 0, 0, 1, 1, 2]), np.array([0, 1, 2, 2])
    >>> [places.tolist() for places in matched(reference, current, most=100)]
    [[0, 3, 4, 5], [0, 1]]
    """
    groups, counts = np.unique(current, return_counts=True)
    members = [np.flatnonzero(reference == group) for group in groups]
    enough = [len(rows) >= count for rows, count in zip(members, counts, strict=True)]
    wanted = [(p, c) for p, c, is_in in zip(members, counts, enough, strict=True) if is_in]
    kept = np.flatnonzero(np.isin(current, groups[enough]))
    if not wanted:
        return kept, kept
    times = min(len(rows) // count for rows, count in wanted)
    times = max(1, min(times, most // len(kept)))
    drawn = [rows[thinned(len(rows), times * count)] for rows, count in wanted]
    return np.sort(np.concatenate(drawn)), kept


def thinned(count: int, most: int) -> NDArray[np.int64]:
    """At most ``most`` of ``count`` places, evenly spaced, the first and the last among them."""
    if count <= most:
        return np.arange(count)
    return np.linspace(0, count - 1, most).astype(np.int64)
