"""Strategies over replicates: the mean of their cost relative to the baseline, and how sure it is.

Costs of different currencies, losses and spans cannot be added, so ratios are averaged, by their
geometric mean: it alone ranks alike whichever strategy is the baseline (Fleming and Wallace, 1986,
"How not to lie with statistics", Communications of the ACM 29(3)).

Jobs that differ in the seed, the model or a price share their data, and so their luck: they are no
independent replicates. The mean log ratio of each data set is taken first, and the interval is that
of Student's t over these means, as in the analysis of cluster summaries (Hayes and Moulton, 2017,
Cluster Randomised Trials, 2nd edition, chapter 10). Where there is one data set the seeds take its
place, and the interval says nothing of other data. It holds for all strategies at once
(Bonferroni).
"""

from __future__ import annotations

from dataclasses import dataclass
from typing import Literal

import numpy as np
import pandas as pd

#: With fewer replicates there is no interval: Student's t with one degree of freedom says nothing.
FEWEST = 3
LEVEL = 0.95
#: Log ratios that differ by less are equal: a seed that changes nothing is no replicate.
_EQUAL, _DECIMALS = 1e-9, 9

Unit = Literal["data", "seed"]


@dataclass(frozen=True, eq=False)
class Pooled:
    """What each strategy costs relative to the baseline, over all settings that hold both.

    Attributes
    ----------
    table : DataFrame
        By strategy, the cheapest first, of equals the baseline: ``relative``, the geometric mean;
        ``low`` and ``high``, its simultaneous 95 % interval, NaN where there is none; ``seeds`` and
        ``sets``, the spread over seeds of one setting and over data sets, as standard deviations of
        log ratios; ``units``, ``settings``, ``wins`` (ties included), ``beats`` (settings in which
        it costs less than the baseline), ``ratios`` (settings with a ratio), ``advised`` and
        ``retrains`` (their mean).
    unit : {"data", "seed"}
        What is a replicate.
    units : int
        How many of them there are.
    """

    table: pd.DataFrame
    unit: Unit
    units: int

    @classmethod
    def of(cls, cells: pd.DataFrame, axes: tuple[str, ...] = ()) -> Pooled:
        """Over rows of `Settings.cells`; ``axes`` are those without data set and seed."""
        unit: Unit = "data" if cells["data"].nunique() > 1 else "seed"
        logs = cells.assign(log=np.log(cells["relative"].where(cells["relative"] > 0)))
        known = logs[logs["log"].notna()]
        by_unit = known.groupby(["strategy", unit], dropna=False)["log"].mean()
        table = _counts(logs)
        table["relative"] = np.exp(by_unit.groupby("strategy").mean())
        table["units"] = by_unit.groupby("strategy").size()
        table["units"] = table["units"].fillna(0).astype(np.int64)
        own = table["relative"].notna() & (by_unit.groupby("strategy").agg(np.ptp) > 0)
        table["low"], table["high"] = interval(by_unit, int(own.sum()))
        rest = ["strategy", "data", *axes]
        within = known.groupby(rest, dropna=False)["log"].var()
        table["seeds"] = np.sqrt(within.groupby("strategy").mean())
        sets = known.groupby(["strategy", "data"], dropna=False)["log"].mean()
        table["sets"] = sets.groupby("strategy").std()
        # Nothing is to be changed for what costs the same.
        held = logs.groupby("strategy")["held"].mean()
        near = table["relative"].round(_DECIMALS)
        order = table.assign(near=near, held=held).sort_values(
            ["near", "held", "wins"], ascending=[True, False, False], kind="stable"
        )
        return cls(order[table.columns], unit, int(known[unit].nunique(dropna=False)))

    def least(self) -> str:
        """The cheapest on average, among those that are in half of the settings at least."""
        table = self.table
        often = table[table["settings"] >= table["settings"].max() / 2]
        if often["relative"].notna().any():
            return str(often.index[0])
        return str(often["wins"].idxmax())


def _counts(logs: pd.DataFrame) -> pd.DataFrame:
    by = logs.groupby("strategy", sort=False)
    return pd.DataFrame({
        "settings": by["setting"].nunique(),
        "ratios": by["log"].count(),
        "wins": by["wins"].sum().astype(np.int64),
        "beats": (logs["total"] < logs["reference"]).groupby(logs["strategy"]).sum(),
        "advised": by["advised"].sum().astype(np.int64),
        "retrains": logs["retrains"].astype(np.float64).groupby(logs["strategy"]).mean(),
    })  # fmt: skip


def interval(means: pd.Series, family: int) -> tuple[pd.Series, pd.Series]:
    """Ends of the interval of each strategy's ratio, as members of one family."""
    from scipy.stats import t as student

    by = means.groupby("strategy")
    n, mean, deviation = by.size(), by.mean(), by.std()
    judged = (n >= FEWEST) & (deviation > _EQUAL)
    n, mean, deviation = n[judged], mean[judged], deviation[judged]
    share = (1 - LEVEL) / max(1, family) / 2
    reach = student.isf(share, n - 1) * deviation / np.sqrt(n)
    return np.exp(mean - reach), np.exp(mean + reach)
