"""What the triggers did: how often they fired, how late after a drift, and how luck does."""

from __future__ import annotations

import pandas as pd

from backtrain.reports.cells import Cell, Column, Row, Sheet
from backtrain.reports.comparison import Comparison
from backtrain.reports.estimates import mean_gap
from backtrain.reports.numbers import MISSING, duration, number, percent, significant
from backtrain.reports.oracle import facts_of, is_tested
from backtrain.reports.periods import trainings
from backtrain.simulator.record import Run

#: Events of a trigger that fired and could not train, other than `busy`.
_SUPPRESSED = ("cooldown", "budget", "blackout", "refused")

_COLUMNS = (
    Column("led to training"),
    Column("while busy", title="fired while a training was under way"),
    Column("suppressed", title="by a cooldown, a budget, a blackout, or a gate's check"),
    Column("fired per 100 ticks"),
    Column("training after drift", title="median time from a true drift to the first training"),
    Column("beats even spacing", title="share of as many retrains, evenly spaced, that cost more"),
    Column("beats random", title="share of as many retrains at random that cost more"),
    Column("estimated less realised", title="mean over the estimates of performance on record"),
)

_ALWAYS = (0, 3)

NOTE = (
    "An alarm that stays on counts once. A share of evenly spaced or random retrains that cost at "
    "least as much tells whether the moments were good, not whether so many were: half is luck."
)


def table(comparison: Comparison, baseline: str) -> Sheet:
    """A row a strategy, in the order of the ranking; columns that would be empty are left out."""
    names = list(comparison.table(baseline).index)
    cells = [_cells(comparison.runs[name]) for name in names]
    told = [any(_tells(row[k]) for row in cells) for k in range(len(_COLUMNS))]
    shown = [k for k, tells in enumerate(told) if tells or k in _ALWAYS]
    kept = [tuple(row[k] for k in shown) for row in cells]
    rows = (Row(name, "", row) for name, row in zip(names, kept, strict=True))
    return Sheet(tuple(_COLUMNS[k] for k in shown), tuple(rows))


def _cells(run: Run) -> tuple[Cell, ...]:
    """One for each column."""
    kinds = run.events["kind"].value_counts()
    trained, busy = (int(run.totals[key]) for key in ("retrains", "busy"))
    suppressed = sum(int(kinds.get(kind, 0)) for kind in _SUPPRESSED)
    ticks = run.info.get("ticks")
    rate = 100 * (trained + busy + suppressed) / ticks if ticks else float("nan")
    known = facts_of(run) if is_tested(run) else {}
    return (
        *(Cell(number(n), n) for n in (trained, busy, suppressed)),
        Cell(number(rate, 1), rate),
        _lag(run),
        *(_share(known.get(key)) for key in ("placebo_even", "placebo_random")),
        _gap(run),
    )


def _tells(cell: Cell) -> bool:
    return cell.text not in (MISSING, "0")


def _lag(run: Run) -> Cell:
    """Median time from a true drift to the first training decided before the next one."""
    starts = [pd.Timestamp(drift) for drift in run.info.get("drift") or []]
    if not starts:
        return Cell(MISSING)
    decided = trainings(run)["decided_at"]
    lags: list[pd.Timedelta | None] = []
    for start, stop in zip(starts, [*starts[1:], pd.Timestamp.max], strict=True):
        after = decided[(decided >= start) & (decided < stop)]
        lags.append(after.min() - start if len(after) else None)
    found = [lag for lag in lags if lag is not None]
    if not found:
        return Cell(MISSING)
    median = pd.Timedelta(pd.Series(found).median())
    each = ", ".join(MISSING if lag is None else duration(lag) for lag in lags)
    told = f"{duration(median)}, {len(found)} of {len(starts)}"
    return Cell(told, median / pd.Timedelta(days=1), f"after each drift: {each}")


def _share(share: float | None) -> Cell:
    return Cell(percent(share), "" if share is None else share)


def _gap(run: Run) -> Cell:
    found = mean_gap(run)
    if found is None:
        return Cell(MISSING)
    metric, gap, count = found
    sign = "+" if gap > 0 else ""
    return Cell(f"{metric} {sign}{significant(gap, 2)}, {count} \N{MULTIPLICATION SIGN}", gap)
