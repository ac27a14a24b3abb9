"""What scheduled jobs read: the verdict as data, the advised preset, the next training."""

import json
import math
import runpy
from dataclasses import dataclass, fields
from pathlib import Path

import pandas as pd
import pytest
from hourly import At, history, hour, hourly
from hypothesis import given, settings
from hypothesis import strategies as st

from backtrain import Strategy
from backtrain.config.build import build
from backtrain.config.compose import composed, split
from backtrain.config.study import checked
from backtrain.reports.comparison import Comparison, ComparisonError
from backtrain.reports.due import next_due
from backtrain.reports.preset import preset
from backtrain.reports.verdict import Recommendation
from backtrain.simulator.facts import describe
from backtrain.simulator.record import Run
from backtrain.simulator.texts import code
from backtrain.strategies import (
    AllOf,
    AnyOf,
    Approval,
    AtLeast,
    BeatsChampion,
    Chain,
    Cooldown,
    Every,
    EveryLabels,
    EveryRows,
    Expanding,
    FeatureDrift,
    MaxAge,
    Never,
    OnDates,
    PerformanceDrop,
    Random,
    Retune,
    Sliding,
)

fabricated = runpy.run_path(str(Path(__file__).with_name("fabricated.py")))
parts_of, plain_run = fabricated["parts_of"], fabricated["plain_run"]
ALL = Expanding()

# --- the verdict as data ----------------------------------------------------------------------


def saved(directory: Path, static: float = 3.0, weekly: float = 2.0, **keys) -> dict:
    daily = [[(day, "error", amount + day % 3) for day in range(40)] for amount in (static, weekly)]
    runs = [
        plain_run("static", parts_of("Never"), daily[0]),
        plain_run("often", parts_of("Every", every="2D"), daily[1]),
    ]
    Comparison({run.name: run for run in runs}, **keys).save(directory)
    return json.loads((directory / "verdict.json").read_text(), parse_constant=pytest.fail)


def test_the_file_says_all_that_the_verdict_says(tmp_path):
    told = saved(tmp_path)
    verdict = Comparison.load(tmp_path).verdict()
    assert told.items() >= verdict.to_dict().items()
    assert {field.name for field in fields(Recommendation)} <= told.keys()
    assert (told["decision"], told["strategy"], told["baseline"]) == ("retrain", "often", "static")
    assert told["expected"] == {"often": 120 - 40 + 39, "static": 160 - 1}
    assert told["careful"] == 0.01


def test_what_is_no_number_is_null():
    alone = Recommendation("keep", "a", "a", math.nan, prices=(0.0, math.inf)).to_dict()
    assert (alone["saves"], alone["prices"], alone["behind"]) == (None, [0.0, None], None)
    assert (alone["rivals"], alone["expected"]) == ([], {})
    json.dumps(alone, allow_nan=False)


def test_the_same_bytes_twice_listed_and_replaced(tmp_path):
    saved(tmp_path / "a")
    saved(tmp_path / "b", static=1.0)  # another result, replaced
    saved(tmp_path / "b")
    files = [json.loads((tmp_path / x / "comparison.json").read_text())["files"] for x in "ab"]
    assert files[0] == files[1]
    assert files[0]["verdict.json"] == "verdict.json"
    text = [(tmp_path / x / "verdict.json").read_bytes() for x in "ab"]
    assert text[0] == text[1]


def test_careful_holds_for_table_file_and_verdict(tmp_path):
    assert saved(tmp_path, careful=0.24)["decision"] == "retrain"
    told = saved(tmp_path, careful=0.5)
    assert (told["decision"], told["strategy"], told["careful"]) == ("keep", "static", 0.5)
    for share in (-0.1, 1, math.nan, "much"):
        with pytest.raises(ComparisonError, match=r"careful=.*: give a share from 0 to below 1"):
            saved(tmp_path, careful=share)


# --- the advised strategy as a preset ---------------------------------------------------------


def record(strategy: object, name: str = "mine") -> Run:
    info = {"parts": describe(strategy), "strategy": code(strategy), "end": "2020-01-31"}
    return Run(name, info | {"stream": {"name": "made up"}}, {}, {})


