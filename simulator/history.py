"""A history that stays as it is: whatever was learnt while somebody wrote into it is dropped."""

from collections.abc import Iterator
from contextlib import contextmanager

from backtrain.datasets.stream import Stream
from backtrain.simulator.setup import SetupError
from backtrain.store.fits import FitStore


@contextmanager
def unchanged(stream: Stream, store: FitStore) -> Iterator[None]:
    """Raise `SetupError` where the content of a stream changes meanwhile.

    What the store was given meanwhile is then dropped: it would lie under the names of fits on the
    true content.
    """
    kept = store.mark()
    try:
        yield
    finally:
        if not stream.is_intact:
            store.forget(kept)
            raise SetupError(
                f"stream {stream.name!r}: its content was changed while it was in use, so nothing "
                "that was computed on it counts. A model or part has written into the history, or "
                "the arrays that the stream was made of were changed: copy before you write, and "
                "build the stream anew"
            )
