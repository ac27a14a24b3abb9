"""Ctrl-C and kill: one or two lines say what is there and how to go on; nobody is left behind."""

import contextlib
import os
import signal
import subprocess
import sys
import time
from collections.abc import Iterator
from pathlib import Path

import joblib
import pytest
from sklearn.linear_model import LogisticRegression

from backtrain import Backtest
from backtrain.cli import main
from backtrain.config.engine import Dask
from backtrain.datasets.synthetic import abrupt
from backtrain.simulator import workers
from backtrain.simulator.process import deaf_workers

pytestmark = pytest.mark.skipif(os.name == "nt", reason="signals of POSIX")

OWN = """
import os, time
from dataclasses import dataclass

@dataclass(frozen=True)
class Slow:
    def select(self, view):
        open(f"begun-{os.getpid()}", "w").close()
        time.sleep(60)
"""
SLOW = ("window=custom", "window._target_=own.Slow", "model=linear", "cache=false", "n_jobs=2")
SMALL = ("dataset=abrupt", "dataset.n=300", *SLOW)
LINES = {  # what each command says
    "run": ("stopped: none of 2 strategies is finished",),
    "tune": ("stopped: no result is written; the same command goes on with the fits that were",),
    "search": ("stopped: no result is written; the same command goes on with the trials it",),
    "audit": ("stopped: what is printed holds; nothing is written",),
    "run -m": ("stopped: none of 2 strategies is finished",),
}
KEYS = {
    "run": ("comparison=one",),
    "search": ("search.trigger.every=[1D,7D]",),
    "audit": ("comparison=one",),
    "run -m": ("comparison=one", "seed=0,1"),
}
SIGNALS = {"Ctrl-C": (signal.SIGINT, 130), "kill": (signal.SIGTERM, 143)}
STOPS = [(command, "Ctrl-C") for command in LINES]
STOPS += [("run", "kill"), ("run -m", "kill")]  # all come through `main`; jobs, through Hydra


@pytest.mark.parametrize(("command", "how"), STOPS)
def test_a_command_that_is_stopped_says_what_is_there(
    tmp_path: Path, command: str, how: str
) -> None:
    if command == "search":
        pytest.importorskip("optuna", reason="pip install 'backtrain[search]'")
    (tmp_path / "own.py").write_text(OWN)
    sent, code = SIGNALS[how]
    line = [sys.executable, "-m", "backtrain", *command.split(), *SMALL, *KEYS.get(command, ())]
    process = subprocess.Popen(
        line, cwd=tmp_path, start_new_session=True, text=True,
        stdout=subprocess.PIPE, stderr=subprocess.PIPE,
    )  # fmt: skip
    while not list(tmp_path.glob("begun-*")) and process.poll() is None:
        time.sleep(0.05)
    if sent == signal.SIGINT:  # a terminal sends it to all
        os.killpg(process.pid, sent)
    else:
        process.send_signal(sent)
    _, err = process.communicate()  # returns when no worker holds the pipe any more
    assert process.returncode == code, err
    said = [line for line in err.splitlines() if line.startswith("stopped")]
    assert len(said) == 1, err
    assert said[0].startswith(LINES[command]), err
    assert "Traceback" not in err


def test_workers_that_had_not_quite_started_do_not_hide_a_stop(
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    """loky joins a thread that it has made and not begun; an error of one's own stays an error."""
    raised: list[type[BaseException]] = [KeyboardInterrupt, OSError]

    def parallel(tasks: object, n_jobs: int) -> Iterator[None]:
        try:
            raise raised.pop(0)
        finally:
            raise RuntimeError("cannot join thread before it is started")
        yield

    monkeypatch.setattr(workers, "_parallel", parallel)
    setup = Backtest(abrupt(n=300), LogisticRegression())
    pieces: dict[str, tuple[object, ...]] = {"a": (), "b": ()}
    with joblib.parallel_config("threading"):
        with pytest.raises(KeyboardInterrupt):
            list(workers.each(print, setup, setup.store, pieces, 2))
        with pytest.raises(RuntimeError):
            list(workers.each(print, setup, setup.store, pieces, 2))


def test_one_that_is_stopped_while_it_draws_has_its_result(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    from backtrain.reports import html

    def interrupted(*_: object, **__: object) -> None:
        raise KeyboardInterrupt

    monkeypatch.chdir(tmp_path)
    monkeypatch.setattr(sys, "path", sys.path.copy())
    small = ("dataset=abrupt", "dataset.n=300", "model=linear", "comparison=one", "n_jobs=1")
    with monkeypatch.context() as patched:
        patched.setattr(html, "draw", interrupted)
        assert main(["run", *small, "progress=false", "hydra.run.dir=out"]) == 130
    err = capsys.readouterr().err
    assert "stopped: all strategies are finished and kept; `backtrain report out` draws" in err
    assert main(["report", "out"]) == 0
    assert (tmp_path / "out/report.html").is_file()


def test_processes_that_are_started_meanwhile_are_deaf_and_others_are_not() -> None:
    tell = "import signal; print(signal.SIGINT in signal.pthread_sigmask(signal.SIG_BLOCK, []))"
    line = [sys.executable, "-c", tell]
    for around, deaf in ((deaf_workers(), "True"), (contextlib.nullcontext(), "False")):
        with around:
            done = subprocess.run(line, capture_output=True, text=True, check=True)
        assert done.stdout.strip() == deaf


def test_workers_of_dask_are_deaf() -> None:
    pytest.importorskip("distributed")
    from distributed import default_client

    with Dask().running(1):
        [blocked] = default_client().run(signal.pthread_sigmask, signal.SIG_BLOCK, []).values()
    assert signal.SIGINT in blocked
    assert signal.SIGINT not in signal.pthread_sigmask(signal.SIG_BLOCK, [])
