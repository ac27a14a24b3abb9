"""What `backtrain.sweep` costs beside the same comparisons, made one after another by hand."""

import time
from functools import partial

from sklearn.linear_model import Ridge

import backtrain
from backtrain import Backtest, Strategy
from backtrain.datasets.synthetic import abrupt
from backtrain.store.fits import FitStore
from backtrain.strategies import Every, Never, Sliding

STREAM = abrupt(5_000, task="regression")
STRATEGIES = {
    "static": Strategy(Never(), Sliding("60D")),
    "weekly": Strategy(Every("7D"), Sliding("60D")),
}
PRICES = list(range(1, 21))


def swept(**more):
    found = backtrain.sweep(
        STREAM, Ridge(), STRATEGIES, prices={"retrain": PRICES}, hindsight=False, **more
    )
    return found.frame()


def by_hand():
    """A loop over prices that shares fits, and asks each comparison for its table and verdict."""
    store = FitStore()
    for price in PRICES:
        backtest = Backtest(STREAM, Ridge(), prices={"retrain": price}, cache=store)
        comparison = backtest.compare(STRATEGIES, hindsight=False)
        comparison.verdict()
        comparison.table()


def cpu(work):
    began = time.process_time()
    work()
    return time.process_time() - began


def test_a_sweep_of_20_jobs_against_a_loop(ratio):
    ratio(swept, by_hand, "at most 1.5", rounds=3)


def test_cpu_milliseconds_of_a_job_more_than_in_a_loop(figure):
    swept(), by_hand()
    more = sorted(cpu(swept) - cpu(by_hand) for _ in range(3))[1]
    figure(1e3 * more / len(PRICES), "at most 50")


def test_a_finished_sweep_of_20_jobs_again_against_the_first_time(ratio, tmp_path):
    times = iter(range(100))
    again = partial(swept, directory=tmp_path / "again")
    ratio(again, lambda: swept(directory=tmp_path / f"{next(times)}"), "at most 0.2", rounds=3)
