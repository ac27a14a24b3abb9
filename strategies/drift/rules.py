"""A reference beside newer rows: which columns have drifted, by which test, at which limit."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from typing import Any, Protocol

import numpy as np
import pandas as pd

from backtrain.simulator.errors import PartError
from backtrain.simulator.reason import Reason
from backtrain.strategies.drift.distances import (
    AT_ONCE,
    BY_COLUMN,
    Columns,
    Distances,
    Sample,
    calibrated,
)
from backtrain.strategies.drift.two_sample import CORRECTIONS, Flags, Floats, Reference, p_values

#: Tests that give p-values, and those that compare nothing but numbers.
TESTED = ("auto", "KS", "chi2")
NUMERIC = ("KS", "Wasserstein")
#: Correction and level that parts have by default.
USUAL = ("Benjamini-Hochberg", 0.05)


@dataclass(frozen=True, eq=False)
class Found:
    """A statistic and its limit for each column, or one for all of them; arrays of shape (k,)."""

    names: Sequence[str]
    statistic: Floats
    limit: Floats
    drifted: Flags
    worst: int

    def reason(self, min_share: float = 0.0) -> Reason | None:
        """Why to retrain, if so large a share of the columns has drifted."""
        if not self.drifted.any() or self.drifted.mean() < min_share:
            return None
        names = [name for name, hit in zip(self.names, self.drifted, strict=True) if hit]
        said = f"{len(names)} of {len(self.names)} features drifted: {', '.join(names[:5])}"
        if len(self.names) == 1:
            said = f"{names[0]} drifted"
        return Reason(said, *self.worst_reading())

    def worst_reading(self) -> tuple[float, float]:
        """The statistic and the limit of the column that is furthest beyond its limit."""
        return float(self.statistic[self.worst]), float(self.limit[self.worst])


def by_p_value(names: Sequence[str], found: Floats, correction: str, alpha: float) -> Found:
    """Columns whose p-value is too small, given how many of them are looked at."""
    drifted = CORRECTIONS[correction](found, alpha)
    limit = alpha / len(found) if correction == "Bonferroni" else alpha
    return Found(names, found, np.full(len(found), limit), drifted, int(np.argmin(found)))


class Comparison(Protocol):
    """A reference that newer rows are held against."""

    def look(self, columns: Columns) -> Found:
        """What has drifted; arrays, or categorical Series, each of shape (rows,)."""


@dataclass(frozen=True)
class Rule:
    """How columns are compared, and what counts as drift.

    Raises
    ------
    PartError
        Named as a parameter of ``part``.
    """

    part: str
    test: str
    correction: str
    alpha: float
    threshold: float | str
    window: int

    def __post_init__(self) -> None:
        tests = [*TESTED, *BY_COLUMN, *AT_ONCE]
        if self.test not in tests:
            self._refuse("test", f"not known; there are {', '.join(map(repr, tests))}")
        refuse_correction(self.part, self.correction, self.alpha)
        if isinstance(self.threshold, str) and self.threshold != "calibrated":
            self._refuse("threshold", "a number, or 'calibrated'")
        if not isinstance(self.threshold, str) and not self.threshold >= 0:
            self._refuse("threshold", "a distance is not negative")
        if self.test in TESTED and self.threshold != "calibrated":
            self._refuse("threshold", f"{self.test!r} gives p-values; set alpha instead")
        if self.test not in TESTED and (self.correction, self.alpha) != USUAL:
            name = "alpha" if self.alpha != USUAL[1] else "correction"
            self._refuse(name, f"{self.test!r} gives no p-values; set threshold instead")

    def _refuse(self, name: str, why: str) -> None:
        raise PartError(f"{self.part}({name}={getattr(self, name)!r}): {why}")

    def fits(self, categorical: bool) -> bool:
        """Whether the test can compare a column of this kind."""
        return not (categorical and self.test in NUMERIC)

    def against(self, sample: Sample, names: Sequence[str]) -> Comparison:
        """Compare with a reference whose columns are called ``names``."""
        kind = _Tested if self.test in TESTED else _Distant
        return kind(self, sample, names)


def refuse_correction(part: str, correction: str, alpha: float) -> None:
    """Raise `PartError` for a correction that is not known, or a level that is none."""
    if correction not in CORRECTIONS:
        raise PartError(
            f"{part}(correction={correction!r}): not one of {', '.join(map(repr, CORRECTIONS))}"
        )
    if not 0 < alpha < 1:
        raise PartError(f"{part}(alpha={alpha!r}): must lie between 0 and 1")


class _Tested:
    """Columns tested one by one, for p-values."""

    def __init__(self, rule: Rule, sample: Sample, names: Sequence[str]) -> None:
        self._rule, self._names = rule, names
        counted = rule.test == "chi2"
        self._references = [Reference(column, counted) for column in sample.columns]

    def look(self, columns: Columns) -> Found:
        found = p_values(self._references, columns)
        return by_p_value(self._names, found, self._rule.correction, self._rule.alpha)


class _Distant:
    """Distances held against a fixed threshold, or one calibrated on the reference."""

    def __init__(self, rule: Rule, sample: Sample, names: Sequence[str]) -> None:
        self._rule, self._sample = rule, sample
        self._names = ["all features together"] if rule.test in AT_ONCE else names
        self._distances = Distances(rule.test, sample.columns)
        self._limits: dict[int, Floats] = {}

    def look(self, columns: Columns) -> Found:
        found = self._distances.to(columns)
        limit = np.broadcast_to(self._limit(len(columns[0])), found.shape)
        above = np.subtract(found, limit, out=np.zeros_like(found), where=np.isfinite(limit))
        return Found(self._names, found, limit, found > limit, int(np.argmax(above)))

    def _limit(self, rows: int) -> Floats:
        """The threshold for so many rows.

        Fewer rows lie farther apart by chance. While the window fills, the threshold is calibrated
        on half of it, a quarter, and so on: as many rows as there are, or fewer.
        """
        if not isinstance(self._rule.threshold, str):
            return np.array([self._rule.threshold], dtype=np.float64)
        size = self._rule.window
        while size > rows:
            size //= 2
        if size not in self._limits:
            self._limits[size] = calibrated(self._rule.test, self._sample, size)
        return self._limits[size]


def columns_of(X: Any, places: Sequence[int]) -> list[Any]:
    """Columns of an array or a DataFrame: floats, or categorical Series."""
    if not isinstance(X, pd.DataFrame):
        return [X[:, place] for place in places]
    columns = [X.iloc[:, place] for place in places]
    return [c if is_categorical(c) else c.to_numpy(np.float64) for c in columns]


def is_categorical(column: Any) -> bool:
    """Whether a Series holds categories."""
    return isinstance(column.dtype, pd.CategoricalDtype)
