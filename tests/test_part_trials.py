"""Shadow, canary, A/B test and approval, worked by hand.

Unless a test says otherwise there is one row an hour, row i at hour i with the label i, and a model
that answers the mean of the labels it was trained on. The first model knows the rows 0 to 3 and
says 1.5. A newer one says more, and since labels grow it is better.
"""

from itertools import pairwise

import numpy as np
import pandas as pd
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from scipy.stats import ttest_ind
from sklearn.dummy import DummyRegressor
from test_time import At, backtest, events_of, history, hour, hours, versions_of

from backtrain import Backtest, Delays, PartError, Prices, Strategy, Stream
from backtrain.strategies import (
    ABTest,
    AnyOf,
    Approval,
    Canary,
    Every,
    EveryRows,
    Expanding,
    PerformanceDrop,
    Shadow,
    Sliding,
)
from backtrain.strategies.weighted import estimate

PARTS = [
    Shadow("7D"),
    Shadow(rows=500, min_labels=50, max_duration="30D", otherwise="deploy", metric="MAE"),
    Canary(),
    Canary([0.5], each=200, margin=0.1, alpha=0.05, sticky=True, supersede=True),
    ABTest(),
    ABTest(0.2, "28D", alpha=0.01, looks=4, deploy="not worse", sticky=True),
    Approval("1D"),
    Approval("4h", business_hours=["09:00", "17:00"], holidays=["2024-12-25"]),
]

NONSENSE = [
    (lambda: Shadow(), "exactly one of duration= and rows="),
    (lambda: Shadow("7D", rows=3), "exactly one of duration= and rows="),
    (lambda: Shadow(7), "not a time offset; did you mean '7D'"),
    (lambda: Shadow(rows="7D"), "a whole number, 1 or more"),
    (lambda: Approval("9999D", ("09:00", "17:00")), "more than 10,000 days"),
    (lambda: Shadow("7X"), r"'7X'\): not a time offset"),
    (lambda: Shadow("0D"), "no time at all"),
    (lambda: Shadow(rows=0), "1 or more"),
    (lambda: Shadow("7D", max_duration="3D"), "over before 7 days"),
    (lambda: Shadow("7D", otherwise="wait"), "'deploy', 'reject'"),
    (lambda: Shadow("7D", min_labels=0), "1 or more"),
    (lambda: Shadow("7D", margin=-1), "not negative"),
    (lambda: Canary(0.5), r"give a list, such as \[0.05, 0.25, 1\]"),
    (lambda: Canary([]), "give a list"),
    (lambda: Canary([0.5, 0.25]), "that grow, up to 1"),
    (lambda: Canary([0, 1]), "a share above 0"),
    (lambda: Canary([0.5, 2]), "at most 1"),
    (lambda: Canary(each=True), "number of rows, 1 or more"),
    (lambda: Canary(alpha=1), "between 0 and 1"),
    (lambda: Canary(alpha=0.1, metric="RMSE"), "leave one of the two out"),
    (lambda: Canary(each="1D", max_duration="2D"), "over before 3 days"),
    (lambda: ABTest(share=1), "or one has no rows"),
    (lambda: ABTest(alpha=0), "between 0 and 1"),
    (lambda: ABTest(looks=0), "1 or more"),
    (lambda: ABTest(deploy="always"), "'better', 'not worse'"),
    (lambda: ABTest(min_labels=1), "2 or more"),
    (lambda: ABTest(max_duration="MS"), "not of fixed length"),
    (lambda: ABTest(max_duration="0D"), "no time at all"),
    (lambda: Approval("8x"), "not a time offset"),
    (lambda: Approval("MS"), "not of fixed length"),
    (lambda: Approval("8h", ("17:00", "09:00")), r"such as \('09:00', '17:00'\)"),
    (lambda: Approval("8h", ("09:00", "noon")), r"such as \('09:00', '17:00'\)"),
    (lambda: Approval("8h", ("09:00",)), r"such as \('09:00', '17:00'\)"),
    (lambda: Approval("8h", ("09:00", "17:00"), holidays="2024-12-25"), "give a list"),
    (lambda: Approval("8h", ("09:00", "17:00"), holidays=["Xmas"]), "not a date"),
    (lambda: Approval("8h", holidays=["2024-12-25"]), "give both"),
]

