"""One fit is computed once: fits are named by their content, and kept with what they answered."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass, field
from typing import Any

import numpy as np
from numpy.typing import NDArray

from backtrain.simulator.protocols import Selection


class FitError(RuntimeError):
    """A training did not yield a model: nothing to learn from, or the estimator raised."""


@dataclass(frozen=True, eq=False)
class Answers:
    """What a model says to n rows; arrays of shape (n,), ``probability`` (n, k) for k > 2 classes.

    ``fallback`` marks the rows that it could not score, answered with the training mean or prior.
    """

    prediction: NDArray[Any]
    score: NDArray[np.float64] | None
    probability: NDArray[np.float64] | None
    fallback: NDArray[np.bool_] | None


@dataclass(frozen=True, eq=False)
class Fit:
    """A fitted model and what it was made of."""

    name: str
    model: Any
    selection: Selection
    cpu_seconds: float
    seed: int


@dataclass
class FitStore:
    """Fits in memory, by name, with the blocks of answers that they already gave.

    Attributes
    ----------
    asked, computed : int
        Fits that were wanted, and those that had to be made.
    """

    asked: int = 0
    computed: int = 0
    _fits: dict[str, Fit] = field(default_factory=dict)
    _answers: dict[tuple[str, int, int], Answers] = field(default_factory=dict)

    def fit(self, name: str, make: Callable[[], Fit]) -> tuple[Fit, bool]:
        """The fit of this name, and whether it was here; ``make`` is called at most once."""
        self.asked += 1
        found = self._fits.get(name)
        if found is not None:
            return found, True
        self.computed += 1
        made = self._fits[name] = make()
        return made, False

    def answers(self, key: tuple[str, int, int], make: Callable[[], Answers]) -> Answers:
        """The answers under ``(fit, first row, stop row)``; ``make`` is called at most once."""
        found = self._answers.get(key)
        if found is None:
            found = self._answers[key] = make()
        return found
