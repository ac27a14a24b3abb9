"""What of a sweep stands side by side: jobs that differ in nothing but their strategies."""

from __future__ import annotations

import json
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from typing import TYPE_CHECKING, Any

import numpy as np
import pandas as pd

from backtrain.datasets.shown import Shown
from backtrain.reports.sweep.frame import text

if TYPE_CHECKING:
    from backtrain.reports.sweep.result import Result

#: Keys that say which strategies there are, and those that change no cost at all.
_STRATEGIES = ("strategy", "comparison", "grid", "trigger", "window", "update", "gate", "baseline")
_IDLE = (
    *("n_jobs", "progress", "cache", "report", "baselines", "metrics", "hindsight", "hydra"),
    *("objective", "fail_if", "running", "run", "resume"),
)
#: Amounts are equal where so many digits are.
_DIGITS = ".12g"

Values = dict[str, tuple[Any, ...]]


@dataclass(frozen=True, eq=False, repr=False)
class Settings(Shown):
    """Jobs that are done, by setting: everything but the strategy is one.

    Attributes
    ----------
    of_job : sequence of int or None
        The setting of each result; None where it is not done.
    baselines : mapping of int to (str, float)
        What the strategies of a setting are held against, and its total.
    axes : mapping of str to tuple
        Keys that differ between settings, with their values.
    choices : mapping of str to tuple
        Keys that differ within settings: they tell strategies apart.
    cells : DataFrame
        A row a setting and strategy: ``setting``, ``strategy``, ``total``, ``reference`` (the
        total of the baseline), ``relative`` (NaN where the baseline cost nothing or has gained),
        ``retrains``, ``jobs`` (the positions of all that hold it), ``advised`` (how many of them
        advise it), ``wins``, ``held`` (whether it is the baseline), ``data`` (its data set),
        ``seed``, ``job`` (the first of them), and a column an axis: which of its values, by
        position.
    """

    of_job: Sequence[int | None]
    baselines: Mapping[int, tuple[str, float]]
    axes: Values
    choices: Values
    cells: pd.DataFrame

    @classmethod
    def of(cls, results: Sequence[Result], swept: Values, baseline: str | None = None) -> Settings:
        """Put results into settings; ``baseline`` is another one than that of the jobs."""
        of_job = _settings(results)
        inside: dict[int, list[int]] = {}
        for job, setting in enumerate(of_job):
            if setting is not None:
                inside.setdefault(setting, []).append(job)
        swept = {key: values for key, values in swept.items() if _first(key) not in _IDLE}
        choices = {
            key: values
            for key, values in swept.items()
            if key == "strategy" or any(_differ(results, jobs, key) for jobs in inside.values())
        }
        axes = {key: values for key, values in swept.items() if key not in choices}
        rows = [row for n, jobs in inside.items() for row in _rows(results, n, jobs)]
        frame = _named(pd.DataFrame(rows, columns=pd.Index(_COLUMNS)), results, choices)
        held = _baselines(frame, results, inside, baseline)
        frame = _related(frame, held)
        for key, values in axes.items():
            at = {text(value): i for i, value in enumerate(values)}
            own = [at[text(one.overrides.get(key))] for one in results]
            frame[key] = np.array(own, dtype=np.int64)[frame["job"]]
        return cls(of_job, held, axes, choices, frame)

    @property
    def unheld(self) -> list[int]:
        """Settings without the baseline that was asked for."""
        return sorted({s for s in self.of_job if s is not None} - self.baselines.keys())

    @property
    def without_ratio(self) -> list[int]:
        """Settings whose baseline has cost nothing, or gained: there are no ratios to it."""
        return [setting for setting, (_, total) in self.baselines.items() if not total > 0]

    @property
    def values(self) -> Values:
        """Both: all keys that were swept."""
        return self.axes | self.choices

    @property
    def names(self) -> list[str]:
        """All strategies, as they occur first."""
        return list(dict.fromkeys(self.cells["strategy"]))

    @property
    def held(self) -> list[str]:
        """What is held against, the most frequent first."""
        names = pd.Series([name for name, _ in self.baselines.values()], dtype=object)
        return list(names.value_counts().index)


_COLUMNS = ("setting", "name", "job", "total", "retrains", "jobs", "advised", "data", "seed")


def _settings(results: Sequence[Result]) -> list[int | None]:
    """The setting of every job; a strategy alone is of the first with the same circumstances."""
    known: dict[str, int] = {}
    found: list[int | None] = [None] * len(results)
    for alone in (False, True):
        for job, one in enumerate(results):
            costs = {r["strategy"]: r["total"] for r in _strategies(one)}
            if one.status == "done" and costs and (len(costs) == 1) == alone:
                around = _circumstances(one)
                own = costs.get(one.baseline)
                held = "" if own is None else f"{one.baseline} {own:{_DIGITS}}"
                name = around if alone else f"{around} {held}"
                found[job] = setting = known.setdefault(name, len(known))
                known.setdefault(around, setting)
    order = {n: i for i, n in enumerate(dict.fromkeys(n for n in found if n is not None))}
    return [None if setting is None else order[setting] for setting in found]


