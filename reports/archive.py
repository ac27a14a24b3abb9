"""A comparison on disk: a folder for each strategy, and ``comparison.json``, which names them."""

import dataclasses
import json
import re
import unicodedata
from collections.abc import Iterable, Mapping
from pathlib import Path
from typing import Any

import pandas as pd

from backtrain.simulator.manifest import (
    Manifest,
    RecordError,
    inside,
    plain_case,
    read_json,
    warn,
)
from backtrain.simulator.record import (
    RUN,
    Run,
    head,
    identity_of,
    remove_run,
)

MANIFEST = "comparison.json"
SUMMARY = "summary.csv"
REPORT = "report.html"
VERDICT = "verdict.json"
#: What is advised, where `backtrain run --config-dir DIR strategy=advised` finds it.
ADVISED = "strategy/advised.yaml"
TUNE = "tune.csv"
TUNING = "tune.html"
TRIALS = "trials.csv"
SEARCH = "search.html"
#: What may be wanted of a report: the page with pictures and data beside it, the page alone, none.
REPORTS = ("all", "page", "none")
#: Where pictures and data lie.
_BESIDE = ("figures/", "tables/")
#: Names that a directory needs for other things than strategies.
RESERVED = (
    *("figures", "tables", "strategy", REPORT, SUMMARY, VERDICT, MANIFEST, RUN),
    *(TUNING, TUNE, "tune.json"),
    *(SEARCH, TRIALS, "search.json"),
)
#: What Windows keeps for devices, with any ending.
_DEVICES = re.compile(r"(?i)(con|prn|aux|nul|conin\$|conout\$|(com|lpt)[0-9¹²³])(\.|$)")
#: Figures that the previous layout, which had no manifest, left in ``figures``.
_FORMER_TUNING = ("intervals", "prices", "rows", "old-rows", "staleness", "oracle")
_FORMER = ("cost-against-loss", "cost-against-interval", "time-line")


class ReportError(ValueError):
    """No such report can be written."""


def folder_names(names: Iterable[str]) -> dict[str, str]:
    """A safe and distinct folder name for each strategy; ``run.json`` keeps the true name.

    Examples
    --------
    >>> list(folder_names(["weekly", "every 500 rows", "../weekly", "Weekly", "com1"]).values())
    ['weekly', 'every-500-rows', 'weekly-2', 'Weekly-3', 'strategy-com1']
    """
    folders: dict[str, str] = {}
    taken = set(RESERVED)
    for name in names:
        slug = _slug(name)
        folder, number = slug, 1
        # Case-insensitive file systems take "A" and "a" for one folder.
        while plain_case(folder) in taken:
            number += 1
            folder = f"{slug}-{number}"
        taken.add(plain_case(folder))
        folders[name] = folder
    return folders


def _slug(name: str) -> str:
    slug = re.sub(r"[^\w.]+", "-", unicodedata.normalize("NFC", name))
    short = slug.encode()[:80].decode(errors="ignore")  # file systems count bytes
    slug = short.strip("-.") or "strategy"
    return f"strategy-{slug}" if _DEVICES.match(slug) else slug


def csv_text(table: pd.DataFrame) -> bytes:
    """A table as CSV; text that a spreadsheet would take for a formula begins with an apostrophe.

    >>> csv_text(pd.DataFrame({"a": [-1.0]}, index=["=1+1"])).decode()
    ",a\\n'=1+1,-1.0\\n"
    """
    table = table.rename(index=guarded, columns=guarded)
    texts = [column for column, kind in enumerate(table.dtypes) if kind.kind not in "biufcmM"]
    for column in texts:
        table.isetitem(column, table.iloc[:, column].map(guarded).to_numpy(dtype=object))
    return table.to_csv(lineterminator="\n").encode("utf-8", "backslashreplace")


def guarded(cell: Any) -> Any:
    """A cell of a CSV file; an apostrophe before text that begins as a formula, or with one."""
    return f"'{cell}" if isinstance(cell, str) and cell[:1] in tuple("=+-@\t\r'") else cell


# --- writing --------------------------------------------------------------------------------------


def check_report(report: str) -> str:
    """What of a report is wanted, as it is; raises `ReportError` for any other word."""
    if report not in REPORTS:
        raise ReportError(f"report={report!r}: give {', '.join(map(repr, REPORTS))}")
    return report


