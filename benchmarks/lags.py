"""What lags cost beside the same columns by pandas, which look at no label time, and so leak.

A million rows: one series, and 200 of them; four lags and a rolling mean of a week, labels a day
late, and out of order. CPU time, the least of three, and how much memory beside the result.

    python benchmarks/lags.py --rows 1000000
"""

import argparse
import time
import tracemalloc
from collections.abc import Callable
from dataclasses import replace

import numpy as np
import pandas as pd

from backtrain.datasets.lags import Lags
from backtrain.datasets.stream import Stream

KNOWN = (1, 24, 48, 168)


def history(rows: int, series: int) -> Stream:
    """Rows an hour apart in each of so many series, labels a day late."""
    rng = np.random.default_rng(0)
    hours = np.repeat(np.arange(rows // series), series)
    event = hours.astype("M8[h]").astype("M8[ns]")
    X = np.column_stack([np.tile(np.arange(series), rows // series), rng.random((len(hours), 4))])
    label = event + np.timedelta64(24, "h")
    return Stream(X, rng.random(len(hours)), event, label, columns=("store", *"abcd"))


def leaking(stream: Stream) -> pd.DataFrame:
    """By `groupby`, `shift` and `rolling`."""
    frame = pd.DataFrame({"store": stream.X[:, 0], "t": stream.event_time, "y": stream.y})
    own = frame.groupby("store")["y"]
    made = {f"known_{k}": own.shift(k) for k in KNOWN}
    means = frame.set_index("t").groupby("store")["y"].rolling("7D", closed="left").mean()
    order = np.argsort(stream.X[:, 0], kind="stable")
    made["mean"] = pd.Series(means.to_numpy(), index=order)
    return pd.DataFrame(made)


def least(work: Callable[[], object]) -> float:
    """CPU seconds, the least of three."""
    taken = []
    for _ in range(3):
        began = time.process_time()
        work()
        taken.append(time.process_time() - began)
    return min(taken)


def main() -> None:
    """Print a line for each history."""
    parser = argparse.ArgumentParser(description=__doc__.partition("\n")[0])
    parser.add_argument("--rows", type=int, default=1_000_000)
    rows = parser.parse_args().rows
    lags = Lags(known=KNOWN, rolling=[("mean", "7D")], by="store")
    for series in (1, 200):
        stream = history(rows, series)
        delays = np.random.default_rng(1).lognormal(0, 0.5, len(stream)) * 86_400e9
        mixed = stream.with_label_time(stream.event_time + delays.astype("m8[ns]"))
        pandas = least(lambda stream=stream: leaking(stream))
        for what, one in (("in order", stream), ("out of order", mixed)):
            ours = least(lambda one=one: replace(one, lags=lags))
            print(f"{series:>4} series, {what}: {ours:.2f} s, {ours / pandas:.1f} x pandas")
        tracemalloc.start()
        made = replace(stream, lags=lags)
        peak, held = tracemalloc.get_traced_memory()[1], made.X.nbytes
        tracemalloc.stop()
        print(f"{series:>4} series: peak {peak / held:.1f} x the bytes of the new features")


if __name__ == "__main__":
    main()
