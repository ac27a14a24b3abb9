"""Metrics of rankings: rows by their score, the highest first, in each group."""

from dataclasses import dataclass, field, replace
from typing import Any, Literal

import numpy as np
import pandas as pd
from numpy.typing import NDArray

from backtrain.datasets.calendar import UTC, Calendar
from backtrain.datasets.offsets import nanoseconds, parse_fixed
from backtrain.datasets.values import is_count
from backtrain.simulator.outcomes import LATER, Floats, Grown, Known, MetricError, Outcomes

Integers = NDArray[np.int64]

_DAY = 86_400_000_000_000
#: A Monday, three days before time begins: weeks begin there, days at midnight, hours at the hour.
_MONDAY = -3 * _DAY


@dataclass(frozen=True, eq=False)
class Periods:
    """Which period each row belongs to: of a length, or from tick to tick.

    Whole days are those of the calendar, and weeks begin on a Monday; lengths that divide a day are
    counted from midnight UTC, others go on over it. A row at the instant of a tick is scored after
    it.
    """

    per: str
    calendar: Calendar = UTC
    ticks: Integers | None = None

    @classmethod
    def of(cls, name: str, per: str, known: Known) -> "Periods":
        """By the calendar and the ticks of a backtest."""
        if per == "tick" and known.ticks is None:
            raise MetricError(
                f"metric {name!r}: ticks are counted in rows here; give a length, such as per='1D'"
            )
        return cls(per, known.calendar or UTC, known.ticks)

    def apply(self, name: str, outcomes: Outcomes) -> Outcomes:
        """The same rows, those of a group and a period being a group."""
        if outcomes.event_time is None:
            raise MetricError(f"metric {name!r}: the rows have no times; leave per away")
        period = self._places(name, outcomes.event_time.astype("datetime64[ns]"))
        group = np.zeros(len(outcomes)) if outcomes.group is None else outcomes.group
        keys = pd.DataFrame({"group": group, "period": period})
        return replace(outcomes, group=keys.groupby(list(keys), sort=False).ngroup().to_numpy())

    def _places(self, name: str, times: NDArray[np.datetime64]) -> Integers:
        if self.per == "tick":
            if self.ticks is None:
                raise MetricError(f"metric {name!r}: has no ticks yet; `at_start` gives it some")
            return np.searchsorted(self.ticks, times.view(np.int64), side="right")
        length = nanoseconds(parse_fixed(self.per))
        local = self.calendar.local(times) if length % _DAY == 0 else times
        return np.asarray((local.view(np.int64) - _MONDAY) // length)


@dataclass(frozen=True)
class NDCG(Grown):
    """Normalised discounted cumulative gain of each group (a query), and its mean over groups.

    Rows are ranked by prediction, those of a classifier by the probability of the positive class,
    whose gain is 1; of a regression the gain is the label, not negative. Ties share their gains, as
    in scikit-learn's ``ndcg_score``. A group without any gain says nothing and is left out. Without
    groups all rows are one ranking. Groups count alike; of rows only those of weight 0 are left
    out. Järvelin & Kekäläinen (2002), ACM Transactions on Information Systems 20, 422-446.

    Parameters
    ----------
    k : int, optional
        Only the first k of each ranking count; all by default.
    per : str, optional
        Rank the rows of each period by themselves, as of `PrecisionAtK`.

    >>> import numpy as np
    >>> rows = Outcomes(np.array([0.0, 1.0, 1.0]), np.array([3.0, 2.0, 1.0]))
    >>> round(NDCG()(rows), 4)
    0.6934
    """

    k: int | None = None
    per: str | None = field(default=None, metadata=LATER)
    task = None
    greater_is_better = True
    needs_probability = False
    ranks = True

    def __post_init__(self) -> None:
        if self.k is not None:
            _check_k(self, self.k)
        _check_per(self, self.per)

    @property
    def name(self) -> str:
        """How the metric is called in records and reports."""
        return ("NDCG" if self.k is None else f"NDCG@{self.k}") + _shown(self.per)

    def at_start(self, known: Known) -> Any:
        """The same, by the calendar and the ticks of a backtest."""
        return _bound(self, known)

    def __call__(self, outcomes: Outcomes) -> float:
        """Value over the rows."""
        if self.per is not None:
            return replace(self, per=None)(Periods(self.per).apply(self.name, outcomes))
        rows = _Ranked(outcomes)
        if (rows.gain < 0).any():
            raise MetricError(f"{self.name}: a label is negative; a gain is 0 or more")
        reached = rows.gains_by_group(rows.mean_gain_of_ties(), self.k)
        best = rows.ideal(self.k)
        return float((reached[best > 0] / best[best > 0]).mean()) if (best > 0).any() else np.nan


@dataclass(frozen=True)
class _AtK(Grown):
    k: int = 10
    by: Literal["score", "amount"] = "score"
    per: str | None = field(default=None, metadata=LATER)
    task = "classification"
    greater_is_better = True
    needs_probability = True
    binary = True

    def __post_init__(self) -> None:
        _check_k(self, self.k)
        if self.by not in ("score", "amount"):
            raise MetricError(f"{type(self).__name__}(by={self.by!r}): give 'score' or 'amount'")
        _check_per(self, self.per)

    @property
    def name(self) -> str:
        """How the metric is called in records and reports."""
        kind = "precision" if isinstance(self, PrecisionAtK) else "recall"
        return f"{kind}@{self.k}{_shown(self.per)}" + ("" if self.by == "score" else " by amount")

    def at_start(self, known: Known) -> Any:
        """The same, by the calendar and the ticks of a backtest."""
        return _bound(self, known)

    def __call__(self, outcomes: Outcomes) -> float:
        """Value over the rows."""
        if self.per is not None:
            outcomes = Periods(self.per).apply(self.name, outcomes)
        return self._value(*self._shown(outcomes))

    def _value(self, rows: "_Ranked", shown: Floats) -> float:
        raise NotImplementedError

    def _shown(self, outcomes: Outcomes) -> "tuple[_Ranked, Floats]":
        """The rows, and whether each is among the first k of its group."""
        if self.by == "amount" and outcomes.amount is None:
            raise MetricError(
                f"{self.name}: the stream has no amounts; name their column: amount='...', or use "
                "by='score'"
            )
        rows = _Ranked(outcomes, outcomes.amount if self.by == "amount" else None)
        return rows, (rows.rank < self.k).astype(np.float64)


@dataclass(frozen=True)
class PrecisionAtK(_AtK):
    """Share of the positive class among the k rows with the highest score, of each group.

    Where k rows are looked at in every group (a day, a branch): the positive rows that are found,
    divided by the rows that are looked at, over all groups; a group of fewer rows is looked at as a
    whole. Without groups it is the k highest of all rows. Of equal scores the first row is
    looked at; of rows only those of weight 0 are left out.

    Parameters
    ----------
    k : int
        Rows that are looked at in each group.
    by : {"score", "amount"}
        The probability of the positive class, or that times the amount of the row.
    per : str, optional
        k rows of each group in each period: of a length, such as ``"1D"`` (a day of the stream's
        calendar) or ``"7D"`` (from Monday on), or ``"tick"``, from tick to tick. Of a period that
        a window or the start cuts, the rows that are there.

    >>> import numpy as np
    >>> rows = Outcomes(np.array([0, 1, 1]), np.array([1, 1, 0]), np.array([0.9, 0.8, 0.1]))
    >>> PrecisionAtK(2)(rows), RecallAtK(2)(rows)
    (0.5, 0.5)
    """

    def _value(self, rows: "_Ranked", shown: Floats) -> float:
        return float((rows.gain * shown).sum() / shown.sum())


@dataclass(frozen=True)
class RecallAtK(_AtK):
    """Share of the positive rows that are among the k with the highest score of their group.

    Parameters as of `PrecisionAtK`; NaN where no row is positive.
    """

    def _value(self, rows: "_Ranked", shown: Floats) -> float:
        positive = rows.gain.sum()
        return float((rows.gain * shown).sum() / positive) if positive else float("nan")


@dataclass(frozen=True)
class _Within:
    """A ranking of each period by itself."""

    metric: Any
    periods: Periods
    name: str

    def __call__(self, outcomes: Outcomes) -> float:
        return float(self.metric(self.periods.apply(self.name, outcomes)))


def _bound(metric: Any, known: Known) -> Any:
    if metric.per is None:
        return metric
    periods = Periods.of(metric.name, metric.per, known)
    return _Within(replace(metric, per=None), periods, metric.name)


def _shown(per: str | None) -> str:
    return "" if per is None else f" per {per}"


def _check_per(of: object, per: str | None) -> None:
    if per in (None, "tick"):
        return
    wrong = f"{type(of).__name__}(per={per!r}): give a length, such as '1D', or 'tick'"
    try:
        positive = parse_fixed(per) > pd.Timedelta(0)
    except (ValueError, TypeError):
        raise MetricError(wrong) from None
    if not positive or not isinstance(per, str):
        raise MetricError(wrong)


class _Ranked:
    """Rows that weigh anything, group by group, the highest score first; of equal ones the first.

    Attributes
    ----------
    gain, score : ndarray of shape (n,)
    group : ndarray of shape (n,)
        Numbers from 0 on, ascending.
    rank : ndarray of shape (n,)
        Place in the group, from 0 on.
    """

    def __init__(self, o: Outcomes, times: Floats | None = None) -> None:
        gain = o.label if o.classes is None and o.score is None else o.label == o.positive
        score = o.prediction.astype(np.float64) if o.score is None else o.score
        score = score if times is None else score * times
        group = np.zeros(len(o), dtype=np.int64)
        if o.group is not None:
            group = pd.factorize(o.group)[0].astype(np.int64)
        counting = np.flatnonzero(np.ones(len(o)) if o.weight is None else o.weight)
        order = counting[np.lexsort((-score[counting], group[counting]))]
        self.gain = gain[order].astype(np.float64)
        self.score, group = score[order], group[order]
        self.group = np.cumsum(np.diff(group, prepend=group[:1]) != 0)
        self.rank = _ranks(self.group)

    def mean_gain_of_ties(self) -> Floats:
        """The gain of each row, of equal scores in a group their mean."""
        new = (np.diff(self.group, prepend=-1) != 0) | (np.diff(self.score, prepend=np.inf) != 0)
        tie = np.cumsum(new) - 1
        return np.asarray((np.bincount(tie, self.gain) / np.bincount(tie))[tie])

    def ideal(self, k: int | None) -> Floats:
        """What the best order of each group would gain, discounted; shape (groups,)."""
        order = np.lexsort((-self.gain, self.group))
        return self.gains_by_group(self.gain[order], k)

    def gains_by_group(self, gain: Floats, k: int | None) -> Floats:
        """Gains in this order, discounted and added up; shape (groups,)."""
        discount = 1 / np.log2(self.rank + 2)
        if k is not None:
            discount = np.where(self.rank < k, discount, 0.0)
        return np.bincount(self.group, gain * discount).astype(np.float64)


def _ranks(group: Integers) -> Integers:
    first = np.flatnonzero(np.diff(group, prepend=-1))
    sizes = np.diff(np.append(first, len(group)))
    return np.asarray(np.arange(len(group)) - np.repeat(first, sizes))


def _check_k(of: object, k: object) -> None:
    if not is_count(k, 1):
        raise MetricError(f"{type(of).__name__}(k={k!r}): give a number of rows, 1 or more")
