"""How a job ends: its result is written in any case, or taken from an equal job."""

import json
import sys
import time
from collections.abc import Iterator, Mapping, Sequence
from contextlib import contextmanager, suppress
from dataclasses import dataclass, field, replace
from pathlib import Path
from typing import Any

from hydra.core.hydra_config import HydraConfig

from backtrain.cli.jobs import from_here, output_directory
from backtrain.cli.terminal import say
from backtrain.config import history
from backtrain.config.build import ConfigError
from backtrain.config.job import OF_WORK
from backtrain.config.study import Study, asked_for
from backtrain.reports import archive
from backtrain.reports.comparison import STABILITY, Comparison
from backtrain.reports.sweep import taken
from backtrain.reports.sweep.result import RESULT, Result, typed, versions
from backtrain.simulator.record import RecordError
from backtrain.store.finished import Finished
from backtrain.store.fits import FitStore

#: What helps where a number is not known.
_REMEDY = {
    **dict.fromkeys(("regret", "gap"), "; add hindsight=true, which makes loss matrices"),
    "worst_week": "; that takes ten whole weeks",
    **dict.fromkeys(STABILITY, "; that takes a deployment, and answers of that kind"),
}


@dataclass
class Outcome:
    """What becomes of the job that is being done.

    Attributes
    ----------
    in_sweep : bool
        Whether it is one of several.
    job : mapping
        Its number and overrides.
    result : Result or None
        What it left, once it is done.
    """

    in_sweep: bool
    job: Mapping[str, Any]
    result: Result | None = None
    _began: float = field(default_factory=time.perf_counter)
    _fits: Mapping[str, int] = field(default_factory=dict)
    _taken: Result | None = None
    _here: Result | None = None

    @classmethod
    @contextmanager
    def of_job(cls, in_sweep: bool = False) -> Iterator["Outcome"]:
        """Of the job that Hydra has started; where it raises, that is written down as well."""
        settings = HydraConfig.get()
        number = settings.job.num if in_sweep else 0
        overrides = typed(settings.overrides.task)
        outcome = cls(in_sweep, {"number": int(number or 0), "overrides": overrides})
        try:
            yield outcome
        except BaseException as error:
            history.forget()
            outcome._failed(error)
            raise

    def found(self, study: Study, directory: Path) -> Comparison | None:
        """The comparison of an equal job that was finished, made to lie in this directory, too."""
        if not study.resume:
            return None
        name = study.name
        if name.digest is None:
            if (directory / RESULT).exists() or self.in_sweep:
                say(f"done again each time: {name.why}", sys.stderr)
            return None
        own = _result(directory, name.digest)
        if own is not None and (comparison := self._take(study, own, directory)) is not None:
            self._here = own
            say("taken   from here, where it was finished before; resume=false does it again")
            return comparison
        for place in _places(study, name.digest):
            if (theirs := _result(place, name.digest)) is None or place == directory:
                continue
            try:
                _unwritten(directory)
                taken.take(place, directory)
            except (RecordError, OSError) as error:
                say(f"not taken from {from_here(place)}: {error}", sys.stderr)
                continue
            theirs = replace(theirs, taken_from=str(place))
            if (comparison := self._take(study, theirs, directory)) is not None:
                say(f"taken   from {from_here(place)}, an equal job; resume=false does it again")
                return comparison
        return None

    def begins(self, study: Study, directory: Path) -> None:
        """Nothing is taken: what an earlier job has left here does not stand for this one."""
        _ = study.name  # of what the job begins with
        self._fits = _counts(study.backtest.store)
        _unwritten(directory)

    def save(self, study: Study, comparison: Comparison, directory: Path, wanted: str) -> None:
        """Write the comparison with as much of its report as is wanted, and the job's result."""
        known = self._taken
        if known is None:
            comparison.save(directory, study.baseline, study.baselines, wanted, study.records)
            self.result = self._done(study, comparison)
        else:
            if not _is_drawn(directory, known, wanted):
                # As wanted, and as it was: `backtrain report` may have drawn it otherwise since.
                comparison.save(directory, study.baseline, study.baselines, wanted, study.records)
            self.result = replace(known, config=_config(study), **self.job)
        if self.result != self._here:
            self.result.save(directory)
        if self.result.job is not None and study.backtest.store.directory is not None:
            Finished(study.backtest.store.directory).note(self.result.job, directory)

    def _take(self, study: Study, result: Result, directory: Path) -> Comparison | None:
        """What lies in this directory, with its result; None where that cannot be read."""
        try:
            runs = archive.load(directory)
        except RecordError as error:
            say(f"done again: {error}", sys.stderr)
            return None
        self._taken = result
        settings = {key: getattr(study, key) for key in ("careful", "budget", "running")}
        return Comparison(runs, **settings)

    def _done(self, study: Study, comparison: Comparison) -> Result:
        return Result.of(
            comparison,
            study.baseline,
            study.chosen,
            job=study.name.digest,
            config=_config(study),
            fits={
                key: count - self._fits.get(key, 0)
                for key, count in _counts(study.backtest.store).items()
            },
            wall_seconds=time.perf_counter() - self._began,
            **self.job,
        )

    def _failed(self, error: BaseException) -> None:
        """Write down how it ended; a disk that takes nothing changes nothing about that."""
        if self.result is not None:
            return  # it was done when this happened
        first = next(iter(str(error).splitlines()), "")
        told = f"{type(error).__name__}: {first}".removeprefix("ConfigError: ").rstrip(": ")
        stopped = isinstance(error, KeyboardInterrupt)
        self.result = Result(
            status="stopped" if stopped else "failed",
            error="stopped before it was finished" if stopped else told,
            wall_seconds=time.perf_counter() - self._began,
            versions=versions(),
            **self.job,
        )
        with suppress(OSError):
            self.result.save(output_directory())


