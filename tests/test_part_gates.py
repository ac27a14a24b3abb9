"""Gates in a row, no group worse, and how a trial may wait; worked by hand.

Unless a test says otherwise there is one row an hour, row i at hour i with the label i, and a model
that answers the mean of the labels it was trained on: at first 1.5, the mean of the rows 0 to 3.
"""

from dataclasses import dataclass

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from sklearn.tree import DecisionTreeRegressor
from test_time import (
    At,
    Gate,
    Trial,
    again,
    backtest,
    deploy,
    events_of,
    history,
    hour,
    hours,
    predicted,
    reject,
    versions_of,
    wait,
)

from backtrain import Backtest, Delays, PartError, Prices, Reason, Strategy, Stream, Verdict
from backtrain.strategies import (
    ABTest,
    AnyOf,
    Approval,
    BeatsChampion,
    Canary,
    Chain,
    Every,
    EveryRows,
    Expanding,
    Immediate,
    NoGroupWorse,
    PerformanceDrop,
    Shadow,
    Sliding,
)

PARTS = [
    NoGroupWorse(),
    NoGroupWorse(margin=0.1, min_rows=5, holdout=None, metric="MAE"),
    Chain(BeatsChampion(), NoGroupWorse(holdout=None), Approval("1D")),
    Chain(Immediate()),
]

NONSENSE = [
    (lambda: NoGroupWorse(margin=-1), "not negative"),
    (lambda: NoGroupWorse(min_rows=0), "1 or more"),
    (lambda: NoGroupWorse(holdout=1.5), "NoGroupWorse.*share between 0 and 1"),
    (lambda: NoGroupWorse(holdout=0), "NoGroupWorse.*number of rows"),
    (lambda: Chain(), "at least one"),
    (lambda: Chain(Canary(), Approval("1h"), ABTest()), r"leaves 1 of the rows.*put it first"),
    (lambda: Chain(Immediate), r"did you mean Immediate\(\)"),
    (lambda: Chain(Expanding()), "not a gate"),
    (lambda: Chain(BeatsChampion(), NoGroupWorse()), r"both hold rows out.*holdout=None"),
]

DROP = PerformanceDrop("MAE", window=12, min_labels=5, drop="20%")
REGRESSION = {
    "no group worse": Strategy(
        EveryRows(7), Sliding(25), gate=NoGroupWorse(margin=0.2, min_rows=2, holdout=0.4)
    ),
    "champion, no group worse": Strategy(
        AnyOf(DROP, Every("9h")),
        Sliding(25),
        gate=Chain(
            NoGroupWorse(margin=0.5, min_rows=2, holdout=None),
            BeatsChampion(0.4, min_rows=2, refit=True),
        ),
    ),
    "shadow, no group worse": Strategy(
        EveryRows(8),
        Sliding(20),
        gate=Chain(
            Shadow("6h", min_labels=2), NoGroupWorse(min_rows=1, holdout=None, metric="RMSE")
        ),
    ),
    "approval, canary, refit": Strategy(
        Every("8h"),
        Sliding(20),
        gate=Chain(
            Approval("90min", supersede=True),
            Canary([0.4, 0.8], each="4h", min_labels=1, supersede=True),
            BeatsChampion(0.2, min_rows=1, refit=True),
        ),
    ),
    "canary, approval": Strategy(
        EveryRows(9),
        Sliding(20),
        gate=Chain(Canary([0.5], each=3, min_labels=1), Approval("5h"), Immediate()),
    ),
}
CLASSIFICATION = {
    "no group worse": Strategy(
        Every("9h"), Sliding(25), gate=NoGroupWorse(min_rows=2, holdout=0.4, metric="accuracy")
    )
}

FREE = {"retrain": 0, "error": 0}


def run_of(gate, decided=(6,), **setup):
    return backtest(**setup).replay(Strategy(At(tuple(decided)), Expanding(), gate=gate))


def outcomes(run):
    return run.versions["outcome"].tolist()[1:]


def predicted_for(run):
    """Money for predictions, by version."""
    mine = run.charges[run.charges["kind"] == "predict"]
    return mine.groupby("version")["amount"].sum().to_dict()


