"""How to train: from scratch, or on from the model in force."""

from __future__ import annotations

import copy
import inspect
from dataclasses import dataclass
from typing import Any, ClassVar

import numpy as np
from numpy.typing import NDArray
from sklearn.pipeline import Pipeline
from sklearn.utils.validation import has_fit_parameter

from backtrain.simulator.protocols import Part, PartError, Selection
from backtrain.simulator.setup import Setup
from backtrain.simulator.view import View

__all__ = ["PartialFit", "Refit", "WarmStart"]

Weights = NDArray[np.float64] | None

#: What estimators call the number of rounds that a warm start adds to.
_ROUNDS = ("max_iter", "n_estimators")
_ADDS_ROUNDS = ("GradientBoosting", "Forest", "ExtraTrees", "Bagging")


@dataclass(frozen=True, repr=False)
class Refit(Part):
    """A new model, fitted from scratch on the window.

    >>> Refit()
    Refit()
    """

    #: A fit depends on its rows only: strategies share it, and a loss matrix can hold it.
    needs_parent: ClassVar[bool] = False
    keeps_parameters: ClassVar[bool] = True

    def check_setup(self, setup: Setup) -> None:
        """Refuse weights that the estimator cannot take."""
        refuse_weights(setup)

    def fit(
        self, model: Any, X: Any, y: NDArray[Any], weights: Weights, parent: Any, seed: int
    ) -> Any:
        """Fit ``model`` and return it."""
        return fit_weighted(model, X, y, weights)


@dataclass(frozen=True, repr=False)
class WarmStart(Part):
    """Go on from the model in force, on the window, with the estimator's own ``warm_start``.

    Linear and neural models start from the parent's coefficients. Forests and boosting keep the
    parent's trees and add ``rounds`` new ones, fitted on the window; without new rounds
    scikit-learn would return the parent unchanged.

    Parameters
    ----------
    rounds : int
        Trees or boosting iterations to add; of no meaning to other models.

    A classifier's window must hold the parent's classes, or the training fails.

    >>> WarmStart(rounds=20)
    WarmStart(rounds=20)
    """

    rounds: int = 10

    def __post_init__(self) -> None:
        if not isinstance(self.rounds, int) or self.rounds < 1:
            raise PartError(f"WarmStart(rounds={self.rounds!r}): adds nothing; give 1 or more")

    def check_setup(self, setup: Setup) -> None:
        """Refuse estimators without ``warm_start``."""
        last = last_step(setup.model)
        if "warm_start" not in getattr(last, "get_params", dict)():
            raise PartError(
                f"WarmStart: {type(last).__name__} has no warm_start; use Refit(), or a model such "
                "as SGDRegressor, LogisticRegression, RandomForest or GradientBoosting"
            )
        if "HistGradientBoosting" in type(last).__name__:
            raise PartError(
                f"WarmStart: {type(last).__name__} goes on correctly only on the very same rows, "
                "since it bins new ones anew; use Refit(), or GradientBoosting or RandomForest"
            )
        refuse_weights(setup)

    def fit(
        self, model: Any, X: Any, y: NDArray[Any], weights: Weights, parent: Any, seed: int
    ) -> Any:
        """Fit a copy of ``parent`` further; the first model is fitted from scratch."""
        if parent is None:
            return fit_weighted(model, X, y, weights)
        known = getattr(parent, "classes_", None)
        if known is not None and not np.array_equal(np.unique(y), known):
            raise ValueError(f"warm start needs the parent's classes {known}, not {np.unique(y)}")
        grown = copy.deepcopy(parent)
        last = last_step(grown)
        last.set_params(warm_start=True)
        if any(kind in type(last).__name__ for kind in _ADDS_ROUNDS):
            rounds = next(name for name in _ROUNDS if name in last.get_params())
            last.set_params(**{rounds: _rounds_of(last, rounds) + self.rounds})
        return fit_weighted(grown, X, y, weights)


