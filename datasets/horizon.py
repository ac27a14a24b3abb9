"""What is forecast of a series, and when: origins and steps, each a row with its own label."""

from collections.abc import Callable, Sequence
from dataclasses import dataclass, replace
from functools import cached_property
from typing import Any, Literal, NamedTuple, Self, TypeAlias

import numpy as np
import numpy.typing as npt
import pandas as pd

from backtrain.datasets.calendar import Calendar
from backtrain.datasets.columns import Array, Features
from backtrain.datasets.lagged import Rows, lags_at
from backtrain.datasets.names import nearest
from backtrain.datasets.offsets import OffsetLike, Times, nanoseconds, parse_offset
from backtrain.datasets.values import is_count

Integers = npt.NDArray[np.int64]
Mask = npt.NDArray[np.bool_]
_DAY = nanoseconds(pd.Timedelta(days=1))
#: What the feature is called that says how many steps ahead a row is.
STEP = "step"


#: A `Stream`, of which this file knows nothing: one row for each instant of a series.
Series: TypeAlias = Any


class Places(NamedTuple):
    """Rows of forecasts, in their order: by origin, series and step.

    Attributes
    ----------
    origin, target : ndarray of shape (m,)
        Rows of the series: at which it is forecast, and what is forecast.
    step : ndarray of shape (m,)
        How many rows lie between them, 1 for the next one.
    aside : ndarray of shape (m,)
        Whether the row is there to be learnt from alone.
    """

    origin: Integers
    target: Integers
    step: Integers
    aside: Mask


