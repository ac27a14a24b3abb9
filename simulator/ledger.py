"""Money: what is charged, how long things take, and every charge as a row."""

from __future__ import annotations

from dataclasses import dataclass, field, fields

import numpy as np
import pandas as pd

from backtrain.datasets.offsets import parse_offset

KINDS = ("initial", "train", "label", "check", "deploy", "predict", "error")


class PriceError(ValueError):
    """A price or delay makes no sense."""


@dataclass(frozen=True)
class Prices:
    """What is charged, all in one currency of your choice.

    Parameters
    ----------
    retrain : float
        Each training that is started.
    per_1k_rows : float
        1,000 rows passed to a fit, every fit of a training counted.
    cpu_hour : float
        An hour of measured CPU time of the fits; the only price that is not deterministic.
    label : float
        Each label when it is first used, in a training or by a monitor.
    check : float
        Each statistical check that a trigger makes.
    review : float
        Each challenger that a gate looks at.
    release : float
        Each deployment.
    per_1k_predictions : float
        1,000 rows scored; a shadowed row is scored twice.
    error : float
        One unit of loss times weight.
    """

    retrain: float = 1.0
    per_1k_rows: float = 0.0
    cpu_hour: float = 0.0
    label: float = 0.0
    check: float = 0.0
    review: float = 0.0
    release: float = 0.0
    per_1k_predictions: float = 0.0
    error: float = 1.0

    def __post_init__(self) -> None:
        for price in fields(self):
            value = getattr(self, price.name)
            if isinstance(value, bool) or not isinstance(value, (int, float, np.number)):
                raise PriceError(f"Prices({price.name}={value!r}): a price is a number")
            if not 0 <= value < float("inf"):
                raise PriceError(
                    f"Prices({price.name}={value!r}): a price is finite and not negative"
                )


@dataclass(frozen=True)
class Delays:
    """How long things take: offsets of fixed length such as ``"2h"`` or ``"1D"``.

    Parameters
    ----------
    train : str
        From the decision until the model is ready.
    train_per_1k_rows : str
        Added for every 1,000 rows of all fits of the decision.
    deploy : str
        From the verdict until the model is in force.
    """

    train: str = "0D"
    train_per_1k_rows: str = "0D"
    deploy: str = "0D"

    def __post_init__(self) -> None:
        for delay in fields(self):
            self._nanoseconds(delay.name)

    def _nanoseconds(self, name: str) -> int:
        offset = parse_offset(getattr(self, name), f"Delays({name})")
        if not isinstance(offset, pd.Timedelta):
            raise PriceError(
                f"Delays({name}={getattr(self, name)!r}): not of fixed length; give days or hours"
            )
        return int(offset.as_unit("ns").value)

    def training(self, rows: int) -> int:
        """Nanoseconds from a decision to a ready model, for fits of ``rows`` rows in all."""
        return self._nanoseconds("train") + self.more_training(rows)

    def more_training(self, rows: int) -> int:
        """Nanoseconds that further fits of ``rows`` rows add."""
        return round(self._nanoseconds("train_per_1k_rows") * rows / 1000)

    def deployment(self) -> int:
        """Nanoseconds from a verdict to a model in force."""
        return self._nanoseconds("deploy")


@dataclass(frozen=True, slots=True)
class Charge:
    """One row of the ledger; ``amount = quantity * unit_price``."""

    when: int
    kind: str
    version: int
    quantity: float
    unit_price: float

    @property
    def amount(self) -> float:
        """Money."""
        return self.quantity * self.unit_price


@dataclass
class Ledger:
    """Every charge of one replay as it fell due; what costs nothing leaves no row."""

    charges: list[Charge] = field(default_factory=list)
    spent: float = 0.0

    def charge(
        self, when: int, kind: str, version: int, quantity: float, unit_price: float
    ) -> None:
        """Write a charge down; ``spent`` grows by it unless it is ``initial``."""
        if quantity and unit_price:
            entry = Charge(when, kind, version, float(quantity), float(unit_price))
            self.charges.append(entry)
            if kind != "initial":
                self.spent += entry.amount

    def frame(self) -> pd.DataFrame:
        """The charges sorted by time; columns as in ``docs/records.md``."""
        rows = sorted(self.charges, key=lambda charge: charge.when)
        quantity = np.array([charge.quantity for charge in rows], dtype=np.float64)
        price = np.array([charge.unit_price for charge in rows], dtype=np.float64)
        return pd.DataFrame(
            {
                "when": np.array([charge.when for charge in rows], dtype="datetime64[ns]"),
                "kind": pd.array([charge.kind for charge in rows], dtype="str"),
                "version": pd.array([charge.version for charge in rows], dtype="Int64"),
                "quantity": quantity,
                "unit_price": price,
                "amount": quantity * price,
            }
        )
