"""Models and updates as people write them: each keeps what it makes in another place.

They stand in a module of their own because other processes import their classes from it.
"""

from __future__ import annotations

import pickle
import random
from dataclasses import dataclass
from pathlib import Path
from typing import Any, ClassVar

import numpy as np
import pandas as pd
from sklearn.base import BaseEstimator, RegressorMixin, TransformerMixin
from sklearn.linear_model import LinearRegression, Ridge, SGDRegressor

#: Where `InAModule` keeps its regressions, by their parameter.
REGRESSIONS: dict[float, Ridge] = {}


class InInit(RegressorMixin, BaseEstimator):
    """Its regression is made in ``__init__``."""

    cache_version = 1

    def __init__(self, scale: float = 1.0) -> None:
        self.scale = scale
        self.inner = LinearRegression()

    def fit(self, X, y):
        self.inner.fit(np.asarray(X) * self.scale, y)
        self.n_features_in_ = X.shape[1]
        return self

    def predict(self, X):
        return self.inner.predict(np.asarray(X) * self.scale)


class InAList(RegressorMixin, BaseEstimator):
    """Its regressions stand in a list that is made in ``__init__``."""

    cache_version = 1

    def __init__(self, count: int = 2) -> None:
        self.count = count
        self.inner = [Ridge(10.0**k) for k in range(count)]

    def fit(self, X, y):
        for each in self.inner:
            each.fit(X, y)
        self.n_features_in_ = X.shape[1]
        return self

    def predict(self, X):
        return np.mean([each.predict(X) for each in self.inner], axis=0)


class OnTheClass(RegressorMixin, BaseEstimator):
    """Its regression is the class's, one for all objects. No copy can tell them apart."""

    cache_version = 1
    inner: ClassVar[LinearRegression] = LinearRegression()

    def __init__(self, scale: float = 1.0) -> None:
        self.scale = scale

    def fit(self, X, y):
        self.inner.fit(np.asarray(X) * self.scale, y)
        self.n_features_in_ = X.shape[1]
        return self

    def predict(self, X):
        return self.inner.predict(np.asarray(X) * self.scale)


class InAModule(RegressorMixin, BaseEstimator):
    """Its regression is in a dictionary of the module. No copy can tell them apart."""

    cache_version = 1

    def __init__(self, alpha: float = 1.0) -> None:
        self.alpha = alpha

    def fit(self, X, y):
        REGRESSIONS.setdefault(self.alpha, Ridge(self.alpha)).fit(X, y)
        self.n_features_in_ = X.shape[1]
        return self

    def predict(self, X):
        return REGRESSIONS[self.alpha].predict(X)


class InAFile(RegressorMixin, BaseEstimator):
    """Its regression is in a file, the same for all copies."""

    cache_version = 1

    def __init__(self, path: str = "model.pickle") -> None:
        self.path = path

    def fit(self, X, y):
        Path(self.path).write_bytes(pickle.dumps(LinearRegression().fit(X, y)))
        self.n_features_in_ = X.shape[1]
        return self

    def predict(self, X):
        return pickle.loads(Path(self.path).read_bytes()).predict(X)


class Drawn(RegressorMixin, BaseEstimator):
    """Learns from half of the rows, drawn by the generators that everybody shares."""

    cache_version = 1

    def fit(self, X, y):
        half = np.random.permutation(len(y))[::2]  # noqa: NPY002 - the fault of many
        self.shift_ = random.random()
        self.inner_ = LinearRegression().fit(np.asarray(X)[half], y[half])
        return self

    def predict(self, X):
        return self.inner_.predict(np.asarray(X)) + self.shift_


class InPlace(TransformerMixin, BaseEstimator):
    """Centres the numbers of the very table that it is given, and returns them."""

    cache_version = 1

    def fit(self, X, y=None):
        self.mean_ = np.asarray(numbers(X)).mean(axis=0)
        return self

    def transform(self, X):
        if not isinstance(X, pd.DataFrame):
            X -= self.mean_
            return X
        for name, mean in zip(numbers(X).columns, self.mean_, strict=True):
            X[name] -= mean
        return numbers(X)


def numbers(X):
    return X.select_dtypes("float64") if isinstance(X, pd.DataFrame) else X


class CentredMean(TransformerMixin, BaseEstimator):
    """Rolling means over as many rows before as after: it looks along the batch, at the future."""

    cache_version = 1

    def __init__(self, rows: int = 25) -> None:
        self.rows = rows

    def fit(self, X, y=None):
        return self

    def transform(self, X):
        rolling = pd.DataFrame(np.asarray(X)).rolling(self.rows, min_periods=1, center=True)
        return rolling.mean().to_numpy()


#: The last mean that `centred` took off.
LAST: dict[str, float] = {}


def centred(y):
    """Takes the mean of labels off, and keeps it in the module."""
    LAST["mean"] = float(np.mean(y))
    return y - LAST["mean"]


def restored(y):
    """Adds to answers the mean that was taken off last, whoever did that."""
    return y + LAST["mean"]


for each in (centred, restored):
    each.cache_version = 1


@dataclass(frozen=True)
class Onwards:
    """An update that fits the parent itself on, and returns it: all versions are one model."""

    cache_version: ClassVar[int] = 1

    def fit(self, model, X, y, weights, parent, seed):
        return model.fit(X, y) if parent is None else parent.partial_fit(X, y)


@dataclass(frozen=True)
class Coarse:
    """An update that sets a parameter of the first model only."""

    name: str
    value: Any

    cache_version: ClassVar[int] = 1

    def fit(self, model, X, y, weights, parent, seed):
        if parent is None:
            model.set_params(**{self.name: self.value})
        return model.fit(X, y)


def steps() -> SGDRegressor:
    """Plain gradient steps in the order of the rows."""
    return SGDRegressor(
        learning_rate="constant", eta0=0.01, penalty=None, shuffle=False, max_iter=1, tol=None
    )
