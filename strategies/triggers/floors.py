"""What a metric may not fall below: a fixed floor, or the version's reference less a margin."""

from __future__ import annotations

import math
from typing import NamedTuple, Protocol

from backtrain.simulator.errors import PartError
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


def margin_of(part: str, drop: float | str | None) -> tuple[float, bool]:
    """The margin that ``drop`` stands for, and whether it is relative; refuses what is none."""
    if not isinstance(drop, str):
        if drop is not None and not 0 <= drop < math.inf:
            raise PartError(f"{part}(drop={drop!r}): a margin is a number, and not negative")
        return (0.0 if drop is None else float(drop)), False
    try:
        value = float(drop.strip().removesuffix("%")) / 100
    except ValueError:
        value = -1.0
    if not 0 <= value < math.inf or not drop.strip().endswith("%"):
        raise PartError(f"{part}(drop={drop!r}): a number, or a share such as '20%'")
    return value, True


def refuse_no_floor(part: str, below: float | None) -> None:
    """Raise `PartError` for a floor that nothing can be below."""
    if below is not None and not math.isfinite(below):
        raise PartError(f"{part}(below={below!r}): a floor is a number")


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
