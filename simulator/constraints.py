"""What parameters may be: data beside their type hints, checked when an object is built.

A field of a frozen dataclass says by its hint what it takes, as in ``rows: Count`` or
``since: Literal["start", "training"]``. `check` compares the values with the hints, and `Part`
calls it for every part. Type checkers see the plain type.
"""

import inspect
import sys
from collections.abc import Collection, Iterable, Sequence
from dataclasses import dataclass, fields
from datetime import timedelta
from difflib import get_close_matches
from functools import cache, partial
from numbers import Real
from types import (
    BuiltinFunctionType,
    FunctionType,
    MethodType,
    NoneType,
    SimpleNamespace,
    UnionType,
)
from typing import Annotated, Any, ClassVar, Literal, Union, get_args, get_origin, get_type_hints

import numpy as np
import pandas as pd

from backtrain.datasets.offsets import parse_fixed, parse_offset
from backtrain.datasets.values import is_count, is_number
from backtrain.simulator.answers import PartError
from backtrain.simulator.texts import code

# --- kinds of constraints -------------------------------------------------------------------------


@dataclass(frozen=True)
class Constraint:
    """What a value may be; a subclass says in ``problem`` what is wrong with one.

    Attributes
    ----------
    wants : str
        What to give, as a noun phrase.
    """

    wants: str

    #: Types that a value has when it was meant for this constraint, where a hint allows several.
    kinds: ClassVar[tuple[type, ...]] = (object,)

    def problem(self, value: Any, owner: Any) -> str | None:
        """What is wrong with a value of a field of ``owner``, or None."""
        raise NotImplementedError


@dataclass(frozen=True)
class Whole(Constraint):
    """A whole number, NumPy's included, no truth value.

    Attributes
    ----------
    least : int
        The smallest that is allowed.
    """

    wants: str = "a whole number"
    least: int = 1

    kinds: ClassVar[tuple[type, ...]] = (Real,)

    def problem(self, value: Any, owner: Any) -> str | None:
        """What is wrong with a value, or None."""
        return None if is_count(value, self.least) else f"give {self.wants}, {self.least} or more"


@dataclass(frozen=True)
class Number(Constraint):
    """A number in an interval, NumPy's included; no truth value and not NaN.

    Attributes
    ----------
    low, high : float
        The ends of the interval.
    closed : {"left", "right", "both", "neither"}
        Which ends belong to it; without the right one, infinity is refused.
    """

    low: float = -np.inf
    high: float = np.inf
    closed: Literal["left", "right", "both", "neither"] = "left"

    kinds: ClassVar[tuple[type, ...]] = (Real,)

    def problem(self, value: Any, owner: Any) -> str | None:
        """What is wrong with a value, or None."""
        number = is_number(value) or (isinstance(value, float) and np.isinf(value))
        ends = {"left": (self.low,), "right": (self.high,), "both": (self.low, self.high)}
        if number and (self.low < value < self.high or value in ends.get(self.closed, ())):
            return None
        return f"give {self.wants}"


@dataclass(frozen=True)
class Time(Constraint):
    """A time offset such as ``"7D"``.

    Attributes
    ----------
    some : bool
        Refuse offsets of no time at all.
    fixed : bool
        Refuse calendar offsets such as ``"MS"``, whose length varies.
    """

    wants: str = "a time offset such as '7D'"
    some: bool = False
    fixed: bool = False

    kinds: ClassVar[tuple[type, ...]] = (str, timedelta, np.timedelta64, pd.offsets.BaseOffset)

    def problem(self, value: Any, owner: Any) -> str | None:
        """What is wrong with a value, or None."""
        try:
            offset = (parse_fixed if self.fixed else parse_offset)(value)
        except ValueError as error:
            return str(error).removeprefix(f"offset={value!r}: ")
        if self.some and offset == pd.Timedelta(0):
            return "no time at all; did you mean '30D'?"
        return None


@dataclass(frozen=True)
class Percent(Constraint):
    """A share as text, such as ``"20%"``."""

    wants: str = "a share such as '20%'"

    kinds: ClassVar[tuple[type, ...]] = (str,)

    def problem(self, value: Any, owner: Any) -> str | None:
        """What is wrong with a value, or None."""
        try:
            share = float(str(value).strip().removesuffix("%"))
        except ValueError:
            share = -1.0
        is_one = isinstance(value, str) and value.strip().endswith("%") and 0 <= share < np.inf
        return None if is_one else f"give {self.wants}"


@dataclass(frozen=True)
class Listed(Constraint):
    """A list or another sequence, no text.

    Attributes
    ----------
    least : int
        How many entries it must have.
    exact : int, optional
        How many it must have, and no more.
    such_as : str
        An example; a text that was given without a list is one itself.
    """

    wants: str = "a list"
    least: int = 0
    exact: int | None = None
    such_as: str = ""

    kinds: ClassVar[tuple[type, ...]] = (Collection,)

    def problem(self, value: Any, owner: Any) -> str | None:
        """What is wrong with a value, or None."""
        if not _is_list(value):
            example = self.such_as or (f"[{value!r}]" if isinstance(value, str) else "")
        elif len(value) < self.least or len(value) != (self.exact or len(value)):
            example = self.such_as
        else:
            return None
        return f"give {self.wants}, such as {example}" if example else f"give {self.wants}"


