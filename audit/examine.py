"""Audits a strategy: replays it on histories whose future is spoilt, and again on its own."""

import hashlib
import warnings
from collections.abc import Callable, Iterator, Sequence
from dataclasses import replace
from typing import Any

import numpy as np
import pandas as pd

from backtrain.audit.data import data_findings
from backtrain.audit.findings import Audit, Finding
from backtrain.audit.holdings import holdings, memories
from backtrain.audit.poison import KINDS, Manner, poisoned
from backtrain.audit.rebuilt import lag_findings
from backtrain.audit.records import Difference, before, differences, whole
from backtrain.audit.watch import Log, first_difference, name_of, watched
from backtrain.datasets.digits import digits
from backtrain.simulator.asking import method
from backtrain.simulator.parts import Trigger
from backtrain.simulator.record import Run
from backtrain.simulator.replay import check_strategy, replay
from backtrain.simulator.setup import Setup, SetupError
from backtrain.store.code_version import is_trusted
from backtrain.store.content import content
from backtrain.store.fits import FitStore, StoredFit
from backtrain.strategies.strategy import Strategy

#: How numbers are spoilt at one instant after another, and how many rows then follow, as a share.
_MANNERS: tuple[tuple[Manner, float], ...] = (("high", 1.0), ("wild", 0.7), ("low", 1.3))
#: How far answers to batches of another size may lie apart.
_ROUNDING = 1e-9
_SPOILT = "where what is not known yet is spoilt"
_PARTS = ("trigger", "window", "update", "gate")

Progress = Callable[[float], None]


def audit(
    setup: Setup,
    strategy: Strategy,
    instants: Sequence[float | str | pd.Timestamp] = (0.25, 0.5, 0.75),
    name: str = "strategy",
    data: bool = True,
    progress: Progress | None = None,
) -> Audit:
    """Audit one strategy; see `Backtest.audit`."""
    check_strategy(setup, strategy)
    # A share of the span is another instant where the history ends elsewhere.
    fixed = replace(setup, start=setup.start_at, end=setup.end_at)
    at = [instant_of(fixed, instant) for instant in instants]
    with warnings.catch_warnings():
        warnings.simplefilter("ignore")  # numbers out of range, and what models say of them
        examined = _Examination(fixed, strategy, at, name, progress)
        found = [*examined.findings(), *(_of_data(setup) if data else ())]
        found += lag_findings(setup.stream, at, setup.classes)
    looked = [*examined.checked, *(["the columns of the data"] if data else [])]
    if lags := setup.stream.lag_names:
        looked.append(f"{len(lags)} lags, from {lags[0]!r} on: made anew of spoilt labels")
    return Audit(name, tuple(found), tuple(looked))


def instant_of(setup: Setup, instant: float | str | pd.Timestamp) -> pd.Timestamp:
    """An instant of the served span, given as a share of it or as a date."""
    start, end = setup.start_at, min(setup.end_at, setup.stream.span[1])
    if isinstance(instant, (int, float)) and not isinstance(instant, bool):
        if not 0 < instant < 1:
            raise SetupError(f"instants: {instant!r}: a share of the span lies between 0 and 1")
        return (start + (end - start) * float(instant)).as_unit("ns")
    when = pd.Timestamp(instant).as_unit("ns")
    if not start < when <= end:
        raise SetupError(f"instants: {instant!r}: not between start={start} and the end, {end}")
    return when


def _of_data(setup: Setup) -> list[Finding]:
    return data_findings(setup.stream, by_amount=setup.decides_by_amount)


class _Lending(FitStore):
    """A store for one of several histories: known libraries fit a model of equal rows once for all.

    Answers are not shared: later rows stand in the same batch. Whether a second fit gives the same
    model is checked by the replay with an empty store.
    """

    def __init__(self, lent: FitStore) -> None:
        super().__init__()
        self._lent = lent

    def learnt(self, given: tuple[bytes, int, Any, Any, Any], make: Callable[[], Any]) -> Any:
        """The model of the same update, seed, features, labels and weights, or a new one."""
        update, seed, *values = given
        sha = hashlib.blake2b(repr((update, seed)).encode(), digest_size=16)
        for value in values:
            plain = isinstance(value, np.ndarray) and value.dtype.kind in "iufb"
            sha.update(repr((value.shape, value.dtype)).encode() if plain else b"")
            sha.update(value.tobytes() if plain else content(value).encode())
        name = sha.hexdigest()
        return self._lent.fit(name, lambda: StoredFit(name, make(), 0.0, seed))[0].model


