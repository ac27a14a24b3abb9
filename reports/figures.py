"""The drawings of the report: cost against loss, cost against retrain price, and the time line."""

from collections.abc import Callable, Sequence
from dataclasses import dataclass
from functools import partial
from itertools import pairwise
from typing import Literal

import numpy as np
import pandas as pd
from matplotlib.axes import Axes
from matplotlib.figure import Figure
from matplotlib.ticker import FuncFormatter
from matplotlib.transforms import Bbox

from backtrain.reports import timeline
from backtrain.reports.comparison import Comparison
from backtrain.reports.numbers import Money, number, shorten, significant
from backtrain.reports.schedules import NEVER, FixedIntervals
from backtrain.reports.svg import COLOURS, FAINT, INK, SOFT, Drawing, blank, calm, note, panel
from backtrain.reports.units import currency, in_loss, in_money
from backtrain.simulator import statistics

THOUSANDS = FuncFormatter(
    lambda value, _: number(value, 0 if abs(value) >= 10 or value == 0 else 2)
)


def makers(comparison: Comparison, baseline: str) -> dict[str, Callable[[], Drawing]]:
    """What makes each drawing that the comparison has data for."""
    schedules = comparison.schedules
    drawings: dict[str, Callable[[], Drawing]] = {
        "cost-against-loss": lambda: tradeoff(comparison, baseline)
    }
    if schedules is not None:
        drawings["cost-against-interval"] = lambda: intervals(schedules)
    drawings["time-line"] = lambda: timeline.draw(comparison, baseline, roles(comparison, baseline))
    return drawings


def roles(comparison: Comparison, baseline: str) -> dict[str, str]:
    """The strategies that are coloured: winner, baseline and runner-up; all others stay grey."""
    table = comparison.table(baseline)
    winner = comparison.verdict(baseline).strategy
    chosen = {winner: "winner"}
    chosen.setdefault(baseline, "baseline")
    rest = [name for name in table.index if name not in chosen]
    chosen.update(dict.fromkeys(rest[:1], "runner"))
    return chosen


def tradeoff(comparison: Comparison, baseline: str) -> Drawing:
    """What each strategy spent against the loss that it left."""
    table = comparison.table(baseline)
    spent, loss = (table["total"] - table["error"]).to_numpy(), table["loss"].to_numpy()
    front = statistics.pareto_front(spent, loss)
    info, coloured = comparison.info, roles(comparison, baseline)
    money = Money.fit(table["total"], currency(info))
    spending = in_money("spent on adapting and serving, total without error", info)
    figure, axes = panel(9.2, 4.6, spending, in_loss("mean loss a row", info))
    axes.grid(axis="x", color=COLOURS["rule"], linewidth=0.7)
    axes.xaxis.set_major_formatter(THOUSANDS)
    order = np.argsort(spent[front], kind="stable")
    axes.plot(spent[front][order], loss[front][order], color=FAINT, linewidth=1.2, zorder=1)
    titles = {}
    for i, name in enumerate(table.index):
        colour = COLOURS[coloured.get(name, "soft")]
        fill = colour if front[i] else COLOURS["paper"]
        axes.plot(spent[i], loss[i], "o", ms=7.5, mfc=fill, mec=colour, mew=1.5, gid=f"point-{i}")
        titles[f"point-{i}"] = (
            f"{name}: spent {money(spent[i])}, loss {significant(loss[i])}, "
            f"total {money(table['total'].iloc[i])}"
        )
    axes.margins(0.04, 0.16)
    axes.set_xlim(right=axes.get_xlim()[1] + 0.14 * (spent.max() - spent.min()))
    _equal_cost(axes, table, comparison.verdict(baseline).strategy)
    colours = [COLOURS[coloured.get(name, "ink")] for name in table.index]
    place_labels(figure, axes, spent, loss, [str(name) for name in table.index], colours)
    caption = (
        "Money spent against mean loss. Filled points and the grey line are the Pareto front: "
        "nothing is both cheaper and better. On the dashed line the total is that of the cheapest."
    )
    return Drawing("cost-against-loss", caption, figure, titles)


