"""What a replay leaves behind: six tables, the totals, and the facts that explain them."""

from __future__ import annotations

import json
import shutil
import uuid
from collections.abc import Mapping
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import pandas as pd

TABLES = ("predictions", "steps", "versions", "deployments", "events", "charges")

#: Columns and keys that say how a run was computed, not what happened in it; two equal runs may
#: differ in these and in nothing else.
VOLATILE_COLUMNS: Mapping[str, tuple[str, ...]] = {"versions": ("fit_seconds", "fit", "shared")}
VOLATILE_KEYS = ("wall_seconds",)


class RecordError(ValueError):
    """A directory does not hold a complete run."""


@dataclass(frozen=True, eq=False)
class Run:
    """One strategy replayed over one stream.

    Attributes
    ----------
    name : str
        The strategy's name in its comparison.
    info : dict
        What was run: status, strategy, setup, stream, library versions, wall seconds.
    totals : dict
        Money by kind, counts and metrics; see ``docs/records.md``.
    predictions, steps, versions, deployments, events, charges : DataFrame
        Every column with its unit stands in ``docs/records.md``.
    """

    name: str
    info: dict[str, Any]
    totals: dict[str, Any]
    predictions: pd.DataFrame
    steps: pd.DataFrame
    versions: pd.DataFrame
    deployments: pd.DataFrame
    events: pd.DataFrame
    charges: pd.DataFrame

    @property
    def metrics(self) -> dict[str, float]:
        """The metrics asked for, over every scored row."""
        return dict(self.totals["metrics"])

    def __repr__(self) -> str:
        total, retrains = self.totals["total"], self.totals["retrains"]
        return f"Run({self.name!r}, total={total:.2f}, retrains={retrains})"

    def save(self, directory: str | Path) -> Path:
        """Write ``run.json`` and a Parquet file a table; the directory appears whole or never."""
        target = Path(directory)
        target.parent.mkdir(parents=True, exist_ok=True)
        draft = target.parent / f".{target.name}.{uuid.uuid4().hex[:8]}"
        draft.mkdir()
        try:
            for table in TABLES:
                getattr(self, table).to_parquet(draft / f"{table}.parquet", index=False)
            facts = {"name": self.name, **self.info, "totals": self.totals}
            (draft / "run.json").write_text(json.dumps(facts, indent=1) + "\n", encoding="utf-8")
            if target.exists():
                shutil.rmtree(target)
            draft.rename(target)
        except BaseException:
            shutil.rmtree(draft, ignore_errors=True)
            raise
        return target

    @classmethod
    def load(cls, directory: str | Path) -> Run:
        """Read a run back from the directory that ``save`` wrote."""
        source = Path(directory)
        missing = [
            name
            for name in ("run.json", *(f"{table}.parquet" for table in TABLES))
            if not (source / name).is_file()
        ]
        if missing:
            raise RecordError(f"{source}: not a run directory: {', '.join(missing)} not found")
        facts = json.loads((source / "run.json").read_text(encoding="utf-8"))
        tables = {table: pd.read_parquet(source / f"{table}.parquet") for table in TABLES}
        return cls(name=facts.pop("name"), totals=facts.pop("totals"), info=facts, **tables)
