"""The command line, as a user meets it: what it prints, what it writes, how it ends."""

import json
import os
import re
import runpy
import signal
import subprocess
import sys
import time
from importlib.metadata import version
from pathlib import Path

import pandas as pd
import pytest

from backtrain.cli import main
from backtrain.reports.comparison import Comparison
from backtrain.reports.sweep.result import results_in

fabricated = runpy.run_path(str(Path(__file__).with_name("fabricated.py")))
parts_of, plain_run = fabricated["parts_of"], fabricated["plain_run"]

SMALL = ("dataset=abrupt", "dataset.n=600", "comparison=one", "n_jobs=1")


@pytest.fixture
def here(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    monkeypatch.chdir(tmp_path)
    monkeypatch.setattr(sys, "path", sys.path.copy())
    monkeypatch.delenv("HYDRA_FULL_ERROR", raising=False)
    return tmp_path


def start(*arguments: str, cwd: Path) -> "subprocess.Popen[str]":
    """Begin in a process of its own: Hydra keeps state."""
    env = {key: value for key, value in os.environ.items() if key != "HYDRA_FULL_ERROR"}
    line = [sys.executable, "-m", "backtrain", *arguments]
    pipes = {"stdout": subprocess.PIPE, "stderr": subprocess.PIPE}
    return subprocess.Popen(line, cwd=cwd, env=env, text=True, start_new_session=True, **pipes)


def command(*arguments: str, cwd: Path) -> "subprocess.CompletedProcess[str]":
    """Likewise, to its end."""
    process = start(*arguments, cwd=cwd)
    out, err = process.communicate()
    return subprocess.CompletedProcess(process.args, process.returncode, out, err)


def test_run_prints_the_verdict_and_writes_records_and_report(tmp_path: Path) -> None:
    done = command("run", *SMALL, "strategy=monthly", cwd=tmp_path)
    assert done.returncode == 0, done.stderr
    first, *_, last = done.stdout.splitlines()
    assert first.startswith("abrupt: 600 rows, 2024-01-01 to 2024-01-25; 2 strategies from ")
    assert "1 of 2 static" in done.stderr  # progress keeps out of the way of the output
    assert "\r" not in done.stderr
    report = tmp_path / last.removeprefix("report").strip()
    assert report.is_file()
    written = {path.name for path in report.parent.iterdir()}
    files = {"report.html", "summary.csv", "verdict.json", "comparison.json", "result.json"}
    assert written == files | {"static", "monthly", "figures", "tables", "strategy", ".hydra"}
    assert [path.name for path in tmp_path.iterdir()] == ["outputs"]


def test_a_sweep_goes_on_after_a_failed_job_and_tells_of_all(
    here: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    sweep = ("strategy=monthly,partial_fit,every_3d", "hydra.sweep.dir=swept", "progress=false")
    assert main(["run", *SMALL, "-m", *sweep]) == 1
    printed = capsys.readouterr()
    jobs = results_in(here / "swept")
    assert [job.status for job in jobs] == ["done", "failed", "done"]
    assert "has no partial_fit" in jobs[1].error
    assert "static" in jobs[0].verdict["sentence"]
    assert printed.out.count("\njob ") == 3
    assert printed.out.splitlines()[-1].startswith("sweep   swept/")
    assert "Traceback" not in printed.err


def test_what_only_a_first_training_finds_leaves_nothing_behind(
    here: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    rows = [f"2024-01-{day:02d},{'' if day % 5 == 0 else day},{day % 2}" for day in range(1, 31)]
    (here / "gaps.csv").write_text("\n".join(["when,size,y", *rows]))
    table = ("dataset.path=gaps.csv", "dataset.time=when", "dataset.target=y")
    model = ("model=estimator", "model._target_=sklearn.linear_model.LogisticRegression")
    assert main(["run", "dataset=table", *table, *model, "start=0.5"]) == 2
    err = capsys.readouterr().err
    assert err.splitlines()[-1].startswith("the first model cannot be trained")
    assert "Traceback" not in err
    assert [path.name for path in here.iterdir()] == ["gaps.csv"]


def test_who_is_refused_after_others_have_finished_is_not_sent_round_in_a_circle(
    here: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    line = [*SMALL[:2], "comparison=never", "grid.window.length=[1h]", "grid.trigger.every=[7D]"]
    assert main(["run", *line, "latency=fixed", "latency.offset=3D", "n_jobs=1"]) == 2
    err = capsys.readouterr().err
    assert "to go on: mend what follows, or leave that strategy out by '~comparison.NAME'" in err
    assert err.splitlines()[-1].startswith("the first model cannot be trained")


def test_names_of_ones_own_need_no_quotation_marks(
    here: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    rows = [f"2024-01-01T{n // 60:02d}:{n % 60:02d},{n % 7},{n % 5}" for n in range(1200)]
    head = "Date/Time,Wind [km/h],Temp \u00b0 (C)"
    (here / "grades (2).csv").write_text("\n".join([head, *rows]))
    line = ["dataset=table", "dataset.path=grades (2).csv", "dataset.time=Date/Time", "tick=1h"]
    line += ["dataset.target=Temp \u00b0 (C)", "model=linear", "comparison=one", "hindsight=false"]
    assert main(["run", *line, "report=none", "progress=false"]) == 0
    assert "grades (2): 1,200 rows" in capsys.readouterr().out
    assert main(["run", *line[:3], "dataset.target=[a,b (c)]"]) == 2
    assert "quotes of their own: \"key=['a (b)','c']\"" in capsys.readouterr().err
    assert main(["run", *line[:3], "dataset.target=2024"]) == 2
    assert "quote a name: \"'2024'\"" in capsys.readouterr().err


def test_reports_are_written_again_from_records(
    here: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    assert main(["run", *SMALL, "hydra.run.dir=one", "progress=false"]) == 0
    before = (here / "one/report.html").read_bytes()
    (here / "one/report.html").unlink()
    assert main(["report", "one"]) == 0
    assert (here / "one/report.html").read_bytes() == before
    before = pd.read_csv(here / "one" / "summary.csv", index_col=0)
    assert main(["report", "one", "--baseline", "every_7d"]) == 0
    after = pd.read_csv(here / "one" / "summary.csv", index_col=0)
    assert list(before.index) == list(after.index)
    assert before["folder"].equals(after["folder"])
    assert after["difference"]["every_7d"] == before["difference"]["static"] == 0
    assert after["difference"]["static"] == -before["difference"]["every_7d"]
    assert main(["report", "one/static", "one/every_7d", "--output", "two.html"]) == 0
    assert capsys.readouterr().out.splitlines()[-1] == "report  two.html"
    assert set(Comparison.load(here / "one").runs) == {"static", "every_7d"}


def test_a_directory_that_cannot_take_a_result_is_refused_in_a_sentence(
    here: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    (here / "foreign").mkdir()
    (here / "foreign/comparison.json").write_text("{")
    line = ("run", *SMALL, "progress=false", "hindsight=false", "model=linear")
    assert main([*line, "hydra.run.dir=foreign"]) == 2
    err = capsys.readouterr().err
    assert "foreign/comparison.json: cannot be read" in err
    assert "HYDRA_FULL_ERROR" not in err
    assert main([*line, "hydra.run.dir=one"]) == 0
    assert main([*line, "hydra.run.dir=one/static"]) == 2
    says = "one/static: holds the record of one run; choose another directory"
    assert says in capsys.readouterr().err
    assert Comparison.load(here / "one/static").runs.keys() == {"static"}


def test_a_report_that_cannot_be_read_or_written_is_told_in_a_sentence(
    here: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    (here / "d.csv").write_text("ts,y\n")
    assert main(["report", "d.csv"]) == 2
    assert capsys.readouterr().err == "d.csv: a file; name the directory that it lies in\n"
    plain_run("a", parts_of("Never"), [(day, "error", 1.0) for day in range(9)]).save(here / "a")
    (here / "folder").mkdir()
    assert main(["report", "a", "--output", "folder"]) == 2
    says = "folder: the report cannot be written (a directory); give --output=FILE\n"
    assert capsys.readouterr().err == says


OWN = """
import time
from dataclasses import dataclass

@dataclass(frozen=True)
class Slow:
    fails: bool = False

    def monitor(self):
        return self

    def fires(self, view):
        if self.fails:
            raise RuntimeError("my own bug")
        open("begun", "w").close()
        time.sleep(60)
"""
STOPS = {"Ctrl-C": (signal.SIGINT, 130, 2), "kill": (signal.SIGTERM, 143, 1), "bug": (None, 1, 1)}


@pytest.mark.skipif(os.name == "nt", reason="signals of POSIX")
@pytest.mark.parametrize("how", STOPS)
def test_a_run_that_is_stopped_shows_and_keeps_what_is_finished(
    here: Path, capsys: pytest.CaptureFixture[str], how: str
) -> None:
    (here / "own.py").write_text(OWN)
    sent, code, n_jobs = STOPS[how]
    line = [*SMALL[:3], f"n_jobs={n_jobs}", "model=linear", "progress=false", "hydra.run.dir=out"]
    line += ["strategy=parts", "trigger=custom", "trigger._target_=own.Slow"]
    line += [f"+trigger.fails={sent is None}", "baseline=static"]
    process = start("run", *line, cwd=here)
    if sent is not None:
        kept = here / "out" / "comparison.json"
        while not ((here / "begun").exists() and _done(kept)) and process.poll() is None:
            time.sleep(0.05)
        os.killpg(process.pid, sent) if sent == signal.SIGINT else process.send_signal(sent)
    out, err = process.communicate()
    assert process.returncode == code, err
    assert "stopped: 1 of 2 strategies are finished; not finished: parts" in err
    assert "read again: backtrain report out\n" in err
    assert "to go on: give the same command again; fits are taken from the store" in err
    assert "baseline" in out
    assert ("my own bug" in err) == (sent is None)
    assert main(["report", "out"]) == 0
    assert "was stopped; not finished: parts" in capsys.readouterr().err
    assert (here / "out" / "report.html").is_file()


@pytest.mark.skipif(os.name == "nt", reason="signals of POSIX")
def test_a_run_that_is_stopped_before_anything_is_finished_says_so(tmp_path: Path) -> None:
    (tmp_path / "own.py").write_text(OWN)
    line = [*SMALL, "~comparison.static", "model=linear", "progress=false"]
    line += ["strategy=parts", "trigger=custom", "trigger._target_=own.Slow"]
    process = start("run", *line, cwd=tmp_path)
    while not (tmp_path / "begun").exists() and process.poll() is None:
        time.sleep(0.05)
    process.send_signal(signal.SIGTERM)
    _, err = process.communicate()
    assert process.returncode == 143, err
    assert "stopped: none of 1 strategies is finished" in err


def _done(kept: Path) -> bool:
    return kept.exists() and bool(json.loads(kept.read_text())["unfinished"]["strategies"])


def test_the_table_is_printed_before_anything_is_drawn(here: Path) -> None:
    """A disk that fails while drawing, or a drawing that never ends, costs no table."""
    script = "import sys, os\nfrom backtrain.reports import html\nfrom backtrain.cli import main\n"
    script += "html.draw = lambda *_, **__: os._exit(77)\nsys.exit(main(sys.argv[1:]))"
    line = ["run", *SMALL, "model=linear", "strategy=monthly", "hydra.run.dir=out"]
    done = subprocess.run(
        [sys.executable, "-c", script, *line], cwd=here, capture_output=True, text=True
    )
    assert done.returncode == 77
    assert "difference: total minus that of 'static'" in done.stdout
    assert "static" in done.stdout.rstrip().split("\n\n")[-3]  # what it rests on comes after
    assert set(Comparison.load(here / "out").runs) == {"static", "monthly"}
    assert main(["report", "out"]) == 0
    names = {path.name for path in (here / "out").iterdir()}
    assert {"report.html", "summary.csv", "figures"} <= names


def test_a_disk_that_is_full_at_the_end_is_a_sentence(tmp_path: Path) -> None:
    script = "import sys, errno\nfrom backtrain.simulator.manifest import Manifest\n"
    script += "from backtrain.cli import main\ndef full(*_):\n"
    script += "    raise OSError(errno.ENOSPC, 'No space left on device')\n"
    script += "Manifest.stage = full\nsys.exit(main(sys.argv[1:]))"
    line = ["run", *SMALL, "model=linear", "strategy=monthly", "hydra.run.dir=out"]
    done = subprocess.run(
        [sys.executable, "-c", script, *line, "progress=false"],
        cwd=tmp_path,
        capture_output=True,
        text=True,
    )
    assert done.returncode == 1
    assert "out: not all could be written: [Errno 28] No space left on device" in done.stderr
    assert "Traceback" not in done.stderr
    assert "difference: total minus that of 'static'" in done.stdout
    assert set(Comparison.load(tmp_path / "out").runs) == {"static", "monthly"}


WRONG = {
    "run dataset=bikes": "dataset=bikes: no such choice; did you mean 'bike'?",
    "run datset=bike": "datset: no such key; did you mean 'dataset'?",
    "run trigger.evry=7D": "trigger.evry: no such key; did you mean 'every'?",
    "run price.retrain=3": "price.retrain: no such key; did you mean prices.retrain?",
    "run prices.prices.error=3": "prices.prices.error: no such key; did you mean prices.error?",
    "run delay.train=1h": "delay.train: no such key; did you mean delays.train?",
    "run windw.length=3D": "windw.length: no such key; did you mean window.length?",
    "run +tikc=1D": "tikc: a run has no such key; did you mean 'tick'?",
    "run --seed=1": "--seed=1: there is no such option; keys are written without dashes: seed=1",
    "run seed=1,2": "Ambiguous value for argument 'seed=1,2'",
    "run seed=[": "seed=[",
    "run -m seed=1,2 tick=[]": "tick=[]: must be str or int, not a list of 0",
    "run dataset=table": "dataset.path is not given; add dataset.path=VALUE",
    "run dataset=table dataset.path=no.csv dataset.time=t dataset.target=y": "no.csv: no such file",
    "run baseline=statik": "baseline='statik': not compared; did you mean 'static'?",
    "run loss=log": "loss='log' is for classification, but the model does regression",
    "run update=partial_fit": "strategy 'static': PartialFit: HistGradientBoostingRegressor has no",
    "run comparison.static=3": "comparison.static=3: not a preset, a mapping with a _target_",
    "rnu": "rnu: no such command; there are run, tune, ",
    "run --config-dir nowhere": "--config-dir nowhere: no such directory",
    "list trigers": "trigers: no such group; did you mean 'trigger'?",
    "report nowhere": "nowhere: no such directory",
}


@pytest.mark.parametrize("line", WRONG)
def test_bad_input_says_what_is_wrong_and_writes_nothing(
    here: Path, capsys: pytest.CaptureFixture[str], line: str
) -> None:
    assert main(line.split()) == 2
    printed = capsys.readouterr()
    assert printed.out == ""
    assert printed.err.startswith(WRONG[line])
    assert len(printed.err.splitlines()) <= 5
    assert list(here.iterdir()) == []


NO_YAML = {
    "trigger:\n  a: 1\n   b: 2\n": "line 3: mapping values are not allowed here",
    "trigger:\n\ta: 1\n": "line 2: found character '\\t' that cannot start any token",
    "trigger: {a: 1\n": "line 2: expected ',' or '}', but got '<stream end>', while parsing a flow "
    "mapping from line 1 on",
    "a: 1\na: 2\n": "line 2: found duplicate key a, while constructing a mapping from line 1 on",
    "a: \x07\n": "special characters are not allowed",
    "a: \xe4\n": "is not UTF-8; save it so",
}


@pytest.mark.parametrize("text", NO_YAML)
@pytest.mark.parametrize("sweep", [(), ("-m",)], ids=["one", "sweep"])
def test_a_file_that_cannot_be_read_is_named_with_its_line(
    here: Path, capsys: pytest.CaptureFixture[str], text: str, sweep: tuple[str, ...]
) -> None:
    path = here / "conf" / "strategy" / "mine.yaml"
    path.parent.mkdir(parents=True)
    path.write_text(text, encoding="latin-1")
    assert main(["run", "--config-dir=conf", "strategy=mine", *sweep]) == 2
    printed = capsys.readouterr()
    assert NO_YAML[text] in printed.err
    assert str(path) in printed.err or "--config-dir" in printed.err
    assert len(printed.err.splitlines()) <= 2
    assert list(here.iterdir()) == [here / "conf"]


def test_help_version_and_list_are_short(capsys: pytest.CaptureFixture[str]) -> None:
    assert main(["--help"]) == 0
    assert main([]) == 0
    helped = capsys.readouterr().out.splitlines()
    assert max(map(len, helped)) <= 100
    assert main(["list"]) == 0
    everything = capsys.readouterr().out
    assert main(["list", "update"]) == 0
    updates = capsys.readouterr().out.splitlines()
    assert [line.split()[0] for line in updates] == [
        *("update=", "continue", "custom", "partial_fit", "recalibrate", "refit"),
        *("refresh_leaves", "retune", "transfer", "warm_start"),
    ]
    assert "  refit           A new model, fitted from scratch on the window. (default)" in updates
    assert "  bike " in everything
    assert "_base" not in everything
    assert main(["--version"]) == 0
    assert capsys.readouterr().out == f"backtrain {version('backtrain')}\n"


@pytest.mark.parametrize("name", ["run", "tune", "search"])
def test_help_lists_the_groups_that_a_command_takes(
    name: str, here: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    assert main([name, "--help"]) == 0
    listed = re.findall(r"^(\w+): \w+, ", capsys.readouterr().out, flags=re.MULTILINE)
    assert {"dataset", "model", "window"} <= set(listed)
    for group in listed:
        main([name, f"{group}=nonsense"])
        assert f"{group}=nonsense: no such choice" in capsys.readouterr().err


def test_hydras_own_options_work(here: Path) -> None:
    shown = command("run", "--cfg", "job", "--package", "window", cwd=here)
    assert shown.returncode == 0
    assert "_target_: backtrain.strategies.Sliding" in shown.stdout
    assert list(here.iterdir()) == []


COUNTED = """
import collections, json, sys
import hydra.utils
from hydra._internal.config_loader_impl import ConfigLoaderImpl
from backtrain.cli import main
from backtrain.config import study

calls = collections.Counter()

def counted(owner, name, label):
    plain = getattr(owner, name)
    def counting(*args, **kwargs):
        calls[label(*args)] += 1
        return plain(*args, **kwargs)
    setattr(owner, name, counting)

counted(ConfigLoaderImpl, "load_configuration", lambda *_: "composed")
counted(ConfigLoaderImpl, "load_sweep_config", lambda *_: "composed by the sweep")
counted(study, "check", lambda *_: "checked")
counted(hydra.utils, "instantiate", lambda node: "built " + node["_target_"].rpartition(".")[2])
main(sys.argv[1:])
print(json.dumps(calls))
"""


def counts(*arguments: str, cwd: Path) -> dict[str, int]:
    line = [sys.executable, "-c", COUNTED, *arguments, "progress=false", "model=linear"]
    done = subprocess.run(line, cwd=cwd, capture_output=True, text=True)
    assert done.returncode == 0, done.stderr
    found = json.loads(done.stdout.splitlines()[-1])
    assert isinstance(found, dict)
    return found


@pytest.mark.parametrize("command", ["run", "tune"])
def test_a_run_is_composed_and_checked_once_and_builds_each_thing_once(
    tmp_path: Path, command: str
) -> None:
    line = SMALL if command == "run" else ("dataset=abrupt", "dataset.n=600", "n_jobs=1")
    calls = counts(command, *line, cwd=tmp_path)
    assert calls.pop("built Strategy", 2) == 2  # two strategies, each once
    assert set(calls.values()) == {1}, calls
    assert {"composed", "checked", "built ByTask", "built Prices"} <= calls.keys()


def test_a_strategy_is_built_again_only_where_the_task_changes_it(tmp_path: Path) -> None:
    line = ("run", *SMALL, "strategy=performance_drop", "cache=false", "hindsight=false")
    calls = counts(*line, cwd=tmp_path)
    assert (calls["built Strategy"], calls["built Prices"]) == (2, 1)
    calls = counts(*line, "task=auto", cwd=tmp_path)  # its metric then follows from the data
    assert (calls["built Strategy"], calls["built Prices"]) == (3, 1)
    assert calls["composed"] == calls["checked"] == 1


def test_a_job_of_a_sweep_is_looked_at_before_all_and_built_once(tmp_path: Path) -> None:
    calls = counts("run", *SMALL, "-m", "seed=1,2", cwd=tmp_path)
    # Before the first, each job is composed and checked; sweeper and launcher are handed that, and
    # it is checked once more in whatever process it is done. What all share is composed once,
    # for the sweep's directory, and its jobs and Hydra are handed that.
    assert calls["composed by the sweep"] == 2
    assert calls["composed"] - calls["composed by the sweep"] == 1
    assert calls["checked"] == 2 + 2
    assert calls["built Strategy"] == 2 * 2
    assert calls["built ByTask"] == 2


LIGHT = """
import sys
from backtrain.cli import main
main([{argument!r}])
heavy = {{"pandas", "sklearn", "scipy", "hydra", "matplotlib", "river"}} & set(sys.modules)
sys.exit(", ".join(sorted(heavy)) or 0)
"""


@pytest.mark.parametrize("argument", ["--help", "--version"])
def test_help_and_version_import_nothing_heavy(argument: str) -> None:
    script = LIGHT.format(argument=argument)
    done = subprocess.run([sys.executable, "-c", script], capture_output=True, text=True)
    assert (done.returncode, done.stderr) == (0, "")
    assert "backtrain" in done.stdout
