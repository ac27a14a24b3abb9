"""The drawings of the report: cost against loss, and cost against interval."""

from collections.abc import Mapping
from functools import partial
from typing import Any

import numpy as np
import pandas as pd
from matplotlib.axes import Axes
from matplotlib.ticker import FuncFormatter, MaxNLocator

from backtrain.reports import point_labels
from backtrain.reports.comparison import Comparison
from backtrain.reports.exhibit import Exhibit
from backtrain.reports.numbers import Money, listing, number, shorten, significant
from backtrain.reports.point_labels import FEW, Label
from backtrain.reports.schedules import FixedIntervals
from backtrain.reports.svg import COLOURS, FAINT, SOFT, Drawing, Paper
from backtrain.reports.units import currency, loss_axis, money_axis
from backtrain.simulator import statistics

THOUSANDS = FuncFormatter(
    lambda value, _: number(value, 0 if abs(value) >= 10 or value == 0 else 2)
)
#: So many points of the front have a name where there are many: on wide paper, and on narrow.
FRONT_NAMED = 6, 3


def cast(comparison: Comparison, baseline: str) -> dict[str, str]:
    """The strategies that are coloured: winner, baseline and runner-up; all others stay grey."""
    table = comparison.table(baseline)
    verdict = comparison.verdict(baseline)
    chosen = {verdict.strategy: "winner"}
    chosen.setdefault(baseline, "baseline")
    rest = [name for name in (verdict.runner_up, *table.index) if name and name not in chosen]
    chosen.update(dict.fromkeys(rest[:1], "runner"))
    return chosen


# --- cost against loss ----------------------------------------------------------------------------


def tradeoff(comparison: Comparison, baseline: str) -> Exhibit | None:
    """What each strategy spent against the loss that it left; None where all did the same."""
    table = comparison.table(baseline)
    points = pd.DataFrame({"spent": table["total"] - table["error"], "loss": table["loss"]})
    points = points.assign(total=table["total"], number=np.arange(1, len(table) + 1))
    points = points[points["loss"].notna()]
    if len(points) < 2 or not np.ptp(points[["spent", "loss"]], axis=0).all():
        return None
    points["front"] = statistics.pareto_front(*points[["spent", "loss"]].to_numpy().T)
    draw = partial(_tradeoff, comparison, baseline, points)
    name = "cost-against-loss"
    return Exhibit(name, "Cost against loss", draw, _seen(comparison, points), lambda: points)


def _seen(comparison: Comparison, points: pd.DataFrame) -> str:
    money = Money.fit(points["total"], currency(comparison.info))
    front = points[points["front"]].sort_values("spent", kind="stable")
    each = [
        f"{name} (spent {money(row['spent'])}, mean loss {significant(row['loss'])})"
        for name, row in front.iterrows()
    ]
    return (
        f"{len(points)} strategies by what they spent and the loss they left. "
        f"Nothing is both cheaper and better than {listing(each)}."
    )


def _tradeoff(comparison: Comparison, baseline: str, points: pd.DataFrame, paper: Paper) -> Drawing:
    info, coloured = comparison.info, cast(comparison, baseline)
    spending = "spent on adapting and serving" + (", total without error" if paper.wide else "")
    loss = loss_axis("mean loss a row", info)
    figure, axes = paper.panel(4.6 if paper.wide else 4.4, money_axis(spending, info), loss)
    axes.xaxis.set_major_formatter(THOUSANDS)
    axes.xaxis.set_major_locator(MaxNLocator(8 if paper.wide else 4))
    money = Money.fit(points["total"], currency(info))
    told = {
        str(name): f"spent {money(row['spent'])}, loss {significant(row['loss'])}, "
        f"total {money(row['total'])}"
        for name, row in points.iterrows()
    }
    titles, names = dots(axes, points, ("spent", "loss"), coloured, told)
    axes.margins(0.04, 0.16)
    axes.set_xlim(right=axes.get_xlim()[1] + 0.14 * np.ptp(points["spent"]))
    _equal_cost(axes, comparison.table(baseline), comparison.verdict(baseline).strategy)
    at = points[["spent", "loss"]].to_numpy()
    point_labels.place(figure, axes, at, labels(points, ("spent", "loss"), coloured, paper))
    caption = (
        "Money spent against mean loss. Filled points and the grey line are the Pareto front: "
        "nothing is both cheaper and better. On the dashed line the total is that of the strategy "
        "to run."
    )
    if len(points) > FEW:
        caption += " Numbers are those of the table."
    return Drawing(caption, figure, titles, names)


