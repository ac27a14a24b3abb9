"""Presets of parts, made from their classes: every parameter is a key with the class's default.

A file of ``conf/`` stands beside them where it says something that the class does not; it begins
with the keys of its class, by ``defaults: [_every]`` for `Every`.
"""

import inspect
import re
from collections.abc import Mapping
from dataclasses import MISSING, fields, is_dataclass
from importlib.resources import files
from typing import Any

from hydra.core.config_store import ConfigStore

from backtrain import strategies
from backtrain.simulator.ledger import Delays, Prices
from backtrain.strategies import gates, triggers, updates, windows

PACKAGE = "backtrain.conf"
#: Groups of parts, and the packages that hold their classes.
PARTS = {"trigger": triggers, "window": windows, "update": updates, "gate": gates}


def register() -> None:
    """Make the presets known to Hydra: ``name`` where no file has it, and ``_name`` for files."""
    store = ConfigStore.instance()
    for group in PARTS:
        for kind in exported(group):
            name, node = snake_case(kind.__name__), _node(kind, strategies.__name__)
            store.store(f"_{name}", node, group, provider=__name__)
            if not _file(group, name).is_file():
                store.store(name, node, group, provider=__name__)
    for kind in (Prices, Delays):
        name = kind.__name__.lower()
        store.store(f"_{name}", _node(kind, "backtrain"), name, provider=__name__)


def names(group: str) -> list[str]:
    """The presets of a group, sorted; those with an underscore are for other presets only."""
    folder = files(PACKAGE) / group
    listed = [entry.name for entry in folder.iterdir()] if group and folder.is_dir() else []
    of_classes = {snake_case(kind.__name__) for kind in exported(group)}
    return sorted({n.removesuffix(".yaml") for n in listed if n.endswith(".yaml")} | of_classes)


def describe(group: str, name: str) -> str:
    """What a preset is, in one line: the first comment of its file, or sentence of its class."""
    file = _file(group, name)
    if file.is_file():
        lines: list[str] = file.read_text(encoding="utf-8").splitlines()
        return next(line[2:] for line in lines if line[:1] == "#" and "@package" not in line)
    kind = next(k for k in exported(group) if snake_case(k.__name__) == name)
    paragraph = (inspect.getdoc(kind) or "").partition("\n\n")[0].replace("\n", " ")
    return re.split(r"[.:](?: |$)", paragraph)[0].replace("``", "") + "."


def snake_case(name: str) -> str:
    """A class's name as a preset's.

    >>> snake_case("MaxAge"), snake_case("ABTest")
    ('max_age', 'ab_test')
    """
    return re.sub(r"(?<=[a-z0-9])(?=[A-Z])|(?<=[A-Z])(?=[A-Z][a-z])", "_", name).lower()


def exported(group: str) -> list[type]:
    """The classes of a group of parts that their files export; none for other groups."""
    module = PARTS.get(group)
    members = [getattr(module, name) for name in getattr(module, "__all__", ())]
    return [one for one in members if inspect.isclass(one) and is_dataclass(one)]


def _file(group: str, name: str) -> Any:
    return files(PACKAGE) / group / f"{name}.yaml"


def _node(kind: type, package: str) -> dict[str, Any]:
    """A class as a config: its parameters with their defaults, ``"???"`` where it has none."""
    target = {"_target_": f"{package}.{kind.__name__}"}
    parameters = inspect.signature(kind).parameters.values()
    if any(parameter.kind is parameter.VAR_POSITIONAL for parameter in parameters):
        return target | {"_args_": "???"}
    made = {
        spec.name: spec.default if spec.default_factory is MISSING else spec.default_factory()
        for spec in fields(kind)
        if spec.init
    }
    return target | {name: _plain(value) for name, value in made.items()}


def _plain(value: Any) -> Any:
    """A default as YAML has it."""
    if value is MISSING:
        return "???"
    if is_dataclass(value):
        inner = {spec.name: _plain(getattr(value, spec.name)) for spec in fields(value)}
        return {"_target_": f"{strategies.__name__}.{type(value).__name__}", **inner}
    if isinstance(value, Mapping):
        return {key: _plain(inner) for key, inner in value.items()}
    return list(map(_plain, value)) if isinstance(value, (list, tuple)) else value
