"""A finished comparison that is had a second time: its files, in another directory."""

import os
import shutil
from collections.abc import Mapping
from contextlib import suppress
from pathlib import Path
from typing import Any

from backtrain.reports import archive
from backtrain.simulator.manifest import (
    RecordError,
    draft_name,
    inside,
    is_real_folder,
    remove_drafts,
    sync,
)
from backtrain.simulator.record import RUN, facts_in, head, identity_of, remove_run


def is_whole(directory: Path) -> bool:
    """Whether a finished comparison lies there, with all files that it names."""
    try:
        facts = archive.opened(directory).facts
        for name, entry in _runs(facts).items():
            run = head(inside(directory, entry["folder"]))
            if (run.name, identity_of(run)) != (name, entry["id"]):
                return False
        files = facts.get("files", {}).values()
        return bool(_runs(facts)) and all(inside(directory, name).is_file() for name in files)
    except (RecordError, OSError, KeyError, TypeError):
        return False


def take(source: Path, target: Path) -> None:
    """Make a directory hold what another one holds; an earlier result there is removed.

    Files are linked, and copied where they cannot be: whoever writes one replaces it, so that
    what happens to one directory does not show in the other. Raises `RecordError` where something
    else stands in the way, and OSError.
    """
    if (target / RUN).exists():
        raise RecordError(f"{target}: holds the record of one run")
    theirs = archive.opened(source).facts
    folders = [str(entry["folder"]) for entry in _runs(theirs).values()]
    files = [str(name) for name in theirs.get("files", {}).values()]
    manifest = archive.opened(target)
    for name in (*folders, *files):
        if os.path.lexists(target / name) and name not in manifest.written:
            raise RecordError(f"{target / name}: not written by backtrain, and in the way")
    manifest.written += [*folders, *files]
    manifest.write(result=None, unfinished=None)
    for folder in folders:
        tables = facts_in(inside(source, folder))["files"].values()
        for name in tables:
            remove_drafts(target / folder / name)
        left = remove_run(target / folder) if is_real_folder(target / folder) else []
        # Tables without a run are of one that was being taken when its process was killed.
        if foreign := {*left} - {*tables}:
            raise RecordError(f"{target / folder}: holds {', '.join(foreign)}, not of backtrain")
        for name in (*tables, RUN):  # which makes them a run
            _link(inside(source, f"{folder}/{name}"), target / folder / name)
    for name in files:
        remove_drafts(target / name)
        _link(inside(source, name), target / name)
    kept = {key: theirs[key] for key in ("result", "files")}
    manifest.write(**kept, unfinished=None, moves={})
    manifest.settle([*folders, *files])


def _runs(facts: Mapping[str, Any]) -> Mapping[str, Any]:
    return dict((facts.get("result") or {}).get("strategies", {}))


def _link(source: Path, target: Path) -> None:
    """Have a file under a second name, which appears at once."""
    target.parent.mkdir(parents=True, exist_ok=True)
    draft = target.with_name(draft_name(target.name))
    try:
        try:
            os.link(source, draft)
        except OSError:  # another file system, or one without links
            shutil.copyfile(source, draft)
            sync(draft)
        os.replace(draft, target)
    finally:
        # A second link to the same file is not moved there, but stays.
        with suppress(OSError):
            draft.unlink(missing_ok=True)
    sync(target.parent)
