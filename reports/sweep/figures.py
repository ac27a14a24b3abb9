"""The drawings of a sweep: what matters, cost against retrains, and two axes as a map."""

from __future__ import annotations

import math
from functools import partial
from typing import Any

import numpy as np
import pandas as pd
from matplotlib.axes import Axes
from matplotlib.patches import Rectangle
from matplotlib.ticker import FuncFormatter, MaxNLocator, NullLocator

from backtrain.reports import point_labels
from backtrain.reports.exhibit import Exhibit
from backtrain.reports.numbers import count, listing, number, shorten, told_apart
from backtrain.reports.point_labels import FEW, Label
from backtrain.reports.svg import Drawing, Paper, note
from backtrain.reports.sweep.found import Found
from backtrain.reports.sweep.sheets import names_of, percent
from backtrain.reports.sweep.words import change, shown

PERCENT = FuncFormatter(lambda ratio, _: percent(ratio))
#: Bars, names in a scatter plot, and rows and columns of a map at most.
_BARS, _NAMED, _ROWS, _COLUMNS = 12, 10, 24, 24
#: Of a grid so much must be there to be drawn as one; else points are.
_FILLED = 0.4
#: Strength of a colour where a strategy saves nothing, and where it saves most.
_FAINTEST, _DARKEST = 0.1, 0.75
#: That of the baseline, which saves nothing against itself.
_HELD = 0.35
#: Inches of a character, and of the least cell that holds a line of text.
_CHARACTER, _LINE = 0.068, 0.17

# --- what matters ---------------------------------------------------------------------------------


def importance(found: Found) -> Exhibit | None:
    """Shares of the variance of relative costs; None where nothing explains any."""
    told = found.importance
    if told is None or len(told.shares) < 2:
        return None
    shares = pd.Series({" with ".join(map(str.strip, k)): v for k, v in told.shares.items()})
    frame = shares.rename("share").rename_axis("axes").to_frame()
    seen = [f"{name} {100 * share:.0f} %" for name, share in shares.head(5).items()]
    alt = f"Of the differences in relative cost explain: {listing(seen)}."
    draw = partial(_bars, shares)
    return Exhibit("importance", "What matters", draw, alt, lambda: frame)


def _bars(shares: pd.Series, paper: Paper) -> Drawing:
    top = shares[shares >= 0.001].head(_BARS)
    rest = max(0.0, 1 - float(top.sum()))
    figure, axes = paper.panel(0.55 + 0.29 * (len(top) + 1))
    names = told_apart([*map(str, top.index), "all others"], 44 if paper.wide else 22)
    titles = {}
    for i, share in enumerate([*top, rest]):
        alone = i < len(top) and " with " not in str(top.index[i])
        colour = paper["winner"] if alone else paper["faint"]
        axes.barh(i, share, color=colour, height=0.62, gid=f"bar-{i}")
        told = f"{100 * share:.{0 if share >= 0.0995 else 1}f} %"
        note(
            axes,
            told,
            (share, i),
            (5, 0),
            va="center",
            fontsize=paper.size(8.5),
            color=paper["soft"],
        )
        full = top.index[i] if i < len(top) else "all others"
        titles[f"bar-{i}"] = f"{full}: {100 * share:.1f} % of the variance"
    axes.set_yticks(range(len(names)), names)
    axes.tick_params(axis="y", labelsize=paper.size(9), labelcolor=paper["ink"])
    axes.invert_yaxis()
    axes.grid(visible=False)
    axes.set_xlim(0, 1.12 * max([*top, rest]))
    axes.xaxis.set_major_locator(NullLocator())
    paper.no_floor(axes)
    caption = (
        "How much of the variance of the log cost relative to the baseline each axis explains by "
        "itself (blue), and what two explain together beyond that (grey)."
    )
    return Drawing(caption, figure, titles)


# --- cost against retrains ------------------------------------------------------------------------


def retrains(found: Found) -> Exhibit | None:
    """Relative cost against retrains, a point a strategy and one a setting; None without ratios."""
    table = found.pooled.table
    table = table[table["relative"].notna() & table["retrains"].notna()]
    if len(table) < 2 or not np.ptp(table["retrains"]) or not np.ptp(table["relative"]):
        return None
    frame = table[["retrains", "relative", "settings"]]
    told = [f"{name} ({percent(row['relative'])})" for name, row in table.head(5).iterrows()]
    alt = f"{len(table)} strategies by retrains and relative cost: {listing(told)}."
    draw = partial(_retrains, found, table)
    return Exhibit("cost-against-retrains", "Cost against retrains", draw, alt, lambda: frame)


