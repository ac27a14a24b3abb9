"""Whether a model is told nothing of the future, and every version answers for itself.

    python benchmarks/models.py [--torch] [--only TEXT]

replays many models, shipped by others and written by hand, and prints for each of them and each of
three settings (a training a week; the same with `BeatsChampion` as gate; no training at all, under
a trigger that only asks for a reference) whether the replay

- loop: equals the loop that people write, which makes a new model for every training;
- future: says the same of the first 70 % of the stream whatever features and labels follow;
- order: says the same in whichever order two strategies are replayed;
- jobs: says the same in two processes;
- threads: says the same in two threads of one process;
- store: says the same from a cold and from a warm store on disk;
- twice: says the same a second time.

A cell is ``yes``; or ``refused``, with the error below the table, which is right only for models
that no copy can isolate; or ``NO`` with numbers. Exit code 1 where a cell is ``NO``.

``--torch`` adds torch and skorch, whose wheels are too heavy for every run:

    pip install torch skorch && python benchmarks/models.py --torch --only torch
"""

from __future__ import annotations

import argparse
import os
import sys
import tempfile
import time
import warnings
from collections.abc import Callable, Iterable
from dataclasses import dataclass, replace
from importlib.util import find_spec
from pathlib import Path
from typing import Any

import joblib
import numpy as np
import pandas as pd
from composites import composed, of_others
from entries import Entry, entries, torch_entries
from threadpoolctl import threadpool_limits

from backtrain import Backtest, Run, Strategy, Stream
from backtrain.strategies import BeatsChampion, Every, Never, PerformanceDrop, Sliding

HOLDOUT, KNOWN, FEATURES = 0.2, 0.7, 4


# --- the history, and the loop that people write --------------------------------------------------


@dataclass(frozen=True)
class History:
    """Hourly rows whose level drifts, or whose border between two classes wanders.

    ``first`` is the first row that is served, ``every`` the rows from one training to the next,
    ``window`` those that each learns from.
    """

    X: np.ndarray
    y: np.ndarray
    first: int = 800
    every: int = 168
    window: int = 720
    mixed: bool = False

    @staticmethod
    def drifting(entry: Entry, rows: int = 4_000, **more: int) -> History:
        random = np.random.default_rng(0)
        X = random.normal(size=(rows, FEATURES))
        row = np.arange(rows)
        y = row / 100 + X[:, 0]
        if entry.task == "classification":
            y = (X[:, 0] + 0.3 * X[:, 1] > 1.5 * np.sin(row / 300)).astype(np.int64)
        return History(X, y, mixed=entry.mixed, **more)

    @property
    def cut(self) -> int:
        """The first row of the part that is poisoned."""
        return int(KNOWN * len(self.y))

    def poisoned(self) -> History:
        """Other features and labels in the last part."""
        X, y = self.X.copy(), self.y.copy()
        X[self.cut :] = 1_000 + 100 * X[self.cut :][::-1]
        y[self.cut :] = 1 - y[self.cut :] if y.dtype.kind == "i" else 5_000 - y[self.cut :]
        return replace(self, X=X, y=y)

    def stream(self) -> Stream:
        hours = pd.date_range("2024-01-01", periods=len(self.y), freq="h")
        return Stream(self.table("auto"), self.y, hours.to_numpy("datetime64[ns]"))

    def table(self, features: str) -> Any:
        """Features as the loop takes them; with a category they are a frame in the stream, too."""
        if not self.mixed and features != "frame":
            return self.X
        frame = pd.DataFrame(self.X, columns=[f"x{k}" for k in range(FEATURES)])
        day = pd.Categorical(np.where(np.arange(len(self.y)) % 24 < 12, "a.m.", "p.m."))
        return frame.assign(half=day) if self.mixed else frame


@dataclass(frozen=True)
class Setting:
    """What is asked of a model: trainings, with or without a gate, or nothing but a reference."""

    name: str
    gate: bool = False
    trained: bool = True

    def strategies(self, entry: Entry, history: History) -> dict[str, Strategy]:
        """Two that share fits; the first is the one that the loop repeats."""
        window = Sliding(f"{history.window}h")
        more: dict[str, Any] = {"window": window, "update": entry.update}
        if not self.trained:
            metric = "MAE" if entry.task == "regression" else "accuracy"
            watch = PerformanceDrop(metric, drop=1e6)
            return {"watched": Strategy(watch, **more), "static": Strategy(Never(), **more)}
        if self.gate:
            more["gate"] = BeatsChampion(HOLDOUT)
        return {
            "often": Strategy(Every(f"{history.every}h"), **more),
            "seldom": Strategy(Every(f"{2 * history.every}h"), **more),
        }


