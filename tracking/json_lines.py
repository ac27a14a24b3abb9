"""Events as lines of JSON in a file that any number of processes may write to."""

import json
import math
import os
from collections.abc import Mapping
from dataclasses import dataclass
from datetime import UTC, datetime
from pathlib import Path
from typing import Any

from backtrain.reports.comparison import Comparison
from backtrain.simulator.record import Run
from backtrain.tracking.callbacks import Callback, Job


@dataclass
class JsonLines(Callback):
    """Append a line an event to a file: a run, a comparison, a job; each by one write.

    Parameters
    ----------
    path : path
        The file; a relative one lies in the sweep's directory, or the job's, where the command
        line is used, so that all jobs of a sweep share it.
    """

    path: str | Path = "events.jsonl"

    def __post_init__(self) -> None:
        self._at = Path(self.path)
        self._job: Job | None = None

    def job_started(self, job: Job) -> None:
        """Find out where the file lies."""
        self._job = job
        self._at = (job.sweep or job.directory) / self.path
        self._write("job started", config=job.config, overrides=job.overrides)

    def run_finished(self, run: Run) -> None:
        """Write what it cost."""
        asked = {key: run.info.get(key) for key in ("id", "start", "end", "wall_seconds")}
        self._write(
            "run",
            strategy=run.name,
            code=run.info["strategy"],
            stream=run.info["stream"]["name"],
            **asked,
            totals={key: value for key, value in run.totals.items() if key != "groups"},
        )

    def comparison_finished(self, comparison: Comparison, baseline: str | None) -> None:
        """Write the verdict, and what each strategy cost."""
        verdict = comparison.verdict(baseline)
        totals = {name: run.totals["total"] for name, run in comparison.runs.items()}
        self._write("comparison", verdict=verdict.to_dict(), totals=totals)

    def comparison_failed(self, error: BaseException) -> None:
        """Write why."""
        self._write("comparison failed", error=_line(error))

    def job_finished(self, job: Job, error: BaseException | None) -> None:
        """Write how it ended."""
        self._write("job finished", error=None if error is None else _line(error))

    def _write(self, event: str, **what: Any) -> None:
        job = self._job
        of_job = {} if job is None else {"job": job.number, "directory": str(job.directory)}
        at = datetime.now(UTC).isoformat(timespec="milliseconds")
        line = json.dumps(_plain({"at": at, "event": event, **of_job, **what}), default=str)
        self._at.parent.mkdir(parents=True, exist_ok=True)
        append(self._at, f"{line}\n".encode())


def append(path: Path, line: bytes) -> None:
    """Append a line by one write, which no other process can come between on a local disk."""
    file = os.open(path, os.O_WRONLY | os.O_APPEND | os.O_CREAT, 0o644)
    try:
        written = os.write(file, line)
    finally:
        os.close(file)
    if written < len(line):
        raise OSError(f"{path}: only {written} of {len(line)} bytes could be written")


def _line(error: BaseException) -> str:
    return " ".join(f"{type(error).__name__}: {error}".split())


def _plain(value: Any) -> Any:
    """Plain data without numbers that JSON lacks."""
    if isinstance(value, Mapping):
        return {str(key): _plain(inner) for key, inner in value.items()}
    if isinstance(value, (list, tuple)):
        return [_plain(inner) for inner in value]
    value = value.item() if hasattr(value, "item") else value
    return None if isinstance(value, float) and not math.isfinite(value) else value
