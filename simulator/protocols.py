"""Where parts were described in 0.1: old names, which warn with the place where they stand now."""

from __future__ import annotations

import importlib
import warnings
from typing import Any

_MOVED = {
    **dict.fromkeys(("Monitor", "Trial", "Part", "Policy", "RecordedAnswers"), "parts"),
    **dict.fromkeys(("Trigger", "Window", "Update", "Gate"), "parts"),
    **{"needs_parent": "fits", "rows_fitted": "asking"},
    **{"PartError": "errors", "Reason": "reason", "Verdict": "verdict"},
    **dict.fromkeys(("Selection", "Rows"), "selection"),
}


def __getattr__(name: str) -> Any:
    if name not in _MOVED:
        raise AttributeError(f"module {__name__!r} has no attribute {name!r}")
    place = f"backtrain.simulator.{_MOVED[name]}"
    warnings.warn(f"{name} is now in {place}", DeprecationWarning, stacklevel=2)
    return getattr(importlib.import_module(place), name)
