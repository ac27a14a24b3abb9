"""Time, worked by hand: who served which row, and what was known when.

Unless a test says otherwise there is one row an hour, row i at hour i with the label i, and a model
that answers the mean of the labels it was trained on. So a prediction tells what was known.
"""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass, field

import numpy as np
import pandas as pd
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from sklearn.base import BaseEstimator, RegressorMixin
from sklearn.dummy import DummyClassifier, DummyRegressor
from sklearn.ensemble import HistGradientBoostingClassifier
from sklearn.linear_model import Ridge
from sklearn.naive_bayes import GaussianNB

from backtrain import (
    Backtest,
    Delays,
    FutureLeak,
    PartError,
    Prices,
    Reason,
    Selection,
    SetupError,
    Strategy,
    Stream,
    Verdict,
)
from backtrain.strategies import (
    BeatsChampion,
    Detector,
    Every,
    EveryRows,
    Expanding,
    FeatureDrift,
    Never,
    OnDates,
    PartialFit,
    PerformanceDrop,
    Random,
    Sliding,
)

MIDNIGHT = pd.Timestamp("2024-01-01")
NEVER = None


def hour(h):
    return MIDNIGHT + pd.Timedelta(hours=h)


def hours(times):
    """Instants as hours since midnight."""
    return [(pd.Timestamp(at) - MIDNIGHT) / pd.Timedelta("1h") for at in times]


def times(hs):
    return np.array(
        [np.datetime64("NaT", "ns") if h is NEVER else hour(h).to_datetime64() for h in hs],
        dtype="datetime64[ns]",
    )


def history(event=range(13), label=None, y=None, X=None, **more):
    """Rows at the hours ``event``, labels known at the hours ``label`` (default: at once)."""
    event = list(event)
    rows = np.arange(len(event), dtype=float)
    return Stream(
        rows[:, None] if X is None else np.asarray(X),
        rows if y is None else np.asarray(y),
        times(event),
        None if label is None else times(label),
        **more,
    )


def backtest(stream=None, start=4, tick="1h", model=None, **more):
    """Serve from hour 4 on; by then the mean of the labels 0, 1, 2, 3 is known: 1.5."""
    return Backtest(
        history() if stream is None else stream,
        DummyRegressor() if model is None else model,
        tick=tick,
        start=hour(start),
        **more,
    )


def versions_of(run):
    """The version that answered each served row, as text: one digit a row."""
    return "".join(map(str, run.predictions["version"]))


def predicted(run):
    return dict(zip(run.predictions["row"], run.predictions["prediction"], strict=True))


def events_of(run, *kinds):
    found = run.events[run.events["kind"].isin(kinds)] if kinds else run.events
    return list(zip(hours(found["at"]), found["kind"], strict=True))


# --- parts that ask and tell --------------------------------------------------------------------


@dataclass(frozen=True)
class At:
    """Fires at ticks at the given hours."""

    hours: tuple[float, ...]

    def monitor(self):
        return self

    def fires(self, view):
        return (
            Reason("it is time")
            if (view.now - MIDNIGHT) / pd.Timedelta("1h") in self.hours
            else None
        )


@dataclass(frozen=True, eq=False)
class Look:
    """Never fires, and keeps what ``see(view)`` says at every tick."""

    see: Callable
    seen: dict = field(default_factory=dict)

    def monitor(self):
        return self

    def fires(self, view):
        self.seen[(view.now - MIDNIGHT) / pd.Timedelta("1h")] = self.see(view)


@dataclass(frozen=True)
class Gate:
    """Gives its verdicts one after the other: callables of the view."""

    verdicts: tuple[Callable, ...]

    def open(self):
        return Trial(list(self.verdicts))


class Trial:
    def __init__(self, verdicts):
        self.verdicts = verdicts

    def check(self, selection, view):
        return None

    def reserve(self, selection):
        return selection, None

    def review(self, view):
        return self.verdicts.pop(0)(view)


def deploy(view):
    return Verdict.deploy()


def reject(view):
    return Verdict.reject("no")


def wait(until=None, share=0.0, **more):
    return lambda view: Verdict.wait(None if until is None else hour(until), share, **more)


def looked(see, **setup):
    """What ``see(view)`` said at each tick, by hour."""
    look = Look(see)
    backtest(**setup).replay(Strategy(look, Expanding()))
    return look.seen


def at_tick(act, tick=8, **setup):
    """Run ``act(view)`` at one tick and return what it gives."""
    return looked(lambda view: act(view) if view.now == hour(tick) else None, **setup)[tick]


# --- ticks --------------------------------------------------------------------------------------


def test_ticks_lie_one_offset_apart_after_start_and_up_to_the_last_event():
    assert list(looked(lambda view: None, tick="2h")) == [6, 8, 10, 12]
    assert list(looked(lambda view: None, tick="3h")) == [7, 10]


def test_a_tick_at_the_last_event_comes_before_its_row():
    assert looked(lambda view: view.past, tick="4h") == {8: 8, 12: 12}


def test_ticks_are_anchored_at_start_even_between_two_rows():
    assert list(looked(lambda view: None, start=4.5, tick="4h")) == [8.5]


def test_a_tick_by_rows_stands_before_the_first_row_after_as_many():
    stream = history(event=[0, 1, 2, 3, 4, 4, 5, 5, 5, 6, 7, 8])
    # Served rows stand at 4 4 5 5 5 6 7 8. Two have been served by 4, four by 5, six by 6, and
    # eight by 8, after which no row comes.
    assert looked(lambda view: view.past, stream=stream, tick=2) == {5: 6, 6: 9, 7: 10}


def test_ticks_by_rows_that_an_instant_brings_together_are_one():
    stream = history(event=[0, 1, 2, 3, 4, 4, 4, 4, 4, 5, 6, 6])
    # At 4 there are five: two and four have been served by then. Six have been by 5.
    assert looked(lambda view: len(view.served), stream=stream, tick=2) == {5: 5, 6: 6}


def test_no_tick_by_rows_where_no_row_follows():
    assert looked(lambda view: None, stream=history(event=[0, 1, 2, 3, 4, 4, 4, 4]), tick=2) == {}
    assert looked(lambda view: None, tick=9) == {}
    assert looked(lambda view: view.past, tick=2, end=hour(8)) == {6: 6, 8: 8}


