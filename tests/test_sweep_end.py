"""How a sweep ends: whatever became of its jobs, they are told of, and it ends in order."""

import json
import re
import sys
from pathlib import Path

import pandas as pd
import pytest
from sweep_kills import broken, kill_and_go_on, start

from backtrain.cli import main
from backtrain.cli.outcome import objective
from backtrain.config import history, study
from backtrain.config.build import ConfigError
from backtrain.config.history import History
from backtrain.reports.sweep.result import Result, results_in
from backtrain.store.locks import alone_in

SMALL = ("dataset=abrupt", "dataset.n=300", "comparison=one", "n_jobs=1", "progress=false")
SMALL += ("hindsight=false", "model=linear")
INTO = "hydra.sweep.dir=swept"

MODULE = """
from hydra.experimental.callback import Callback
from backtrain.strategies import Every

class Boom(Every):
    def monitor(self):
        raise RuntimeError("boom")

class Stop(Every):
    def monitor(self):
        raise KeyboardInterrupt

class Noted(Callback):
    def on_job_end(self, config, job_return, **kwargs):
        with open("returned.txt", "a") as file:
            print(job_return.return_value, file=file)
"""
OWN = """
defaults: [_base, /trigger@trigger: custom, _self_]
trigger: {{_target_: sweepmine.{name}, every: 3D}}
"""


@pytest.fixture
def here(tmp_path, monkeypatch):
    monkeypatch.chdir(tmp_path)
    monkeypatch.setenv("BACKTRAIN_CACHE_DIR", str(tmp_path / "cache"))
    monkeypatch.setattr(sys, "path", sys.path.copy())
    monkeypatch.delitem(sys.modules, "sweepmine", raising=False)
    monkeypatch.delenv("HYDRA_FULL_ERROR", raising=False)
    (tmp_path / "sweepmine.py").write_text(MODULE)
    (tmp_path / "conf/strategy").mkdir(parents=True)
    for name in ("Boom", "Stop"):
        (tmp_path / f"conf/strategy/{name.lower()}.yaml").write_text(OWN.format(name=name))
    return tmp_path


def run(*keys: str) -> int:
    return main(["run", "-m", *SMALL, INTO, "--config-dir=conf", *keys])


def table(here: Path) -> pd.DataFrame:
    return pd.read_parquet(here / "swept/summary.parquet")


def test_of_six_jobs_one_raises_and_one_cannot_be_built(here, capsys) -> None:
    assert run("strategy=boom,every_3d,static_all,expanding,error_drift,partial_fit") == 1
    jobs = results_in(here / "swept")
    assert [job.status for job in jobs] == ["failed", *["done"] * 4, "failed"]
    assert jobs[0].error == "RuntimeError: boom"
    assert "has no partial_fit" in jobs[-1].error
    printed = capsys.readouterr()
    assert printed.out.count("\njob ") == 6
    assert "Of 6 jobs: 4 done and 2 failed." in printed.out
    assert sorted(table(here)["number"].unique()) == list(range(6))


def test_a_wrong_value_in_some_jobs_stops_these_and_in_all_of_them_the_sweep(here, capsys) -> None:
    assert run("seed=0,word") == 1
    assert [job.status for job in results_in(here / "swept")] == ["done", "failed"]
    told = "job 1 will fail, the others go on: dataset.seed='word': must be int"
    assert told in capsys.readouterr().err
    assert main(["run", "-m", *SMALL, "hydra.sweep.dir=other", "seed=word,text"]) == 2
    assert main(["run", "-m", *SMALL, "hydra.sweep.dir=other", "sed=0,1"]) == 2
    assert "other" not in {path.name for path in here.iterdir()}


def test_ctrl_c_leaves_whole_results_and_the_report_of_what_is_there(here, capsys) -> None:
    assert run("strategy=monthly,stop,every_3d") == 130
    jobs = results_in(here / "swept")
    assert [job.status for job in jobs] == ["done", "stopped"]
    assert "Of 2 jobs: 1 done and 1 stopped." in capsys.readouterr().out
    assert sorted(table(here)["number"].unique()) == [0, 1]
    # What is left is done by the same line, and what was done is not.
    before = (here / "swept/0/verdict.json").stat().st_mtime_ns
    assert run("strategy=monthly,every_7d,every_3d") == 0
    assert (here / "swept/0/verdict.json").stat().st_mtime_ns == before
    assert [job.status for job in results_in(here / "swept")] == ["done"] * 3


