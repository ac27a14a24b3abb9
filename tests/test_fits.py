"""A fit is named by what it is made of, and made once, whoever asks."""

import pickle
import sys
import threading
from concurrent.futures import ThreadPoolExecutor
from dataclasses import dataclass
from pathlib import Path
from typing import Any, ClassVar

import numpy as np
import pandas as pd
import pytest
from sklearn.ensemble import RandomForestRegressor
from sklearn.linear_model import LassoCV, LogisticRegression, Ridge, SGDRegressor
from sklearn.model_selection import GridSearchCV, KFold
from sklearn.pipeline import make_pipeline
from sklearn.preprocessing import FunctionTransformer, StandardScaler

from backtrain import Backtest, Stream
from backtrain.simulator import training as learner
from backtrain.simulator.answers import Fit, FitError, Selection
from backtrain.simulator.training import Learner
from backtrain.store import code_version as origin
from backtrain.store.code_version import origin_of
from backtrain.store.fits import Answers, FitStore, StoredFit
from backtrain.strategies import PartialFit, Refit, WarmStart


def stream_of(n: int = 60, **changes: Any) -> Stream:
    time = pd.date_range("2024-01-01", periods=n, freq="1h")
    x = np.arange(n, dtype=float)
    columns: dict[str, Any] = {"time": time, "x": x, "z": x % 7, "y": 2 * x, "w": 1.0}
    frame = pd.DataFrame(columns | changes)
    weight = "w" if "w" in changes else None
    frame = frame if weight else frame.drop(columns="w")
    return Stream.from_frame(frame, target="y", time="time", weight=weight)


def learner_of(model: Any = None, stream: Stream | None = None, **setup: Any) -> Learner:
    history = stream_of() if stream is None else stream
    model = SGDRegressor() if model is None else model
    return Learner(Backtest(history, model, tick="1h", **setup), FitStore())


def fit_of(
    rows: Any = slice(0, 20),
    weights: Any = None,
    update: Any = None,
    parent: Fit | None = None,
    **changes: Any,
) -> Fit:
    update = Refit() if update is None else update
    return learner_of(**changes).fit(update, Selection(rows, weights), parent)[0]


class Loose(Ridge):
    """A model of a loose module."""


class Vouched(Ridge):
    """A model of a loose module whose author changes its version with its code."""

    cache_version = 1


class Heir(Vouched):
    """It adds code that its parent's version says nothing about."""


@dataclass(frozen=True)
class Own:
    """An update of a loose module."""

    def fit(self, model: Any, X: Any, y: Any, weights: Any, parent: Any, seed: int) -> Any:
        return model.fit(X, y)


@dataclass(frozen=True)
class OwnVouched(Own):
    """An update of a loose module whose author changes its version with its code."""

    cache_version: ClassVar[int] = 1


def loose_log(x: Any) -> Any:
    return np.log1p(x)


class TestNames:
    def test_equal_content_has_one_name(self) -> None:
        assert fit_of().name == fit_of(np.arange(20)).name

    @pytest.mark.parametrize(
        "change",
        [
            {"rows": slice(0, 21)},
            {"rows": np.r_[0:19, 20]},
            {"weights": np.r_[np.ones(19), 2.0]},
            {"update": WarmStart()},
            {"update": PartialFit(epochs=2)},
            {"model": SGDRegressor(alpha=0.001)},
            {"model": Ridge()},
            {"seed": 1},
            {"features": "frame"},
            {"stream": stream_of(z=0.0)},
            {"stream": stream_of(w=2.0)},
        ],
        ids=lambda change: next(iter(change)),
    )
    def test_any_other_content_is_another_fit(self, change: dict[str, Any]) -> None:
        assert fit_of(**change).name != fit_of().name

    def test_another_parent_is_another_fit(self) -> None:
        one, two = fit_of(slice(0, 10)), fit_of(slice(0, 11))
        names = {fit_of(update=WarmStart(), parent=parent).name for parent in (None, one, two)}
        assert len(names) == 3

    def test_another_library_is_another_fit_with_the_same_seed(
        self, monkeypatch: pytest.MonkeyPatch
    ) -> None:
        before = fit_of()
        monkeypatch.setattr(learner, "environment", lambda: ("scipy 99",))
        after = fit_of()
        assert after.name != before.name
        assert after.seed == before.seed

    def test_the_environment_tells_libraries_python_and_this_package(self) -> None:
        told = " ".join(origin.environment())
        for part in ("numpy", "pandas", "scipy", "sklearn", "joblib", "backtrain"):
            assert f"{part} " in told
        assert f"python 3.{sys.version_info[1]}" in told


