"""What to run: the least expected cost, and how sure that is."""

import math

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st

from backtrain.lossmatrix.decide import FLOOR, REALISED, SIMPLE, Evidence, Option, decide, review
from backtrain.lossmatrix.expected import expected
from backtrain.lossmatrix.matrix import LossMatrix
from backtrain.simulator.ledger import Prices

NEVER = Option("never", 100.0)


def option(name="weekly", cost=80.0, retrains=10.0, **more):
    return Option(name, cost, retrains, **more)


def test_the_least_expected_cost_is_chosen_and_four_fifths_of_it_promised():
    found = decide(Evidence([NEVER, option(), option("daily", 85.0, 70.0)], "never", price=1.0))
    assert (found.name, found.runner_up) == ("weekly", "daily")
    assert (found.saves, found.behind) == (pytest.approx(REALISED * 20), pytest.approx(5))


def test_the_baseline_is_kept_unless_a_share_of_its_cost_is_saved():
    assert decide(Evidence([NEVER, option(cost=99.1)], "never")).name == "never"
    assert decide(Evidence([NEVER, option(cost=98.9)], "never")).name == "weekly"
    assert decide(Evidence([NEVER, option(cost=96.0)], "never", floor=0.05)).name == "never"
    kept = decide(Evidence([NEVER, option(cost=99.1)], "never"))
    assert (kept.saves, kept.confidence, kept.behind) == (0, "", pytest.approx(-0.9))


def test_a_plain_schedule_is_preferred_to_an_alarm_that_is_hardly_cheaper():
    alarm = option("alarm", 79.5, plain=False)
    assert decide(Evidence([NEVER, option(), alarm], "never")).name == "weekly"
    better = option("alarm", 80.0 / (1 + SIMPLE) - 0.1, plain=False)
    assert decide(Evidence([NEVER, option(), better], "never")).name == "alarm"


def test_between_which_prices_the_choice_stays_by_hand():
    """Weekly costs 70 + 10 p, daily 10 + 70 p, never 100; p is 1, and daily is left below 1."""
    found = decide(
        Evidence([NEVER, option(), option("daily", 80.0, 70.0)], "never", price=1.0, floor=0.0)
    )
    assert found.name == "weekly"  # of equals the one that trains less
    assert found.factors == (pytest.approx(1.0), pytest.approx(3.0))
    floored = decide(Evidence([NEVER, option()], "never", price=1.0))
    assert floored.factors == (0.0, pytest.approx(1 + (100 * (1 - FLOOR) - 80) / 10))


def test_alone_or_free_there_is_no_price_that_matters():
    assert decide(Evidence([NEVER], "never", price=1.0)).factors == (0.0, math.inf)
    assert decide(Evidence([NEVER, option()], "never", price=0.0)).factors == (0.0, math.inf)


def eras(saved, wobble):
    """Ten eras of never and of an option that saves so much in each, up to a wobble."""
    signs = np.where(np.arange(10) % 2, wobble, -wobble)
    return [10.0] * 10, (10.0 - saved + signs).tolist()


@pytest.mark.parametrize(
    ("saved", "wobble", "starts", "word"),
    [
        (2.0, 1.0, (1.0, 1.0), "sure"),
        (2.0, 1.0, (1.0, 3.0), "unsure"),  # from one start in two it saves nothing
        (2.0, 1.0, (0.9, 1.5), "sure"),
        (2.0, 1.0, (0.5, 1.6), "unsure"),  # what it saves is over: .4 of late, .95 on average
        (2.0, 3.0, (1.0, 1.0), "unsure"),  # half of the eras are lost
        (0.5, 0.3, (1.0, 1.0), "sure"),
        (0.5, 0.4, (1.0, 1.0), "likely"),  # 3.75 standard errors
        (0.4, 0.1, (1.0, 1.0), "likely"),  # steady, but 4 %
        (0.15, 0.1, (1.0, 1.0), "unsure"),  # steady, but 1.5 %
    ],
)
def test_a_word_for_how_steadily_it_saved(saved, wobble, starts, word):
    never, own = eras(saved, wobble)
    options = [
        Option("never", 100.0, eras=never, starts=(2.0, 2.0)),
        Option("weekly", 100.0 - 10 * saved, 10.0, own, starts),
    ]
    assert decide(Evidence(options, "never")).confidence == word


def test_of_equal_costs_the_baseline_is_kept():
    free = [Option("never", 0.0), Option("daily", 0.0, retrains=70)]
    assert decide(Evidence(free, "daily")).name == "daily"
    assert decide(Evidence(free, "daily", floor=0.0)).name == "never"


def test_a_change_of_what_runs_costs_its_training_of_the_budget_too():
    never = Option("never", 100.0)
    options = [never, option(cost=50.0, running=10.0), Option("daily", 60.0, 70.0, running=10.5)]
    known = Evidence(options, "daily", price=1.0, budget=10.75)
    assert decide(known).name == "weekly"
    assert review(known, "daily").name == "daily"  # 11 with the training that weekly begins with


def test_a_bound_that_is_an_error_of_rounding_is_none():
    daily = Option("daily", 80.0 + 60 * (1 - 1e-13), retrains=70)  # as cheap where all is free
    known = Evidence([option(), daily], "weekly", price=1.0, floor=0.0)
    assert decide(known).factors == (0.0, math.inf)


