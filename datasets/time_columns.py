"""Columns that are a time together, that may belong to one, or that follow from one."""

import re
from collections.abc import Iterator, Sequence
from typing import Any, Literal, get_args

import numpy as np
import pandas as pd

from backtrain.datasets.columns import as_names, is_number
from backtrain.datasets.names import nearest, of_columns
from backtrain.datasets.source import Source

#: What a time says of itself, as pandas calls it.
TimeFeature = Literal[
    "year", "quarter", "month", "day", "day_of_year", "day_of_week", "hour", "minute", "second"
]
_TIME_OF_DAY = re.compile(r"\s*\d\d?[:.h]\d\d([:.]\d\d([.,]\d+)?)?(\s?[ap]m)?\s*", re.IGNORECASE)
#: Parts of a time, the largest first: how their columns are called, and their largest value.
_PARTS = (
    (re.compile(r"(month|mon|mnth|mo|mm)", re.IGNORECASE), 12),
    (re.compile(r"(day|day.?of.?month|dd)", re.IGNORECASE), 31),
    (re.compile(r"(hour|hours|hr|hh|hour.?of.?day)", re.IGNORECASE), 24),
)
_COMPACT = 10_000  # years are below, dates such as 20240131 above
_LOOKED_AT = 500


def joined(source: Source, parts: Sequence[str]) -> Source:
    """The table with a column of times whose parts stand in several; those of text are left out."""
    for part in parts:
        if part not in source.head.columns:
            hint = f"did you mean {nearest(part, source.head.columns)}?"
            raise ValueError(f"time={part!r}: no such column; {hint}")
    source = source.loaded()
    columns = [source.look(part) for part in parts]
    whole, *rest = (as_names(column).astype(object) for column in columns)
    hour = 3 if is_number(columns[0]) and columns[0].max() < _COMPACT else 1  # its place
    for place, more in enumerate(rest, 1):
        is_minute = place > hour and is_number(columns[place])
        whole = whole.str.cat(more.str.zfill(2) if is_minute else more, sep=" :"[is_minute])
    source.replace(" ".join(parts), whole)
    source.drop([part for part in parts if not is_number(source.look(part))])
    return source


def may_belong(source: Source, time: str) -> Iterator[str]:
    """What is said where many rows share a time, and other columns look like the rest of it."""
    times = source.look(time)
    if len(source.head) != len(times):  # on disk
        return
    index = pd.DatetimeIndex(times)
    different = index.nunique()
    if different * 2 > len(index) or (index != index.normalize()).any():
        return
    others = [name for name in source.head.columns if name != time and isinstance(name, str)]
    found = [name for name in others if _is_time_of_day(source.look(name))][:1]
    if not found:
        first = 0 if (index.day_of_year == 1).all() else 1 if (index.day == 1).all() else 2
        for written, most in _PARTS[first:]:
            part = next((name for name in others if written.fullmatch(name)), None)
            if part is not None and _counts(source.look(part), most):
                found.append(part)
            elif most != _PARTS[2][1]:  # an hour needs a day
                break
    if found:
        said = (
            f"{' and '.join(found)} may be the rest of them: {of_columns('time', [time, *found])}"
        )
        if different == 1:
            raise ValueError(f"time {time!r}: all {len(index):,} rows have one time; {said}")
        yield f"{time}: {len(index):,} rows have {different:,} times; {said}"


def with_features(source: Source, time: str, wanted: Sequence[TimeFeature]) -> Source:
    """The table with columns of what its times say of themselves, on the clocks of their zone."""
    if not wanted:
        return source
    source = source.loaded()
    index = pd.DatetimeIndex(source.look(time))
    for name in wanted:
        if name not in get_args(TimeFeature):
            known = ", ".join(get_args(TimeFeature))
            raise ValueError(f"time_features={name!r}: none of {known}")
        if name in source.head.columns:
            raise ValueError(f"time_features={name!r}: a column is called so; leave it out here")
        source.replace(name, np.asarray(getattr(index, name)))
    return source


def _is_time_of_day(column: pd.Series) -> bool:
    if is_number(column):
        return False
    some: Any = column.dropna().astype(str).iloc[:_LOOKED_AT]
    return len(some) > 0 and all(_TIME_OF_DAY.fullmatch(text) for text in some)


def _counts(column: pd.Series, most: int) -> bool:
    """Whether a column has several whole numbers up to a largest one."""
    if not is_number(column):
        return False
    values = np.unique(column.dropna().to_numpy(dtype=np.float64))
    return len(values) > 1 and bool(((values >= 0) & (values <= most) & (values % 1 == 0)).all())
