"""Tables whose columns are read one by one: what a stream is made of, in memory or on disk."""

from collections.abc import Hashable, Sequence
from typing import Any, TypeAlias

import numpy as np
import numpy.typing as npt
import pandas as pd

from backtrain.datasets.columns import nearest

#: Roles of columns that may be features, too, where these are named.
_ALSO_FEATURES = ("amount", "group")

Places: TypeAlias = npt.NDArray[np.signedinteger[Any]]


class Source:
    """A table in memory; subclasses read theirs from elsewhere.

    `head` is a table of the same columns, with all rows, some or none; `reading` is what was
    guessed or chosen in reading it, a sentence each.
    """

    def __init__(self, head: pd.DataFrame) -> None:
        self.head = head
        self.reading: list[str] = []

    def drop(self, names: Sequence[str]) -> None:
        """Leave columns out."""
        self.head = self.head.drop(columns=list(names))

    def column(self, name: Any, place: Places | None = None) -> pd.Series:
        """A column of its own memory, with each row in its place, if they have others."""
        series: pd.Series = self.head[name]
        return series.copy() if place is None else series.iloc[inverse(place)]

    def features(self, names: Sequence[Any], place: Places | None = None) -> Any:
        """Columns as a stream takes them for `X`, with each row in its place."""
        frame = self.head[list(names)]
        return frame if place is None else frame.iloc[inverse(place)]


def inverse(order: Places) -> Places:
    """Where each row is put by an order, or the order by which rows come to these places.

    >>> inverse(np.array([2, 0, 1]))
    array([1, 2, 0], dtype=int8)
    """
    kind = np.min_scalar_type(-max(1, len(order)))  # half the memory of int64, or less
    place = np.empty(len(order), dtype=kind)
    place[order] = np.arange(len(order), dtype=kind)
    return place


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
