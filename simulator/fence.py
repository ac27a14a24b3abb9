"""What is known at an instant, and the refusal of what is not."""

from __future__ import annotations

from typing import Any

import numpy as np
import pandas as pd
from numpy.typing import NDArray

from backtrain.simulator.answers import (
    AnyUpdate,
    Fit,
    PartError,
    Reason,
    Rows,
    Selection,
    needs_parent,
    newest,
    positions,
)
from backtrain.simulator.predictions import Predictions
from backtrain.simulator.setup import Setup

_NEVER = np.iinfo(np.int64).max


class FutureLeak(RuntimeError):  # noqa: N818 - the name that the design agrees on
    """A part asked for something that is not known yet."""


class Services:
    """What is done for parts that ask a view or a model: fits, charges, records.

    Here nothing is charged or recorded; ``fit`` and ``selected`` are a subclass's.
    """

    def __init__(self, window: Any, update: AnyUpdate) -> None:
        self.window, self.update = window, update  # the strategy's own
        self.needs_parent = needs_parent(update)

    def fit(
        self,
        update: AnyUpdate,
        selection: Selection,
        parent: Fit | None,
        version: int | None,
        labels: bool = True,
    ) -> Fit:
        """Fit, store, and charge: to the decision under way, or to a version on its own."""
        raise NotImplementedError

    def selected(self, view: Any) -> Selection:
        """The rows that the strategy's own window selects."""
        raise NotImplementedError

    def reading(self, trigger: object, statistic: float, threshold: float) -> None:
        """Record how near a trigger is to firing."""

    def charge_check(self, count: int) -> None:
        """Charge statistical checks."""

    def buy(self, rows: Rows) -> None:
        """Charge labels that are used for the first time."""

    def note(self, kind: str, reason: Reason) -> None:
        """Write an event down."""

    def predicted(self, count: int, version: int) -> None:
        """Charge rows that a monitor has a model score anew."""


class Fence:
    """What is known at an instant of a replay: counts of rows and labels. The rest is refused.

    The replay moves it; views and models read through it. Parts are not handed it.

    Attributes
    ----------
    at : int
        The instant in nanoseconds.
    setup, predictions, services
        The history, what was served, and who fits and charges.
    """

    __slots__ = ("_arrivals", "_known", "_rows", "at", "predictions", "services", "setup")

    def __init__(self, setup: Setup, predictions: Predictions, services: Services) -> None:
        self.setup = setup
        self.predictions = predictions
        self.services = services
        self.move(0)

    def move(self, at: int, rows: int | None = None) -> None:
        """Go on to an instant, before which ``rows`` rows lie; None: they are counted if needed."""
        self.at, self._rows = at, rows
        self._arrivals: int | None = None
        self._known: int | None = None

    def before(self, at: int) -> Fence:
        """The same at an earlier instant."""
        earlier = Fence(self.setup, self.predictions, self.services)
        earlier.move(at)
        return earlier

    @property
    def now(self) -> pd.Timestamp:
        """The instant."""
        return pd.Timestamp(self.at)

    @property
    def rows(self) -> int:
        """How many rows have an event time before now."""
        if self._rows is None:
            self._rows = int(self.setup.event_at.searchsorted(self.at))
        return self._rows

    @property
    def arrivals(self) -> int:
        """How many labels of served rows have arrived."""
        if self._arrivals is None:
            order, at = self.setup.arrival_order
            lower = int(at.searchsorted(self.at, side="left"))
            upper = int(at.searchsorted(self.at, side="right"))
            if upper > lower:
                # A label that is known at the instant of its own row is not past yet.
                ties = (
                    np.arange(lower, upper) + order
                    if isinstance(order, int)
                    else order[lower:upper]
                )
                upper = lower + int(ties.searchsorted(self.rows))
            self._arrivals = upper
        return self._arrivals

    def check(self, rows: Rows, what: str) -> None:
        """Raise `FutureLeak` for rows that have not been seen; ``what`` of them is asked for."""
        row = newest(rows)
        if row >= self.rows:
            when = _known_at(self.setup.event_at, row)
            raise FutureLeak(f"{what} of row {row} asked at {self.now}; known after: {when}")

    def check_served(self, rows: Rows) -> None:
        """Raise `PartError` for rows before ``start``, which were never answered."""
        oldest = rows.start if isinstance(rows, slice) else int(rows.min(initial=self.rows))
        if oldest < self.setup.served.start:
            raise PartError(f"row {oldest}: before start, so it was never answered")

    def check_labels(self, rows: Rows) -> None:
        """Raise `FutureLeak` for rows whose label has not arrived."""
        row, known_at = newest(rows), self.setup.label_at
        if row >= self.rows:
            when = _known_at(known_at, row)
            raise FutureLeak(f"label of row {row} asked at {self.now}; known at: {when}")
        if self.setup.labels_in_order and row < self.labelled_prefix():
            return
        arrival = known_at[rows]
        if len(arrival) and arrival.max() > self.at:
            row = int(positions(rows)[np.argmax(arrival > self.at)])
            when = _known_at(known_at, row)
            raise FutureLeak(f"label of row {row} asked at {self.now}; known at: {when}")

    def labelled_prefix(self) -> int:
        """How many labels are known, where they become known in event order."""
        if self._known is None:
            known = int(self.setup.label_at.searchsorted(self.at, side="right"))
            self._known = min(known, self.rows)
        return self._known


def _known_at(times: NDArray[np.int64], row: int) -> str:
    if row >= len(times):
        return "never, the stream ends before"
    return "never" if times[row] == _NEVER else str(pd.Timestamp(times[row]))
