"""The report of a sweep, from the results of its jobs alone."""

import io
from collections.abc import Sequence
from pathlib import Path

import pandas as pd

from backtrain.reports.sweep.result import Result, results_in
from backtrain.simulator.manifest import put

SUMMARY = "summary.parquet"
_OF_JOB = ("job", "number", "status", "error", "start", "end", "model", "seed", "currency")


def write(directory: Path) -> Path | None:
    """Write ``summary.parquet`` into the directory; returns it, None where there is no job."""
    results = results_in(directory)
    if not results:
        return None
    buffer = io.BytesIO()
    frame(results).to_parquet(buffer, index=False)
    return put(directory / SUMMARY, buffer.getvalue())


def frame(results: Sequence[Result]) -> pd.DataFrame:
    """A row for each job and strategy; one for a job that has none."""
    rows = [
        {
            **{key: getattr(one, key) for key in _OF_JOB},
            **{key: _cell(value) for key, value in one.overrides.items()},
            "stream": one.stream.get("name"),
            "fingerprint": one.stream.get("fingerprint"),
            **row,
            "baseline": one.baseline,
            "saves": one.objective.get("saves"),
            "advised": row.get("strategy") == one.verdict.get("strategy") if row else None,
            "directory": str(one.directory),
        }
        for one in results
        for row in one.rows or [{}]
        if row.get("kind") != "no model"
    ]
    table = pd.DataFrame(rows)
    texts = [name for name in table if table[name].dtype.kind == "O"]
    return table.astype(dict.fromkeys(texts, "string"))


def _cell(value: object) -> object:
    return str(value) if isinstance(value, (list, dict)) else value
