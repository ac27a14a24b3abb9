"""What a sweep found: a line a job, kept in ``sweep.csv``."""

from __future__ import annotations

import csv
from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import dataclass, field
from pathlib import Path

from hydra.core.hydra_config import HydraConfig

from backtrain.reports.archive import guarded
from backtrain.reports.comparison import Comparison

COLUMNS = ("job", "overrides", "cheapest", "total", "saves", "verdict", "directory", "error")

_IN_SAMPLE = """\
To choose among these jobs is to choose on the span that they are judged on: run the one you choose
on later rows (start=), or mark it: strategy.tuned_until=DATE, the end of that span."""


@dataclass
class Sweep:
    """The jobs of one sweep that ran in this process.

    A job writes its line when it ends, whether it succeeded or not: Hydra's own callback at the end
    of a sweep is not called when a job failed.
    """

    rows: list[dict[str, object]] = field(default_factory=list)
    path: Path | None = None

    @contextmanager
    def job(self) -> Iterator[dict[str, object]]:
        """Note down a job; what it found is put into the mapping that is given."""
        settings = HydraConfig.get()
        path = Path(settings.sweep.dir) / "sweep.csv"
        row: dict[str, object] = {
            "job": settings.job.num,
            "overrides": " ".join(settings.overrides.task),
            "directory": settings.runtime.output_dir,
        }
        try:
            yield row
        except BaseException as error:
            row["error"] = (str(error).splitlines() or [type(error).__name__])[0]
            raise
        finally:
            self.path = path
            self.rows.append(row)
            _append(path, row)

    def __str__(self) -> str:
        lines = [f"job {row['job']}, {row['overrides']}:\n  {_outcome(row)}" for row in self.rows]
        chosen = [_IN_SAMPLE, ""] if len(lines) > 1 else []
        return "\n".join([*lines, "", *chosen, f"sweep   {self.path}"])


def outcome(comparison: Comparison, baseline: str | None) -> dict[str, object]:
    """The cells of a job that succeeded."""
    verdict = comparison.verdict(baseline)
    cheapest = min(comparison.runs, key=lambda name: float(comparison.runs[name].totals["total"]))
    return {
        "cheapest": cheapest,
        "total": float(comparison.runs[cheapest].totals["total"]),
        "saves": verdict.saves,
        "verdict": str(verdict),
    }


def _outcome(row: dict[str, object]) -> str:
    return f"failed: {row['error']}" if "error" in row else str(row["verdict"])


def _append(path: Path, row: dict[str, object]) -> None:
    path.parent.mkdir(parents=True, exist_ok=True)
    new = not path.exists()
    with path.open("a", newline="", encoding="utf-8") as file:
        writer = csv.DictWriter(file, COLUMNS, lineterminator="\n")
        if new:
            writer.writeheader()
        writer.writerow({column: guarded(cell) for column, cell in row.items()})
