"""A version answers by what it has learnt, whatever is fitted beside it, and whoever wrote it."""

import dataclasses
import itertools
import random
import sys
import types
from dataclasses import dataclass
from functools import partial

import foreign
import numpy as np
import pandas as pd
import pytest
from foreign import (
    BornAtRandom,
    Classes,
    CopiesItself,
    Drawing,
    GlobalDraws,
    InList,
    InModule,
    Locked,
    OnClass,
    Rolling,
    Scribbling,
    Standardised,
    Threaded,
    Wrapper,
)
from scipy.ndimage import uniform_filter1d
from sklearn.base import clone
from sklearn.ensemble import BaggingRegressor, RandomForestRegressor
from sklearn.linear_model import LinearRegression, LogisticRegression, Ridge
from sklearn.pipeline import make_pipeline
from sklearn.preprocessing import FunctionTransformer, StandardScaler
from sklearn.utils import all_estimators

from backtrain import Backtest, Prices, Strategy, Stream
from backtrain.simulator.answers import Selection
from backtrain.simulator.predictions import Candidate
from backtrain.simulator.probes import ModelError, Probe
from backtrain.simulator.process import threads_to_hold
from backtrain.simulator.setup import SetupError
from backtrain.simulator.training import Learner
from backtrain.store.code_version import is_trusted
from backtrain.store.fits import FitStore
from backtrain.strategies import (
    BeatsChampion,
    Every,
    Expanding,
    Never,
    PerformanceDrop,
    Refit,
    Sliding,
    WarmStart,
)

WEEKLY = Strategy(Every("7D"), Sliding("14D"))


def stream_of(n=1_000, classes=False, frame=False, weight=False):
    """A level that drifts: a hundredth a row."""
    draw = np.random.default_rng(0)
    X = draw.normal(size=(n, 3))
    level = np.arange(n) / 100 + X[:, 0]
    y = (level - level.mean() + draw.normal(size=n) > 0).astype(int) if classes else level
    times = np.datetime64("2024-01-01", "ns") + np.arange(n) * np.timedelta64(1, "h")
    features = pd.DataFrame(X, columns=list("abc"))
    if frame:
        features["kind"] = np.where(X[:, 1] > 0, "up", "down")
    return Stream(
        features if frame else X, y, times, weight=np.linspace(1, 2, n) if weight else None
    )


def backtest_of(model, stream=None, **changes):
    stream = stream_of() if stream is None else stream
    return Backtest(stream, model, start=changes.pop("start", 0.4), **changes)


def hand_loop(model, stream, n_start=None):
    """The plain loop of `WEEKLY`: a fresh model at each training, no part of ours."""
    at = stream.event_time
    start = at[0] + np.timedelta64(int((at[-1] - at[0]).astype(np.int64) * 0.4), "ns")
    first = int(np.searchsorted(at, start))
    said = np.empty(len(at) - first)
    starts = [start + np.timedelta64(7 * k, "D") for k in range(100)]
    for begin, end in itertools.pairwise(starts):
        lower, upper = (int(np.searchsorted(at, when)) for when in (begin, end))
        if lower == upper:
            break
        window = slice(int(np.searchsorted(at, begin - np.timedelta64(14, "D"))), lower)
        fitted = clone(model).fit(np.array(stream.X[window]), np.array(stream.y[window]))
        said[lower - first : upper - first] = fitted.predict(np.array(stream.X[lower:upper]))
    return said


