"""Which estimators go on from an earlier fit by ``warm_start``, and what that needs of them."""

from typing import Any

import numpy as np

#: What estimators call the number of rounds that a warm start adds to.
ROUNDS = ("max_iter", "n_estimators")
#: Forests, whose answer is a mean over their trees; what grows by more trees.
VOTES = ("Forest", "ExtraTrees", "Bagging")
ADDS_ROUNDS = ("GradientBoosting", *VOTES)


def no_warm_start(last: Any) -> str | None:
    """Why an estimator cannot go on from an earlier fit, behind its name; None where it can."""
    from sklearn.gaussian_process import GaussianProcessClassifier
    from sklearn.linear_model import HuberRegressor

    kind = type(last).__name__
    if "warm_start" not in getattr(last, "get_params", dict)():
        models = "SGDRegressor, LogisticRegression, RandomForest or GradientBoosting"
        return f" has no warm_start; use Refit(), or a model such as {models}"
    if "HistGradientBoosting" in kind:
        why = "goes on correctly only on the very same rows, since it bins new ones anew"
        return f" {why}; use Refit(), or GradientBoosting or RandomForest"
    if getattr(last, "solver", None) == "liblinear":
        return "(solver='liblinear') forgets what it has learnt; use Refit(), or solver='lbfgs'"
    if isinstance(last, GaussianProcessClassifier):
        why = "answers from the rows of its last fit alone and forgets what it has learnt"
        return f" {why}; use Refit(), or LogisticRegression"
    if isinstance(last, HuberRegressor) and not last.fit_intercept:
        why = "goes on with an intercept that it then leaves out"
        return f"(fit_intercept=False) {why}; set fit_intercept=True, or use Refit()"
    if "Bagging" in kind and last.oob_score:
        return "(oob_score=True) cannot go on; set oob_score=False"
    return None


def is_perceptron(model: Any) -> bool:
    """Whether a model keeps the record of the fit before: whether it had stopped to get better."""
    from sklearn.neural_network import MLPClassifier, MLPRegressor

    return isinstance(model, (MLPClassifier, MLPRegressor))


def forget_progress(network: Any) -> None:
    """Let a perceptron go on from its coefficients as in a fit of its own.

    Scikit-learn keeps the least loss so far, and how long there has been none less: the next fit
    would end after one epoch, or give its parent's coefficients back as the best.
    """
    network.t_ = network._no_improvement_count = 0
    network.loss_curve_ = []
    if network.early_stopping:
        network.validation_scores_, network.best_validation_score_ = [], -np.inf
    else:
        network.best_loss_ = np.inf


def rounds_of(estimator: Any, name: str) -> int:
    """Rounds that were really made: early stopping may have ended before the limit."""
    if name == "max_iter" and (rounds := getattr(estimator, "n_iter_", None)) is not None:
        return int(rounds)
    trees = getattr(estimator, "estimators_", None)
    return int(getattr(estimator, name) if trees is None else len(trees))


def drop_oldest(forest: Any, keep: int) -> None:
    """Leave so many of the newest trees to a fitted forest, or bagging."""
    for name in ("estimators_", "estimators_features_"):
        if (grown := getattr(forest, name, None)) is not None:
            setattr(forest, name, grown[-keep:])
    forest.set_params(n_estimators=len(forest.estimators_))
