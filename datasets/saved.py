"""A stream in a directory: arrays as `.npy`, which anybody can read, and a file that says what of.

Arrays get new names at every save, and `stream.json` is then replaced: whoever opens the directory
finds the old stream or the new one.
"""

import json
import os
import shutil
import uuid
from collections.abc import Callable, Iterable, Iterator, Mapping, Sequence
from contextlib import suppress
from pathlib import Path
from typing import Any, NamedTuple

import numpy as np
import pandas as pd

from backtrain.datasets.mapped import Array, Stamp, Table, in_file, opened, worded

MANIFEST = "stream.json"
_FORMAT = 1
_FACTS = {"name", "target", "columns", "fingerprint", "drift", "faults", "arrays"}


class _Piece(NamedTuple):
    """An array as it is written: its rows, one after the other, and what its numbers stand for."""

    name: str
    rows: Sequence[Array]
    shape: tuple[int, ...]
    words: list[Any] | None = None
    more: dict[str, Any] = {}  # noqa: RUF012 - never written to


def write(
    path: str | os.PathLike[str],
    values: Mapping[str, Any],
    facts: Mapping[str, Any],
    series: Callable[[Path], object] | None = None,
) -> Path:
    """Write arrays, of which ``X`` may be a table, and facts into a directory.

    `series` writes what forecasts were made of, into the folder that the facts call ``series``.
    Raises `ValueError` where something else stands there, and for words that no file can keep.
    """
    folder = Path(path).expanduser()
    ours = (folder / MANIFEST).is_file()
    if not ours and folder.exists() and (not folder.is_dir() or any(folder.iterdir())):
        raise ValueError(f"{folder}: something else is there; choose another path")
    pieces = [piece for name, value in values.items() for piece in _pieces(name, value)]
    folder.mkdir(parents=True, exist_ok=True)
    before = _facts(folder) if ours else {"arrays": {}}
    old = [entry["file"] for entry in before["arrays"].values()]
    ending = f"{uuid.uuid4().hex[:8]}.npy"
    new = [f"{piece.name}.{ending}" for piece in pieces]
    try:
        if series is not None:
            series(folder / facts["series"])
        entries = {}
        for piece, file in zip(pieces, new, strict=True):
            stamp = _write(folder / file, piece)
            words = {} if piece.words is None else {"words": piece.words}
            entries[piece.name] = {"file": file, "stamp": stamp, **words, **piece.more}
        manifest = {"format": _FORMAT, **facts, "arrays": entries}
        draft = folder / f".{MANIFEST}.{ending}"
        draft.write_text(json.dumps(manifest, indent=1) + "\n", encoding="utf-8")
        os.replace(draft, folder / MANIFEST)
    except BaseException:
        _remove(folder, [*new, f".{MANIFEST}.{ending}"], facts.get("series"))
        raise
    _remove(folder, old, before.get("series"))
    return folder


def read(path: str | os.PathLike[str]) -> tuple[dict[str, Any], dict[str, Any], list[Path]]:
    """Facts and arrays of a directory, and its files that are not as they were written.

    What they hold may still be the same: a copy has another time. Raises `FileNotFoundError` or
    `ValueError`, naming the file.
    """
    folder = Path(path).expanduser()
    facts = _facts(folder)
    try:
        return _mapped(folder, dict(facts))
    except ValueError:
        if _facts(folder) == facts:
            raise
    return read(folder)  # somebody has saved another one meanwhile


def _mapped(
    folder: Path, facts: dict[str, Any]
) -> tuple[dict[str, Any], dict[str, Any], list[Path]]:
    arrays: dict[str, Any] = {}
    codes: dict[str, Array] = {}
    kinds: dict[str, pd.CategoricalDtype] = {}
    changed = []
    for name, entry in facts.pop("arrays").items():
        file = folder / entry["file"]
        try:
            array = opened(np.load(file, mmap_mode="r"), "X" if "column" in entry else name)
        except (OSError, EOFError, ValueError) as error:
            raise ValueError(f"{file}: cannot be read as an array ({error})") from None
        where = in_file(array)
        if where is None or where.stamp != tuple(entry["stamp"]):
            changed.append(file)
        words = entry.get("words")
        if "column" in entry:
            categories = pd.Index(words, dtype=entry["dtype"])
            kinds[entry["column"]] = pd.CategoricalDtype(categories, entry["ordered"])
            codes[entry["column"]] = np.asarray(array)
        else:
            arrays[name] = np.asarray(array) if words is None else worded(array, words)
    if codes:
        table = Table(tuple(facts["columns"]), arrays.pop("X", None), codes, kinds)
        try:
            arrays["X"] = table.frame()
        except ValueError as error:
            raise ValueError(f"{folder}: its columns do not fit ({error})") from None
    return facts, arrays, changed


