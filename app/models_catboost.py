"""CatBoost that finds the categories itself, as the preset ``model=catboost`` has it."""

from typing import Any

import numpy as np
import pandas as pd
from catboost import CatBoostClassifier as _Classifier
from catboost import CatBoostRegressor as _Regressor
from numpy.typing import NDArray


class _FindsCategories:
    """Hands category columns over as ``cat_features``, their missing values as a category."""

    def fit(self, X: Any, y: Any, **given: Any) -> Any:
        """Fit on n rows: an array of shape (n, p), or a table."""
        if isinstance(X, pd.DataFrame):
            given.setdefault("cat_features", X.columns[X.dtypes == "category"].tolist() or None)
        if given.get("eval_set") is not None:
            given["eval_set"] = [(_taken(rows), labels) for rows, labels in given["eval_set"]]
        return super().fit(_taken(X), y, **given)  # type: ignore[misc]

    def predict(self, X: Any, *more: Any, **given: Any) -> Any:
        """Answers to n rows, shape (n,)."""
        return super().predict(_taken(X), *more, **given)  # type: ignore[misc]


class CatBoostRegressor(_FindsCategories, _Regressor):  # type: ignore[misc]
    """CatBoost's own, which is told the category columns of a table."""


class CatBoostClassifier(_FindsCategories, _Classifier):  # type: ignore[misc]
    """CatBoost's own, which is told the category columns of a table."""

    def predict_proba(self, X: Any, **given: Any) -> NDArray[np.float64]:
        """The chance of each label, shape (n, k)."""
        return np.asarray(super().predict_proba(_taken(X), **given))


def _taken(X: Any) -> Any:
    """The rows as CatBoost takes them: a missing category is one by the name of ""."""
    if not isinstance(X, pd.DataFrame):
        return X
    texts = X.columns[X.dtypes == "category"]
    return X.assign(**{name: X[name].astype(object).where(X[name].notna(), "") for name in texts})
