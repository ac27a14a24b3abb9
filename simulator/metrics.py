"""Row losses, which add up, and metrics, which do not.

A *loss* gives one number a row, so it can be charged, summed over any stretch and attributed to the
version that answered. A *metric* (AUC, F1, RMSE, ...) is computed from rows when it is asked for.
"""

import re
from collections.abc import Callable, Mapping
from dataclasses import dataclass, field, replace
from functools import cached_property, lru_cache, partial
from typing import Any

import numpy as np
import pandas as pd
from numpy.typing import NDArray

from backtrain.simulator import losses
from backtrain.simulator.levels import at_level
from backtrain.simulator.levels import column_of as column_of
from backtrain.simulator.losses import LOSSES as LOSSES
from backtrain.simulator.losses import Loss as Loss
from backtrain.simulator.losses import Pinball as Pinball
from backtrain.simulator.losses import RowLoss as RowLoss
from backtrain.simulator.losses import find_loss as find_loss
from backtrain.simulator.losses import nearest, refuse_other_task
from backtrain.simulator.outcomes import LATER, Grown, keys_of
from backtrain.simulator.outcomes import ROWS as ROWS
from backtrain.simulator.outcomes import Floats as Floats
from backtrain.simulator.outcomes import Known as Known
from backtrain.simulator.outcomes import Metric as Metric
from backtrain.simulator.outcomes import MetricError as MetricError
from backtrain.simulator.outcomes import Outcomes as Outcomes
from backtrain.simulator.outcomes import weighted_mean as weighted_mean
from backtrain.simulator.own_metrics import by_name, own_metric
from backtrain.simulator.own_metrics import rehearse as rehearse
from backtrain.simulator.quantiles import (
    Coverage,
    IntervalError,
    IntervalScore,
    IntervalWidth,
    MeanPinball,
    ScaledCRPS,
)
from backtrain.simulator.ranking import NDCG, PrecisionAtK, RecallAtK
from backtrain.simulator.scaled import MASE, RMSSE

#: A metric, however it may be given: by name, or as a function or object; see `find_metric`.
AnyMetric = str | Metric | Callable[..., Any]


def _mean_of(function: Callable[[Outcomes], NDArray[Any]], o: Outcomes) -> float:
    return weighted_mean(function(o), o.weight)


def _right(o: Outcomes) -> NDArray[np.bool_]:
    return np.asarray(o.label == o.prediction)


def _confusion(o: Outcomes) -> Floats:
    assert o.classes is not None
    k = len(o.classes)
    cells = np.bincount(o.label * k + o.prediction, weights=o.weight, minlength=k * k)
    return cells.reshape(k, k).astype(np.float64)


def _ratio(numerator: Floats, denominator: Floats) -> Floats:
    return np.divide(numerator, denominator, out=np.zeros_like(numerator), where=denominator > 0)


def _of_positive_or_macro(score: Callable[[Floats], Floats], o: Outcomes) -> float:
    """Binary: the positive class. Multiclass: the mean over classes seen in label or prediction."""
    table = _confusion(o)
    values = score(table)
    if o.positive >= 0:
        return float(values[o.positive])
    return float(values[(table.sum(0) + table.sum(1)) > 0].mean())


def _balanced_accuracy(o: Outcomes) -> float:
    table = _confusion(o)
    seen = table.sum(1) > 0
    return float((np.diag(table)[seen] / table.sum(1)[seen]).mean())


def _precision(table: Floats) -> Floats:
    return _ratio(np.diag(table).copy(), table.sum(0))


def _recall(table: Floats) -> Floats:
    return _ratio(np.diag(table).copy(), table.sum(1))


def _f1(table: Floats) -> Floats:
    return _ratio(2 * np.diag(table), table.sum(0) + table.sum(1))


def _roc_auc(o: Outcomes) -> float:
    from scipy.stats import rankdata

    assert o.score is not None
    positive = o.label == o.positive
    if positive.all() or not positive.any():
        return float("nan")
    if o.weight is None:
        above = rankdata(o.score)[positive].sum()
        n = int(positive.sum())
        return float((above - n * (n + 1) / 2) / (n * (len(o) - n)))
    _, group = np.unique(o.score, return_inverse=True)
    plus = np.bincount(group, weights=o.weight * positive)
    minus = np.bincount(group, weights=o.weight * ~positive)
    below = np.cumsum(minus) - minus
    pairs = plus.sum() * minus.sum()
    return float((plus * (below + minus / 2)).sum() / pairs) if pairs > 0 else float("nan")


