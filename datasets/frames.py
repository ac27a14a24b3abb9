"""Tables of any library as a stream reads them: pandas, polars, Arrow, DuckDB, and others."""

import re
from collections.abc import Sequence
from typing import Any

import narwhals as nw
import numpy as np
import pandas as pd
import pyarrow as pa
import pyarrow.dataset as ds

from backtrain.datasets.parquet import Arrow
from backtrain.datasets.plain import is_arrow, signed
from backtrain.datasets.source import Source

#: A column that pandas adds to an Arrow table for rows that are named, but not by a column.
_PANDAS_INDEX = re.compile(r"__index_level_\d+__$")
_KNOWN = "a DataFrame of pandas or polars, a DuckDB relation, an Arrow table or what becomes one"


def source(table: Any, what: str = "df") -> Source:
    """What a table's columns are read from, one by one.

    A lazy table (polars, DuckDB, Ibis, Dask, Spark) is computed, once. Categories have an order
    where Arrow's type says so; polars' and DuckDB's have none. Raises `ValueError`, which
    begins with ``what``, for what is no table.

    >>> source(pa.table({"a": [1, 2], "b": ["x", "y"]})).column("b").tolist()
    ['x', 'y']
    """
    if isinstance(table, Source):
        return table
    if isinstance(table, pd.DataFrame):
        return Source(table)
    return Arrow(ds.dataset(_arrow(table, what)))


def features(table: Any, columns: Sequence[str]) -> Any:
    """The columns of a table as a stream takes them for ``X``, renamed where names are given."""
    whole = _arrow(table, "X")
    if columns and len(columns) != whole.num_columns:
        raise ValueError(f"columns: {len(columns)} names for {whole.num_columns} features")
    if columns:
        whole = whole.rename_columns([str(name) for name in columns])
    return Arrow(ds.dataset(whole)).features(whole.column_names)


def is_table(value: Any) -> bool:
    """Whether a value is a table of another library than pandas."""
    if isinstance(value, (pd.DataFrame, np.ndarray, pa.Array, pa.ChunkedArray)):
        return False
    if isinstance(value, pa.Table):
        return True
    found = nw.from_native(value, allow_series=True, pass_through=True)
    table = isinstance(found, (nw.DataFrame, nw.LazyFrame))
    return table or (is_arrow(value) and not isinstance(found, nw.Series))


def _arrow(table: Any, what: str) -> pa.Table:
    if not is_table(table):
        raise ValueError(f"{what}: a {type(table).__name__}, not a table; give {_KNOWN}")
    try:
        found = None if isinstance(table, pa.Table) else nw.from_native(table, pass_through=True)
        if isinstance(found, nw.LazyFrame):
            found = found.collect(backend="pyarrow")
        made = found.to_arrow() if isinstance(found, nw.DataFrame) else pa.table(table)
    except (pa.ArrowException, TypeError) as error:
        why = str(error).splitlines()[0]
        raise ValueError(
            f"{what}: a column has no Arrow type ({why}); cast it, or leave it out"
        ) from error
    twice = [name for name in made.column_names if made.column_names.count(name) > 1]
    if twice:
        raise ValueError(f"column {twice[0]!r} stands there twice; rename one of them")
    hidden = [name for name in made.column_names if _PANDAS_INDEX.match(name)]
    made = made.drop_columns(hidden)
    return pa.table({name: signed(made.column(name)) for name in made.column_names})
