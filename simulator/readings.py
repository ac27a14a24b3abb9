"""How near triggers were to firing, tick by tick."""

from __future__ import annotations

from array import array
from math import isnan

import numpy as np
import pandas as pd

from backtrain.simulator.errors import PartError
from backtrain.simulator.texts import code


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
        return pd.DataFrame(
            {
                "at": np.array(self._at, dtype=np.int64).view("datetime64[ns]"),
                "trigger": pd.array(names, dtype="str").take(np.array(self._number, dtype=int)),
                "statistic": np.array(self._statistic, dtype=np.float64),
                "threshold": np.array(self._threshold, dtype=np.float64),
            }
        )
