"""What may follow on a command line that is not finished: keys, presets and values."""

import re
from collections.abc import Iterable, Iterator, Sequence
from contextlib import suppress
from typing import Any, Literal, get_args, get_origin, get_type_hints

from omegaconf import DictConfig, OmegaConf

from backtrain.config import compose
from backtrain.config.keys import Keys, RunKeys
from backtrain.config.presets import PARTS

#: Keys that stand above others, and are no groups of presets.
_OF_KEYS = ("comparison", "grid", "horizon", "lags", "search")
_OPTIONS = ("--multirun", "--help", "--cfg", "--config-dir", "--config-name", "--info", "--package")


def candidates(words: Sequence[str], name: str, schema: type[Keys] = RunKeys) -> list[str]:
    """Whole words that the last one may become.

    Parameters
    ----------
    words : sequence of str
        What stands after the command; the last word is under way, and may be empty.
    name : str
        The config of the command's defaults.
    schema : type
        Its keys.
    """
    *before, word = words
    word = word.lstrip("'\"")  # of a quotation that is not finished
    if word.startswith("-"):
        return [option for option in _OPTIONS if option.startswith(word)]
    # A word that cannot be read yet takes its hints with it, not those of the others.
    given = [one for one in before if re.match(r"[+~]*[\w/@.]+=.", one) or one.startswith("~")]
    given = [one for one in given if not one.startswith("search.")]  # ranges name no keys
    options = [one for one in before if one.startswith("--config-dir=")]
    with compose.started(options) as hydra:
        hidden = {"hydra", *compose.of_run_alone(schema)}
        groups = [one for one in hydra.config_loader.list_groups("") if one not in hidden]
        if "=" in word:
            found = _values(word, hydra.config_loader, groups, schema)
        else:
            found = _keys(word, lambda: _sketch(hydra, name, given), groups, schema)
        return sorted({one for one in found if one.startswith(word)})


# --- after the = ----------------------------------------------------------------------------------


def _values(word: str, loader: Any, groups: Sequence[str], schema: type[Keys]) -> Iterator[str]:
    key, _, value = word.partition("=")
    # Of a list, or of what a sweep takes: the last one.
    begun = key + "=" + value[: max(value.rfind(mark) for mark in "[,(") + 1]
    plain = key.lstrip("+~")
    group, last = plain.partition("@")[0], plain.rpartition(".")[2]
    if group in groups or group.startswith("hydra/"):
        choices: Iterable[str] = loader.get_group_options(group)
    elif last in PARTS and plain.startswith(("grid.", "strategy.", "comparison.")):
        choices = loader.get_group_options(last)
    else:
        choices = _written(get_type_hints(schema).get(plain))
    return (f"{begun}{choice}" for choice in choices)


def _written(hint: Any) -> list[str]:
    """The values that a type hint lists."""
    if hint is bool:
        return ["true", "false"]
    if get_origin(hint) is Literal:
        return [str(value) for value in get_args(hint)]
    return [value for part in get_args(hint) for value in _written(part)]


# --- before the = ---------------------------------------------------------------------------------


def _keys(word: str, sketch: Any, groups: Sequence[str], schema: type[Keys]) -> Iterator[str]:
    signs = word[: len(word) - len(word.lstrip("+~"))]
    *above, _ = word[len(signs) :].split(".")
    if not above:
        names = get_type_hints(schema)
        for group in groups:
            if group in names or group == "experiment":
                yield f"{signs}{group}="
        for name in names:
            if name not in groups or name == "comparison":
                yield signs + name + ("." if name in _OF_KEYS else "=")
        if word:  # else twice as many
            yield from (f"{signs}{group}." for group in groups if group in names)
        return
    config = sketch()
    within = above[0] in ("grid", "search") and above[0] in get_type_hints(schema)
    path = ["strategy", *above[1:]] if within else above
    node: Any = OmegaConf.select(config, ".".join(path)) if config is not None else None
    for key in _members(node):
        if key == "_target_" and not word.rpartition(".")[2].startswith("_"):
            continue  # a preset is chosen by its name
        if key == "tuned_until" and above[0] == "search":
            continue  # nothing to choose
        child = None if OmegaConf.is_missing(node, key) else node[key]
        holds = OmegaConf.is_dict(child) or (OmegaConf.is_list(child) and child != [])
        whole = str(key) in PARTS and above[0] != "search"  # which takes no whole parts
        ends = [".", "="] if holds and whole else ["." if holds else "="]
        yield from (f"{signs}{'.'.join(above)}.{key}{end}" for end in ends)


def _members(node: Any) -> list[Any]:
    if OmegaConf.is_list(node):
        return list(range(len(node)))
    return list(node) if OmegaConf.is_dict(node) else []


def _sketch(hydra: Any, name: str, overrides: Sequence[str]) -> DictConfig | None:
    """The config of what is given so far, with a strategy; None where it does not compose."""
    for more in ([], ["strategy=parts"]):
        with suppress(Exception):
            config = compose.compose_one(hydra, name, [*overrides, *more])
            if more or "comparison" not in config or config.get("strategy") is not None:
                return config
    return None