SETTINGS = (
    Setting("plain"),
    Setting("BeatsChampion", gate=True),
    Setting("reference only", trained=False),
)


@threadpool_limits.wrap(limits=1)
def loop(entry: Entry, setting: Setting, history: History) -> np.ndarray:
    """What a replay must say, as people write it: a new model for every training."""
    X, y = history.table(entry.features), history.y
    champion, found = None, []
    for row in range(history.first, len(y), history.every):
        if champion is None or setting.trained:
            stop = row
            if champion is not None and setting.gate:
                stop -= int(HOLDOUT * history.window)
            start = row - history.window
            blank = entry.make(**entry.alone)
            model = entry.learn(blank, X[start:stop].copy(), y[start:stop], champion)
            held = X[stop:row], y[stop:row]
            if not len(held[1]) or errors(model, *held) < errors(champion, *held):
                champion = model
        found.append(answers(champion, X[row : row + history.every].copy(), entry.task))
    return np.concatenate(found)


def errors(model: Any, X: Any, y: np.ndarray) -> float:
    said = model.predict(X.copy())
    return float(np.mean(said != y if y.dtype.kind == "i" else np.abs(said - y)))


def answers(model: Any, X: Any, task: str) -> np.ndarray:
    """The value, or the probability of the larger class, shape (n,)."""
    return model.predict(X) if task == "regression" else model.predict_proba(X)[:, 1]


# --- the cells ------------------------------------------------------------------------------------


@dataclass(frozen=True)
class Cell:
    """``yes``, ``refused`` or ``NO``, and why."""

    word: str
    why: str = ""


class FailedError(AssertionError):
    """A replay that went through, with trainings that raised or rows that had no answer."""


@dataclass(frozen=True)
class Question:
    """One model in one setting on one history."""

    entry: Entry
    setting: Setting
    history: History

    def backtest(self, history: History | None = None, cache: Path | None = None) -> Backtest:
        asked = self.history if history is None else history
        stream = asked.stream()
        return Backtest(
            stream,
            self.entry.make(),
            start=stream.event_time[asked.first],
            tick=f"{asked.every}h",
            features=self.entry.features,
            cache=cache,
        )

    @property
    def strategies(self) -> dict[str, Strategy]:
        return self.setting.strategies(self.entry, self.history)

    def compared(self, backwards: bool = False, n_jobs: int = 1) -> list[np.ndarray]:
        """What both strategies say, in the order of ``strategies``."""
        asked = list(self.strategies.items())
        runs = (
            self.backtest()
            .compare(dict(asked[::-1] if backwards else asked), n_jobs, hindsight=False)
            .runs
        )
        return [self.said(runs[name]) for name, _ in asked]

    def replayed(self, history: History | None = None, cache: Path | None = None) -> np.ndarray:
        """What the first strategy says."""
        strategy = next(iter(self.strategies.values()))
        return self.said(self.backtest(history, cache).replay(strategy))

    def said(self, run: Run) -> np.ndarray:
        bad = {name: run.totals[name] for name in ("failed", "fallback") if run.totals[name]}
        if bad:
            reasons = run.events.loc[run.events["kind"] == "failed", "reason"].unique()
            raise FailedError(f"failed trainings and unanswered rows {bad}: {list(reasons)[:1]}")
        columns = ["prediction"] if self.entry.task == "regression" else ["score"]
        return run.predictions[columns].to_numpy(dtype=float).ravel()

    # --- one method a column ------------------------------------------------------------------

    def loop(self, base: list[np.ndarray]) -> Cell:
        if self.entry.drawn:
            return Cell("-")
        right = loop(self.entry, self.setting, self.history)
        close = {"rtol": self.entry.precision, "atol": self.entry.precision}
        return self.judged(base[0], right, np.allclose(base[0], right, **close))

    def future(self, base: list[np.ndarray]) -> Cell:
        before = slice(0, self.history.cut - self.history.first)
        found = self.replayed(self.history.poisoned())[before]
        return self.judged(found, base[0][before])

    def order(self, base: list[np.ndarray]) -> Cell:
        return self.judged(np.concatenate(self.compared(backwards=True)), np.concatenate(base))

    def jobs(self, base: list[np.ndarray]) -> Cell:
        return self.judged(np.concatenate(self.compared(n_jobs=2)), np.concatenate(base))

    def threads(self, base: list[np.ndarray]) -> Cell:
        with joblib.parallel_config(backend="threading"):
            return self.judged(np.concatenate(self.compared(n_jobs=2)), np.concatenate(base))

    def store(self, base: list[np.ndarray]) -> Cell:
        with tempfile.TemporaryDirectory() as folder:
            for turn in ("cold", "warm"):
                cell = self.judged(self.replayed(cache=Path(folder)), base[0])
                if cell.word != "yes":
                    return Cell(cell.word, f"{turn}: {cell.why}")
        return Cell("yes")

    def twice(self, base: list[np.ndarray]) -> Cell:
        return self.judged(self.replayed(), base[0])

    def judged(self, found: np.ndarray, right: np.ndarray, equal: bool | None = None) -> Cell:
        """Equal to the last bit, unless told otherwise."""
        if np.array_equal(found, right) if equal is None else equal:
            return Cell("yes")
        gap = np.abs(found - right)
        why = f"{np.count_nonzero(gap)} of {len(gap)} answers differ, by up to {gap.max():.4g}"
        if len(right) == len(self.history.y) - self.history.first:
            truth = self.history.y[self.history.first :]
            wrong, true = (np.abs(each - truth).mean() for each in (found, right))
            why += f"; mean absolute error {wrong:.4g} where {true:.4g} is right"
        return Cell("NO", why)


