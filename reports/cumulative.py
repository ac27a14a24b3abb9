"""What every strategy has paid by each instant."""

from __future__ import annotations

from collections.abc import Mapping
from functools import partial

import numpy as np
import pandas as pd

from backtrain.reports import timeline
from backtrain.reports.comparison import Comparison
from backtrain.reports.exhibit import Exhibit
from backtrain.reports.figures import THOUSANDS
from backtrain.reports.numbers import Money, listing
from backtrain.reports.svg import Drawing, Paper
from backtrain.reports.units import currency, money_axis


def paid(comparison: Comparison, baseline: str, cast: Mapping[str, str]) -> Exhibit:
    """All money until then, without the initial training; of many strategies the cheapest."""
    costs = comparison.costs
    names = timeline.shown(comparison, baseline, cast)
    sums = pd.DataFrame(costs.values, columns=list(costs.names), index=costs.grid.ends()).cumsum()
    sums = sums[names].rename_axis("time")
    money = Money.fit(sums.iloc[-1], currency(comparison.info))
    alt = f"Paid until the end: {listing(f'{n} {money(sums[n].iloc[-1])}' for n in names)}."
    draw = partial(_draw, comparison, sums, cast)
    return Exhibit("cumulative-cost", "Cumulative cost", draw, alt, lambda: sums)


def _draw(
    comparison: Comparison, sums: pd.DataFrame, cast: Mapping[str, str], paper: Paper
) -> Drawing:
    info = comparison.info
    figure, axes = paper.panel(3.6)
    keep = np.unique(np.linspace(0, len(sums) - 1, timeline.POINTS).astype(int))
    titles = timeline.lines(
        axes, sums.iloc[keep], info, cast, money_axis("cumulative cost", info), paper
    )
    axes.yaxis.set_major_formatter(THOUSANDS)
    timeline.drifts([axes], info, paper)
    timeline.calendar(axes, paper)
    axes.set_xlim(*timeline.days(timeline.instants([info["start"], info["end"]]), info))
    return Drawing("All money until then, without the initial training.", figure, titles)
