"""Lags as the columns of a stream: made anew with it, and of nothing that is not known then."""

import pickle
from dataclasses import replace

import numpy as np
import pandas as pd
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from backtrain.datasets import bundled
from backtrain.datasets.faults import (
    DuplicatedRows,
    LateLabels,
    MissingSpike,
    ReorderedLabels,
    UnitChange,
    inject,
)
from backtrain.datasets.lags import Lags
from backtrain.datasets.latency import Fixed, LogNormal, apply
from backtrain.datasets.stream import Stream

HOURS = np.arange("2024-01-01T00", "2024-01-01T06", dtype="datetime64[h]").astype("M8[ns]")
HOUR = np.timedelta64(1, "h")
NAN = np.nan


def small(lags, **changes):
    """Six hours; labels 1, 2, 4, ... known an hour after the row."""
    fields = {
        "X": np.array([[7.0, 1.0], [8.0, 2.0], [7.0, 3.0], [8.0, 4.0], [7.0, 5.0], [8.0, 6.0]]),
        "y": 2.0 ** np.arange(6),
        "event_time": HOURS,
        "label_time": HOURS + HOUR,
        "columns": ("shop", "a"),
        "target": "sales",
    }
    return Stream(**fields | changes, lags=lags)


def lag(stream, place=-1):
    return np.asarray(stream.X, dtype=object)[:, place].tolist()


# --- columns --------------------------------------------------------------------------------------


def test_lags_stand_last_and_are_named_by_the_target():
    stream = small(Lags(known=[1, 2], rolling=[("mean", "2h")]))
    assert stream.columns == ("shop", "a", "sales_known_1", "sales_known_2", "sales_mean_2h")
    assert stream.lag_columns == stream.columns[2:]
    np.testing.assert_array_equal(stream.X[:, :2], small(None).X)
    np.testing.assert_array_equal(stream.X[:, 2], [NAN, 1, 2, 4, 8, 16])
    np.testing.assert_array_equal(stream.X[:, 4], [NAN, 1, 1.5, 3, 6, 12])


def test_series_are_told_apart_by_a_feature_or_by_groups():
    own = [NAN, NAN, 1, 2, 4, 8]
    np.testing.assert_array_equal(lag(small(Lags(known=[1], by="shop"))), own)
    np.testing.assert_array_equal(lag(small(Lags(known=[1]), group=list("xyxyxy"))), own)
    twice = small(Lags(known=[1], by=["shop", "a"]))
    np.testing.assert_array_equal(lag(twice), [NAN] * 6)


@pytest.mark.parametrize("features", [None, ["a"], ["a", "store"]])
def test_by_may_be_the_column_that_is_the_group(features):
    table = pd.DataFrame({"t": HOURS, "y": 2.0 ** np.arange(6), "a": 1.0, "store": [3, 4] * 3})
    given = {"target": "y", "time": "t", "features": features, "group": "store"}
    stream = Stream.from_frame(table, **given, lags=Lags(known=[1], by="store"))
    np.testing.assert_array_equal(lag(stream), [NAN, NAN, 1, 2, 4, 8])


def test_a_row_of_no_series_has_no_lags_and_is_none():
    X = small(None).X.copy()
    X[2, 0] = NAN
    stream = small(Lags(known=[1, 2], by="shop"), X=X)
    np.testing.assert_array_equal(lag(stream, 2), [NAN, NAN, NAN, 2, 1, 8])


def test_lags_may_be_the_only_features():
    table = pd.DataFrame({"t": HOURS, "y": 2.0 ** np.arange(6)})
    stream = Stream.from_frame(table, target="y", time="t", lags=Lags(known=[1]))
    assert stream.columns == ("y_known_1",)
    np.testing.assert_array_equal(stream.X, [[NAN], [1], [2], [4], [8], [16]])


