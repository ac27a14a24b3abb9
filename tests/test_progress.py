"""How far work has come: a bar where somebody watches, whole lines in logs, nothing on request."""

import re
import sys
from collections.abc import Iterator

import pytest
from sklearn.linear_model import Ridge

from backtrain import Backtest, Prices, Strategy
from backtrain.datasets.synthetic import abrupt
from backtrain.simulator.progress import Lines, Shown, stage
from backtrain.simulator.setup import SetupError
from backtrain.strategies import Every, Expanding, Never, Sliding

STRATEGIES = {
    "static": Strategy(Never(), Expanding()),
    "weekly": Strategy(Every("7D"), Sliding("14D")),
    "daily\x1b[2J": Strategy(Every("1D"), Sliding("14D")),
}


def seconds(*times: float) -> Iterator[float]:
    yield from times


def test_a_line_says_what_is_finished_how_long_it_took_and_how_long_it_will_take(
    capsys: pytest.CaptureFixture[str],
) -> None:
    clock = seconds(0, 2, 3, 12, 120)  # the start, then one look a line
    told = Lines("strategies", 4, lambda: next(clock))
    told.finished("static")
    told.reached(1.5)  # under way: nothing to say
    told.finished("weekly")
    told.finished("daily")
    told.finished("monthly")
    assert capsys.readouterr().err.splitlines() == [
        "1 of 4 static 2.0 s, about 6.0 s left",
        "2 of 4 weekly 3.0 s, about 3.0 s left",
        "3 of 4 daily 12.0 s, about 4.0 s left",
        "4 of 4 monthly 2 min",
    ]


def test_pieces_without_names_have_a_line_every_half_minute_and_at_the_end(
    capsys: pytest.CaptureFixture[str],
) -> None:
    clock = seconds(0, 10, 30, 30, 40, 50, 50)  # a line looks once more
    told = Lines("models", 100, lambda: next(clock))
    for pieces in (10, 15, 25, 50):
        told.more(pieces)
    assert capsys.readouterr().err.splitlines() == [
        "25 of 100 models 30 s, about 90 s left",
        "100 of 100 models 50 s",
    ]


@pytest.mark.parametrize("n_jobs", [1, 2])
def test_in_logs_a_comparison_writes_a_line_a_strategy_and_goes_on_in_hindsight(
    capsys: pytest.CaptureFixture[str], n_jobs: int
) -> None:
    backtest = Backtest(abrupt(n=600, task="regression"), Ridge(), prices=Prices(retrain=5))
    backtest.compare(STRATEGIES, n_jobs, progress="auto")
    err = capsys.readouterr().err
    assert "\r" not in err
    assert "\x1b" not in err
    lines = err.splitlines()
    assert [line.split()[:3] for line in lines[:3]] == [[str(k), "of", "3"] for k in (1, 2, 3)]
    names = {line.split()[3] for line in lines[:3]}
    assert names == {"static", "weekly", r"daily\x1b[2J"}
    assert "left" in lines[0]
    models = 2 * (len(backtest.ticks) + 1)  # two windows
    assert re.fullmatch(rf"{models} of {models} models of hindsight \d+\.\d s", lines[-1])


@pytest.mark.parametrize("shown", [False, True])
def test_false_shows_nothing_and_true_a_bar(
    capsys: pytest.CaptureFixture[str], shown: bool
) -> None:
    backtest = Backtest(abrupt(n=300, task="regression"), Ridge())
    backtest.compare({"static": STRATEGIES["static"]}, progress=shown)
    err = capsys.readouterr().err
    assert ("strategies [" in err) == ("models of hindsight [" in err) == shown
    assert bool(err) == shown


def test_auto_is_a_bar_on_a_terminal(
    capsys: pytest.CaptureFixture[str], monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(sys.stderr, "isatty", lambda: True, raising=False)
    with stage("auto", "strategies", 2) as told:
        told.finished("weekly")
    assert "1.0/2 strategies [" in capsys.readouterr().err


def test_another_value_is_refused() -> None:
    shown: Shown = "yes"  # type: ignore[assignment]
    with pytest.raises(SetupError, match="progress='yes': give True, False or 'auto'"):
        Backtest(abrupt(n=300), Ridge()).compare(STRATEGIES, progress=shown)
