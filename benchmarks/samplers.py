"""Which sampler finds the better front: ``python benchmarks/samplers.py``.

On six histories with known changes, thresholds and windows are searched for errors against
retrains, by each sampler, with as many trials. Printed is the area that its front dominates, as a
share of that of all fronts together, and its seconds over those of drawing at random, measured side
by side in one run. Takes about two minutes where nothing else runs.
"""

import time

import numpy as np
from sklearn.linear_model import Ridge

from backtrain import Backtest, Prices, Strategy
from backtrain.datasets.synthetic import abrupt, recurring
from backtrain.strategies import PerformanceDrop, Sliding

SAMPLERS = ("random", "tpe", "nsga2")
SPACE = {"below": "0.1..1.5", "length": "2D..20D"}
TRIALS = 60


def watched(below: float, length: str) -> Strategy:
    trigger = PerformanceDrop("MAE", below=below, window=50, min_labels=20, drop=None)
    return Strategy(trigger, Sliding(length))


def dominated(points: np.ndarray, corner: np.ndarray) -> float:
    """The area between points (n, 2), of which less is better, and a corner."""
    area, top = 0.0, corner[1]
    for x, y in sorted(map(tuple, points)):
        if y < top:
            area += (corner[0] - x) * (top - y)
            top = y
    return area


def main() -> None:
    for make, more in ((recurring, {}), (abrupt, {"at": (0.3, 0.6)})):
        for seed in range(3):
            stream = make(n=1_500, task="regression", seed=seed, **more)
            found, seconds = {}, {}
            for sampler in SAMPLERS:
                setup = Backtest(stream, Ridge(), prices=Prices(retrain=10), tick="6h", seed=seed)
                began = time.perf_counter()
                goals = ["error", "retrains"]
                search = setup.search(watched, SPACE, goals, TRIALS, sampler=sampler)
                seconds[sampler] = time.perf_counter() - began
                found[sampler] = search.folds[0].trials[["error", "retrains"]].to_numpy()
            corner = np.vstack(list(found.values())).max(axis=0)
            whole = dominated(np.vstack(list(found.values())), corner)
            shares = {name: dominated(points, corner) / whole for name, points in found.items()}
            print(f"{make.__name__} {seed}: " + ", ".join(
                f"{name} {shares[name]:.3f} in {seconds[name] / seconds['random']:.1f}"
                for name in SAMPLERS
            ))  # fmt: skip


if __name__ == "__main__":
    main()