class TestVersions:
    @pytest.mark.parametrize("model", [Wrapper(), InList(), Ridge()])
    def test_each_answers_by_its_own_fit(self, model):
        stream = stream_of()
        said = backtest_of(model, stream).replay(WEEKLY).predictions["prediction"]
        assert np.allclose(said, hand_loop(model, stream), rtol=0, atol=1e-9)

    @pytest.mark.parametrize("gate", [None, BeatsChampion(0.3)])
    def test_neither_order_nor_processes_change_a_total(self, gate):
        weekly = WEEKLY if gate is None else dataclasses.replace(WEEKLY, gate=gate)
        strategies = {"weekly": weekly, "static": Strategy(Never(), Sliding("14D"))}
        orders = [strategies, dict(reversed(strategies.items()))]
        totals = [
            {
                name: run.totals["total"]
                for name, run in backtest_of(Wrapper()).compare(order, n_jobs=n).runs.items()
            }
            for order in orders
            for n in (1, 2)
        ]
        assert all(found == totals[0] for found in totals)

    def test_a_pipeline_of_a_wrapper_keeps_them_apart(self):
        ours = backtest_of(make_pipeline(StandardScaler(), Wrapper())).replay(WEEKLY)
        plain = backtest_of(make_pipeline(StandardScaler(), LinearRegression())).replay(WEEKLY)
        assert np.allclose(ours.predictions["prediction"], plain.predictions["prediction"])

    def test_a_classifier_too(self):
        stream = stream_of(classes=True)
        ours = backtest_of(Classes(), stream).replay(WEEKLY).predictions
        plain = backtest_of(LogisticRegression(), stream, features="frame").replay(WEEKLY)
        assert np.allclose(ours["score"], plain.predictions["score"])

    @pytest.mark.parametrize("model", [OnClass(), InModule(), CopiesItself()])
    def test_a_state_outside_the_object_is_an_error(self, model):
        foreign.CACHE.clear()
        with pytest.raises(ModelError, match=type(model).__name__ + r".*row \d+.*class attribute"):
            backtest_of(model).replay(WEEKLY)

    @pytest.mark.parametrize("model", [OnClass(), InModule()])
    def test_also_where_only_a_reference_is_fitted(self, model):
        foreign.CACHE.clear()
        never = PerformanceDrop("MAE", window=20, min_labels=5, drop=1e9)
        with pytest.raises(ModelError, match="after another fit, version 0"):
            backtest_of(model).replay(Strategy(never, Expanding()))

    def test_in_a_pipeline_too(self):
        with pytest.raises(ModelError, match=r"Pipeline\(StandardScaler, OnClass\)"):
            backtest_of(make_pipeline(StandardScaler(), OnClass())).replay(WEEKLY)

    def test_an_update_that_changes_its_parent_is_an_error(self):
        with pytest.raises(ModelError, match="an update changed its parent"):
            backtest_of(Ridge()).replay(Strategy(Every("7D"), Sliding("14D"), OnParent()))

    def test_what_an_update_sets_stays_in_its_blank(self):
        shared = Strategy(Every("7D"), Sliding("14D"), Sets())
        model = Nested()
        assert backtest_of(model).replay(shared).totals["retrains"] > 2
        assert Sets.seen == [{}] * len(Sets.seen)

    def test_answers_that_are_drawn_are_an_error(self):
        with pytest.raises(ModelError, match=r"Drawing: asked twice about row \d+"):
            backtest_of(Drawing()).replay(WEEKLY)

    def test_what_cannot_be_copied_is_refused(self):
        with pytest.raises(SetupError, match=r"Locked cannot be copied .*lock.*in fit\(\)"):
            backtest_of(Locked()).replay(WEEKLY)

    def test_a_model_that_loses_its_state_in_the_store_is_an_error(self, tmp_path, monkeypatch):
        monkeypatch.setattr(Forgetful, "cache_version", 1, raising=False)
        static = Strategy(Never(), Sliding("14D"))
        backtest_of(Forgetful(), cache=tmp_path).replay(static)
        with pytest.raises(ModelError, match="asked twice"):
            backtest_of(Forgetful(), cache=tmp_path).replay(static)


@dataclass(frozen=True)
class OnParent(Refit):
    """Fits the parent itself."""

    needs_parent = True

    def fit(self, model, X, y, weights, parent, seed):
        return (model if parent is None else parent).fit(X, y)


