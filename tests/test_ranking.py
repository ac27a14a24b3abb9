"""Rankings by group: what scikit-learn says of each, and what is found among the first k."""

from dataclasses import replace

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from sklearn.linear_model import LogisticRegression, RidgeClassifier
from sklearn.metrics import ndcg_score

from backtrain import NDCG, Backtest, Outcomes, PrecisionAtK, RecallAtK, SetupError
from backtrain.datasets.synthetic import abrupt
from backtrain.simulator.metrics import MetricError, find_metric


def queries(seed: int, n: int = 60) -> Outcomes:
    """Six queries of different sizes, mixed row by row; scores with ties."""
    random = np.random.default_rng(seed)
    group = random.choice(list("abcdef"), n, p=[0.4, 0.2, 0.1, 0.1, 0.1, 0.1])
    label = random.integers(0, 4, n).astype(float)
    return Outcomes(label, random.integers(0, 8, n) / 4, group=group)


@pytest.mark.parametrize("k", [None, 1, 3, 10])
@settings(max_examples=20, deadline=None)
@given(seed=st.integers(0, 10_000))
def test_ndcg_is_the_mean_of_that_of_scikit_learn(k: int | None, seed: int) -> None:
    rows = queries(seed)
    each = []
    for group in np.unique(rows.group):
        here = rows.group == group
        if here.sum() > 1 and rows.label[here].any():  # it takes no single row, nor a query of none
            each.append(ndcg_score([rows.label[here]], [rows.prediction[here]], k=k))
        elif rows.label[here].any():
            each.append(1.0)
    assert NDCG(k)(rows) == pytest.approx(np.mean(each))


def test_ndcg_of_a_classifier_ranks_by_probability() -> None:
    rows = Outcomes(np.array([0, 1, 1]), np.array([1, 1, 0]), np.array([0.9, 0.8, 0.1]))
    assert NDCG()(rows) == pytest.approx(ndcg_score([[0, 1, 1]], [[0.9, 0.8, 0.1]]))


def alerts() -> Outcomes:
    """Two branches; of each the two highest scores are looked at."""
    label = np.array([1, 0, 1, 1, 0, 0])
    score = np.array([0.9, 0.8, 0.7, 0.2, 0.6, 0.1])
    group = np.array(list("aaabbb"))
    amount = np.array([1.0, 1.0, 100.0, 50.0, 1.0, 2.0])
    return Outcomes(label, label, score, classes=np.array([0, 1]), amount=amount, group=group)


def test_precision_and_recall_at_k_by_hand() -> None:
    # a: 0.9 (hit), 0.8; b: 0.6, 0.2 (hit). By amount: a: 70 (hit), 0.9 (hit); b: 10 (hit), 0.6.
    assert PrecisionAtK(2)(alerts()) == 2 / 4
    assert RecallAtK(2)(alerts()) == 2 / 3
    assert PrecisionAtK(2, by="amount")(alerts()) == 3 / 4
    assert RecallAtK(2, by="amount")(alerts()) == 1.0
    alone = replace(alerts(), group=None)  # all rows are one group: 0.9, 0.8
    assert PrecisionAtK(2)(alone) == 1 / 2
    assert RecallAtK(1)(alone) == 1 / 3
    assert PrecisionAtK(50)(alone) == 1 / 2  # all that there are


def test_rows_of_weight_0_are_not_looked_at() -> None:
    rows = replace(alerts(), weight=np.array([0.0, 1, 1, 1, 0, 2]))
    # a: 0.8, 0.7 (hit); b: 0.2 (hit), 0.1
    assert PrecisionAtK(2)(rows) == 2 / 4
    assert RecallAtK(1)(rows) == 1 / 2


@pytest.mark.parametrize("name", ["NDCG", "precision@3", "recall 3"])
def test_a_replay_needs_probabilities_and_groups_its_rows(name: str) -> None:
    history = abrupt(n=300)
    history = replace(history, group=np.arange(300) // 10)
    metric = Backtest(history, LogisticRegression(), metrics=[name]).row_metrics[0]
    assert metric.needs_probability
    with pytest.raises(SetupError, match="needs probabilities, but RidgeClassifier has no"):
        Backtest(history, RidgeClassifier(), metrics=[name])


@pytest.mark.parametrize(
    ("make", "says"),
    [
        (lambda: NDCG(0), "give a number of rows, 1 or more"),
        (lambda: find_metric("precision@2.5"), "give a number of rows, 1 or more"),
        (lambda: PrecisionAtK(3, by="size"), "give 'score' or 'amount'"),
        (lambda: PrecisionAtK(1, by="amount")(replace(alerts(), amount=None)), "has no amounts"),
        (lambda: NDCG()(Outcomes(np.array([-1.0, 2.0]), np.zeros(2))), "a label is negative"),
    ],
)
def test_nonsense_is_refused(make, says: str) -> None:
    with pytest.raises(MetricError, match=says):
        make()
