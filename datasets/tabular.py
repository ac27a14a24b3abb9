"""Own data: a CSV or Parquet file, a saved stream, or a data set of OpenML by name."""

from collections.abc import Mapping, Sequence
from dataclasses import replace
from pathlib import Path
from typing import Any, cast

import pandas as pd

from backtrain.datasets.bad_rows import OnBad
from backtrain.datasets.csv import Csv
from backtrain.datasets.dates import Dates
from backtrain.datasets.dialect import sign, sniff
from backtrain.datasets.epochs import TimeUnit
from backtrain.datasets.files import Paths, found, is_parquet
from backtrain.datasets.numerals import Numerals
from backtrain.datasets.parquet import Parquet
from backtrain.datasets.preparation import Preparation, leave_out
from backtrain.datasets.roles import check_names, one_each
from backtrain.datasets.source import Source
from backtrain.datasets.stream import Stream
from backtrain.datasets.time_columns import TimeFeature, joined, may_belong, with_features

#: How missing values may be written beside what pandas takes for them; by column, if by name.
Missing = Sequence[str | float] | Mapping[str, Sequence[str | float]]


def table(
    path: Paths,
    time: str | Sequence[str],
    target: str,
    label_time: str | None = None,
    weight: str | None = None,
    group: str | Sequence[str] | None = None,
    drop: Sequence[str] = (),
    features: Sequence[str] | None = None,
    name: str | None = None,
    amount: str | None = None,
    categories: Sequence[str] = (),
    index_columns: Sequence[str] | None = None,
    time_format: str | Mapping[str, str] | None = None,
    dayfirst: bool | None = None,
    time_unit: TimeUnit | None = None,
    timezone: str | None = None,
    sep: str | None = None,
    decimal: str | None = None,
    thousands: str | None = None,
    encoding: str | None = None,
    na_values: Missing | None = None,
    on_bad: OnBad = "refuse",
    fit_weight: str | None = None,
    score_weight: str | None = None,
    time_features: Sequence[TimeFeature] = (),
) -> Stream:
    """Read a stream from a table: text (CSV), compressed or not, or Parquet; one file or several.

    Several are one table: a list, a pattern (``2024-*.csv``) or a folder, in the order of their
    names; they must have the same columns. Of Parquet only the columns that are needed are read, in
    batches. What is not said is found out where the file leaves no doubt, and told in
    `Stream.reading`; what can be read in two ways is asked. See docs/data.md.

    Parameters
    ----------
    path, time, target, label_time, weight, fit_weight, score_weight, group, amount
        The file, and columns as they are named in it. The time may stand in several, such as a
        date and a time of day; of several for `group` each combination is a group.
    features, drop, categories, index_columns
        Features are all columns that have no other role, or those in `features`, without those in
        `drop`; the `amount` is one only where `features` names it, too. `categories` are names
        though they are numbers. `index_columns` only number or name the rows, and are left out; by
        default a first column without a name that has no value twice.
    time_features
        What the times say of themselves, as further features: ``day_of_week``, ``hour``, ...
    time_format, dayfirst, time_unit, timezone
        How times are written: a format of `strptime`, for all or by column; whether 03/04 is the
        third of April; what numbers count; the zone of local times, whose calendar the stream has.
    sep, decimal, thousands, encoding
        How text is written: signs, or their names such as ``semicolon``.
    na_values
        What else is a missing value; of one column only, in a mapping.
    on_bad
        Of rows that cannot be as they stand, such as a label before its row or a word among
        numbers: ``refuse`` them, ``drop`` them, or ``clip`` what can be mended and drop the rest.

    Raises `FileNotFoundError`, and `ValueError` naming the file, the line, and what helps.
    """
    files: list[Path] = []
    whole = Path(path) if isinstance(path, (str, Path)) else Path(path[0] if path else "").parent
    parts = [time] if isinstance(time, str) else list(time)
    given: dict[str, Any] = {"target": target, "time": " ".join(parts), "label_time": label_time}
    given |= {"weight": weight, "group": group, "amount": amount}
    given |= {"fit_weight": fit_weight, "score_weight": score_weight}
    roles = one_each(given)
    point = "," if sign(thousands) == "." else None  # what thousands leave for the decimal
    written = {"sep": sign(sep), "decimal": sign(decimal) or point, "encoding": encoding}
    try:
        dates = Dates(time_format, dayfirst, time_unit, timezone)
        files = found(path)
        if is_parquet(files):
            source = _parquet(whole, files, written, na_values)
            point = "," if written["decimal"] == "," else "."
        else:
            stamps = [*parts, label_time] if len(parts) == 1 else [label_time]
            as_text = [name for name in (*stamps, *categories) if name is not None]
            others = [name for role, name in roles.items() if role != "time"]
            needed = [name for name in (*parts, *others) if name is not None]
            dialect = sniff(files[0], needed, **written)
            source = Csv(files, dialect, as_text, na_values, on_bad != "refuse")
            point = dialect.decimal
        if len(parts) > 1:
            source = joined(source, parts)
        check_names(source.head, roles, features)
        leave_out(source, roles, features, drop, index_columns)
        chosen = None if features is None else [name for name in features if name not in drop]
        numerals = Numerals(point, sign(thousands), decimal is not None)
        ready = Preparation(source, roles, replace(dates, at=source.at), numerals, on_bad)
        made = ready.made(chosen, categories)
        if len(parts) == 1:
            made.reading += may_belong(made, parts[0])
        made = with_features(made, given["time"], time_features)
        return Stream.from_frame(
            made,
            features=None if chosen is None else [*chosen, *time_features],
            categories=categories,
            name=name or _name(whole),
            **given,
        )
    except ValueError as error:
        named = any(str(error).startswith(str(file)) for file in (whole, *files))
        raise ValueError(str(error) if named else f"{whole}: {error}") from None