DROP = PerformanceDrop("MAE", window=12, min_labels=5, drop="20%")
REGRESSION = {
    "shadow of hours": Strategy(Every("9h"), Sliding(20), gate=Shadow("5h", min_labels=2)),
    "shadow of rows": Strategy(
        AnyOf(DROP, EveryRows(9)),
        Sliding(20),
        gate=Shadow(rows=5, min_labels=3, max_duration="11h30min", otherwise="deploy"),
    ),
    "shadow by a metric": Strategy(
        EveryRows(6), Sliding(15), gate=Shadow("4h", metric="RMSE", margin=0.1, min_labels=1)
    ),
    "shadow, superseded": Strategy(
        EveryRows(5), Sliding(20), gate=Shadow("7h30min", min_labels=3, supersede=True)
    ),
    "canary of hours": Strategy(
        Every("12h"),
        Sliding(20),
        gate=Canary([0.3, 0.5, 1.0], each="3h30min", min_labels=2, max_duration="14h"),
    ),
    "canary of rows": Strategy(
        EveryRows(8),
        Expanding(),
        gate=Canary([0.25, 0.75], each=4, min_labels=3, margin=0.3, sticky=True),
    ),
    "canary with a test": Strategy(
        AnyOf(DROP, Every("10h")),
        Sliding(15),
        gate=Canary([0.5, 1], each="5h", alpha=0.6, min_labels=3, supersede=True),
    ),
    "A/B test": Strategy(
        Every("8h"), Sliding(20), gate=ABTest(0.5, "10h", alpha=0.4, looks=3, min_labels=2)
    ),
    "A/B test of groups": Strategy(
        EveryRows(7),
        Sliding(25),
        gate=ABTest(0.4, "15h", alpha=0.3, deploy="not worse", min_labels=2, sticky=True),
    ),
    "approval": Strategy(Every("7h"), Sliding(20), gate=Approval("3h30min")),
    "approval at work": Strategy(
        EveryRows(6),
        Sliding(20),
        gate=Approval("2h", ("08:00", "12:30"), ["2024-01-02"], supersede=True),
    ),
}
CLASSIFICATION = {
    "shadow by a metric": Strategy(
        Every("9h"), Sliding(20), gate=Shadow(rows=6, metric="accuracy", min_labels=2)
    ),
    "canary": Strategy(EveryRows(9), Sliding(20), gate=Canary([0.5], each="6h", min_labels=2)),
}


def shared(gate, decided=(6,), **setup):
    """One training at each of the hours ``decided``."""
    return backtest(**setup).replay(Strategy(At(tuple(decided)), Expanding(), gate=gate))


def charged(run, kind):
    """Money of one kind, by version."""
    mine = run.charges[run.charges["kind"] == kind]
    return mine.groupby("version")["amount"].sum().to_dict()


FREE = Prices(retrain=0, error=0)
A_ROW = Prices(retrain=0, error=0, per_1k_predictions=1000)


# --- shadow -------------------------------------------------------------------------------------


def test_a_shadow_by_duration_is_judged_by_the_labels_that_came_meanwhile():
    # The challenger is made at hour 6 of the rows 0 to 5 and says 2.5. At hour 9 the labels of the
    # rows 6, 7, 8 are there: it is off by 3.5, 4.5, 5.5; the champion, which says 1.5, by one more.
    run = shared(Shadow("3h", min_labels=3), prices=A_ROW)
    assert versions_of(run) == "00" + "000" + "1111"
    assert events_of(run) == [
        (4, "initial"),
        (6, "trained"),
        (6, "waiting"),
        (9, "accepted"),
        (9, "deployed"),
    ]
    accepted = run.events.iloc[3]
    assert accepted["reason"] == "loss 4.5 against the champion's 5.5 on 3 rows"
    assert (accepted["statistic"], accepted["threshold"]) == (4.5, 5.5)
    assert run.deployments["share"].tolist() == [1, 0, 1]
    # Rows 4 to 8 by the champion; 6, 7 and 8 once more in the shadow, and 9 to 12 in force.
    assert charged(run, "predict") == {0: 5, 1: 3 + 4}


