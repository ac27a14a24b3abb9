"""Triggers made of triggers: who sees what, who fires when, and what is never exceeded.

One row an hour, row i at hour i with the label i; the model answers the mean of what it learnt.
"""

from dataclasses import dataclass

import numpy as np
import pandas as pd
import pytest
from hydra import compose, initialize_config_module
from hypothesis import example, given, settings
from hypothesis import strategies as st
from sklearn.base import BaseEstimator, RegressorMixin
from sklearn.dummy import DummyRegressor

from backtrain import Backtest, Delays, PartError, Prices, Reason, Strategy, Stream, Verdict
from backtrain.config.build import build
from backtrain.config.study import checked
from backtrain.strategies import (
    AllOf,
    AnyOf,
    AtLeast,
    BeatsChampion,
    Budget,
    Cooldown,
    ErrorDrift,
    Every,
    EveryRows,
    Expanding,
    FeatureDrift,
    MaxAge,
    Never,
    Not,
    OnDates,
    PerformanceDrop,
    Random,
    Sliding,
    WarmUp,
)

DROP = PerformanceDrop("MAE", window=12, min_labels=5, drop="20%")
DRIFT = FeatureDrift(window=20, min_rows=8, alpha=0.1)

PARTS = [
    AtLeast(2, Every("7D"), ErrorDrift(), FeatureDrift()),
    Not(Every("7D")),
    WarmUp(ErrorDrift(), "30D"),
    WarmUp(ErrorDrift(), rows=100, since="deployment"),
    WarmUp(ErrorDrift(), labels=100),
    AnyOf(AllOf(Every("1D"), Not(Random(0.5))), WarmUp(AtLeast(1, Never()), "3D")),
]
NONSENSE = [
    (lambda: AtLeast(0, Never()), r"AtLeast\(k=0\): give 1 or more"),
    (lambda: AtLeast(3, Never(), Never()), "no more than its 2 triggers"),
    (lambda: AtLeast(True, Never()), "k=True"),
    (lambda: AtLeast(1), "at least one trigger"),
    (lambda: AtLeast(1, Never), r"did you mean Never\(\)"),
    (lambda: Not(Never), r"did you mean Never\(\)"),
    (lambda: Not(Expanding()), "not a trigger"),  # type: ignore[arg-type]
    (lambda: WarmUp(Never()), "exactly one of offset=, rows= and labels="),
    (lambda: WarmUp(Never(), "3D", rows=3), "exactly one of"),
    (lambda: WarmUp(Never(), "3X"), "not a time offset"),
    (lambda: WarmUp(Never(), rows=0), r"WarmUp\(rows=0\): give 1 or more"),
    (lambda: WarmUp(Never(), labels=True), "1 or more"),
    (lambda: WarmUp(Never(), rows=3, since="training"), "'start', 'deployment'"),
    (lambda: Budget(Never(), retrains=-1), "not negative"),
    (lambda: Budget(Never(), retrains=1.5), "whole number"),  # type: ignore[arg-type]
    (lambda: Budget(Never(), money=-1), "not negative"),
    (lambda: Budget(Never(), money=float("nan")), "an amount of money"),
]
REGRESSION = {
    "at least two": Strategy(AtLeast(2, EveryRows(3), DROP, Random(0.5, seed=2)), Sliding(30)),
    "not": Strategy(AllOf(EveryRows(4), Not(Random(0.5, seed=4))), Sliding(20)),
    "not, alone": Strategy(Not(Every("2h")), Sliding(20), cooldown="7h"),
    "not an alarm": Strategy(AllOf(Every("5h"), Not(DROP)), Expanding()),
    "warm-up": Strategy(WarmUp(AnyOf(DROP, EveryRows(5)), "15h"), Sliding(20)),
    "warm-up, rows": Strategy(WarmUp(EveryRows(2), rows=7, since="deployment"), Sliding(20)),
    "warm-up, labels": Strategy(
        WarmUp(Random(0.5, seed=5), labels=6, since="deployment"),
        Sliding(20),
        gate=BeatsChampion(0.2, min_rows=1),
    ),
    "nested": Strategy(
        AnyOf(
            Cooldown(AtLeast(2, DRIFT, DROP, EveryRows(2)), "6h"),
            Budget(AllOf(Every("3h"), Not(WarmUp(EveryRows(2), rows=9))), retrains=2),
        ),
        Sliding(20),
    ),
}

MIDNIGHT = pd.Timestamp("2024-01-01")


def hour(h: float) -> pd.Timestamp:
    return MIDNIGHT + pd.Timedelta(hours=h)


def hours(times) -> list[float]:
    return [(pd.Timestamp(at) - MIDNIGHT) / pd.Timedelta("1h") for at in times]


