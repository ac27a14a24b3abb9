"""A model that takes its time; in a module of its own, from which other processes import it."""

import time

import numpy as np
from sklearn.base import BaseEstimator, RegressorMixin


class Slow(RegressorMixin, BaseEstimator):
    """Takes 60 ms of one core for a fit."""

    def fit(self, X, y):
        until = time.process_time() + 0.06
        self.mean_ = float(np.mean(y))
        while time.process_time() < until:
            pass
        return self

    def predict(self, X):
        return np.full(len(X), self.mean_)
