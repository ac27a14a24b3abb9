"""Backtest your retraining strategy before production pays for it."""

from importlib import import_module
from typing import TYPE_CHECKING, Any

from backtrain import moved

if TYPE_CHECKING:
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

#: Where each name stands; it is imported when it is used first.
_HOMES = {
    "Backtest": "backtest",
    "Comparison": "reports.comparison",
    "CostMatrix": "simulator.metrics",
    "Delays": "simulator.ledger",
    "FutureLeak": "simulator.view",
    "PartError": "simulator.protocols",
    "Pinball": "simulator.metrics",
    "Prices": "simulator.ledger",
    "Reason": "simulator.protocols",
    "Run": "simulator.record",
    "Selection": "simulator.protocols",
    "SetupError": "simulator.setup",
    "Strategy": "strategies.strategy",
    "Stream": "datasets.stream",
    "Verdict": "simulator.protocols",
    "View": "simulator.view",
}
_FOLDERS = ("datasets", "lossmatrix", "reports", "simulator", "store", "strategies")

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


def __getattr__(name: str) -> Any:
    if name in _FOLDERS:
        return import_module(f"backtrain.{name}")
    if name not in _HOMES:
        raise AttributeError(f"module 'backtrain' has no attribute {name!r}")
    found = getattr(import_module(f"backtrain.{_HOMES[name]}"), name)
    globals()[name] = found
    return found


def __dir__() -> list[str]:
    return sorted({*globals(), *__all__, *_FOLDERS})
