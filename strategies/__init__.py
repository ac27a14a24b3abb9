"""The parts of a retraining strategy, and the strategy that they make up."""

from backtrain.strategies.detectors import Detector, ErrorDrift, FeatureDrift, PerformanceDrop
from backtrain.strategies.gates import BeatsChampion, Immediate
from backtrain.strategies.strategy import Strategy
from backtrain.strategies.triggers import (
    AllOf,
    AnyOf,
    Budget,
    Cooldown,
    Every,
    EveryRows,
    Never,
    OnDates,
    Random,
)
from backtrain.strategies.updates import PartialFit, Refit, WarmStart
from backtrain.strategies.windows import Decay, Expanding, Sliding

__all__ = [
    "AllOf",
    "AnyOf",
    "BeatsChampion",
    "Budget",
    "Cooldown",
    "Decay",
    "Detector",
    "ErrorDrift",
    "Every",
    "EveryRows",
    "Expanding",
    "FeatureDrift",
    "Immediate",
    "Never",
    "OnDates",
    "PartialFit",
    "PerformanceDrop",
    "Random",
    "Refit",
    "Sliding",
    "Strategy",
    "WarmStart",
]
