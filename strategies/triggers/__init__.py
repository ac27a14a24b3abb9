"""When to retrain."""

from typing import TYPE_CHECKING

from backtrain.strategies.triggers.combinations import *
from backtrain.strategies.triggers.data_drift import *
from backtrain.strategies.triggers.estimated_drop import *
from backtrain.strategies.triggers.forecasts import *
from backtrain.strategies.triggers.limits import *
from backtrain.strategies.triggers.martingale import *
from backtrain.strategies.triggers.performance import *
from backtrain.strategies.triggers.recorded import *
from backtrain.strategies.triggers.schedules import *
from backtrain.strategies.triggers.staleness import *

if not TYPE_CHECKING:  # type checkers take what the stars import: they cannot read a computed list
    __all__ = [name for name, value in globals().items() if isinstance(value, type)]
