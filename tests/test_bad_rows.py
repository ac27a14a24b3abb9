"""Rows that cannot be as they stand: refused by their line, left out or mended, and counted."""

import bz2
import gzip
import lzma
import zipfile
from collections.abc import Callable
from pathlib import Path
from typing import Any

import numpy as np
import pandas as pd
import pyarrow as pa
import pytest

from backtrain.datasets.stream import Stream
from backtrain.datasets.tabular import table

ROLES: dict[str, Any] = {"time": "ts", "target": "y"}
ALL = {**ROLES, "label_time": "known", "weight": "w", "group": "g"}
#: Five rows that are right, in the lines 2 to 6.
RIGHT = [f"2024-01-0{i},2024-01-0{i + 2},{i}.5,{i % 2},{i},g{i % 2}" for i in range(1, 6)]
HEADER = "ts,known,x,y,w,g"


def read(folder: Path, text: str, name: str = "d.csv", **options: Any) -> Stream:
    (folder / name).write_text(text)
    return table(folder / name, **{**ALL, **options})


def with_bad(row: str) -> str:
    """The row as line 4, behind blank lines, beside a value that holds a line break."""
    first = RIGHT[0].replace("g1", '"g\n1"')
    return "\n".join([HEADER, first, row, "", *RIGHT[1:]]) + "\n"


#: A row, what is said of it, and what clip makes of it: (known, x, y) or None where it is left out.
BAD: dict[str, tuple[str, str, tuple[str, float, float] | None]] = {
    "a label before its row": (
        "2024-01-09,2024-01-05,1,1,1,a",
        "label_time 'known': 2024-01-05 in line 4 is before its row, 2024-01-09",
        ("2024-01-09", 1.0, 1.0),
    ),
    "no time": (",2024-01-05,1,1,1,a", "time 'ts': missing in line 4", None),
    "no time at all": (
        "soon,2024-01-05,1,1,1,a",
        "time 'ts': 'soon' in line 4, not a time",
        None,
    ),
    "no label time": (
        "2024-01-09,soon,1,1,1,a",
        "label_time 'known': 'soon' in line 4, not a time",
        ("NaT", 1.0, 1.0),
    ),
    "a label time of another age": (
        "2024-01-09,9999-12-31,1,1,1,a",
        "label_time 'known': '9999-12-31' in line 4, not a time",
        ("NaT", 1.0, 1.0),
    ),
    "a word among numbers": (
        "2024-01-09,2024-01-09,oops,1,1,a",
        "column 'x': 'oops' in line 4, not a number",
        ("2024-01-09", np.nan, 1.0),
    ),
    "a word for a label": (
        "2024-01-09,2024-01-09,1,oops,1,a",
        "target 'y': 'oops' in line 4, not a number",
        ("NaT", 1.0, np.nan),
    ),
    "no end": (
        "2024-01-09,2024-01-09,-inf,1,1,a",
        "column 'x': infinite in line 4",
        ("2024-01-09", np.nan, 1.0),
    ),
    "a label without end": (
        "2024-01-09,2024-01-09,1,inf,1,a",
        "target 'y': infinite in line 4",
        ("NaT", 1.0, np.nan),
    ),
    "no weight": ("2024-01-09,2024-01-09,1,1,,a", "w: nan in line 4; a weight is a number", None),
    "a negative weight": ("2024-01-09,2024-01-09,1,1,-2,a", "w: -2.0 in line 4; a weight", None),
    "a word for a weight": ("2024-01-09,2024-01-09,1,1,much,a", "column 'w': 'much' in line", None),
    "no group": ("2024-01-09,2024-01-09,1,1,1,", "g: missing in line 4", None),
    "too many fields": ("2024-01-09,2024-01-09,1,1,1,a,b", "line 4 has 7 fields, not 6", None),
}  # fmt: skip


