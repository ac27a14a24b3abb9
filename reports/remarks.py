"""What must be said beside a verdict: trainings that failed, rows that no model answered."""

import math
import re
from collections.abc import Iterable, Iterator, Mapping
from dataclasses import dataclass
from typing import NamedTuple

import numpy as np

from backtrain.datasets.digits import digits
from backtrain.reports import alike, baselines, timers
from backtrain.reports.charged import charged
from backtrain.reports.numbers import listing, number
from backtrain.reports.recalibrated import recalibrated
from backtrain.reports.unseen import unseen
from backtrain.simulator.record import Run

#: Kinds of events that remarks are made of.
FAILED, NOTHING, FALLBACK = "failed", "nothing to learn", "fallback"
#: Events whose reason is the whole sentence.
_SENTENCES = ("no reference", "neighbours", "learnt nothing")
_LEADS = {
    FAILED: "Trainings failed",
    NOTHING: "Trainings had nothing to learn from",
    FALLBACK: "Rows answered by the training mean or prior, not by the model",
    "refused": "Trainings refused by the gate",
}
_IN_SHORT = {
    **{kind: _LEADS[kind] for kind in (FAILED, NOTHING)},
    FALLBACK: "Rows not answered by the model",
}
#: A strategy of whose trainings so large a share raised is not judged: what it costs is not what
#: the strategy would cost that was meant.
TOO_MANY = 0.1
_CAUSES = 4  # told of each kind
_NUMBER = re.compile(r"0x[0-9a-f]+|[-+]?\d+(?:[.,]\d+)*(?:e[-+]?\d+)?", re.IGNORECASE)
_LIST = re.compile(r"#(?:[\s,;]*#)+")
#: Reasons by which records of earlier versions tell what had nothing to learn from.
_EARLIER = ("no labelled rows to learn from", "the window holds one class only")
_UNSCORED = re.compile(r"^\d+ rows could not be scored and got the training (?:mean|prior): ")


@dataclass(frozen=True)
class Remark:
    """One line on something that befell one or several strategies.

    Attributes
    ----------
    kind : str
        ``"failed"``, ``"nothing to learn"``, ``"fallback"``, ``"no reference"``,
        ``"neighbours"``, ``"learnt nothing"``, ``"in-sample"``, ``"prices"``, ``"apart"``,
        ``"baselines"``, ``"unseen"``, ``"charged"``, ``"recalibrated"``, ``"timer"``,
        ``"never fired"`` or ``"same"``.
    strategies : tuple of str
        Whom it befell; nobody, where it is on all of them.
    sentence : str
        What happened to whom how often, why, and the remedy where one is known.
    """

    kind: str
    strategies: tuple[str, ...]
    sentence: str


class _Happened(NamedTuple):
    """One cause of one kind in one run: how often, of how many."""

    cause: str
    times: int
    of: int


def gather(runs: Mapping[str, Run]) -> list[Remark]:
    """All remarks on these runs: one for each cause; texts that differ in numbers are one cause."""
    remarks = [remark for kind in (FAILED, NOTHING, FALLBACK) for remark in causes(runs, kind)]
    remarks += [remark for kind in _SENTENCES for remark in _as_they_stand(runs, kind)]
    chosen = tuple(name for name, run in runs.items() if run.info.get("in_sample"))
    if chosen:
        remarks.append(Remark("in-sample", chosen, _in_sample(chosen, runs[chosen[0]])))
    if priced := _prices_that_differ(runs):
        remarks.append(Remark("prices", tuple(runs), priced))
    if apart := _made_apart(runs):
        remarks.append(Remark("apart", tuple(runs), apart))
    if unbeaten := baselines.unbeaten(runs):
        remarks.append(Remark("baselines", (), unbeaten))
    if blind := unseen(runs):
        remarks.append(Remark("unseen", (), blind))
    if undecided := charged(runs):
        remarks.append(Remark("charged", (), undecided))
    shares = [Remark("recalibrated", (name,), told) for name, told in recalibrated(runs)]
    told = (*timers.sentences(runs), *alike.sentences(runs))
    return remarks + shares + [Remark(*one) for one in told]


