"""On what to train: rows since something happened, a change or the last training."""

from __future__ import annotations

from dataclasses import dataclass, field

import numpy as np

from backtrain.simulator.asking import check_setup, select
from backtrain.simulator.constraints import (
    Count,
)
from backtrain.simulator.parts import AnyWindow, Part
from backtrain.simulator.selection import Selection
from backtrain.simulator.setup import Setup
from backtrain.simulator.view import View
from backtrain.strategies.windows.sliding import Expanding

__all__ = ["SinceDrift", "SinceLastTraining"]


@dataclass(frozen=True, repr=False)
class SinceDrift(Part):
    """Rows since the change that raised the alarm, as the detector that fired dates it.

    `ErrorDrift` dates a rise by the lowest point of the cumulated losses less their mean, other
    detectors by the first row of the stretch that they tested. The labelled rows with an event time
    from there on are trained on.

    Parameters
    ----------
    min_rows : int
        With fewer labelled rows since the change, ``otherwise`` is asked.
    otherwise : Window
        Asked for the first model, too, and where what fired dates no change: a schedule.

    >>> SinceDrift(min_rows=500, otherwise=Sliding("90D"))
    SinceDrift(min_rows=500, otherwise=Sliding('90D'))
    """

    min_rows: Count = 100
    otherwise: AnyWindow = field(default_factory=Expanding)

    def check_setup(self, setup: Setup) -> None:
        """Hold the other window against the setup."""
        check_setup(self.otherwise, setup)

    def select(self, view: View) -> Selection:
        """Labelled rows since the change, in event order."""
        if view.reason is not None and view.reason.since is not None:
            found = Selection(view.labelled.since(view.reason.since))
            if len(found) >= self.min_rows:
                return found
        return select(self.otherwise, view)


@dataclass(frozen=True, repr=False)
class SinceLastTraining(Part):
    """Rows whose label arrived since the model in force was decided on: what it could not know.

    Counted by the arrival of labels, not by event time, which would lose late labels for ever.
    Rows of a training that failed or was rejected are offered again. The first model gets
    everything.

    Parameters
    ----------
    min_rows : int
        With fewer new rows, ``otherwise`` is asked.
    otherwise : Window
        What to train on then.

    >>> SinceLastTraining(min_rows=500, otherwise=Sliding(5_000))
    SinceLastTraining(min_rows=500, otherwise=Sliding(5000))
    """

    min_rows: Count = 100
    otherwise: AnyWindow = field(default_factory=Expanding)

    def check_setup(self, setup: Setup) -> None:
        """Hold the other window against the setup."""
        check_setup(self.otherwise, setup)

    def select(self, view: View) -> Selection:
        """Newly labelled rows, in event order."""
        known = Selection(view.labelled.all())
        if view.reason is None:
            return known
        fresh = view.labelled.arrived_after(view.model.decided_at, known.rows)
        if len(fresh) < self.min_rows:
            return select(self.otherwise, view)
        return known.take(np.sort(fresh))
