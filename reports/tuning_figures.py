"""The drawings of a tuning: rows, age of rows, age of models, intervals, the oracle, prices."""

from collections.abc import Callable, Sequence

import numpy as np
import pandas as pd
from matplotlib.axes import Axes
from numpy.typing import NDArray

from backtrain.lossmatrix.tuning import Ages, Fresh, Tuning
from backtrain.reports import price_map
from backtrain.reports.figures import THOUSANDS
from backtrain.reports.numbers import Money, count, duration, number, significant
from backtrain.reports.svg import COLOURS, FAINT, RULE, SOFT, Drawing, note, panel
from backtrain.reports.timeline import calendar, days, instants
from backtrain.reports.units import in_loss, in_money


def makers(tuning: Tuning) -> dict[str, Callable[[], Drawing]]:
    """What makes each drawing, in the order of the report."""
    return {
        "tune-intervals": lambda: intervals(tuning),
        "tune-prices": lambda: prices(tuning),
        "tune-rows": lambda: rows(tuning),
        "tune-old-rows": lambda: old_rows(tuning),
        "tune-staleness": lambda: staleness(tuning.ages),
        "tune-oracle": lambda: oracle(tuning),
    }


def intervals(tuning: Tuning) -> Drawing:
    """Cost of every interval with its phases, and what the oracle costs."""
    figure, axes = panel(9.2, 4.2, "interval between retrains", in_money("total cost", tuning.info))
    axes.yaxis.set_major_formatter(THOUSANDS)
    mean, judgement, titles = tuning.mean, tuning.judgement, {}
    money = Money.fit(mean)
    low, high = tuning.phases.T
    timed = np.flatnonzero(~tuning.never)  # never is no interval: no line leads to it
    axes.fill_between(timed, low[timed], high[timed], color=FAINT, alpha=0.35, linewidth=0)
    axes.plot(timed, mean[timed], color=SOFT, linewidth=1.2, zorder=2)
    for i, name in enumerate(tuning.labels):
        colour = COLOURS["winner"] if i in (tuning.advised, *judgement.alike) else SOFT
        fill = colour if judgement.judged[i] else COLOURS["paper"]
        size = 9 if i == tuning.advised else 6
        axes.plot(i, mean[i], "o", ms=size, mec=colour, mfc=fill, gid=f"interval-{i}", zorder=3)
        titles[f"interval-{i}"] = f"{name}: {money(mean[i])} ({money(low[i])} to {money(high[i])})"
    axes.axhline(tuning.oracle, color=COLOURS["runner"], linewidth=1.1, linestyle=(0, (4, 4)))
    edge = (len(mean) - 0.6, tuning.oracle)
    style = {"ha": "right", "va": "top", "fontsize": 8.5, "color": COLOURS["runner"]}
    note(axes, "oracle: known only afterwards", edge, (0, -4), **style)
    _named(axes, tuning.labels)
    _fit_height(axes, tuning)
    caption = (
        "Total cost by interval: the line is the mean over the phases at which it can start, the "
        "band reaches from the cheapest phase to the dearest. Blue points cannot be told from the "
        "best, the large one; hollow points are too long to be judged. The dashed line is the "
        "cheapest schedule that hindsight finds."
    )
    return Drawing("tune-intervals", caption, figure, titles)


def prices(tuning: Tuning) -> Drawing:
    """What would be advised where the prices of a retrain and of an error are others."""
    figure, axes = panel(
        9.2,
        4.4,
        in_money("price of one retrain", tuning.info),
        in_money("price of one unit of loss", tuning.info),
    )
    roles = {tuning.labels.index(tuning.baseline): "baseline", tuning.advised: "winner"}
    titles, numbers = price_map.draw(axes, tuning.prices, tuning.labels, roles)
    return Drawing("tune-prices", price_map.caption(numbers), figure, titles)


def rows(tuning: Tuning) -> Drawing:
    """Loss of fresh models by the number of rows they were trained on."""
    sizes, loss = tuning.sizes, in_loss("mean loss a row", tuning.info)
    figure, axes = panel(9.2, 3.6, "newest labelled rows trained on", loss)
    titles = _curve(axes, sizes, "newest", "winner")
    enough = tuning.enough(sizes)
    if enough is not None:
        axes.axvline(enough, color=SOFT, linewidth=1, linestyle=":")
    _named(axes, sizes.labels)
    caption = (
        f"Mean loss of models trained afresh at {count(sizes.loss.shape[1], 'point')} in time, on "
        "the rows up to the next point; the band holds the middle half of the points. Where fewer "
        "rows were known, all of them were taken. The dotted line is the smallest size that "
        "cannot be told from the best."
    )
    return Drawing("tune-rows", caption, figure, titles)


def old_rows(tuning: Tuning) -> Drawing:
    """Loss of fresh models by how far back they look, cut off or fading out."""
    old, loss = tuning.old, in_loss("mean loss a row", tuning.info)
    figure, axes = panel(9.2, 3.6, "length of the window, or half-life of the weights", loss)
    titles = _curve(axes, old, "newest", "winner")
    both = "half-life" in old.kinds
    if both:
        titles |= _curve(axes, old, "half-life", "runner", dashed=True)
    lengths = [name for kind, name in zip(old.kinds, old.labels, strict=True) if kind == "newest"]
    _named(axes, [*lengths, "all"])
    fading = " Green: all rows, each losing half its weight every half-life." if both else ""
    caption = (
        "The same points in time, by how old rows may be. Blue: only rows of the newest stretch."
        f"{fading} Both end at all rows with equal weights."
    )
    return Drawing("tune-old-rows", caption, figure, titles)


