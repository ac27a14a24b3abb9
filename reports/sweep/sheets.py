"""The tables of a sweep, as cells ready to print."""

from __future__ import annotations

import math
import os
from collections.abc import Sequence
from pathlib import Path

import numpy as np
import pandas as pd

from backtrain.reports.archive import REPORT
from backtrain.reports.numbers import MISSING, count, listing, number, shorten
from backtrain.reports.sweep.advised import Group
from backtrain.reports.sweep.advised_found import named
from backtrain.reports.sweep.found import Found
from backtrain.reports.sweep.pooled import Pooled
from backtrain.reports.sweep.result import Result
from backtrain.reports.sweep.settings import data_set
from backtrain.reports.sweep.words import change, reach, shown
from backtrain.reports.tables import Cell, Column, Interval, Row, Sheet

#: Rows at most: strategies, values of an axis, jobs, reasons; and strategies beside an axis.
STRATEGIES, VALUES, JOBS, REASONS, BESIDE = 40, 40, 200, 30, 5
#: A scale reaches so many times as far to the dearer side as to the cheaper one, at most.
_DEARER = 1.5


def standings(found: Found) -> Sheet:
    """Every strategy over all settings, the cheapest on average first."""
    table = found.pooled.table.head(STRATEGIES)
    many = table["seeds"].notna().any()
    sets = found.pooled.unit == "data"
    scale = _scale(table)
    rows = []
    for place, (name, row) in enumerate(table.iterrows(), start=1):
        own = str(name)
        ratio, low, high = float(row["relative"]), float(row["low"]), float(row["high"])
        of = f" of {number(row['settings'])}"
        base = own in found.settings.held
        cells = [
            _ratio_cell(ratio, low, high, scale),
            Cell(_ends(low, high), _sort(low)),
            Cell(number(row["wins"]) + of, float(row["wins"])),
            Cell(MISSING if base else number(row["beats"]) + of, "" if base else row["beats"]),
            Cell(_advised_in(found, own), float(row["advised"])),
            *([_spread(row["seeds"])] if many else []),
            *([_spread(row["sets"])] if sets else []),
            Cell(number(row["retrains"], 1), _sort(row["retrains"])),
        ]
        rows.append(Row(own, _role(found, own), tuple(cells), place))
    against = f"against {shorten(found.against)}" if found.against else "relative cost"
    columns = [
        Column(against, title="geometric mean of total / total of the baseline, less 1"),
        Column("95 % interval", title="holds for all strategies at once", wraps=True),
        Column("costs least in", title="settings, in hindsight, ties included"),
        Column("beats baseline in", title="settings"),
        Column(
            "advised in", title="of the jobs that hold it: their own verdict, by expected costs"
        ),
        *([Column("seeds \N{PLUS-MINUS SIGN}", title=_SPREAD.format("seeds"))] if many else []),
        *([Column("data sets \N{PLUS-MINUS SIGN}", title=_SPREAD.format("data sets"))] * sets),
        Column("retrains", title="mean over settings"),
    ]
    return Sheet(tuple(columns), tuple(rows))


_SPREAD = "standard deviation of the relative cost over {}"


def by_axis(found: Found, key: str) -> Sheet:
    """What is advised and what costs least at each value of an axis, and what some cost there."""
    values, pools = found.settings.axes[key], found.by_value[key]
    names = _beside(found)
    rows = []
    for i, (value, pooled) in enumerate(list(zip(values, pools, strict=True))[:VALUES]):
        table = pooled.table
        if not len(table):
            continue
        least = pooled.least()
        ratio, settings = float(table["relative"][least]), int(table["settings"].max())
        cells = [
            _advice(found.advised.at(key, i)),
            Cell(shorten(least, 30), least, least),
            Cell(percent(ratio), _sort(ratio), _reach_of(pooled, least)),
            Cell(_winners(pooled), float(table["wins"].max())),
            Cell(number(settings), settings),
            *(_relative(pooled, name) for name in names),
        ]
        rows.append(Row(shown(value), "", tuple(cells)))
    columns = (
        Column("advised", numeric=False, wraps=True, title=_ADVISED),
        Column("least on average", numeric=False, wraps=True, title="in hindsight, on the paths"),
        Column("against baseline", title="geometric mean over the settings with this value"),
        Column("costs least most often", numeric=False, title="settings, ties included"),
        Column("settings"),
        *(Column(shorten(name, 18), title=f"{name} against its baseline") for name in names),
    )
    return Sheet(columns, tuple(rows), key)


