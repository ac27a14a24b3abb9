"""What triggers are tuned on: the history before ``start``, answered by models trained along it."""

from __future__ import annotations

from collections.abc import Callable, Sequence
from dataclasses import dataclass
from itertools import pairwise

import numpy as np
import pandas as pd
from numpy.typing import NDArray

from backtrain.datasets.calendar import UTC, Calendar
from backtrain.datasets.offsets import parse_offset
from backtrain.simulator.answers import PartError
from backtrain.simulator.asking import needs_parent
from backtrain.simulator.parts import AnyTrigger
from backtrain.simulator.view import Model, View
from backtrain.strategies.weighted import Floats, weighing

Integers = NDArray[np.int64]

DAY = 86_400 * 10**9


def usual_loss(model: Model) -> float:
    """Mean loss of a model at its training: out of sample, by weight; NaN without a reference."""
    reference = model.reference
    if reference is None:
        return float("nan")
    weight = reference.outcomes.weight
    if weight is not None and not weight.any():
        return float("nan")
    return float(np.average(reference.loss, weights=weight))


def level(lost: Floats, weight: Floats, window: int, min_labels: int) -> float:
    """Money a row that the newest ``window`` rows lost; NaN where there are fewer than needed."""
    newest = weight[-window:].sum()
    if len(lost) < min_labels or newest == 0:
        return float("nan")
    return float(lost[-window:].sum() / newest)


@dataclass(frozen=True, eq=False)
class Answered:
    """Rows after a candidate's training, in the order in which labels arrived; arrays (n,)."""

    event: Integers
    known: Integers  # when the label arrived
    loss: Floats  # money
    lost: Floats  # money above the candidate's usual loss
    weight: Floats

    def among(self, mask: NDArray[np.bool_]) -> Answered:
        """The rows where ``mask`` is true."""
        return Answered(*(values[mask] for values in vars(self).values()))

    def known_at(self, at: int) -> Answered:
        """Those whose label was there at an instant."""
        return self.among((self.known <= at) & (self.event < at))

    def between(self, start: int, stop: int) -> Answered:
        """Those with ``event_time`` in ``[start, stop)``."""
        return self.among((self.event >= start) & (self.event < stop))


