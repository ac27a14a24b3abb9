"""A folder that processes share while they work together, and what lies in it, mapped by all."""

import mmap
import os
import pickle
import shutil
import socket
import sys
import tempfile
import threading
import weakref
from collections import OrderedDict
from collections.abc import Iterator
from contextlib import contextmanager, suppress
from pathlib import Path
from typing import Any

import cloudpickle
import numpy as np
from filelock import lock_descriptor

from backtrain.simulator.setup import SetupError

_PREFIX = ".backtrain-"
#: Locked by whoever has made the folder, for as long as he lives.
_OWNER = "owner"
_HEAD, _ARRAYS = "shared.pickle", "arrays"
#: Smaller arrays stay in the pickle.
_SMALL_BYTES = 4096
#: Where arrays begin: at a line of a processor's cache.
_ALIGNED = 64
#: What a process keeps open at once: what it works on, and what it did before.
_OPEN = 2


class Workshop:
    """A folder that exists as long as somebody in this process holds this object.

    Parameters
    ----------
    above : Path, optional
        Where it is made; by default among the system's temporary files. Left-overs there of
        processes that were killed are removed.

    Raises
    ------
    SetupError
        Where nothing can be written.

    Attributes
    ----------
    path : Path
        The folder.
    close : callable
        Removes it now.
    """

    def __init__(self, above: Path | None = None) -> None:
        above = Path(tempfile.gettempdir()) if above is None else above
        try:
            above.mkdir(parents=True, exist_ok=True)
            sweep(above)
            self.path = Path(tempfile.mkdtemp(prefix=_PREFIX, dir=above)).absolute()
            owner = os.open(self.path / f".{_OWNER}", os.O_RDWR | os.O_CREAT, 0o600)
            lock_descriptor(owner)
            os.rename(self.path / f".{_OWNER}", self.path / _OWNER)
        except OSError as error:
            raise _unwritable(above, error) from error
        self.close = weakref.finalize(self, _remove, self.path, owner, os.getpid())

    def put(self, value: Any) -> None:
        """Write what workers `opened`: a pickle and, beside it, its arrays, each once.

        Raises `pickle.PicklingError` and the like for what cannot be sent to other processes.
        """
        found: list[pickle.PickleBuffer] = []

        def aside(buffer: pickle.PickleBuffer) -> bool:
            """Whether an array stays in the pickle."""
            small = buffer.raw().nbytes < _SMALL_BYTES
            if not small:
                found.append(buffer)
            return small

        with sent_whole():
            head = cloudpickle.dumps(value, protocol=5, buffer_callback=aside)
        places: list[tuple[int, int]] = []
        written: dict[tuple[int, int], tuple[int, int]] = {}  # by where it lies in memory
        try:
            with (self.path / _ARRAYS).open("wb") as file:
                for buffer in found:
                    raw = buffer.raw()
                    key = np.frombuffer(raw, np.uint8).__array_interface__["data"][0], raw.nbytes
                    if key not in written:
                        file.write(bytes(-file.tell() % _ALIGNED))
                        written[key] = file.tell(), raw.nbytes
                        file.write(raw)
                    places.append(written[key])
            (self.path / _HEAD).write_bytes(pickle.dumps((head, places)))
        except OSError as error:
            raise _unwritable(self.path, error) from error


@contextmanager
def sent_whole() -> Iterator[None]:
    """Send what lies in modules that no other process would find with their code.

    A notebook or test runner may have loaded them from a file beside `sys.path`.
    """
    found = dict.fromkeys(("__main__", "__mp_main__", *sys.stdlib_module_names), True)
    finders = [finder for finder in sys.meta_path if hasattr(finder, "find_spec")]
    theirs = cloudpickle.list_registry_pickle_by_value()  # what the user has chosen stays so
    whole = []
    for name, module in list(sys.modules.items()):
        top = name.partition(".")[0]
        if not str(getattr(module, "__file__", None)).endswith(".py"):
            continue
        if top not in found:
            found[top] = any(finder.find_spec(top, None) for finder in finders)
        if not found[top] and name not in theirs:
            whole.append(module)
    for module in whole:
        cloudpickle.register_pickle_by_value(module)
    try:
        yield
    finally:
        for module in whole:
            with suppress(ValueError):  # another thread was quicker
                cloudpickle.unregister_pickle_by_value(module)


def _unwritable(path: Path, error: OSError) -> SetupError:
    return SetupError(
        f"{path}: what processes share cannot be written there ({error}); choose another folder: "
        "joblib.parallel_config(temp_folder='...'), or engine.folder=... on the command line"
    )


# --- in a worker ----------------------------------------------------------------------------------

_OPENED: OrderedDict[Path, Any] = OrderedDict()
_GUARD = threading.Lock()


def opened(path: Path) -> Any:
    """What a workshop's owner has put there; read once a process, and its arrays mapped.

    Raises `SetupError` where this host does not see the folder.
    """
    with _GUARD:
        if path not in _OPENED:
            _OPENED[path] = _read(path)
        _OPENED.move_to_end(path)
        while len(_OPENED) > _OPEN:
            _OPENED.popitem(last=False)
        return _OPENED[path]


def _read(path: Path) -> Any:
    try:
        head, places = pickle.loads((path / _HEAD).read_bytes())
        with (path / _ARRAYS).open("rb") as file:
            size = os.fstat(file.fileno()).st_size
            mapped = mmap.mmap(file.fileno(), 0, access=mmap.ACCESS_READ) if size else b""
    except FileNotFoundError:
        raise SetupError(
            f"{path}: a worker on {socket.gethostname()} does not see this folder, where what "
            "workers share was written; choose one that all hosts see: "
            "joblib.parallel_config(temp_folder='/shared/...'), or engine.folder=/shared/... on "
            "the command line"
        ) from None
    view = memoryview(mapped)
    return pickle.loads(head, buffers=[view[start : start + size] for start, size in places])


# --- what is left behind --------------------------------------------------------------------------


def _remove(path: Path, owner: int, process: int) -> None:
    if os.getpid() == process:  # a fork has no say in it
        shutil.rmtree(path, ignore_errors=True)
        with suppress(OSError):
            os.close(owner)


def sweep(above: Path) -> None:
    """Remove the workshops of processes that were killed: nobody holds the locks of these."""
    for path in above.glob(f"{_PREFIX}*/{_OWNER}"):
        with suppress(OSError):
            owner = os.open(path, os.O_RDWR)
            try:
                if lock_descriptor(owner, blocking=False):
                    shutil.rmtree(path.parent, ignore_errors=True)
            finally:
                os.close(owner)
