"""Windows that follow what was trained have no loss matrix; none is shared by a ``repr``."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass, field
from itertools import pairwise
from typing import Any

import numpy as np
import pandas as pd
import pytest
from hourly import Anew
from sklearn.linear_model import Ridge

from backtrain import Backtest, Comparison, PartError, Prices, Selection, Strategy
from backtrain.datasets.synthetic import abrupt
from backtrain.lossmatrix.trial_models import fresh_losses, loss_matrix
from backtrain.strategies import Decay, Dynamic, Every, Expanding, Refit, Sliding


def setting() -> Backtest:
    stream = abrupt(n=500, task="regression")
    return Backtest(stream, Ridge(), tick="1D", prices=Prices(retrain=3, release=1))


@dataclass(frozen=True)
class AfterAnAlarm:
    """What somebody else may write: the newest rows after an alarm, else everything."""

    def select(self, view: Any) -> Selection:
        alarm = view.reason is not None and "alarm" in view.reason.sentence
        return Selection(view.labelled.newest(50) if alarm else view.labelled.all())


@dataclass(frozen=True)
class WhereItErred:
    """What somebody else may write: the rows whose served answers were far off."""

    def select(self, view: Any) -> Selection:
        if len(view.served) < 50:
            return Selection(view.labelled.all())
        return Selection(view.labelled.among(view.served.rows))


LOOKS: dict[str, Callable[[Any], Any]] = {
    "reason": lambda view: view.reason,
    "trainings": lambda view: view.trainings,
    "spent": lambda view: view.spent,
    "model": lambda view: view.model,
    "challenger": lambda view: view.challenger,
    "trial_rows": lambda view: view.trial_rows,
    "served": lambda view: view.served,
    "arrived": lambda view: view.arrived(),
    "answers": lambda view: view.answers(slice(view.past - 1, view.past)),
    "answered": lambda view: view.answered(np.arange(view.past - 1, view.past)),
}


@pytest.mark.parametrize("late", [0, 9])
@pytest.mark.parametrize("name", LOOKS)
def test_a_look_at_the_path_is_seen_whenever_it_comes(name: str, late: int) -> None:
    setup, window = setting(), Anew(LOOKS[name], late)
    says = rf"Anew.*reads view\.{name}.*what was trained before.*such as Sliding or Expanding"
    with pytest.raises(PartError, match=says):
        loss_matrix(setup, window, Refit())
    with pytest.raises(PartError, match=says):
        loss_matrix(
            setup, Decay("5D", window), Refit(), n_jobs=2 if late and name == "reason" else 1
        )
    with pytest.raises(PartError, match=says):
        fresh_losses(setup, [Expanding(), window], Refit())


def test_what_follows_from_the_history_alone_is_no_path() -> None:
    def look(view: Any) -> tuple[int, int]:
        return view.arrivals, view.answered_so_far

    assert len(loss_matrix(setting(), Anew(look), Refit())) > 5


def test_an_error_that_a_window_catches_is_still_seen() -> None:
    class Hides:
        """Does not let on what it has looked at."""

        def select(self, view: Any) -> Selection:
            try:
                return Selection(view.labelled.newest(10 if view.reason else 20))
            except PartError:
                return Selection(view.labelled.newest(30))

    with pytest.raises(PartError, match=r"reads view\.reason"):
        loss_matrix(setting(), Hides(), Refit())


@pytest.mark.parametrize(
    ("window", "name"),
    [
        (AfterAnAlarm(), "reason"),
        (WhereItErred(), "served"),
        (Decay("5D", AfterAnAlarm()), "reason"),
        (Dynamic([Sliding(60), WhereItErred()], holdout=20), "served"),
    ],
    ids=repr,
)
def test_a_window_of_somebody_else_gets_no_regret(window: Any, name: str, tmp_path: Any) -> None:
    backtest = setting()
    with pytest.raises(PartError, match=rf"reads view\.{name}"):
        backtest.tune(window)
    strategies = {
        "theirs": Strategy(Every("5D"), window),
        "ours": Strategy(Every("5D"), Expanding()),
    }
    comparison = backtest.compare(strategies, hindsight=True)
    theirs, ours = comparison.runs["theirs"].info, comparison.runs["ours"].info
    assert "hindsight" not in theirs
    assert f"reads view.{name}" in theirs["no_hindsight"]
    assert ours["hindsight"]["regret"] >= 0
    assert "no_hindsight" not in ours
    page = comparison.to_html(tmp_path / "r.html").read_text(encoding="utf-8")
    assert f"Without a matrix: theirs ({type(window).__name__}" in page
    alone = Comparison({"theirs": comparison.runs["theirs"]})
    assert f"reads view.{name}" in alone.to_html(tmp_path / "s.html").read_text(encoding="utf-8")


# --- what is shared, and what is not --------------------------------------------------------------


@dataclass(frozen=True)
class Quiet:
    """The newest rows; its ``repr`` does not say how many."""

    rows: int = field(repr=False)

    def select(self, view: Any) -> Selection:
        return Selection(view.labelled.newest(self.rows))


@dataclass(frozen=True)
class QuietUpdate:
    """A ridge with a penalty that its ``repr`` does not show."""

    alpha: float = field(repr=False)
    needs_parent = False

    def fit(self, model: Any, X: Any, y: Any, weights: Any, parent: Any, seed: int) -> Any:
        return model.set_params(alpha=self.alpha).fit(X, y)


def regrets(strategies: dict[str, Strategy]) -> dict[str, float]:
    runs = setting().compare(strategies, hindsight=True).runs
    return {name: runs[name].info["hindsight"]["regret"] for name in sorted(runs)}


@pytest.mark.parametrize(
    "strategies",
    [
        {str(n): Strategy(Every("5D"), Quiet(n)) for n in (20, 150)},
        {str(a): Strategy(Every("5D"), Sliding(60), QuietUpdate(a)) for a in (0.1, 1e4)},
    ],
    ids=["window", "update"],
)
def test_a_number_that_repr_hides_makes_another_matrix(strategies: dict[str, Strategy]) -> None:
    apart = {name: regrets({name: strategy})[name] for name, strategy in strategies.items()}
    assert regrets(strategies) == apart
    assert regrets(dict(reversed(strategies.items()))) == apart
    assert all(a != b for a, b in pairwise(apart.values()))


def test_equal_parts_share_one_matrix(monkeypatch: pytest.MonkeyPatch) -> None:
    made = []

    def counted(*args: Any, **more: Any) -> Any:
        made.append(args[1])
        return loss_matrix(*args, **more)

    monkeypatch.setattr("backtrain.lossmatrix.regret.loss_matrix", counted)
    regrets({str(n): Strategy(Every(f"{n}D"), Quiet(40)) for n in (3, 5)})
    assert made == [Quiet(40)]


@dataclass(frozen=True)
class Tuning:
    """A trigger whose tuned form looks like the one before."""

    every: int = field(default=1, repr=False)

    def prepare(self, history: Any) -> Tuning:
        return Tuning(self.every + 1)

    def monitor(self) -> Any:
        return Every(f"{self.every}D").monitor()


@dataclass(frozen=True)
class Untouched(Tuning):
    """A trigger that needs no tuning, and gives an equal one."""

    def prepare(self, history: Any) -> Untouched:
        return Untouched(self.every)


def test_a_tuned_trigger_is_noted_whatever_its_repr_says() -> None:
    run = setting().replay(Strategy(Tuning(), Expanding()))
    assert (run.events["kind"] == "tuned").sum() == 1
    run = setting().replay(Strategy(Untouched(), Expanding()))
    assert (run.events["kind"] == "tuned").sum() == 0


def test_a_window_that_asks_for_what_it_would_select_is_told_so() -> None:
    def own(view: Any) -> None:
        view.candidate(view.start - pd.Timedelta("1D"))

    with pytest.raises(PartError, match=r"Anew.*select\(\) asks for view.candidate"):
        setting().replay(Strategy(Every("7D"), Anew(own, late=-99)))
