"""A history with everything spoilt that is not known at an instant, in values that models take."""

from collections.abc import Collection
from dataclasses import replace
from typing import Any, Literal

import numpy as np
import pandas as pd
from numpy.typing import NDArray

from backtrain.datasets.horizon import Horizon, codes
from backtrain.datasets.stream import Stream

#: What can be spoilt, each by itself or all at once.
KINDS = ("features", "labels", "label times", "rows")
#: How numbers are spoilt: taken from the upper or lower end of a column, or far outside of it.
Manner = Literal["high", "low", "wild"]


def poisoned(
    stream: Stream,
    at: np.datetime64,
    rng: np.random.Generator,
    kinds: Collection[str] = KINDS,
    manner: Manner = "wild",
    classes: NDArray[Any] | None = None,
    rows: float = 1.0,
    unseen: bool = False,
) -> Stream:
    """The stream with everything changed that is not known at ``at``.

    Features, weights, groups and amounts of rows from ``at`` on; labels that have not arrived, and
    when they will; which rows come, and when. The result is a valid stream of the same columns and
    types: numbers stay finite, categories and groups are known ones, and columns have missing
    values only where they had some.

    Parameters
    ----------
    at : datetime64
        The instant; what is known at it stays as it is, to the last bit.
    rng : Generator
        Draws the poison.
    kinds : collection of str
        Some of `KINDS`.
    manner : {"high", "low", "wild"}
        How numbers are spoilt.
    classes : ndarray, optional
        What spoilt labels are drawn from, for a classifier; None for numbers.
    unseen : bool
        Also spoil with categories and groups that never occur in the stream.
    rows : float
        How many rows follow ``at``, as a share of those that do: some are dropped or occur twice.
    """
    if stream.series is not None and stream.horizon is not None:
        given = (at, rng, kinds, manner, classes, rows, unseen)
        return _series(stream.series, stream.horizon, *given).forecasts(stream.horizon)
    if "rows" in kinds:
        stream = _other_rows(stream, at, rng, rows)
    future = stream.event_time >= at
    label_time = stream.label_time.copy()
    hidden = future | np.isnat(label_time) | (label_time > at)
    changed: dict[str, Any] = {}
    if "features" in kinds:
        changed["X"] = _features(stream.X, future, rng, manner, unseen)
        changed |= _others(stream, future, rng, unseen)
    y = stream.y.copy()
    if "labels" in kinds:
        y[hidden] = _labels(stream.y, int(hidden.sum()), rng, manner, classes)
    if "label times" in kinds:
        movable = hidden if "labels" in kinds else hidden & ~pd.isna(y)
        label_time[movable] = _later(stream, at, movable, rng)
    never = np.isnat(label_time)
    if y.dtype.kind in "fO":
        y[never] = np.nan if y.dtype.kind == "f" else None
    if stream.truth is not None:
        changed["truth"] = np.where(hidden & ~never, y, stream.truth)
    return replace(stream, y=y, label_time=label_time, **changed)


def shuffled(stream: Stream, at: np.datetime64, rng: np.random.Generator) -> Stream:
    """The stream with the rows from ``at`` on in another order, each at another's time."""
    first = stream.rows(at).start
    order = np.append(np.arange(first), first + rng.permutation(len(stream) - first))
    return _reordered(stream, order, stream.event_time)


def cut(stream: Stream, at: np.datetime64) -> Stream:
    """The stream without the rows from ``at`` on."""
    known = np.arange(stream.rows(None, at).stop)
    return _reordered(stream, known, stream.event_time[known])


def _series(
    series: Stream,
    horizon: Horizon,
    at: np.datetime64,
    rng: np.random.Generator,
    kinds: Collection[str],
    *given: Any,
) -> Stream:
    """The series of forecasts with all spoilt that no origin before ``at`` knows.

    That there is something to forecast is known at an origin, and of it what is known in advance.
    """
    code, last = codes(series.group, len(series)), horizon.all_steps[-1]
    past = pd.Series(series.event_time < at)
    later = (~past).groupby(code).cumsum().to_numpy() > last  # no target of an earlier origin
    kept = np.flatnonzero(~later | (rng.random(len(series)) < 0.7))
    spoilt = poisoned(series, at, rng, [kind for kind in kinds if kind != "rows"], *given)
    X = series.X.copy()
    for name in series.columns:
        if name in horizon.ahead:
            _take(X, spoilt.X, series.columns.index(name), later)
        else:
            _take(X, spoilt.X, series.columns.index(name), later | ~past.to_numpy())
    spoilt = replace(spoilt, X=X, group=series.group)
    return _reordered(spoilt, kept, spoilt.event_time[kept]) if "rows" in kinds else spoilt


def _take(X: Any, spoilt: Any, place: int, rows: NDArray[np.bool_]) -> None:
    """Take values of a column from a spoilt table, in some of its rows."""
    if not isinstance(X, pd.DataFrame):
        X[rows, place] = spoilt[rows, place]
        return
    name, values, new = X.columns[place], X.iloc[:, place], spoilt.iloc[:, place]
    if isinstance(values.dtype, pd.CategoricalDtype):
        words = np.where(rows, new.astype(object), values.astype(object))
        X[name] = pd.Categorical(words, categories=new.cat.categories)
    else:
        X[name] = values.where(~rows, new)


