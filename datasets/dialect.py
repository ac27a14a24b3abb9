"""How a table is written as text: separator, decimal sign, encoding, and where its header is."""

import codecs
import csv
import io
import re
from collections.abc import Iterator, Sequence
from dataclasses import dataclass
from itertools import islice
from pathlib import Path
from typing import NamedTuple

from backtrain.datasets.files import kind_of, opened

#: Signs by names that need no quotes in any shell.
SIGNS = {
    "comma": ",",
    "semicolon": ";",
    "tab": "\t",
    "\\t": "\t",
    "pipe": "|",
    "point": ".",
    "dot": ".",
    "space": " ",
    "apostrophe": "'",
}
SPACES = r"\s+"
_NAMES = {",": "comma", ";": "semicolon", "\t": "tab", "|": "pipe", SPACES: "spaces"}
_SEPARATORS = (",", ";", "\t", "|", SPACES)
_HEAD = 1 << 17  # bytes of which the dialect is learnt; every cell is then held against it
_TRIED = 100  # lines by which a separator is chosen where no header has all the names
_BEFORE = 50  # lines that may stand before the header
_BOMS = {codecs.BOM_UTF8: "utf-8-sig", codecs.BOM_UTF16_LE: "utf-16", codecs.BOM_UTF16_BE: "utf-16"}
_GROUPED = re.compile(r"[-+]?[1-9]\d{0,2}([.,])\d{3}")
_COMMA = re.compile(r"[-+]?(\d+|\d{1,3}(\.\d{3})+),\d+")
_POINT = re.compile(r"[-+]?(\d+|\d{1,3}(,\d{3})+)\.\d+")


class Line(NamedTuple):
    """A line that is not blank: its number in the file, from 1, and its fields."""

    number: int
    fields: list[str]


@dataclass(frozen=True)
class Dialect:
    """How a file is written.

    `skip` lines stand before the header; `trailing` says that lines of data end with a separator;
    `padded`, that spaces follow it. `names` are those of the header, as they stand there.
    """

    sep: str
    decimal: str
    encoding: str
    skip: int = 0
    trailing: bool = False
    padded: bool = False
    unnamed: int = 0
    names: tuple[str, ...] = ()
    said: tuple[str, ...] = ()

    @property
    def width(self) -> int:
        """How many fields a line may have."""
        return len(self.names) + self.unnamed + self.trailing


def sign(name: str | None) -> str | None:
    """A sign from its name or itself.

    >>> sign("semicolon"), sign(";")
    (';', ';')
    """
    return None if name is None else SIGNS.get(name, name)


def sniff(
    file: Path,
    wanted: Sequence[str],
    sep: str | None = None,
    decimal: str | None = None,
    encoding: str | None = None,
) -> Dialect:
    """Learn how a file is written from its beginning and the columns that it must have.

    Raises `ValueError` for a file that is no text.
    """
    with opened(file) as stream:
        head = stream.read(_HEAD)
    whole = len(head) < _HEAD
    used, text = _decoded(file, head, encoding, whole)
    usual = "\t" if kind_of(file) in (".tsv", ".tab") else ","
    sep = {" ": SPACES}.get(sep or "", sep)
    first = {one: _lines(text, one, whole, _TRIED) for one in ([sep] if sep else _order(usual))}
    chosen, place, padded = _header(first, list(wanted))
    found = _lines(text, chosen, whole)
    header, rows = found[place], found[place + 1 :]
    names = [name.strip() if padded else name for name in header.fields]
    signs, said = [], []
    if sep is None and chosen != usual:
        signs.append(f"separator {_NAMES[chosen]}")
    if header.number > 1 and place:
        said.append(f"the header is line {header.number}; {place} before it left out")
    wide = [line for line in rows if len(line.fields) > len(names)]
    unnamed, trailing = 0, False
    if rows and len(wide) == len(rows):
        unnamed = len(rows[0].fields) - len(names)
        trailing = unnamed == 1 and not any(line.fields[-1].strip() for line in rows)
        if unnamed > 1:
            raise ValueError(
                f"{file}: line {rows[0].number} has {len(rows[0].fields)} fields and the header "
                f"{len(names)}; say what is between them: dataset.sep=semicolon, or what it is"
            )
        if not trailing:
            said.append("the first column has no name: left out")
    if decimal is None:
        decimal = "," if chosen != "," and _has_decimal_comma(rows) else "."
        if decimal == ",":
            signs.append("decimal comma")
    if encoding is None and used not in ("utf-8", "utf-8-sig"):
        signs.append(f"encoding {used}")
    place = header.number - 1 if place else 0
    return Dialect(
        *(chosen, decimal, used, place, trailing, padded, 0 if trailing else unnamed),
        *(tuple(names), tuple([", ".join(signs), *said] if signs else said)),
    )


