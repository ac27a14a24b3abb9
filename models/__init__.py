"""What model presets are made of: one model for each task, and pipelines that take any column."""

from dataclasses import dataclass
from typing import Any, Literal

import numpy as np
import pandas as pd
from sklearn.compose import ColumnTransformer, make_column_selector
from sklearn.ensemble import HistGradientBoostingClassifier as _Classifier
from sklearn.ensemble import HistGradientBoostingRegressor as _Regressor
from sklearn.impute import SimpleImputer
from sklearn.pipeline import Pipeline, make_pipeline
from sklearn.preprocessing import OneHotEncoder, OrdinalEncoder, StandardScaler

from backtrain.models.one_per import OnePer as OnePer
from backtrain.models.quantiles import Quantiles as Quantiles
from backtrain.models.recursive import Recursive as Recursive


@dataclass(frozen=True)
class ByTask:
    """A model for each task, so that one preset serves every dataset.

    >>> from sklearn.linear_model import LogisticRegression, Ridge
    >>> ByTask(Ridge(), LogisticRegression()).pick("regression")
    Ridge()
    """

    regression: Any
    classification: Any

    def pick(self, task: Literal["regression", "classification"]) -> Any:
        """The model for this task."""
        return self.regression if task == "regression" else self.classification


#: Categories of a column that scikit-learn's histogram gradient boosting can tell apart.
_MOST_CATEGORIES = 254


class _AnyColumns:
    """Lets histogram gradient boosting take the two kinds of columns that it refuses.

    A column without a number in the training rows is left out until a training has some; of a
    column with more categories than there are bins the rarest (of equals, those that came last)
    count as missing.
    """

    _empty: Any
    _kept: dict[str, Any]

    def fit(self, X: Any, y: Any, sample_weight: Any = None) -> Any:
        """Fit on n rows: an array of shape (n, p), or a table."""
        self._empty, self._kept = (), {}
        if isinstance(X, pd.DataFrame):
            kinds = X.dtypes
            names = [str(name) for name in X]
            texts = [name for name in names if isinstance(kinds[name], pd.CategoricalDtype)]
            for name in texts:
                if len(categories := X[name].cat.categories) > _MOST_CATEGORIES:
                    counts = X[name].value_counts(sort=False).reindex(categories).to_numpy()
                    most = np.sort(np.argsort(-counts, kind="stable")[:_MOST_CATEGORIES])
                    self._kept[name] = categories[most]
            self._empty = [n for n in names if n not in texts and bool(X[n].isna().all())]
        else:
            self._empty = np.flatnonzero(np.isnan(X).all(axis=0))
        return super().fit(self._taken(X), y, sample_weight)  # type: ignore[misc]

    def predict(self, X: Any) -> Any:
        """Answers to n rows, shape (n,)."""
        return super().predict(self._taken(X))  # type: ignore[misc]

    def _taken(self, X: Any) -> Any:
        """The rows as scikit-learn takes them."""
        if not len(self._empty) and not self._kept:
            return X
        if isinstance(X, pd.DataFrame):
            kept = {n: X[n].cat.set_categories(known) for n, known in self._kept.items()}
            return X.assign(**dict.fromkeys(self._empty, 0.0), **kept)
        X = np.array(X, dtype=np.float64)
        X[:, self._empty] = 0.0
        return X


class HistGradientBoostingRegressor(_AnyColumns, _Regressor):  # type: ignore[misc]
    """Scikit-learn's, for columns of any kind.

    >>> empty = np.column_stack((np.arange(40.0), np.full(40, np.nan)))
    >>> HistGradientBoostingRegressor().fit(empty, np.arange(40.0)).predict(empty[:1]).shape
    (1,)
    """


class HistGradientBoostingClassifier(_AnyColumns, _Classifier):  # type: ignore[misc]
    """Scikit-learn's, for columns of any kind."""

    def predict_proba(self, X: Any) -> Any:
        """The chance of each class, shape (n, k)."""
        return super().predict_proba(self._taken(X))


def scaled(estimator: Any) -> Pipeline:
    """Put before a linear model what it needs: gaps filled, numbers scaled, categories one-hot.

    Categories that were not in the training rows, and gaps in all of them, do not stop it.

    Parameters
    ----------
    estimator : estimator
        The last step.

    Returns
    -------
    Pipeline
        Unfitted.

    Examples
    --------
    >>> [name for name, _ in scaled(Ridge()).steps]
    ['columntransformer', 'ridge']
    """
    numbers = make_pipeline(
        SimpleImputer(strategy="median", keep_empty_features=True), StandardScaler()
    )
    return make_pipeline(_by_dtype(numbers, OneHotEncoder(handle_unknown="ignore")), estimator)


def coded(estimator: Any) -> Pipeline:
    """Put before a forest what it needs: categories as numbers; gaps in numbers stay.

    Parameters
    ----------
    estimator : estimator
        The last step.

    Returns
    -------
    Pipeline
        Unfitted.
    """
    codes = OrdinalEncoder(
        handle_unknown="use_encoded_value", unknown_value=-1, encoded_missing_value=-2
    )
    return make_pipeline(_by_dtype("passthrough", codes), estimator)


def _by_dtype(numbers: Any, categories: Any) -> ColumnTransformer:
    return ColumnTransformer(
        [
            ("numbers", numbers, make_column_selector(dtype_exclude="category")),
            ("categories", categories, make_column_selector(dtype_include="category")),
        ]
    )