class TestOrigin:
    @pytest.mark.parametrize(
        "value",
        [
            Ridge(),
            make_pipeline(StandardScaler(), FunctionTransformer(np.log1p), LogisticRegression()),
            Refit(),
            Vouched(),
        ],
        ids=["installed", "nested", "update", "vouched for"],
    )
    def test_what_is_installed_or_vouched_for_lasts(self, value: Any) -> None:
        assert origin_of(value).lasting

    @pytest.mark.parametrize(
        "value",
        [
            Loose(),
            Heir(),
            make_pipeline(StandardScaler(), Loose()),
            make_pipeline(FunctionTransformer(loose_log), Ridge()),
            FunctionTransformer(lambda x: x),
            Own(),
        ],
        ids=["class", "subclass", "nested", "function", "lambda", "update"],
    )
    def test_loose_code_does_not(self, value: Any) -> None:
        assert not origin_of(value).lasting

    def test_a_cache_version_is_part_of_the_name(self, monkeypatch: pytest.MonkeyPatch) -> None:
        before = fit_of(model=Vouched())
        monkeypatch.setattr(Vouched, "cache_version", 2)
        assert fit_of(model=Vouched()).name != before.name

    def test_that_of_an_update_too(self, monkeypatch: pytest.MonkeyPatch) -> None:
        before = fit_of(update=OwnVouched())
        assert before.lasting
        monkeypatch.setattr(OwnVouched, "cache_version", 2)
        assert fit_of(update=OwnVouched()).name != before.name

    def test_the_version_of_another_distribution_counts(
        self, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
    ) -> None:
        site = tmp_path / "site-packages"
        (site / "Outside-1.5.dist-info").mkdir(parents=True)
        (site / "Outside-1.5.dist-info" / "METADATA").write_text("Name: Outside\nVersion: 1.5\n")
        (site / "Outside-1.5.dist-info" / "top_level.txt").write_text("outside_models\n")
        source = "from sklearn.linear_model import Ridge\nclass Model(Ridge): pass\n"
        (site / "outside_models.py").write_text(source)
        monkeypatch.syspath_prepend(str(site))
        origin._distributions.cache_clear()
        module = pytest.importorskip("outside_models")
        found = origin_of(make_pipeline(StandardScaler(), module.Model()))
        assert found.lasting
        assert found.versions == ("Outside 1.5",)
        origin._distributions.cache_clear()

    def test_a_child_lasts_only_if_its_parent_does(self) -> None:
        loose, lasting = fit_of(update=Own()), fit_of()
        assert not loose.lasting
        assert not fit_of(update=WarmStart(), parent=loose).lasting
        assert fit_of(update=WarmStart(), parent=lasting).lasting


def made(name: str = "a", model: Any = "model", cpu_seconds: float = 1.0) -> StoredFit:
    return StoredFit(name, model, cpu_seconds, 7)


