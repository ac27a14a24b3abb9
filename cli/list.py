"""``backtrain list``: what can be named, with one line each."""

import argparse
from importlib.resources import files

from omegaconf import OmegaConf

from backtrain.config.build import ConfigError, guess
from backtrain.config.presets import PACKAGE, describe, names


def main(arguments: list[str]) -> int:
    """Print every group, or one, with its presets."""
    parser = argparse.ArgumentParser("backtrain list", description=__doc__)
    parser.add_argument("group", nargs="?", help="such as strategy or dataset")
    only = parser.parse_args(arguments).group
    if only is not None and only not in groups():
        raise ConfigError(f"{only}: no such group; {guess(only, groups())}")
    usual = _defaults("common") | _defaults("run")
    for group in groups() if only is None else [only]:
        choices = _choices(group)
        width = max(map(len, choices))
        print(f"{group}=")
        for choice in choices:
            mark = " (default)" if choice in usual.get(group, []) else ""
            print(f"  {choice:{width}}  {describe(group, choice)}{mark}")
    return 0


def groups() -> list[str]:
    """The groups that presets are chosen from, sorted."""
    entries = files(PACKAGE).iterdir()
    return sorted(entry.name for entry in entries if entry.is_dir() and _choices(entry.name))


def _choices(group: str) -> list[str]:
    """The presets of a group; those with an underscore are for other presets only."""
    return [name for name in names(group) if not name.startswith("_")]


def _defaults(name: str) -> dict[str, list[str]]:
    text = (files(PACKAGE) / f"{name}.yaml").read_text(encoding="utf-8")
    groups = (entry for entry in OmegaConf.create(text).defaults if OmegaConf.is_dict(entry))
    return {
        str(group): [str(name) for name in choice] if OmegaConf.is_list(choice) else [str(choice)]
        for entry in groups
        for group, choice in entry.items()
    }
