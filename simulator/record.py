"""What a replay leaves behind: tables, the totals, and the facts that explain them."""

from __future__ import annotations

import hashlib
import json
import os
from collections.abc import Callable, Iterable, Iterator, Mapping
from contextlib import suppress
from dataclasses import dataclass, replace
from functools import partial
from pathlib import Path
from typing import TYPE_CHECKING, Any

import numpy as np
import pandas as pd

from backtrain.datasets.shown import Shown
from backtrain.simulator.log import Readings
from backtrain.simulator.manifest import (
    FORMAT,
    RecordError,
    checked,
    free_name,
    inside,
    read_json,
    remove_drafts,
    sync,
    warn,
    write_json,
)

if TYPE_CHECKING:
    from matplotlib.axes import Axes

__all__ = ["RecordError", "Run", "Tables"]

#: The small file of a run's folder.
RUN = "run.json"
#: Its keys that say where things lie.
PLACES = ("format", "files", "written")

#: Kinds of what a record holds, so that what is no record is refused when it is read.
_KINDS: Mapping[str, type] = {
    **dict.fromkeys(("name", "start", "end"), str),
    **dict.fromkeys(("totals", "stream", "parts", "prices", "delays"), dict),
    **dict.fromkeys(("libraries", "hindsight", "kept"), dict),
    **dict.fromkeys(("faults", "drift"), list),
}

TABLES = ("predictions", "steps", "versions", "deployments", "events", "charges", "readings")
#: Those of 0.1, whose records have no readings.
_FIRST = TABLES[:-1]

#: Columns and keys that say how a run was computed, not what happened in it; two equal runs may
#: differ in these and in nothing else.
VOLATILE_COLUMNS: Mapping[str, tuple[str, ...]] = {"versions": ("fit_seconds", "fit", "shared")}
VOLATILE_KEYS = ("wall_seconds",)
#: Keys that are added to the record of a run after it was replayed.
FOUND_LATER = ("hindsight", "no_hindsight")


class Tables(Mapping[str, pd.DataFrame]):
    """A run's tables by name, each made when it is first asked for.

    Whoever replays thousands of schedules for their totals does not pay for tables.

    Parameters
    ----------
    makers : mapping of str to callable
        What makes each table.
    """

    def __init__(self, makers: Mapping[str, Callable[[], pd.DataFrame]]) -> None:
        self._names = tuple(makers)
        self._makers = dict(makers)
        self._made: dict[str, pd.DataFrame] = {}

    def __getitem__(self, name: str) -> pd.DataFrame:
        if name not in self._made:
            self._made[name] = self._makers[name]()
            if len(self._made) == len(self._names):
                self._makers = {}  # what they were made of is not needed any more
        return self._made[name]

    def __iter__(self) -> Iterator[str]:
        return iter(self._names)

    def __len__(self) -> int:
        return len(self._names)

    def __reduce__(self) -> tuple[Any, ...]:
        return dict, (dict(self),)


