"""Why that strategy, and what could change it: the answer in sentences, before any evidence."""

from __future__ import annotations

import math
from collections.abc import Iterator

import numpy as np

from backtrain.lossmatrix.decide import REALISED, SIMPLE
from backtrain.reports import alike
from backtrain.reports.comparison import Comparison
from backtrain.reports.eras import Eras
from backtrain.reports.exhibit import Section
from backtrain.reports.numbers import Money, listing, percent
from backtrain.reports.units import currency
from backtrain.reports.verdict import Recommendation

#: Strategies whose expected cost is told beside that of the winner.
_NEXT = 2


def why(comparison: Comparison, baseline: str) -> Section | None:
    """What speaks for the strategy to run; None where it was held against nothing."""
    verdict = comparison.verdict(baseline)
    if math.isnan(verdict.saves):
        return None
    lines = [_expected(comparison, verdict)]
    if verdict.strategy == baseline and verdict.behind < 0:
        share = f"{100 * comparison.careful:g} %"
        alarm = f"{100 * SIMPLE:g} %"
        lines.append(
            f"A change is advised where it saves {share} of what {baseline} costs; to what is no "
            f"plain schedule, which is more to run, where it saves {alarm} more."
        )
    if verdict.strategy != baseline:
        eras = Eras.of(comparison, baseline)
        lines.append(eras.won(verdict.strategy, baseline))
        if math.isnan(verdict.low):
            lines.append(
                f"There is no interval of what {verdict.strategy} saved on this path: the history "
                "holds fewer than seven blocks of the length that both need."
            )
        elif verdict.low <= 0 <= verdict.high:
            lines.append(
                f"This path alone does not show it: the interval of what {verdict.strategy} saved "
                f"against {baseline} holds 0. What is expected rests on more than one path where "
                "a loss matrix was made, else on this one."
            )
    return Section("Why", lines=lines)


def changes(comparison: Comparison, baseline: str) -> Section | None:
    """What would lead to another choice; None where nothing is known to."""
    verdict = comparison.verdict(baseline)
    if math.isnan(verdict.saves):
        return None
    lines = [*verdict.changes, *rivals(comparison, verdict)]
    return Section("What could change it", lines=lines) if lines else None


def _expected(comparison: Comparison, verdict: Recommendation) -> str:
    """What the strategy to run, the next ones and the baseline are expected to cost."""
    expected, money = dict(verdict.expected), _money(comparison)
    ranked = sorted(expected, key=lambda name: expected[name])
    ranked = [verdict.strategy, *(n for n in ranked if n != verdict.strategy)]
    named = alike.once(comparison.runs, ranked)[: _NEXT + 1]
    if verdict.baseline not in named and verdict.baseline in expected:
        named.append(verdict.baseline)
    each = (f"{name} {money(expected[name])}" for name in named)
    told = f"Expected to cost over a span like this one: {listing(each)}."
    if verdict.strategy != verdict.baseline and verdict.saves > 0:
        less = expected[verdict.baseline] - expected[verdict.strategy]
        told += f" {verdict.strategy} is {money(less)} below {verdict.baseline}; "
        first = less - verdict.saves / REALISED  # of a review
        if money(first) != money(0.0):
            told += f"without the {money(first)} of the training that a change begins with, "
        told += (
            f"{percent(REALISED)} of that is promised, {money(verdict.saves)}: what looked best "
            "so far saves less later."
        )
    return told


def rivals(comparison: Comparison, verdict: Recommendation) -> Iterator[str]:
    """Who may be as good, by how much at most, and about whom nothing can be said."""
    table, money = comparison.table(verdict.baseline), _money(comparison)
    rivals = [name for name in table.index if name in verdict.rivals]
    reach = table.loc[rivals, ["to_winner_low", "to_winner_high"]].abs().max(axis=1)
    same = [name for name in rivals if money(float(reach[name])) == money(0.0)]
    if same:
        yield f"On this path {listing(same)} cost the same as {verdict.strategy}."
    rivals = alike.once(comparison.runs, (name for name in rivals if name not in same))
    if rivals:
        cheaper = -table.loc[rivals, "to_winner_low"]
        most = max(rivals, key=lambda name: float(cheaper[name]))
        yield (
            f"Neither clearly dearer nor clearly cheaper than {verdict.strategy} on this path: "
            f"{listing(rivals)}. By their intervals {most} may have saved up to "
            f"{money(float(np.max(cheaper)))} more."
        )
    unjudged = [name for name in verdict.unjudged if name != verdict.baseline]
    unjudged = alike.once(comparison.runs, unjudged)
    if unjudged:
        yield (
            f"No interval on this path between {verdict.strategy} and {listing(unjudged)}: the "
            "history holds fewer than seven blocks of the length that both need."
        )


def _money(comparison: Comparison) -> Money:
    totals = [float(run.totals["total"]) for run in comparison.runs.values()]
    return Money.fit(totals, currency(comparison.info))
