"""Runs of a comparison, each written into its directory as soon as it is there."""

import dataclasses
import json
import os
from collections.abc import Collection, Mapping
from contextlib import suppress
from pathlib import Path
from typing import Any

from backtrain.reports.archive import RESERVED, ReportError, folder_names, needed, opened
from backtrain.reports.kept import RECORDS, only_totals
from backtrain.simulator.manifest import Manifest, RecordError, inside, plain, sync
from backtrain.simulator.record import (
    FOUND_LATER,
    RUN,
    Run,
    facts_in,
    head,
    identity,
    identity_of,
    save_facts,
)


class Keeper:
    """Writes the runs of one comparison into a directory, each as soon as it is there.

    Until `finish` the directory's earlier result stays what it is; the runs that are written are
    listed as unfinished, and are read where there is no result.

    Parameters
    ----------
    directory : path
        Made when it is wanted first.
    ids : mapping of str to str
        The digest of what each strategy is asked, in the order of the comparison.
    records : str
        "all", or "totals": without predictions.
    """

    def __init__(self, directory: str | Path, ids: Mapping[str, str], records: str = "all") -> None:
        if records not in RECORDS:
            raise ReportError(f"records={records!r}: give {', '.join(map(repr, RECORDS))}")
        self.directory = Path(directory)
        self.records = records
        self._ids = dict(ids)
        self._folders = folder_names(ids)
        self._manifest: Manifest | None = None
        # What stands in the way for good is refused before anything is computed.
        if self.directory.exists() and not self.directory.is_dir():
            raise RecordError(f"{directory}: a file; give a directory, or the name of a new one")
        opened(self.directory)
        if (self.directory / RUN).is_file():
            raise RecordError(f"{directory}: holds the record of one run; choose another directory")
        self.id = identity(list(self._ids.items()))

    def add(self, run: Run) -> None:
        """Write a run, or what has been found out about it since it was written."""
        manifest = self._open()
        run = only_totals(run) if self.records == "totals" else run
        finished = manifest.facts["unfinished"]["strategies"]
        entry = finished.get(run.name) or self._in_result(run)
        if entry is None or not _holds(manifest.folder, entry, run):
            entry = self._write(run)
        if finished.get(run.name) != entry:
            finished = {**finished, run.name: entry}
            manifest.write(unfinished=self._unfinished(finished))

    def adopt(self, run: Run, source: Path) -> Path:
        """Take over a run that was written beside this directory's own; returns where it lies."""
        manifest = self._open()
        folder = manifest.claim(self._folders[run.name], RESERVED)
        manifest.write()
        os.rename(source, manifest.folder / folder)
        sync(manifest.folder)
        finished = manifest.facts["unfinished"]["strategies"]
        entry = {"folder": folder, "id": identity_of(run)}
        manifest.write(unfinished=self._unfinished({**finished, run.name: entry}))
        return manifest.folder / folder

    def folder_of(self, name: str) -> str:
        """The folder of a run that was added."""
        return str(self._open().facts["unfinished"]["strategies"][name]["folder"])

    def names(self, files: Collection[str]) -> dict[str, str]:
        """Under which names files will lie, by what they were to be called."""
        return self._open().names(files)

    def earlier(self) -> list[dict[str, Any]]:
        """The facts of the runs that an earlier result of the same question holds, if any."""
        result = opened(self.directory).facts.get("result") or {}
        if result.get("id") != self.id:
            return []
        folders = [entry["folder"] for entry in result["strategies"].values()]
        try:
            return [head(inside(self.directory, folder)).info for folder in folders]
        except RecordError:
            return []

    def finish(self, contents: Mapping[str, bytes]) -> None:
        """Make the runs the directory's result, with these files beside them."""
        manifest = self._open()
        try:
            files, moves = manifest.stage(contents)
        except OSError:
            with suppress(OSError):  # leave no halves of files on a full disk
                manifest.settle(needed(manifest.facts))
            raise
        strategies = manifest.facts["unfinished"]["strategies"]
        result = {"id": self.id, "strategies": {name: strategies[name] for name in self._ids}}
        manifest.write(result=result, unfinished=None, files=files, moves=moves)
        manifest.settle(needed(manifest.facts))

    def _open(self) -> Manifest:
        if self._manifest is None:
            manifest = opened(self.directory)
            # What a run of the same was stopped at counts; of any other it is dropped.
            stopped = manifest.facts.get("unfinished") or {}
            finished = stopped["strategies"] if stopped.get("id") == self.id else {}
            manifest.write(unfinished=self._unfinished(finished))
            manifest.settle(needed(manifest.facts))
            self._manifest = manifest
        return self._manifest

    def _write(self, run: Run) -> dict[str, str]:
        assert self._manifest is not None
        folder = self._manifest.claim(self._folders[run.name], RESERVED)
        self._manifest.write()
        run.save(self._manifest.folder / folder)
        return {"folder": folder, "id": identity_of(run)}

    def _in_result(self, run: Run) -> dict[str, str] | None:
        """Where the very same run lies as part of the result; it is saved once more."""
        assert self._manifest is not None
        entry = ((self._manifest.facts.get("result") or {}).get("strategies", {})).get(run.name)
        folder = self._manifest.folder
        return entry if entry and _facts_of(folder / entry["folder"]) == _text(run) else None

    def _unfinished(self, finished: Mapping[str, Any]) -> dict[str, Any]:
        done = {name: finished[name] for name in self._ids if name in finished}
        return {
            "id": self.id,
            "strategies": done,
            "missing": [n for n in self._ids if n not in done],
        }


def _holds(directory: Path, entry: Mapping[str, str], run: Run) -> bool:
    """Whether this very run lies there; what was found out about it since is added."""
    folder = directory / entry["folder"]
    there = _facts_of(folder)
    if there == _text(run):
        return True
    early = dataclasses.replace(
        run, info={k: v for k, v in run.info.items() if k not in FOUND_LATER}
    )
    if there is None or there != _text(early):
        return False
    save_facts(run, folder, facts_in(folder)["files"])
    return True


def _facts_of(folder: Path) -> str | None:
    try:
        return _text(head(folder))
    except RecordError:
        return None


def _text(run: Run) -> str:
    return json.dumps([run.name, run.info, run.totals], sort_keys=True, default=plain)