def _average_precision(o: Outcomes) -> float:
    assert o.score is not None
    weight = np.ones(len(o)) if o.weight is None else o.weight
    positive = weight * (o.label == o.positive)
    if positive.sum() == 0:
        return float("nan")
    _, group = np.unique(-o.score, return_inverse=True)
    hits = np.bincount(group, weights=positive)
    shown = np.bincount(group, weights=weight)
    precision = _ratio(np.cumsum(hits), np.cumsum(shown))
    return float((precision * hits).sum() / hits.sum())


def _brier(o: Outcomes) -> float:
    assert o.score is not None
    return weighted_mean(np.square(o.score - (o.label == o.positive)), o.weight)


def _rmse(o: Outcomes) -> float:
    return float(weighted_mean(losses.squared(o), o.weight) ** 0.5)


def _smape(o: Outcomes) -> float:
    """Errors by the sum of sizes, from 0 to 1; 0 where both are 0, as in utilsforecast."""
    size = np.abs(o.label) + np.abs(o.prediction)
    return weighted_mean(_ratio(losses.absolute(o), size), o.weight)


def _wape(o: Outcomes) -> float:
    """The sum of errors by that of the sizes of labels, each by weight."""
    size = weighted_mean(np.abs(o.label), o.weight)
    return weighted_mean(losses.absolute(o), o.weight) / size if size > 0 else float("nan")


def _mape(o: Outcomes) -> float:
    size = np.maximum(np.abs(o.label), np.finfo(np.float64).eps)
    return weighted_mean(np.abs(o.label - o.prediction) / size, o.weight)


def _r2(o: Outcomes) -> float:
    spread = weighted_mean(np.square(o.label - weighted_mean(o.label, o.weight)), o.weight)
    error = weighted_mean(losses.squared(o), o.weight)
    return 1.0 - error / spread if spread > 0 else float("nan")


@dataclass(frozen=True)
class CoverageError:
    """How far the share of labels at or below the answers is from the quantile that is forecast.

    Beside the pinball loss: 0.03 says that of a forecast of the 90th percentile 87 or 93 % of the
    labels lie at or below it, by weight. Of a model of several quantiles it is the answer at this
    level that is judged; `IntervalError` judges two of them.

    >>> import numpy as np
    >>> rows = Outcomes(np.array([1.0, 2.0, 3.0, 4.0]), np.full(4, 3.5))
    >>> CoverageError(0.9)(rows).__round__(3)
    0.15
    """

    quantile: float
    task = "regression"
    greater_is_better = False
    needs_probability = False

    def __post_init__(self) -> None:
        if not 0 < self.quantile < 1:
            raise MetricError(f"CoverageError({self.quantile!r}): must lie between 0 and 1")

    @property
    def name(self) -> str:
        """How the metric is called in records and reports."""
        return f"coverage error {self.quantile:g}"

    def __call__(self, outcomes: Outcomes) -> float:
        """Value over the rows."""
        answers = at_level(outcomes, self.quantile, f"metric {self.name!r}")
        below = weighted_mean(outcomes.label <= answers, outcomes.weight)
        return abs(below - self.quantile)


