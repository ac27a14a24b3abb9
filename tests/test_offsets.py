"""Time offsets: what is accepted, what it means, and what is refused."""

from datetime import date, datetime, timedelta

import numpy as np
import pandas as pd
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from backtrain.datasets.offsets import (
    due_at,
    instants,
    nanoseconds,
    parse_offset,
    shift,
    subtract,
    to_timestamp,
)

START = pd.Timestamp("2024-04-15 05:00")
CALENDAR = ["MS", "ME", "QS", "YS", "W-MON", "B", "2MS", "SMS", "QE", "YE-FEB", "BME"]
#: With a day in them: where it falls depends on the day that they are added to.
DATED = [
    pd.DateOffset(months=1),
    pd.DateOffset(months=3),
    pd.DateOffset(years=1),
    pd.DateOffset(months=1, day=31),
    pd.DateOffset(months=1, day=15),
    pd.DateOffset(2, months=1, days=1),
    pd.DateOffset(weeks=1, weekday=4),
    pd.DateOffset(days=1, hour=9),
]
FIXED = ["1D", "7D", "2h", "30min", "1s", "36h"]
moments = st.datetimes(datetime(1990, 1, 1), datetime(2040, 1, 1)).map(pd.Timestamp)


@pytest.mark.parametrize(
    ("written", "meant"),
    [
        ("1D", "1 days"),
        ("7D", "7 days"),
        ("7d", "7 days"),
        ("90D", "90 days"),
        ("2h", "2 hours"),
        ("2H", "2 hours"),
        ("30min", "30 minutes"),
        ("1 days", "1 days"),
        ("1D12h", "36 hours"),
        ("0D", "0 days"),
        (timedelta(hours=3), "3 hours"),
        (np.timedelta64(3, "h"), "3 hours"),
        (pd.Timedelta("3h"), "3 hours"),
        (pd.offsets.Day(2), "2 days"),
        (pd.offsets.Hour(2), "2 hours"),
    ],
)
def test_a_fixed_offset_is_a_timedelta_in_nanoseconds(written, meant):
    offset = parse_offset(written)
    assert offset == pd.Timedelta(meant)
    assert offset.unit == "ns"


@pytest.mark.parametrize("written", CALENDAR)
def test_a_calendar_offset_stays_one(written):
    assert isinstance(parse_offset(written), pd.offsets.BaseOffset)


@pytest.mark.parametrize(
    ("written", "message"),
    [
        ("7X", "tick='7X': not a time offset; did you mean '7D'?"),
        ("", "tick='': not a time offset; did you mean '1D'?"),
        ("3 month", "tick='3 month': not a time offset; did you mean '3MS'?"),
        ("monthly", "tick='monthly': not a time offset; did you mean 'MS'?"),
        ("5", "tick='5': not a time offset; did you mean '5D'?"),
        (5, "tick=5: not a time offset; did you mean '5D'?"),
        (None, "tick=None: not a time offset; did you mean '1D'?"),
        ("1.5MS", "tick='1.5MS': not a time offset; did you mean '1.5min'?"),
        ("-1D", "tick='-1D': a negative offset; write it without the minus sign"),
        ("-1 days", "tick='-1 days': a negative offset; write it without the minus sign"),
        ("0MS", "tick='0MS': a calendar offset of nothing; did you mean '0D'?"),
        ("100000D", "tick='100000D': longer than 260 years; use a shorter offset"),
        ("900000000D", "tick='900000000D': longer than 260 years; use a shorter offset"),
    ],
)
def test_what_is_no_offset_is_refused_with_the_nearest(written, message):
    with pytest.raises(ValueError) as error:  # noqa: PT011 -- the whole message is compared
        parse_offset(written, "tick")
    assert str(error.value) == message


def test_a_negative_calendar_offset_is_refused_whatever_its_sign():
    with pytest.raises(ValueError, match="a negative offset"):
        parse_offset(pd.DateOffset(months=-1))


def test_instants_of_a_month_start_keep_the_time_of_day():
    found = instants(START, parse_offset("MS"), pd.Timestamp("2024-07-01 04:59"))
    assert found.tolist() == [pd.Timestamp(f"2024-0{month}-01 05:00").value for month in (5, 6)]


def test_instants_include_the_stop_and_not_the_start():
    found = instants(START, parse_offset("12h"), START + pd.Timedelta("1D"))
    assert found.astype(str).tolist() == [
        "2024-04-15T17:00:00.000000000",
        "2024-04-16T05:00:00.000000000",
    ]
    assert instants(START, parse_offset("2D"), START + pd.Timedelta("1D")).size == 0
    assert instants(START, parse_offset("MS"), START).size == 0
    assert instants(START, parse_offset("1D"), START - pd.Timedelta("9D")).size == 0


def test_instants_zero_apart_are_refused():
    with pytest.raises(ValueError, match="no instants lie zero apart"):
        instants(START, parse_offset("0D"), START)


@settings(deadline=None)
@given(moments, st.sampled_from(CALENDAR + FIXED + DATED), st.integers(1, 20))
def test_instants_lie_so_many_offsets_after_the_start(start, written, count):
    offset, start = parse_offset(written), start.as_unit("ns")
    expected = [start + k * offset for k in range(1, count + 1)]
    found = instants(start, offset, expected[-1])
    assert found.dtype == "datetime64[ns]"
    assert [pd.Timestamp(when) for when in found] == list(dict.fromkeys(expected))
    assert found.tolist() == sorted(set(found.tolist()))
    assert instants(start, offset, expected[-1] - pd.Timedelta(1)).tolist() == found[:-1].tolist()


