"""What share of a refit's gain recalibration brings, and at what share of its price."""

from __future__ import annotations

from collections.abc import Iterator, Mapping
from typing import Any

from backtrain.simulator.record import Run

#: What a training costs, by the kinds of its charges.
_SPENT = ("train", "deploy", "label")


def recalibrated(runs: Mapping[str, Run]) -> Iterator[tuple[str, str]]:
    """Names of strategies that recalibrate, each with a sentence that holds it against a refit.

    The refit has the same trigger, window and gate, and the strategy that never trains the same
    window; without these, or where the refit saves nothing, nothing is said.
    """
    for name, run in runs.items():
        parts = run.info["parts"]
        if _type(parts, "update") != "Recalibrate":
            continue
        refit = _like(runs, parts, ("trigger", "window", "gate"), "update", "Refit")
        static = _like(runs, parts, ("window",), "trigger", "Never")
        if refit is None or static is None:
            continue
        worst, best, own = (float(runs[r].totals["error"]) for r in (static, refit, name))
        price, full = (sum(float(runs[r].totals[k]) for k in _SPENT) for r in (name, refit))
        if not worst > best:
            continue
        gain = 100 * (worst - own) / (worst - best)
        at = f" at {100 * price / full:.0f} % of its price" if full > 0 else ""
        share = f"{gain:.0f} % of what {refit} saves in errors against {static}{at}"
        yield name, f"{name}: recalibration brings {share}."


def _like(
    runs: Mapping[str, Run], parts: Mapping[str, Any], same: tuple[str, ...], part: str, kind: str
) -> str | None:
    """The first run with some parts alike, and one of this kind."""
    for name, run in runs.items():
        other = run.info["parts"]
        if _type(other, part) == kind and all(other.get(p) == parts.get(p) for p in same):
            return name
    return None


def _type(parts: Mapping[str, Any], part: str) -> str:
    value = parts.get(part)
    return str(value.get("type", "")) if isinstance(value, Mapping) else ""
