"""A job of a sweep in Python, in whatever process: taken from where it lies, or done."""

from __future__ import annotations

import hashlib
import json
import os
import threading
import time
import traceback
from collections import OrderedDict
from collections.abc import Mapping
from contextlib import suppress
from dataclasses import dataclass, replace
from pathlib import Path
from typing import Any
from weakref import WeakKeyDictionary

import numpy as np

from backtrain.axes import Axes, Job
from backtrain.backtest import Backtest
from backtrain.datasets.labels import kind_of
from backtrain.datasets.stream import Stream
from backtrain.models import ByTask
from backtrain.reports.sweep import taken
from backtrain.reports.sweep.result import RESULT, Result, versions
from backtrain.simulator.manifest import RecordError
from backtrain.store.finished import Finished
from backtrain.store.fits import FitStore
from backtrain.store.named import Named
from backtrain.strategies.strategy import Strategy

#: Data sets that are made when a job wants them, and stay for the next ones.
_KEPT = 2


@dataclass(frozen=True, eq=False)
class Study:
    """What all jobs of a sweep share.

    Attributes
    ----------
    axes : Axes
    strategies : mapping of str to Strategy
    named : mapping
        What names the values of the axes, see `Axes.named`.
    parts : Named
        What names the strategies.
    judged : mapping
        How verdicts are made: ``baseline``, ``careful``, ``budget``, ``running``.
    compared : mapping
        ``hindsight`` and ``records``, as `Backtest.compare` has them.
    earlier : mapping of str to Path
        Where jobs lie by their names, in the sweep's directory, that another call has left.
    resume : bool
        Whether what is finished is taken.
    """

    axes: Axes
    strategies: Mapping[str, Strategy]
    named: Mapping[tuple[str, int], Named]
    parts: Named
    judged: Mapping[str, Any]
    compared: Mapping[str, Any]
    earlier: Mapping[str, Path]
    resume: bool

    @property
    def model(self) -> Any:
        """The first of the models."""
        return self.axes.values["model"][0].value


@dataclass(frozen=True)
class Ended:
    """How a job ended: its result, why it has no name, and where it failed."""

    result: Result
    why: str = ""
    trace: str = ""


def work(
    study: Study, store: FitStore, job: Job, number: int, place: Path | None, n_jobs: int
) -> Ended:
    """Do a job, or take it from where it was done; what it raises is its result.

    ``place`` is the directory where it is to lie, if any.
    """
    began = time.perf_counter()
    about: dict[str, Any] = {"number": number, "overrides": study.axes.labels(job)}
    try:
        ended = _ended(study, store, job, about, place, n_jobs)
        if place is not None:
            ended.result.save(place)
            if ended.result.job is not None and store.directory is not None:
                Finished(store.directory).note(ended.result.job, place)
        return ended
    except BaseException as error:
        _STREAMS.pop(study, None)  # it may have written into them
        stopped = isinstance(error, KeyboardInterrupt)
        result = Result(
            status="stopped" if stopped else "failed",
            error="stopped before it was finished" if stopped else in_a_line(error),
            wall_seconds=time.perf_counter() - began,
            versions=versions(),
            directory=place,
            **about,
        )
        if place is not None:
            with suppress(OSError):
                result.save(place)
        if not isinstance(error, Exception):
            raise
        return Ended(result, trace="".join(traceback.format_exception(error)))


def in_a_line(error: BaseException) -> str:
    """What an error says, with its kind where that is not one of ours."""
    first = next(iter(str(error).splitlines()), "")
    own = type(error).__module__.partition(".")[0] == __name__.partition(".")[0]
    return first if own and first else f"{type(error).__name__}: {first}".rstrip(": ")


