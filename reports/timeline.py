"""The time line: rolling loss above, and below it when each strategy trained."""

from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass
from functools import cached_property
from typing import Any

import matplotlib.dates as mdates
import numpy as np
import pandas as pd
from matplotlib.axes import Axes

from backtrain.datasets.calendar import Calendar
from backtrain.reports.comparison import Comparison
from backtrain.reports.exhibit import Exhibit
from backtrain.reports.faulty import Fault, faults_of
from backtrain.reports.numbers import duration, listing, shorten
from backtrain.reports.periods import Grid, trainings
from backtrain.reports.point_labels import FEW
from backtrain.reports.svg import Drawing, Paper, note
from backtrain.reports.units import loss_axis
from backtrain.simulator.record import Run

#: Steps between dates that fill a whole year, day, hour and minute.
_LONGEST = {mdates.MONTHLY: 12, mdates.HOURLY: 24, mdates.MINUTELY: 60, mdates.SECONDLY: 60}

#: Points a line: more cannot be told apart at the width of a page.
POINTS = 360
#: Strategies that have a line and a row; the table has them all.
MOST = 16
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
_AT_TOP: dict[str, Any] = {"xycoords": ("data", "axes fraction"), "va": "top"}


def over_time(
    comparison: Comparison, baseline: str, cast: Mapping[str, str], season: int | None = None
) -> Exhibit | None:
    """Rolling mean loss of every strategy, and when it trained; of many strategies the cheapest.

    None where no row was scored. ``season`` is what means take whole, in periods; by default the
    shortest block that a strategy needs.
    """
    grid = comparison.costs.grid
    window = rolling_window(grid, comparison.costs.needs.min() if season is None else season)
    keep = np.unique(np.linspace(0, grid.count - 1, min(POINTS, grid.count)).astype(int))
    times = grid.ends()[keep]
    runs = {name: comparison.runs[name] for name in shown(comparison, baseline, cast)}
    loss = {name: rolling_loss(run, grid, window)[keep] for name, run in runs.items()}
    if not any(np.isfinite(curve).any() for curve in loss.values()):
        return None
    made = Lines(
        comparison.info,
        runs,
        pd.DataFrame(loss, index=times.rename("time")),
        cast,
        duration(grid.length * window),
        len(comparison.runs) - len(runs),
        faults_of(comparison),
        [n for n, name in enumerate(comparison.table(baseline).index, start=1) if name in runs],
    )
    local = Calendar.of(comparison.info)
    trained = (f"{name} {run.totals['retrains']} times" for name, run in runs.items())
    alt = (
        f"Mean loss of the last {made.window} from {local.day(times[0])} to "
        f"{local.day(times[-1])}, a "
        f"line a strategy, and below it marks for every training: {listing(trained)}."
    )
    return Exhibit("time-line", "Over time", made.draw, alt, made.data)


def shown(comparison: Comparison, baseline: str, cast: Mapping[str, str]) -> list[str]:
    """The strategies that are coloured and the cheapest, by cost: at most `MOST`."""
    ranked = list(comparison.table(baseline).index)
    chosen = [*cast, *(name for name in ranked if name not in cast)][:MOST]
    return [name for name in ranked if name in chosen]


