"""What a member of the gallery is, and the history that they live on."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass, replace
from functools import cache
from typing import Any

import numpy as np
import pandas as pd
from sklearn.linear_model import Ridge

from backtrain import Backtest, Strategy, Stream
from backtrain.audit.findings import Audit
from backtrain.strategies import Every, Sliding

Case = tuple[Backtest, Strategy]


@dataclass(frozen=True)
class Member:
    """A leak, or an impurity.

    Attributes
    ----------
    writes : str
        What somebody has written.
    leaky, honest : callable
        Make the backtest and the strategy, with the fault and without it.
    check, part : str
        What the audit must say: the check, and what the name of the part begins with.
    data : bool
        Whether it is a column.
    """

    writes: str
    leaky: Callable[[], Case]
    honest: Callable[[], Case]
    check: str
    part: str
    data: bool = False

    def audit(self, honest: bool = False) -> Audit:
        backtest, strategy = self.honest() if honest else self.leaky()
        return backtest.audit(strategy, data=self.data, name=self.writes)

    def caught(self, audit: Audit) -> bool:
        """Whether the audit names it."""
        return any(f.check == self.check and f.part.startswith(self.part) for f in audit.found)


@cache
def table() -> pd.DataFrame:
    """Five weeks, a row every hour or two; labels arrive after six hours."""
    rng = np.random.default_rng(7)
    n = 600
    when = pd.Timestamp("2024-01-01") + pd.to_timedelta(np.cumsum(rng.choice([1, 2], n)), "h")
    shop = rng.choice(["north", "south", "west"], n)
    level = pd.Series(shop).map({"north": 0.0, "south": 2.0, "west": 5.0}).to_numpy()
    temperature, price = np.cumsum(rng.normal(size=n)), rng.normal(size=n)
    sold = 10 + level + 0.5 * temperature - 2 * price + rng.normal(scale=1.5, size=n)
    return pd.DataFrame(
        {
            "when": when,
            "known": when + pd.Timedelta("6h"),
            "temperature": temperature,
            "price": price,
            "shop": shop,
            "sold": sold,
        }
    )


def stream(frame: pd.DataFrame | None = None, **columns: Any) -> Stream:
    frame = table() if frame is None else frame
    frame = frame.assign(**columns)
    return Stream.from_frame(
        frame, target="sold", time="when", label_time="known", group="shop", name="shops"
    )


def backtest(model: Any = None, data: Stream | None = None) -> Backtest:
    model = Ridge() if model is None else model
    return Backtest(stream() if data is None else data, model, tick="12h", start=0.3)


def case(model: Any = None, data: Stream | None = None, **parts: Any) -> Case:
    strategy = Strategy(Every("3D"), Sliding("10D"))
    return backtest(model, data), replace(strategy, **parts)
