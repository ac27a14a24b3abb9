"""Columns of a history: times, features, labels, weights and groups, each read into one form.

Times become naive datetime64[ns], in UTC.
"""

import re
import shlex
from collections.abc import Iterable, Iterator, Mapping, Sequence
from datetime import tzinfo
from typing import Any, TypeAlias, cast

import numpy as np
import numpy.typing as npt
import pandas as pd
from pandas.api.types import infer_dtype

from backtrain.datasets.dates import Dates
from backtrain.datasets.mapped import Table, is_checked
from backtrain.datasets.names import nearest as nearest
from backtrain.datasets.names import of_columns
from backtrain.datasets.offsets import Times
from backtrain.datasets.plain import is_number_type, plain, refuse_periods, remedy

Array: TypeAlias = npt.NDArray[Any]
Floats: TypeAlias = npt.NDArray[np.float64]
Features: TypeAlias = Floats | pd.DataFrame

_NUMBERS = {"integer", "floating", "mixed-integer-float", "decimal", "boolean"}
_NANOSECONDS = np.dtype("datetime64[ns]")
_CHUNK = 1 << 16  # rows looked at together, so that checks need no second copy of a large array


#: Text that can only be a date or an instant.
_TIME = re.compile(r"\d{4}-\d\d?-\d\d?([T ].*)?$|\d\d?[/.]\d\d?[/.]\d{4}( .*)?$")


def read_features(X: Any, columns: Sequence[str] | None) -> tuple[Features, tuple[str, ...]]:
    """Read features, (n, k), and their names.

    Numbers and truth values become one C-contiguous float64 array, not copied if it is one already;
    missing values stay, as NaN. With any text or category column they become a DataFrame of
    float64 and category columns. Raises `ValueError` for other types and for infinite values.
    """
    if isinstance(X, Table):  # its columns have been read
        refuse_infinite(X.numbers.T, [name for name in X.columns if name not in X.codes])
        return X.frame() if X.codes else np.ascontiguousarray(X.numbers.T), X.columns
    plain = None if isinstance(X, pd.DataFrame) else np.asarray(X)
    if plain is not None and plain.ndim != 2:
        raise ValueError(f"X: shape {plain.shape}, not (rows, features); use X.reshape(-1, 1)")
    names = _names(columns, X if plain is None else [f"x{i}" for i in range(plain.shape[1])])
    if is_checked(X, "X") and (plain is not None or _is_own(X, names)):
        return X, names
    if plain is not None and plain.dtype.kind in "biuf":
        array = np.ascontiguousarray(plain, dtype=np.float64)
    else:
        frame = X if plain is None else pd.DataFrame(plain).infer_objects()
        if not all(is_number(frame.iloc[:, i]) for i in range(len(names))):
            texts = {n: frame.iloc[:, i] for i, n in enumerate(names) if is_text(frame.iloc[:, i])}
            _refuse_times(texts)
            read = [read_feature(frame.iloc[:, i], name) for i, name in enumerate(names)]
            return pd.DataFrame(dict(zip(names, read, strict=True))), names
        array = np.empty(frame.shape)
        for i in range(len(names)):  # column by column: no second copy of the whole table
            array[:, i] = _floats(frame.iloc[:, i])
    refuse_infinite(array, names)
    return array, names


def refuse_infinite(array: Floats, names: Sequence[str]) -> None:
    """Raise `ValueError` for the first infinite value of features, (n, k), of these names."""
    for start in range(0, len(array), _CHUNK):
        infinite = np.isinf(array[start : start + _CHUNK])
        if infinite.any():
            row, column = np.argwhere(infinite)[0]
            raise ValueError(_infinite(names[column], start + row))


def read_labels(values: Any, name: str) -> Array:
    """Read labels, (n,): numbers and truth values as they are, text as an object array.

    Missing labels: numbers and truth values become float64 with NaN, text gets None.
    Raises `ValueError` for other types, infinite values and more than one column.
    """
    if is_checked(values, "y", "truth"):
        return cast(Array, values)
    if isinstance(values, np.ndarray) and values.dtype.kind in "biufU" and values.ndim == 1:
        labels = values.astype(np.float64, copy=False) if values.dtype.kind == "f" else values
    else:
        labels = _mixed_labels(_one_column(values, name), name)
    if labels.dtype.kind == "f" and np.isinf(labels).any():
        row = int(np.isinf(labels).argmax())
        raise ValueError(f"target {name!r}: infinite in row {row}; make it a number or missing")
    return labels


