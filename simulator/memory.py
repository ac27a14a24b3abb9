"""Parts that remember, or draw from global generators: results would depend on the order."""

from __future__ import annotations

import copy
import io
import pickle
import random
import threading
from collections.abc import Callable, Iterator
from dataclasses import fields
from functools import cached_property
from types import BuiltinFunctionType, FunctionType, ModuleType
from typing import Any, ParamSpec, TypeVar

import numpy as np

from backtrain.simulator.errors import PartError
from backtrain.simulator.view import Model, View

#: Looks are taken at the first call of a kind, at the 8th, the 64th, ...: most faults show at once.
LOOKS = frozenset(8**power for power in range(12))

_REMEDIES = {
    "monitor": "let monitor() return a fresh object that holds what changes",
    "open": "let open() return a fresh object that holds what changes",
    "select": "let select() work it out from the view",
    "fit": "let fit() keep what it learns in the model that it returns",
}
_GENERATORS = (np.random.Generator, np.random.RandomState, random.Random)

_Asked = ParamSpec("_Asked")
_Told = TypeVar("_Told")


class Memory:
    """Holds what parts are at the end of a replay against what they were at its beginning.

    A part may change as long as a second replay would begin as the first one did: what is compared
    is a copy of the part after its ``monitor()`` or ``open()`` was called. Frozen dataclasses are
    taken at their word, but for parts and random generators that they hold.
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
            kept = "make it anew, from a seed, in monitor(), open(), select() or fit()"
            said = (words for method, words in _REMEDIES.items() if hasattr(part, method))
            remedy = next(said, kept)
            raise PartError(
                f"{type(part).__name__}: {', '.join(changed)} changed during the replay, so the "
                f"next one would begin in another state, and results depend on order; {remedy}"
            )


def without_global_random(
    part: object, ask: Callable[_Asked, _Told], *args: _Asked.args, **more: _Asked.kwargs
) -> _Told:
    """Ask a part; raise `PartError` where it draws from the generators that all code shares.

    Two looks at them take some 60 microseconds, so not every call can be watched, and parts that
    are shipped are not. Only the main thread is: elsewhere, others may draw meanwhile.
    """
    if _is_shipped(part) or threading.current_thread() is not threading.main_thread():
        return ask(*args, **more)
    before = _global_random_state()
    told = ask(*args, **more)
    if _global_random_state() != before:
        raise PartError(
            f"{type(part).__name__}: it draws from numpy.random's or random's global generator, so "
            "its result depends on what else has drawn from it; give the part a seed, and make a "
            "generator from it, np.random.default_rng([self.seed, view.past]), where it draws"
        )
    return told


def _global_random_state() -> tuple[Any, ...]:
    state = np.random.get_state(legacy=False)  # noqa: NPY002 - whether a part has used it
    return random.getstate(), state.get("has_gauss"), pickle.dumps(state["state"])


def _is_shipped(value: object) -> bool:
    """Whether a part, and all that it holds, comes with this package, or is a plain value."""
    if isinstance(value, (list, tuple)):
        return all(map(_is_shipped, value))
    home = type(value).__module__.split(".")[0]
    if home == "backtrain" and _is_frozen(value):
        return all(_is_shipped(getattr(value, spec.name)) for spec in fields(value))  # type: ignore[arg-type]
    return home in ("builtins", "numpy", "pandas") and not callable(value)


def _changeable(value: object) -> Iterator[object]:
    """All parts and generators that can change, of parts and what these hold."""
    if isinstance(value, (list, tuple)):
        for entry in value:
            yield from _changeable(entry)
    elif _is_frozen(value):
        for spec in fields(value):  # type: ignore[arg-type]
            yield from _changeable(getattr(value, spec.name))
    elif isinstance(value, _GENERATORS) or _is_part(value):
        yield value


def _is_frozen(value: Any) -> bool:
    params = getattr(value, "__dataclass_params__", None)
    return params is not None and bool(params.frozen) and not isinstance(value, type)


def _is_part(value: object) -> bool:
    methods = any(hasattr(value, method) for method in _REMEDIES)
    return methods and hasattr(value, "__dict__") and not isinstance(value, type)


def _state(part: object) -> dict[str, bytes | None]:
    """What a replay would begin with, by attribute."""
    if isinstance(part, _GENERATORS):
        return {type(part).__name__: _digest(part)}
    try:
        fresh = copy.deepcopy(part)
        for opener in ("monitor", "open"):
            if hasattr(fresh, opener):
                getattr(fresh, opener)()
    except Exception:  # it holds what cannot be copied
        fresh = part
    return {
        name: _digest(value)
        for name, value in vars(fresh).items()
        if not isinstance(getattr(type(part), name, None), cached_property)
    }


class _Pickler(pickle.Pickler):
    """Writes down what can change; names classes, functions, views and models by identity."""

    def persistent_id(self, value: Any) -> str | None:
        """Name a function by its code: the same one is made anew with each object that holds it."""
        if isinstance(value, FunctionType):
            return f"{id(value.__code__)}"
        if isinstance(value, BuiltinFunctionType):
            return value.__qualname__
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
