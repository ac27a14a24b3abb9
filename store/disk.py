"""Bytes under names, in a directory of the user's own: checked, bounded, shared by processes."""

import os
import sqlite3
import tempfile
import time
from collections.abc import Iterator
from contextlib import ExitStack, contextmanager, suppress
from hashlib import blake2b
from pathlib import Path
from typing import Any

from backtrain.store.cache_dir import read_own, refuse_strangers
from backtrain.store.locks import NamedLocks
from backtrain.store.sqlite import SharedDatabase

#: The name of this layout; another layout gets another folder.
_LAYOUT = "v1"
#: Longer entries become files: SQLite is the faster of the two below about this length.
INLINE_BYTES = 65_536
#: What an entry takes besides its payload: keys, digest and index.
_OVERHEAD_BYTES = 256
_SCHEMA = """
CREATE TABLE IF NOT EXISTS entries (
    key TEXT PRIMARY KEY, digest BLOB, size INTEGER, used REAL, payload BLOB);
CREATE INDEX IF NOT EXISTS by_use ON entries (used, size);
"""


class DiskStore:
    """Bytes under names in a directory, for any number of processes and threads at once.

    Nothing that happens to the directory raises, `StoreError` aside: what is damaged is dropped
    with a warning, and a disk that fails is left alone.

    Parameters
    ----------
    directory : Path
        Made when it is missing, for the user alone. Its file system must be local: SQLite cannot
        share a file between hosts.
    max_bytes : int
        The least recently used entries beyond this are dropped.
    """

    def __init__(self, directory: Path, max_bytes: int) -> None:
        self.directory = directory
        self.max_bytes = max_bytes
        self._home = directory / _LAYOUT
        self._files = self._home / "files"
        inner = (self._home, self._files, self._home / "locks")
        self._index = SharedDatabase(self._home / "index.sqlite", _SCHEMA, (directory, *inner))
        self._locks = NamedLocks(inner[-1])
        self._used: set[str] = set()
        self._written = 0
        for folder in (directory, *inner):
            refuse_strangers(folder)
        self._index.refuse_strangers()

    # --- entries ------------------------------------------------------------------------------

    def get(self, key: str) -> bytes | None:
        """The payload under the key; None when there is none, or none that is whole."""
        return self._index.do(lambda index: self._get(index, key), None)

    def _get(self, index: sqlite3.Connection, key: str) -> bytes | None:
        query = "SELECT digest, payload FROM entries WHERE key = ?"
        row = index.execute(query, (key,)).fetchone()
        if row is None:
            return None
        digest, payload = row
        if payload is None:
            try:
                payload = read_own(self._files / key)
            except FileNotFoundError:
                return None  # another process has just dropped it
        if digest != _digest(key, payload):
            self.damaged(key)
            return None
        self._used.add(key)
        return bytes(payload)

    def holds(self, key: str) -> bool:
        """Whether there is an entry; whether it is whole, only `get` finds out."""
        if not self._index.path.exists():  # to ask is no reason to make one
            return False
        query = "SELECT 1 FROM entries WHERE key = ?"
        found = self._index.do(lambda index: index.execute(query, (key,)).fetchone(), None)
        return found is not None

    def put(self, key: str, payload: bytes) -> None:
        """Keep a payload; the caller holds the key's `lock`."""
        if len(payload) + _OVERHEAD_BYTES <= self.max_bytes:
            self._index.do(lambda index: self._put(index, key, payload), None)

    def _put(self, index: sqlite3.Connection, key: str, payload: bytes) -> None:
        large = len(payload) > INLINE_BYTES
        if large:
            self._write(key, payload)
        size = len(payload) + _OVERHEAD_BYTES
        row = (key, _digest(key, payload), size, time.time(), None if large else payload)
        index.execute("INSERT OR REPLACE INTO entries VALUES (?, ?, ?, ?, ?)", row)
        self._written += size
        if self._written > self.max_bytes // 8:
            self._settle(index)

    def _write(self, key: str, payload: bytes) -> None:
        """Write a file under another name first, so that nobody finds half of one."""
        with tempfile.NamedTemporaryFile(dir=self._files, suffix=".part", delete=False) as file:
            try:
                file.write(payload)
            except BaseException:
                os.unlink(file.name)
                raise
        os.replace(file.name, self._files / key)

    def drop(self, keys: list[str]) -> None:
        """Drop entries."""
        self._index.do(lambda index: self._drop(index, keys), None)

    def damaged(self, key: str) -> None:
        """Drop an entry that cannot be read, and say so."""
        self.drop([key])
        self._index.warn("a damaged entry was dropped, and is computed again")

    def _drop(self, index: sqlite3.Connection, keys: list[str]) -> None:
        index.execute("BEGIN IMMEDIATE")
        index.executemany("DELETE FROM entries WHERE key = ?", [(key,) for key in keys])
        index.execute("COMMIT")
        for key in keys:
            (self._files / key).unlink(missing_ok=True)

    @contextmanager
    def lock(self, key: str) -> Iterator[None]:
        """Be the only one, among all processes, to work on the key; never on two at once."""
        with ExitStack() as stack:
            if self._index.do(lambda _: True, False):  # opening makes the folder of the locks
                try:
                    stack.enter_context(self._locks.hold(key))
                except OSError as error:
                    self._index.trouble(error)
            yield

    # --- the whole ----------------------------------------------------------------------------

    def flush(self) -> None:
        """Note what was used, and drop what was not used for longest if there is too much."""
        if self._index.is_open:
            self._index.do(self._tidy, None)

    def info(self) -> dict[str, Any]:
        """Where it is, how many entries it holds, and the bytes that it takes on disk."""
        query, count = "SELECT count(*) FROM entries", 0
        if self._index.path.exists():
            count = self._index.do(lambda index: index.execute(query).fetchone()[0], 0)
        lengths = [_length(path) for path in self._home.rglob("*") if path.is_file()]
        return {
            "path": str(self.directory),
            "entries": count,
            "bytes": sum(lengths),
            "max_bytes": self.max_bytes,
        }

    def clear(self) -> None:
        """Drop every entry; other processes may go on using the store meanwhile."""
        if self._index.path.exists():
            self._index.do(self._clear, None)

    def _clear(self, index: sqlite3.Connection) -> None:
        index.execute("DELETE FROM entries")
        for path in self._files.iterdir():
            path.unlink(missing_ok=True)
        _shrink(index)

    # --- room ---------------------------------------------------------------------------------

    def _tidy(self, index: sqlite3.Connection) -> None:
        self._settle(index)
        self._sweep(index)

    def _settle(self, index: sqlite3.Connection) -> None:
        now = time.time()
        index.execute("BEGIN IMMEDIATE")
        update = "UPDATE entries SET used = ? WHERE key = ?"
        index.executemany(update, [(now, key) for key in self._used])
        index.execute("COMMIT")
        self._used.clear()
        self._written = 0
        total = index.execute("SELECT sum(size) FROM entries").fetchone()[0] or 0
        if total > self.max_bytes:
            # A tenth more than need be, or else every next entry would drop one.
            self._drop(index, _oldest(index, total - self.max_bytes * 9 // 10))
            _shrink(index)

    def _sweep(self, index: sqlite3.Connection) -> None:
        """Remove the files of processes that were killed before they had entered them."""
        query, hour_ago = "SELECT 1 FROM entries WHERE key = ?", time.time() - 3600
        for path in self._files.iterdir():
            with suppress(FileNotFoundError):
                entry = index.execute(query, (path.name,)).fetchone()
                if not entry and path.stat().st_mtime < hour_ago:
                    path.unlink()


def _digest(key: str, payload: bytes) -> bytes:
    sha = blake2b(key.encode(), digest_size=16)
    sha.update(payload)
    return sha.digest()


def _oldest(index: sqlite3.Connection, excess: int) -> list[str]:
    """Keys of the entries that were not used for longest, until their sizes make up the excess."""
    keys = []
    for key, size in index.execute("SELECT key, size FROM entries ORDER BY used, size"):
        if excess <= 0:
            break
        keys.append(key)
        excess -= size
    return keys


def _shrink(index: sqlite3.Connection) -> None:
    """Give the room of dropped entries back to the file system."""
    index.execute("PRAGMA incremental_vacuum").fetchall()
    index.execute("PRAGMA wal_checkpoint(TRUNCATE)").fetchall()


def _length(path: Path) -> int:
    try:
        return path.stat().st_size
    except FileNotFoundError:
        return 0
