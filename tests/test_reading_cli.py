"""From the command line alone: keys as a shell takes them, and a table in five ways of writing."""

import inspect
import re
import shlex
from pathlib import Path
from typing import Any

import numpy as np
import pandas as pd
import pyarrow as pa
import pyarrow.parquet as pq
import pytest
from hydra.core.override_parser.overrides_parser import OverridesParser
from omegaconf import OmegaConf

from backtrain.cli import main
from backtrain.config.build import build
from backtrain.config.check import check
from backtrain.config.history import _files
from backtrain.datasets.stream import Stream
from backtrain.datasets.tabular import table

PRESET = Path(__file__).parent.parent / "conf" / "dataset" / "table.yaml"
DOCS = (Path(__file__).parent.parent / "docs" / "data.md").read_text()


def keys(line: str) -> dict[str, Any]:
    """The data set that a command line asks for: its words, parsed as Hydra does."""
    config = OmegaConf.load(PRESET)
    for override in OverridesParser.create().parse_overrides(shlex.split(line)):
        OmegaConf.update(config, override.key_or_group.removeprefix("dataset."), override.value())
    plain = OmegaConf.to_container(config)
    assert isinstance(plain, dict)
    return {str(key): value for key, value in plain.items()}


def stream_of(line: str) -> Stream:
    plain = keys(line)
    check({"dataset": plain}, lambda dataset: None)
    stream = build(plain)
    assert isinstance(stream, Stream)
    return stream


NAMES = ["signed at", "spend [EUR]", "a.b", "c=d", "Größe", "e,f"]
#: As a shell takes each of them.
WRITTEN = {
    "signed at": "'dataset.target=\"signed at\"'",
    "spend [EUR]": "'dataset.target=\"spend [EUR]\"'",
    "a.b": "dataset.target=a.b",
    "c=d": "'dataset.target=\"c=d\"'",
    "Größe": "'dataset.target=\"Größe\"'",
    "e,f": "'dataset.target=\"e,f\"'",
    "it's": '"dataset.target=\\"it\'s\\""',
    'the "x"': '\'dataset.target="the \\"x\\""\'',
    "g: h": "'dataset.target=\"g: h\"'",
}


@pytest.mark.parametrize("name", WRITTEN)
def test_names_of_columns_reach_the_table_as_they_are(tmp_path: Path, name: str) -> None:
    frame = pd.DataFrame({"t": pd.date_range("2024-01-01", periods=4), "x": 1.5, name: range(4)})
    frame.to_csv(tmp_path / "my.csv", index=False)
    stream = stream_of(f"dataset.path={tmp_path}/my.csv dataset.time=t {WRITTEN[name]}")
    assert (stream.target, stream.columns) == (name, ("x",))


def test_lists_of_names_too(tmp_path: Path) -> None:
    frame = pd.DataFrame(dict.fromkeys(NAMES, 1.5) | {"y": range(4)})
    frame.assign(t=pd.date_range("2024-01-01", periods=4)).to_csv(tmp_path / "my.csv", index=False)
    roles = f"dataset.path={tmp_path}/my.csv dataset.time=t dataset.target=y"
    left = stream_of(f'{roles} \'dataset.drop=["signed at",a.b,"c=d","Größe"]\'')
    assert left.columns == ("spend [EUR]", "e,f")
    some = stream_of(f'{roles} \'dataset.features=["e,f","Größe"]\' \'dataset.categories=["e,f"]\'')
    assert some.columns == ("e,f", "Größe")
    assert isinstance(some.X, pd.DataFrame)


def test_what_an_error_tells_to_write_can_be_written(tmp_path: Path) -> None:
    """The keys that messages name, taken out of them, help."""
    path = tmp_path / "my.csv"
    roles = f"dataset.path={path} dataset.time=ts dataset.target=y"
    path.write_text('ts,the x,y\n03/04/2023,1,0\n05/06/2023,?,1\n07/08/2023,"3",0\n')
    for _ in range(2):
        with pytest.raises(ValueError) as error:  # noqa: PT011 -- its remedy is followed
            stream_of(roles)
        found = re.findall(r"'dataset\.[^']*'|dataset\.\w+=(?:\[[^]]*\]|\w+)", str(error.value))
        roles += " " + next(key for key in found if "on_bad" not in key)
    assert np.isnan(np.asarray(stream_of(roles).X)[1, 0])
    assert "dataset.dayfirst=true 'dataset.na_values=[\"?\"]'" in roles


@pytest.mark.parametrize(
    "snippet", sorted(set(re.findall(r"`([^`\n]*dataset\.\w+=[^`\n]*)`", DOCS)))
)
def test_every_key_of_the_page_is_taken_as_it_stands_there(snippet: str) -> None:
    words = [word for word in shlex.split(snippet) if word.startswith("dataset.")]
    given = keys(" ".join(["dataset.path=p dataset.time=t dataset.target=y", shlex.join(words)]))
    check({"dataset": given}, lambda dataset: None)