def test_a_tick_by_rows_never_splits_an_instant():
    """Ten tickers a minute and a retrain every 95 rows: all ten are answered by one version."""
    minute = np.arange(600) // 10
    stream = Stream(
        np.zeros((600, 1)), minute * 1.0, np.datetime64("2024-01-01", "m") + minute, group=minute
    )
    setup = Backtest(stream, DummyRegressor(), tick=95, start="2024-01-01 00:20")
    run = setup.replay(Strategy(EveryRows(95), Expanding()))
    # 95, 190, 285 and 380 rows have been served by the minutes 29, 38, 48 and 57.
    decided = pd.DatetimeIndex(run.versions["decided_at"][1:]).minute.tolist()
    assert decided == [30, 39, 49, 58]
    assert run.predictions.groupby("event_time")["version"].nunique().eq(1).all()
    assert (run.versions["window_end"] < run.versions["decided_at"]).all()


@settings(deadline=None)
@given(st.lists(st.integers(0, 3), min_size=1, max_size=30), st.integers(1, 7))
def test_at_a_tick_by_rows_a_multiple_has_just_been_passed(gaps, n):
    """By hand: walk through the instants, and note those before which another n has been served."""
    event = [0, 1, *(2 + np.cumsum(gaps)).tolist()]
    setup = backtest(stream=history(event=event), start=2, tick=n)
    served = [at for at in event if at >= 2]
    expected, before = [], 0
    for at in sorted(set(served)):
        count = sum(other < at for other in served) // n
        if count > before:
            expected.append(hour(at).value)
        before = count
    assert setup.ticks.tolist() == expected


def test_calendar_ticks_keep_the_time_of_day_of_start():
    days = pd.date_range("2024-01-01 06:00", "2024-04-10 06:00", freq="D")
    stream = Stream(np.zeros((len(days), 1)), np.arange(len(days)) * 1.0, days.to_numpy())
    look = Look(lambda view: None)
    backtest = Backtest(stream, DummyRegressor(), tick="MS", start="2024-01-15 06:00")
    run = backtest.replay(Strategy(look, Expanding()))
    expected = ["2024-02-01 06:00", "2024-03-01 06:00", "2024-04-01 06:00"]
    assert [MIDNIGHT + pd.Timedelta(hours=h) for h in look.seen] == list(
        map(pd.Timestamp, expected)
    )
    assert run.steps["rows"].tolist() == [17, 29, 31, 10]


def test_no_tick_at_all_leaves_the_first_model_alone():
    run = backtest(tick="1D").replay(Strategy(Random(1.0), Expanding()))
    assert versions_of(run) == "000000000"
    assert hours(run.steps["start"]) == [4]
    assert hours(run.steps["end"]) == [12]


def test_rows_after_end_are_not_served_and_no_tick_lies_there():
    run = backtest(end=hour(8)).replay(Strategy(At((8, 9)), Expanding()))
    assert run.predictions["row"].tolist() == [4, 5, 6, 7, 8]
    assert versions_of(run) == "00001"
    assert run.totals["rows"] == 5


def test_end_between_two_rows():
    run = backtest(end=hour(8.5), tick="3h").replay(Strategy(Every("1h"), Expanding()))
    assert versions_of(run) == "00011"
    assert hours(run.steps["end"]) == [7, 8.5]


def test_no_tick_lies_after_the_last_event_however_late_the_end():
    look = Look(lambda view: None)
    backtest(end=hour(30)).replay(Strategy(look, Expanding()))
    assert max(look.seen) == 12


def test_start_between_two_rows_serves_from_the_next_row_on():
    run = backtest(start=4.5, tick="2h").replay(Strategy(At((6.5,)), Expanding()))
    assert run.predictions["row"].tolist() == [5, 6, 7, 8, 9, 10, 11, 12]
    assert versions_of(run) == "00111111"
    assert predicted(run)[5] == 2.0  # the labels 0 to 4 are known at 4:30
    assert hours(run.steps["start"]) == [4.5, 6.5, 8.5, 10.5]


# --- one instant --------------------------------------------------------------------------------


def test_the_first_model_knows_only_rows_and_labels_before_start():
    run = backtest(history(label=[0, 9, 4, 3, *range(4, 13)])).replay(
        Strategy(Never(), Expanding())
    )
    # Row 1 is labelled at 9; row 2 exactly at start; row 4 happens at start.
    assert predicted(run)[4] == pytest.approx((0 + 2 + 3) / 3)


def test_without_delay_a_model_serves_the_rows_of_the_very_instant_it_was_decided_at():
    run = backtest().replay(Strategy(At((6,)), Expanding()))
    assert versions_of(run) == "001111111"
    assert predicted(run)[6] == 2.5  # rows 0 to 5: row 6 itself is not past


def test_label_deployment_tick_and_row_at_one_instant():
    # Labels come an hour late, a training takes an hour: it all meets at 6.
    label = range(1, 14)
    seen = {}

    class Watch(At):
        def fires(self, view):
            known = [int(i) for i in np.arange(13)[view.labelled.all()]]
            seen[view.now.hour] = (known[-1], view.model.version, len(view.served))
            return super().fires(view)

    run = backtest(history(label=label), delays=Delays(train="1h")).replay(
        Strategy(Watch((5, 6)), Expanding())
    )
    # At 6 the label of row 5 is in, version 1 is in force and row 6 is not served yet; as version 1
    # is out of the way, a second training may start.
    assert seen[5] == (4, 0, 1)
    assert seen[6] == (5, 1, 2)
    assert events_of(run) == [
        (4, "initial"),
        (5, "trained"),
        (6, "deployed"),
        (6, "trained"),
        (7, "deployed"),
    ]
    assert versions_of(run) == "001222222"
    assert predicted(run)[6] == 2.0  # decided at 5, on rows 0 to 4
    assert predicted(run)[7] == 2.5  # decided at 6, on rows 0 to 5


def test_a_label_known_at_the_instant_of_its_row_is_not_known_before_the_row_is_past():
    seen = looked(lambda view: (view.arrivals, len(view.labelled.all().indices(99)) and view.past))
    assert seen[6] == (2, 6)


