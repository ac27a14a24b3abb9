"""Hydra, set up as `hydra.main` sets it up, but composing a job only once."""

from __future__ import annotations

import sys
from argparse import Namespace
from collections.abc import Callable, Iterator, Sequence
from contextlib import contextmanager
from pathlib import Path

import hydra
from hydra import version
from hydra._internal.hydra import Hydra
from hydra._internal.utils import (
    create_automatic_config_search_path,
    get_args_parser,
    run_and_report,
)
from hydra.core.config_search_path import SearchPathQuery
from hydra.core.global_hydra import GlobalHydra
from hydra.types import RunMode
from omegaconf import DictConfig

PACKAGE = "backtrain.conf"
_BASE = "1.3"

Task = Callable[[DictConfig], None]


def parsed(arguments: Sequence[str]) -> Namespace:
    """The arguments as Hydra's own parser reads them."""
    return get_args_parser().parse_args(arguments)


def is_sweep(arguments: Sequence[str]) -> bool:
    """Whether these arguments start several jobs."""
    options = parsed(arguments)
    return options.multirun or "hydra.mode=MULTIRUN" in options.overrides


def only_shows(arguments: Sequence[str]) -> bool:
    """Whether Hydra is asked to show something, and to run nothing."""
    options = parsed(arguments)
    shows = (options.help, options.hydra_help, options.cfg, options.info, options.shell_completion)
    return any(shows)


@contextmanager
def composer(arguments: Sequence[str]) -> Iterator[Callable[[str, list[str]], DictConfig]]:
    """A function that composes the config of one job from its name and overrides."""
    with _started(arguments) as started:
        yield lambda name, overrides: started.compose_config(
            name, [*overrides, "hydra.mode=RUN"], RunMode.RUN, from_shell=False
        )


def run(config: DictConfig, arguments: Sequence[str], name: str, task: Task) -> int:
    """Do one job as it was composed, in the directory that Hydra makes; returns the exit code."""
    with _started(arguments) as started:
        loader = started.config_loader
        loader.load_configuration = lambda *_, **__: config  # type: ignore[method-assign]
        return _exit_code(lambda: started.run(name, task, parsed(arguments).overrides))


def sweep(arguments: Sequence[str], name: str, task: Task) -> int:
    """Let Hydra's sweeper and launcher compose and do the jobs; returns the exit code."""
    overrides = [*parsed(arguments).overrides, "hydra.mode=MULTIRUN"]
    with _started(arguments) as started:
        return _exit_code(lambda: started.multirun(name, task, overrides))


def show(arguments: Sequence[str], name: str) -> int:
    """Let Hydra show what `only_shows` has found; returns the exit code."""
    start = hydra.main(version_base=_BASE, config_path=f"pkg://{PACKAGE}", config_name=name)
    sys.argv = [f"backtrain {name}", *arguments]
    return _code_of(start(lambda config: None))


@contextmanager
def _started(arguments: Sequence[str]) -> Iterator[Hydra]:
    version.setbase(_BASE)
    path = create_automatic_config_search_path(None, None, f"pkg://{PACKAGE}")
    if (own := parsed(arguments).config_dir) is not None:
        anchor = SearchPathQuery(provider="schema")
        path.prepend("command-line", f"file://{Path(own).resolve()}", anchor)
    GlobalHydra.instance().clear()
    try:
        yield Hydra.create_main_hydra2("backtrain", path)
    finally:
        GlobalHydra.instance().clear()


def _exit_code(work: Callable[[], object]) -> int:
    """Show an error of a job as `hydra.main` does: without the stack of Hydra itself."""
    return _code_of(lambda: run_and_report(work))


def _code_of(work: Callable[[], object]) -> int:
    try:
        work()
    except SystemExit as stop:
        return stop.code if isinstance(stop.code, int) else 1
    return 0
