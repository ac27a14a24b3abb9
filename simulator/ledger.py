"""Money: what is charged, how long things take, and every charge as a row."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field, fields
from functools import cached_property
from typing import Any, NamedTuple

import numpy as np
import pandas as pd
from numpy.typing import NDArray

from backtrain.datasets.columns import nearest
from backtrain.datasets.offsets import nanoseconds, parse_fixed
from backtrain.simulator.answers import SetupError
from backtrain.simulator.constraints import Amount, FixedOffset, Number, check

KINDS = ("initial", "train", "label", "check", "deploy", "flip", "predict", "error")


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
    update : float, optional
        Each training that goes on from the model in force (`WarmStart`, `PartialFit`, `Transfer`),
        in place of `retrain`; by default as much.
    flip : float
        A deployment that changes all decisions: one that changes a share of them costs that share.
        In a regression, one that changes answers by one unit of the target on average.
    """

    retrain: Amount = 1.0
    per_1k_rows: Amount = 0.0
    cpu_hour: Amount = 0.0
    label: Amount = 0.0
    check: Amount = 0.0
    review: Amount = 0.0
    release: Amount = 0.0
    per_1k_predictions: Amount = 0.0
    error: Amount = 1.0
    update: Amount | None = None
    flip: Amount = 0.0

    def __post_init__(self) -> None:
        check(self, PriceError)

    def __getstate__(self) -> dict[str, Any]:
        """What is pickled; where flips are free it is what it was before they had a price."""
        return self.charged()

    def charged(self) -> dict[str, float | None]:
        """Prices by name; that of flips only where there is one."""
        return {key: value for key, value in vars(self).items() if key != "flip" or value}

    @classmethod
    def compute(
        cls, hour: float, hours: float = 0.0, per_1k_rows: float = 0.0, **others: Any
    ) -> Prices:
        """Prices by the time that production trains, whatever this backtest trains in its place.

        Parameters
        ----------
        hour : float
            An hour of all the machines that train.
        hours : float
            How many hours a training takes, whatever its rows.
        per_1k_rows : float
            How many hours more for every 1,000 rows passed to a fit.
        others : float
            Prices by their own names, other than these two; ``retrain`` is added to what the hours
            cost: a person's time, for instance.

        Examples
        --------
        Six hours on eight GPUs at 2.50 an hour:

        >>> Prices.compute(hour=8 * 2.5, hours=6, error=0.02).retrain
        120.0
        """
        for name, value in {"hour": hour, "hours": hours, "per_1k_rows": per_1k_rows}.items():
            if (problem := Number("a number, not negative", 0).problem(value, cls)) is not None:
                raise PriceError(f"Prices.compute: {name}={value!r}: {problem}")
        names = [spec.name for spec in fields(cls)]
        for name in others:
            if name not in names or name in ("per_1k_rows", "cpu_hour"):
                raise PriceError(
                    f"Prices.compute: {name}={others[name]!r}: "
                    + (
                        "these hours are its price already"
                        if name in names
                        else f"no such price; did you mean {nearest(name, names)}?"
                    )
                )
        retrain = others.pop("retrain", 0.0)
        return cls(retrain=hour * hours + retrain, per_1k_rows=hour * per_1k_rows, **others)

    def start_of(self, goes_on: bool) -> float:
        """Of a training that is started: afresh, or on from the model in force."""
        return self.update if goes_on and self.update is not None else self.retrain

    def training(
        self,
        rows: Any,
        runs: Any = 1,
        releases: Any = 1,
        cpu_seconds: Any = 0.0,
        plus: Any = 0.0,
        goes_on: bool = False,
    ) -> Any:
        """Money of trainings and the releases of their models; of each, where arrays are given.

        Left out are reviews, which depend on the gate, and labels, which may be bought already.

        Parameters
        ----------
        rows : int or ndarray of shape (n,)
            Passed to all fits.
        runs, releases : int or ndarray of shape (n,)
            How many trainings are started, and how many models deployed.
        cpu_seconds : float or ndarray of shape (n,)
            CPU time of the fits.
        plus : float or ndarray of shape (n,)
            Other money, such as that of errors, with which the sum begins.
        goes_on : bool
            Whether trainings go on from the model in force.

        >>> Prices(retrain=10, per_1k_rows=0.5, release=2).training(4_000)
        14.0
        """
        return (
            plus
            + self.start_of(goes_on) * runs
            + self.per_1k_rows * rows / 1000
            + self.cpu_hour * cpu_seconds / 3600
            + self.release * releases
        )


