"""Sums of losses by segment: what a loss matrix keeps of the answers of a trial model."""

from collections.abc import Iterator, Sequence
from typing import Any, NamedTuple

import numpy as np

from backtrain.lossmatrix.curves import Floats, Integers
from backtrain.lossmatrix.matrix import LossMatrix
from backtrain.simulator.answers import AnyUpdate, Fit
from backtrain.simulator.parts import AnyWindow
from backtrain.simulator.setup import Setup, outcomes_of
from backtrain.simulator.texts import code
from backtrain.simulator.training import Learner


class Segments(NamedTuple):
    """When trial models are trained and serve, in nanoseconds; the borders of segments between
    these instants; and the rows with which segments begin, and the last one ends.
    """

    decided_at: Integers
    in_force_at: Integers
    borders: Integers
    edges: Integers

    @classmethod
    def of(cls, setup: Setup, decided_at: Integers, rows: Integers) -> "Segments":
        """Those of trial models whose fits take so many rows."""
        delay = [setup.delays.training(int(r)) + setup.delays.deployment() for r in rows]
        in_force_at = decided_at + np.array(delay, dtype=np.int64)
        in_force_at[0] = decided_at[0]
        end = setup.end_at.value
        inner = np.unique(np.concatenate((decided_at, in_force_at[in_force_at <= end])))
        edges = np.append(setup.event_at.searchsorted(inner), setup.served.stop)
        return cls(decided_at, in_force_at, np.append(inner, end + 1), edges)


class Scored(NamedTuple):
    """A trial model: rows fitted, CPU seconds, failed or not; loss of served rows before edges."""

    rows: int
    cpu_seconds: float
    failed: bool
    sums: Floats


def sums_before(edges: Integers, learner: Learner, fit: Fit, past: int) -> Floats:
    """Loss of a model on served rows from ``past`` up to each edge, shape (edges,)."""
    sums = np.zeros(len(edges))
    total = 0.0
    for rows, losses in losses_after(learner, fit, past, learner.setup.served.stop):
        # One sum that goes on from block to block: to the last bit what it would be at once.
        running = np.cumsum(np.append(total, np.nan_to_num(losses)))
        within = slice(*np.searchsorted(edges, (rows.start, rows.stop), side="right"))
        sums[within] = running[edges[within] - rows.start]
        total = running[-1]
    return sums


def losses_after(
    learner: Learner, fit: Fit, past: int, until: int
) -> Iterator[tuple[slice, Floats]]:
    """Loss times weight of served rows from ``past`` to ``until``, in the blocks of a replay."""
    setup = learner.setup
    row = max(past, setup.served.start)
    while row < until:
        start, stop, answers = learner.block(fit, past, row, keep=False)
        rows = slice(row, min(stop, until))
        part = slice(rows.start - start, rows.stop - start)
        outcomes = outcomes_of(
            setup,
            rows,
            setup.outcome,
            answers.prediction[part],
            None if answers.score is None else answers.score[part],
            None if answers.probability is None else answers.probability[part],
            None if answers.quantiles is None else answers.quantiles[part],
        )
        loss = setup.losses(outcomes)
        yield rows, loss if outcomes.weight is None else loss * outcomes.weight
        row = rows.stop


def assembled(
    setup: Setup, window: AnyWindow, update: AnyUpdate, segments: Segments, made: Sequence[Scored]
) -> LossMatrix:
    """The matrix of these trial models."""
    served, edges = setup.served, segments.edges
    loss = np.diff(np.array([one.sums for one in made]), axis=1)
    loss[segments.borders[:-1] < segments.in_force_at[:, None]] = 0.0
    weight = np.ones(served.stop - served.start)
    if setup.weight is not None:
        weight = setup.weight[served].astype(np.float64)
    labelled = setup.label_at[served] < np.iinfo(np.int64).max
    counts = np.concatenate(([0.0], np.cumsum(weight * labelled)))
    return LossMatrix(
        decided_at=segments.decided_at,
        in_force_at=segments.in_force_at,
        borders=segments.borders,
        loss=loss,
        segment_rows=np.diff(counts[edges - served.start]),
        rows=np.array([one.rows for one in made], dtype=np.int64),
        cpu_seconds=np.array([one.cpu_seconds for one in made]),
        failed=np.array([one.failed for one in made]),
        window=code(window),
        update=code(update),
        prices=setup.prices,
        info=units_of(setup),
    )


def units_of(setup: Setup) -> dict[str, Any]:
    """What losses, money and times of a matrix are counted in, as records say it."""
    return {
        "loss": setup.row_loss.name,
        "currency": setup.currency,
        "unit": setup.unit,
        "prices": {"error": setup.prices.error},
        "stream": {"timezone": setup.stream.timezone},
    }
