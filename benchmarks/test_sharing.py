"""One fit once: interval grids, the warm store, processes."""

import numpy as np
import pandas as pd
from sklearn.linear_model import Ridge
from slow import Slow
from threadpoolctl import threadpool_limits

from backtrain import Backtest, Strategy, Stream
from backtrain.simulator.replay import replay
from backtrain.store.fits import FitStore
from backtrain.strategies import EveryRows, Sliding

GRID = (1, 2, 3, 4, 6, 8, 12, 24, 48, 96)
STEPS, WINDOW = 2_000, 500


def grid_backtest() -> Backtest:
    random = np.random.default_rng(0)
    X = random.normal(size=(WINDOW + STEPS, 24))
    y = X @ random.normal(size=24) + random.normal(size=len(X))
    times = pd.date_range("2024-01-01", periods=len(X), freq="h").to_numpy("datetime64[ns]")
    return Backtest(Stream(X, y, times), Ridge(), tick=1, start=times[WINDOW])


def run_grid(backtest: Backtest, store: FitStore) -> int:
    for n in GRID:
        replay(backtest, Strategy(EveryRows(n), Sliding(WINDOW)), store)
    return store.computed


def only_fits(backtest: Backtest) -> None:
    """The distinct fits of the grid and nothing else."""
    X, y = backtest.stream.X, backtest.stream.y
    for row in range(WINDOW, WINDOW + STEPS):
        Ridge().fit(X[row - WINDOW : row], y[row - WINDOW : row])


def test_an_interval_grid_computes_distinct_fits_only(figure, benchmark):
    found = benchmark.pedantic(lambda: run_grid(grid_backtest(), FitStore()), rounds=1)
    figure(found, "2000, not 5065")
    assert found == STEPS


def test_an_interval_grid_against_its_fits(ratio):
    backtest = grid_backtest()
    with threadpool_limits(1):
        ratio(
            lambda: run_grid(backtest, FitStore()),
            lambda: only_fits(backtest),
            "at most 1.25",
            rounds=3,
        )


def test_a_warm_store_computes_nothing(figure, benchmark, tmp_path):
    backtest = grid_backtest()
    run_grid(backtest, FitStore(tmp_path))
    found = benchmark.pedantic(lambda: run_grid(backtest, FitStore(tmp_path)), rounds=1)
    figure(found, "0")
    assert found == 0


def test_two_processes_against_one(ratio):
    stream = grid_backtest().stream
    start = stream.event_time[WINDOW]
    strategies = {f"{n} rows": Strategy(EveryRows(160), Sliding(n)) for n in (300, 350, 400, 450)}

    def compare(n_jobs: int) -> object:
        backtest = Backtest(stream, Slow(), tick=160, start=start)
        return backtest.compare(strategies, n_jobs=n_jobs, hindsight=False)

    found = ratio(lambda: compare(1), lambda: compare(2), "at least 1.6", rounds=3)
    assert found > 0
