"""Configs held against what they build, before anything starts.

A config names what it builds by ``_target_``; its other keys are the arguments. What they may be is
read from the signature and the type hints, so no second list of parameters has to be kept.
"""

from __future__ import annotations

import inspect
from collections.abc import Callable, Iterable, Iterator, Mapping, Sequence
from contextlib import suppress
from dataclasses import dataclass
from types import NoneType, UnionType
from typing import Any, Literal, Union, get_args, get_origin, get_type_hints

from typeguard import CollectionCheckStrategy, TypeCheckError, check_type

from backtrain.config.build import ConfigError, guess, locate, targets
from backtrain.config.estimators import named, strange
from backtrain.config.keys import HOLDERS, Built, Schema, set_below
from backtrain.datasets.lags import LISTS, how_to_write
from backtrain.simulator.constraints import PartKind

MISSING = "???"
#: Presets without keys of their own, for any class.
_ANY_CLASS = dict.fromkeys(("trigger", "window", "update", "gate"), "custom") | {
    "model": "estimator"
}
_PLAIN = (str, int, float, bool)
_SPECIAL = {"_target_", "_args_", "_recursive_", "_convert_", "_partial_"}


def check(config: Mapping[str, Any], schema: Schema) -> None:
    """Hold a plain config against a schema, and all that it nests against what that builds.

    Parameters
    ----------
    config : mapping
        Plain containers and scalars: interpolations resolved, ``"???"`` where a value is missing.
    schema : callable
        Its parameters are the keys that may stand at the top.

    Raises
    ------
    ConfigError
        Naming each value, where it stands, and the nearest right one; a line a problem.
    """
    problems: dict[tuple[str, str], str] = {}
    for problem in _arguments("", config, schema, "a run"):
        # What many strategies share stands in each of them; it is reported once, where it is set.
        key = problem.path.rpartition(".")[2]
        problems.setdefault((key, problem.says), str(problem))
    if problems:
        raise ConfigError("\n".join(problems.values()))


@dataclass(frozen=True)
class _Problem:
    """What is wrong with the key at ``path``, and what helps."""

    path: str
    says: str
    remedy: str = ""

    def __str__(self) -> str:
        return self.path + self.says + (f"; {self.remedy}" if self.remedy else "")


def _absent(path: str) -> _Problem:
    return _Problem(path, " is not given", f"add {path}=VALUE")


def _nested(path: str, value: Any) -> Iterator[_Problem]:
    """Problems of what a value holds."""
    if isinstance(value, Mapping) and "_target_" in value:
        yield from _node(path, value)
    elif isinstance(value, Mapping):
        for key, inner in value.items():
            yield from _nested(f"{path}.{key}", inner)
    elif isinstance(value, list):
        for position, inner in enumerate(value):
            yield from _nested(f"{path}.{position}", inner)
    elif value == MISSING:
        yield _absent(path)


def _node(path: str, node: Mapping[str, Any]) -> Iterator[_Problem]:
    name = node["_target_"]
    if name == MISSING:
        yield _absent(f"{path}._target_")
        return
    try:
        target = locate(str(name))
    except ConfigError as error:
        yield _Problem(f"{path}._target_", f"={name!r}: {error}")
        return
    keys = {key: value for key, value in node.items() if key not in _SPECIAL}
    if node.get("_partial_"):  # what is not given now is given by the caller
        keys = dict.fromkeys(_Signature.of(target).required, ...) | keys
    name = getattr(target, "__name__", type(target).__name__)
    yield from _arguments(path, keys, target, name, node.get("_args_", []))


def _arguments(
    path: str,
    keys: Mapping[str, Any],
    target: Callable[..., Any],
    name: str,
    positional: Sequence[Any] = (),
) -> Iterator[_Problem]:
    signature = _Signature.of(target)
    dot = f"{path}." if path else ""
    keyless = ""
    if path in _ANY_CLASS and not str(target.__module__).startswith("backtrain."):
        keyless = f"for a class of your own choose {path}={_ANY_CLASS[path]}, which has no keys"
    for key in signature.required[len(positional) :]:
        if key not in keys:
            says, add = f" is needed by {name}", f"add +{dot}{key}=VALUE"
            if path and inspect.isfunction(target):
                says += f", a function; where it is the part itself, add +{path}._partial_=true"
                add = f"else {add}"
            yield _Problem(f"{dot}{key}", says, add)
    yield from _nested(f"{dot}_args_", list(positional))
    # What hands on any key may swallow some: those that the classes above it do not take either.
    kind = target if signature.open and inspect.isclass(target) else None
    swallowed = [] if kind is None else strange(kind, keys)
    for key, value in keys.items():
        if key in swallowed or (key not in signature.hints and not signature.open):
            names = signature.hints if kind is None else named(kind)[0]
            yield _Problem(f"{dot}{key}", _unknown(key, name, names), keyless)
        elif value == MISSING:
            yield _absent(f"{dot}{key}")
        elif _holds(signature.hints.get(key), Built):
            yield from _presets(f"{dot}{key}", value, signature.hints[key])
        elif (wrong := _mismatch(value, signature.hints.get(key, Any))) is not None:
            if path == "dataset":  # where a text is the name of a column
                wrong, unit, _ = wrong.partition("; if it is a length of time")
                wrong += f"; quote a name: \"'{value}'\"" if unit else ""
            if path == "lags" and key in LISTS:
                wrong = f"not what it must be; {how_to_write(key)}"
            yield _Problem(f"{dot}{key}", f"={value!r}: {wrong}")
        else:
            yield from _nested(f"{dot}{key}", value)


