"""How sure a total is whose neighbouring periods are alike: arrays in, intervals out."""

from __future__ import annotations

import math
from dataclasses import dataclass

import numpy as np
from numpy.typing import ArrayLike, NDArray

Floats = NDArray[np.float64]
Integers = NDArray[np.int64]

#: With fewer blocks than this too little is known of the spread, and no interval is given.
FEWEST_BLOCKS = 7
#: Cosines a block: lumps one block apart are all in the second, and hardly leak below this.
PER_BLOCK = 1.5
#: What is faster than this many half-waves says nothing of a total.
MOST_COSINES = 256
#: Of these the largest deviation over columns is drawn.
DRAWN_COSINES = 100
#: How much of a period's variance is persistent, by spectra that are tried.
PERSISTENT = (1.0, 0.3, 0.1)
#: The longest memory that is tried leaves so many independent periods. What is slower is a trend,
#: which one history cannot tell from a change that has come to stay.
FEWEST_INDEPENDENT = 6.0
#: Prior odds of independence against each of the others.
INDEPENDENT = 12.0
#: Rounds in which columns tell each other their spectra, and how many columns the prior counts.
ROUNDS, PRIOR_COLUMNS = 2, 3.0


@dataclass(frozen=True, eq=False)
class Intervals:
    """Totals of S columns, and intervals that hold for all at once; each array is ``(S,)``."""

    estimate: Floats
    low: Floats
    high: Floats
    se: Floats


def enough_blocks(periods: int, block: int) -> bool:
    """Whether `periods` hold seven blocks of `block` periods."""
    return periods >= FEWEST_BLOCKS * block


def simultaneous_intervals(
    differences: ArrayLike,
    block: ArrayLike,
    level: float = 0.95,
    draws: int = 2000,
    seed: int = 0,
    cycle: float = 0.0,
) -> Intervals | None:
    """Intervals for the totals of all columns at once, from paired cost differences.

    With probability `level` every interval holds its true total, so the cheapest of many strategies
    may be picked first and judged afterwards. A column that never varies has an interval of width
    zero and does not widen the others.

    Parameters
    ----------
    differences : array (T, S)
        Cost of each strategy minus cost of the baseline, by period.
    block : int or array (S,)
        Periods within which a column may repeat itself, such as the gap between retrains: see
        `block_length`. How alike its periods are beyond that, the column itself tells.
    cycle : float
        Periods of a slow cycle, such as a year. It is not taken for chance where the history holds
        two of it.

    Returns
    -------
    Intervals or None
        NaN for a column with fewer than seven of its blocks; None where every column has fewer.

    Notes
    -----
    The history is read as cosine waves, of which the j-th has j half-waves over its length (Müller
    2004, Journal of Econometrics 135; Lazarus, Lewis, Stock and Watson 2018, JBES 36(4)). Only
    those slower than a block are used: lumps and seasons within it are faster. The variance of the
    total is the spectrum at frequency zero. It is averaged over spectra of the form "persistent,
    of first order, plus noise", each weighted by its likelihood (Whittle 1953) and a prior; given
    one of them, the total is a Student variable with a degree of freedom a cosine. So a
    doubt about the memory of the process widens the interval, as in Müller (2014), JBES 32(3).
    Columns lend each other their spectra, by half or less where they differ.

    The critical value is that of the largest deviation over columns (max-t; Hothorn, Bretz and
    Westfall 2008): its level is found with normal draws of their correlation, and each
    column takes the quantile of its own Student mixture at that level.

    Examples
    --------
    >>> import numpy as np
    >>> saved = np.tile([[0.0, -2.0]], (100, 1))
    >>> intervals = simultaneous_intervals(saved, block=2)
    >>> intervals.estimate.tolist(), intervals.low.tolist(), intervals.high.tolist()
    ([0.0, -200.0], [0.0, -200.0], [0.0, -200.0])
    """
    array = np.asarray(differences, dtype=np.float64)
    blocks = np.broadcast_to(np.asarray(block, dtype=np.int64), array.shape[1])
    if not (len(array) >= FEWEST_BLOCKS * blocks).any():
        return None
    size = np.abs(array).sum(axis=0)
    return _Spread.of(array, cycle).intervals(array.sum(axis=0), size, blocks, level, draws, seed)


