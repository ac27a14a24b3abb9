"""What is on disk is an old result or a new one, whole; what was computed is not lost."""

import contextlib
import dataclasses
import errno
import functools
import os
import random
import runpy
import shutil
from collections.abc import Callable, Iterator
from pathlib import Path
from typing import Any

import pandas as pd
import pytest
from hourly import Stops

from backtrain import Backtest, Prices, Run, Strategy
from backtrain.cli import main
from backtrain.datasets.synthetic import abrupt
from backtrain.reports import archive, page
from backtrain.reports.comparison import Comparison
from backtrain.simulator import manifest
from backtrain.simulator.manifest import RecordError, RecordWarning
from backtrain.simulator.record import TABLES
from backtrain.simulator.setup import SetupError
from backtrain.strategies import BeatsChampion, Every, Never, Sliding

HERE = Path(__file__).parent
FORMER = HERE / "former"
fabricated = runpy.run_path(str(HERE / "fabricated.py"))
parts_of, plain_run = fabricated["parts_of"], fabricated["plain_run"]


def comparison(loss: float, names: tuple[str, ...] = ("static", "often")) -> Comparison:
    """Two strategies; what they cost tells which comparison it is."""
    static = plain_run(names[0], parts_of("Never"), [(day, "error", loss) for day in range(40)])
    often = [(day, "error", loss / 2) for day in range(40)]
    often += [(day, "train", 1.0) for day in range(2, 40, 2)]
    return Comparison(
        {names[0]: static, names[1]: plain_run(names[1], parts_of("Every", every="2D"), often)}
    )


OLD, NEW = comparison(2.0), comparison(3.0)


@dataclasses.dataclass
class Sketch:
    text: str

    def page(self, names: object = None) -> str:
        return self.text

    def files(self) -> dict[str, bytes]:
        return {"figures/one.png": b"png", "figures/two.png": b"png"}


@pytest.fixture
def sketched(monkeypatch: pytest.MonkeyPatch) -> None:
    """Reports and figures that cost nothing, and tell which comparison they are of."""

    def report(one: Comparison, baseline: str, files: bool = False) -> Sketch:
        return Sketch(f"report of {total(one)}")

    monkeypatch.setattr(page, "report", report)


def total(one: Comparison) -> float:
    return float(one.runs["static"].totals["total"])


def content(directory: Path) -> dict[str, bytes]:
    paths = [path for path in directory.rglob("*") if path.is_file()]
    return {path.relative_to(directory).as_posix(): path.read_bytes() for path in paths}


def same(one: Comparison, two: Comparison) -> bool:
    return facts(one) == facts(two)


@functools.cache
def old_and_new() -> tuple[dict[str, Any], dict[str, Any]]:
    return facts(OLD), facts(NEW)


def facts(one: Comparison) -> dict[str, Any]:
    return {
        name: [run.totals, *(getattr(run, table).astype(str).to_dict("list") for table in TABLES)]
        for name, run in one.runs.items()
    }


# --- a disk that fails, a process that dies, at every operation -----------------------------------


class Killed(BaseException):
    """Nothing happens any more, not even tidying up."""


class Disk:
    """Counts operations, and fails from one of them on."""

    def __init__(self, patch: pytest.MonkeyPatch, last: int, dies: bool) -> None:
        self.left, self.dies, self.failed = last, dies, False
        for name in ("replace", "mkdir") + (("unlink", "rmdir") if dies else ()):
            patch.setattr(os, name, self.counted(getattr(os, name)))
        patch.setattr(os, "fsync", self.counted(lambda _: None))  # it takes most of the time
        patch.setattr(manifest, "create", self.counted(manifest.create, halves=True))
        write = pd.DataFrame.to_parquet
        patch.setattr(pd.DataFrame, "to_parquet", self.counted(write, halves=True))

    def counted(self, usual: Callable[..., Any], halves: bool = False) -> Callable[..., Any]:
        def operation(*args: Any, **keys: Any) -> Any:
            self.left -= 1
            if self.left > 0:
                return usual(*args, **keys)
            if halves and not self.failed:
                Path(args[0] if isinstance(args[0], Path) else args[1]).write_bytes(b"hal")
            self.failed = True
            raise Killed if self.dies else OSError(errno.ENOSPC, "No space left on device")

        return operation


