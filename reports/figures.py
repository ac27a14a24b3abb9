"""The drawings of the report: cost against loss, and cost against interval and retrain price."""

from collections.abc import Mapping
from functools import partial
from typing import Any

import numpy as np
import pandas as pd
from matplotlib.axes import Axes
from matplotlib.ticker import FuncFormatter, MaxNLocator

from backtrain.reports import labels
from backtrain.reports.comparison import Comparison
from backtrain.reports.exhibit import Exhibit
from backtrain.reports.labels import Label
from backtrain.reports.numbers import Money, listing, number, shorten, significant
from backtrain.reports.schedules import NEVER, FixedIntervals
from backtrain.reports.svg import COLOURS, FAINT, INK, SOFT, Drawing, Paper, calm, note
from backtrain.reports.units import currency, loss_axis, money_axis
from backtrain.simulator import statistics

THOUSANDS = FuncFormatter(
    lambda value, _: number(value, 0 if abs(value) >= 10 or value == 0 else 2)
)
#: So few points all have a name; of more the winner, the baseline, and so many of the front.
ALL_NAMED, FRONT_NAMED = 8, 8


def cast(comparison: Comparison, baseline: str) -> dict[str, str]:
    """The strategies that are coloured: winner, baseline and runner-up; all others stay grey."""
    table = comparison.table(baseline)
    winner = comparison.verdict(baseline).strategy
    chosen = {winner: "winner"}
    chosen.setdefault(baseline, "baseline")
    rest = [name for name in table.index if name not in chosen]
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
        f"Nothing is both cheaper and better than {listing(each, most=FRONT_NAMED)}."
    )


def _tradeoff(comparison: Comparison, baseline: str, points: pd.DataFrame, paper: Paper) -> Drawing:
    info, coloured = comparison.info, cast(comparison, baseline)
    spending = "spent on adapting and serving" + (", total without error" if paper.wide else "")
    loss = loss_axis("mean loss a row", info)
    figure, axes = paper.panel(4.6 if paper.wide else 4.4, money_axis(spending, info), loss)
    axes.grid(axis="x", color=COLOURS["rule"], linewidth=0.7)
    axes.xaxis.set_major_formatter(THOUSANDS)
    axes.xaxis.set_major_locator(MaxNLocator(8 if paper.wide else 4))
    line = points[points["front"]].sort_values("spent", kind="stable")
    axes.plot(line["spent"], line["loss"], color=FAINT, linewidth=1.2, zorder=1)
    money = Money.fit(points["total"], currency(info))
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
        axes.plot(row["spent"], row["loss"], "o", gid=f"point-{i}", **style)
        titles[f"point-{i}"] = (
            f"{row['number']:.0f}. {name}: spent {money(row['spent'])}, "
            f"loss {significant(row['loss'])}, total {money(row['total'])}"
        )
        names |= {f"point-{i}": name, f"name-{i}": name}
    axes.margins(0.04, 0.16)
    axes.set_xlim(right=axes.get_xlim()[1] + 0.14 * np.ptp(points["spent"]))
    _equal_cost(axes, comparison.table(baseline), comparison.verdict(baseline).strategy)
    at = points[["spent", "loss"]].to_numpy()
    labels.place(figure, axes, at, list(_labels(points, coloured, paper)))
    caption = (
        "Money spent against mean loss. Filled points and the grey line are the Pareto front: "
        "nothing is both cheaper and better. On the dashed line the total is that of the strategy "
        "to run."
    )
    if len(points) > ALL_NAMED:
        caption += " Numbers are those of the table."
    return Drawing(caption, figure, titles, names)