def test_what_never_trains_again_is_one_model_of_which_nobody_is_sure():
    never, own = eras(2.0, 1.0)
    options = [Option("never", 100.0, eras=never), Option("never, all rows", 80.0, 0.0, own)]
    found = decide(Evidence(options, "never"))
    assert (found.name, found.confidence) == ("never, all rows", "unsure")


def test_how_much_more_history_would_tell_two_apart():
    never, own = eras(1.0, 2.0)
    found = decide(Evidence([Option("a", 100.0, eras=never), Option("b", 90.0, 1, own)], "a"))
    error = np.std(np.subtract(never, own), ddof=1) * math.sqrt(10)
    assert found.more == pytest.approx((3 * error / 10) ** 2)
    same = decide(Evidence([Option("a", 100.0, eras=never), Option("b", 100.0, 1, own)], "a"))
    assert math.isnan(same.more)


@given(
    st.lists(
        st.tuples(st.floats(1, 1000), st.floats(0, 50), st.booleans()), min_size=1, max_size=6
    ),
    st.floats(0, 5),
    st.data(),
)
def test_it_never_advises_what_is_dearer_and_order_does_not_matter(costs, price, data):
    options = [Option(f"s{k}", c + price * n, n, plain=p) for k, (c, n, p) in enumerate(costs)]
    found = decide(Evidence(options, "s0", price))
    chosen = next(o for o in options if o.name == found.name)
    assert chosen.cost <= options[0].cost
    assert found.saves >= 0
    low, high = found.factors
    assert low <= 1 <= high
    shuffled = data.draw(st.permutations(options))
    costs_of = {o.name: (o.cost, o.retrains) for o in options}
    assert costs_of[decide(Evidence(shuffled, "s0", price)).name] == costs_of[found.name]


def test_a_loss_that_is_a_gain_does_not_turn_the_floor_round():
    found = decide(Evidence([Option("a", -9360.0), Option("b", -9335.0, 5)], "a"))
    assert (found.name, found.saves) == ("a", 0)
    assert decide(Evidence([Option("a", -100.0), Option("b", -102.0, 5)], "a")).name == "b"


def test_stretches_that_are_not_the_same_are_not_held_against_each_other():
    options = [Option("a", 100.0, eras=[10.0] * 10), Option("b", 80.0, 1, eras=[20.0] * 4)]
    found = decide(Evidence(options, "a"))
    assert (found.name, found.confidence) == ("b", "unsure")
    assert math.isnan(found.more)


# --- expected costs -------------------------------------------------------------------------------


def aging(ticks=40, luck=0.0, seed=0):
    """A matrix whose models err by their age in periods, and by the luck of their day."""
    rng = np.random.default_rng(seed)
    k, j = np.indices((ticks, ticks))
    loss = np.where(j >= k, 1.0 + 0.1 * (j - k) + luck * rng.normal(size=(ticks, 1)), 0.0)
    at = np.arange(ticks)
    rows, none = np.full(ticks, 10), np.zeros(ticks)
    return LossMatrix(at, at, np.arange(ticks + 1), loss, none + 1, rows, none, none.astype(bool))


def test_an_interval_errs_as_its_ages_do_and_trains_at_its_rate():
    found = expected([aging()], [1, 5], Prices(retrain=3.0))
    once, five, never = found.at(0, 1), found.at(0, 5), found.at(0, 40)
    assert once.loss == pytest.approx(1.0)
    assert 1.0 < five.loss < never.loss
    assert (once.training, five.training) == (pytest.approx(3.0), pytest.approx(3.0 / 5, rel=0.05))
    assert never.training == 0
    assert once.loss < found.at(0, 2.2).loss < five.loss


def test_the_luck_of_days_is_averaged_out():
    steady = expected([aging()], [1, 5], Prices(retrain=3.0)).loss[0]
    one_path = aging(luck=0.5, seed=1).every(5).loss[0] / 40
    mean = expected([aging(luck=0.5, seed=1)], [1, 5], Prices(retrain=3.0)).loss[0]
    assert abs(mean[1] - steady[1]) < abs(one_path - steady[1])


def test_a_longer_interval_is_never_expected_to_err_less():
    found = expected(
        [aging(luck=1.0, seed=s) for s in (3, 4)], [1, 2, 3, 5, 8, 13], Prices(retrain=1.0)
    )
    assert (np.diff(found.loss, axis=1) >= -1e-12).all()


def test_a_part_of_a_matrix_costs_what_its_cells_hold():
    whole = aging()
    part = whole.between(10, 30)
    assert len(part) == 20
    by_hand = sum(1.0 + 0.1 * (j % 5) for j in range(20))
    assert part.every(5).loss[0] == pytest.approx(by_hand)
    assert whole.between(0).every(7).loss[0] == whole.every(7).loss[0]


def test_next_is_what_does_something_else() -> None:
    never, weekly = Option("never", 100.0), Option("weekly", 120.0, retrains=10)
    silent = Option("silent alarm", 100.0)
    assert decide(Evidence([never, silent, weekly], "never", price=1.0)).runner_up == "weekly"
    assert decide(Evidence([never, silent], "never", price=1.0)).runner_up == "silent alarm"
