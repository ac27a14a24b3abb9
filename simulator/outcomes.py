"""What losses and metrics are given: labels beside answers, and what was known at ``start``."""

from collections.abc import Callable, Mapping
from dataclasses import dataclass, field, fields, replace
from functools import partial
from inspect import Parameter, signature
from typing import Any

import numpy as np
import pandas as pd
from numpy.typing import NDArray

from backtrain.datasets.calendar import Calendar
from backtrain.simulator.answers import PartError
from backtrain.simulator.texts import code

Floats = NDArray[np.float64]

#: The fields of `Outcomes` that hold a value a row.
ROWS = (
    *("label", "prediction", "score", "probability", "weight", "amount", "group"),
    *("quantiles", "event_time"),
)


class MetricError(PartError):
    """A loss or metric does not exist, does not fit the task, or cannot be computed."""


#: Marks a field that a class did not always have: at its default it is in no name and no record.
LATER = {"later": True}


class Grown:
    """A dataclass with such fields: pickled without them, it is what it was, and so named."""

    def __getstate__(self) -> dict[str, Any]:
        """The fields, but for later ones at their default."""
        given = fields(self)  # type: ignore[arg-type]  # a dataclass
        return {spec.name: getattr(self, spec.name) for spec in given if is_said(self, spec)}


def is_said(of: Any, spec: Any) -> bool:
    """Whether a field of a dataclass belongs into its names and records."""
    return not spec.metadata.get("later") or getattr(of, spec.name) is not spec.default


@dataclass(frozen=True, eq=False)
class Outcomes(Grown):
    """Labels beside the answers given to the same n rows.

    Attributes
    ----------
    label, prediction : ndarray of shape (n,)
        Floats for regression; positions in ``classes`` for classification.
    score : ndarray of shape (n,) or None
        Probability of the positive class (binary) or of the predicted class (multiclass).
    probability : ndarray of shape (n, k) or None
        Probability of every class; only where there are more than two.
    classes : ndarray of shape (k,) or None
        The class labels in sorted order; None for regression.
    weight : ndarray of shape (n,) or None
        Row weights.
    positive : int
        Position of the positive class; -1 where there were not exactly two at ``start``.
    amount : ndarray of shape (n,) or None
        What each row is about, where the stream says so.
    group : ndarray of shape (n,) or None
        Which series, user or query each row belongs to, where the stream says so.
    group_columns : mapping of str to mapping, or None
        Where several columns make a group, of each of them the key of each group.
    quantiles : ndarray of shape (n, q) or None
        Of a model of several quantiles the answer at each level, ascending; ``prediction`` is then
        that at the level nearest 0.5.
    levels : tuple of q floats, or None
        These levels, ascending.
    event_time : ndarray of shape (n,) or None
        When each row happened, in UTC.
    """

    label: NDArray[Any]
    prediction: NDArray[Any]
    score: Floats | None = None
    probability: Floats | None = None
    classes: NDArray[Any] | None = None
    weight: Floats | None = None
    positive: int = 1
    amount: Floats | None = None
    group: NDArray[Any] | None = field(default=None, metadata=LATER)
    group_columns: Mapping[str, Mapping[Any, Any]] | None = field(default=None, metadata=LATER)
    quantiles: Floats | None = field(default=None, metadata=LATER)
    levels: tuple[float, ...] | None = field(default=None, metadata=LATER)
    event_time: NDArray[np.datetime64] | None = field(default=None, metadata=LATER)

    def __len__(self) -> int:
        return len(self.label)


def keys_of(
    group: NDArray[Any], columns: Mapping[str, Mapping[Any, Any]] | None, column: str
) -> tuple[NDArray[np.int64], NDArray[Any]]:
    """Of n rows the number of the key that their group has in one column, and these keys.

    Raises `MetricError` where groups are not made of that column and others.
    """
    if not columns or column not in columns:
        made = f"of {', '.join(columns)}" if columns else "of one column"
        raise MetricError(
            f"by {column}: groups are made {made}; use one of several columns that group=[...] "
            "names, or by group"
        )
    codes, names = pd.factorize(group)
    if strange := [name for name in names if name not in columns[column]]:
        raise MetricError(f"by {column}: group {strange[0]!r} has no key in that column")
    own, keys = pd.factorize(np.array([columns[column][name] for name in names], dtype=object))
    return own[codes], keys