def test_a_margin_is_how_much_the_challenger_must_win_by():
    assert versions_of(shared(Shadow("3h", min_labels=3, margin=0.99))) == "00000" + "1111"
    run = shared(Shadow("3h", min_labels=3, margin=1.0))
    assert versions_of(run) == "000000000"
    assert run.versions["outcome"].tolist() == ["initial", "rejected"]


def test_a_shadow_waits_for_late_labels_and_looks_at_every_tick():
    # Labels are 2.5 hours late: of the trial's rows 6, 7, ... the labels come at 8.5, 9.5, 10.5.
    stream = history(label=[i if i < 6 else i + 2.5 for i in range(13)])
    run = shared(Shadow("3h", min_labels=2), stream=stream)
    # At 9 there is one label, at the tick of 10 there are two.
    assert events_of(run, "deployed") == [(10, "deployed")]
    run = shared(Shadow("3h", min_labels=2), stream=stream, tick="3h", decided=(7,))
    # Ticks at 7 and 10: at 10 two labels... of the rows 7 and 8? Only that of row 7, known at 9.5.
    assert events_of(run, "deployed") == []
    assert run.versions["outcome"].tolist() == ["initial", "pending"]


@pytest.mark.parametrize(
    ("otherwise", "served"), [("reject", "0000000" + "00"), ("deploy", "0000000" + "11")]
)
def test_too_few_labels_are_decided_otherwise_at_the_end_of_the_longest_wait(otherwise, served):
    late = history(label=[*range(6), *[99] * 7])
    gate = Shadow("3h", min_labels=1, max_duration="4h30min", otherwise=otherwise)
    run = shared(gate, stream=late)
    assert versions_of(run) == served
    kind = "rejected" if otherwise == "reject" else "deployed"
    assert events_of(run, kind) == [(10.5, kind)]  # between two ticks
    assert "not over in 4h30min, 0 labels" in run.events["reason"].tolist()


def test_a_shadow_by_rows_ends_at_the_first_tick_after_them():
    # Four rows: 6, 7, 8 and 9 are past at 10; a tick every four hours comes at 8 and at 12.
    assert events_of(shared(Shadow(rows=4, min_labels=4)), "deployed") == [(10, "deployed")]
    run = shared(Shadow(rows=4, min_labels=4), tick="4h", decided=(8,), stream=history(range(20)))
    assert events_of(run, "deployed") == [(12, "deployed")]


def test_a_shadow_begins_when_the_training_is_over_and_ends_before_the_deployment_is():
    run = shared(
        Shadow("3h", min_labels=3), delays=Delays(train="1h", deploy="90min"), prices=A_ROW
    )
    assert events_of(run)[1:] == [
        (6, "trained"),
        (7, "waiting"),
        (10, "accepted"),
        (11.5, "deployed"),
    ]
    # It scores the rows 7, 8, 9, and goes on to do so until it is in force: 10, 11; then 12.
    assert charged(run, "predict") == {0: 8, 1: 5 + 1}


def test_labels_that_a_review_compares_on_are_bought_on_the_account_of_the_challenger():
    run = shared(Shadow("3h", min_labels=3), prices=Prices(retrain=0, error=0, label=1, review=10))
    # The training buys the rows 4 and 5 (0 to 3 were bought at the start), the review 6, 7 and 8.
    labels = run.charges[run.charges["kind"] == "label"]
    assert list(zip(hours(labels["when"]), labels["version"], labels["amount"], strict=True)) == [
        (6, 1, 2),
        (9, 1, 3),
    ]
    assert charged(run, "deploy") == {1: 10}


# --- canary -------------------------------------------------------------------------------------


