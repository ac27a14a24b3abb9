"""What each strategy of a comparison is expected to cost, from the loss matrices of its windows."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass
from typing import Any

import numpy as np

from backtrain.lossmatrix.curves import Integers
from backtrain.lossmatrix.expected import Expected, expected
from backtrain.lossmatrix.intervals import ladder
from backtrain.lossmatrix.matrix import LossMatrix
from backtrain.simulator.record import Run
from backtrain.simulator.setup import Setup
from backtrain.simulator.statistics import era_costs
from backtrain.strategies.strategy import Strategy
from backtrain.strategies.triggers.schedules import Every, EveryRows, Never

#: Stretches of equal length in which costs are shown.
ERAS = 10
#: What an alarm saves beside as many evenly spaced trainings is believed by so much.
_BELIEVED = 0.5

Key = tuple[str, str]


@dataclass(frozen=True, eq=False)
class Outlook:
    """Expected costs of schedules, by the window and update that they train with."""

    setup: Setup
    matrices: Mapping[Key, LossMatrix]
    costs: Expected | None

    @classmethod
    def of(cls, setup: Setup, matrices: Mapping[Key, LossMatrix], every: int) -> Outlook:
        """Look the usual intervals up in all matrices."""
        if not matrices:
            return cls(setup, matrices, None)
        periods = len(next(iter(matrices.values())))
        tried = ladder(setup.tick, every, max(1, periods // 2))
        return cls(setup, matrices, expected(list(matrices.values()), tried, setup.prices))

    def of_run(self, key: Key, strategy: Strategy, run: Run, saved: float) -> dict[str, Any]:
        """Expected money of one strategy over the replayed span, without checks and labels.

        Parameters
        ----------
        key : tuple of str
            Of its matrix.
        saved : float
            What its own trainings cost less than as many evenly spaced ones, NaN where it made
            none or cannot be held against them.

        Returns
        -------
        dict
            ``cost``; ``eras``, by stretch of equal length; ``starts``, a period, in histories that
            begin later; ``interval``, in periods, None where it never trains.
        """
        assert self.costs is not None
        matrix, prices = self.matrices[key], self.setup.prices
        rows, periods = float(matrix.segment_rows.sum()), max(1, len(matrix) - 1)
        interval = _interval(matrix, run)
        costs = self.costs.at(list(self.matrices).index(key), interval)
        cost = prices.error * rows * costs.loss + periods * costs.training
        fixed = is_fixed(strategy)
        if fixed:
            wanted = matrix.evenly(round(interval), matrix.phases(round(interval)))
        else:
            cost -= (_BELIEVED if saved > 0 else 1.0) * (0.0 if np.isnan(saved) else saved)
            wanted = matrix.training_at(matrix.thinned(decided(run)))
        by_period = matrix.period_costs(wanted, prices).mean(axis=0)
        starts = prices.error * rows / periods * costs.starts + costs.training
        return {
            "cost": float(cost),
            "eras": era_costs(by_period[:, None], ERAS)[:, 0].tolist(),
            "starts": starts.tolist() if fixed else [],
            "interval": interval if interval < len(matrix) else None,
        }


def is_fixed(strategy: Strategy) -> bool:
    """Whether nothing but the clock decides when it trains."""
    held = strategy.cooldown, strategy.budget, strategy.blackout
    return type(strategy.trigger) in (Every, EveryRows, Never) and not any(held)


def decided(run: Run) -> Integers:
    """When its trainings were decided, in nanoseconds, the first model left out."""
    later = run.versions[run.versions["version"] > 0]
    return later["decided_at"].to_numpy("datetime64[ns]").view(np.int64)


def _interval(matrix: LossMatrix, run: Run) -> float:
    """Periods between its trainings, at the median; as many as there are for one that never did."""
    ticks = matrix.thinned(decided(run))
    return float(np.median(np.diff(ticks, prepend=0))) if len(ticks) else len(matrix)
