"""The replay gives the very predictions of the loop that people write by hand."""

import numpy as np
import pandas as pd
import pytest
from sklearn.ensemble import HistGradientBoostingClassifier
from sklearn.linear_model import Ridge

from backtrain import Backtest, Strategy, Stream
from backtrain.strategies import Every, Never, Sliding

LAGS, WINDOW, REFIT, FIRST = 24, 300, 24, 400


def lagged(n: int) -> tuple[np.ndarray, np.ndarray]:
    """The last 24 values of a noisy daily rhythm, and the next one."""
    random = np.random.default_rng(0)
    series = np.sin(np.arange(n + LAGS) * 2 * np.pi / 24) + random.normal(size=n + LAGS).cumsum()
    X = np.lib.stride_tricks.sliding_window_view(series, LAGS)[:n].copy()
    return X, series[LAGS:].copy()


@pytest.mark.parametrize("late", [0, 1, 5, 24, 30])
def test_ridge_on_lags_equals_the_plain_loop(late: int) -> None:
    X, y = lagged(1_000)
    times = pd.date_range("2024-01-01", periods=1_000, freq="h").to_numpy("datetime64[ns]")
    stream = Stream(X, y, times, times + np.timedelta64(late, "h"))
    backtest = Backtest(stream, Ridge(), tick="1h", start=times[FIRST])
    run = backtest.replay(Strategy(Every(f"{REFIT}h"), Sliding(WINDOW)))

    expected = np.empty(1_000 - FIRST)
    for row in range(FIRST, 1_000, REFIT):
        # At the time of row r the labels of rows up to r - late are known, its own never.
        known = row - late + 1 if late else row
        model = Ridge().fit(X[known - WINDOW : known], y[known - WINDOW : known])
        block = slice(row, min(row + REFIT, 1_000))
        expected[block.start - FIRST : block.stop - FIRST] = model.predict(X[block])

    assert np.abs(run.predictions["prediction"] - expected).max() < 1e-12
    assert run.totals["retrains"] == len(range(FIRST + REFIT, 1_000, REFIT))


def test_a_static_classifier_is_simply_fitted_once() -> None:
    X, y = lagged(600)
    late = np.where(np.diff(y, append=y[-1]) > 0, "up", "down")
    times = pd.date_range("2024-01-01", periods=600, freq="h").to_numpy("datetime64[ns]")
    model = HistGradientBoostingClassifier(max_iter=5, random_state=0)
    backtest = Backtest(
        Stream(X, late, times), model, start=times[300], loss="log", metrics=["ROC AUC"]
    )
    run = backtest.replay(Strategy(Never(), Sliding(300)))
    by_hand = model.fit(X[:300], late[:300])
    assert (run.predictions["prediction"] == by_hand.predict(X[300:])).all()
    assert (run.predictions["score"] == by_hand.predict_proba(X[300:])[:, 1]).all()
