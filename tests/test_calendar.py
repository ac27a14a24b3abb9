"""The calendar of a stream: its time zone, local days and months, and changes of the clock."""

import itertools
import json
from dataclasses import replace
from datetime import UTC, timedelta, timezone
from functools import cache
from pathlib import Path
from typing import Any
from zoneinfo import ZoneInfo

import numpy as np
import pandas as pd
import pytest
from dateutil import tz
from hypothesis import given, settings
from hypothesis import strategies as st
from sklearn.linear_model import Ridge

from backtrain import Backtest, Prices, Strategy, Stream
from backtrain.datasets import faults, latency
from backtrain.datasets.calendar import Calendar, zone_name
from backtrain.datasets.offsets import parse_offset
from backtrain.lossmatrix.intervals import label
from backtrain.reports.due import next_due
from backtrain.reports.eras import Eras
from backtrain.reports.periods import Costs, Grid
from backtrain.reports.preset import preset
from backtrain.reports.stretches import Stretches
from backtrain.simulator.baselines import baselines
from backtrain.simulator.record import Run
from backtrain.strategies import (
    Approval,
    CompleteCohorts,
    Every,
    Expanding,
    Hours,
    LastDays,
    MaxAge,
    Never,
    OnDates,
    PublicHolidays,
    Sliding,
    Weekdays,
)
from backtrain.testing import check_part

PRICES = Prices(retrain=3, error=1)


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
        (tz.gettz("Europe/Berlin"), "Europe/Berlin"),
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


@cache
def changes(zone: str) -> list[pd.Timestamp]:
    """About when the clocks of a zone change; a zone without changes has other times here."""
    hours = pd.date_range("2010-06-01", "2024-06-01", freq="h")
    local = hours.tz_localize("UTC").tz_convert(Calendar(zone)._tz).tz_localize(None)
    ahead = np.diff((local - hours).to_numpy())
    return [hours[place] for place in np.flatnonzero(ahead)] or list(hours[:10])


@st.composite
def zoned_instants(draw: Any) -> tuple[str, pd.Timestamp]:
    """A zone, and an instant that as a local time or an instant lies near a change of its clock."""
    zone = draw(zones)
    if draw(st.booleans()):
        return zone, draw(minutes)
    change = draw(st.sampled_from(changes(zone)))
    near = change + pd.Timedelta(minutes=draw(st.integers(-150, 150)))
    return zone, near


@given(zoned_instants(), st.lists(st.integers(-150, 150), min_size=1, max_size=5))
def test_local_times_and_instants_lead_to_each_other(
    found: tuple[str, pd.Timestamp], apart: list[int]
) -> None:
    zone, first = found
    instants = [first + pd.Timedelta(minutes=n) for n in apart]
    calendar = Calendar(zone)
    at = np.array([t.to_datetime64() for t in instants], dtype="datetime64[ns]")
    local = calendar.local(at)
    for one, shown in zip(instants, local, strict=True):
        expected = one.tz_localize("UTC").to_pydatetime().astimezone(calendar._tz)
        assert pd.Timestamp(shown) == pd.Timestamp(expected.replace(tzinfo=None))
    back = calendar.utc(local)
    assert (back <= at).all()  # the first of two
    assert (calendar.local(back) == local).all()
    lag = pd.Timedelta(int((local[0] - at[0]).astype(np.int64)), "ns")
    clock = [t + lag for t in instants]  # local times, some of which are none
    given_local = np.array([t.to_datetime64() for t in clock], dtype="datetime64[ns]")
    wanted = [slow_utc(calendar, t) for t in clock]
    assert [pd.Timestamp(t) for t in calendar.utc(given_local)] == wanted


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
LAST_FRIDAY = ("LWOM-FRI",) if pd.__version__ >= "3" else ()  # pandas 2 cannot read its own name
steps = st.sampled_from((*STEPS, *LAST_FRIDAY, pd.DateOffset(months=1), pd.DateOffset(days=3)))


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
@given(zoned_instants(), st.integers(0, 40), steps, st.integers(0, 60 * 24 * 100))
def test_instants_are_those_of_the_slow_rule(
    found: tuple[str, pd.Timestamp], before: int, step: Any, length: int
) -> None:
    zone, start = found[0], found[1] - pd.Timedelta(days=before)
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


