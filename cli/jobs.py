"""Jobs of commands that take keys: composed, checked and built, then started where Hydra says."""

import copy
import os
import shutil
import sys
import textwrap
from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass, fields
from pathlib import Path
from typing import Any, TextIO

from hydra.core.hydra_config import HydraConfig
from hydra.types import RunMode
from omegaconf import DictConfig, OmegaConf, open_dict

from backtrain.cli.own_directory import own_directory
from backtrain.cli.terminal import say
from backtrain.config import compose
from backtrain.config.build import ConfigError
from backtrain.config.keys import Keys
from backtrain.config.study import checked
from backtrain.config.swept import Swept
from backtrain.reports import archive
from backtrain.reports.numbers import price
from backtrain.reports.sweep.result import RESULT
from backtrain.simulator.costs import CostMatrix
from backtrain.simulator.ledger import Prices
from backtrain.simulator.setup import Setup
from backtrain.store.locks import alone_in
from backtrain.tracking.callbacks import Job
from backtrain.understood import Understood


class WriteError(ConfigError):
    """The result is there, but the disk did not take all of it."""

    code = 1


@dataclass(frozen=True)
class Command:
    """A command that takes keys.

    Attributes
    ----------
    config : str
        The file of its defaults in ``conf``.
    schema : type
        Its keys.
    load : callable
        Checks and builds a config; takes it and the strategy preset that was chosen, if any.
    work : callable
        What is done with what `load` returned.
    job : callable, optional
        Does a job of a sweep, in whatever process; by default `load` and `work`.
    finish : callable, optional
        What is done with a sweep's directory when its jobs have ended, however they did.
    plan : callable, optional
        Shows what would be done: it is given each job's directory, its overrides, and what `load`
        returned, None where that cannot be built.
    """

    config: str
    schema: type[Keys]
    load: Callable[[DictConfig, str | None], Any]
    work: Callable[[Any], object]
    job: compose.Task | None = None
    finish: Callable[[Path], object] | None = None
    plan: Callable[[Sequence[tuple[Path, Sequence[str], Any]]], object] | None = None

    def start(self, arguments: list[str]) -> int:
        """Do one job, or a sweep of them; returns the exit code.

        Everything is built before Hydra makes a directory: bad input leaves nothing behind.
        """
        _SAID.clear()
        # A user's own `_target_: my_module.MyTrigger` lies where the command is called.
        sys.path.insert(0, os.getcwd())
        arguments = compose.in_order(arguments)
        if compose.only_shows(arguments):
            return compose.show(arguments, self.config, self.schema)
        if compose.is_sweep(arguments):
            return self._sweep(arguments)
        return self._one(compose.composed(arguments, self.config, self.schema)[0], arguments)

    def _sweep(self, arguments: list[str]) -> int:
        swept = Swept(arguments, self.config, self.schema)
        configs = swept.configs()
        self._refuse_mistakes(configs)
        compose.refuse_unwritable(configs[0], "hydra.sweep.dir")
        if self.plan and configs[0].run.plan_only:
            return self._plan(configs)
        _refuse_one_place(configs)
        swept.directory.mkdir(parents=True, exist_ok=True)
        with alone_in(swept.directory) as alone:
            if not alone:
                raise ConfigError(
                    f"hydra.sweep.dir={from_here(swept.directory)}: another sweep is at work "
                    "there; wait for it, or choose another"
                )
            try:
                return swept.start(self.job or self._job)
            finally:
                if self.finish:
                    self.finish(swept.directory)

    def _refuse_mistakes(self, configs: Sequence[DictConfig]) -> None:
        """Raise where every job is wrong; where some are, the others go on without them."""
        wrong: dict[int, ConfigError] = {}
        for number, config in enumerate(configs):
            try:
                checked(compose.split(config)[0], self.schema)
            except ConfigError as error:
                wrong[number] = error
        if len(wrong) == len(configs):
            raise wrong[0]
        for number, why in wrong.items():
            say(f"job {number} will fail, the others go on: {why}", sys.stderr)

    def _plan(self, configs: Sequence[DictConfig]) -> int:
        assert self.plan is not None
        code = 0
        jobs: list[tuple[Path, Sequence[str], Any]] = []
        for number, config in enumerate(configs):
            try:
                built = self.load(*compose.split(config))
            except ConfigError as error:
                say(f"job {number} will fail: {error}", sys.stderr)
                built, code = None, 1
            jobs.append((_directory(config, number), config.hydra.overrides.task, built))
        self.plan(jobs)
        return code

    def _job(self, config: DictConfig) -> None:
        self.work(self.load(config, chosen()))

    def _one(self, config: DictConfig, arguments: list[str]) -> int:
        compose.refuse_unwritable(config, "hydra.run.dir")
        built, refused = self.load(*compose.split(config)), []
        if self.plan and config.run.plan_only:
            directory = Path(str(config.hydra.run.dir)).absolute()
            self.plan([(directory, config.hydra.overrides.task, built)])
            return 0

        def work(_: DictConfig) -> None:
            """What can only be found out by a first training leaves nothing behind either."""
            try:
                self.work(built)
            except ConfigError as error:
                refused.append(error)
                directory = output_directory()
                if not (directory / archive.MANIFEST).exists():  # else something was finished
                    (directory / RESULT).unlink(missing_ok=True)
                    _remove(directory)

        with own_directory(config):
            code = compose.run(config, arguments, self.config, work)
        if refused:
            raise refused[0]
        return code


