"""Sums by segment, taken while a model is asked, are those of all losses kept: to the last bit."""

from dataclasses import fields, replace
from typing import Any

import numpy as np
import pytest
from sklearn.ensemble import RandomForestClassifier
from sklearn.linear_model import LogisticRegression, Ridge

from backtrain import Backtest, CostMatrix, Delays
from backtrain.datasets.latency import LogNormal, NeverArrives, apply
from backtrain.datasets.synthetic import abrupt
from backtrain.lossmatrix.matrix import LossMatrix
from backtrain.lossmatrix.trial_models import _desk, _instants, loss_matrix
from backtrain.simulator.answers import FitError
from backtrain.simulator.predictions import Candidate
from backtrain.simulator.setup import Setup, outcomes_of
from backtrain.store.fits import FitStore
from backtrain.strategies import Dynamic, Expanding, Refit, Sliding


def all_losses(learner: Any, fit: Any, past: int, until: int) -> Any:
    """Loss times weight of every served row from ``past`` on."""
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


def slow_matrix(setup: Setup, window: Any, update: Any, every: int) -> dict[str, Any]:
    """All losses of all models first, then the borders, then the sums between them."""
    learner, training, fence, view = _desk(setup, window, update, FitStore())
    at, made = _instants(setup, every), []
    for k, now in enumerate(at.tolist()):
        fence.move(now)
        training.begin(view.past)
        try:
            fit = training.fit(update, training.select(view), None, None)
            training.probe.first_block(Candidate(k, fit, view.past), update)
        except FitError:
            made.append((training.rows, view.past, True, None))
            continue
        loss = all_losses(learner, fit, view.past, setup.served.stop)
        made.append((training.rows, view.past, False, loss))
    served, end = setup.served, setup.end_at.value
    rows = np.array([row[0] for row in made], dtype=np.int64)
    delay = [setup.delays.training(int(r)) + setup.delays.deployment() for r in rows]
    in_force = at + np.array(delay, dtype=np.int64)
    in_force[0] = at[0]
    inner = np.unique(np.concatenate((at, in_force[in_force <= end])))
    edges = np.append(setup.event_at.searchsorted(inner), served.stop)
    loss = np.zeros((len(at), len(inner)))
    for k, (_, past, failed, scored) in enumerate(made):
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
    return {
        "decided_at": at,
        "in_force_at": in_force,
        "borders": np.append(inner, end + 1),
        "loss": loss,
        "segment_rows": np.diff(counts[edges - served.start]),
        "rows": rows,
        "failed": np.array([row[2] for row in made]),
    }


def equal(matrix: LossMatrix, slow: dict[str, Any]) -> None:
    for name, values in slow.items():
        found = getattr(matrix, name)
        assert (found.dtype, found.shape) == (values.dtype, values.shape), name
        same = found.tobytes() == values.tobytes()  # pytest would compare megabytes line by line
        assert same, name


def regression(delays: Delays) -> Backtest:
    """Labels late or never; weights, some of them 0."""
    stream = abrupt(n=1_500, task="regression")
    stream = replace(stream, weight=np.random.default_rng(0).integers(0, 4, 1_500) / 3)
    stream = apply(stream, NeverArrives(0.2, base=LogNormal("5h")))
    return Backtest(stream, Ridge(), tick="12h", delays=delays, end="2024-02-25 07:13")


def classification(delays: Delays) -> Backtest:
    """By amounts, with a threshold, and fits that fail where a window holds one class."""
    stream = abrupt(n=900, at=(0.3, 0.6))
    y = stream.y.copy()
    y[300:450] = 1
    stream = replace(stream, y=y, amount=np.arange(900.0))
    costs = CostMatrix({0: {1: 5}, 1: {0: "amount"}})
    model = LogisticRegression()
    return Backtest(stream, model, tick="1D", delays=delays, loss=costs, threshold="cost")


DELAYS = (
    Delays(),
    Delays(train="3h", deploy="1D"),
    Delays(train="30h", train_per_1k_rows="20h"),
    Delays(train_per_1k_rows="9D", deploy="5min"),
)


@pytest.mark.parametrize("delays", DELAYS, ids=str)
@pytest.mark.parametrize("make", [regression, classification])
@pytest.mark.parametrize("every", [1, 3])
def test_sums_are_those_of_all_losses(make: Any, delays: Delays, every: int) -> None:
    backtest = make(delays)
    window = Sliding("2D")
    slow = slow_matrix(backtest, window, Refit(), every)
    equal(loss_matrix(backtest, window, Refit(), FitStore(), every), slow)
    equal(loss_matrix(backtest, window, Refit(), FitStore(), every, n_jobs=2), slow)
    assert slow["failed"].any() == (make is classification)
    assert (slow["loss"] != 0).any()


@pytest.mark.parametrize("delays", [Delays("3h"), Delays(train_per_1k_rows="9h")], ids=str)
def test_a_window_that_fits_takes_the_time_of_all_its_fits(delays: Delays) -> None:
    stream = abrupt(n=1_200, task="regression")
    backtest = Backtest(stream, Ridge(), tick="2D", delays=delays)
    slow = slow_matrix(backtest, Dynamic([Sliding("3D"), Expanding()]), Refit(), 1)
    assert len(set(slow["rows"].tolist())) > 2
    equal(loss_matrix(backtest, Dynamic([Sliding("3D"), Expanding()]), Refit(), FitStore()), slow)


def test_rows_are_counted_without_a_fit_of_their_own() -> None:
    """The first pass, where delays depend on rows, only asks the window."""
    for delays in (Delays(train="1h"), Delays(train_per_1k_rows="1h")):
        store = FitStore()
        backtest = regression(delays)
        matrix = loss_matrix(backtest, Sliding("10D"), Refit(), store, 5)
        assert store.asked == store.computed == len(matrix)


def test_losses_are_not_kept(monkeypatch: pytest.MonkeyPatch) -> None:
    """What comes back from a worker does not grow with the number of rows."""
    from backtrain.lossmatrix import trial_models

    sizes = []
    for n in (1_000, 4_000):
        kept: list[Any] = []
        own = trial_models.assembled
        monkeypatch.setattr(
            trial_models,
            "assembled",
            lambda *args, own=own, kept=kept: kept.append(args) or own(*args),
        )
        backtest = Backtest(
            abrupt(n=n, freq=f"{4_000 // n}h"), RandomForestClassifier(2, max_depth=2)
        )
        matrix = backtest.loss_matrix(every=20)
        made = kept[0][-1]
        sizes.append(sum(one.sums.nbytes for one in made) / (len(matrix) * len(matrix.borders)))
    assert sizes[0] == sizes[1] == 8


def test_the_reference_would_tell_another_arithmetic() -> None:
    backtest = regression(DELAYS[1])
    slow = slow_matrix(backtest, Sliding("2D"), Refit(), 1)
    matrix = loss_matrix(backtest, Sliding("2D"), Refit(), FitStore())
    other = replace(matrix, loss=np.nextafter(matrix.loss, np.inf))
    assert {field.name for field in fields(LossMatrix)} > set(slow)
    with pytest.raises(AssertionError, match="loss"):
        equal(other, slow)
