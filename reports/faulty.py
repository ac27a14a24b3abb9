"""What each strategy did while a fault lasted, and what it cost: in it, and after it."""

from collections.abc import Iterator
from dataclasses import dataclass

import numpy as np
import pandas as pd

from backtrain.datasets.calendar import UTC, Calendar
from backtrain.datasets.instants import is_delay
from backtrain.reports.comparison import Comparison
from backtrain.reports.exhibit import Exhibit, Section
from backtrain.reports.kept import NOT_KEPT
from backtrain.reports.numbers import MISSING, Money, count, listing, number, significant
from backtrain.reports.periods import trainings
from backtrain.reports.tables import Cell, Column, Sheet, sheet
from backtrain.reports.units import currency
from backtrain.simulator.record import Run

#: Titles of the section: where values are wrong, and where labels only come later.
_WRONG, _LATE = "While the data were wrong", "Labels that came later"
#: What a trigger that fires leads to, by the kind of the event.
FIRED = ("trained", "refused", "busy", "cooldown", "budget", "blackout")


@dataclass(frozen=True)
class Fault:
    """What was injected from ``start`` up to but without ``stop``.

    Of a ``delay`` all values are right, labels only come at other times: nothing wrong is learnt.
    """

    name: str
    start: pd.Timestamp
    stop: pd.Timestamp
    calendar: Calendar = UTC
    delay: bool = False

    @property
    def title(self) -> str:
        """Its name and its days."""
        return f"{self.name}, {self.calendar.day(self.start)} to {self.calendar.day(self.stop)}"

    def during(self, times: pd.Series) -> pd.Series:
        """Which instants lie in it."""
        return (times >= self.start) & (times < self.stop)


def faults_of(comparison: Comparison) -> list[Fault]:
    """What was put into the history and reaches into what was served; of one period as one.

    What is a delay, all along what was served, is left out: there is nothing beside it.
    """
    return [fault for fault in _all(comparison) if not _throughout(fault, comparison)]


def _all(comparison: Comparison) -> list[Fault]:
    info = comparison.info
    names: dict[tuple[pd.Timestamp, pd.Timestamp, bool], list[str]] = {}
    for fault in info.get("faults") or []:
        period = pd.Timestamp(fault["start"]), pd.Timestamp(fault["stop"])
        names.setdefault((*period, is_delay(fault["name"])), []).append(fault["name"])
    start, end = pd.Timestamp(info["start"]), pd.Timestamp(info["end"])
    return [
        Fault(listing(names[since, until, delay]), since, until, Calendar.of(info), delay)
        for since, until, delay in sorted(names)
        if until > start and since <= end
    ]


def _throughout(fault: Fault, comparison: Comparison) -> bool:
    """Whether a delay is on all that was served."""
    info = comparison.info
    last = (info.get("stream") or {}).get("last") or info["end"]
    until = min(pd.Timestamp(last), pd.Timestamp(info["end"]))
    return fault.delay and fault.start <= pd.Timestamp(info["start"]) and fault.stop >= until


def section(comparison: Comparison, baseline: str) -> Section | None:
    """A table for each fault; None where none was put into the history."""
    faults = _all(comparison)
    title = _LATE if all(fault.delay for fault in faults) else _WRONG
    lines = [_delayed(fault) for fault in faults if _throughout(fault, comparison)]
    faults = faults_of(comparison)
    if faults and not all(r.has_predictions for r in comparison.runs.values()):
        return Section(title, intro=NOT_KEPT, lines=lines)
    made, names = [], list(comparison.table(baseline).index)
    for number_of, fault in enumerate(faults, start=1):
        did = {name: counts(comparison.runs[name], fault) for name in names}
        paid = {name: costs(comparison.runs[name], fault) for name in names}
        table = _table(comparison, baseline, fault, did, paid)
        finding = _sentence(fault, did, paid, currency(comparison.info))
        made.append(Exhibit(f"fault-{number_of}", fault.title, table, finding=finding))
    intro = (
        "Faults were put into this history. Rows are scored against what their labels really were."
    )
    wrong = any(not fault.delay for fault in faults)
    return (
        Section(title, made, intro=intro if wrong else "", lines=lines) if made or lines else None
    )


def _delayed(fault: Fault) -> str:
    """What labels that came later all along mean, and where their cost is to be seen."""
    return (
        f"{fault.title}: a delay that was put into this history. All labels are right and come at "
        "other times, so nothing wrong is learnt from them. What it costs is the difference to the "
        "same command without it."
    )


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
    fault: Fault,
    did: dict[str, dict[str, int]],
    paid: dict[str, tuple[float, float]],
    called: str,
) -> str:
    money = Money.fit((amount for pair in paid.values() for amount in pair), called)
    learnt = sum(of["learnt from it"] > 0 for of in did.values())
    refused = sum(of["refused"] for of in did.values())
    least = min(paid, key=lambda name: sum(paid[name]))
    turned = f"; gates refused {count(refused, 'training')} while it lasted" if refused else ""
    lead = (
        "All labels are right and come at other times, so nothing wrong is learnt"
        if fault.delay
        else f"{learnt} of {len(did)} strategies put models in force that had learnt from it"
    )
    return f"{lead}{turned}. From its start on {least} cost the least, {money(sum(paid[least]))}."


def _table(
    comparison: Comparison,
    baseline: str,
    fault: Fault,
    did: dict[str, dict[str, int]],
    paid: dict[str, tuple[float, float]],
) -> Sheet:
    always = ("fired", "trained", "learnt from it")
    shown = [k for k in did[baseline] if k in always or any(of[k] for of in did.values())]
    if fault.delay:
        shown = [kind for kind in shown if kind not in ("learnt from it", "rows served by these")]
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
