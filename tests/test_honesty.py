"""Over many seeds, all of them fixed, the verdict is right where the truth is known."""

from pathlib import Path

import pytest
from sklearn.linear_model import Ridge

from backtrain import Backtest, Comparison, Prices, Strategy, Stream
from backtrain.datasets.synthetic import abrupt, stationary
from backtrain.strategies import ErrorDrift, Every, Expanding, Never, Sliding

SEEDS = range(20)
STRATEGIES = {
    "static": Strategy(Never(), Expanding()),
    "every 3D": Strategy(Every("3D"), Sliding("60D")),
    "weekly": Strategy(Every("7D"), Sliding("60D")),
    "on error": Strategy(ErrorDrift(), Sliding("14D")),
}


def compare(stream: Stream, retrain: float, cache: Path | None = None) -> Comparison:
    prices = Prices(retrain=retrain, error=0.1)
    return Backtest(stream, Ridge(), start=0.4, prices=prices, cache=cache).compare(STRATEGIES)


def test_without_drift_retraining_is_not_advised() -> None:
    decisions = [
        compare(stationary(n=6_000, task="regression", noise=0.5, seed=seed), retrain=0.05)
        .verdict()
        .decision
        for seed in SEEDS
    ]
    assert decisions.count("retrain") <= 0.05 * len(decisions)


@pytest.mark.parametrize("seed", range(8))
def test_with_abrupt_drift_the_price_decides(seed: int, tmp_path: Path) -> None:
    stream = abrupt(n=6_000, task="regression", noise=0.5, at=(0.6,), seed=seed)
    cheap = compare(stream, 0.05, tmp_path).verdict()
    assert cheap.decision == "retrain"
    assert cheap.low > 0
    gain = cheap.saves
    dear = compare(stream, 10 * gain, tmp_path).verdict()  # with the same models
    assert (dear.decision, dear.strategy) == ("keep", "static")
