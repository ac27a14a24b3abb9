"""What happened to each strategy: what it trained, what was refused, and why."""

from __future__ import annotations

from collections.abc import Iterable
from typing import TYPE_CHECKING

from backtrain.reports.cells import Cell, Column, Row, Table
from backtrain.reports.numbers import number
from backtrain.reports.periods import trainings
from backtrain.reports.tables import role_names
from backtrain.simulator.record import Run

if TYPE_CHECKING:
    from backtrain.reports.comparison import Comparison

_REASONS = 4  # told of each kind: numbers make each one different


def counts_table(comparison: Comparison, baseline: str) -> Table:
    """Counts of what each strategy did and what was done to it; columns of zeros are left out."""
    counts = {name: _counts(run) for name, run in comparison.runs.items()}
    always = ("trained", "deployed")
    shown = [
        kind
        for kind in counts[baseline]
        if kind in always or any(of[kind] for of in counts.values())
    ]
    columns = tuple(Column(kind) for kind in shown)
    rows, roles = [], role_names(comparison, baseline)
    for name in comparison.table(baseline).index:
        cells = (Cell(number(counts[name][kind]), counts[name][kind]) for kind in shown)
        rows.append(Row(name, roles[name], tuple(cells)))
    return Table(columns, tuple(rows))


def failures(runs: Iterable[Run]) -> list[str]:
    """Why trainings failed or were refused, each reason once with how often."""
    lines = []
    for run in runs:
        for kind in ("failed", "refused"):
            reasons = run.events.loc[run.events["kind"] == kind, "reason"].value_counts(sort=False)
            told = reasons.iloc[:_REASONS]
            lines += [f"{run.name}, {kind} {n} ×: {reason}" for reason, n in told.items()]
            if rest := int(reasons.iloc[_REASONS:].sum()):
                lines.append(f"{run.name}, {kind} {rest} × more, for like reasons: see its events")
    return lines


def _counts(run: Run) -> dict[str, int]:
    kinds = run.events["kind"].value_counts()

    def of(*names: str) -> int:
        return int(sum(kinds.get(name, 0) for name in names))

    outcomes = trainings(run)["outcome"].value_counts()
    return {
        "trained": int(run.totals["retrains"]),
        "deployed": int(run.totals["deployed"]),
        "rejected": int(run.totals["rejected"]),
        "rolled back": int(outcomes.get("rolled back", 0)),
        "superseded": int(outcomes.get("superseded", 0)),
        "failed": int(run.totals["failed"]),
        "refused": of("refused"),
        "pending": int(outcomes.get("pending", 0)),
        "fallback rows": int(run.totals["fallback"]),
    }
