import dataclasses
import math
import runpy
from pathlib import Path

import numpy as np
import pandas as pd
import pytest

from backtrain.datasets.offsets import usual_season
from backtrain.lossmatrix.decide import REALISED
from backtrain.reports import archive
from backtrain.reports.comparison import Comparison, ComparisonError
from backtrain.reports.numbers import Money, duration, listing, number
from backtrain.reports.periods import fixed_length, own_block, usual_gap
from backtrain.reports.plain import terminal_table
from backtrain.simulator.record import RecordError

fabricated = runpy.run_path(str(Path(__file__).with_name("fabricated.py")))
parts_of, plain_run = fabricated["parts_of"], fabricated["plain_run"]


@pytest.fixture(scope="module")
def drifting():
    return Comparison(fabricated["drifting_runs"]())


def daily(amount, kind="error", days=40):
    return [(day, kind, amount) for day in range(days)]


def wobbling(level, days=40):
    return [(day, "error", level + (0.2 if day % 3 else -0.4)) for day in range(days)]


def two(static, weekly, **info):
    """A static strategy and one that retrains every second day, told by their charges."""
    often = [(day, "train", 1.0) for day in range(2, 40, 2)]
    return Comparison(
        {
            "static": plain_run("static", parts_of("Never"), static, **info),
            "often": plain_run("often", parts_of("Every", every="2D"), [*weekly, *often], **info),
        }
    )


def test_the_table_by_hand():
    table = two([*daily(3.0), (0, "initial", 99.0)], daily(2.0)).table()
    assert list(table.index) == ["often", "static"]
    assert table.columns.tolist() == [
        *("total", "error", "train", "label", "check", "deploy", "flip"),
        *("predict", "initial", "retrains", "deployed", "rejected", "failed", "fallback"),
        *("loss", "MAE", "difference", "low", "high"),
        *("to_winner", "to_winner_low", "to_winner_high", "expected"),
    ]
    assert table.loc["often", ["total", "error", "train"]].tolist() == [99, 80, 19]
    assert table.loc["static", ["total", "initial"]].tolist() == [120, 99]
    assert table.loc["often", ["retrains", "deployed", "difference"]].tolist() == [19, 19, -21]
    assert table.loc["static", ["difference", "low", "high"]].tolist() == [0, 0, 0]


def test_a_narrow_terminal_shows_the_whole_table_as_a_string():
    table = two(daily(3.0), daily(2.0)).table()
    with pd.option_context("display.max_columns", 4):
        assert "rejected" not in str(table)
        assert set(table.to_string().split()) >= set(table.columns)


def test_another_baseline_turns_the_differences_round():
    table = two(daily(3.0), daily(2.0)).table(baseline="often")
    assert table.loc["static", "difference"] == 21
    assert table.loc["often", "difference"] == 0


def test_an_unknown_baseline_is_refused():
    with pytest.raises(ComparisonError, match="baseline='weakly': not among 'static', 'often'"):
        two(daily(3.0), daily(2.0)).table(baseline="weakly")


def test_differences_by_period_add_up_to_the_difference_of_totals(drifting):
    costs, table = drifting.costs, drifting.table()
    summed = costs.values.sum(axis=0) - costs.values[:, 0].sum()
    np.testing.assert_allclose(summed, table.loc[list(costs.names), "difference"], atol=1e-8)


def test_verdict_retrain():
    verdict = two(wobbling(3.0), wobbling(1.0)).verdict()
    assert (verdict.decision, verdict.strategy, verdict.baseline) == ("retrain", "often", "static")
    assert verdict.saves == pytest.approx(REALISED * (80 - 19))
    assert 0 < verdict.low < 80 - 19 < verdict.high
    assert (verdict.rivals, verdict.confidence) == ((), "sure")
    assert verdict.expected == {"static": pytest.approx(119.6), "often": pytest.approx(58.6)}
    assert verdict.sentence.startswith(
        "Run often (every 2D, on the newest 90D): expect it to save 48.80 against static (sure: "
    )
    assert str(verdict) == verdict.sentence


