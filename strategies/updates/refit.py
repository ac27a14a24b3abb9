"""How to train: from scratch, or on from the model in force."""

import copy
import inspect
from collections.abc import Iterator, Mapping
from dataclasses import dataclass
from typing import Annotated, Any, ClassVar

import numpy as np
from numpy.typing import NDArray

from backtrain.datasets.columns import nearest
from backtrain.datasets.values import exact_share
from backtrain.simulator.answers import PartError, Selection
from backtrain.simulator.constraints import Count, Number, Seed
from backtrain.simulator.parts import Part
from backtrain.simulator.setup import Setup
from backtrain.simulator.view import View
from backtrain.strategies.updates.validation import (
    Validation,
    held_out,
    parameters_of,
    percent,
    takes_validation,
    validated,
    without_deprecations,
)
from backtrain.strategies.updates.warm import (
    ADDS_ROUNDS,
    ROUNDS,
    VOTES,
    drop_oldest,
    forget_progress,
    is_perceptron,
    no_warm_start,
    rounds_of,
)

__all__ = ["PartialFit", "Refit", "Transfer", "WarmStart"]

Labels = NDArray[Any]
Weights = NDArray[np.float64] | None

#: Parameters with which estimators refuse ``partial_fit`` only when it is called, or worse, do not.
_NO_PARTIAL_FIT = (
    ("early_stopping", True, False),
    ("class_weight", "balanced", None),
    ("solver", "lbfgs", "adam"),
)
_SHRINKS = ("sgd", "adaptive")


@dataclass(frozen=True, repr=False)
class Refit(Part):
    """A new model, fitted from scratch on the window.

    Parameters
    ----------
    fit_params : mapping of str to any, optional
        What ``fit`` of the step that learns the target is given besides, under its own names.
    validation : str, float or int, optional
        The newest rows of the window, a share ("20%", 0.2) or a number, that are not learnt from
        but handed over for early stopping: as ``eval_set`` to LightGBM, XGBoost and CatBoost, as
        ``X_val`` and ``y_val`` to scikit-learn's estimators that take these, with their weights
        where the library takes some. When to stop is the estimator's own parameter. In a pipeline
        transformers are fitted on the other rows, too. Charged are all rows.

    >>> Refit(), Refit(validation="20%")
    (Refit(), Refit(validation='20%'))
    """

    fit_params: Mapping[str, Any] | None = None
    validation: Validation | None = None

    #: A fit depends on its rows only: strategies share it, and a loss matrix can hold it.
    needs_parent: ClassVar[bool] = False

    def check_parameters(self) -> None:
        """Refuse a share that leaves nothing to learn from."""
        if isinstance(self.validation, str) and not 0 < percent(self.validation) < 1:
            raise PartError(
                f"Refit(validation={self.validation!r}): give a share between 0 % and 100 %"
            )

    def __getstate__(self) -> dict[str, Any] | None:
        """What differs from the defaults: names and seeds of plain fits are those of 0.1."""
        return {name: value for name, value in vars(self).items() if value is not None} or None

    def check_setup(self, setup: Setup) -> None:
        """Refuse weights, parameters and rows held out that the estimator cannot take."""
        refuse_weights(setup)
        last = last_step(setup.model)
        if self.validation is not None and not takes_validation(last):
            raise PartError(
                f"Refit(validation={self.validation!r}): {type(last).__name__}.fit() takes neither "
                "eval_set nor X_val; leave validation out, or use a model that stops early"
            )
        names, others = parameters_of(last)
        for name in self.fit_params or ():
            if not others and name not in names:
                raise PartError(
                    f"Refit(fit_params={{{name!r}: ...}}): {type(last).__name__}.fit() has no "
                    f"{name!r}; did you mean {nearest(name, names)}?"
                )

    def fit(self, model: Any, X: Any, y: Labels, weights: Weights, parent: Any, seed: int) -> Any:
        """Fit ``model`` and return it."""
        given = dict(self.fit_params or {})
        if self.validation is None:
            return fit_weighted(model, X, y, weights, given)
        held = held_out(self.validation, len(y))
        rows, newest = slice(0, len(y) - held), slice(len(y) - held, None)
        before, later = X[rows], X[newest]
        for step in _transformers(model):
            before = step.fit_transform(before, y[rows])
            later = step.transform(later)
        last = last_step(model)
        own, others = (None if weights is None else weights[part] for part in (rows, newest))
        given = validated(last, later, y[newest], others) | given
        with without_deprecations():
            fit_weighted(last, before, y[rows], own, given)
        return model


