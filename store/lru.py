"""What was used last, in memory: bounded by its bytes."""

from __future__ import annotations

import io
import pickle
import threading
from collections import OrderedDict
from collections.abc import Hashable
from typing import Any


class Recent:
    """What was used last, as much of it as there is room for; for several threads."""

    def __init__(self, max_bytes: int) -> None:
        self._room = max_bytes
        self._held: OrderedDict[Hashable, tuple[Any, int]] = OrderedDict()
        self._guard = threading.Lock()

    def get(self, key: Hashable) -> Any:
        """What is held under the key, or None."""
        with self._guard:
            found = self._held.get(key)
            if found is None:
                return None
            self._held.move_to_end(key)
            return found[0]

    def put(self, key: Hashable, value: Any, size: int) -> None:
        """Hold a value of that many bytes; what was not used for longest makes way."""
        with self._guard:
            _, before = self._held.pop(key, (None, 0))
            self._held[key] = value, size
            self._room += before - size
            while self._room < 0 and len(self._held) > 1:
                _, (_, freed) = self._held.popitem(last=False)
                self._room += freed


class _Scale(io.RawIOBase):
    """A file that weighs what is written and forgets it."""

    size = 0

    def write(self, data: Any) -> int:
        self.size += len(data)
        return len(data)


def weigh(model: Any) -> int:
    """About the bytes of a model: those of its pickle, whose arrays are not copied for it."""
    scale, arrays = _Scale(), [0]
    try:
        pickle.Pickler(
            scale, 5, buffer_callback=lambda buffer: arrays.append(buffer.raw().nbytes)
        ).dump(model)
    except Exception:
        return 2**20  # anything: it cannot be told
    return scale.size + sum(arrays)
