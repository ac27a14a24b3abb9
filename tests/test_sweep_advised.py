"""What a sweep's jobs advise comes first, with where it differs; the paths come second."""

from __future__ import annotations

import itertools
import re
from collections.abc import Mapping
from typing import Any

import numpy as np
import pandas as pd
import pytest
from swept import failed, grid, job, sweep

from backtrain.reports.sweep import Sweep, page, sheets
from backtrain.reports.sweep.advised import Group
from backtrain.reports.sweep.found import Found
from backtrain.reports.sweep.result import Result
from backtrain.reports.tables import Sheet

#: On every path the alarm was cheapest, and weekly expected to be: the verdicts say weekly.
COSTS = {"static": 100.0, "weekly": 90.0, "alarm": 80.0}


def advising(
    number: int,
    overrides: Mapping[str, Any],
    advice: str,
    sure: str = "unsure",
    costs: Mapping[str, float] = COSTS,
    saves: float | None = 5.0,
    **changes: Any,
) -> Result:
    """A job whose verdict is not what its path says."""
    keeps = advice == next(iter(costs))
    verdict = {
        "decision": "keep" if keeps else "retrain",
        "strategy": advice,
        "baseline": next(iter(costs)),
        "saves": 0.0 if keeps and saves is not None else saves,
        "confidence": "" if keeps else sure,
        "expected": dict.fromkeys(costs, 100.0),
    }
    return job(number, overrides, costs, verdict=verdict, **changes)


def over(advice: Mapping[tuple[Any, ...], str], *keys: str) -> Sweep:
    """A job for each combination of values of these axes, and what it advises."""
    jobs = [
        advising(n, dict(zip(keys, values, strict=True)), name)
        for n, (values, name) in enumerate(advice.items())
    ]
    return sweep(*jobs)


def lead(found: Sweep) -> str:
    return Found(found).lead


def table(sheet: Sheet) -> dict[str, list[str]]:
    return {row.name: [cell.text for cell in row.cells] for row in sheet.rows}


# --- the first sentence ---------------------------------------------------------------------------


def test_what_no_job_advises_never_comes_first() -> None:
    """By hand: the alarm is cheapest on all three paths, all three verdicts say weekly."""
    jobs = [
        advising(n, {"prices.retrain": n}, "weekly", word)
        for n, word in enumerate(("sure", "unsure", "unsure"))
    ]
    found = Found(sweep(*jobs))
    assert found.lead == "Run weekly: all 3 jobs advise it (sure in 1, unsure in 2)."
    assert found.hindsight == (
        "In hindsight, on the paths that were replayed, alarm costs least on average over 3 "
        "settings: 20 % less than static; no job advises it."
    )
    assert (found.leading, found.best) == ("weekly", "alarm")
    assert (found.roles["weekly"], found.roles["static"]) == ("winner", "baseline")
    roles = {row.name: row.role for row in sheets.standings(found).rows}
    assert roles == {"alarm": "least in hindsight", "weekly": "run this", "static": "baseline"}
    label, value, remark = page.headline(found)[0]
    assert (label, value, remark) == ("weekly is advised in", "3", "of 3 jobs")
    for shown in (str(found.sweep), found.sweep.page(), found.sweep._repr_html_()):
        body = " ".join(
            shown[shown.find("<body>") + 1 :].replace("\N{NO-BREAK SPACE}", " ").split()
        )
        assert 0 <= body.index(found.lead) < body.index("In hindsight") < body.index("20 % less")
    marked = [line for line in str(found.sweep).splitlines() if line.startswith("> ")]
    assert [line.split()[1] for line in marked] == ["weekly"]


def test_one_job_and_none_that_says_anything() -> None:
    assert lead(sweep(advising(0, {}, "weekly"))) == "Run weekly: the job advises it (unsure)."
    assert lead(sweep(advising(0, {}, "static"))) == "Keep static: the job advises it."
    alone = sweep(advising(0, {}, "static", costs={"static": 9.0}, saves=None))
    assert lead(alone) == "static was run alone, in 1 setting."
    assert alone.frame()["advised"].isna().all()
    assert alone.frame()["saves"].isna().all()
    assert lead(sweep(failed(0, {}))) == "No job has finished: 1 failed."


def test_what_says_nothing_is_no_advice_to_keep() -> None:
    jobs = [advising(n, {"seed": n}, "weekly") for n in range(2)]
    found = Found(sweep(*jobs, advising(2, {"seed": 2}, "static", saves=None)))
    assert found.lead == "Run weekly: both jobs advise it (unsure in all)."
    assert any(line.startswith("1 job more advises nothing: ") for line in found.beside)
    assert table(sheets.jobs(found, None))["2"][2:4] == ["\N{EN DASH}", "\N{EN DASH}"]
    assert table(sheets.jobs(found, None))["1"][2:4] == ["weekly", "\N{MINUS SIGN}5.0 %"]
    assert "1 job more" not in str(sweep(*jobs))  # the line can be missing