TAKEN = {
    "plain": Strategy(Every("MS", phase="2D"), Sliding("30D")),
    "limits": Strategy(
        Every("7D", since="training"),
        ALL,
        cooldown="2D",
        budget=3,
        blackout=["2012-12-24", ("2012-07-01", "2012-07-15")],
        tuned_until="2012-06-30",
    ),
    "several": Strategy(
        AtLeast(2, FeatureDrift(exclude=("a", "b")), Cooldown(Random(0.5), "2D"), MaxAge("30D")),
        ALL,
    ),
    "nested": Strategy(
        AnyOf(AllOf(Every("1D"), EveryRows(50)), PerformanceDrop("MAE", drop="20%")), ALL
    ),
    "gates": Strategy(Every("7D"), ALL, gate=Chain(BeatsChampion(holdout=0.2), Approval("1D"))),
    "search": Strategy(Every("7D"), ALL, Retune({"alpha": [1e-7, 0.1], "kind": ["a: b", "1e3"]})),
}


@pytest.mark.parametrize("name", TAKEN)
def test_the_preset_given_back_on_the_command_line_is_the_strategy(tmp_path, name):
    text, reason = preset(record(TAKEN[name]))
    assert (text is None, reason) == (False, "")
    (tmp_path / "strategy").mkdir()
    (tmp_path / "strategy" / "again.yaml").write_text(text)
    line = [f"--config-dir={tmp_path}", "strategy=again", "comparison=one", "window=expanding"]
    config, chosen = split(composed(line)[0])
    again = build(checked(config)["strategy"])
    assert (describe(again), chosen) == (describe(TAKEN[name]), "again")
    if name != "several":  # where a list stands for a tuple
        assert again == TAKEN[name]


def test_a_name_cannot_leave_its_comment():
    text, _ = preset(record(TAKEN["plain"], "a\nwindow: null\x07"))
    assert text.splitlines()[0].startswith("# a window: null\\x07, as it was")


@dataclass(frozen=True)
class Own:
    days: int = 3

    def fires(self, view):
        return False


Namesake = type("Every", (Own,), {"__module__": "my_module"})


@pytest.mark.parametrize(
    ("strategy", "reason"),
    [
        (Strategy(Own(), ALL), f"trigger {__name__}.Own"),
        (Strategy(AnyOf(Never(), Own()), ALL), f"triggers {__name__}.Own"),
        (Strategy(Namesake(), ALL), "trigger my_module.Every"),
        (Strategy(lambda view: view.now.day == 1, ALL), "trigger lambda view: view.now.day == 1"),
        (Strategy(AnyOf(lambda view: True), ALL), "the record does not"),
    ],
)
def test_without_a_preset_it_is_said_why(strategy, reason):
    text, why = preset(record(strategy))
    assert text is None
    assert reason in why


def test_a_record_that_does_not_hold_all_is_not_taken_for_a_preset():
    """The negative control: one parameter is lost."""
    run = record(TAKEN["plain"])
    del run.info["parts"]["trigger"]["phase"]
    assert preset(run) == (None, f"the record does not hold all of {TAKEN['plain']!r}")
    run.info["parts"]["window"]["length"] = "7X"
    assert "7X" in preset(run)[1]


# --- when it trains next ----------------------------------------------------------------------


def due(strategy, end: float = 10, **keys):
    """By hand: served from hour 4 to hour 10, a tick an hour."""
    found = hourly(history(30), end=hour(end), **keys).replay(strategy)
    return next_due(found)


def test_a_schedule_is_next_due_at_its_next_instant():
    assert due(Strategy(Every("4h"), ALL)).at == hour(12).isoformat()
    assert due(Strategy(Every("3h"), ALL)).at == hour(13).isoformat()  # hour 10 is a tick: over
    assert due(Strategy(Every("8h", phase="7h"), ALL)).at == hour(11).isoformat()
    assert due(Strategy(Every("8h", phase="1h"), ALL)).at == hour(13).isoformat()
    assert due(Strategy(Every("4h", since="training"), ALL)).at == hour(12).isoformat()
    assert due(Strategy(Every("MS"), ALL)).at == "2024-02-01T04:00:00"
    assert due(Strategy(MaxAge("4h"), ALL)).at == hour(12).isoformat()
    dates = [hour(6).isoformat(), hour(12.5).isoformat(), hour(20).isoformat()]
    assert due(Strategy(OnDates(dates), ALL)).at == hour(12.5).isoformat()
    assert due(Strategy(OnDates(dates[:1]), ALL)).at is None
    either = due(Strategy(AnyOf(Every("5h"), Every("4h"), FeatureDrift()), ALL))
    assert (either.at, either.why[-32:]) == (
        hour(12).isoformat(),
        "earlier if another trigger fires",
    )


