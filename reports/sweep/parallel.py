"""Three or more axes side by side: a line a setting, from its values to what is saved there."""

from __future__ import annotations

import math
from functools import partial
from typing import Any

import numpy as np
import pandas as pd
from matplotlib.collections import LineCollection
from numpy.typing import NDArray

from backtrain.reports.exhibit import Exhibit
from backtrain.reports.numbers import count, listing, told_apart
from backtrain.reports.svg import Drawing, Paper, note
from backtrain.reports.sweep.figures import PERCENT
from backtrain.reports.sweep.found import Found
from backtrain.reports.sweep.sheets import percent
from backtrain.reports.sweep.words import change, shown

#: Axes, ticks of one, and lines that say their name, at most.
_AXES, _TICKS, _TITLED = 7, 12, 300
#: How far lines of one value are spread, as a share of the gap between two.
_SPREAD = 0.5


def parallel(found: Found, keys: list[str]) -> Exhibit | None:
    """Lines over these axes; None where there are fewer than three, or nothing to compare."""
    keys = keys[:_AXES]
    lines = _lines(found, keys)
    if len(keys) < 3 or len(lines) < 3 or not np.ptp(lines["relative"]):
        return None
    values = found.settings.values
    data = lines.assign(**{key: [shown(values[key][i]) for i in lines[key]] for key in keys})
    best = lines.nsmallest(1, "relative").iloc[0]
    told = [f"{key} {shown(values[key][int(best[key])])}" for key in keys]
    alt = f"{len(lines)} lines; most is saved at {listing(told)}: {percent(best['relative'])}."
    draw = partial(_draw, found, lines, keys)
    return Exhibit("all-axes", "All axes", draw, alt, lambda: data.set_index(keys))


def _lines(found: Found, keys: list[str]) -> pd.DataFrame:
    """A row a line: positions of its values, the strategy of the least cost, and that cost."""
    if any(key in found.settings.choices for key in keys):
        points = found.points[0]
        own = points[points["log"].notna()]
        return pd.DataFrame({
            **{key: own[key].to_numpy() for key in keys},
            "strategy": own["strategy"].to_numpy(),
            "relative": np.exp(own["log"].to_numpy()),
        })  # fmt: skip
    cells = found.settings.cells
    known = cells[cells["relative"] > 0].sort_values("relative", kind="stable")
    return known.drop_duplicates("setting").sort_index()[[*keys, "strategy", "relative"]]


def _draw(found: Found, lines: pd.DataFrame, keys: list[str], paper: Paper) -> Drawing:
    figure, axes = paper.panel(4.6)
    axes.grid(visible=False)
    values = found.settings.values
    low, high = float(lines["relative"].min()), float(lines["relative"].max())
    span = math.log(high / low)
    ends = 1 - np.log(lines["relative"].to_numpy() / low) / span
    order = np.argsort(np.argsort(-ends, kind="stable"), kind="stable") / max(1, len(lines) - 1)
    at = np.column_stack([*(_heights(lines[k], len(values[k]), order) for k in keys), ends])
    axes.set_xlim(-0.25, len(keys) + 0.25)
    axes.set_ylim(-0.06, 1.06)
    titles = _curves(axes, found, lines, keys, at, paper)
    wide = 20 if paper.wide else 7
    for x, key in enumerate(keys):
        axes.axvline(x, color=paper["rule"], linewidth=1, zorder=0)
        labels = told_apart([shown(value) for value in values[key]], wide)
        step = -(-len(labels) // (_TICKS if paper.wide else 8))
        for i in range(0, len(labels), step):
            spot = (x, _middle(i, len(labels)))
            box = {"facecolor": paper["paper"], "alpha": 0.75, "linewidth": 0, "pad": 1}
            note(axes, labels[i], spot, (-4, 0), ha="right", va="center", fontsize=paper.size(8),
                 color=paper["soft"], bbox=box)  # fmt: skip
    axes.axvline(len(keys), color=paper["rule"], linewidth=1, zorder=0)
    for share in np.linspace(0, 1, 5):
        ratio = low * math.exp(span * (1 - share))
        style: dict[str, Any] = {"va": "center", "fontsize": paper.size(8), "color": paper["soft"]}
        note(axes, PERCENT(ratio, 0), (len(keys), share), (4, 0), **style)
    called = keys if paper.wide else [_brief(key, keys) for key in keys]
    names = told_apart(called, 20 if paper.wide else 9)
    axes.set_xticks(range(len(keys) + 1), [*names, "against baseline" if paper.wide else "cost"])
    axes.tick_params(axis="x", labelsize=paper.size(9 if paper.wide else 7.5))
    axes.set_yticks([])
    paper.no_floor(axes)
    axes.set_xlim(-0.55, len(keys) + 0.4)
    return Drawing(_caption(found, lines, keys), figure, titles)


def _curves(
    axes: Any, found: Found, lines: pd.DataFrame, keys: list[str], at: NDArray[np.float64],
    paper: Paper,
) -> dict[str, str]:  # fmt: skip
    """Lines with a title each where they are few, else all of a colour as one."""
    values = found.settings.values
    faint = min(0.9, max(0.12, 12 / math.sqrt(len(lines)) / 3))
    roles = [found.roles.get(str(name), "soft") for name in lines["strategy"]]
    xs = np.arange(at.shape[1])
    titles = {}
    if len(lines) <= _TITLED:
        for n, (own, role) in enumerate(zip(at, roles, strict=True)):
            row = lines.iloc[n]
            axes.plot(xs, own, color=paper[role], alpha=faint, linewidth=1.1, gid=f"line-{n}")
            told = [f"{key} {shown(values[key][int(row[key])])}" for key in keys]
            titles[f"line-{n}"] = f"{', '.join(told)}: {row['strategy']} {change(row['relative'])}"
        return titles
    for role in ("soft", "drift", "runner", "baseline", "winner"):
        own = [np.column_stack([xs, one]) for one, r in zip(at, roles, strict=True) if r == role]
        if own:
            lines_of = LineCollection(own, colors=paper[role], alpha=faint, linewidths=0.8)
            axes.add_collection(lines_of)
    return titles


def _heights(positions: pd.Series, values: int, order: NDArray[np.float64]) -> NDArray[np.float64]:
    """Where lines cross an axis: at their value, those that save most at its upper end."""
    gap = 1 / max(values, 2)
    return np.array([_middle(int(i), values) for i in positions]) + _SPREAD * gap * (0.5 - order)


def _middle(position: int, values: int) -> float:
    return 1 - (position + 0.5) / values


def _caption(found: Found, lines: pd.DataFrame, keys: list[str]) -> str:
    chosen = any(key in found.settings.choices for key in keys)
    what = "a strategy in a setting" if chosen else "a setting, in the colour of what costs least"
    more = len(found.ordered) + len(found.chosen) - len(keys)
    left = f" Not shown: {count(more, 'more key')}." if more > 0 else ""
    text = f"A line is {what}: {found.colours(lines['strategy'])}."
    return f"{text} On the right what it costs against the baseline, the least on top.{left}"


def _brief(key: str, keys: list[str]) -> str:
    """The last part of a key, where no other ends so."""
    last = key.rpartition(".")[2]
    return last if [other.rpartition(".")[2] for other in keys].count(last) == 1 else key
