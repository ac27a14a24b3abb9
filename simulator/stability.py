"""How much answers change when a version is replaced: both versions, asked about the same rows."""

from collections.abc import Callable, Sequence
from functools import reduce
from typing import Any, NamedTuple

import numpy as np
from numpy.typing import NDArray

from backtrain.simulator.outcomes import Floats, MetricError
from backtrain.simulator.predictions import Candidate
from backtrain.simulator.scaled import Scales
from backtrain.simulator.setup import Setup
from backtrain.simulator.training import Learner
from backtrain.store.fits import Answers

#: So many of the newest rows are compared at a deployment.
COMPARED = 256


class Change(NamedTuple):
    """How far the answers of two versions to the same rows lie apart; NaN where it is not known.

    Attributes
    ----------
    changed : float
        Mean absolute change: of predictions in a regression; of the probability of the positive
        class, where there were two at ``start``; else half the sum over all classes, which is the
        same for two.
    flipped : float
        Share of the rows that are answered by another class; NaN in a regression.
    smqc : float
        Of quantiles, see `smqc`; NaN without.
    """

    changed: float = np.nan
    flipped: float = np.nan
    smqc: float = np.nan


UNKNOWN = Change()
#: What is compared of answers.
_ROWS = ("prediction", "score", "probability", "quantiles")
#: What a replay's totals say of all its deployments: of each measure the mean, and the sum.
TOTALS = tuple(f"{name}{over}" for name in Change._fields for over in ("", "_total"))


def change(learner: Learner, old: Candidate, new: Candidate, past: int) -> Change:
    """What becomes another answer where ``new`` takes the place of ``old`` after ``past`` rows.

    Both are asked about the newest `COMPARED` rows that came before, whoever has answered these,
    and rows count by their weight. Nobody is charged. A version's answers to rows that its decision
    did not know are those of the blocks in which it serves; it is asked once about those before, by
    a batch that depends on its decision alone, and a store keeps both.

    `UNKNOWN` where answers were recorded, so that there is no model to ask, or all weights are 0.
    """
    rows = slice(max(0, past - COMPARED), past)
    weight = learner.setup.weight
    weight = None if weight is None else weight[rows]
    silent = old.fit.model is None or new.fit.model is None
    if silent or rows.start == rows.stop or (weight is not None and not weight.any()):
        return UNKNOWN
    mean = _mean(weight)
    before, after = (_answers(learner, one, rows) for one in (old, new))
    if learner.setup.classes is None:
        moved = mean(np.abs(after.prediction - before.prediction))
        return Change(moved, smqc=_scaled(learner.setup, before, after, rows, weight))
    flipped = mean(after.prediction != before.prediction)
    return Change(_moved(before, after, learner.setup.positive is not None, mean), flipped)


def measures(setup: Setup) -> set[str]:
    """Those of `Change` that have a meaning."""
    if setup.classes is None:
        return {"changed"} if setup.quantiles is None else {"changed", "smqc"}
    return {"changed", "flipped"} if setup.gives_probabilities else {"flipped"}


def summed(setup: Setup, changes: Sequence[tuple[float, ...]]) -> dict[str, float]:
    """Of all deployments of a replay: the mean of each measure, and its sum over the span.

    Without a deployment there is no mean, and the sum is 0. Left out is what is not known, or has
    no meaning: flips of numbers, probabilities that a model does not give.
    """
    totals = {}
    for place, name in enumerate(Change._fields):
        values = np.array([one[place] for one in changes])
        if name in measures(setup) and not np.isnan(values).any():
            if len(values):
                totals[name] = float(values.mean())
            totals[f"{name}_total"] = float(values.sum())
    return totals


def _mean(weight: Floats | None) -> Callable[[NDArray[Any]], float]:
    if weight is None:  # a third of the time that np.average takes
        return lambda values: float(values.mean())
    return lambda values: float(np.average(values, weights=weight))