@pytest.mark.parametrize("case", BAD)
def test_a_bad_row_is_refused_by_its_line_left_out_or_mended(tmp_path: Path, case: str) -> None:
    row, message, mended = BAD[case]
    with pytest.raises(ValueError) as error:  # noqa: PT011 -- the message is compared
        read(tmp_path, with_bad(row))
    assert message in str(error.value)
    assert "dataset.on_bad=drop leaves such" in str(error.value)
    assert len(str(error.value).splitlines()) <= 5
    right = read(tmp_path, "\n".join([HEADER, RIGHT[0].replace("g1", '"g\n1"'), *RIGHT[1:]]))
    dropped = read(tmp_path, with_bad(row), on_bad="drop")
    assert dropped.fingerprint == right.fingerprint
    assert "line 4" in "".join(dropped.reading)
    clipped = read(tmp_path, with_bad(row), on_bad="clip")
    if mended is None:
        assert clipped.fingerprint == right.fingerprint
        return
    known, x, y = mended
    assert len(clipped) == len(right) + 1
    assert str(clipped.label_time[-1].astype("M8[D]")) == known
    np.testing.assert_array_equal([clipped.X[-1, 0], clipped.y[-1]], [x, y])
    assert "line 4" in "".join(clipped.reading)


def test_several_faults_are_told_together_and_counted_once(tmp_path: Path) -> None:
    rows = ["2024-01-09,2024-01-05,oops,1,1,a", "2024-01-08,2024-01-05,1,1,1,a"]
    text = "\n".join([HEADER, *RIGHT, *rows])
    with pytest.raises(ValueError) as error:  # noqa: PT011 -- the message is compared
        read(tmp_path, text)
    assert str(error.value).splitlines() == [
        f"{tmp_path / 'd.csv'}: column 'x': 'oops' in line 7, not a number",
        "label_time 'known': 2024-01-05 in line 7 is before its row, 2024-01-09 (and 1 more rows)",
        "dataset.on_bad=drop leaves such rows out, on_bad=clip makes it missing; "
        "dataset.na_values=[oops] takes that as missing; "
        "dataset.categories=[x] all of them as names",
    ]
    assert read(tmp_path, text, on_bad="drop").reading == (
        "2 of 7 rows left out (on_bad=drop): column 'x': 'oops' in line 7, not a number; "
        "label_time 'known': 2024-01-05 in line 7 is before its row, 2024-01-09 (and 1 more rows)",
    )


def test_a_row_without_a_label_has_none_at_any_time(tmp_path: Path) -> None:
    rows = ["2024-01-08,2024-01-05,1,,1,a", "2024-01-09,soon,1,,1,a", "2024-01-09,,1,1,1,a"]
    stream = read(tmp_path, "\n".join([HEADER, *RIGHT, *rows]))
    assert np.isnat(stream.label_time[-3:]).all()
    assert stream.reading == (
        "1 of 8 labels have no time: they never arrive",
        "1 of 8 rows have no label, whatever 'known' says",
    )


# --- what is a number, and what is a name --------------------------------------------------------


def column(values: list[str]) -> str:
    rows = [f'2024-01-{i + 1:02},"{value}",{i % 2}' for i, value in enumerate(values)]
    return "\n".join(["ts,x,y", *rows])


NUMBERS: dict[str, tuple[list[str], list[Any], dict[str, Any]]] = {
    "blanks are missing": (["1.5", " ", "2"], [1.5, np.nan, 2.0], {}),
    "thousands, as another number shows": (["1,234", "0.5", "2"], [1234.0, 0.5, 2.0], {}),
    "thousands, as a larger number shows": (["1,234", "1,234,567"], [1234.0, 1234567.0], {}),
    "thousands, as said": (["1,234", "5,678"], [1234.0, 5678.0], {"thousands": "comma"}),
    "decimals, as said": (["1,234", "5,678"], [1.234, 5.678], {"decimal": "comma"}),
    "percent": (["12 %", "7.5%"], [12.0, 7.5], {}),
    "spaces between thousands": (["1 234", "12 345 678"], [1234.0, 12345678.0], {}),
    "a slip, named": (["1", "?", "3"], [1.0, np.nan, 3.0], {"na_values": ["?"]}),
    "a number for missing": (["1", "-999", "3"], [1.0, np.nan, 3.0], {"na_values": [-999]}),
    "of one column": (["1", "-999", "3"], [1.0, np.nan, 3.0], {"na_values": {"x": [-999]}}),
    "names": (["a1", "7", "b"], ["a1", "7", "b"], {}),
    "names that begin with zero": (["007", "12", "3a"], ["007", "12", "3a"], {}),
    "numbers as names": (["7", "07", "7"], ["7", "07", "7"], {"categories": ["x"]}),
    "slips as names": (["1", "2", "3+"], ["1", "2", "3+"], {"categories": ["x"]}),
}


