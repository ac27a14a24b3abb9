"""What `backtrain tune` answers: one dataset, one model, one window; read from its config."""

from collections.abc import Mapping
from dataclasses import dataclass, field
from functools import cached_property
from pathlib import Path
from typing import Any

import pandas as pd
from omegaconf import DictConfig, OmegaConf

from backtrain.backtest import Backtest
from backtrain.config.build import build
from backtrain.config.engine import Engine, Processes
from backtrain.config.keys import TuneKeys
from backtrain.config.study import checked, explained, of_stream, prepared
from backtrain.datasets.calendar import Calendar
from backtrain.lossmatrix.tune import NEVER_ON_ALL, Question, tune
from backtrain.lossmatrix.tuning import Tuning
from backtrain.reports import archive
from backtrain.simulator.progress import Shown
from backtrain.strategies.updates.refit import last_step
from backtrain.understood import Understood

#: Where `backtrain run` finds the advice: --config-dir DIRECTORY strategy=tuned.
PRESET = "strategy/tuned.yaml"


@dataclass(frozen=True)
class TuningStudy:
    """What is tuned, ready to start."""

    backtest: Backtest
    question: Question
    n_jobs: int
    progress: Shown
    parts: Mapping[str, Any]
    report: str = "all"
    engine: Engine = field(default_factory=Processes)
    dataset: Mapping[str, Any] = field(default_factory=dict)

    @cached_property
    def understood(self) -> Understood:
        """What was understood of data and question."""
        on_disk = self.backtest.store.directory is not None
        return Understood.of(self.backtest, [self.question.window], on_disk)

    def tune(self) -> Tuning:
        """Train, score and put it together."""
        with self.engine.running(self.n_jobs):
            tuning = tune(self.question, self.backtest.store, self.n_jobs, self.progress)
        return self.understood.told(tuning)

    def save(self, tuning: Tuning, directory: Path) -> Path:
        """Write the tuning, and what it advises as a preset; returns where the preset lies."""
        tuning.save(directory, {PRESET: preset(tuning, self.parts)}, self.report)
        return archive.tune_path(directory, PRESET)

    def __str__(self) -> str:
        setup, asked = self.backtest, self.question
        step = f"{asked.every} ticks" if asked.every > 1 else "tick"
        start = setup.stream.calendar.day(setup.start_at)
        return (
            f"{of_stream(setup.stream)}; {type(last_step(setup.model)).__name__}, "
            f"{asked.window!r}, {asked.update!r},\n"
            f"trained every {step} of {setup.tick} from {start} on, "
            f"{len(setup.ticks) // asked.every + 1:,} times"
        )


def load(config: DictConfig, chosen: str | None = None) -> TuningStudy:
    """Check the config, read its data and build its parts; raises `ConfigError`."""
    plain = checked(config, TuneKeys)
    with explained():
        # The parts first: a slip in one of them should not wait for the data.
        window, update = build(plain["window"]), build(plain["update"])
        plain, backtest = prepared(config, plain)
        asked = (plain[key] for key in ("every", "intervals", "careful"))
        question = Question.of(backtest, window, update, *asked)
    parts = {part: plain[part] for part in ("window", "update")}
    work = {key: plain[key] for key in ("n_jobs", "progress", "report")}
    return TuningStudy(
        backtest,
        question,
        parts=parts,
        engine=build(plain["engine"]),
        dataset=plain["dataset"],
        **work,
    )


def preset(tuning: Tuning, parts: Mapping[str, Any]) -> bytes:
    """What is advised, with the window and update it was found for, as a strategy preset.

    Parameters
    ----------
    tuning : Tuning
        What was measured.
    parts : mapping
        The configs of its ``window`` and ``update``.
    """
    first, last = (str(tuning.info[key]) for key in ("start", "end"))
    best = tuning.decision.name
    config = {
        "defaults": ["_base", "_self_"],
        "trigger": _trigger(tuning),
        **parts,
        **_window(tuning),
        "tuned_until": Calendar.of(tuning.info).iso(pd.Timestamp(last)),
    }
    days = " to ".join(map(Calendar.of(tuning.info).day, (first, last)))
    comment = f"# Chosen by `backtrain tune`, {days}: {best}."
    return f"{comment}\n{OmegaConf.to_yaml(config)}".encode()


def _window(tuning: Tuning) -> dict[str, Any]:
    """The window of what is advised, where that is not the tuned one."""
    if tuning.decision.name != NEVER_ON_ALL:
        return {}
    return {"window": {"_target_": "backtrain.strategies.Expanding"}}


def _trigger(tuning: Tuning) -> dict[str, Any]:
    """The trigger of what is advised."""
    best, tick = tuning.advised, tuning.info["tick"]
    if tuning.never[best]:
        return {"_target_": "backtrain.strategies.Never"}
    if isinstance(tick, int):
        rows = int(tuning.intervals[best]) * int(tuning.info["every"]) * tick
        return {"_target_": "backtrain.strategies.EveryRows", "rows": rows}
    every = {"every": tuning.labels[best], "phase": "0D", "since": "start"}
    return {"_target_": "backtrain.strategies.Every", **every}
