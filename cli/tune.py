"""``backtrain tune``: how often to retrain, on how many and how old rows."""

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
from backtrain.config.keys import Keys, TuneKeys, names
from backtrain.config.study import in_words
from backtrain.config.tuning_study import TuningStudy, load
from backtrain.reports import archive
from backtrain.simulator.answers import PartError
from backtrain.simulator.setup import SetupError
from backtrain.simulator.view import FutureLeak


def main(arguments: list[str]) -> int:
    """Tune, or sweep; returns the exit code."""
    return Command("tune", TuneKeys, load, _tune).start(arguments)


def _tune(study: TuningStudy) -> None:
    """Tune, save it where Hydra says, and print what came out."""
    directory = output_directory()
    say(str(study))
    say_understood(study.understood, study.dataset)
    say_money(study.backtest)
    try:
        tuning = study.tune()
    except (SetupError, PartError, FutureLeak) as error:
        raise ConfigError(in_words(error)) from error
    say(f"\n{tuning}")
    try:
        preset = from_here(study.save(tuning, directory))
    except OSError as error:
        where = from_here(directory)
        raise WriteError(f"{where}: the report could not be written: {error}") from error
    again = ["backtrain", "run", "--config-dir", str(preset.parent.parent)]
    again += [f"strategy={preset.stem}", *_same_question(HydraConfig.get().overrides.task)]
    say(f"\npreset  {preset}, to be judged on later rows:\n  {command([*again, 'start=DATE'])}")
    if study.report != "none":
        say(f"report  {from_here(archive.tune_path(directory))}")


def _same_question(overrides: Sequence[str]) -> list[str]:
    """The overrides of a tuning that ask `run` about the same data, model and prices."""
    shared = set(names(Keys)) - {"start", "end", "window", "update"}
    return [o for o in overrides if re.split(r"[@.=]", o.lstrip("+~"))[0] in shared]
