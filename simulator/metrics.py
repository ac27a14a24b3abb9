"""Row losses, which add up, and metrics, which do not.

A *loss* gives one number a row, so it can be charged, summed over any stretch and attributed to the
version that answered. A *metric* (AUC, F1, RMSE, ...) is computed from rows when it is asked for.
"""

from collections.abc import Callable, Mapping
from dataclasses import dataclass
from difflib import get_close_matches
from functools import lru_cache, partial
from typing import Any, Protocol, cast

import numpy as np
from numpy.typing import NDArray

from backtrain.simulator.texts import code

Floats = NDArray[np.float64]

#: Below it a probability counts as this much, as in scikit-learn's log loss.
_SMALLEST_PROBABILITY = float(np.finfo(np.float64).eps)


class MetricError(ValueError):
    """A loss or metric does not exist, or does not fit the task."""


@dataclass(frozen=True, eq=False)
class Outcomes:
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
    """

    label: NDArray[Any]
    prediction: NDArray[Any]
    score: Floats | None = None
    probability: Floats | None = None
    classes: NDArray[Any] | None = None
    weight: Floats | None = None
    positive: int = 1
    amount: Floats | None = None

    def __len__(self) -> int:
        return len(self.label)


class Loss(Protocol):
    """A number a row: ``rows(outcomes)`` is an array of shape (n,), larger is worse."""

    @property
    def name(self) -> str:
        """How the loss is called in records and reports."""

    @property
    def task(self) -> str | None:
        """``"classification"``, ``"regression"``, or None where it fits both."""

    @property
    def needs_probability(self) -> bool:
        """Whether the model must give probabilities."""

    def rows(self, outcomes: Outcomes) -> Floats:
        """Loss of each row, shape (n,)."""


@dataclass(frozen=True)
class RowLoss:
    """A named loss given by a function of outcomes."""

    name: str
    task: str | None
    function: Callable[[Outcomes], Any]
    needs_probability: bool = False

    def rows(self, outcomes: Outcomes) -> Floats:
        """Loss of each row, shape (n,)."""
        return np.asarray(self.function(outcomes), dtype=np.float64)


def _absolute(outcomes: Outcomes) -> Floats:
    return np.asarray(np.abs(outcomes.label - outcomes.prediction))


def _squared(outcomes: Outcomes) -> Floats:
    return np.asarray(np.square(outcomes.label - outcomes.prediction))


def _zero_one(outcomes: Outcomes) -> NDArray[np.bool_]:
    return np.asarray(outcomes.label != outcomes.prediction)


def _log(outcomes: Outcomes) -> Floats:
    return -np.log(np.clip(_probability_of_label(outcomes), _SMALLEST_PROBABILITY, 1.0))


def _probability_of_label(outcomes: Outcomes) -> Floats:
    rows = np.arange(len(outcomes))
    if outcomes.positive < 0:
        assert outcomes.probability is not None
        return np.asarray(outcomes.probability[rows, outcomes.label])
    assert outcomes.score is not None
    rest = np.zeros(len(outcomes))
    if outcomes.probability is not None:
        # A third class turned up later. Where a model does not know it, this changes no bit.
        others = outcomes.probability.copy()
        others[rows, outcomes.label] = others[:, outcomes.positive] = 0.0
        rest = others.sum(axis=1)
    positive = outcomes.label == outcomes.positive
    return np.where(positive, outcomes.score, 1.0 - outcomes.score - rest)


@dataclass(frozen=True)
class Pinball:
    """Quantile loss: ``max(q * (y - p), (q - 1) * (y - p))`` (Koenker & Bassett 1978).

    >>> import numpy as np
    >>> Pinball(0.9).rows(Outcomes(np.array([10.0, 10.0]), np.array([8.0, 12.0]))).round(3).tolist()
    [1.8, 0.2]
    """

    quantile: float
    task = "regression"
    needs_probability = False

    def __post_init__(self) -> None:
        if not 0 < self.quantile < 1:
            raise MetricError(f"Pinball(quantile={self.quantile!r}): must lie between 0 and 1")

    @property
    def name(self) -> str:
        """How the loss is called in records and reports."""
        return f"pinball {self.quantile:g}"

    def rows(self, outcomes: Outcomes) -> Floats:
        """Loss of each row, shape (n,)."""
        gap = outcomes.label - outcomes.prediction
        return np.asarray(np.maximum(self.quantile * gap, (self.quantile - 1) * gap))


def _custom(function: Callable[[NDArray[Any], NDArray[Any]], Any]) -> RowLoss:
    """Wrap ``function(labels, predictions) -> losses`` so that it sees labels, not positions."""

    name = getattr(function, "__name__", type(function).__name__)
    shown = code(function) if name == "<lambda>" else name
    return RowLoss(shown, None, partial(_of_labels, function))


def _of_labels(function: Callable[[NDArray[Any], NDArray[Any]], Any], outcomes: Outcomes) -> Any:
    if outcomes.classes is None:
        return function(outcomes.label, outcomes.prediction)
    return function(outcomes.classes[outcomes.label], outcomes.classes[outcomes.prediction])


LOSSES: Mapping[str, RowLoss] = {
    loss.name: loss
    for loss in (
        RowLoss("absolute", "regression", _absolute),
        RowLoss("squared", "regression", _squared),
        RowLoss("zero_one", "classification", _zero_one),
        RowLoss("log", "classification", _log, needs_probability=True),
    )
}


def find_loss(loss: str | Loss | Callable[..., Any], task: str | None) -> Loss:
    """Look a loss up by name, or take one (or a function of labels and predictions) as it is."""
    if isinstance(loss, str):
        if loss not in LOSSES:
            raise MetricError(f"loss={loss!r}: {_nearest(loss, LOSSES)}")
        row_loss: Loss = LOSSES[loss]
    elif hasattr(loss, "rows"):
        row_loss = cast(Loss, loss)
    elif callable(loss):
        row_loss = _custom(loss)
    else:
        raise MetricError(f"loss={loss!r}: give a name ({', '.join(LOSSES)}) or a function")
    _refuse_other_task(f"loss={row_loss.name!r}", row_loss.task, task, LOSSES)
    return row_loss


# --- metrics ----------------------------------------------------------------------------------


@dataclass(frozen=True)
class Metric:
    """A number for a set of rows, and the direction in which it is better."""

    name: str
    task: str
    greater_is_better: bool
    function: Callable[[Outcomes], float]
    needs_probability: bool = False
    binary: bool = False

    def __call__(self, outcomes: Outcomes) -> float:
        """Value over the rows; NaN where it is not defined (no weight, one class for an AUC)."""
        weight = outcomes.weight
        counts = len(outcomes) > 0 and (weight is None or bool(weight.any()))
        return float(self.function(outcomes)) if counts else float("nan")

    def worse(self, value: float, than: float) -> bool:
        """Whether ``value`` is worse than ``than``, in this metric's own direction."""
        return value < than if self.greater_is_better else value > than