@dataclass(frozen=True)
class Sets(Refit):
    """Sets a parameter, which the model keeps in a dictionary of its own."""

    seen = []  # noqa: RUF012 - shared on purpose

    def fit(self, model, X, y, weights, parent, seed):
        self.seen.append(dict(model.others))
        model.set_params(depth=len(self.seen))
        return model.fit(X, y)


class Nested(Wrapper):
    """Keeps parameters in a dictionary, as LightGBM does."""

    def __init__(self, fit_intercept=True):
        super().__init__(fit_intercept)
        self.others = {}

    def set_params(self, **params):
        self.others.update(params)
        return self


class Forgetful(Wrapper):
    """Leaves behind what it has learnt when it is pickled."""

    def __getstate__(self):
        return {"fit_intercept": self.fit_intercept}

    def __setstate__(self, state):
        self.__init__(**state)
        self.inner.coef_, self.inner.intercept_ = np.zeros(3), 0.0

    def __deepcopy__(self, memo):
        return type(self)(self.fit_intercept)


class Ahead:
    @classmethod
    def of(cls, X):
        return X[::-1].cumsum(axis=0)[::-1]


class TestBatches:
    def replay(self, model):
        return backtest_of(model, features="array").replay(WEEKLY)

    @pytest.mark.parametrize(
        "model",
        [
            make_pipeline(Rolling(center=True), Ridge()),
            Standardised(),
            make_pipeline(FunctionTransformer(lambda X: X - X.mean(axis=0)), Ridge()),
            make_pipeline(FunctionTransformer(lambda X: X[::-1].cumsum(axis=0)[::-1]), Ridge()),
            make_pipeline(FunctionTransformer(Rolling(center=True).transform), Ridge()),
            make_pipeline(FunctionTransformer(Ahead.of), Ridge()),
            make_pipeline(FunctionTransformer(partial(np.roll, shift=-1, axis=0)), Ridge()),
            make_pipeline(FunctionTransformer(partial(uniform_filter1d, size=5, axis=0)), Ridge()),
        ],
    )
    def test_looking_ahead_along_the_batch_is_an_error(self, model):
        with pytest.raises(ModelError, match=r"its answer to row \d+ depends on rows that come"):
            self.replay(model)

    def test_looking_back_is_noted_once(self):
        run = self.replay(make_pipeline(Rolling(center=False), Ridge()))
        noted = run.events[run.events["kind"] == "neighbours"]
        assert noted["version"].tolist() == [0]
        assert noted["reason"].str.contains("answers depend on neighbours in the batch").all()

    @pytest.mark.parametrize(
        "model", [Wrapper(), make_pipeline(FunctionTransformer(lambda X: X**3), Ridge())]
    )
    def test_rows_by_themselves_are_fine(self, model):
        assert not (self.replay(model).events["kind"] == "neighbours").any()

    def test_a_loss_matrix_of_such_models_is_an_error(self):
        model = make_pipeline(Rolling(center=True), Ridge())
        with pytest.raises(ModelError, match="depends on rows that come after"):
            backtest_of(model, features="array").loss_matrix(Sliding("14D"))

    @pytest.mark.parametrize("model", [OnClass(), InModule()])
    def test_nor_does_one_hold_models_that_share_a_state(self, model):
        foreign.CACHE.clear()
        with pytest.raises(ModelError, match="after another fit, a model gives another answer"):
            backtest_of(model).loss_matrix(Sliding("14D"))

    def test_probes_change_no_number_and_cost_nothing(self):
        prices = Prices(per_1k_predictions=1, per_1k_rows=1)
        ours = backtest_of(Wrapper(), prices=prices).replay(WEEKLY)
        plain = backtest_of(LinearRegression(), prices=prices, features="frame").replay(WEEKLY)
        assert ours.totals["total"] == pytest.approx(plain.totals["total"], rel=1e-12)
        assert ours.charges.equals(plain.charges)


