"""The calendar of a stream: its time zone, local days and months, and changes of the clock."""

import itertools
from dataclasses import replace
from datetime import UTC, timedelta, timezone
from pathlib import Path
from typing import Any
from zoneinfo import ZoneInfo

import numpy as np
import pandas as pd
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from backtrain import Stream
from backtrain.datasets import faults, latency
from backtrain.datasets.calendar import Calendar, zone_name
from backtrain.datasets.offsets import parse_offset


def frame(times: object) -> pd.DataFrame:
    n = len(times)  # type: ignore[arg-type]
    return pd.DataFrame({"t": times, "x": np.arange(n) * 1.0, "y": np.arange(n) % 2})


def stream(zone: str | None = "Europe/Berlin", days: int = 10, freq: str = "D") -> Stream:
    times = pd.date_range("2024-03-28", periods=days, freq=freq, tz=zone)
    return Stream.from_frame(frame(times), target="y", time="t")


def test_a_stream_keeps_the_zone_of_its_time_column(tmp_path: Path) -> None:
    kept = stream()
    assert kept.timezone == "Europe/Berlin"
    assert kept.event_time[0] == np.datetime64("2024-03-27T23:00")
    kept.save(tmp_path / "s")
    opened = Stream.open(tmp_path / "s")
    assert (opened.timezone, opened.fingerprint) == (kept.timezone, kept.fingerprint)
    assert latency.apply(kept, latency.Fixed("1D")).timezone == kept.timezone
    twice = faults.DuplicatedRows(start="2024-03-30", stop="2024-03-31")
    spoilt = faults.inject(kept, [twice])
    assert spoilt.timezone == kept.timezone
    assert str(spoilt.faults[0].stop) == "2024-03-30 23:00:00"
    assert replace(kept, name="other").timezone == kept.timezone
    text = Stream.from_frame(frame(["2024-03-28T00:00+02:00"] * 4), target="y", time="t")
    assert text.timezone == "UTC+02:00"


def test_times_without_a_zone_are_local_where_one_is_named() -> None:
    times = pd.date_range("2024-03-28", periods=10, freq="D")
    named = Stream.from_frame(frame(times), target="y", time="t", timezone="Europe/Berlin")
    assert (named.event_time == stream().event_time).all()
    moved = Stream.from_frame(
        frame(times.tz_localize("Europe/Berlin")), target="y", time="t", timezone="Asia/Tokyo"
    )
    assert moved.timezone == "Asia/Tokyo"
    assert (moved.event_time == named.event_time).all()


def test_only_a_zone_changes_the_fingerprint() -> None:
    berlin = stream()
    plain = replace(berlin, timezone="UTC")
    assert plain.timezone is None
    assert plain.fingerprint == replace(plain).fingerprint != berlin.fingerprint
    times = plain.event_time
    again = Stream(plain.X, plain.y, times, columns=plain.columns, target="y")
    assert again.fingerprint == plain.fingerprint


@pytest.mark.parametrize(
    ("zone", "name"),
    [
        (None, None),
        ("utc", None),
        ("+00:00", None),
        ("UTC-03:30", "UTC-03:30"),
        ("+0530", "UTC+05:30"),
        (ZoneInfo("Asia/Kolkata"), "Asia/Kolkata"),
        (timezone(timedelta(hours=2)), "UTC+02:00"),
        (UTC, None),
        (pd.Timestamp("2024-01-01", tz="dateutil/Europe/Berlin").tz, "Europe/Berlin"),
    ],
)
def test_zones_have_one_name(zone: object, name: str | None) -> None:
    assert zone_name(zone) == name  # type: ignore[arg-type]


@pytest.mark.parametrize("zone", ["Berlin", "+25:00", "CET+1", ""])
def test_what_is_no_zone_is_refused_with_the_nearest_one(zone: str) -> None:
    with pytest.raises(ValueError, match=r"timezone=.*: not a time zone; did you mean"):
        Calendar(zone)


