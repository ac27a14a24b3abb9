"""How far two samples of all columns lie apart: what shows only in columns together is seen too."""

from collections.abc import Sequence
from typing import Any

import numpy as np
import pandas as pd
from numpy.typing import NDArray

from backtrain.strategies.drift.two_sample import Floats, thinned

#: Rows of either sample whose distances from each other are computed.
MOST_PAIRED = 1_000
FOLDS = 5
#: Share of the variance that the principal components keep.
KEPT_VARIANCE = 0.65
#: Below it an error of reconstruction is that of rounding.
ROUNDING = 1e-9


class Encoding:
    """Columns as numbers on one scale, by what a reference sample knows.

    Numbers are taken less the reference's mean and by its standard deviation, a missing or infinite
    one as the mean. A category is 1 in a column of its own, unknown ones share one, missing ones
    another.

    Parameters
    ----------
    columns : sequence of ndarray of float, or categorical Series, each of shape (n,)
        The reference sample.
    """

    def __init__(self, columns: Sequence[Any]) -> None:
        self._learnt = [_learn(column) for column in columns]

    def __call__(self, columns: Sequence[Any]) -> Floats:
        """Shape (n, p)."""
        pairs = zip(columns, self._learnt, strict=True)
        return np.column_stack([_encoded(column, learnt) for column, learnt in pairs])


def _learn(column: Any) -> Any:
    if isinstance(column, pd.Series):
        return column.cat.categories[np.unique(column.cat.codes[column.notna()])]
    finite = column[np.isfinite(column)]
    if len(finite) == 0:
        return 0.0, 1.0
    return float(finite.mean()), float(finite.std()) or 1.0


def _encoded(column: Any, learnt: Any) -> Floats:
    if isinstance(column, pd.Series):
        cell = np.append(learnt.get_indexer(column.cat.categories), -2)[column.cat.codes]
        cell = np.select([cell == -1, cell == -2], [len(learnt), len(learnt) + 1], cell)
        return np.asarray(np.eye(len(learnt) + 2)[cell])
    mean, sigma = learnt
    return np.where(np.isfinite(column), (column - mean) / sigma, 0.0)


class MeanDiscrepancy:
    """Squared maximum mean discrepancy with a Gaussian kernel, unbiased: it may fall below 0.

    Gretton et al. (2012), J. Mach. Learn. Res. 13, 723-773, equation 3. The bandwidth is the median
    distance between reference rows. At most 1,000 rows of either sample are paired, evenly spaced.
    """

    def __init__(self, columns: Sequence[Any]) -> None:
        self._encoding = Encoding(columns)
        self._rows = _few(self._encoding(columns))
        squares = _squares(self._rows, self._rows)
        pairs = squares[np.triu_indices(len(squares), k=1)]
        median = float(np.median(pairs)) if len(pairs) else 0.0
        self._scale = 2 * median if median > 0 else 2.0
        self._own = _mean_of_pairs(np.exp(-squares / self._scale))

    def to(self, columns: Sequence[Any]) -> float:
        """The squared discrepancy; 0 for fewer than two rows."""
        rows = _few(self._encoding(columns))
        if min(len(rows), len(self._rows)) < 2:
            return 0.0
        own = _mean_of_pairs(np.exp(-_squares(rows, rows) / self._scale))
        across = np.exp(-_squares(self._rows, rows) / self._scale).mean()
        return float(self._own + own - 2 * across)


def _few(rows: Floats) -> Floats:
    return rows[thinned(len(rows), MOST_PAIRED)]


def _squares(rows: Floats, others: Floats) -> Floats:
    """Squared distances of all pairs."""
    norms = np.square(rows).sum(axis=1)[:, None] + np.square(others).sum(axis=1)
    return np.asarray(np.maximum(norms - 2 * rows @ others.T, 0.0))


def _mean_of_pairs(kernel: Floats) -> float:
    """Mean over pairs of different rows."""
    n = len(kernel)
    return float((kernel.sum() - np.trace(kernel)) / max(1, n * (n - 1)))


class DomainClassifier:
    """How well a classifier tells the two samples apart: the area under its ROC curve.

    Logistic regression on the encoded columns and their squares, asked about rows that it has not
    learnt (five folds). 0.5: not at all.
    """

    def __init__(self, columns: Sequence[Any]) -> None:
        self._encoding = Encoding(columns)
        self._rows = self._encoding(columns)

    def to(self, columns: Sequence[Any]) -> float:
        """The area; 0.5 for fewer than two rows."""

        from sklearn.linear_model import LogisticRegression
        from sklearn.metrics import roc_auc_score
        from sklearn.model_selection import StratifiedKFold, cross_val_predict
        from sklearn.preprocessing import StandardScaler

        current = self._encoding(columns)
        folds = min(FOLDS, len(current), len(self._rows))
        if folds < 2:
            return 0.5
        rows = np.vstack((self._rows, current))
        inputs = StandardScaler().fit_transform(np.hstack((rows, np.square(rows))))
        sample = np.repeat([0, 1], [len(self._rows), len(current)])
        scores = cross_val_predict(
            LogisticRegression(max_iter=1_000),
            inputs,
            sample,
            cv=StratifiedKFold(folds, shuffle=True, random_state=0),
            method="decision_function",
        )
        return float(roc_auc_score(sample, scores))


class Reconstruction:
    """By what share the error of reconstruction from the reference's main components has changed.

    The components keep 65 % of the variance of the encoded columns; a row's error is its Euclidean
    distance from its reconstruction. When columns no longer move together as they did, the mean
    error grows, or shrinks.
    """

    def __init__(self, columns: Sequence[Any]) -> None:
        from sklearn.decomposition import PCA

        self._encoding = Encoding(columns)
        rows = self._encoding(columns)
        self._components: PCA | None = None
        self._mean = rows.mean(axis=0)
        if len(rows) > 1 and rows.var(axis=0).any():
            self._components = PCA(KEPT_VARIANCE, svd_solver="full").fit(rows)
        self._usual = self._error(rows)

    def to(self, columns: Sequence[Any]) -> float:
        """The change of the mean error, as a share of the reference's, without its sign."""
        if len(columns[0]) == 0:
            return 0.0
        change = abs(self._error(self._encoding(columns)) - self._usual)
        return change / max(self._usual, ROUNDING) if change > ROUNDING else 0.0

    def _error(self, rows: NDArray[np.float64]) -> float:
        again: Any = self._mean
        if self._components is not None:
            again = self._components.inverse_transform(self._components.transform(rows))
        return float(np.linalg.norm(rows - again, axis=1).mean())