def _other_rows(
    stream: Stream, at: np.datetime64, rng: np.random.Generator, share: float
) -> Stream:
    """Later rows are drawn anew with replacement, and come at other times."""
    first, n = stream.rows(at).start, len(stream)
    if first == n:
        return stream
    count = max(1, round((n - first) * share))
    order = np.append(np.arange(first), first + rng.integers(0, n - first, count))
    span = max(int((stream.event_time[-1] - at).astype(np.int64)), 2)
    times = at + np.sort(rng.integers(0, span, count)).astype("timedelta64[ns]")
    return _reordered(stream, order, np.append(stream.event_time[:first], times))


def _reordered(
    stream: Stream, order: NDArray[np.int64], event_time: NDArray[np.datetime64]
) -> Stream:
    """Rows at positions ``order``, at these times; each keeps the delay of its label."""
    X, gap = stream.take(order), (stream.label_time - stream.event_time)[order]
    names = ("weight", "group", "truth", "amount", "fit_weight", "score_weight", "target_time")
    parts: dict[str, Any] = {name: getattr(stream, name) for name in names}
    kept = {name: None if part is None else part[order] for name, part in parts.items()}
    return replace(
        stream,
        X=X.reset_index(drop=True) if isinstance(X, pd.DataFrame) else X,
        y=stream.y[order],
        event_time=event_time,
        label_time=event_time + gap,
        **kept,  # type: ignore[arg-type]
    )


# --- values ---------------------------------------------------------------------------------------


def _others(
    stream: Stream, future: NDArray[np.bool_], rng: np.random.Generator, unseen: bool
) -> dict[str, NDArray[Any]]:
    """Weights, groups and amounts of later rows, those of others."""
    changed = {}
    for name in ("weight", "group", "amount", "fit_weight", "score_weight"):
        values = getattr(stream, name)
        if values is None:
            continue
        known = np.array(pd.unique(values))
        if unseen and name == "group" and known.dtype.kind in "OU":
            known = np.append(known.astype(object), "never seen")
        drawn = rng.choice(known, len(values))
        changed[name] = np.where(future, drawn, values)
    return changed


def _features(
    X: Any, future: NDArray[np.bool_], rng: np.random.Generator, manner: Manner, unseen: bool
) -> Any:
    spoilt, count = X.copy(), int(future.sum())
    if not isinstance(X, pd.DataFrame):
        for place in range(X.shape[1]):
            spoilt[future, place] = _numbers(X[:, place], count, rng, manner)
        return spoilt
    for name in X.columns:
        column = X[name]
        if isinstance(column.dtype, pd.CategoricalDtype):
            known = [*column.cat.categories, *(["never seen"] if unseen else [])]
            drawn = rng.choice(np.array(known, dtype=object), len(X))
            values = np.where(future, drawn, column.astype(object))
            spoilt[name] = pd.Categorical(values, categories=known)
        else:
            values = column.to_numpy(copy=True)
            values[future] = _numbers(values, count, rng, manner)
            spoilt[name] = values
    return spoilt


def _numbers(
    column: NDArray[Any], count: int, rng: np.random.Generator, manner: Manner
) -> NDArray[np.float64]:
    """Numbers unlike those of a column: from one end of it, or far outside; signs are kept."""
    known = np.unique(column[np.isfinite(column)].astype(np.float64))
    if not len(known):
        return np.full(count, np.nan)
    tenth = max(1, len(known) // 10)
    if manner == "high":
        drawn = rng.choice(known[-tenth:], count)
    elif manner == "low":
        drawn = rng.choice(known[:tenth], count)
    else:
        span = float(known[-1] - known[0]) or 1.0
        drawn = known[-1] + span * (1 + 10 * rng.random(count))
        if known[0] < 0:
            drawn *= rng.choice([-1.0, 1.0], count)
    if (known == np.round(known)).all():
        drawn = np.round(drawn)
    if np.isnan(column).any():
        drawn[rng.random(count) < 0.05] = np.nan
    return drawn


def _labels(
    y: NDArray[Any],
    count: int,
    rng: np.random.Generator,
    manner: Manner,
    classes: NDArray[Any] | None,
) -> NDArray[Any]:
    if classes is not None:
        return rng.choice(classes, count)
    numbers = y[~pd.isna(y)]
    return _numbers(numbers, count, rng, manner).astype(y.dtype)


def _later(
    stream: Stream, at: np.datetime64, movable: NDArray[np.bool_], rng: np.random.Generator
) -> NDArray[np.datetime64]:
    """Times after ``at`` at which labels arrive; a tenth never does."""
    gap = (stream.label_time - stream.event_time).astype(np.float64)
    usual = gap[~np.isnat(stream.label_time)]
    unit = float(np.median(usual)) or float(np.median(np.diff(stream.event_time).astype(float)))
    count = int(movable.sum())
    wait = (1 + (3 * max(unit, 1e9)) * rng.random(count)).astype("timedelta64[ns]")
    times: NDArray[np.datetime64] = np.maximum(stream.event_time[movable], at) + wait
    times[rng.random(count) < 0.1] = np.datetime64("NaT", "ns")
    return times
