"""Lags: features made of earlier labels, of those alone that have arrived when a row is scored."""

from collections.abc import Callable, Iterator, Sequence
from dataclasses import dataclass
from typing import Any, NamedTuple

import numpy as np
import numpy.typing as npt

from backtrain.datasets.offsets import nanoseconds, parse_fixed
from backtrain.datasets.running import STATISTICS, Floats, Places, statistic
from backtrain.datasets.values import is_count, is_number

#: Labels that are looked at together where they arrive out of order.
_CHUNK = 1 << 22
_HOUR = 3.6e12
#: What a statistic is of no label at all.
_OF_NONE = dict.fromkeys(STATISTICS, np.nan) | {"count": 0.0}


@dataclass(frozen=True)
class Lags:
    """Which earlier labels a row is given as features, each as it was known at the row's time.

    Labels of one series alone are looked at, newest event first; those that are missing or never
    arrive do not count. A label is known to rows after its own event, once it has arrived. Where
    there is none, the lag is missing (NaN).

    Parameters
    ----------
    known
        The k-th newest label that is known: ``[1, 24]``.
    at
        The label of the row exactly so long before, if it has arrived: ``["7D"]``. Of several rows
        at that instant the last whose label is known.
    rolling
        Statistics (mean, sum, std, min, max, median, count) of the newest known labels: so many of
        them, or those whose events lie less than a length of time before that of the newest one:
        ``[("mean", "7D"), ("std", 24)]``. Where there are fewer, of those.
    expanding
        Statistics of all labels that are known: ``["mean"]``.
    encode
        Features whose values become the mean label of the rows that share them, over all series,
        drawn towards the mean of all: ``["shop"]``.
    by
        The feature, or features, that tell series apart; None = the stream's groups, or one series
        where it has none. A row where one is missing belongs to no series, and has no lags.
    smoothing
        How many labels of the mean of all a value of `encode` starts from, m in
        ``(sum + m * mean of all) / (count + m)``: the m-estimate of Micci-Barreca (2001), as in
        category_encoders' `MEstimateEncoder` and scikit-learn's `TargetEncoder(smooth=m)`.
    age
        Whether the time since the event of the newest known label is a feature, too, in hours.

    >>> Lags(known=[1, 24], rolling=[("mean", "7D")]).names("count")
    ('count_known_1', 'count_known_24', 'count_mean_7D')
    """

    known: Sequence[int] = ()
    at: Sequence[str] = ()
    rolling: Sequence[tuple[str, str | int]] = ()
    expanding: Sequence[str] = ()
    encode: Sequence[str] = ()
    by: str | Sequence[str] | None = None
    smoothing: float = 1.0
    age: bool = False

    def __post_init__(self) -> None:
        for key, (read, _) in LISTS.items():
            given = getattr(self, key)
            if isinstance(given, str) or not isinstance(given, Sequence):
                raise ValueError(f"lags.{key}={given!r}: a list is wanted; {how_to_write(key)}")
            values = tuple(read(value, key) for value in given)
            twice = [value for place, value in enumerate(values) if value in values[:place]]
            if twice:
                raise ValueError(f"lags.{key}: {twice[0]!r} stands there twice; leave one out")
            object.__setattr__(self, key, values)
        if self.by is not None:
            by = (self.by,) if isinstance(self.by, str) else tuple(self.by)
            object.__setattr__(self, "by", by or None)
        if not (is_number(self.smoothing) and self.smoothing >= 0):
            raise ValueError(f"lags.smoothing={self.smoothing!r}: a number >= 0, such as 10")
        if not self.names("y"):
            raise ValueError("lags: none is asked for; name some, such as lags.known=[1,24]")

    def names(self, target: str) -> tuple[str, ...]:
        """The names of the k columns, in order, for a target of this name."""
        return (
            *(f"{target}_known_{k}" for k in self.known),
            *(f"{target}_at_{length}" for length in self.at),
            *(f"{target}_{name}_{length}" for name, length in self.rolling),
            *(f"{target}_{name}_all" for name in self.expanding),
            *(f"{target}_mean_by_{name}" for name in self.encode),
            *([f"{target}_known_age"] if self.age else []),
        )

    @property
    def needs_numbers(self) -> bool:
        """Whether labels are added up or compared: of names of classes there is no mean."""
        return any(name != "count" for name in (*self._statistics, *self.encode))

    @property
    def _statistics(self) -> tuple[str, ...]:
        return (*(name for name, _ in self.rolling), *self.expanding)


