"""The same job given to other libraries, with the same predictions; skipped without them."""

import numpy as np
import pandas as pd
import pytest
from river.base import Regressor
from river.compat import convert_sklearn_to_river
from river.linear_model import LinearRegression
from river.optim import SGD
from river.stream import simulate_qa
from sklearn.linear_model import Ridge, SGDRegressor
from threadpoolctl import threadpool_limits

from backtrain import Backtest, Prices, Strategy, Stream
from backtrain.strategies import Every, EveryRows, Expanding, PartialFit, Sliding

LAGS, WINDOW, REFIT, ROWS = 24, 1_000, 24, 4_000
HOUR = np.timedelta64(3_600_000_000_000, "ns")


@pytest.fixture(scope="module")
def series() -> pd.Series:
    random = np.random.default_rng(0)
    n = ROWS + LAGS
    values = np.sin(np.arange(n) * 2 * np.pi / 24) + random.normal(size=n).cumsum()
    return pd.Series(values, index=pd.date_range("2024-01-01", periods=n, freq="h"), name="y")


def ours(series: pd.Series) -> np.ndarray:
    """One row ahead by its true lags, refitted every 24 rows on the newest 1,000."""
    values = series.to_numpy()
    X = np.lib.stride_tricks.sliding_window_view(values, LAGS)[:-1].copy()
    times = series.index[LAGS:]
    backtest = Backtest(Stream(X, values[LAGS:], times), Ridge(), tick=REFIT, start=times[WINDOW])
    run = backtest.replay(Strategy(EveryRows(REFIT), Sliding(WINDOW)))
    return run.predictions["prediction"].to_numpy()


def skforecast(series: pd.Series, **folds: int) -> np.ndarray:
    """Of the first 1,024 values skforecast makes 1,000 rows of 24 lags."""
    from skforecast.model_selection import TimeSeriesFold, backtesting_forecaster
    from skforecast.recursive import ForecasterRecursive

    _, found = backtesting_forecaster(
        ForecasterRecursive(Ridge(), lags=LAGS),
        series,
        TimeSeriesFold(initial_train_size=WINDOW + LAGS, **folds, verbose=False),
        metric="mean_absolute_error",
        n_jobs=1,
        show_progress=False,
        suppress_warnings=True,
    )
    return found["pred"].to_numpy()


def test_skforecast_one_row_ahead(ratio, series):
    """Folds of one row, of which every 24th is fitted anew: equal predictions."""
    pytest.importorskip("skforecast")

    def theirs() -> np.ndarray:
        return skforecast(series, steps=1, refit=REFIT)

    with threadpool_limits(1):
        ratio(theirs, lambda: ours(series), rounds=3)
        assert np.abs(theirs() - ours(series)).max() < 1e-6


def test_skforecast_at_its_own_horizon(ratio, series):
    """Folds of 24 rows, as it is mostly used: the same fits, but other answers."""
    pytest.importorskip("skforecast")

    def theirs() -> np.ndarray:
        return skforecast(series, steps=REFIT, refit=1)

    with threadpool_limits(1):
        ratio(theirs, lambda: ours(series), rounds=3)
        # The first row of each fold is known by its true lags to both.
        assert np.abs(theirs()[::REFIT] - ours(series)[::REFIT]).max() < 1e-6


DAY, LATE, BEFORE = 24, 5 * 24, 42 * 24
STEP = 0.002


