"""What happens in a replay, as rows: events, versions, and how near triggers were to firing."""

from array import array
from dataclasses import dataclass, field
from math import isnan

import numpy as np
import pandas as pd

from backtrain.simulator.answers import PartError, Reason
from backtrain.simulator.texts import code

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
    changed: float = _NAN  # these three: by how much answers moved when it was deployed
    flipped: float = _NAN
    smqc: float = _NAN


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


class Readings:
    """Statistics that triggers have shown, beside their thresholds: 28 bytes a reading."""

    def __init__(self) -> None:
        self._at, self._number = array("q"), array("i")
        self._statistic, self._threshold = array("d"), array("d")
        # Triggers are kept beside their number, so that no other object gets the same id.
        self._triggers: dict[int, tuple[int, object]] = {}

    def add(self, at: int, trigger: object, statistic: float, threshold: float) -> None:
        """Take a reading down, but for a statistic of NaN; `PartError` for what is no number."""
        known = self._triggers.get(id(trigger))
        if known is None:
            known = self._triggers[id(trigger)] = (len(self._triggers), trigger)
        try:
            numbers = float(statistic), float(threshold)
        except (TypeError, ValueError):
            raise PartError(
                f"{code(trigger)}: view.reading({statistic!r}, {threshold!r}): give two numbers"
            ) from None
        if isnan(numbers[0]):
            return
        self._at.append(at)
        self._number.append(known[0])
        self._statistic.append(numbers[0])
        self._threshold.append(numbers[1])

    def frame(self) -> pd.DataFrame:
        """The same as a table; columns as in ``docs/records.md``."""
        names = [code(trigger) for _, trigger in self._triggers.values()]
        columns = {
            "at": np.array(self._at, dtype=np.int64).view("datetime64[ns]"),
            "trigger": pd.array(names, dtype="str").take(np.array(self._number, dtype=int)),
            "statistic": np.array(self._statistic, dtype=np.float64),
            "threshold": np.array(self._threshold, dtype=np.float64),
        }
        return pd.DataFrame(columns)
