"""Names an object by what it holds, so that two share something only where they are the same."""

import functools
import itertools
import pickle
import sys
import weakref
from collections.abc import Callable
from functools import reduce
from types import BuiltinFunctionType, FunctionType
from typing import Any, ClassVar

from joblib.hashing import NumpyHasher
from numpy import ndarray

from backtrain.store.code_version import code_of, reduced

PACKAGE = __name__.partition(".")[0]
#: How the name of what only this process knows begins.
ONLY_HERE = "only here"
#: Numbers of such objects by their ids, with what tells whether that is still this object.
_HERE: dict[int, tuple[Callable[[], Any], int]] = {}
_NUMBERS = itertools.count()


def content(value: Any) -> str:
    """Name an object by its class and all that it holds; never by its ``repr``, which may hide it.

    Classes and functions of this package count by their public names, so that moving a file changes
    no name; those of others by module, name and, where they are not installed, their code: a class
    that a notebook defines again is another one. What cannot be pickled (an object of a local
    class, a lambda) is named by its identity, `ONLY_HERE` and a number that no other object gets.
    """
    try:
        return str(_Hasher().hash(value))
    except Exception:
        return f"{ONLY_HERE}: {_number(value)}"


def is_unnamed(name: str) -> bool:
    """Whether a name by `content` holds only as long as the object does."""
    return name.startswith(ONLY_HERE)


def content_for_seed(value: Any) -> str:
    """Name an object alike in every process and at any time, for what is drawn because of it.

    Classes and functions count by their names, wherever they were written: what this does not tell
    apart shares its draws, which is harmless. What cannot be pickled even so counts by its class.
    """
    try:
        inside = str(_SeedHasher().hash(value))
    except Exception:
        inside = ""
    return f"{_name(type(value))}:{inside}"


def public_name(named: Any) -> str:
    """The name by which a class or function is imported: of this package's, without the file.

    >>> from backtrain.strategies import Refit
    >>> public_name(Refit)
    'backtrain.Refit'
    """
    module = str(getattr(named, "__module__", None) or "builtins")
    own = module.partition(".")[0] == PACKAGE
    return f"{PACKAGE if own else module}.{named.__qualname__}"


class _Hasher(NumpyHasher):  # type: ignore[misc]  # joblib has no types
    """Hashes what other processes get: arrays without gaps, objects without what they cache."""

    def __init__(self) -> None:
        super().__init__(hash_name="md5")

    def save(self, obj: Any) -> None:
        """Write an array as its copy would be written: a view is sent as one."""
        if type(obj) is ndarray:
            obj = obj.copy(order="F" if obj.flags.fnc else "C")
        super().save(obj)

    def reducer_override(self, obj: Any) -> Any:
        """Leave out what an object has worked out from the rest, and may not have yet."""
        return reduced(obj)

    def save_global(self, obj: Any, name: str | None = None) -> None:
        """Write the name of a class or function, and its code where that has no version."""
        if not _can_be_imported(obj):
            raise pickle.PicklingError(f"{obj!r} cannot be imported")
        self.write(pickle.GLOBAL + public_name(obj).encode() + b"\n" + code_of(obj) + b"\n")
        self.memoize(obj)

    dispatch: ClassVar[dict[type, Any]] = {
        **NumpyHasher.dispatch,
        **dict.fromkeys((type, FunctionType, BuiltinFunctionType), save_global),
    }


class _SeedHasher(_Hasher):
    def save_global(self, obj: Any, name: str | None = None) -> None:
        """Write the name of a class or function, whether or not it can be looked up here."""
        self.write(pickle.GLOBAL + _name(obj).encode() + b"\n")
        self.memoize(obj)

    dispatch: ClassVar[dict[type, Any]] = {
        **_Hasher.dispatch,
        **dict.fromkeys((type, FunctionType, BuiltinFunctionType), save_global),
    }


def _number(value: Any) -> int:
    """A number of an object: an id is given to another one when the first is gone."""
    known = _HERE.get(id(value))
    if known is None or known[0]() is not value:
        try:
            alive: Callable[[], Any] = weakref.ref(value)
        except TypeError:
            alive = functools.partial(_itself, value)  # it stays, and so does its id
        known = _HERE[id(value)] = (alive, next(_NUMBERS))
    return known[1]


def _itself(value: Any) -> Any:
    return value


def _can_be_imported(named: Any) -> bool:
    module = sys.modules.get(str(getattr(named, "__module__", None) or "builtins"))
    steps = str(named.__qualname__).split(".")
    return reduce(lambda owner, step: getattr(owner, step, None), steps, module) is named


def _name(named: Any) -> str:
    """The name of a class or function without that of the function that it was made in."""
    return str(named.__qualname__).rpartition("<locals>.")[2]
