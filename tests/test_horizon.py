"""Rows of forecasts: which there are, what they know, and when their labels arrive."""

import pickle
from dataclasses import replace
from pathlib import Path

import numpy as np
import pandas as pd
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from backtrain.audit.poison import poisoned
from backtrain.datasets.faults import DuplicatedRows, LateLabels, UnitChange, inject
from backtrain.datasets.horizon import Horizon
from backtrain.datasets.lags import Lags
from backtrain.datasets.latency import Fixed, apply
from backtrain.datasets.stream import Stream

HOUR = np.timedelta64(1, "h")


def series(n: int = 5, first: str = "2024-01-01T00", step: str = "h", **more: object) -> Stream:
    """Hours 0, 1, ... with labels 10, 11, ... and two features: 100, 101, ... and 0, 1, ..."""
    times = np.datetime64(first) + np.arange(n) * np.timedelta64(1, step)
    X = np.column_stack((100.0 + np.arange(n), np.arange(n, dtype=float)))
    return Stream(X, 10.0 + np.arange(n), times, columns=("seen", "hour"), target="y", **more)  # type: ignore[arg-type]


def table(stream: Stream) -> pd.DataFrame:
    frame = pd.DataFrame(stream.X, columns=list(stream.columns))
    return frame.assign(y=stream.y, at=stream.event_time, due=stream.target_time)


