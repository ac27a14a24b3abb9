"""A synthetic panel is what its docstring says: levels, weeks, promotions, beginnings, breaks."""

import numpy as np
import pandas as pd
import pytest
from hypothesis import given
from hypothesis import strategies as st

from backtrain.datasets.synthetic import panel

SMALL = {"series": 12, "days": 200, "families": 4}


def table(stream):
    """Return its rows as a frame."""
    frame = pd.DataFrame(stream.X, columns=list(stream.columns))
    return frame.assign(time=stream.event_time, series=stream.group, demand=stream.y)


def test_same_arguments_same_bytes():
    first, again, other = panel(**SMALL), panel(**SMALL), panel(**SMALL, seed=1)
    assert first.fingerprint == again.fingerprint != other.fingerprint
    assert (first.name, first.target) == ("panel", "demand")
    assert first.y.dtype == np.int64


def test_a_row_is_a_day_of_a_series_whose_demand_is_known_the_day_after():
    stream = panel(**SMALL, new=0)
    rows = table(stream)
    assert len(stream) == 12 * 200
    assert (rows.groupby("time").size() == 12).all()
    assert (stream.label_time - stream.event_time == np.timedelta64(1, "D")).all()
    assert (rows["weekday"] == rows["time"].dt.day_of_week).all()
    assert (rows["day_of_year"] == rows["time"].dt.day_of_year).all()
    assert (rows["family"] == rows["series"] % 4).all()
    assert (rows["age"] == (rows["time"] - rows["time"].min()).dt.days).all()
    assert (panel(**SMALL, latency="7D").label_time - stream.event_time[0]).min().astype(
        "timedelta64[D]"
    ) == np.timedelta64(7, "D")


def test_new_series_begin_by_the_middle_and_are_there_to_the_end():
    rows = table(panel(series=100, days=200, families=4, new=0.5))
    first, last = rows.groupby("series")["time"].min(), rows.groupby("series")["time"].max()
    late = first > rows["time"].min()
    assert 35 <= late.sum() <= 65
    assert first.max() <= pd.Timestamp("2024-01-01") + pd.Timedelta(days=100)
    assert (last == last.max()).all()
    assert (rows.groupby("series")["age"].min() == 0).all()
    assert not (table(panel(**SMALL, new=0))["age"] < 0).any()


def test_levels_lie_over_orders_of_magnitude_and_promotions_sell_more():
    stream = panel(
        series=60, days=364, families=3, new=0, level_drift=0, promotion_drift=0, dispersion=0
    )
    rows = table(stream)
    mean = rows.groupby("series")["demand"].mean()
    assert mean.min() < 3
    assert mean.max() > 500
    assert rows.groupby("series")["promotion"].mean().mean() == pytest.approx(0.1, abs=0.03)
    scaled = rows["demand"] / rows.groupby("series")["demand"].transform("mean")
    lift = scaled[rows["promotion"] == 1].groupby(rows["family"]).mean()
    lift /= scaled[rows["promotion"] == 0].groupby(rows["family"]).mean()
    assert lift.between(1.1, 3.3).all()
    assert stream.drift == ()


def test_counts_vary_by_the_negative_binomial():
    """Of large counts, Poisson's are nearly their mean: (y / mean) has variance `dispersion`."""
    same = {**SMALL, "series": 40}
    plain, noisy = panel(**same, dispersion=0), panel(**same, dispersion=0.3)
    large = plain.y > 300
    assert (noisy.y[large] / plain.y[large]).var() == pytest.approx(0.3, rel=0.15)


def test_levels_break_for_a_share_of_the_families():
    same = {**SMALL, "new": 0.0, "at": [0.5]}
    before, after = (
        table(panel(**same, level_drift=share, promotion_drift=0)) for share in (0.0, 0.5)
    )
    changed = before.groupby("series")["demand"].sum() != after.groupby("series")["demand"].sum()
    assert sorted(changed.groupby(lambda series: series % 4).all()) == [False, False, True, True]
    assert sorted(changed.groupby(lambda series: series % 4).any()) == [False, False, True, True]


def test_what_promotions_do_changes_where_there_are_promotions_only():
    same = {**SMALL, "new": 0.0, "at": [0.5], "level_drift": 0}
    before, after = (table(panel(**same, promotion_drift=share)) for share in (0.0, 1.0))
    late = before["time"] >= panel(**same, promotion_drift=1).drift[0]
    differs = before["demand"] != after["demand"]
    first = differs[differs].groupby(before["series"]).head(1).index
    assert len(first) >= 10  # the smallest series sell the same by chance
    assert (before.loc[first, "promotion"] == 1).all()
    assert late[first].all()


@given(
    seed=st.integers(0, 5),
    level=st.sampled_from([0, 0.1, 1]),
    promotion=st.sampled_from([0, 0.1, 1]),
)
def test_no_row_depends_on_a_change_that_comes_later_or_on_other_series(seed, level, promotion):
    plain = panel(**SMALL, seed=seed, level_drift=0, promotion_drift=0)
    more = panel(
        series=15, days=200, families=4, seed=seed, level_drift=level, promotion_drift=promotion
    )
    assert len(more.drift) == (2 if level or promotion else 0)
    rows, others = table(plain), table(more)
    stop = min(more.drift, default=rows["time"].max())
    same = others[(others["series"] < 12) & (others["time"] < stop)].reset_index(drop=True)
    pd.testing.assert_frame_equal(rows[rows["time"] < stop].reset_index(drop=True), same)


@pytest.mark.parametrize(
    ("wrong", "said"),
    [
        ({"series": 0}, "series=0: must be a whole number, at least 1"),
        ({"days": 1}, "days=1: must be a whole number, at least 2"),
        ({"series": 3}, r"families=10: must be at most series=3"),
        ({"new": 1.5}, r"new=1\.5: must be a share, from 0 to 1"),
        ({"at": [0.8, 0.6]}, r"at=\[0\.8, 0\.6\]: must be ascending shares of the days"),
        ({"dispersion": -1}, "dispersion=-1: must be a number, 0 or more"),
    ],
)
def test_what_makes_no_panel_is_refused(wrong, said):
    with pytest.raises(ValueError, match=said):
        panel(**wrong)
