"""Tables as people write them: the text of a file, and what is read of it or why it is not."""

import re
from pathlib import Path
from typing import Any

import numpy as np
import pandas as pd
import pytest
from sklearn.linear_model import LogisticRegression

from backtrain import Backtest, SetupError
from backtrain.datasets.stream import Stream
from backtrain.datasets.tabular import table

ROLES: dict[str, Any] = {"time": "ts", "target": "y"}


def written(folder: Path, text: str, name: str = "d.csv", encoding: str = "utf-8") -> Path:
    path = folder / name
    path.write_bytes(text.encode(encoding))
    return path


def read(folder: Path, text: str, encoding: str = "utf-8", **options: Any) -> Stream:
    return table(written(folder, text, encoding=encoding), **{**ROLES, **options})


def minutes(stream: Stream) -> list[str]:
    return stream.event_time.astype("M8[m]").astype(str).tolist()


def numbers(stream: Stream) -> list[Any]:
    """Features and label of each row."""
    rows = np.asarray(stream.X, dtype=object)
    return [[*row, label] for row, label in zip(rows.tolist(), stream.y.tolist(), strict=True)]


# --- times: a column, what is read of it, and what is said; each with options --------------------

TIMES: dict[str, tuple[list[str], list[str], dict[str, Any], str]] = {
    "day first, told by one value": (
        ["03/04/2023 10:00", "13/04/2023 11:00"],
        ["2023-04-03T10:00", "2023-04-13T11:00"],
        {},
        "day first, %d/%m/%Y %H:%M: '13/04/2023 11:00' has no other reading",
    ),
    "month first": (
        ["3/4/2023 1:05 PM", "3/14/2023 1:05 AM"],
        ["2023-03-04T13:05", "2023-03-14T01:05"],
        {},
        "month first, %m/%d/%Y %I:%M %p",
    ),
    "day first, as said": (
        ["03.04.2023", "05.06.2023"],
        ["2023-04-03T00:00", "2023-06-05T00:00"],
        {"dayfirst": True},
        "day first (dayfirst=true), %d.%m.%Y",
    ),
    "month first, as said": (
        ["03-04-23", "05-06-23"],
        ["2023-03-04T00:00", "2023-05-06T00:00"],
        {"dayfirst": False},
        "month first (dayfirst=false)",
    ),
    "a format, as said": (
        ["23-04-03", "23-05-04"],
        ["2023-04-03T00:00", "2023-05-04T00:00"],
        {"time_format": "%y-%m-%d"},
        "",
    ),
    "weeks": (
        ["201729", "201801"],
        ["2017-07-17T00:00", "2018-01-01T00:00"],
        {"time_format": "%G%V"},
        "",
    ),
    "weeks from Monday on": (
        ["2017-W29", "2018-W01"],
        ["2017-07-17T00:00", "2018-01-01T00:00"],
        {"time_format": "%Y-W%W"},
        "",
    ),
    "days since year 1": (
        ["736389", "736390"],
        ["2017-03-01T00:00", "2017-03-02T00:00"],
        {"time_unit": "ordinal"},
        "",
    ),
    "years of two digits, none of which is to come": (
        ["7/1/62", "7/31/06"],
        ["1962-07-01T00:00", "2006-07-31T00:00"],
        {},
        "years of two digits that are to come are of the past: 62 is 1962",
    ),
    "the same by a format": (
        ["620701", "060731"],
        ["1962-07-01T00:00", "2006-07-31T00:00"],
        {"time_format": "%y%m%d"},
        "62 is 1962",
    ),
    "years of two digits as they are due": (
        ["13/7/69", "13/7/26"],
        ["1969-07-13T00:00", "2026-07-13T00:00"],
        {},
        "day first, %d/%m/%y",
    ),
    "with and without hours": (
        ["1/2/2023", "13/2/2023 15:00"],
        ["2023-02-01T00:00", "2023-02-13T15:00"],
        {},
        "%d/%m/%Y and %d/%m/%Y %H:%M",
    ),
    "a month's name": (
        ["Apr 3, 2023", "May 14, 2023"],
        ["2023-04-03T00:00", "2023-05-14T00:00"],
        {},
        "%b %d, %Y",
    ),
    "a day's name and GMT": (
        ["Mon, 03 Apr 2023 10:00:00 GMT", "Tue, 04 Apr 2023 10:00:00 GMT"],
        ["2023-04-03T10:00", "2023-04-04T10:00"],
        {},
        "%a, %d %b %Y %H:%M:%S",
    ),
    "UTC in letters": (
        ["2024-01-31 13:00:00 UTC", "2024-01-31 14:00:00 UTC"],
        ["2024-01-31T13:00", "2024-01-31T14:00"],
        {},
        "",
    ),
    "offsets that change": (
        ["2024-03-31 01:00:00+01:00", "2024-03-31 03:00:00+02:00"],
        ["2024-03-31T00:00", "2024-03-31T01:00"],
        {},
        "offsets +01:00 and +02:00, read as UTC; dataset.timezone=",
    ),
    "local times of a zone": (
        ["2024-03-01 10:00", "2024-07-01 10:00"],
        ["2024-03-01T09:00", "2024-07-01T08:00"],
        {"timezone": "Europe/Berlin"},
        "",
    ),
    "the hour that comes twice, in order": (
        ["2024-10-27 02:30", "2024-10-27 02:00", "2024-10-27 02:30"],
        ["2024-10-27T00:30", "2024-10-27T01:00", "2024-10-27T01:30"],
        {"timezone": "Europe/Berlin"},
        "3 in an hour that comes twice, such as 2024-10-27 02:30:00: told by the order",
    ),
    "the hour that comes twice, alone": (
        ["2024-10-27 02:30", "2024-10-28 02:30"],
        ["2024-10-27T00:30", "2024-10-28T01:30"],
        {"timezone": "Europe/Berlin"},
        "such as 2024-10-27 02:30:00: the first of the two",
    ),
    "the hour that comes twice, newest first": (
        ["2024-10-27 03:00", "2024-10-27 02:00", "2024-10-27 02:00", "2024-10-27 01:00"],
        ["2024-10-26T23:00", "2024-10-27T00:00", "2024-10-27T01:00", "2024-10-27T02:00"],
        {"timezone": "Europe/Berlin"},
        "2 in an hour that comes twice, such as 2024-10-27 02:00:00: told by the order",
    ),
    "the hour that comes twice, rows in no order": (
        ["2024-10-27 09:00", "2024-10-27 02:50", "2024-10-27 02:10", "2024-10-26 02:10"],
        ["2024-10-26T00:10", "2024-10-27T00:10", "2024-10-27T00:50", "2024-10-27T08:00"],
        {"timezone": "Europe/Berlin"},
        "such as 2024-10-27 02:50:00: the first of the two",
    ),
    "the hour that is left out": (
        ["2024-03-30 02:30", "2024-03-31 02:30"],
        ["2024-03-30T01:30", "2024-03-31T01:30"],
        {"timezone": "Europe/Berlin"},
        "1 in an hour that clocks of Europe/Berlin leave out, such as 2024-03-31 02:30:00: "
        "read as 2024-03-31 03:30:00",
    ),
    "the half hour that is left out": (
        ["2024-10-06 02:10", "2024-10-06 03:10"],
        ["2024-10-05T15:40", "2024-10-05T16:10"],
        {"timezone": "Australia/Lord_Howe"},
        "such as 2024-10-06 02:10:00: read as 2024-10-06 02:40:00",
    ),
    "the day that is left out": (
        ["2011-12-29 12:00", "2011-12-30 12:00"],
        ["2011-12-29T22:00", "2011-12-30T22:00"],
        {"timezone": "Pacific/Apia"},
        "such as 2011-12-30 12:00:00: read as 2011-12-31 12:00:00",
    ),
    "a fixed offset, as one writes it": (
        ["2024-03-01 10:00", "2024-07-01 10:00"],
        ["2024-03-01T08:00", "2024-07-01T08:00"],
        {"timezone": "UTC+2"},
        "",
    ),
    "names of zones": (
        ["2024-03-01 10:00 CET", "2024-07-01 10:00 CEST"],
        ["2024-03-01T09:00", "2024-07-01T08:00"],
        {"timezone": "Europe/Berlin"},
        "",
    ),
    "some with an offset": (
        ["2024-03-01 10:00:00+00:00", "2024-07-01 10:00:00"],
        ["2024-03-01T10:00", "2024-07-01T08:00"],
        {"timezone": "Europe/Berlin"},
        "",
    ),
    "seconds": (
        ["1709251200", "1709251260"],
        ["2024-03-01T00:00", "2024-03-01T00:01"],
        {},
        "s since 1970: 1709251200 is 2024-03-01",
    ),
    "seconds with fractions": (
        ["1709251200.5", "1709251260.25"],
        ["2024-03-01T00:00", "2024-03-01T00:01"],
        {},
        "s since 1970",
    ),
    "milliseconds": (
        ["1709251200000", "1709251260000"],
        ["2024-03-01T00:00", "2024-03-01T00:01"],
        {},
        "ms since 1970: 1709251200000 is 2024-03-01",
    ),
    "nanoseconds": (
        ["1709251200000000000", "1709251260000000000"],
        ["2024-03-01T00:00", "2024-03-01T00:01"],
        {},
        "ns since 1970",
    ),
    "days, as said": (["1", "2"], ["1970-01-02T00:00", "1970-01-03T00:00"], {"time_unit": "D"}, ""),
    "days of a spreadsheet": (
        ["45322.5", "45323"],
        ["2024-01-31T12:00", "2024-02-01T00:00"],
        {},
        "as spreadsheets count them: 45322.5 is 2024-01-31 12:00:00",
    ),
    "compact days": (
        ["20240131", "20240201"],
        ["2024-01-31T00:00", "2024-02-01T00:00"],
        {},
        "%Y%m%d",
    ),
    "compact hours": (
        ["2024013113", "2024013114"],
        ["2024-01-31T13:00", "2024-01-31T14:00"],
        {},
        "%Y%m%d%H",
    ),
    "quarters": (["2023-Q1", "Q2 2023"], ["2023-01-01T00:00", "2023-04-01T00:00"], {}, ""),
    "months": (["202401", "202402"], ["2024-01-01T00:00", "2024-02-01T00:00"], {}, "%Y%m"),
    "years": (["1999", "2000"], ["1999-01-01T00:00", "2000-01-01T00:00"], {}, "%Y"),
}  # fmt: skip


