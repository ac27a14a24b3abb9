"""The parts of a retraining strategy, and the strategy that they make up.

A part is exported by standing in the ``__all__`` of its own file.
"""

from backtrain.strategies import (
    combinations,
    detectors,
    gates,
    recorded,
    restraints,
    shifts,
    strategy,
    triggers,
    updates,
    windows,
)
from backtrain.strategies.combinations import *
from backtrain.strategies.detectors import *
from backtrain.strategies.gates import *
from backtrain.strategies.recorded import *
from backtrain.strategies.restraints import *
from backtrain.strategies.shifts import *
from backtrain.strategies.strategy import *
from backtrain.strategies.triggers import *
from backtrain.strategies.updates import *
from backtrain.strategies.windows import *

__all__: list[str] = []
__all__ += combinations.__all__
__all__ += detectors.__all__
__all__ += gates.__all__
__all__ += recorded.__all__
__all__ += restraints.__all__
__all__ += shifts.__all__
__all__ += strategy.__all__
__all__ += triggers.__all__
__all__ += updates.__all__
__all__ += windows.__all__