def _pieces(name: str, value: Any) -> Iterator[_Piece]:
    """The arrays that hold a value."""
    if isinstance(value, pd.DataFrame):
        yield from _columns(value)
    elif value.dtype.kind == "O":
        codes, words = pd.factorize(value)
        words = _plain(value, words.tolist(), name)
        yield _Piece(name, [codes.astype(np.int32)], value.shape, words)
    else:
        yield _Piece(name, [value], value.shape)


def _columns(frame: pd.DataFrame) -> Iterator[_Piece]:
    """Number columns as one array, (k, n); the codes of each category column as another."""
    columns = {str(name): frame[name].array for name in frame.columns}
    numbers = [np.asarray(c) for c in columns.values() if not isinstance(c, pd.Categorical)]
    if numbers:
        yield _Piece("X", numbers, (len(numbers), len(frame)))
    for place, (name, column) in enumerate(columns.items()):
        if isinstance(column, pd.Categorical):
            words = column.categories.tolist()
            words = _plain(words, words, f"column {name!r}")
            kind = {"dtype": str(column.categories.dtype), "ordered": bool(column.ordered)}
            more = {"column": name, **kind}
            yield _Piece(f"codes-{place}", [column.codes], column.codes.shape, words, more)


def _plain(values: Iterable[Any], words: list[Any], what: str) -> list[Any]:
    """Words as JSON gives them back; raises `ValueError` where that is not what they were."""
    kinds = {str if issubclass(kind, str) else kind for kind in set(map(type, values))}
    kinds -= {type(None)}
    if len(kinds) > 1 or not kinds <= {str, bool, int, float}:
        names = " and ".join(sorted(kind.__name__ for kind in kinds))
        raise ValueError(
            f"{what}: values of type {names}, such as {words[0]!r}, cannot be kept in a file; make "
            "them text, by .map(str) or, of categories, .cat.rename_categories(str)"
        )
    return [str(word) if isinstance(word, str) else word for word in words]


def _write(file: Path, piece: _Piece) -> Stamp | None:
    """Write an array row by row, down to the disk; returns the file's stamp."""
    header = {"descr": piece.rows[0].dtype.str, "fortran_order": False, "shape": piece.shape}
    with file.open("xb") as target:
        np.lib.format.write_array_header_1_0(target, header)
        for row in piece.rows:
            np.ascontiguousarray(row).tofile(target)
        target.flush()
        os.fsync(target.fileno())
    return Stamp.of(file)


def _facts(folder: Path) -> dict[str, Any]:
    """What the manifest says; raises `FileNotFoundError` or `ValueError`, naming the file."""
    file = folder / MANIFEST
    try:
        facts = json.loads(file.read_text(encoding="utf-8"))
    except (FileNotFoundError, NotADirectoryError):
        raise FileNotFoundError(
            f"{folder}: holds no stream; make one there by stream.save({str(folder)!r})"
        ) from None
    except (OSError, ValueError) as error:
        raise ValueError(f"{file}: cannot be read ({error})") from None
    if not isinstance(facts, dict) or facts.get("format") != _FORMAT or not set(facts) >= _FACTS:
        raise ValueError(f"{file}: not the manifest of a stream that this version can read")
    return facts


def _remove(folder: Path, files: Iterable[str], series: str | None = None) -> None:
    if series is not None:
        shutil.rmtree(folder / series, ignore_errors=True)
    for file in files:
        with suppress(OSError):  # Windows keeps what somebody has mapped
            (folder / file).unlink()
