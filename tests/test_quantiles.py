"""Losses and metrics of several quantiles: by hand, and as others compute them."""

from dataclasses import replace

import numpy as np
import pandas as pd
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from sklearn.linear_model import Ridge
from sklearn.metrics import mean_pinball_loss

from backtrain import (
    MASE,
    Backtest,
    ByGroup,
    Coverage,
    CoverageError,
    IntervalError,
    IntervalScore,
    IntervalWidth,
    MeanPinball,
    Outcomes,
    Pinball,
    PrecisionAtK,
    ScaledCRPS,
    SetupError,
)
from backtrain.datasets.synthetic import abrupt
from backtrain.simulator.facts import describe
from backtrain.simulator.levels import arranged, asked_for, point, read_levels
from backtrain.simulator.metrics import MetricError, find_metric
from backtrain.strategies import PerformanceDrop

LEVELS = (0.1, 0.5, 0.9)


def answered(seed: int, n: int = 80, weighted: bool = False) -> Outcomes:
    """Random quantiles of random labels, in three groups."""
    random = np.random.default_rng(seed)
    many = np.sort(random.normal(size=(n, 3)) + random.normal(size=(n, 1)), axis=1)
    return Outcomes(
        random.normal(size=n),
        many[:, 1],
        weight=random.uniform(0, 2, n) if weighted else None,
        group=random.choice(list("abc"), n),
        quantiles=many,
        levels=LEVELS,
    )


def by_hand() -> Outcomes:
    """Four rows, answered 2, 4, 8 each; labels within, below, above, and on the edge."""
    many = np.tile([2.0, 4.0, 8.0], (4, 1))
    return Outcomes(np.array([5.0, 1.0, 10.0, 8.0]), many[:, 1], quantiles=many, levels=LEVELS)


def test_the_mean_pinball_loss_by_hand() -> None:
    # Row 0: .1*3, .5*1, .1*3; row 1: .9*1, .5*3, .1*7; row 2: .1*8, .5*6, .9*2; row 3: .1*6, .5*4.
    expected = np.array([0.3 + 0.5 + 0.3, 0.9 + 1.5 + 0.7, 0.8 + 3.0 + 1.8, 0.6 + 2.0]) / 3
    assert MeanPinball().rows(by_hand()) == pytest.approx(expected)
    assert find_metric("mean pinball")(by_hand()) == pytest.approx(expected.mean())
    assert ScaledCRPS()(by_hand()) == pytest.approx(2 * expected.sum() / (5 + 1 + 10 + 8))


def test_intervals_by_hand() -> None:
    rows = by_hand()
    assert Coverage(0.1, 0.9)(rows) == 0.5  # ends count
    assert IntervalError(0.1, 0.9)(rows) == pytest.approx(0.3)
    assert IntervalWidth(0.1, 0.9)(rows) == 6.0
    # Row 1 lies 1 below, row 2 lies 2 above: each costs ten times as much.
    assert IntervalScore(0.1, 0.9)(rows) == pytest.approx(6 + (10 + 20) / 4)
    assert Coverage(0.1, 0.5)(rows) == 0.0
    assert CoverageError(0.9)(rows) == pytest.approx(abs(3 / 4 - 0.9))
    weighted = replace(rows, weight=np.array([1.0, 0.0, 0.0, 0.0]))
    assert Coverage(0.1, 0.9)(weighted) == 1.0
    assert IntervalScore(0.1, 0.9)(weighted) == 6.0


@pytest.mark.parametrize("weighted", [False, True])
@settings(max_examples=20, deadline=None)
@given(seed=st.integers(0, 10_000))
def test_pinball_losses_are_those_of_scikit_learn(weighted: bool, seed: int) -> None:
    rows = answered(seed, weighted=weighted)
    each = [
        mean_pinball_loss(rows.label, rows.quantiles[:, i], alpha=level, sample_weight=rows.weight)
        for i, level in enumerate(LEVELS)
    ]
    assert find_metric("mean pinball")(rows) == pytest.approx(np.mean(each))
    for level, expected in zip(LEVELS, each, strict=True):
        assert find_metric(f"pinball {level}")(rows) == pytest.approx(expected)
        assert find_metric(Pinball(level))(rows) == pytest.approx(expected)


@settings(max_examples=10, deadline=None)
@given(seed=st.integers(0, 10_000))
def test_metrics_of_series_are_those_of_utilsforecast(seed: int) -> None:
    losses = pytest.importorskip("utilsforecast.losses")
    rows = answered(seed)
    names = ["m-lo-80", "m-mid", "m-hi-80"]
    frame = pd.DataFrame(rows.quantiles, columns=names)
    frame = frame.assign(unique_id=rows.group, y=rows.label, ds=np.arange(len(rows)))
    expected = {
        "mean pinball": losses.mqloss(frame, {"m": names}, np.array(LEVELS)),
        "scaled CRPS": losses.scaled_crps(frame, {"m": names}, np.array(LEVELS)),
        "coverage 0.1-0.9": losses.coverage(frame, ["m"], 80),
        "interval score 0.1-0.9": losses.winkler_score(frame, ["m"], 80),
        "pinball 0.9": losses.quantile_loss(frame, {"m": names[2]}, 0.9),
    }
    for name, table in expected.items():
        assert find_metric(f"{name} by group")(rows) == pytest.approx(table["m"].mean()), name
        for group, value in zip(table["unique_id"], table["m"], strict=True):
            here = rows.group == group
            one = replace(rows, label=rows.label[here], quantiles=rows.quantiles[here], group=None)
            assert find_metric(name)(one) == pytest.approx(value), name
    below = losses.calibration(frame, {"m": names[2]})["m"]
    error = ByGroup(CoverageError(0.9))(rows)
    assert error == pytest.approx(np.abs(below - 0.9).mean())


