"""What happens in a replay, as rows: events and versions."""

from __future__ import annotations

from dataclasses import dataclass, field

from backtrain.simulator.reason import Reason

_NAN = float("nan")


@dataclass(slots=True, eq=False)
class VersionEntry:
    """A row of the table of versions."""

    version: int
    parent: int | None
    reason: str
    decided_at: int
    ready_at: int | None = None
    outcome: str = "pending"
    span: tuple[int, int] | None = None  # its oldest and newest row
    rows: int = 0
    fit_seconds: float = 0.0
    fit: str = ""
    shared: bool = False


@dataclass
class Log:
    """What happened, as rows."""

    events: list[tuple[int, str, int | None, str, float, float]] = field(default_factory=list)
    versions: list[VersionEntry] = field(default_factory=list)
    trainings: tuple[int, ...] = ()  # when each was decided, the first model left out

    def event(self, at: int, kind: str, version: int | None, reason: Reason | str = "") -> None:
        """Write an event down."""
        if isinstance(reason, str):
            self.events.append((at, kind, version, reason, _NAN, _NAN))
        else:
            entry = reason.sentence, reason.statistic, reason.threshold
            self.events.append((at, kind, version, *entry))
