"""What a part is: functions in every place, base classes or none, alarms, readings."""

from __future__ import annotations

import itertools
import math
from collections.abc import Callable
from dataclasses import dataclass
from functools import partial
from pathlib import Path
from types import SimpleNamespace
from typing import Any

import numpy as np
import pandas as pd
import pytest
from hourly import At, Judge, history, hour_of, hourly, spent
from sklearn.linear_model import Ridge

from backtrain import (
    Delays,
    Gate,
    PartError,
    Prices,
    Reason,
    Run,
    Selection,
    Strategy,
    Trigger,
    Update,
    Verdict,
    Window,
)
from backtrain.simulator.asking import method, needs_parent
from backtrain.simulator.record import TABLES, VOLATILE_COLUMNS
from backtrain.simulator.texts import code
from backtrain.strategies import (
    AllOf,
    AnyOf,
    AtLeast,
    Budget,
    Chain,
    CompleteCohorts,
    Cooldown,
    Decay,
    Dynamic,
    Every,
    Expanding,
    Never,
    Not,
    PerformanceDrop,
    Representative,
    SinceDrift,
    SinceLastTraining,
    Sliding,
    Thinned,
    WarmUp,
)


def at(view: Any, hours: tuple[float, ...] = (6, 9)) -> bool:
    return hour_of(view.now) in hours


def newest(view: Any, rows: int = 3) -> Any:
    return view.labelled.newest(rows)


@dataclass(frozen=True)
class Methods:
    """Its methods, bound to it, are parts."""

    rows: int = 3

    def at(self, view: Any) -> Reason | None:
        return Reason("at") if at(view) else None

    def newest(self, view: Any) -> Any:
        return newest(view, self.rows)


TRIGGERS: dict[str, Any] = {
    "function": at,
    "lambda": lambda view: hour_of(view.now) in (6, 9),
    "partial": partial(at, hours=(6, 9)),
    "bound method": Methods().at,
}
WINDOWS: dict[str, Any] = {
    "function": newest,
    "lambda": lambda view: view.labelled.newest(3),
    "partial": partial(newest, rows=3),
    "bound method": Methods().newest,
}
AROUND_TRIGGERS: list[Callable[[Any], Any]] = [
    lambda t: t,
    lambda t: AnyOf(t, Never()),
    lambda t: AllOf(Every("1h"), t),
    lambda t: AtLeast(2, Every("1h"), t),
    lambda t: Not(Not(t)),
    lambda t: Cooldown(t, "1h"),
    lambda t: WarmUp(t, "1h"),
    lambda t: Budget(t, retrains=9),
]
AROUND_WINDOWS: list[Callable[[Any], Any]] = [
    lambda w: w,
    lambda w: Decay("9h", w),
    lambda w: SinceDrift(99, w),
    lambda w: SinceLastTraining(99, w),
    lambda w: CompleteCohorts(w, "1h"),
    lambda w: Dynamic([w], 1),
    lambda w: Representative(4, w),
    lambda w: Thinned(w, 2),
]


def happened(run: Run) -> dict[str, Any]:
    """A record without what names parts and fits."""
    tables = {name: run.tables[name].drop(columns=["reason"], errors="ignore") for name in TABLES}
    tables["versions"] = tables["versions"].drop(columns=list(VOLATILE_COLUMNS["versions"]))
    return {name: table.astype(str).to_dict("list") for name, table in tables.items()}


def replayed(trigger: Any = at, window: Any = newest, update: Any = None, **more: Any) -> Run:
    backtest = {name: more.pop(name) for name in ("delays", "prices") if name in more}
    parts = more if update is None else {"update": update, **more}
    found: Run = hourly(model=Ridge(), **backtest).replay(Strategy(trigger, window, **parts))
    return found


# --- functions ------------------------------------------------------------------------------------


@pytest.mark.parametrize("kind", TRIGGERS)
@pytest.mark.parametrize("around", AROUND_TRIGGERS)
def test_a_function_is_a_trigger_in_every_place(kind: str, around: Any) -> None:
    run = replayed(around(TRIGGERS[kind]))
    assert run.totals["retrains"] == 2
    assert happened(run) == happened(replayed(around(At((6, 9)))))
    assert " at 0x" not in run.info["strategy"] + str(run.info["parts"])


