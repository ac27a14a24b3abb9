"""Accuracy estimated without labels, held against what came true; run as ``python estimates.py``.

A model is trained once and serves chunks of 5,000 rows; the estimate is calibrated on its
reference, so no label of a served row is used. Halfway, features move while their meaning stays
(covariate shift), or their meaning changes (concept drift).
"""

import sys

import pandas as pd
from sklearn.ensemble import HistGradientBoostingClassifier

from backtrain import Backtest, Strategy, Stream
from backtrain.datasets.synthetic import abrupt, covariate
from backtrain.reports.estimates import estimated_and_realised
from backtrain.simulator.metrics import find_metric
from backtrain.strategies import EstimatedDrop, Expanding

CHUNK, CHUNKS, TRAINED = 5_000, 6, 20_000
MIDDLE = TRAINED + CHUNK * CHUNKS // 2
ROWS = TRAINED + CHUNK * CHUNKS + 1  # the last row makes the last tick
SILENT = EstimatedDrop("accuracy", window=CHUNK, min_rows=CHUNK, below=0.0, min_labels=ROWS)


def estimates(stream: Stream) -> pd.DataFrame:
    """A row a chunk: ``estimated`` and ``realised`` accuracy and their ``gap``."""
    model = HistGradientBoostingClassifier(max_iter=50, random_state=0)
    start = stream.event_time[TRAINED]
    run = Backtest(stream, model, tick=CHUNK, start=start).replay(Strategy(SILENT, Expanding()))
    return estimated_and_realised(run.events, run.predictions, find_metric("accuracy"), CHUNK)


def before(seed: int) -> pd.DataFrame:
    """Chunks that look like the rows that the model was trained on."""
    return estimates(covariate(ROWS, at=MIDDLE / ROWS, seed=seed)).head(CHUNKS // 2)


def shifted(seed: int, size: float = 1.0) -> pd.DataFrame:
    """Chunks after all features have moved by ``size`` standard deviations."""
    moved = covariate(ROWS, at=MIDDLE / ROWS, size=size, seed=seed)
    return estimates(moved).tail(CHUNKS // 2)


def far_off(seed: int) -> pd.DataFrame:
    """Chunks where the model was hardly trained at all: it must extrapolate."""
    return shifted(seed, size=2.0)


def turned(seed: int) -> pd.DataFrame:
    """Chunks after the concept has changed, in the middle of what is served."""
    return estimates(abrupt(ROWS, at=[MIDDLE / ROWS], seed=seed)).tail(CHUNKS // 2)


STREAMS = {
    "before the shift": before,
    "covariate shift by 1 sigma": shifted,
    "covariate shift by 2 sigma": far_off,
    "after concept drift": turned,
}


def main(seeds: int) -> None:
    for what, make in STREAMS.items():
        found = pd.concat([make(seed) for seed in range(seeds)])
        low, high = found["realised"].min(), found["realised"].max()
        gap = found["gap"]
        print(
            f"{what}: {len(found)} chunks of {CHUNK} rows, realised {low:.3f} to {high:.3f}, "
            f"estimated minus realised {gap.mean():+.4f} on average, {gap.abs().mean():.4f} in "
            f"size, {gap.abs().max():.4f} at most"
        )


if __name__ == "__main__":
    main(int(sys.argv[1]) if len(sys.argv) > 1 else 20)
