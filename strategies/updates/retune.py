"""How to train: a search for parameters at every training."""

import inspect
from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass
from functools import partial
from typing import Any, ClassVar, Literal

import numpy as np
from numpy.typing import NDArray

from backtrain.datasets.columns import nearest
from backtrain.simulator.answers import PartError
from backtrain.simulator.constraints import Count, Seed, TwoOrMore
from backtrain.simulator.parts import Part
from backtrain.simulator.setup import Setup
from backtrain.strategies.updates.refit import (
    Labels,
    Weights,
    fit_weighted,
    last_prefix,
    last_step,
    refuse_weights,
)

__all__ = ["Retune"]

Indices = NDArray[np.int64]


@dataclass(frozen=True, repr=False)
class Retune(Part):
    """A new model with the best parameters of a search, fitted from scratch on the window.

    The search is scikit-learn's, over a time-ordered split (`TimeSeriesSplit`): the window is cut
    into ``splits + 1`` stretches, and each but the first validates models of all rows before it.
    Rows count by weight in fits and in scores; of equal means over the stretches the first wins. A
    training is charged the rows of all its fits.

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
    search: Literal["grid", "random"] = "grid"
    iterations: Count = 10
    splits: TwoOrMore = 3
    scoring: str | None = None
    seed: Seed = 0

    #: A fit depends on its rows only: strategies share it, and a loss matrix can hold it.
    needs_parent: ClassVar[bool] = False

    def check_parameters(self) -> None:
        """Refuse what is not a grid, and a score that scikit-learn does not know."""
        from sklearn.metrics import get_scorer_names

        if not isinstance(self.grid, Mapping) or not self.grid:
            raise PartError(
                f"Retune(grid={self.grid!r}): give values, such as {{'alpha': [1, 10]}}"
            )
        for name, values in self.grid.items():
            if not isinstance(name, str):
                raise PartError(f"Retune(grid): {name!r} is no name of a parameter, as 'alpha' is")
            if not isinstance(values, (list, tuple)) or not values:
                raise PartError(f"Retune(grid): {name}={values!r}: give a list of values to try")
        if self.scoring is not None and self.scoring not in get_scorer_names():
            raise PartError(
                f"Retune(scoring={self.scoring!r}): scikit-learn has no such scorer; did you mean "
                f"{nearest(self.scoring, get_scorer_names())}?"
            )

    def check_setup(self, setup: Setup) -> None:
        """Refuse parameters that the model does not have, and a score that it cannot give."""

        from sklearn.metrics import get_scorer

        _ = self._resolved(setup.model)
        refuse_weights(setup)
        own = getattr(last_step(setup.model), "scores_quantiles", False)
        if setup.quantiles is not None and (self.scoring is not None or not own):
            raise PartError(
                f"Retune: scikit-learn scores one answer a row, and quantiles="
                f"{list(setup.quantiles)} are several; use backtrain.models.Quantiles(model, "
                "levels) and leave scoring away, or Refit()"
            )
        if self.scoring is None:
            return
        scorer = get_scorer(self.scoring)
        asked = getattr(scorer, "_response_method", "predict")
        ways = (asked,) if isinstance(asked, str) else asked
        if not any(hasattr(setup.model, way) for way in ways):
            raise PartError(
                f"Retune(scoring={self.scoring!r}): {type(last_step(setup.model)).__name__} "
                f"has no {ways[0]}"
            )
        score = getattr(scorer, "_score_func", None)
        weighted = score is None or "sample_weight" in inspect.signature(score).parameters
        if setup.fit_weight is not None and not weighted:
            raise PartError(
                f"Retune(scoring={self.scoring!r}): takes no weights, and the stream has some; use "
                "another score, or build the stream without `weight`"
            )

    def rows_fitted(self, rows: int) -> int:
        """Rows of all fits: each combination on the first 1, 2, ... stretches, the best on all."""
        stretch = self._stretch(rows)
        if stretch == 0:  # too few to split: the training fails before it fits anything
            return rows
        once = sum(rows - stretch * k for k in range(1, self.splits + 1))
        return self._combinations() * once + rows

    def fit(self, model: Any, X: Any, y: Labels, weights: Weights, parent: Any, seed: int) -> Any:
        """Search, and return the best model, fitted on all rows."""

        from sklearn.model_selection import TimeSeriesSplit

        grid, best, highest = self._resolved(model), None, np.nan
        folds = [
            (older, newer)
            for older, newer in TimeSeriesSplit(self.splits).split(y)
            if weights is None or weights[newer].any()
        ]
        for parameters in self._tried(grid):
            scores = [self._score(_with(model, parameters), X, y, weights, *fold) for fold in folds]
            score = float(np.mean(scores)) if scores else np.nan
            if score > highest or np.isnan(highest):  # of equals the first
                best, highest = parameters, score
        if best is None or np.isnan(highest):
            rows = self._stretch(len(y))
            raise ValueError(f"no combination has a score on stretches of {rows} rows")
        return fit_weighted(_with(model, best), X, y, weights)

    def _tried(self, grid: dict[str, list[Any]]) -> Iterable[dict[str, Any]]:
        """The combinations to try."""

        from sklearn.model_selection import ParameterGrid, ParameterSampler

        tried: Iterable[dict[str, Any]] = ParameterGrid(grid)
        if self.search == "random":
            tried = ParameterSampler(grid, self._combinations(), random_state=self.seed)
        return tried

    def _score(
        self, model: Any, X: Any, y: Labels, weights: Weights, older: Indices, newer: Indices
    ) -> float:
        """Score on newer rows of a model, fitted here on older ones."""

        from sklearn.metrics import get_scorer
        from sklearn.utils import _safe_indexing

        before, extra = None, {}
        if weights is not None:
            before, newer = weights[older], newer[weights[newer] > 0]
            extra = {"sample_weight": weights[newer]}
        fitted = fit_weighted(model, _safe_indexing(X, older), y[older], before)
        score = fitted.score if self.scoring is None else partial(get_scorer(self.scoring), fitted)
        return float(score(_safe_indexing(X, newer), y[newer], **extra))

    def _stretch(self, rows: int) -> int:
        return rows // (self.splits + 1)

    def _combinations(self) -> int:
        from sklearn.model_selection import ParameterGrid

        every = len(ParameterGrid(dict(self.grid)))
        return every if self.search == "grid" else min(self.iterations, every)

    def _resolved(self, model: Any) -> dict[str, list[Any]]:
        """The grid by the names that the model itself uses."""
        parameters, prefix = model.get_params(), last_prefix(model)
        resolved = {}
        for name, values in self.grid.items():
            full = f"{prefix}{name}" if f"{prefix}{name}" in parameters else name
            if full not in parameters:
                last = last_step(model)
                own = sorted(last.get_params(deep=False))
                raise PartError(
                    f"Retune(grid): {type(last).__name__} has no parameter {name!r}; did you mean "
                    f"{nearest(name, own)}? There are {', '.join(own)}"
                )
            resolved[full] = list(values)
        return resolved


def _with(model: Any, parameters: Mapping[str, Any]) -> Any:
    """A new model with other parameters; those that are estimators are copied."""

    from sklearn.base import clone

    return clone(model).set_params(**clone(dict(parameters), safe=False))