def column(values: list[str]) -> str:
    rows = "\n".join(f'"{value}",{i}.5,{i % 2}' for i, value in enumerate(values))
    return f"ts,x,y\n{rows}\n"


@pytest.mark.parametrize("case", TIMES)
def test_times_are_read_in_one_way_which_is_said(tmp_path: Path, case: str) -> None:
    values, expected, options, said = TIMES[case]
    stream = read(tmp_path, column(values), **options)
    assert minutes(stream) == expected
    assert said in "\n".join(stream.reading)
    assert bool(said) == bool(stream.reading)


@pytest.mark.parametrize("case", [case for case in TIMES if "hour that" in case])
def test_a_frame_is_read_by_the_rule_of_files(tmp_path: Path, case: str) -> None:
    """Local times and labels two hours later, in a file and in a frame: the same stream."""
    values, _, options, _ = TIMES[case]
    df = pd.DataFrame({"ts": pd.to_datetime(values), "x": np.arange(len(values)) / 2})
    df = df.assign(known=df["ts"] + pd.Timedelta("2h"), y=np.arange(len(values)) % 2)
    df.to_csv(tmp_path / "frame.csv", index=False)
    roles = {"target": "y", "time": "ts", "label_time": "known"}
    framed = Stream.from_frame(df, **roles, **options)
    filed = table(tmp_path / "frame.csv", **roles, **options)
    assert framed.fingerprint == filed.fingerprint
    assert framed.reading == filed.reading


