"""What was served between neighbouring ticks and deployments, and what that costs."""

from __future__ import annotations

from dataclasses import dataclass, fields

import numpy as np
import pandas as pd
from numpy.typing import NDArray

from backtrain.simulator.ledger import Ledger
from backtrain.simulator.predictions import Predictions
from backtrain.simulator.setup import Setup


@dataclass(frozen=True, eq=False)
class Steps:
    """Stretches between neighbouring ticks and deployments; arrays of shape (steps,)."""

    start: NDArray[np.int64]
    end: NDArray[np.int64]
    version: NDArray[np.int64]
    rows: NDArray[np.int64]
    scored: NDArray[np.int64]
    loss: NDArray[np.float64]

    def frame(self) -> pd.DataFrame:
        """The same as a table."""
        return pd.DataFrame(
            {
                "start": self.start.view("datetime64[ns]"),
                "end": self.end.view("datetime64[ns]"),
                "rows": self.rows,
                "scored": self.scored,
                "loss": self.loss,
                "version": self.version,
            }
        )


def steps_of(setup: Setup, predictions: Predictions) -> Steps:
    """Sum up what was served between neighbouring ticks and deployments."""
    start, end = setup.start_at.value, setup.end_at.value
    marks = [stretch.at for stretch in predictions.stretches]
    inner = np.unique(np.concatenate((setup.ticks, np.array(marks, dtype=np.int64), [start])))
    inner = inner[(inner >= start) & (inner <= end)]
    ends = np.append(inner[1:], end)
    borders = np.append(setup.event_at.searchsorted(inner), setup.served.stop)
    place = np.searchsorted(np.array(marks), inner, side="right") - 1
    champion = np.array([stretch.champion for stretch in predictions.stretches])[place]
    return _sum_up(setup, predictions, inner, ends, borders, champion, place)


def _sum_up(
    setup: Setup,
    predictions: Predictions,
    start: NDArray[np.int64],
    end: NDArray[np.int64],
    borders: NDArray[np.int64],
    champion: NDArray[np.int64],
    place: NDArray[np.int64],
) -> Steps:
    """Add up the rows of each step; a step that two versions share becomes one entry for each."""
    stretches = predictions.stretches
    shares = np.array([stretch.share for stretch in stretches])
    shared = np.flatnonzero(shares[place] > 0)
    n = len(start)
    step = np.repeat(np.arange(n), np.diff(borders))
    version = predictions.version[setup.served]
    for extra, where in enumerate(shared):
        rows = slice(borders[where] - borders[0], borders[where + 1] - borders[0])
        step[rows][version[rows] != champion[where]] = n + extra
    challengers = [stretches[place[where]].challenger for where in shared]
    loss = predictions.scored_loss(setup.served)
    known = ~np.isnan(loss)
    weight = 1.0 if setup.stream.weight is None else setup.stream.weight[setup.served]
    entries = n + len(shared)
    steps = Steps(
        np.append(start, start[shared]),
        np.append(end, end[shared]),
        np.append(champion, np.array(challengers, dtype=np.int64)),
        np.bincount(step, minlength=entries),
        np.bincount(step, weights=known, minlength=entries).astype(np.int64),
        np.bincount(step, weights=np.where(known, loss, 0.0) * weight, minlength=entries).astype(
            np.float64
        ),
    )
    order = np.lexsort((steps.version, steps.start))
    return Steps(*(getattr(steps, column.name)[order] for column in fields(steps)))


def charge_served(steps: Steps, setup: Setup, predictions: Predictions, ledger: Ledger) -> None:
    """Charge errors and predictions: of the rows served, and of those scored beside."""
    prices = setup.prices
    ledger.charge_all(steps.start, "error", steps.version, steps.loss, prices.error)
    answered = steps.rows / 1000
    ledger.charge_all(steps.start, "predict", steps.version, answered, prices.per_1k_predictions)
    stretches = predictions.stretches
    stops = [*(stretch.row for stretch in stretches[1:]), setup.served.stop]
    for now, stop in zip(stretches, stops, strict=True):
        if now.challenger is None or not now.watch:
            continue
        answered_by = predictions.version[now.row : stop]
        for number in (now.champion, now.challenger):
            watched = np.count_nonzero(answered_by != number) / 1000
            ledger.charge(now.at, "predict", number, watched, prices.per_1k_predictions)
