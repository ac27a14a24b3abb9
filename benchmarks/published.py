"""Published figures, and what this framework measures in their place.

    BACKTRAIN_STREAMS=DIR python benchmarks/published.py

prints of each figure what was published, ours, and the difference. Where the data are not here, it
says how to get them. ``docs/published.md`` says where the figures stand.
"""

from collections.abc import Iterator
from typing import Any, NamedTuple

import numpy as np
import pandas as pd
from sklearn.linear_model import SGDClassifier
from standings_tables import FOLDER, fetched

from backtrain import Backtest, Strategy, Stream
from backtrain.simulator.baselines import baselines
from backtrain.strategies import Every, Never, Sliding

_HALF_HOUR = np.timedelta64(30, "m").astype("m8[ns]")

#: Accuracy on ELEC2 of the last label that is known, by how many rows late labels are; where they
#: come a day late nobody published it.
LAST_LABEL = {1: 0.853, 48: None}

#: Accuracy of a model that is never retrained, Dasari 2026, in order of `SEEDS`.
SEEDS = (42, 123, 456, 789, 1011, 1213, 1415, 1617, 1819, 2021)
NEVER = {
    "abrupt": (0.5393, 0.5806, 0.5651, 0.4831, 0.4697, 0.5028, 0.6620, 0.5160, 0.4837, 0.5345),
    "gradual": (0.5470, 0.5846, 0.5715, 0.4811, 0.4766, 0.5034, 0.6630, 0.5177, 0.5036, 0.5434),
    "recurring": (0.5619, 0.6041, 0.5821, 0.4823, 0.4985, 0.5000, 0.6585, 0.5223, 0.5525, 0.5507),
}


#: That of one that is trained on the newest rows at every so many, mean over `SEEDS`, by retrains.
PERIODIC = {
    "abrupt": {5: 0.6838, 10: 0.7254, 20: 0.7514},
    "gradual": {5: 0.6795, 10: 0.7330, 20: 0.7516},
    "recurring": {5: 0.6465, 10: 0.6148, 20: 0.6933},
}
#: Draws of the order in which a model sees its rows, which the study did not fix.
DRAWS = 5


class Figure(NamedTuple):
    """One figure: of what, as published if it was, ours, and how much ours varies by draw."""

    of: str
    published: float | None
    ours: float
    spread: float | None = None


# --- ELEC2 ----------------------------------------------------------------------------------------


def elec2(frame: pd.DataFrame) -> Iterator[Figure]:
    """The last known label, by our own baselines."""
    for late, published in LAST_LABEL.items():
        yield Figure(f"ELEC2, last label, {late} rows late", published, last_label(frame, late))


def last_label(frame: pd.DataFrame, late: int) -> float:
    """Accuracy of the last known label of all rows for which one is, labels so many rows late."""
    X = frame.filter(regex="^x").to_numpy(dtype=float)
    time = np.datetime64("1996-05-07", "ns") + np.arange(len(frame)) * _HALF_HOUR
    stream = Stream(X, frame["y"].to_numpy(), time, time + late * _HALF_HOUR)
    backtest = Backtest(stream, OneEpoch(), start=time[late], tick="1D", metrics=["accuracy"])
    found = {one.name: one for one in baselines(backtest)}
    return found["last known label"].metrics["accuracy"]


# --- Dasari 2026 ----------------------------------------------------------------------------------


class OneEpoch(SGDClassifier):
    """A linear model after one pass of gradient descent; of two rows it learns from the first."""

    def __init__(self, random_state: int = 0) -> None:
        super().__init__(loss="log_loss", random_state=random_state)

    def fit(self, X: Any, y: Any) -> "OneEpoch":
        rows = slice(0, 1 if len(X) == 2 else None)
        return self.partial_fit(X[rows], y[rows], classes=[0, 1])


def drifting(kind: str, seed: int, rows: int = 10_000, features: int = 10) -> Stream:
    """The study's history: two logistic concepts, which change at the half.

    At once, within 1,000 rows, or back and forth every 1,000. Its first row stands before it, too:
    the study's model learns from that row, and is scored on it. A row of the other class follows,
    as a window of one class is refused; `OneEpoch` does not look at it.
    """
    rng = np.random.default_rng(seed)
    before, after = rng.normal(size=features), rng.normal(size=features)
    X = rng.normal(size=(rows, features))
    since = np.arange(rows) - rows // 2
    share = {
        "abrupt": (since >= 0).astype(float),
        "gradual": np.clip(since / 1000, 0, 1),
        "recurring": ((since >= 0) & (since // 1000 % 2 == 0)).astype(float),
    }[kind][:, None]
    score = np.einsum("ij,ij->i", X, (1 - share) * before + share * after)
    y = rng.binomial(1, 1 / (1 + np.exp(-score)))
    X, y = np.vstack([X[:1], X[:1], X]), np.concatenate([[y[0], 1 - y[0]], y])
    return Stream(X, y, np.datetime64("2024-01-01", "ns") + np.arange(rows + 2) * _HALF_HOUR)


def never(kind: str, seed: int) -> float:
    """Accuracy of the model of the first row, never trained again."""
    stream = drifting(kind, seed)
    return _accuracy(stream, 2, len(stream), Never(), 0)


def periodic(kind: str, seed: int, retrains: int, draw: int) -> float:
    """Accuracy of one that is trained on the newest rows each time that so many have come.

    The study's first retrain is on its first row alone, so it is our first model; row 0 itself is
    not scored. Its latencies keep the next retrain waiting, and no model: all are in force at once.
    """
    stream = drifting(kind, seed)
    rows = (len(stream) - 2) // retrains
    return _accuracy(stream, 3, rows, Every(f"{30 * rows}min"), draw)


def _accuracy(stream: Stream, start: int, rows: int, trigger: Any, draw: int) -> float:
    """Of all rows from one on; the first model learns from the two first ones."""
    tick = f"{30 * rows}min"
    backtest = Backtest(
        stream, OneEpoch(draw), start=stream.event_time[start], tick=tick, metrics=["accuracy"]
    )
    return float(backtest.replay(Strategy(trigger, Sliding(rows))).metrics["accuracy"])


def dasari() -> Iterator[Figure]:
    """What Dasari calls no retraining and periodic retraining, without incremental learning."""
    for kind, published in NEVER.items():
        for seed, accuracy in zip(SEEDS, published, strict=True):
            yield Figure(f"Dasari, never, {kind}, seed {seed}", accuracy, never(kind, seed))
    for kind, means in PERIODIC.items():
        for retrains, accuracy in means.items():
            found = [
                np.mean([periodic(kind, seed, retrains, draw) for seed in SEEDS])
                for draw in range(DRAWS)
            ]
            of = f"Dasari, {retrains} retrains, {kind}"
            yield Figure(of, accuracy, float(np.mean(found)), float(np.std(found, ddof=1)))


def main() -> None:
    """Print a line for each figure."""
    print(f"{'':36} published    ours  difference  by draw")
    frame = fetched("elec2")
    if frame is None:
        print(f"ELEC2 is not here: python benchmarks/standings_streams.py DIR, then {FOLDER}=DIR")
    for one in (*(elec2(frame) if frame is not None else ()), *dasari()):
        published = f"{one.published:9.4f}" if one.published else f"{'-':>9}"
        difference = f"{one.ours - one.published:+11.4f}" if one.published else f"{'-':>11}"
        spread = f"{one.spread:8.4f}" if one.spread else ""
        print(f"{one.of:36} {published} {one.ours:7.4f} {difference} {spread}".rstrip())


if __name__ == "__main__":
    main()
