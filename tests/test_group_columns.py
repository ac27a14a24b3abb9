"""Several columns make a group: what is said by one of them alone."""

import pickle
from dataclasses import replace

import numpy as np
import pandas as pd
import pytest
from sklearn.linear_model import Ridge

from backtrain import Backtest, ByGroup, Comparison, SetupError, Strategy
from backtrain.datasets.stream import Stream
from backtrain.datasets.tabular import table
from backtrain.reports import group_money, page, sections
from backtrain.simulator.metrics import MetricError, find_metric
from backtrain.strategies import Every, Expanding, Never, PerformanceDrop

N = 120
FRAME = pd.DataFrame(
    {
        "t": pd.date_range("2024-01-01", periods=N, freq="6h"),
        "store": np.where(np.arange(N) % 3 == 0, "north", "south"),
        "product": np.arange(N) % 2 + 7,
        "x": np.arange(N) % 11,
        "y": np.arange(N) % 11 + np.arange(N) % 3,
    }
)


def stream(**given) -> Stream:
    given = {"group": ["store", "product"]} | given
    return Stream.from_frame(FRAME, target="y", time="t", features=["x"], **given)


def test_a_stream_keeps_the_keys_of_each_column(tmp_path) -> None:
    history = stream()
    assert list(history.group_columns) == ["store", "product"]
    for column in ("store", "product"):
        keys = [history.group_columns[column][name] for name in history.group]
        assert keys == FRAME[column].tolist()
    for kept in (history.save(tmp_path / "kept"), pickle.loads(pickle.dumps(history))):
        assert kept.group_columns == history.group_columns
        assert kept.fingerprint == history.fingerprint
    assert stream(group="store").group_columns is None


def test_a_file_gives_the_same(tmp_path) -> None:
    FRAME.to_csv(tmp_path / "sales.csv", index=False)
    read = table(
        tmp_path / "sales.csv", time="t", target="y", features=["x"], group=["store", "product"]
    )
    assert read.group_columns == stream().group_columns


def asked(**given) -> Backtest:
    return Backtest(stream(), Ridge(), **given)


@pytest.mark.parametrize("column", ["store", "product"])
def test_a_metric_may_take_the_groups_of_one_column(column: str) -> None:
    names = [f"MAE by {column}", "MAE by group", ByGroup("RMSE", by=column), f"MASE by {column}"]
    run = asked(metrics=names).replay(Strategy(Never(), Expanding()))
    rows = run.predictions
    error = (rows["label"] - rows["prediction"]).abs()
    key = FRAME[column].to_numpy()[rows["row"]]
    both = (FRAME["store"] + FRAME["product"].astype(str)).to_numpy()[rows["row"]]
    assert run.metrics[f"MAE by {column}"] == pytest.approx(error.groupby(key).mean().mean())
    assert run.metrics["MAE by group"] == pytest.approx(error.groupby(both).mean().mean())
    squared = (error**2).groupby(key).mean() ** 0.5
    assert run.metrics[f"RMSE by {column}"] == pytest.approx(squared.mean())
    # The scales are those of the series, whatever the mean is taken over.
    history = FRAME["y"][: rows["row"].iloc[0]]
    series = (FRAME["store"] + FRAME["product"].astype(str))[: len(history)]
    scale = history.groupby(series).diff().abs().groupby(series).mean()
    scaled = error / scale[both].to_numpy()
    assert run.metrics[f"MASE by {column}"] == pytest.approx(scaled.groupby(key).mean().mean())


def test_a_record_tells_each_column() -> None:
    run = asked().replay(Strategy(Never(), Expanding()))
    said = run.totals["group_columns"]
    assert list(said) == ["store", "product"]
    rows = run.predictions
    for column, entries in said.items():
        key = FRAME[column].to_numpy()[rows["row"]]
        expected = rows["loss"].groupby(key).agg(["size", "sum"])
        assert {e["group"]: e["rows"] for e in entries} == dict(
            zip(expected.index.map(str), expected["size"], strict=True)
        )
        for entry in entries:
            assert entry["loss"] == pytest.approx(
                expected["sum"][type(expected.index[0])(entry["group"])]
            )
    alone = Backtest(stream(group="store"), Ridge()).replay(Strategy(Never(), Expanding()))
    assert "group_columns" not in alone.totals
    assert alone.totals["groups"] == said["store"]


def test_a_report_shows_each_column(tmp_path) -> None:
    strategies = {
        "static": Strategy(Never(), Expanding()),
        "often": Strategy(Every("3D"), Expanding()),
    }
    comparison = asked().compare(strategies, hindsight=False)
    shown = {
        exhibit.id: exhibit
        for one in page.outline(comparison, "static")
        for exhibit in one.exhibits
    }
    for column in ("store", "product"):
        sheet = shown[f"column-{column}"].shows
        assert sheet == sections.by_group(comparison, "static", column)
        assert {c.label for c in sheet.columns} >= {
            f"worst {column}",
            *map(str, FRAME[column].unique()),
        }
        assert f"money-by-column-{column}" in shown
        money = group_money.by_group(*comparison.runs.values(), column)
        assert set(money.index) == set(map(str, FRAME[column].unique()))
    comparison.save(tmp_path / "kept", report="none")
    again = Comparison.load(tmp_path / "kept")
    assert sections.by_group(again, "static", "store") == sections.by_group(
        comparison, "static", "store"
    )


def test_what_has_no_such_column_says_so() -> None:
    with pytest.raises(
        (SetupError, MetricError), match="by shop: groups are made of store, product"
    ):
        asked(metrics=["MAE by shop"])
    alone = Backtest(stream(group="store"), Ridge())
    with pytest.raises((SetupError, MetricError), match=r"made of one column; .* or by group"):
        replace(alone, metrics=["MAE by store"])
    with pytest.raises(MetricError, match="give the name of one column"):
        ByGroup("MAE", by=["store"])
    strange = replace(stream(), group=np.array(["a / 1", "b / 2"] * (N // 2), dtype=object))
    with pytest.raises(MetricError, match="group 'a / 1' has no key in that column"):
        Backtest(strange, Ridge(), metrics=["MAE by store"])
    run = Backtest(strange, Ridge()).replay(Strategy(Never(), Expanding()))
    assert run.totals["group_columns"] == {}


def test_triggers_take_them() -> None:
    trigger = PerformanceDrop("MAE by store", window=30, min_labels=10, below=0.1)
    run = asked().replay(Strategy(trigger, Expanding()))
    assert run.totals["retrains"] > 0
    assert run.events["reason"].str.contains("MAE by store").any()
    assert find_metric("WAPE by store").name == "WAPE by store"
