"""The report over a sweep: the page, the files beside it, and the same in short for a terminal."""

from __future__ import annotations

import io
import textwrap
from collections.abc import Iterable, Iterator
from functools import partial
from itertools import combinations
from pathlib import Path
from typing import Any

from backtrain.datasets.calendar import Calendar
from backtrain.reports import archive, html
from backtrain.reports.exhibit import Exhibit, Section
from backtrain.reports.numbers import MINUS, count, listing, number, shorten, told_apart
from backtrain.reports.plain import aligned
from backtrain.reports.sweep import figures, sheets
from backtrain.reports.sweep.found import Found
from backtrain.reports.sweep.frame import text
from backtrain.reports.sweep.parallel import parallel
from backtrain.reports.sweep.pooled import FEWEST
from backtrain.reports.sweep.result import results_in
from backtrain.reports.sweep.settings import data_set
from backtrain.reports.sweep.sweep import REPLICATES, Sweep
from backtrain.reports.sweep.words import shown
from backtrain.reports.units import currency
from backtrain.simulator.manifest import Manifest, put
from backtrain.simulator.record import remove_run

TABLE, PAGE, MANIFEST = "summary.parquet", "sweep.html", "sweep.json"
#: Axes with a table, axes among which pairs are drawn, and strategies in the terminal, at most.
_TABLES, _PAIRED, _TERMINAL = 8, 3, 12
#: Axes with a table in the terminal, and values of one, at most.
_AXES, _VALUES = 4, 8
#: Columns of characters that a terminal is taken to have, and those of a strategy's name.
_WIDTH, _NAME = 100, 34


def write(directory: Path) -> Path | None:
    """Write table and page of the sweep that lies there; returns the page's path.

    From the jobs' files alone, whatever became of them; None where no job was ever started. Figures
    and tables are files, too, unless all jobs were started with another ``report=``.
    """
    if not (results := results_in(directory)):
        return None
    wanted = {one.overrides.get("report") for one in results}
    return save(Sweep(results), directory, "page" if wanted <= {"page", "none"} else "all")


def save(sweep: Sweep, directory: Path, wanted: str = "all") -> Path:
    """Write table and page, and with "all" what is drawn as files beside the page.

    With "none" the table alone. ``sweep.json`` names the files and is replaced at last.
    """
    archive.check_report(wanted)
    manifest = Manifest(directory / MANIFEST, remove_run)
    former = manifest.facts.get("files", {}).values()
    manifest.settle([*former] or manifest.written)  # of a save that was broken off
    contents = {TABLE: parquet(sweep)}
    contents |= html.files(partial(report, sweep, directory), PAGE, wanted, manifest.names)
    archive.save_files(manifest, contents)
    names = manifest.facts["files"]
    return directory / str(names.get(PAGE, names[TABLE]))


def put_page(sweep: Sweep, path: Path) -> Path:
    """Write the page alone to a file anywhere, and the table beside it."""
    path.parent.mkdir(parents=True, exist_ok=True)
    put(path.with_name(TABLE), parquet(sweep))
    return put(path, report(sweep, path.parent).page().encode())


def parquet(sweep: Sweep) -> bytes:
    """The tidy table as a file of Parquet."""
    buffer = io.BytesIO()
    sweep.frame().to_parquet(buffer, index=False)
    return buffer.getvalue()


def report(sweep: Sweep, beside: Path | None = None, files: bool = False) -> html.Report:
    """Page and exhibits; jobs are linked as they are seen from the folder ``beside``."""
    found = Found(sweep)
    content = {
        "lead": found.lead.replace(" %", "\N{NO-BREAK SPACE}%"),
        "decision": "too" if not found.number else "keep" if _keeps(found) else "",
        "remarks": [line.replace(" %", "\N{NO-BREAK SPACE}%") for line in found.beside],
        "headline": headline(found),
        "setup": setup(found),
        "source": source(found),
        "done": found.number,
        "replicates": found.pooled.unit,
        "money": len({currency({"currency": one.currency}) for one in sweep.results}) > 1,
    }
    return html.Report.of("sweep/page.html", content, outline(found, beside), files)


