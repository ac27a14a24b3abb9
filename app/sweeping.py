"""Many comparisons at once, in Python: `sweep`."""

from __future__ import annotations

import hashlib
import inspect
import json
import os
import pickle
import re
from collections import Counter
from collections.abc import Callable, Iterator, Mapping, Sequence
from contextlib import ExitStack, closing, contextmanager
from pathlib import Path
from typing import TYPE_CHECKING, Any

import cloudpickle

from backtrain.datasets.columns import nearest
from backtrain.datasets.stream import Stream
from backtrain.lossmatrix.bill import seconds_of
from backtrain.lossmatrix.decide import FLOOR
from backtrain.reports.comparison import Comparison, judged_by
from backtrain.reports.kept import RECORDS
from backtrain.reports.numbers import count
from backtrain.reports.sweep.frame import text
from backtrain.reports.sweep.sweep import Sweep
from backtrain.simulator.manifest import warn
from backtrain.simulator.process import one_thread
from backtrain.simulator.progress import Shown, stage
from backtrain.simulator.setup import SetupError
from backtrain.simulator.workers import WorkerError, check_n_jobs, each
from backtrain.store.fits import FitStore
from backtrain.store.locks import alone_in
from backtrain.store.named import Named
from backtrain.strategies.strategy import Strategy, check_names
from backtrain.tracking import callbacks as tracking

if TYPE_CHECKING:
    from backtrain.axes import Axes, Job
    from backtrain.sweep_job import Ended, Study

#: Bytes of a folder's name, and reasons that an error lists.
_LONGEST, _REASONS = 80, 3


def sweep(
    datasets: Any,
    models: Any,
    strategies: Mapping[str, Strategy],
    seeds: Sequence[int] = (0,),
    *,
    where: Any = None,
    directory: str | Path | None = None,
    cache: str | Path | FitStore | None = None,
    n_jobs: int = 1,
    progress: Shown = False,
    hindsight: bool | str = "auto",
    baseline: str | None = None,
    careful: float = FLOOR,
    budget: float | None = None,
    running: str | None = None,
    records: str = "all",
    callbacks: Sequence[Any] = (),
    resume: bool = True,
    **setup: Any,
) -> Sweep:
    """Compare strategies on every combination of data, models, seeds, prices, and more.

    A job is one comparison of all strategies. A list is an axis: each of its values is tried. So is
    a dict, whose keys are the names that tables show. Anything else is one value. What a job raises
    is its result: it stands in the table as failed, with the reason, and the others go on.

    Parameters
    ----------
    datasets : Stream, path or function, or a list or dict of these
        A path is the directory of a saved stream. A function returns a stream, and is called when
        a job wants it, where that is done; if it has a parameter ``seed``, with the job's.
    models : estimator, or a list or dict of estimators
    strategies : mapping of str to Strategy
        As in `Backtest.compare`: each job compares all of them.
    seeds : sequence of int
        Of the models, and of data that are made.
    where : callable, or sequence of mappings
        Which combinations are wanted: a function of a job's values by axis, as in
        ``lambda job: job["seed"] < 3``, or a list, as in ``[{"dataset": "bike", "model": "a"}]``:
        those that agree with one of its members.
    directory : path, optional
        Where each job's records and result lie, each in a folder of its own, and from where the
        same call goes on after a stop. Without it the table is all that is left.
    cache : path or FitStore, optional
        As in `Backtest`: where fits are kept for other processes and later calls. Jobs that are
        done in one process share fits in any case. With a path, equal jobs that were finished in
        whatever directory are taken.
    n_jobs : int
        Jobs at once, as in joblib, in whatever workers `joblib.parallel_config` says: processes,
        threads, those of Dask or Ray. No result depends on it.
    progress : bool or "auto"
        Show a progress bar; "auto" writes lines instead where nobody watches, as in logs.
    hindsight, records
        As in `Backtest.compare`.
    baseline : str, optional
        What others are held against; by default the strategy that never retrains, or the first.
    careful, budget, running
        How each job is judged, as in `Comparison`.
    callbacks : sequence of Callback
        Told of each job when it has ended, in this process; they take a ``directory``.
    resume : bool
        Take the results of equal jobs that were finished before; False does everything again.
    **setup
        Parameters of `Backtest`, each a value or an axis: ``tick="1D"``, ``start=[0.2, 0.5]``,
        ``loss={"mae": "absolute", "mine": my_loss}``. Of prices and delays each may be one:
        ``prices={"retrain": [1, 10], "error": 0.02}``. What is a list or dict in `Backtest`, such
        as ``metrics=``, is one value: give several lists in a dict, by names, several dicts in a
        list.

    Returns
    -------
    Sweep
        ``frame()`` is a row a job and strategy, ``axes`` what was swept, ``save(directory)`` writes
        ``summary.parquet`` and the report; see ``docs/sweeps.md``.

    Raises
    ------
    SetupError
        For what is wrong with an axis, which it names; and where no job could be done.

    Examples
    --------
    >>> from functools import partial
    >>> from sklearn.linear_model import Lasso, Ridge
    >>> import backtrain
    >>> from backtrain.datasets.synthetic import abrupt
    >>> from backtrain.strategies import Every, Never, Sliding, Strategy
    >>> strategies = {
    ...     "static": Strategy(Never(), Sliding("9D")),
    ...     "weekly": Strategy(Every("7D"), Sliding("9D")),
    ... }
    >>> found = backtrain.sweep(
    ...     {"abrupt": partial(abrupt, n=600, task="regression")},
    ...     [Ridge(), Lasso(0.1)],
    ...     strategies,
    ...     seeds=range(2),
    ...     prices={"retrain": [1, 10]},
    ... )
    >>> found
    Sweep(8 jobs, 8 done, 2 strategies, advised: weekly in 8)
    >>> list(found.axes)
    ['model', 'seed', 'prices.retrain']
    >>> len(found.frame())
    16
    """
    from backtrain.axes import Axes
    from backtrain.sweep_job import Study

    axes = Axes.of(datasets, models, seeds, setup, [*inspect.signature(sweep).parameters][:-1])
    jobs = axes.jobs(where)
    check_names(strategies, "strategies")
    check_n_jobs(n_jobs)
    _check_told(strategies, baseline=baseline, running=running)
    judged_by(careful, budget)
    seconds_of(hindsight)
    if records not in RECORDS:
        raise SetupError(f"records={records!r}: give {', '.join(map(repr, RECORDS))}")
    if callbacks and directory is None:
        raise SetupError("callbacks: give directory=, too; what they are told of lies there")
    if not isinstance(cache, (FitStore, str, os.PathLike, type(None))):
        raise SetupError(f"cache={cache!r}: give a directory, or None for memory only")
    store = cache if isinstance(cache, FitStore) else FitStore(cache)
    judged = {"baseline": baseline, "careful": careful, "budget": budget, "running": running}
    with _home(directory) as home:
        places = [None if home is None else home / name for name in _folders(axes, jobs)]
        study = Study(
            axes,
            strategies,
            axes.named,
            Named.of(list(strategies.values())),
            judged,
            {"hindsight": hindsight, "records": records},
            _earlier(home, places),
            resume,
        )
        told = _told(callbacks, judged, home)
        ended = _all(study, store, jobs, places, n_jobs, progress, told)
    _say(axes, jobs, ended, kept=resume and (home or store.directory) is not None)
    return Sweep([one.result for one in ended])