class TestTrust:
    @pytest.mark.parametrize(
        "value",
        [
            Ridge(),
            make_pipeline(StandardScaler(), FunctionTransformer(np.log1p), Ridge()),
            FunctionTransformer(StandardScaler().fit(np.eye(2)).transform),
            WarmStart(3),
            WEEKLY,
        ],
    )
    def test_known_libraries(self, value):
        assert is_trusted(value)

    @pytest.mark.parametrize(
        "value",
        [
            Wrapper(),
            make_pipeline(StandardScaler(), Wrapper()),
            make_pipeline(FunctionTransformer(foreign.CACHE.get), Rolling(), Ridge()),
            FunctionTransformer(lambda x: x),
            FunctionTransformer({}.get),
            FunctionTransformer(np.sort),
            FunctionTransformer(Rolling().transform),
            FunctionTransformer(Ahead.of),
            OnParent(),
            type("Kin", (Ridge,), {"__module__": "__main__"})(),
        ],
    )
    def test_others(self, value):
        assert not is_trusted(value)

    @pytest.mark.parametrize(
        ("name", "kind"),
        [
            (name, kind)
            for group in ("regressor", "classifier")
            for name, kind in all_estimators(group)
        ],
    )
    def test_scikit_learn_s_own_pass_every_probe(self, name, kind):
        """They are exempt in a run, for speed: here each is asked as if it were not."""
        try:
            model = kind()
        except TypeError:
            pytest.skip("is made of others")
        classes = issubclass(kind, type(LogisticRegression())) or name in {
            found for found, _ in all_estimators("classifier")
        }
        stream = stream_of(160, classes=classes)
        try:
            setup = backtest_of(model, stream)
            learner = Learner(setup, FitStore())
            first = learner.fit(Refit(), Selection(slice(0, 64)), None)[0]
        except Exception as error:
            pytest.skip(f"takes other data: {error}")
        learner._trusted = False
        probe = Probe(learner)
        candidate = Candidate(0, first, 64)
        assert probe.first_block(candidate, Refit()) is None
        probe.fit(Refit(), Selection(slice(20, 100)), None, 100, candidate)


class TestHistory:
    @pytest.mark.parametrize("frame", [False, True])
    @pytest.mark.parametrize("features", ["array", "frame", "auto"])
    def test_a_model_may_write_into_what_it_is_given(self, frame, features):
        if frame and features == "array":
            pytest.skip("text is no number")
        stream = stream_of(frame=frame, weight=True)
        before = stream._digest()
        run = backtest_of(Scribbling(), stream, features=features).replay(
            Strategy(Every("7D"), Sliding("14D"), Weighted())
        )
        assert stream._digest() == before
        assert run.totals["failed"] == 0

    def test_a_part_may_not_reach_beyond_what_it_is_given(self):
        stream = stream_of(frame=False)
        backtest_of(Ridge(), stream).replay(Strategy(Grasping(), Sliding("14D")))
        assert Grasping.looked > 10

    def test_a_part_s_estimator_is_its_own(self):
        plain = backtest_of(Ridge()).replay(WEEKLY)
        ours = backtest_of(Ridge()).replay(Strategy(Meddling(), Sliding("14D")))
        assert ours.totals == plain.totals

    def test_a_part_s_frame_is_its_own(self):
        stream = stream_of(frame=True)
        before = stream._digest()
        backtest_of(Numbers(), stream).replay(Strategy(Smearing(), Expanding()))
        assert stream._digest() == before

    def test_a_change_all_the_same_is_an_error_and_spoils_no_store(self, tmp_path):
        true = backtest_of(Ridge(), cache=tmp_path / "true").replay(WEEKLY)
        stream = stream_of()
        spoilt = backtest_of(Ridge(), stream, cache=tmp_path / "store")
        with pytest.raises(SetupError, match="content was changed while it was in use"):
            spoilt.replay(Strategy(Forcing(stream), Sliding("14D")))
        clean = backtest_of(Ridge(), cache=tmp_path / "store")
        assert clean.replay(WEEKLY).totals == true.totals
        assert clean.store.read == 0

    def test_also_where_it_raises(self, tmp_path):
        stream = stream_of()
        spoilt = backtest_of(Ridge(), stream, cache=tmp_path)
        with pytest.raises(SetupError, match="content was changed"):
            spoilt.replay(Strategy(Forcing(stream, "then raise"), Sliding("14D")))
        assert spoilt.store.info()["entries"] == 0


