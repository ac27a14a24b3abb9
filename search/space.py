"""What may be searched: a range of numbers, of lengths of time, or a list of choices, by key."""

import itertools
import math
import re
from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass
from typing import Any

from backtrain.datasets.digits import digits
from backtrain.datasets.offsets import parse_offset

_NUMBER = r"[-+]?(?:\d+\.?\d*|\.\d+)(?:[eE][-+]?\d+)?"
_RANGE = re.compile(
    rf"(?P<low>{_NUMBER})(?P<low_unit>[A-Za-z%-]*)\s*\.\.\s*"
    rf"(?P<high>{_NUMBER})(?P<high_unit>[A-Za-z%-]*)"
    rf"(?:\s+step\s+(?P<step>{_NUMBER})(?P<step_unit>[A-Za-z%-]*))?(?P<log>\s+log)?"
)
#: Units that have a length, in nanoseconds, from short to long.
_LENGTHS = {"s": 10**9, "min": 60 * 10**9, "h": 3600 * 10**9, "D": 86400 * 10**9}
_DIGITS = 4
HOW = (
    "give a range, as 0.6..0.9, 10..500, 7D..90D, 10%..40%, 1..1000 log or 7D..91D step 7D, "
    "or a list of choices, as [7D,30D]"
)


class SpaceError(ValueError):
    """What is to be searched cannot be read."""


@dataclass(frozen=True)
class Choices:
    """A list, each value as likely as the next."""

    values: tuple[Any, ...]

    @property
    def ends(self) -> tuple[Any, ...]:
        """What must be fine for all of it to be: every value."""
        return self.values

    def numbers(self) -> list[int]:
        """All that a sampler may propose: the places of the values."""
        return list(range(len(self.values)))

    def value(self, proposed: float) -> Any:
        """What was proposed, as the strategy takes it."""
        return self.values[int(proposed)]

    def __str__(self) -> str:
        return ", ".join(map(str, self.values))


@dataclass(frozen=True)
class Range:
    """From ``low`` to ``high``, both included: of floats, of whole numbers, or of units.

    Attributes
    ----------
    low, high : float or int
        The end is one that the steps reach.
    step : float or int, optional
        Whole numbers have one; floats without one are any number, to four significant digits.
    log : bool
        Even in the logarithm.
    unit : str
        Of lengths of time, as "D", or "%"; empty for numbers.
    """

    low: float
    high: float
    step: float | None = None
    log: bool = False
    unit: str = ""

    @property
    def whole(self) -> bool:
        """Whether it is of whole numbers."""
        return isinstance(self.low, int)

    @property
    def ends(self) -> tuple[Any, ...]:
        """What must be fine for all of it to be: the least and the largest value."""
        return self.value(self.low), self.value(self.high)

    def numbers(self) -> list[float] | None:
        """All that a sampler may propose; None where any number is."""
        if self.step is None:
            return None
        steps = round((self.high - self.low) / self.step)
        return [self.low + k * self.step for k in range(steps + 1)]

    def value(self, proposed: float) -> Any:
        """What was proposed, as the strategy takes it."""
        if self.whole:
            return f"{int(proposed)}{self.unit}" if self.unit else int(proposed)
        short = float(f"{proposed:.{_DIGITS}g}")
        return min(max(short, self.low), self.high)

    def __str__(self) -> str:
        step = "" if self.step in (None, 1) else f" step {digits(self.step, 6)}{self.unit}"
        text = f"{digits(self.low, 6)}{self.unit} to {digits(self.high, 6)}{self.unit}{step}"
        return f"{text}, log" if self.log else text


Axis = Choices | Range


@dataclass(frozen=True)
class Space:
    """Axes by key, and the names that reports show for them: as short as tells them apart."""

    axes: Mapping[str, Axis]

    @classmethod
    def of(cls, given: Mapping[str, Any]) -> "Space":
        """Read ranges and lists; raises `SpaceError` with the key of what cannot be read."""
        if not isinstance(given, Mapping) or not given:
            raise SpaceError(f"search: nothing to search over; {HOW}, for a key at least")
        return cls({str(key): read(str(key), value) for key, value in given.items()})

    @property
    def names(self) -> dict[str, str]:
        """What each key is called: its last word, or as many as tell it from the others."""
        return {key: _short(key, self.axes) for key in self.axes}

    @property
    def size(self) -> int | None:
        """How many combinations there are; None where any number may be proposed."""
        each = [axis.numbers() for axis in self.axes.values()]
        return None if None in each else math.prod(len(one) for one in each if one is not None)

    def grid(self) -> Iterator[dict[str, float]]:
        """Every combination, as a sampler would propose it."""
        each = [axis.numbers() or [] for axis in self.axes.values()]
        return (dict(zip(self.axes, one, strict=True)) for one in itertools.product(*each))

    def values(self, proposed: Mapping[str, float]) -> dict[str, Any]:
        """What was proposed, as the strategy takes it."""
        return {key: axis.value(proposed[key]) for key, axis in self.axes.items()}

    def name(self, values: Mapping[str, Any]) -> str:
        """What a strategy is called that has these values.

        >>> Space.of({"trigger.below": "0.6..0.9", "window.length": ["7D", "30D"]}).name(
        ...     {"trigger.below": 0.75, "window.length": "30D"})
        'below 0.75, length 30D'
        """
        return ", ".join(f"{self.names[key]} {_plain(value)}" for key, value in values.items())


