"""Reads ``python big_table.py ROWS [shuffled]`` rows x 10 from Parquet; prints the peak of memory.

The peak is that of a process of its own, over what it took before it read, in times of the array of
features (80 bytes a row); times and labels, 24 bytes a row, are part of it.
"""

import json
import subprocess
import sys
import tempfile
from pathlib import Path

import numpy as np
import pyarrow as pa
import pyarrow.parquet as pq

from backtrain.datasets.tabular import table

FEATURES, PART = 10, 1_000_000


def write(file: Path, n: int, shuffled: bool) -> None:
    """A row a second in parts of a million; labels an hour late, and a column nobody asks for."""
    random = np.random.default_rng(0)
    times = np.datetime64("2020-01-01", "ns") + np.arange(n) * np.timedelta64(1, "s")
    if shuffled:
        random.shuffle(times)
    writer = None
    for at in (times[start : start + PART] for start in range(0, n, PART)):
        columns = {f"x{i}": random.standard_normal(len(at)) for i in range(FEATURES + 1)}
        late = at + np.timedelta64(1, "h")
        part = pa.table({**columns, "y": random.integers(0, 2, len(at)), "at": at, "known": late})
        writer = writer or pq.ParquetWriter(file, part.schema)
        writer.write_table(part)
    assert writer is not None
    writer.close()


def peak() -> int:
    """Most bytes that were resident at once; `ru_maxrss` counts those of who started it, too."""
    lines = Path("/proc/self/status").read_text().splitlines()
    return int(next(line for line in lines if line.startswith("VmHWM")).split()[1]) * 1024


def measure(file: Path) -> dict[str, float]:
    before = peak()
    stream = table(file, "at", "y", "known", drop=[f"x{FEATURES}"])
    size = len(stream) * FEATURES * 8
    return {"rows": len(stream), "array": size, "ratio": (peak() - before) / size}


if __name__ == "__main__":
    if not sys.argv[1].isdigit():
        print(json.dumps(measure(Path(sys.argv[1]))))
    else:
        with tempfile.TemporaryDirectory() as folder:
            file = Path(folder) / "big.parquet"
            write(file, int(sys.argv[1]), "shuffled" in sys.argv)
            subprocess.run([sys.executable, __file__, file], check=True)
