"""Triggers, windows, updates and gates."""

from __future__ import annotations

import random
import time
from dataclasses import dataclass
from typing import Any, ClassVar

import numpy as np
from sklearn.linear_model import SGDRegressor

from backtrain import Reason, Selection, Verdict
from backtrain.strategies import BeatsChampion, PartialFit, Sliding
from gallery.member import Member, case, stream, table

# --- what holds the history -----------------------------------------------------------------------


@dataclass(frozen=True, eq=False)
class KnowsTheTable:
    """Looks up the next labels in a table of its own."""

    sold: Any

    def monitor(self) -> KnowsTheTable:
        return self

    def fires(self, view: Any) -> Reason | None:
        coming = self.sold[view.past : view.past + 20]
        return Reason("sales will rise") if np.mean(coming) > 14 else None


@dataclass(frozen=True)
class KnowsItsPast:
    """The same question, to what has arrived."""

    def monitor(self) -> KnowsItsPast:
        return self

    def fires(self, view: Any) -> Reason | None:
        newest = view.y(view.labelled.newest(20))
        return Reason("sales have risen") if newest.mean() > 14 else None


SOLD = table()["sold"].to_numpy()


@dataclass(frozen=True)
class ReadsAGlobal:
    """Chooses rows by a variable of the module."""

    def select(self, view: Any) -> Selection:
        rising = SOLD[view.past : view.past + 20].mean() > SOLD[: view.past].mean()
        return Selection(view.labelled.newest(60 if rising else 150))


@dataclass(frozen=True)
class ReadsTheView:
    """Chooses rows by what is known."""

    def select(self, view: Any) -> Selection:
        known = view.labelled.all()
        rising = view.y(view.labelled.newest(20)).mean() > view.y(known).mean()
        return Selection(view.labelled.newest(60 if rising else 150))


@dataclass(frozen=True)
class AboveTheMean:
    """Fires above a level that somebody worked out beforehand."""

    level: float

    def monitor(self) -> AboveTheMean:
        return self

    def fires(self, view: Any) -> Reason | None:
        return Reason("high") if view.y(view.labelled.newest(10)).mean() > self.level else None


# --- what reaches round the fence -----------------------------------------------------------------


@dataclass(frozen=True)
class Reaches:
    """A trigger that looks at something of the stream itself."""

    look: str

    def monitor(self) -> Reaches:
        return self

    def fires(self, view: Any) -> Reason | None:
        data = view._fence.setup.stream
        if self.look == "features":
            found = float(data.X[view.past : view.past + 30, 0].mean()) > 0
        elif self.look == "label times":
            waiting = data.label_time[: view.past] - view.now.to_datetime64()
            late = waiting[waiting > np.timedelta64(0)]
            found = len(late) > 0 and late.mean() < np.timedelta64(200, "m")
        else:
            found = (len(data) - view.past) % 3 == 0
        return Reason(self.look) if found else None


@dataclass(frozen=True)
class Asks:
    """A trigger that asks the view the same."""

    def monitor(self) -> Asks:
        return self

    def fires(self, view: Any) -> Reason | None:
        newest = view.X(slice(view.past - 30, view.past))
        return Reason("warm") if newest[:, 0].mean() > 0 else None


@dataclass(frozen=True)
class PeeksAtLabels:
    """A window that looks at labels that have not arrived."""

    def select(self, view: Any) -> Selection:
        labels = view._fence.setup.stream.y[: view.past]
        rising = np.nanmean(labels[-5:]) > np.nanmean(labels[:-5])
        return Selection(view.labelled.newest(20 if rising else 30))


@dataclass(frozen=True)
class Foresees:
    """A gate that judges on rows to come."""

    def open(self) -> Foresees:
        return self

    def check(self, selection: Selection, view: Any) -> None:
        return None

    def reserve(self, selection: Selection) -> tuple[Selection, None]:
        return selection, None

    def review(self, view: Any) -> Verdict:
        data, rows = view._fence.setup.stream, slice(view.past, view.past + 40)
        features = data.X[rows]
        gap = np.abs(features.sum(axis=1) - data.y[rows]).mean()
        return Verdict.deploy() if gap > 10 else Verdict.reject()


# --- what remembers -------------------------------------------------------------------------------


@dataclass(frozen=True)
class CountsInItsClass:
    """Fires at every third tick of all replays together."""

    seen: ClassVar[int] = 0

    def monitor(self) -> CountsInItsClass:
        return self

    def fires(self, view: Any) -> Reason | None:
        type(self).seen += 1
        return Reason("the third") if type(self).seen % 3 == 0 else None


SEEN: list[int] = []


@dataclass(frozen=True)
class CountsInItsModule:
    """The same, in a variable of its module."""

    def monitor(self) -> CountsInItsModule:
        return self

    def fires(self, view: Any) -> Reason | None:
        SEEN.append(view.past)
        return Reason("the fourth") if len(SEEN) % 4 == 0 else None