def dots(
    axes: Axes,
    points: pd.DataFrame,
    of: tuple[str, str],
    coloured: Mapping[str, str],
    told: Mapping[str, str],
) -> tuple[dict[str, str], dict[str, str]]:
    """A dot a strategy by two columns, the front joined: titles and names by id, see `Drawing`."""
    x, y = of
    axes.grid(axis="x", color=COLOURS["rule"], linewidth=0.7)
    line = points[points["front"]].sort_values(x, kind="stable")
    axes.plot(line[x], line[y], color=FAINT, linewidth=1.2, zorder=1)
    titles: dict[str, str] = {}
    names: dict[str, str] = {}
    crowd = 7.5 if len(points) <= 40 else 5.5
    # The coloured ones last, so that none of many covers them.
    for i, name in sorted(enumerate(points.index), key=lambda item: item[1] in coloured):
        row = points.iloc[i]
        colour = COLOURS[coloured.get(name, "soft")]
        fill = colour if row["front"] else COLOURS["paper"]
        size = 7.5 if name in coloured else crowd
        style: dict[str, Any] = {"ms": size, "mew": 1.5, "mec": colour, "mfc": fill}
        axes.plot(row[x], row[y], "o", gid=f"point-{i}", **style)
        titles[f"point-{i}"] = f"{row['number']:.0f}. {name}: {told[str(name)]}"
        names |= {f"point-{i}": name, f"name-{i}": name}
    return titles, names


def labels(
    points: pd.DataFrame, of: tuple[str, str], coloured: Mapping[str, str], paper: Paper
) -> list[Label]:
    """Names of few points, else of the coloured and some of the front; numbers of all others."""
    width, many = 26 if paper.wide else 16, len(points) > FEW
    number_of = dict(zip(points.index, points["number"], strict=True))
    named = set(points.index)
    if many:
        front = points[points["front"]].drop_duplicates(list(of)).sort_values(of[0])
        spread = np.linspace(0, len(front) - 1, FRONT_NAMED[not paper.wide]).round().astype(int)
        named = {*coloured, *front.index[spread]}
    ordered = sorted(enumerate(points.index), key=lambda item: item[1] not in coloured)
    names = [
        Label(
            i,
            f"{number_of[name]} {shorten(name, width)}" if many else shorten(name, width),
            COLOURS[coloured.get(name, "ink")],
            f"name-{i}",
        )
        for i, name in ordered
        if name in named
    ]
    numbers = [
        Label(i, f"{number_of[name]}", SOFT, f"name-{i}", number=True)
        for i, name in ordered
        if name not in named
    ]
    return names + numbers


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


# --- how often ------------------------------------------------------------------------------------


def intervals(comparison: Comparison, baseline: str) -> Exhibit | None:
    """Cost by interval, on this path and as it is expected; None where all cost the same."""
    schedules, verdict = comparison.schedules, comparison.verdict(baseline)
    if schedules is None or not np.ptp(schedules.total):
        return None
    index = pd.Index(schedules.labels, name="interval")
    each = {"strategy": schedules.names, "total": schedules.total, "retrains": schedules.retrains}
    frame = pd.DataFrame(each, index=index)
    if not all(comparison.runs[name].info.get("hindsight") is None for name in schedules.names):
        frame["expected"] = [verdict.expected.get(name, np.nan) for name in schedules.names]
    money = Money.fit(schedules.total, schedules.currency)
    told = (f"{label} {money(row['total'])}" for label, row in frame.iterrows())
    alt = f"Total cost by interval between retrains: {listing(told, most=8)}."
    draw = partial(_intervals, schedules, frame, verdict.strategy)
    return Exhibit("cost-against-interval", "How often", draw, alt, lambda: frame)


def _intervals(
    schedules: FixedIntervals, frame: pd.DataFrame, advised: str, paper: Paper
) -> Drawing:
    money, n = Money.fit(schedules.total, schedules.currency), schedules.intervals
    cost = money_axis("total cost", {"currency": schedules.currency})
    figure, axes = paper.panel(3.4, "interval between retrains", cost)
    axes.yaxis.set_major_formatter(THOUSANDS)
    titles, expected = {}, "expected" in frame
    shown = frame["expected" if expected else "total"].to_numpy()
    axes.plot(np.arange(n), shown[:n], color=FAINT, linewidth=1.4, zorder=1)
    for i, (label, row) in enumerate(frame.iterrows()):
        colour = COLOURS["winner"] if row["strategy"] == advised else SOFT
        if expected:
            axes.plot(i, row["total"], "o", ms=5, mec=colour, mfc=COLOURS["paper"])
        axes.plot(i, shown[i], "o", ms=7, color=colour, gid=f"interval-{i}")
        told = f", expected {money(row['expected'])}" if expected else ""
        titles[f"interval-{i}"] = f"{label}: {money(row['total'])} on this path{told}"
    step = -(-len(frame) // 16)  # of many every second, or third
    axes.set_xticks(np.arange(len(frame))[::step], schedules.labels[::step])
    axes.tick_params(axis="x", rotation=0 if len(frame) < 9 else 45)
    axes.margins(0.08, 0.15)
    caption = "Total cost by interval on this path."
    if expected:
        caption = "Total cost by interval: points are expected, hollow ones what this path cost."
    return Drawing(caption, figure, titles)
