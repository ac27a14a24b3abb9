"""What was finished is not done again, wherever it lies; what depends on something else is."""

import json
import os
import shutil
import subprocess
import sys
from pathlib import Path

import numpy as np
import pandas as pd
import pytest

from backtrain.cli import main
from backtrain.reports.comparison import Comparison
from backtrain.reports.sweep import taken
from backtrain.reports.sweep.result import Result, results_in
from backtrain.store.finished import Finished
from backtrain.store.origins import Code

SMALL = ("comparison=one", "n_jobs=1", "progress=false", "hindsight=false", "model=linear")
DATA = ("dataset=abrupt", "dataset.n=300")


@pytest.fixture
def here(tmp_path, monkeypatch):
    monkeypatch.chdir(tmp_path)
    monkeypatch.setenv("BACKTRAIN_CACHE_DIR", str(tmp_path / "cache"))
    monkeypatch.setattr(sys, "path", sys.path.copy())
    monkeypatch.delenv("HYDRA_FULL_ERROR", raising=False)
    return tmp_path


@pytest.fixture
def sweep(here, capsys):
    """Does a sweep into a directory; says which jobs were done, and what was printed."""

    def do(directory: str, *keys: str, code: int = 0, data: tuple = DATA) -> tuple[list[int], str]:
        before = {path: path.stat().st_mtime_ns for path in here.glob(f"{directory}/*/*.json")}
        line = ["run", "-m", *data, *SMALL, f"hydra.sweep.dir={directory}", *keys]
        assert main(line) == code
        printed = capsys.readouterr()
        new = []
        for one in results_in(here / directory):
            same = before.get(one.directory / "verdict.json")
            there = one.directory / "verdict.json"
            written = there.exists() and there.stat().st_mtime_ns != same
            if written and one.taken_from is None:
                new.append(one.number)
        return new, printed.out + printed.err

    return do


def content(result: Result) -> dict:
    """All of a result but times and directories."""
    told = {**vars(result)}
    for key in ("directory", "taken_from", "wall_seconds", "fits"):
        del told[key]
    return told


def test_a_finished_job_is_taken_from_where_it_lies(here, sweep) -> None:
    assert sweep("one", "seed=0,1")[0] == [0, 1]
    done, text = sweep("one", "seed=0,1")
    assert done == []
    assert text.count("taken   from here") == 2
    done, text = sweep("two", "seed=1,2")  # in another place of the sweep, too
    assert done == [1]
    assert text.count("taken   from one/1") == 1
    one, two = results_in(here / "one"), results_in(here / "two")
    assert two[0].taken_from == str(here / "one/1")
    assert content(two[0]) == content(one[1]) | {"number": 0}
    runs = Comparison.load(here / "two/0").runs
    for name, run in Comparison.load(here / "one/1").runs.items():
        assert runs[name].totals == run.totals
        assert (here / f"two/0/{name}/steps.parquet").samefile(here / f"one/1/{name}/steps.parquet")
    assert sweep("three", "seed=0,1", "resume=false")[0] == [0, 1]
    assert sweep("four", "seed=0,1", "cache=false")[0] == [0, 1]
    assert sweep("four", "seed=0,1", "cache=false")[0] == []  # its own directory is looked at


def test_what_happens_to_one_directory_does_not_show_in_the_other(here, sweep) -> None:
    sweep("one", "seed=0")
    sweep("two", "seed=0")
    before = (here / "one/0/verdict.json").read_bytes()
    assert main(["report", "two/0", "--baseline=every_7d"]) == 0
    assert (here / "two/0/verdict.json").read_bytes() != before
    assert (here / "one/0/verdict.json").read_bytes() == before
    # What `report` has drawn otherwise is drawn again as it was asked for.
    assert sweep("two", "seed=0")[1].count("taken   from here") == 1
    assert (here / "two/0/verdict.json").read_bytes() == before
    shutil.rmtree(here / "one")
    assert "static" in Comparison.load(here / "two/0").runs
    assert sweep("three", "seed=0")[1].count("taken   from two/0") == 1


def test_a_run_by_itself_takes_what_a_sweep_did_and_draws_it(here, sweep, capsys) -> None:
    sweep("one", "strategy=monthly,every_3d")
    assert not (here / "one/0/report.html").exists()
    assert main(["run", *DATA, *SMALL, "strategy=monthly", "hydra.run.dir=alone"]) == 0
    assert "taken   from one/0" in capsys.readouterr().out
    assert (here / "alone/report.html").is_file()
    assert not (here / "one/0/report.html").exists()
    table = Comparison.load(here / "alone").table()
    pd.testing.assert_frame_equal(table, Comparison.load(here / "one/0").table())


