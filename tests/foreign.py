"""Models as others write them: some keep what a fit makes in themselves, some do not."""

import random
import threading

import numpy as np
import pandas as pd
from sklearn.base import BaseEstimator, ClassifierMixin, RegressorMixin, TransformerMixin
from sklearn.linear_model import LinearRegression, LogisticRegression

CACHE = {}


class Wrapper(RegressorMixin, BaseEstimator):
    """Makes its inner model in the constructor, beside a plain parameter."""

    def __init__(self, fit_intercept=True):
        self.fit_intercept = fit_intercept
        self.inner = LinearRegression(fit_intercept=fit_intercept)

    def fit(self, X, y):
        self.inner.fit(X, y)
        self.n_features_in_ = np.shape(X)[1]
        return self

    def predict(self, X):
        return self.inner.predict(X)


class InList(Wrapper):
    """Keeps it in a list."""

    def __init__(self, fit_intercept=True):
        self.fit_intercept = fit_intercept
        self.models = [LinearRegression(fit_intercept=fit_intercept)]

    @property
    def inner(self):
        return self.models[0]


class OnClass(Wrapper):
    """Keeps it on the class."""

    inner = LinearRegression()

    def __init__(self, fit_intercept=True):
        self.fit_intercept = fit_intercept


class InModule(Wrapper):
    """Keeps it in a variable of the module."""

    def __init__(self, fit_intercept=True):
        self.fit_intercept = fit_intercept

    @property
    def inner(self):
        return CACHE.setdefault("model", LinearRegression())


class CopiesItself(Wrapper):
    """Says that a copy of it is itself."""

    def __deepcopy__(self, memo):
        return self


class Drawing(Wrapper):
    """Draws at every call of predict."""

    def predict(self, X):
        return super().predict(X) + np.random.default_rng().normal(size=len(X))


class GlobalDraws(Wrapper):
    """Learns with the random numbers that a process shares."""

    def fit(self, X, y):
        self.shift = np.random.normal() + random.random()  # noqa: NPY002
        return super().fit(X, y)

    def predict(self, X):
        return super().predict(X) + self.shift


class BornAtRandom(Wrapper):
    """Draws in its constructor, as networks draw their first weights."""

    def __init__(self, fit_intercept=True):
        super().__init__(fit_intercept)
        self.shift = np.random.normal()  # noqa: NPY002

    def predict(self, X):
        return super().predict(X) + self.shift


class Locked(Wrapper):
    """Holds what cannot be copied."""

    def __init__(self, fit_intercept=True):
        super().__init__(fit_intercept)
        self.lock = threading.Lock()


class Scribbling(RegressorMixin, BaseEstimator):
    """Writes into whatever it is given."""

    def __init__(self, factor=0.0):
        self.factor = factor

    def fit(self, X, y, sample_weight=None):
        self.mean_ = float(np.mean(y))
        self._spoil(X)
        y[:] = self.factor
        if sample_weight is not None:
            sample_weight[:] = self.factor
        return self

    def predict(self, X):
        self._spoil(X)
        return np.full(len(X), self.mean_)

    def _spoil(self, X):
        if isinstance(X, pd.DataFrame):
            for name in X.select_dtypes("number"):
                X.loc[:, name] = self.factor
                values = X[name].to_numpy()
                if values.flags.writeable:
                    values[:] = self.factor
        else:
            X[:] = self.factor


class Rolling(TransformerMixin, BaseEstimator):
    """A rolling mean of the first column, centred or trailing, over the rows of the batch."""

    def __init__(self, center=True, window=9):
        self.center = center
        self.window = window

    def fit(self, X, y=None):
        return self

    def transform(self, X):
        first = pd.DataFrame(X).iloc[:, 0]
        rolled = first.rolling(self.window, center=self.center, min_periods=1).mean()
        return np.column_stack((np.asarray(X), rolled))


class Standardised(RegressorMixin, BaseEstimator):
    """Standardises each batch by itself."""

    def __init__(self, power=1):
        self.power = power

    def fit(self, X, y):
        self.inner_ = LinearRegression().fit(self._made(X), y)
        return self

    def predict(self, X):
        return self.inner_.predict(self._made(X))

    def _made(self, X):
        X = np.asarray(X)
        return (X - X.mean(axis=0)) / X.std(axis=0) ** self.power


class Classes(ClassifierMixin, BaseEstimator):
    """A classifier with its inner model from the constructor."""

    def __init__(self, C=1.0):
        self.C = C
        self.inner = LogisticRegression(C=C)

    def fit(self, X, y):
        self.inner.fit(X, y)
        self.classes_ = self.inner.classes_
        return self

    def predict(self, X):
        return self.inner.predict(X)

    def predict_proba(self, X):
        return self.inner.predict_proba(X)


class Threaded(Wrapper):
    """Takes a number of threads, and every core unless told."""

    def __init__(self, fit_intercept=True, n_jobs=None):
        super().__init__(fit_intercept)
        self.n_jobs = n_jobs

    def fit(self, X, y):
        self.used_ = self.n_jobs
        return super().fit(X, y)
