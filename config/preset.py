"""What a tuning advises, as a preset that `backtrain run` takes and marks as in-sample."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any

from omegaconf import OmegaConf

from backtrain.lossmatrix.tuning import Tuning

#: Where `backtrain run` finds it: --config-dir DIRECTORY strategy=tuned.
FILE = "strategy/tuned.yaml"


def preset(tuning: Tuning, parts: Mapping[str, Any]) -> bytes:
    """The best interval, with the window and update it was found for, as a strategy preset.

    Parameters
    ----------
    tuning : Tuning
        What was measured.
    parts : mapping
        The configs of its ``window`` and ``update``.
    """
    first, last = (str(tuning.info[key]) for key in ("start", "end"))
    best = tuning.labels[tuning.judgement.best]
    found = {
        "defaults": ["_base", "_self_"],
        "trigger": _trigger(tuning),
        **parts,
        "tuned_until": last,
    }
    said = f"# Chosen by `backtrain tune`, {first[:10]} to {last[:10]}: {best}."
    return f"{said}\n{OmegaConf.to_yaml(found)}".encode()


def _trigger(tuning: Tuning) -> dict[str, Any]:
    """The trigger of the best interval."""
    best, tick = tuning.judgement.best, tuning.info["tick"]
    if best == len(tuning.labels) - 1:
        return {"_target_": "backtrain.strategies.Never"}
    if isinstance(tick, int):
        rows = int(tuning.intervals[best]) * int(tuning.info["every"]) * tick
        return {"_target_": "backtrain.strategies.EveryRows", "rows": rows}
    every = {"every": tuning.labels[best], "phase": "0D", "since": "start"}
    return {"_target_": "backtrain.strategies.Every", **every}
