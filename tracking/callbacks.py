"""Who is told what is finished: runs, comparisons, and jobs of the command line."""

from collections.abc import Iterator, Mapping, Sequence
from contextlib import contextmanager, suppress
from dataclasses import dataclass, field, replace
from pathlib import Path
from typing import Any, Protocol, runtime_checkable

from backtrain.reports.comparison import Comparison
from backtrain.simulator.manifest import warn
from backtrain.simulator.record import Run


@dataclass(frozen=True)
class Job:
    """What the command line does: one comparison, alone or in a sweep.

    Attributes
    ----------
    directory : Path
        Where its records and report lie.
    config : mapping
        Its resolved config.
    sweep : Path or None
        The directory of the sweep that it is a job of.
    number : int
        Its number there.
    overrides : tuple of str
        What it was started with.
    """

    directory: Path
    config: Mapping[str, Any] = field(default_factory=dict)
    sweep: Path | None = None
    number: int = 0
    overrides: tuple[str, ...] = ()


@runtime_checkable
class Callback(Protocol):
    """Told of what is finished. Derive from it, and every method that you leave out does nothing.

    All methods are called in the process that called `Backtest.compare`, one after another. What
    they raise is shown as a warning, and the callback is told nothing more of that comparison.
    """

    def job_started(self, job: Job) -> None:
        """The command line begins with a comparison; not called where Python does."""

    def run_finished(self, run: Run) -> None:
        """A strategy has been replayed. What hindsight says of it is not known yet."""

    def comparison_finished(self, comparison: Comparison, baseline: str | None) -> None:
        """All strategies have been replayed, and hindsight is there, where it was wanted.

        ``baseline`` is the one that the command line was told; None is the usual one.
        """

    def comparison_failed(self, error: BaseException) -> None:
        """The comparison was stopped, or ends in an error, which is raised after this."""

    def job_finished(self, job: Job, error: BaseException | None) -> None:
        """The report lies in the job's directory; or there is none, because of an error."""


class Told:
    """Callbacks of one comparison, which no failure of theirs can end.

    Parameters
    ----------
    callbacks : sequence of Callback
    baseline : str, optional
        What others are held against.
    **judged
        How the verdict is made: ``careful``, ``budget``, ``running``.
    """

    def __init__(
        self, callbacks: Sequence[Any], baseline: str | None = None, **judged: Any
    ) -> None:
        self.callbacks = list(callbacks)
        self._baseline, self._judged = baseline, judged

    def finished(self, comparison: Comparison) -> None:
        """Tell of a comparison, as it is going to be judged."""
        if self.callbacks:
            judged = replace(comparison, **self._judged)
            self.tell("comparison_finished", judged, self._baseline)

    def tell(self, event: str, *what: Any) -> None:
        """Call this method of each; one that raises is told nothing more."""
        for callback in list(self.callbacks):
            try:
                method = getattr(callback, event, None)
                if method is not None:
                    method(*what)
            except Exception as error:
                self.callbacks.remove(callback)
                why = " ".join(f"{type(error).__name__}: {error}".split())
                warn(
                    f"{type(callback).__name__} is told nothing more: {event} failed ({why}); "
                    "results do not depend on it"
                )


def told(callbacks: Sequence[Any] | Told) -> Told:
    """The callbacks of a comparison: those that its job has told already, or new ones."""
    return callbacks if isinstance(callbacks, Told) else Told(callbacks)


@contextmanager
def telling(callbacks: Told, job: Job) -> Iterator[None]:
    """Tell that a job has started and, however it ends, that it is finished."""
    callbacks.tell("job_started", job)
    try:
        yield
    except BaseException as error:
        with suppress(KeyboardInterrupt):  # the first one stands
            callbacks.tell("job_finished", job, error)
        raise
    callbacks.tell("job_finished", job, None)
