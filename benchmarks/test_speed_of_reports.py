"""What a page costs: time grows no faster than strategies or jobs do, nor do figures."""

import dataclasses
import time
from dataclasses import replace
from itertools import cycle, islice

import numpy as np
import pytest
from fabricated import drifting_runs
from swept import job, saved

from backtrain.reports import html, page
from backtrain.reports.comparison import Comparison
from backtrain.reports.sweep import Sweep


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
    ratio(lambda: report(most), lambda: report(few), "at most 10", rounds=1)


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
    ratio(lambda: html.draw(shown, files=True), lambda: html.draw(shown), "at most 1.5", rounds=3)


def jobs(count):
    """So many jobs over data sets, seeds and prices, each of 30 strategies."""
    drawn = np.random.default_rng(0)
    results = []
    for n in range(count):
        given = {
            "dataset": f"d{n % 25}",
            "seed": n // 25 % 5,
            "prices.retrain": 10 ** (n // 125 % 4),
        }
        given["model"] = "linear" if n // 500 % 2 else "forest"
        costs = 100 * np.exp(0.1 * drawn.standard_normal(30))
        results.append(job(n, given, {f"s{i}": float(cost) for i, cost in enumerate(costs)}))
    return results


@pytest.fixture(scope="module")
def thousand(tmp_path_factory):
    """CPU seconds of reading 1,000 jobs and drawing their page, and that page."""
    folder = saved(tmp_path_factory.mktemp("sweep"), *jobs(1000))
    Sweep(jobs(40)).page()
    began = time.process_time()
    Sweep.load(folder).save(folder)
    return time.process_time() - began, folder / "sweep.html"


def test_cpu_seconds_of_the_page_of_a_sweep_of_1000_jobs(figure, thousand):
    figure(thousand[0], "at most 20")


def test_the_page_of_a_sweep_of_1000_jobs_against_100(ratio):
    most, few = Sweep(jobs(1000)), Sweep(jobs(100))
    ratio(lambda: replace(most).page(), lambda: replace(few).page(), "at most 10", rounds=1)


def test_megabytes_of_the_page_of_a_sweep_of_1000_jobs(figure, thousand):
    figure(thousand[1].stat().st_size / 1e6, "below 3")
