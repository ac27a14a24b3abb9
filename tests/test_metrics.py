"""Losses and metrics say what scikit-learn says."""

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from sklearn import metrics as sk

from backtrain.simulator.costs import CostMatrix
from backtrain.simulator.metrics import (
    LOSSES,
    METRICS,
    Metric,
    MetricError,
    Outcomes,
    Pinball,
    find_loss,
    find_metric,
)

SKLEARN = {
    "accuracy": lambda y, p, s, w: sk.accuracy_score(y, p, sample_weight=w),
    "balanced accuracy": lambda y, p, s, w: sk.balanced_accuracy_score(y, p, sample_weight=w),
    "precision": lambda y, p, s, w: sk.precision_score(y, p, sample_weight=w, zero_division=0),
    "recall": lambda y, p, s, w: sk.recall_score(y, p, sample_weight=w, zero_division=0),
    "F1": lambda y, p, s, w: sk.f1_score(y, p, sample_weight=w, zero_division=0),
    "ROC AUC": lambda y, p, s, w: sk.roc_auc_score(y, s, sample_weight=w),
    "average precision": lambda y, p, s, w: sk.average_precision_score(y, s, sample_weight=w),
    "Brier": lambda y, p, s, w: sk.brier_score_loss(y, s, sample_weight=w),
    "log loss": lambda y, p, s, w: sk.log_loss(y, s, sample_weight=w, labels=[0, 1]),
    "MAE": lambda y, p, s, w: sk.mean_absolute_error(y, p, sample_weight=w),
    "RMSE": lambda y, p, s, w: sk.root_mean_squared_error(y, p, sample_weight=w),
    "MAPE": lambda y, p, s, w: sk.mean_absolute_percentage_error(y, p, sample_weight=w),
    "R2": lambda y, p, s, w: sk.r2_score(y, p, sample_weight=w),
}


#: Those that are held against utilsforecast, and by group, in test_scaled.py, test_ranking.py and
#: test_quantiles.py.
ELSEWHERE = {"MASE", "RMSSE", "WAPE", "sMAPE", "NDCG", "mean pinball", "scaled CRPS"}


def binary(seed: int, n: int, weighted: bool) -> Outcomes:
    random = np.random.default_rng(seed)
    label = random.integers(0, 2, n)
    label[:2] = [0, 1]
    score = random.integers(0, 11, n) / 10  # ties, zeros and ones on purpose
    weight = random.uniform(0.1, 3, n) if weighted else None
    return Outcomes(label, (score > 0.5).astype(int), score, None, np.array([0, 1]), weight)


def continuous(seed: int, n: int, weighted: bool) -> Outcomes:
    random = np.random.default_rng(seed)
    label = random.normal(size=n)
    weight = random.uniform(0.1, 3, n) if weighted else None
    return Outcomes(label, label + random.normal(size=n), weight=weight)


def test_every_metric_is_held_against_scikit_learn() -> None:
    assert set(SKLEARN) | ELSEWHERE == set(METRICS)


@pytest.mark.parametrize("name", SKLEARN)
@settings(max_examples=30, deadline=None)
@given(seed=st.integers(0, 10_000), n=st.integers(3, 60), weighted=st.booleans())
def test_metric_equals_scikit_learn(name: str, seed: int, n: int, weighted: bool) -> None:
    metric = METRICS[name]
    outcomes = (binary if metric.task == "classification" else continuous)(seed, n, weighted)
    expected = SKLEARN[name](outcomes.label, outcomes.prediction, outcomes.score, outcomes.weight)
    assert metric(outcomes) == pytest.approx(expected, abs=1e-9)


@pytest.mark.parametrize("name", ["precision", "recall", "F1", "balanced accuracy"])
def test_several_classes_are_averaged_as_scikit_learn_does(name: str) -> None:
    random = np.random.default_rng(3)
    label, prediction = random.integers(0, 4, 80), random.integers(0, 4, 80)
    outcomes = Outcomes(label, prediction, classes=np.arange(4), positive=-1)
    expected = {
        "precision": sk.precision_score(label, prediction, average="macro"),
        "recall": sk.recall_score(label, prediction, average="macro"),
        "F1": sk.f1_score(label, prediction, average="macro"),
        "balanced accuracy": sk.balanced_accuracy_score(label, prediction),
    }
    assert METRICS[name](outcomes) == pytest.approx(expected[name])


