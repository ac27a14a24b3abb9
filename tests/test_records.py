"""Runs are saved whole, read back equal, and documented to the last column."""

import dataclasses
import pickle
from collections.abc import Callable
from pathlib import Path

import numpy as np
import pandas as pd
import pytest
from sklearn.linear_model import Ridge
from sklearn.tree import DecisionTreeClassifier

from backtrain import Backtest, Prices, Run, Strategy, Stream
from backtrain.datasets.synthetic import abrupt
from backtrain.simulator.manifest import RecordWarning
from backtrain.simulator.record import (
    PLACES,
    TABLES,
    VOLATILE_COLUMNS,
    VOLATILE_KEYS,
    RecordError,
    Tables,
)
from backtrain.strategies import BeatsChampion, Every, PerformanceDrop, Sliding

DOCS = (Path(__file__).parent.parent / "docs" / "records.md").read_text()
EVERYTHING = Prices(*[0.5 for _ in dataclasses.fields(Prices)])


def regression() -> Run:
    strategy = Strategy(Every("2D"), Sliding("20D"), gate=BeatsChampion())
    stream = abrupt(n=1_200, task="regression")
    return Backtest(stream, Ridge(), prices=EVERYTHING).replay(strategy, "regression")


def three_classes() -> Run:
    random = np.random.default_rng(0)
    times = pd.date_range("2024-01-01", periods=900, freq="h").to_numpy("datetime64[ns]")
    X = random.normal(size=(900, 2))
    y = np.digitize(X[:, 0], [-0.5, 0.5]).astype(str)
    strategy = Strategy(PerformanceDrop("accuracy", below=0.99), Sliding(200), cooldown="3D")
    model = DecisionTreeClassifier(max_depth=2)
    return Backtest(Stream(X, y, times), model, loss="log").replay(strategy, "classes")


@pytest.mark.parametrize("make", [regression, three_classes])
def test_a_run_is_read_back_as_it_was_saved(make: object, tmp_path: Path) -> None:
    run = make()  # type: ignore[operator]
    again = Run.load(run.save(tmp_path / "run"))
    for table in TABLES:
        pd.testing.assert_frame_equal(getattr(again, table), getattr(run, table))
    assert again.info == run.info
    assert again.totals == run.totals
    assert again.name == run.name


@pytest.mark.parametrize("make", [regression, three_classes])
def test_every_column_and_key_is_documented(make: object) -> None:
    run = make()  # type: ignore[operator]
    for table in TABLES:
        assert f"## {table}.parquet" in DOCS
        for column in getattr(run, table).columns:
            named = "probability <class>" if column.startswith("probability ") else column
            assert f"`{named}`" in DOCS, f"{table}.{column}"
    for key in [*run.info, *run.totals, *PLACES]:
        assert f"`{key}`" in DOCS, key
    for columns in VOLATILE_COLUMNS.values():
        for column in columns:
            assert f"`{column}`" in DOCS
    assert all(f"`{key}`" in DOCS for key in VOLATILE_KEYS)
    for kind in [*run.events["kind"], *run.charges["kind"]]:
        assert f"`{kind}`" in DOCS, kind


def test_saving_again_replaces_what_is_ours(tmp_path: Path) -> None:
    run = regression()
    (run.save(tmp_path / "run") / "note.txt").write_text("mine")
    for _ in range(3):
        with pytest.warns(RecordWarning, match=r"run: not written by backtrain.*: note\.txt"):
            run.save(tmp_path / "run")
        assert len(list((tmp_path / "run").iterdir())) == 1 + len(TABLES) + 1
        assert Run.load(tmp_path / "run").totals == run.totals
    assert (tmp_path / "run" / "note.txt").read_text() == "mine"
    assert [path.name for path in tmp_path.iterdir()] == ["run"]


def test_a_failed_save_leaves_what_was_there(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    run = regression()
    run.save(tmp_path / "run")

    def full_disk(*args: object, **kwargs: object) -> None:
        raise OSError("no space left on device")

    monkeypatch.setattr(pd.DataFrame, "to_parquet", full_disk)
    with pytest.raises(OSError, match="no space"):
        run.save(tmp_path / "run")
    monkeypatch.undo()
    assert Run.load(tmp_path / "run").totals == run.totals
    assert [path.name for path in tmp_path.iterdir()] == ["run"]


def test_a_directory_that_holds_no_run_is_named(tmp_path: Path) -> None:
    with pytest.raises(RecordError, match=r"not a run directory: run\.json not found"):
        Run.load(tmp_path)
    regression().save(tmp_path)
    (tmp_path / "events.parquet").unlink()
    with pytest.raises(RecordError, match=r"not a run directory: events\.parquet not found"):
        Run.load(tmp_path)


def test_tables_are_made_when_asked_and_once() -> None:
    made: list[str] = []

    def maker(name: str) -> Callable[[], pd.DataFrame]:
        return lambda: (made.append(name), pd.DataFrame({name: [1]}))[1]

    tables = Tables({name: maker(name) for name in ("a", "b")})
    assert (list(tables), len(tables), made) == (["a", "b"], 2, [])
    assert tables["b"] is tables["b"]
    assert made == ["b"]
    again = pickle.loads(pickle.dumps(tables))
    assert made == ["b", "a"]
    assert again["a"].equals(tables["a"])
    with pytest.raises(KeyError):
        tables["c"]
