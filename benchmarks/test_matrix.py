"""Schedules by look-up, the oracle, and how a matrix is made."""

import numpy as np
import pytest
from scipy.stats import ks_2samp
from sklearn.impute import SimpleImputer
from sklearn.linear_model import Ridge
from sklearn.pipeline import make_pipeline

from backtrain import Backtest, Prices, Strategy
from backtrain.datasets.bundled import bike
from backtrain.lossmatrix import expected, trial_models
from backtrain.lossmatrix.matrix import LossMatrix
from backtrain.strategies import Every, Sliding
from backtrain.strategies.drift.two_sample import ReferenceSample, p_values

TICKS = 500


@pytest.fixture(scope="module")
def matrix() -> LossMatrix:
    random = np.random.default_rng(0)
    at = 10 * np.arange(TICKS + 1)
    in_force = at + np.append([0], np.full(TICKS, 13))
    inner = np.unique(np.concatenate((at, in_force[in_force <= at[-1]])))
    return LossMatrix(
        decided_at=at,
        in_force_at=in_force,
        borders=np.append(inner, at[-1] + 1),
        loss=random.random((TICKS + 1, len(inner))),
        segment_rows=np.ones(len(inner)),
        rows=np.full(TICKS + 1, 1_000),
        cpu_seconds=np.zeros(TICKS + 1),
        failed=np.zeros(TICKS + 1, dtype=bool),
    )


def test_ten_thousand_schedules(benchmark, figure, matrix):
    wanted = np.random.default_rng(1).random((10_000, TICKS + 1)) < 0.1
    benchmark.pedantic(lambda: matrix.schedules(wanted), rounds=3, warmup_rounds=1)
    figure(benchmark.stats.stats.median, "under 2 s")


def test_the_oracle(benchmark, figure, matrix):
    benchmark.pedantic(lambda: matrix.oracle(Prices(retrain=2)), rounds=3, warmup_rounds=1)
    figure(benchmark.stats.stats.median, "under 1 s")


def test_kolmogorov_smirnov_against_scipy(ratio):
    random = np.random.default_rng(0)
    old, new = random.normal(size=(10_000, 10)), random.normal(0.05, 1, size=(1_000, 10))
    references = [ReferenceSample(old[:, i]) for i in range(10)]

    def ours() -> list[float]:
        return p_values(references, [new[:, i] for i in range(10)]).tolist()

    def scipy() -> list[float]:
        return [ks_2samp(old[:, i], new[:, i], method="asymp").pvalue for i in range(10)]

    ratio(scipy, ours, "at least 4")
    assert ours() == pytest.approx(scipy(), rel=1e-9)


def test_a_warm_job_of_one_strategy_against_making_its_matrix_again(ratio, monkeypatch, tmp_path):
    stream, model = bike(), make_pipeline(SimpleImputer(), Ridge())
    strategies = {"weekly": Strategy(Every("7D"), Sliding("90D"))}

    def warm() -> object:
        return Backtest(stream, model, cache=tmp_path).compare(strategies, hindsight=True)

    def again() -> object:  # all fits are there, and every model is asked once more
        with monkeypatch.context() as context:
            context.setattr(trial_models, "found", lambda *_: None)
            context.setattr(expected, "look_up", lambda store, matrix, given, make: make())
            return warm()

    assert warm().runs["weekly"].info["hindsight"] == again().runs["weekly"].info["hindsight"]
    assert ratio(warm, again, "at most 0.25", rounds=3) <= 0.25
