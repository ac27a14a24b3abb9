"""Backtest your retraining strategy before production pays for it."""

from importlib import import_module
from typing import TYPE_CHECKING, Any

from backtrain import moved

if TYPE_CHECKING:
    from backtrain.backtest import Backtest as Backtest
    from backtrain.datasets.horizon import Horizon as Horizon
    from backtrain.datasets.lags import Lags as Lags
    from backtrain.datasets.stream import Stream as Stream
    from backtrain.reports.comparison import Comparison as Comparison
    from backtrain.reports.sweep.sweep import Sweep as Sweep
    from backtrain.simulator.answers import PartError as PartError
    from backtrain.simulator.answers import Reason as Reason
    from backtrain.simulator.answers import Selection as Selection
    from backtrain.simulator.answers import Verdict as Verdict
    from backtrain.simulator.costs import CostMatrix as CostMatrix
    from backtrain.simulator.costs import TimesAmount as TimesAmount
    from backtrain.simulator.ledger import Delays as Delays
    from backtrain.simulator.ledger import Prices as Prices
    from backtrain.simulator.metrics import ByGroup as ByGroup
    from backtrain.simulator.metrics import CoverageError as CoverageError
    from backtrain.simulator.metrics import Metric as Metric
    from backtrain.simulator.metrics import Outcomes as Outcomes
    from backtrain.simulator.metrics import Pinball as Pinball
    from backtrain.simulator.parts import Gate as Gate
    from backtrain.simulator.parts import Trigger as Trigger
    from backtrain.simulator.parts import Update as Update
    from backtrain.simulator.parts import Window as Window
    from backtrain.simulator.ranking import NDCG as NDCG
    from backtrain.simulator.ranking import PrecisionAtK as PrecisionAtK
    from backtrain.simulator.ranking import RecallAtK as RecallAtK
    from backtrain.simulator.record import Run as Run
    from backtrain.simulator.scaled import MASE as MASE
    from backtrain.simulator.scaled import RMSSE as RMSSE
    from backtrain.simulator.scaled import Scaled as Scaled
    from backtrain.simulator.setup import SetupError as SetupError
    from backtrain.simulator.view import FutureLeak as FutureLeak
    from backtrain.simulator.view import View as View
    from backtrain.strategies.strategy import Strategy as Strategy

moved.install()

#: What each module gives; it is imported when one of these is used first.
_NAMES = {
    "backtest": ("Backtest",),
    "datasets.horizon": ("Horizon",),
    "datasets.lags": ("Lags",),
    "datasets.stream": ("Stream",),
    "reports.comparison": ("Comparison",),
    "reports.sweep.sweep": ("Sweep",),
    "simulator.ledger": ("Delays", "Prices"),
    "simulator.costs": ("CostMatrix", "TimesAmount"),
    "simulator.metrics": ("ByGroup", "CoverageError", "Metric", "Outcomes", "Pinball"),
    "simulator.parts": ("Gate", "Trigger", "Update", "Window"),
    "simulator.ranking": ("NDCG", "PrecisionAtK", "RecallAtK"),
    "simulator.record": ("Run",),
    "simulator.scaled": ("MASE", "RMSSE", "Scaled"),
    "simulator.answers": ("PartError", "Reason", "Selection", "Verdict"),
    "simulator.setup": ("SetupError",),
    "simulator.view": ("FutureLeak", "View"),
    "strategies.strategy": ("Strategy",),
}
_HOMES = {name: home for home, names in _NAMES.items() for name in names}
_FOLDERS = ("datasets", "lossmatrix", "reports", "simulator", "store", "strategies")

__all__ = sorted(_HOMES)  # type checkers read the imports above


def __getattr__(name: str) -> Any:
    if name in _FOLDERS:
        return import_module(f"backtrain.{name}")
    if name not in _HOMES:
        raise AttributeError(f"module 'backtrain' has no attribute {name!r}")
    value = getattr(import_module(f"backtrain.{_HOMES[name]}"), name)
    globals()[name] = value
    return value


def __dir__() -> list[str]:
    return sorted({*globals(), *__all__, *_FOLDERS})
