"""Performance without labels: what is expected, by hand, by brute force and on whole histories."""

import importlib.util
from pathlib import Path

import numpy as np
import pandas as pd
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from sklearn import metrics as sk
from sklearn.isotonic import IsotonicRegression

from backtrain.reports.estimates import estimated_and_realised
from backtrain.simulator.metrics import METRICS, Outcomes, find_metric
from backtrain.strategies.triggers.performance_estimates import (
    Calibrated,
    ErrorModel,
    expected,
    one_against_rest,
)

BENCHMARK = Path(__file__).parent.parent / "benchmarks" / "estimates.py"


def accuracy_error(outcomes, chances):
    """Standard error of the accuracy of n rows around what is expected: sqrt(sum c (1-c)) / n.

    c is the chance that the answer is right. What the calibration does not know is not in it.
    """
    right = chances[np.arange(len(outcomes)), one_against_rest(outcomes).prediction]
    weight = np.ones(len(outcomes)) if outcomes.weight is None else outcomes.weight
    return float(np.sqrt((weight**2 * right * (1 - right)).sum()) / weight.sum())


def binary(score, label=None, prediction=None, **more):
    """Answers of a model that says 1 from one half on; blank labels."""
    score = np.asarray(score, dtype=float)
    prediction = (score >= 0.5).astype(int) if prediction is None else np.array(prediction)
    label = np.full(len(score), -1) if label is None else np.array(label)
    return Outcomes(label, prediction, score, classes=np.array([0, 1]), **more)


def multiclass(probability, label=None, **more):
    probability = np.asarray(probability, dtype=float)
    label = np.full(len(probability), -1) if label is None else np.array(label)
    prediction = probability.argmax(axis=1)
    score, classes = probability.max(axis=1), np.arange(probability.shape[1])
    return Outcomes(label, prediction, score, probability, classes, positive=-1, **more)


def of(name, told, chances):
    chances = np.asarray(chances, dtype=float)
    chances = np.column_stack((1 - chances, chances)) if chances.ndim == 1 else chances
    return find_metric(name)(expected(told, chances))


# --- by hand ------------------------------------------------------------------------------------


@pytest.mark.parametrize(
    ("metric", "value"),
    [
        # c = .9 .6 | .4 .2, the first two said to be positive:
        # TP = .9 + .6 = 1.5, FP = .1 + .4 = .5, FN = .4 + .2 = .6, TN = .6 + .8 = 1.4
        ("accuracy", 2.9 / 4),
        ("precision", 1.5 / 2.0),
        ("recall", 1.5 / 2.1),
        ("F1", 3.0 / 4.1),
        ("balanced accuracy", (1.5 / 2.1 + 1.4 / 1.9) / 2),
        # Pairs in order, ties by half; of 2.1 expected positives and 1.9 negatives:
        # .2 x .4 + .4 x (.8 + .3) + .6 x (.8 + .6 + .2) + .9 x (.8 + .6 + .4 + .05) = 3.145
        ("ROC AUC", 3.145 / (2.1 * 1.9)),
        # c (1 - p)^2 + (1 - c) p^2, and p = c here: c (1 - c)
        ("Brier", (0.09 + 0.24 + 0.24 + 0.16) / 4),
    ],
)
def test_two_classes(metric: str, value: float) -> None:
    c = [0.9, 0.6, 0.4, 0.2]
    assert of(metric, binary(c), c) == pytest.approx(value, abs=1e-12)


def test_the_standard_error_of_accuracy() -> None:
    c = np.array([0.9, 0.6, 0.4, 0.2])
    chances = np.column_stack((1 - c, c))
    # c (1 - c) = .09 + .24 + .24 + .16 = .73, whichever class is said
    assert accuracy_error(binary(c), chances) == pytest.approx(0.73**0.5 / 4)
    weighted = binary(c, weight=np.array([2.0, 0.0, 0.0, 2.0]))
    assert accuracy_error(weighted, chances) == pytest.approx((4 * 0.09 + 4 * 0.16) ** 0.5 / 4)


