"""Updates: what each learns from what, worked by hand, and what it is charged."""

from __future__ import annotations

from dataclasses import dataclass, replace
from typing import Any, ClassVar

import numpy as np
import pytest
from hourly import At, Judge, Look, Spy, history, hour_of, hourly, parents, spent
from hypothesis import given, settings
from hypothesis import strategies as st
from sklearn.base import BaseEstimator, RegressorMixin
from sklearn.dummy import DummyRegressor
from sklearn.ensemble import (
    BaggingRegressor,
    ExtraTreesRegressor,
    GradientBoostingClassifier,
    GradientBoostingRegressor,
    HistGradientBoostingRegressor,
    RandomForestClassifier,
    RandomForestRegressor,
)
from sklearn.linear_model import (
    LinearRegression,
    LogisticRegression,
    Ridge,
    SGDClassifier,
    SGDRegressor,
)
from sklearn.model_selection import ParameterGrid, TimeSeriesSplit
from sklearn.naive_bayes import GaussianNB
from sklearn.neighbors import KNeighborsRegressor
from sklearn.neural_network import MLPRegressor
from sklearn.pipeline import Pipeline, make_pipeline
from sklearn.preprocessing import StandardScaler
from sklearn.svm import LinearSVC

from backtrain import Backtest, Delays, PartError, Prices, Strategy
from backtrain.datasets.synthetic import abrupt
from backtrain.lossmatrix.trial_models import loss_matrix
from backtrain.strategies import (
    BeatsChampion,
    Decay,
    Every,
    EveryRows,
    Expanding,
    Immediate,
    Never,
    PartialFit,
    Refit,
    Retune,
    Sliding,
    Transfer,
    WarmStart,
)

PARTS = [
    PartialFit(replay=0.5, seed=3),
    Retune({"alpha": [0.1, 1.0]}),
    Retune({"ridge__alpha": [0.1, 1.0]}, search="random", iterations=4, splits=5, scoring="r2"),
    Transfer(),
]
NONSENSE = [
    (lambda: PartialFit(replay=-0.1), "old rows per new one, 0 or more"),
    (lambda: PartialFit(seed=-1), "0 or more"),
    (lambda: Retune({}), r"such as \{'alpha'"),
    (lambda: Retune({"alpha": 1.0}), "alpha=1.0: give a list of values"),
    (lambda: Retune({"alpha": []}), "give a list of values"),
    (lambda: Retune({"alpha": [1]}, search="halving"), "not one of 'grid', 'random'"),
    (lambda: Retune({"alpha": [1]}, splits=1), "a whole number, 2 or more"),
    (lambda: Retune({"alpha": [1]}, iterations=0), "a whole number, 1 or more"),
    (lambda: Retune({"alpha": [1]}, scoring="neg_mean_absolute_eror"), "'neg_mean_absolute_error'"),
    (lambda: Retune({"alpha": [1]}, seed=0.5), "0 or more"),
]
GIVEN = {("update", "retune"): ["update.grid={alpha:[0.1,1.0]}"]}
INCREMENTAL = {
    "partial fit with old rows": Strategy(Every("7h"), Sliding("2D"), PartialFit(replay=0.5)),
    "partial fit with many old rows": Strategy(
        EveryRows(6), Decay("1D"), PartialFit(2, 4, replay=3.0), BeatsChampion(0.3, min_rows=1)
    ),
}
PIPELINES = {
    "transfer": Strategy(Every("9h"), Sliding(20), Transfer()),
    "transfer, champion": Strategy(
        EveryRows(8), Decay("2D"), Transfer(), BeatsChampion(0.3, min_rows=2, refit=True)
    ),
    "retune": Strategy(
        Every("11h"), Sliding("2D"), Retune({"alpha": [0.01, 1.0, 100.0]}), BeatsChampion(0.2)
    ),
    "retune by chance": Strategy(
        EveryRows(9),
        Decay("1D"),
        Retune(
            {"alpha": [0.1, 1.0, 10.0], "standardscaler__with_mean": [True, False]},
            search="random",
            iterations=3,
            splits=2,
            scoring="neg_mean_absolute_error",
        ),
    ),
}


