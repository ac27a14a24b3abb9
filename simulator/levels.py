"""The levels of a model that answers several quantiles: checked, and their answers."""

from collections.abc import Iterable
from itertools import pairwise
from typing import Any

import numpy as np
import pandas as pd
from numpy.typing import NDArray

from backtrain.datasets.values import is_number
from backtrain.simulator.answers import SetupError
from backtrain.simulator.outcomes import Floats, MetricError, Outcomes

#: What libraries call the levels that a model answers at once.
_CALLED = ("levels", "quantile_alpha", "default_quantiles", "q")
#: How CatBoost writes them.
_MULTI = "MultiQuantile:alpha="


def read_levels(given: Any, name: str = "quantiles") -> tuple[float, ...]:
    """Levels in one form; raises `SetupError` unless they ascend between 0 and 1."""
    listed = isinstance(given, Iterable) and not isinstance(given, (str, dict))
    levels = list(given) if listed else [given]
    if not listed or not levels or not all(is_number(q) and 0 < q < 1 for q in levels):
        raise SetupError(f"{name}={given!r}: give levels between 0 and 1, such as [0.1,0.5,0.9]")
    if any(q >= after for q, after in pairwise(levels)):
        raise SetupError(f"{name}={given!r}: give each level once, in rising order")
    return tuple(float(q) for q in levels)


def point(levels: tuple[float, ...]) -> int:
    """The place of the level nearest 0.5, of two as near the lower one.

    >>> point((0.1, 0.5, 0.9)), point((0.4, 0.6))
    (1, 0)
    """
    return int(np.argmin(np.round(np.abs(np.array(levels) - 0.5), 12)))


def column_of(level: float) -> str:
    """The column of a record in which the answers at a level stand: "q0.1"."""
    return f"q{level:.12g}"


def at_level(outcomes: Outcomes, level: float, who: str) -> Floats:
    """What was answered at a level, shape (n,); `MetricError` where it is none of the model's.

    Without several quantiles, whatever was answered.
    """
    if outcomes.quantiles is None or outcomes.levels is None:
        return outcomes.prediction
    near = np.flatnonzero(np.isclose(outcomes.levels, level, rtol=0, atol=1e-9))
    if not len(near):
        raise MetricError(
            f"{who}: the model answers no quantile {level:g}, but {list(outcomes.levels)}; use one "
            f"of these, or add it to the model and to quantiles="
        )
    return np.asarray(outcomes.quantiles[:, near[0]])


def several(outcomes: Outcomes, who: str) -> tuple[Floats, Floats]:
    """The answers (n, q) and their levels (q,); raises `MetricError` where there is one a row."""
    if outcomes.quantiles is None or outcomes.levels is None:
        raise MetricError(f"{who} {NEEDS}")
    return outcomes.quantiles, np.array(outcomes.levels)


#: What to say where a loss or metric needs several quantiles.
NEEDS = (
    "needs several quantiles a row: model=quantiles, Quantiles(model, levels) or what else "
    "answers them, and quantiles=[0.1,0.5,0.9]"
)


def arranged(answers: NDArray[Any], rows: int, levels: tuple[float, ...]) -> Floats:
    """What ``predict`` gave, as (rows, q), each row ascending; raises `ValueError` for its shape.

    Quantiles that cross are put in order (Chernozhukov, Fernández-Val & Galichon 2010,
    Econometrica 78, 1093-1125), which never raises the mean pinball loss. Some libraries give
    (q, rows).
    """
    q = len(levels)
    if answers.shape == (q, rows) and rows != q:
        answers = answers.T
    if answers.ndim == 1 and q == 1:
        answers = answers.reshape(-1, 1)
    if answers.shape != (rows, q):
        raise ValueError(
            f"predict gave {answers.shape} to {rows} rows; quantiles={list(levels)} are "
            f"{rows, q}: use model=quantiles, Quantiles(model, levels) or what else answers them"
        )
    return np.sort(answers.astype(np.float64), axis=1)


def asked_for(model: Any, X: Any, levels: tuple[float, ...]) -> Floats:
    """What a fitted model answers to n rows, (n, q), each row ascending.

    Of as many rows as there are levels the shape does not tell which is which: it is asked about
    them twice over.
    """
    n = len(X)
    if n != len(levels) or n == 1:
        return arranged(np.asarray(model.predict(X)), n, levels)
    again = np.tile(np.arange(n), 2)
    twice = X.iloc[again] if isinstance(X, pd.DataFrame) else X[again]
    return arranged(np.asarray(model.predict(twice)), 2 * n, levels)[:n]


def check_model(model: Any, task: str, levels: tuple[float, ...] | None) -> None:
    """Raise `SetupError` where a model answers other quantiles than are said, as far as it tells.

    Levels stand among its parameters, or among those of the last estimator inside it.
    """
    if levels is not None and task != "regression":
        raise SetupError(
            f"quantiles={list(levels)}: {type(model).__name__} is a classifier, which has "
            "probabilities instead; leave quantiles away, or use a regressor"
        )
    own = _of_model(model)
    said = [float(f"{level:.12g}") for level in own or ()]
    if own is None or said == [float(f"{level:.12g}") for level in levels or ()]:
        return
    if levels is None:
        raise SetupError(
            f"{type(model).__name__} answers the quantiles {said}; say so: quantiles="
            f"{str(said).replace(' ', '')}"
        )
    raise SetupError(
        f"quantiles={list(levels)}: {type(model).__name__} answers {said}, in this order; give "
        "both the same levels, rising"
    )


def _of_model(model: Any) -> list[float] | None:
    """The levels that a model's parameters name; None where they name none, or one."""
    from sklearn.compose import TransformedTargetRegressor
    from sklearn.pipeline import Pipeline

    while isinstance(model, (Pipeline, TransformedTargetRegressor)):
        model = model.steps[-1][1] if isinstance(model, Pipeline) else model.regressor
    if (told := getattr(model, "told", None)) is not None:  # `Quantiles`: whether it can be told
        told(0.5)
        return list(read_levels(model.levels, "quantiles" if model.levels is None else "levels"))
    parameters: dict[str, Any] = getattr(model, "get_params", dict)()
    text = str(parameters.get("loss_function") or "")
    if text.startswith(_MULTI):
        return [float(level) for level in text.removeprefix(_MULTI).split(";")[0].split(",")]
    found = next((v for name in _CALLED if (v := parameters.get(name)) is not None), None)
    if not isinstance(found, (list, tuple, np.ndarray)) or len(found) < 2:
        return None
    are_levels = all(is_number(level) and 0 < level < 1 for level in found)
    return [float(level) for level in found] if are_levels else None
