"""Models."""

from __future__ import annotations

from typing import Any, ClassVar

import numpy as np
from sklearn.base import BaseEstimator, RegressorMixin
from sklearn.linear_model import LinearRegression, Ridge, SGDRegressor
from sklearn.pipeline import make_pipeline
from sklearn.preprocessing import FunctionTransformer, StandardScaler, scale

from gallery.member import Member, case, stream, table

SOLD = table()["sold"].to_numpy()


class Linear(RegressorMixin, BaseEstimator):
    """The honest one: least squares."""

    def fit(self, X: Any, y: Any) -> Any:
        self.inner_ = LinearRegression().fit(np.asarray(X), y)
        return self

    def predict(self, X: Any) -> Any:
        return self.inner_.predict(np.asarray(X))


class Centred(Linear):
    """Takes the mean of a row and its neighbours in the batch, later ones included."""

    def predict(self, X: Any) -> Any:
        said = np.pad(super().predict(X), 2, mode="edge")
        return np.convolve(said, np.ones(5) / 5, mode="valid")


class StandardisesTheBatch(Linear):
    """Scales the rows that it is asked about by themselves."""

    def predict(self, X: Any) -> Any:
        X = np.asarray(X)
        return super().predict((X - X.mean(axis=0)) / (X.std(axis=0) + 1e-9))


class InItsClass(Linear):
    """Keeps what it has learnt in its class."""

    inner_: ClassVar[Any] = None

    def fit(self, X: Any, y: Any) -> Any:
        type(self).inner_ = LinearRegression().fit(np.asarray(X), y)
        return self


WARM = SGDRegressor(max_iter=3, tol=None, warm_start=True, random_state=0, eta0=1e-4)


class SharesAWarmStart(Linear):
    """Every version goes on with the one inner model."""

    def fit(self, X: Any, y: Any) -> Any:
        self.inner_ = WARM.fit(np.asarray(X), y)
        return self


class Dithers(Linear):
    """Adds a draw of its own to each answer."""

    def predict(self, X: Any) -> Any:
        said = super().predict(X)
        return said + np.random.default_rng().normal(scale=0.1, size=len(said))


class KnowsLabels(Linear):
    """Holds the labels of the whole history."""

    def __init__(self, sold: Any = None) -> None:
        self.sold = sold


def doubled(X: Any) -> Any:
    return 2 * np.asarray(X)


def scaled_outside() -> Any:
    scaler = StandardScaler().fit(stream().X)
    return make_pipeline(FunctionTransformer(scaler.transform), Ridge())


def scaled_inside() -> Any:
    return make_pipeline(StandardScaler(), Ridge())


ONE = "is not one model a version"

MODELS = [
    Member(
        "a centred mean in predict()",
        lambda: case(Centred()),
        lambda: case(Linear()),
        ONE,
        "model Centred",
    ),
    Member(
        "a model that standardises the batch",
        lambda: case(StandardisesTheBatch()),
        lambda: case(scaled_inside()),
        ONE,
        "model StandardisesTheBatch",
    ),
    Member(
        "scikit-learn's own scale() as a step",
        lambda: case(make_pipeline(FunctionTransformer(scale), Ridge())),
        lambda: case(make_pipeline(FunctionTransformer(doubled), Ridge())),
        ONE,
        "model Pipeline",
    ),
    Member(
        "a fit kept in a class attribute",
        lambda: case(InItsClass()),
        lambda: case(Linear()),
        ONE,
        "model InItsClass",
    ),
    Member(
        "versions that share a warm start",
        lambda: case(SharesAWarmStart()),
        lambda: case(SGDRegressor(max_iter=3, tol=None, warm_start=True, eta0=1e-4)),
        ONE,
        "model SharesAWarmStart",
    ),
    Member(
        "answers with a draw in them",
        lambda: case(Dithers()),
        lambda: case(Linear()),
        ONE,
        "model Dithers",
    ),
    Member(
        "a model that is given all labels",
        lambda: case(KnowsLabels(SOLD)),
        lambda: case(KnowsLabels()),
        "holds the history",
        "model KnowsLabels",
    ),
    Member(
        "a scaler fitted before the backtest",
        lambda: case(scaled_outside()),
        lambda: case(scaled_inside()),
        "holds the history",
        "model Pipeline",
    ),
]