@settings(deadline=None)
@given(moments, st.sampled_from(CALENDAR + FIXED), st.integers(1, 20))
def test_where_no_day_is_named_instants_equal_repeated_addition(start, written, count):
    offset, expected = parse_offset(written), [start.as_unit("ns")]
    for _ in range(count):
        expected.append(expected[-1] + offset)
    assert [pd.Timestamp(at) for at in instants(start, offset, expected[-1])] == expected[1:]


def test_a_month_from_the_31st_is_the_last_day_of_each():
    found = instants(
        pd.Timestamp("2024-01-31"),
        parse_offset(pd.DateOffset(months=1)),
        pd.Timestamp("2024-06-30"),
    )
    days = ["2024-02-29", "2024-03-31", "2024-04-30", "2024-05-31", "2024-06-30"]
    assert found.astype("datetime64[D]").astype(str).tolist() == days


@pytest.mark.parametrize(
    "offset",
    [
        pd.DateOffset(day=15),
        pd.DateOffset(weekday=0),
        pd.DateOffset(days=20, day=1),
        pd.DateOffset(months=1, year=2030),
        pd.DateOffset(days=1, month=3),
        pd.DateOffset(hours=1, hour=9),
    ],
    ids=repr,
)
def test_an_offset_that_does_not_lead_on_is_refused(offset):
    with pytest.raises(ValueError, match=r"no further than one; add something longer, as DateOff"):
        parse_offset(offset)


@pytest.mark.parametrize(
    ("offset", "meant"),
    [
        (pd.DateOffset(days=7), "7D"),
        (pd.DateOffset(2, hours=3), "6h"),
        (pd.DateOffset(3), "3D"),
        (pd.DateOffset(weeks=1, minutes=1), "10081min"),
    ],
    ids=repr,
)
def test_an_offset_of_weeks_and_less_has_a_length(offset, meant):
    assert parse_offset(offset) == pd.Timedelta(meant)


@settings(deadline=None)
@given(moments, st.sampled_from(CALENDAR + FIXED + DATED), st.integers(1, 9))
def test_what_lies_an_offset_back_is_earlier_and_keeps_the_order(moment, written, days):
    offset, moment = parse_offset(written), moment.as_unit("ns")
    later = moment + pd.Timedelta(days=days)
    assert subtract(moment, offset) < moment
    assert subtract(moment, offset) <= subtract(later, offset)


@settings(deadline=None)
@given(moments, st.integers(1, 30))
def test_a_month_back_is_as_many_days_as_the_calendar_has(moment, months):
    """As far back as forward, but for days that the shorter month does not have."""
    offset, moment = parse_offset(pd.DateOffset(months=months)), moment.as_unit("ns")
    again = shift(subtract(moment, offset), offset)
    assert pd.Timedelta(0) <= moment - again <= pd.Timedelta(days=3)
    if moment.day <= 28:
        assert again == moment


def test_years_beyond_the_calendar_are_refused_and_never_due():
    with pytest.raises(ValueError, match="longer than 260 years"):
        parse_offset(pd.DateOffset(years=9000))
    assert due_at(START, parse_offset(pd.DateOffset(years=100)), 90) == np.iinfo(np.int64).max


@settings(deadline=None)
@given(moments, st.sampled_from(CALENDAR + FIXED + DATED), st.integers(0, 5))
def test_shift_of_an_array_equals_shift_of_each(start, written, k):
    offset = parse_offset(written)
    times = np.array([start, start + pd.Timedelta("1D"), "NaT"], dtype="datetime64[ns]")
    moved = shift(times, offset, k)
    assert moved.dtype == "datetime64[ns]"
    assert moved[0] == shift(start, offset, k).to_datetime64()
    assert moved[1] == shift(start + pd.Timedelta("1D"), offset, k).to_datetime64()
    assert np.isnat(moved[2])


def test_shift_beyond_the_last_nanosecond_is_refused():
    times = np.array(["2200-01-01", "NaT"], dtype="datetime64[ns]")
    with pytest.raises(OverflowError, match="past the year 2261"):
        shift(times, parse_offset("36500D"))


@settings(deadline=None)
@given(moments, st.sampled_from(FIXED))
def test_subtract_undoes_a_fixed_shift(start, written):
    offset = parse_offset(written)
    assert subtract(shift(start, offset), offset) == start


def test_subtract_of_a_calendar_offset_goes_to_the_instant_before():
    assert subtract(START, parse_offset("MS")) == pd.Timestamp("2024-04-01 05:00")


def test_nanoseconds_do_not_depend_on_the_unit_of_pandas():
    assert nanoseconds(pd.Timedelta("1s").as_unit("s")) == nanoseconds(parse_offset("1s")) == 10**9


@pytest.mark.parametrize(
    "written",
    ["2024-04-15 05:00", "2024-04-15 07:00+02:00", datetime(2024, 4, 15, 5), START.as_unit("s")],
)
def test_an_instant_is_naive_and_in_nanoseconds(written):
    assert to_timestamp(written) == START
    assert to_timestamp(written).unit == "ns"
    assert to_timestamp(date(2024, 4, 15)) == START.normalize()


@pytest.mark.parametrize("written", [2011, "soon", "", None, pd.NaT, float("nan"), "3000-01-01"])
def test_what_is_no_instant_is_refused(written):
    with pytest.raises(ValueError, match=r"start=.*: not a date or time between 1678 and 2261"):
        to_timestamp(written, "start")