@pytest.mark.parametrize("case", NUMBERS)
def test_numbers_and_names_are_told_apart(tmp_path: Path, case: str) -> None:
    values, expected, options = NUMBERS[case]
    stream = read(tmp_path, column(values), **{**dict.fromkeys(ALL), **ROLES, **options})
    found = stream.X["x"].tolist() if isinstance(stream.X, pd.DataFrame) else stream.X[:, 0]
    pd.testing.assert_series_equal(pd.Series(found), pd.Series(expected), check_dtype=False)


DOUBTS = {
    "thousands or decimals": (
        ["201,234", "198,001"],
        "'x': '201,234' is 201234 or 201.234? dataset.thousands=comma or dataset.decimal=comma",
    ),
    "a few slips": (["1", "2", "3", "oops"], "column 'x': 'oops' in line 5, not a number"),
    "a sign for missing": (["1", "?", "3"], "'dataset.na_values=[\"?\"]' takes that as missing"),
    "a name among counts": (["1", "2", "3+"], "dataset.categories=[x] all of them as names"),
}  # fmt: skip


@pytest.mark.parametrize("case", DOUBTS)
def test_what_may_be_either_is_asked(tmp_path: Path, case: str) -> None:
    values, message = DOUBTS[case]
    with pytest.raises(ValueError) as error:  # noqa: PT011 -- the message is compared
        read(tmp_path, column(values), **{**dict.fromkeys(ALL), **ROLES})
    assert message in str(error.value)


def test_the_target_may_be_a_name(tmp_path: Path) -> None:
    text = "ts,x,y\n" + "\n".join(f"2024-01-0{i},{i},{i % 3}" for i in range(1, 9))
    stream = read(tmp_path, text, **{**dict.fromkeys(ALL), **ROLES, "categories": ["y"]})
    assert stream.y.tolist() == ["1", "2", "0", "1", "2", "0", "1", "2"]
    with pytest.raises(ValueError, match=r"categories='z': neither a feature nor the target; did"):
        read(tmp_path, text, **{**dict.fromkeys(ALL), **ROLES, "categories": ["z"]})


def test_in_python_numbers_are_names_likewise() -> None:
    days = pd.date_range("2024-01-01", periods=4)
    frame = pd.DataFrame({"t": days, "shop": [7.0, 2.0, np.nan, 7.0], "y": [0, 1, 0, 1]})
    stream = Stream.from_frame(frame, target="y", time="t", categories=["shop"])
    assert isinstance(stream.X, pd.DataFrame)
    assert stream.X["shop"].cat.categories.tolist() == ["7", "2"]
    text = Stream.from_frame(frame.assign(shop=["7", "2", None, "7"]), target="y", time="t")
    assert stream.fingerprint == text.fingerprint


# --- files ---------------------------------------------------------------------------------------

TEXT = "ts,x,y\n" + "".join(f"2024-01-0{i},{i}.5,{i % 2}\n" for i in range(1, 7))


def zipped(data: bytes, path: Path) -> None:
    with zipfile.ZipFile(path, "w") as archive:
        archive.writestr("inner.csv", data)


