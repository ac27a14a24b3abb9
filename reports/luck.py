"""How a strategy's trainings did beside luck: shares of how many schedules, and what they show."""

from __future__ import annotations

import math
from dataclasses import dataclass

from backtrain.reports.comparison import Comparison
from backtrain.reports.numbers import MISSING, count, listing, number, percent
from backtrain.reports.verdict import hindsight_of, is_tested
from backtrain.simulator.record import Run

#: Held against a timer, and against chance.
COLUMNS = ("beats even spacing", "beats random")
#: So few trainings show nothing, however they did.
FEW = 2
#: A chance at which moments are called better or worse, half of it a side: of twenty timers one is
#: called better. Shares that are no side.
_CHANCE, _MIDDLE = 0.1, (0.4, 0.6)


@dataclass(frozen=True)
class Rank:
    """A share of luck that cost more than a strategy, and of how many schedules it is.

    Attributes
    ----------
    share : float
        Near 1 is good; equals count half.
    schedules : int
        0 in records that do not say it.
    """

    share: float
    schedules: int = 0

    def __str__(self) -> str:
        """The share, and of how many: "100 % of 7"."""
        return percent(self.share) + (f" of {number(self.schedules)}" if self.schedules else "")

    @property
    def chance(self) -> float:
        """Of luck to be so far to either side, as one of ``schedules + 1`` equally likely places.

        The least with n schedules is ``2 / (n + 1)``, or half of that on one side. NaN where their
        number is not known.
        """
        if not self.schedules:
            return math.nan
        beyond = min(self.share, 1 - self.share) * self.schedules
        return min(1.0, 2 * (beyond + 1) / (self.schedules + 1))

    def side(self) -> int:
        """1 where it is clearly on the good side, -1 on the bad one, 0 where it is not clear."""
        return (1 if self.share > 0.5 else -1) if self.chance <= _CHANCE * (1 + 1e-9) else 0


def evenly(run: Run) -> Rank | None:
    """Beside as many evenly spaced trainings; None where that says nothing."""
    return _rank(run, "even")


def at_random(run: Run) -> Rank | None:
    """Beside as many trainings at random."""
    return _rank(run, "random")


def grade(run: Run) -> str:
    """What its moments were worth, in words; nothing where nobody can say."""
    even, random = evenly(run), at_random(run)
    if even is None or math.isnan(even.chance):
        return ""
    trained = int(run.totals["retrains"])
    if trained <= FEW:
        return f"{_EVENTS[trained]} little"
    beside = _beside_a_clock(even)
    if random is None or math.isnan(random.chance):
        return beside
    chance = ("no better than chance", "better than chance", "worse than chance")[random.side()]
    return f"{chance}, {beside}"


_EVENTS = {1: "one event proves", 2: "two events prove"}


def _beside_a_clock(even: Rank) -> str:
    """Better, not clearly better, a timer, or worse."""
    low, high = _MIDDLE
    if even.side():
        return f"{'better' if even.side() > 0 else 'worse'} than a clock"
    if low <= even.share <= high:
        return "no better than a clock: a timer"
    word = "better" if even.share > high else "worse"
    few = Rank(1.0, even.schedules).side() == 0
    why = f" ({count(even.schedules, 'schedule')} cannot show it)" if few else ""
    return f"not clearly {word} than a clock{why}"


def few(comparison: Comparison) -> str:
    """Which strategies trained too rarely for a share to show anything; "" where none."""
    names = [
        name
        for name, run in comparison.runs.items()
        if evenly(run) is not None and int(run.totals["retrains"]) <= FEW
    ]
    if not names:
        return ""
    return f"{listing(names)} trained no more than twice: so few events prove little"


def meanings(comparison: Comparison) -> dict[str, str]:
    """What the columns of luck mean, by their names."""
    drawn = {rank.schedules for run in comparison.runs.values() if (rank := at_random(run))}
    many = f" {number(drawn.pop())}" if len(drawn) == 1 and drawn != {0} else ""
    return {
        COLUMNS[0]: "share of as many trainings, evenly spaced, that cost more, of so "
        "many schedules, a phase each: better than a timer",
        COLUMNS[1]: f"share of{many} schedules of as many trainings at random that cost more: "
        "better than chance",
    }


def text(rank: Rank | None) -> str:
    """A cell of a table: the share, and of how many."""
    return MISSING if rank is None else str(rank)


def share(rank: Rank | None) -> str:
    """The share alone, where the heading says of how many."""
    return percent(None if rank is None else rank.share)


def _rank(run: Run, kind: str) -> Rank | None:
    facts = hindsight_of(run)
    share = facts.get(f"placebo_{kind}") if is_tested(run) else None
    return None if share is None else Rank(share, int(facts.get(f"schedules_{kind}") or 0))
