"""How far two samples lie apart, by column or in all at once; each 0 or small without drift."""

from collections.abc import Callable, Iterator, Mapping, Sequence
from functools import partial
from typing import Any, Protocol

import numpy as np
import pandas as pd
from numpy.typing import NDArray

from backtrain.strategies.drift.two_sample import (
    Cells,
    Floats,
    first_numbers,
    is_empty,
    thinned,
)

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


Columns = Sequence[Any]

#: Shares of a cell below it count as this much in PSI: the logarithm of 0 is no number.
SMALLEST_SHARE = 1e-4
#: A reference is cut into at least so many stretches, and at most so many are looked at.
FEWEST_CHUNKS, MOST_CHUNKS = 5, 20
#: Chance of lying above mean plus three standard deviations: 0.00135.
THREE_SIGMA = 0.0013498980316300933  # scipy.stats.norm.sf(3)


class Distance(Protocol):
    """A reference, and how far a sample lies from it."""

    def to(self, current: Any) -> float:
        """The distance; 0 where nothing can be compared."""


# --- one column ---------------------------------------------------------------------------------


class Wasserstein:
    """Area between two empirical distributions, in standard deviations of the reference.

    How far the values must be moved on average to make one sample of the other. Numeric columns
    only; missing numbers are left out.
    """

    def __init__(self, reference: Any) -> None:
        self._sorted = np.sort(reference[~np.isnan(reference)])
        self._sigma = float(self._sorted.std()) if len(self._sorted) else 0.0

    def to(self, current: Any) -> float:
        """The distance; without spread in the reference, 0 or infinite."""
        values = np.sort(current[~np.isnan(current)])
        if len(values) == 0 or len(self._sorted) == 0:
            return 0.0
        moved = wasserstein(self._sorted, values)
        return moved / self._sigma if self._sigma > 0 else (np.inf if moved > 0 else 0.0)


