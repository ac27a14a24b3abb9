"""Numbers that most likely stand for a missing value, such as -200 among amounts."""

from collections import defaultdict
from collections.abc import Iterator, Sequence

import numpy as np

from backtrain.datasets.columns import is_number
from backtrain.datasets.source import Source

_OFTEN = 3  # rows at least
_SHOWN = 3  # columns that are named


def said_of_sentinels(source: Source, names: Sequence[str]) -> Iterator[str]:
    """What is said where the only negative number of a column is a whole one that comes often.

    One column alone tells it by nines (-99, -999); several, by having the same.
    """
    found = defaultdict(list)
    for name in names:
        column = source.head[name]
        if not is_number(column):
            continue
        values = column.to_numpy(dtype=np.float64, na_value=np.nan)
        negative = values[values < 0]
        if len(negative) >= _OFTEN and (negative == negative[0]).all() and negative[0] % 1 == 0:
            found[int(negative[0])].append(name)
    for value, columns in found.items():
        if len(columns) > 1 or set(str(-value)) == {"9"}:
            more = f" and {len(columns) - _SHOWN} more" if len(columns) > _SHOWN else ""
            yield (
                f"{value} is the only negative number in {', '.join(columns[:_SHOWN])}{more}: "
                f"where it says missing, dataset.na_values=[{value}]"
            )