@settings(max_examples=50, deadline=None)
@given(seed=st.integers(0, 10_000))
def test_quantiles_in_order_never_cost_more_than_those_that_cross(seed: int) -> None:
    random = np.random.default_rng(seed)
    levels = tuple(np.sort(random.uniform(0.01, 0.99, 5)))
    crossing, label = random.normal(size=(40, 5)), random.normal(size=40)
    given = Outcomes(label, crossing[:, 0], quantiles=crossing, levels=levels)
    ordered = replace(given, quantiles=arranged(crossing, 40, levels))
    assert (np.diff(ordered.quantiles, axis=1) >= 0).all()
    assert (MeanPinball().rows(ordered) <= MeanPinball().rows(given) + 1e-12).all()


class Columns:
    """Answers level by level, as some libraries do."""

    def __init__(self, turned: bool) -> None:
        self.turned = turned

    def predict(self, X):
        rows = np.column_stack([X[:, 0], X[:, 0] + 1, X[:, 0] + 2])
        return rows.T if self.turned else rows


@pytest.mark.parametrize("turned", [False, True])
@pytest.mark.parametrize("n", [1, 2, 3, 4, 7])
def test_answers_may_come_row_by_row_or_level_by_level(turned: bool, n: int) -> None:
    X = np.arange(10.0, 10.0 + n)[:, None]
    expected = X + np.arange(3)
    assert np.array_equal(asked_for(Columns(turned), X, LEVELS), expected)


def test_other_shapes_are_refused() -> None:
    with pytest.raises(ValueError, match=r"predict gave \(5, 2\) to 5 rows; .* are \(5, 3\)"):
        arranged(np.zeros((5, 2)), 5, LEVELS)


def test_the_answer_is_that_at_the_level_nearest_one_half() -> None:
    assert [point(q) for q in [(0.1, 0.5, 0.9), (0.4, 0.6), (0.9,), (0.2, 0.7, 0.8)]] == [
        1,
        0,
        0,
        1,
    ]


@pytest.mark.parametrize(
    "levels", [(), 0.5, "0.5", (0, 0.5), (0.5, 1), (0.9, 0.1), (0.5, 0.5), (True,)]
)
def test_levels_ascend_between_0_and_1(levels) -> None:
    with pytest.raises(SetupError, match="quantiles="):
        read_levels(levels)


@pytest.mark.parametrize(
    ("name", "called"),
    [
        ("coverage 0.1-0.9", "coverage 0.1-0.9"),
        ("Coverage_0.1_0.9", "coverage 0.1-0.9"),
        ("coverage error .1 .9", "coverage error 0.1-0.9"),
        ("interval-width 0.05-0.95", "interval width 0.05-0.95"),
        ("interval score 0.25-0.75", "interval score 0.25-0.75"),
        ("coverage error 0.9", "coverage error 0.9"),
        ("scaled crps by group", "scaled CRPS by group"),
    ],
)
def test_metrics_of_quantiles_have_names(name: str, called: str) -> None:
    assert find_metric(name).name == called


@pytest.mark.parametrize(
    "name", ["mean pinball", "coverage 0.1-0.9", "scaled CRPS", "interval width 0.1-0.9 by group"]
)
def test_a_metric_of_quantiles_needs_a_model_of_some(name: str) -> None:
    with pytest.raises(SetupError, match=r"needs several quantiles a row: model=quantiles"):
        Backtest(abrupt(300, task="regression"), Ridge(), metrics=[name])
    with pytest.raises(MetricError, match="needs several quantiles"):
        find_metric(name)(replace(answered(0), quantiles=None, levels=None))


def test_a_level_that_is_not_answered_is_named() -> None:
    with pytest.raises(MetricError, match=r"answers no quantile 0.8, but \[0.1, 0.5, 0.9\]"):
        Coverage(0.1, 0.8)(answered(0))
    with pytest.raises(MetricError, match="the lower first"):
        Coverage(0.9, 0.1)


def test_metrics_without_what_is_new_are_named_as_before() -> None:
    assert MASE(24).__getstate__() == {"season": 24}
    assert ByGroup("MAE").__getstate__() == {"metric": "MAE"}
    assert PrecisionAtK(5).__getstate__() == {"k": 5, "by": "score"}
    plain = Outcomes(np.zeros(2), np.zeros(2))
    assert set(plain.__getstate__()) == {
        *("label", "prediction", "score", "probability", "classes", "weight", "positive", "amount")
    }
    told = describe(PerformanceDrop(ByGroup(MASE(3)), drop=0.1))
    assert told["metric"] == {"type": "ByGroup", "metric": {"type": "MASE", "season": 3}}
