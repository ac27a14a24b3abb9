"""Synthetic histories whose drift is known: the rows, and the instants at which truth changed.

Every generator returns a `Stream` with `drift` filled in; same arguments, same bytes. Positions of
drift are shares of the n rows, between 0 and 1.

Sources: SEA, Street & Kim 2001, doi 10.1145/502512.502568; rotating hyperplane, Hulten, Spencer &
Domingos 2001, doi 10.1145/502512.502529; the kinds of drift, Gama et al. 2014, doi 10.1145/2523813.
"""

from collections.abc import Sequence
from typing import Any, Literal, TypeAlias

import numpy as np
import numpy.typing as npt

from backtrain.datasets.columns import Floats
from backtrain.datasets.offsets import Times, nanoseconds, parse_fixed, to_timestamp
from backtrain.datasets.stream import Stream
from backtrain.datasets.synthetic_panel import panel as panel
from backtrain.datasets.values import exact_share, generator

Task: TypeAlias = Literal["classification", "regression"]
Indices: TypeAlias = npt.NDArray[np.int64]

_SEA_THRESHOLDS = np.array([8.0, 9.0, 7.0, 9.5])


def stationary(
    n: int = 10_000,
    n_features: int = 5,
    task: Task = "classification",
    noise: float = 0.1,
    freq: str = "1h",
    start: str = "2024-01-01",
    seed: int = 0,
) -> Stream:
    """Make a history without any drift: what an alarm must stay silent on.

    Standard normal features; a linear concept, whose sign is the class. Labels are known at once.

    Parameters
    ----------
    n : int
        Rows.
    n_features : int
        Their features, ``x0``, ``x1``, ...
    task : {"classification", "regression"}
        Whether the label is 0 or 1, or a number.
    noise : float
        The share of flipped labels, or in a regression a standard deviation.
    freq : str
        Time from row to row, such as "1h" or "15min".
    start : str
        Time of the first row, UTC.
    seed : int
        Of all draws: same arguments, same bytes.

    Returns
    -------
    Stream
        With the instants of drift in ``drift``: here none.

    Raises
    ------
    ValueError
        For an argument that is out of range, with its name.

    Examples
    --------
    >>> stationary(100, n_features=2, seed=1).columns
    ('x0', 'x1')
    """
    return _linear("stationary", np.zeros(n), (), n, n_features, task, noise, freq, start, seed)


def abrupt(
    n: int = 10_000,
    at: Sequence[float] = (0.5,),
    n_features: int = 5,
    task: Task = "classification",
    noise: float = 0.1,
    freq: str = "1h",
    start: str = "2024-01-01",
    seed: int = 0,
) -> Stream:
    """Make a history whose concept is replaced at once, at each position in `at`.

    Parameters
    ----------
    at : sequence of float
        Shares of the n rows, between 0 and 1, rising.

    Other parameters are those of `stationary`.

    >>> [str(when) for when in abrupt(100, at=[0.25, 0.75]).drift]
    ['2024-01-02 01:00:00', '2024-01-04 03:00:00']
    """
    changes = _positions(n, at)
    concept = np.searchsorted(changes, np.arange(n), side="right").astype(float)
    return _linear("abrupt", concept, changes, n, n_features, task, noise, freq, start, seed)


def gradual(
    n: int = 10_000,
    at: float = 0.5,
    width: float = 0.2,
    n_features: int = 5,
    task: Task = "classification",
    noise: float = 0.1,
    freq: str = "1h",
    start: str = "2024-01-01",
    seed: int = 0,
) -> Stream:
    """Make a history in which ever more rows follow a new concept: none at `at`, all after `width`.

    Each row of the transition follows either the old concept or the new one.

    Parameters
    ----------
    at : float
        The share of the rows after which the transition begins.
    width : float
        The share of the rows that it lasts.

    Other parameters are those of `stationary`.

    >>> gradual(100, at=0.5, width=0.2).drift
    (Timestamp('2024-01-03 02:00:00'),)
    """
    begin, share = _ramp(n, at, width)
    drawn = generator(seed, 1).random(n) < share
    return _linear(
        "gradual", drawn.astype(float), begin, n, n_features, task, noise, freq, start, seed
    )