def outline(found: Found, beside: Path | None = None) -> list[Section]:
    """What the page shows, in its order."""
    made: list[Iterable[Section]] = [_jobs(found, beside)]
    if found.number:
        where = (_where(found), _maps(found), _all_axes(found), _matters(found))
        made = [*where, _strategies(found), _retrains(found), _failures(found), *made]
    else:
        made = [_failures(found), *made]
    return [section for sections in made for section in sections]


def notebook(sweep: Sweep) -> str:
    """The answer and the table of strategies, to stand below a notebook's cell."""
    found = Found(sweep)
    table = sheets.standings(found) if found.number else sheets.failures(found)
    return html.page("notebook.html", lead=found.lead, lines=found.beside, table=table)


# --- sections -------------------------------------------------------------------------------------


def _where(found: Found) -> Iterator[Section]:
    keys = found.ordered[:_TABLES]
    exhibits = [one for key in keys for one in _of_axis(found, key)]
    for key in found.chosen:
        sheet = sheets.by_choice(found, key)
        if 1 < len(sheet.rows) <= sheets.VALUES:
            exhibits.append(Exhibit(f"by-{figures.slug(key)}", f"By {key}", sheet))
    if exhibits:
        more = len(found.ordered) - len(keys)
        note = f"And {count(more, 'key')} more in summary.parquet." if more else ""
        yield Section(
            "Who wins where",
            exhibits,
            intro="At each value of what was swept: what the jobs with that value advise, by "
            "expected costs (in how many of them, where they differ); and in hindsight, on the "
            "paths that were replayed, the strategy that costs least on average over all settings "
            "with that value, and what others cost there against their baseline. A setting is "
            "everything but the strategy.",
            note=note,
        )


#: Stands above what is drawn of costs alone.
_HINDSIGHT = "In hindsight, on the paths that were replayed; what the jobs advise may differ."


def _of_axis(found: Found, key: str) -> Iterator[Exhibit]:
    sheet = sheets.by_axis(found, key)
    rest = sheets.rest(sheets.VALUES, len(found.settings.axes[key]), "value")
    yield Exhibit(f"by-{figures.slug(key)}", f"By {key}", sheet, finding=rest)
    totals = sheets.totals(found, key)
    if len(totals.rows) > 1 and key not in REPLICATES:
        yield Exhibit(f"totals-{figures.slug(key)}", f"Totals by {key}", totals)


def _maps(found: Found) -> Iterator[Section]:
    keys = [key for key in found.ordered if key != "seed"] + found.chosen
    if len(keys) < 2:
        keys += [key for key in found.ordered if key == "seed"]
    drawn = (figures.map_of(found, a, b) for a, b in combinations(keys[:_PAIRED], 2))
    if exhibits := [one for one in drawn if one is not None]:
        yield Section("Two at a time", exhibits, intro=_HINDSIGHT)


def _all_axes(found: Found) -> Iterator[Section]:
    if exhibit := parallel(found, [*found.ordered, *found.chosen]):
        yield Section(exhibit.title, [exhibit], intro=_HINDSIGHT)


def _matters(found: Found) -> Iterator[Section]:
    if (exhibit := figures.importance(found)) is None:
        return
    told = found.importance
    how = "A functional analysis of variance over all combinations of the values, strategies too. "
    if told is not None and told.forest is not None:
        how += (
            "As combinations are missing, a random forest that was fitted to the others stands for "
            f"them; it explains {100 * told.forest:.0f} % of the variance of those that it has not "
            "seen. (Hutter, Hoos and Leyton-Brown, 2014.)"
        )
    yield Section(exhibit.title, [exhibit], note=how.strip())


def _strategies(found: Found) -> Iterator[Section]:
    exhibit = Exhibit(
        "strategies",
        "Strategies by relative cost",
        sheets.standings(found),
        data=lambda: found.pooled.table,
    )
    more = len(found.pooled.table) - sheets.STRATEGIES
    rest = f"And {number(more)} more in summary.parquet. " if more > 0 else ""
    note = rest + intervals(found)
    yield Section("Every strategy, the cheapest in hindsight first", [exhibit], note=note)