def test_an_exception_is_told_with_where_it_stands() -> None:
    advice = dict.fromkeys(itertools.product(("linear", "forest", "knn"), (1, 100)), "weekly")
    assert lead(over(advice, "model", "prices.retrain")).startswith("Run weekly: all 6 jobs")
    advice["linear", 100] = "alarm"
    assert lead(over(advice, "model", "prices.retrain")) == (
        "Advised in 5 of 6 jobs: weekly (unsure in all); in the other one (model=linear, "
        "prices.retrain=100): alarm (unsure)."
    )
    advice["forest", 1] = "static"
    assert lead(over(advice, "model", "prices.retrain")) == (
        "Advised in 4 of 6 jobs: weekly (unsure in all); in 1 (model=linear, prices.retrain=100): "
        "alarm (unsure); in 1 (model=forest, prices.retrain=1): keep static."
    )


def test_where_several_are_advised_the_most_frequent_has_its_place_too() -> None:
    days = itertools.product(("0D", "7D"), (1, 20))
    advice = dict(zip(days, ("weekly", "alarm", "weekly", "static"), strict=True))
    assert lead(over(advice, "latency.offset", "prices.retrain")) == (
        "Advised in 2 of 4 jobs (prices.retrain=1): weekly (unsure in all); in 1 "
        "(latency.offset=0D, prices.retrain=20): alarm (unsure); in 1 (latency.offset=7D, "
        "prices.retrain=20): keep static."
    )


def test_an_axis_that_divides_the_advice_is_named_with_its_values() -> None:
    days = {0: "weekly", 7: "weekly", 30: "static"}
    advice = {(f"{day}D", seed): name for day, name in days.items() for seed in (0, 1)}
    assert lead(over(advice, "latency.offset", "seed")) == (
        "Advised with latency.offset=0D or 7D: weekly (4 of 6 jobs; unsure in all); with 30D: keep "
        "static (2 of 6 jobs)."
    )
    advice["30D", 1] = "weekly"  # now it is no longer the latency alone
    told = lead(over(advice, "latency.offset", "seed"))
    assert told == (
        "Advised in 5 of 6 jobs: weekly (unsure in all); in the other one (latency.offset=30D, "
        "seed=0): keep static."
    )


def test_of_axes_that_always_change_together_both_are_named() -> None:
    """Which of the two it is cannot be known from these jobs."""
    advice = {("linear", 1): "weekly", ("forest", 100): "static", ("knn", 1): "weekly"}
    told = lead(over(advice, "model", "prices.retrain"))
    assert "in the other one (model=forest, prices.retrain=100): keep static" in told


def test_what_no_axis_tells_is_said_so() -> None:
    rows = dict(zip(itertools.product("ab", (1, 2, 3)), range(6), strict=True))
    scattered = {at: "weekly" if n % 2 else "static" for at, n in rows.items()}
    found = Found(over(scattered, "model", "x"))
    assert (
        found.lead == "Advised in 3 of 6 jobs: keep static; in the other 3: weekly (unsure in all)."
    )
    assert found.advised.partly == "model"  # a: static 2 of 3; b: weekly 2 of 3
    told = "Advised most often by model: with a keep static in 2 of 3, with b weekly in 2 of 3."
    assert told in found.beside
    square = {("a", 1): "weekly", ("b", 2): "weekly", ("a", 2): "static", ("b", 1): "static"}
    found = Found(over(square, "model", "x"))
    assert found.advised.partly == ""
    assert any(line.startswith("No axis of the sweep tells") for line in found.beside)


def test_where_the_seed_alone_decides_that_is_said() -> None:
    advice = {(p, s): "weekly" for p in (1, 100) for s in (0, 1)}
    agreed = Found(over(advice, "prices.retrain", "seed"))
    assert "luck decides" not in " ".join(agreed.beside)
    advice[1, 1] = "static"
    told = " ".join(Found(over(advice, "prices.retrain", "seed")).beside)
    assert (
        "Jobs that differ in the seed alone disagree in 1 of 2 groups: there luck decides." in told
    )
    assert "All jobs are of one data set: that several agree makes their advice no surer." in told


WORDS = ("sure", "likely", "unsure")


