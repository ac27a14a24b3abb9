"""A model of several quantiles, made of a model of one: a copy of it for each level."""

import inspect
from collections.abc import Sequence
from typing import Any, Self

import numpy as np
from numpy.typing import NDArray
from sklearn.base import BaseEstimator, MetaEstimatorMixin, RegressorMixin, clone
from sklearn.compose import TransformedTargetRegressor
from sklearn.pipeline import Pipeline

from backtrain.simulator.answers import SetupError
from backtrain.simulator.levels import read_levels

#: Of what learns one quantile: the parameter of its level, and the one that must say so, and how.
_KNOWN = {
    "QuantileRegressor": ("quantile", None, None),
    "HistGradientBoostingRegressor": ("quantile", "loss", "quantile"),
    "GradientBoostingRegressor": ("alpha", "loss", "quantile"),
    "LGBMRegressor": ("alpha", "objective", "quantile"),
    "XGBRegressor": ("quantile_alpha", "objective", "reg:quantileerror"),
    "CatBoostRegressor": ("loss_function", None, None),
}


class Quantiles(MetaEstimatorMixin, RegressorMixin, BaseEstimator):  # type: ignore[misc]
    """Fits a copy of a model for each level, and answers them all, in rising order.

    For ``Setup(quantiles=...)`` of the same levels. What learns one quantile is told which:
    QuantileRegressor, HistGradientBoostingRegressor, GradientBoostingRegressor, LGBMRegressor,
    XGBRegressor and CatBoostRegressor, also as the last step of a pipeline, or within
    TransformedTargetRegressor; their loss is set, if it is the usual one. Quantiles that cross are
    sorted, as Chernozhukov, Fernández-Val & Galichon (2010), Econometrica 78, 1093-1125, do.

    Parameters
    ----------
    estimator : estimator
        What is copied.
    levels : sequence of float
        Between 0 and 1, rising; None, as the command line has it without ``quantiles=``, is
        refused.
    parameter : str, optional
        The parameter of the level, for any other model, such as ``"regressor__alpha"``.

    Attributes
    ----------
    estimators_ : list
        The fitted copies, one a level.

    Raises
    ------
    SetupError
        By ``fit``, where the level's parameter is not known, or the loss is another one.

    >>> from sklearn.linear_model import QuantileRegressor
    >>> X, y = np.arange(20.0).reshape(-1, 1), np.arange(20.0)
    >>> Quantiles(QuantileRegressor(alpha=0), [0.1, 0.9]).fit(X, y).predict(X[:3]).shape
    (3, 2)
    """

    #: Where the estimator stands that is given weights.
    learns_by = "estimator"
    #: That `score` takes all levels.
    scores_quantiles = True

    def __init__(
        self,
        estimator: Any,
        levels: Sequence[float] | None = (0.1, 0.5, 0.9),
        parameter: str | None = None,
    ) -> None:
        self.estimator = estimator
        self.levels = levels
        self.parameter = parameter

    def fit(self, X: Any, y: Any, sample_weight: Any = None, **fit_params: Any) -> Self:
        """Fit all copies on n rows; ``sample_weight`` and more goes to the step that learns."""
        given = dict(fit_params)
        if sample_weight is not None:
            given["sample_weight"] = sample_weight
        prefix = _learner(self.estimator)[0].removesuffix("regressor__")
        self.estimators_ = [
            self.at(level).fit(X, y, **{f"{prefix}{name}": value for name, value in given.items()})
            for level in read_levels(self.levels, "levels")
        ]
        return self

    def predict(self, X: Any) -> NDArray[np.float64]:
        """The quantiles of n rows, shape (n, levels), each row in rising order."""
        answers = [np.asarray(model.predict(X)).reshape(len(X)) for model in self.estimators_]
        return np.sort(np.column_stack(answers), axis=1)

    def score(self, X: Any, y: Any, sample_weight: Any = None) -> float:
        """Minus the mean pinball loss over rows and levels."""
        levels = np.array(read_levels(self.levels, "levels"))
        gap = np.asarray(y)[:, None] - self.predict(X)
        loss = np.maximum(levels * gap, (levels - 1) * gap).mean(axis=1)
        return -float(np.average(loss, weights=sample_weight))

    def at(self, level: float) -> Any:
        """A copy that is told to learn one quantile."""
        return clone(self.estimator).set_params(**self.told(level))

    def told(self, level: float) -> dict[str, Any]:
        """The parameters that tell the estimator its level."""
        if self.parameter is not None:
            if self.parameter not in self.estimator.get_params():
                raise SetupError(
                    f"Quantiles(parameter={self.parameter!r}): {type(self.estimator).__name__} has "
                    f"no such parameter; there are {', '.join(sorted(self.estimator.get_params()))}"
                )
            return {self.parameter: level}
        prefix, last = _learner(self.estimator)
        kinds = {kind.__name__: kind for kind in type(last).__mro__}
        known = next((name for name in _KNOWN if name in kinds), None)
        if known is None:
            raise SetupError(
                f"Quantiles: {type(last).__name__} has no level that is known here; name its "
                f"parameter, Quantiles(model, levels, parameter=...), or use {', '.join(_KNOWN)}"
            )
        parameter, says, how = _KNOWN[known]
        if known == "CatBoostRegressor":
            says, how = parameter, f"Quantile:alpha={level}"
        if says is None:
            return {f"{prefix}{parameter}": level}
        now = last.get_params().get(says)
        usual = inspect.signature(kinds[known]).parameters
        free = (None, how, usual[says].default if says in usual else None, "reg:squarederror")
        if now not in free and not str(now).startswith("Quantile:"):
            raise SetupError(
                f"Quantiles: {type(last).__name__}({says}={now!r}) learns no quantile; leave "
                f"{says} away, or use {says}={how!r}"
            )
        told = {f"{prefix}{says}": how}
        return told if says == parameter else {**told, f"{prefix}{parameter}": level}


def _learner(model: Any) -> tuple[str, Any]:
    """What the names of its parameters begin with, and the estimator that learns the target."""
    prefix = ""
    while isinstance(model, (Pipeline, TransformedTargetRegressor)):
        inside = isinstance(model, Pipeline)
        name, model = model.steps[-1] if inside else ("regressor", model.regressor)
        prefix += f"{name}__"
    return prefix, model
