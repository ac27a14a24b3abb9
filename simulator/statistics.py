"""What is read from costs by period: arrays in, numbers out."""

import math

import numpy as np
from numpy.typing import ArrayLike, NDArray

from backtrain.simulator.intervals import FEWEST_BLOCKS as FEWEST_BLOCKS
from backtrain.simulator.intervals import Intervals as Intervals
from backtrain.simulator.intervals import enough_blocks as enough_blocks
from backtrain.simulator.intervals import pairwise_intervals as pairwise_intervals
from backtrain.simulator.intervals import simultaneous_intervals as simultaneous_intervals

Floats = NDArray[np.float64]


def block_length(
    label_delay: float = 0.0, season: float = 0.0, gap: float = 0.0, periods: float = math.inf
) -> int:
    """Periods a block must hold so that what belongs together stays together.

    The longest of the label delay, the season and the usual gap between retrains (a retrain is a
    lump of cost followed by its benefit), all in periods; at least one. A delay makes neighbours
    alike and brings no lumps: of `periods` it leaves enough blocks, and the data tell the rest.
    """
    delay = min(label_delay, periods // FEWEST_BLOCKS)
    return max(1, math.ceil(max(delay, season, gap) - 1e-9))


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
