"""Names an object by what it holds, so that two share something only where they are the same."""

from __future__ import annotations

from typing import Any

import joblib


def content(value: Any) -> str:
    """Name an object by its class and all that it holds; never by its ``repr``, which may hide it.

    What cannot be pickled (an object of a local class, a lambda) is named by its identity.
    """
    try:
        return str(joblib.hash(value))
    except Exception:
        return f"only here: {id(value)}"