@dataclass(frozen=True, eq=False)
class Known(Grown):
    """The n rows before ``start``, in event order, with the labels that are known then.

    Attributes
    ----------
    label : ndarray of shape (n,)
        As in `Outcomes`; NaN, or -1, where the label is not known at ``start``.
    group, weight : ndarray of shape (n,) or None
        As in `Outcomes`.
    event_time : ndarray of shape (n,) or None
        When each row happened.
    calendar : Calendar or None
        Whose days periods are of.
    ticks : ndarray of shape (t,) or None
        Instants at which strategies may act, in nanoseconds; None where they are counted in rows.
    """

    label: NDArray[Any]
    group: NDArray[Any] | None = None
    weight: Floats | None = None
    event_time: NDArray[np.datetime64] | None = field(default=None, metadata=LATER)
    calendar: Calendar | None = field(default=None, metadata=LATER)
    ticks: NDArray[np.int64] | None = field(default=None, metadata=LATER)


@dataclass(frozen=True)
class Metric(Grown):
    """A number for a set of rows, and the direction in which it is better.

    Parameters
    ----------
    function : callable
        Takes `Outcomes` where it has one positional argument, or its first is called
        ``outcomes``; else labels and predictions (of classifiers, class labels), and
        ``sample_weight=`` where the stream has weights.
    greater_is_better : bool
        The direction.
    name : str
        What reports and records call it; by default the function's own name.
    task : {"classification", "regression"}, optional
        What it is for; both by default.
    needs_probability : bool
        Whether the model must give probabilities. A function of labels and predictions is then
        given these instead: of the positive class, shape (n,), or of all classes, (n, k).
    binary : bool
        Whether it is for two classes only.
    ranks : bool
        Whether it ranks rows by answers: of classifiers, by the probability of the positive class,
        so that it needs these and is for two classes.
    needs_quantiles : bool
        Whether the model must give several quantiles.

    >>> def bias(labels, predictions):
    ...     return (predictions - labels).mean()
    >>> Metric(bias, greater_is_better=False).name
    'bias'
    """

    function: Callable[..., Any]
    greater_is_better: bool
    name: str = ""
    task: str | None = None
    needs_probability: bool = False
    binary: bool = False
    ranks: bool = False
    needs_quantiles: bool = field(default=False, metadata=LATER)

    def __post_init__(self) -> None:
        if not callable(self.function):
            raise MetricError(f"Metric({self.function!r}): not a function; give one, or an object")
        if not isinstance(self.greater_is_better, bool):
            raise MetricError(
                f"Metric(greater_is_better={self.greater_is_better!r}): give True or False"
            )
        object.__setattr__(self, "name", self.name or name_of(self.function))

    def __call__(self, outcomes: Outcomes) -> float:
        """Value over the rows; NaN where it is not defined (no weight, one class for an AUC)."""
        weight = outcomes.weight
        counts = len(outcomes) > 0 and (weight is None or bool(weight.any()))
        return float(self.function(outcomes)) if counts else float("nan")

    def at_start(self, known: Known) -> "Metric":
        """The same, for functions that take something from the labels known at ``start``."""
        bind = getattr(self.function, "at_start", None)
        return self if bind is None else replace(self, function=bind(known))

    def worse(self, value: float, than: float) -> bool:
        """Whether ``value`` is worse than ``than``, in this metric's own direction."""
        return value < than if self.greater_is_better else value > than


def name_of(function: Any) -> str:
    """What a function or object is called: its ``name``, else its own; parameters beside it."""
    own = getattr(function, "name", None)
    if isinstance(own, str) and own:
        return own
    if isinstance(function, partial):
        given = [*map(str, function.args), *(f"{k}={v}" for k, v in function.keywords.items())]
        return f"{name_of(function.func)} {', '.join(given)}".strip()
    name = getattr(function, "__name__", type(function).__name__)
    return code(function) if name == "<lambda>" else str(name)


def takes_outcomes(function: Callable[..., Any]) -> bool:
    """Whether a function has one positional argument, or its first one is called ``outcomes``.

    It is then given `Outcomes`, others labels and predictions.
    """
    try:
        parameters = signature(function).parameters.values()
    except (TypeError, ValueError):  # some functions of C extensions do not tell
        return False
    kinds = (Parameter.POSITIONAL_ONLY, Parameter.POSITIONAL_OR_KEYWORD)
    names = [parameter.name for parameter in parameters if parameter.kind in kinds]
    return len(names) == 1 or names[:1] == ["outcomes"]


def decoded(outcomes: Outcomes) -> tuple[NDArray[Any], NDArray[Any]]:
    """Labels and predictions as the stream has them: class labels, not positions."""
    if outcomes.classes is None:
        return outcomes.label, outcomes.prediction
    return outcomes.classes[outcomes.label], outcomes.classes[outcomes.prediction]


def weighted_mean(values: NDArray[Any], weight: Floats | None) -> float:
    """Mean of rows by weight; NaN where there are none, or none that weighs anything.

    Equal weights give the plain mean, to the last bit.
    """
    if weight is not None and not weight.any():
        return float("nan")
    if weight is None or (weight == weight[0]).all():
        return float(values.mean()) if len(values) else float("nan")
    return float(values @ weight / weight.sum())