PACKED: dict[str, Callable[[bytes, Path], Any]] = {
    "d.csv": lambda data, path: path.write_bytes(data),
    "d.txt": lambda data, path: path.write_bytes(data),
    "d": lambda data, path: path.write_bytes(data),
    "d.csv.gz": lambda data, path: path.write_bytes(gzip.compress(data)),
    "really-gzip.csv": lambda data, path: path.write_bytes(gzip.compress(data)),
    "d.csv.bz2": lambda data, path: path.write_bytes(bz2.compress(data)),
    "d.csv.xz": lambda data, path: path.write_bytes(lzma.compress(data)),
    "d.csv.zst": lambda data, path: path.write_bytes(pa.compress(data, "zstd", asbytes=True)),
    "d.csv.zip": lambda data, path: zipped(data, path),
}


@pytest.mark.parametrize("name", PACKED)
def test_compressed_files_are_read_like_plain_ones(tmp_path: Path, name: str) -> None:
    PACKED[name](TEXT.encode(), tmp_path / name)
    stream = table(tmp_path / name, **ROLES)
    assert stream.X[:, 0].tolist() == [1.5, 2.5, 3.5, 4.5, 5.5, 6.5]
    assert stream.reading == ()


def in_parts(folder: Path) -> list[Path]:
    lines = TEXT.splitlines()
    folder.mkdir()
    parts = {"a.csv": lines[1:3], "b.csv": lines[3:5], "c.csv": lines[5:]}
    for name, rows in parts.items():
        (folder / name).write_text("\n".join([lines[0], *rows]))
    (folder / ".hidden.csv").write_text("nothing")
    return [folder / name for name in parts]


def test_several_files_are_one_table(tmp_path: Path) -> None:
    files = in_parts(tmp_path / "days")
    (tmp_path / "d.csv").write_text(TEXT)
    whole = table(tmp_path / "d.csv", **ROLES)
    for path in (tmp_path / "days", tmp_path / "days" / "*.csv", files, [str(f) for f in files]):
        stream = table(path, **ROLES)
        assert stream.fingerprint == whole.fingerprint
        assert (stream.name, stream.reading) == ("days", ("3 files, a.csv to c.csv",))
    files[1].write_text("ts,x,y\n2024-01-03,3.5,1\n2024-01-04,oops,0\n")
    with pytest.raises(ValueError, match=r"column 'x': 'oops' in line 3 of b.csv, not a number"):
        table(tmp_path / "days", **ROLES)
    files[1].write_text("ts,z,y\n2024-01-03,3.5,1\n")
    with pytest.raises(ValueError, match=r"b.csv: lacks column 'x', unlike a.csv"):
        table(tmp_path / "days", **ROLES)


def test_names_stay_as_they_are_written_where_one_file_has_numbers_only(tmp_path: Path) -> None:
    files = in_parts(tmp_path / "d")
    files[0].write_text("ts,x,y\n2024-01-01,007,1\n2024-01-02,12,0\n")
    files[1].write_text("ts,x,y\n2024-01-03,a1,1\n2024-01-04,b1,0\n")
    files[2].write_text("ts,x,y\n2024-01-05,c1,1\n2024-01-06,d1,0\n")
    assert table(tmp_path / "d", **ROLES).X["x"].tolist() == ["007", "12", "a1", "b1", "c1", "d1"]


REFUSED: dict[str, tuple[str, str]] = {
    "twice": (
        "ts,x,y,y\n2024-01-01,1,1,0\n2024-01-02,1,0,1\n",
        "target='y': stands there twice; dataset.drop=[y.1] takes",
    ),
    "fields": ("ts,x,y\n2024-01-01,0,5,1,0\n2024-01-02,0,5,1,1\n", "line 2 has 5 fields and the h"),
    "binary": ("ts\0\1\2", "no table as text, nor Parquet"),
    "nothing": ("", "cannot be read"),
}


@pytest.mark.parametrize("case", REFUSED)
def test_what_is_no_table_is_refused_with_a_remedy(tmp_path: Path, case: str) -> None:
    text, message = REFUSED[case]
    (tmp_path / "d.csv").write_text(text)
    with pytest.raises(ValueError) as error:  # noqa: PT011 -- the message is compared
        table(tmp_path / "d.csv", **ROLES)
    assert str(error.value).startswith(str(tmp_path / "d.csv"))
    assert message in str(error.value)