def opened(directory: Path) -> Manifest:
    """The manifest of a comparison's directory, which need not be there."""
    for key in ("result", "unfinished"):
        _section(directory, key)
    adopted = {} if (directory / MANIFEST).is_file() else _adopted(directory)
    return Manifest(directory / MANIFEST, remove_run, adopted)


def reopened(directory: Path) -> Manifest:
    """The manifest of a saved comparison, to which files are to be added."""
    manifest = opened(directory)
    manifest.settle(needed(manifest.facts))
    return manifest


def summarised(directory: Path) -> tuple[dict[str, str], bool]:
    """The folder of each strategy of a result, and whether its summary has what needs no model."""
    entries = _section(directory, "result")[0]
    folders = pd.read_csv(path_of(directory, SUMMARY), dtype={"folder": str})["folder"]
    return {name: folder for name, (folder, _) in entries.items()}, bool(folders.isna().any())


def add_files(manifest: Manifest, contents: Mapping[str, bytes]) -> None:
    """Write files beside a comparison's runs.

    Advice, pictures and data that are not among them are withdrawn: they go with another verdict.
    """
    files, moves = manifest.stage(contents)
    there = manifest.facts.get("files", {}).items()
    kept = {n: at for n, at in there if n != ADVISED and not n.startswith(_BESIDE)}
    manifest.write(files={**kept, **files}, moves=moves)
    manifest.settle(needed(manifest.facts))


def of_tuning(directory: Path) -> Manifest:
    """The manifest of a tuning's directory, which need not be there."""
    former = [TUNING, TUNE, *(f"figures/tune-{name}.png" for name in _FORMER_TUNING)]
    adopted = {"files": {}, "written": former} if (directory / TUNE).is_file() else {}
    manifest = Manifest(directory / "tune.json", remove_run, adopted)
    manifest.settle([*manifest.facts.get("files", {}).values()] or manifest.written)
    return manifest


def of_search(directory: Path) -> Manifest:
    """The manifest of a search's directory, which need not be there."""
    manifest = Manifest(directory / "search.json", remove_run)
    manifest.settle([*manifest.facts.get("files", {}).values()] or manifest.written)
    return manifest


def save_files(manifest: Manifest, contents: Mapping[str, bytes]) -> None:
    """Write the files of a tuning or search; its manifest names them and is replaced at last."""
    files, moves = manifest.stage(contents)
    manifest.write(files=files, moves=moves)
    manifest.settle(files.values())


def tune_path(directory: Path, name: str = TUNING) -> Path:
    """Where a file of a tuning lies."""
    facts = read_json(directory / "tune.json") or {}
    return directory / str(facts.get("files", {}).get(name, name))


def search_path(directory: Path, name: str = SEARCH) -> Path:
    """Where a file of a search lies."""
    facts = read_json(directory / "search.json") or {}
    return directory / str(facts.get("files", {}).get(name, name))


def judged_in(directory: str | Path) -> dict[str, Any]:
    """How a directory's verdict was made: how careful, on which budget, and what was running."""
    try:
        told = json.loads(path_of(Path(directory), VERDICT).read_text(encoding="utf-8"))
        kept = {key: told.get(key) for key in ("careful", "budget")}
        numbers = {key: float(value) for key, value in kept.items() if value is not None}
        return {**numbers, "running": told.get("running")}
    except (OSError, ValueError, AttributeError, TypeError, RecordError):
        return {}


def path_of(directory: Path, name: str) -> Path:
    """Where a file lies that goes with a comparison's runs."""
    return directory / str(opened(directory).facts.get("files", {}).get(name, name))


def needed(facts: Mapping[str, Any]) -> list[str]:
    """The files and folders that a manifest's results and files are."""
    sections = [facts.get("result") or {}, facts.get("unfinished") or {}]
    entries = [entry for section in sections for entry in section.get("strategies", {}).values()]
    return [*(entry["folder"] for entry in entries), *facts.get("files", {}).values()]


def _adopted(directory: Path) -> dict[str, Any]:
    """What the previous layout, which had no manifest, has left here."""
    if not (directory / SUMMARY).is_file():
        return {}
    files = [SUMMARY, REPORT, *(f"figures/{name}.png" for name in _FORMER)]
    facts: dict[str, Any] = {"files": {name: name for name in files}, "written": files}
    try:
        runs = {path.name: head(path) for path in _checked(directory)}
    except (RecordError, OSError):
        return {}
    entries = {run.name: {"folder": at, "id": identity_of(run)} for at, run in runs.items()}
    result = {"id": "", "strategies": entries}
    return {**facts, "result": result, "written": [*files, *runs]}


