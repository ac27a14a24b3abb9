"""A model for each value of some columns: for each step of a forecast, or each series."""

from collections.abc import Sequence
from dataclasses import replace
from typing import Any, Literal

import numpy as np
import pandas as pd
from numpy.typing import NDArray
from sklearn.base import BaseEstimator, MetaEstimatorMixin, clone, is_classifier
from sklearn.metrics import accuracy_score, r2_score
from sklearn.utils import get_tags
from sklearn.utils.metaestimators import available_if
from sklearn.utils.validation import (
    _check_sample_weight,
    check_is_fitted,
    validate_data,
)

from backtrain.models.recursive import one_each


def _gives_probabilities(model: "OnePer") -> bool:
    return hasattr(model.estimator, "predict_proba")


class OnePer(MetaEstimatorMixin, BaseEstimator):  # type: ignore[misc]
    """Fits a clone of an estimator for each value of columns: ``by=["step"]``, ``by=["store"]``.

    With ``step`` these are direct forecasts, a model for each step; with the key of a series, a
    model for each series. The columns themselves are not learnt from. A value that the training
    rows do not hold is answered as `others` says.

    Parameters
    ----------
    estimator : estimator
        A regressor or a classifier, fitted on clones.
    by : str, list of str or of int
        The columns, of an array by their positions; of several columns each combination.
    others : {"mean", "pooled"}
        What answers rows of other values: the mean of all labels of the training, or the shares of
        its classes; or one more clone, which learns from all rows without these columns.
    dropna : bool
        Leave rows with a missing feature out of the training, as those without all their lags.

    Attributes
    ----------
    estimators_ : dict
        The fitted clones, by the value of the columns, a tuple.

    >>> from sklearn.linear_model import LinearRegression
    >>> X = pd.DataFrame({"x": [0.0, 1.0, 0.0, 1.0], "step": [1, 1, 2, 2]})
    >>> model = OnePer(LinearRegression(), by="step").fit(X, [0.0, 1.0, 5.0, 9.0])
    >>> model.predict(pd.DataFrame({"x": [2.0, 2.0, 2.0], "step": [1, 2, 3]})).round(6)
    array([ 2.  , 13.  ,  3.75])
    """

    def __init__(
        self,
        estimator: Any,
        by: str | Sequence[str | int] = ("step",),
        others: Literal["mean", "pooled"] = "mean",
        dropna: bool = False,
    ) -> None:
        self.estimator = estimator
        self.by = by
        self.others = others
        self.dropna = dropna

    def fit(self, X: Any, y: Any, sample_weight: Any = None) -> "OnePer":
        """Fit on n rows: a table or an array of shape (n, p)."""
        if self.others not in ("mean", "pooled"):
            raise ValueError(f"others={self.others!r}: 'mean' or 'pooled'")
        if y is None:
            raise ValueError("requires y to be passed, but the target y is None")
        table, y = self._table(X, y)
        weight = None if sample_weight is None else _check_sample_weight(sample_weight, table)
        if self.dropna:
            whole = table.notna().all(axis=1).to_numpy()
            table, y = table[whole], y[whole]
            weight = None if weight is None else weight[whole]
            if not len(y):
                raise ValueError("no row has all its features; give fewer lags, or dropna=False")
        if is_classifier(self.estimator):
            self.classes_ = np.unique(y)
        self.usual_ = self._usual(y, weight)
        rest = self._rest(table)
        self.estimators_ = {
            value: self._fitted(rest, y, weight, rows) for value, rows in self._parts(table)
        }
        self.pooled_ = None
        if self.others == "pooled":
            self.pooled_ = self._fitted(rest, y, weight, np.arange(len(y)))
        return self

    def predict(self, X: Any) -> NDArray[Any]:
        """Answers to n rows, shape (n,)."""
        check_is_fitted(self)
        table = self._table(X)
        if is_classifier(self.estimator):
            answers = np.full(len(table), self.classes_[int(np.argmax(self.usual_))])
        else:
            answers = np.full(len(table), float(self.usual_))
        for model, rows, given in self._asked(table):
            answers[rows] = one_each(model.predict(given), "OnePer")
        return answers

    @available_if(_gives_probabilities)  # type: ignore[untyped-decorator]
    def predict_proba(self, X: Any) -> NDArray[np.float64]:
        """The chance of each class, shape (n, k)."""
        check_is_fitted(self)
        table = self._table(X)
        answers = np.tile(np.asarray(self.usual_, dtype=np.float64), (len(table), 1))
        for model, rows, given in self._asked(table):
            full = np.zeros((len(rows), len(self.classes_)))
            full[:, np.searchsorted(self.classes_, model.classes_)] = model.predict_proba(given)
            answers[rows] = full
        return answers

    def score(self, X: Any, y: Any, sample_weight: Any = None) -> float:
        """The share of right answers of a classifier, else the coefficient of determination."""
        judge = accuracy_score if is_classifier(self.estimator) else r2_score
        return float(judge(y, self.predict(X), sample_weight=sample_weight))

    def _table(self, X: Any, y: Any = None) -> Any:
        """The rows as a table, columns of an array by their positions; with labels, both."""
        if isinstance(X, pd.DataFrame):
            checked = validate_data(self, X, reset=y is not None, skip_check_array=True)
            return checked if y is None else (checked, np.asarray(y))
        finite = "allow-nan" if get_tags(self).input_tags.allow_nan else True
        if y is None:
            return pd.DataFrame(validate_data(self, X, reset=False, ensure_all_finite=finite))
        numeric = not is_classifier(self.estimator)
        rows, y = validate_data(self, X, y, ensure_all_finite=finite, y_numeric=numeric)
        return pd.DataFrame(rows), y

    def _keys(self, table: pd.DataFrame) -> list[Any]:
        names = [self.by] if isinstance(self.by, (str, int)) else list(self.by)
        for name in names:
            if name not in table.columns:
                raise ValueError(
                    f"by={name!r}: no such column; there are {[*table.columns][:8]}; an array has "
                    "positions (features=frame gives names)"
                )
        return names

    def _rest(self, table: pd.DataFrame) -> Any:
        """What the clones are given."""
        rest = table.drop(columns=self._keys(table))
        if not rest.shape[1]:
            raise ValueError(f"by={self.by!r}: no column is left to learn from")
        return rest if hasattr(self, "feature_names_in_") else rest.to_numpy()

    def _parts(self, table: pd.DataFrame) -> list[tuple[tuple[Any, ...], NDArray[np.intp]]]:
        """Each value of the columns, missing ones as None, and its rows."""
        names = self._keys(table)
        if not names:
            return [((), np.arange(len(table)))]
        groups = table.groupby(names, observed=True, dropna=False, sort=True).indices
        found = []
        for value, rows in groups.items():
            values = value if isinstance(value, tuple) else (value,)
            found.append((tuple(None if pd.isna(one) else one for one in values), np.sort(rows)))
        return found

    def _fitted(
        self, rest: Any, y: NDArray[Any], weight: NDArray[np.float64] | None, rows: Any
    ) -> Any:
        """A clone that has learnt from some rows; of one class alone, what always answers it."""
        if is_classifier(self.estimator) and len(np.unique(y[rows])) == 1:
            from sklearn.dummy import DummyClassifier

            return DummyClassifier().fit(np.zeros((len(rows), 1)), y[rows])
        given = rest.iloc[rows] if isinstance(rest, pd.DataFrame) else rest[rows]
        if isinstance(given, pd.DataFrame):  # a category of other values is not known here
            kinds = given.dtypes == "category"
            given = given.assign(
                **{
                    name: given[name].cat.remove_unused_categories()
                    for name in given.columns[kinds]
                }
            )
        more = {} if weight is None else {"sample_weight": weight[rows]}
        return clone(self.estimator).fit(given, y[rows], **more)

    def _asked(self, table: pd.DataFrame) -> list[tuple[Any, NDArray[np.intp], Any]]:
        """Which model answers which rows, and what it is given."""
        rest, found = self._rest(table), []
        for value, rows in self._parts(table):
            model = self.estimators_.get(value, self.pooled_)
            if model is not None:
                given = rest.iloc[rows] if isinstance(rest, pd.DataFrame) else rest[rows]
                found.append((model, rows, given))
        return found

    def _usual(self, y: NDArray[Any], weight: NDArray[np.float64] | None) -> Any:
        """The mean of labels, or the shares of classes, by weight."""
        weights = None if weight is None or not weight.any() else weight
        if not is_classifier(self.estimator):
            return float(np.average(y, weights=weights))
        counts = np.bincount(np.searchsorted(self.classes_, y), weights=weights)
        return counts / counts.sum()

    def __sklearn_tags__(self) -> Any:
        tags, inner = super().__sklearn_tags__(), get_tags(self.estimator)
        tags.estimator_type = inner.estimator_type
        tags.classifier_tags, tags.regressor_tags = inner.classifier_tags, inner.regressor_tags
        tags.target_tags = replace(inner.target_tags, multi_output=False)
        tags.input_tags.allow_nan = inner.input_tags.allow_nan
        tags.input_tags.categorical = inner.input_tags.categorical
        return tags
