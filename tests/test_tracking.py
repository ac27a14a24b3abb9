"""Callbacks are told what is finished, and none of them can lose a comparison."""

import json
import os
import subprocess
import sys
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import numpy as np
import pytest
from sklearn.linear_model import Ridge

from backtrain import Backtest, Prices, Strategy
from backtrain.cli import main
from backtrain.datasets.synthetic import abrupt
from backtrain.simulator.manifest import RecordWarning
from backtrain.strategies import Every, Never, Sliding
from backtrain.tracking.callbacks import Callback, Job
from backtrain.tracking.json_lines import JsonLines, append
from backtrain.tracking.mlflow import MLflow, cumulative_cost, flattened

STRATEGIES = {
    "static": Strategy(Never(), Sliding("9D")),
    "weekly": Strategy(Every("7D"), Sliding("9D")),
}
DATA = ["dataset=abrupt", "dataset.n=900", "dataset.task=regression", "model=linear"]
QUICK = [*DATA, "comparison=one", "hindsight=false", "report=page", "cache=false", "progress=false"]


def setting(**changes: Any) -> Backtest:
    stream = abrupt(n=900, task="regression")
    return Backtest(stream, Ridge(), **{"prices": Prices(retrain=5), **changes})


class Notes(Callback):
    """Notes down what it is told."""

    def __init__(self) -> None:
        self.told: list[tuple[str, ...]] = []

    def job_started(self, job: Job) -> None:
        self.told.append(("started", str(job.number)))

    def run_finished(self, run: Any) -> None:
        self.told.append(("run", run.name))

    def comparison_finished(self, comparison: Any, baseline: str | None) -> None:
        self.told.append(("comparison", *comparison.runs))

    def comparison_failed(self, error: BaseException) -> None:
        self.told.append(("failed", str(error)))

    def job_finished(self, job: Job, error: BaseException | None) -> None:
        there = (job.directory / "report.html").exists()
        self.told.append(("finished", "report" if there else str(error)))


class Away:
    """A server that cannot be reached; and a callback that knows one event only."""

    def run_finished(self, run: Any) -> None:
        raise ConnectionError("nobody is there")


class Stopping:
    """As a user does."""

    def run_finished(self, run: Any) -> None:
        raise KeyboardInterrupt


@pytest.mark.parametrize("n_jobs", [1, 2])
def test_each_run_and_the_comparison_are_told(n_jobs: int) -> None:
    notes = Notes()
    setting().compare(STRATEGIES, n_jobs, callbacks=[notes])
    *runs, last = notes.told
    assert sorted(runs) == [("run", "static"), ("run", "weekly")]
    assert last == ("comparison", "static", "weekly")


def test_a_callback_that_fails_loses_nothing_and_is_told_nothing_more() -> None:
    notes = Notes()
    says = r"Away is told nothing more: run_finished failed \(ConnectionError: nobody is there\)"
    with pytest.warns(RecordWarning, match=says) as warned:
        comparison = setting().compare(STRATEGIES, callbacks=[Away(), notes])
    assert len(warned) == 1
    assert len(notes.told) == 3
    alone = setting().compare(STRATEGIES)
    assert comparison.table().equals(alone.table())


def test_who_stops_a_comparison_is_not_held_back() -> None:
    notes = Notes()
    with pytest.raises(KeyboardInterrupt):
        setting().compare(STRATEGIES, callbacks=[notes, Stopping()])
    assert [event for event, *_ in notes.told] == ["run", "failed"]


def broken(view: Any) -> bool:
    raise RuntimeError("no such table")


def test_a_comparison_that_fails_is_told_and_still_raised() -> None:
    notes = Notes()
    strategies = STRATEGIES | {"broken": Strategy(broken, Sliding("9D"))}
    with pytest.raises(Exception, match="no such table"):
        setting().compare(strategies, callbacks=[notes])
    assert [event for event, *_ in notes.told] == ["run", "run", "failed"]


# --- a line an event ------------------------------------------------------------------------------


def lines(path: Path) -> list[dict[str, Any]]:
    return [json.loads(line) for line in path.read_text().splitlines()]


def test_a_line_holds_what_a_run_cost(tmp_path: Path) -> None:
    comparison = setting().compare(STRATEGIES, callbacks=[JsonLines(tmp_path / "deep/e.jsonl")])
    *runs, last = lines(tmp_path / "deep/e.jsonl")
    assert [one["event"] for one in runs] == ["run", "run"]
    assert last["event"] == "comparison"
    for one in runs:
        totals = comparison.runs[one["strategy"]].totals
        assert one["totals"]["total"] == pytest.approx(totals["total"])
        assert one["id"] == comparison.runs[one["strategy"]].info["id"]
    assert last["verdict"]["strategy"] == comparison.verdict().strategy


WRITER = """
import sys
from pathlib import Path
from backtrain.tracking.json_lines import append
for number in range(200):
    append(Path(sys.argv[1]), (sys.argv[2] * 3000 + f"{number}\\n").encode())
"""


