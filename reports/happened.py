"""What happened to each strategy: what it trained, what was refused, how late it found a drift."""

from __future__ import annotations

from collections.abc import Iterable, Sequence
from typing import TYPE_CHECKING

import pandas as pd

from backtrain.reports.cells import Cell, Column, Row, Table
from backtrain.reports.numbers import MISSING, duration, number
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
    drifts = comparison.info.get("drift") or []
    columns = [Column(kind) for kind in shown]
    if drifts:
        columns.append(
            Column(
                "trained after drift", title="median time from a true drift to the next training"
            )
        )
    rows, roles = [], role_names(comparison, baseline)
    for name in comparison.table(baseline).index:
        cells = [Cell(number(counts[name][kind]), counts[name][kind]) for kind in shown]
        if drifts:
            cells.append(_lag(comparison.runs[name], drifts))
        rows.append(Row(name, roles[name], tuple(cells)))
    return Table(tuple(columns), tuple(rows))


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
        "fired while busy": int(run.totals["busy"]),
        "suppressed": int(run.totals["suppressed"]),
        "fallback rows": int(run.totals["fallback"]),
    }


def _lag(run: Run, drifts: Sequence[str]) -> Cell:
    """Median time from a true drift to the first training decided before the next one."""
    starts = [pd.Timestamp(drift) for drift in drifts]
    decided = trainings(run)["decided_at"]
    lags = []
    for start, stop in zip(starts, [*starts[1:], pd.Timestamp.max], strict=True):
        after = decided[(decided >= start) & (decided < stop)]
        lags += [after.min() - start] if len(after) else []
    if not lags:
        return Cell(MISSING)
    median = pd.Timedelta(pd.Series(lags).median())
    return Cell(f"{duration(median)}, {len(lags)} of {len(starts)}", median / pd.Timedelta(days=1))