@dataclass(frozen=True, repr=False)
class WarmStart(Part):
    """Go on from the model in force, on the window, with the estimator's own ``warm_start``.

    Linear and neural models start from the parent's coefficients. Forests and boosting keep the
    parent's trees and add ``rounds`` new ones, fitted on the window; without new rounds
    scikit-learn would return the parent unchanged. In a pipeline only the last step learns: its
    transformers stay as they were fitted first, since coefficients belong to their columns. What
    they cannot take, such as a category that is new to an encoder, fails the training.

    Parameters
    ----------
    rounds : int
        Trees or boosting iterations to add; of no meaning to other models.
    keep : int, optional
        Trees that a forest, or bagging, may hold: the oldest make way. Without it those of the
        first model vote for ever, and it answers ever more slowly.

    A classifier's window must hold the parent's classes, or the training fails; with ``keep`` it
    starts afresh, with a full fit on the window.

    >>> WarmStart(rounds=20), WarmStart(rounds=20, keep=100)
    (WarmStart(rounds=20), WarmStart(rounds=20, keep=100))
    """

    rounds: Count = 10
    keep: Count | None = None

    def check_parameters(self) -> None:
        """Refuse a limit that leaves nothing of the model in force."""
        if self.keep is not None and self.keep <= self.rounds:
            raise PartError(
                f"WarmStart(rounds={self.rounds}, keep={self.keep}): every tree would be new; "
                "keep more than rounds, or use Refit()"
            )

    def __getstate__(self) -> dict[str, Any]:
        """What differs from an update without ``keep``, whose names and seeds are older."""
        return {name: value for name, value in vars(self).items() if value is not None}

    def check_setup(self, setup: Setup) -> None:
        """Refuse estimators without ``warm_start``, and with ``keep`` those without a vote."""
        last = last_step(setup.model)
        if (why := no_warm_start(last)) is not None:
            raise PartError(f"WarmStart: {type(last).__name__}{why}")
        if self.keep is not None and not any(kind in type(last).__name__ for kind in VOTES):
            raise PartError(
                f"WarmStart(keep={self.keep}): {type(last).__name__} holds no trees that can be "
                "dropped, as RandomForest, ExtraTrees and Bagging do; leave keep out"
            )
        refuse_weights(setup)

    def starts_afresh(self, view: View, selection: Selection) -> bool:
        """Whether ``keep`` is given, and the window's classes are not those in force."""
        classes = getattr(view.model.estimator, "classes_", None)
        if self.keep is None or classes is None:
            return False
        return not np.array_equal(np.unique(view.y(selection.rows)), classes)

    def fit(self, model: Any, X: Any, y: Labels, weights: Weights, parent: Any, seed: int) -> Any:
        """Fit a copy of ``parent`` further; the first model is fitted from scratch."""
        if parent is None:
            return fit_weighted(model, X, y, weights)
        classes, labels = getattr(parent, "classes_", None), np.unique(y)
        if classes is not None and not np.array_equal(labels, classes):
            if self.keep is not None and len(labels) > 1:
                return fit_weighted(model, X, y, weights)
            raise ValueError(f"warm start needs the parent's classes {classes}, not {labels}")
        grown = copy.deepcopy(parent)
        last, X = behind_transformers(grown, X)
        last.set_params(warm_start=True)
        if any(kind in type(last).__name__ for kind in ADDS_ROUNDS):
            rounds = next(name for name in ROUNDS if name in last.get_params())
            last.set_params(**{rounds: rounds_of(last, rounds) + self.rounds})
        if is_perceptron(last) and last.solver != "lbfgs":
            forget_progress(last)
        if self.keep is None:
            fit_weighted(last, X, y, weights)
            return grown
        # Where trees are dropped their number does not say how many were drawn: the parent's
        # `random_state` would draw the same rows for new trees again and again.
        given = last.random_state
        fit_weighted(last.set_params(random_state=seed), X, y, weights)
        last.set_params(random_state=given)
        drop_oldest(last, self.keep)
        return grown


