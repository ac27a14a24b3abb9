"""What every strategy cost in each of T equal periods: the ground that intervals stand on."""

from __future__ import annotations

import math
from collections.abc import Mapping
from dataclasses import dataclass, field
from functools import cached_property

import numpy as np
import pandas as pd

from backtrain.datasets.calendar import Calendar
from backtrain.datasets.offsets import YEAR, Times, parse_offset
from backtrain.datasets.shown import Shown
from backtrain.simulator import statistics
from backtrain.simulator.record import Run

#: Without a tick of fixed length the span is cut into this many periods.
PERIODS_WITHOUT_TICK = 500
#: Above this, several ticks make one period: finer periods say nothing more.
MOST_PERIODS = 5000


@dataclass(frozen=True)
class Grid:
    """T equal periods from `start` on; the last one may reach beyond the end of the history.

    Days of a calendar are counted by their number: `begins` then holds the start of each period,
    ``(T,)``, as some of them last an hour more or less than `length`.
    """

    start: pd.Timestamp
    length: pd.Timedelta
    count: int
    begins: Times | None = field(default=None, compare=False)

    @classmethod
    def over(cls, run: Run) -> Grid:
        """One period a tick where ticks have a fixed length, else 500 periods."""
        start, end = pd.Timestamp(run.info["start"]), pd.Timestamp(run.info["end"])
        span = max(end - start, pd.Timedelta(1, "s"))
        tick = fixed_length(str(run.info["tick"]))
        if tick is None:
            return cls(start, span / PERIODS_WITHOUT_TICK, PERIODS_WITHOUT_TICK)
        length = tick * max(1, math.ceil(span / tick / MOST_PERIODS))
        calendar = Calendar.of(run.info)
        if isinstance(calendar.offset(str(run.info["tick"])), pd.Timedelta):
            return cls(start, length, max(1, math.ceil(span / length)))
        return cls.of_days(calendar, start, length, start + span)

    @classmethod
    def of_days(
        cls, calendar: Calendar, start: pd.Timestamp, length: pd.Timedelta, end: pd.Timestamp
    ) -> Grid:
        """Periods of so many days of a calendar, up to the one that the end lies in."""
        step = calendar.offset(f"{length.days}D")
        later = calendar.instants(start, step, end)
        begins = np.append(start.to_datetime64(), later[later < end.to_datetime64()])
        return cls(start, length, len(begins), begins)

    def index(self, times: pd.Series) -> np.ndarray:
        """The period of each time; the very end belongs to the last period."""
        if self.begins is not None:
            return np.maximum(self.begins.searchsorted(times.to_numpy(), side="right") - 1, 0)
        periods = ((times - self.start) // self.length).to_numpy(dtype=np.int64)
        return np.asarray(np.clip(periods, 0, self.count - 1))

    def sums(self, times: pd.Series, values: np.ndarray) -> np.ndarray:
        """Values added up by period, ``(T,)``."""
        return np.bincount(self.index(times), weights=values, minlength=self.count)

    def ends(self) -> pd.DatetimeIndex:
        """When each period is over."""
        if self.begins is None:
            return self.starts() + self.length
        return pd.DatetimeIndex(np.append(self.begins[1:], self.begins[-1] + self.length))

    def starts(self) -> pd.DatetimeIndex:
        """When each period starts."""
        if self.begins is not None:
            return pd.DatetimeIndex(self.begins)
        return pd.DatetimeIndex(self.start + self.length * np.arange(self.count))


@dataclass(frozen=True, eq=False, repr=False)
class Contrast(Shown):
    """Total cost of each strategy minus that of one of them, by strategy.

    Attributes
    ----------
    low, high : Series
        Simultaneous 95 % interval; NaN where none can be given.
    block : int or None
        Periods of the longest block of those that have one; None where nobody has.
    cheaper : Series
        In how many of `eras` the strategy cost less: what is left to say without an interval.
    eras : int
        Stretches of equal length.
    """

    low: pd.Series
    high: pd.Series
    block: int | None
    cheaper: pd.Series
    eras: int


@dataclass(frozen=True, eq=False, repr=False)
class Costs(Shown):
    """Costs by period and strategy, without the initial training.

    Attributes
    ----------
    names : tuple of str
        The S strategies.
    grid : Grid
        The T periods.
    values : array (T, S)
        Money.
    needs : array (S,)
        Periods a block must hold for that strategy: the longest of label delay, season, usual step
        and the usual gap between its own retrains.
    """

    names: tuple[str, ...]
    grid: Grid
    values: np.ndarray
    needs: np.ndarray

    @classmethod
    def of(cls, runs: Mapping[str, Run], season: pd.Timedelta) -> Costs:
        """Sort every charge into its period; loss is charged where its step starts."""
        grid = Grid.over(next(iter(runs.values())))
        columns, needs = [], []
        for run in runs.values():
            charged = run.charges[run.charges["kind"] != "initial"]
            columns.append(grid.sums(charged["when"], charged["amount"].to_numpy(np.float64)))
            needs.append(own_block(run, grid.length, season))
        return cls(tuple(runs), grid, np.column_stack(columns), np.array(needs))

    @cached_property
    def judged(self) -> np.ndarray:
        """Which strategies leave enough blocks of the length that they need, ``(S,)``."""
        return np.array([statistics.enough_blocks(self.grid.count, need) for need in self.needs])

    @cached_property
    def _pairs(self) -> statistics.Intervals | None:
        """Intervals of the differences of all strategies, every pair at once."""
        year = YEAR / self.grid.length
        return statistics.pairwise_intervals(self.values, self.needs, cycle=year)

    def against(self, name: str) -> Contrast:
        """Simultaneous intervals of all differences to one strategy.

        They belong to one family, that of all pairs: whoever the others are held against, and
        whichever of them was cheapest, two strategies have one interval. Each pair is judged in
        blocks that its own two strategies need. A strategy that retrains too rarely for seven of
        its blocks gets no interval; when it is `name` itself, nobody gets one.
        """
        position = self.names.index(name)
        eras = statistics.era_costs(self.values)
        less = pd.Series((eras < eras[:, [position]]).sum(axis=0), index=list(self.names))
        none = np.full(len(self.names), np.nan)
        pairs = self._pairs
        low, high = (none, none) if pairs is None else (pairs.low[position], pairs.high[position])
        block = int(self.needs[self.judged].max()) if self.judged[position] else None
        return Contrast(
            pd.Series(low, index=less.index),
            pd.Series(high, index=less.index),
            block,
            less,
            len(eras),
        )


def own_block(run: Run, period: pd.Timedelta, season: pd.Timedelta) -> int:
    """Periods a block must hold for this run."""
    delay = (run.info.get("label_delay_seconds") or {}).get("p95") or 0.0
    steps = (run.steps["end"] - run.steps["start"]).dt.total_seconds()
    step = float(steps.median()) / period.total_seconds() if len(steps) else 0.0
    return statistics.block_length(
        label_delay=delay / period.total_seconds(),
        season=season / period,
        gap=max(usual_gap(run) / period, step),
        periods=(pd.Timestamp(run.info["end"]) - pd.Timestamp(run.info["start"])) / period,
    )


def usual_gap(run: Run) -> pd.Timedelta:
    """The gap between trainings in which a moment picked at random lies, at the median.

    The stretches before the first and after the last count. Weighted by length, because a block
    must hold the long gaps of an irregular strategy too; for a fixed interval it is that interval.
    Zero for a strategy that never trained: it has no lumps.
    """
    decided = trainings(run)["decided_at"]
    if decided.empty:
        return pd.Timedelta(0)
    ends = [pd.Timestamp(run.info["start"]), *decided.sort_values(), pd.Timestamp(run.info["end"])]
    gaps = np.sort(pd.Series(ends).diff().dropna().to_numpy("timedelta64[ns]").view(np.int64))
    passed = np.cumsum(gaps, dtype=np.float64)
    return pd.Timedelta(int(gaps[np.searchsorted(passed, passed[-1] / 2)]), "ns")


def trainings(run: Run) -> pd.DataFrame:
    """The versions trained after the start, in the order of their decisions."""
    return run.versions[run.versions["outcome"] != "initial"]


def fixed_length(tick: str) -> pd.Timedelta | None:
    """The length of a tick such as "7D" or "2h"; None for months and for a number of rows."""
    try:
        offset = parse_offset(tick, "tick")
    except ValueError:  # rows, or a pandas object that has no text to be read from
        return None
    return offset if isinstance(offset, pd.Timedelta) else None
