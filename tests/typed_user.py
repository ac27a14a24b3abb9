"""What a user may import and write under `mypy --strict`; `.ci/run` checks it."""

from backtrain import Strategy
from backtrain.strategies import Every, Immediate, Refit, Sliding

weekly: Strategy = Strategy(Every("7D"), Sliding("90D"), Refit(), Immediate())

# The types are seen: where `Every` were `Any`, the exception below would be an unused one.
interval: int = Every("7D").unknown  # type: ignore[attr-defined]
