"""A conformal martingale: ranks and bets by hand, in the order of events, at its promised level."""

import importlib.util
import math
from pathlib import Path
from typing import Any

import numpy as np
import pandas as pd
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from sklearn.dummy import DummyRegressor
from sklearn.linear_model import Perceptron

from backtrain import Backtest, PartError, Prices, Strategy, Stream
from backtrain.strategies import (
    AnyOf,
    BeatsChampion,
    Every,
    Expanding,
    Martingale,
    OnDates,
    Sliding,
)
from backtrain.strategies.triggers.martingale import Ranks, SimpleJumper, _MartingaleMonitor

BOLD = Martingale(0.6, max_wait="12h", jump=0.5)
PARTS = [Martingale(), Martingale(0.05, max_wait="30D", seed=3), Martingale(of="score")]
NONSENSE = [
    (lambda: Martingale(0), "between 0 and 1"),
    (lambda: Martingale(1), "between 0 and 1"),
    (lambda: Martingale(of="rows"), "'loss', 'score'"),
    (lambda: Martingale(jump=0), "above 0"),
    (lambda: Martingale(jump=1.5), "at most 1"),
    (lambda: Martingale(seed=-1), "0 or more"),
    (lambda: Martingale(max_wait="30X"), "not a time offset"),
    (lambda: Martingale(max_wait="MS"), "not of fixed length"),
    (lambda: Martingale(of="score", max_wait="30D"), "do not wait"),
]
REGRESSION = {
    "martingale": Strategy(BOLD, Sliding(20)),
    "martingale that waits for ever": Strategy(
        Martingale(0.6), Sliding(20), gate=BeatsChampion(0.3, min_rows=1)
    ),
}
CLASSIFICATION = {"martingale of mistakes": Strategy(BOLD, Expanding())}
LONG = {
    "martingale of scores": Strategy(Martingale(0.5, of="score"), Sliding("1D")),
    "martingale and a schedule": Strategy(AnyOf(BOLD, Every("2D")), Sliding(20)),
}

MIDNIGHT = pd.Timestamp("2024-01-01")
BENCHMARK = Path(__file__).parent.parent / "benchmarks" / "martingale.py"
FIRST = 4  # the first row that is served


def hour(h):
    return MIDNIGHT + pd.Timedelta(hours=h)


def backtest(losses, wait=None, tick="1h", **more):
    """One row an hour, a model that says 0: the loss is |y|. ``wait`` in hours; None is never."""
    n = FIRST + len(losses)
    times = np.array([hour(h).to_datetime64() for h in range(n)])
    known = times.copy()
    for place, hours in enumerate(wait or []):
        if hours is None:
            known[FIRST + place] = np.datetime64("NaT", "ns")
        else:
            known[FIRST + place] += np.timedelta64(hours, "h")
    y = np.array([-1.0, 1.0, -1.0, 1.0, *losses])
    stream = Stream(np.zeros((n, 1)), y, times, known)
    return Backtest(stream, DummyRegressor(), tick=tick, start=hour(FIRST), **more)


def alarms(setup, trigger):
    """Hours and statistics of its alarms, while the first model stays in force."""
    events = setup.replay(Strategy(trigger, Expanding(), budget=0)).events
    held = events[events["kind"] == "budget"]
    hours = ((held["at"] - MIDNIGHT) / pd.Timedelta("1h")).tolist()
    return list(zip(hours, held["statistic"], strict=True))


# --- the algorithms, plainly ----------------------------------------------------------------------


def plain_p_values(values, thetas):
    """Each value against all before it and itself."""
    found = []
    for n, value in enumerate(values):
        larger = sum(other > value for other in values[: n + 1])
        equal = sum(other == value for other in values[: n + 1])
        found.append((larger + thetas[n] * equal) / (n + 1))
    return found


