"""A stream: n rows in event-time order, validated, read-only, named by content."""

import pickle
import subprocess
import sys
from dataclasses import FrozenInstanceError, replace
from decimal import Decimal

import numpy as np
import pandas as pd
import pytest
from hypothesis import given
from hypothesis import strategies as st

from backtrain.datasets.stream import Stream

DAYS = np.datetime64("2024-01-01", "D") + np.arange(4) * np.timedelta64(1, "D")
DAY = np.timedelta64(1, "D")
NEVER = np.datetime64("NaT", "D")


def small(**changes):
    """Return four days, two features, labels known a day later."""
    given = {
        "X": np.arange(8.0).reshape(4, 2),
        "y": np.array([0, 1, 1, 0]),
        "event_time": DAYS,
        "label_time": DAYS + DAY,
    }
    return Stream(**given | changes)


def frame(**changes):
    """Return a table in reverse order with a tie in the middle."""
    columns = {
        "when": ["2024-01-03", "2024-01-02", "2024-01-02", "2024-01-01"],
        "a": [3.0, 2.0, 2.5, 1.0],
        "b": [True, False, True, False],
        "y": [3, 2, 25, 1],
        "known": ["2024-01-09", "2024-01-08", "2024-01-07", "2024-01-06"],
    }
    return pd.DataFrame(columns | changes)


def read(df, **options):
    return Stream.from_frame(df, **{"target": "y", "time": "when", "label_time": "known"} | options)


def test_a_stream_holds_one_float_array_and_nanoseconds():
    stream = small(X=np.arange(8).reshape(4, 2))
    assert stream.X.dtype == np.float64
    assert stream.X.flags.c_contiguous
    assert stream.event_time.dtype == stream.label_time.dtype == "datetime64[ns]"
    assert stream.columns == ("x0", "x1")
    assert len(stream) == 4
    assert stream.span == (pd.Timestamp("2024-01-01"), pd.Timestamp("2024-01-04"))


def test_arrays_are_read_only_and_not_copied():
    X = np.arange(8.0).reshape(4, 2)
    stream = small(X=X, weight=np.ones(4), group=np.arange(4))
    assert np.shares_memory(stream.X, X)
    assert X.flags.writeable
    for kept in (stream, pickle.loads(pickle.dumps(stream))):
        for name in ("X", "y", "event_time", "label_time", "weight", "group"):
            assert not getattr(kept, name).flags.writeable
    with pytest.raises(FrozenInstanceError):
        stream.name = "other"


def test_from_frame_sorts_and_ties_keep_their_order():
    stream = read(frame())
    assert stream.y.tolist() == [1, 2, 25, 3]
    assert stream.X.tolist() == [[1.0, 0.0], [2.0, 0.0], [2.5, 1.0], [3.0, 1.0]]
    assert stream.label_time.astype("datetime64[D]").astype(str).tolist() == [
        "2024-01-06",
        "2024-01-08",
        "2024-01-07",
        "2024-01-09",
    ]
    assert stream.columns == ("a", "b")
    assert stream.target == "y"


@given(st.lists(st.integers(0, 5), min_size=2, max_size=30))
def test_from_frame_is_a_stable_sort(days):
    times = pd.Timestamp("2024-01-01") + pd.to_timedelta(days, unit="D")
    df = pd.DataFrame({"when": times, "a": 1.0, "y": np.arange(len(days))})
    stream = Stream.from_frame(df, target="y", time="when")
    assert stream.y.tolist() == sorted(range(len(days)), key=lambda row: days[row])


def test_later_changes_of_the_table_do_not_reach_the_stream():
    df = frame()[::-1].reset_index(drop=True).assign(w=1.0, when=DAYS, known=DAYS)
    stream = read(df, weight="w")
    before = pickle.dumps(stream)
    for column in df.columns:
        df.loc[0, column] = df.loc[1, column]
    assert pickle.dumps(stream) == before


def test_roles_are_not_features():
    df = frame(w=[1, 2, 3, 4], g=["u", "v", "u", "v"], extra=[0, 0, 0, 1])
    stream = read(df, weight="w", group="g")
    assert stream.columns == ("a", "b", "extra")
    assert stream.weight.tolist() == [4.0, 2.0, 3.0, 1.0]
    assert stream.group.tolist() == ["v", "v", "u", "u"]
    assert read(df, features=["b"]).columns == ("b",)


