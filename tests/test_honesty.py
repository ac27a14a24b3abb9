"""Over many seeds, all of them fixed, the verdict is right where the truth is known."""

import pytest
from sklearn.linear_model import Ridge

from backtrain import Backtest, Comparison, Prices, Strategy
from backtrain.datasets.synthetic import abrupt, stationary
from backtrain.strategies import ErrorDrift, Every, Expanding, Never, Sliding

SEEDS = range(40)
STRATEGIES = {
    "static": Strategy(Never(), Expanding()),
    "every 3D": Strategy(Every("3D"), Sliding("60D")),
    "weekly": Strategy(Every("7D"), Sliding("60D")),
    "on error": Strategy(ErrorDrift(), Sliding("14D")),
}


def compare(stream: object, retrain: float) -> Comparison:
    backtest = Backtest(stream, Ridge(), start=0.4, prices=Prices(retrain=retrain, error=0.1))  # type: ignore[arg-type]
    return backtest.compare(STRATEGIES)


def test_without_drift_retraining_is_not_advised() -> None:
    decisions = [
        compare(stationary(n=6_000, task="regression", noise=0.5, seed=seed), retrain=0.05)
        .verdict()
        .decision
        for seed in SEEDS
    ]
    assert decisions.count("retrain") <= 0.05 * len(decisions)


@pytest.mark.parametrize("seed", range(20))
def test_with_abrupt_drift_the_price_decides(seed: int) -> None:
    stream = abrupt(n=6_000, task="regression", noise=0.5, at=(0.6,), seed=seed)
    cheap = compare(stream, retrain=0.05).verdict()
    assert cheap.decision == "retrain"
    assert cheap.low > 0
    gain = cheap.saves
    dear = compare(stream, retrain=10 * gain).verdict()
    assert (dear.decision, dear.strategy) == ("keep", "static")