@dataclass(frozen=True, eq=False)
class Lines:
    """What the time line shows.

    Attributes
    ----------
    runs : mapping of str to Run
        The strategies, a row each, by cost.
    loss : DataFrame
        Rolling mean loss at instants, a column a strategy.
    cast : mapping of str to str
        The roles that some are coloured by.
    window : str
        How long the mean reaches back.
    left_out : int
        How many strategies more there are.
    numbers : list of int
        Those of the strategies in the table.
    """

    info: Mapping[str, Any]
    runs: Mapping[str, Run]
    loss: pd.DataFrame
    cast: Mapping[str, str]
    window: str
    left_out: int
    faults: list[Fault]
    numbers: list[int]

    def draw(self, paper: Paper) -> Drawing:
        """Losses above, trainings below."""
        rows = 0.24 * len(self.runs) + 0.2 if self.trained else 0.0
        shared: dict[str, Any] = {}
        if self.trained:
            shared = {"rows": 2, "sharex": True, "height_ratios": (3.0, rows)}
        figure, both = paper.several((3.1 if paper.wide else 2.9) + rows, **shared)
        loss = loss_axis("rolling mean loss", self.info)
        titles = lines(both[0], self.loss, self.info, self.cast, loss, paper)
        paper.no_floor(both[0])
        if self.trained:
            titles |= _marks(both[1], self, paper)
        names = {gid: list(self.runs)[int(gid.split("-")[1])] for gid in titles}
        names |= {f"row-{i}": name for i, name in enumerate(self.runs)}
        drifts(both, self.info, paper)
        titles |= shade(both, self.faults, self.info, paper)
        span = instants([self.info["start"], self.info["end"]])
        both[-1].set_xlim(*days(span, self.info))
        calendar(both[-1], paper)
        return Drawing(self._caption(), figure, titles, names)

    @cached_property
    def trained(self) -> bool:
        """Whether any of them was to be trained again."""
        return any(len(_decisions(run)) for run in self.runs.values())

    def data(self) -> pd.DataFrame:
        """Losses and trainings, a line each, by strategy and time."""
        loss = self.loss.melt(var_name="strategy", value_name="loss", ignore_index=False)
        told = [loss.reset_index().assign(what="mean loss")]
        for name, run in self.runs.items():
            made = _decisions(run).rename(columns={"decided_at": "time", "outcome": "what"})
            told.append(made.assign(strategy=name))
        frame = pd.concat([part for part in told if len(part)])
        return frame[["strategy", "time", "what", "loss"]].set_index("strategy")

    def _caption(self) -> str:
        caption = f"Mean loss of the last {self.window}."
        if self.trained:
            caption = (
                f"Above: mean loss of the last {self.window}. Below: every training; long marks "
                "were deployed, short orange ones rejected or superseded, red ones failed or "
                "rolled back, grey dots were refused before they began."
            )
        if self.left_out:
            caption += f" The {len(self.runs)} cheapest are shown, and {self.left_out} are not."
        late = all(fault.delay for fault in self.faults)
        shaded = "while labels came later" if late else "while the data were wrong"
        return caption + (f" Shaded: {shaded}." if self.faults else "")


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