def test_a_canary_takes_its_steps_and_is_confirmed_after_the_last():
    gate = Canary([0.25, 0.5, 1], each="4h", min_labels=3)
    run = shared(gate, stream=history(range(24)), prices=A_ROW)
    # Of the trial's rows p = 0, 1, ... (hour 6 on) p = 3 completes a quarter; at a half 5 and 7 of
    # 4 to 7; then all of 8 to 11, and from hour 18 on it is in force.
    assert versions_of(run) == "00" + "0001" + "0101" + "1111" + "111111"
    told = run.events[run.events["kind"].isin(["waiting", "accepted"])]
    assert hours(told["at"]) == [6, 10, 14, 18]
    assert told["reason"].tolist() == [
        "step 1 of 3: 0.25 of the rows",
        # Rows 6 to 9 against 2.5 and 1.5; then 6 to 13; then 6 to 17.
        "step 2 of 3: 0.5 of the rows; loss 5 against the champion's 6 on 4 rows",
        "step 3 of 3: 1 of the rows; loss 7 against the champion's 8 on 8 rows",
        "loss 9 against the champion's 10 on 12 rows",
    ]
    assert run.deployments["version"].tolist() == [0, 0, 1, 0, 1, 0, 1]
    assert run.deployments["share"].tolist() == [1, 0.75, 0.25, 0.5, 0.5, 0, 1]
    assert run.versions["outcome"].tolist() == ["initial", "deployed"]
    # Both score the twelve rows of the trial, whoever answers.
    assert charged(run, "predict") == {0: 2 + 12, 1: 12 + 6}


@pytest.mark.parametrize("share", [0.35, 0.7, 0.29])
def test_a_share_is_exact_also_where_its_product_is_not(share):
    """90 * 0.7 is 62.99999999999999 in floating point; 180 * 0.35 and 100 * 0.29 likewise."""
    gate = Canary([share], each="390h", min_labels=1, margin=9_999)
    run = shared(gate, stream=history(range(410)))
    answered = run.predictions["version"].to_numpy()[2:392]  # the trial's rows, from hour 6 on
    hundredths = round(share * 100)
    so_far = np.arange(391) * hundredths // 100
    assert answered.tolist() == np.diff(so_far).tolist()


def falling(n=24):
    """Labels 0 to 5, then zeros: a challenger that has learnt the 4 and the 5 is worse."""
    return history(range(n), y=np.array([0.0, 1, 2, 3, 4, 5] + [0.0] * (n - 6)))


def test_a_worse_canary_is_rolled_back_to_the_version_before():
    run = shared(Canary([0.5, 1], each="4h", min_labels=3), stream=falling(), prices=A_ROW)
    assert versions_of(run) == "00" + "0101" + "0" * 14
    assert run.versions["outcome"].tolist() == ["initial", "rolled back"]
    assert events_of(run, "rolled back") == [(10, "rolled back")]
    assert run.events["reason"].tolist()[-1] == "loss 2.5 against the champion's 1.5 on 4 rows"
    assert list(
        zip(
            run.deployments["version"],
            hours(run.deployments["from"]),
            run.deployments["share"],
            strict=True,
        )
    ) == [(0, 4, 1), (0, 6, 0.5), (1, 6, 0.5), (0, 10, 1)]
    # Rows 4 and 5; both score 6 to 9; the champion alone 10 to 23.
    assert charged(run, "predict") == {0: 2 + 4 + 14, 1: 4}


def test_a_canary_may_be_worse_by_the_margin():
    # It is worse by exactly 1 at every look.
    run = shared(Canary([0.5], each="4h", min_labels=3, margin=1.0), stream=falling())
    assert run.versions["outcome"].tolist() == ["initial", "deployed"]


def test_a_last_step_of_all_rows_may_still_be_rolled_back():
    run = shared(Canary([1.0], each="4h", min_labels=3), stream=falling())
    assert versions_of(run) == "00" + "1111" + "0" * 14


def test_a_canary_stays_on_its_step_until_there_are_labels():
    # Labels from row 6 on are five hours late: at 10 there are none, at 13 those of 6, 7 and 8.
    stream = history(range(24), label=[i if i < 6 else i + 5 for i in range(24)])
    gate = Canary([0.5, 1], each="4h", min_labels=3)
    run = shared(gate, stream=stream)
    waiting = run.events[run.events["kind"] == "waiting"]
    assert hours(waiting["at"]) == [6, 13]
    assert events_of(run, "deployed") == [(17, "deployed")]
    run = shared(Canary([0.5, 1], each="4h", min_labels=3, max_duration="9h"), stream=stream)
    assert events_of(run, "rolled back") == [(15, "rolled back")]
    assert versions_of(run) == "00" + "0101010" + "11" + "0" * 9