ASKED: dict[str, tuple[list[str], dict[str, Any], str]] = {
    "day or month": (
        ["03/04/2023", "05/06/2023"],
        {},
        "time 'ts': 03/04/2023: 3 April or 4 March? dataset.dayfirst=true|false",
    ),
    "day or month, with a hint": (
        ["03/04/2023", "01/05/2023"],
        {},
        "dataset.dayfirst=true|false (only day first the rows are in order of time)",
    ),
    "day or year": (
        ["23-04-03", "24-05-04", "23-04-30"],
        {},
        "23 April 2003 or 3 April 2023? dataset.time_format='%d-%m-%y'|'%y-%m-%d'",
    ),
    "both": (
        ["13/02/2023", "02/14/2023"],
        {},
        "'13/02/2023' (line 2) is day first and '02/14/2023' (line 3) is month first",
    ),
    "not as said": (["13/02/2023", "05/06/2023"], {"dayfirst": False}, "not as was said"),
    "mixed": (["13/02/2023", "05/06/2023"], {"time_format": "mixed"}, "reads each value by itself"),
    "another format": (["13/02/2023"] * 2, {"time_format": "%Y"}, "reads no value, such as '13/02"),
    "a wrong format": (["13/02/2023"] * 2, {"time_format": "%Q"}, "'Q' is a bad directive"),
    "row numbers": (["1", "2"], {}, "numbers such as 1; say what they count: dataset.time_unit=s|"),
    "names of zones": (
        ["2024-03-01 10:00 CET"] * 2,
        {},
        "'CET' names no single offset from UTC; dataset.timezone=",
    ),
    "some with an offset": (
        ["2024-03-01 10:00:00+00:00", "2024-07-01 10:00:00"],
        {},
        "1 of 2 without one: '2024-07-01 10:00:00' in line 3; dataset.timezone=UTC",
    ),
    "no zone": (["2024-03-01"] * 2, {"timezone": "Europe/Berln"}, "did you mean 'Europe/Berlin'"),
    "a month first, without": (["10142018"] * 2, {}, "dataset.time_format=%m%d%Y reads them; "),
    "days or months first, without": (["10112018"] * 2, {}, "count: dataset.time_unit=s|"),
    "weeks": (["201729", "201801"], {}, "say what they count: dataset.time_format=%G%V reads them"),
    "days since year 1": (["736389"] * 2, {}, "count: dataset.time_unit=ordinal reads them"),
    "weeks as text": (["2017-W29"] * 2, {}, "how it is written: dataset.time_format=%G-W%V"),
    "a length of time": (["0 days 00:00:01"] * 2, {}, "a time without a day; take it with"),
    "a time of day": (["10:00", "11:30 pm"], {}, "'10:00', a time without a day; take it with the"),
    "words": (["soon", "later"], {}, "line 2 is 'soon', not a time; where it is one, say how"),
    "the time of reading": (["now", "2024-03-01"], {}, "'now' in line 2, not a time"),
}  # fmt: skip