def wasserstein(reference: Floats, current: Floats) -> float:
    """First Wasserstein distance of two sorted samples: the mean gap between their quantiles.

    Quantile functions are steps that end at multiples of 1/n and 1/m: counted in units of 1/nm,
    the places of the ends are whole numbers.
    """
    n, m = len(reference), len(current)
    ends = np.concatenate((np.arange(1, n + 1) * m, np.arange(1, m + 1) * n))
    ends.sort(kind="stable")
    widths = np.diff(ends, prepend=0)
    gaps = np.abs(reference[(ends - 1) // m] - current[(ends - 1) // n])
    return float(widths @ gaps / (n * m))


class Counted:
    """A measure between the counts of two samples in the reference's `Cells`."""

    def __init__(self, reference: Any, measure: Callable[[Floats, Floats], float]) -> None:
        self._cells, self._measure = Cells(reference), measure
        self._counts = self._cells.count(reference)

    def to(self, current: Any) -> float:
        """The measure; 0 where one of the samples is empty."""
        counts = self._cells.count(current)
        if counts.sum() == 0 or self._counts.sum() == 0:
            return 0.0
        return self._measure(self._counts, counts)


def population_stability(reference: Floats, current: Floats) -> float:
    """Population stability index of shares p and q, given counts: ``sum (p - q) ln(p / q)``.

    Shares below 0.0001 count as that; a cell that is empty on both sides is left out.

    >>> round(population_stability(np.array([50.0, 50.0, 0.0]), np.array([60.0, 40.0, 0.0])), 4)
    0.0405
    """
    held = reference + current > 0
    p = np.maximum(reference[held] / reference.sum(), SMALLEST_SHARE)
    q = np.maximum(current[held] / current.sum(), SMALLEST_SHARE)
    return float(((p - q) * np.log(p / q)).sum())


def jensen_shannon(reference: Floats, current: Floats) -> float:
    """Jensen-Shannon distance of shares, given counts; to base 2, so that it ends at 1.

    >>> jensen_shannon(np.array([10.0, 0.0]), np.array([0.0, 30.0]))
    1.0
    """

    from scipy.special import rel_entr

    p, q = reference / reference.sum(), current / current.sum()
    middle = (p + q) / 2
    divergence = (rel_entr(p, middle) + rel_entr(q, middle)).sum() / 2 / np.log(2)
    return float(np.sqrt(max(0.0, divergence)))


#: Distances of one column.
BY_COLUMN: Mapping[str, Callable[[Any], Distance]] = {
    "Wasserstein": Wasserstein,
    "PSI": partial(Counted, measure=population_stability),
    "JS": partial(Counted, measure=jensen_shannon),
}
#: Distances of all columns at once.
AT_ONCE: Mapping[str, Callable[[Any], Distance]] = {
    "MMD": MeanDiscrepancy,
    "domain classifier": DomainClassifier,
    "PCA": Reconstruction,
}


class Distances:
    """The distances of a table's columns, or the one of all of them, to those of a reference."""

    def __init__(self, test: str, columns: Columns) -> None:
        self._references = (
            [BY_COLUMN[test](column) for column in columns]
            if test in BY_COLUMN
            else [AT_ONCE[test](columns)]
        )
        self._at_once = test in AT_ONCE
        by_column = () if self._at_once else columns
        self._empty = {i: len(c) for i, c in enumerate(by_column) if is_empty(c)}

    def to(self, columns: Columns) -> Floats:
        """Shape (columns,), or (1,) where all are taken at once.

        Infinite for a column of numbers that the reference has none of, where chance would hardly
        bring so many of them.
        """
        currents = [columns] if self._at_once else columns
        pairs = zip(self._references, currents, strict=True)
        distances = np.array([reference.to(current) for reference, current in pairs])
        for place, rows in self._empty.items():
            if first_numbers(rows, columns[place]) < THREE_SIGMA:
                distances[place] = np.inf
        return distances


# --- thresholds ---------------------------------------------------------------------------------


class Sample:
    """A reference of ``count`` rows of which at most ``most`` are kept, evenly spaced.

    Parameters
    ----------
    fetch : callable
        Gives the columns of the rows at the given places, an array of shape (k,).
    count, most : int
        How many rows there are, and how many to keep.
    """

    def __init__(self, fetch: Callable[[Any], Columns], count: int, most: int) -> None:
        self._fetch = fetch
        self._count = count
        self._places = thinned(count, most)
        self.columns = fetch(self._places)

    def chunks(self, size: int) -> Iterator[tuple[Columns, Columns]]:
        """Stretches of ``size`` rows that are neighbours, each after the kept rows outside it.

        At most 20, evenly spaced, that overlap by half at most. They are shorter than ``size``
        where the reference does not hold five of them side by side; none for fewer than 10 rows.
        """
        size = min(size, self._count // FEWEST_CHUNKS)
        if size < 2:
            return
        most = min(MOST_CHUNKS, 2 * (self._count // size) - 1)
        for first in np.linspace(0, self._count - size, most).astype(np.int64):
            outside = (self._places < first) | (self._places >= first + size)
            rest = [column[outside] for column in self.columns]
            yield rest, self._fetch(np.arange(first, first + size))


def calibrated(test: str, sample: Sample, size: int) -> Floats:
    """The distances that a stretch of the reference rarely has from the rest of it.

    Mean plus three standard deviations over stretches of ``size`` rows; infinite where the
    reference is too short, or a stretch infinitely far from the rest. Three is for one column and a
    mean and deviation that are known: the factor grows such that all k columns together pass as
    seldom (Bonferroni), and by Student's t because both are estimated from a few stretches. These
    are neighbouring rows, so that what goes up and down within the reference is not taken for
    drift.
    """

    from scipy.stats import t as student_t

    distances = np.array([Distances(test, rest).to(chunk) for rest, chunk in sample.chunks(size)])
    if len(distances) == 0:
        return np.array([np.inf])
    n, columns = distances.shape
    known = np.isfinite(distances).all(axis=0)  # else a stretch held the first numbers of a column
    distances = np.where(known, distances, 0.0)
    factor = student_t.isf(THREE_SIGMA / columns, n - 1) * np.sqrt(1 + 1 / n)
    limit = distances.mean(axis=0) + factor * distances.std(axis=0, ddof=1)
    return np.where(known, limit, np.inf)
