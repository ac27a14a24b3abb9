"""Performance without labels: answers in, expected metrics out, and no notion of time.

Classification: confidence-based performance estimation (CBPE). Regression: direct loss estimation
(DLE). Both after NannyML, https://nannyml.readthedocs.io, "how it works: performance estimation".
"""

from dataclasses import replace
from typing import Any

import numpy as np
import pandas as pd
from numpy.typing import NDArray

from backtrain.simulator.metrics import Metric, Outcomes
from backtrain.simulator.setup import pick

Floats = NDArray[np.float64]

#: What the errors of a regression can be estimated for: a mean of absolute or of squared errors.
REGRESSION_METRICS = ("MAE", "RMSE")


class Estimator:
    """What to expect of each row by itself, and of a metric of many: rows need be asked once."""

    def each(self, outcomes: Outcomes, X: Any) -> Floats:
        """What to expect of each row, shape (n, ...); whatever stands as label."""
        raise NotImplementedError

    def overall(self, metric: Metric, outcomes: Outcomes, each: Floats) -> float:
        """The metric to expect on rows, given what to expect of each."""
        raise NotImplementedError

    def estimate(self, metric: Metric, outcomes: Outcomes, X: Any = None) -> float:
        """The metric to expect on rows whose labels are not known; whatever stands as label."""
        return self.overall(metric, outcomes, self.each(outcomes, X))


# --- classification -----------------------------------------------------------------------------


class Calibrated(Estimator):
    """Chance of each class given what a model said, learnt from labelled out-of-sample answers.

    Isotonic regression of "is it this class?" on the probability of the class; with more than two
    classes one against the rest, divided by their sum. Where all of them are 0, the model's own
    probabilities stand.

    Parameters
    ----------
    outcomes : Outcomes
        Labels beside answers, with scores or, for more than two classes, probabilities.

    >>> outcomes = Outcomes(np.array([0, 1, 0, 1]), np.array([0, 0, 1, 1]),
    ...                     np.array([0.2, 0.3, 0.6, 0.9]), classes=np.array(["no", "yes"]))
    >>> Calibrated(outcomes).chances(outcomes)[:, 1].tolist()
    [0.0, 0.5, 0.5, 1.0]
    """

    def __init__(self, outcomes: Outcomes) -> None:
        from sklearn.isotonic import IsotonicRegression

        outcomes = one_against_rest(outcomes)
        assert outcomes.classes is not None
        self.classes_ = np.arange(len(outcomes.classes))
        which = self.classes_ if outcomes.positive < 0 else [outcomes.positive]
        self._curves = [
            IsotonicRegression(y_min=0, y_max=1, out_of_bounds="clip").fit(
                probability, outcomes.label == label, sample_weight=outcomes.weight
            )
            for probability, label in zip(_probabilities(outcomes), which, strict=True)
        ]

    def chances(self, outcomes: Outcomes) -> Floats:
        """Chance of each class, shape (n, k); where there is a positive class, of it last."""
        curves = zip(self._curves, _probabilities(outcomes), strict=True)
        chances = np.column_stack([curve.predict(values) for curve, values in curves])
        if outcomes.positive >= 0:
            return np.column_stack((1 - chances[:, 0], chances[:, 0]))
        assert outcomes.probability is not None
        total = chances.sum(axis=1, keepdims=True)
        return np.where(total > 0, chances / np.where(total > 0, total, 1), outcomes.probability)

    def predict(self, outcomes: Outcomes) -> NDArray[np.int64]:
        """The likeliest class of each row, shape (n,)."""
        return np.asarray(self.chances(outcomes).argmax(axis=1))

    def each(self, outcomes: Outcomes, X: Any = None) -> Floats:
        """Chance of each class."""
        return self.chances(outcomes)

    def overall(self, metric: Metric, outcomes: Outcomes, each: Floats) -> float:
        """The metric of all classes that the rows may be of."""
        return metric(expected(one_against_rest(outcomes), each))


def one_against_rest(outcomes: Outcomes) -> Outcomes:
    """Where there is a positive class: 1 for it and 0 for whatever else, also as predictions."""
    if outcomes.positive < 0:
        return outcomes
    return replace(
        outcomes,
        label=(outcomes.label == outcomes.positive).astype(np.int64),
        prediction=(outcomes.prediction == outcomes.positive).astype(np.int64),
        probability=None,
        classes=np.array([0, 1]),
        positive=1,
    )


def expected(outcomes: Outcomes, chances: Floats) -> Outcomes:
    """Every row once for each class that it may be, weighted by the chance of that class.

    Any metric of these rows is the ratio of expectations that CBPE estimates: with two classes,
    true positives are the sum of c over predicted positives, and so on.
    """
    n, k = chances.shape
    weight = chances if outcomes.weight is None else chances * outcomes.weight[:, None]
    each = pick(outcomes, np.repeat(np.arange(n), k))
    return replace(each, label=np.tile(np.arange(k), n), weight=weight.ravel())


def _probabilities(outcomes: Outcomes) -> list[Floats]:
    """Probabilities to calibrate, one array a curve."""
    if outcomes.positive >= 0:
        assert outcomes.score is not None
        return [outcomes.score]
    assert outcomes.probability is not None
    return list(outcomes.probability.T)


# --- regression ---------------------------------------------------------------------------------


class ErrorModel(Estimator):
    """Error to expect of each answer, learnt from labelled out-of-sample answers.

    Gradient boosting of the absolute (for the RMSE: squared) error on the features and the answer.

    Parameters
    ----------
    outcomes : Outcomes
        Labels beside answers.
    X : ndarray or DataFrame of shape (n, p)
        Features of the same rows.
    squared : bool
        Whether to learn squared errors.
    seed : int
        Of the boosting.
    """

    def __init__(self, outcomes: Outcomes, X: Any, squared: bool, seed: int) -> None:
        from sklearn.ensemble import HistGradientBoostingRegressor

        error = np.abs(outcomes.label - outcomes.prediction)
        self._boosting = HistGradientBoostingRegressor(early_stopping=False, random_state=seed)
        self._boosting.fit(
            _design(X, outcomes), error**2 if squared else error, sample_weight=outcomes.weight
        )

    def predict(self, outcomes: Outcomes, X: Any) -> Floats:
        """Error to expect of each row, shape (n,)."""
        return np.asarray(np.maximum(self._boosting.predict(_design(X, outcomes)), 0.0))

    def each(self, outcomes: Outcomes, X: Any) -> Floats:
        """Error to expect of each row."""
        return self.predict(outcomes, X)

    def overall(self, metric: Metric, outcomes: Outcomes, each: Floats) -> float:
        """The MAE or RMSE of such errors."""
        if outcomes.weight is not None and not outcomes.weight.any():
            return float("nan")
        mean = float(np.average(each, weights=outcomes.weight))
        return mean if metric.name == "MAE" else mean**0.5


def _design(X: Any, outcomes: Outcomes) -> Floats:
    """Features and answers as floats; a category counts by its place, a missing one is missing."""
    if isinstance(X, pd.DataFrame):
        columns = [X.iloc[:, position] for position in range(X.shape[1])]
        X = np.column_stack([_numbers(column) for column in columns])
    return np.column_stack((X, outcomes.prediction))


def _numbers(column: pd.Series) -> Floats:
    if not isinstance(column.dtype, pd.CategoricalDtype):
        return column.to_numpy(np.float64)
    codes = column.cat.codes.to_numpy(np.float64)
    return np.where(codes < 0, np.nan, codes)