def test_an_instant_that_no_tick_has_seen_is_due():
    assert due(Strategy(Every("330min"), ALL), end=9.7, tick="2h").at == hour(9.5).isoformat()


def test_what_holds_training_back_counts():
    assert due(Strategy(Every("3h"), ALL, cooldown="5h")).at == hour(13).isoformat()
    assert due(Strategy(Every("4h"), ALL, cooldown="5h")).at == hour(16).isoformat()
    spent = due(Strategy(Every("3h"), ALL, budget=2))
    assert (spent.at, spent.why) == (None, "never trains: its budget of 2 trainings is used up")
    closed = [(hour(11).isoformat(), hour(14).isoformat())]
    assert due(Strategy(Every("4h"), ALL, blackout=closed)).at == hour(16).isoformat()
    late = Strategy(Every("4h", since="training"), ALL, blackout=closed)
    assert due(late).at == hour(14).isoformat()


def test_counts_say_how_many_are_missing():
    """Hours 4 to 10 are served: seven rows, six of them before the last tick."""
    assert [due(Strategy(EveryRows(n), ALL)).rows for n in (3, 4, 6, 7, 20)] == [2, 1, 5, 0, 13]
    found = due(Strategy(EveryLabels(4), ALL))
    assert (found.labels, found.rows, found.at) == (1, None, None)
    assert found.why == "every 4 labels; 7 have arrived"


def test_who_never_trains_or_on_alarm_has_no_date():
    assert (due(Strategy(Never(), ALL)).at, due(Strategy(Never(), ALL)).why) == (
        None,
        "never trains",
    )
    assert due(Strategy(Random(0.25), ALL)).why == "by chance, 0.25 at every tick"
    for trigger in (At((6,)), lambda view: False, AnyOf(At((6,)), At((7,)))):
        found = due(Strategy(trigger, ALL))
        assert (found.at, found.why, found.readings) == (None, "when its alarm is raised", [])


def test_an_alarm_shows_its_newest_reading():
    def near(view):
        view.reading(view.now.hour, 12)

    found = due(Strategy(near, ALL)).readings
    assert [(x["at"], x["statistic"], x["threshold"]) for x in found] == [
        (hour(10).isoformat(), 10.0, 12.0)
    ]


CLOCKS = {
    "every": st.builds(
        Every, st.sampled_from(["100min", "3h", "7h"]), st.sampled_from(["0D", "1h"])
    ),
    "since": st.builds(Every, st.sampled_from(["2h", "5h"]), since=st.just("training")),
    "age": st.builds(MaxAge, st.sampled_from(["2h", "5h"])),
    "any": st.just(AnyOf(Every("5h"), Every("7h", "2h"))),
}


@given(
    trigger=st.one_of(*CLOCKS.values()),
    end=st.integers(8, 20),
    tick=st.sampled_from(["1h", "90min"]),
    cooldown=st.sampled_from([None, "3h"]),
)
@settings(max_examples=60, deadline=None)
def test_a_longer_replay_trains_next_when_it_was_due(trigger, end, tick, cooldown):
    strategy = Strategy(trigger, ALL, cooldown=cooldown)
    short = hourly(history(50), end=hour(end), tick=tick).replay(strategy)
    long = hourly(history(50), tick=tick).replay(strategy)
    decided = long.versions["decided_at"][1:]
    last = short.versions["decided_at"].max()
    ticks = pd.date_range(hour(4), hour(60), freq=tick)[1:]
    ticks = ticks[ticks > max(last, ticks[ticks <= hour(end)][-1])]
    found = pd.Timestamp(next_due(short).at)
    assert ticks[ticks >= found][0] == decided[decided > hour(end)].iloc[0]


@given(step=st.integers(1, 9), end=st.integers(8, 20), by_label=st.booleans())
@settings(max_examples=30, deadline=None)
def test_a_longer_replay_trains_when_so_many_more_have_come(step, end, by_label):
    strategy = Strategy(EveryLabels(step) if by_label else EveryRows(step), ALL)
    short = hourly(history(50), end=hour(end)).replay(strategy)
    decided = hourly(history(50)).replay(strategy).versions["decided_at"][1:]
    found = next_due(short)
    more = found.labels if by_label else found.rows
    # A row an hour, labelled at once; those of an instant are served after its tick.
    assert hour(end + more + 1) == decided[decided > hour(end)].iloc[0]
