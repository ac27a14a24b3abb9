"""The worst stretches: when the strategy to run and the baseline lost most."""

from __future__ import annotations

import pandas as pd

from backtrain.reports.comparison import Comparison
from backtrain.reports.exhibit import Exhibit, Section
from backtrain.reports.faulty import faults_of
from backtrain.reports.numbers import MISSING, Money, duration, number
from backtrain.reports.stretches import WEEK, Stretches
from backtrain.reports.tables import Cell, Column, Row, Sheet
from backtrain.reports.units import currency, in_money
from backtrain.simulator.record import Run


def section(comparison: Comparison, baseline: str) -> Section | None:
    """The worst weeks of the strategy to run and of the baseline; None for a short history."""
    winner = comparison.verdict(baseline).strategy
    names = list(dict.fromkeys((winner, baseline)))
    stretches = Stretches.of(comparison, names)
    if stretches is None or not stretches.errors.to_numpy().any():
        return None
    unit = "week" if stretches.length == WEEK else f"stretch of {duration(stretches.length)}"
    shows = _sheet(comparison, stretches, names, unit)
    exhibit = Exhibit(
        "worst", f"The worst {unit}s", shows, data=lambda: stretches.errors.set_index(
            stretches.starts.rename("start")
        )
    )  # fmt: skip
    finding = " ".join(_sentence(comparison, stretches, name, unit) for name in names)
    note = f"By the cost of errors alone, in every {unit} that the history holds whole."
    return Section(f"The worst {unit}s", [exhibit], finding, note=note)


def _sentence(comparison: Comparison, stretches: Stretches, name: str, unit: str) -> str:
    errors = stretches.errors[name]
    worst, mean = stretches.worst(name)[0], float(errors.mean())
    money = Money.fit([float(errors.max())], currency(comparison.info))
    cost = float(errors.iloc[worst])
    times = f", {number(cost / mean, 1)} times its mean" if mean > 0 else ""
    return (
        f"The worst {unit} of {name}, {stretches.label(worst)}, cost {money(cost)} in "
        f"errors{times}."
    )


def _sheet(comparison: Comparison, stretches: Stretches, names: list[str], unit: str) -> Sheet:
    chosen: dict[int, list[str]] = {}
    for name in names:
        for k in stretches.worst(name):
            chosen.setdefault(k, []).append(name)
    money = Money.fit(stretches.errors.to_numpy().ravel())

    def cells(k: int) -> list[Cell]:
        shown = []
        for name in names:
            cost = float(stretches.errors[name].iloc[k])
            shown += [Cell(money(cost), cost), _age(comparison.runs[name], stretches.starts[k])]
        return [*shown, Cell(_happened(comparison, stretches, k) or MISSING)]

    columns = [
        column
        for name in names
        for column in (
            Column(in_money(f"errors of {name}", comparison.info)),
            Column("age of its model", title=f"of {name}, at the start, since its training"),
        )
    ]
    rows = tuple(
        Row(stretches.label(k), f"worst of {' and '.join(chosen[k])}", tuple(cells(k)))
        for k in sorted(chosen)
    )
    last = Column("in it", numeric=False, title="true drifts and faults of the data")
    noted = any(row.cells[-1].text != MISSING for row in rows)
    if not noted:
        rows = tuple(Row(row.name, row.role, row.cells[:-1]) for row in rows)
    return Sheet((*columns, *([last] if noted else [])), rows, first=unit)


def _age(run: Run, at: pd.Timestamp) -> Cell:
    """How long before an instant the model in force was trained."""
    live = run.deployments[run.deployments["from"] <= at]
    if live.empty:
        return Cell(MISSING)
    version = live.sort_values("from", kind="stable")["version"].iloc[-1]
    decided = run.versions.set_index("version")["decided_at"][version]
    age = at - pd.Timestamp(decided)
    return Cell(duration(age) if age > pd.Timedelta(0) else "new", age / pd.Timedelta(days=1))


def _happened(comparison: Comparison, stretches: Stretches, k: int) -> str:
    start, stop = stretches.starts[k], stretches.starts[k] + stretches.length
    drifts = [pd.Timestamp(at) for at in comparison.info.get("drift") or []]
    told = ["a true drift"] if any(start <= at < stop for at in drifts) else []
    told += [f.name for f in faults_of(comparison) if f.start < stop and f.stop > start]
    return ", ".join(told)