def _equal_cost(axes: Axes, table: pd.DataFrame, winner: str) -> None:
    """Where spending and loss add up to the winner's total: everything below would be cheaper."""
    row = table.loc[winner]
    if not row["error"] or not row["loss"]:
        return
    price = row["error"] / row["loss"]
    xs, (bottom, top) = np.array(axes.get_xlim()), axes.get_ylim()
    axes.plot(xs, (row["total"] - xs) / price, color=SOFT, linewidth=1, linestyle=(0, (4, 4)))
    axes.set_xlim(*xs)
    axes.set_ylim(bottom, top)


def intervals(schedules: FixedIntervals) -> Drawing:
    """Cost by interval at the price of the replay, and the cheapest interval by price."""
    figure = blank(9.2, 3.7)
    left, right = figure.subplots(1, 2, width_ratios=(1, 1.15))
    titles = _by_interval(left, schedules)
    titles |= _by_price(right, schedules)
    caption = (
        "Left: total cost by interval, at the retrain price of the replay. Right: total cost as "
        "that price changes; the bold line is the cheapest, the dotted one the price of the replay."
    )
    return Drawing("cost-against-interval", caption, figure, titles)


def _by_interval(axes: Axes, schedules: FixedIntervals) -> dict[str, str]:
    total = schedules.cost(np.array([schedules.price]))[0]
    n, best = schedules.intervals, schedules.cheapest
    calm(axes, "interval between retrains", schedules.in_money("total cost"))
    axes.yaxis.set_major_formatter(THOUSANDS)
    positions = np.arange(len(total))
    axes.plot(positions[:n], total[:n], color=FAINT, linewidth=1.4, zorder=1)
    titles = {}
    for i, label in enumerate(schedules.labels):
        colour = COLOURS["winner"] if i == best else SOFT
        axes.plot(positions[i], total[i], "o", ms=7, color=colour, gid=f"interval-{i}")
        titles[f"interval-{i}"] = f"{label}: {number(total[i], 2)}"
    axes.set_xticks(positions, schedules.labels)
    axes.margins(0.08, 0.15)
    return titles


def _by_price(axes: Axes, schedules: FixedIntervals) -> dict[str, str]:
    calm(axes, schedules.in_money("price of one retrain"), "")
    prices = _price_axis(schedules)
    cost = schedules.cost(prices)
    titles = {}
    for i, label in enumerate(schedules.labels):
        axes.plot(prices, cost[:, i], color=FAINT, linewidth=1, gid=f"line-{i}")
        titles[f"line-{i}"] = _range_text(label, schedules.ranges[i])
    lowest = cost.min(axis=1)
    axes.plot(prices, lowest, color=INK, linewidth=2)
    axes.set_xscale("log")
    axes.xaxis.set_major_formatter(FuncFormatter(lambda value, _: f"{value:,g}"))
    axes.minorticks_off()
    axes.yaxis.set_major_formatter(THOUSANDS)
    top = float(lowest.max())
    gap = top - float(lowest.min()) or 1.0
    axes.set_ylim(float(lowest.min()) - 0.25 * gap, top + 0.35 * gap)
    axes.set_xlim(prices[0], prices[-1])
    if schedules.price > 0:
        axes.axvline(schedules.price, color=SOFT, linewidth=1, linestyle=":")
    _name_stretches(axes, schedules, prices, lowest)
    return titles


def _price_axis(schedules: FixedIntervals) -> np.ndarray:
    """Prices that show every change of the cheapest, and that of the replay, with room beside."""
    marks = schedules.ranges[np.isfinite(schedules.ranges) & (schedules.ranges > 0)]
    marks = np.append(marks, schedules.price if schedules.price > 0 else [])
    low, high = (marks.min(), marks.max()) if len(marks) else (1.0, 1.0)
    return np.geomspace(low / 4, high * 4, 200)


def _name_stretches(
    axes: Axes, schedules: FixedIntervals, prices: np.ndarray, lowest: np.ndarray
) -> None:
    """Write each interval under its stretch of the envelope, in the middle as the eye sees it."""
    for i, (low, high) in enumerate(schedules.ranges):
        start, stop = max(low, prices[0]), min(high, prices[-1])
        if np.isnan(low) or stop <= start * 1.25:
            continue
        middle = np.sqrt(start * stop)
        y = float(np.interp(middle, prices, lowest))
        colour = COLOURS["winner"] if i == schedules.cheapest else INK
        style = {"ha": "center", "va": "center", "fontsize": 8.5, "color": colour}
        note(axes, schedules.labels[i], (middle, y), (0, -13), **style)
        axes.plot(start, np.interp(start, prices, lowest), "o", ms=3.5, color=INK)


