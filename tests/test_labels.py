"""What labels are taken for, and numbers that stand as text."""

from dataclasses import replace
from pathlib import Path
from typing import Any

import numpy as np
import pandas as pd
import pytest
from sklearn.linear_model import LogisticRegression, Ridge

from backtrain import Backtest, Stream
from backtrain.cli import main
from backtrain.datasets.labels import kind_of, numbers_in_text


def stream(labels: Any) -> Stream:
    at = np.datetime64("2024-01-01", "ns") + np.arange(len(labels)) * np.timedelta64(3600, "s")
    X = np.arange(len(labels), dtype=float)[:, None]
    return Stream(X, np.asarray(labels), at)


@pytest.mark.parametrize(
    ("labels", "task", "holds"),
    [
        ([0, 1, 1], "classification", "0 and 1"),
        ([1.0, 2.0, 1.0], "classification", "1 and 2"),
        ([True, False, True], "classification", "truth values"),
        (np.array(["b", "a", "b"], dtype=object), "classification", "2 texts"),
        ([0, 1, 2], "regression", "3 whole numbers from 0 to 2"),
        ([3.0, 1000.0, 2.0], "regression", "3 whole numbers from 2 to 1,000"),
        ([0.5, 1.0, 0.5], "regression", "numbers from 0.5 to 1"),
    ],
)
def test_two_values_text_and_truth_are_classes_and_all_else_is_a_quantity(
    labels: Any, task: str, holds: str
) -> None:
    assert kind_of(np.asarray(labels)) == (task, holds)


NUMBERS = {
    "201,234 88,000 1,950": [201234, 88000, 1950],
    "1.234,5 17,25 3.000.000,0": [1234.5, 17.25, 3000000],
    "12 €|3,50 €|1.200 €": [12, 3.5, 1200],
    "$1,234.50 $12 -$3": [1234.5, 12, -3],
    "1.5 2.25 1e3": [1.5, 2.25, 1000],
    "12 %|3 %|4 %": [12, 3, 4],
    "1'200 3'400'000 12": [1200, 3400000, 12],
    "1 200|34 000|5 000 000": [1200, 34000, 5000000],
    " ".join(str(n) for n in range(1000, 1030)): list(range(1000, 1030)),
}


@pytest.mark.parametrize("texts", NUMBERS)
def test_numbers_in_text_are_found_and_the_code_that_is_shown_reads_them(texts: str) -> None:
    column = pd.Series(texts.split("|" if "|" in texts else " "))
    found = numbers_in_text(column.to_numpy(dtype=object))
    assert found is not None
    assert found.example in column.to_list()
    read = eval(found.code, {"pd": pd, "column": column})
    assert read.tolist() == NUMBERS[texts]


@pytest.mark.parametrize(
    "texts",
    [
        "yes no",
        "1 2 3",  # classes that are numbered
        "36 months|60 months|12 months",
        "A1 A2 B7",
        "2024-01-01 2024-01-02 2024-01-03",
        "10-20 20-30 30-40",
        "1.2.3 1.2.4 2.0.0",
        "12:30 12:45 13:00",
        "1 2 3 4 A B C",
        "1,5 2,5",  # two values
    ],
)
def test_names_are_no_numbers(texts: str) -> None:
    labels = np.array(texts.split("|" if "|" in texts else " "), dtype=object)
    assert numbers_in_text(labels) is None


def frame(values: Any) -> pd.DataFrame:
    at = pd.date_range("2024", periods=len(values), freq="h")
    return pd.DataFrame({"at": at, "x": range(len(values)), "sales": values})


SALES = [f"{1000 + 37 * n:,}" for n in range(40)]


def test_numbers_in_text_are_refused_as_labels_with_what_to_do() -> None:
    with pytest.raises(ValueError, match=r"target 'sales': 40 texts .* '1,000'.*astype") as told:
        Stream.from_frame(frame(SALES), target="sales", time="at")
    code = str(told.value).split("make them numbers, ")[1].split("; ")[0]
    table = frame(SALES)
    table["sales"] = eval(code, {"pd": pd, "column": table["sales"]})
    assert Stream.from_frame(table, target="sales", time="at").y[1] == 1037
    named = frame(SALES).astype({"sales": "category"})
    insisted = Stream.from_frame(named, target="sales", time="at")
    assert Backtest(insisted, LogisticRegression(), start=0.5).task == "classification"


def test_a_regressor_on_numbers_in_text_is_not_sent_to_a_classifier() -> None:
    labels = stream(np.array(SALES, dtype=object))
    with pytest.raises(ValueError, match=r"pd\.to_numeric\(column\.str\.replace\(',', ''\)\)"):
        Backtest(labels, Ridge())
    with pytest.raises(ValueError, match="use a classifier"):
        Backtest(stream(np.array(["a", "b"], dtype=object)), Ridge())


@pytest.mark.parametrize("unit", [" kg", "k", " m²"])
def test_many_numbers_with_a_unit_are_a_quantity_and_few_are_classes(unit: str) -> None:
    written = [f"{n / 4:.2f}{unit}" for n in range(40)]
    found = numbers_in_text(np.array(written, dtype=object))
    assert found is not None
    assert found.unit == unit.strip()
    read = eval(found.code, {"pd": pd, "column": pd.Series(written)})
    assert read.tolist() == [n / 4 for n in range(40)]
    assert numbers_in_text(np.array(written[:20], dtype=object)) is None
    several = [f"{n} {'x' * (n % 3)}b" for n in range(40)]
    assert numbers_in_text(np.array(several, dtype=object)) is None


def test_the_command_line_refuses_them_and_takes_an_insisting_task(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    monkeypatch.chdir(tmp_path)
    texts = [f"{12 + n % 5} €" for n in range(60)]
    replace(stream(np.array(texts, dtype=object)), target="sales").save("history")
    data = ("dataset=stream", "dataset.path=history")
    asked = ["run", *data, "comparison=static", "run.plan_only=true"]
    assert main(asked) == 2
    said = capsys.readouterr().err
    assert "target 'sales': 5 texts that read as numbers, such as '12 €'" in said
    assert said.rstrip().endswith("or, where they name classes, task=classification")
    assert main([*asked, "task=classification"]) == 0
    assert main([*asked, "task=regression"]) == 2
