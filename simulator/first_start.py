"""The first instant from which there is something to learn from, where that is later than asked."""

from collections.abc import Iterator
from dataclasses import replace

import numpy as np
import pandas as pd

from backtrain.simulator.parts import Policy
from backtrain.simulator.setup import Setup, SetupError
from backtrain.simulator.trainer import Trainer
from backtrain.simulator.training import Learner
from backtrain.store.fits import FitStore


def too_early(setup: Setup, strategy: Policy) -> str:
    """Which ``start`` has labels to learn from, or that none has; nothing where this one has.

    In words that follow an error.
    """
    if _learns(setup, strategy):
        return ""
    at = _first(setup, strategy)
    known = next(_instants(setup), None)  # from then on a window of all that is past holds labels
    if at is None:
        two = " of two classes" if setup.task == "classification" else ""
        none = f"; at no start does {strategy.window!r} hold labels{two}"
        if known is None:
            return f"{none}, nor would a longer window"
        late = f" from {as_start(setup, known)} on" if known > setup.start_at else ""
        return (
            f"{none}: it is too short for them; a longer one does{late}, such as window=expanding"
        )
    return _later(setup, strategy, at) + (
        "; or a longer window, such as window=expanding"
        if known is not None and known <= setup.start_at
        else ""
    )


def _later(setup: Setup, strategy: Policy, at: pd.Timestamp) -> str:
    """The start that works, as it was asked for."""
    when = as_start(setup, at)
    if not isinstance(setup.start, float):
        return f"; start={when} is the first that works"
    first, last = setup.stream.span
    share = float(np.ceil((at - first) / (last - first) * 1000) / 1000)
    works = share < 1 and _learns(replace(setup, start=share), strategy)
    return f"; the first that works is {when}" + (f", start={share:.3g}" if works else "")


def as_start(setup: Setup, at: pd.Timestamp) -> str:
    """An instant as ``start`` takes it: a local time of the stream, where it has a time zone."""
    local = setup.stream.calendar.to_local(at)
    return f"{local:%Y-%m-%d}" if local == local.normalize() else local.isoformat()


def _first(setup: Setup, strategy: Policy) -> pd.Timestamp | None:
    for at in _instants(setup):
        try:
            later = replace(setup, start=at)
        except SetupError:  # nothing is left to serve
            return None
        if _learns(later, strategy):
            return at
    return None


def _learns(setup: Setup, strategy: Policy) -> bool:
    """Whether the window holds labels at ``start``, of two classes if any."""
    trainer = Trainer(Learner(setup, FitStore()), strategy)
    trainer.fence.move(setup.start_at.value)
    selection, _ = trainer.select()
    several = setup.classes is None or len(np.unique(setup.truth[selection.rows])) > 1
    return len(selection) > 0 and several


def _instants(setup: Setup) -> Iterator[pd.Timestamp]:
    """When the first label is known of a row that is past, the second, the fourth, and so on.

    For a classifier that is a label of the second class, and those after it.
    """
    event, label = setup.event_at, setup.label_at
    rows = np.flatnonzero(label < np.iinfo(np.int64).max)
    later = event.searchsorted(event[rows], side="right")
    rows, later = rows[later < len(event)], later[later < len(event)]
    known = np.maximum(label[rows], event[later])  # one that is known at once comes after its row
    order = np.argsort(known, kind="stable")
    if setup.classes is not None:
        truth = setup.truth[rows[order]]
        other = np.flatnonzero(truth != truth[:1])
        order = order[other[0] :] if len(other) else order[:0]
    place = 1
    while place <= len(order):
        yield pd.Timestamp(known[order[place - 1]])
        place *= 2
