"""When to retrain: alarms about performance that is estimated, before labels are there."""

import math
from dataclasses import dataclass, replace
from typing import Any, ClassVar

import numpy as np
from numpy.typing import NDArray

from backtrain.datasets.digits import digits
from backtrain.simulator.answers import PartError, Reason, Rows, Selection
from backtrain.simulator.constraints import (
    Count,
    Finite,
    Margin,
    RowsWindow,
    TwoOrMore,
    exactly_one,
)
from backtrain.simulator.metrics import METRICS, AnyMetric, Outcomes
from backtrain.simulator.parts import Monitor, Part
from backtrain.simulator.setup import Setup
from backtrain.simulator.view import FitError, View
from backtrain.strategies.triggers.performance import Detector, Floored, Limit
from backtrain.strategies.triggers.performance_estimates import (
    REGRESSION_METRICS,
    Calibrated,
    ErrorModel,
    Estimator,
)
from backtrain.strategies.weighted import weighing

__all__ = ["EstimatedDrop"]

Indices = NDArray[np.int64]


@dataclass(frozen=True, repr=False)
class EstimatedDrop(Floored, Part):
    """When the metric to expect of the newest served rows is bad, or worse than at deployment.

    It needs no labels of these rows. Classifiers: confidence-based performance estimation, from
    calibrated probabilities; with c the chance of the positive class, true positives are the sum
    of c over predicted positives, false negatives that over predicted negatives, and so on for any
    metric of classification. Regressors: direct loss estimation of MAE or RMSE, by boosting of the
    error on features and prediction. Both after NannyML. They see what a change of features does
    to a model (covariate shift); where features stay and their meaning changes (concept drift),
    they see nothing: watch arrived labels as well, as in
    ``AnyOf(EstimatedDrop(...), PerformanceDrop(...))``.

    It is calibrated on the version's out-of-sample reference until ``min_labels`` of the rows that
    the version served have labels; then on all of those, and again whenever they are twice as
    many. Each calibration is a fit of its rows, and each estimate a check. Once a ``window`` of new
    rows, the estimate is put on record, as an event ``estimate``: ``estimated_and_realised`` in
    ``backtrain.reports.estimates`` holds it against what came true.

    Give one of ``below`` and ``drop``; which way is worse follows from the metric.

    Parameters
    ----------
    metric : str
        A metric of the backtest's task; for regression "MAE" or "RMSE".
    window : int
        Newest rows, served by the version in force, to estimate it on; none of weight 0.
    min_rows : int
        Stay silent with fewer.
    below : float, optional
        A fixed floor: fires when the estimate is worse than this.
    drop : float or str, optional
        Fires when it is worse than the metric of the version's reference by this margin, in units
        of the metric, or relative as in ``"20%"``.
    min_labels : int
        Labels of served rows from which on these are used instead of the reference.

    >>> EstimatedDrop("accuracy", drop="5%")
    EstimatedDrop('accuracy', drop='5%')
    """

    metric: AnyMetric
    window: RowsWindow = 1_000
    min_rows: Count = 200
    below: Finite | None = None
    drop: Margin | None = None
    min_labels: TwoOrMore = 1_000

    def check_parameters(self) -> None:
        """Refuse what is not one floor."""
        exactly_one(self, "below", "drop")

    def check_setup(self, setup: Setup) -> None:
        """Refuse metrics that cannot be estimated for this model."""
        name = setup.metric(self.metric).name
        if setup.task == "regression" and name not in REGRESSION_METRICS:
            raise PartError(
                f"EstimatedDrop({name!r}): cannot be estimated; "
                f"for regression use one of {', '.join(REGRESSION_METRICS)}"
            )
        if not isinstance(self.metric, str) or name not in METRICS or name == "NDCG":
            raise PartError(
                f"EstimatedDrop({name!r}): cannot be estimated; use a metric such as 'accuracy' or "
                f"'ROC AUC', or PerformanceDrop, which waits for labels"
            )
        if setup.task == "classification" and not setup.gives_probabilities:
            fitting = [metric.name for metric in METRICS.values() if metric.task == setup.task]
            raise PartError(
                f"EstimatedDrop({name!r}): {type(setup.model).__name__} has no predict_proba; with "
                f"a model that has it, {', '.join(fitting)} can be estimated"
            )

    def monitor(self) -> Monitor:
        """A watch over served rows."""
        return _EstimatedMonitor(self)