def lines(
    axes: Axes,
    values: pd.DataFrame,
    info: Mapping[str, Any],
    cast: Mapping[str, str],
    label: str,
    paper: Paper,
) -> dict[str, str]:
    """A line a column over time, the coloured ones by name; returns hover texts."""
    paper.calm(axes, "", label)
    titles, names = {}, list(map(str, values.columns))
    times = days(pd.DatetimeIndex(values.index), info)
    # The coloured ones last, so that none of many covers them.
    for i, name in sorted(enumerate(names), key=lambda item: item[1] in cast):
        role, width = (cast[name], 1.8) if name in cast else ("faint", 0.8)
        axes.plot(times, values[name], color=paper[role], linewidth=width, gid=f"loss-{i}")
        titles[f"loss-{i}"] = name
    if len(names) == 1:
        return titles
    width = 34 if paper.wide else 20
    for name in cast:
        axes.plot([], [], color=paper[cast[name]], linewidth=1.8, label=shorten(name, width))
    if len(names) > len(cast):
        axes.plot([], [], color=paper["faint"], linewidth=0.8, label="others")
    longest = max(len(shorten(name, width)) for name in cast)
    beside = max(1, (120 if paper.wide else 55) // (longest + 8))  # so many characters fit
    paper.legend_above(axes, beside)
    return titles


def _marks(axes: Axes, lines: Lines, paper: Paper) -> dict[str, str]:
    paper.calm(axes)
    axes.grid(visible=False)
    titles = {}
    for i, (name, run) in enumerate(lines.runs.items()):
        axes.axhline(i, color=paper["rule"], linewidth=0.7, zorder=0)
        for outcome, group in _decisions(run).groupby("outcome"):
            role, height = MARKS.get(str(outcome), ("soft", 0.2))
            gid = f"marks-{i}-{str(outcome).replace(' ', '-')}"
            marks = axes.vlines(
                days(pd.DatetimeIndex(group["decided_at"]), lines.info),
                i - height,
                i + height,
                color=paper[role],
                linewidth=1,
            )
            marks.set_gid(gid)
            titles[gid] = f"{name}: {len(group)} {outcome}"
    axes.set_ylim(len(lines.runs) - 0.4, -0.6)
    width = 24 if paper.wide else 15
    names = [shorten(name, width) for name in lines.runs]
    if len(names) + lines.left_out > FEW:
        names = [f"{n} {name}" for n, name in zip(lines.numbers, names, strict=True)]
    axes.set_yticks(range(len(names)), names)
    for i, (name, label) in enumerate(zip(lines.runs, axes.get_yticklabels(), strict=True)):
        label.set_color(paper[lines.cast[name]] if name in lines.cast else paper["soft"])
        label.set_gid(f"row-{i}")
    return titles


def _decisions(run: Run) -> pd.DataFrame:
    """Trainings by when they were decided, those that a gate refused among them."""
    refused = run.events.loc[run.events["kind"] == "refused", ["at", "kind"]]
    refused = refused.rename(columns={"at": "decided_at", "kind": "outcome"})
    return pd.concat([trainings(run)[["decided_at", "outcome"]], refused])


def drifts(plots: Sequence[Axes], info: Mapping[str, Any], paper: Paper) -> None:
    """Dashed lines where the generator says that the world changed, while rows were served."""
    told = instants(info.get("drift") or [])
    if "start" in info:  # of a history there is no such part
        start, end = instants([info["start"], info["end"]])
        told = told[(told >= start) & (told <= end)]
    for k, at in enumerate(days(told, info)):
        for axes in plots:
            axes.axvline(at, color=paper["drift"], linewidth=0.9, linestyle=(0, (3, 3)))
        if k == 0:
            style = {**_AT_TOP, "fontsize": paper.size(8), "color": paper["drift"]}
            note(plots[0], "true drift", (at, 1), (4, -2), **style)


def shade(
    plots: Sequence[Axes], faults: Sequence[Fault], info: Mapping[str, Any], paper: Paper
) -> dict[str, str]:
    """Shades of red while the data were wrong, and rows were served."""
    titles = {}
    if "start" in info:
        first, last = instants([info["start"], info["end"]])
        faults = [fault for fault in faults if fault.start <= last and fault.stop >= first]
    for k, fault in enumerate(faults):
        start, stop = days(pd.DatetimeIndex([fault.start, fault.stop]), info)
        for name, axes in zip(("upper", "lower"), plots, strict=False):
            gid = f"fault-{name}-{k}"
            axes.axvspan(start, stop, color=paper["bad"], alpha=0.1, linewidth=0, gid=gid)
            titles[gid] = fault.title
        style = {**_AT_TOP, "fontsize": paper.size(8), "color": paper["bad"]}
        below = (4, -2 - 11 * k)
        note(plots[0], shorten(fault.name, 30), (start, 1), below, **style)
    return titles


def instants(texts: Iterable[str]) -> pd.DatetimeIndex:
    """Times of a record, which are written with a fraction of a second only where they have one."""
    return pd.DatetimeIndex([pd.Timestamp(text) for text in texts]).as_unit("ns")


def days(times: pd.DatetimeIndex, info: Mapping[str, Any]) -> np.ndarray:
    """Local times as matplotlib counts them: as numbers, no registered converter can change them.

    ``info`` is a record, which says of which time zone.
    """
    local = pd.DatetimeIndex(Calendar.of(info).local(times.to_numpy()))
    return np.asarray((local - pd.Timestamp(0)) / pd.Timedelta(days=1), dtype=np.float64)


def calendar(axes: Axes, paper: Paper) -> None:
    """Dates below the axis, the year written once."""
    # matplotlib.dates carries no type information
    locator = mdates.AutoDateLocator(minticks=3, maxticks=9 if paper.wide else 5)  # type: ignore[no-untyped-call]
    # Its longest steps leave gaps between its units, at 25 to 35 months with five dates: it warns.
    locator.intervald |= {unit: [*locator.intervald[unit], step] for unit, step in _LONGEST.items()}
    formatter = mdates.ConciseDateFormatter(locator)  # type: ignore[no-untyped-call]
    axes.xaxis.set_major_locator(locator)
    axes.xaxis.set_major_formatter(formatter)
    axes.xaxis.get_offset_text().set(color=paper["soft"], fontsize=paper.size(8.5))
