"""How often labels lay at or below the quantiles that were answered: what is meant, and real."""

from typing import Any

from backtrain.reports.comparison import Comparison
from backtrain.reports.exhibit import Exhibit, Section
from backtrain.reports.numbers import number, significant
from backtrain.reports.tables import Cell, Column, Sheet, sheet
from backtrain.simulator.record import Run


def section(comparison: Comparison, baseline: str) -> Section | None:
    """A row a strategy, a column a level; None where models answer one number a row."""
    levels = [entry["level"] for entry in _coverage(comparison.runs[baseline])]
    if not levels:
        return None
    winner = comparison.verdict(baseline).strategy
    finding = _sentence(winner, _coverage(comparison.runs[winner]))
    shows = _sheet(comparison, baseline, levels)
    note = (
        "Share of the labels that came to lie at or below the answer at each level, by weight: "
        "right quantiles have their own."
    )
    return Section("Quantiles", [Exhibit("quantiles", "Coverage", shows)], finding, note=note)


def _sheet(comparison: Comparison, baseline: str, levels: list[float]) -> Sheet:
    def cells(name: str) -> list[Cell]:
        table = _coverage(comparison.runs[name])
        shares = [float(entry["share"]) for entry in table]
        losses = [float(entry["loss"]) for entry in table]
        error = max(abs(entry["share"] - entry["level"]) for entry in table)
        shown = [Cell(_percent(share), share) for share in shares]
        return [
            *shown,
            Cell(_percent(error), error),
            *(Cell(significant(loss), loss) for loss in losses),
        ]

    columns = [
        *(Column(f"at or below q{q:g}", title=f"{100 * q:g} % is meant") for q in levels),
        Column("farthest off", title="of all levels, in percentage points"),
        *(Column(f"pinball {q:g}", title="mean loss a row at this level") for q in levels),
    ]
    return sheet(comparison, baseline, columns, cells)


def _sentence(name: str, table: list[dict[str, Any]]) -> str:
    worst = max(table, key=lambda entry: abs(entry["share"] - entry["level"]))
    return (
        f"Of {name}, {_percent(worst['share'])} of the labels lie at or below the answer for "
        f"{100 * worst['level']:g} %, the level that is farthest off."
    )


def _coverage(run: Run) -> list[dict[str, Any]]:
    """What a run says of each level; nothing where its models answer one number a row."""
    return list(run.totals.get("coverage") or [])


def _percent(share: float) -> str:
    return f"{number(100 * share, 1)} %"
