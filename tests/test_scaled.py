"""Metrics of forecasts: what utilsforecast says, by group and weight; nothing after ``start``."""

from dataclasses import replace

import numpy as np
import pandas as pd
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from sklearn.dummy import DummyRegressor
from sklearn.linear_model import LinearRegression

from backtrain import MASE, RMSSE, Backtest, ByGroup, Scaled, Strategy, Stream
from backtrain.simulator.metrics import Known, MetricError, Outcomes, find_loss, find_metric
from backtrain.strategies import BeatsChampion, Every, Expanding, PerformanceDrop

MIDNIGHT = pd.Timestamp("2024-01-01")


def panel(seed: int, series: int, history: int, horizon: int) -> tuple[Known, Outcomes]:
    """Series of different sizes, mixed row by row; their history, and answers to what follows."""
    random = np.random.default_rng(seed)
    sizes = 10.0 ** random.integers(-2, 4, series)

    def rows(n: int) -> tuple[np.ndarray, np.ndarray]:
        group = random.permuted(np.repeat(np.arange(series), n))
        return group, sizes[group] * random.gamma(2.0, 1.0, len(group))

    group, label = rows(history)
    known = Known(label, np.array([f"s{g}" for g in group], dtype=object))
    group, label = rows(horizon)
    names = np.array([f"s{g}" for g in group], dtype=object)
    answers = label + sizes[group] * random.normal(size=len(group))
    return known, Outcomes(label, answers, group=names)


def by_utilsforecast(name: str, known: Known, rows: Outcomes, season: int) -> pd.Series:
    """What it says of each series."""
    losses = pytest.importorskip("utilsforecast.losses")
    df = pd.DataFrame({"unique_id": rows.group, "y": rows.label, "m": rows.prediction})
    train = pd.DataFrame({"unique_id": known.group, "y": known.label})
    df["ds"], train["ds"] = 10**6 + np.arange(len(df)), np.arange(len(train))
    more = {"seasonality": season, "train_df": train} if name in ("mase", "rmsse") else {}
    return getattr(losses, name)(df, models=["m"], **more).set_index("unique_id")["m"]


SEASONAL = {"MASE": "mase", "RMSSE": "rmsse", "WAPE": "wape", "sMAPE": "smape", "MAPE": "mape"}


@pytest.mark.parametrize("name", SEASONAL)
@settings(max_examples=15, deadline=None)
@given(seed=st.integers(0, 10_000), series=st.integers(1, 5), season=st.sampled_from([1, 3, 7]))
def test_each_group_and_their_mean_are_those_of_utilsforecast(name, seed, series, season) -> None:
    known, rows = panel(seed, series, 20, 6)
    expected = by_utilsforecast(SEASONAL[name], known, rows, season)
    wanted = f"{name} {season}" if name in ("MASE", "RMSSE") else name
    metric = find_metric(wanted, "regression").at_start(known)
    for group, value in expected.items():
        here = rows.group == group
        one = Outcomes(rows.label[here], rows.prediction[here], group=rows.group[here])
        assert metric(one) == pytest.approx(value, rel=1e-9)
    mean = find_metric(f"{wanted} by group", "regression").at_start(known)
    assert mean(rows) == pytest.approx(expected.mean(), rel=1e-9)


@pytest.mark.parametrize("name", ["MASE 3", "RMSSE 3", "WAPE", "sMAPE", "pinball 0.9"])
@settings(max_examples=15, deadline=None)
@given(seed=st.integers(0, 10_000), group=st.booleans())
def test_a_row_of_weight_k_is_k_rows(name: str, seed: int, group: bool) -> None:
    known, rows = panel(seed, 3, 20, 6)
    times = np.random.default_rng(seed).integers(0, 4, len(rows))
    times[0] = 1
    metric = find_metric(f"{name} by group" if group else name).at_start(known)
    order = np.repeat(np.arange(len(rows)), times)
    often = Outcomes(rows.label[order], rows.prediction[order], group=rows.group[order])
    assert metric(replace(rows, weight=times.astype(float))) == pytest.approx(metric(often))


def test_pinball_and_coverage_are_those_of_utilsforecast() -> None:
    losses = pytest.importorskip("utilsforecast.losses")
    _, rows = panel(4, 1, 10, 200)
    df = pd.DataFrame({"unique_id": rows.group, "y": rows.label, "m": rows.prediction})
    pinball = losses.quantile_loss(df, models={"m": "m"}, q=0.9)["m"].iloc[0]
    assert find_metric("pinball 0.9")(rows) == pytest.approx(pinball)
    below = losses.calibration(df, models={"m": "m"})["m"].iloc[0]
    assert find_metric("coverage error 0.9")(rows) == pytest.approx(abs(below - 0.9))


