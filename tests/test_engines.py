"""Work elsewhere: equal to the last bit on every engine, and what dies costs no more than itself.

Those of Dask and Ray run where they are installed:
pip install -e '.[engines]' && pytest tests/test_engines.py
"""

import importlib.util
import os
import pickle
import signal
import socket
import subprocess
import sys
import threading
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path
from types import SimpleNamespace
from typing import Any

import cloudpickle
import joblib
import numpy as np
import pandas as pd
import pytest
from sklearn.linear_model import LogisticRegression, QuantileRegressor, Ridge
from threadpoolctl import threadpool_info, threadpool_limits

from backtrain import Backtest, Comparison, Prices, Strategy, Stream
from backtrain.datasets.synthetic import abrupt
from backtrain.models import Quantiles
from backtrain.replays import _replayed
from backtrain.reports import archive
from backtrain.simulator import workshop
from backtrain.simulator.answers import PartError, Selection
from backtrain.simulator.costs import CostMatrix
from backtrain.simulator.metrics import LOSSES, METRICS, Pinball
from backtrain.simulator.process import one_thread
from backtrain.simulator.record import VOLATILE_COLUMNS, VOLATILE_KEYS, RecordError
from backtrain.simulator.setup import SetupError
from backtrain.simulator.workers import WorkerError, each
from backtrain.simulator.workshop import Workshop
from backtrain.store.fits import FitStore
from backtrain.strategies import Every, Expanding, Never, PerformanceDrop, Sliding

ENGINES = ("loky", "threading", "dask", "ray")
PLANS = {
    "static": Strategy(Never(), Expanding()),
    "weekly": Strategy(Every("7D"), Sliding("20D")),
    "often": Strategy(Every("3D"), Sliding("10D")),
}


@pytest.fixture(scope="module")
def clusters() -> Iterator[dict[str, Any]]:
    """What was started for this module, once."""
    started: dict[str, Any] = {}
    yield started
    if "dask" in started:
        started["dask"].close()
    if "ray" in started:
        started["ray"].shutdown()


@contextmanager
def engine(name: str, clusters: dict[str, Any], **settings: Any) -> Iterator[None]:
    if name == "dask":
        distributed = pytest.importorskip("distributed")
        if name not in clusters:
            cluster = distributed.LocalCluster(
                n_workers=2, threads_per_worker=1, dashboard_address=None
            )
            clusters[name] = distributed.Client(cluster)
        with clusters[name].as_current(), joblib.parallel_config("dask", **settings):
            yield
        return
    if name == "ray":
        ray = pytest.importorskip("ray")
        pytest.importorskip("ray.util.joblib").register_ray()
        if name not in clusters:
            ray.init(num_cpus=2, include_dashboard=False, logging_level="error")
            clusters[name] = ray
    with joblib.parallel_config(name, **settings):
        yield


def backtest(task: str = "regression", model: Any = None, n: int = 900, **more: Any) -> Backtest:
    usual = Ridge() if task == "regression" else LogisticRegression()
    stream = abrupt(n=n, task=task)  # type: ignore[arg-type]
    return Backtest(stream, model or usual, prices=Prices(retrain=5), **more)


def same(one: Comparison, other: Comparison) -> None:
    """Whether two comparisons are equal: every number to its bit, every dtype, every order."""
    assert list(one.runs) == list(other.runs)
    for mine, theirs in zip(one.runs.values(), other.runs.values(), strict=True):
        facts = [
            {key: value for key, value in run.info.items() if key not in VOLATILE_KEYS}
            for run in (mine, theirs)
        ]
        assert repr(facts[0]) == repr(facts[1])
        assert repr(mine.totals) == repr(theirs.totals)
        assert set(mine.tables) == set(theirs.tables)
        for name in mine.tables:
            aside = list(VOLATILE_COLUMNS.get(name, ()))
            a, b = (run.tables[name].drop(columns=aside) for run in (mine, theirs))
            pd.testing.assert_frame_equal(a, b, check_exact=True)
            assert a.attrs == b.attrs
            for column in a.columns[[kind.kind == "O" for kind in a.dtypes]]:
                assert [type(v) for v in a[column]] == [type(v) for v in b[column]]


