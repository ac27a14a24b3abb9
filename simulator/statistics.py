"""How sure a difference of costs is: arrays in, numbers out."""

import math
from dataclasses import dataclass

import numpy as np
from numpy.typing import ArrayLike, NDArray

Floats = NDArray[np.float64]

#: With fewer blocks than this the bootstrap has too little to draw from, and no interval is given.
FEWEST_BLOCKS = 10


@dataclass(frozen=True, eq=False)
class Intervals:
    """Totals of S columns, and intervals that hold for all at once; each array is ``(S,)``."""

    estimate: Floats
    low: Floats
    high: Floats
    se: Floats


def block_length(label_delay: float = 0.0, season: float = 0.0, gap: float = 0.0) -> int:
    """Periods a bootstrap block must hold so that what belongs together stays together.

    The longest of the label delay, the season and the usual gap between retrains (a retrain is a
    lump of cost followed by its benefit), all in periods; at least one.
    """
    return max(1, math.ceil(max(label_delay, season, gap) - 1e-9))


def enough_blocks(periods: int, block: int) -> bool:
    """Whether `periods` hold ten blocks of `block` periods."""
    return periods >= FEWEST_BLOCKS * block


def bootstrap_totals(
    values: ArrayLike, block: int, draws: int = 2000, seed: int = 0
) -> tuple[Floats, Floats]:
    """Moving-block bootstrap of column totals.

    Parameters
    ----------
    values : array (T, S)
        One column a strategy, one row a period; rows are drawn together, so columns stay paired.
    block : int
        Periods a block. The last block drawn is cut so that exactly T periods are drawn.

    Returns
    -------
    totals : array (draws, S)
    expected : array (S,)
        Their exact mean. It differs from the plain total, because blocks reach the ends of the
        history less often than its middle.

    Notes
    -----
    Künsch (1989), Annals of Statistics 17(3). Block sums are differences of cumulative sums, so the
    cost is T*S + draws*(T/block)*S.
    """
    array = np.asarray(values, dtype=np.float64)
    periods = len(array)
    if not 1 <= block <= periods:
        raise ValueError(f"block={block}: must be between 1 and the number of periods, {periods}")
    cumulative = np.vstack([np.zeros(array.shape[1]), np.cumsum(array, axis=0)])
    starts_allowed = periods - block + 1
    blocks = math.ceil(periods / block)
    rest = periods - (blocks - 1) * block
    whole = cumulative[block:] - cumulative[:-block]
    cut = cumulative[rest : rest + starts_allowed] - cumulative[:starts_allowed]
    starts = np.random.default_rng(seed).integers(0, starts_allowed, size=(blocks, draws))
    totals = cut[starts[-1]]
    for row in starts[:-1]:
        totals += whole[row]
    return totals, (blocks - 1) * whole.mean(axis=0) + cut.mean(axis=0)


def simultaneous_intervals(
    differences: ArrayLike, block: int, level: float = 0.95, draws: int = 2000, seed: int = 0
) -> Intervals | None:
    """Intervals for the totals of all columns at once, from paired cost differences.

    With probability `level` every interval holds its true total, so the cheapest of many strategies
    may be picked first and judged afterwards. A column that never varies has an interval of width
    zero and does not widen the others.

    Parameters
    ----------
    differences : array (T, S)
        Cost of each strategy minus cost of the baseline, by period.
    block : int
        Periods a block, see `block_length`.

    Returns
    -------
    Intervals or None
        None with fewer than ten blocks.

    Notes
    -----
    The critical value is the `level` quantile of the largest studentised deviation over columns
    (max-t). The standard error rests on no more than T/block independent blocks: it is scaled by
    sqrt(n / (n - 1)), and each draw is divided by the root of a chi-square over its degrees of
    freedom, which turns normal tails into Student's; without it ten blocks cover 92 %, not 95.

    Examples
    --------
    >>> import numpy as np
    >>> saved = np.tile([[0.0, -1.0], [0.0, -3.0]], (50, 1))
    >>> intervals = simultaneous_intervals(saved, block=2)
    >>> intervals.estimate.tolist(), intervals.low.tolist(), intervals.high.tolist()
    ([0.0, -200.0], [0.0, -200.0], [0.0, -200.0])
    """
    array = np.asarray(differences, dtype=np.float64)
    if not enough_blocks(len(array), block):
        return None
    totals, expected = bootstrap_totals(array, block, draws, seed)
    # Cumulative sums leave dust of about 1e-16 of what was added up; a real spread is far above.
    se, largest = _studentised(
        totals - expected, 1e-9 * np.abs(array).sum(axis=0), len(array), block
    )
    estimate = array.sum(axis=0)
    margin = _critical(largest, len(array), block, level, seed) * se
    return Intervals(estimate, estimate - margin, estimate + margin, se)


