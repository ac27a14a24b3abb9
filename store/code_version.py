"""Where the code of an object comes from: only what is installed is sure to stay the same."""

import copyreg
import hashlib
import inspect
import os
import pickle
import platform
import sys
import sysconfig
from collections.abc import Iterable, Iterator, Mapping
from contextlib import suppress
from dataclasses import dataclass
from functools import cache, cached_property, partial
from importlib import metadata
from importlib.util import find_spec
from pathlib import Path
from types import CodeType, FunctionType, MethodType, ModuleType
from typing import Any

import numpy as np
import pandas as pd

from backtrain.store.lru import Scale

#: Folders that installers write to. An editable install lies elsewhere: its code changes while its
#: version does not.
_INSTALLED = {"site-packages", "dist-packages"}
#: Folders of Python's own modules: a user's file may have the name of one of them.
_PYTHON = {
    *(Path(sysconfig.get_path(name)) for name in ("stdlib", "platstdlib")),
    *(Path(os.__file__).parent, Path(sys.base_exec_prefix, "DLLs")),
}
#: Libraries whose objects keep what a fit makes in themselves: a test asks all of scikit-learn's.
_TRUSTED = {"backtrain", "joblib", "numpy", "pandas", "scipy", "sklearn"}
#: Those whose functions are known as well: others have some that sort, sum or smooth whole columns.
_BY_ROW = {"backtrain", "sklearn"}
#: Every fit depends on these, whatever the model is; by whom they are published.
_ALWAYS = {name: name for name in ("joblib", "numpy", "pandas", "scipy")}
_ALWAYS["sklearn"] = "scikit-learn"


@dataclass(frozen=True)
class Origin:
    """Whether the code of an object lasts, and which versions identify it.

    Attributes
    ----------
    lasting : bool
        Whether all of it is installed, or vouched for by a ``cache_version``.
    versions : tuple of str
        The versions that stand for the code.
    """

    lasting: bool
    versions: tuple[str, ...]


def origin_of(value: Any) -> Origin:
    """Origin of every class and function that an object is made of, at any depth.

    A class or function outside installed distributions, say in a notebook, is lasting where it
    declares a ``cache_version`` of its own: its author then changes that with the code.

    >>> from sklearn.linear_model import Ridge
    >>> origin_of(Ridge()).lasting
    True
    >>> origin_of(lambda x: x).lasting
    False
    """
    collector = _KindCollector()
    try:
        collector.dump(value)
    except Exception:
        return Origin(False, ())  # what cannot be pickled cannot be kept on disk either
    versions = [_version_of(kind) for kind in collector.kinds]
    return Origin(None not in versions, tuple(sorted({version for version in versions if version})))


def unversioned(value: Any) -> list[str]:
    """Classes and functions of an object that no version stands for, by name.

    >>> from sklearn.linear_model import Ridge
    >>> unversioned(Ridge()), unversioned(type("Mine", (Ridge,), {"__module__": "__main__"})())
    ([], ['Mine'])
    """
    collector = _KindCollector()
    with suppress(Exception):  # of what cannot be pickled: those that were seen
        collector.dump(value)
    return sorted({kind.__qualname__ for kind in collector.kinds if _version_of(kind) is None})


def is_trusted(value: Any) -> bool:
    """Whether an object is made of classes and functions of known libraries only, at any depth.

    What others wrote may share state among its copies, or answer a row by its neighbours. So may a
    function of any library that takes whole columns, such as one that sorts or smooths them: of
    functions, only universal ones of NumPy, and those of scikit-learn and of this package, are
    trusted.

    >>> from sklearn.preprocessing import FunctionTransformer
    >>> is_trusted(FunctionTransformer(np.log1p)), is_trusted(FunctionTransformer(np.sort))
    (True, False)
    """
    return _is_trusted(value, set())


def _is_trusted(value: Any, seen: set[int]) -> bool:
    if id(value) in seen or value is None:
        return True
    seen.add(id(value))
    if isinstance(value, np.ndarray):
        return value.dtype.kind != "O" or all(_is_trusted(v, seen) for v in value.ravel())
    if isinstance(value, MethodType):
        return _is_trusted(value.__self__, seen) and _is_trusted(value.__func__, seen)
    named = isinstance(value, (type, np.ufunc))
    function = not named and inspect.isroutine(value)
    module = getattr(value if named or function else type(value), "__module__", None) or "builtins"
    top = module.partition(".")[0]
    if (top not in _TRUSTED and not is_standard(module)) or top == "__main__":
        return False
    if function:
        return top in _BY_ROW
    if named or isinstance(value, (str, bytes, int, float, complex, pd.DataFrame, pd.Series)):
        return True
    if isinstance(value, partial):
        return all(_is_trusted(v, seen) for v in (value.func, value.args, value.keywords))
    if isinstance(value, Mapping):
        return all(_is_trusted(v, seen) for pair in value.items() for v in pair)
    if isinstance(value, (list, tuple, set, frozenset)):
        return all(_is_trusted(v, seen) for v in value)
    return all(_is_trusted(v, seen) for v in getattr(value, "__dict__", {}).values())