def nightly() -> Stream:
    """Hourly rows; at midnight come the labels of the day that ended five days before."""
    random = np.random.default_rng(0)
    X = random.normal(size=(ROWS, LAGS))
    y = X @ random.normal(size=LAGS) + random.normal(size=ROWS)
    start = np.datetime64("2024-01-01", "ns")
    rows = np.arange(ROWS)
    known = (rows // DAY + 1) * DAY + LATE
    return Stream(X, y, start + rows * HOUR, start + known * HOUR)


def linear() -> SGDRegressor:
    """Plain gradient steps, one a row, in order."""
    return SGDRegressor(
        learning_rate="constant", eta0=STEP, penalty=None, shuffle=False, max_iter=1, tol=None
    )


def learnt_by_us(stream: Stream) -> np.ndarray:
    """One pass over each night's labels."""
    backtest = Backtest(stream, linear(), tick=DAY, start=stream.event_time[BEFORE])
    run = backtest.replay(Strategy(Every("1D"), Expanding(), PartialFit()))
    return run.predictions["prediction"].to_numpy()


def learnt_by_river(stream: Stream, model: Regressor) -> np.ndarray:
    """The same steps, a call each."""
    rows = [dict(zip(stream.columns, row, strict=True)) for row in stream.X.tolist()]
    wait = iter(((stream.label_time - stream.event_time) // HOUR).tolist())
    found = np.empty(ROWS)
    dataset = zip(rows, stream.y.tolist(), strict=True)
    for row, x, y in simulate_qa(dataset, None, lambda x, y: next(wait), copy=False):
        if y is None:
            found[row] = model.predict_one(x)
        else:
            model.learn_one(x, y)
    return found[BEFORE:]


MODELS = {
    # Its squared loss has twice the gradient.
    "its own": lambda: LinearRegression(SGD(STEP / 2), intercept_lr=STEP / 2),
    "scikit-learn": lambda: convert_sklearn_to_river(linear()),
}


@pytest.mark.parametrize("model", MODELS)
def test_river_with_late_labels(ratio, model):
    def theirs() -> np.ndarray:
        return learnt_by_river(nightly(), MODELS[model]())

    def ours() -> np.ndarray:
        return learnt_by_us(nightly())

    with threadpool_limits(1):
        ratio(theirs, ours, rounds=3)
        assert np.abs(theirs() - ours()).max() < 1e-6


# --- the best schedule in hindsight ---------------------------------------------------------------

STEPS_AHEAD, PRICE = 120, 40.0


def drifting() -> Stream:
    random = np.random.default_rng(0)
    X = random.normal(size=(ROWS, LAGS))
    weights = random.normal(size=(ROWS, LAGS)).cumsum(axis=0) / 60
    times = np.datetime64("2024-01-01", "ns") + np.arange(ROWS) * HOUR
    return Stream(X, (X * weights).sum(axis=1) + random.normal(size=ROWS), times)


def best_by_us(stream: Stream) -> float:
    backtest = Backtest(
        stream, Ridge(), tick=DAY, start=stream.event_time[ROWS - STEPS_AHEAD * DAY]
    )
    matrix = backtest.loss_matrix(Sliding(WINDOW))
    return matrix.oracle(Prices(retrain=PRICE, error=1)).cost


def best_by_retrainopt(stream: Stream) -> float:
    """Its exact plan: every candidate on the newest 1,000 rows, scored on all days that follow."""
    from retrainopt import ModelAdapter, PlannerConfig, RetrainingPlanner, TimelineDataset

    first = ROWS - STEPS_AHEAD * DAY

    class Days(TimelineDataset):
        num_steps = STEPS_AHEAD

        def get_train_block(self, step: int) -> slice:
            now = first + step * DAY
            return slice(now - WINDOW, now)

        def get_eval_block(self, step: int) -> slice:
            return slice(first + step * DAY, first + (step + 1) * DAY)

        def train_size(self, step: int) -> int:
            return WINDOW

    class Linear(ModelAdapter):
        def fit(self, train_data: slice, **_: object) -> Ridge:
            return Ridge().fit(stream.X[train_data], stream.y[train_data])

        def evaluate(self, model: Ridge, eval_data: slice, **_: object) -> float:
            error = model.predict(stream.X[eval_data]) - stream.y[eval_data]
            return float(np.abs(error).sum())

    planner = RetrainingPlanner(
        Days(), Linear(), PlannerConfig(n_choices=(1.0,)), training_cost_fn=lambda **_: PRICE
    )
    return planner.plan("exact").total_cost


def test_retrainopt_exact_plan(ratio):
    pytest.importorskip("retrainopt")
    stream = drifting()
    with threadpool_limits(1):
        ratio(lambda: best_by_retrainopt(stream), lambda: best_by_us(stream), rounds=3)
        assert best_by_retrainopt(stream) == pytest.approx(best_by_us(stream), rel=1e-9)


def test_lfmm_oracle(ratio):
    """Its dynamic programming and ours on the very same losses."""
    retrain = pytest.importorskip("lfmm.retrain")
    stream = drifting()
    backtest = Backtest(
        stream, Ridge(), tick=DAY, start=stream.event_time[ROWS - STEPS_AHEAD * DAY]
    )
    matrix = backtest.loss_matrix(Sliding(WINDOW))
    prices = Prices(retrain=PRICE, error=1)
    bank = retrain.ModelBank(
        stream=None,
        freq="D",
        periods=list(range(STEPS_AHEAD)),
        models=[],
        loss=np.where(np.isfinite(matrix.loss), matrix.loss, np.nan),
        loss_name="absolute",
    )

    def theirs() -> float:
        loss, starts = retrain.oracle(bank, PRICE)
        return loss + PRICE * len(starts)

    ratio(theirs, lambda: matrix.oracle(prices).cost, rounds=5)
    assert theirs() == pytest.approx(matrix.oracle(prices).cost, rel=1e-9)
