"""What is known afterwards of a run: its regret to the oracle, and its rank against luck."""

from __future__ import annotations

from typing import Any

from backtrain.reports.verdict import trigger_type
from backtrain.simulator.record import Run

#: What the table of a comparison shows of it.
COLUMNS = ("regret", "gap", "placebo_even", "placebo_random")


def facts_of(run: Run) -> dict[str, Any]:
    """What a loss matrix says of one run; empty where none covers it."""
    return dict(run.info.get("hindsight") or {})


def value(facts: dict[str, Any], key: str) -> float:
    """A number of `facts_of`; NaN where there is none."""
    return float("nan") if facts.get(key) is None else float(facts[key])


def is_tested(run: Run) -> bool:
    """Whether luck says anything: it retrained, and not by a fixed interval, its own placebo."""
    return run.totals["retrains"] > 0 and trigger_type(run) not in ("Every", "EveryRows")
