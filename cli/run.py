"""``backtrain run``: compare strategies on one dataset, or do so in every job of a sweep."""

import re
import shlex
import sys
from collections.abc import Iterator
from contextlib import contextmanager, suppress
from pathlib import Path

from hydra.core.hydra_config import HydraConfig
from omegaconf import DictConfig

from backtrain.cli.jobs import (
    Command,
    WriteError,
    chosen,
    from_here,
    job_of,
    output_directory,
    say_money,
    say_understood,
)
from backtrain.cli.outcome import Outcome, objective
from backtrain.cli.plan import show_plan
from backtrain.cli.sweep import condition_of, finish
from backtrain.cli.terminal import say
from backtrain.config.build import ConfigError
from backtrain.config.keys import RunKeys
from backtrain.config.study import Study, in_words, load, plain_of, told_of
from backtrain.reports import archive
from backtrain.reports.comparison import Comparison
from backtrain.reports.plain import terminal_table
from backtrain.simulator.answers import PartError
from backtrain.simulator.record import RecordError
from backtrain.simulator.setup import SetupError
from backtrain.simulator.view import FutureLeak
from backtrain.tracking.callbacks import telling

#: The exit code where `fail_if` holds.
FAILED_IF = 3


def main(arguments: list[str]) -> int:
    """Compare, or sweep; returns the exit code: `FAILED_IF` where all went well and it holds."""
    held = []

    def alone(study: Study) -> None:
        with Outcome.of_job() as outcome:
            held.append(_holds(study, _done(study, outcome)))

    def end(directory: Path) -> None:
        for result in finish(directory):
            if why := condition_of(result):
                say(f"job {result.number}: fail_if={result.config['fail_if']}: {why}", sys.stderr)
                held.append(True)

    command = Command("run", RunKeys, load, alone, job, end, show_plan)
    code = command.start(list(map(_quoted, arguments)))
    return code or (FAILED_IF if any(held) else 0)


def job(config: DictConfig) -> float | tuple[float, ...] | None:
    """Do a job of a sweep, in whatever process; returns what its ``objective=`` asks for."""
    if (place := HydraConfig.get().runtime.cwd) not in sys.path:
        sys.path.insert(0, place)  # where a user's own module lies
    with Outcome.of_job(in_sweep=True) as outcome:
        with _told_if_refused(config):
            study = load(config, chosen())
        _done(study, outcome)
    return objective(outcome.result, study.objective)


@contextmanager
def _told_if_refused(config: DictConfig) -> Iterator[None]:
    """Tell the callbacks of a job that is refused for its values: it begins, and fails."""
    try:
        yield
    except ConfigError as error:
        with suppress(ConfigError):  # where the callbacks are what is refused, nobody is told
            plain = plain_of(config)
            with telling(told_of(plain), job_of(plain)):
                raise error
        raise


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


def _done(study: Study, outcome: Outcome) -> Comparison:
    """Compare, or take the result of an equal job, and tell the callbacks of it."""
    with telling(study.told, job_of(study.config)):
        return _found(study, outcome)


def _found(study: Study, outcome: Outcome) -> Comparison:
    """Compare, or take the result of an equal job; print and draw what is wanted of it."""
    directory = output_directory()
    wanted = study.report
    if wanted == "auto":
        wanted = "none" if outcome.in_sweep else "all"
    say(f"{study}\n{study.held_against}")
    say_understood(study.backtest.understood(study.strategies), study.config["dataset"])
    comparison = outcome.found(study, directory)
    if comparison is None:
        comparison = _compare(study, outcome, directory)
    else:
        for run in comparison.runs.values():
            study.told.tell("run_finished", run)
        study.told.finished(comparison)
    print()
    show(comparison, study.baseline)
    try:
        outcome.save(study, comparison, directory, wanted)
    except KeyboardInterrupt:
        draws = f"backtrain report {from_here(directory)}"
        say(f"stopped: all strategies are finished and kept; `{draws}` draws them", sys.stderr)
        raise
    except OSError as error:
        raise WriteError(
            f"{from_here(directory)}: not all could be written: {error}\nwhen that is mended, "
            f"`backtrain report {from_here(directory)}` reads what is there"
        ) from error
    if wanted == "none":
        say(f"\nrecords {from_here(directory)}; `backtrain report` on it draws the report")
    else:
        say(f"\nreport  {from_here(archive.path_of(directory, archive.REPORT))}")
    return comparison


def _compare(study: Study, outcome: Outcome, directory: Path) -> Comparison:
    """Replay; each record is written at once."""
    say_money(study.backtest)
    outcome.begins(study, directory)
    try:
        return study.compare(directory)
    except (SetupError, PartError, FutureLeak, RecordError) as error:
        _show_finished(
            study,
            directory,
            "mend what follows, or leave that strategy out by '~comparison.NAME', and give the "
            "command again",
        )
        raise ConfigError(in_words(error)) from error
    except BaseException:
        if not _show_finished(study, directory):
            say(f"stopped: none of {len(study.strategies)} strategies is finished", sys.stderr)
        raise


def _show_finished(
    study: Study, directory: Path, remedy: str = "give the same command again"
) -> bool:
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
    kept = study.backtest.store.directory is not None
    again = "fits are taken from the store" if kept else "cache=true keeps fits"
    folders = [str(from_here(path)) for path in archive.stopped_at(directory)]
    say(
        f"stopped: {len(runs)} of {wanted} strategies are finished; {rest}\n"
        f"read again: backtrain report {shlex.join(folders)}\n"
        f"to go on: {remedy}; {again}",
        sys.stderr,
    )
    return True