def _retrains(found: Found, table: pd.DataFrame, paper: Paper) -> Drawing:
    figure, axes = paper.panel(
        4.4, "retrains, mean over settings", f"cost against {found.against or 'the baseline'}"
    )
    axes.set_xscale("symlog", linthresh=1, linscale=0.4)
    axes.set_yscale("log")
    own = found.settings.cells
    own = own[own["strategy"].isin(table.index) & (own["relative"] > 0)]
    few = own if len(own) <= 1500 else own.sample(1500, random_state=0)
    axes.plot(
        few["retrains"],
        few["relative"],
        "o",
        ms=2.6,
        mew=0,
        alpha=0.28,
        color=paper["soft"],
        zorder=1,
    )
    titles: dict[str, str] = {}
    names: dict[str, str] = {}
    order = sorted(enumerate(table.index), key=lambda item: item[1] in found.roles)
    for i, name in order:
        row = table.loc[name]
        colour = paper[found.roles.get(str(name), "soft")]
        style: dict[str, Any] = {"ms": 8, "mew": 1.4, "mec": paper["paper"], "mfc": colour}
        axes.plot(row["retrains"], row["relative"], "o", gid=f"point-{i}", zorder=3, **style)
        titles[f"point-{i}"] = (
            f"{i + 1}. {name}: {change(row['relative'])}, {number(row['retrains'], 1)} retrains"
        )
        names |= {f"point-{i}": str(name), f"name-{i}": str(name)}
    axes.axhline(1, color=paper["baseline"], linewidth=1, linestyle=(0, (4, 4)), zorder=0)
    _ratio_axis(axes, table["relative"], few["relative"])
    axes.xaxis.set_major_formatter(FuncFormatter(lambda value, _: number(value)))
    axes.xaxis.set_minor_locator(NullLocator())
    axes.set_xlim(-0.15, 1.6 * max(float(table["retrains"].max()), 1))
    at = table[["retrains", "relative"]].to_numpy(np.float64)
    point_labels.place(figure, axes, at, _labels(found, table, paper), paper)
    caption = (
        "Large points are strategies, on average over all settings; small ones are settings, a "
        "point for each strategy. Both axes are logarithmic; below the dashed line it costs less "
        "than the baseline."
    )
    if len(table) > FEW:
        caption += " Numbers are those of the table."
    return Drawing(caption, figure, titles, names)


def _labels(found: Found, table: pd.DataFrame, paper: Paper) -> list[Label]:
    width, many = (26, 9) if paper.wide else (14, 5)
    ordered = sorted(enumerate(table.index), key=lambda item: item[1] not in found.roles)
    labels = []
    for place, (i, name) in enumerate(ordered):
        named = place < many or len(table) <= FEW
        numbered = f"{i + 1} " if len(table) > FEW else ""
        colour = paper[found.roles.get(str(name), "ink")] if named else paper["soft"]
        text = f"{numbered}{shorten(str(name), width)}" if named else f"{i + 1}"
        labels.append(Label(i, text, colour, f"name-{i}", number=not named))
    return labels


def _ratio_axis(axes: Axes, means: pd.Series, points: pd.Series) -> None:
    """Limits that hold all means and most points, and ticks at plain percentages, well apart."""
    low, high = np.quantile(points, [0.02, 0.9])
    low, high = min(low, means.min(), 1.0), max(high, means.max(), 1.0)
    room = math.log(high / low) or 0.1
    axes.set_ylim(low * math.exp(-0.08 * room), high * math.exp(0.1 * room))
    low, high = axes.get_ylim()
    steps: tuple[float, ...]
    steps = (0.1, 0.2, 0.3, 0.4, 0.5, 0.6, 0.7, 0.8, 0.9, 1.0, 1.25, 1.5, 2, 3, 5, 10, 30, 100)
    if sum(low <= step <= high for step in steps) < 4:
        steps = tuple(t for t in MaxNLocator(6).tick_values(low, high) if t > 0)
    apart, ticks = math.log(high / low) / 11, [1.0]
    for step in sorted(steps, key=lambda step: abs(math.log(step))):
        if low <= step <= high and min(abs(math.log(step / tick)) for tick in ticks) >= apart:
            ticks.append(step)
    axes.set_yticks(ticks)
    axes.yaxis.set_major_formatter(PERCENT)
    axes.yaxis.set_minor_locator(NullLocator())


# --- two axes -------------------------------------------------------------------------------------


