"""What a command shows in the terminal, and how it is told to stop."""

import shlex
import signal
import sys
import threading
import warnings
from collections.abc import Iterator, Sequence
from contextlib import contextmanager
from typing import Any, TextIO

from backtrain.simulator.manifest import RecordWarning
from backtrain.simulator.texts import printable


class Terminated(KeyboardInterrupt):
    """The process was told to end; what is finished is shown, as after Ctrl-C."""

    code = 128 + signal.SIGTERM


@contextmanager
def stoppable() -> Iterator[None]:
    """Let SIGTERM stop a run as Ctrl-C does."""

    def stop(*_: object) -> None:
        raise Terminated

    if threading.current_thread() is not threading.main_thread():
        yield
        return
    before = signal.signal(signal.SIGTERM, stop)
    try:
        yield
    finally:
        signal.signal(signal.SIGTERM, before)


def end_workers() -> None:
    """End the processes that joblib started here, whatever they are doing."""
    loky = sys.modules.get("joblib.externals.loky.reusable_executor")
    executor = getattr(loky, "_executor", None)
    if executor is not None:
        executor.shutdown(wait=True, kill_workers=True)


@contextmanager
def in_one_line() -> Iterator[None]:
    """Show warnings about records as a line each, all others as Python does."""
    usual = warnings.showwarning

    def show(message: Warning | str, category: type[Warning], *where: Any) -> None:
        if issubclass(category, RecordWarning):
            say(f"warning: {message}", sys.stderr)
        else:
            usual(printable(str(message)), category, *where)

    warnings.showwarning = show  # type: ignore[assignment]
    # What joblib says of a stop, which is told in other words.
    warnings.filterwarnings("ignore", "[0-9]+ tasks which were still being processed")
    try:
        yield
    finally:
        warnings.showwarning = usual


#: What this process has said of a stop; who is stopped is told once.
_STOPS: list[str] = []


def stop_is_told() -> bool:
    """Whether somebody has said what is there after a stop, in a line that begins with that."""
    return bool(_STOPS)


def say(text: str, file: TextIO | None = None) -> None:
    """Print; names may come from a file of somebody else's, and must not steer the terminal."""
    if text.startswith("stopped"):
        _STOPS.append(text)
    print(printable(text), file=file, flush=True)


def command(words: Sequence[str], width: int = 94) -> str:
    """A command to copy, quoted for a shell and broken into lines where it is long."""
    lines = [""]
    for word in map(shlex.quote, words):
        if len(lines[-1]) + len(word) >= width:
            lines.append("")
        lines[-1] += f" {word}" if lines[-1] else word
    return " \\\n      ".join(lines)
