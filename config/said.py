"""What overrides say of strategies that Hydra cannot compose by itself, and the rest of them."""

from collections.abc import Sequence
from dataclasses import dataclass, field
from fnmatch import fnmatchcase
from typing import Any

from hydra.core.override_parser.overrides_parser import OverridesParser
from hydra.core.override_parser.types import Glob, Override

from backtrain.config.build import ConfigError, guess

_PLACES = ("strategy.", "comparison.")
_WILD = frozenset("*?")


@dataclass
class Said:
    """Overrides, sorted by who follows them.

    Attributes
    ----------
    rest : list of str
        What Hydra composes.
    chosen : list or None
        What ``strategy=`` lists: names, and patterns of names; None where it lists nothing.
    names : bool
        Whether ``strategy=`` says anything.
    placed : list of Override
        Presets and values for places inside of strategies, in their order.
    axes : list of Override
        What ``grid.`` says.
    """

    rest: list[str] = field(default_factory=list)
    chosen: list[Any] | None = None
    names: bool = False
    placed: list[Override] = field(default_factory=list)
    axes: list[Override] = field(default_factory=list)

    @classmethod
    def of(cls, overrides: Sequence[str]) -> "Said":
        """Sort overrides; those that are swept over stay with Hydra."""
        said = cls()
        for override in OverridesParser.create().parse_overrides(list(overrides)):
            said._add(override)
        return said

    def __bool__(self) -> bool:
        return self.chosen is not None or bool(self.placed) or bool(self.axes)

    def _add(self, override: Override) -> None:
        key, package = override.key_or_group, override.package
        self.names |= key == "strategy" and package is None
        if key == "grid" or key.startswith("grid."):
            # A sweep over lists makes a job of each; one over values lacks brackets.
            self.axes.append(override)
        elif override.is_sweep_override():
            self.rest.append(str(override.input_line))
        elif key == "strategy" and package is None and _lists(override):
            value = override.value()
            self.chosen = value if isinstance(value, list) else [value]
        elif f"{package or key}.".startswith(_PLACES) and (package or "." in key):
            self.placed.append(override)
        else:
            self.rest.append(str(override.input_line))


def _lists(override: Override) -> bool:
    value = override.value()
    if override.is_delete():
        return False
    return isinstance(value, list) or bool(_WILD & set(str(value)))


def presets_of(chosen: Sequence[Any], choices: Sequence[str]) -> list[str]:
    """The presets that a list of names and patterns means, each once; raises `ConfigError`.

    >>> presets_of(["every_*", "static"], ["every_1d", "every_7d", "monthly", "static"])
    ['every_1d', 'every_7d', 'static']
    """
    found: dict[str, None] = {}
    for one in chosen:
        # In a sweep, Hydra hands a glob on as a mapping.
        if isinstance(one, dict) and one.keys() == {"include", "exclude"}:
            one = Glob(include=one["include"], exclude=one["exclude"])
        if isinstance(one, Glob):
            matches = [str(name) for name in one.filter(list(choices))]
            shown = f"glob({','.join(one.include)})"
        elif isinstance(one, str) and _WILD & set(one):
            matches, shown = [name for name in choices if fnmatchcase(name, one)], one
        else:
            matches, shown = [one] if one in choices or "/" in str(one) else [], str(one)
        if not matches:
            plain = shown.removeprefix("glob(").strip("*?)")
            no = "no such choice" if shown == str(one) and not _WILD & set(shown) else "no match"
            raise ConfigError(f"strategy={shown}: {no}; {guess(plain, choices)}")
        found |= dict.fromkeys(matches)
    if not found:
        raise ConfigError(f"strategy=[]: give one preset or several; {guess('', choices)}")
    return list(found)