def weighted_mean(values: NDArray[Any], weight: Floats | None) -> float:
    """Mean of rows by weight; NaN where there are none, or none that weighs anything.

    Equal weights give the plain mean, to the last bit.
    """
    if weight is not None and not weight.any():
        return float("nan")
    if weight is None or (weight == weight[0]).all():
        return float(values.mean()) if len(values) else float("nan")
    return float(values @ weight / weight.sum())


def _mean_of(function: Callable[[Outcomes], NDArray[Any]], o: Outcomes) -> float:
    return weighted_mean(function(o), o.weight)


def _right(o: Outcomes) -> NDArray[np.bool_]:
    return np.asarray(o.label == o.prediction)


def _confusion(o: Outcomes) -> Floats:
    assert o.classes is not None
    k = len(o.classes)
    cells = np.bincount(o.label * k + o.prediction, weights=o.weight, minlength=k * k)
    return cells.reshape(k, k).astype(np.float64)


def _ratio(numerator: Floats, denominator: Floats) -> Floats:
    return np.divide(numerator, denominator, out=np.zeros_like(numerator), where=denominator > 0)


def _of_positive_or_macro(score: Callable[[Floats], Floats], o: Outcomes) -> float:
    """Binary: the positive class. Multiclass: the mean over classes seen in label or prediction."""
    table = _confusion(o)
    values = score(table)
    if o.positive >= 0:
        return float(values[o.positive])
    return float(values[(table.sum(0) + table.sum(1)) > 0].mean())


def _balanced_accuracy(o: Outcomes) -> float:
    table = _confusion(o)
    seen = table.sum(1) > 0
    return float((np.diag(table)[seen] / table.sum(1)[seen]).mean())


def _precision(table: Floats) -> Floats:
    return _ratio(np.diag(table).copy(), table.sum(0))


def _recall(table: Floats) -> Floats:
    return _ratio(np.diag(table).copy(), table.sum(1))


def _f1(table: Floats) -> Floats:
    return _ratio(2 * np.diag(table), table.sum(0) + table.sum(1))


