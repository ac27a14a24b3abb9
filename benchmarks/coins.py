"""Whether a coin beats half of luck: ``python benchmarks/coins.py``.

Strategies that toss a coin at every daily tick are replayed and held against luck, as
`backtrain run` holds any strategy against it: under five delays, with retrains that are cheap and
dear. The share of luck that a coin beats must be uniform. Printed are its mean, the shares of coins
below .05 and above .95, and the p-value of a Kolmogorov-Smirnov test against uniform, corrected for
the number of tests by Holm. Then the same for coins of another rate, for trainings that fail, for
delays that grow with the rows, and for candidates at every third tick. Takes about five minutes
where nothing else runs.
"""

from __future__ import annotations

import argparse
import sys
import time
from collections.abc import Sequence
from dataclasses import dataclass, field, replace

import numpy as np
import pandas as pd
from scipy.stats import kstest
from sklearn.linear_model import Ridge

from backtrain import Backtest, Delays, Prices, Strategy
from backtrain.datasets.synthetic import abrupt
from backtrain.lossmatrix.matrix import LossMatrix
from backtrain.lossmatrix.regret import judge
from backtrain.lossmatrix.trial_models import loss_matrix
from backtrain.strategies import Expanding, Random, Refit, Sliding

ROWS, RATE = 3_600, 0.25
DELAYS = {
    "none": Delays(),
    "2h + 1D": Delays(train="2h", deploy="1D"),
    "12h + 2D": Delays(train="12h", deploy="2D"),
    "5D": Delays(train="5D"),
    "7D": Delays(train="7D"),
}
PRICES = {
    "cheap": Prices(retrain=0.1, per_1k_rows=0.1, release=0.1),
    "dear": Prices(retrain=50, per_1k_rows=20, release=30),
}


class Moody(Ridge):
    """Fails on a part of the rows that it is given, always the same."""

    def fit(self, X, y, sample_weight=None):
        """Fit, or raise."""
        if len(X) % 7 in (1, 4):
            raise ValueError("not on so many rows")
        return super().fit(X, y, sample_weight)


@dataclass(frozen=True)
class Setting:
    """Under which circumstances coins are tossed."""

    name: str
    delays: Delays
    prices: Prices
    rate: float = RATE
    model: Ridge = field(default_factory=Ridge)
    window: object = field(default_factory=lambda: Sliding("20D"))
    every: int = 1

    def backtest(self) -> Backtest:
        """Daily ticks, a drift in the middle; labels are known at once."""
        stream = abrupt(n=ROWS, task="regression", seed=1)
        return Backtest(stream, self.model, tick="1D", prices=self.prices, delays=self.delays)


#: The five delays, each with cheap and with dear retrains.
TEN = [
    Setting(f"{delay}, {price}", DELAYS[delay], PRICES[price])
    for delay in DELAYS
    for price in PRICES
]
OTHERS = [
    *(replace(s, name=f"{s.name}, rate {p}", rate=p) for p in (0.05, 0.6) for s in TEN[1::4]),
    Setting("5D, dear, failing", DELAYS["5D"], PRICES["dear"], model=Moody(), window=Expanding()),
    Setting(
        "by rows, dear", Delays("1D", train_per_1k_rows="2D"), PRICES["dear"], window=Expanding()
    ),
    replace(TEN[1], name="none, dear, every 3rd", every=3),
    replace(TEN[3], name="2h + 1D, dear, every 3rd", every=3),
    replace(TEN[7], name="5D, dear, every 3rd", every=3),
]


def replayed(setting: Setting, coins: Sequence[int]) -> np.ndarray:
    """The share of random luck that each coin beats, by a replay of each."""
    backtest = setting.backtest()
    matrix = loss_matrix(backtest, setting.window, Refit(), backtest.store, setting.every)
    shares = []
    for seed in coins:
        run = backtest.replay(Strategy(Random(setting.rate, seed=seed), setting.window))
        shares.append(judge(matrix, run, backtest, setting.every)["placebo_random"])
    return np.array(shares)


def looked_up(setting: Setting, coins: int, seed: int = 0, draws: int = 1_000) -> np.ndarray:
    """The same without a replay: what coins train is looked up in the matrix, as luck is."""
    backtest = setting.backtest()
    matrix = loss_matrix(backtest, setting.window, Refit(), backtest.store)
    tossed = np.random.default_rng(seed).random((coins, len(matrix))) < setting.rate
    return shares(matrix, tossed, setting.prices, draws)


def shares(matrix: LossMatrix, tossed: np.ndarray, prices: Prices, draws: int) -> np.ndarray:
    """The share of random luck that each coin beats, over one matrix."""
    own = matrix.schedules(tossed)
    found, costs = np.full(len(tossed), np.nan), own.cost(prices)
    for made, free in set(zip(own.retrains.tolist(), own.free.tolist(), strict=True)):
        luck = matrix.placebo(made, free, draws, seed=1_000 * made + free)
        for coin in np.flatnonzero((own.retrains == made) & (own.free == free)):
            found[coin] = luck.percentile(float(costs[coin]), prices)[1]
    return found


def holm(p_values: Sequence[float]) -> np.ndarray:
    """Adjusted p-values of several tests (Holm 1979)."""
    order = np.argsort(p_values)
    factors = len(p_values) - np.arange(len(p_values))
    adjusted = np.minimum(np.maximum.accumulate(np.asarray(p_values)[order] * factors), 1)
    found = np.empty(len(p_values))
    found[order] = adjusted
    return found


def table(found: dict[str, np.ndarray]) -> pd.DataFrame:
    """A row for each setting."""
    p_values = holm([kstest(values, "uniform").pvalue for values in found.values()])
    return pd.DataFrame(
        {
            "coins": [len(values) for values in found.values()],
            "mean": [values.mean() for values in found.values()],
            "below .05": [(values < 0.05).mean() for values in found.values()],
            "above .95": [(values > 0.95).mean() for values in found.values()],
            "p (Holm)": p_values,
        },
        index=pd.Index(found, name="setting"),
    )


def main() -> int:
    """Print both tables; 1 where a coin of the ten settings is not half."""
    parser = argparse.ArgumentParser(description=__doc__.split("\n")[0])
    parser.add_argument("--coins", type=int, default=300)
    asked, began = parser.parse_args(), time.perf_counter()
    fine = True
    for settings in (TEN, OTHERS):
        found = table(
            {  # coins of their own for each setting, so that one bad hand is not seen ten times
                each.name: replayed(each, range(place * asked.coins, (place + 1) * asked.coins))
                for place, each in enumerate(settings)
            }
        )
        print(found.round(3).to_string(), end="\n\n")
        uniform = found["mean"].between(0.45, 0.55).all() and (found["p (Holm)"] > 0.01).all()
        fine = fine and (uniform or settings is OTHERS)
    print(f"{time.perf_counter() - began:.0f} s")
    return 0 if fine else 1


if __name__ == "__main__":
    sys.exit(main())
