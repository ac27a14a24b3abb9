"""Metrics that others wrote: functions, objects, and scorers of scikit-learn."""

import inspect
import pkgutil
from collections.abc import Callable
from dataclasses import dataclass, replace
from functools import cached_property, partial
from typing import Any

import numpy as np
from numpy.typing import NDArray

from backtrain.simulator.outcomes import (
    Metric,
    MetricError,
    Outcomes,
    decoded,
    name_of,
    takes_outcomes,
    weighted_mean,
)
from backtrain.simulator.texts import code

#: How the names of scikit-learn's metrics end, and whether greater is better then.
_ENDINGS = {"_score": True, "_error": False, "_loss": False, "_deviance": False}
#: How functions call probabilities among their arguments.
_PROBABLE = ("y_score", "y_prob", "y_proba", "scores", "probabilities")
#: Errors of code, not of numbers: they would come up on any rows.
_SLIPS = (TypeError, NameError, AttributeError, ImportError, SyntaxError)


def own_metric(given: Any) -> Metric:
    """What was given as a metric, in one form; raises `MetricError` where it is none."""
    if isinstance(given, type):
        raise MetricError(f"metric {code(given)}: is a class; give an object: {given.__name__}()")
    if isinstance(given, Metric):
        return _of_metric(given)
    if _is_scorer(given):
        scorer = _Scorer(given)
        return Metric(scorer, True, scorer.name, None, scorer.needs_probability)
    if hasattr(given, "rows") and hasattr(given, "needs_probability"):
        mean = _MeanLoss(given)
        needs = given.needs_probability, bool(getattr(given, "needs_quantiles", False))
        return Metric(mean, False, given.name, given.task, needs[0], needs_quantiles=needs[1])
    if not callable(given):
        raise MetricError(
            f"metric {given!r}: not a metric; give a name, a function of labels and predictions, "
            "or an object that takes outcomes"
        )
    name = name_of(given)
    return _of_metric(
        Metric(
            given,
            _direction(given, name),
            name,
            _said(given, "task", None),
            bool(_said(given, "needs_probability", _wants_probabilities(given))),
            bool(_said(given, "binary", False)),
            bool(_said(given, "ranks", False)),
            bool(_said(given, "needs_quantiles", False)),
        )
    )


def by_name(name: str) -> Any:
    """A scorer of scikit-learn, or what a dotted name means; None where there is no such thing.

    Raises `MetricError` where the module is there and holds no such name, or cannot be imported.
    """
    from sklearn.metrics import get_scorer, get_scorer_names

    if name in get_scorer_names():
        return get_scorer(name)
    if "." not in name or not all(step.isidentifier() for step in name.split(".")):
        return None
    try:
        return pkgutil.resolve_name(name)
    except (ImportError, AttributeError) as error:
        raise MetricError(
            f"{name!r}: {error}; a function of your own is named by module and name, and its "
            "module must be on the path of Python"
        ) from None


def guarded(name: str, function: Callable[..., Any], *given: Any, **named: Any) -> Any:
    """What a function of others returns; its errors become a `MetricError` that names it."""
    try:
        return function(*given, **named)
    except MetricError:
        raise
    except Exception as error:
        rows = len(given[0])
        shown = " ".join(f"{type(error).__name__}: {error}".split())
        raise MetricError(f"{name} failed on {rows} rows ({_place(error)}{shown})") from error


def rehearse(metric: Metric, outcomes: Callable[[], Outcomes]) -> None:
    """Raise `MetricError` for slips in the code of a metric, before anything is trained."""
    own: Any = metric.function
    if not isinstance(own, _Own):
        return
    try:
        metric(outcomes())
    except MetricError as error:
        if error.__cause__ is None or isinstance(error.__cause__, _SLIPS):
            raise


class _Own:
    """Marks what others wrote: it is rehearsed."""