def test_text_becomes_categories_in_order_of_first_appearance():
    stream = read(frame(city=["a", "c", None, "b"]))
    assert isinstance(stream.X, pd.DataFrame)
    assert stream.X["city"].cat.categories.tolist() == ["b", "c", "a"]
    assert stream.X["city"].cat.codes.tolist() == [0, 1, -1, 2]
    assert stream.X["b"].dtype == np.float64
    assert stream.X.index.equals(pd.RangeIndex(4))


def test_the_categories_of_the_past_do_not_depend_on_the_future():
    times = pd.date_range("2024-01-01", periods=4)
    city = pd.Series(["z", "m", "z", "a"]).astype("category")
    df = pd.DataFrame({"when": times, "city": city, "y": range(4)})
    whole = Stream.from_frame(df, target="y", time="when").X["city"]
    past = Stream.from_frame(df[:3], target="y", time="when").X["city"]
    assert whole[:3].cat.codes.tolist() == past.cat.codes.tolist() == [0, 1, 0]


def test_declared_order_of_categories_is_kept():
    size = pd.Categorical(["L", "S", "M", "S"], categories=["S", "M", "L"], ordered=True)
    assert read(frame(size=size)).X["size"].cat.categories.tolist() == ["S", "M", "L"]


def test_missing_numbers_stay_missing_whatever_holds_them():
    stream = read(
        frame(
            a=pd.array([1, None, 3, 4], dtype="Int64"),
            b=pd.Series([Decimal(1), None, Decimal("0.5"), Decimal("0.25")], dtype=object),
        )
    )
    np.testing.assert_array_equal(stream.X, [[4, 0.25], [np.nan, np.nan], [3, 0.5], [1, 1]])


@pytest.mark.parametrize(
    ("given", "kept", "dtype"),
    [
        (np.array([0, 1, 1, 0], dtype=np.int8), [0, 1, 1, 0], "int8"),
        ([True, False, True, True], [True, False, True, True], "bool"),
        ([0.5, 1, 2, 3], [0.5, 1.0, 2.0, 3.0], "float64"),
        (["b", "a", "b", "a"], ["b", "a", "b", "a"], "object"),
        (pd.Categorical(["b", "a", "b", "a"]), ["b", "a", "b", "a"], "object"),
        (pd.Categorical([2, 1, 2, 1]), [2, 1, 2, 1], "int64"),
        (pd.array([1, 2, 3, 4], dtype="Int64"), [1, 2, 3, 4], "int64"),
        (np.array([[0], [1], [1], [0]]), [0, 1, 1, 0], "int64"),
    ],
)
def test_labels_stay_what_they_are(given, kept, dtype):
    y = small(y=given).y
    assert y.tolist() == kept
    assert y.dtype == dtype


@pytest.mark.parametrize(
    ("given", "kept", "dtype"),
    [
        (pd.array([0, None, 1, 1], dtype="Int64"), [0.0, "missing", 1.0, 1.0], "float64"),
        ([True, None, False, True], [1.0, "missing", 0.0, 1.0], "float64"),
        (["b", None, "a", "a"], ["b", "missing", "a", "a"], "object"),
    ],
)
def test_a_missing_label_never_arrives(given, kept, dtype):
    stream = small(y=given, label_time=None)
    assert np.isnat(stream.label_time).tolist() == [False, True, False, False]
    assert stream.label_time[0] == stream.event_time[0]
    assert stream.y.dtype == dtype
    assert ["missing" if pd.isna(label) else label for label in stream.y] == kept
    assert "1 never labelled" in repr(stream)


def test_times_with_a_time_zone_are_converted_to_utc():
    times = pd.DatetimeIndex(DAYS).tz_localize("Europe/Vienna")
    assert small(event_time=times, label_time=None).span[0] == pd.Timestamp("2023-12-31 23:00")


def test_times_may_be_text_of_uneven_precision():
    times = ["2024-01-01", "2024-01-01 05:00", "2024-01-01T06:00:30", "2024-01-02"]
    assert small(event_time=times, label_time=None).event_time[1] == np.datetime64("2024-01-01T05")


def test_rows_lie_between_start_and_stop():
    stream = small(event_time=DAYS[[0, 1, 1, 2]], label_time=None)
    assert stream.rows("2024-01-02", "2024-01-03") == slice(1, 3)
    assert stream.rows() == slice(0, 4)
    assert stream.rows(start=pd.Timestamp("2024-01-02 00:00:01")) == slice(3, 4)
    assert stream.rows("2024-01-03", "2024-01-02") == slice(3, 3)
    with pytest.raises(ValueError, match="stop='soon'"):
        stream.rows(stop="soon")