def test_labels_that_are_text_become_categories_in_their_order():
    y = np.array(["no", "yes", "no", None, "maybe", "no"], dtype=object)
    label_time = np.where(pd.isna(y), np.datetime64("NaT", "ns"), HOURS + HOUR)
    stream = small(Lags(known=[1], at=["2h"], age=True), y=y, label_time=label_time)
    assert stream.X["sales_known_1"].cat.categories.tolist() == ["no", "yes", "maybe"]
    assert stream.X["sales_known_1"].astype(object).fillna("-").tolist() == [
        *("-", "no", "yes", "no", "no", "maybe"),
    ]
    assert stream.X["sales_at_2h"].astype(object).fillna("-").tolist() == [
        *("-", "-", "no", "yes", "no", "-"),
    ]
    np.testing.assert_array_equal(stream.X["sales_known_age"], [NAN, 1, 1, 1, 2, 1])
    with pytest.raises(ValueError, match=r"target 'sales' is text, .* make it a number"):
        small(Lags(rolling=[("mean", 2)]), y=y, label_time=label_time)


def test_truth_values_are_numbers():
    y = np.array([True, False, True, True, False, True])
    np.testing.assert_array_equal(
        lag(small(Lags(expanding=["mean"]), y=y)), [NAN, 1, 1 / 2, 2 / 3, 3 / 4, 3 / 5]
    )


def test_encoded_features_by_hand():
    """With m = 1: (sum of the shop's + mean of all) / (their number + 1)."""
    found = lag(small(Lags(encode=["shop"])))
    assert found[1:4] == [(0 + 1) / 1, (1 + 1.5) / 2, (2 + 7 / 3) / 2]


@pytest.mark.parametrize(
    ("lags", "says"),
    [
        (Lags(known=[1], by="shpo"), "lags.by: no feature 'shpo'; did you mean 'shop'?"),
        (Lags(encode=["sales"]), "lags.encode: 'sales' is the target; name a feature"),
        (Lags(known=[1], by="sales"), "lags.by: 'sales' is the target; name a feature"),
    ],
)
def test_columns_that_there_are_not_are_named(lags, says):
    with pytest.raises(ValueError, match=says.replace("?", r"\?")):
        small(lags)


def test_one_of_several_columns_of_a_group_is_named_among_the_features():
    table = pd.DataFrame({"t": HOURS, "y": 2.0 ** np.arange(6), "a": 1.0, "s": [3, 4] * 3})
    given = {"target": "y", "time": "t", "features": ["a"], "group": ["s", "a"]}
    with pytest.raises(ValueError, match=r"'s' is only known together, .*dataset.features="):
        Stream.from_frame(table.assign(b=1), **given, lags=Lags(known=[1], by="s"))


def test_a_feature_may_not_have_the_name_of_a_lag():
    with pytest.raises(ValueError, match="called 'sales_known_1' already; rename it, or leave"):
        small(Lags(known=[1]), columns=("shop", "sales_known_1"))


# --- made anew ------------------------------------------------------------------------------------


def test_other_label_times_give_other_lags():
    stream = small(Lags(known=[1]))
    later = stream.with_label_time(HOURS + 3 * HOUR)
    np.testing.assert_array_equal(lag(later), [NAN, NAN, NAN, 1, 2, 4])
    assert later.fingerprint == small(Lags(known=[1]), label_time=HOURS + 3 * HOUR).fingerprint


def test_lags_come_and_go_by_replace():
    plain, stream = small(None), small(Lags(known=[1]))
    assert replace(stream, lags=None).fingerprint == plain.fingerprint
    assert replace(plain, lags=stream.lags).fingerprint == stream.fingerprint
    other = replace(stream, lags=Lags(at=["2h"]))
    assert other.columns == ("shop", "a", "sales_at_2h")
    words = pd.DataFrame({"shop": list("ababab"), "a": 1.0})
    text = small(Lags(known=[1]), X=words, columns=())
    assert replace(text, lags=None).fingerprint == small(None, X=words, columns=()).fingerprint