@dataclass(frozen=True)
class _OfOutcomes(_Own):
    """A function of outcomes, or an object."""

    function: Callable[[Outcomes], Any]
    name: str

    def __call__(self, outcomes: Outcomes) -> float:
        return _number(self.name, guarded(f"metric {self.name!r}", self.function, outcomes))

    def __getattr__(self, name: str) -> Any:
        """What it takes from the labels known at ``start``, if it does."""
        if name != "at_start":
            raise AttributeError(name)
        bind = getattr(self.function, name)
        return lambda known: _OfOutcomes(bind(known), self.name)


@dataclass(frozen=True)
class _OfLabels(_Own):
    """A function of labels and predictions, or probabilities."""

    function: Callable[..., Any]
    name: str
    probable: bool

    def __call__(self, outcomes: Outcomes) -> float:
        label, answer = decoded(outcomes)
        if self.probable:
            answer = _probabilities(outcomes)
            answer = answer[:, outcomes.positive] if outcomes.positive >= 0 else answer
        rows, weight = _weighing(self.name, self.function, outcomes.weight)
        found = guarded(f"metric {self.name!r}", self.function, label[rows], answer[rows], **weight)
        return _number(self.name, found)


@dataclass(frozen=True)
class _MeanLoss(_Own):
    """The mean of a loss by weight."""

    loss: Any

    def __call__(self, outcomes: Outcomes) -> float:
        rows = guarded(f"metric {self.loss.name!r}", self.loss.rows, outcomes)
        return weighted_mean(rows, outcomes.weight)

    def __getattr__(self, name: str) -> Any:
        if name != "at_start":
            raise AttributeError(name)
        bind = getattr(self.loss, name)
        return lambda known: _MeanLoss(bind(known))


@dataclass(frozen=True)
class _Scorer(_Own):
    """A scorer of scikit-learn, which asks a model that answers what was answered."""

    scorer: Any

    @cached_property
    def name(self) -> str:
        """The name by which scikit-learn knows it, else its function's, ``neg_`` where turned."""
        from sklearn.metrics import get_scorer, get_scorer_names

        shown = repr(self.scorer)
        known = (name for name in get_scorer_names() if repr(get_scorer(name)) == shown)
        score = partial(self.scorer._score_func, **getattr(self.scorer, "_kwargs", {}))
        minus = "neg_" if self.scorer._sign < 0 else ""
        return next(known, minus + name_of(score))

    @cached_property
    def needs_probability(self) -> bool:
        """Whether it asks for more than `predict`."""
        asked = getattr(self.scorer, "_response_method", "predict")
        return bool(
            asked != "predict" and "predict" not in ((asked,) if isinstance(asked, str) else asked)
        )

    def __call__(self, outcomes: Outcomes) -> float:
        label, answer = decoded(outcomes)
        what = f"metric {self.name!r}"
        score = getattr(self.scorer, "_score_func", self.scorer)
        rows, weight = _weighing(self.name, score, outcomes.weight)
        probability = _probabilities(outcomes)[rows] if outcomes.score is not None else None
        model = _answering(outcomes, answer[rows], probability)
        place = np.arange(len(label[rows])).reshape(-1, 1)
        found = guarded(what, lambda X, y: self.scorer(model, X, y, **weight), place, label[rows])
        return _number(self.name, found)


def _answering(
    outcomes: Outcomes, prediction: NDArray[Any], probability: NDArray[np.float64] | None
) -> Any:
    """A fitted model of scikit-learn that says to row i what was said to it."""
    from sklearn.base import BaseEstimator, ClassifierMixin, RegressorMixin

    def predict(self: Any, X: Any) -> Any:
        return prediction

    def predict_proba(self: Any, X: Any) -> Any:
        return probability

    says: dict[str, Any] = {"__sklearn_is_fitted__": lambda self: True, "predict": predict}
    if outcomes.classes is not None:
        says["classes_"] = outcomes.classes
    if probability is not None:
        says["predict_proba"] = predict_proba
    mixin = RegressorMixin if outcomes.classes is None else ClassifierMixin
    return type("Answers", (mixin, BaseEstimator), says)()


