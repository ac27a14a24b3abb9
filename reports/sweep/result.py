"""What a job of a sweep leaves behind: one small file, written however the job ends."""

from __future__ import annotations

import json
import math
import os
import platform
from collections.abc import Iterable, Iterator, Mapping, Sequence
from dataclasses import asdict, dataclass, field, fields
from importlib.metadata import version
from pathlib import Path
from typing import Any, Literal

import yaml
from hydra.core.override_parser.overrides_parser import OverridesParser
from hydra.core.override_parser.types import QuotedString

from backtrain.datasets.shown import Shown
from backtrain.reports import answer
from backtrain.reports.comparison import Comparison
from backtrain.reports.sweep import objective
from backtrain.simulator.manifest import RecordError, put

#: The file of a job, and where Hydra notes down what it was started with.
RESULT = "result.json"
HYDRA = ".hydra"
#: The layout that is written.
FORMAT = 1

Status = Literal["done", "failed", "stopped", "missing"]


@dataclass(frozen=True, kw_only=True, repr=False)
class Result(Shown):
    """How a job ended, and what it found; all of it as plain data.

    Attributes
    ----------
    job : str or None
        The job's name, a digest of all that it depends on; None where it could not be formed.
    number : int
        Its number in the sweep.
    status : {"done", "failed", "stopped", "missing"}
        "missing" is never written: the job was started, and no result of it can be read.
    error : str or None
        Why there is nothing more, in one line.
    overrides : mapping
        What the job was started with, by key, as Hydra parsed it.
    config : mapping
        Its resolved config, without what no result depends on.
    baseline, strategy : str or None
        What others are held against; the one preset that ``strategy=`` named.
    stream : mapping
        ``name``, ``fingerprint``, ``rows``, ``target``, ``first``, ``last``.
    start, end, model, seed, currency, unit, loss, prices
        What was asked, as the record of a run has it.
    rows : sequence of mapping
        A row a strategy, in the order of the comparison: ``strategy``, ``kind``, and the columns of
        `Comparison.table`; None for NaN. After them what needs no model, of ``kind`` "no model".
    verdict : mapping
        What ``verdict.json`` holds.
    objective : mapping of str to float or None
        The numbers that sweepers may ask for.
    fits : mapping of str to int
        Fits that were ``asked``, ``computed`` and ``read`` from the store.
    wall_seconds : float
        How long it took.
    taken_from : str or None
        The directory of an earlier job of the same name, whose result this is.
    versions : mapping of str to str
        Of Python and libraries.
    directory : Path or None
        Where it was read; not part of the file.
    """

    job: str | None = None
    number: int = 0
    status: Status = "done"
    error: str | None = None
    overrides: Mapping[str, Any] = field(default_factory=dict)
    config: Mapping[str, Any] = field(default_factory=dict)
    baseline: str | None = None
    strategy: str | None = None
    stream: Mapping[str, Any] = field(default_factory=dict)
    start: str | None = None
    end: str | None = None
    model: str | None = None
    seed: int | None = None
    currency: str = ""
    unit: str = ""
    loss: str | None = None
    prices: Mapping[str, float] = field(default_factory=dict)
    rows: Sequence[Mapping[str, Any]] = ()
    verdict: Mapping[str, Any] = field(default_factory=dict)
    objective: Mapping[str, float | None] = field(default_factory=dict)
    fits: Mapping[str, int] = field(default_factory=dict)
    wall_seconds: float = 0.0
    taken_from: str | None = None
    versions: Mapping[str, str] = field(default_factory=dict)
    directory: Path | None = field(default=None, compare=False)

    @classmethod
    def of(
        cls,
        comparison: Comparison,
        baseline: str | None = None,
        strategy: str | None = None,
        **job: Any,
    ) -> Result:
        """Of a job that is done; ``job`` are further attributes: its name, number, overrides."""
        info = comparison.info
        told = comparison.verdict(baseline)
        known = strategy if strategy in comparison.runs else None
        return cls(
            baseline=told.baseline,
            strategy=known,
            stream=dict(info["stream"]),
            **{key: info[key] for key in ("start", "end", "model", "seed", "loss", "prices")},
            **{key: info.get(key, "") for key in ("currency", "unit")},
            rows=_rows(comparison, told.baseline),
            verdict=answer.answer(
                told,
                comparison.runs[told.strategy],
                comparison.careful,
                comparison.running,
                comparison.followed(baseline),
            ),
            objective=objective.numbers(comparison, told.baseline, known),
            versions=dict(info["libraries"]) | {"python": info["python"]},
            **job,
        )

    @property
    def advises(self) -> str | None:
        """The strategy that its own verdict says to run or to keep; None where it says nothing.

        It says nothing where a strategy was run alone, or had nothing to be held against.
        """
        if self.status != "done" or self.verdict.get("saves", 0.0) is None:
            return None
        return self.verdict.get("strategy")

    @property
    def confidence(self) -> str:
        """How sure that is: "sure", "likely", "unsure"; empty where it says to keep, or nothing."""
        return "" if self.advises is None else str(self.verdict.get("confidence") or "")

    @property
    def saved(self) -> float:
        """What it is expected to save, as a share of what the baseline is expected to cost."""
        told = self.verdict
        if self.advises is None or told.get("decision") == "keep":
            return math.nan if self.advises is None else 0.0
        base = (told.get("expected") or {}).get(self.baseline)
        return float(told["saves"]) / base if base and base > 0 else math.nan

    @classmethod
    def load(cls, directory: str | Path) -> Result:
        """Read a job's result; raises `RecordError` where there is none, or none that is whole."""
        path = Path(directory) / RESULT
        try:
            facts = json.loads(path.read_bytes())
        except (OSError, ValueError) as error:
            raise RecordError(f"{path}: cannot be read: {error}") from error
        names = {one.name for one in fields(cls)} - {"directory"}
        if not isinstance(facts, dict) or facts.get("format") != FORMAT:
            raise RecordError(f"{path}: not the result of a job, or of another version")
        if lacking := names - facts.keys():
            raise RecordError(f"{path}: not whole: {', '.join(sorted(lacking))} not found")
        return cls(**{name: facts[name] for name in names}, directory=Path(directory))

    def save(self, directory: str | Path) -> Path:
        """Write ``result.json``, at once and for good."""
        Path(directory).mkdir(parents=True, exist_ok=True)
        facts = {"format": FORMAT, **asdict(self)}
        del facts["directory"]
        text = json.dumps(_as_json(facts), indent=1, allow_nan=False, default=str)
        return put(Path(directory) / RESULT, f"{text}\n".encode())


