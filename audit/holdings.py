"""What parts and models hold on to: rows of the history, statistics of all of it, old memories.

The poisoned history is another object than the one that a part was given beforehand, in a closure,
an attribute or a variable of its module: nothing moves when it looks there. So everything that a
part leads to is looked through instead.
"""

import io
import pickle
from collections.abc import Iterable, Iterator, Mapping
from dataclasses import dataclass
from functools import partial
from inspect import isdatadescriptor
from types import FunctionType, MethodType, ModuleType
from typing import Any

import numpy as np
import pandas as pd
from numpy.typing import NDArray

from backtrain.simulator.setup import Setup

#: Objects looked at for one part, and how deep.
_MOST, _DEEPEST = 2_000, 8
#: Fewer values in a row may agree by chance.
_FEWEST = 20
_PLAIN = (str, bytes, bool, type(None), type, ModuleType, np.dtype, np.random.Generator)
_LIBRARIES = ("numpy", "pandas", "scipy", "sklearn", "backtrain", "river", "builtins")


@dataclass(frozen=True)
class Holding:
    """Where something lies, and what it is."""

    path: str
    says: str
    row: int | None = None


# --- everything that a part leads to --------------------------------------------------------------


def reached(part: Any) -> Iterator[tuple[str, Any]]:
    """Every value that a part leads to, with the way there: attributes, closures, globals."""
    todo: list[tuple[str, Any, int]] = [(_called(part), part, 0)]
    seen: dict[int, Any] = {}  # kept, for an id is given again once its object is gone
    while todo and len(seen) < _MOST:
        path, value, depth = todo.pop()
        if isinstance(value, _PLAIN) or id(value) in seen:
            continue
        seen[id(value)] = value
        yield path, value
        if depth < _DEEPEST:
            todo += [(f"{path}{step}", inner, depth + 1) for step, inner in _inside(value)]


def _called(part: Any) -> str:
    return getattr(part, "__qualname__", type(part).__name__)


def _inside(value: Any) -> Iterator[tuple[str, Any]]:
    if isinstance(value, FunctionType):
        yield from _of_function(value)
    elif isinstance(value, MethodType):
        yield ".__self__", value.__self__
        yield from _of_function(value.__func__)
    elif isinstance(value, partial):
        yield from ((" of a partial", inner) for inner in (value.func, value.args, value.keywords))
    elif isinstance(value, Mapping):
        yield from ((f"[{key!r}]", inner) for key, inner in list(value.items())[:200])
        yield " (keys)", list(value)
    elif isinstance(value, (list, tuple, set, frozenset)):
        if not _numbers_only(value):
            yield from ((f"[{place}]", inner) for place, inner in enumerate(list(value)[:200]))
    elif not isinstance(value, (np.ndarray, pd.DataFrame, pd.Series, pd.Index, int, float)):
        yield from _of_object(value)


def _numbers_only(values: Iterable[Any]) -> bool:
    return all(isinstance(value, (int, float, np.generic)) for value in values)


def _of_object(value: Any) -> Iterator[tuple[str, Any]]:
    yield from ((f".{name}", inner) for name, inner in getattr(value, "__dict__", {}).items())
    for kind in type(value).__mro__:
        if (kind.__module__ or "").partition(".")[0] in _LIBRARIES:
            continue
        for name, inner in vars(kind).items():
            if isinstance(inner, (staticmethod, classmethod)):
                inner = inner.__func__
            if isinstance(inner, property):
                inner = inner.fget
            if isinstance(inner, FunctionType) and inner.__module__ == kind.__module__:
                yield from _of_function(inner, f".{name}")
            elif not name.startswith("__") and not callable(inner) and not isdatadescriptor(inner):
                yield f".{name} (of the class)", inner


