"""Names beside the points of a figure, none of which covers another."""

from collections.abc import Sequence
from dataclasses import dataclass
from itertools import pairwise
from typing import Literal

import numpy as np
from matplotlib.axes import Axes
from matplotlib.figure import Figure
from matplotlib.transforms import Bbox

from backtrain.reports.svg import Paper, note

#: So few points or rows have a name each, and need no number to be found in the table by.
FEW = 8
#: Directions tried, nearest first: right, left, above, below, then the diagonals.
DIRECTIONS = ((1, 0), (-1, 0), (0, 1), (0, -1), (1, 0.6), (1, -0.6), (-1, 0.6), (-1, -0.6))
DISTANCES = (10, 18, 28, 40, 54, 70, 90, 115, 140)
#: Pixels of distance that it is worth to stay off a line, off another point with one's own leader,
#: and off other names and points.
LINE, PASSED, COVERED = 3.0, 300.0, 600.0


@dataclass(frozen=True)
class Label:
    """What is written at a point: its position among all, text, colour, and the id in the drawing.

    A number is written only where it covers nothing.
    """

    at: int
    text: str
    colour: str
    gid: str
    number: bool = False


def place(
    figure: Figure, axes: Axes, points: np.ndarray, labels: Sequence[Label], paper: Paper
) -> None:
    """Write every label at the best free place, with a thin line to its point where it is far.

    ``points`` are those of the axes, ``(n, 2)``, labelled or not.
    """
    paper.lay_out(figure)  # before anything is measured
    leader = {"arrowstyle": "-", "color": paper["faint"], "lw": 0.8}
    at, points = points, axes.transData.transform(points)
    room, lines, scale = axes.get_window_extent(), _dots(axes), figure.dpi / 72
    taken = np.column_stack([points - 6 * scale, points + 6 * scale])
    written = np.empty((0, 4))
    for label in labels:
        own, size = points[label.at], 7 if label.number else 9
        style = {
            "va": "center",
            "fontsize": paper.size(size),
            "color": label.colour,
            "arrowprops": leader,
        }
        text = note(axes, label.text, at[label.at], (0, 0), **style)
        box = text.get_window_extent()
        distances = DISTANCES[:1] if label.number else DISTANCES
        candidates = _places(own, box.width, box.height, scale, room, distances)
        around = _Around(np.delete(points, label.at, axis=0), taken, written, lines)
        found, (offset, side, box) = min(
            ((around.badness(own, one), one) for one in candidates), key=lambda pair: pair[0]
        )
        if label.number and found >= PASSED:
            text.remove()
            continue
        text.set_position((offset[0] / scale, offset[1] / scale))
        text.set_horizontalalignment(side)
        text.set_gid(label.gid)
        if np.hypot(*offset) < 17 * scale and text.arrow_patch is not None:
            text.arrow_patch.set_visible(False)
        taken = np.vstack([taken, box.extents])
        written = np.vstack([written, box.extents])


Side = Literal["left", "right", "center"]
Place = tuple[tuple[float, float], Side, Bbox]
_SIDES: dict[int, Side] = {1: "left", -1: "right", 0: "center"}


def _places(
    point: np.ndarray,
    width: float,
    height: float,
    scale: float,
    room: Bbox,
    distances: Sequence[float],
) -> list[Place]:
    """Where the name could stand within the axes; straight right of the point at the very least."""
    candidates: list[Place] = []
    for distance in distances:
        for dx, dy in DIRECTIONS:
            shift = width * (1 - dx) / 2
            offset = (dx * distance * scale, dy * (distance + 2) * scale)
            left, bottom = point[0] + offset[0] - shift, point[1] + offset[1] - height / 2
            box = Bbox.from_bounds(left - 3, bottom - 1, width + 6, height + 2)
            if room.x0 <= box.x0 and box.x1 <= room.x1 and room.y0 <= box.y0 and box.y1 <= room.y1:
                candidates.append((offset, _SIDES[int(dx)], box))
    nearest = Bbox.from_bounds(point[0] + 10, point[1] - height / 2, width, height)
    return candidates or [((10 * scale, 0.0), "left", nearest)]


@dataclass(frozen=True, eq=False)
class _Around:
    """What a name could cover: other points, what is taken, the names in it, and lines.

    Points and the dots of lines are ``(n, 2)``; what is taken or written are the extents of boxes,
    ``(n, 4)``.
    """

    points: np.ndarray
    taken: np.ndarray
    written: np.ndarray
    lines: np.ndarray

    def badness(self, point: np.ndarray, place: Place) -> float:
        """How far away the name would be, and what it and its leader would cover."""
        offset, _, box = place
        leader = point + np.linspace(0.0, 1.0, 12)[:, None] * np.array(offset)
        steps = np.hypot(*(self.points[:, None] - leader).T)
        passed = (steps.min(axis=0) < 9).sum()
        passed += _inside(leader, self.written).any(axis=0).sum()
        x0, y0, x1, y1 = self.taken.T
        covered = ((x0 < box.x1) & (box.x0 < x1) & (y0 < box.y1) & (box.y0 < y1)).sum()
        crossed = _inside(self.lines, np.array([box.extents])).sum()
        return float(np.hypot(*offset) + LINE * crossed + PASSED * passed + COVERED * covered)


def _inside(dots: np.ndarray, boxes: np.ndarray) -> np.ndarray:
    """Which dots ``(n, 2)`` lie in which boxes ``(m, 4)``, ``(n, m)``."""
    x, y = dots[:, :1], dots[:, 1:]
    x0, y0, x1, y1 = boxes.T
    return np.asarray((x0 <= x) & (x <= x1) & (y0 <= y) & (y <= y1))


_MOST_DOTS = 10_000


def _dots(axes: Axes) -> np.ndarray:
    """All lines of the axes as dots a few pixels apart, ``(n, 2)``."""
    dots = [np.empty((0, 2))]
    for line in axes.get_lines():
        corners = line.get_transform().transform(line.get_xydata())
        for start, stop in pairwise(corners):
            # A steep line may reach far beyond the figure: there no dots are needed.
            n = min(int(np.hypot(*(stop - start)) / 4) + 2, _MOST_DOTS)
            dots.append(start + np.linspace(0.0, 1.0, n)[:, None] * (stop - start))
    return np.concatenate(dots)
