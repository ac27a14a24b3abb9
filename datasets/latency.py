"""When labels arrive: each latency gives a stream the instants at which its labels become known.

A label that never arrives in the stream still never arrives. The delay of a row never depends on
later rows, so what is known of the past stays the same when the history grows.
"""

import math
from collections.abc import Mapping
from dataclasses import dataclass, field
from typing import Protocol

import numpy as np
import pandas as pd

from backtrain.datasets.columns import nearest
from backtrain.datasets.offsets import (
    Offset,
    OffsetLike,
    Times,
    nanoseconds,
    parse_fixed,
    parse_offset,
    to_timestamp,
)
from backtrain.datasets.stream import Stream
from backtrain.datasets.values import generator


class Latency(Protocol):
    """Says when the labels of a stream arrive."""

    def label_times(self, stream: Stream) -> Times:
        """Return one instant a row, (n,) datetime64[ns], >= event_time; NaT = never."""
        ...


def apply(stream: Stream, latency: Latency) -> Stream:
    """Return the same stream with its labels known when `latency` says.

    >>> from backtrain.datasets.synthetic import stationary
    >>> stream = apply(stationary(100), Fixed("1D"))
    >>> print(stream.label_time[0] - stream.event_time[0])
    86400000000000 nanoseconds
    """
    return stream.of_series(lambda series: series.with_label_time(latency.label_times(series)))


@dataclass(frozen=True)
class Native:
    """The label times that the data itself has."""

    def label_times(self, stream: Stream) -> Times:
        """Return the stream's own label times."""
        return stream.label_time


@dataclass(frozen=True)
class NoDelay:
    """Every label is known at once; those that never arrive still do not."""

    def label_times(self, stream: Stream) -> Times:
        """Return the event times."""
        return _known(stream, stream.event_time)


@dataclass(frozen=True)
class Fixed:
    """Every label is known the same time after its event.

    Parameters
    ----------
    offset : str
        "1D" is a day later, "MS" at the beginning of the next month.

    Examples
    --------
    >>> from backtrain.datasets.synthetic import stationary
    >>> late = apply(stationary(100), Fixed("7D"))
    >>> str(late.label_time[0])[:10]
    '2024-01-08'
    """

    offset: OffsetLike = "1D"

    def __post_init__(self) -> None:
        parse_offset(self.offset, "latency.offset")

    def label_times(self, stream: Stream) -> Times:
        """Return event time + offset."""
        return _known(stream, stream.calendar.shift(stream.event_time, parse_offset(self.offset)))


@dataclass(frozen=True)
class LogNormal:
    """Delays are drawn from a log-normal distribution: many soon, a few very late.

    Parameters
    ----------
    median : str
        The fixed offset within which half of the labels arrive.
    sigma : float
        Standard deviation of the logarithm of the delay, 0 or more.
    seed : int
        Of the draws.
    """

    median: OffsetLike = "3D"
    sigma: float = 0.5
    seed: int = 0

    def __post_init__(self) -> None:
        parse_fixed(self.median, "latency.median")
        if not (math.isfinite(self.sigma) and self.sigma >= 0):
            raise ValueError(f"latency.sigma={self.sigma!r}: must be a number >= 0, such as 0.5")

    def label_times(self, stream: Stream) -> Times:
        """Return event time + one draw a row, in row order."""
        normal = generator(self.seed, 2).standard_normal(len(stream))
        # A century is for ever here, and far from where nanoseconds overflow.
        longest = float(nanoseconds(pd.Timedelta(days=36_525)))
        delays = np.minimum(
            nanoseconds(parse_fixed(self.median)) * np.exp(self.sigma * normal), longest
        )
        return _known(stream, stream.event_time + delays.astype("timedelta64[ns]"))


@dataclass(frozen=True)
class ByClass:
    """The delay depends on the label: a default may be known before a repayment.

    Parameters
    ----------
    offsets : mapping of label to str
        The delay of each label.
    otherwise : str, optional
        That of all labels not named there.

    Examples
    --------
    >>> ByClass({"default": "30D"}, otherwise="365D")
    ByClass(offsets={'default': '30D'}, otherwise='365D')
    """

    offsets: Mapping[str | int | float | bool, OffsetLike]
    otherwise: OffsetLike | None = None

    def __post_init__(self) -> None:
        for label, offset in self.offsets.items():
            parse_offset(offset, f"latency.offsets[{label!r}]")
        if self.otherwise is not None:
            parse_offset(self.otherwise, "latency.otherwise")

    def label_times(self, stream: Stream) -> Times:
        """Return event time + the delay of the row's label.

        Raises `ValueError` for a label that is neither named nor covered by `otherwise`, and for
        a name that no label has.
        """
        times = np.full(len(stream), np.datetime64("NaT", "ns"))
        left = ~np.isnat(stream.label_time)
        labels = list(dict.fromkeys(stream.y[left].tolist()))
        for label, offset in self.offsets.items():
            if label not in labels:
                hint = f"did you mean {nearest(label, labels)}?"
                raise ValueError(f"latency.offsets[{label!r}]: no row has this label; {hint}")
            rows = left & (stream.y == label)
            times[rows] = stream.calendar.shift(stream.event_time[rows], parse_offset(offset))
            left &= ~rows
        if left.any() and self.otherwise is None:
            label = stream.y[left].tolist()[0]
            raise ValueError(
                f"latency.offsets: no delay for label {label!r}; add it, or `otherwise`"
            )
        if self.otherwise is not None:
            late = parse_offset(self.otherwise)
            times[left] = stream.calendar.shift(stream.event_time[left], late)
        return times


