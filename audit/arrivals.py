"""When labels arrive: windows that are too short for them, and delays that depend on the class."""

from __future__ import annotations

from collections.abc import Iterable, Iterator
from dataclasses import fields, is_dataclass
from typing import Any, NamedTuple

import numpy as np
import pandas as pd
from numpy.typing import NDArray
from scipy import stats

from backtrain.datasets.offsets import nanoseconds, parse_offset
from backtrain.simulator.setup import Setup
from backtrain.strategies.windows.sliding import CompleteCohorts, Sliding

#: A window is too short where more than this share of the labels comes when their row has left it.
_TOO_LATE = 0.1
#: Stretches of the history in which classes are compared, and those of a class that each needs.
_BLOCKS, _FEWEST_BLOCKS, _OF_EACH = 20, 8, 5
#: The chance of an alarm where delays do not depend on the class, all classes together.
_CHANCE = 1e-3
#: How often, at least, a label of one class comes before one of another: 0.5 is by chance.
_OFTEN = 0.6
#: By how much the share of known labels differs between classes, at least, where it matters.
_UNFAIR = 0.05
_MOST_CLASSES = 10
_LOOKS = 5


class Earlier(NamedTuple):
    """A class whose labels come earlier, or later, than those of the others.

    Attributes
    ----------
    name
        The class.
    often : float
        How often one of its labels comes before one of another class, ties half.
    p : float
        Of this or more by chance, if delays did not depend on the class.
    """

    name: Any
    often: float
    p: float


def earlier(setup: Setup) -> Earlier | None:
    """The class whose delays differ most from those of the others, where that is no chance.

    In each of 20 stretches of the history, as many rows in each, it is counted how often a label
    of the class comes before one of another class (the Mann-Whitney statistic); the counts of the
    stretches are held against one half by a t-test. Neighbouring rows may be alike: only stretches
    must not be. Silent below eight stretches with five labels of the class and five others.
    """
    if setup.classes is None:
        return None
    label, truth = setup.label_at, setup.truth
    rows = np.flatnonzero(label < np.iinfo(np.int64).max)
    delay, code = (label - setup.event_at)[rows], truth[rows]
    if len(rows) == 0 or (delay == delay[0]).all():
        return None
    counts = np.bincount(code, minlength=len(setup.classes))
    common = np.argsort(-counts, kind="stable")[:_MOST_CLASSES]
    if len(setup.classes) == 2:  # the rarer one says it of the other, too
        common = common[1:]
    found = []
    for one in common.tolist():
        often = [_often(part[at == one], part[at != one]) for part, at in _blocks(delay, code)]
        told = np.array([share for share in often if share is not None])
        if len(told) < _FEWEST_BLOCKS:
            continue
        p = 0.0 if np.ptp(told) == 0 else float(stats.ttest_1samp(told, 0.5).pvalue)
        mean = float(told.mean())
        if mean != 0.5 and p < _CHANCE / len(common):
            found.append(Earlier(setup.classes.tolist()[one], mean, p))
    most = max(found, key=lambda one: abs(one.often - 0.5), default=None)
    return most if most is not None and abs(most.often - 0.5) >= _OFTEN - 0.5 else None


def _blocks(
    delay: NDArray[np.int64], code: NDArray[np.int64]
) -> Iterator[tuple[NDArray[np.int64], NDArray[np.int64]]]:
    yield from zip(np.array_split(delay, _BLOCKS), np.array_split(code, _BLOCKS), strict=True)


def _often(one: NDArray[np.int64], others: NDArray[np.int64]) -> float | None:
    """How often a value of one comes before one of the others, ties half."""
    if min(len(one), len(others)) < _OF_EACH:
        return None
    ranks = stats.rankdata(np.concatenate((one, others)))[: len(one)]
    after = ranks.sum() - len(one) * (len(one) + 1) / 2
    return float(1 - after / (len(one) * len(others)))


class Remark(NamedTuple):
    """What is wrong, and the overrides of the command line that mend it."""

    says: str
    keys: str = ""


class _Reach(NamedTuple):
    """A window without what holds it, and how far it reaches back: time or labels; else all."""

    window: Any
    nanoseconds: int | None
    labels: int | None


def _reaches(windows: Iterable[Any]) -> list[_Reach]:
    """Of windows by time, also within others, but not where complete cohorts are asked for."""
    found: dict[str, _Reach] = {}
    for window in windows:
        inner = _inner(window)
        if inner is None:
            continue
        length = inner.length if isinstance(inner, Sliding) else None
        labels = length if isinstance(length, int) else None
        reach = None
        if isinstance(length, str):
            epoch = pd.Timestamp("2001-01-01")  # a month of 31 days
            reach = nanoseconds((epoch + parse_offset(length)) - epoch)
        found.setdefault(repr(inner), _Reach(inner, reach, labels))
    return list(found.values())


