"""What a gate decides about a challenger."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass, field
from typing import Literal

import pandas as pd

from backtrain.datasets.offsets import to_timestamp
from backtrain.simulator.errors import PartError
from backtrain.simulator.reason import NUMBERS
from backtrain.simulator.selection import Selection

_ACTIONS = ("deploy", "reject", "wait", "refit")


@dataclass(frozen=True, eq=False)
class Verdict:
    """What a trial says about its challenger. Build it with one of the four class methods."""

    action: Literal["deploy", "reject", "wait", "refit"]
    reason: str = ""
    numbers: Mapping[str, float] = field(default_factory=dict)
    until: pd.Timestamp | None = None
    share: float = 0.0
    sticky: bool = False
    selection: Selection | None = None
    reviewed: bool = True
    watch: bool = False
    ticks: bool = False
    supersede: bool = False

    def __post_init__(self) -> None:
        if self.action not in _ACTIONS:
            raise PartError(
                f"Verdict({self.action!r}): build it with Verdict.deploy(), Verdict.reject(), "
                "Verdict.wait() or Verdict.refit(selection)"
            )
        if self.action == "refit" and not isinstance(self.selection, Selection):
            raise PartError(
                f"Verdict.refit({self.selection!r}): give the Selection to fit again on"
            )
        for name, number in self.numbers.items():
            if not isinstance(number, NUMBERS):
                raise PartError(f"Verdict({name}={number!r}): a number, to stand on record")

    @classmethod
    def deploy(cls, reason: str = "", reviewed: bool = True, **numbers: float) -> Verdict:
        """Put the challenger in force. ``reviewed=False``: nobody looked, no review is charged."""
        return cls("deploy", reason, numbers, reviewed=reviewed)

    @classmethod
    def reject(cls, reason: str = "", **numbers: float) -> Verdict:
        """Drop the challenger; where it already answered rows, this is the rollback."""
        return cls("reject", reason, numbers)

    @classmethod
    def wait(
        cls,
        until: pd.Timestamp | str | None = None,
        share: float = 0.0,
        reason: str = "",
        sticky: bool = False,
        watch: bool | None = None,
        ticks: bool = False,
        supersede: bool = False,
        **numbers: float,
    ) -> Verdict:
        """Ask again at ``until``; the challenger answers ``share`` of the rows until then.

        ``until=None`` is the next tick, a share of 0 a shadow. With share s the trial's row p,
        counted from 0, is the challenger's iff ``floor((p + 1) * s) > floor(p * s)``; with
        ``sticky``, iff the hash of its group is below s.

        Parameters
        ----------
        watch : bool, optional
            Whether the one that does not answer a row scores it too, which is charged; by default
            with a share of 0 only. With neither a share nor a watch the challenger lies idle.
        ticks : bool
            Ask at every tick before ``until``, too.
        supersede : bool
            A trigger that fires while it waits may start a training that takes its place.
        """
        if not isinstance(share, NUMBERS) or not 0 <= share <= 1:
            raise PartError(f"Verdict.wait(share={share!r}): a share lies between 0 and 1")
        when = None if until is None else _instant(until)
        return cls(
            "wait",
            reason,
            numbers,
            until=when,
            share=float(share),
            sticky=sticky,
            watch=share == 0 if watch is None else watch,
            ticks=ticks or when is None,
            supersede=supersede,
        )

    @classmethod
    def refit(cls, selection: Selection, reason: str = "", **numbers: float) -> Verdict:
        """Fit the challenger again on ``selection`` and ask once more when that is ready."""
        return cls("refit", reason, numbers, selection=selection)


def _instant(until: object) -> pd.Timestamp:
    try:
        return to_timestamp(until, "Verdict.wait(until)")
    except ValueError as error:
        raise PartError(f"{error}, or view.now + pd.Timedelta('1D')") from None