@dataclass(frozen=True)
class Batched:
    """Labels are delivered together: at the first delivery at or after they are known.

    Parameters
    ----------
    offset : str
        How far deliveries lie apart. A calendar offset ("MS", "W-MON") falls due at midnight of its
        days, where the stream is; whole days are local ones.
    base : Latency
        When labels are known; by default as the data say.
    anchor : str or Timestamp
        From when fixed offsets are counted; a Monday.
    """

    offset: OffsetLike = "MS"
    base: Latency = field(default_factory=Native)
    anchor: str | pd.Timestamp = "2001-01-01"

    def __post_init__(self) -> None:
        offset = parse_offset(self.offset, "latency.offset")
        to_timestamp(self.anchor, "latency.anchor")
        if offset == pd.Timedelta(0):
            raise ValueError(
                f"latency.offset={self.offset!r}: deliveries must lie apart, like '7D'"
            )
        # DateOffset(months=1) and "2MS" say how far apart deliveries are, but not on which days.
        if type(offset) is pd.DateOffset or getattr(offset, "n", 1) != 1:
            raise ValueError(
                f"latency.offset={self.offset!r}: names no days; use one like 'MS', 'QS' or 'W-MON'"
            )

    def label_times(self, stream: Stream) -> Times:
        """Return the first delivery at or after the time that `base` gives."""
        arrival, calendar = self.base.label_times(stream), stream.calendar
        step = parse_offset(self.offset)
        if isinstance(calendar.offset(self.offset), pd.Timedelta):  # elapsed time
            assert isinstance(step, pd.Timedelta)
            return _next_multiple(arrival, calendar.instant(self.anchor), nanoseconds(step))
        local = self._next_local(calendar.local(arrival), step)
        due = calendar.utc(local)
        early = due < arrival  # the clock shows it twice, and labels come in between
        due[early] = calendar.utc(self._next_local(local[early] + np.timedelta64(1, "ns"), step))
        return due

    def _next_local(self, arrival: Times, offset: Offset) -> Times:
        if isinstance(offset, pd.Timedelta):
            anchor = to_timestamp(self.anchor)
            return _next_multiple(arrival, anchor, nanoseconds(offset))
        midnight = arrival.astype("datetime64[D]").astype("datetime64[ns]")
        due = np.where(midnight < arrival, midnight + np.timedelta64(1, "D"), midnight)
        # One instant is rolled at a time (pandas has no vectorised rollforward): so each day once.
        days, position = np.unique(due[~np.isnat(due)], return_inverse=True)
        rolled = [offset.rollforward(pd.Timestamp(day)).as_unit("ns") for day in days]
        due[~np.isnat(due)] = np.array(rolled, dtype="datetime64[ns]")[position]
        return due


@dataclass(frozen=True)
class NeverArrives:
    """A share of the labels, drawn at random, never arrives.

    Parameters
    ----------
    share : float
        At least 0 and below 1.
    seed : int
        Of the draws.
    base : Latency
        When the others arrive; by default as the data say.
    """

    share: float = 0.1
    seed: int = 0
    base: Latency = field(default_factory=Native)

    def __post_init__(self) -> None:
        if not 0 <= self.share < 1:
            raise ValueError(f"latency.share={self.share!r}: must be at least 0 and below 1")

    def label_times(self, stream: Stream) -> Times:
        """Return the times of `base`, NaT for the rows drawn, in row order."""
        lost = generator(self.seed, 3).random(len(stream)) < self.share
        return np.where(lost, np.datetime64("NaT", "ns"), self.base.label_times(stream))


def _known(stream: Stream, times: Times) -> Times:
    return np.where(np.isnat(stream.label_time), np.datetime64("NaT", "ns"), times)


def _next_multiple(times: Times, anchor: pd.Timestamp, step: int) -> Times:
    late = (anchor.to_datetime64() - times).astype(np.int64) % step  # from a time to the delivery
    return np.where(np.isnat(times), times, times + late.astype("timedelta64[ns]"))
