"""Where the cheapest of the path is not advised, one sentence below the table says why."""

import dataclasses
import runpy
from pathlib import Path

import pytest

from backtrain.reports import cheapest, page, story
from backtrain.reports.advice import ALARM, OTHER
from backtrain.reports.comparison import Comparison
from backtrain.reports.plain import terminal_table
from backtrain.simulator.record import Run

fabricated = runpy.run_path(str(Path(__file__).with_name("fabricated.py")))
parts_of, plain_run = fabricated["parts_of"], fabricated["plain_run"]


def run(name: str, level: float, kind: str = "Every", days=(), **more) -> Run:
    """Costs so much a day, a little more on every second, and trains on some days for 1."""
    charges = [(day, "error", level + 0.2 * (day % 2)) for day in range(40)]
    charges += [(day, "train", 1.0) for day in days]
    keys = {"every": more.pop("every", "8D")} if kind == "Every" else {}
    return plain_run(name, parts_of(kind, **keys), charges, **more)


def expecting(run: Run, cost: float, alarm: bool = False, over: float = 0.0) -> Run:
    """The same run with what a loss matrix expects of it; an alarm has one path alone."""
    eras = [cost / 10] * 10
    told = {"cost": cost, "eras": eras, "starts": [] if alarm else [cost / 40] * 12}
    facts = {"expected": told, "every": 1, "candidates": 41, "over_even": over}
    return dataclasses.replace(run, info={**run.info, "hindsight": facts})


def of(*runs: Run, **more) -> Comparison:
    return Comparison({run.name: run for run in runs}, **more)


UNEVEN = (2, 3, 9, 18, 31)
STATIC = expecting(run("static", 9.0, "Never"), 380.0)
WEEKLY = expecting(run("weekly", 3.0, days=range(8, 40, 8)), 200.0)


def test_nothing_is_said_where_the_advised_cost_least():
    assert cheapest.why_not(of(STATIC, WEEKLY), "static") == []
    assert cheapest.why_not(of(STATIC), "static") == []


@pytest.mark.parametrize(
    ("over", "counted"), [(12.0, "half of what the alarm saved"), (-3.0, "all that the alarm lost")]
)
def test_an_alarm_that_was_lucky_on_this_path(over: float, counted: str):
    alarm = expecting(run("alarm", 2.0, "FeatureDrift", UNEVEN), 240.0, True, over)
    found = of(STATIC, WEEKLY, alarm)
    assert found.verdict().strategy == "weekly"
    assert found.table().index[0] == "alarm"
    (told,) = cheapest.why_not(found, "static")
    assert told == (
        "alarm cost less than weekly, which is advised, on this path: one path is one draw, and "
        f"the advice goes by the expected cost (240.00 against 200.00), which counts {counted} "
        "here against as many evenly spaced trainings."
    )
    assert told in " ".join(terminal_table(found).split())
    assert told in page.render(found, "static")


def test_a_schedule_that_was_lucky_on_this_path():
    found = of(STATIC, WEEKLY, expecting(run("lucky", 2.0, days=(4, 8), every="4D"), 230.0))
    (told,) = cheapest.why_not(found, "static")
    assert told.endswith(
        "(230.00 against 200.00), the mean over phases and starts of its schedule."
    )


def test_what_has_no_matrix_is_moved():
    """It cost 40 less than weekly on the path, which is expected to cost more than it did."""
    gated = run("gated", 2.99, days=range(8, 40, 8))
    gated = dataclasses.replace(gated, info={**gated.info, "no_hindsight": "it has a gate"})
    found = of(STATIC, WEEKLY, gated)
    (told,) = cheapest.why_not(found, "static")
    assert "is no plain schedule, and would have to save 1 %" in told


def test_a_saving_that_is_too_little_to_change_for():
    almost = expecting(run("almost", 8.9, days=(20,), every="20D"), 379.0)
    found = of(STATIC, almost)
    assert found.verdict().strategy == "static"
    assert cheapest.why_not(found, "static") == [
        "almost cost less than static, which is advised, on this path, and is expected to by 1.00: "
        "less than the 1 % of its cost for which static is given up."
    ]
    (told,) = cheapest.why_not(
        of(WEEKLY, expecting(run("b", 2.0, days=(9,)), 199.5), running="weekly"), "weekly"
    )
    assert told.endswith("too little to win back the training that a change begins with.")


