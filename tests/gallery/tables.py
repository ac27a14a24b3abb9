"""Columns."""

from __future__ import annotations

from typing import Any

import numpy as np
import pandas as pd
from sklearn.ensemble import HistGradientBoostingRegressor

from gallery.member import Case, Member, case, stream, table

SOLD = table()["sold"]
BY_SHOP = SOLD.groupby(table()["shop"])
#: In six hours, after which labels arrive, there are at most six rows.
LATE = 6


def with_column(name: str, values: Any) -> Case:
    data = stream(**{name: np.asarray(values)})
    return case(HistGradientBoostingRegressor(max_iter=3, categorical_features="from_dtype"), data)


def lagged(hours: int) -> Any:
    """The label of so many hours before, where there was a row."""
    sold = pd.Series(SOLD.to_numpy(), index=table()["when"])
    return sold.reindex(sold.index - pd.Timedelta(hours=hours)).to_numpy()


def scaled(rows: int) -> Any:
    price = table()["price"]
    return (price - price[:rows].mean()) / price[:rows].std()


def encoded_so_far() -> Any:
    return BY_SHOP.transform(lambda sold: sold.shift(LATE).expanding().mean())


def hours_since() -> Any:
    return (table()["when"] - table()["when"].iloc[0]) / pd.Timedelta("1h")


N = len(table())
RNG = np.random.default_rng(1)
TEMPERATURE = table()["temperature"]


def member(writes: str, name: str, leaky: Any, honest: Any) -> Member:
    return Member(
        writes,
        lambda: with_column(name, leaky),
        lambda: with_column(name, honest),
        "data",
        f"column {name!r}",
        data=True,
    )


TABLES = [
    member("the target under another name", "log_sold", np.log(SOLD + 50), SOLD.shift(LATE)),
    member("the next row's label", "next", SOLD.shift(-1), SOLD.shift(LATE)),
    member("a lag that ignores when labels arrive", "lag", SOLD.shift(1), SOLD.shift(LATE)),
    member("a lag in hours that ignores it", "lag_2h", lagged(2), lagged(6)),
    member("a lag within each group", "lag_in_shop", BY_SHOP.shift(1), BY_SHOP.shift(LATE)),
    member(
        "a rolling mean up to the row",
        "mean_24",
        SOLD.rolling(24).mean(),
        SOLD.shift(LATE).rolling(24).mean(),
    ),
    member(
        "a rolling mean up to the row before",
        "mean_48",
        SOLD.shift(1).rolling(48, min_periods=1).mean(),
        SOLD.shift(LATE).rolling(48, min_periods=1).mean(),
    ),
    member(
        "a rolling mean within each group",
        "mean_in_shop",
        BY_SHOP.transform(lambda sold: sold.shift(1).rolling(10).mean()),
        BY_SHOP.transform(lambda sold: sold.shift(LATE).rolling(10).mean()),
    ),
    member(
        "an exponentially weighted mean",
        "ewm",
        SOLD.ewm(halflife=10).mean(),
        SOLD.shift(LATE).ewm(halflife=10).mean(),
    ),
    member(
        "a mean of all rows so far",
        "so_far",
        SOLD.expanding().mean(),
        SOLD.shift(LATE).expanding().mean(),
    ),
    member("a running total", "total", SOLD.cumsum(), SOLD.shift(LATE).cumsum()),
    member(
        "a centred rolling mean of another column",
        "smooth",
        TEMPERATURE.rolling(9, center=True).mean(),
        TEMPERATURE.rolling(9).mean(),
    ),
    member(
        "a target encoding over the whole table",
        "shop_mean",
        BY_SHOP.transform("mean"),
        encoded_so_far(),
    ),
    member("a column scaled over the whole table", "scaled", scaled(N), scaled(150)),
    member("a row counter", "number", np.arange(N), hours_since()),
    member("an identifier", "order", RNG.permutation(N), RNG.integers(0, 50, N)),
    member(
        "an identifier in words",
        "name",
        [f"order {place}" for place in RNG.permutation(N)],
        [f"clerk {clerk}" for clerk in RNG.integers(0, 9, N)],
    ),
]
