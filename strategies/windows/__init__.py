"""On what to train."""

from typing import TYPE_CHECKING

from backtrain.strategies.former import helpers_of
from backtrain.strategies.windows import cohorts, samples, since, sliding
from backtrain.strategies.windows.cohorts import *
from backtrain.strategies.windows.samples import *
from backtrain.strategies.windows.since import *
from backtrain.strategies.windows.sliding import *

if not TYPE_CHECKING:  # type checkers take what the stars import: they cannot read a computed list
    __all__ = [*cohorts.__all__, *samples.__all__, *since.__all__, *sliding.__all__]

__getattr__ = helpers_of(__name__, "sliding")
