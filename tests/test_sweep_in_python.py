"""`backtrain.sweep`: the same jobs, results and going on as a sweep of the command line."""

import importlib
import os
import re
import shutil
import subprocess
import sys
from functools import partial
from itertools import product

import joblib
import numpy as np
import pandas as pd
import pytest
from sklearn.base import BaseEstimator, RegressorMixin
from sklearn.linear_model import Lasso, LogisticRegression, Ridge

import backtrain
from backtrain import Prices, SetupError, Strategy, sweeping
from backtrain.axes import Axes
from backtrain.cli import main
from backtrain.datasets.synthetic import abrupt, stationary
from backtrain.models import ByTask, scaled
from backtrain.reports.sweep import Sweep
from backtrain.reports.sweep.result import Result, results_in
from backtrain.simulator.manifest import RecordWarning
from backtrain.simulator.workers import WorkerError
from backtrain.store.fits import FitStore
from backtrain.strategies import Every, Never, Sliding

STRATEGIES = {
    "static": Strategy(Never(), Sliding("90D")),
    "every_7d": Strategy(Every("7D"), Sliding("90D")),
}
DATA = abrupt(200, task="regression", freq="6h")
sweep = partial(backtrain.sweep, strategies=STRATEGIES, hindsight=False)


def numbers(found: Sweep, *without: str) -> pd.DataFrame:
    return found.frame().drop(columns=["directory", *without])


def equal(one: Sweep, other: Sweep, *without: str) -> None:
    pd.testing.assert_frame_equal(numbers(one, *without), numbers(other, *without))


# --- the command line -----------------------------------------------------------------------------


def test_what_is_said_in_python_ends_as_what_is_said_in_hydra(tmp_path, monkeypatch) -> None:
    monkeypatch.chdir(tmp_path)
    monkeypatch.setenv("BACKTRAIN_CACHE_DIR", str(tmp_path / "cache"))
    line = (
        "run -m dataset=abrupt dataset.n=300 model=linear comparison=one hindsight=false n_jobs=1"
    )
    axes = "progress=false seed=0,1 prices.retrain=1,10 report=none hydra.sweep.dir=hydra"
    assert main(f"{line} {axes}".split()) == 0
    asked = Sweep.load("hydra")
    model = ByTask(scaled(Ridge()), scaled(LogisticRegression(max_iter=1000)))
    data = {"abrupt": partial(abrupt, n=300)}
    found = sweep(data, {"linear": model}, seeds=[0, 1], prices={"retrain": [1, 10]})
    order = ["seed", "prices.retrain", "strategy"]
    one, other = (
        s.frame().sort_values(order, ignore_index=True)[asked_for]
        for s in (asked, found)
        for asked_for in [[c for c in asked.frame().columns if c in found.frame().columns]]
    )
    names = ["job", "number", "setting", "directory"]
    pd.testing.assert_frame_equal(one.drop(columns=names), other.drop(columns=names))
    assert {"relative", "low", "accuracy", "saves", "fingerprint"} < {*one.columns}
    pd.testing.assert_frame_equal(asked.pooled.table, found.pooled.table)
    assert {*asked.axes.items()} == {*found.axes.items()}
    found.save("python", report="none")
    read = pd.read_parquet("python/summary.parquet").sort_values(order, ignore_index=True)
    assert read["total"].tolist() == one["total"].tolist()


# --- axes -----------------------------------------------------------------------------------------


def test_every_combination_is_a_job_and_a_row_a_strategy() -> None:
    frame = sweep(
        {"one": DATA, "two": stationary(200, task="regression")},
        {"ridge": Ridge(), "lasso": Lasso(0.1)},
        seeds=[3],
        start=[0.2, 0.5],
        loss={"mae": "absolute", "own": _squared},
    ).frame()
    keys = ["dataset", "override.model", "seed", "override.start", "override.loss", "strategy"]
    expected = product(
        ("one", "two"), ("ridge", "lasso"), (3,), (0.2, 0.5), ("mae", "own"), STRATEGIES
    )
    assert sorted(map(tuple, frame[keys].to_numpy().tolist())) == sorted(expected)
    assert (frame["status"] == "done").all()
    assert frame["number"].tolist() == [n for n in range(16) for _ in STRATEGIES]


def _squared(label, prediction):
    return (label - prediction) ** 2