def causes(runs: Mapping[str, Run], kind: str) -> list[Remark]:
    """A remark for each cause of one kind, the most frequent first; the rest in one line."""
    ranked = sorted(
        _by_cause(runs, kind), key=lambda befell: -sum(h.times for h in befell.values())
    )
    remarks = [_remark(kind, befell, runs) for befell in ranked[:_CAUSES]]
    if rest := ranked[_CAUSES:]:
        names = tuple(dict.fromkeys(name for befell in rest for name in befell))
        more = f"{_LEADS[kind]} for {len(rest)} more causes ({listing(names)}): see their events."
        remarks.append(Remark(kind, names, more))
    return remarks


def by_strategy(runs: Mapping[str, Run]) -> dict[str, str]:
    """The remarks on each strategy, in one text."""
    remarks = gather(runs)
    return {
        name: " ".join(remark.sentence for remark in remarks if name in remark.strategies)
        for name in runs
    }


def raised(run: Run) -> int:
    """Trainings whose estimator or update raised."""
    return sum(happened.times for happened in _happened(run, FAILED).values())


def failing(run: Run) -> bool:
    """Whether so many of its trainings raised that its cost says nothing about the strategy."""
    trained = int(run.totals["retrains"])
    return trained > 0 and raised(run) >= TOO_MANY * trained


def summary(runs: Mapping[str, Run]) -> str:
    """How often it happened to whom, without the causes; empty where nothing did."""
    parts = []
    for kind, what in _IN_SHORT.items():
        shares = {name: _share(run, kind) for name, run in runs.items()}
        if any(shares.values()):
            parts.append(
                f"{what}: {listing(f'{n} {share}' for n, share in shares.items() if share)}."
            )
    return " ".join(parts)


# --- what happened in one run ---------------------------------------------------------------------


def _happened(run: Run, kind: str) -> dict[str, _Happened]:
    """Each cause of one kind, under its text without numbers."""
    causes: dict[str, _Happened] = {}
    of = int(run.totals["rows" if kind == FALLBACK else "retrains"])
    if kind == "refused":  # what was refused was never decided on
        of += int(run.totals.get("refused", 0))
    for cause, count in _events(run, kind):
        key = _LIST.sub("#", _NUMBER.sub("#", cause))
        first = causes.get(key, _Happened(cause, 0, of))
        causes[key] = first._replace(times=first.times + count)
    if kind == FALLBACK and not causes and run.totals["fallback"]:
        return {"": _Happened("the model could not score them", int(run.totals["fallback"]), of)}
    return causes


def _by_cause(runs: Mapping[str, Run], kind: str) -> list[dict[str, _Happened]]:
    """What happened by strategy, for each cause of one kind."""
    by_cause: dict[str, dict[str, _Happened]] = {}
    for name, run in runs.items():
        for key, happened in _happened(run, kind).items():
            by_cause.setdefault(key, {})[name] = happened
    return list(by_cause.values())


def _events(run: Run, kind: str) -> Iterator[tuple[str, int]]:
    """Cause and count of every event of one kind."""
    kinds = run.events["kind"].to_numpy()
    found = np.flatnonzero((kinds == kind) | (kinds == FAILED))
    if not len(found):  # as in most runs: asked for every kind of each, it must cost nothing
        return
    events = run.events[["kind", "reason", "statistic"]].iloc[found]
    for own, text, statistic in events.itertuples(index=False):
        reason = str(text)
        if (NOTHING if own == FAILED and reason.startswith(_EARLIER) else own) != kind:
            continue
        if kind == FALLBACK:
            yield _line(_UNSCORED.sub("", reason)), 1 if math.isnan(statistic) else int(statistic)
        else:
            yield _line(reason), 1


def _line(text: str) -> str:
    """A text on one line, without characters that steer a terminal."""
    return " ".join("".join(c if c.isprintable() else " " for c in text).split())


def _share(run: Run, kind: str) -> str:
    happened = _happened(run, kind).values()
    if not happened:
        return ""
    of = next(iter(happened)).of
    rows = " rows" if kind == FALLBACK else ""
    return f"{number(sum(h.times for h in happened))} of {number(of)}{rows}"


# --- words ----------------------------------------------------------------------------------------


def _remark(kind: str, befell: Mapping[str, _Happened], runs: Mapping[str, Run]) -> Remark:
    who = listing(f"{name} {number(h.times)} of {number(h.of)}" for name, h in befell.items())
    cause = next(iter(befell.values())).cause.rstrip(".")
    remedies = dict.fromkeys(remedy(kind, cause, runs[name]) for name in befell)
    advice = "".join(f" {text}" for text in remedies if text)
    return Remark(kind, tuple(befell), f"{_LEADS[kind]} ({who}): {cause}.{advice}")