@dataclass(frozen=True)
class Horizon:
    """What is forecast at each origin: rows of a series so many steps after it.

    A row of forecasts is an origin and a step. Its features are those that the series has at the
    origin, and so are its lags: of labels that are known then, that of the origin included where it
    is. Only those in `ahead` are taken from the row that is forecast, the target, as are label,
    label time, weights and amount. What lies past the end of a series has no row.

    Attributes
    ----------
    steps : int or list of int
        24 is 1 to 24; [1, 7, 28] are these. Steps count the rows of a series, not time.
    origins : offset, optional
        When forecasts are served: at every row of a series, or, for "24h" or "7D", at the first row
        at or after each multiple from the midnight before the first row, by the stream's calendar;
        whole days are local ones. "MS" is every first of a month.
    ahead : list of str
        Features that are known in advance for every step, such as prices, holidays or the hour.
    between : {"all", "first", "none"}
        What is learnt from between the origins that are served: rows of every step, of the first
        step alone (enough for a recursive model), or nothing. These rows have the score weight 0:
        they are no forecasts, are not charged, judge nothing, and no total counts them.
    path : bool
        Also have the features in `ahead` of all steps in each row, as ``name +1``, ``name +2``, ...
        for a recursive model, which needs those of the steps on its way.

    >>> Horizon(steps=[1, 7]).all_steps
    (1, 7)
    """

    steps: int | Sequence[int] = 24
    origins: OffsetLike | None = None
    ahead: Sequence[str] = ()
    between: Literal["all", "first", "none"] = "all"
    path: bool = False

    def __post_init__(self) -> None:
        steps: Any = self.steps
        if isinstance(steps, Sequence) and not isinstance(steps, str):
            object.__setattr__(self, "steps", tuple(steps))
            good = len(steps) > 0 and all(is_count(step) for step in steps)
            if not good or len(set(steps)) < len(steps):
                raise ValueError(
                    f"horizon.steps={list(steps)!r}: whole numbers from 1 on, each once, such as "
                    "[1, 7, 28]; 24 alone is 1 to 24"
                )
        elif not is_count(steps):
            raise ValueError(
                f"horizon.steps={steps!r}: the number of steps, such as 24, or a list of them, "
                "such as [1, 7, 28]"
            )
        if isinstance(self.ahead, str):
            raise ValueError(f"horizon.ahead={self.ahead!r}: a list of features: [{self.ahead}]")
        object.__setattr__(self, "ahead", tuple(self.ahead))
        if self.origins is not None:
            length = parse_offset(self.origins, "horizon.origins")
            if isinstance(length, pd.Timedelta) and not nanoseconds(length):
                raise ValueError("horizon.origins='0D': leave it out to forecast at every row")
        if self.between not in ("all", "first", "none"):
            raise ValueError(
                f"horizon.between={self.between!r}: 'all' (every step), 'first' or 'none'"
            )

    @property
    def all_steps(self) -> tuple[int, ...]:
        """The steps, ascending."""
        if isinstance(self.steps, int):
            return tuple(range(1, self.steps + 1))
        return tuple(sorted(int(step) for step in self.steps))

    def plain(self) -> dict[str, Any]:
        """The same as plain data, of which `Horizon` makes an equal one."""
        steps = self.steps if isinstance(self.steps, int) else list(self.all_steps)
        every = getattr(self.origins, "freqstr", self.origins)
        return {
            "steps": steps,
            "origins": None if every is None else str(every),
            **{"ahead": list(self.ahead), "between": self.between, "path": self.path},
        }

    def names(self) -> list[str]:
        """The features of the steps on the way, where they are wanted."""
        last = self.all_steps[-1]
        return [f"{name} +{k}" for name in self.ahead for k in range(1, last + 1)] * self.path

    def served(
        self, event_time: Times, series: Integers, calendar: Calendar, first_at: np.datetime64
    ) -> Mask:
        """Which rows, in the order of time, are origins that are served, shape (n,).

        Multiples count from the midnight before ``first_at``.
        """
        if self.origins is None:
            return np.ones(len(event_time), dtype=bool)
        period = self._periods(event_time, calendar, first_at)
        first = pd.Series(event_time).groupby([series, period]).transform("min").to_numpy()
        return np.asarray((event_time == first) & (period >= 0))

    def _periods(self, event_time: Times, calendar: Calendar, first_at: np.datetime64) -> Integers:
        """After which multiple each row comes, shape (n,); -1 is before the first one."""
        assert self.origins is not None
        length, midnight = parse_offset(self.origins), calendar.midnight(pd.Timestamp(first_at))
        if isinstance(length, pd.Timedelta):
            step = nanoseconds(length)
            if step % _DAY == 0:  # days as the clock on the wall counts them
                event_time, midnight = calendar.local(event_time), calendar.to_local(midnight)
            return (event_time.view(np.int64) - midnight.value) // step
        before = calendar.subtract(midnight, pd.Timedelta(days=1))
        due = calendar.instants(before, length, pd.Timestamp(event_time[-1]))
        return np.searchsorted(due, event_time, side="right") - 1

    def places(self, series: Series) -> Places:
        """Which rows there are. Raises `ValueError` where a series has two rows at an instant."""
        standing = _Standing.of(series)
        code, by_series = standing.code, standing.by_series
        self._refuse_ties(series, code, by_series)
        steps = np.array(self.all_steps)
        times = series.event_time
        served = self.served(times, code, series.calendar, times[0])
        order = np.lexsort((code, times))
        if self.between == "none":
            order = order[served[order]]
        wanted = standing.place[order][:, None] + steps
        there = wanted < standing.stop[order][:, None]
        if self.between == "first":
            there[:, 1:] &= served[order][:, None]
        at, which = np.nonzero(there)
        if not len(at):
            raise ValueError(
                f"horizon.steps={self.steps!r}: no row lies so many steps after an origin; the "
                f"longest series has {int(np.bincount(code).max())} rows, so give fewer steps"
            )
        origin = order[at]
        return Places(origin, by_series[wanted[at, which]], steps[which], ~served[origin])

    def _refuse_ties(self, series: Series, code: Integers, by_series: Integers) -> None:
        at = series.event_time[by_series]
        twice = (at[1:] == at[:-1]) & (code[by_series][1:] == code[by_series][:-1])
        if twice.any():
            row = by_series[int(twice.argmax())]
            when = pd.Timestamp(series.event_time[row])
            if series.group is None:
                which = "the column that tells series apart is group (dataset.group=COLUMN)"
            else:
                which = "drop one, or name all columns that tell series apart (dataset.group=[..])"
            of = "" if series.group is None else f" of series {series.group[row]!r}"
            raise ValueError(
                f"horizon: two rows{of} at {when}, but a series has one at an instant; {which}"
            )

    def fields(self, series: Series) -> dict[str, Any]:
        """The fields of a stream of forecasts that differ from those of its series."""
        own = self._features(series)
        places = self.places(series)
        origin, target, _, aside = places
        given = series.score_weight if series.score_weight is not None else series.weight
        score = None if given is None else given[target]
        if aside.any():
            score = np.where(aside, 0.0, 1.0 if score is None else score)
        parts = {
            name: None if (values := getattr(series, name)) is None else values[target]
            for name in ("y", "truth", "weight", "amount", "fit_weight", "label_time", "group")
        }
        return {
            **parts,
            "X": self._table(series, own, places),
            "columns": (*own, *self.names(), *series.lag_columns, STEP),
            "event_time": series.event_time[origin],
            "target_time": series.event_time[target],
            "score_weight": score,
            "lags": None,
            "lag_columns": (),
            "reading": (*series.reading, *_said(self, series, places)),
        }

    def _features(self, series: Series) -> list[str]:
        """The features of the series that are no lags; refuses names that do not fit."""
        lags = series.lag_columns
        own = [name for name in series.columns if name not in lags]
        for name in self.ahead:
            if name in lags:
                raise ValueError(
                    f"horizon.ahead={name!r}: a lag, of labels that are known at the origin; leave "
                    "it out"
                )
            if name not in own:
                raise ValueError(
                    f"horizon.ahead={name!r}: no such feature; did you mean {nearest(name, own)}?"
                )
        made = [*self.names(), STEP]
        if twice := [name for name in own if name in made]:
            raise ValueError(
                f"column {twice[0]!r}: forecasts have a feature of that name; rename the column"
            )
        return own

    def _table(self, series: Series, own: list[str], places: Places) -> Features:
        """Features of each row, in the order of the columns."""
        origin, target, step, _ = places
        late, path = _lagged(series, places, self.ahead), self._path(series)
        words = any(isinstance(values, pd.Series) for values in late.values())
        if words or isinstance(series.X, pd.DataFrame):
            table = pd.DataFrame(series.X, columns=list(series.columns))
            parts = {n: table[n].take(target if n in self.ahead else origin) for n in own}
            parts |= {n: pd.Series(v).take(origin) for n, v in zip(self.names(), path, strict=True)}
            columns = {name: part.reset_index(drop=True) for name, part in parts.items()}
            return pd.DataFrame({**columns, **late, STEP: step.astype(np.float64)})
        X = np.empty((len(origin), len(own) + len(path) + len(late) + 1))
        for i, name in enumerate(own):
            rows = target if name in self.ahead else origin
            X[:, i] = series.X[rows, series.columns.index(name)]
        for i, values in enumerate(path, start=len(own)):
            X[:, i] = values[origin]
        for i, values in enumerate(late.values(), start=len(own) + len(path)):
            X[:, i] = values
        X[:, -1] = step
        return X

    def _path(self, series: Series) -> list[Any]:
        """The features in `ahead` at each step after each row; missing past the end."""
        standing, found = _Standing.of(series), []
        for name in self.ahead if self.path else ():
            values: Any
            if isinstance(series.X, pd.DataFrame):
                values = series.X[name].values  # a NumPy array, or categories
            else:
                values = series.X[:, series.columns.index(name)]
            for k in range(1, self.all_steps[-1] + 1):
                wanted = standing.place + k
                there = wanted < standing.stop
                rows = np.where(there, standing.by_series[np.where(there, wanted, 0)], -1)
                found.append(pd.api.extensions.take(values, rows, allow_fill=True))
        return found


