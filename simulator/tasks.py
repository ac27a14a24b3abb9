"""What a model is for: it must answer each row by a number or a class."""

from contextlib import suppress
from typing import Any

import numpy as np
import pandas as pd

from backtrain.datasets.labels import refuse_numbers_in_text
from backtrain.datasets.stream import Stream
from backtrain.simulator.answers import SetupError


def check_target(stream: Stream, model: Any, task: str) -> None:
    """Raise `SetupError` where the labels are not what such a model learns."""
    from sklearn.utils.multiclass import type_of_target

    y, target = stream.y, stream.target
    if task == "regression" and y.dtype.kind not in "fiub":
        refuse_numbers_in_text(y, target)
        raise SetupError(
            f"{type(model).__name__} is a regressor, but target {target!r} holds "
            f"{y.dtype} such as {y[0]!r}; use a classifier"
        )
    if task == "classification" and y.dtype.kind == "f":
        arrived = y[~np.isnat(stream.label_time)]
        if type_of_target(arrived).startswith("continuous"):
            raise SetupError(
                f"{type(model).__name__} is a classifier, but target {target!r} is "
                f"continuous (such as {arrived[0]!r}); use a regressor"
            )


def why_no_task(model: Any) -> str | None:
    """What to say of a model that is neither a classifier nor a regressor; None of one that is."""
    from sklearn.base import is_classifier, is_outlier_detector, is_regressor

    kind = type(model).__name__
    if kind.endswith("Ranker"):  # LightGBM, XGBoost and CatBoost call it so; one is a regressor
        return (
            f"model={kind}: it ranks the rows of a query, and a row is scored by itself here; use "
            "the regressor or classifier of its library on the relevance"
        )
    with suppress(Exception):  # scikit-learn's own, for what does not derive from BaseEstimator
        if is_classifier(model) or is_regressor(model):
            return None
        if is_outlier_detector(model):
            return (
                f"model={kind}: a detector of anomalies, whose -1 and 1 are no classes of the "
                "target; wrap it in a class Detects(ClassifierMixin, BaseEstimator) whose "
                "predict() gives them: docs/models.md has one"
            )
    return (
        f"model={model!r}: neither a classifier nor a regressor to scikit-learn; derive it from "
        "the mixin first: class Model(RegressorMixin, BaseEstimator), or ClassifierMixin"
    )


def check_fed(stream: Stream, model: Any) -> None:
    """Refuse a model that goes on from its answers where the labels before them are missing."""
    if (series := stream.series) is None or not hasattr(model, "get_params"):
        return
    parts = [model, *model.get_params(deep=True).values()]
    if not any(getattr(part, "fed_with_answers", False) for part in parts):
        return
    late = (series.label_time - series.event_time)[~np.isnat(series.label_time)]
    if len(late) and (usual := np.median(late.astype(np.int64))) > 0:
        raise SetupError(
            f"{type(model).__name__} takes its answers for the labels that follow the newest known "
            "one, which is that of the origin where labels are known at once; here they are known "
            f"{pd.Timedelta(int(usual))} later, so labels between are missing. Take a model for "
            "each step (model=one_per), or a global one, or say that labels are known at once "
            "(latency=no_delay)"
        )