def test_keys_of_a_group_that_is_swept_hold_for_each_of_its_presets(here) -> None:
    assert main(["run", "-m", "dataset=abrupt,recurring", "dataset.n=310", *SMALL[2:], INTO]) == 0
    jobs = results_in(here / "swept")
    assert [job.stream["name"] for job in jobs] == ["abrupt", "recurring"]
    assert [job.stream["rows"] for job in jobs] == [310, 310]
    assert [job.overrides["dataset"] for job in jobs] == ["abrupt", "recurring"]


def test_the_directory_is_that_of_one_moment(here) -> None:
    line = ["run", "-m", *SMALL, "hydra.sweep.dir=at/${now:%H-%M-%S-%f}", "seed=0,1"]
    assert main(line) == 0
    (one,) = (here / "at").iterdir()
    assert [job.number for job in results_in(one)] == [0, 1]
    assert (one / "summary.parquet").exists()


def test_a_job_returns_what_it_is_asked_for(here) -> None:
    noted = "+hydra.callbacks.noted._target_=sweepmine.Noted"
    assert run("strategy=every_3d", "objective=total,[saves,retrains]", noted) == 0
    jobs = results_in(here / "swept")
    run_of = next(row for row in jobs[0].rows if row["strategy"] == "every_3d")
    told = (here / "returned.txt").read_text().splitlines()
    assert float(told[0]) == run_of["total"] == jobs[0].objective["total"]
    assert told[1] == str((jobs[1].objective["saves"], float(run_of["retrains"])))
    assert jobs[1].objective["saves"] == jobs[1].verdict["saves"]


def test_a_number_that_there_is_not_is_refused_with_those_that_there_are(here, capsys) -> None:
    assert main(["run", *SMALL, "objective=[total,savings]"]) == 2
    told = capsys.readouterr().err
    assert told.startswith("objective='savings': no such number; did you mean 'saves'?")
    assert "worst_week" in told
    with pytest.raises(ConfigError, match="objective=regret: not known of this job; add hindsight"):
        objective(Result(objective={"regret": None}), "regret")


def test_each_distinct_fit_is_made_once_and_the_data_are_read_once(here, monkeypatch) -> None:
    made = []
    plain = History._made.__func__
    monkeypatch.setattr(
        History, "_made", classmethod(lambda cls, asked: made.append(1) or plain(cls, asked))
    )
    study._STORE.clear()
    assert run("strategy=every_3d", "strategy.trigger.every=1D,2D,4D", "dataset.n=301") == 0
    fits = [job.fits for job in results_in(here / "swept")]
    distinct = set()
    for job in results_in(here / "swept"):
        for name in ("static", "every_3d"):
            distinct |= set(pd.read_parquet(job.directory / name / "versions.parquet")["fit"])
    assert sum(one["computed"] for one in fits) == len(distinct)
    assert sum(one["asked"] for one in fits) > len(distinct)
    assert len(made) == 1
    assert run("strategy=every_3d", "prices.retrain=7,8", "dataset.n=302,303") == 0
    assert len(made) == 3


def test_a_stream_that_a_job_has_spoilt_is_read_anew(here) -> None:
    assert run("strategy=monthly,boom", "dataset.n=304") == 1
    assert not history._KEPT


def test_jobs_that_would_lie_in_one_place_are_refused(here, capsys) -> None:
    assert run("seed=0,1", "hydra.sweep.subdir=x") == 2
    told = capsys.readouterr().err
    assert "jobs 0 and 1 would both lie in swept/x; add ${hydra.job.num} to it" in told
    assert not (here / "swept").exists()
    assert run("seed=0,1", "hydra.sweep.subdir=${hydra.job.override_dirname}") == 0
    assert [one.status for one in results_in(here / "swept")] == ["done", "done"]


@pytest.mark.skipif(sys.platform == "win32", reason="directories cannot be locked there")
def test_a_second_sweep_into_a_directory_at_the_same_time_is_refused(here, capsys) -> None:
    (here / "swept").mkdir()
    with alone_in(here / "swept") as alone:
        assert alone
        assert run("seed=0,1") == 2
    assert "hydra.sweep.dir=swept: another sweep is at work there" in capsys.readouterr().err
    assert not list((here / "swept").iterdir())
    assert run("seed=0") == 0