def test_a_saved_stream_has_its_lags_and_makes_them_anew(tmp_path):
    stream = small(Lags(known=[1], rolling=[("mean", "2h")], by="shop"), group=list("xyxyxy"))
    opened = stream.save(tmp_path / "saved")
    for one in (opened, pickle.loads(pickle.dumps(opened)), pickle.loads(pickle.dumps(stream))):
        assert one.lags == stream.lags
        assert one.lag_columns == stream.lag_columns
        assert one.fingerprint == stream.fingerprint
        later = apply(one, Fixed("3h"))
        assert later.fingerprint == apply(stream, Fixed("3h")).fingerprint
    text = small(Lags(known=[1]), y=np.array(list("abcabc"), dtype=object))
    assert apply(text.save(tmp_path / "text"), Fixed("3h")).fingerprint == (
        apply(text, Fixed("3h")).fingerprint
    )
    bare = small(None, X=np.empty((6, 0)), columns=()).save(tmp_path / "bare")
    assert replace(bare, lags=Lags(known=[1])).columns == ("sales_known_1",)


# --- faults ---------------------------------------------------------------------------------------


def test_faults_of_labels_spoil_lags_as_production_sees_them():
    stream, when = small(Lags(known=[1])), {"start": HOURS[1], "stop": HOURS[3]}
    cents = inject(stream, [UnitChange(None, 100, **when)])
    np.testing.assert_array_equal(lag(cents), [NAN, 1, 200, 400, 8, 16])
    np.testing.assert_array_equal(cents.truth, stream.y)
    late = inject(stream, [LateLabels(delay="2h", **when)])
    np.testing.assert_array_equal(lag(late), [NAN, 1, 1, 1, 8, 16])
    twice = inject(stream, [DuplicatedRows(share=1.0, **when)])
    np.testing.assert_array_equal(lag(twice), [NAN, 1, 1, 2, 2, 4, 8, 16])


@pytest.mark.parametrize(
    "fault",
    [
        UnitChange(None, 100, start=0.2, stop=0.6),
        UnitChange("a", 100, start=0.2, stop=0.6),
        MissingSpike(start=0.2, stop=0.6),
        LateLabels(delay="2h", start=0.2, stop=0.6),
        ReorderedLabels(start=0.2, stop=0.6),
        DuplicatedRows(share=0.9, start=0.2, stop=0.6),
    ],
)
def test_lags_and_then_faults_are_faults_and_then_lags(fault):
    lags = Lags(known=[1, 2], rolling=[("std", 3)], encode=["shop"])
    one, other = inject(small(lags), [fault]), replace(inject(small(None), [fault]), lags=lags)
    assert one.fingerprint == other.fingerprint
    assert one.faults == other.faults


def test_no_fault_strikes_a_lag_itself():
    fault = MissingSpike(column="sales_known_1", start=0.2, stop=0.6)
    with pytest.raises(ValueError, match=r"is a lag, made of the labels .*; spoil these: faults="):
        inject(small(Lags(known=[1])), [fault])


# --- nothing of what is not known -----------------------------------------------------------------

EVERY = Lags(
    known=[1, 2, 5],
    at=["2h"],
    rolling=[("mean", "3h"), ("std", 4), ("median", "5h"), ("max", 3), ("count", "2h")],
    expanding=["mean", "std", "min"],
    encode=["shop"],
    age=True,
)


