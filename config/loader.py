"""Hydra's config loader, which also composes what we say of strategies.

Several strategies in one job, grids, and keys of parts that a strategy has from the run. It is
Hydra's loader that every launcher sends to where jobs are done, so these words work there, too.
"""

import copy
from collections.abc import Sequence
from dataclasses import replace
from typing import Any

from hydra._internal.config_loader_impl import ConfigLoaderImpl
from hydra.core.config_search_path import ConfigSearchPath
from hydra.core.override_parser.overrides_parser import OverridesParser
from hydra.core.override_parser.types import Override
from hydra.types import RunMode
from omegaconf import DictConfig, OmegaConf, open_dict

from backtrain.config import grid, places
from backtrain.config.build import ConfigError, guess
from backtrain.config.presets import PARTS
from backtrain.config.repository import Repository
from backtrain.config.said import Said, presets_of

#: A group, and the preset of it.
_Pair = tuple[str, str]


class Loader(ConfigLoaderImpl):
    """Composes a config, then places strategies and what is set in them."""

    def __init__(self, config_search_path: ConfigSearchPath) -> None:
        super().__init__(config_search_path)
        self.repository = Repository(config_search_path)
        self._presets: dict[tuple[str, ...], DictConfig] = {}

    def presets(self, lines: tuple[str, ...]) -> DictConfig:
        """What lines like ``+trigger@p0=every`` name; jobs share it, so do not change it."""
        if lines not in self._presets:
            self._presets[lines] = self.load_configuration(
                None, [*lines], RunMode.RUN, from_shell=False
            )
        return self._presets[lines]

    def load_configuration(
        self,
        config_name: str | None,
        overrides: list[str],
        run_mode: RunMode,
        *more: Any,
        **options: Any,
    ) -> DictConfig:
        """Compose the config of a job, or of a sweep as a whole."""
        return self._loaded(
            super().load_configuration, config_name, overrides, run_mode, *more, **options
        )

    def _load_configuration(
        self,
        config_name: str | None,
        overrides: list[str],
        run_mode: RunMode,
        *more: Any,
        **options: Any,
    ) -> DictConfig:
        """The same, as Hydra 1.4 calls it with overrides that it has parsed already."""
        return self._loaded(
            super()._load_configuration,  # type: ignore[misc]
            config_name,
            overrides,
            run_mode,
            *more,
            **options,
        )

    def compute_defaults_list(
        self, config_name: str | None, overrides: list[str], run_mode: RunMode
    ) -> Any:
        """What ``--info defaults`` shows."""
        return super().compute_defaults_list(config_name, Said.of(overrides).rest, run_mode)

    def get_group_options(self, group_name: str, *more: Any, **options: Any) -> list[str]:
        """The presets of a group; those with an underscore are for other presets only."""
        names = super().get_group_options(group_name, *more, **options)
        return [name for name in names if not name.startswith("_")]

    def _loaded(
        self,
        load: Any,
        name: str | None,
        overrides: list[str],
        mode: RunMode,
        *more: Any,
        **options: Any,
    ) -> DictConfig:
        said = Said.of(overrides)
        mine, rest = [*said.rest], dict(options)
        if options.get("parsed_overrides") is not None:
            rest["parsed_overrides"] = OverridesParser.create().parse_overrides(mine)
        config: DictConfig = load(name, mine, mode, *more, **rest)
        if "comparison" not in config:
            # Of a command that compares nothing: Hydra says what is wrong with what it is told.
            return load(name, overrides, mode, *more, **options) if said else config
        if mode == RunMode.RUN and (said or config.get("grid")):
            searched = [one for one in mine if one.lstrip("+").startswith("hydra.searchpath=")]
            _Placing(self, config, said, searched).done()
        if said:
            _note(config, overrides)
        return config


