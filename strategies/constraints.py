"""What triggers refuse when they are built: counts that are none, windows that hold too little."""

from __future__ import annotations

from backtrain.simulator.errors import PartError


def is_count(value: object, least: int = 1) -> bool:
    """Whether a value is a whole number, and not below the least."""
    return isinstance(value, int) and not isinstance(value, bool) and value >= least


def refuse_no_count(what: str, count: object, least: int = 1) -> None:
    """Raise `PartError` for what is not a whole number of at least so many."""
    if not is_count(count, least):
        raise PartError(f"{what}: give {least} or more, as a whole number")


def refuse_window(part: str, window: object, least: object, name: str = "min_rows") -> None:
    """Raise `PartError` for a window that cannot hold what it needs, ``name`` of them."""
    if not (isinstance(least, int) and is_count(least) and is_count(window, least)):
        raise PartError(
            f"{part}(window={window!r}, {name}={least!r}): the window must hold at least {name}, "
            "and these be 1 or more, as whole numbers"
        )
