"""Ten stretches of the history: did the winner win throughout, or once and by much?"""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np
import pandas as pd

from backtrain.datasets.calendar import Calendar
from backtrain.datasets.shown import Shown
from backtrain.reports.comparison import Comparison
from backtrain.reports.numbers import Money, count, duration, listing
from backtrain.reports.units import currency
from backtrain.reports.verdict import may_win
from backtrain.simulator import statistics


@dataclass(frozen=True, eq=False, repr=False)
class Eras(Shown):
    """Costs of S strategies in E eras of equal length.

    Attributes
    ----------
    costs, saved : array (E, S)
        Money, and what it is below the baseline's.
    starts : DatetimeIndex
        When each era begins.
    end : Timestamp
        When the last one ends.
    best : array (E, S)
        Whether the strategy was the cheapest of that era, ties included.
    wins, beats : array (S,)
        In how many eras it was the cheapest, and cheaper than the baseline.
    least, most : array (S,)
        Smallest and largest total saving when any one era is left out.
    leader : float
        Cost of running in each era what had been cheapest so far, the baseline first.
    currency : str
        What money is called.
    """

    names: tuple[str, ...]
    costs: np.ndarray
    saved: np.ndarray
    starts: pd.DatetimeIndex
    end: pd.Timestamp
    best: np.ndarray
    wins: np.ndarray
    beats: np.ndarray
    least: np.ndarray
    most: np.ndarray
    leader: float
    currency: str = ""

    @classmethod
    def of(cls, comparison: Comparison, baseline: str) -> Eras:
        """Cut the history of a comparison into ten."""
        grid, names = comparison.costs.grid, comparison.costs.names
        calendar = Calendar.of(comparison.info)
        costs = statistics.era_costs(comparison.costs.values)
        reference = names.index(baseline)
        saved = costs[:, [reference]] - costs
        least, most = statistics.one_era_left_out(saved)
        firsts = [part[0] for part in np.array_split(np.arange(grid.count), len(costs))]
        fair = [i for i, name in enumerate(names) if may_win(comparison.runs[name])]
        first = fair.index(reference) if reference in fair else 0
        return cls(
            names=names,
            costs=costs,
            saved=saved,
            starts=pd.DatetimeIndex(calendar.local(grid.starts()[firsts].to_numpy())),
            end=calendar.to_local(pd.Timestamp(comparison.info["end"])),
            best=np.column_stack([statistics.wins_by_era(era[None]) for era in costs]).T > 0,
            wins=statistics.wins_by_era(costs),
            beats=(saved > 1e-9 * np.abs(costs)).sum(axis=0),
            least=least,
            most=most,
            leader=statistics.follow_the_leader(costs[:, fair], first) if fair else float("nan"),
            currency=currency(comparison.info),
        )

    @property
    def totals(self) -> np.ndarray:
        """Cost over all eras, ``(S,)``."""
        return np.asarray(self.costs.sum(axis=0))

    def label(self, era: int) -> str:
        """When an era begins and ends, for a reader."""
        ends = [*self.starts[1:], self.end]
        return f"era {era + 1}, {self.starts[era]:%Y-%m-%d} to {ends[era]:%Y-%m-%d}"

    def dates(self) -> str:
        """When they begin, in words."""
        starts = listing((f"{start:%Y-%m-%d}" for start in self.starts), most=len(self.starts))
        return f"Eras begin on {starts}; the last one ends on {self.end:%Y-%m-%d}."

    def won(self, strategy: str, baseline: str) -> str:
        """In how many eras a strategy beat the baseline, and when it did not."""
        column, eras = self.names.index(strategy), len(self.costs)
        ends = [*self.starts[1:], self.end]
        lost = [
            f"{start:%Y-%m-%d} to {end:%Y-%m-%d}"
            for start, end, saved, costs in zip(
                self.starts, ends, self.saved[:, column], self.costs[:, column], strict=True
            )
            if saved < -1e-9 * abs(costs)
        ]
        same = eras - int(self.beats[column]) - len(lost)
        equal = f", as much in {same}" if same else ""
        dearer = f"{equal}, and more from {listing(lost)}" if lost else equal
        return (
            f"It cost less than {baseline} in {self.beats[column]} of {count(eras, 'era')} of "
            f"{duration((self.end - self.starts[0]) / eras)}{dearer}."
        )

    def sentence(self, strategy: str, baseline: str) -> str:
        """How steadily a strategy won, in words."""
        column, money = self.names.index(strategy), Money.fit(self.totals, self.currency)
        eras = count(len(self.costs), "era")
        won = f"{strategy} was the cheapest in {self.wins[column]} of {eras}"
        hindsight = (
            f"Running in each era what had been cheapest until then, {baseline} first, would have "
            f"cost {money(self.leader)}; {strategy}, chosen with hindsight, cost "
            f"{money(self.totals[column])}."
        )
        if strategy == baseline:
            return f"{won}. {hindsight}"
        return (
            f"{won}; with any one era left out it saves {money(self.least[column])} to "
            f"{money(self.most[column])}. {hindsight}"
        )