def test_of_many_made_up_sweeps_no_sentence_says_more_than_the_verdicts() -> None:
    """Counts, words and places are those of the verdicts, whatever these are."""
    rng = np.random.default_rng(0)
    keys, exact = ("dataset", "model", "x"), 0
    for _ in range(60):
        jobs = []
        for values in itertools.product("ab", "cd", (1, 2, 3)):
            name = str(rng.choice(list(COSTS), p=(0.15, 0.75, 0.1)))
            at = dict(zip(keys, values, strict=True))
            if rng.random() < 0.9:  # a grid with holes
                jobs.append(advising(len(jobs), at, name, str(rng.choice(WORDS))))
        found = Found(sweep(*jobs))
        groups = {one.strategy: one for one in found.advised.groups}
        for name, group in groups.items():
            own = [one for one in jobs if one.verdict["strategy"] == name]
            assert group.jobs == len(own)
            for word in WORDS:
                assert group.confidence.get(word, 0) == sum(o.confidence == word for o in own)
            if group.where is not None and len(groups) > 1:
                exact += 1
                assert selected(jobs, group.where) == own
        # The first sentence names a strategy only where a verdict does, and no word they lack.
        told = {name for name in COSTS if re.search(rf"\b{name}\b", found.lead)}
        assert told == {one.verdict["strategy"] for one in jobs}
        words = {w for w in WORDS if re.search(rf"\b{w} in|\({w}\)|; {w}\)", found.lead)}
        assert words == {one.confidence for one in jobs} - {""}
    assert exact > 30


def selected(jobs: list[Result], where: Mapping[str, list[Any]]) -> list[Result]:
    return [one for one in jobs if all(one.overrides[key] in where[key] for key in where)]


def test_the_selection_above_can_fail() -> None:
    jobs = [advising(n, {"x": n}, "weekly") for n in range(3)]
    assert selected(jobs, {"x": [0, 1]}) == jobs[:2]
    assert selected(jobs, {}) == jobs


# --- jobs that hold different strategies ----------------------------------------------------------


def test_jobs_that_compare_different_strategies_choose_among_their_own() -> None:
    """Two presets, three seeds: weekly is advised in 2 of its 3 jobs, static kept in 4 of all 6."""
    jobs = []
    for seed in range(3):
        for name in ("weekly", "alarm"):
            costs = {"static": 100.0 + seed, name: 90.0}
            advice = name if name == "weekly" and seed else "static"
            given = {"strategy": name, "seed": seed}
            jobs.append(advising(len(jobs), given, advice, costs=costs))
    found = Found(sweep(*jobs))
    assert found.lead == (
        "No job compares all strategies, each advises among its own. Advised: weekly in 2 of its 3 "
        "jobs (unsure in all); keep static in 4 of 6 jobs."
    )
    column = [one.label for one in sheets.standings(found).columns].index("advised in")
    told = {name: cells[column] for name, cells in table(sheets.standings(found)).items()}
    # The baseline of a setting is one row, and counts in each of the jobs that hold it.
    assert told == {"static": "4 of 6", "weekly": "2 of 3", "alarm": "0 of 3"}
    assert found.pooled.table["advised"].to_dict() == {"static": 4, "weekly": 2, "alarm": 0}
    assert "run this" not in {row.role for row in sheets.standings(found).rows}
    kept = [
        advising(n, one.overrides, "static", costs={r["strategy"]: r["total"] for r in one.rows})
        for n, one in enumerate(jobs)
    ]
    told = Found(sweep(*kept)).lead
    assert told == "Keep static: all 6 jobs advise it, each among its own strategies."


def test_of_a_search_each_strategy_is_advised_in_its_one_job() -> None:
    jobs = [
        advising(
            n,
            {"strategy": "fixed", "strategy.every": n},
            "fixed" if n else "static",
            costs={"static": 100.0, "fixed": 80.0 + n},
        )
        for n in range(7)
    ]
    assert lead(sweep(*jobs)).endswith(
        "Advised: 6 strategies, each in its one job; keep static in 1 of 7 jobs."
    )
    assert any("compare them in one job" in line for line in Found(sweep(*jobs)).beside)


def test_values_that_were_swept_for_strategies_say_in_how_many_jobs_they_are_advised() -> None:
    jobs = [
        advising(
            n,
            {"strategy": "fixed", "strategy.every": every, "seed": seed},
            "fixed" if every == 7 else "static",
            costs={"static": 100.0 + seed, "fixed": 50.0 + every},
        )
        for n, (every, seed) in enumerate(itertools.product((7, 30), (0, 1)))
    ]
    sheet = sheets.by_choice(Found(sweep(*jobs)), "strategy.every")
    at = [one.label for one in sheet.columns].index("advised in")
    assert {name: cells[at] for name, cells in table(sheet).items()} == {
        "7": "2 of 2",
        "30": "0 of 2",
    }


# --- tables ---------------------------------------------------------------------------------------