@pytest.mark.parametrize("case", ASKED)
def test_what_can_be_read_in_two_ways_is_asked_in_a_few_lines(tmp_path: Path, case: str) -> None:
    values, options, message = ASKED[case]
    with pytest.raises(ValueError) as error:  # noqa: PT011 -- the message is compared
        read(tmp_path, column(values), **options)
    said = str(error.value)
    assert message in said
    assert "mixed'" not in said.replace("time_format='mixed'", "")
    assert len(said.splitlines()) <= 5


def test_thirteen_settles_it_wherever_it_is(tmp_path: Path) -> None:
    values = ["03/04/2023"] * 3_000 + ["13/04/2023"]
    assert minutes(read(tmp_path, column(values)))[0] == "2023-04-03T00:00"
    values[-1] = "04/13/2023"
    assert minutes(read(tmp_path, column(values)))[0] == "2023-03-04T00:00"


def test_both_times_may_be_written_otherwise(tmp_path: Path) -> None:
    rows = ["13/02/2023 10:00,1676300000,1,0", "14/02/2023 10:00,,2,1"]
    text = "\n".join(["ts,known,x,y", *rows, "15/02/2023 10:00,1676500000,2,1"])
    asked = {"label_time": "known"}
    message = r"'known' has a time zone and 'ts' has none; dataset\.timezone=UTC"
    with pytest.raises(ValueError, match=message):
        read(tmp_path, text, **asked)
    stream = read(tmp_path, text, timezone="UTC", **asked)
    known = stream.label_time.astype("M8[s]").astype(str).tolist()
    assert known == ["2023-02-13T14:53:20", "NaT", "2023-02-15T22:26:40"]
    formats = {"ts": "%d/%m/%Y %H:%M", "known": "%Y-%m-%d"}
    other = "ts,known,x,y\n03/02/2023 10:00,2023-05-06,1,0\n04/02/2023 10:00,2023-05-06,2,1\n"
    found = read(tmp_path, other, time_format=formats, **asked)
    assert minutes(found) == ["2023-02-03T10:00", "2023-02-04T10:00"]