#: Characters of a name in the terminal's tables by axis.
_BRIEF = 20
#: What the column *advised* says.
_ADVISED = "what the jobs' own verdicts advise, by expected costs, and in how many jobs"


def totals(found: Found, key: str) -> Sheet:
    """What strategies cost in money at each value of an axis: the mean over its settings.

    Without rows where these are of several data sets, spans or currencies, or not as many at each
    value: their totals say nothing side by side.
    """
    names, values = [*found.settings.held[:1], *_beside(found)], found.settings.axes[key]
    known = _means(found, key)
    means = pd.DataFrame(columns=pd.Index(names)) if known is None else known
    means = means.reindex(columns=pd.Index(names)).dropna(axis=1)
    rows = [
        Row(shown(values[int(str(at))]), "", tuple(Cell(number(v, 2), v) for v in own))
        for at, own in zip(means.index, means.to_numpy(np.float64).tolist(), strict=True)
    ]
    columns = (Column(shorten(str(name), 18), title=f"total of {name}") for name in means.columns)
    return Sheet(tuple(columns), tuple(rows), key)


def _means(found: Found, key: str) -> pd.DataFrame | None:
    """Mean totals by values of an axis and strategies; None where they may not be compared."""
    cells, results = found.settings.cells, found.sweep.results
    done = [one for one in results if one.status == "done"]
    alike = {(one.currency, one.start, one.end, one.loss, data_set(one)) for one in done}
    settings = cells.groupby(key)["setting"].nunique()
    if len(alike) > 1 or settings.nunique() > 1 or len(settings) > VALUES:
        return None
    return cells.pivot_table(index=key, columns="strategy", values="total")


def answers(found: Found, key: str) -> Sheet:
    """In short at each value of an axis: what is advised, and what cost least; and what each cost.

    That is the mean total where totals may stand side by side, else the cost against the baseline.
    Of several that are advised at a value, it is of the one that most jobs advise.
    """
    money = _means(found, key)
    held = found.settings.held[:1] if money is not None else []
    pairs, rows = zip(found.settings.axes[key], found.by_value[key], strict=True), []
    for i, (value, pooled) in enumerate(pairs):
        if not len(pooled.table):
            continue

        def cost(name: str, i: int = i, pooled: Pooled = pooled) -> Cell:
            if money is None:
                return _relative(pooled, name)
            paid = float(money[name].get(i, math.nan)) if name in money else math.nan
            return Cell(number(paid, 2), _sort(paid))

        groups, least = found.advised.at(key, i), pooled.least()
        first = groups[0].strategy if groups else ""
        told = Cell(shorten(least, _BRIEF), least)
        own = [_advice(groups, _BRIEF), cost(first), told, cost(least)]
        rows.append(Row(shown(value), "", (*own, *map(cost, held))))
    of = "total" if money is not None else "against baseline"
    columns = [
        Column("advised", numeric=False, title=_ADVISED),
        Column(of),
        Column("least in hindsight", numeric=False),
        Column(of),
        *(Column(shorten(name, 18), title=f"total of {name}") for name in held),
    ]
    return Sheet(tuple(columns), tuple(rows), key)


def by_choice(found: Found, key: str) -> Sheet:
    """What strategies cost at each value that was swept for them, and the cheapest of them."""
    points, values = found.points[0], found.settings.choices[key]
    rows = []
    for i, value in enumerate(values):
        own = points[(points[key] == i) & points["log"].notna()]
        if len(own):
            ratio = math.exp(own["log"].mean())
            least = str(own.groupby("strategy")["log"].mean().idxmin())
            advised = own["advised"].sum()
            cells = [
                Cell(percent(ratio), ratio),
                Cell(shorten(least, 48), least, least),
                Cell(f"{number(advised)} of {number(own['jobs'].map(len).sum())}", float(advised)),
                Cell(number(own["setting"].nunique()), own["setting"].nunique()),
                Cell(number(own["retrains"].mean(), 1), _sort(own["retrains"].mean())),
            ]
            rows.append(Row(shown(value), "", tuple(cells)))
    columns = (
        Column("against baseline", title="geometric mean over all strategies with this value"),
        Column("the cheapest of them", numeric=False, wraps=True),
        Column("advised in", title="of the jobs with this value: their own verdict says to run it"),
        Column("settings"),
        Column("retrains", title="mean"),
    )
    return Sheet(columns, tuple(rows), key)


