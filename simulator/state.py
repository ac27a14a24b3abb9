"""How far a replay has come, as far as parts may see it."""

from __future__ import annotations

from dataclasses import dataclass

from backtrain.simulator.model import Model
from backtrain.simulator.reason import Reason


@dataclass(slots=True, eq=False)
class State:
    """How far a replay has come: the replay writes it, and its view reads it."""

    model: Model | None = None  # the champion
    challenger: Model | None = None  # the version under review
    reason: Reason | None = None  # why the training is wanted that is being prepared
    trial_row: int = 0
    trainings: tuple[int, ...] = ()
    spent: float = 0.0
    asked: object = None  # the trigger that is being asked
