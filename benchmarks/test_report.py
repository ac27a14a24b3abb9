"""What a page costs: time grows no faster than the number of strategies, nor do figures."""

import dataclasses
import time
from itertools import cycle, islice

from fabricated import drifting_runs

from backtrain.reports import html, page
from backtrain.reports.comparison import Comparison


def many(count):
    """So many strategies, which are the ten of `drifting_runs` over and over."""
    runs = enumerate(islice(cycle(drifting_runs().values()), count))
    named = [dataclasses.replace(run, name=f"{run.name} {i}") for i, run in runs]
    return {run.name: run for run in named}


def report(runs):
    """All that `Comparison.save` writes of it, in memory."""
    comparison = Comparison(runs)
    drawn = page.report(comparison, comparison.baseline(), files=True)
    return drawn.files(), drawn.page()


def test_a_page_of_ten_strategies_against_five(ratio, tmp_path):
    ten = drifting_runs()
    five = dict(islice(ten.items(), 5))

    def page_of(runs):
        return lambda: Comparison(runs).to_html(tmp_path / "report.html")

    ratio(page_of(ten), page_of(five), "at most 2.2", rounds=3)


def test_a_report_of_200_strategies_against_12(ratio):
    most, few = many(200), many(12)
    ratio(lambda: report(most), lambda: report(few), "at most 10", rounds=3)


def test_cpu_seconds_of_a_report_of_200_strategies(figure):
    runs = many(200)
    report(many(3))
    began = time.process_time()
    report(runs)
    figure(time.process_time() - began, "at most 10")


def test_megabytes_of_a_page_of_12_strategies(figure):
    figure(len(Comparison(many(12)).page().encode()) / 1e6, "below 1")


def test_a_report_with_files_against_the_page_alone(ratio):
    """PNG, SVG and CSV come from what was drawn for the page."""
    comparison = Comparison(many(12))
    shown = list(html.exhibits(page.outline(comparison, comparison.baseline())))
    ratio(lambda: html.draw(shown, files=True), lambda: html.draw(shown), "at most 1.5", rounds=5)
