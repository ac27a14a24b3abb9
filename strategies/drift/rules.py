"""A reference beside newer rows: which columns have drifted, by which test, at which limit."""

from collections.abc import Sequence
from dataclasses import dataclass
from typing import Annotated, Any, Literal, Protocol

import numpy as np
import pandas as pd

from backtrain.simulator.answers import PartError, Reason
from backtrain.simulator.constraints import Number
from backtrain.simulator.parts import Part
from backtrain.strategies.drift.distances import AT_ONCE, Columns, Distances, Sample, calibrated
from backtrain.strategies.drift.two_sample import (
    CORRECTIONS,
    Flags,
    Floats,
    ReferenceSample,
    p_values,
)

#: Tests that give p-values, and those that compare nothing but numbers.
TESTED = ("auto", "KS", "chi2")
NUMERIC = ("KS", "Wasserstein")
Correction = Literal["Benjamini-Hochberg", "Bonferroni", "none"]
#: A distance above it is drift.
Threshold = Annotated[float, Number("a distance, not negative", 0)] | Literal["calibrated"]
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
        sentence = f"{len(names)} of {len(self.names)} features drifted: {', '.join(names[:5])}"
        if len(self.names) == 1:
            sentence = f"{names[0]} drifted"
        return Reason(sentence, *self.worst_reading())

    def worst_reading(self) -> tuple[float, float]:
        """The statistic and the limit of the column that is furthest beyond its limit."""
        return float(self.statistic[self.worst]), float(self.limit[self.worst])


def by_p_value(names: Sequence[str], p_values: Floats, correction: str, alpha: float) -> Found:
    """Columns whose p-value is too small, given how many of them are looked at."""
    drifted = CORRECTIONS[correction](p_values, alpha)
    limit = alpha / len(p_values) if correction == "Bonferroni" else alpha
    return Found(names, p_values, np.full(len(p_values), limit), drifted, int(np.argmin(p_values)))


class DriftTest(Protocol):
    """A reference that newer rows are held against."""

    def look(self, columns: Columns) -> Found:
        """What has drifted; arrays, or categorical Series, each of shape (rows,)."""


@dataclass(frozen=True)
class Rule:
    """How columns are compared, and what counts as drift."""

    test: str
    correction: str
    alpha: float
    threshold: float | str
    window: int

    def check_used(self, part: Part) -> None:
        """Raise `PartError` where a part sets what its test does not look at."""
        tested = self.test in TESTED
        if tested and self.threshold != "calibrated":
            name, why = "threshold", "gives p-values; set alpha instead"
        elif not tested and (self.correction, self.alpha) != USUAL:
            name = "alpha" if self.alpha != USUAL[1] else "correction"
            why = "gives no p-values; set threshold instead"
        else:
            return
        raise PartError(
            f"{type(part).__name__}({name}={getattr(self, name)!r}): {self.test!r} {why}"
        )

    def fits(self, categorical: bool) -> bool:
        """Whether the test can compare a column of this kind."""
        return not (categorical and self.test in NUMERIC)

    def against(self, sample: Sample, names: Sequence[str]) -> DriftTest:
        """Compare with a reference whose columns are called ``names``."""
        kind = _Tested if self.test in TESTED else _Distant
        return kind(self, sample, names)


class _Tested:
    """Columns tested one by one, for p-values."""

    def __init__(self, rule: Rule, sample: Sample, names: Sequence[str]) -> None:
        self._rule, self._names = rule, names
        counted = rule.test == "chi2"
        self._references = [ReferenceSample(column, counted) for column in sample.columns]

    def look(self, columns: Columns) -> Found:
        values = p_values(self._references, columns)
        return by_p_value(self._names, values, self._rule.correction, self._rule.alpha)


class _Distant:
    """Distances held against a fixed threshold, or one calibrated on the reference."""

    def __init__(self, rule: Rule, sample: Sample, names: Sequence[str]) -> None:
        self._rule, self._sample = rule, sample
        self._names = ["all features together"] if rule.test in AT_ONCE else names
        self._distances = Distances(rule.test, sample.columns)
        self._limits: dict[int, Floats] = {}

    def look(self, columns: Columns) -> Found:
        distances = self._distances.to(columns)
        limit = np.broadcast_to(self._limit(len(columns[0])), distances.shape)
        zeros = np.zeros_like(distances)
        above = np.subtract(distances, limit, out=zeros, where=np.isfinite(limit))
        return Found(self._names, distances, limit, distances > limit, int(np.argmax(above)))

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


def columns_left(part: str, columns: Sequence[str], exclude: Sequence[str]) -> list[int]:
    """Positions of the columns that are not excluded; raises `PartError` for unknown names."""
    if unknown := [name for name in exclude if name not in columns]:
        raise PartError(
            f"{part}(exclude={list(exclude)}): no column {unknown[0]!r}; "
            f"the stream has {', '.join(columns)}"
        )
    return [position for position, name in enumerate(columns) if name not in exclude]


def columns_of(X: Any, positions: Sequence[int]) -> list[Any]:
    """Columns of an array or a DataFrame: floats, or categorical Series."""
    if not isinstance(X, pd.DataFrame):
        return [X[:, position] for position in positions]
    columns = [X.iloc[:, position] for position in positions]
    return [c if is_categorical(c) else c.to_numpy(np.float64) for c in columns]


def is_categorical(column: Any) -> bool:
    """Whether a Series holds categories."""
    return isinstance(column.dtype, pd.CategoricalDtype)
