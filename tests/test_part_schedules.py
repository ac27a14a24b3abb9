"""Schedules by arrived labels and by the age of the model, and dates on which nothing is trained.

One row an hour, row i at hour i with the label i; the model answers the mean of what it learnt.
"""

import numpy as np
import pandas as pd
import pytest
from hourly import hourly
from hypothesis import given, settings
from hypothesis import strategies as st
from sklearn.dummy import DummyRegressor

from backtrain import Backtest, Delays, Prices, Reason, Strategy, Stream, Verdict
from backtrain.strategies import (
    AnyOf,
    BeatsChampion,
    Canary,
    Cooldown,
    Every,
    EveryLabels,
    EveryRows,
    Expanding,
    MaxAge,
    OnDates,
    PerformanceDrop,
    Random,
    Sliding,
    WarmUp,
)

PARTS = [EveryLabels(500), MaxAge("30D"), MaxAge("MS")]
NONSENSE = [
    (lambda: EveryLabels(0), r"EveryLabels\(labels=0\): give a whole number, 1 or more"),
    (lambda: EveryLabels(2.5), "1 or more"),  # type: ignore[arg-type]
    (lambda: MaxAge("30X"), "not a time offset"),
    (lambda: MaxAge("0D"), "no time at all; did you mean '30D'"),
    (lambda: Random(0.1, seed=-1), r"Random\(seed=-1\): give a whole number, 0 or more"),
    (lambda: Random(0.1, seed=None), "a whole number"),  # type: ignore[arg-type]
]
REGRESSION = {
    "labels": Strategy(EveryLabels(6), Sliding(20)),
    "age": Strategy(MaxAge("9h"), Expanding()),
    "age, champion": Strategy(MaxAge("6h"), Sliding(20), gate=BeatsChampion(0.3, min_rows=1)),
    "age or drop": Strategy(
        AnyOf(MaxAge("14h"), PerformanceDrop("MAE", window=12, min_labels=5, drop="20%")),
        Sliding(20),
        cooldown="4h",
    ),
}
CLASSIFICATION = {"labels": Strategy(EveryLabels(5), Sliding(20), gate=BeatsChampion(5))}

MIDNIGHT = pd.Timestamp("2024-01-01")


def hour(h: float) -> pd.Timestamp:
    return MIDNIGHT + pd.Timedelta(hours=h)


def hours(times) -> list[float]:
    return [(pd.Timestamp(at) - MIDNIGHT) / pd.Timedelta("1h") for at in times]


def history(n: int = 13, label: list[float | None] | None = None) -> Stream:
    y = np.arange(n, dtype=float)
    at = None
    if label is not None:
        known = [
            np.datetime64("NaT", "ns") if h is None else hour(h).to_datetime64() for h in label
        ]
        at = np.array(known, dtype="datetime64[ns]")
    times = pd.date_range(MIDNIGHT, periods=n, freq="h").to_numpy()
    return Stream(y[:, None], y, times, at)


def replay(trigger, stream: Stream | None = None, tick="1h", gate=None, blackout=(), **more):
    """Served from hour 4 on."""
    stream = history() if stream is None else stream
    backtest = Backtest(stream, DummyRegressor(), tick=tick, start=hour(4), **more)
    held_back = {} if gate is None else {"gate": gate}
    return backtest.replay(Strategy(trigger, Expanding(), blackout=blackout, **held_back))


def events(run, *kinds: str) -> list[float]:
    return hours(run.events["at"][run.events["kind"].isin(kinds)])


# --- labels -------------------------------------------------------------------------------------


def test_labels_are_counted_when_they_arrive() -> None:
    # Rows 4 to 12 are served. A label that is known at the instant of its row (rows 6, 7, 8, 12)
    # counts from the next tick on, and row 10's never comes. Counts by hour:
    # 5: 1, 6: 1, 7: 2, 8: 3, 9: 4, 10: 4, 11: 5, 12: 7.
    label = [0, 1, 2, 3, 5, 11, 6, 7, 8, 12, None, 12, 12]
    run = replay(EveryLabels(2), history(label=label))
    assert events(run, "trained") == [7, 9, 12]
    assert run.events["reason"][run.events["kind"] == "trained"].tolist() == [
        "2 labels arrived",
        "4 labels arrived",
        "7 labels arrived",
    ]


