"""Updates that go on from the model in force, against loops written by hand; what they cannot do.

Every classifier and regressor of the scikit-learn that is installed is tried, if it has
``warm_start`` or ``partial_fit``: goes on as the loop does, or is refused with a remedy.
"""

from __future__ import annotations

import copy
import inspect
from collections.abc import Iterator
from typing import Any

import numpy as np
import pandas as pd
import pytest
from sklearn.base import BaseEstimator, RegressorMixin, clone
from sklearn.compose import TransformedTargetRegressor, make_column_transformer
from sklearn.ensemble import (
    BaggingRegressor,
    GradientBoostingClassifier,
    GradientBoostingRegressor,
    RandomForestClassifier,
    RandomForestRegressor,
)
from sklearn.linear_model import (
    ElasticNet,
    GammaRegressor,
    HuberRegressor,
    Lasso,
    LogisticRegression,
    PoissonRegressor,
    Ridge,
    SGDClassifier,
    SGDRegressor,
    TweedieRegressor,
)
from sklearn.model_selection import GridSearchCV
from sklearn.multiclass import OneVsRestClassifier
from sklearn.naive_bayes import GaussianNB
from sklearn.neural_network import MLPClassifier, MLPRegressor
from sklearn.pipeline import Pipeline, make_pipeline
from sklearn.preprocessing import MinMaxScaler, OneHotEncoder, StandardScaler
from sklearn.utils import all_estimators
from threadpoolctl import threadpool_limits

from backtrain import Backtest, PartError, Strategy, Stream
from backtrain.strategies import (
    BeatsChampion,
    Every,
    Expanding,
    Never,
    PartialFit,
    Refit,
    Sliding,
    Transfer,
    WarmStart,
)


@pytest.fixture(autouse=True)
def _one_thread() -> Iterator[None]:
    """As in a replay."""
    with threadpool_limits(1):
        yield


ROUNDS = 3
WINDOW = 80
#: For several targets at once, which a stream does not have.
SEVERAL_TARGETS = {
    *("MultiOutputClassifier", "MultiOutputRegressor", "ClassifierChain", "RegressorChain"),
    *("MultiTaskElasticNet", "MultiTaskLasso"),
}
REFUSED = {
    ("WarmStart", "GaussianProcessClassifier"): "forgets what it has learnt; use Refit",
    ("WarmStart", "HistGradientBoostingClassifier"): "bins new ones anew; use Refit",
    ("WarmStart", "HistGradientBoostingRegressor"): "bins new ones anew; use Refit",
}
UPDATES = {"warm_start": WarmStart(ROUNDS), "partial_fit": PartialFit(epochs=2)}
SETTINGS = {
    "random_state": 0,
    "n_estimators": 4,
    "max_depth": 3,
    "max_iter": 30,
    "n_iter_no_change": 10**6,  # else a stop would depend on what an estimator remembers
}