def test_three_classes() -> None:
    chances = np.array([[0.7, 0.2, 0.1], [0.1, 0.6, 0.3], [0.3, 0.3, 0.4], [0.5, 0.25, 0.25]])
    told = multiclass(chances)  # says 0, 1, 2, 0
    assert of("accuracy", told, chances) == pytest.approx((0.7 + 0.6 + 0.4 + 0.5) / 4)
    # Expected numbers of the classes: 1.6, 1.35, 1.05
    recalls = [1.2 / 1.6, 0.6 / 1.35, 0.4 / 1.05]
    assert of("recall", told, chances) == pytest.approx(np.mean(recalls))
    assert of("precision", told, chances) == pytest.approx((1.2 / 2 + 0.6 + 0.4) / 3)


def test_row_weights_count() -> None:
    c = [0.9, 0.6, 0.4, 0.2]
    told = binary(c, weight=np.array([1.0, 3.0, 0.0, 0.0]))
    assert of("accuracy", told, c) == pytest.approx((0.9 + 3 * 0.6) / 4)


def test_calibration_by_hand() -> None:
    # Labels 0 1 0 1 at .2 .4 .6 .8: the middle two are pooled to 1/2.
    known = binary([0.2, 0.4, 0.6, 0.8], [0, 1, 0, 1])
    found = Calibrated(known).chances(binary([0.1, 0.3, 0.5, 0.7, 0.9]))
    # Linear in between, and level outside.
    assert found[:, 1].tolist() == pytest.approx([0, 0.25, 0.5, 0.75, 1])
    assert found.sum(axis=1).tolist() == [1.0] * 5


def test_a_weight_of_two_calibrates_like_two_rows() -> None:
    score, label = [0.2, 0.4, 0.6, 0.8], [0, 1, 0, 1]
    heavy = binary(score, label, weight=np.array([1.0, 1.0, 2.0, 1.0]))
    twice = binary([*score, 0.6], [*label, 0])
    asked = binary(np.linspace(0, 1, 21))
    heavy, twice = Calibrated(heavy).chances(asked), Calibrated(twice).chances(asked)
    np.testing.assert_allclose(heavy, twice)
    assert heavy[10, 1] == pytest.approx(1 / 3)


def test_where_no_class_is_likely_the_model_is_believed() -> None:
    known = multiclass([[0.9, 0.1, 0.0], [0.1, 0.9, 0.0], [0.1, 0.1, 0.8]], [0, 1, 2])
    lost = multiclass([[0.1, 0.1, 0.0]])
    assert Calibrated(known).chances(lost).tolist() == [[0.1, 0.1, 0.0]]


def test_a_class_that_turns_up_later_changes_no_estimate() -> None:
    rng = np.random.default_rng(0)
    score = rng.random(60)
    label = (rng.random(60) < score).astype(int)
    two = binary(score, label)
    probability = np.column_stack((1 - score, score, np.zeros(60)))
    three = Outcomes(label, two.prediction, score, probability, np.arange(3), positive=1)
    for metric in ("accuracy", "F1", "ROC AUC", "log loss"):
        values = [Calibrated(t).estimate(find_metric(metric), t) for t in (two, three)]
        assert values[0] == values[1]


# --- by brute force -----------------------------------------------------------------------------

chances_of_rows = st.lists(st.sampled_from([0.05, 0.2, 0.35, 0.5, 0.7, 0.9]), min_size=2)


@settings(max_examples=100, deadline=None)
@given(c=chances_of_rows, seed=st.integers(0, 1000))
def test_expected_metrics_are_those_of_scikit_learn_with_weights(c: list, seed: int) -> None:
    rng = np.random.default_rng(seed)
    c, n = np.array(c), len(c)
    told = binary(rng.random(n).round(1))
    label, weight = np.repeat([1, 0], n), np.concatenate((c, 1 - c))
    said, score = np.tile(told.prediction, 2), np.tile(told.score, 2)
    zero = {"zero_division": 0.0, "sample_weight": weight}
    found = {
        "accuracy": sk.accuracy_score(label, said, sample_weight=weight),
        "precision": sk.precision_score(label, said, **zero),
        "recall": sk.recall_score(label, said, **zero),
        "F1": sk.f1_score(label, said, **zero),
        "ROC AUC": sk.roc_auc_score(label, score, sample_weight=weight),
        "average precision": sk.average_precision_score(label, score, sample_weight=weight),
        "Brier": sk.brier_score_loss(label, score, sample_weight=weight),
    }
    for name, value in found.items():
        assert of(name, told, c) == pytest.approx(value, abs=1e-9), name


