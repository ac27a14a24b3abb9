"""What the replay costs on top of the fits and predictions themselves."""

import time
from collections.abc import Callable
from typing import Any

import numpy as np
import pandas as pd
import pytest
from handmade import InInit
from sklearn.ensemble import HistGradientBoostingRegressor
from sklearn.linear_model import Ridge
from threadpoolctl import threadpool_limits

from backtrain import Backtest, Prices, Run, Strategy, Stream
from backtrain.datasets.bundled import bike
from backtrain.simulator.replay import replay
from backtrain.store.fits import FitStore
from backtrain.strategies import Every, EveryRows, Sliding

LAGS, WINDOW, REFIT, ROWS = 24, 1_000, 24, 4_000


def lagged(n: int = ROWS) -> tuple[np.ndarray, np.ndarray, np.ndarray]:
    random = np.random.default_rng(0)
    series = np.sin(np.arange(n + LAGS) * 2 * np.pi / 24) + random.normal(size=n + LAGS).cumsum()
    X = np.lib.stride_tricks.sliding_window_view(series, LAGS)[:n].copy()
    times = pd.date_range("2024-01-01", periods=n, freq="h").to_numpy("datetime64[ns]")
    return X, series[LAGS:].copy(), times


def by_hand(X: np.ndarray, y: np.ndarray, make: Callable[[], Any] = Ridge) -> np.ndarray:
    """The loop on array slices, which predicts each block in one call."""
    found = np.empty(len(y) - WINDOW)
    for row in range(WINDOW, len(y), REFIT):
        model = make().fit(X[row - WINDOW : row], y[row - WINDOW : row])
        block = slice(row, min(row + REFIT, len(y)))
        found[block.start - WINDOW : block.stop - WINDOW] = model.predict(X[block])
    return found


@pytest.mark.parametrize("tick", [24, 1])
def test_ridge_replay_against_a_loop_by_hand(ratio, tick):
    X, y, times = lagged()
    strategy = Strategy(EveryRows(REFIT), Sliding(WINDOW))

    def ours() -> object:
        # A new stream each time, so that hashing it is part of what is measured.
        stream = object.__new__(Stream)
        stream.__dict__.update({k: v for k, v in plain.items() if k != "fingerprint"})
        return replay(Backtest(stream, Ridge(), tick=tick, start=times[WINDOW]), strategy)

    plain = vars(Stream(X, y, times))
    with threadpool_limits(1):
        ratio(ours, lambda: by_hand(X, y), "at most 1.3")
    assert np.abs(ours().predictions["prediction"] - by_hand(X, y)).max() < 1e-9


def lightgbm() -> Any:
    given = {"n_estimators": 20, "num_leaves": 15, "verbose": -1, "n_jobs": 1}
    return pytest.importorskip("lightgbm").LGBMRegressor(**given)


@pytest.mark.parametrize("make", [InInit, lightgbm], ids=["by hand", "LightGBM"])
def test_a_model_that_is_asked_twice_against_a_loop_by_hand(ratio, make):
    """What is not scikit-learn's own is asked again after each fit, and with other neighbours."""
    X, y, times = lagged()
    strategy = Strategy(EveryRows(REFIT), Sliding(WINDOW))

    def ours() -> Run:
        stream = Stream(X, y, times)
        start = times[WINDOW]
        backtest = Backtest(stream, make(), tick=REFIT, start=start, features="array")
        return replay(backtest, strategy)

    with threadpool_limits(1):
        ratio(ours, lambda: by_hand(X, y, make), rounds=3)
    assert np.abs(ours().predictions["prediction"] - by_hand(X, y, make)).max() < 1e-9


def test_a_cold_disk_store_per_fit(figure, benchmark, tmp_path):
    X, y, times = lagged()
    strategy = Strategy(EveryRows(REFIT), Sliding(WINDOW))
    backtest = Backtest(Stream(X, y, times), Ridge(), tick=REFIT, start=times[WINDOW])
    gaps = []
    for turn in range(7):
        seconds = []
        for store in (FitStore(), FitStore(tmp_path / str(turn))):
            began = time.perf_counter()
            run = replay(backtest, strategy, store)
            seconds.append(time.perf_counter() - began)
        gaps.append((seconds[1] - seconds[0]) / len(run.versions) * 1e3)
    benchmark.pedantic(lambda: None, rounds=1)
    figure(float(np.median(gaps)), "at most 0.3 ms")


class Timed(HistGradientBoostingRegressor):
    """Notes the time inside ``fit`` and ``predict``."""

    inside = 0.0

    def fit(self, *args, **kwargs):
        began = time.perf_counter()
        try:
            return super().fit(*args, **kwargs)
        finally:
            Timed.inside += time.perf_counter() - began

    def predict(self, X):
        began = time.perf_counter()
        try:
            return super().predict(X)
        finally:
            Timed.inside += time.perf_counter() - began


def test_boosting_replay_against_time_inside_fit_and_predict(figure, benchmark):
    backtest = Backtest(
        bike(), Timed(max_iter=60), features="array", start="2011-04-01", prices=Prices(retrain=20)
    )
    backtest.stream.fingerprint  # noqa: B018 - computed once, kept
    ratios = []
    for _ in range(3):
        Timed.inside = 0.0
        began = time.perf_counter()
        replay(backtest, Strategy(Every("7D"), Sliding("90D")))
        ratios.append((time.perf_counter() - began) / Timed.inside)
    benchmark.pedantic(lambda: None, rounds=1)
    figure(float(np.median(ratios)), "at most 1.05")
