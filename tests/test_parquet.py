"""Parquet in batches: the stream is that of the whole table; files of a folder are one table."""

from collections.abc import Callable
from decimal import Decimal
from pathlib import Path
from typing import Any

import numpy as np
import pandas as pd
import pyarrow as pa
import pyarrow.parquet as pq
import pytest

from backtrain.datasets import parquet
from backtrain.datasets.stream import Stream
from backtrain.datasets.tabular import table

N = 300
ROLES = {"time": "t", "target": "y", "label_time": "l"}


@pytest.fixture(autouse=True)
def small_batches(monkeypatch: pytest.MonkeyPatch) -> None:
    """Several batches a file."""
    monkeypatch.setattr(parquet, "_BATCH", 70)


def numbers(rng: np.random.Generator) -> dict[str, Any]:
    """Every kind of number, with and without missing values."""
    some = rng.random(N) < 0.2
    whole = pd.Series(rng.integers(-9, 9, N))
    return {
        "float": np.where(some, np.nan, rng.standard_normal(N)),
        "single": rng.standard_normal(N).astype(np.float32),
        "whole": whole,
        "large": rng.integers(2**60, 2**62, N),
        "byte": rng.integers(0, 200, N).astype(np.uint8),
        "nullable": whole.astype("Int32").mask(pd.Series(some)),
        "truth": rng.random(N) < 0.5,
        "maybe": pd.Series(rng.random(N) < 0.5).astype("boolean").mask(pd.Series(some)),
        "decimal": [None if s else Decimal(int(v)) / 7 for s, v in zip(some, whole, strict=True)],
        "nothing": [None] * N,
    }


def words(rng: np.random.Generator) -> dict[str, Any]:
    """Text and categories of all kinds."""
    text = np.array(["b", "a", "ü", None, ""], dtype=object)[rng.integers(0, 5, N)]
    return {
        "text": text,
        "category": pd.Categorical(text, categories=["ü", "unused", "", "a", "b"]),
        "ordered": pd.Categorical(text, categories=["ü", "", "a", "b"], ordered=True),
        "counted": pd.Categorical(rng.integers(3, 6, N)),
        "no text": pd.Series([None] * N, dtype="str"),
    }


