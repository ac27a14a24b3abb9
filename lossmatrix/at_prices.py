"""What would be decided at other prices of a retrain and of an error."""

from __future__ import annotations

from dataclasses import dataclass
from functools import cached_property

import numpy as np

from backtrain.datasets.shown import Shown
from backtrain.lossmatrix.curves import Floats, Integers
from backtrain.lossmatrix.decide import Evidence
from backtrain.simulator.statistics import price_range

#: A map reaches so many decades to both sides, with so many steps a decade.
_DECADES, _STEPS = 2, 8


@dataclass(frozen=True, eq=False, repr=False)
class PriceMap(Shown):
    """The option that is chosen at each price of a retrain and of a unit of loss.

    Expected costs are lines in both prices, so a choice holds from one price of a retrain to
    another, whatever the price of an error: ``low`` and ``high`` are exact.

    Attributes
    ----------
    names : tuple of str
        The O options.
    now : tuple of float
        The prices of a retrain and of an error that costs were paid at.
    retrain, error : ndarray of shape (R,), (E,)
        Prices evenly spaced by ratio round these; round 1 where retrains are free.
    low, high : ndarray of shape (E, O)
        Prices of a retrain from and to which each option is chosen; NaN where it never is.
    """

    names: tuple[str, ...]
    now: tuple[float, float]
    retrain: Floats
    error: Floats
    low: Floats
    high: Floats

    @classmethod
    def of(cls, evidence: Evidence) -> PriceMap:
        """Move the costs of all options to other prices, and decide.

        Where errors are free, or it is not known what they cost, their price stays as it is.
        """
        options = evidence.options
        places = evidence.ranking()  # of equal costs the first one is chosen
        weight = evidence.weights()[places]
        retrains = np.array([options[i].retrains for i in places])
        fixed = np.array([options[i].cost for i in places]) - evidence.price * retrains
        errors = np.array([options[i].errors for i in places])
        known = evidence.error > 0 and bool(np.isfinite(errors).all())
        error = _around(evidence.error) if known else np.array([evidence.error])
        times = error / evidence.error if known else np.ones(1)
        more = np.multiply.outer(times - 1, errors if known else 0 * fixed)
        ranges = [_ranges(weight * (fixed + m), weight * retrains) for m in more]
        bounds = np.empty((2, len(error), len(options)))
        bounds[:, :, places] = np.moveaxis(np.array(ranges), 2, 0)
        names = tuple(option.name for option in options)
        now = evidence.price, evidence.error
        return cls(names, now, _around(evidence.price), error, bounds[0], bounds[1])

    @cached_property
    def cheapest(self) -> Integers:
        """The position of the option chosen at each price, shape (E, R)."""
        below = self.low[:, None, :] <= self.retrain[:, None]
        above = self.retrain[:, None] <= self.high[:, None, :]
        return np.asarray(np.argmax(below & above, axis=-1))

    @property
    def chosen(self) -> list[int]:
        """Positions of those chosen anywhere, that of the dearest retrains first."""
        last = np.nanmax(np.where(np.isnan(self.low), -np.inf, self.low), axis=0)
        found = np.unique(self.cheapest)
        return sorted(found.tolist(), key=lambda place: -last[place])

    @property
    def here(self) -> tuple[Floats, Floats]:
        """``low`` and ``high`` at the price of an error that costs were paid at, (O,) each."""
        row = len(self.error) // 2
        return self.low[row], self.high[row]


def _around(price: float) -> Floats:
    steps = np.arange(-_DECADES * _STEPS, _DECADES * _STEPS + 1)
    return np.asarray((price or 1.0) * 10.0 ** (steps / _STEPS))


def _ranges(height: Floats, slope: Floats) -> Floats:
    """`price_range` of lines, (O, 2); NaN for those that are equal to an earlier one."""
    found = np.full((len(height), 2), np.nan)
    first = np.unique(np.stack([height, slope]), axis=1, return_index=True)[1]
    found[first] = price_range(height[first], slope[first])
    return found
