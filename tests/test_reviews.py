"""Decisions made again while something runs, and walked along a history: by hand."""

from dataclasses import replace

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st

from backtrain.lossmatrix.decide import Evidence, Option, decide, review
from backtrain.lossmatrix.walk import Course, Known, courses, walk

NEVER = Option("never", 100.0)


def weekly(cost: float, retrains: float = 10.0, name: str = "weekly") -> Option:
    return Option(name, cost, retrains)


# --- reviews --------------------------------------------------------------------------------------


def test_a_switch_must_win_back_the_training_that_it_begins_with():
    """Daily saves 4 over a span; a switch costs 3, and with half a span to come 6."""
    evidence = Evidence([weekly(90.0), weekly(86.0, 20.0, "daily")], "weekly", price=3.0, floor=0.0)
    whole, half = review(evidence, "weekly"), review(evidence, "weekly", left=0.5)
    assert (whole.name, half.name) == ("daily", "weekly")
    assert whole.saves == pytest.approx(0.8 * (90 - 86 - 3))
    assert decide(replace(evidence, baseline="weekly")).name == "daily"


def test_what_runs_is_held_against_by_the_floor():
    evidence = Evidence([NEVER, weekly(99.5)], "never", price=0.0)
    assert review(evidence, "weekly").name == "weekly"
    assert review(evidence, "never").name == "never"


def test_to_stop_begins_with_no_training():
    evidence = Evidence([NEVER, weekly(102.0)], "never", price=50.0, stop="never")
    assert review(evidence, "weekly").name == "never"
    assert review(evidence, "weekly", left=0.01).name == "never"
    assert review(replace(evidence, stop=""), "weekly").name == "weekly"


def test_between_which_prices_a_review_stays_counts_the_switch():
    """Weekly costs 60 + 11 p with its switch, never 100: equal at 40 / 11."""
    evidence = Evidence([NEVER, weekly(60.0 + 10)], "never", price=1.0, floor=0.0, stop="never")
    assert review(evidence, "never").factors[1] == pytest.approx(40 / 11)


def known(never: float, often: float, price: float = 1.0) -> Evidence:
    return Evidence([replace(NEVER, cost=never), weekly(often)], "never", price, stop="never")


def test_what_runs_between_reviews_by_hand():
    """Kept; switched with a training; stopped, which goes back to the first model; again."""
    found = list(
        courses([known(100, 100), known(100, 50), known(50, 100), known(100, 50)], [1] * 4)
    )
    assert found == [
        Course("never", 0, False),
        Course("weekly", 1, True),
        Course("never", 0, False),
        Course("weekly", 3, True),
    ]


def test_another_that_never_trains_begins_with_a_training_when_it_is_chosen_later():
    """On other rows than the model of the start: it has none yet."""
    options = [NEVER, weekly(90.0), Option("never, all rows", 50.0)]
    first = Evidence(options[:2], "never", 1.0, stop="never")
    found = list(courses([first, replace(first, options=options)], [1, 1]))
    assert found == [Course("weekly", 0, False), Course("never, all rows", 1, True)]


def test_the_first_decision_trains_nothing_beside_and_later_ones_stay():
    found = list(courses([known(100, 50), known(100, 50)], [1.0, 0.5]))
    assert found == [Course("weekly", 0, False), Course("weekly", 0, False)]


# --- the walk -------------------------------------------------------------------------------------


def test_what_was_decided_and_paid_by_hand():
    """Two instants. At the first never is kept and pays 5 + 9; at the second weekly is taken."""
    paid = {
        "never": np.array([[5.0, 9.0], [0.0, 8.0]]),
        "weekly": np.array([[6.0, 4.0], [0.0, 3.0]]),
    }
    options = {
        "never": [NEVER, NEVER],
        "weekly": [weekly(100.0), weekly(50.0)],
    }
    both = {name: Known(options[name], paid[name]) for name in paid}
    found = walk(both, "never", [1.0, 0.5], price=2.0, stop="never")
    assert (found.chosen, found.best) == (["never", "weekly"], ["weekly", "weekly"])
    assert found.paid.tolist() == [14, 3]
    assert found.kept.tolist() == [14, 8]
    assert found.least.tolist() == [10, 3]
    assert found.share == pytest.approx((0 + 5) / (4 + 5))
    assert found.reviewed == 5 + 2 + 3  # never, then a training, then a fresh weekly


amounts = st.floats(1, 1000)


@given(
    st.lists(st.tuples(amounts, st.floats(0, 30), amounts, amounts), min_size=1, max_size=5),
    st.floats(0, 3),
)
def test_the_best_afterwards_is_never_dearer_and_alone_the_baseline_is_kept(rows, price):
    known = {
        f"s{k}": Known([Option("", cost, trained)] * 2, np.array([[a, b], [0, b]]))
        for k, (cost, trained, a, b) in enumerate(rows)
    }
    known = {n: Known([replace(o, name=n) for o in k.options], k.paid) for n, k in known.items()}
    found = walk(known, "s0", [1.0, 0.5], price)
    assert (found.least <= np.minimum(found.paid, found.kept)).all()
    assert set(found.chosen) <= set(known)
    if len(known) == 1:
        assert found.paid.tolist() == found.kept.tolist()
    if found.kept.tolist() == found.least.tolist():
        assert np.isnan(found.share)
