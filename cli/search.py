"""``backtrain search``: parameters of a strategy, judged on rows that they were not chosen on."""

import re
from collections.abc import Sequence

from hydra.core.hydra_config import HydraConfig

from backtrain.cli.jobs import (
    Command,
    WriteError,
    from_here,
    output_directory,
    say_money,
    say_understood,
)
from backtrain.cli.terminal import command, say
from backtrain.config.build import ConfigError
from backtrain.config.keys import Keys, SearchKeys, names
from backtrain.config.search_study import SearchStudy, load
from backtrain.config.study import in_words
from backtrain.reports import archive
from backtrain.simulator.answers import PartError
from backtrain.simulator.setup import SetupError
from backtrain.simulator.view import FutureLeak


def main(arguments: list[str]) -> int:
    """Search, or sweep over searches; returns the exit code."""
    several = bool({"-m", "--multirun"} & set(arguments))
    given = [_added(argument, several) for argument in arguments]
    return Command("search", SearchKeys, load, _search).start(given)


def _added(argument: str, several: bool) -> str:
    """``search.trigger.below=0.6..0.9`` as Hydra adds a key that its config does not have."""
    key, _, value = argument.partition("=")
    group = key.lstrip("+").partition(".")[0]
    if group == "grid" or (group == key == "strategy" and re.match(r"\[|.*[*?]", value)):
        raise ConfigError(
            f"{argument}: `backtrain search` searches one strategy, by search.KEY=VALUES; "
            "`backtrain run` compares several"
        )
    if key == "search" and not value.startswith("{"):
        raise ConfigError(f"{argument}: give ranges by key, as in search.trigger.every=1D..60D")
    if not argument.startswith("search."):
        return argument
    if not several and re.fullmatch(r"[^\[{('\"]*,.*", value):
        raise ConfigError(f"{argument}: a list of choices stands in brackets: '{key}=[{value}]'")
    return f"++{argument}"


def _search(study: SearchStudy) -> None:
    """Search, save it where Hydra says, and print what came out."""
    directory = output_directory()
    say(str(study))
    say_understood(study.understood, study.dataset)
    say_money(study.backtest)
    try:
        found = study.search()
    except (SetupError, PartError, FutureLeak) as error:
        raise ConfigError(in_words(error)) from error
    say(f"\n{found}")
    try:
        preset = from_here(study.save(found, directory))
    except OSError as error:
        where = from_here(directory)
        raise WriteError(f"{where}: the report could not be written: {error}") from error
    again = ["backtrain", "run", "--config-dir", str(preset.parent.parent)]
    start = study.backtest.stream.calendar.iso(found.folds[-1].until)
    again += [f"strategy={preset.stem}", f"start={start}"]
    again += _same_question(HydraConfig.get().overrides.task)
    paid = f"what it pays on the rows that it was not chosen on:\n  {command(again)}"
    say(f"\npreset  {preset}; {paid}")
    if study.report != "none":
        say(f"report  {from_here(archive.search_path(directory))}")


def _same_question(overrides: Sequence[str]) -> list[str]:
    """The overrides of a search that ask `run` about the same data, model and prices."""
    shared = set(names(Keys)) - {"start", "window", "update"}
    return [o for o in overrides if re.split(r"[@.=]", o.lstrip("+~"))[0] in shared]