def test_the_order_of_axes_is_irrelevant() -> None:
    prices = {"error": 2, "retrain": [1, 10]}
    one = sweep(DATA, Ridge(), prices=prices, tick=["1D", "2D"], start=0.4)
    backwards = dict(reversed(prices.items()))
    equal(one, sweep(DATA, Ridge(), start=0.4, tick=["1D", "2D"], prices=backwards))
    assert [*one.axes] == ["tick", "prices.retrain"]
    frame = one.frame()
    by_price = frame[frame["strategy"] == "every_7d"].groupby("prices.retrain")["train"].max()
    assert by_price[10] == 10 * by_price[1]
    assert by_price[1] > 0


FORMS = {
    "object": (Prices(retrain=5), {"prices.retrain": 5.0}),
    "mapping": ({"retrain": 5, "error": 2}, {"prices.retrain": 5, "prices.error": 2}),
    "list": ([Prices(retrain=1), {"retrain": 5}], {"prices": {"retrain": 5}}),
    "names": ({"cheap": Prices(retrain=1), "dear": {"retrain": 5}}, {"prices": "dear"}),
}


@pytest.mark.parametrize("form", FORMS)
def test_prices_are_one_or_several_or_have_axes_of_their_own(form) -> None:
    given, overrides = FORMS[form]
    last = sweep(DATA, Ridge(), prices=given).results[-1]
    assert last.prices["retrain"] == 5
    assert {*overrides} == {key for key in last.overrides if key.startswith("prices")}
    assert {key: last.overrides[key] for key in overrides} == overrides


def test_a_list_that_is_one_value_of_a_backtest_stays_one() -> None:
    one = sweep(DATA, Ridge(), metrics=["MAE", "RMSE"])
    assert len(one.results) == 1
    assert {"MAE", "RMSE"} < {*one.frame().columns}
    axes = Axes.of(DATA, Ridge(), [0], {"threshold": {"fraud": 0.2}})
    assert [one.value for one in axes.values["threshold"]] == [{"fraud": 0.2}]
    two = sweep(DATA, Ridge(), metrics={"one": ["MAE"], "other": ["RMSE"]})
    assert [len({"MAE", "RMSE"} & {*r.rows[0]}) for r in two.results] == [1, 1]


def test_where_says_which_combinations_are_wanted() -> None:
    ask = partial(sweep, DATA, {"a": Ridge(), "b": Lasso(0.1)}, seeds=range(3))
    some = ask(where=lambda job: job["model"] == "a" or job["seed"] == 2)
    pairs = [(one.overrides["model"], one.overrides["seed"]) for one in some.results]
    assert pairs == [("a", 0), ("a", 1), ("a", 2), ("b", 2)]
    listed = ask(where=[{"model": "a"}, {"model": "b", "seed": 2}])
    equal(some, listed)


def test_data_are_made_when_a_job_wants_them_and_once_for_jobs_beside_each_other() -> None:
    made = []

    def data(seed):
        made.append(seed)
        return abrupt(200, task="regression", seed=seed)

    found = sweep({"abrupt": data}, [Ridge(), Lasso(0.1)], seeds=range(3), tick=["1D", "2D"])
    assert made == [0, 1, 2]
    assert found.frame()["fingerprint"].nunique() == 3
    assert found.pooled.unit == "data set" or len(found.settings.cells["data"].unique()) == 3
    one = sweep(partial(abrupt, 200, task="regression", seed=7), Ridge(), seeds=range(2))
    assert one.frame()["fingerprint"].nunique() == 1  # whose seed is set


def test_data_may_be_a_directory_and_a_list(tmp_path) -> None:
    DATA.save(tmp_path / "history.stream")
    found = sweep([tmp_path / "history.stream", stationary(200, task="regression")], Ridge())
    assert found.frame()["dataset"].unique().tolist() == ["history", "stationary"]


# --- workers and stores ---------------------------------------------------------------------------


def test_processes_and_threads_find_the_same() -> None:
    ask = partial(sweep, {"made": partial(abrupt, 200, task="regression")}, Ridge(), seeds=[0, 1])
    here = ask()
    with joblib.parallel_config("threading"):
        equal(here, ask(n_jobs=2))
    equal(here, ask(n_jobs=2))


def test_a_process_that_dies_costs_its_job_alone(monkeypatch, tmp_path) -> None:
    """As `workers.each` tells of it, after it has tried the job twice."""

    def each(work, study, store, pieces, n_jobs):
        first, second = pieces
        yield second, work(study, store, *pieces[second])
        error = WorkerError("died")
        error.died = {first: f"the process that {first} died (signal 9, SIGKILL)"}
        raise error

    monkeypatch.setattr(sweeping, "each", each)
    died = r"the process that did job 0 \(abrupt, Ridge\(\), seed=0\) died \(signal 9"
    with pytest.warns(RecordWarning, match=f"1 of 2 jobs failed: {died}"):
        found = sweep(DATA, Ridge(), seeds=[0, 1], directory=tmp_path, n_jobs=2)
    assert found.frame()["status"].tolist() == ["failed", "done", "done"]
    pd.testing.assert_frame_equal(Sweep.load(tmp_path).frame(), found.frame())