def frame(more: dict[str, Any], ordered: bool, rng: np.random.Generator) -> pd.DataFrame:
    """With times, which have ties, labels that are late or never come, weights and groups."""
    times = pd.date_range("2024", periods=N // 3, freq="1h", tz="Europe/Berlin").repeat(3)
    late = pd.Series(times + pd.Timedelta("2h")).mask(pd.Series(rng.random(N) < 0.1))
    own = {
        "t": times,
        "l": late,
        "y": pd.Series(rng.integers(0, 2, N)).astype("Int8").mask(late.isna()),
        "w": rng.random(N),
        "g": np.array(["u", "v"], dtype=object)[rng.integers(0, 2, N)],
        "unused": pd.date_range("2024", periods=N),
    }
    df = pd.DataFrame(own | more)
    return df if ordered else df.sample(frac=1, random_state=0, ignore_index=True)


@pytest.mark.parametrize("ordered", [True, False])
@pytest.mark.parametrize("kinds", ["numbers", "words", "both", "text labels"])
def test_the_stream_is_that_of_the_whole_table(tmp_path: Path, kinds: str, ordered: bool) -> None:
    rng = np.random.default_rng(0)
    more = {
        **(words(rng) if kinds != "numbers" else {}),
        **(numbers(rng) if kinds != "words" else {}),
    }
    df = frame(more, ordered, rng)
    if kinds == "text labels":
        df["y"] = df["y"].map({0: "no", 1: "yes"}).astype("str").mask(df["l"].isna())
    file = tmp_path / "t.parquet"
    df.to_parquet(file, row_group_size=100)
    roles = {**ROLES, "weight": "w", "group": "g"}
    stream = table(file, drop=["unused"], **roles)
    whole = Stream.from_frame(pd.read_parquet(file).drop(columns="unused"), **roles)
    assert stream.columns == whole.columns == tuple(more)
    assert stream.fingerprint == whole.fingerprint
    for field in ("y", "event_time", "label_time", "weight", "group"):
        assert getattr(stream, field).dtype == getattr(whole, field).dtype
    if isinstance(whole.X, pd.DataFrame):
        pd.testing.assert_frame_equal(stream.X, whole.X)
    else:
        np.testing.assert_array_equal(stream.X, whole.X)
        assert stream.X.flags.c_contiguous


WRONG: dict[str, tuple[Callable[[pd.DataFrame], Any], str]] = {
    "infinite": (
        lambda df: df.assign(a=np.where(df["t"] == df["t"].max(), np.inf, 1.0)),
        "column 'a': infinite in row 297",
    ),
    "infinite beside text": (
        lambda df: df.assign(a=np.where(df["t"] == df["t"].max(), np.inf, 1.0), b="x"),
        "column 'a': infinite in row 297",
    ),
    "a time as feature": (
        lambda df: df.assign(a=df["t"]),
        "column 'a': datetime64 values are no feature",
    ),
    "times as text": (
        lambda df: df.assign(a="2024-01-01 10:00"),
        "column 'a': times as text, such as '2024-01-01 10:00'",
    ),
    "lists": (lambda df: df.assign(a=[[1]] * N), "column 'a': mixed values such as array"),
    "bytes": (lambda df: df.assign(a=[b"x"] * N), "column 'a': bytes values such as b'x'"),
    "no times": (lambda df: df.assign(t=1), "time 't': numbers such as 1"),
    "a time is missing": (
        lambda df: df.assign(t=[None, *df["t"][1:]]),
        "time 't': missing in row 0",
    ),
    "one label": (lambda df: df.assign(y=1), "every label that arrives is 1"),
    "the index": (
        lambda df: df.set_index("t"),
        r"time='t': no such column; it is the index: use df.reset_index\(\)",
    ),
    "another name": (
        lambda df: df.rename(columns={"y": "yy"}),
        "target='y': no such column; did you mean 'yy'",
    ),
    "negative weights": (lambda df: df.assign(w=-1.0), "w: -1.0 in row 0"),
    "a group is missing": (lambda df: df.assign(g=None), "g: missing in row 0"),
}


@pytest.mark.parametrize("wrong", WRONG)
def test_what_is_wrong_is_said_as_of_a_table_in_memory(tmp_path: Path, wrong: str) -> None:
    change, message = WRONG[wrong]
    df = frame({"a": np.ones(N)}, True, np.random.default_rng(0)).drop(columns="unused")
    df["y"] = [0, 1] * (N // 2)
    file = tmp_path / "t.parquet"
    change(df.drop(columns="l")).to_parquet(file)
    roles = {"time": "t", "target": "y", "weight": "w", "group": "g"}
    with pytest.raises(ValueError, match=message) as found:
        table(file, **roles)
    assert str(found.value).startswith(f"{file}: ")
    with pytest.raises(ValueError, match=message):
        Stream.from_frame(pd.read_parquet(file), **roles)


def test_only_what_is_needed_is_read(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    file = tmp_path / "t.parquet"
    frame({"a": np.ones(N), "b": "x"}, True, np.random.default_rng(0)).to_parquet(file)
    read = []
    for name in ("_table", "_batches"):
        own = getattr(parquet.Parquet, name)
        monkeypatch.setattr(
            parquet.Parquet, name, lambda s, n, own=own: read.append(n) or own(s, n)
        )
    assert table(file, features=["a"], **ROLES).columns == ("a",)
    assert sorted(read) == ["a", "l", "t", "y"]


def test_names_that_are_no_text_are_read_as_before(tmp_path: Path) -> None:
    df = frame({"a": np.ones(N)}, True, np.random.default_rng(0))[["t", "y", "a"]]
    df.columns = pd.MultiIndex.from_tuples([("t", ""), ("y", ""), ("a", "one")])
    df.to_parquet(tmp_path / "t.parquet")
    with pytest.raises(ValueError, match="several columns; name one whole"):
        table(tmp_path / "t.parquet", time="t", target="y")


# --- folders --------------------------------------------------------------------------------------


def in_parts(folder: Path, df: pd.DataFrame, names: tuple[str, ...]) -> None:
    """Rows of the table in files of these names, in this order."""
    for name, rows in zip(names, np.array_split(np.arange(N), len(names)), strict=True):
        (folder / name).parent.mkdir(parents=True, exist_ok=True)
        df.iloc[rows].to_parquet(folder / name, index=False)


@pytest.mark.parametrize("ordered", [True, False])
def test_a_folder_is_its_files_in_the_order_of_their_names(tmp_path: Path, ordered: bool) -> None:
    rng = np.random.default_rng(0)
    df = frame({**numbers(rng), **words(rng)}, ordered, rng)
    in_parts(tmp_path / "d", df, ("part-0.parquet", "part-1.parquet", "sub/part-2.parquet"))
    (tmp_path / "d" / "_metadata.parquet").write_text("not a table")
    (tmp_path / "d" / ".part-0.parquet.crc").write_text("none either")
    (tmp_path / "d" / "notes.txt").write_text("mine")
    stream = table(tmp_path / "d", drop=["unused"], **ROLES)
    df.to_parquet(tmp_path / "whole.parquet")
    whole = table(tmp_path / "whole.parquet", drop=["unused"], **ROLES)
    assert stream.name == "d"
    assert stream.fingerprint == whole.fingerprint


def test_folders_that_name_a_value_are_a_column(tmp_path: Path) -> None:
    df = frame({"a": np.arange(N) * 1.0}, True, np.random.default_rng(0)).drop(columns="unused")
    names = tuple(f"year={2020 + i}/place={p}/part.parquet" for i, p in enumerate("xyx"))
    in_parts(tmp_path / "d", df, names)
    stream = table(tmp_path / "d", **ROLES, features=["year", "a", "place"])
    years = np.repeat([2020.0, 2021.0, 2022.0], N // 3)
    assert isinstance(stream.X, pd.DataFrame)
    np.testing.assert_array_equal(stream.X["year"], years)
    assert stream.X["place"].tolist() == ["x"] * 100 + ["y"] * 100 + ["x"] * 100


def test_a_column_that_is_empty_in_one_file_has_the_type_of_the_others(tmp_path: Path) -> None:
    df = frame({"a": np.arange(N) * 1.0, "b": "x"}, True, np.random.default_rng(0))
    df = df.drop(columns="unused")
    for empty in (0, 1):
        folder = tmp_path / str(empty)
        in_parts(folder, df, ("0.parquet", "1.parquet"))
        half = df.iloc[empty * 150 :][:150].assign(a=None)
        half.to_parquet(folder / f"{empty}.parquet", index=False)
        expected = df.assign(a=df["a"].mask(df.index.isin(half.index)))
        assert (
            table(folder, **ROLES).fingerprint == Stream.from_frame(expected, **ROLES).fingerprint
        )


DIFFERENT: dict[str, tuple[Callable[[pd.DataFrame], pd.DataFrame], str]] = {
    "type": (
        lambda df: df.assign(a=df["a"].astype(int)),
        "column 'a' is int64, and double in 0.parquet",
    ),
    "missing": (lambda df: df.drop(columns="a"), "lacks column 'a', unlike 0.parquet"),
    "more": (lambda df: df.assign(c=1), "has column 'c', unlike 0.parquet"),
}


@pytest.mark.parametrize("how", DIFFERENT)
def test_a_file_that_differs_is_named(tmp_path: Path, how: str) -> None:
    change, message = DIFFERENT[how]
    df = frame({"a": np.ones(N)}, True, np.random.default_rng(0))
    folder = tmp_path / "d"
    in_parts(folder, df, ("0.parquet", "1.parquet"))
    change(df.iloc[150:]).to_parquet(folder / "1.parquet", index=False)
    with pytest.raises(ValueError, match=message) as found:
        table(folder, **ROLES)
    assert str(found.value).startswith(f"{folder / '1.parquet'}: ")


def test_files_beside_folders_that_name_a_value_have_none(tmp_path: Path) -> None:
    df = frame({"a": np.ones(N)}, True, np.random.default_rng(0))
    (tmp_path / "d" / "year=2025").mkdir(parents=True)
    in_parts(tmp_path / "d", df, ("0.parquet", "year=2025/1.PARQUET"))
    years = pd.Series(table(tmp_path / "d", features=["year"], **ROLES).X[:, 0])
    assert (years == 2025).sum() == years.isna().sum() == N // 2


def test_a_column_that_folders_name_otherwise_is_an_error(tmp_path: Path) -> None:
    df = frame({"a": ["u", "v"] * (N // 2)}, True, np.random.default_rng(0))
    (tmp_path / "d" / "a=1").mkdir(parents=True)
    df.to_parquet(tmp_path / "d" / "a=1" / "0.parquet")
    with pytest.raises(ValueError, match=r"d: .*Field a has incompatible types.*take it out"):
        table(tmp_path / "d", **ROLES)


def test_a_column_that_stands_there_twice_is_named(tmp_path: Path) -> None:
    df = frame({"a": np.ones(N)}, True, np.random.default_rng(0))
    whole = pa.Table.from_pandas(df)
    pq.write_table(whole.append_column("a", whole["a"]), tmp_path / "d.parquet")
    with pytest.raises(ValueError, match=r"d.parquet: column 'a' stands there twice"):
        table(tmp_path / "d.parquet", **ROLES)


def test_what_cannot_be_read_is_named(tmp_path: Path) -> None:
    folder = tmp_path / "d"
    folder.mkdir()
    with pytest.raises(ValueError, match=f"{folder}: no .parquet or .csv file is in it"):
        table(folder, **ROLES)
    in_parts(
        folder, frame({"a": np.ones(N)}, True, np.random.default_rng(0)), ("0.parquet", "1.parquet")
    )
    file = folder / "1.parquet"
    whole = file.read_bytes()
    file.write_bytes(b"PAR1 and no more")
    with pytest.raises(ValueError, match=f"^{file}: cannot be read"):
        table(folder, **ROLES)
    file.write_bytes(whole[:4] + bytes(200) + whole[204:])
    with pytest.raises(ValueError, match=f"^{folder}: cannot be read"):
        table(folder, **ROLES)


@pytest.mark.parametrize("arrow", [False, True], ids=["NumPy types", "Arrow types"])
def test_the_time_zone_of_a_file_is_that_of_the_stream(arrow: bool, tmp_path: Path) -> None:
    """Pandas notes in a file which types it had; those of Arrow have no attribute for a zone."""
    times = pd.date_range("2024-03-30", periods=48, freq="h", tz="Europe/Berlin")
    frame = pd.DataFrame({"t": times, "x": np.arange(48.0), "y": np.arange(48.0)})
    if arrow:
        frame = frame.convert_dtypes(dtype_backend="pyarrow")
        frame["t"] = frame["t"].astype(pd.ArrowDtype(pa.timestamp("us", "Europe/Berlin")))
    frame.to_parquet(tmp_path / "d.parquet")
    stream = table(tmp_path / "d.parquet", time="t", target="y")
    assert stream.timezone == "Europe/Berlin"
    assert stream.event_time[0] == np.datetime64("2024-03-29T23:00")