def _inner(window: Any) -> Any:
    """The window that says which rows, or None where only complete periods are taken."""
    while not isinstance(window, CompleteCohorts):
        names = {field.name for field in fields(window)} if is_dataclass(window) else set()
        if "window" not in names:
            return window
        window = window.window
    return None


def label_warnings(setup: Setup, windows: Iterable[Any]) -> list[Remark]:
    """What is wrong between these windows and when labels arrive: two remarks at most."""
    reaches = _reaches(windows)
    found = [_too_short(setup, reaches), _unfair(setup, reaches)]
    return [remark for remark in found if remark is not None]


def _too_short(setup: Setup, reaches: Iterable[_Reach]) -> Remark | None:
    delay = _delays(setup)
    for reach in sorted(reaches, key=lambda one: one.nanoseconds or 0):
        late = float((delay >= reach.nanoseconds).mean()) if reach.nanoseconds else 0.0
        if late > _TOO_LATE:
            longer, keys = _remedy(delay, reach)
            return Remark(
                f"{reach.window!r} is shorter than the label delay: {100 * late:.0f} % of the "
                "labels come when their row has left it, and are never learnt; lengthen it, best "
                f"to {longer}, the weeks whose labels are all there",
                keys,
            )
    return None


def _unfair(setup: Setup, reaches: list[_Reach]) -> Remark | None:
    if not reaches or (one := earlier(setup)) is None:
        return None
    worst = max((_known(setup, one.name, reach) for reach in reaches), key=lambda share: share.gap)
    if worst.gap < _UNFAIR:
        return None
    when, often = ("before", one.often) if one.often > 0.5 else ("after", 1 - one.often)
    weeks, keys = _remedy(_delays(setup), worst.reach)
    return Remark(
        f"label delays depend on the class: label {one.name!r} is known {when} the others in "
        f"{100 * often:.0f} % of pairs; in {worst.reach.window!r}, {100 * worst.own:.0f} % of its "
        f"labels are there at a tick and {100 * worst.others:.0f} % of the others, so models learn "
        f"shares that are not true; {weeks} takes weeks whose labels are all there",
        keys,
    )


def _delays(setup: Setup) -> NDArray[np.int64]:
    """Of the labels that arrive, (m,), in nanoseconds; one of 0 where none does."""
    arrives = setup.label_at < np.iinfo(np.int64).max
    delay = (setup.label_at - setup.event_at)[arrives]
    return delay if len(delay) else np.zeros(1, dtype=np.int64)


def _remedy(delay: NDArray[np.int64], reach: _Reach) -> Remark:
    """Complete weeks of a window that holds as much as this one, were there no delay."""
    length: str | int | None = reach.labels
    if reach.nanoseconds is not None:
        day = nanoseconds(pd.Timedelta("1D"))
        days = int(np.ceil((reach.nanoseconds + float(np.quantile(delay, 0.95))) / day)) + 7
        length = f"{days}D"
    inner = reach.window if length is None else Sliding(length)
    keys = "window=complete_cohorts"
    if length is not None:
        keys += f" +window@window.window=sliding window.window.length={length}"
    return Remark(repr(CompleteCohorts(inner, "7D")), keys)


class _Share(NamedTuple):
    reach: _Reach
    own: float
    others: float

    @property
    def gap(self) -> float:
        """By how much the larger share exceeds the smaller, of the larger."""
        most = max(self.own, self.others)
        return 0.0 if most == 0 else 1 - min(self.own, self.others) / most


def _known(setup: Setup, name: Any, reach: _Reach) -> _Share:
    """Which share of a window's rows has its label at a tick, of a class and of the others."""
    event, label = setup.event_at, setup.label_at
    code = setup.classes.tolist().index(name) if setup.classes is not None else -1
    known, there = np.zeros(2), np.zeros(2)
    for at in np.linspace(setup.start_at.value, setup.end_at.value, _LOOKS + 2)[1:-1].astype(int):
        past, first = int(event.searchsorted(at)), 0
        if reach.nanoseconds is not None:
            first = int(event.searchsorted(at - reach.nanoseconds))
        if reach.labels is not None:
            first = int(np.append(np.flatnonzero(label[:past] <= at)[-reach.labels :], past)[0])
        rows = slice(first, past)
        arrives = label[rows] < np.iinfo(np.int64).max
        for kind, mine in enumerate((setup.truth[rows] == code, setup.truth[rows] != code)):
            there[kind] += np.count_nonzero(mine & arrives)
            known[kind] += np.count_nonzero(mine & (label[rows] <= at))
    own, others = np.divide(known, there, out=np.ones(2), where=there > 0).tolist()
    return _Share(reach, own, others)