def _all(
    study: Study,
    store: FitStore,
    jobs: Sequence[Job],
    places: Sequence[Path | None],
    n_jobs: int,
    progress: Shown,
    told: Callable[[Ended], None],
) -> list[Ended]:
    """Every job, by number; those of one data set after each other."""
    from backtrain.reports.sweep.result import Result
    from backtrain.sweep_job import Ended, work

    axes, inside = study.axes, n_jobs if len(jobs) == 1 else 1
    names = [f"did job {number} ({axes.name(job)})" for number, job in enumerate(jobs)]
    order = sorted(range(len(jobs)), key=lambda number: axes.source(jobs[number]))
    pieces = {names[n]: (jobs[n], n, places[n], inside) for n in order}
    ended: dict[str, Ended] = {}

    def done(name: str, one: Ended) -> None:
        ended[name] = one
        told(one)
        shown.finished(axes.name(jobs[one.result.number]))

    with ExitStack() as held, stage(progress, "jobs", len(jobs)) as shown:
        for value in axes.values["model"]:
            held.enter_context(one_thread(value.value))
        try:
            with closing(each(work, study, store, pieces, n_jobs)) as found:
                for name, one in found:
                    done(name, one)
        except WorkerError as error:
            for name, why in error.died.items():
                job, number, place, _ = pieces[name]
                failed = Result(
                    number=number, status="failed", error=why, overrides=axes.labels(job),
                    directory=place,
                )  # fmt: skip
                if place is not None:
                    failed.save(place)
                done(name, Ended(failed))
        except pickle.PicklingError as error:
            _refuse_unsendable(study)
            raise SetupError(f"{error}; use n_jobs=1") from error
        except KeyboardInterrupt as error:
            kept = "the same call goes on from there"
            if places[0] is None:
                kept = "give directory=, and the same call goes on from what was finished"
            error.add_note(f"{len(ended)} of {len(jobs)} jobs are finished; {kept}")
            raise
    return [ended[name] for name in names]


