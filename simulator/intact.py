"""A history stays what it is while it is in use, or nothing counts that was computed on it."""

from collections.abc import Iterator
from contextlib import contextmanager

from backtrain.datasets.stream import Stream
from backtrain.simulator.answers import SetupError
from backtrain.store.fits import FitStore

#: Streams and stores that are being looked at as a whole, see `unchanged`.
_WATCHED: set[tuple[int, int]] = set()


@contextmanager
def unchanged(stream: Stream, store: FitStore, whole: bool = False) -> Iterator[None]:
    """Raise `SetupError` where the content of a stream changes meanwhile.

    What the store was given meanwhile is then dropped: it would lie under the names of fits on the
    true content. To look takes as long as to read all of it, so ``whole`` does it once for what is
    done inside piece by piece, here and in other threads.
    """
    key = id(stream), id(store)
    if key in _WATCHED:
        yield
        return
    refuse_changed_files(stream)
    kept = store.mark()
    if whole:
        _WATCHED.add(key)
    try:
        yield
    finally:
        _WATCHED.discard(key)
        if not stream.is_intact:
            store.forget(kept)
            refuse_changed_files(stream)
            raise SetupError(
                f"stream {stream.name!r}: its content was changed while it was in use, so nothing "
                "that was computed on it counts. A model or part has written into the history, or "
                "the arrays that the stream was made of were changed: copy before you write, and "
                "build the stream anew"
            )


def refuse_changed_files(stream: Stream) -> None:
    """Raise `SetupError` where files of a stream are no longer what they were."""
    if stream.changed_files:
        files = ", ".join(map(str, stream.changed_files))
        raise SetupError(
            f"stream {stream.name!r}: {files}: changed since it was opened, so nothing that is "
            "computed on it counts; open or build the stream anew, and leave its files alone while "
            "they are used"
        )
