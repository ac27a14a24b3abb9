"""A table as text, in one file or several: read by pandas, as it is written."""

import re
import warnings
from collections.abc import Mapping, Sequence
from dataclasses import replace
from itertools import islice
from pathlib import Path
from typing import Any

import numpy as np
import numpy.typing as npt
import pandas as pd

from backtrain.datasets.dialect import Dialect, lines, not_utf8, sniff
from backtrain.datasets.files import opened, refuse_other_columns
from backtrain.datasets.source import Source

Bools = npt.NDArray[np.bool_]
_MAY_BE_GROUPED = re.compile(r"[-+]?[1-9]\d{0,2}\.\d{3}|[-+]?\d{1,3}")
_SKIPPED = re.compile(r"line \d+: expected \d+ fields, saw \d+")


class Csv(Source):
    """A table as text in memory; the files are one table, in their order.

    `as_text` are columns that are kept as they are written; of one with no word in `na_values`,
    only blanks are missing. With `lenient`, lines with too many fields are left out. Raises
    `ValueError` naming file, line and key.
    """

    def __init__(
        self,
        files: Sequence[Path],
        dialect: Dialect,
        as_text: Sequence[str] = (),
        na_values: Any = None,
        lenient: bool = False,
    ) -> None:
        self._files = list(files)
        self.dialect = dialect
        by_column = na_values if isinstance(na_values, Mapping) else {}
        self._verbatim = [name for name, words in by_column.items() if not words]
        self._options = {"as_text": as_text, "na_values": na_values, "lenient": lenient}
        self._dialects = [dialect]
        self.left_out: list[str] = []
        frames = [self._read(file, place) for place, file in enumerate(self._files)]
        for file, frame in zip(self._files[1:], frames[1:], strict=True):
            refuse_other_columns(file, [*frame], self._files[0], [*frames[0]])
        mixed = _mixed(frames)
        if mixed:
            self._options["as_text"] = [*as_text, *mixed]
            frames = [self._read(file, place) for place, file in enumerate(self._files)]
        self._starts = np.cumsum([0, *(len(frame) for frame in frames)])
        whole = frames[0]
        if len(frames) > 1:
            whole = pd.concat([frame[whole.columns] for frame in frames], ignore_index=True)
        super().__init__(whole.reset_index(drop=True))
        self._rows = np.arange(len(whole))
        self.reading += [*self.dialect.said, *_twice(dialect.names)]
        self.reading += self.left_out
        if len(files) > 1:
            self.reading.append(f"{len(files)} files, {files[0].name} to {files[-1].name}")

    def at(self, row: int) -> str:
        """Where a row stands: its line, and its file where there are several."""
        row = int(self._rows[row])
        place = int(np.searchsorted(self._starts, row, side="right")) - 1
        file, dialect = self._files[place], self._dialects[place]
        rows = (line for line in lines(file, dialect) if len(line.fields) <= dialect.width)
        line = next(islice(rows, row - int(self._starts[place]) + 1, None), None)  # 0 is the header
        if line is None:
            return f"row {row}"
        return f"line {line.number}" + (f" of {file.name}" if len(self._files) > 1 else "")

    def has_names(self, column: str) -> bool:
        """Whether no value of a column stands twice in one file."""
        pieces = zip(self._starts[:-1], self._starts[1:], strict=True)
        return all(self.head[column].iloc[a:b].is_unique for a, b in pieces)

    def missing_words(self, column: str) -> "pd.Series[int]":
        """Words that were taken for missing values of a column, and how often each is there."""
        raw = pd.concat(
            self._words(file, dialect, [column])[column]
            for file, dialect in zip(self._files, self._dialects, strict=True)
        )
        words = raw.reset_index(drop=True)[self._rows][self.head[column].isna().to_numpy(bool)]
        counts: pd.Series[int] = words.dropna().value_counts()
        return counts

    def unclear_point(self, names: Sequence[str]) -> tuple[str, str] | None:
        """A column and value of which the point may be of thousands, where all points may be.

        So with semicolons between the fields: who writes these writes decimal commas, too.
        """
        numbers = self.head[list(names)].select_dtypes("float")
        fractions = [str(name) for name in numbers if (numbers[name].dropna() % 1 != 0).any()]
        if self.dialect.sep != ";" or not fractions:
            return None
        pieces = zip(self._files, self._dialects, strict=True)
        parts = [self._words(file, dialect, fractions) for file, dialect in pieces]
        words: pd.DataFrame = pd.concat(parts)
        found = None
        for name in fractions:
            texts = words[name].dropna().str.strip()
            if not all(map(_MAY_BE_GROUPED.fullmatch, texts)):
                return None
            found = found or (name, texts[texts.str.contains(".", regex=False)].iloc[0])
        return found

    def keep(self, rows: Bools) -> None:
        """Leave all other rows out."""
        self.head = self.head[rows].reset_index(drop=True)
        self._rows = self._rows[rows]

    def _read(self, file: Path, place: int) -> pd.DataFrame:
        dialect = self._dialects[0] if place == 0 else self._dialect_of(file, place)
        try:
            frame = self._parsed(file, dialect)
        except UnicodeDecodeError as error:
            if dialect.encoding != "utf-8":
                raise ValueError(f"{file}: encoding={dialect.encoding}: {error.reason}") from None
            dialect = replace(dialect, encoding=not_utf8(file))
            frame = self._parsed(file, dialect)
            if place == 0:
                said = (*dialect.said, f"encoding {dialect.encoding}")
                self.dialect = replace(dialect, said=said)
        if verbatim := [name for name in self._verbatim if name in frame]:
            frame[verbatim] = self._words(file, dialect, verbatim)
        del self._dialects[place:]
        self._dialects.append(dialect)
        return frame

    def _dialect_of(self, file: Path, place: int) -> Dialect:
        """The dialect of the first file, at the header of this one."""
        first = self._dialects[0]
        own = sniff(file, [n for n in first.names if n], first.sep, first.decimal)
        return replace(own, padded=first.padded)

    def _words(self, file: Path, dialect: Dialect, names: Sequence[str]) -> pd.DataFrame:
        """Columns as they are written; only blanks are missing."""
        words = self._parsed(file, dialect, names)
        return words.where(words.map(str.strip) != "")

    def _parsed(
        self, file: Path, dialect: Dialect, words: Sequence[str] | None = None
    ) -> pd.DataFrame:
        options: dict[str, Any] = {"index_col": False} if dialect.trailing else {}
        lenient = self._options["lenient"]
        if words is None:
            options["dtype"] = dict.fromkeys(self._options["as_text"], str)
            options["na_values"] = self._options["na_values"]
        else:
            options |= {"dtype": str, "keep_default_na": False}
            options["usecols"] = lambda name: name in words or name.strip() in words
        with opened(file) as stream, warnings.catch_warnings(record=True) as said:
            warnings.simplefilter("always", pd.errors.ParserWarning)
            warnings.simplefilter("ignore", FutureWarning)
            try:
                frame: pd.DataFrame = pd.read_csv(
                    stream,
                    sep=dialect.sep,
                    decimal=dialect.decimal,
                    encoding=dialect.encoding,
                    skiprows=dialect.skip,
                    skipinitialspace=dialect.padded,
                    on_bad_lines="warn" if lenient else "error",
                    low_memory=False,
                    **options,
                )
            except UnicodeDecodeError:
                raise
            except (ValueError, OSError) as error:
                raise ValueError(f"{file}: {_why(str(error), file, dialect)}") from None
        skipped = sum(len(_SKIPPED.findall(str(one.message))) for one in said)
        if skipped and words is None:
            self.left_out.append(
                f"{skipped} lines of {file.name} left out: {_too_long(file, dialect)}"
            )
        if dialect.padded:
            frame.columns = frame.columns.str.strip()
        return frame


