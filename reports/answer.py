"""The verdict for machines: ``verdict.json``, and what it advises as a preset."""

import json
from dataclasses import asdict
from typing import Any

from backtrain.reports import archive
from backtrain.reports.due import next_due
from backtrain.reports.followed import Followed
from backtrain.reports.preset import preset
from backtrain.reports.verdict import Recommendation
from backtrain.simulator.record import Run

#: The layout of the file.
_FORMAT = 1


def answer(
    verdict: Recommendation, advised: Run, careful: float, running: str | None, followed: Followed
) -> dict[str, Any]:
    """All that ``verdict.json`` says; its keys stand in ``docs/machines.md``."""
    text, reason = preset(advised)
    return {
        "format": _FORMAT,
        "stream": advised.info["stream"]["name"],
        "start": advised.info["start"],
        "end": advised.info["end"],
        "careful": float(careful),
        "running": running,
        **verdict.to_dict(),
        "preset": text,
        "no_preset": reason or None,
        "followed": followed.to_dict(),
        "next_due": asdict(next_due(advised)),
    }


def files(
    verdict: Recommendation, advised: Run, careful: float, running: str | None, followed: Followed
) -> dict[str, bytes]:
    """``verdict.json``, and the advised strategy for ``--config-dir``, where it is a preset."""
    told = answer(verdict, advised, careful, running, followed)
    contents = {archive.VERDICT: f"{json.dumps(told, indent=1, allow_nan=False)}\n".encode()}
    if told["preset"] is not None:
        contents[archive.ADVISED] = told["preset"].encode()
    return contents