def _presets(path: str, value: Any, hint: Any) -> Iterator[_Problem]:
    """Problems of a preset, or of several by their names."""
    if value is None and _holds(hint, NoneType):
        return
    if not _holds(hint, Mapping):
        chosen = {path: value}
    elif isinstance(value, Mapping):
        chosen = {f"{path}.{name}": inner for name, inner in value.items()}
    else:
        yield _Problem(path, f"={value!r}: presets by their names, not {_kind(value)}")
        return
    for key, inner in chosen.items():
        if isinstance(inner, Mapping) and "_target_" in inner:
            yield from _node(key, inner)
        elif key in HOLDERS:
            yield _Problem(key, f"={inner!r}: {set_below(key)}")
        else:
            says = (
                f"={inner!r}: not a preset, a mapping with a _target_; see `backtrain "
                "list`; a file of a strategy of your own begins with `defaults: [_base]`"
            )
            yield _Problem(key, says)


def _holds(hint: Any, wanted: Any) -> bool:
    """Whether a hint is a type, or holds it somewhere."""
    return hint is wanted or get_origin(hint) is wanted or any(
        _holds(inner, wanted) for inner in get_args(hint)
    )  # fmt: skip


@dataclass(frozen=True)
class _Signature:
    """What a class or function takes: hints by name, which ones it needs, whether it takes any."""

    hints: Mapping[str, Any]
    required: Sequence[str]
    open: bool

    @classmethod
    def of(cls, target: Callable[..., Any]) -> _Signature:
        try:
            parameters = inspect.signature(target).parameters.values()
        except ValueError:  # some classes of C extensions do not tell
            return cls({}, (), True)
        hints = _hints(target)
        kinds = {parameter.kind for parameter in parameters}
        named = [p for p in parameters if p.kind not in (p.VAR_POSITIONAL, p.VAR_KEYWORD)]
        return cls(
            {p.name: hints.get(p.name, Any) for p in named},
            [p.name for p in named if p.default is p.empty],
            inspect.Parameter.VAR_KEYWORD in kinds,
        )


def _unknown(key: str, name: str, names: Iterable[str]) -> str:
    """What to say about a key that is not taken."""
    if not names:
        return f": {name} takes nothing; remove it"
    return f": {name} has no such key; {guess(key, names)}"


def _hints(target: Callable[..., Any]) -> Mapping[str, Any]:
    function = target.__init__ if inspect.isclass(target) else target
    try:
        full = get_type_hints(function, include_extras=True)
        named = {key: hint for key, hint in full.items() if _kind_of_part(hint) is not None}
        return get_type_hints(function) | named
    except (NameError, TypeError, AttributeError):  # hints that cannot be read check nothing
        return {}


def _kind_of_part(hint: Any) -> PartKind | None:
    """The kind of part that a hint names, or None."""
    return next(
        (one for one in getattr(hint, "__metadata__", ()) if isinstance(one, PartKind)), None
    )


def _mismatch(value: Any, hint: Any) -> str | None:
    """What is wrong with a value, or None; what holds parts yet to be built is left to them."""
    if value is ... or any(targets(value)) or MISSING in _leaves(value):
        return None
    # To Python truth values are numbers, to a reader `rows=true` is a slip.
    slip = isinstance(value, bool) and hint is not Any and bool not in _plain_types(hint)
    for written in (value, _tuples(value)):
        with suppress(TypeCheckError):
            check_type(written, hint, collection_check_strategy=CollectionCheckStrategy.ALL_ITEMS)
            if not slip:
                return None
    if get_origin(hint) is Literal:
        return f"must be {_describe(hint)}"
    wrong = f"must be {_describe(hint)}, not {_kind(value)}"
    if isinstance(value, (int, float)) and str in _plain_types(hint) and value is not True:
        wrong += f"; if it is a length of time, add the unit: '{value}D'"
    return wrong


def _tuples(value: Any) -> Any:
    """Tuples for the lists of a value: YAML has only lists."""
    return tuple(map(_tuples, value)) if isinstance(value, list) else value


def _leaves(value: Any) -> list[Any]:
    if isinstance(value, Mapping):
        value = list(value.values())
    return (
        [leaf for inner in value for leaf in _leaves(inner)] if isinstance(value, list) else [value]
    )


def _plain_types(hint: Any) -> set[Any]:
    if get_origin(hint) in (Union, UnionType):
        return {plain for part in get_args(hint) for plain in _plain_types(part)}
    return {hint}


def _kind(value: Any) -> str:
    if value is None:
        return "null"
    if isinstance(value, Mapping):
        return "a mapping"
    return f"a list of {len(value)}" if isinstance(value, list) else type(value).__name__


def _describe(hint: Any) -> str:
    """A type in the words of someone who writes YAML: what cannot stand there is left out."""
    origin, inner = get_origin(hint), get_args(hint)
    if (kind := _kind_of_part(hint)) is not None:
        return kind.wants
    if origin in (Union, UnionType):
        writable = [part for part in inner if part in (*_PLAIN, NoneType) or get_origin(part)]
        return " or ".join(dict.fromkeys(map(_describe, writable or inner)))
    if origin is Literal:
        return " or ".join(map(repr, inner))
    if hint is NoneType:
        return "null"
    if inspect.isclass(origin) and issubclass(origin, Mapping):
        return "a mapping"
    if inspect.isclass(origin) and issubclass(origin, Sequence):
        return f"a list of {_describe(inner[0])}"
    return str(getattr(hint, "__name__", hint))