class Weighted(Refit):
    def fit(self, model, X, y, weights, parent, seed):
        return model.fit(X, y, weights)


class Numbers(Scribbling):
    def _spoil(self, X):
        pass

    def fit(self, X, y, sample_weight=None):
        self.mean_ = float(np.mean(y))
        return self


@dataclass(frozen=True)
class Grasping:
    """Looks behind every array that a view hands out."""

    looked = 0

    def monitor(self):
        return self

    def fires(self, view):
        rows, arrived, served = view.labelled.newest(30), view.arrived(), view.served
        outcomes = [arrived.outcomes, view.answers(served.rows), view.model.outcomes(rows)]
        handed = [view.X(rows), view.y(rows), view.event_time(rows), view.label_time(rows)]
        handed += [view.weight(rows), served.prediction, served.score, served.version, served.X]
        handed += [arrived.loss, arrived.label, arrived.prediction, arrived.version]
        handed += [arrived.label_time, view.model.predict(rows), view.model.loss(rows)]
        handed += [
            values
            for found in outcomes
            for values in (found.label, found.prediction, found.score, found.weight)
            if values is not None
        ]
        for values in handed:
            behind = values
            while behind.base is not None:
                behind = behind.base
            assert behind.size <= values.size
            type(self).looked += 1
        return None


@dataclass(frozen=True)
class Meddling:
    """Fires weekly, and meddles with the coefficients of the model in force."""

    def monitor(self):
        return Meddler(Every("7D").monitor())


class Meddler:
    def __init__(self, weekly):
        self.weekly = weekly

    def fires(self, view):
        view.model.estimator.coef_[:] = 1e6
        return self.weekly.fires(view)


class Smearing(Grasping):
    """Writes into the frames that it is given."""

    def fires(self, view):
        part = view.X(slice(0, view.past))
        part.loc[:, "a"] = 0.0
        part["kind"] = "new"
        served = view.served.X
        served.loc[:, "b"] = 0.0
        return None


class Forcing:
    """Writes into the history on purpose, at the third tick."""

    def __init__(self, stream, then=""):
        self.stream = stream
        self.then = then

    def monitor(self):
        return Forced(self.stream, self.then)


class Forced:
    def __init__(self, stream, then):
        self.stream, self.then, self.ticks = stream, then, 0

    def fires(self, view):
        self.ticks += 1
        if self.ticks == 3:
            whole = self.stream.X.base
            whole.flags.writeable = True
            whole[-5:] = 0.0
            if self.then:
                raise RuntimeError("after that")
        return None


class OwnParameters(Wrapper):
    """Tells its parameters in a way of its own."""

    __repr__ = object.__repr__  # scikit-learn's asks for them in its own way

    def get_params(self):
        return {"fit_intercept": self.fit_intercept}


class OnlyTold(Wrapper):
    """Tells its parameters, and takes none."""

    random_state = None
    set_params = property()

    def get_params(self, deep=True):
        return {"random_state": None}


@pytest.mark.parametrize("model", [OwnParameters(), OnlyTold()])
def test_parameters_of_another_kind_are_no_hindrance(model):
    ours = backtest_of(model).replay(WEEKLY)
    assert ours.totals["total"] == backtest_of(Wrapper()).replay(WEEKLY).totals["total"]