def _of_metric(metric: Metric) -> Metric:
    """The same, with a function that takes outcomes and returns a number or says what is wrong."""
    function: Any = metric.function
    if isinstance(function, _Own):
        return metric
    own: Any = _OfOutcomes(function, metric.name)
    if _is_scorer(function):
        own = _Scorer(function)
    elif not takes_outcomes(function):
        own = _OfLabels(function, metric.name, metric.needs_probability)
    return replace(metric, function=own)


def _is_scorer(given: Any) -> bool:
    """Whether it is what scikit-learn's ``make_scorer`` gives."""
    return hasattr(given, "_score_func") and hasattr(given, "_sign")


def _said(given: Any, name: str, default: Any) -> Any:
    """What an object, a function, or the function in a partial one says of itself."""
    inner = given.func if isinstance(given, partial) else given
    return getattr(given, name, getattr(inner, name, default))


def _direction(given: Any, name: str) -> bool:
    """Which way is better: as an attribute says, or as scikit-learn's names end."""
    said = _said(given, "greater_is_better", None)
    if isinstance(said, (bool, np.bool_)):
        return bool(said)
    plain = name_of(given.func if isinstance(given, partial) else given)
    for ending, greater in _ENDINGS.items():
        if plain.endswith(ending):
            return greater
    shown = plain if plain.isidentifier() else "function"
    raise MetricError(
        f"metric {name!r}: is more better, or less? Say {shown}.greater_is_better = False beside "
        f"it, or Metric({shown}, greater_is_better=False), or let its name end with _score (more "
        "is better), _error or _loss (less is)"
    )


def _wants_probabilities(function: Any) -> bool:
    """Whether the second argument is named like probabilities, or it is a log loss."""
    inner = function.func if isinstance(function, partial) else function
    if getattr(inner, "__name__", "") in ("log_loss", "d2_log_loss_score"):
        return True
    try:
        names = list(inspect.signature(inner).parameters)
    except (TypeError, ValueError):
        return False
    return len(names) > 1 and names[1] in _PROBABLE


def _weighing(
    name: str, function: Any, weight: NDArray[np.float64] | None
) -> tuple[NDArray[np.int64] | slice, dict[str, Any]]:
    """Which rows a function is given, and the weights, where it takes some."""
    if weight is None:
        return slice(None), {}
    rows = np.flatnonzero(weight)
    weight = weight[rows]
    if "sample_weight" in inspect.signature(function).parameters:
        return rows, {"sample_weight": weight}
    if (weight == weight[0]).all():
        return rows, {}
    raise MetricError(
        f"metric {name!r}: takes no sample_weight, but the rows have weights; add that parameter, "
        "or take a function of outcomes (one argument)"
    )


def _probabilities(o: Outcomes) -> NDArray[np.float64]:
    """Probability of every class, shape (n, k)."""
    if o.probability is not None:
        return o.probability
    assert o.score is not None
    assert o.classes is not None
    both = np.zeros((len(o), len(o.classes)))
    both[:, o.positive] = o.score
    both[:, 1 - o.positive] = 1 - o.score
    return both


def _number(name: str, found: Any) -> float:
    """One number; raises `MetricError` for all else."""
    try:
        value = np.asarray(found, dtype=np.float64)
    except (TypeError, ValueError):
        value = np.empty(2)
    if found is None or value.shape != ():
        what = f"shape {np.shape(found)}" if np.ndim(found) else repr(found)
        raise MetricError(f"metric {name!r}: returned {what}; a metric is one number")
    return float(value)


def _place(error: Exception) -> str:
    """The file and line in which it was raised, where that is the user's own."""
    trace, place = error.__traceback__, ""
    while trace is not None:
        file = trace.tb_frame.f_code.co_filename
        if "site-packages" not in file and not file.endswith("own_metrics.py"):
            place = f"{file}, line {trace.tb_lineno}: "
        trace = trace.tb_next
    return place
