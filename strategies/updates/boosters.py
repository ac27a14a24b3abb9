"""How to train boosters, nets and models with a ``continue_fit``: on from the model in force."""

import copy
import inspect
from dataclasses import dataclass
from typing import Annotated, Any, Literal

import numpy as np
import pandas as pd

from backtrain.simulator.answers import PartError, Selection
from backtrain.simulator.constraints import Count, Number
from backtrain.simulator.parts import Part
from backtrain.simulator.setup import Setup
from backtrain.simulator.view import View
from backtrain.strategies.updates.refit import (
    Labels,
    Weights,
    behind_transformers,
    fit_weighted,
    last_step,
    refuse_weights,
)

__all__ = ["Continue", "RefreshLeaves"]

#: What libraries call the number of trees to grow, and the model to go on from.
_ROUNDS = {"lightgbm": "n_estimators", "xgboost": "n_estimators", "catboost": "iterations"}
_FROM = {"lightgbm": "init_model", "xgboost": "xgb_model", "catboost": "init_model"}


@dataclass(frozen=True, repr=False)
class Continue(Part):
    """Go on from the model in force: more trees, or more epochs, on top of what it has learnt.

    LightGBM (``init_model``), XGBoost (``xgb_model``) and CatBoost (``init_model``) keep the
    parent's trees and grow ``rounds`` new ones on its errors; a net of skorch goes through the
    rows for ``epochs`` more. Any other model needs a method of its own, ``continue_fit(X, y)``,
    which goes on in place; it is given ``sample_weight``, ``rounds`` and ``epochs`` where it takes
    them. What has scikit-learn's ``warm_start`` or ``partial_fit`` has `WarmStart` and
    `PartialFit`. In a pipeline only the last step learns.

    Categories keep the codes that the parent has learnt: those that are new to it are missing
    values to the new trees, too, until a training starts afresh.

    Parameters
    ----------
    rounds : int
        Trees to add, to each class where there are several: few where rows are few or the
        learning rate is high, as XGBoost's own 0.3 is.
    epochs : int
        Passes over the rows; nets only.
    max_models : int, optional
        Trees that a booster may hold: a training that would exceed them starts afresh, by a full
        fit on the window. Without it a booster grows for ever, and answers ever more slowly.
    learns : {"new", "window"}
        The rows of the window whose label arrived since the model in force was decided on, or all
        of them. New rows alone cost less, and follow a drift better: trees that correct the
        parent on rows that it has learnt already mostly learn their noise.

    A classifier's rows must hold the parent's classes, and no others, or the training fails. There
    is no ``validation`` as `Refit` has it: ``rounds`` says when to stop, and of the few new rows
    none is spared.

    >>> Continue(rounds=20, max_models=500)
    Continue(rounds=20, max_models=500)
    """

    rounds: Count = 10
    epochs: Count = 1
    max_models: Count | None = None
    learns: Literal["new", "window"] = "new"

    def check_parameters(self) -> None:
        """Refuse a limit that the first addition would reach."""
        if self.max_models is not None and self.max_models <= self.rounds:
            raise PartError(
                f"Continue(rounds={self.rounds}, max_models={self.max_models}): every training "
                "would start afresh; give more models than rounds, or use Refit()"
            )

    def check_setup(self, setup: Setup) -> None:
        """Refuse estimators that cannot go on, and name what goes on for them."""
        last = last_step(setup.model)
        if not hasattr(last, "continue_fit") and library_of(last) not in (*_ROUNDS, "skorch"):
            raise PartError(f"Continue: {type(last).__name__}{_instead(last)}")
        refuse_weights(setup)
        if setup.fit_weight is not None and library_of(last) == "skorch":
            raise PartError("Continue: the stream has weights, and nets of skorch take none")
        if hasattr(last, "continue_fit"):
            refuse_weights(setup, "continue_fit")

    def starts_afresh(self, view: View, selection: Selection) -> bool:
        """Whether the model in force has no room for more trees."""
        if self.max_models is None:
            return False
        trees = trees_of(last_step(view.model.estimator))
        return trees is not None and trees + self.rounds > self.max_models

    def unlearnt(self, view: View, selection: Selection) -> Selection:
        """All rows, or the new ones; all of them where the training starts afresh."""
        if self.learns == "window" or self.starts_afresh(view, selection):
            return selection
        return selection.take(view.labelled.arrived_after(view.model.decided_at, selection.rows))

    def fit(self, model: Any, X: Any, y: Labels, weights: Weights, parent: Any, seed: int) -> Any:
        """Fit on from ``parent``; the first model, or one that starts afresh, is fitted in full."""
        if parent is None:
            return fit_weighted(model, X, y, weights)
        grown, parent_last = copy.deepcopy(parent), last_step(parent)
        last, X = behind_transformers(grown, X)
        extra = {} if weights is None else {"sample_weight": weights}
        if hasattr(last, "continue_fit"):
            given = {**extra, **_taken(last, rounds=self.rounds, epochs=self.epochs)}
            last.continue_fit(X, y, **given)
            return grown
        refuse_other_classes(parent_last, y)
        library = library_of(last)
        if library == "skorch":
            last.set_params(max_epochs=self.epochs).partial_fit(X, y)
            return grown
        new = last_step(model).set_params(**{_ROUNDS[library]: self.rounds})
        new.fit(aligned(X, parent_last), y, **extra, **{_FROM[library]: parent_last})
        return with_last(grown, new)


