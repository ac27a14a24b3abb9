"""What triggers on distributions have in common: the newest rows to look at, and the columns."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import replace

from backtrain.simulator.errors import PartError
from backtrain.simulator.reason import Reason
from backtrain.simulator.view import View
from backtrain.strategies.drift.rules import Found
from backtrain.strategies.triggers.performance import Detector, when


class Watch(Detector):
    """Looks at the newest rows since the version in force came, when there are more of them."""

    def __init__(self, window: int, min_rows: int, min_share: float = 0.0) -> None:
        super().__init__()
        self._window, self._min_rows, self._min_share = window, min_rows, min_share
        self._seen = 0

    def restart(self, view: View) -> None:
        """Begin anew with the first row of the version in force."""
        self._since = view.model.first_row
        self.forget()

    def alarm(self, view: View) -> Reason | None:
        """Look, if there are enough rows and new ones among them."""
        past = view.past
        if past - self._since < self._min_rows or past == self._seen:
            return None
        self._seen = past
        rows = slice(max(self._since, past - self._window), past)
        found = self.look(view, rows)
        if found is None:
            return None
        view.reading(*found.worst_reading())
        reason = found.reason(self._min_share)
        return reason and replace(reason, since=when(view, rows.start))

    def forget(self) -> None:
        """Drop what was kept about the former version."""
        raise NotImplementedError

    def look(self, view: View, rows: slice) -> Found | None:
        """Compare the newest rows; None where that cannot be done yet."""
        raise NotImplementedError


# --- refusals -----------------------------------------------------------------------------------


def kept(part: str, columns: Sequence[str], exclude: Sequence[str]) -> list[int]:
    """Positions of the columns that are not excluded."""
    if strange := [name for name in exclude if name not in columns]:
        raise PartError(
            f"{part}(exclude={list(exclude)}): no column {strange[0]!r}; "
            f"the stream has {', '.join(columns)}"
        )
    places = [place for place, name in enumerate(columns) if name not in exclude]
    if not places:
        raise PartError(f"{part}(exclude={list(exclude)}): leaves no column to test")
    return places


def refuse_share(part: str, share: float) -> None:
    """Raise `PartError` for what is no share."""
    if not 0 <= share <= 1:
        raise PartError(f"{part}(min_share={share!r}): a share lies between 0 and 1")


def refuse_text(part: str, exclude: Sequence[str]) -> None:
    """Raise `PartError` for one name where a list of names is wanted."""
    if isinstance(exclude, str):
        raise PartError(f"{part}(exclude={exclude!r}): give a list, [{exclude!r}]")
