"""The parts of a retraining strategy, and the strategy that they make up.

A part is exported by standing in the ``__all__`` of its own file.
"""

from typing import TYPE_CHECKING

from backtrain.strategies.blackouts import *
from backtrain.strategies.gates import *
from backtrain.strategies.strategy import *
from backtrain.strategies.triggers import *
from backtrain.strategies.updates import *
from backtrain.strategies.windows import *

if not TYPE_CHECKING:  # type checkers take what the stars import: they cannot read a computed list
    __all__ = [name for name, value in globals().items() if isinstance(value, type)]