class TestReproducible:
    @pytest.mark.parametrize("model", [GlobalDraws(), BornAtRandom()])
    def test_a_fit_draws_the_same_whatever_was_drawn_before(self, model):
        runs = []
        for seed in (1, 2):
            np.random.seed(seed)  # noqa: NPY002 - what models draw from
            random.seed(seed)
            runs.append(backtest_of(model).replay(WEEKLY))
        assert runs[0].totals["total"] == runs[1].totals["total"]

    def test_and_leaves_the_generators_as_they_were(self):
        np.random.seed(3)  # noqa: NPY002
        random.seed(3)
        expected = np.random.normal(), random.random()  # noqa: NPY002
        np.random.seed(3)  # noqa: NPY002
        random.seed(3)
        backtest_of(GlobalDraws()).replay(WEEKLY)
        assert (np.random.normal(), random.random()) == expected  # noqa: NPY002

    @pytest.mark.parametrize(
        ("home", "holds"),
        [("__main__", None), (__name__, np.arange(6.0)[::2]), ("__main__", lambda X: X)],
    )
    def test_an_update_that_no_process_can_import_draws_the_same_in_all(self, home, holds):
        def strategy(every):
            class Own(Refit):
                __module__ = home
                held = holds

                def __reduce__(self):
                    return Own, (), {"held": holds}

            return Strategy(Every(every), Sliding("14D"), Own())

        forest = RandomForestRegressor(2, max_depth=3)
        totals = [
            [
                run.totals["total"]
                for run in backtest_of(forest)
                .compare({every: strategy(every) for every in ("7D", "9D")}, n_jobs=n_jobs)
                .runs.values()
            ]
            for n_jobs in (1, 1, 2)
        ]
        assert totals[0] == totals[1] == totals[2]

    def test_torch_is_seeded_and_held_where_it_is_imported(self, monkeypatch):
        calls = []
        torch = types.SimpleNamespace(
            random=types.SimpleNamespace(
                get_rng_state=lambda: "before", set_rng_state=lambda s: calls.append(s)
            ),
            manual_seed=lambda seed: calls.append("seeded"),
            get_num_threads=lambda: 4,
            set_num_threads=lambda n: calls.append(n),
        )
        monkeypatch.setitem(sys.modules, "torch", torch)
        backtest_of(Wrapper()).replay(Strategy(Never(), Sliding("14D")))
        assert calls == [1, *["seeded", "before"] * 2, 4]  # its constructor, and its fit


class TestThreads:
    def test_unset_numbers_of_threads_are_held_to_one(self):
        run = backtest_of(Threaded()).replay(Strategy(Never(), Sliding("14D")))
        assert run.totals["failed"] == 0
        pipeline = make_pipeline(StandardScaler(), Threaded())
        assert threads_to_hold(Threaded()) == {"n_jobs": 1}
        assert threads_to_hold(pipeline) == {"threaded__n_jobs": 1}

    def test_a_number_that_the_user_set_stays(self):
        assert threads_to_hold(Threaded(n_jobs=2)) == {}

    def test_a_constructor_that_takes_one_is_asked_too(self):
        class Sparing(BaseSparing):
            def __init__(self, thread_count=None, **params):
                super().__init__(thread_count, **params)

        assert threads_to_hold(Sparing()) == {"thread_count": 1}
        assert threads_to_hold(Sparing(thread_count=3)) == {}

    def test_scikit_learn_s_own_are_left_alone_but_for_forests(self):
        assert threads_to_hold(BaggingRegressor(n_jobs=2)) == {}
        assert threads_to_hold(RandomForestRegressor(n_jobs=2)) == {"n_jobs": 1}

    def test_a_forest_of_several_threads_repeats_itself(self):
        forest = RandomForestRegressor(5, n_jobs=4, random_state=0)
        totals = {backtest_of(forest).replay(WEEKLY).totals["total"] for _ in range(4)}
        assert len(totals) == 1

    def test_the_model_of_the_user_is_not_changed(self):
        model = Threaded()
        backtest_of(model).replay(WEEKLY)
        assert model.n_jobs is None


class BaseSparing:
    """Tells only the parameters that were set, as CatBoost does."""

    def __init__(self, thread_count=None, **params):
        self.params = params if thread_count is None else {**params, "thread_count": thread_count}

    def get_params(self, deep=True):
        return dict(self.params)

    def set_params(self, **params):
        self.params.update(params)