def incremental(
    n: int = 10_000,
    at: float = 0.5,
    width: float = 0.2,
    n_features: int = 5,
    task: Task = "classification",
    noise: float = 0.1,
    freq: str = "1h",
    start: str = "2024-01-01",
    seed: int = 0,
) -> Stream:
    """Make a history whose concept moves steadily to another, from `at` on for `width`.

    Parameters
    ----------
    at : float
        The share of the rows after which it begins to move.
    width : float
        The share of the rows that this lasts.

    Other parameters are those of `stationary`.

    >>> incremental(100, at=0.5, width=0.2).drift
    (Timestamp('2024-01-03 02:00:00'),)
    """
    begin, share = _ramp(n, at, width)
    return _linear("incremental", share, begin, n, n_features, task, noise, freq, start, seed)


def recurring(
    n: int = 10_000,
    periods: int = 4,
    n_features: int = 5,
    task: Task = "classification",
    noise: float = 0.1,
    freq: str = "1h",
    start: str = "2024-01-01",
    seed: int = 0,
) -> Stream:
    """Make a history that alternates between two concepts, `periods` times of equal length.

    Parameters
    ----------
    periods : int
        From 2 to n.

    Other parameters are those of `stationary`.

    >>> recurring(100, periods=2).drift
    (Timestamp('2024-01-03 02:00:00'),)
    """
    if not 2 <= periods <= n:
        raise ValueError(f"periods={periods!r}: must be between 2 and n={n}")
    period = np.arange(n) * periods // n
    changes = np.flatnonzero(np.diff(period)) + 1
    return _linear(
        "recurring",
        (period % 2).astype(float),
        changes,
        n,
        n_features,
        task,
        noise,
        freq,
        start,
        seed,
    )


def covariate(
    n: int = 10_000,
    at: float = 0.5,
    size: float = 1.0,
    curvature: float = 0.5,
    n_features: int = 5,
    task: Task = "classification",
    noise: float = 0.1,
    freq: str = "1h",
    start: str = "2024-01-01",
    seed: int = 0,
) -> Stream:
    """Make a history whose features move by `size` standard deviations; the concept stays.

    Parameters
    ----------
    at : float
        The share of the rows after which they have moved.
    size : float
        By how many standard deviations.
    curvature : float
        Bends the concept, so that a model that is only right on average is wrong after.

    Other parameters are those of `stationary`.

    >>> covariate(100, at=0.25).drift
    (Timestamp('2024-01-02 01:00:00'),)
    """
    changes = _positions(n, [at])
    moved = np.where(np.arange(n) >= changes[0], size, 0.0)
    return _linear(
        "covariate",
        np.zeros(n),
        changes,
        n,
        n_features,
        task,
        noise,
        freq,
        start,
        seed,
        moved,
        curvature,
    )


def sea(
    n: int = 10_000,
    concepts: Sequence[int] = (0, 1, 2, 3),
    noise: float = 0.1,
    freq: str = "1h",
    start: str = "2024-01-01",
    seed: int = 0,
) -> Stream:
    """Make the SEA stream: y = 1 where x0 + x1 <= threshold; each concept is a threshold.

    Three features in [0, 10), the third irrelevant.

    Parameters
    ----------
    concepts : sequence of int
        In equal parts one after the other: 0 to 3, of the thresholds 8, 9, 7 and 9.5.

    Other parameters are those of `stationary`.

    >>> sea(1_000, seed=1).columns
    ('x0', 'x1', 'x2')
    """
    if not concepts or not set(concepts) <= {0, 1, 2, 3}:
        raise ValueError(f"concepts={list(concepts)!r}: must be some of 0, 1, 2, 3")
    _check(n, noise, "classification")
    rng = generator(seed)
    X = rng.uniform(0, 10, (n, 3))
    part = np.arange(n) * len(concepts) // n
    followed = np.array(concepts)[part]
    y = X[:, 0] + X[:, 1] <= _SEA_THRESHOLDS[followed]
    times = _times(n, freq, start)
    return _make(
        "sea", X, y ^ (rng.random(n) < noise), times, np.flatnonzero(np.diff(followed)) + 1
    )


