"""The report as one self-contained file, and the short form for a notebook."""

from __future__ import annotations

import math
from pathlib import Path
from typing import TYPE_CHECKING, Any

from jinja2 import Environment, PackageLoader, StrictUndefined
from markupsafe import Markup

from backtrain.reports import audit, facts, faulty, figures, groups, happened, hindsight, tables
from backtrain.reports.eras import Eras
from backtrain.reports.svg import Drawing
from backtrain.reports.verdict import Verdict

if TYPE_CHECKING:
    from backtrain.reports.comparison import Comparison

_PAGES = Environment(
    loader=PackageLoader("backtrain.reports", package_path=""),
    autoescape=True,
    undefined=StrictUndefined,
    trim_blocks=True,
    lstrip_blocks=True,
)


def page(template: str, **content: Any) -> str:
    """A page from its template, with every string escaped."""
    return _PAGES.get_template(template).render(content)


def render(comparison: Comparison, baseline: str) -> str:
    """The whole report as HTML: no request leaves the page, and it reads without script."""
    return page("page.html", **_context(comparison, baseline))


def notebook(comparison: Comparison, baseline: str) -> str:
    """The verdict and the ranked table, to stand below a notebook's cell."""
    template = _PAGES.get_template("notebook.html")
    return template.render(
        verdict=comparison.verdict(baseline), ranked=tables.ranked(comparison, baseline)
    )


def write_figures(comparison: Comparison, baseline: str, directory: Path) -> list[Path]:
    """Every figure as a PNG file."""
    directory.mkdir(parents=True, exist_ok=True)
    return [drawing.png(directory) for drawing in figures.draw(comparison, baseline)]


def _context(comparison: Comparison, baseline: str) -> dict[str, Any]:
    verdict = comparison.verdict(baseline)
    drawings = {drawing.name: drawing for drawing in figures.draw(comparison, baseline)}
    schedules = comparison.schedules
    return {
        "comparison": comparison,
        "info": comparison.info,
        "baseline": baseline,
        "verdict": verdict,
        "headline": facts.headline(comparison, baseline, verdict),
        "remarks": facts.remarks(verdict),
        "ranked": tables.ranked(comparison, baseline),
        "luck": hindsight.luck(comparison, baseline),
        "luck_note": hindsight.note(comparison) if hindsight.any_known(comparison) else "",
        "block_note": facts.block_note(comparison, baseline),
        "tradeoff": inline(drawings["cost-against-loss"]),
        "schedule_sentence": schedules.sentence() if schedules else "",
        "intervals": inline(drawings["cost-against-interval"]) if schedules else None,
        "timeline": inline(drawings["time-line"]),
        "faults": faulty.sections(comparison, baseline),
        "eras": tables.by_era(comparison, baseline),
        "era_sentence": _steadiness(comparison, verdict),
        "groups": groups.by_group(comparison, baseline),
        "groups_note": groups.NOTE,
        "audited": audit.triggers(comparison, baseline),
        "audit_note": audit.NOTE,
        "happened": happened.counts_table(comparison, baseline),
        "failures": happened.failures(comparison.runs),
        "caveats": facts.caveats(comparison),
        "setup": facts.setup(comparison),
        "code": facts.code(comparison),
    }


def _steadiness(comparison: Comparison, verdict: Verdict) -> str:
    """How steadily the winner won; nothing where it was held against nothing."""
    if math.isnan(verdict.saves):
        return ""
    return Eras.of(comparison, verdict.baseline).sentence(verdict.strategy, verdict.baseline)


def inline(drawing: Drawing) -> dict[str, str | Markup]:
    """Our own drawing, in which every name is escaped already; the caption is not markup."""
    return {"svg": Markup(drawing.svg()), "caption": drawing.caption}