def _of_function(function: Any, path: str = "") -> Iterator[tuple[str, Any]]:
    """What a function holds: its closure, its defaults, and the globals that its code names."""
    code = function.__code__
    for name, cell in zip(code.co_freevars, function.__closure__ or (), strict=True):
        try:
            yield f"{path} (closure {name!r})", cell.cell_contents
        except ValueError:  # it is not filled yet
            continue
    for default in (*(function.__defaults__ or ()), *(function.__kwdefaults__ or {}).values()):
        yield f"{path} (default)", default
    if (function.__module__ or "").partition(".")[0] in _LIBRARIES:
        return
    for name in code.co_names:
        inner = function.__globals__.get(name)
        if inner is not None and not isinstance(inner, (type, ModuleType)):
            yield f"{path} (global {name!r})", inner


# --- memories -------------------------------------------------------------------------------------


#: Ways that lead out of the object itself.
_OUTSIDE = (" (closure ", " (default)", " (global ", " (of the class)")


def memories(part: Any) -> dict[str, bytes]:
    """What could change between two replays outside of the object itself: by way, its bytes."""
    found = {}
    for path, value in reached(part):
        outside = any(way in path for way in _OUTSIDE)
        if outside and isinstance(value, (list, dict, set, bytearray, int, float)):
            found[path] = _bytes(value)
        elif outside and hasattr(value, "__dict__") and not callable(value):
            found[path] = _bytes(vars(value))
    return found


class _Pickler(pickle.Pickler):
    def reducer_override(self, value: Any) -> Any:
        """What cannot be written down counts by where it lies."""
        if isinstance(value, (FunctionType, MethodType, type, ModuleType)):
            return str, (f"{getattr(value, '__qualname__', value)}",)
        if type(value).__module__.startswith("backtrain.simulator"):
            return str, (f"{id(value)}",)
        return NotImplemented


def _bytes(value: Any) -> bytes:
    written = io.BytesIO()
    try:
        _Pickler(written).dump(value)
    except Exception:
        return repr(type(value)).encode()
    return written.getvalue()


# --- rows of the history --------------------------------------------------------------------------


def holdings(parts: Iterable[Any], setup: Setup) -> Iterator[list[Holding]]:
    """Rows that each part holds and that are not known at ``start``, or what is made of all.

    Found are the history itself, stretches of its labels or features in their order, and numbers
    that are exactly a statistic of all labels or of a whole column.
    """
    stretches, statistics = _Stretches(setup), _Statistics(setup)
    for part in parts:
        found = []
        for path, value in reached(part):
            if isinstance(value, Setup) or value is setup.stream:
                found.append(Holding(path, "it holds the whole history; ask the view instead"))
                continue
            for where, numbers in _numbers(value):
                holding = stretches.found(numbers) or statistics.found(numbers)
                if holding is not None:
                    found.append(Holding(f"{path}{where}", *holding))
                    break
        yield found


def _numbers(value: Any) -> Iterator[tuple[str, NDArray[Any]]]:
    """Columns of numbers in a value."""
    if isinstance(value, bool):
        return
    if isinstance(value, (int, float, np.integer, np.floating)):
        yield "", np.array([float(value)])
    elif isinstance(value, pd.DataFrame):
        for name in value.columns[:200]:
            yield from ((f"[{name!r}]", n) for _, n in _numbers(value[name]))
    elif isinstance(value, (pd.Series, pd.Index)):
        yield from _numbers(value.to_numpy())
    elif isinstance(value, np.ndarray):
        if value.dtype.kind in "iuf" and value.ndim == 1:
            yield "", value.astype(np.float64)
        elif value.dtype.kind in "iuf" and value.ndim == 2:
            yield from ((f"[:, {k}]", value[:, k].astype(float)) for k in range(value.shape[1]))
    elif isinstance(value, (list, tuple)) and len(value) and _numbers_only(value):
        yield "", np.array(value, dtype=np.float64)
    elif isinstance(value, Mapping) and len(value) and _numbers_only(value.values()):
        yield " (values)", np.array(list(value.values()), dtype=np.float64)