# --- how a trial may wait -------------------------------------------------------------------------


def test_an_idle_challenger_scores_nothing_and_stands_in_no_deployment():
    prices = Prices(**FREE, per_1k_predictions=1000)
    run = run_of(Gate((wait(9, watch=False), deploy)), prices=prices)
    assert versions_of(run) == "00000" + "1111"
    assert events_of(run)[1:] == [(6, "trained"), (6, "waiting"), (9, "deployed")]
    assert hours(run.deployments["from"]) == [4, 9]
    assert predicted_for(run) == {0: 5, 1: 4}


def test_the_rows_of_a_trial_count_from_where_it_takes_part():
    gate = Gate((wait(9, watch=False), wait(13, share=0.5), deploy))
    run = run_of(gate, stream=history(range(16)))
    # Idle from 6 to 8. Row 9 is the trial's row 0, and every second one is the challenger's.
    assert versions_of(run) == "00" + "000" + "0101" + "111"


def test_an_idle_challenger_gives_its_rows_back():
    gate = Gate((wait(8, share=1.0), wait(10, watch=False), deploy))
    assert versions_of(run_of(gate)) == "00" + "11" + "00" + "111"


def test_a_watched_canary_is_scored_by_both():
    prices = Prices(**FREE, per_1k_predictions=1000)
    run = run_of(Gate((wait(10, share=0.25, watch=True), deploy)), prices=prices)
    # Rows 6 to 9: the last is the challenger's; then it answers 10, 11 and 12.
    assert versions_of(run) == "00" + "0001" + "111"
    assert predicted_for(run) == {0: 2 + 4, 1: 4 + 3}


def test_a_trial_may_be_asked_at_every_tick_and_at_an_instant_between():
    asked = []

    def ask(view):
        asked.extend(hours([view.now]))
        until = 9.5 if view.now < hour(9.5) else 99
        return Verdict.wait(hour(until), ticks=view.now < hour(9.5))

    run_of(Gate((ask,) * 9), tick="2h")
    assert asked == [6, 8, 9.5]


def test_ticks_before_an_instant_end_a_trial_early():
    run = run_of(Gate((wait(11.5, ticks=True), wait(11.5, ticks=True), deploy)), tick="2h")
    assert events_of(run, "deployed") == [(10, "deployed")]
    run = run_of(Gate((wait(11.5), deploy)), tick="2h")
    assert events_of(run, "deployed") == [(11.5, "deployed")]


# --- taking the place of one that waits ---------------------------------------------------------


def test_a_new_training_takes_the_place_of_a_challenger_that_waits():
    gate = Gate((wait(9, supersede=True), deploy))
    run = run_of(gate, decided=(6, 8))
    assert events_of(run)[1:] == [
        (6, "trained"),
        (6, "waiting"),
        (8, "superseded"),
        (8, "trained"),
        (8, "waiting"),
        (9, "deployed"),
    ]
    assert outcomes(run) == ["superseded", "deployed"]
    assert versions_of(run) == "00000" + "2222"
    assert run.versions["parent"].tolist()[1:] == [0, 0]
    assert run.totals["rejected"] == 1
    assert run.totals["busy"] == 0
    assert run.totals["retrains"] == 2


def test_without_supersede_the_new_one_is_busy():
    run = run_of(Gate((wait(9), deploy)), decided=(6, 8))
    assert events_of(run, "busy", "superseded") == [(8, "busy")]


def test_a_challenger_in_training_or_being_deployed_is_not_superseded():
    delays = Delays(train="2h", deploy="2h")
    gate = Gate((wait(10, supersede=True), deploy))
    run = run_of(gate, decided=(6, 7, 11), delays=delays)
    # In training until 8, waiting until 10, in force from 12 on.
    assert events_of(run, "busy", "superseded") == [(7, "busy"), (11, "busy")]
    assert outcomes(run) == ["deployed"]


def test_a_superseded_canary_gives_its_rows_back():
    gate = Gate((wait(12, share=1.0, supersede=True), deploy))
    run = run_of(gate, decided=(6, 9), delays=Delays(train="90min"), stream=history(range(30)))
    # Version 1 answers from 7.5 to 9; version 2 is trained until 10.5.
    assert versions_of(run)[:9] == "0000" + "1" + "00" + "22"
    assert run.versions["outcome"].tolist()[1] == "superseded"