def late() -> list[Result]:
    """Three delays of two prices: at 30 days the jobs disagree."""
    found = []
    for day, price in itertools.product((0, 7, 30), (1, 10)):
        costs = {"static": 100.0 + day, "weekly": 50.0 + day + price, "alarm": 60.0 + day - price}
        advice = "static" if (day, price) == (30, 10) else "weekly"
        given = {"latency.offset": f"{day}D", "prices.retrain": price}
        found.append(advising(len(found), given, advice, costs=costs))
    return found


def test_who_wins_where_says_what_is_advised_beside_what_cost_least() -> None:
    sheet = sheets.by_axis(Found(sweep(*late())), "latency.offset")
    assert [one.label for one in sheet.columns][:3] == [
        *("advised", "least on average", "against baseline")
    ]
    assert {name: cells[:2] for name, cells in table(sheet).items()} == {
        "0D": ["weekly", "alarm"],
        "7D": ["weekly", "alarm"],
        "30D": ["weekly in 1, keep static in 1", "alarm"],
    }


def test_the_terminal_says_what_each_value_costs() -> None:
    """By hand, means over both prices: weekly 50 + day + 5.5, alarm 60 + day - 5.5."""
    text = str(sweep(*late()))
    lines = [re.split(r"  +", line.strip()) for line in text.splitlines()]
    at = lines.index(
        ["latency.offset", "advised", "total", "least in hindsight", "total", "static"]
    )
    assert lines[at + 1 : at + 4] == [
        ["0D", "weekly", "55.50", "alarm", "54.50", "100.00"],
        ["7D", "weekly", "62.50", "alarm", "61.50", "107.00"],
        ["30D", "weekly in 1, keep static in 1", "85.50", "alarm", "84.50", "130.00"],
    ]
    assert lines[at + 5][:3] == ["prices.retrain", "advised", "total"]
    other = [*late(), advising(6, {"latency.offset": "0D", "dataset": "sea"}, "weekly")]
    text = str(sweep(*other))  # totals of two data sets are not set side by side
    assert re.search(r"latency\.offset +advised +against baseline +least in hindsight", text)
    many = sweep(*(advising(n, {"x": n}, "weekly") for n in range(9)))
    assert "least in hindsight" not in str(many)
    assert "least in hindsight" in str(sweep(*many.results[:8]))


def test_what_is_advised_has_a_column_also_where_it_never_costs_least() -> None:
    names = [f"s{n}" for n in range(6)]
    jobs = []
    for n in range(6):
        costs = {"static": 100.0, "dull": 95.0} | dict.fromkeys(names, 99.0) | {names[n]: 50.0}
        jobs.append(advising(n, {"x": n}, "dull", costs=costs))
    labels = [one.label for one in sheets.by_axis(Found(sweep(*jobs)), "x").columns]
    assert "dull" in labels
    assert len(set(names) & set(labels)) == sheets.BESIDE - 1


def test_columns_of_the_frame_say_what_a_job_advises() -> None:
    frame = sweep(*late(), failed(6, {"latency.offset": "90D"})).to_frame()
    assert frame["advises"].iloc[[0, 15, 18]].tolist() == ["weekly", "static", pd.NA]
    assert frame["confidence"].iloc[[0, 15]].tolist() == ["unsure", pd.NA]
    assert frame["advised"].iloc[:3].tolist() == [False, True, False]
    order = [*frame.columns]
    assert order.index("advises") < order.index("strategy") < order.index("advised")
    assert order.index("advised") < order.index("total")
    assert {str(frame[key].dtype) for key in ("advises", "confidence")} == {"string"}


def test_a_repr_says_what_is_advised() -> None:
    assert repr(sweep(*late())) == (
        "Sweep(6 jobs, 6 done, 3 strategies, advised: weekly in 5 and static in 1)"
    )
    assert repr(sweep(failed(0, {}))) == "Sweep(1 jobs, 0 done, 0 strategies)"


def test_advice_against_another_baseline_is_said() -> None:
    told = " ".join(Found(sweep(*grid(), baseline="weekly")).beside)
    assert "The jobs advise against static; costs here are held against weekly." in told
    assert "The jobs advise" not in " ".join(Found(sweep(*grid())).beside)


@pytest.mark.parametrize("jobs", [1, 300])
def test_a_group_knows_its_places_among_many_axes(jobs: int) -> None:
    """A search has as many values as jobs: no sentence lists them."""
    rng = np.random.default_rng(1)
    found = [
        advising(n, {f"k{i}": float(v) for i, v in enumerate(rng.random(12))}, name)
        for n, name in enumerate(rng.choice(["weekly", "static"], jobs))
    ]
    groups = sweep(*found).advised.groups
    assert sum(one.jobs for one in groups) == jobs
    assert all(isinstance(one, Group) and not one.where for one in groups)