def test_jobs_of_the_same_data_and_model_share_their_fits() -> None:
    store = FitStore()
    sweep(DATA, Ridge(), prices={"retrain": [1, 2, 3]}, tick="1D", cache=store)
    alone = FitStore()
    sweep(DATA, Ridge(), prices={"retrain": 1}, tick="1D", cache=alone)
    assert store.asked == 3 * alone.asked
    assert store.computed == alone.computed > 1


# --- failures and going on ------------------------------------------------------------------------


class Broken(RegressorMixin, BaseEstimator):
    """Cannot be fitted."""

    def fit(self, X, y):
        raise RuntimeError("no luck today\nsecond line")

    def predict(self, X):
        return np.zeros(len(X))


def test_a_bad_job_stands_in_the_table_with_its_reason(tmp_path) -> None:
    with pytest.warns(RecordWarning, match="2 of 4 jobs failed: start=2.0: a share of the span"):
        found = sweep(DATA, [Ridge(), Lasso(0.1)], start=[0.2, 2.0], directory=tmp_path)
    frame = found.frame()
    failed = frame[frame["status"] == "failed"]
    assert failed["override.start"].tolist() == [2.0, 2.0]
    assert failed["error"].str.startswith("start=2.0").all()
    assert failed["total"].isna().all()
    assert [one.status for one in results_in(tmp_path)].count("failed") == 2
    pd.testing.assert_frame_equal(Sweep.load(tmp_path).frame(), frame)


def test_where_no_job_can_be_done_it_is_said_why() -> None:
    with pytest.raises(SetupError) as refused:
        sweep(DATA, Broken(), seeds=range(2))
    text = str(refused.value).splitlines()
    assert text[0] == "none of 2 jobs could be done; abrupt, Broken(), seed=0:"
    assert len(text) == 2
    assert "no luck today" in text[1]
    assert "raise RuntimeError" in refused.value.__notes__[0]


def marks(directory) -> dict[str, int]:
    return {p.parent.name: p.stat().st_mtime_ns for p in directory.glob("*/comparison.json")}


def test_a_finished_job_is_taken_also_after_axes_were_added(tmp_path) -> None:
    ask = partial(sweep, DATA, {"ridge": Ridge()}, directory=tmp_path)
    first = ask(seeds=[0, 1])
    before = marks(tmp_path)
    assert {*before} == {"abrupt-ridge-seed-0", "abrupt-ridge-seed-1"}
    equal(first, ask(seeds=[0, 1]))
    assert marks(tmp_path) == before
    more = ask(seeds=[2, 0, 1])  # in another order
    after = marks(tmp_path)
    assert {name: after[name] for name in before} == before
    assert len(after) == 3
    assert more.frame()["seed"].tolist() == [2, 2, 0, 0, 1, 1]
    alone = ask(seeds=[0])  # it has another name now, and is not there twice
    assert {*marks(tmp_path).values()} == {*after.values()}
    assert alone.results[0].directory == tmp_path / "abrupt-ridge"
    equal(alone, sweep(DATA, {"ridge": Ridge()}, seeds=[0]))


def test_folders_have_names_of_their_own(tmp_path) -> None:
    long = "x" * 90
    models = {
        "a b": Ridge(),
        "a-b": Ridge(2.0),
        "A B": Ridge(3.0),
        long: Ridge(4.0),
        "../": Ridge(),
    }
    found = sweep(DATA, models, directory=tmp_path)
    folders = [one.directory.name for one in found.results]
    assert len({name.casefold() for name in folders}) == 5
    assert all(len(name) <= 80 for name in folders)
    assert {path.name for path in tmp_path.iterdir()} == {*folders}
    alone = sweep(DATA, {long: Ridge(4.0)}, directory=tmp_path)
    assert alone.results[0].directory.name == folders[3]


