"""When to retrain: once it is expected to pay, by what was learnt before ``start``."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from typing import Annotated, ClassVar

import numpy as np
from numpy.typing import NDArray

from backtrain.datasets.digits import digits
from backtrain.datasets.offsets import Offset, parse_offset
from backtrain.simulator.answers import Reason
from backtrain.simulator.constraints import (
    Count,
    Finite,
    Interval,
    LabelsWindow,
    Listed,
    Number,
    TwoOrMore,
)
from backtrain.simulator.parts import Monitor
from backtrain.simulator.view import View
from backtrain.strategies.triggers.staleness import Account, Tuned
from backtrain.strategies.triggers.tuning_history import DAY, Rehearsal, price_of_training
from backtrain.strategies.weighted import Floats

__all__ = ["Forecast", "Learned"]


@dataclass(frozen=True, repr=False)
class Forecast(Tuned):
    """When to retrain is expected to cost less than to keep the model, over a horizon.

    Fires when ``price + rows * Q(0, 0) < rows * Q(staleness, age)``: the price of a retrain as in
    `BreakEven`; the rows seen in the last ``horizon``; and the forecast quantile of the money a row
    that a model will lose over its reference within the horizon, from its staleness now (as in
    `StalenessCost`) and its age. ``Q = line[0] + line[1] * staleness + line[2] * days`` is a linear
    quantile regression on models trained along the history before ``start``: their staleness, age
    and later losses as far as known at ``start``; then it is frozen. Its slopes are 0 or more: a
    staler or older model is never forecast to do better. A new model is taken to start at the
    reference of the one in force. In the style of UPF (Regol et al., "When to retrain a
    machine learning model", ICML 2025, arXiv 2505.14903).

    Parameters
    ----------
    horizon : str
        A time offset: how far ahead a retrain must pay.
    quantile : float
        Which quantile of the losses to compare; above 0.5 it fears what may come.
    window, min_labels : int
        Newest arrived labels for the staleness; silent with fewer than ``min_labels``.
    points : int
        Trainings in the history before ``start`` from which it learns.
    line : sequence of 3 floats, optional
        The regression: money a row, factor, money a row and day; None is learnt at ``start``.

    >>> Forecast("14D", quantile=0.75)
    Forecast(horizon='14D', quantile=0.75)
    """

    horizon: Interval = "30D"
    quantile: Annotated[float, Number("a number between 0 and 1", 0, 1, "neither")] = 0.5
    window: LabelsWindow = 200
    min_labels: Count = 50
    points: TwoOrMore = 12
    line: Annotated[Sequence[Finite], Listed("a list of 3 numbers", exact=3)] | None = None

    tunes: ClassVar[str] = "line"

    def learn(self, past: Rehearsal) -> tuple[float, ...] | None:
        """The regression that the history before ``start`` gives."""
        levels, ages = past.levels(self.window, self.min_labels), past.ages()
        np.fill_diagonal(levels, 0.0)  # nothing is known of a new model
        ahead = past.ahead(self.horizon)
        seen = ~np.isnan(levels) & ~np.isnan(ahead)
        if not seen.any():
            return None
        inputs = np.column_stack([levels[seen], ages[seen]])
        return _quantile_line(inputs, ahead[seen], self.quantile)

    def monitor(self) -> Monitor:
        """An account of the newest losses, and a count of rows."""
        traffic = _Traffic(parse_offset(self.horizon))
        return Account(lambda account, view: self._judge(account, view, traffic), self.window)

    def _judge(self, account: Account, view: View, traffic: _Traffic) -> Reason | None:
        fresh, by_level, by_day = self.tuned()
        lost = account.level(self.min_labels)
        if np.isnan(lost):
            return None
        rows, price = traffic(view), price_of_training(view, len(view.model.selection))
        kept = rows * (fresh + by_level * lost + by_day * age_of(view))
        renewed = price + rows * fresh
        view.reading(kept, renewed)
        if not renewed < kept:
            return None
        costs = f"keeping is forecast to cost {digits(kept)}, a retrain {digits(renewed)}"
        return Reason(f"for {self.horizon}, {costs}", kept, renewed)


class _Traffic:
    """Counts the rows of the last stretch of time, by weight."""

    def __init__(self, horizon: Offset) -> None:
        self._horizon = horizon
        self._first = 0

    def __call__(self, view: View) -> float:
        since = view.calendar.subtract(view.now, self._horizon).to_datetime64()
        rows = view.event_time(slice(self._first, view.past))
        self._first += int(rows.searchsorted(since))
        return float(view.weight(slice(self._first, view.past)).sum())


@dataclass(frozen=True, repr=False)
class Learned(Tuned):
    """When a classifier, taught by the oracle on the history before ``start``, says so.

    It knows the staleness now (as in `StalenessCost`), the staleness accumulated (as in
    `CumulativeStaleness`) and the age of the version in force, and fires where ``weights[0] +
    weights[1] * staleness + weights[2] * accumulated + weights[3] * days > 0``: a logistic
    regression. Its lessons are all pairs of an instant and a model trained by then: whether the
    oracle trains there, and the money that this gains, which is the weight of the lesson. Its
    weights of the three are 0 or more: a staler or older model is never less due. After ``start``
    nothing is learnt. In the style of Yang & Mathioudakis (ECML PKDD 2026).

    Parameters
    ----------
    window, min_labels : int
        Newest arrived labels for the staleness; silent with fewer than ``min_labels``.
    points : int
        Trainings in the history before ``start`` from which it learns.
    weights : sequence of 4 floats, optional
        The classifier; None is taught at ``start``.

    >>> Learned(window=168, points=20)
    Learned(window=168, points=20)
    """

    window: LabelsWindow = 200
    min_labels: Count = 50
    points: TwoOrMore = 12
    weights: Annotated[Sequence[Finite], Listed("a list of 4 numbers", exact=4)] | None = None

    tunes: ClassVar[str] = "weights"

    def learn(self, past: Rehearsal) -> tuple[float, ...] | None:
        """The classifier that the oracle teaches before ``start``."""
        levels, totals = past.levels(self.window, self.min_labels), past.totals()
        if np.isnan(levels).all():
            return None
        for statistic in (levels, totals):
            np.fill_diagonal(statistic, 0.0)  # a new model: to train again would gain nothing
        seen = ~np.isnan(levels)
        inputs = np.column_stack([levels[seen], totals[seen], past.ages()[seen]])
        return _classifier(inputs, past.gains()[seen])

    def monitor(self) -> Monitor:
        """An account of all losses."""
        return Account(self._judge, self.window)

    def _judge(self, account: Account, view: View) -> Reason | None:
        weights = self.tuned()
        inputs = [1.0, account.level(self.min_labels), account.total, age_of(view)]
        score = float(np.dot(weights, inputs))
        with np.errstate(over="ignore"):
            chance = 1 / (1 + float(np.exp(-score)))
        view.reading(chance, 0.5)
        if not score > 0:
            return None
        lost = f"staleness {digits(inputs[1])} a row, {digits(inputs[2])} in all"
        sentence = f"{lost}, after {digits(inputs[3])} days: the classifier says retrain"
        return Reason(sentence, chance, 0.5)


# --- learning -----------------------------------------------------------------------------------


def _quantile_line(inputs: Floats, target: Floats, quantile: float) -> tuple[float, ...]:
    """Intercept and slopes, 0 or more, of a linear quantile regression.

    Minimal is the sum of ``quantile`` times what lies above the line and ``1 - quantile`` times
    what lies below it (Koenker & Bassett 1978).
    """

    from scipy import sparse
    from scipy.optimize import linprog

    scale, unit = _scale(inputs), float(_scale(target))
    # Rounded, so that the last bit of a sum does not decide between lines that are equally good.
    X, y = np.round(inputs / scale, 9), np.round(target / unit, 9)
    n, p = X.shape
    solution = linprog(
        np.concatenate([[0], np.full(p, 1e-6 * n), np.full(n, quantile), np.full(n, 1 - quantile)]),
        A_eq=sparse.hstack([np.ones((n, 1)), X, sparse.eye(n), -sparse.eye(n)], format="csc"),
        b_eq=y,
        bounds=[(None, None)] + [(0, None)] * (p + 2 * n),
        method="highs",
    ).x
    return (float(solution[0]) * unit, *(solution[1 : p + 1] * unit / scale).tolist())


def _classifier(inputs: Floats, gains: Floats) -> tuple[float, ...]:
    """Intercept and slopes, 0 or more, of a logistic regression with scikit-learn's usual penalty.

    A lesson weighs what is at stake; the weights are 1 on average.
    """

    from scipy.optimize import minimize
    from scipy.special import expit
    from sklearn.preprocessing import StandardScaler

    train, stakes = gains > 0, np.abs(gains)
    if not train.any() or not stakes[~train].any():
        return (1.0 if train.any() else -1.0, *[0.0] * inputs.shape[1])
    scaler = StandardScaler().fit(inputs)
    X = np.column_stack([np.ones(len(inputs)), scaler.transform(inputs)])
    signed = X * np.where(train, 1.0, -1.0)[:, None]
    weight, penalty = stakes / stakes.mean(), np.array([0.0] + [1.0] * inputs.shape[1])

    def loss(w: Floats) -> tuple[float, Floats]:
        margin = signed @ w
        value = weight @ np.logaddexp(0, -margin) + penalty @ w**2 / 2
        return float(value), penalty * w - (weight * expit(-margin)) @ signed

    bounds = [(None, None)] + [(0, None)] * inputs.shape[1]
    minimum = minimize(loss, np.zeros(X.shape[1]), jac=True, method="L-BFGS-B", bounds=bounds).x
    slopes = minimum[1:] / scaler.scale_
    return (float(minimum[0] - slopes @ scaler.mean_), *slopes.tolist())


def _scale(values: Floats) -> NDArray[np.float64]:
    """The largest size in each column, 1 where all are 0."""
    most = np.abs(values).max(axis=0)
    return np.asarray(np.where(most > 0, most, 1.0))


def age_of(view: View) -> float:
    """Days since the version in force was decided on."""
    return (view.at - view.model.decided_at.value) / DAY
