"""Error against stability: what each strategy leaves, and how much its answers change for it."""

from functools import partial

import numpy as np
import pandas as pd

from backtrain.reports import point_labels
from backtrain.reports.comparison import Comparison
from backtrain.reports.exhibit import Exhibit, Section
from backtrain.reports.figures import cast, dots, labels
from backtrain.reports.numbers import count, listing, number, percent, significant
from backtrain.reports.point_labels import FEW
from backtrain.reports.svg import Drawing, Paper
from backtrain.reports.units import loss_axis, measure_of_change
from backtrain.simulator import statistics
from backtrain.simulator.stability import COMPARED

#: Strategies of the front that are told of, beside the one of the least loss.
_TOLD = 3


def section(comparison: Comparison, baseline: str) -> Section | None:
    """The frontier; None where fewer than two strategies are known to have changed answers."""
    points = _points(comparison, baseline)
    if points is None:
        return None
    name, title = "error-against-stability", "Error against stability"
    draw = partial(_draw, comparison, baseline, points)
    exhibit = Exhibit(name, title, draw, _seen(comparison, points), lambda: points)
    return Section(title, [exhibit], finding=_bought(comparison, points), note=_note(comparison))


def _points(comparison: Comparison, baseline: str) -> pd.DataFrame | None:
    table, key = comparison.table(baseline), measure_of_change(comparison.info)
    if key not in table:
        return None
    points = pd.DataFrame({"in all": table[f"{key}_total"], "loss": table["loss"]})
    points = points.assign(mean=table[key], deployed=table["deployed"])
    points = points.assign(number=np.arange(1, len(table) + 1))
    points = points[points[["in all", "loss"]].notna().all(axis=1)]
    spread = np.ptp(points[["in all", "loss"]], axis=0) if len(points) else np.zeros(2)
    if (points["deployed"] > 0).sum() < 2 or not spread.all():
        return None
    points["front"] = statistics.pareto_front(*points[["in all", "loss"]].to_numpy().T)
    return points


def _bought(comparison: Comparison, points: pd.DataFrame) -> str:
    """What one buys with the other: along the front, from the least loss on."""
    flips = measure_of_change(comparison.info) == "flipped"
    front = points[points["front"]].drop_duplicates(["in all", "loss"])
    front = front.sort_values("loss", kind="stable")
    best, row = str(front.index[0]), front.iloc[0]
    what = "flips the fewest decisions" if flips else "changes its answers the least"
    if len(front) == 1:
        return f"{best} errs the least, and of all {what}: neither costs the other here."
    told, later = [], front.iloc[1:]
    shown = later if len(later) <= _TOLD else pd.concat([later[: _TOLD - 1], later[-1:]])
    for name, other in shown.iterrows():
        above = 100 * (other["loss"] / row["loss"] - 1) if row["loss"] > 0 else np.inf
        less = percent(1 - other["in all"] / row["in all"])
        fewer = f"{less} fewer flips" if flips else f"{less} less change"
        fewer = fewer if other["in all"] else ("no flips" if flips else "no change at all")
        told.append(f"{name} errs {number(above, 1)} % more for {fewer}")
    rest = len(later) - len(told)
    others = f" ({number(rest)} more between)" if rest else ""
    return f"{best} errs the least. Steadier answers cost error: {listing(told)}{others}."


def _note(comparison: Comparison) -> str:
    flips = measure_of_change(comparison.info) == "flipped"
    what = "share of decisions that flip" if flips else "mean absolute change of answers"
    return (
        f"At each deployment the new version and the one before answer the newest {COMPARED} rows; "
        f"the {what} is added up over all deployments, so many small steps count as much as a few "
        "large ones. Which of the two is right does not matter here: error says that."
    )


def _seen(comparison: Comparison, points: pd.DataFrame) -> str:
    front = points[points["front"]].sort_values("in all", kind="stable")
    each = [
        f"{name} ({_all(comparison, row)}, mean loss {significant(row['loss'])})"
        for name, row in front.iterrows()
    ]
    return (
        f"{len(points)} strategies by how much their answers changed at deployments and the loss "
        f"they left. Nothing is both steadier and better than {listing(each)}."
    )


def _all(comparison: Comparison, row: pd.Series) -> str:
    """Changes of one strategy, in all and at a deployment."""
    flips, n = measure_of_change(comparison.info) == "flipped", int(row["deployed"])
    if not n:
        return "never changed"
    whole = (
        f"{number(row['in all'], 2)} times all decisions" if flips else significant(row["in all"])
    )
    each = f"{row['mean']:.1%}" if flips else significant(row["mean"])
    return f"{whole} in all, {each} at each of {count(n, 'deployment')}"


def _draw(comparison: Comparison, baseline: str, points: pd.DataFrame, paper: Paper) -> Drawing:
    info, coloured = comparison.info, cast(comparison, baseline)
    flips, of = measure_of_change(info) == "flipped", ("in all", "loss")
    unit = info.get("unit") or ""
    label = "decisions flipped" if flips else f"change of answers{f' ({unit})' if unit else ''}"
    label += ", summed over deployments" if paper.wide else " in all"
    figure, axes = paper.panel(
        4.6 if paper.wide else 4.4, label, loss_axis("mean loss a row", info)
    )
    told = {
        str(name): f"{_all(comparison, row)}, loss {significant(row['loss'])}"
        for name, row in points.iterrows()
    }
    titles, names = dots(axes, points, of, coloured, told)
    axes.margins(0.04, 0.16)
    axes.set_xlim(right=axes.get_xlim()[1] + 0.14 * np.ptp(points["in all"]))
    at = points[list(of)].to_numpy()
    point_labels.place(figure, axes, at, labels(points, of, coloured, paper))
    caption = (
        "How much answers changed against mean loss. Filled points and the grey line are the "
        "Pareto front: nothing is both steadier and better."
    )
    if flips:
        caption += " 1 on the axis is as many flips as there are decisions."
    if len(points) > FEW:
        caption += " Numbers are those of the table."
    return Drawing(caption, figure, titles, names)
