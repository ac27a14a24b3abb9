"""Matplotlib figures as inline SVG in the page's colours, and as PNG; both byte-stable."""

import html
import io
import re
from collections.abc import Iterator, Mapping
from contextlib import contextmanager
from dataclasses import dataclass, field
from typing import Any, ClassVar, Literal

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
    "axes.formatter.limits": (-9, 15),  # no "1e6" beside an axis, nor a number to be added
    "axes.formatter.useoffset": False,
    "text.parse_math": False,  # a strategy's name may hold a dollar sign
}


@dataclass(frozen=True)
class Paper:
    """What a figure is drawn on: the column of a page, or the screen of a phone.

    `reports.own_axes` has another, the axes of a user: what is asked here decides how a figure
    looks, so that a drawing is one function for pages and for notebooks.

    Attributes
    ----------
    width : float
        Inches; a letter of 9 points is as large on a phone as it is on a page.
    wide : bool
        Whether there is room for plots beside each other and for long names.
    """

    width: float
    wide: bool
    #: Whether a caption stands below the figure, which says what numbers in it are.
    captioned: ClassVar[bool] = True

    def blank(self, height: float) -> Figure:
        """An empty figure so many inches high; it belongs to no global list of figures."""
        size = (self.width, height)
        return Figure(figsize=size, facecolor=COLOURS["paper"], layout="constrained")

    def several(
        self, height: float, rows: int = 1, columns: int = 1, **shared: Any
    ) -> tuple[Figure, list[Axes]]:
        """A figure, and the plots in it by row; ``shared`` is for matplotlib's ``subplots``."""
        figure = self.blank(height)
        return figure, figure.subplots(rows, columns, squeeze=False, **shared).ravel().tolist()

    def panel(self, height: float, x: str = "", y: str = "") -> tuple[Figure, Axes]:
        """A figure, and the one plot in it."""
        figure, (axes,) = self.several(height)
        self.calm(axes, x, y)
        return figure, axes

    def pair(self, height: float) -> tuple[Figure, list[Axes]]:
        """A figure with two plots: beside each other, or where it is narrow one below the other."""
        return self.several(height, 1, 2) if self.wide else self.several(1.8 * height, 2, 1)

    def __getitem__(self, role: str) -> str:
        """The colour of one of the roles in `COLOURS`."""
        return COLOURS[role]

    def size(self, points: float) -> float:
        """The size of letters, where those of a page have 10 points."""
        return points

    def calm(self, axes: Axes, x: str = "", y: str = "") -> None:
        """Name the axes, and leave only what is read."""
        calm(axes, x, y)

    def rules(self, axes: Axes, axis: Literal["x", "y"], width: float = 0.7) -> None:
        """Faint lines that lead the eye."""
        axes.grid(axis=axis, color=RULE, linewidth=width)

    def no_floor(self, axes: Axes) -> None:
        """No line below what has another plot there, or no scale."""
        axes.spines["bottom"].set_visible(False)

    def legend_above(self, axes: Axes, columns: int) -> None:
        """Which line is whose, above the plot."""
        axes.legend(
            loc="lower left", bbox_to_anchor=(0, 1.0), ncols=columns, frameon=False, fontsize=8.5,
            labelcolor=INK, borderaxespad=0.2, handlelength=1.4,
        )  # fmt: skip

    def lay_out(self, figure: Figure) -> None:
        """Settle where everything lies, so that it can be measured."""
        figure.draw_without_rendering()
        settle(figure)


WIDE, NARROW = Paper(9.2, True), Paper(4.5, False)


@dataclass(frozen=True, eq=False)
class Drawing:
    """A figure, how to read it, and by the gid of its artists what they show.

    ``titles`` are shown on hover; ``names`` are the strategies that lines, points and labels are
    of: a page can switch them off.
    """

    caption: str
    figure: Figure
    titles: Mapping[str, str] = field(default_factory=dict)
    names: Mapping[str, str] = field(default_factory=dict)

    def svg(self, prefix: str, alt: str = "") -> str:
        """An ``<svg>`` element in literal colours, whose ids begin with the prefix."""
        with plain_text(**{"svg.hashsalt": prefix}):
            buffer = io.StringIO()
            nothing = {"Date": None, "Creator": None, "Format": None, "Type": None}
            self.figure.savefig(buffer, format="svg", transparent=True, metadata=nothing)
        settle(self.figure)
        text = buffer.getvalue()
        text = text[text.index("<svg") :]
        text = re.sub(r"<metadata>.*?</metadata>", "", text, flags=re.DOTALL)
        label = html.escape(alt or self.caption, quote=True)
        text = text.replace("<svg", f'<svg role="img" aria-label="{label}"', 1)
        return self._told(_own_ids(text, prefix), prefix)

    def png(self) -> bytes:
        """A picture for slides, on light paper."""
        buffer = io.BytesIO()
        with plain_text():
            self.figure.savefig(buffer, format="png", dpi=160, metadata={"Software": None})
        settle(self.figure)
        return buffer.getvalue()

    def _told(self, text: str, prefix: str) -> str:
        """What the artists show, as text of their groups."""

        def group(match: re.Match[str]) -> str:
            gid = match[1]
            name, title = self.names.get(gid), self.titles.get(gid)
            of = "" if name is None else f' data-name="{html.escape(name, quote=True)}"'
            inside = "" if title is None else f"<title>{html.escape(title)}</title>"
            return f'<g id="{prefix}-{gid}"{of}>{inside}'

        return re.sub(rf'<g id="{re.escape(prefix)}-([^"]+)">', group, text)


def inline(text: str) -> str:
    """An SVG element as it stands in a page: as wide as its place, in the page's own colours."""
    text = re.sub(r'(<svg[^>]*?) (?:width|height)="[^"]*"', r"\1", text, count=1)
    text = re.sub(r'(<svg[^>]*?) (?:width|height)="[^"]*"', r"\1", text, count=1)
    for role, value in COLOURS.items():
        text = text.replace(f": {value}", f": var(--{role})")
    return text


def alone(text: str) -> bytes:
    """An SVG element as a file of its own, on light paper."""
    paper = f'<svg style="background: {COLOURS["paper"]}"'
    return f'<?xml version="1.0" encoding="utf-8"?>\n{text.replace("<svg", paper, 1)}'.encode()


def settle(figure: Figure) -> None:
    """Keep the layout as it was drawn last: to lay a figure out costs as much as to draw it."""
    figure.set_layout_engine("none")


@contextmanager
def plain_text(**more: Any) -> Iterator[None]:
    """While drawing: the style and font that come with matplotlib, and no formulas in names.

    A page looks alike whatever style is set for other drawings.
    """
    with mpl.rc_context():
        mpl.rcdefaults()
        settings: Any = {**_SETTINGS, **more}
        mpl.rcParams.update(settings)
        yield


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
