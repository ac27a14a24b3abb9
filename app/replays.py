"""Replays in other processes: each is saved where it was made, and read from there when needed."""

import os
import uuid
from collections.abc import Generator, Mapping
from contextlib import closing
from dataclasses import replace
from pathlib import Path
from typing import Any

from backtrain.reports.keeper import Keeper
from backtrain.simulator.manifest import RecordError, warn
from backtrain.simulator.record import Run, lying_in
from backtrain.simulator.replay import replay
from backtrain.simulator.setup import Setup, SetupError
from backtrain.simulator.workers import each, shared_folder
from backtrain.simulator.workshop import Workshop
from backtrain.store.fits import FitStore
from backtrain.strategies.strategy import Strategy


def at_once(
    setup: Setup,
    store: FitStore,
    strategies: Mapping[str, Strategy],
    n_jobs: int,
    more: Mapping[str, Mapping[str, Any]],
    keeper: Keeper | None = None,
) -> Generator[Run]:
    """Runs, as they are finished, by workers that write their tables into files.

    Parameters
    ----------
    more : mapping of str to mapping
        Facts that each run is to know, and of its code also what another process cannot look up.
    keeper : Keeper, optional
        Where runs are kept; else their files exist for as long as the runs do.
    """
    workshop = _workshop(keeper, store)
    pieces = {
        f"replayed {name!r}": (name, strategy, more[name], workshop.path)
        for name, strategy in strategies.items()
    }
    try:
        with closing(each(_replayed, setup, store, pieces, n_jobs)) as done:
            for _, (run, folder) in done:
                yield run if folder is None else _taken(run, Path(folder), workshop, keeper)
    finally:
        if keeper is not None:
            workshop.close()


def _workshop(keeper: Keeper | None, store: FitStore) -> Workshop:
    """Where runs are written: beside those that are kept, so that they only need another name."""
    if keeper is not None:
        try:
            return Workshop(keeper.directory)
        except SetupError:
            pass  # it is told when the first run is to be kept
    return Workshop(shared_folder(store))


def _replayed(
    setup: Setup,
    store: FitStore,
    name: str,
    strategy: Strategy,
    more: Mapping[str, Any],
    above: Path,
) -> tuple[Run, str | None]:
    """Replay, and write it to a folder of its own; returns it without its tables, and where it is.

    Or with its tables, where nothing can be written, or its folder lies on another host.
    """
    run = replay(setup, strategy, store, name)
    run = replace(run, info={**run.info, **more})
    folder = above / uuid.uuid4().hex
    try:
        os.mkdir(folder)
        run.save(folder)
    except OSError:
        return run, None
    return replace(run, tables={}), str(folder)


def _taken(run: Run, folder: Path, workshop: Workshop, keeper: Keeper | None) -> Run:
    """A run that a worker has written, among those that are kept."""
    if keeper is not None and keeper.records == "all":
        try:
            return lying_in(run, keeper.adopt(run, folder))
        except OSError as error:
            warn(f"the record of {run.name!r} could not be kept in {keeper.directory}: {error}")
    try:
        read = lying_in(run, folder, workshop)
        return read if keeper is None else replace(run, tables=dict(read.tables))
    except RecordError as error:
        raise SetupError(
            f"{error}; a worker wrote it where this process does not see it: choose a folder that "
            "all hosts see: joblib.parallel_config(temp_folder='/shared/...'), or "
            "engine.folder=/shared/... on the command line"
        ) from error
