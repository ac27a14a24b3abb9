"""Trains a model at every tick and scores it on everything later: how a loss matrix is made."""

from collections.abc import Callable, Mapping, Sequence
from contextlib import closing, suppress
from dataclasses import dataclass
from typing import Any, NamedTuple, NoReturn

import numpy as np

from backtrain.lossmatrix.curves import Floats, Integers
from backtrain.lossmatrix.matrix import LossMatrix
from backtrain.lossmatrix.segments import Scored, Segments, assembled, losses_after, sums_before
from backtrain.lossmatrix.shared import Name, found, keep
from backtrain.simulator.answers import AnyUpdate, Fit, FitError, PartError, Selection
from backtrain.simulator.asking import needs_parent, rows_fitted, select
from backtrain.simulator.fence import Fence, Services
from backtrain.simulator.memory import Memory, without_global_random
from backtrain.simulator.model import State
from backtrain.simulator.parts import AnyWindow
from backtrain.simulator.predictions import Candidate, Predictions
from backtrain.simulator.probes import Probe
from backtrain.simulator.process import cpu_seconds, one_process
from backtrain.simulator.setup import Setup, unchanged
from backtrain.simulator.texts import code
from backtrain.simulator.training import Learner
from backtrain.simulator.view import View
from backtrain.simulator.workers import each
from backtrain.store.fits import FitStore, StoredFit

#: Trial models that a worker makes at once: enough to forget what it takes to begin, and few enough
#: to keep many workers busy. Not a matter of how many there are: nothing may depend on that.
MODELS = 8


class PathError(PartError):
    """A window selects by what was trained or served before, which a loss matrix does not know."""


class _TrialTraining(Services):
    """Fits trial models, and what their window searches with; charges nothing, but counts fits."""

    def __init__(self, learner: Learner, window: AnyWindow, update: AnyUpdate) -> None:
        super().__init__(window, update)
        self.probe = Probe(learner)
        self.begin(0)
        self._followed = ""
        self._asked = 0

    def begin(self, past: int) -> None:
        """Count anew, for a trial model that may know so many rows."""
        self.past = past
        self.rows = 0
        self.cpu_seconds = 0.0

    def select(self, view: View) -> Selection:
        """What the window chooses; raises `PathError` where that follows from other trainings."""
        self._asked += 1
        try:
            return without_global_random(self.window, self._asked, select, self.window, view)
        finally:
            if self._followed:  # also where the window has caught the error
                raise self.follows(self._followed)

    def follows(self, name: str) -> PathError:
        """Keep in mind what the window has asked for, and say why that cannot be."""
        self._followed = name
        return PathError(
            f"{code(self.window)} reads view.{name}: it selects by what was trained before, which "
            "a matrix of models for every schedule does not know; use a window that looks at the "
            "history alone, such as Sliding or Expanding"
        )

    def selected(self, view: View) -> Selection:
        """What the window chooses, for ``view.candidate``."""
        return select(self.window, view)

    def fit(
        self,
        update: AnyUpdate,
        selection: Selection,
        parent: Fit | None,
        version: int | None,
        labels: bool = True,
    ) -> Fit:
        """Fit, and count it."""
        self.rows += rows_fitted(update, len(selection))  # also where it raises, as in a replay
        fit = self.probe.fit(update, selection, parent, self.past, labels=labels)
        self.cpu_seconds += fit.cpu_seconds
        return fit


def _refused(name: str, called: bool) -> Any:
    """A member of the view that raises `PathError`, a property or a method."""

    def refuse(view: _UnplayedView, *_: object, **__: object) -> NoReturn:
        raise view.training.follows(f"{name}()" if called else name)

    return refuse if called else property(refuse)


class _UnplayedView(View):
    """The past without what follows from a strategy's own trainings: that raises `PathError`.

    How many rows were served, and how many of their labels have arrived, depends on the history
    alone.
    """

    __slots__ = ("training",)

    def __init__(self, fence: Fence, training: _TrialTraining) -> None:
        super().__init__(fence, State())
        self.training = training


for _name in ("reason", "trainings", "spent", "model", "challenger", "trial_rows", "served"):
    setattr(_UnplayedView, _name, _refused(_name, called=False))
for _name in ("arrived", "answered", "answers"):
    setattr(_UnplayedView, _name, _refused(_name, called=True))