def test_take_of_a_slice_is_a_view():
    stream = small()
    assert np.shares_memory(stream.take(slice(1, 3)), stream.X)
    assert stream.take(np.array([3, 0])).tolist() == [[6.0, 7.0], [0.0, 1.0]]
    assert read(frame(c=list("abcd"))).take(np.array([1]))["c"].tolist() == ["b"]


def test_head_shows_times_features_and_target():
    head = small().head(2)
    assert head.columns.tolist() == ["event_time", "label_time", "x0", "x1", "y"]
    assert head["y"].tolist() == [0, 1]
    assert len(small().head(99)) == 4


def test_label_times_can_be_replaced():
    stream = small().with_label_time(None)
    assert (stream.label_time == stream.event_time).all()


def test_the_fingerprint_is_the_content():
    name = small().fingerprint
    assert len(name) == 64
    assert small(name="other", drift=("2024-01-02",)).fingerprint == name
    assert small(X=np.arange(8).reshape(4, 2)).fingerprint == name
    others = {
        "X": np.arange(1.0, 9.0).reshape(4, 2),
        "y": np.array([0, 1, 0, 0]),
        "event_time": DAYS - DAY,
        "label_time": DAYS + 2 * DAY,
        "columns": ("a", "b"),
        "weight": np.ones(4),
        "group": np.ones(4),
    }
    names = {field: small(**{field: value}).fingerprint for field, value in others.items()}
    assert len({name, *names.values()}) == 8


def test_the_fingerprint_of_text_is_its_words():
    words = frame(c=["u", "v", "w", "u"])
    same = words.astype({"c": "category"})
    assert read(words).fingerprint == read(same).fingerprint
    assert read(words).fingerprint != read(frame(c=["u", "v", "x", "u"])).fingerprint
    labels = ["b", "a", "b", "a"]
    assert small(y=labels).fingerprint == small(y=np.array(labels)).fingerprint


def test_the_fingerprint_is_the_same_in_another_process():
    code = (
        "import numpy as np; from backtrain.datasets.stream import Stream;"
        "t = np.arange('2024-01-01', '2024-01-05', dtype='datetime64[D]');"
        "print(Stream(np.arange(8.).reshape(4, 2), list('abab'), t).fingerprint)"
    )
    found = subprocess.run([sys.executable, "-c", code], capture_output=True, text=True, check=True)
    assert found.stdout.strip() == small(y=list("abab"), label_time=None).fingerprint


INFINITE = np.where(np.arange(8) == 5, np.inf, 1.0).reshape(4, 2)
LABEL_GONE = np.array([0.0, np.nan, 1.0, 0.0])
BEFORE = DAYS + DAY * np.array([1, 1, -1, 1])

