"""Finds parts whose results would depend on what was replayed before: by their state or by luck."""

import copy
import io
import pickle
import random
from collections.abc import Callable, Iterator
from contextlib import suppress
from dataclasses import fields
from functools import cached_property, partial
from threading import current_thread, main_thread
from types import BuiltinFunctionType, FunctionType, MethodType, ModuleType
from typing import Any, TypeVar, TypeVarTuple

import numpy as np
import pandas as pd

from backtrain.simulator.answers import PartError
from backtrain.simulator.asking import is_function
from backtrain.simulator.process import seedings, works_alone
from backtrain.simulator.texts import SOURCE, code
from backtrain.simulator.view import Model, View
from backtrain.store.code_version import is_trusted

#: Parts are compared after the 1st call of a kind, the 8th, the 64th, ...: most faults show soon.
LOOKS = frozenset(8**power for power in range(12))

_REMEDIES = {
    "monitor": "let monitor() return a fresh object that holds what changes",
    "open": "let open() return a fresh object that holds what changes",
    "select": "let select() compute it from the view",
    "fit": "let fit() keep what it learns in the model that it returns",
    "fires": "write monitor(), which returns a fresh object that holds what changes",
    "review": "write open(), which returns a fresh object that holds what changes",
}
_FUNCTION = "a function has no memory: compute it from the view, or write a class"
_GENERATORS = (np.random.Generator, np.random.RandomState, random.Random)

_Arguments = TypeVarTuple("_Arguments")
_Answer = TypeVar("_Answer")


class Memory:
    """Compares the state of parts during a replay with their state at its beginning.

    A part may change as long as a second replay would begin as the first one did: what is compared
    is a copy of the part after its ``monitor()`` or ``open()`` was called; of a function, what it
    closes over, its defaults, and what a partial or a bound method holds. Frozen dataclasses are
    trusted, but for parts and random generators that they hold.
    """

    def __init__(self, *parts: object) -> None:
        self._watched = [(part, _state(part)) for part in _changeable(parts)]

    def check(self) -> None:
        """Raise `PartError` where a part is not what it was."""
        for part, before in self._watched:
            after = _state(part)
            if after == before:
                continue
            changed = [name for name in after if after[name] != before.get(name)]
            changed += [name for name in before if name not in after]
            raise PartError(
                f"{_name(part)}: {', '.join(changed)} changed during the replay, so the next one "
                f"would begin in another state, and results depend on order; {_remedy(part)}"
            )


def _name(part: object) -> str:
    return code(part) if is_function(part) else type(part).__name__


def _remedy(part: object) -> str:
    if is_function(part):
        return _FUNCTION
    anew = "make it anew, from a seed, in monitor(), open(), select() or fit()"
    return next((text for name, text in _REMEDIES.items() if hasattr(part, name)), anew)


def without_global_random(
    part: object, turn: int, ask: Callable[[*_Arguments], _Answer], *args: *_Arguments
) -> _Answer:
    """Ask a part; raise `PartError` where it draws from the generators that all code shares.

    To compare their states takes some 60 microseconds, so not every ``turn`` is watched, and parts
    that are shipped are not. Nor are threads in which other code may draw meanwhile; in those that
    only do work of ours, models beside the part draw from what is seeded and put back.
    """
    if turn not in LOOKS or is_trusted(part) or not works_alone():
        return ask(*args)
    seeded, before = seedings(), _global_random_state()
    answer = ask(*args)
    drawn = _global_random_state() != before
    models = current_thread() is not main_thread() and (seeded[1] or seedings() != seeded)
    if drawn and not models:
        raise PartError(
            f"{_name(part)}: it draws from numpy.random's or random's global generator, so "
            "its result depends on what else has drawn from it; give the part a seed, and make a "
            "generator from it, np.random.default_rng([self.seed, view.past]), where it draws"
        )
    return answer


def _global_random_state() -> tuple[Any, ...]:
    state = np.random.get_state(legacy=False)  # noqa: NPY002 - whether a part has used it
    return random.getstate(), state.get("has_gauss"), pickle.dumps(state["state"])