def plain_jumper(p_values, jump=0.01):
    """Algorithm 1 of the paper, as it stands; the whole, and the parts of e = -1 and e = +1."""
    part, whole, found = {-1: 1 / 3, 0: 1 / 3, 1: 1 / 3}, 1.0, []
    for p in p_values:
        for e in part:
            part[e] = (1 - jump) * part[e] + jump / 3 * whole
        for e in part:
            part[e] *= 1 + e * (p - 0.5)
        whole = sum(part.values())
        found.append((whole, part[-1], part[1]))
    return found


numbers = st.lists(st.sampled_from([0.0, 0.5, 1.0, 1.5, 2.0, 7.0]), min_size=1, max_size=60)


@settings(max_examples=100, deadline=None)
@given(values=numbers, seed=st.integers(0, 100))
def test_p_values_are_smoothed_ranks(values: list, seed: int) -> None:
    thetas = np.random.default_rng(seed).random(len(values))
    found = Ranks(np.random.default_rng(seed)).p_values(np.array(values))
    assert found.tolist() == pytest.approx(plain_p_values(values, thetas), abs=1e-15)


@pytest.mark.parametrize("values", [np.arange(700) % 7, np.random.default_rng(0).random(700)])
def test_p_values_do_not_depend_on_how_rows_are_bundled(values: np.ndarray) -> None:
    thetas = np.random.default_rng(5).random(700)
    whole = Ranks(np.random.default_rng(5)).p_values(values)
    assert whole.tolist() == pytest.approx(plain_p_values(values.tolist(), thetas), abs=1e-15)
    ranks = Ranks(np.random.default_rng(5))
    pieces = [ranks.p_values(piece) for piece in np.split(values, [1, 2, 30, 400, 699])]
    assert np.concatenate(pieces).tolist() == whole.tolist()
    assert ranks.n == 700


def test_p_values_of_exchangeable_rows_are_uniform_with_ties_too() -> None:
    values = np.random.default_rng(0).integers(0, 2, 20_000)
    found = np.sort(Ranks(np.random.default_rng(1)).p_values(values))
    assert np.abs(found - np.linspace(0, 1, 20_000)).max() < 1.63 / 20_000**0.5  # 1 % level


def test_the_bets_by_hand() -> None:
    # jump = .3: each share keeps .7 and is dealt .1 of the whole. Shares 1/3 each at first.
    # p = .1: e = -1 gains 1.4, e = +1 keeps .6: .46667 .33333 .2, in all 1.
    # p = .2: dealt out .42667 .33333 .24; times 1.3, 1, .7: .55467 .33333 .168, in all 1.056.
    wealth, upwards = SimpleJumper(0.3).run(np.array([0.1, 0.2]))
    assert np.exp(wealth).tolist() == pytest.approx([1.0, 1.056])
    assert upwards.all()


@settings(max_examples=100, deadline=None)
@given(
    p_values=st.lists(st.floats(0, 1), min_size=1, max_size=200),
    jump=st.sampled_from([0.01, 0.3, 1.0]),
    cut=st.integers(0, 200),
)
def test_the_bets_are_those_of_the_paper(p_values: list, jump: float, cut: int) -> None:
    bets = SimpleJumper(jump)
    pieces = [bets.run(np.array(piece)) for piece in (p_values[:cut], p_values[cut:])]
    wealth, upwards = (np.concatenate(side) for side in zip(*pieces, strict=True))
    plain = plain_jumper(p_values, jump)
    assert np.exp(wealth).tolist() == pytest.approx([whole for whole, _, _ in plain], rel=1e-9)
    clear = [abs(small - large) > 1e-12 * whole for whole, small, large in plain]
    expected = [small > large for _, small, large in plain]
    assert [u == e or not c for u, e, c in zip(upwards, expected, clear, strict=True)]


