"""Where results of finished jobs lie, by the jobs' names: a small file each."""

import json
import os
import re
import tempfile
from contextlib import suppress
from pathlib import Path

from backtrain.store.cache_dir import make_private, read_own, refuse_strangers

#: Of one name: several directories may hold the same result, and some of them may go.
_MOST_PLACES = 4
_NAME = re.compile("[0-9a-f]{8,128}")


class Finished:
    """An index in a store's directory, for any number of processes at once.

    It says where to look, and no more: a result may have been moved, removed or replaced since.
    Nothing that happens to the directory raises, `StoreError` aside.

    Parameters
    ----------
    directory : path
        That of the store.
    """

    def __init__(self, directory: str | Path) -> None:
        self._home = Path(directory).expanduser().absolute() / "v1" / "jobs"
        refuse_strangers(self._home)

    def places(self, name: str) -> list[Path]:
        """Directories in which a result of this name was left, the newest first."""
        try:
            noted = json.loads(read_own(self._path(name)))
        except (OSError, ValueError):  # `StoreError` is one: another's file says nothing
            return []
        known = noted if isinstance(noted, list) else []
        return [Path(place) for place in known if isinstance(place, str)]

    def note(self, name: str, place: Path) -> None:
        """Note down that a result of this name lies there."""
        first = place.absolute()
        others = [one for one in self.places(name) if one != first]
        text = json.dumps([str(one) for one in (first, *others)[:_MOST_PLACES]])
        with suppress(OSError):
            make_private(self._home)
            # Two that write at once leave one of the two lists, which is right as well.
            with tempfile.NamedTemporaryFile(dir=self._home, suffix=".part", delete=False) as file:
                file.write(text.encode())
            os.replace(file.name, self._path(name))

    def clear(self) -> None:
        """Forget all of them; the results stay where they are."""
        with suppress(OSError):
            for path in self._home.iterdir():
                path.unlink(missing_ok=True)

    def _path(self, name: str) -> Path:
        if not _NAME.fullmatch(name):
            raise ValueError(f"{name!r}: no name of a job")
        return self._home / name