def test_a_training_that_is_held_back_or_refused_supersedes_nothing():
    waits = Gate((wait(9, supersede=True), deploy))
    strategy = Strategy(At((6, 8)), Expanding(), gate=waits, cooldown="3h")
    run = backtest().replay(strategy)
    assert events_of(run, "cooldown") == [(8, "cooldown")]
    assert outcomes(run) == ["deployed"]

    class Early(Trial):
        def check(self, selection, view):
            return Reason("too late") if view.now == hour(8) else None

    @dataclass(frozen=True)
    class EarlyGate:
        def open(self):
            return Early([wait(9, supersede=True), deploy])

    run = run_of(EarlyGate(), decided=(6, 8))
    assert events_of(run, "refused") == [(8, "refused")]
    assert outcomes(run) == ["deployed"]


@settings(max_examples=25, deadline=None)
@given(
    decided=st.sets(st.integers(5, 38), min_size=1),
    length=st.integers(1, 9),
    train=st.sampled_from(("0h", "90min")),
)
def test_a_challenger_is_in_force_only_if_nothing_newer_came_while_it_waited(
    decided, length, train
):
    gate = Approval(f"{length}h", supersede=True)
    run = run_of(
        gate, decided=sorted(decided), stream=history(range(40)), delays=Delays(train=train)
    )
    ready = hours(run.versions["ready_at"])
    at = hours(run.versions["decided_at"])
    for version, outcome in enumerate(outcomes(run), start=1):
        later = [t for t in decided if ready[version] <= t < ready[version] + length]
        later = [t for t in later if t > at[version]]
        if ready[version] + length > 39 and not later:
            assert outcome == "pending"
        else:
            assert outcome == ("superseded" if later else "deployed")


# --- a chain -------------------------------------------------------------------------------------


def test_the_next_gate_is_asked_when_the_one_before_would_deploy():
    first = Gate((wait(8), lambda view: Verdict.deploy("first", a=1.0, b=2.0)))
    second = Gate((wait(10, share=1.0), lambda view: Verdict.deploy("second", a=3.0)))
    run = run_of(Chain(first, Immediate(), second))
    assert versions_of(run) == "00" + "00" + "11" + "111"
    assert hours(run.events["at"])[1:] == [6, 6, 8, 10, 10]
    accepted = run.events[run.events["kind"] == "accepted"].iloc[0]
    assert accepted["reason"] == "first; second"
    assert (accepted["statistic"], accepted["threshold"]) == (1, 2)


def test_a_gate_that_rejects_ends_the_chain():
    def unasked(view):
        raise AssertionError

    run = run_of(Chain(Immediate(), Gate((reject,)), Gate((unasked,))))
    assert outcomes(run) == ["rejected"]
    run = run_of(Chain(Gate((wait(8, share=1.0), deploy)), Gate((reject,))))
    assert outcomes(run) == ["rolled back"]
    assert versions_of(run) == "00" + "11" + "00000"


def test_a_chain_is_reviewed_once_if_anyone_looks():
    prices = Prices(**FREE, review=10)
    for gates, paid in (
        ((Immediate(), Immediate()), 0),
        ((Gate((deploy,)), Immediate()), 10),
        ((Immediate(), Gate((deploy,))), 10),
        ((Gate((wait(8), deploy)), Gate((deploy,)), Immediate()), 10),
    ):
        run = run_of(Chain(*gates), prices=prices)
        assert run.totals["deploy"] == paid
        assert outcomes(run) == ["deployed"]


def test_any_gate_of_a_chain_may_refuse_before_the_training():
    class Strict(Trial):
        def check(self, selection, view):
            return Reason("too few rows", len(selection), 8) if len(selection) < 8 else None

    @dataclass(frozen=True)
    class StrictGate:
        def open(self):
            return Strict([deploy])

    run = run_of(Chain(Immediate(), StrictGate()), decided=(6, 8))
    assert events_of(run)[1:3] == [(6, "refused"), (8, "trained")]
    assert outcomes(run) == ["deployed"]


