"""Locks by name: one thread and one process at a time computes a fit or an answer."""

import errno
import os
import struct
import sys
import threading
import weakref
from collections.abc import Callable, Iterator
from contextlib import contextmanager, suppress
from functools import partial
from hashlib import blake2b
from pathlib import Path

from filelock import lock_descriptor, unlock_descriptor

#: Lock files that names share where the system cannot lock single bytes of one.
STRIPES = 64
#: How often a process that waits for such a file looks again.
_POLL_SECONDS = 0.002
#: What a file system answers where it cannot lock bytes.
_CANNOT = frozenset({errno.EINVAL, errno.ENOSYS, errno.ENOTSUP, errno.EOPNOTSUPP, errno.ENOLCK})


class NamedLocks:
    """Locks by name, among the threads of this process, and with a folder among all processes.

    A name locks a byte of its own in one file that stays empty. Where the system cannot do that,
    names share files: so never hold two at once, they could wait for each other. The system
    releases the locks of a process that is killed.

    Parameters
    ----------
    folder : Path, optional
        Where the lock files are; it exists when the first lock is taken.
    """

    def __init__(self, folder: Path | None = None) -> None:
        self._folder = folder
        self.begin()
        _EVERY.add(self)

    def begin(self) -> None:
        """Hold nothing, and have no file open."""
        self._guard = threading.Lock()
        self._turns: dict[int, _Turn] = {}
        self._bytes = _File() if _CAN_LOCK_BYTES else None
        self._stripes = [_File() for _ in range(STRIPES)]

    @contextmanager
    def hold(self, name: str) -> Iterator[None]:
        """Hold the lock of a name; raises OSError when the folder cannot be used."""
        # 63 bits, as offsets have: should two names ever share a byte, they only wait.
        place = int.from_bytes(blake2b(name.encode(), digest_size=8).digest()) >> 1
        with self._among_threads(place):
            release = None if self._folder is None else self._lock(self._folder, place)
            try:
                yield
            finally:
                if release is not None:
                    release()

    @contextmanager
    def _among_threads(self, place: int) -> Iterator[None]:
        """Take turns: what a process has locked is open to all of its threads."""
        with self._guard:
            turn = self._turns.setdefault(place, _Turn())
            turn.wanted += 1
        try:
            with turn.lock:
                yield
        finally:
            with self._guard:
                turn.wanted -= 1
                if not turn.wanted:
                    self._turns.pop(place, None)

    def _lock(self, folder: Path, place: int) -> Callable[[], None]:
        """Lock among processes; returns what unlocks."""
        if self._bytes is not None:
            try:
                _set_byte(self._bytes.open(folder / "bytes"), place, locked=True)
                return partial(_set_byte, self._bytes.number, place, locked=False)
            except OSError as error:
                if error.errno not in _CANNOT:
                    raise
                self._bytes = None  # and so for every process: they share the file system
        stripe = self._stripes[place % STRIPES]
        stripe.threads.acquire()
        try:
            lock_descriptor(
                stripe.open(folder / f"{place % STRIPES:02d}"), poll_interval=_POLL_SECONDS
            )
        except BaseException:
            stripe.threads.release()
            raise
        return stripe.unlock

    def close(self) -> None:
        """Close the files: what was locked is not any more."""
        for file in (self._bytes, *self._stripes):
            if file is not None:
                file.close()


class _Turn:
    """The lock of a name among threads, and how many of them hold it or wait for it."""

    __slots__ = ("lock", "wanted")

    def __init__(self) -> None:
        self.lock, self.wanted = threading.Lock(), 0


class _File:
    """A lock file that stays open: to open it anew takes 70 us to the 3 us of a lock."""

    def __init__(self) -> None:
        self.threads = threading.Lock()
        self.number: int | None = None
        self._opening = threading.Lock()

    def open(self, path: Path) -> int:
        with self._opening:
            if self.number is None:
                self.number = os.open(path, os.O_RDWR | os.O_CREAT, 0o600)
            return self.number

    def unlock(self) -> None:
        if self.number is not None:
            unlock_descriptor(self.number)
        self.threads.release()

    def close(self) -> None:
        if self.number is not None:
            with suppress(OSError):
                os.close(self.number)
        self.number = None

    def __del__(self) -> None:
        self.close()


# --- bytes of a file ------------------------------------------------------------------------------

# Locks of an open file, unlike those of POSIX, belong to who has opened it: no other descriptor of
# this process gives them up. The structure that they are set by is known where a pointer has eight
# bytes.
_CAN_LOCK_BYTES = sys.platform == "linux" and sys.maxsize > 2**32

if sys.platform != "win32":
    import fcntl

    @contextmanager
    def alone_in(directory: Path) -> Iterator[bool]:
        """Lock a directory against others who do so; whether none of them holds it now."""
        number = os.open(directory, os.O_RDONLY)
        try:
            try:
                fcntl.flock(number, fcntl.LOCK_EX | fcntl.LOCK_NB)
            except BlockingIOError:
                yield False
                return
            except OSError:  # a file system without such locks
                pass
            yield True
        finally:
            os.close(number)
else:

    @contextmanager
    def alone_in(directory: Path) -> Iterator[bool]:
        """Directories cannot be locked here."""
        yield True


if sys.platform == "linux":

    def _set_byte(number: int | None, place: int, locked: bool) -> None:
        """Lock the byte, or unlock it; waits for who holds it, and a signal interrupts that."""
        if number is not None:
            kind = fcntl.F_WRLCK if locked else fcntl.F_UNLCK
            fcntl.fcntl(
                number, fcntl.F_OFD_SETLKW, struct.pack("hhqqi0q", kind, os.SEEK_SET, place, 1, 0)
            )
else:

    def _set_byte(number: int | None, place: int, locked: bool) -> None:
        raise OSError(errno.ENOSYS, "no locks of bytes")


# --- forks ----------------------------------------------------------------------------------------

_EVERY: weakref.WeakSet[NamedLocks] = weakref.WeakSet()


def _after_fork() -> None:
    """Let go of the parent's locks: a child that kept them would hold them when it has died."""
    for locks in list(_EVERY):
        locks.close()
        locks.begin()


if hasattr(os, "register_at_fork"):
    os.register_at_fork(after_in_child=_after_fork)