def test_wealth_beyond_any_float_is_still_a_number() -> None:
    wealth, _ = SimpleJumper(0.01).run(np.zeros(10_000))
    assert np.isfinite(wealth).all()
    assert wealth[-1] > 3_000  # e^3000 is no float
    lost, _ = SimpleJumper(0.01).run(np.tile([0.0, 1.0], 5_000))
    assert lost[-1] < 0


# --- in time --------------------------------------------------------------------------------------

RISING = [float(k) for k in range(1, 31)]


def test_it_fires_at_the_first_tick_after_wealth_reaches_its_level() -> None:
    # Each loss is the largest so far: p_n = theta_n / n, and theta as drawn for version 0.
    p_values = np.random.default_rng([0, 0]).random(30) / np.arange(1, 31)
    wealth = [whole for whole, _, _ in plain_jumper(p_values)]
    reached = next(n for n, value in enumerate(wealth) if value >= 10)
    assert reached == 11  # the twelfth row, that of hour 15: its label is known at 16
    found = alarms(backtest(RISING), Martingale(0.1))
    assert [at for at, _ in found] == [16]
    assert found[0][1] == pytest.approx(wealth[reached])


def test_the_reason_names_wealth_and_rows() -> None:
    run = backtest(RISING).replay(Strategy(Martingale(0.1), Expanding(), budget=1))
    fired = run.events[run.events["kind"] == "trained"].iloc[0]
    assert fired["threshold"] == pytest.approx(10)
    assert fired["reason"].startswith("losses have risen: the martingale reached 1")
    assert fired["reason"].endswith("after 12 rows")


def test_a_wealth_between_two_ticks_counts() -> None:
    # Large losses first, then small ones among them: wealth has fallen again at the only tick.
    losses = RISING[:14] + [20.5 if k % 4 == 0 else k / 100 for k in range(1, 41)]
    setup = backtest(losses, tick="53h")
    thetas = np.random.default_rng([0, 0]).random(54)
    bets = plain_jumper(plain_p_values(losses[:-1], thetas))
    counted = [whole for whole, small, large in bets if small > large]
    assert counted[-1] < 20 < max(counted)
    assert alarms(setup, Martingale(0.05)) == [(57, pytest.approx(max(counted)))]


def test_falling_losses_are_no_alarm_but_falling_scores_are() -> None:
    falling = [100.0 / k for k in range(1, 61)]
    assert alarms(backtest(falling), Martingale(0.1)) == []
    n = 60
    times = np.array([hour(h).to_datetime64() for h in range(n)])
    x = np.concatenate(([0.0, 1.0, 0.0, 1.0], falling[: n - 4]))
    known = np.where(np.arange(n) < 4, times, np.datetime64("NaT", "ns"))
    setup = Backtest(Stream(x[:, None], x, times, known), Echo(), tick="1h", start=hour(4))
    assert len(alarms(setup, Martingale(0.1, of="score"))) == 1


class Echo(DummyRegressor):
    def predict(self, X):
        return np.asarray(X)[:, 0]


def test_a_late_label_holds_up_all_later_rows() -> None:
    prompt = alarms(backtest(RISING), Martingale(0.1))
    held = alarms(backtest(RISING, wait=[0, 0, 15, *[0] * 27]), Martingale(0.1))
    # Row 6 is known at 21: then all that waited is taken at once, and the highest wealth counts.
    assert prompt[0][0] == 16
    assert held[0][0] == 21
    assert held[0][1] > prompt[0][1]
    assert alarms(backtest(RISING, wait=[0, 0, None, *[0] * 27]), Martingale(0.1)) == []


def test_a_row_that_waits_too_long_is_left_out() -> None:
    # Without the row of hour 6 the twelfth of the others is that of hour 16, known at 17.
    for never in (None, 15, 7):
        setup = backtest(RISING, wait=[0, 0, never, *[0] * 27])
        found = alarms(setup, Martingale(0.1, max_wait="6h"))
        lost = backtest(RISING, wait=[0, 0, None, *[0] * 27])
        assert found == alarms(lost, Martingale(0.1, max_wait="6h"))
        assert found[0][0] == 17
    # A label that comes exactly in time counts.
    punctual = alarms(backtest(RISING, wait=[0, 0, 6, *[0] * 27]), Martingale(0.1, max_wait="6h"))
    assert punctual == alarms(backtest(RISING), Martingale(0.1))


