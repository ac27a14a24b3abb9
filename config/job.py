"""A job's name: a digest of all that its result depends on."""

from __future__ import annotations

import hashlib
import json
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from backtrain.backtest import Backtest
from backtrain.config.history import horizon_of, lags_of
from backtrain.store.named import Named
from backtrain.strategies.strategy import Strategy

#: Keys that say how the work is done and where, which is no part of what came out.
OF_WORK = ("n_jobs", "engine", "progress", "cache", "resume", "run", "callbacks")
#: And those that only read it: they are asked of a result that is there, too.
OF_READING = ("objective", "fail_if", "report")
#: What a run uses only where one of its strategies does, and then it stands there.
_SHARED = ("trigger", "window", "update", "gate")
#: Keys whose order counts: that of rows, and that in which faults are put in.
_IN_ORDER = ("comparison", "faults")
#: Keys whose files the stream has read: its fingerprint tells what was in them.
_OF_STREAM = ("dataset", "latency", "faults", "lags", "horizon")


@dataclass(frozen=True)
class JobName:
    """The name of a job, or why it has none.

    Attributes
    ----------
    digest : str or None
        Equal for equal jobs, in any process and at any time.
    why : str
        What cannot be named, so that the job has to be done again; else nothing.
    """

    digest: str | None
    why: str = ""

    @classmethod
    def of(
        cls,
        plain: Mapping[str, Any],
        chosen: Any,
        backtest: Backtest,
        strategies: Mapping[str, Strategy],
    ) -> JobName:
        """From the resolved config, the data, what was built of the config, and its code.

        Files that the config names count by their content, too, and what is built by all that it
        holds: it may have read a file that the config does not name.
        """
        stream = backtest.stream
        setup = [getattr(backtest, key) for key in ("model", "loss", "metrics", "prices", "delays")]
        parts = [*setup, *strategies.values()]
        named = Named.of(parts, backtest.row_loss, *backtest.row_metrics)
        if named.why:
            return cls(None, named.why)
        later = {key for key in _LATER if plain.get(key) is None}
        later |= {key for key, read in _READ.items() if read(plain) is None}
        kept = {key: value for key, value in plain.items() if key not in _UNCOUNTED | later}
        order = {key: list(kept[key]) for key in _IN_ORDER if kept.get(key)}
        facts = (
            sorted(kept.items()),
            sorted(order.items()),
            chosen,
            sorted(_digests({k: v for k, v in kept.items() if k not in _OF_STREAM})),
            (stream.fingerprint, stream.name, stream.target, stream.drift, stream.faults),
            named.held,
            named.code,
        )
        text = json.dumps(facts, default=str)
        return cls(hashlib.blake2b(text.encode(), digest_size=16).hexdigest())


#: Keys that there were not always: while they say nothing, jobs are named as before.
_LATER = ("quantiles",)
_READ = {"lags": lags_of, "horizon": horizon_of}
_UNCOUNTED = {*OF_WORK, *OF_READING, *_SHARED}


def _digests(value: Any) -> list[tuple[str, str]]:
    found = []
    for path in sorted(files_in(value)):
        with path.open("rb") as file:
            found.append((str(path), hashlib.file_digest(file, "blake2b").hexdigest()))
    return found


def files_in(value: Any) -> set[Path]:
    """The files that a config names."""
    if isinstance(value, Mapping):
        value = list(value.values())
    if isinstance(value, Sequence) and not isinstance(value, str):
        return {path for inner in value for path in files_in(inner)}
    try:
        path = Path(value) if isinstance(value, str) and value else None
        return {path} if path is not None and path.is_file() else set()
    except (OSError, ValueError):  # too long, or with a NUL
        return set()