def results_in(sweep: str | Path) -> list[Result]:
    """The result of every job in a sweep's directory, by number.

    A job that was started and left no result, or none that can be read, is "missing".
    """
    return sorted(map(_result_in, _jobs_in(Path(sweep))), key=lambda one: one.number)


def typed(overrides: Iterable[str]) -> dict[str, Any]:
    """Overrides by key, with their values as Hydra parses them.

    >>> typed(["strategy=monthly", "prices.retrain=2.5", "+faults=[a,b]", "~gate"])
    {'strategy': 'monthly', 'prices.retrain': 2.5, 'faults': ['a', 'b'], '~gate': None}
    """
    parsed = OverridesParser.create().parse_overrides(list(overrides))
    return {one.get_key_element().lstrip("+"): _plain(one.value()) for one in parsed}


def versions() -> dict[str, str]:
    """Of Python and of this package, where no comparison tells them."""
    return {"backtrain": version("backtrain"), "python": platform.python_version()}


def _rows(comparison: Comparison, baseline: str) -> list[dict[str, Any]]:
    table = comparison.table(baseline).loc[list(comparison.runs)]
    others = comparison.without_model.reindex(columns=table.columns)
    return [
        {"strategy": name, "kind": kind, **{str(key): _known(value) for key, value in row.items()}}
        for kind, frame in (("strategy", table), ("no model", others))
        for name, row in zip(frame.index, frame.astype(object).to_dict("records"), strict=True)
    ]


def _known(value: float) -> float | None:
    return value if math.isfinite(value) else None


def _jobs_in(folder: Path) -> Iterator[Path]:
    """Directories of jobs, at any depth; not what lies inside of them."""
    for at, inner, files in os.walk(folder):
        if RESULT in files or HYDRA in inner:
            inner.clear()
            yield Path(at)
        inner[:] = [name for name in inner if not name.startswith(".")]


def _result_in(directory: Path) -> Result:
    try:
        return Result.load(directory)
    except RecordError as error:
        there = (directory / RESULT).exists()
        why = str(error) if there else "it was started, and ended without a result"
        number, overrides = _started(directory / HYDRA)
        return Result(
            status="missing", error=why, number=number, overrides=overrides, directory=directory
        )


def _started(notes: Path) -> tuple[int, dict[str, Any]]:
    """A job's number and overrides, as far as Hydra has noted them down."""
    try:
        own = yaml.safe_load((notes / "hydra.yaml").read_text(encoding="utf-8"))
        job = own["hydra"]["job"]
        return int(job["num"]), typed(own["hydra"]["overrides"]["task"])
    except (OSError, yaml.YAMLError, LookupError, TypeError, ValueError):
        name = notes.parent.name
        return int(name) if name.isdecimal() else 0, {}


def _plain(value: Any) -> Any:
    if isinstance(value, QuotedString):
        return value.text
    if isinstance(value, dict):
        return {str(_plain(key)): _plain(inner) for key, inner in value.items()}
    return [_plain(inner) for inner in value] if isinstance(value, list) else value


def _as_json(value: Any) -> Any:
    """Plain data without numbers that JSON lacks: None for NaN, text for what is infinite."""
    if isinstance(value, Mapping):
        return {str(key): _as_json(inner) for key, inner in value.items()}
    if isinstance(value, (list, tuple)):
        return [_as_json(inner) for inner in value]
    value = value.item() if hasattr(value, "item") else value
    if isinstance(value, float) and not math.isfinite(value):
        return None if math.isnan(value) else str(value)
    return value
