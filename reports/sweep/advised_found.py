"""What the jobs of a sweep advise, in sentences: never more surely than their own verdicts."""

from __future__ import annotations

from collections.abc import Iterable, Sequence

from backtrain.reports.advice import RIGHT
from backtrain.reports.numbers import count, listing, number, shorten
from backtrain.reports.sweep.advised import Advised, Group, Where
from backtrain.reports.sweep.words import shown, size

#: Strategies that a sentence names, and characters of a name.
_TOLD, _NAME = 4, 60


def lead(advised: Advised, apart: bool) -> str:
    """What to run, by how many jobs, and where that differs; empty where no job says anything.

    ``apart`` says that jobs hold different strategies, so that none has chosen among all of them.
    """
    groups = advised.groups
    if not groups:
        return ""
    if len(groups) == 1 and (groups[0].keeps or not apart):
        return _agreed(groups[0], len(advised.told), apart)
    if apart:
        return _apart(groups, len(advised.told))
    if advised.divided:
        return _divided(advised)
    return _counted(groups, len(advised.told))


def beside(advised: Advised, apart: bool, sets: int) -> list[str]:
    """What must be said of it, a line each; ``sets`` is how many data sets there are."""
    lines = [_partly(advised, apart), _seeds(advised, apart), *_expected(advised, apart)]
    lines += [_right(advised), _one_history(advised, sets), _silent(advised)]
    lines += [_choose(advised, apart)]
    return [line for line in lines if line]


def named(groups: Sequence[Group], most: int = 2, width: int = 30) -> str:
    """Strategies with how many jobs advise each; one that all advise alone.

    >>> named([Group("weekly", 3, 3, False, {}), Group("static", 1, 4, True, {})])
    'weekly in 3, keep static in 1'
    """
    if len(groups) == 1:
        return _do(groups[0], width)
    told = [f"{_do(one, width)} in {number(one.jobs)}" for one in groups]
    rest = [f"{number(len(told) - most)} more"] if len(told) > most else []
    return ", ".join([*told[:most], *rest])


def at(where: Where) -> str:
    """Values of axes in words.

    >>> at({"model": ["linear"], "seed": [0, 1]})
    'model=linear, seed=0 or 1'
    """
    return ", ".join(f"{key}={_either(values)}" for key, values in where.items())


# --- the lead -------------------------------------------------------------------------------------


def _agreed(group: Group, jobs: int, apart: bool) -> str:
    name = shorten(group.strategy, _NAME)
    all_jobs = {1: "the job", 2: "both jobs"}.get(jobs, f"all {count(jobs, 'job')}")
    verb = "advises" if jobs == 1 else "advise"
    if group.keeps:
        none = "each among its own strategies" if apart else "none a change"
        return f"Keep {name}: {all_jobs} {verb} it{f', {none}' if jobs > 1 else ''}."
    return f"Run {name}: {all_jobs} {verb} it{_in_brackets(_sure(group))}."


def _counted(groups: Sequence[Group], jobs: int) -> str:
    """The most frequent first, the others with where they are advised."""
    first, *others = groups
    where = f" ({at(first.where)})" if first.where else ""
    told = [f"Advised in {number(first.jobs)} of {count(jobs, 'job')}{where}: {_told(first)}"]
    for one in others[:_TOLD]:
        other = "the other " if len(others) == 1 else ""
        many = "one" if other and one.jobs == 1 else number(one.jobs)
        where = f" ({at(one.where)})" if one.where else ""
        told.append(f"in {other}{many}{where}: {_told(one)}")
    if rest := others[_TOLD:]:
        told.append(f"in {number(sum(one.jobs for one in rest))}: {number(len(rest))} others")
    return f"{'; '.join(told)}."


def _divided(advised: Advised) -> str:
    """Where the values of one axis tell what is advised."""
    key = advised.divided
    told: list[str] = []
    places = [advised.axes[key].index((one.where or {})[key][0]) for one in advised.groups]
    for _, one in sorted(zip(places, advised.groups, strict=True), key=lambda pair: pair[0]):
        of = f"{number(one.jobs)} of {count(len(advised.told), 'job')}"
        head = f"Advised with {key}=" if not told else "with "
        values = _either((one.where or {})[key])
        told.append(f"{head}{values}: {_do(one)} ({'; '.join(filter(None, (of, _sure(one))))})")
    return f"{'; '.join(told)}."


