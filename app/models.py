"""What model presets are made of: one model for each task, and pipelines that take any column."""

from dataclasses import dataclass
from typing import Any, Literal

from sklearn.compose import ColumnTransformer, make_column_selector
from sklearn.impute import SimpleImputer
from sklearn.pipeline import Pipeline, make_pipeline
from sklearn.preprocessing import OneHotEncoder, OrdinalEncoder, StandardScaler


@dataclass(frozen=True)
class ByTask:
    """A model for each task, so that one preset serves every dataset.

    >>> from sklearn.linear_model import LogisticRegression, Ridge
    >>> ByTask(Ridge(), LogisticRegression()).pick("regression")
    Ridge()
    """

    regression: Any
    classification: Any

    def pick(self, task: Literal["regression", "classification"]) -> Any:
        """The model for this task."""
        return self.regression if task == "regression" else self.classification


def scaled(estimator: Any) -> Pipeline:
    """Put before a linear model what it needs: gaps filled, numbers scaled, categories one-hot.

    Categories that were not in the training rows, and gaps in all of them, do not stop it.
    """
    numbers = make_pipeline(
        SimpleImputer(strategy="median", keep_empty_features=True), StandardScaler()
    )
    return make_pipeline(_by_dtype(numbers, OneHotEncoder(handle_unknown="ignore")), estimator)


def coded(estimator: Any) -> Pipeline:
    """Put before a forest what it needs: categories as numbers; gaps in numbers stay."""
    codes = OrdinalEncoder(
        handle_unknown="use_encoded_value", unknown_value=-1, encoded_missing_value=-2
    )
    return make_pipeline(_by_dtype("passthrough", codes), estimator)


def _by_dtype(numbers: Any, categories: Any) -> ColumnTransformer:
    return ColumnTransformer(
        [
            ("numbers", numbers, make_column_selector(dtype_exclude="category")),
            ("categories", categories, make_column_selector(dtype_include="category")),
        ]
    )
