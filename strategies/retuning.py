"""How to train: a search for parameters at every training."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from typing import Any, ClassVar

import numpy as np
from numpy.typing import NDArray
from sklearn.metrics import get_scorer, get_scorer_names
from sklearn.model_selection import (
    GridSearchCV,
    ParameterGrid,
    RandomizedSearchCV,
    TimeSeriesSplit,
)

from backtrain.datasets.columns import nearest
from backtrain.simulator.protocols import Part, PartError
from backtrain.simulator.setup import Setup
from backtrain.strategies.updates import (
    Weights,
    last_prefix,
    last_step,
    refuse_seed,
    refuse_weights,
)

__all__ = ["Retune"]


@dataclass(frozen=True, repr=False)
class Retune(Part):
    """A new model with the best parameters of a search, fitted from scratch on the window.

    The search is scikit-learn's, over a time-ordered split (`TimeSeriesSplit`): the window is cut
    into ``splits + 1`` stretches, and each but the first validates models of all rows before it.
    Weights are given to every fit; validation scores are plain. A training is charged the rows of
    all its fits.

    Parameters
    ----------
    grid : mapping of str to sequence
        Values to try, by parameter. In a pipeline a plain name is one of the last step; others are
        written as in scikit-learn, ``"scaler__with_mean"``.
    search : {"grid", "random"}
        Every combination, or ``iterations`` of them, drawn without repetition.
    iterations : int
        Combinations of a random search.
    splits : int
        Stretches to validate on.
    scoring : str, optional
        Name of a scikit-learn scorer, such as ``"neg_mean_absolute_error"``; default the
        estimator's own score (R2, accuracy).
    seed : int
        Seed of the draw: every training of a random search tries the same combinations.

    >>> Retune({"alpha": [0.1, 1.0, 10.0]}, splits=5)
    Retune({'alpha': [0.1, 1.0, 10.0]}, splits=5)
    """

    grid: Mapping[str, Sequence[Any]]
    search: str = "grid"
    iterations: int = 10
    splits: int = 3
    scoring: str | None = None
    seed: int = 0

    #: A fit depends on its rows only: strategies share it, and a loss matrix can hold it.
    needs_parent: ClassVar[bool] = False
    keeps_rows: ClassVar[bool] = True

    def __post_init__(self) -> None:
        if not isinstance(self.grid, Mapping) or not self.grid:
            raise PartError(
                f"Retune(grid={self.grid!r}): give values, such as {{'alpha': [1, 10]}}"
            )
        for name, values in self.grid.items():
            if not isinstance(name, str):
                raise PartError(f"Retune(grid): {name!r} is no name of a parameter, as 'alpha' is")
            if not isinstance(values, (list, tuple)) or not values:
                raise PartError(f"Retune(grid): {name}={values!r}: give a list of values to try")
        if self.search not in ("grid", "random"):
            raise PartError(f"Retune(search={self.search!r}): not one of 'grid', 'random'")
        for what, least in (("iterations", 1), ("splits", 2)):
            count = getattr(self, what)
            if isinstance(count, bool) or not isinstance(count, int) or count < least:
                raise PartError(f"Retune({what}={count!r}): give {least} or more")
        if self.scoring is not None and self.scoring not in get_scorer_names():
            raise PartError(
                f"Retune(scoring={self.scoring!r}): scikit-learn has no such scorer; did you mean "
                f"{nearest(self.scoring, get_scorer_names())}?"
            )
        refuse_seed("Retune", self.seed)

    def check_setup(self, setup: Setup) -> None:
        """Refuse parameters that the model does not have, and a score that it cannot give."""
        _ = self._resolved(setup.model)
        if self.scoring is not None:
            asked = getattr(get_scorer(self.scoring), "_response_method", "predict")
            ways = (asked,) if isinstance(asked, str) else asked
            if not any(hasattr(setup.model, way) for way in ways):
                raise PartError(
                    f"Retune(scoring={self.scoring!r}): {type(last_step(setup.model)).__name__} "
                    f"has no {ways[0]}"
                )
        refuse_weights(setup)

    def rows_fitted(self, rows: int) -> int:
        """Rows of all fits: each candidate on the first 1, 2, ... stretches, the best on all."""
        stretch = self._stretch(rows)
        if stretch == 0:  # too few to split: the training fails before it fits anything
            return rows
        once = sum(rows - stretch * k for k in range(1, self.splits + 1))
        return self._candidates() * once + rows

    def fit(
        self, model: Any, X: Any, y: NDArray[Any], weights: Weights, parent: Any, seed: int
    ) -> Any:
        """Search, and return the best model, fitted on all rows."""
        grid = self._resolved(model)
        more: dict[str, Any] = {
            "cv": TimeSeriesSplit(self.splits),
            "scoring": self.scoring,
            "n_jobs": 1,
            "error_score": "raise",
        }
        if self.search == "grid":
            search = GridSearchCV(model, grid, **more)
        else:
            count = self._candidates()
            search = RandomizedSearchCV(model, grid, n_iter=count, random_state=self.seed, **more)
        extra = {} if weights is None else {f"{last_prefix(model)}sample_weight": weights}
        search.fit(X, y, **extra)
        if np.isnan(search.best_score_):
            raise ValueError(
                f"no candidate has a score on stretches of {self._stretch(len(y))} rows"
            )
        return search.best_estimator_

    def _stretch(self, rows: int) -> int:
        return rows // (self.splits + 1)

    def _candidates(self) -> int:
        every = len(ParameterGrid(dict(self.grid)))
        return every if self.search == "grid" else min(self.iterations, every)

    def _resolved(self, model: Any) -> dict[str, list[Any]]:
        """The grid by the names that the model itself uses."""
        known, prefix = model.get_params(), last_prefix(model)
        found = {}
        for name, values in self.grid.items():
            full = f"{prefix}{name}" if f"{prefix}{name}" in known else name
            if full not in known:
                last = last_step(model)
                own = sorted(last.get_params(deep=False))
                raise PartError(
                    f"Retune(grid): {type(last).__name__} has no parameter {name!r}; did you mean "
                    f"{nearest(name, own)}? There are {', '.join(own)}"
                )
            found[full] = list(values)
        return found
