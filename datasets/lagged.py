"""The lags of a stream's rows, as its last columns."""

from collections.abc import Collection, Sequence
from typing import Any, NamedTuple

import numpy as np
import pandas as pd

from backtrain.datasets.columns import Array, Features, Floats, read_feature, refuse_infinite
from backtrain.datasets.lags import Lags, Observed, as_of
from backtrain.datasets.names import nearest
from backtrain.datasets.offsets import Times
from backtrain.datasets.running import Places


class Rows(NamedTuple):
    """What of n rows their lags are made of: features without lags, labels, times and groups.

    `grouped_by` are the columns that `group` was made of, where that is known.
    """

    X: Features
    columns: tuple[str, ...]
    y: Array
    event_time: Times
    label_time: Times
    group: Array | None = None
    grouped_by: tuple[str, ...] = ()
    target: str = "y"

    @classmethod
    def of(cls, stream: Any) -> "Rows":
        """Those of a stream, which may have lags already."""
        rows = cls(*(getattr(stream, name) for name in cls._fields))
        X, columns = without(rows.X, rows.columns, stream.lag_columns)
        return rows._replace(X=X, columns=columns)


def with_lags(lags: Lags, rows: Rows) -> tuple[Features, tuple[str, ...]]:
    """The features of the rows with their lags behind them, and their names.

    A label is known to rows after its own event, and once it has arrived. Raises `ValueError` for
    features that there are not, or that have the name of a lag, and for statistics of text.
    """
    names = lags.names(rows.target)
    if taken := [name for name in names if name in rows.columns]:
        raise ValueError(
            f"lags: a feature is called {taken[0]!r} already; rename it, or leave it out: "
            f"dataset.drop=[{taken[0]}]"
        )
    at, words = rows.event_time.view(np.int64), None
    if rows.y.dtype.kind not in "biuf":
        words = np.asarray(pd.factorize(rows.y)[1], dtype=object)
    observed, series, codes = observed_of(lags, rows)
    made = as_of(lags, observed, series, at, codes)
    refuse_infinite(made, names)
    columns = (*rows.columns, *names)
    if words is None and not isinstance(rows.X, pd.DataFrame):
        X = np.empty((len(at), len(columns)))
        X[:, : len(rows.columns)] = rows.X
        X[:, len(rows.columns) :] = made
        return X, columns
    frame = pd.DataFrame(_columns(lags, made, names, words))
    base = rows.X
    if not isinstance(base, pd.DataFrame):
        base = pd.DataFrame(base, columns=list(rows.columns))
    return pd.concat([base, frame], axis="columns"), columns


def lags_at(
    lags: Lags,
    rows: Rows,
    place: Places,
    at: Places,
    time: Places,
    coded: Sequence[Places],
) -> dict[str, Floats | pd.Series]:
    """The lags by name, (m,) each, of forecasts made of rows at places, at instants (ns).

    What has arrived by an instant is known at it, also of the row of that instant: a forecast is
    made after it. `time` is what is forecast, from which `Lags.at` counts back.
    """
    observed, series, codes = observed_of(lags, rows)
    arrives = ~np.isnat(rows.label_time)
    known_at = np.maximum(rows.label_time, rows.event_time)[arrives].view(np.int64)
    asked = np.empty((len(place), len(coded)), dtype=np.int64)
    for i, those in enumerate(coded):
        asked[:, i] = codes[those, i]
    made = as_of(lags, observed._replace(known_at=known_at), series[place], at, asked, time)
    names, words = lags.names(rows.target), None
    refuse_infinite(made, names)
    if rows.y.dtype.kind not in "biuf":
        words = np.asarray(pd.factorize(rows.y)[1], dtype=object)
    return _columns(lags, made, names, words)


def _columns(
    lags: Lags, made: Floats, names: Sequence[str], words: Any
) -> dict[str, Floats | pd.Series]:
    """The columns of lags by name; those that are labels as categories, where labels are text."""
    columns: dict[str, Any] = {name: made[:, i] for i, name in enumerate(names)}
    if words is not None:
        for name in names[: len(lags.known) + len(lags.at)]:
            columns[name] = read_feature(_named(columns[name], words), name)
    return columns


