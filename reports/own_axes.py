"""A figure of a report on the axes of a user: in the style that is set, not in that of a page."""

from __future__ import annotations

from collections.abc import Mapping
from textwrap import fill
from typing import Any, Literal, cast

import matplotlib as mpl
import numpy as np
from matplotlib import pyplot
from matplotlib.axes import Axes
from matplotlib.colors import to_hex, to_rgb, to_rgba
from matplotlib.figure import Figure
from matplotlib.text import Text

from backtrain.reports.exhibit import Exhibit
from backtrain.reports.svg import WIDE, Paper
from backtrain.reports.tables import Sheet

#: Which colour of the style's cycle a role has: in matplotlib's own that of a page, nearly.
_CYCLE = {"winner": 0, "baseline": 1, "runner": 2, "bad": 3, "drift": 4}
#: How much of the letters' colour is in lines and letters that stand back.
_STRENGTH = {"ink": 1.0, "soft": 0.68, "faint": 0.34, "rule": 0.16, "paper": 0.0}
#: Inches from which names beside each other have room, and those of a title.
_WIDE, _TITLE = 5.5, 0.6


class OnAxes(Paper):
    """The axes of a user as paper; without any, a new figure as large as one of a report.

    Fonts, colours, grid and lines are those of matplotlib's style when it is drawn. A figure of
    several plots shares the place of the axes among them; the axes given are the first.
    """

    captioned = False

    def __init__(self, axes: Axes | None = None) -> None:
        self.axes, self._size = axes, tuple(mpl.rcParams["figure.figsize"])
        usual = self._size == tuple(mpl.rcParamsDefault["figure.figsize"])
        self._height = None if usual else self._size[1]
        width = WIDE.width if usual else self._size[0]
        inside = 0.8 * width
        if axes is not None:
            root = cast(Figure, axes.get_figure(root=True))
            inside = axes.get_window_extent().width / root.dpi
            width = inside / 0.8
        super().__init__(width, inside >= _WIDE)
        self._colours = colours(axes)

    def __getitem__(self, role: str) -> str:
        return self._colours[role]

    def size(self, points: float) -> float:
        """The size of letters, by that of the style."""
        return points * float(mpl.rcParams["font.size"]) / 10

    def several(
        self, height: float, rows: int = 1, columns: int = 1, **shared: Any
    ) -> tuple[Figure, list[Axes]]:
        """The user's axes, and others that share their place."""
        axes = self.axes
        if axes is None:
            size = self.width, self._height or height + _TITLE
            axes = self.axes = pyplot.figure(figsize=size, layout="constrained").subplots()
        figure = cast(Figure, axes.get_figure())
        if rows * columns == 1:
            return figure, [axes]
        ratios = {key: value for key, value in shared.items() if key.endswith("_ratios")}
        place = axes.get_subplotspec()
        if place is None:
            left, bottom, right, top = axes.get_position().extents
            box = {"left": left, "bottom": bottom, "right": right, "top": top}
            cells: Any = figure.add_gridspec(rows, columns, **box, **ratios)
        else:
            cells = place.subgridspec(rows, columns, **ratios)
        axes.set_subplotspec(cells[0, 0])
        alike = {key: axes for key in ("sharex", "sharey") if shared.get(key)}
        others = (cells[divmod(k, columns)] for k in range(1, rows * columns))
        plots = [axes, *(figure.add_subplot(cell, **alike) for cell in others)]
        for one in plots if alike else ():
            one.label_outer()
        return figure, plots

    def calm(self, axes: Axes, x: str = "", y: str = "") -> None:
        """Name the axes; the rest is the style's."""
        axes.set_xlabel(x)
        axes.set_ylabel(y)

    def rules(self, axes: Axes, axis: Literal["x", "y"], width: float = 0.7) -> None:
        """The style says whether there are any."""

    def no_floor(self, axes: Axes) -> None:
        """The style says which lines surround a plot."""

    def legend_above(self, axes: Axes, columns: int) -> None:
        """Which line is whose, where the plot has room: above it stands a title."""
        axes.legend(loc="best")

    def lay_out(self, figure: Figure) -> None:
        """Where everything lies for now: the layout stays the user's."""
        figure.draw_without_rendering()


def draw(exhibit: Exhibit, axes: Axes | None) -> Axes:
    """The figure of an exhibit on axes, with its title where they have none; returns the axes."""
    assert not isinstance(exhibit.shows, Sheet)  # tables are no figures
    paper = OnAxes(axes)
    exhibit.shows(paper)
    assert paper.axes is not None
    drawn = paper.axes
    if not any(drawn.get_title(where) for where in ("left", "center", "right")):
        letter = drawn.title.get_fontsize()
        drawn.set_title(fill(exhibit.title, max(20, int(0.8 * paper.width * 130 / float(letter)))))
    for text in drawn.findobj(Text):
        text.set_parse_math(False)  # a strategy's name may hold dollar signs
    return drawn


def colours(axes: Axes | None) -> Mapping[str, str]:
    """The colour of each role, by the style that is set and the ground that is drawn on."""
    ink, ground = to_rgb(mpl.rcParams["text.color"]), _ground(axes)
    mixed = {
        role: to_hex(tuple(np.average([ink, ground], axis=0, weights=[share, 1 - share])))
        for role, share in _STRENGTH.items()
    }
    cycle = mpl.rcParams["axes.prop_cycle"].by_key().get("color", ["C0"])
    return {**mixed, **{role: to_hex(cycle[k % len(cycle)]) for role, k in _CYCLE.items()}}


def _ground(axes: Axes | None) -> tuple[float, float, float]:
    """What lies behind a plot."""
    of = mpl.rcParams if axes is None else {
        "axes.facecolor": axes.get_facecolor(),
        "figure.facecolor": cast(Figure, axes.get_figure(root=True)).get_facecolor(),
    }  # fmt: skip
    for place in ("axes.facecolor", "figure.facecolor"):
        red, green, blue, opacity = to_rgba(of[place])
        if opacity:
            return red, green, blue
    return (1.0, 1.0, 1.0) if sum(to_rgb(mpl.rcParams["text.color"])) < 1.5 else (0.0, 0.0, 0.0)
