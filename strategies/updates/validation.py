"""Rows that are not learnt from but handed over, so that an estimator stops early."""

import inspect
import warnings
from collections.abc import Iterator
from contextlib import contextmanager
from typing import Annotated, Any

import numpy as np
from numpy.typing import NDArray

from backtrain.datasets.values import exact_share
from backtrain.simulator.constraints import Holdout, Percent

Validation = Holdout | Annotated[str, Percent()]


def percent(share: str) -> float:
    """A share as text, such as ``"20%"``, as a number."""
    return float(share.strip().removesuffix("%")) / 100


def held_out(validation: str | float | int, size: int) -> int:
    """How many of so many rows are held out; raises `ValueError` where none or all would be."""
    if isinstance(validation, str):
        validation = percent(validation)
    share = isinstance(validation, float)
    held = int(size * exact_share(validation)) if share else int(validation)
    if not 0 < held < size:
        raise ValueError(f"validation={validation!r} of {size} rows leaves none on one side")
    return held


def parameters_of(estimator: Any) -> tuple[list[str], bool]:
    """The names of what ``fit`` takes, and whether it takes others, too.

    A ``fit`` that passes on what it does not know takes what that of the class above takes.
    """
    names: list[str] = []
    for kind in type(estimator).__mro__:
        if (method := vars(kind).get("fit")) is not None:
            parameters = inspect.signature(method).parameters.values()
            names += [p.name for p in parameters if p.kind is not p.VAR_KEYWORD]
            if not any(p.kind is p.VAR_KEYWORD for p in parameters):
                return names, False
    return names, True


#: Under which names ``fit`` takes features and labels of rows to stop by; the first that it has.
#: LightGBM 4.7 prefers eval_X and eval_y, and fails to encode a classifier's labels among them.
_ROWS = (("X_val", "y_val"), ("eval_set",))
_WEIGHTS = ("sample_weight_val", "eval_sample_weight", "sample_weight_eval_set")


def takes_validation(estimator: Any) -> bool:
    """Whether ``fit`` takes rows for early stopping."""
    names, _ = parameters_of(estimator)
    return any({*rows} <= {*names} for rows in _ROWS)


def validated(
    estimator: Any, X: Any, y: NDArray[Any], weights: NDArray[np.float64] | None
) -> dict[str, Any]:
    """Rows for early stopping, with their weights, as the estimator takes them."""
    names, _ = parameters_of(estimator)
    rows = next(rows for rows in _ROWS if {*rows} <= {*names})
    given: dict[str, Any]
    given = {"eval_set": [(X, y)]} if len(rows) == 1 else dict(zip(rows, (X, y), strict=True))
    if weights is not None:
        listed = weights if rows == ("X_val", "y_val") else [weights]
        given |= {name: listed for name in _WEIGHTS if name in names}
    if any(kind.__module__.startswith("xgboost.") for kind in type(estimator).__mro__):
        given["verbose"] = False  # else it prints a line a round
    return given


@contextmanager
def without_deprecations() -> Iterator[None]:
    """Keep from the user what LightGBM 4.7 says of ``eval_set``, which is our choice, not theirs.

    Classifiers need it, see above. The filters of a process are changed by one thread at a time:
    models of others are fitted behind a lock.
    """
    with warnings.catch_warnings():
        warnings.filterwarnings("ignore", "The argument 'eval_set' is deprecated")
        yield
