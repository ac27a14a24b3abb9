"""A loss matrix drawn: as a map, by age, by interval, its oracle, and luck."""

from __future__ import annotations

from collections.abc import Callable
from functools import partial
from typing import Any

import matplotlib as mpl
import matplotlib.dates as mdates
import numpy as np
import pandas as pd
from numpy.typing import NDArray

from backtrain.lossmatrix.curves import IntervalCurve, Oracle, Placebo, StalenessCurve
from backtrain.lossmatrix.matrix import LossMatrix
from backtrain.reports.exhibit import Exhibit
from backtrain.reports.figures import THOUSANDS
from backtrain.reports.numbers import Money, count, percent, price
from backtrain.reports.svg import Drawing, Paper
from backtrain.reports.timeline import calendar, days
from backtrain.reports.units import currency, loss_axis, money_axis
from backtrain.simulator.ledger import Prices

#: Rows and columns of a map: more cannot be told apart.
_CELLS = 160
#: Units of an age, largest first, in nanoseconds.
_UNITS = {"days": 86400e9, "hours": 3600e9, "minutes": 60e9, "seconds": 1e9}


def exhibits(matrix: LossMatrix) -> dict[str, Callable[[], Exhibit | None]]:
    """Every figure by what it shows."""
    return {
        "matrix": lambda: _map(matrix),
        "age": lambda: staleness(matrix.staleness_curve()),
        "intervals": lambda: intervals(matrix.interval_curve(), matrix.prices),
    }


# --- the map --------------------------------------------------------------------------------------


def _map(matrix: LossMatrix) -> Exhibit | None:
    shown = np.flatnonzero(matrix.serves)
    if not len(shown) or not matrix.segment_rows.any():
        return None
    shown = shown[np.unique(np.linspace(0, len(shown) - 1, _CELLS).astype(int))]
    alt = f"Mean loss of {count(len(matrix), 'model')} over time, a row a model."
    title = "Loss of every model at every age"
    return Exhibit("matrix", title, partial(_draw_map, matrix, shown), alt, matrix.to_frame)


def _draw_map(matrix: LossMatrix, shown: NDArray[np.intp], paper: Paper) -> Drawing:
    figure, axes = paper.panel(4.6, "", "model trained")
    edges, loss = _binned(matrix, shown)
    across = days(pd.DatetimeIndex(edges.astype("datetime64[ns]")), matrix.info)
    trained = days(pd.DatetimeIndex(matrix.decided_at[shown].astype("datetime64[ns]")), matrix.info)
    up = np.append(trained, across[-1])
    ends: dict[str, Any] = dict(
        zip(("vmin", "vmax"), np.nanquantile(loss, [0.02, 0.98]), strict=True)
    )
    mesh = axes.pcolormesh(
        across, up, loss, cmap=mpl.rcParams["image.cmap"], rasterized=True, **ends
    )
    axes.grid(visible=False)
    bar = figure.colorbar(mesh, ax=axes, pad=0.02)
    bar.set_label(loss_axis("mean loss a row", matrix.info))
    calendar(axes, paper)
    locator = mdates.AutoDateLocator(minticks=3, maxticks=7)  # type: ignore[no-untyped-call]
    axes.yaxis.set_major_locator(locator)
    axes.yaxis.set_major_formatter(mdates.ConciseDateFormatter(locator, show_offset=False))  # type: ignore[no-untyped-call]
    caption = "A row a model, from when it serves: along a row it ages. Empty: no rows."
    return Drawing(caption, figure)


def _binned(
    matrix: LossMatrix, shown: NDArray[np.intp]
) -> tuple[NDArray[np.int64], NDArray[np.float64]]:
    """Borders of stretches in nanoseconds, and the mean loss of each model in each, NaN before."""
    starts = matrix.borders[:-1]
    first = np.unique(np.linspace(0, len(starts), _CELLS, endpoint=False).astype(int))
    serving = starts >= matrix.in_force_at[shown][:, None]
    loss = np.add.reduceat(np.where(serving, matrix.loss[shown], 0.0), first, axis=1)
    rows = np.add.reduceat(np.where(serving, matrix.segment_rows, 0.0), first, axis=1)
    with np.errstate(invalid="ignore", divide="ignore"):
        return np.append(starts[first], matrix.borders[-1]), loss / np.where(rows > 0, rows, np.nan)


# --- by age, and by interval ----------------------------------------------------------------------


def staleness(curve: StalenessCurve) -> Exhibit | None:
    """What a row costs more as models age."""
    if not np.isfinite(curve.excess).any():
        return None
    alt = (
        f"Loss a row above that of the freshest model, over {count(len(curve.rows), 'bin')} of age."
    )
    return Exhibit("age", "Loss by age", partial(_draw_age, curve), alt, curve.to_frame)


