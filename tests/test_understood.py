"""What was understood is said in few lines; delays that depend on the class are told apart."""

import dataclasses
import re
from pathlib import Path
from types import SimpleNamespace
from typing import Any

import numpy as np
import pandas as pd
import pytest
from markupsafe import escape
from sklearn.dummy import DummyClassifier
from sklearn.linear_model import LogisticRegression, Ridge

from backtrain import Backtest, Prices, Strategy, Stream
from backtrain.audit import arrivals
from backtrain.audit.arrivals import earlier, label_warnings
from backtrain.cli import main
from backtrain.strategies import (
    CompleteCohorts,
    Decay,
    Every,
    Expanding,
    Never,
    Sliding,
)
from backtrain.understood import Understood

DAY = 86_400 * 10**9


def payments(late_days: tuple[float, float], n: int = 1500, spread: float = 0.0) -> Backtest:
    """Two years; labels of class 0 and of the tenth that is class 1 take so many days."""
    rng = np.random.default_rng(0)
    at = np.sort(rng.integers(0, 730 * DAY, n)) + np.datetime64("2023-01-01", "ns").astype(int)
    y = (rng.random(n) < 0.1).astype(int)
    days = np.where(y == 1, late_days[1], late_days[0]) * np.exp(spread * rng.normal(size=n))
    X = rng.normal(size=(n, 2))
    known = (at + (days * DAY).astype(np.int64)).view("M8[ns]")
    stream = Stream(X, y, at.view("M8[ns]"), known, name="payments")
    return Backtest(stream, DummyClassifier(), start=0.4, tick="7D")


def warned(backtest: Backtest, window: Any) -> list[str]:
    return [remark.says for remark in label_warnings(backtest, [window])]


# --- delays that depend on the class --------------------------------------------------------------


@pytest.mark.parametrize("window", [Sliding("150D"), Sliding(300), Expanding(), Decay("90D")])
def test_a_delay_that_depends_on_the_class_is_told(window: Any) -> None:
    [says] = warned(payments((90, 60)), window)
    assert says.startswith("label delays depend on the class: label 1 is known before the others")
    assert "CompleteCohorts(" in says


def test_the_shares_that_it_names_are_those_of_the_window() -> None:
    """Of 150 days, those of 60 and of 90 that are known: 90 and 60 of 150."""
    [says] = warned(payments((90, 60), n=20_000), Sliding("150D"))
    own, others = re.search(r"(\d+) % of its labels are .* (\d+) % of the others", says).groups()  # type: ignore[union-attr]
    assert abs(int(own) - 60) <= 3
    assert abs(int(others) - 40) <= 1


@pytest.mark.parametrize("spread", [0.0, 0.5])
@pytest.mark.parametrize("window", [Sliding("400D"), Sliding(300), Expanding()])
def test_equal_delays_are_not(window: Any, spread: float) -> None:
    assert warned(payments((60, 60), spread=spread), window) == []


def test_a_difference_that_changes_no_share_is_not() -> None:
    minutes = payments((2 / 1440, 1 / 1440))
    assert earlier(minutes) is not None
    assert warned(minutes, Sliding("90D")) == []


def test_neither_are_few_rows_nor_windows_of_complete_periods() -> None:
    assert warned(payments((90, 60), n=60), Sliding("150D")) == []
    weeks = CompleteCohorts(Sliding("150D"), "7D")
    assert warned(payments((90, 60)), weeks) == []
    assert warned(payments((90, 60)), Decay("30D", weeks)) == []


def test_the_remedy_learns_the_true_share() -> None:
    backtest = payments((90, 60), n=4000)
    backtest = Backtest(backtest.stream, LogisticRegression(), start=0.4, tick="28D")
    [remark] = label_warnings(backtest, [Sliding("120D")])
    code = "CompleteCohorts(" + remark.says.split("CompleteCohorts(")[1].split(") takes")[0] + ")"
    weeks = eval(code, {"CompleteCohorts": CompleteCohorts, "Sliding": Sliding})

    def mean(window: Any) -> float:
        run = backtest.replay(Strategy(Every("28D"), window))
        return float(run.predictions["score"].mean())

    true = float(backtest.stream.y.mean())
    assert mean(Sliding("120D")) > 1.5 * true
    assert abs(mean(weeks) - true) < 0.1 * true


