"""The verdict, the table and the page tell one story: constructed cases, known beforehand."""

import dataclasses
import html
import math
import re
import runpy
from collections.abc import Callable, Sequence
from pathlib import Path

import pandas as pd
import pytest

from backtrain.reports import story
from backtrain.reports.comparison import Comparison
from backtrain.reports.plain import terminal_table
from backtrain.reports.tables import role_names
from backtrain.simulator.record import Run

fabricated = runpy.run_path(str(Path(__file__).with_name("fabricated.py")))
parts_of, plain_run = fabricated["parts_of"], fabricated["plain_run"]
DAYS, PRICE = 40, 5.0


def run(
    name: str,
    level: float,
    every: int = 0,
    price: float = PRICE,
    dues: Sequence[float] = (0.1, -0.2),
) -> Run:
    """A run that loses ``level`` a day, up and down by ``dues``, and trains every so many days."""
    charges = [(day, "error", level + dues[day % len(dues)]) for day in range(DAYS)]
    trained = range(every, DAYS, every) if every else ()
    charges += [(day, "train", price) for day in trained]
    trigger = parts_of("Every", every=f"{every}D") if every else parts_of("Never")
    prices = fabricated["PRICES"] | {"retrain": price}
    return plain_run(name, trigger, charges, prices=prices)


def failed(run: Run) -> Run:
    """The same, but every training raised."""
    events = run.events.copy()
    raised = events["kind"] == "deployed"
    events.loc[raised, ["kind", "reason"]] = "failed", "ValueError: no columns"
    totals = {**run.totals, "failed": int(raised.sum()), "deployed": 0}
    return dataclasses.replace(run, totals=totals, tables={**run.tables, "events": events})


def compared(*runs: Run) -> Comparison:
    return Comparison({run.name: run for run in runs})


def clear() -> Comparison:
    return compared(
        run("static", 9.0), run("often", 3.0, 4, price=1.0), run("rarely", 6.0, 16, price=1.0)
    )


def tie() -> Comparison:
    return compared(
        run("static", 3.0), run("often", 3.0, 4, price=0.0), run("rarely", 3.0, 5, price=0.0)
    )


def flips() -> Comparison:
    # 9 and 2 trainings, 40 days: at 5 often costs 45 + 40 * 1 = 85, rarely 10 + 40 * 2 = 90; they
    # are equal where 7 trainings cost 40, at 5.71.
    return compared(run("static", 9.0), run("often", 1.05, 4), run("rarely", 2.05, 16))


def alone() -> Comparison:
    return compared(run("often", 3.0, 4))


def broken() -> Comparison:
    return compared(failed(run("often", 3.0, 4)), failed(run("rarely", 3.0, 8)))


def kept() -> Comparison:
    return compared(run("static", 1.0), run("often", 3.0, 4), run("rarely", 2.0, 16))


def short() -> Comparison:
    return compared(run("static", 9.0), run("rarely", 3.0, 16, price=1.0))


CASES: dict[str, tuple[Callable[[], Comparison], str, str]] = {
    "clear winner": (clear, "retrain", "often"),
    "tie": (tie, "keep", "static"),
    "flips within a factor of two": (flips, "retrain", "often"),
    "one strategy": (alone, "keep", "often"),
    "all failed": (broken, "keep", "often"),
    "baseline is best": (kept, "keep", "static"),
    "no interval": (short, "retrain", "rarely"),
}


@pytest.fixture(scope="module", params=list(CASES))
def case(request) -> tuple[Comparison, str, str, str]:
    make, decision, strategy = CASES[request.param]
    comparison = make()
    return comparison, comparison.page(), decision, strategy


def visible(page: str) -> str:
    """What can be read of it, without styles and scripts."""
    body = re.sub(r"<(style|script)\b.*?</\1>", "", page[page.index("<body>") :], flags=re.DOTALL)
    return html.unescape(re.sub(r"\s+", " ", re.sub(r"<[^>]+>", " ", body)))


