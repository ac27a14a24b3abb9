"""What the jobs of a sweep advise, as data: which strategy each, and which axes tell that apart."""

from __future__ import annotations

from collections import Counter
from collections.abc import Mapping, Sequence
from dataclasses import dataclass, replace
from functools import cached_property
from itertools import combinations
from typing import TYPE_CHECKING, Any

import numpy as np
import pandas as pd
from numpy.typing import NDArray

from backtrain.reports.sweep.frame import text
from backtrain.reports.sweep.settings import Settings

if TYPE_CHECKING:
    from backtrain.reports.sweep.result import Result

#: Axes by which jobs are told apart, values of one, and strategies that a sentence has, at most.
_AXES, _VALUES, _TOLD = 8, 5, 6

#: Values of axes, by key; in words "model=linear, prices.retrain=100".
Where = dict[str, list[Any]]


@dataclass(frozen=True)
class Group:
    """The jobs that advise one strategy.

    Attributes
    ----------
    strategy : str
        Its name among the strategies of the sweep.
    jobs : int
        How many jobs advise it.
    of : int
        How many jobs hold it.
    keeps : bool
        Whether it is the baseline of all of them.
    confidence : mapping of str to int
        How many of them are "sure", "likely", "unsure"; without those that keep their baseline.
    where : mapping of str to list, or None
        Values of axes that these jobs have and no other one, of as few axes as tell them apart;
        None where no few axes and values do.
    """

    strategy: str
    jobs: int
    of: int
    keeps: bool
    confidence: Mapping[str, int]
    where: Where | None = None


@dataclass(frozen=True, eq=False)
class Advised:
    """What the jobs' own verdicts advise, which rest on expected costs.

    Attributes
    ----------
    table : DataFrame
        A row a job that is done: ``number``, ``setting``, ``strategy`` (missing where its verdict
        says nothing), ``keeps``, ``confidence``, ``saves`` (share of what the baseline is expected
        to cost; NaN where that is not known), and a column an axis: which of its values, by
        position.
    held : mapping of str to int
        How many jobs hold each strategy.
    axes : mapping of str to tuple
        Keys that differ between settings, with their values.
    """

    table: pd.DataFrame
    held: Mapping[str, int]
    axes: Mapping[str, tuple[Any, ...]]

    @classmethod
    def of(cls, results: Sequence[Result], settings: Settings) -> Advised:
        """Of the jobs that are done; strategies are named as in the settings."""
        cells = settings.cells
        named = zip(cells["name"], cells["strategy"], cells["jobs"], strict=True)
        names = {(job, str(name)): str(label) for name, label, own in named for job in own}
        at = {key: {text(v): i for i, v in enumerate(own)} for key, own in settings.axes.items()}
        rows = []
        for job, (one, setting) in enumerate(zip(results, settings.of_job, strict=True)):
            if setting is not None:
                strategy = names.get((job, str(one.advises)))
                keeps = strategy is not None and one.advises == one.baseline
                told = (strategy, keeps, one.confidence, one.saved)
                own = [places[text(one.overrides.get(key))] for key, places in at.items()]
                rows.append((one.number, setting, *told, *own))
        columns = ["number", "setting", "strategy", "keeps", "confidence", "saves", *settings.axes]
        held = Counter(names.values())
        return cls(pd.DataFrame(rows, columns=pd.Index(columns)), held, settings.axes)

    @cached_property
    def told(self) -> pd.DataFrame:
        """The rows of jobs that advise something."""
        return self.table[self.table["strategy"].notna()]

    @cached_property
    def groups(self) -> list[Group]:
        """Jobs by the strategy that they advise, the most frequent first."""
        names = self.told["strategy"].to_numpy()
        return [
            replace(group, where=self._where(names == group.strategy)) if n < _TOLD else group
            for n, group in enumerate(self.among(self.told))
        ]

    def among(self, rows: pd.DataFrame) -> list[Group]:
        """Likewise of some rows of the table, without what tells them apart."""
        rows = rows[rows["strategy"].notna()]
        found = []
        for name, own in rows.groupby("strategy", sort=False):
            sure = Counter(word for word in own["confidence"] if word)
            keeps = bool(own["keeps"].all())
            found.append(Group(str(name), len(own), self.held[str(name)], keeps, sure))
        return sorted(found, key=lambda group: -group.jobs)

    def at(self, key: str, value: int) -> list[Group]:
        """Likewise of the jobs at one value of an axis, by its position."""
        return self.among(self.table[self.table[key] == value])

    @property
    def divided(self) -> str:
        """The one axis whose values tell what is advised; empty where none does, or all agree."""
        axes = [list(group.where or {}) for group in self.groups]
        same = len(axes) > 1 and all(len(own) == 1 and own == axes[0] for own in axes)
        return axes[0][0] if same else ""

    @cached_property
    def partly(self) -> str:
        """The axis at whose values different strategies are advised most often; empty for none.

        The one by which the most jobs can be told, where that is more than without it.
        """
        found, most = "", max((group.jobs for group in self.groups), default=0)
        for key, values in self.axes.items():
            if 1 < len(values) <= _VALUES:
                first = [own[0] for i in range(len(values)) if (own := self.at(key, i))]
                if len({one.strategy for one in first}) > 1:
                    right = sum(one.jobs for one in first)
                    found, most = (key, right) if right > most else (found, most)
        return found

    @cached_property
    def by_luck(self) -> tuple[int, int]:
        """Of jobs that differ in the seed alone: groups that disagree, and groups in all."""
        if "seed" not in self.axes:
            return 0, 0
        others = [self.told[key] for key in self.axes if key != "seed"]
        by = self.told.groupby(others or np.zeros(len(self.told)))["strategy"]
        several = by.nunique()[by.size() > 1]
        return int((several > 1).sum()), len(several)

    def _where(self, own: NDArray[np.bool_]) -> Where | None:
        """Values that these rows have and no others: of the fewest axes, of all such choices."""
        inside: dict[str, NDArray[np.bool_]] = {}
        values: Where = {}
        for key in self.axes:
            at = self.told[key].to_numpy()
            held = sorted(set(at[own].tolist()))
            within = np.isin(at, held)
            if len(held) <= _VALUES and not within.all():
                inside[key], values[key] = within, [self.axes[key][i] for i in held]
        keys = list(inside)[:_AXES]
        for size in range(1, len(keys) + 1):
            exact = [
                some
                for some in combinations(keys, size)
                if not (np.logical_and.reduce([inside[key] for key in some]) & ~own).any()
            ]
            if exact:
                named = {key for some in exact for key in some}
                return {key: values[key] for key in keys if key in named}
        return None
