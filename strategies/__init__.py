"""The parts of a retraining strategy, and the strategy that they make up.

A part is exported by standing in the ``__all__`` of its own file.
"""

from backtrain.strategies import (
    abtest,
    approval,
    chain,
    combinations,
    costs,
    datacheck,
    detectors,
    estimated,
    forecasts,
    gates,
    martingale,
    recorded,
    restraints,
    retuning,
    samples,
    shifts,
    strategy,
    trials,
    triggers,
    updates,
    windows,
)
from backtrain.strategies.abtest import *
from backtrain.strategies.approval import *
from backtrain.strategies.chain import *
from backtrain.strategies.combinations import *
from backtrain.strategies.costs import *
from backtrain.strategies.datacheck import *
from backtrain.strategies.detectors import *
from backtrain.strategies.estimated import *
from backtrain.strategies.forecasts import *
from backtrain.strategies.gates import *
from backtrain.strategies.martingale import *
from backtrain.strategies.recorded import *
from backtrain.strategies.restraints import *
from backtrain.strategies.retuning import *
from backtrain.strategies.samples import *
from backtrain.strategies.shifts import *
from backtrain.strategies.strategy import *
from backtrain.strategies.trials import *
from backtrain.strategies.triggers import *
from backtrain.strategies.updates import *
from backtrain.strategies.windows import *

__all__: list[str] = []
__all__ += abtest.__all__
__all__ += approval.__all__
__all__ += chain.__all__
__all__ += combinations.__all__
__all__ += costs.__all__
__all__ += datacheck.__all__
__all__ += detectors.__all__
__all__ += estimated.__all__
__all__ += forecasts.__all__
__all__ += gates.__all__
__all__ += recorded.__all__
__all__ += martingale.__all__
__all__ += retuning.__all__
__all__ += samples.__all__
__all__ += restraints.__all__
__all__ += shifts.__all__
__all__ += strategy.__all__
__all__ += trials.__all__
__all__ += triggers.__all__
__all__ += updates.__all__
__all__ += windows.__all__
