"""Pieces of work, done where joblib's backend says: in this process, in others, on other hosts."""

import os
import pickle
import re
import uuid
import weakref
from collections.abc import Callable, Generator, Iterator, Mapping
from concurrent.futures import BrokenExecutor
from contextlib import closing, contextmanager
from pathlib import Path
from typing import Any, Protocol

import cloudpickle
import joblib

from backtrain.simulator.answers import PartError
from backtrain.simulator.manifest import put
from backtrain.simulator.process import among_threads, deaf_workers, one_thread
from backtrain.simulator.setup import SetupError
from backtrain.simulator.workshop import Workshop, opened, sent_whole
from backtrain.store.fits import FitStore

#: What joblib's backends raise where a process has died: Dask's after several, and Ray's.
_DEATHS = ("KilledWorker", "WorkerCrashedError", "RayActorError", "ActorDiedError")
#: Pieces that each worker is given at once where a backend tells nothing before the last is done.
_AT_ONCE = 4

Work = Callable[..., Any]
Piece = tuple[Any, ...]


class Shared(Protocol):
    """What all pieces of one piece of work share: a `Setup`, or several."""

    @property
    def model(self) -> Any:
        """The model whose libraries are held to one thread."""


class WorkerError(PartError):
    """The process that did a piece of work died, twice: of a signal, or by leaving.

    Attributes
    ----------
    finished : Comparison or None
        Of a comparison, the strategies that were finished.
    died : mapping of str to str
        By the name of a piece of work, what became of it.
    """

    finished: Any = None
    died: Mapping[str, str] = {}


class UnsendableError(SetupError, pickle.PicklingError):
    """A setup cannot be sent to another process."""


def check_n_jobs(n_jobs: Any) -> None:
    """Raise `SetupError` for what is no number of workers."""
    if isinstance(n_jobs, bool) or not isinstance(n_jobs, int) or n_jobs == 0:
        raise SetupError(f"n_jobs={n_jobs!r}: give a number of processes, or -1 for every core")


def each(
    work: Work,
    setup: Shared,
    store: FitStore,
    pieces: Mapping[str, Piece],
    n_jobs: int = 1,
) -> Generator[tuple[str, Any]]:
    """What ``work(setup, store, *piece)`` returns, by the piece's name, in the order of finishing.

    Close it, should anything go wrong before it is at its end, and workers stop.
    History, model and store go to other processes by reference: they lie in a folder that all of
    them map. A piece whose process dies is tried once more, alone; the others go on.

    Parameters
    ----------
    work : callable
        A function of a module; it returns what is small.
    setup : Setup
        What all pieces share; or another object that has its ``model``.
    store : FitStore
        Of their fits.
    pieces : mapping of str to tuple
        By what errors call them, such as "replayed 'weekly'".
    n_jobs : int
        Workers, as in joblib.

    Raises
    ------
    WorkerError
        After all others are done, where a piece took its process down both times.
    pickle.PicklingError
        For what cannot be sent.
    """
    with _stop_as_it_was():
        yield from _each(work, setup, store, pieces, n_jobs)


@contextmanager
def _stop_as_it_was() -> Iterator[None]:
    """What is raised because of a stop, as by workers that had not quite started, is that stop."""
    try:
        yield
    except Exception as error:
        stop = error.__context__
        while not (stop is None or isinstance(stop, KeyboardInterrupt)):
            stop = stop.__context__
        if stop is None:
            raise
        raise stop from None


def _each(
    work: Work, setup: Shared, store: FitStore, pieces: Mapping[str, Piece], n_jobs: int
) -> Generator[tuple[str, Any]]:
    backend = joblib.parallel.get_active_backend()[0]
    if len(pieces) < 2 or joblib.effective_n_jobs(n_jobs) == 1:
        yield from ((name, work(setup, store, *piece)) for name, piece in pieces.items())
    elif getattr(backend, "supports_sharedmem", False):
        tasks = {name: (_beside, work, setup, store, name, piece) for name, piece in pieces.items()}
        with one_thread(setup.model):
            yield from _parallel(tasks, n_jobs)
    else:
        yield from _elsewhere(work, setup, store, pieces, n_jobs)


def shared_folder(store: FitStore) -> Path | None:
    """Where what processes share is written: joblib's ``temp_folder``, else the store's directory.

    None is the system's temporary files.
    """
    given = joblib.Parallel()._backend_kwargs.get("temp_folder")
    given = given or os.environ.get("JOBLIB_TEMP_FOLDER")
    if given is not None:
        return Path(given).expanduser()
    return None if store.directory is None else store.directory / "shared"


# --- here -----------------------------------------------------------------------------------------


def _beside(work: Work, setup: Shared, store: FitStore, name: str, piece: Piece) -> tuple[str, Any]:
    with among_threads():
        return name, work(setup, store, *piece)


