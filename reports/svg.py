"""Matplotlib figures as inline SVG in the page's colours, and as PNG; both byte-stable."""

import html
import io
import re
from collections.abc import Iterator, Mapping
from contextlib import contextmanager
from dataclasses import dataclass, field
from typing import Any

import matplotlib as mpl
from matplotlib.axes import Axes
from matplotlib.figure import Figure
from matplotlib.text import Annotation

#: Role of a colour -> its value on light paper. Inline, each becomes the CSS variable of its role,
#: so that one drawing is legible in light, in dark and in print.
COLOURS = {
    "paper": "#fdfdfb",
    "ink": "#21262c",
    "soft": "#666d75",
    "rule": "#dededa",
    "faint": "#b5b9bd",
    "winner": "#2060c0",
    "baseline": "#b3541e",
    "runner": "#1d7f69",
    "drift": "#8a4fb1",
    "bad": "#c02f3d",
}
INK, SOFT, RULE, FAINT = (COLOURS[role] for role in ("ink", "soft", "rule", "faint"))

_SETTINGS: dict[Any, Any] = {
    "svg.fonttype": "none",
    "font.family": "DejaVu Sans",  # comes with matplotlib: the same layout on every machine
    "path.simplify": True,
    "text.parse_math": False,  # a strategy's name may hold a dollar sign
}


@dataclass(frozen=True, eq=False)
class Drawing:
    """A figure with what it shows in words, and the hover text of its artists by their gid."""

    name: str
    caption: str
    figure: Figure
    titles: dict[str, str] = field(default_factory=dict)

    def svg(self) -> str:
        """An ``<svg>`` element to stand in a page."""
        with mpl.rc_context({**_SETTINGS, "svg.hashsalt": self.name}):
            buffer = io.StringIO()
            nothing = {"Date": None, "Creator": None, "Format": None, "Type": None}
            self.figure.savefig(buffer, format="svg", transparent=True, metadata=nothing)
        text = buffer.getvalue()
        text = text[text.index("<svg") :]
        text = re.sub(r"<metadata>.*?</metadata>", "", text, flags=re.DOTALL)
        text = re.sub(r'(<svg[^>]*?) width="[^"]*"', r"\1", text, count=1)
        text = re.sub(r'(<svg[^>]*?) height="[^"]*"', r"\1", text, count=1)
        label = html.escape(self.caption, quote=True)
        text = text.replace("<svg", f'<svg role="img" aria-label="{label}"', 1)
        return _coloured(_titled(_own_ids(text, self.name), self.name, self.titles))

    def png(self) -> bytes:
        """A picture for slides, on light paper."""
        buffer = io.BytesIO()
        with mpl.rc_context(_SETTINGS):
            self.figure.savefig(buffer, format="png", dpi=160, metadata={"Software": None})
        return buffer.getvalue()


@contextmanager
def plain_text() -> Iterator[None]:
    """While drawing: no formulas in names, and the font that comes with matplotlib."""
    with mpl.rc_context(_SETTINGS):
        yield


def blank(width: float, height: float) -> Figure:
    """An empty figure on the page's paper, in inches; it belongs to no global list of figures."""
    return Figure(figsize=(width, height), facecolor=COLOURS["paper"], layout="constrained")


def panel(width: float, height: float, x: str = "", y: str = "") -> tuple[Figure, Axes]:
    """A figure, and the one plot in it."""
    figure = blank(width, height)
    axes = figure.subplots()
    calm(axes, x, y)
    return figure, axes


def note(
    axes: Axes, text: str, at: tuple[Any, Any], offset: tuple[float, float], **style: Any
) -> Annotation:
    """Write beside a point, so many points of type to the right of it and above."""
    return axes.annotate(text, at, offset, textcoords="offset points", **style)


def calm(axes: Axes, x: str = "", y: str = "") -> None:
    """Leave only what is read: no box, faint rules, small grey numbers."""
    axes.set_facecolor("none")
    for side, spine in axes.spines.items():
        spine.set_visible(side == "bottom")
        spine.set_color(FAINT)
    axes.grid(axis="y", color=RULE, linewidth=0.7)
    axes.set_axisbelow(True)
    axes.tick_params(colors=SOFT, labelsize=8.5, length=0, pad=5)
    axes.set_xlabel(x, color=SOFT, fontsize=9)
    axes.set_ylabel(y, color=SOFT, fontsize=9)


def _own_ids(text: str, prefix: str) -> str:
    """Several drawings stand in one page, where an id may occur once."""
    text = re.sub(r'\bid="([^"]+)"', rf'id="{prefix}-\1"', text)
    text = re.sub(r'href="#([^"]+)"', rf'href="#{prefix}-\1"', text)
    return re.sub(r"url\(#([^)]+)\)", rf"url(#{prefix}-\1)", text)


def _titled(text: str, prefix: str, titles: Mapping[str, str]) -> str:
    for gid, title in titles.items():
        mark = f'<g id="{prefix}-{gid}">'
        text = text.replace(mark, f"{mark}<title>{html.escape(title)}</title>", 1)
    return text


def _coloured(text: str) -> str:
    for role, value in COLOURS.items():
        text = text.replace(f": {value}", f": var(--{role})")
    return text
