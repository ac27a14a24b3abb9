"""Mean ranks, and which of them cannot be told apart: the critical-difference diagram, upright.

Demšar's diagram (see `ranks`) joins strategies by bars that soon cover one another; with a row a
strategy, and half a critical difference to both sides of its rank, thirty can be read, also on a
phone (Koning, Franses, Hibon and Stekler, 2005, "The M3 competition: statistical tests of the
results", International Journal of Forecasting 21(3), draw it so).
"""

from __future__ import annotations

from functools import partial

from matplotlib.axes import Axes
from matplotlib.ticker import MaxNLocator

from backtrain.reports.exhibit import Exhibit
from backtrain.reports.numbers import number, told_apart
from backtrain.reports.svg import Drawing, Paper
from backtrain.reports.sweep.rank_found import p_value, plural
from backtrain.reports.sweep.ranked import Ranked


def exhibit(of: Ranked) -> Exhibit:
    """The diagram."""
    best, first = of.mean_ranks.iloc[0], of.mean_ranks.index[0]
    alike = int((of.mean_ranks - best < of.critical_difference).sum())
    alt = (
        f"Mean ranks of {len(of.names)} strategies over {len(of.means)} {plural(of.block)}, from "
        f"{first} ({number(best, 1)}) to {of.mean_ranks.index[-1]} "
        f"({number(of.mean_ranks.iloc[-1], 1)}); {alike} cannot be told from the first."
    )
    title = "Mean ranks, and which of them can be told apart"
    return Exhibit("mean-ranks", title, partial(_draw, of), alt, of.to_frame)


def _draw(of: Ranked, paper: Paper) -> Drawing:
    means, half = of.mean_ranks, of.critical_difference / 2
    many, best = len(means), float(means.iloc[0])
    figure, axes = paper.panel(1.0 + 0.23 * (many + 1), "mean rank (1 costs least)")
    titles, labels = {}, {}
    axes.axvspan(best - half, best + half, color=paper["rule"], alpha=0.45, linewidth=0, zorder=0)
    for y, (name, rank) in enumerate(means.items()):
        apart = rank - best >= 2 * half
        role = "winner" if y == 0 else "baseline" if name == of.against else None
        colour = paper[role or ("faint" if apart else "soft")]
        line = axes.plot([rank - half, rank + half], [y, y], color=colour, linewidth=2.2, zorder=2)
        line[0].set_solid_capstyle("butt")
        axes.plot(rank, y, "o", ms=6, color=colour, mec=paper["paper"], gid=f"rank-{y}", zorder=3)
        titles[f"rank-{y}"] = f"{name}: mean rank {number(rank, 1)}"
        labels[y] = colour if role else paper["soft" if apart else "ink"]
    ticks = told_apart([str(name) for name in means.index], 34 if paper.wide else 20)
    axes.set_yticks(range(many), ticks)
    for y, tick in enumerate(axes.get_yticklabels()):
        tick.set_color(labels[y])
        tick.set_fontsize(paper.size(8.5))
    axes.grid(visible=False, axis="y")
    paper.rules(axes, "x")
    low = min(0.5, best - half - 0.3)
    high = max(many + 0.5, float(means.iloc[-1]) + half + 0.3)
    axes.set_xlim(low, high)
    _ruler(of, axes, paper, low, high)
    axes.set_ylim(many - 0.3, -1.9)
    steps = MaxNLocator(8 if paper.wide else 5, integer=True).tick_values(1, many)
    axes.set_xticks([1, *(step for step in steps if 1.5 < step <= many)])
    p = "" if of.friedman != of.friedman else f" Friedman: p {p_value(of.friedman)}."
    caption = (
        f"Mean rank over {len(of.means)} {plural(of.block)}, and half a critical "
        f"difference ({number(2 * half, 1)}, Nemenyi, 95 % for all pairs) to both sides: two whose "
        f"bars do not overlap are told apart. Grey band: the bar of the first.{p}"
    )
    return Drawing(caption, figure, titles)


def _ruler(of: Ranked, axes: Axes, paper: Paper, low: float, high: float) -> None:
    """The critical difference as a length, above all rows."""
    length = min(of.critical_difference, high - low)
    start = max(low, min(float(of.mean_ranks.iloc[0]) - length / 2, high - length))
    end = start + length
    at = [start, start, start, end, end, end], [-1.3, -0.9, -1.1, -1.1, -1.3, -0.9]
    axes.plot(*at, color=paper["ink"], linewidth=1.0)
    text = f"critical difference {number(of.critical_difference, 1)}"
    room = end + 0.01 * (high - low)
    axes.text(
        room, -1.1, text, va="center", ha="left", fontsize=paper.size(8.5), color=paper["ink"]
    )
