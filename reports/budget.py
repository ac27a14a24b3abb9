"""Strategies that cost more to run than a budget allows."""

from __future__ import annotations

from collections.abc import Callable, Mapping

import pandas as pd

from backtrain.reports.numbers import Money, count, listing
from backtrain.reports.units import currency
from backtrain.simulator.record import Run

_MONTH = pd.Timedelta(days=365.25 / 12)
_SHOWN = 3  # of those left out; the others are counted


def months(run: Run) -> float:
    """How long it served."""
    return float((pd.Timestamp(run.info["end"]) - pd.Timestamp(run.info["start"])) / _MONTH)


def running(run: Run) -> float:
    """Money for all but errors: trainings, releases, labels, checks and predictions."""
    return float(run.totals["total"]) - float(run.totals["error"])


def running_cost(run: Run) -> float:
    """The same, a month."""
    return running(run) / months(run)


def sentence(
    runs: Mapping[str, Run],
    advised: str,
    budget: float | None,
    left_out: Mapping[str, Mapping[str, float]],
    money: Callable[[float], str],
) -> str:
    """Says who was left out, and what they were expected to save more; ``money`` writes that."""
    own = running_cost(runs[advised])
    if budget is None or (not left_out and own <= budget):
        return ""
    monthly = Money.fit((budget, own), currency(runs[advised].info))
    if own > budget:
        return (
            f"Every strategy costs more to run than {monthly(budget)} a month; {advised} comes "
            f"nearest, with {monthly(own)}."
        )
    told = []
    for name, facts in sorted(left_out.items(), key=lambda one: -one[1]["saves"]):
        better = f", expected to save {money(facts['saves'])} more" if facts["saves"] > 0 else ""
        told.append(f"{name} ({monthly(facts['running'])}{better})")
    rest = [count(len(told) - _SHOWN, "other")] if len(told) > _SHOWN else []
    return (
        f"Left out, at more than {monthly(budget)} a month to run: "
        f"{listing([*told[:_SHOWN], *rest])}."
    )