def pairwise_intervals(
    costs: ArrayLike, block: int, level: float = 0.95, draws: int = 2000, seed: int = 0
) -> Intervals | None:
    """Intervals for the differences of totals of all pairs of S columns at once.

    With probability `level` every interval holds its true difference, whichever column the others
    are held against, and also where that column was picked for being the cheapest.

    Parameters
    ----------
    costs : array (T, S)
        Cost of each strategy by period.
    block : int
        Periods a block, see `block_length`.

    Returns
    -------
    Intervals or None
        Arrays ``(S, S)``: at ``[i, j]`` the total of column j minus that of column i. None with
        fewer than ten blocks.

    Notes
    -----
    `simultaneous_intervals` of all S (S - 1) / 2 differences, in memory for S of them.

    Examples
    --------
    >>> import numpy as np
    >>> intervals = pairwise_intervals(np.tile([[3.0, 1.0], [3.0, 3.0]], (50, 1)), block=2)
    >>> intervals.low.tolist(), intervals.high.tolist()
    ([[0.0, -100.0], [100.0, 0.0]], [[0.0, -100.0], [100.0, 0.0]])
    """
    array = np.asarray(costs, dtype=np.float64)
    if not enough_blocks(len(array), block):
        return None
    totals, expected = bootstrap_totals(array, block, draws, seed)
    deviations, size = totals - expected, np.abs(array).sum(axis=0)
    se = np.zeros((array.shape[1], array.shape[1]))
    largest = np.zeros(draws)
    for i in range(len(size) - 1):
        others = slice(i + 1, None)
        between = deviations[:, others] - deviations[:, [i]]
        se[i, others], most = _studentised(
            between, 1e-9 * (size[others] + size[i]), len(array), block
        )
        largest = np.maximum(largest, most)
    se += se.T
    sums = array.sum(axis=0)
    estimate = sums - sums[:, None]
    # Equal costs, added up in another order, differ by dust; it must not look like a difference.
    dust = (se == 0) & (np.abs(estimate) <= 1e-9 * (size + size[:, None]))
    estimate[dust] = 0.0
    margin = _critical(largest, len(array), block, level, seed) * se
    return Intervals(estimate, estimate - margin, estimate + margin, se)


def _studentised(
    deviations: Floats, dust: Floats, periods: int, block: int
) -> tuple[Floats, Floats]:
    """Standard errors ``(S,)``, zero where they are dust; the largest deviation of each draw."""
    freedom = periods / block - 1
    se = np.sqrt((deviations**2).mean(axis=0) * (freedom + 1) / freedom)
    varies = se > dust
    se = np.where(varies, se, 0.0)
    if not varies.any():
        return se, np.zeros(len(deviations))
    return se, np.asarray(np.abs(deviations[:, varies] / se[varies]).max(axis=1))


def _critical(largest: Floats, periods: int, block: int, level: float, seed: int) -> float:
    """The quantile of the largest studentised deviation, with Student's tails."""
    freedom = periods / block - 1
    tails = np.random.default_rng([seed, 1]).chisquare(freedom, len(largest)) / freedom
    return float(np.quantile(largest / np.sqrt(tails), level))


def era_costs(costs: ArrayLike, eras: int = 10) -> Floats:
    """Costs ``(T, S)`` by period summed into ``(eras, S)`` stretches of (nearly) equal length."""
    array = np.asarray(costs, dtype=np.float64)
    parts = np.array_split(array, min(eras, len(array)))
    return np.stack([part.sum(axis=0) for part in parts])


def wins_by_era(costs_by_era: ArrayLike) -> NDArray[np.int64]:
    """In how many eras each of S strategies was cheapest, ties included; ``(eras, S) -> (S,)``."""
    array = np.asarray(costs_by_era, dtype=np.float64)
    cheapest = array.min(axis=1, keepdims=True)
    won = array <= cheapest + 1e-9 * np.abs(cheapest)
    return np.asarray(won.sum(axis=0), dtype=np.int64)


def one_era_left_out(costs_by_era: ArrayLike) -> tuple[Floats, Floats]:
    """Smallest and largest total of each column when any one era is left out, each ``(S,)``."""
    array = np.asarray(costs_by_era, dtype=np.float64)
    without = array.sum(axis=0) - array
    return without.min(axis=0), without.max(axis=0)


def follow_the_leader(costs_by_era: ArrayLike, first: int = 0) -> float:
    """Cost of running, in each era, what had been cheapest in all eras before it.

    The first era is served by column `first`. Choosing with hindsight always looks better; the gap
    to the winner's cost is the price of not having known it.
    """
    array = np.asarray(costs_by_era, dtype=np.float64)
    leaders = np.argmin(np.cumsum(array, axis=0), axis=1)
    chosen = np.concatenate([[first], leaders[:-1]])
    return float(array[np.arange(len(array)), chosen].sum())


def pareto_front(cost: ArrayLike, loss: ArrayLike) -> NDArray[np.bool_]:
    """Which of S points no other point beats: no dearer, no worse, and better in one of the two."""
    x, y = np.asarray(cost, dtype=np.float64), np.asarray(loss, dtype=np.float64)
    no_worse = (x[:, None] <= x) & (y[:, None] <= y)
    better = (x[:, None] < x) | (y[:, None] < y)
    return np.asarray(~(no_worse & better).any(axis=0), dtype=np.bool_)


def price_range(rest: ArrayLike, quantity: ArrayLike) -> Floats:
    """Prices >= 0 at which each of S strategies is cheapest: the exact lower envelope of lines.

    Parameters
    ----------
    rest, quantity : array (S,)
        A strategy costs ``rest + quantity * price``.

    Returns
    -------
    array (S, 2)
        From and to which price; ``inf`` where it stays the cheapest, NaN where it never is.

    Examples
    --------
    >>> price_range([10, 6, 5], [0, 1, 3]).tolist()
    [[4.0, inf], [0.5, 4.0], [0.0, 0.5]]
    """
    height, slope = np.asarray(rest, dtype=np.float64), np.asarray(quantity, dtype=np.float64)
    steeper = slope - slope[:, None]
    higher = height - height[:, None]
    with np.errstate(divide="ignore", invalid="ignore"):
        crossing = -higher / steeper
    low = np.where(steeper > 0, crossing, 0.0).max(axis=1)
    high = np.where(steeper < 0, crossing, np.inf).min(axis=1)
    beaten = ((steeper == 0) & (higher < 0)).any(axis=1) | (low > high)
    return np.where(beaten[:, None], np.nan, np.stack([low, high], axis=1))
