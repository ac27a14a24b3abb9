"""Arrays that lie in files: read-only maps, which other processes are sent by reference."""

from collections.abc import Sequence
from dataclasses import dataclass, replace
from mmap import mmap
from os import PathLike, stat
from pathlib import Path
from typing import Any, NamedTuple, TypeAlias

import numpy as np
import numpy.typing as npt
import pandas as pd

Array: TypeAlias = npt.NDArray[Any]


class Stamp(NamedTuple):
    """What tells, without reading a file, that it is still the one that was opened."""

    size: int
    mtime_ns: int

    @classmethod
    def of(cls, path: str | PathLike[str]) -> "Stamp | None":
        """The stamp of a file, or None where there is none."""
        try:
            status = stat(path)
        except OSError:
            return None
        return cls(status.st_size, status.st_mtime_ns)


@dataclass(frozen=True)
class InFile:
    """Where the numbers of an array lie in a file: what is sent in the array's place.

    `words` is None, or what the numbers stand for: the array's values are `words[number]`, and
    None where a number is -1. `part` is that of a saved stream which it is, and was checked as.
    """

    path: Path
    stamp: Stamp
    offset: int
    dtype: str
    shape: tuple[int, ...]
    order: str = "C"
    words: tuple[Any, ...] | None = None
    part: str = ""

    def array(self) -> Array:
        """Map it; raises `ValueError`, naming the file, where that is too short or missing."""
        layout: dict[str, Any] = {"shape": self.shape, "order": self.order}
        try:
            mapped = np.memmap(self.path, np.dtype(self.dtype), "r", self.offset, **layout)
        except (OSError, ValueError) as error:
            raise ValueError(f"{self.path}: cannot be mapped ({error})") from None
        opened(mapped, self.part)
        return np.asarray(mapped) if self.words is None else worded(mapped, self.words)

    @property
    def is_unchanged(self) -> bool:
        """Whether size and time of change are those of the file that was opened."""
        return Stamp.of(self.path) == self.stamp


class _Worded(np.ndarray[Any, Any]):
    """An array of objects that was made of numbers in a file, and can be made again."""

    source: InFile | None = None


def worded(numbers: Array, words: Sequence[Any]) -> Array:
    """An array of objects, (n,), of the words that numbers in a file stand for."""
    table = np.empty(len(words) + 1, dtype=object)  # -1 is the last: None
    table[:-1] = words
    made = _Worded(numbers.shape, dtype=object)  # of its own memory, else views forget it
    made[:] = table[numbers]
    where = in_file(numbers)
    made.source = None if where is None else replace(where, words=tuple(words))
    made.setflags(write=False)
    return np.asarray(made)


def opened(values: Any, part: str = "") -> Any:
    """Note of the file of a map what it is now, and is for; returns the values as they are.

    Only files that nobody could write through this map are trusted to stay as they are.
    """
    root = _root(values)
    if isinstance(root, np.memmap) and not hasattr(root, "stamp"):
        file = root.filename if root.mode == "r" else None
        vars(root).update(stamp=None if file is None else Stamp.of(file), part=part)
    return values


def in_file(values: Any) -> InFile | None:
    """Where an array lies, if it is a stretch of a file that was `opened`."""
    root = _root(values)
    if isinstance(root, _Worded):
        whole = root.__array_interface__ == values.__array_interface__
        return root.source if whole else None
    stamp = getattr(root, "stamp", None)
    if stamp is None or not (values.flags.c_contiguous or values.flags.f_contiguous):
        return None
    start = values.__array_interface__["data"][0] - root.__array_interface__["data"][0]
    order = "C" if values.flags.c_contiguous else "F"
    where = (Path(root.filename), stamp, root.offset + start)
    return InFile(*where, values.dtype.str, values.shape, order, part=root.part)


def _root(values: Any) -> Any:
    """The map, or array made of one, that an array is a view of; else None."""
    while isinstance(values, np.ndarray):
        base: Any = values.base
        if getattr(values, "source", None) or isinstance(base, mmap):
            return values
        values = base
    return None


# --- tables ---------------------------------------------------------------------------------------


@dataclass(frozen=True)
class Table:
    """A table of float64 and category columns in pieces, each an array or `InFile`.

    `numbers` is (k, n), the number columns one after the other, or None where there are none;
    `codes` holds one (n,) for each category column, and `kinds` what the codes stand for.
    """

    columns: tuple[str, ...]
    numbers: Any
    codes: dict[str, Any]
    kinds: dict[str, pd.CategoricalDtype]

    @classmethod
    def in_files(cls, frame: pd.DataFrame) -> "Table | None":
        """The table of a frame that lies in files, all of it; else None."""
        if not all(isinstance(kind, np.dtype | pd.CategoricalDtype) for kind in frame.dtypes):
            return None
        columns = {str(name): frame.iloc[:, i].array for i, name in enumerate(frame.columns)}
        kinds = {n: c.dtype for n, c in columns.items() if isinstance(c, pd.Categorical)}
        codes = {name: in_file(columns[name].codes) for name in kinds}
        others = [in_file(np.asarray(c)) for name, c in columns.items() if name not in kinds]
        numbers = _joined(others)
        if None in codes.values() or (others and numbers is None):
            return None
        return cls(tuple(columns), numbers, codes, kinds)

    def frame(self) -> pd.DataFrame:
        """The table; its columns are the pieces, not copied."""
        codes = {name: _array(piece) for name, piece in self.codes.items()}
        names = [name for name in self.columns if name not in codes]
        rows = len(next(iter(codes.values())))
        numbers = np.empty((rows, 0)) if self.numbers is None else _array(self.numbers).T
        frame = pd.DataFrame(numbers, columns=names, copy=False)
        for place, name in enumerate(self.columns):
            if name in codes:
                column = pd.Categorical.from_codes(codes[name], dtype=self.kinds[name])
                frame.insert(place, name, pd.Series(column, copy=False))
        return frame


def _joined(rows: "Sequence[InFile | None]") -> InFile | None:
    """Rows of n numbers as one (k, n), where they lie one after the other in one file."""
    first = rows[0] if rows else None
    if first is None:
        return None
    step = first.shape[0] * np.dtype(first.dtype).itemsize
    wanted = [replace(first, offset=first.offset + i * step) for i in range(len(rows))]
    return replace(first, shape=(len(rows), *first.shape)) if wanted == list(rows) else None


def _array(piece: "Array | InFile") -> Array:
    return piece.array() if isinstance(piece, InFile) else piece


def referred(value: Any) -> Any:
    """What is sent in place of an array or a frame that lies in files; others as they are."""
    where = Table.in_files(value) if isinstance(value, pd.DataFrame) else in_file(value)
    return value if where is None else where


def resolved(value: Any) -> Any:
    """The reverse; raises `ValueError`, naming the file, where that cannot be mapped."""
    if isinstance(value, Table):
        return value.frame()
    return value.array() if isinstance(value, InFile) else value


def files_of(value: Any) -> "list[InFile]":
    """The pieces of files that an array or a frame is read from."""
    where = referred(value)
    pieces = [where.numbers, *where.codes.values()] if isinstance(where, Table) else [where]
    return [piece for piece in pieces if isinstance(piece, InFile)]


def is_mapped(value: Any) -> bool:
    """Whether an array or a frame lies in files, and nothing of it in memory."""
    pieces = files_of(value)
    return bool(pieces) and all(piece.words is None for piece in pieces)


def is_checked(value: Any, *parts: str) -> bool:
    """Whether an array or a frame was read from one of these parts of a saved stream."""
    pieces = files_of(value)
    return bool(pieces) and all(piece.part in parts for piece in pieces)
