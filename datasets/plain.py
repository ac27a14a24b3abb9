"""Columns of other libraries, and of pandas' extension types, as plain pandas columns.

Plain is what pandas makes of the same values without being asked for a type: NumPy numbers, text,
categories, times.
"""

from typing import Any, TypeAlias

import narwhals as nw
import numpy as np
import pandas as pd
import pyarrow as pa
from pyarrow import types

#: What is no column or table of another library: it is read by NumPy and pandas as it is.
_OWN = (np.ndarray, list, tuple, range, pd.DataFrame, pd.Index)

#: An Arrow column, in one piece or several.
Column: TypeAlias = Any


def plain(values: Any) -> Any:
    """A column as plain as can be: a pandas Series where it was one or another library's.

    Arrays of NumPy, lists and the like stay what they are.

    >>> plain(pd.Series([1, 2], dtype="Int32")).dtype, plain(pa.array([True, False])).dtype
    (dtype('int32'), dtype('bool'))
    """
    if isinstance(values, _OWN):
        return values
    if isinstance(values, pd.api.extensions.ExtensionArray):
        values = pd.Series(values)
    if isinstance(values, pd.Series):
        kind: Any = values.dtype
        if isinstance(kind, pd.ArrowDtype):
            return of_arrow(pa.array(values.array))
        if hasattr(kind, "numpy_dtype"):  # pandas' nullable numbers and truth values
            if values.isna().any():
                return pd.Series(values.to_numpy(dtype=np.float64, na_value=np.nan))
            return pd.Series(values.to_numpy(dtype=kind.numpy_dtype))
        return values
    column = _arrow_column(values)
    return values if column is None else of_arrow(column)


def of_arrow(column: Column) -> pd.Series:
    """An Arrow column, (n,), as pandas reads it."""
    if isinstance(column, pa.Array):
        column = pa.chunked_array([column])
    if types.is_dictionary(column.type):
        column = signed(column).unify_dictionaries()
    series: pd.Series = column.to_pandas()
    return series


def signed(column: Column) -> Column:
    """A dictionary column with signed codes, as older pandas bridges of Arrow want; else itself."""
    if not types.is_dictionary(column.type) or types.is_signed_integer(column.type.index_type):
        return column
    kind = pa.dictionary(pa.int64(), column.type.value_type, column.type.ordered)
    pieces = [
        pa.DictionaryArray.from_arrays(
            piece.indices.cast(pa.int64()), piece.dictionary, ordered=column.type.ordered
        )
        for piece in column.chunks
    ]
    return pa.chunked_array(pieces, type=kind)


def is_number_type(kind: pa.DataType) -> bool:
    """Whether a column of an Arrow type holds numbers or truth values, or nothing at all."""
    number = types.is_integer(kind) or types.is_floating(kind) or types.is_decimal(kind)
    return bool(number or types.is_boolean(kind) or types.is_null(kind))


def is_arrow(values: Any) -> bool:
    """Whether a value offers itself as Arrow data (the PyCapsule interface)."""
    return hasattr(values, "__arrow_c_stream__") or hasattr(values, "__arrow_c_array__")


def _arrow_column(values: Any) -> Column | None:
    found = nw.from_native(values, allow_series=True, pass_through=True)
    if isinstance(found, nw.Series):
        return found.to_arrow()
    if isinstance(found, nw.DataFrame) and len(found.columns) == 1:
        return found[found.columns[0]].to_arrow()
    if isinstance(found, (nw.DataFrame, nw.LazyFrame)) or not is_arrow(values):
        return None
    stream = hasattr(values, "__arrow_c_stream__")
    return pa.chunked_array(values) if stream else pa.array(values)


def refuse_periods(values: Any, name: str) -> None:
    """Raise `ValueError` for periods where instants are wanted."""
    if isinstance(getattr(values, "dtype", None), pd.PeriodDtype):
        raise ValueError(
            f"{name}: periods such as {pd.Series(values).iloc[0]}; say which instant of it: "
            ".dt.start_time, or .dt.end_time for what is known when it is over"
        )


def remedy(kind: str, value: Any) -> str:
    """What to do with values of a kind, as pandas names it, that are no feature and no label."""
    if isinstance(value, dict):
        return "each holds several fields; make a column of each field"
    if isinstance(value, (list, tuple, set, np.ndarray)):
        return "each holds several values; make a column of each, or one number, such as how many"
    if isinstance(value, (bytes, bytearray)):
        return "make it text: column.str.decode('utf-8')"
    if kind == "interval":
        return "use its middle, column.map(lambda part: part.mid), or its name, column.astype(str)"
    if kind == "complex":
        return "make two columns of it, .real and .imag, or take its size, abs(column)"
    if kind == "period":
        return "derive numbers from it, such as .dt.month or .dt.year, or leave the column out"
    if kind.startswith("timedelta"):
        return "make it a number, column.dt.total_seconds(), or leave the column out"
    if kind.startswith(("datetime", "date", "time")):
        return "derive numbers from it, such as .dt.hour or .dt.day_of_week, or leave it out"
    return "use pd.to_numeric(column) or column.astype(str)"