def sources_of(*values: Any) -> str:
    """Digest of the code behind objects: versions where it is installed, else its source files."""
    collector = _KindCollector(through=True)
    for value in values:
        with suppress(Exception):  # it cannot be pickled: what came before was seen
            collector.dump(value)
    kinds = sorted({(kind.__module__ or "", kind.__qualname__) for kind in collector.kinds})
    versions = {kind: _version_of(kind) for kind in collector.kinds}
    sources = sorted({_source(kind) if v is None else v for kind, v in versions.items()})
    return hashlib.blake2b(repr((kinds, sources)).encode(), digest_size=8).hexdigest()


@cache
def environment() -> tuple[str, ...]:
    """Versions that every fit depends on: libraries, Python, the machine and this package."""
    own = _module_version(__name__)
    machine = (sys.platform, platform.machine())
    libraries = (f"{name} {metadata.version(by)}" for name, by in sorted(_ALWAYS.items()))
    return (*libraries, f"python {sys.version_info[0]}.{sys.version_info[1]}", *machine, str(own))


def kinds_in(value: Any) -> set[type | FunctionType]:
    """Every class and function that an object is made of, at any depth; may raise anything.

    >>> from sklearn.linear_model import Ridge
    >>> sorted(kind.__name__ for kind in kinds_in({"a": abs, "b": Ridge()}))
    ['Ridge', 'builtin_function_or_method', 'str']
    """
    collector = _KindCollector(through=True)
    collector.dump(value)
    return collector.kinds


class _KindCollector(pickle.Pickler):
    """Collects the classes and functions that an object is pickled with; writes nothing."""

    def __init__(self, through: bool = False) -> None:
        super().__init__(Scale(), protocol=5)
        self.kinds: set[type | FunctionType] = set()
        self._through = through

    def reducer_override(self, value: Any) -> Any:
        """Take note, and let pickling go on as usual; or through what it cannot find by name."""
        named = isinstance(value, (type, FunctionType))
        # The type of a compiled function lies in no module; lengths of time of pandas have one.
        compiled = type(value).__name__ == "cython_function_or_method"
        self.kinds.add(value if named or compiled else type(value))
        # `str` itself goes as usual, or its stand-in would need another one, without an end.
        if named and self._through and value is not str:
            return str, ()
        return reduced(value)


def reduced(value: Any) -> Any:
    """How an object is pickled without what it has worked out from the rest, and may not have yet.

    `NotImplemented`, as for `pickle.Pickler.reducer_override`, where nothing is to be left out.
    """
    kind, state = type(value), getattr(value, "__dict__", None)
    if not state or isinstance(value, (type, FunctionType, MethodType, ModuleType)):
        return NotImplemented
    cached = {n for n in state if isinstance(_of_class(kind, n), cached_property)}
    hooks = ("__reduce_ex__", "__reduce__", "__getstate__")
    if not cached or any(_of_class(kind, hook) is not vars(object)[hook] for hook in hooks):
        return NotImplemented
    own = {name: part for name, part in state.items() if name not in cached}
    return copyreg.__newobj__, (kind,), own  # type: ignore[attr-defined]


def _of_class(kind: type, name: str) -> Any:
    """What a class has under a name, without asking a descriptor."""
    return next((vars(base)[name] for base in kind.__mro__ if name in vars(base)), None)


def _version_of(kind: type | FunctionType) -> str | None:
    """What stands for the code of a class or function; None when nothing does."""
    declared = declared_version(kind)
    return _module_version(kind.__module__ or "") if declared is None else declared


def declared_version(kind: type | FunctionType) -> str | None:
    """What its author vouches for by a ``cache_version``."""
    # Its own declaration: an inherited one says nothing about what the subclass adds.
    declared = vars(kind).get("cache_version")
    return None if declared is None else f"{kind.__module__}.{kind.__qualname__} {declared!r}"


@cache
def _module_version(module: str) -> str | None:
    top = module.partition(".")[0]
    if is_standard(module):
        return ""  # the version of Python stands for it
    file = getattr(sys.modules.get(module), "__file__", None)
    if file is None or module == "__main__":
        return None
    if top == "backtrain":
        return own_version(_package(Path(file)))
    if not is_installed(Path(file)):
        return None
    return "" if top in _ALWAYS else " ".join(distributions_of(top)) or None


