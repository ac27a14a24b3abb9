"""Re-runs over an old result, killed: what is read afterwards is the old result or the new one.

Two comparisons take turns in one directory. Each is killed (SIGKILL), half of them after a random
time, half before the n-th operation on the disk; what a kill leaves is never tidied up by hand.
After each, every table that `Comparison.load` reads must be that of one comparison, ``report`` must
bring summary and report in line with it, and files of the user's own must be as they were.

    python benchmarks/kills.py --kills 200 --seed 0
"""

from __future__ import annotations

import argparse
import hashlib
import inspect
import io
import itertools
import os
import random
import signal
import sys
import tempfile
import time
import warnings
from collections import Counter
from collections.abc import Callable
from contextlib import redirect_stderr, redirect_stdout
from pathlib import Path

import pandas as pd
from sklearn.linear_model import Ridge

from backtrain import Backtest, Prices, Strategy
from backtrain.cli import main as backtrain
from backtrain.datasets.synthetic import abrupt
from backtrain.reports.comparison import Comparison
from backtrain.simulator.record import TABLES
from backtrain.strategies import Every, Never, Sliding

STRATEGIES = {
    "static": Strategy(Never(), Sliding("10D")),
    "daily": Strategy(Every("1D"), Sliding("10D")),
    "weekly": Strategy(Every("7D"), Sliding("10D")),
}
#: What a kill can fall before.
OPERATIONS = ("replace", "rename", "fsync", "mkdir", "unlink", "rmdir")
MINE = ("notes.txt", "daily/note.txt", "figures/mine.png", "static/model.bin")


def setups() -> tuple[Backtest, Backtest]:
    """Two questions about one history; only the price of a retrain differs."""
    stream = abrupt(n=700, task="regression")
    return tuple(Backtest(stream, Ridge(), prices=Prices(retrain=p, error=1)) for p in (1, 50))  # type: ignore[return-value]


def rerun(backtest: Backtest, directory: Path) -> None:
    """What ``backtrain run`` does."""
    if "directory" in inspect.signature(backtest.compare).parameters:
        backtest.compare(STRATEGIES, directory=directory).save(directory)
    else:
        backtest.compare(STRATEGIES).save(directory)


def digest(comparison: Comparison) -> str:
    """Of every number but those that say how it was computed."""
    sha = hashlib.sha256(repr([(n, r.totals) for n, r in comparison.runs.items()]).encode())
    for run in comparison.runs.values():
        for table in ("predictions", "charges", "events", "deployments", "steps"):
            frame = getattr(run, table)
            sha.update(pd.util.hash_pandas_object(frame.astype(str), index=False).to_numpy().data)
    return sha.hexdigest()


def in_child(work: Callable[[], str]) -> str:
    """The answer of a process of its own; this one opens no threads that a fork would miss."""
    read, write = os.pipe()
    child = os.fork()
    if child == 0:
        try:
            os.write(write, work().encode())
        finally:
            os._exit(0)
    os.close(write)
    with os.fdopen(read) as pipe:
        answer = pipe.read()
    os.waitpid(child, 0)
    return answer


def killed(backtest: Backtest, directory: Path, after: float | int) -> bool:
    """Re-run in a process that is killed after seconds (float) or operations; whether it was."""
    child = os.fork()
    if child == 0:
        try:
            os.dup2(os.open(os.devnull, os.O_WRONLY), 2)
            if isinstance(after, int):
                die_before(after)
            rerun(backtest, directory)
        finally:
            os._exit(0)
    if isinstance(after, float):
        time.sleep(after)
        os.kill(child, signal.SIGKILL)
    return os.WIFSIGNALED(os.waitpid(child, 0)[1])


def die_before(count: int) -> None:
    """Kill this process before its next operation of this number."""
    left = [count]

    def counted(usual: Callable[..., object]) -> Callable[..., object]:
        def operation(*args: object, **keys: object) -> object:
            left[0] -= 1
            if left[0] <= 0:
                os.kill(os.getpid(), signal.SIGKILL)
            return usual(*args, **keys)

        return operation

    for name in OPERATIONS:
        setattr(os, name, counted(getattr(os, name)))