def objective(
    result: Result | None, asked: str | Sequence[str] | None
) -> float | tuple[float, ...] | None:
    """The numbers that a sweeper asked for; one by itself. Raises `ConfigError` for no number."""
    values: list[float] = []
    for name in asked_for(asked):
        value = None if result is None else result.objective.get(name)
        if value is None:
            raise ConfigError(f"objective={name}: not known of this job{_REMEDY.get(name, '')}")
        values.append(value)
    if not values:
        return None
    return values[0] if isinstance(asked, str) else tuple(values)


def earlier(study: Study, directory: Path) -> Path | None:
    """Where an equal job was finished, if one was, and may be taken."""
    name = study.name.digest
    if name is None or not study.resume:
        return None
    places = [directory, *_places(study, name)]
    return next((place for place in places if _result(place, name) is not None), None)


def _result(directory: Path, name: str) -> Result | None:
    """The result that lies there, if it is whole, done, and of this name."""
    try:
        result = Result.load(directory)
    except RecordError as error:
        if (directory / RESULT).exists():
            say(f"done again: {error}", sys.stderr)
        return None
    same = (result.job, result.status) == (name, "done")
    return result if same and taken.is_whole(directory) else None


def _places(study: Study, name: str) -> list[Path]:
    """Where a result of this name was left, as the store of fits knows it."""
    store = study.backtest.store.directory
    return [] if store is None else Finished(store).places(name)


def _unwritten(directory: Path) -> None:
    (directory / RESULT).unlink(missing_ok=True)


def _is_drawn(directory: Path, result: Result, wanted: str) -> bool:
    """Whether the directory has the verdict of the result, and what is wanted of the report."""
    files = archive.opened(directory).facts.get("files", {})
    there = {"none": True, "page": archive.REPORT in files}
    there["all"] = there["page"] and any(name.startswith("figures/") for name in files)
    try:
        told = json.loads(archive.path_of(directory, archive.VERDICT).read_bytes())
    except (OSError, ValueError):
        return False
    return there[wanted] and told == result.verdict


def _config(study: Study) -> dict[str, Any]:
    return {key: value for key, value in study.config.items() if key not in OF_WORK}


def _counts(store: FitStore) -> dict[str, int]:
    return {key: getattr(store, key) for key in ("asked", "computed", "read")}