def test_a_row_is_an_origin_and_a_step() -> None:
    made = series(4).forecasts(Horizon(steps=2, ahead=["hour"]))
    assert made.columns == ("seen", "hour", "step")
    assert made.X.tolist() == [
        [100, 1, 1],  # as seen at hour 0, of hour 1
        [100, 2, 2],
        [101, 2, 1],
        [101, 3, 2],
        [102, 3, 1],  # hour 4 is none
    ]
    assert made.y.tolist() == [11, 12, 12, 13, 13]
    assert ((made.event_time - np.datetime64("2024-01-01")) // HOUR).tolist() == [0, 0, 1, 1, 2]
    assert ((made.label_time - np.datetime64("2024-01-01")) // HOUR).tolist() == [1, 2, 2, 3, 3]
    assert (made.target_time == made.label_time).all()


def test_steps_may_be_named() -> None:
    made = series(5).forecasts(Horizon(steps=[1, 3]))
    assert made.steps.tolist() == [1, 3, 1, 3, 1, 1]
    assert made.y.tolist() == [11, 13, 12, 14, 13, 14]


def test_the_path_holds_what_is_known_of_the_steps_on_the_way() -> None:
    made = table(series(4).forecasts(Horizon(steps=[1, 2], ahead=["hour"], path=True)))
    assert made[["hour +1", "hour +2"]].to_numpy()[:4].tolist() == [[1, 2], [1, 2], [2, 3], [2, 3]]
    assert made["hour +1"].iloc[-1] == 3
    assert np.isnan(made["hour +2"].iloc[-1])  # there is no hour 4


def test_between_the_origins_that_are_served_there_is_something_to_learn_from() -> None:
    two_days = series(48)
    for between, rows in (("none", 24 + 23), ("first", 24 + 23 + 45), ("all", 24 * 47 - 276)):
        made = two_days.forecasts(Horizon(24, origins="24h", between=between))  # type: ignore[arg-type]
        assert len(made) == rows
        served = np.ones(len(made)) if made.score_weight is None else made.score_weight
        at = np.unique(made.event_time[served > 0])
        assert at.tolist() == np.unique(at.astype("datetime64[D]")).astype(at.dtype).tolist()
        assert (made.aside is None) == (between == "none")
        if made.aside is not None:
            assert (made.aside == (served == 0)).all()


def test_an_origin_is_the_first_row_at_or_after_a_multiple() -> None:
    gaps = series(72)
    kept = np.array([i for i in range(72) if i not in (24, 25, 48)])
    times, X = gaps.event_time[kept], gaps.X[kept]
    made = Stream(X, gaps.y[kept], times).forecasts(Horizon(1, origins="1D", between="none"))
    hours = (made.event_time - np.datetime64("2024-01-01")) // HOUR
    assert hours.tolist() == [0, 26, 49]
    weeks = series(20, step="D").forecasts(Horizon(1, origins="7D", between="none"))
    assert pd.DatetimeIndex(weeks.event_time).day.tolist() == [1, 8, 15]
    months = series(70, "2024-01-20", "D").forecasts(Horizon(1, origins="MS", between="none"))
    assert [str(at)[:10] for at in months.event_time] == ["2024-02-01", "2024-03-01"]


def test_whole_days_are_local_ones() -> None:
    berlin = series(24 * 5, "2024-03-28T23", timezone="Europe/Berlin")
    made = berlin.forecasts(Horizon(1, origins="24h", between="none"))
    local = berlin.calendar.local(made.event_time)
    assert [str(at)[11:13] for at in local] == ["00"] * 5
    assert np.diff(made.event_time).min() == 23 * HOUR  # the clock went forward


def test_of_many_series_each_has_its_own_steps() -> None:
    times = np.repeat(np.array(["2024-01-01", "2024-01-02", "2024-01-03"], "datetime64[D]"), 2)
    panel = Stream(np.arange(6.0)[:, None], np.arange(6.0), times, group=np.array(list("abbaab")))
    made = panel.forecasts(Horizon(2))
    # of equal origins by series, in order of appearance, then by step
    assert made.group.tolist() == list("aabbab")
    assert made.y.tolist() == [3, 4, 2, 5, 4, 5]
    assert made.steps.tolist() == [1, 2, 1, 2, 1, 1]


def test_a_series_has_one_row_at_an_instant() -> None:
    times = np.array(["2024-01-01", "2024-01-01", "2024-01-02"], "datetime64[D]")
    stream = Stream(np.zeros((3, 1)), np.arange(3.0), times)
    with pytest.raises(ValueError, match=r"two rows at 2024-01-01 .* group \(dataset\.group=COL"):
        stream.forecasts(Horizon(1))
    with pytest.raises(ValueError, match=r"of series 'a' at .*name all columns"):
        replace(stream, group=np.array(list("aab"))).forecasts(Horizon(1))
    with pytest.raises(ValueError, match="two rows"):
        inject(series(50).forecasts(Horizon(2)), [DuplicatedRows(1.0, start=0.2, stop=0.8)])


def test_latency_and_faults_act_on_the_series() -> None:
    made = apply(series(6).forecasts(Horizon(steps=[2])), Fixed("3h"))
    assert (made.label_time - made.target_time == 3 * HOUR).all()
    assert (made.label_time - made.event_time == 5 * HOUR).all()  # horizon h arrives h late
    spoilt = inject(made, [UnitChange("seen", 10, start=0.5, stop=0.9)])
    assert spoilt.X[:, 0].tolist() == [100, 101, 102, 1030]
    late = inject(made, [LateLabels("1h", start=0.5, stop=0.9)])
    assert ((late.label_time - late.target_time) // HOUR).tolist() == [3, 4, 4, 3]
    assert spoilt.horizon == late.horizon == made.horizon


def test_label_times_are_those_of_the_series() -> None:
    made = series(6).forecasts(Horizon(steps=[2]))
    with pytest.raises(ValueError, match=r"stream\.of_series"):
        made.with_label_time(None)
    later = made.of_series(lambda one: one.with_label_time(one.event_time + HOUR))
    assert (later.label_time == made.label_time + HOUR).all()
    with pytest.raises(ValueError, match=r"make others of stream\.series"):
        made.forecasts(Horizon(1))


def test_weights_and_amounts_are_those_of_what_is_forecast() -> None:
    made = series(4, weight=np.arange(4.0), amount=np.arange(4.0)).forecasts(
        Horizon(1, origins="2h")
    )
    assert made.weight.tolist() == made.amount.tolist() == [1, 2, 3]
    assert made.score_weight.tolist() == [1, 0, 3]  # the second is there to learn from


def test_it_is_saved_pickled_and_replaced_whole(tmp_path: Path) -> None:
    made = series(30, group=np.array(["a", "b"] * 15)).forecasts(
        Horizon(3, origins="6h", ahead=["hour"], path=True)
    )
    for again in (made.save(tmp_path / "it"), pickle.loads(pickle.dumps(made)), replace(made)):
        assert again.fingerprint == made.fingerprint
        assert again.horizon == made.horizon
        assert again.series.fingerprint == made.series.fingerprint
        assert (again.aside == made.aside).all()
    assert (
        apply(Stream.open(tmp_path / "it"), Fixed("1h")).label_time[0] == made.label_time[0] + HOUR
    )
    made.save(tmp_path / "it")
    assert len(list((tmp_path / "it").glob("series-*"))) == 1
    series(30).save(tmp_path / "it")
    assert not list((tmp_path / "it").glob("series-*"))


def test_other_series_or_horizons_are_other_streams() -> None:
    made = series(30).forecasts(Horizon([1], between="none"))
    longer = series(30).forecasts(Horizon([1], between="first"))
    assert (made.y == longer.y).all()
    assert made.fingerprint != longer.fingerprint


@pytest.mark.parametrize(
    ("given", "says"),
    [
        ({"steps": 0}, r"horizon\.steps=0: the number of steps"),
        ({"steps": []}, r"horizon\.steps=\[\]: whole numbers"),
        ({"steps": [1, 1]}, "each once"),
        ({"steps": True}, "the number of steps"),
        ({"origins": "7X"}, r"horizon\.origins='7X': not a time offset; did you mean '7D'"),
        ({"origins": "0h"}, "leave it out"),
        ({"ahead": "hour"}, "a list of features"),
        ({"between": "some"}, r"horizon\.between='some'"),
        ({"ahead": ["huor"]}, "no such feature; did you mean 'hour'"),
        ({"steps": [99]}, "the longest series has 5 rows"),
    ],
)
def test_what_cannot_be_is_refused(given: dict[str, object], says: str) -> None:
    with pytest.raises(ValueError, match=says):
        series().forecasts(Horizon(**given))  # type: ignore[arg-type]


def test_a_feature_called_step_is_refused() -> None:
    stream = replace(series(), columns=("step", "hour"))
    with pytest.raises(ValueError, match="column 'step': forecasts have a feature of that name"):
        stream.forecasts(Horizon(1))


def test_what_was_made_is_said() -> None:
    made = series(48).forecasts(Horizon(24, origins="24h"))
    assert made.reading == (
        "forecasts of steps 1 to 24, made every 24h: 47 rows, and 805 between them to learn from "
        "alone",
    )
    kept = np.array([0, 1, 2, 5, 6])
    gaps = series(7)
    made = Stream(gaps.X[kept], gaps.y[kept], gaps.event_time[kept]).forecasts(Horizon(1))
    assert made.reading[1] == "steps count rows: 1 of 4 are not 01:00:00 long"


# --- what is known at an origin -------------------------------------------------------------------


@st.composite
def panels(draw: st.DrawFn) -> tuple[Stream, Horizon]:
    """Series with gaps, late and missing labels, and lags of them."""
    rng = np.random.default_rng(draw(st.integers(0, 10_000)))
    n, many = draw(st.integers(40, 90)), draw(st.integers(1, 3))
    cells = rng.permutation(n * many)[: draw(st.integers(30, 40)) * many]
    cells.sort()
    event = np.datetime64("2024-01-01", "ns") + (cells // many) * HOUR
    delay = rng.integers(0, draw(st.sampled_from([1, 5, 40])), len(cells)) * HOUR
    label = np.where(rng.random(len(cells)) < 0.05, np.datetime64("NaT"), event + delay)
    label[-2 * many :] = (event + delay)[-2 * many :]  # some arrive, whatever is forecast
    y = np.where(np.isnat(label), np.nan, rng.normal(size=len(cells)))
    stream = Stream(
        rng.normal(size=(len(cells), 2)),
        y,
        event,
        label,
        columns=("seen", "known"),
        group=(cells % many).astype(str) if many > 1 else None,
        weight=rng.random(len(cells)) if draw(st.booleans()) else None,
        lags=Lags(
            known=[1, 3], at=["5h"], rolling=[("mean", "6h"), ("std", 4)], expanding=["mean"]
        ),
    )
    return stream, Horizon(
        draw(st.sampled_from([1, 3, (2, 4)])),
        origins=draw(st.sampled_from([None, "6h", "12h"])),
        ahead=["known"],
        between=draw(st.sampled_from(["all", "first", "none"])),
        path=draw(st.booleans()),
    )


@settings(max_examples=25, deadline=None)
@given(panels(), st.floats(0.1, 0.9), st.integers(0, 99))
def test_nothing_that_an_origin_did_not_know_is_in_its_rows(
    made: tuple[Stream, Horizon], share: float, seed: int
) -> None:
    stream, horizon = made
    rows = stream.forecasts(horizon)
    at = rows.event_time[int(share * len(rows))]
    for kinds in (("features", "labels", "label times", "rows"), ("labels",), ("rows",)):
        other = poisoned(rows, at, np.random.default_rng(seed), kinds)
        past = slice(0, int(rows.event_time.searchsorted(at)))
        assert (other.event_time[past] == rows.event_time[past]).all()
        assert other.X[past].tobytes() == rows.X[past].tobytes()
        known = rows.label_time[past] <= at
        assert (other.y[past][known] == rows.y[past][known]).all()
        assert (other.label_time[past][known] == rows.label_time[past][known]).all()
        assert (other.label_time[past][~known & ~np.isnat(other.label_time[past])] > at).all()


@settings(max_examples=25, deadline=None)
@given(panels())
def test_every_label_arrives_with_its_target_and_not_before(made: tuple[Stream, Horizon]) -> None:
    stream, horizon = made
    rows = stream.forecasts(horizon)
    arrives = ~np.isnat(rows.label_time)
    assert (rows.label_time[arrives] >= rows.target_time[arrives]).all()
    assert (rows.target_time > rows.event_time).all()
    code = [0] * len(stream) if stream.group is None else stream.group
    of = {(c, at): i for i, (c, at) in enumerate(zip(code, stream.event_time, strict=True))}
    groups = [0] * len(rows) if rows.group is None else rows.group
    order = [np.flatnonzero(np.asarray(code) == c) for c in dict.fromkeys(code)]
    place = {i: (own, k) for own in order for k, i in enumerate(own.tolist())}
    for k, (c, at) in enumerate(zip(groups, rows.event_time, strict=True)):
        own, position = place[of[c, at]]
        target = own[position + rows.steps[k]]
        assert rows.target_time[k] == stream.event_time[target]
        assert rows.label_time[k] == stream.label_time[target] or not arrives[k]
        assert rows.X[k, 0] == stream.X[of[c, at], 0]
        assert rows.X[k, 1] == stream.X[target, 1]


@settings(max_examples=15, deadline=None)
@given(panels())
def test_the_newest_label_that_is_known_is_that_of_the_origin_where_it_is(
    made: tuple[Stream, Horizon],
) -> None:
    stream, horizon = made
    rows = stream.forecasts(horizon)
    place = rows.columns.index("y_known_1")
    code = np.zeros(len(stream)) if stream.group is None else stream.group
    groups = np.zeros(len(rows)) if rows.group is None else rows.group
    for k in range(0, len(rows), 7):
        at = rows.event_time[k]
        known = (code == groups[k]) & (stream.event_time <= at) & (stream.label_time <= at)
        newest = stream.y[known][-1] if known.any() else np.nan
        assert rows.X[k, place] == newest or np.isnan([rows.X[k, place], newest]).all()


def test_an_encoding_of_what_is_known_in_advance_is_that_of_the_target() -> None:
    X = np.column_stack((np.arange(6) % 2, np.arange(6) % 2)).astype(float)
    odd = replace(series(6), X=X, lags=Lags(encode=["hour", "seen"], smoothing=0))
    made = table(odd.forecasts(Horizon(steps=[1], ahead=["hour"])))
    last = made.iloc[-1]  # at hour 4 the labels 10 to 14 are known; hour 5 is odd
    assert last["hour"] == 1
    assert last["y_mean_by_hour"] == (11 + 13) / 2
    assert last["y_mean_by_seen"] == (10 + 12 + 14) / 3


def test_the_usual_length_of_a_step_is_said_in_words() -> None:
    days = series(6, step="D")
    keep = [0, 1, 2, 3, 5]
    gap = Stream(days.X[keep], days.y[keep], days.event_time[keep], columns=("seen", "hour"))
    made = gap.forecasts(Horizon(steps=1))
    assert made.reading[1] == "steps count rows: 1 of 4 are not 1 day long"
