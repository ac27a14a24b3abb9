"""What the errors of each group cost: where the strategy to run saves, and where it does not."""

from __future__ import annotations

from collections.abc import Callable

import pandas as pd

from backtrain.reports.comparison import Comparison
from backtrain.reports.exhibit import Exhibit
from backtrain.reports.numbers import Money, count, listing, number, shorten, significant
from backtrain.reports.sections import groups_of
from backtrain.reports.tables import Cell, Column, Row, Sheet
from backtrain.reports.units import currency, in_loss, in_money
from backtrain.simulator.record import Run

#: Groups that have a row: those in which errors cost most.
SHOWN = 12


def exhibit(
    comparison: Comparison, baseline: str, column: str | None = None, key: str = "group"
) -> Exhibit | None:
    """Money by group, of the strategy to run and the baseline; None without two groups.

    ``column`` is one of several that groups are made of, ``key`` what its files are called by.
    """
    verdict = comparison.verdict(baseline)
    winner, other = verdict.strategy, baseline
    if winner == baseline:
        other = verdict.runner_up
    if not other:
        return None
    costs = by_group(comparison.runs[winner], comparison.runs[other], column)
    if len(costs) < 2:
        return None
    return Exhibit(
        f"money-by-{key}",
        f"Cost of errors by {column or 'group'}",
        _sheet(comparison, costs, winner, other, column),
        data=lambda: costs,
        finding=_sentence(comparison, costs, winner, other, column),
    )


def by_group(winner: Run, other: Run, column: str | None = None) -> pd.DataFrame:
    """Scored rows, money of errors and mean losses of two runs, a row a group that both scored."""
    own, theirs = (_of(run, column) for run in (winner, other))
    joined = own.join(theirs[["cost", "loss"]].add_suffix("_other"), how="inner")
    return joined.assign(saved=joined["cost_other"] - joined["cost"])


def _of(run: Run, column: str | None) -> pd.DataFrame:
    price = float(run.info["prices"].get("error", 1.0))
    entries = [entry for entry in groups_of(run, column) if entry["weight"]]
    rows = {
        str(entry["group"]): (
            entry["scored"],
            price * entry["loss"],
            entry["loss"] / entry["weight"],
        )
        for entry in entries
    }
    columns = ["scored", "cost", "loss"]
    return pd.DataFrame.from_dict(rows, orient="index", columns=columns).rename_axis("group")


def _sentence(
    comparison: Comparison, costs: pd.DataFrame, winner: str, other: str, column: str | None
) -> str:
    money = Money.fit(costs[["cost", "cost_other"]].to_numpy().ravel(), currency(comparison.info))
    dearer = costs[costs["saved"] < 0].sort_values("saved", kind="stable")
    groups = _many(len(costs), "", column)
    if dearer.empty:
        return f"Errors of {winner} cost no more than those of {other} in any of {groups}."
    named = (f"{shorten(str(name))} ({money(-row['saved'])})" for name, row in dearer.iterrows())
    return (
        f"Errors of {winner} cost more than those of {other} in {len(dearer)} of {groups}: "
        f"{listing(named)}."
    )


def _many(quantity: int, which: str, column: str | None) -> str:
    """So many groups, or values of a column."""
    if column is None:
        return count(quantity, f"{which}group")
    return f"{count(quantity, f'{which}value')} of {shorten(column)}"


def _sheet(
    comparison: Comparison, costs: pd.DataFrame, winner: str, other: str, column: str | None
) -> Sheet:
    info, money = comparison.info, Money.fit(costs[["cost", "cost_other"]].to_numpy().ravel())
    ranked = costs.sort_values("cost", ascending=False, kind="stable")
    rows = [
        Row(
            shorten(str(group), 40),
            "",
            (
                Cell(number(row["scored"]), row["scored"]),
                Cell(money(row["cost"]), row["cost"]),
                Cell(money(row["cost_other"]), row["cost_other"]),
                Cell(money.signed(row["saved"]), row["saved"]),
                Cell(significant(row["loss"]), row["loss"]),
                Cell(significant(row["loss_other"]), row["loss_other"]),
            ),
        )
        for group, row in ranked[:SHOWN].iterrows()
    ]
    if len(rest := ranked[SHOWN:]):
        sums = rest[["scored", "cost", "cost_other", "saved"]].sum()
        writers: tuple[Callable[[float], str], ...] = (number, money, money, money.signed)
        cells = [Cell(write(x), float(x)) for write, x in zip(writers, sums, strict=True)]
        rows.append(Row(_many(len(rest), "other ", column), "", (*cells, Cell(""), Cell(""))))
    loss = in_loss("mean loss", info)
    columns = (
        Column("scored rows"),
        Column(in_money(f"errors of {shorten(winner)}", info)),
        Column(in_money(f"of {shorten(other)}", info)),
        Column(in_money("saved", info)),
        Column(f"{loss} of {shorten(winner)}"),
        Column(f"of {shorten(other)}", title=f"{loss} of {other}"),
    )
    return Sheet(columns, tuple(rows), first=column or "group")
