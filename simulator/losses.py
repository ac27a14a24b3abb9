"""Row losses: a number a row, which adds up."""

from collections.abc import Callable, Mapping
from dataclasses import dataclass
from difflib import get_close_matches
from functools import partial
from typing import Any, Protocol, cast

import numpy as np
from numpy.typing import NDArray

from backtrain.simulator.answers import SetupError
from backtrain.simulator.levels import at_level
from backtrain.simulator.outcomes import (
    Floats,
    MetricError,
    Outcomes,
    decoded,
    name_of,
    takes_outcomes,
)
from backtrain.simulator.own_metrics import by_name, guarded
from backtrain.simulator.quantiles import MeanPinball
from backtrain.simulator.scaled import Scaled

#: Below it a probability counts as this much, as in scikit-learn's log loss.
_SMALLEST_PROBABILITY = float(np.finfo(np.float64).eps)


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


def absolute(outcomes: Outcomes) -> Floats:
    """Distance of label and answer, shape (n,)."""
    return np.asarray(np.abs(outcomes.label - outcomes.prediction))


def squared(outcomes: Outcomes) -> Floats:
    """Its square, shape (n,)."""
    return np.asarray(np.square(outcomes.label - outcomes.prediction))


def _zero_one(outcomes: Outcomes) -> NDArray[np.bool_]:
    return np.asarray(outcomes.label != outcomes.prediction)


def log(outcomes: Outcomes) -> Floats:
    """Minus the logarithm of the probability of the label, shape (n,)."""
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

    Of a model of several quantiles ``p`` is the answer at this level, else whatever it answers.

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
        gap = outcomes.label - at_level(outcomes, self.quantile, self.name)
        return np.asarray(np.maximum(self.quantile * gap, (self.quantile - 1) * gap))


def _custom(function: Callable[..., Any]) -> RowLoss:
    """A function of outcomes, or of labels and predictions: labels, not positions."""
    named = name_of(function)
    of = _of_outcomes if takes_outcomes(function) else _of_labels
    needs = bool(getattr(function, "needs_probability", False))
    return RowLoss(named, getattr(function, "task", None), partial(of, function), needs)


def _of_outcomes(function: Callable[..., Any], outcomes: Outcomes) -> Any:
    return guarded(f"loss {name_of(function)!r}", function, outcomes)


def _of_labels(function: Callable[..., Any], outcomes: Outcomes) -> Any:
    return guarded(f"loss {name_of(function)!r}", function, *decoded(outcomes))


LOSSES: Mapping[str, Loss] = {
    loss.name: loss
    for loss in (
        RowLoss("absolute", "regression", absolute),
        RowLoss("squared", "regression", squared),
        RowLoss("zero_one", "classification", _zero_one),
        RowLoss("log", "classification", log, needs_probability=True),
        Scaled("absolute"),
        Scaled("squared"),
    )
} | {"mean_pinball": MeanPinball()}


def find_loss(loss: str | Loss | Callable[..., Any], task: str | None) -> Loss:
    """Look a loss up by name, or take one (or a function, see `Metric`) as it is."""
    if isinstance(loss, str) and loss not in LOSSES:
        found = by_name(loss) if "." in loss else None
        if found is None:
            raise MetricError(f"loss={loss!r}: {nearest(loss, LOSSES)}")
        loss = found
    if isinstance(loss, str):
        row_loss = LOSSES[loss]
    elif isinstance(loss, type):
        raise MetricError(f"loss={loss.__name__}: is a class; give an object: {loss.__name__}()")
    elif hasattr(loss, "rows"):
        row_loss = cast(Loss, loss)
    elif callable(loss):
        row_loss = _custom(loss)
    else:
        raise MetricError(f"loss={loss!r}: give a name ({', '.join(LOSSES)}) or a function")
    refuse_other_task(f"loss={row_loss.name!r}", row_loss.task, task, LOSSES)
    return row_loss


def refuse_other_task(
    what: str, own: str | None, task: str | None, table: Mapping[str, Any]
) -> None:
    """Raise `MetricError` for a loss or metric of another task than the model's."""
    if None not in (own, task) and own != task:
        fitting = ", ".join(name for name, other in table.items() if other.task == task)
        raise MetricError(f"{what} is for {own}, but the model does {task}; use one of {fitting}")


def nearest(name: object, table: Mapping[str, object]) -> str:
    """What to say of a name that a table does not have."""
    keys = {key.lower(): key for key in table}
    near = get_close_matches(str(name).lower(), list(keys), n=1, cutoff=0.5)
    hint = f"did you mean {keys[near[0]]!r}? " if near else ""
    return f"not known; {hint}there are {', '.join(table)}"


def rows_of(loss: Loss, outcomes: Outcomes) -> Floats:
    """The loss of each row, shape (n,); errors of what others wrote become a `MetricError`."""
    try:
        rows = np.asarray(loss.rows(outcomes))
    except (MetricError, SetupError):
        raise
    except Exception as error:
        shown = " ".join(f"{type(error).__name__}: {error}".split())
        raise MetricError(f"loss {loss.name!r} failed on {len(outcomes)} rows ({shown})") from error
    if rows.shape != (len(outcomes),):
        raise SetupError(f"loss {loss.name!r} returned shape {rows.shape} for {len(outcomes)} rows")
    return rows
