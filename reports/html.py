"""The report as one self-contained file, and the short form for a notebook."""

from __future__ import annotations

import math
from collections.abc import Callable, Mapping
from dataclasses import dataclass
from typing import TYPE_CHECKING, Any

from jinja2 import Environment, PackageLoader, StrictUndefined
from markupsafe import Markup

from backtrain.reports import audit, facts, faulty, figures, groups, happened, hindsight, tables
from backtrain.reports.eras import Eras
from backtrain.reports.svg import Drawing, plain_text
from backtrain.reports.verdict import Verdict
from backtrain.simulator.manifest import warn
from backtrain.simulator.texts import printable

if TYPE_CHECKING:
    from backtrain.reports.comparison import Comparison

_PAGES = Environment(
    loader=PackageLoader("backtrain.reports", package_path=""),
    autoescape=True,
    undefined=StrictUndefined,
    trim_blocks=True,
    lstrip_blocks=True,
)


@dataclass(frozen=True)
class Picture:
    """A drawing as it stands in a page, and as a file; empty where it could not be drawn."""

    svg: Markup
    caption: str
    png: bytes = b""


def page(template: str, **content: Any) -> str:
    """A page from its template, with every string escaped."""
    return printable(_PAGES.get_template(template).render(content))


def render(
    comparison: Comparison, baseline: str, pictures: Mapping[str, Picture] | None = None
) -> str:
    """The whole report as HTML: no request leaves the page, and it reads without script."""
    pictures = draw(figures.makers(comparison, baseline)) if pictures is None else pictures
    return page("page.html", **_context(comparison, baseline, pictures))


def notebook(comparison: Comparison, baseline: str) -> str:
    """The verdict and the ranked table, to stand below a notebook's cell."""
    ranked = tables.ranked(comparison, baseline)
    return page("notebook.html", verdict=comparison.verdict(baseline), ranked=ranked)


def draw(makers: Mapping[str, Callable[[], Drawing]], files: bool = False) -> dict[str, Picture]:
    """Draw what can be drawn; what fails is told in its place, and in a warning.

    ``files`` asks for the pictures as PNG, too.
    """
    pictures = {}
    for name, make in makers.items():
        try:
            with plain_text():
                drawing = make()
            # Our own drawing, in which every name is escaped already; the caption is not markup.
            svg, png = Markup(drawing.svg()), drawing.png() if files else b""
            pictures[name] = Picture(svg, drawing.caption, png)
        except Exception as error:
            why = " ".join(f"{type(error).__name__}: {error}".split())
            warn(f"the figure {name} could not be drawn: {why}")
            pictures[name] = Picture(Markup(""), f"This figure could not be drawn: {why}")
    return pictures


def as_files(pictures: Mapping[str, Picture]) -> dict[str, bytes]:
    """The pictures that could be drawn, by the names of their files."""
    return {f"{name}.png": picture.png for name, picture in pictures.items() if picture.png}


def _context(
    comparison: Comparison, baseline: str, pictures: Mapping[str, Picture]
) -> dict[str, Any]:
    verdict = comparison.verdict(baseline)
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
        "luck_note": hindsight.note(comparison),
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