def _count(value: Any, key: str) -> int:
    if not is_count(value):
        raise ValueError(f"lags.{key}: {value!r} is no whole number from 1 on; {how_to_write(key)}")
    return int(value)


def _length(value: Any, key: str) -> str:
    """A length of time, as it was written: columns are named by it."""
    if not isinstance(value, str):
        raise ValueError(f"lags.{key}: {value!r} is no length of time; {how_to_write(key)}")
    if parse_fixed(value, f"lags.{key}").value <= 0:
        raise ValueError(f"lags.{key}: {value!r} is no time at all; {how_to_write(key)}")
    return value


def _statistic(value: Any, key: str) -> str:
    if value not in STATISTICS:
        raise ValueError(f"lags.{key}: no statistic {value!r}; there are {', '.join(STATISTICS)}")
    return str(value)


def _rolling(value: Any, key: str) -> tuple[str, str | int]:
    if isinstance(value, str) or not isinstance(value, Sequence) or len(value) != 2:
        raise ValueError(
            f"lags.{key}: {value!r} is not a statistic and how far it reaches; {how_to_write(key)}"
        )
    name, length = value
    is_number_of_labels = not isinstance(length, str)
    return _statistic(name, key), (_count if is_number_of_labels else _length)(length, key)


def _name(value: Any, key: str) -> str:
    if not isinstance(value, str):
        raise ValueError(f"lags.{key}: {value!r} is no name of a feature; {how_to_write(key)}")
    return value


#: Of each list, how a value is read, and what one looks like.
LISTS: dict[str, tuple[Callable[[Any, str], Any], str]] = {
    "known": (_count, "[1,24]"),
    "at": (_length, "[7D]"),
    "rolling": (_rolling, "[[mean,7D],[std,24]]"),
    "expanding": (_statistic, "[mean]"),
    "encode": (_name, "[shop]"),
}


def how_to_write(key: str) -> str:
    """How one of the lists is written, for messages."""
    return f"write lags.{key}={LISTS[key][1]}"


class Observed(NamedTuple):
    """Labels that arrive some time, m of them.

    Attributes
    ----------
    series : ndarray of int64
        The series of each, 0 or more; below 0 it belongs to none.
    time, known_at : ndarray of int64
        When its row was, and when it is known, in ns.
    value : ndarray of float64
        The label.
    codes : ndarray of int64 of shape (m, e), optional
        Of the features in `Lags.encode`, what value the row had.
    """

    series: Places
    time: Places
    known_at: Places
    value: Floats
    codes: Places | None = None


def as_of(
    lags: Lags,
    observed: Observed,
    series: Places,
    at: Places,
    codes: Places | None = None,
    time: Places | None = None,
) -> Floats:
    """The lags of n rows as they were known at instants, (n, k): from labels with known_at <= at.

    Parameters
    ----------
    series, at : ndarray of int64 of shape (n,)
        The series of each row, and the instant (ns) at which it is asked.
    codes : ndarray of int64 of shape (n, e), optional
        What value each row has of the features in `Lags.encode`.
    time : ndarray of int64 of shape (n,), optional
        From which instant `Lags.at` counts back; by default `at`.
    """
    history = _History.of(observed)
    state = history.state(series, at)
    states, place, some = _distinct(state)

    def of_rows(values: Floats, of_none: float = np.nan) -> Floats:
        rows = np.full(len(at), of_none)
        rows[some] = values[place]
        return rows

    columns = [of_rows(history.label(history.newest(states, k))) for k in lags.known]
    for before in lags.at:
        then = (at if time is None else time) - nanoseconds(parse_fixed(before))
        columns.append(history.exactly(series, then, state))
    rolled: dict[tuple[str, str | int], Floats] = {}
    for length in dict.fromkeys(length for _, length in lags.rolling):
        names = [name for name, other in lags.rolling if other == length]
        found = history.rolled(states, length, names)
        rolled |= {(name, length): column for name, column in zip(names, found, strict=True)}
    columns += [of_rows(rolled[pair], _OF_NONE[pair[0]]) for pair in lags.rolling]
    columns += [of_rows(history.of_all(name, states), _OF_NONE[name]) for name in lags.expanding]
    if lags.encode:
        if observed.codes is None or codes is None:
            raise ValueError("codes: encode needs those of the labels and of the rows asked for")
        for had, asked in zip(observed.codes.T, codes.T, strict=True):
            columns.append(_encoded(observed, had, asked, at, lags.smoothing))
    if lags.age:
        event = of_rows(history.time[history.newest(states, 1)].astype(np.float64))
        columns.append((at - event) / _HOUR)
    return np.column_stack(columns)


