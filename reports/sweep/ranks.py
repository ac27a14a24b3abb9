"""Ranks within blocks: whether strategies differ at all, and how far apart mean ranks must be.

Demšar, 2006, "Statistical comparisons of classifiers over multiple data sets", Journal of Machine
Learning Research 7. Mean ranks of two strategies depend on what else is compared, so pairs are also
tested by themselves, by Wilcoxon's test with Holm's correction (Benavoli, Corani and Mangili, 2016,
"Should we really use post-hoc tests based on mean-ranks?", Journal of Machine Learning Research
17(5)).
"""

from __future__ import annotations

import math

import numpy as np
from numpy.typing import NDArray

LEVEL = 0.95
#: Costs whose logarithms differ by less are tied.
_DECIMALS = 9


def ranks(costs: NDArray[np.float64]) -> NDArray[np.float64]:
    """The rank of each column in each row, 1 for the least; ties share the mean of theirs.

    >>> ranks(np.array([[3.0, 1.0, 1.0]])).tolist()
    [[3.0, 1.5, 1.5]]
    """
    from scipy.stats import rankdata

    return np.asarray(rankdata(costs.round(_DECIMALS), axis=1), dtype=np.float64)


def friedman(costs: NDArray[np.float64]) -> float:
    """The p-value of Friedman's test over rows; NaN for fewer than three columns or two rows.

    1 where all are tied everywhere.
    """
    from scipy.stats import friedmanchisquare

    if costs.shape[1] < 3 or len(costs) < 2:
        return math.nan
    if not np.ptp(ranks(costs)):
        return 1.0
    return float(friedmanchisquare(*costs.round(_DECIMALS).T).pvalue)


def critical_difference(strategies: int, blocks: int, level: float = LEVEL) -> float:
    """How far apart two mean ranks must be to be told apart, by Nemenyi's test.

    >>> round(critical_difference(10, 46), 2)
    2.0
    """
    return _range(strategies, level) * math.sqrt(strategies * (strategies + 1) / (12 * blocks))


def blocks_needed(strategies: int, apart: float = 2.0, level: float = LEVEL) -> int:
    """Over how many blocks mean ranks that are so far apart would be told apart.

    >>> [blocks_needed(strategies) for strategies in (6, 10)]
    [15, 46]
    """
    need = _range(strategies, level) ** 2 * strategies * (strategies + 1) / (12 * apart**2)
    return math.ceil(need - 1e-9)


def _range(strategies: int, level: float) -> float:
    """Quantile of the range of so many standard normal variables."""
    from scipy.stats import studentized_range

    return float(studentized_range.ppf(level, strategies, np.inf))


def wilcoxon(differences: NDArray[np.float64]) -> float:
    """Wilcoxon's signed-rank p-value, two-sided; zeros are ranked and not counted (Pratt)."""
    from scipy.stats import wilcoxon as test

    differences = differences.round(_DECIMALS)
    if not differences.any():
        return 1.0
    zeros = bool((differences == 0).any())
    method = "asymptotic" if zeros or len(differences) > 50 else "exact"
    return float(test(differences, zero_method="pratt", method=method).pvalue)


def holm(values: NDArray[np.float64]) -> NDArray[np.float64]:
    """P-values of a family, adjusted by Holm's step-down procedure.

    >>> holm(np.array([0.04, 0.01, 0.03])).round(3).tolist()
    [0.06, 0.03, 0.06]
    """
    order = np.argsort(values, kind="stable")
    steps = values[order] * np.arange(len(values), 0, -1)
    adjusted = np.empty(len(values))
    adjusted[order] = np.minimum(1.0, np.maximum.accumulate(steps))
    return adjusted
