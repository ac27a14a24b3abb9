"""Several columns make a group: what is said by one of them alone."""

import pickle

import numpy as np
import pandas as pd

from backtrain.datasets.stream import Stream
from backtrain.datasets.tabular import table

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
