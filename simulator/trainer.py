"""Trains versions of a strategy, and serves its parts: selects, fits, records."""

import numpy as np

from backtrain.simulator.accounts import Accounts
from backtrain.simulator.answers import AnyUpdate, Fit, Reason, Rows, Selection
from backtrain.simulator.asking import rows_fitted, select, to_learn
from backtrain.simulator.fence import Fence, Services
from backtrain.simulator.log import Log, Readings, VersionEntry
from backtrain.simulator.memory import without_global_random
from backtrain.simulator.model import Model, State, fit_of
from backtrain.simulator.parts import Policy
from backtrain.simulator.predictions import Candidate, Predictions
from backtrain.simulator.probes import Probe
from backtrain.simulator.stability import change
from backtrain.simulator.training import Learner
from backtrain.simulator.view import View

#: So many rows tell whether a training has changed anything.
NEWEST = 100


class Trainer(Services):
    """Fits versions, and what parts order beside; holds what they are fitted from and noted in.

    Attributes
    ----------
    fence, state, view
        What is known, how far the replay has come, and both as parts see them.
    predictions, accounts, log, readings
        What is served, charged, and recorded.
    """

    def __init__(self, learner: Learner, strategy: Policy, probe_all: bool = False) -> None:
        super().__init__(strategy.window, strategy.update)
        setup = learner.setup
        self.setup, self.learner, self.strategy = setup, learner, strategy
        self.predictions = Predictions(learner)
        self.fence = Fence(setup, self.predictions, self)
        self.state = State()
        self.view = View(self.fence, self.state)
        self.accounts = Accounts(setup, self.fence, self.state)
        self.log, self.readings = Log(), Readings()
        self._probe = Probe(learner, probe_all)

    # --- versions -----------------------------------------------------------------------------

    def select(self) -> tuple[Selection, Model | None]:
        """The rows of the next training, and the model that it goes on from, if any."""
        view = self.view
        selection = without_global_random(
            self.window, len(self.log.versions), select, self.window, view
        )
        self.fence.check_labels(selection.rows)
        parent = self.state.model
        if parent is None:
            return selection, None
        selection, afresh = to_learn(self.update, view, selection)
        return selection, None if afresh else parent

    def learn(self, entry: VersionEntry, selection: Selection, parent: Model | None) -> Model:
        """Fit a version; raises `FitError`."""
        entry.span = selection.span()
        entry.rows = len(selection)
        before = self.learner.store.computed
        fit = self.fit(self.update, selection, None if parent is None else fit_of(parent), None)
        entry.shared = self.learner.store.computed == before
        entry.fit, entry.fit_seconds = fit.name, entry.fit_seconds + fit.cpu_seconds
        if parent is not None:
            self._compare(entry.version, fit, parent)
        return Model(self.fence, fit, entry.version, entry.decided_at, parent, selection)

    def candidate(self, version: int, model: Model) -> Candidate:
        """A version that may serve from now on; raises `ModelError` where it must not."""
        candidate = Candidate(version, fit_of(model), self.fence.rows)
        remark = self._probe.first_block(candidate, self.update)
        if remark is not None:
            self.log.event(self.fence.at, "neighbours", version, remark)
        return candidate

    def replaced(self, candidate: Candidate) -> None:
        """Note, and charge, how much answers change as a version takes the champion's place."""
        champion, entry = self.predictions.current.champion, self.log.versions[candidate.version]
        found = change(self.learner, champion, candidate, self.fence.rows)
        entry.changed, entry.flipped, entry.smqc = found
        quantity = found.changed if self.setup.classes is None else found.flipped
        if not np.isnan(quantity):
            self.accounts.spend("flip", candidate.version, quantity, self.accounts.prices.flip)

    def _compare(self, version: int, fit: Fit, parent: Model) -> None:
        """Note a model that goes on from its parent and answers the newest rows just as it does.

        That need not be wrong: what it has learnt may show elsewhere. Nobody is charged.
        """
        update, past = self.update, self.fence.rows
        if not self.needs_parent or fit.model is None:  # recorded: nothing can be asked
            return
        rows = slice(max(0, past - NEWEST), past)
        old, new = (self.learner.answers(one, rows) for one in (fit_of(parent), fit))
        pairs = zip(old.arrays(), new.arrays(), strict=True)
        if all(a is b or np.array_equal(a, b) for a, b in pairs):  # type: ignore[arg-type]
            self.log.event(
                self.fence.at,
                "learnt nothing",
                version,
                f"{update!r}: its answers to the newest {past - rows.start} rows are exactly those "
                f"of version {parent.version}; let it learn more (a longer window, more epochs) or "
                "use Refit()",
            )

    # --- what parts ask for -------------------------------------------------------------------

    def selected(self, view: View) -> Selection:
        """The rows that the strategy's own window selects."""
        return select(self.window, view)

    def fit(
        self,
        update: AnyUpdate,
        selection: Selection,
        parent: Fit | None,
        version: int | None,
        labels: bool = True,
    ) -> Fit:
        """Fit, and charge it to the decision under way, or else to a version on its own."""
        job, rows = self.accounts.job, rows_fitted(update, len(selection))
        if job is not None and version is None:
            job.rows += rows  # also where the fit raises
        champion = self.predictions.current.champion if self.predictions.stretches else None
        fit = self._probe.fit(update, selection, parent, self.fence.rows, champion, labels)
        self.accounts.fitted(fit, rows, version)
        return fit

    def buy(self, rows: Rows) -> None:
        """Charge the labels among ``rows`` that nobody has used yet."""
        self.accounts.buy(rows)

    def charge_check(self, count: int) -> None:
        """Charge statistical checks."""
        self.accounts.charge_check(count)

    def predicted(self, count: int, version: int) -> None:
        """Charge rows that a monitor has scored anew."""
        self.accounts.predicted(count, version)

    def note(self, kind: str, reason: Reason) -> None:
        """Write an event down."""
        champion = self.state.model
        self.log.event(self.fence.at, kind, None if champion is None else champion.version, reason)

    def reading(self, trigger: object, statistic: float, threshold: float) -> None:
        """Record how near a trigger is to firing."""
        self.readings.add(self.fence.at, trigger, statistic, threshold)
