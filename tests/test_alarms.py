"""What the report shows of alarms, of the worst weeks and of groups, by hand."""

import dataclasses
import math
import runpy
from pathlib import Path

import numpy as np
import pandas as pd
import pytest

from backtrain.reports import alarms, group_money, luck, readings, worst
from backtrain.reports.comparison import Comparison
from backtrain.reports.svg import NARROW, WIDE, plain_text
from backtrain.simulator.record import Run
from backtrain.strategies.drift.rules import Found

fabricated = runpy.run_path(str(Path(__file__).with_name("fabricated.py")))
parts_of, plain_run, PRICES = (fabricated[key] for key in ("parts_of", "plain_run", "PRICES"))
START = pd.Timestamp("2020-01-01")
DAYS = 40


def a_run(
    name: str, level: float, trained: tuple = (), kind: str = "Never", keys=None, **info
) -> Run:
    charges = [(day, "error", level + day % 2) for day in range(DAYS)]
    charges += [(day, "train", 1.0) for day in trained]
    return plain_run(name, parts_of(kind, **(keys or {})), charges, **info)


def reading(run: Run, values: np.ndarray, threshold: float, trigger: str = "Alarm()") -> Run:
    """The run with a reading a day, beside those that it has."""
    at = (START + pd.to_timedelta(np.arange(len(values)), unit="D")).astype("datetime64[ns]")
    columns = {"at": at, "trigger": trigger, "statistic": values, "threshold": threshold}
    frame = (
        pd.concat([run.readings, pd.DataFrame(columns)])
        if len(run.readings)
        else pd.DataFrame(columns)
    )
    return dataclasses.replace(run, tables={**run.tables, "readings": frame})


def compared(*runs: Run) -> Comparison:
    return Comparison({run.name: run for run in runs})


# --- alarms ---------------------------------------------------------------------------------------


def test_no_readings_no_section():
    runs = a_run("static", 3.0), a_run("alarm", 2.0, (5, 12), "ErrorDrift")
    assert alarms.section(compared(*runs), "static") is None
    nothing = reading(runs[1], np.full(DAYS, 1.0), math.nan)
    assert alarms.section(compared(runs[0], nothing), "static") is None


def test_every_reading_is_in_the_data_and_dots_are_where_it_trained():
    alarm = reading(a_run("alarm", 2.0, (5, 12), "ErrorDrift"), np.arange(DAYS) / 10, 1.0)
    (exhibit,) = alarms.section(compared(a_run("static", 3.0), alarm), "static").exhibits
    data = exhibit.frame()
    assert data["statistic"].tolist() == [k / 10 for k in range(DAYS)]
    assert data.index[data["trained"]].tolist() == [START + pd.Timedelta(days=d) for d in (5, 12)]
    for paper in (WIDE, NARROW):
        with plain_text():
            assert exhibit.shows(paper).titles == {
                "fired-0": "2020-01-06 00:00: 0.500",
                "fired-1": "2020-01-13 00:00: 1.20",
            }
    assert exhibit.alt.startswith("40 readings of Alarm() between 0 and 3.90, beside thresholds of")


def test_of_many_the_one_to_run_is_first_and_the_rest_is_named():
    runs = [a_run("static", 30.0)]
    runs += [
        reading(a_run(f"alarm {k}", 2.0 + k, (5,), "ErrorDrift"), np.ones(9), 2.0) for k in range(7)
    ]
    section = alarms.section(compared(*runs), "static")
    assert [e.title for e in section.exhibits] == [f"alarm {k}" for k in range(alarms.MOST)]
    assert section.note == "Not drawn, but in the records: alarm 4, alarm 5 and alarm 6."


@pytest.mark.parametrize(
    ("share", "saved", "words"),
    [
        (0.75, 2.5, "That cost 2.50 less than as many evenly spaced ones, on average"),
        (0.75, 2.5, "on average over phases, of which 75 % cost more."),
        (0.25, -2.5, "That cost 2.50 more than as many evenly spaced ones, on average"),
        (0.25, -2.5, "on average over phases, of which 25 % cost more."),
        (0.25, None, "of as many evenly spaced ones 25 % cost more."),
        (None, None, "alarm: 2 trainings."),
    ],
)  # fmt: skip
def test_whether_it_helped(share, saved, words):
    facts = {"placebo_even": share, "over_even": saved}
    run = a_run("alarm", 2.0, (5, 12), "ErrorDrift", hindsight=facts)
    assert words in alarms.helped("alarm", run, compared(run))