def test_of_rows_at_one_instant_all_are_served_by_the_same_version():
    stream = history(event=[0, 1, 2, 3, 4, 5, 6, 6, 6, 7])
    run = backtest(stream).replay(Strategy(At((6,)), Expanding()))
    assert versions_of(run) == "001111"
    assert predicted(run)[8] == 2.5


def test_each_row_has_its_own_latency():
    label = [0, 1, 2, 3, 9, 5, 6, 7, 8, 9, 10, 11, 12]
    run = backtest(history(label=label)).replay(Strategy(At((8, 9)), Expanding()))
    assert predicted(run)[8] == pytest.approx((0 + 1 + 2 + 3 + 5 + 6 + 7) / 7)
    assert predicted(run)[9] == 4.0  # rows 0 to 8, row 4 among them


@pytest.mark.parametrize("y", [float("nan"), 5.0], ids=["unknown", "in the table"])
def test_a_label_that_never_arrives_is_never_learnt_and_never_scored(y):
    labels = [*range(5), NEVER, *range(6, 13)]
    values = np.arange(13.0)
    values[5] = y
    run = backtest(history(label=labels, y=values)).replay(Strategy(At((7,)), Expanding()))
    assert predicted(run)[7] == pytest.approx((0 + 1 + 2 + 3 + 4 + 6) / 6)
    assert run.predictions["loss"].isna().tolist() == [False, True, *[False] * 7]
    assert run.totals["rows"] == 9
    assert run.totals["scored"] == 8
    assert run.totals["never_labelled"] == 1
    assert run.totals["loss"] == pytest.approx(run.predictions["loss"].sum())


def test_a_label_that_arrives_after_the_end_is_scored_but_never_learnt():
    label = [*range(10), 99, 99, 99]
    run = backtest(history(label=label)).replay(Strategy(At((12,)), Expanding()))
    assert predicted(run)[12] == 4.5
    assert run.predictions["loss"].tolist()[-3:] == [8.5, 9.5, 7.5]
    assert run.totals["unlabelled_at_end"] == 3


# --- delays -------------------------------------------------------------------------------------

QUARTERS = np.arange(0, 12.25, 0.25)


def by_hour(run):
    """Version that answered, by the hour of the row."""
    return dict(zip(hours(run.predictions["event_time"]), run.predictions["version"], strict=True))


def test_a_training_that_ends_between_two_ticks_is_in_force_at_that_instant():
    setup = backtest(history(QUARTERS), tick="2h", delays=Delays(train="75min"))
    run = setup.replay(Strategy(At((6,)), Expanding()))
    served = by_hour(run)
    assert (served[6], served[7], served[7.25], served[7.5]) == (0, 0, 1, 1)
    assert hours(run.deployments["from"]) == [4, 7.25]
    assert hours(run.steps["start"]) == [4, 6, 7.25, 8, 10, 12]
    assert run.steps["version"].tolist() == [0, 0, 1, 1, 1, 1]
    assert run.steps["rows"].tolist() == [8, 5, 3, 8, 8, 1]


def test_the_delay_of_a_deployment_comes_on_top():
    delays = Delays(train="75min", deploy="45min")
    run = backtest(history(QUARTERS), tick="2h", delays=delays).replay(
        Strategy(At((6,)), Expanding())
    )
    assert hours(run.versions["ready_at"]) == [4, 7.25]
    assert hours(run.deployments["from"]) == [4, 8]
    assert (by_hour(run)[7.75], by_hour(run)[8]) == (0, 1)


def test_rows_take_their_time():
    # Six rows at 6, at a quarter of an hour each.
    run = backtest(delays=Delays(train="30min", train_per_1k_rows="250h")).replay(
        Strategy(At((6,)), Expanding())
    )
    assert hours(run.versions["ready_at"]) == [4, 8]


def test_a_training_decided_at_t_knows_nothing_that_came_while_it_ran():
    run = backtest(delays=Delays(train="3h")).replay(Strategy(At((6,)), Expanding()))
    assert versions_of(run) == "000001111"
    assert predicted(run)[9] == 2.5


def test_a_training_under_way_at_the_end_is_pending():
    run = backtest(delays=Delays(train="3h")).replay(Strategy(At((10,)), Expanding()))
    assert run.versions["outcome"].tolist() == ["initial", "pending"]
    assert versions_of(run) == "000000000"
    assert hours(run.versions["ready_at"]) == [4, 13]
    assert run.totals["retrains"] == 1
    assert run.totals["deployed"] == 0


def test_a_model_that_comes_into_force_at_the_end_serves_the_last_rows():
    run = backtest(delays=Delays(train="150min")).replay(Strategy(At((9,)), Expanding()))
    assert versions_of(run) == "000000001"
    run = backtest(delays=Delays(train="2h"), tick="5h").replay(Strategy(At((9,)), Expanding()))
    assert versions_of(run) == "000000011"
    run = backtest(delays=Delays(train="3h"), tick="5h").replay(Strategy(At((9,)), Expanding()))
    assert versions_of(run) == "000000001"


# --- schedules ----------------------------------------------------------------------------------


def trained_at(trigger, **setup):
    run = backtest(**setup).replay(Strategy(trigger, Expanding()))
    return [at for at, _ in events_of(run, "trained")]


def test_a_schedule_fires_at_the_first_tick_at_or_after_each_instant():
    # Instants 6 8 10 12, ticks 7 10: 8 and 10 have both passed by 10, and fire once.
    assert trained_at(Every("2h"), tick="3h") == [7, 10]


def test_several_instants_between_two_ticks_fire_once():
    assert trained_at(Every("30min"), tick="4h") == [8, 12]


def test_the_first_instant_is_one_interval_after_start_and_a_phase_moves_them_all():
    assert trained_at(Every("3h")) == [7, 10]
    assert trained_at(Every("3h", phase="1h")) == [5, 8, 11]


def test_a_schedule_may_count_from_the_last_training():
    # Every third hour after the last decision, at ticks 6 8 10 12.
    assert trained_at(Every("3h", since="training"), tick="2h") == [8, 12]


