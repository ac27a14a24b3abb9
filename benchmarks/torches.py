"""Models of torch and skorch, as people write them; imported only where both are installed."""

from __future__ import annotations

import numpy as np
import torch
from sklearn.base import BaseEstimator, RegressorMixin
from sklearn.pipeline import make_pipeline
from sklearn.preprocessing import StandardScaler
from skorch import NeuralNetRegressor
from torch import nn

FEATURES, EPOCHS = 4, 20


def network() -> nn.Sequential:
    return nn.Sequential(nn.Linear(FEATURES, 8), nn.ReLU(), nn.Linear(8, 1))


class InInit(RegressorMixin, BaseEstimator):
    """Its network is made in ``__init__``, and taught further by every fit."""

    cache_version = 1

    def __init__(self, rate: float = 0.05, seed: int | None = 0) -> None:
        self.rate = rate
        self.seed = seed
        if seed is not None:
            torch.manual_seed(seed)
        self.network = network()

    def fit(self, X, y):
        self.n_features_in_ = X.shape[1]
        taught(self.network, X, y, self.rate)
        return self

    def predict(self, X):
        return answered(self.network, X)


class InFit(RegressorMixin, BaseEstimator):
    """Its network is made in ``fit``, from torch's own generator where no seed is given."""

    cache_version = 1

    def __init__(self, rate: float = 0.05, seed: int | None = 0) -> None:
        self.rate = rate
        self.seed = seed

    def fit(self, X, y):
        self.n_features_in_ = X.shape[1]
        if self.seed is not None:
            torch.manual_seed(self.seed)
        self.network_ = network()
        taught(self.network_, X, y, self.rate)
        return self

    def predict(self, X):
        return answered(self.network_, X)


def taught(net: nn.Module, X, y, rate: float) -> None:
    inputs = torch.tensor(np.asarray(X), dtype=torch.float32)
    wanted = torch.tensor(y, dtype=torch.float32)
    steps = torch.optim.Adam(net.parameters(), lr=rate)
    for _ in range(EPOCHS):
        steps.zero_grad()
        nn.functional.mse_loss(net(inputs)[:, 0], wanted).backward()
        steps.step()


def answered(net: nn.Module, X):
    with torch.no_grad():
        inputs = torch.tensor(np.asarray(X), dtype=torch.float32)
        return net(inputs)[:, 0].numpy().astype(float)


class Skorch(NeuralNetRegressor):
    """Takes arrays of doubles and labels of one dimension, as scikit-learn's estimators do."""

    cache_version = 1

    def fit(self, X, y, **more):
        return super().fit(np.float32(X), np.float32(y)[:, None], **more)

    def predict(self, X):
        return super().predict(np.float32(X))[:, 0].astype(float)


class Seeded(Skorch):
    """Sets torch's generator itself, so that a loop can say the same."""

    cache_version = 1

    def initialize(self):
        torch.manual_seed(0)
        return super().initialize()


def skorch(kind: type[Skorch]) -> Skorch:
    return kind(
        network, optimizer=torch.optim.Adam, max_epochs=5, lr=0.05, train_split=None, verbose=0
    )


#: Name, how a new model is made, and what else the table should know of it.
ALL = [
    ("network of __init__", InInit, {}),
    ("network of fit", InFit, {}),
    ("without a seed", lambda: InFit(seed=None), {"drawn": True}),
    ("scaler, network of __init__", lambda: make_pipeline(StandardScaler(), InInit()), {}),
    ("skorch, its own seed", lambda: skorch(Seeded), {}),
    ("skorch", lambda: skorch(Skorch), {"drawn": True}),
    ("scaler, skorch", lambda: make_pipeline(StandardScaler(), skorch(Seeded)), {}),
]