def graded(even: float, schedules: int, random: float | None = None, made: int = 5) -> str:
    facts = {"placebo_even": even, "schedules_even": schedules, "over_even": 1.0}
    facts |= {"placebo_random": random, "schedules_random": 1000 if random else 0}
    return luck.grade(a_run("alarm", 2.0, tuple(range(made)), "ErrorDrift", hindsight=facts))


@pytest.mark.parametrize(
    ("even", "schedules", "words"),
    [
        (1.0, 39, "better than a clock"),
        (1.0, 19, "better than a clock"),  # 2 / 20 is 10 %, the least that shows anything
        (1.0, 18, "not clearly better than a clock (18 schedules cannot show it)"),
        (1.0, 7, "not clearly better than a clock (7 schedules cannot show it)"),
        (1.0, 1, "not clearly better than a clock (1 schedule cannot show it)"),
        (0.76, 84, "not clearly better than a clock"),
        (0.7, 84, "not clearly better than a clock"),
        (0.5, 84, "no better than a clock: a timer"),
        (0.3, 84, "not clearly worse than a clock"),
        (0.0, 84, "worse than a clock"),
        (0.0, 4, "not clearly worse than a clock (4 schedules cannot show it)"),
        (1.0, 0, ""),  # a record that does not say of how many
    ],
)
def test_the_words_are_no_surer_than_so_many_schedules_allow(even, schedules, words):
    assert graded(even, schedules) == words


def test_luck_is_called_better_or_worse_no_more_often_than_one_time_in_ten():
    for n in range(1, 200):
        chances = [luck.Rank(b / n, n).chance for b in range(n + 1)]
        assert min(chances) == pytest.approx(2 / (n + 1))
        # Of n + 1 places, as likely each, no more are called than the level says.
        called = sum(luck.Rank(b / n, n).side() != 0 for b in range(n + 1))
        assert called / (n + 1) <= 0.1 + 1e-9


def test_chance_is_a_second_yardstick():
    assert graded(0.5, 84, 0.99) == "better than chance, no better than a clock: a timer"
    assert graded(1.0, 84, 0.99) == "better than chance, better than a clock"
    assert graded(0.1, 84, 0.5) == "no better than chance, not clearly worse than a clock"
    assert graded(0.0, 84, 0.001) == "worse than chance, worse than a clock"


def test_one_or_two_trainings_show_nothing_however_they_did():
    assert graded(1.0, 400, 0.999, made=1) == "one event proves little"
    assert graded(0.0, 400, 0.001, made=2) == "two events prove little"
    assert graded(1.0, 400, 0.999, made=3) == "better than chance, better than a clock"


@pytest.mark.parametrize(
    ("judged", "unpaid", "idle", "words"),
    [
        (12, 5, 3, " 5 of 12 trainings did not pay: beside the model before, left in force until "
         "the next one, they saved less than they cost; 3 of these saved no errors."),
        (12, 5, 5, "they saved less than they cost; all of these saved no errors."),
        (12, 5, 0, "they saved less than they cost."),
        (12, 0, 0, "Each of 12 trainings paid"),
        (1, 1, 1, "It did not pay: beside the model before, left in force until the next one, it "
         "saved less than it cost, no errors."),
        (1, 0, 0, "It paid"),
    ],
)  # fmt: skip
def test_false_alarms_are_counted(judged, unpaid, idle, words):
    facts = {"judged": judged, "unpaid": unpaid, "no_better": idle}
    assert words in alarms.for_nothing(a_run("a", 2.0, (5,), "ErrorDrift", hindsight=facts))


def test_false_alarms_are_not_counted_where_no_matrix_tells():
    for facts in ({}, {"judged": 0, "unpaid": 0, "no_better": 0}):
        assert alarms.for_nothing(a_run("a", 2.0, (5,), "ErrorDrift", hindsight=facts)) == ""


@pytest.mark.parametrize(
    ("kind", "keys", "threshold", "label"),
    [
        ("FeatureDrift", {"test": "PSI"}, 0.2, "PSI, furthest column"),
        ("FeatureDrift", {"test": "KS", "alpha": 0.05}, 0.01, "p-value, least column"),
        ("FeatureDrift", {"test": "MMD"}, 0.2, "squared MMD"),
        ("PredictionDrift", {"test": "JS"}, 0.2, "JS distance"),
        ("PredictionDrift", {"test": "auto", "alpha": 0.05}, 0.05, "p-value"),
        ("MissingDrift", {"alpha": 0.05}, 0.01, "p-value, least column"),
        ("PerformanceDrop", {"metric": "MAE", "test": 0.01}, 0.01, "p-value"),
        ("PerformanceDrop", {"metric": "MAE", "test": None}, 4.0, "MAE"),
        ("Martingale", {"alpha": 0.01}, 100.0, "wealth of the martingale"),
        ("BreakEven", {}, 4.0, "cost of staleness, in units of the prices"),
        ("Mine", {}, 4.0, "reading, in its own unit"),
    ],
)  # fmt: skip
def test_the_axis_names_the_statistic(kind, keys, threshold, label):
    run = reading(a_run("a", 2.0, (5,), kind, keys), np.ones(9), threshold, f"{kind}()")
    assert [alarm.what for alarm in alarms.alarms("a", run)] == [label]