def history(n: int = 13, late: float = 0) -> Stream:
    y = np.arange(n, dtype=float)
    times = pd.date_range(MIDNIGHT, periods=n, freq="h").to_numpy()
    return Stream(y[:, None], y, times, times + pd.Timedelta(hours=late).to_numpy())


def replay(trigger, stream: Stream | None = None, tick="1h", gate=None, model=None, **more):
    """Served from hour 4 on."""
    own = {} if gate is None else {"gate": gate}
    budget = more.pop("budget", None)
    model = DummyRegressor() if model is None else model
    backtest = Backtest(
        history() if stream is None else stream, model, tick=tick, start=hour(4), **more
    )
    return backtest.replay(Strategy(trigger, Expanding(), budget=budget, **own))


def events(run, *kinds: str) -> list[float]:
    return hours(run.events["at"][run.events["kind"].isin(kinds)])


def trained(trigger, **setup) -> list[float]:
    return events(replay(trigger, **setup), "trained")


@dataclass(frozen=True)
class At:
    """Fires at ticks at the given hours."""

    hours: tuple[float, ...]

    def monitor(self):
        return self

    def fires(self, view):
        return Reason(f"at {view.now.hour}") if hours([view.now])[0] in self.hours else None


@dataclass(frozen=True, eq=False)
class Spy:
    """Notes each tick that it sees, and always fires."""

    seen: list

    def monitor(self):
        return self

    def fires(self, view):
        self.seen.append(hours([view.now])[0])
        return Reason("always")


# --- several ------------------------------------------------------------------------------------


def test_at_least_k_of_several_must_fire_at_one_tick() -> None:
    three = At((5, 6, 9)), At((6, 8, 9)), At((9, 11))
    assert trained(AtLeast(1, *three)) == trained(AnyOf(*three)) == [5, 6, 8, 9, 11]
    assert trained(AtLeast(2, *three)) == [6, 9]
    assert trained(AtLeast(3, *three)) == trained(AllOf(*three)) == [9]


def test_the_reasons_of_all_that_fired_are_told() -> None:
    run = replay(AtLeast(2, At((6,)), At((7,)), At((6, 7))))
    reasons = run.events["reason"][run.events["kind"] == "trained"]
    assert reasons.tolist() == ["at 6; at 6", "at 7; at 7"]


# --- not ----------------------------------------------------------------------------------------


def test_not_fires_when_the_inner_one_does_not() -> None:
    assert trained(Not(At((5, 6, 8, 9, 10)))) == [7, 11, 12]
    assert trained(AllOf(Every("2h"), Not(At((8,))))) == [6, 10, 12]
    assert trained(Not(Not(At((6, 9))))) == [6, 9]


def test_a_silence_that_goes_on_is_noted_once() -> None:
    run = replay(Not(At((9,))), delays=Delays(train="3h"))
    # Trained at 5, in force at 8, where the next training starts; busy is noted at 6 for 6 and 7,
    # at 10 again, as the silence was broken at 9.
    assert events(run, "trained") == [5, 8, 11]
    assert events(run, "busy") == [6, 10, 12]


# --- warm-up ------------------------------------------------------------------------------------


def test_warm_up_by_offset_ends_at_its_last_instant() -> None:
    assert trained(WarmUp(EveryRows(1), "3h")) == [7, 8, 9, 10, 11, 12]
    assert trained(WarmUp(EveryRows(1), "150min")) == [7, 8, 9, 10, 11, 12]


def test_warm_up_by_rows_and_labels() -> None:
    # At hour h the rows 4 to h - 1 were served; their labels come two hours late.
    assert trained(WarmUp(EveryRows(1), rows=5)) == [9, 10, 11, 12]
    assert trained(WarmUp(EveryRows(1), labels=5), stream=history(late=2)) == [10, 11, 12]


def test_warm_up_begins_anew_with_each_version() -> None:
    # From 4: warm at 6. Decided at 6, in force at once: warm at 8, and so on.
    assert trained(WarmUp(EveryRows(1), "2h", since="deployment")) == [6, 8, 10, 12]
    # With a deployment an hour later it counts from there: 6, in force at 7, warm at 9, ...
    assert trained(
        WarmUp(EveryRows(1), rows=2, since="deployment"), delays=Delays(deploy="1h")
    ) == [6, 9, 12]


def test_warm_up_counts_only_labels_of_rows_served_since_the_deployment() -> None:
    # Labels come two hours late. Rows 4, 5 are labelled at 6, 7: trained at 7, in force at once.
    # Row 6 is labelled at 8 and was answered before; rows 7 and 8 are labelled at 9 and 10.
    warm = WarmUp(EveryRows(1), labels=2, since="deployment")
    assert trained(warm, stream=history(late=2)) == [7, 10]