def _parallel(tasks: Mapping[str, tuple[Any, ...]], n_jobs: int) -> Generator[Any]:
    """What tasks return, as soon as the backend tells."""
    backend = joblib.parallel.get_active_backend()[0]
    delayed = [joblib.delayed(task[0])(*task[1:]) for task in tasks.values()]
    if getattr(backend, "supports_return_generator", False):
        parallel = joblib.Parallel(n_jobs, return_as="generator_unordered", batch_size=1)
        with deaf_workers():
            found = parallel(delayed)
        yield from found
        return
    size = _AT_ONCE * joblib.effective_n_jobs(n_jobs)
    with joblib.Parallel(n_jobs, batch_size=1) as parallel:  # the same workers for all of them
        for first in range(0, len(delayed), size):
            yield from parallel(delayed[first : first + size])


# --- in other processes ---------------------------------------------------------------------------

_SENT: weakref.WeakKeyDictionary[Any, tuple[FitStore, Path | None, Workshop]] = (
    weakref.WeakKeyDictionary()
)


def _sent(setup: Shared, store: FitStore) -> Workshop:
    """Where setup and store have been put for others, once for as long as the setup lives."""
    above = shared_folder(store)
    kept, where, workshop = _SENT.get(setup, (None, None, None))
    if workshop is None or kept is not store or where != above:
        workshop = Workshop(above)
        try:
            workshop.put((setup, store))
        except (pickle.PicklingError, TypeError, AttributeError) as error:
            raise UnsendableError(
                f"{type(setup.model).__name__}, or what goes with it, cannot be sent to another "
                f"process ({type(error).__name__}: {error}); use n_jobs=1"
            ) from error
        _SENT[setup] = store, above, workshop
    return workshop


def _elsewhere(
    work: Work, setup: Shared, store: FitStore, pieces: Mapping[str, Piece], n_jobs: int
) -> Generator[tuple[str, Any]]:
    workshop = _sent(setup, store)
    marks = {name: workshop.path / uuid.uuid4().hex for name in pieces}
    with sent_whole():
        left = {
            name: (_there, workshop.path, marks[name], _packed(name, (work, name, piece)))
            for name, piece in pieces.items()
        }
    died: dict[str, str] = {}

    def done(found: tuple[str, Any, dict[str, int]]) -> tuple[str, Any]:
        name, result, counts = found
        del left[name]
        marks[name].unlink(missing_ok=True)
        store.count(**counts)
        return name, result

    while left:
        try:
            with closing(_parallel(left, n_jobs)) as results:
                for found in results:
                    yield done(found)
        except Exception as error:
            if not _is_death(error):
                raise
            states = {name: marks[name].read_bytes() for name in left if marks[name].exists()}
            if not states:
                raise  # it came to none of them, so it would not another time
            for state in filter(None, states.values()):
                yield done(pickle.loads(state))
            for name in [name for name, state in states.items() if not state]:
                try:
                    # In a process of its own: with one job, joblib would work in this one.
                    yield done(next(iter(_parallel({name: left[name]}, max(2, n_jobs)))))
                except Exception as again:
                    if not _is_death(again):
                        raise
                    del left[name]
                    died[name] = f"the process that {name} died{_cause(again)}"
    if died:
        dead = WorkerError("\n".join(died.values()))
        dead.died = died
        raise dead


def _packed(what: str, value: Any) -> bytes:
    try:
        return bytes(cloudpickle.dumps(value))
    except Exception as error:
        raise pickle.PicklingError(f"{what}: {type(error).__name__}: {error}") from error


def _there(path: Path, mark: Path, task: bytes) -> tuple[str, Any, dict[str, int]]:
    """Do a piece in another process; returns its name, what came of it, and what was counted.

    Where it stands is told by the file ``mark``: there and empty once it is begun, and with what is
    returned once it is done.
    """
    setup, store = opened(path)
    work, name, piece = pickle.loads(task)
    mark.touch()
    try:
        found = name, work(setup, store, *piece), store.drain()
    except BaseException:
        mark.unlink(missing_ok=True)
        raise
    put(mark, pickle.dumps(found))
    return found


def _is_death(error: Exception) -> bool:
    return isinstance(error, BrokenExecutor) or type(error).__name__ in _DEATHS


def _cause(error: Exception) -> str:
    """Of which signal, where the backend says so."""
    codes = [(name, int(code)) for name, code in re.findall(r"(\w+)\((-?\d+)\)", str(error))]
    name, code = next(((name, code) for name, code in codes if code), ("", 0))
    if not code:
        return f" ({type(error).__name__})"
    if code > 0:
        return f" (it left with code {code})"
    return f" (signal {-code}, {name}{'; out of memory?' if name == 'SIGKILL' else ''})"