def test_a_trigger_within_another_is_named_by_its_own_parameters():
    inner = [{"type": "Every", "every": "7D"}, {"type": "FeatureDrift", "test": "PSI"}]
    run = a_run("both", 2.0, (5,), "AnyOf", {"triggers": inner})
    run = reading(run, np.ones(9), 0.2, "FeatureDrift('PSI')")
    (alarm,) = alarms.alarms("both", run)
    assert alarm.what == "PSI, furthest column"


def test_the_columns_that_drifted_most_often_are_named_as_triggers_name_them():
    def why(*hits: bool) -> str:
        names, ones = ("price", "calls", "age"), np.ones(3)
        return Found(names, ones, ones, np.array(hits), 0).reason().sentence

    alone = Found(["price"], np.ones(1), np.ones(1), np.ones(1, bool), 0).reason().sentence
    reasons = [why(True, True, False), f"{why(True, False, False)}; scheduled for today", alone]
    run = a_run("a", 2.0, (5, 12, 19), "FeatureDrift")
    events = pd.DataFrame({"kind": "trained", "reason": [*reasons, "MAE 4 is worse than 3"]})
    run = dataclasses.replace(run, tables={**run.tables, "events": events})
    assert readings.drifted(run, "FeatureDrift()") == (
        "Drifted most often: price (at 3 of 4 trainings) and calls (at 1 of 4 trainings)."
    )
    assert readings.drifted(run, "ErrorDrift()") == ""
    at_once = Found(["all features together"], np.ones(1), np.ones(1), np.ones(1, bool), 0)
    events = pd.DataFrame({"kind": "trained", "reason": [at_once.reason().sentence]})
    run = dataclasses.replace(run, tables={**run.tables, "events": events})
    assert readings.drifted(run, "FeatureDrift('MMD')") == ""


def test_p_values_have_a_logarithmic_axis_on_which_nothing_is_lost():
    values = np.array([0.0, 1e-200, 0.5, 1.0])
    run = reading(a_run("alarm", 2.0, (1,), "FeatureDrift", {"alpha": 0.05}), values, 0.05)
    (alarm,) = alarms.alarms("alarm", run)
    assert alarm.what == "p-value"
    with plain_text():
        axes = alarm.draw(WIDE).figure.axes[0]
    assert axes.get_yscale() == "log"
    assert axes.get_ylabel() == "p-value"
    line = axes.get_lines()[0].get_ydata()
    assert np.asarray(line).tolist() == [5e-5, 5e-5, 0.5, 1.0]
    assert "cut off far beyond it" in alarm.draw(WIDE).caption


def test_thinning_keeps_every_spike():
    values = np.zeros(5000)
    values[[7, 1234, 4999]] = 9.0, -9.0, 5.0
    run = reading(a_run("alarm", 2.0, (1,), "ErrorDrift"), values, 1.0)
    (alarm,) = alarms.alarms("alarm", run)
    drawn = alarms._thinned(alarm.readings)["statistic"]
    assert len(drawn) <= 2 * alarms._STRETCHES
    assert {9.0, -9.0, 5.0} <= set(drawn)


def test_a_line_is_broken_where_nothing_was_read():
    at = np.array([0.0, 1.0, 2.0, 20.0, 21.0, 22.0])
    assert alarms._broken(at, at)[1].tolist() == pytest.approx(
        [0, 1, 2, math.nan, 20, 21, 22], nan_ok=True
    )


def test_readings_beyond_the_threshold_that_did_not_fire_are_said():
    told = []
    for values in (np.zeros(DAYS), np.arange(DAYS) % 2 * 2.0):
        (alarm,) = alarms.alarms("a", reading(a_run("a", 2.0, (5,), "ErrorDrift"), values, 1.0))
        with plain_text():
            told.append("Readings on both sides" in alarm.draw(WIDE).caption)
    assert told == [False, True]