def test_a_timer_and_what_was_chosen_on_the_path_cannot_be_advised():
    timer = expecting(run("timer", 2.9, "FeatureDrift", range(4, 40, 4)), 190.0, True)
    plain = expecting(run("plain", 3.0, days=range(4, 40, 4), every="4D"), 200.0)
    (told,) = cheapest.why_not(of(STATIC, plain, timer), "static")
    assert told == (
        "timer cost least on this path and cannot be advised: it is a timer by another name, and "
        "plain stands in its place."
    )
    seen = expecting(run("seen", 1.0, days=(8,), in_sample=True), 50.0)
    (told,) = cheapest.why_not(of(STATIC, WEEKLY, seen), "static")
    assert told.endswith("cannot be advised: it was chosen by looking at this path.")


def test_what_is_too_dear_to_run():
    dear = expecting(run("dear", 1.0, days=range(1, 40)), 100.0)
    (told,) = cheapest.why_not(of(STATIC, WEEKLY, dear, budget=10.0), "static")
    assert told.endswith(", and costs more to run than the budget allows.")


# --- how sure, and how much -----------------------------------------------------------------------


def test_an_alarm_is_not_as_sure_as_a_schedule():
    """Words were measured on fixed schedules; a threshold may have been chosen on this path."""
    alarm = expecting(run("alarm", 1.0, "FeatureDrift", UNEVEN), 80.0, True)
    assert ALARM in of(STATIC, WEEKLY, alarm).verdict().sentence
    assert "right in about" not in of(STATIC, alarm).verdict().sentence
    before = dataclasses.replace(alarm, info={**alarm.info, "tuned_until": "2019-12-31"})
    told = of(STATIC, before).verdict().sentence
    assert OTHER in told
    assert "threshold" not in told
    schedule = of(STATIC, WEEKLY).verdict().sentence
    assert "right in about" in schedule
    assert "by this path alone" not in schedule


def test_a_gate_rests_on_its_path_and_a_schedule_without_a_matrix_does_not():
    gated = plain_run(
        "gated", parts_of("Every", gate="Beats", every="8D"),
        [(day, "error", 1.0) for day in range(40)] + [(8, "train", 1.0)],
    )  # fmt: skip
    assert OTHER in of(run("static", 9.0, "Never"), gated).verdict().sentence
    plain = of(run("static", 9.0, "Never"), run("weekly", 1.0, days=(8,))).verdict().sentence
    assert "by this path alone" not in plain


def two_years(name: str, kind: str, level: float, cost: float, **more) -> Run:
    made = run(name, level, kind, **more)
    return expecting(dataclasses.replace(made, info={**made.info, "end": "2021-12-31"}), cost)


def test_the_tile_and_the_sentence_say_the_same_amount():
    """730 days: 380 - 200 = 180, of which four fifths are 144, or 72.05 a year."""
    found = of(two_years("static", "Never", 9.0, 380.0), two_years("weekly", "Every", 3.0, 200.0))
    verdict = found.verdict()
    assert verdict.saves == pytest.approx(144.0)
    assert "expect it to save 72.05 a year against static" in verdict.sentence
    label, value, remark = page.headline(found, "static", verdict)[0]
    assert (label, value) == ("expected to save against static", "72.05 a year")
    assert remark.endswith("144.00 in 730 days")
    first = story.why(found, "static").lines[0]
    assert first.endswith(
        "weekly is 180.00 below static; 80 % of that is promised, 144.00: what looked best so far "
        "saves less later."
    )


def test_below_a_year_there_is_one_amount():
    found = of(STATIC, WEEKLY)
    _, value, remark = page.headline(found, "static", found.verdict())[0]
    assert value == "144.00"
    assert "144" not in remark


def test_of_a_strategy_that_is_kept_the_next_is_told_alike():
    found = of(
        two_years("static", "Never", 3.0, 200.0), two_years("weekly", "Every", 9.0, 380.0),
        two_years("daily", "Every", 9.1, 400.0, every="1D"),
    )  # fmt: skip
    verdict = found.verdict()
    label, value, remark = page.headline(found, "static", verdict)[0]
    assert label == "expected to cost more: weekly"
    assert f"expected to cost {value} more" in verdict.sentence
    assert remark == "180.00 in 730 days"
