"""Whether to deploy what was trained."""

from typing import TYPE_CHECKING

from backtrain.strategies.gates.ab_test import *
from backtrain.strategies.gates.approval import *
from backtrain.strategies.gates.at_most_flips import *
from backtrain.strategies.gates.chain import *
from backtrain.strategies.gates.data_check import *
from backtrain.strategies.gates.holdout import *
from backtrain.strategies.gates.online import *

if not TYPE_CHECKING:  # type checkers take what the stars import: they cannot read a computed list
    __all__ = [name for name, value in globals().items() if isinstance(value, type)]
