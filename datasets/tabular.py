"""Own data: a CSV or Parquet file, a saved stream, or a data set of OpenML by name."""

from collections.abc import Sequence
from pathlib import Path
from typing import Any, cast

import pandas as pd

from backtrain.datasets.columns import nearest
from backtrain.datasets.parquet import Parquet
from backtrain.datasets.source import Source
from backtrain.datasets.stream import Stream


def table(
    path: str | Path,
    time: str,
    target: str,
    label_time: str | None = None,
    weight: str | None = None,
    group: str | Sequence[str] | None = None,
    drop: Sequence[str] = (),
    features: Sequence[str] | None = None,
    name: str | None = None,
    amount: str | None = None,
    fit_weight: str | None = None,
    score_weight: str | None = None,
) -> Stream:
    """Read a stream from a file, `.csv`, `.csv.gz`, `.tsv` or `.parquet`, or a folder of the last.

    Of Parquet only the columns that are needed are read, in batches; the files of a folder in the
    order of their names, and they must have the same columns.

    Columns are named as in the file; features are all columns that have no other role, or those in
    `features`, without those in `drop`; the `amount` is one only where `features` names it, too.
    Of several columns for `group` each combination is a group.
    The name is the file's, unless given. Raises `FileNotFoundError`, and `ValueError` naming the
    file, the column and the nearest right one.
    """
    file = Path(path)
    try:
        return _stream(
            _source(file),
            drop=drop,
            features=features,
            target=target,
            time=time,
            label_time=label_time,
            weight=weight,
            group=group,
            amount=amount,
            fit_weight=fit_weight,
            score_weight=score_weight,
            name=name or file.name.split(".")[0],
        )
    except ValueError as error:
        named = str(error).startswith(str(file))
        raise ValueError(str(error) if named else f"{file}: {error}") from None


def _source(file: Path) -> Source:
    if file.is_dir():
        return Parquet(file)
    if file.is_file() and file.suffix.lower() == ".parquet":
        table = Parquet(file)
        if all(isinstance(name, str) for name in table.head.columns):  # others stand there as text
            return table
    return Source(read_file(file))


def saved(path: str | Path) -> Stream:
    """Open a stream that `Stream.save` wrote: mapped from its files, not read."""
    return Stream.open(path)


def openml(
    name: str,
    time: str,
    target: str,
    label_time: str | None = None,
    version: int | str = "active",
    drop: Sequence[str] = (),
    features: Sequence[str] | None = None,
) -> Stream:
    """Download a data set of OpenML by name (scikit-learn keeps a copy) and read it as a stream.

    Raises `ValueError` naming the data set, the column and the nearest right one.
    """
    from sklearn.datasets import fetch_openml  # slow to import, and rarely needed

    df = cast(pd.DataFrame, fetch_openml(name, version=version, as_frame=True).frame)
    roles = {"target": target, "time": time, "label_time": label_time}
    try:
        return _stream(Source(df), drop=drop, features=features, name=name, **roles)
    except ValueError as error:
        raise ValueError(f"OpenML {name!r}: {error}") from None


def read_file(file: Path) -> pd.DataFrame:
    """Read a table as it is: `.csv`, `.csv.gz`, `.tsv` or `.parquet`.

    Raises `FileNotFoundError` or `ValueError`, naming the file.
    """
    if not file.is_file():
        siblings = file.parent.glob("*") if file.parent.is_dir() else ()
        names = [other.name for other in siblings if other.is_file()]
        hint = f"did you mean {nearest(file.name, names)}?" if names else "is the folder right?"
        raise FileNotFoundError(f"{file}: no such file; {hint}")
    kind = "".join(file.suffixes).lower()
    try:
        if kind.endswith(".parquet"):
            return pd.read_parquet(file)
        if kind.endswith((".csv", ".csv.gz", ".tsv", ".tsv.gz")):
            return pd.read_csv(file, sep="\t" if ".tsv" in kind else ",", low_memory=False)
    except (ValueError, OSError) as error:  # the parsers' own errors are ValueErrors or OSErrors
        raise ValueError(f"{file}: cannot be read ({str(error).splitlines()[0]})") from error
    raise ValueError(f"{file}: {file.suffix or 'no'} suffix; use a .csv, .csv.gz or .parquet file")


def _stream(
    table: Source, drop: Sequence[str], features: Sequence[str] | None, **roles: Any
) -> Stream:
    columns = table.head.columns
    for column in drop:
        if column not in columns:
            hint = f"did you mean {nearest(column, columns)}?"
            raise ValueError(f"drop={column!r}: no such column; {hint}")
        used = [name for role, name in roles.items() if role != "name"]
        if column in [*used, *(roles.get("group") or ())]:
            raise ValueError(f"drop={column!r}: is needed; leave it out of `drop`")
    chosen = None if features is None else [name for name in features if name not in drop]
    table.drop(drop)
    return Stream.from_frame(table, features=chosen, **roles)