def test_a_canary_whose_time_is_up_just_when_a_step_has_passed_is_not_through():
    stream = history(range(24), label=[i if i < 6 else i + 5 for i in range(24)])
    run = shared(Canary([0.5, 1], each="3h", min_labels=3, max_duration="7h"), stream=stream)
    assert events_of(run, "rolled back", "deployed") == [(13, "rolled back")]


def test_a_canary_by_rows_takes_a_step_at_the_tick_after_them():
    run = shared(
        Canary([0.5, 1], each=4, min_labels=1), stream=history(range(24)), tick="3h", decided=(7,)
    )
    # Ticks at 7, 10, 13, ...: four rows (7 to 10) are past at 13, four more (13 to 16) at 19.
    waiting = run.events[run.events["kind"] == "waiting"]
    assert hours(waiting["at"]) == [7, 13]
    assert events_of(run, "deployed") == [(19, "deployed")]


def test_with_a_test_only_a_significant_loss_is_rolled_back():
    # Losses of the rows 6 to 13, label 0: 2.5 and 1.5, but for row 6 (label 12): 9.5 and 10.5. The
    # differences 1 x 7 and -1: mean 0.75, t = 0.75 / (0.7071 / sqrt 8) = 3, p = 0.01 one-sided.
    y = np.array([0.0, 1, 2, 3, 4, 5, 12] + [0.0] * 17)
    for alpha, outcome in ((0.02, "rolled back"), (0.0098, "deployed")):
        gate = Canary([1], each="8h", min_labels=3, alpha=alpha)
        run = shared(
            gate, stream=history(range(24), y=y), prices=Prices(retrain=0, error=0, check=7)
        )
        assert run.versions["outcome"].tolist() == ["initial", outcome]
        assert charged(run, "check") == {0: 7}
    for alpha, end in ((0.02, 14), (0.0196, 22)):  # half of it at each of two steps
        gate = Canary([0.5, 1], each="8h", min_labels=3, alpha=alpha)
        run = shared(gate, stream=history(range(24), y=y))
        assert events_of(run, "rolled back") == [(end, "rolled back")]


def test_a_sticky_canary_gives_groups_away_as_a_whole():
    group = np.array([f"user {i % 17}" for i in range(200)])
    stream = history(np.arange(200) / 10, group=group)
    run = shared(Canary([0.3, 0.6], each="4h", sticky=True, min_labels=1), stream=stream, tick="1h")
    rows = run.predictions.assign(group=group[run.predictions["row"]])
    first = rows[rows["event_time"].between(hour(6), hour(9.95))].groupby("group")["version"]
    second = rows[rows["event_time"].between(hour(10), hour(13.95))].groupby("group")["version"]
    assert (first.nunique() == 1).all()
    assert (second.nunique() == 1).all()
    assert 0 < first.max().sum() < second.max().sum() < 17
    assert (second.max() >= first.max()).all()  # who had it keeps it


def test_a_sticky_share_needs_groups():
    for gate in (Canary(sticky=True), ABTest(sticky=True)):
        with pytest.raises(PartError, match="group"):
            shared(gate)


def test_a_metric_that_does_not_fit_is_refused_before_anything_starts():
    for gate in (Shadow("3h", metric="accuracy"), Canary(metric="accuracy")):
        with pytest.raises(ValueError, match="accuracy"):
            shared(gate)
    with pytest.raises(ValueError, match="metric 5: not a metric"):
        shared(Shadow("3h", metric=5))


# --- A/B test -----------------------------------------------------------------------------------


