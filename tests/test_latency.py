"""When labels arrive: worked by hand, and never dependent on later rows."""

import numpy as np
import pandas as pd
import pytest
from hypothesis import given
from hypothesis import strategies as st

from backtrain.datasets.latency import (
    Batched,
    ByClass,
    Fixed,
    LogNormal,
    Native,
    NeverArrives,
    NoDelay,
    apply,
)
from backtrain.datasets.stream import Stream

HOURS = np.array(["2024-01-31T22", "2024-01-31T23", "2024-02-01T00", "2024-02-01T01"], "M8[ns]")
KNOWN = np.array(["2024-02-01", "2024-02-02", "NaT", "2024-02-04"], "M8[ns]")
STREAM = Stream(np.arange(4.0).reshape(4, 1), ["bad", "good", None, "good"], HOURS, KNOWN)
EVERY = [
    Native(),
    NoDelay(),
    Fixed("1D"),
    Fixed("MS"),
    LogNormal("3D", 0.5, seed=7),
    ByClass({1: "1D"}, otherwise="7D"),
    Batched("MS", LogNormal("3D")),
    Batched("7D", Fixed("1h")),
    NeverArrives(0.2, seed=3, base=Fixed("2h")),
]


def arrivals(latency, stream=STREAM):
    """Return label times as text, to the hour."""
    return latency.label_times(stream).astype("datetime64[h]").astype(str).tolist()


def test_native_keeps_the_times_of_the_data():
    assert arrivals(Native()) == ["2024-02-01T00", "2024-02-02T00", "NaT", "2024-02-04T00"]


def test_without_apply_are_known_at_once_except_those_that_never_arrive():
    assert arrivals(NoDelay()) == ["2024-01-31T22", "2024-01-31T23", "NaT", "2024-02-01T01"]


def test_a_fixed_delay_counts_from_the_event():
    assert arrivals(Fixed("3h")) == ["2024-02-01T01", "2024-02-01T02", "NaT", "2024-02-01T04"]
    assert arrivals(Fixed("MS")) == ["2024-02-01T22", "2024-02-01T23", "NaT", "2024-03-01T01"]


def test_the_delay_may_depend_on_the_label():
    by_class = ByClass({"bad": "1D", "good": "2D"})
    assert arrivals(by_class) == ["2024-02-01T22", "2024-02-02T23", "NaT", "2024-02-03T01"]
    assert arrivals(ByClass({"bad": "1D"}, otherwise="2D")) == arrivals(by_class)


def test_batches_fall_due_at_midnight_of_calendar_days():
    assert arrivals(Batched("MS")) == ["2024-02-01T00", "2024-03-01T00", "NaT", "2024-03-01T00"]
    hourly = Batched("MS", NoDelay())
    assert arrivals(hourly) == ["2024-02-01T00", "2024-02-01T00", "NaT", "2024-03-01T00"]


def test_fixed_batches_are_counted_from_the_anchor():
    batched = Batched("2D", anchor="2024-02-02")
    assert arrivals(batched) == ["2024-02-02T00", "2024-02-02T00", "NaT", "2024-02-04T00"]
    weekly = Batched("7D")  # on Mondays
    assert arrivals(weekly) == ["2024-02-05T00", "2024-02-05T00", "NaT", "2024-02-05T00"]


def long(rows):
    """Return that many hourly rows of two classes, every fifth without a label."""
    times = np.datetime64("2024-01-01", "ns") + np.arange(rows) * np.timedelta64(1, "h")
    labels = np.where(np.arange(rows) % 5 == 4, np.nan, np.arange(rows) % 2)
    return Stream(np.zeros((rows, 1)), labels, times)


@pytest.mark.parametrize("latency", EVERY, ids=repr)
@given(rows=st.integers(2, 60))
def test_no_delay_depends_on_later_rows(latency, rows):
    whole, past = latency.label_times(long(60)), latency.label_times(long(rows))
    np.testing.assert_array_equal(whole[:rows], past)


@pytest.mark.parametrize("latency", EVERY, ids=repr)
def test_labels_follow_their_rows_and_the_lost_stay_lost(latency):
    stream = apply(long(500), latency)  # refuses a label before its row
    assert np.isnat(stream.label_time)[4::5].all()
    assert stream.label_time.dtype == "datetime64[ns]"
    assert (latency.label_times(long(500)) == stream.label_time)[~np.isnat(stream.label_time)].all()


def test_half_of_log_normal_delays_are_below_the_median():
    stream = long(5_000)
    delays = LogNormal("3D", sigma=0.5).label_times(stream) - stream.event_time
    known = delays[~np.isnat(delays)]
    assert np.median(known) / np.timedelta64(3, "D") == pytest.approx(1, abs=0.05)
    assert np.log(known.astype(float)).std() == pytest.approx(0.5, abs=0.02)
    exact = LogNormal("3D", sigma=0).label_times(STREAM)
    np.testing.assert_array_equal(exact, Fixed("3D").label_times(STREAM))


def test_the_lost_are_the_share_asked_for_whatever_the_delays():
    stream = long(5_000)
    lost = np.isnat(NeverArrives(0.3, seed=1, base=LogNormal(seed=1)).label_times(stream))
    assert lost[::5].mean() == pytest.approx(0.3, abs=0.04)
    delays = LogNormal(seed=1).label_times(stream) - stream.event_time
    late = delays[::5] > np.median(delays[::5])
    assert lost[::5][late].mean() == pytest.approx(0.3, abs=0.06)  # equal seeds, yet independent


REFUSED = {
    "latency.offset='7X': not a time offset; did you mean '7D'?": lambda: Fixed("7X"),
    "latency.median='MS': not of fixed length; give days or hours, such as '30D'": lambda: (
        LogNormal("MS")
    ),
    "latency.sigma=-1: must be a number >= 0, such as 0.5": lambda: LogNormal(sigma=-1),
    "latency.share=1: must be at least 0 and below 1": lambda: NeverArrives(1),
    "latency.offsets['bad']='soon'": lambda: ByClass({"bad": "soon"}),
    "latency.otherwise='7X': not a time offset": lambda: ByClass({}, otherwise="7X"),
    "latency.offsets: no delay for label 'good'; add it": lambda: arrivals(ByClass({"bad": "1D"})),
    "latency.offsets['god']: no row has this label; did you mean 'good'?": lambda: arrivals(
        ByClass({"god": "1D"}, otherwise="1D")
    ),
    "latency.offset='0D': deliveries must lie apart": lambda: Batched("0D"),
    "latency.offset='2MS': names no days; use one like 'MS'": lambda: Batched("2MS"),
    "months=1>: names no days": lambda: Batched(pd.DateOffset(months=1)),
    "latency.anchor='soon': not a date": lambda: Batched("7D", anchor="soon"),
}


@pytest.mark.parametrize("message", REFUSED)
def test_a_wrong_latency_is_refused(message):
    with pytest.raises(ValueError) as error:  # noqa: PT011 -- the message is compared
        REFUSED[message]()
    assert message in str(error.value)
