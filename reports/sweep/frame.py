"""The jobs of a sweep as one tidy table: a row a job and strategy, and typed columns."""

from __future__ import annotations

import json
from collections.abc import Mapping, Sequence
from typing import TYPE_CHECKING, Any

import numpy as np
import pandas as pd

from backtrain.reports.comparison import COUNTS, LUCK, MONEY, STABILITY

if TYPE_CHECKING:
    from backtrain.reports.sweep.result import Result

#: What stands before the overrides and after them, and what stands after the numbers.
_JOB = ("job", "number", "status", "error")
_ASKED = (
    *("stream", "fingerprint", "start", "end", "model", "seed", "currency"),
    *("setting", "advises", "confidence", "strategy", "kind", "advised"),
)
_AGAINST = ("baseline", "relative", "saves", "directory")
#: Why a job failed is its `error`, as in its file; what a strategy's errors cost has another name.
_RENAMED = {"error": "errors"}
#: Columns of numbers that every table has, also where no job is done.
_NUMBERS = (
    *(_RENAMED.get(kind, kind) for kind in MONEY),
    *(*COUNTS, "loss", *STABILITY, "difference", "low", "high", "expected", *LUCK),
)
_WHOLE = ("number", "seed", "setting", *COUNTS)
#: An override of one of these names stands in `override.NAME`; a seed is the same in both.
_TAKEN = {*_JOB, *_ASKED, *_AGAINST, *_NUMBERS} - {"seed"}


def tidy(
    results: Sequence[Result],
    settings: Sequence[int | None],
    baselines: Mapping[int, tuple[str, float]],
    without_model: bool | None = None,
) -> pd.DataFrame:
    """One row a job and strategy, in the order of the jobs; one a job that is not done.

    Parameters
    ----------
    results : sequence of Result
    settings : sequence of int or None
        In which setting each is; None for one that is not done.
    baselines : mapping of int to (str, float)
        Name and total of what the strategies of a setting are held against.
    without_model : bool, optional
        Whether answers that need no model have rows, of ``kind`` "no model"; by default those of
        jobs that asked for them (``baselines=true``).
    """
    rows, overrides = [], [_overrides(one) for one in results]
    for one, own, setting in zip(results, overrides, settings, strict=True):
        wanted = one.config.get("baselines") if without_model is None else without_model
        for row in one.rows if setting is not None else [{}]:
            if row.get("kind") != "no model" or wanted:
                held = baselines.get(-1 if setting is None else setting)
                numbers = _numbers(one, row, held)
                renamed = {_RENAMED.get(key, key): value for key, value in numbers.items()}
                rows.append({**_facts(one, setting), **own, **renamed})
    keys = list(dict.fromkeys(key for own in overrides for key in own))
    known = dict.fromkeys(key for row in rows for key in row)
    first = [*_JOB, *(key for key in keys if key != "seed"), *_ASKED]
    last = {*first, *_NUMBERS, *_AGAINST}
    metrics = [key for key in known if key not in last]
    order = [*first, *_NUMBERS, *metrics, *_AGAINST]
    frame = pd.DataFrame(rows, columns=pd.Index(order), dtype=object)
    of_text = {*_JOB, *_ASKED, *_AGAINST} - {"relative", "saves", "advised", "number", "seed"}
    for key in frame:
        name = str(key)
        if name in _WHOLE:
            frame[name] = _whole(frame[name])
        elif name == "advised":
            frame[name] = frame[name].astype("boolean")
        elif name in keys:
            frame[name] = typed(frame[name].tolist())
        elif name not in of_text:
            frame[name] = frame[name].astype(np.float64)
        else:
            frame[name] = frame[name].astype("string")
    return frame


def typed(values: Sequence[Any]) -> pd.Series:
    """Values as a column of one type: int64, float64, bool or text.

    Where some are missing, the types that have room for that: Int64, float64, boolean, text.

    >>> typed([1, 2]).dtype, typed([1, None]).dtype, typed([1, 0.5]).dtype
    (dtype('int64'), Int64Dtype(), dtype('float64'))
    >>> typed([1, "7D"]).tolist(), typed([True, False]).dtype
    (['1', '7D'], dtype('bool'))
    """
    values = [None if value != value else value for value in values]  # NaN says the same
    known = [value for value in values if value is not None]
    whole = len(known) == len(values)
    series = pd.Series(values, dtype=object)
    if known and all(isinstance(value, bool) for value in known):
        return series.astype("bool" if whole else "boolean")
    if known and all(isinstance(v, int) and not isinstance(v, bool) for v in known):
        return _whole(series)
    if known and all(isinstance(v, (int, float)) and not isinstance(v, bool) for v in known):
        return series.astype(np.float64)
    return pd.Series([None if value is None else text(value) for value in values], dtype="string")


def text(value: Any) -> str:
    """A value as an override has it: lists and mappings as JSON, so that equal ones are equal."""
    return value if isinstance(value, str) else json.dumps(value, sort_keys=True, default=str)


def _whole(series: pd.Series) -> pd.Series:
    try:
        return series.astype("int64" if series.notna().all() else "Int64")
    except (OverflowError, TypeError, ValueError):  # beyond what 64 bits hold
        return series.map(text, na_action="ignore").astype("string")


def _overrides(one: Result) -> dict[str, Any]:
    return {f"override.{k}" if k in _TAKEN else k: value for k, value in one.overrides.items()}


def _facts(one: Result, setting: int | None) -> dict[str, Any]:
    asked = {key: getattr(one, key) for key in ("start", "end", "model", "seed", "currency")}
    return {
        **{key: getattr(one, key) for key in _JOB},
        "stream": one.stream.get("name"),
        "fingerprint": one.stream.get("fingerprint"),
        **{key: None if value == "" else value for key, value in asked.items()},
        "seed": one.overrides.get("seed") if one.seed is None else one.seed,
        "setting": setting,
        "advises": one.advises,
        "confidence": one.confidence or None,
        "directory": None if one.directory is None else str(one.directory),
    }


def _numbers(one: Result, row: Mapping[str, Any], held: tuple[str, float] | None) -> dict[str, Any]:
    """The table's columns of one strategy; held against another baseline without intervals."""
    if not row or held is None:
        return dict(row)
    (name, reference), told = held, one.verdict
    same = name == one.baseline
    total = row["total"]
    own = {**row, "baseline": name, "difference": None if total is None else total - reference}
    own["relative"] = total / reference if reference > 0 and total is not None else None
    own["advised"] = None if one.advises is None else one.advises == row["strategy"]
    if same:
        saves = told.get("saves", 0.0) if told.get("decision") != "keep" else 0.0
        return {**own, "saves": None if one.advises is None else saves}
    return {**own, "saves": None, "low": None, "high": None}
