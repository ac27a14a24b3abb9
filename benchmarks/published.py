"""Figures that others published, made again with backtrain, beside what they are there.

    BACKTRAIN_STREAMS=DIR python benchmarks/published.py

Needs `elec2` in DIR (``python benchmarks/standings_streams.py DIR``); the rest is generated here.
``docs/published.md`` says what could not be made again, and why.
"""

from collections.abc import Iterator
from typing import NamedTuple

import numpy as np
import pandas as pd
from sklearn.linear_model import SGDClassifier
from standings_tables import fetched

from backtrain import Backtest, Stream
from backtrain.simulator.baselines import baselines
from backtrain.strategies import Every, Expanding, Never, Sliding, Strategy


class Row(NamedTuple):
    """A figure: whose, of what, as it was published, and ours."""

    source: str
    what: str
    published: float
    ours: float
    digits: int = 4
    spread: float = 0.0


# --- ELEC2: the last label ------------------------------------------------------------------------

ZLIOBAITE = "Zliobaite 2013, arXiv 1301.3524"
#: No publication of these digits is known to us: a count of labels, beside what replays say.
COUNTED = "counted, without backtrain"


def last_label() -> Iterator[Row]:
    """Accuracy of the newest label that is known, all half-hours but those before any."""
    table = fetched("elec2")
    if table is None:
        print("elec2 is not here; fetch it: python benchmarks/standings_streams.py DIR")
        return
    found = {late: _accuracy_of_last_label(table, late) for late in (1, 48)}
    yield Row(ZLIOBAITE, "ELEC2, the label before", 0.853, found[1], digits=3)
    y = table["y"].to_numpy()
    for late, what in ((1, "the label before"), (48, "labels 48 half-hours late")):
        same = float(np.mean(y[late:] == y[:-late]))
        yield Row(COUNTED, f"ELEC2, {what}", same, found[late])


def _accuracy_of_last_label(table: pd.DataFrame, late: int) -> float:
    time = table["time"].to_numpy()
    arrives = time + late * (time[1] - time[0])  # rows stand evenly
    features = table.drop(columns=["time", "y"]).to_numpy()
    history = Stream(features, table["y"].to_numpy(), time, arrives, name="elec2")
    setup = Backtest(history, SGDClassifier(), start=time[late], tick="7D", loss="zero_one")
    return 1 - next(b.mean for b in baselines(setup) if b.name == "last known label")


# --- Dasari 2026: models that are never retrained -------------------------------------------------

DASARI = "Dasari 2026, arXiv 2608.19488"
ROWS, DRIFT, PERIOD = 10_000, 5_000, 1_000
SEEDS = (42, 123, 456, 789, 1011, 1213, 1415, 1617, 1819, 2021)
#: Overall accuracy of its static rows, incremental learning off, of seed 42 and of the mean of ten.
STATIC = {
    "abrupt": (0.5393, 0.53368),
    "gradual": (0.5470, 0.53919),
    "recurring": (0.5619, 0.55129),
}


class OneRow(SGDClassifier):
    """Logistic regression by one step of stochastic gradient descent, on the first row alone."""

    def fit(self, X: np.ndarray, y: np.ndarray) -> "OneRow":
        return self.partial_fit(X[:1], y[:1], classes=[0, 1])


def concepts(kind: str, seed: int) -> tuple[np.ndarray, np.ndarray]:
    """Its generator: logistic labels of ten normal features, whose weights change at half time.

    All weights are drawn first, then all features, then one label after the other.
    """
    rng = np.random.default_rng(seed)
    before, after = rng.normal(size=10), rng.normal(size=10)
    X = rng.normal(size=(ROWS, 10))
    since = np.arange(ROWS) - DRIFT
    if kind == "gradual":
        share = np.clip(since / PERIOD, 0, 1)
    else:
        new = since // PERIOD % 2 == 0 if kind == "recurring" else True
        share = ((since >= 0) & new).astype(float)
    y = [
        rng.binomial(1, 1 / (1 + np.exp(-(x @ ((1 - s) * before + s * after)))))
        for x, s in zip(X, share, strict=True)
    ]
    return X, np.array(y)


