"""The drawings of a search: promise and outcome, the front before and after, what matters."""

from functools import partial
from typing import Any

import numpy as np
import pandas as pd
from matplotlib.axes import Axes
from matplotlib.ticker import FuncFormatter, MaxNLocator
from numpy.typing import NDArray

from backtrain.datasets.calendar import Calendar
from backtrain.reports.exhibit import Exhibit
from backtrain.reports.figures import THOUSANDS
from backtrain.reports.numbers import Money, listing, number, percent, told_apart
from backtrain.reports.svg import Drawing, Paper
from backtrain.reports.units import currency, loss_axis, money_axis
from backtrain.search.proposals import front
from backtrain.search.result import Fold, Search

_COUNTS = ("retrains", "deployed", "rejected", "failed")
_PERCENT = FuncFormatter(lambda value, _: f"{number(100 * value)} %")
_WHOLE = FuncFormatter(lambda value, _: number(value))
#: Rows of the figure of promises; the table has all.
_MOST = 16


def exhibits(search: Search) -> dict[str, Exhibit]:
    """Every figure by what it shows; none of what has no data."""
    fold = search.folds[-1]
    made = {"promise": _promise_exhibit(search), "front": _front_exhibit(search, fold)}
    if search.importances:
        made["keys"] = _keys_exhibit(search)
    made["values"] = _values_exhibit(search, fold)
    return made


# --- promise and outcome --------------------------------------------------------------------------


def _promises(search: Search) -> pd.DataFrame:
    """Shares saved before and after: of what was judged, or of the choice of every step."""
    base = search.baseline
    if len(search.folds) > 1:
        rows = [
            (f"{n}. {f.chosen}", f.promised(f.chosen, base), f.kept(f.chosen, base), True)
            for n, f in enumerate(search.folds, 1)
        ]
    else:
        (fold,) = search.folds
        shown = fold.judged.index.intersection(fold.trials.index, sort=False)
        rows = [
            (str(n), fold.promised(n, base), fold.kept(n, base), n == fold.chosen) for n in shown
        ]
        rows = sorted(rows, key=lambda row: -row[1])
    columns = ["strategy", "promised", "kept", "chosen"]
    return pd.DataFrame(rows, columns=columns).set_index("strategy")


def _promise_exhibit(search: Search) -> Exhibit:
    frame = _promises(search)
    each = [f"{n} {percent(row['promised'])}, then {percent(row['kept'])}"
            for n, row in frame.iterrows()]  # fmt: skip
    alt = f"Saved share of the cost of {search.baseline}, promised and kept: {listing(each, 6)}."
    draw = partial(promise, search)
    return Exhibit("search-promise", "Promised and kept", draw, alt, lambda: _promises(search))


def promise(search: Search, paper: Paper) -> Drawing:
    """A line a strategy, from the share it promised to the one it kept."""
    frame = _promises(search)
    if len(frame) > _MOST:  # the chosen one stays
        places = np.arange(len(frame))
        frame = frame[(places < _MOST) | frame["chosen"].to_numpy()]
    axis = f"saved, of the cost of {search.baseline}"
    figure, axes = paper.panel(0.9 + 0.27 * len(frame), axis)
    paper.rules(axes, "x")
    axes.grid(axis="y", visible=False)
    titles = {}
    for y, (name, row) in enumerate(frame.iloc[::-1].iterrows()):
        colour = paper["winner"] if row["chosen"] else paper["soft"]
        axes.plot(
            [row["promised"], row["kept"]], [y, y], color=paper["faint"], linewidth=1.4, zorder=1
        )
        pale: dict[str, Any] = {"mec": colour, "mfc": paper["paper"], "alpha": 0.7}
        axes.plot(row["promised"], y, "o", ms=6, **pale)
        axes.plot(row["kept"], y, "o", ms=7.5, color=colour, gid=f"kept-{y}")
        titles[f"kept-{y}"] = (
            f"{name}: promised {percent(row['promised'])}, kept {percent(row['kept'])}"
        )
    names = told_apart([str(name) for name in frame.index[::-1]], 44 if paper.wide else 24)
    axes.set_yticks(range(len(frame)), names)
    axes.set_ylim(-0.6, len(frame) - 0.4)
    axes.axvline(0, color=paper["baseline"], linewidth=1.1)
    axes.xaxis.set_major_formatter(_PERCENT)
    axes.xaxis.set_major_locator(MaxNLocator(8 if paper.wide else 4))
    axes.margins(x=0.06)
    steps = len(search.folds) > 1
    caption = (
        "Hollow and pale: in sample, on the rows that were chosen on. Filled: out of sample, on "
        f"the rows after them. The upright line, at 0, is {search.baseline}. "
        + ("One row a step." if steps else "Blue is what was chosen.")
    )
    return Drawing(caption, figure, titles)


