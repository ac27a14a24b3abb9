"""Backtest your retraining strategy before production pays for it."""

from backtrain import moved
from backtrain.backtest import Backtest
from backtrain.datasets.stream import Stream
from backtrain.reports.comparison import Comparison
from backtrain.simulator.errors import PartError
from backtrain.simulator.ledger import Delays, Prices
from backtrain.simulator.metrics import CostMatrix, Pinball
from backtrain.simulator.parts import Gate, Trigger, Update, Window
from backtrain.simulator.reason import Reason
from backtrain.simulator.record import Run
from backtrain.simulator.selection import Selection
from backtrain.simulator.setup import SetupError
from backtrain.simulator.verdict import Verdict
from backtrain.simulator.view import FutureLeak, View
from backtrain.strategies.strategy import Strategy

moved.install()

__all__ = [
    "Backtest",
    "Comparison",
    "CostMatrix",
    "Delays",
    "FutureLeak",
    "Gate",
    "PartError",
    "Pinball",
    "Prices",
    "Reason",
    "Run",
    "Selection",
    "SetupError",
    "Strategy",
    "Stream",
    "Trigger",
    "Update",
    "Verdict",
    "View",
    "Window",
]