def _as_they_stand(runs: Mapping[str, Run], kind: str) -> Iterator[Remark]:
    """A remark for each sentence that events of this kind hold, with the strategies it befell."""
    for befell in _by_cause(runs, kind):
        sentence = next(iter(befell.values())).cause.rstrip(".")
        yield Remark(kind, tuple(befell), f"{listing(befell)}: {sentence}.")


def _in_sample(names: Iterable[str], run: Run) -> str:
    until = run.info.get("tuned_until")
    later = f"start={until} or later" if until else "later rows"
    return (
        f"In-sample, chosen on the span that it is judged on, so it cannot win: {listing(names)}. "
        f"Judge it on {later}."
    )


def _prices_that_differ(runs: Mapping[str, Run]) -> str:
    """Each price that is not the same for all, with who is charged it; empty where all are."""
    names = dict.fromkeys(key for run in runs.values() for key in run.info["prices"])
    told = []
    for price in names:
        charged: dict[str, list[str]] = {}
        for name, run in runs.items():
            value = run.info["prices"].get(price, None if price == "update" else 0.0)
            said = "as a retrain" if value is None else digits(value, 6)
            charged.setdefault(said, []).append(name)
        if len(charged) > 1:
            told.append(f"{price} {', '.join(f'{v} ({listing(n)})' for v, n in charged.items())}")
    if not told:
        return ""
    return f"Prices differ, and each strategy is charged by its own: {'; '.join(told)}."


def _made_apart(runs: Mapping[str, Run]) -> str:
    """Which expected costs come from separate comparisons; empty where all come from one."""
    made: dict[tuple[str, ...], list[str]] = {}
    for name, run in runs.items():
        facts = (run.info.get("hindsight") or {}).get("expected") or {}
        if "windows" in facts:
            made.setdefault(tuple(facts["windows"]), []).append(name)
    if len(made) < 2:
        return ""
    return (
        "Expected costs were made in separate comparisons, where only windows of the same one "
        f"steady each other: {'; '.join(map(listing, made.values()))}. Compare all strategies in "
        "one to hold them against each other."
    )


#: What estimators and encoders say, and what helps.
_REMEDIES = (
    ("cardinality", "Leave that column out (drop=), or encode it, as model=linear does."),
    ("unknown categor", "Use OneHotEncoder(handle_unknown='ignore')."),
    ("contains NaN", "Put an imputer before the model, or use one that takes missing values."),
    ("contains infinity", "Clip or drop infinite values before the stream is built."),
    ("needs the parent's classes", "Refit() needs no parent; so does a window with every class."),
)
#: Updates that go on from the model in force.
GOES_ON = ("Continue", "PartialFit", "Recalibrate", "RefreshLeaves", "Transfer", "WarmStart")


def remedy(kind: str, cause: str, run: Run) -> str:
    """What helps against a failure of this run, as a sentence; empty where nothing is known."""
    parts = run.info.get("parts") or {}
    update, window = part_type(run, "update"), part_type(run, "window")
    if kind == NOTHING:
        if update == "PartialFit" and "no labelled rows" in cause:
            return "No label came since the last training: train less often."
        longer = (
            "Start later" if window == "Expanding" else f"Use a window longer than {_code(parts)}"
        )
        return f"{longer}, or train less often."
    if kind not in (FAILED, FALLBACK):
        return ""
    text = next((text for pattern, text in _REMEDIES if pattern in cause), "")
    if not text and kind == FAILED and update in GOES_ON:
        return f"{update}() goes on from the model in force; Refit() starts afresh."
    return text


def part_type(run: Run, kind: str) -> str:
    """The class name of a part of a run; the code of one that is a function or no dataclass."""
    part = (run.info.get("parts") or {}).get(kind) or ""
    return str(part.get("type", "") if isinstance(part, Mapping) else part)


def _code(parts: Mapping[str, object]) -> str:
    """The window as code, of plain values only."""
    window = parts.get("window")
    if not isinstance(window, Mapping):
        return "this one"
    plain = (f"{key}={value!r}" for key, value in window.items()
             if key not in ("type", "from") and isinstance(value, (str, int, float)))  # fmt: skip
    return f"{window['type']}({', '.join(plain)})"
