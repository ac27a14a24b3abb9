"""Does retraining less often cost accuracy or stability? `python benchmarks/how_often.py`.

Zanotti's question (arXiv 2505.00356 and 2506.05776), on panels whose drift is known: one global
model with lags, retrained every so many days, for several seeds. Prints tables as Markdown: errors,
what a training changes, and CPU time, with 95 % intervals (Student's t) over the seeds.
"""

import argparse
import sys
import time
from collections.abc import Iterator
from dataclasses import replace
from importlib.util import find_spec
from typing import Any

import numpy as np
import pandas as pd
from scipy.stats import t as student
from sklearn.ensemble import HistGradientBoostingRegressor
from threadpoolctl import threadpool_limits

from backtrain import Backtest, Lags, Scaled, Strategy
from backtrain.datasets.synthetic import panel
from backtrain.strategies import Every, Expanding, Never

START = "2024-12-02"
LAGS = Lags(known=[1, 7, 14, 28], rolling=[("mean", 7), ("mean", 28)])
KINDS = {
    "nothing changes": {"level_drift": 0, "promotion_drift": 0},
    "levels of half the families break, twice": {"level_drift": 0.5, "promotion_drift": 0},
    "half the promotions change, twice": {"level_drift": 0, "promotion_drift": 0.5},
}
INTERVALS = {f"{days} days": Every(f"{days}D") for days in (7, 28, 91)}
TRIGGERS = {**INTERVALS, "never": Never()}


def model(seed: int) -> Any:
    if find_spec("lightgbm"):
        from lightgbm import LGBMRegressor

        return LGBMRegressor(objective="poisson", n_jobs=1, verbose=-1, random_state=seed)
    return HistGradientBoostingRegressor(loss="poisson", random_state=seed)


def measured(series: int, days: int, seeds: int) -> Iterator[dict[str, Any]]:
    """A row for each kind of panel, seed and interval; fits are not shared, as time counts."""
    for kind, drift in KINDS.items():
        for seed in range(seeds):
            plain = panel(series, days, seed=seed, **drift)  # type: ignore[arg-type]
            stream = replace(plain, lags=LAGS)
            for name, trigger in TRIGGERS.items():
                backtest = Backtest(
                    stream, model(seed), start=START, loss=Scaled("absolute", 7), metrics=["WAPE"]
                )
                began = time.process_time()
                run = backtest.replay(Strategy(trigger, Expanding()), name)
                totals, demand = run.totals, stream.y[stream.rows(START)].mean()
                yield {
                    "kind": kind,
                    "seed": seed,
                    "retrained every": name,
                    "trainings": totals["retrains"],
                    "MASE": totals["error"] / totals["rows"],
                    "WAPE": run.metrics["WAPE"],
                    "changed": totals.get("changed", np.nan) / demand,
                    "changed in total": totals["changed_total"] / demand,
                    "CPU seconds": time.process_time() - began,
                }


def interval(values: pd.Series) -> str:
    """Mean and 95 % interval of a mean over seeds."""
    half = student.ppf(0.975, len(values) - 1) * values.std(ddof=1) / np.sqrt(len(values))
    return f"{values.mean():+.2f} ± {half:.2f}"


def table(rows: pd.DataFrame) -> pd.DataFrame:
    """The rows of a kind as they are shown: errors beside those of the most frequent interval."""
    by = rows.pivot(index="seed", columns="retrained every")
    first = next(iter(TRIGGERS))
    more = {name: 100 * (by["MASE", name] / by["MASE", first] - 1) for name in by["MASE"].columns}
    shown = {
        name: {
            "trainings": f"{by['trainings', name].mean():.0f}",
            "MASE": f"{by['MASE', name].mean():.4f}",
            f"MASE against {first}, %": "" if name == first else interval(more[name]),
            "WAPE, %": f"{100 * by['WAPE', name].mean():.2f}",
            "a training changes, %": f"{100 * by['changed', name].mean():.2f}".replace("nan", ""),
            "all of them, %": f"{100 * by['changed in total', name].mean():.0f}",
            "CPU s": f"{by['CPU seconds', name].mean():.1f}",
        }
        for name in TRIGGERS
    }
    return pd.DataFrame(shown).T


def markdown(frame: pd.DataFrame, corner: str) -> str:
    lines = [[corner, *frame.columns], ["---"] * (len(frame.columns) + 1)]
    lines += [[str(name), *row] for name, row in zip(frame.index, frame.to_numpy(), strict=True)]
    return "\n".join(f"| {' | '.join(line)} |" for line in lines)


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--series", type=int, default=40)
    parser.add_argument("--days", type=int, default=700)
    parser.add_argument("--seeds", type=int, default=5)
    parsed = parser.parse_args()
    found = []
    with threadpool_limits(1):
        for row in measured(parsed.series, parsed.days, parsed.seeds):
            found.append(row)
            print(*row.values(), file=sys.stderr, flush=True)
    rows = pd.DataFrame(found)
    for kind, part in rows.groupby("kind", sort=False):
        print(f"\n{kind}:\n\n{markdown(table(part), 'retrained every')}")


if __name__ == "__main__":
    main()
