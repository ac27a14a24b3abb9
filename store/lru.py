"""A cache in memory that drops the least recently used entries."""

import io
import pickle
import threading
from collections import OrderedDict
from collections.abc import Hashable
from typing import Any


class LRU:
    """A cache of at most so many bytes, safe for threads; always keeps the newest entry."""

    def __init__(self, max_bytes: int) -> None:
        self._room = max_bytes
        self._entries: OrderedDict[Hashable, tuple[Any, int]] = OrderedDict()
        self._guard = threading.Lock()

    def __contains__(self, key: Hashable) -> bool:
        return key in self._entries

    def get(self, key: Hashable) -> Any:
        """The value of the key, or None."""
        with self._guard:
            entry = self._entries.get(key)
            if entry is None:
                return None
            self._entries.move_to_end(key)
            return entry[0]

    def put(self, key: Hashable, value: Any, size: int) -> None:
        """Keep a value of that many bytes; the least recently used entries are dropped for it."""
        with self._guard:
            _, before = self._entries.pop(key, (None, 0))
            self._entries[key] = value, size
            self._room += before - size
            while self._room < 0 and len(self._entries) > 1:
                _, (_, freed) = self._entries.popitem(last=False)
                self._room += freed


class Scale(io.RawIOBase):
    """A file that weighs what is written and forgets it."""

    size = 0

    def write(self, data: Any) -> int:
        """Add the length of the data to ``size``, in bytes; returns it."""
        self.size += len(data)
        return len(data)


def weigh(model: Any) -> int:
    """About the bytes of a model: those of its pickle, whose arrays are not copied for it."""
    scale, arrays = Scale(), [0]
    try:
        pickle.Pickler(
            scale, 5, buffer_callback=lambda buffer: arrays.append(buffer.raw().nbytes)
        ).dump(model)
    except Exception:
        return 2**20  # anything: it cannot be told
    return scale.size + sum(arrays)
