"""Columns that tell too much are found, by how they were made; honest ones are not."""

from __future__ import annotations

from dataclasses import replace
from typing import Any

import numpy as np
import pandas as pd
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from backtrain import Stream
from backtrain.audit.data import data_findings, warning
from backtrain.datasets import synthetic
from backtrain.datasets.bundled import bike, flights

DAYS = np.datetime64("2024-01-01", "ns") + np.arange(400) * np.timedelta64(1, "D")


def daily(latency: int = 3, **columns: Any) -> Stream:
    """A random walk, a row a day; labels arrive some days late."""
    rng = np.random.default_rng(0)
    y = np.cumsum(rng.normal(size=400))
    frame = pd.DataFrame({"noise": rng.normal(size=400)} | {k: f(y) for k, f in columns.items()})
    return Stream(frame, y, DAYS, DAYS + latency * np.timedelta64(1, "D"))


def shifted(y: np.ndarray, lag: int) -> np.ndarray:
    return pd.Series(y).shift(lag).to_numpy()


def parts(stream: Stream, thorough: bool = True) -> list[str]:
    return [finding.part for finding in data_findings(stream, thorough)]


@pytest.mark.parametrize("thorough", [True, False])
@pytest.mark.parametrize("make", [lambda: bike(latency="1D"), bike, flights])
def test_the_bundled_data_pass(make: Any, thorough: bool) -> None:
    assert parts(make(), thorough) == []


@pytest.mark.parametrize("task", ["regression", "classification"])
@pytest.mark.parametrize("name", ["abrupt", "covariate", "gradual", "recurring", "stationary"])
def test_synthetic_streams_pass(name: str, task: Any) -> None:
    assert parts(getattr(synthetic, name)(n=3_000, task=task)) == []


@settings(max_examples=25, deadline=None, derandomize=True)
@given(lag=st.integers(-20, 20), latency=st.integers(0, 10), rising=st.booleans())
def test_a_label_of_another_row_is_found_where_it_is_not_known(
    lag: int, latency: int, rising: bool
) -> None:
    stream = daily(latency, told=lambda y: shifted(np.exp(y / 9) if rising else y, lag))
    known = lag >= max(1, latency)
    assert parts(stream) == ([] if known else ["column 'told'"])


@settings(max_examples=25, deadline=None, derandomize=True)
@given(lag=st.integers(0, 12), width=st.integers(2, 30), latency=st.integers(0, 10))
def test_a_rolling_mean_is_found_where_its_newest_label_is_not_known(
    lag: int, width: int, latency: int
) -> None:
    def mean(y: np.ndarray) -> np.ndarray:
        return pd.Series(shifted(y, lag)).rolling(width).mean().to_numpy()

    known = lag >= max(1, latency)
    assert parts(daily(latency, told=mean)) == ([] if known else ["column 'told'"])


def test_a_lag_on_bike_that_ignores_that_labels_take_a_day() -> None:
    """By the hour, though some hours are missing."""
    stream = bike(latency="1D")
    sold = pd.Series(stream.y.astype(float), index=stream.event_time)

    def lagged(hours: int) -> Stream:
        values = sold.reindex(sold.index - pd.Timedelta(hours=hours)).to_numpy()
        columns = (*stream.columns, "lag")
        return replace(stream, X=np.column_stack((stream.X, values)), columns=columns)

    assert parts(lagged(1)) == parts(lagged(23)) == ["column 'lag'"]
    assert parts(lagged(24)) == parts(lagged(48)) == []


def test_what_it_says_names_both_rows_and_when_the_label_is_known() -> None:
    [finding] = data_findings(daily(3, told=lambda y: shifted(y, 1)))
    assert finding.row == 1
    assert "the label of the row 1 earlier" in finding.says
    assert "takes that of row 0, known only at 2024-01-04" in finding.says


def test_a_clock_in_whole_units_is_no_identifier_where_rows_come_irregularly() -> None:
    rng = np.random.default_rng(0)
    seconds = np.cumsum(rng.integers(300, 900, size=2_000))
    jittered = 3_600 * np.arange(2_000) + rng.integers(0, 3_000, size=2_000)
    for since, unit in ((seconds, 60), (jittered, 3_600)):
        at = np.datetime64("2024-01-01", "ns") + since * np.timedelta64(1, "s")
        clock = pd.DataFrame({"clock": since // unit + 480_000})
        assert parts(Stream(clock, rng.normal(size=2_000), at)) == []
        number = pd.DataFrame({"order": 1_000 + np.cumsum(rng.integers(1, 4, size=2_000))})
        assert parts(Stream(number, rng.normal(size=2_000), at)) == ["column 'order'"]


def test_classes_that_follow_each_other_are_no_copies() -> None:
    """Yesterday's class is often today's; only the very same column is found."""
    rng = np.random.default_rng(4)
    y = (np.cumsum(rng.normal(size=2_000)) > 0).astype(int)
    when = DAYS[0] + np.arange(2_000) * np.timedelta64(1, "h")
    noisy = np.where(rng.random(2_000) < 0.1, 1 - y, y)
    for column, found in ((np.roll(y, 1), False), (noisy, False), (y, True)):
        stream = Stream(np.column_stack((column, rng.normal(size=2_000))), y, when)
        assert parts(stream) == (["column 'x0'"] if found else [])


def test_a_run_warns_in_one_line() -> None:
    assert warning(daily()) is None
    said = warning(daily(told=lambda y: y))
    assert said is not None
    assert said.startswith("column 'told': it tells the label of its own row")
    assert "\n" not in said
