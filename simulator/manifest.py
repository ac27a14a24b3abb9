"""Directories that one small file describes: what is in them, and what of it is ours.

A save writes under new names, announced in that file, and then replaces it: whoever reads the file
finds the old content or the new one. Only what it lists is ever removed.
"""

import errno
import glob
import itertools
import json
import os
import re
import unicodedata
import uuid
import warnings
from collections.abc import Callable, Collection, Iterable, Mapping
from contextlib import suppress
from pathlib import Path
from typing import Any

from backtrain.simulator.texts import printable

#: The layout that is written; 1 had no number.
FORMAT = 2


class RecordError(ValueError):
    """A directory does not hold a complete record."""


class RecordWarning(RuntimeWarning):
    """Something was left alone, or could not be written or drawn; nothing else is lost."""


# --- files --------------------------------------------------------------------------------------


def put(path: Path, content: bytes) -> Path:
    """Write a file that appears complete or not at all; a link in its place is replaced."""
    draft = path.with_name(draft_name(path.name))
    try:
        create(draft, content)
        os.replace(draft, path)
    except BaseException:
        with suppress(OSError):
            draft.unlink(missing_ok=True)
        raise
    sync(path.parent)
    return path


def create(path: Path, content: bytes) -> None:
    """Write a file that is not there yet, down to the disk."""
    with path.open("xb") as file:
        file.write(content)
        file.flush()
        os.fsync(file.fileno())


def sync(path: Path) -> None:
    """Bring a file, or the names in a folder, down to the disk."""
    folder = path.is_dir()
    if folder and os.name == "nt":
        return  # Windows cannot open a folder
    descriptor = os.open(path, os.O_RDONLY if folder else os.O_RDWR)
    try:
        os.fsync(descriptor)
    except OSError as error:
        if error.errno not in (errno.EINVAL, errno.ENOTSUP):  # not every file system can
            raise
    finally:
        os.close(descriptor)


def draft_name(name: str) -> str:
    """A hidden name under which a file is written before it gets its own."""
    return f".{name}.{uuid.uuid4().hex[:8]}"


def free_name(folder: Path, wanted: str, reserved: Iterable[str] = ()) -> str:
    """The first of ``a.csv``, ``a-2.csv``, ... that is not there, in any case of letters."""
    taken = {plain_case(name) for name in reserved}
    with suppress(FileNotFoundError):
        taken.update(map(plain_case, os.listdir(folder)))
    stem, dot, ending = wanted.rpartition(".") if "." in wanted[1:] else (wanted, "", "")
    name, number = wanted, 1
    while plain_case(name) in taken:
        number += 1
        name = f"{stem}-{number}{dot}{ending}"
    return name


def plain_case(name: str) -> str:
    """Names that some file system takes for one are equal in this form."""
    return unicodedata.normalize("NFKC", name).casefold()


def inside(folder: Path, name: object) -> Path:
    """The path of a name that a manifest lists; raises `RecordError` where it leads outside."""
    parts = name.split("/") if isinstance(name, str) else []
    plain = bool(parts) and all(re.fullmatch(r"[^/\\:\0]+", part) for part in parts)
    if not plain or {".", ".."} & set(parts):
        raise RecordError(f"{folder}: it lists {name!r}, which is no name inside it")
    path = folder.joinpath(*parts)
    steps = itertools.accumulate(parts, os.path.join, initial=os.fspath(folder))
    if os.name != "nt" and not any(map(os.path.islink, itertools.islice(steps, 1, None))):
        return path  # nothing leads elsewhere; on Windows junctions do, which are no links
    home = folder.resolve()
    if path.is_dir() and home not in path.resolve().parents:
        raise RecordError(f"{folder}: it lists {name!r}, a link that leads outside")
    if home not in (path.parent.resolve(), *path.parent.resolve().parents):
        raise RecordError(f"{folder}: it lists {name!r}, behind a link that leads outside")
    return path


def checked(folder: Path, facts: Mapping[str, Any]) -> list[str]:
    """What a manifest lists as ours; raises `RecordError` where it names what is not inside."""
    written, files, moves = (facts.get(key) or {} for key in ("written", "files", "moves"))
    if not isinstance(files, dict) or not isinstance(moves, dict):
        raise RecordError(f"{folder}: its manifest is not one of backtrain")
    for name in (*written, *files.values(), *moves, *moves.values()):
        inside(folder, name)
    return [*written]


# --- the small file -----------------------------------------------------------------------------


def read_json(path: Path) -> dict[str, Any] | None:
    """What a manifest says; None where there is none. Raises `RecordError` for any other file."""
    try:
        facts = json.loads(path.read_text(encoding="utf-8"))
    except (FileNotFoundError, NotADirectoryError):
        return None
    except (OSError, ValueError) as error:
        raise RecordError(f"{path}: cannot be read: {error}") from error
    if not isinstance(facts, dict):
        raise RecordError(f"{path}: not a record of backtrain")
    number = facts.get("format", 1)
    if not isinstance(number, int) or number > FORMAT:
        raise RecordError(
            f"{path}: format {number!r}, and this version reads up to {FORMAT}; it was written by "
            "a newer backtrain: install that one"
        )
    return facts


def write_json(path: Path, facts: Mapping[str, Any]) -> None:
    """Replace a manifest, at once and for good."""
    put(path, (json.dumps(facts, indent=1, default=plain) + "\n").encode())


def plain(value: Any) -> Any:
    """What JSON does not know, such as a metric's own kind of number."""
    return value.item() if hasattr(value, "item") else str(value)