@dataclass(frozen=True, repr=False)
class PartialFit(Part):
    """Teach the model in force the rows whose label arrived after it was decided on.

    Rows come in the order in which their labels arrived, and only those inside the window. The
    first model is fitted in full. The rows of a rejected model are offered again. In a pipeline
    only the last step learns: its transformers stay as they were fitted first.

    A classifier knows the classes of the rows that its first model learnt from. No other class can
    be added to it: when the label of one arrives, the training starts afresh on the whole window.

    Parameters
    ----------
    epochs : int
        Passes over the rows.
    batch_rows : int, optional
        Rows of one ``partial_fit`` call; None passes all at once.
    replay : float
        Older rows of the window that are learnt once more, per new row, against forgetting: 0.5
        draws one old row at random for every two new ones. They come before the new ones.
    seed : int
        Seed of that draw.

    >>> PartialFit(epochs=3), PartialFit(replay=0.5)
    (PartialFit(epochs=3), PartialFit(replay=0.5))
    """

    epochs: Count = 1
    batch_rows: Count | None = None
    replay: Annotated[float, Number("old rows per new one, 0 or more, such as 0.5", 0)] = 0.0
    seed: Seed = 0

    def check_setup(self, setup: Setup) -> None:
        """Refuse estimators without ``partial_fit``."""
        last = last_step(setup.model)
        if not hasattr(last, "partial_fit"):
            raise PartError(
                f"PartialFit: {type(last).__name__} has no partial_fit; use Refit(), or a model "
                "such as SGDRegressor, SGDClassifier or MLPRegressor"
            )
        for name, value, instead in _NO_PARTIAL_FIT:
            if getattr(last, name, None) == value:
                raise PartError(
                    f"PartialFit: {type(last).__name__}({name}={value!r}) has no partial_fit; "
                    f"set {name}={instead!r}"
                )
        if is_perceptron(last) and (last.solver, last.learning_rate) == _SHRINKS:
            raise PartError(
                f"PartialFit: {type(last).__name__}(solver='sgd', learning_rate='adaptive') has "
                "made its steps too small to learn by the end of the first fit; "
                "set learning_rate='constant', or use WarmStart()"
            )
        refuse_weights(setup, "partial_fit")

    def starts_afresh(self, view: View, selection: Selection) -> bool:
        """Whether the label of a class has arrived that the model in force does not know."""
        if view.task != "classification":
            return False
        fresh = view.labelled.arrived_after(view.model.decided_at, selection.rows)
        return _has_new_class(view.y(selection.take(fresh).rows), view.model.estimator)

    def unlearnt(self, view: View, selection: Selection) -> Selection:
        """The rows that the model in force was not offered, in the order of their arrival."""
        fresh = view.labelled.arrived_after(view.model.decided_at, selection.rows)
        if len(fresh) and self.starts_afresh(view, selection):
            return selection
        count = round(exact_share(self.replay) * len(fresh))
        if count:
            old = np.setdiff1d(np.arange(len(selection)), fresh, assume_unique=True)
            random = np.random.default_rng([self.seed, view.at])
            drawn = random.choice(old, min(count, len(old)), replace=False)
            fresh = np.concatenate((np.sort(drawn), fresh))
        return selection.take(fresh)

    def fit(self, model: Any, X: Any, y: Labels, weights: Weights, parent: Any, seed: int) -> Any:
        """Fit a copy of ``parent`` on the new rows; the first model is fitted in full."""
        fresh = parent is None or _has_new_class(y, parent)
        if fresh and parent is not None and len(np.unique(y)) == 1:
            raise ValueError(f"the window holds one class only: {y.tolist()[0]!r}")
        if fresh:
            return fit_weighted(model, X, y, weights)
        grown = copy.deepcopy(parent)
        last, X = behind_transformers(grown, X)
        size = len(y) if self.batch_rows is None else self.batch_rows
        for _ in range(self.epochs):
            for start in range(0, len(y), size):
                rows = slice(start, start + size)
                extra = {} if weights is None else {"sample_weight": weights[rows]}
                last.partial_fit(X[rows], y[rows], **extra)
        return grown


