"""Who pays for what: trainings, fits, labels, checks and predictions of one replay."""

from dataclasses import dataclass
from typing import Literal

import numpy as np

from backtrain.simulator.answers import Fit, Rows, Selection, positions
from backtrain.simulator.fence import Fence
from backtrain.simulator.ledger import Ledger
from backtrain.simulator.model import State
from backtrain.simulator.setup import Setup


@dataclass(slots=True, eq=False)
class Job:
    """One decision to train, and what its fits have taken so far."""

    version: int
    kind: Literal["initial", "train"]
    rows: int = 0
    cpu_seconds: float = 0.0
    goes_on: bool = False  # from the model in force
    begun: bool = True  # false while its window and gate may still refuse it
    labels: tuple[int, int] = (0, 0)  # bought before that: of rows before start, and after


class Accounts:
    """Charges each thing to the version that owes it.

    While a decision to train is under way (``job``), what parts have fitted or scored belongs to
    it; else it belongs to the champion.
    """

    def __init__(self, setup: Setup, fence: Fence, state: State) -> None:
        self.prices = setup.prices
        self.ledger = Ledger()
        self.job: Job | None = None
        self._setup, self._fence, self._state = setup, fence, state
        self._bought = np.zeros(len(setup.stream) if setup.prices.label else 0, dtype=bool)

    @property
    def champion(self) -> int:
        """The version that serves."""
        assert self._state.model is not None
        return self._state.model.version

    def fitted(self, fit: Fit, rows: int, version: int | None) -> None:
        """Charge a fit on so many rows: to the decision under way, or to a version on its own."""
        job = self.job
        if job is None or (version is not None and job.kind != "initial"):
            owner = self.champion if version is None else version
            self.charge_fitting("train", owner, rows, fit.cpu_seconds)
            return
        if version is not None:  # a reference, asked for while tuning
            job.rows += rows
        job.cpu_seconds += fit.cpu_seconds

    def charge_training(self, job: Job, selection: Selection | None) -> None:
        """Charge a training: its fixed price, what was fitted, and the labels of its window."""
        prices = self.prices
        self.spend(job.kind, job.version, 1, prices.start_of(job.goes_on))
        self.charge_fitting(job.kind, job.version, job.rows, job.cpu_seconds)
        if selection is not None:
            self.buy(selection.rows)

    def charge_fitting(self, kind: str, version: int, rows: int, cpu_seconds: float) -> None:
        """Charge fits by their rows and CPU seconds."""
        prices = self.prices
        self.spend(kind, version, rows / 1000, prices.per_1k_rows)
        self.spend(kind, version, cpu_seconds / 3600, prices.cpu_hour)

    def spend(self, kind: str, version: int, quantity: float, price: float) -> None:
        """Charge now."""
        self.ledger.charge(self._fence.at, kind, version, quantity, price)
        self._state.spent = self.ledger.spent

    def charge_check(self, count: int) -> None:
        """Charge statistical checks to the champion."""
        price, first = self.prices.check, self._state.model is None
        kind, version = ("initial", 0) if first else ("check", self.champion)
        self.spend(kind, version, count, price)

    def buy(self, rows: Rows) -> None:
        """Charge the labels among ``rows`` that nobody has used yet."""
        price = self.prices.label
        if not price:
            return
        fresh = ~self._bought[rows]
        if not fresh.any():
            return
        bought = positions(rows)[fresh]
        self._bought[bought] = True
        before = int(np.count_nonzero(bought < self._setup.served.start))
        after, job = len(bought) - before, self.job
        if job is None:
            self.charge_labels(self.champion, before, after)
        elif job.begun:
            self.charge_labels(job.version, before, after)
        else:  # who pays is not decided yet: the new version, or the champion if it is refused
            job.labels = job.labels[0] + before, job.labels[1] + after

    def charge_labels(self, version: int, before: int, after: int) -> None:
        """Charge so many labels of rows before ``start``, and of rows since."""
        if not before and not after:
            return
        price = self.prices.label
        self.spend("initial", version, before, price)
        self.spend("label", version, after, price)

    def predicted(self, count: int, version: int) -> None:
        """Charge rows that a monitor has scored anew; else it is part of tuning or training."""
        if self.job is None:
            owner = self.champion if version < 0 else version
            price = self.prices.per_1k_predictions
            self.spend("predict", owner, count / 1000, price)

    def settle(self, job: Job, rows: int, cpu_seconds: float) -> None:
        """Charge what was fitted for a training under way since it had these rows and seconds."""
        self.job = None
        if job.rows != rows:
            more = job.cpu_seconds - cpu_seconds
            self.charge_fitting(job.kind, job.version, job.rows - rows, more)
