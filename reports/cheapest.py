"""Why what cost least on the replayed path is not what is advised, where that is so."""

from __future__ import annotations

import math
from collections.abc import Iterator

from backtrain.lossmatrix.decide import SIMPLE
from backtrain.reports import timers
from backtrain.reports.comparison import Comparison
from backtrain.reports.numbers import Money, price
from backtrain.reports.units import currency
from backtrain.reports.verdict import Recommendation, hindsight_of


def why_not(comparison: Comparison, baseline: str) -> list[str]:
    """A sentence on the cheapest of the path that may win, and on one that may not before it.

    Empty where the advised strategy cost least, or nothing is advised.
    """
    verdict = comparison.verdict(baseline)
    if math.isnan(verdict.saves):
        return []
    totals = {name: float(run.totals["total"]) for name, run in comparison.runs.items()}
    money = Money.fit(totals.values(), currency(comparison.info))
    own = totals[verdict.strategy]
    cheaper = [n for n in totals if totals[n] < own and money(totals[n]) != money(own)]
    cheaper.sort(key=lambda name: totals[name])
    return list(_told(comparison, verdict, cheaper, money))


def _told(
    comparison: Comparison, verdict: Recommendation, cheaper: list[str], money: Money
) -> Iterator[str]:
    if cheaper and cheaper[0] not in verdict.expected:
        why = _barred(comparison, verdict, cheaper[0])
        yield f"{cheaper[0]} cost least on this path and cannot be advised: {why}."
    able = next((name for name in cheaper if name in verdict.expected), None)
    if able is not None:
        lead = f"{able} cost less than {verdict.strategy}, which is advised, on this path"
        yield f"{lead}{_outweighed(comparison, verdict, able, money)}."


def _barred(comparison: Comparison, verdict: Recommendation, name: str) -> str:
    """Why a strategy may not win."""
    if name in verdict.failing:
        return "a tenth or more of its trainings failed"
    if comparison.runs[name].info.get("in_sample"):
        return "it was chosen by looking at this path"
    plain = timers.instead(comparison.runs, comparison.runs).get(name, "another schedule")
    return f"it is a timer by another name, and {plain} stands in its place"


def _outweighed(comparison: Comparison, verdict: Recommendation, name: str, money: Money) -> str:
    """Why another one was preferred to one that may win."""
    expected, advised = verdict.expected, verdict.strategy
    if name in verdict.left_out:
        return ", and costs more to run than the budget allows"
    if expected[name] >= expected[advised]:
        both = f"{money(expected[name])} against {money(expected[advised])}"
        how = _how(comparison, name)
        return f": one path is one draw, and the advice goes by the expected cost ({both}), {how}"
    less = f", and is expected to by {money(expected[advised] - expected[name])}"
    if advised == verdict.baseline and comparison.running == advised:
        return f"{less}: too little to win back the training that a change begins with"
    if advised == verdict.baseline:
        share = price(100 * comparison.careful)
        return f"{less}: less than the {share} % of its cost for which {advised} is given up"
    return f"{less}: it is no plain schedule, and would have to save {price(100 * SIMPLE)} %"


def _how(comparison: Comparison, name: str) -> str:
    """How the expected cost of a strategy came about."""
    run = comparison.runs[name]
    if not hindsight_of(run).get("expected"):
        return "moved, without a loss matrix of its own, from the strategy that is nearest in cost"
    if timers.is_alarm(run):
        saved = (hindsight_of(run).get("over_even") or 0.0) > 0
        return (
            f"which counts {'half of what' if saved else 'all that'} the alarm "
            f"{'saved' if saved else 'lost'} here against as many evenly spaced trainings"
        )
    return "the mean over phases and starts of its schedule"
