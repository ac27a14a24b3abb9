"""How to train: not the model, but what is made of its answers."""

from dataclasses import dataclass, field
from typing import Any, Literal, Self

import numpy as np
from numpy.typing import NDArray

from backtrain.simulator.answers import PartError, Selection
from backtrain.simulator.constraints import TwoOrMore
from backtrain.simulator.parts import Part
from backtrain.simulator.setup import Setup
from backtrain.simulator.view import View
from backtrain.strategies.updates.refit import Labels, Weights, fit_weighted, refuse_weights

__all__ = ["Recalibrate"]

Floats = NDArray[np.float64]
#: Probabilities are kept so far from 0 and 1 before their logarithm is taken.
_EDGE = 1e-6


@dataclass(frozen=True, repr=False)
class Recalibrate(Part):
    """Keep the model as it is; learn anew, from the window's labels, what is made of its answers.

    For a quantity, "intercept" adds the mean error, "linear" takes the least squares line through
    labels over answers, and "isotonic" the rising step function. For two classes or more,
    "intercept" moves each class's log odds until the mean probability is the share of the class
    (a change of base rates: Saerens, Latinne & Decaestecker 2002, with labels), "linear" is
    Platt's logistic curve through them (1999), "isotonic" the rising function of each class's
    probability (Zadrozny & Elkan 2002); the classes' answers are then scaled to sum to one.

    A recalibration is far cheaper than a fit and needs few rows, and it cannot learn what the
    answers do not hold. The model that it is made of learns again at every ``refit_every``-th
    training only. The window of a recalibration should lie after what the model has learnt from,
    as `SinceTraining` or a short `Sliding` does: on rows that it knows, a model looks calibrated.

    Parameters
    ----------
    method : {"intercept", "linear", "isotonic"}
        What is learnt.
    refit_every : int, optional
        Each so-many-th training fits the model itself, in full, on the same window; None never
        does again.

    >>> Recalibrate("linear", refit_every=4)
    Recalibrate('linear', refit_every=4)
    """

    method: Literal["intercept", "linear", "isotonic"] = "intercept"
    refit_every: TwoOrMore | None = None

    def check_setup(self, setup: Setup) -> None:
        """Refuse classifiers without probabilities, and weights that the model cannot take."""
        if setup.task == "classification" and not hasattr(setup.model, "predict_proba"):
            raise PartError(
                f"Recalibrate: {type(setup.model).__name__} gives no probabilities; use a model "
                "that does, or Refit()"
            )
        if setup.quantiles is not None:
            raise PartError(
                f"Recalibrate: moves one answer a row, and quantiles={list(setup.quantiles)} are "
                "several; use Refit(), or leave quantiles away"
            )
        refuse_weights(setup)

    def starts_afresh(self, view: View, selection: Selection) -> bool:
        """Whether it is the model's own turn."""
        model = view.model.estimator
        made = model.times if isinstance(model, Recalibrated) else 0
        return self.refit_every is not None and made + 1 >= self.refit_every

    def fit(self, model: Any, X: Any, y: Labels, weights: Weights, parent: Any, seed: int) -> Any:
        """Fit the first model in full; later, what is made of its answers."""
        if parent is None:
            return fit_weighted(model, X, y, weights)
        old = parent if isinstance(parent, Recalibrated) else None
        model = parent if old is None else old.model
        kind = RecalibratedClassifier if hasattr(model, "predict_proba") else Recalibrated
        return kind(model, self.method, 1 if old is None else old.times + 1).learn(X, y, weights)


