"""`tune` and a comparison of the same schedules say the same: what to run, and how sure that is."""

from dataclasses import asdict, replace

import numpy as np
import pytest
from sklearn.linear_model import Ridge
from sklearn.tree import DecisionTreeClassifier, DecisionTreeRegressor

from backtrain import Backtest, Delays, Prices, Strategy, Stream
from backtrain.datasets.bundled import bike, flights
from backtrain.datasets.latency import LogNormal, apply
from backtrain.datasets.synthetic import abrupt, gradual, recurring, stationary
from backtrain.lossmatrix import outlook
from backtrain.lossmatrix.decide import decide
from backtrain.lossmatrix.tune import NEVER_ON_ALL
from backtrain.reports.evidence import evidence
from backtrain.reports.tuning_found import advice
from backtrain.strategies import Every, EveryRows, Expanding, Never, Sliding

STREAMS = (abrupt, gradual, recurring, stationary)


def both(backtest, window, careful=0.01, **asked):
    """A tuning, and the comparison of all that it could advise."""
    tuning = backtest.tune(window, careful=careful, **asked)
    every = Every if isinstance(backtest.tick, str) else EveryRows
    strategies = {}
    ticks = tuning.intervals * tuning.info["every"]
    for name, n, never in zip(tuning.labels, ticks, tuning.never, strict=True):
        length = name if every is Every else int(n) * backtest.tick
        on = Expanding() if name == NEVER_ON_ALL else window
        strategies[name] = Strategy(Never() if never else every(length), on)
    return tuning, backtest.compare(strategies, hindsight=True), careful


def agree(tuning, comparison, careful):
    """The decisions are one, number for number, and so are the words."""
    told = comparison.verdict("never", careful)
    names = list(comparison.runs)
    known = evidence(comparison.runs, comparison.costs, names, "never", careful)
    mine, theirs = asdict(tuning.decision), asdict(decide(known))
    assert {k: v for k, v in mine.items() if isinstance(v, str)} == {
        k: v for k, v in theirs.items() if isinstance(v, str)
    }
    for number in ("saves", "behind", "more", "factors"):
        assert mine[number] == pytest.approx(theirs[number], rel=1e-6, nan_ok=True)
    assert tuning.labels[tuning.advised] == told.strategy
    assert tuning.decision.confidence == told.confidence
    assert tuning.decision.saves == pytest.approx(told.saves)
    assert dict(zip(tuning.labels, [o.cost for o in tuning.options], strict=True)) == pytest.approx(
        dict(told.expected)
    )
    # From what is expected on, the words are the same: only what to do is said of a preset there.
    if told.saves:
        assert advice(tuning)[0].partition(": expect")[2] in str(told)
    return told


@pytest.mark.parametrize("seed", range(6))
def test_on_made_streams(seed):
    rng = np.random.default_rng(seed)
    stream = STREAMS[seed % 4](n=int(rng.integers(900, 1_600)), task="regression", seed=seed)
    stream = apply(stream, LogNormal("5h")) if seed % 2 else stream
    prices = Prices(
        retrain=float(rng.choice([0.0, 0.5, 3.0, 40.0])),
        per_1k_rows=float(rng.choice([0.0, 2.0])),
        release=float(rng.choice([0.0, 1.0])),
        error=float(rng.choice([0.1, 1.0])),
    )
    delays = Delays(train="9h") if seed % 3 == 0 else Delays()
    model = (Ridge(), DecisionTreeRegressor(max_depth=3, random_state=0))[seed % 2]
    tick = ("12h", "1D", 20)[seed % 3]
    backtest = Backtest(stream, model, tick=tick, prices=prices, delays=delays)
    window = (Sliding("8D"), Expanding(), Sliding(150))[seed % 3]
    agree(*both(backtest, window, careful=float(rng.choice([0.0, 0.01, 0.2]))))


def test_on_bike():
    prices = Prices(retrain=20, error=0.05)
    stream = bike(latency="1D")
    backtest = Backtest(
        stream,
        DecisionTreeRegressor(max_depth=4, random_state=0),
        tick="7D",
        start="2011-04-01",
        prices=prices,
    )
    agree(*both(backtest, Sliding("90D"), intervals=[1, 2, 4, 13]))


def test_on_flights():
    table = flights().head(8_000).drop(columns=["carrier", "origin", "dest"])
    table = table.fillna(dict.fromkeys(table.columns[2:-1], 0.0))
    known = {"target": "late", "time": "event_time", "label_time": "label_time"}
    stream, model = Stream.from_frame(table, **known), DecisionTreeClassifier(max_depth=3)
    prices = Prices(retrain=1)
    backtest = Backtest(stream, model, tick="7D", start="2013-02-01", prices=prices)
    agree(*both(backtest, Sliding("21D"), intervals=[1, 2, 4]))


@pytest.mark.parametrize("seed", range(3))
def test_where_nothing_can_be_expected_both_rest_on_the_path(monkeypatch, seed):
    def none(*_):
        raise ValueError("no trial model serves rows whose labels are known")

    monkeypatch.setattr(outlook, "expected", none)
    stream = STREAMS[seed](n=900, task="regression", seed=seed)
    backtest = Backtest(stream, Ridge(), tick="1D", prices=Prices(retrain=2.0))
    tuning, comparison, careful = both(backtest, Sliding("8D"))
    told = comparison.verdict("never", careful)
    assert (tuning.decision.name, tuning.decision.confidence) == (told.strategy, told.confidence)
    assert tuning.decision.saves == pytest.approx(told.saves)


def test_the_words_are_held_against_each_other():
    """That the checks above can fail: another price is another decision."""
    stream = recurring(n=1_200, task="regression", seed=3)
    tuning, comparison, careful = both(
        Backtest(stream, Ridge(), tick="1D", prices=Prices(retrain=1.0)), Sliding("8D")
    )
    agree(tuning, comparison, careful)
    dearer = replace(
        tuning, info={**tuning.info, "prices": {**tuning.info["prices"], "error": 2.0}}
    )
    options = tuple(replace(option, cost=2 * option.cost) for option in dearer.options)
    with pytest.raises(AssertionError):
        agree(replace(dearer, options=options), comparison, careful)