def models_by_hour(strategy: Strategy, **setup: Any) -> tuple[dict[float, Any], Any]:
    """The estimator in force at each tick, by hour, and the run."""
    look = Look(lambda view: view.model.estimator, strategy.trigger)
    run = hourly(**setup).replay(replace(strategy, trigger=look))
    return look.seen, run


# --- they learn -----------------------------------------------------------------------------------

FOREST = {"n_estimators": 5, "max_depth": 3, "random_state": 0}
LEARNERS = [
    (WarmStart(), RandomForestRegressor(**FOREST)),
    (WarmStart(), ExtraTreesRegressor(**FOREST)),
    (WarmStart(), BaggingRegressor(n_estimators=5, random_state=0)),
    (WarmStart(), GradientBoostingRegressor(n_estimators=5, random_state=0)),
    (WarmStart(), SGDRegressor(max_iter=20, tol=None, random_state=0)),
    (WarmStart(), make_pipeline(StandardScaler(), RandomForestRegressor(**FOREST))),
    (PartialFit(), SGDRegressor(max_iter=20, tol=None, random_state=0)),
    (PartialFit(), make_pipeline(StandardScaler(), SGDRegressor(random_state=0))),
    (
        PartialFit(),
        make_pipeline(StandardScaler(), make_pipeline(StandardScaler(), SGDRegressor())),
    ),
    (PartialFit(replay=0.5), MLPRegressor(learning_rate_init=0.05, max_iter=20, random_state=0)),
    (Transfer(), make_pipeline(StandardScaler(), Ridge())),
    (Transfer(), make_pipeline(StandardScaler(), make_pipeline(StandardScaler(), Ridge()))),
    (Retune({"alpha": [0.1, 10.0]}), make_pipeline(StandardScaler(), Ridge())),
]


@pytest.mark.filterwarnings("ignore")
@pytest.mark.parametrize(("update", "model"), LEARNERS, ids=repr)
def test_an_update_really_learns(update: Any, model: Any) -> None:
    """After a drift it has less error than the model that was never trained again."""
    backtest = Backtest(abrupt(n=600, task="regression", seed=1), model, tick="1D", start=0.3)
    still = backtest.replay(Strategy(Never(), Expanding()))
    run = backtest.replay(Strategy(Every("2D"), Sliding("6D"), update))
    assert run.totals["deployed"] > 3
    assert run.totals["failed"] == 0
    assert run.totals["loss"] < 0.97 * still.totals["loss"]


@pytest.mark.filterwarnings("ignore")
@pytest.mark.parametrize(
    "model",
    [
        RandomForestClassifier(**FOREST),
        GradientBoostingClassifier(n_estimators=5, random_state=0),
        SGDClassifier(random_state=0),
    ],
    ids=repr,
)
def test_a_warm_start_of_a_classifier_learns(model: Any) -> None:
    backtest = Backtest(abrupt(n=600, seed=1), model, tick="1D", start=0.3)
    still = backtest.replay(Strategy(Never(), Expanding()))
    run = backtest.replay(Strategy(Every("2D"), Sliding("6D"), WarmStart()))
    assert run.totals["deployed"] > 3
    assert run.totals["loss"] < 0.97 * still.totals["loss"]


@pytest.mark.parametrize(
    ("model", "count"),
    [
        (RandomForestRegressor(**FOREST), lambda model: len(model.estimators_)),
        (GradientBoostingRegressor(n_estimators=5), lambda model: len(model.estimators_)),
    ],
    ids=["forest", "boosting"],
)
def test_a_warm_start_adds_rounds_and_keeps_the_old_ones(model: Any, count: Any) -> None:
    seen, _ = models_by_hour(Strategy(At((6, 8)), Expanding(), WarmStart(rounds=3)), model=model)
    assert [count(seen[at]) for at in (5, 7, 9)] == [5, 8, 11]
    old, new = (np.ravel(seen[at].estimators_)[:5] for at in (5, 9))
    X = np.arange(13.0)[:, None]
    assert all((a.predict(X) == b.predict(X)).all() for a, b in zip(old, new, strict=True))


# --- lineage --------------------------------------------------------------------------------------