@pytest.mark.parametrize("kind", WINDOWS)
@pytest.mark.parametrize("around", AROUND_WINDOWS)
def test_a_function_is_a_window_in_every_place(kind: str, around: Any) -> None:
    run = replayed(window=around(WINDOWS[kind]))
    assert happened(run) == happened(replayed(window=around(Sliding(3))))
    assert " at 0x" not in run.info["strategy"] + str(run.info["parts"])


@pytest.mark.parametrize("kind", WINDOWS)
def test_a_function_has_a_loss_matrix_regret_and_a_tuning(kind: str) -> None:
    backtest, window = hourly(model=Ridge()), WINDOWS[kind]
    np.testing.assert_array_equal(
        backtest.loss_matrix(window).loss, backtest.loss_matrix(Sliding(3)).loss
    )
    strategies = {"a": Strategy(at, window), "b": Strategy(at, Sliding(3))}
    runs = backtest.compare(strategies, hindsight=True).runs
    assert runs["a"].info["hindsight"] == runs["b"].info["hindsight"]
    tuned = [backtest.tune(one, intervals=[1, 2]) for one in (window, Sliding(3))]
    np.testing.assert_array_equal(tuned[0].costs, tuned[1].costs)


def test_a_lambda_is_the_same_in_other_processes() -> None:
    strategies = {
        "a": Strategy(lambda view: view.now.hour == 6, lambda view: view.labelled.newest(3)),
        "b": Strategy(AnyOf(TRIGGERS["lambda"]), Thinned(WINDOWS["partial"], 2)),
    }
    backtest = hourly(model=Ridge())
    alone = backtest.compare(strategies, hindsight=True).runs
    apart = backtest.compare(strategies, hindsight=True, n_jobs=2).runs
    for name, run in alone.items():
        assert happened(run) == happened(apart[name])
        assert run.versions["reason"].tolist() == apart[name].versions["reason"].tolist()
        assert run.info | {"wall_seconds": 0} == apart[name].info | {"wall_seconds": 0}
    assert alone["a"].versions["reason"][1] == "lambda view: view.now.hour == 6 fired"


def test_the_source_of_a_lambda_is_found_whole() -> None:
    hours = (3, 4)
    long = lambda view: (  # noqa: E731
        view.now.hour in hours
        and view.past > 5
    )  # fmt: skip
    assert code(long) == "lambda view: ( view.now.hour in hours and view.past > 5 )"
    assert (
        code(lambda view, day=2: view.now.day == day) == "lambda view, day=2: view.now.day == day"
    )
    two = (lambda view: view.now.day == 1, lambda view: view.now.day == 2)
    assert [code(one) for one in two] == [
        "lambda view: view.now.day == 1",
        "lambda view: view.now.day == 2",
    ]


@pytest.mark.parametrize("function", TRIGGERS.values(), ids=TRIGGERS)
def test_updates_and_gates_are_classes(function: Any) -> None:
    for build in (
        lambda: Strategy(at, newest, update=function),
        lambda: Strategy(at, newest, gate=function),
        lambda: Chain(function),
    ):
        with pytest.raises(PartError, match=r"is a function; .* an? (update|gate) is an object of"):
            build()


def counting() -> Callable[[Any], bool]:
    seen = []

    def third(view: Any) -> bool:
        seen.append(view.at)
        return len(seen) % 3 == 0

    return third


def by_default(view: Any, seen: list[int] = []) -> bool:  # noqa: B006 - what it is about
    seen.append(view.at)
    return len(seen) % 3 == 0


def into(seen: list[int], view: Any) -> bool:
    seen.append(view.at)
    return len(seen) % 3 == 0


class Counter:
    def __init__(self) -> None:
        self.seen = 0

    def third(self, view: Any) -> bool:
        self.seen += 1
        return self.seen % 3 == 0


