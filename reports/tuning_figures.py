"""The drawings of a tuning: rows, age of rows, age of models, intervals, the oracle, prices."""

from collections.abc import Callable, Sequence
from functools import partial

import numpy as np
import pandas as pd
from matplotlib.axes import Axes
from numpy.typing import NDArray

from backtrain.datasets.digits import digits
from backtrain.lossmatrix.tuning import Ages, Fresh, Tuning
from backtrain.reports import price_map
from backtrain.reports.exhibit import Exhibit
from backtrain.reports.figures import THOUSANDS
from backtrain.reports.numbers import Money, count, duration, listing, number, significant
from backtrain.reports.svg import Drawing, Paper, note
from backtrain.reports.timeline import calendar, days, instants
from backtrain.reports.units import currency, loss_axis, money_axis


def exhibits(tuning: Tuning) -> dict[str, Exhibit]:
    """Every figure by what it shows, in the order of the report; none of what has no data."""
    made = {"intervals": _intervals_exhibit(tuning)}
    coloured = roles(tuning)
    if (next_best := tuning.decision.runner_up) in tuning.labels:
        coloured.setdefault(tuning.labels.index(next_best), "runner")
    if prices := price_map.exhibit(tuning.prices, tuning.labels, coloured, tuning.info):
        made["prices"] = prices
    for name, fresh, draw in (("rows", tuning.sizes, rows), ("old-rows", tuning.old, old_rows)):
        if fresh.best is not None:
            made[name] = _fresh_exhibit(f"tune-{name}", tuning, fresh, partial(draw, tuning))
    if len(worsening(tuning.ages)[1]) > 1:
        made["staleness"] = _staleness_exhibit(tuning.ages)
    if len(tuning.oracle_at) or len(_regular(tuning)):
        made["oracle"] = _oracle_exhibit(tuning)
    return made


def roles(tuning: Tuning) -> dict[int, str]:
    """The options with a colour of their own, by position."""
    return {tuning.labels.index(tuning.baseline): "baseline", tuning.advised: "winner"}


# --- how often ------------------------------------------------------------------------------------


def _intervals_exhibit(tuning: Tuning) -> Exhibit:
    expected = [option.cost for option in tuning.options]
    money = Money.fit(expected, currency(tuning.info))
    each = (f"{name} {money(cost)}" for name, cost in zip(tuning.labels, expected, strict=True))
    alt = f"Expected cost by interval: {listing(each, most=8)}; the oracle {money(tuning.oracle)}."
    draw = partial(intervals, tuning)
    return Exhibit("tune-intervals", "Cost by interval", draw, alt, tuning.summary)


def intervals(tuning: Tuning, paper: Paper) -> Drawing:
    """Expected cost of every interval, what its phases cost here, and what the oracle costs."""
    figure, axes = paper.panel(
        4.2, "interval between retrains", money_axis("total cost", tuning.info)
    )
    axes.yaxis.set_major_formatter(THOUSANDS)
    expected = np.array([option.cost for option in tuning.options])
    judgement, money, titles = tuning.judgement, Money.fit(tuning.mean), {}
    low, high = tuning.phases.T
    timed = np.flatnonzero(~tuning.never)  # never is no interval: no line leads to it
    axes.fill_between(timed, low[timed], high[timed], color=paper["faint"], alpha=0.35, linewidth=0)
    axes.plot(timed, expected[timed], color=paper["soft"], linewidth=1.2, zorder=2)
    top = _fit_height(axes, tuning, expected)
    for i, name in enumerate(tuning.labels):
        colour = paper["winner"] if i in (tuning.advised, *judgement.alike) else paper["soft"]
        fill = colour if judgement.judged[i] else paper["paper"]
        size = 9 if i == tuning.advised else 6
        axes.plot(i, expected[i], "o", ms=size, mec=colour, mfc=fill, gid=f"interval-{i}", zorder=3)
        titles[f"interval-{i}"] = (
            f"{name}: expected {money(expected[i])}, here {money(low[i])} to {money(high[i])}"
        )
        if expected[i] > top:
            text = f"{number(expected[i])} \N{UPWARDS ARROW}"
            note(
                axes,
                text,
                (i, top),
                (0, -4),
                ha="center",
                va="top",
                fontsize=paper.size(8.5),
                color=paper["soft"],
            )
    axes.axhline(tuning.oracle, color=paper["runner"], linewidth=1.1, linestyle=(0, (4, 4)))
    edge = (len(expected) - 0.6, tuning.oracle)
    style = {"ha": "right", "va": "top", "fontsize": paper.size(8.5), "color": paper["runner"]}
    note(axes, "oracle: known only afterwards", edge, (0, -4), **style)
    _named(axes, tuning.labels, paper)
    caption = (
        "Points are expected costs: means over phases, starts and windows. The band is what the "
        "cheapest and the dearest phase cost on this history. The large point is advised; from it, "
        "blue ones cannot be told on this history, and hollow ones are too long to be. The dashed "
        "line is the cheapest schedule that hindsight finds."
    )
    return Drawing(caption, figure, titles)


# --- on what --------------------------------------------------------------------------------------