# --- the front ------------------------------------------------------------------------------------


def _axes_of(search: Search) -> tuple[str, str]:
    """What is drawn to the right, and what upwards."""
    if len(search.objectives) > 1:
        return search.objectives[1], search.objectives[0]
    only = search.objectives[0]
    return ("total", only) if only in _COUNTS else ("retrains", only)


def _label(what: str, search: Search) -> str:
    if what in _COUNTS:
        return what
    if what == "loss":
        return loss_axis("mean loss a row", search.info)
    return money_axis(
        {"total": "total cost", "error": "cost of errors"}.get(what, what), search.info
    )


def _front_exhibit(search: Search, fold: Fold) -> Exhibit:
    x, y = _axes_of(search)
    points = fold.judged[[x, y]]
    each = [f"{n} ({number(row[x])} {x}, {number(row[y])} {y})" for n, row in points.iterrows()]
    alt = f"{y} against {x}, where it was chosen and after; after: {listing(each, 6)}."
    title = "The front, in sample and out of sample"
    title = title if len(search.objectives) > 1 else "Before and after the choice"
    return Exhibit("search-front", title, partial(trials, search, fold), alt, search.table)


def trials(search: Search, fold: Fold, paper: Paper) -> Drawing:
    """All trials where they were chosen on, pale; those that were judged on later rows, strong."""
    x, y = _axes_of(search)
    figure, (before, after) = paper.pair(4.0)
    titles: dict[str, str] = {}
    for axes in (before, after):
        paper.calm(axes, _label(x, search), _label(y, search))
        paper.rules(axes, "x")
        axes.margins(0.08, 0.1)
        for axis, what in ((axes.xaxis, x), (axes.yaxis, y)):
            axis.set_major_locator(MaxNLocator(5, integer=what in _COUNTS))
            axis.set_major_formatter(_WHOLE if what in _COUNTS else THOUSANDS)
    whole = fold.trials[fold.trials["why"] == ""]
    shown = fold.judged.index.intersection(fold.trials.index, sort=False)
    before.plot(whole[x], whole[y], "o", ms=4, mfc="none", mec=paper["faint"], alpha=0.8)
    _line(before, whole.loc[shown], x, y, search, fold, 0.45, titles, "before", paper)
    _line(after, fold.judged.loc[shown], x, y, search, fold, 1.0, titles, "after", paper)
    spans = {"before": (before, fold.against), "after": (after, fold.judged)}
    for place, (axes, frame) in spans.items():
        row = _row(frame, search.baseline)
        alpha = 0.45 if place == "before" else 1.0
        style: dict[str, Any] = {"ms": 7.5, "color": paper["baseline"], "alpha": alpha}
        axes.plot(row[x], row[y], "D", gid=f"base-{place}", **style)
        titles[f"base-{place}"] = f"{search.baseline}: {number(row[x])} {x}, {number(row[y])} {y}"
    when = Calendar.of(search.info).day(fold.until)
    before.set_title(
        f"in sample: before {when}", loc="left", fontsize=paper.size(9.5), color=paper["soft"]
    )
    after.set_title(
        f"out of sample: from {when} on", loc="left", fontsize=paper.size(9.5), color=paper["soft"]
    )
    kind = "front" if len(search.objectives) > 1 else "best"
    caption = (
        "Each point is a strategy. Left, pale: where it was chosen, all trials, filled the "
        f"{kind}. Right, strong: the {kind} on the rows after that, which nothing was chosen by. "
        f"Blue is what was chosen, the diamond {search.baseline}."
        + (" The lines join what nothing beats there." if len(search.objectives) > 1 else "")
    )
    return Drawing(caption, figure, titles)


