"""Tables whose columns are read one by one: what a stream is made of, in memory or on disk."""

from collections.abc import Hashable, Sequence
from typing import Any, TypeAlias

import numpy as np
import numpy.typing as npt
import pandas as pd
from pandas.api.types import infer_dtype

from backtrain.datasets.columns import as_names, is_number
from backtrain.datasets.names import nearest

#: Roles of columns that may be features, too, where these are named.
_ALSO_FEATURES = ("amount", "group")

Places: TypeAlias = npt.NDArray[np.signedinteger[Any]]


class Source:
    """A table in memory; subclasses read theirs from elsewhere.

    `head` is a table of the same columns, with all rows, some or none; `reading` is what was
    guessed or chosen in reading it, a sentence each; `categories` are columns taken as names.
    """

    def __init__(self, head: pd.DataFrame) -> None:
        self.head = head
        self.reading: list[str] = []
        self.categories: frozenset[Any] = frozenset()

    def drop(self, names: Sequence[str]) -> None:
        """Leave columns out."""
        self.head = self.head.drop(columns=list(names))

    def column(self, name: Any, place: Places | None = None) -> pd.Series:
        """A column of its own memory, with each row in its place, if they have others."""
        series: pd.Series = self.head[name]
        return series.copy() if place is None else series.iloc[inverse(place)]

    def look(self, name: Any) -> pd.Series:
        """A column as it stands, to be read only."""
        series: pd.Series = self.head[name]
        return series

    def features(self, names: Sequence[Any], place: Places | None = None) -> Any:
        """Columns as a stream takes them for `X`, with each row in its place."""
        frame = self.head[list(names)]
        for name in self.categories.intersection(names):
            frame = frame.copy(deep=False)
            frame[name] = as_names(frame[name])
        return frame if place is None else frame.iloc[inverse(place)]

    def counts(self, name: Any) -> "pd.Series[int] | None":
        """How often each value of a column of text is there; None where it is no text."""
        series = self.look(name)
        if isinstance(series.dtype, pd.CategoricalDtype) or is_number(series):
            return None
        if infer_dtype(series, skipna=True) != "string":
            return None
        return series.value_counts(sort=False)

    def loaded(self) -> "Source":
        """The same table in memory, where values can be replaced."""
        return self

    def replace(self, name: Any, values: Any) -> None:
        """Give a column other values; the table must be in memory."""
        self.head = self.head.copy(deep=False)
        self.head[name] = values

    def keep(self, rows: npt.NDArray[np.bool_]) -> None:
        """Leave all other rows out; the table must be in memory."""
        self.head = self.head[rows].reset_index(drop=True)

    def at(self, row: int) -> str:
        """Where a row stands, for messages."""
        return f"row {row}"


def inverse(order: Places) -> Places:
    """Where each row is put by an order, or the order by which rows come to these places.

    >>> inverse(np.array([2, 0, 1]))
    array([1, 2, 0], dtype=int8)
    """
    kind = np.min_scalar_type(-max(1, len(order)))  # half the memory of int64, or less
    place = np.empty(len(order), dtype=kind)
    place[order] = np.arange(len(order), dtype=kind)
    return place


def check_categories(names: Sequence[str], allowed: Sequence[Any]) -> frozenset[str]:
    """Columns that are taken as names; raises `ValueError` for one that is no feature or target."""
    if isinstance(names, str):
        raise ValueError(f"categories={names!r}: a list of columns")
    for name in names:
        if name not in allowed:
            raise ValueError(
                f"categories={name!r}: neither a feature nor the target; "
                f"did you mean {nearest(name, allowed)}?"
            )
    return frozenset(names)


def check_names(
    df: pd.DataFrame, roles: dict[str, str | None], features: Sequence[str] | None
) -> set[str]:
    """The columns that have a role; raises `ValueError` for names that are none, or are twice."""
    if df.columns.has_duplicates:
        twice = df.columns[df.columns.duplicated()][0]
        raise ValueError(f"column {twice!r} stands there twice; rename one of them")
    required = ("target", "time")
    asked = [(role, name) for role, name in roles.items() if name is not None or role in required]
    used: dict[str, str] = {}
    for role, name in [*asked, *(("features", name) for name in features or ())]:
        if name is None or not isinstance(name, Hashable):
            raise ValueError(f"{role}={name!r}: give the name of one column")
        if df.columns.nlevels > 1 and name in df.columns and name not in set(df.columns):
            first = next(column for column in df.columns if name in column)
            raise ValueError(
                f"{role}={name!r}: several columns; name one whole, such as {first}, or flatten "
                "them first: df.columns = ['_'.join(map(str, column)) for column in df.columns]"
            )
        if name not in df.columns:
            hint = f"did you mean {nearest(name, df.columns)}?"
            if name in df.index.names:
                hint = "it is the index: use df.reset_index()"
            elif role == "time" and isinstance(df.index, pd.DatetimeIndex | pd.PeriodIndex):
                hint = f"times stand in the index: use df.reset_index(names={name!r})"
            raise ValueError(f"{role}={name!r}: no such column; {hint}")
        if name in used and not (role == "features" and used[name] in _ALSO_FEATURES):
            raise ValueError(f"{role}={name!r}: already used as {used[name]}; name another column")
        used[name] = role
    return {name for _, name in asked if name is not None}