def test_how_the_work_is_done_is_no_part_of_the_name(here, sweep) -> None:
    sweep("one", "seed=0")
    ways = ("n_jobs=2", "objective=total", "report=page", "running=static fail_if=changed")
    for number, keys in enumerate(ways[:3]):
        assert sweep(f"other{number}", "seed=0", keys)[0] == [], keys
    assert (here / "other2/0/report.html").is_file()


@pytest.mark.parametrize("damage", ["verdict.json", "static/run.json", "result.json", "half"])
def test_what_is_not_whole_is_not_taken(here, sweep, damage) -> None:
    sweep("one", "seed=0")
    if damage == "half":
        (here / "one/0/result.json").write_text('{"format": 1, "job"')
    else:
        (here / "one/0" / damage).unlink()
    assert sweep("two", "seed=0")[0] == [0]
    done, text = sweep("one", "seed=0")
    assert done == [] or damage in ("half", "result.json")
    assert "taken" in text
    assert Result.load(here / "one/0").status == "done"
    assert taken.is_whole(here / "one/0")


@pytest.mark.parametrize("directory", ["one", "two"])
def test_a_table_that_cannot_be_read_is_done_again(here, sweep, directory) -> None:
    sweep("one", "seed=0,1")
    os.truncate(here / "one/1/static/steps.parquet", 50)
    done, text = sweep(directory, "seed=0,1")
    assert done == [1]
    assert "done again: " in text
    assert "steps.parquet: cannot be read" in text
    assert sweep(directory, "seed=0,1")[0] == []
    assert {"static", "every_7d"} <= Comparison.load(here / directory / "1").runs.keys()


def test_an_unreadable_result_is_done_again_and_said(here, sweep) -> None:
    sweep("one", "seed=0", "cache=false")
    (here / "one/0/result.json").write_text("}{")
    done, text = sweep("one", "seed=0", "cache=false")
    assert done == [0]
    assert "done again: " in text
    assert "result.json: cannot be read" in text


def test_a_result_of_another_name_under_the_place_of_this_one_is_not_taken(here, sweep) -> None:
    sweep("one", "seed=0,1")
    names = [result.job for result in results_in(here / "one")]
    Finished(here / "cache").note(names[0], here / "one/1")
    shutil.rmtree(here / "one/0")
    assert sweep("two", "seed=0")[0] == [0]


TABLE = ("dataset=table", "dataset.path=my.csv", "dataset.time=at", "dataset.target=y")


def table(path: Path, changed: bool = False) -> None:
    rng = np.random.default_rng(0)
    at = pd.date_range("2024-01-01", periods=300, freq="3h")
    frame = pd.DataFrame({"at": at, "x": rng.normal(size=300)})
    frame["y"] = frame["x"] * 2 + rng.normal(size=300)
    if changed:
        frame.loc[120, "x"] += 1
    frame.to_csv(path, index=False)


def test_one_cell_of_the_data_is_another_job(here, sweep) -> None:
    table(here / "my.csv")
    table(here / "your.csv")
    both = ("dataset.path=my.csv,your.csv",)
    assert sweep("one", *both, data=TABLE)[0] == [0, 1]
    table(here / "my.csv", changed=True)
    assert sweep("two", *both, data=TABLE)[0] == [0]
    table(here / "my.csv")  # as it was, under a new time
    assert sweep("three", *both, data=TABLE)[0] == []


def test_one_parameter_is_another_job(sweep) -> None:
    keys = ("strategy=every_7d", "strategy.trigger.every=3D,7D")
    assert sweep("one", *keys)[0] == [0, 1]
    assert sweep("two", *keys, "prices.retrain=10.5")[0] == [0, 1]
    assert sweep("three", keys[0], "strategy.trigger.every=3D,8D,7D")[0] == [1]


MODULE = (
    "from helper import LIMIT\nfrom backtrain.strategies import Every\n\n\nclass Mine(Every):\n"
)
MODULE += "    def cost(self):\n        return LIMIT\n"