@dataclass(frozen=True, repr=False)
class RefreshLeaves(Part):
    """Keep the trees of the model in force, and learn the values of their leaves anew.

    LightGBM's ``Booster.refit`` (new value = ``keep`` x old + (1 - ``keep``) x what the rows of
    the window say) and XGBoost's ``process_type="update"``, which takes the rows alone. No tree is
    grown, so it costs a small part of a fit, and the model never grows; what the trees do not ask
    about, it cannot learn. In a pipeline only the last step learns.

    Parameters
    ----------
    keep : float
        Share of the old value that is kept; LightGBM only, 0 for XGBoost.

    A classifier's window must hold the parent's classes, and no others, or the training fails.

    >>> RefreshLeaves(keep=0.5)
    RefreshLeaves(keep=0.5)
    """

    keep: Annotated[float, Number("a share of the old value, from 0 to below 1", 0.0, 1.0)] = 0.0

    def check_setup(self, setup: Setup) -> None:
        """Refuse models without leaves that can be learnt anew."""
        last = last_step(setup.model)
        library = library_of(last)
        if library not in ("lightgbm", "xgboost"):
            raise PartError(
                f"RefreshLeaves: {type(last).__name__} is no booster of LightGBM or XGBoost; "
                "use Continue() or Refit()"
            )
        if library == "xgboost" and self.keep:
            raise PartError(
                f"RefreshLeaves(keep={self.keep}): XGBoost keeps nothing of the old values; "
                "use keep=0"
            )
        refuse_weights(setup)

    def fit(self, model: Any, X: Any, y: Labels, weights: Weights, parent: Any, seed: int) -> Any:
        """Learn the leaves of a copy of ``parent``; the first model is fitted in full."""
        if parent is None:
            return fit_weighted(model, X, y, weights)
        grown, old = copy.deepcopy(parent), last_step(parent)
        last, X = behind_transformers(grown, X)
        refuse_other_classes(old, y)
        classes = getattr(old, "classes_", None)
        target = y if classes is None else np.searchsorted(classes, y)
        X = aligned(X, old)
        if library_of(last) == "lightgbm":
            last._Booster = old.booster_.refit(
                X, target, decay_rate=self.keep, weight=weights, verbosity=-1
            )
            return grown
        import xgboost

        rows = xgboost.DMatrix(
            X, target, weight=weights, missing=last.missing, enable_categorical=True
        )
        update = {"process_type": "update", "updater": "refresh", "verbosity": 0}
        last._Booster = xgboost.train(
            {**last.get_xgb_params(), **update},
            rows,
            old.get_booster().num_boosted_rounds(),
            xgb_model=old.get_booster(),
        )
        return grown


def library_of(model: Any) -> str:
    """The library of a booster or net, also of a class derived from one; "" for others."""
    tops = (kind.__module__.partition(".")[0] for kind in type(model).__mro__)
    return next((top for top in tops if top in (*_ROUNDS, "skorch")), "")


def trees_of(model: Any) -> int | None:
    """Rounds of trees that a fitted booster holds; None for what is no booster."""
    library = library_of(model)
    if library == "lightgbm":
        return int(model.booster_.current_iteration())
    if library == "xgboost":
        return int(model.get_booster().num_boosted_rounds())
    return int(model.tree_count_) if library == "catboost" else None


def aligned(X: Any, parent: Any) -> Any:
    """Rows with the categories of a fitted booster, in its order: the codes that its trees know.

    LightGBM and XGBoost count a table's categories anew at each fit, and would take the code of
    one for another's; CatBoost knows them by their texts.
    """
    if not isinstance(X, pd.DataFrame):
        return X
    names = [name for name in X.columns if isinstance(X[name].dtype, pd.CategoricalDtype)]
    if not names:
        return X
    library = library_of(parent)
    if library == "lightgbm":
        known = dict(zip(names, parent.booster_.pandas_categorical, strict=True))
    elif library == "xgboost":
        arrow = dict(parent.get_booster().get_categories(export_to_arrow=True).to_arrow())
        known = {name: arrow[name].to_pylist() for name in names}
    else:
        return X
    return X.assign(**{name: X[name].cat.set_categories(known[name]) for name in names})


def refuse_other_classes(parent: Any, y: Labels) -> None:
    """Raise `ValueError` unless the labels are of the classes that a fitted classifier knows."""
    classes = getattr(parent, "classes_", ())
    if len(classes) and not np.array_equal(labels := np.unique(y), classes):
        raise ValueError(f"to go on needs the parent's classes {classes}, not {labels}")


def with_last(model: Any, last: Any) -> Any:
    """A pipeline with another last step, in place; a model that stands alone is replaced."""
    from sklearn.pipeline import Pipeline

    if not isinstance(model, Pipeline):
        return last
    name, step = model.steps[-1]
    model.steps[-1] = (name, with_last(step, last))
    return model


def _instead(last: Any) -> str:
    parameters: dict[str, Any] = getattr(last, "get_params", dict)()
    if hasattr(last, "partial_fit"):
        return " has partial_fit; use PartialFit()"
    if "warm_start" in parameters and "HistGradientBoosting" not in type(last).__name__:
        return " has warm_start; use WarmStart()"
    return (
        " cannot go on; use Refit(), or a model of LightGBM, XGBoost, CatBoost or skorch, or "
        "write continue_fit(self, X, y) on yours"
    )


def _taken(last: Any, **offered: int) -> dict[str, int]:
    """What a model's own ``continue_fit`` takes of what is offered."""
    parameters = inspect.signature(last.continue_fit).parameters
    any_name = any(p.kind is p.VAR_KEYWORD for p in parameters.values())
    return {name: value for name, value in offered.items() if any_name or name in parameters}
