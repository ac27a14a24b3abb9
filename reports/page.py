"""The report of a comparison as one self-contained file, and the short form for a notebook."""

from __future__ import annotations

import math
from collections.abc import Mapping
from typing import Any

from backtrain.reports import (
    facts,
    faulty,
    figures,
    groups,
    happened,
    html,
    luck,
    tables,
    triggers,
)
from backtrain.reports.comparison import Comparison
from backtrain.reports.eras import Eras
from backtrain.reports.verdict import Recommendation


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
    lines = {"lead": verdict.sentence, "lines": verdict.beside}
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
        "headline": facts.headline(comparison, baseline, verdict),
        "remarks": facts.remarks(verdict),
        "ranked": tables.ranked(comparison, baseline),
        "luck": luck.table(comparison, baseline),
        "luck_note": luck.note(comparison),
        "block_note": facts.block_note(comparison, baseline),
        "tradeoff": pictures["cost-against-loss"],
        "schedule_sentence": schedules.sentence() if schedules else "",
        "intervals": pictures.get("cost-against-interval"),
        "timeline": pictures["time-line"],
        "faults": faulty.sections(comparison, baseline),
        "eras": tables.by_era(comparison, baseline),
        "era_sentence": _steadiness(comparison, verdict),
        "groups": groups.by_group(comparison, baseline),
        "groups_note": groups.NOTE,
        "audited": triggers.table(comparison, baseline),
        "audit_note": triggers.NOTE,
        "happened": happened.counts_table(comparison, baseline),
        "failures": happened.failures(comparison.runs),
        "caveats": facts.caveats(comparison),
        "setup": facts.setup(comparison),
        "code": facts.code(comparison),
    }


def _steadiness(comparison: Comparison, verdict: Recommendation) -> str:
    """How steadily the winner won; nothing where it was held against nothing."""
    if math.isnan(verdict.saves):
        return ""
    return Eras.of(comparison, verdict.baseline).sentence(verdict.strategy, verdict.baseline)