def failures(found: Found) -> Sheet:
    """Why jobs are not done: a row a reason, the most frequent first."""
    reasons: dict[tuple[str, str], list[Result]] = {}
    for one in found.sweep.results:
        if one.status != "done":
            why = " ".join((one.error or "no reason is known").split())
            reasons.setdefault((why, one.status), []).append(one)
    ordered = sorted(reasons.items(), key=lambda item: -len(item[1]))
    rows = [
        Row(
            shorten(why, 300),
            "",
            (
                Cell(status, status),
                Cell(number(len(jobs)), len(jobs)),
                Cell(listing((str(one.number) for one in jobs), most=8), jobs[0].number),
                Cell(_overrides(found, jobs[0]), _overrides(found, jobs[0])),
            ),
        )
        for (why, status), jobs in ordered[:REASONS]
    ]
    columns = (
        Column("status", numeric=False),
        Column("jobs"),
        Column("numbers", numeric=False, wraps=True),
        Column("the first of them", numeric=False, wraps=True),
    )
    return Sheet(columns, tuple(rows), "reason")


def jobs(found: Found, beside: Path | None) -> Sheet:
    """What each job was asked and says, with links to its directory and report."""
    keys = list(found.sweep.axes)[:6]
    several = len({one.directory.parent for one in found.sweep.results if one.directory}) > 1
    rows = []
    for one in found.sweep.results[:JOBS]:
        share = 1 - one.saved
        cells = [
            *(_override(one, key) for key in keys),
            _status(one),
            Cell(shorten(one.advises or MISSING, 30), one.advises or "", one.confidence),
            Cell(percent(share), _sort(share)),
            _link(one, beside, REPORT, "report"),
            _directory(one, beside),
        ]
        place = one.directory.parent.name if several and one.directory else ""
        rows.append(Row(f"{place}/{one.number}" if place else str(one.number), "", tuple(cells)))
    columns = (
        *(Column(key, numeric=_numeric(found.sweep.axes[key]), wraps=True) for key in keys),
        Column("status", numeric=False),
        Column("advises", numeric=False, title="by expected costs, among the job's own strategies"),
        Column("expects against baseline", title="of what the baseline is expected to cost"),
        Column("report", numeric=False),
        Column("directory", numeric=False),
    )
    return Sheet(columns, tuple(rows), "job")


def percent(ratio: float) -> str:
    """A relative cost as a signed difference to the baseline: 0.8 is "-20 %"."""
    if math.isnan(ratio):
        return MISSING
    if ratio >= 10:
        return f"\N{MULTIPLICATION SIGN}{number(ratio)}"
    size = 100 * (ratio - 1)
    text = number(size, 0 if abs(size) >= 9.95 else 1)
    return f"+{text} %" if size >= 0.05 else f"{text} %"


def _beside(found: Found) -> list[str]:
    """The strategies that have a column beside an axis: what is advised, then what costs least."""
    table = found.pooled.table[found.pooled.table["relative"].notna()]
    order = table.sort_values(["advised", "wins"], ascending=False, kind="stable").index
    ranked = [str(name) for name in order if name not in found.settings.held]
    return ranked[:BESIDE]


def _relative(pooled: Pooled, name: str) -> Cell:
    ratio = float(pooled.table["relative"].get(name, math.nan))
    return Cell(percent(ratio), _sort(ratio), _reach_of(pooled, name))


def _reach_of(pooled: Pooled, name: str) -> str:
    if name not in pooled.table.index or math.isnan(pooled.table["low"][name]):
        return ""
    return f"95 % interval: {reach(*pooled.table.loc[name, ['low', 'high']])}"


def _winners(pooled: Pooled) -> str:
    wins = pooled.table["wins"].sort_values(ascending=False, kind="stable")
    named = [f"{shorten(str(name), 24)} {number(n)}" for name, n in wins.items() if n]
    return listing(named, most=2)


def _role(found: Found, name: str) -> str:
    agreed, groups = found.agreed, found.advised.groups
    often = bool(groups) and 2 * groups[0].jobs > len(found.advised.told) and not found.apart
    words = {
        "run this": agreed is not None and name == agreed.strategy,
        "advised in most jobs": agreed is None and often and name == groups[0].strategy,
        "least in hindsight": name == found.best and name != found.leading,
        "baseline": name in found.settings.held,
    }
    return ", ".join(word for word, holds in words.items() if holds)


