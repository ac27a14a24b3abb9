"""A weekly replay of LightGBM beside a loop by hand: `python benchmarks/lightgbm_weekly.py`.

200,000 rows of two years, ten features, windows of 90 days. Both are measured in turn in one run,
in CPU time on one thread, and must give the same predictions. At most 1.05 is wanted.
"""

import argparse
import time

import lightgbm
import numpy as np
import pandas as pd
from threadpoolctl import threadpool_limits

from backtrain import Backtest, Run, Strategy, Stream
from backtrain.simulator.replay import replay
from backtrain.strategies import Every, Sliding

START, WINDOW, WEEK = pd.Timestamp("2022-04-01"), pd.Timedelta("90D"), pd.Timedelta("7D")


def table(rows: int) -> tuple[np.ndarray, np.ndarray, np.ndarray]:
    random = np.random.default_rng(0)
    times = pd.date_range("2022-01-01", "2024-01-01", periods=rows).to_numpy("datetime64[ns]")
    X = random.normal(size=(rows, 10))
    return X, X @ random.normal(size=10) + np.sin(2 * X[:, 0]) + random.normal(size=rows), times


def model() -> lightgbm.LGBMRegressor:
    return lightgbm.LGBMRegressor(n_jobs=1, verbose=-1)


def ours(X: np.ndarray, y: np.ndarray, times: np.ndarray) -> Run:
    setup = Backtest(Stream(X, y, times), model(), tick="1D", start=START, features="array")
    return replay(setup, Strategy(Every("7D"), Sliding("90D")))


def by_hand(X: np.ndarray, y: np.ndarray, times: np.ndarray) -> np.ndarray:
    found = np.empty(len(y))
    for now in pd.date_range(START, times[-1], freq=WEEK):
        ends = [(now - WINDOW).to_datetime64(), now.to_datetime64(), (now + WEEK).to_datetime64()]
        old, new, stop = times.searchsorted(ends)
        if new < stop:
            found[new:stop] = model().fit(X[old:new], y[old:new]).predict(X[new:stop])
    return found[times.searchsorted(START.to_datetime64()) :]


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--rows", type=int, default=200_000)
    parser.add_argument("--rounds", type=int, default=3)
    parsed = parser.parse_args()
    history, ratios = table(parsed.rows), []
    with threadpool_limits(1):
        for _ in range(parsed.rounds):
            marks = [time.process_time()]
            run = ours(*history)
            marks.append(time.process_time())
            plain = by_hand(*history)
            marks.append(time.process_time())
            ratios.append((marks[1] - marks[0]) / (marks[2] - marks[1]))
            print(f"ours {marks[1] - marks[0]:.1f} s, by hand {marks[2] - marks[1]:.1f} s of CPU")
    gap = np.abs(run.predictions["prediction"].to_numpy() - plain).max()
    print(f"ratio {np.median(ratios):.3f}, predictions differ by {gap:g}")


if __name__ == "__main__":
    main()
