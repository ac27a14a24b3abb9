"""The command line: ``backtrain run``, ``tune``, ``report``, ``list`` and ``cache``."""

from __future__ import annotations

import argparse
import os
import re
import shlex
import shutil
import sys
from collections.abc import Callable, Sequence
from importlib.metadata import version
from importlib.resources import files
from pathlib import Path

import hydra
from hydra.core.hydra_config import HydraConfig
from omegaconf import DictConfig, OmegaConf

from backtrain.cli.sweeps import Sweep, outcome
from backtrain.cli.terminal import Terminated, command, in_one_line, say, stoppable
from backtrain.config import tuning_study
from backtrain.config.build import ConfigError, guess
from backtrain.config.compose import (
    PACKAGE,
    check_all,
    in_order,
    is_sweep,
    only_shows,
    refuse_unwritable,
    split,
)
from backtrain.config.study import Study, explained, in_words, load
from backtrain.config.tuning_study import TuningStudy
from backtrain.reports import archive
from backtrain.reports.comparison import Comparison
from backtrain.reports.tables import terminal_table
from backtrain.simulator.errors import PartError
from backtrain.simulator.record import RecordError
from backtrain.simulator.setup import SetupError
from backtrain.simulator.view import FutureLeak
from backtrain.store.cache_dir import default_directory
from backtrain.store.fits import FitStore

_HELP = """\
Backtest your retraining strategy before production pays for it.

  backtrain run [key=value ...] [-m]   compare strategies on one dataset; -m sweeps over several
  backtrain tune [key=value ...]       how often to retrain, on how many and how old rows
  backtrain report DIR...              write a report again, or several runs into one
  backtrain list [group]               what can be named, with one line each
  backtrain cache info|clear           the fits that are kept for later runs

Examples:
  backtrain run                        ten strategies on two years of bike rentals
  backtrain run dataset=table dataset.path=my.csv dataset.time=ts dataset.target=y
  backtrain run -m comparison=one strategy=monthly,champion seed=0,1

`backtrain run --help` and `backtrain tune --help` show every key that can be set."""


def main(argv: Sequence[str] | None = None) -> int:
    """Run a command; returns the exit code: 0, 1 for what failed, 2 for bad input, 130 stopped."""
    arguments = list(sys.argv[1:] if argv is None else argv)
    with in_one_line(), stoppable():
        return _command(arguments)


def _command(arguments: list[str]) -> int:
    try:
        if arguments[:1] == ["run"]:
            return _run(arguments[1:])
        if arguments[:1] == ["tune"]:
            return _tune(arguments[1:])
        if not arguments or arguments[0] in ("-h", "--help", "help"):
            print(_HELP)
            return 0
        parsed = _parser().parse_args(arguments)
        parsed.command(parsed)
        return 0
    except BrokenPipeError:
        # Whoever read the output, such as `head`, has seen enough.
        os.dup2(os.open(os.devnull, os.O_WRONLY), sys.stdout.fileno())
        return 0
    except KeyboardInterrupt as stop:
        return stop.code if isinstance(stop, Terminated) else 130
    except ConfigError as error:
        if os.environ.get("HYDRA_FULL_ERROR") == "1":
            raise
        say(str(error), sys.stderr)
        return 1 if isinstance(error, _WriteError) else 2


class _WriteError(ConfigError):
    """The result is there, but the disk did not take all of it."""


def _parser() -> argparse.ArgumentParser:
    parser = argparse.ArgumentParser("backtrain")
    parser.add_argument("--version", action="version", version=f"backtrain {version('backtrain')}")
    commands = parser.add_subparsers(required=True, metavar="command")
    commands.add_parser("run", add_help=False)
    commands.add_parser("tune", add_help=False)
    report = commands.add_parser("report", help="write a report from the records of runs")
    report.add_argument("directories", nargs="+", metavar="DIR", help="what `run` wrote")
    report.add_argument("--output", type=Path, help="default: report.html, in DIR if there is one")
    report.add_argument("--baseline", help="the strategy that the others are held against")
    report.set_defaults(command=_report)
    listing = commands.add_parser("list", help="what can be named")
    listing.add_argument("group", nargs="?", help="such as strategy or dataset")
    listing.set_defaults(command=_list)
    cache = commands.add_parser("cache", help="the fits that are kept for later runs")
    cache.add_argument("action", choices=("info", "clear"))
    cache.add_argument("--directory", type=Path, help="default: the user's cache directory")
    cache.set_defaults(command=_cache)
    return parser


# --- run ------------------------------------------------------------------------------------------


def _run(arguments: list[str]) -> int:
    # A user's own `_target_: my_module.MyTrigger` lies where the command is called.
    sys.path.insert(0, os.getcwd())
    arguments = in_order(arguments)
    if only_shows(arguments):
        return _hydra(arguments, lambda config: None)
    config = check_all(arguments)
    refuse_unwritable(config, "hydra.sweep.dir" if is_sweep(arguments) else "hydra.run.dir")
    if is_sweep(arguments):
        return _sweep(arguments)
    # Everything is built before Hydra makes a directory: bad input leaves nothing behind.
    study = load(*split(config))
    return _in_its_directory(arguments, lambda: _compare(study))


