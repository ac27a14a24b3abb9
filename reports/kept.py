"""What reports need of the rows of a run: from its predictions, or from what was kept of these."""

from dataclasses import replace

import numpy as np
from numpy.typing import NDArray

from backtrain.reports.due import labels_known
from backtrain.simulator.record import Run

#: What is kept of runs: all tables, or those without a row for each prediction.
RECORDS = ("all", "totals")
#: What stands in a report where predictions are needed.
NOT_KEPT = (
    "Not shown: it needs predictions, and they were not kept (records=totals); records=all does."
)


def only_totals(run: Run) -> Run:
    """The run without its predictions, with the few numbers of them that tables and advice need."""
    if not run.has_predictions:
        return run
    known = labels_known(run)
    kept = {"records": "totals", "weight": scored_weight(run), "labels": known}
    tables = {name: run.tables[name] for name in run.tables if name != "predictions"}
    return replace(run, info={**run.info, "kept": kept}, tables=tables)


def scored_weight(run: Run) -> float:
    """Weight of the rows whose label ever arrives, summed."""
    if not run.has_predictions:
        return float(run.info["kept"]["weight"])
    return float(run.predictions["weight"][run.predictions["loss"].notna()].sum())


def rows_before(run: Run, instants: NDArray[np.int64]) -> NDArray[np.int64]:
    """Rows served before instants in nanoseconds that are ticks, or the start; shape (n,)."""
    if run.has_predictions:
        served = run.predictions["event_time"].to_numpy("datetime64[ns]").view(np.int64)
        return np.searchsorted(served, instants)
    starts = run.steps["start"].to_numpy("datetime64[ns]").view(np.int64)
    before = np.concatenate(([0], np.cumsum(run.steps["rows"].to_numpy(np.int64))))
    return before[np.searchsorted(starts, instants)]
