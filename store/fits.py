"""One fit is computed once: fits are named by their content, and kept with what they answered."""

import math
import pickle
import threading
from collections.abc import Callable
from contextlib import AbstractContextManager
from dataclasses import dataclass, replace
from pathlib import Path
from typing import Any

import numpy as np
from numpy.typing import NDArray

from backtrain.store import network
from backtrain.store.disk import DiskStore
from backtrain.store.locks import NamedLocks
from backtrain.store.lru import LRU, weigh

GIB = 2**30
#: What a store counts.
_COUNTS = ("asked", "computed", "read", "predicted")


@dataclass(slots=True, eq=False)
class Answers:
    """What a model says to n rows; arrays of shape (n,), ``probability`` (n, k) for k > 2 classes.

    ``fallback`` marks the rows that it could not score, answered with the training mean or prior.
    ``quantiles`` is (n, q), where the model answers several.
    """

    prediction: NDArray[Any]
    score: NDArray[np.float64] | None
    probability: NDArray[np.float64] | None
    fallback: NDArray[np.bool_] | None
    quantiles: NDArray[np.float64] | None = None

    def arrays(self) -> tuple[NDArray[Any] | None, ...]:
        """The four of them, in this order, and quantiles where there are some."""
        more = () if self.quantiles is None else (self.quantiles,)
        return self.prediction, self.score, self.probability, self.fallback, *more


@dataclass(slots=True, eq=False)
class StoredFit:
    """A fitted model under its name, with what it took to make it, and the seed of its fit."""

    name: str
    model: Any
    cpu_seconds: float
    seed: int


