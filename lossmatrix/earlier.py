"""What was known at earlier instants of a history, and what schedules cost from there on.

By look-up in the loss matrices of the whole history: a part of them for what was known, the mean
over phases for what came after. No model is trained.
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from typing import Any

import numpy as np

from backtrain.lossmatrix.curves import Floats, Integers
from backtrain.lossmatrix.matrix import LossMatrix
from backtrain.lossmatrix.outlook import Key, Outlook, decided, interval_of, schedule
from backtrain.simulator.record import Run
from backtrain.simulator.setup import Setup
from backtrain.store.fits import FitStore

#: Where decisions are made, as shares of the history; those after the first are its reviews, too.
CUTS = (0.5, 0.625, 0.75, 0.875)
#: Periods that must be known at the first of them.
FEWEST = 20
_KEPT = ("cost", "retrains", "eras", "starts")


@dataclass(frozen=True, eq=False)
class Earlier:
    """Earlier instants of a history at which a decision could have been made.

    Attributes
    ----------
    setup : Setup
        The history.
    matrices : mapping
        One for each window and update.
    cuts : ndarray of shape (C,)
        Trial models that are in force at these instants, as positions.
    known : list of Outlook
        What was known at each.
    """

    setup: Setup
    matrices: Mapping[Key, LossMatrix]
    cuts: Integers
    known: Sequence[Outlook]

    @classmethod
    def of(
        cls,
        setup: Setup,
        matrices: Mapping[Key, LossMatrix],
        every: int,
        store: FitStore | None = None,
    ) -> Earlier | None:
        """None where too little was known at the first instant."""
        if not matrices:
            return None
        periods = len(next(iter(matrices.values())))
        serves = np.flatnonzero(np.all([matrix.serves for matrix in matrices.values()], axis=0))
        places = np.searchsorted(serves, [round(share * periods) for share in CUTS])
        if len(serves) == 0 or places[-1] >= len(serves):
            return None
        cuts, delay = serves[places], _delay(setup, periods)
        if cuts[0] - delay < FEWEST or len(np.unique(cuts)) < len(cuts):
            return None
        known = []
        for cut in cuts.tolist():
            parts = {key: matrix.between(0, cut - delay) for key, matrix in matrices.items()}
            known.append(Outlook.of(setup, parts, every, store))
        if any(outlook.costs is None for outlook in known):
            return None
        return cls(setup, matrices, cuts, known)

    @property
    def at(self) -> list[str]:
        """The instants, in ISO format."""
        decided = next(iter(self.matrices.values())).decided_at[self.cuts]
        return list(map(str, np.datetime_as_string(decided.view("datetime64[ns]"), unit="s")))

    @property
    def left(self) -> list[float]:
        """What was still to come at each, in spans like that which was known."""
        periods = len(next(iter(self.matrices.values())))
        spans = [len(next(iter(outlook.matrices.values()))) for outlook in self.known]
        return [(periods - cut) / span for cut, span in zip(self.cuts.tolist(), spans, strict=True)]

    def of_run(self, key: Key, run: Run) -> dict[str, Any]:
        """What a record keeps of a fixed schedule, see `walk.Known`: no checks and labels."""
        matrix, window = self.matrices[key], list(self.matrices).index(key)
        interval, prices, options = interval_of(matrix, len(decided(run))), self.setup.prices, []
        for outlook in self.known:
            assert outlook.costs is not None
            part = outlook.matrices[key]
            n = interval if interval < len(matrix) else len(part)
            option = schedule(run.name, outlook.costs, window, part, n, prices)
            options.append({name: getattr(option, name) for name in _KEPT})
        paid = [self._paid(matrix, cut, interval) for cut in self.cuts.tolist()]
        return {"at": self.at, "left": self.left, "options": options, "paid": paid}

    def _paid(self, matrix: LossMatrix, first: int, interval: float) -> list[float]:
        """Money on each stretch, mean over phases, from a first model on; 0 before it."""
        part = matrix.between(first)
        n = round(interval) if interval < len(matrix) else len(part)
        by_period = part.period_costs(part.evenly(n, part.phases(n)), self.setup.prices)
        costs = by_period.mean(axis=0)
        edges = matrix.decided_at[self.cuts]
        paid = _by_stretch(part.decided_at, costs, edges)
        # Where a model comes into force later, what it cost stands for the time before, too.
        rows = _by_stretch(part.borders[:-1], part.segment_rows, edges)
        whole = _by_stretch(matrix.borders[:-1], matrix.segment_rows, edges)
        with np.errstate(invalid="ignore", divide="ignore"):
            share = np.where((rows > 0) & (edges >= matrix.decided_at[first]), whole / rows, 1.0)
        return list(map(float, paid * share))


def _by_stretch(at: Integers, values: Floats, edges: Integers) -> Floats:
    """Sums of values by the stretch that their instants lie in; what lies before is left out."""
    place = np.searchsorted(edges, at, side="right") - 1
    inside = place >= 0
    found = np.bincount(place[inside], weights=values[inside], minlength=len(edges))
    return np.asarray(found, dtype=np.float64)


def _delay(setup: Setup, periods: int) -> int:
    """Periods until nearly all labels of a row have arrived."""
    waits = (setup.label_at - setup.event_at)[setup.served]
    waits = waits[setup.label_at[setup.served] < np.iinfo(np.int64).max]
    if len(waits) == 0:
        return 0
    period = (setup.end_at - setup.start_at).value / periods
    return int(np.ceil(np.quantile(waits, 0.95) / period))
