"""How far work has come: a bar on a terminal, in logs a line for each piece that is finished."""

import sys
import time
import warnings
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from typing import Any, Literal

from tqdm import TqdmWarning

from backtrain.simulator.setup import SetupError
from backtrain.simulator.texts import printable

with warnings.catch_warnings():
    # In a notebook without ipywidgets a line of text will do; each import would warn of it.
    warnings.simplefilter("ignore", TqdmWarning)
    from tqdm.auto import tqdm

#: True is a bar, False nothing, "auto" a bar where somebody watches, lines elsewhere.
Shown = bool | Literal["auto"]

#: Pieces without a name of their own have a line at most every so many seconds.
_QUIET = 30.0


class Stage:
    """A stretch of work whose size is known; this one shows nothing.

    Parameters
    ----------
    what : str
        What its pieces are called, such as ``"strategies"``.
    total : int
        How many there are.
    """

    def __init__(self, what: str, total: int) -> None:
        self.what, self.total, self.done = what, total, 0.0

    def reached(self, done: float, name: str = "") -> None:
        """So much is done by now, in pieces, of which the last one may be under way."""
        self.done = done

    def finished(self, name: str) -> None:
        """One more piece is finished, whichever it is."""
        self.reached(int(self.done + 1e-9) + 1, name)

    def more(self, pieces: int) -> None:
        """So many more pieces, which have no names, are finished."""
        self.reached(self.done + pieces)


class _Bar(Stage):
    """On a terminal, or in a notebook."""

    def __init__(self, what: str, total: int, bar: Any) -> None:
        super().__init__(what, total)
        self.bar = bar

    def reached(self, done: float, name: str = "") -> None:
        super().reached(done)
        if name:
            self.bar.set_postfix_str(printable(name), refresh=False)
        self.bar.update(done - self.bar.n)


class Lines(Stage):
    """In logs; ``clock`` returns seconds."""

    def __init__(self, what: str, total: int, clock: Callable[[], float] = time.monotonic) -> None:
        super().__init__(what, total)
        self.clock, self.began = clock, clock()
        self.last = self.began

    def finished(self, name: str) -> None:
        """Write the line of a piece that has a name."""
        super().finished(name)
        self._write(printable(name))

    def more(self, pieces: int) -> None:
        """Write a line for pieces without names, now and then, and for the last one."""
        super().more(pieces)
        if self.done >= self.total or self.clock() - self.last >= _QUIET:
            self._write(self.what)

    def _write(self, name: str) -> None:
        self.last = self.clock()
        taken, rest = self.last - self.began, max(self.total - self.done, 0)
        left = f", about {_time(taken / self.done * rest)} left" if rest and self.done else ""
        print(
            f"{self.done:.0f} of {self.total} {name} {_time(taken)}{left}",
            file=sys.stderr,
            flush=True,
        )


@contextmanager
def stage(shown: Shown, what: str, total: int) -> Iterator[Stage]:
    """A stretch of work, shown as asked for while it lasts."""
    if shown not in (True, False, "auto"):
        raise SetupError(f"progress={shown!r}: give True, False or 'auto'")
    if shown == "auto" and not _watched():
        yield Lines(what, total)
    elif shown:
        number = "{n:.1f}" if total < 50 else "{n:.0f}"
        layout = (
            f"{{l_bar}}{{bar}}| {number}/{{total}} {what} [{{elapsed}}<{{remaining}}{{postfix}}]"
        )
        with tqdm(total=total, bar_format=layout, smoothing=0) as bar:
            yield _Bar(what, total, bar)
    else:
        yield Stage(what, total)


def _watched() -> bool:
    """Whether a bar can be drawn: on a terminal, or in a notebook."""
    return sys.stderr.isatty() or "ipykernel" in sys.modules


def _time(seconds: float) -> str:
    """A length of time in the unit that suits it.

    >>> _time(12.34), _time(600), _time(9000)
    ('12.3 s', '10 min', '2.5 h')
    """
    if seconds < 100:
        return f"{seconds:.1f} s" if seconds < 20 else f"{seconds:.0f} s"
    return f"{seconds / 60:.0f} min" if seconds < 6000 else f"{seconds / 3600:.1f} h"
