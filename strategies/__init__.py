"""The parts of a retraining strategy, and the strategy that they make up.

A part is exported by standing in the ``__all__`` of its own file.
"""

from backtrain.strategies import gates, strategy, triggers, updates, windows
from backtrain.strategies.gates import *
from backtrain.strategies.strategy import *
from backtrain.strategies.triggers import *
from backtrain.strategies.updates import *
from backtrain.strategies.windows import *

__all__: list[str] = []
__all__ += gates.__all__
__all__ += strategy.__all__
__all__ += triggers.__all__
__all__ += updates.__all__
__all__ += windows.__all__