def test_rows_and_dates_and_luck_fire_at_ticks():
    assert trained_at(EveryRows(3)) == [7, 10]
    assert trained_at(EveryRows(3), tick="2h") == [8, 10]
    assert trained_at(OnDates(["2024-01-01 06:10", "2024-01-01 06:20", "2024-01-01 04:00"])) == [7]
    assert trained_at(Random(1.0), tick="3h") == [7, 10]


def test_the_instant_of_a_schedule_that_fires_while_busy_is_lost():
    run = backtest(delays=Delays(train="3h")).replay(Strategy(Every("2h"), Expanding()))
    assert events_of(run) == [
        (4, "initial"),
        (6, "trained"),
        (8, "busy"),
        (9, "deployed"),
        (10, "trained"),
        (12, "busy"),
    ]
    assert run.totals["busy"] == 2
    assert run.totals["retrains"] == 2


def test_busy_costs_nothing():
    prices = Prices(retrain=5, error=0)
    run = backtest(delays=Delays(train="3h"), prices=prices).replay(
        Strategy(Every("2h"), Expanding())
    )
    assert run.totals["busy"] == 2
    assert run.totals["total"] == 10


# --- alarms -------------------------------------------------------------------------------------


@dataclass(frozen=True)
class Alarm:
    """A detector that finds something wrong at the given hours only."""

    hours: tuple[float, ...]

    def monitor(self):
        return AlarmMonitor(self.hours)


class AlarmMonitor(Detector):
    def __init__(self, hours):
        super().__init__()
        self.hours = hours

    def restart(self, view):
        pass

    def alarm(self, view):
        return Reason("wrong") if view.now.hour in self.hours else None


def test_an_alarm_that_was_raised_while_busy_is_forgotten_when_the_version_changes():
    run = backtest(delays=Delays(train="2h")).replay(Strategy(Alarm((5, 6)), Expanding()))
    assert events_of(run) == [(4, "initial"), (5, "trained"), (6, "busy"), (7, "deployed")]


def test_an_alarm_that_was_raised_while_busy_is_still_on_when_the_challenger_is_rejected():
    run = backtest(delays=Delays(train="3h")).replay(
        Strategy(Alarm((5, 6)), Expanding(), gate=Gate((reject,)))
    )
    # Rejected at 8: the alarm of 6 starts a training at once, which nothing follows.
    assert events_of(run) == [
        (4, "initial"),
        (5, "trained"),
        (6, "busy"),
        (8, "rejected"),
        (8, "trained"),
        (11, "rejected"),
    ]
    assert versions_of(run) == "000000000"


def test_an_alarm_waits_for_the_end_of_a_cooldown_and_a_schedule_does_not():
    alarm = Strategy(Alarm((5, 6)), Expanding(), gate=Gate((reject,)), cooldown="4h")
    assert events_of(backtest().replay(alarm), "trained", "cooldown") == [
        (5, "trained"),
        (6, "cooldown"),
        (9, "trained"),
    ]
    schedule = Strategy(At((5, 6)), Expanding(), gate=Gate((reject,)), cooldown="4h")
    assert events_of(backtest().replay(schedule), "trained", "cooldown") == [
        (5, "trained"),
        (6, "cooldown"),
    ]


def test_an_alarm_that_is_held_back_first_by_a_training_and_then_by_a_cooldown_is_noted_for_both():
    strategy = Strategy(Alarm((5, 6)), Expanding(), gate=Gate((reject,)), cooldown="6h")
    run = backtest(delays=Delays(train="2h")).replay(strategy)
    assert events_of(run, "busy", "cooldown") == [(6, "busy"), (7, "cooldown")]


def test_late_losses_of_a_retired_model_are_not_seen_by_the_monitor_of_its_successor():
    # Labels come three hours late. Until 6 the truth is 0, then 100; version 0 says 0 throughout.
    y = np.where(np.arange(16) < 6, 0.0, 100.0)
    stream = history(range(16), label=np.arange(16) + 3, y=y)

    def trained(versions):
        trigger = PerformanceDrop("MAE", window=2, min_labels=1, below=60, versions=versions)
        run = backtest(stream).replay(Strategy(trigger, Sliding("3h30min")))
        return events_of(run, "trained"), versions_of(run)

    # At 10 the loss of row 7 arrives and the mean of the newest two is 100. Version 1 knows row 7,
    # says 100 and is right. Rows 8 and 9, answered by version 0, are no business of its.
    assert trained("in force") == ([(10, "trained")], "000000111111")
    first, *more = trained("all")[0]
    assert first == (10, "trained")
    assert more


@pytest.mark.parametrize("late", [0, 3])
def test_what_a_version_answered_on_trial_is_not_seen_by_its_monitor(late):
    # Version 1 answers all rows from 6 on, and is in force from 9 on.
    gate = Gate((wait(9, share=1.0), deploy))
    seen = {}

    def see(view):
        seen[view.now] = view.arrived().by(view.model.version).rows
        return view.now == hour(6)

    @dataclass(frozen=True, eq=False)
    class Watch:
        def monitor(self):
            return self

        def fires(self, view):
            return Reason("it is time") if see(view) else None

    stream = history(label=[i + late for i in range(13)])
    backtest(stream).replay(Strategy(Watch(), Expanding(), gate=gate))
    assert Selection(seen[hour(8)]).indices().tolist() == [4, 5]
    assert Selection(seen[hour(12)]).indices().tolist() == ([9, 10, 11] if late == 0 else [9])


def test_a_monitor_sees_every_row_that_the_version_in_force_has_answered():
    # The feature jumps at start. Four rows later, at the first tick, that can be seen.
    X = np.where(np.arange(24) < 12, np.arange(24) / 100, 50.0)[:, None]
    setup = backtest(history(range(24), X=X), start=12, tick="6h")
    run = setup.replay(Strategy(FeatureDrift(window=6, min_rows=6), Expanding()))
    assert events_of(run, "trained")[0] == (18, "trained")


# --- what holds a strategy back -----------------------------------------------------------------


