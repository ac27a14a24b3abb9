"""Words of a report that a newcomer does not know, each in a few."""

from __future__ import annotations

from collections.abc import Iterator

from backtrain.reports.advice import interval
from backtrain.reports.comparison import Comparison
from backtrain.reports.verdict import hindsight_of, trigger_type


def words(comparison: Comparison) -> list[tuple[str, str]]:
    """Words and what they mean, of those that this report may have."""
    return list(_words(comparison))


def _words(comparison: Comparison) -> Iterator[tuple[str, str]]:
    runs = comparison.runs
    never = [name for name, run in runs.items() if trigger_type(run) == "Never"]
    if never:
        yield ", ".join(never), "never retrained after the start"
    codes = (run.info["parts"]["trigger"].get("every") for run in runs.values()
             if trigger_type(run) == "Every")  # fmt: skip
    for code in dict.fromkeys(map(str, codes)):
        if (said := interval(code)) != f"every {code}":
            yield code, said
    yield "path", "this one replay of the history"
    if len(runs) > 1:
        yield "eras", "ten equal stretches of the history"
    if any(map(hindsight_of, runs.values())):
        yield "loss matrix", "what many models lose, at every age"
        yield "phases", "on which days a schedule falls"
        yield "starts", "days of a first model"
        yield "expected", "the mean over phases and starts"
        yield "regret", "cost above the cheapest possible schedule"
        yield "placebo", "as many trainings, evenly or randomly"
    yield "tick", f"how often strategies may decide: {comparison.info['tick']}"
    yield "retrain", "any training after the first"
