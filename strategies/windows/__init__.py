"""On what to train."""

from backtrain.strategies.windows import cohorts, samples, since, sliding
from backtrain.strategies.windows.cohorts import *
from backtrain.strategies.windows.samples import *
from backtrain.strategies.windows.since import *
from backtrain.strategies.windows.sliding import *

__all__: list[str] = []
__all__ += cohorts.__all__
__all__ += samples.__all__
__all__ += since.__all__
__all__ += sliding.__all__