# --- replays --------------------------------------------------------------------------------------


def hourly(zone: str | None, first: str, hours: int) -> Stream:
    times = pd.date_range(first, periods=hours, freq="h", tz="UTC").tz_convert(zone or "UTC")
    rng = np.random.default_rng(0)
    x = rng.normal(size=hours)
    table = pd.DataFrame({"t": times, "x": x, "y": 2 * x + rng.normal(size=hours)})
    return Stream.from_frame(table, target="y", time="t")


def replayed(stream: Stream, strategy: Strategy, tick: Any, **more: Any) -> Run:
    return Backtest(stream, Ridge(), tick=tick, **more).replay(strategy)


@pytest.mark.parametrize(("first", "hours"), [("2024-03-25", 23), ("2024-10-21", 25)])
def test_costs_are_put_into_periods_by_the_number_of_their_tick(first: str, hours: int) -> None:
    stream = hourly("Europe/Berlin", first, 24 * 14 + 5)
    began = pd.Timestamp(first) + pd.Timedelta(days=2)
    run = replayed(
        stream, Strategy(Every("1D"), Expanding()), "1D", start=f"{began:%Y-%m-%d}", prices=PRICES
    )
    grid = Grid.over(run)
    lasting = (grid.ends() - grid.starts()) / pd.Timedelta("1h")
    assert sorted({*lasting}) == sorted({24, hours})
    assert lasting[4] == hours  # Sunday, from Wednesday on
    made = grid.sums(run.versions["decided_at"][1:], np.ones(len(run.versions) - 1))
    assert made.tolist() == [0] + [1] * (grid.count - 1)  # one tick a period
    rows = grid.sums(run.predictions["event_time"], np.ones(len(run.predictions)))
    assert rows[4] == hours
    costs = Costs.of({"daily": run}, pd.Timedelta(0))
    assert costs.values.sum() == pytest.approx(run.totals["total"])
    elapsed = replayed(stream, Strategy(Every("24h"), Expanding()), "24h", start=0.2)
    assert Grid.over(elapsed).begins is None  # 24 hours are 24 hours


def test_weeks_of_a_report_are_weeks_of_the_calendar() -> None:
    stream = hourly("Europe/Berlin", "2024-01-01", 24 * 120)
    backtest = Backtest(stream, Ridge(), start="2024-01-15")
    compared = backtest.compare({"never": Strategy(Never(), Expanding())}, hindsight=False)
    weeks = Stretches.of(compared, ["never"])
    assert weeks is not None
    assert weeks.label(10) == "2024-03-25 to 2024-03-31"
    assert weeks.label(11) == "2024-04-01 to 2024-04-07"
    assert {*weeks.starts.hour} == {0}
    eras = Eras.of(compared, "never")
    assert {*eras.starts.hour} == {0}


schedules = st.one_of(
    st.sampled_from(("1D", "2D", "7D", "6h", "36h", "MS", "W-SUN")).map(Every),
    st.sampled_from(("1D", "3D", "12h")).map(lambda every: Every(every, since="training")),
    st.sampled_from(("2D", "30h")).map(MaxAge),
    st.sampled_from(("2D", "4D")).map(lambda every: Every(every, phase="1D")),
    st.just(OnDates(["2024-03-30", "2024-04-02 02:30", "2024-10-27", "2024-11-03"])),
)
blackouts = st.lists(
    st.sampled_from(
        (
            Weekdays(),
            Hours("22:00", "03:00"),
            LastDays(2),
            "2024-03-31",
            ("2024-11-03", "2024-11-05"),
        )
    ),
    max_size=2,
    unique=True,
)


