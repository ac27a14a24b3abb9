"""An SQLite file that threads and processes share, and that may break without breaking them."""

import os
import sqlite3
import threading
import warnings
import weakref
from collections.abc import Callable, Sequence
from contextlib import suppress
from pathlib import Path
from typing import TypeVar

from backtrain.store.cache_dir import make_private, refuse_strange_file
from backtrain.store.locks import NamedLocks

T = TypeVar("T")

#: The file itself, and what SQLite keeps beside it.
_SUFFIXES = ("", "-wal", "-shm")


class SharedDatabase:
    """Runs functions on one connection, one at a time; failures of the disk never raise.

    Parameters
    ----------
    path : Path
        The file. It is opened when it is wanted first, and in each process anew.
    schema : str
        Statements that are run on opening.
    folders : sequence of Path
        Folders for the user alone, made before each opening.
    """

    def __init__(self, path: Path, schema: str, folders: Sequence[Path]) -> None:
        self.path = path
        self._schema = schema
        self._folders = folders
        self._connection: sqlite3.Connection | None = None
        self._inode = 0
        self._guard = threading.RLock()
        self._opening = NamedLocks(path.parent)
        self._renewed = self._off = False
        _EVERY.add(self)

    @property
    def is_open(self) -> bool:
        """Whether this process has used it."""
        return self._connection is not None

    def do(self, work: Callable[[sqlite3.Connection], T], otherwise: T) -> T:
        """What the work returns; ``otherwise`` where the file or the disk fails."""
        with self._guard:
            if self._off:
                return otherwise
            try:
                return work(self._connection or self._open())
            except (sqlite3.Error, OSError) as error:
                self.trouble(error)
                return otherwise

    def close(self) -> None:
        """Let go of the file until it is wanted again."""
        with self._guard:
            if self._connection is not None:
                with suppress(sqlite3.Error):
                    self._connection.close()
            self._connection = None

    def __del__(self) -> None:
        self.close()

    def refuse_strangers(self) -> None:
        """Raise `StoreError` when others may write the file, or one that goes with it."""
        for suffix in _SUFFIXES:
            refuse_strange_file(Path(f"{self.path}{suffix}"))

    def _open(self) -> sqlite3.Connection:
        for folder in self._folders:
            make_private(folder)
        self.refuse_strangers()
        # Two processes that turn one new file into a write-ahead log would disturb each other. This
        # lock may be held on top of another one: nobody who holds it asks for any other.
        with self._opening.hold("open"):
            # For the user alone, whatever the umask says; SQLite gives its other files this mode. A
            # file that is there is not opened here: to close it would give up the locks of other
            # connections of this process, and a process that leaves would drop their log.
            with suppress(FileExistsError):
                os.close(os.open(self.path, os.O_RDWR | os.O_CREAT | os.O_EXCL, 0o600))
            connection = sqlite3.connect(
                self.path, timeout=60, isolation_level=None, check_same_thread=False
            )
            self._connection = connection
            connection.execute("PRAGMA auto_vacuum = INCREMENTAL")
            connection.execute("PRAGMA journal_mode = WAL")
            # A power cut may garble the file: that is noticed, and fits are only computed again.
            connection.execute("PRAGMA synchronous = OFF")
            connection.executescript(self._schema)
            self._inode = self.path.stat().st_ino
        return connection

    # --- trouble ------------------------------------------------------------------------------

    def trouble(self, error: Exception) -> None:
        """Start a garbled file anew, once; do without the disk where that does not help."""
        with self._guard:
            self.close()
            garbled = type(error) is sqlite3.DatabaseError  # not a full, locked or read-only disk
            if garbled and not self._renewed:
                self._renewed = True
                self._renew()
                self.warn(f"the index is damaged and starts anew ({error})")
            else:
                self._off = True
                self.warn(f"the disk cannot be used, and fits stay in memory ({error})")

    def _renew(self) -> None:
        with suppress(OSError), self._opening.hold("open"):
            # Unless another process has done it already.
            if self._inode in (0, self.path.stat().st_ino):
                for suffix in _SUFFIXES:
                    Path(f"{self.path}{suffix}").unlink(missing_ok=True)

    def warn(self, what: str) -> None:
        """Tell the user what befell the store."""
        text = f"the store of fits in {self.path.parent}: {what}"
        warnings.warn(text, RuntimeWarning, stacklevel=2)


# --- forks --------------------------------------------------------------------------------------

_EVERY: weakref.WeakSet[SharedDatabase] = weakref.WeakSet()
_FORKING: list[SharedDatabase] = []


def _before_fork() -> None:
    """SQLite forbids carrying a connection over a fork; each side opens its own when it needs."""
    _FORKING[:] = _EVERY
    for index in _FORKING:
        index._guard.acquire()
        index.close()


def _after_fork() -> None:
    for index in _FORKING:
        index._guard.release()
    _FORKING.clear()


if hasattr(os, "register_at_fork"):
    os.register_at_fork(
        before=_before_fork, after_in_parent=_after_fork, after_in_child=_after_fork
    )
