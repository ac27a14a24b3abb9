"""What a sweep costs beside one comparison of the same strategies: `python benchmarks/sweep.py`.

Both are measured in one run, each in a process and with a store of its own. Jobs of a sweep hold
one strategy each, and the baseline. Also counted are fits: a sweep makes each distinct one once.
"""

import argparse
import json
import os
import subprocess
import sys
import tempfile
from itertools import product
from pathlib import Path

COMMON = ("dataset=abrupt", "dataset.n=5000", "model=linear", "hindsight=false", "n_jobs=1")
COMMON += ("progress=false", "report=none")
TIMED = """
import cProfile, json, pstats, sys, time
import hydra, pandas, sklearn.linear_model
from backtrain.cli import run
from backtrain.config.study import _STORE
profile, arguments = json.loads(sys.argv[1]), sys.argv[2:]
measured = cProfile.Profile()
began, busy = time.perf_counter(), time.process_time()
code = measured.runcall(run.main, arguments) if profile else run.main(arguments)
took, cpu = time.perf_counter() - began, time.process_time() - busy
if profile:
    pstats.Stats(measured, stream=sys.stderr).sort_stats("cumtime").print_stats(70)
(store,) = _STORE.values()
kept = store._disk._index.do(lambda index: index.execute(
    "SELECT count(*) FROM entries WHERE key NOT LIKE '%.%'").fetchone()[0], None)
found = {"code": code, "seconds": took, "cpu": cpu}
print(json.dumps({**found, "computed": store.computed, "distinct": kept}))
"""


def timed(arguments: list[str], folder: Path, profile: bool = False) -> dict[str, float]:
    """Seconds and fits of a command, without the imports."""
    line = [sys.executable, "-c", TIMED, json.dumps(profile), *COMMON, *arguments]
    env = {**os.environ, "BACKTRAIN_CACHE_DIR": str(folder / "cache")}
    folder.mkdir()
    done = subprocess.run(line, cwd=folder, env=env, capture_output=True, text=True)
    print(done.stderr[-12_000:] if profile or done.returncode else "", end="")
    return json.loads(done.stdout.splitlines()[-1])


def many(intervals: list[int], lengths: list[int]) -> str:
    """All strategies as one comparison."""
    pairs = [(f"every_{i}d_of_{n}d", i, n) for i, n in product(intervals, lengths)]
    lines = ["defaults:", "  - /strategy@static: static"]
    lines += [f"  - /strategy@{name}: parts_of" for name, _, _ in pairs]
    lines += ["  - _self_"]
    for name, interval, length in pairs:
        lines += [f"{name}: {{trigger: {{every: {interval}D}}, window: {{length: {length}D}}}}"]
    return "\n".join(lines)


PARTS = """
defaults: [_base, /trigger@trigger: every, /window@window: sliding, _self_]
"""


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--jobs", type=int, default=200)
    parser.add_argument("--profile", action="store_true", help="where the sweep's time goes")
    parsed = parser.parse_args()
    lengths = [20 * (k + 1) for k in range(10)]
    intervals = list(range(1, parsed.jobs // 10 + 1))
    with tempfile.TemporaryDirectory() as name:
        folder = Path(name)
        for group, file, text in (
            ("strategy", "parts_of", PARTS),
            ("comparison", "many", many(intervals, lengths)),
        ):
            (folder / "conf" / group).mkdir(parents=True)
            (folder / "conf" / group / f"{file}.yaml").write_text(text)
        conf = f"--config-dir={folder / 'conf'}"
        axes = [
            "strategy.trigger.every=" + ",".join(f"{k}D" for k in intervals),
            "strategy.window.length=" + ",".join(f"{k}D" for k in lengths),
        ]
        one = timed(["comparison=many", conf], folder / "one")
        swept = timed(
            ["-m", "comparison=one", "strategy=parts_of", *axes, conf],
            folder / "swept",
            parsed.profile,
        )
        jobs = len(intervals) * len(lengths)
        print(f"one comparison of {jobs}: {one['seconds']:.1f} s, {one['computed']} fits")
        print(f"a sweep of {jobs} jobs:   {swept['seconds']:.1f} s, {swept['computed']} fits")
        print(f"ratio {swept['seconds'] / one['seconds']:.2f}")
        for kind in ("seconds", "cpu"):
            more = (swept[kind] - one[kind]) / jobs
            print(f"a job costs {more:.3f} {'s' if kind == 'seconds' else 's of CPU time'} more")
        print(f"fits computed {swept['computed']}, distinct {swept['distinct']}")


if __name__ == "__main__":
    main()
