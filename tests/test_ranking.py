"""Rankings by group: what scikit-learn says of each, and what is found among the first k."""

from dataclasses import replace

import numpy as np
import pandas as pd
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from sklearn.linear_model import LogisticRegression, RidgeClassifier
from sklearn.metrics import ndcg_score

from backtrain import NDCG, Backtest, Outcomes, PrecisionAtK, RecallAtK, SetupError, Strategy
from backtrain.datasets.calendar import Calendar
from backtrain.datasets.synthetic import abrupt
from backtrain.simulator.metrics import ByGroup, Known, MetricError, find_metric
from backtrain.simulator.ranking import Periods
from backtrain.strategies import Expanding, Never, PerformanceDrop


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


# --- of each period -------------------------------------------------------------------------------


def at(*times: str) -> np.ndarray:
    return np.array(times, dtype="datetime64[ns]")


def day_by_day() -> Outcomes:
    """The alerts of two branches: rows 0, 1 and 3 on one day, the others on the next."""
    first, second = "2024-01-01T10", "2024-01-02T10"
    return replace(alerts(), event_time=at(first, first, second, first, second, second))


def test_precision_and_recall_of_each_day_by_hand() -> None:
    rows = day_by_day()
    alone = replace(rows, group=None)
    # Day 1: 0.9 (hit), 0.8; 0.2 (hit) is not looked at. Day 2: 0.7 (hit), 0.6.
    assert PrecisionAtK(2, per="1D")(alone) == 2 / 4
    assert RecallAtK(2, per="1D")(alone) == 2 / 3
    assert PrecisionAtK(1, per="1D")(alone) == 2 / 2
    # Of each branch: a: 0.9 (hit), 0.7 (hit); b: 0.2 (hit), 0.6.
    assert PrecisionAtK(1, per="1D")(rows) == 3 / 4
    assert RecallAtK(1, per="1D")(rows) == 3 / 3
    assert PrecisionAtK(2, per="7D")(rows) == PrecisionAtK(2)(rows)  # one week from Monday on
    # By amount: day 1: 50 * 0.2 (hit); day 2: 100 * 0.7 (hit).
    assert PrecisionAtK(1, by="amount", per="1D")(alone) == 1.0


@settings(max_examples=20, deadline=None)
@given(seed=st.integers(0, 10_000), hours=st.sampled_from([1, 6, 24, 168]))
def test_a_period_ranks_as_a_group_does(seed: int, hours: int) -> None:
    rows = queries(seed)
    random = np.random.default_rng(seed)
    hour = np.sort(random.integers(0, 100, len(rows)))
    when = (pd.Timestamp("2023-12-25") + pd.to_timedelta(hour, "h")).to_numpy()  # a Monday
    timed = replace(rows, event_time=when)
    period = hour // hours
    joined = replace(
        rows, group=np.array([f"{g} {p}" for g, p in zip(rows.group, period, strict=True)])
    )
    assert NDCG(3, per=f"{hours}h")(timed) == pytest.approx(NDCG(3)(joined))
    only = replace(rows, group=period)
    assert NDCG(per=f"{hours}h")(replace(timed, group=None)) == pytest.approx(NDCG()(only))


def test_days_are_those_of_the_calendar_and_ticks_end_before_their_rows() -> None:
    late = [f"2024-01-01T{hour}" for hour in (21, 22, 23)]
    rows = replace(alerts(), group=None, event_time=at(*late, *["2024-01-02T01"] * 3))
    berlin = Periods("1D", Calendar("Europe/Berlin")).apply("m", rows).group
    assert berlin.tolist() == [0, 0, 1, 1, 1, 1]  # 23:00 in UTC is midnight there
    assert Periods("1D").apply("m", rows).group.tolist() == [0, 0, 0, 1, 1, 1]
    ticks = at("2024-01-01T22", "2024-01-02T00").view(np.int64)
    assert Periods("tick", ticks=ticks).apply("m", rows).group.tolist() == [0, 1, 1, 2, 2, 2]


def test_a_replay_has_times_a_calendar_and_ticks() -> None:
    stream = abrupt(n=500, task="classification")
    names = ["precision@5 per 1D", "recall@5 per tick", "NDCG@3 per 12h", PrecisionAtK(5, per="7D")]
    backtest = Backtest(stream, LogisticRegression(), tick="2D", metrics=names)
    run = backtest.replay(Strategy(Never(), Expanding()))
    assert list(run.metrics) == [*names[:3], "precision@5 per 7D"]
    rows = run.predictions
    since = rows["event_time"] - backtest.start_at
    for name, period, k in [
        ("precision@5 per 1D", rows["event_time"].dt.floor("1D"), 5),
        ("recall@5 per tick", since // pd.Timedelta("2D"), 5),
    ]:
        best = rows.assign(period=period).sort_values("score", ascending=False, kind="stable")
        hits = best.groupby("period").head(k)["label"]
        whole = len(hits) if name.startswith("precision") else rows["label"].sum()
        assert run.metrics[name] == pytest.approx(hits.sum() / whole), name
    watched = PerformanceDrop("precision@5 per 1D", window=50, min_labels=20, below=1.0)
    assert backtest.replay(Strategy(watched, Expanding())).totals["retrains"] > 0


def test_names_with_a_period() -> None:
    assert find_metric("recall@50 per 1D").name == "recall@50 per 1D"
    assert find_metric("ndcg per tick").name == "NDCG per tick"
    assert find_metric("precision@5 per 7D by group").name == "precision@5 per 7D by group"
    assert PrecisionAtK(5, "amount", "1D").name == "precision@5 per 1D by amount"
    by = ByGroup(PrecisionAtK(1, per="1D"))
    assert by(day_by_day()) == (2 / 2 + 1 / 2) / 2


@pytest.mark.parametrize("per", ["1MS", "0D", 7, "day", ""])
def test_what_is_no_period_is_refused(per) -> None:
    for kind in (NDCG, PrecisionAtK, RecallAtK):
        with pytest.raises(MetricError, match="give a length, such as '1D', or 'tick'"):
            kind(3, per=per)


def test_what_has_no_times_or_ticks_says_so() -> None:
    with pytest.raises(MetricError, match="rows have no times; leave per away"):
        PrecisionAtK(2, per="1D")(alerts())
    with pytest.raises(MetricError, match="has no ticks yet"):
        PrecisionAtK(2, per="tick")(day_by_day())
    with pytest.raises(MetricError, match="ticks are counted in rows here; give a length"):
        find_metric("NDCG per tick").at_start(Known(np.zeros(2)))
    stream = abrupt(n=300, task="classification")
    with pytest.raises((SetupError, MetricError), match="ticks are counted in rows here"):
        Backtest(stream, LogisticRegression(), tick=50, metrics=["precision@5 per tick"])
