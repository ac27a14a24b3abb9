"""The report of a comparison as one self-contained file, and the short form for a notebook."""

import math
from collections.abc import Mapping
from typing import Any

import pandas as pd

from backtrain.reports import faulty, figures, html, sections, tables
from backtrain.reports.comparison import Comparison
from backtrain.reports.eras import Eras
from backtrain.reports.numbers import Money, duration, listing, number
from backtrain.reports.units import currency
from backtrain.reports.verdict import Recommendation, trigger_type


def render(
    comparison: Comparison, baseline: str, pictures: Mapping[str, html.Picture] | None = None
) -> str:
    """The whole report as HTML: no request leaves the page, and it reads without script."""
    pictures = html.draw(figures.makers(comparison, baseline)) if pictures is None else pictures
    return html.page("page.html", **_context(comparison, baseline, pictures))


def notebook(comparison: Comparison, baseline: str) -> str:
    """The verdict and the ranked table, to stand below a notebook's cell."""
    ranked = tables.ranked(comparison, baseline)
    verdict = comparison.verdict(baseline)
    lines = {"lead": verdict.sentence, "lines": [*verdict.beside, verdict.evidence]}
    return html.page("notebook.html", **lines, table=ranked, first="strategy")


def _context(
    comparison: Comparison, baseline: str, pictures: Mapping[str, html.Picture]
) -> dict[str, Any]:
    verdict = comparison.verdict(baseline)
    schedules = comparison.schedules
    return {
        "info": comparison.info,
        "baseline": baseline,
        "made_of": comparison.info["model"],
        "strategy": verdict.strategy,
        "decision": verdict.decision,
        "lead": verdict.sentence,
        "headline": headline(comparison, baseline, verdict),
        "remarks": remarks(verdict),
        "ranked": tables.ranked(comparison, baseline),
        "luck": sections.luck(comparison, baseline),
        "luck_note": sections.luck_note(comparison),
        "block": comparison.contrast(baseline).block,
        "grid": comparison.costs.grid,
        "tradeoff": pictures["cost-against-loss"],
        "schedule_sentence": schedules.sentence() if schedules else "",
        "intervals": pictures.get("cost-against-interval"),
        "timeline": pictures["time-line"],
        "faults": faulty.sections(comparison, baseline),
        "eras": tables.by_era(comparison, baseline),
        "era_sentence": _steadiness(comparison, verdict),
        "followed": comparison.followed(baseline).sentence,
        "earlier": sections.earlier(comparison, baseline),
        "groups": sections.by_group(comparison, baseline),
        "largest": sections.SHOWN_GROUPS,
        "least_rows": sections.LEAST_ROWS,
        "audited": sections.triggers(comparison, baseline),
        "happened": sections.happened(comparison, baseline),
        "failures": sections.failures(comparison.runs),
        "totals": next(iter(comparison.runs.values())).totals,
        "delay": comparison.info.get("label_delay_seconds") or {},
        "usual_prices": _usual(comparison.info["prices"]),
        "recorded": [n for n, run in comparison.runs.items() if trigger_type(run) == "Recorded"],
        "span": comparison.span,
        "setup": setup(comparison),
        "code": code(comparison),
    }


def _steadiness(comparison: Comparison, verdict: Recommendation) -> str:
    """How steadily the winner won; nothing where it was held against nothing."""
    if math.isnan(verdict.saves):
        return ""
    return Eras.of(comparison, verdict.baseline).sentence(verdict.strategy, verdict.baseline)


def headline(
    comparison: Comparison, baseline: str, verdict: Recommendation
) -> list[tuple[str, str, str]]:
    """Label, value and remark of the numbers that stand below the verdict."""
    table = comparison.table(baseline)
    money = Money.fit(table["total"], currency(comparison.info))
    winner = comparison.runs[verdict.strategy].totals
    total = float(winner["total"])
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
        ("total cost", money(total), _per_year(total, comparison, money)),
        ("retrains", number(winner["retrains"]), f"in {duration(comparison.span)}"),
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
    return [*lines, verdict.evidence]


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
    texts = {name: html.flat(run.info.get(key) or {}) for name, run in comparison.runs.items()}
    if len(set(texts.values())) == 1:
        return next(iter(texts.values()))
    return "; ".join(f"{name}: {text}" for name, text in texts.items())


def _per_year(amount: float, comparison: Comparison, money: Money) -> str:
    years = comparison.span / pd.Timedelta(days=365.25)
    return f"{money(amount / years)} a year" if years >= 1 else f"in {duration(comparison.span)}"