def map_of(found: Found, across: str, up: str) -> Exhibit | None:
    """Who costs least, or what is saved, at each pair of values of two axes."""
    settings = found.settings
    chosen = [key for key in (across, up) if key in settings.choices]
    frame = _pairs(found, across, up, bool(chosen))
    if frame is None or len(frame) < 3:
        return None
    values = settings.values
    size = len(values[across]) * len(values[up])
    whole = len(frame) >= _FILLED * size
    draw = partial(_grid if whole else _scatter, found, frame, (across, up))
    data = frame.assign(**{
        key: [shown(values[key][i]) for i in frame[key]] for key in (across, up)
    }).set_index([across, up])  # fmt: skip
    best = frame.nsmallest(3, "relative")
    told = [
        f"{across} {shown(values[across][int(r[across])])} and {up} "
        f"{shown(values[up][int(r[up])])} ({percent(r['relative'])})"
        for _, r in best.iterrows()
    ]
    what = "What is saved" if chosen else "Who costs least"
    alt = f"{what} by {across} and {up}; most at {listing(told)}."
    return Exhibit(f"map-{slug(across)}-{slug(up)}", f"{across} and {up}", draw, alt, lambda: data)


def _pairs(found: Found, across: str, up: str, chosen: bool) -> pd.DataFrame | None:
    """A row a pair of values: strategy of the least cost and what it costs, relative."""
    if chosen:
        points = found.points[0]
        if not {across, up} <= {*points.columns} or points["log"].isna().all():
            return None
        means = points.groupby([across, up])["log"].mean().map(math.exp)
        return means.rename("relative").reset_index().assign(strategy="")
    cells = found.settings.cells
    rows = []
    for (a, b), own in cells.groupby([across, up]):
        logs = np.log(own["relative"].where(own["relative"] > 0))
        often = own.groupby("strategy")["setting"].nunique()
        means = logs.groupby(own["strategy"]).mean()[often >= often.max() / 2]
        if means.notna().any():
            rows.append((a, b, math.exp(means.min()), str(means.idxmin())))
    return pd.DataFrame(rows, columns=pd.Index([across, up, "relative", "strategy"]))


def _grid(found: Found, frame: pd.DataFrame, keys: tuple[str, str], paper: Paper) -> Drawing:
    """Cells in the colour of the strategy that costs least, the stronger the more it saves."""
    if not paper.wide and len(_values(found, keys[0])) > len(_values(found, keys[1])):
        keys = keys[1], keys[0]
    across, up = keys
    columns, rows = _values(found, across)[:_COLUMNS], _values(found, up)[:_ROWS]
    height = 0.75 + max(0.28, min(0.52, 4.5 / len(rows))) * len(rows)
    figure, axes = paper.panel(min(height, 8.5), across, up)
    axes.grid(visible=False)
    saved = float(np.abs(np.log(frame["relative"])).max()) or 1.0
    titles, numbered = {}, {}
    numbers = {name: i for i, name in enumerate(names_of(found), start=1)}
    axes.set_xlim(-0.5, len(columns) - 0.5)
    axes.set_ylim(len(rows) - 0.5, -0.5)
    _ticks(axes, columns, rows, paper)
    width = 0.78 * paper.width / len(columns) / _CHARACTER
    lines = (height - 0.75) / len(rows) / _LINE
    places = frame[[across, up, "relative", "strategy"]].itertuples(index=False)
    for n, (x, y, ratio, name) in enumerate(places):
        if x >= len(columns) or y >= len(rows):
            continue
        strength = abs(math.log(ratio)) / saved
        role = found.roles.get(name, "soft") if name else "winner" if ratio < 1 else "baseline"
        alpha = _FAINTEST + (_DARKEST - _FAINTEST) * math.sqrt(strength)
        if name in found.settings.held:
            alpha = _HELD
        cell = Rectangle((x - 0.48, y - 0.46), 0.96, 0.92, linewidth=0, gid=f"cell-{n}")
        cell.set(facecolor=paper[role], alpha=alpha)
        axes.add_patch(cell)
        who = f"{name} {change(ratio)}" if name else change(ratio)
        titles[f"cell-{n}"] = f"{across} {shown(columns[x])}, {up} {shown(rows[y])}: {who}"
        text, used = _cell_text(name, ratio, width, lines, numbers.get(name, 0))
        if used:
            numbered[numbers[name]] = name
        style = {"ha": "center", "va": "center", "fontsize": paper.size(8), "color": paper["ink"]}
        note(axes, text, (x, y), (0, 0), linespacing=1.15, **style)
    return Drawing(_map_caption(found, frame, numbered, (columns, rows), keys), figure, titles)


