"""``backtrain list``: what can be named, with one line each."""

import argparse
from collections.abc import Callable
from functools import partial
from importlib.resources import files

from omegaconf import OmegaConf

from backtrain.config.build import ConfigError, guess
from backtrain.config.presets import PACKAGE, describe, names


def main(arguments: list[str]) -> int:
    """Print every group, or one, with its presets."""
    parser = argparse.ArgumentParser("backtrain list", description=__doc__)
    parser.add_argument("group", nargs="?", help="such as strategy or dataset")
    only = parser.parse_args(arguments).group
    known = [*groups(), "horizon", "lags", "metrics"]
    if only is not None and only not in known:
        raise ConfigError(f"{only}: no such group; {guess(only, known)}")
    usual = _defaults("common") | _defaults("run")
    for group in known if only is None else [only]:
        if group in _OWN:
            _OWN[group]()
            continue
        choices = _choices(group)
        width = max(map(len, choices))
        print(f"{group}=")
        for choice in choices:
            mark = " (default)" if choice in usual.get(group, []) else ""
            print(f"  {choice:{width}}  {describe(group, choice)}{mark}")
    return 0


def _print_metrics() -> None:
    """Names of metrics, whether more or less is better, and for which task they are."""
    from backtrain.simulator.metrics import FAMILIES, find_metric, metric_names

    names = metric_names()
    width = max(map(len, names))
    print("metrics=")
    for name in names:
        metric = find_metric(name)
        better = "more" if metric.greater_is_better else "less"
        some = "; any number" if name in FAMILIES else ""
        print(f"  {name:{width}}  {metric.task or 'any task'}; {better} is better{some}")
    print("  and scorers of scikit-learn, module.function, 'NAME by group': docs/metrics.md")


def _print_keys(above: str) -> None:
    """The keys below another one, with what stands above each in the config."""
    text = (files(PACKAGE) / "common.yaml").read_text(encoding="utf-8")
    _, _, within = text.partition(f"\n{above}:\n")
    said = ""
    print(f"{above}.")
    for line in within.splitlines():
        if not line.startswith("  "):
            break
        key = line.strip().partition(":")[0]
        if line.strip().startswith("#"):
            said = line.strip(" #")
        elif key != "_target_":
            print(f"  {key:9}  {said}".rstrip())
            said = ""


#: What is listed and is no group of presets.
_OWN: dict[str, Callable[[], None]] = {
    "horizon": partial(_print_keys, "horizon"),
    "lags": partial(_print_keys, "lags"),
    "metrics": _print_metrics,
}


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
