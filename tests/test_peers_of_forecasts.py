"""Forecasts equal those of skforecast and mlforecast where the job is the same, to rounding.

pip install -e '.[forecasters]' && pytest tests/test_peers_of_forecasts.py
"""

from collections.abc import Sequence
from typing import Any

import numpy as np
import pandas as pd
import pytest
from sklearn.ensemble import HistGradientBoostingRegressor
from sklearn.linear_model import LinearRegression

from backtrain import Backtest, Strategy
from backtrain.datasets.horizon import Horizon
from backtrain.datasets.lags import Lags
from backtrain.datasets.stream import Stream
from backtrain.models import OnePer, Recursive
from backtrain.strategies import Every, Expanding

#: Hours of the history, and those before the first forecast; the newest label then is of hour 0.
HOURS, BEFORE, STEPS = 24 * 14, 24 * 10, 24
LAGS = tuple(range(1, 13))
TOLERANCE = 1e-9
ESTIMATORS = [LinearRegression(), HistGradientBoostingRegressor(max_iter=8, random_state=0)]
NAMES = ["linear", "trees"]


def history(seed: int = 0) -> pd.DataFrame:
    rng = np.random.default_rng(seed)
    at = pd.date_range("2024-01-01 01:00", periods=HOURS, freq="h")
    wave = 3 * np.sin(2 * np.pi * at.hour / 24)
    y = 50 + wave + np.cumsum(rng.normal(size=HOURS)) / 10 + rng.normal(size=HOURS)
    hour, day = at.hour.astype(float), at.dayofweek.astype(float)
    return pd.DataFrame({"unique_id": f"s{seed}", "ds": at, "y": y, "hour": hour, "day": day})


def forecasts(
    table: pd.DataFrame, ahead: Sequence[str] = ("hour", "day"), path: bool = False
) -> Stream:
    series = Stream.from_frame(
        table.sort_values("ds", kind="stable")[["ds", "y", "unique_id", *ahead]],
        **{"target": "y", "time": "ds", "group": "unique_id", "lags": Lags(known=LAGS)},
    )
    return series.forecasts(Horizon(STEPS, origins="24h", ahead=ahead, path=path))


def served(stream: Stream, model: Any, every: str, window: Any) -> pd.Series:
    """What was answered, by group and time."""
    first = stream.series.event_time[0] if stream.series is not None else stream.event_time[0]
    start = pd.Timestamp(first) + pd.Timedelta(hours=BEFORE - 1)
    backtest = Backtest(stream, model, start=start, tick="24h")
    rows = backtest.replay(Strategy(Every(every), window), "it").predictions
    group = stream.group[rows["row"]]
    return rows.assign(group=group).set_index(["group", "target_time"])["prediction"].sort_index()


def same(ours: pd.Series, theirs: pd.Series) -> None:
    assert len(ours) == len(theirs) == (HOURS - BEFORE) * ours.index.get_level_values(0).nunique()
    np.testing.assert_allclose(ours.to_numpy(), theirs.sort_index().to_numpy(), rtol=TOLERANCE)


def whole_origins(view: Any) -> Any:
    """Rows of the origins of which every step is known: skforecast learns from these alone."""
    rows = view.labelled.all()
    rows = np.arange(rows.start, rows.stop) if isinstance(rows, slice) else rows
    return rows[view.event_time(rows) <= (view.now - pd.Timedelta(hours=STEPS)).to_datetime64()]


@pytest.mark.parametrize("estimator", ESTIMATORS, ids=NAMES)
@pytest.mark.parametrize("kind", ["recursive", "direct"])
@pytest.mark.parametrize("refit", [1, 2])
def test_skforecast(estimator: Any, kind: str, refit: int) -> None:
    selection = pytest.importorskip("skforecast.model_selection")
    table = history()
    if kind == "recursive":
        from skforecast.recursive import ForecasterRecursive

        model, window = Recursive(estimator), Expanding()
        forecaster = ForecasterRecursive(estimator=estimator, lags=list(LAGS))
    else:
        from skforecast.direct import ForecasterDirect

        model, window = OnePer(estimator, by="step", dropna=True), whole_origins
        forecaster = ForecasterDirect(estimator=estimator, lags=list(LAGS), steps=STEPS)
    ours = served(forecasts(table, path=kind == "recursive"), model, f"{24 * refit}h", window)
    indexed = table.set_index("ds").asfreq("h")
    cv = selection.TimeSeriesFold(
        steps=STEPS, initial_train_size=BEFORE, refit=refit, fixed_train_size=False
    )
    _, theirs = selection.backtesting_forecaster(
        forecaster=forecaster,
        y=indexed["y"],
        exog=indexed[["hour", "day"]],
        cv=cv,
        metric="mean_absolute_error",
        n_jobs=1,
        show_progress=False,
    )
    same(ours, theirs["pred"])


@pytest.mark.parametrize("estimator", ESTIMATORS, ids=NAMES)
@pytest.mark.parametrize("kind", ["recursive", "direct"])
def test_mlforecast_of_a_panel(estimator: Any, kind: str) -> None:
    """One model of three series; with it, features of a step are given to recursive ones alone."""
    mlforecast = pytest.importorskip("mlforecast")
    table = pd.concat([history(seed) for seed in range(3)], ignore_index=True)
    ahead = ("hour", "day") if kind == "recursive" else ()
    model = Recursive(estimator) if kind == "recursive" else OnePer(estimator, "step", dropna=True)
    ours = served(forecasts(table, ahead, path=bool(ahead)), model, "24h", Expanding())
    peer = mlforecast.MLForecast(models={"it": estimator}, freq="h", lags=list(LAGS))
    theirs = peer.cross_validation(
        table[["unique_id", "ds", "y", *ahead]],
        n_windows=(HOURS - BEFORE) // STEPS,
        h=STEPS,
        step_size=STEPS,
        refit=True,
        static_features=[],
        max_horizon=None if kind == "recursive" else STEPS,
    )
    same(ours, theirs.set_index(["unique_id", "ds"])["it"])
