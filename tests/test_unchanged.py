"""The command that compares the records of two versions of the code finds what has changed."""

import shutil

import pandas as pd
import pytest
import records
from sklearn.linear_model import Ridge

from backtrain import Backtest, Strategy
from backtrain.datasets.synthetic import abrupt
from backtrain.strategies import Every, Never, Sliding


@pytest.fixture
def two(tmp_path, monkeypatch):
    """Two directories of the same records."""
    monkeypatch.setattr(records, "JOBS", {"small": []})
    backtest = Backtest(abrupt(n=400, task="regression"), Ridge(), tick="2D")
    window = Sliding("14D")
    compared = {"static": Strategy(Never(), window), "weekly": Strategy(Every("7D"), window)}
    backtest.compare(compared).save(tmp_path / "before" / "small")
    shutil.copytree(tmp_path / "before", tmp_path / "after")
    return tmp_path / "before", tmp_path / "after"


def test_equal_records_differ_in_nothing(two, capsys) -> None:
    assert records.compare(*two) == 0
    assert "0 differences in" in capsys.readouterr().out


def test_one_number_of_a_table_is_found(two, capsys) -> None:
    path = next((two[1] / "small").rglob("weekly*/steps.parquet"))
    steps = pd.read_parquet(path)
    steps.loc[3, "loss"] += 1e-9
    steps.to_parquet(path)
    assert records.compare(*two) == 1
    assert "small/weekly/steps: loss" in capsys.readouterr().out


@pytest.mark.parametrize(("column", "same"), [("fit", True), ("reason", False)])
def test_only_what_is_measured_may_differ(two, column, same, capsys) -> None:
    path = next((two[1] / "small").rglob("weekly*/versions.parquet"))
    versions = pd.read_parquet(path)
    versions.loc[1, column] = "another"
    versions.to_parquet(path)
    assert records.compare(*two) == (0 if same else 1)
    assert ("versions: reason" in capsys.readouterr().out) is not same


def test_a_total_is_found(two, capsys) -> None:
    path = next((two[1] / "small").rglob("weekly*/run.json"))
    path.write_text(path.read_text().replace('"retrains": ', '"retrains": 1'))
    assert records.compare(*two) == 1
    assert "small/weekly.retrains: " in capsys.readouterr().out