def saves(
    save: Callable[[], object],
    dies: bool,
    directory: Path,
    patch: pytest.MonkeyPatch,
    step: int = 1,
) -> Iterator[int]:
    """Save anew, failing at one operation after the other, at every one of the last twenty."""
    start = directory.parent / "start"
    shutil.copytree(directory, start)
    with patch.context() as patched:
        disk = Disk(patched, 10_000, dies)
        save()
    most = 10_000 - disk.left
    for last in sorted({*range(1, most + 1, step), *range(most - 20, most + 1)}):
        shutil.rmtree(directory)
        shutil.copytree(start, directory)
        with patch.context() as patched:
            disk = Disk(patched, last, dies)
            with contextlib.suppress(OSError, Killed):
                save()
        assert disk.failed
        yield last


@pytest.mark.parametrize("dies", [True, False], ids=["killed", "full"])
@pytest.mark.usefixtures("sketched")
@pytest.mark.filterwarnings("ignore::backtrain.simulator.manifest.RecordWarning")
def test_a_save_that_is_broken_off_leaves_the_old_result_or_the_new_one(
    tmp_path: Path, dies: bool, monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    directory, seen = tmp_path / "d", set()
    OLD.save(directory)
    mine = ("notes.txt", "static/note.txt", "figures/mine.png")
    for name in mine:
        (directory / name).write_text(name)
    for last in saves(lambda: NEW.save(directory), dies, directory, monkeypatch, 5):
        found = Comparison.load(directory)
        assert facts(found) in old_and_new(), last
        seen.add(total(found))
        if last % 5 == 0:  # the command that a user gives next brings all in line
            assert main(["report", str(directory)]) == 0
            found = Comparison.load(directory)
            summary = pd.read_csv(directory / "summary.csv", index_col=0)["total"]
            assert summary["static"] == total(found), last
            assert (directory / "report.html").read_text() == f"report of {total(found)}"
        assert all((directory / name).read_text() == name for name in mine)
        if last % 7 == 0:
            NEW.save(directory)
            assert same(Comparison.load(directory), NEW)
            listed = {"comparison.json", "summary.csv", "report.html", "figures/one.png"}
            listed |= {"figures/two.png", "verdict.json", "strategy/advised.yaml", *mine}
            others = {name for name in content(directory) if name not in listed}
            folders = {name.split("/")[0] for name in others}
            assert len(others) == 2 * (1 + len(TABLES)), others
            assert len(folders) == 2
    capsys.readouterr()
    assert seen == {total(OLD), total(NEW)}


@pytest.mark.parametrize("dies", [True, False], ids=["killed", "full"])
def test_a_run_is_replaced_as_a_whole(
    tmp_path: Path, dies: bool, monkeypatch: pytest.MonkeyPatch
) -> None:
    old, new = OLD.runs["static"], NEW.runs["static"]
    old.save(tmp_path / "run")
    count = 0

    def whole(totals: dict[str, Any]) -> Run:
        return old if totals == old.totals else new

    for count in saves(lambda: new.save(tmp_path / "run"), dies, tmp_path / "run", monkeypatch):
        found = Run.load(tmp_path / "run")
        assert found.totals in (old.totals, new.totals), count
        assert same(*(Comparison({"a": run}) for run in (found, whole(found.totals))))
        new.save(tmp_path / "run")
        assert len(content(tmp_path / "run")) == 1 + len(TABLES)
    assert count > 15


@pytest.mark.usefixtures("sketched")
def test_a_first_save_that_is_broken_off_keeps_what_was_written(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    directory, kept = tmp_path / "d", set()
    directory.mkdir()
    for _ in saves(lambda: NEW.save(directory), True, directory, monkeypatch, 6):
        runs, missing = archive.unfinished(directory)
        assert [*runs, *missing] in ([], ["static", "often"])
        assert all(same(Comparison({n: r}), Comparison({n: NEW.runs[n]})) for n, r in runs.items())
        kept.add(len(runs))
    assert kept == {0, 1, 2}


kills = runpy.run_path(str(HERE.parent / "benchmarks" / "kills.py"))


@pytest.mark.skipif(not hasattr(os, "fork"), reason="only where processes fork")
@pytest.mark.usefixtures("sketched")
def test_processes_that_are_killed_leave_the_old_result_or_the_new_one(tmp_path: Path) -> None:
    found = kills["kills"](4, 1, tmp_path / "d")
    assert found["killed"] == 4
    assert found["old"] + found["new"] == 4 + found["was done before"]
    assert not [name for name, times in found.items() if name.isupper() and times]


# --- what is not ours -----------------------------------------------------------------------------


@pytest.mark.usefixtures("sketched")
def test_what_somebody_else_wrote_is_left_alone_and_named(tmp_path: Path) -> None:
    (tmp_path / "static").mkdir()
    mine = {"static/logo.svg": "mine", "report.html": "my own", "figures": "a file", "often": "one"}
    for name, text in mine.items():
        (tmp_path / name).write_text(text)
    with pytest.warns(RecordWarning) as told:
        NEW.save(tmp_path)
    assert {name: (tmp_path / name).read_text() for name in mine} == mine
    texts = " ".join(str(one.message) for one in told)
    for name, instead in {"static": "static-2", "report.html": "report-2.html"}.items():
        assert f"{tmp_path / name} was not written by backtrain and stays; see {instead}" in texts
    assert (tmp_path / "report-2.html").read_text() == f"report of {total(NEW)}"
    assert (tmp_path / "figures-2" / "one.png").is_file()
    assert same(Comparison.load(tmp_path), NEW)
    with pytest.warns(RecordWarning):
        OLD.save(tmp_path)
    assert {name: (tmp_path / name).read_text() for name in mine} == mine
    assert same(Comparison.load(tmp_path), OLD)


@pytest.mark.usefixtures("sketched")
def test_a_folder_in_the_place_of_our_report_stays(tmp_path: Path) -> None:
    directory = OLD.save(tmp_path / "d")
    (directory / "report.html").unlink()
    (directory / "report.html").mkdir()
    (directory / "report.html/mine").write_text("mine")
    with pytest.warns(RecordWarning, match=r"report\.html: not written by backtrain"):
        NEW.save(directory)
    assert (directory / "report.html/mine").read_text() == "mine"
    assert (directory / "report-2.html").read_text() == f"report of {total(NEW)}"
    with pytest.warns(RecordWarning, match="see report-2"):
        OLD.save(directory)
    assert (directory / "report-2.html").read_text() == f"report of {total(OLD)}"


@pytest.mark.usefixtures("sketched")
def test_a_note_in_one_of_our_folders_stays_there(tmp_path: Path) -> None:
    (OLD.save(tmp_path) / "static" / "note.txt").write_text("dear me")
    with pytest.warns(RecordWarning, match=r"static: not written by backtrain.*: note\.txt"):
        NEW.save(tmp_path)
    assert content(tmp_path / "static") == {"note.txt": b"dear me"}


@pytest.mark.usefixtures("sketched")
def test_saving_the_same_again_writes_no_record_twice(tmp_path: Path) -> None:
    before = content(NEW.save(tmp_path))
    stamps = {path: path.stat().st_mtime_ns for path in tmp_path.glob("*/*.parquet")}
    assert content(NEW.save(tmp_path)) == before
    assert stamps == {path: path.stat().st_mtime_ns for path in tmp_path.glob("*/*.parquet")}


def test_a_run_json_of_somebody_else_is_refused(tmp_path: Path) -> None:
    (tmp_path / "run.json").write_text('{"mine": 1}')
    with pytest.raises(RecordError, match="not a record of backtrain; choose another directory"):
        OLD.runs["static"].save(tmp_path)
    assert content(tmp_path) == {"run.json": b'{"mine": 1}'}


@pytest.mark.parametrize(
    "change", [{"totals": {}}, {"stream": 5}, {"parts": 7}, {"faults": 5}, {"start": 3}], ids=repr
)
def test_a_run_json_with_other_kinds_of_values_is_refused(
    tmp_path: Path, change: dict[str, Any]
) -> None:
    folder = OLD.runs["static"].save(tmp_path / "run")
    facts = manifest.read_json(folder / "run.json") or {}
    manifest.write_json(folder / "run.json", {**facts, **change})
    with pytest.raises(RecordError, match=r"run\.json: not a record of backtrain"):
        Run.load(folder)


@pytest.mark.parametrize("name", ["report.html", "summary.csv", "figures/one.png"])
@pytest.mark.usefixtures("sketched")
def test_a_link_is_replaced_and_not_followed(tmp_path: Path, name: str) -> None:
    target = tmp_path / "elsewhere"
    target.write_text("precious")
    directory = OLD.save(tmp_path / "d")
    (directory / name).unlink()
    (directory / name).symlink_to(target)
    NEW.save(directory)
    assert target.read_text() == "precious"
    assert not (directory / name).is_symlink()


def test_links_in_the_place_of_a_report_a_figure_or_a_record_are_replaced(tmp_path: Path) -> None:
    target = tmp_path / "elsewhere"
    for write, name in (
        (lambda: NEW.to_html(tmp_path / "r.html"), "r.html"),
        (lambda: NEW.figures(tmp_path), "time-line.png"),
        (lambda: NEW.runs["static"].save(tmp_path / "run"), "run/run.json"),
    ):
        target.write_text("{}")
        (tmp_path / name).parent.mkdir(exist_ok=True)
        (tmp_path / name).symlink_to(target)
        write()
        assert target.read_text() == "{}", name
        assert not (tmp_path / name).is_symlink()


@pytest.mark.usefixtures("sketched")
def test_a_folder_of_ours_that_has_become_a_link_is_not_followed(tmp_path: Path) -> None:
    directory = OLD.save(tmp_path / "d")
    shutil.move(directory / "static", tmp_path / "elsewhere")
    (directory / "static").symlink_to(tmp_path / "elsewhere")
    before = content(tmp_path / "elsewhere")
    with pytest.raises(RecordError, match="a link that leads outside"):
        Comparison.load(directory)
    shutil.move(directory / "figures", tmp_path / "pictures")
    (directory / "figures").symlink_to(tmp_path / "pictures")
    pictures = content(tmp_path / "pictures")
    with pytest.raises(RecordError, match="leads outside"):
        NEW.save(directory)
    assert content(tmp_path / "elsewhere") == before
    assert content(tmp_path / "pictures") == pictures


# --- what belongs together ------------------------------------------------------------------------


@pytest.mark.usefixtures("sketched")
def test_a_mixture_is_refused(tmp_path: Path) -> None:
    directory = OLD.save(tmp_path / "d")
    other = fabricated["plain_run"]("static", parts_of("Never"), [(0, "error", 9.0)], seed=7)
    other.save(tmp_path / "other")
    shutil.rmtree(directory / "static")
    shutil.copytree(tmp_path / "other", directory / "static")
    with pytest.raises(RecordError, match=r"static: this run of 'static' is not the one"):
        Comparison.load(directory)


def test_a_table_of_another_run_is_refused(tmp_path: Path) -> None:
    other = fabricated["plain_run"]("static", parts_of("Never"), [(0, "error", 9.0)], seed=7)
    OLD.runs["static"].save(tmp_path / "a")
    other.save(tmp_path / "b")
    shutil.copy(tmp_path / "b/charges.parquet", tmp_path / "a/charges.parquet")
    with pytest.raises(RecordError, match=r"charges\.parquet belongs to another run"):
        Run.load(tmp_path / "a")


def test_the_id_is_that_of_what_was_asked() -> None:
    stream = abrupt(n=400, task="regression")

    def asked(seed: int = 0, every: str = "7D") -> str:
        from sklearn.linear_model import Ridge

        backtest = Backtest(stream, Ridge(), seed=seed)
        return str(backtest.replay(Strategy(Every(every), Sliding("5D"))).info["id"])

    assert asked() == asked()
    assert len({asked(), asked(seed=1), asked(every="6D")}) == 3


# --- the previous layout --------------------------------------------------------------------------

FORMER_TOTALS = {"static": 46.29376692513726, "every 12h": 35.317566915599}


def test_the_previous_layout_is_read() -> None:
    found = Comparison.load(FORMER)
    assert {name: run.totals["total"] for name, run in found.runs.items()} == FORMER_TOTALS
    assert Run.load(FORMER / "every-12h").name == "every 12h"
    assert len(found.runs["static"].predictions) == 36


@pytest.mark.usefixtures("sketched")
def test_the_previous_layout_is_replaced(tmp_path: Path) -> None:
    directory = tmp_path / "d"
    shutil.copytree(FORMER, directory)
    (directory / "report.html").write_text("old")
    NEW.save(directory)
    assert same(Comparison.load(directory), NEW)
    assert not (directory / "every-12h").exists()
    assert (directory / "report.html").read_text() == f"report of {total(NEW)}"
    Run.load(FORMER / "static").save(tmp_path / "run")
    shutil.copytree(FORMER / "every-12h", tmp_path / "again")
    Run.load(FORMER / "static").save(tmp_path / "again")
    assert len(content(tmp_path / "again")) == 1 + len(TABLES)


@pytest.mark.usefixtures("sketched")
def test_a_save_over_the_previous_layout_may_be_broken_off(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    directory, seen = tmp_path / "d", set()
    shutil.copytree(FORMER, directory)
    for _ in saves(lambda: NEW.save(directory), True, directory, monkeypatch, 6):
        found = Comparison.load(directory)
        seen.add(total(found))
    assert seen == {total(NEW), FORMER_TOTALS["static"]}


def test_a_mixture_in_the_previous_layout_is_refused(tmp_path: Path) -> None:
    directory = tmp_path / "d"
    shutil.copytree(FORMER, directory)
    summary = (directory / "summary.csv").read_text()
    (directory / "summary.csv").write_text(summary.replace("35.317566915599", "31.87"))
    with pytest.raises(RecordError, match=r"its total is 35\.3175.* and 31\.87 in summary\.csv"):
        Comparison.load(directory)


@pytest.mark.parametrize("folder", ["../elsewhere", "/etc", "..", "a/../../b", "c:\\x", ""])
def test_a_folder_that_leads_outside_is_refused(tmp_path: Path, folder: str) -> None:
    (tmp_path / "d").mkdir()
    (tmp_path / "d" / "summary.csv").write_text(f"strategy,folder,total\nstatic,{folder},1\n")
    shutil.copytree(FORMER / "static", tmp_path / "elsewhere")
    with pytest.raises(RecordError, match="which is no name inside it"):
        Comparison.load(tmp_path / "d")
    entry = {"static": {"folder": folder, "id": "x"}}
    manifest.write_json(
        tmp_path / "d" / "comparison.json", {"format": 2, "result": {"strategies": entry}}
    )
    with pytest.raises(RecordError, match="which is no name inside it"):
        Comparison.load(tmp_path / "d")


@pytest.mark.parametrize(
    ("text", "says"),
    [
        ('{"format": 3}', "format 3, and this version reads up to 2"),
        ("[1]", "not a record of backtrain"),
        ("{", "cannot be read"),
        ('{"format": 2, "written": ["predictions.parquet"]}', "a save that was broken off"),
        ('{"format": 2, "totals": {}, "name": "a", "files": {}}', "predictions.*not found"),
    ],
)
def test_what_cannot_be_read_is_told_in_a_sentence(tmp_path: Path, text: str, says: str) -> None:
    (tmp_path / "run.json").write_text(text)
    with pytest.raises(RecordError, match=says):
        Run.load(tmp_path)


@pytest.mark.parametrize(
    "facts",
    [
        {"files": {"report.html": "../evil.html"}},
        {"written": ["../precious"]},
        {"moves": {"report.html": "/etc/passwd"}},
        {"files": ["report.html"]},
        {"result": {"strategies": {"static": "static"}}},
        {"result": 3},
    ],
)
@pytest.mark.usefixtures("sketched")
def test_a_manifest_of_somebody_else_leads_nowhere(tmp_path: Path, facts: dict[str, Any]) -> None:
    directory = OLD.save(tmp_path / "d")
    (tmp_path / "precious").write_text("mine")
    known = manifest.read_json(directory / "comparison.json") or {}
    manifest.write_json(directory / "comparison.json", {**known, **facts})
    with pytest.raises(RecordError, match=r"backtrain|inside it"):
        NEW.save(directory)
    assert {path.name for path in tmp_path.iterdir()} == {"d", "precious"}


# --- as soon as it is finished --------------------------------------------------------------------


def setting() -> Backtest:
    from sklearn.linear_model import Ridge

    return Backtest(abrupt(n=400, task="regression"), Ridge(), prices=Prices(retrain=1, error=1))


THREE = {
    "static": Strategy(Never(), Sliding("5D")),
    "daily": Strategy(Every("1D"), Sliding("5D")),
    "weekly": Strategy(Every("7D"), Sliding("5D")),
}


@pytest.mark.parametrize("n_jobs", [1, 2])
@pytest.mark.parametrize("hindsight", [False, True])
def test_records_are_there_before_anything_is_saved(
    tmp_path: Path, n_jobs: int, hindsight: bool
) -> None:
    held = dataclasses.replace(THREE["daily"], gate=BeatsChampion())  # no matrix holds it
    four = {**THREE, "held": held}
    found = setting().compare(four, n_jobs, hindsight=hindsight, directory=tmp_path)
    assert {path.name for path in tmp_path.iterdir()} == {"comparison.json", *four}
    assert list(Comparison.load(tmp_path).runs) == list(four)
    pd.testing.assert_frame_equal(Comparison.load(tmp_path).table(), found.table())
    stamps = {path: path.stat().st_mtime_ns for path in tmp_path.glob("*/*")}
    found.save(tmp_path)
    assert stamps == {path: path.stat().st_mtime_ns for path in stamps}
    assert archive.unfinished(tmp_path) == ({}, [])


def test_what_is_no_directory_is_refused_before_anything_is_computed(tmp_path: Path) -> None:
    (tmp_path / "d.csv").write_text("mine")
    with pytest.raises(RecordError, match=r"d\.csv: a file; give a directory"):
        setting().compare(THREE, directory=tmp_path / "d.csv")
    with pytest.raises(SetupError, match="directory=5: give a path"):
        setting().compare(THREE, directory=5)  # type: ignore[arg-type]
    with pytest.raises(RecordError, match="holds the record of one run"):
        setting().compare(THREE, directory=OLD.runs["static"].save(tmp_path / "run"))


@pytest.mark.parametrize("error", [RuntimeError, KeyboardInterrupt, SystemExit])
def test_a_comparison_that_is_stopped_keeps_what_is_finished(
    tmp_path: Path, error: type[BaseException]
) -> None:
    strategies = {**THREE, "mine": Strategy(Stops(error), Sliding("5D")), "last": THREE["daily"]}
    with pytest.raises(error) as stopped:
        setting().compare(strategies, directory=tmp_path)
    assert "kept in" in stopped.value.__notes__[-1]
    runs, missing = archive.unfinished(tmp_path)
    assert (list(runs), missing) == (list(THREE), ["mine", "last"])
    with pytest.warns(RecordWarning, match="was stopped; not finished: mine, last"):
        assert list(Comparison.load(tmp_path).runs) == list(THREE)


def test_one_that_raises_in_another_process_keeps_what_is_finished(tmp_path: Path) -> None:
    # One job at a time is handed out, so the first two are finished before the last one begins.
    strategies = {"static": THREE["static"], "mine": Strategy(Stops(), Sliding("5D"))}
    with pytest.raises(RuntimeError, match="my own bug"):
        setting().compare(strategies, n_jobs=2, directory=tmp_path)
    runs, missing = archive.unfinished(tmp_path)
    assert [*runs, *missing] in ([], ["static", "mine"])


def test_what_fails_at_once_leaves_nothing_behind(tmp_path: Path) -> None:
    with pytest.raises(RuntimeError):
        setting().compare({"mine": Strategy(Stops(), Sliding("5D"))}, directory=tmp_path / "d")
    assert not (tmp_path / "d").exists()


def test_a_stopped_re_run_leaves_the_old_result(tmp_path: Path) -> None:
    old = setting().compare(THREE, directory=tmp_path)
    old.save(tmp_path)
    strategies = {**THREE, "mine": Strategy(Stops(), Sliding("5D"))}
    with pytest.raises(RuntimeError):
        setting().compare(strategies, directory=tmp_path)
    assert list(Comparison.load(tmp_path).runs) == list(THREE)
    runs, missing = archive.unfinished(tmp_path)
    assert (list(runs), missing) == (list(THREE), ["mine"])
    assert list(archive.load(*archive.stopped_at(tmp_path))) == list(THREE)


def test_a_full_disk_costs_the_records_and_no_result(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    with monkeypatch.context() as patch:
        Disk(patch, random.Random(0).randint(20, 40), dies=False)
        with pytest.warns(RecordWarning, match="the record of .* could not be written"):
            found = setting().compare(THREE, directory=tmp_path)
    assert list(found.runs) == list(THREE)
    found.save(tmp_path)
    assert list(Comparison.load(tmp_path).runs) == list(THREE)


# --- figures --------------------------------------------------------------------------------------


def test_a_figure_that_fails_costs_that_figure(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    def broken(*_: object) -> None:
        raise ValueError("no <colour>\nleft")

    monkeypatch.setattr("backtrain.reports.timeline.Lines.draw", broken)
    with pytest.warns(RecordWarning, match="time-line could not be drawn: ValueError: no"):
        NEW.save(tmp_path)
    kept = {path.name for path in (tmp_path / "figures").glob("time-line.*")}
    assert kept == {"time-line.csv"}
    page = (tmp_path / "report.html").read_text()
    assert "This figure could not be drawn: ValueError: no &lt;colour&gt; left" in page
    block = page[page.index('id="time-line"') :]
    assert "<svg role" not in block[: block.index("</figure>")]
    assert 'href="figures/time-line.csv"' in page
    assert "time-line.png" not in page
    assert same(Comparison.load(tmp_path), NEW)


def test_a_report_that_fails_costs_no_record(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(page, "report", lambda *_: 1 / 0)
    with pytest.raises(ZeroDivisionError):
        NEW.save(tmp_path)
    assert same(Comparison.load(tmp_path), NEW)
    assert (tmp_path / "summary.csv").is_file()


@pytest.mark.parametrize("fraction", ["", ".250", ".000000001"])
def test_times_may_have_a_fraction(tmp_path: Path, fraction: str) -> None:
    runs = {
        name: dataclasses.replace(
            run,
            info={
                **run.info,
                "start": f"2020-01-01T00:00:00{fraction}",
                "drift": ["2020-01-03T00:00:00", f"2020-01-04T00:00:00{fraction}"],
            },
        )
        for name, run in NEW.runs.items()
    }
    page = Comparison(runs).to_html(tmp_path / "r.html").read_text()
    assert "could not be drawn" not in page