def _cell_text(name: str, ratio: float, width: float, lines: float, place: int) -> tuple[str, bool]:
    """What fits into a cell, and whether it is a number that the caption must explain."""
    told = percent(ratio)
    fits = len(name) <= width or width >= 8
    if not name:
        return (told if width >= len(told) else ""), False
    if fits and lines >= 2 and width >= len(told):
        return f"{shorten(name, int(width))}\n{told}", False
    if fits and lines >= 1:
        return shorten(name, int(width)), False
    return (f"{place}", True) if width >= 2 and lines >= 0.9 else ("", False)


def _map_caption(
    found: Found,
    frame: pd.DataFrame,
    numbered: dict[int, str],
    shown_values: tuple[tuple[Any, ...], tuple[Any, ...]],
    keys: tuple[str, str],
) -> str:
    if not (frame["strategy"] != "").any():
        text = (
            "Cost against the baseline: blue is cheaper, the stronger the more; orange is dearer."
        )
    else:
        text = (
            "The strategy that costs least on average, and its cost against the baseline: "
            f"{found.colours(frame['strategy'])}; the stronger, the larger the difference."
        )
    if numbered:
        text += f" Numbers: {listing((f'{i} {n}' for i, n in sorted(numbered.items())), most=12)}."
    if len(frame) < len(_values(found, keys[0])) * len(_values(found, keys[1])):
        text += " Empty: no job is done there, or there is no ratio."
    for key, values in zip(keys, shown_values, strict=True):
        if (more := len(_values(found, key)) - len(values)) > 0:
            text += f" And {count(more, 'value')} more of {key}."
    return text


def _scatter(found: Found, frame: pd.DataFrame, keys: tuple[str, str], paper: Paper) -> Drawing:
    """Points where only some combinations were tried, in the colours of a grid."""
    figure, axes = paper.panel(4.2, *keys)
    paper.rules(axes, "x")
    places = []
    for key, axis in zip(keys, (axes.xaxis, axes.yaxis), strict=True):
        values = _values(found, key)
        if all(isinstance(v, (int, float)) and not isinstance(v, bool) for v in values):
            places.append([float(values[i]) for i in frame[key]])
            axis.set_major_locator(MaxNLocator(8 if paper.wide else 4))
        else:
            places.append([float(i) for i in frame[key]])
            most_of = 16 if paper.wide or axis is axes.yaxis else 8
            step = -(-len(values) // most_of)
            labels = told_apart([shown(value) for value in values], 16 if paper.wide else 10)
            axis.set_ticks([*range(len(values))[::step]], labels[::step])
            if axis is axes.xaxis:
                _turn(axes, labels[::step], paper)
    logs = np.log(frame["relative"])
    most, titles = float(np.abs(logs).max()) or 1.0, {}
    least = frame["relative"].idxmin()
    for n, (x, y, log, name) in enumerate(zip(*places, logs, frame["strategy"], strict=True)):
        role = found.roles.get(name, "soft") if name else "winner" if log < 0 else "baseline"
        alpha = _FAINTEST + (1 - _FAINTEST) * (abs(log) / most) ** 2
        best = frame.index[n] == least
        edge: dict[str, Any] = {
            "mec": paper["ink"] if best else paper[role],
            "mew": 2 if best else 0.6,
        }
        axes.plot(x, y, "o", ms=9, alpha=alpha, color=paper[role], gid=f"point-{n}", **edge)
        titles[f"point-{n}"] = f"{keys[0]} {_at(x)}, {keys[1]} {_at(y)}: {change(math.exp(log))}"
    axes.margins(0.05, 0.08)
    caption = (
        "Cost against the baseline of what was tried: blue is cheaper, the stronger the more, "
        "orange is dearer. The ring marks the cheapest."
    )
    return Drawing(caption, figure, titles)


def _values(found: Found, key: str) -> tuple[Any, ...]:
    return found.settings.values[key]


def _ticks(axes: Axes, columns: tuple[Any, ...], rows: tuple[Any, ...], paper: Paper) -> None:
    wide = 16 if paper.wide else 8
    labels = told_apart([shown(v) for v in columns], wide)
    axes.set_xticks(range(len(columns)), labels)
    _turn(axes, labels, paper)
    axes.set_yticks(range(len(rows)), told_apart([shown(v) for v in rows], wide + 2))
    paper.no_floor(axes)


def _turn(axes: Axes, labels: list[str], paper: Paper) -> None:
    """Names along the lower edge, slanted where there is no room for them side by side."""
    room = 90 if paper.wide else 34
    slanted = (max(map(len, labels)) + 2) * len(labels) >= room
    axes.tick_params(axis="x", rotation=45 if slanted else 0)


def _at(value: float) -> str:
    return f"{value:g}"


def slug(key: str) -> str:
    """A key as part of an id and of a file's name."""
    return "".join(c if c.isalnum() else "-" for c in key).strip("-").lower()