def _draw_age(curve: StalenessCurve, paper: Paper) -> Drawing:
    unit, size = _unit(curve.age[-1])
    loss = loss_axis("loss a row above the freshest", curve.info)
    figure, axes = paper.panel(3.6, f"age of the model ({unit})", loss)
    ages, known = (curve.age[:-1] + curve.age[1:]) / 2 / size, np.isfinite(curve.excess)
    axes.axhline(0, color=paper["faint"], linewidth=1)
    axes.plot(ages[known], curve.excess[known], "o-", ms=5, color=paper["winner"], linewidth=1.8)
    axes.set_xlim(left=0)
    return Drawing("On the very rows that the freshest model answered, too.", figure)


def intervals(curve: IntervalCurve, prices: Prices) -> Exhibit:
    """The cost of every interval: mean over its phases, the cheapest and the dearest of them."""
    best = count(int(curve.intervals[curve.best(prices)]), "tick")
    alt = f"Cost by interval; on average cheapest every {best}."
    draw = partial(_draw_intervals, curve, prices)
    return Exhibit("intervals", "Cost by interval", draw, alt, partial(curve.to_frame, prices))


def _draw_intervals(curve: IntervalCurve, prices: Prices, paper: Paper) -> Drawing:
    cost = money_axis("total cost", curve.info)
    figure, axes = paper.panel(3.6, "ticks between retrains", cost)
    mean, low, high = curve.cost(prices)
    best = curve.best(prices)
    axes.fill_between(curve.intervals, low, high, color=paper["soft"], alpha=0.2, linewidth=0,
                      label="cheapest to dearest phase")  # fmt: skip
    axes.plot(curve.intervals, mean, "o-", ms=4, color=paper["soft"], linewidth=1.4, label="mean")
    axes.plot(curve.intervals[best], mean[best], "o", ms=9, color=paper["winner"], label="cheapest")
    axes.set_xscale("log")
    axes.xaxis.set_major_formatter(lambda value, _: price(value))
    axes.minorticks_off()
    axes.yaxis.set_major_formatter(THOUSANDS)
    axes.legend()
    return Drawing("Mean over phases, and the band of these.", figure)


# --- the oracle, and luck -------------------------------------------------------------------------


def oracle(found: Oracle) -> Exhibit:
    """When it trains: the time since it last did."""
    money = Money.fit([found.cost], currency(found.info))
    told = f"{count(found.retrains, 'training')}, {money(found.cost)}"
    alt = f"The oracle: {told}."
    title = f"The oracle's schedule: {told}"
    return Exhibit("oracle", title, partial(_draw_oracle, found), alt, found.to_frame)


def _draw_oracle(found: Oracle, paper: Paper) -> Drawing:
    trained, (first, last) = found.decided_at.to_numpy(), found.span.to_numpy()
    starts, ends = np.append(first, trained), np.append(trained, last)
    gaps = (ends - starts).astype(np.int64)
    unit, size = _unit(float(gaps.max()))
    figure, axes = paper.panel(2.4, "", f"since the last training ({unit})")
    at = days(pd.DatetimeIndex(np.column_stack([starts, ends]).ravel()), found.info)
    height = np.column_stack([np.zeros(len(gaps)), gaps / size]).ravel()
    axes.plot(at, height, color=paper["runner"], linewidth=1.4)
    axes.plot(at[2::2], height[2::2], "o", ms=4, color=paper["runner"])
    axes.set_ylim(bottom=0)
    axes.set_xlim(at[0], at[-1])
    calendar(axes, paper)
    return Drawing("A dot a training.", figure)


def placebo(luck: Placebo, cost: float | None, prices: Prices) -> Exhibit | None:
    """Costs of as many trainings at random, and evenly spaced, beside what is held against them."""
    if not len(luck.random.loss):
        return None
    alt = f"Costs of {count(len(luck.random.loss), 'random schedule')}."
    draw, data = partial(_draw_placebo, luck, cost, prices), partial(luck.to_frame, prices)
    trained = count(int(luck.random.retrains[0]), "training")
    return Exhibit("placebo", f"What luck pays with {trained}", draw, alt, data)


def _draw_placebo(luck: Placebo, cost: float | None, prices: Prices, paper: Paper) -> Drawing:
    figure, axes = paper.panel(3.2, money_axis("total cost", luck.info), "random schedules")
    even, random = luck.even.cost(prices), luck.random.cost(prices)
    axes.hist(random, bins="auto", color=paper["faint"], label="at random")
    for k, one in enumerate(even):
        axes.axvline(one, 0, 0.08, color=paper["runner"], label="" if k else "evenly spaced")
    if cost is not None:
        dearer = luck.percentile(cost, prices)[1]
        label = f"this schedule: {percent(dearer)} of luck costs more"
        axes.axvline(cost, color=paper["winner"], linewidth=2, label=label)
    axes.xaxis.set_major_formatter(THOUSANDS)
    axes.legend()
    return Drawing("Every schedule trains as often.", figure)


def _unit(nanoseconds: float) -> tuple[str, float]:
    """In what a length of time is counted, and nanoseconds of one."""
    return next(pair for pair in _UNITS.items() if nanoseconds >= 3 * pair[1] or pair[1] == 1e9)