def _apart(groups: Sequence[Group], jobs: int) -> str:
    """Each job has chosen among its own strategies, so counts are of those that hold one."""
    changes = [one for one in groups if not one.keeps]
    kept = [one for one in groups if one.keeps]
    most = sorted(changes, key=lambda one: (-one.jobs / one.of, -one.jobs))
    told = [
        f"{shorten(one.strategy, _NAME)} in {_its(one)}{_in_brackets(_sure(one))}"
        for one in most[:_TOLD]
    ]
    told += [f"{number(len(most) - _TOLD)} more"] if len(most) > _TOLD else []
    if len(most) > _TOLD and all(one.of == 1 for one in most):
        told = [f"{number(len(most))} strategies, each in its one job"]
    keep = [
        f"keep {shorten(one.strategy, _NAME)} in {number(one.jobs)} of {count(jobs, 'job')}"
        for one in kept
    ]
    return (
        "No job compares all strategies, each advises among its own. Advised: "
        f"{'; '.join([*told, *keep])}."
    )


def _its(group: Group) -> str:
    own = f"{number(group.of)} jobs"
    return "its one job" if group.of == 1 else f"{number(group.jobs)} of its {own}"


# --- beside it ------------------------------------------------------------------------------------


def _partly(advised: Advised, apart: bool) -> str:
    """What an axis tells, where none tells all."""
    groups = advised.groups
    known = advised.divided or all(one.where for one in groups[1:])
    if apart or len(groups) < 2 or known:
        return ""
    if not (key := advised.partly):
        return "No axis of the sweep tells where which is advised: look at the table of jobs."
    told = []
    for i, value in enumerate(advised.axes[key]):
        if own := advised.at(key, i):
            of = sum(one.jobs for one in own)
            told.append(f"{shown(value)} {_do(own[0])} in {number(own[0].jobs)} of {number(of)}")
    return f"Advised most often by {key}: with {', with '.join(told)}."


def _seeds(advised: Advised, apart: bool) -> str:
    """Where the luck of a seed decides."""
    differ, groups = advised.by_luck
    if apart or not differ:
        return ""
    what = f"{number(differ)} of {count(groups, 'group')}"
    return f"Jobs that differ in the seed alone disagree in {what}: there luck decides."


def _expected(advised: Advised, apart: bool) -> list[str]:
    """What the jobs that advise the most frequent change expect of it."""
    first = next((one for one in advised.groups if not one.keeps), None)
    if apart or first is None:
        return []
    own = advised.told[advised.told["strategy"] == first.strategy]
    shares = own.loc[~own["keeps"].astype(bool), "saves"].dropna()
    if not len(shares) or shares.min() < 0:
        return []
    low, high = (size(1 - share) for share in (shares.min(), shares.max()))
    saved = low if low == high else f"{low} to {high}"
    name = shorten(first.strategy, _NAME)
    return [f"Where {name} is advised, it is expected to save {saved} against what it replaces."]


def _right(advised: Advised) -> str:
    """How often advice of these words was right."""
    words = {word for group in advised.groups for word in group.confidence}
    told = [f"{word} in {RIGHT[word]}" for word in RIGHT if word in words]
    return f"How often such advice was right: {listing(told)}." if told else ""


def _one_history(advised: Advised, sets: int) -> str:
    """Says that jobs on the same rows are no confirmation of one another."""
    if sets > 1 or not any(one.jobs > 1 and not one.keeps for one in advised.groups):
        return ""
    return "All jobs are of one data set: that several agree makes their advice no surer."


def _silent(advised: Advised) -> str:
    if not (silent := len(advised.table) - len(advised.told)):
        return ""
    what = "the strategy was run alone, or had nothing to be held against"
    return f"{count(silent, 'job')} more advise{'s' if silent == 1 else ''} nothing: {what}."


def _choose(advised: Advised, apart: bool) -> str:
    changes = [one for one in advised.groups if not one.keeps]
    if not apart or len(changes) < 2:
        return ""
    return (
        "To be advised which of them, compare them in one job: without -m, by strategy=[...] or "
        "grid.KEY=[...]."
    )


# --- words ----------------------------------------------------------------------------------------


def _do(group: Group, width: int = _NAME) -> str:
    name = shorten(group.strategy, width)
    return f"keep {name}" if group.keeps else name


def _told(group: Group) -> str:
    return f"{_do(group)}{_in_brackets(_sure(group))}"


def _sure(group: Group) -> str:
    """How sure these jobs are: "unsure in all", "sure in 2, unsure in 1"."""
    told = [(word, group.confidence[word]) for word in RIGHT if group.confidence.get(word)]
    if len(told) == 1 and told[0][1] == group.jobs:
        return told[0][0] + (" in all" if group.jobs > 1 else "")
    return ", ".join(f"{word} in {number(n)}" for word, n in told)


def _in_brackets(words: str) -> str:
    return f" ({words})" if words else ""


def _either(values: Iterable[object]) -> str:
    *head, last = map(shown, values)
    return f"{', '.join(head)} or {last}" if head else last
