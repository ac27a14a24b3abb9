"""`horizon.` on the command line: what is built of it, and what is said of slips."""

import numpy as np
import pytest
from sklearn.dummy import DummyRegressor
from sklearn.linear_model import LinearRegression

from backtrain import Backtest, Lags, Strategy
from backtrain.config.build import ConfigError
from backtrain.config.history import History, horizon_of
from backtrain.datasets.horizon import Horizon
from backtrain.datasets.stream import Stream
from backtrain.models import Recursive
from backtrain.reports import by_step
from backtrain.strategies import Every, Expanding, Never

TARGET = "backtrain.datasets.horizon.Horizon"
USUAL = {"_target_": TARGET, "steps": [], "origins": None, "ahead": [], "between": "all"}
USUAL |= {"path": False}


def test_steps_make_a_horizon_and_nothing_else_does() -> None:
    assert horizon_of({"horizon": USUAL}) is None
    assert horizon_of({}) is None
    found = horizon_of({"horizon": USUAL | {"steps": [1, 7], "origins": "7D", "ahead": ["a"]}})
    assert found == Horizon([1, 7], "7D", ["a"])


@pytest.mark.parametrize(
    ("key", "value"), [("origins", "24h"), ("ahead", ["a"]), ("between", "none"), ("path", True)]
)
def test_a_key_without_steps_is_refused(key: str, value: object) -> None:
    with pytest.raises(ConfigError, match=rf"horizon\.{key}=.*add horizon\.steps=24"):
        horizon_of({"horizon": USUAL | {key: value}})


@pytest.mark.parametrize("steps", [0, -1])
def test_no_steps_at_all_are_refused(steps: object) -> None:
    with pytest.raises(ValueError, match=r"horizon\.steps=.*such as"):
        horizon_of({"horizon": USUAL | {"steps": steps}})


def test_it_comes_after_latency_faults_and_lags() -> None:
    fault = {"_target_": "backtrain.datasets.faults.UnitChange", "column": None, "factor": 100}
    plain = {
        "dataset": {"_target_": "backtrain.datasets.bundled.bike"},
        "latency": {"_target_": "backtrain.datasets.latency.Fixed", "offset": "2h"},
        "faults": {"cents": fault | {"start": "2011-02-01", "stop": "2011-02-02"}},
        "lags": {"_target_": "backtrain.datasets.lags.Lags", "known": [1]},
        "horizon": USUAL | {"steps": 3, "origins": "24h", "between": "none"},
    }
    stream = History.read(plain).stream
    assert stream.series is not None
    assert (stream.label_time - stream.target_time == np.timedelta64(2, "h")).all()
    day = stream.rows("2011-02-01", "2011-02-02")
    assert (stream.y[day] == 100 * stream.truth[day]).all()
    # At midnight of the second the newest label that is known is that of 22:00, in cents.
    known = stream.X[stream.rows("2011-02-02").start, stream.columns.index("count_known_1")]
    series = stream.series
    assert known == series.y[series.rows("2011-02-01 22:00").start]


def test_the_report_has_a_line_a_strategy_by_step() -> None:
    n = 24 * 20
    at = np.datetime64("2024-01-01", "ns") + np.arange(n) * np.timedelta64(1, "h")
    y = np.cumsum(np.random.default_rng(0).normal(size=n))
    series = Stream(np.zeros((n, 1)), y, at, lags=Lags(known=[1, 2]))
    backtest = Backtest(series.forecasts(Horizon(3)), Recursive(LinearRegression()), start=0.5)
    weekly = Strategy(Every("7D"), Expanding())
    found = backtest.compare(
        {"never": Strategy(Never(), Expanding()), "weekly": weekly}, hindsight=False
    )
    means = by_step.by_step(found)
    assert means.index.tolist() == [1, 2, 3]
    rows = found.runs["weekly"].predictions
    for step, own in rows.groupby("step"):
        assert means.loc[step, "weekly"] == pytest.approx(own["loss"].mean())
    shown = by_step.section(found, "never")
    assert shown is not None
    assert "at step 3" in shown.finding
    plain = Backtest(series, DummyRegressor(), start=0.5)
    assert (
        by_step.section(
            plain.compare({"never": Strategy(Never(), Expanding())}, hindsight=False), "never"
        )
        is None
    )