@pytest.mark.parametrize("name", ENGINES)
class TestEveryEngine:
    @pytest.mark.parametrize("task", ["regression", "classification"])
    def test_a_comparison_is_that_of_one_process(self, name, task, clusters) -> None:
        alone = backtest(task).compare(PLANS, hindsight=True)
        with engine(name, clusters):
            same(alone, backtest(task).compare(PLANS, n_jobs=2, hindsight=True))

    def test_what_a_model_gives_to_joblib_stays_where_it_is(self, name, clusters) -> None:
        """Else workers that wait for a fit would be asked for a part of it."""
        with engine(name, clusters):
            setup = backtest(model=Spread())
            setup.compare(PLANS, n_jobs=2, hindsight=True)
            setup.replay(PLANS["weekly"])

    def test_a_tuning_is_that_of_one_process(self, name, clusters) -> None:
        alone = backtest().tune(Sliding("20D"))
        with engine(name, clusters):
            found = backtest().tune(Sliding("20D"), n_jobs=2)
        assert repr(found.info) == repr(alone.info)
        for key in ("costs", "phases", "loss", "retrains", "oracle"):
            assert np.array_equal(getattr(found, key), getattr(alone, key)), key

    def test_a_search_is_that_of_one_process(self, name, clusters) -> None:
        pytest.importorskip("optuna", reason="pip install 'backtrain[search]'")
        asked = scheduled, {"every": ["3D", "soon", "6D"], "length": ["8D", "20D"]}
        alone = backtest().search(*asked)
        with engine(name, clusters):
            found = backtest().search(*asked, n_jobs=2)
        assert repr(found.info) == repr(alone.info)
        assert found.params == alone.params
        pd.testing.assert_frame_equal(found.paid, alone.paid, check_exact=True)
        for table in ("trials", "judged", "against"):
            mine, own = (getattr(one.folds[0], table) for one in (found, alone))
            pd.testing.assert_frame_equal(mine, own, check_exact=True)

    def test_what_is_kept_is_what_one_process_keeps(self, name, clusters, tmp_path) -> None:
        alone = backtest().compare(PLANS, hindsight=True, directory=tmp_path / "alone")
        with engine(name, clusters):
            backtest().compare(PLANS, n_jobs=2, hindsight=True, directory=tmp_path / "many")
        for folder in ("alone", "many"):
            runs, missing = archive.unfinished(tmp_path / folder)
            assert missing == []
            same(alone, Comparison({plan: runs[plan] for plan in PLANS}))
        assert sorted(os.listdir(tmp_path / "many")) == ["comparison.json", *sorted(PLANS)]

    def test_an_error_names_its_strategy_s_part(self, name, clusters) -> None:
        setup, plans = backtest(), {**PLANS, "bad": Strategy(Every("3D"), Broken())}
        with engine(name, clusters), pytest.raises(PartError, match="boom"):
            setup.compare(plans, n_jobs=2, hindsight=False)

    def test_fits_are_counted_wherever_they_are_made(self, name, clusters, tmp_path) -> None:
        alone = backtest(cache=tmp_path / "one")
        alone.compare(PLANS, hindsight=False)
        with engine(name, clusters):
            many = backtest(cache=tmp_path / "two")
            many.compare(PLANS, n_jobs=2, hindsight=False)
        for key in ("asked", "computed"):
            assert getattr(many.store, key) == getattr(alone.store, key) > 0, key


def scheduled(every: str, length: str) -> Strategy:
    return Strategy(Every(every), Sliding(length))


class Spread(Ridge):
    """Would use as many workers as it is given, as scikit-learn's estimators do."""

    def fit(self, X: Any, y: Any, sample_weight: Any = None) -> Any:
        assert joblib.effective_n_jobs(None) == 1
        return super().fit(X, y, sample_weight)


