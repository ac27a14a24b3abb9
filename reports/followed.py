"""What following the advice would have paid from the middle of this very history on."""

from __future__ import annotations

import math
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from typing import Any

import numpy as np
import pandas as pd

from backtrain.datasets.calendar import Calendar
from backtrain.datasets.shown import Shown
from backtrain.lossmatrix.decide import Option
from backtrain.lossmatrix.walk import Known, Walk, walk
from backtrain.reports.evidence import to_stop
from backtrain.reports.numbers import Money, count, percent
from backtrain.reports.units import currency
from backtrain.reports.verdict import hindsight_of, may_win
from backtrain.simulator.record import Run

#: Of the first decision, in ``verdict.json``.
_KEYS = ("from", "chosen", "paid", "baseline", "best", "least", "reviewed")


@dataclass(frozen=True, eq=False, repr=False)
class Followed(Shown):
    """The walk of a comparison, in words.

    Attributes
    ----------
    sentence : str
        What would have been decided in the middle, and what that would have paid; or why nobody
        can tell.
    walk : Walk or None
        All instants.
    at : sequence of Timestamp
        When these are.
    baseline : str
        What is held against.
    """

    sentence: str
    walk: Walk | None
    at: Sequence[pd.Timestamp]
    baseline: str

    @classmethod
    def of(
        cls, runs: Mapping[str, Run], baseline: str, careful: float, advised: str = ""
    ) -> Followed:
        """Decide among the fixed schedules that have a loss matrix.

        ``advised`` is what is advised now, by all of the history.
        """
        told = {name: hindsight_of(run).get("walk") for name, run in runs.items()}
        known = {n: t for n, t in told.items() if t and (n == baseline or may_win(runs[n]))}
        if why := _why_none(runs, told, known, baseline):
            return cls(why, None, (), baseline)
        price = float(runs[baseline].info["prices"].get("retrain", 0.0))
        found = walk(
            {name: _known(name, facts) for name, facts in known.items()},
            baseline,
            known[baseline]["left"],
            price,
            careful,
            to_stop({name: runs[name] for name in known}),
        )
        at = [pd.Timestamp(instant) for instant in known[baseline]["at"]]
        totals = (run.totals["total"] for run in runs.values())
        money = Money.fit(totals, currency(runs[baseline].info))
        days = list(map(Calendar.of(runs[baseline].info).day, at))
        since = _since(found, days, advised if advised in known else "")
        sentence = " ".join([_sentence(found, days, baseline, money), *since])
        return cls(sentence, found, at, baseline)

    def to_dict(self) -> dict[str, Any]:
        """The first decision as plain data; numbers are None where nobody can tell."""
        values: tuple[Any, ...] = (None,) * len(_KEYS)
        if self.walk is not None:
            found = self.walk
            paid, kept, least = (float(x[0]) for x in (found.paid, found.kept, found.least))
            since, reviewed = self.at[0].isoformat(), float(found.reviewed)
            values = since, found.chosen[0], paid, kept, found.best[0], least, reviewed
        return {**dict(zip(_KEYS, values, strict=True)), "sentence": self.sentence}


def _known(name: str, facts: Mapping[str, Any]) -> Known:
    options = [Option(name, **option) for option in facts["options"]]
    return Known(options, np.asarray(facts["paid"], dtype=np.float64))


def _why_none(
    runs: Mapping[str, Run],
    told: Mapping[str, Any],
    known: Mapping[str, Any],
    baseline: str,
) -> str:
    """Why nobody can tell what the advice would have paid; empty where it can be told."""
    lead = "What following this advice would have paid on this history is not known"
    if not any(map(hindsight_of, runs.values())):
        return f"{lead}: no loss matrix was made."
    if not any(told.values()):
        thinned = any("thinned" in hindsight_of(run) for run in runs.values())
        why = (
            "too few models were trained; hindsight=true trains all"
            if thinned
            else ("its first half is too short to decide on")
        )
        return f"{lead}: {why}."
    if baseline not in known:
        return f"{lead}: {baseline} is no fixed schedule with a loss matrix."
    if len(known) == 1:
        return f"{lead}: no other fixed schedule has a loss matrix."
    return ""


def _sentence(found: Walk, at: Sequence[str], baseline: str, money: Money) -> str:
    paid, kept, least = (money(float(x[0])) for x in (found.paid, found.kept, found.least))
    chosen, best = found.chosen[0], found.best[0]
    runs = "kept" if chosen == baseline else "run"
    against = "" if chosen == baseline else f", against {kept} for {baseline}"
    if best == chosen:
        then = "; nothing was cheaper"
    elif best == baseline:
        then = ", which was the best afterwards"
    elif against:
        then = f" and {least} for the best afterwards, {best}"
    else:
        then = f"; the best afterwards, {best}, {least}"
    later = count(len(at) - 1, "later date")
    return (
        "Had you followed this advice from the middle of the history on, you would have "
        f"{runs} {chosen} from {at[0]} and paid {paid}{against}{then}. Decided again at "
        f"{later}: {money(float(found.reviewed))}.{_on_average(found, baseline, money)}"
    )


def _since(found: Walk, at: Sequence[str], advised: str) -> list[str]:
    """Why it was not what is advised now, where later decisions show it, and what to do then.

    The rule is the same at every instant: what is decided otherwise follows from what came between.
    """
    first = found.chosen[0]
    told, later = [], [name for name in found.chosen if name != first]
    if later:
        k = next(k for k, name in enumerate(found.chosen) if name != first)
        told.append(
            f"From {at[k]} on the same rule says {later[0]}: what speaks for that came after "
            f"{at[k - 1]}."
        )
    elif advised not in ("", first):
        told.append(
            f"At all these dates the same rule said {first}: what speaks for {advised} came after "
            f"{at[-1]}."
        )
    if found.reviewed < float(found.paid[0]):
        told.append("Decide again on all history so far, on a schedule (running=NAME).")
    return told


def _on_average(found: Walk, baseline: str, money: Money) -> str:
    """How the decisions of all instants did, each until the end."""
    if math.isnan(found.share):
        return ""
    once = f" Decided once at one of these {len(found.paid)} dates, it"
    saved = float((found.kept - found.paid).mean())
    if saved < 0:
        return f"{once} pays {money(-saved)} more than {baseline}, on average."
    return f"{once} saves {percent(found.share)} of what there was to save, on average."
