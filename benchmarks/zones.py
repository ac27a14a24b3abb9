"""What a time zone costs: CPU time of a weekly replay with one, over that without.

The schedule is elapsed time, so both train at the same instants and cost the same. Pairs are
measured in turn, in one process.

    python benchmarks/zones.py
"""

import time

import numpy as np
import pandas as pd
from sklearn.linear_model import Ridge

from backtrain import Backtest, Strategy, Stream
from backtrain.strategies import Every, Sliding

ROWS, PAIRS = 20_000, 9
WEEKLY = {"168h, tick 24h": ("168h", "24h"), "7D, tick 1D": ("7D", "1D")}


def stream(zone: str | None) -> Stream:
    """Hourly rows whose labels arrive 30 hours later."""
    rng = np.random.default_rng(0)
    X = rng.normal(size=(ROWS, 5))
    at = pd.date_range("2022-01-01", periods=ROWS, freq="h").to_numpy()
    y = X @ np.arange(5.0) + rng.normal(size=ROWS)
    return Stream(X, y, at, at + np.timedelta64(30, "h"), timezone=zone)


def seconds(history: Stream, every: str, tick: str) -> tuple[float, float]:
    """CPU time of a replay, and its total."""
    start = time.process_time()
    run = Backtest(history, Ridge(), tick=tick).replay(Strategy(Every(every), Sliding("90D")))
    return time.process_time() - start, run.totals["total"]


def main() -> None:
    """Print ratios."""
    histories = stream(None), stream("Europe/Berlin")
    for name, (every, tick) in WEEKLY.items():
        ratios, totals = [], set()
        for pair in range(PAIRS + 1):
            order = histories if pair % 2 else histories[::-1]
            taken = {}
            for history in order:
                taken[history.timezone], total = seconds(history, every, tick)
                totals.add(total)
            if pair:  # the first warms up
                ratios.append(taken["Europe/Berlin"] / taken[None])
        low, median, high = np.quantile(ratios, [0.25, 0.5, 0.75])
        same = "the same total" if len(totals) == 1 else "other totals, as days are local"
        print(f"{name:<15} zone / none {median:.3f} ({low:.3f} to {high:.3f}), {same}")


if __name__ == "__main__":
    main()