class Diary(RegressorMixin, BaseEstimator):
    """Answers the mean of all it was ever taught, and keeps what it was taught, call by call."""

    def __init__(self, warm_start: bool = False) -> None:
        self.warm_start = warm_start

    def fit(self, X: Any, y: Any, sample_weight: Any = None) -> Diary:
        before = getattr(self, "pages_", []) if self.warm_start else []
        self.pages_ = [*before, y.tolist()]
        return self

    def partial_fit(self, X: Any, y: Any, sample_weight: Any = None) -> Diary:
        self.pages_ = [*self.pages_, y.tolist()]
        return self

    def predict(self, X: Any) -> Any:
        return np.full(len(X), np.mean([label for page in self.pages_ for label in page]))


@pytest.mark.parametrize(
    ("update", "pages"),
    [
        # The first model: rows 0 to 3. Trainings at 6, 8, 10, 12; those at 6 and 10 are rejected.
        (WarmStart(), [[0, 1, 2, 3], [0, 1, 2, 3, 4, 5, 6, 7], list(range(12))]),
        (PartialFit(), [[0, 1, 2, 3], [4, 5, 6, 7], [8, 9, 10, 11]]),
    ],
    ids=repr,
)
def test_a_child_goes_on_from_the_model_in_force_not_from_a_rejected_one(
    update: Any, pages: list[list[float]]
) -> None:
    trigger, gate = At((6, 8, 10, 12)), Judge((2, 4))
    seen, run = models_by_hour(
        Strategy(trigger, Expanding(), update, gate), model=Diary(), stream=history(14)
    )
    assert parents(run) == [None, 0, 0, 2, 2]
    assert seen[7].pages_ == pages[:1]
    assert seen[9].pages_ == pages[:2]
    assert seen[13].pages_ == pages


def test_the_scaler_of_the_first_model_stays_while_the_last_step_is_new() -> None:
    model = make_pipeline(StandardScaler(), Diary())
    trigger, gate = At((6, 8, 10)), Judge((2, 3))
    seen, run = models_by_hour(Strategy(trigger, Sliding(3), Transfer(), gate), model=model)
    assert parents(run) == [None, 0, 0, 2]
    # The first model saw rows 1, 2, 3; the last one was trained at 10 on rows 7, 8, 9.
    assert seen[12][0].mean_.tolist() == [2.0]
    assert seen[12][-1].pages_ == [[7, 8, 9]]
    assert seen[7][-1].pages_ == [[1, 2, 3]]


def test_transfer_scales_new_rows_by_the_old_scaler() -> None:
    # Rows 1, 2, 3 have a mean of 2 and a deviation of 0.8165: row x becomes (x - 2) / 0.8165. The
    # labels 4, 5, 6 of rows 4, 5, 6 are then 2 + 0.8165 times that.
    model = make_pipeline(StandardScaler(), LinearRegression())
    seen, run = models_by_hour(Strategy(At((7,)), Sliding(3), Transfer()), model=model)
    last = seen[8][-1]
    assert (last.intercept_, last.coef_[0]) == pytest.approx((2, 0.81649658))
    assert run.predictions["prediction"].iloc[-1] == pytest.approx(12)


def test_transfer_leaves_the_parent_alone() -> None:
    model = make_pipeline(StandardScaler(), Diary())
    seen, _ = models_by_hour(Strategy(At((6, 8)), Sliding(3), Transfer(), Judge(())), model=model)
    assert [step[-1].pages_ for step in seen.values()] == [[[1, 2, 3]]] * len(seen)


# --- partial fit ----------------------------------------------------------------------------------