def test_scales_by_hand() -> None:
    # a: 1, ?, 5, 2 (its second label is not known): |5-?| and |2-5|; b: no two labels.
    label = np.array([1.0, np.nan, 7.0, 5.0, 2.0])
    known = Known(label, np.array(list("aabaa")))
    loss = Scaled().at_start(known)
    rows = Outcomes(np.zeros(3), np.array([6.0, 6.0, 6.0]), group=np.array(list("abc")))
    assert loss.rows(rows).tolist() == [2.0, 2.0, 2.0]  # b and c have the mean of all: 3
    twice = Scaled("squared", season=2).at_start(known)
    assert twice.rows(rows).tolist() == [36 / 16] * 3  # only |5 - 1|
    assert MASE().at_start(known)(rows) == 2.0
    assert RMSSE(2).at_start(known)(rows) == 1.5


@pytest.mark.parametrize("label", [[1.0], [2.0, 2.0, 2.0], [np.nan, 3.0, np.nan]])
def test_without_a_difference_there_is_no_scale(label: list[float]) -> None:
    with pytest.raises(MetricError, match=r"MASE: \d labels? .*nothing to scale by"):
        MASE().at_start(Known(np.array(label)))


def test_of_a_constant_history_the_scale_is_that_of_all_groups() -> None:
    known = Known(np.array([2.0, 2.0, 2.0, 1.0, 4.0]), np.array(list("aaabb")))
    rows = Outcomes(np.zeros(2), np.ones(2), group=np.array(list("ab")))
    assert Scaled().at_start(known).rows(rows).tolist() == [1.0, 1 / 3]  # (0 + 0 + 3) / 3


def stream(later: float = 1.0, late: int = 3) -> Stream:
    """Two series by the hour, labels some hours late; from the row 40 on, labels times `later`."""
    n = 80
    times = pd.date_range(MIDNIGHT, periods=n, freq="h").to_numpy()
    y = np.random.default_rng(5).normal(size=n) * np.where(np.arange(n) % 2, 100.0, 1.0)
    y[40:] *= later
    label = times + np.timedelta64(late, "h")
    return Stream(np.arange(n).reshape(-1, 1) % 2, y, times, label, group=np.array(["a", "b"] * 40))


def test_nothing_that_is_known_after_the_start_changes_a_scale() -> None:
    rows = Outcomes(np.zeros(2), np.ones(2), group=np.array(["a", "b"]))
    start = MIDNIGHT + pd.Timedelta("42h")
    for metric in (MASE(2), RMSSE(), "MASE by group"):
        values = [
            Backtest(stream(later), DummyRegressor(), start=start, metrics=[metric]).row_metrics[0](
                rows
            )
            for later in (1.0, 1e6)
        ]
        assert values[0] == values[1]
    # A label that is known one hour earlier is known at the start: the check can fail.
    early = [Backtest(stream(x, 2), DummyRegressor(), start=start, metrics=[MASE()])
             .row_metrics[0](rows) for x in (1.0, 1e6)]  # fmt: skip
    assert early[0] != early[1]


def test_a_scaled_total_is_not_the_largest_series() -> None:
    """Both series have noise of their own size: each has its half of the scaled loss."""
    backtest = Backtest(
        stream(), LinearRegression(), start=MIDNIGHT + pd.Timedelta("43h"), tick="6h",
        loss="scaled_absolute", metrics=["MASE", "MASE by group"],
    )  # fmt: skip
    run = backtest.replay(Strategy(Every("12h"), Expanding()))
    shares = {g["group"]: g["loss"] / g["scored"] for g in run.totals["groups"]}
    assert 0.5 < shares["a"] / shares["b"] < 2
    assert run.totals["loss"] / run.totals["scored"] == pytest.approx(run.metrics["MASE"])
    for group in run.totals["groups"]:
        assert group["metrics"]["MASE"] == pytest.approx(shares[group["group"]])


def test_triggers_and_gates_take_them() -> None:
    backtest = Backtest(
        stream(later=9.0), DummyRegressor(), start=MIDNIGHT + pd.Timedelta("43h"), tick="2h"
    )
    by_object, by_name = (
        backtest.replay(
            Strategy(
                PerformanceDrop(metric, window=10, min_labels=5, below=1.0),
                Expanding(),
                gate=BeatsChampion(metric=metric, min_rows=1),
            )
        )
        for metric in (ByGroup(MASE()), "mase by group")
    )
    assert by_object.totals["retrains"] > 0
    assert by_object.totals == by_name.totals
    reasons = by_object.events["reason"]
    assert reasons.str.startswith("MASE by group").any()