def test_the_page_names_every_key() -> None:
    for key in inspect.signature(table).parameters:
        assert re.search(rf"`{key}`|dataset\.{key}=", DOCS) or key == "name", key


# --- one table in five ways of writing -----------------------------------------------------------


def churn(n: int) -> pd.DataFrame:
    """Who signed when, and left; known after 20 or 30 days, by day."""
    rng = np.random.default_rng(0)
    days = pd.Timestamp("2023-01-05") + pd.to_timedelta(np.sort(rng.integers(0, 400, n)), unit="D")
    at = (days + pd.to_timedelta(rng.integers(360, 1320, n), unit="min")).tz_localize(
        "Europe/Berlin"
    )
    left = rng.integers(0, 2, n)
    calls = pd.Series(rng.integers(0, 14, n)).astype("Int64").mask(rng.random(n) < 0.05)
    return pd.DataFrame(
        {
            "signed at": at,
            "plan": np.array(["basic", "plus", "für alle"])[rng.integers(0, 3, n)],
            "calls": calls,
            "spend [EUR]": np.round(rng.gamma(2, 400, n), 2),
            "store": rng.integers(1, 9, n),
            "abroad": rng.random(n) < 0.3,
            "left": left,
            "known at": at + pd.to_timedelta(np.where(left == 1, 20, 30), unit="D"),
        }
    )


def write_in_five_ways(folder: Path, frame: pd.DataFrame) -> None:
    times = ["signed at", "known at"]
    local = frame.assign(**{name: frame[name].dt.tz_localize(None) for name in times})
    since = pd.Timestamp(0, tz="UTC")
    counted = {name: (frame[name] - since) // pd.Timedelta("1ms") for name in times}
    frame.to_csv(folder / "iso.csv", index=False)
    local.to_csv(folder / "day_first.csv", index=False, date_format="%d/%m/%Y %H:%M")
    german = {"sep": ";", "decimal": ",", "date_format": "%d.%m.%Y %H:%M", "encoding": "cp1252"}
    local.to_csv(folder / "german.csv", index=False, **german)
    frame.assign(**counted).to_csv(folder / "epoch.csv", index=False)
    columns = {name: pa.array(frame[name]) for name in frame}
    columns["plan"] = columns["plan"].dictionary_encode()
    pq.write_table(pa.table(columns), folder / "arrow.parquet")


CHURN = (
    "'dataset.time=\"signed at\"' dataset.target=left 'dataset.label_time=\"known at\"' "
    "dataset.categories=[store] dataset.timezone=Europe/Berlin dataset.name=churn"
)


def test_one_table_in_five_ways_of_writing_is_one_stream(tmp_path: Path) -> None:
    write_in_five_ways(tmp_path, churn(600))
    ways = ["iso.csv", "day_first.csv", "german.csv", "epoch.csv", "arrow.parquet"]
    streams = [stream_of(f"dataset.path={tmp_path}/{way} {CHURN}") for way in ways]
    first = streams[0]
    assert first.columns == ("plan", "calls", "spend [EUR]", "store", "abroad")
    for stream in streams[1:]:
        assert stream.fingerprint == first.fingerprint
        assert stream.y.dtype == first.y.dtype


def test_a_run_of_it_says_what_was_left_out(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    monkeypatch.chdir(tmp_path)
    write_in_five_ways(tmp_path, churn(300))
    lines = (tmp_path / "german.csv").read_bytes().splitlines()
    (tmp_path / "bad.csv").write_bytes(b"\n".join([*lines, b"soon;plus;1;2,5;3;True;1;"]))
    run = ["run", "dataset=table", "dataset.path=bad.csv", *shlex.split(CHURN), "cache=false"]
    run += ["comparison=one", "model=linear", "progress=false", "n_jobs=1", "start=0.5"]
    assert main(run) == 2
    error = capsys.readouterr().err.strip().splitlines()
    assert "'soon' in line 302, not a time" in error[0]
    assert len(error) <= 5
    asked = f"dataset.path=bad.csv {CHURN} dataset.on_bad=drop"
    said = stream_of(asked).reading
    assert said[0].startswith("1 of 301 rows left out (on_bad=drop): time 'signed at': 'soon'")
    assert said[-1] == "separator semicolon, decimal comma, encoding cp1252"


def test_files_of_a_pattern_are_looked_at_for_changes(tmp_path: Path) -> None:
    for name in ("a.csv", "b.csv"):
        (tmp_path / name).write_text("x")
    for path in (str(tmp_path / "*.csv"), [str(tmp_path / "a.csv"), str(tmp_path / "b.csv")]):
        assert len(list(_files({"path": path}))) == 2
