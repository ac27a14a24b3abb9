"""The loss of every model at every age: schedules by look-up, the clairvoyant one, and luck.

A candidate is trained at every tick and scored on everything later. Any schedule over the same
window and update then costs look-ups in prefix sums, and no fit. The gate is `Immediate` and the
delays are those of the setup.
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass, field
from functools import cached_property
from typing import Any

import joblib
import numpy as np
from numpy.typing import NDArray

from backtrain.simulator.fits import Fit, FitError, FitStore
from backtrain.simulator.learner import Learner
from backtrain.simulator.ledger import Prices
from backtrain.simulator.metrics import Outcomes
from backtrain.simulator.protocols import Incremental, PartError, Rows, Selection, Update, Window
from backtrain.simulator.serving import Serving
from backtrain.simulator.setup import Setup
from backtrain.simulator.threads import one_thread
from backtrain.simulator.view import View

Floats = NDArray[np.float64]
Integers = NDArray[np.int64]


@dataclass(frozen=True, eq=False)
class Schedules:
    """What S schedules over one matrix come to; arrays of shape (S,).

    Attributes
    ----------
    loss : ndarray
        Loss times weight, summed over all served rows.
    retrains, deployed : ndarray
        Trainings decided, the first model not counted; those that came into force.
    rows, cpu_seconds : ndarray
        Rows and CPU seconds of these trainings.
    """

    loss: Floats
    retrains: Integers
    deployed: Integers
    rows: Integers
    cpu_seconds: Floats

    def cost(self, prices: Prices) -> Floats:
        """Money: errors, trainings and releases, shape (S,)."""
        return (
            prices.error * self.loss
            + prices.retrain * self.retrains
            + prices.per_1k_rows * self.rows / 1000
            + prices.cpu_hour * self.cpu_seconds / 3600
            + prices.release * self.deployed
        )


@dataclass(frozen=True, eq=False)
class Oracle:
    """The cheapest schedule in hindsight.

    Attributes
    ----------
    cost : float
        Money; no schedule over the same matrix costs less.
    ticks : ndarray of shape (retrains,)
        Candidates it trains, as positions in the matrix.
    """

    cost: float
    ticks: Integers

    @property
    def retrains(self) -> int:
        """Trainings, the first model not counted."""
        return len(self.ticks)


@dataclass(frozen=True, eq=False)
class LossMatrix:
    """Loss of candidate k in segment j, with what each candidate cost.

    Segments lie between neighbouring instants of {start, ticks, in-force instants, end}.

    Attributes
    ----------
    decided_at : ndarray of shape (K,)
        Ticks at which candidates are trained, in nanoseconds; the first is ``start``.
    in_force_at : ndarray of shape (K,)
        When each would serve.
    borders : ndarray of shape (J + 1,)
        Ends of the segments; the first is ``start``, the last just after ``end``.
    loss : ndarray of shape (K, J)
        Loss times weight, summed over the rows of the segment; 0 before the candidate serves.
    segment_rows : ndarray of shape (J,)
        Weight of the scored rows of each segment.
    rows, cpu_seconds : ndarray of shape (K,)
        What each candidate was trained on, and what that took.
    failed : ndarray of shape (K,)
        Trainings that yielded no model.
    window, update : str
        The parts that made the candidates, as code.
    """

    decided_at: Integers
    in_force_at: Integers
    borders: Integers
    loss: Floats
    segment_rows: Floats
    rows: Integers
    cpu_seconds: Floats
    failed: NDArray[np.bool_]
    window: str = ""
    update: str = ""
    prices: Prices = field(default_factory=Prices)

    def __len__(self) -> int:
        return len(self.decided_at)

    @cached_property
    def _before(self) -> Floats:
        """Prefix sums, shape (K, J + 1): loss of candidate k in all segments before j."""
        sums = np.zeros((len(self), len(self.borders)))
        np.cumsum(self.loss, axis=1, out=sums[:, 1:])
        return sums

    @cached_property
    def _first_segment(self) -> Integers:
        """The segment with which each candidate begins to serve; beyond the last: never."""
        return np.searchsorted(self.borders[:-1], self.in_force_at)

    @cached_property
    def _serves(self) -> NDArray[np.bool_]:
        return np.asarray((self.in_force_at < self.borders[-1]) & ~self.failed)

    @cached_property
    def _next_decision(self) -> Integers:
        """The first tick at which the slot is free again, shape (K,)."""
        return np.maximum(
            np.searchsorted(self.decided_at, self.in_force_at), np.arange(len(self)) + 1
        )

    # --- schedules ----------------------------------------------------------------------------

    def schedules(self, wanted: NDArray[np.bool_]) -> Schedules:
        """Evaluate S schedules: ``wanted[s, k]`` says that s trains at tick k if it is not busy.

        The first column, the first model, is of no meaning. Shape (S, K).
        """
        n = len(wanted)
        loss, cpu = np.zeros(n), np.zeros(n)
        retrains, deployed, rows = (np.zeros(n, dtype=np.int64) for _ in range(3))
        serving, since, free = (np.zeros(n, dtype=np.int64) for _ in range(3))
        before = self._before
        for k in range(1, len(self)):
            fires = np.flatnonzero(wanted[:, k] & (free <= k))
            if len(fires) == 0:
                continue
            retrains[fires] += 1
            rows[fires] += self.rows[k]
            cpu[fires] += self.cpu_seconds[k]
            if self.failed[k]:
                continue  # known at once: the old model serves on and the slot is free
            free[fires] = self._next_decision[k]
            if self._serves[k]:
                old, start, stop = serving[fires], since[fires], self._first_segment[k]
                loss[fires] += before[old, stop] - before[old, start]
                serving[fires], since[fires] = k, stop
                deployed[fires] += 1
            else:
                free[fires] = len(self)
        loss += before[serving, -1] - before[serving, since]
        return Schedules(loss, retrains, deployed, rows, cpu)

    def schedule(self, ticks: Sequence[int] | Integers) -> Schedules:
        """Evaluate one schedule: the candidates that it trains, as positions from 1 on."""
        wanted = np.zeros((1, len(self)), dtype=bool)
        wanted[0, np.asarray(ticks, dtype=np.int64)] = True
        return self.schedules(wanted)

    def every(self, n: int, phase: int = 0) -> Schedules:
        """Train at every n-th tick; phase p of n moves all of them p ticks later."""
        return self.schedules(self.evenly(n, [phase]))

    def evenly(self, n: int, phases: Sequence[int] | Integers) -> NDArray[np.bool_]:
        """Schedules of one interval at several phases, shape (phases, K)."""
        k = np.arange(len(self))
        shift = np.asarray(phases, dtype=np.int64)[:, None]
        wanted = (k - shift) % n == 0
        return np.asarray(wanted & (k > 0))

    # --- the clairvoyant ----------------------------------------------------------------------

    def oracle(self, prices: Prices | None = None) -> Oracle:
        """The cheapest schedule in hindsight, by dynamic programming; of equals, the rarer one.

        ``V(k) = min(keep k to the end, min over k' of (loss of k until k' serves + price of k' +
        V(k')))``, over the k' that may be decided once k serves.
        """
        prices = self.prices if prices is None else prices
        n, before = len(self), self._before
        price = self._price(prices)
        value, count = np.zeros(n), np.zeros(n, dtype=np.int64)
        choice = np.zeros(n, dtype=np.int64)
        for k in range(n - 1, -1, -1):
            start = 0 if k == 0 else int(self._first_segment[k])
            if k and not self._serves[k]:
                continue
            value[k] = prices.error * (before[k, -1] - before[k, start])
            later = np.arange(1 if k == 0 else self._next_decision[k], n)
            later = later[self._serves[later]]
            if len(later) == 0:
                continue
            kept = prices.error * (before[k, self._first_segment[later]] - before[k, start])
            cost = kept + price[later] + value[later]
            best = np.lexsort((count[later], cost))[0]
            if cost[best] < value[k]:
                value[k], choice[k] = cost[best], later[best]
                count[k] = 1 + count[later[best]]
        ticks, k = [], int(choice[0])
        while k:
            ticks.append(k)
            k = int(choice[k])
        return Oracle(float(value[0]), np.array(ticks, dtype=np.int64))

    def _price(self, prices: Prices) -> Floats:
        return (
            prices.retrain
            + prices.release
            + prices.per_1k_rows * self.rows / 1000
            + prices.cpu_hour * self.cpu_seconds / 3600
        )


# --- building -----------------------------------------------------------------------------------


class _Bench:
    """Lets a window search while candidates are made; charges nothing, but counts fits."""

    def __init__(self, learner: Learner, update: Update) -> None:
        self._learner = learner
        self.update = update
        self.rows = 0
        self.cpu_seconds = 0.0

    def fit(
        self, update: Update, selection: Selection, parent: Fit | None, version: int | None
    ) -> Fit:
        """Fit, and count it."""
        fit, _ = self._learner.fit(update, selection, parent)
        self.rows += len(selection)
        self.cpu_seconds += fit.cpu_seconds
        return fit

    def charge_check(self, count: int) -> None:
        """Do nothing."""

    def buy(self, rows: Rows) -> None:
        """Do nothing: label prices do not enter a matrix."""


def loss_matrix(
    setup: Setup,
    window: Window,
    update: Update,
    store: FitStore | None = None,
    every: int = 1,
    n_jobs: int = 1,
) -> LossMatrix:
    """Train a candidate at ``start`` and every ``every``-th tick; score each on all that follows.

    Parameters
    ----------
    setup : Setup
        History, model, delays and loss.
    window, update : Window, Update
        What candidates are trained on, and how; the update may not need a parent.
    store : FitStore, optional
        Where fits are shared.
    every : int
        Thin the ticks out.
    n_jobs : int
        Processes; the result does not depend on it.
    """
    if isinstance(update, Incremental) or getattr(update, "needs_parent", False):
        raise PartError(f"loss_matrix(update={update!r}): needs a parent; a matrix takes Refit()")
    store = FitStore() if store is None else store
    at = np.concatenate(([setup.start_at.value], setup.ticks[every - 1 :: every]))
    chunks = np.array_split(np.arange(len(at)), max(1, joblib.effective_n_jobs(n_jobs) * 4))
    work = [chunk for chunk in chunks if len(chunk)]
    if joblib.effective_n_jobs(n_jobs) == 1:
        made = [_score(setup, window, update, store, at, chunk) for chunk in work]
    else:
        job = joblib.delayed(_score)
        made = joblib.Parallel(n_jobs=n_jobs)(
            job(setup, window, update, store, at, chunk) for chunk in work
        )
    return _assemble(setup, window, update, at, [row for part in made for row in part])


_Scored = tuple[int, int, float, bool, Any]


def _score(
    setup: Setup, window: Window, update: Update, store: FitStore, at: Integers, chunk: Integers
) -> list[_Scored]:
    """For each candidate: rows fitted, past, CPU seconds, failed or not, loss of later rows."""
    learner = Learner(setup, store)
    bench = _Bench(learner, update)
    serving = Serving(learner)
    view = View(setup, serving, bench)
    out: list[_Scored] = []
    with one_thread(setup.model):
        for k in chunk.tolist():
            view._move(int(at[k]))
            bench.rows, bench.cpu_seconds = 0, 0.0
            try:
                fit = bench.fit(update, window.select(view), None, None)
            except FitError:
                out.append((bench.rows, view.past, bench.cpu_seconds, True, None))
                continue
            loss = _loss_after(learner, fit, view.past)
            out.append((bench.rows, view.past, bench.cpu_seconds, False, loss))
    return out


def _loss_after(learner: Learner, fit: Fit, past: int) -> Floats:
    """Loss times weight of every served row from ``past`` on, asked in the blocks of a replay."""
    setup, served = learner.setup, learner.setup.served
    row = max(past, served.start)
    losses = [np.empty(0)]
    while row < served.stop:
        start, stop, answers = learner.block(fit, past, row, keep=False)
        rows = slice(row, min(stop, served.stop))
        part = slice(rows.start - start, rows.stop - start)
        weight = setup.stream.weight
        outcomes = Outcomes(
            setup.truth[rows],
            answers.prediction[part],
            None if answers.score is None else answers.score[part],
            None if answers.probability is None else answers.probability[part],
            setup.classes,
            None,
            -1 if setup.positive is None else setup.positive,
        )
        loss = setup.losses(outcomes)
        losses.append(loss if weight is None else loss * weight[rows])
        row = rows.stop
    return np.concatenate(losses)


def _assemble(
    setup: Setup, window: Window, update: Update, at: Integers, made: list[_Scored]
) -> LossMatrix:
    served, end = setup.served, setup.end_at.value
    rows = np.array([row[0] for row in made], dtype=np.int64)
    delay = [setup.delays.training(int(r)) + setup.delays.deployment() for r in rows]
    in_force = at + np.array(delay, dtype=np.int64)
    in_force[0] = at[0]
    inner = np.unique(np.concatenate((at, in_force[in_force <= end])))
    borders = np.append(inner, end + 1)
    edges = np.append(setup.event_at.searchsorted(inner), served.stop)
    loss = np.zeros((len(at), len(inner)))
    for k, (_, past, _, failed, scored) in enumerate(made):
        if failed:
            continue
        first = int(np.searchsorted(inner, in_force[k]))
        padded = np.zeros(served.stop - served.start)
        padded[max(past, served.start) - served.start :] = np.nan_to_num(scored)
        sums = np.concatenate(([0.0], np.cumsum(padded)))
        loss[k, first:] = np.diff(sums[edges - served.start])[first:]
    weight = np.ones(served.stop - served.start)
    if setup.stream.weight is not None:
        weight = setup.stream.weight[served].astype(np.float64)
    known = setup.label_at[served] < np.iinfo(np.int64).max
    counts = np.concatenate(([0.0], np.cumsum(weight * known)))
    return LossMatrix(
        decided_at=at,
        in_force_at=in_force,
        borders=borders,
        loss=loss,
        segment_rows=np.diff(counts[edges - served.start]),
        rows=rows,
        cpu_seconds=np.array([row[2] for row in made]),
        failed=np.array([row[3] for row in made]),
        window=repr(window),
        update=repr(update),
        prices=setup.prices,
    )
