"""Arrays that parts are handed: read-only, in memory from which nothing else can be reached."""

from dataclasses import replace
from typing import Any

from numpy.typing import NDArray

from backtrain.simulator.metrics import ROWS, Outcomes


def private(values: NDArray[Any]) -> NDArray[Any]:
    """The same values in memory of their own."""
    return values if values.base is None else values.copy(order="K")


def read_only(values: NDArray[Any]) -> NDArray[Any]:
    """The same array, which can no longer be written to."""
    values.flags.writeable = False
    return values


def sealed(values: NDArray[Any]) -> NDArray[Any]:
    """The same values, read-only, in memory of their own."""
    return read_only(private(values))


def sealed_outcomes(outcomes: Outcomes) -> Outcomes:
    """The same, each array sealed."""
    arrays = {name: getattr(outcomes, name) for name in ROWS}
    changed: dict[str, Any] = {k: sealed(v) for k, v in arrays.items() if v is not None}
    return replace(outcomes, **changed)