def _say(axes: Axes, jobs: Sequence[Job], ended: Sequence[Ended], kept: bool) -> None:
    """Raise where no job could be done; warn where some failed, and of what is not kept."""
    failed = [one for one in ended if one.result.status != "done"]
    reasons = Counter(one.result.error for one in failed)
    lines = [f"{why} ({count(n, 'job')})" for why, n in reasons.most_common(_REASONS)]
    if len(failed) == len(ended):
        first = failed[0]
        where = axes.name(jobs[first.result.number])
        error = SetupError(
            "\n".join([f"none of {count(len(ended), 'job')} could be done; {where}:", *lines])
        )
        error.add_note(first.trace or "it has no trace: its process died")
        raise error
    if failed:
        rest = f"; and {len(reasons) - _REASONS} reasons more" if len(reasons) > _REASONS else ""
        warn(f"{len(failed)} of {len(ended)} jobs failed: {'; '.join(lines)}{rest}")
    why = "; ".join(dict.fromkeys(one.why for one in ended if one.why))
    if why and kept:
        warn(
            f"done again each time: {why}; what stands in a module that can be imported, or "
            "has a cache_version, is taken"
        )


# --- where jobs lie -------------------------------------------------------------------------------


@contextmanager
def _home(directory: str | Path | None) -> Iterator[Path | None]:
    """The sweep's directory, while no other sweep is at work there."""
    if directory is None:
        yield None
        return
    if not isinstance(directory, (str, os.PathLike)):
        raise SetupError(f"directory={directory!r}: give a path, or None to keep nothing")
    home = Path(directory).expanduser().absolute()
    try:
        home.mkdir(parents=True, exist_ok=True)
    except OSError as error:
        raise SetupError(f"directory={str(directory)!r}: cannot be made: {error}") from error
    with alone_in(home) as alone:
        if not alone:
            raise SetupError(
                f"directory={str(directory)!r}: another sweep is at work there; wait for it, or "
                "choose another"
            )
        yield home


def _folders(axes: Axes, jobs: Sequence[Job]) -> list[str]:
    """A folder's name for each job, from its values alone: whatever others there are."""
    slugs = [re.sub(r"[^\w.]+", "-", axes.name(job)).strip("-.") for job in jobs]
    often = Counter(slug.casefold() for slug in slugs)
    names = []
    for job, slug in zip(jobs, slugs, strict=True):
        if often[slug.casefold()] > 1 or len(slug.encode()) > _LONGEST or not slug:
            values = json.dumps(axes.labels(job), sort_keys=True, default=str)
            digest = hashlib.blake2b(values.encode(), digest_size=5).hexdigest()
            slug = f"{slug.encode()[: _LONGEST - 11].decode(errors='ignore')}-{digest}"
        names.append(slug)
    return names


def _earlier(home: Path | None, places: Sequence[Path | None]) -> dict[str, Path]:
    """Finished jobs that lie there under other names: as they were before an axis was added."""
    from backtrain.reports.sweep.result import results_in

    found = [] if home is None else results_in(home)
    own = {*places}
    return {
        one.job: one.directory
        for one in found
        if one.status == "done" and one.job and one.directory and one.directory not in own
    }


# --- who is told ----------------------------------------------------------------------------------


def _told(
    callbacks: Sequence[Any], judged: Mapping[str, Any], home: Path | None
) -> Callable[[Ended], None]:
    """Tells callbacks of a job that has ended, in the order of a comparison."""
    if not callbacks:
        return lambda ended: None

    def tell(ended: Ended) -> None:
        result, listeners = ended.result, tracking.Told(callbacks, **judged)
        assert result.directory is not None
        overrides = tuple(f"{key}={text(value)}" for key, value in result.overrides.items())
        config = result.config or result.overrides
        job = tracking.Job(result.directory, config, home, result.number, overrides)
        listeners.tell("job_started", job)
        if result.status == "done":
            comparison = Comparison.load(result.directory)
            for run in comparison.runs.values():
                listeners.tell("run_finished", run)
            listeners.finished(comparison)
        error = None if result.status == "done" else RuntimeError(result.error)
        listeners.tell("job_finished", job, error)

    return tell


# --- what is refused ------------------------------------------------------------------------------


def _check_told(strategies: Mapping[str, Strategy], **told: str | None) -> None:
    for key, name in told.items():
        if name is not None and name not in strategies:
            raise SetupError(
                f"{key}={name!r}: not among the strategies; did you mean "
                f"{nearest(str(name), strategies)}?"
            )


def _refuse_unsendable(study: Study) -> None:
    """Raise `SetupError` for a value that cannot be sent to another process."""
    values = {f"{k}={v.label!r}": v.value for k, axis in study.axes.values.items() for v in axis}
    values |= {f"strategy {name!r}": one for name, one in study.strategies.items()}
    for what, value in values.items():
        try:
            if not isinstance(value, Stream):
                cloudpickle.dumps(value)
        except Exception as error:
            raise SetupError(
                f"{what}: it cannot be sent to another process ({type(error).__name__}: {error}); "
                "use n_jobs=1, or threads: joblib.parallel_config('threading')"
            ) from None
