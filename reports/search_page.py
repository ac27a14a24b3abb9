"""A search as a page, below a notebook's cell, and in the terminal."""

import textwrap
from typing import Any

import pandas as pd

from backtrain.datasets.calendar import Calendar
from backtrain.reports import html, search_figures, understood
from backtrain.reports.exhibit import Exhibit, Section
from backtrain.reports.numbers import MINUS, MISSING, Money, count, number, percent, significant
from backtrain.reports.plain import aligned
from backtrain.reports.search_found import UNSEEN, findings, money_of, shares
from backtrain.reports.tables import Cell, Column, Row, Sheet
from backtrain.reports.units import in_money
from backtrain.search.result import Fold, Search

#: Columns of characters that a terminal is taken to have.
_WIDTH = 100


def page(search: Search) -> str:
    """The whole report as HTML, with nothing beside it."""
    return report(search).page()


def report(search: Search, files: bool = False) -> html.Report:
    """Page and exhibits; ``files`` asks for the figures as files, too."""
    info, told = search.info, findings(search)
    remarks = [told["promise"], told["chosen"], *filter(None, [told.get("given")]), UNSEEN]
    content = {
        "info": info,
        "made_of": f"{'; '.join(f'{key} {axis}' for key, axis in search.space.items())}",
        "decision": "retrain" if search.saved > 0 else "keep",
        "lead": told["unseen"],
        "remarks": [*remarks, *understood.warnings(info)],
        "headline": _headline(search),
        "setup": _setup(search),
        "folds": len(search.folds),
    }
    return html.Report.of("search.html", content, outline(search), files)


def outline(search: Search) -> list[Section]:
    """What the report shows, in its order."""
    told, made = findings(search), search_figures.exhibits(search)
    judged = Exhibit("judged", "On later rows", ranked(search), data=lambda: _data(search))
    sections = [
        Section("What was promised, and what it kept", [made["promise"], judged], note=_notes()),
        Section("Chosen, and after that", [made["front"]], told.get("front", "")),
    ]
    if len(search.folds) > 1:
        steps = Exhibit("steps", "Step by step", _steps(search), data=lambda: search.paid)
        sections.insert(1, Section("Step by step", [steps]))
    keys = [made[name] for name in ("keys", "values") if name in made]
    sections.append(Section("What matters", keys, told.get("keys", ""), note=told["trials"]))
    return [*sections, *filter(None, [understood.of(search.info)])]


def notebook(search: Search) -> str:
    """The sentences and the table, to stand below a notebook's cell."""
    lead, *lines = [*findings(search).values(), UNSEEN]
    return html.page("notebook.html", lead=lead, lines=lines, table=ranked(search))


def terminal(search: Search) -> str:
    """Table and sentences as plain text, at most 100 columns wide."""
    lines = [*findings(search).values(), UNSEEN]
    sentences = "\n".join(textwrap.fill(line, _WIDTH, subsequent_indent="  ") for line in lines)
    # The typographic minus of reports is missing from some terminal fonts.
    return f"{_terminal_table(search)}\n\n{sentences}".replace(MINUS, "-")


def ranked(search: Search) -> Sheet:
    """What was judged on later rows, the cheapest first, beside what it was chosen by."""
    fold, rows = search.folds[-1], []
    money, further = Money.fit(fold.judged["total"]), _further(search)
    for name, after in fold.judged.sort_values("total", kind="stable").iterrows():
        before = _before(fold, str(name))
        kept = fold.kept(str(name), search.baseline)
        promised = _promised(search, fold, str(name))
        cells = (
            Cell(money(after["total"]), after["total"]),
            Cell(percent(kept), kept),
            Cell(percent(promised), promised),
            Cell(money(after["error"]), after["error"]),
            Cell(number(after["retrains"]), after["retrains"]),
            *(Cell(significant(after[key]), after[key]) for key in further),
            Cell(money(before["total"]), before["total"]),
            Cell(number(before["retrains"]), before["retrains"]),
        )
        rows.append(Row(str(name), _role(search, fold, str(name)), cells))
    columns = (
        Column(in_money("total", search.info), title="on the rows that were not seen"),
        Column("saves", title=f"of the cost of {search.baseline}, on the rows not seen"),
        Column("promised", title="likewise, on the rows that were chosen on"),
        Column("error"),
        Column("retrains"),
        *(Column(key.replace("_", " ")) for key in further),
        Column("total before", title="on the rows that were chosen on"),
        Column("retrains before"),
    )
    return Sheet(columns, tuple(rows))