#: For configs, which name what a module holds.
compute = Prices.compute


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
    update : str, optional
        In place of ``train`` for a training that goes on from the model in force; by default as
        long.
    """

    train: FixedOffset = "0D"
    train_per_1k_rows: FixedOffset = "0D"
    deploy: FixedOffset = "0D"
    update: FixedOffset | None = None

    def __post_init__(self) -> None:
        check(self, PriceError)

    @cached_property
    def _nanoseconds(self) -> dict[str, int]:
        given = {delay.name: getattr(self, delay.name) for delay in fields(self)}
        given["update"] = given["train"] if self.update is None else self.update
        return {name: nanoseconds(parse_fixed(delay)) for name, delay in given.items()}

    def training(self, rows: int, goes_on: bool = False) -> int:
        """Nanoseconds from a decision to a ready model, for fits of ``rows`` rows in all.

        ``goes_on`` says that it goes on from the model in force.
        """
        return self._nanoseconds["update" if goes_on else "train"] + self.more_training(rows)

    def more_training(self, rows: int) -> int:
        """Nanoseconds that further fits of ``rows`` rows add."""
        return round(self._nanoseconds["train_per_1k_rows"] * rows / 1000)

    def deployment(self) -> int:
        """Nanoseconds from a verdict to a model in force."""
        return self._nanoseconds["deploy"]


class Charges(NamedTuple):
    """Charges of one kind and price; arrays of shape (n,), instants in nanoseconds."""

    when: NDArray[np.int64]
    kind: str
    version: NDArray[np.int64]
    quantity: NDArray[np.float64]
    unit_price: float


class Charged(NamedTuple):
    """Charges as they stand in the record; arrays of shape (n,), instants in nanoseconds."""

    when: NDArray[np.int64]
    kind: NDArray[np.object_]
    version: NDArray[np.int64]
    quantity: NDArray[np.float64]
    unit_price: NDArray[np.float64]

    @property
    def amount(self) -> NDArray[np.float64]:
        """What each comes to."""
        return self.quantity * self.unit_price

    def frame(self) -> pd.DataFrame:
        """The same as a table; columns as in ``docs/records.md``."""
        columns = {
            "when": self.when.view("datetime64[ns]"),
            "kind": words(self.kind),
            "version": pd.arrays.IntegerArray(
                self.version, np.zeros(len(self.version), dtype=bool)
            ),
            "quantity": self.quantity,
            "unit_price": self.unit_price,
            "amount": self.amount,
        }
        return pd.DataFrame(columns)


def words(values: Sequence[str] | NDArray[np.object_]) -> Any:
    """A column of text; words that come again and again are turned into text once."""
    numbers: dict[str, int] = {}
    codes = [numbers.setdefault(value, len(numbers)) for value in values]
    distinct = pd.array(list(numbers), dtype="str")
    return distinct.take(np.array(codes)) if codes else distinct


@dataclass
class Ledger:
    """Every charge of one replay as it fell due; what costs nothing leaves no row."""

    charges: list[Charges] = field(default_factory=list)
    spent: float = 0.0
    _single: list[tuple[int, str, int, float, float]] = field(default_factory=list)

    def charge(
        self, when: int, kind: str, version: int, quantity: float, unit_price: float
    ) -> None:
        """Write one charge down; ``spent`` grows by it unless it is ``initial``."""
        if quantity and unit_price:
            self._single.append((when, kind, version, quantity, unit_price))
            if kind != "initial":
                self.spent += quantity * unit_price

    def charge_all(
        self,
        when: NDArray[np.int64],
        kind: str,
        version: NDArray[np.int64],
        quantity: NDArray[Any],
        unit_price: float,
    ) -> None:
        """Write several charges of one kind down, those of a quantity of 0 left out."""
        real = quantity != 0
        if not unit_price or not real.any():
            return
        entries = Charges(
            when[real], kind, version[real], quantity[real].astype(np.float64), float(unit_price)
        )
        self.charges.append(entries)
        if kind != "initial":
            self.spent += float(entries.quantity.sum() * unit_price)

    def charged(self) -> Charged:
        """All charges sorted by time."""
        at, kind, number, amount, unit = (
            zip(*self._single, strict=True) if self._single else [()] * 5
        )
        many = self.charges
        sizes = [len(entries.when) for entries in many]
        when = np.concatenate([np.array(at, dtype=np.int64), *(c.when for c in many)])
        version = np.concatenate([np.array(number, dtype=np.int64), *(c.version for c in many)])
        quantity = np.concatenate([np.array(amount, dtype=np.float64), *(c.quantity for c in many)])
        price = np.append(unit, np.repeat([c.unit_price for c in many], sizes)).astype(np.float64)
        kinds = np.append(
            np.array(kind, dtype=object),
            np.repeat(np.array([c.kind for c in many], dtype=object), sizes),
        )
        order = np.argsort(when, kind="stable")
        return Charged(when[order], kinds[order], version[order], quantity[order], price[order])


def built(name: str, given: Any, kind: type[Any]) -> Any:
    """Prices or delays, also from a mapping of their parameters; raises `SetupError`."""
    names = [spec.name for spec in fields(kind)]
    if isinstance(given, kind):
        return given
    if not isinstance(given, Mapping):
        raise SetupError(f"{name}={given!r}: give {kind.__name__}({names[0]}=...), or a mapping")
    for key in given:
        if key not in names:
            raise SetupError(f"{name}[{key!r}]: no such key; did you mean {nearest(key, names)}?")
    return kind(**given)
