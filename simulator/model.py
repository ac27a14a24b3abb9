"""A fitted model, as parts see it, and how far a replay has come."""

from __future__ import annotations

import copy
from dataclasses import dataclass
from typing import Any, Literal

import numpy as np
import pandas as pd
from numpy.typing import NDArray

from backtrain.simulator.answers import Fit, FitError, Reason, Rows, Selection, count
from backtrain.simulator.fence import Fence
from backtrain.simulator.metrics import Outcomes
from backtrain.simulator.sealing import sealed, sealed_outcomes
from backtrain.simulator.setup import outcomes_of
from backtrain.store.fits import Answers

_REFERENCE_SHARE = 0.2


@dataclass(frozen=True, eq=False)
class Reference:
    """How a version did out of sample, on the newest rows of its training selection."""

    rows: Rows
    outcomes: Outcomes
    loss: NDArray[np.float64]


class Model:
    """A fitted model, as parts see it: a version, or a fit that a part has ordered."""

    __slots__ = (
        "_decided_at",
        "_fence",
        "_first_row",
        "_fit",
        "_in_force_at",
        "_learnt_before",
        "_parent",
        "_reference",
        "_selection",
        "_version",
    )

    def __init__(
        self,
        fence: Fence,
        fit: Fit,
        version: int,
        decided_at: int,
        parent: Model | None = None,
        selection: Selection | None = None,
    ) -> None:
        self._fence = fence
        self._fit = fit
        self._parent = parent._fit if parent is not None else None
        self._learnt_before = parent if fence.services.needs_parent else None
        self._version = version
        self._decided_at = decided_at
        self._in_force_at: int | None = None
        self._first_row = 0
        self._selection = fit.selection if selection is None else selection
        self._reference: Reference | Literal["not asked for"] | None = "not asked for"

    def __deepcopy__(self, memo: object) -> Model:
        """Itself, as a view."""
        return self

    @property
    def version(self) -> int:
        """Its number; -1 for a fit that a part has ordered."""
        return self._version

    @property
    def selection(self) -> Selection:
        """The rows that it was trained on."""
        return self._selection

    @property
    def first_row(self) -> int:
        """The first row that it answers, once it is in force; else 0."""
        return self._first_row

    @property
    def decided_at(self) -> pd.Timestamp:
        """When its training was decided on."""
        return pd.Timestamp(self._decided_at)

    @property
    def in_force_at(self) -> int | None:
        """Since when it is in force, in nanoseconds; None where it never was."""
        return self._in_force_at

    @property
    def in_force_since(self) -> pd.Timestamp | None:
        """Since when it is in force; None where it never was."""
        return None if self._in_force_at is None else pd.Timestamp(self._in_force_at)

    @property
    def estimator(self) -> Any:
        """What the update made: a copy of the fitted estimator, since versions share the model."""
        return copy.deepcopy(self._fit.model)

    @property
    def learnt(self) -> NDArray[np.int64]:
        """Rows that this model was trained on, those of its parents included, shape (n,)."""
        parts = []
        model: Model | None = self
        while model is not None:
            parts.append(model.selection.indices())
            model = model._learnt_before
        return sealed(np.unique(np.concatenate(parts)))

    def predict(self, rows: Rows) -> NDArray[Any]:
        """What this model says to past rows, shape (n,): floats, or class labels."""
        self._charge(rows)
        values = self._answers(rows).prediction
        classes = self._fence.setup.classes
        return values if classes is None else classes[values]

    def outcomes(self, rows: Rows) -> Outcomes:
        """Known labels of rows beside what this model says to them."""
        self._charge(rows)
        return self._outcomes(rows)

    def _outcomes(self, rows: Rows) -> Outcomes:
        self._fence.check_labels(rows)
        self._fence.services.buy(rows)
        answers, setup = self._answers(rows), self._fence.setup
        return sealed_outcomes(
            outcomes_of(
                setup,
                rows,
                setup.truth,
                answers.prediction,
                answers.score,
                answers.probability,
                answers.quantiles,
            )
        )

    def loss(self, rows: Rows) -> NDArray[np.float64]:
        """Loss of what this model says to rows whose labels are known, shape (n,)."""
        return self._fence.setup.losses(self.outcomes(rows))

    @property
    def reference(self) -> Reference | None:
        """Loss and answers on the newest 20 % of its rows, by a fit on the older 80 %.

        An in-sample loss is near 0 for trees and would always raise the alarm. Computed and charged
        once, when first asked for; None where the rows do not allow it.
        """
        if self._reference == "not asked for":
            self._reference = self._fit_reference()
        return self._reference

    def _fit_reference(self) -> Reference | None:
        services, size = self._fence.services, len(self._selection)
        held = int(size * _REFERENCE_SHARE)
        older = self._selection.take(slice(0, size - held))
        newest = self._selection.take(slice(size - held, None))
        try:
            if held == 0:
                raise FitError(f"its {size} rows are too few to hold a fifth out")
            fit = services.fit(services.update, older, self._parent, self._version)
        except FitError as error:
            who = f"version {self._version}" if self._version >= 0 else "a model"
            services.note(
                "no reference",
                Reason(f"{who} has no reference, so what compares with it is silent: {error}"),
            )
            return None
        twin = Model(self._fence, fit, self._version, self._decided_at)
        outcomes = twin._outcomes(newest.rows)
        return Reference(newest.rows, outcomes, sealed(self._fence.setup.losses(outcomes)))

    def _charge(self, rows: Rows) -> None:
        self._fence.services.predicted(count(rows), self._version)

    def _answers(self, rows: Rows) -> Answers:
        self._fence.check(rows, "features")
        return self._fence.predictions.learner.answers(self._fit, rows)


def fit_of(model: Model) -> Fit:
    """The fit behind a model: for the simulator, which asks it without a fence."""
    return model._fit


def deploy(model: Model, at: int, first_row: int) -> None:
    """Note since when, and from which row on, a model serves."""
    model._in_force_at, model._first_row = at, first_row


@dataclass(slots=True, eq=False)
class State:
    """How far a replay has come: the replay writes it, and its view reads it."""

    model: Model | None = None  # the champion
    challenger: Model | None = None  # the version under review
    reason: Reason | None = None  # why the training is wanted that is being prepared
    trial_row: int = 0
    trainings: tuple[int, ...] = ()
    spent: float = 0.0
    asked: object = None  # the trigger that is being asked