def file_of(module: str) -> Path | None:
    """Where a module's code lies; None where it has no file, or is not there."""
    if (loaded := sys.modules.get(module)) is not None:
        file = getattr(loaded, "__file__", None)
        return None if file is None else Path(file)
    with suppress(ImportError, ValueError, AttributeError):
        spec = find_spec(module)
        if spec is not None and spec.has_location and spec.origin is not None:
            return Path(spec.origin)
    return None


@cache
def is_standard(module: str) -> bool:
    """Whether it is Python's own, and no file of the user's that has the name of one of these.

    >>> is_standard("collections.abc"), is_standard("numpy")
    (True, False)
    """
    if module.partition(".")[0] not in sys.stdlib_module_names:
        return False
    file = file_of(module)
    return file is None or not _PYTHON.isdisjoint(file.parents)


def is_installed(file: Path) -> bool:
    """Whether an installer has put it where it lies."""
    return not _INSTALLED.isdisjoint(file.parts)


def distributions_of(top: str) -> tuple[str, ...]:
    """Name and version of what provides a top-level package; nothing where none does."""
    providers = sorted(set(_distributions().get(top, ())))
    return tuple(f"{name} {metadata.version(name)}" for name in providers)


def own_version(folder: Path) -> str | None:
    """What stands for a folder of this package."""
    try:
        version = f"backtrain {metadata.version('backtrain')}"
    except metadata.PackageNotFoundError:
        return None
    return version if is_installed(folder) else f"{version} {folder.name} {_sources(folder)}"


def _package(file: Path) -> Path:
    """The outermost package that a source file lies in."""
    folders = [folder for folder in file.parents if (folder / "__init__.py").exists()]
    return folders[-1] if folders else file.parent


@cache
def _sources(folder: Path) -> str:
    """Digest of a folder's sources: in a checkout, the version does not change with the code."""
    sha = hashlib.blake2b(digest_size=8)
    for path in sorted(folder.rglob("*.py")):
        sha.update(path.read_bytes())
    return sha.hexdigest()


@cache
def _source(kind: type | FunctionType) -> str:
    """Digest of the file that a class or function was written in, else of its own source."""
    try:
        written = Path(inspect.getsourcefile(kind) or "").read_bytes()
    except (OSError, TypeError):
        try:
            written = inspect.getsource(kind).encode()
        except (OSError, TypeError):
            written = b""
    return hashlib.blake2b(written, digest_size=8).hexdigest()


def code_of(named: Any) -> bytes:
    """Digest of what a class or function does, where no version stands for it; else nothing.

    Its bytecode and plain values, and those of the classes and functions beside it that it names.
    """
    if not isinstance(named, (type, FunctionType)) or _version_of(named) is not None:
        return b""
    sha = hashlib.blake2b(digest_size=8)
    for piece in _pieces(named, set()):
        sha.update(piece)
    return sha.hexdigest().encode()


def _pieces(value: Any, seen: set[int]) -> Iterator[bytes]:
    """The code of a value and of what it refers to, as far as no version stands for that."""
    inside: Iterable[Any]
    if isinstance(value, (type, FunctionType)):
        if id(value) in seen or _version_of(value) is not None:
            return
        seen.add(id(value))
        inside = _parts_of_class(value) if isinstance(value, type) else _of_function(value)
    elif isinstance(value, CodeType):
        yield value.co_code + repr((value.co_names, value.co_varnames)).encode()
        inside = value.co_consts
    elif isinstance(value, (staticmethod, classmethod)):
        inside = (value.__func__,)
    elif isinstance(value, property):
        inside = (value.fget, value.fset)
    elif isinstance(value, cached_property):
        inside = (value.func,)
    elif isinstance(value, (tuple, list)):
        inside = value
    else:
        if value is None or isinstance(value, (bool, int, float, complex, str, bytes)):
            yield repr(value).encode()
        return
    for part in inside:
        yield from _pieces(part, seen)


def _parts_of_class(kind: type) -> list[Any]:
    own = {n: v for n, v in vars(kind).items() if n not in ("__module__", "__doc__")}
    return [*kind.__bases__, *(part for pair in sorted(own.items()) for part in pair)]


def _of_function(function: FunctionType) -> list[Any]:
    names = sorted(_names(function.__code__))
    around = [function.__globals__[name] for name in names if name in function.__globals__]
    more = sorted((function.__kwdefaults__ or {}).items())
    return [function.__code__, function.__defaults__, more, around]


def _names(code: CodeType) -> set[str]:
    inner = (_names(part) for part in code.co_consts if isinstance(part, CodeType))
    return set(code.co_names).union(*inner)


@cache
def _distributions() -> dict[str, list[str]]:
    return dict(metadata.packages_distributions())  # it reads every installed file list: 0.1 s