def pairwise_intervals(
    costs: ArrayLike,
    block: ArrayLike,
    level: float = 0.95,
    draws: int = 2000,
    seed: int = 0,
    cycle: float = 0.0,
) -> Intervals | None:
    """Intervals for the differences of totals of all pairs of S columns at once.

    With probability `level` every interval holds its true difference, whichever column the others
    are held against, and also where that column was picked for being the cheapest.

    Parameters
    ----------
    costs : array (T, S)
        Cost of each strategy by period.
    block : int or array (S,)
        Periods a block, see `simultaneous_intervals`; a pair has the longer of its two.

    Returns
    -------
    Intervals or None
        Arrays ``(S, S)``: at ``[i, j]`` the total of column j minus that of column i. NaN where
        the history holds fewer than seven blocks of one of them; None where it always does.

    Notes
    -----
    `simultaneous_intervals` of all S (S - 1) / 2 differences.

    Examples
    --------
    >>> import numpy as np
    >>> intervals = pairwise_intervals(np.tile([[3.0, 2.0]], (100, 1)), block=2)
    >>> intervals.low.tolist(), intervals.high.tolist()
    ([[0.0, -100.0], [100.0, 0.0]], [[0.0, -100.0], [100.0, 0.0]])
    """
    array = np.asarray(costs, dtype=np.float64)
    blocks = np.broadcast_to(np.asarray(block, dtype=np.int64), array.shape[1])
    able = len(array) >= FEWEST_BLOCKS * blocks
    if not able.any():
        return None
    i, j = np.triu_indices(array.shape[1], 1)
    sums, size = array.sum(axis=0), np.abs(array).sum(axis=0)
    estimate, scale = sums[j] - sums[i], size[i] + size[j]
    # Equal costs, added up in another order, differ by dust; it must not look like a difference.
    estimate[np.abs(estimate) <= 1e-9 * scale] = 0.0
    found = (
        _Spread.of(array, cycle)
        .between(i, j)
        .intervals(
            estimate,
            scale,
            np.maximum(blocks[i], blocks[j]),
            level,
            draws,
            seed,
        )
    )
    return Intervals(
        *(
            _square(values, back, i, j, np.where(able, 0.0, math.nan))
            for values, back in (
                (found.estimate, -found.estimate),
                (found.low, -found.high),
                (found.high, -found.low),
                (found.se, found.se),
            )
        )
    )


def _square(values: Floats, back: Floats, i: Integers, j: Integers, diagonal: Floats) -> Floats:
    """Values of pairs at ``[i, j]`` and, the other way round, at ``[j, i]``."""
    square = np.diag(diagonal)
    square[i, j], square[j, i] = values, back
    return square


@dataclass(frozen=True, eq=False)
class _Spread:
    """Columns as M cosine waves: `waves` (M, S), which of them are `clear` of cycles (M,)."""

    periods: int
    waves: Floats
    clear: NDArray[np.bool_]

    @classmethod
    def of(cls, array: Floats, cycle: float) -> _Spread:
        """The slowest waves of columns (T, S), without a cycle of which they hold two."""
        from scipy.fft import dct

        periods, most = len(array), min(len(array) - 1, MOST_COSINES)
        deviations = array - array.mean(axis=0)
        share = np.ones(most)
        if cycle > 0 and periods >= 2 * cycle:
            angle = 2 * np.pi * np.arange(periods) / cycle
            base, _ = np.linalg.qr(np.stack([np.ones(periods), np.cos(angle), np.sin(angle)], 1))
            deviations = deviations - base @ (base.T @ deviations)
            share -= (dct(base, axis=0, norm="ortho")[1 : most + 1] ** 2).sum(axis=1)
        clear = share > 0.5  # the others went with the cycle
        waves = dct(deviations, axis=0, norm="ortho")[1 : most + 1]
        waves = np.where(clear[:, None], waves / np.sqrt(np.maximum(share, 0.5))[:, None], 0.0)
        return cls(periods, waves, clear)

    def between(self, i: Integers, j: Integers) -> _Spread:
        """Columns j minus columns i."""
        return _Spread(self.periods, self.waves[:, j] - self.waves[:, i], self.clear)

    def intervals(
        self, estimate: Floats, size: Floats, blocks: Integers, level: float, draws: int, seed: int
    ) -> Intervals:
        """Intervals round estimates (S,); NaN without enough blocks, none where all is dust."""
        judged = self.periods >= FEWEST_BLOCKS * blocks
        count = np.minimum(np.floor(PER_BLOCK * self.periods / blocks), len(self.waves))
        used = (np.arange(1, len(self.waves) + 1)[:, None] <= count) & self.clear[:, None]
        waves = np.where(used, self.waves, 0.0)
        # Sums leave dust of about 1e-16 of what was added up; a real spread is far above.
        varies = judged & (np.sqrt(self.periods * (waves**2).sum(axis=0)) > 1e-9 * size)
        margin, se = np.where(judged, 0.0, math.nan), np.where(judged, 0.0, math.nan)
        if varies.any():
            mixture = _Mixture.of(waves[:, varies], used[:, varies], self.periods)
            missed = mixture.missed(level, draws, seed)
            margin[varies], se[varies] = mixture.quantile(missed), mixture.se
        return Intervals(estimate, estimate - margin, estimate + margin, se)


