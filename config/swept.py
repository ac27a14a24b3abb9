"""The jobs of a sweep, each composed once; Hydra's sweeper is handed what was composed."""

import pickle
from collections.abc import Iterator, Sequence
from contextlib import contextmanager
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

from hydra._internal.core_plugins.basic_sweeper import BasicSweeper
from hydra._internal.hydra import Hydra
from hydra.core.override_parser.overrides_parser import OverridesParser
from hydra.core.override_parser.types import Override, Quote, QuotedString
from hydra.types import RunMode
from omegaconf import DictConfig, OmegaConf, flag_override

from backtrain.config import compose
from backtrain.config.keys import Keys

#: Hydra's own sweeper, which takes every combination.
_BASIC = "hydra._internal.core_plugins.basic_sweeper.BasicSweeper"


@dataclass
class Swept:
    """The jobs of one sweep.

    Parameters
    ----------
    arguments : sequence of str
        Those of the command line.
    name : str
        The file of the command's defaults.
    schema : type
        Its keys.

    Attributes
    ----------
    directory : Path
        Where the sweep's jobs lie. It is resolved once, here: a time of day in it is another one in
        a process that starts later.
    """

    arguments: Sequence[str]
    name: str
    schema: type[Keys]
    directory: Path = field(init=False)
    _master: bytes = field(default=b"", init=False)
    _composed: dict[tuple[str, ...], bytes] = field(default_factory=dict, init=False)

    def __post_init__(self) -> None:
        with self._started() as hydra:
            name = compose.parsed(self.arguments).config_name or self.name
            master = hydra.compose_config(name, self._overrides(), RunMode.MULTIRUN)
            self.directory = Path(str(master.hydra.sweep.dir)).absolute()
        path = QuotedString(str(self.directory), Quote.single).with_quotes()
        self.arguments = compose.in_order([*self.arguments, f"hydra.sweep.dir={path}"])
        given = OverridesParser.create().parse_overrides(self._overrides())
        with flag_override(master, ["readonly", "struct"], [False, False]):
            master.hydra.sweep.dir = str(self.directory)
            own = [one.input_line for one in given if one.is_hydra_override()]
            master.hydra.overrides.hydra = own
        self._master = pickle.dumps(master, protocol=5)

    def configs(self) -> list[DictConfig]:
        """The config of each job, Hydra's own part included; raises `ConfigError`.

        Where another sweeper chooses values as it goes: of one job, with the first of each choice.
        """
        with self._started() as hydra:
            master = pickle.loads(self._master)
            jobs = _jobs(hydra, master)
            for job in jobs:
                compose._refuse_no_preset(job)
            configs = [hydra.config_loader.load_sweep_config(master, job) for job in jobs]
        self._composed = {
            tuple(job): pickle.dumps(config, protocol=5)
            for job, config in zip(jobs, configs, strict=True)
        }
        return configs

    def start(self, job: compose.Task) -> int:
        """Let Hydra's sweeper and launcher do the jobs; returns the exit code."""
        return compose.sweep(self.arguments, self.name, job, self._hand_over)

    def _hand_over(self, hydra: Hydra) -> None:
        """A sweeper composes each job twice; in this process it is given what was composed.

        So is Hydra for what jobs share.
        """
        loader: Any = hydra.config_loader
        _compose_first_choices(loader, self._master)
        loader.load_sweep_config = _Composed(loader, self._composed)

    @contextmanager
    def _started(self) -> Iterator[Any]:
        with compose._started(self.arguments) as hydra, compose._in_few_words(self.schema):
            _compose_first_choices(hydra.config_loader)
            yield hydra

    def _overrides(self) -> list[str]:
        return [*compose.parsed(self.arguments).overrides, "hydra.mode=MULTIRUN"]


# Launchers send the loader to where jobs are done, with what stands in place of its methods.


@dataclass
class _Composed:
    """In place of `load_sweep_config`: what was composed already, in the process that did so."""

    loader: Any
    jobs: dict[tuple[str, ...], bytes]

    def __call__(self, master_config: DictConfig, sweep_overrides: list[str]) -> DictConfig:
        known = self.jobs.get(tuple(sweep_overrides))
        if known is None:
            config = type(self.loader).load_sweep_config(
                self.loader, master_config, sweep_overrides
            )
        else:
            config = pickle.loads(known)
            OmegaConf.copy_cache(from_config=master_config, to_config=config)
        return config  # type: ignore[no-any-return]

    def __reduce__(self) -> tuple[Any, ...]:
        return _Composed, (self.loader, {})


@dataclass
class _FirstChoices:
    """In place of a method: what jobs share has the first preset of each group that is swept.

    Hydra leaves such a group out, and refuses its keys: ``dataset=bike,abrupt dataset.drop=[x]``.
    """

    loader: Any
    method: str
    composed: bytes = b""

    def __call__(
        self, config_name: str, overrides: list[str], run_mode: RunMode, *more: Any, **how: Any
    ) -> DictConfig:
        anew = getattr(type(self.loader), self.method)
        if run_mode == RunMode.MULTIRUN and self.composed:
            return pickle.loads(self.composed)  # type: ignore[no-any-return]
        if run_mode != RunMode.MULTIRUN:
            return anew(self.loader, config_name, overrides, run_mode, *more, **how)  # type: ignore[no-any-return]
        parser = OverridesParser.create(config_loader=self.loader)
        given = parser.parse_overrides(overrides)
        chosen = [_first(one) if self._is_group(one) else str(one.input_line) for one in given]
        if how.get("parsed_overrides") is not None:  # Hydra 1.4 has parsed them already
            how = {**how, "parsed_overrides": parser.parse_overrides(chosen)}
        config: DictConfig = anew(self.loader, config_name, chosen, run_mode, *more, **how)
        own = [one.input_line for one in given if not one.is_hydra_override()]
        config.hydra.overrides.task = own
        return config

    def __reduce__(self) -> tuple[Any, ...]:
        return _FirstChoices, (self.loader, self.method)

    def _is_group(self, override: Override) -> bool:
        known = self.loader.repository.group_exists(override.key_or_group)
        return bool(override.is_discrete_sweep() and known)


def _compose_first_choices(loader: Any, composed: bytes = b"") -> None:
    for method in ("load_configuration", "_load_configuration"):  # of Hydra 1.3, and of 1.4
        if hasattr(type(loader), method):
            setattr(loader, method, _FirstChoices(loader, method, composed))


def _first(override: Override) -> str:
    return f"{override.get_key_element()}={next(iter(override.sweep_string_iterator()))}"


def _jobs(hydra: Hydra, master: DictConfig) -> list[list[str]]:
    """The overrides of each job, as Hydra's own sweeper combines and writes them."""
    basic = master.hydra.sweeper._target_ == _BASIC
    params = master.hydra.sweeper.get("params") or {} if basic else {}
    given = [*(f"{key}={value}" for key, value in params.items()), *master.hydra.overrides.task]
    parser = OverridesParser.create(config_loader=hydra.config_loader)
    overrides = [
        one
        for one in parser.parse_overrides(given)
        if one.is_discrete_sweep() or not one.is_sweep_override()
    ]
    jobs: list[list[str]] = BasicSweeper.split_arguments(overrides, None)[0]
    return jobs if basic else jobs[:1]