def _parquet(
    path: Path, files: Sequence[Path], written: Mapping[str, str | None], na_values: Missing | None
) -> Source:
    """Parquet, or the same in memory where values are replaced."""
    for key in ("sep", "encoding"):
        if written[key] is not None:
            raise ValueError(f"dataset.{key}={written[key]!r}: Parquet has none; leave it out")
    if len(files) == 1 and not path.is_dir():
        source: Source = Parquet(files[0])
        if not all(isinstance(name, str) for name in source.head.columns):
            source = Source(pd.read_parquet(files[0]))  # others stand there as text
    else:
        source = Parquet(path if path.is_dir() else files)
    if na_values:
        source = source.loaded()
        source.head = _without(source.head, na_values)
    return source


def _without(table: pd.DataFrame, missing: Missing) -> pd.DataFrame:
    """A table in which these values are missing."""
    by_column = missing if isinstance(missing, Mapping) else dict.fromkeys(table.columns, missing)
    wrong = {
        name: table[name].isin(list(values)) for name, values in by_column.items() if name in table
    }
    return table.mask(pd.DataFrame(wrong).reindex(columns=table.columns, fill_value=False))


def _name(path: Path) -> str:
    """What a stream is called: as its file, or as the folder of several."""
    named = path.parent if any(sign in path.name for sign in "*?[") else path
    return named.name.split(".")[0] or "table"


def saved(path: str | Path) -> Stream:
    """Open a stream that `Stream.save` wrote: mapped from its files, not read.

    Parameters
    ----------
    path : path
        The directory.
    """
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

    Parameters
    ----------
    name : str
        As OpenML calls it.
    time, target : str
        The columns of the event time and of the label.
    label_time : str, optional
        The column that says when a label is known; without it at once.
    version : int or "active"
        OpenML's version.
    drop : sequence of str
        Columns that are no features.
    features : sequence of str, optional
        Those that are, in place of all others.

    Returns
    -------
    Stream

    Raises
    ------
    ValueError
        Naming the data set, the column and the nearest right one.
    """
    from sklearn.datasets import fetch_openml  # slow to import, and rarely needed

    df = cast(pd.DataFrame, fetch_openml(name, version=version, as_frame=True).frame)
    roles: dict[str, Any] = {"target": target, "time": time, "label_time": label_time}
    source = Source(df)
    chosen = None if features is None else [name for name in features if name not in drop]
    try:
        leave_out(source, roles, chosen, drop, None)
        return Stream.from_frame(source, features=chosen, name=name, **roles)
    except ValueError as error:
        raise ValueError(f"OpenML {name!r}: {error}") from None


def read_file(file: Path) -> pd.DataFrame:
    """Read a table as it is: `.csv`, `.csv.gz`, `.tsv` or `.parquet`.

    Raises `FileNotFoundError` or `ValueError`, naming the file.
    """
    [file] = found(file)
    if file.suffix.lower() == ".parquet":
        try:
            return pd.read_parquet(file)
        except (ValueError, OSError) as error:
            raise ValueError(f"{file}: cannot be read ({str(error).splitlines()[0]})") from error
    return Csv([file], sniff(file, [])).head
