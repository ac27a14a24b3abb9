"""What totals, prices, baselines and scales make of rows that are forecasts."""

import numpy as np
import pandas as pd
import pytest
from sklearn.dummy import DummyRegressor

from backtrain import Backtest, Prices, SetupError, Strategy, View
from backtrain.datasets.horizon import Horizon
from backtrain.datasets.stream import Stream
from backtrain.simulator.baselines import baselines
from backtrain.strategies import Every, EveryRows, Expanding, Never, PerformanceDrop

HOUR = np.timedelta64(1, "h")
DAYS, STEPS = 12, 24


def hours(days: int = DAYS, **given: object) -> Stream:
    """Label: the hour, plus 100 times the day; known an hour after it."""
    n = 24 * days
    at = np.datetime64("2024-01-01", "ns") + np.arange(n) * HOUR
    y = np.arange(n) % 24 + 100.0 * (np.arange(n) // 24)
    return Stream(np.zeros((n, 1)), y, at, at + HOUR, columns=("nothing",), **given)  # type: ignore[arg-type]


def question(between: str, **given: object) -> Backtest:
    stream = hours().forecasts(Horizon(STEPS, origins="24h", between=between))  # type: ignore[arg-type]
    asked = {"model": DummyRegressor(), "start": "2024-01-05", "tick": "1D"} | given
    return Backtest(stream, **asked)  # type: ignore[arg-type]


@pytest.mark.parametrize("between", ["none", "first", "all"])
def test_rows_to_learn_from_alone_are_in_no_count(between: str) -> None:
    prices = Prices(per_1k_predictions=1000, retrain=0)
    backtest = question(between, prices=prices, metrics=["MAE", "R2"])
    run = backtest.replay(Strategy(Never(), Expanding()))
    served = STEPS * 8 - 1  # the last day's last target lies past the end
    assert run.totals["rows"] == run.totals["scored"] == len(run.predictions) == served
    assert run.totals["predict"] == served
    assert run.steps["rows"].sum() == run.steps["scored"].sum() == served
    assert [row["rows"] for row in run.totals["by_step"]] == [8] * 23 + [7]
    rows = run.predictions
    assert run.totals["metrics"]["MAE"] == pytest.approx(
        (rows["label"] - rows["prediction"]).abs().mean()
    )
    assert run.totals["error"] == pytest.approx(
        prices.error * (rows["label"] - rows["prediction"]).abs().sum()
    )
    assert (rows["event_time"] == rows["event_time"].dt.normalize()).all()
    assert (rows["target_time"] == rows["event_time"] + pd.to_timedelta(rows["step"], "h")).all()


def test_models_learn_from_them_all_the_same() -> None:
    learnt = {}
    for between in ("none", "first", "all"):
        versions = question(between).replay(Strategy(Every("1D"), Expanding())).versions
        learnt[between] = versions["rows"].iloc[0]
    # Known at the start, 5 January 0:00: targets up to 4 January 23:00.
    assert learnt["none"] == 24 * 4 - 1
    assert learnt["first"] == learnt["none"] + 24 * 4 - 4 - 1
    assert learnt["all"] == 24 * 95 - sum(range(24))


def test_ticks_and_schedules_by_rows_count_what_is_served() -> None:
    for between in ("none", "all"):
        by_rows = question(between, tick=STEPS)
        assert len(by_rows.ticks) == 7
        fired = question(between).replay(Strategy(EveryRows(2 * STEPS), Expanding()))
        assert fired.totals["retrains"] == 3


def test_an_alarm_takes_no_row_that_is_not_served() -> None:
    drop = PerformanceDrop("MAE", window=24, min_labels=20, below=1)
    run = question("all").replay(Strategy(drop, Expanding()))
    readings = run.readings
    served = run.predictions.set_index("target_time")
    for at, value in zip(readings["at"], readings["statistic"], strict=True):
        known = served[served["label_time"] <= at].iloc[-24:]
        since = run.deployments[run.deployments["from"] < at]["from"].iloc[-1]
        known = known[known["event_time"] >= since]
        assert value == pytest.approx((known["label"] - known["prediction"]).abs().mean())
    assert len(readings)


def test_baselines_know_the_series_as_it_was_at_the_origin() -> None:
    found = {one.name: one for one in baselines(question("all"), "1D")}
    # At midnight of day d the newest label is that of 23:00: 23 + 100 (d - 1).
    days, steps = np.repeat(np.arange(4, 12), STEPS)[:-1], np.tile(np.arange(1, 25), 8)[:-1]
    label = steps % 24 + 100.0 * (days + steps // 24)
    assert found["last known label"].loss == np.abs(label - (23 + 100.0 * (days - 1))).sum()
    # A day before the target; at step 24 that is the origin's own label, which is not there yet,
    # so it is that of two days before.
    assert found["label 1D before"].loss == np.abs(label - (steps % 24 + 100.0 * (days - 1))).sum()
    known = np.arange(24 * 4) % 24 + 100.0 * (np.arange(24 * 4) // 24)
    first = [np.abs(label[:24] - known.mean()).sum()]
    assert found["running mean"].fallback == 0
    assert found["running mean"].loss > first[0]
    assert {one.weight for one in found.values()} == {len(label)}


def test_scales_are_those_of_the_series_before_the_start() -> None:
    known = question("all").known
    assert len(known.label) == 24 * 4  # each label once
    assert np.isnan(known.label).sum() == 0
    naive = np.abs(known.label[24:] - known.label[:-24]).mean()
    assert naive == 100


def test_amounts_that_decide_must_be_known() -> None:
    from sklearn.naive_bayes import GaussianNB

    from backtrain import CostMatrix

    n = 24 * 9
    at = np.datetime64("2024-01-01", "ns") + np.arange(n) * HOUR
    rng = np.random.default_rng(0)
    series = Stream(
        rng.normal(size=(n, 1)), np.array(["ok", "fraud"], dtype=object)[rng.integers(0, 2, n)], at,
        amount=rng.random(n),
    )  # fmt: skip
    costs = CostMatrix({"fraud": {"ok": "amount"}, "ok": {"fraud": 5}})
    given = {"model": GaussianNB(), "start": 0.5, "loss": costs, "threshold": "cost"}
    Backtest(series, **given)  # type: ignore[arg-type]
    with pytest.raises(SetupError, match="amounts of what is forecast are not known"):
        Backtest(series.forecasts(Horizon(2)), **given)  # type: ignore[arg-type]


def test_the_weight_of_what_is_forecast_is_not_known_before_it() -> None:
    def look(view: View) -> str:
        """Fires each day, and says which weights it sees: those of the newest three rows."""
        return repr(view.weight(slice(view.past - 3, view.past)).tolist())

    series = hours(weight=np.arange(24.0 * DAYS))
    # The newest before midnight is 23:00 of the 5th, which is there to learn from alone; of the
    # forecasts of that day, step 30 lies ahead.
    for between, seen in (("all", [0.0, 0.0, 0.0]), ("none", [24 * 4 + 1.0, 24 * 4 + 3.0, 1.0])):
        stream = series.forecasts(Horizon([1, 3, 30], origins="24h", between=between))  # type: ignore[arg-type]
        backtest = Backtest(stream, DummyRegressor(), start="2024-01-05", tick="1D")
        run = backtest.replay(Strategy(look, Expanding()))
        assert run.versions["reason"].iloc[1] == repr(seen)