def _line(
    axes: Axes, points: pd.DataFrame, x: str, y: str, search: Search, fold: Fold,
    strength: float, titles: dict[str, str], place: str, paper: Paper,
) -> None:  # fmt: skip
    """The strategies that are judged on later rows; several objectives join them to a front."""
    money = Money.fit(points["total"], currency(search.info))
    if len(search.objectives) > 1:
        goals = points[list(search.objectives)].to_numpy().tolist()
        line = points[front(goals)].sort_values(x, kind="stable")
        axes.plot(line[x], line[y], color=paper["faint"], linewidth=1.2, zorder=1)
    for i, (name, row) in enumerate(points.iterrows()):
        chosen = name == fold.chosen
        colour, size = paper["winner" if chosen else "soft"], 8.5 if chosen else 6
        gid = f"{place}-{i}"
        axes.plot(row[x], row[y], "o", ms=size, color=colour, alpha=strength, gid=gid, zorder=3)
        titles[gid] = f"{name}: total {money(row['total'])}, {number(row['retrains'])} retrains"


# --- trial by trial -------------------------------------------------------------------------------


def by_trial(search: Search) -> Exhibit:
    """The first objective of every trial, in the order in which they were proposed."""
    objective, whole = search.objectives[0], search.folds[-1].trials
    alt = f"{objective} of {len(whole)} trials; the chosen one {number(whole[objective].min(), 2)}."
    return Exhibit(
        "search-trials", f"{objective} by trial", partial(_by_trial, search), alt, lambda: whole
    )


def _by_trial(search: Search, paper: Paper) -> Drawing:
    objective, fold = search.objectives[0], search.folds[-1]
    figure, axes = paper.panel(3.4, "trial", _label(objective, search))
    place = np.arange(1, len(fold.trials) + 1)
    values, chosen = fold.trials[objective].to_numpy(np.float64), fold.trials["chosen"].to_numpy()
    line = np.fmin.accumulate(values)
    axes.plot(place, values, "o", ms=5, mfc="none", mec=paper["soft"], alpha=0.7, label="trials")
    axes.step(place, line, where="post", color=paper["faint"], label="the least so far")
    axes.plot(place[chosen], values[chosen], "o", ms=8, color=paper["winner"], label="chosen")
    axes.axhline(
        fold.against[objective][search.baseline],
        color=paper["baseline"], linewidth=1.1, linestyle=(0, (4, 4)), label=search.baseline,
    )  # fmt: skip
    axes.xaxis.set_major_locator(MaxNLocator(8 if paper.wide else 4, integer=True))
    axes.yaxis.set_major_formatter(THOUSANDS)
    axes.legend()
    return Drawing("On the rows that were chosen on.", figure)


# --- what matters ---------------------------------------------------------------------------------


def _keys_exhibit(search: Search) -> Exhibit:
    def data() -> pd.DataFrame:
        return pd.DataFrame(search.importances).rename_axis("key")

    told = [f"{o}: {listing([f'{k} {percent(v)}' for k, v in keys.items()], 6)}"
            for o, keys in search.importances.items()]  # fmt: skip
    return Exhibit(
        "search-keys", "Which key decides", partial(keys, search), f"{'; '.join(told)}.", data
    )