def test_what_depends_on_something_else_is_done_again(tmp_path) -> None:
    ask = partial(sweep, DATA, directory=tmp_path)
    one = ask({"model": Ridge()})
    names = {one.results[0].job}
    changes = [
        {"models": {"model": Ridge(2.0)}},
        {"strategies": {**STRATEGIES, "every_7d": Strategy(Every("6D"), Sliding("90D"))}},
        {"strategies": dict(reversed(STRATEGIES.items()))},
        {"prices": {"retrain": 3}},
        {"careful": 0.05},
        {"datasets": {"abrupt": abrupt(200, task="regression", seed=1)}},
    ]
    for change in changes:
        given = {"datasets": DATA, "models": {"model": Ridge()}, "directory": tmp_path, **change}
        found = sweep(**given)
        assert found.results[0].job not in names
        names.add(found.results[0].job)
    assert len([*tmp_path.iterdir()]) == 1  # each in the place of the one before
    before = marks(tmp_path)
    ask({"model": Ridge()}, resume=False)
    assert marks(tmp_path) != before


def test_equal_jobs_are_taken_from_whatever_directory_by_the_cache(tmp_path) -> None:
    ask = partial(sweep, DATA, Ridge(), seeds=[0, 1], cache=tmp_path / "cache")
    first = ask(directory=tmp_path / "one")
    second = ask(directory=tmp_path / "two")
    assert [one.taken_from for one in second.results] == [str(o.directory) for o in first.results]
    equal(first, second)
    shutil.rmtree(tmp_path / "one")
    equal(first, ask())  # nothing is kept, and it is not done again
    assert ask().results[0].taken_from == str(second.results[0].directory)


def test_what_cannot_be_named_is_done_each_time_and_it_is_said(tmp_path) -> None:
    strategies = {"own": Strategy(lambda view: False, Sliding("90D"))}
    with pytest.warns(RecordWarning, match="done again each time: .*lambda"):
        found = backtrain.sweep(DATA, Ridge(), strategies, hindsight=False, directory=tmp_path)
    assert found.results[0].job is None


MODULE = """
import os, signal
from sklearn.linear_model import Ridge
import backtrain
from backtrain import Strategy
from backtrain.datasets.synthetic import abrupt
from backtrain.strategies import Sliding

def never(view):
    return False

class Mine(Ridge):
    def fit(self, X, y):
        if self.alpha == 3 and "DIES" in os.environ:
            signal.raise_signal(signal.SIGKILL)
        return super().fit(X, y)

def ask():
    models, strategies = [Mine(a) for a in (1, 2, 3, 4)], {"own": Strategy(never, Sliding("90D"))}
    data = abrupt(200, task="regression")
    return backtrain.sweep(data, models, strategies, hindsight=False, directory="study")
"""


def test_a_sweep_that_was_killed_goes_on_where_it_stopped(tmp_path, monkeypatch) -> None:
    """In another process, with a model and a strategy of the user's."""
    (tmp_path / "my_study.py").write_text(MODULE)
    monkeypatch.chdir(tmp_path)
    monkeypatch.syspath_prepend(tmp_path)
    line = [sys.executable, "-c", "import my_study; my_study.ask()"]
    assert subprocess.run(line, env={**os.environ, "DIES": "yes"}).returncode == -9
    before = marks(tmp_path / "study")
    whole = {name for name in before if (tmp_path / "study" / name / "result.json").exists()}
    assert whole == {"abrupt-Mine-alpha-1", "abrupt-Mine-alpha-2"}
    found = importlib.import_module("my_study").ask()
    after = marks(tmp_path / "study")
    assert {name: after[name] for name in whole} == {name: before[name] for name in whole}
    assert found.ended == {"done": 4}
    assert Sweep.load("study").ended == {"done": 4}


def test_ctrl_c_says_what_is_kept(tmp_path, monkeypatch) -> None:
    class Stopped(Ridge):
        def fit(self, X, y):
            raise KeyboardInterrupt

    with pytest.raises(KeyboardInterrupt) as stopped:
        sweep(DATA, [Ridge(), Stopped()], directory=tmp_path)
    assert "1 of 2 jobs are finished" in stopped.value.__notes__[-1]
    assert [one.status for one in results_in(tmp_path)] == ["done", "stopped"]


def test_a_directory_takes_one_sweep_at_a_time(tmp_path) -> None:
    from backtrain.store.locks import alone_in

    with alone_in(tmp_path), pytest.raises(SetupError, match="another sweep is at work there"):
        sweep(DATA, Ridge(), directory=tmp_path)


