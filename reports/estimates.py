"""What triggers estimated without labels, beside what came true once these were there."""

from typing import Any

import numpy as np
import pandas as pd
from numpy.typing import NDArray

from backtrain.simulator.metrics import Metric, Outcomes, find_metric
from backtrain.simulator.record import Run


def mean_gap(run: Run) -> tuple[str, float, int] | None:
    """The metric that was estimated, the mean of estimated less realised, and of how many.

    None without estimates whose rows have labels, where predictions were not kept, and where
    several triggers made them: which of them made which is not on record.
    """
    specs = _estimating(run.info.get("parts"))
    if len(specs) != 1 or not run.has_predictions:
        return None
    metric = find_metric(specs[0]["metric"])
    estimates = estimated_and_realised(run.events, run.predictions, metric, specs[0]["window"])
    gaps = estimates["gap"].dropna()
    return (metric.name, float(gaps.mean()), len(gaps)) if len(gaps) else None


def _estimating(part: Any) -> list[dict[str, Any]]:
    """Every `EstimatedDrop` among parts as plain data, at any depth."""
    if isinstance(part, list):
        return [trigger for item in part for trigger in _estimating(item)]
    if not isinstance(part, dict):
        return []
    if part.get("type") == "EstimatedDrop":
        return [part]
    return [trigger for item in part.values() for trigger in _estimating(item)]


def estimated_and_realised(
    events: pd.DataFrame, predictions: pd.DataFrame, metric: Metric, window: int
) -> pd.DataFrame:
    """Hold the estimates that a run has put on record against what its rows turned out to be.

    Parameters
    ----------
    events, predictions : DataFrame
        Of a `Run`.
    metric : Metric
        The one that was estimated.
    window : int
        Rows of an estimate, as the trigger had it.

    Returns
    -------
    DataFrame
        A row an estimate: ``at``, ``version``, ``estimated``, ``realised`` (of the rows whose label
        ever arrived), ``rows`` (their number) and ``gap`` (estimated minus realised).
    """
    answers = predictions[["prediction", "label"]].to_numpy()[predictions["loss"].notna()]
    classes = None if metric.task == "regression" else np.unique(answers)
    noted = events[events["kind"] == "estimate"]
    table = noted[["at", "version", "statistic"]].set_axis(["at", "version", "estimated"], axis=1)
    realised, labelled = [], []
    for at, version in zip(noted["at"], noted["version"], strict=True):
        own = (predictions["version"] == version) & (predictions["event_time"] < at)
        rows = predictions[own].tail(window)
        scored = rows[rows["loss"].notna()]
        realised.append(metric(_outcomes(scored, classes)))
        labelled.append(len(scored))
    table = table.assign(realised=realised, rows=labelled).reset_index(drop=True)
    return table.assign(gap=table["estimated"] - table["realised"])


def _outcomes(rows: pd.DataFrame, classes: NDArray[Any] | None) -> Outcomes:
    """Labels and answers of a record."""
    label, prediction = rows["label"].to_numpy(), rows["prediction"].to_numpy()
    weight = rows["weight"].to_numpy(np.float64)
    if classes is None:
        return Outcomes(label.astype(float), prediction.astype(float), weight=weight)
    names = [f"probability {name}" for name in classes]
    label, prediction = (side.astype(classes.dtype) for side in (label, prediction))
    return Outcomes(
        np.searchsorted(classes, label),
        np.searchsorted(classes, prediction),
        score=rows["score"].to_numpy(np.float64),
        probability=rows[names].to_numpy(np.float64) if names[0] in rows else None,
        classes=classes,
        weight=weight,
        positive=1 if len(classes) == 2 else -1,
    )
