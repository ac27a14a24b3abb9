"""Metrics that move from strategy to strategy while the loss that is charged does not."""

from __future__ import annotations

import math
from collections.abc import Mapping

from backtrain.reports.kept import scored_weight
from backtrain.reports.numbers import significant
from backtrain.simulator.metrics import METRICS
from backtrain.simulator.record import Run

#: A metric moves by so much at least: ranks in their own unit, others by share of the largest.
_RANKS, _MOVES = ("ROC AUC", "average precision"), {True: 0.03, False: 0.1}
#: The loss does not, where its largest and smallest mean are as near as this share of the largest.
_STILL = 0.05


def unseen(runs: Mapping[str, Run]) -> str:
    """Names the metric that moves most and what would see it; empty where the loss moves, too.

    Only metrics of probabilities are looked at, and only where the loss takes none: it sees on
    which side of a threshold an answer lies, and nothing else.
    """
    first = next(iter(runs.values()))
    loss = [_mean_loss(run) for run in runs.values()]
    if (
        first.info["loss"] == "log"
        or not max(loss) > 0
        or max(loss) - min(loss) > _STILL * max(loss)
    ):
        return ""
    found = []
    for name in first.metrics:
        if name not in METRICS or not METRICS[name].needs_probability:
            continue
        values = {strategy: run.metrics.get(name, math.nan) for strategy, run in runs.items()}
        low, high = min(values, key=values.__getitem__), max(values, key=values.__getitem__)
        ranks = name in _RANKS
        moved = (values[high] - values[low]) / (1 if ranks else abs(values[high]) or 1)
        if moved >= _MOVES[ranks]:
            found.append((moved / _MOVES[ranks], name, low, high, values))
    if not found:
        return ""
    _, name, low, high, values = max(found, key=lambda one: one[0])
    cut = "; where you act from another probability than one half on, set threshold="
    cut = "" if first.info.get("threshold") else cut
    ends = (f"{significant(values[one], 3)} ({one})" for one in (low, high))
    return (
        f"{name} moves from {' to '.join(ends)}, while the loss that is charged, "
        f"{first.info['loss']}, hardly does ({significant(min(loss))} to "
        f"{significant(max(loss))} a row): it takes the answers, not their probabilities. Where "
        f"these are what you use, set loss=log{cut}; or a loss of your own."
    )


def _mean_loss(run: Run) -> float:
    weight = scored_weight(run)
    return float(run.totals["loss"] / weight) if weight else math.nan
