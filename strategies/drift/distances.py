"""How far two samples lie apart: numbers without a p-value, each 0 or small without drift."""

from collections.abc import Callable, Iterator, Mapping, Sequence
from functools import partial
from typing import Any, Protocol

import numpy as np

from backtrain.strategies.drift.multivariate import (
    DomainClassifier,
    MeanDiscrepancy,
    Reconstruction,
)
from backtrain.strategies.drift.two_sample import Cells, Floats, thinned

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

    def to(self, columns: Columns) -> Floats:
        """Shape (columns,), or (1,) where all are taken at once."""
        currents = [columns] if self._at_once else columns
        pairs = zip(self._references, currents, strict=True)
        return np.array([reference.to(current) for reference, current in pairs])


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
    reference is too short. Three is for one column and a mean and deviation that are known: the
    factor grows such that all k columns together pass as seldom (Bonferroni), and by Student's t
    because both are estimated from a few stretches. These are neighbouring rows, so that what goes
    up and down within the reference is not taken for drift.
    """

    from scipy.stats import t as student_t

    distances = np.array([Distances(test, rest).to(chunk) for rest, chunk in sample.chunks(size)])
    if len(distances) == 0:
        return np.array([np.inf])
    n, columns = distances.shape
    factor = student_t.isf(THREE_SIGMA / columns, n - 1) * np.sqrt(1 + 1 / n)
    return np.asarray(distances.mean(axis=0) + factor * distances.std(axis=0, ddof=1))