def _advice(groups: Sequence[Group], width: int = 30) -> Cell:
    """What jobs advise: one strategy, or several with how many jobs each."""
    told = named(groups, most=len(groups), width=60) if groups else ""
    return Cell(named(groups, width=width), told, told) if groups else Cell(MISSING)


def _advised_in(found: Found, name: str) -> str:
    jobs = {one.strategy: one.jobs for one in found.advised.groups}.get(name, 0)
    return f"{number(jobs)} of {number(found.advised.held.get(name, 0))}"


def _scale(table: pd.DataFrame) -> tuple[float, float]:
    """The range of relative costs that is drawn: what is much dearer would leave others no room."""
    ends = table[["relative", "low", "high"]].to_numpy(np.float64).ravel()
    ends = np.append(ends[np.isfinite(ends)], 1.0)
    low = float(ends.min())
    return low, float(ends[ends <= 1 + _DEARER * (1 - low)].max(initial=1.0))


def _ratio_cell(ratio: float, low: float, high: float, scale: tuple[float, float]) -> Cell:
    if math.isnan(ratio) or not scale[0] <= ratio <= scale[1] or scale[0] == scale[1]:
        return Cell(percent(ratio), _sort(ratio))
    bounded = not math.isnan(low)

    def place(value: float) -> float:
        return round(3 + 94 * (min(value, scale[1]) - scale[0]) / (scale[1] - scale[0]), 2)

    drawn = Interval(
        place(1.0), place(ratio), place(low) if bounded else None, place(high) if bounded else None
    )
    return Cell(percent(ratio), ratio, change(ratio), interval=drawn)


def _ends(low: float, high: float) -> str:
    return MISSING if math.isnan(low) else f"{percent(low)} to {percent(high)}"


def _spread(deviation: float) -> Cell:
    if math.isnan(deviation):
        return Cell(MISSING)
    size = 100 * math.expm1(deviation)
    return Cell(f"{number(size, 1)} %", deviation)


def _sort(value: float) -> float | str:
    return float(value) if math.isfinite(value) else ""


def _numeric(values: Sequence[object]) -> bool:
    return all(isinstance(v, (int, float)) and not isinstance(v, bool) for v in values)


def _override(one: Result, key: str) -> Cell:
    value = one.overrides.get(key)
    by = value if isinstance(value, (int, float)) and not isinstance(value, bool) else shown(value)
    return Cell(shorten(shown(value), 40), by, shown(value))


def _overrides(found: Found, one: Result) -> str:
    keys = [key for key in found.sweep.axes if key in one.overrides]
    return shorten(" ".join(f"{key}={shown(one.overrides[key])}" for key in keys), 120)


def _link(one: Result, beside: Path | None, name: str, words: str) -> Cell:
    if beside is None or one.directory is None or not (one.directory / name).is_file():
        return Cell(MISSING)
    return Cell(words, words, link=relative(one.directory / name, beside))


def _status(one: Result) -> Cell:
    """How it ended; of an equal job that was done earlier, that it is taken from there."""
    if one.taken_from is None:
        return Cell(one.status, one.status, one.error or "")
    return Cell(f"{one.status}, earlier", one.status, f"taken from {one.taken_from}")


def _directory(one: Result, beside: Path | None) -> Cell:
    if one.directory is None:
        return Cell(MISSING)
    words = f"{one.directory.name}/"
    return Cell(words, words, link="" if beside is None else relative(one.directory, beside))


def relative(path: Path, folder: Path) -> str:
    """A path as a page in that folder links it; absolute on another drive."""
    try:
        return Path(os.path.relpath(path, folder)).as_posix()
    except ValueError:
        return path.resolve().as_uri()


def rest(shown_rows: int, all_rows: int, noun: str) -> str:
    """Says how many rows more there are than are shown; empty where that is all."""
    more = all_rows - shown_rows
    return f"And {count(more, f'more {noun}')} in summary.parquet." if more > 0 else ""


def names_of(found: Found) -> Sequence[str]:
    """Strategies by their number in the table, as figures name them."""
    return [str(name) for name in found.pooled.table.index]