def without(
    X: Features, columns: tuple[str, ...], names: Collection[str]
) -> tuple[Features, tuple[str, ...]]:
    """Features without some of their columns; those in a row are a view."""
    kept = [place for place, name in enumerate(columns) if name not in names]
    left = tuple(columns[place] for place in kept)
    if len(kept) == len(columns):
        return X, columns
    if isinstance(X, pd.DataFrame):
        X = X.iloc[:, kept]
        words = any(isinstance(kind, pd.CategoricalDtype) for kind in X.dtypes)
        return (X if words else np.ascontiguousarray(X.to_numpy(dtype=np.float64))), left
    in_a_row = kept == list(range(len(kept)))
    return (X[:, : len(kept)] if in_a_row else X[:, kept]), left


def observed_of(lags: Lags, rows: Rows) -> tuple[Observed, Places, Places]:
    """The labels of the rows that arrive some time, and of all rows their series and codes.

    Labels that are text are numbered in order of appearance.
    """
    at = rows.event_time.view(np.int64)
    series, codes = series_of(lags, rows), codes_of(lags, rows)
    labels = labels_of(lags, rows.y, rows.target)
    arrives = np.flatnonzero(~np.isnat(rows.label_time))
    known_at = np.maximum(rows.label_time.view(np.int64), at + 1)[arrives]
    observed = Observed(series[arrives], at[arrives], known_at, labels[arrives], codes[arrives])
    return observed, series, codes


def series_of(lags: Lags, rows: Rows) -> Places:
    """The series of each row, (n,); -1 where it belongs to none."""
    by = lags.by
    if by is None or by == rows.grouped_by:
        if rows.group is None:
            return np.zeros(len(rows.event_time), dtype=np.int64)
        return _codes(rows.group)
    codes = [_codes(_feature(rows, name, "by")) for name in by]
    missing = np.any([one < 0 for one in codes], axis=0)
    whole = codes[0] if len(codes) == 1 else _codes(pd.MultiIndex.from_arrays(codes))
    return np.where(missing, -1, whole)


def codes_of(lags: Lags, rows: Rows) -> Places:
    """The values of the features that are encoded, (n, e); 0 where one is missing."""
    codes = [_codes(_feature(rows, name, "encode")) + 1 for name in lags.encode]
    return np.column_stack(codes) if codes else np.empty((len(rows.event_time), 0), dtype=np.int64)


def labels_of(lags: Lags, y: Array, target: str) -> Floats:
    """Labels as numbers, (n,); text is numbered."""
    if y.dtype.kind in "biuf":
        return y.astype(np.float64)
    if lags.needs_numbers:
        raise ValueError(
            f"lags: target {target!r} is text, of which there is no mean or other statistic; make "
            "it a number, such as 1 for one class and 0 for others, or use lags.known and lags.at"
        )
    return pd.factorize(y)[0].astype(np.float64)


def _named(codes: Floats, words: Array) -> pd.Series:
    place = np.where(np.isnan(codes), -1, codes).astype(np.int64)
    return pd.Series(np.append(words, np.array([None], dtype=object))[place], dtype=object)


def _codes(values: Any) -> Places:
    return np.asarray(pd.factorize(values)[0], dtype=np.int64)


def _feature(rows: Rows, name: str, key: str) -> Any:
    """The values of a feature."""
    if name in rows.columns:
        X, place = rows.X, rows.columns.index(name)
        return X.iloc[:, place] if isinstance(X, pd.DataFrame) else X[:, place]
    if name in rows.grouped_by and len(rows.grouped_by) > 1:
        groups = " and ".join(map(repr, rows.grouped_by))
        raise ValueError(
            f"lags.{key}: {name!r} is only known together, as a group of {groups}; name it among "
            f"the features, too: dataset.features=[{name},...]"
        )
    if name in rows.grouped_by and rows.group is not None:
        return rows.group
    if name == rows.target:
        raise ValueError(f"lags.{key}: {name!r} is the target; name a feature")
    known: Sequence[str] = (*rows.columns, *rows.grouped_by)
    hint = f"did you mean {nearest(name, known)}?" if known else "the stream has none"
    raise ValueError(f"lags.{key}: no feature {name!r}; {hint}")