def test_a_plan_does_nothing_and_counts_exactly(here, capsys) -> None:
    before = sorted(here.rglob("*"))
    keys = ("strategy=every_3d", "strategy.trigger.every=1D,2D,3D", "hindsight=true")
    assert run(*keys, "run.plan_only=true") == 0
    told = capsys.readouterr().out
    assert sorted(path for path in here.rglob("*") if "__pycache__" not in path.parts) == before
    assert "jobs    0 done, 3 to do" in told
    assert run(*keys[:2], "hindsight=false") == 0
    made = sum(job.fits["computed"] for job in results_in(here / "swept"))
    assert f"fits    {made} distinct, 0 of them kept\n" in told
    capsys.readouterr()
    assert run(*keys[:1], "strategy.trigger.every=1D,2D,4D", "run.plan_only=true") == 0
    told = capsys.readouterr().out
    assert "jobs    2 done, 1 to do" in told
    assert ": done, in swept/0" in told


def test_a_plan_says_what_alarms_may_ask_for(here, capsys) -> None:
    assert run("strategy=error_drift,partial_fit", "run.plan_only=true") == 1
    told = capsys.readouterr()
    assert "may ask for up to" in told.out
    assert "job 1 will fail" in told.err
    assert not (here / "swept").exists()


def test_a_directory_with_a_blank_and_an_umlaut(here, capsys) -> None:
    line = ["run", "-m", *SMALL, "seed=0"]
    assert main([*line, "metrics=[\u00fc]"]) == 2
    assert "in quotation marks of their own: \"key='\u00fc'\"" in capsys.readouterr().err
    for given in ("hydra.sweep.dir=mein \u00fc", "hydra.sweep.dir='dein \u00fc'"):
        assert main([*line, given]) == 0
    assert (here / "mein \u00fc/sweep.html").is_file()
    assert (here / "dein \u00fc/sweep.html").is_file()


def test_a_plan_counts_processes(here, capsys) -> None:
    assert run("seed=0", "n_jobs=2", "run.plan_only=true") == 0
    assert "; at best 1/2 of it on 2 processes" in capsys.readouterr().out


def test_a_plan_holds_where_windows_are_tried(here, capsys) -> None:
    keys = ("dataset=sea", "strategy=dynamic_window", "strategy.trigger.every=1D")
    assert run(*keys, "run.plan_only=true") == 0
    said = re.search(r"(\d+) distinct, .* up to (\d+) more", capsys.readouterr().out)
    assert said is not None
    assert run(*keys) == 0
    made = sum(job.fits["computed"] for job in results_in(here / "swept"))
    assert int(said[1]) <= made <= int(said[1]) + int(said[2])


@pytest.mark.parametrize("launcher", ["joblib", "submitit_local"])
def test_other_launchers_end_alike(here, capsys, launcher) -> None:
    pytest.importorskip(f"hydra_plugins.hydra_{launcher.partition('_')[0]}_launcher")
    keys = ("strategy=monthly,partial_fit", "resume=false")
    ends = []
    for more in ((), (f"hydra/launcher={launcher}",)):
        assert run(*keys, *more) == 1
        out = capsys.readouterr().out
        ends.append(out[out.index("\njob 0") :])
    assert ends[0] == ends[1]


def test_a_killed_sweep_goes_on_where_it_was(tmp_path) -> None:
    found = kill_and_go_on(tmp_path, kills=2, jobs=3)
    assert {key: found[key] for key in ("redone", "half", "different")} == {
        **{"redone": 0, "half": 0, "different": 0}
    }
    assert found["kills"] >= 2


def test_two_processes_at_once_leave_whole_results(tmp_path) -> None:
    both = [start(tmp_path, name, 2, "cache") for name in ("one", "two")]
    assert [process.wait() for process in both] == [0, 0]
    for name in ("one", "two"):
        assert [job.status for job in results_in(tmp_path / name)] == ["done"] * 2
        assert not broken(tmp_path / name)
    rows = [[job.rows for job in results_in(tmp_path / name)] for name in ("one", "two")]
    assert json.dumps(rows[0]) == json.dumps(rows[1])