# --- reading --------------------------------------------------------------------------------------


def load(*directories: str | Path) -> dict[str, Run]:
    """Runs by name, from run directories and comparison directories.

    A name that occurs in several directories is preceded by its directory's name.
    """
    if not directories:
        raise RecordError("no directory given: name a comparison's or a run's directory")
    listed = [(Path(given), run) for given in directories for run in _runs_of(Path(given))]
    names = [run.name for _, run in listed]
    runs: dict[str, Run] = {}
    for given, run in listed:
        name = run.name if names.count(run.name) == 1 else f"{given.resolve().name}: {run.name}"
        if name in runs:
            raise RecordError(f"{given}: the strategy {name!r} was already read from elsewhere")
        runs[name] = dataclasses.replace(run, name=name)
    return runs


def unfinished(directory: str | Path) -> tuple[dict[str, Run], list[str]]:
    """The runs that a comparison had finished when it was stopped, and the names of the others."""
    source = Path(directory)
    entries, missing = _section(source, "unfinished")
    return {run.name: run for run in _listed(source, entries)}, missing


def stopped_at(directory: Path) -> list[Path]:
    """What to name to `load` so that it reads what a stopped comparison had finished."""
    if not _section(directory, "result")[0]:
        return [directory]
    return [
        inside(directory, folder) for folder, _ in _section(directory, "unfinished")[0].values()
    ]


def _section(source: Path, key: str) -> tuple[dict[str, tuple[str, str]], list[str]]:
    """Folder and id of each strategy that a manifest lists, and the names that are missing."""
    section = (read_json(source / MANIFEST) or {}).get(key) or {"strategies": {}}
    try:
        entries = {n: (e["folder"], e["id"]) for n, e in section["strategies"].items()}
        return entries, [str(name) for name in section.get("missing", [])]
    except (TypeError, KeyError, AttributeError) as error:
        raise RecordError(f"{source / MANIFEST}: not a manifest of backtrain") from error


def _runs_of(source: Path) -> list[Run]:
    """The runs that a directory is or holds."""
    if (source / RUN).is_file():
        return [Run.load(source)]
    if entries := _section(source, "result")[0]:
        return _listed(source, entries)
    entries, missing = _section(source, "unfinished")
    if entries:
        if missing:
            warn(f"{source}: the comparison was stopped; not finished: {', '.join(missing)}")
        return _listed(source, entries)
    if (source / SUMMARY).is_file():
        return [Run.load(path) for path in _checked(source)]
    return _unlisted(source)


def _listed(source: Path, entries: Mapping[str, tuple[str, str]]) -> list[Run]:
    runs = []
    for name, (folder, digest) in entries.items():
        run = Run.load(inside(source, folder))
        if (run.name, identity_of(run)) != (name, digest):
            raise RecordError(
                f"{source / folder}: this run of {run.name!r} is not the one of {name!r} that "
                f"{MANIFEST} lists; name the runs to read, one by one"
            )
        runs.append(run)
    return runs


def _checked(source: Path) -> list[Path]:
    """The runs' folders in the previous layout, where they are those of the summary."""
    folders = []
    for path, total in _former(source):
        own = float(head(path).totals["total"])
        if abs(own - total) > 1e-9 * max(1.0, abs(total)):
            raise RecordError(
                f"{path}: its total is {own}, and {total} in {SUMMARY}: they are of two "
                "comparisons; name the runs to read, one by one"
            )
        folders.append(path)
    return folders


def _former(source: Path) -> list[tuple[Path, float]]:
    try:
        table = pd.read_csv(source / SUMMARY, dtype={"folder": str}, keep_default_na=False)
        return [
            (inside(source, folder), float(total))
            for folder, total in zip(table["folder"], table["total"], strict=True)
        ]
    except (KeyError, ValueError) as error:
        if isinstance(error, RecordError):
            raise
        raise RecordError(f"{source / SUMMARY}: not of a comparison: {error}") from error


def _unlisted(source: Path) -> list[Run]:
    folders = sorted(path.parent for path in source.glob(f"*/{RUN}") if path.parent.name[0] != ".")
    if not folders:
        what = "neither a run nor a comparison" if source.is_dir() else "no such directory"
        if source.is_file():
            raise RecordError(f"{source}: a file; name the directory that it lies in")
        raise RecordError(f"{source}: {what}: no {RUN} and no {MANIFEST} found")
    return [Run.load(path) for path in folders]
