"""The calendar of a stream: its time zone, local days and months, and changes of the clock."""

from dataclasses import replace
from datetime import UTC, timedelta, timezone
from pathlib import Path
from zoneinfo import ZoneInfo

import numpy as np
import pandas as pd
import pytest

from backtrain import Stream
from backtrain.datasets import faults, latency
from backtrain.datasets.calendar import Calendar, zone_name


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
