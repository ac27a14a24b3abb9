"""Tables whose columns are read one by one: what a stream is made of, in memory or on disk."""

from collections.abc import Sequence
from typing import Any, TypeAlias

import numpy as np
import numpy.typing as npt
import pandas as pd
from pandas.api.types import infer_dtype

from backtrain.datasets.columns import as_names, is_number

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