def test_an_alarm_raised_in_the_warm_up_is_heard_when_it_ends() -> None:
    # The first model answers 1.5: the newest two errors are 2.5 and 3.5 at hour 6.
    alarm = PerformanceDrop("MAE", window=2, min_labels=2, below=2)
    assert trained(alarm)[0] == 6
    run = replay(WarmUp(alarm, "5h"))
    assert events(run, "trained")[0] == 9
    assert run.events["reason"][1] == "MAE 3 is worse than the floor 2"


def test_a_schedule_in_the_warm_up_is_lost() -> None:
    assert trained(WarmUp(Every("2h"), "3h")) == [8, 10, 12]


# --- every part sees every tick -----------------------------------------------------------------


@pytest.mark.parametrize(
    "wrap",
    [
        lambda spy: AnyOf(EveryRows(1), spy),
        lambda spy: AllOf(Never(), spy),
        lambda spy: AtLeast(1, EveryRows(1), EveryRows(2), spy),
        Not,
        lambda spy: Cooldown(spy, "5h"),
        lambda spy: Budget(spy, retrains=1),
        lambda spy: Budget(spy, money=0),
        lambda spy: WarmUp(spy, "6h"),
        lambda spy: AnyOf(EveryRows(1), AllOf(Never(), Not(Cooldown(WarmUp(spy, rows=9), "3h")))),
    ],
)
def test_every_part_sees_every_tick(wrap) -> None:
    spy = Spy([])
    replay(wrap(spy), delays=Delays(train="2h"))
    assert spy.seen == [5, 6, 7, 8, 9, 10, 11, 12]


# --- tuning and checking ------------------------------------------------------------------------


@dataclass(frozen=True)
class Learns:
    """Tuned to fire at the hour that is the number of labels known at start."""

    hours: tuple[float, ...] = ()

    def prepare(self, history):
        known = history.labelled.all()
        return At((float(known.stop - known.start + 3),))

    def monitor(self):
        raise AssertionError("used without having been tuned")


WRAPPED = [
    lambda inner: AnyOf(Never(), inner),
    lambda inner: AllOf(EveryRows(1), inner),
    lambda inner: AtLeast(2, EveryRows(1), Never(), inner),
    lambda inner: Not(Not(inner)),
    lambda inner: Cooldown(inner, "1h"),
    lambda inner: Budget(inner, retrains=5),
    lambda inner: WarmUp(inner, "1h"),
    lambda inner: AnyOf(Cooldown(AtLeast(1, Never(), Budget(inner, money=99)), "1h"), Never()),
]


@pytest.mark.parametrize("wrap", WRAPPED)
def test_what_is_tuned_inside_is_tuned(wrap) -> None:
    spec = wrap(Learns())
    assert trained(spec) == [7]  # the labels 0 to 3 are known at start
    assert repr(spec) == repr(wrap(Learns()))  # what was given is left as it was


@pytest.mark.parametrize("wrap", WRAPPED)
def test_where_nothing_is_to_be_tuned_a_combination_stays_itself(wrap) -> None:
    spec = wrap(EveryRows(2))
    assert spec.prepare(None) is spec


@pytest.mark.parametrize("wrap", WRAPPED)
def test_parts_inside_are_held_against_the_setup(wrap) -> None:
    with pytest.raises(PartError, match="no column 'nothing'"):
        replay(wrap(FeatureDrift(exclude=["nothing"])))


# --- budgets ------------------------------------------------------------------------------------


class Fussy(RegressorMixin, BaseEstimator):
    """The mean, if the number of rows can be divided by none of the given numbers."""

    def __init__(self, but=()):
        self.but = but

    def fit(self, X, y):
        if len(y) > 4 and any(len(y) % number == 0 for number in self.but):
            raise ValueError(f"{len(y)} rows")
        self.mean_ = y.mean()
        return self

    def predict(self, X):
        return np.full(len(X), self.mean_)


@dataclass(frozen=True)
class Slow:
    """Waits so many hours, then says yes or no in turn."""

    wait: int
    verdicts: tuple[str, ...]

    def open(self):
        return SlowTrial(self)


class SlowTrial:
    def __init__(self, gate):
        self.gate, self.waited = gate, False

    def check(self, selection, view):
        return None

    def reserve(self, selection):
        return selection, None

    def review(self, view):
        if self.gate.wait and not self.waited:
            self.waited = True
            return Verdict.wait(view.now + pd.Timedelta(hours=self.gate.wait))
        return getattr(Verdict, self.gate.verdicts[view.challenger.version % 2])()