def test_a_cooldown_counts_from_the_decision_and_ends_at_its_last_instant():
    strategy = Strategy(Every("1h"), Expanding(), cooldown="3h")
    run = backtest(delays=Delays(train="90min")).replay(strategy)
    assert events_of(run, "trained", "cooldown", "busy") == [
        (5, "trained"),
        (6, "busy"),
        (7, "cooldown"),
        (8, "trained"),
        (9, "busy"),
        (10, "cooldown"),
        (11, "trained"),
        (12, "busy"),
    ]


def test_a_budget_counts_rejected_and_failed_trainings_but_not_the_first_model():
    strategy = Strategy(Every("1h"), Expanding(), gate=Gate((reject,)), budget=2)
    run = backtest().replay(strategy)
    assert [at for at, _ in events_of(run, "trained")] == [5, 6]
    assert [at for at, _ in events_of(run, "budget")] == [7, 8, 9, 10, 11, 12]
    assert run.totals["suppressed"] == 6


def test_a_blackout_holds_from_its_first_instant_to_just_before_its_last():
    blackout = [("2024-01-01 06:00", "2024-01-01 08:00")]
    run = backtest().replay(Strategy(Every("1h"), Expanding(), blackout=blackout, budget=2))
    assert events_of(run, "trained", "blackout") == [
        (5, "trained"),
        (6, "blackout"),
        (7, "blackout"),
        (8, "trained"),
    ]


# --- gates --------------------------------------------------------------------------------------


def test_a_rejected_challenger_never_serves():
    run = backtest().replay(Strategy(At((6,)), Expanding(), gate=Gate((reject,))))
    assert versions_of(run) == "000000000"
    assert run.versions["outcome"].tolist() == ["initial", "rejected"]
    assert events_of(run, "rejected") == [(6, "rejected")]


def test_versions_are_numbered_by_decision_and_a_parent_is_the_model_in_force():
    gate = Gate((lambda v: Verdict.deploy() if v.challenger.version == 2 else Verdict.reject(),))
    run = backtest().replay(Strategy(At((6, 7, 8)), Expanding(), gate=gate))
    assert run.versions["version"].tolist() == [0, 1, 2, 3]
    assert run.versions["parent"].tolist() == [pd.NA, 0, 0, 2]
    assert versions_of(run) == "000222222"


def test_a_shadow_answers_no_row_and_is_asked_again_at_the_next_tick():
    gate = Gate((wait(), wait(), deploy))
    run = backtest(tick="2h").replay(Strategy(At((6, 8)), Expanding(), gate=gate))
    assert versions_of(run) == "000000111"
    assert events_of(run) == [
        (4, "initial"),
        (6, "trained"),
        (6, "waiting"),
        (8, "busy"),
        (10, "deployed"),
    ]
    assert run.deployments["version"].tolist() == [0, 1, 1]
    assert run.deployments["share"].tolist() == [1, 0, 1]
    assert hours(run.deployments["from"]) == [4, 6, 10]


def test_a_trial_may_end_between_two_ticks():
    run = backtest(tick="4h").replay(
        Strategy(At((8,)), Expanding(), gate=Gate((wait(9.5), deploy)))
    )
    assert versions_of(run) == "000000111"
    assert hours(run.steps["start"]) == [4, 8, 9.5, 12]


def test_a_canary_answers_every_row_that_completes_its_share():
    stream = history(range(20))
    run = backtest(stream).replay(
        Strategy(At((6,)), Expanding(), gate=Gate((wait(15, share=0.25), deploy)))
    )
    # Rows 6 to 14 are the trial's rows 0 to 8: the fourth and the eighth are the challenger's.
    assert versions_of(run) == "00" + "000100010" + "11111"
    assert run.versions["outcome"].tolist() == ["initial", "deployed"]


def test_the_steps_of_a_canary_count_the_rows_of_the_whole_trial():
    stream = history(range(20))
    gate = Gate((wait(9, share=0.25), wait(13, share=0.5), wait(15, share=1.0), deploy))
    run = backtest(stream).replay(Strategy(At((6,)), Expanding(), gate=gate))
    # Rows 0 1 2 at a quarter: none. 3 4 5 6 at a half: 3 and 5. 7 and 8: all.
    assert versions_of(run) == "00" + "000" + "1010" + "11" + "11111"
    waiting = run.deployments.iloc[1:]
    assert waiting["share"].tolist() == [0.75, 0.25, 0.5, 0.5, 0.0, 1.0]
    assert hours(waiting["from"]) == [6, 6, 9, 9, 13, 13]


def test_a_canary_that_is_rejected_is_rolled_back():
    run = backtest().replay(
        Strategy(At((6,)), Expanding(), gate=Gate((wait(9, share=0.5), reject)))
    )
    assert versions_of(run) == "00" + "010" + "0000"
    assert run.versions["outcome"].tolist() == ["initial", "rolled back"]
    assert events_of(run, "rolled back") == [(9, "rolled back")]
    shared = run.steps[run.steps["start"] == hour(7)]
    assert shared["version"].tolist() == [0, 1]
    assert shared["rows"].tolist() == [0, 1]


def test_a_canary_goes_on_during_the_delay_of_its_deployment():
    run = backtest(delays=Delays(deploy="2h")).replay(
        Strategy(At((6,)), Expanding(), gate=Gate((wait(8, share=0.5), deploy)))
    )
    assert versions_of(run) == "00" + "0101" + "111"


def test_a_sticky_share_gives_all_rows_of_a_group_to_one_model():
    groups = np.array([f"user {i % 20}" for i in range(400)])
    stream = history(np.arange(400) / 10, group=groups)
    run = backtest(stream).replay(
        Strategy(At((6,)), Expanding(), gate=Gate((wait(30, share=0.4, sticky=True), reject)))
    )
    trial = run.predictions[run.predictions["event_time"].between(hour(6), hour(29.9))]
    answered = trial.groupby(groups[trial["row"]])["version"].agg(["min", "max"])
    assert (answered["min"] == answered["max"]).all()
    assert 0 < answered["max"].sum() < 20


def test_a_sticky_share_needs_groups():
    gate = Gate((wait(9, share=0.5, sticky=True), deploy))
    with pytest.raises(PartError, match="group"):
        backtest().replay(Strategy(At((6,)), Expanding(), gate=gate))


