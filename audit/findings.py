"""What an audit found, and what it looked for."""

import io
from collections.abc import Iterable, Sequence
from dataclasses import dataclass
from typing import Any

import pandas as pd
from markupsafe import Markup, escape

from backtrain.simulator.texts import printable

COLUMNS = ("strategy", "check", "part", "at", "table", "row", "says")


@dataclass(frozen=True)
class Finding:
    """One thing that is wrong.

    Attributes
    ----------
    check : str
        What was broken: ``"sees the future"``, ``"is not repeatable"``, ``"judges its own
        training"``, ``"holds the history"``, ``"data"``, ``"raises"``.
    part : str
        The part, model or column at fault.
    says : str
        What is wrong with it, and how to mend it.
    at : Timestamp or None
        The first instant at which it shows.
    table : str
        The table of the record, or what else it shows in.
    row : int or None
        The row of the history.
    """

    check: str
    part: str
    says: str
    at: pd.Timestamp | None = None
    table: str = ""
    row: int | None = None


@dataclass(frozen=True, eq=False)
class Audit:
    """The result of an audit; see `Backtest.audit`.

    Attributes
    ----------
    strategy : str
        Name of the strategy.
    found : tuple of Finding
        What is wrong, in the order of the checks.
    checked : tuple of str
        What was looked at, one line each; what could not be is said as well.
    """

    strategy: str
    found: tuple[Finding, ...]
    checked: tuple[str, ...]

    @property
    def passed(self) -> bool:
        """Whether nothing was found."""
        return not self.found

    @property
    def findings(self) -> pd.DataFrame:
        """What was found, a row each; columns: strategy, check, part, at, table, row, says."""
        rows = [{"strategy": self.strategy, **vars(finding)} for finding in self.found]
        frame = pd.DataFrame(rows, columns=list(COLUMNS))
        return frame.astype({"at": "datetime64[ns]", "row": "Int64"})

    def to_frame(self) -> pd.DataFrame:
        """What `findings` says. There is nothing to draw: what is wrong is said in sentences."""
        return self.findings

    def __bool__(self) -> bool:
        raise TypeError("an Audit is neither true nor false; ask for audit.passed")

    def __repr__(self) -> str:
        return f"<{str(self).splitlines()[0]}>"

    def __str__(self) -> str:
        lines = [f"audit of {self.strategy!r}: {self._outcome}"]
        for finding in self.found:
            lines.append(f"  {finding.check}: {finding.part}")
            where = _where(finding)
            lines += [f"    {where}"] if where else []
            lines.append(f"    {finding.says}")
        return printable("\n".join(lines))

    @property
    def _outcome(self) -> str:
        count = len(self.found)
        return "passed" if not count else f"{count} finding{'s' if count > 1 else ''}"

    def _repr_html_(self) -> str:
        out = io.StringIO()
        out.write(f"<h4>{escape(str(self).splitlines()[0])}</h4>")
        if self.found:
            out.write(_table(("check", "part", "where", "what is wrong"), _rows(self.found)))
        looked = Markup("").join(Markup("<li>{}</li>").format(line) for line in self.checked)
        opened = " open" if self.passed else ""
        out.write(
            f"<details{opened}><summary>what was looked at</summary><ul>{looked}</ul></details>"
        )
        return printable(out.getvalue())


def _rows(found: Iterable[Finding]) -> list[tuple[str, ...]]:
    return [(f.check, f.part, _where(f), f.says) for f in found]


def _table(head: Sequence[str], rows: Iterable[Sequence[str]]) -> Markup:
    def line(cells: Sequence[Any], tag: str) -> Markup:
        style = Markup("text-align:left;vertical-align:top;white-space:normal")
        cell = Markup("<{0} style='{1}'>{2}</{0}>")
        return Markup("<tr>{}</tr>").format(
            Markup("").join(cell.format(Markup(tag), style, value) for value in cells)
        )

    body = Markup("").join(line(row, "td") for row in rows)
    return Markup("<table><thead>{}</thead><tbody>{}</tbody></table>").format(
        line(head, "th"), body
    )


def _where(finding: Finding) -> str:
    said = [] if finding.at is None else [f"at {finding.at}"]
    said += [f"table {finding.table!r}"] if finding.table else []
    said += [] if finding.row is None else [f"row {finding.row}"]
    return ", ".join(said)