def test_lines_of_several_processes_do_not_mix(tmp_path: Path) -> None:
    path = tmp_path / "e.jsonl"
    command = [sys.executable, "-c", WRITER, str(path)]
    writers = [subprocess.Popen([*command, letter]) for letter in "abcd"]
    assert [writer.wait() for writer in writers] == [0, 0, 0, 0]
    expected = sorted(f"{letter * 3000}{n}" for letter in "abcd" for n in range(200))
    assert sorted(path.read_text().splitlines()) == expected


def test_a_disk_that_takes_half_a_line_is_told(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    write = os.write
    monkeypatch.setattr(os, "write", lambda file, line: write(file, line[:3]))
    with pytest.raises(OSError, match=r"only 3 of 6 bytes could be written"):
        append(tmp_path / "e.jsonl", b"12345\n")


# --- the command line -----------------------------------------------------------------------------


@pytest.fixture
def here(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    monkeypatch.chdir(tmp_path)
    monkeypatch.setattr(sys, "path", sys.path.copy())
    return tmp_path


def test_jobs_of_a_sweep_share_a_file(here: Path) -> None:
    sweep = ["-m", "seed=0,1", "callbacks=[json_lines]", "hydra.sweep.dir=out"]
    assert main(["run", *QUICK, *sweep]) == 0
    events = [(one["job"], one["event"]) for one in lines(here / "out/events.jsonl")]
    told = ["job started", "run", "run", "comparison", "job finished"]
    assert events == [(job, event) for job in (0, 1) for event in told]


def test_a_job_that_is_refused_for_a_value_is_told(here: Path) -> None:
    sweep = ["-m", "dataset.n=900,-5", "callbacks=[json_lines]", "hydra.sweep.dir=out"]
    assert main(["run", *QUICK, *sweep]) == 1
    told = [one for one in lines(here / "out/events.jsonl") if one["job"] == 1]
    assert [one["event"] for one in told] == ["job started", "job finished"]
    assert "dataset.n=-5" in told[0]["overrides"]
    assert told[1]["error"].startswith("ConfigError: n=-5: ")


def test_a_job_whose_callbacks_are_refused_tells_nobody(
    here: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    sweep = ["-m", "callbacks=[json_lines]", "callbacks.json_lines.path=e.jsonl,7"]
    assert main(["run", *QUICK, *sweep, "hydra.sweep.dir=out"]) == 1
    assert "path=7" in capsys.readouterr().err
    assert {one["job"] for one in lines(here / "out/e.jsonl")} == {0}


def test_a_job_is_finished_when_its_report_is_there(
    here: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    notes = Notes()
    monkeypatch.setattr("backtrain.tracking.json_lines.JsonLines", lambda path: notes)
    assert main(["run", *QUICK, "callbacks=[json_lines]", "hydra.run.dir=out"]) == 0
    assert notes.told[0] == ("started", "0")
    assert notes.told[-1] == ("finished", "report")


def test_the_verdict_that_is_told_is_the_one_that_is_printed(here: Path) -> None:
    given = ["prices.retrain=1", "prices.error=1", "careful=0.99", "callbacks=[json_lines]"]
    assert main(["run", *QUICK, *given, "hydra.run.dir=out"]) == 0
    verdict = json.loads((here / "out/verdict.json").read_text())
    told = next(o for o in lines(here / "out/events.jsonl") if o["event"] == "comparison")
    assert told["verdict"]["decision"] == verdict["decision"] == "keep"


WRONG = {
    "callbacks=[mlfow]": "callbacks=mlfow: no such choice; did you mean 'mlflow'?",
    "callbacks=7": "callbacks=7: give one preset or several",
}


@pytest.mark.parametrize("given", WRONG)
def test_bad_input_says_what_is_wrong(
    here: Path, capsys: pytest.CaptureFixture[str], given: str
) -> None:
    assert main(["run", *QUICK, given]) == 2
    assert capsys.readouterr().err.startswith(WRONG[given])


# --- MLflow ---------------------------------------------------------------------------------------


def test_costs_add_up_to_the_total() -> None:
    run = setting().replay(STRATEGIES["weekly"])
    at, costs = cumulative_cost(run)
    assert costs[-1] == pytest.approx(run.totals["total"])
    assert (np.diff(costs) >= 0).all()
    assert (np.diff(at) > np.timedelta64(0, "ns")).all()


def test_parameters_are_flat_and_short() -> None:
    flat = flattened({"a": {"b": {"c": 1}, "d@e": "x" * 9000}, "f": {}})
    assert flat == {"a.b.c": "1", "a.d_e": "x" * 6000, "f": "{}"}


@pytest.fixture(scope="module")
def database(tmp_path_factory: pytest.TempPathFactory) -> str:
    pytest.importorskip("mlflow", reason="pip install 'backtrain[mlflow]'")
    return f"sqlite:///{tmp_path_factory.mktemp('mlflow')}/mlflow.db"


@pytest.fixture
def client(database: str, here: Path) -> Iterator[Any]:
    from mlflow.tracking import MlflowClient

    client = MlflowClient(tracking_uri=database)
    yield client
    for experiment in client.search_experiments():
        for run in client.search_runs([experiment.experiment_id]):
            client.delete_run(run.info.run_id)


def family(client: Any) -> dict[str | None, list[Any]]:
    """Runs by the id of the run that they stand in."""
    found = client.get_experiment_by_name("backtrain")
    below: dict[str | None, list[Any]] = {}
    for run in client.search_runs([found.experiment_id], max_results=100):
        below.setdefault(run.data.tags.get("mlflow.parentRunId"), []).append(run)
    return below


def files(client: Any, run: Any) -> set[str]:
    return {one.path for one in client.list_artifacts(run.info.run_id)}


def test_a_comparison_is_a_run_and_each_strategy_one_inside(database: str, client: Any) -> None:
    comparison = setting().compare(STRATEGIES, callbacks=[MLflow(database)])
    below = family(client)
    (parent,) = below[None]
    assert parent.info.status == "FINISHED"
    assert parent.data.params["prices.retrain"] == "5"
    assert parent.data.tags["backtrain.advised"] == comparison.verdict().strategy
    assert files(client, parent) == {"report.html"}
    children = {run.info.run_name: run for run in below[parent.info.run_id]}
    assert set(children) == set(STRATEGIES)
    for name, child in children.items():
        run = comparison.runs[name]
        assert child.info.status == "FINISHED"
        assert child.data.metrics["total"] == pytest.approx(run.totals["total"])
        assert child.data.metrics["metric.MAE"] == pytest.approx(run.metrics["MAE"])
        series = client.get_metric_history(child.info.run_id, "cumulative_cost")
        assert series[-1].value == pytest.approx(run.totals["total"])
        at, costs = cumulative_cost(run)
        assert [one.value for one in series] == pytest.approx(list(costs))
        assert series[0].timestamp == at[0].astype("datetime64[ms]").astype(int)
    assert children["weekly"].data.params["trigger.every"] == "7D"


def test_a_sweep_is_one_run_whatever_process_does_its_jobs(database: str, client: Any) -> None:
    given = ["callbacks=[mlflow]", f"callbacks.mlflow.tracking_uri={database}"]
    sweep = ["-m", "seed=0,1", "hydra.sweep.dir=out"]
    assert main(["run", *QUICK, *given, *sweep]) == 0
    below = family(client)
    (whole,) = below[None]
    jobs = below[whole.info.run_id]
    assert [job.data.params["seed"] for job in jobs] in (["0", "1"], ["1", "0"])
    for job in jobs:
        assert {"report.html", "verdict.json", "summary.csv"} <= files(client, job)
        assert {run.info.run_name for run in below[job.info.run_id]} == {"static", "every_7d"}
        assert job.data.params["model._target_"].endswith("ByTask")
    # Another process, such as one of a launcher, finds the run that the first has made.
    code = "import sys; from backtrain.cli import main; sys.exit(main(sys.argv[1:]))"
    line = ["run", *QUICK, *given, "-m", "seed=2,3", "hydra.sweep.dir=out"]
    assert subprocess.run([sys.executable, "-c", code, *line], check=False).returncode == 0
    assert len(family(client)[whole.info.run_id]) == 4
    assert len(family(client)[None]) == 1


def test_of_a_job_that_is_refused_there_is_a_run_that_says_why(database: str, client: Any) -> None:
    given = ["callbacks=[mlflow]", f"callbacks.mlflow.tracking_uri={database}"]
    assert main(["run", *QUICK, *given, "-m", "dataset.n=900,-5", "hydra.sweep.dir=out"]) == 1
    below = family(client)
    (whole,) = below[None]
    ended = {job.info.status: job for job in below[whole.info.run_id]}
    assert set(ended) == {"FINISHED", "FAILED"}
    assert "n=-5: must be" in ended["FAILED"].data.tags["backtrain.error"]


def test_what_failed_is_told(database: str, client: Any) -> None:
    strategies = STRATEGIES | {"broken": Strategy(broken, Sliding("9D"))}
    with pytest.raises(Exception, match="no such table"):
        setting().compare(strategies, callbacks=[MLflow(database)])
    (parent,) = family(client)[None]
    assert parent.info.status == "FAILED"
    assert "no such table" in parent.data.tags["backtrain.error"]


def test_a_server_that_is_away_costs_a_warning(
    database: str, here: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setenv("MLFLOW_HTTP_REQUEST_MAX_RETRIES", "0")
    with pytest.warns(RecordWarning, match="MLflow is told nothing more: run_finished failed"):
        comparison = setting().compare(STRATEGIES, callbacks=[MLflow("http://127.0.0.1:9")])
    assert set(comparison.runs) == set(STRATEGIES)


def test_without_mlflow_it_is_said_what_to_install(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setitem(sys.modules, "mlflow", None)
    monkeypatch.setitem(sys.modules, "mlflow.tracking", None)
    with pytest.warns(RecordWarning, match=r"pip install 'backtrain\[mlflow\]'"):
        setting().compare(STRATEGIES, callbacks=[MLflow()])