@dataclass(frozen=True)
class CountsInADefault:
    """The same, in a default that all calls share."""

    def monitor(self) -> CountsInADefault:
        return self

    def fires(self, view: Any, seen: list[int] = []) -> Reason | None:  # noqa: B006 - the fault
        seen.append(view.past)
        return Reason("the fifth") if len(seen) % 5 == 0 else None


class CountsInItself:
    """The same, in an object that all replays share."""

    def __init__(self) -> None:
        self.seen = 0

    def monitor(self) -> CountsInItself:
        return self

    def fires(self, view: Any) -> Reason | None:
        self.seen += 1
        return Reason("the third") if self.seen % 3 == 0 else None


@dataclass(frozen=True)
class Counts:
    """Opens a fresh count for each replay."""

    every: int = 3

    def monitor(self) -> Count:
        return Count(self.every)


class Count:
    """Fires at every so many ticks."""

    def __init__(self, every: int) -> None:
        self.every, self.seen = every, 0

    def fires(self, view: Any) -> Reason | None:
        self.seen += 1
        return Reason("again") if self.seen % self.every == 0 else None


ROWS: dict[int, Any] = {}


@dataclass(frozen=True)
class RemembersRows:
    """A window with a cache that knows the row, and not the history."""

    def select(self, view: Any) -> Selection:
        if view.past not in ROWS:
            ROWS[view.past] = Selection(view.labelled.newest(90))
        return ROWS[view.past]


@dataclass(frozen=True)
class WorksItOut:
    """A window without one."""

    def select(self, view: Any) -> Selection:
        return Selection(view.labelled.newest(90))


@dataclass(frozen=True)
class KeepsAView:
    """A trigger that asks the view of the replay before."""

    kept: ClassVar[list[Any]] = []

    def monitor(self) -> KeepsAView:
        return self

    def fires(self, view: Any) -> Reason | None:
        self.kept[:1] = [*self.kept[:1], view][:1]
        then = self.kept[0]
        rows = slice(view.past - 20, min(view.past + 20, then.past))
        return Reason("warm") if then.X(rows)[:, 0].mean() > 0 else None


# --- what draws, and what reads a clock -----------------------------------------------------------


@dataclass(frozen=True)
class Tosses:
    """Draws from the generator that all code shares."""

    def monitor(self) -> Tosses:
        return self

    def fires(self, view: Any) -> Reason | None:
        return Reason("heads") if random.random() < 0.3 else None


@dataclass(frozen=True)
class Seeded:
    """Draws from a generator of its own."""

    seed: int = 0

    def monitor(self) -> Seeded:
        return self

    def fires(self, view: Any) -> Reason | None:
        drawn = np.random.default_rng([self.seed, view.past]).random()
        return Reason("heads") if drawn < 0.3 else None


@dataclass(frozen=True)
class DrawsUnseeded:
    """A window that draws a sample without a seed."""

    def select(self, view: Any) -> Selection:
        known = Selection(view.labelled.newest(150))
        drawn = np.random.default_rng().choice(len(known), 80, replace=False)
        return known.take(np.sort(drawn))


@dataclass(frozen=True)
class DrawsSeeded:
    """A window that draws with one."""

    seed: int = 0

    def select(self, view: Any) -> Selection:
        known = Selection(view.labelled.newest(150))
        rng = np.random.default_rng([self.seed, view.past])
        return known.take(np.sort(rng.choice(len(known), min(80, len(known)), replace=False)))


@dataclass(frozen=True)
class ReadsAClock:
    """Fires by the time of the machine."""

    def monitor(self) -> ReadsAClock:
        return self

    def fires(self, view: Any) -> Reason | None:
        return Reason("it is time") if time.time_ns() // 1000 % 3 == 0 else None


@dataclass(frozen=True)
class ReadsTheTime:
    """Fires by the time of the replay."""

    def monitor(self) -> ReadsTheTime:
        return self

    def fires(self, view: Any) -> Reason | None:
        return Reason("it is Monday") if view.now.dayofweek == 0 and view.now.hour < 12 else None


# --- updates and gates ----------------------------------------------------------------------------


@dataclass(frozen=True)
class FitsItsParent:
    """Goes on with the very model that is in service."""

    def fit(self, model: Any, X: Any, y: Any, weights: Any, parent: Any, seed: int) -> Any:
        return (model if parent is None else parent).partial_fit(X, y)


@dataclass(frozen=True)
class JudgesItsTraining:
    """Deploys what is better on the rows of the training."""

    by_hand: bool = False

    def open(self) -> JudgesItsTraining:
        return self

    def check(self, selection: Selection, view: Any) -> None:
        return None

    def reserve(self, selection: Selection) -> tuple[Selection, None]:
        return selection, None

    def review(self, view: Any) -> Verdict:
        rows = view.challenger.selection.rows
        if self.by_hand:
            said = view.challenger.estimator.predict(view.X(rows))
            new = np.abs(said - view.y(rows)).mean()
        else:
            new = view.challenger.loss(rows).mean()
        better = new < view.model.loss(rows).mean()
        return Verdict.deploy() if better else Verdict.reject()


def sgd() -> Any:
    return SGDRegressor(max_iter=5, tol=None, eta0=1e-4)