def test_labels_of_rows_before_start_do_not_count() -> None:
    label = [0, 1, 6, 6, *range(5, 14)]
    assert events(replay(EveryLabels(3), history(label=label)), "trained") == [7, 10]


def test_several_multiples_between_two_ticks_fire_once() -> None:
    run = replay(EveryLabels(2), history(label=[0, 1, 2, 3, *[8] * 4, *range(8, 13)]))
    # At 8 four labels arrive at once, at 10 and 12 there are two more.
    assert events(run, "trained") == [8, 10, 12]


def test_counting_labels_buys_none() -> None:
    prices = Prices(retrain=0, error=0, label=1)
    run = replay(EveryLabels(100), history(), prices=prices)
    assert run.totals["label"] == 0
    assert run.totals["initial"] == 4


@settings(max_examples=40, deadline=None)
@given(
    delays=st.lists(st.sampled_from([0, 1, 2, 5, 9, None]), min_size=30, max_size=30),
    n=st.integers(1, 7),
    tick=st.sampled_from(["1h", "3h", "5h", 2]),
)
def test_it_fires_at_the_first_tick_that_knows_another_n_labels(delays, n, tick) -> None:
    label = [h if h < 4 else None if d is None else h + d for h, d in enumerate(delays)]
    stream = history(30, label)
    run = replay(EveryLabels(n), stream, tick)
    backtest = Backtest(stream, DummyRegressor(), tick=tick, start=hour(4))
    expected, before = [], 0
    for now in hours(pd.DatetimeIndex(backtest.ticks)):
        known = sum(at is not None and at <= now and 4 <= i < now for i, at in enumerate(label))
        if known // n > before // n:
            expected.append(now)
        before = known
    assert events(run, "trained") == expected


# --- age ----------------------------------------------------------------------------------------


def test_a_model_is_replaced_when_it_has_reached_its_age() -> None:
    run = replay(MaxAge("3h"))
    assert events(run, "trained") == [7, 10]
    # With ticks every two hours, from 6 on, the first one at or after 7 is 8, then 8 + 3 = 11: 12.
    assert events(replay(MaxAge("3h"), tick="2h"), "trained") == [8, 12]


def test_age_counts_from_the_decision_not_from_the_deployment() -> None:
    run = replay(MaxAge("3h"), delays=Delays(train="1h", deploy="1h"))
    # Decided at 7, in force at 9; it is 3 hours old at 10, and its successor is decided then. The
    # old one is still in force at 8: noted as busy, once.
    assert events(run, "trained") == [7, 10]
    assert events(run, "deployed") == [9, 12]
    assert events(run, "busy") == [8, 11]


def test_a_calendar_month_is_an_age() -> None:
    days = pd.date_range("2024-01-01", "2024-03-10", freq="D").to_numpy()
    stream = Stream(np.zeros((len(days), 1)), np.arange(len(days)) * 1.0, days)
    backtest = Backtest(stream, DummyRegressor(), tick="1D", start="2024-01-15")
    run = backtest.replay(Strategy(MaxAge("MS"), Expanding()))
    trained = run.events["at"][run.events["kind"] == "trained"]
    assert [str(at.date()) for at in trained] == ["2024-02-01", "2024-03-01"]


class Rejects:
    """Says no at once."""

    def open(self):
        return self

    def check(self, selection, view):
        return None

    def reserve(self, selection):
        return selection, None

    def review(self, view):
        return Verdict.reject("no")


def test_a_rejected_successor_leaves_the_old_model_and_the_alarm() -> None:
    assert events(replay(MaxAge("6h"), gate=Rejects()), "trained") == [10, 11, 12]
    cooled = Cooldown(MaxAge("6h"), "2h")
    assert events(replay(cooled, gate=Rejects()), "trained") == [10, 12]


def test_whoever_replaces_the_model_resets_its_age() -> None:
    # The date at 6 makes a new model: it is 3 hours old at 9, the next one at 12.
    run = replay(AnyOf(MaxAge("3h"), OnDates([str(hour(6))])))
    assert events(run, "trained") == [6, 9, 12]


