"""How each strategy answered the groups of the stream: an average hides the worst of them."""

from __future__ import annotations

import math
from typing import Any

from backtrain.reports.cells import Cell, Column, Row, Sheet
from backtrain.reports.comparison import Comparison
from backtrain.reports.numbers import MISSING, shorten, significant
from backtrain.simulator.record import Run

#: Groups that have a column of their own, and scored rows that a worst group must have.
_SHOWN, _LEAST_ROWS = 6, 30

NOTE = (
    "Mean loss a row. The worst group is that of the largest mean loss among those with at least "
    f"{_LEAST_ROWS} scored rows; the {_SHOWN} groups with the most rows have a column each. The "
    "worst of many groups is partly the unluckiest, the more so the fewer rows it has."
)


def by_group(comparison: Comparison, baseline: str) -> Sheet | None:
    """Mean loss of the worst and of the largest groups, a row a strategy; None without groups."""
    largest = [str(entry["group"]) for entry in of_run(comparison.runs[baseline])[:_SHOWN]]
    if not largest:
        return None
    rows = []
    for name in comparison.table(baseline).index:
        means = {str(entry["group"]): mean_loss(entry) for entry in of_run(comparison.runs[name])}
        cells = (
            *_worst(comparison.runs[name]),
            *(_mean(means[group]) for group in largest),
        )
        rows.append(Row(name, "", cells))
    columns = (
        Column("worst group", numeric=False),
        Column("its mean loss"),
        *(Column(shorten(group, 20), title=group) for group in largest),
    )
    return Sheet(columns, tuple(rows))


def of_run(run: Run) -> list[dict[str, Any]]:
    """What a run says of its groups, the largest first; empty where it has none."""
    return list(run.totals.get("groups") or [])


def mean_loss(entry: dict[str, Any]) -> float:
    """Mean loss a row of one group, by weight; NaN where none is scored."""
    return float(entry["loss"]) / entry["weight"] if entry["weight"] else float("nan")


def _mean(loss: float) -> Cell:
    return Cell(significant(loss), "" if math.isnan(loss) else loss)


def _worst(run: Run) -> tuple[Cell, Cell]:
    judged = [entry for entry in of_run(run) if entry["scored"] >= _LEAST_ROWS and entry["weight"]]
    if not judged:
        return Cell(MISSING), Cell(MISSING)
    worst = max(judged, key=mean_loss)
    name, loss = str(worst["group"]), mean_loss(worst)
    title = f"{name}: {worst['scored']:,} scored rows"
    return Cell(shorten(name, 20), name, title=title), _mean(loss)
