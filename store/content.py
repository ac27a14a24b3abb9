"""Names an object by what it holds, so that two share something only where they are the same."""

import copyreg
import pickle
import sys
from functools import cached_property, reduce
from types import BuiltinFunctionType, FunctionType, MethodType, ModuleType
from typing import Any, ClassVar

from joblib.hashing import NumpyHasher
from numpy import ndarray

from backtrain.store.code_version import code_of

PACKAGE = __name__.partition(".")[0]
#: How names by identity begin.
_UNNAMED = "only here: "


def content(value: Any) -> str:
    """Name an object by its class and all that it holds; never by its ``repr``, which may hide it.

    Classes and functions of this package count by their public names, so that moving a file changes
    no name; those of others by module, name and, where they are not installed, their code: a class
    that a notebook defines again is another one. What cannot be pickled (an object of a local
    class, a lambda) is named by its identity.
    """
    try:
        return str(_Hasher().hash(value))
    except Exception:
        return f"{_UNNAMED}{id(value)}"


def is_unnamed(name: str) -> bool:
    """Whether a name by `content` holds only as long as the object does."""
    return name.startswith(_UNNAMED)


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
        kind, state = type(obj), getattr(obj, "__dict__", None)
        if not state or isinstance(obj, (type, FunctionType, MethodType, ModuleType)):
            return NotImplemented
        cached = {n for n in state if isinstance(_of_class(kind, n), cached_property)}
        hooks = ("__reduce_ex__", "__reduce__", "__getstate__")
        if not cached or any(_of_class(kind, hook) is not vars(object)[hook] for hook in hooks):
            return NotImplemented
        own = {name: value for name, value in state.items() if name not in cached}
        return copyreg.__newobj__, (kind,), own  # type: ignore[attr-defined]

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


def _of_class(kind: type, name: str) -> Any:
    """What a class has under a name, without asking a descriptor."""
    return next((vars(base)[name] for base in kind.__mro__ if name in vars(base)), None)


def _can_be_imported(named: Any) -> bool:
    module = sys.modules.get(str(getattr(named, "__module__", None) or "builtins"))
    steps = str(named.__qualname__).split(".")
    return reduce(lambda owner, step: getattr(owner, step, None), steps, module) is named


def _name(named: Any) -> str:
    """The name of a class or function without that of the function that it was made in."""
    return str(named.__qualname__).rpartition("<locals>.")[2]
