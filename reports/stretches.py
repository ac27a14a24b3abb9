"""What errors cost in stretches of equal length, such as weeks."""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np
import pandas as pd

from backtrain.datasets.calendar import Calendar
from backtrain.reports.comparison import Comparison
from backtrain.reports.periods import Grid

#: Stretches that are shown of each strategy, and how many there must be to speak of the worst.
SHOWN, FEWEST = 3, 10
WEEK = pd.Timedelta(days=7)
_DAY = pd.Timedelta(days=1)


@dataclass(frozen=True, eq=False)
class Stretches:
    """What the errors of strategies cost in stretches of equal length.

    Attributes
    ----------
    starts : DatetimeIndex
        When each of T stretches begins, in local time.
    length : Timedelta
        A week, or the length of a tick where that is longer.
    errors : DataFrame
        Money, ``(T, S)``; a stretch that the end of the history cuts short is left out.
    """

    starts: pd.DatetimeIndex
    length: pd.Timedelta
    errors: pd.DataFrame

    @classmethod
    def of(cls, comparison: Comparison, names: list[str]) -> Stretches | None:
        """Cut the history into weeks; None where it holds fewer than ten."""
        whole = comparison.costs.grid
        length = WEEK if whole.length <= WEEK else whole.length
        grid = Grid(whole.start, length, comparison.span // length + 1)
        calendar = Calendar.of(comparison.info)
        if calendar.zone is not None and not length % _DAY:  # weeks of the calendar
            end = whole.start + comparison.span
            later = calendar.instants(whole.start, calendar.offset(f"{length.days}D"), end)
            begins = np.append(whole.start.to_datetime64(), later)
            grid = Grid(whole.start, length, len(begins), begins)
        full = grid.count - 1
        if full < FEWEST:
            return None
        columns = {}
        for name in names:
            charges = comparison.runs[name].charges
            errors = charges[charges["kind"] == "error"]
            columns[name] = grid.sums(errors["when"], errors["amount"].to_numpy(np.float64))[:full]
        starts = pd.DatetimeIndex(calendar.local(grid.starts()[:full].to_numpy()))
        return cls(starts, length, pd.DataFrame(columns))

    def worst(self, name: str) -> list[int]:
        """The most expensive stretches of a strategy, the worst first."""
        order = np.argsort(-self.errors[name].to_numpy(), kind="stable")
        return [int(k) for k in order[:SHOWN]]

    def label(self, k: int) -> str:
        """First and last day of a stretch."""
        start = self.starts[k]
        return f"{start:%Y-%m-%d} to {start + self.length - pd.Timedelta(1, 'ns'):%Y-%m-%d}"
