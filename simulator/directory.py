"""The directory of the user's own where fits are kept."""

from __future__ import annotations

import os
from pathlib import Path

import platformdirs


class StoreError(ValueError):
    """The store's directory cannot be trusted: models are pickles, and loading one runs it."""


def default_directory() -> Path:
    """Where fits are kept: ``BACKTRAIN_CACHE_DIR``, else the user's cache directory."""
    chosen = os.environ.get("BACKTRAIN_CACHE_DIR")
    if chosen:
        return Path(chosen).expanduser()
    return platformdirs.user_cache_path("backtrain", appauthor=False)


def make_private(folder: Path) -> None:
    """Make a folder that only the user can look into; raises OSError or `StoreError`.

    One that is there already keeps its mode: it may be the user's project.
    """
    folder.mkdir(mode=0o700, parents=True, exist_ok=True)
    refuse_strangers(folder)


def refuse_strangers(folder: Path) -> None:
    """Raise `StoreError` unless the folder is missing, or the user's own to write in."""
    try:
        status = folder.stat()
    except OSError:
        return
    if not folder.is_dir():
        raise StoreError(f"store {str(folder)!r}: not a directory")
    if not hasattr(os, "getuid"):
        return  # Windows: an access list keeps the user's cache directory private
    if status.st_uid != os.getuid():
        raise StoreError(
            f"store {str(folder)!r}: belongs to another user, and models that someone else wrote "
            "can run any code; choose another directory"
        )
    if status.st_mode & 0o022:
        raise StoreError(
            f"store {str(folder)!r}: others may write in it, and models that someone else wrote "
            f"can run any code; empty it, then `chmod 700 {folder}`"
        )