@settings(max_examples=60, deadline=None)
@given(
    budget=st.integers(0, 9),
    quarters=st.integers(0, 36),
    kind=st.sampled_from(["retrains", "money", "strategy"]),
    inner=st.sampled_from([EveryRows(1), Random(0.6, seed=1), MaxAge("4h"), Not(Every("3h"))]),
    train=st.integers(0, 5),
    deploy=st.integers(0, 3),
    gate=st.builds(
        Slow,
        st.integers(0, 4),
        st.tuples(st.sampled_from(["deploy", "reject"]), st.sampled_from(["deploy", "reject"])),
    ),
    but=st.sampled_from([(), (2,), (2, 3), (2, 3, 5)]),
)
@example(  # enough for a training and its review, but not for the release
    budget=0,
    quarters=6,
    kind="money",
    inner=EveryRows(1),
    train=0,
    deploy=0,
    gate=Slow(0, ("deploy", "deploy")),
    but=(),
)
def test_a_budget_is_never_exceeded(
    budget, quarters, kind, inner, train, deploy, gate, but
) -> None:
    prices = Prices(retrain=1, review=0.5, release=0.25, error=0)
    budget = quarters / 4 if kind == "money" else budget
    trigger = inner if kind == "strategy" else Budget(inner, **{kind: budget})
    run = replay(
        trigger,
        stream=history(40),
        gate=gate,
        model=Fussy(but),
        prices=prices,
        delays=Delays(train=f"{train}h", deploy=f"{deploy}h"),
        budget=budget if kind == "strategy" else None,
    )
    free = replay(
        inner,
        stream=history(40),
        gate=gate,
        model=Fussy(but),
        prices=prices,
        delays=Delays(train=f"{train}h", deploy=f"{deploy}h"),
    )
    if kind == "money":
        assert run.totals["total"] <= budget
        # It is used up: another training at the fixed prices would not have been within it.
        assert run.totals["total"] + 1.75 > budget or run.totals == free.totals
    else:
        # Failed, rejected and pending ones count; what was possible is used up.
        assert run.totals["retrains"] == min(budget, free.totals["retrains"])


def test_a_budget_counts_what_is_under_way_from_its_decision() -> None:
    run = replay(Budget(EveryRows(1), retrains=2), delays=Delays(train="3h"))
    # Decided at 5 and, as soon as that one is in force, at 8: used up while it is under way.
    assert events(run, "trained") == [5, 8]
    assert events(run, "busy") == [6, 7]


# --- from YAML ----------------------------------------------------------------------------------


def test_a_combination_from_yaml_does_what_was_worked_out_by_hand() -> None:
    overrides = [
        "comparison=one",
        "strategy=parts",
        "window=sliding",
        "window.length=4",
        "trigger=any_of",
        "trigger._args_=[{_target_: backtrain.strategies.Every, every: 30D}, "
        "{_target_: backtrain.strategies.Cooldown, offset: 3D, trigger: "
        "{_target_: backtrain.strategies.FeatureDrift, window: 4, min_rows: 4, alpha: 0.05}}]",
    ]
    with initialize_config_module("backtrain.conf", version_base="1.3"):
        config = compose("run", overrides)
    strategy = build(checked(config)["strategy"])
    assert repr(strategy) == (
        "Strategy(AnyOf(Every('30D'), Cooldown(FeatureDrift(window=4, min_rows=4), '3D')), "
        "Sliding(4))"
    )
    # Four rows a day for 70 days; the feature is 0, from day 32 on 1, from day 40 on 2. Served from
    # day 2 on, with the four rows of the day before to learn from and to compare with.
    times = pd.date_range("2024-01-01", periods=4 * 70, freq="6h").to_numpy()
    x = np.repeat([0.0, 1.0, 2.0], [4 * 32, 4 * 8, 4 * 30])
    stream = Stream(x[:, None], np.arange(4.0 * 70), times)
    run = Backtest(stream, DummyRegressor(), tick="1D", start="2024-01-03").replay(strategy)
    # Day 32: 30 days since start; learns day 31, all 0.
    # Day 33: four rows of 1 against four of 0: the distance is 1, p = 0, an alarm. It cools until
    # day 35, when it is still on; learns day 34, all 1.
    # Day 41: four rows of 2, an alarm, and no training since day 35; learns day 40, all 2.
    # Day 62: 60 days since start.
    at = (run.events["at"] - pd.Timestamp("2024-01-01")).dt.days
    training = run.events["kind"] == "trained"
    assert at[training].tolist() == [32, 35, 41, 62]
    assert run.events["reason"][training].tolist() == [
        "scheduled for 2024-02-02 00:00:00",
        "x0 drifted",
        "x0 drifted",
        "scheduled for 2024-03-03 00:00:00",
    ]


def test_the_cooldown_of_a_part_holds_that_part_back_and_no_other() -> None:
    alarms = At(tuple(range(5, 13)))
    both = AnyOf(OnDates([str(hour(h)) for h in (6, 7, 11)]), Cooldown(alarms, "3h"))
    # The alarm at 5; the dates at 6 and 7; the alarm again three hours after that, at 10; the date
    # at 11, which makes the alarm wait beyond the end.
    assert trained(both) == [5, 6, 7, 10, 11]
