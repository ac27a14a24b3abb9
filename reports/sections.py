"""Sections of the report, a row a strategy: groups, luck, what happened."""

import math
from collections.abc import Mapping
from dataclasses import replace
from itertools import pairwise
from typing import Any

import pandas as pd

from backtrain.reports import luck as luck_of
from backtrain.reports import remarks
from backtrain.reports.comparison import Comparison
from backtrain.reports.estimates import mean_gap
from backtrain.reports.numbers import (
    MISSING,
    Money,
    duration,
    listing,
    number,
    shorten,
    significant,
)
from backtrain.reports.periods import trainings
from backtrain.reports.tables import REGRET, Cell, Column, Sheet, sheet
from backtrain.reports.verdict import hindsight_of, is_tested
from backtrain.simulator.record import Run

# --- groups: an average hides the worst of them ---------------------------------------------------

#: Groups that have a column of their own, and scored rows that a worst group must have.
SHOWN_GROUPS, LEAST_ROWS = 6, 30


def by_group(comparison: Comparison, baseline: str, column: str | None = None) -> Sheet | None:
    """Mean loss of the worst and of the largest groups, a row a strategy; None without groups.

    ``column`` is one of several that groups are made of.
    """
    shown = groups_of(comparison.runs[baseline], column)[:SHOWN_GROUPS]
    largest = [str(entry["group"]) for entry in shown]
    if not largest:
        return None

    def cells(name: str) -> list[Cell]:
        run = comparison.runs[name]
        means = {str(entry["group"]): mean_loss(entry) for entry in groups_of(run, column)}
        return [*_worst(run, column), *(_mean(means[group]) for group in largest)]

    columns = [
        Column(f"worst {column or 'group'}", numeric=False),
        Column("its mean loss"),
        *(Column(shorten(group, 20), title=group) for group in largest),
    ]
    return sheet(comparison, baseline, columns, cells)


def groups_of(run: Run, column: str | None = None) -> list[dict[str, Any]]:
    """What a run says of its groups, the largest first; empty where it has none.

    Or of the keys in one of several columns that groups are made of.
    """
    said = run.totals.get("groups") or []
    return list(said if column is None else columns_of(run)[column])


def columns_of(run: Run) -> dict[str, list[dict[str, Any]]]:
    """What a run says of each column that its groups are made of, where they are several."""
    return dict(run.totals.get("group_columns") or {})


def mean_loss(entry: dict[str, Any]) -> float:
    """Mean loss a row of one group, by weight; NaN where none is scored."""
    return float(entry["loss"]) / entry["weight"] if entry["weight"] else float("nan")


def _mean(loss: float) -> Cell:
    return Cell(significant(loss), "" if math.isnan(loss) else loss)


def _worst(run: Run, column: str | None = None) -> tuple[Cell, Cell]:
    judged = [e for e in groups_of(run, column) if e["scored"] >= LEAST_ROWS and e["weight"]]
    if not judged:
        return Cell(MISSING), Cell(MISSING)
    worst = max(judged, key=mean_loss)
    name = str(worst["group"])
    title = f"{name}: {worst['scored']:,} scored rows"
    return Cell(shorten(name, 20), name, title=title), _mean(mean_loss(worst))


# --- luck: each strategy against the oracle, the best fixed interval, and luck --------------------

_LUCK = (
    Column("oracle", title="the cheapest schedule of the same window, known afterwards"),
    Column("regret", title=f"what the strategy cost {REGRET}"),
    Column("over the best interval", title="the interval that is cheapest over its phases"),
    Column("against even spacing", title="its cost less the mean of as many, evenly spaced"),
    *map(Column, luck_of.COLUMNS),
    Column(
        "did not pay",
        title="trainings that saved less than they cost, beside the model before, until the next",
    ),
)


def luck(comparison: Comparison, baseline: str) -> Sheet | None:
    """Regret, gap and placebo shares; None where no run was held against a loss matrix."""
    if not any(map(hindsight_of, comparison.runs.values())):
        return None
    money = Money.fit(comparison.table(baseline)["total"])

    def cells(name: str) -> list[Cell]:
        run = comparison.runs[name]
        facts, tested = hindsight_of(run), is_tested(run)
        ranks = luck_of.evenly(run), luck_of.at_random(run)
        texts = luck_of.text(ranks[0]), luck_of.share(ranks[1])
        amounts = [facts.get(key) for key in ("oracle", "regret", "gap")]
        even = facts.get("over_even") if tested else None
        return [
            *(Cell(MISSING if x is None else money(x), "" if x is None else x) for x in amounts),
            Cell(MISSING) if even is None else Cell(money.signed(-even), -even),
            *(
                Cell(text, "" if rank is None else rank.share)
                for text, rank in zip(texts, ranks, strict=True)
            ),
            _unpaid(facts if tested else {}),
        ]

    made = {name: cells(name) for name in comparison.runs}
    # Earlier versions did not record what even spacing costs.
    shown = [k for k in range(len(_LUCK)) if any(row[k].text != MISSING for row in made.values())]
    titles = luck_of.meanings(comparison)
    columns = [replace(c, title=titles.get(c.label, c.title)) for c in (_LUCK[k] for k in shown)]
    return sheet(comparison, baseline, columns, lambda name: [made[name][k] for k in shown])


def _unpaid(facts: Mapping[str, Any]) -> Cell:
    judged = facts.get("judged")
    if not judged:
        return Cell(MISSING)
    return Cell(f"{number(facts['unpaid'])} of {number(judged)}", facts["unpaid"] / judged)