PARTS: dict[str, tuple[str, list[str], tuple[str, ...]]] = {
    "a date and a time of day": (
        "Date;Time;x;y\n13/02/2023;18.00.00;1,5;0\n05/03/2023;19.30.00;2,5;1\n",
        ["Date", "Time"],
        ("x",),
    ),
    "numbers, which stay features": (
        "year,month,day,hour,x,y\n2023,2,13,18,1,0\n2023,3,5,19,2,1\n",
        ["year", "month", "day", "hour"],
        ("year", "month", "day", "hour", "x"),
    ),
    "minutes in numbers": (
        "day,hour,min,x,y\n2023-02-13,18,5,1,0\n2023-03-05,19,30,2,1\n",
        ["day", "hour", "min"],
        ("hour", "min", "x"),
    ),
    "years to minutes": (
        "y4,m,d,h,min,x,y\n2023,2,13,18,5,1,0\n2023,3,5,19,30,2,1\n",
        ["y4", "m", "d", "h", "min"],
        ("y4", "m", "d", "h", "min", "x"),
    ),
    "months": (
        "year,month,x,y\n2023,2,1,0\n2023,3,2,1\n",
        ["year", "month"],
        ("year", "month", "x"),
    ),
}


@pytest.mark.parametrize("case", PARTS)
def test_a_time_may_stand_in_several_columns(tmp_path: Path, case: str) -> None:
    text, names, features = PARTS[case]
    stream = read(tmp_path, text, time=names)
    assert [when[:7] for when in minutes(stream)] == ["2023-02", "2023-03"]
    assert stream.columns == features
    with pytest.raises(ValueError, match="time='Tme': no such column; did you mean '"):
        read(tmp_path, text, time=[names[0], "Tme"])


# --- text: a file, what is read of it and said ---------------------------------------------------

PLAIN = [[0.5, 1.5], [1234.25, 2.5], [-3.0, 0.0]]


def test_a_word_for_nothing_can_be_a_class(tmp_path: Path) -> None:
    text = "ts,x,y\n2024-01-01,1,None\n2024-01-02,NA,minor\n2024-01-03,3,None\n2024-01-04,3,\n"
    text += "2024-01-05,1,none\n"
    stream = read(tmp_path, text)
    assert stream.y.tolist() == [None, "minor", None, None, "none"]
    said = "3 of 5 labels are missing, 2 written 'None': 'dataset.na_values={y: []}' makes that"
    assert stream.reading[-1].startswith(said)
    kept = read(tmp_path, text, na_values={"y": []})
    assert kept.y.tolist() == ["None", "minor", "None", None, "none"]
    assert np.isnan(np.asarray(kept.X)[1, 0])  # of other columns it is still missing
    assert not kept.reading
    amounts = read(tmp_path, "ts,x,y\n2024-01-01,1,2\n2024-01-02,1,\n2024-01-02,1,3\n")
    assert not amounts.reading


REST: dict[str, tuple[str, list[str]]] = {
    "a time of day": ("d,Time,x,y\nD,18:00,1,0\nD,19:30,2,1\nE,1:00,1,1\nE,2:00,1,0", ["Time"]),
    "points": ("d;Time;x;y\nD;18.00.00;1;0\nD;19.30.00;2;1\nE;1.00.00;1;1\nE;2.30;1;0", ["Time"]),
    "an hour": ("d,Hour,x,y\nD,0,1,0\nD,1,2,1\nE,1,2,1\nE,0,1,0", ["Hour"]),
    "numbers": (
        "d,month,day,hr,x,y\n2023,2,13,0,1,0\n2023,3,5,1,2,1\n2024,2,13,1,1,0\n2024,2,13,2,1,0",
        ["month", "day", "hr"],
    ),
}  # fmt: skip


