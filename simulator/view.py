"""What a strategy may see at ``now``. Asking for more raises `FutureLeak`."""

from __future__ import annotations

from dataclasses import replace

import numpy as np
import pandas as pd
from numpy.typing import NDArray

from backtrain.simulator.answers import AnyUpdate, PartError, Reason, Rows, Selection
from backtrain.simulator.answers import FitError as FitError  # what `fit` raises
from backtrain.simulator.fence import Fence
from backtrain.simulator.fence import FutureLeak as FutureLeak
from backtrain.simulator.metrics import Outcomes
from backtrain.simulator.model import Model as Model
from backtrain.simulator.model import Reference as Reference
from backtrain.simulator.model import State, fit_of
from backtrain.simulator.past import Arrived as Arrived
from backtrain.simulator.past import Labelled as Labelled
from backtrain.simulator.past import Past
from backtrain.simulator.past import Served as Served
from backtrain.simulator.sealing import sealed, sealed_outcomes
from backtrain.simulator.texts import code


class View(Past):
    """The past as a strategy may see it at ``now``; it moves with the clock and never back.

    Nothing of it can be set: it has properties and slots, and what it hands out is read-only.
    """

    __slots__ = ("_state",)

    def __init__(self, fence: Fence, state: State) -> None:
        super().__init__(fence)
        self._state = state

    def __deepcopy__(self, memo: object) -> View:
        """Itself: a part that keeps a view is copied without the whole history."""
        return self

    # --- the present --------------------------------------------------------------------------

    @property
    def trainings(self) -> tuple[int, ...]:
        """When trainings were decided so far, in nanoseconds; the first model does not count."""
        return self._state.trainings

    @property
    def spent(self) -> float:
        """Money charged so far, errors left out."""
        return self._state.spent

    @property
    def model(self) -> Model:
        """The champion: the version that serves."""
        assert self._state.model is not None
        return self._state.model

    @property
    def reason(self) -> Reason | None:
        """Why the training is wanted that is being prepared; None for the first one."""
        return self._state.reason

    @property
    def update(self) -> AnyUpdate:
        """The strategy's own update."""
        return self._fence.services.update

    @property
    def challenger(self) -> Model:
        """The version under review; only a trial has one."""
        if self._state.challenger is None:
            raise FutureLeak("view.challenger: no training has finished that awaits a review")
        return self._state.challenger

    @property
    def trial_rows(self) -> slice:
        """Past rows since the challenger began to answer or watch."""
        return slice(min(self._state.trial_row, self.past), self.past)

    @property
    def answered_so_far(self) -> int:
        """How many rows have been served; those of forecasts to learn from alone are not."""
        first, aside = int(self._fence.setup.served.start), self._fence.setup.stream.aside
        past = max(0, self.past - first)
        return past if aside is None else past - int(aside[first : self.past].sum())

    # --- rows ---------------------------------------------------------------------------------

    @property
    def served(self) -> Served:
        """Rows that have been answered."""
        start = self._fence.setup.served.start
        return Served(self._fence, slice(start, max(self.past, start)))

    @property
    def arrivals(self) -> int:
        """How many labels of served rows have arrived."""
        return self._fence.arrivals

    def arrived(self, since: int = 0) -> Arrived:
        """Labels of served rows in the order of their arrival, from the ``since``-th on."""
        order, _ = self._fence.setup.arrival_order
        upper = max(self.arrivals, since)
        rows: Rows = (
            slice(order + since, order + upper)
            if isinstance(order, int)
            else sealed(order[since:upper])
        )
        return Arrived(self._fence, rows, upper, self._state)

    def answered(self, rows: NDArray[np.int64]) -> Arrived:
        """Served rows whose labels have arrived, beside what was served."""
        self._fence.check_labels(rows)
        self._fence.check_served(rows)
        return Arrived(self._fence, rows, self.arrivals, self._state)

    def answers(self, rows: Rows) -> Outcomes:
        """What was served to past rows, as metrics take it; their labels are blank: -1, or NaN."""
        self._fence.check(rows, "prediction")
        self._fence.check_served(rows)
        self._fence.predictions.ensure(self.past)
        served = self._fence.predictions.outcomes(rows)
        blank = np.full(len(served), np.nan if served.classes is None else -1)
        return sealed_outcomes(replace(served, label=blank))

    # --- work ---------------------------------------------------------------------------------

    def fit(
        self,
        update: AnyUpdate,
        selection: Selection,
        parent: Model | None = None,
        labels: bool = True,
    ) -> Model:
        """Fit on rows that are known now; named, stored and charged. Raises `FitError`.

        With ``labels`` they are bought. Without, past rows may lack theirs, and the update is given
        None for ``y``.
        """
        if labels:
            self._fence.check_labels(selection.rows)
            self._fence.services.buy(selection.rows)
        else:
            self._fence.check(selection.rows, "features")
        before = None if parent is None else fit_of(parent)
        fit = self._fence.services.fit(update, selection, before, None, labels)
        return Model(self._fence, fit, version=-1, decided_at=self._fence.at, parent=parent)

    def candidate(self, when: pd.Timestamp) -> Model | None:
        """What the strategy would have trained as its first model at an instant up to ``start``.

        Its own window, which sees what was known then, and its own update, without a parent; named,
        stored and charged. None where there was nothing to learn from, or the fit raises.
        """
        if when > min(self.now, self.start):
            raise FutureLeak(f"a candidate of {when} asked at {self.now}, with start {self.start}")
        services, fence = self._fence.services, self._fence.before(when.value)
        try:
            selection = services.selected(type(self)(fence, State()))
            fence.check_labels(selection.rows)
            services.buy(selection.rows)
            fit = services.fit(services.update, selection, None, None)
        except FitError:
            return None
        except RecursionError:
            raise PartError(
                f"{code(services.window)}: select() asks for view.candidate, which asks this "
                "window again; a window chooses rows, only triggers and gates ask for candidates"
            ) from None
        return Model(self._fence, fit, version=-1, decided_at=when.value)

    def checked(self, count: int = 1) -> None:
        """Tell the ledger that a statistical check was made."""
        self._fence.services.charge_check(count)

    def note(self, kind: str, reason: Reason) -> None:
        """Put on record, as an event of that kind, what is not a reason to act."""
        self._fence.services.note(kind, reason)

    def reading(self, statistic: float, threshold: float = float("nan")) -> None:
        """Put on record how near the trigger that is being asked is to firing.

        At every tick at which it has something to show, also when it does not fire; the readings
        are a table of the run. Only triggers have readings: `PartError` for others.
        """
        if self._state.asked is None:
            raise PartError(
                "view.reading(): only a trigger shows readings, while it is asked at a tick; a "
                "window or gate can use view.note(kind, reason)"
            )
        self._fence.services.reading(self._state.asked, statistic, threshold)


def being_asked(view: View, trigger: object) -> object:
    """Note which trigger is asked, whose readings are taken; returns the one before."""
    before = view._state.asked
    view._state.asked = trigger
    return before
