"""Lags in a replay, an audit and a command: what they know, and that they hold."""

import re
from dataclasses import replace

import numpy as np
import pytest
from sklearn.linear_model import LinearRegression
from sklearn.tree import DecisionTreeRegressor
from test_leaks import assert_blind, backtest, some_instant, spoilt

from backtrain import Strategy
from backtrain.audit.data import data_findings
from backtrain.audit.rebuilt import lag_findings
from backtrain.config import compose
from backtrain.config.build import ConfigError
from backtrain.config.candidates import candidates
from backtrain.config.history import History, lags_of
from backtrain.config.study import checked
from backtrain.datasets import bundled, lagged
from backtrain.datasets.lags import Lags
from backtrain.datasets.latency import Fixed, LogNormal, NoDelay, apply
from backtrain.simulator.facts import facts_of
from backtrain.strategies import Decay, Every, Expanding, Never, Sliding
from backtrain.testing import history
from backtrain.understood import Understood

LAGS = Lags(
    known=[1, 3],
    at=["5h"],
    rolling=[("mean", "9h"), ("std", 5)],
    expanding=["mean"],
    encode=["x1"],
    age=True,
)
#: A tree takes missing values, which lags are before anything is known.
TREE = DecisionTreeRegressor(max_depth=3)


@pytest.mark.parametrize(
    "window", [Expanding(), Sliding("30h"), Sliding(20), Decay("1D")], ids=repr
)
@pytest.mark.parametrize("seed", range(3))
def test_a_replay_with_lags_is_blind(window, seed):
    rng = np.random.default_rng(seed)
    stream = replace(history(rng, 80, "regression"), lags=LAGS)
    t = some_instant(rng, stream)
    assert_blind(backtest(rng, TREE, stream), Strategy(Every("7h"), window), t, spoilt, rng)


# --- the audit ------------------------------------------------------------------------------------


def bike(late, lags):
    return replace(apply(bundled.bike(), late), lags=lags)


@pytest.mark.parametrize("late", [NoDelay(), Fixed("1D"), LogNormal("1D")], ids=repr)
def test_nothing_is_found_in_honest_lags(late):
    lags = Lags(
        known=[1, 24, 168],
        at=["1D", "7D"],
        rolling=[("mean", "7D"), ("sum", 24), ("count", "7D")],
        expanding=["sum", "count"],
        encode=["hour"],
    )
    stream = bike(late, lags)
    assert data_findings(stream, thorough=False) == []
    assert [*lag_findings(stream, [stream.span[0] + (stream.span[1] - stream.span[0]) / 2])] == []


def test_a_lag_made_by_hand_is_found_beside_them():
    plain = bundled.bike()
    X = np.column_stack([plain.X, np.append(np.nan, plain.y[:-1])])
    stream = replace(plain, X=X, columns=(*plain.columns, "lag1"), lags=Lags(known=[1]))
    [finding] = data_findings(stream, thorough=False)
    assert finding.part == "column 'lag1'"


def test_lags_that_leak_would_be_found(monkeypatch):
    """What is known at once, whatever label times say."""
    honest = lagged.as_of

    def leaking(lags, observed, *asked):
        return honest(lags, observed._replace(known_at=observed.time + 1), *asked)

    monkeypatch.setattr(lagged, "as_of", leaking)
    stream = bike(Fixed("1D"), Lags(known=[1]))
    [finding, *_] = lag_findings(stream, [stream.span[0] + (stream.span[1] - stream.span[0]) / 2])
    assert (finding.check, finding.part) == ("sees the future", "column 'count_known_1'")


def test_an_audit_looks_at_lags():
    rng = np.random.default_rng(0)
    stream = replace(history(rng, 80, "regression"), lags=LAGS)
    audit = backtest(rng, TREE, stream).audit(Strategy(Every("1D"), Expanding()), data=False)
    assert audit.passed
    assert "8 lags, from 'y_known_1' on: made anew of spoilt labels" in audit.checked


# --- what is said of them -------------------------------------------------------------------------


def test_what_was_understood_says_how_old_the_newest_label_is():
    stream = bike(Fixed("1D"), Lags(known=[1, 24], rolling=[("mean", "7D")], by="workingday"))
    asked = backtest(np.random.default_rng(0), LinearRegression(), stream)
    assert Understood.of(asked).lines["lags"] == (
        "count_known_1, count_known_24, count_mean_7D: labels known by then of its own series (2); "
        "the newest that a row knows is 1 day old (median), 5.6 days (95 %)"
    )
    said = facts_of(asked, Strategy(Never(), Expanding()), 0.0)["stream"]["lags"]
    assert said["known"] == [1, 24]
    plain = backtest(np.random.default_rng(0), LinearRegression(), replace(stream, lags=None))
    assert "lags" not in Understood.of(plain).lines
    assert "lags" not in facts_of(plain, Strategy(Never(), Expanding()), 0.0)["stream"]


# --- on the command line --------------------------------------------------------------------------


def plain(*words, name="run"):
    [config] = compose.composed(list(words), name)
    return checked(compose.split(config)[0])


def test_lags_are_keys_of_every_data_set():
    asked = plain(
        "lags.known=[1,24]", "lags.rolling=[[mean,7D]]", "latency.offset=1D", "latency=fixed"
    )
    stream = History.read(asked).stream
    assert stream.lags == Lags(known=[1, 24], rolling=[("mean", "7D")])
    assert stream.lag_columns == ("count_known_1", "count_known_24", "count_mean_7D")
    np.testing.assert_array_equal(
        stream.X, replace(bundled.bike(), lags=stream.lags).X
    )  # a day late, both


@pytest.mark.parametrize("words", [[], ["lags=null"], ["lags.known=[]"]])
def test_without_them_there_are_none(words):
    asked = plain(*words)
    assert lags_of(asked) is None
    assert History.read(asked).stream.lags is None


def test_jobs_of_a_sweep_have_lags_of_their_own():
    configs = compose.composed(["-m", "lags.known=[1],[1,24]"], "run")
    found = [lags_of(checked(compose.split(config)[0])) for config in configs]
    assert found == [Lags(known=[1]), Lags(known=[1, 24])]


@pytest.mark.parametrize(
    ("words", "says"),
    [
        (["lags.knwon=[1]"], "lags.knwon"),
        (["lags.known=1"], "lags.known=1: not what it must be; write lags.known=[1,24]"),
        (["lags.rolling=[mean,7D]"], "; write lags.rolling=[[mean,7D],[std,24]]"),
    ],
)
def test_a_slip_names_the_key(words, says):
    with pytest.raises(ConfigError, match=re.escape(says)):
        plain(*words)


@pytest.mark.parametrize(
    ("words", "says"),
    [
        (["lags.known=[0]"], "lags.known: 0 is no whole number from 1 on; write lags.known="),
        (["lags.by=hour"], "lags: none is asked for; name some, such as lags.known="),
        (["lags.known=[1]", "lags.by=hoer"], "lags.by: no feature 'hoer'; did you mean 'hour'"),
        (
            [
                "lags.known=[1]",
                "faults=[missing_spike]",
                "faults.missing_spike.column=count_known_1",
            ],
            "'count_known_1' is a lag, made of the labels",
        ),
    ],
)
def test_what_cannot_be_names_the_key_and_what_helps(words, says):
    with pytest.raises(ValueError, match=says):
        History.read(plain(*words))


def test_keys_are_completed():
    assert candidates(["lag"], "run") == ["lags."]
    assert "lags.rolling=" in candidates(["lags.r"], "run")