def test_callbacks_are_told_of_each_job_in_this_process(tmp_path) -> None:
    class Heard:
        def __init__(self):
            self.events = []

        def job_started(self, job):
            self.events.append(("started", job.number, job.overrides[2]))

        def run_finished(self, run):
            self.events.append(("run", run.name))

        def comparison_finished(self, comparison, baseline):
            self.events.append(("comparison", comparison.careful, baseline))

        def job_finished(self, job, error):
            self.events.append(("finished", job.sweep == tmp_path, str(error)))

    heard = Heard()
    ask = partial(sweep, DATA, Ridge(), directory=tmp_path, callbacks=[heard], careful=0.1)
    with pytest.warns(RecordWarning, match="1 of 2 jobs failed"):
        ask(start=[0.2, 2.0])
    runs = [("run", name) for name in STRATEGIES]
    done = [("started", 0, "seed=0"), *runs, ("comparison", 0.1, None), ("finished", True, "None")]
    assert heard.events[:5] == done
    assert heard.events[5] == ("started", 1, "seed=0")
    assert heard.events[6][2].startswith("start=2.0: a share")
    with pytest.raises(SetupError, match="give directory="):
        sweep(DATA, Ridge(), callbacks=[heard])


# --- what is refused ------------------------------------------------------------------------------

REFUSED = {
    "sweep(tik=...): no such parameter; did you mean 'tick'": {"tik": "1D"},
    "did you mean 'directory'": {"directroy": "x"},
    "sweep(engine=...): no parameter of a sweep; say it around": {"engine": "threads"},
    "sweep(seed=...): no parameter of a sweep; give seeds=": {"seed": 3},
    "seeds=5: give a list: range(5) for as many, [5] for this one": {"seeds": 5},
    "seeds['a']: 'a' is no seed": {"seeds": ["a"]},
    "tick: empty": {"tick": []},
    "start: a set has no order to go by; give a list": {"start": {0.2, 0.5}},
    "several of one: prices={'retrain': [1, 10]}": {"prices": [1, 10]},
    "prices=5: give Prices(retrain=...), or a dict of its parameters": {"prices": 5},
    "seeds: 1 is given twice": {"seeds": [1, 1]},
    "prices['retain']: no such key; did you mean 'retrain'": {"prices": {"retain": [1, 2]}},
    "loss: 3 is no name": {"loss": {3: "absolute"}},
    "models['Ridge']: <class": {"models": {"Ridge": Ridge}},
    "datasets['DataFrame']: a DataFrame": {"datasets": {"DataFrame": pd.DataFrame()}},
    "datasets: a DataFrame": {"datasets": pd.DataFrame()},
    "'my.csv' is no directory where a stream was saved; give a Stream": {"datasets": "my.csv"},
    "datasets: two are called 'abrupt'; give them names": {"datasets": [DATA, DATA]},
    "strategies: give strategies by the names": {"strategies": {}},
    "strategy 'a': 7 is not a Strategy": {"strategies": {"a": 7}},
    "baseline='statik': not among the strategies; did you mean 'static'": {"baseline": "statik"},
    "careful=2: give a share": {"careful": 2},
    "n_jobs=0": {"n_jobs": 0},
    "records='some'": {"records": "some"},
    "where: 'modle' is no axis; did you mean 'model'": {"where": [{"modle": "a"}]},
    "where: seed=7 is not swept; seed is 0": {"where": [{"seed": 7}]},
    "none of 1 combinations is left": {"where": lambda job: False},
    "where=3: give a function": {"where": 3},
    "cache=3": {"cache": 3},
    "hindsight='soon'": {"hindsight": "soon"},
}


@pytest.mark.parametrize("message", REFUSED)
def test_what_is_wrong_is_said_before_anything_is_done(message) -> None:
    given = {"datasets": DATA, "models": Ridge(), "strategies": STRATEGIES}
    with pytest.raises(ValueError, match=re.escape(message)) as refused:
        backtrain.sweep(**given | REFUSED[message])
    assert len(str(refused.value).splitlines()) <= 5


def test_what_cannot_be_sent_is_named_with_its_axis() -> None:
    class Holds(Ridge):
        def __init__(self, held=None, alpha=1.0):
            super().__init__(alpha=alpha)
            self.held = held

    with pytest.raises(SetupError, match="model='b': it cannot be sent to another process"):
        sweep(DATA, {"a": Ridge(), "b": Holds(sys._getframe())}, n_jobs=2)


def test_a_result_that_failed_loads_as_it_was_returned(tmp_path) -> None:
    with pytest.warns(RecordWarning, match="1 of 2"):
        found = sweep(DATA, Ridge(), start=[0.2, 2.0], directory=tmp_path)
    for one in found.results:
        assert Result.load(one.directory).error == one.error