def chance(kind: str, rng: np.random.Generator, n: int = 1500) -> Any:
    """Delays that do not depend on the class; but both may depend on the time."""
    at = np.sort(rng.integers(0, 730 * DAY, n))
    y = (rng.random(n) < 0.1).astype(int)
    delay = rng.lognormal(1, 0.5, n) * DAY
    if kind == "delivered by month, classes by season":
        y = (rng.random(n) < 0.2 + 0.15 * np.sin(at / DAY / 58)).astype(int)
        delay = (at // (30 * DAY) + 1) * 30 * DAY - at
    if kind == "both drift":
        y = (rng.random(n) < 0.1 + 0.3 * at / (730 * DAY)).astype(int)
        delay = delay * (1 + 10 * at / (730 * DAY))
    label = at + delay.astype(np.int64)
    return SimpleNamespace(classes=np.arange(2), label_at=label, event_at=at, truth=y)


@pytest.mark.parametrize("kind", ["alike", "delivered by month, classes by season", "both drift"])
def test_chance_raises_no_alarm(kind: str, monkeypatch: pytest.MonkeyPatch) -> None:
    """Of 2,000 histories 0, 0 and 0 were told, and of 1.0 in 1,000 that the test allows 0 to 3."""
    rng = np.random.default_rng(3)
    drawn = [chance(kind, rng) for _ in range(60)]
    assert [one for one in map(earlier, drawn) if one] == []
    monkeypatch.setattr(arrivals, "_OFTEN", 0.5)
    assert sum(earlier(one) is not None for one in drawn) <= 1


def test_time_alone_would_have_been_mistaken_for_the_class() -> None:
    """That stretches are needed: over all rows the ranks of both classes differ for certain."""
    drifting = chance("both drift", np.random.default_rng(3), 6000)
    delay, one = drifting.label_at - drifting.event_at, drifting.truth == 1
    often = arrivals._often(delay[one], delay[~one])
    assert often is not None
    assert often < 0.4
    assert earlier(drifting) is None


# --- windows that are too short -------------------------------------------------------------------


def test_a_window_shorter_than_the_delay_is_told_with_a_longer_one() -> None:
    [says, *_] = warned(payments((90, 90)), Sliding("60D"))
    assert says.startswith("Sliding('60D') is shorter than the label delay: 100 % of the labels")
    assert "CompleteCohorts(Sliding('157D'), '7D')" in says
    assert warned(payments((90, 90)), Sliding("157D")) == []
    assert warned(payments((90, 90)), Sliding(60)) == []


# --- lines ----------------------------------------------------------------------------------------


def table(n: int = 400) -> Stream:
    rng = np.random.default_rng(0)
    at = pd.date_range("2024-01-01", periods=n, freq="h")
    frame = pd.DataFrame(
        {
            "at": at,
            "temp": np.where(np.arange(n) % 4 == 0, np.nan, rng.normal(size=n)),
            "open": rng.random(n) < 0.5,
            "city": rng.choice(["a", "b", "c"], n),
            "nothing": np.nan,
            "who": rng.integers(0, 9, n),
            "calls": rng.integers(0, 13, n),
        }
    )
    return Stream.from_frame(frame, target="calls", time="at", group="who", name="calls")


def test_the_lines_say_it_all() -> None:
    shown = str(Backtest(table(), Ridge(), start="2024-01-05").understood())
    assert shown.splitlines() == [
        "data    calls: 400 rows, 2024-01-01 to 2024-01-17 15:00",
        "times   UTC (no zone given); tick 1D; start 2024-01-05: 96 of 96 labels before it known",
        "target  calls: 13 whole numbers from 0 to 12, taken as a quantity; task=classification "
        "otherwise",
        "columns 2 numbers (1 of them 0 or 1); 1 category: city (3); without any value: nothing; "
        "gaps in 1, most in temp (25 %)",
        "groups  9 groups; a feature only where features names it",
        "labels  known at once",
        "prices  retrain 1, error 1; the defaults, not yours",
    ]


def test_prices_are_in_the_currency_that_was_given() -> None:
    backtest = Backtest(table(), Ridge(), prices=Prices(retrain=1_250_000, error=0.00002))
    assert backtest.understood().lines["prices"] == "retrain 1,250,000, error 0.00002"
    euros = dataclasses.replace(backtest, currency="EUR").understood().lines["prices"]
    assert euros == "retrain 1,250,000 EUR, error 0.00002 EUR"


def test_nearly_all_is_said_without_an_exponent() -> None:
    """997 of 1,000 are 99.7 %: two digits of that are 100, and not 1e+02."""
    at = pd.date_range("2024", periods=1000, freq="h").to_numpy()
    y = np.where(np.arange(1000) % 334 == 5, "no", "yes")
    setup = Backtest(Stream(np.zeros((1000, 1)), y, at), LogisticRegression())
    assert setup.understood().lines["target"] == "y: 2 classes: yes (100 %), no (0.3 %)"


@pytest.mark.parametrize(
    ("y", "model", "says"),
    [
        (np.arange(90) % 2, LogisticRegression(), "2 classes: 0 (50 %), 1 (50 %)"),
        (np.arange(90) % 2, Ridge(), "0 and 1, a quantity, as Ridge is a regressor"),
        (
            np.arange(90) % 3,
            LogisticRegression(),
            "3 classes, as LogisticRegression is a classifier: 0 (33 %), 1 (33 %), 2 (33 %)",
        ),
        (np.arange(90), Ridge(), "90 whole numbers from 0 to 89, a quantity"),
        (np.arange(90) / 2, Ridge(), "numbers from 0 to 44.5, a quantity"),
    ],
)
def test_the_target_is_said_with_why(y: np.ndarray, model: Any, says: str) -> None:
    at = pd.date_range("2024", periods=90, freq="h").to_numpy()
    setup = Backtest(Stream(np.zeros((90, 1)), y, at), model)
    assert setup.understood().lines["target"] == f"y: {says}"


def test_delays_are_said_by_class_where_they_differ() -> None:
    lines = payments((90, 60)).understood().lines
    assert lines["labels"].endswith("(longest); medians by class: 0 90 days, 1 60 days")
    assert payments((90, 90)).understood().lines["labels"] == "known after 90 days"


def test_own_prices_are_not_called_defaults() -> None:
    setup = Backtest(table(), Ridge(), prices=Prices(retrain=5))
    assert setup.understood().lines["prices"] == "retrain 5, error 1"


def test_few_labels_at_the_start_are_told_with_the_start_that_has_thirty() -> None:
    stream = table()
    few = Backtest(stream, Ridge(), start="2024-01-01 12:00").understood()
    [remark] = few.warnings
    assert (
        remark.says == "only 12 labels known at start=2024-01-01 12:00; 30 from 2024-01-02 05:00 on"
    )
    assert remark.keys == "start=2024-01-02T05:00:00"
    assert Backtest(stream, Ridge(), start="2024-01-02 06:00").understood().warnings == ()
    [shared] = Backtest(stream, Ridge(), start=0.02).understood().warnings
    assert shared.keys == "start=0.073"


def test_the_start_that_has_enough_labels_has_two_classes() -> None:
    """Fifty hours; the label 1 of every second row is known at once, the others on the 10th day."""
    at = pd.date_range("2024-01-01", periods=400, freq="h")
    y = np.arange(400) % 2
    known = np.where(y == 1, at, np.datetime64("2024-01-10T00"))
    stream = Stream(np.zeros((400, 1)), y, at, np.maximum(known, at.to_numpy()))
    setup = Backtest(stream, LogisticRegression(), start="2024-01-01 12:00")
    [few, *_] = setup.understood().warnings
    assert few.says.endswith("109 of two classes from 2024-01-10 on")
    assert few.keys == "start=2024-01-10"
    later = Backtest(stream, LogisticRegression(), start="2024-01-10")
    later.replay(Strategy(Never(), Sliding("90D")))  # which fails where there is one class


@pytest.mark.parametrize(
    ("lost", "says"),
    [
        (slice(80, 90), "known at once; the newest 10 rows (11 %) have none"),
        (slice(0, 9), "known at once; 9 rows (10 %) never"),
        (slice(0, 0), "known at once"),
    ],
)
def test_rows_without_a_label_are_counted(lost: slice, says: str) -> None:
    y = np.arange(90) % 7 + 0.5
    y[lost] = np.nan
    at = pd.date_range("2024", periods=90, freq="h").to_numpy()
    lines = Backtest(Stream(np.zeros((90, 1)), y, at), Ridge()).understood().lines
    assert lines["labels"] == says


def test_suspect_columns_are_told_with_the_key_that_leaves_them_out() -> None:
    n = 600
    at = pd.date_range("2024", periods=n, freq="h")
    y = np.random.default_rng(0).normal(size=n)
    numbers = np.random.default_rng(1).permutation(n)
    frame = pd.DataFrame({"at": at, "number": numbers, "copy": 2 * y, "x": y % 1, "y": y})
    found = Backtest(Stream.from_frame(frame, target="y", time="at"), Ridge()).understood()
    assert {column.name for column in found.columns if column.remark} >= {"number", "copy"}
    assert found.warnings[0].keys.startswith("dataset.drop=[")
    assert "copy" in found.warnings[0].keys


def test_records_and_pages_hold_it() -> None:
    backtest = payments((90, 60))
    compared = backtest.compare({"never": Strategy(Never(), Sliding("150D"))}, hindsight=False)
    told = compared.info["understood"]
    assert told == backtest.understood({"never": Strategy(Never(), Sliding("150D"))}).plain()
    page = compared.page()
    assert "What was understood" in page
    assert "Label delays depend on the class" in page
    alone = backtest.replay(Strategy(Never(), Sliding("150D")))
    assert "understood" not in alone.info


def test_a_wide_table_keeps_suspects_and_its_first_columns_in_records() -> None:
    n = 500
    X = np.random.default_rng(0).normal(size=(n, 210))
    X[:, 209] = np.arange(n) * 2.0 + 5
    at = np.datetime64("2024", "ns") + (np.arange(n) ** 2) * np.timedelta64(10**12, "ns")
    wide = Understood.of(Backtest(Stream(X, X[:, 0] + 1e-3 * X[:, 1], at), Ridge()))
    kept = wide.plain()["columns"]
    assert len(wide.columns) == 210
    assert len(kept) == 200
    assert "x209" in [column["name"] for column in kept]


def test_a_command_says_each_line_once(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    monkeypatch.chdir(tmp_path)
    n = 600
    at = pd.date_range("2024", periods=n, freq="h")
    number = np.random.default_rng(0).permutation(n)
    frame = pd.DataFrame({"at": at, "number": number, "calls": np.arange(n) % 13})
    frame.to_csv("calls.csv", index=False)
    data = ("dataset=table", "dataset.path=calls.csv", "dataset.time=at", "dataset.target=calls")
    quick = ("comparison=static", "model=linear", "hindsight=false", "cache=false", "report=none")
    assert main(["run", "-m", *data, *quick, "n_jobs=1", "seed=0,1", "prices.retrain=3"]) == 0
    said = capsys.readouterr()
    assert said.out.count("target  calls: 13 whole numbers from 0 to 12, taken as a quantity") == 1
    assert said.out.count("\ncolumns ") == said.out.count("\nlabels  ") == 1
    assert said.err.count("warning: column 'number'") == 1
    assert "\n         dataset.drop=[number]" in said.err
    assert main(["run", *data, *quick, "n_jobs=1", "prices.retrain=3", "prices.error=2"]) == 0
    said = capsys.readouterr()
    assert said.out.count("target  calls: 13 whole numbers") == 1
    assert "\nprices  retrain 3, error 2\n" in said.out


# --- what a store keeps ---------------------------------------------------------------------------


class Unversioned(Ridge):
    """Its code is not installed, and may be another one tomorrow."""


class Versioned(Ridge):
    cache_version = 1


@pytest.mark.parametrize(("model", "named"), [(Unversioned(), True), (Versioned(), False)])
def test_a_model_whose_fits_no_store_may_keep_is_told_how_they_are(model, named, tmp_path) -> None:
    hours = np.arange("2024-01-01T00", "2024-01-21T00", dtype="datetime64[h]")
    stream = Stream(np.arange(480.0).reshape(-1, 1), np.arange(480.0), hours)
    told = Backtest(stream, model, cache=tmp_path / "store").understood().lines.get("store", "")
    assert ("Unversioned: give it cache_version = 1" in told) is named
    assert "store" not in Backtest(stream, model, cache=None).understood().lines


def test_a_notebook_shows_the_lines_that_are_printed() -> None:
    found = payments((90, 60)).understood({"one": Strategy(Never(), Sliding("150D"))})
    assert repr(found) == str(found)
    card = found._repr_html_()
    assert found.warnings
    for says in (*found.lines.values(), found.warnings[0].says):
        assert str(escape(says)) in card