class Manifest:
    """The small file of a directory that holds several things, and the files beside it.

    Parameters
    ----------
    path : Path
        The file; it need not be there.
    remove_folder : callable
        Removes what is ours in a folder that the file lists, and returns what else lies there.
    adopted : mapping, optional
        What to take it to say where it is missing.

    Attributes
    ----------
    facts : dict
        What the file says. ``written`` lists all that is ours, announced before it is written;
        ``moves`` the drafts that have yet to get their own names.
    written : list of str
        Likewise, with what has been claimed since.
    """

    def __init__(
        self,
        path: Path,
        remove_folder: Callable[[Path], list[str]],
        adopted: Mapping[str, Any] | None = None,
    ) -> None:
        self.path = path
        self.folder = path.parent
        self._remove_folder = remove_folder
        facts = read_json(path)
        self.facts: dict[str, Any] = dict(adopted or {}) if facts is None else facts
        self.written = list(checked(self.folder, self.facts))
        self._names: dict[str, str] = {}

    def write(self, **changes: Any) -> None:
        """Replace the file; when that fails it still says what it said before."""
        own = {"format": FORMAT, "written": sorted(set(self.written))}
        facts = {**self.facts, **changes, **own}
        self.folder.mkdir(parents=True, exist_ok=True)
        write_json(self.path, facts)
        self.facts = facts

    def claim(self, wanted: str, reserved: Iterable[str] = ()) -> str:
        """A name where nothing is yet; it is announced by the next `write`."""
        above, slash, last = wanted.rpartition("/")
        beside = [own.rpartition("/")[2] for own in self.written if own.rpartition("/")[0] == above]
        name = above + slash + free_name(self.folder / above, last, (*reserved, *beside))
        if wanted not in self.written and _there(self.folder / wanted):
            warn(f"{self.folder / wanted} was not written by backtrain and stays; see {name}")
        self.written.append(name)
        return name

    def stage(self, contents: Mapping[str, bytes]) -> tuple[dict[str, str], dict[str, str]]:
        """Write files as drafts; returns their names by what they were to be called, and moves.

        They get their names by `settle`, once ``moves`` stands in the file.
        """
        names = self.names(contents)
        moves = {name: _beside(name, draft_name(Path(name).name)) for name in names.values()}
        self.written += moves.values()
        self.write()
        for wanted, name in names.items():
            draft = self.folder / moves[name]
            draft.parent.mkdir(exist_ok=True)
            create(draft, contents[wanted])
        for folder in {(self.folder / draft).parent for draft in moves.values()}:
            sync(folder)
        return names, moves

    def names(self, files: Collection[str]) -> dict[str, str]:
        """Under which names files are to lie, by what they were to be called."""
        new = [wanted for wanted in files if wanted not in self._names]
        self._names |= {wanted: self._own(wanted) for wanted in new}
        return {wanted: self._names[wanted] for wanted in files}

    def _own(self, wanted: str) -> str:
        """Where this file of ours goes: under its name, unless something foreign stands there."""
        name = self.facts.get("files", {}).get(wanted, self._in_real_folder(wanted))
        ours = name in self.written and not is_real_folder(self.folder / name)
        if ours or not _there(self.folder / name):
            if name != wanted:
                warn(f"{self.folder / wanted} was not written by backtrain and stays; see {name}")
            self.written.append(name)
            return str(name)
        return self.claim(name)

    def _in_real_folder(self, wanted: str) -> str:
        """The name, in another folder where something else than a folder stands in its way."""
        above, slash, last = wanted.rpartition("/")
        folder, number = above, 1
        while above and _there(self.folder / folder) and not is_real_folder(self.folder / folder):
            number += 1
            folder = f"{above}-{number}"
        return f"{folder}{slash}{last}"

    def settle(self, needed: Iterable[str]) -> None:
        """Give drafts their names, remove what is ours and needed no more, and note that."""
        for name, draft in self.facts.get("moves", {}).items():
            source, target = inside(self.folder, draft), inside(self.folder, name)
            if _there(source):
                os.replace(source, target)
                sync(target.parent)
        needed = set(needed)
        for name in sorted({*self.written} - needed):
            self._remove(inside(self.folder, name))
        remove_drafts(self.path)
        if needed != {*self.written} or self.facts.get("moves"):
            self.written = sorted(needed)
            self.write(moves={})

    def _remove(self, path: Path) -> None:
        if is_real_folder(path):
            strangers = self._remove_folder(path)
            if strangers:
                warn(f"{path}: not written by backtrain, and left there: {', '.join(strangers)}")
        elif _there(path):
            path.unlink()
        above = path.parent
        if above != self.folder and above.is_dir() and not os.listdir(above):
            above.rmdir()


def remove_drafts(path: Path) -> None:
    """Remove drafts of a manifest, left by a process that was killed."""
    start = f".{path.name}."
    for draft in path.parent.glob(f"{glob.escape(start)}*"):
        if re.fullmatch("[0-9a-f]{8}", draft.name[len(start) :]):
            draft.unlink(missing_ok=True)


def is_real_folder(path: Path) -> bool:
    """Whether it is a folder itself, and no link to one."""
    return path.is_dir() and not path.is_symlink()


def warn(text: str) -> None:
    """Tell the user what stays, or what could not be done."""
    warnings.warn(printable(text), RecordWarning, stacklevel=3)


def _beside(name: str, last: str) -> str:
    above, slash, _ = name.rpartition("/")
    return f"{above}{slash}{last}"


def _there(path: Path) -> bool:
    return os.path.lexists(path)