def _refuse_one_place(configs: Sequence[DictConfig]) -> None:
    """Raise where jobs would lie in one directory, and the later one replace the earlier."""
    written = OmegaConf.to_container(configs[0].hydra.sweep, resolve=False)
    if any(f"hydra.job.{key}}}" in str(written) for key in ("num", "id")):
        return  # which differs for each
    seen: dict[Path, int] = {}
    for number, config in enumerate(configs):
        place = _directory(config, number)
        if (earlier := seen.setdefault(place, number)) != number:
            raise ConfigError(
                f"hydra.sweep.subdir: jobs {earlier} and {number} would both lie in "
                f"{from_here(place.absolute())}; add ${{hydra.job.num}} to it"
            )


def _directory(config: DictConfig, number: int) -> Path:
    """Where Hydra would put a job of a sweep."""
    config = copy.deepcopy(config)
    with open_dict(config):
        config.hydra.job.num, config.hydra.job.id = number, str(number)
    return Path(str(config.hydra.sweep.dir), str(config.hydra.sweep.subdir))


def output_directory() -> Path:
    """Where Hydra wants the files of the job that is being done."""
    return Path(HydraConfig.get().runtime.output_dir)


def job_of(config: Mapping[str, Any]) -> Job:
    """The job that is being done, as callbacks are told of it."""
    settings = HydraConfig.get()
    in_sweep = settings.mode == RunMode.MULTIRUN
    return Job(
        output_directory(),
        config,
        Path(settings.sweep.dir).absolute() if in_sweep else None,
        settings.job.num if in_sweep else 0,
        tuple(settings.overrides.task),
    )


def chosen() -> str | None:
    """The strategy preset that the job which is being done has chosen."""
    preset: str | None = HydraConfig.get().runtime.choices.get("strategy")
    return preset


#: What this command has said of data and question: jobs of a sweep say it once.
_SAID: set[str] = set()
#: What the first line and that of the prices say is not said twice.
_ELSEWHERE = ("data", "prices")
_MOST_SENTENCES = 5


def say_understood(understood: Understood, dataset: Mapping[str, Any]) -> None:
    """Say what was understood of data and question, and what to mend first, each line once."""
    lines = [(about, text) for about, text in understood.lines.items() if about not in _ELSEWHERE]
    read = understood.reading
    lines += [("read", sentence) for sentence in read[:_MOST_SENTENCES]]
    if len(read) > _MOST_SENTENCES:
        lines.append(("read", f"and {len(read) - _MOST_SENTENCES} more sentences, in the report"))
    for about, text in lines:
        _say_once(_wrapped(f"{about:<8}{text}", 8))
    for remark in understood.warnings:
        usable = remark.keys and ("drop" in dataset or not remark.keys.startswith("dataset."))
        said = _wrapped(f"warning: {remark.says}", 9)
        _say_once(f"{said}\n{' ' * 9}{remark.keys}" if usable else said, sys.stderr)


def _wrapped(text: str, indent: int) -> str:
    """In lines of at most 100 characters; names and code stay whole."""
    return textwrap.fill(
        text, 100, subsequent_indent=" " * indent, break_long_words=False, break_on_hyphens=False
    )


def _say_once(text: str, file: TextIO | None = None) -> None:
    if text not in _SAID:
        _SAID.add(text)
        say(text, file)


def say_money(setup: Setup) -> None:
    """Say which prices are in force, which of them nobody gave, and what decides, each once."""
    settings = HydraConfig.get()
    preset, prices = settings.runtime.choices.get("prices"), setup.prices
    in_money = isinstance(setup.row_loss, CostMatrix)
    said = unset_prices(prices, preset, settings.overrides.task, in_money, setup.currency)
    shown = ", ".join(f"{key} {price(value, setup.currency)}" for key, value in _set(prices))
    _say_once(said or f"prices  {shown}")
    if in_money and prices.error != 1:
        times = price(prices.error)
        _say_once(f"prices  error {times}: times the costs; set prices.error=1 for money")
    if setup.rule is not None:
        _say_once(f"answers {setup.rule}")


def unset_prices(
    prices: Prices,
    preset: str | None,
    overrides: Sequence[str],
    in_money: bool = False,
    currency: str = "",
) -> str:
    """Says which prices nobody has given, and by which keys they are; empty where all are given.

    That of an error is 1, and need not be given, where the loss is ``in_money`` already.

    >>> unset_prices(Prices(retrain=10), "mistakes", ["prices.error=2"])
    'prices  retrain 10: of prices=mistakes, not yours; set prices.retrain='
    """
    given = [override.lstrip("+~") for override in overrides]
    keys = [
        key
        for key in (("retrain",) if in_money else ("retrain", "error"))
        if not any(one.startswith(("prices=", f"prices.{key}=")) for one in given)
    ]
    if not keys:
        return ""
    values = ", ".join(f"{key} {price(getattr(prices, key), currency)}" for key in keys)
    wanted = " ".join(f"prices.{key}=" for key in keys)
    return f"prices  {values}: of prices={preset}, not yours; set {wanted}"


def _set(prices: Prices) -> list[tuple[str, float]]:
    """Prices that are not 0, by name."""
    given = ((field.name, getattr(prices, field.name)) for field in fields(prices))
    return [(name, value) for name, value in given if value] or [("retrain", 0.0)]


def from_here(path: Path) -> Path:
    """A path as short as it can be written where the command was called."""
    return path.relative_to(Path.cwd()) if path.is_relative_to(Path.cwd()) else path


def _remove(directory: Path) -> None:
    """Undo what Hydra made for a run: its notes, and directories that are empty without them."""
    shutil.rmtree(directory / ".hydra", ignore_errors=True)
    for emptied in (directory, *directory.parents):
        if emptied == Path.cwd() or any(emptied.iterdir()):
            break
        emptied.rmdir()
