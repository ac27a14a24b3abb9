"""The time line: rolling loss above, and below it when each strategy trained."""

from collections.abc import Iterable
from typing import Any

import matplotlib.dates as mdates
import numpy as np
import pandas as pd
from matplotlib.axes import Axes

from backtrain.reports.comparison import Comparison
from backtrain.reports.faulty import Fault, faults_of
from backtrain.reports.numbers import duration, shorten
from backtrain.reports.periods import Grid, trainings
from backtrain.reports.svg import COLOURS, FAINT, INK, SOFT, Drawing, blank, calm, note
from backtrain.reports.units import in_loss
from backtrain.simulator.record import Run

#: Points a line: more cannot be told apart at the width of a page.
POINTS = 360
#: How an outcome is drawn below the time line: colour role and height.
MARKS = {
    "deployed": ("ink", 0.36),
    "pending": ("soft", 0.36),
    "rejected": ("baseline", 0.2),
    "rolled back": ("bad", 0.36),
    "superseded": ("baseline", 0.2),
    "failed": ("bad", 0.2),
    "refused": ("soft", 0.1),
}
_AT_TOP: dict[str, Any] = {"xycoords": ("data", "axes fraction"), "va": "top", "fontsize": 8}


def draw(comparison: Comparison, baseline: str, roles: dict[str, str]) -> Drawing:
    """Rolling mean loss of every strategy and the marks of its trainings."""
    names = list(comparison.table(baseline).index)
    figure = blank(9.2, 3.3 + 0.24 * len(names))
    heights = (3.0, 0.24 * len(names) + 0.2)
    upper, lower = figure.subplots(2, 1, sharex=True, height_ratios=heights)
    grid = comparison.costs.grid
    window = rolling_window(grid, comparison.costs.needs.min())
    titles = _losses(upper, comparison, names, roles, window)
    titles |= _marks(lower, comparison, names, roles)
    _drifts(upper, lower, comparison.info.get("drift") or [])
    faults = faults_of(comparison)
    titles |= _faults(upper, lower, faults)
    lower.set_xlim(*days(instants([comparison.info["start"], comparison.info["end"]])))
    calendar(lower)
    caption = (
        f"Above: mean loss of the last {duration(grid.length * window)}. Below: every training; "
        "long marks were deployed, short orange ones rejected or superseded, red ones failed or "
        "rolled back, grey dots were refused before they began."
    )
    if faults:
        caption += " Shaded: while the data were wrong."
    return Drawing("time-line", caption, figure, titles)


def rolling_window(grid: Grid, season: int) -> int:
    """Periods a mean is taken over: a thirtieth of the history, in whole seasons."""
    season = max(1, int(season))
    return int(min(grid.count, season * max(1, round(grid.count / 30 / season))))


def rolling_loss(run: Run, grid: Grid, window: int) -> np.ndarray:
    """Mean loss a row over the last `window` periods, ``(T,)``; NaN where nothing was scored."""
    scored = run.predictions[run.predictions["loss"].notna()]
    weight = scored["weight"].to_numpy(np.float64)
    loss = grid.sums(scored["event_time"], scored["loss"].to_numpy(np.float64) * weight)
    rows = grid.sums(scored["event_time"], weight)
    sums = pd.DataFrame({"loss": loss, "rows": rows}).rolling(window, min_periods=window).sum()
    return np.asarray(sums["loss"] / sums["rows"].where(sums["rows"] > 0))


def _losses(
    axes: Axes, comparison: Comparison, names: list[str], roles: dict[str, str], window: int
) -> dict[str, str]:
    grid, titles, ends = comparison.costs.grid, {}, []
    calm(axes, "", in_loss("rolling mean loss", comparison.info))
    axes.spines["bottom"].set_visible(False)
    keep = np.unique(np.linspace(0, grid.count - 1, min(POINTS, grid.count)).astype(int))
    times = days((grid.starts() + grid.length)[keep])
    for i, name in sorted(enumerate(names), key=lambda item: item[1] in roles):
        values = rolling_loss(comparison.runs[name], grid, window)[keep]
        colour, width = (COLOURS[roles[name]], 1.8) if name in roles else (FAINT, 0.8)
        axes.plot(times, values, color=colour, linewidth=width, gid=f"loss-{i}")
        titles[f"loss-{i}"] = name
        ends += [float(values[np.isfinite(values)].max())] if np.isfinite(values).any() else []
    shown = [name for name in names if name in roles]
    for name in shown:
        axes.plot([], [], color=COLOURS[roles[name]], linewidth=1.8, label=shorten(name, 34))
    if len(names) > len(shown):
        axes.plot([], [], color=FAINT, linewidth=0.8, label="all others")
    axes.legend(
        loc="lower left", bbox_to_anchor=(0, 1.0), ncols=4, frameon=False, fontsize=8.5,
        labelcolor=INK, borderaxespad=0.2, handlelength=1.4,
    )  # fmt: skip
    return titles


