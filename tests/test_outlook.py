"""What the strategies of a comparison are expected to cost, on whole histories."""

import pytest
from sklearn.linear_model import Ridge

from backtrain import Backtest, Prices, Strategy
from backtrain.datasets.synthetic import abrupt, stationary
from backtrain.lossmatrix import intervals
from backtrain.strategies import Every, Expanding, Never, OnDates, Random, Shadow, Sliding

WINDOW = Sliding("20D")


def setting(stream=None, price=5.0, tick="1D") -> Backtest:
    stream = abrupt(n=1_500, task="regression", seed=1) if stream is None else stream
    return Backtest(stream, Ridge(), tick=tick, start=0.2, prices=Prices(retrain=price, error=1))


def compared(backtest, **strategies):
    strategies = {"static": Strategy(Never(), WINDOW), **strategies}
    return backtest.compare(strategies, hindsight=True)


def test_trainings_cost_what_they_cost_also_where_a_matrix_has_fewer_instants(monkeypatch):
    monkeypatch.setattr(intervals, "MOST_MODELS", 20)
    stream = stationary(n=600, task="regression", seed=2)
    found = compared(setting(stream, 1.0, "1h"), hourly=Strategy(Every("1h"), WINDOW))
    table = found.table()
    paid = table.loc["hourly", "train"]
    assert paid > 400
    assert table.loc["hourly", "expected"] > paid
    assert found.verdict().strategy == "static"


def test_a_thinned_matrix_does_not_take_frequent_schedules_for_rarer_ones(monkeypatch):
    """They are moved from the nearest that has one, by their paths, as what has a gate is."""
    drifting = abrupt(n=3_000, at=(0.2, 0.4, 0.6, 0.8), task="regression", seed=1)
    plans = {f"every_{n}D": Strategy(Every(f"{n}D"), WINDOW) for n in (1, 2, 7)}
    monkeypatch.setattr(intervals, "MOST_MODELS", 25)
    found = compared(setting(drifting, price=0.5), **plans)
    verdict, paths = found.verdict(), found.table()["total"]
    assert verdict.every == 4
    moved = verdict.expected["every_1D"] - verdict.expected["every_2D"]
    assert moved == pytest.approx(paths["every_1D"] - paths["every_2D"])
    assert verdict.strategy in ("every_1D", "every_2D")


def test_few_trainings_in_a_row_are_no_frequent_schedule():
    dates = OnDates(["2024-02-01", "2024-02-02", "2024-02-03"])
    cheap = compared(setting(price=1.0), dates=Strategy(dates, WINDOW)).table()
    dear = compared(setting(price=1_000.0), dates=Strategy(dates, WINDOW)).table()
    more = dear.loc["dates", "expected"] - cheap.loc["dates", "expected"]
    assert more == pytest.approx(3 * 999)


def test_the_order_of_strategies_changes_nothing():
    parts = {
        "weekly": Strategy(Every("7D"), WINDOW),
        "all": Strategy(Every("7D"), Expanding()),
        "luck": Strategy(Random(0.1), WINDOW),
    }
    one, two = (compared(setting(), **dict(p)) for p in (parts.items(), [*parts.items()][::-1]))
    assert one.verdict().to_dict()["expected"] == two.verdict().to_dict()["expected"]
    assert str(one.verdict()) == str(two.verdict())


@pytest.mark.parametrize("tick", ["MS", 160])
def test_few_periods_and_parts_without_a_matrix_have_a_verdict(tick):
    shadow = Strategy(Every("20D"), WINDOW, gate=Shadow("3D"))
    stream = abrupt(n=3_000, task="regression", seed=1)
    found = compared(
        setting(stream, tick=tick), every=Strategy(Every("20D"), WINDOW), shadow=shadow
    )
    assert found.verdict().strategy in found.runs
    assert "nan" not in str(found.verdict())


def test_an_alarm_may_be_the_baseline():
    found = compared(setting(), luck=Strategy(Random(0.1), WINDOW))
    verdict = found.verdict("luck")
    assert verdict.confidence in ("sure", "likely", "unsure", "")
