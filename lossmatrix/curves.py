"""What is looked up in a loss matrix: schedules, the oracle, intervals, ages, luck."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass, field
from typing import TYPE_CHECKING, Any

import numpy as np
import pandas as pd
from numpy.typing import NDArray

from backtrain.datasets.shown import Shown
from backtrain.simulator.ledger import Prices

if TYPE_CHECKING:
    from matplotlib.axes import Axes

Floats = NDArray[np.float64]
Integers = NDArray[np.int64]


@dataclass(frozen=True, eq=False, repr=False)
class Schedules(Shown):
    """What S schedules over one matrix come to; arrays of shape (S,).

    Attributes
    ----------
    loss : ndarray
        Loss times weight, summed over all served rows.
    retrains, run, deployed : ndarray
        Trainings decided, the first model not counted; those with rows to learn from, which are
        paid for; those that came into force.
    free : ndarray
        Ticks at which no training was under way, those at which one was decided included.
    rows, cpu_seconds : ndarray
        Rows and CPU seconds of these trainings.
    """

    loss: Floats
    retrains: Integers
    run: Integers
    deployed: Integers
    free: Integers
    rows: Integers
    cpu_seconds: Floats

    def cost(self, prices: Prices) -> Floats:
        """Money: errors, trainings and releases, shape (S,)."""
        errors = prices.error * self.loss
        trainings = (self.rows, self.run, self.deployed, self.cpu_seconds)
        return np.asarray(prices.training(*trainings, plus=errors))

    def to_frame(self, prices: Prices | None = None) -> pd.DataFrame:
        """A row a schedule: the attributes, and ``cost``, money, where prices are given."""
        frame = pd.DataFrame(vars(self))
        return frame if prices is None else frame.assign(cost=self.cost(prices))


@dataclass(frozen=True, eq=False, repr=False)
class Oracle(Shown):
    """The oracle: the cheapest schedule, known only afterwards.

    Attributes
    ----------
    cost : float
        Money; no schedule over the same matrix costs less.
    ticks : ndarray of shape (retrains,)
        Candidates it trains, as positions in the matrix.
    decided_at : DatetimeIndex of length retrains
        When that is.
    span : DatetimeIndex of length 2
        From when to when schedules serve.
    info : mapping
        As that of the matrix.
    """

    cost: float
    ticks: Integers
    decided_at: pd.DatetimeIndex
    span: pd.DatetimeIndex
    info: Mapping[str, Any] = field(default_factory=dict)

    @property
    def retrains(self) -> int:
        """Trainings, the first model not counted."""
        return len(self.ticks)

    def to_frame(self) -> pd.DataFrame:
        """A row a training: ``tick``, its position in the matrix, and ``decided_at`` (UTC)."""
        return pd.DataFrame({"tick": self.ticks, "decided_at": self.decided_at})

    def plot(self, ax: Axes | None = None) -> Axes:
        """Draw its schedule: the time since the last training was decided; returns the axes.

        Parameters
        ----------
        ax : Axes, optional
            What to draw on; by default a new figure.
        """
        from backtrain.reports.plots import oracle

        return oracle(self, ax)


@dataclass(frozen=True, eq=False, repr=False)
class IntervalCurve(Shown):
    """Schedules of several intervals at several phases.

    Attributes
    ----------
    intervals : ndarray of shape (I,)
        In ticks.
    place : ndarray of shape (S,)
        To which interval each schedule belongs.
    schedules : Schedules
        Of shape (S,).
    prices, info
        As those of the matrix.
    """

    intervals: Integers
    place: Integers
    schedules: Schedules
    prices: Prices = field(default_factory=Prices)
    info: Mapping[str, Any] = field(default_factory=dict)

    def cost(self, prices: Prices) -> tuple[Floats, Floats, Floats]:
        """Mean over phases, and the lowest and highest phase; each of shape (I,)."""
        cost = self.schedules.cost(prices)
        parts = [cost[self.place == i] for i in range(len(self.intervals))]
        return (
            np.array([part.mean() for part in parts]),
            np.array([part.min() for part in parts]),
            np.array([part.max() for part in parts]),
        )

    def mean(self, values: Floats | Integers) -> Floats:
        """Mean over the phases of each interval of what schedules came to, (S,) -> (I,)."""
        n = len(self.intervals)
        members = np.bincount(self.place, minlength=n)
        return np.bincount(self.place, weights=values, minlength=n) / members

    def best(self, prices: Prices) -> int:
        """Position of the interval that is cheapest on average; of equals the longer."""
        mean = self.cost(prices)[0]
        return int(len(mean) - 1 - np.argmin(mean[::-1]))

    def to_frame(self, prices: Prices | None = None) -> pd.DataFrame:
        """A row a schedule, by interval and phase: ``interval`` (ticks), then as `Schedules`.

        ``cost`` is at ``prices``, by default those of the matrix.
        """
        frame = self.schedules.to_frame(self.prices if prices is None else prices)
        frame.insert(0, "interval", self.intervals[self.place])
        return frame

    def plot(self, ax: Axes | None = None, prices: Prices | None = None) -> Axes:
        """Draw the cost of every interval: mean, lowest and highest phase; returns the axes.

        Parameters
        ----------
        ax : Axes, optional
            What to draw on; by default a new figure.
        prices : Prices, optional
            By default those of the matrix.
        """
        from backtrain.reports.plots import intervals

        return intervals(self, ax, self.prices if prices is None else prices)


@dataclass(frozen=True, eq=False, repr=False)
class StalenessCurve(Shown):
    """Excess loss a row by age.

    Attributes
    ----------
    age : ndarray of shape (B + 1,)
        Edges of the bins, in nanoseconds.
    excess, rows : ndarray of shape (B,)
        Loss a row above that of the freshest model, and the weight of the rows it rests on.
    fresh : float
        Mean loss a row of the freshest model.
    beside : ndarray of shape (B,)
        The same on the very rows of each bin.
    info : mapping
        As that of the matrix.
    """

    age: Floats
    excess: Floats
    rows: Floats
    fresh: float
    beside: Floats
    info: Mapping[str, Any] = field(default_factory=dict)

    def to_frame(self) -> pd.DataFrame:
        """A row a bin of ages.

        Columns: ``age_from`` and ``age_to``, as lengths of time; ``excess``, loss a row above that
        of the freshest model; ``fresh``, that model's loss on the same rows; ``rows``, their
        weight.
        """
        ages = pd.to_timedelta(self.age, unit="ns")
        ends = {"age_from": ages[:-1], "age_to": ages[1:]}
        return pd.DataFrame(
            {**ends, "excess": self.excess, "fresh": self.beside, "rows": self.rows}
        )

    def plot(self, ax: Axes | None = None) -> Axes:
        """Draw what a row costs more as models age; returns the axes.

        Parameters
        ----------
        ax : Axes, optional
            What to draw on; by default a new figure.
        """
        from backtrain.reports.plots import staleness

        return staleness(self, ax)


@dataclass(frozen=True, eq=False, repr=False)
class Placebo(Shown):
    """What luck comes to with the same number of trainings made; prices are the matrix's."""

    even: Schedules
    random: Schedules
    prices: Prices = field(default_factory=Prices)
    info: Mapping[str, Any] = field(default_factory=dict)

    def percentile(self, cost: float, prices: Prices) -> tuple[float, float]:
        """Shares of luck, evenly spaced and at random, that a schedule beats; near 1 is good.

        Of n draws, b cost more and e as much: the first share is ``(b + e / 2) / n``, NaN where
        n = 0. For random draws the schedule counts as one of them, ``(b + (e + 1) / 2) / (n + 1)``:
        its place among n + 1 schedules that are as likely, if it is luck, so that the mean is one
        half and the distribution uniform but for ties.

        Parameters
        ----------
        cost : float
            What the schedule comes to in the same matrix, by `LossMatrix.schedule`: equal schedules
            then cost the same to the last bit.
        """
        even, random = self.even.cost(prices), self.random.cost(prices)
        beaten = _beaten(even, cost) / len(even) if len(even) else float("nan")
        return beaten, (_beaten(random, cost) + 0.5) / (len(random) + 1)

    def to_frame(self, prices: Prices | None = None) -> pd.DataFrame:
        """A row a schedule: ``kind``, "even" or "random", then as `Schedules`.

        ``cost`` is at ``prices``, by default those of the matrix.
        """
        paid = self.prices if prices is None else prices
        kinds = {"even": self.even.to_frame(paid), "random": self.random.to_frame(paid)}
        return pd.concat(kinds, names=["kind"]).reset_index("kind").reset_index(drop=True)

    def plot(
        self, ax: Axes | None = None, cost: float | None = None, prices: Prices | None = None
    ) -> Axes:
        """Draw the costs of luck as a histogram; returns the axes.

        Parameters
        ----------
        ax : Axes, optional
            What to draw on; by default a new figure.
        cost : float, optional
            What a schedule comes to, as for `percentile`: it is marked.
        prices : Prices, optional
            By default those of the matrix.
        """
        from backtrain.reports.plots import placebo

        return placebo(self, ax, cost, self.prices if prices is None else prices)


def instants(nanoseconds: Integers) -> pd.DatetimeIndex:
    """Times of a matrix, as tables show them."""
    return pd.DatetimeIndex(nanoseconds.astype("datetime64[ns]"))


def _beaten(costs: Floats, cost: float) -> float:
    """How many cost more; of equals, half."""
    return float((costs > cost).sum() + (costs == cost).sum() / 2)
