"""Drift statistics: two samples in, numbers out, and no notion of time."""

from __future__ import annotations

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
        if self._categories is not None:
            return chi_squared(self._counts, self._count_like(values))
        current = np.sort(values[~np.isnan(values)])
        if len(current) == 0 or len(self._sorted) == 0:
            return 1.0
        return ks_p_value(ks_statistic(self._sorted, current), len(self._sorted), len(current))

    def _count_like(self, values: pd.Series) -> NDArray[np.float64]:
        """Counts in the reference's categories, then of others, then of missing ones."""
        assert self._categories is not None
        counts = values.value_counts(dropna=True)
        known = counts.reindex(self._categories, fill_value=0).to_numpy(np.float64)
        other = float(counts.sum() - known.sum())
        return np.append(known, [other, float(values.isna().sum())])


def _counted(values: pd.Series) -> NDArray[np.float64]:
    counts = values.value_counts(dropna=True).reindex(values.cat.categories, fill_value=0)
    return np.append(counts.to_numpy(np.float64), [0.0, float(values.isna().sum())])


def ks_statistic(reference: NDArray[np.float64], current: NDArray[np.float64]) -> float:
    """Largest distance between two empirical distributions; both samples sorted.

    The distance can only peak at a value of one of the samples, and between values of the shorter
    one the longer one's distribution is monotone: looking just before and at each value of the
    shorter one is enough.
    """
    longer, shorter = (
        (reference, current) if len(reference) >= len(current) else (current, reference)
    )
    n, m = len(longer), len(shorter)
    at = np.searchsorted(shorter, shorter, side="right") / m
    before = np.searchsorted(shorter, shorter, side="left") / m
    above = np.searchsorted(longer, shorter, side="right") / n
    below = np.searchsorted(longer, shorter, side="left") / n
    return float(max(np.max(at - above), np.max(below - before), 0.0))


def ks_p_value(statistic: float, n: int, m: int) -> float:
    """Two-sided p-value by the asymptotic distribution of Kolmogorov's statistic.

    The effective sample size is ``n * m / (n + m)``, as in SciPy's ``ks_2samp(method="asymp")``.
    """
    effective = max(1.0, np.round(n * m / (n + m)))
    return float(np.clip(kstwo.sf(statistic, effective), 0.0, 1.0))


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
