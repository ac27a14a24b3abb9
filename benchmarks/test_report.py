"""What a page costs: time grows no faster than the number of strategies."""

from itertools import islice

from fabricated import drifting_runs

from backtrain.reports.comparison import Comparison


def test_a_page_of_ten_strategies_against_five(ratio, tmp_path):
    ten = drifting_runs()
    five = dict(islice(ten.items(), 5))

    def page(runs):
        return lambda: Comparison(runs).to_html(tmp_path / "report.html")

    ratio(page(ten), page(five), "at most 2.2", rounds=3)
