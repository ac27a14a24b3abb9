"""The report of a comparison as one self-contained file, and the short form for a notebook."""

import math
from collections.abc import Callable, Mapping
from functools import partial
from typing import Any

import pandas as pd

from backtrain.reports import faulty, figures, html, price_map, sections, tables, timeline
from backtrain.reports.comparison import Comparison
from backtrain.reports.eras import Eras
from backtrain.reports.exhibit import Exhibit, Section
from backtrain.reports.numbers import Money, count, duration, listing, number
from backtrain.reports.units import currency
from backtrain.reports.verdict import Recommendation, trigger_type


def render(comparison: Comparison, baseline: str) -> str:
    """The whole report as HTML, with nothing beside it."""
    return report(comparison, baseline).page()


def report(comparison: Comparison, baseline: str, files: bool = False) -> html.Report:
    """Page and exhibits; ``files`` asks for the figures as files, too."""
    content, shown = _context(comparison, baseline), outline(comparison, baseline)
    return html.Report.of("page.html", content, shown, files)


def outline(comparison: Comparison, baseline: str) -> list[Section]:
    """What the report shows, in its order."""
    made = (section(comparison, baseline) for section in SECTIONS)
    return [section for section in made if section is not None]


def notebook(comparison: Comparison, baseline: str) -> str:
    """The verdict and the ranked table, to stand below a notebook's cell."""
    ranked = tables.ranked(comparison, baseline)
    verdict = comparison.verdict(baseline)
    lines = {"lead": verdict.sentence, "lines": verdict.beside}
    return html.page("notebook.html", **lines, table=ranked)


def _context(comparison: Comparison, baseline: str) -> dict[str, Any]:
    verdict = comparison.verdict(baseline)
    return {
        "info": comparison.info,
        "made_of": comparison.info["model"],
        "strategy": verdict.strategy,
        "decision": verdict.decision,
        "lead": verdict.sentence,
        "headline": headline(comparison, baseline, verdict),
        "remarks": remarks(verdict),
        "totals": next(iter(comparison.runs.values())).totals,
        "delay": comparison.info.get("label_delay_seconds") or {},
        "usual_prices": _usual(comparison.info["prices"]),
        "recorded": [n for n, run in comparison.runs.items() if trigger_type(run) == "Recorded"],
        "span": comparison.span,
        "setup": setup(comparison),
        "code": code(comparison),
    }


# --- sections -------------------------------------------------------------------------------------


def _ranking(comparison: Comparison, baseline: str) -> Section:
    table, alone = partial(comparison.table, baseline), len(comparison.runs) == 1
    shows = tables.ranked(comparison, baseline)
    exhibit = Exhibit("strategies", "Strategies by total cost", shows, data=table)
    title = "What it cost" if alone else "Every strategy, the cheapest first"
    return Section(title, [exhibit], note="" if alone else _intervals(comparison, baseline))


def _intervals(comparison: Comparison, baseline: str) -> str:
    """What the intervals rest on, in words."""
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


def _trade(comparison: Comparison, baseline: str) -> Section | None:
    exhibit = figures.tradeoff(comparison, baseline)
    return Section(exhibit.title, [exhibit]) if exhibit else None


def _how_often(comparison: Comparison, baseline: str) -> Section | None:
    schedules = comparison.schedules
    if schedules is None:
        return None
    exhibit = figures.intervals(comparison, baseline)
    return Section("How often", [exhibit] if exhibit else [], finding=schedules.sentence())


def _over_time(comparison: Comparison, baseline: str) -> Section | None:
    exhibit = timeline.over_time(comparison, baseline, figures.cast(comparison, baseline))
    return Section(exhibit.title, [exhibit]) if exhibit else None


def _luck(comparison: Comparison, baseline: str) -> Section | None:
    note, shows = sections.luck_note(comparison), sections.luck(comparison, baseline)
    if not note:
        return None
    exhibits = [Exhibit("luck", "Regret and placebo", shows)] if shows else []
    return Section("Against hindsight and luck", exhibits, note=note)


def _eras(comparison: Comparison, baseline: str) -> Section | None:
    eras, verdict = Eras.of(comparison, baseline), comparison.verdict(baseline)
    if not eras.saved.any():
        return None
    data = partial(tables.era_costs, eras)
    exhibit = Exhibit("eras", "Cost by era", tables.by_era(comparison, baseline), data=data)
    judged = not math.isnan(verdict.saves)
    finding = eras.sentence(verdict.strategy, verdict.baseline) if judged else ""
    return Section("Era by era", [exhibit], finding)


