"""What each strategy of a comparison is expected to cost, from the loss matrices of its windows."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass, replace
from typing import Any

import numpy as np

from backtrain.lossmatrix.curves import Floats, Integers
from backtrain.lossmatrix.decide import Option
from backtrain.lossmatrix.expected import Expected, expected
from backtrain.lossmatrix.intervals import ladder
from backtrain.lossmatrix.matrix import LossMatrix
from backtrain.simulator.ledger import Prices
from backtrain.simulator.record import Run
from backtrain.simulator.setup import Setup
from backtrain.simulator.statistics import era_costs
from backtrain.store.fits import FitStore
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
    def of(
        cls,
        setup: Setup,
        matrices: Mapping[Key, LossMatrix],
        every: int,
        store: FitStore | None = None,
    ) -> Outlook:
        """Look the usual intervals up in all matrices; without costs where that gives nothing."""
        if not matrices:
            return cls(setup, matrices, None)
        periods = len(next(iter(matrices.values())))
        tried = ladder(setup.tick, every, max(1, periods // 2))
        try:
            costs = expected(list(matrices.values()), tried, setup.prices, store)
        except ValueError:  # no later start is scored: the decision rests on paths
            costs = None
        return cls(setup, matrices, costs)

    def of_run(self, key: Key, strategy: Strategy, run: Run, saved: float) -> dict[str, Any] | None:
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
            begin later; ``interval``, in periods, None where it never trains; ``windows``, with
            their updates, that steadied each other's costs. None without costs, and where the
            matrix is thinned out to fewer instants than it had trainings.
        """
        matrix, window = self.matrices[key], list(self.matrices).index(key)
        if self.costs is None or len(decided(run)) > len(matrix):
            return None
        interval, prices = interval_of(matrix, len(decided(run))), self.setup.prices
        paid = float(run.totals["train"] + run.totals["deploy"])
        option = schedule(run.name, self.costs, window, matrix, interval, prices, paid)
        if not is_fixed(strategy):
            option = alarmed(option, matrix, matrix.thinned(decided(run)), prices, saved)
        facts = {name: getattr(option, name) for name in ("cost", "eras", "starts")}
        windows = [f"{one.window}, {one.update}" for one in self.matrices.values()]
        interval_or_none = interval if interval < len(matrix) else None
        return {**facts, "interval": interval_or_none, "windows": sorted(windows)}

    def of_interval(self, key: Key, name: str, interval: int) -> Option:
        """A schedule of one interval in periods, as `of_run` sees a replay of it.

        Without expected costs that of its path, as everywhere.
        """
        matrix, prices = self.matrices[key], self.setup.prices
        path, plain = matrix.every(interval), replace(prices, error=0.0)
        made, paid = int(path.retrains[0]), float(path.cost(plain)[0])
        if self.costs is None:
            cost = float(path.cost(prices)[0])
            eras = _eras(matrix.period_costs(matrix.evenly(interval, [0]), prices))
            return Option(name, cost, made, eras, errors=cost - paid)
        window = list(self.matrices).index(key)
        return schedule(name, self.costs, window, matrix, interval_of(matrix, made), prices, paid)


def schedule(
    name: str,
    costs: Expected,
    window: int,
    matrix: LossMatrix,
    interval: float,
    prices: Prices,
    paid: float | None = None,
) -> Option:
    """A fixed schedule, as a decision sees it: one interval in periods on one window.

    ``paid`` is the money of its trainings and releases, where that is known: a matrix that is
    thinned out has fewer instants than a frequent schedule has trainings.
    """
    rows, periods = float(matrix.segment_rows.sum()), max(1, len(matrix) - 1)
    here = costs.at(window, interval)
    training = periods * here.training if paid is None else paid
    thinned = (training - periods * here.training) / ERAS  # what the eras of the matrix leave out
    wanted = matrix.evenly(round(interval), matrix.phases(round(interval)))
    errors = prices.error * rows * here.loss
    return Option(
        name=name,
        cost=errors + training,
        retrains=periods / interval if interval < len(matrix) else 0.0,
        eras=[era + thinned for era in _eras(matrix.period_costs(wanted, prices))],
        starts=(prices.error * rows * here.starts / periods + training / periods).tolist(),
        errors=errors,
    )


def alarmed(
    option: Option, matrix: LossMatrix, ticks: Integers, prices: Prices, saved: float
) -> Option:
    """A schedule whose trainings were decided by an alarm, at these ticks of the matrix.

    ``saved`` is what they cost less than as many evenly spaced ones; NaN counts as nothing.
    """
    believed = (_BELIEVED if saved > 0 else 1.0) * (0.0 if np.isnan(saved) else saved)
    eras = _eras(matrix.period_costs(matrix.training_at(ticks), prices))
    return replace(option, cost=option.cost - believed, eras=eras, starts=(), plain=False)


def _eras(by_period: Floats) -> list[float]:
    """Mean over schedules of costs by period, (S, K), by era."""
    found: list[float] = era_costs(by_period.mean(axis=0)[:, None], ERAS)[:, 0].tolist()
    return found


def is_fixed(strategy: Strategy) -> bool:
    """Whether nothing but the clock decides when it trains."""
    held = strategy.cooldown, strategy.budget, strategy.blackout
    return type(strategy.trigger) in (Every, EveryRows, Never) and not any(held)


def decided(run: Run) -> Integers:
    """When its trainings were decided, in nanoseconds, the first model left out."""
    later = run.versions[run.versions["version"] > 0]
    return later["decided_at"].to_numpy("datetime64[ns]").view(np.int64)


def interval_of(matrix: LossMatrix, trainings: int) -> float:
    """Periods a training: at least 1, and as many as there are where there was none."""
    return max(1.0, (len(matrix) - 1) / trainings) if trainings else len(matrix)
