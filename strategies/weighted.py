"""Losses that weigh: their mean, how sure it is, and one-sided tests of it.

Money and metrics count a row by its weight, and so does whatever compares models: a row of weight 0
is served, but nothing is judged by it, and it is not counted where a number of rows is asked for.
"""

from typing import NamedTuple

import numpy as np
from numpy.typing import NDArray

from backtrain.simulator.answers import Rows, Selection
from backtrain.simulator.metrics import weighted_mean
from backtrain.simulator.view import Model, View

Floats = NDArray[np.float64]


class Estimate(NamedTuple):
    """A mean, the variance of its error, and the degrees of freedom of that variance."""

    mean: float
    variance: float
    freedom: float


def estimate(values: Floats, weight: Floats | None = None) -> Estimate:
    """Mean of independent observations by weight, and how sure it is; NaN with fewer than two.

    With shares h of the total weight, the mean is ``sum(h x)``. Its variance is the linearised one
    of a ratio (Cochran 1977, *Sampling Techniques*, section 6), ``sum(h^2 (x - mean)^2)``, divided
    by what that is worth on average where all observations vary alike; the degrees of freedom are
    Satterthwaite's under the same assumption: Bell & McCaffrey (2002), Survey Methodology 28,
    169-181. Equal weights give ``s^2 / n`` and ``n - 1``.

    >>> estimate(np.array([0.0, 4.0]), np.array([1.0, 1.0]))
    Estimate(mean=2.0, variance=4.0, freedom=1.0)
    """
    if weight is not None:
        values, weight = values[weight > 0], weight[weight > 0]
    n, mean = len(values), weighted_mean(values, weight)
    if n < 2:
        return Estimate(mean, float("nan"), float("nan"))
    if (values == values[0]).all():  # else rounding would pass for a spread
        return Estimate(float(values[0]), 0.0, n - 1.0)
    if weight is None or (weight == weight[0]).all():
        return Estimate(mean, float(values.var(ddof=1)) / n, n - 1.0)
    squares, worth, of_square = _spread(values, weight)
    if of_square == 0:  # beside one of them, the others are too light for a floating-point number
        return Estimate(mean, float("nan"), float("nan"))
    return Estimate(mean, squares / worth, worth**2 / of_square)


def _spread(values: Floats, weight: Floats) -> tuple[float, float, float]:
    """The sum of squares, what it is worth, and what its square is worth, for `estimate`.

    With ``M = I - 1 h'`` the sum of squares is ``x'A x``, where ``A = M' diag(h^2) M``; it is worth
    ``trace(A) / sum(h^2)`` times the variance of the mean, where all observations vary alike. The
    heaviest observation stands apart: its residual, and what is left beside its share, would be
    lost to rounding as differences of numbers near 1.
    """
    heaviest = int(weight.argmax())
    others, most = np.delete(weight, heaviest) / weight.sum(), float(weight.max() / weight.sum())
    apart = np.delete(values, heaviest) - values[heaviest]
    mean = float(others @ apart)
    squares = most**2 * mean**2 + float(others**2 @ (apart - mean) ** 2)
    rest, s2, s3, s4, s5 = (float((others**power).sum()) for power in range(1, 6))
    h2, own = most**2 + s2, rest**2 + s2
    trace = most**2 * own + (1 + h2) * s2 - 2 * s3
    beside = float(others**2 @ (s2 - most * rest - others) ** 2)
    of_square = most**4 * own**2 + 2 * most**2 * beside + (1 + 2 * h2) * s4 - 4 * s5
    of_square += h2**2 * s2**2 + 2 * s2 * s4 - 4 * h2 * s2 * s3 + 2 * s3**2
    return squares, trace / h2, of_square / h2**2


def chance_above(one: Estimate, floor: float) -> float:
    """One-sided p-value of "the true mean is not above ``floor``": Student's t; NaN if unknown."""
    return _tail(one.mean - floor, one.variance, one.freedom)


def chance_larger(one: Estimate, other: Estimate) -> float:
    """One-sided p-value of "the mean of one is not above that of the other" (Welch 1947)."""
    variance = one.variance + other.variance
    parts = one.variance**2 / one.freedom + other.variance**2 / other.freedom
    return _tail(one.mean - other.mean, variance, variance**2 / parts if parts else 1.0)


def _tail(gap: float, variance: float, freedom: float) -> float:
    """NaN where the samples are too small, or all alike."""

    from scipy.stats import t as student

    if variance == 0:
        return float("nan") if gap == 0 else float(gap < 0)
    return float(student.sf(gap / variance**0.5, freedom))


# --- rows -----------------------------------------------------------------------------------------


def weighing(view: View, rows: Rows) -> NDArray[np.int64]:
    """Those of past rows that weigh anything."""
    indices = Selection(rows).indices()
    return indices[view.weight(indices) > 0]


def mean_loss(view: View, model: Model, rows: Rows) -> float:
    """Mean loss of what a model says to rows whose labels are known, by weight."""
    return weighted_mean(model.loss(rows), view.weight(rows))