class Broken:
    """A window that raises."""

    def select(self, view: Any) -> Any:
        raise PartError("boom")


# --- threads --------------------------------------------------------------------------------------


class Drawing:
    """A window whose answer depends on numpy.random as a whole."""

    def select(self, view: Any) -> Any:
        np.random.random()  # noqa: NPY002
        return Selection(view.labelled.all())


def test_a_part_that_draws_for_everybody_is_refused_among_threads() -> None:
    plans = {name: Strategy(Every("3D"), Drawing()) for name in "ab"}
    with joblib.parallel_config("threading"), pytest.raises(PartError, match="global generator"):
        backtest().compare(plans, n_jobs=2, hindsight=False)


def blas_threads() -> list[int]:
    return [pool["num_threads"] for pool in threadpool_info() if pool["user_api"] == "blas"]


def leave_in_turn(setup: Backtest, _: FitStore, number: int, left: Any, seen: list[int]) -> None:
    """Leave `one_thread` first, or see what BLAS is at when the other has left."""
    if number == 1:
        with one_thread(setup.model):
            left["came"].wait()
        left["left"].set()
        return
    with one_thread(setup.model):
        left["came"].set()
        left["left"].wait()
        seen.extend(blas_threads())


def test_who_leaves_first_does_not_give_blas_its_threads_back() -> None:
    setup, seen = backtest(), []
    left = {"came": threading.Event(), "left": threading.Event()}
    pieces = {f"did {number}": (number, left, seen) for number in (1, 2)}
    with threadpool_limits(2, user_api="blas"):
        before = blas_threads()
        if 2 not in before:
            pytest.skip("this BLAS has one thread")
        with joblib.parallel_config("threading"):
            assert len(list(each(leave_in_turn, setup, setup.store, pieces, 2))) == 2
        assert seen == [1] * len(before)
        assert blas_threads() == before


# --- what is sent ---------------------------------------------------------------------------------


def test_what_workers_share_is_written_once_and_mapped() -> None:
    big = np.arange(10_000.0)
    folder = Workshop()
    folder.put({"a": big, "same": big.view(), "turned": np.asfortranarray(big.reshape(100, 100).T)})
    found = workshop._read(folder.path)
    assert np.array_equal(found["a"], big)
    assert found["turned"].flags.f_contiguous
    assert (folder.path / "arrays").stat().st_size < 2.1 * big.nbytes  # a view is not written again
    for value in found.values():
        with pytest.raises(ValueError, match=r"WRITEABLE"):
            value.setflags(write=True)
    assert workshop.opened(folder.path) is workshop.opened(folder.path)


def test_a_task_is_a_path_and_what_is_its_own(monkeypatch: pytest.MonkeyPatch) -> None:
    sent: list[int] = []
    usual = joblib.delayed

    def weighed(function: Any) -> Any:
        def take(*args: Any) -> Any:
            sent.append(len(pickle.dumps(args)))
            return usual(function)(*args)

        return take

    monkeypatch.setattr(joblib, "delayed", weighed)
    setup = backtest(n=20_000)
    with joblib.parallel_config("loky"):
        setup.compare(PLANS, n_jobs=2, hindsight=False)
    assert len(sent) == 3
    assert max(sent) < 10_000 < len(pickle.dumps(setup.stream)) / 100


def test_a_folder_is_removed_with_its_owner_and_after_a_killed_one(tmp_path: Path) -> None:
    mine = Workshop(tmp_path)
    script = (
        "import sys, os, pathlib; from backtrain.simulator.workshop import Workshop\n"
        "kept = Workshop(pathlib.Path(sys.argv[1])); kept.put([1]); print(kept.path, flush=True)\n"
        "os.kill(os.getpid(), 9)"
    )
    line = [sys.executable, "-c", script, str(tmp_path)]
    left = Path(subprocess.run(line, stdout=subprocess.PIPE, text=True).stdout.strip())
    assert left.is_dir()
    workshop.sweep(tmp_path)
    assert not left.exists()
    assert mine.path.is_dir()
    path = mine.path
    del mine
    assert not path.exists()


