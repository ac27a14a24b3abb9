"""A synthetic panel: the daily demand of many series, and the instants at which truth changed."""

import math
from collections.abc import Sequence
from typing import TypeAlias

import numpy as np
import numpy.typing as npt
import pandas as pd

from backtrain.datasets.columns import Floats
from backtrain.datasets.latency import Fixed, apply
from backtrain.datasets.offsets import OffsetLike, to_timestamp
from backtrain.datasets.stream import Stream
from backtrain.datasets.values import exact_share, generator, is_count, is_number, is_share

Indices: TypeAlias = npt.NDArray[np.int64]

#: Logarithms of the demand of the smallest and of the largest series: three orders of magnitude.
_LEVELS = 0.0, math.log(1_000)
#: What a break may multiply the level of a series by, and a promotion its demand.
_BREAKS, _EFFECTS = (math.log(0.5), math.log(2)), (math.log(1.2), math.log(3))
_COLUMNS = ("promotion", "weekday", "day_of_year", "family", "age")


def panel(
    series: int = 200,
    days: int = 700,
    families: int = 10,
    promoted: float = 0.1,
    new: float = 0.2,
    level_drift: float = 0.2,
    promotion_drift: float = 0.2,
    at: Sequence[float] = (0.6, 0.8),
    dispersion: float = 0.05,
    latency: OffsetLike = "1D",
    start: str = "2024-01-01",
    seed: int = 0,
) -> Stream:
    """Make the daily demand of many series, to be forecast by one model or by one a series.

    A row is a day of a series, which is its group; its label, a count, is known `latency` later.
    Counts with mean mu and variance mu + dispersion * mu^2 (negative binomial) are drawn, where

        log mu = level + trend * years + weekday + wave(day of year) + effect * promotion

    Levels lie between 1 and 1,000 a day, evenly in logarithms; trends are normal, 10 % a year.
    The series of a family (series i is of family i modulo `families`) share the profile of the
    week, the wave of the year, and the effect of a promotion, a factor between 1.2 and 3.

    Features, all known in advance: `promotion`, 1 in the share `promoted` of the weeks, else 0;
    `weekday`, 0 = Monday; `day_of_year`; `family`; `age`, days since the series began.

    The share `new` of the series begins after the first day and by the middle of the history. At
    each position in `at`, a share of the days, truth changes for families drawn anew: of the
    share `level_drift` of them (at least one) each series has its level multiplied, by 1/2 to 2;
    for the share `promotion_drift` the effect of promotions is drawn anew. Rows before a change
    do not depend on it, nor on how many series there are.

    >>> stream = panel(series=20, days=100, seed=1)
    >>> len(stream), [str(when.date()) for when in stream.drift]
    (1946, ['2024-03-01', '2024-03-21'])
    """
    shares = {"promoted": promoted, "new": new}
    shares |= {"level_drift": level_drift, "promotion_drift": promotion_drift}
    _check(series, days, families, dispersion, shares)
    changes = _changes(days, at) if level_drift or promotion_drift else np.zeros(0, np.int64)
    dates = pd.date_range(to_timestamp(start, "start"), periods=days, freq="D")
    weekday, day_of_year = dates.day_of_week.to_numpy(), dates.day_of_year.to_numpy()
    season = _season(families, weekday, day_of_year, seed)
    breaks, effects = _truth(families, len(changes), level_drift, promotion_drift, seed)
    epoch = np.searchsorted(changes, np.arange(days), side="right")

    parts = []
    for i in range(series):
        own, family = generator(seed, 4, i), i % families
        level, trend = own.uniform(*_LEVELS), own.normal(0, 0.1)
        late, begin = own.random(2)
        steps = own.uniform(*_BREAKS, len(changes)) * breaks[:, family]
        promotion = np.repeat(generator(seed, 5, i).random(days // 7 + 1) < promoted, 7)[:days]
        log_mean = level + np.append(0.0, np.cumsum(steps))[epoch] + season[family]
        log_mean += trend * np.arange(days) / 365.25 + effects[epoch, family] * promotion
        day = np.arange(1 + int(begin * days / 2) if late < new else 0, days)
        demand = _counts(np.exp(log_mean), dispersion, seed, i)[day]
        parts.append((day, np.full(len(day), i), demand, promotion[day], day - day[0]))
    day, group, demand, promotion, age = (np.concatenate(part) for part in zip(*parts, strict=True))
    order = np.argsort(day, kind="stable")
    features = (promotion, weekday[day], day_of_year[day], group % families, age)
    stream = Stream(
        np.column_stack([column[order].astype(float) for column in features]),
        demand[order],
        dates.to_numpy("datetime64[ns]")[day[order]],
        columns=_COLUMNS,
        group=group[order],
        name="panel",
        target="demand",
        drift=tuple(dates[changes]),
    )
    return apply(stream, Fixed(latency))


def _season(families: int, weekday: Indices, day_of_year: Indices, seed: int) -> Floats:
    """Return what week and year add to the logarithm, (families, days)."""
    random = generator(seed, 6)
    week = random.normal(0, 0.25, (families, 7))
    height, peak = random.uniform(0.1, 0.4, (families, 1)), random.random((families, 1))
    return week[:, weekday] + height * np.cos(2 * np.pi * (day_of_year / 365.25 - peak))


def _truth(
    families: int, changes: int, level_drift: float, promotion_drift: float, seed: int
) -> tuple[npt.NDArray[np.bool_], Floats]:
    """Return whose levels break, (changes, families), and what promotions do, a row more."""
    random = generator(seed, 7)
    breaks = np.zeros((changes, families), dtype=bool)
    effects = np.tile(random.uniform(*_EFFECTS, families), (changes + 1, 1))
    for i in range(changes):
        breaks[i] = random.permutation(families) < math.ceil(exact_share(level_drift) * families)
        anew = random.permutation(families) < math.ceil(exact_share(promotion_drift) * families)
        drawn = random.uniform(*_EFFECTS, families)
        effects[i + 1] = np.where(anew, drawn, effects[i])
    return breaks, effects


def _counts(mean: Floats, dispersion: float, seed: int, series: int) -> Indices:
    random = generator(seed, 8, series)
    if dispersion == 0:
        return random.poisson(mean)
    return random.negative_binomial(1 / dispersion, 1 / (1 + dispersion * mean))


def _changes(days: int, at: Sequence[float]) -> Indices:
    found = np.array([round(days * exact_share(share)) for share in at], dtype=np.int64)
    if any(not 0 < share < 1 for share in at) or (np.diff(found) <= 0).any():
        raise ValueError(f"at={list(at)!r}: must be ascending shares of the days, between 0 and 1")
    return found


def _check(
    series: int, days: int, families: int, dispersion: float, shares: dict[str, float]
) -> None:
    for name, count, least in (("series", series, 1), ("days", days, 2), ("families", families, 1)):
        if not is_count(count, least):
            raise ValueError(f"{name}={count!r}: must be a whole number, at least {least}")
    if families > series:
        raise ValueError(f"families={families}: must be at most series={series}")
    for name, share in shares.items():
        if not is_share(share):
            raise ValueError(f"{name}={share!r}: must be a share, from 0 to 1")
    if not (is_number(dispersion) and dispersion >= 0):
        raise ValueError(f"dispersion={dispersion!r}: must be a number, 0 or more")