def _roc_auc(o: Outcomes) -> float:
    from scipy.stats import rankdata

    assert o.score is not None
    positive = o.label == o.positive
    if positive.all() or not positive.any():
        return float("nan")
    if o.weight is None:
        above = rankdata(o.score)[positive].sum()
        n = int(positive.sum())
        return float((above - n * (n + 1) / 2) / (n * (len(o) - n)))
    _, group = np.unique(o.score, return_inverse=True)
    plus = np.bincount(group, weights=o.weight * positive)
    minus = np.bincount(group, weights=o.weight * ~positive)
    below = np.cumsum(minus) - minus
    pairs = plus.sum() * minus.sum()
    return float((plus * (below + minus / 2)).sum() / pairs) if pairs > 0 else float("nan")


def _average_precision(o: Outcomes) -> float:
    assert o.score is not None
    weight = np.ones(len(o)) if o.weight is None else o.weight
    positive = weight * (o.label == o.positive)
    if positive.sum() == 0:
        return float("nan")
    _, group = np.unique(-o.score, return_inverse=True)
    hits = np.bincount(group, weights=positive)
    shown = np.bincount(group, weights=weight)
    precision = _ratio(np.cumsum(hits), np.cumsum(shown))
    return float((precision * hits).sum() / hits.sum())


def _brier(o: Outcomes) -> float:
    assert o.score is not None
    return weighted_mean(np.square(o.score - (o.label == o.positive)), o.weight)


def _rmse(o: Outcomes) -> float:
    return float(weighted_mean(_squared(o), o.weight) ** 0.5)


def _mape(o: Outcomes) -> float:
    size = np.maximum(np.abs(o.label), np.finfo(np.float64).eps)
    return weighted_mean(np.abs(o.label - o.prediction) / size, o.weight)


def _r2(o: Outcomes) -> float:
    spread = weighted_mean(np.square(o.label - weighted_mean(o.label, o.weight)), o.weight)
    error = weighted_mean(_squared(o), o.weight)
    return 1.0 - error / spread if spread > 0 else float("nan")


_C, _R = "classification", "regression"

#: Every metric by name. Directions follow scikit-learn; so do the values.
METRICS: Mapping[str, Metric] = {
    metric.name: metric
    for metric in (
        Metric("accuracy", _C, True, partial(_mean_of, _right)),
        Metric("balanced accuracy", _C, True, _balanced_accuracy),
        Metric("precision", _C, True, partial(_of_positive_or_macro, _precision)),
        Metric("recall", _C, True, partial(_of_positive_or_macro, _recall)),
        Metric("F1", _C, True, partial(_of_positive_or_macro, _f1)),
        Metric("ROC AUC", _C, True, _roc_auc, needs_probability=True, binary=True),
        Metric("average precision", _C, True, _average_precision, True, binary=True),
        Metric("Brier", _C, False, _brier, needs_probability=True, binary=True),
        Metric("log loss", _C, False, partial(_mean_of, _log), True),
        Metric("MAE", _R, False, partial(_mean_of, _absolute)),
        Metric("RMSE", _R, False, _rmse),
        Metric("MAPE", _R, False, _mape),
        Metric("R2", _R, True, _r2),
    )
}


def find_metric(name: str, task: str | None = None) -> Metric:
    """Look a metric up by name; case, spaces, hyphens and underscores do not matter.

    >>> find_metric("roc_auc").name
    'ROC AUC'
    """
    plain = {_plain(key): metric for key, metric in METRICS.items()}
    metric = plain.get(_plain(name)) if isinstance(name, str) else None
    if metric is None:
        raise MetricError(f"metric {name!r}: {_nearest(name, METRICS)}")
    _refuse_other_task(f"metric {metric.name!r}", metric.task, task, METRICS)
    return metric


def _refuse_other_task(
    what: str, own: str | None, task: str | None, table: Mapping[str, RowLoss | Metric]
) -> None:
    """Raise `MetricError` for a loss or metric of another task than the model's."""
    if None not in (own, task) and own != task:
        fitting = ", ".join(name for name, other in table.items() if other.task == task)
        raise MetricError(f"{what} is for {own}, but the model does {task}; use one of {fitting}")


@lru_cache
def _plain(name: str) -> str:
    return "".join(letter for letter in name.lower() if letter.isalnum())


def _nearest(name: object, table: Mapping[str, object]) -> str:
    keys = {key.lower(): key for key in table}
    near = get_close_matches(str(name).lower(), list(keys), n=1, cutoff=0.5)
    hint = f"did you mean {keys[near[0]]!r}? " if near else ""
    return f"not known; {hint}there are {', '.join(table)}"