def static(kind: str, seed: int) -> float:
    """Accuracy over all rows. The replay starts when both classes have been seen.

    A model that has seen one class is refused by backtrain, and served there; so the rows before,
    a handful, are answered by the same model without a replay.
    """
    X, y = concepts(kind, seed)
    time = pd.date_range("2024-01-01", periods=ROWS, freq="min").to_numpy()
    first = int(np.argmax(y != y[0])) + 1
    model = OneRow(loss="log_loss")
    history = Stream(X, y, time, name=kind)
    backtest = Backtest(history, model, start=time[first], tick="1D", loss="zero_one")
    run = backtest.compare({"static": Strategy(Never(), Expanding())}).runs["static"]
    wrong = run.totals["loss"] + (model.fit(X, y).predict(X[:first]) != y[:first]).sum()
    return 1 - float(wrong) / ROWS


def static_rows() -> Iterator[Row]:
    for kind, (first, mean) in STATIC.items():
        found = [static(kind, seed) for seed in SEEDS]
        yield Row(DASARI, f"static, {kind}, seed 42", first, found[0])
        yield Row(DASARI, f"static, {kind}, mean of ten seeds", mean, float(np.mean(found)), 5)


# --- Dasari 2026: models that are retrained at even intervals -------------------------------------

#: Overall accuracy of its periodic rows, by retrains, the first model included; no incremental
#: learning. Mean of ten seeds, and of the latencies that leave the schedule alone: these differ by
#: luck only.
PERIODIC = {
    "abrupt": {5: 0.6759, 10: 0.7283, 20: 0.7499},
    "gradual": {5: 0.6830, 10: 0.7298, 20: 0.7535},
    "recurring": {5: 0.6473, 10: 0.6168, 20: 0.6940},
}
#: Orders in which a training sees its rows; the paper's are drawn anew each time, from no seed.
ORDERS = 5


class OneEpoch(SGDClassifier):
    """Logistic regression by one pass of stochastic gradient descent over the rows of its window.

    The first model learns from the first row alone, though it is given two.
    """

    def fit(self, X: np.ndarray, y: np.ndarray) -> "OneEpoch":
        rows = slice(0, 1 if len(X) == 2 else None)
        return self.partial_fit(X[rows], y[rows], classes=[0, 1])


def periodic(kind: str, seed: int, retrains: int, order: int) -> float:
    """Accuracy over all rows but the first, from which the first model has learnt.

    Its latencies bar the next retrain and make no prediction wait: models are in force at once.
    """
    X, y = concepts(kind, seed)
    # A row of the other class before the first one is served: a window of one class is refused.
    X, y = np.insert(X, 1, X[0], axis=0), np.insert(y, 1, 1 - y[0])
    time = pd.date_range("2024-01-01", periods=len(y), freq="min").to_numpy()
    model = OneEpoch(loss="log_loss", random_state=order * 10_000 + seed)
    every = ROWS // retrains
    backtest = Backtest(
        Stream(X, y, time, name=kind), model, start=time[2], tick=f"{every}min", loss="zero_one"
    )
    run = backtest.replay(Strategy(Every(f"{every}min"), Sliding(every)))
    return 1 - run.totals["loss"] / (ROWS - 1)


def periodic_rows() -> Iterator[Row]:
    for kind, published in PERIODIC.items():
        for retrains, mean in published.items():
            found = [
                np.mean([periodic(kind, seed, retrains, order) for seed in SEEDS])
                for order in range(ORDERS)
            ]
            what = f"{retrains} retrains, {kind}, mean of ten seeds"
            spread = float(np.std(found, ddof=1))
            yield Row(DASARI, what, mean, float(np.mean(found)), spread=spread)


# --- the command ----------------------------------------------------------------------------------


def rows() -> Iterator[Row]:
    """All that can be made again here."""
    yield from last_label()
    yield from static_rows()
    yield from periodic_rows()


def main() -> None:
    print("| source | what | published | ours | difference | by order |\n|---|---|---|---|---|---|")
    for row in rows():
        ours = round(row.ours, row.digits)
        print(
            f"| {row.source} | {row.what} | {row.published:.{row.digits}f} "
            f"| {ours:.{row.digits}f} | {ours - row.published:+.{row.digits}f} "
            f"| {f'{row.spread:.4f}' if row.spread else ''} |"
        )


if __name__ == "__main__":
    main()