def _strategies(one: Result) -> list[Mapping[str, Any]]:
    return [row for row in one.rows if row["kind"] == "strategy" and row["total"] is not None]


def _circumstances(one: Result) -> str:
    """All of a job that is not its strategies, as text."""
    left_out = (*_STRATEGIES, *_IDLE)
    given = {key: value for key, value in one.overrides.items() if _first(key) not in left_out}
    config = {key: value for key, value in one.config.items() if key not in left_out}
    asked = [one.stream.get("fingerprint"), one.start, one.end, one.model, one.seed, one.loss]
    return json.dumps(
        [*asked, one.currency, dict(one.prices), given, config], sort_keys=True, default=str
    )


def _first(key: str) -> str:
    """The part of a key that says which group or setting it is of."""
    return key.lstrip("~").partition(".")[0].partition("@")[0]


def data_set(one: Result) -> str:
    """What tells a job's data set apart: what it was read or made from, not how it was cut.

    Other labels, delays and faults on the same rows are no other data set.
    """
    source = one.config.get("dataset")
    return text(source if source else [one.stream.get("name"), one.stream.get("fingerprint")])


def _differ(results: Sequence[Result], jobs: Sequence[int], key: str) -> bool:
    return len({text(results[job].overrides.get(key)) for job in jobs}) > 1


def _rows(results: Sequence[Result], setting: int, jobs: Sequence[int]) -> list[dict[str, Any]]:
    """The strategies of a setting; the same one with the same cost in several jobs is one."""
    rows: dict[tuple[Any, ...], dict[str, Any]] = {}
    for job in jobs:
        one = results[job]
        seed = one.overrides.get("seed") if one.seed is None else one.seed
        for row in _strategies(one):
            name, total, retrains = row["strategy"], float(row["total"]), row.get("retrains")
            facts = {"setting": setting, "name": name, "job": job, "total": total}
            facts |= {"retrains": retrains, "data": data_set(one), "seed": seed}
            same = rows.setdefault(
                (name, f"{total:{_DIGITS}}", retrains), {**facts, "jobs": (), "advised": 0}
            )
            same["jobs"] += (job,)
            same["advised"] += one.advises == name
    return list(rows.values())


def _named(frame: pd.DataFrame, results: Sequence[Result], choices: Values) -> pd.DataFrame:
    """Strategies of one name and several costs are told apart by what was chosen for them."""
    twice = frame.duplicated(["setting", "name"], keep=False)
    labels = {}
    for name in frame["name"][twice].unique():
        own = frame[frame["name"] == name]
        keys = [
            key
            for key in choices
            if any(_differ(results, jobs, key) for jobs in own.groupby("setting")["job"].agg(list))
        ]
        for at, job in own["job"].items():
            given = results[job].overrides
            parts = [f"{_short(key)}={text(given.get(key))}" for key in keys if key in given]
            labels[at] = f"{name} ({', '.join(parts)})" if parts else name
    frame = frame.assign(strategy=frame["name"].where(~frame.index.isin(labels), other=None))
    frame.loc[list(labels), "strategy"] = list(labels.values())
    again = frame.duplicated(["setting", "strategy"])
    numbers = frame["job"].map(lambda job: results[job].number)
    frame.loc[again, "strategy"] = (
        frame["strategy"][again] + " (job " + numbers[again].astype(str) + ")"
    )
    return frame


def _short(key: str) -> str:
    return key.removeprefix("strategy.")


def _baselines(
    frame: pd.DataFrame,
    results: Sequence[Result],
    inside: Mapping[int, Sequence[int]],
    wanted: str | None,
) -> dict[int, tuple[str, float]]:
    """Of each setting that holds it."""
    held = {}
    for setting, jobs in inside.items():
        own = frame[frame["setting"] == setting]
        name = wanted or results[jobs[0]].baseline
        found = [own[own[column] == name] for column in ("strategy", "name")]
        for row in [rows.iloc[0] for rows in found if len(rows)][:1]:
            held[setting] = str(row["strategy"]), float(row["total"])
    return held


def _related(frame: pd.DataFrame, held: Mapping[int, tuple[str, float]]) -> pd.DataFrame:
    """With what each cost against its baseline, and who cost least; ties win together."""
    reference = frame["setting"].map(lambda n: held.get(n, ("", np.nan))[1]).astype(np.float64)
    ratio = (frame["total"] / reference.where(reference > 0)).astype(np.float64)
    least = frame.groupby("setting")["total"].transform("min").astype(np.float64)
    near = 1e-9 * least.abs()
    names = frame["setting"].map(lambda n: held.get(n, ("", np.nan))[0])
    return frame.assign(
        reference=reference,
        relative=ratio,
        wins=(frame["total"] <= least + near).astype(bool),
        held=(frame["strategy"] == names).astype(bool),
    )
