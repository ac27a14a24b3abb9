"""How much more history would tell the choice from the next one, said as time."""

import math

import numpy as np
import pytest

from backtrain.lossmatrix.decide import Decision, Evidence, Option, decide
from backtrain.reports.advice import Words

INFO = {"start": "2024-01-01", "end": "2024-10-27", "prices": {"retrain": 0.0}}  # 300 days


def said(more: float, behind: float = 5.0) -> str:
    choice = Decision("7D", 10.0, "sure", "30D", behind, more=more)
    return " ".join(Words(choice, "never", INFO, [100.0]).sentences("Run 7D", "Keep 7D"))


@pytest.mark.parametrize(
    ("more", "text"),
    [
        (2.0, "about 10 months more of history would tell them apart."),
        (1.6, "about 6 months more of history would tell them apart."),
        (11.0, "about 8 years more of history would tell them apart."),
        (20.0, "this history cannot tell them apart."),
        (math.inf, "this history cannot tell them apart."),
    ],
)
def test_the_rest_of_it_is_said_as_time(more, text):
    assert f"Next is 30D, expected to cost 5.00 more; {text}" in said(more)
    less = (
        "30D is expected to cost 5.00 less, under 1 %: too little to prefer it to a plain schedule"
    )
    assert f"{less}; {text}" in said(more, behind=-5.0)


def test_an_alarm_that_is_cheaper_by_less_than_a_hundredth_says_why_it_is_not_chosen():
    """Of 100 the alarm saves 0.5: a plain schedule is preferred; where it saves 2 it is not."""
    options = [Option("never", 200.0), Option("7D", 100.0), Option("alarm", 99.5, plain=False)]
    choice = decide(Evidence(options, "never"))
    text = " ".join(Words(choice, "never", INFO, [100.0]).sentences("Run 7D", "Keep never"))
    assert "alarm is expected to cost 0.50 less, under 1 %: too little to prefer it to a" in text
    options[2] = Option("alarm", 98.0, plain=False)
    assert decide(Evidence(options, "never")).name == "alarm"


@pytest.mark.parametrize("more", [math.nan, 0.2, 1.0, 1.5])
def test_nothing_is_said_where_it_tells_already_or_nobody_knows(more):
    assert "of history" not in said(more)
    assert "cannot" not in said(more)


def costs(length: float, seed: int) -> tuple[float, float]:
    """What two options differ by, in all, and its standard error, after so many times ten eras.

    The second costs 1 more an era, give or take 3, in eras as long as those of the first history.
    """
    rng = np.random.default_rng(seed)
    eras = rng.normal(1.0, 3.0, round(10 * length))
    return float(eras.sum()), float(eras.std(ddof=1) * math.sqrt(len(eras)))


def test_so_much_more_makes_the_difference_three_standard_errors():
    """A difference of 10 with a standard error of 9.5: 8.1 times the history, by the rule."""
    one, other = [9.0, 11.0] * 5, [10.0 + 3 * s for s in (1, -1) * 5]
    other = (np.array(one) + 1 + 3 * np.sqrt(0.9) * np.tile([1.0, -1.0], 5)).tolist()
    options = [Option("7D", 100.0, eras=one), Option("30D", 110.0, eras=other)]
    more = decide(Evidence(options, "7D")).more
    assert more == pytest.approx((3 * 3 * math.sqrt(10) / 10) ** 2)
    ratios = [np.divide(*costs(more, seed)) for seed in range(300)]
    assert np.mean(ratios) == pytest.approx(3.0, rel=0.1)
    assert np.mean([np.divide(*costs(1, seed)) for seed in range(300)]) < 1.5