@settings(max_examples=30, deadline=None)
@given(
    age=st.integers(1, 9),
    train=st.integers(0, 4),
    deploy=st.integers(0, 4),
    others=st.integers(3, 20),
)
def test_where_nothing_fails_no_model_serves_longer_than_its_age_and_the_delays(
    age, train, deploy, others
) -> None:
    delays = Delays(train=f"{train}h", deploy=f"{deploy}h")
    run = replay(AnyOf(MaxAge(f"{age}h"), EveryRows(others)), history(60), delays=delays)
    decided = run.versions.set_index("version")["decided_at"]
    # One that was decided while another was under way waits for the next decision of its own.
    bound = age + 2 * (train + deploy)
    served = run.predictions
    old = (served["event_time"] - served["version"].map(decided)) / pd.Timedelta("1h")
    assert old.max() <= bound


# --- blackouts ----------------------------------------------------------------------------------


def test_a_schedule_inside_a_blackout_is_lost_and_noted() -> None:
    closed = [(str(hour(6)), str(hour(9)))]
    run = replay(EveryRows(2), blackout=closed)
    # Two rows are served at 6, 8, 10, 12; the blackout is [6, 9).
    assert events(run, "trained") == [10, 12]
    assert events(run, "blackout") == [6, 8]
    assert run.totals["suppressed"] == 2


def test_a_blackout_holds_from_its_first_instant_up_to_but_without_its_last() -> None:
    closed = [(str(hour(6)), str(hour(8)))]
    dates = [str(hour(h)) for h in (5, 6, 7, 8)]
    assert events(replay(OnDates(dates), blackout=closed), "trained") == [5, 8]


def test_an_alarm_latches_over_a_blackout_and_trains_when_it_ends() -> None:
    # The first model answers 1.5, so the errors of rows 4, 5, ... are 2.5, 3.5, ...: from hour 5
    # on the mean of the newest two is above 2. The alarm is raised at 6, with its second label.
    alarm = PerformanceDrop("MAE", window=2, min_labels=2, below=2)
    run = replay(alarm, blackout=[(str(hour(5)), str(hour(9)))])
    assert events(run, "blackout") == [6]  # it stays on, and is noted once
    trained = run.events[run.events["kind"] == "trained"].iloc[0]
    assert hours([trained["at"]]) == [9]
    # The sentence is that of hour 6, when it was raised: (2.5 + 3.5) / 2.
    assert trained["reason"] == "MAE 3 is worse than the floor 2"


def test_two_blackouts_in_a_row_note_an_alarm_once() -> None:
    alarm = PerformanceDrop("MAE", window=2, min_labels=2, below=2)
    closed = [(str(hour(5)), str(hour(7))), (str(hour(7)), str(hour(9)))]
    run = replay(alarm, blackout=closed)
    assert events(run, "blackout") == [6]
    assert events(run, "trained")[0] == 9


def test_a_whole_day_is_closed_to_its_midnight() -> None:
    days = pd.date_range("2024-01-01", periods=40, freq="6h").to_numpy()
    stream = Stream(np.zeros((40, 1)), np.arange(40.0), days)
    backtest = Backtest(stream, DummyRegressor(), tick="6h", start="2024-01-02")
    strategy = Strategy(EveryRows(3), Expanding(), blackout=["2024-01-03"])
    run = backtest.replay(strategy)
    at = run.events.set_index("kind")["at"]
    # Every 18 hours from January 2 on: at 18:00, on the 3rd at 12:00, on the 4th at 6:00, ...
    assert at["trained"].tolist()[:2] == [
        pd.Timestamp("2024-01-02 18:00"),
        pd.Timestamp("2024-01-04 06:00"),
    ]
    assert at["blackout"] == pd.Timestamp("2024-01-03 12:00")


def test_reasons_hold_the_count_and_what_it_passed() -> None:
    reasons = []

    class Spy:
        def monitor(self):
            self.inner = EveryLabels(3).monitor()
            return self

        def fires(self, view) -> Reason | None:
            reasons.append(self.inner.fires(view))
            return None

    replay(Spy(), tick="4h")
    assert [(r.statistic, r.threshold) for r in reasons if r] == [(4, 3), (8, 6)]


@pytest.mark.parametrize(
    ("trigger", "retrains"),
    [
        (MaxAge("250YS"), 0),
        (Every("250YS"), 0),
        (Every("250YS", since="training"), 0),
        (WarmUp(EveryRows(1), "250YS"), 0),
        (Cooldown(EveryRows(1), "250YS"), 1),
    ],
)
def test_what_falls_due_after_all_time_never_comes(trigger, retrains: int) -> None:
    # From 2024 on it would be due in 2274; timestamps end in 2262.
    run = hourly().replay(Strategy(trigger, Expanding()))
    assert run.totals["retrains"] == retrains


