"""Whether a change of the code has changed a number: the shipped comparisons, before and after.

    git worktree add ../before BASE      # with an environment of its own
    python benchmarks/records.py write /tmp/before       # there
    python benchmarks/records.py write /tmp/after        # here
    python benchmarks/records.py compare /tmp/before /tmp/after

All tables, totals and facts of hindsight must be equal to the last bit but for what says how
a run was computed: `fit`, `fit_seconds`, `shared` and `wall_seconds`.
"""

from __future__ import annotations

import math
import subprocess
import sys
from collections.abc import Iterator, Mapping
from pathlib import Path
from typing import Any

import pandas as pd

from backtrain import Comparison

#: The comparisons that are shipped, on the data that is shipped, and the updates none of them has.
JOBS = {
    "bike": ["dataset=bike"],
    "bike_catalogue": ["dataset=bike", "comparison=catalogue"],
    "bike_checked": ["dataset=bike", "comparison=checked", "faults=[cents]"],
    "bike_partial_fit": ["dataset=bike", "model=sgd", "comparison=one", "strategy=partial_fit"],
    "bike_retune": ["dataset=bike", "comparison=one", "strategy=retune_monthly", "hindsight=false"],
    "bike_warm_start": ["dataset=bike", "model=sgd", "comparison=one", "strategy=warm_start"],
    "flights": ["dataset=flights"],
    "flights_catalogue": ["dataset=flights", "comparison=catalogue"],
}
#: Whatever says how a run was computed, not what happened in it.
MEASURED = {"fit", "fit_seconds", "shared", "wall_seconds"}
#: Tables that the first records did not have.
LATER = {"readings"}
#: Columns of versions, and totals, that records did not have before answers were compared.
ADDED = {"changed", "flipped", "smqc", "changed_total", "flipped_total", "smqc_total", "flip"}
#: Facts of a run that are numbers, beside its totals.
FOUND = ("hindsight", "no_hindsight", "label_delay_seconds", "ticks")


def write(directory: Path) -> None:
    """Run every job with the command line of the environment that this is called in."""
    backtrain = Path(sys.executable).with_name("backtrain")
    for name, overrides in JOBS.items():
        where = [f"hydra.run.dir={directory / name}", f"cache={directory / 'fits'}"]
        command = [backtrain, "run", *overrides, *where, "progress=false"]
        subprocess.run(command, check=True, stdout=subprocess.DEVNULL)
        print(name, flush=True)


def compare(before: Path, after: Path) -> int:
    """Print what differs, and how much was compared; 1 where anything does."""
    found, values = [], 0
    for name in JOBS:
        old, new = (Comparison.load(where / name).runs for where in (before, after))
        if list(old) != list(new):
            found.append(f"{name}: {list(old)} became {list(new)}")
            continue
        for strategy in old:
            where = f"{name}/{strategy}"
            values += sum(frame.size for frame in old[strategy].tables.values())
            found += _differing(where, _found(old[strategy].info), _found(new[strategy].info))
            found += _differing(where, old[strategy].totals, new[strategy].totals)
            for table, frame in old[strategy].tables.items():
                if table in LATER and frame.empty:
                    continue
                found += _tables(f"{where}/{table}", frame, new[strategy].tables[table])
    print(*found, sep="\n")
    print(f"{len(found)} differences in {values:,} values of {len(JOBS)} comparisons")
    return 1 if found else 0


def _differing(where: str, old: Any, new: Any) -> Iterator[str]:
    if isinstance(old, dict) and isinstance(new, dict):
        for key in sorted(old.keys() | new.keys()):
            if key not in MEASURED and (key in old or key not in ADDED):
                yield from _differing(f"{where}.{key}", old.get(key), new.get(key))
    elif isinstance(old, list) and isinstance(new, list) and len(old) == len(new):
        for place, (one, other) in enumerate(zip(old, new, strict=True)):
            yield from _differing(f"{where}[{place}]", one, other)
    elif old != new and not (_is_nan(old) and _is_nan(new)):
        yield f"{where}: {old!r} became {new!r}"


def _found(info: Mapping[str, Any]) -> dict[str, Any]:
    return {key: info.get(key) for key in FOUND}


def _is_nan(value: Any) -> bool:
    return isinstance(value, float) and math.isnan(value)


def _tables(where: str, old: pd.DataFrame, new: pd.DataFrame) -> Iterator[str]:
    columns = [column for column in old.columns if column not in MEASURED]
    added = MEASURED | (ADDED - set(old.columns))
    if columns != [column for column in new.columns if column not in added]:
        yield f"{where}: columns {list(old.columns)} became {list(new.columns)}"
    elif not old[columns].equals(new[columns]):
        wrong = [c for c in columns if not old[c].equals(new[c])]
        yield f"{where}: {', '.join(wrong)}"


if __name__ == "__main__":
    match sys.argv[1:]:
        case ["write", directory]:
            write(Path(directory).resolve())
        case ["compare", before, after]:
            sys.exit(compare(Path(before), Path(after)))
        case _:
            sys.exit(__doc__)