def _groups(comparison: Comparison, baseline: str) -> Section | None:
    shows = sections.by_group(comparison, baseline)
    if shows is None:
        return None
    note = (
        "Mean loss a row. The worst group is that of the largest mean loss among those with at "
        f"least {sections.LEAST_ROWS} scored rows; the {sections.SHOWN_GROUPS} groups with "
        "the most rows have a column each. The worst of many groups is partly the unluckiest, the "
        "more so the fewer rows it has."
    )
    exhibit = Exhibit("groups", "Mean loss by group", shows)
    return Section("Group by group", [exhibit], note=note)


def _triggers(comparison: Comparison, baseline: str) -> Section | None:
    shows = sections.triggers(comparison, baseline)
    if not shows.says:
        return None
    note = (
        "An alarm that stays on counts once. A share of evenly spaced or random retrains that cost "
        "at least as much tells whether the moments were good, not whether so many were: half is "
        "luck."
    )
    exhibit = Exhibit("triggers", "What the triggers did", shows)
    return Section("What the triggers did", [exhibit], note=note)


def _happened(comparison: Comparison, baseline: str) -> Section | None:
    shows, lines = sections.happened(comparison, baseline), sections.failures(comparison.runs)
    if not shows.says and not lines:
        return None
    exhibit = Exhibit("happened", "Counts of what happened", shows)
    return Section("What happened", [exhibit], lines=lines)


#: The sections of the report: each from comparison and baseline, None where it has nothing to show.
SECTIONS: tuple[Callable[[Comparison, str], Section | None], ...] = (
    *(_ranking, _trade, _how_often, price_map.section, _over_time, faulty.section),
    *(_luck, _eras, _groups, _triggers, _happened),
)


# --- words ----------------------------------------------------------------------------------------


def headline(
    comparison: Comparison, baseline: str, verdict: Recommendation
) -> list[tuple[str, str, str]]:
    """Label, value and remark of the numbers that stand below the verdict."""
    table = comparison.table(baseline)
    money = Money.fit(table["total"], currency(comparison.info))
    winner = comparison.runs[verdict.strategy].totals
    total = float(winner["total"])
    facts = [
        ("total cost", money(total), _per_year(total, comparison, money)),
        ("retrains", number(winner["retrains"]), f"in {duration(comparison.span)}"),
    ]
    if math.isnan(verdict.saves):  # held against nothing
        return facts
    low, high = number(verdict.low, money.decimals), money(verdict.high)
    interval = "no interval" if math.isnan(verdict.low) else f"95 % interval {low} to {high}"
    saves = (f"expected to save against {baseline}", money(verdict.saves), verdict.confidence)
    against = baseline
    if verdict.strategy == baseline:
        against = verdict.runner_up or baseline
        saves = (f"expected to cost more: {against}", money(verdict.behind), "")
    saved = float(comparison.runs[against].totals["total"]) - total
    return [
        saves,
        (f"saved on this path against {against}", money(saved), interval),
        *facts,
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


def setup(comparison: Comparison) -> list[tuple[str, str]]:
    """Data, model, prices, delays and environment of the replay."""
    info = comparison.info
    faults = (f"{f['name']} ({f['start']} to {f['stop']})" for f in info.get("faults") or [])
    return html.setup(info, {
        "faults put into it": ", ".join(faults) or "none",
        "served": f"{info['start']} to {info['end']}, tick {info['tick']}",
        "prices": _differing(comparison, "prices"),
        "delays": _differing(comparison, "delays"),
    })  # fmt: skip


def code(comparison: Comparison) -> list[tuple[str, str]]:
    """Every strategy as the expression that builds it."""
    return [(name, str(run.info.get("strategy"))) for name, run in comparison.runs.items()]


def _usual(prices: Mapping[str, Any]) -> bool:
    """Whether these are the prices of `Prices` or of the command line where nobody sets any."""
    set_ones = {key: value for key, value in prices.items() if value}
    return set_ones in ({"retrain": 1.0, "error": 1.0}, {"retrain": 10.0, "error": 1.0})


def _differing(comparison: Comparison, key: str) -> str:
    """Settings in one line; by strategy where they differ."""
    names: dict[str, list[str]] = {}
    for name, run in comparison.runs.items():
        names.setdefault(html.flat(run.info.get(key) or {}), []).append(name)
    if len(names) == 1:
        return next(iter(names))
    return "; ".join(f"{listing(of)}: {text}" for text, of in names.items())


def _per_year(amount: float, comparison: Comparison, money: Money) -> str:
    years = comparison.span / pd.Timedelta(days=365.25)
    return f"{money(amount / years)} a year" if years >= 1 else f"in {duration(comparison.span)}"