def operations(backtest: Backtest, directory: Path) -> int:
    """How many operations a re-run takes."""

    def work() -> str:
        count = [0]

        def counted(usual: Callable[..., object]) -> Callable[..., object]:
            def operation(*args: object, **keys: object) -> object:
                count[0] += 1
                return usual(*args, **keys)

            return operation

        for name in OPERATIONS:
            setattr(os, name, counted(getattr(os, name)))
        rerun(backtest, directory)
        return str(count[0])

    return int(in_child(work))


def read(directory: Path) -> str:
    """The digest of what is there, or what `load` says."""

    def work() -> str:
        try:
            return digest(Comparison.load(directory))
        except Exception as error:
            return f"unreadable: {type(error).__name__}: {error}"

    return in_child(work)


def in_line(directory: Path) -> bool:
    """Whether ``report`` works, and the summary then has the totals of what is read."""

    def work() -> str:
        with redirect_stdout(io.StringIO()), redirect_stderr(io.StringIO()):
            if backtrain(["report", str(directory)]) != 0:
                return "no"
        table = Comparison.load(directory).table()["total"]
        summary = pd.read_csv(directory / "summary.csv", index_col=0)["total"]
        return "yes" if summary.to_dict() == table.to_dict() else "no"

    return in_child(work) == "yes"


def plant(directory: Path) -> dict[str, bytes]:
    """Files of the user's own, among ours."""
    for name in MINE:
        path = directory / name
        path.parent.mkdir(exist_ok=True)
        path.write_bytes(name.encode() * 100)
    return {name: (directory / name).read_bytes() for name in MINE}


def kills(count: int, seed: int, directory: Path) -> Counter[str]:
    """Kill so many re-runs; what was found after each."""
    draw, found, questions = random.Random(seed), Counter[str](), setups()
    known = {in_child(lambda b=b: digest(b.compare(STRATEGIES))): b for b in questions}  # type: ignore[misc]
    in_child(lambda: str(rerun(questions[0], directory)))
    mine, last = plant(directory), read(directory)
    in_child(lambda: str(rerun(questions[0], directory)))
    began = time.monotonic()
    most = operations(questions[0], directory)
    seconds = time.monotonic() - began
    for place in itertools.count():
        if found["killed"] == count:
            break
        backtest = next(b for name, b in known.items() if name != last)
        after = draw.randint(1, most) if place % 2 else draw.uniform(0, seconds)
        found["killed" if killed(backtest, directory, after) else "was done before"] += 1
        now = read(directory)
        found["old" if now == last else "new" if now in known else "MIXED OR UNREADABLE"] += 1
        if now not in known:
            print(f"kill {place}, after {after}: {now}", file=sys.stderr)
            in_child(lambda: str(rerun(questions[0], directory)))
        elif place % 4 == 0 and not in_line(directory):
            found["SUMMARY OF ANOTHER"] += 1
        touched = [n for n in mine if not _same(directory / n, mine[n])]
        found["FOREIGN FILES TOUCHED"] += len(touched)
        if touched:
            plant(directory)
        last = read(directory)
    in_child(lambda: str(rerun(questions[1], directory)))
    found["LEFTOVERS"] += len(_leftovers(directory))
    return found


def _same(path: Path, content: bytes) -> bool:
    return path.is_file() and path.read_bytes() == content


def _leftovers(directory: Path) -> list[str]:
    """Files that are neither ours nor the user's."""
    runs = len(STRATEGIES) * (1 + len(TABLES))
    ours = [p for p in directory.rglob("*") if p.is_file()]
    names = {str(p.relative_to(directory)) for p in ours} - set(MINE)
    hidden = [name for name in names if any(part[0] == "." for part in name.split("/"))]
    expected = runs + 1 + 1 + 2 + 1 + 3  # manifest, summary, verdict and advice, report, figures
    return hidden + ["more files than there should be"] * max(0, len(names) - expected)


def main() -> None:
    """Print the figures."""
    parser = argparse.ArgumentParser()
    parser.add_argument("--kills", type=int, default=200)
    parser.add_argument("--seed", type=int, default=0)
    parsed = parser.parse_args()
    warnings.simplefilter("ignore")
    with tempfile.TemporaryDirectory() as folder:
        found = kills(parsed.kills, parsed.seed, Path(folder) / "result")
    for what in sorted(found, key=lambda name: (name.isupper(), name)):
        print(f"{found[what]:5}  {what}")


if __name__ == "__main__":
    main()