def loss_matrix(
    setup: Setup,
    window: AnyWindow,
    update: AnyUpdate,
    store: FitStore | None = None,
    every: int = 1,
    n_jobs: int = 1,
    progress: Callable[[int], None] | None = None,
) -> LossMatrix:
    """Train a model at ``start`` and at every ``every``-th tick; score each on all that follows.

    Parameters
    ----------
    setup : Setup
        History, model, delays and loss.
    window, update : Window, Update
        What trial models are trained on, and how; the update may not need a parent.
    store : FitStore, optional
        Where fits are shared, and the matrix itself is kept.
    every : int
        Thin the ticks out.
    n_jobs : int
        Processes; the result does not depend on it.
    progress : callable, optional
        Called, now and then, with how many more models are done.

    Raises
    ------
    PathError
        When the window, at any of these instants, looks at what was trained, served or wanted
        before: these differ from one schedule to another. It is a `PartError`.
    """
    if needs_parent(update):
        raise PartError(f"loss_matrix(update={update!r}): needs a parent; a matrix takes Refit()")
    store = FitStore() if store is None else store
    name = Name.of(Learner(setup, store), window, update, every)
    kept = found(store, name, setup, window, update)
    if isinstance(kept, str):
        raise PathError(kept)
    if kept is None:
        try:
            kept = _made(setup, window, update, store, every, n_jobs, progress)
        except PathError as error:
            keep(store, name, str(error))
            raise
        keep(store, name, kept)
        store.flush()
    elif progress is not None:
        progress(len(kept))
    return kept


def _made(
    setup: Setup,
    window: AnyWindow,
    update: AnyUpdate,
    store: FitStore,
    every: int,
    n_jobs: int,
    progress: Callable[[int], None] | None,
) -> LossMatrix:
    at = _instants(setup, every)
    rows = np.zeros(len(at), dtype=np.int64)
    by = f"of {code(window)}"
    if setup.delays.more_training(1000):  # when a model serves depends on the rows of its fits
        work = _chunks(f"counted rows {by}", len(at), window, update, at)
        rows = np.array(_in_order(_count, setup, store, work, n_jobs), dtype=np.int64)
    segments = Segments.of(setup, at, rows)
    work = _chunks(f"trained models {by}", len(at), window, update, at, segments.edges)
    made: list[Scored] = _in_order(_score, setup, store, work, n_jobs, progress)
    return assembled(setup, window, update, segments, made)


def _chunks(what: str, models: int, *given: Any) -> dict[str, tuple[Any, ...]]:
    """Pieces of work on `MODELS` trial models each, by what errors call them."""
    chunks = np.split(np.arange(models), range(MODELS, models, MODELS))
    return {f"{what}, {c[0] + 1} to {c[-1] + 1},": (*given, c) for c in chunks}


def _in_order(
    work: Callable[..., list[Any]],
    setup: Setup,
    store: FitStore,
    pieces: Mapping[str, tuple[Any, ...]],
    n_jobs: int,
    progress: Callable[[int], None] | None = None,
) -> list[Any]:
    """What comes of all pieces, one after the other, wherever they are done."""
    parts: dict[str, list[Any]] = {}
    done = each(work, setup, store, pieces, n_jobs)
    with unchanged(setup.stream, store, whole=True), closing(done):
        for name, part in done:
            parts[name] = part
            if progress is not None:
                progress(len(part))
    return [found for name in pieces for found in parts[name]]


def _instants(setup: Setup, every: int) -> Integers:
    """When trial models are trained: at ``start``, and at every so many ticks, in nanoseconds."""
    return np.concatenate(([setup.start_at.value], setup.ticks[every - 1 :: every]))


class Effort(NamedTuple):
    """CPU seconds: to train a trial model, on average, and to ask one about all served rows."""

    train: float
    ask: float

    @property
    def model(self) -> float:
        """Of a trial model, which is asked about half of the rows, on average."""
        return self.train + self.ask / 2


def effort(
    setup: Setup, window: AnyWindow, update: AnyUpdate, store: FitStore, every: int = 1
) -> Effort:
    """What a trial model takes, by the first and the last one; between them it grows evenly.

    Seconds are measured once, as those of a fit are: who has the store, has them. The parameters
    are those of `loss_matrix`, and so is `PathError`.
    """
    learner, training, fence, view = _desk(setup, window, update, store)
    trained, asked = [], 0.0
    with one_process(setup.model), unchanged(setup.stream, store):
        for now in _instants(setup, every)[[0, -1]].tolist():
            fence.move(now)
            training.begin(view.past)
            try:
                fit = training.fit(update, training.select(view), None, None)
            except FitError:
                continue
            finally:
                trained.append(training.cpu_seconds)
            if now == setup.start_at.value:
                asked = _asking(learner, fit, view.past)
    store.flush()
    return Effort(float(np.mean(trained)), asked)


def _asking(learner: Learner, fit: Fit, past: int) -> float:
    """CPU seconds of asking a model about all served rows; kept under the fit's name."""
    served = learner.setup.served

    def measure() -> StoredFit:
        began = cpu_seconds()
        for _ in losses_after(learner, fit, past, served.stop):
            pass
        return StoredFit(name, None, cpu_seconds() - began, 0)

    name = f"{fit.name}.asked.{served.start}.{served.stop}"
    return learner.store.fit(name, measure, fit.lasting)[0].cpu_seconds