@dataclass(frozen=True, eq=False)
class _Learn:
    """The update that makes an estimator; it carries what was answered, and does not ask again."""

    needs_parent: ClassVar[bool] = False

    told: Outcomes  # this name is a part of the fit's name and of its seed
    X: Any
    squared: bool

    def fit(
        self, model: Any, X: Any, y: NDArray[Any], weights: Any, parent: Any, seed: int
    ) -> Calibrated | ErrorModel:
        """Learn from the answers; the setup's own model has no part in it."""
        if self.told.classes is not None:
            return Calibrated(self.told)
        return ErrorModel(self.told, self.X, self.squared, seed)


class _EstimatedMonitor(Detector):
    _spec: EstimatedDrop

    def restart(self, view: View) -> None:
        self._seen = view.model.first_row
        self._newest: Indices = np.empty(0, dtype=np.int64)
        self._unrecorded = self._unasked = 0
        self._labelled: list[Indices] = []
        self._labels, self._due = 0, self._spec.min_labels
        self._learnt: Estimator | None = None
        self._each: Any = None  # what it expects of the newest rows, but for the unasked
        self._referred = False
        self._limit: Limit | None = None

    def alarm(self, view: View) -> Reason | None:
        self._take_labels(view)
        if not self._take_rows(view) or len(self._newest) < self._spec.min_rows:
            return None
        self._calibrate(view)
        if self._learnt is None:
            return None
        metric = view.metric(self._spec.metric)
        if self._limit is None:
            self._limit = self._spec.limit(view, metric)
        value = self._learnt.overall(metric, view.answers(self._newest), self._expect(view))
        view.checked()
        floor, what = self._limit or (math.nan, "")
        self._record(view, value, floor)
        view.reading(value, floor)
        if not metric.worse(value, floor):
            return None
        return Reason(
            f"estimated {metric.name} {digits(value)} is worse than {what} {digits(floor)}",
            value,
            floor,
        )

    def _take_labels(self, view: View) -> None:
        """Remember which rows of the version have a label now; none is looked at."""
        if (new := self._new_labels(view)) is None:
            return
        rows = weighing(view, new.by(view.model.version).rows)
        self._labelled.append(rows)
        self._labels += len(rows)

    def _take_rows(self, view: View) -> bool:
        """Move the window on; whether the version in force has served a row since."""
        served, first = view.served, self._seen
        if view.past <= first:
            return False
        self._seen = view.past
        own = served.version[first - view.past :] == view.model.version
        rows = weighing(view, first + np.flatnonzero(own))
        self._unasked += len(rows)
        self._newest = np.concatenate((self._newest, rows))[-self._spec.window :]
        self._unrecorded += len(rows)
        return len(rows) > 0

    def _expect(self, view: View) -> Any:
        """What is expected of each of the newest rows; asked once for each, until learnt anew."""
        assert self._learnt is not None
        if self._each is None or self._unasked >= len(self._newest):
            self._each, self._unasked = None, len(self._newest)
        if self._unasked:
            rows = self._newest[-self._unasked :]
            new = self._learnt.each(view.answers(rows), view.X(rows))
            both = new if self._each is None else np.concatenate((self._each, new))
            self._each, self._unasked = both[-len(self._newest) :], 0
        return self._each

    def _calibrate(self, view: View) -> None:
        if self._labels >= self._due:
            self._due = 2 * self._labels
            rows = np.sort(np.concatenate(self._labelled))
            self._labelled = [rows]
            self._learn(view, view.answered(rows).outcomes, rows)
        if self._learnt is None and not self._referred:
            self._referred = True
            if (reference := view.model.reference) is not None:
                self._learn(view, reference.outcomes, reference.rows)

    def _learn(self, view: View, outcomes: Outcomes, rows: Rows) -> None:
        """Where these rows teach nothing (one class only), what was learnt before stands."""
        X = view.X(rows) if outcomes.classes is None else None
        squared = view.metric(self._spec.metric).name == "RMSE"
        try:
            told = replace(outcomes, group=None, group_columns=None, event_time=None)  # of no use
            self._learnt = view.fit(_Learn(told, X, squared), Selection(rows)).estimator
        except FitError:
            return
        self._each = None

    def _record(self, view: View, value: float, floor: float) -> None:
        if self._unrecorded < self._spec.window:
            return
        self._unrecorded = 0
        name = view.metric(self._spec.metric).name
        sentence = f"estimated {name} of {len(self._newest)} rows"
        view.note("estimate", Reason(sentence, value, floor))