def _labels(points: pd.DataFrame, coloured: Mapping[str, str], paper: Paper) -> list[Label]:
    """Names of few points, or of those that matter; numbers of all others."""
    width = 26 if paper.wide else 16
    named = set(points.index)
    if len(points) > ALL_NAMED:
        front = points.index[points["front"]][: FRONT_NAMED if paper.wide else FRONT_NAMED // 2]
        named = {*coloured, *front}
    ordered = sorted(enumerate(points.index), key=lambda item: item[1] not in coloured)
    names = [
        Label(i, shorten(name, width), COLOURS[coloured.get(name, "ink")], f"name-{i}")
        for i, name in ordered
        if name in named
    ]
    numbers = [
        Label(i, f"{points['number'].iloc[i]}", SOFT, f"name-{i}", number=True)
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


def intervals(schedules: FixedIntervals) -> Exhibit | None:
    """Cost by interval, and the cheapest interval by price; None where all cost the same."""
    total = _total(schedules)
    if not np.ptp(total):
        return None
    money = Money.fit(total, schedules.currency)
    each = zip(schedules.labels, total, strict=True)
    alt = (
        "Total cost by interval between retrains: "
        f"{listing((f'{label} {money(amount)}' for label, amount in each), most=8)}."
    )

    def data() -> pd.DataFrame:
        low, high = schedules.ranges.T
        index = pd.Index(schedules.labels, name="interval")
        columns = {"strategy": schedules.names, "total": total, "retrains": schedules.retrains}
        prices = {"cheapest_from_price": low, "cheapest_to_price": high}
        return pd.DataFrame({**columns, **prices}, index=index)

    draw = partial(_intervals, schedules)
    return Exhibit("cost-against-interval", "How often", draw, alt, data)


def _total(schedules: FixedIntervals) -> np.ndarray:
    """What each schedule costs at the price of the replay."""
    return np.asarray(schedules.cost(np.array([schedules.price]))[0])


def _intervals(schedules: FixedIntervals, paper: Paper) -> Drawing:
    caption = "Total cost by interval, at the retrain price of the replay."
    if not _changes(schedules).size:  # one interval at every price
        figure, axes = paper.panel(3.4)
        return Drawing(caption, figure, _by_interval(axes, schedules))
    figure, left, right = paper.pair(3.7, (1, 1.15))
    titles = _by_interval(left, schedules)
    titles |= _by_price(right, schedules)
    caption = (
        f"First: {caption[0].lower()}{caption[1:-1]}. Second: total cost as "
        "that price changes; the bold line is the cheapest, the dotted one the price of the replay."
    )
    return Drawing(caption, figure, titles)


def _by_interval(axes: Axes, schedules: FixedIntervals) -> dict[str, str]:
    total, n, best = _total(schedules), schedules.intervals, schedules.cheapest
    info = {"currency": schedules.currency}
    calm(axes, "interval between retrains", money_axis("total cost", info))
    axes.yaxis.set_major_formatter(THOUSANDS)
    positions = np.arange(len(total))
    axes.plot(positions[:n], total[:n], color=FAINT, linewidth=1.4, zorder=1)
    titles = {}
    for i, label in enumerate(schedules.labels):
        colour = COLOURS["winner"] if i == best else SOFT
        axes.plot(positions[i], total[i], "o", ms=7, color=colour, gid=f"interval-{i}")
        titles[f"interval-{i}"] = f"{label}: {number(total[i], 2)}"
    axes.set_xticks(positions, schedules.labels)
    if len(schedules.labels) > 8:
        axes.tick_params(axis="x", rotation=45)
    axes.margins(0.08, 0.15)
    return titles


def _by_price(axes: Axes, schedules: FixedIntervals) -> dict[str, str]:
    calm(axes, money_axis("price of one retrain", {"currency": schedules.currency}), "")
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
    marks = np.append(_changes(schedules), schedules.price if schedules.price > 0 else [])
    return np.geomspace(marks.min() / 4, marks.max() * 4, 200)


def _changes(schedules: FixedIntervals) -> np.ndarray:
    """Retrain prices at which the cheapest interval becomes another one."""
    ranges = schedules.ranges
    return np.asarray(ranges[np.isfinite(ranges) & (ranges > 0)])


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