class _Stretches:
    """Finds runs of a history's labels and features in arrays."""

    def __init__(self, setup: Setup) -> None:
        self._first = setup.served.start
        self._columns = {"labels": _labels(setup)} | _features(setup)
        self._many = {
            name: column
            for name, column in self._columns.items()
            if len(np.unique(column[: 5 * _FEWEST])) > 2 or name == "labels"
        }

    def found(self, numbers: NDArray[np.float64]) -> tuple[str, int] | None:
        """What a run of them is, and its last row; None where it is none, or all known."""
        if len(numbers) < _FEWEST or len(np.unique(numbers[np.isfinite(numbers)])) < 2:
            return None
        for name, column in self._many.items():
            row = self._last_row(column, numbers)
            if row is not None and row >= self._first:
                what = "labels" if name == "labels" else f"column {name!r}"
                return (
                    f"it holds {what} of rows that are not known at start, up to row {row}; "
                    "take what it needs from the view",
                    row,
                )
        return None

    @staticmethod
    def _last_row(column: NDArray[np.float64], numbers: NDArray[np.float64]) -> int | None:
        """The row of the last number, if they stand in the column one after another."""
        few = np.unique(column[:1_000]).size < 2 * _FEWEST
        probe = numbers[-10 * _FEWEST :] if few else numbers[-_FEWEST:]
        if np.unique(probe[np.isfinite(probe)]).size < 2 or len(column) < len(probe):
            return None
        windows = np.lib.stride_tricks.sliding_window_view(column, len(probe))
        starts = np.flatnonzero(column[: len(windows)] == probe[0])
        for start in starts[:5_000][::-1]:
            if np.array_equal(windows[start], probe, equal_nan=True):
                return int(start + len(probe) - 1) if _informative(probe, column) else None
        return None


def _informative(probe: NDArray[np.float64], column: NDArray[np.float64]) -> bool:
    """Whether such a run would hardly occur by chance."""
    values, counts = np.unique(column[np.isfinite(column)], return_counts=True)
    share = dict(zip(values.tolist(), (counts / counts.sum()).tolist(), strict=True))
    bits = -np.log2([share.get(value, 1.0) for value in probe.tolist()])
    changes = np.count_nonzero(np.diff(probe))
    return bool(bits.sum() > 3 * np.log2(len(column)) and changes >= 5)


class _Statistics:
    """Finds numbers that are a statistic of the whole history, and not of what is known."""

    def __init__(self, setup: Setup) -> None:
        self._known: dict[float, str] = {}
        self._columns: dict[str, NDArray[np.float64]] = {}
        first, labels = setup.served.start, _labels(setup)
        if setup.classes is None:
            self._add("labels", labels, first)
        for name, column in _features(setup).items():
            self._add(f"column {name!r}", column, first)

    def _add(self, name: str, column: NDArray[np.float64], first: int) -> None:
        for statistic in ("mean", "std", "median", "min", "max"):
            whole, known = (_statistic(statistic, values) for values in (column, column[:first]))
            telling = np.isfinite(whole) and len(f"{whole:.12g}".replace(".", "")) > 8
            if telling and not np.isclose(whole, known, rtol=1e-6):
                self._known[float(f"{whole:.9g}")] = f"the {statistic} of {name}, all rows"

    def found(self, numbers: NDArray[np.float64]) -> tuple[str, None] | None:
        """Which statistic some of a few numbers are."""
        if len(numbers) > 1_000:
            return None
        for number in numbers[np.isfinite(numbers)].tolist():
            what = self._known.get(float(f"{number:.9g}"))
            if what is not None:
                says = f"it holds {what}, also those that are not known at start"
                return f"{says}; work it out from the view, or in fit()", None
        return None


def _statistic(name: str, values: NDArray[np.float64]) -> float:
    known = values[np.isfinite(values)]
    return float(getattr(np, name)(known)) if len(known) else float("nan")


def _labels(setup: Setup) -> NDArray[np.float64]:
    y = setup.stream.y
    return y.astype(np.float64) if y.dtype.kind in "iufb" else setup.truth.astype(np.float64)


def _features(setup: Setup) -> dict[str, NDArray[np.float64]]:
    X, names = setup.stream.X, setup.stream.columns
    if not isinstance(X, pd.DataFrame):
        return {name: X[:, place] for place, name in enumerate(names)}
    return {
        name: X[name].to_numpy(dtype=np.float64)
        for name in names
        if not isinstance(X[name].dtype, pd.CategoricalDtype)
    }
