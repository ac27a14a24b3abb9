"""Synthetic drift: the truth is what the generator says it is."""

import numpy as np
import pandas as pd
import pytest

from backtrain.datasets.synthetic import (
    abrupt,
    covariate,
    gradual,
    hyperplane,
    incremental,
    recurring,
    sea,
    stationary,
)

ALL = [stationary, abrupt, gradual, incremental, recurring, covariate, sea, hyperplane]
LINEAR = ALL[:6]


def fitted(stream, rows):
    """Return least-squares weights of these rows of a regression without noise."""
    return np.linalg.lstsq(stream.X[rows], stream.y[rows], rcond=None)[0]


@pytest.mark.parametrize("make", ALL)
def test_same_arguments_same_bytes(make):
    first, again, other = make(200, seed=1), make(200, seed=1), make(200, seed=2)
    assert first.fingerprint == again.fingerprint != other.fingerprint
    assert first.name == make.__name__
    assert len(first) == 200


@pytest.mark.parametrize("make", LINEAR)
def test_a_concept_is_learnt_as_class_or_as_number(make):
    assert set(make(500).y) == {0, 1}
    assert make(500).y.dtype == np.int64
    assert make(500, task="regression").y.dtype == np.float64
    assert make(50, n_features=2, freq="30min", start="2023-05-01").span == (
        pd.Timestamp("2023-05-01 00:00"),
        pd.Timestamp("2023-05-02 00:30"),
    )


def test_stationary_has_one_concept():
    stream = stationary(1_000, task="regression", noise=0)
    assert stream.drift == ()
    np.testing.assert_allclose(fitted(stream, slice(0, 500)), fitted(stream, slice(500, 1_000)))


def test_abrupt_changes_at_once_at_a_right_angle():
    stream = abrupt(1_000, at=[0.25, 0.75], task="regression", noise=0)
    assert stream.drift == tuple(pd.Timestamp(stream.event_time[row]) for row in (250, 750))
    first, second, third = (
        fitted(stream, rows) for rows in (slice(0, 250), slice(250, 750), slice(750, 1_000))
    )
    for rows, weights in ((slice(0, 250), first), (slice(250, 750), second)):
        np.testing.assert_allclose(stream.X[rows] @ weights, stream.y[rows])
    assert first @ second == pytest.approx(0, abs=1e-9)
    assert second @ third == pytest.approx(0, abs=1e-9)


def test_gradual_mixes_two_concepts():
    stream = gradual(1_000, at=0.4, width=0.4, task="regression", noise=0)
    old = np.isclose(stream.X @ fitted(stream, slice(0, 400)), stream.y)
    new = np.isclose(stream.X @ fitted(stream, slice(800, 1_000)), stream.y)
    assert (old ^ new).all()
    assert old[:400].all()
    assert new[800:].all()
    assert 0.6 < old[400:600].mean() < 0.9
    assert 0.1 < old[600:800].mean() < 0.4
    assert stream.drift == (pd.Timestamp(stream.event_time[400]),)


def test_incremental_moves_half_way_in_half_the_time():
    stream = incremental(1_000, at=0.4, width=0.4, task="regression", noise=0)
    old, new = fitted(stream, slice(0, 400)), fitted(stream, slice(800, 1_000))
    assert stream.y[600] == pytest.approx(stream.X[600] @ (old + new) / 2)
    assert stream.drift == (pd.Timestamp(stream.event_time[400]),)


def test_recurring_comes_back():
    stream = recurring(1_000, periods=4, task="regression", noise=0)
    assert stream.drift == tuple(pd.Timestamp(stream.event_time[row]) for row in (250, 500, 750))
    parts = [fitted(stream, slice(at, at + 250)) for at in (0, 250, 500, 750)]
    np.testing.assert_allclose(parts[0], parts[2])
    np.testing.assert_allclose(parts[1], parts[3])
    assert not np.allclose(parts[0], parts[1])


def test_covariate_moves_the_features_and_not_the_concept():
    stream = covariate(2_000, at=0.5, size=2, curvature=0, task="regression", noise=0)
    np.testing.assert_allclose(fitted(stream, slice(0, 1_000)), fitted(stream, slice(1_000, 2_000)))
    assert stream.X[:1_000].mean() == pytest.approx(0, abs=0.1)
    assert stream.X[1_000:].mean() == pytest.approx(2, abs=0.1)
    assert stream.drift == (pd.Timestamp(stream.event_time[1_000]),)


def test_sea_is_a_threshold_on_two_features():
    stream = sea(400, concepts=(0, 2, 2, 3), noise=0)
    total = stream.X[:, :2].sum(axis=1)
    for part, threshold in enumerate((8.0, 7.0, 7.0, 9.5)):
        rows = slice(part * 100, (part + 1) * 100)
        assert (stream.y[rows] == (total[rows] <= threshold)).all()
    assert stream.drift == tuple(pd.Timestamp(stream.event_time[row]) for row in (100, 300))


def test_hyperplane_rotates_from_the_first_row_on():
    still = hyperplane(2_000, speed=0, noise=0)
    moving = hyperplane(2_000, speed=2, noise=0)
    assert (still.y[:20] == moving.y[:20]).mean() > 0.8
    assert (still.y[-500:] == moving.y[-500:]).mean() < 0.9
    assert moving.drift == (pd.Timestamp(moving.event_time[0]),)
    assert still.y.mean() == pytest.approx(0.5, abs=0.05)


def test_noise_flips_that_share_of_labels():
    clean, noisy = stationary(5_000, noise=0), stationary(5_000, noise=0.2)
    assert (clean.y != noisy.y).mean() == pytest.approx(0.2, abs=0.02)


REFUSED = {
    "n=1: must be at least 2 rows": lambda: stationary(1),
    "n_features=0: must be at least 1": lambda: stationary(9, n_features=0),
    "task='rank': must be 'classification' or 'regression'": lambda: stationary(9, task="rank"),
    "noise=0.6: must be >= 0, and at most 0.5": lambda: stationary(9, noise=0.6),
    "noise=-1: must be >= 0": lambda: stationary(9, noise=-1, task="regression"),
    "freq='MS': not of fixed length": lambda: stationary(9, freq="MS"),
    "start='soon': not a date": lambda: stationary(9, start="soon"),
    "at=[0.5, 0.4]: must be ascending shares": lambda: abrupt(9, at=[0.5, 0.4]),
    "at=[1.5]: must be ascending shares": lambda: abrupt(9, at=[1.5]),
    "width=0.9: must be above 0 and at most 1 - at = 0.5": lambda: gradual(9, width=0.9),
    "width=0: must be above 0": lambda: incremental(9, width=0),
    "periods=1: must be between 2 and n=9": lambda: recurring(9, periods=1),
    "concepts=[4]: must be some of 0, 1, 2, 3": lambda: sea(9, concepts=[4]),
    "n_drifting=11: must be between 1 and n_features=10": lambda: hyperplane(9, n_drifting=11),
}


@pytest.mark.parametrize("message", REFUSED)
def test_wrong_arguments_are_refused(message):
    with pytest.raises(ValueError) as error:  # noqa: PT011 -- the message is compared
        REFUSED[message]()
    assert message in str(error.value)


@pytest.mark.parametrize("make", [gradual, incremental])
def test_a_transition_may_end_with_the_history(make):
    """1 - 0.8 is 0.19999... in floats, and 0.2 all the same."""
    assert len(make(100, at=0.8, width=0.2).drift) == 1
    assert len(make(100, at=0.7, width=0.3).drift) == 1