class TestMemory:
    def test_a_fit_is_made_once(self) -> None:
        store = FitStore()
        assert store.fit("a", made)[1] is False
        assert store.fit("a", made)[1] is True
        assert (store.asked, store.computed, store.read) == (2, 1, 0)

    def test_a_failed_fit_is_not_kept(self) -> None:
        store = FitStore()

        def fail() -> StoredFit:
            raise FitError("no")

        for _ in range(2):
            with pytest.raises(FitError):
                store.fit("a", fail)
        assert store.fit("a", made)[1] is False

    def test_memory_is_bounded_and_the_price_stays(self) -> None:
        store = FitStore(max_memory=100_000)
        for name in "abcd":
            store.fit(name, lambda: made(model=np.zeros(5_000)))
        assert store.fit("d", made)[1]
        again, was_there = store.fit("a", lambda: made(cpu_seconds=9.0))
        assert not was_there
        assert again.cpu_seconds == 1.0

    def test_answers_are_given_once(self) -> None:
        store, asked = FitStore(), []

        def answer() -> Answers:
            asked.append(1)
            return Answers(np.ones(3), None, None, None)

        first = store.answers(("a", 0, 3), answer)
        assert store.answers(("a", 0, 3), answer) is first
        assert len(asked) == store.predicted == 1

    def test_a_pickled_store_is_empty(self) -> None:
        store = FitStore(max_memory=123)
        store.fit("a", lambda: made(model=threading.Lock()))  # not picklable itself
        copy = pickle.loads(pickle.dumps(store))
        assert copy.max_memory == 123
        assert copy.fit("a", made)[1] is False

    def test_threads_make_nothing_twice(self) -> None:
        store = FitStore()

        def ask(i: int) -> None:
            store.fit(str(i % 50), lambda: fit_of(slice(0, 10 + i % 50)))

        with ThreadPoolExecutor(4) as threads:
            list(threads.map(ask, range(400)))
        assert (store.asked, store.computed) == (400, 50)

    def test_info_and_clear(self) -> None:
        store = FitStore()
        store.fit("a", made)
        info = store.info()
        assert (info["path"], info["entries"], info["computed"]) == (None, 0, 1)
        store.clear()
        assert store.fit("a", made)[1] is False


def test_the_answers_of_one_fit_know_which_class_is_positive() -> None:
    """Two classes are known at the early start, three at the late one."""
    label = np.array(["b"] * 6 + ["a"] * 24 + ["c", "a", "b"] * 10)
    stream, store = stream_of(y=label), FitStore()
    selection = Selection(slice(0, 12))
    scores = []
    for start in (0.3, 0.9):
        one = Learner(Backtest(stream, LogisticRegression(), tick="1h", start=start), store)
        fit, _ = one.fit(Refit(), selection, None)
        scores.append(one.block(fit, 54, 54)[2].score)
    assert store.computed == 1
    assert not np.array_equal(*scores)


@pytest.mark.parametrize(
    "model",
    [
        RandomForestRegressor(3, random_state=np.random.RandomState(0)),
        LassoCV(cv=KFold(3, shuffle=True), max_iter=50),
        GridSearchCV(Ridge(), {"alpha": [0.1, 1e6]}, cv=KFold(3, shuffle=True)),
        GridSearchCV(Ridge(), {"alpha": [0.1, 1e6]}, cv=KFold(3, shuffle=True, random_state=1)),
    ],
    ids=["generator", "splitter", "splitter of a search", "its seed"],
)
@pytest.mark.filterwarnings("ignore::sklearn.exceptions.ConvergenceWarning")
def test_a_fit_draws_the_same_whatever_was_fitted_before(model: Any) -> None:
    """A generator would go on where the last fit left it; a splitter without a seed, anywhere."""
    random = np.random.default_rng(0)
    stream = stream_of(x=random.normal(size=60), z=random.normal(size=60), y=random.normal(size=60))
    fits = []
    for before in (0, 1, 2):
        learner = learner_of(model, stream)
        for k in range(before):
            learner.fit(Refit(), Selection(slice(k, 30)), None)
        fits.append(learner.fit(Refit(), Selection(slice(0, 40)), None)[0])
    assert len({fit.name for fit in fits}) == 1
    assert len({said(fit.model) for fit in fits}) == 1


def said(model: Any) -> bytes:
    """What the model says, and by how much its candidates differed, where it has tried some."""
    tried = getattr(model, "cv_results_", {}).get("mean_test_score", np.empty(0))
    path = getattr(model, "mse_path_", np.empty(0))
    answers = model.predict(np.linspace(-1, 1, 20).reshape(10, 2))
    return bytes(answers.tobytes() + tried.tobytes() + path.tobytes())