def test_each_trigger_of_a_strategy_has_a_figure():
    run = a_run("both", 2.0, (5,), "AnyOf", {"triggers": [{"type": "ErrorDrift"}]})
    run = reading(reading(run, np.ones(9), 2.0, "One()"), np.ones(20), 2.0, "Other()")
    assert [alarm.trigger for alarm in alarms.alarms("both", run)] == ["Other()", "One()"]


# --- the worst weeks ------------------------------------------------------------------------------


def weeks(name: str, costs: dict[int, float], days: int = 80) -> Run:
    """One a day, and what is given in the first day of some weeks."""
    charges = [
        (day, "error", costs.get(day // 7, 1.0) if day % 7 == 0 else 1.0) for day in range(days)
    ]
    end = (START + pd.Timedelta(days=days)).isoformat()
    run = plain_run(name, parts_of("Never"), charges)
    return dataclasses.replace(run, info={**run.info, "end": end})


def test_the_worst_weeks_of_both_with_dates():
    comparison = compared(
        weeks("static", {2: 50.0, 5: 40.0, 7: 30.0}), weeks("other", {2: 9.0, 3: 8.0, 9: 7.0})
    )
    section = worst.section(comparison, "static")
    (exhibit,) = section.exhibits
    named = {row.name: row.role for row in exhibit.shows.rows}
    assert named == {
        "2020-01-15 to 2020-01-21": "worst of other and static",
        "2020-01-22 to 2020-01-28": "worst of other",
        "2020-02-05 to 2020-02-11": "worst of static",
        "2020-02-19 to 2020-02-25": "worst of static",
        "2020-03-04 to 2020-03-10": "worst of other",
    }
    assert exhibit.frame()["static"].iloc[[0, 2]].tolist() == [7.0, 56.0]
    assert len(exhibit.frame()) == 11  # 80 days: the last three are no week
    assert (
        "The worst week of static, 2020-01-15 to 2020-01-21, cost 56.00 in errors"
        in section.finding
    )


def test_a_short_history_has_no_worst_weeks():
    assert worst.section(compared(a_run("static", 3.0), a_run("other", 2.0)), "static") is None


def test_a_drift_in_a_week_is_named():
    static, other = weeks("static", {2: 50.0}), weeks("other", {2: 9.0})
    drifts = [(START + pd.Timedelta(days=15)).isoformat()]
    runs = [dataclasses.replace(run, info={**run.info, "drift": drifts}) for run in (static, other)]
    sheet = worst.section(compared(*runs), "static").exhibits[0].shows
    told = {row.name: row.cells[-1].text for row in sheet.rows}
    assert told["2020-01-15 to 2020-01-21"] == "a true drift"
    assert sheet.columns[-1].label == "in it"


# --- money by group -------------------------------------------------------------------------------


def grouped(name: str, level: float, losses: dict[str, float]) -> Run:
    run = a_run(name, level)
    entries = [
        {"group": group, "rows": 50, "scored": 40, "weight": 40.0, "loss": loss, "metrics": {}}
        for group, loss in losses.items()
    ]
    return dataclasses.replace(run, totals={**run.totals, "groups": entries})


def test_money_by_group_by_hand():
    static = grouped("static", 9.0, {"a": 400.0, "b": 100.0, "c": 20.0})
    other = grouped("other", 3.0, {"a": 100.0, "b": 60.0, "c": 60.0})
    exhibit = group_money.exhibit(compared(static, other), "static")
    price = PRICES["error"]
    assert exhibit.frame()["saved"].to_dict() == pytest.approx(
        {"a": 300 * price, "b": 40 * price, "c": -40 * price}
    )
    assert (
        exhibit.finding
        == "Errors of other cost more than those of static in 1 of 3 groups: c (2.00)."
    )
    assert exhibit.frame()["loss"].tolist() == [2.5, 1.5, 1.5]


def test_many_groups_are_summed_up():
    many = {f"g{k}": 100.0 + k for k in range(20)}
    exhibit = group_money.exhibit(
        compared(
            grouped("static", 9.0, many), grouped("other", 3.0, {g: 2 * x for g, x in many.items()})
        ),
        "static",
    )
    rows = exhibit.shows.rows
    assert (len(rows), rows[-1].name) == (group_money.SHOWN + 1, "8 other groups")
    assert float(rows[-1].cells[1].sort) == pytest.approx(
        PRICES["error"] * sum(200.0 + 2 * k for k in range(8))
    )


def test_one_group_is_none():
    runs = grouped("static", 9.0, {"a": 4.0}), grouped("other", 3.0, {"a": 1.0})
    assert group_money.exhibit(compared(*runs), "static") is None