def test_a_share_once_reached_is_kept_while_a_later_gate_waits():
    gate = Chain(Gate((wait(8, share=0.5), deploy)), Approval("2h"), Gate((wait(12, 0.75), deploy)))
    run = run_of(gate, stream=history(range(16)))
    # Trial rows 0 to 3 at a half, of which Approval waits for the last two; 4, 5 at three quarters.
    assert versions_of(run) == "00" + "01" + "01" + "01" + "1111"
    assert events_of(run, "waiting") == [(6, "waiting"), (10, "waiting")]


def test_a_gate_within_a_chain_may_lower_its_own_share():
    gate = Chain(Gate((wait(8, share=1.0), wait(10, share=0.0), deploy)))
    assert versions_of(run_of(gate)) == "00" + "11" + "00" + "111"


def test_a_refit_within_a_chain_goes_on_with_the_new_model():
    # The rows 4 and 5 are held out; fitted again with them, the challenger says 2.5, not 1.5.
    told = []
    look = Gate(
        (lambda view: told.append(view.challenger.predict(slice(0, 1))[0]) or deploy(view),)
    )
    run = run_of(Chain(Gate((again(*range(6)), deploy)), look, BeatsChampion(2, min_rows=1)))
    assert told == [2.5]
    run = run_of(Chain(Gate((wait(8, share=1.0), again(*range(8)), deploy)), look))
    assert told == [2.5, 3.5]
    assert predicted(run)[7] == 2.5
    assert predicted(run)[8] == 3.5


def test_a_chain_checks_its_gates_against_the_setup():
    with pytest.raises(PartError, match="no groups"):
        run_of(Chain(Immediate(), NoGroupWorse()))


# --- no group worse -----------------------------------------------------------------------------


def grouped(y, group, label=None, **setup):
    """A tree by the row's group, in force from hour 8 on, and again at hour 16."""
    group = np.array(list(group))
    n = len(group)
    stream = Stream(
        (group == "b").astype(float)[:, None],
        np.array(y, dtype=float),
        history(range(n)).event_time,
        None if label is None else history(range(n), label=label).label_time,
        group=group,
    )
    return Backtest(
        stream, DecisionTreeRegressor(), tick="1h", start=hour(8), prices=Prices(**FREE), **setup
    )


def guarded(setup, gate, window=None, decided=(16,)):
    return setup.replay(Strategy(At(decided), window or Expanding(), gate=gate))


# Rows 0 to 7 teach a: 0, b: 0. Of the rows 8 to 11 the a are 10, the b are 4. Held out, 12 to 15: a
# is 10, b is 0. A tree that knows 0 to 11 says mean(0 0 0 0 10 10) = 10/3 for a, 8/6 = 4/3 for b.
GROUPS = "ab" * 12
LABELS = [0] * 8 + [10, 4, 10, 4] + [10, 0, 10, 0] + [10, 0] * 4


def test_a_challenger_that_is_worse_for_one_group_is_refused_though_better_on_the_whole():
    setup = grouped(LABELS, GROUPS)
    # a: 6.67 against 10; b: 1.33 against 0; together 4 against 5.
    assert outcomes(guarded(setup, BeatsChampion(4, min_rows=1))) == ["deployed"]
    run = guarded(setup, NoGroupWorse(holdout=4, min_rows=2))
    assert outcomes(run) == ["rejected"]
    told = run.events.iloc[-1]
    assert told["reason"] == "group 'b' of 2: loss 1.333 against the champion's 0 on 2 rows"
    assert told["statistic"] == pytest.approx(4 / 3)
    assert told["threshold"] == 0


def test_a_group_may_be_worse_by_the_margin_and_small_groups_are_not_judged():
    setup = grouped(LABELS, GROUPS)
    assert outcomes(guarded(setup, NoGroupWorse(1.34, 2, 4))) == ["deployed"]
    assert outcomes(guarded(setup, NoGroupWorse(1.33, 2, 4))) == ["rejected"]
    run = guarded(setup, NoGroupWorse(0, 3, 4))
    assert outcomes(run) == ["deployed"]
    assert "no group has 3 rows to compare on" in run.events["reason"].tolist()