COLUMNS = ("loop", "future", "order", "jobs", "threads", "store", "twice")


def cells(question: Question, columns: Iterable[str] = COLUMNS) -> dict[str, Cell]:
    """The cells of one model in one setting."""
    base = attempted(question, question.compared)
    if isinstance(base, Cell):
        return dict.fromkeys(columns, base)
    asked = {name: getattr(question, name) for name in columns}
    return {name: attempted(question, column, base) for name, column in asked.items()}


def attempted(question: Question, work: Callable[..., Any], *given: Any) -> Any:
    """What the work gives, or the cell of its error."""
    try:
        return work(*given)
    except FailedError as error:
        return Cell("NO", str(error))
    except Exception as error:
        ours = isinstance(error, ValueError) and type(error).__module__.startswith("backtrain.")
        word = "refused" if ours and question.entry.shared else "NO"
        return Cell(word, f"{type(error).__name__}: {error}")


# --- the table ------------------------------------------------------------------------------------


def main(arguments: list[str]) -> int:
    """Print a table a setting; returns 1 where a cell is ``NO``."""
    parser = argparse.ArgumentParser(description=__doc__.partition("\n")[0])
    parser.add_argument("--torch", action="store_true", help="models of torch and skorch, too")
    parser.add_argument("--only", default="", help="rows whose name holds this text")
    parser.add_argument("--rows", type=int, default=4_000, help="length of the history")
    given = parser.parse_args(arguments)
    began, bad = time.perf_counter(), 0
    if given.torch and without_torch():
        print(f"no rows of torch: {' and '.join(without_torch())} not installed")
        given.torch = False
    with tempfile.TemporaryDirectory() as folder:
        every = [*entries(Path(folder)), *composed(), *of_others()]
        every += torch_entries() if given.torch else []
        asked = [entry for entry in every if given.only in entry.name]
        for setting in SETTINGS:
            bad += table(setting, asked, given.rows)
    print(f"{len(asked)} models, {bad} times NO, {time.perf_counter() - began:.0f} s")
    return min(bad, 1)


def table(setting: Setting, asked: list[Entry], rows: int) -> int:
    """Print one table and its notes; returns how many cells are ``NO``."""
    notes: list[str] = []
    bad = 0
    print(written(setting.name, COLUMNS))
    for entry in asked:
        question = Question(entry, setting, History.drifting(entry, rows))
        found = cells(question).values()
        print(written(entry.name, [mark(cell, notes) for cell in found]), flush=True)
        bad += sum(cell.word == "NO" for cell in found)
    print(*(f"[{number}] {note}" for number, note in enumerate(notes, 1)), "", sep="\n")
    return bad


def written(name: str, words: Iterable[str]) -> str:
    return f"{name:36}" + "".join(f"{word:12}" for word in words).rstrip()


def mark(cell: Cell, notes: list[str]) -> str:
    """The word, and the number of the note that says why; equal reasons are one note."""
    if not cell.why:
        return cell.word
    if cell.why not in notes:
        notes.append(cell.why)
    return f"{cell.word}[{notes.index(cell.why) + 1}]"


def without_torch() -> list[str]:
    """What is missing for the rows of torch."""
    return [name for name in ("torch", "skorch") if not find_spec(name)]


if __name__ == "__main__":
    os.environ["PYTHONWARNINGS"] = "ignore"  # of convergence, in other processes
    warnings.simplefilter("ignore")
    sys.exit(main(sys.argv[1:]))
