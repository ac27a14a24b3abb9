"""How often intervals hold, and how wide they are: ``python benchmarks/intervals.py [REPEATS]``.

Differences of 1, 10 and 60 strategies to a baseline are drawn whose true totals are known, with
half of the noise shared, in histories of some 20 and some 60 independent observations. Printed are,
in Markdown: how often all intervals hold that are given; their median width, over that of a normal
interval with the true variance of the total and the true correlation; and the share of differences
without an interval. The second table goes beyond what is promised. The third is what a block too
short does: the moving-block bootstrap, with a tenth of the repeats, in blocks that are given
and, with `arch` installed, in those of Politis and White (2004). 2,000 repeats take 8 minutes.
"""

from __future__ import annotations

import sys
import time
from collections.abc import Callable
from dataclasses import dataclass

import numpy as np
from scipy.signal import lfilter
from scipy.special import gamma

from backtrain.simulator.statistics import bootstrap_totals, simultaneous_intervals

COLUMNS, SEED = (1, 10, 60), 20_271_201
SHARED = 0.5  # of the noise
YEAR = 365.25
LUMP, GAP = 10.0, 20  # standard deviations of a period's noise; mean periods from one to the next


@dataclass
class Drawn:
    """Differences (T, S), the totals (S,) that they come from, and periods a block."""

    values: np.ndarray
    truth: np.ndarray | float = 0.0
    block: np.ndarray | int = 1
    cycle: float = 0.0


@dataclass(frozen=True)
class Process:
    """Where differences come from; `spread` is the standard deviation of their totals."""

    name: str
    periods: tuple[int, ...]
    draw: Callable[[np.random.Generator, int, int], Drawn]
    spread: Callable[[int], float]
    shared: float = SHARED


def noise(rng: np.random.Generator, periods: int, columns: int, heavy: bool = False) -> np.ndarray:
    """Independent periods of variance 1, or of variance 3 with the tails of Student's t(3)."""
    shape = (periods, columns + 1)
    drawn = rng.standard_t(3, size=shape) if heavy else rng.normal(size=shape)
    return np.sqrt(1 - SHARED) * drawn[:, 1:] + np.sqrt(SHARED) * drawn[:, :1]


def persistent(rng: np.random.Generator, periods: int, columns: int, r: float) -> np.ndarray:
    """A stationary autoregression of first order, with shocks of variance 1."""
    shocks = noise(rng, periods, columns)
    shocks[0] /= np.sqrt(1 - r**2)
    return lfilter([1], [1, -r], shocks, axis=0)


def persistent_spread(r: float) -> Callable[[int], float]:
    """The standard deviation of the sum of such periods."""

    def spread(periods: int) -> float:
        lags = np.arange(1, periods)
        return float(np.sqrt((periods + 2 * ((periods - lags) * r**lags).sum()) / (1 - r**2)))

    return spread


def autoregression(r: float, periods: tuple[int, ...], block: int = 1) -> Process:
    """Shocks that fade by the factor r a period."""
    within = f" in blocks of {block}" if block > 1 else ""
    return Process(
        f"AR(1) {r:g}{within}",
        periods,
        lambda rng, t, s: Drawn(persistent(rng, t, s, r), block=block),
        persistent_spread(r),
    )


def weekly(rng: np.random.Generator, periods: int, columns: int) -> Drawn:
    """Seven levels that come back, each strategy its own, with 1.5 times the noise's spread."""
    levels = 1.5 * rng.normal(size=(7, columns))
    season = levels[np.arange(periods) % 7]
    return Drawn(noise(rng, periods, columns) + season, season.sum(axis=0), 7)


def yearly(r: float) -> Callable[[np.random.Generator, int, int], Drawn]:
    """A wave a year of an amplitude of .5 to 1.5 and any phase; days that resemble each other."""

    def draw(rng: np.random.Generator, periods: int, columns: int) -> Drawn:
        angle = 2 * np.pi * (np.arange(periods)[:, None] / YEAR + rng.random(columns))
        season = rng.uniform(0.5, 1.5, columns) * np.sin(angle)
        values = np.sqrt(1 - r**2) * persistent(rng, periods, columns, r) + season
        return Drawn(values, season.sum(axis=0), 7, YEAR)

    return draw