def test_old_rows_are_replayed_before_the_new_ones() -> None:
    # New at 8 are rows 4 to 7; half as many old ones are drawn from rows 0 to 3. New at 10 are 8
    # and 9, with one of rows 2 to 7: the window holds the newest eight.
    strategy = Strategy(At((8, 10)), Sliding(8), PartialFit(replay=0.5, seed=1))
    seen, run = models_by_hour(strategy, model=Diary(), prices=Prices(per_1k_rows=1000))
    at = [1_704_067_200_000_000_000 + h * 3_600_000_000_000 for h in (8, 10)]
    first = sorted(np.random.default_rng([1, at[0]]).choice(4, 2, replace=False).tolist())
    second = 2 + np.random.default_rng([1, at[1]]).choice(6, 1, replace=False)
    assert seen[9].pages_ == [[0, 1, 2, 3], [*first, 4, 5, 6, 7]]
    assert seen[11].pages_[-1] == [*second.tolist(), 8, 9]
    assert spent(run, "train") == {8: 1 + 6, 10: 1 + 3}


def test_no_more_old_rows_than_there_are() -> None:
    strategy = Strategy(At((8,)), Sliding(6), PartialFit(replay=5.0))
    seen, _ = models_by_hour(strategy, model=Diary())
    assert seen[9].pages_[-1] == [2, 3, 4, 5, 6, 7]


def test_without_new_rows_nothing_is_replayed() -> None:
    late = dict.fromkeys(range(4, 13), 40.0)
    strategy = Strategy(At((8,)), Expanding(), PartialFit(replay=5.0))
    _, run = models_by_hour(strategy, model=Diary(), stream=history(late=late))
    assert run.versions["outcome"].tolist() == ["initial", "failed"]


def classified(labels: list[Any]) -> Any:
    row = np.arange(len(labels), dtype=float)
    return history(len(labels), X=np.c_[row % 5, row], y=np.array(labels))


def test_a_class_that_is_new_to_the_model_starts_it_afresh_on_the_whole_window() -> None:
    # Class 2 is known at start, but not to the first window, rows 4 to 7; row 9 brings it again.
    stream = classified([0, 1, 2, 0, 0, 1, 0, 1, 0, 2, 1, 0, 1, 0])
    spy = Spy(Sliding(4))
    strategy = Strategy(At((9, 11, 13)), spy, PartialFit())
    seen, run = models_by_hour(strategy, stream=stream, start=8, model=GaussianNB())
    assert run.totals["failed"] == 0
    assert seen[8.0 + 1].classes_.tolist() == [0, 1]
    assert seen[10].classes_.tolist() == [0, 1]
    # At 9 row 8 is new; at 11 rows 9 and 10 are, but with class 2 the whole window, 7 to 10, is
    # learnt from scratch; at 13 the classes are known and rows 11 and 12 are added.
    assert run.versions["rows"].tolist() == [4, 1, 4, 2]
    assert seen[12].classes_.tolist() == [0, 1, 2]
    assert seen[12].class_count_.tolist() == [1, 2, 1]


class Counted(GaussianNB):
    """Writes down how, and on how many rows, it is taught."""

    taught: ClassVar[list[tuple[str, int]]] = []

    def fit(self, X: Any, y: Any, sample_weight: Any = None) -> Any:
        self.taught.append(("fit", len(y)))
        return super().fit(X, y, sample_weight)

    def partial_fit(self, X: Any, y: Any, classes: Any = None, sample_weight: Any = None) -> Any:
        self.taught.append(("partial_fit", len(y)))
        return super().partial_fit(X, y, classes, sample_weight)


@pytest.mark.parametrize("gate", [Immediate(), BeatsChampion(1, min_rows=1)])
def test_a_class_that_is_held_out_lets_no_row_be_learnt_twice(gate: Any) -> None:
    # At 9 the window is rows 4 to 8, and row 8 brings class 2. A gate holds it out, or the
    # version's reference does: the four rows before it, all known to the first model, are learnt
    # from scratch.
    stream = classified([0, 1, 0, 1, 0, 1, 0, 1, 2, 0, 1, 0])
    Counted.taught.clear()
    trigger = Look(lambda view: hour_of(view.now) < 10 or view.model.reference, At((9,)))
    strategy = Strategy(trigger, Sliding(5), PartialFit(), gate)
    hourly(stream=stream, start=8, model=Counted()).replay(strategy)
    assert Counted.taught[:2] == [("fit", 5), ("fit", 5 if gate == Immediate() else 4)]
    assert {("fit", 4)} <= {*Counted.taught}
    assert not {kind for kind, _ in Counted.taught} - {"fit"}