CHANGED = {  # a file of the user's, what it says then, and which of two jobs are others by that
    "its module": ("mine.py", f"{MODULE}# another line\n", [0]),
    "what that imports": ("helper.py", "LIMIT = 2\n", [0]),
    "what it does not import": ("beside.py", "UNUSED = 2\n", []),
}
#: The user's trigger imports river, the other one does not.
LIBRARIES = {"numpy": [0, 1], "scikit-learn": [0, 1], "river": [0], "hydra-core": []}
FILES = {"mine.py": MODULE, "helper.py": "LIMIT = 1\n", "beside.py": "UNUSED = 1\n"}
RIVER = {**FILES, "mine.py": "import river\n" + MODULE}
SHADOW = {"mine.py": MODULE.replace("helper", "cgitb")}
VERSION = """
from importlib import metadata
true = metadata.version
metadata.version = lambda name: "99.0" if name == {library!r} else true(name)
"""
CASES = {  # files of the user's, and code that comes before
    "plain": (FILES, ""),
    **{case: ({**FILES, name: text}, "") for case, (name, text, _) in CHANGED.items()},
    "river is imported": (RIVER, ""),
    **{library: (RIVER, VERSION.format(library=library)) for library in LIBRARIES},
    "cgitb": ({**SHADOW, "cgitb.py": "LIMIT = 1\n"}, ""),
    "another cgitb": ({**SHADOW, "cgitb.py": "LIMIT = 2\n"}, ""),
}
#: Each case in a process of its own, with nothing of backtrain imported.
NAMES = """
import json, os, sys, traceback
import hydra, numpy, pandas, sklearn

def names():
    from backtrain.config.compose import composed, split
    from backtrain.config.study import load
    own = ["strategy=parts", "trigger=custom", "trigger._target_=mine.Mine", "+trigger.every=5D"]
    small = ["dataset=abrupt", "dataset.n=300", "comparison=one", "model=linear"]
    jobs = [composed([*small, *strategy])[0] for strategy in (own, ["strategy=every_3d"])]
    return [load(*split(job)).name.digest for job in jobs]

sys.path.insert(0, "")
for folder, before in json.load(sys.stdin):
    if not (child := os.fork()):
        try:
            os.chdir(folder)
            os.environ["BACKTRAIN_CACHE_DIR"] = os.path.join(folder, "cache")
            exec(before, {})
            with open("names.json", "w") as file:
                json.dump(names(), file)
        except BaseException:
            traceback.print_exc()
        os._exit(0)
    os.waitpid(child, 0)
"""


@pytest.fixture
def names(tmp_path_factory) -> dict[str, list[str | None]]:
    """The names of two jobs, one with a trigger of the user's, in each case."""
    if not hasattr(os, "fork"):
        pytest.skip("no fork on this system")
    folders = {}
    for case, (files, _) in CASES.items():
        folders[case] = tmp_path_factory.mktemp("names")
        for name, text in files.items():
            (folders[case] / name).write_text(text)
    given = [(str(folder), CASES[case][1]) for case, folder in folders.items()]
    found = []
    for cases in (given, given[:1]):  # a second interpreter hashes otherwise
        line, told = [sys.executable, "-c", NAMES], json.dumps(cases)
        done = subprocess.run(line, input=told, capture_output=True, text=True)
        assert done.stderr == ""
        found += [json.loads((Path(folder) / "names.json").read_text()) for folder, _ in cases]
    return dict(zip([*CASES, "plain again"], found, strict=True))


def others(names: dict[str, list[str | None]], case: str, than: str) -> list[int]:
    assert None not in names[than]
    return [k for k in (0, 1) if names[case][k] != names[than][k]]


def test_names_change_with_what_the_job_depends_on_and_with_nothing_else(names) -> None:
    """The same in every process; a user's module may have the name of one of Python's."""
    found = {case: others(names, case, than="plain") for case in ("plain again", *CHANGED)}
    assert found == {"plain again": [], **{case: told[2] for case, told in CHANGED.items()}}
    assert others(names, "another cgitb", than="cgitb") == [0]
    libraries = {one: others(names, one, than="river is imported") for one in LIBRARIES}
    assert libraries == LIBRARIES


def test_code_that_cannot_be_named_is_done_each_time_and_said(here, sweep, monkeypatch) -> None:
    (here / "unread.py").write_text(
        "from backtrain.strategies import Every\nclass Mine(Every):\n    pass\n"
    )
    monkeypatch.delitem(sys.modules, "unread", raising=False)
    keys = ("strategy=parts", "trigger=custom", "trigger._target_=unread.Mine", "+trigger.every=5D")
    sys.path.insert(0, str(here))
    import unread  # type: ignore[import-not-found]

    (here / "unread.py").unlink()
    for _ in range(2):
        done, text = sweep("one", *keys)
        assert done == [0]
    assert "done again each time: module unread: its source" in text
    assert Result.load(here / "one/0").job is None
    del sys.modules[unread.__name__]


def test_a_function_of_this_file_is_named_by_its_source() -> None:
    assert any("test_sweep_resume" in name for name in Code.behind(lambda x: x).names)
