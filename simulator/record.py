"""What a replay leaves behind: six tables, the totals, and the facts that explain them."""

from __future__ import annotations

import json
import shutil
import uuid
from collections.abc import Callable, Iterator, Mapping
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


class Tables(Mapping[str, pd.DataFrame]):
    """A run's tables by name, each made when it is first asked for.

    Whoever replays thousands of schedules for their totals does not pay for tables.

    Parameters
    ----------
    makers : mapping of str to callable
        What makes each table.
    """

    def __init__(self, makers: Mapping[str, Callable[[], pd.DataFrame]]) -> None:
        self._names = tuple(makers)
        self._makers = dict(makers)
        self._made: dict[str, pd.DataFrame] = {}

    def __getitem__(self, name: str) -> pd.DataFrame:
        if name not in self._made:
            self._made[name] = self._makers[name]()
            if len(self._made) == len(self._names):
                self._makers = {}  # what they were made of is not needed any more
        return self._made[name]

    def __iter__(self) -> Iterator[str]:
        return iter(self._names)

    def __len__(self) -> int:
        return len(self._names)

    def __reduce__(self) -> tuple[Any, ...]:
        return dict, (dict(self),)


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
    tables : mapping of str to DataFrame
        ``predictions``, ``steps``, ``versions``, ``deployments``, ``events`` and ``charges``, which
        are attributes too. Every column with its unit stands in ``docs/records.md``.
    """

    name: str
    info: dict[str, Any]
    totals: dict[str, Any]
    tables: Mapping[str, pd.DataFrame]

    @property
    def predictions(self) -> pd.DataFrame:
        """What was answered: a row for each served row."""
        return self.tables["predictions"]

    @property
    def steps(self) -> pd.DataFrame:
        """Loss between neighbouring ticks and deployments."""
        return self.tables["steps"]

    @property
    def versions(self) -> pd.DataFrame:
        """Every model that was trained, or was to be."""
        return self.tables["versions"]

    @property
    def deployments(self) -> pd.DataFrame:
        """Who answered which share of the rows, from when to when."""
        return self.tables["deployments"]

    @property
    def events(self) -> pd.DataFrame:
        """What happened, and why."""
        return self.tables["events"]

    @property
    def charges(self) -> pd.DataFrame:
        """The ledger."""
        return self.tables["charges"]

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
                self.tables[table].to_parquet(draft / f"{table}.parquet", index=False)
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
        return cls(name=facts.pop("name"), totals=facts.pop("totals"), info=facts, tables=tables)