def test_a_host_that_does_not_see_the_folder_is_told_the_remedy(tmp_path: Path) -> None:
    with pytest.raises(SetupError, match=rf"{socket.gethostname()}.*temp_folder=.*engine.folder="):
        workshop.opened(tmp_path / "elsewhere")


def test_what_processes_share_lies_where_joblib_is_told(tmp_path: Path) -> None:
    setup = backtest()
    with joblib.parallel_config("loky", temp_folder=str(tmp_path / "shared")):
        setup.compare(PLANS, n_jobs=2, hindsight=False)
        assert list((tmp_path / "shared").glob(".backtrain-*/arrays"))


def test_a_folder_that_cannot_be_written_is_one_clear_error(tmp_path: Path) -> None:
    (tmp_path / "file").touch()
    with (
        joblib.parallel_config("loky", temp_folder=str(tmp_path / "file")),
        pytest.raises(SetupError, match=r"file: what processes share cannot be written.*folder"),
    ):
        backtest().compare(PLANS, n_jobs=2, hindsight=False)


def test_a_run_whose_folder_is_not_there_comes_with_its_tables(tmp_path: Path) -> None:
    """As on another host."""
    setup = backtest()
    args = (setup, FitStore(), "weekly", PLANS["weekly"], {})
    run, folder = _replayed(*args, tmp_path / "elsewhere")
    assert folder is None
    assert len(run.predictions) == run.totals["rows"]
    run, folder = _replayed(*args, tmp_path)
    assert folder is not None
    assert run.tables == {}


def test_tables_that_another_run_has_replaced_are_not_taken_for_one_s_own(tmp_path: Path) -> None:
    kept = backtest().compare(PLANS, n_jobs=2, hindsight=False, directory=tmp_path)
    _ = kept.runs["weekly"].steps
    other = Backtest(abrupt(n=900, task="regression"), Ridge(), prices=Prices(retrain=6))
    other.compare(PLANS, hindsight=False, directory=tmp_path).save(tmp_path)
    assert len(kept.runs["weekly"].steps)
    with pytest.raises(RecordError, match="weekly"):
        _ = kept.runs["weekly"].predictions


# --- pickles --------------------------------------------------------------------------------------


def several(judge: Any) -> dict[str, Any]:
    """What a judge of several quantiles needs of a backtest."""
    if not getattr(judge, "needs_quantiles", False):
        return {}
    levels = (0.1, 0.9)
    linear = Quantiles(QuantileRegressor(alpha=0, solver="highs"), levels)
    return {"model": linear, "quantiles": levels, "n": 300}


@pytest.mark.parametrize("metric", METRICS)
def test_a_backtest_with_any_metric_can_be_pickled(metric: str) -> None:
    known = METRICS[metric]
    setup = backtest(known.task or "classification", metrics=[metric], **several(known))
    copy = pickle.loads(pickle.dumps(setup))
    assert copy.replay(PLANS["weekly"]).metrics == setup.replay(PLANS["weekly"]).metrics


def dear(label: Any, prediction: Any) -> Any:
    return 3.0 * (label != prediction)


@pytest.mark.parametrize(
    ("task", "loss"),
    [
        *((LOSSES[name].task, name) for name in LOSSES),
        ("regression", Pinball(0.9)),
        ("classification", dear),
        ("classification", CostMatrix({0: {1: 5.0}, 1: {0: 1.0}})),
    ],
)
def test_a_backtest_with_any_loss_can_be_pickled(task: str, loss: Any) -> None:
    threshold = "cost" if isinstance(loss, CostMatrix) else None
    setup = backtest(
        task,
        loss=loss,
        threshold=threshold,
        **several(LOSSES[loss] if isinstance(loss, str) else loss),
    )
    copy = pickle.loads(pickle.dumps(setup))
    assert copy.replay(PLANS["weekly"]).totals == setup.replay(PLANS["weekly"]).totals


