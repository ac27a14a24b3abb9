"""Performance without labels: answers in, expected metrics out, and no notion of time.

Classification: confidence-based performance estimation (CBPE). Regression: direct loss estimation
(DLE). Both after NannyML, https://nannyml.readthedocs.io, "how it works: performance estimation".
"""

from __future__ import annotations

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

    def each(self, told: Outcomes, X: Any) -> Floats:
        """What to expect of each row, shape (n, ...); whatever stands as label."""
        raise NotImplementedError

    def overall(self, metric: Metric, told: Outcomes, each: Floats) -> float:
        """The metric to expect on rows, given what to expect of each."""
        raise NotImplementedError

    def estimate(self, metric: Metric, told: Outcomes, X: Any = None) -> float:
        """The metric to expect on rows whose labels are not known; whatever stands as label."""
        return self.overall(metric, told, self.each(told, X))


# --- classification -----------------------------------------------------------------------------


class Calibrated(Estimator):
    """Chance of each class given what a model said, learnt from labelled out-of-sample answers.

    Isotonic regression of "is it this class?" on the probability of the class; with more than two
    classes one against the rest, divided by their sum. Where all of them are 0, the model's own
    probabilities stand.

    Parameters
    ----------
    told : Outcomes
        Labels beside answers, with scores or, for more than two classes, probabilities.

    >>> told = Outcomes(np.array([0, 1, 0, 1]), np.array([0, 0, 1, 1]),
    ...                 np.array([0.2, 0.3, 0.6, 0.9]), classes=np.array(["no", "yes"]))
    >>> Calibrated(told).chances(told)[:, 1].tolist()
    [0.0, 0.5, 0.5, 1.0]
    """

    def __init__(self, told: Outcomes) -> None:
        from sklearn.isotonic import IsotonicRegression

        told = one_against_rest(told)
        assert told.classes is not None
        self.classes_ = np.arange(len(told.classes))
        which = self.classes_ if told.positive < 0 else [told.positive]
        self._curves = [
            IsotonicRegression(y_min=0, y_max=1, out_of_bounds="clip").fit(
                said, told.label == place, sample_weight=told.weight
            )
            for said, place in zip(_said(told), which, strict=True)
        ]

    def chances(self, told: Outcomes) -> Floats:
        """Chance of each class, shape (n, k); where there is a positive class, of it last."""
        curves = zip(self._curves, _said(told), strict=True)
        found = np.column_stack([curve.predict(said) for curve, said in curves])
        if told.positive >= 0:
            return np.column_stack((1 - found[:, 0], found[:, 0]))
        assert told.probability is not None
        total = found.sum(axis=1, keepdims=True)
        return np.where(total > 0, found / np.where(total > 0, total, 1), told.probability)

    def predict(self, told: Outcomes) -> NDArray[np.int64]:
        """The likeliest class of each row, shape (n,)."""
        return np.asarray(self.chances(told).argmax(axis=1))

    def each(self, told: Outcomes, X: Any = None) -> Floats:
        """Chance of each class."""
        return self.chances(told)

    def overall(self, metric: Metric, told: Outcomes, each: Floats) -> float:
        """The metric of all classes that the rows may be of."""
        return metric(expected(one_against_rest(told), each))


def one_against_rest(told: Outcomes) -> Outcomes:
    """Where there is a positive class: 1 for it and 0 for whatever else, also as predictions."""
    if told.positive < 0:
        return told
    return replace(
        told,
        label=(told.label == told.positive).astype(np.int64),
        prediction=(told.prediction == told.positive).astype(np.int64),
        probability=None,
        classes=np.array([0, 1]),
        positive=1,
    )


def expected(told: Outcomes, chances: Floats) -> Outcomes:
    """Every row once for each class that it may be, weighted by the chance of that class.

    Any metric of these rows is the ratio of expectations that CBPE estimates: with two classes,
    true positives are the sum of c over predicted positives, and so on.
    """
    n, k = chances.shape
    weight = chances if told.weight is None else chances * told.weight[:, None]
    each = pick(told, np.repeat(np.arange(n), k))
    return replace(each, label=np.tile(np.arange(k), n), weight=weight.ravel())


def accuracy_error(told: Outcomes, chances: Floats) -> float:
    """Standard error of the accuracy of n rows around what is expected: sqrt(sum c (1-c)) / n.

    c is the chance that the answer is right. What the calibration does not know is not in it.
    """
    right = chances[np.arange(len(told)), one_against_rest(told).prediction]
    weight = np.ones(len(told)) if told.weight is None else told.weight
    return float(np.sqrt((weight**2 * right * (1 - right)).sum()) / weight.sum())


def _said(told: Outcomes) -> list[Floats]:
    """Probabilities to calibrate, one array a curve."""
    if told.positive >= 0:
        assert told.score is not None
        return [told.score]
    assert told.probability is not None
    return list(told.probability.T)


# --- regression ---------------------------------------------------------------------------------


class ErrorModel(Estimator):
    """Error to expect of each answer, learnt from labelled out-of-sample answers.

    Gradient boosting of the absolute (for the RMSE: squared) error on the features and the answer.

    Parameters
    ----------
    told : Outcomes
        Labels beside answers.
    X : ndarray or DataFrame of shape (n, p)
        Features of the same rows.
    squared : bool
        Whether to learn squared errors.
    seed : int
        Of the boosting.
    """

    def __init__(self, told: Outcomes, X: Any, squared: bool, seed: int) -> None:
        from sklearn.ensemble import HistGradientBoostingRegressor

        error = np.abs(told.label - told.prediction)
        self._boosting = HistGradientBoostingRegressor(early_stopping=False, random_state=seed)
        self._boosting.fit(
            _design(X, told), error**2 if squared else error, sample_weight=told.weight
        )

    def predict(self, told: Outcomes, X: Any) -> Floats:
        """Error to expect of each row, shape (n,)."""
        return np.asarray(np.maximum(self._boosting.predict(_design(X, told)), 0.0))

    def each(self, told: Outcomes, X: Any) -> Floats:
        """Error to expect of each row."""
        return self.predict(told, X)

    def overall(self, metric: Metric, told: Outcomes, each: Floats) -> float:
        """The MAE or RMSE of such errors."""
        if told.weight is not None and not told.weight.any():
            return float("nan")
        mean = float(np.average(each, weights=told.weight))
        return mean if metric.name == "MAE" else mean**0.5


def _design(X: Any, told: Outcomes) -> Floats:
    """Features and answers as floats; a category counts by its place, a missing one is missing."""
    if isinstance(X, pd.DataFrame):
        columns = [X.iloc[:, place] for place in range(X.shape[1])]
        X = np.column_stack([_numbers(column) for column in columns])
    return np.column_stack((X, told.prediction))


def _numbers(column: pd.Series) -> Floats:
    if not isinstance(column.dtype, pd.CategoricalDtype):
        return column.to_numpy(np.float64)
    codes = column.cat.codes.to_numpy(np.float64)
    return np.where(codes < 0, np.nan, codes)