def intervals(found: Found) -> str:
    """What means and intervals rest on, in words."""
    pooled = found.pooled
    means = (
        "Means are geometric, of total over total of the baseline in the same setting: money of "
        "several currencies, losses or spans is never added. "
    )
    if pooled.units < FEWEST:
        return f"{means}No intervals: these need {FEWEST} data sets, or as many seeds of one."
    if pooled.unit == "data":
        return means + (
            f"Intervals, at 95 % and for all strategies at once, are those of Student's t over "
            f"{count(pooled.units, 'data set')}: jobs that share their data are no replicates of "
            "one another, so the mean log ratio of each data set is taken first. They say what to "
            "expect on average on other data sets like these."
        )
    return means + (
        f"Intervals, at 95 % and for all strategies at once, are those of Student's t over "
        f"{count(pooled.units, 'seed')} of one data set: they cover the luck of the seed, and not "
        "that of the history."
    )


def _retrains(found: Found) -> Iterator[Section]:
    if exhibit := figures.retrains(found):
        yield Section(exhibit.title, [exhibit])


def _failures(found: Found) -> Iterator[Section]:
    sheet = sheets.failures(found)
    if not sheet.rows:
        return
    reasons = len({(one.error, one.status) for one in found.sweep.results if one.status != "done"})
    note = sheets.rest(sheets.REASONS, reasons, "reason")
    exhibit = Exhibit("failures", "What did not finish", sheet)
    yield Section(exhibit.title, [exhibit], note=note)


def _jobs(found: Found, beside: Path | None) -> Iterator[Section]:
    exhibit = Exhibit("jobs", "The jobs", sheets.jobs(found, beside))
    note = sheets.rest(sheets.JOBS, len(found.sweep.results), "job")
    taken = sum(one.taken_from is not None for one in found.sweep.results)
    if taken == 1:
        note = f"1 job was taken from an earlier, equal one. {note}".strip()
    elif taken:
        note = f"{number(taken)} jobs were taken from earlier, equal ones. {note}".strip()
    yield Section(exhibit.title, [exhibit], note=note)


# --- words ----------------------------------------------------------------------------------------


def source(found: Found) -> str:
    """What lies above the lead: jobs, data and what was swept."""
    streams = list(
        dict.fromkeys(str(n) for o in found.sweep.results if (n := o.stream.get("name")))
    )
    over = f", over {found.over}" if found.sweep.axes else ""
    data = f" on {listing(streams, 4)}" if streams else ""
    return f"a sweep of {count(len(found.sweep.results), 'job')}{data}{over}"


def headline(found: Found) -> list[tuple[str, str, str]]:
    """Label, value and remark of the numbers that stand below the lead."""
    facts = []
    if found.number:
        table = found.pooled.table
        groups = {one.strategy: one for one in found.advised.groups}
        if groups and not (found.apart and not found.agreed):
            label = f"{shorten(found.leading, 30)} is advised in"
            jobs = count(len(found.advised.told), "job")
            facts.append((label, number(groups[found.leading].jobs), f"of {jobs}"))
        name = found.next_best if found.keeps else found.best
        if name and table["relative"].notna()[name]:
            low, high = (float(table[end][name]) for end in ("low", "high"))
            told = f"95 % interval {sheets.percent(low)} to {sheets.percent(high)}"
            remark = f"in hindsight; {told if low == low else 'no interval'}"
            label = f"{shorten(name, 30)} against {shorten(found.against, 30)}"
            facts.append((label, sheets.percent(float(table["relative"][name])), remark))
        if not groups:
            wins = number(int(table["wins"][found.best]))
            label = f"{shorten(found.best, 30)} costs least in"
            remark = f"of {count(found.number, 'setting')}, in hindsight, ties included"
            facts.append((label, wins, remark))
        done = [one for one in found.sweep.results if one.status == "done"]
        sets = len({data_set(one) for one in done})
        seeds = len({one.seed for one in done})
        facts.append(("data sets", number(sets), f"{count(seeds, 'seed')} in all"))
    ended = found.sweep.ended
    others = [f"{number(n)} {kind}" for kind, n in ended.items() if kind != "done"]
    facts.append(("jobs done", number(ended["done"]), listing(others) or "all of them"))
    return facts


