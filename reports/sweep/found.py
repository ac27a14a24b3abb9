"""What a sweep found, in sentences: what its jobs advise, and what cost least in hindsight."""

from __future__ import annotations

import math
from collections.abc import Iterable
from functools import cached_property

import numpy as np
import pandas as pd

from backtrain.reports.numbers import count, listing, number, shorten
from backtrain.reports.sweep import advised_found
from backtrain.reports.sweep.advised import Group
from backtrain.reports.sweep.frame import text
from backtrain.reports.sweep.importance import Importance
from backtrain.reports.sweep.pooled import FEWEST, Pooled
from backtrain.reports.sweep.sweep import REPLICATES, Sweep
from backtrain.reports.sweep.words import change, reach, shown

IN_SAMPLE = (
    "To choose among these strategies and settings is to choose on the span that they are judged "
    "on: what is chosen looks better here than it will be. Run the one you choose on later rows "
    "(start=), or mark it: strategy.tuned_until=DATE, in Python Strategy(..., tuned_until=DATE): "
    "the end of that span."
)
#: Axes and values that a sentence names, and the first characters of a strategy's name.
_AXES_TOLD, _VALUES_TOLD, _NAME = 3, 4, 60
#: Roles that strategies are drawn in, and their colours in words.
_COLOURS = {"winner": "blue", "runner": "green", "drift": "violet", "baseline": "orange"}
#: The keys that say of what the rows of a job were made, and how.
_MAKE_ROWS = ("dataset", "latency", "faults", "lags", "horizon")
#: What strategies are called as an axis.
_WHICH = "which strategy"


