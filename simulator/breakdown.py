"""How rows were answered in all, and by group, by step and by level of quantiles."""

from typing import Any

import numpy as np
import pandas as pd
from numpy.typing import NDArray

from backtrain.simulator.metrics import Outcomes, Pinball, weighted_mean
from backtrain.simulator.outcomes import keys_of
from backtrain.simulator.setup import Setup, pick

#: So many groups are told of, those with the most rows.
_MOST = 100
Truths = NDArray[np.bool_]
Floats = NDArray[np.float64]


def breakdown(
    setup: Setup, served: Outcomes, judged: Outcomes, loss: Floats, scored: Truths
) -> dict[str, Any]:
    """Metrics of all rows, of each group, step and level, as the totals of a run have them.

    ``served`` and ``loss`` are of all n rows, ``judged`` of those that are ``scored``, a mask.
    """
    return {
        "metrics": _metrics(setup, judged),
        "groups": _by(setup, setup.stream.group, served, loss, scored),
        **_by_column(setup, served, loss, scored),
        **_by_step(setup, served, loss, scored),
        **_coverage(judged),
    }


def _by(
    setup: Setup,
    group: NDArray[Any] | None,
    served: Outcomes,
    loss: Floats,
    scored: Truths,
    column: str | None = None,
) -> list[dict[str, Any]]:
    """How the groups with the most served rows were answered; of equals the first that appeared."""
    if group is None:
        return []
    group = group[setup.served]
    codes, names = pd.factorize(group)
    if column is not None:
        codes, names = keys_of(group, setup.stream.group_columns, column)
    counts = np.bincount(codes)
    rows = np.bincount(codes, weights=setup.counted(setup.served))
    weight = np.ones(len(loss)) if served.weight is None else served.weight
    places = np.split(np.argsort(codes, kind="stable"), np.cumsum(counts)[:-1])
    table = []
    for place in np.argsort(-counts, kind="stable")[:_MOST].tolist():
        mine = places[place][scored[places[place]]]
        row = {
            "group": str(names[place]),
            "rows": int(rows[place]),
            "scored": len(mine),
            "weight": float(weight[mine].sum()),
            "loss": float((loss[mine] * weight[mine]).sum()),
            "metrics": _metrics(setup, pick(served, mine)),
        }
        table.append(row)
    return table


def _by_column(
    setup: Setup, served: Outcomes, loss: Floats, scored: Truths
) -> dict[str, dict[str, list[dict[str, Any]]]]:
    """The same of each of several columns that make a group; nothing where one does."""
    columns, group = setup.stream.group_columns, setup.stream.group
    if not columns or group is None:
        return {}
    named = set(group)  # whoever replaces the groups of a stream may leave its columns
    kept = [name for name, keys in columns.items() if named <= set(keys)]
    return {"group_columns": {name: _by(setup, group, served, loss, scored, name) for name in kept}}


def _by_step(setup: Setup, served: Outcomes, loss: Floats, scored: Truths) -> dict[str, Any]:
    """The same for the steps of forecasts, in their order."""
    steps = setup.stream.steps
    found = _by(setup, steps, served, loss, scored)
    return {"by_step": sorted(found, key=lambda row: int(row["group"]))} if found else {}


def _coverage(judged: Outcomes) -> dict[str, list[dict[str, float]]]:
    """Of each level the share of labels at or below its answers, and its loss, by weight."""
    if judged.quantiles is None or judged.levels is None:
        return {}
    table = []
    for level, answers in zip(judged.levels, judged.quantiles.T, strict=True):
        share = weighted_mean(judged.label <= answers, judged.weight)
        loss = weighted_mean(Pinball(level).rows(judged), judged.weight)
        table.append({"level": level, "share": share, "loss": loss})
    return {"coverage": table}


def _metrics(setup: Setup, judged: Outcomes) -> dict[str, float]:
    """The metrics by name; NaN where scores are needed that were not recorded."""
    silent = judged.score is not None and bool(np.isnan(judged.score).any())
    return {
        metric.name: float("nan") if silent and metric.needs_probability else metric(judged)
        for metric in setup.row_metrics
    }
