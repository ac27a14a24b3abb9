"""Processes that fit at once, on one store: how much of their time is spent fitting.

A fit sleeps, so that no cores are needed. Processes, forked after the import, make a share of all
fits each; that is timed. Then each asks for those of the others, and what is made twice is counted.

    python benchmarks/locks.py --processes 32 128 --fits 4 --seconds 2
"""

import argparse
import os
import tempfile
import time
from pathlib import Path

from backtrain.store import locks
from backtrain.store.fits import FitStore, StoredFit


def work(store: FitStore, log: Path, first: int, fits: int, wanted: int, seconds: float) -> None:
    """Ask for all fits, one's own share first."""

    def make(name: str) -> StoredFit:
        with log.open("a") as file:
            file.write(f"{name}\n")
        time.sleep(seconds)
        return StoredFit(name, name, seconds, 0)

    wait_for(log.with_name("start"))
    for place in range(wanted):
        if place == fits:
            log.with_name(f"{first}.end").write_text(str(time.perf_counter()))
            wait_for(log.with_name("go on"))
        name = f"fit{(first * fits + place) % wanted:05d}"
        store.fit(name, lambda name=name: make(name), lasting=True)


def wait_for(file: Path) -> None:
    while not file.exists():
        time.sleep(0.02)


def efficiency(processes: int, fits: int, seconds: float) -> tuple[float, float, int]:
    """Share of the time that was spent on one's own fits, seconds in all, fits made twice."""
    with tempfile.TemporaryDirectory() as folder:
        store, log = FitStore(Path(folder) / "store"), Path(folder) / "log"
        children = []
        for first in range(processes):
            child = os.fork()
            if child == 0:
                try:
                    work(store, log, first, fits, processes * fits, seconds)
                finally:
                    os._exit(0)
            children.append(child)
        began = time.perf_counter()
        (Path(folder) / "start").touch()
        while len(list(Path(folder).glob("*.end"))) < processes:
            time.sleep(0.05)
        (Path(folder) / "go on").touch()
        for child in children:
            os.waitpid(child, 0)
        ends = [float(file.read_text()) for file in Path(folder).glob("*.end")]
        took = max(ends) - began
        made = log.read_text().split()
        files = len(list((Path(folder) / "store" / "v1" / "locks").iterdir()))
    assert len(set(made)) == processes * fits
    print(f"{processes:4} processes, {len(made)} fits of {seconds:g} s: {took:6.2f} s,", end=" ")
    print(f"{fits * seconds / took:6.1%} efficiency, {len(made) - len(set(made))} twice,", end=" ")
    print(f"lock files {files}", flush=True)
    return fits * seconds / took, took, len(made) - len(set(made))


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--processes", type=int, nargs="+", default=[32, 128])
    parser.add_argument("--fits", type=int, default=4)
    parser.add_argument("--seconds", type=float, default=2.0)
    parser.add_argument("--stripes", action="store_true", help="as where bytes cannot be locked")
    given = parser.parse_args()
    if given.stripes:
        locks._CAN_LOCK_BYTES = False
    for processes in given.processes:
        efficiency(processes, given.fits, given.seconds)


if __name__ == "__main__":
    main()
