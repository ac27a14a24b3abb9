"""A grid over the keys of a strategy: its axes, and what each strategy of it is called."""

import itertools
import json
from collections.abc import Iterator, Mapping, Sequence
from typing import Any

from hydra.core.override_parser.types import Override
from omegaconf import OmegaConf

from backtrain.config.build import ConfigError

#: What one comparison can still show.
MOST = 1_000
_EXAMPLE = "as in grid.trigger.every=[1D,7D]"

Axes = dict[str, list[Any]]


def axes_of(node: Any, overrides: Sequence[Override]) -> Axes:
    """Values by key, of a config's ``grid`` and of overrides; raises `ConfigError`."""
    axes = dict(
        _flat("", OmegaConf.to_container(node) if OmegaConf.is_config(node) else node or {})
    )
    for override in overrides:
        key = override.key_or_group.removeprefix("grid").lstrip(".")
        if override.is_sweep_override():
            line = str(override.input_line)
            what, _, values = line.partition("=")
            raise ConfigError(f"{line}: give a list, {what}=[{values}], or sweep with -m")
        value = None if override.is_delete() else override.value()
        if override.is_delete() or isinstance(value, dict):  # what it held is gone
            within = f"{key}." if key else ""
            axes = {k: v for k, v in axes.items() if not f"{k}.".startswith(within)}
        if not override.is_delete() and (key or value not in (None, {})):
            axes |= dict(_flat(key, value))
    for key, values in axes.items():
        if not key or not isinstance(values, list) or not values:
            at = f"grid.{key}".strip(".")
            raise ConfigError(f"{at}={_shown(values)}: give a list of values, {_EXAMPLE}")
        axes[key] = [v for k, v in enumerate(values) if v not in values[:k]]
    return axes


def points(axes: Axes, strategies: int) -> Iterator[dict[str, Any]]:
    """Every combination, the last axis fastest; raises `ConfigError` where they are too many."""
    number = strategies
    for values in axes.values():
        number *= len(values)
    if number > MOST:
        raise ConfigError(
            f"grid: {number:,} strategies; one comparison takes {MOST:,}: leave values out, or "
            "make jobs of one axis with -m, as in -m grid.window.length=[30D],[90D]"
        )
    return (dict(zip(axes, one, strict=True)) for one in itertools.product(*axes.values()))


def name_of(point: Mapping[str, Any], labels: Mapping[str, str]) -> str:
    """What a strategy of the grid is called: what differs.

    >>> name_of({"trigger.every": "1D", "window": None}, {"trigger.every": "every", "window": "w"})
    'every=1D w=null'
    """
    return " ".join(f"{labels[key]}={_shown(value)}" for key, value in point.items())


def labels_of(keys: Sequence[str]) -> dict[str, str]:
    """Keys by as many of their last steps as tell them apart.

    >>> labels_of(["trigger.every", "trigger.metric", "gate.metric"])
    {'trigger.every': 'every', 'trigger.metric': 'trigger.metric', 'gate.metric': 'gate.metric'}
    """
    labels = {}
    for key in keys:
        steps = key.split(".")
        ends = (".".join(steps[-count:]) for count in range(1, len(steps) + 1))
        labels[key] = next(
            (end for end in ends if sum(f".{k}".endswith(f".{end}") for k in keys) == 1), key
        )
    return labels


def _flat(key: str, value: Any) -> Iterator[tuple[str, Any]]:
    if not isinstance(value, dict):
        yield key, value
        return
    for inner, nested in value.items():
        yield from _flat(f"{key}.{inner}" if key else str(inner), nested)


def _shown(value: Any) -> str:
    if isinstance(value, str):
        return value
    if isinstance(value, dict) and "_target_" in value:
        rest = {key: inner for key, inner in value.items() if key != "_target_"}
        return str(value["_target_"]).rpartition(".")[2] + (_shown(rest) if rest else "")
    text = json.dumps(value, separators=(",", ":"), default=str, ensure_ascii=False)
    return text.replace('"', "")
