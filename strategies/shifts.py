"""When to retrain: alarms about how rows are distributed, for which no label is needed."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from typing import Any

import numpy as np
import pandas as pd

from backtrain.simulator.protocols import Monitor, Part, PartError, Reason, Rows
from backtrain.simulator.setup import Setup
from backtrain.simulator.view import View
from backtrain.strategies.detectors import Detector, when
from backtrain.strategies.drift import Reference, benjamini_hochberg, p_values

__all__ = ["FeatureDrift"]


@dataclass(frozen=True, repr=False)
class FeatureDrift(Part):
    """When features are distributed otherwise than in the training rows of the version in force.

    Kolmogorov-Smirnov for numeric columns, chi-squared for categorical ones, corrected for their
    number by Benjamini-Hochberg. Hours and months always drift against a longer window: exclude
    them.

    Parameters
    ----------
    alpha : float
        Share of false alarms among the columns that are called drifted.
    window : int
        Newest rows, served by the version in force, to test.
    min_rows : int
        Stay silent with fewer.
    exclude : sequence of str
        Columns to leave out.
    min_share : float
        Share of the columns that must have drifted; 0 means that one is enough.
    max_reference : int
        Training rows to compare with; evenly thinned above.

    >>> FeatureDrift(window=500, exclude=["hour", "month"])
    FeatureDrift(window=500, exclude=['hour', 'month'])
    """

    alpha: float = 0.05
    window: int = 1_000
    min_rows: int = 200
    exclude: Sequence[str] = ()
    min_share: float = 0.0
    max_reference: int = 10_000

    def __post_init__(self) -> None:
        if not 0 < self.alpha < 1:
            raise PartError(f"FeatureDrift(alpha={self.alpha!r}): must lie between 0 and 1")
        if not 1 <= self.min_rows <= self.window:
            raise PartError(
                f"FeatureDrift(window={self.window!r}, min_rows={self.min_rows!r}): "
                "the window must hold at least min_rows, and these be 1 or more"
            )
        if not 0 <= self.min_share <= 1:
            raise PartError(
                f"FeatureDrift(min_share={self.min_share!r}): a share lies between 0 and 1"
            )
        if self.max_reference < 2:
            raise PartError(f"FeatureDrift(max_reference={self.max_reference!r}): give 2 or more")
        if isinstance(self.exclude, str):
            raise PartError(
                f"FeatureDrift(exclude={self.exclude!r}): give a list, [{self.exclude!r}]"
            )

    def check_setup(self, setup: Setup) -> None:
        """Refuse columns that the stream does not have."""
        _ = self.kept(setup.stream.columns)

    def kept(self, columns: Sequence[str]) -> list[int]:
        """Positions of the columns to test."""
        if strange := [name for name in self.exclude if name not in columns]:
            raise PartError(
                f"FeatureDrift(exclude={list(self.exclude)}): no column {strange[0]!r}; "
                f"the stream has {', '.join(columns)}"
            )
        kept = [place for place, name in enumerate(columns) if name not in self.exclude]
        if not kept:
            raise PartError(f"FeatureDrift(exclude={list(self.exclude)}): leaves no column to test")
        return kept

    def monitor(self) -> Monitor:
        """A watch over features."""
        return _FeatureMonitor(self)


class _FeatureMonitor(Detector):
    def __init__(self, spec: FeatureDrift) -> None:
        super().__init__()
        self._spec = spec
        self._seen = 0

    def restart(self, view: View) -> None:
        self._since = view.model.first_row
        self._references: list[tuple[str, int, Reference]] | None = None

    def alarm(self, view: View) -> Reason | None:
        spec, past = self._spec, view.past
        if past - self._since < spec.min_rows or past == self._seen:
            return None
        self._seen = past
        if self._references is None:
            self._references = self._remember(view)
        newest = slice(max(self._since, past - spec.window), past)
        X = view.X(newest)
        columns = [column_of(X, place) for _, place, _ in self._references]
        found = p_values([reference for _, _, reference in self._references], columns)
        view.checked()
        drifted = benjamini_hochberg(found, spec.alpha)
        if not drifted.any() or drifted.mean() < spec.min_share:
            return None
        worst = int(np.argmin(found))
        names = [name for (name, _, _), hit in zip(self._references, drifted, strict=True) if hit]
        said = f"{len(names)} of {len(found)} features drifted: {', '.join(names[:5])}"
        return Reason(said, float(found[worst]), spec.alpha, when(view, newest.start))

    def _remember(self, view: View) -> list[tuple[str, int, Reference]]:
        rows: Rows = view.model.selection.rows
        count, most = len(view.model.selection), self._spec.max_reference
        if count > most:
            rows = view.model.selection.indices()[np.linspace(0, count - 1, most).astype(np.int64)]
        X = view.X(rows)
        kept = self._spec.kept(view.columns)
        return [(view.columns[c], c, Reference(column_of(X, c))) for c in kept]


def column_of(X: Any, place: int) -> Any:
    """One column: floats, or a categorical series."""
    if isinstance(X, pd.DataFrame):
        column = X.iloc[:, place]
        return (
            column if isinstance(column.dtype, pd.CategoricalDtype) else column.to_numpy(np.float64)
        )
    return X[:, place]