def read_weights(values: Any, name: str = "weight", kind: str = "a weight") -> Floats:
    """Read sample weights or amounts, (n,), as float64 >= 0; raises `ValueError` for others."""
    if is_checked(values, "weight", "amount", "fit_weight", "score_weight"):
        return cast(Floats, values)
    series = _one_column(values, name)
    if not is_number(series):
        raise ValueError(f"{name}: {infer_dtype(series)} values; {kind} is a number >= 0")
    weights = _floats(series)
    bad = ~(np.isfinite(weights) & (weights >= 0))
    if bad.any():
        row = int(bad.argmax())
        raise ValueError(f"{name}: {weights[row]} in row {row}; {kind} is a number >= 0")
    return weights


def read_groups(values: Any, name: str = "group") -> Array:
    """Read group keys, (n,), as they are; raises `ValueError` where one is missing."""
    if is_checked(values, "group"):
        return cast(Array, values)
    series = _one_column(values, name)
    if series.isna().any():
        row = int(series.isna().to_numpy().argmax())
        raise ValueError(f"{name}: missing in row {row}; fill it in, for instance with 'none'")
    groups = series.to_numpy()
    return groups if groups.dtype.kind in "biuf" else groups.astype(object)


def read_combinations(columns: Mapping[str, Any]) -> Array:
    """Read group keys of several columns, (n,): one for each combination, as in "north / 7".

    >>> read_combinations({"store": ["north", "south"], "product": [7, 7]}).tolist()
    ['north / 7', 'south / 7']
    """
    read = {name: read_groups(values, name) for name, values in columns.items()}
    code, keys = pd.factorize(pd.MultiIndex.from_arrays(list(read.values())))
    names = np.array([" / ".join(map(str, key)) for key in keys], dtype=object)
    if len(set(names)) < len(names):
        twice = pd.Series(names)[pd.Series(names).duplicated()].iloc[0]
        raise ValueError(
            f"group={list(read)}: two combinations are called {twice!r}; name them apart in a "
            "column of their own"
        )
    return np.asarray(names[code], dtype=object)


def is_missing(labels: Array) -> npt.NDArray[np.bool_]:
    """Say which labels are missing, (n,)."""
    return np.asarray(pd.isna(labels), dtype=bool)


def without_label(labels: Array, times: Times) -> npt.NDArray[np.intp]:
    """Rows that have a time of their label and no label."""
    return np.flatnonzero(is_missing(labels) & ~np.isnat(times))


def is_number(series: pd.Series) -> bool:
    """Say whether a column holds numbers or truth values (missing ones aside)."""
    if isinstance(series.dtype, pd.CategoricalDtype):
        return False
    if isinstance(series.dtype, pd.ArrowDtype):
        return is_number_type(series.dtype.pyarrow_dtype)
    if pd.api.types.is_numeric_dtype(series.dtype):
        return not pd.api.types.is_complex_dtype(series.dtype)
    return series.dtype == object and infer_dtype(series, skipna=True) in _NUMBERS | {"empty"}


def is_text(series: pd.Series) -> bool:
    """Say whether a column holds text, as such or as categories."""
    if isinstance(series.dtype, pd.CategoricalDtype):
        series = pd.Series(series.cat.categories)
    return infer_dtype(series, skipna=True) == "string"


def as_names(series: pd.Series) -> pd.Series:
    """Numbers and truth values as the text that names them: 7 and 7.0 are '7'."""
    if not is_number(series):
        return series
    present = series.notna().to_numpy(dtype=bool)
    values = series[present]
    if not pd.api.types.is_bool_dtype(values.dtype) and infer_dtype(values) != "boolean":
        floats = _floats(values)
        if (floats == np.floor(floats)).all() and (np.abs(floats) < 2**53).all():
            values = pd.Series(floats.astype(np.int64), index=values.index)
    text = pd.Series([None] * len(series), index=series.index, dtype=object)
    text[present] = values.astype(str).to_numpy(dtype=object)
    return text


