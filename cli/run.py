"""``backtrain run``: compare strategies on one dataset."""

import csv
import re
import shlex
import sys
from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import dataclass, field
from pathlib import Path

from hydra.core.hydra_config import HydraConfig
from omegaconf import DictConfig

from backtrain.audit.data import warning
from backtrain.cli.jobs import (
    Command,
    WriteError,
    chosen,
    from_here,
    output_directory,
    say_money,
)
from backtrain.cli.terminal import say
from backtrain.config.build import ConfigError
from backtrain.config.keys import RunKeys
from backtrain.config.study import Study, in_words, load
from backtrain.reports import archive
from backtrain.reports.comparison import Comparison
from backtrain.reports.plain import terminal_table
from backtrain.simulator.answers import PartError
from backtrain.simulator.record import RecordError
from backtrain.simulator.setup import SetupError
from backtrain.simulator.view import FutureLeak

#: Of ``sweep.csv``, which has a line a job.
COLUMNS = ("job", "overrides", "cheapest", "total", "saves", "verdict", "directory", "error")

#: The exit code where `fail_if` holds.
FAILED_IF = 3

_IN_SAMPLE = """\
To choose among these jobs is to choose on the span that they are judged on: run the one you choose
on later rows (start=), or mark it: strategy.tuned_until=DATE, the end of that span."""


def main(arguments: list[str]) -> int:
    """Compare, or sweep; returns the exit code: `FAILED_IF` where all went well and it holds."""
    sweep, held = Sweep(), []

    def compare(study: Study) -> Comparison:
        comparison = _compare(study)
        held.append(_holds(study, comparison))
        return comparison

    def job(config: DictConfig) -> None:
        with sweep.job() as row:
            study = load(config, chosen())
            row.update(outcome(compare(study), study.baseline))

    code = Command("run", RunKeys, load, compare).start(list(map(_quoted, arguments)), job)
    # Empty where a launcher ran the jobs in other processes; the file is there all the same.
    if sweep.rows:
        say(f"\n{sweep}")
    return code or (FAILED_IF if any(held) else 0)


def _quoted(argument: str) -> str:
    """``fail_if=costs_more>2%`` in quotation marks, which a shell takes off and Hydra wants."""
    return re.sub("^fail_if=([^'\"]*[<>=][^'\"]*)$", r"fail_if='\1'", argument)


def _holds(study: Study, comparison: Comparison) -> bool:
    """Whether what makes the run fail is true; it is printed why."""
    why = study.condition.holds(comparison.verdict(study.baseline)) if study.condition else ""
    if why:
        say(f"fail_if={study.condition}: {why}", sys.stderr)
    return bool(why)


def show(comparison: Comparison, baseline: str | None) -> None:
    """Print table and verdict."""
    told = comparison.verdict(baseline)
    lines = (str(told), told.evidence, comparison.followed(baseline).sentence)
    # The typographic minus of reports is missing from some terminal fonts.
    shown = (" ".join(line.split()).replace("\N{MINUS SIGN}", "-") for line in lines)
    say("\n\n".join([terminal_table(comparison, baseline), *shown]))


def _compare(study: Study) -> Comparison:
    """Replay, print what came out, and draw it where Hydra says; each record is written at once."""
    directory = output_directory()
    say(f"{study}\n{study.held_against}")
    say_money(study.backtest)
    setup = study.backtest
    if (warned := warning(setup.stream, setup.decides_by_amount)) is not None:
        say(f"warning: {warned}", sys.stderr)
    try:
        comparison = study.compare(directory)
    except (SetupError, PartError, FutureLeak, RecordError) as error:
        _show_finished(study, directory)
        raise ConfigError(in_words(error)) from error
    except BaseException:
        if not _show_finished(study, directory):
            say(f"stopped: none of {len(study.strategies)} strategies is finished", sys.stderr)
        raise
    print()
    show(comparison, study.baseline)
    try:
        comparison.save(directory, study.baseline, study.baselines, study.report, study.records)
    except OSError as error:
        raise WriteError(
            f"{from_here(directory)}: not all could be written: {error}\nwhen that is mended, "
            f"`backtrain report {from_here(directory)}` reads what is there"
        ) from error
    if study.report == "none":
        say(f"\nrecords {from_here(directory)}; `backtrain report` on it draws the report")
    else:
        say(f"\nreport  {from_here(archive.path_of(directory, archive.REPORT))}")
    return comparison


def _show_finished(study: Study, directory: Path) -> bool:
    """After a stop: the table of what was finished, what is missing, and how to go on, if any."""
    try:
        runs, missing = archive.unfinished(directory)
    except RecordError:
        return False  # it is what the run was refused for
    if not runs:
        return False
    baseline = study.baseline if study.baseline in runs else None
    say(f"\n{terminal_table(Comparison(runs), baseline)}\n")
    wanted = len(runs) + len(missing)
    rest = f"not finished: {', '.join(missing)}" if missing else "hindsight and report are missing"
    again = "fits are taken from the store" if study.backtest.cache else "cache=true keeps fits"
    folders = [str(from_here(path)) for path in archive.stopped_at(directory)]
    say(
        f"stopped: {len(runs)} of {wanted} strategies are finished; {rest}\n"
        f"read again: backtrain report {shlex.join(folders)}\n"
        f"to go on: give the same command again; {again}",
        sys.stderr,
    )
    return True


# --- what a sweep found ---------------------------------------------------------------------------


@dataclass
class Sweep:
    """The jobs of one sweep that ran in this process.

    A job writes its line when it ends, whether it succeeded or not: Hydra's own callback at the end
    of a sweep is not called when a job failed.
    """

    rows: list[dict[str, object]] = field(default_factory=list)
    path: Path | None = None

    @contextmanager
    def job(self) -> Iterator[dict[str, object]]:
        """Note down a job; what it found is put into the mapping that is given."""
        settings = HydraConfig.get()
        path = Path(settings.sweep.dir) / "sweep.csv"
        row: dict[str, object] = {
            "job": settings.job.num,
            "overrides": " ".join(settings.overrides.task),
            "directory": settings.runtime.output_dir,
        }
        try:
            yield row
        except BaseException as error:
            row["error"] = (str(error).splitlines() or [type(error).__name__])[0]
            raise
        finally:
            self.path = path
            self.rows.append(row)
            _append(path, row)

    def __str__(self) -> str:
        lines = [f"job {row['job']}, {row['overrides']}:\n  {_outcome(row)}" for row in self.rows]
        chosen = [_IN_SAMPLE, ""] if len(lines) > 1 else []
        return "\n".join([*lines, "", *chosen, f"sweep   {self.path}"])


def outcome(comparison: Comparison, baseline: str | None) -> dict[str, object]:
    """The cells of a job that succeeded."""
    verdict = comparison.verdict(baseline)
    cheapest = min(comparison.runs, key=lambda name: float(comparison.runs[name].totals["total"]))
    return {
        "cheapest": cheapest,
        "total": float(comparison.runs[cheapest].totals["total"]),
        "saves": verdict.saves,
        "verdict": str(verdict),
    }


def _outcome(row: dict[str, object]) -> str:
    return f"failed: {row['error']}" if "error" in row else str(row["verdict"])


def _append(path: Path, row: dict[str, object]) -> None:
    path.parent.mkdir(parents=True, exist_ok=True)
    new = not path.exists()
    with path.open("a", newline="", encoding="utf-8") as file:
        writer = csv.DictWriter(file, COLUMNS, lineterminator="\n")
        if new:
            writer.writeheader()
        writer.writerow({column: archive.guarded(cell) for column, cell in row.items()})