def _why(error: str, file: Path, dialect: Dialect) -> str:
    if "fields in line" in error:
        return (
            f"{_too_long(file, dialect)}; dataset.on_bad=drop leaves such lines out, or another "
            "sign is between the fields: dataset.sep="
        )
    return f"cannot be read ({error.splitlines()[0]})"


def _too_long(file: Path, dialect: Dialect) -> str:
    """The first line with too many fields; its number is ours, as pandas counts rows."""
    long = (line for line in lines(file, dialect) if len(line.fields) > dialect.width)
    line = next(long, None)
    if line is None:
        return f"a line has more than {dialect.width} fields"
    return f"line {line.number} has {len(line.fields)} fields, not {dialect.width}"


def _mixed(frames: Sequence[pd.DataFrame]) -> list[str]:
    """Columns that are text in some files only: 007 must not be 7 in the others."""
    if len(frames) == 1:
        return []

    def is_text(frame: pd.DataFrame, name: Any) -> bool:
        return bool(pd.api.types.is_string_dtype(frame[name].dtype)) and frame[name].notna().any()

    names = frames[0].columns
    return [n for n in names if len({is_text(f, n) for f in frames if f[n].notna().any()}) > 1]


def _twice(names: Sequence[str]) -> list[str]:
    """What pandas calls columns whose name stands there before."""
    again = [name for place, name in enumerate(names) if name and name in names[:place]]
    return [
        f"column {name!r} stands there twice: the second is {name + '.1'!r}"
        for name in dict.fromkeys(again)
    ]
