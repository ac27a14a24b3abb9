"""An unfitted copy of a model, from which each training copies its own."""

import copy
from types import BuiltinFunctionType, FunctionType
from typing import Any

import numpy as np

from backtrain.simulator.process import files_to_spare, has_params, threads_to_hold
from backtrain.simulator.setup import SetupError


def prototype_of(model: Any) -> Any:
    """An unfitted copy on one thread that writes no files, to be copied for each fit.

    Raises `SetupError` where none can be.
    """

    from sklearn.base import clone

    try:
        prototype = clone(model, safe=False)
    except (RuntimeError, TypeError):  # its constructor changes parameters, or takes others
        prototype = model
    if has_params(prototype):
        held = threads_to_hold(prototype) | files_to_spare(prototype)
        if held:
            prototype = copy.deepcopy(prototype) if prototype is model else prototype
            prototype.set_params(**held)
    try:
        return copy.deepcopy(prototype)
    except Exception as error:
        raise SetupError(
            f"{type(model).__name__} cannot be copied ({type(error).__name__}: "
            f"{first_line(error)}), and every training needs a model of its own; make what cannot "
            "be copied (a lock, a file, a connection) in fit(), not in __init__()"
        ) from error


def needs_names(model: Any) -> bool:
    """Whether a model must be given column names: it selects by them, or may keep them."""

    from sklearn.compose import ColumnTransformer

    parts = [model]
    if has_params(model):
        parts += [value for value in model.get_params(deep=True).values() if has_params(value)]
    return any(
        isinstance(part, ColumnTransformer)
        or hasattr(part, "_sklearn_output_config")
        or not type(part).__module__.startswith("sklearn.")
        for part in parts
    )


def is_plain(value: Any) -> bool:
    """Whether no fit can change it: neither an object with a state, such as a `RandomState`."""
    if isinstance(value, tuple):
        return all(map(is_plain, value))
    kinds = (bool, int, float, str, np.generic, np.ufunc, FunctionType, BuiltinFunctionType, type)
    return value is None or isinstance(value, kinds)


def first_line(error: Exception) -> str:
    """What an error says first, at most 300 characters."""
    return str(error).strip().split("\n")[0][:300]