def test_all_name_the_same_strategy(case) -> None:
    comparison, page, decision, strategy = case
    verdict = comparison.verdict()
    assert (verdict.decision, verdict.strategy) == (decision, strategy)
    assert f'<header class="verdict {decision}">' in page
    assert html.unescape(re.search(r"<h1>(.*?)</h1>", page, re.DOTALL)[1]) == verdict.advice
    assert verdict.sentence.startswith(verdict.advice)
    marked = [line for line in terminal_table(comparison).splitlines() if line.startswith("> ")]
    assert [line[2:].split()[0] for line in marked] == [strategy]
    rows = re.findall(r'<tr class="winner">\s*<th[^>]*data-name="([^"]*)"', page)
    assert set(rows) <= {strategy}
    assert bool(rows) == (not math.isnan(verdict.saves))


def test_a_rival_is_one_everywhere(case) -> None:
    comparison, _, _, strategy = case
    verdict, table = comparison.verdict(), comparison.table()
    low, high = table["to_winner_low"], table["to_winner_high"]
    holds = [name for name in table.index if name != strategy and low[name] <= 0 <= high[name]]
    assert set(verdict.rivals) == set(holds) - set(verdict.failing)
    roles = role_names(comparison, verdict.baseline)
    assert {name for name in roles if "rival" in roles[name]} == set(verdict.rivals)
    marked = [line for line in terminal_table(comparison).splitlines() if line.startswith("= ")]
    marked = [line[2:].split()[0] for line in marked if not line.startswith("= on this path")]
    assert set(marked) == set(verdict.rivals)
    assert table["to_winner"].tolist() == pytest.approx(
        (table["total"] - table.loc[strategy, "total"]).tolist()
    )


def test_no_page_shows_what_is_no_number(case) -> None:
    _, page, _, _ = case
    assert not re.search(r"\b(nan|inf|None)\b", visible(page))


def test_nothing_is_said_twice(case) -> None:
    comparison, page, _, _ = case
    verdict, text = comparison.verdict(), visible(page)
    for told in (verdict.advice, *verdict.changes, *verdict.remarks):
        assert text.count(told) == 1, told
    headings = re.findall(r"<h2>(.*?)</h2>", page)
    assert len(headings) == len(set(headings))


def test_the_order_is_decision_why_what_could_change_it_evidence(case) -> None:
    comparison, page, _, _ = case
    wanted = ["<h1>", "<h2>Why", "<h2>What could change it", "<table", "<h2>What to keep in mind"]
    found = [page.index(text) for text in wanted if text in page]
    assert found == sorted(found)
    assert ("<h2>Why" in page) == (not math.isnan(comparison.verdict().saves))


def test_a_clear_winner_has_no_rival() -> None:
    verdict = clear().verdict()
    assert verdict.rivals == ()
    assert verdict.low > 0
    assert verdict.confidence == "sure"


def test_the_prices_within_which_it_holds_are_said() -> None:
    comparison = flips()
    low, high = comparison.verdict().prices
    assert 0 <= low < PRICE < high < 2 * PRICE
    assert high == pytest.approx(PRICE + (90 - 85) / 7, rel=0.02)
    told = f"{high:.3g}".rstrip("0")
    assert any(told in line for line in comparison.verdict().changes)
    assert told in visible(comparison.page())


def test_a_tie_keeps_what_runs_and_names_all_as_rivals() -> None:
    verdict = tie().verdict()
    assert set(verdict.rivals) == {"often", "rarely"}
    assert "Keep" in verdict.advice or "keep" in verdict.advice


def test_without_an_interval_the_page_says_so_and_counts_eras() -> None:
    comparison = short()
    assert comparison.contrast().low.isna().any()
    assert math.isnan(comparison.verdict().low)
    text = visible(comparison.page())
    assert "There is no interval of what rarely saved" in text
    assert "It cost less than static in 10 of 10 eras" in text


def test_why_names_the_eras_that_were_lost_with_dates() -> None:
    charges = [(day, "error", 1.0 if 8 <= day < 12 else 9.0) for day in range(DAYS)]
    static = plain_run("static", parts_of("Never"), charges)
    lines = story.why(compared(static, run("often", 3.0, 4, price=0.1)), "static").lines
    assert "in 9 of 10 eras of 4 days, and more from 2020-01-09 to 2020-01-13." in " ".join(lines)
    assert pd.Timestamp("2020-01-01") == pd.Timestamp(static.info["start"])