class _Examination:
    """One strategy on one history. `findings` once."""

    def __init__(
        self,
        setup: Setup,
        strategy: Strategy,
        instants: Sequence[pd.Timestamp],
        name: str,
        progress: Progress | None,
    ) -> None:
        self._setup, self._own, self._name = setup, strategy, name
        self._log = Log()
        self._lent = FitStore()
        self._recorded = method(Trigger, "instants", strategy.trigger)() is not None
        self._strategy = strategy if self._recorded else watched(strategy, self._log)
        self._given = instants
        self._instants: list[pd.Timestamp] = []
        span = setup.end_at - setup.start_at
        self._work = 2.0 + sum(  # in replays
            (at - setup.start_at) / span for at in instants
        )
        self._done, self._progress = 0.0, progress
        self.checked: list[str] = []

    def findings(self) -> Iterator[Finding]:
        """What is wrong, one after another."""
        yield from self._held()
        remembered = self._memories()
        base, log, finding = self._replayed(self._setup, probe_all=not self._recorded)
        if finding is not None or base is None:
            yield from () if finding is None else (finding,)
            return
        self.checked.append(
            f"{len(base.versions)} versions: asked again after later fits, and with later rows "
            "of their batch changed"
        )
        kept = list(self._kept(remembered))
        yield from kept
        yield from self._judged(log)
        self._log.judging = False
        if self._recorded:
            self.checked.append("not: the future of recorded answers, which are data")
        else:
            yield from self._blind(base, log)
        if not kept:
            yield from self._repeated(base, log)

    # --- what parts hold ------------------------------------------------------------------------

    def _held(self) -> Iterator[Finding]:
        self.checked.append("what parts and model hold: rows and statistics of the history")
        parts = self._all_parts()
        held = holdings((part for _, part in parts), self._setup)
        for (kind, part), found in zip(parts, held, strict=True):
            for holding in found[:3]:
                says = f"{holding.path}: {holding.says}"
                yield Finding("holds the history", f"{kind} {name_of(part)}", says, row=holding.row)

    def _all_parts(self) -> list[tuple[str, Any]]:
        parts = [(kind, getattr(self._own, kind)) for kind in _PARTS]
        return [*parts, ("model", self._setup.model)]

    def _memories(self) -> dict[str, dict[str, bytes]]:
        return {f"{kind} {name_of(part)}": memories(part) for kind, part in self._all_parts()}

    def _kept(self, remembered: dict[str, dict[str, bytes]]) -> Iterator[Finding]:
        """What a replay has left behind, outside of the parts themselves."""
        self.checked.append("what a replay leaves behind in classes, modules and defaults")
        for name, now in self._memories().items():
            changed = [path for path, value in now.items() if remembered[name].get(path) != value]
            if changed:
                says = (
                    f"{changed[0]} changed during a replay, so the next one begins in another "
                    "state; keep what changes in the object that monitor() or open() returns, "
                    "in a model's own attributes, or in functools.lru_cache"
                )
                yield Finding("is not repeatable", name, says)

    def _judged(self, log: Log) -> Iterator[Finding]:
        self.checked.append("rows that gates judge on")
        for gate, at, row in log.judged[:1]:
            says = (
                f"it judges its challenger on rows that it has learnt from, such as row {row}; "
                "hold rows out in reserve(), or leave those of view.challenger.learnt out"
            )
            yield Finding(
                "judges its own training", f"gate {gate}", says, pd.Timestamp(at), "rows", row
            )

    # --- replays --------------------------------------------------------------------------------

    def _replayed(
        self, setup: Setup, probe_all: bool = False, share: float = 1.0, afresh: bool = False
    ) -> tuple[Run | None, Log, Finding | None]:
        self._log.take()
        store = FitStore() if afresh else _Lending(self._lent)
        try:
            run = replay(setup, self._strategy, store, self._name, self._advance(share), probe_all)
        except Exception as error:
            return None, self._log.take(), self._raised(error)
        finally:
            self._done += share
        return run, self._log.take(), None

    def _advance(self, share: float) -> Progress | None:
        if self._progress is None:
            return None
        done, tell = self._done, self._progress
        return lambda part: tell(min(1.0, (done + share * part) / self._work))

    def _raised(self, error: Exception) -> Finding:
        """What a replay itself refuses."""
        said = " ".join(str(error).split())
        kinds = {"FutureLeak": "sees the future", "ModelError": "is not one model a version"}
        check = kinds.get(type(error).__name__, "raises")
        names = [(kind, name_of(part)) for kind, part in self._all_parts()]
        culprit = next(
            (
                f"{kind} {name_of(part)}"
                for kind, part in self._all_parts()
                if said.startswith((type(part).__name__, name_of(part).split("(")[0]))
            ),
            None,
        )
        if culprit is None:
            last = self._log.answers[-1:]
            culprit = f"model {names[-1][1]}" if check.startswith("is not") else "strategy"
            culprit = f"{last[0].kind} {last[0].part}" if last and check == "raises" else culprit
        if "so the next one would begin" in said or "global generator" in said:
            check = "is not repeatable"
        at = pd.Timestamp(self._log.now) if self._log.now else None
        return Finding(check, culprit, f"{type(error).__name__}: {said}", at)

    # --- the future -----------------------------------------------------------------------------

    def _blind(self, base: Run, log: Log) -> Iterator[Finding]:
        """Spoil all that is not known at each instant; once more by kind where something moves."""
        self._instants = [self._decision(base, at) for at in self._given]
        local = self._setup.stream.calendar.to_local
        shown = ", ".join(f"{local(at):%Y-%m-%d %H:%M}" for at in self._instants)
        self.checked.append(f"features, labels, label times and rows unknown at {shown}: spoilt")
        for number, at in enumerate(self._instants):
            moved = self._moved(base, log, at, number, KINDS)
            if moved is None:
                continue
            kinds = [
                kind for kind in KINDS if self._moved(base, log, at, number, (kind,)) is not None
            ]
            spoilt = " and ".join(kinds or ["all of it together"])
            says = f"{moved.says} ({spoilt}); ask the view, which hands out what is known"
            yield replace(moved, says=says)
            return

    def _decision(self, base: Run, at: pd.Timestamp) -> pd.Timestamp:
        """Just after the last training before an instant, when the labels it lacked are spoilt.

        Where there is none in the last quarter of the time so far, just after the last tick.
        """
        start = self._setup.start_at
        decided = base.versions["decided_at"]
        decided = decided[(decided <= at) & (decided > at - (at - start) / 4)]
        ticks = self._setup.ticks[self._setup.ticks <= at.value]
        if len(decided):
            last = pd.Timestamp(decided.iloc[-1])
        elif len(ticks):
            last = pd.Timestamp(ticks[-1])
        else:
            return at
        return last + pd.Timedelta(1, "ns")

    def _moved(
        self, base: Run, log: Log, at: pd.Timestamp, number: int, kinds: Sequence[str]
    ) -> Finding | None:
        """What is recorded before an instant and depends on what is not known at it."""
        manner, rows = _MANNERS[number % len(_MANNERS)]
        setup, when = self._setup, at.to_datetime64()
        stream = poisoned(
            setup.stream, when, np.random.default_rng(number), kinds, manner, setup.classes, rows
        )
        last = max(at, pd.Timestamp(stream.event_time[setup.served.start]))
        share = (at - setup.start_at) / (setup.end_at - setup.start_at)
        other = replace(setup, stream=stream, end=last)
        run, answers, raised = self._replayed(other, share=share)
        if raised is not None:
            says = f"{raised.says}, {_SPOILT}"
            return replace(raised, check="sees the future", says=says)
        assert run is not None
        rounding = 0.0 if len(stream) == len(setup.stream) else _ROUNDING
        found = differences(before(base, when), before(run, when), rounding)
        answer = first_difference(log, answers, at.value)
        if not found and answer is None:
            return None
        return self._finding("sees the future", found, answer, _SPOILT)

    def _finding(self, check: str, found: list[Difference], answer: Any, why: str) -> Finding:
        """A finding from the first answer that moved, and the first row of a table that did."""
        first = found[0] if found else None
        at: pd.Timestamp | None
        if answer is not None:
            part, at = f"{answer.kind} {answer.part}", pd.Timestamp(answer.at)
        else:
            update = self._own.update
            known = is_trusted(update)
            part = f"model {name_of(self._setup.model)}" if known else f"update {name_of(update)}"
            at = None if first is None else first.at
        if first is None:
            return Finding(check, part, f"its answer is another one {why}", at, "answers")
        one, other = (digits(v, 6) if isinstance(v, float) else f"{v}" for v in first.values)
        moved = f"{first.column or 'there'} is {one}, but {other} {why}"
        return Finding(check, part, moved, at, first.table, first.row)

    # --- the same again -------------------------------------------------------------------------

    def _repeated(self, base: Run, log: Log) -> Iterator[Finding]:
        """Replay it after all these other histories, and with an empty store."""
        self.checked.append("replayed again, after other histories and with an empty store")
        run, answers, raised = self._replayed(self._setup, afresh=True)
        if raised is not None:
            yield replace(raised, check="is not repeatable")
            return
        assert run is not None
        found = differences(whole(base), whole(run))
        answer = first_difference(log, answers)
        if found or answer is not None:
            why = (
                "when the same history is replayed again: it remembers, draws without a seed, or "
                "reads a clock"
            )
            yield self._finding("is not repeatable", found, answer, why)