def regular(rng: np.random.Generator, periods: int, columns: int) -> Drawn:
    """Lumps every 7 to 20 periods, from any period on."""
    gaps, phases = rng.integers(7, GAP + 1, columns), rng.integers(0, GAP, columns)
    lumps = LUMP * ((np.arange(periods)[:, None] + phases) % gaps == 0)
    return Drawn(noise(rng, periods, columns) + lumps, lumps.sum(axis=0), gaps)


def irregular(rng: np.random.Generator, periods: int, columns: int) -> Drawn:
    """Lumps that come with equal probability in each period, in blocks of their usual gap."""
    lumps = rng.random((periods, columns)) < 1 / GAP
    block = np.array([usual_gap(column) for column in lumps.T])
    values = noise(rng, periods, columns) + LUMP * lumps
    return Drawn(values, LUMP * periods / GAP, block)


def usual_gap(happens: np.ndarray) -> int:
    """The gap in which a period picked at random lies, at the median; as the reports have it."""
    gaps = np.sort(np.diff([0, *np.flatnonzero(happens), len(happens)]))
    passed = np.cumsum(gaps)
    return max(1, int(gaps[np.searchsorted(passed, passed[-1] / 2)]))


def long_memory(rng: np.random.Generator, periods: int, columns: int) -> Drawn:
    """Fractional noise of order .25: there is no number of independent periods."""
    k = np.arange(1, 4 * periods)
    weights = np.concatenate([[1], np.cumprod((k - 0.75) / k)])
    shocks = noise(rng, 4 * periods, columns)
    return Drawn(lfilter(weights, [1], shocks, axis=0)[3 * periods :])


def long_memory_spread(periods: int) -> float:
    """The standard deviation of the sum of such periods."""
    lags = np.arange(1, periods)
    first = gamma(0.5) / gamma(0.75) ** 2
    return float(
        np.sqrt(
            first
            * (periods + 2 * ((periods - lags) * np.cumprod((lags - 0.75) / (lags - 0.25))).sum())
        )
    )


def half_persistent(rng: np.random.Generator, periods: int, columns: int) -> Drawn:
    """A slow part of 30 % of the variance under noise."""
    slow = np.sqrt(0.3 * (1 - 0.9**2)) * persistent(rng, periods, columns, 0.9)
    return Drawn(slow + np.sqrt(0.7) * noise(rng, periods, columns))


def half_persistent_spread(periods: int) -> float:
    """The standard deviation of the sum of such periods."""
    return float(np.sqrt(0.3 * (1 - 0.9**2) * persistent_spread(0.9)(periods) ** 2 + 0.7 * periods))


def independent(periods: int) -> float:
    """The standard deviation of the sum of independent periods of variance 1."""
    return float(np.sqrt(periods))


_lumpy = (LUMP**2) * (1 / GAP) * (1 - 1 / GAP)
PROMISED = [
    Process("independent", (20, 60), lambda rng, t, s: Drawn(noise(rng, t, s)), independent),
    autoregression(0.5, (60, 180)),
    autoregression(0.9, (380, 1140)),
    autoregression(0.9, (380, 1140), block=7),
    Process("weekly season", (140, 420), weekly, independent),
    Process(
        "yearly season, AR(1) .95 and .85",
        (780, 741),
        lambda rng, t, s: yearly(0.95 if t == 780 else 0.85)(rng, t, s),
        lambda t: np.sqrt(1 - (r := 0.95 if t == 780 else 0.85) ** 2) * persistent_spread(r)(t),
    ),
    Process("regular lumps", (400, 1200), regular, independent),
    Process(
        "lumps at random",
        (400, 1200),
        irregular,
        lambda t: float(np.sqrt(t * (1 + _lumpy))),
        SHARED / (1 + _lumpy),
    ),
    Process(
        "heavy tails, t(3)",
        (20, 60),
        lambda rng, t, s: Drawn(noise(rng, t, s, heavy=True)),
        lambda t: float(np.sqrt(3 * t)),
    ),
]
BEYOND = [
    Process("7 blocks of lumps", (140,), regular, independent),
    autoregression(0.9, (380,), block=30),
    Process("AR(1) .9 under noise", (240, 720), half_persistent, half_persistent_spread),
    autoregression(0.98, (400, 1980)),
    Process("long memory, d = .25", (400,), long_memory, long_memory_spread),
]
CONTROL = [PROMISED[0], PROMISED[1], PROMISED[3]]