@settings(max_examples=40, deadline=None)
@given(
    zones,
    st.sampled_from(("2024-03-20 03:00", "2024-10-20 17:00", "2024-03-04", "2018-10-28")),
    schedules,
    st.sampled_from(("1D", "1h", "B", "7h")),
    blackouts,
    st.integers(24, 24 * 14),
)
def test_when_it_is_due_next_is_when_it_is_trained_next(
    zone: str, first: str, trigger: Any, tick: str, closed: list[Any], served: int
) -> None:
    stream = hourly(zone, first, 24 * 40)
    start = pd.Timestamp(stream.event_time[48])
    strategy = Strategy(trigger, Sliding(50), blackout=closed)
    end = pd.Timestamp(stream.event_time[48 + served])
    due = next_due(replayed(stream, strategy, tick, start=start, end=end))
    setup = Backtest(stream, Ridge(), tick=tick, start=start)
    decided = setup.replay(strategy).versions["decided_at"][1:]
    decided = decided[decided > end]
    last = pd.Timestamp(setup.ticks[-1])
    if due.at is None or pd.Timestamp(due.at) > last:
        assert decided.empty, due
        return
    at = setup.ticks[setup.ticks.searchsorted(max(pd.Timestamp(due.at), end).value, "left")]
    at = setup.ticks[setup.ticks > end.value][0] if at <= end.value else at
    assert decided.iloc[0] == pd.Timestamp(at), due


def test_the_record_says_the_zone_and_records_without_one_are_in_utc(tmp_path: Path) -> None:
    stream = hourly("America/New_York", "2024-03-01", 24 * 30)
    strategy = Strategy(Every("7D"), Expanding(), blackout=[LastDays(1)])
    run = replayed(stream, strategy, "1D", start="2024-03-08", end="2024-03-20")
    run.save(tmp_path / "run")
    facts = json.loads((tmp_path / "run" / "run.json").read_text())
    assert facts["stream"]["timezone"] == "America/New_York"
    assert facts["start"] == "2024-03-08T05:00:00"
    assert Calendar.of(Run.load(tmp_path / "run").info).zone == "America/New_York"
    assert run.events["reason"][1] == "scheduled for 2024-03-15 00:00:00-04:00"
    text, _ = preset(run)
    assert text is not None
    assert "backtrain.strategies.LastDays" in text
    plain = replayed(replace(stream, timezone="UTC"), strategy, "1D", start="2024-03-08")
    assert "timezone" not in plain.info["stream"]
    assert plain.info["start"] == "2024-03-08T00:00:00"


def test_the_examples_of_the_page_about_time_run() -> None:
    page = (Path(__file__).parent.parent / "docs" / "time.md").read_text(encoding="utf-8")
    blocks = [block.partition("```")[0] for block in page.split("```python\n")[1:]]
    names: dict[str, Any] = {}
    for block in blocks:
        exec(block, names)
    first_week = names["FirstWeek"]()
    berlin = Calendar("Europe/Berlin")
    found = first_week.until(berlin.instant("2024-03-01"), berlin)
    assert berlin.shown(found) == "2024-03-08 00:00:00+01:00"
    check_part(first_week)


# --- parts ----------------------------------------------------------------------------------------


@pytest.mark.parametrize(
    ("blackout", "local", "until"),
    [
        (Weekdays(), "2024-03-29 23:59", None),  # a Friday
        (Weekdays(), "2024-03-30 00:00", "2024-04-01 00:00"),
        (Weekdays(), "2024-03-31 12:00", "2024-04-01 00:00"),
        (Weekdays(["Mon"]), "2024-04-01 12:00", "2024-04-02 00:00"),
        (Hours("22:00", "06:00"), "2024-03-30 23:00", "2024-03-31 06:00"),  # seven hours
        (Hours("22:00", "06:00"), "2024-03-31 05:59", "2024-03-31 06:00"),
        (Hours("22:00", "06:00"), "2024-03-31 06:00", None),
        (Hours("09:00", "12:00"), "2024-03-31 09:00", "2024-03-31 12:00"),
        (Hours("09:00", "24:00"), "2024-03-31 23:00", "2024-04-01 00:00"),
        (LastDays(2), "2024-02-27 23:00", None),
        (LastDays(2), "2024-02-28 00:00", "2024-03-01 00:00"),
        (LastDays(2), "2024-03-31 00:00", "2024-04-01 00:00"),
        (PublicHolidays(["2024-12-25", "2024-12-26"]), "2024-12-25 08:00", "2024-12-27 00:00"),
        (PublicHolidays(["2024-12-25"]), "2024-12-24 23:59", None),
    ],
    ids=repr,
)
def test_a_blackout_comes_again_on_the_local_clock(
    blackout: Any, local: str, until: str | None
) -> None:
    for zone in ("Europe/Berlin", "Asia/Kolkata", None):
        calendar = Calendar(zone)
        found = blackout.until(calendar.instant(local), calendar)
        assert found == (None if until is None else calendar.instant(until)), zone