@pytest.mark.parametrize("case", REST)
def test_the_rest_of_a_time_is_pointed_at_and_makes_it_whole(tmp_path: Path, case: str) -> None:
    text, names = REST[case]
    text = text.replace("D", "13/02/2023").replace("E", "14/02/2023")
    said = read(tmp_path, text, time="d").reading
    key = f"dataset.time=[{','.join(['d', *names])}]"
    assert said[-1].endswith(
        f": 4 rows have 2 times; {' and '.join(names)} may be the rest of them: {key}"
    )
    assert len(set(minutes(read(tmp_path, text, time=["d", *names])))) == 4
    days = text.replace("\n13", "\n12", 1).replace("\n14", "\n15", 1).replace("\n2023", "\n2022", 1)
    assert not any("may be" in one for one in read(tmp_path, days, time="d").reading)
    with pytest.raises(ValueError, match=f"all 2 rows have one time; .*{re.escape(key)}"):
        read(tmp_path, "\n".join(text.splitlines()[:3]), time="d", dayfirst=True)


def test_points_that_may_all_be_of_thousands_are_asked(tmp_path: Path) -> None:
    text = "ts;x;y\n2023-02-13;1.234;0\n2023-02-14;12.500;1\n2023-02-15;7;1\n"
    asked = r"column 'x': '1.234' is 1.234 or 1234\? dataset.decimal=point or dataset.thousands="
    with pytest.raises(ValueError, match=asked):
        read(tmp_path, text)
    assert numbers(read(tmp_path, text, decimal="point"))[:2] == [[1.234, 0], [12.5, 1]]
    assert numbers(read(tmp_path, text, thousands="point")) == [[1234, 0], [12500, 1], [7, 1]]
    for clear in (text.replace("7;", "0.7;"), text.replace("7;", "7.25;"), text.replace(";", ",")):
        assert numbers(read(tmp_path, clear))[0] == [1.234, 0]
    assert numbers(read(tmp_path, text.replace(";7;", ";2000;")))[0] == [1.234, 0]


@pytest.mark.parametrize(
    ("values", "said"),
    [
        (
            ["-200,-200", "3,-200", "-200,4", "-200,-200"],
            "-200 is the only negative number in x, z",
        ),
        (["-99,1", "-99,2", "-99,-3", "5,1"], "-99 is the only negative number in x: where it"),
        (["-1,1", "-1,2", "-1,0", "5,1"], ""),
        (["-99,1", "-99,2", "-99,0", "-5,1"], ""),
    ],
)
def test_a_number_that_may_say_missing_is_pointed_at(
    tmp_path: Path, values: list[str], said: str
) -> None:
    rows = [f"2023-02-1{day},{x},{day % 2}" for day, x in enumerate(values)]
    reading = read(tmp_path, "\n".join(["ts,x,z,y", *rows])).reading
    assert bool(reading) == bool(said)
    assert said in "".join(reading)


def test_all_columns_of_times_are_named_at_once(tmp_path: Path) -> None:
    text = "ts,Closed Date,x,due,y\n2023-02-13,1/3/2023 12:08,1,2023-03-01,0\n2023-02-14,,2,,1\n"
    with pytest.raises(
        ValueError, match=r"'dataset\.drop=\[Closed Date,due\]' leaves all of"
    ) as told:
        read(tmp_path, text)
    assert "'dataset.label_time=Closed Date' if labels are known then" in str(told.value)
    assert read(tmp_path, text, drop=["Closed Date", "due"]).columns == ("x",)


def test_what_a_time_says_of_itself_are_features(tmp_path: Path) -> None:
    text = "ts,y\n2023-02-13T23:30Z,0\n2023-02-12T10:00Z,1\n"
    with pytest.raises(SetupError, match=r"has none, .* lags.known=.* dataset.time_features=\["):
        Backtest(read(tmp_path, text), LogisticRegression())
    stream = read(tmp_path, text, time_features=["day_of_week", "hour"], timezone="Europe/Berlin")
    assert stream.columns == ("day_of_week", "hour")
    assert np.asarray(stream.X).tolist() == [[6, 11], [1, 0]]
    for wrong in ("hours", "y"):
        with pytest.raises(ValueError, match=f"time_features='{wrong}': none of year, quarter"):
            read(tmp_path, text, time_features=[wrong])
    with pytest.raises(ValueError, match="time_features='hour': a column is called so"):
        read(tmp_path, "ts,hour,y\n2023-02-13,1,0\n", time_features=["hour"])


