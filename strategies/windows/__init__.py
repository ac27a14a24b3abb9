"""On what to train."""

from backtrain.strategies.windows import (
    samples,
    sliding,
)
from backtrain.strategies.windows.samples import *
from backtrain.strategies.windows.sliding import *

__all__: list[str] = []
__all__ += samples.__all__
__all__ += sliding.__all__
