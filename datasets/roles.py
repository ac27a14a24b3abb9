"""What the columns of a table are for, and the rows of a stream that are read from them."""

from collections.abc import Hashable, Mapping, Sequence
from typing import Any

import numpy as np
import pandas as pd

from backtrain.datasets.calendar import zone_of
from backtrain.datasets.columns import (
    as_names,
    read_both_times,
    read_combinations,
    read_groups,
    read_labels,
    read_weights,
    without_label,
)
from backtrain.datasets.local import to_utc
from backtrain.datasets.names import nearest
from backtrain.datasets.source import Places, Source, inverse

#: Roles of columns that may be features, too, where these are named.
_ALSO_FEATURES = ("amount", "group")
#: What the values of a role are called, where it is no weight.
_KINDS = {"amount": ("an amount",)}


def fields(
    table: Source,
    roles: Mapping[str, Any],
    features: Sequence[str] | None,
    categories: Sequence[str],
    timezone: str | None,
    bare: bool = False,
) -> dict[str, Any]:
    """The fields of a stream that hold rows, in order of time, with its zone and its reading.

    `roles` are of one column each; the rest is as `Stream.from_frame` takes it. `bare`: there may
    be no feature. Raises `ValueError` for columns that are not there, have two roles, or cannot be
    read.
    """
    used = check_names(table.head, roles, features)
    names = table.head.columns
    chosen = [c for c in names if c not in used] if features is None else list(features)
    if not chosen and not bare:
        raise ValueError(no_features(f"no column is left beside {sorted(used)}"))
    target, time, label_time = roles["target"], roles["time"], roles["label_time"]
    table.categories = check_categories(categories, [*chosen, target])
    label = None if label_time is None else table.column(label_time)
    event_times, label_times, zone = read_both_times(
        table.column(time), label, f"time {time!r}", f"label_time {label_time!r}", ordered=False
    )
    if timezone is not None and zone is None:
        event_times, said = to_utc(event_times, timezone, time)
        table.reading.extend(said)
        if label_times is not None:
            label_times, said = to_utc(label_times, timezone, label_time, late=True)
            table.reading.extend(said)
    place = None
    if (event_times[1:] < event_times[:-1]).any():
        order = np.argsort(event_times, kind="stable")
        event_times = event_times[order]
        label_times = None if label_times is None else label_times[order]
        place = inverse(order)
        del order
    del label
    labels = table.column(target, place)
    y = read_labels(as_names(labels) if target in categories else labels, target)
    del labels
    if label_times is not None and len(lost := without_label(y, label_times)):
        label_times = label_times.copy()
        label_times[lost] = np.datetime64("NaT", "ns")
        table.reading.append(
            f"{len(lost)} of {len(y)} rows have no label, whatever {label_time!r} says"
        )
    weights = {
        role: read_weights(table.column(name, place), name, *_KINDS.get(role, ()))
        for role in ("weight", "amount", "fit_weight", "score_weight")
        if (name := roles[role]) is not None
    }
    return {
        "y": y,
        "event_time": event_times,
        "label_time": label_times,
        "group": _groups(table, roles, place),
        **weights,
        "X": table.features(chosen, place),
        "reading": tuple(table.reading),
        "timezone": timezone or zone_of(zone),
    }


def no_features(why: str) -> str:
    """What to say where a model would have nothing to learn from."""
    return (
        f"features: {why}, and a model learns from nothing else; add earlier labels, as they are "
        "known by then: lags.known=[1,24], or what times say: "
        "dataset.time_features=[month,day_of_week,hour]"
    )


def _groups(table: Source, roles: Mapping[str, Any], place: Places | None) -> Any:
    if "group" not in roles:
        several = [column for role, column in roles.items() if role.startswith("group[")]
        return read_combinations({column: table.column(column, place) for column in several})
    name = roles["group"]
    return None if name is None else read_groups(table.column(name, place), str(name))


def check_categories(names: Sequence[str], allowed: Sequence[Any]) -> frozenset[str]:
    """Columns that are taken as names; raises `ValueError` for one that is no feature or target."""
    if isinstance(names, str):
        raise ValueError(f"categories={names!r}: a list of columns")
    for name in names:
        if name not in allowed:
            raise ValueError(
                f"categories={name!r}: neither a feature nor the target; "
                f"did you mean {nearest(name, allowed)}?"
            )
    return frozenset(names)


def one_each(roles: Mapping[str, Any]) -> dict[str, Any]:
    """Roles of one column each: several columns of a group are ``group[0]``, ``group[1]``, ...

    >>> one_each({"target": "y", "group": ["store", "product"]})
    {'target': 'y', 'group[0]': 'store', 'group[1]': 'product'}
    """
    found: dict[str, Any] = {}
    for role, names in roles.items():
        if isinstance(names, (list, tuple)) and role == "group" and names:
            found |= {f"{role}[{place}]": name for place, name in enumerate(names)}
        else:
            found[role] = names
    return found


def check_names(
    df: pd.DataFrame, roles: Mapping[str, str | None], features: Sequence[str] | None
) -> set[str]:
    """The columns that have a role; raises `ValueError` for names that are none, or are twice."""
    if df.columns.has_duplicates:
        twice = df.columns[df.columns.duplicated()][0]
        raise ValueError(f"column {twice!r} stands there twice; rename one of them")
    required = ("target", "time")
    asked = [(role, name) for role, name in roles.items() if name is not None or role in required]
    used: dict[str, str] = {}
    for role, name in [*asked, *(("features", name) for name in features or ())]:
        if name is None or not isinstance(name, Hashable):
            raise ValueError(f"{role}={name!r}: give the name of one column")
        if df.columns.nlevels > 1 and name in df.columns and name not in set(df.columns):
            first = next(column for column in df.columns if name in column)
            raise ValueError(
                f"{role}={name!r}: several columns; name one whole, such as {first}, or flatten "
                "them first: df.columns = ['_'.join(map(str, column)) for column in df.columns]"
            )
        if name not in df.columns:
            hint = f"did you mean {nearest(name, df.columns)}?"
            if name in df.index.names:
                hint = "it is the index: use df.reset_index()"
            elif role == "time" and isinstance(df.index, pd.DatetimeIndex | pd.PeriodIndex):
                hint = f"times stand in the index: use df.reset_index(names={name!r})"
            raise ValueError(f"{role}={name!r}: no such column; {hint}")
        known = used.get(name, "").partition("[")[0]
        if known and not (role == "features" and known in _ALSO_FEATURES):
            raise ValueError(f"{role}={name!r}: already used as {used[name]}; name another column")
        used[name] = role
    return {name for _, name in asked if name is not None}
