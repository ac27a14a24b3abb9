"""When to retrain: alarms about how rows are distributed, for which no label is needed."""

from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass, replace
from functools import cached_property
from typing import Annotated, Any

import numpy as np
import pandas as pd
from numpy.typing import NDArray

from backtrain.simulator.answers import PartError, Reason, Selection
from backtrain.simulator.constraints import Count, Level, Names, OneOf, RowsWindow, Share, TwoOrMore
from backtrain.simulator.parts import Monitor, Part
from backtrain.simulator.setup import Setup
from backtrain.simulator.view import View
from backtrain.strategies.drift.distances import AT_ONCE, BY_COLUMN, Sample
from backtrain.strategies.drift.rules import (
    TESTED,
    USUAL,
    Correction,
    DriftTest,
    Found,
    Rule,
    Threshold,
    by_p_value,
    columns_left,
    columns_of,
    is_categorical,
)
from backtrain.strategies.drift.two_sample import Floats, matched, two_proportions
from backtrain.strategies.triggers.performance import Detector, when

__all__ = ["FeatureDrift", "MissingDrift", "PredictionDrift"]

_SEASONS: Mapping[str, Callable[[pd.DatetimeIndex], Any]] = {
    "hour": lambda at: at.hour,
    "weekday": lambda at: at.day_of_week,
    "hour of week": lambda at: 24 * at.day_of_week + at.hour,
    "month": lambda at: at.month,
    "quarter": lambda at: at.quarter,
}


@dataclass(frozen=True, repr=False)
class FeatureDrift(Part):
    """When features are distributed otherwise than in the training rows of the version in force.

    P-values take rows for independent. Where they resemble their neighbours, a distance with a
    calibrated threshold raises fewer false alarms: it lies above the distances that stretches of
    the training rows, as long as the window, have from the rest of them. A look costs one
    ``check``, whatever the test; docs/drift.md has the formulas and alarm rates.

    Parameters
    ----------
    test : str
        With p-values: ``"KS"`` (Kolmogorov-Smirnov), ``"chi2"`` (chi-squared; numbers are counted
        between the reference's deciles), ``"auto"`` (chi2 for categories, KS for numbers). One
        distance a column: ``"Wasserstein"`` (over the reference's standard deviation), ``"PSI"``
        (population stability index), ``"JS"`` (Jensen-Shannon). One for all columns: ``"MMD"``
        (maximum mean discrepancy), ``"domain classifier"`` (area under its ROC curve), ``"PCA"``
        (error of reconstruction). KS and Wasserstein leave categorical columns out.
    correction : {"Benjamini-Hochberg", "Bonferroni", "none"}
        How p-values are corrected for the number of columns.
    alpha : float
        Share of false alarms among the columns that are called drifted (Benjamini-Hochberg), chance
        of a false alarm in any column (Bonferroni) or in each (none).
    threshold : float or "calibrated"
        A distance above it is drift.
    window : int
        Newest rows, served by the version in force, to test.
    min_rows : int
        Stay silent with fewer.
    exclude : sequence of str
        Columns to leave out, such as hour and month: they always drift against a longer window.
    season : {"hour", "weekday", "hour of week", "month", "quarter"}, optional
        Compare with training rows of the same season only, in local time: as many times as many
        rows of each season as the window has. Seasons with fewer training rows are left out.
    min_share : float
        Share of the columns that must have drifted; 0 means that one is enough.
    max_reference : int
        Training rows to compare with; evenly thinned above.

    >>> FeatureDrift(window=500, exclude=["hour", "month"])
    FeatureDrift(window=500, exclude=['hour', 'month'])
    >>> FeatureDrift("PSI", threshold=0.2, season="hour")
    FeatureDrift(test='PSI', threshold=0.2, season='hour')
    """

    test: Annotated[str, OneOf(choices=(*TESTED, *BY_COLUMN, *AT_ONCE))] = "auto"
    correction: Correction = "Benjamini-Hochberg"
    alpha: Level = 0.05
    threshold: Threshold = "calibrated"
    window: RowsWindow = 1_000
    min_rows: Count = 200
    exclude: Names = ()
    season: Annotated[str, OneOf(choices=tuple(_SEASONS))] | None = None
    min_share: Share = 0.0
    max_reference: TwoOrMore = 10_000

    def check_parameters(self) -> None:
        """Refuse what the test does not look at."""
        self.rule.check_used(self)

    @cached_property
    def rule(self) -> Rule:
        """How columns are compared."""
        return Rule(self.test, self.correction, self.alpha, self.threshold, self.window)

    def check_setup(self, setup: Setup) -> None:
        """Refuse columns that the stream does not have, and tests that can compare none of them."""
        positions = kept("FeatureDrift", setup.stream.columns, self.exclude)
        fit = self.comparable(positions, setup.stream.X)
        if not fit or (self.test == "PCA" and len(fit) < 2):
            need = "two columns" if self.test == "PCA" else "a numeric column"
            raise PartError(f"FeatureDrift(test={self.test!r}): needs {need}; use 'auto'")

    def comparable(self, positions: Sequence[int], X: Any) -> list[int]:
        """Positions of the columns that the test can compare."""
        if not isinstance(X, pd.DataFrame):
            return list(positions)
        return [i for i in positions if self.rule.fits(is_categorical(X.iloc[:, i]))]

    def monitor(self) -> Monitor:
        """A watch over features."""
        return _FeatureMonitor(self)