def _in_its_directory(
    arguments: list[str], work: Callable[[], object], command: str = "run"
) -> int:
    """Do one job where Hydra says; raises what the work refused, and then leaves nothing behind."""
    refused: list[ConfigError] = []
    code = _hydra(arguments, lambda config: _job(work, refused), command)
    if refused:
        raise refused[0]
    return code


def _hydra(arguments: list[str], task: Callable[[DictConfig], None], command: str = "run") -> int:
    """Let Hydra compose, make its directory and call the task; returns the exit code."""
    start = hydra.main(version_base="1.3", config_path=f"pkg://{PACKAGE}", config_name=command)
    sys.argv = [f"backtrain {command}", *arguments]
    try:
        start(task)()
    except SystemExit as stop:
        return stop.code if isinstance(stop.code, int) else 1
    return 0


def _job(work: Callable[[], object], refused: list[ConfigError]) -> None:
    """Do it; what can only be found out by a first training leaves nothing behind either."""
    try:
        work()
    except ConfigError as error:
        refused.append(error)
        directory = Path(HydraConfig.get().runtime.output_dir)
        if not (directory / archive.MANIFEST).exists():  # else something was finished before
            _remove(directory)


def _sweep(arguments: list[str]) -> int:
    sweep = Sweep()

    def job(config: DictConfig) -> None:
        with sweep.job() as row:
            study = load(config, HydraConfig.get().runtime.choices.get("strategy"))
            row.update(outcome(_compare(study), study.baseline))

    code = _hydra(arguments, job)
    # Empty where a launcher ran the jobs in other processes; the file is there all the same.
    if sweep.rows:
        say(f"\n{sweep}")
    return code


def _compare(study: Study) -> Comparison:
    """Replay, tell what came out, and draw it where Hydra says; each record is written at once."""
    directory = Path(HydraConfig.get().runtime.output_dir)
    say(str(study))
    try:
        comparison = study.compare(directory)
    except (SetupError, PartError, FutureLeak, RecordError) as error:
        _tell_finished(study, directory)
        raise ConfigError(in_words(error)) from error
    except BaseException:
        if not _tell_finished(study, directory):
            say(f"stopped: none of {len(study.strategies)} strategies is finished", sys.stderr)
        raise
    print()
    _tell(comparison, study.baseline)
    try:
        comparison.save(directory, study.baseline)
    except OSError as error:
        raise _WriteError(
            f"{_from_here(directory)}: not all could be written: {error}\nwhen that is mended, "
            f"`backtrain report {_from_here(directory)}` reads what is there"
        ) from error
    say(f"\nreport  {_from_here(archive.path_of(directory, archive.REPORT))}")
    return comparison


def _tell(comparison: Comparison, baseline: str | None) -> None:
    # The typographic minus of reports is missing from some terminal fonts.
    verdict = " ".join(str(comparison.verdict(baseline)).split()).replace("\N{MINUS SIGN}", "-")
    say(f"{terminal_table(comparison, baseline)}\n\n{verdict}")


def _tell_finished(study: Study, directory: Path) -> bool:
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
    folders = [str(_from_here(path)) for path in archive.stopped_at(directory)]
    say(
        f"stopped: {len(runs)} of {wanted} strategies are finished; {rest}\n"
        f"read again: backtrain report {shlex.join(folders)}\n"
        f"to go on: give the same command again; {again}",
        sys.stderr,
    )
    return True


def _from_here(path: Path) -> Path:
    return path.relative_to(Path.cwd()) if path.is_relative_to(Path.cwd()) else path


def _remove(directory: Path) -> None:
    """Undo what Hydra made for a run: its notes, and directories that are empty without them."""
    shutil.rmtree(directory / ".hydra", ignore_errors=True)
    for emptied in (directory, *directory.parents):
        if emptied == Path.cwd() or any(emptied.iterdir()):
            break
        emptied.rmdir()


# --- tune -----------------------------------------------------------------------------------------


def _tune(arguments: list[str]) -> int:
    sys.path.insert(0, os.getcwd())
    arguments = in_order(arguments)
    if only_shows(arguments):
        return _hydra(arguments, lambda config: None, "tune")
    config = check_all(arguments, "tune", tuning_study.keys)
    refuse_unwritable(config, "hydra.sweep.dir" if is_sweep(arguments) else "hydra.run.dir")
    if is_sweep(arguments):
        return _hydra(arguments, lambda config: _answer(tuning_study.load(config)), "tune")
    study = tuning_study.load(split(config)[0])
    return _in_its_directory(arguments, lambda: _answer(study), "tune")


