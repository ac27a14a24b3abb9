"""Times of a history: read from whatever a table holds into naive datetime64[ns], in UTC."""

import warnings
from typing import Any

import numpy as np
import pandas as pd
from pandas.api.types import infer_dtype

from backtrain.datasets.offsets import Times

_NUMBERS = {"integer", "floating", "mixed-integer-float", "decimal", "boolean"}


def read_times(values: Any, name: str) -> tuple[Times, bool]:
    """Read instants as naive datetime64[ns], (n,); say whether they had a time zone.

    A time zone is converted to UTC. Missing times become `NaT`. Raises `ValueError` for numbers,
    for text that is no date or an ambiguous one, and for mixed time zones.
    """
    if isinstance(values, np.ndarray) and values.dtype.kind == "M":
        values = pd.DatetimeIndex(values)  # unlike a Series it takes any unit, hours included
    series = values if isinstance(values, pd.Series) else pd.Series(values)
    if series.isna().all():
        series = pd.Series(pd.NaT, index=range(len(series)), dtype="datetime64[ns]")
    elif not _is_datetime(series):
        series = _parse_times(series, name)
    try:
        index = pd.DatetimeIndex(series).as_unit("ns")
    except pd.errors.OutOfBoundsDatetime:
        raise ValueError(f"{name}: a time outside the years 1678 to 2261") from None
    aware = index.tz is not None
    naive = index.tz_convert(None) if aware else index
    return naive.to_numpy().astype("datetime64[ns]", copy=False), aware


def read_both_times(
    event: Any,
    label: Any,
    event_name: str = "event_time",
    label_name: str = "label_time",
    ordered: bool = True,
) -> tuple[Times, Times | None]:
    """Read event times, none of them missing, and label times in the same clock.

    Raises `ValueError` for no rows, for a missing event time, where only one of the two has a
    time zone, and if `ordered` for event times that are not ascending.
    """
    event_time, aware = read_times(event, event_name)
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
        return event_time, None
    label_time, label_aware = read_times(label, label_name)
    if label_aware != aware and not np.isnat(label_time).all():
        which = (event_name, label_name) if aware else (label_name, event_name)
        raise ValueError(
            f"{which[0]} has a time zone and {which[1]} has none; use .dt.tz_localize on the latter"
        )
    return event_time, label_time


def _is_datetime(series: pd.Series) -> bool:
    return pd.api.types.is_datetime64_any_dtype(series.dtype)


def _parse_times(series: pd.Series, name: str) -> pd.Series:
    kind = infer_dtype(series, skipna=True)
    if kind in _NUMBERS:
        raise ValueError(
            f"{name}: numbers such as {series.iloc[0]}; say what they count: "
            "pd.to_datetime(column, unit='s')"
        )
    if kind not in ("string", "datetime", "datetime64", "date", "mixed", "empty"):
        raise ValueError(f"{name}: {kind} values such as {series.iloc[0]!r}; use pd.to_datetime")
    for options in ({"format": "ISO8601"}, {"dayfirst": False}):
        parsed = _to_datetime(series, **options)
        if parsed is not None and (parsed.dt.tz is None or _all_have_zone(series)):
            break
    else:
        raise ValueError(_unparsed(series, name))
    if "dayfirst" in options:
        other = _to_datetime(series, dayfirst=True)
        if other is not None and not other.equals(parsed):
            raise ValueError(
                f"{name}: {series.iloc[0]!r} may be day or month first; "
                "use pd.to_datetime(column, format='%d/%m/%Y') or the like"
            )
    return parsed


def _all_have_zone(series: pd.Series) -> bool:
    # pandas 2 lends the zone of one text to another without any, in silence.
    texts = series[series.map(lambda value: isinstance(value, str))].astype(str)
    return bool(texts.str.contains(r"[T ].*(?:[+-]|[A-Za-z])", regex=True).all())


def _to_datetime(series: pd.Series, **options: Any) -> pd.Series | None:
    try:
        with warnings.catch_warnings():
            warnings.simplefilter("ignore")  # guesses are checked by the caller
            parsed = pd.to_datetime(series, **options)
    except (ValueError, TypeError, OverflowError):
        return None
    return parsed if _is_datetime(parsed) else None  # pandas 2 gives objects for mixed zones


def _unparsed(series: pd.Series, name: str) -> str:
    if _to_datetime(series, utc=True, format="ISO8601") is not None:
        return (
            f"{name}: several time zones, or times with and without one; "
            "use pd.to_datetime(column, utc=True)"
        )
    for row, value in enumerate(series):
        one = pd.Series([value])
        if _to_datetime(one, format="ISO8601") is None and _to_datetime(one) is None:
            return f"{name}: row {row} is {value!r}, not a time; correct it or drop the row"
    return f"{name}: several ways of writing times; use pd.to_datetime(column, format='mixed')"