def test_an_ab_test_compares_the_rows_that_each_has_answered():
    # Half of the rows 6 to 17 each. The label is 2.5 and a bit, which the challenger says.
    y = np.array([0.0, 1, 2, 3, 4, 5] + [2.4, 2.5, 2.6, 2.7] * 5)
    gate = ABTest(0.5, "12h", min_labels=6)
    run = shared(
        gate,
        stream=history(range(26), y=y),
        prices=Prices(retrain=0, error=0, check=1, label=1, per_1k_predictions=1000),
    )
    assert versions_of(run) == "00" + "01" * 6 + "1" * 8
    # The champion (1.5) has 2.4, 2.6, ...: off by 0.9, 1.1; the challenger (2.5) 2.5, 2.7: 0, 0.2.
    new, old = [0.0, 0.2] * 3, [0.9, 1.1] * 3
    p = ttest_ind(new, old, equal_var=False, alternative="less").pvalue
    told = run.events[run.events["kind"] == "accepted"].iloc[0]
    assert told["statistic"] == pytest.approx(p)
    assert told["threshold"] == 0.05
    assert told["reason"].startswith("mean loss 0.1 against the champion's 1, p < ")
    assert charged(run, "check") == {0: 1}
    # No row is scored twice; labels: 2 with the training, 12 with the test.
    assert charged(run, "predict") == {0: 2 + 6, 1: 6 + 8}
    assert charged(run, "label") == {1: 14}


ALIKE = np.array([0.0, 1, 2, 3, 4, 5] + [2.0, 2.0, 2.3, 1.7] * 8)


@pytest.mark.parametrize(
    ("deploy", "outcome"), [("better", "rolled back"), ("not worse", "deployed")]
)
def test_what_cannot_be_told_apart_is_left_to_the_user(deploy, outcome):
    # Around 2.0 a model that says 2.5 is as far off as one that says 1.5.
    run = shared(
        ABTest(0.5, "12h", deploy=deploy, min_labels=6), stream=history(range(26), y=ALIKE[:26])
    )
    assert run.versions["outcome"].tolist() == ["initial", outcome]
    assert events_of(run, outcome) == [(18, outcome)]


def test_an_ab_test_with_several_looks_may_end_at_each_of_them():
    y = np.array([0.0, 1, 2, 3, 4, 5] + [2.4, 2.5, 2.6, 2.7] * 5)
    run = shared(ABTest(0.5, "12h", looks=2, min_labels=3), stream=history(range(26), y=y))
    assert events_of(run, "deployed") == [(12, "deployed")]
    worse = np.array([0.0, 1, 2, 3, 4, 5] + [1.4, 1.5, 1.6, 1.7] * 5)
    run = shared(
        ABTest(0.5, "12h", looks=2, min_labels=3, deploy="not worse"),
        stream=history(range(26), y=worse),
    )
    assert events_of(run, "rolled back") == [(12, "rolled back")]
    told = run.events[run.events["kind"] == "rolled back"].iloc[0]
    assert told["threshold"] == 0.025


def test_an_ab_test_without_labels_keeps_the_champion():
    late = history(label=[*range(6), *[99] * 7])
    run = shared(ABTest(0.5, "5h", min_labels=2, deploy="not worse"), stream=late)
    assert events_of(run, "rolled back") == [(11, "rolled back")]
    assert "only 0 labels" in run.events["reason"].tolist()[-1]


def test_an_ab_test_of_groups_takes_a_group_as_one_observation():
    # Losses of a group's rows are all alike: as rows they would prove a lot, as groups they do not.
    rng = np.random.default_rng(0)
    group = np.arange(400) % 6
    level = np.array([1.0, 3.0, 2.0, 1.5, 2.5, 2.0])
    y = np.where(np.arange(400) < 60, rng.uniform(0, 3, 400), level[group])
    stream = Stream(np.zeros((400, 1)), y, history(range(400)).event_time, group=group)
    gate = ABTest(0.5, "300h", sticky=True, deploy="better")
    run = Backtest(stream, DummyRegressor(), tick="1h", start=hour(50)).replay(
        Strategy(At((60,)), Expanding(), gate=gate)
    )
    trial = run.predictions[run.predictions["event_time"].between(hour(60), hour(359))]
    loss = trial.groupby([group[trial["row"]], "version"])["loss"].mean()
    assert len(loss) == 6
    new, old = loss.xs(1, level=1), loss.xs(0, level=1)
    told = run.events[run.events["kind"].isin(["rolled back", "accepted"])].iloc[0]
    sides = [
        ttest_ind(new, old, equal_var=False, alternative=a).pvalue for a in ("less", "greater")
    ]
    assert told["statistic"] in [pytest.approx(p) for p in sides]


