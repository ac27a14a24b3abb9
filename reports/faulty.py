"""What each strategy did while a fault lasted, and what it cost: in it, and after it."""

from collections.abc import Iterator
from dataclasses import dataclass

import numpy as np
import pandas as pd

from backtrain.datasets.calendar import UTC, Calendar
from backtrain.reports.comparison import Comparison
from backtrain.reports.exhibit import Exhibit, Section
from backtrain.reports.kept import NOT_KEPT
from backtrain.reports.numbers import MISSING, Money, count, listing, number, significant
from backtrain.reports.periods import trainings
from backtrain.reports.tables import Cell, Column, Sheet, sheet
from backtrain.reports.units import currency
from backtrain.simulator.record import Run

#: What a trigger that fires leads to, by the kind of the event.
FIRED = ("trained", "refused", "busy", "cooldown", "budget", "blackout")


@dataclass(frozen=True)
class Fault:
    """What was injected from ``start`` up to but without ``stop``."""

    name: str
    start: pd.Timestamp
    stop: pd.Timestamp
    calendar: Calendar = UTC

    @property
    def title(self) -> str:
        """Its name and its days."""
        return f"{self.name}, {self.calendar.day(self.start)} to {self.calendar.day(self.stop)}"

    def during(self, times: pd.Series) -> pd.Series:
        """Which instants lie in it."""
        return (times >= self.start) & (times < self.stop)


def faults_of(comparison: Comparison) -> list[Fault]:
    """The faults of the history that reach into what was served; those of one period as one."""
    info = comparison.info
    names: dict[tuple[pd.Timestamp, pd.Timestamp], list[str]] = {}
    for fault in info.get("faults") or []:
        period = pd.Timestamp(fault["start"]), pd.Timestamp(fault["stop"])
        names.setdefault(period, []).append(fault["name"])
    start, end = pd.Timestamp(info["start"]), pd.Timestamp(info["end"])
    return [
        Fault(listing(names[period]), *period, Calendar.of(info))
        for period in sorted(names)
        if period[1] > start and period[0] <= end
    ]


def section(comparison: Comparison, baseline: str) -> Section | None:
    """A table for each fault; None where none was put into the history."""
    if faults_of(comparison) and not all(r.has_predictions for r in comparison.runs.values()):
        return Section("While the data were wrong", intro=NOT_KEPT)
    made, names = [], list(comparison.table(baseline).index)
    for number_of, fault in enumerate(faults_of(comparison), start=1):
        did = {name: counts(comparison.runs[name], fault) for name in names}
        paid = {name: costs(comparison.runs[name], fault) for name in names}
        table = _table(comparison, baseline, fault, did, paid)
        finding = _sentence(did, paid, currency(comparison.info))
        made.append(Exhibit(f"fault-{number_of}", fault.title, table, finding=finding))
    intro = (
        "Faults were put into this history. Rows are scored against what their labels really were."
    )
    return Section("While the data were wrong", made, intro=intro) if made else None


def counts(run: Run, fault: Fault) -> dict[str, int]:
    """How often its trigger fired in the fault, what came of it, and what it learnt of it."""
    kinds = run.events.loc[fault.during(run.events["at"]), "kind"].value_counts()
    versions = trainings(run)
    reach = (versions["window_start"] < fault.stop) & (versions["window_end"] >= fault.start)
    learnt = versions[reach & (versions["outcome"] == "deployed")]
    served = run.predictions["version"].isin(learnt["version"])
    return {
        "fired": int(sum(kinds.get(kind, 0) for kind in FIRED)),
        "trained": int(kinds.get("trained", 0)),
        "refused": int(kinds.get("refused", 0)),
        "rejected": int(kinds.get("rejected", 0)) + int(kinds.get("rolled back", 0)),
        "failed": int(kinds.get("failed", 0)),
        "learnt from it": len(learnt),
        "rows served by these": int(served.sum()),
    }


def costs(run: Run, fault: Fault) -> tuple[float, float]:
    """Money in the fault and after it, the first model aside; loss by row, charges by instant."""
    rows, charges = run.predictions, run.charges
    price = float(run.info["prices"].get("error") or 0.0)
    error = (rows["loss"] * rows["weight"]).fillna(0.0) * price
    other = charges[~charges["kind"].isin(["initial", "error"])]

    def of(row_is: pd.Series, charge_is: pd.Series) -> float:
        return float(error[row_is].sum() + other.loc[charge_is, "amount"].sum())

    inside = of(fault.during(rows["event_time"]), fault.during(other["when"]))
    return inside, of(rows["event_time"] >= fault.stop, other["when"] >= fault.stop)


def losses(run: Run, fault: Fault) -> tuple[float, float]:
    """Mean loss of the scored rows in the fault, and of all others; NaN where there are none."""
    rows = run.predictions[run.predictions["loss"].notna()]
    inside = fault.during(rows["event_time"])

    def mean(part: pd.DataFrame) -> float:
        weight = float(part["weight"].sum())
        return float((part["loss"] * part["weight"]).sum()) / weight if weight else np.nan

    return mean(rows[inside]), mean(rows[~inside])


def _sentence(
    did: dict[str, dict[str, int]], paid: dict[str, tuple[float, float]], called: str
) -> str:
    money = Money.fit((amount for pair in paid.values() for amount in pair), called)
    learnt = sum(of["learnt from it"] > 0 for of in did.values())
    refused = sum(of["refused"] for of in did.values())
    least = min(paid, key=lambda name: sum(paid[name]))
    turned = f"; gates refused {count(refused, 'training')} while it lasted" if refused else ""
    return (
        f"{learnt} of {len(did)} strategies put models in force that had learnt from it{turned}. "
        f"From its start on {least} cost the least, {money(sum(paid[least]))}."
    )


def _table(
    comparison: Comparison,
    baseline: str,
    fault: Fault,
    did: dict[str, dict[str, int]],
    paid: dict[str, tuple[float, float]],
) -> Sheet:
    always = ("fired", "trained", "learnt from it")
    shown = [k for k in did[baseline] if k in always or any(of[k] for of in did.values())]
    money = Money.fit(amount for pair in paid.values() for amount in pair)

    def cells(name: str) -> Iterator[Cell]:
        yield from (Cell(number(did[name][kind]), did[name][kind]) for kind in shown)
        for amount, usual in zip(paid[name], paid[baseline], strict=True):
            gap = MISSING if name == baseline else money.signed(amount - usual)
            yield Cell(money(amount), amount)
            yield Cell(gap, amount - usual)
        for mean in losses(comparison.runs[name], fault):
            yield Cell(significant(mean), mean)

    titles = {
        "fired": "how often its trigger fired while the fault lasted",
        "refused": "by a gate, before anything was trained",
        "learnt from it": "models put in force, whenever, whose window reaches into the fault",
        "rows served by these": "at any time",
    }
    columns = [Column(kind, title=titles.get(kind, "while the fault lasted")) for kind in shown]
    for when, meaning in (("in it", "while the fault lasted"), ("after it", "up to the end")):
        columns += [
            Column(f"cost {when}", title=f"all cost {meaning}; errors at the time of their row"),
            Column(f"against {baseline}", title=f"difference of the cost {meaning}"),
        ]
    columns += [Column("loss in it", title="mean loss a row"), Column("loss outside it")]
    return sheet(comparison, baseline, columns, cells, roles=True)