def _terminal_table(search: Search) -> str:
    fold, further = search.folds[-1], _further(search)
    money, shown = Money.fit(fold.judged["total"]), [key.replace("_", " ") for key in further]
    lines: list[tuple[str, ...]] = [
        ("", "total", "saves", "promised", "error", "retrains", *shown, "total before")
    ]
    for name, after in fold.judged.sort_values("total", kind="stable").iterrows():
        mark = {"run this": "> ", "baseline": "~ "}.get(_role(search, fold, str(name)), "  ")
        lines.append((
            f"{mark}{name}", money(after["total"]), percent(fold.kept(str(name), search.baseline)),
            percent(_promised(search, fold, str(name))), money(after["error"]),
            number(after["retrains"]), *(significant(after[key]) for key in further),
            money(_before(fold, str(name))["total"]),
        ))  # fmt: skip
    unseen = ", ".join(["total, saves, error, retrains", *shown])
    return "\n".join([
        *aligned(lines),
        "",
        f"{unseen}: on the rows not seen; promised, total before: where chosen",
        f"> chosen   ~ baseline, {search.baseline}",
    ])  # fmt: skip


def _further(search: Search) -> list[str]:
    """What was made small and has no column otherwise."""
    return [key for key in search.objectives if key not in ("total", "error", "retrains")]


def _notes() -> str:
    return (
        "Saved shares are of the baseline's cost on the same rows. The best of many trials was "
        "lucky, too: that share of its lead does not come again."
    )


def _steps(search: Search) -> Sheet:
    """What following the search would have paid, a row a stretch of one strategy."""
    money, calendar = Money.fit(search.paid["total"]), Calendar.of(search.info)
    rows = []
    for place, row in search.paid.iterrows():
        cells = (
            Cell(calendar.day(row["first"]), str(row["first"])),
            Cell(calendar.day(row["last"]), str(row["last"])),
            Cell(money(row["total"]), row["total"]),
            Cell(money(row["error"]), row["error"]),
            Cell(number(row["retrains"]), row["retrains"]),
            Cell(MISSING if place == 0 else money(row["initial"]), row["initial"] if place else 0),
        )
        rows.append(Row(str(row["strategy"]), "", cells))
    columns = (
        Column("from", numeric=False),
        Column("to", numeric=False),
        Column(in_money("total", search.info)),
        Column("error"),
        Column("retrains"),
        Column("for changing", title="the first model of the new strategy; it is in the total"),
    )
    return Sheet(columns, tuple(rows))


def _data(search: Search) -> pd.DataFrame:
    return search.folds[-1].judged


def _before(fold: Fold, name: str) -> dict[str, Any]:
    """Its costs on the rows that were chosen on."""
    frame = fold.trials if name in fold.trials.index else fold.against
    return {str(key): value for key, value in frame.loc[name].items()}


def _promised(search: Search, fold: Fold, name: str) -> float:
    of = float(fold.against["total"][search.baseline])
    return (of - float(_before(fold, name)["total"])) / of if of else 0.0


def _role(search: Search, fold: Fold, name: str) -> str:
    if name == fold.chosen:
        return "run this"
    if name == search.baseline:
        return "baseline"
    return "" if name in fold.trials.index else "not searched"


def _headline(search: Search) -> list[tuple[str, str, str]]:
    """Label, value and remark of the numbers that stand below the decision."""
    money = money_of(search)
    promised, kept = shares(search)
    anew = ", begun anew at each step" if len(search.folds) > 1 else ""
    return [
        (f"saved against {search.baseline}", money(search.saved), "on rows not seen"),
        ("kept", percent(kept), f"of the baseline's cost{anew}; {percent(promised)} was promised"),
        ("paid", money(search.cost), f"{search.baseline} {money(_over(search))}"),
        (
            "tried",
            number(len(search.folds[-1].trials)),
            f"{search.info['sampler']}, by {', '.join(search.objectives)}",
        ),
    ]


def _over(search: Search) -> float:
    return float(search.over["total"][search.baseline])


def _setup(search: Search) -> list[tuple[str, str]]:
    info, borders = search.info, [fold.until for fold in search.folds]
    local = Calendar.of(info).to_local
    chosen_at = ", ".join(f"{local(when):%Y-%m-%d %H:%M}" for when in borders)
    start, end = (html.moment(info, info[key]) for key in ("start", "end"))
    return html.setup(info, {
        "served": f"{start} to {end}, tick {info['tick']}; chosen at {chosen_at}, "
                  f"on {count(int(search.info['trials']), 'trial')} each",
        "prices": html.prices(info),
        "delays": html.flat(info["delays"]),
    })  # fmt: skip