def test_a_cooldown_beyond_all_time_lets_one_training_pass() -> None:
    run = hourly().replay(Strategy(EveryRows(1), Expanding(), cooldown="250YS"))
    assert run.totals["retrains"] == 1


# --- months with a day in them --------------------------------------------------------------------


def daily(trigger, first="2024-01-31", tick="1D", gate=None, window=None, **more):
    """A row a day through 2024, served from a date on."""
    days = pd.date_range("2024-01-01", "2024-12-31", freq="D")
    stream = Stream(np.zeros((len(days), 1)), np.arange(len(days)) * 1.0, days.to_numpy())
    setup = Backtest(stream, DummyRegressor(), tick=tick, start=first, **more)
    kept = {} if gate is None else {"gate": gate}
    return setup.replay(Strategy(trigger, window or Expanding(), **kept))


def decided(run) -> list[str]:
    return run.versions["decided_at"][1:].dt.strftime("%m-%d").tolist()


MONTHLY = pd.DateOffset(months=1)
MONTH_ENDS = [
    *("02-29", "03-31", "04-30", "05-31", "06-30", "07-31"),
    *("08-31", "09-30", "10-31", "11-30", "12-31"),
]


def test_every_month_from_the_31st_stays_at_the_end_of_the_month() -> None:
    assert decided(daily(Every(MONTHLY))) == MONTH_ENDS
    assert decided(daily(Every("1D"), tick=MONTHLY)) == MONTH_ENDS
    assert decided(daily(Every(pd.DateOffset(months=3)))) == ["04-30", "07-31", "10-31"]
    assert decided(daily(Every(pd.DateOffset(months=5, day=10)))) == ["06-10", "11-10"]


def test_a_phase_moves_every_instant_of_a_month_by_as_much() -> None:
    moved = decided(daily(Every(MONTHLY, phase="2D")))
    assert moved[:4] == ["02-02", "03-02", "04-02", "05-02"]


def test_a_window_and_a_cooldown_of_a_month_end_with_the_month() -> None:
    run = daily(Every(MONTHLY), window=Sliding(MONTHLY))
    # From 31 March back it is 29 February, from 30 April 30 March, from 31 May 30 April.
    begin = run.versions["window_start"][2:5].dt.strftime("%m-%d").tolist()
    assert begin == ["02-29", "03-30", "04-30"]
    days = pd.date_range("2024-01-01", "2024-06-30", freq="D")
    stream = Stream(np.zeros((len(days), 1)), np.arange(len(days)) * 1.0, days.to_numpy())
    setup = Backtest(stream, DummyRegressor(), start="2024-01-30")
    cool = setup.replay(Strategy(Every("1D"), Expanding(), cooldown=MONTHLY))
    assert decided(cool) == ["01-31", "02-29", "03-29", "04-29", "05-29", "06-29"]


def test_steps_of_a_month_that_follow_each_other_end_with_the_month() -> None:
    gate = Canary((0.2, 0.5, 1.0), each=MONTHLY, min_labels=1)
    run = daily(OnDates(["2024-01-31"]), first="2024-01-15", gate=gate)
    told = run.events[run.events["kind"].isin(["waiting", "accepted"])]
    at = told["at"].dt.strftime("%m-%d").tolist()
    assert at == ["01-31", "02-29", "03-31", "04-30"]


def test_what_only_python_can_write_is_saved_and_reported(tmp_path) -> None:
    """A pandas object has no text that it could be read from again."""
    days = pd.date_range("2024-01-01", "2024-12-31", freq="D")
    stream = Stream(np.zeros((len(days), 1)), np.arange(len(days)) * 1.0, days.to_numpy())
    setup = Backtest(stream, DummyRegressor(), tick=MONTHLY, start="2024-01-31")
    found = setup.compare(
        {
            "monthly": Strategy(Every(MONTHLY), Expanding()),
            "now and then": Strategy(Every(pd.DateOffset(months=2)), Expanding()),
        }
    )
    found.save(tmp_path / "run")
    assert (tmp_path / "run" / "report.html").exists()
