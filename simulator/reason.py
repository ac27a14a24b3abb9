"""Why a trigger fired, or a gate refused."""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np
import pandas as pd

from backtrain.simulator.errors import PartError

NUMBERS = (int, float, np.integer, np.floating, np.bool_)


@dataclass(frozen=True, eq=False)
class Reason:
    """Why a trigger fired, or a gate refused: one sentence and, where there are, two numbers.

    Attributes
    ----------
    sentence : str
        What is said of it in reports.
    statistic, threshold : float
        What was compared; NaN where nothing was.
    since : Timestamp, optional
        When the change is thought to have begun, from a detector that can tell.
    raised_at : Timestamp, optional
        The tick at which the trigger fired, or at which an alarm that is still on was raised. The
        simulator sets it.
    """

    sentence: str
    statistic: float = float("nan")
    threshold: float = float("nan")
    since: pd.Timestamp | None = None
    raised_at: pd.Timestamp | None = None

    def __post_init__(self) -> None:
        numbers = all(isinstance(n, NUMBERS) for n in (self.statistic, self.threshold))
        if not isinstance(self.sentence, str) or not numbers:
            raise PartError(
                f"Reason({self.sentence!r}, {self.statistic!r}, {self.threshold!r}): give one "
                "sentence and, where there are any, a statistic and a threshold"
            )