def test_a_class_that_nobody_has_seen_is_not_told_beforehand() -> None:
    labels = [0, 1] * 6
    known, future = classified(labels), classified([*labels[:10], 2, 7])
    for model in (GaussianNB(), SGDClassifier(random_state=0)):
        strategy = Strategy(At((6, 8, 10)), Expanding(), PartialFit())
        _, run = models_by_hour(strategy, stream=known, model=model)
        told, other = models_by_hour(strategy, stream=future, model=model)
        assert told[10].classes_.tolist() == [0, 1]
        assert run.predictions["prediction"].tolist() == other.predictions["prediction"].tolist()


def test_a_window_with_only_the_new_class_fails() -> None:
    strategy = Strategy(At((10,)), Sliding(2), PartialFit())
    stream = classified([0, 1] * 4 + [2, 2, 0, 1])
    _, run = models_by_hour(strategy, stream=stream, model=GaussianNB())
    assert run.versions["outcome"].tolist() == ["initial", "failed"]
    assert run.events["kind"].iloc[-1] == "nothing to learn"
    assert run.events["reason"].iloc[-1] == "the window holds one class only: 2"


# --- search ---------------------------------------------------------------------------------------


def test_the_best_of_the_grid_is_fitted_on_all_rows() -> None:
    # At 8 rows 0 to 7 are known, cut into four stretches of two. The constant 5 is off by 2.5, 0.5
    # and 1.5 on the last three; 0 by 2.5, 4.5 and 6.5. At start three splits of one row each: 0 is
    # off by 1, 2 and 3, 5 by 4, 3 and 2.
    grid = {"constant": [0, 100, 5]}
    update = Retune(grid, splits=3, scoring="neg_mean_absolute_error")
    prices = Prices(retrain=0, per_1k_rows=1000)
    model = DummyRegressor(strategy="constant", constant=1)
    seen, run = models_by_hour(Strategy(At((8,)), Expanding(), update), model=model, prices=prices)
    assert [seen[at].constant for at in (5, 9)] == [0, 5]
    # Each of three candidates on 2, 4 and 6 rows, then the best one on 8; at start 1, 2, 3 and 4.
    assert spent(run, "train") == {8: 3 * (2 + 4 + 6) + 8}
    assert spent(run, "initial") == {4: 3 * (1 + 2 + 3) + 4}
    assert run.versions["rows"].tolist() == [4, 8]


class Witness(RegressorMixin, BaseEstimator):
    """Writes down the rows of every fit and of every answer, and the weights."""

    seen: ClassVar[list[tuple[str, list[float], Any]]] = []

    def __init__(self, shift: float = 0.0) -> None:
        self.shift = shift

    def fit(self, X: Any, y: Any, sample_weight: Any = None) -> Witness:
        Witness.seen.append(("fit", X[:, 0].tolist(), sample_weight))
        self.mean_ = float(np.average(y, weights=sample_weight)) + self.shift
        return self

    def predict(self, X: Any) -> Any:
        Witness.seen.append(("ask", X[:, 0].tolist(), None))
        return np.full(len(X), self.mean_)


@settings(max_examples=30, deadline=None)
@given(
    rows=st.integers(12, 40),
    splits=st.integers(2, 5),
    search=st.sampled_from(["grid", "random"]),
    weighted=st.booleans(),
)
def test_no_fold_trains_on_later_rows_than_it_validates_on(
    rows: int, splits: int, search: str, weighted: bool
) -> None:
    update = Retune({"shift": [0.0, 1.0, 2.0]}, search=search, iterations=2, splits=splits)
    row = np.arange(rows, dtype=float)
    weights = 1 + row if weighted else None
    Witness.seen.clear()
    update.fit(Witness(), row[:, None], row, weights, None, 0)
    fits = [(seen, w) for kind, seen, w in Witness.seen if kind == "fit"]
    asked = [seen for kind, seen, _ in Witness.seen if kind == "ask"]
    assert fits[-1][0] == row.tolist()
    for (older, _), newer in zip(fits[:-1], asked, strict=True):
        assert max(older) < min(newer)
    for seen, used in fits:
        assert (used is None) == (weights is None)
        if used is not None:
            assert used.tolist() == [1 + x for x in seen]
    assert update.rows_fitted(rows) == sum(len(seen) for seen, _ in fits)