def _moved(
    old: Answers, new: Answers, binary: bool, mean: Callable[[NDArray[Any]], float]
) -> float:
    """By how much probabilities have changed; NaN where the model gives none.

    A class that appears later changes nothing before: of those that were two at ``start`` the
    positive one counts, and sums are taken class by class.
    """
    if old.probability is not None and new.probability is not None and not binary:
        moved = np.abs(new.probability - old.probability)
        return mean(reduce(np.add, moved.T) / 2)
    if old.score is None or new.score is None:
        return np.nan
    return mean(np.abs(new.score - old.score))


def _scaled(setup: Setup, old: Answers, new: Answers, rows: slice, weight: Floats | None) -> float:
    """Change of quantiles in units of a naive forecast's error; NaN without, or without a scale."""
    if setup.quantiles is None or old.quantiles is None or new.quantiles is None:
        return np.nan
    try:
        scales = Scales.of("smqc", setup.known, 1, 1)
    except MetricError:  # one label is known at the start, or all are equal
        return np.nan
    group = None if setup.stream.group is None else setup.stream.group[rows]
    scale = scales.of_rows(group, rows.stop - rows.start)
    return smqc(old.quantiles, new.quantiles, np.array(setup.quantiles), scale, weight)


def _answers(learner: Learner, version: Candidate, rows: slice) -> Answers:
    """What a version says to rows, of which none lies `COMPARED` or more before its first."""
    fit, origin, parts = version.fit, version.origin, []
    if rows.start < origin:
        start = max(0, origin - COMPARED)
        parts.append(_cut(learner.kept(fit, slice(start, origin)), start, rows))
    row = max(rows.start, origin)
    while row < rows.stop:
        start, stop, answers = learner.block(fit, origin, row)
        parts.append(_cut(answers, start, slice(row, rows.stop)))
        row = stop
    return parts[0] if len(parts) == 1 else _joined(parts)


def _cut(answers: Answers, start: int, rows: slice) -> Answers:
    """Those of answers to rows from ``start`` on that lie among ``rows``."""
    wanted = slice(max(0, rows.start - start), rows.stop - start)
    given = {name: getattr(answers, name) for name in _ROWS}
    cut: dict[str, Any] = {k: None if each is None else each[wanted] for k, each in given.items()}
    return Answers(**cut, fallback=None)


def _joined(parts: list[Answers]) -> Answers:
    given = {name: [getattr(part, name) for part in parts] for name in _ROWS}
    joined: dict[str, Any] = {
        name: None if each[0] is None else np.concatenate(each) for name, each in given.items()
    }
    return Answers(**joined, fallback=None)


def smqc(
    old: Floats,
    new: Floats,
    levels: Floats,
    scale: Floats | float = 1.0,
    weight: Floats | None = None,
) -> float:
    """Scaled multi-quantile change: the mean pinball loss of ``new`` against ``old``, scaled.

    The pinball loss of level q is ``q * (old - new)`` where the quantile has fallen and
    ``(1 - q) * (new - old)`` where it has risen; the mean is that over all rows and levels.

    Parameters
    ----------
    old, new : ndarray of shape (n, q)
        Quantiles of the same rows, of the version in force and of the one that takes its place.
    levels : ndarray of shape (q,)
        Of which levels they are, between 0 and 1.
    scale : float or ndarray of shape (n,)
        What a change is divided by: the mean absolute error of a naive forecast in the history.
    weight : ndarray of shape (n,), optional
        How much each row counts.

    References
    ----------
    M. Zanotti (2025), Analyzing the retraining frequency of global forecasting models: towards
    more stable forecasting systems, arXiv 2506.05776.

    >>> smqc(np.array([[1.0, 4.0]]), np.array([[2.0, 3.0]]), np.array([0.1, 0.9]), scale=2.0)
    0.45
    """
    fallen = old - new
    loss = np.maximum(levels * fallen, (levels - 1) * fallen)
    return float(np.average(loss.mean(axis=1) / scale, weights=weight))
