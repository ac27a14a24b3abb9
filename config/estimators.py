"""Which keys an estimator takes whose constructor hands on what it does not name itself."""

import inspect
import re
import warnings
from collections.abc import Iterable, Mapping
from difflib import get_close_matches
from typing import Any

#: How alike a key and a name are that is taken for a slip, where any key may be meant.
_SLIP = 0.8


def named(kind: type) -> tuple[list[str], bool]:
    """The names that constructors from a class up to the last that hands on take; whether any.

    >>> from sklearn.linear_model import Ridge
    >>> class Mine(Ridge):
    ...     def __init__(self, mine=1, **more):
    ...         super().__init__(**more)
    >>> named(Mine)[0][:3], named(Mine)[1]
    (['mine', 'alpha', 'fit_intercept'], False)
    """
    names: list[str] = []
    for above in kind.__mro__:
        if (made := vars(above).get("__init__")) is None or above is object:
            continue
        parameters = list(inspect.signature(made).parameters.values())[1:]
        names += [
            p.name
            for p in parameters
            if p.kind not in (p.VAR_KEYWORD, p.VAR_POSITIONAL) and p.name not in names
        ]
        if not any(p.kind is p.VAR_KEYWORD for p in parameters):
            return names, False
    return names, True


def strange(kind: type, keys: Mapping[str, Any]) -> list[str]:
    """Those of the keys that a class which hands on would swallow without a word.

    LightGBM and XGBoost are asked which parameters they know; of other classes that take any, a key
    is refused that is nearly one of their names.
    """
    names, any_name = named(kind)
    others = [key for key in keys if key not in names and not _inside(key, names)]
    if not others or not any_name:
        return others
    libraries = {above.__module__.partition(".")[0] for above in kind.__mro__}
    if "lightgbm" in libraries:
        return _unknown_to_lightgbm(others)
    if "xgboost" in libraries:
        return _unknown_to_xgboost(others, keys)
    return [key for key in others if get_close_matches(key, names, n=1, cutoff=_SLIP)]


def _inside(key: str, names: Iterable[str]) -> bool:
    """Whether a key is a parameter of what another one holds, such as ``optimizer__lr``."""
    return "__" in key and key.partition("__")[0] in (
        *names,
        *(name.partition("__")[0] for name in names),
    )


def _unknown_to_lightgbm(keys: list[str]) -> list[str]:
    try:
        from lightgbm.basic import _ConfigAliases

        known = _ConfigAliases._get_all_param_aliases()
    except (ImportError, AttributeError):  # no public function tells
        return []
    taken = set(known).union(*known.values())
    return [key for key in keys if key not in taken]


def _unknown_to_xgboost(keys: list[str], given: Mapping[str, Any]) -> list[str]:
    """What XGBoost says that it does not use, beside the booster and objective that are given."""
    import numpy as np
    import xgboost

    beside = ("booster", "objective", "tree_method", "num_class", *keys)
    asked = {key: given[key] for key in beside if given.get(key) is not None}
    with warnings.catch_warnings(record=True) as said:
        warnings.simplefilter("always")
        try:
            xgboost.train(
                {**asked, "verbosity": 1, "validate_parameters": True, "nthread": 1},
                xgboost.DMatrix(np.zeros((2, 1)), np.zeros(2)),
                num_boost_round=1,
            )
        except xgboost.core.XGBoostError:  # a value is wrong: the fit will say so
            return []
    unused = [str(one.message) for one in said if "are not used" in str(one.message)]
    return [key for key in keys if key in re.findall(r'"(\w+)"', "".join(unused))]
