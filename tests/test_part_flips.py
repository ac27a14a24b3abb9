"""The gate that forbids a new version to answer too much otherwise, worked by hand.

Unless a test says otherwise there is one row an hour, row i at hour i with the label i, and a model
that answers the mean of the labels it was trained on: at first 1.5, the mean of the rows 0 to 3.
"""

import math

import numpy as np
import pytest
from sklearn.base import BaseEstimator, ClassifierMixin
from test_time import At, backtest, history

from backtrain import PartError, Prices, Strategy
from backtrain.strategies import (
    AtMostFlips,
    BeatsChampion,
    Canary,
    Chain,
    EveryRows,
    Expanding,
    Immediate,
    Sliding,
)

PARTS = [AtMostFlips(), AtMostFlips(0.1, rows=200, amount=3.5, max_age="90D")]
NONSENSE = [
    (lambda: AtMostFlips(share=1.5), "share from 0 to 1"),
    (lambda: AtMostFlips(rows=0), "1 or more"),
    (lambda: AtMostFlips(amount=-1), "not negative"),
    (lambda: AtMostFlips(max_age="MS"), "max_age"),
]
REGRESSION = {
    "few flips": Strategy(EveryRows(6), Sliding(20), gate=AtMostFlips(0.3, rows=8)),
    "few flips, not for ever": Strategy(
        EveryRows(5), Sliding(20), gate=AtMostFlips(amount=0.4, rows=15, max_age="12h")
    ),
    "champion, few flips": Strategy(
        EveryRows(7),
        Sliding(25),
        gate=Chain(BeatsChampion(0.3, min_rows=2, refit=True), AtMostFlips(0.5)),
    ),
}
CLASSIFICATION = {
    "few flips": Strategy(EveryRows(6), Sliding(20), gate=AtMostFlips(0.2, rows=12)),
}
FREE = {"retrain": 0, "error": 0}


class Above(ClassifierMixin, BaseEstimator):
    """Class 1 for what lies above all that it was trained on; a probability of 0.9 or 0.25."""

    def fit(self, X, y, sample_weight=None):
        self.cut_, self.classes_ = np.asarray(X).max(), np.unique(y)
        return self

    def predict(self, X):
        return (np.asarray(X)[:, 0] > self.cut_).astype(int)

    def predict_proba(self, X):
        above = np.where(np.asarray(X)[:, 0] > self.cut_, 0.9, 0.25)
        return np.column_stack([1 - above, above])


def classified(**more):
    stream = history(range(13), y=np.arange(13) % 2)
    return backtest(stream, model=Above(), **more)


def played(decided=(6, 8), gate=None, setup=None):
    gate = Immediate() if gate is None else gate
    setup = backtest() if setup is None else setup
    return setup.replay(Strategy(At(tuple(decided)), Expanding(), gate=gate))


def noted(run, column="changed"):
    return [None if math.isnan(value) else value for value in run.versions[column].round(12)]


def verdicts(run, kind):
    found = run.events[run.events["kind"] == kind]
    return found[["reason", "statistic", "threshold"]].values.tolist()


@pytest.mark.parametrize(("share", "outcome"), [(0.5, "deployed"), (0.49, "rejected")])
def test_a_share_of_the_decisions_may_change(share, outcome):
    run = played((8,), AtMostFlips(share), classified())
    assert run.versions["outcome"].tolist() == ["initial", outcome]
    kind = "accepted" if outcome == "deployed" else outcome
    reason = f"50.00% of the newest 8 decisions would change, at most {share:.2%} may"
    assert verdicts(run, kind) == [[reason, 0.5, share]]


def test_only_so_many_of_the_newest_rows_are_looked_at():
    run = played((8,), AtMostFlips(0.9, rows=4), classified())
    assert verdicts(run, "rejected")[0][1:] == [1.0, 0.9]


def test_an_amount_may_change():
    assert played((6,), AtMostFlips(amount=1.0)).totals["deployed"] == 1
    assert played((6,), AtMostFlips(amount=0.9)).totals["rejected"] == 1


def test_numbers_are_held_against_the_spread_of_what_was_learnt():
    spread = np.std([0, 1, 2, 3, 4, 5])
    assert played((6,), AtMostFlips(1.0)).totals["deployed"] == 1
    run = played((6,), AtMostFlips(0.5))
    assert verdicts(run, "rejected")[0][1:] == [1.0, pytest.approx(0.5 * spread)]


def test_a_model_that_is_old_enough_is_replaced_all_the_same():
    gate = AtMostFlips(amount=0.1, max_age="5h")
    run = played((6, 8, 9, 10), gate)
    # The first model was decided on at 4, that of 9 then is the one in force.
    assert run.versions["outcome"].tolist()[1:] == ["rejected", "rejected", "deployed", "rejected"]
    assert "at least 5h old" in verdicts(run, "accepted")[0][0]


def test_the_answers_of_a_gate_are_not_charged_as_predictions():
    prices = Prices(**FREE, per_1k_predictions=1000, label=0)
    run = played((6,), AtMostFlips(1.0), backtest(prices=prices))
    assert run.charges["amount"].sum() == 9


def test_an_amount_is_refused_where_answers_are_classes():
    with pytest.raises(PartError, match="are classes, which have no amount; give share="):
        played((8,), AtMostFlips(amount=1.0), classified())


def test_it_may_stand_behind_a_gate_that_shares_rows():
    gate = Chain(Canary([0.5], each=2, min_labels=1), AtMostFlips(1.0))
    assert played((6,), gate).versions["outcome"].tolist()[-1] in ("deployed", "rolled back")
