"""Places inside of strategies: what a preset or value given there does."""

import copy
from collections.abc import Sequence
from typing import Any

from omegaconf import DictConfig, OmegaConf, open_dict

from backtrain.config.build import ConfigError, guess


def own(config: DictConfig, steps: Sequence[str]) -> None:
    """Give a strategy a copy of each part on the way that it has from the run.

    Parts of the run stand in a strategy as ``${window}``: what is set there would else be set for
    all of them.
    """
    node: Any = config
    for step in steps:
        key = int(step) if OmegaConf.is_list(node) and step.isdecimal() else step
        if not _has(node, key) or OmegaConf.is_missing(node, key):
            return
        if OmegaConf.is_interpolation(node, key) and OmegaConf.is_config(node[key]):
            node[key] = copy.deepcopy(node[key])
        node = node[key]


def set_at(config: DictConfig, steps: Sequence[str], value: Any, key: str) -> None:
    """Set what stands at a place that there is; ``key`` is what the user calls it."""
    own(config, steps)
    node: Any = config
    for step in steps:
        place = int(step) if OmegaConf.is_list(node) and step.isdecimal() else step
        if not _has(node, place):
            raise ConfigError(f"{key}: no such key; {guess(step, keys_of(node))}")
        node = OmegaConf.select(node, step, throw_on_missing=False)
    OmegaConf.update(config, ".".join(steps), value, merge=False)


def put(config: DictConfig, steps: Sequence[str], node: Any, key: str) -> None:
    """Put a preset's node at a place, instead of all that stands there."""
    *above, last = steps
    own(config, above)
    parent = OmegaConf.select(config, ".".join(above)) if above else config
    if not OmegaConf.is_config(parent):
        raise ConfigError(f"{key}: {'.'.join(above)} holds no parts")
    with open_dict(config):
        if OmegaConf.is_list(parent):
            parent[int(last)] = copy.deepcopy(node)
        else:
            parent[last] = copy.deepcopy(node)


def keys_of(node: Any) -> list[str]:
    """The keys that a node has for users."""
    if OmegaConf.is_list(node):
        return [str(position) for position in range(len(node))]
    keys = [str(key) for key in node] if OmegaConf.is_dict(node) else []
    return [key for key in keys if key != "_target_"]


def _has(node: Any, key: Any) -> bool:
    if OmegaConf.is_list(node):
        return isinstance(key, int) and 0 <= key < len(node)
    return OmegaConf.is_dict(node) and key in node