@pytest.mark.parametrize("looks", [1, 4])
def test_a_challenger_that_is_no_better_wins_by_chance_as_often_as_alpha_says(looks):
    """400 tests of losses that have the same distribution: at most 5 %, give or take."""
    rng, gate = np.random.default_rng(1), ABTest(looks=looks)
    wins = 0
    for _ in range(400):
        loss, mine = rng.exponential(size=400), rng.random(400) < 0.5
        for look in range(1, looks + 1):
            n = 400 * look // looks
            trial = gate.open()
            verdict = trial._judge(
                estimate(loss[:n][mine[:n]]), estimate(loss[:n][~mine[:n]]), look == looks
            )
            if verdict is not None:
                wins += verdict.action == "deploy"
                break
    assert wins / 400 < 0.05 + 2 * np.sqrt(0.05 * 0.95 / 400)


# --- approval -----------------------------------------------------------------------------------


@pytest.mark.parametrize(
    ("asked", "delay", "approved"),
    [
        # 2024-03-01 is a Friday; Monday the 4th is a holiday below.
        ("2024-02-29 10:00", "4h", "2024-02-29 14:00"),
        ("2024-02-29 10:00", "7h", "2024-02-29 17:00"),
        ("2024-02-29 10:00", "7h1min", "2024-03-01 09:01"),
        ("2024-02-29 03:00", "1h", "2024-02-29 10:00"),
        ("2024-02-29 18:00", "1h", "2024-03-01 10:00"),
        ("2024-03-01 16:00", "8h", "2024-03-05 16:00"),
        ("2024-03-02 12:00", "30min", "2024-03-05 09:30"),
        ("2024-03-02 12:00", "0h", "2024-03-05 09:00"),
        ("2024-02-29 12:00", "0h", "2024-02-29 12:00"),
        ("2024-02-26 09:00", "1D", "2024-02-28 17:00"),
        ("2024-03-01 09:00", "40h", "2024-03-08 17:00"),
    ],
)
def test_only_business_hours_count(asked, delay, approved):
    gate = Approval(delay, ("09:00", "17:00"), holidays=["2024-03-04"])
    assert gate.due(pd.Timestamp(asked)) == pd.Timestamp(approved)


@settings(deadline=None)
@given(minutes=st.integers(0, 60 * 24 * 30), delay=st.integers(0, 3000), more=st.integers(0, 3000))
def test_business_time_adds_up(minutes, delay, more):
    start = pd.Timestamp("2024-12-01") + pd.Timedelta(minutes=minutes)
    hours_of_work = (("08:30", "16:15"), ("2024-12-25", "2024-12-26"))
    first = Approval(f"{delay}min", *hours_of_work).due(start)
    assert (
        Approval(f"{more}min", *hours_of_work).due(first)
        == Approval(f"{delay + more}min", *hours_of_work).due(start)
        or more == 0
    )
    # Counted minute by minute.
    minute = pd.date_range(start, first, freq="min", inclusive="left")
    clock = minute.hour * 60 + minute.minute
    working = (clock >= 510) & (clock < 975) & (minute.day_of_week < 5)
    working &= ~minute.normalize().isin(pd.to_datetime(["2024-12-25", "2024-12-26"]))
    assert working.sum() == delay


def daily_rows():
    """A row every six hours from Thursday, 2024-02-29, on, with the labels 0, 1, 2, ..."""
    times = pd.date_range("2024-02-29", periods=28, freq="6h").to_numpy()
    return Stream(np.zeros((28, 1)), np.arange(28.0), times)


