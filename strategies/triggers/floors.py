"""What a metric may not fall below: a fixed floor, or the version's reference less a margin."""

from __future__ import annotations

from functools import cached_property
from typing import NamedTuple

from backtrain.simulator.metrics import Metric, Outcomes
from backtrain.simulator.view import View


class Limit(NamedTuple):
    """What a metric may not fall below (or, for errors, rise above), and what that is called."""

    floor: float
    what: str


class Floored:
    """A trigger that holds a metric against a floor, or against the reference and a margin."""

    below: float | None
    drop: float | str | None

    @cached_property
    def margin(self) -> tuple[float, bool]:
        """The margin that ``drop`` stands for, and whether it is relative."""
        if isinstance(self.drop, str):
            return float(self.drop.strip().removesuffix("%")) / 100, True
        return float(self.drop or 0), False

    def limit(self, view: View, metric: Metric) -> Limit | None:
        """The floor for the version in force; None where that has no reference."""
        if self.below is not None:
            return Limit(self.below, "the floor")
        reference = view.model.reference
        return None if reference is None else self.limit_under(metric, reference.outcomes)

    def limit_under(self, metric: Metric, reference: Outcomes) -> Limit:
        """The metric of reference rows, less the margin."""
        usual = metric(reference)
        margin, relative = self.margin
        gap = margin * abs(usual) if relative else margin
        floor = usual - gap if metric.greater_is_better else usual + gap
        return Limit(floor, f"the reference {usual:.4g} by {self.drop}:")