def test_the_audit_finds_nothing_in_a_trigger_of_a_scaled_error() -> None:
    backtest = Backtest(
        stream(), LinearRegression(), start=MIDNIGHT + pd.Timedelta("42h"), tick="6h",
        loss="scaled_absolute",
    )  # fmt: skip
    trigger = PerformanceDrop("MASE by group", window=10, min_labels=5, below=0.1)
    audit = backtest.audit(Strategy(trigger, Expanding()), instants=(0.5,), data=False)
    assert audit.passed, audit.findings


@pytest.mark.parametrize(
    ("make", "says"),
    [
        (lambda: MASE(0), r"MASE\(season=0\): give a number of rows"),
        (lambda: Scaled("pinball"), "give 'absolute' or 'squared'"),
        (lambda: MASE()(Outcomes(np.zeros(1), np.zeros(1))), "has no scale yet"),
        (lambda: find_loss("scaled_absolute", "classification"), "is for regression"),
        (lambda: find_metric("coverage error 2"), "between 0 and 1"),
    ],
)
def test_nonsense_is_refused(make, says: str) -> None:
    with pytest.raises(MetricError, match=says):
        make()


@pytest.mark.parametrize("name", ["MASE", "RMSSE"])
@settings(max_examples=15, deadline=None)
@given(seed=st.integers(0, 10_000), series=st.integers(1, 4), season=st.sampled_from([1, 3, 7]))
def test_a_season_may_be_a_time_and_is_the_same_on_regular_rows(name, seed, series, season) -> None:
    known, rows = panel(seed, series, 20, 6)
    turn = pd.Series(known.group).groupby(known.group).cumcount()
    known = replace(known, event_time=(MIDNIGHT + turn * pd.Timedelta("1D")).to_numpy())
    by_rows = find_metric(f"{name} {season}").at_start(known)
    by_time = find_metric(f"{name} {season}D").at_start(known)
    assert by_time(rows) == by_rows(rows)
    kind = "absolute" if name == "MASE" else "squared"
    losses = [Scaled(kind, one).at_start(known).rows(rows) for one in (season, f"{season}D")]
    assert np.array_equal(*losses)


def test_a_season_of_time_by_hand() -> None:
    # a has a gap: days 0, 1, 3, 4, and two rows on day 4; b has one row a day before the last.
    days = np.array([0, 0, 1, 3, 3, 4, 4])
    group = np.array(list("abaabaa"))
    label = np.array([1.0, 50.0, 4.0, 10.0, 80.0, 13.0, 20.0])
    known = Known(label, group, event_time=(MIDNIGHT + pd.to_timedelta(days, "D")).to_numpy())
    rows = Outcomes(np.zeros(2), np.array([1.0, 1.0]), group=np.array(list("ab")))
    # One day: a: |4 - 1|, |13 - 10|, |20 - 10|; b: none, so it has the mean of all.
    assert Scaled(season="1D").at_start(known).rows(rows) == pytest.approx([3 / 16, 3 / 16])
    # Three days: a: |10 - 1|, |13 - 4|, |20 - 4|; b: |80 - 50|.
    assert Scaled(season="3D").at_start(known).rows(rows) == pytest.approx([3 / 34, 1 / 30])
    unknown = replace(known, label=np.where(label == 1.0, np.nan, label))
    assert Scaled(season="1D").at_start(unknown).rows(rows)[0] == 2 / 13


def test_a_season_of_time_uses_nothing_after_start() -> None:
    metrics = ["MASE 1D", "RMSSE 12h", "MASE 7"]
    model = DummyRegressor(strategy="constant", constant=0.0)
    scales = []
    for later in (1.0, 1000.0):
        history = stream(later, late=0)
        known = Backtest(history, model, start=str(history.event_time[40])).known
        assert len(known.event_time) == len(known.label) == 40
        bound = [find_metric(name).at_start(known).function for name in metrics]
        scales.append([one.function.loss.scales for one in bound])
    for before, after in zip(*scales, strict=True):
        assert np.array_equal(before.values, after.values)


@pytest.mark.parametrize("season", [0, 1.5, "1MS", "0D", "-1D", "seven", None])
def test_what_is_no_season_is_refused(season) -> None:
    for kind in (MASE, RMSSE, lambda season: Scaled(season=season)):
        with pytest.raises(MetricError, match=r"such as 24, or"):
            kind(season)
    with pytest.raises(MetricError, match="rows have no times; give a number of rows"):
        MASE("7D").at_start(Known(np.arange(9.0)))
    when = (MIDNIGHT + pd.to_timedelta(np.arange(9), "D")).to_numpy()
    with pytest.raises(MetricError, match="differs from that 90D before it"):
        MASE("90D").at_start(Known(np.arange(9.0), event_time=when))