@settings(max_examples=20, deadline=None)
@given(st.integers(0, 10_000))
def test_labels_that_are_not_known_at_a_row_change_none_of_its_lags(seed):
    rng = np.random.default_rng(seed)
    n = 40
    event = HOURS[0] + np.sort(rng.integers(0, 25, n)) * HOUR
    late = rng.integers(0, rng.choice([1, 3, 12]) + 1, n) * HOUR
    label = np.where(rng.random(n) < 0.1, np.datetime64("NaT", "ns"), event + late)
    y = np.where(np.isnat(label), NAN, rng.choice([0.1, 0.7, -3.3, 1e12], n))
    by = [None, "shop", None][seed % 3]
    stream = Stream(
        rng.integers(0, 3, (n, 2)).astype(float),
        y,
        event,
        label,
        columns=("shop", "a"),
        group=rng.choice(list("xy"), n) if seed % 3 == 2 else None,
        lags=replace(EVERY, by=by),
    )
    faults = [
        UnitChange(None, 100, start=0.3, stop=0.5),
        ReorderedLabels(start=0.2, stop=0.8, seed=seed),
        LateLabels(delay="4h", start=0.4, stop=0.7),
        DuplicatedRows(start=0.1, stop=0.9),
    ]
    stream = inject(stream, [fault for fault in faults if rng.random() < 0.4])
    moved = 0
    for row in rng.permutation(len(stream))[:8]:
        at = stream.event_time[row]
        hidden = ~((stream.label_time <= at) & (stream.event_time < at))
        labels = np.where(hidden & ~np.isnan(stream.y), 1e9 * rng.random(len(stream)), stream.y)
        never = hidden & (rng.random(len(stream)) < 0.2)
        labels[never] = NAN
        times = stream.label_time + rng.integers(0, 9, len(stream)) * HOUR
        times = np.where(hidden, np.maximum(times, at + HOUR), stream.label_time)
        times[never] = np.datetime64("NaT", "ns")
        spoilt = replace(stream, y=labels, label_time=times, truth=None)
        np.testing.assert_array_equal(spoilt.X[row], stream.X[row])
        moved += not np.array_equal(spoilt.X, stream.X, equal_nan=True)
    assert moved or hidden.sum() <= 1  # what is spoilt does reach later rows


# --- bike, labels a day late ----------------------------------------------------------------------

BIKE = Lags(known=[1, 24, 168], rolling=[("mean", "7D")])


def by_hand(stream):
    """The same in pandas alone: each label at the instant at which it is known."""
    rows = pd.DataFrame({"event": stream.event_time, "known": stream.label_time, "y": stream.y})
    for k in (1, 24, 168):
        rows[f"known_{k}"] = rows["y"].shift(k - 1)
    rows["mean"] = rows.rolling("7D", on="event")["y"].mean()
    made = rows.drop(columns=["event", "y"])
    asked = pd.DataFrame({"known": stream.event_time})
    return pd.merge_asof(asked, made, on="known").drop(columns="known").to_numpy()


@pytest.mark.parametrize("latency", ["1D", "7D"])
def test_on_bike_they_equal_honest_features_made_by_hand(latency):
    stream = replace(bundled.bike(latency), lags=BIKE)
    np.testing.assert_array_equal(stream.X[:, -4:], by_hand(stream))


def test_with_labels_a_week_late_nothing_is_yesterdays():
    day, week = (apply(replace(bundled.bike(), lags=BIKE), Fixed(late)) for late in ("1D", "7D"))
    rows = day.event_time.searchsorted(np.datetime64("2011-02-01T12"))
    at = day.event_time.searchsorted(day.event_time[rows] - np.timedelta64(1, "D"), "right") - 1
    assert day.X[rows, -4] == day.y[at]
    at = day.event_time.searchsorted(day.event_time[rows] - np.timedelta64(7, "D"), "right") - 1
    assert week.X[rows, -4] == day.y[at]
    assert (day.X[:, -4:] != week.X[:, -4:]).mean() > 0.9


def test_what_lags_know_of_the_past_does_not_depend_on_how_long_the_history_is():
    whole = apply(replace(bundled.bike(), lags=replace(EVERY, encode=["season"])), LogNormal("9h"))
    n = 3_000
    rows = {"y": whole.y[:n], "event_time": whole.event_time[:n], "X": whole.X[:n]}
    begun = replace(whole, label_time=whole.label_time[:n], **rows)
    np.testing.assert_array_equal(begun.X, whole.X[:n])