def _fresh_exhibit(
    name: str, tuning: Tuning, fresh: Fresh, draw: Callable[[Paper], Drawing]
) -> Exhibit:
    each = [
        f"{kind} {label} {significant(mean)}"
        for kind, label, mean in zip(fresh.kinds, fresh.labels, fresh.mean, strict=True)
        if np.isfinite(mean)
    ]

    def data() -> pd.DataFrame:
        means = {"rows": fresh.rows.mean(axis=1), "mean_loss": fresh.mean}
        low, high = fresh.above_best
        above = {"above_best_low": low, "above_best_high": high}
        above["money_above_tuned"] = tuning.above_tuned(fresh)
        return pd.DataFrame({"kind": fresh.kinds, "size": fresh.labels, **means, **above})

    alt = f"Mean loss of fresh models: {listing(each, most=8)}."
    return Exhibit(name, "Loss of fresh models", draw, alt, data)


def rows(tuning: Tuning, paper: Paper) -> Drawing:
    """Loss of fresh models by the number of rows they were trained on."""
    sizes, loss = tuning.sizes, loss_axis("mean loss a row", tuning.info)
    figure, axes = paper.panel(3.6, "newest labelled rows trained on", loss)
    titles = _curve(axes, paper, sizes, "newest", "winner")
    enough = tuning.enough(sizes)
    if enough is not None:
        axes.axvline(enough, color=paper["soft"], linewidth=1, linestyle=":")
    _named(axes, sizes.labels, paper)
    caption = (
        f"Mean loss of models trained afresh at {count(sizes.loss.shape[1], 'point')} in time, on "
        "the rows up to the next point; the band holds the middle half of the points. Where fewer "
        "rows were known, all of them were taken. Left of the dotted line rows are too few: they "
        "cost more than the advice is about."
    )
    return Drawing(caption, figure, titles)


def old_rows(tuning: Tuning, paper: Paper) -> Drawing:
    """Loss of fresh models by how far back they look, cut off or fading out."""
    old, loss = tuning.old, loss_axis("mean loss a row", tuning.info)
    figure, axes = paper.panel(3.6, "length of the window, or half-life of the weights", loss)
    titles = _curve(axes, paper, old, "newest", "winner")
    both = "half-life" in old.kinds
    if both:
        titles |= _curve(axes, paper, old, "half-life", "runner", dashed=True)
    lengths = [name for kind, name in zip(old.kinds, old.labels, strict=True) if kind == "newest"]
    _named(axes, [*lengths, "all"], paper)
    fading = " Green: all rows, each losing half its weight every half-life." if both else ""
    caption = (
        "The same points in time, by how old rows may be. Blue: only rows of the newest stretch."
        f"{fading} Both end at all rows with equal weights."
    )
    return Drawing(caption, figure, titles)


# --- how models age -------------------------------------------------------------------------------


def _staleness_exhibit(ages: Ages) -> Exhibit:
    worse, measured = worsening(ages)
    each = [f"{number(worse[i], 1)} % at {age(ages, i)}" for i in measured.tolist()]

    def data() -> pd.DataFrame:
        index = pd.Index([age(ages, i) for i in range(len(worse))], name="age")
        return pd.DataFrame({"worse_percent": worse, "rows": ages.rows}, index=index)

    alt = f"Loss above that of the freshest model, by age: {listing(each, most=8)}."
    return Exhibit("tune-staleness", "Loss by age", partial(staleness, ages), alt, data)


def staleness(ages: Ages, paper: Paper) -> Drawing:
    """What models lose as they age."""
    figure, axes = paper.panel(
        3.6, "time since the model was trained", "loss above the freshest, %"
    )
    worse, measured = worsening(ages)
    axes.axhline(0, color=paper["faint"], linewidth=1)
    axes.plot(measured, worse[measured], color=paper["winner"], linewidth=1.8)
    titles = {}
    for i in measured.tolist():
        axes.plot(i, worse[i], "o", ms=5.5, color=paper["winner"], gid=f"age-{i}")
        titles[f"age-{i}"] = (
            f"{age(ages, i)}: {number(worse[i], 1)} % worse, on {count(int(ages.rows[i]), 'row')}"
        )
    _named(axes, [_short(pd.Timedelta(int(edge))) for edge in ages.edges[:-1]], paper)
    caption = (
        "Loss of a model by its age (each label begins a stretch that ends at the next), in per "
        "cent above the freshest model on the very same rows, so that hard seasons do not pass "
        "for age. The oldest ages rest on few models and on the end of the history only."
    )
    return Drawing(caption, figure, titles)


# --- the oracle -----------------------------------------------------------------------------------


def _oracle_exhibit(tuning: Tuning) -> Exhibit:
    name, often, hindsight = tuning.labels[tuning.advised], _regular(tuning), tuning.oracle_at
    alt = f"{name} trains {len(often)} times, the oracle {len(hindsight)} times; a mark each."

    def data() -> pd.DataFrame:
        parts = [
            pd.DataFrame({"schedule": who, "trained": pd.DatetimeIndex(at)})
            for who, at in ((name, often), ("oracle", hindsight))
        ]
        return pd.concat(parts).set_index("schedule")

    return Exhibit("tune-oracle", "When it trains", partial(oracle, tuning), alt, data)