@dataclass(frozen=True)
class OneOf(Constraint):
    """One of several texts that are known when the class is made; else `typing.Literal` does."""

    wants: str = "one of them"
    choices: tuple[str, ...] = ()

    kinds: ClassVar[tuple[type, ...]] = (str,)

    def problem(self, value: Any, owner: Any) -> str | None:
        """What is wrong with a value, or None."""
        return _not_one_of(value, self.choices)


@dataclass(frozen=True)
class Holds(Constraint):
    """A number of rows that is at least the one in another field, as windows need it."""

    wants: str = ""
    other: str = "min_rows"

    def problem(self, value: Any, owner: Any) -> str | None:
        """What is wrong with a value, or None."""
        least = getattr(owner, self.other)
        if not is_count(least) or value >= least:
            return None
        return f"the window must hold at least {self.other}={least!r} rows"


@dataclass(frozen=True)
class PartKind(Constraint):
    """A part of a strategy, by the methods that it has.

    Attributes
    ----------
    methods : tuple of str
        One of them is needed.
    functions : bool
        Whether a plain function is one as well.
    """

    methods: tuple[str, ...] = ()
    functions: bool = False

    def problem(self, value: Any, owner: Any = None) -> str | None:
        """What is wrong with a value, or None."""
        if isinstance(value, type):
            return f"is a class; did you mean {value.__name__}()?"
        if isinstance(value, FUNCTIONS) and not self.functions:
            return (
                "is a function; triggers and windows may be functions, "
                f"{self.wants} is an object of a class with a method {self.methods[0]!r}"
            )
        if isinstance(value, FUNCTIONS):
            takes_view = _takes_one(value)
            return (
                None if takes_view else "must take one argument, the view, as in `lambda view: ...`"
            )
        if any(callable(getattr(value, method, None)) for method in self.methods):
            return None
        return f"is not {self.wants}, it has no method {self.methods[0]!r}"


#: What a plain function may be: also a lambda, a partial or a bound method.
FUNCTIONS = (FunctionType, BuiltinFunctionType, MethodType, partial)
KINDS = {
    "trigger": PartKind("a trigger", ("fires", "monitor"), functions=True),
    "window": PartKind("a window", ("select",), functions=True),
    "update": PartKind("an update", ("fit",)),
    "gate": PartKind("a gate", ("review", "open")),
}


# --- what fields say ------------------------------------------------------------------------------

Count = Annotated[int, Whole()]
TwoOrMore = Annotated[int, Whole(least=2)]
CountOrZero = Annotated[int, Whole(least=0)]
Seed = Annotated[int, Whole(least=0)]
RowsWindow = Annotated[int, Whole("a number of rows"), Holds(other="min_rows")]
LabelsWindow = Annotated[int, Whole("a number of rows"), Holds(other="min_labels")]

Finite = Annotated[float, Number("a finite number", closed="neither")]
Positive = Annotated[float, Number("a number above 0, such as 1", 0, closed="neither")]
NotNegative = Annotated[float, Number("a number that is not negative", 0)]
Amount = Annotated[float, Number("an amount of money, not negative", 0)]
Share = Annotated[float, Number("a share from 0 to 1", 0, 1, "both")]
ShareBelowOne = Annotated[float, Number("a share of at least 0 and below 1", 0, 1)]
ShareAboveZero = Annotated[float, Number("a share above 0, and at most 1", 0, 1, "right")]
#: Of a test, or a part of the rows where both sides need some.
Level = Annotated[float, Number("a number between 0 and 1, such as 0.05", 0, 1, "neither")]

Margin = NotNegative | Annotated[str, Percent()]
#: A part of the rows, or so many of them.
Holdout = (
    Annotated[float, Number("a share between 0 and 1", 0, 1, "neither")]
    | Annotated[int, Whole("a number of rows")]
)

Offset = Annotated[str, Time()]
Interval = Annotated[str, Time(some=True)]
FixedOffset = Annotated[str, Time(fixed=True)]
FixedInterval = Annotated[str, Time(some=True, fixed=True)]
Length = Annotated[str, Time(some=True)] | Annotated[int, Whole("a number of rows")]

Chance = Annotated[float, Number("a chance from 0 to 1", 0, 1, "both")]

Names = Annotated[Sequence[str], Listed()]
Dates = Annotated[Sequence[str], Listed(such_as="['2012-01-02']")]


# --- the check ------------------------------------------------------------------------------------