@pytest.mark.parametrize(
    ("make", "says"),
    [
        (counting, r"third: seen changed .* a function has no memory"),
        (lambda: by_default, "by_default: __defaults__ changed"),
        (lambda: partial(into, []), "into, .*: args changed .* a function has no memory"),
        (lambda: Counter().third, "Counter: seen changed"),
    ],
)
@pytest.mark.parametrize("around", [lambda t: t, AnyOf], ids=["alone", "inside"])
def test_a_function_with_a_memory_is_refused(make: Any, says: str, around: Any) -> None:
    with pytest.raises(PartError, match=says):
        replayed(around(make()))


def test_what_a_function_closes_over_may_stay_as_it_is() -> None:
    hours = {6, 9}
    assert replayed(lambda view: hour_of(view.now) in hours).totals["retrains"] == 2


# --- base classes, or none ------------------------------------------------------------------------


@dataclass(frozen=True)
class OwnTrigger(Trigger):
    def fires(self, view: Any) -> bool:
        return at(view)


@dataclass(frozen=True)
class OwnWindow(Window):
    def select(self, view: Any) -> Any:
        return newest(view)


@dataclass(frozen=True)
class OwnUpdate(Update):
    def fit(self, model: Any, X: Any, y: Any, weights: Any, parent: Any, seed: int) -> Any:
        return model.fit(X, y)


@dataclass(frozen=True)
class OwnGate(Gate):
    def review(self, view: Any) -> Verdict:
        return Verdict.deploy()


class BareTrigger:
    def fires(self, view: Any) -> bool:
        return at(view)


class BareWindow:
    def select(self, view: Any) -> Any:
        return newest(view)


class BareUpdate:
    def fit(self, model: Any, X: Any, y: Any, weights: Any, parent: Any, seed: int) -> Any:
        return model.fit(X, y)


class BareGate:
    def review(self, view: Any) -> bool:
        return True


class FullGate(BareGate):
    """With the defaults written out."""

    def open(self) -> FullGate:
        return self

    def check(self, selection: Selection, view: Any) -> None:
        return None

    def reserve(self, selection: Selection) -> tuple[Selection, None]:
        return selection, None


DEAR = Prices(*[1.0] * 9)


def test_a_bare_class_does_what_a_derived_one_does() -> None:
    own = OwnTrigger(), OwnWindow(), OwnUpdate(), OwnGate()
    bare = BareTrigger(), BareWindow(), BareUpdate(), BareGate()
    expected = happened(replayed(At((6, 9)), Sliding(3), OwnUpdate(), gate=FullGate(), prices=DEAR))
    for trigger, window, update, gate in itertools.product(*zip(own, bare, strict=True)):
        found = happened(replayed(trigger, window, update, gate=gate, prices=DEAR))
        found["versions"]["update"] = expected["versions"]["update"]
        for table, columns in expected.items():
            if table == "charges":  # CPU seconds differ
                continue
            assert found[table] == columns, table


def test_a_default_stands_in_one_place(monkeypatch: pytest.MonkeyPatch) -> None:
    """What a part lacks is the function of the base class: who changes that changes both."""
    prices = Prices(retrain=0, per_1k_rows=1_000)
    assert spent(replayed(update=BareUpdate(), prices=prices), "train") == {6: 3, 9: 3}
    monkeypatch.setattr(Update, "rows_fitted", lambda self, rows: 2 * rows)
    for update in (BareUpdate(), OwnUpdate()):
        assert spent(replayed(update=update, prices=prices), "train") == {6: 6, 9: 6}


def test_an_optional_method_is_the_parts_own_or_the_base_classs() -> None:
    gate = BareGate()
    assert method(Gate, "open", gate)() is gate
    assert method(Trigger, "prepare", at)(None) is at
    assert needs_parent(BareUpdate()) is needs_parent(OwnUpdate()) is True
    assert method(Trigger, "instants", SimpleNamespace(instants=(1, 2)))() is None  # a field


@pytest.mark.parametrize("part", [Trigger(), Window(), Update(), Gate(), 3, None, "weekly"])
@pytest.mark.parametrize("name", ["trigger", "window", "update"])
def test_what_does_nothing_is_refused_when_it_is_built(name: str, part: Any) -> None:
    parts = {"trigger": Never(), "window": Expanding(), name: part}
    if isinstance(part, Trigger) and name == "trigger":  # it has monitor(), which returns itself
        with pytest.raises(PartError, match=r"monitor\(\) gave .*, which has no method 'fires'"):
            hourly().replay(Strategy(**parts))
        return
    with pytest.raises(PartError, match=rf"Strategy\({name}=.*\): is not an? {name}, it has no"):
        Strategy(**parts)


