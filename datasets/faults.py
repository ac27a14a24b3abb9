"""Faults: what makes retraining the wrong answer, put into a stream from one instant to another.

Each fault strikes the rows with start <= event_time < stop and leaves all others as they were.
`start` and `stop` are instants, or shares of the stream's span.
"""

from collections.abc import Callable, Collection, Iterable
from dataclasses import dataclass, replace
from typing import Any, Protocol

import numpy as np
import numpy.typing as npt
import pandas as pd

from backtrain.datasets.columns import Array, nearest
from backtrain.datasets.digits import digits
from backtrain.datasets.offsets import OffsetLike, Times, parse_offset, to_timestamp
from backtrain.datasets.stream import FaultPeriod, Stream
from backtrain.datasets.values import generator, is_count, is_number, is_share

Instant = str | float | pd.Timestamp


class Fault(Protocol):
    """Spoils a stretch of a stream."""

    @property
    def start(self) -> Instant:
        """The first instant."""
        ...

    @property
    def stop(self) -> Instant:
        """The first instant after it."""
        ...

    def name(self, stream: Stream) -> str:
        """Say in a few words what reports call it."""
        ...

    def strike(self, stream: Stream, rows: slice) -> Stream:
        """Return the stream with these rows spoilt."""
        ...


def inject(stream: Stream, faults: Iterable[Fault]) -> Stream:
    """Return the stream with every fault in it, in their order; `Stream.faults` remembers them.

    Raises `ValueError` for a period without rows and for a column that there is not.

    >>> from backtrain.datasets.synthetic import stationary
    >>> stream = inject(stationary(100), [UnitChange("x0", 100, start=0.5, stop=0.6)])
    >>> stream.faults[0].name, str(stream.faults[0].start)
    ('x0 × 100', '2024-01-03 01:30:00')
    """
    return stream.of_series(lambda series: _struck(series, faults))


def _struck(stream: Stream, faults: Iterable[Fault]) -> Stream:
    for fault in faults:
        period, rows = _period(stream, fault)
        struck = fault.strike(stream, rows)
        stream = replace(struck, faults=(*struck.faults, period))
    return stream


@dataclass(frozen=True, kw_only=True)
class _Lasting:
    """From when to when: instants, or shares of the stream's span; `stop` itself is left out.

    Text without a time zone is a local time of the stream's.

    Where a subclass has a `share` of the rows or a `seed`, they are checked here as well.
    """

    start: Instant
    stop: Instant

    def __post_init__(self) -> None:
        for when, name in ((self.start, "start"), (self.stop, "stop")):
            if not isinstance(when, (int, float)) or isinstance(when, bool):
                to_timestamp(when, f"{type(self).__name__}.{name}")
            elif not 0 <= when <= 1:
                raise ValueError(
                    f"{type(self).__name__}.{name}={when!r}: a share of the span lies between 0 "
                    "and 1; write an instant like '2011-04-01'"
                )
        share, seed = getattr(self, "share", 1), getattr(self, "seed", 0)
        if not is_share(share) or share == 0:
            raise ValueError(f"{self!r}: share must be above 0 and at most 1, such as 0.5")
        if not is_count(seed, 0):
            raise ValueError(f"{self!r}: seed must be a whole number, 0 or more")


@dataclass(frozen=True)
class UnitChange(_Lasting):
    """A column in another unit: cents for dollars (100), Fahrenheit for Celsius (1.8, 32).

    Values become `value * factor + offset`. Labels so recorded are what models learn and monitors
    see; rows are still scored against what the labels really were.

    Parameters
    ----------
    column : str or None
        A feature or the target; None is the target.
    factor, offset : float
        The change, such as 100 and 0.
    start, stop : str, Timestamp or float
        From when to when: instants, or shares of the stream's span.
    """

    column: str | None
    factor: float
    offset: float = 0.0

    def __post_init__(self) -> None:
        super().__post_init__()
        if not (is_number(self.factor) and is_number(self.offset)):
            raise ValueError(
                f"{self!r}: factor and offset must be finite numbers, such as 100 and 0"
            )
        if self.factor == 0 or (self.factor, self.offset) == (1, 0):
            raise ValueError(f"{self!r}: no change of unit; give a factor such as 100 or 0.01")

    def name(self, stream: Stream) -> str:
        """Column and formula."""
        plus = f" {'+-'[self.offset < 0]} {digits(abs(self.offset), 6)}" if self.offset else ""
        return f"{self.column or stream.target} × {digits(self.factor, 6)}{plus}"

    def strike(self, stream: Stream, rows: slice) -> Stream:
        """Convert the column, or the labels."""
        column = stream.target if self.column is None else self.column
        if self.column is None or (column == stream.target and column not in stream.columns):
            if stream.y.dtype.kind not in "iuf":
                raise ValueError(_not_a_number(self, stream.target, stream.y))
            y = stream.y.astype(np.float64)
            y[rows] = self._converted(y[rows])
            return replace(stream, y=y, truth=stream.y if stream.truth is None else stream.truth)
        if not _is_numeric(stream, _position(self, stream, column, or_target=True)):
            raise ValueError(_not_a_number(self, column, pd.DataFrame(stream.X)[column]))
        return _changed(stream, column, rows, self._converted)

    def _converted(self, values: Any) -> Any:
        return values * self.factor + self.offset


