"""The Bayesian signed-rank test, where differences of one block share their luck.

Paired differences are drawn from an unknown distribution, whose prior is a Dirichlet process: one
pseudo-difference of 0 with the weight of half a block. By the posterior, the mean of two
differences drawn at random (a Walsh average, as in Wilcoxon's test) is below a region of practical
equivalence, in it, or above it; each of the three has a probability of being the likeliest.
Benavoli, Corani, Demšar and Zaffalon, 2017, "Time for a change: a tutorial for comparing multiple
classifiers through Bayesian analysis", Journal of Machine Learning Research 18(77).

Differences of several models on one data set are no replicates: they share the data, and with it
most of their luck. So weights are drawn in two steps, as in a Bayesian bootstrap of clusters
(Rubin, 1981, "The Bayesian bootstrap", Annals of Statistics 9(1)): over blocks, and within a block
over its differences. What is asked is then how a difference turns out on another block. With one
difference a block it is the test of the paper. The model that is made for this (Corani, Benavoli,
Demšar, Mangili and Zaffalon, 2017, "Statistical comparison of classifiers through Bayesian
hierarchical modelling", Machine Learning 106) assumes Student's t and needs Markov chains.
"""

from __future__ import annotations

from collections.abc import Sequence
from functools import lru_cache
from typing import NamedTuple

import numpy as np
from numpy.typing import ArrayLike, NDArray

#: Draws of the posterior: a probability of 0.95 is off by 0.002, as a standard deviation.
DRAWS = 10_000
#: The weight of the pseudo-difference of 0, where a block has 1.
PRIOR = 0.5
#: Draws whose weights are summed together: those of a hundred differences stay near the processor.
_AT_ONCE = 2_000


class SignedRank(NamedTuple):
    """Probabilities that add up to 1."""

    less: float
    equivalent: float
    more: float


def signed_rank(
    differences: ArrayLike,
    blocks: Sequence[object] | None = None,
    *,
    rope: float,
    prior: float = PRIOR,
    draws: int = DRAWS,
    seed: int = 0,
) -> SignedRank:
    """How probable it is that differences lie below ``-rope``, within, or above ``rope``.

    Parameters
    ----------
    differences : array of shape (n,)
        Of one strategy to another, as log ratios of costs: finite numbers.
    blocks : sequence of length n, optional
        Which block each is of; by default each has its own.
    rope : float
        Half the region of practical equivalence, in the unit of the differences; 0 is none.
    prior : float
        The weight of a pseudo-difference of 0, where a block has 1.
    draws, seed : int
        How often the posterior is drawn, and the start of the random numbers.

    Raises
    ------
    ValueError
        For a number that is not finite, a negative ``rope``, or ``blocks`` of another length.

    Examples
    --------
    >>> signed_rank([-0.3, -0.2, -0.1, -0.2, -0.3, -0.2], rope=0.01).less > 0.95
    True
    >>> signed_rank([-0.3, -0.2, -0.1, -0.2, -0.3, -0.2], ["one"] * 6, rope=0.01).less > 0.95
    False
    """
    given = np.asarray(differences, dtype=np.float64)
    if given.ndim != 1 or not np.isfinite(given).all():
        raise ValueError("differences: finite numbers in one dimension are needed")
    if blocks is not None and len(blocks) != len(given):
        raise ValueError(f"blocks: {len(blocks)} for {len(given)} differences")
    if not rope >= 0:
        raise ValueError(f"rope={rope!r}: 0 or more is needed")
    labels = range(len(given)) if blocks is None else blocks
    place: dict[object, int] = {}
    codes = np.array([place.setdefault(one, len(place)) for one in labels], dtype=np.int64)
    order = np.argsort(codes, kind="stable")
    weights = _weights(tuple(codes[order].tolist()), prior, draws, seed)
    return _probabilities(np.concatenate(([0.0], given[order])), weights, rope)


@lru_cache(maxsize=4)  # the pairs of one ranking have the same blocks
def _weights(blocks: tuple[int, ...], prior: float, draws: int, seed: int) -> NDArray[np.float64]:
    """A column a draw: of the pseudo-difference, then of differences, in the order of blocks."""
    random, codes = np.random.default_rng(seed), np.array(blocks, dtype=np.int64)
    starts = np.flatnonzero(np.diff(codes, prepend=-1))
    over = random.standard_gamma(np.r_[prior, np.ones(len(starts))], (draws, 1 + len(starts))).T
    over /= over.sum(axis=0)
    if not len(starts):
        return over
    within = random.standard_exponential((draws, len(codes))).T
    within /= np.add.reduceat(within, starts, axis=0)[codes]
    return np.ascontiguousarray(np.concatenate((over[:1], over[1 + codes] * within)))


def _probabilities(
    values: NDArray[np.float64], weights: NDArray[np.float64], rope: float
) -> SignedRank:
    """How often each region holds most pairs; where two hold as much, each counts half."""
    order = np.argsort(values, kind="stable")
    values = values[order]
    limits = [_pairs_below(values, limit) for limit in (-2 * rope, 2 * rope)]
    sums = np.zeros((len(limits), weights.shape[1]))
    for first in range(0, weights.shape[1], _AT_ONCE):
        some = slice(first, first + _AT_ONCE)
        _add_pairs(weights[order, some], limits, sums[:, some])
    less, upto = sums
    regions = np.stack((less, upto - less, 1 - upto))
    most = regions >= regions.max(axis=0) - 1e-12
    shares = (most / most.sum(axis=0)).mean(axis=1)
    return SignedRank(*map(float, shares))


def _pairs_below(values: NDArray[np.float64], limit: float) -> list[tuple[int, int]]:
    """Of each value, how many others make a sum below a limit with it, and how many up to it."""
    apart = limit - values
    sides = (np.searchsorted(values, apart, side).tolist() for side in ("left", "right"))
    return list(zip(*sides, strict=True))


def _add_pairs(
    weights: NDArray[np.float64],
    limits: list[list[tuple[int, int]]],
    sums: NDArray[np.float64],
) -> None:
    """Add the weight of pairs below each limit, and half of those that meet it, to its sums."""
    until = np.zeros((len(weights) + 1, weights.shape[1]))
    for n, own in enumerate(weights):
        np.add(until[n], own, out=until[n + 1])
    until[-1] = 1.0
    for ends, total in zip(limits, sums, strict=True):
        for own, (first, last) in zip(weights, ends, strict=True):
            if last:
                both = until[first] if first == last else (until[first] + until[last]) / 2
                total += own * both
