"""The ranked table and its footnotes as plain text, for a terminal."""

import shutil
import textwrap
from collections.abc import Sequence

import pandas as pd

from backtrain.reports import cheapest, expected, luck
from backtrain.reports.comparison import Comparison
from backtrain.reports.numbers import MISSING, Money, number, shorten, told_apart
from backtrain.reports.tables import (
    CHANGES,
    MISHAPS,
    REGRET,
    RIVAL,
    changed_text,
    interval_text,
    without_interval,
)
from backtrain.reports.units import currency, loss_unit, measure_of_change

#: Columns of characters that a terminal is taken to have at least.
_WIDTH = 100
_NAME, _SHORTEST_NAME = 20, 8
#: Before a line that goes on with the one above it.
_INDENT = "  "


def terminal_table(comparison: Comparison, baseline: str | None = None) -> str:
    """The ranked table as plain text, 100 columns wide, or as wide as the terminal is."""
    width = max(_WIDTH, shutil.get_terminal_size((_WIDTH, 24)).columns)
    reference = comparison.baseline(baseline)
    table = comparison.table(reference)
    money = Money.fit(table["total"])
    lucky = "regret" in table
    advised = comparison.verdict(reference).strategy
    mishaps = [mishap for mishap in MISHAPS if table[mishap].any()]
    last = ("regret", *luck.COLUMNS) if lucky else ("retraining",)
    own = measure_of_change(comparison.info)
    moved = (own,) if own in table else ()
    judged = ("expected",) if lucky else ()
    middle = ("difference", "95 % interval")
    lines = [("total", "error", "retrains", *mishaps, *judged, *middle, *last, *moved)]
    for name, row in table.iterrows():
        run = comparison.runs[str(name)]
        beside = (
            (money(row["regret"]), luck.text(luck.evenly(run)), luck.share(luck.at_random(run)))
            if lucky
            else (money(row["total"] - row["error"]),)
        )
        lines.append(
            (
                money(row["total"]),
                money(row["error"]),
                number(row["retrains"]),
                *(number(row[mishap]) for mishap in mishaps),
                *(money(row[column]) for column in judged),
                "baseline" if name == reference else money.signed(row["difference"]),
                interval_text(row, money) if name != reference else "",
                *beside,
                *(changed_text(column, row[column]) for column in moved),
            )
        )
    for _, row in comparison.without_model.iterrows():
        total = money(row["total"])
        difference = row["total"] - comparison.runs[reference].totals["total"]
        shown = {"total": total, "error": total, "difference": money.signed(difference)}
        lines.append(tuple(shown.get(column, "") for column in lines[0]))
    rows_of = [" ".join(str(n).split()) for n in (*table.index, *comparison.without_model.index)]
    whole = min(_NAME, 2 + max(map(len, rows_of)))
    # Names before the last columns, which the report has, too.
    while width - _taken(lines) < whole and len(lines[0]) > 6:
        lines = [line[:-1] for line in lines]
    room = max(_SHORTEST_NAME, min(_NAME, width - _taken(lines)))
    rivals = comparison.verdict(reference).rivals
    marks = ["> " if n == advised else "= " if n in rivals else "  " for n in table.index]
    marks += ["~ "] * len(comparison.without_model)
    names = told_apart(rows_of, room - 2)
    names = ["", *(f"{mark}{name}" for mark, name in zip(marks, names, strict=True))]
    rows = [(name, *line) for name, line in zip(names, lines, strict=True)]
    notes = wrapped(_footnotes(comparison, table, reference, lines[0]), width)
    remarks = comparison.verdict(reference).remarks
    said = [f"! {line}" for line in remarks] + ([""] if remarks else [])
    return "\n".join([*aligned(rows), "", *said, *notes])


def _taken(lines: Sequence[tuple[str, ...]]) -> int:
    """How wide these columns are, with two blanks before each."""
    return sum(max(map(len, column)) + 2 for column in zip(*lines, strict=True))


def _footnotes(
    comparison: Comparison, table: pd.DataFrame, reference: str, shown: Sequence[str]
) -> list[str]:
    """What must be said beside the table, and what the columns mean that are shown."""
    info = comparison.info
    units = [f"money in {called}"] if (called := currency(info)) else []
    units += [f"losses in {unit}"] if (unit := loss_unit(info)) else []
    notes = [", ".join(units)] if units else []
    if (verdict := comparison.verdict(reference)).rivals:
        notes.append(f"= {RIVAL.format(shorten(verdict.strategy, 40))}")
    if len(comparison.without_model):
        notes.append("~ needs no model: what to beat, not what to run")
    if "expected" in shown:
        first, *more = expected.meanings(comparison)
        notes += [f"expected: {first}", *(f"{_INDENT}{line}" for line in more)]
    notes.append(f"difference: total minus that of {reference!r}; negative is cheaper")
    notes += cheapest.why_not(comparison, reference)
    if left_out := without_interval(comparison, reference):
        notes.append(left_out)
    notes += [f"{mishap}: {meaning}" for mishap, meaning in MISHAPS.items() if table[mishap].any()]
    if "regret" in shown:
        notes.append(f"regret: {REGRET}")
    meanings = luck.meanings(comparison)
    notes += [f"{column}: {meanings[column]}" for column in luck.COLUMNS if column in shown]
    if luck.COLUMNS[0] in shown and (few := luck.few(comparison)):
        notes.append(f"{_INDENT}{few}")
    notes += [f"{key}: {meaning}" for key, meaning in CHANGES.items() if key in shown]
    return notes


def wrapped(notes: Sequence[str], width: int) -> list[str]:
    """Lines of at most so many columns; what a note goes on with is further in than its start."""
    return [
        line
        for note in notes
        for line in textwrap.wrap(
            note,
            width,
            subsequent_indent=_INDENT * (2 if note.startswith(_INDENT) else 1),
            break_long_words=False,
            break_on_hyphens=False,
        )
    ]


def aligned(lines: Sequence[tuple[str, ...]], words: Sequence[int] = (0,)) -> list[str]:
    """Cells in columns of plain text: the first, and all of ``words``, to the left."""
    widths = [max(map(len, column)) for column in zip(*lines, strict=True)]
    sides = [str.ljust if i in words else str.rjust for i in range(len(widths))]
    texts = (
        "  ".join(
            [side(cell, width) for side, cell, width in zip(sides, line, widths, strict=True)]
        )
        for line in lines
    )
    # The typographic minus of the report is missing from some terminal fonts.
    return [text.rstrip().replace("\N{MINUS SIGN}", "-").replace(MISSING, "-") for text in texts]