def hyperplane(
    n: int = 10_000,
    n_features: int = 10,
    n_drifting: int = 2,
    speed: float = 1.0,
    noise: float = 0.05,
    freq: str = "1h",
    start: str = "2024-01-01",
    seed: int = 0,
) -> Stream:
    """Make a rotating hyperplane: y = 1 above it, in the unit cube; drift never stops.

    The plane always halves the cube. `drift` holds the first row, where it begins.

    Parameters
    ----------
    n_drifting : int
        The weights of so many features move, the first ones.
    speed : float
        By so much over the whole history, up or down.

    Other parameters are those of `stationary`.

    >>> hyperplane(100).drift
    (Timestamp('2024-01-01 00:00:00'),)
    """
    if not 0 < n_drifting <= n_features:
        raise ValueError(
            f"n_drifting={n_drifting!r}: must be between 1 and n_features={n_features}"
        )
    _check(n, noise, "classification")
    rng = generator(seed)
    X = rng.random((n, n_features))
    weights = rng.random(n_features)
    direction = np.zeros(n_features)
    direction[:n_drifting] = rng.choice([-1.0, 1.0], n_drifting) * speed
    centred = X - 0.5
    y = centred @ weights + centred @ direction * np.linspace(0, 1, n) > 0
    return _make("hyperplane", X, y ^ (rng.random(n) < noise), _times(n, freq, start), [0])


def _linear(
    name: str,
    concept: Floats,
    changes: Sequence[int] | Indices,
    n: int,
    n_features: int,
    task: Task,
    noise: float,
    freq: str,
    start: str,
    seed: int,
    moved: Floats | float = 0.0,
    curvature: float = 0.0,
) -> Stream:
    """Make rows of linear concepts; concept 1.5 lies half-way between numbers 1 and 2."""
    _check(n, noise, task)
    if n_features < 1:
        raise ValueError(f"n_features={n_features!r}: must be at least 1")
    rng = generator(seed)
    X = rng.standard_normal((n, n_features)) + np.reshape(moved, (-1, 1))
    low = np.floor(concept).astype(np.int64)
    weights = _weights(rng, int(low.max()) + 2, n_features)
    mixed = (concept - low)[:, None]
    score = np.einsum("ij,ij->i", X, (1 - mixed) * weights[low] + mixed * weights[low + 1])
    score += curvature * X[:, 0] ** 2
    if task == "regression":
        y: npt.NDArray[Any] = score + noise * rng.standard_normal(n)
    else:
        y = (score > 0) ^ (rng.random(n) < noise)
    return _make(name, X, y, _times(n, freq, start), changes)


def _weights(rng: np.random.Generator, concepts: int, n_features: int) -> Floats:
    weights = rng.standard_normal((concepts, n_features))
    for i, row in enumerate(weights):
        if i and n_features > 1:  # at a right angle to the last concept: wrong about half the rows
            row -= (row @ weights[i - 1]) * weights[i - 1]
        elif i:
            row[:] = -weights[i - 1]
        row /= np.linalg.norm(row)
    return weights


def _make(
    name: str, X: Floats, y: npt.NDArray[Any], times: Times, changes: Sequence[int] | Indices
) -> Stream:
    labels = y.astype(np.int64) if y.dtype == bool else y
    drift = tuple(to_timestamp(times[row]) for row in changes)
    return Stream(X, labels, times, name=name, drift=drift)


def _times(n: int, freq: str, start: str) -> Times:
    step, first = nanoseconds(parse_fixed(freq, "freq")), to_timestamp(start, "start")
    return first.to_datetime64() + np.arange(n) * np.timedelta64(step, "ns")


def _positions(n: int, at: Sequence[float]) -> Indices:
    rows = np.array([round(n * exact_share(share)) for share in at], dtype=np.int64)
    if any(not 0 < share < 1 for share in at) or (np.diff(rows) <= 0).any():
        raise ValueError(f"at={list(at)!r}: must be ascending shares of the rows, between 0 and 1")
    return rows


def _ramp(n: int, at: float, width: float) -> tuple[Indices, Floats]:
    if not 0 < width <= 1 - at + 1e-9:  # 1 - 0.8 is a little less than 0.2
        raise ValueError(f"width={width!r}: must be above 0 and at most 1 - at = {1 - at:g}")
    begin = _positions(n, [at])
    return begin, np.clip((np.arange(n) - begin[0]) / (n * width), 0.0, 1.0)


def _check(n: int, noise: float, task: str) -> None:
    if n < 2:
        raise ValueError(f"n={n!r}: must be at least 2 rows")
    if task not in ("classification", "regression"):
        raise ValueError(f"task={task!r}: must be 'classification' or 'regression'")
    if noise < 0 or (task == "classification" and noise > 0.5):
        raise ValueError(f"noise={noise!r}: must be >= 0, and at most 0.5 where it flips labels")
