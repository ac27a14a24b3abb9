"""A part whose hints are text, with a name that only this module knows."""

from __future__ import annotations

from dataclasses import dataclass

from backtrain.simulator.answers import PartError
from backtrain.simulator.constraints import Count as HowMany
from backtrain.simulator.parts import Part


@dataclass(frozen=True, repr=False)
class Distant(Part):
    rows: HowMany

    def check_parameters(self) -> None:
        if self.rows > 5:
            raise PartError(f"Distant(rows={self.rows}): no more than 5")
