"""Intervals that no tick tells apart are one schedule by several names."""

import runpy
from pathlib import Path

from backtrain.reports import alike, story
from backtrain.reports.comparison import Comparison
from backtrain.reports.plain import terminal_table
from backtrain.reports.schedules import FixedIntervals
from backtrain.reports.tables import role_names
from backtrain.simulator.record import Run

fabricated = runpy.run_path(str(Path(__file__).with_name("fabricated.py")))
parts_of, plain_run = fabricated["parts_of"], fabricated["plain_run"]


def every(
    interval: str, days: int, name: str = "", error: float = 1.0, swing: float = 0.0, **more
) -> Run:
    """Trains every so many days, at a tick of one."""
    charges = [(day, "error", error + swing * (-1) ** (day // 2)) for day in range(40)]
    charges += [(day, "train", 0.1) for day in range(days, 40, days)]
    return plain_run(
        name or f"every_{interval}", parts_of("Every", every=interval), charges, **more
    )


def never(error: float = 2.0) -> Run:
    charges = [(day, "error", error + 0.1 * (day % 2)) for day in range(40)]
    return plain_run("static", parts_of("Never"), charges)


def of(*runs: Run) -> dict[str, Run]:
    return {run.name: run for run in runs}


HOURS = of(never(), every("1h", 1), every("2h", 1), every("1D", 1), every("7D", 7))


def test_intervals_below_a_tick_are_one_and_the_longest_stands_for_all():
    assert alike.groups(HOURS) == [["every_1D", "every_2h", "every_1h"]]
    assert alike.once(HOURS, HOURS) == ["static", "every_1h", "every_7D"]
    assert alike.once(HOURS, ["every_7D", "every_1D", "every_2h"]) == ["every_7D", "every_1D"]


def test_the_table_says_so_and_a_line_counts_them_once():
    roles = role_names(Comparison(HOURS), "static")
    assert roles["every_1h"].startswith("= every tick")
    assert roles["every_2h"].startswith("= every tick")
    assert "=" not in roles["every_7D"] + roles["every_1D"]
    (told,) = alike.sentences(HOURS)
    assert told[2] == (
        "every_1D, every_2h and every_1h are one schedule: none is longer than a tick (1D), so "
        "each trains at every tick. They count once."
    )
    assert f"! {told[2]}" in terminal_table(Comparison(HOURS))


def test_one_below_a_tick_by_itself_is_said_to_train_at_every_tick():
    runs = of(never(), every("1h", 1), every("7D", 7))
    (told,) = alike.sentences(runs)
    assert told[2] == "every_1h trains at every tick: its interval is shorter than one (1D)."
    assert not list(alike.sentences(of(never(), every("1D", 1), every("7D", 7))))


def test_two_names_of_one_interval_are_one_schedule_too():
    runs = of(never(), every("7D", 7), every("168h", 7))
    assert alike.groups(runs) == [["every_7D", "every_168h"]]
    assert role_names(Comparison(runs), "static")["every_168h"].startswith("= every_7D")


def test_what_differs_in_anything_else_is_not_the_same():
    """Another window, another price, another day of training."""
    other = plain_run(
        "other window", parts_of("Every", window="30D", every="1h"), [(1, "train", 0.1)]
    )
    dear = every("2h", 1, "dear", prices=fabricated["PRICES"] | {"retrain": 9.0})
    assert not alike.groups(of(every("1h", 1), other, dear, every("2D", 2)))
    assert not alike.groups(of(every("1h", 1), every("2h", 1, error=1.5)))
    assert not alike.groups(of(every("1h", 1), every("1h", 1, "again")))  # one strategy, twice
    assert not alike.groups(of(every("60D", 60), every("90D", 90)))  # none of them trained


def test_rows_below_a_tick_of_rows():
    def rows(n: int) -> Run:
        charges = [(day, "error", 1.0) for day in range(40)] + [(5, "train", 0.1)]
        return plain_run(f"{n} rows", parts_of("EveryRows", rows=n), charges, tick=100)

    assert alike.below_tick(rows(50))
    assert not alike.below_tick(rows(100))
    assert not alike.below_tick(every("7D", 7, tick=100))  # of no fixed number of rows


def test_sentences_name_each_schedule_once():
    """Of three that trained alike one is named, beside the rarer one that is advised."""
    runs = of(
        never(6.0), every("1h", 1, swing=0.9), every("2h", 1, swing=0.9),
        every("1D", 1, swing=0.9), every("3D", 3),
    )  # fmt: skip
    comparison = Comparison(runs)
    verdict = comparison.verdict()
    assert verdict.strategy == "every_3D"
    first = story.why(comparison, "static").lines[0]
    assert [name for name in ("every_1h", "every_2h", "every_1D") if name in first] == ["every_1h"]
    assert {"every_1h", "every_2h", "every_1D"} & {*verdict.rivals}
    told = " ".join(story.rivals(comparison, verdict))
    assert sum(name in told for name in ("every_1h", "every_2h", "every_1D")) == 1


def test_those_without_an_interval_are_named_once_too():
    """Weeks leave fewer than seven blocks of forty days."""
    verdict = Comparison(HOURS).verdict()
    assert verdict.strategy == "every_7D"
    told = " ".join(story.rivals(Comparison(HOURS), verdict))
    assert "No interval on this path between every_7D and every_1h: the" in told


def test_how_often_has_a_point_a_schedule_and_asks_for_no_shorter_one():
    found = FixedIntervals.among(HOURS)
    assert found.labels == ("1D", "7D", "never")
    cheap = of(never(), every("1h", 1, error=0.5), every("1D", 1, error=0.5), every("7D", 7))
    assert FixedIntervals.among(cheap).sentence() == (
        "Of the intervals 1D cost least on this path, which is every tick: shorter ones take a "
        "shorter tick."
    )
    weekly = of(never(), every("7D", 7, error=0.5), every("14D", 14))
    assert FixedIntervals.among(weekly).sentence().endswith("try shorter ones.")