@dataclass(frozen=True, repr=False)
class PredictionDrift(Part):
    """When predictions are distributed otherwise than the version's own out of sample.

    What the version in force has served is held against what it says to the newest fifth of its
    training rows, by a fit on the rest: that fit is charged, and labels are not needed. Compared
    are predictions of a regressor, probabilities of a classifier (of the positive class, or of the
    predicted one where there are more than two), or else its predicted classes.

    Parameters
    ----------
    test : {"auto", "KS", "chi2", "Wasserstein", "PSI", "JS"}
        As in `FeatureDrift`; ``"auto"`` is KS for numbers, chi2 for classes.
    alpha : float
        Chance of a false alarm, for tests with p-values.
    threshold : float or "calibrated"
        A distance above it is drift.
    window : int
        Newest rows to test, those of them that the version in force answered.
    min_rows : int
        Stay silent with fewer.

    >>> PredictionDrift("JS", window=500)
    PredictionDrift(test='JS', window=500)
    """

    test: Annotated[str, OneOf(choices=(*TESTED, *BY_COLUMN))] = "auto"
    alpha: Level = 0.05
    threshold: Threshold = "calibrated"
    window: RowsWindow = 1_000
    min_rows: Count = 200

    def check_parameters(self) -> None:
        """Refuse what the test does not look at."""
        self.rule.check_used(self)

    @cached_property
    def rule(self) -> Rule:
        """How scores are compared; there is one column, so nothing to correct."""
        return Rule(self.test, USUAL[0], self.alpha, self.threshold, self.window)

    def check_setup(self, setup: Setup) -> None:
        """Refuse tests of numbers for predicted classes."""
        classes = setup.task == "classification" and not setup.gives_probabilities
        if not self.rule.fits(classes):
            raise PartError(
                f"PredictionDrift(test={self.test!r}): needs numbers, but "
                f"{type(setup.model).__name__} gives classes without probabilities; use 'auto'"
            )

    def monitor(self) -> Monitor:
        """A watch over predictions."""
        return _PredictionMonitor(self)


@dataclass(frozen=True, repr=False)
class MissingDrift(Part):
    """When values are missing more often, or less, than in the training rows: a broken source.

    A pooled two-proportion z-test for each column (two-sided), corrected for their number.

    Parameters
    ----------
    correction : {"Benjamini-Hochberg", "Bonferroni", "none"}
        How p-values are corrected for the number of columns.
    alpha : float
        As in `FeatureDrift`.
    window : int
        Newest rows, served by the version in force, to test.
    min_rows : int
        Stay silent with fewer.
    exclude : sequence of str
        Columns to leave out.
    min_share : float
        Share of the columns that must have drifted; 0 means that one is enough.

    >>> MissingDrift(alpha=0.001, window=500)
    MissingDrift(alpha=0.001, window=500)
    """

    correction: Correction = "Benjamini-Hochberg"
    alpha: Level = 0.05
    window: RowsWindow = 1_000
    min_rows: Count = 200
    exclude: Names = ()
    min_share: Share = 0.0

    def check_setup(self, setup: Setup) -> None:
        """Refuse columns that the stream does not have."""
        kept("MissingDrift", setup.stream.columns, self.exclude)

    def monitor(self) -> Monitor:
        """A watch over missing values."""
        return _MissingMonitor(self)


# --- watches ------------------------------------------------------------------------------------


class RowsDetector(Detector):
    """Looks at the newest rows since the version in force came, when there are more of them."""

    _spec: FeatureDrift | PredictionDrift | MissingDrift
    _seen = 0

    def restart(self, view: View) -> None:
        """Begin anew with the first row of the version in force."""
        self._since = view.model.first_row
        self.forget()

    def alarm(self, view: View) -> Reason | None:
        """Look, if there are enough rows and new ones among them."""
        past = view.past
        if past - self._since < self._spec.min_rows or past == self._seen:
            return None
        self._seen = past
        rows = slice(max(self._since, past - self._spec.window), past)
        drift = self.look(view, rows)
        if drift is None:
            return None
        view.reading(*drift.worst_reading())
        reason = drift.reason(getattr(self._spec, "min_share", 0.0))
        return reason and replace(reason, since=when(view, rows.start))

    def forget(self) -> None:
        """Drop what was kept about the former version."""
        raise NotImplementedError

    def look(self, view: View, rows: slice) -> Found | None:
        """Compare the newest rows; None where that cannot be done yet."""
        raise NotImplementedError