def _note(config: DictConfig, overrides: Sequence[str]) -> None:
    """Note all overrides of the task, as if Hydra had followed them."""
    parsed = OverridesParser.create().parse_overrides(list(overrides))
    task = [override for override in parsed if not override.is_hydra_override()]
    config.hydra.overrides.task = [str(override.input_line) for override in task]
    job = config.hydra.job
    if OmegaConf.is_interpolation(job, "override_dirname"):  # then Hydra 1.4 makes it of them
        return
    how = job.config.override_dirname
    lines = [str(o.input_line) for o in task if o.key_or_group not in how.exclude_keys]
    job.override_dirname = how.item_sep.join(sorted(lines)).replace("=", how.kv_sep)


class _Placing:
    """One config, while strategies are placed in it."""

    def __init__(
        self, loader: Loader, config: DictConfig, said: Said, searched: Sequence[str]
    ) -> None:
        self.loader, self.config, self.said = loader, config, said
        self.axes = grid.axes_of(config.get("grid"), said.axes)
        self.bases = self._bases()
        self.nodes = self._composed(searched)

    def done(self) -> None:
        """Place all of it."""
        before = set(self.config.comparison)
        if self.bases:
            self._choose()
        shared = self._of_the_run()
        for override in self.said.placed:
            self._place(override)
        if self.axes:
            self._spread(before)
        if shared and not self._of_the_run():
            # Each has a trigger of its own now; what was said of the run's stands in these.
            places.put(self.config, ["trigger"], self.nodes["trigger", "every"], "trigger")

    # --- presets ----------------------------------------------------------------------------------

    def _bases(self) -> list[str]:
        """The presets that are compared, or made a grid of, where Hydra has not placed them."""
        if self.said.chosen is not None:
            return presets_of(self.said.chosen, self.loader.get_group_options("strategy"))
        # What comparison=one compares where nobody names a strategy is not meant by a grid.
        choices = self.config.hydra.runtime.choices
        named = self.said.names or choices.get("experiment") is not None
        none = self.config.get("strategy") is None
        return ["parts"] if self.axes and (none or not named) else []

    def _composed(self, searched: Sequence[str]) -> dict[_Pair, DictConfig]:
        """Presets, each composed by itself: there is nothing of the run's to merge with."""
        pairs: list[_Pair] = [("trigger", "every"), *(("strategy", name) for name in self.bases)]
        for override in self.said.placed:
            group = self._group(override)
            if group is not None:
                if not self.loader.get_group_options(group):
                    known = self.loader.list_groups("")
                    raise ConfigError(f"{group}: no such group; {guess(group, known)}")
                pairs.append((group, str(override.value())))
        for key, values in self.axes.items():
            pairs += [
                (key.rpartition(".")[2], v) for v in values if self._is_preset(key, v, "grid.")
            ]
        pairs = list(dict.fromkeys(pairs))
        lines = [f"+{group}@p{place}={name}" for place, (group, name) in enumerate(pairs)]
        composed = self.loader.presets((*searched, *lines))
        return {pair: composed[f"p{place}"] for place, pair in enumerate(pairs)}

    def _group(self, override: Override) -> str | None:
        """The group of a preset that is chosen, also as in ``strategy.window=sliding``, or None."""
        if override.package is not None:
            return override.key_or_group
        if override.is_delete() or override.is_add() or override.is_force_add():
            return None
        key, value = override.key_or_group, override.value()
        return key.rpartition(".")[2] if self._is_preset(key, value) else None

    def _is_preset(self, key: str, value: Any, place: str = "") -> bool:
        group = key.rpartition(".")[2]
        if group not in PARTS or not isinstance(value, str):
            return False
        choices = self.loader.get_group_options(group)
        if value not in choices:
            raise ConfigError(f"{place}{key}={value}: no such choice; {guess(value, choices)}")
        return True

    # --- places -----------------------------------------------------------------------------------

    def _choose(self) -> None:
        """The presets that were listed: one is what ``strategy=`` names, several are compared."""
        config, choices = self.config, self.config.hydra.runtime.choices
        alone = self.bases[0] if len(self.bases) == 1 else None
        with open_dict(config):
            config.strategy = None
            choices["strategy"] = alone
            if alone is not None:
                config.strategy = copy.deepcopy(self.nodes["strategy", alone])
                return
            for name in self.bases:
                config.comparison[name] = copy.deepcopy(self.nodes["strategy", name])
                choices[f"strategy@comparison.{name}"] = name

    def _place(self, override: Override) -> None:
        path = override.package if override.package is not None else override.key_or_group
        line, steps = str(override.input_line).lstrip("+"), path.split(".")
        if steps[:2] == ["comparison", self.config.hydra.runtime.choices.get("strategy")]:
            steps = ["strategy", *steps[2:]]
        inside = len(steps) > (1 if steps[0] == "strategy" else 2)
        if inside:
            self._refuse_nobody(steps, path)
        group = self._group(override)
        if group is not None:
            if group == "strategy":
                with open_dict(self.config):
                    self.config.hydra.runtime.choices[f"strategy@{path}"] = str(override.value())
            places.put(self.config, steps, self.nodes[group, str(override.value())], line)
            return
        merges = isinstance(override.value(), dict) and bool(override.value())
        places.own(self.config, steps if merges else steps[:-1])
        moved = replace(override, key_or_group=".".join(steps))
        ConfigLoaderImpl._apply_overrides_to_config([moved], self.config)

    def _refuse_nobody(self, steps: Sequence[str], path: str) -> None:
        """Raise `ConfigError` where something is set in a strategy that there is not."""
        names = list(map(str, self.config.comparison))
        if steps[0] == "comparison":
            if steps[1] not in names:
                alone = self.config.hydra.runtime.choices.get("strategy")
                names += [alone] if alone else []
                raise ConfigError(f"{path}: {steps[1]} is not compared; {guess(steps[1], names)}")
        elif self.config.get("strategy") is None:
            rest = ".".join(steps[1:])
            if len(self.bases) > 1:
                hint = f"strategy= names several; set comparison.{self.bases[0]}.{rest}, ..."
            else:
                hint = f"no strategy is chosen; add strategy=NAME, or set comparison.NAME.{rest}"
            raise ConfigError(f"{path}: {hint}")

    # --- the grid ---------------------------------------------------------------------------------

    def _spread(self, before: set[str]) -> None:
        """Compare the strategies of the grid, in place of those that it is made of."""
        config = self.config
        if len(self.bases) > 1:
            bases = {name: copy.deepcopy(config.comparison[name]) for name in self.bases}
        else:
            bases = {"": copy.deepcopy(config.strategy)}
        labels = grid.labels_of(list(self.axes))
        combinations = list(grid.points(self.axes, len(bases)))
        made: dict[str, Any] = {}
        for base, node in bases.items():
            for point in combinations:
                name = f"{base} {grid.name_of(point, labels)}".strip()
                if name in made or name in config.comparison:
                    raise ConfigError(f"grid: two strategies would be called {name!r}")
                made[name] = self._member(node, point)
        with open_dict(config):
            for base in bases.keys() - before - {""}:
                del config.comparison[base]
            config.strategy, config.grid = None, {}
            config.hydra.runtime.choices["strategy"] = None
            for name, node in made.items():
                config.comparison[name] = node

    def _member(self, base: DictConfig, point: dict[str, Any]) -> Any:
        """A strategy of the grid; presets come before the keys that they have."""
        with open_dict(self.config):
            self.config.strategy = copy.deepcopy(base)
        for key, value in sorted(point.items(), key=lambda item: item[0].count(".")):
            steps, shown = ["strategy", *key.split(".")], f"grid.{key}"
            if self._is_preset(key, value):
                places.put(self.config, steps, self.nodes[key.rpartition(".")[2], value], shown)
            else:
                places.set_at(self.config, steps, value, shown)
        return copy.deepcopy(self.config.strategy)

    def _of_the_run(self) -> bool:
        """Whether a strategy has the run's trigger."""
        compared = [self.config.comparison[name] for name in self.config.comparison]
        return any(
            OmegaConf.is_dict(one) and OmegaConf.is_interpolation(one, "trigger")
            for one in (*compared, self.config.get("strategy"))
        )
