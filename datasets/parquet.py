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

from backtrain.datasets.columns import as_names, read_feature
from backtrain.datasets.files import found, refuse_other_columns
from backtrain.datasets.mapped import Table
from backtrain.datasets.plain import is_number_type
from backtrain.datasets.source import Places, Source, inverse

_BATCH = 1 << 15  # rows
_BUFFER = 1 << 20  # bytes of a column read at once


class Arrow(Source):
    """A table of Arrow's: in memory, or in files that are read in batches."""

    def __init__(self, data: ds.Dataset) -> None:
        self._data = data
        self._given: dict[Any, pd.Series] = {}
        super().__init__(self._data.schema.empty_table().to_pandas())

    def column(self, name: Any, place: Places | None = None) -> pd.Series:
        """A column with each row in its place; what was kept of it is given away."""
        given = self._given.pop(name, None)
        return _placed(self._table(name).to_pandas()[name] if given is None else given, place)

    def look(self, name: Any) -> pd.Series:
        """A column as it stands, read once and kept for who takes it next."""
        if name not in self._given:
            self._given[name] = _placed(self._table(name).to_pandas()[name], None)
        return self._given[name]

    def counts(self, name: Any) -> "pd.Series[int] | None":
        """How often each text of a column is there."""
        if not _is_text(self._data.schema.field(name).type):
            return None
        found = self._table(name).column(0).drop_null().value_counts()
        often = found.field("counts").to_numpy()
        return pd.Series(often, index=found.field("values").to_numpy(zero_copy_only=False))

    def loaded(self) -> Source:
        """All of it in memory."""
        with _readable():
            whole = Source(self._data.to_table(columns=list(self.head.columns)).to_pandas())
        whole.reading = self.reading
        for name, values in self._given.items():
            whole.replace(name, values)
        return whole

    def replace(self, name: Any, values: Any) -> None:
        """Give a column that is no feature other values."""
        self._given[name] = values

    def features(self, names: Sequence[Any], place: Places | None = None) -> Any:
        """Columns as a `Table`; the numbers of one without words are an array, (n, k), transposed.

        Its memory is all that is needed beside a batch, or one column that is no plain number.
        """
        pa.default_memory_pool().release_unused()
        kinds = {name: self._data.schema.field(name).type for name in names}
        plain = [n for n in names if is_number_type(kinds[n]) and n not in self.categories]
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
        dtypes = {name: column.dtype for name, column in words.items()}
        return Table(tuple(names), target, codes, dtypes)

    def _words(self, name: str, place: Places | None) -> pd.Series:
        """A column, of text as categories: each word is kept once."""
        if not _is_text(self._data.schema.field(name).type):
            column = self.column(name, place)
            return as_names(column) if name in self.categories else column
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

    def __init__(self, path: Path | Sequence[Path]) -> None:
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


def _dataset(path: Path | Sequence[Path]) -> ds.Dataset:
    """The file, the files or those of a directory; raises `ValueError` naming one that misfits."""
    if isinstance(path, Path) and not path.is_dir():
        _schema(path)
        return ds.dataset(path, format="parquet")
    files = found(path) if isinstance(path, Path) else list(path)
    whole = _schema(files[0])
    for file in files[1:]:
        whole = _joined(whole, _schema(file), file, files[0])
    names = [str(file) for file in files]
    options = {"partitioning": "hive"}
    if isinstance(path, Path):
        options["partition_base_dir"] = str(path)
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
    refuse_other_columns(file, other.names, first, whole.names)
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
