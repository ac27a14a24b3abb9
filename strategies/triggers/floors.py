"""What a metric may not fall below: a fixed floor, or the version's reference less a margin."""

from __future__ import annotations

from typing import NamedTuple, Protocol

from backtrain.simulator.metrics import Metric, Outcomes
from backtrain.simulator.view import View


class Floored(Protocol):
    """A trigger that holds a metric against a floor, or against the reference and a margin."""

    @property
    def below(self) -> float | None:
        """A fixed floor."""

    @property
    def drop(self) -> float | str | None:
        """The margin as it was given."""

    @property
    def margin(self) -> tuple[float, bool]:
        """The margin of ``drop``, and whether it is relative."""


class Limit(NamedTuple):
    """What a metric may not fall below (or, for errors, rise above), and what that is called."""

    floor: float
    what: str


def margin_of(drop: float | str | None) -> tuple[float, bool]:
    """The margin that ``drop`` stands for, and whether it is relative."""
    if isinstance(drop, str):
        return float(drop.strip().removesuffix("%")) / 100, True
    return float(drop or 0), False


def limit_of(spec: Floored, view: View, metric: Metric) -> Limit | None:
    """The floor of a trigger for the version in force; None where that has no reference."""
    if spec.below is not None:
        return Limit(spec.below, "the floor")
    reference = view.model.reference
    return None if reference is None else limit_under(spec, metric, reference.outcomes)


def limit_under(spec: Floored, metric: Metric, reference: Outcomes) -> Limit:
    """The metric of reference rows, less the margin."""
    usual = metric(reference)
    margin, relative = spec.margin
    gap = margin * abs(usual) if relative else margin
    floor = usual - gap if metric.greater_is_better else usual + gap
    return Limit(floor, f"the reference {usual:.4g} by {spec.drop}:")
