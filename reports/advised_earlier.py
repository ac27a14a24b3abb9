"""What this advice would have been at earlier dates, and what it would have paid."""

from backtrain.datasets.calendar import Calendar
from backtrain.reports.comparison import Comparison
from backtrain.reports.exhibit import Exhibit, Section
from backtrain.reports.numbers import Money
from backtrain.reports.tables import Cell, Column, Row, Sheet
from backtrain.reports.units import in_money

_NOTE = (
    "At each date the same rule chose among the fixed schedules by what was known then, and paid "
    "for the rest of the history: errors, trainings and releases, the mean over all phases, with a "
    "first model of that date. Alarms and gates are left out: no loss matrix knows what else they "
    "would have done."
)


def section(comparison: Comparison, baseline: str) -> Section | None:
    """The advice at earlier dates in a sentence, and in a table where anybody can tell."""
    if len(comparison.runs) == 1:
        return None
    followed, shows = comparison.followed(baseline), _sheet(comparison, baseline)
    exhibits = [Exhibit("earlier", "The advice at earlier dates", shows)] if shows else []
    note = _NOTE if shows else ""
    return Section("Had you followed it", exhibits, followed.sentence, note=note)


def _sheet(comparison: Comparison, baseline: str) -> Sheet | None:
    """What was decided at each instant and paid from then on; None where nobody can tell."""
    followed = comparison.followed(baseline)
    found = followed.walk
    if found is None:
        return None
    totals, info = comparison.table(baseline)["total"], comparison.info
    money = Money.fit(totals)

    def cells(k: int) -> tuple[Cell, ...]:
        paid, kept, least = (float(amounts[k]) for amounts in (found.paid, found.kept, found.least))
        return (
            Cell(found.chosen[k], found.chosen[k]),
            Cell(money(paid), paid),
            Cell(money(kept), kept),
            Cell(found.best[k], found.best[k]),
            Cell(money(least), least),
        )

    columns = (
        Column("what was advised", numeric=False),
        Column(in_money("paid from then on", info)),
        Column(in_money(f"{baseline} paid", info)),
        Column("best afterwards", numeric=False),
        Column(in_money("which paid", info)),
    )
    local = Calendar.of(info)
    rows = [Row(local.day(at), "", cells(k)) for k, at in enumerate(followed.at)]
    return Sheet(columns, tuple(rows), first="decided")
