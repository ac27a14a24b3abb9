"""Which schedule to run at which price of a retrain and of an error: drawn, and in a sentence."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from functools import partial
from typing import Any

import numpy as np
import pandas as pd
from matplotlib.axes import Axes
from matplotlib.ticker import FuncFormatter, NullLocator

from backtrain.lossmatrix.at_prices import PriceMap
from backtrain.lossmatrix.decide import reviewed
from backtrain.reports.comparison import Comparison
from backtrain.reports.evidence import evidence
from backtrain.reports.exhibit import Exhibit, Section
from backtrain.reports.numbers import listing, price, shorten
from backtrain.reports.svg import Drawing, Paper, note
from backtrain.reports.units import currency, money_axis
from backtrain.reports.verdict import eligible

TITLE = "At which price the answer changes"
#: A sentence names so many stretches, those round the present price first.
_MOST = 6
#: Shades of regions, the first for what trains least, and of those with a colour of their own.
_FAINTEST, _DARKEST, _COLOURED = 0.05, 0.22, 0.3
#: What regions with a colour are called, in the order of the legend.
_ROLES = {"winner": "advised", "runner": "next", "baseline": "baseline"}
#: Lines in the region of the next one: without green and red its colour is a grey.
_HATCH, _HATCHED = "///", 0.6
#: Inches that a character of a label takes.
_CHARACTER = 0.075
#: Rows of the map a decade, and decades that the mark of the present prices takes.
_ROWS_A_DECADE, _CIRCLE = 8, 0.25
#: Share of a row that half a letter is high, and of the widest place that is as good as that.
_LETTER, _MOST_OF_IT = 0.6, 0.95
_PRICES = FuncFormatter(lambda value, _: price(value))


def sentence(prices: PriceMap, names: Sequence[str], currency: str = "") -> str:
    """What is expected to cost least as the price of a retrain rises; ``names`` are the options."""
    low, high = prices.here
    order = [i for i in np.argsort(low, kind="stable").tolist() if low[i] < high[i]]
    if len(prices.chosen) == 1:
        errors = " and of an error" if len(prices.error) > 1 else ""
        return (
            f"{names[prices.chosen[0]]} is expected to cost least at every price of a retrain"
            f"{errors}, from a hundredth to a hundred times the present one."
        )
    if len(order) == 1:
        return f"At no price of a retrain another is expected to cost less than {names[order[0]]}."
    here = sum(low[i] <= prices.now[0] for i in order) - 1
    first = min(max(0, here - _MOST // 2), max(0, len(order) - _MOST))
    shown = order[first : first + _MOST]
    told = [f"{names[i]} up to {price(high[i])}" for i in shown[:-1]]
    if shown[-1] == order[-1]:
        told.append(f"{names[shown[-1]]} above that")
    else:
        told.append(f"{names[shown[-1]]} up to {price(high[shown[-1]])}")
    now = price(prices.now[0], currency)
    return f"By the price of a retrain, now {now}, it would be: {listing(told, most=_MOST)}."


def section(comparison: Comparison, baseline: str) -> Section | None:
    """What would be advised at other prices, over all strategies that may win."""
    too_dear = comparison.verdict(baseline).left_out
    names = [name for name in eligible(comparison.runs, baseline) if name not in too_dear]
    if len(names) < 2 or baseline not in names:
        return None
    known = evidence(comparison.runs, comparison.costs, names, baseline, comparison.careful)
    if baseline == comparison.running:
        known = reviewed(known, baseline)
    prices = PriceMap.of(known)
    next_best = comparison.verdict(baseline).runner_up
    roles = {names.index(next_best): "runner"} if next_best in names else {}
    roles[names.index(baseline)] = "baseline"
    roles[names.index(comparison.verdict(baseline).strategy)] = "winner"
    rows = list(comparison.table(baseline).index)
    numbers = [rows.index(name) + 1 for name in names]
    drawn = exhibit(prices, names, roles, comparison.info, numbers)
    return Section(
        TITLE, [drawn] if drawn else [], sentence(prices, names, currency(comparison.info))
    )


def exhibit(
    prices: PriceMap,
    names: Sequence[str],
    roles: Mapping[int, str],
    info: Mapping[str, Any],
    numbers: Sequence[int] = (),
) -> Exhibit | None:
    """The drawing and its data; None where there is nothing to see: one option, one price.

    ``numbers`` stand in regions that have no room for a name; by default those of the options.
    """
    if len(prices.chosen) < 2 or len(prices.error) < 2:
        return None

    def data() -> pd.DataFrame:
        each = [
            {"price_of_an_error": error, "runs": names[i], "retrain_from": low, "retrain_to": high}
            for error, lows, highs in zip(prices.error, prices.low, prices.high, strict=True)
            for i, (low, high) in enumerate(zip(lows, highs, strict=True))
            if low < high
        ]
        return pd.DataFrame(each).set_index("price_of_an_error")

    alt = sentence(prices, names, currency(info))
    title = "What to run, by the prices of a retrain and of an error"
    return Exhibit(
        "prices",
        title,
        partial(draw, prices, names, roles, info, numbers or range(1, len(names) + 1)),
        alt,
        data,
    )


def draw(
    prices: PriceMap,
    names: Sequence[str],
    roles: Mapping[int, str],
    info: Mapping[str, Any],
    numbers: Sequence[int],
    paper: Paper,
) -> Drawing:
    """The region of each option; ``roles`` are colours of some, as "winner" and "baseline"."""
    figure, axes = paper.panel(
        4.4,
        money_axis("price of one retrain", info),
        money_axis("price of one unit of loss", info),
    )
    titles = _regions(axes, prices, names, roles, numbers, paper)
    if axes.get_legend_handles_labels()[0]:
        paper.legend_above(axes, 3 if paper.wide else 1)
    # All of them: on a narrow page other names give way to their numbers.
    each = listing([f"{numbers[place]} {names[place]}" for place in prices.chosen], 12)
    caption = (
        "What is expected to cost least where a retrain and an error have other prices"
        f": {each}. The stronger a grey, the more often it trains; the "
        "circle marks the prices of this report. Prices are guesses: look how far it is from the "
        "next answer."
    )
    return Drawing(caption, figure, titles)


def _regions(
    axes: Axes,
    prices: PriceMap,
    names: Sequence[str],
    roles: Mapping[int, str],
    numbers: Sequence[int],
    paper: Paper,
) -> dict[str, str]:
    """Fill axes; returns hover texts."""
    axes.grid(visible=False)
    axes.set(xscale="log", yscale="log")
    axes.set_xlim(prices.retrain[0], prices.retrain[-1])
    axes.set_ylim(prices.error[0], prices.error[-1])
    for axis in (axes.xaxis, axes.yaxis):
        axis.set_major_formatter(_PRICES)
        axis.set_minor_locator(NullLocator())
    shades = np.linspace(_FAINTEST, _DARKEST, len(prices.chosen))
    titles: dict[str, str] = {}
    order = list(_ROLES)
    each = sorted(
        zip(prices.chosen, shades, strict=True),
        key=lambda one: order.index(roles[one[0]]) if one[0] in roles else len(order),
    )
    for place, shade in each:
        role = roles.get(place)
        low, high = _clipped(prices, place)
        area = axes.fill_betweenx(prices.error, low, high, gid=f"region-{place}", linewidth=0)
        area.set(color=paper[role or "ink"], alpha=_COLOURED if role else shade)
        if role == "runner":
            area = axes.fill_betweenx(prices.error, low, high, hatch=_HATCH, linewidth=0)
            area.set(facecolor="none", edgecolor=paper[role], alpha=_HATCHED)
        if role is not None:
            told = f"{numbers[place]} " if paper.captioned else ""
            area.set_label(f"{_ROLES[role]}: {told}{shorten(names[place])}")
        axes.plot(low, prices.error, color=paper["paper"], linewidth=1.2)
        titles[f"region-{place}"] = _title(prices, place, names[place])
        _label(axes, prices, place, names[place], f"{numbers[place]}", paper)
    if all(prices.now):
        axes.plot(*prices.now, "o", ms=8, mfc=paper["paper"], mec=paper["ink"], mew=1.6, zorder=4)
    return titles


def _clipped(prices: PriceMap, place: int) -> tuple[np.ndarray, np.ndarray]:
    """Ends of one region at each price of an error; NaN where it has none.

    Somewhat beyond the axes, which cut it off.
    """
    beyond = prices.retrain[0] / 100, prices.retrain[-1] * 100
    low, high = (np.clip(end[:, place], *beyond) for end in (prices.low, prices.high))
    none = ~(low < high)
    return np.where(none, np.nan, low), np.where(none, np.nan, high)


def _title(prices: PriceMap, place: int, name: str) -> str:
    low, high = (end[place] for end in prices.here)
    if np.isnan(low):
        return f"{name}: at no price of a retrain, while an error costs what it does now"
    return f"{name}: while a retrain costs {price(low)} to {price(high)}, an error as now"


def _label(axes: Axes, prices: PriceMap, place: int, name: str, number: str, paper: Paper) -> None:
    """Write a name into its region, near the middle; where it does not fit, its number.

    Without a caption, which says what numbers are, it is left out.
    """
    ends = np.log10(prices.retrain[[0, -1]])
    low, high = (np.clip(np.log10(end), *ends) for end in _clipped(prices, place))
    rows = np.arange(1, len(low) - 1)
    around = rows[:, None] + (-1, 1)
    # A letter reaches that far into the rows above and below.
    left, right = (
        edge(end[rows][:, None] + _LETTER * (end[around] - end[rows][:, None]), axis=1)
        for end, edge in ((low, np.max), (high, np.min))
    )
    width = np.nan_to_num(right - left, nan=-np.inf)
    inches = axes.get_position().width * axes.figure.get_figwidth()  # type: ignore[union-attr]
    room = width / np.ptp(ends) * inches / _CHARACTER
    off = np.hypot((left + right) / 2 - ends.mean(), (rows - len(low) // 2) / _ROWS_A_DECADE)
    off = np.where(off < _CIRCLE, np.inf, off)  # there the present prices are marked
    fits = room >= min(len(name), _MOST_OF_IT * room[np.isfinite(off)].max(initial=0.0))
    best = int(np.argmin(np.where(fits, off, np.inf)))
    if room[best] < 1:
        return
    text = name if room[best] >= len(name) else number if paper.captioned else ""
    at = 10 ** ((left[best] + right[best]) / 2), prices.error[rows[best]]
    style = {"ha": "center", "va": "center", "fontsize": paper.size(8.5), "color": paper["ink"]}
    note(axes, text, at, (0, 0), **style)
