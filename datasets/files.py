"""Files of a table: which ones a path names, and what is in them without compression."""

import bz2
import glob
import gzip
import io
import lzma
import zipfile
from collections.abc import Iterator, Sequence
from contextlib import contextmanager
from pathlib import Path
from typing import IO, Any, cast

import pyarrow as pa

from backtrain.datasets.names import nearest

Paths = str | Path | Sequence[str | Path]

#: What compressed files begin with.
_MAGIC = {b"\x1f\x8b": "gzip", b"BZh": "bz2", b"\xfd7zXZ": "xz", b"PK\x03\x04": "zip"}
_MAGIC |= {b"\x28\xb5\x2f\xfd": "zstd"}
_OTHERS = (".xlsx", ".xls", ".ods", ".json", ".jsonl", ".pkl", ".feather", ".h5", ".sqlite", ".db")
_COMPRESSED = (".gz", ".bz2", ".xz", ".zip", ".zst")
_TEXT = (".csv", ".tsv", ".tab", ".psv")
_PERHAPS = (".txt", ".data", ".dat")  # tables where a folder holds nothing else


def found(path: Paths) -> list[Path]:
    """The files that a path, a pattern such as ``2024-*.csv``, a folder or several of these name.

    Those of a pattern or a folder in the order of their names. Raises `FileNotFoundError`, and
    `ValueError` where a folder holds no table, or tables of two kinds.
    """
    if not isinstance(path, (str, Path)):
        files = [file for one in path for file in found(one)]
        if not files:
            raise ValueError("path=[]: name at least one file")
        return files
    place = Path(path).expanduser()
    if place.is_dir():
        return _inside(place)
    if place.is_file():
        return [place]
    if any(sign in str(path) for sign in "*?["):
        files = sorted(Path(name) for name in glob.glob(str(place), recursive=True))
        if files := [file for file in files if file.is_file()]:
            return files
        raise FileNotFoundError(f"{path}: no file has a name like that")
    siblings = place.parent.glob("*") if place.parent.is_dir() else ()
    names = [other.name for other in siblings if other.is_file()]
    hint = f"did you mean {nearest(place.name, names)}?" if names else "is the folder right?"
    raise FileNotFoundError(f"{place}: no such file; {hint}")


def is_parquet(files: Sequence[Path]) -> bool:
    """Whether files are Parquet; raises `ValueError` where only some are."""
    kinds = [file.suffix.lower() == ".parquet" for file in files]
    if len(set(kinds)) > 1:
        one = files[kinds.index(True)].name
        raise ValueError(f"{one} is Parquet and others are not; name files of one kind")
    return kinds[0]


def refuse_other_columns(
    file: Path, names: Sequence[Any], first: Path, known: Sequence[Any]
) -> None:
    """Raise `ValueError` where a file of several has other columns than the first."""
    for verb, some, others in (("lacks", known, names), ("has", names, known)):
        for name in some:
            if name not in others:
                raise ValueError(
                    f"{file}: {verb} column {name!r}, unlike {first.name}; write all files alike"
                )


def kind_of(file: Path) -> str:
    """The ending of a file's name that says what it is, without that of a compression.

    >>> kind_of(Path("sales.2024.CSV.gz"))
    '.csv'
    """
    endings = [ending.lower() for ending in file.suffixes]
    if endings and endings[-1] in _COMPRESSED:
        endings = endings[:-1]
    return endings[-1] if endings else ""


def _inside(folder: Path) -> list[Path]:
    files = sorted(
        file
        for file in folder.rglob("*")
        if file.is_file() and not any(part[0] in "._" for part in file.relative_to(folder).parts)
    )
    parquet = [file for file in files if file.suffix.lower() == ".parquet"]
    text = [file for file in files if kind_of(file) in _TEXT]
    text = text or [file for file in files if kind_of(file) in _PERHAPS and not parquet]
    if parquet and text:
        raise ValueError(
            f"{folder}: {parquet[0].name} and {text[0].name} are in it; say which: "
            f"'dataset.path=\"{folder}/*.csv\"'"
        )
    if not parquet and not text:
        raise ValueError(f"{folder}: no .parquet or .csv file is in it")
    return parquet or text


@contextmanager
def opened(file: Path) -> Iterator[IO[bytes]]:
    """What is in a file, without its compression, which its first bytes tell.

    Raises `ValueError` for what is no table as text, and for archives of several files.
    """
    if kind_of(file) in _OTHERS:
        save = "; save it as .csv" if kind_of(file) in (".xlsx", ".xls", ".ods") else ""
        raise ValueError(
            f"{file}: {file.suffix} suffix; use a .csv, .csv.gz or .parquet file{save}"
        )
    with file.open("rb") as plain:
        start = plain.read(6)
    kind = next((kind for magic, kind in _MAGIC.items() if start.startswith(magic)), "")
    if kind == "zip":
        with zipfile.ZipFile(file) as archive, archive.open(_only(file, archive)) as inner:
            yield inner
    elif kind == "zstd":
        with pa.input_stream(str(file), compression="zstd") as stream:
            yield cast(IO[bytes], io.BufferedReader(stream))
    else:
        openers: dict[str, Any] = {"gzip": gzip.open, "bz2": bz2.open, "xz": lzma.open}
        with openers.get(kind, open)(file, "rb") as inner:
            yield inner


def _only(file: Path, archive: zipfile.ZipFile) -> str:
    names = [
        name for name in archive.namelist() if not name.endswith("/") and "__MACOSX" not in name
    ]
    if len(names) != 1:
        few = ", ".join(names[:3]) + (", ..." if len(names) > 3 else "")
        raise ValueError(f"{file}: holds {len(names)} files ({few}); unpack it and name one")
    return names[0]
