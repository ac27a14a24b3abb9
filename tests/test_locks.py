"""Locks by name: one holder a name, none in the way of another, and free when the holder dies."""

import errno
import os
import signal
import subprocess
import sys
from collections.abc import Iterator
from concurrent.futures import ThreadPoolExecutor
from contextlib import contextmanager
from pathlib import Path

import pytest

from backtrain.store import locks
from backtrain.store.locks import STRIPES, NamedLocks

NAMES = [f"fit {number}" for number in range(4 * STRIPES)]
#: Holds the locks of a folder whose names it is given, says so, and stays.
HOLDER = """
import sys, time
from contextlib import ExitStack
from pathlib import Path
from backtrain.store import locks
locks._CAN_LOCK_BYTES = sys.argv[2] == "bytes"
with ExitStack() as stack:
    for name in sys.argv[3:]:
        stack.enter_context(locks.NamedLocks(Path(sys.argv[1])).hold(name))
    print("held", flush=True)
    time.sleep(600)
"""
#: Says that it has the lock of a name, as soon as it has.
TAKER = HOLDER.replace("time.sleep(600)", "")
#: Says so at once, or that somebody else holds it.
ASKER = """
import sys
from pathlib import Path
from backtrain.store import locks
locks.fcntl.F_OFD_SETLKW = locks.fcntl.F_OFD_SETLK
try:
    with locks.NamedLocks(Path(sys.argv[1])).hold(sys.argv[3]):
        print("free", flush=True)
except BlockingIOError:
    print("taken", flush=True)
"""

only_bytes = pytest.mark.skipif(not locks._CAN_LOCK_BYTES, reason="names share files here")


@contextmanager
def started(script: str, folder: Path, how: str, *names: str) -> Iterator["subprocess.Popen[str]"]:
    """Another process, which says "held" first."""
    line = [sys.executable, "-c", script, str(folder), how, *names]
    process = subprocess.Popen(line, stdout=subprocess.PIPE, text=True)
    try:
        yield process
    finally:
        process.kill()
        process.communicate()


def says(process: "subprocess.Popen[str]") -> str:
    assert process.stdout is not None
    return process.stdout.readline().strip()


def asked(folder: Path, name: str) -> str:
    with started(ASKER, folder, "bytes", name) as process:
        return says(process)


@only_bytes
def test_no_name_waits_for_another(tmp_path: Path) -> None:
    with started(HOLDER, tmp_path, "bytes", *NAMES) as holder:
        assert says(holder) == "held"
        mine = NamedLocks(tmp_path)
        for number in range(4 * STRIPES):
            with mine.hold(f"other {number}"):
                pass
    assert os.listdir(tmp_path) == ["bytes"]
    assert (tmp_path / "bytes").stat().st_size == 0


@pytest.mark.parametrize("how", [pytest.param("bytes", marks=only_bytes), "stripes"])
def test_a_name_has_one_holder_and_a_killed_one_frees_it(tmp_path: Path, how: str) -> None:
    with started(HOLDER, tmp_path, how, "a") as holder:
        assert says(holder) == "held"
        if how == "bytes":
            assert asked(tmp_path, "a") == "taken"
            assert asked(tmp_path, "b") == "free"
        with started(TAKER, tmp_path, how, "a") as taker:
            holder.send_signal(signal.SIGKILL)
            assert says(taker) == "held"


@only_bytes
def test_closing_another_descriptor_gives_up_nothing(tmp_path: Path) -> None:
    """As POSIX's own locks would."""
    with NamedLocks(tmp_path).hold("a"):
        other = NamedLocks(tmp_path)
        with other.hold("b"):
            pass
        other.close()
        (tmp_path / "bytes").read_bytes()
        assert asked(tmp_path, "a") == "taken"
    assert asked(tmp_path, "a") == "free"


@pytest.mark.parametrize("can", [pytest.param(True, marks=only_bytes), False])
@pytest.mark.parametrize("on_disk", [True, False])
def test_threads_take_turns(
    tmp_path: Path, can: bool, on_disk: bool, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(locks, "_CAN_LOCK_BYTES", can)
    ours = NamedLocks(tmp_path if on_disk else None)
    inside = dict.fromkeys("abcd", 0)

    def work(turn: int) -> None:
        name = "abcd"[turn % 4]
        with ours.hold(name):
            assert inside[name] == 0
            inside[name] += 1
            os.sched_yield() if hasattr(os, "sched_yield") else None
            inside[name] -= 1

    with ThreadPoolExecutor(8) as threads:
        list(threads.map(work, range(2_000)))
    assert ours._turns == {}  # what nobody wants is forgotten


@only_bytes
def test_names_share_files_where_bytes_cannot_be_locked(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    def cannot(*_: object, **__: object) -> None:
        raise OSError(errno.ENOLCK, "no locks available")

    monkeypatch.setattr(locks, "_set_byte", cannot)
    ours = NamedLocks(tmp_path)
    for name in NAMES:
        with ours.hold(name):
            pass
    files = sorted({*os.listdir(tmp_path)} - {"bytes"})
    assert files
    assert len(files) <= STRIPES
    with started(TAKER, tmp_path, "stripes", *NAMES[:1]) as taker:
        assert says(taker) == "held"


@only_bytes
def test_a_full_disk_is_an_error(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    def full(*_: object, **__: object) -> None:
        raise OSError(errno.ENOSPC, "no space left")

    monkeypatch.setattr(locks, "_set_byte", full)
    with pytest.raises(OSError, match="no space"), NamedLocks(tmp_path).hold("a"):
        raise AssertionError("held")
