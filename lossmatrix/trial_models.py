"""Trains a model at every tick and scores it on everything later: how a loss matrix is made."""

import time
from collections.abc import Callable, Iterator, Sequence
from dataclasses import dataclass
from typing import Any, NamedTuple, NoReturn

import joblib
import numpy as np

from backtrain.lossmatrix.curves import Floats, Integers
from backtrain.lossmatrix.matrix import LossMatrix
from backtrain.simulator.answers import AnyUpdate, Fit, FitError, PartError, Selection
from backtrain.simulator.asking import needs_parent, rows_fitted, select
from backtrain.simulator.fence import Fence, Services
from backtrain.simulator.memory import Memory, without_global_random
from backtrain.simulator.model import State
from backtrain.simulator.parts import AnyWindow
from backtrain.simulator.predictions import Candidate, Predictions
from backtrain.simulator.probes import Probe
from backtrain.simulator.process import deaf_workers, one_thread
from backtrain.simulator.setup import Setup, outcomes_of, unchanged
from backtrain.simulator.texts import code
from backtrain.simulator.training import Learner
from backtrain.simulator.view import View
from backtrain.store.fits import FitStore, StoredFit


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
        Where fits are shared.
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
    at = _instants(setup, every)
    chunks = np.array_split(np.arange(len(at)), max(1, joblib.effective_n_jobs(n_jobs) * 8))
    work = [(setup, window, update, store, at, chunk) for chunk in chunks if len(chunk)]
    made: list[_Scored] = []
    for part in _each(_score, work, n_jobs):
        made += part
        if progress is not None:
            progress(len(part))
    return _assemble(setup, window, update, at, made)


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
    with one_thread(setup.model), unchanged(setup.stream, store):
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
        began = time.process_time()
        _loss_after(learner, fit, past, served.stop)
        return StoredFit(name, None, time.process_time() - began, 0)

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


def _each(
    work: Callable[..., Any], pieces: Sequence[tuple[Any, ...]], n_jobs: int
) -> Iterator[Any]:
    """What comes of each piece of work, in their order; in processes where there are several."""
    if joblib.effective_n_jobs(n_jobs) == 1:
        return (work(*piece) for piece in pieces)
    parallel = joblib.Parallel(n_jobs=n_jobs, return_as="generator")
    with deaf_workers():
        return iter(parallel(joblib.delayed(work)(*piece) for piece in pieces))


_Scored = tuple[int, int, float, bool, Any]


def _score(
    setup: Setup,
    window: AnyWindow,
    update: AnyUpdate,
    store: FitStore,
    at: Integers,
    chunk: Integers,
) -> list[_Scored]:
    """For each trial model: rows fitted, past, CPU seconds, failed or not, loss of later rows."""
    learner, training, fence, view = _desk(setup, window, update, store)
    memory = Memory(window, update)
    out: list[_Scored] = []
    with one_thread(setup.model), unchanged(setup.stream, store):
        for k in chunk.tolist():
            fence.move(int(at[k]))
            training.begin(view.past)
            try:
                fit = training.fit(update, training.select(view), None, None)
                training.probe.first_block(Candidate(k, fit, view.past), update)
            except FitError:
                out.append((training.rows, view.past, training.cpu_seconds, True, None))
                continue
            loss = _loss_after(learner, fit, view.past, setup.served.stop)
            out.append((training.rows, view.past, training.cpu_seconds, False, loss))
    memory.check()
    store.flush()
    return out


def _loss_after(learner: Learner, fit: Fit, past: int, until: int) -> Floats:
    """Loss times weight of served rows from ``past`` to ``until``, in the blocks of a replay."""
    setup = learner.setup
    row = max(past, setup.served.start)
    losses = [np.empty(0)]
    while row < until:
        start, stop, answers = learner.block(fit, past, row, keep=False)
        rows = slice(row, min(stop, until))
        part = slice(rows.start - start, rows.stop - start)
        outcomes = outcomes_of(
            setup,
            rows,
            setup.outcome,
            answers.prediction[part],
            None if answers.score is None else answers.score[part],
            None if answers.probability is None else answers.probability[part],
        )
        loss = setup.losses(outcomes)
        losses.append(loss if outcomes.weight is None else loss * outcomes.weight)
        row = rows.stop
    return np.concatenate(losses)


def _assemble(
    setup: Setup, window: AnyWindow, update: AnyUpdate, at: Integers, made: list[_Scored]
) -> LossMatrix:
    served, end = setup.served, setup.end_at.value
    rows = np.array([row[0] for row in made], dtype=np.int64)
    delay = [setup.delays.training(int(r)) + setup.delays.deployment() for r in rows]
    in_force = at + np.array(delay, dtype=np.int64)
    in_force[0] = at[0]
    inner = np.unique(np.concatenate((at, in_force[in_force <= end])))
    borders = np.append(inner, end + 1)
    edges = np.append(setup.event_at.searchsorted(inner), served.stop)
    loss = np.zeros((len(at), len(inner)))
    for k, (_, past, _, failed, scored) in enumerate(made):
        if failed:
            continue
        first = int(np.searchsorted(inner, in_force[k]))
        padded = np.zeros(served.stop - served.start)
        padded[max(past, served.start) - served.start :] = np.nan_to_num(scored)
        sums = np.concatenate(([0.0], np.cumsum(padded)))
        loss[k, first:] = np.diff(sums[edges - served.start])[first:]
    weight = np.ones(served.stop - served.start)
    if setup.stream.weight is not None:
        weight = setup.stream.weight[served].astype(np.float64)
    labelled = setup.label_at[served] < np.iinfo(np.int64).max
    counts = np.concatenate(([0.0], np.cumsum(weight * labelled)))
    return LossMatrix(
        decided_at=at,
        in_force_at=in_force,
        borders=borders,
        loss=loss,
        segment_rows=np.diff(counts[edges - served.start]),
        rows=rows,
        cpu_seconds=np.array([row[2] for row in made]),
        failed=np.array([row[3] for row in made]),
        window=code(window),
        update=code(update),
        prices=setup.prices,
    )


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
    work = [(setup, window, update, store, chosen, edges) for window in windows]
    measured = []
    for part in _each(_fresh, work, n_jobs):
        measured.append(part)
        if progress is not None:
            progress(len(chosen))
    loss, rows = (np.array(part) for part in zip(*measured, strict=True))
    return FreshLosses(loss, rows, chosen)


def _fresh(
    setup: Setup,
    window: AnyWindow,
    update: AnyUpdate,
    store: FitStore,
    at: Integers,
    edges: Integers,
) -> tuple[Floats, Integers]:
    learner, training, fence, view = _desk(setup, window, update, store)
    loss, rows = np.full(len(at), np.nan), np.zeros(len(at), dtype=np.int64)
    weight = setup.stream.weight
    with one_thread(setup.model), unchanged(setup.stream, store):
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
            scored = _loss_after(learner, fit, first, last)
            labelled = ~np.isnan(scored)
            counted = labelled if weight is None else labelled * weight[first:last]
            if counted.sum() > 0:
                loss[point] = np.nansum(scored) / counted.sum()
    return loss, rows