def _distinct(state: Places) -> tuple[Places, Places, npt.NDArray[np.bool_]]:
    """States of which something is known; of each row that has one, which; and these rows."""
    asked = np.zeros(state.max(initial=0) + 1, dtype=bool)
    asked[state] = True
    asked[0] = False
    some = state > 0
    return np.flatnonzero(asked), (np.cumsum(asked) - 1)[state[some]], some


class _Instants:
    """Instants of series, in order: finds how many of a series lie before another."""

    def __init__(self, series: Places, instants: Places) -> None:
        self._all: Places | None = None
        least, most = instants.min(initial=0), instants.max(initial=0)
        self._least, self._width = int(least), int(most) - int(least) + 2
        # Series and instant are one number: where that would be too large, instants are numbered.
        if self._width * (int(series.max(initial=0)) + 1) >= np.iinfo(np.int64).max:
            self._all = np.unique(instants)
            self._width = len(self._all) + 1
        self._keys = series * self._width + self._rank(instants)

    def _rank(self, instants: Places) -> Places:
        """How late instants are, from 0, before all, to the last; equal ones are equal."""
        if self._all is not None:
            return np.searchsorted(self._all, instants, "right")
        least, most = self._least, self._least + self._width - 2
        return np.where(instants < least, 0, np.minimum(instants, most) - least + 1)

    def upto(self, series: Places, instants: Places) -> Places:
        """For each, how many instants of this or a lower series are not after it."""
        keys = series * self._width + self._rank(instants)
        return np.asarray(np.searchsorted(self._keys, keys, "right"))


