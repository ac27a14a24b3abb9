"""How good forecasts are by how far they reach."""

from functools import partial

import numpy as np
import pandas as pd

from backtrain.reports.comparison import Comparison
from backtrain.reports.exhibit import Exhibit, Section
from backtrain.reports.figures import cast
from backtrain.reports.numbers import shorten, significant
from backtrain.reports.sections import mean_loss
from backtrain.reports.svg import COLOURS, Drawing, Paper
from backtrain.reports.units import loss_axis


def section(comparison: Comparison, baseline: str) -> Section | None:
    """Mean loss by step, a line a strategy; None where nothing is forecast."""
    means = by_step(comparison)
    if len(means) < 2:
        return None
    verdict = comparison.verdict(baseline)
    own = means[verdict.strategy]
    first, last = own.index[0], own.index[-1]
    finding = (
        f"{verdict.strategy}: mean loss {significant(own[first])} at step {first}, "
        f"{significant(own[last])} at step {last}."
    )
    draw = partial(_lines, comparison, baseline, means)
    exhibit = Exhibit("loss-by-step", "Mean loss by step", draw, finding, lambda: means)
    return Section("Step by step", [exhibit], finding)


def by_step(comparison: Comparison) -> pd.DataFrame:
    """Mean loss a row: steps down, a column a strategy; empty where nothing is forecast."""
    columns = {
        name: {int(entry["group"]): mean_loss(entry) for entry in run.totals.get("by_step") or []}
        for name, run in comparison.runs.items()
    }
    means = pd.DataFrame(columns, dtype=np.float64).sort_index()
    return means.rename_axis("step").dropna(how="all")


def _lines(comparison: Comparison, baseline: str, means: pd.DataFrame, paper: Paper) -> Drawing:
    coloured = cast(comparison, baseline)
    loss = loss_axis("mean loss a row", comparison.info)
    figure, axes = paper.panel(3.6 if paper.wide else 3.8, "steps ahead", loss)
    titles: dict[str, str] = {}
    names: dict[str, str] = {}
    for i, name in sorted(enumerate(means.columns), key=lambda item: item[1] in coloured):
        colour = COLOURS[coloured.get(name, "faint")]
        label = shorten(name, 26 if paper.wide else 16) if name in coloured else None
        gid = f"step-{i}"
        width = 1.8 if name in coloured else 1.0
        values = means[name]
        axes.plot(means.index, values, "o-", ms=3, color=colour, lw=width, label=label, gid=gid)
        titles[gid] = f"{name}: {significant(values.iloc[0])} to {significant(values.iloc[-1])}"
        names[gid] = name
    axes.set_ylim(bottom=0)
    axes.legend(frameon=False, fontsize=9, loc="lower right")
    caption = "Mean loss a row by how many steps ahead it was forecast."
    return Drawing(caption, figure, titles, names)
