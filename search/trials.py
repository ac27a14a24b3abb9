"""A trial: what one strategy costs on a stretch of the history; each is computed once."""

import hashlib
from collections.abc import Mapping, Sequence
from contextlib import closing
from dataclasses import dataclass, field, replace

import numpy as np
import pandas as pd

from backtrain.simulator.answers import PartError
from backtrain.simulator.progress import Stage
from backtrain.simulator.record import Run
from backtrain.simulator.replay import replay
from backtrain.simulator.setup import Setup, SetupError
from backtrain.simulator.texts import code
from backtrain.simulator.workers import WorkerError, each
from backtrain.store.code_version import environment, origin_of
from backtrain.store.content import content
from backtrain.store.fits import FitStore
from backtrain.strategies.strategy import Strategy

#: What a search can make small: money, counts of trainings, and the mean loss of a row.
MONEY = ("total", "error", "train", "label", "check", "deploy", "flip", "predict")
COUNTS = ("retrains", "deployed", "rejected", "failed")
#: By how much answers changed at all deployments together.
CHANGES = ("changed_total", "flipped_total")
OBJECTIVES = (*MONEY, *COUNTS, *CHANGES, "loss")

Values = Mapping[str, float]


@dataclass(frozen=True)
class Failed:
    """Why a trial has no values."""

    why: str


@dataclass(eq=False)
class Stretch:
    """A part of the history, and what was found of strategies on it.

    Parameters
    ----------
    setup : Setup
        Data, model, prices.
    first, last : Timestamp
        The first and the last instant that is served.
    known : Timestamp, optional
        Rows whose labels arrive later are not scored: nobody could have chosen by them then.
    """

    setup: Setup
    store: FitStore
    first: pd.Timestamp
    last: pd.Timestamp
    known: pd.Timestamp | None = None
    _found: dict[str, Values | Failed] = field(default_factory=dict)

    def __post_init__(self) -> None:
        self.setup = replace(self.setup, start=self.first, end=self.last)
        setup = self.setup
        #: All that a trial depends on, beside its strategy.
        self._asked = (
            *(environment(), setup.stream.fingerprint, setup.features, setup.seed),
            *(self.first.value, self.last.value, str(self.known)),
            *map(content, (setup.model, setup.tick, setup.prices, setup.delays)),
            *map(content, (setup.row_loss, setup.threshold)),
            *(metric.name for metric in setup.row_metrics),
        )

    def values(
        self, strategies: Sequence[Strategy], n_jobs: int = 1, told: Stage | None = None
    ) -> list[Values | Failed]:
        """What each strategy costs; what was found before is not replayed again.

        ``told`` is told of each that is done.
        """
        names = [self._name(strategy) for strategy in strategies]
        for name, strategy in zip(names, strategies, strict=True):
            if name not in self._found and (kept := self.store.found(*self._key(name, strategy))):
                self._found[name] = kept
        new = {n: s for n, s in zip(names, strategies, strict=True) if n not in self._found}
        told = told or Stage("trials", len(names))
        if len(names) > len(new):
            told.more(len(names) - len(new))
        pieces = {
            f"tried {' '.join(code(strategy).split())} ({name[:8]})": (name, strategy, self.known)
            for name, strategy in new.items()
        }
        try:
            with closing(each(_tried, self.setup, self.store, pieces, n_jobs)) as done:
                for _, (name, found) in done:
                    self._found[name] = found
                    if not isinstance(found, Failed):
                        key, lasting = self._key(name, new[name])
                        self.store.put(key, dict(found), lasting)
                    told.more(1)
        except WorkerError as error:
            for piece, why in error.died.items():
                self._found[pieces[piece][0]] = Failed(why)
        return [self._found[name] for name in names]

    def _name(self, strategy: Strategy) -> str:
        return content(replace(strategy, tuned_until=None))

    def _key(self, name: str, strategy: Strategy) -> tuple[str, bool]:
        """The name under which a store keeps it, and whether that holds in other processes."""
        setup = self.setup
        # `Setup` and `values_of` stand for the code that replays, and that reads what came out.
        code = (Setup, values_of, setup.row_loss, setup.threshold)
        origin = origin_of((strategy, setup.model, *code))
        text = repr(("trial", name, origin.versions, *self._asked))
        return hashlib.blake2b(text.encode(), digest_size=16).hexdigest(), origin.lasting


def _tried(
    setup: Setup, store: FitStore, name: str, strategy: Strategy, known: pd.Timestamp | None
) -> tuple[str, Values | Failed]:
    try:
        return name, values_of(replay(setup, strategy, store, "trial"), known)
    except (PartError, SetupError) as error:
        return name, Failed(" ".join(str(error).split()))


def values_of(run: Run, known: pd.Timestamp | None = None) -> dict[str, float]:
    """The numbers of a run; of rows whose label is not ``known`` by then, no error is charged."""
    totals, rows = run.totals, run.predictions
    values = {key: float(totals.get(key, 0)) for key in (*MONEY, *COUNTS, "initial")}
    values |= {key: float(totals.get(key, np.nan)) for key in CHANGES}
    scored = rows["loss"].notna().to_numpy()
    if known is not None:
        scored = scored & (rows["label_time"] <= known).to_numpy()
    weight = rows["weight"].to_numpy()[scored]
    loss = float((rows["loss"].to_numpy()[scored] * weight).sum())
    error = run.info["prices"]["error"] * loss
    values["total"] += error - values["error"]
    values |= {"error": error, "loss": float(loss / weight.sum()) if weight.sum() else np.nan}
    return values | {"rows": float(len(rows)), "scored": float(scored.sum())}