def drifting(kind: str, weighted: bool = False, growing: bool = False) -> Stream:
    """360 rows, one an hour: small whole numbers, whose meaning changes after 200 of them.

    Where they grow, a scaler that is fitted anew would give another scale.
    """
    rng = np.random.default_rng(0)
    X = rng.integers(0, 5, size=(360, 3)).astype(float)
    turn = np.where(np.arange(360) > 200, -1.0, 1.0)
    y = 9 + X @ [1, 2, 0.5] + turn * 2 * X[:, 0] + rng.random(360)
    if kind == "classifier":
        y = (X[:, 0] + turn * X[:, 1] + rng.normal(size=360) > 2 + turn).astype(int)
    time = np.datetime64("2024-01-01", "h") + np.arange(360)
    weight = rng.choice([0.5, 1.0, 3.0], 360) if weighted else None
    if growing:
        X = X * (1 + np.arange(360) // 120)[:, None]
    return Stream(X, y, time, weight=weight)


def built(kind: str, cls: type) -> Any:
    """The estimator, small and fixed."""
    known = inspect.signature(cls).parameters
    given = {name: value for name, value in SETTINGS.items() if name in known}
    if "Boosting" in cls.__name__ or "SGD" in cls.__name__ or "Percep" in cls.__name__:
        given.pop("n_iter_no_change", None)
    if "estimator" in known and known["estimator"].default is inspect.Parameter.empty:
        inner = SGDClassifier if kind == "classifier" else SGDRegressor
        given["estimator"] = inner(random_state=0)
    return cls(**given)


FAMILIES = [
    (kind, name, how)
    for kind in ("classifier", "regressor")
    for name, cls in all_estimators(kind)
    for how in UPDATES
    if name not in SEVERAL_TARGETS
    and (hasattr(cls, how) or how in inspect.signature(cls.__init__).parameters)
]


def by_hand(model: Any, update: Any, stream: Stream, windows: list[tuple[int, int, int]]) -> Any:
    """Fit once, then go on; the transformers of a pipeline stay as they were fitted first."""
    whole = clone(model)
    steps = [name for name, _ in whole.steps] if isinstance(whole, Pipeline) else []
    weight, made = stream.weight, None
    for first, stop, seen in windows:
        rows = slice(first, stop)
        extra = {} if weight is None else {"sample_weight": weight[rows]}
        if made is None:
            prefix = f"{steps[-1]}__" if steps else ""
            made = whole.fit(
                stream.X[rows],
                stream.y[rows],
                **{f"{prefix}{name}": value for name, value in extra.items()},
            )
            continue
        last = made[-1] if steps else made
        if isinstance(update, PartialFit):
            rows = slice(max(first, seen), stop)
            extra = {} if weight is None else {"sample_weight": weight[rows]}
        X = made[:-1].transform(stream.X[rows]) if steps else stream.X[rows]
        if isinstance(update, PartialFit):
            for _ in range(update.epochs):
                last.partial_fit(X, stream.y[rows], **extra)
            continue
        last.set_params(warm_start=True)
        if "n_estimators" in last.get_params():
            last.set_params(n_estimators=last.n_estimators + ROUNDS)
        last.fit(X, stream.y[rows], **extra)
    return made


def windows_of(run: Any) -> list[tuple[int, int, int]]:
    """First and stop row of each version's window, and how many rows the version before knew."""
    hours = (
        (run.versions["decided_at"] - pd.Timestamp("2024-01-01")) // pd.Timedelta("1h")
    ).tolist()
    return [
        (max(0, hour - WINDOW), hour, seen) for hour, seen in zip(hours, [0, *hours], strict=False)
    ]


@pytest.mark.filterwarnings("ignore")
@pytest.mark.parametrize("form", ["alone", "weighted pipeline"])
@pytest.mark.parametrize(("kind", "name", "how"), FAMILIES, ids=lambda value: str(value))
def test_an_update_goes_on_as_a_loop_written_by_hand(kind, name, how, form):
    cls, update = dict(all_estimators(kind))[name], UPDATES[how]
    model, stream = built(kind, cls), drifting(kind, "weighted" in form, "pipeline" in form)
    if "pipeline" in form:
        model = make_pipeline(MinMaxScaler(clip=True), model)
    setup = Backtest(stream, model, tick="24h", start="2024-01-04")
    strategy = Strategy(Every("2D"), Sliding(WINDOW), update)
    refusal = REFUSED.get((type(update).__name__, name))
    if refusal is None and "weighted" in form and "sample_weight" not in _takes(cls, how):
        refusal = "sample_weight"
    if refusal is not None:
        with pytest.raises(ValueError, match=refusal):
            setup.replay(strategy)
        return
    run = setup.replay(strategy)
    assert run.totals["failed"] == 0
    assert run.totals["deployed"] >= 5
    windows = windows_of(run)
    for stop in (2, len(windows)):
        hand = by_hand(model, update, stream, windows[:stop])
        rows = run.predictions[run.predictions["version"] == stop - 1]
        expected = hand.predict(stream.X[rows["row"]])
        np.testing.assert_allclose(rows["prediction"].to_numpy(), expected, rtol=1e-9)


def _takes(cls: type, how: str) -> set[str]:
    fit = set(inspect.signature(cls.fit).parameters)
    return fit if how == "warm_start" else fit & set(inspect.signature(cls.partial_fit).parameters)


PRECISE = {"tol": 1e-8, "max_iter": 20_000}
CONVEX = [
    *(cls(alpha=0.01, **PRECISE) for cls in (ElasticNet, Lasso, HuberRegressor)),
    *(cls(**PRECISE) for cls in (PoissonRegressor, GammaRegressor, TweedieRegressor)),
    ElasticNet(alpha=0.01, fit_intercept=False, **PRECISE),
    PoissonRegressor(fit_intercept=False, **PRECISE),
    Lasso(alpha=0.01, positive=True, **PRECISE),
    ElasticNet(alpha=0.01, selection="random", random_state=0, **PRECISE),
    TweedieRegressor(power=1.5, solver="newton-cholesky", **PRECISE),
    *(
        LogisticRegression(C=0.1, solver=solver, random_state=0, **PRECISE)
        for solver in ("lbfgs", "newton-cg", "newton-cholesky", "sag", "saga")
    ),
    LogisticRegression(C=0.1, fit_intercept=False, **PRECISE),
]


@pytest.mark.filterwarnings("ignore")
@pytest.mark.parametrize("model", CONVEX, ids=lambda model: " ".join(repr(model).split()))
@pytest.mark.parametrize("weighted", [False, True], ids=["", "weighted"])
def test_where_there_is_one_optimum_a_warm_start_finds_it(model: Any, weighted: bool) -> None:
    """From wherever it starts: that it equals a loop does not yet mean that the loop is right."""
    rng = np.random.default_rng(0)
    X, turn = rng.normal(size=(200, 3)), np.where(np.arange(200) < 100, -0.2, 0.6)
    y = np.exp(0.3 + 0.3 * X[:, 0] + turn * X[:, 1]) + 0.1 * rng.random(200)
    if isinstance(model, LogisticRegression):
        y = (y > 1).astype(int) + (y > 1.8)
    weight = rng.choice([0.2, 1.0, 5.0], 200) if weighted else np.ones(200)
    old, new = slice(0, 100), slice(100, 200)
    parent = clone(model).fit(X[old], y[old], weight[old])
    child = WarmStart().fit(clone(model), X[new], y[new], weight[new], parent, 0)
    fresh = clone(model).fit(X[new], y[new], weight[new])
    np.testing.assert_allclose(child.coef_, fresh.coef_, atol=1e-3)
    np.testing.assert_allclose(child.intercept_, fresh.intercept_, atol=1e-3)
    assert np.abs(child.coef_ - parent.coef_).max() > 0.02


def test_what_misses_the_optimum_is_refused() -> None:
    setup = Backtest(drifting("regressor"), HuberRegressor(fit_intercept=False), start=0.3)
    with pytest.raises(PartError, match=r"set fit_intercept=True, or use Refit\(\)"):
        setup.replay(Strategy(Never(), Expanding(), WarmStart()))


# --- perceptrons ----------------------------------------------------------------------------------


@pytest.mark.filterwarnings("ignore")
@pytest.mark.parametrize(
    "more",
    [
        {},
        {"early_stopping": True},
        {"solver": "sgd", "learning_rate": "adaptive", "learning_rate_init": 0.05},
        {"solver": "sgd", "learning_rate": "invscaling", "learning_rate_init": 0.1},
        {"solver": "lbfgs"},
    ],
    ids=str,
)
@pytest.mark.parametrize("cls", [MLPRegressor, MLPClassifier])
def test_a_perceptron_goes_on_for_as_long_as_a_fit_of_its_own(cls, more):
    """It is not stopped by the losses that it had on other rows."""
    kind = "regressor" if cls is MLPRegressor else "classifier"
    stream = drifting(kind)
    model = cls(
        hidden_layer_sizes=(16,),
        max_iter=400,
        random_state=0,
        **{"learning_rate_init": 0.02, **more},
    )
    parent = clone(model).fit(stream.X[100:200], stream.y[100:200])
    new = slice(210, 300)
    child = WarmStart().fit(clone(model), stream.X[new], stream.y[new], None, parent, 0)
    fresh = clone(model).fit(stream.X[new], stream.y[new])
    unseen = slice(300, 360)
    scores = [one.score(stream.X[unseen], stream.y[unseen]) for one in (parent, child, fresh)]
    assert child.n_iter_ > 10
    assert scores[1] > scores[0] + 0.5 * (scores[2] - scores[0])
    if model.solver != "lbfgs":
        assert len(child.loss_curve_) == child.n_iter_


@pytest.mark.filterwarnings("ignore")
def test_a_perceptron_learns_at_every_training_of_a_replay():
    rng = np.random.default_rng(0)
    X = rng.normal(size=(900, 2))
    y = X[:, 0] * np.sin(np.arange(900) / 120) + X[:, 1] * np.cos(np.arange(900) / 120)
    time = np.datetime64("2024-01-01", "h") + np.arange(900)
    model = MLPRegressor(
        hidden_layer_sizes=(16,), learning_rate_init=0.02, max_iter=300, random_state=0
    )
    setup = Backtest(Stream(X, y, time), model, tick="24h", start=0.2)
    loss = {
        name: setup.replay(Strategy(Every("24h"), Sliding(150), update)).totals["loss"]
        for name, update in {"warm": WarmStart(), "fresh": Refit()}.items()
    }
    still = setup.replay(Strategy(Never(), Sliding(150))).totals["loss"]
    assert loss["warm"] < 1.1 * loss["fresh"] < 0.75 * still


def test_steps_that_have_become_too_small_are_refused():
    model = MLPRegressor(solver="sgd", learning_rate="adaptive")
    with pytest.raises(PartError, match="set learning_rate='constant', or use WarmStart"):
        Backtest(drifting("regressor"), model).replay(Strategy(Never(), Expanding(), PartialFit()))


# --- pipelines and meta-estimators ----------------------------------------------------------------


def with_categories(n: int = 400) -> Stream:
    """A column whose categories come one after another: each has another level."""
    rng = np.random.default_rng(0)
    kind = np.minimum(np.arange(n) // 60, 5) - rng.integers(0, 2, n) * (np.arange(n) > 60)
    x = rng.normal(size=n)
    frame = pd.DataFrame({"kind": pd.Categorical([f"k{k}" for k in kind]), "x": x})
    time = np.datetime64("2024-01-01", "h") + np.arange(n)
    return Stream(frame, (x + kind > rng.normal(1, 0.5, n)).astype(int), time)


def encoded(unknown: str, last: Any) -> Pipeline:
    return make_pipeline(
        make_column_transformer(
            (OneHotEncoder(handle_unknown=unknown), ["kind"]), remainder="passthrough"
        ),
        last,
    )


@pytest.mark.filterwarnings("ignore")
@pytest.mark.parametrize("update", [WarmStart(), PartialFit(), Transfer()], ids=repr)
def test_transformers_stay_and_a_new_category_is_taken_or_named(update: Any) -> None:
    model, stream = SGDClassifier(loss="log_loss", random_state=0), with_categories()
    for unknown, failed in (("ignore", False), ("error", True)):
        setup = Backtest(stream, encoded(unknown, model), tick="24h", start=0.3)
        run = setup.replay(Strategy(Every("2D"), Sliding(100), update))
        assert (run.totals["failed"] > 0) == failed
        if failed:
            told = run.events[run.events["kind"] == "failed"]["reason"].iloc[0]
            assert "cannot take these rows; let them take what is new" in told
            assert "Found unknown categories ['k" in told


@pytest.mark.filterwarnings("ignore")
def test_coefficients_stay_with_their_categories() -> None:
    """The window has as many categories as before, but others: a new encoder would shift them."""
    stream = with_categories()
    model = encoded("ignore", LogisticRegression())
    parent = clone(model).fit(stream.X.iloc[:100], stream.y[:100])
    names = parent[0].get_feature_names_out().tolist()
    child = WarmStart().fit(
        clone(model), stream.X.iloc[130:230], stream.y[130:230], None, parent, 0
    )
    assert child[0].get_feature_names_out().tolist() == names
    assert child[-1].coef_.shape == parent[-1].coef_.shape
    assert parent[-1].warm_start is False


def test_pipelines_inside_pipelines_keep_all_their_transformers() -> None:
    stream = drifting("regressor")
    inner = make_pipeline(MinMaxScaler(), SGDRegressor(random_state=0))
    model = make_pipeline(StandardScaler(), inner)
    parent = clone(model).fit(stream.X[:100], stream.y[:100])
    before = copy.deepcopy(parent)
    child = WarmStart().fit(clone(model), stream.X[100:200], stream.y[100:200], None, parent, 0)
    assert child[0].mean_.tolist() == before[0].mean_.tolist()
    assert child[1][0].data_max_.tolist() == before[1][0].data_max_.tolist()
    assert child[1][1].coef_.tolist() != before[1][1].coef_.tolist()
    assert parent[1][1].coef_.tolist() == before[1][1].coef_.tolist()


@pytest.mark.parametrize(
    ("update", "model", "remedy"),
    [
        (WarmStart(), TransformedTargetRegressor(SGDRegressor()), "has no warm_start; use Refit"),
        (WarmStart(), GridSearchCV(SGDRegressor(), {"alpha": [1]}), "no warm_start; use Refit"),
        (PartialFit(), TransformedTargetRegressor(SGDRegressor()), "has no partial_fit; use Refit"),
        (PartialFit(), GridSearchCV(SGDRegressor(), {"alpha": [1]}), "no partial_fit; use Refit"),
        (PartialFit(), make_pipeline(StandardScaler(), Ridge()), "Ridge has no partial_fit"),
    ],
    ids=lambda value: type(value).__name__,
)
def test_what_holds_the_estimator_inside_is_refused(update: Any, model: Any, remedy: str) -> None:
    with pytest.raises(PartError, match=remedy):
        Backtest(drifting("regressor"), model).replay(Strategy(Never(), Expanding(), update))


class OnlyFitWeighs(RegressorMixin, BaseEstimator):
    """Takes weights when it is fitted, and none afterwards."""

    def fit(self, X: Any, y: Any, sample_weight: Any = None) -> OnlyFitWeighs:
        self.mean_ = float(np.average(y, weights=sample_weight))
        return self

    def partial_fit(self, X: Any, y: Any) -> OnlyFitWeighs:
        self.mean_ = float(np.mean(y))
        return self

    def predict(self, X: Any) -> Any:
        return np.full(len(X), self.mean_)


def test_weights_that_only_the_first_fit_takes_are_refused() -> None:
    stream = drifting("regressor", weighted=True)
    with pytest.raises(PartError, match=r"OnlyFitWeighs.partial_fit takes no sample_weight"):
        Backtest(stream, OnlyFitWeighs()).replay(Strategy(Never(), Expanding(), PartialFit()))


# --- nothing learnt -------------------------------------------------------------------------------


class Settled(RegressorMixin, BaseEstimator):
    """Learns once and never again."""

    def __init__(self, warm_start: bool = False) -> None:
        self.warm_start = warm_start

    def fit(self, X: Any, y: Any) -> Settled:
        if not hasattr(self, "mean_"):
            self.mean_ = float(np.mean(y))
        return self

    def partial_fit(self, X: Any, y: Any) -> Settled:
        return self

    def predict(self, X: Any) -> Any:
        return np.full(len(X), self.mean_)


def told_nothing_learnt(run: Any) -> pd.DataFrame:
    return run.events[run.events["kind"] == "learnt nothing"]


@pytest.mark.parametrize("update", [WarmStart(), PartialFit()], ids=repr)
@pytest.mark.parametrize("gate", [None, BeatsChampion(0.2, refit=True)], ids=repr)
def test_a_training_that_changes_no_answer_is_noted(update: Any, gate: Any) -> None:
    setup = Backtest(drifting("regressor"), Settled(), tick="24h", start="2024-01-04")
    kept = {} if gate is None else {"gate": gate}
    run = setup.replay(Strategy(Every("3D"), Sliding(WINDOW), update, **kept))
    noted, trained = told_nothing_learnt(run), run.versions[1:]
    assert noted["version"].tolist() == trained["version"].tolist()
    assert noted["at"].tolist() == trained["decided_at"].tolist()
    told = noted["reason"].iloc[0]
    assert told.startswith(f"{update!r}: its answers to the newest 100 rows are exactly those of ")
    assert told.endswith("(a longer window, more epochs) or use Refit()")


@pytest.mark.filterwarnings("ignore")
@pytest.mark.parametrize(
    ("update", "model"),
    [
        (WarmStart(), SGDRegressor(random_state=0)),
        (WarmStart(), RandomForestRegressor(4, random_state=0)),
        (WarmStart(), BaggingRegressor(n_estimators=4, random_state=0)),
        (WarmStart(), GradientBoostingRegressor(n_estimators=4, random_state=0)),
        (WarmStart(), RandomForestClassifier(4, random_state=0)),
        (WarmStart(), GradientBoostingClassifier(n_estimators=4, random_state=0)),
        (PartialFit(), GaussianNB()),
        (PartialFit(), SGDRegressor(random_state=0)),
        (Transfer(), make_pipeline(StandardScaler(), Ridge())),
        (Refit(), Settled()),
    ],
    ids=repr,
)
def test_a_training_that_changes_something_is_not_noted(update: Any, model: Any) -> None:
    kind = getattr(model, "_estimator_type", None) or model.__sklearn_tags__().estimator_type
    setup = Backtest(drifting(kind), model, tick="24h", start="2024-01-04")
    run = setup.replay(Strategy(Every("3D"), Sliding(WINDOW), update))
    assert run.totals["deployed"] > 2
    assert len(told_nothing_learnt(run)) == 0


def test_to_look_for_it_costs_nothing_and_changes_no_number(monkeypatch: Any) -> None:
    strategy = Strategy(Every("2D"), Sliding(WINDOW), PartialFit())
    runs = []
    for newest in (100, 0):
        monkeypatch.setattr("backtrain.simulator.trainer.NEWEST", newest)
        setup = Backtest(drifting("regressor"), SGDRegressor(random_state=0), start=0.3)
        runs.append(setup.replay(strategy))
    for table in ("predictions", "charges", "versions"):
        one, other = (
            run.tables[table].drop(columns=["fit_seconds"], errors="ignore") for run in runs
        )
        pd.testing.assert_frame_equal(one, other)


def test_one_class_against_the_rest_learns_on_by_partial_fit() -> None:
    model = OneVsRestClassifier(SGDClassifier(random_state=0))
    setup = Backtest(drifting("classifier"), model, tick="24h", start="2024-01-04")
    run = setup.replay(Strategy(Every("2D"), Sliding(WINDOW), PartialFit()))
    assert run.totals["failed"] == 0