def _keeps(found: Found) -> bool:
    """Whether all jobs advise to keep what they are held against."""
    return bool(found.agreed and found.agreed.keeps)


def setup(found: Found) -> list[tuple[str, str]]:
    """What was swept, and what stood still; no times, so that equal sweeps have equal pages."""
    results, axes = found.sweep.results, found.sweep.axes
    still = {k: text(v) for one in results for k, v in one.overrides.items() if k not in axes}
    days = [(Calendar.of({"stream": one.stream}).day, one.start, one.end) for one in results]
    spans = {f"{day(start)} to {day(end) if end else ''}": 0 for day, start, end in days if start}
    versions = {f"{k} {v}": 0 for one in results for k, v in sorted(one.versions.items())}
    pairs: dict[str, Any] = {
        **{key: listing(map(shown, values), most=12) for key, values in axes.items()},
        "in all jobs": html.flat(still),
        "spans": listing(spans, most=4),
        "baseline": listing(found.settings.held),
        "settings": number(found.number),
        "versions": listing(versions, most=20),
    }
    return [(name, told) for name, told in pairs.items() if told]


# --- terminal -------------------------------------------------------------------------------------


def terminal(sweep: Sweep) -> str:
    """The short answer as plain text, at most 100 columns wide."""
    found = Found(sweep)
    told = "\n".join(
        textwrap.fill(line, _WIDTH, subsequent_indent="  ") for line in (found.lead, *found.beside)
    )
    tables = [*_by_axis(found), _table(found)] if found.number else [_reasons(found)]
    parts = [_head(found), told, *tables]
    # The typographic minus of reports is missing from some terminal fonts.
    return "\n\n".join(parts).replace(MINUS, "-")


def _head(found: Found) -> str:
    over = f", over {found.over}" if found.sweep.axes else ""
    return textwrap.fill(f"{count(len(found.sweep.results), 'job')} ({found.ended}){over}", _WIDTH)


def _by_axis(found: Found) -> Iterator[str]:
    """What is advised, what cost least and what that cost, at each value of axes with few."""
    few = [key for key in found.ordered if key != "seed"]
    few = [key for key in few if len(found.settings.axes[key]) <= _VALUES]
    for key in few[:_AXES]:
        if not (sheet := sheets.answers(found, key)).rows:
            continue
        lines = [(shorten(key, _NAME - 10), *(column.label for column in sheet.columns))]
        names = told_apart([row.name for row in sheet.rows], _NAME - 10)
        for name, row in zip(names, sheet.rows, strict=True):
            lines.append((name, *(cell.text for cell in row.cells)))
        while max(map(len, aligned(lines))) > _WIDTH:
            lines = [line[:-1] for line in lines]
        words = [0, *(i for i, one in enumerate(sheet.columns, 1) if not one.numeric)]
        yield "\n".join(aligned(lines, words))


def _table(found: Found) -> str:
    sheet = sheets.standings(found)
    kept = [i for i, c in enumerate(sheet.columns) if c.label.split()[0] not in ("seeds", "data")]
    names = told_apart([row.name for row in sheet.rows[:_TERMINAL]], _NAME)
    lines = [("", *(sheet.columns[i].label for i in kept))]
    for name, row in zip(names, sheet.rows, strict=False):
        mark = "> " if row.role.startswith(("run this", "advised")) else "  "
        lines.append((f"{mark}{name}", *(row.cells[i].text for i in kept)))
    while max(map(len, aligned(lines))) > _WIDTH:
        lines = [line[:-1] for line in lines]
    more = len(found.pooled.table) - len(names)
    rest = [f"  and {number(more)} more"] if more else []
    return "\n".join([*aligned(lines), *rest])


def _reasons(found: Found) -> str:
    rows = sheets.failures(found).rows[:_TERMINAL]
    return "\n".join(
        textwrap.shorten(f"{row.cells[1].text} {row.cells[0].text}: {row.name}", _WIDTH)
        for row in rows
    )