@dataclass(frozen=True)
class MissingSpike(_Lasting):
    """A share of the values is missing, drawn at random.

    Parameters
    ----------
    column : str or None
        A feature; None is every feature.
    share : float
        Above 0, at most 1.
    seed : int
        Of the draws.
    start, stop : str, Timestamp or float
        From when to when: instants, or shares of the stream's span.
    """

    column: str | None = None
    share: float = 0.5
    seed: int = 0

    def name(self, stream: Stream) -> str:
        """Column and share."""
        return f"{self.column or 'every column'} {self.share:.0%} missing"

    def strike(self, stream: Stream, rows: slice) -> Stream:
        """Take values away."""
        own = [name for name in stream.columns if name not in stream.lag_columns]
        for column in own if self.column is None else (self.column,):
            position = _position(self, stream, column)
            # For the rows of the period alone: rows before it that were doubled change nothing.
            lost = generator(self.seed, position, 0xFA).random(rows.stop - rows.start) < self.share
            stream = _changed(stream, column, rows, _without(lost))
        return stream


@dataclass(frozen=True)
class DroppedColumn(_Lasting):
    """A column that was dropped or renamed upstream: all of its values are missing.

    Parameters
    ----------
    column : str
        A feature.
    start, stop : str, Timestamp or float
        From when to when: instants, or shares of the stream's span.
    """

    column: str

    def name(self, stream: Stream) -> str:
        """The column."""
        return f"{self.column} gone"

    def strike(self, stream: Stream, rows: slice) -> Stream:
        """Take all values away."""
        _position(self, stream, self.column)
        return _changed(stream, self.column, rows, _without(_all(rows)))


@dataclass(frozen=True)
class StuckSensor(_Lasting):
    """A column that repeats the last value it had before `start`.

    Parameters
    ----------
    column : str
        A feature.
    start, stop : str, Timestamp or float
        From when to when: instants, or shares of the stream's span.
    """

    column: str

    def name(self, stream: Stream) -> str:
        """The column."""
        return f"{self.column} stuck"

    def strike(self, stream: Stream, rows: slice) -> Stream:
        """Repeat the last value."""
        position = _position(self, stream, self.column)
        if rows.start == 0:
            raise ValueError(f"{self!r}: no row before {stream.span[0]} to repeat; start later")
        before = rows.start - 1
        X = stream.X
        last = X.iloc[before, position] if isinstance(X, pd.DataFrame) else X[before, position]
        return _changed(stream, self.column, rows, _without(_all(rows), last))


@dataclass(frozen=True)
class DuplicatedRows(_Lasting):
    """A share of the rows, drawn at random, arrives twice: same instants, same values.

    A row that arrives twice is served, scored and learnt twice.

    Parameters
    ----------
    share : float
        Above 0, at most 1.
    seed : int
        Of the draws.
    start, stop : str, Timestamp or float
        From when to when: instants, or shares of the stream's span.
    """

    share: float = 0.2
    seed: int = 0

    def name(self, stream: Stream) -> str:
        """The share."""
        return f"{self.share:.0%} of rows twice"

    def strike(self, stream: Stream, rows: slice) -> Stream:
        """Put a copy right behind each row that is drawn."""
        times = np.ones(len(stream), dtype=np.int64)
        times[rows] += generator(self.seed, 0, 0xFA).random(rows.stop - rows.start) < self.share
        order = np.repeat(np.arange(len(stream)), times)
        columns = (
            *("y", "event_time", "label_time", "weight", "group", "truth", "amount"),
            *("fit_weight", "score_weight"),
        )
        arrays = {name: getattr(stream, name) for name in columns}
        copied = {name: array[order] for name, array in arrays.items() if array is not None}
        return replace(stream, X=stream.take(order), **copied)


@dataclass(frozen=True)
class LateLabels(_Lasting):
    """Labels of the rows arrive later than they would have, all by the same delay.

    Parameters
    ----------
    delay : str
        A time offset, such as "7D".
    start, stop : str, Timestamp or float
        From when to when: instants, or shares of the stream's span.
    """

    delay: OffsetLike = "7D"

    def __post_init__(self) -> None:
        super().__post_init__()
        parse_offset(self.delay, f"{type(self).__name__}.delay")

    def name(self, stream: Stream) -> str:
        """The delay."""
        return f"labels {self.delay} late"

    def strike(self, stream: Stream, rows: slice) -> Stream:
        """Move the label times."""
        times = stream.label_time.copy()
        times[rows] = stream.calendar.shift(times[rows], parse_offset(self.delay))
        return stream.with_label_time(times)