def content(values: Array | pd.Series) -> Iterator[bytes | memoryview]:
    """Yield the bytes that identify a column or an array, the same ones in every process."""
    if isinstance(values, pd.Series) and isinstance(values.dtype, pd.CategoricalDtype):
        yield from _coded(values.cat.codes.to_numpy(np.int64), values.cat.categories)
        return
    array = np.ascontiguousarray(values)
    if array.dtype.kind in "OU":
        yield from _coded(*pd.factorize(array.astype(object)))
        return
    yield f"{array.dtype.str}{array.shape}".encode()
    yield (array.view(np.int64) if array.dtype.kind == "M" else array).data


def _coded(codes: Array, values: Any) -> Iterator[bytes | memoryview]:
    # NumPy's strings have a repr of their own, which differs between its versions.
    words = [str(value) if isinstance(value, str) else value for value in values.tolist()]
    yield f"codes{codes.shape}{words!r}".encode()
    yield np.ascontiguousarray(codes, dtype=np.int64).data


def _is_own(frame: pd.DataFrame, names: tuple[str, ...]) -> bool:
    """Whether a frame has the names and the index that a stream gives it."""
    return tuple(frame.columns) == names and frame.index.equals(pd.RangeIndex(len(frame)))


def _names(columns: Sequence[str] | None, own: Iterable[Any]) -> tuple[str, ...]:
    own = tuple(str(name) for name in own)
    names = tuple(str(name) for name in columns) if columns else own
    if len(names) != len(own):
        raise ValueError(f"columns: {len(names)} names for {len(own)} features")
    twice = [name for i, name in enumerate(names) if name in names[:i]]
    if twice:
        raise ValueError(f"columns: {twice[0]!r} stands there twice; rename one of them")
    return names


def read_feature(series: pd.Series, name: str) -> pd.Series:
    """Read one feature, (n,): float64, or a category column where it is text or one."""
    series = plain(series)
    if is_number(series):
        floats = _floats(series)
        if np.isinf(floats).any():
            raise ValueError(_infinite(name, int(np.isinf(floats).argmax())))
        return pd.Series(floats)
    kind = infer_dtype(series, skipna=True)
    if kind.startswith(("datetime", "date", "timedelta", "period", "time")):
        raise ValueError(f"column {name!r}: {kind} values are no feature; {remedy(kind, None)}")
    if kind not in ("string", "categorical", "empty"):
        value = series.dropna().iloc[0]
        raise ValueError(
            f"column {name!r}: {kind} values such as {value!r}; a feature is a number, a truth "
            f"value or text: {remedy(kind, value)}"
        )
    _refuse_times({name: series})
    if isinstance(series.dtype, pd.CategoricalDtype) and series.cat.ordered:
        return series.reset_index(drop=True)  # an order is declared by the user, not learnt
    # In order of first appearance: sorted, a category's code would depend on names yet to come.
    if isinstance(series.dtype, pd.CategoricalDtype):
        codes = series.array.codes
        used = pd.unique(codes[codes >= 0])
        place = np.full(len(series.cat.categories) + 1, -1)  # the last: -1, missing
        place[used] = np.arange(len(used))
        words = pd.Index(series.cat.categories.take(used).to_numpy(dtype=object))
        dtype: Any = pd.CategoricalDtype(words)
        return pd.Series(pd.Categorical.from_codes(place[codes], dtype=dtype))
    values = series.astype(object)
    return pd.Series(pd.Categorical(values, categories=pd.unique(values.dropna())))


def _refuse_times(columns: Mapping[Any, pd.Series]) -> None:
    """A column of times as text is most likely a label time that was not named: it would leak."""
    some = {name: pd.unique(c.dropna().iloc[:1000].astype(str))[:20] for name, c in columns.items()}
    found = [n for n, values in some.items() if len(values) and all(map(_TIME.match, values))]
    if found:
        name, them = found[0], "it" if len(found) == 1 else "all of these"
        shown = shlex.quote(f"dataset.label_time={name}")
        raise ValueError(
            f"column {name!r}: times as text, such as {some[name][0]!r}, are no feature; {shown} "
            f"if labels are known then, else {of_columns('drop', found)} leaves {them} out, or "
            "derive numbers from it"
        )


def _infinite(name: str, row: int) -> str:
    return f"column {name!r}: infinite in row {row}; make it a number or missing (NaN)"