@dataclass(frozen=True)
class ByGroup(Grown):
    """The mean over the groups of the stream of another metric: each group counts alike.

    Groups without a value (NaN: no weight, one class) are left out. Without it, a metric takes the
    rows of all groups together, and a group counts by its rows.

    Parameters
    ----------
    metric : str, function or object
        As for a `Backtest`.
    by : str, optional
        One of several columns of which groups are made: the mean over stores, whatever products
        they have. By name "MAE by store".

    >>> import numpy as np
    >>> rows = Outcomes(np.zeros(3), np.array([1.0, 1.0, 4.0]), group=np.array(["a", "a", "b"]))
    >>> ByGroup("MAE")(rows), find_metric("MAE")(rows)
    (2.5, 2.0)
    """

    metric: Any
    by: str | None = field(default=None, metadata=LATER)

    def __post_init__(self) -> None:
        _ = self.inner
        if not (self.by is None or isinstance(self.by, str)):
            raise MetricError(f"ByGroup(by={self.by!r}): give the name of one column")

    @cached_property
    def inner(self) -> Metric:
        """The other metric."""
        return find_metric(self.metric)

    @property
    def name(self) -> str:
        """How the metric is called in records and reports."""
        return f"{self.inner.name} by {self.by or 'group'}"

    @property
    def task(self) -> str | None:
        """That of the other metric; likewise the rest."""
        return self.inner.task

    @property
    def greater_is_better(self) -> bool:
        """The direction."""
        return self.inner.greater_is_better

    @property
    def needs_probability(self) -> bool:
        """Whether the model must give probabilities."""
        return self.inner.needs_probability

    @property
    def binary(self) -> bool:
        """Whether it is for two classes only."""
        return self.inner.binary

    @property
    def ranks(self) -> bool:
        """Whether rows are ranked by answers."""
        return self.inner.ranks

    @property
    def needs_quantiles(self) -> bool:
        """Whether the model must give several quantiles."""
        return self.inner.needs_quantiles

    def at_start(self, known: Known) -> "ByGroup":
        """The same, for a metric that takes something from the labels known at ``start``."""
        return replace(self, metric=self.inner.at_start(known))

    def __call__(self, outcomes: Outcomes) -> float:
        """Value over the rows."""
        if outcomes.group is None:
            raise MetricError(f"{self.name}: the stream has no groups; name their column: group=")
        code, names = pd.factorize(outcomes.group)
        if self.by is not None:
            code, names = keys_of(outcomes.group, outcomes.group_columns, self.by)
        order = np.argsort(code, kind="stable")
        parts = np.split(order, np.cumsum(np.bincount(code, minlength=len(names)))[:-1])
        values = np.array([self.inner(pick(outcomes, rows)) for rows in parts])
        return float(np.nanmean(values)) if not np.isnan(values).all() else float("nan")


def pick(outcomes: Outcomes, where: slice | NDArray[Any]) -> Outcomes:
    """The rows of ``outcomes`` at ``where``."""
    arrays = {name: getattr(outcomes, name) for name in ROWS}
    chosen = {name: array[where] for name, array in arrays.items() if array is not None}
    return replace(outcomes, **chosen)


_C, _R = "classification", "regression"

#: Every metric by name. Directions follow scikit-learn; so do the values.
METRICS: Mapping[str, Metric] = {
    metric.name: metric
    for metric in (
        Metric(partial(_mean_of, _right), True, "accuracy", _C),
        Metric(_balanced_accuracy, True, "balanced accuracy", _C),
        Metric(partial(_of_positive_or_macro, _precision), True, "precision", _C),
        Metric(partial(_of_positive_or_macro, _recall), True, "recall", _C),
        Metric(partial(_of_positive_or_macro, _f1), True, "F1", _C),
        Metric(_roc_auc, True, "ROC AUC", _C, needs_probability=True, binary=True),
        Metric(_average_precision, True, "average precision", _C, True, binary=True),
        Metric(_brier, False, "Brier", _C, needs_probability=True, binary=True),
        Metric(partial(_mean_of, losses.log), False, "log loss", _C, needs_probability=True),
        Metric(partial(_mean_of, losses.absolute), False, "MAE", _R),
        Metric(_rmse, False, "RMSE", _R),
        Metric(_mape, False, "MAPE", _R),
        Metric(_smape, False, "sMAPE", _R),
        Metric(_wape, False, "WAPE", _R),
        Metric(_r2, True, "R2", _R),
        own_metric(MASE()),
        own_metric(RMSSE()),
        own_metric(NDCG()),
        own_metric(MeanPinball()),
        own_metric(ScaledCRPS()),
    )
}
#: Metrics with a number in their name, as in "MASE 24" and "recall@10".
FAMILIES: Mapping[str, Callable[[Any], Any]] = {
    "MASE 24": MASE,
    "RMSSE 24": RMSSE,
    "NDCG@10": NDCG,
    "precision@10": PrecisionAtK,
    "recall@10": RecallAtK,
    "pinball 0.9": Pinball,
    "coverage error 0.9": CoverageError,
}
#: Metrics with two numbers in their name: those of an interval.
INTERVALS: Mapping[str, Callable[..., Any]] = {
    "coverage 0.1-0.9": Coverage,
    "coverage error 0.1-0.9": IntervalError,
    "interval width 0.1-0.9": IntervalWidth,
    "interval score 0.1-0.9": IntervalScore,
}
_TWICE = re.compile(r"\s*(.*?)[\s_@]*(\d*\.\d+)\s*[-_ ]\s*(\d*\.\d+)\s*")
#: Rankings of each period: "precision@50 per 1D".
_PER = re.compile(r"(.+?)\s+per\s+(\S+)\s*", flags=re.I)
#: Metrics whose number may be a length: "MASE 7D".
_SEASONAL = {"mase": MASE, "rmsse": RMSSE}
_TIMED = re.compile(r"\s*([A-Za-z]+?)[\s_@]*(\d+(?:\.\d+)?[A-Za-z]+)\s*")
_NUMBERED = re.compile(r"\s*(.*?)[\s_@]*(\d+(?:\.\d+)?)\s*")