@dataclass
class Cell:
    """What came of one process, at one length, for so many columns."""

    held: float
    width: float
    without: float

    def __str__(self) -> str:
        return f"{self.held:.1%} | {self.width:.2f} | {self.without:.1%}"


Method = Callable[[Drawn], tuple[np.ndarray, np.ndarray]]


def ours(drawn: Drawn) -> tuple[np.ndarray, np.ndarray]:
    """The ends of intervals, NaN where there is none."""
    found = simultaneous_intervals(drawn.values, drawn.block, cycle=drawn.cycle)
    if found is None:
        none = np.full(drawn.values.shape[1], np.nan)
        return none, none
    return found.low, found.high


def moving_blocks(drawn: Drawn) -> tuple[np.ndarray, np.ndarray]:
    """Those of the largest deviation of bootstrapped totals, in blocks that are given."""
    totals, expected = bootstrap_totals(drawn.values, int(np.max(drawn.block)), draws=500)
    deviations = totals - expected
    se = np.sqrt((deviations**2).mean(axis=0))
    margin = se * np.quantile(np.abs(deviations / se).max(axis=1), 0.95)
    total = drawn.values.sum(axis=0)
    return total - margin, total + margin


def politis_white(drawn: Drawn) -> tuple[np.ndarray, np.ndarray]:
    """The same in the longest block of Politis and White over columns, if not in a longer one."""
    from arch.bootstrap import optimal_block_length

    best = optimal_block_length(drawn.values)["circular"].max()
    block = np.clip(np.ceil(best), np.max(drawn.block), len(drawn.values) // 2)
    return moving_blocks(Drawn(drawn.values, block=int(block)))


def measured(process: Process, periods: int, columns: int, repeats: int, method: Method) -> Cell:
    """Draw and judge again and again."""
    rng = np.random.default_rng([SEED, periods, columns])
    held, widths, without = [], [], 0
    for _ in range(repeats):
        drawn = process.draw(rng, periods, columns)
        low, high = method(drawn)
        given = np.isfinite(low)
        without += int((~given).sum())
        if given.any():
            held.append(bool(((low <= drawn.truth) & (drawn.truth <= high))[given].all()))
            widths.append((high - low)[given])
    known = 2 * critical(columns, process.shared) * process.spread(periods)
    width = float(np.median(np.concatenate(widths))) / known
    return Cell(float(np.mean(held)), width, without / (repeats * columns))


def critical(columns: int, shared: float) -> float:
    """The 95 % quantile of the largest of normal variables that share so much of their variance."""
    normal = np.random.default_rng(0).normal(size=(100_000, columns + 1))
    mixed = np.sqrt(1 - shared) * normal[:, 1:] + np.sqrt(shared) * normal[:, :1]
    return float(np.quantile(np.abs(mixed).max(axis=1), 0.95))


def show(title: str, processes: list[Process], repeats: int, method: Method = ours) -> None:
    """Print a table in Markdown: a row a process and length, three columns a number of columns."""
    heads = " | ".join(f"{s}: held | width | none" for s in COLUMNS)
    print(f"\n{title}\n\n| differences | periods | {heads} |")
    print("|---|---" + "|---" * 3 * len(COLUMNS) + "|")
    for process in processes:
        for periods in process.periods:
            cells = [measured(process, periods, s, repeats, method) for s in COLUMNS]
            line = " | ".join(map(str, [process.name, periods, *cells]))
            print(f"| {line} |", flush=True)


def main() -> None:
    """Print the tables."""
    repeats, begun = int(sys.argv[1]) if len(sys.argv) > 1 else 2_000, time.process_time()
    show(f"Intervals at 95 %, {repeats} repeats", PROMISED, repeats)
    show("Beyond what is promised", BEYOND, repeats)
    show("Moving-block bootstrap", CONTROL, repeats // 10, moving_blocks)
    try:
        import arch  # noqa: F401 - only the reference below needs it
    except ImportError:
        print("\n(`pip install arch` for the blocks of Politis and White)")
    else:
        show("The same in blocks of Politis and White", CONTROL, repeats // 10, politis_white)
    print(f"\n{time.process_time() - begun:.0f} s of CPU")


if __name__ == "__main__":
    main()
