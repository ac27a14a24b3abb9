"""What `backtrain search` answers: one dataset, one model, one strategy; read from its config."""

from collections.abc import Iterator, Mapping
from copy import deepcopy
from dataclasses import dataclass, field
from functools import cached_property
from pathlib import Path
from typing import Any

from omegaconf import DictConfig, OmegaConf

from backtrain.backtest import Backtest
from backtrain.config.build import ConfigError, build, guess
from backtrain.config.engine import Engine, Processes
from backtrain.config.keys import SearchKeys, names
from backtrain.config.study import checked, explained, of_stream, prepared
from backtrain.datasets.calendar import Calendar
from backtrain.reports import archive
from backtrain.search import walk
from backtrain.search.result import Search
from backtrain.search.space import Space
from backtrain.simulator.progress import Shown
from backtrain.strategies.strategy import Strategy
from backtrain.strategies.updates.refit import last_step
from backtrain.understood import Understood

#: Where `backtrain run` finds what was chosen: --config-dir DIRECTORY strategy=searched.
PRESET = "strategy/searched.yaml"
_PARTS = ("trigger", "window", "update", "gate")
_LIMITS = ("cooldown", "budget", "blackout")
_KEPT = ("_target_", *_PARTS, *_LIMITS)
#: Keys that are a search's as they stand.
_ASKED = ("objective", "trials", "until", "folds", "sampler", "baseline")


@dataclass(frozen=True)
class SearchStudy:
    """What is searched, ready to start."""

    backtest: Backtest
    question: walk.Question
    strategy: Mapping[str, Any]
    n_jobs: int
    progress: Shown
    report: str = "all"
    engine: Engine = field(default_factory=Processes)
    dataset: Mapping[str, Any] = field(default_factory=dict)

    @cached_property
    def understood(self) -> Understood:
        """What was understood of data and question."""
        return self.backtest.understood(self.question.against)

    def search(self) -> Search:
        """Choose, and judge on later rows."""
        with self.engine.running(self.n_jobs):
            found = walk.search(self.question, self.backtest.store, self.n_jobs, self.progress)
        return self.understood.told(found)

    def save(self, found: Search, directory: Path) -> Path:
        """Write the search, and what it chose as a preset; returns where the preset lies."""
        found.save(directory, {PRESET: self._preset(found)}, self.report)
        return archive.search_path(directory, PRESET)

    def _preset(self, found: Search) -> bytes:
        config = filled(self.strategy, found.params)
        until, first = found.folds[-1].until, found.info["start"]
        calendar = Calendar.of(found.info)
        config = {"defaults": ["_base", "_self_"], **config, "tuned_until": calendar.iso(until)}
        about = f"# Chosen by `backtrain search`, {calendar.day(first)} to "
        about += f"{calendar.day(until)}: {found.chosen}."
        return f"{about}\n{OmegaConf.to_yaml(config)}".encode()

    def __str__(self) -> str:
        setup, asked = self.backtest, self.question
        axes = "; ".join(f"{key} {axis}" for key, axis in asked.space.axes.items())
        first, *rest = asked.borders
        day = setup.stream.calendar.day
        parts = "" if len(rest) == 1 else f", in {len(rest)} parts"
        return (
            f"{of_stream(setup.stream)}; {type(last_step(setup.model)).__name__}\n"
            f"search  {axes}\n"
            f"chosen on {day(setup.start_at)} to {day(first)}, judged from then on to "
            f"{day(rest[-1])}{parts}; baseline {asked.baseline}"
        )