def test_a_gate_cannot_wait_for_the_past():
    with pytest.raises(PartError, match="not after now"):
        backtest().replay(Strategy(At((6,)), Expanding(), gate=Gate((wait(6),))))


def test_a_trial_that_outlasts_the_history_is_pending():
    run = backtest().replay(Strategy(At((6,)), Expanding(), gate=Gate((wait(99, share=0.5),))))
    assert versions_of(run) == "00" + "0101010"
    assert run.versions["outcome"].tolist() == ["initial", "pending"]


def test_a_gate_may_refuse_before_anything_is_trained():
    class Strict(Trial):
        def check(self, selection, view):
            return Reason("too few rows", len(selection), 8) if len(selection) < 8 else None

    @dataclass(frozen=True)
    class StrictGate:
        def open(self):
            return Strict([deploy])

    run = backtest().replay(Strategy(At((6, 8)), Expanding(), gate=StrictGate()))
    assert events_of(run) == [(4, "initial"), (6, "refused"), (8, "trained"), (8, "deployed")]
    assert run.totals["retrains"] == 1
    assert run.versions["version"].tolist() == [0, 1]


def again(*rows):
    return lambda view: Verdict.refit(Selection(np.array(rows)))


def test_a_refit_takes_its_time_and_is_reviewed_again():
    delays = Delays(train="1h", train_per_1k_rows="250h", deploy="30min")
    gate = Gate((again(0, 1, 2, 3, 4, 5), deploy))
    run = backtest(delays=delays).replay(Strategy(At((5,)), Sliding(2), gate=gate))
    # Two rows: ready at 5 + 1 + 0.5. The refit's six: an hour and a half more. Then the deployment.
    assert events_of(run) == [(4, "initial"), (5, "trained"), (6.5, "refit"), (8.5, "deployed")]
    assert hours(run.versions["ready_at"]) == [4, 8]
    assert predicted(run)[9] == 2.5


class NeedsTwo(DummyRegressor):
    """The mean of at least two labels."""

    def fit(self, X, y, sample_weight=None):
        if len(y) < 2:
            raise ValueError("one row")
        return super().fit(X, y, sample_weight)


def test_a_refit_that_fails_ends_its_trial():
    gate = Gate((wait(8, share=0.5), again(0)))
    run = backtest(model=NeedsTwo()).replay(Strategy(At((6,)), Expanding(), gate=gate))
    assert events_of(run, "failed") == [(8, "failed")]
    assert versions_of(run) == "00" + "01" + "00000"


def test_a_refit_answers_also_where_the_share_stays_the_same():
    gate = Gate((wait(8, share=1.0), again(0, 2), wait(10, share=1.0), deploy))
    run = backtest().replay(Strategy(At((6,)), Expanding(), gate=gate))
    assert predicted(run)[7] == 2.5
    assert predicted(run)[8] == 1.0


# --- trainings that fail, rows that cannot be scored --------------------------------------------


class Stubborn(RegressorMixin, BaseEstimator):
    """Answers the mean; refuses the label 6 in a training, and rows with a negative feature."""

    def fit(self, X, y):
        if 6 in y:
            raise ValueError("six\nis not a number to learn from")
        self.mean_ = float(np.mean(y))
        return self

    def predict(self, X):
        if (np.asarray(X) < 0).any():
            raise ValueError("negative")
        return np.full(len(X), self.mean_ + 1)


def test_a_row_that_cannot_be_classified_gets_the_prior():
    X = np.arange(13.0)[:, None]
    X[7] = np.nan
    y = np.array([1, 0, 1, 1, *[0] * 9])
    run = backtest(history(X=X, y=y), model=GaussianNB()).replay(Strategy(Never(), Expanding()))
    row = run.predictions.set_index("row").loc[7]
    assert (row["prediction"], row["score"], row["loss"]) == (1, 0.75, 1.0)
    assert run.predictions["fallback"].sum() == 1


def test_a_failed_training_is_an_event_and_the_old_model_serves_on():
    run = backtest(model=Stubborn()).replay(Strategy(At((6, 8, 9)), Sliding(2)))
    assert run.versions["outcome"].tolist() == ["initial", "deployed", "failed", "deployed"]
    assert versions_of(run) == "00" + "111" + "3333"
    failed = run.events[run.events["kind"] == "failed"].iloc[0]
    assert failed["reason"] == "ValueError: six"
    assert run.totals["failed"] == 1
    assert run.totals["retrains"] == 3


def test_an_empty_window_is_a_failed_training():
    stream = history(label=[0, 1, 2, 3, *[20] * 9])
    run = backtest(stream).replay(Strategy(At((10,)), Sliding("3h")))
    assert run.versions["outcome"].tolist() == ["initial", "failed"]
    assert events_of(run, "nothing to learn", "failed") == [(10, "nothing to learn")]
    assert run.totals["failed"] == 1
    assert run.versions["rows"].tolist() == [3, 0]
    assert run.versions["window_start"].isna().tolist() == [False, True]


def test_a_first_model_that_cannot_be_trained_is_an_error_of_the_setup():
    stream = history(label=[20] * 13)
    with pytest.raises(SetupError, match="the first model cannot be trained"):
        backtest(stream).replay(Strategy(Never(), Expanding()))


@pytest.mark.parametrize("model", [DummyClassifier(), HistGradientBoostingClassifier(max_iter=2)])
def test_a_window_of_one_class_is_a_failed_training_also_where_the_estimator_takes_it(model):
    y = np.array([0, 1, 0, 0, 0, 0, 1, 1, 1, 0, 0, 0, 0])
    run = backtest(history(y=y), model=model).replay(Strategy(At((9,)), Sliding(3)))
    assert events_of(run, "nothing to learn", "failed") == [(9, "nothing to learn")]
    assert "one class only: 1" in run.events["reason"].iloc[-1]
    assert versions_of(run) == "000000000"


def test_a_first_model_that_can_score_nothing_is_refused():
    with pytest.raises(SetupError, match=r"cannot score any .*ValueError: negative"):
        backtest(history(X=-np.ones((13, 1))), model=Stubborn()).replay(
            Strategy(Never(), Expanding())
        )