@dataclass(eq=False)
class Recalibrated:
    """A fitted regressor, and what is made of its answers.

    Attributes
    ----------
    model : estimator
        As it was fitted; it is never fitted again.
    method : str
        What is learnt, see `Recalibrate`.
    times : int
        Recalibrations since the model was fitted, this one included.
    """

    model: Any
    method: str
    times: int
    curves: list[Any] = field(default_factory=list)

    def learn(self, X: Any, y: Labels, weights: Weights) -> Self:
        """Learn what is made of the answers to n rows; returns itself."""
        answers = self._answers(X)
        if self.method == "isotonic":
            self.curves = [_rising(answers, y, weights)]
        else:
            slope = 1.0
            mean, level = np.average(answers, weights=weights), np.average(y, weights=weights)
            if self.method == "linear" and np.ptp(answers) > 0:
                apart = answers - mean
                spread = np.average(apart**2, weights=weights)
                slope = float(np.average(apart * (y - level), weights=weights) / spread)
            self.curves = [Line(slope, float(level - slope * mean))]
        return self

    def predict(self, X: Any) -> NDArray[Any]:
        """The answers to n rows, shape (n,)."""
        return np.asarray(self.curves[0].predict(self._answers(X)))

    def _answers(self, X: Any) -> Floats:
        return np.ravel(self.model.predict(X)).astype(np.float64)


class RecalibratedClassifier(Recalibrated):
    """A fitted classifier, and what is made of its probabilities."""

    @property
    def classes_(self) -> NDArray[Any]:
        """The k classes that the model knows."""
        return np.asarray(self.model.classes_)

    def learn(self, X: Any, y: Labels, weights: Weights) -> Self:
        """Learn a curve a class, of two classes one; returns itself."""
        odds, classes = self._odds(X), self.classes_
        used = range(1, 2) if len(classes) == 2 else range(len(classes))
        self.curves = [
            _chance(self.method, odds[:, k], (y == classes[k]).astype(np.float64), weights)
            for k in used
        ]
        return self

    def predict(self, X: Any) -> NDArray[Any]:
        """The likeliest class of n rows, shape (n,)."""
        return np.asarray(self.classes_[self.predict_proba(X).argmax(axis=1)])

    def predict_proba(self, X: Any) -> Floats:
        """The probability of each class, shape (n, k)."""
        odds = self._odds(X)
        if len(self.curves) == 1:
            chance = self.curves[0].predict(odds[:, 1])
            return np.column_stack((1 - chance, chance))
        columns = [curve.predict(odds[:, k]) for k, curve in enumerate(self.curves)]
        chances = np.maximum(np.column_stack(columns), _EDGE)
        return np.asarray(chances / chances.sum(axis=1, keepdims=True))

    def _odds(self, X: Any) -> Floats:
        chance = np.clip(self.model.predict_proba(X), _EDGE, 1 - _EDGE)
        return np.asarray(np.log(chance / (1 - chance)))


@dataclass
class Line:
    """``slope`` x answer + ``level``."""

    slope: float
    level: float

    def predict(self, answers: Floats) -> Floats:
        """Of n answers, shape (n,)."""
        return self.slope * answers + self.level


class Logistic(Line):
    """The logistic curve of a line."""

    def predict(self, answers: Floats) -> Floats:
        """Of n log odds, shape (n,)."""
        from scipy.special import expit

        return np.asarray(expit(super().predict(answers)))


def _rising(answers: Floats, y: Any, weights: Weights) -> Any:
    from sklearn.isotonic import IsotonicRegression

    return IsotonicRegression(out_of_bounds="clip").fit(answers, y, sample_weight=weights)


def _chance(method: str, odds: Floats, hit: Floats, weights: Weights) -> Any:
    """The chance of a class by the model's log odds of it."""
    if method == "isotonic":
        return _rising(odds, hit, weights)
    weight = np.ones(len(hit)) if weights is None else weights
    # Half a row of each outcome, so that a class that always or never occurs has finite odds, as
    # Platt's targets do.
    share = (float(hit @ weight) + 0.5) / (float(weight.sum()) + 1)
    if method == "linear" and np.ptp(odds) > 0:
        from sklearn.linear_model import LogisticRegression

        fitted = LogisticRegression(C=np.inf).fit(odds[:, None], hit, sample_weight=weight)
        return Logistic(float(fitted.coef_[0, 0]), float(fitted.intercept_[0]))

    from scipy.optimize import brentq

    def excess(level: float) -> float:
        return float(np.average(Logistic(1.0, level).predict(odds), weights=weight)) - share

    return Logistic(1.0, float(brentq(excess, -60, 60)))