def over(sold: Any) -> Any:
    """A plain function that closes over a table."""
    return lambda view: bool(np.mean(sold[view.past : view.past + 20]) > 14)


FUTURE, AGAIN = "sees the future", "is not repeatable"
HELD, JUDGES = "holds the history", "judges its own training"

PARTS = [
    Member(
        "a trigger that holds the table of labels",
        lambda: case(trigger=KnowsTheTable(SOLD)),
        lambda: case(trigger=KnowsItsPast()),
        HELD,
        "trigger KnowsTheTable",
    ),
    Member(
        "a window that reads a table of its module",
        lambda: case(window=ReadsAGlobal()),
        lambda: case(window=ReadsTheView()),
        HELD,
        "window ReadsAGlobal",
    ),
    Member(
        "a lambda that closes over the whole table",
        lambda: case(trigger=over(SOLD)),
        lambda: case(trigger=lambda view: bool(view.y(view.labelled.newest(20)).mean() > 14)),
        HELD,
        "trigger lambda view",
    ),
    Member(
        "a threshold that is the mean of all labels",
        lambda: case(trigger=AboveTheMean(float(SOLD.mean()))),
        lambda: case(trigger=AboveTheMean(float(SOLD[:150].mean()))),
        HELD,
        "trigger AboveTheMean",
    ),
    Member(
        "a trigger that looks at later features",
        lambda: case(trigger=Reaches("features")),
        lambda: case(trigger=Asks()),
        FUTURE,
        "trigger Reaches",
    ),
    Member(
        "a trigger that looks at when labels will arrive",
        lambda: case(trigger=Reaches("label times")),
        lambda: case(trigger=Asks()),
        FUTURE,
        "trigger Reaches",
    ),
    Member(
        "a trigger that counts the rows to come",
        lambda: case(trigger=Reaches("rows")),
        lambda: case(trigger=Asks()),
        FUTURE,
        "trigger Reaches",
    ),
    Member(
        "a window that looks at labels that have not arrived",
        lambda: case(window=PeeksAtLabels()),
        lambda: case(window=ReadsTheView()),
        FUTURE,
        "window PeeksAtLabels",
    ),
    Member(
        "a gate that judges on rows to come",
        lambda: case(gate=Foresees()),
        lambda: case(gate=BeatsChampion(min_rows=3)),
        FUTURE,
        "gate Foresees",
    ),
    Member(
        "a counter in a class attribute",
        lambda: case(trigger=CountsInItsClass()),
        lambda: case(trigger=Counts(3)),
        AGAIN,
        "trigger CountsInItsClass",
    ),
    Member(
        "a list in a variable of the module",
        lambda: case(trigger=CountsInItsModule()),
        lambda: case(trigger=Counts(4)),
        AGAIN,
        "trigger CountsInItsModule",
    ),
    Member(
        "a list as a default argument",
        lambda: case(trigger=CountsInADefault()),
        lambda: case(trigger=Counts(5)),
        AGAIN,
        "trigger CountsInADefault",
    ),
    Member(
        "a counter in a trigger that is its own monitor",
        lambda: case(trigger=CountsInItself()),
        lambda: case(trigger=Counts()),
        AGAIN,
        "trigger CountsInItself",
    ),
    Member(
        "a cache whose key leaves the history out",
        lambda: case(window=RemembersRows()),
        lambda: case(window=WorksItOut()),
        AGAIN,
        "window RemembersRows",
    ),
    Member(
        "a monitor that keeps the view and asks it later",
        lambda: case(trigger=KeepsAView()),
        lambda: case(trigger=Asks()),
        AGAIN,
        "trigger KeepsAView",
    ),
    Member(
        "draws from the global random generator",
        lambda: case(trigger=Tosses()),
        lambda: case(trigger=Seeded()),
        AGAIN,
        "trigger Tosses",
    ),
    Member(
        "a sample drawn without a seed",
        lambda: case(window=DrawsUnseeded()),
        lambda: case(window=DrawsSeeded()),
        AGAIN,
        "window DrawsUnseeded",
    ),
    Member(
        "a trigger that reads the machine's clock",
        lambda: case(trigger=ReadsAClock()),
        lambda: case(trigger=ReadsTheTime()),
        AGAIN,
        "trigger ReadsAClock",
    ),
    Member(
        "an update that goes on with its parent in place",
        lambda: case(sgd(), stream(), update=FitsItsParent()),
        lambda: case(sgd(), stream(), update=PartialFit()),
        "is not one model a version",
        "",
    ),
    Member(
        "a gate that judges on the rows of the training",
        lambda: case(gate=JudgesItsTraining()),
        lambda: case(gate=BeatsChampion(min_rows=3)),
        JUDGES,
        "gate JudgesItsTraining",
    ),
    Member(
        "the same, by hand through the estimator",
        lambda: case(window=Sliding("8D"), gate=JudgesItsTraining(by_hand=True)),
        lambda: case(window=Sliding("8D"), gate=BeatsChampion(min_rows=3)),
        JUDGES,
        "gate JudgesItsTraining",
    ),
]
