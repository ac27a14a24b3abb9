"""What happened to each strategy: what it trained, what was refused, and why."""

from __future__ import annotations

from collections.abc import Mapping

from backtrain.reports import remarks
from backtrain.reports.cells import Cell, Column, Row, Sheet
from backtrain.reports.comparison import Comparison
from backtrain.reports.numbers import number
from backtrain.reports.periods import trainings
from backtrain.reports.tables import role_names
from backtrain.simulator.record import Run


def counts_table(comparison: Comparison, baseline: str) -> Sheet:
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
    return Sheet(columns, tuple(rows))


def failures(runs: Mapping[str, Run]) -> list[str]:
    """Why trainings failed or were refused, each cause once with how often."""
    kinds = (remarks.FAILED, remarks.NOTHING, "refused")
    return [remark.sentence for kind in kinds for remark in remarks.causes(runs, kind)]


def _counts(run: Run) -> dict[str, int]:
    kinds = run.events["kind"].value_counts()
    outcomes = trainings(run)["outcome"].value_counts()
    return {
        "trained": int(run.totals["retrains"]),
        "deployed": int(run.totals["deployed"]),
        "rejected": int(run.totals["rejected"]),
        "rolled back": int(outcomes.get("rolled back", 0)),
        "superseded": int(outcomes.get("superseded", 0)),
        "failed": int(run.totals["failed"]),
        "refused": int(kinds.get("refused", 0)),
        "pending": int(outcomes.get("pending", 0)),
        "fallback rows": int(run.totals["fallback"]),
    }
