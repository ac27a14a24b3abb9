"""What it costs to note how much answers change at deployments: `python benchmarks/stability.py`.

Weekly and daily retrains on 8,000 hours, replayed as ever and without the comparison of versions,
in turn in one run, in CPU time on one thread; then all once more with every fit and answer in the
store. At most 1.05 is wanted of weekly replays.
"""

import argparse
import statistics
import time
from typing import Any

import numpy as np
import pandas as pd
from sklearn.ensemble import HistGradientBoostingRegressor
from sklearn.linear_model import Ridge
from sklearn.neighbors import KNeighborsRegressor
from threadpoolctl import threadpool_limits

from backtrain import Backtest, Strategy, Stream
from backtrain.simulator.replay import replay
from backtrain.simulator.trainer import Trainer
from backtrain.store.fits import FitStore
from backtrain.strategies import Every, Sliding


def stream(rows: int) -> Stream:
    random = np.random.default_rng(0)
    X = random.normal(size=(rows, 12))
    y = X @ random.normal(size=12) + np.sin(2 * X[:, 0]) + random.normal(size=rows)
    return Stream(X, y, pd.date_range("2024-01-01", periods=rows, freq="h").to_numpy())


def models() -> dict[str, Any]:
    found = {
        "Ridge": Ridge(),
        "HistGradientBoosting": HistGradientBoostingRegressor(random_state=0),
        "nearest neighbours": KNeighborsRegressor(),
    }
    try:
        import lightgbm
    except ImportError:
        return found
    return found | {"LightGBM": lightgbm.LGBMRegressor(n_jobs=1, verbose=-1)}


def seconds(setup: Backtest, every: str, store: FitStore, noted: bool) -> float:
    note = Trainer.replaced
    if not noted:
        Trainer.replaced = lambda self, candidate: None  # type: ignore[method-assign]
    try:
        began = time.process_time()
        replay(setup, Strategy(Every(every), Sliding("90D")), store)
        return time.process_time() - began
    finally:
        Trainer.replaced = note  # type: ignore[method-assign]


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--rows", type=int, default=8_000)
    parser.add_argument("--rounds", type=int, default=9)
    parser.add_argument("--models", nargs="*", help="some of them; all by default")
    parsed = parser.parse_args()
    history = stream(parsed.rows)
    with threadpool_limits(1):
        for name, model in models().items():
            if parsed.models and name not in parsed.models:
                continue
            setup = Backtest(history, model, tick="1D", start=0.3, features="array")
            for every in ("7D", "1D"):
                kept = FitStore()
                seconds(setup, every, kept, noted=True)
                fresh, warm = ([], [])
                for _ in range(parsed.rounds):
                    pair = [seconds(setup, every, FitStore(), noted) for noted in (True, False)]
                    fresh.append(pair[0] / pair[1])
                    pair = [seconds(setup, every, kept, noted) for noted in (True, False)]
                    warm.append(pair[0] / pair[1])
                ratios = ", ".join(f"{statistics.median(one):.3f}" for one in (fresh, warm))
                print(f"{name:22}{every:4} nothing stored, all stored: {ratios}", flush=True)


if __name__ == "__main__":
    main()
