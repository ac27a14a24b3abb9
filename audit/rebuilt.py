"""Whether lags hold: made anew of a history whose future is spoilt, those before it are equal."""

from collections.abc import Iterable, Iterator
from typing import Any

import numpy as np
import pandas as pd
from numpy.typing import NDArray

from backtrain.audit.findings import Finding
from backtrain.audit.poison import poisoned
from backtrain.datasets.stream import Stream


def lag_findings(
    stream: Stream, instants: Iterable[pd.Timestamp], classes: NDArray[Any] | None = None
) -> Iterator[Finding]:
    """A finding for each lag of a row before an instant that depends on what is not known at it.

    There is none unless `Lags` themselves are broken; columns made by hand are judged by what they
    are equal to (`data_findings`).
    """
    for number, at in enumerate(instants):
        when = at.to_datetime64()
        spoilt = poisoned(stream, when, np.random.default_rng(number), classes=classes)
        known = stream.rows(None, at).stop
        for name in stream.lag_names:
            one, other = (_column(each, name)[:known] for each in (stream, spoilt))
            moved = (one != other) & ~(pd.isna(one) & pd.isna(other))
            if moved.any():
                row = int(moved.argmax())
                says = f"this lag is {one[row]}, but {other[row]} where later labels are spoilt"
                yield Finding("sees the future", f"column {name!r}", says, at, "stream", row)


def _column(stream: Stream, name: str) -> NDArray[Any]:
    X: Any = stream.X
    values = X[name].astype(object) if isinstance(X, pd.DataFrame) else None
    return np.asarray(X[:, stream.columns.index(name)] if values is None else values)
