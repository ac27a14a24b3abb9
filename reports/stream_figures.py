"""A history over time: the target, how late labels come, true drift, and faults."""

from __future__ import annotations

from collections.abc import Callable
from functools import partial
from typing import Any

import numpy as np
import pandas as pd
from matplotlib.axes import Axes
from matplotlib.ticker import FuncFormatter

from backtrain.datasets.digits import digits
from backtrain.datasets.labels import kind_of
from backtrain.datasets.stream import Stream
from backtrain.reports.exhibit import Exhibit
from backtrain.reports.faulty import Fault
from backtrain.reports.numbers import shorten
from backtrain.reports.svg import Drawing, Paper
from backtrain.reports.timeline import calendar, days, drifts, shade

#: Periods that are tried, shortest first: their names, pandas' code, and days; and how many do.
_PERIODS = (
    ("hour", "h", 1 / 24),
    ("day", "D", 1.0),
    ("week", "W", 7.0),
    ("month", "M", 30.0),
    ("quarter", "Q", 91.0),
    ("year", "Y", 365.0),
)
_MOST = 160
#: Classes with a line each, and their roles.
_ROLES = ("winner", "baseline", "runner", "bad", "drift", "soft")
#: Units of a delay, largest first, in seconds.
_UNITS = {"days": 86400.0, "hours": 3600.0, "minutes": 60.0, "seconds": 1.0}
_PERCENT = FuncFormatter(lambda share, _: f"{digits(100 * share)} %")


def exhibits(stream: Stream) -> dict[str, Callable[[], Exhibit | None]]:
    """Every figure by what it shows."""
    return {
        "history": lambda: _exhibit(stream, [_target, _delay] if _late(stream) else [_target]),
        "target": lambda: _exhibit(stream, [_target]),
        "delay": lambda: _exhibit(stream, [_delay]) if _late(stream) else None,
    }


Part = Callable[[Axes, Stream, pd.Series, str, Paper], None]


def _exhibit(stream: Stream, parts: list[Part]) -> Exhibit:
    name = f"{stream.name} over time"
    return Exhibit("stream", name, partial(_draw, stream, parts), f"{name}, {len(stream)} rows.")


def _late(stream: Stream) -> bool:
    """Whether any label comes later than its row."""
    return bool((stream.label_time > stream.event_time).any())


def _draw(stream: Stream, parts: list[Part], paper: Paper) -> Drawing:
    record: dict[str, Any] = {
        "stream": {"timezone": stream.timezone},
        "drift": [when.isoformat() for when in stream.drift],
    }
    when, unit = _periods(stream)
    ratios = (2.0, 1.0)[: len(parts)]
    height, shared = 3.4 + 1.2 * (len(parts) - 1), len(parts) > 1
    figure, plots = paper.several(height, len(parts), sharex=shared, height_ratios=ratios)
    for axes, part in zip(plots, parts, strict=True):
        part(axes, stream, when, unit, paper)
    faults = [Fault(*fault, stream.calendar) for fault in stream.faults]
    drifts(plots, record, paper)
    titles = shade(plots, faults, record, paper)
    plots[-1].set_xlim(*days(pd.DatetimeIndex(stream.event_time[[0, -1]]), record))
    calendar(plots[-1], paper)
    return Drawing(f"By {unit}.", figure, titles)


def _periods(stream: Stream) -> tuple[pd.Series, str]:
    """The local middle of each row's period as matplotlib counts days, and what a period is."""
    local = pd.DatetimeIndex(stream.calendar.local(stream.event_time)).as_unit("ns")
    length = local[-1] - local[0]
    unit, code = next(
        (pair[:2] for pair in _PERIODS if length <= _MOST * pd.Timedelta(days=pair[2])),
        _PERIODS[-1][:2],
    )
    at = pd.Series((local - pd.Timestamp(0)) / pd.Timedelta(days=1))
    return at.groupby(local.to_period(code)).transform("mean"), unit


def _target(axes: Axes, stream: Stream, when: pd.Series, unit: str, paper: Paper) -> None:
    """Its mean and the middle 80 % of rows; of classes the share of each."""
    known = ~pd.isna(stream.y)
    labels = pd.Series(stream.y[known])
    at = when[known].to_numpy()
    if kind_of(stream.y[known]).task == "classification":
        paper.calm(axes, "", f"share of rows, by {unit}")  # the legend says with which label
        axes.yaxis.set_major_formatter(_PERCENT)
        classes = labels.value_counts(sort=True).index[: len(_ROLES)].tolist()
        chosen = classes if labels.nunique() > 2 else [max(classes, key=str)]
        for name, role in zip(chosen, _ROLES, strict=False):
            share = (labels == name).groupby(at).mean()
            label = shorten(f"{stream.target} = {name}")
            axes.plot(share.index, share, color=paper[role], linewidth=1.6, label=label)
        paper.legend_above(axes, 4 if paper.wide else 2)
        return
    paper.calm(axes, "", f"{stream.target}, by {unit}")
    by = labels.astype(np.float64).groupby(at)
    low, mean, high = by.quantile(0.1), by.mean(), by.quantile(0.9)
    axes.fill_between(mean.index, low, high, color=paper["winner"], alpha=0.18, linewidth=0,
                      label="middle 80 % of rows")  # fmt: skip
    axes.plot(mean.index, mean, color=paper["winner"], linewidth=1.6, label="mean")
    paper.legend_above(axes, 2)


def _delay(axes: Axes, stream: Stream, when: pd.Series, unit: str, paper: Paper) -> None:
    """Until half of the labels were known, and 95 %, of those that ever were."""
    arrives = ~np.isnat(stream.label_time)
    seconds = (stream.label_time - stream.event_time)[arrives].astype(np.int64) / 1e9
    most = float(np.quantile(seconds, 0.95)) or float(seconds.max())
    name, size = next(pair for pair in _UNITS.items() if most >= pair[1] or pair[1] == 1.0)
    by = pd.Series(seconds / size).groupby(when[arrives].to_numpy())
    paper.calm(axes, "", f"label delay ({name})")
    for share, role, label in ((0.95, "baseline", "95 % known"), (0.5, "soft", "half known")):
        line = by.quantile(share)
        axes.plot(line.index, line, color=paper[role], linewidth=1.3, label=label)
    axes.set_ylim(0, 1.25 * axes.get_ylim()[1])
    paper.legend_above(axes, 2)