def test_a_row_that_cannot_be_scored_gets_the_training_mean():
    X = np.arange(13.0)[:, None]
    X[[7, 9]] = -1
    run = backtest(history(X=X), model=Stubborn()).replay(Strategy(Never(), Expanding()))
    assert run.predictions["prediction"].tolist() == [2.5, 2.5, 2.5, 1.5, 2.5, 1.5, 2.5, 2.5, 2.5]
    assert run.predictions["fallback"].tolist() == [i in (7, 9) for i in range(4, 13)]
    assert run.totals["fallback"] == 2
    assert run.totals["error"] == pytest.approx(run.predictions["loss"].sum())
    assert events_of(run, "fallback") == [(7, "fallback")]


# --- what a view tells --------------------------------------------------------------------------


def test_asking_for_a_row_that_is_not_past_names_it_and_when_it_comes():
    for rows in (slice(4, 10), np.array([9, 2])):
        with pytest.raises(FutureLeak, match=r"row 9 .*2024-01-01 08:00.*2024-01-01 09:00"):
            at_tick(lambda view, rows=rows: view.X(rows))
    with pytest.raises(FutureLeak, match="row 8 "):
        at_tick(lambda view: view.X(slice(0, view.past + 1)))


def test_asking_for_a_label_that_has_not_arrived_names_it_and_when_it_comes():
    stream = history(label=[0, 1, 2, 3, 4, 11, 6, NEVER, *range(8, 13)])
    with pytest.raises(FutureLeak, match=r"label of row 5 .*08:00.*11:00"):
        at_tick(lambda view: view.y(slice(0, 7)), stream=stream)
    with pytest.raises(FutureLeak, match=r"label of row 7 .*never"):
        at_tick(lambda view: view.y(np.array([6, 7])), stream=stream)


def test_asking_for_the_label_of_a_future_row_names_when_the_label_comes():
    stream = history(label=[*range(9), *range(39, 43)])
    with pytest.raises(FutureLeak, match=r"label of row 9 .*2024-01-02 15:00"):
        at_tick(lambda view: view.y(np.array([9])), stream=stream)


@pytest.mark.parametrize(
    "ask",
    [
        lambda view: view.X(np.array([-1])),
        lambda view: view.X(slice(0, -1)),
        lambda view: view.X(slice(-3, None)),
        lambda view: view.X(slice(0, None)),
        lambda view: view.X(np.ones(13, dtype=bool)),
        lambda view: view.event_time(np.array([-1])),
        lambda view: view.model.predict(np.array([-1])),
    ],
    ids=["-1", "up to -1", "from -3", "open", "mask", "time of -1", "prediction of -1"],
)
def test_no_way_of_counting_rows_reaches_past_now(ask):
    with pytest.raises((FutureLeak, PartError, IndexError)):
        at_tick(ask)


def test_rows_before_start_were_not_served_and_have_no_answers():
    with pytest.raises((FutureLeak, PartError)):
        at_tick(lambda view: view.answered(np.array([1, 2])).loss)


def test_a_window_that_takes_what_is_not_known_is_caught():
    @dataclass(frozen=True)
    class Greedy:
        def select(self, view):
            return Selection(slice(0, view.past + (view.now > hour(5))))

    with pytest.raises(FutureLeak, match="row 6"):
        backtest().replay(Strategy(At((6,)), Greedy()))


def test_a_challenger_is_known_to_its_trial_only():
    with pytest.raises(FutureLeak, match="challenger"):
        at_tick(lambda view: view.challenger)


def test_what_a_view_gives_cannot_be_written_to():
    def arrays(view):
        return (
            view.served.prediction,
            view.served.version,
            view.served.score,
            view.arrived().loss,
            view.arrived().prediction,
            view.arrived().label,
            view.arrived().outcomes.prediction,
            view.served.score,
            view.X(slice(0, 3)),
            view.y(slice(0, 3)),
            view.event_time(slice(0, 3)),
        )

    assert not any(array.flags.writeable for array in at_tick(arrays))


def test_labels_arrive_in_the_order_of_their_times_and_ties_in_the_order_of_their_rows():
    label = [0, 1, 2, 8, 9, 7, 7, 7, 8, NEVER, 10, 11, 12]
    stream = history(label=label)
    seen = looked(lambda view: np.arange(13)[view.arrived().rows].tolist(), stream=stream)
    # Row 3 was not served: it is learnt when its label comes, and has no answer to judge.
    assert seen == {
        5: [],
        6: [],
        7: [5, 6],  # row 7 is labelled at 7, but not past yet
        8: [5, 6, 7],
        9: [5, 6, 7, 8, 4],
        10: [5, 6, 7, 8, 4],
        11: [5, 6, 7, 8, 4, 10],
        12: [5, 6, 7, 8, 4, 10, 11],
    }


def test_a_cursor_goes_on_where_the_last_look_ended():
    stream = history(label=[0, 1, 2, 3, 9, 7, 7, 7, 8, NEVER, 10, 11, 12])
    cursor, found = 0, []

    def see(view):
        nonlocal cursor
        new = view.arrived(cursor)
        cursor = new.cursor
        found.append(new.label.tolist())

    looked(see, stream=stream)
    assert found == [[], [], [5, 6], [7], [8, 4], [], [10], [11]]


def test_windows_see_only_what_has_arrived_in_event_order():
    label = [0, 1, 2, 3, 9, 5, 6, NEVER, 8, 9, 10, 11, 12]

    def see(view):
        rows, known = np.arange(13), view.labelled
        parts = (known.all(), known.newest(3), known.within("4h"), known.since(hour(6)))
        return [rows[part].tolist() for part in parts]

    seen = looked(see, stream=history(label=label))
    assert seen[8] == [[0, 1, 2, 3, 5, 6], [3, 5, 6], [5, 6], [6]]
    assert seen[9] == [[0, 1, 2, 3, 4, 5, 6, 8], [5, 6, 8], [5, 6, 8], [6, 8]]


def test_a_window_by_time_holds_its_first_instant_and_not_its_last():
    run = backtest().replay(Strategy(At((8,)), Sliding("3h")))
    assert predicted(run)[8] == 6.0  # rows 5, 6, 7