def test_the_mean_and_spread_of_accuracy_are_those_of_drawn_labels() -> None:
    rng = np.random.default_rng(0)
    c = rng.random(50)
    told = binary(rng.random(50))
    drawn = rng.random((20_000, 50)) < c
    accuracy = (drawn == told.prediction).mean(axis=1)
    assert of("accuracy", told, c) == pytest.approx(accuracy.mean(), abs=0.002)
    chances = np.column_stack((1 - c, c))
    assert accuracy_error(told, chances) == pytest.approx(accuracy.std(), rel=0.03)


def test_the_expected_confusion_of_three_classes_is_that_of_drawn_labels() -> None:
    rng = np.random.default_rng(1)
    chances = rng.dirichlet(np.ones(3), size=400)
    told = multiclass(rng.dirichlet(np.ones(3), size=400))
    drawn = np.array([rng.choice(3, p=row, size=300) for row in chances]).T
    for name, score in (
        ("recall", sk.recall_score),
        ("precision", sk.precision_score),
        ("F1", sk.f1_score),
    ):
        values = [score(label, told.prediction, average="macro") for label in drawn]
        assert of(name, told, chances) == pytest.approx(np.mean(values), abs=0.01), name


@settings(max_examples=30, deadline=None)
@given(seed=st.integers(0, 10_000))
def test_three_classes_are_calibrated_one_against_the_rest(seed: int) -> None:
    rng = np.random.default_rng(seed)
    probability = rng.dirichlet(np.ones(3), size=80)
    label = np.array([rng.choice(3, p=row) for row in probability])
    asked = multiclass(rng.dirichlet(np.ones(3), size=20))
    raw = np.empty((20, 3))
    for k in range(3):
        curve = IsotonicRegression(out_of_bounds="clip").fit(probability[:, k], label == k)
        raw[:, k] = curve.predict(asked.probability[:, k])
    found = Calibrated(multiclass(probability, label)).chances(asked)
    for got, row, own in zip(found, raw, asked.probability, strict=True):
        assert got == pytest.approx(row / row.sum() if row.sum() else own)


@pytest.mark.parametrize("name", [n for n, m in METRICS.items() if m.task == "classification"])
def test_every_metric_of_classification_can_be_estimated(name: str) -> None:
    rng = np.random.default_rng(0)
    score = rng.random(20_000)
    told = binary(score, rng.random(20_000) < score)  # probabilities that are right
    metric = find_metric(name)
    assert Calibrated(told).estimate(metric, told) == pytest.approx(metric(told), abs=0.01)


# --- errors of regression -------------------------------------------------------------------------


def errors(x, prediction, error=0.0, **more):
    prediction = np.asarray(prediction, dtype=float)
    return Outcomes(prediction + error, prediction, **more)


def test_the_error_depends_on_features_and_prediction() -> None:
    # Off by 1 left of 0 and by 3 right of it; 5 more where more than 10 is predicted.
    x = np.tile([-1.0, 1.0, -1.0, 1.0], 100)
    said = np.tile([0.0, 0.0, 20.0, 20.0], 100)
    error = np.where(x < 0, 1.0, 3.0) + np.where(said > 10, 5.0, 0.0)
    error[::2] *= -1
    told, X = errors(x, said, error), x[:, None]
    mean = ErrorModel(told, X, squared=False, seed=0)
    blank = errors([1, 1, -1], [0, 20, 0], np.nan)
    asked = np.array([[1.0], [1.0], [-1.0]])
    assert mean.predict(blank, asked) == pytest.approx([3, 8, 1], abs=0.01)
    assert mean.estimate(find_metric("MAE"), blank, asked) == pytest.approx(4, abs=0.01)
    square = ErrorModel(told, X, squared=True, seed=0)
    rmse = square.estimate(find_metric("RMSE"), blank, asked)
    assert rmse == pytest.approx(((9 + 64 + 1) / 3) ** 0.5, abs=0.01)
    heavy = errors([1, 1, -1], [0, 20, 0], np.nan, weight=np.array([0.0, 1.0, 1.0]))
    assert mean.estimate(find_metric("MAE"), heavy, asked) == pytest.approx(4.5, abs=0.01)


