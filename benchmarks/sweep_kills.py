"""Sweeps, killed: the same line again redoes nothing that was finished, and ends as undisturbed.

A sweep is killed (SIGKILL) at random moments and started again each time, until it ends by itself.
Jobs that were finished before a kill must not be touched any more, every file must be whole, and at
the end all results, and the table over them, must be those of a sweep that nobody disturbed.

    python benchmarks/sweep_kills.py --kills 30 --jobs 30
"""

from __future__ import annotations

import argparse
import json
import os
import random
import shutil
import signal
import subprocess
import sys
import tempfile
import time
from pathlib import Path
from typing import Any

import pandas as pd

from backtrain.reports.sweep.result import Result, results_in

LINE = ("dataset=abrupt", "dataset.n=900", "comparison=one", "strategy=every_3d", "n_jobs=1")
LINE += ("model=linear", "hindsight=false", "progress=false")
#: Of a result, and of the table over all: what may differ between two equal jobs.
VOLATILE = ("directory", "taken_from", "wall_seconds", "fits")


def start(folder: Path, directory: str, jobs: int, cache: str) -> subprocess.Popen[bytes]:
    axis = "strategy.trigger.every=" + ",".join(f"{k + 1}D" for k in range(jobs))
    line = [sys.executable, "-m", "backtrain", "run", "-m", *LINE, axis]
    env = {**os.environ, "BACKTRAIN_CACHE_DIR": str(folder / cache)}
    with (folder / f"{directory}.log").open("ab") as log:
        return subprocess.Popen(
            [*line, f"hydra.sweep.dir={directory}"], cwd=folder, env=env, stdout=log, stderr=log
        )


def finished(sweep: Path) -> dict[Path, int]:
    """When the verdict of each finished job was written."""
    done = [one for one in results_in(sweep) if one.status == "done"] if sweep.exists() else []
    paths = [one.directory / "verdict.json" for one in done if one.directory is not None]
    return {path: path.stat().st_mtime_ns for path in paths}


def content(result: Result) -> dict[str, Any]:
    return {key: value for key, value in vars(result).items() if key not in VOLATILE}


def broken(sweep: Path) -> list[Path]:
    """Files that are half written."""
    wrong = []
    for path in sweep.rglob("*"):
        try:
            if path.suffix == ".json":
                json.loads(path.read_bytes())
            elif path.suffix == ".parquet" and not path.name.startswith("."):
                pd.read_parquet(path)
        except ValueError:
            wrong.append(path)
    return wrong


def kill_and_go_on(folder: Path, kills: int, jobs: int, seed: int = 0) -> dict[str, int]:
    """Counts of what went wrong, all 0 where it holds; raises where a sweep fails."""
    rng = random.Random(seed)
    undisturbed = start(folder, "undisturbed", jobs, "cache-a")
    began = time.monotonic()
    if undisturbed.wait():
        raise SystemExit((folder / "undisturbed.log").read_text()[-2000:])
    length = time.monotonic() - began
    found = {"redone": 0, "half": 0, "different": 0, "kills": 0, "rounds": 0}
    expected = [content(one) for one in results_in(folder / "undisturbed")]
    assert len(expected) == jobs
    while found["kills"] < kills:
        found["rounds"] += 1
        shutil.rmtree(folder / "killed", ignore_errors=True)
        shutil.rmtree(folder / "cache-b", ignore_errors=True)
        while True:
            before = finished(folder / "killed")
            process = start(folder, "killed", jobs, "cache-b")
            if found["kills"] < kills:
                time.sleep(rng.uniform(0, length))
                process.send_signal(signal.SIGKILL)
            ended = process.wait() == 0
            found["kills"] += not ended
            after = finished(folder / "killed")
            found["redone"] += sum(after.get(path) != at for path, at in before.items())
            found["half"] += len(broken(folder / "killed"))
            if ended:
                break
        results = [content(one) for one in results_in(folder / "killed")]
        found["different"] += results != expected
        tables = [
            pd.read_parquet(folder / name / "summary.parquet") for name in ("killed", "undisturbed")
        ]
        one, two = (table.drop(columns="directory") for table in tables)
        found["different"] += not one.equals(two)
    return found


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--kills", type=int, default=30)
    parser.add_argument("--jobs", type=int, default=30)
    parser.add_argument("--seed", type=int, default=0)
    parsed = parser.parse_args()
    with tempfile.TemporaryDirectory() as folder:
        found = kill_and_go_on(Path(folder), parsed.kills, parsed.jobs, parsed.seed)
    print(", ".join(f"{name} {number}" for name, number in found.items()))
    sys.exit(any(found[name] for name in ("redone", "half", "different")))


if __name__ == "__main__":
    main()