def test_direction_of_every_metric_is_that_of_scikit_learn() -> None:
    lower = {"Brier", "log loss", "MAE", "RMSE", "MAPE", "sMAPE", "WAPE", "MASE", "RMSSE"}
    lower |= {"mean pinball", "scaled CRPS"}
    assert {name for name, metric in METRICS.items() if not metric.greater_is_better} == lower
    assert METRICS["MAE"].worse(60, than=50)
    assert METRICS["accuracy"].worse(0.7, than=0.8)


def test_auc_of_one_class_is_not_a_number() -> None:
    outcomes = Outcomes(
        np.ones(3, int), np.ones(3, int), np.array([0.1, 0.2, 0.3]), None, np.array([0, 1])
    )
    assert np.isnan(METRICS["ROC AUC"](outcomes))


def test_losses_by_hand() -> None:
    outcomes = Outcomes(np.array([1.0, 5.0]), np.array([3.0, 5.0]))
    assert LOSSES["absolute"].rows(outcomes).tolist() == [2.0, 0.0]
    assert LOSSES["squared"].rows(outcomes).tolist() == [4.0, 0.0]
    assert Pinball(0.5).rows(outcomes).tolist() == [1.0, 0.0]
    classes = np.array(["no", "yes"])
    judged = Outcomes(np.array([1, 0]), np.array([1, 1]), np.array([0.8, 0.9]), None, classes)
    assert LOSSES["zero_one"].rows(judged).tolist() == [0.0, 1.0]
    assert LOSSES["log"].rows(judged) == pytest.approx([-np.log(0.8), -np.log(0.1)])
    costs = CostMatrix({"no": {"yes": 7.0}, "yes": {"no": 3.0}})
    assert costs.rows(judged).tolist() == [0.0, 7.0]


def test_a_function_gets_labels_and_not_positions() -> None:
    def strict(label: np.ndarray, prediction: np.ndarray) -> np.ndarray:
        assert set(label) <= {"no", "yes"}
        return (label != prediction) * 3.0

    outcomes = Outcomes(np.array([1, 0]), np.array([1, 1]), classes=np.array(["no", "yes"]))
    assert find_loss(strict, "classification").rows(outcomes).tolist() == [0.0, 3.0]


@pytest.mark.parametrize(
    ("make", "says"),
    [
        (lambda: find_metric("acuracy"), "did you mean 'accuracy'"),
        (lambda: find_metric("MAE", "classification"), "is for regression"),
        (lambda: find_loss("absolut", "regression"), "did you mean 'absolute'"),
        (lambda: find_loss("log", "regression"), "is for classification"),
        (lambda: find_loss(3, "regression"), "give a name"),
        (lambda: Pinball(1.0), "between 0 and 1"),
    ],
)
def test_what_is_wrong_is_said(make: object, says: str) -> None:
    with pytest.raises(MetricError, match=says):
        make()  # type: ignore[operator]


def test_a_cost_matrix_for_strange_classes_is_refused() -> None:
    outcomes = Outcomes(np.array([0]), np.array([0]), classes=np.array(["no", "yes"]))
    with pytest.raises(MetricError, match="not one of the classes of the target"):
        CostMatrix({"maybe": {"yes": 1.0}}).rows(outcomes)


@pytest.mark.parametrize("metric", METRICS.values(), ids=METRICS)
@pytest.mark.filterwarnings("error")
def test_rows_without_weight_have_no_metric(metric: Metric) -> None:
    if metric.task == "regression":
        told = Outcomes(np.array([1.0, 2.0]), np.array([1.0, 3.0]), weight=np.zeros(2))
    else:
        two, zero = np.array([0, 1]), np.zeros(2)
        told = Outcomes(two, two[::-1], np.array([0.2, 0.9]), classes=two, weight=zero)
        several = Outcomes(two, two, classes=two, weight=zero, positive=-1)
        assert metric.needs_probability or np.isnan(metric(several))
    assert np.isnan(metric(told))


@pytest.mark.filterwarnings("error")
def test_an_area_needs_weight_in_both_classes() -> None:
    two = np.array([0, 1])
    told = Outcomes(two, two, np.array([0.2, 0.9]), classes=two, weight=np.array([0.0, 1.0]))
    assert np.isnan(METRICS["ROC AUC"](told))