def test_a_model_says_nothing_about_no_rows():
    def ask(view):
        try:
            return view.model.predict(slice(5, 5)).tolist()
        except RecursionError:
            return "no end"

    assert at_tick(ask) == []
    assert at_tick(ask, model=Ridge()) == []


def test_the_reference_is_the_newest_fifth_answered_by_a_fit_on_the_rest_and_made_once():
    def see(view):
        reference = view.model.reference
        return np.arange(13)[reference.rows].tolist(), reference.loss.tolist()

    prices = Prices(retrain=0, per_1k_rows=1000, error=0)
    look = Look(see)
    run = backtest(history(range(20)), start=10, prices=prices).replay(Strategy(look, Expanding()))
    # Rows 8 and 9 by the mean of 0 to 7.
    assert set(map(str, look.seen.values())) == {"([8, 9], [4.5, 5.5])"}
    assert run.charges["quantity"].tolist() == [0.010, 0.008]


def test_a_reference_belongs_to_its_version():
    look = Look(lambda view: (view.model.version, view.model.reference.rows))

    class Both(At):
        def fires(self, view):
            look.fires(view)
            return super().fires(view)

    backtest(history(range(20)), start=10).replay(Strategy(Both((15,)), Expanding()))
    assert look.seen[15] == (0, slice(8, 10))
    assert look.seen[16] == (1, slice(12, 15))


def test_too_few_rows_have_no_reference():
    assert at_tick(lambda view: view.model.reference) is None  # a fifth of four rows is none


def test_a_step_of_the_view_is_what_was_served_not_what_the_new_model_would_say():
    seen = {}

    class Both(At):
        def fires(self, view):
            seen[view.now.hour] = view.served.prediction.tolist()
            return super().fires(view)

    backtest().replay(Strategy(Both((6,)), Expanding()))
    assert seen[8] == [1.5, 1.5, 2.5, 2.5]


# --- updates and gates that ship ----------------------------------------------------------------


class Taught(RegressorMixin, BaseEstimator):
    """Remembers the labels that it was taught, in order."""

    def fit(self, X, y):
        self.taught_ = [y.tolist()]
        return self

    def partial_fit(self, X, y):
        self.taught_ = [*self.taught_, y.tolist()]
        return self

    def predict(self, X):
        lessons.append(self.taught_)
        return np.zeros(len(X))


lessons: list = []


def taught(**setup):
    """What each version in turn had been taught by the time it answered."""
    lessons.clear()
    gate = setup.pop("gate", Gate((deploy,)))
    setup["model"] = Taught()
    trigger = setup.pop("trigger", At((6, 9)))
    backtest(**setup).replay(Strategy(trigger, Expanding(), PartialFit(), gate))
    return [lesson for i, lesson in enumerate(lessons) if lesson not in lessons[:i]]


def test_a_partial_fit_learns_what_has_arrived_since_its_parent_was_decided_on():
    label = [0, 1, 2, 7, 8, 5, 6, 7, 8, 9, 10, 11, 12]
    # Known at 4: 0 1 2. At 6 also 5. By 9 also 6, 3 and 7 (at 7), 4 and 8 (at 8).
    assert taught(stream=history(label=label)) == [
        [[0, 1, 2]],
        [[0, 1, 2], [5]],
        [[0, 1, 2], [5], [6, 3, 7, 4, 8]],
    ]


def test_a_partial_fit_under_delay_learns_from_the_decision_not_from_the_deployment():
    assert taught(delays=Delays(train="2h"))[-1] == [[0, 1, 2, 3], [4, 5], [6, 7, 8]]


def test_the_rows_of_a_rejected_child_are_offered_again():
    gate = Gate((lambda v: Verdict.deploy() if v.now == hour(9) else Verdict.reject(),))
    assert taught(gate=gate)[-1] == [[0, 1, 2, 3], [4, 5, 6, 7, 8]]


def test_the_champion_is_challenged_on_rows_that_neither_has_learnt():
    # The truth jumps to 100 at 4. At 12 the newest half of the eight new rows is held out.
    y = np.where(np.arange(16) < 4, np.arange(16), 100.0)
    gate = BeatsChampion(holdout=4, min_rows=4)
    run = backtest(history(range(16), y=y)).replay(Strategy(At((12,)), Sliding(8), gate=gate))
    assert run.versions["rows"].tolist() == [4, 4]
    assert versions_of(run) == "00000000" + "1111"
    event = run.events[run.events["kind"] == "accepted"].iloc[0]
    assert (event["statistic"], event["threshold"]) == (0.0, 98.5)
    # One more row to compare on than there is, and the champion stays.
    gate = BeatsChampion(holdout=4, min_rows=5)
    run = backtest(history(range(16), y=y)).replay(Strategy(At((12,)), Sliding(8), gate=gate))
    assert run.versions["outcome"].tolist() == ["initial", "rejected"]


def test_rows_that_the_champion_was_trained_on_do_not_count():
    gate = BeatsChampion(holdout=3, min_rows=1)
    run = backtest().replay(Strategy(At((5,)), Expanding(), gate=gate))
    # Held out are rows 2, 3 and 4, but the champion knows 2 and 3.
    reason = run.events[run.events["kind"].isin(["accepted", "rejected"])].iloc[0]["reason"]
    assert reason.endswith("on 1 rows")


def test_a_trigger_is_tuned_on_what_is_known_at_start_and_on_nothing_else():
    @dataclass(frozen=True)
    class Tuned:
        seen: int

        def prepare(self, history):
            labels = history.y(slice(0, history.past))
            with pytest.raises(FutureLeak):
                history.y(slice(0, self.seen + 1))
            assert len(labels) == self.seen
            return At((6,))

        def monitor(self):
            raise AssertionError("the tuned trigger is asked, not this one")

    run = backtest().replay(Strategy(Tuned(4), Expanding()))
    assert events_of(run, "trained") == [(6, "trained")]


def test_a_gate_that_asks_for_fits_for_ever_is_refused():
    class Always:
        def review(self, view):
            return Verdict.refit(Selection(view.labelled.all()))

    with pytest.raises(PartError, match="review\\(\\) gave 100 verdicts at one instant; let it"):
        backtest(tick="2h").replay(Strategy(At((6,)), Expanding(), gate=Always()))