def _regular(tuning: Tuning) -> NDArray[np.datetime64]:
    """When the advised schedule trains."""
    steps = int(tuning.intervals[tuning.advised])
    return tuning.candidates_at[steps::steps]


def oracle(tuning: Tuning, paper: Paper) -> Drawing:
    """When the oracle schedule trains, beside the advised one."""
    figure, axes = paper.panel(1.7)
    axes.grid(visible=False)
    advised = tuning.labels[tuning.advised]
    lines = (("winner", _regular(tuning), advised), ("runner", tuning.oracle_at, "oracle"))
    for y, (role, times, name) in enumerate(reversed(lines)):
        marks = axes.vlines(
            days(pd.DatetimeIndex(times), tuning.info), y - 0.3, y + 0.3, linewidth=1.1
        )
        marks.set_color(paper[role])
        style = {"ha": "right", "va": "center", "fontsize": paper.size(9), "color": paper[role]}
        note(axes, name, (0, y), (-8, 0), xycoords=("axes fraction", "data"), **style)
    axes.set_yticks([])
    axes.set_ylim(-0.6, 1.6)
    axes.set_xlim(*days(instants([tuning.info["start"], tuning.info["end"]]), tuning.info))
    calendar(axes, paper)
    caption = (
        "Every training of what is advised (at phase 0), and of the schedule that "
        "hindsight finds: where its marks crowd, the model went stale quickly."
    )
    return Drawing(caption, figure)


def worsening(ages: Ages) -> tuple[NDArray[np.float64], NDArray[np.intp]]:
    """Loss above the freshest model in per cent, by age; and at which ages it was measured."""
    with np.errstate(invalid="ignore", divide="ignore"):
        worse = 100 * ages.excess / np.abs(ages.fresh)
    return worse, np.flatnonzero(np.isfinite(worse))


def age(ages: Ages, index: int) -> str:
    """A bin of ages in words."""
    low, high = (duration(pd.Timedelta(int(edge))) for edge in ages.edges[index : index + 2])
    unit = low.split()[-1].rstrip("s")
    low = low.split()[0] if unit == high.split()[-1].rstrip("s") else low
    return f"below {high}" if index == 0 else f"{low} to {high}"


def _curve(
    axes: Axes, paper: Paper, fresh: Fresh, kind: str, role: str, dashed: bool = False
) -> dict[str, str]:
    """Mean and middle half of one kind of window, and of all rows at the end."""
    chosen = [i for i, own in enumerate(fresh.kinds) if own in (kind, "all") and fresh.usable[i]]
    first = [i for i, own in enumerate(fresh.kinds) if own in (kind, "all")]
    positions = np.array([first.index(i) for i in chosen], dtype=np.int64)
    low, high = np.nanquantile(fresh.loss[chosen], [0.25, 0.75], axis=1) if chosen else ([], [])
    axes.fill_between(positions, low, high, color=paper[role], alpha=0.13, linewidth=0)
    style = (0, (4, 3)) if dashed else "-"
    axes.plot(positions, fresh.mean[chosen], color=paper[role], linewidth=1.8, linestyle=style)
    titles = {}
    for x, i in zip(positions, chosen, strict=True):
        gid = f"{kind}-{i}"
        axes.plot(x, fresh.mean[i], "o", ms=5.5, color=paper[role], gid=gid)
        titles[gid] = (
            f"{fresh.kinds[i]} {fresh.labels[i]}: mean loss {significant(fresh.mean[i])}, "
            f"on {count(round(float(fresh.rows[i].mean())), 'row')} on average"
        )
    return titles


def _fit_height(axes: Axes, tuning: Tuning, expected: NDArray[np.float64]) -> float:
    """Room for what trains at all; never training may cost a multiple. Returns the upper end."""
    timed = ~tuning.never
    shown = np.append(tuning.phases[timed].ravel(), [*expected[timed], expected[tuning.advised]])
    low = min(tuning.oracle, float(shown.min()))
    room = float(shown.max()) - low or 1.0
    axes.set_ylim(low - 0.12 * room, float(shown.max()) + 0.12 * room)
    return float(shown.max()) + 0.12 * room


def _named(axes: Axes, names: Sequence[str], paper: Paper) -> None:
    axes.set_xticks(range(len(names)), names)
    room = 90 if paper.wide else 34  # characters along the axis, blanks between names counted
    axes.tick_params(axis="x", rotation=0 if sum(len(n) + 2 for n in names) < room else 45)
    axes.set_xlim(-0.5, len(names) - 0.5)
    paper.rules(axes, "x", 0.5)


def _short(length: pd.Timedelta) -> str:
    """A length of time in little room: "0", "36h", "7D"."""
    seconds = length.total_seconds()
    for unit, size in (("D", 86400), ("h", 3600), ("min", 60)):
        if seconds >= size:
            return f"{digits(seconds / size, 3)}{unit}"
    return f"{digits(seconds, 3)}s" if seconds else "0"