class FitStore:
    """Fits by name, with the blocks of answers that they already gave; in memory, and on disk.

    What is kept never changes a result, only how much is computed. A fit costs what it cost when
    it was made first, whoever made it. Pickled, a store takes its directory along and leaves its
    memory behind.

    Parameters
    ----------
    directory : path, optional
        Where lasting fits are kept for other processes and later runs; None keeps them in memory.
    max_bytes : int
        Room on disk; what was not used for longest makes way.
    max_memory : int
        Room in memory, likewise.

    Attributes
    ----------
    asked, computed, read : int
        Fits that were wanted, those that had to be made, and those that came from the disk.
    predicted : int
        Blocks of answers that a model had to give.

    Raises
    ------
    StoreError
        When others own the directory or may write in it.
    """

    def __init__(
        self, directory: str | Path | None = None, max_bytes: int = 4 * GIB, max_memory: int = GIB
    ) -> None:
        self.directory = None if directory is None else Path(directory).expanduser().absolute()
        if self.directory is not None:
            network.warn_where_shared(self.directory)
        self.max_bytes = max_bytes
        self.max_memory = max_memory
        self.asked = self.computed = self.read = self.predicted = 0
        self._disk = None if self.directory is None else DiskStore(self.directory, max_bytes)
        self._memory = LRU(max_memory)
        self._prices: dict[str, float] = {}
        self._weights: dict[type, int] = {}
        self._guard = threading.Lock()
        self._locks = NamedLocks()
        self._kept: list[str] = []  # what this store has put on disk, in this order

    def __repr__(self) -> str:
        return "FitStore()" if self.directory is None else f"FitStore({str(self.directory)!r})"

    def __reduce__(self) -> tuple[Any, ...]:
        return _copy, (self.directory, self.max_bytes, self.max_memory)

    # --- the two questions --------------------------------------------------------------------

    def fit(
        self, name: str, make: Callable[[], StoredFit], lasting: bool = False
    ) -> tuple[StoredFit, bool]:
        """The fit of this name, and whether it was here; else ``make`` is called, once.

        A ``lasting`` fit, whose name holds in other processes and at other times, may go to disk.
        ``make`` may not ask the store for another fit.
        """
        self.count(asked=1)
        kept = self._memory.get(name)
        if kept is not None:
            return kept, True
        disk = self._disk if lasting else None
        with self._lock(name, disk):
            kept = self._memory.get(name) or self._read_fit(name, disk)
            if kept is not None:
                return kept, True
            self.count(computed=1)
            made = make()
            price = self._prices.setdefault(name, made.cpu_seconds)
            if price != made.cpu_seconds:
                made = replace(made, cpu_seconds=price)
            size = self._keep(name, disk, (made.model, made.cpu_seconds, made.seed))
            self._memory.put(name, made, self._weight(made.model) if size is None else size)
        return made, False

    def learnt(self, given: tuple[bytes, int, Any, Any, Any], make: Callable[[], Any]) -> Any:
        """The model that ``make`` fits from nothing, where all libraries keep their fits apart.

        ``given`` is the update's name, the seed, and features, labels and weights of the rows. A
        store may share by it among histories that differ elsewhere.
        """
        return make()

    def answers(
        self, key: tuple[str, int, int], make: Callable[[], Answers], lasting: bool = False
    ) -> Answers:
        """The answers under ``(fit, first row, stop row)``; else ``make`` is called, once.

        ``lasting`` is that of the fit.
        """
        answers: Answers | None = self._memory.get(key)
        if answers is not None:
            return answers
        disk = self._disk if lasting else None
        name = key[0] if disk is None else "-".join(map(str, key))
        with self._lock(name, disk):
            answers = self._memory.get(key)
            if answers is None:
                answers = self._read_answers(name, disk, key[2] - key[1])
                if answers is None:
                    self.count(predicted=1)
                    answers = make()
                    self._keep(name, disk, answers.arrays())
                size = sum(array.nbytes for array in answers.arrays() if array is not None)
                self._memory.put(key, answers, size)
        return answers

    # --- what follows from fits ---------------------------------------------------------------

    def found(self, name: str, lasting: bool = False) -> Any:
        """What was `put` under a name; None where nothing was. It is counted nowhere."""
        kept = self._memory.get(name)
        if kept is None:
            content, size = self._read(name, self._disk if lasting else None, _is_result)
            if content is not None:
                (kept,) = content
                self._memory.put(name, kept, size)
        return kept

    def put(self, name: str, value: Any, lasting: bool = False) -> None:
        """Keep what follows from fits; who needs these may be asked for them meanwhile."""
        disk = self._disk if lasting else None
        with self._lock(name, disk):
            size = self._keep(name, disk, (value,))
        self._memory.put(name, value, weigh(value) if size is None else size)

    def _read_fit(self, name: str, disk: DiskStore | None) -> StoredFit | None:
        content, size = self._read(name, disk, _is_fit)
        if content is None:
            return None
        model, cpu_seconds, seed = content
        self.count(read=1)
        cpu_seconds = self._prices.setdefault(name, cpu_seconds)
        fit = StoredFit(name, model, cpu_seconds, seed)
        self._memory.put(name, fit, size)
        return fit

    def _read_answers(self, name: str, disk: DiskStore | None, rows: int) -> Answers | None:
        content, _ = self._read(name, disk, lambda content: _are_answers(content, rows))
        return None if content is None else Answers(*content)

    # --- disk ---------------------------------------------------------------------------------

    def _lock(self, name: str, disk: DiskStore | None) -> AbstractContextManager[Any]:
        """The lock of a name: among threads, and with a disk among processes."""
        return self._locks.hold(name) if disk is None else disk.lock(name)

    @staticmethod
    def _read(
        name: str, disk: DiskStore | None, fits: Callable[[Any], bool]
    ) -> tuple[tuple[Any, ...] | None, int]:
        """The valid content of an entry and its length; None and 0 where there is none."""
        payload = None if disk is None else disk.get(name)
        if disk is None or payload is None:
            return None, 0
        try:
            content = pickle.loads(payload)
        except Exception:
            content = None
        if not fits(content):
            disk.damaged(name)
            return None, 0
        return content, len(payload)

    def _keep(self, name: str, disk: DiskStore | None, content: tuple[Any, ...]) -> int | None:
        """Put it on the disk; returns its length, or None when it is not there."""
        if disk is None:
            return None
        try:
            payload = pickle.dumps(content, protocol=5)
        except Exception:
            return None  # a model that cannot be pickled stays in memory
        disk.put(name, payload)
        self._kept.append(name)
        return len(payload)

    # --- the whole ----------------------------------------------------------------------------

    def flush(self) -> None:
        """Bring the disk up to date: what was used, and what has to make way. Nothing else waits.

        Fits and answers are on disk as soon as they are made, so a killed process loses nothing.
        """
        if self._disk is not None:
            self._disk.flush()

    def info(self) -> dict[str, Any]:
        """The disk's ``path``, ``entries``, ``bytes``, ``max_bytes``; what this store counted."""
        nothing = {"path": None, "entries": 0, "bytes": 0, "max_bytes": self.max_bytes}
        disk = nothing if self._disk is None else self._disk.info()
        return disk | {name: getattr(self, name) for name in _COUNTS}

    def holds(self, name: str) -> bool:
        """Whether there is a fit of this name, in memory or on disk; it is not read."""
        return name in self._memory or (self._disk is not None and self._disk.holds(name))

    def mark(self) -> int:
        """How much has been put on disk so far: what `forget` goes back to."""
        return len(self._kept)

    def forget(self, mark: int) -> None:
        """Drop what this store has put on disk since the mark, and all that it holds in memory."""
        self._memory = LRU(self.max_memory)
        if self._disk is not None:
            self._disk.drop(self._kept[mark:])

    def clear(self) -> None:
        """Forget everything, in memory and on disk."""
        self._memory = LRU(self.max_memory)
        self._prices.clear()
        if self._disk is not None:
            self._disk.clear()

    def _weight(self, model: Any) -> int:
        """About the bytes of a model; looked at ever more rarely: to look costs a small fit."""
        kind = type(model)
        count = self.computed
        if count & (count - 1) == 0 or kind not in self._weights:  # at 1, 2, 4, 8, ...
            self._weights[kind] = weigh(model)
        return self._weights[kind]

    def count(self, **more: int) -> None:
        """Add to ``asked``, ``computed``, ``read`` and ``predicted``, what a copy elsewhere did."""
        with self._guard:
            for name, number in more.items():
                setattr(self, name, getattr(self, name) + number)

    def drain(self) -> dict[str, int]:
        """What was counted, for `count` of another copy; begins at nought again."""
        with self._guard:
            counts = {name: getattr(self, name) for name in _COUNTS}
            self.__dict__.update(dict.fromkeys(_COUNTS, 0))
        return counts


