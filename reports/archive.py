"""A comparison on disk: a folder for each strategy, found again by ``summary.csv``."""

from __future__ import annotations

import dataclasses
import os
import re
import uuid
from collections.abc import Iterable
from pathlib import Path

import pandas as pd

from backtrain.simulator.record import RecordError, Run

SUMMARY = "summary.csv"
RUN = "run.json"
#: Folder names that a comparison's directory needs for itself.
RESERVED = ("figures", "con", "prn", "aux", "nul")


def folder_names(names: Iterable[str]) -> dict[str, str]:
    """A safe and distinct folder name for each strategy; ``run.json`` keeps the true name.

    Examples
    --------
    >>> list(folder_names(["weekly", "every 500 rows", "../weekly", "Weekly"]).values())
    ['weekly', 'every-500-rows', 'weekly-2', 'Weekly-3']
    """
    folders: dict[str, str] = {}
    taken = set(RESERVED)
    for name in names:
        slug = re.sub(r"[^\w.]+", "-", name).strip("-.")[:80] or "strategy"
        folder, number = slug, 1
        # Case-insensitive file systems take "A" and "a" for one folder.
        while folder.casefold() in taken:
            number += 1
            folder = f"{slug}-{number}"
        taken.add(folder.casefold())
        folders[name] = folder
    return folders


def write_text(path: Path, text: str) -> Path:
    """Write a file that appears complete or not at all."""
    path.parent.mkdir(parents=True, exist_ok=True)
    draft = path.with_name(f".{path.name}.{uuid.uuid4().hex[:8]}")
    try:
        draft.write_text(text, encoding="utf-8", newline="\n")
        os.replace(draft, path)
    finally:
        draft.unlink(missing_ok=True)
    return path


def load(*directories: str | Path) -> dict[str, Run]:
    """Runs by name, from run directories and comparison directories.

    A name that occurs in several directories is preceded by its directory's name.
    """
    if not directories:
        raise RecordError("no directory given: name a comparison's or a run's directory")
    found = [(Path(given), Run.load(path)) for given in directories for path in _runs_of(given)]
    names = [run.name for _, run in found]
    runs: dict[str, Run] = {}
    for given, run in found:
        name = run.name if names.count(run.name) == 1 else f"{given.resolve().name}: {run.name}"
        if name in runs:
            raise RecordError(f"{given}: the strategy {name!r} was already read from elsewhere")
        runs[name] = dataclasses.replace(run, name=name)
    return runs


def _runs_of(directory: str | Path) -> list[Path]:
    """The run directories that a directory is or holds."""
    source = Path(directory)
    if (source / RUN).is_file():
        return [source]
    if (source / SUMMARY).is_file():
        folders = pd.read_csv(source / SUMMARY, dtype={"folder": str})["folder"]
        return [source / folder for folder in folders]
    runs = sorted(path.parent for path in source.glob(f"*/{RUN}") if path.parent.name[0] != ".")
    if not runs:
        what = "neither a run nor a comparison" if source.is_dir() else "no such directory"
        raise RecordError(f"{source}: {what}: no {RUN} and no {SUMMARY} found")
    return runs