def keys(search: Search, paper: Paper) -> Drawing:
    """How much of each objective every key decides."""
    frame = pd.DataFrame(search.importances)
    frame = frame.loc[frame.mean(axis=1).sort_values().index]
    objectives, height = list(frame), 0.8 / len(frame.columns)
    figure, axes = paper.panel(0.9 + 0.26 * len(frame) * len(objectives), "share that it decides")
    paper.rules(axes, "x")
    axes.grid(axis="y", visible=False)
    for place, objective in enumerate(objectives):
        at = np.arange(len(frame)) + ((len(objectives) - 1) / 2 - place) * height
        colour = paper[("winner", "runner", "drift", "baseline")[place % 4]]
        axes.barh(at, frame[objective], 0.85 * height, color=colour, label=objective)
    axes.set_yticks(range(len(frame)), told_apart(list(frame.index), 40 if paper.wide else 22))
    axes.set_xlim(0, 1)
    axes.xaxis.set_major_formatter(_PERCENT)
    if len(objectives) > 1:
        axes.legend(
            frameon=False, fontsize=paper.size(9), labelcolor=paper["soft"], loc="lower right"
        )
    caption = (
        "By PED-ANOVA over all trials: how much the values of a key set the best tenth of the "
        "trials apart from all. On the rows that were chosen on."
    )
    return Drawing(caption, figure)


def _values_exhibit(search: Search, fold: Fold) -> Exhibit:
    objective = search.objectives[0]
    alt = f"{objective} of every trial by the value of each key: {', '.join(search.space)}."
    draw = partial(values, search, fold)
    return Exhibit("search-values", f"{objective} by value", draw, alt, lambda: fold.trials)


def values(search: Search, fold: Fold, paper: Paper) -> Drawing:
    """Every trial by the value of each key."""
    objective, whole = search.objectives[0], fold.trials[fold.trials["why"] == ""]
    columns = min(len(search.space), 3) if paper.wide else 1
    rows = -(-len(search.space) // columns)
    figure, grid = paper.several(2.6 * rows, rows, columns, sharey=True)
    for axes, key in zip(grid, search.space, strict=False):
        at, ticks, unit = _positions(whole[key])
        paper.calm(axes, f"{key}, {unit}" if unit else key, "")
        chosen = whole["chosen"].to_numpy()
        axes.plot(at, whole[objective], "o", ms=5, mfc="none", mec=paper["soft"], alpha=0.6)
        axes.plot(at[chosen], whole[objective][chosen], "o", ms=8, color=paper["winner"])
        if ticks is not None:
            axes.set_xticks(range(len(ticks)), told_apart(ticks, 12))
            axes.margins(x=0.12)
        else:
            axes.xaxis.set_major_locator(MaxNLocator(5))
        axes.yaxis.set_major_formatter(THOUSANDS)
    grid[0].set_ylabel(_label(objective, search), color=paper["soft"], fontsize=paper.size(9))
    for axes in grid[len(search.space) :]:
        axes.set_visible(False)
    return Drawing(
        "Every trial on the rows that were chosen on, by the value of each key; blue was chosen.",
        figure,
    )


def _row(frame: pd.DataFrame, name: str) -> dict[str, Any]:
    """Its numbers."""
    return {str(key): value for key, value in frame.loc[name].items()}


def _positions(given: pd.Series) -> tuple[NDArray[np.float64], list[str] | None, str]:
    """Where values stand on an axis; what is written there, unless they are numbers; their unit."""
    if pd.api.types.is_numeric_dtype(given):
        return given.to_numpy(dtype=np.float64), None, ""
    texts = [str(one) for one in given]
    distinct = list(dict.fromkeys(texts))
    lengths = _lengths(distinct)
    if len(distinct) > 8 and lengths is not None:
        unit = "%" if texts[0].endswith("%") else "days"
        return np.array([lengths[one] for one in texts]), None, unit
    order = sorted(distinct, key=lambda one: (lengths or {}).get(one, 0.0))
    return np.array([float(order.index(one)) for one in texts]), order, ""


def _lengths(texts: list[str]) -> dict[str, float] | None:
    """Lengths of time in days; shares in per cent."""
    try:
        if all(one.endswith("%") for one in texts):
            return {one: float(one[:-1]) for one in texts}
        return {one: pd.Timedelta(one) / pd.Timedelta("1D") for one in texts}
    except ValueError:
        return None
