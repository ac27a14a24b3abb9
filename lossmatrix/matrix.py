"""The loss of every model at every age: schedules by look-up, the oracle, and luck.

A model is trained at every tick and scored on everything later. Any schedule over the same
window and update then costs look-ups in prefix sums, and no fit. The gate is `Immediate` and the
delays are those of the setup.
"""

from __future__ import annotations

from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass, field, replace
from functools import cached_property
from typing import TYPE_CHECKING, Any

import numpy as np
import pandas as pd
from numpy.typing import NDArray

from backtrain.datasets.shown import Shown
from backtrain.lossmatrix.curves import (
    Floats,
    Integers,
    IntervalCurve,
    Oracle,
    Placebo,
    Schedules,
    StalenessCurve,
    instants,
)
from backtrain.lossmatrix.luck import spread, tossed
from backtrain.simulator.ledger import Prices

if TYPE_CHECKING:
    from matplotlib.axes import Axes


@dataclass(frozen=True, eq=False, repr=False)
class LossMatrix(Shown):
    """Loss of trial model k in segment j, with what each trial model cost.

    Segments lie between neighbouring instants of {start, ticks, in-force instants, end}.

    Attributes
    ----------
    decided_at : ndarray of shape (K,)
        Ticks at which trial models are trained, in nanoseconds; the first is ``start``.
    in_force_at : ndarray of shape (K,)
        When each would serve.
    borders : ndarray of shape (J + 1,)
        Ends of the segments; the first is ``start``, the last just after ``end``.
    loss : ndarray of shape (K, J)
        Loss times weight, summed over the rows of the segment; 0 before the trial model serves.
    segment_rows : ndarray of shape (J,)
        Weight of the scored rows of each segment.
    rows, cpu_seconds : ndarray of shape (K,)
        What each trial model was trained on, and what that took.
    failed : ndarray of shape (K,)
        Trainings that yielded no model. They are known at once, and cost nothing where there was
        nothing to learn from: no rows.
    window, update : str
        The parts that made the trial models, as code.
    info : mapping
        As in records: ``loss``, ``currency``, ``unit``, and of the ``stream`` its time zone.
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
    info: Mapping[str, Any] = field(default_factory=dict)

    def __len__(self) -> int:
        return len(self.decided_at)

    @cached_property
    def _before(self) -> Floats:
        """Prefix sums, shape (K, J + 1): loss of trial model k in all segments before j."""
        sums = np.zeros((len(self), len(self.borders)))
        np.cumsum(self.loss, axis=1, out=sums[:, 1:])
        return sums

    @cached_property
    def _first_segment(self) -> Integers:
        """The segment with which each trial model begins to serve; beyond the last: never."""
        return np.searchsorted(self.borders[:-1], self.in_force_at)

    @cached_property
    def serves(self) -> NDArray[np.bool_]:
        """Which trial models come into force before the end, shape (K,)."""
        return np.asarray((self.in_force_at < self.borders[-1]) & ~self.failed)

    @cached_property
    def _run(self) -> NDArray[np.bool_]:
        """Trainings for which something was run; others are not paid for."""
        return np.asarray(~self.failed | (self.rows > 0))

    @cached_property
    def _next_decision(self) -> Integers:
        """The first tick at which the slot is free again, shape (K,); beyond the last: never."""
        at_once = np.arange(len(self)) + 1
        ready = np.maximum(np.searchsorted(self.decided_at, self.in_force_at), at_once)
        return np.where(self.failed, at_once, np.where(self.serves, ready, len(self)))

    @cached_property
    def _busy(self) -> Integers:
        """Ticks that are lost while a training is under way, shape (K,)."""
        return self._next_decision - np.arange(len(self)) - 1

    # --- schedules ----------------------------------------------------------------------------

    def schedules(self, wanted: NDArray[np.bool_]) -> Schedules:
        """Evaluate S schedules: ``wanted[s, k]`` says that s trains at tick k if it is not busy.

        The first column, the first model, is of no meaning. Shape (S, K).
        """
        n = len(wanted)
        loss, cpu = np.zeros(n), np.zeros(n)
        retrains, run, deployed, rows = (np.zeros(n, dtype=np.int64) for _ in range(4))
        free = np.full(n, len(self) - 1)
        serving, since = (np.zeros(n, dtype=np.int64) for _ in range(2))
        before = self._before
        for k, fires in self._trainings(wanted):
            retrains[fires] += 1
            run[fires] += self._run[k]
            free[fires] -= self._busy[k]
            rows[fires] += self.rows[k]
            cpu[fires] += self.cpu_seconds[k]
            if self.serves[k]:
                old, start, stop = serving[fires], since[fires], self._first_segment[k]
                loss[fires] += before[old, stop] - before[old, start]
                serving[fires], since[fires] = k, stop
                deployed[fires] += 1
        loss += before[serving, -1] - before[serving, since]
        return Schedules(loss, retrains, run, deployed, free, rows, cpu)

    def _trainings(self, wanted: NDArray[np.bool_]) -> Iterator[tuple[int, Integers]]:
        """Each trial model that somebody trains, in order, with the schedules that do."""
        free = np.zeros(len(wanted), dtype=np.int64)
        for k in range(1, len(self)):
            fires = np.flatnonzero(wanted[:, k] & (free <= k))
            if len(fires) == 0:
                continue
            free[fires] = self._next_decision[k]
            yield k, fires

    def period_costs(self, wanted: NDArray[np.bool_], prices: Prices | None = None) -> Floats:
        """Cost of each schedule by period, from one tick to the next; shape (S, K).

        Errors count where their rows lie, a training where it is decided, a release where it comes
        into force. A row adds up to what `schedules` says it costs.
        """
        prices = self.prices if prices is None else prices
        segments = np.arange(len(self.borders) - 1)
        spent = np.zeros((len(wanted), len(segments)))
        serving = np.zeros(spent.shape, dtype=np.int64)
        training = self._price(prices) - prices.release
        decided = np.searchsorted(self.borders[:-1], self.decided_at)
        for k, fires in self._trainings(wanted):
            spent[fires, decided[k]] += training[k]
            if self.serves[k]:
                spent[fires, self._first_segment[k]] += prices.release
                serving[fires, self._first_segment[k]] = k
        serving = np.maximum.accumulate(serving, axis=1)
        spent += prices.error * self.loss[serving, segments]
        return np.add.reduceat(spent, decided, axis=1)

    def schedule(self, ticks: Sequence[int] | Integers) -> Schedules:
        """Evaluate one schedule: the trial models that it trains, as positions from 1 on."""
        return self.schedules(self.training_at(ticks))

    def training_at(self, ticks: Sequence[int] | Integers) -> NDArray[np.bool_]:
        """One schedule as `schedules` takes it, shape (1, K): the trial models that it trains."""
        wanted = np.zeros((1, len(self)), dtype=bool)
        wanted[0, np.asarray(ticks, dtype=np.int64)] = True
        return wanted

    def every(self, n: int, phase: int = 0) -> Schedules:
        """Train at every n-th tick; phase p of n moves all of them p ticks later."""
        return self.schedules(self.evenly(n, [phase]))

    def evenly(self, n: int, phases: Sequence[int] | Integers) -> NDArray[np.bool_]:
        """Schedules of one interval at several phases, shape (phases, K).

        An interval of as many ticks as there are trial models never trains, at phase 0.
        """
        k = np.arange(len(self))
        shift = np.asarray(phases, dtype=np.int64)[:, None]
        wanted = (k - shift) % n == 0
        return np.asarray(wanted & (k > 0))

    def between(self, first: int, stop: int | None = None) -> LossMatrix:
        """The same on a part of the history: from when one trial model serves to another's tick.

        Ticks at which that model was still on its way are left out: its slot was not free.

        Parameters
        ----------
        first : int
            The trial model that a schedule begins with; one that serves.
        stop : int, optional
            The tick before which the part ends; by default the end of the history.
        """
        stop = len(self) if stop is None else stop
        begin = 0 if first == 0 else int(self._first_segment[first])
        end = len(self.borders) - 1
        if stop < len(self):
            end = max(begin, int(np.searchsorted(self.borders, self.decided_at[stop])))
        free = first + 1 if first == 0 else int(self._next_decision[first])
        kept = np.append(first, np.arange(free, stop))
        parts = {name: getattr(self, name)[kept] for name in ("rows", "cpu_seconds", "failed")}
        decided_at, in_force_at = self.decided_at[kept], self.in_force_at[kept]
        decided_at[0] = in_force_at[0] = self.borders[begin]
        return replace(
            self,
            decided_at=decided_at,
            in_force_at=in_force_at,
            borders=self.borders[begin : end + 1],
            loss=self.loss[kept, begin:end],
            segment_rows=self.segment_rows[begin:end],
            **parts,
        )

    # --- the oracle ---------------------------------------------------------------------------

    def oracle(self, prices: Prices | None = None) -> Oracle:
        """The cheapest schedule, by dynamic programming; of equals, the rarer one.

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
            if k and not self.serves[k]:
                continue
            value[k] = prices.error * (before[k, -1] - before[k, start])
            later = np.arange(1 if k == 0 else self._next_decision[k], n)
            later = later[self.serves[later]]
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
        chosen = np.array(ticks, dtype=np.int64)
        at, span = self.decided_at[chosen], self.borders[[0, -1]]
        return Oracle(float(value[0]), chosen, instants(at), instants(span), self.info)

    def _price(self, prices: Prices) -> Floats:
        trainings = (self.rows, self._run, 0, self.cpu_seconds)
        return np.asarray(prices.training(*trainings, plus=prices.release))

    # --- curves -------------------------------------------------------------------------------

    def interval_curve(
        self, intervals: Sequence[int] | Integers | None = None, most_phases: int = 24
    ) -> IntervalCurve:
        """Cost of every interval, in ticks, at its phases.

        Parameters
        ----------
        intervals : sequence of int, optional
            Default: about forty, from 1 to the number of ticks, evenly spaced by ratio.
        most_phases : int
            An interval of more ticks is tried at so many phases, evenly spaced.
        """
        last = max(1, len(self) - 1)
        if intervals is None:
            intervals = np.unique(np.geomspace(1, last, 40).round().astype(np.int64)).tolist()
        wanted, sizes = [], []
        for n in intervals:
            phases = self.phases(n, most_phases)
            wanted.append(self.evenly(n, phases))
            sizes.append(len(phases))
        return IntervalCurve(
            np.asarray(intervals, dtype=np.int64),
            np.repeat(np.arange(len(sizes)), sizes),
            self.schedules(np.vstack(wanted)),
            self.prices,
            self.info,
        )

    def interval_costs(
        self, intervals: Sequence[int], prices: Prices | None = None, most_phases: int = 24
    ) -> Floats:
        """Cost of every interval by period, its mean over the phases; shape (K, I).

        A period reaches from one tick to the next. The parameters are those of `interval_curve`.
        """
        columns = [
            self.period_costs(self.evenly(n, self.phases(n, most_phases)), prices).mean(axis=0)
            for n in intervals
        ]
        return np.stack(columns, axis=1)

    def phases(self, n: int, most: int = 24) -> Integers:
        """Phases at which an interval is tried; one as long as the history never trains."""
        if n >= len(self):
            return np.zeros(1, dtype=np.int64)
        return np.unique(np.linspace(0, n, min(n, most), endpoint=False).astype(np.int64))

    def staleness_curve(self, bins: int | Sequence[float] | Floats = 20) -> StalenessCurve:
        """What a row costs more when the model is older, all else being equal.

        For each trial model and segment: its loss less that of the freshest on the very same rows,
        by the time since the trial model was decided on. Comparing on the same rows keeps easy
        and hard seasons from passing for age.

        Parameters
        ----------
        bins : int or sequence of float
            So many equal ones, or their edges in nanoseconds, from 0 on.
        """
        starts = self.borders[:-1]
        order = np.arange(len(self))
        alive = self.serves[:, None] & (self._first_segment[:, None] <= np.arange(len(starts)))
        freshest = np.where(alive, order[:, None], -1).max(axis=0)
        alive &= (freshest >= 0) & (self.segment_rows > 0)
        excess = self.loss - self.loss[np.maximum(freshest, 0), np.arange(len(starts))]
        age = (starts - self.decided_at[:, None]).astype(np.float64)
        k, j = np.nonzero(alive)
        oldest = age[k, j].max() if len(k) else 1
        if isinstance(bins, int):
            bins = np.linspace(0, oldest, bins + 1)
        edges = np.asarray(bins, dtype=np.float64)
        last = len(edges) - 2
        place = np.clip(np.searchsorted(edges, age[k, j], side="right") - 1, 0, last)
        rows, lost, best = (
            np.bincount(place, weights=values, minlength=last + 1).astype(np.float64)
            for values in (self.segment_rows[j], excess[k, j], (self.loss - excess)[k, j])
        )
        fresh = self.loss[np.maximum(freshest, 0), np.arange(len(starts))].sum()
        mean = float(fresh / self.segment_rows.sum())
        with np.errstate(invalid="ignore", divide="ignore"):
            return StalenessCurve(edges, lost / rows, rows, mean, best / rows, self.info)

    # --- luck ---------------------------------------------------------------------------------

    def placebo(
        self, retrains: int, free: int | None = None, draws: int = 1000, seed: int = 0
    ) -> Placebo:
        """As many trainings really made, evenly spaced at every phase, and at random.

        A tick at which a training is under way is lost, so schedules are drawn on the ticks that
        are free. Evenly spaced ones wait for the next of these, and phases that come to another
        number of trainings are left out. The random ones are those of a coin, tossed at each free
        tick, given what it comes to. Failed trainings count.

        Parameters
        ----------
        retrains : int
            Trainings made.
        free : int, optional
            Ticks that were free, as `Schedules` has them. All schedules with both numbers are as
            likely, whatever the rate of the coin: it has the chance ``p**retrains * (1 - p)**(free
            - retrains)`` of each. Where too few draws come to it, the nearest are taken.
        draws : int
            Random schedules.

        Raises
        ------
        ValueError
            When no schedule comes to so many trainings.
        """
        following, rng = self._next_decision, np.random.default_rng(seed)
        random = tossed(following, retrains, free, draws, rng)
        even = self.schedules(spread(following, retrains))
        return Placebo(even, self.schedules(random), self.prices, self.info)

    def thinned(self, decided_at: Integers) -> Integers:
        """The trial models of trainings decided at any instants: the first tick not before each.

        Where trial models are fewer than ticks, this is the schedule that can be held against luck;
        trainings that fall on one trial model are one.
        """
        places = np.unique(np.searchsorted(self.decided_at, decided_at))
        return places[(places > 0) & (places < len(self))]

    # --- shown ----------------------------------------------------------------------------------

    def to_frame(self) -> pd.DataFrame:
        """A row for each trial model and segment that it could serve, where rows were scored.

        Columns: ``decided_at`` and ``in_force_at`` of the model, ``start`` and ``end`` of the
        segment (UTC); ``age``, from the decision to that start; ``rows``, their weight; ``loss``
        times weight, and ``mean_loss`` a row.
        """
        first = np.arange(len(self.segment_rows)) >= self._first_segment[:, None]
        k, j = np.nonzero(first & self.serves[:, None] & (self.segment_rows > 0))
        rows, loss = self.segment_rows[j], self.loss[k, j]
        decided, start = instants(self.decided_at[k]), instants(self.borders[j])
        return pd.DataFrame({
            "decided_at": decided,
            "in_force_at": instants(self.in_force_at[k]),
            "start": start,
            "end": instants(self.borders[j + 1]),
            "age": start - decided,
            "rows": rows,
            "loss": loss,
            "mean_loss": loss / rows,
        })  # fmt: skip

    def plot(self, kind: str = "matrix", ax: Axes | None = None) -> Axes:
        """Draw it; returns the axes.

        Parameters
        ----------
        kind : {"matrix", "age", "intervals"}
            The mean loss of every trial model over time, as a map; what a row costs more as models
            age; or the cost of every interval between retrains.
        ax : Axes, optional
            What to draw on; by default a new figure.
        """
        from backtrain.reports.plots import matrix

        return matrix(self, kind, ax)