def _desk(
    setup: Setup, window: AnyWindow, update: AnyUpdate, store: FitStore
) -> tuple[Learner, _TrialTraining, Fence, _UnplayedView]:
    """Who trains trial models, and what their window sees."""
    learner = Learner(setup, store)
    training = _TrialTraining(learner, window, update)
    fence = Fence(setup, Predictions(learner), training)
    return learner, training, fence, _UnplayedView(fence, training)


def _count(
    setup: Setup,
    store: FitStore,
    window: AnyWindow,
    update: AnyUpdate,
    at: Integers,
    chunk: Integers,
) -> list[int]:
    """Rows fitted for each trial model, those of its window's search included; it is not fitted."""
    _, training, fence, view = _desk(setup, window, update, store)
    counted = []
    with one_process(setup.model), unchanged(setup.stream, store):
        for k in chunk.tolist():
            fence.move(int(at[k]))
            training.begin(view.past)
            with suppress(FitError):
                selection = training.select(view)  # counts what it fits itself
                training.rows += rows_fitted(update, len(selection))
            counted.append(training.rows)
    return counted


def _score(
    setup: Setup,
    store: FitStore,
    window: AnyWindow,
    update: AnyUpdate,
    at: Integers,
    edges: Integers,
    chunk: Integers,
) -> list[Scored]:
    """Train models and ask them about all later rows; of their losses only sums are kept."""
    learner, training, fence, view = _desk(setup, window, update, store)
    memory = Memory(window, update)
    out: list[Scored] = []
    with one_process(setup.model), unchanged(setup.stream, store):
        for k in chunk.tolist():
            fence.move(int(at[k]))
            training.begin(view.past)
            sums = np.zeros(len(edges))
            try:
                fit = training.fit(update, training.select(view), None, None)
                training.probe.first_block(Candidate(k, fit, view.past), update)
            except FitError:
                failed = True
            else:
                failed = False
                sums = sums_before(edges, learner, fit, view.past)
            out.append(Scored(training.rows, training.cpu_seconds, failed, sums))
    memory.check()
    store.flush()
    return out


@dataclass(frozen=True, eq=False)
class FreshLosses:
    """How fresh models do, by window and by the point in time at which they were trained.

    Attributes
    ----------
    loss : ndarray of shape (W, P)
        Mean loss over the stretch that follows; NaN where nothing could be trained or scored.
    rows : ndarray of shape (W, P)
        Rows trained on.
    points : ndarray of shape (P,)
        When, in nanoseconds.
    """

    loss: Floats
    rows: Integers
    points: Integers


def fresh_losses(
    setup: Setup,
    windows: Sequence[AnyWindow],
    update: AnyUpdate,
    store: FitStore | None = None,
    points: int = 12,
    n_jobs: int = 1,
    progress: Callable[[int], None] | None = None,
) -> FreshLosses:
    """Train on each window at several ticks; score each model on the stretch up to the next one.

    The ticks are spread evenly over the replayed span, so every window is judged on the same rows.
    ``progress`` is called, now and then, with how many more models are done.
    """
    store = FitStore() if store is None else store
    ticks = np.concatenate(([setup.start_at.value], setup.ticks))
    chosen = ticks[np.unique(np.linspace(0, len(ticks), points, endpoint=False).astype(np.int64))]
    edges = np.append(setup.event_at.searchsorted(chosen), setup.served.stop)
    pieces = {
        f"trained on {code(window)}, window {number},": (window, update, chosen, edges)
        for number, window in enumerate(windows, 1)
    }
    measured = _in_order(_fresh, setup, store, pieces, n_jobs, progress)
    loss, rows = (
        np.array(part).reshape(len(windows), len(chosen)) for part in zip(*measured, strict=True)
    )
    return FreshLosses(loss, rows, chosen)


def _fresh(
    setup: Setup,
    store: FitStore,
    window: AnyWindow,
    update: AnyUpdate,
    at: Integers,
    edges: Integers,
) -> list[tuple[float, int]]:
    """Mean loss over the stretch that follows, and rows trained on, at each point."""
    learner, training, fence, view = _desk(setup, window, update, store)
    loss, rows = np.full(len(at), np.nan), np.zeros(len(at), dtype=np.int64)
    weight = setup.weight
    with one_process(setup.model), unchanged(setup.stream, store):
        for point, now in enumerate(at.tolist()):
            fence.move(now)
            training.begin(view.past)
            selection = training.select(view)
            rows[point] = len(selection)
            try:
                fit = training.fit(update, selection, None, None)
            except FitError:
                continue
            first, last = int(edges[point]), int(edges[point + 1])
            parts = [losses for _, losses in losses_after(learner, fit, first, last)]
            scored = np.concatenate([np.empty(0), *parts])
            labelled = ~np.isnan(scored)
            counted = labelled if weight is None else labelled * weight[first:last]
            if counted.sum() > 0:
                loss[point] = np.nansum(scored) / counted.sum()
    return list(zip(loss.tolist(), rows.tolist(), strict=True))