FILES: dict[str, tuple[str, dict[str, Any], str]] = {
    "as it was": ("ts,x,y\n{0},0.5,1.5\n{1},1234.25,2.5\n{2},-3,0\n", {}, ""),
    "semicolon and comma": (
        "ts;x;y\n{0};0,5;1,5\n{1};1234,25;2,5\n{2};-3;0\n",
        {},
        "separator semicolon, decimal comma",
    ),
    "and points between thousands": (
        "ts;x;y\n{0};0,5;1,5\n{1};1.234,25;2,5\n{2};-3;0\n",
        {},
        "separator semicolon, decimal comma|x: '1.234,25' is 1234.25",
    ),
    "tabs": ("ts\tx\ty\n{0}\t0.5\t1.5\n{1}\t1234.25\t2.5\n{2}\t-3\t0\n", {}, "separator tab"),
    "pipes": ("ts|x|y\n{0}|0.5|1.5\n{1}|1234.25|2.5\n{2}|-3|0\n", {}, "separator pipe"),
    "spaces": ("ts   x  y\n{0} 0.5 1.5\n{1}  1234.25   2.5\n{2}  -3 0\n", {}, "separator spaces"),
    "as said": (
        "ts;x;y\n{0};0,5;1,5\n{1};1'234,25;2,5\n{2};-3;0\n",
        {"sep": "semicolon", "decimal": "comma", "thousands": "apostrophe"},
        "",
    ),
    "groups of three": (
        'ts,x,y\n{0},0.5,1.5\n{1},"1,234.25",2.5\n{2},-3,0\n',
        {},
        "x: '1,234.25' is 1234.25",
    ),
    "commas within quotes": (
        'ts,x,y\n{0},"0,5","1,5"\n{1},"1234,25","2,5"\n{2},-3,0\n',
        {},
        "x: '0,5' is 0.5|y: '1,5' is 1.5",
    ),
    "a currency": (
        'ts,x,y\n{0},$0.50,1.5\n{1},"$1,234.25",2.5\n{2},-$3,0\n',
        {},
        "x: '$1,234.25' is 1234.25",
    ),
    "the code of a currency": (
        'ts,x,y\n{0},EUR 0.50,1.5\n{1},"EUR 1,234.25",2.5\n{2},EUR -3,0\n',
        {},
        "x: 'EUR 1,234.25' is 1234.25",
    ),
    "brackets below zero": (
        'ts,x,y\n{0},0.50,1.5\n{1},"1,234.25",2.5\n{2},(3.00),0\n',
        {},
        "x: '(3.00)' is -3",
    ),
    "a sign behind": ("ts,x,y\n{0},0.5,1.5\n{1},1234.25,2.5\n{2},3-,0\n", {}, "x: '3-' is -3"),
    "a long minus": (
        "ts,x,y\n{0},0.5,1.5\n{1},1234.25,2.5\n{2},\u22123,0\n",
        {},
        "x: '\u22123' is -3",
    ),
    "spaces after commas": ("ts, x, y\n{0}, 0.5, 1.5\n{1}, 1234.25, 2.5\n{2}, -3, 0\n", {}, ""),
    "lines before the header": (
        "# made by hand\nunits: m\nts,x,y\n{0},0.5,1.5\n{1},1234.25,2.5\n{2},-3,0\n",
        {},
        "the header is line 3; 2 before it left out",
    ),
    "a line for spreadsheets": (
        "sep=;\nts;x;y\n{0};0,5;1,5\n{1};1234,25;2,5\n{2};-3;0\n",
        {},
        "separator semicolon, decimal comma|the header is line 2; 1 before it left out",
    ),
    "comments, blanks and a footer": (
        "ts,x,y\n{0},0.5,1.5\n# restarted\n{1},1234.25,2.5\n,,\n{2},-3,0\nSource: the bank,,\n",
        {},
        "3 lines that are no rows left out, such as line 3: '# restarted'",
    ),
    "separators at the end": (
        "ts,x,y\n{0},0.5,1.5,\n{1},1234.25,2.5,\n{2},-3,0,\n",
        {},
        "",
    ),
    "and in the header": (
        "ts,x,y,\n{0},0.5,1.5,\n{1},1234.25,2.5,\n{2},-3,0,\n",
        {},
        "1 columns without a name or a value left out",
    ),
    "an index": (
        ",ts,x,y\n7,{0},0.5,1.5\n8,{1},1234.25,2.5\n9,{2},-3,0\n",
        {},
        "the first column, without a name, numbers the rows: left out (dataset.index_columns=[]",
    ),
    "an index without a place in the header": (
        "ts,x,y\n7,{0},0.5,1.5\n8,{1},1234.25,2.5\n9,{2},-3,0\n",
        {},
        "the first column has no name: left out",
    ),
    "numbers of rows, as said": (
        "id,ts,x,y\n7,{0},0.5,1.5\n8,{1},1234.25,2.5\n9,{2},-3,0\n",
        {"index_columns": ["id"]},
        "left out as names of rows: id",
    ),
}
DAYS = ("2024-01-01", "2024-01-02", "2024-01-03")