class _Standing(NamedTuple):
    """Rows of series beside each other: the code of each, and where it stands among them."""

    code: Integers
    by_series: Integers
    place: Integers
    stop: Integers

    @classmethod
    def of(cls, series: Series) -> "_Standing":
        code = codes(series.group, len(series.y))
        by_series = np.argsort(code, kind="stable")
        place = np.empty(len(code), dtype=np.int64)
        place[by_series] = np.arange(len(code))
        return cls(code, by_series, place, np.searchsorted(code[by_series], code, side="right"))


def codes(group: Array | None, n: int) -> Integers:
    """A number for each series, by first appearance, shape (n,)."""
    if group is None:
        return np.zeros(n, dtype=np.int64)
    return pd.factorize(group)[0].astype(np.int64)


def _lagged(series: Series, places: Places, ahead: Sequence[str]) -> dict[str, Any]:
    """Lags of each row by name, (m,) each: of labels that are known at its origin.

    An encoding is that of the value which the row holds: in `ahead` that of the target.
    """
    if series.lags is None:
        return {}
    origin, target, _, _ = places
    event, encode = series.event_time.view(np.int64), series.lags.encode
    coded = [target if name in ahead else origin for name in encode]
    at, due = event[origin], event[target]
    return lags_at(series.lags, Rows.of(series), origin, at, due, coded)


