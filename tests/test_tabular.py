"""Own data: files and OpenML as streams, and errors that say what to write instead."""

from pathlib import Path
from types import SimpleNamespace

import numpy as np
import pandas as pd
import pytest

from backtrain.datasets.tabular import openml, table

FRAME = pd.DataFrame(
    {
        "ts": ["2024-01-02", "2024-01-01", "2024-01-03"],
        "a": [2.0, 1.0, np.nan],
        "city": ["x", "y", "x"],
        "y": [1, 0, 1],
        "known_at": ["2024-01-04", "2024-01-03", None],
    }
)


def write(folder, name, df=FRAME):
    """Write the table in the format that the name says."""
    path = folder / name
    if path.suffix == ".parquet":
        df.to_parquet(path)
    else:
        df.to_csv(path, index=False, sep="\t" if ".tsv" in name else ",")
    return path


@pytest.mark.parametrize("name", ["my.csv", "my.csv.gz", "my.tsv", "my.parquet"])
def test_every_format_reads_the_same(tmp_path, name):
    stream = table(write(tmp_path, name), time="ts", target="y", label_time="known_at")
    assert stream.columns == ("a", "city")
    assert stream.y.tolist() == [0, 1, 1]
    assert stream.X["city"].tolist() == ["y", "x", "x"]
    assert stream.label_time.astype("datetime64[D]").astype(str).tolist() == [
        "2024-01-03",
        "2024-01-04",
        "NaT",
    ]
    assert (stream.name, stream.target) == ("my", "y")
    direct = table(write(tmp_path, "my.csv"), "ts", "y", "known_at")
    assert stream.fingerprint == direct.fingerprint


def test_columns_can_be_dropped_chosen_and_given_a_role(tmp_path):
    path = write(tmp_path, "my.csv", FRAME.assign(w=[1, 2, 3], g=["u", "v", "u"]))
    stream = table(path, "ts", "y", drop=["known_at", "city"], weight="w", group="g", name="mine")
    assert stream.columns == ("a",)
    assert stream.weight.tolist() == [2.0, 1.0, 3.0]
    assert stream.group.tolist() == ["v", "u", "u"]
    assert stream.name == "mine"
    assert table(path, "ts", "y", features=["w", "a"]).columns == ("w", "a")


REFUSED = {
    "my.csv: target='Y': no such column; did you mean 'y'?": {"target": "Y"},
    "my.csv: time='t': no such column; did you mean 'ts'?": {"time": "t"},
    "my.csv: label_time='known': no such column; did you mean 'known_at'?": {"label_time": "known"},
    "my.csv: drop='cty': no such column; did you mean 'city'?": {"drop": ["cty"]},
    "my.csv: drop='y': is needed; leave it out of `drop`": {"drop": ["y"]},
}


@pytest.mark.parametrize("message", REFUSED)
def test_errors_name_the_file_and_the_nearest_column(tmp_path, message):
    options = {"time": "ts", "target": "y"} | REFUSED[message]
    with pytest.raises(ValueError) as error:  # noqa: PT011 -- the message is compared
        table(write(tmp_path, "my.csv"), **options)
    assert message in str(error.value)


def test_a_missing_file_is_named_with_its_neighbour(tmp_path):
    write(tmp_path, "data.csv")
    with pytest.raises(FileNotFoundError, match=r"dat\.csv: no such file; did you mean 'data.csv'"):
        table(tmp_path / "dat.csv", "ts", "y")
    with pytest.raises(FileNotFoundError, match="no such file; is the folder right"):
        table(tmp_path / "nowhere" / "data.csv", "ts", "y")


def test_a_file_of_another_kind_is_refused(tmp_path):
    (tmp_path / "my.xlsx").write_bytes(b"PK")
    with pytest.raises(ValueError, match=r"my\.xlsx: \.xlsx suffix; use a \.csv"):
        table(tmp_path / "my.xlsx", "ts", "y")


@pytest.mark.parametrize("name", ["my.parquet", "my.csv"])
def test_a_damaged_file_is_named(tmp_path, name):
    (tmp_path / name).write_bytes(b"")
    with pytest.raises(ValueError, match=rf"{name}: cannot be read \("):
        table(tmp_path / name, "ts", "y")


def test_openml_is_read_by_name(monkeypatch):
    asked = {}

    def fetch(name, **options):
        asked.update(name=name, **options)
        return SimpleNamespace(frame=FRAME)

    monkeypatch.setattr("sklearn.datasets.fetch_openml", fetch)
    stream = openml("rain", time="ts", target="y", version=2, drop=["known_at"])
    assert asked == {"name": "rain", "version": 2, "as_frame": True}
    assert stream.name == "rain"
    assert stream.columns == ("a", "city")
    with pytest.raises(ValueError, match=r"OpenML 'rain': target='Y': .* did you mean 'y'"):
        openml("rain", time="ts", target="Y")


def test_a_column_of_times_as_text_is_no_feature(tmp_path: Path) -> None:
    path = tmp_path / "loans.csv"
    days = pd.date_range("2024-01-01", periods=9).astype(str)
    frame = pd.DataFrame({"ts": days, "known_at": days, "x": range(9), "y": range(9)})
    frame.to_csv(path, index=False)
    with pytest.raises(ValueError, match=r"such as '2024-01-01'.*dataset.drop=\[known_at\]"):
        table(path, time="ts", target="y")
    assert len(table(path, time="ts", target="y", label_time="known_at")) == 9
