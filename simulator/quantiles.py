"""Losses and metrics of several quantiles a row, and of the intervals between two of them."""

from dataclasses import dataclass

import numpy as np

from backtrain.simulator.levels import NEEDS, at_level, several
from backtrain.simulator.outcomes import Floats, MetricError, Outcomes, weighted_mean


@dataclass(frozen=True)
class MeanPinball:
    """The mean over the levels of the pinball loss: half of the CRPS, as far as levels tell.

    ``mean over q of max(q * (y - p[q]), (q - 1) * (y - p[q]))``. Twice its mean over ever more
    levels that lie evenly is the continuous ranked probability score (Laio & Tamea 2007, Hydrology
    and Earth System Sciences 11, 1267-1277). As utilsforecast's ``mqloss``.

    >>> import numpy as np
    >>> two = np.array([[8.0, 12.0]])
    >>> rows = Outcomes(np.array([10.0]), two[:, 0], quantiles=two, levels=(0.1, 0.9))
    >>> MeanPinball().rows(rows).round(3).tolist()
    [0.2]
    """

    name = "mean pinball"
    task = "regression"
    needs_probability = False
    needs_quantiles = True

    def rows(self, outcomes: Outcomes) -> Floats:
        """Loss of each row, shape (n,)."""
        answers, levels = several(outcomes, f"loss {self.name!r}")
        gap = outcomes.label[:, None] - answers
        return np.asarray(np.maximum(levels * gap, (levels - 1) * gap).mean(axis=1))


@dataclass(frozen=True)
class ScaledCRPS:
    """Twice the sum of the mean pinball loss by the sum of the sizes of labels, by weight.

    Rangapuram et al. (2021), ICML, PMLR 139; as utilsforecast's ``scaled_crps``, which takes it
    series by series: that is "scaled CRPS by group". NaN where all labels are 0.

    >>> import numpy as np
    >>> two = np.array([[8.0, 12.0]])
    >>> rows = Outcomes(np.array([10.0]), two[:, 0], quantiles=two, levels=(0.1, 0.9))
    >>> round(ScaledCRPS()(rows), 3)
    0.04
    """

    name = "scaled CRPS"
    task = "regression"
    greater_is_better = False
    needs_quantiles = True

    def __call__(self, outcomes: Outcomes) -> float:
        """Value over the rows."""
        size = weighted_mean(np.abs(outcomes.label), outcomes.weight)
        loss = weighted_mean(MeanPinball().rows(outcomes), outcomes.weight)
        return 2 * loss / size if size > 0 else float("nan")


@dataclass(frozen=True)
class _Interval:
    lower: float
    upper: float
    task = "regression"
    greater_is_better = False
    needs_quantiles = True

    def __post_init__(self) -> None:
        if not 0 < self.lower < self.upper < 1:
            raise MetricError(
                f"{type(self).__name__}({self.lower!r}, {self.upper!r}): give two levels between 0 "
                "and 1, the lower first, such as 0.1 and 0.9"
            )

    @property
    def name(self) -> str:
        """How the metric is called in records and reports."""
        return f"{self._called} {self.lower:g}-{self.upper:g}"

    @property
    def _called(self) -> str:
        raise NotImplementedError

    def _ends(self, outcomes: Outcomes) -> tuple[Floats, Floats]:
        if outcomes.quantiles is None:
            raise MetricError(f"metric {self.name!r} {NEEDS}")
        who = f"metric {self.name!r}"
        return at_level(outcomes, self.lower, who), at_level(outcomes, self.upper, who)

    def _within(self, outcomes: Outcomes) -> float:
        low, high = self._ends(outcomes)
        within = (low <= outcomes.label) & (outcomes.label <= high)
        return weighted_mean(within, outcomes.weight)


@dataclass(frozen=True)
class Coverage(_Interval):
    """Share of the labels within the interval from one level to another, ends included.

    0.8 is what an interval from 0.1 to 0.9 aims at; more is not better: see `IntervalError`.

    Parameters
    ----------
    lower, upper : float
        Two of the model's levels.

    >>> Coverage(0.1, 0.9).name
    'coverage 0.1-0.9'
    """

    greater_is_better = True
    _called = "coverage"

    def __call__(self, outcomes: Outcomes) -> float:
        """Value over the rows."""
        return self._within(outcomes)


@dataclass(frozen=True)
class IntervalError(_Interval):
    """How far the coverage of an interval is from what it aims at, ``upper - lower``.

    Parameters as of `Coverage`. `CoverageError` is that of one level.

    >>> IntervalError(0.1, 0.9).name
    'coverage error 0.1-0.9'
    """

    _called = "coverage error"

    def __call__(self, outcomes: Outcomes) -> float:
        """Value over the rows."""
        return abs(self._within(outcomes) - (self.upper - self.lower))


@dataclass(frozen=True)
class IntervalWidth(_Interval):
    """The mean width of an interval, by weight; parameters as of `Coverage`.

    >>> IntervalWidth(0.1, 0.9).name
    'interval width 0.1-0.9'
    """

    _called = "interval width"

    def __call__(self, outcomes: Outcomes) -> float:
        """Value over the rows."""
        low, high = self._ends(outcomes)
        return weighted_mean(high - low, outcomes.weight)


@dataclass(frozen=True)
class IntervalScore(_Interval):
    """The mean width of an interval, and of what lies outside the distance, times 2 / a.

    ``a = 1 - (upper - lower)``: Winkler (1972), Journal of the American Statistical Association 67,
    187-191; Gneiting & Raftery (2007), 102, 359-378. As utilsforecast's ``winkler_score``. Where
    the levels are not as far from 0 as from 1, each side has its own factor, 1 / ``lower`` and 1 /
    (1 - ``upper``), so that it is least for the right quantiles in any case.

    Parameters as of `Coverage`.

    >>> import numpy as np
    >>> two = np.array([[8.0, 12.0], [8.0, 12.0]])
    >>> rows = Outcomes(np.array([10.0, 13.0]), two[:, 0], quantiles=two, levels=(0.1, 0.9))
    >>> round(IntervalScore(0.1, 0.9)(rows), 3)
    9.0
    """

    _called = "interval score"

    def __call__(self, outcomes: Outcomes) -> float:
        """Value over the rows."""
        low, high = self._ends(outcomes)
        y = outcomes.label
        outside = np.maximum(low - y, 0) / self.lower + np.maximum(y - high, 0) / (1 - self.upper)
        return weighted_mean(high - low + outside, outcomes.weight)
