"""200 series x 700 days, weekly against monthly against an alarm: `python benchmarks/panel.py`.

One global model with lags and rolling means by series, LightGBM where it is installed, on two
processes. Prints error and stability in one table, and the CPU time of each step beside that of
the same weekly refits in a loop by hand, which must give the same predictions.
"""

import argparse
import resource
import tempfile
import time
from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import replace
from importlib.util import find_spec
from typing import Any

import numpy as np
import pandas as pd
from joblib.externals.loky import get_reusable_executor
from sklearn.dummy import DummyRegressor
from sklearn.ensemble import HistGradientBoostingRegressor
from threadpoolctl import threadpool_limits

from backtrain import Backtest, Lags, Prices, Scaled, Strategy, Stream
from backtrain.datasets.synthetic import panel
from backtrain.strategies import Every, Expanding, Never, PerformanceDrop

START, _CHILDREN = "2024-12-02", resource.RUSAGE_CHILDREN
COLUMNS = ("total", "retrains", "MASE 7 by group", "WAPE", "changed", "changed_total")
LAGS = Lags(known=[1, 7, 14, 28], rolling=[("mean", 7), ("mean", 28)])


def model() -> Any:
    if find_spec("lightgbm"):
        from lightgbm import LGBMRegressor

        return LGBMRegressor(objective="poisson", n_jobs=1, verbose=-1)
    return HistGradientBoostingRegressor(loss="poisson")


def strategies() -> dict[str, Strategy]:
    alarm = PerformanceDrop("MASE 7", window=2_800, drop="10%")
    return {
        "static": Strategy(Never(), Expanding()),
        "monthly": Strategy(Every("MS"), Expanding()),
        "weekly": Strategy(Every("7D"), Expanding()),
        "alarm": Strategy(alarm, Expanding(), cooldown="7D"),
    }


def cpu() -> float:
    """Seconds of CPU of this process and its workers, which are counted once they have ended."""
    get_reusable_executor().shutdown(wait=True)
    return sum(sum(resource.getrusage(who)[:2]) for who in (resource.RUSAGE_SELF, _CHILDREN))


@contextmanager
def timed(what: str) -> Iterator[None]:
    wall, began = time.perf_counter(), cpu()
    yield
    print(f"{cpu() - began:7.1f} s of CPU {time.perf_counter() - wall:7.1f} s  {what}")


def by_hand(stream: Stream) -> np.ndarray:
    """What `weekly` is: a week's rows are predicted by a fit on all labels known at its start."""
    week, found = pd.Timedelta("7D"), []
    for now in pd.date_range(START, stream.event_time[-1], freq=week):
        serve = stream.rows(now, now + week)
        learnt = stream.label_time[: serve.start] <= now.to_datetime64()
        fitted = model().fit(stream.X[: serve.start][learnt], stream.y[: serve.start][learnt])
        found.append(fitted.predict(stream.X[serve]))
    return np.concatenate(found)


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--series", type=int, default=200)
    parser.add_argument("--days", type=int, default=700)
    parser.add_argument("--n-jobs", type=int, default=2)
    parser.add_argument("--no-hindsight", action="store_true", help="replays alone, no loss matrix")
    parsed = parser.parse_args()
    hindsight: bool | str = False if parsed.no_hindsight else "auto"
    with timed("all but the loop by hand"):
        with timed("panel made"):
            plain = panel(parsed.series, parsed.days)
        with timed(f"lags of {len(plain):,} rows"):
            stream = replace(plain, lags=LAGS)
        backtest = Backtest(
            stream,
            model(),
            start=START,
            loss=Scaled("absolute", 7),
            metrics=["MASE 7 by group", "WAPE"],
            prices=Prices(retrain=10, error=0.1),
        )
        with timed("four replays, and their hindsight"):
            comparison = backtest.compare(strategies(), n_jobs=parsed.n_jobs, hindsight=hindsight)
        with timed("table and verdict"):
            table, verdict = comparison.table(), comparison.verdict()
        with timed("report"), tempfile.TemporaryDirectory() as folder:
            comparison.to_html(f"{folder}/report.html")
    print(table[[name for name in COLUMNS if name in table]].round(4).to_string())
    print(verdict)
    free = replace(backtest, model=DummyRegressor())
    with timed("four replays of a model that costs nothing"):
        for name, strategy in strategies().items():
            free.replay(strategy, name)
    with threadpool_limits(1), timed("weekly, replayed again"):
        run = backtest.replay(strategies()["weekly"], "weekly")
    with threadpool_limits(1), timed("weekly, by hand"):
        hand = by_hand(stream)
    gap = np.abs(run.predictions["prediction"].to_numpy() - hand).max()
    print(f"predictions differ by {gap:g}")


if __name__ == "__main__":
    main()