@dataclass(frozen=True)
class ReorderedLabels(_Lasting):
    """Labels of the rows arrive at the instants at which they would have, but in random order.

    None arrives before its row.

    Parameters
    ----------
    seed : int
        Of the draws.
    start, stop : str, Timestamp or float
        From when to when: instants, or shares of the stream's span.
    """

    seed: int = 0

    def name(self, stream: Stream) -> str:
        """Say that they are out of order."""
        return "labels out of order"

    def strike(self, stream: Stream, rows: slice) -> Stream:
        """Deal the label times out again."""
        times = stream.label_time.copy()
        arriving = rows.start + np.flatnonzero(~np.isnat(times[rows]))
        event, rng = stream.event_time[arriving], generator(self.seed, 0, 0xFA)
        times[arriving] = _dealt(event, times[arriving], rng)
        return stream.with_label_time(times)


def _dealt(event: Times, arrival: Times, rng: np.random.Generator) -> Times:
    """The arrivals in random order, each at or after its event; events ascend."""
    dealt, left = arrival.copy(), np.sort(arrival)[::-1].tolist()
    pool: list[int] = []
    taken = 0
    # The newest row has the fewest arrivals to choose from, so it chooses first.
    for position in range(len(event) - 1, -1, -1):
        at = event[position].astype(np.int64)
        while taken < len(left) and left[taken] >= at:
            pool.append(left[taken])
            taken += 1
        chosen = int(rng.integers(len(pool)))
        pool[chosen], pool[-1] = pool[-1], pool[chosen]
        dealt[position] = np.datetime64(pool.pop(), "ns")
    return dealt


def _period(stream: Stream, fault: Fault) -> tuple[FaultPeriod, slice]:
    first, last = stream.span

    def instant(when: Instant, name: str) -> pd.Timestamp:
        if isinstance(when, (int, float)):
            return (first + (last - first) * when).as_unit("ns")
        return stream.calendar.instant(when, name)

    start, stop = instant(fault.start, "start"), instant(fault.stop, "stop")
    if stop <= start:
        raise ValueError(f"{fault!r}: the period is empty, {start} to {stop}; stop after the start")
    if start < first or start > last:
        raise ValueError(f"{fault!r}: starts outside the stream, which spans {first} to {last}")
    rows = stream.rows(start, stop)
    if rows.start == rows.stop:
        raise ValueError(f"{fault!r}: no row from {start} to {stop}; make the period longer")
    return FaultPeriod(fault.name(stream), start, stop), rows


def _position(fault: Fault, stream: Stream, column: str, or_target: bool = False) -> int:
    """The column's position among the features."""
    refuse_lags([fault], stream.lag_columns)
    if column in stream.columns:
        return stream.columns.index(column)
    if column == stream.target:
        raise ValueError(
            f"{fault!r}: {column!r} is the target; UnitChange takes it, and for labels that never "
            "arrive there is latency=never_arrives"
        )
    names = (*stream.columns, stream.target) if or_target else stream.columns
    raise ValueError(f"{fault!r}: no column {column!r}; did you mean {nearest(column, names)}?")


def refuse_lags(faults: Iterable[Fault], names: Collection[str]) -> None:
    """Raise `ValueError` for a fault in a lag: it follows from the labels, spoilt ones included."""
    for fault in faults:
        if (column := getattr(fault, "column", None)) in names:
            raise ValueError(
                f"{fault!r}: {column!r} is a lag, made of the labels as they are known then; spoil "
                "these: faults=[cents], faults=[late_labels] or faults=[reordered_labels]"
            )


def _is_numeric(stream: Stream, position: int) -> bool:
    X = stream.X
    return not isinstance(X, pd.DataFrame) or X.dtypes.iloc[position].kind == "f"


def _changed(
    stream: Stream, column: str, rows: slice, change: Callable[[pd.Series], pd.Series]
) -> Stream:
    """The stream with some rows of a column replaced."""
    X, position = stream.X.copy(), stream.columns.index(column)
    if isinstance(X, pd.DataFrame):
        old = X[column]
        X[column] = pd.concat(
            [old.iloc[: rows.start], change(old.iloc[rows]), old.iloc[rows.stop :]]
        )
    else:
        X[rows, position] = change(pd.Series(X[rows, position]))
    return replace(stream, X=X)


def _all(rows: slice) -> npt.NDArray[np.bool_]:
    return np.ones(rows.stop - rows.start, dtype=bool)


def _without(lost: npt.NDArray[np.bool_], instead: Any = None) -> Callable[[pd.Series], pd.Series]:
    """What makes some values of a column missing, or another value."""
    return lambda values: values.where(~lost, np.nan if instead is None else instead)


def _not_a_number(fault: Fault, column: str, values: Array | pd.Series) -> str:
    some = pd.Series(values).dropna().iloc[:1].tolist()
    return f"{fault!r}: {column!r} holds no numbers (such as {some[0]!r}); name a numeric column"