@pytest.mark.parametrize("case", FILES)
def test_text_is_read_as_it_is_written_which_is_said(tmp_path: Path, case: str) -> None:
    text, options, said = FILES[case]
    stream = read(tmp_path, text.format(*DAYS), **options)
    assert stream.columns == ("x",)
    assert numbers(stream) == PLAIN
    expected = said.split("|") if said else []
    assert [s.removesuffix(" keeps it)") for s in stream.reading] == expected


ENCODINGS = {
    "utf-8": "",
    "utf-8-sig": "",
    "utf-16": "encoding utf-16",
    "cp1252": "encoding cp1252",
}


@pytest.mark.parametrize("encoding", ENCODINGS)
def test_the_encoding_is_found_out(tmp_path: Path, encoding: str) -> None:
    text = "ts,Größe,y\n2024-01-01,1,0\n2024-01-02,2,1\n"
    stream = read(tmp_path, text, encoding=encoding)
    assert stream.columns == ("Größe",)
    assert "".join(stream.reading) == ENCODINGS[encoding]


def test_bytes_that_turn_up_late_are_found_out_too(tmp_path: Path) -> None:
    head = "ts,x,y\n" + "2024-01-01,no,0\n2024-01-02,no,1\n" * 20_000
    stream = read(tmp_path, head + "2024-01-03,größer,1\n", encoding="latin-1")
    assert stream.X["x"].iloc[-1] == "größer"
    assert stream.reading == ("encoding cp1252",)
    line = "2024-01-03,größer,1\n"
    both = (head + line * 9).encode() + line.encode("latin-1")
    (tmp_path / "both.csv").write_bytes(both)
    with pytest.raises(ValueError, match="line 40011 is no UTF-8, and other lines are; correct it"):
        table(tmp_path / "both.csv", **ROLES)
    assert len(table(tmp_path / "both.csv", encoding="cp1252", **ROLES)) == 40_010


def test_what_pandas_reads_as_it_is_stays_the_same_to_the_last_bit(tmp_path: Path) -> None:
    rng = np.random.default_rng(0)
    n = 400
    frame = pd.DataFrame(
        {
            "ts": pd.date_range("2024-01-01", periods=n, freq="1h"),
            "long": rng.normal(size=n) * 10.0 ** rng.integers(-20, 20, n),
            "large": rng.integers(0, 2**62, n),
            "truth": rng.random(n) < 0.5,
            "maybe": pd.Series(rng.random(n) < 0.5).astype(object).mask(rng.random(n) < 0.1),
            "word": np.array(["a", "b c", "", " ", "7"])[rng.integers(0, 5, n)],
            "y": rng.normal(size=n),
        }
    )
    path = tmp_path / "d.csv"
    frame.to_csv(path, index=False)
    plain = Stream.from_frame(pd.read_csv(path), time="ts", target="y")
    assert table(path, **ROLES).fingerprint == plain.fingerprint
    german = {"sep": ";", "decimal": ",", "date_format": "%d.%m.%Y %H:%M"}
    frame.to_csv(path, index=False, **german)
    assert table(path, **ROLES).fingerprint == plain.fingerprint
