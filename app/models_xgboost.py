"""XGBoost for labels and categories of any kind, as the preset ``model=xgboost`` has it."""

from typing import Any

import numpy as np
import pandas as pd
from numpy.typing import NDArray
from xgboost import XGBClassifier as _Classifier
from xgboost import XGBRegressor as _Regressor


class _AnyCategories:
    """Takes categories that the training rows do not hold as missing; XGBoost refuses them."""

    _known: dict[str, Any]

    def fit(self, X: Any, y: Any, **given: Any) -> Any:
        """Fit on n rows: an array of shape (n, p), or a table."""
        self._known = {}
        if isinstance(X, pd.DataFrame):
            texts = X.columns[X.dtypes == "category"]
            self._known = {name: X[name].cat.categories for name in texts}
        if given.get("eval_set") is not None:
            given["eval_set"] = [(self._taken(rows), labels) for rows, labels in given["eval_set"]]
        return super().fit(X, y, **given)  # type: ignore[misc]

    def predict(self, X: Any, **given: Any) -> Any:
        """Answers to n rows, shape (n,)."""
        return super().predict(self._taken(X), **given)  # type: ignore[misc]

    def _taken(self, X: Any) -> Any:
        if not self._known:
            return X
        return X.assign(**{n: X[n].cat.set_categories(known) for n, known in self._known.items()})


class XGBRegressor(_AnyCategories, _Regressor):  # type: ignore[misc]
    """XGBoost's own, which takes categories that it has not seen."""


class XGBClassifier(_AnyCategories, _Classifier):  # type: ignore[misc]
    """XGBoost's own, which takes labels of any kind, and categories that it has not seen."""

    _labels: NDArray[Any] | None = None

    @property
    def classes_(self) -> NDArray[Any]:
        """The k labels that the training rows held, sorted."""
        return np.asarray(super().classes_ if self._labels is None else self._labels)

    def fit(self, X: Any, y: Any, **given: Any) -> Any:
        """Fit on n rows and their labels."""
        self._labels = None  # XGBoost asks for the classes while it fits: those of the codes
        labels, codes = np.unique(np.asarray(y), return_inverse=True)
        if given.get("eval_set") is not None:
            given["eval_set"] = [(rows, _codes(labels, known)) for rows, known in given["eval_set"]]
        super().fit(X, codes, **given)
        self._labels = labels
        return self

    def predict(self, X: Any, **given: Any) -> NDArray[Any]:
        """The likeliest label of n rows, shape (n,)."""
        return self.classes_[np.asarray(super().predict(X, **given), dtype=np.int64)]

    def predict_proba(self, X: Any, **given: Any) -> NDArray[np.float64]:
        """The chance of each label, shape (n, k)."""
        return np.asarray(super().predict_proba(self._taken(X), **given))


def _codes(labels: NDArray[Any], y: Any) -> NDArray[np.int64]:
    """The place of each label among those that the training rows held."""
    known = np.asarray(y)
    places = np.minimum(np.searchsorted(labels, known), len(labels) - 1)
    if (strange := labels[places] != known).any():
        raise ValueError(f"label {known[strange][0]!r} of the evaluation set is new to the model")
    return places