def _answer(study: TuningStudy) -> None:
    """Tune, save it where Hydra says, and tell what came out."""
    directory = Path(HydraConfig.get().runtime.output_dir)
    say(str(study))
    try:
        tuning = study.tune()
    except (SetupError, PartError, FutureLeak) as error:
        raise ConfigError(in_words(error)) from error
    say(f"\n{tuning}")
    try:
        preset = _from_here(study.save(tuning, directory))
    except OSError as error:
        where = _from_here(directory)
        raise _WriteError(f"{where}: the report could not be written: {error}") from error
    again = ["backtrain", "run", "--config-dir", str(preset.parent.parent)]
    again += [f"strategy={preset.stem}", *_same_question(HydraConfig.get().overrides.task)]
    say(f"\npreset  {preset}, to be judged on later rows:\n  {command([*again, 'start=DATE'])}")
    say(f"report  {_from_here(archive.tune_path(directory))}")


def _same_question(overrides: Sequence[str]) -> list[str]:
    """The overrides of a tuning that ask `run` about the same data, model and prices."""
    own = {"start", "end", "every", "intervals", "window", "update"}
    shared = set(tuning_study.keys.__annotations__) - own
    return [o for o in overrides if re.split(r"[@.=]", o.lstrip("+~"))[0] in shared]


# --- report ---------------------------------------------------------------------------------------


def _report(parsed: argparse.Namespace) -> None:
    first = Path(parsed.directories[0])
    alone = len(parsed.directories) == 1 and parsed.output is None
    with explained():
        runs, missing = archive.unfinished(first) if alone else ({}, [])
        whole = bool(runs) and not missing  # of a save that was broken off while it was drawing
        comparison = Comparison(runs) if whole else Comparison.load(*parsed.directories)
        _tell(comparison, parsed.baseline)
        if whole:
            path = archive.path_of(comparison.save(first, parsed.baseline), archive.REPORT)
        elif alone and (first / archive.MANIFEST).exists():
            page = comparison.page(parsed.baseline).encode()
            path = archive.add_file(first, archive.REPORT, page)
        else:
            where = first if len(parsed.directories) == 1 else Path()
            path = parsed.output or where / archive.REPORT
            _write_page(comparison, path, parsed.baseline)
    if runs and missing and comparison.runs.keys() != runs.keys():
        folders = [str(_from_here(folder)) for folder in archive.stopped_at(first)]
        say(f"a newer comparison was stopped: backtrain report {shlex.join(folders)}", sys.stderr)
    say(f"\nreport  {_from_here(path)}")


def _write_page(comparison: Comparison, path: Path, baseline: str | None) -> None:
    try:
        comparison.to_html(path, baseline)
    except OSError as error:
        why = "a directory" if path.is_dir() else error.strerror or error
        raise ConfigError(
            f"{path}: the report cannot be written ({why}); give --output=FILE"
        ) from error


# --- list -----------------------------------------------------------------------------------------


def _list(parsed: argparse.Namespace) -> None:
    folder = files(PACKAGE)
    groups = sorted(
        entry.name for entry in folder.iterdir() if entry.is_dir() and _choices(entry.name)
    )
    if parsed.group is not None and parsed.group not in groups:
        raise ConfigError(f"{parsed.group}: no such group; {guess(parsed.group, groups)}")
    for group in groups if parsed.group is None else [parsed.group]:
        choices = _choices(group)
        width = max(map(len, choices))
        print(f"{group}=")
        for choice in choices:
            usual = " (default)" if choice in _defaults().get(group, []) else ""
            print(f"  {choice:{width}}  {describe(group, choice)}{usual}")


def _choices(group: str) -> list[str]:
    """The presets of a group; those with an underscore are for other presets only."""
    names = [entry.name for entry in (files(PACKAGE) / group).iterdir()]
    return sorted(n.removesuffix(".yaml") for n in names if n.endswith(".yaml") and n[0] != "_")


def describe(group: str, choice: str) -> str:
    """The first comment of a preset's file."""
    lines = (files(PACKAGE) / group / f"{choice}.yaml").read_text(encoding="utf-8").splitlines()
    return next(line[2:] for line in lines if line[:1] == "#" and "@package" not in line)


def _defaults() -> dict[str, list[str]]:
    entries = OmegaConf.create((files(PACKAGE) / "run.yaml").read_text(encoding="utf-8")).defaults
    groups = (entry for entry in entries if OmegaConf.is_dict(entry))
    return {
        str(group): [str(name) for name in choice] if OmegaConf.is_list(choice) else [str(choice)]
        for entry in groups
        for group, choice in entry.items()
    }


# --- cache ----------------------------------------------------------------------------------------


def _cache(parsed: argparse.Namespace) -> None:
    with explained():
        store = FitStore(parsed.directory or default_directory())
        if parsed.action == "clear":
            store.clear()
        found = store.info()
    size, room = (found[key] / 2**20 for key in ("bytes", "max_bytes"))
    print(f"{found['path']}: {found['entries']:,} entries, {size:,.1f} of {room:,.0f} MiB")