def staleness(ages: Ages) -> Drawing:
    """What models lose as they age."""
    figure, axes = panel(9.2, 3.6, "time since the model was trained", "loss above the freshest, %")
    worse, measured = worsening(ages)
    axes.axhline(0, color=FAINT, linewidth=1)
    axes.plot(measured, worse[measured], color=COLOURS["winner"], linewidth=1.8)
    titles = {}
    for i in measured.tolist():
        axes.plot(i, worse[i], "o", ms=5.5, color=COLOURS["winner"], gid=f"age-{i}")
        titles[f"age-{i}"] = (
            f"{age(ages, i)}: {number(worse[i], 1)} % worse, on {count(int(ages.rows[i]), 'row')}"
        )
    _named(axes, [_short(pd.Timedelta(int(edge))) for edge in ages.edges[:-1]])
    caption = (
        "Loss of a model by its age (each label begins a stretch that ends at the next), in per "
        "cent above the freshest model on the very same rows, so that hard seasons do not pass "
        "for age. The oldest ages rest on few models and on the end of the history only."
    )
    return Drawing("tune-staleness", caption, figure, titles)


def oracle(tuning: Tuning) -> Drawing:
    """When the oracle schedule trains, beside the best fixed interval."""
    figure, axes = panel(9.2, 1.7)
    axes.grid(visible=False)
    best, at = tuning.advised, tuning.candidates_at
    steps = int(tuning.intervals[best])
    regular = at[steps::steps]
    lines = (("winner", regular, tuning.labels[best]), ("runner", tuning.oracle_at, "oracle"))
    for y, (role, times, name) in enumerate(reversed(lines)):
        marks = axes.vlines(days(pd.DatetimeIndex(times)), y - 0.3, y + 0.3, linewidth=1.1)
        marks.set_color(COLOURS[role])
        style = {"ha": "right", "va": "center", "fontsize": 9, "color": COLOURS[role]}
        note(axes, name, (0, y), (-8, 0), xycoords=("axes fraction", "data"), **style)
    axes.set_yticks([])
    axes.set_ylim(-0.6, 1.6)
    axes.set_xlim(*days(instants([tuning.info["start"], tuning.info["end"]])))
    calendar(axes)
    caption = (
        "Every training of the best fixed interval (at phase 0), and of the schedule that "
        "hindsight finds: where its marks crowd, the model went stale quickly."
    )
    return Drawing("tune-oracle", caption, figure)


def worsening(ages: Ages) -> tuple[NDArray[np.float64], NDArray[np.intp]]:
    """Loss above the freshest model in per cent, by age; and at which ages it was measured."""
    with np.errstate(invalid="ignore", divide="ignore"):
        worse = 100 * ages.excess / ages.fresh
    return worse, np.flatnonzero(np.isfinite(worse))


def age(ages: Ages, index: int) -> str:
    """A bin of ages in words."""
    low, high = (duration(pd.Timedelta(int(edge))) for edge in ages.edges[index : index + 2])
    unit = low.split()[-1].rstrip("s")
    low = low.split()[0] if unit == high.split()[-1].rstrip("s") else low
    return f"below {high}" if index == 0 else f"{low} to {high}"


def _curve(axes: Axes, fresh: Fresh, kind: str, role: str, dashed: bool = False) -> dict[str, str]:
    """Mean and middle half of one kind of window, and of all rows at the end."""
    chosen = [i for i, own in enumerate(fresh.kinds) if own in (kind, "all") and fresh.usable[i]]
    first = [i for i, own in enumerate(fresh.kinds) if own in (kind, "all")]
    positions = np.array([first.index(i) for i in chosen], dtype=np.int64)
    low, high = np.nanquantile(fresh.loss[chosen], [0.25, 0.75], axis=1) if chosen else ([], [])
    axes.fill_between(positions, low, high, color=COLOURS[role], alpha=0.13, linewidth=0)
    style = (0, (4, 3)) if dashed else "-"
    axes.plot(positions, fresh.mean[chosen], color=COLOURS[role], linewidth=1.8, linestyle=style)
    titles = {}
    for x, i in zip(positions, chosen, strict=True):
        gid = f"{kind}-{i}"
        axes.plot(x, fresh.mean[i], "o", ms=5.5, color=COLOURS[role], gid=gid)
        titles[gid] = (
            f"{fresh.kinds[i]} {fresh.labels[i]}: mean loss {significant(fresh.mean[i])}, "
            f"on {count(round(float(fresh.rows[i].mean())), 'row')} on average"
        )
    return titles


def _fit_height(axes: Axes, tuning: Tuning) -> None:
    """Room for what trains at all; never training may cost a multiple, and is then written."""
    top = float(tuning.phases[~tuning.never].max())
    room = top - tuning.oracle or 1.0
    axes.set_ylim(tuning.oracle - 0.12 * room, top + 0.12 * room)
    for i in np.flatnonzero(tuning.never & (tuning.mean > top + 0.12 * room)).tolist():
        axes.annotate(
            f"{number(tuning.mean[i])} \N{UPWARDS ARROW}", (i, top + 0.1 * room),
            ha="center", va="top", fontsize=8.5, color=SOFT,
        )  # fmt: skip


def _named(axes: Axes, names: Sequence[str]) -> None:
    axes.set_xticks(range(len(names)), names)
    axes.tick_params(axis="x", rotation=0 if len(names) < 17 else 35)
    axes.set_xlim(-0.5, len(names) - 0.5)
    axes.grid(axis="x", color=RULE, linewidth=0.5)


def _short(length: pd.Timedelta) -> str:
    """A length of time in little room: "0", "36h", "7D"."""
    seconds = length.total_seconds()
    for unit, size in (("D", 86400), ("h", 3600), ("min", 60)):
        if seconds >= size:
            return f"{seconds / size:.3g}{unit}"
    return f"{seconds:.3g}s" if seconds else "0"