def _range_text(label: str, prices: np.ndarray) -> str:
    what = label if label == NEVER else f"every {label}"
    if np.isnan(prices[0]):
        return f"{what}: the cheapest at no price"
    return f"{what}: the cheapest from {number(prices[0], 2)} to {number(prices[1], 2)}"


# --- names beside points, none of which covers another -------------------------------------------

#: Directions tried, nearest first: right, left, above, below, then the diagonals.
DIRECTIONS = ((1, 0), (-1, 0), (0, 1), (0, -1), (1, 0.6), (1, -0.6), (-1, 0.6), (-1, -0.6))
DISTANCES = (10, 18, 28, 40, 54, 70, 90, 115, 140)
#: Pixels of distance that it is worth to stay off a line, off another point with one's own leader,
#: and off other names and points.
LINE, PASSED, COVERED = 3.0, 300.0, 600.0
#: What leads from a name to its point.
LEADER = {"arrowstyle": "-", "color": FAINT, "lw": 0.8}


def place_labels(
    figure: Figure,
    axes: Axes,
    x: np.ndarray,
    y: np.ndarray,
    names: Sequence[str],
    colours: Sequence[str],
) -> None:
    """Write every name at the best free place, with a thin line to its point where it is far."""
    figure.draw_without_rendering()  # the layout must be settled before anything is measured
    points = axes.transData.transform(np.column_stack([x, y]))
    lines = _dots(axes)
    scale = figure.dpi / 72
    taken = [Bbox.from_extents(*(point - 6 * scale), *(point + 6 * scale)) for point in points]
    written: list[Bbox] = []
    for i, name in enumerate(names):
        style = {"va": "center", "fontsize": 9, "color": colours[i], "arrowprops": LEADER}
        text = note(axes, shorten(name), (x[i], y[i]), (0, 0), **style)
        size = text.get_window_extent()
        candidates = _places(points[i], size.width, size.height, scale, axes.get_window_extent())
        around = _Around(np.delete(points, i, axis=0), taken, written, lines)
        offset, side, box = min(candidates, key=partial(around.badness, points[i]))
        text.set_position((offset[0] / scale, offset[1] / scale))
        text.set_horizontalalignment(side)
        if np.hypot(*offset) < 17 * scale and text.arrow_patch is not None:
            text.arrow_patch.set_visible(False)
        taken.append(box)
        written.append(box)


Side = Literal["left", "right", "center"]
Place = tuple[tuple[float, float], Side, Bbox]
_SIDES: dict[int, Side] = {1: "left", -1: "right", 0: "center"}


def _places(
    point: np.ndarray, width: float, height: float, scale: float, room: Bbox
) -> list[Place]:
    """Where the name could stand within the axes; straight right of the point at the very least."""
    candidates: list[Place] = []
    for distance in DISTANCES:
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
    """What a name could cover: other points, what is taken, the names in it, and lines."""

    points: np.ndarray
    taken: list[Bbox]
    written: list[Bbox]
    lines: np.ndarray

    def badness(self, point: np.ndarray, place: Place) -> float:
        """How far away the name would be, and what it and its leader would cover."""
        offset, _, box = place
        leader = point + np.linspace(0.0, 1.0, 12)[:, None] * np.array(offset)
        steps = np.hypot(*(self.points[:, None] - leader).T)
        passed = (steps.min(axis=0) < 9).sum()
        passed += sum(_inside(leader, other).any() for other in self.written)
        covered = sum(box.overlaps(other) for other in self.taken)
        crossed = _inside(self.lines, box).sum()
        return float(np.hypot(*offset) + LINE * crossed + PASSED * passed + COVERED * covered)


def _inside(dots: np.ndarray, box: Bbox) -> np.ndarray:
    x, y = dots.T
    return np.asarray((box.x0 <= x) & (x <= box.x1) & (box.y0 <= y) & (y <= box.y1))


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