def metric_names() -> list[str]:
    """The names of all metrics; of those with a number an example."""
    return [*METRICS, *FAMILIES, *INTERVALS]


def find_metric(metric: AnyMetric, task: str | None = None) -> Metric:
    """A metric by name, or what was given as one.

    Of names, case, spaces, hyphens and underscores do not matter; beside those of `METRICS` and
    `FAMILIES` there are those of scikit-learn's scorers, and ``"module.function"``. Functions and
    objects as `Metric` takes them; an object says by ``greater_is_better`` which way is better.

    >>> find_metric("roc_auc").name, find_metric("mase 24").name
    ('ROC AUC', 'MASE 24')
    >>> find_metric("neg_max_error").greater_is_better
    True
    """
    found = _named(metric) if isinstance(metric, str) else own_metric(metric)
    refuse_other_task(f"metric {found.name!r}", found.task, task, METRICS)
    ranks = task == _C and found.ranks
    return replace(found, needs_probability=True, binary=True) if ranks else found


def _named(name: str) -> Metric:
    plain = {_plain(key): metric for key, metric in METRICS.items()}
    if (known := plain.get(_plain(name))) is not None:
        return known
    inner = re.fullmatch(r"(.+)[\s_-]by[\s_-]group\s*", name, flags=re.I)
    if inner is not None and ("." not in name or " " in name):
        return own_metric(ByGroup(inner[1]))
    if (inner := _PER.fullmatch(name)) is not None:
        ranking: Any = getattr(_named(inner[1]).function, "function", None)
        if hasattr(ranking, "per"):
            return own_metric(replace(ranking, per=inner[2]))
    if (inner := re.fullmatch(r"(.+) by (.*\S)\s*", name)) is not None:
        return own_metric(ByGroup(inner[1], by=inner[2]))
    families = {_plain(_NUMBERED.sub(r"\1", key)): kind for key, kind in FAMILIES.items()}
    kinds = {_plain(_TWICE.sub(r"\1", key)): kind for key, kind in INTERVALS.items()}
    twice = _TWICE.fullmatch(name)
    if twice and (kind := kinds.get(_plain(twice[1]))) is not None:
        return own_metric(kind(float(twice[2]), float(twice[3])))
    timed = _TIMED.fullmatch(name)
    if timed and timed[1].lower() in _SEASONAL:
        return own_metric(_SEASONAL[timed[1].lower()](timed[2]))
    numbered = _NUMBERED.fullmatch(name)
    if numbered and (kind := families.get(_plain(numbered[1]))) is not None:
        number = float(numbered[2])
        return own_metric(kind(int(number) if number.is_integer() else number))
    if (others := by_name(name)) is not None:
        return own_metric(others)
    raise MetricError(f"metric {name!r}: {nearest(name, {**METRICS, **FAMILIES, **INTERVALS})}")


@lru_cache
def _plain(name: str) -> str:
    return "".join(letter for letter in name.lower() if letter.isalnum())