@dataclass(frozen=True, repr=False)
class PartialFit(Part):
    """Teach the model in force the rows whose label arrived after it was decided on.

    Rows come in the order in which their labels arrived, and only those inside the window. The
    first model is fitted in full. The rows of a rejected model are offered again. In a pipeline
    only the last step learns: its transformers stay as they were fitted first.

    Parameters
    ----------
    epochs : int
        Passes over the rows.
    batch_rows : int, optional
        Rows of one ``partial_fit`` call; None passes all at once.

    >>> PartialFit(epochs=3)
    PartialFit(epochs=3)
    """

    epochs: int = 1
    batch_rows: int | None = None

    def __post_init__(self) -> None:
        if self.epochs < 1:
            raise PartError(f"PartialFit(epochs={self.epochs!r}): give 1 or more")
        if self.batch_rows is not None and self.batch_rows < 1:
            raise PartError(f"PartialFit(batch_rows={self.batch_rows!r}): give 1 or more, or None")

    def check_setup(self, setup: Setup) -> None:
        """Refuse estimators without ``partial_fit``."""
        last = last_step(setup.model)
        if not hasattr(last, "partial_fit"):
            raise PartError(
                f"PartialFit: {type(last).__name__} has no partial_fit; use Refit(), or a model "
                "such as SGDRegressor, SGDClassifier or MLPRegressor"
            )
        if getattr(last, "early_stopping", False):
            raise PartError(
                f"PartialFit: {type(last).__name__}(early_stopping=True) has no partial_fit; "
                "set early_stopping=False"
            )
        refuse_weights(setup)

    def unlearnt(self, view: View, selection: Selection) -> Selection:
        """The rows that the model in force was not offered, in the order of their arrival."""
        return selection.take(view.labelled.arrived_after(view.model.decided_at, selection.rows))

    def fit(
        self, model: Any, X: Any, y: NDArray[Any], weights: Weights, parent: Any, seed: int
    ) -> Any:
        """Fit a copy of ``parent`` on the new rows; the first model is fitted in full."""
        if parent is None:
            return fit_weighted(model, X, y, weights)
        grown = copy.deepcopy(parent)
        last = last_step(grown)
        if isinstance(grown, Pipeline):
            X = grown[:-1].transform(X) if len(grown) > 1 else X
        size = len(y) if self.batch_rows is None else self.batch_rows
        for _ in range(self.epochs):
            for start in range(0, len(y), size):
                rows = slice(start, start + size)
                extra = {} if weights is None else {"sample_weight": weights[rows]}
                last.partial_fit(X[rows], y[rows], **extra)
        return grown


def last_step(model: Any) -> Any:
    """The estimator that learns the target: the last step of a pipeline, or the model itself."""
    while isinstance(model, Pipeline):
        model = model.steps[-1][1]
    return model


def fit_weighted(model: Any, X: Any, y: NDArray[Any], weights: Weights) -> Any:
    """Fit, with the weights given to the step that learns the target."""
    if weights is None:
        return model.fit(X, y)
    name = "sample_weight"
    step = model
    while isinstance(step, Pipeline):
        name = f"{step.steps[-1][0]}__{name}" if step is model else name
        step = step.steps[-1][1]
    return model.fit(X, y, **{name: weights})


def takes_weights(model: Any) -> bool:
    """Whether the step that learns the target takes ``sample_weight``."""
    last = last_step(model)
    return bool(has_fit_parameter(last, "sample_weight")) or any(
        parameter.kind is parameter.VAR_KEYWORD
        for parameter in inspect.signature(last.fit).parameters.values()
    )


def refuse_weights(setup: Setup) -> None:
    """Raise `PartError` where the stream has weights and the model takes none."""
    if setup.stream.weight is not None and not takes_weights(setup.model):
        raise PartError(
            f"the stream has weights, but {type(last_step(setup.model)).__name__} takes no "
            "sample_weight; use another model, or build the stream without `weight`"
        )


def _rounds_of(estimator: Any, name: str) -> int:
    """Rounds that were really made: early stopping may have ended before the limit."""
    made = getattr(estimator, "n_iter_", None) if name == "max_iter" else None
    if made is None:
        made = len(estimator.estimators_) if hasattr(estimator, "estimators_") else None
    return int(getattr(estimator, name) if made is None else made)
