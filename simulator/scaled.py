"""Errors by the size of the errors that a seasonal naive forecast made before ``start``."""

from dataclasses import dataclass
from functools import cached_property
from typing import Any, ClassVar, Literal

import numpy as np
import pandas as pd
from numpy.typing import NDArray

from backtrain.datasets.offsets import parse_fixed
from backtrain.datasets.values import is_count
from backtrain.simulator.outcomes import Floats, Known, MetricError, Outcomes, weighted_mean

#: Of which power of an error the mean is taken, and the root of it.
_POWERS = {"absolute": 1, "squared": 2}


@dataclass(frozen=True, eq=False)
class Scales:
    """The mean error of ``y[t] = y[t - season]`` of each group, on the labels known at ``start``.

    Attributes
    ----------
    groups : ndarray of shape (g,)
        The groups that have a scale.
    values : ndarray of shape (g,)
        Their scales, above 0.
    pooled : float
        The mean over all such errors: the scale of groups that have none of their own.
    """

    groups: NDArray[Any]
    values: Floats
    pooled: float

    @classmethod
    def of(cls, name: str, known: Known, season: int | str, power: int) -> "Scales":
        """Mean of ``|y[t] - y[t - season]| ** power``, t counting the rows of a group, or a time.

        Raises `MetricError` where no group has such a difference, or all are 0.
        """
        label = pd.Series(known.label.astype(np.float64, copy=False))
        group = np.zeros(len(label)) if known.group is None else known.group
        before = (
            _so_long_before(known, pd.Series(group), season)
            if isinstance(season, str)
            else label.groupby(group, sort=False).shift(season)
        )
        error = (label - before).abs() ** power
        means = error.groupby(group, sort=False).mean()
        means = means[means > 0]
        if not len(means):
            raise MetricError(
                f"{name}: {int(label.notna().sum())} labels are known at the start, none "
                f"of which differs from that {season}{'' if isinstance(season, str) else ' rows'} "
                "before it in its group, so there is nothing to scale by; give a smaller season, "
                "or a later start"
            )
        return cls(means.index.to_numpy(), np.asarray(means, dtype=np.float64), float(error.mean()))

    def of_rows(self, group: NDArray[Any] | None, n: int) -> Floats:
        """The scale of n rows, shape (n,)."""
        if group is None:
            return np.full(n, self.values[0])
        place = self._index.get_indexer(pd.Index(group))
        return np.where(place < 0, self.pooled, self.values[place])

    @cached_property
    def _index(self) -> pd.Index:
        index: pd.Index = pd.Index(self.groups)
        return index


def _so_long_before(known: Known, group: pd.Series, season: str) -> pd.Series:
    """Of each row the label of its group whose event time is exactly a season before, or NaN.

    Of several rows of a group at that time, the last one's.
    """
    if known.event_time is None:
        raise MetricError(f"season={season!r}: the rows have no times; give a number of rows")
    time = pd.Series(known.event_time)
    keys = pd.MultiIndex.from_arrays([group, time])
    labels = pd.Series(known.label.astype(np.float64, copy=False), index=keys)
    labels = labels[~keys.duplicated(keep="last")]
    wanted = pd.MultiIndex.from_arrays([group, time - parse_fixed(season)])
    return pd.Series(labels.reindex(wanted).to_numpy())


@dataclass(frozen=True)
class Scaled:
    """A loss in units of a seasonal naive forecast's, so that no series dominates a panel's total.

    The scale is the mean of ``|y[t] - y[t - season]|`` (or of its square, for ``"squared"``) over
    the labels that are known at ``start``, in each group of the stream; t counts the rows of a
    group. Nothing later changes it. A group without such a difference, or whose history is
    constant, is scaled by the mean over the differences of all groups.

    Parameters
    ----------
    loss : {"absolute", "squared"}
        The loss that is scaled; its mean is `MASE`, or the square of `RMSSE`.
    season : int or str
        Rows of a season, such as 24 for hours and 7 for days, or its length, such as ``"7D"``:
        then t - season is the row of the group whose event time is exactly so long before, if
        there is one; days have 24 hours. On rows without gaps and ties both are the same.

    Examples
    --------
    >>> import numpy as np
    >>> history = Known(np.array([1.0, 3.0, 5.0]))  # it rises by 2 a row
    >>> Scaled().at_start(history).rows(Outcomes(np.array([7.0]), np.array([6.0]))).tolist()
    [0.5]
    """

    loss: Literal["absolute", "squared"] = "absolute"
    season: int | str = 1
    task = "regression"
    needs_probability = False

    def __post_init__(self) -> None:
        if self.loss not in _POWERS:
            raise MetricError(f"Scaled(loss={self.loss!r}): give 'absolute' or 'squared'")
        _check_season(self)

    @property
    def name(self) -> str:
        """How the loss is called in records and reports."""
        return f"scaled_{self.loss}" + _shown(self.season)

    def at_start(self, known: Known) -> "Scaled":
        """The same, with the scales of the labels that are known."""
        scales = Scales.of(self.name, known, self.season, _POWERS[self.loss])
        return _AtStart(self.loss, self.season, scales)

    def rows(self, outcomes: Outcomes) -> Floats:
        """Loss of each row, shape (n,)."""
        raise MetricError(f"{self!r}: has no scale yet; `at_start` gives it one")


