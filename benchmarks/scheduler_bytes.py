"""Bytes that pass through a scheduler of Dask for nine strategies on a history of 10 MB.

Counted is what the process of scheduler and client writes to, and reads from, its connections.

    pip install -e '.[dask]' && python benchmarks/scheduler_bytes.py
"""

from typing import Any

import distributed
import distributed.comm.tcp as tcp
import joblib
import numpy as np
import pandas as pd
from sklearn.linear_model import Ridge

from backtrain import Backtest, Strategy, Stream
from backtrain.strategies import Every, Never, Sliding

STRATEGIES = {
    "never": Strategy(Never(), Sliding("30D")),
    **{
        f"every {days}D": Strategy(Every(f"{days}D"), Sliding("30D"))
        for days in (30, 45, 60, 75, 90, 120, 150, 180)
    },
}
ROWS = 80_000
moved = {"read": 0, "written": 0}


def count() -> None:
    """Count from now on."""
    read, write = tcp.read_bytes_rw, tcp.TCP.write

    async def reading(stream: Any, n: int) -> Any:
        moved["read"] += n
        return await read(stream, n)

    async def writing(self: Any, *args: Any, **keys: Any) -> int:
        n: int = await write(self, *args, **keys)
        moved["written"] += n
        return n

    tcp.read_bytes_rw, tcp.TCP.write = reading, writing


def history() -> Stream:
    random = np.random.default_rng(0)
    X = random.normal(size=(ROWS, 13))
    y = X @ random.normal(size=13) + random.normal(size=ROWS)
    return Stream(X, y, pd.date_range("2020-01-01", periods=ROWS, freq="15min").to_numpy())


def main() -> None:
    count()
    local = {"n_workers": 2, "threads_per_worker": 1, "dashboard_address": None}
    with distributed.LocalCluster(**local) as cluster, distributed.Client(cluster):
        for what, hindsight, tick in (("replays", False, "1D"), ("hindsight too", True, "7D")):
            moved.update(dict.fromkeys(moved, 0))
            setup = Backtest(history(), Ridge(), tick=tick)
            with joblib.parallel_config("dask"):
                setup.compare(STRATEGIES, n_jobs=2, hindsight=hindsight)
            told = ", ".join(f"{way} {n / 1e6:.2f} MB" for way, n in moved.items())
            print(f"{len(STRATEGIES)} strategies, {what}: {told}", flush=True)


if __name__ == "__main__":
    main()