@dataclass(frozen=True, repr=False)
class Transfer(Part):
    """Keep the transformers of the model in force as they are; fit the last step anew.

    For pipelines whose features are dear to learn and change little. The first model is fitted in
    full. What the transformers cannot take, such as a category that is new to an encoder, fails
    the training.

    >>> Transfer()
    Transfer()
    """

    def check_setup(self, setup: Setup) -> None:
        """Refuse models without transformers to keep."""

        from sklearn.pipeline import Pipeline

        model = setup.model
        if not isinstance(model, Pipeline) or len(model) < 2:
            raise PartError(
                f"Transfer: {type(model).__name__} has no transformers to keep; use Refit(), or a "
                "pipeline such as make_pipeline(StandardScaler(), Ridge())"
            )
        refuse_weights(setup)

    def fit(self, model: Any, X: Any, y: Labels, weights: Weights, parent: Any, seed: int) -> Any:
        """Fit the last step of ``model`` behind the transformers of ``parent``."""
        if parent is None:
            return fit_weighted(model, X, y, weights)
        kept, (name, last) = parent[:-1], model.steps[-1]
        model.steps = [*kept.steps, (name, fit_weighted(last, _passed(kept, X), y, weights))]
        return model


def last_step(model: Any) -> Any:
    """The estimator that learns the target: the last step of a pipeline, or the model itself."""

    from sklearn.pipeline import Pipeline

    while isinstance(model, Pipeline):
        model = model.steps[-1][1]
    return model


def behind_transformers(model: Any, X: Any) -> tuple[Any, Any]:
    """The estimator in a fitted model that learns the target, and the features that it is given."""

    from sklearn.pipeline import Pipeline

    while isinstance(model, Pipeline):
        X = _passed(model[:-1], X) if len(model) > 1 else X
        model = model.steps[-1][1]
    return model, X


def _passed(transformers: Any, X: Any) -> Any:
    """Features as fitted transformers hand them on."""
    try:
        return transformers.transform(X)
    except Exception as error:
        raise ValueError(
            "the transformers that the model in force was fitted with cannot take these rows; let "
            "them take what is new, as OneHotEncoder(handle_unknown='ignore') does, or use "
            f"Refit(). {type(error).__name__}: {error}"
        ) from error


def last_prefix(model: Any) -> str:
    """What the names of the last step's parameters begin with: nothing where it stands alone."""

    from sklearn.pipeline import Pipeline

    prefix = ""
    while isinstance(model, Pipeline):
        name, model = model.steps[-1]
        prefix += f"{name}__"
    return prefix


def fit_weighted(
    model: Any, X: Any, y: Labels, weights: Weights, more: Mapping[str, Any] | None = None
) -> Any:
    """Fit, with weights and ``more`` given to the step that learns the target."""
    extra = {} if weights is None else {"sample_weight": weights}
    prefix, extra = last_prefix(model), extra | dict(more or {})
    return model.fit(X, y, **{f"{prefix}{name}": value for name, value in extra.items()})


def _transformers(model: Any) -> Iterator[Any]:
    """The transformers of a pipeline before the step that learns the target, in their order."""
    from sklearn.pipeline import Pipeline

    while isinstance(model, Pipeline):
        yield from (step for _, step in model.steps[:-1] if step not in (None, "passthrough"))
        model = model.steps[-1][1]


def takes_weights(model: Any, method: str = "fit") -> bool:
    """Whether the step that learns the target takes ``sample_weight``."""
    last = last_step(model)
    if method == "fit" and hasattr(last, "learns_by"):  # it passes weights on
        return takes_weights(getattr(last, last.learns_by))
    parameters = inspect.signature(getattr(last, method)).parameters
    return "sample_weight" in parameters or any(
        parameter.kind is parameter.VAR_KEYWORD for parameter in parameters.values()
    )


def refuse_weights(setup: Setup, *more: str) -> None:
    """Raise `PartError` where the stream has weights and ``fit``, or another method, takes none."""
    if setup.fit_weight is None:
        return
    name = type(last_step(setup.model)).__name__
    for method, who in {"fit": name, **{other: f"{name}.{other}" for other in more}}.items():
        if not takes_weights(setup.model, method):
            raise PartError(
                f"the stream has weights, but {who} takes no sample_weight; use another model, or "
                "build the stream without `weight`"
            )


def _has_new_class(y: Labels, model: Any) -> bool:
    """Whether there are classes among the labels that a fitted model does not know."""
    classes = getattr(model, "classes_", None)
    return classes is not None and not bool(np.isin(y, classes).all())
