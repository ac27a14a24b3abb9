"""What a model is for: it must answer each row by a number or a class."""

from contextlib import suppress
from typing import Any


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