def _copy(directory: Path | None, max_bytes: int, max_memory: int) -> FitStore:
    """A store in another process, of which its first owner has been told where it lies."""
    if directory is not None:
        network.TOLD.add(directory)
    return FitStore(directory, max_bytes, max_memory)


def _is_fit(content: Any) -> bool:
    """Whether this is a model, the CPU seconds that it took, and its seed."""
    if type(content) is not tuple or len(content) != 3:
        return False
    _, cpu_seconds, seed = content
    return type(cpu_seconds) is float and math.isfinite(cpu_seconds) and type(seed) is int


def _is_result(content: Any) -> bool:
    """Whether this is what `FitStore.put` wrote."""
    return type(content) is tuple and len(content) == 1


def _are_answers(content: Any, rows: int) -> bool:
    """Whether these are the arrays of `Answers` for so many rows."""
    if type(content) is not tuple or len(content) not in (4, 5):
        return False
    prediction, score, probability, fallback, *more = content
    return (
        all(_is_array(quantiles, "f", (rows, None)) for quantiles in more)
        and _is_array(prediction, "iuf", (rows,))
        and (score is None or _is_array(score, "f", (rows,)))
        and (probability is None or _is_array(probability, "f", (rows, None)))
        and (fallback is None or _is_array(fallback, "b", (rows,)))
    )


def _is_array(value: Any, kinds: str, shape: tuple[int | None, ...]) -> bool:
    return (
        type(value) is np.ndarray
        and value.dtype.kind in kinds
        and value.ndim == len(shape)
        and all(n in (None, m) for n, m in zip(shape, value.shape, strict=True))
    )