def test_an_approval_over_a_weekend():
    """Ready on Friday at 14:00; 3 hours of work on Friday, 1 on Monday; in force 2 hours later."""
    prices = Prices(retrain=0, error=0, review=10, release=3, per_1k_predictions=1000)
    setup = Backtest(
        daily_rows(),
        DummyRegressor(),
        tick="12h",
        start="2024-03-01",
        delays=Delays(train="2h", deploy="2h"),
        prices=prices,
    )
    gate = Approval("4h", ("09:00", "17:00"))
    run = setup.replay(Strategy(EveryRows(2), Expanding(), gate=gate))
    told = run.events[run.events["kind"] != "busy"]
    assert list(zip(told["at"].astype(str).str[5:16], told["kind"], strict=True))[:6] == [
        ("03-01 00:00", "initial"),
        ("03-01 12:00", "trained"),
        ("03-01 14:00", "waiting"),
        ("03-04 10:00", "accepted"),
        ("03-04 12:00", "deployed"),
        ("03-04 12:00", "trained"),
    ]
    # The rows of Friday 00:00 to Monday 06:00 are 14; the next is that of Monday 12:00.
    assert versions_of(run)[:15] == "0" * 14 + "1"
    assert run.deployments["version"].tolist()[:2] == [0, 1]
    assert (
        run.events[run.events["kind"] == "busy"]["at"].between("2024-03-02", "2024-03-04").sum()
        == 5
    )
    deploys = run.charges[(run.charges["kind"] == "deploy") & (run.charges["version"] == 1)]
    assert deploys["amount"].tolist() == [10, 3]
    # While it lies there it scores nothing: every row is paid for once.
    assert sum(charged(run, "predict").values()) == len(run.predictions)


# --- any history --------------------------------------------------------------------------------

WAYS = st.sampled_from(
    [
        Canary([0.1, 0.35, 1.0], each="7h", min_labels=1),
        Canary([0.3, 0.7], each=9, min_labels=4),
        Canary([0.5, 1.0], each="5h", min_labels=1, margin=1, supersede=True),
        ABTest(0.3, "20h", alpha=0.2, looks=2, min_labels=2),
        Shadow("9h", min_labels=2),
        Approval("5h"),
    ]
)


@settings(max_examples=30, deadline=None)
@given(
    gate=WAYS,
    seed=st.integers(0, 1000),
    tick=st.sampled_from(("1h", "4h", "6h")),
    delays=st.sampled_from((Delays(), Delays(train="90min", deploy="3h"))),
)
def test_every_row_is_answered_once_and_shares_are_kept_to_the_row(gate, seed, tick, delays):
    rng = np.random.default_rng(seed)
    at = np.cumsum(rng.choice([0, 0.5, 1, 1, 2], size=120))
    late = rng.choice([0, 1, 8, 30], size=120)
    late[:30] = 0
    stream = history(at, label=at + late, y=rng.normal(size=120).round(1) + np.arange(120) // 40)
    setup = backtest(stream=stream, start=float(at[20]) + 0.25, tick=tick, delays=delays)
    run = setup.replay(Strategy(EveryRows(10), Sliding(15), gate=gate))
    rows, deployments = run.predictions, run.deployments
    assert rows["row"].tolist() == list(range(rows["row"].iloc[0], 120))
    ends = np.array([hour(999) if pd.isna(to) else to for to in deployments["to"]])
    for version, start, stop, share in zip(
        deployments["version"], deployments["from"], ends, deployments["share"], strict=True
    ):
        during = rows[(rows["event_time"] >= start) & (rows["event_time"] < stop)]
        answered = np.cumsum(during["version"] == version)
        assert (np.abs(answered - share * np.arange(1, len(during) + 1)) <= 1).all()
    borders = sorted({*deployments["from"], *ends})
    for start, stop in pairwise(borders):
        now = deployments[(deployments["from"] <= start) & (ends > start)]
        assert now["share"].sum() == pytest.approx(1)
        assert len(now) <= 2
        during = rows[(rows["event_time"] >= start) & (rows["event_time"] < stop)]
        assert set(during["version"]) <= set(now["version"][now["share"] > 0])
    outcomes = run.versions.set_index("version")["outcome"]
    never = outcomes.index[outcomes.isin(["rejected", "failed"])]
    assert not rows["version"].isin(never).any()
    champion = 0
    for at_, kind, version in zip(
        run.events["at"], run.events["kind"], run.events["version"], strict=True
    ):
        if kind == "deployed":
            champion = version
        if kind == "rolled back":
            after = rows[rows["event_time"] >= at_]["version"]
            assert len(after) == 0 or after.iloc[0] == champion
