"""Backtest your retraining strategy before production pays for it."""

from backtrain import moved
from backtrain.backtest import Backtest
from backtrain.datasets.stream import Stream
from backtrain.reports.comparison import Comparison
from backtrain.simulator.ledger import Delays, Prices
from backtrain.simulator.metrics import CostMatrix, Pinball
from backtrain.simulator.protocols import PartError, Reason, Selection, Verdict
from backtrain.simulator.record import Run
from backtrain.simulator.setup import SetupError
from backtrain.simulator.view import FutureLeak, View
from backtrain.strategies.strategy import Strategy

moved.install()

__all__ = [
    "Backtest",
    "Comparison",
    "CostMatrix",
    "Delays",
    "FutureLeak",
    "PartError",
    "Pinball",
    "Prices",
    "Reason",
    "Run",
    "Selection",
    "SetupError",
    "Strategy",
    "Stream",
    "Verdict",
    "View",
]