def test_a_new_version_starts_with_a_wealth_of_one() -> None:
    trigger = AnyOf(OnDates([str(hour(12))]), Martingale(0.1))
    run = backtest(RISING).replay(Strategy(trigger, Expanding(), budget=1))
    mine = run.predictions["version"] == 1
    assert run.predictions["row"][mine].min() == 12
    losses = run.predictions["loss"][mine].to_numpy()
    p_values = Ranks(np.random.default_rng([0, 1])).p_values(losses)
    wealth = np.exp(SimpleJumper(0.01).run(p_values)[0])
    reached = int(np.argmax(wealth >= 10))
    held = run.events[run.events["kind"] == "budget"].iloc[0]
    assert held["at"] == hour(12 + reached + 1)
    assert held["statistic"] == pytest.approx(wealth[reached])


def test_labels_are_bought_in_order_and_each_look_is_a_check() -> None:
    setup = backtest(RISING[:6], wait=[0, 3, 0, 0, 0, 0], prices=Prices(label=1, check=1))
    charges = setup.replay(Strategy(Martingale(), Expanding(), budget=0)).charges
    bought = charges[charges["kind"] == "label"]
    # Row 5 is known at 8; then it and the rows 6 and 7 are taken. Row 9, the last, is never past.
    assert bought["when"].tolist() == [hour(5), hour(8), hour(9)]
    assert bought["quantity"].tolist() == [1, 3, 1]
    assert charges[charges["kind"] == "check"]["when"].tolist() == bought["when"].tolist()


@settings(max_examples=60, deadline=None)
@given(
    seed=st.integers(0, 10_000),
    tick=st.sampled_from(["1h", "3h", "7h", 1, 5]),
    max_wait=st.sampled_from([None, 0, 2, 9]),
)
def test_at_every_instant_it_knows_the_rows_before_the_first_that_waits(
    seed: int, tick: object, max_wait: int | None
) -> None:
    rng = np.random.default_rng(seed)
    losses = rng.integers(1, 6, size=40).cumsum() if seed % 2 else rng.integers(0, 4, size=40)
    wait = [None if rng.random() < 0.1 else int(rng.choice([0, 0, 1, 2, 9, 12])) for _ in losses]
    setup = backtest(losses.astype(float), wait, tick=tick)
    trigger = Martingale(
        0.5, max_wait=None if max_wait is None else f"{max_wait}h", jump=0.1, seed=seed
    )
    found = alarms(setup, trigger)
    expected = plain_alarm(setup.stream, setup.ticks, trigger, max_wait)
    assert [at for at, _ in found] == [at for at, _ in expected]
    assert [value for _, value in found] == pytest.approx([value for _, value in expected])


def plain_alarm(stream, ticks, trigger, max_wait):
    """Goes through all rows anew at every tick, and returns the first alarm."""
    thetas = np.random.default_rng([trigger.seed, 0]).random(len(stream))
    before = 0
    for tick in ticks.tolist():
        taken = []
        for i in range(FIRST, len(stream)):
            event, label = stream.event_time[i], stream.label_time[i]
            now = np.datetime64(tick, "ns")
            if event >= now:
                break
            limit = np.datetime64("NaT", "ns")
            if max_wait is not None:
                limit = event + np.timedelta64(max_wait, "h")
            if label <= now and not label > limit:
                taken.append(abs(float(stream.y[i])))
            elif not limit <= now:
                break
        bets = plain_jumper(plain_p_values(taken, thetas), trigger.jump)
        new = [whole for whole, small, large in bets[before:] if small > large]
        before = len(taken)
        if new and max(new) >= 1 / trigger.alpha:
            return [((pd.Timestamp(tick) - MIDNIGHT) / pd.Timedelta("1h"), max(new))]
    return []


