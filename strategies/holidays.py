"""Which days are holidays: dates, or those of a country or an exchange by the package holidays."""

from collections.abc import Callable, Sequence
from typing import Any

import pandas as pd

from backtrain.datasets.columns import nearest
from backtrain.datasets.offsets import to_timestamp
from backtrain.simulator.answers import PartError

#: Dates, or a country, a part of one or an exchange: "US", "DE-BY", "NYSE".
Holidays = str | Sequence[str]


def is_holiday(holidays: Holidays, part: str = "PublicHolidays") -> Callable[[pd.Timestamp], bool]:
    """What tells of a local day whether it is one; raises `PartError` for an unknown country,
    naming the part that asks.

    >>> is_holiday(["2024-12-24"])(pd.Timestamp("2024-12-24"))
    True
    """
    if not isinstance(holidays, str):
        days = {to_timestamp(day, "holidays").date() for day in holidays}
        return lambda day: day.date() in days
    of_country = _of(holidays, part)
    return lambda day: day.date() in of_country


def _of(text: str, part: str) -> Any:
    """The holidays of a country, of a part of one, or of an exchange."""
    asked = f"{part}(holidays={text!r})"
    if text[:1].isdigit():  # a date by itself
        raise PartError(f"{asked}: give a list, such as [{text!r}]")
    try:
        import holidays as package
    except ImportError:
        raise PartError(
            f"{asked}: needs the package holidays, pip install 'backtrain[holidays]'; or "
            "give a list of dates"
        ) from None
    country, _, region = text.partition("-")
    countries = package.list_supported_countries(include_aliases=True)
    exchanges = package.list_supported_financial(include_aliases=True)
    if text in exchanges:
        return package.financial_holidays(text)
    if country not in countries:
        known = [*countries, *exchanges]
        raise PartError(
            f"{asked}: no country or exchange such as 'US', 'DE-BY' or 'NYSE'; did you "
            f"mean {nearest(text, known)}?"
        )
    if region and region not in countries[country]:
        raise PartError(
            f"{asked}: no part of {country!r}; did you mean {nearest(region, countries[country])}?"
        )
    return package.country_holidays(country, subdiv=region or None)


def first_open(day: pd.Timestamp, closed: Callable[[pd.Timestamp], bool]) -> pd.Timestamp:
    """The first local day from one on that is not closed.

    >>> first_open(pd.Timestamp("2024-03-02"), lambda day: day.day_of_week > 4)
    Timestamp('2024-03-04 00:00:00')
    """
    while closed(day):
        day += pd.Timedelta(days=1)
    return day


def dates_of(holidays: Holidays) -> Holidays:
    """Holidays in the one form that parts keep: a text, or a tuple of texts."""
    if isinstance(holidays, str):
        return holidays
    return tuple(holidays)