REFUSED = {
    "no rows": ({"X": np.empty((0, 2)), "y": [], "event_time": []}, "event_time: no rows"),
    "lengths": ({"y": [0, 1]}, "y: 2 rows, but event_time has 4"),
    "label lengths": ({"label_time": DAYS[:2]}, "label_time: 2 rows, but event_time has 4"),
    "one column": ({"X": np.arange(4.0)}, r"X: shape \(4,\), not .*; use X.reshape"),
    "names": ({"columns": ("a",)}, "columns: 1 names for 2 features"),
    "same names": ({"columns": ("a", "a")}, "columns: 'a' stands there twice"),
    "no time": ({"event_time": [*DAYS[:3], NEVER]}, "event_time: missing in row 3"),
    "unsorted": (
        {"event_time": DAYS[[0, 2, 1, 3]], "label_time": None},
        r"event_time: row 2 \(2024-01-02 00:00:00\) is before row 1 .*use Stream.from_frame",
    ),
    "numbers for times": ({"event_time": [1, 2, 3, 4]}, r"numbers such as 1; .*unit='s'"),
    "no date": ({"event_time": ["2024-01-01", "soon", "", ""]}, "row 1 is 'soon', not a time"),
    "day or month": ({"event_time": ["01/02/2024"] * 4}, "may be day or month first"),
    "far future": (
        {"event_time": np.array(["3000-01-01"] * 4, "M8[s]")},
        "outside the years 1678 to 2261",
    ),
    "zone and none": (
        {"event_time": ["2024-01-01T00:00+01:00", *["2024-01-02T00:00"] * 3]},
        r"times with and without one.*utc=True",
    ),
    "zone for one": (
        {"label_time": pd.DatetimeIndex(DAYS + DAY).tz_localize("UTC")},
        "label_time has a time zone and event_time has none",
    ),
    "early label": (
        {"label_time": BEFORE},
        r"row 2 \(event_time 2024-01-03 00:00:00\): label_time is before event_time",
    ),
    "label time without label": ({"y": LABEL_GONE}, "row 1 .*'y' is missing, but label_time"),
    "infinite feature": ({"X": INFINITE}, "column 'x1': infinite in row 2"),
    "infinite label": ({"y": [0.0, np.inf, 1.0, 0.0]}, "target 'y': infinite in row 1"),
    "label dates": ({"y": DAYS}, "target 'y': datetime64 values"),
    "two targets": ({"y": np.ones((4, 2))}, r"'y': shape \(4, 2\); it must be one column"),
    "constant": ({"y": [1, 1, 1, 1]}, "every label that arrives is 1; there is nothing to learn"),
    "constant where known": (
        {"label_time": [*(DAYS[:1] + DAY), NEVER, NEVER, *(DAYS[3:] + DAY)]},
        "every label that arrives is 0",
    ),
    "no label": ({"label_time": [NEVER] * 4}, "no label ever arrives"),
    "negative weight": ({"weight": [1, -1, 1, 1]}, "weight: -1.0 in row 1; .* a number >= 0"),
    "missing weight": ({"weight": [1, np.nan, 1, 1]}, "weight: nan in row 1"),
    "words for weights": ({"weight": list("abcd")}, "weight: string values"),
    "missing group": ({"group": ["a", None, "b", "b"]}, "group: missing in row 1"),
    "drift": ({"drift": ("soon",)}, "drift='soon': not a date or time"),
}


@pytest.mark.parametrize("case", REFUSED)
def test_bad_input_is_refused_with_its_place_and_remedy(case):
    changes, message = REFUSED[case]
    with pytest.raises(ValueError, match=message):
        small(**changes)


NOT_READ = {
    "target": ({}, {"target": "Y"}, "target='Y': no such column; did you mean 'y'?"),
    "time": ({}, {"time": "wehn"}, "time='wehn': no such column; did you mean 'when'?"),
    "label time": ({}, {"label_time": "know"}, "label_time='know': .* did you mean 'known'?"),
    "feature": ({}, {"features": ["c"]}, "features='c': no such column"),
    "target twice": ({}, {"label_time": "y"}, "label_time='y': already used as target"),
    "target as feature": ({}, {"features": ["a", "y"]}, "features='y': already used as target"),
    "same feature": ({}, {"features": ["a", "a"]}, "features='a': already used as features"),
    "no feature": ({}, {"features": []}, "features: no column is left .*; add .* lags.known="),
    "unit of time": ({"when": [4, 3, 2, 1]}, {}, "time 'when': numbers such as 4"),
    "date feature": ({"d": DAYS}, {}, "column 'd': datetime64 values are no feature; .*dt.hour"),
    "length feature": ({"d": DAYS - DAYS[0]}, {}, "column 'd': timedelta64 values are no feature"),
    "mixed": ({"m": [1, "a", 2, "b"]}, {}, "column 'm': mixed-integer values such as"),
    "infinite": ({"c": list("abcd"), "a": [1, np.inf, 2, 3]}, {}, "column 'a': infinite in row 1"),
}


@pytest.mark.parametrize("case", NOT_READ)
def test_a_bad_table_is_refused_with_its_column_and_remedy(case):
    changes, options, message = NOT_READ[case]
    with pytest.raises(ValueError, match=message):
        read(frame(**changes), **options)


def test_columns_that_share_a_name_are_refused():
    df = pd.concat([frame(), frame()[["a"]]], axis="columns")
    with pytest.raises(ValueError, match="column 'a' stands there twice; rename one"):
        read(df)


def test_a_time_in_the_index_is_recognised():
    with pytest.raises(ValueError, match=r"time='when': .*it is the index: use df.reset_index"):
        read(frame().set_index("when"))


def test_what_is_no_table_is_refused():
    with pytest.raises(ValueError, match="df: a list, not a table; give"):
        read([1, 2])


def test_replace_validates_again():
    with pytest.raises(ValueError, match="y: 1 rows"):
        replace(small(), y=np.array([1]))
