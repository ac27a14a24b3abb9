"""``backtrain report``: write a report again, or several runs into one."""

import argparse
import shlex
import sys
from dataclasses import replace
from pathlib import Path

from backtrain.cli.jobs import from_here
from backtrain.cli.run import show
from backtrain.cli.terminal import say
from backtrain.config.build import ConfigError
from backtrain.config.study import explained
from backtrain.reports import answer, archive
from backtrain.reports.comparison import Comparison


def main(arguments: list[str]) -> int:
    """Read records, print table and verdict, write the report."""
    parser = argparse.ArgumentParser("backtrain report", description=__doc__)
    parser.add_argument("directories", nargs="+", metavar="DIR", help="what `run` wrote")
    parser.add_argument("--output", type=Path, help="default: report.html, in DIR if there is one")
    parser.add_argument("--baseline", help="the strategy that the others are held against")
    parser.add_argument(
        "--careful",
        type=float,
        help="the least share of its cost to change for; default: as saved",
    )
    parsed = parser.parse_args(arguments)
    _report(parsed.directories, parsed.output, parsed.baseline, parsed.careful)
    return 0


def _report(
    directories: list[str], output: Path | None, baseline: str | None, careful: float | None
) -> None:
    first = Path(directories[0])
    alone = len(directories) == 1 and output is None
    with explained():
        runs, missing = archive.unfinished(first) if alone else ({}, [])
        whole = bool(runs) and not missing  # of a save that was broken off while it was drawing
        comparison = Comparison(runs) if whole else Comparison.load(*directories)
        if careful is not None:
            comparison = replace(comparison, careful=careful)
        show(comparison, baseline)
        if whole:
            path = archive.path_of(comparison.save(first, baseline), archive.REPORT)
        elif alone and (first / archive.MANIFEST).exists():
            told = comparison.verdict(baseline)
            contents = answer.files(
                told,
                comparison.runs[told.strategy],
                comparison.careful,
                comparison.running,
                comparison.followed(baseline),
            )
            contents[archive.REPORT] = comparison.page(baseline).encode()
            archive.add_files(first, contents)
            path = archive.path_of(first, archive.REPORT)
        else:
            where = first if len(directories) == 1 else Path()
            path = output or where / archive.REPORT
            _write_page(comparison, path, baseline)
    if runs and missing and comparison.runs.keys() != runs.keys():
        folders = [str(from_here(folder)) for folder in archive.stopped_at(first)]
        say(f"a newer comparison was stopped: backtrain report {shlex.join(folders)}", sys.stderr)
    say(f"\nreport  {from_here(path)}")


def _write_page(comparison: Comparison, path: Path, baseline: str | None) -> None:
    try:
        comparison.to_html(path, baseline)
    except OSError as error:
        why = "a directory" if path.is_dir() else error.strerror or error
        raise ConfigError(
            f"{path}: the report cannot be written ({why}); give --output=FILE"
        ) from error