@dataclass(frozen=True, eq=False, repr=False)
class Run(Shown):
    """One strategy replayed over one stream.

    Attributes
    ----------
    name : str
        The strategy's name in its comparison.
    info : dict
        What was run: status, strategy, setup, stream, library versions, wall seconds.
    totals : dict
        Money by kind, counts and metrics; see ``docs/records.md``.
    tables : mapping of str to DataFrame
        ``predictions``, ``steps``, ``versions``, ``deployments``, ``events``, ``charges`` and
        ``readings``, which are attributes too. Every column with its unit stands in
        ``docs/records.md``.
    """

    name: str
    info: dict[str, Any]
    totals: dict[str, Any]
    tables: Mapping[str, pd.DataFrame]

    @property
    def predictions(self) -> pd.DataFrame:
        """What was answered: a row for each served row; raises `RecordError` where not kept."""
        if not self.has_predictions:
            raise RecordError(
                f"{self.name!r}: its predictions were not kept (records=totals); run it again with "
                "records=all"
            )
        return self.tables["predictions"]

    @property
    def has_predictions(self) -> bool:
        """Whether predictions were kept."""
        return "predictions" in self.tables

    @property
    def steps(self) -> pd.DataFrame:
        """Loss between neighbouring ticks and deployments."""
        return self.tables["steps"]

    @property
    def versions(self) -> pd.DataFrame:
        """Every model that was trained, or was to be."""
        return self.tables["versions"]

    @property
    def deployments(self) -> pd.DataFrame:
        """Who answered which share of the rows, from when to when."""
        return self.tables["deployments"]

    @property
    def events(self) -> pd.DataFrame:
        """What happened, and why."""
        return self.tables["events"]

    @property
    def charges(self) -> pd.DataFrame:
        """The ledger."""
        return self.tables["charges"]

    @property
    def readings(self) -> pd.DataFrame:
        """How near triggers were to firing; empty in records of 0.1."""
        return self.tables["readings"]

    @property
    def metrics(self) -> dict[str, float]:
        """The metrics asked for, over every scored row."""
        return dict(self.totals["metrics"])

    def __repr__(self) -> str:
        total, retrains = self.totals["total"], self.totals["retrains"]
        return f"Run({self.name!r}, total={total:.2f}, retrains={retrains})"

    def to_frame(self) -> pd.DataFrame:
        """A row a step, from one tick or deployment to the next.

        Columns: ``strategy``; those of ``steps`` (``docs/records.md``); ``mean_loss`` a row that is
        scored; ``cost``, money charged from its start up to the next one, without the initial
        training, and ``paid``, all of that until then.
        """
        steps, charges = self.steps, self.charges[self.charges["kind"] != "initial"]
        at = steps["start"].searchsorted(charges["when"], side="right") - 1
        cost = np.bincount(at.clip(0), weights=charges["amount"], minlength=len(steps))
        mean = steps["loss"] / steps["scored"].where(steps["scored"] > 0)
        frame = steps.assign(mean_loss=mean, cost=cost, paid=cost.cumsum())
        frame.insert(0, "strategy", self.name)
        return frame

    def plot(self, kind: str = "timeline", ax: Axes | None = None) -> Axes:
        """Draw it; returns the axes.

        Parameters
        ----------
        kind : {"timeline", "cost"}
            Rolling loss and below it every training; or all that was paid until then.
        ax : Axes, optional
            What to draw on; by default a new figure.
        """
        from backtrain.reports.plots import run

        return run(self, kind, ax)

    def save(self, directory: str | Path) -> Path:
        """Write ``run.json`` and a Parquet file a table.

        The tables get new names, and ``run.json``, which names them, is replaced at last: the
        folder holds the old run or this one. What it listed before is removed then; other files
        are left alone, with a warning that names them.
        """
        target = Path(directory)
        new = not target.exists()
        target.mkdir(parents=True, exist_ok=True)
        old = _own_facts(target)
        before = files_of(target, old)
        kept = [table for table in TABLES if table in self.tables]
        files = {table: free_name(target, f"{table}.parquet") for table in kept}
        # A save that was broken off may have announced the same names, and not come to them.
        before = sorted({*before} - {*files.values()})
        written = [*before, *files.values()]
        try:
            number = old.get("format", 1) if old else FORMAT
            write_json(target / RUN, {**old, "format": number, "written": written})
            for table, name in files.items():
                frame = self.tables[table].copy(deep=False)
                frame.attrs = {"run": identity_of(self)}
                frame.to_parquet(target / name, index=False)
                sync(target / name)
            save_facts(self, target, files, written)
        except BaseException:
            _take_back(target, old, files, new)
            raise
        for name in before:
            inside(target, name).unlink(missing_ok=True)
        remove_drafts(target / RUN)
        if before:
            save_facts(self, target, files)
        strangers = sorted({*os.listdir(target)} - {RUN, *files.values()})
        if strangers:
            warn(f"{target}: not written by backtrain, and left there: {', '.join(strangers)}")
        return target

    @classmethod
    def load(cls, directory: str | Path) -> Run:
        """Read a run back from the directory that ``save`` wrote.

        Raises `RecordError` where there is none, or what lies there does not belong together.
        """
        source = Path(directory)
        facts = facts_in(source)
        files = _tables_in(facts)
        tables = {table: _read(inside(source, files[table])) for table in files}
        run = _run(facts, {"readings": Readings().frame(), **tables})
        for table, frame in tables.items():
            if frame.attrs.pop("run", None) != identity_of(run) and facts.get("format", 1) > 1:
                raise RecordError(f"{source}: {files[table]} belongs to another run than {RUN}")
        return run


# --- on disk ------------------------------------------------------------------------------------


def identity(facts: Any) -> str:
    """A digest of plain data: what belongs together carries the same one."""
    text = json.dumps(facts, sort_keys=True, default=str)
    return hashlib.blake2b(text.encode(), digest_size=8).hexdigest()


def identity_of(run: Run) -> str:
    """What a run's files carry: a digest of what was asked, and of the code that answered."""
    later = (*VOLATILE_KEYS, *FOUND_LATER, "in_sample", "kept")
    asked = {key: value for key, value in run.info.items() if key not in later}
    return str(run.info.get("id") or identity(asked))


