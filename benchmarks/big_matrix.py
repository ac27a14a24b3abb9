"""A loss matrix of ``python big_matrix.py ROWS`` rows; prints bytes beside history and setup."""

import json
import sys

import numpy as np
from big_table import peak
from sklearn.linear_model import Ridge

from backtrain import Backtest, Stream
from backtrain.strategies import Sliding

FEATURES, MODELS = 10, 300


def measure(n: int) -> dict[str, float]:
    random = np.random.default_rng(0)
    X = random.standard_normal((n, FEATURES))
    y = X @ random.standard_normal(FEATURES) + random.standard_normal(n)
    times = np.datetime64("2020-01-01", "ns") + np.arange(n) * np.timedelta64(60_000_000_000, "ns")
    backtest = Backtest(Stream(X, y, times), Ridge(), tick=round(n * 0.8 / MODELS))
    backtest.stream.fingerprint  # noqa: B018 - computed once, kept
    before = peak()
    matrix = backtest.loss_matrix(Sliding("28D"))
    return {"rows": n, "models": len(matrix), "beside": peak() - before}


if __name__ == "__main__":
    print(json.dumps(measure(int(sys.argv[1]))))