def _marks(
    axes: Axes, comparison: Comparison, names: list[str], roles: dict[str, str]
) -> dict[str, str]:
    calm(axes)
    axes.grid(visible=False)
    titles = {}
    for i, name in enumerate(names):
        axes.axhline(i, color=COLOURS["rule"], linewidth=0.7, zorder=0)
        for outcome, group in _decisions(comparison.runs[name]).groupby("outcome"):
            role, height = MARKS.get(str(outcome), ("soft", 0.2))
            gid = f"marks-{i}-{str(outcome).replace(' ', '-')}"
            marks = axes.vlines(
                days(pd.DatetimeIndex(group["decided_at"])),
                i - height,
                i + height,
                color=COLOURS[role],
                linewidth=1,
            )
            marks.set_gid(gid)
            titles[gid] = f"{name}: {len(group)} {outcome}"
    axes.set_ylim(len(names) - 0.4, -0.6)
    axes.set_yticks(range(len(names)), [shorten(name, 24) for name in names])
    for name, label in zip(names, axes.get_yticklabels(), strict=True):
        label.set_color(COLOURS[roles[name]] if name in roles else SOFT)
    return titles


def _decisions(run: Run) -> pd.DataFrame:
    """Trainings by when they were decided, those that a gate refused among them."""
    refused = run.events.loc[run.events["kind"] == "refused", ["at", "kind"]]
    refused = refused.rename(columns={"at": "decided_at", "kind": "outcome"})
    return pd.concat([trainings(run)[["decided_at", "outcome"]], refused])


def _drifts(upper: Axes, lower: Axes, drifts: list[str]) -> None:
    """Dashed lines where the generator says that the world changed."""
    for k, at in enumerate(days(instants(drifts))):
        for axes in (upper, lower):
            axes.axvline(at, color=COLOURS["drift"], linewidth=0.9, linestyle=(0, (3, 3)))
        if k == 0:
            note(upper, "true drift", (at, 1), (4, -2), **_AT_TOP, color=COLOURS["drift"])


def _faults(upper: Axes, lower: Axes, faults: list[Fault]) -> dict[str, str]:
    """Shades of red while the data were wrong."""
    titles = {}
    for k, fault in enumerate(faults):
        start, stop = days(pd.DatetimeIndex([fault.start, fault.stop]))
        for name, axes in (("upper", upper), ("lower", lower)):
            axes.axvspan(
                start, stop, color=COLOURS["bad"], alpha=0.1, linewidth=0, gid=f"fault-{name}-{k}"
            )
            titles[f"fault-{name}-{k}"] = fault.title
        below = (4, -2 - 11 * k)
        note(upper, shorten(fault.name, 30), (start, 1), below, **_AT_TOP, color=COLOURS["bad"])
    return titles


def instants(texts: Iterable[str]) -> pd.DatetimeIndex:
    """Times of a record, which are written with a fraction of a second only where they have one."""
    return pd.DatetimeIndex([pd.Timestamp(text) for text in texts]).as_unit("ns")


def days(times: pd.DatetimeIndex) -> np.ndarray:
    """Times as matplotlib counts them: as numbers, no registered converter can change them."""
    return np.asarray((times - pd.Timestamp(0)) / pd.Timedelta(days=1), dtype=np.float64)


def calendar(axes: Axes) -> None:
    """Dates below the axis, the year written once."""
    # matplotlib.dates carries no type information
    locator = mdates.AutoDateLocator(minticks=4, maxticks=9)  # type: ignore[no-untyped-call]
    formatter = mdates.ConciseDateFormatter(locator)  # type: ignore[no-untyped-call]
    axes.xaxis.set_major_locator(locator)
    axes.xaxis.set_major_formatter(formatter)
    axes.xaxis.get_offset_text().set_color(SOFT)