@given(rows=st.integers(0, 60), splits=st.integers(2, 7), tried=st.integers(1, 12))
def test_rows_of_a_search_are_those_that_scikit_learn_splits(
    rows: int, splits: int, tried: int
) -> None:
    grid = {"a": list(range(4)), "b": [1, 2, 3]}
    update = Retune(grid, search="random", iterations=tried, splits=splits)
    if rows <= splits:
        assert update.rows_fitted(rows) == rows
        return
    folds = [len(older) for older, _ in TimeSeriesSplit(splits).split(range(rows))]
    assert update.rows_fitted(rows) == tried * sum(folds) + rows
    assert (
        Retune(grid, splits=splits).rows_fitted(rows)
        == len(ParameterGrid(grid)) * sum(folds) + rows
    )


@dataclass(frozen=True)
class Few:
    """Everything at first, then the newest few."""

    rows: int

    def select(self, view: Any) -> Any:
        return (Expanding() if view.reason is None else Sliding(self.rows)).select(view)


@pytest.mark.filterwarnings("ignore")
@pytest.mark.parametrize(
    ("rows", "says"),
    [
        (3, "Cannot have number of folds=4 greater than the number of samples=3"),
        (6, "no combination has a score on stretches of 1 rows"),  # R2 of one row
    ],
)
def test_too_few_rows_to_split_or_score_fail_the_training(rows: int, says: str) -> None:
    update = Retune({"alpha": [1.0, 2.0]}, splits=3)
    strategy = Strategy(At((9,)), Few(rows), update)
    run = hourly(model=Ridge(), start=8).replay(strategy)
    assert run.versions["outcome"].tolist() == ["initial", "failed"]
    assert says in run.events["reason"].iloc[-1]


def test_names_of_a_grid_are_those_of_the_last_step() -> None:
    nested = make_pipeline(
        StandardScaler(), Pipeline([("inner", StandardScaler()), ("m", Ridge())])
    )
    update = Retune({"alpha": [3.0], "standardscaler__with_std": [False]})
    found = update.fit(nested, np.arange(12.0)[:, None], np.arange(12.0), None, None, 0)
    assert found[-1][-1].alpha == 3.0
    assert found[0].with_std is False


def test_a_random_search_tries_the_same_every_time() -> None:
    grid = {"shift": np.linspace(0, 1, 20).tolist()}
    row = np.arange(20.0)

    def tried(seed: int, rows: int) -> list[float]:
        update, made = Retune(grid, search="random", iterations=3, seed=seed), []

        class Told(Witness):
            def fit(self, X: Any, y: Any, sample_weight: Any = None) -> Witness:
                made.append(self.shift)
                return super().fit(X, y, sample_weight)

        update.fit(Told(), row[:rows, None], row[:rows], None, None, rows)
        return sorted(set(made))

    assert tried(0, 20) == tried(0, 15)
    assert tried(0, 20) != tried(1, 20)


def test_a_matrix_counts_the_rows_of_a_search() -> None:
    stream = abrupt(n=400, task="regression")
    prices = Prices(retrain=3, per_1k_rows=2, release=1)
    backtest = Backtest(stream, Ridge(), tick="1D", start=0.4, prices=prices)
    window, update = Sliding(60), Retune({"alpha": [0.1, 10.0]})
    matrix = loss_matrix(backtest, window, update, backtest.store)
    assert matrix.rows.tolist() == [2 * (15 + 30 + 45) + 60] * len(matrix)
    run = backtest.replay(Strategy(Every("2D"), window, update))
    assert matrix.every(2).cost(prices)[0] == pytest.approx(run.totals["total"], rel=1e-12)


def test_a_training_takes_the_time_of_all_its_fits() -> None:
    grid = Retune({"alpha": [0.1, 10.0]}, scoring="neg_mean_absolute_error")
    delays = Delays(train_per_1k_rows="1000h")
    run = hourly(history(60), model=Ridge(), delays=delays).replay(
        Strategy(At((8,)), Expanding(), grid)
    )
    # Two candidates on 2 + 4 + 6 rows, the best one on 8: 32 rows, an hour each.
    took = run.versions["ready_at"].iloc[1] - run.versions["decided_at"].iloc[1]
    assert took.total_seconds() / 3600 == 2 * 12 + 8


