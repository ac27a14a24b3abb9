"""Names an object by what it holds, so that two share something only where they are the same."""

from __future__ import annotations

import pickle
from types import BuiltinFunctionType, FunctionType
from typing import Any, ClassVar

import joblib
import numpy as np
from joblib.hashing import NumpyHasher


def content(value: Any) -> str:
    """Name an object by its class and all that it holds; never by its ``repr``, which may hide it.

    What cannot be pickled (an object of a local class, a lambda) is named by its identity.
    """
    try:
        return str(joblib.hash(value))
    except Exception:
        return f"only here: {id(value)}"


def content_for_seed(value: Any) -> str:
    """Name an object alike in every process and at any time, for what is drawn because of it.

    Classes and functions of a script, a notebook or another function count by their names: what
    this does not tell apart shares its draws, which is harmless. What cannot be pickled even so
    counts by its class.
    """
    try:
        inside = str(_Hasher(hash_name="md5").hash(value))
    except Exception:
        inside = ""
    kind = type(value)
    return f"{kind.__module__}.{_name(kind)}:{inside}"


class _Hasher(NumpyHasher):  # type: ignore[misc]  # joblib has no types
    """Hashes what other processes get: arrays without gaps, and classes that they cannot import."""

    def save(self, obj: Any) -> None:
        """Write an array as its copy would be written: a view is sent as one."""
        if type(obj) is np.ndarray:
            obj = obj.copy(order="F" if obj.flags.fnc else "C")
        super().save(obj)

    def save_global(self, obj: Any, name: str | None = None) -> None:
        """Write the name of a class or function, whether or not it can be looked up here."""
        try:
            super().save_global(obj, name)
        except pickle.PicklingError:
            known_as = f"{obj.__module__}\n{name or _name(obj)}\n"
            self.write(pickle.GLOBAL + known_as.encode())
            self.memoize(obj)

    dispatch: ClassVar[dict[type, Any]] = {
        **NumpyHasher.dispatch,
        **dict.fromkeys((type, FunctionType, BuiltinFunctionType), save_global),
    }


def _name(named: Any) -> str:
    """The name of a class or function without that of the function that it was made in."""
    return str(named.__qualname__).rpartition("<locals>.")[2]
