"""Helpers that stood in one file in 0.1, found in the folder which that file has become."""

from __future__ import annotations

import importlib
import warnings
from collections.abc import Callable
from typing import Any


def helpers_of(folder: str, file: str) -> Callable[[str], Any]:
    """A ``__getattr__`` for a folder: names of one of its files, with a warning."""

    def find(name: str) -> Any:
        if not name.startswith("_"):
            home = f"{folder}.{file}"
            module = importlib.import_module(home)
            if hasattr(module, name):
                warnings.warn(f"{name} is now in {home}", DeprecationWarning, stacklevel=2)
                return getattr(module, name)
        raise AttributeError(f"module {folder!r} has no attribute {name!r}")

    return find