def test_a_loss_that_is_a_lambda_goes_to_other_processes() -> None:
    setup = backtest(loss=lambda label, prediction: abs(label - prediction) ** 1.5)
    with joblib.parallel_config("loky"):
        many = setup.compare(PLANS, n_jobs=2, hindsight=False)
    same(setup.compare(PLANS, hindsight=False), many)


# --- processes that die ---------------------------------------------------------------------------


class Mortal(Ridge):
    """Takes its process down when it is to learn from exactly 77 rows."""

    def __init__(self, how: str = "kill") -> None:
        super().__init__()
        self.how = how

    def fit(self, X: Any, y: Any, sample_weight: Any = None) -> Any:
        if len(X) == 77:
            os._exit(3) if self.how == "exit" else os.kill(os.getpid(), signal.SIGKILL)
        return super().fit(X, y, sample_weight)


@pytest.mark.parametrize(
    ("how", "says"), [("kill", r"signal 9, SIGKILL; out of memory\?"), ("exit", "left with code 3")]
)
def test_a_dead_process_loses_one_strategy(how: str, says: str, tmp_path: Path) -> None:
    plans = {f"every {n}": Strategy(Every(f"{n}D"), Sliding("20D")) for n in (3, 4, 5, 6)}
    setup = backtest(model=Mortal(how), start=0.4)
    bad = {"bad": Strategy(Every("4D"), Sliding(77))}
    with (
        joblib.parallel_config("loky"),
        pytest.raises(WorkerError, match=rf"the process that replayed 'bad' died \(.*{says}") as e,
    ):
        setup.compare({**plans, **bad}, n_jobs=2, hindsight=False, directory=tmp_path)
    same(e.value.finished, setup.compare(plans, hindsight=False))
    runs, missing = archive.unfinished(tmp_path)
    assert (sorted(runs), missing) == (sorted(plans), ["bad"])


def test_a_trial_that_dies_has_failed_and_the_search_goes_on() -> None:
    pytest.importorskip("optuna", reason="pip install 'backtrain[search]'")

    def made(rows: int) -> Strategy:
        return Strategy(Every("4D"), Sliding(rows))

    with joblib.parallel_config("loky"):
        found = backtest(model=Mortal(), start=0.4).search(made, {"rows": [60, 77, 90]}, n_jobs=2)
    failed = found.folds[0].trials["why"]
    assert sum(failed == "") == 2
    assert failed.iloc[1].endswith("died (signal 9, SIGKILL; out of memory?)")


def test_hindsight_that_dies_is_left_out_and_told(tmp_path: Path) -> None:
    setup = backtest(model=Mortal(), start=0.4)
    plans = {"static": PLANS["static"], "bad": Strategy(Never(), LastRows())}
    with joblib.parallel_config("loky"):
        found = setup.compare(plans, n_jobs=2, hindsight=True)
    assert "hindsight" in found.runs["static"].info
    assert "died (signal 9" in found.runs["bad"].info["no_hindsight"]


class LastRows:
    """A window that kills `Mortal` but for the first model of a history."""

    def select(self, view: Any) -> Any:
        labelled = view.labelled
        return Selection(labelled.newest(77) if view.past > 500 else labelled.all())


def times(setup: Backtest, _: FitStore, number: int, folder: Path) -> int:
    """Die the first time, by a file."""
    file = folder / str(number)
    if number == 2 and not file.exists():
        file.touch()
        os.kill(os.getpid(), signal.SIGKILL)
    with file.open("a") as log:
        log.write(".")
    return number


def test_who_dies_once_is_tried_again(tmp_path: Path) -> None:
    setup = backtest()
    pieces = {f"did {n}": (n, tmp_path) for n in range(8)}
    with joblib.parallel_config("loky"):
        found = dict(each(times, setup, setup.store, pieces, 2))
    assert found == {f"did {n}": n for n in range(8)}


