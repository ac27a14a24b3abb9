"""Replays a linear model over ``python million.py ROWS`` rows; prints seconds and peak memory."""

import json
import resource
import sys
import time

import numpy as np
from sklearn.linear_model import Ridge
from threadpoolctl import threadpool_limits

from backtrain import Backtest, Prices, Strategy, Stream
from backtrain.strategies import Every, Never, Sliding

FEATURES = 10
MINUTE = np.timedelta64(60_000_000_000, "ns")


def history(n: int) -> Stream:
    """One row a minute; every fourth label is late by days, the others are known at once."""
    random = np.random.default_rng(0)
    X = random.normal(size=(n, FEATURES))
    y = X @ random.normal(size=FEATURES)
    y += random.normal(size=n)
    event_time = np.datetime64("2020-01-01", "ns") + np.arange(n) * MINUTE
    label_time = event_time.copy()
    days = random.exponential(2.0, size=len(label_time[::4]))
    label_time[::4] += (days * 86_400e9).astype("timedelta64[ns]")
    return Stream(X, y, event_time, label_time)


def peak() -> int:
    """Most bytes that were resident at once in this process."""
    unit = 1 if sys.platform == "darwin" else 1024
    return resource.getrusage(resource.RUSAGE_SELF).ru_maxrss * unit


def measure(n: int) -> dict[str, float]:
    libraries = peak()
    stream = history(n)
    made = peak()
    backtest = Backtest(stream, Ridge(), tick="1D", prices=Prices(retrain=5))
    began, cpu_began = time.perf_counter(), time.process_time()
    with threadpool_limits(1):
        comparison = backtest.compare(
            {
                "static": Strategy(Never(), Sliding("28D")),
                "weekly": Strategy(Every("7D"), Sliding("28D")),
            },
            hindsight=False,
        )
    seconds, cpu_seconds = time.perf_counter() - began, time.process_time() - cpu_began
    return {
        "rows": n,
        "retrains": comparison.runs["weekly"].totals["retrains"],
        "seconds": seconds,
        "cpu_seconds": cpu_seconds,
        "bytes_of_libraries": libraries,
        "bytes_with_stream": made,
        "bytes": peak(),
    }


if __name__ == "__main__":
    print(json.dumps(measure(int(sys.argv[1]))))
