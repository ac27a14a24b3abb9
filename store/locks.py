"""Locks by name: one thread and one process at a time computes a fit or an answer."""

import os
import threading
import weakref
from collections.abc import Iterator
from contextlib import AbstractContextManager, contextmanager, suppress
from hashlib import blake2b
from pathlib import Path
from typing import Any

from filelock import lock_descriptor, unlock_descriptor

#: Locks that names share. They are used again and again, so that files do not pile up.
STRIPES = 64
#: How often a process that waits for another one's work looks again.
_POLL_SECONDS = 0.002


class NamedLocks:
    """Locks by name, among the threads of this process, and with a folder among all processes.

    Never hold two at once: names share locks, so two could wait for each other. The system releases
    the locks of a process that is killed.

    Parameters
    ----------
    folder : Path, optional
        Where the lock files are; it exists when the first lock is taken.
    """

    def __init__(self, folder: Path | None = None) -> None:
        self._folder = folder
        self._stripes = [_Stripe() for _ in range(STRIPES)]
        _EVERY.add(self)

    def hold(self, name: str) -> AbstractContextManager[Any]:
        """Hold the lock of a name; raises OSError when the folder cannot be used."""
        if self._folder is None:
            return self._stripes[hash(name) % STRIPES].threads
        return self._among_processes(name, self._folder)

    @contextmanager
    def _among_processes(self, name: str, folder: Path) -> Iterator[None]:
        number = blake2b(name.encode(), digest_size=1).digest()[0] % STRIPES
        stripe = self._stripes[number]
        with stripe.threads:
            stripe.lock(folder / f"{number:02d}")
            try:
                yield
            finally:
                stripe.unlock()


class _Stripe:
    """A lock among threads and, by a lock file that stays open, among processes.

    ``filelock.FileLock`` opens its file anew each time, which takes 70 us to the 3 us here.
    """

    def __init__(self) -> None:
        self.threads = threading.Lock()
        self._file: int | None = None

    def lock(self, path: Path) -> None:
        if self._file is None:
            self._file = os.open(path, os.O_RDWR | os.O_CREAT, 0o600)
        lock_descriptor(self._file, poll_interval=_POLL_SECONDS)

    def unlock(self) -> None:
        if self._file is not None:
            unlock_descriptor(self._file)

    def close(self) -> None:
        if self._file is not None:
            with suppress(OSError):
                os.close(self._file)
        self._file = None

    def __del__(self) -> None:
        self.close()


_EVERY: weakref.WeakSet[NamedLocks] = weakref.WeakSet()


def _after_fork() -> None:
    """Let go of the parent's locks: a child that kept them would hold them when it has died."""
    for locks in list(_EVERY):
        for stripe in locks._stripes:
            stripe.close()
        locks._stripes = [_Stripe() for _ in range(STRIPES)]


if hasattr(os, "register_at_fork"):
    os.register_at_fork(after_in_child=_after_fork)