def load(config: DictConfig, chosen: str | None = None) -> SearchStudy:
    """Check the config, read its data and build its strategies; raises `ConfigError`.

    ``chosen`` is the preset that ``strategy=`` named: as it is, without a search, it joins what the
    chosen one is held against.
    """
    with explained():
        # The strategies first: a slip in one of them should not wait for the data.
        given: Any = OmegaConf.to_container(config.search, resolve=True)
        space = Space.of(dict(_axes(given)))
        plain, backtest = prepared(*_checked(config, space))
        strategy = {key: plain["strategy"][key] for key in _KEPT if key in plain["strategy"]}
        question = walk.Question.of(
            backtest,
            lambda values: _built(strategy, values),
            space,
            against=_against(config, plain, chosen),
            **{key: plain[key] for key in _ASKED},
        )
    work = {key: plain[key] for key in ("n_jobs", "progress", "report")}
    return SearchStudy(
        backtest,
        question,
        strategy,
        engine=build(plain["engine"]),
        dataset=plain["dataset"],
        **work,
    )


def _axes(given: Mapping[str, Any], above: str = "") -> Iterator[tuple[str, Any]]:
    """Keys and what they may be; ``strategy.`` before a key says the same as nothing."""
    for key, value in given.items():
        path = f"{above}{key}"
        if isinstance(value, Mapping):
            yield from _axes(value, f"{path}.")
            continue
        path = path.removeprefix("strategy.")
        first = path.partition(".")[0]
        if path in _PARTS:
            raise ConfigError(
                f"search.{path}: a whole part; give a key of it, as in search.{path}.KEY=, or "
                f"compare parts by `backtrain run grid.{path}=[...]`"
            )
        if first not in (*_PARTS, *_LIMITS):
            hint = (
                f"set {path}=" if path in names(SearchKeys) else guess(first, (*_PARTS, *_LIMITS))
            )
            raise ConfigError(f"search.{path}: not a key of the strategy; {hint}")
        yield path, value


def _checked(config: DictConfig, space: Space) -> tuple[DictConfig, dict[str, Any]]:
    """The config with the first value of every axis, and as plain data; all ends are checked."""
    first = {key: axis.ends[0] for key, axis in space.axes.items()}
    whole = _set(config, first)
    plain = checked(whole, SearchKeys)
    for key, axis in space.axes.items():
        for end in axis.ends[1:]:
            try:
                other = checked(_set(config, first | {key: end}), SearchKeys)
                build(other["strategy"])
            except ValueError as error:
                raise ConfigError(f"search.{key}={axis}: {error}") from error
    return whole, plain


def _set(config: DictConfig, values: Mapping[str, Any]) -> DictConfig:
    """The config with these values in the strategy, or in the run's part that it takes."""
    config = deepcopy(config)
    for key, value in values.items():
        part = key.partition(".")[0]
        shared = part in _PARTS and OmegaConf.is_interpolation(config.strategy, part)
        OmegaConf.update(config, key if shared else f"strategy.{key}", value, force_add=True)
    return config


def _against(
    config: DictConfig, plain: Mapping[str, Any], chosen: str | None
) -> dict[str, Strategy]:
    """What is judged beside: the comparison, and the strategy as it is where nothing is missing."""
    given: Any = OmegaConf.to_container(
        OmegaConf.merge(config, {"task": plain["task"]}), resolve=True
    )
    whole = "???" not in str(given["comparison"])
    others = {
        name: _strategy(one) for name, one in (given if whole else plain)["comparison"].items()
    }
    own = f"{chosen or 'strategy'} as given"
    return (
        others if "???" in str(given["strategy"]) else others | {own: _strategy(given["strategy"])}
    )


def _built(config: Mapping[str, Any], values: Mapping[str, Any]) -> Strategy:
    return _strategy(filled(config, values))


def _strategy(config: Mapping[str, Any]) -> Strategy:
    strategy: Strategy = build(dict(config))
    return strategy


def filled(strategy: Mapping[str, Any], values: Mapping[str, Any]) -> dict[str, Any]:
    """A strategy's config with these values at their keys; raises `ConfigError`."""
    config = deepcopy(dict(strategy))
    for key, value in values.items():
        *above, last = key.split(".")
        node: Any = config
        for step in above:
            node = node[int(step)] if isinstance(node, list) else node.get(step)
            if not isinstance(node, (dict, list)):
                raise ConfigError(f"search.{key}: the strategy has no {step!r} to search in")
        if isinstance(node, list):
            node[int(last)] = value
        else:
            node[last] = value
    return config