@dataclass(frozen=True)
class _AtStart(Scaled):
    """A scaled loss that has its scales."""

    scales: Any = None

    def rows(self, outcomes: Outcomes) -> Floats:
        gap = np.abs(outcomes.label - outcomes.prediction)
        scale = self.scales.of_rows(outcomes.group, len(outcomes))
        return np.asarray(gap ** _POWERS[self.loss] / scale)


@dataclass(frozen=True)
class _ScaledMetric:
    season: int | str = 1
    task = "regression"
    greater_is_better = False
    needs_probability = False
    loss: ClassVar[Literal["absolute", "squared"]]

    def __post_init__(self) -> None:
        _check_season(self)

    @property
    def name(self) -> str:
        """How the metric is called in records and reports."""
        return type(self).__name__ + _shown(self.season)

    def at_start(self, known: Known) -> "_Mean":
        """The same, with the scales of the labels that are known."""
        power = _POWERS[self.loss]
        scales = Scales.of(self.name, known, self.season, power)
        return _Mean(_AtStart(self.loss, self.season, scales), power)

    def __call__(self, outcomes: Outcomes) -> float:
        """Value over the rows; only what `at_start` returns has one."""
        raise MetricError(f"{self!r}: has no scale yet; `at_start` gives it one")


@dataclass(frozen=True)
class MASE(_ScaledMetric):
    """Mean absolute scaled error: errors in units of a seasonal naive forecast's before ``start``.

    Hyndman & Koehler (2006), International Journal of Forecasting 22, 679-688. Each row's error
    is divided by its group's scale, and the mean taken by weight; ``ByGroup(MASE(24))`` takes the
    mean of each group first. Scales as in `Scaled`: nothing after ``start`` changes them.

    Parameters
    ----------
    season : int or str
        Rows of a season, such as 24 for hours and 7 for days, or its length, as of `Scaled`.

    >>> MASE(24).name, MASE("7D").name
    ('MASE 24', 'MASE 7D')
    """

    loss = "absolute"


@dataclass(frozen=True)
class RMSSE(_ScaledMetric):
    """Root mean squared scaled error, as in the M5 competition; see `MASE`.

    Makridakis, Spiliotis & Assimakopoulos (2022), International Journal of Forecasting 38,
    1346-1364: squared errors in units of a naive forecast's, and the root of their mean.

    Parameters
    ----------
    season : int or str
        Rows of a season, or its length, as of `Scaled`; 1 in M5.

    >>> RMSSE().name
    'RMSSE'
    """

    loss = "squared"


@dataclass(frozen=True)
class _Mean:
    """The mean of a scaled loss by weight, or its root."""

    loss: _AtStart
    root: int

    def __call__(self, outcomes: Outcomes) -> float:
        return float(weighted_mean(self.loss.rows(outcomes), outcomes.weight) ** (1 / self.root))


def _check_season(of: Scaled | _ScaledMetric) -> None:
    if is_count(of.season, 1):
        return
    wrong = f"{type(of).__name__}(season={of.season!r}): give a number of rows, such as 24, or"
    if not isinstance(of.season, str):
        raise MetricError(f"{wrong} a length, such as '7D'")
    try:
        positive = parse_fixed(of.season) > pd.Timedelta(0)
    except ValueError as error:
        raise MetricError(f"{wrong} a length: {error}") from None
    if not positive:
        raise MetricError(f"{wrong} a length above 0, such as '7D'")


def _shown(season: int | str) -> str:
    return "" if season == 1 else f" {season}"