def _changeable(value: object, is_part: bool = True) -> Iterator[object]:
    """All parts, functions and generators that can change, of parts and what these hold."""
    if isinstance(value, (list, tuple)):
        for entry in value:
            yield from _changeable(entry, is_part)
    elif is_function(value):
        if is_part:  # a user's frozen class is trusted with the functions that it holds
            yield from _of_function(value)
    elif _is_frozen(value):
        for spec in fields(value):  # type: ignore[arg-type]
            yield from _changeable(getattr(value, spec.name), _is_own(type(value).__module__))
    elif isinstance(value, _GENERATORS) or _is_part(value):
        yield value


def _of_function(value: Any) -> Iterator[object]:
    """A function, and the objects that a partial or a bound method calls it with."""
    if isinstance(value, partial):
        yield value
        yield from _changeable([value.func, *value.args, *value.keywords.values()])
    elif isinstance(value, MethodType):
        if _is_frozen(value.__self__):
            yield from _changeable(value.__self__)
        elif not isinstance(value.__self__, type):
            yield value.__self__
    elif isinstance(value, FunctionType) and _is_own(value.__globals__.get("__name__")):
        yield from _changeable([held for _, held in _held(value)])
    elif isinstance(value, FunctionType):
        yield value


def _is_own(module: object) -> bool:
    """Whether a module is of this package, whose functions may keep a log of answers."""
    return str(module).partition(".")[0] == "backtrain"


def _is_frozen(value: Any) -> bool:
    params = getattr(value, "__dataclass_params__", None)
    return params is not None and bool(params.frozen) and not isinstance(value, type)


def _is_part(value: object) -> bool:
    return any(hasattr(value, name) for name in _REMEDIES) and not isinstance(value, type)


def _state(part: object) -> dict[str, bytes | None]:
    """What a replay would begin with, by attribute."""
    if isinstance(part, _GENERATORS):
        return {type(part).__name__: _digest(part)}
    if isinstance(part, (FunctionType, partial)):
        return {name: _digest(value) for name, value in _held(part)}
    try:
        fresh = copy.deepcopy(part)
        for opener in ("monitor", "open"):
            if hasattr(fresh, opener):
                getattr(fresh, opener)()
    except Exception:  # it holds what cannot be copied
        fresh = part
    return {
        name: _digest(value)
        for name, value in _attributes(fresh).items()
        if not isinstance(getattr(type(part), name, None), cached_property)
    }


def _attributes(value: object) -> dict[str, Any]:
    """Attributes of an object, those in ``__slots__`` included."""
    state: Any = object.__getstate__(value)
    plain, slots = state if isinstance(state, tuple) else (state, None)
    return (plain or {}) | (slots or {})


def _held(function: FunctionType | partial[Any]) -> Iterator[tuple[str, object]]:
    """What a function can change without any other object: closure, defaults and attributes."""
    if isinstance(function, partial):
        yield "args", (function.args, function.keywords)
        return
    cells = zip(function.__code__.co_freevars, function.__closure__ or (), strict=True)
    for name, cell in cells:
        with suppress(ValueError):  # it is not bound yet
            yield name, cell.cell_contents
    yield "__defaults__", (function.__defaults__, function.__kwdefaults__)
    yield "__dict__", {name: value for name, value in vars(function).items() if name != SOURCE}


class _Pickler(pickle.Pickler):
    """Writes down what can change; names classes, functions, views and models by identity."""

    def persistent_id(self, value: Any) -> str | None:
        """Name a function by its code: the same one is made anew with each object that holds it."""
        if isinstance(value, FunctionType):
            return f"{id(value.__code__)}"
        if isinstance(value, BuiltinFunctionType):
            return value.__qualname__
        if isinstance(value, (pd.Series, pd.DataFrame)):  # to look into one may change its bytes
            labels = [*value.index.names, getattr(value, "name", None)]
            types = value.dtypes.to_dict() if isinstance(value, pd.DataFrame) else value.dtype
            with suppress(TypeError):  # a cell that has no hash
                hashed = pd.util.hash_pandas_object(value).to_numpy().tobytes().hex()
                return f"{type(value).__name__} {labels} {types} {hashed}"
        return f"{id(value)}" if isinstance(value, (type, ModuleType, View, Model)) else None


def _digest(value: object) -> bytes | None:
    """Bytes that differ where the value does; None for what cannot be written down."""
    written = io.BytesIO()
    pickler = _Pickler(written)
    pickler.fast = True  # equal values give equal bytes, whether or not they are one object
    try:
        pickler.dump(value)
    except Exception:
        return None
    return written.getvalue()
