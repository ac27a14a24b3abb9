"""How much of the differences in relative cost each axis explains, alone and with another.

A functional analysis of variance: of all combinations of the axes' values, the variance of the mean
over all others is what an axis explains by itself, and what the means of two add to that is their
interaction. On a full grid it is exact. Where combinations are missing, a random forest is fitted
to those that are there and asked for all (Hutter, Hoos and Leyton-Brown, 2014, "An efficient
approach for assessing hyperparameter importance", ICML).
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from itertools import combinations, product

import numpy as np
import pandas as pd
from numpy.typing import NDArray

#: The forest: trees, and the fewest points that it is fitted to.
_TREES, _FEWEST = 200, 12
#: Combinations of values that are looked at at most; axes with more values are thinned out evenly.
_MOST = 50_000
#: Axes that are looked at: of more, those that the forest splits by most.
_AXES = 8

Floats = NDArray[np.float64]


@dataclass(frozen=True)
class Importance:
    """What explains the variance of log relative costs.

    Attributes
    ----------
    shares : mapping of tuple of str to float
        By axis, or pair of axes, the largest first; from 0 to 1.
    forest : float or None
        How much of the variance the forest explains in points that it was not fitted to (out of
        bag), where it stands for combinations that are missing; None on a full grid.
    """

    shares: Mapping[tuple[str, ...], float]
    forest: float | None = None

    @classmethod
    def of(cls, points: pd.DataFrame, value: str, axes: Sequence[str]) -> Importance | None:
        """Of a column of a frame whose columns ``axes`` hold positions of values.

        None where nothing differs, or where points are too few or say nothing of those between.
        """
        axes = [axis for axis in axes if points[axis].nunique() > 1]
        cells = points.groupby(list(axes))[value].mean() if axes else points[value]
        if not axes or len(cells) < 2 or np.ptp(cells) <= 1e-12:
            return None
        levels = [np.sort(points[axis].unique()) for axis in axes]
        if len(axes) <= _AXES and len(cells) == int(np.prod([len(level) for level in levels])):
            return cls(_shares(cells.sort_index().to_numpy().reshape([*map(len, levels)]), axes))
        return _by_forest(cells, axes, levels)

    def of_axis(self, axis: str) -> float:
        """The share of an axis by itself and half of that of its pairs."""
        return sum(share / len(names) for names, share in self.shares.items() if axis in names)


def _shares(grid: Floats, axes: Sequence[str]) -> dict[tuple[str, ...], float]:
    """The decomposition of a full grid, an axis each."""
    centred = grid - grid.mean()
    total = float((centred**2).mean())
    every, own = range(len(axes)), {}
    shares: dict[tuple[str, ...], float] = {}
    if total <= 0:
        return shares
    for i in every:
        own[i] = centred.mean(axis=tuple(k for k in every if k != i), keepdims=True)
        shares[(axes[i],)] = float((own[i] ** 2).mean()) / total
    for i, j in combinations(every, 2):
        both = centred.mean(axis=tuple(k for k in every if k not in (i, j)), keepdims=True)
        shares[axes[i], axes[j]] = float(((both - own[i] - own[j]) ** 2).mean()) / total
    return dict(sorted(shares.items(), key=lambda item: -item[1]))


def _by_forest(
    cells: pd.Series, axes: Sequence[str], levels: Sequence[NDArray[np.int64]]
) -> Importance | None:
    from sklearn.ensemble import RandomForestRegressor

    if len(cells) < _FEWEST:
        return None
    points = cells.index.to_frame().to_numpy(np.float64).reshape(len(cells), -1)
    forest = RandomForestRegressor(_TREES, oob_score=True, random_state=0, min_samples_leaf=2)
    forest.fit(points, cells.to_numpy())
    if not forest.oob_score_ > 0:
        return None
    order = np.argsort(-forest.feature_importances_, kind="stable")[:_AXES]
    kept = sorted(order.tolist())
    thinned = _thinned([levels[i] for i in kept])
    middle = np.array([np.median(level) for level in levels], dtype=np.float64)
    asked = np.tile(middle, (int(np.prod([*map(len, thinned)])), 1))
    asked[:, kept] = np.array(list(product(*thinned)), dtype=np.float64)
    grid = forest.predict(asked).reshape([*map(len, thinned)])
    return Importance(_shares(grid, [axes[i] for i in kept]), float(forest.oob_score_))


def _thinned(levels: Sequence[NDArray[np.int64]]) -> list[NDArray[np.int64]]:
    """As many values of each axis, evenly spread, as leave few enough combinations."""
    most = max(map(len, levels))
    while np.prod([min(len(level), most) for level in levels]) > _MOST and most > 2:
        most -= 1
    spread = [np.linspace(0, len(v) - 1, min(len(v), most)).round().astype(int) for v in levels]
    return [level[at] for level, at in zip(levels, spread, strict=True)]