def facts_in(directory: Path) -> dict[str, Any]:
    """All that ``run.json`` says of a whole run; raises `RecordError` where there is none."""
    facts = read_json(directory / RUN)
    if facts is None or "totals" not in facts:
        what = "not found" if facts is None else "of a save that was broken off"
        raise RecordError(f"{directory}: not a run directory: {RUN} {what}")
    checked(directory, facts)
    files = _tables_in(facts)
    needed = [table for table in _FIRST if table != "predictions" or "kept" not in facts]
    missing = [table for table in needed if table not in files]
    missing += [name for name in files.values() if not inside(directory, name).is_file()]
    if missing:
        raise RecordError(f"{directory}: not a run directory: {', '.join(missing)} not found")
    wrong = [key for key, kind in _KINDS.items() if not isinstance(facts.get(key, kind()), kind)]
    lacking = [key for key in ("name", "stream", "start", "end") if key not in facts]
    if wrong or lacking or "total" not in facts["totals"]:
        raise RecordError(f"{directory / RUN}: not a record of backtrain")
    return facts


def head(directory: Path) -> Run:
    """A run without its tables."""
    return _run(facts_in(directory), {})


def lying_in(run: Run, directory: Path, owner: object = None) -> Run:
    """The run, with tables that are read from where it was saved, each when it is first asked for.

    ``owner`` is kept alive for as long as files are to be read.
    """
    files = {
        table: inside(directory, file) for table, file in _tables_in(facts_in(directory)).items()
    }
    makers = {table: partial(_own, run, path, owner) for table, path in files.items()}
    return replace(run, tables=Tables(makers))


def _own(run: Run, path: Path, _: object) -> pd.DataFrame:
    """A table of this run; raises `RecordError` where another one has taken its place."""
    frame = _read(path)
    if frame.attrs.pop("run", None) != identity_of(run):
        raise RecordError(
            f"{path}: it was replaced by that of another run; save to two directories"
        )
    return frame


def _run(facts: Mapping[str, Any], tables: Mapping[str, pd.DataFrame]) -> Run:
    info = {key: facts[key] for key in facts if key not in (*PLACES, "name", "totals")}
    return Run(name=facts["name"], info=info, totals=facts["totals"], tables=tables)


def _tables_in(facts: Mapping[str, Any]) -> dict[str, str]:
    """The file of each table; the previous layout did not name them."""
    return dict(facts.get("files", {table: f"{table}.parquet" for table in _FIRST}))


def save_facts(
    run: Run, directory: Path, files: Mapping[str, str], written: Iterable[str] | None = None
) -> None:
    """Replace ``run.json``, which makes these files the tables of the run."""
    facts = {"format": FORMAT, "name": run.name, **run.info, "totals": run.totals}
    written = files.values() if written is None else written
    write_json(directory / RUN, {**facts, "files": dict(files), "written": sorted(written)})


def files_of(directory: Path, facts: Mapping[str, Any]) -> list[str]:
    """The files beside ``run.json`` that it says are ours."""
    if "format" in facts:
        return checked(directory, facts)
    return [f"{table}.parquet" for table in _FIRST] if "totals" in facts else []


def remove_run(directory: Path) -> list[str]:
    """Remove a run that we wrote; returns what else lies in its folder, and stays."""
    try:
        facts = read_json(directory / RUN)
        for name in files_of(directory, facts or {}):
            inside(directory, name).unlink(missing_ok=True)
        if facts is not None:
            (directory / RUN).unlink()
    except RecordError:
        pass  # a file of somebody else's under this name
    remove_drafts(directory / RUN)
    strangers = sorted(os.listdir(directory))
    if not strangers:
        directory.rmdir()
    return strangers


def _own_facts(directory: Path) -> dict[str, Any]:
    """What ``run.json`` says; nothing where there is none. Raises where it is not ours."""
    facts = read_json(directory / RUN) or {}
    if facts and "totals" not in facts and "format" not in facts:
        raise RecordError(f"{directory / RUN}: not a record of backtrain; choose another directory")
    return facts


def _take_back(
    directory: Path, old: Mapping[str, Any], files: Mapping[str, str], new: bool
) -> None:
    """Undo what a save that failed has written, as far as the disk lets us."""
    with suppress(OSError, RecordError):
        if (read_json(directory / RUN) or {}).get("files") == dict(files):
            return  # it failed after it was done
        for name in files.values():
            (directory / name).unlink(missing_ok=True)
        if "totals" in old:
            write_json(directory / RUN, old)
        else:
            (directory / RUN).unlink(missing_ok=True)
        if new:
            directory.rmdir()


def _read(path: Path) -> pd.DataFrame:
    try:
        return pd.read_parquet(path)
    except (OSError, ValueError) as error:
        raise RecordError(f"{path}: cannot be read: {error}") from error