def test_deliveries_of_labels_follow_the_local_calendar() -> None:
    hourly = stream(days=24 * 6, freq="h")
    due = latency.apply(hourly, latency.Batched("1D")).label_time
    local = Calendar("Europe/Berlin").local(due)
    assert (local == local.astype("datetime64[D]")).all()
    assert (due >= hourly.event_time).all()
    assert len(np.unique(due)) == 7  # the 28th itself, at midnight, and the next six days
    monthly = latency.apply(hourly, latency.Batched("MS")).label_time
    assert monthly[-1] == np.datetime64("2024-04-30T22:00")
    every = latency.apply(hourly, latency.Batched("24h", anchor="2024-03-30")).label_time
    assert every[-1] == np.datetime64("2024-04-02T23:00")  # 24 hours on, whatever clocks do
    fixed = latency.apply(hourly, latency.Fixed("1D")).label_time
    assert (fixed - hourly.event_time == np.timedelta64(24, "h")).all()
    autumn = pd.date_range("2024-10-27 00:00", periods=6, freq="30min", tz="UTC")
    twice = Stream.from_frame(frame(autumn), target="y", time="t", timezone="Europe/Berlin")
    due = latency.apply(twice, latency.Batched("1D", anchor="2024-10-01 02:30")).label_time
    assert (due >= twice.event_time).all()
    assert due.tolist()[:3] == [1729989000000000000] * 2 + [1730079000000000000]


# --- local times ----------------------------------------------------------------------------------

ZONES = (
    *("Europe/Berlin", "America/New_York", "Australia/Sydney", "Australia/Lord_Howe"),
    *("Asia/Kolkata", "America/Sao_Paulo", "Asia/Beirut", "Africa/Casablanca", "Pacific/Apia"),
    *("Europe/Dublin", "America/Havana", "Pacific/Chatham", "UTC+02:00", "UTC-03:30"),
)


def slow_utc(calendar: Calendar, local: pd.Timestamp) -> pd.Timestamp:
    """The least instant whose clock shows a local time, or else the first that shows a later one.

    By PEP 495 the offsets before and after a change are those of ``fold`` 0 and 1.
    """
    zone = calendar._tz
    offsets = [local.to_pydatetime().replace(tzinfo=zone, fold=fold).utcoffset() for fold in (0, 1)]
    tried = [local - offset for offset in offsets if calendar.to_local(local - offset) == local]
    if tried:
        return min(tried)
    at = min(local - offset for offset in offsets).floor("min")  # before the change
    while calendar.to_local(at) < local:
        at += pd.Timedelta("1min")
    return at


zones = st.sampled_from(ZONES)
minutes = st.integers(0, 60 * 24 * 365 * 14).map(
    lambda n: pd.Timestamp("2010-06-01") + pd.Timedelta(minutes=n)
)


@given(zones, st.lists(minutes, min_size=1, max_size=5))
def test_local_times_and_instants_lead_to_each_other(
    zone: str, instants: list[pd.Timestamp]
) -> None:
    calendar = Calendar(zone)
    at = np.array([t.to_datetime64() for t in instants], dtype="datetime64[ns]")
    local = calendar.local(at)
    for one, shown in zip(instants, local, strict=True):
        expected = one.tz_localize("UTC").to_pydatetime().astimezone(calendar._tz)
        assert pd.Timestamp(shown) == pd.Timestamp(expected.replace(tzinfo=None))
    back = calendar.utc(local)
    assert (back <= at).all()  # the first of two
    assert (calendar.local(back) == local).all()
    wanted = [slow_utc(calendar, t) for t in instants]  # as local times, some of which are none
    assert [pd.Timestamp(t) for t in calendar.utc(at)] == wanted


@pytest.mark.parametrize(
    ("zone", "local", "utc"),
    [
        ("Europe/Berlin", "2024-03-31 02:30", "2024-03-31 01:00"),  # none: 3 o'clock
        ("Europe/Berlin", "2024-10-27 02:30", "2024-10-27 00:30"),  # two: the first
        ("America/New_York", "2024-03-10 02:00", "2024-03-10 07:00"),
        ("America/Sao_Paulo", "2018-11-04 00:00", "2018-11-04 03:00"),  # midnight is none
        ("Asia/Beirut", "2022-03-27 00:00", "2022-03-26 22:00"),
        ("Australia/Lord_Howe", "2024-10-06 02:10", "2024-10-05 15:30"),  # half an hour
        ("Australia/Lord_Howe", "2024-04-07 01:45", "2024-04-06 14:45"),
        ("Africa/Casablanca", "2024-03-10 02:30", "2024-03-10 01:30"),  # Ramadan
        ("Africa/Casablanca", "2024-04-14 02:30", "2024-04-14 02:00"),
        ("Pacific/Apia", "2011-12-30 12:00", "2011-12-30 10:00"),  # a day is none
        ("Asia/Kolkata", "2024-01-01 00:00", "2023-12-31 18:30"),
        (None, "2024-03-31 02:30", "2024-03-31 02:30"),
    ],
)
def test_a_local_time_that_is_none_or_two_is_one_instant(
    zone: str | None, local: str, utc: str
) -> None:
    calendar = Calendar(zone)
    assert calendar.instant(local) == pd.Timestamp(utc)
    assert calendar.instant(pd.Timestamp(local).date()) == calendar.instant(local[:10])
    assert calendar.instant(f"{local}Z") == pd.Timestamp(local)
    assert calendar.instant(pd.Timestamp(local)) == pd.Timestamp(local)
    assert calendar.instant(calendar.iso(pd.Timestamp(utc))) == pd.Timestamp(utc)


