"""Reads ``python big_text.py ROWS`` rows x 12 of CSV; prints time and memory over `pd.read_csv`'s.

One file is plain, one German (semicolon, decimal comma, day first), each read by `tabular.table`,
by `pd.read_csv` alone, and by `pd.read_csv` with the times parsed by a format that is given, in a
process of its own each.
"""

import json
import subprocess
import sys
import tempfile
import time
from collections.abc import Callable
from pathlib import Path
from typing import Any

import numpy as np
import pandas as pd
from big_table import peak

from backtrain.datasets.tabular import table

WAYS: dict[str, dict[str, Any]] = {
    "plain": {"sep": ",", "decimal": ".", "date_format": "%Y-%m-%d %H:%M:%S"},
    "german": {"sep": ";", "decimal": ",", "date_format": "%d.%m.%Y %H:%M"},
}


def write(folder: Path, n: int) -> None:
    rng = np.random.default_rng(0)
    numbers = {f"x{i}": np.round(rng.standard_normal(n), 6) for i in range(8)}
    words = {f"w{i}": np.array(["a", "b", "c"])[rng.integers(0, 3, n)] for i in range(2)}
    times = pd.date_range("2020-01-01", periods=n, freq="min")
    frame = pd.DataFrame({"ts": times, **numbers, **words, "y": rng.integers(0, 2, n)})
    for way, options in WAYS.items():
        frame.to_csv(folder / f"{way}.csv", index=False, **options)


def measure(way: str, reader: str, file: str) -> dict[str, float]:
    options = dict(WAYS[way])
    written = options.pop("date_format")

    def parsed() -> Any:
        frame = pd.read_csv(file, low_memory=False, **options)
        return frame, pd.to_datetime(frame["ts"], format=written)

    readers: dict[str, Callable[[], Any]] = {
        "pandas": lambda: pd.read_csv(file, low_memory=False, **options),
        "pandas, times": parsed,
        "table": lambda: table(file, "ts", "y"),
    }
    before, start = peak(), time.perf_counter()
    kept = readers[reader]()
    return {"seconds": time.perf_counter() - start, "bytes": peak() - before, "n": len(kept)}


if __name__ == "__main__":
    if len(sys.argv) > 2:
        print(json.dumps(measure(*sys.argv[1:])))
    else:
        with tempfile.TemporaryDirectory() as folder:
            write(Path(folder), int(sys.argv[1]))
            for way in WAYS:
                found = {}
                for reader in ("pandas", "pandas, times", "table"):
                    command = [sys.executable, __file__, way, reader, f"{folder}/{way}.csv"]
                    done = subprocess.run(command, check=True, capture_output=True, text=True)
                    found[reader] = json.loads(done.stdout)
                for reader, one in found.items():
                    ratios = [one[k] / found["pandas"][k] for k in ("seconds", "bytes")]
                    print(f"{way:8} {reader:14} time {ratios[0]:.2f}  memory {ratios[1]:.2f}")