def test_a_metric_may_take_the_place_of_the_loss():
    setup = grouped(LABELS, GROUPS)
    run = guarded(setup, NoGroupWorse(0, 2, 4, metric="RMSE"))
    assert run.events.iloc[-1]["reason"].startswith("group 'b' of 2: RMSE 1.333")
    with pytest.raises(ValueError, match="accuracy"):
        guarded(setup, NoGroupWorse(metric="accuracy"))


def test_a_guard_judges_by_the_rows_that_another_gate_holds_out():
    setup = grouped(LABELS, GROUPS)
    held = BeatsChampion(4, min_rows=1)
    guard = NoGroupWorse(0, 2, holdout=None)
    assert outcomes(guarded(setup, Chain(held, guard))) == ["rejected"]
    # Without any, nothing is left to judge by at the instant of the decision.
    run = guarded(setup, guard)
    assert outcomes(run) == ["deployed"]
    assert "no group has 2 rows" in " ".join(run.events["reason"])
    # Before a gate that fits the winner again with them, it still can.
    refit = BeatsChampion(4, min_rows=1, refit=True)
    assert outcomes(guarded(setup, Chain(guard, refit))) == ["rejected"]
    assert outcomes(guarded(setup, Chain(refit, guard))) == ["deployed"]


def test_a_guard_judges_by_the_labels_that_came_during_a_trial():
    # Trained on 0 to 15: a is 40/8 = 5, b is 1. In the shadow from 16 to 20: a is 10, b is 0.
    setup = grouped(LABELS, GROUPS)
    shadow = Shadow("4h", min_labels=2)
    assert outcomes(guarded(setup, shadow)) == ["deployed"]
    run = guarded(setup, Chain(shadow, NoGroupWorse(0, 2, holdout=None)))
    assert outcomes(run) == ["rejected"]
    assert (
        run.events.iloc[-1]["reason"] == "group 'b' of 2: loss 1 against the champion's 0 on 2 rows"
    )


def test_a_guard_takes_no_row_before_the_window_and_none_that_a_model_has_learnt():
    # The window at 16 holds 10 to 15, of which 14 and 15 are held out. The rows 8 and 9 were learnt
    # by no one and do not count; so each group has one row.
    setup = grouped(LABELS, GROUPS)
    run = guarded(setup, NoGroupWorse(0, 1, holdout=2), Sliding(6))
    assert "on 1 rows" in run.events.iloc[-1]["reason"]
    run = guarded(setup, NoGroupWorse(0, 2, holdout=2), Sliding(6))
    assert "no group has 2 rows" in run.events["reason"].tolist()[-2]


def test_a_guard_takes_no_row_that_the_champion_has_learnt():
    # At 10 the rows 6 to 9 are held out; the model in force has learnt 6 and 7.
    setup = grouped(LABELS, GROUPS)
    run = guarded(setup, NoGroupWorse(9, 1, holdout=4), decided=(10,))
    assert "on 1 rows" in run.events["reason"].tolist()[-2]


def test_as_good_is_not_worse():
    setup = grouped([0, 1] * 12, GROUPS)
    run = guarded(setup, NoGroupWorse(0, 1, holdout=4))
    assert outcomes(run) == ["deployed"]
    assert "loss 0 against the champion's 0" in run.events["reason"].tolist()[-2]


def test_labels_that_came_while_it_was_trained_count_too():
    # At 16 the labels of 0 to 13 are known: 10 to 13 are held out. Those of 14 and 15 come at 18,
    # all others later.
    late = [*range(14), 18, 18, *range(46, 54)]
    run = guarded(grouped(LABELS, GROUPS, late), NoGroupWorse(5, 2, holdout=4))
    assert "on 2 rows" in run.events["reason"].tolist()[-2]
    setup = grouped(LABELS, GROUPS, late, delays=Delays(train="2h"))
    run = guarded(setup, NoGroupWorse(5, 2, holdout=4))
    assert "on 3 rows" in run.events["reason"].tolist()[-2]


def test_a_stream_without_groups_is_refused_before_anything_starts():
    with pytest.raises(PartError, match="no groups; name its column"):
        run_of(NoGroupWorse())