def test_hours_end_later_than_now_where_the_clock_shows_them_twice() -> None:
    berlin, night = Calendar("Europe/Berlin"), Hours("01:00", "02:30")
    again = pd.Timestamp("2024-10-27 01:15")  # 2:15 for the second time
    assert berlin.shown(again) == "2024-10-27 02:15:00+01:00"
    assert night.until(again, berlin) == pd.Timestamp("2024-10-27 01:30")


def test_hours_of_work_are_local_and_the_work_is_elapsed() -> None:
    berlin = Calendar("Europe/Berlin")
    gate = Approval("8h", ("09:00", "17:00"), ["2024-04-01"])  # Easter Monday
    handed_in = berlin.instant("2024-03-29 16:00")
    assert berlin.shown(gate.due(handed_in, berlin)) == "2024-04-02 16:00:00+02:00"


def test_holidays_of_a_country() -> None:
    pytest.importorskip("holidays")
    new_york = Calendar("America/New_York")
    closed = PublicHolidays("US")
    assert closed.until(new_york.instant("2024-07-04 01:00"), new_york) == new_york.instant(
        "2024-07-05"
    )
    assert closed.until(new_york.instant("2024-07-05"), new_york) is None
    assert PublicHolidays("NYSE").until(new_york.instant("2024-03-29"), new_york) is not None
    assert PublicHolidays("DE-BY").until(pd.Timestamp("2024-01-06"), Calendar()) is not None
    assert PublicHolidays("DE").until(pd.Timestamp("2024-01-06"), Calendar()) is None
    gate = Approval("1h", ("09:00", "17:00"), "US")
    assert gate.due(pd.Timestamp("2024-07-04 12:00")) == pd.Timestamp("2024-07-05 10:00")
    for wrong, says in (("Germany", "did you mean"), ("DE-XX", "no part of 'DE'")):
        with pytest.raises(ValueError, match=says):
            PublicHolidays(wrong)


def test_the_season_before_is_a_day_of_the_calendar() -> None:
    # An hourly label that is the local hour: the same hour of the day before is always right.
    times = pd.date_range("2024-03-01", "2024-11-20", freq="h", tz="Europe/Berlin")
    table = pd.DataFrame({"t": times, "x": np.arange(len(times)), "y": times.hour * 1.0})
    stream = Stream.from_frame(table, target="y", time="t")

    def before(stream: Stream) -> float:
        found = baselines(Backtest(stream, Ridge(), start=0.05), "1D")
        return next(one.error for one in found if one.name == "label 1D before")

    assert before(stream) == 1.0  # 2 o'clock of the 31st of March is none; 3 o'clock stands for it
    assert before(replace(stream, timezone="UTC")) > 40


def test_cohorts_are_local_days_and_months() -> None:
    berlin, night = (
        Calendar("Europe/Berlin"),
        pd.date_range("2024-03-29 23:00", "2024-04-01 21:00", freq="h").to_numpy(),
    )
    number, ends = CompleteCohorts(Expanding(), "1D")._cohorts(night, berlin)
    assert np.bincount(number).tolist() == [24, 23, 24]
    assert [berlin.shown(pd.Timestamp(end)) for end in ends] == [
        *("2024-03-31 00:00:00+01:00", "2024-04-01 00:00:00+02:00", "2024-04-02 00:00:00+02:00"),
    ]
    number, ends = CompleteCohorts(Expanding(), "MS")._cohorts(night, berlin)
    assert np.bincount(number).tolist() == [47, 24]


def test_names_of_intervals_keep_24_hours_and_a_day_apart() -> None:
    berlin = Calendar("Europe/Berlin")
    assert [label("1h", 168, c) for c in (Calendar(), berlin)] == ["7D", "168h"]
    assert [label("1D", 7, c) for c in (Calendar(), berlin)] == ["7D", "7D"]
    assert label("24h", 7, berlin) == "168h"
    assert label("MS", 3, berlin) == "3MS"