def _order(usual: str) -> list[str]:
    return [usual, *(sep for sep in _SEPARATORS if sep != usual)]


def _decoded(file: Path, head: bytes, encoding: str | None, whole: bool) -> tuple[str, str]:
    """The encoding and the text of the beginning."""
    if encoding is not None:
        try:
            return encoding, codecs.getincrementaldecoder(encoding)().decode(head, whole)
        except LookupError:
            raise ValueError(f"encoding={encoding!r}: no encoding; such as utf-8, cp1252") from None
        except UnicodeDecodeError as error:
            raise ValueError(f"{file}: encoding={encoding}: {error.reason}") from None
    for mark, name in _BOMS.items():
        if head.startswith(mark):
            return name, codecs.getincrementaldecoder(name)().decode(head, whole)
    if b"\0" in head:
        raise ValueError(
            f"{file}: no table as text, nor Parquet; where it is text, name its encoding: "
            "dataset.encoding=utf-16-le"
        )
    try:
        return "utf-8", codecs.getincrementaldecoder("utf-8")().decode(head, whole)
    except UnicodeDecodeError:
        used = not_utf8(file)
        return used, head.decode(used, errors="replace")


def not_utf8(file: Path) -> str:
    """The encoding of a file that is no UTF-8: cp1252, or latin-1 where it has other bytes.

    Raises `ValueError` where most of what is not ASCII is UTF-8: then the file is damaged.
    """
    right = wrong = 0
    line = first = 0
    cp1252 = True
    with opened(file) as stream:
        for raw in stream:
            line += 1
            if raw.isascii():
                continue
            text = raw.decode("utf-8", errors="surrogateescape")
            lost = sum("\udc80" <= sign <= "\udcff" for sign in text)
            first = first or (line if lost else 0)
            wrong += lost
            right += sum(sign > "\x7f" for sign in text) - lost
            cp1252 = cp1252 and not any(byte in raw for byte in b"\x81\x8d\x8f\x90\x9d")
    if right > wrong:
        raise ValueError(
            f"{file}: line {first} is no UTF-8, and other lines are; correct it, or name the "
            "encoding: dataset.encoding=cp1252"
        )
    return "cp1252" if cp1252 else "latin-1"


def lines(file: Path, dialect: Dialect) -> Iterator[Line]:
    """The lines of data of a file, as pandas counts them."""
    with opened(file) as stream:
        text = io.TextIOWrapper(stream, encoding=dialect.encoding, newline="")
        found = _split(text, dialect.sep)
        yield from (line for line in found if line.number > dialect.skip)


def _lines(text: str, sep: str, whole: bool, most: int | None = None) -> list[Line]:
    found = list(islice(_split(io.StringIO(text, newline=""), sep), most))
    return found if whole or most else found[:-1]  # the last may be cut off


def _split(text: io.TextIOBase, sep: str) -> Iterator[Line]:
    if sep == SPACES:
        for number, line in enumerate(text, 1):
            if line.strip():
                yield Line(number, line.split())
        return
    if len(sep) != 1:
        raise ValueError(f"sep={sep!r}: one sign, or one of {', '.join(SIGNS)}")
    csv.field_size_limit(1 << 30)
    reader = csv.reader(text, delimiter=sep)
    before = 0
    try:
        for fields in reader:
            if fields and (len(fields) > 1 or fields[0].strip()):
                yield Line(before + 1, fields)
            before = reader.line_num
    except csv.Error:  # a quote without an end; the parser of the table names it
        return


def _header(lines: dict[str, list[Line]], wanted: list[str]) -> tuple[str, int, bool]:
    """The separator by which a line has all the names, which line that is, and if it is padded."""
    for places in ([0], range(1, _BEFORE)):
        for padded in (False, True):
            for sep, found in lines.items():
                for place in places:
                    if place < len(found):
                        fields = found[place].fields
                        names = [field.strip() for field in fields] if padded else fields
                        if set(wanted) <= set(names):
                            return sep, place, padded
    usual = next(iter(lines))

    def width(sep: str) -> int:
        sizes = [len(line.fields) for line in lines[sep]]
        return min(sizes, default=0) if len(set(sizes)) <= 1 else 1

    sep = max(lines, key=lambda one: (width(one), one == usual))
    if not lines[sep]:
        raise ValueError("cannot be read (no line has anything in it)")
    return sep, 0, False


def _has_decimal_comma(rows: list[Line]) -> bool:
    """Whether fractions stand behind a comma, and not three digits of a large number."""
    cells = [field.strip() for line in rows[:2_000] for field in line.fields]
    commas = [c for c in cells if _COMMA.fullmatch(c) and not _GROUPED.fullmatch(c)]
    points = [c for c in cells if _POINT.fullmatch(c) and not _GROUPED.fullmatch(c)]
    return bool(commas) and not points