# --- refused when configured ----------------------------------------------------------------------


TWO = classified([0, 1] * 7)
REFUSED = [
    (PartialFit(), Ridge(), None, "Ridge has no partial_fit; use Refit"),
    (PartialFit(), SGDRegressor(early_stopping=True), None, "set early_stopping=False"),
    (PartialFit(), MLPRegressor(solver="lbfgs"), None, "set solver='adam'"),
    (PartialFit(), SGDClassifier(class_weight="balanced"), TWO, "set class_weight=None"),
    (WarmStart(), Ridge(), None, "Ridge has no warm_start"),
    (WarmStart(), HistGradientBoostingRegressor(), None, "GradientBoosting or RandomForest"),
    (WarmStart(), LogisticRegression(solver="liblinear"), TWO, "solver='lbfgs'"),
    (WarmStart(), BaggingRegressor(oob_score=True), None, "set oob_score=False"),
    (Transfer(), Ridge(), None, "Ridge has no transformers to keep; use Refit"),
    (Transfer(), make_pipeline(Ridge()), None, "no transformers to keep"),
    (
        Retune({"aplha": [1]}),
        make_pipeline(StandardScaler(), Ridge()),
        None,
        "Ridge has no parameter 'aplha'; did you mean 'alpha'.*There are alpha, copy_X",
    ),
    (
        Retune({"scaler__with_mean": [1]}),
        make_pipeline(StandardScaler(), Ridge()),
        None,
        "no param",
    ),
    (
        Retune({"C": [1.0]}, scoring="roc_auc_ovr"),
        LinearSVC(),
        TWO,
        "LinearSVC has no predict_proba",
    ),
    (Retune({"C": [1.0]}, scoring="neg_log_loss"), LinearSVC(), TWO, "has no predict_proba"),
]


@pytest.mark.parametrize(("update", "model", "stream", "says"), REFUSED, ids=str)
def test_what_an_estimator_cannot_do_is_refused_when_configured(
    update: Any, model: Any, stream: Any, says: str
) -> None:
    with pytest.raises(PartError, match=says):
        hourly(stream, model).replay(Strategy(Never(), Expanding(), update))
    with pytest.raises(PartError, match=says):
        hourly(stream, model).compare({"a": Strategy(Never(), Expanding(), update)})


@pytest.mark.parametrize(
    "update", [Refit(), WarmStart(), PartialFit(), Transfer(), Retune({"n_neighbors": [1]})]
)
def test_weights_of_the_stream_are_refused_by_models_that_take_none(update: Any) -> None:
    stream = history(weight=np.ones(13))
    with pytest.raises(PartError):
        hourly(stream, make_pipeline(StandardScaler(), KNeighborsRegressor())).replay(
            Strategy(Never(), Expanding(), update)
        )


def test_scores_that_need_a_decision_or_a_probability_are_taken_where_there_is_one() -> None:
    for model in (LogisticRegression(), LinearSVC()):
        update = Retune({"C": [0.1, 1.0]}, scoring="roc_auc", splits=2)
        hourly(classified([0, 1, 0, 1, 1, 0] * 4), model, start=16).replay(
            Strategy(At((18,)), Expanding(), update)
        )


@pytest.mark.parametrize("update", [WarmStart(), PartialFit(), Transfer()], ids=repr)
def test_what_needs_a_parent_stays_out_of_matrices(update: Any) -> None:
    model = make_pipeline(StandardScaler(), SGDRegressor())
    with pytest.raises(PartError, match="needs a parent"):
        hourly(model=model).loss_matrix(Expanding(), update)
    run = hourly(model=model).compare(
        {
            "a": Strategy(At((8,)), Expanding(), update, Immediate()),
            "b": Strategy(At((8,)), Expanding()),
        },
        hindsight=True,
    )
    assert "hindsight" not in run.runs["a"].info