def read(key: str, given: Any) -> Axis:
    """One axis, from a text or a list; raises `SpaceError`.

    >>> read("below", "0.6..0.9")
    Range(low=0.6, high=0.9, step=None, log=False, unit='')
    >>> read("length", "12h..2D").ends
    ('12h', '48h')
    >>> str(read("length", "7D..28D step 7D")), read("n", "1..1000 log").ends
    ('7D to 28D step 7D', (1, 1000))
    """
    if isinstance(given, Sequence) and not isinstance(given, str):
        values = tuple(given)
        if len(values) < 2 or any(a == b for a, b in itertools.combinations(values, 2)):
            raise SpaceError(
                f"search.{key}={list(values)!r}: give two choices or more, all distinct"
            )
        return Choices(values)
    found = _RANGE.fullmatch(given.strip()) if isinstance(given, str) else None
    if found is None:
        raise SpaceError(f"search.{key}={given!r}: {HOW}")
    low, high, step, unit = _in_one_unit(key, given, found)
    if not low < high:
        raise SpaceError(f"search.{key}={given!r}: must end above its beginning")
    log = found["log"] is not None
    if log and low <= 0:
        raise SpaceError(f"search.{key}={given!r}: a range on a log scale begins above 0")
    if log and found["step"] is not None:
        raise SpaceError(f"search.{key}={given!r}: give a step or log, not both")
    if step is not None and not 0 < step <= high - low:
        raise SpaceError(f"search.{key}={given!r}: the step must fit between the two ends")
    if step is not None:
        high = low + math.floor((high - low) / step + 1e-9) * step
    return Range(low, high, step, log, unit)


def _in_one_unit(
    key: str, given: str, found: re.Match[str]
) -> tuple[float, float, float | None, str]:
    """Low, high, step and unit of a range; lengths of time are counted in the finest unit named."""
    parts = ("low", "high") if found["step"] is None else ("low", "high", "step")
    units = [found[f"{part}_unit"] for part in parts]
    texts = [found[part] for part in parts]
    if not any(units):
        whole = all(re.fullmatch(r"[-+]?\d+", text) for text in texts)
        numbers: list[float] = [int(text) if whole else float(text) for text in texts]
        step = 1 if whole and len(numbers) == 2 else (numbers[2] if len(numbers) == 3 else None)
        return numbers[0], numbers[1], step, ""
    try:
        for text, unit in zip(texts, units, strict=True):
            if unit != "%":
                parse_offset(f"{text}{unit}", f"search.{key}")
    except ValueError as error:
        raise SpaceError(f"{error}; in {given!r}") from None
    if len(set(units)) > 1 and not set(units) <= set(_LENGTHS):
        known = ", ".join(_LENGTHS)
        raise SpaceError(f"search.{key}={given!r}: give one unit, or several of {known}")
    unit = min(units, key=lambda one: list(_LENGTHS).index(one) if one in _LENGTHS else 0)
    scale = [_LENGTHS[one] / _LENGTHS[unit] if one in _LENGTHS else 1.0 for one in units]
    counts = [float(text) * by for text, by in zip(texts, scale, strict=True)]
    if any(count != round(count) for count in counts):
        raise SpaceError(f"search.{key}={given!r}: give whole numbers of {unit}")
    low, high, *steps = map(round, counts)
    return low, high, steps[0] if steps else 1, unit


def _short(key: str, keys: Mapping[str, Any]) -> str:
    words = key.split(".")
    others = [other.split(".") for other in keys if other != key]
    for count in range(1, len(words) + 1):
        if all(other[-count:] != words[-count:] for other in others):
            return ".".join(words[-count:])
    return key


def _plain(value: Any) -> str:
    """A value in a name; of a part that is a choice, its class and keys."""
    if isinstance(value, Mapping):
        kind = str(value.get("_target_", "")).rpartition(".")[2]
        inner = (f"{key}={_plain(one)}" for key, one in value.items() if key != "_target_")
        return f"{kind}({', '.join(inner)})"
    return f"{value:g}" if isinstance(value, float) else str(value)
