"""Forecasts of a day, refitted every day, beside skforecast and mlforecast: equality, and time.

One series of hours, 24 lags, the hour and the day known in advance; recursive and direct. How far
answers lie apart, relative to their size, and our CPU time as a share of theirs, in one process.

    pip install -e '.[forecasters]' && python benchmarks/forecasters.py --days 60 --served 10
"""

import argparse
import time
import warnings
from collections.abc import Callable
from typing import Any

import numpy as np
import pandas as pd
from sklearn.ensemble import HistGradientBoostingRegressor
from sklearn.linear_model import LinearRegression
from threadpoolctl import threadpool_limits

from backtrain import Backtest, Strategy
from backtrain.datasets.horizon import Horizon
from backtrain.datasets.lags import Lags
from backtrain.datasets.stream import Stream
from backtrain.models import OnePer, Recursive
from backtrain.strategies import Every, Expanding

LAGS, STEPS = list(range(1, 25)), 24
AHEAD = ["hour", "day"]


def history(days: int) -> pd.DataFrame:
    rng = np.random.default_rng(0)
    at = pd.date_range("2024-01-01 01:00", periods=24 * days, freq="h")
    wave = 3 * np.sin(2 * np.pi * at.hour / 24)
    y = 50 + wave + np.cumsum(rng.normal(size=len(at))) / 10 + rng.normal(size=len(at))
    hour, day = at.hour.astype(float), at.dayofweek.astype(float)
    return pd.DataFrame({"unique_id": "a", "ds": at, "y": y, "hour": hour, "day": day})


def whole_origins(view: Any) -> Any:
    """Origins of which every step is known: skforecast's direct models learn from these alone."""
    rows = view.labelled.all()
    rows = np.arange(rows.start, rows.stop) if isinstance(rows, slice) else rows
    return rows[view.event_time(rows) <= (view.now - pd.Timedelta(hours=STEPS)).to_datetime64()]


def ours(table: pd.DataFrame, estimator: Any, kind: str, served: int, whole: bool) -> pd.Series:
    ahead = AHEAD if kind == "recursive" or whole else []
    between = "first" if kind == "recursive" else "all"
    stream = Stream.from_frame(
        table[["ds", "y", *ahead]], target="y", time="ds", lags=Lags(known=LAGS)
    ).forecasts(Horizon(STEPS, "24h", ahead, between, path=kind == "recursive"))
    direct = OnePer(estimator, "step", dropna=True)
    model = Recursive(estimator) if kind == "recursive" else direct
    start = pd.Timestamp(table["ds"].iloc[len(table) - 24 * served - 1])
    window = whole_origins if whole and kind == "direct" else Expanding()
    backtest = Backtest(stream, model, start=start, tick="24h")
    rows = backtest.replay(Strategy(Every("24h"), window), kind).predictions
    return rows.set_index("target_time")["prediction"]


def by_skforecast(table: pd.DataFrame, estimator: Any, kind: str, served: int) -> pd.Series:
    from skforecast.direct import ForecasterDirect
    from skforecast.model_selection import TimeSeriesFold, backtesting_forecaster
    from skforecast.recursive import ForecasterRecursive

    indexed = table.set_index("ds").asfreq("h")
    made = ForecasterRecursive(estimator=estimator, lags=LAGS)
    if kind == "direct":
        made = ForecasterDirect(estimator=estimator, lags=LAGS, steps=STEPS)
    size = len(table) - 24 * served
    cv = TimeSeriesFold(STEPS, initial_train_size=size, refit=1, fixed_train_size=False)
    _, found = backtesting_forecaster(
        made, indexed["y"], cv, "mean_absolute_error", exog=indexed[AHEAD], n_jobs=1,
        show_progress=False,
    )  # fmt: skip
    return found["pred"]


def by_mlforecast(table: pd.DataFrame, estimator: Any, kind: str, served: int) -> pd.Series:
    from mlforecast import MLForecast

    found = MLForecast(models={"it": estimator}, freq="h", lags=LAGS).cross_validation(
        table if kind == "recursive" else table.drop(columns=AHEAD),
        n_windows=served,
        h=STEPS,
        step_size=STEPS,
        refit=True,
        static_features=[],
        max_horizon=None if kind == "recursive" else STEPS,
    )
    return found.set_index("ds")["it"]


def timed(work: Callable[[], pd.Series]) -> tuple[pd.Series, float]:
    with threadpool_limits(1):  # else threads that wait for each other count as work
        began = time.process_time()
        found = work()
        return found, time.process_time() - began


def main() -> None:
    """Print a line for each estimator, kind and peer."""
    parser = argparse.ArgumentParser(description=__doc__.partition("\n")[0])
    parser.add_argument("--days", type=int, default=60)
    parser.add_argument("--served", type=int, default=10)
    given = parser.parse_args()
    warnings.simplefilter("ignore")
    table = history(given.days)
    peers = {"skforecast": by_skforecast, "mlforecast": by_mlforecast}
    for peer in peers.values():  # imports and what is compiled once
        peer(history(6), LinearRegression(), "recursive", 1)
    print(f"{'estimator':<32}{'kind':<11}{'peer':<12}{'apart':>9}{'ours':>9}{'share':>8}")
    for estimator in (LinearRegression(), HistGradientBoostingRegressor(max_iter=20)):
        for kind in ("recursive", "direct"):
            for name, peer in peers.items():
                job = (table, estimator, kind, given.served)
                mine, took = timed(lambda job=job, name=name: ours(*job, name == "skforecast"))
                theirs, other = timed(lambda job=job, peer=peer: peer(*job))
                apart = float(np.abs(mine / theirs - 1).max())
                kind_of = type(estimator).__name__
                line = f"{kind_of:<32}{kind:<11}{name:<12}{apart:>9.0e}{took:>8.1f}s"
                print(f"{line}{took / other:>8.2f}", flush=True)


if __name__ == "__main__":
    main()