def _said(horizon: Horizon, series: Series, places: Places) -> list[str]:
    """What was made of the series, and where steps are not as long as they seem."""
    count, aside = len(places.origin), int(places.aside.sum())
    steps = horizon.all_steps
    spelt = f"1 to {steps[-1]}" if steps == tuple(range(1, len(steps) + 1)) else f"{list(steps)}"
    when = "at every row" if horizon.origins is None else f"every {horizon.origins}"
    said = [f"forecasts of steps {spelt}, made {when}: {count - aside:,} rows"]
    if aside:
        said[0] += f", and {aside:,} between them to learn from alone"
    standing = _Standing.of(series)
    at = series.event_time[standing.by_series].view(np.int64)
    gap = np.diff(at)[np.diff(standing.code[standing.by_series]) == 0]
    usual = int(np.median(gap)) if len(gap) else 0
    if other := int((gap != usual).sum()):
        length = str(pd.Timedelta(usual)).removeprefix("0 days ").removesuffix(" 00:00:00")
        length = "1 day" if length == "1 days" else length
        said.append(f"steps count rows: {other:,} of {len(gap):,} are not {length} long")
    return said


class OfSeries:
    """What a `Stream` has because it may hold forecasts: of which series, and what rows are."""

    series: Any
    horizon: Horizon | None

    @cached_property
    def aside(self: Any) -> Mask | None:
        """Of forecasts, which rows are no forecasts but there to learn from, (n,); None = none."""
        if self.series is None or self.horizon is None or self.horizon.origins is None:
            return None
        series, first = codes(self.group, len(self)), self.series.event_time[0]
        aside = ~self.horizon.served(self.event_time, series, self.calendar, first)
        return aside if aside.any() else None

    @cached_property
    def steps(self: Any) -> Integers | None:
        """Of forecasts, how many steps ahead each row is, (n,)."""
        if self.series is None:
            return None
        return np.asarray(pd.DataFrame(self.X).iloc[:, -1], dtype=np.int64)

    @property
    def lag_names(self: Any) -> tuple[str, ...]:
        """The features that are lags: its own, or of forecasts those of the series."""
        return tuple(self.lag_columns if self.series is None else self.series.lag_columns)

    def forecasts(self, horizon: Horizon) -> Self:
        """Return the stream of forecasts of this series: rows of origin and step; see `Horizon`.

        >>> from backtrain.datasets.stream import Stream
        >>> hours = np.arange("2024-01-01T00", "2024-01-01T04", dtype="datetime64[h]")
        >>> series = Stream(np.zeros((4, 1)), np.array([5, 6, 7, 8]), hours)
        >>> series.forecasts(Horizon(steps=2)).y
        array([6, 7, 7, 8, 8])
        """
        if self.series is not None:
            raise ValueError("horizon: these are forecasts; make others of stream.series")
        of: Any = self
        made: Self = replace(of, **horizon.fields(of), series=of, horizon=horizon)
        return made

    def of_series(self, change: Callable[[Self], Self]) -> Self:
        """Return the stream after a change of what it is made of: of the series, where it is one.

        Forecasts are made anew of the series, so that nothing in them stays as it was before.
        """
        if self.series is None or self.horizon is None:
            return change(self)
        series: Self = self.series
        return change(series).forecasts(self.horizon)