def test_verdict_and_table_give_the_same_interval(drifting):
    verdict, table = drifting.verdict(), drifting.table()
    row = table.loc[verdict.strategy]
    assert (verdict.low, verdict.high) == (-row["high"], -row["low"])


def test_verdict_keep():
    verdict = two(wobbling(1.0), wobbling(3.0)).verdict()
    assert (verdict.decision, verdict.strategy, verdict.baseline) == ("keep", "static", "static")
    assert (verdict.saves, verdict.confidence) == (0, "")
    assert (verdict.runner_up, verdict.behind) == ("often", pytest.approx(80 + 19))
    assert verdict.sentence.startswith(
        "Do not retrain: keep static: nothing is expected to cost less. Next is often, expected to "
        "cost 99.00 more."
    )


def test_what_cannot_be_told_from_luck_is_advised_and_called_unsure():
    rng = np.random.default_rng(0)
    noisy = [(day, "error", 5 + rng.normal(0, 3)) for day in range(40)]
    verdict = two(daily(5.9), noisy).verdict()
    assert (verdict.decision, verdict.strategy, verdict.confidence) == (
        "retrain",
        "often",
        "unsure",
    )
    assert verdict.low < 0 < verdict.high
    assert verdict.rivals == ("static",)


def test_a_saving_below_the_floor_is_no_reason_to_change():
    comparison = two(daily(1.0), daily(0.51))
    assert comparison.verdict().strategy == "often"  # saves 0.6 of 40
    kept = comparison.verdict(careful=0.05)
    assert (kept.decision, kept.strategy, kept.saves) == ("keep", "static", 0)
    assert "too little to change for. often is expected to cost 0.60 less" in kept.sentence
    with pytest.raises(ComparisonError, match=r"careful=5: give a share from 0 to below 1"):
        comparison.verdict(careful=5)


def test_a_history_of_fewer_than_seven_blocks_has_a_verdict_and_no_interval():
    comparison = dataclasses.replace(two(daily(9.0), daily(1.0)), season="6D")
    verdict = comparison.verdict()
    assert (verdict.decision, verdict.strategy) == ("retrain", "often")
    assert math.isnan(verdict.low)
    assert verdict.unjudged == ("static",)
    assert comparison.table()[["low", "high"]].isna().all(axis=None)


def test_late_labels_silence_nobody():
    delay = {"median": 0.0, "p95": 20 * 86400.0, "max": 0.0}
    comparison = two(wobbling(9.0), wobbling(1.0), label_delay_seconds=delay)
    assert comparison.contrast().block == 5
    assert comparison.verdict().low > 0


def test_without_an_interval_eras_are_left():
    jumps = [(day, "error", 1.0 if day < 30 else 9.0) for day in range(40)]
    comparison = dataclasses.replace(two(daily(2.0), jumps), season="6D")
    contrast = comparison.contrast("static")
    assert contrast.low.isna().all()
    assert contrast.block is None
    # Ten eras of four days: a retrain every second day costs 1, the last ten days 9 each.
    assert (contrast.cheaper.to_dict(), contrast.eras) == ({"static": 0, "often": 7}, 10)


def test_what_was_tuned_on_the_replayed_span_cannot_win():
    tuned = plain_run("tuned", parts_of("Oracle"), daily(0.1), in_sample=True)
    runs = {**two(wobbling(3.0), wobbling(1.0)).runs, "tuned": tuned}
    assert Comparison(runs).verdict().strategy == "often"
    assert Comparison(runs).table().index[0] == "tuned"