# --- alarms ---------------------------------------------------------------------------------------


@dataclass(frozen=True)
class Alarm:
    """Fires at these hours, by a new reason each time; its monitor says that it stays on."""

    hours: tuple[float, ...]
    latching: bool = True

    def monitor(self) -> Any:
        return Once(self.hours, self.latching)


class Once:
    def __init__(self, hours: tuple[float, ...], latching: bool) -> None:
        self.hours, self.latching = hours, latching

    def fires(self, view: Any) -> Reason | None:
        now = hour_of(view.now)
        return Reason(f"hour {now:g}") if now in self.hours else None


@dataclass(frozen=True)
class StaysOn(At):
    """A trigger without a state that says so itself."""

    latching = True


def events(run: Run, *kinds: str) -> list[tuple[float, str]]:
    log = run.events[run.events["kind"].isin(kinds)]
    return [(hour_of(when), kind) for when, kind in zip(log["at"], log["kind"], strict=True)]


SLOW = Delays(train="3h")


@pytest.mark.parametrize("alarm", [Alarm, StaysOn])
@pytest.mark.parametrize("around", [lambda t: t, AnyOf, lambda t: Not(Not(t))])
def test_an_alarm_stays_on_until_a_training_is_decided(alarm: Any, around: Any) -> None:
    # Decided at 5, rejected at 8; the alarm of 6 has been on since, so another is decided at 8.
    rejects = Judge(deployed=())
    run = replayed(around(alarm((5, 6))), gate=rejects, delays=SLOW)
    assert events(run, "trained", "busy") == [(5, "trained"), (6, "busy"), (8, "trained")]


def test_an_alarm_ends_when_another_version_comes_into_force() -> None:
    run = replayed(Alarm((5, 6)), delays=SLOW)
    assert events(run, "trained", "busy") == [(5, "trained"), (6, "busy")]


def test_what_does_not_stay_on_is_lost_while_a_training_is_under_way() -> None:
    for trigger in (Alarm((5, 6, 7), latching=False), At((5, 6, 7))):
        run = replayed(trigger, gate=Judge(deployed=()), delays=SLOW)
        assert events(run, "trained", "busy") == [(5, "trained"), (6, "busy"), (7, "busy")]


def test_an_alarm_is_noted_once_for_each_obstacle_and_keeps_its_first_reason() -> None:
    run = replayed(Alarm((5, 6, 7, 8, 9)), cooldown="4h", delays=Delays(train="2h"))
    # Decided at 5; on again from 6: busy until 7, then cooling down until 9.
    assert events(run, "trained", "busy", "cooldown") == [
        (5, "trained"),
        (6, "busy"),
        (7, "cooldown"),
        (9, "trained"),
    ]
    assert run.versions["reason"].tolist()[1:] == ["hour 5", "hour 7"]


def test_an_alarm_beside_a_schedule_is_noted_when_one_of_the_two_is_new() -> None:
    run = replayed(AnyOf(Alarm((5,)), At((7,))), budget=0)
    log = run.events[run.events["kind"] == "budget"]
    assert [(hour_of(when), reason.split("; the")[0]) for when, reason in zip(
        log["at"], log["reason"], strict=True
    )] == [(5, "hour 5"), (7, "hour 5; it is time"), (8, "hour 5")]  # fmt: skip


# --- readings -------------------------------------------------------------------------------------


def shows(view: Any) -> bool:
    """Shows the hour against 9, and fires there."""
    view.reading(hour_of(view.now), 9)
    return hour_of(view.now) == 9


@dataclass(frozen=True)
class Shows(Trigger):
    """Shows and asks another trigger between two readings of its own."""

    inner: Any

    def monitor(self) -> Any:
        from backtrain.simulator.asking import monitor_of

        inner = monitor_of(self.inner)

        def fires(view: Any) -> Reason | None:
            view.reading(1)
            reason = inner.fires(view)
            view.reading(2)
            return reason

        return SimpleNamespace(fires=fires)


