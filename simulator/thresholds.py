"""How probabilities become answers, where those of ``predict`` are not what would be done."""

from collections.abc import Mapping
from dataclasses import dataclass, replace
from typing import Any

import numpy as np
from numpy.typing import NDArray

from backtrain.datasets.digits import digits
from backtrain.datasets.values import is_number
from backtrain.simulator.costs import CostMatrix, place
from backtrain.simulator.metrics import Floats, Loss, MetricError
from backtrain.store.fits import Answers

#: A probability of the positive class or, by its name, of one class; "cost"; None for ``predict``.
Threshold = float | str | Mapping[Any, float] | None


@dataclass(frozen=True, eq=False)
class AtLeast:
    """One of two classes where its probability is at least ``threshold``, else the other one."""

    threshold: float
    positive: int
    classes: NDArray[Any]
    takes_amounts = False

    def decide(self, probability: Floats, amount: Floats | None) -> NDArray[np.int64]:
        """Answers as positions of classes, shape (n,); ``probability`` (n, 2), ``amount`` (n,)."""
        likely = probability[:, self.positive] >= self.threshold
        return np.where(likely, self.positive, 1 - self.positive)

    def __str__(self) -> str:
        names = self.classes.tolist()
        return (
            f"{names[self.positive]!r} from a probability of {self.threshold:g} on, else "
            f"{names[1 - self.positive]!r}"
        )


@dataclass(frozen=True, eq=False)
class LeastCost:
    """The answer of the least expected cost; of equal ones the first class."""

    matrix: CostMatrix
    classes: NDArray[Any]

    @property
    def takes_amounts(self) -> bool:
        """Whether the amount of a row decides, too."""
        return self.matrix.takes_amounts

    def decide(self, probability: Floats, amount: Floats | None) -> NDArray[np.int64]:
        """Answers as positions of classes, shape (n,); ``probability`` (n, k), ``amount`` (n,)."""
        cost = self.matrix.expected(probability, self.classes, amount)
        return np.asarray(cost.argmin(axis=1))

    def __str__(self) -> str:
        implied = self.matrix.threshold(self.classes)
        if self.takes_amounts:
            return "of the least expected cost, by the amount of each row"
        if not implied:
            return "of the least expected cost"
        name, least = next(iter(implied.items()))
        return f"of the least expected cost: {name!r} from a probability of {digits(least)} on"


Rule = AtLeast | LeastCost


def decided(how: Rule, answers: Answers, positive: int | None, amount: Floats | None) -> Answers:
    """Answers of shape (n,) as a rule makes them of their probabilities, where there are any.

    ``positive`` is the position of the class whose probability is the score; None: the answer's.
    """
    score, full = answers.score, answers.probability
    if score is None or not len(score):
        return answers
    if full is None:
        full = np.stack((1 - score, score) if positive else (score, 1 - score), axis=1)
    prediction = how.decide(full, amount)
    if positive is None:
        score = full[np.arange(len(full)), prediction]
    return replace(answers, prediction=prediction, score=score)


def rule(
    threshold: Threshold, loss: Loss, classes: NDArray[Any] | None, positive: int | None
) -> Rule | None:
    """The rule that a threshold means; None where the answers of ``predict`` stand.

    Parameters
    ----------
    threshold : float, mapping, "cost" or None
        The least probability of the positive class, or ``{class: probability}``, at which that is
        answered; or the answer of the least expected cost by a `CostMatrix`, for any number of
        classes.
    loss : Loss
        That is charged.
    classes : ndarray of shape (k,) or None
        In sorted order; None for a regression.
    positive : int or None
        Position of the positive class.

    Raises
    ------
    MetricError
        Where it does not fit the task, the loss, or the number of classes.
    """
    if threshold is None:
        return None
    said = f"threshold={threshold!r}"
    if classes is None:
        raise MetricError(f"{said}: only classifiers have one; leave it out")
    if threshold == "cost":
        if not isinstance(loss, CostMatrix):
            raise MetricError(
                f"{said}: loss={loss.name!r} has no costs to decide by; add loss=cost_matrix and "
                "loss.costs=, in Python loss=CostMatrix({...}), or give a number"
            )
        return LeastCost(loss, classes)
    if len(classes) != 2:
        raise MetricError(
            f"{said}: a probability is for two classes, and the target has {len(classes)}; use "
            "threshold=cost with loss=cost_matrix"
        )
    least: Any = threshold
    if isinstance(threshold, Mapping):
        if len(threshold) != 1:
            raise MetricError(f"{said}: give one class and its probability, such as {{fraud: 0.2}}")
        [(name, least)] = threshold.items()
        positive = place(name, classes.tolist(), said)
    if not is_number(least) or not 0 <= least <= 1:
        raise MetricError(f"{said}: give a probability from 0 to 1, {{class: probability}} or cost")
    if positive is None:
        raise MetricError(
            f"{said}: only one class is known at start; name the one that is meant, such as "
            f"{{{classes.tolist()[-1]}: {least:g}}}"
        )
    return AtLeast(float(least), positive, classes)
