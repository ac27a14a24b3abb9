"""The ranked table and its footnotes as plain text, for a terminal."""

import shutil
from collections.abc import Sequence

import pandas as pd

from backtrain.reports.comparison import Comparison
from backtrain.reports.numbers import MISSING, Money, number, percent, shorten, told_apart
from backtrain.reports.tables import (
    CHANGES,
    EXPECTED,
    MISHAPS,
    REGRET,
    RIVAL,
    changed_text,
    interval_text,
)
from backtrain.reports.units import currency, loss_unit, measure_of_change
from backtrain.reports.verdict import hindsight_of, is_tested

#: Columns of characters that a terminal is taken to have at least.
_WIDTH = 100
_NAME, _SHORTEST_NAME = 20, 8


def terminal_table(comparison: Comparison, baseline: str | None = None) -> str:
    """The ranked table as plain text, 100 columns wide, or as wide as the terminal is."""
    width = max(_WIDTH, shutil.get_terminal_size((_WIDTH, 24)).columns)
    reference = comparison.baseline(baseline)
    table = comparison.table(reference)
    money = Money.fit(table["total"])
    lucky = "regret" in table
    advised = comparison.verdict(reference).strategy
    mishaps = [mishap for mishap in MISHAPS if table[mishap].any()]
    last = ("regret", "beats luck") if lucky else ("retraining",)
    own = measure_of_change(comparison.info)
    moved = (own,) if own in table else ()
    expected = ("expected",) if lucky else ()
    middle = ("difference", "95 % interval")
    lines = [("total", "error", "retrains", *mishaps, *expected, *middle, *last, *moved)]
    for name, row in table.iterrows():
        luck = (
            (money(row["regret"]), _luck(comparison, str(name)))
            if lucky
            else (money(row["total"] - row["error"]),)
        )
        lines.append(
            (
                money(row["total"]),
                money(row["error"]),
                number(row["retrains"]),
                *(number(row[mishap]) for mishap in mishaps),
                *(money(row[column]) for column in expected),
                "baseline" if name == reference else money.signed(row["difference"]),
                interval_text(row, money) if name != reference else "",
                *luck,
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
    return "\n".join([*aligned(rows), *_footnotes(comparison, table, reference, lines[0])])


def _taken(lines: Sequence[tuple[str, ...]]) -> int:
    """How wide these columns are, with two blanks before each."""
    return sum(max(map(len, column)) + 2 for column in zip(*lines, strict=True))


def _footnotes(
    comparison: Comparison, table: pd.DataFrame, reference: str, shown: Sequence[str]
) -> list[str]:
    """What must be said beside the table, and what the columns mean that are shown."""
    remarks = comparison.verdict(reference).remarks
    notes = [f"! {line}" for line in remarks] + ([""] if remarks else [])
    info = comparison.info
    units = [f"money in {called}"] if (called := currency(info)) else []
    units += [f"losses in {unit}"] if (unit := loss_unit(info)) else []
    notes += [", ".join(units)] if units else []
    if (verdict := comparison.verdict(reference)).rivals:
        notes.append(f"= {RIVAL.format(shorten(verdict.strategy, 40))}")
    if len(comparison.without_model):
        notes.append("~ needs no model: what to beat, not what to run")
    if "expected" in shown:
        notes.append(f"expected: {EXPECTED}")
    notes.append(f"difference: total minus that of {reference!r}; negative is cheaper")
    if table["low"].isna().any():
        notes.append("no interval: fewer than seven blocks of its usual gap between retrains")
    notes += [f"{mishap}: {meaning}" for mishap, meaning in MISHAPS.items() if table[mishap].any()]
    if "regret" in shown:
        notes.append(f"regret: {REGRET}")
    if "beats luck" in shown:
        notes.append("beats luck: share of as many trainings, evenly spaced, that cost more")
    notes += [f"{key}: {meaning}" for key, meaning in CHANGES.items() if key in shown]
    return ["", *notes]


def _luck(comparison: Comparison, name: str) -> str:
    run = comparison.runs[name]
    return percent(hindsight_of(run).get("placebo_even") if is_tested(run) else None)


def aligned(lines: Sequence[tuple[str, ...]]) -> list[str]:
    """Cells in columns of plain text: the first to the left, the others to the right."""
    widths = [max(map(len, column)) for column in zip(*lines, strict=True)]
    texts = (
        "  ".join([line[0].ljust(widths[0]), *map(str.rjust, line[1:], widths[1:])]).rstrip()
        for line in lines
    )
    # The typographic minus of the report is missing from some terminal fonts.
    return [text.replace("\N{MINUS SIGN}", "-").replace(MISSING, "-") for text in texts]
