"""The prose of the report: the few numbers on top, the caveats, and how everything was set up."""

from __future__ import annotations

import json
import math
from typing import TYPE_CHECKING, Any

import pandas as pd

from backtrain.reports.eras import Eras
from backtrain.reports.numbers import Money, count, duration, listing, number
from backtrain.reports.verdict import Recommendation, trigger_type

if TYPE_CHECKING:
    from backtrain.reports.comparison import Comparison

Pairs = list[tuple[str, str]]


def headline(
    comparison: Comparison, baseline: str, verdict: Recommendation
) -> list[tuple[str, str, str]]:
    """Label, value and remark of the numbers that stand below the verdict."""
    table = comparison.table(baseline)
    money = Money.fit(table["total"])
    winner, eras = comparison.runs[verdict.strategy].totals, Eras.of(comparison, baseline)
    total = float(winner["total"])
    column = eras.names.index(verdict.strategy)
    known = not math.isnan(verdict.low)
    interval = f"{money(verdict.low)} to {money(verdict.high)}, 95 %" if known else "no interval"
    against = baseline if verdict.strategy != baseline else "the runner-up"
    return [
        (f"saves against {against}", money(verdict.saves), interval),
        (
            "total cost",
            money(total),
            _per_year(total, comparison, money),
        ),
        ("retrains", number(winner["retrains"]), f"in {duration(comparison.span)}"),
        ("cheapest in", f"{eras.wins[column]} of {len(eras.costs)}", "eras, ties included"),
    ]


def remarks(verdict: Recommendation) -> list[str]:
    """What must be said right beside the verdict."""
    lines = verdict.beside
    if verdict.rivals:
        names = listing(verdict.rivals)
        lines.append(f"Cannot be told apart from {verdict.strategy} by cost: {names}.")
    if verdict.unjudged:
        names = listing(verdict.unjudged)
        lines.append(f"No interval against {verdict.strategy}, fewer than seven blocks: {names}.")
    return lines


def block_note(comparison: Comparison, baseline: str) -> str:
    """How the intervals of the table came about."""
    block, grid = comparison.contrast(baseline).block, comparison.costs.grid
    if block is None:
        return (
            "No intervals: the history holds fewer than seven blocks of the length that the label "
            "delay, the season and the usual gap between retrains ask for."
        )
    return (
        "Intervals hold for all strategies at once, at 95 %. They rest on "
        f"{count(grid.count, 'period')} of {duration(grid.length)}, on how alike neighbouring ones "
        f"are, and on blocks of at most {duration(grid.length * block)}, as long as the label "
        "delay, the season and the usual gap between retrains of the two strategies ask for. A "
        "strategy that leaves fewer than seven such blocks has none."
    )


def caveats(comparison: Comparison) -> list[str]:
    """What this report cannot know."""
    info, totals = comparison.info, next(iter(comparison.runs.values())).totals
    delay = info.get("label_delay_seconds") or {}
    lines = [
        "One history is one sample: the ranking holds for this mix of regimes.",
        "The first model is charged as initial, shown beside, and left out of every total.",
        f"{count(int(totals['unlabelled_at_end']), 'row')} of {number(totals['rows'])} had no "
        f"label yet at the end; {number(totals['never_labelled'])} never got one: served and "
        "counted, but not scored.",
    ]
    if delay.get("median"):
        lines.append(
            f"Labels arrive after {_seconds(delay['median'])} (median), {_seconds(delay['p95'])} "
            "(95th percentile): strategies that watch losses see them that much later."
        )
    told = [name for name, run in comparison.runs.items() if trigger_type(run) == "Recorded"]
    if told:
        lines.append(
            f"Predictions of {listing(told)} were recorded, not made here: nothing shows what was "
            "known when they were made."
        )
    lines.append(
        "Intervals cover the luck of this history, given the models that were trained on it: a "
        "strategy that never retrains rests on a single training."
    )
    lines.append(
        "If an earlier decision shaped which rows or labels exist (rejected applications, "
        "stock-outs, a policy that chose its own rows), the replay cannot show what "
        "others would have seen."
    )
    if comparison.span < pd.Timedelta(days=365):
        lines.append("Less than a year was served, so nothing is given per year.")
    return lines


def setup(comparison: Comparison) -> Pairs:
    """Data, model, prices, delays and environment of the replay."""
    info = comparison.info
    stream, libraries = info["stream"], info.get("libraries") or {}
    faults = ", ".join(
        f"{f['name']} ({f['start']} to {f['stop']})" for f in info.get("faults") or []
    )
    pairs: Pairs = [
        ("data", f"{stream.get('name')}, {count(int(stream['rows']), 'row')}, target "
                 f"{stream.get('target')}, {stream.get('first')} to {stream.get('last')}"),
        ("data hash", str(stream["fingerprint"])),
        ("faults put into it", faults or "none"),
        ("served", f"{info['start']} to {info['end']}, tick {info['tick']}"),
        ("model", str(info.get("model"))),
        ("loss", str(info["loss"])),
        ("seed", str(info.get("seed"))),
        ("prices", _differing(comparison, "prices")),
        ("delays", _differing(comparison, "delays")),
        ("environment", ", ".join(
            [f"Python {info.get('python')}", *(f"{k} {v}" for k, v in sorted(libraries.items()))]
        )),
    ]  # fmt: skip
    return pairs


def code(comparison: Comparison) -> Pairs:
    """Every strategy as the expression that builds it."""
    return [(name, str(run.info.get("strategy"))) for name, run in comparison.runs.items()]


def _differing(comparison: Comparison, key: str) -> str:
    """Settings in one line; by strategy where they differ."""
    texts = {name: _flat(run.info.get(key) or {}) for name, run in comparison.runs.items()}
    if len(set(texts.values())) == 1:
        return next(iter(texts.values()))
    return "; ".join(f"{name}: {text}" for name, text in texts.items())


def _flat(settings: dict[str, Any]) -> str:
    return ", ".join(
        f"{key} {value if isinstance(value, str) else json.dumps(value)}"
        for key, value in settings.items()
    )


def _seconds(seconds: float) -> str:
    return duration(pd.Timedelta(seconds=float(seconds)))


def _per_year(amount: float, comparison: Comparison, money: Money) -> str:
    years = comparison.span / pd.Timedelta(days=365.25)
    return f"{money(amount / years)} a year" if years >= 1 else f"in {duration(comparison.span)}"