def _floats(series: pd.Series) -> Floats:
    series = plain(series)
    if isinstance(series.dtype, np.dtype) and series.dtype.kind in "biuf":
        return series.to_numpy().astype(np.float64, copy=False)
    return cast(Floats, series.to_numpy(dtype=np.float64, na_value=np.nan))


def _one_column(values: Any, name: str) -> pd.Series:
    values = plain(values)
    shape = np.shape(values)
    if len(shape) == 2 and shape[1] == 1:
        values = np.asarray(values)[:, 0]
    elif len(shape) != 1:
        raise ValueError(
            f"{name!r}: shape {shape}; it must be one column of n rows (of several targets, make "
            "a stream and a backtest each)"
        )
    return values if isinstance(values, pd.Series) else pd.Series(values)


def _mixed_labels(series: pd.Series, name: str) -> Array:
    if isinstance(series.dtype, pd.CategoricalDtype):
        series = series.astype(object)
    if isinstance(series.dtype, np.dtype) and series.dtype.kind in "biu":
        return series.to_numpy()
    kind = infer_dtype(series, skipna=True)
    missing = series.isna().to_numpy(dtype=bool)
    if kind in ("integer", "boolean") and not missing.any():
        return np.asarray(series.tolist())
    if kind in _NUMBERS | {"empty"} or is_number(series):
        return _floats(series)
    if kind == "string":
        labels = series.to_numpy(dtype=object, copy=True)
        labels[missing] = None
        return labels
    value = series.dropna().iloc[0]
    raise ValueError(
        f"target {name!r}: {kind} values such as {value!r}; a label is a number, a truth value or "
        f"text: {remedy(kind, value)}"
    )


# --- times ----------------------------------------------------------------------------------------


def read_times(values: Any, name: str) -> tuple[Times, tzinfo | str | None]:
    """Read instants as naive datetime64[ns], (n,), and the time zone that they had.

    A time zone is converted to UTC. Missing times become `NaT`. Raises `ValueError` for numbers,
    for text that is no date or an ambiguous one, and for mixed time zones.
    """
    if isinstance(values, np.ndarray) and values.dtype == _NANOSECONDS and values.ndim == 1:
        return values, None
    values = plain(values)
    refuse_periods(values, name)
    if isinstance(values, np.ndarray) and values.dtype.kind == "M":
        values = pd.DatetimeIndex(values)  # unlike a Series it takes any unit, hours included
    series = values if isinstance(values, pd.Series) else pd.Series(values)
    found = Dates(keyed=False).read(series, name)
    if found.bad.any():
        row = int(found.bad.argmax())
        if pd.api.types.is_datetime64_any_dtype(series.dtype):
            raise ValueError(f"{name}: a time outside the years 1678 to 2261")
        value = series.iloc[row]
        raise ValueError(f"{name}: row {row} is {value!r}, not a time; correct it or drop the row")
    return found.times, getattr(series.dtype, "tz", None) or found.zone


def read_both_times(
    event: Any,
    label: Any,
    event_name: str = "event_time",
    label_name: str = "label_time",
    ordered: bool = True,
) -> tuple[Times, Times | None, tzinfo | str | None]:
    """Read event times, none of them missing, label times in the same clock, and the time zone.

    Raises `ValueError` for no rows, for a missing event time, where only one of the two has a
    time zone, and if `ordered` for event times that are not ascending.
    """
    event_time, zone = read_times(event, event_name)
    if not len(event_time):
        raise ValueError(f"{event_name}: no rows; a stream needs at least two")
    if np.isnat(event_time).any():
        row = int(np.isnat(event_time).argmax())
        raise ValueError(f"{event_name}: missing in row {row}; drop the row or fill the time in")
    earlier = event_time[1:] < event_time[:-1]
    if ordered and earlier.any():
        row = int(earlier.argmax()) + 1
        raise ValueError(
            f"{event_name}: row {row} ({pd.Timestamp(event_time[row])}) is before row {row - 1} "
            f"({pd.Timestamp(event_time[row - 1])}); use Stream.from_frame, which sorts"
        )
    if label is None:
        return event_time, None, zone
    label_time, label_zone = read_times(label, label_name)
    if (label_zone is None) != (zone is None) and not np.isnat(label_time).all():
        which = (event_name, label_name) if zone else (label_name, event_name)
        raise ValueError(
            f"{which[0]} has a time zone and {which[1]} has none; use .dt.tz_localize on the latter"
        )
    return event_time, label_time, zone
