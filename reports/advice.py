"""A decision in words: what to do, what to expect of it, how sure that is, what would change it."""

from __future__ import annotations

import calendar
import math
from collections.abc import Iterable, Mapping
from dataclasses import dataclass
from typing import Any

import pandas as pd

from backtrain.lossmatrix.decide import SIMPLE, Decision
from backtrain.reports.numbers import Money, about, duration, price
from backtrain.reports.units import currency

#: How often advice of each word was right on public streams (``benchmarks/advice.py``): of fixed
#: schedules, whose costs are known from more than one path.
RIGHT = {
    "sure": "about 19 of 20 such cases on 21 public streams",
    "likely": "about 4 of 5 such cases on 27 public streams",
    "unsure": "about 7 of 10 such cases on 30 public streams",
}

#: What is said instead of what is no such schedule: of an alarm, and of any other.
ALARM = (
    ", by this path alone: how often that is right was measured for fixed schedules only, and a "
    "threshold chosen on this path looks better than it is"
)
OTHER = ", by this path alone: how often that is right was measured for fixed schedules only"


#: What codes of the calendar mean, for those that are not lengths of time.
_CALENDAR = {
    **{"B": "each working day", "MS": "the first of each month", "ME": "the last of each month"},
    **{"QS": "the first of each quarter", "QE": "the last of each quarter"},
    **{"YS": "the first of each year", "YE": "the last of each year"},
    **{f"W-{day[:3].upper()}": f"each {day}" for day in calendar.day_name},
}


def interval(every: Any) -> str:
    """When a schedule trains, in words.

    >>> interval("7D"), interval("MS"), interval("W-MON")
    ('every 7D', 'the first of each month', 'each Monday')
    """
    return _CALENDAR.get(str(every), f"every {every}")


def on(window: Any) -> str:
    """A window in words, from what a record says of it; empty for one that has none.

    >>> on({"type": "Sliding", "length": "90D"}), on({"type": "Expanding"})
    ('on the newest 90D', 'on all rows')
    """
    if not isinstance(window, Mapping) or window.get("type") not in ("Sliding", "Expanding"):
        return ""
    return "on all rows" if window["type"] == "Expanding" else f"on the newest {window['length']}"


def by_year(amount: float, info: Mapping[str, Any], money: Money) -> str:
    """An amount of what was replayed, by year where a year of it was served."""
    span = pd.Timestamp(info["end"]) - pd.Timestamp(info["start"])
    years = span / pd.Timedelta(days=365.25)
    return f"{money(amount / years)} a year" if years >= 1 else money(amount)


def tile(
    info: Mapping[str, Any], money: Money, label: str, amount: float, remark: str = ""
) -> tuple[str, str, str]:
    """Label, value and remark of an amount that a sentence gives, too: the same, and in all."""
    shown, span = (
        by_year(amount, info, money),
        pd.Timestamp(info["end"]) - pd.Timestamp(info["start"]),
    )
    whole = f"{money(amount)} in {duration(span)}" if shown != money(amount) else ""
    return label, shown, "; ".join(filter(None, (remark, whole)))


@dataclass(frozen=True)
class Words:
    """Says a decision about a comparison or a tuning.

    Parameters
    ----------
    choice : Decision
        What was decided.
    baseline : str
        What it is held against.
    info : mapping
        Start, end and prices of what was replayed.
    totals : iterable of float
        Amounts that appear: they decide on the number of decimals.
    one_price : bool
        Whether a retrain costs the same for all that may be chosen.
    measured : str
        How often its word was right, see `how_sure`.
    """

    choice: Decision
    baseline: str
    info: Mapping[str, Any]
    totals: Iterable[float]
    one_price: bool = True
    measured: str = ""

    def sentences(self, change: str, keep: str, nothing: str = "nothing") -> list[str]:
        """The advice, who comes next, and at which prices that changes.

        ``change`` and ``keep`` are what to do, such as "Run weekly"; ``nothing`` is who else may be
        chosen.
        """
        choice = self.choice
        if choice.name == self.baseline:
            better = f"{nothing} is expected to cost less"
            if choice.behind < 0:
                better = "what others are expected to save is too little to change for"
            lead = f"{keep}: {better}."
        elif choice.saves < 0:
            more = self.by_year(-choice.saves)
            lead = f"{change}: expect it to cost {more} more than {self.baseline}."
        else:
            lead = (
                f"{change}: expect it to save {self.by_year(choice.saves)} against {self.baseline} "
                f"({choice.confidence}{self.measured or f': right in {RIGHT[choice.confidence]}'})."
            )
        return [text for text in (lead, self._runner_up(), self._prices()) if text]

    def by_year(self, amount: float) -> str:
        """An amount, by year where a year was served."""
        return by_year(amount, self.info, Money.fit(self.totals, currency(self.info)))

    def _runner_up(self) -> str:
        choice = self.choice
        if choice.runner_up in ("", self.baseline):
            return ""
        differs = self.by_year(abs(choice.behind))
        more = self._more_history()
        if choice.behind < 0:
            return (
                f"{choice.runner_up} is expected to cost {differs} less{self._too_little()}{more}."
            )
        return f"Next is {choice.runner_up}, expected to cost {differs} more{more}."

    def _too_little(self) -> str:
        """Why what is expected to cost less is not chosen; of the baseline its sentence says it."""
        if self.choice.name == self.baseline:
            return ""
        return f", under {100 * SIMPLE:g} %: too little to prefer it to a plain schedule"

    def _more_history(self) -> str:
        """How much longer a history would tell the choice from the next one."""
        if not self.choice.more > 1.5:  # it tells now, or soon, or nobody knows
            return ""
        if self.choice.more >= 20:
            return "; this history cannot tell them apart"
        span = pd.Timestamp(self.info["end"]) - pd.Timestamp(self.info["start"])
        longer = about(span * (self.choice.more - 1))
        return f"; about {longer} more of history would tell them apart"

    def _prices(self) -> str:
        now = float(self.info["prices"].get("retrain", 0.0))
        low, high = (factor * now for factor in self.choice.factors)
        called = currency(self.info)
        if low <= 0 and math.isinf(high):
            return ""
        if not self.one_price:
            least, most = self.choice.factors
            ends = [f"less than {price(least)}"] if least > 0 else []
            ends += [f"more than {price(most)}"] if math.isfinite(most) else []
            return (
                f"That changes if retrains cost {' or '.join(ends)} times as much, for all alike."
            )
        if not now:
            return ""
        if low <= 0:
            return f"The choice changes if a retrain costs more than {price(high, called)}."
        if math.isinf(high):
            return f"The choice changes if a retrain costs less than {price(low, called)}."
        return f"The choice holds while a retrain costs {price(low)} to {price(high, called)}."