class _FeatureMonitor(RowsDetector):
    _spec: FeatureDrift

    def forget(self) -> None:
        self._comparison: DriftTest | None = None
        self._seasons: NDArray[np.int64] | None = None

    def look(self, view: View, rows: slice) -> Found | None:
        X = view.X(rows)
        if self._spec.season is None:
            if self._comparison is None:
                self._comparison = self._against(view, view.model.selection)
            comparison = self._comparison
        else:
            learnt, asked = self._of_same_season(view, rows)
            if len(asked) < self._spec.min_rows:
                return None
            comparison = self._against(view, view.model.selection.take(learnt))
            X = X.iloc[asked] if isinstance(X, pd.DataFrame) else X[asked]
        view.checked()
        return comparison.look(columns_of(X, self._positions(view, X)))

    def _against(self, view: View, selection: Selection) -> DriftTest:
        learnt = selection.indices()
        positions = self._positions(view, view.X(slice(0, 1)))
        sample = Sample(
            lambda where: columns_of(view.X(learnt[where]), positions),
            len(learnt),
            self._spec.max_reference,
        )
        return self._spec.rule.against(sample, [view.columns[position] for position in positions])

    def _of_same_season(
        self, view: View, rows: slice
    ) -> tuple[NDArray[np.int64], NDArray[np.int64]]:
        """Places in the training rows and in the newest ones, with equal shares of each season."""
        season = _SEASONS[str(self._spec.season)]
        if self._seasons is None:
            learnt = view.calendar.local(view.event_time(view.model.selection.rows))
            self._seasons = np.asarray(season(pd.DatetimeIndex(learnt)), dtype=np.int64)
        asked = pd.DatetimeIndex(view.calendar.local(view.event_time(rows)))
        newest = np.asarray(season(asked), dtype=np.int64)
        return matched(self._seasons, newest, self._spec.max_reference)

    def _positions(self, view: View, X: Any) -> list[int]:
        positions = kept("FeatureDrift", view.columns, self._spec.exclude)
        return self._spec.comparable(positions, X)


class _PredictionMonitor(RowsDetector):
    _spec: PredictionDrift

    def forget(self) -> None:
        self._comparison: DriftTest | None = None

    def look(self, view: View, rows: slice) -> Found | None:
        served = view.served.within(rows)
        mine = served.version == view.model.version
        if np.count_nonzero(mine) < self._spec.min_rows:
            return None
        if (reference := view.model.reference) is None:  # asked last: it costs a fit
            return None
        outcomes = reference.outcomes
        if outcomes.score is not None:
            pair: Any = outcomes.score, served.score[mine]
        elif outcomes.classes is None:
            pair = outcomes.prediction, served.prediction[mine]
        else:
            classes = outcomes.classes[outcomes.prediction], served.prediction[mine]
            pair = (pd.Series(pd.Categorical(labels)) for labels in classes)
        before, now = pair
        if self._comparison is None:
            sample = Sample(lambda where: [before[where]], len(before), len(before))
            self._comparison = self._spec.rule.against(sample, ["the prediction"])
        view.checked()
        return self._comparison.look([now])


class _MissingMonitor(RowsDetector):
    _spec: MissingDrift

    def forget(self) -> None:
        self._usual: Floats | None = None

    def look(self, view: View, rows: slice) -> Found | None:
        spec, learnt = self._spec, view.model.selection
        positions = kept("MissingDrift", view.columns, spec.exclude)
        if self._usual is None:
            self._usual = _missing(view.X(learnt.rows), positions)
        now, m = _missing(view.X(rows), positions), rows.stop - rows.start
        view.checked()
        p_values = two_proportions(self._usual, len(learnt), now, m)
        names = [f"{view.columns[position]} (missing)" for position in positions]
        return by_p_value(names, p_values, spec.correction, spec.alpha)


def _missing(X: Any, positions: Sequence[int]) -> Floats:
    """How many values of each column are missing."""
    missing = X.isna().to_numpy() if isinstance(X, pd.DataFrame) else np.isnan(X)
    return np.asarray(missing[:, positions].sum(axis=0), dtype=np.float64)


def kept(part: str, columns: Sequence[str], exclude: Sequence[str]) -> list[int]:
    """Positions of the columns that are not excluded; raises `PartError` where none is left."""
    positions = columns_left(part, columns, exclude)
    if not positions:
        raise PartError(f"{part}(exclude={list(exclude)}): leaves no column to test")
    return positions
