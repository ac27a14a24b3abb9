"""How to train."""

from typing import TYPE_CHECKING

from backtrain.strategies.updates.boosters import *
from backtrain.strategies.updates.recalibrate import *
from backtrain.strategies.updates.refit import *
from backtrain.strategies.updates.retune import *

if not TYPE_CHECKING:  # type checkers take what the stars import: they cannot read a computed list
    __all__ = [name for name, value in globals().items() if isinstance(value, type)]
