"""What is looked up in a loss matrix: schedules, intervals, ages, luck."""

from dataclasses import dataclass

import numpy as np
from numpy.typing import NDArray

from backtrain.simulator.ledger import Prices

Floats = NDArray[np.float64]
Integers = NDArray[np.int64]


@dataclass(frozen=True, eq=False)
class Schedules:
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


@dataclass(frozen=True, eq=False)
class IntervalCurve:
    """Schedules of several intervals at several phases.

    Attributes
    ----------
    intervals : ndarray of shape (I,)
        In ticks.
    place : ndarray of shape (S,)
        To which interval each schedule belongs.
    schedules : Schedules
        Of shape (S,).
    """

    intervals: Integers
    place: Integers
    schedules: Schedules

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


@dataclass(frozen=True, eq=False)
class StalenessCurve:
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
    """

    age: Floats
    excess: Floats
    rows: Floats
    fresh: float
    beside: Floats


@dataclass(frozen=True, eq=False)
class Placebo:
    """What luck comes to with the same number of trainings made."""

    even: Schedules
    random: Schedules

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


def _beaten(costs: Floats, cost: float) -> float:
    """How many cost more; of equals, half."""
    return float((costs > cost).sum() + (costs == cost).sum() / 2)
