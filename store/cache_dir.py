"""The directory of the user's own where fits are kept."""

import os
import shlex
import stat
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
    _refuse(folder, status, f"empty it, then `chmod 700 {shlex.quote(str(folder))}`")


def refuse_strange_file(path: Path) -> None:
    """Raise `StoreError` unless the file is missing, or the user's own to write, and no link."""
    try:
        status = path.lstat()
    except OSError:
        return
    if not stat.S_ISREG(status.st_mode):
        raise StoreError(f"store {str(path)!r}: not a file of its own but a link or the like")
    _refuse(path, status, f"remove it, or `chmod 600 {shlex.quote(str(path))}` if you trust it")


def read_own(path: Path) -> bytes:
    """The content of a file that nobody else may write; raises `StoreError` for another one."""
    refuse_strange_file(path)
    with path.open("rb") as file:
        _refuse(path, os.fstat(file.fileno()), "remove it")  # it may have been exchanged
        return file.read()


def _refuse(path: Path, status: os.stat_result, remedy: str) -> None:
    if not hasattr(os, "getuid"):
        return  # Windows: an access list keeps the user's cache directory private
    if status.st_uid != os.getuid():
        raise StoreError(
            f"store {str(path)!r}: belongs to another user, and models that someone else wrote "
            "can run any code; choose another directory"
        )
    if status.st_mode & 0o022:
        write = "write in it" if stat.S_ISDIR(status.st_mode) else "write it"
        raise StoreError(
            f"store {str(path)!r}: others may {write}, and models that someone else wrote can run "
            f"any code; {remedy}"
        )