@pytest.mark.parametrize("max_wait", [None, "900h"])
def test_rows_behind_one_that_waits_are_not_gone_through_again(
    max_wait: str | None, monkeypatch: pytest.MonkeyPatch
) -> None:
    looked, sort = [], _MartingaleMonitor._sorted_out

    def spy(self: Any, view: Any, block: slice) -> Any:
        looked.append(block.stop - block.start)
        return sort(self, view, block)

    monkeypatch.setattr(_MartingaleMonitor, "_sorted_out", spy)
    n = 700
    known = np.array([hour(h).to_datetime64() for h in range(n)])
    event, known[11] = known.copy(), np.datetime64("NaT", "ns")
    y = np.where(np.arange(n) % 2, 1.0, -1.0)
    stream = Stream(np.zeros((n, 1)), y, event, known)
    setup = Backtest(stream, DummyRegressor(), start=hour(10), tick="1h")
    setup.replay(Strategy(Martingale(max_wait=max_wait), Expanding()))
    assert len(looked) <= n
    assert max(looked) <= 256


def test_scores_of_a_classifier_that_gives_none_are_refused() -> None:
    setup = backtest([1.0, -1.0] * 5)
    setup = Backtest(
        Stream(setup.stream.X, setup.stream.y.astype(int), setup.stream.event_time),
        Perceptron(),
        start=hour(FIRST),
    )
    with pytest.raises(PartError, match="no predict_proba; use of='loss'"):
        setup.replay(Strategy(AnyOf(Martingale(of="score")), Expanding()))


# --- its level ------------------------------------------------------------------------------------


@pytest.mark.parametrize("ties", [False, True])
def test_ranks_among_thousands_of_values(ties: bool) -> None:
    random = np.random.default_rng(0)
    values = random.integers(0, 50, 5_000).astype(float) if ties else random.random(5_000)
    ranks = Ranks(np.random.default_rng(1))
    found = np.concatenate([ranks.p_values(part) for part in np.split(values, [1, 700, 2_900])])
    theta = np.random.default_rng(1).random(5_000)
    for i in (0, 1, 699, 2_047, 2_048, 2_049, 2_900, 4_999):
        larger, equal = (values[:i] > values[i]).sum(), (values[: i + 1] == values[i]).sum()
        assert found[i] == pytest.approx((larger + theta[i] * equal) / (i + 1), rel=1e-12)
    assert ranks.n == 5_000


@pytest.mark.parametrize("ties", [False, True])
@pytest.mark.parametrize("alpha", [0.05, 0.01])
def test_it_seldom_fires_on_exchangeable_rows(alpha: float, ties: bool) -> None:
    runs, fired = 1_000, 0
    for seed in range(runs):
        rng = np.random.default_rng(seed)
        losses = rng.integers(0, 2, 1_000) if ties else rng.random(1_000)
        wealth, _ = SimpleJumper(0.01).run(Ranks(rng).p_values(losses))
        fired += wealth.max() >= -math.log(alpha)
    assert fired / runs <= alpha + 2 * (alpha * (1 - alpha) / runs) ** 0.5
    assert fired > 0  # a level that is not used at all would be no test of it


def test_the_level_holds_with_late_labels_where_their_order_breaks_it() -> None:
    spec = importlib.util.spec_from_file_location("martingale_benchmark", BENCHMARK)
    script = importlib.util.module_from_spec(spec)
    spec.loader.exec_module(script)
    events, arrivals = script.false_alarms(0.05, 200)
    assert events <= 0.05
    assert arrivals > 0.05 + 2 * (0.05 * 0.95 / 200) ** 0.5
    share, rows = script.delays(0.01, 20, rise=1.0)
    assert share >= 0.9
    assert 0 < rows < 250