@pytest.mark.parametrize("trigger", ["Every", "Never"])
def test_nothing_is_said_about_a_single_strategy(trigger):
    comparison = Comparison({"only": plain_run("only", parts_of(trigger, every="2D"), daily(1.0))})
    verdict = comparison.verdict()
    assert (verdict.decision, verdict.strategy) == ("keep", "only")
    assert math.isnan(verdict.saves)
    sentence = "Nothing can be said about only: nothing was compared with it."
    assert verdict.sentence == sentence
    page = comparison.page()
    assert sentence in page
    assert "run this" not in page


def test_rare_retrains_get_no_interval_and_take_none_from_others(drifting):
    table = drifting.table()
    assert table["low"].isna().to_dict()["every 90D"]
    assert table["low"].notna().sum() == 8
    without = {name: run for name, run in drifting.runs.items() if name != "every 90D"}
    pd.testing.assert_series_equal(
        Comparison(without).table()["low"], table["low"].drop("every 90D"), check_names=False
    )


def test_a_rare_baseline_leaves_nobody_an_interval(drifting):
    assert drifting.table(baseline="every 90D")["low"].isna().all()


def test_a_strategy_needs_blocks_as_long_as_its_usual_gap(drifting):
    day = pd.Timedelta("1D")
    assert usual_gap(drifting.runs["every 30D"]) == 30 * day
    assert own_block(drifting.runs["every 30D"], day, season=7 * day) == 30
    assert own_block(drifting.runs["every 3D"], day, season=7 * day) == 7
    assert usual_gap(drifting.runs["static"]) == 0 * day


def test_the_season_is_a_week_or_a_day_or_nothing():
    week, day = pd.Timedelta("7D"), pd.Timedelta("1D")
    assert usual_season(140 * day) == week
    assert usual_season(139 * day) == day
    assert usual_season(19 * day) == 0 * day


@pytest.mark.parametrize(
    ("tick", "length"), [("1D", "1D"), ("2h", "2h"), ("MS", None), ("24", None), ("1 days", "1D")]
)
def test_only_ticks_of_fixed_length_make_periods(tick, length):
    assert fixed_length(tick) == (None if length is None else pd.Timedelta(length))


def test_ticks_by_rows_are_compared_over_equal_periods():
    costs = two(daily(3.0), daily(2.0), tick="24").costs
    assert costs.values.shape == (500, 2)
    assert costs.values.sum(axis=0).tolist() == [120, 99]


@pytest.mark.parametrize(
    ("change", "message"),
    [
        ({"start": "2020-01-02"}, "start is '2020-01-02T00:00:00' and '2020-01-01T00:00:00'"),
        ({"loss": "squared"}, "loss is 'squared' and 'absolute'"),
        ({"stream": {"fingerprint": "bee"}}, "the stream's fingerprint is 'bee' and 'f00'"),
        ({"prices": {"error": 1.0}}, "the price of an error is 1.0 and 0.05"),
    ],
)
def test_what_cannot_be_compared_says_why(change, message):
    runs = two(daily(3.0), daily(2.0)).runs
    info = {**runs["often"].info, **change}
    changed = dataclasses.replace(runs["often"], info=info)
    with pytest.raises(ComparisonError, match="'often' and 'static' cannot be compared") as error:
        Comparison({**runs, "often": changed})
    assert message in str(error.value)


def test_no_runs_are_refused():
    with pytest.raises(ComparisonError, match="no runs"):
        Comparison({})


def schedules(prices=None, **never):
    errors = {"2D": 1.0, "4D": 1.2, "10D": 3.0}
    runs = {}
    for every, amount in errors.items():
        days = range(int(every[:-1]), 40, int(every[:-1]))
        charges = [*daily(amount), *((day, "train", 5.0) for day in days)]
        runs[every] = plain_run(every, parts_of("Every", every=every), charges)
    runs["static"] = plain_run("static", parts_of("Never", **never), daily(4.0))
    return Comparison(runs).schedules


