"""What a schedule is expected to cost: a mean over phases and starts, steadied by its neighbours.

One replay of a schedule is one draw: it depends on the day of its first model and on its phase. A
loss matrix holds the others, for a look-up each. What is left of luck is shared out: windows agree
on how much an interval costs, as far as they do, and a longer interval is not expected to err less.
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass, replace
from typing import NamedTuple

import numpy as np

from backtrain.lossmatrix.curves import Floats, Integers
from backtrain.lossmatrix.matrix import LossMatrix
from backtrain.lossmatrix.shared import look_up
from backtrain.simulator.ledger import Prices
from backtrain.store.fits import FitStore

#: Histories that begin later are replayed, too: so many, the last of them with this share left out.
_STARTS, _LATEST = 12, 0.85
#: How far what one window adds at one interval is moved to what window and interval add alone.
_SHARED = 0.5


class IntervalCosts(NamedTuple):
    """What one interval on one window costs: loss a row, money for trainings a period.

    ``starts`` (S,) are the losses a row of single starts, of which ``loss`` is the steadied mean.
    """

    loss: float
    training: float
    starts: Floats


@dataclass(frozen=True, eq=False)
class Expected:
    """Expected costs of I intervals on W windows.

    Attributes
    ----------
    intervals : ndarray of shape (I,)
        In periods, ascending; the last one never trains. A period is that of the matrices.
    loss : ndarray of shape (W, I)
        Loss a row, not falling with the interval.
    training : ndarray of shape (W, I)
        Money for trainings and releases, a period.
    starts : ndarray of shape (W, S, I)
        Loss a row in histories that begin later, mean over phases.
    """

    intervals: Integers
    loss: Floats
    training: Floats
    starts: Floats

    def at(self, window: int, interval: float) -> IntervalCosts:
        """IntervalCosts of any interval on one window: between two, by its logarithm."""
        loss, training, starts = self.loss[window], self.training[window], self.starts[window]
        known = self.intervals[:-1]
        if interval >= self.intervals[-1] or len(known) == 0:
            return IntervalCosts(float(loss[-1]), 0.0, starts[:, -1])

        def between(values: Floats) -> float:
            return float(np.interp(np.log(interval), np.log(known), values))

        return IntervalCosts(
            between(loss[:-1]),
            between(training[:-1] * known) / interval,
            np.array([between(row[:-1]) for row in starts]),
        )


def expected(
    matrices: Sequence[LossMatrix],
    intervals: Sequence[int] | Integers,
    prices: Prices,
    store: FitStore | None = None,
) -> Expected:
    """IntervalCosts of intervals by matrices of several windows, all with the same trial instants.

    Parameters
    ----------
    matrices : sequence of LossMatrix
        One for each window and update.
    intervals : sequence of int
        In periods, ascending. Never training is added.
    prices : Prices
        What is charged.
    store : FitStore, optional
        Where losses by start are kept for whoever asks the same, at any prices.

    Raises
    ------
    ValueError
        Where nothing can be expected: no trial model of every window serves rows that were scored.
    """
    tried = np.append(np.asarray(intervals, dtype=np.int64), len(matrices[0]))
    begin = np.unique(np.linspace(0, _LATEST * (len(matrices[0]) - 1), _STARTS).astype(np.int64))
    usable = begin[np.all([matrix.serves[begin] for matrix in matrices], axis=0)]
    starts = np.stack([_by_start(matrix, usable, tried, store) for matrix in matrices])
    training = np.stack([_training(matrix, tried, prices) for matrix in matrices])
    starts = starts[:, np.isfinite(starts).all(axis=(0, 2))]  # where all windows were scored
    if not starts.shape[1]:
        raise ValueError("no trial model of every window serves rows whose labels are known")
    return Expected(tried, _not_falling(_pooled(starts.mean(axis=1))), training, starts)


def _by_start(
    matrix: LossMatrix, begin: Integers, intervals: Integers, store: FitStore | None
) -> Floats:
    """Loss a row of histories that begin with several trial models, mean over phases, (S, I)."""

    def by_start() -> Floats:
        rows = []
        for first in begin.tolist():
            later = matrix.between(first)
            curve = later.interval_curve(np.minimum(intervals, len(later)))
            with np.errstate(invalid="ignore"):
                rows.append(curve.mean(curve.schedules.loss) / later.segment_rows.sum())
        return np.array(rows).reshape(len(rows), len(intervals))

    return look_up(store, matrix, (begin, intervals), by_start)


def _training(matrix: LossMatrix, intervals: Integers, prices: Prices) -> Floats:
    """Money for trainings and releases a period, mean over phases, shape (I,)."""
    curve = matrix.interval_curve(intervals)
    plain = curve.schedules.cost(replace(prices, error=0.0))
    return np.asarray(curve.mean(plain) / max(1, len(matrix) - 1))


def _pooled(loss: Floats) -> Floats:
    """Moved towards the sum of what window and interval add, shape (W, I)."""
    alone = loss.mean(axis=1, keepdims=True) + loss.mean(axis=0) - loss.mean()
    return np.asarray((1 - _SHARED) * loss + _SHARED * alone)


def _not_falling(loss: Floats) -> Floats:
    """Isotonic regression along the intervals, row by row."""
    from sklearn.isotonic import isotonic_regression

    return np.array([isotonic_regression(row) for row in loss])