def test_a_reading_is_recorded_at_every_tick_also_from_a_function() -> None:
    run = replayed(shows)
    assert [hour_of(when) for when in run.readings["at"]] == [5, 6, 7, 8, 9, 10, 11, 12]
    assert run.readings["statistic"].tolist() == [5, 6, 7, 8, 9, 10, 11, 12]
    assert set(run.readings["threshold"]) == {9}
    assert set(run.readings["trigger"]) == {f"{__name__}.shows"}
    assert run.totals["retrains"] == 1


def test_readings_belong_to_the_trigger_that_shows_them() -> None:
    run = replayed(AnyOf(Shows(shows), Never()))
    first = run.readings[run.readings["at"] == run.readings["at"].iloc[0]]
    assert first["statistic"].tolist() == [1, 5, 2]
    names = [code(Shows(shows)), f"{__name__}.shows", code(Shows(shows))]
    assert first["trigger"].tolist() == names
    assert math.isnan(first["threshold"].iloc[0])


def test_readings_change_nothing_else() -> None:
    with_readings, without = replayed(shows), replayed(At((9,)))
    assert len(with_readings.readings) == 8
    assert len(without.readings) == 0
    for table in TABLES[:-1]:
        assert happened(with_readings)[table] == happened(without)[table]


def test_a_detector_shows_what_it_compares_before_it_fires() -> None:
    # The first model says 1.5 to everything, so the newest two errors are on average i - 2 at i.
    trigger = PerformanceDrop("MAE", window=2, min_labels=2, below=5.5)
    run = hourly().replay(Strategy(trigger, Expanding()))
    assert run.readings["statistic"].tolist()[:4] == [3.0, 4.0, 5.0, 6.0]
    assert set(run.readings["threshold"]) == {5.5}
    fired = run.events[run.events["kind"] == "trained"].iloc[0]
    assert (hour_of(fired["at"]), fired["statistic"]) == (9, 6.0)


@pytest.mark.parametrize("where", ["window", "gate"])
def test_only_triggers_have_readings(where: str) -> None:
    def select(view: Any) -> Any:
        view.reading(1.0, 2.0)

    parts = {"window": select} if where == "window" else {"gate": SimpleNamespace(review=select)}
    with pytest.raises(PartError, match=r"view\.reading\(\): only a trigger shows readings"):
        replayed(**parts)


def test_a_reading_is_two_numbers_and_nothing_where_there_is_none() -> None:
    def wrong(view: Any) -> None:
        view.reading("much", 2.0)

    with pytest.raises(PartError, match=r"wrong: view\.reading\('much', 2\.0\): give two numbers"):
        replayed(wrong)
    assert len(replayed(lambda view: view.reading(float("nan"), 1.0)).readings) == 0


def test_readings_are_saved_and_records_without_them_are_read(tmp_path: Path) -> None:
    run = replayed(shows)
    pd.testing.assert_frame_equal(Run.load(run.save(tmp_path / "a")).readings, run.readings)
    old = Run.load(Path(__file__).parent / "former" / "static").readings
    assert len(old) == 0
    assert list(old.columns) == list(run.readings.columns)


# --- fits without labels --------------------------------------------------------------------------


@dataclass(frozen=True)
class Keeps:
    """Makes a model of what it was given."""

    def fit(self, model: Any, X: Any, y: Any, weights: Any, parent: Any, seed: int) -> Any:
        return SimpleNamespace(given=(len(X), y), predict=lambda X: np.zeros(len(X)))


def test_a_fit_with_labels_and_one_without_are_two_fits() -> None:
    made = []

    class Asks(Window):
        def select(self, view: Any) -> Any:
            if view.reason is not None:
                rows = Selection(slice(0, 4))
                made.extend(view.fit(Keeps(), rows, labels=b) for b in (True, False, True))
            return newest(view)

    hourly(history(), prices=Prices(label=1)).replay(Strategy(At((6,)), Asks()))
    known, blind, again = (model.estimator.given for model in made)
    assert known[1].tolist() == again[1].tolist() == [0, 1, 2, 3]
    assert blind == (4, None)
    names = [model._fit.name for model in made]
    assert names[0] == names[2] != names[1]
