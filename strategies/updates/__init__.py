"""How to train."""

from backtrain.strategies.updates import (
    refit,
    retune,
)
from backtrain.strategies.updates.refit import *
from backtrain.strategies.updates.retune import *

__all__: list[str] = []
__all__ += refit.__all__
__all__ += retune.__all__