@dataclass(frozen=True, eq=False)
class Rehearsal:
    """Candidates trained along the history before ``start``, and what they would have answered.

    Stretch j lies between instants j and j + 1. A candidate is taken to serve from the instant at
    which it was trained. Only labels that are known at ``start`` enter.

    Attributes
    ----------
    at : ndarray of shape (K + 1,)
        When candidates were trained, in nanoseconds; the last is ``start``.
    answered : tuple of K Answered
        The rows of each candidate from its own stretch on.
    loss : ndarray of shape (K, K)
        Money of the errors of candidate k in stretch j; 0 before its own.
    price : ndarray of shape (K,)
        Money of each training.
    calendar : Calendar
        Whose months count.
    """

    at: Integers
    answered: Sequence[Answered]
    loss: Floats
    price: Floats
    calendar: Calendar = UTC

    def __len__(self) -> int:
        return len(self.answered)

    def levels(self, window: int, min_labels: int) -> Floats:
        """What `level` says of candidate k at instant j, from labels known then; (K, K)."""

        def of(k: int, j: int) -> float:
            rows = self.answered[k].known_at(self.at[j])
            return level(rows.lost, rows.weight, window, min_labels)

        return self._table(of)

    def totals(self) -> Floats:
        """Money that candidate k is known to have lost by instant j; (K, K)."""
        return self._table(lambda k, j: float(self.answered[k].known_at(self.at[j]).lost.sum()))

    def ahead(self, horizon: str) -> Floats:
        """Money a row that candidate k loses within a time offset after instant j; (K, K).

        As far as ``start`` reaches.
        """
        offset = parse_offset(horizon)

        def of(k: int, j: int) -> float:
            until = self.calendar.later(pd.Timestamp(self.at[j]), offset).value
            rows = self.answered[k].between(self.at[j], until)
            return level(rows.lost, rows.weight, len(rows.lost), 1)

        return self._table(of, own=True)

    def ages(self) -> Floats:
        """Days between instants k and j, shape (K, K)."""
        return (self.at[None, :-1] - self.at[:-1, None]) / DAY

    def _table(self, of: Callable[[int, int], float], own: bool = False) -> Floats:
        """A number for each candidate k and later instant j, or its own too; else NaN."""
        table = np.full((len(self), len(self)), np.nan)
        for k in range(len(self)):
            for j in range(k if own else k + 1, len(self)):
                table[k, j] = of(k, j)
        return table

    def cost(self, statistic: Floats, threshold: float) -> float:
        """Money of a walk that trains wherever the statistic is above the threshold."""
        k, cost = 0, 0.0
        for j in range(len(self)):
            if statistic[k, j] > threshold:
                k, cost = j, cost + self.price[j]
            cost += self.loss[k, j]
        return cost

    def cheapest(self, statistic: Floats) -> float | None:
        """The threshold with which the walk costs least; of equals the highest.

        A walk changes only where the threshold passes a value of the statistic, so 0 and the values
        above it are all that need be tried. None where there is no value.
        """
        values = statistic[~np.isnan(statistic)]
        if len(values) == 0:
            return None
        grid = np.unique(np.append(values[values > 0], 0.0))
        costs = np.array([self.cost(statistic, threshold) for threshold in grid.tolist()])
        best = costs <= costs.min() + 1e-9 * abs(costs.min())  # equal but for rounding
        return float(grid[best][-1])

    def gains(self) -> Floats:
        """What the oracle gains by training at instant j when k is in force; (K, K).

        ``V_j(k) = min(loss of k in j + V_{j+1}(k), price of j + loss of j in j + V_{j+1}(j))``; the
        gain is the first less the second, below 0 where to keep is better.
        """
        gain, value = np.zeros((len(self), len(self))), np.zeros(len(self))
        for j in range(len(self) - 1, -1, -1):
            keep = self.loss[:, j] + value
            train = keep[j] + self.price[j]
            gain[:, j] = keep - train
            value = np.minimum(keep, train)
        return gain


def rehearse(view: View, points: int, trigger: AnyTrigger) -> Rehearsal:
    """Train at ``points`` instants of the history, and score each model on what follows.

    Models are those that the strategy would have trained on what was known then. The instants lie
    in the second half of the rows that are labelled by ``start``, with equally many of them between
    two.
    """
    rows = np.arange(view.past)[view.labelled.all()]
    event = view.event_time(rows).view(np.int64)
    first = len(rows) - len(rows) // 2
    positions = first + (len(rows) - first) * np.arange(points if len(rows) else 0) // points
    models = [(at, view.candidate(pd.Timestamp(at))) for at in np.unique(event[positions]).tolist()]
    made = [(at, model) for at, model in models if model is not None]
    if not made:
        raise PartError(f"{trigger!r}: cannot be tuned, nothing can be trained before {view.start}")
    at = np.array([at for at, _ in made] + [view.at])
    answered = [_answers(view, model, rows[event >= when]) for when, model in made]
    stretches = list(pairwise(at.tolist()))
    loss = [[rows.between(*stretch).loss.sum() for stretch in stretches] for rows in answered]
    price = [price_of_training(view, len(model.selection)) for _, model in made]
    return Rehearsal(at, answered, np.array(loss), np.array(price), view.calendar)


def price_of_training(view: View, rows: int) -> float:
    """Money of a training on so many rows, by the strategy's own update."""
    return float(view.prices.training(rows, goes_on=needs_parent(view.update)))


def _answers(view: View, model: Model, rows: Integers) -> Answered:
    rows = weighing(view, rows)
    arrival = view.label_time(rows).view(np.int64)
    order = np.argsort(arrival, kind="stable")
    rows = rows[order]
    weight = view.weight(rows)
    error = view.prices.error * weight
    loss = model.loss(rows) if len(rows) else np.empty(0)
    return Answered(
        view.event_time(rows).view(np.int64),
        arrival[order],
        error * loss,
        error * (loss - usual_loss(model)),
        weight,
    )