def _ended(
    study: Study,
    store: FitStore,
    job: Job,
    about: Mapping[str, Any],
    place: Path | None,
    n_jobs: int,
) -> Ended:
    stream = _stream(study, job)
    model = study.axes.values["model"][job["model"]].value
    if isinstance(model, ByTask):
        model = model.pick(kind_of(stream.y[~np.isnat(stream.label_time)]).task)
    backtest = Backtest(stream, model, cache=store, **study.axes.setup(job))
    name, why = _name(study, job, backtest)
    config = {**about["overrides"], **study.judged, **study.compared}
    config["dataset"] = {"name": about["overrides"]["dataset"]}
    if study.axes.takes_seed(job):
        config["dataset"]["seed"] = backtest.seed
    if name is not None and study.resume:
        found = _found(study, store, name, place)
        if found is not None:
            return Ended(replace(found, config=config, directory=place, **about))
    if place is not None:
        (place / RESULT).unlink(missing_ok=True)
    began, before = time.perf_counter(), _counts(store)
    judged = {key: value for key, value in study.judged.items() if key != "baseline"}
    comparison = backtest.compare(study.strategies, n_jobs, directory=place, **study.compared)
    comparison = replace(comparison, **judged)
    baseline = study.judged["baseline"]
    if place is not None:
        comparison.save(place, baseline, report="none", records=study.compared["records"])
    result = Result.of(
        comparison,
        baseline,
        job=name,
        config=config,
        fits={key: count - before[key] for key, count in _counts(store).items()},
        wall_seconds=time.perf_counter() - began,
        directory=place,
        **about,
    )
    return Ended(result, why)


def _counts(store: FitStore) -> dict[str, int]:
    return {key: getattr(store, key) for key in ("asked", "computed", "read")}


# --- data -----------------------------------------------------------------------------------------

_STREAMS: WeakKeyDictionary[Study, OrderedDict[Any, Stream]] = WeakKeyDictionary()
_GUARD = threading.Lock()


def _stream(study: Study, job: Job) -> Stream:
    """Its data; what is made for one job is there for those that come next."""
    if isinstance(study.axes.values["dataset"][job["dataset"]].value, Stream):
        return study.axes.stream(job)
    with _GUARD:
        kept, source = _STREAMS.setdefault(study, OrderedDict()), study.axes.source(job)
        if source not in kept:
            while len(kept) >= _KEPT:
                kept.popitem(last=False)
            kept[source] = study.axes.stream(job)
        kept.move_to_end(source)
        return kept[source]


# --- what was done before -------------------------------------------------------------------------


def _name(study: Study, job: Job, backtest: Backtest) -> tuple[str | None, str]:
    """A digest of all that the result depends on; or None, and why there is none."""
    stream, metrics = backtest.stream, backtest.metrics or ()
    # What dotted names mean can be imported here; all else was named where it was written.
    judges: list[Any] = [backtest.metric(one) for one in metrics if _is_dotted(one)]
    judges += [backtest.row_loss] if _is_dotted(backtest.loss) else []
    own = Named.of([], *judges)
    parts = {key: study.named[key, at] for key, at in job.items() if key != "dataset"}
    all_parts = [own, study.parts, *parts.values()]
    if why := "; ".join(dict.fromkeys(one.why for one in all_parts if one.why)):
        return None, why
    facts = (
        sorted((key, one.held) for key, one in parts.items()),
        [*zip(study.strategies, study.parts.held, strict=True)],
        sorted({**study.judged, **study.compared}.items()),
        (stream.fingerprint, stream.name, stream.target, stream.drift, stream.faults),
        sorted({text for one in all_parts for text in one.code}),
    )
    return hashlib.blake2b(json.dumps(facts, default=str).encode(), digest_size=16).hexdigest(), ""


def _is_dotted(name: Any) -> bool:
    return isinstance(name, str) and "." in name


def _found(study: Study, store: FitStore, name: str, place: Path | None) -> Result | None:
    """The result of an equal job, made to lie in this place, too; None where there is none."""
    if place is not None and (own := _whole(place, name)) is not None:
        return own
    if place is not None and (former := study.earlier.get(name)) is not None:
        with suppress(OSError):  # of two jobs that are equal, the other one has it
            os.rename(former, place)
            return _whole(place, name)
    if store.directory is None:
        return None
    for there in Finished(store.directory).places(name):
        if (result := _whole(there, name)) is None:
            continue
        if place is not None:
            try:
                (place / RESULT).unlink(missing_ok=True)
                taken.take(there, place)
            except (RecordError, OSError):
                continue
        return replace(result, taken_from=str(there))
    return None


def _whole(directory: Path, name: str) -> Result | None:
    """The result that lies there, if it is whole, done, and of this name."""
    try:
        result = Result.load(directory)
    except RecordError:
        return None
    same = (result.job, result.status) == (name, "done")
    return result if same and taken.is_whole(directory) else None
