"""The table of each strategy against the oracle, the best fixed interval, and luck."""

from __future__ import annotations

from backtrain.reports.cells import Cell, Column, Row, Sheet
from backtrain.reports.comparison import Comparison
from backtrain.reports.numbers import MISSING, Money, number, percent
from backtrain.reports.oracle import facts_of, is_tested
from backtrain.simulator.record import Run


def any_known(comparison: Comparison) -> bool:
    """Whether at least one run was held against a loss matrix."""
    return any(facts_of(run) for run in comparison.runs.values())


def table(comparison: Comparison, baseline: str) -> Sheet | None:
    """Regret, gap and placebo shares, in the order of the ranking; None where nothing is known."""
    if not any_known(comparison):
        return None
    ranked = comparison.table(baseline)
    money = Money.fit(ranked["total"])
    rows = []
    for name in ranked.index:
        known = facts_of(comparison.runs[name])
        amounts = [known.get(key) for key in ("oracle", "regret", "gap")]
        shares = [known.get(key) for key in ("placebo_even", "placebo_random")]
        trained = is_tested(comparison.runs[name])
        cells = (
            *(Cell(MISSING if x is None else money(x), "" if x is None else x) for x in amounts),
            *(Cell(percent(x if trained else None), "" if x is None else x) for x in shares),
        )
        rows.append(Row(name, "", cells))
    columns = (
        Column("oracle", title="the cheapest schedule of the same window, known afterwards"),
        Column("regret", title="what the strategy cost more than that"),
        Column("over the best interval", title="the interval that is cheapest over its phases"),
        Column(
            "beats even spacing", title="share of as many retrains, evenly spaced, that cost more"
        ),
        Column("beats random", title="share of as many retrains at random that cost more"),
    )
    return Sheet(columns, tuple(rows))


def note(comparison: Comparison) -> str:
    """How the numbers came about, and why some have none, in words; "" where nobody asked."""
    told = [run.info["no_hindsight"] for run in comparison.runs.values() if is_left_out(run)]
    sentences = [_made(comparison)] if any_known(comparison) else []
    for why in dict.fromkeys(told):
        names = [n for n, run in comparison.runs.items() if run.info.get("no_hindsight") == why]
        sentences.append(f"Without a matrix: {', '.join(names)} ({why}).")
    return " ".join(sentences)


def is_left_out(run: Run) -> bool:
    """Whether matrices were made, and none covers this run."""
    return bool(run.info.get("no_hindsight"))


def _made(comparison: Comparison) -> str:
    known = next(facts_of(run) for run in comparison.runs.values() if facts_of(run))
    every = "every tick" if known["every"] == 1 else f"every {known['every']}th tick"
    return (
        f"From {number(known['candidates'])} models, one trained at {every} and scored on all that "
        "follows. Costs are those of errors, trainings and releases. Luck makes as many trainings, "
        "each once the one before is over. A trigger that does not beat even spacing in most "
        "phases has shown nothing but its number of retrains."
    )
