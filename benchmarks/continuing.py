"""What going on from the model in force costs and loses beside a refit, on streams that drift.

    pip install -e '.[models]' && python benchmarks/continuing.py [--seeds 5] [--rows 3000]

prints for LightGBM, XGBoost and CatBoost, and for each kind of drift, the loss and the CPU time of
`Continue`'s and `RefreshLeaves`' trainings as a share of those of `Refit`: means over seeds, with
the least and greatest share. A training every three days on the last thirty, 100 trees at first.
Losses are the same on any machine; of CPU time only the shares mean something.
"""

from __future__ import annotations

import argparse
import warnings
from importlib.util import find_spec
from typing import Any

import numpy as np
import pandas as pd

from backtrain import Backtest, Strategy, Stream
from backtrain.strategies import Continue, Every, Refit, RefreshLeaves, Sliding

UPDATES: dict[str, Any] = {
    "Refit()": Refit(),
    "Continue(10)": Continue(10),
    "Continue(10, max_models=300)": Continue(10, max_models=300),
    "Continue(10, learns='window')": Continue(10, learns="window"),
    "RefreshLeaves()": RefreshLeaves(),
}
DRIFTS = ("slope", "level", "abrupt", "none")


def history(drift: str, seed: int, rows: int) -> Stream:
    """Four features, hourly; a slope moves, or the level, or both at once half way, or nothing."""
    rng = np.random.default_rng(seed)
    x, share = rng.normal(size=(rows, 4)), np.arange(rows) / rows
    slope = {"slope": 1 + 3 * share, "abrupt": np.where(share < 0.5, 1, -1)}.get(drift, 1.0)
    level = {"level": 10 * share, "abrupt": np.where(share < 0.5, 0, 5)}.get(drift, 0.0)
    y = level + slope * x[:, 0] + np.sin(2 * x[:, 1]) + x[:, 2] * (x[:, 3] > 0)
    y = y + rng.normal(size=rows) / 5
    times = pd.date_range("2024-01-01", periods=rows, freq="h").to_numpy("datetime64[ns]")
    return Stream(x, y, times)


def boosters() -> dict[str, Any]:
    """One of each library that is installed, with its own settings and a rate of 0.1."""
    found: dict[str, Any] = {}
    if find_spec("lightgbm"):
        from lightgbm import LGBMRegressor

        found["LightGBM"] = LGBMRegressor(n_estimators=100, verbose=-1, n_jobs=1)
    if find_spec("xgboost"):
        from xgboost import XGBRegressor

        found["XGBoost"] = XGBRegressor(n_estimators=100, learning_rate=0.1, n_jobs=1)
    if find_spec("catboost"):
        from catboost import CatBoostRegressor

        given = {"verbose": 0, "allow_writing_files": False, "thread_count": 1}
        found["CatBoost"] = CatBoostRegressor(iterations=100, learning_rate=0.1, **given)
    return found


def shares(model: Any, drift: str, seed: int, rows: int) -> dict[str, tuple[float, float]]:
    """Loss and CPU time of the trainings after the first, each beside those of a refit."""
    backtest = Backtest(history(drift, seed, rows), model, tick="24h", start=0.2)
    found = {}
    for name, update in UPDATES.items():
        if name.startswith("RefreshLeaves") and type(model).__name__.startswith("CatBoost"):
            continue
        run = backtest.replay(Strategy(Every("3D"), Sliding("30D"), update))
        assert run.totals["failed"] == 0
        found[name] = run.totals["loss"], float(run.versions["fit_seconds"][1:].sum())
    loss, seconds = found["Refit()"]
    return {name: (one / loss, other / seconds) for name, (one, other) in found.items()}


def main() -> None:
    """Print the table."""
    parser = argparse.ArgumentParser(description=__doc__.partition("\n")[0])
    parser.add_argument("--seeds", type=int, default=5)
    parser.add_argument("--rows", type=int, default=3_000)
    parser.add_argument("--drifts", nargs="*", default=DRIFTS, choices=DRIFTS)
    given = parser.parse_args()
    warnings.simplefilter("ignore")
    print(f"{'library':10}{'drift':8}{'update':32}{'loss':>6}  {'least to greatest':19}{'CPU':>6}")
    for library, model in boosters().items():
        for drift in given.drifts:
            each = [shares(model, drift, seed, given.rows) for seed in range(given.seeds)]
            for name in each[0]:
                loss, seconds = (np.array([one[name][k] for one in each]) for k in (0, 1))
                between = f"{loss.min():.3f} to {loss.max():.3f}"
                print(
                    f"{library:10}{drift:8}{name:32}{loss.mean():6.3f}  {between:19}"
                    f"{seconds.mean():6.2f}",
                    flush=True,
                )


if __name__ == "__main__":
    main()