class _History:
    """Labels by series and event, and in the order in which each series' labels arrive.

    A state is what is known of a series at an instant: the first labels to arrive. It is named by
    how many labels of this series, and of those before it, these are; 0 is that of nothing known.
    """

    def __init__(self, series: Places, time: Places, known_at: Places, value: Floats) -> None:
        self.series, self.time, self.value = series, time, value
        #: Places in order of arrival; each series' own stand where those by event do.
        self.arrival = np.lexsort((known_at, series))
        self._events = _Instants(series, time)
        self._arrivals = _Instants(series, known_at[self.arrival])
        self._rank = np.empty_like(self.arrival)
        self._rank[self.arrival] = np.arange(len(series))
        self._begin = np.searchsorted(series, series)
        self._newest = np.maximum.accumulate(self.arrival)
        #: The first place that is not known in a state; later series' places are larger.
        later = np.minimum.accumulate(self.arrival[::-1])[::-1]
        self._unknown = np.append(later, len(series))

    @classmethod
    def of(cls, observed: Observed) -> "_History":
        rows = np.lexsort((observed.time, observed.series))
        rows = rows[np.searchsorted(observed.series[rows], 0) :]
        series, time, known_at, value, _ = observed
        return cls(series[rows], time[rows], known_at[rows], value[rows])

    def state(self, series: Places, at: Places) -> Places:
        """What is known of a series at an instant."""
        if not len(self.series):
            return np.zeros(len(at), dtype=np.int64)
        state = self._arrivals.upto(series, at)
        return np.where((state > 0) & (self.series[state - 1] == series), state, 0)

    def newest(self, states: Places, k: int) -> Places:
        """The place of the k-th newest label that is known; -1 where there is none."""
        begin, found = self._begin[states - 1], states - k
        apart = (found >= begin) & (found >= self._unknown[states])
        found[apart] = _select(self.arrival, states[apart], found[apart])
        return np.where(found >= begin, found, -1)

    def label(self, place: Places) -> Floats:
        """Labels at places; missing where the place is below 0."""
        return np.append(self.value, np.nan)[place]

    def exactly(self, series: Places, then: Places, state: Places) -> Floats:
        """The label of the last row at an instant whose label is known."""
        place = self._events.upto(series, then) - 1
        if not len(self.series):
            return np.full(len(place), np.nan)
        while True:
            here = (state > 0) & (place >= 0)
            here &= (self.series[place] == series) & (self.time[place] == then)
            unknown = here & (self._rank[place] >= state)
            if not unknown.any():
                return self.label(np.where(here, place, -1))
            place[unknown] -= 1

    def rolled(self, states: Places, length: str | int, names: Sequence[str]) -> list[Floats]:
        """Statistics of the newest labels that are known, so many or of so long a time."""
        found = [np.empty(len(states)) for _ in names]
        last, begin = self._newest[states - 1], self._begin[states - 1]
        if isinstance(length, int):
            first = np.maximum(self.newest(states, length), begin)
        else:
            lengths = nanoseconds(parse_fixed(length))
            earliest = np.iinfo(np.int64).min + lengths
            before = np.maximum(self.time[last], earliest) - lengths
            first = np.maximum(self._events.upto(self.series[last], before), begin)
        whole = last == states - 1  # all labels up to the newest are known
        for rows, *stretches in (
            (np.flatnonzero(whole), self.value, first[whole], states[whole]),
            *self._known(states, first, last, np.flatnonzero(~whole)),
        ):
            for column, name in zip(found, names, strict=True):
                column[rows] = statistic(name, *stretches)
        return found

    def _known(
        self, states: Places, first: Places, last: Places, rows: Places
    ) -> Iterator[tuple[Places, Floats, Places, Places]]:
        """Some of the states, their known labels one after the other, and from where to where."""
        sizes = last[rows] - first[rows] + 1
        chunk = np.cumsum(sizes) // _CHUNK
        for some in np.split(np.arange(len(rows)), np.flatnonzero(np.diff(chunk)) + 1):
            if not len(some):
                continue
            here, size = rows[some], sizes[some]
            ends = np.cumsum(size)
            place = np.repeat(first[here] - ends + size, size) + np.arange(ends[-1])
            known = self._rank[place] < np.repeat(states[here], size)
            stop = np.cumsum(known)[ends - 1]
            yield here, self.value[place[known]], np.append(0, stop[:-1]), stop

    def of_all(self, name: str, states: Places) -> Floats:
        """A statistic of all labels known in each state, in the order in which they arrived."""
        return statistic(name, self.value[self.arrival], self._begin[states - 1], states)


def _select(order: Places, stop: Places, rank: Places) -> Places:
    """Of `order[:stop]`, a part of a permutation, the place that `rank` others are below: (q,).

    Bit by bit, from the highest, as in a wavelet matrix (Claude, Navarro and Ordóñez 2015).
    """
    found, low, high, left = np.zeros_like(rank), np.zeros_like(stop), stop.copy(), rank.copy()
    if not len(rank):
        return found
    for bit in reversed(range(len(order).bit_length())):
        ones = (order >> bit) & 1 == 1
        zeros = np.append(0, np.cumsum(~ones))
        below = zeros[high] - zeros[low]
        up = left >= below
        found |= up.astype(np.int64) << bit
        left -= np.where(up, below, 0)
        low = np.where(up, zeros[-1] + low - zeros[low], zeros[low])
        high = np.where(up, zeros[-1] + high - zeros[high], zeros[high])
        order = np.concatenate((order[~ones], order[ones]))
    return found


def _encoded(
    observed: Observed, codes: Places, asked: Places, at: Places, smoothing: float
) -> Floats:
    """Means of the known labels by value of a feature, drawn towards that of all."""
    found = []
    for of, series in ((np.zeros_like(codes), np.zeros_like(asked)), (codes, asked)):
        history = _History.of(observed._replace(series=of))
        states, place, some = _distinct(history.state(series, at))
        for name in ("sum", "count"):
            rows = np.zeros(len(at))
            rows[some] = history.of_all(name, states)[place]
            found.append(rows)
    with np.errstate(invalid="ignore", divide="ignore"):
        prior = found[0] / found[1]
        return np.asarray((found[2] + smoothing * prior) / (found[3] + smoothing))