# --- steps ----------------------------------------------------------------------------------------


def test_a_day_is_of_the_calendar_and_24_hours_are_not() -> None:
    berlin = Calendar("Europe/Berlin")
    start = berlin.instant("2024-03-30 12:00")
    day, hours = (berlin.due_at(start, berlin.offset(text)) for text in ("1D", "24h"))
    assert berlin.shown(pd.Timestamp(day)) == "2024-03-31 12:00:00+02:00"
    assert berlin.shown(pd.Timestamp(hours)) == "2024-03-31 13:00:00+02:00"
    for text in ("7D", "7 days", "P7D", "1 days", pd.offsets.Day(7), pd.DateOffset(weeks=1)):
        assert not isinstance(berlin.offset(text), pd.Timedelta), text
    for text in ("168h", "1.5D", "1D12h", pd.Timedelta("7D"), timedelta(days=7)):
        assert isinstance(berlin.offset(text), pd.Timedelta), text
    assert isinstance(Calendar().offset("7D"), pd.Timedelta)
    assert berlin.offset("0D") == pd.Timedelta(0)


STEPS = ("1D", "2D", "7D", "1h", "90min", "24h", "MS", "ME", "W-MON", "B", "QS", "WOM-3FRI")
steps = st.sampled_from((*STEPS, "LWOM-FRI", pd.DateOffset(months=1), pd.DateOffset(days=3)))


def slow_instants(
    calendar: Calendar, start: pd.Timestamp, step: Any, stop: pd.Timestamp
) -> list[int]:
    """Start + k * step, one by one, by the slow rule."""
    offset, local, found = parse_offset(step), calendar.to_local(start), []
    days = not isinstance(calendar.offset(step), pd.Timedelta)
    for k in range(1, 10_000):
        if isinstance(offset, pd.Timedelta) and not days:
            at = start + k * offset
        else:
            at = slow_utc(calendar, (local + k * offset).as_unit("ns"))
        if at > stop:
            break
        found.append(at.value)
    return sorted({at for at in found if at > start.value})


@settings(max_examples=150, deadline=None)
@given(zones, minutes, steps, st.integers(0, 60 * 24 * 100))
def test_instants_are_those_of_the_slow_rule(
    zone: str, start: pd.Timestamp, step: Any, length: int
) -> None:
    calendar = Calendar(zone)
    offset = calendar.offset(step)
    stop = start + pd.Timedelta(minutes=length)
    expected = slow_instants(calendar, start, step, stop)
    assert calendar.instants(start, offset, stop).view(np.int64).tolist() == expected
    scheduled = itertools.takewhile(lambda at: at <= stop.value, calendar.schedule(start, offset))
    assert sorted({at for at in scheduled if at > start.value}) == expected
    middle = (start + pd.Timedelta(minutes=length // 2)).value
    late = calendar.schedule(start, offset, after=middle)
    later = itertools.takewhile(lambda at: at <= stop.value, late)
    assert [at for at in dict.fromkeys(later) if at > middle] == [
        at for at in expected if at > middle
    ]


def test_a_phase_of_days_is_local_and_one_of_hours_is_elapsed() -> None:
    berlin = Calendar("Europe/Berlin")
    start = berlin.instant("2024-03-01")
    third, noon = (
        [berlin.shown(pd.Timestamp(at)) for at in itertools.islice(found, 3)]
        for found in (
            berlin.schedule(start, berlin.offset("MS"), berlin.offset("30D")),
            berlin.schedule(start, berlin.offset("30D"), berlin.offset("12h")),
        )
    )
    assert third == [
        *("2024-03-31 00:00:00+01:00", "2024-05-01 00:00:00+02:00", "2024-05-31 00:00:00+02:00"),
    ]
    assert noon == [
        *("2024-03-01 12:00:00+01:00", "2024-03-31 13:00:00+02:00", "2024-04-30 12:00:00+02:00"),
    ]


def test_what_is_too_late_never_comes() -> None:
    berlin = Calendar("Europe/Berlin")
    late = pd.Timestamp("2261-12-31")
    for text in ("1D", "250YS", "MS"):
        far = berlin.due_at(late, berlin.offset(text), 400)
        assert far == np.iinfo(np.int64).max, text
    assert list(berlin.schedule(late, berlin.offset("300D"))) == [late.value]