def test_schedules_by_hand():
    found = schedules()
    assert found.labels == ("2D", "4D", "10D", "never")
    assert found.retrains.tolist() == [19, 9, 3, 0]
    assert found.total.tolist() == pytest.approx([135, 93, 135, 160])
    assert found.labels[found.cheapest] == "4D"
    assert found.inside
    assert found.sentence() == (
        "Of the intervals 4D cost least on this path, inside the grid 2D to 10D."
    )


def test_strategies_with_another_window_are_no_grid():
    runs = {
        "a": plain_run("a", parts_of("Every", every="2D"), daily(1.0)),
        "b": plain_run("b", parts_of("Every", window="30D", every="4D"), daily(1.0)),
    }
    assert Comparison(runs).schedules is None


def test_schedules_of_a_comparison(drifting):
    assert drifting.schedules.names == (
        *("every 3D", "every 7D", "every 14D", "every 30D", "every 90D"),
        "static",
    )


def test_the_terminal_table_fits(drifting):
    text = terminal_table(drifting)
    assert max(map(len, text.splitlines())) <= 100
    assert text.splitlines()[1].startswith(("> feature", "  feature"))
    assert "baseline" in text


def test_a_comparison_comes_back_from_disk(drifting, tmp_path):
    saved = drifting.save(tmp_path / "study")
    assert sorted(path.name for path in saved.iterdir() if path.is_file()) == [
        "comparison.json",
        "report.html",
        "summary.csv",
        "verdict.json",
    ]
    assert len(list((saved / "figures").glob("*.png"))) == 4
    again = Comparison.load(saved)
    assert list(again.runs) == list(drifting.runs)
    pd.testing.assert_frame_equal(again.table(), drifting.table())
    again.to_html(tmp_path / "again.html")
    again.save(tmp_path / "again", report="page")
    page = (tmp_path / "again.html").read_bytes()
    assert (tmp_path / "again" / "report.html").read_bytes() == page


def test_saving_twice_gives_the_same_bytes(tmp_path):
    comparison = two(wobbling(3.0), wobbling(1.0))
    files = []
    for name in ("one", "two"):
        root = comparison.save(tmp_path / name)
        paths = sorted(path for path in root.rglob("*") if path.is_file())
        files.append({path.relative_to(root): path.read_bytes() for path in paths})
    assert files[0] == files[1]


def test_runs_of_several_directories_are_told_apart_by_their_names(tmp_path):
    comparison = two(daily(3.0), daily(2.0))
    comparison.save(tmp_path / "one")
    comparison.save(tmp_path / "two")
    merged = Comparison.load(tmp_path / "one", tmp_path / "two" / "often")
    assert list(merged.runs) == ["static", "one: often", "often: often"]


def test_a_directory_without_runs_says_so(tmp_path):
    with pytest.raises(RecordError, match="neither a run nor a comparison"):
        Comparison.load(tmp_path)
    with pytest.raises(RecordError, match="no such directory"):
        Comparison.load(tmp_path / "absent")


def test_folder_names_are_safe_and_distinct():
    names = ["../up", "a/b", "A B", "a b", "figures", "<script>", "..."]
    folders = archive.folder_names(names)
    assert list(folders) == names
    assert list(folders.values()) == [
        *("up", "a-b", "A-B-2", "a-b-3", "figures-2", "script", "strategy-2")
    ]


def test_numbers():
    assert number(1234567.891, 2) == "1,234,567.89"
    assert number(-5.0) == "−5"
    assert number(-0.001, 2) == "0.00"
    assert number(math.nan) == "–"
    assert Money.fit([12.0, 9000.0]).signed(3) == "+3.00"
    assert Money.fit([12_000.0]).signed(-0.2) == "0"
    assert duration(pd.Timedelta("36h")) == "1.5 days"
    assert duration(pd.Timedelta("1D")) == "1 day"
    assert listing(["a", "b", "c"]) == "a, b and c"


def test_repr(drifting):
    assert repr(drifting).startswith("Comparison(10 strategies, cheapest 'feature drift' at 15,6")
