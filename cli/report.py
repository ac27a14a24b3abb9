"""``backtrain report``: write a report again, or several runs or a sweep's jobs into one."""

import argparse
import shlex
import sys
from collections.abc import Iterator, Mapping
from contextlib import contextmanager
from dataclasses import replace
from functools import partial
from pathlib import Path
from typing import Any

from backtrain.cli.jobs import from_here
from backtrain.cli.run import show
from backtrain.cli.terminal import say
from backtrain.config.build import ConfigError
from backtrain.config.study import explained
from backtrain.reports import answer, archive, html, page
from backtrain.reports.comparison import Comparison, ComparisonError
from backtrain.reports.sweep import page as sweeps
from backtrain.reports.sweep.result import HYDRA, RESULT, results_in
from backtrain.reports.sweep.sweep import Sweep
from backtrain.simulator.record import RUN


def main(arguments: list[str]) -> int:
    """Read records, print table and verdict, write the report."""
    parser = argparse.ArgumentParser("backtrain report", description=__doc__)
    parser.add_argument(
        "directories", nargs="+", metavar="DIR", help="what `run` wrote, or a sweep"
    )
    parser.add_argument(
        "--output", type=Path, help="default: report.html or sweep.html, in DIR if there is one"
    )
    parser.add_argument("--baseline", help="the strategy that the others are held against")
    parser.add_argument(
        "--careful",
        type=float,
        help="the least share of its cost to change for; default: as saved",
    )
    parser.add_argument(
        "--budget", type=float, help="money a month that may be spent; default: as saved"
    )
    parser.add_argument(
        "--report",
        choices=archive.REPORTS,
        help="all (in DIR also figures and data), page (usual with --output or several), or none",
    )
    parsed = parser.parse_args(arguments)
    changed = {key: getattr(parsed, key) for key in ("careful", "budget")}
    settings = {key: value for key, value in changed.items() if value is not None}
    asked = parsed.output, parsed.baseline, settings, parsed.report
    for directory in parsed.directories:
        _refuse_others(Path(directory))
    if any(_is_sweep(Path(directory)) for directory in parsed.directories):
        _report_sweep(parsed.directories, *asked)
        return 0
    try:
        _report(parsed.directories, *asked)
    except ConfigError as error:
        refused = isinstance(error.__cause__, ComparisonError)
        jobs = all((Path(directory) / RESULT).is_file() for directory in parsed.directories)
        if not refused or not jobs or len(parsed.directories) < 2:
            raise
        say(f"{error}: each is held against its own baseline\n", sys.stderr)
        _report_sweep(parsed.directories, *asked)
    return 0


def _refuse_others(directory: Path) -> None:
    """Raise `ConfigError` for what `search` and `tune` wrote, alone or as jobs of a sweep."""
    for folder in (directory, *sorted(directory.glob("*/"))):
        for command, its in (("search", archive.SEARCH), ("tune", archive.TUNING)):
            if (folder / f"{command}.json").is_file() and not (folder / RESULT).exists():
                raise ConfigError(
                    f"{folder}: of `backtrain {command}`, which writes its own page, {its}; "
                    "`backtrain report` puts runs together"
                )


def _is_sweep(directory: Path) -> bool:
    """Whether a directory holds jobs, and is none itself."""
    own = (archive.MANIFEST, RUN, RESULT, HYDRA)
    alone = any((directory / name).exists() for name in own)
    return directory.is_dir() and not alone and bool(results_in(directory))


def _report_sweep(
    directories: list[str],
    output: Path | None,
    baseline: str | None,
    settings: Mapping[str, Any],
    wanted: str | None,
) -> None:
    """Print the answer of sweeps, together one, and write page and table."""
    for key, value in settings.items():
        raise ConfigError(
            f"--{key}={value}: each job of a sweep was judged when it ran; run it again with "
            f"{key}={value}, which takes its fits from the store"
        )
    alone = len(directories) == 1 and output is None
    if wanted == "all" and not alone:
        raise ConfigError(
            "--report=all: figures and data are written into one sweep's directory: name it alone "
            "and leave --output out, or give --report=page"
        )
    with explained():
        sweep = Sweep.load(*directories, baseline=baseline)
        say(str(sweep))
        if wanted == "none":
            return
        where = output or (Path(directories[0]) if len(directories) == 1 else Path()) / sweeps.PAGE
        with _writing(where):
            if alone:
                where = sweep.save(directories[0], wanted or "all")
            else:
                sweeps.put_page(sweep, where)
    say(f"\nsweep   {from_here(where)}\ntable   {from_here(where.with_name(sweeps.TABLE))}")


def _report(
    directories: list[str],
    output: Path | None,
    baseline: str | None,
    settings: Mapping[str, Any],
    wanted: str | None,
) -> None:
    first = Path(directories[0])
    alone = len(directories) == 1 and output is None
    with explained():
        runs, missing = archive.unfinished(first) if alone else ({}, [])
        whole = bool(runs) and not missing  # of a save that was broken off while it was drawing
        comparison = Comparison(runs) if whole else Comparison.load(*directories)
        comparison = replace(comparison, **settings)
        show(comparison, baseline)
        inside = alone and (first / archive.MANIFEST).exists()
        if wanted == "all" and not inside:
            raise ConfigError(
                "--report=all: figures and data are written into one directory that `run` wrote: "
                "name it alone and leave --output out, or give --report=page"
            )
        if whole:
            path = archive.path_of(
                comparison.save(first, baseline, report=wanted or "all"), archive.REPORT
            )
        elif wanted == "none":
            return
        elif inside:
            path = _write_again(comparison, first, baseline, wanted or "all")
        else:
            where = first if len(directories) == 1 else Path()
            path = output or where / archive.REPORT
            with _writing(path):
                comparison.to_html(path, baseline)
    if runs and missing and comparison.runs.keys() != runs.keys():
        folders = [str(from_here(folder)) for folder in archive.stopped_at(first)]
        say(f"a newer comparison was stopped: backtrain report {shlex.join(folders)}", sys.stderr)
    say(f"\nreport  {from_here(path)}")


def _write_again(
    comparison: Comparison, directory: Path, baseline: str | None, wanted: str
) -> Path:
    """Replace report, verdict and summary of a saved comparison; returns where the page lies."""
    told, place = comparison.verdict(baseline), archive.reopened(directory)
    contents = answer.files(
        told,
        comparison.runs[told.strategy],
        comparison.careful,
        comparison.running,
        comparison.followed(baseline),
    )
    if archive.path_of(directory, archive.SUMMARY).is_file():  # not of a run that was stopped
        contents[archive.SUMMARY] = comparison.summary(baseline, *archive.summarised(directory))
    make = partial(page.report, comparison, comparison.baseline(baseline))
    contents |= html.files(make, archive.REPORT, wanted, place.names)
    archive.add_files(place, contents)
    return archive.path_of(directory, archive.REPORT)


@contextmanager
def _writing(path: Path) -> Iterator[None]:
    """Raise `ConfigError` with what helps where a report cannot be written."""
    try:
        yield
    except OSError as error:
        why = "a directory" if path.is_dir() else error.strerror or error
        raise ConfigError(
            f"{path}: the report cannot be written ({why}); give --output=FILE"
        ) from error