@dataclass(frozen=True, eq=False)
class _Mixture:
    """What the error of S totals may be, by G spectra.

    `weight`, `variance` (G, S) of the total; `freedom` (S,); `like` (M, S) are the waves as they
    would be without memory.
    """

    weight: Floats
    variance: Floats
    freedom: Floats
    like: Floats

    @classmethod
    def of(cls, waves: Floats, used: NDArray[np.bool_], periods: int) -> _Mixture:
        """Weigh the spectra by their likelihood for columns (M, S) of waves."""
        spectra, prior = _spectra(len(waves), periods)
        freedom = used.sum(axis=0).astype(np.float64)
        level = (1 / spectra) @ waves**2 / freedom
        likelihood = -freedom / 2 * np.log(level) - 0.5 * np.log(spectra) @ used
        weight = _posterior(likelihood, prior[:, None])
        columns = waves.shape[1]
        for _ in range(ROUNDS if columns > 1 else 0):
            others = weight.sum(axis=1, keepdims=True) - weight
            lent = (PRIOR_COLUMNS * prior[:, None] + others) / (PRIOR_COLUMNS + columns - 1)
            weight = _posterior(likelihood, lent)
        expected = spectra[:, :DRAWN_COSINES].T @ weight
        like = waves[:DRAWN_COSINES] / np.sqrt(expected)
        return cls(weight, periods * level, freedom, like)

    @property
    def se(self) -> Floats:
        """Standard error of each total: the geometric mean over spectra."""
        return np.asarray(np.exp((self.weight * np.log(self.variance)).sum(axis=0) / 2))

    def missed(self, level: float, draws: int, seed: int) -> float:
        """How often one interval alone may miss, so that all hold together at `level`."""
        from scipy.special import ndtr

        correlated = self.like / np.sqrt(np.maximum((self.like**2).sum(axis=0), 1e-300))
        if correlated.shape[1] == 1:
            return 1 - level
        normal = np.random.default_rng(seed).normal(size=(draws, len(correlated)))
        largest = np.zeros(draws)
        for start in range(0, correlated.shape[1], 500):  # a bound on memory
            drawn = np.abs(normal @ correlated[:, start : start + 500])
            largest = np.maximum(largest, drawn.max(axis=1))
        return float(2 * ndtr(-np.quantile(largest, level)))

    def quantile(self, missed: float) -> Floats:
        """The size (S,) that an error exceeds with probability `missed`, by bisection.

        Student's tail is that of a normal variable of the size sqrt(n log(1 + t²/n)), up to a
        factor (Wallace 1959, Annals of Mathematical Statistics 30).
        """
        from scipy.special import ndtr

        factor = (8 * self.freedom + 1) / (8 * self.freedom + 3) * np.sqrt(self.freedom)
        scaled = self.variance * self.freedom
        spread = np.log(self.variance) / 2
        low, high = spread.min(axis=0) - math.log(1e3), spread.max(axis=0) + math.log(1e3)
        for _ in range(36):
            middle = (low + high) / 2
            tails = ndtr(-factor * np.sqrt(np.log1p(np.exp(2 * middle) / scaled)))
            outside = 2 * (self.weight * tails).sum(axis=0) > missed
            low, high = np.where(outside, middle, low), np.where(outside, high, middle)
        return np.asarray(np.exp(high))


def _spectra(waves: int, periods: int) -> tuple[Floats, Floats]:
    """G spectra (G, M) at the frequencies of the waves, 1 at frequency zero; their prior (G,).

    The first is flat. The others have as many independent periods as T, halved at every second; an
    autoregression of coefficient r has (1 - r) / (1 + r) a period.
    """
    frequency = np.pi * np.arange(1, waves + 1) / periods
    halved = np.arange(1, math.floor(2 * math.log2(periods / FEWEST_INDEPENDENT)) + 1) / 2
    independent = periods * 0.5**halved
    r = ((periods - independent) / (periods + independent))[:, None]
    persistent = (1 - r**2) / (1 - 2 * r * np.cos(frequency) + r**2)
    at_zero = (1 + r) / (1 - r)
    spectra = [np.ones((1, waves))]
    spectra += [(v * persistent + 1 - v) / (v * at_zero + 1 - v) for v in PERSISTENT]
    prior = np.ones(1 + len(PERSISTENT) * len(independent))
    prior[0] = INDEPENDENT
    return np.vstack(spectra), prior / prior.sum()


def _posterior(likelihood: Floats, prior: Floats) -> Floats:
    """Weights (G, S) that add up to one a column, from logarithms of likelihoods."""
    weight = likelihood + np.log(prior)
    weight = np.exp(weight - weight.max(axis=0))
    return np.asarray(weight / weight.sum(axis=0))