def check(owner: Any, error: type[ValueError] = PartError) -> None:
    """Compare the fields of a dataclass with their hints.

    NumPy's numbers become Python's, and an array of shape (n,) for a `Listed` field a list.

    Parameters
    ----------
    owner : dataclass
        Just built; its hints may be read from annotations as text.
    error : type
        What is raised, with class, parameter, value and remedy.
    """
    kind: Any = type(owner)
    hints = _hints(kind)
    for field in fields(owner):
        value: Any = getattr(owner, field.name)
        hint = hints.get(field.name)
        listed = isinstance(value, np.ndarray) and value.ndim == 1 and _is_listed(hint)
        if (isinstance(value, np.generic) or listed) and value.dtype.kind in "biufU":
            value = value.tolist()
            object.__setattr__(owner, field.name, value)
        if (wrong := _problem(hint, value, owner)) is not None:
            raise error(f"{kind.__name__}({field.name}={code(value)}): {wrong}")


def exactly_one(part: Any, *names: str) -> None:
    """Raise `PartError` unless exactly one of these parameters is not None."""
    if sum(getattr(part, name) is not None for name in names) != 1:
        given = [f"{name}=" for name in names]
        raise PartError(f"{part!r}: give exactly one of {', '.join(given[:-1])} and {given[-1]}")


@cache
def _hints(cls: type) -> dict[str, Any]:
    """The hints of a class's fields; what cannot be read, such as a local name, checks nothing."""
    hints: dict[str, Any] = {}
    for base in reversed(cls.__mro__):
        names = vars(sys.modules.get(base.__module__, SimpleNamespace()))
        for name, hint in vars(base).get("__annotations__", {}).items():
            one = SimpleNamespace(__annotations__={name: hint})
            try:
                hints |= get_type_hints(one, names, dict(vars(base)), include_extras=True)
            except (NameError, TypeError, AttributeError, SyntaxError):
                hints.pop(name, None)
    return hints


def _problem(hint: Any, value: Any, owner: Any) -> str | None:
    """What a hint finds wrong with a value, or None."""
    origin, inner = get_origin(hint), get_args(hint)
    if origin is Annotated:
        constraints = [one for one in hint.__metadata__ if isinstance(one, Constraint)]
        problems = (constraint.problem(value, owner) for constraint in constraints)
        return _first(problems) or _problem(inner[0], value, owner)
    if origin is Literal:
        return _not_one_of(value, inner)
    if origin in (Union, UnionType):
        return _problem_of_all(inner, value, owner)
    if hint is bool and not isinstance(value, bool):
        return "give True or False"
    if origin is Sequence and _is_list(value):
        return _first(_problem(inner[0], item, owner) for item in value)
    return None


def _problem_of_all(hints: Sequence[Any], value: Any, owner: Any) -> str | None:
    """What all the alternatives find wrong, in the words of those that the value is nearest to."""
    problems: dict[str, bool] = {}
    for hint in hints:
        if hint is NoneType or hint in (str, int, float):
            wrong = "" if not isinstance(value, hint) else None
        else:
            wrong = _problem(hint, value, owner)
        if wrong is None:
            return None
        problems[wrong] = isinstance(value, _kinds(hint))
    near = [problem for problem, is_near in problems.items() if problem and is_near]
    every = [problem for problem in problems if problem] or [""]
    first, *others = every if any(get_origin(hint) is Literal for hint in hints) else near or every
    others = [other.removeprefix("give ") for other in others]
    return ", or ".join([first, *others]) or None


def _kinds(hint: Any) -> tuple[type, ...]:
    if get_origin(hint) is Literal:
        return (str,)
    constraints = getattr(hint, "__metadata__", ())
    return next((one.kinds for one in constraints if isinstance(one, Constraint)), ())


def _is_list(value: Any) -> bool:
    """Whether a value has entries: no text, and no array of shape ()."""
    return (
        isinstance(value, Collection)
        and not isinstance(value, (str, bytes))
        and getattr(value, "ndim", 1) > 0
    )


def _is_listed(hint: Any) -> bool:
    """Whether a hint takes what `Listed` allows, by itself or as an alternative."""
    own = any(isinstance(one, Listed) for one in getattr(hint, "__metadata__", ()))
    is_union = get_origin(hint) in (Union, UnionType)
    return own or (is_union and any(map(_is_listed, get_args(hint))))


def _takes_one(function: Any) -> bool:
    """Whether a function can be called with one argument; yes where it does not tell."""
    try:
        signature = inspect.signature(function)
    except (TypeError, ValueError):
        return True
    try:
        signature.bind(None)
    except TypeError:
        return False
    return True


def _first(problems: Iterable[str | None]) -> str | None:
    return next((problem for problem in problems if problem is not None), None)


def _not_one_of(value: Any, choices: Sequence[Any]) -> str | None:
    if any(type(value) is type(choice) and value == choice for choice in choices):
        return None
    if len(choices) == 1:
        return f"give {choices[0]!r}"
    near = get_close_matches(str(value), map(str, choices), n=1)
    hint = f"; did you mean {near[0]!r}?" if near else ""
    return f"not one of {', '.join(map(repr, choices))}{hint}"
