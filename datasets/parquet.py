"""Parquet files, read column by column and in batches, each value straight to its place."""

from collections.abc import Iterator, Sequence
from contextlib import contextmanager
from pathlib import Path
from typing import Any

import numpy as np
import pandas as pd
import pyarrow as pa
import pyarrow.dataset as ds
import pyarrow.parquet as pq
from pyarrow import types

from backtrain.datasets.columns import read_feature
from backtrain.datasets.mapped import Table
from backtrain.datasets.plain import is_number_type
from backtrain.datasets.source import Places, Source, inverse

_BATCH = 1 << 15  # rows
_BUFFER = 1 << 20  # bytes of a column read at once


class Arrow(Source):
    """A table of Arrow's: in memory, or in files that are read in batches."""

    def __init__(self, data: ds.Dataset) -> None:
        self._data = data
        super().__init__(self._data.schema.empty_table().to_pandas())

    def column(self, name: Any, place: Places | None = None) -> pd.Series:
        """A column with each row in its place."""
        return _placed(self._table(name).to_pandas()[name], place)

    def features(self, names: Sequence[Any], place: Places | None = None) -> Any:
        """Columns as a `Table`; the numbers of one without words are an array, (n, k), transposed.

        Its memory is all that is needed beside a batch, or one column that is no plain number.
        """
        pa.default_memory_pool().release_unused()
        plain = [name for name in names if is_number_type(self._data.schema.field(name).type)]
        others = {n: read_feature(self._words(n, place), n) for n in names if n not in plain}
        words = {n: c.array for n, c in others.items() if isinstance(c.array, pd.Categorical)}
        numbers = {name: row for row, name in enumerate(n for n in names if n not in words)}
        shape = len(numbers), self._data.count_rows()
        target = np.empty(shape) if words else np.empty(shape[::-1]).T
        for name in numbers.keys() - plain:
            target[numbers[name]] = others[name]
        for name in plain:
            done = 0
            for values in self._batches(name):
                rows = slice(done, done + len(values))
                target[numbers[name], rows if place is None else place[rows]] = _floats(values)
                done = rows.stop
        pa.default_memory_pool().release_unused()
        codes = {name: column.codes for name, column in words.items()}
        kinds = {name: column.dtype for name, column in words.items()}
        return Table(tuple(names), target, codes, kinds)

    def _words(self, name: str, place: Places | None) -> pd.Series:
        """A column, of text as categories: each word is kept once."""
        if not _is_text(self._data.schema.field(name).type):
            return self.column(name, place)
        return _placed(self._table(name).column(0).dictionary_encode().to_pandas(), place)

    def _table(self, name: str) -> pa.Table:
        with _readable():
            return self._data.to_table(columns=[name])

    def _batches(self, name: str) -> Iterator[pa.Array]:
        """The values of a column, in the pieces in which they lie there."""
        yield from self._table(name).column(0).chunks


class Parquet(Arrow):
    """One Parquet file, or all of a directory in the order of their names.

    Of files in folders like ``year=2024`` these are columns, too. Raises `ValueError` naming the
    file that cannot be read, or has other columns than the first.
    """

    def __init__(self, path: Path) -> None:
        super().__init__(_dataset(path))

    def _batches(self, name: str) -> Iterator[pa.Array]:
        """The values of a column; one at a time takes the least memory, and no more time."""
        with _readable():
            for fragment in self._data.get_fragments():
                keys = ds.get_partition_keys(fragment.partition_expression)
                if name in keys:
                    rows = fragment.count_rows()
                    yield pa.array(np.full(rows, keys[name]))
                    continue
                file = pq.ParquetFile(fragment.path, buffer_size=_BUFFER, pre_buffer=False)
                if name not in file.schema_arrow.names:  # beside folders that name a value
                    yield pa.nulls(fragment.count_rows())
                    continue
                for batch in file.iter_batches(_BATCH, columns=[name], use_threads=False):
                    yield batch.column(0)


def _dataset(path: Path) -> ds.Dataset:
    """The file or the files of a directory; raises `ValueError` naming one that does not fit."""
    if not path.is_dir():
        _schema(path)
        return ds.dataset(path, format="parquet")
    files = sorted(
        file
        for file in path.rglob("*")
        if file.suffix.lower() == ".parquet"
        and not any(part[0] in "._" for part in file.relative_to(path).parts)
        and file.is_file()
    )
    if not files:
        raise ValueError(f"{path}: no .parquet file is in it")
    whole = _schema(files[0])
    for file in files[1:]:
        whole = _joined(whole, _schema(file), file, files[0])
    names = [str(file) for file in files]
    options = {"partitioning": "hive", "partition_base_dir": str(path)}
    try:
        data = ds.dataset(names, format="parquet", **options)
    except pa.ArrowException as error:
        raise ValueError(
            f"{path}: {error}; where a folder such as year=2024 names a column that the files have "
            "too, take it out of one of them"
        ) from error
    keys = [field for field in data.schema if field.name not in whole.names]
    return data.replace_schema(pa.schema([*whole, *keys], whole.metadata))


def _schema(file: Path) -> pa.Schema:
    try:
        schema = pq.read_schema(file)
    except (ValueError, OSError) as error:
        raise ValueError(f"{file}: cannot be read ({str(error).splitlines()[0]})") from error
    for name in schema.names:
        if schema.names.count(name) > 1:
            raise ValueError(f"{file}: column {name!r} stands there twice; rename one of them")
    return schema


def _joined(whole: pa.Schema, other: pa.Schema, file: Path, first: Path) -> pa.Schema:
    """Both in one; a column may hold nothing at all in one of them, and then has no type."""
    missing = [name for name in whole.names if name not in other.names]
    added = [name for name in other.names if name not in whole.names]
    if missing or added:
        name, verb = (missing or added)[0], "lacks" if missing else "has"
        raise ValueError(
            f"{file}: {verb} column {name!r}, unlike {first.name}; write all files alike"
        )
    for field in other:
        known = whole.field(field.name).type
        if types.is_null(known):
            whole = whole.set(whole.get_field_index(field.name), field)
        elif field.type != known and not types.is_null(field.type):
            raise ValueError(
                f"{file}: column {field.name!r} is {field.type}, and {known} in {first.name}; "
                "write all files alike"
            )
    return whole


def _placed(series: pd.Series, place: Places | None) -> pd.Series:
    """Each value in its place, without an index; what Arrow has freed is given back."""
    if place is not None:
        series = pd.Series(series.array.take(inverse(place)), copy=False)
    pa.default_memory_pool().release_unused()
    return series


def _is_text(kind: pa.DataType) -> Any:
    return types.is_string(kind) or types.is_large_string(kind) or types.is_string_view(kind)


def _floats(column: pa.Array) -> Any:
    """Numbers or truth values as float64, (n,); missing ones are NaN."""
    if types.is_decimal(column.type):  # Arrow does not round them as Python does
        return column.to_pandas().to_numpy(dtype=np.float64, na_value=np.nan)
    return column.cast(pa.float64(), safe=False).to_numpy(zero_copy_only=False)


@contextmanager
def _readable() -> Iterator[None]:
    """Say of what fails in reading that it cannot be read."""
    try:
        yield
    except (pa.ArrowException, OSError) as error:
        raise ValueError(f"cannot be read ({str(error).splitlines()[0]})") from error