def luck_note(comparison: Comparison) -> str:
    """How the numbers came about, and why some have none, in words; "" where nobody asked."""
    without: dict[str, list[str]] = {}
    for name, run in comparison.runs.items():
        if run.info.get("no_hindsight"):
            without.setdefault(run.info["no_hindsight"], []).append(name)
    facts = next(filter(None, map(hindsight_of, comparison.runs.values())), None)
    sentences = [] if facts is None else [_matrix(facts)]
    if few := luck_of.few(comparison):
        sentences.append(f"{few}.")
    if facts is not None and any(
        run.info["prices"].get("flip") for run in comparison.runs.values()
    ):
        sentences.append("What flips cost is left out here, of strategies and of luck.")
    sentences += [f"Without a matrix: {listing(n)} ({why})." for why, n in without.items()]
    return " ".join(sentences)


def _matrix(facts: Mapping[str, Any]) -> str:
    every = "every tick" if facts["every"] == 1 else f"one tick in {facts['every']}"
    return (
        f"From {number(facts['candidates'])} models, one trained at {every} and scored on all that "
        "follows. Costs are those of errors, trainings and releases. Luck makes as many trainings, "
        "each once the one before is over. What beats even spacing is better than a timer, what "
        "beats random is better than chance: an alarm should do both. Chance itself beats few "
        "evenly spaced schedules on average, as these leave no long gap. Few of them show "
        "little: by luck alone one strategy in n + 1 beats all n."
    )


# --- what happened: what fired, what was deployed or refused, and why -----------------------------

#: Events of a trigger that fired and could not train, other than `busy`.
_SUPPRESSED = ("cooldown", "budget", "blackout", "refused")

_COUNTED = ("deployed", "rejected", "rolled back", "superseded", "refused", "pending")
#: What is counted. A training that a gate refused beforehand is none, so it is not "rejected".
_MEANINGS = {
    "deployed": "new versions that came into force",
    "rejected": "trained, and turned down by the gate or overtaken by a newer one",
    "rolled back": "of the rejected, those that had answered rows",
    "superseded": "of the rejected, those that a newer one overtook",
    "refused": "by a gate that looked at the rows: no model was trained",
    "pending": "not decided when the history ended",
}
_LABELS = {"refused": "refused before training"}
_HAPPENED = (
    *(Column(_LABELS.get(kind, kind), title=_MEANINGS[kind]) for kind in _COUNTED),
    Column("while busy", title="fired while a training was under way"),
    Column("suppressed", title="by a cooldown, a budget, a blackout, or a gate's check"),
    Column("fired per 100 ticks"),
    Column("training after drift", title="median time from a true drift to the first training"),
    Column("estimated less realised", title="mean over the estimates of performance on record"),
)
#: Columns that are shown even where they would be empty.
_ALWAYS = ("deployed", "fired per 100 ticks")


def happened(comparison: Comparison, baseline: str) -> Sheet:
    """What each strategy did beside training, and what was done to it; without empty columns.

    Trainings, those that failed, and rows of the fallback stand in the ranked table.
    """
    cells = {name: _happened(run) for name, run in comparison.runs.items()}
    shown = [
        k
        for k, column in enumerate(_HAPPENED)
        if column.label in _ALWAYS
        or any(row[k].text not in (MISSING, "0") for row in cells.values())
    ]
    columns = [_HAPPENED[k] for k in shown]
    return sheet(comparison, baseline, columns, lambda name: [cells[name][k] for k in shown])


def _happened(run: Run) -> tuple[Cell, ...]:
    """One for each column."""
    counts = _counts(run)
    kinds = run.events["kind"].value_counts()
    trained, busy = (int(run.totals[key]) for key in ("retrains", "busy"))
    suppressed = sum(int(kinds.get(kind, 0)) for kind in _SUPPRESSED)
    ticks = run.info.get("ticks")
    rate = 100 * (trained + busy + suppressed) / ticks if ticks else float("nan")
    return (
        *(Cell(number(n), n) for n in (*(counts[kind] for kind in _COUNTED), busy, suppressed)),
        Cell(number(rate, 1), rate),
        _lag(run),
        _gap(run),
    )


def _lag(run: Run) -> Cell:
    """Median time from a true drift to the first training decided before the next one."""
    starts = [pd.Timestamp(drift) for drift in run.info.get("drift") or []]
    decided = trainings(run)["decided_at"]
    lags: list[pd.Timedelta | None] = []
    for start, stop in pairwise([*starts, pd.Timestamp.max]):
        after = decided[(decided >= start) & (decided < stop)]
        lags.append(after.min() - start if len(after) else None)
    reached = [lag for lag in lags if lag is not None]
    if not reached:
        return Cell(MISSING)
    median = pd.Timedelta(pd.Series(reached).median())
    each = ", ".join(MISSING if lag is None else duration(lag) for lag in lags)
    text = f"{duration(median)}, {len(reached)} of {len(starts)}"
    return Cell(text, median / pd.Timedelta(days=1), f"after each drift: {each}")


def _gap(run: Run) -> Cell:
    estimated = mean_gap(run)
    if estimated is None:
        return Cell(MISSING)
    metric, gap, count = estimated
    sign = "+" if gap > 0 else ""
    return Cell(f"{metric} {sign}{significant(gap, 2)}, {count} \N{MULTIPLICATION SIGN}", gap)


def refusals(runs: Mapping[str, Run]) -> list[str]:
    """Why trainings were refused, each cause once with how often; failures stand at the verdict."""
    return [remark.sentence for remark in remarks.causes(runs, "refused")]


def _counts(run: Run) -> dict[str, int]:
    outcomes = trainings(run)["outcome"].value_counts()
    counts = {kind: int(outcomes.get(kind, 0)) for kind in _COUNTED}
    own = {key: int(run.totals[key]) for key in ("deployed", "rejected")}
    return {**counts, **own, "refused": int((run.events["kind"] == "refused").sum())}