class Found:
    """What is said, shown and coloured alike in page and terminal, of one sweep.

    Attributes
    ----------
    sweep : Sweep
    """

    def __init__(self, sweep: Sweep) -> None:
        self.sweep = sweep
        self.settings, self.pooled, self.advised = sweep.settings, sweep.pooled, sweep.advised
        self.number = len({s for s in sweep.settings.of_job if s is not None})

    @cached_property
    def best(self) -> str:
        """The strategy of the least cost relative to the baseline, on average: in hindsight."""
        return self.pooled.least() if self.number else ""

    @property
    def apart(self) -> bool:
        """Whether jobs of a setting hold different strategies: none has chosen among all."""
        return bool(self.settings.choices)

    @property
    def agreed(self) -> Group | None:
        """What all jobs advise that advise anything; None where they differ."""
        groups = self.advised.groups
        alike = len(groups) == 1 and (groups[0].keeps or not self.apart)
        return groups[0] if alike else None

    @cached_property
    def leading(self) -> str:
        """The strategy that most jobs advise; in hindsight the best where nobody chose among all.

        Of two that are advised as often, the one that cost less in hindsight.
        """
        groups = [] if self.apart and not self.agreed else self.advised.groups
        often = [one.strategy for one in groups if one.jobs == groups[0].jobs]
        order = [self.best, *map(str, self.pooled.table.index)]
        return next((name for name in order if name in often), self.best)

    @cached_property
    def against(self) -> str:
        """What it is held against, in words."""
        held = self.settings.held
        return held[0] if len(held) == 1 else "the baseline" if held else ""

    @cached_property
    def keeps(self) -> bool:
        """Whether the best in hindsight is the baseline itself."""
        return self.best in self.settings.held

    @cached_property
    def next_best(self) -> str:
        """The next cheapest on average, or by wins; empty where there is none."""
        others = self.pooled.table.drop(index=self.best, errors="ignore")
        return str(others.index[0]) if len(others) else ""

    @cached_property
    def roles(self) -> dict[str, str]:
        """Colours of strategies: most often advised, baseline, those that cost least most often."""
        roles = {self.leading: "winner"} if self.number else {}
        roles |= {name: "baseline" for name in self.settings.held[:1] if name not in roles}
        often = self.pooled.table.sort_values("wins", ascending=False, kind="stable").index
        free = [role for role in _COLOURS if role not in roles.values()]
        return roles | dict(zip((n for n in map(str, often) if n not in roles), free, strict=False))

    def colours(self, names: Iterable[str]) -> str:
        """Which of these strategies has which colour, in words."""
        occur = dict.fromkeys(names)
        told = [
            f"{colour} is {shorten(name, 40)}"
            for role, colour in _COLOURS.items()
            for name in occur
            if self.roles.get(name) == role
        ]
        return listing([*told, *(["grey any other"] if len(told) < len(occur) else [])])

    @cached_property
    def by_value(self) -> dict[str, list[Pooled]]:
        """Of each axis, strategies over the settings of each of its values."""
        found = {}
        for key, values in self.settings.axes.items():
            groups = dict(list(self.settings.cells.groupby(key)))
            none = self.settings.cells.iloc[:0]
            found[key] = [self.sweep.pool(groups.get(i, none)) for i in range(len(values))]
        return found

    @cached_property
    def importance(self) -> Importance | None:
        """What explains the cost relative to the baseline: axes, and which strategy it is."""
        points, axes = self.points
        return Importance.of(points[points["log"].notna()], "log", axes)

    @cached_property
    def points(self) -> tuple[pd.DataFrame, list[str]]:
        """Cells without those of baselines, with what was chosen; and the axes to explain them.

        Where strategies differ in what was swept for them (``strategy.trigger.every=``), these are
        the axes, and only the strategies that it was swept for are points.
        """
        cells = self.settings.cells
        logs = cells["relative"].where(cells["relative"] > 0).map(math.log, na_action="ignore")
        held = {(setting, name) for setting, (name, _) in self.settings.baselines.items()}
        pairs = zip(cells["setting"], cells["strategy"], strict=True)
        own = np.array([pair not in held for pair in pairs], dtype=bool)
        points = cells.assign(log=logs.astype(np.float64))[own]
        chosen = [key for key in self.settings.choices if key != "strategy"]
        own_values = points["name"] != points["strategy"]
        chosen, points = (chosen, points[own_values]) if own_values.any() else ([], points)
        for key in chosen:
            at = {text(v): i for i, v in enumerate(self.settings.choices[key])}
            given = [text(one.overrides.get(key)) for one in self.sweep.results]
            points = points.assign(**{key: [at[given[job]] for job in points["job"]]})
        of_name = "name" if chosen else "strategy"
        points = points.assign(**{_WHICH: pd.factorize(points[of_name])[0]})
        return points, [*self.settings.axes, *chosen, _WHICH]

    @property
    def ordered(self) -> list[str]:
        """Axes of settings: those that matter first, replicates last."""
        told = self.importance
        return sorted(
            self.settings.axes,
            key=lambda key: (key in REPLICATES, -told.of_axis(key) if told else 0),
        )

    @property
    def chosen(self) -> list[str]:
        """Keys that were swept for strategies themselves, where these can be drawn."""
        return [key for key in self.settings.choices if key in self.points[1]]

    # --- sentences --------------------------------------------------------------------------------

    @cached_property
    def lead(self) -> str:
        """What the jobs advise, in how many of them, and where that differs."""
        if not self.number:
            return f"No job has finished: {self.ended}."
        if told := advised_found.lead(self.advised, self.apart):
            return told
        if len(self.settings.names) == 1:
            return f"{shorten(self.best, _NAME)} was run alone, in {self.reached}."
        return "No job advises anything: none could hold its strategies against one another."

    @cached_property
    def hindsight(self) -> str:
        """What cost least on the paths that were replayed, over how much, and by how much."""
        if not self.number or not self.next_best:
            return ""
        best, table = shorten(self.best, _NAME), self.pooled.table
        over = f" on average over {self.reached}" if self.number > 1 else ""
        if table["relative"].isna().all():
            told = (
                f"{best} costs least in {number(int(table['wins'][self.best]))} of {self.reached}"
            )
        elif not self.keeps:
            told = change(table["relative"][self.best])
            told += f" {'as' if told.endswith('as much') else 'than'} {self.against}"
            told = f"{best} costs least{over}: {told}{self._reach(self.best)}"
        else:
            ratio = table["relative"][self.next_best]
            more = "more" if math.isnan(ratio) else f"{change(ratio)}{self._reach(self.next_best)}"
            told = f"nothing costs less than {best}{over}; {shorten(self.next_best, _NAME)} costs "
            told += more
        return f"In hindsight, on the paths that were replayed, {told}{self._unadvised()}."

    def _unadvised(self) -> str:
        """Says that no job advises what cost least."""
        names = [one.strategy for one in self.advised.groups]
        return "; no job advises it" if names and self.best not in names else ""

    @cached_property
    def reached(self) -> str:
        """How many settings there are, and of how many data sets and seeds where of several."""
        cells = self.settings.cells
        kinds = {"data set": cells["data"].nunique(), "seed": cells["seed"].nunique(dropna=False)}
        of = [count(int(n), noun) for noun, n in kinds.items() if n > 1]
        return count(self.number, "setting") + (f" of {listing(of)}" if of else "")

    def _reach(self, name: str) -> str:
        low, high = (self.pooled.table[end][name] for end in ("low", "high"))
        return "" if math.isnan(low) else f" (95 % interval: {reach(low, high)})"

    @property
    def beside(self) -> list[str]:
        """What must be said right beside the lead."""
        chosen = IN_SAMPLE if self.number and len(self.sweep.results) > 1 else ""
        lines = [
            *advised_found.beside(self.advised, self.apart, self.settings.cells["data"].nunique()),
            self._other_baseline(),
            self.hindsight,
            self._luck(),
            *self.elsewhere(),
            self._unfinished(),
            self._changed(),
            self._uneven(),
            self._left_out(),
        ]
        # Where the sweep was over strategies, choosing among them was its very purpose.
        lines = [chosen, *lines] if self.settings.choices else [*lines, chosen]
        return [line for line in lines if line]

    def _luck(self) -> str:
        table = self.pooled.table
        if not self.number or table["relative"].isna().all():
            return ""
        if self.pooled.units < FEWEST:
            what = "data sets" if self.pooled.unit == "data" else "data sets or seeds"
            return f"No interval: fewer than {FEWEST} {what} show how much of this is luck."
        name = self.next_best if self.keeps else self.best
        if not name or math.isnan(table["low"][name]):
            return "No interval: the seeds change nothing here, so they show no luck."
        on = (
            ""
            if self.pooled.unit == "data"
            else " The interval is over seeds of one data set, and tells nothing of others."
        )
        if table["low"][name] < 1 < table["high"][name]:
            return f"That may be luck: the interval includes no difference at all.{on}"
        return on.strip()

    def elsewhere(self) -> list[str]:
        """Where another strategy than the best costs least in hindsight, an axis a line."""
        lines = []
        for key in [key for key in self.ordered if key != "seed"]:
            winners: dict[str, list[str]] = {}
            for value, own in zip(self.settings.axes[key], self.by_value[key], strict=True):
                if len(own.table):
                    winners.setdefault(own.least(), []).append(shown(value))
            others = {n: values for n, values in winners.items() if n != self.best}
            if others:
                told = [
                    f"{shorten(name, _NAME)} at {listing(values, _VALUES_TOLD)}"
                    for name, values in others.items()
                ]
                lines.append(
                    f"Not everywhere: by {key}, it would be {listing(told)}, in hindsight."
                )
        return lines[:_AXES_TOLD]

    def _other_baseline(self) -> str:
        """Says that advice and costs are held against different baselines."""
        own = {one.baseline for one in self.sweep.results if one.advises is not None}
        if not own or {*self.settings.held} <= own:
            return ""
        names = listing(shorten(str(name), _NAME) for name in sorted(map(str, own)))
        return f"The jobs advise against {names}; costs here are held against {self.against}."

    @property
    def ended(self) -> str:
        """How many jobs ended how: "3 failed and 1 missing"."""
        kinds = ("done", "failed", "stopped", "missing")
        found = self.sweep.ended
        return listing(f"{number(found[kind])} {kind}" for kind in kinds if found[kind])

    def _unfinished(self) -> str:
        left = len(self.sweep.results) - self.sweep.ended["done"]
        if not left or not self.number:
            return ""
        jobs = count(len(self.sweep.results), "job")
        return f"Of {jobs}: {self.ended}. What is not done is left out."

    def _changed(self) -> str:
        """Whether jobs that name the same source have read other rows there."""
        read: dict[str, set[str]] = {}
        for one in self.sweep.results:
            if one.status == "done" and one.config.get("dataset"):
                source = text([one.config.get(key) for key in _MAKE_ROWS])
                read.setdefault(source, set()).add(str(one.stream.get("fingerprint")))
        most = max(map(len, read.values()), default=0)
        if most < 2:
            return ""
        return (
            f"The data changed in between: one source was read with {number(most)} different "
            "contents. The same line again does the jobs of the earlier ones anew."
        )

    def _uneven(self) -> str:
        """Which strategies the settings do not all hold, as where a job of one has failed."""
        if not self.number:
            return ""
        held = self.pooled.table["settings"]
        fewer = held[(held < self.number) & (held >= self.number / 2)]
        if not len(fewer):
            return ""
        told = [f"{shorten(str(name), _NAME)} in {number(n)}" for name, n in fewer.items()]
        return (
            f"Not every strategy is in all {count(self.number, 'setting')} ({listing(told, 3)}): "
            "each mean is over its own."
        )

    def _left_out(self) -> str:
        lines = []
        if gains := len(self.settings.without_ratio):
            lines.append(
                f"In {count(gains, 'setting')} the baseline's total is 0 or negative, a gain: no "
                "ratio to it says anything, and only who costs least is counted there."
            )
        if unheld := len(self.settings.unheld):
            name = self.sweep.baseline or "their baseline"
            lines.append(f"Without {name}, and so without ratios: {count(unheld, 'setting')}.")
        return " ".join(lines)

    @property
    def over(self) -> str:
        """What was swept: "dataset 4, seed 3"."""
        told = [f"{key} ({number(len(values))})" for key, values in self.sweep.axes.items()]
        return listing(told) if told else "nothing"
