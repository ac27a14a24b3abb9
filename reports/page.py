"""The report of a comparison as one self-contained file, and the short form for a notebook."""

import math
from collections.abc import Callable, Mapping
from functools import partial
from typing import Any

import pandas as pd

from backtrain.reports import (
    advised_earlier,
    alarms,
    by_step,
    cheapest,
    expected,
    faulty,
    figures,
    glossary,
    group_money,
    guessed,
    html,
    price_map,
    quantiles,
    sections,
    stability,
    story,
    tables,
    timeline,
    understood,
    worst,
)
from backtrain.reports.advice import tile
from backtrain.reports.archive import folder_names
from backtrain.reports.charged import loss_in_words
from backtrain.reports.comparison import Comparison
from backtrain.reports.eras import Eras
from backtrain.reports.exhibit import Exhibit, Section
from backtrain.reports.kept import NOT_KEPT
from backtrain.reports.model_name import model_name
from backtrain.reports.numbers import Money, count, duration, listing, number, shorten
from backtrain.reports.units import currency
from backtrain.reports.verdict import Recommendation, rests_on_path, trigger_type


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
    lines = {"lead": verdict.sentence, "lines": [*verdict.beside, verdict.evidence]}
    return html.page("notebook.html", **lines, table=ranked)


def _context(comparison: Comparison, baseline: str) -> dict[str, Any]:
    verdict = comparison.verdict(baseline)
    return {
        "info": comparison.info,
        "made_of": model_name(comparison.info["model"]),
        "strategy": verdict.strategy,
        "decision": verdict.decision,
        "lead": verdict.advice,
        "headline": headline(comparison, baseline, verdict),
        "remarks": [*remarks(comparison, verdict), *understood.warnings(comparison.info)],
        "evidence": verdict.evidence,
        "words": glossary.words(comparison),
        "totals": next(iter(comparison.runs.values())).totals,
        "delay": comparison.info.get("label_delay_seconds") or {},
        "usual_prices": guessed.usual(comparison.info["prices"]),
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
    notes = cheapest.why_not(comparison, baseline)
    if not alone:
        notes += [_expected(shows, comparison), _intervals(comparison, baseline)]
    return Section(title, [exhibit], note=" ".join(filter(None, notes)))


def _expected(shows: tables.Sheet, comparison: Comparison) -> str:
    """What the column of that name is, of each kind of strategy; nothing where it is not shown."""
    if all(column.label != "expected" for column in shows.columns):
        return ""
    return f"Expected: {expected.in_a_sentence(comparison)}."


def _intervals(comparison: Comparison, baseline: str) -> str:
    """What the intervals rest on, in words."""
    block, grid = comparison.contrast(baseline).block, comparison.costs.grid
    if block is None:
        return (
            "No intervals: the history holds fewer than seven blocks of the length that the label "
            "delay, the season and the usual gap between retrains ask for."
        )
    left_out = tables.without_interval(comparison, baseline)
    none = f"{left_out[0].upper()}{left_out[1:]}." if left_out else ""
    return (
        "Intervals hold for all strategies at once, at 95 %. They rest on "
        f"{count(grid.count, 'period')} of {duration(grid.length)}, on how alike neighbouring ones "
        f"are, and on blocks of at most {duration(grid.length * block)}, as long as the label "
        "delay, the season and the usual gap between retrains of the two strategies ask for. "
        f"{none or 'A strategy that leaves fewer than seven such blocks has none.'}"
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
    if not all(run.has_predictions for run in comparison.runs.values()):
        return Section("Over time", intro=NOT_KEPT)
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
    return Section("Era by era", [exhibit], finding, note=eras.dates())


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
    money = group_money.exhibit(comparison, baseline)
    exhibits = [Exhibit("groups", "Mean loss by group", shows), *([money] if money else [])]
    columns = sections.columns_of(comparison.runs[baseline])
    for column, key in folder_names(columns).items():
        shows = sections.by_group(comparison, baseline, column)
        money = group_money.exhibit(comparison, baseline, column, f"column-{key}")
        if shows is not None:
            title = f"Mean loss by {shorten(column)}"
            exhibits += [Exhibit(f"column-{key}", title, shows), *([money] if money else [])]
    return Section("Group by group", exhibits, note=note)


def _happened(comparison: Comparison, baseline: str) -> Section | None:
    shows, lines = sections.happened(comparison, baseline), sections.refusals(comparison.runs)
    if not shows.says and not lines:
        return None
    exhibit = Exhibit("happened", "What happened", shows)
    note = "An alarm that stays on counts once."
    return Section("What happened", [exhibit], note=note, lines=lines)


#: The sections of the report: each from comparison and baseline, None where it has nothing to show.
SECTIONS: tuple[Callable[[Comparison, str], Section | None], ...] = (
    *(story.why, story.changes, _how_often, price_map.section, advised_earlier.section),
    *(_ranking, _trade, stability.section, _over_time, _eras, worst.section),
    *(quantiles.section, _groups, by_step.section),
    *(_luck, alarms.section, faulty.section, _happened, understood.section),
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
    against = baseline
    if verdict.strategy == baseline:
        against = verdict.runner_up or baseline
    saved = float(comparison.runs[against].totals["total"]) - total
    return [
        _saves(comparison, verdict, against, money),
        (f"saved on this path against {against}", money(saved), interval),
        *facts,
    ]


def _saves(
    comparison: Comparison, verdict: Recommendation, against: str, money: Money
) -> tuple[str, str, str]:
    """The amount of the verdict's sentence, and over which time it is."""

    said = partial(tile, comparison.info, money)
    if verdict.strategy != verdict.baseline:
        if verdict.saves < 0:
            return said(f"expected to cost more than {against}", -verdict.saves)
        sure: str = verdict.confidence
        if sure and rests_on_path(comparison.runs[verdict.strategy]):
            sure += ", by this path alone"
        return said(f"expected to save against {against}", verdict.saves, sure)
    if verdict.behind < 0:
        little = "too little to change for"
        return said(f"expected to cost less: {against}", -verdict.behind, little)
    return said(f"expected to cost more: {against}", verdict.behind)


def remarks(comparison: Comparison, verdict: Recommendation) -> list[str]:
    """What must be said right beside the verdict."""
    left_out = verdict.failing and not math.isnan(verdict.saves)
    lines = [f"Not judged, as a tenth or more of the trainings failed: {listing(verdict.failing)}."]
    told = [remark for remark in verdict.remarks if remark not in verdict.advice]
    guess = guessed.sentence(comparison.info)
    return [*([guess] if guess else []), *(lines if left_out else []), *told]


def setup(comparison: Comparison) -> list[tuple[str, str]]:
    """Data, model, prices, delays and environment of the replay."""
    info = comparison.info
    start, end = (html.moment(info, info[key]) for key in ("start", "end"))
    faults = (
        f"{f['name']} ({html.moment(info, f['start'])} to {html.moment(info, f['stop'])})"
        for f in info.get("faults") or []
    )
    return html.setup(info, {
        "faults put into it": ", ".join(faults) or "none",
        "served": f"{start} to {end}, tick {info['tick']}",
        "loss": _differing(comparison, loss_in_words),
        "prices": _differing(comparison, html.prices),
        "delays": _differing(comparison, lambda info: html.flat(info.get("delays") or {})),
    })  # fmt: skip


def code(comparison: Comparison) -> list[tuple[str, str]]:
    """Every strategy as the expression that builds it."""
    return [(name, str(run.info.get("strategy"))) for name, run in comparison.runs.items()]


def _differing(comparison: Comparison, say: Callable[[Mapping[str, Any]], str]) -> str:
    """Settings in one line; by strategy where they differ."""
    names: dict[str, list[str]] = {}
    for name, run in comparison.runs.items():
        names.setdefault(say(run.info), []).append(name)
    if len(names) == 1:
        return next(iter(names))
    return "; ".join(f"{listing(of)}: {text}" for text, of in names.items())


def _per_year(amount: float, comparison: Comparison, money: Money) -> str:
    years = comparison.span / pd.Timedelta(days=365.25)
    return f"{money(amount / years)} a year" if years >= 1 else f"in {duration(comparison.span)}"