def test_an_expected_error_is_not_negative() -> None:
    x = np.linspace(-1, 1, 200)
    told = errors(x, x, np.where(x < 0, 0.0, 10.0))
    found = ErrorModel(told, x[:, None], squared=False, seed=0).predict(told, x[:, None])
    assert found.min() >= 0


def test_categories_and_missing_features() -> None:
    n = 300
    kind = pd.Categorical(np.tile(["a", "b", None], n // 3), categories=["a", "b", "new"])
    X = pd.DataFrame({"kind": kind, "size": np.tile([1.0, np.nan, 2.0], n // 3)})
    told = errors(None, np.zeros(n), np.tile([1.0, 2.0, 4.0], n // 3))
    found = ErrorModel(told, X, squared=False, seed=0).predict(told, X)
    assert found[:3] == pytest.approx([1, 2, 4], abs=0.01)


# --- estimated and realised -----------------------------------------------------------------------


def hours(*h):
    return [pd.Timestamp("2024-01-01") + pd.Timedelta(hours=at) for at in h]


def predictions(label, prediction, version, **more):
    n = len(label)
    return pd.DataFrame(
        {
            "event_time": hours(*range(n)),
            "version": version,
            "prediction": prediction,
            "score": 0.5,
            "label": label,
            "loss": np.where(pd.isna(label), np.nan, np.array(label) != np.array(prediction)),
            "weight": 1.0,
        }
        | more
    )


def noted(*rows):
    """Events ``(hour, version, estimate)`` among others."""
    kinds = ["estimate"] * len(rows) + ["trained"]
    at, version, value = zip(*rows, (3, 0, 9.0), strict=True)
    return pd.DataFrame({"at": hours(*at), "kind": kinds, "version": version, "statistic": value})


def test_estimates_are_held_against_the_newest_rows_of_their_version() -> None:
    said = ["a", "a", "b", "b", "b", "a", "a", "a"]
    label = ["a", "b", "b", None, "a", "b", "a", "a"]
    table = predictions(label, said, [0, 0, 0, 0, 1, 0, 1, 1])
    events = noted((3, 0, 0.75), (6, 0, 0.5), (8, 1, 1.0))
    found = estimated_and_realised(events, table, find_metric("accuracy"), window=3)
    # At 3: rows 0 1 2, right but for row 1. At 6, of version 0: rows 2 3 5, of which row 3 has no
    # label. At 8, of version 1: rows 4 6 7.
    assert found["realised"].tolist() == pytest.approx([2 / 3, 1 / 2, 2 / 3])
    assert found["gap"].tolist() == pytest.approx([0.75 - 2 / 3, 0, 1 / 3])
    assert found["rows"].tolist() == [3, 2, 3]
    assert found["version"].tolist() == [0, 0, 1]


def test_realised_errors_of_a_regression_count_weights() -> None:
    table = predictions([1.0, 2.0, 5.0], [1.0, 4.0, 5.5], [0, 0, 0], weight=[1.0, 1.0, 2.0])
    table["loss"] = np.abs(table["label"] - table["prediction"])
    found = estimated_and_realised(noted((3, 0, 1.0)), table, find_metric("MAE"), window=9)
    assert found["realised"].tolist() == [(0 + 2 + 2 * 0.5) / 4]


# --- on whole histories ---------------------------------------------------------------------------


@pytest.fixture(scope="module")
def benchmark_script():
    spec = importlib.util.spec_from_file_location("estimates_benchmark", BENCHMARK)
    module = importlib.util.module_from_spec(spec)
    spec.loader.exec_module(module)
    return module


def test_moved_features_are_seen_and_a_changed_concept_is_not(benchmark_script) -> None:
    moved = pd.concat([benchmark_script.shifted(seed) for seed in range(8)])
    turned = pd.concat([benchmark_script.turned(seed) for seed in range(3)])
    assert (len(moved), len(turned)) == (24, 9)
    assert moved["gap"].abs().mean() <= 0.02
    assert turned["gap"].min() > 0.2  # it goes on expecting what it knew
