"""What a sweep takes, by measurement on a small one and arithmetic on a large one.

Histories of several lengths over the same years are replayed through schedules, first with no fit
made, then with all of them there: what grows with rows is fitted by a line. Seconds are of CPU, so
a busy machine changes them little. What goes to workers is what joblib would pickle.

    python benchmarks/scaling.py --strategies 10000 --datasets 100 --rows 10000000
"""

import argparse
import pickle
import tempfile
import time
import tracemalloc
from pathlib import Path
from typing import NamedTuple

import cloudpickle
import numpy as np
import pandas as pd
from sklearn.linear_model import Ridge

from backtrain import Backtest, Prices, Strategy, Stream
from backtrain.lossmatrix.trial_models import effort
from backtrain.replays import _replayed
from backtrain.simulator.workshop import Workshop
from backtrain.store.fits import FitStore
from backtrain.strategies import Every, Sliding

YEARS, COLUMNS = 5, 10
STRATEGIES = {
    f"every {every}D on {length}D": Strategy(Every(f"{every}D"), Sliding(f"{length}D"))
    for every in (30, 60, 90)
    for length in (90, 180)
}


class Measured(NamedTuple):
    """Of one replay, on average: CPU seconds, bytes, and fits; CPU seconds of a trial model."""

    rows: int
    replay: float
    fit: float
    predictions: float
    rest: float
    asked: float
    computed: float
    store: float
    history: float
    task: float
    result: float
    memory: float
    trial: float


def history(rows: int) -> Stream:
    random = np.random.default_rng(0)
    X = random.normal(size=(rows, COLUMNS))
    y = X @ random.normal(size=COLUMNS) + random.normal(size=rows)
    first, last = np.datetime64("2020-01-01", "ns"), np.datetime64(f"{2020 + YEARS}-01-01", "ns")
    times = first + np.linspace(0, int((last - first).astype(int)), rows).astype("timedelta64[ns]")
    return Stream(X, y, times)


def measure(rows: int) -> Measured:
    with tempfile.TemporaryDirectory() as folder:
        backtest = Backtest(
            history(rows), Ridge(), prices=Prices(retrain=5), cache=f"{folder}/fits"
        )
        took, runs = [], {}
        for _ in ("no fit is there", "all are"):
            warm = Backtest(
                backtest.stream, Ridge(), prices=Prices(retrain=5), cache=f"{folder}/fits"
            )
            began = time.process_time()
            for name, strategy in STRATEGIES.items():
                runs[name] = _replayed(warm, warm.store, name, strategy, {}, Path(folder))
            took.append(time.process_time() - began)
            if len(took) == 1:
                computed = warm.store.computed
        cold, again = (seconds / len(STRATEGIES) for seconds in took)
        files = list(Path(folder).glob("*/predictions.parquet"))
        predictions = sum(file.stat().st_size for file in files) / len(files)
        whole = sum(file.stat().st_size for file in Path(folder).glob("*/*.*")) / len(files)
        workshop = Workshop(Path(folder))
        workshop.put((backtest, backtest.store))
        sent = sum(file.stat().st_size for file in workshop.path.iterdir())
        name, strategy = next(iter(STRATEGIES.items()))
        task = len(cloudpickle.dumps((_replayed, name, (name, strategy, {}, Path(folder)))))
        return Measured(
            *(rows, again, cold - again, predictions, whole - predictions),
            *(warm.store.asked / len(STRATEGIES), computed / len(STRATEGIES)),
            warm.store.info()["bytes"] / len(STRATEGIES),
            *(sent, task, len(pickle.dumps(runs[name]))),
            peak(warm, folder),
            effort(warm, strategy.window, strategy.update, warm.store, every=3).model,
        )


def peak(backtest: Backtest, folder: str) -> int:
    """Bytes that a replay takes at once beside the history, of NumPy and pandas."""
    name, strategy = next(iter(STRATEGIES.items()))
    tracemalloc.start()
    _replayed(backtest, FitStore(), name, strategy, {}, Path(folder))
    found = tracemalloc.get_traced_memory()[1]
    tracemalloc.stop()
    return found


def at(rows: int, points: list[Measured], key: str) -> float:
    """What grows with rows, by the line through what was measured."""
    x, y = [p.rows for p in points], [getattr(p, key) for p in points]
    slope, start = np.polyfit(x, y, 1)
    return float(start + slope * rows)


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--measured", type=int, nargs="+", default=[200_000, 400_000, 800_000])
    parser.add_argument("--strategies", type=int, default=10_000)
    parser.add_argument("--datasets", type=int, default=100)
    parser.add_argument("--rows", type=int, default=10_000_000)
    parser.add_argument("--cores", type=int, default=100)
    given = parser.parse_args()
    measure(10_000)  # what is only imported once
    points = [measure(rows) for rows in given.measured]
    print(
        f"a replay, {YEARS} years x {COLUMNS} columns, Ridge, ticks of a day, on average of",
        end=" ",
    )
    print(f"{len(STRATEGIES)} strategies")
    print(pd.DataFrame(points).set_index("rows").round(3).to_string())
    replays = given.strategies * given.datasets
    one = {key: at(given.rows, points, key) for key in Measured._fields}
    hours = replays * (one["replay"] + one["fit"]) / 3600
    shared, own = one["history"] / 1e9, one["memory"] / 1e9
    trials = given.datasets * 700 * one["trial"] / 3600
    print(f"\n{given.strategies:,} strategies x {given.datasets} histories x {given.rows:,} rows")
    print(f"a replay      {one['replay'] + one['fit']:.2f} s, of which {one['fit']:.2f} s fits")
    print(
        f"all           {hours:,.0f} core hours, {hours / given.cores:.1f} h on {given.cores} cores"
    )
    print(f"hindsight     {trials:,.1f} core hours a window: 700 trial models of each history")
    print(f"memory        {own:.2f} GB a worker, and {shared:.2f} GB that those of a host share")
    moved = replays * (one["task"] + one["result"])
    print(f"moved         {moved / 1e9:.1f} GB of tasks and results through the scheduler")
    print(f"read by hosts {given.datasets * one['history'] / 1e9:,.0f} GB of histories, each host "
          "those that it works on")  # fmt: skip
    for kept, size in (("all", one["predictions"] + one["rest"]), ("but predictions", one["rest"])):
        print(
            f"kept, {kept:16}{replays * size / 1e12:,.2f} TB of records, {size / 1e6:.2f} MB each"
        )
    print(
        f"fits          {one['store'] / 1e6:.1f} MB a replay without a bound; the store keeps 4 GiB"
    )


if __name__ == "__main__":
    main()
