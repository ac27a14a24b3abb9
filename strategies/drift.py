"""Drift statistics: two samples in, numbers out, and no notion of time."""

from __future__ import annotations

from collections.abc import Sequence
from typing import Any

import numpy as np
import pandas as pd
from numpy.typing import NDArray
from scipy.special import gammaincc
from scipy.stats import kstwo


class Reference:
    """One column to compare with again and again: sorted, or counted, once.

    Numeric columns are tested by Kolmogorov-Smirnov (two-sided), categorical ones by Pearson's
    chi-squared test of homogeneity. Missing numbers are left out; a missing category is a category.

    Parameters
    ----------
    values : ndarray of float, or categorical Series, of shape (n,)
        The reference sample.
    """

    def __init__(self, values: Any) -> None:
        self._categories: pd.Index | None = None
        if isinstance(values, pd.Series):
            self._categories = values.cat.categories
            self._counts = _counted(values)
            return
        self._sorted: NDArray[np.float64] = np.sort(values[~np.isnan(values)])

    def p_value(self, values: Any) -> float:
        """Chance of such a difference without drift; 1 where nothing can be compared."""
        return float(p_values([self], [values])[0])

    def compare(self, values: Any) -> tuple[float, float]:
        """Statistic and effective sample size (NaN: the statistic is a p-value already)."""
        if self._categories is not None:
            return chi_squared(self._counts, self._count_like(values)), np.nan
        current = np.sort(values[~np.isnan(values)])
        n, m = len(self._sorted), len(current)
        if n == 0 or m == 0:
            return 1.0, np.nan
        return ks_statistic(self._sorted, current), max(1.0, np.round(n * m / (n + m)))

    def _count_like(self, values: pd.Series) -> NDArray[np.float64]:
        """Counts in the reference's categories, then of others, then of missing ones."""
        assert self._categories is not None
        counts = values.value_counts(dropna=True)
        known = counts.reindex(self._categories, fill_value=0).to_numpy(np.float64)
        other = float(counts.sum() - known.sum())
        return np.append(known, [other, float(values.isna().sum())])


def p_values(references: Sequence[Reference], columns: Sequence[Any]) -> NDArray[np.float64]:
    """The p-value of each column against its reference, shape (columns,).

    Kolmogorov's distribution is asked once for all of them: asking takes longer than the rest.
    """
    pairs = [r.compare(column) for r, column in zip(references, columns, strict=True)]
    found, sizes = (np.array(side, dtype=np.float64) for side in zip(*pairs, strict=True))
    numeric = ~np.isnan(sizes)
    if numeric.any():
        found[numeric] = ks_p_value(found[numeric], sizes[numeric])
    return found


def _counted(values: pd.Series) -> NDArray[np.float64]:
    counts = values.value_counts(dropna=True).reindex(values.cat.categories, fill_value=0)
    return np.append(counts.to_numpy(np.float64), [0.0, float(values.isna().sum())])


def ks_statistic(reference: NDArray[np.float64], current: NDArray[np.float64]) -> float:
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
    right = np.searchsorted(longer, shorter, side="right")
    left = right.copy()
    tied = longer[np.maximum(right, 1) - 1] == shorter
    if tied.any():
        left[tied] = np.searchsorted(longer, shorter[tied], side="left")
    return float(max(np.max(at - right / n), np.max(left / n - before), 0.0))


def ks_p_value(statistic: Any, effective: Any) -> Any:
    """Two-sided p-values by the asymptotic distribution of Kolmogorov's statistic.

    ``effective`` is the sample size ``n * m / (n + m)``, rounded, as in SciPy's
    ``ks_2samp(method="asymp")``.
    """
    return np.clip(kstwo.sf(statistic, effective), 0.0, 1.0)


def chi_squared(reference: NDArray[np.float64], current: NDArray[np.float64]) -> float:
    """p-value of Pearson's test that two rows of counts come from one distribution."""
    table = np.vstack((reference, current))
    table = table[:, table.sum(axis=0) > 0]
    freedom = table.shape[1] - 1
    if freedom < 1 or (table.sum(axis=1) == 0).any():
        return 1.0
    expected = np.outer(table.sum(axis=1), table.sum(axis=0)) / table.sum()
    statistic = float((np.square(table - expected) / expected).sum())
    return float(gammaincc(freedom / 2, statistic / 2))


def benjamini_hochberg(p_values: NDArray[np.float64], rate: float) -> NDArray[np.bool_]:
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