def test_a_killed_worker_of_dask_costs_no_result(clusters, tmp_path: Path) -> None:
    alone = backtest().compare(PLANS, hindsight=False)
    with engine("dask", clusters):
        setup = backtest()
        pieces = {f"did {n}": (n, tmp_path) for n in range(8)}
        assert sorted(dict(each(times, setup, setup.store, pieces, 2)).values()) == [*range(8)]
        same(alone, setup.compare(PLANS, n_jobs=2, hindsight=False))


def test_a_stream_of_tables_and_groups_goes_to_other_processes() -> None:
    rng = np.random.default_rng(0)
    frame = pd.DataFrame(
        {
            "when": pd.date_range("2024-01-01", periods=600, freq="h"),
            "kind": rng.choice(["a", "b", "c"], 600),
            "size": rng.normal(size=600),
            "who": rng.choice(["x", "y"], 600),
            "y": rng.choice(["no", "yes"], 600),
        }
    )
    stream = Stream.from_frame(frame, target="y", time="when", group="who")
    folder = Workshop()
    folder.put(SimpleNamespace(stream=stream))
    copy = workshop._read(folder.path).stream
    assert copy.fingerprint == stream.fingerprint
    assert copy.is_intact
    pd.testing.assert_frame_equal(copy.X, stream.X)


def test_alarms_are_the_same_elsewhere() -> None:
    plans = {
        **PLANS,
        "alarm": Strategy(PerformanceDrop("MAE", drop=0.1, window=100), Sliding("20D")),
    }
    with joblib.parallel_config("loky"):
        many = backtest().compare(plans, n_jobs=2, hindsight=False)
    same(backtest().compare(plans, hindsight=False), many)


def test_a_stream_in_files_is_not_written_again(tmp_path: Path) -> None:
    setup = backtest(n=20_000)
    opened = Backtest(setup.stream.save(tmp_path / "history"), Ridge(), prices=Prices(retrain=5))
    folder = Workshop(tmp_path)
    folder.put(opened)
    sent = sum(file.stat().st_size for file in folder.path.iterdir())
    assert sent < setup.stream.X.nbytes  # only what the setup has worked out
    with joblib.parallel_config("loky"):
        same(
            setup.compare(PLANS, hindsight=False),
            opened.compare(PLANS, n_jobs=2, hindsight=False),
        )


def test_records_without_predictions_are_those_of_one_process(tmp_path: Path) -> None:
    kept = {}
    for folder, n_jobs in (("alone", 1), ("many", 2)):
        kept[folder] = backtest().compare(
            PLANS, n_jobs, hindsight=False, directory=tmp_path / folder, records="totals"
        )
        assert not list((tmp_path / folder).rglob("predictions*"))
    same(kept["alone"], kept["many"])
    read = (archive.unfinished(tmp_path / folder)[0] for folder in kept)
    same(*(Comparison({plan: runs[plan] for plan in PLANS}) for runs in read))


def test_what_lies_in_a_module_that_others_would_not_find_is_sent_whole(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    """As test runners and notebooks load files: by their path, and not by `sys.path`."""
    file = tmp_path / "loaded_by_hand.py"
    file.write_text("from sklearn.linear_model import Ridge\nclass Mine(Ridge):\n    pass\n")
    spec = importlib.util.spec_from_file_location("loaded_by_hand", file)
    module = importlib.util.module_from_spec(spec)
    monkeypatch.setitem(sys.modules, "loaded_by_hand", module)
    spec.loader.exec_module(module)
    with joblib.parallel_config("loky"):
        many = backtest(model=module.Mine()).compare(PLANS, n_jobs=2, hindsight=False)
    same(backtest(model=module.Mine()).compare(PLANS, hindsight=False), many)
    assert "loaded_by_hand" not in cloudpickle.list_registry_pickle_by_value()
