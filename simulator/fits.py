"""A fitted model with what it learnt from, and the trainings that yield none."""

from dataclasses import dataclass
from typing import Any, ClassVar, Protocol

from numpy.typing import NDArray

from backtrain.simulator.answers import Selection


class AnyUpdate(Protocol):
    """Has ``fit``: what makes a fitted model of rows."""

    def fit(
        self,
        model: Any,
        X: Any,
        y: NDArray[Any],
        weights: NDArray[Any] | None,
        parent: Any,
        seed: int,
        /,
    ) -> Any:
        """Return a fitted model."""


def needs_parent(update: object) -> bool:
    """Whether a fit depends on more than its rows; true unless the update denies it."""
    return bool(getattr(update, "needs_parent", True))


class FitError(RuntimeError):
    """A training did not yield a model: the estimator raised, or its update.

    Attributes
    ----------
    event : str
        The kind of the event that a failed training leaves in the record.
    """

    event: ClassVar[str] = "failed"


class NothingToLearnError(FitError):
    """There was nothing to learn from: no labelled row, or rows of one class only.

    Production would meet that too, so it says nothing against the model or the update.
    """

    event: ClassVar[str] = "nothing to learn"


@dataclass(slots=True, eq=False)
class Fit:
    """A fitted model and what it was made of.

    ``lasting`` says that its name holds in other processes and at other times, because all the
    code behind it has a version.
    """

    name: str
    model: Any
    selection: Selection
    cpu_seconds: float
    seed: int
    lasting: bool = False
