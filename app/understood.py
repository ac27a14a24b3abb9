"""What was understood of a history and a question: in a few lines, before anything is trained."""

from __future__ import annotations

import math
from collections.abc import Iterable, Mapping
from dataclasses import asdict, dataclass, fields, replace
from typing import TYPE_CHECKING, Any, TypeVar
from weakref import WeakKeyDictionary

import numpy as np
import pandas as pd
from numpy.typing import NDArray

from backtrain.audit.arrivals import Remark, label_warnings
from backtrain.audit.data import data_findings, in_a_line
from backtrain.audit.findings import Finding
from backtrain.datasets.digits import digits
from backtrain.datasets.labels import kind_of
from backtrain.datasets.lagged import Rows, observed_of
from backtrain.datasets.lags import Lags, as_of
from backtrain.datasets.shown import Shown
from backtrain.datasets.stream import Stream
from backtrain.lossmatrix.tuning import Tuning
from backtrain.reports.cards import Card, card
from backtrain.reports.numbers import count, duration, listing
from backtrain.simulator.first_start import as_start
from backtrain.simulator.ledger import Prices
from backtrain.simulator.setup import Setup
from backtrain.simulator.texts import printable
from backtrain.store.code_version import unversioned
from backtrain.strategies.updates.refit import last_step

if TYPE_CHECKING:
    from backtrain.search.result import Search

#: With fewer labels known at ``start`` than these it is said so.
FEW = 30
#: Of so many different whole numbers it is said that they might have been classes.
_MAY_BE_CLASSES = 20
_SHOWN = 4
#: Columns that records keep.
_KEPT = 200
#: Rows of which the kinds of columns are told: the newest.
_MOST_ROWS = 20_000


Result = TypeVar("Result", Tuning, "Search")


@dataclass(frozen=True)
class Column:
    """A feature: what it holds, how many different values, and the share that is missing.

    Values are those of the newest 20,000 rows. ``remark`` says why not to learn from it.
    """

    name: str
    kind: str
    values: int
    missing: float
    remark: str = ""


@dataclass(frozen=True, repr=False)
class Understood(Shown):
    """Few lines for a glance, and what they rest on.

    Attributes
    ----------
    lines : mapping of str to str
        By what they are about: data, times, target, columns, groups, lags, labels, prices, store.
    reading : tuple of str
        What was guessed or chosen where the table was read.
    warnings : tuple of Remark
        What should be mended first: ``says``, and by which ``keys`` of the command line.
    columns : tuple of Column
        The features.
    delays : mapping of str to mapping
        When labels arrive, in seconds: of all labels, and of each class; quantiles by their name.
    """

    lines: Mapping[str, str]
    reading: tuple[str, ...]
    warnings: tuple[Remark, ...]
    columns: tuple[Column, ...]
    delays: Mapping[str, Mapping[str, float]]

    @classmethod
    def of(cls, setup: Setup, windows: Iterable[Any] = (), on_disk: bool = False) -> Understood:
        """Look at a question, the windows that it is asked with, and whether fits are kept."""
        stream = setup.stream
        found = _findings(stream, setup.decides_by_amount)
        remarks = {finding.part: finding.says for finding in found}
        columns = tuple(_columns(stream, remarks))
        delays = _delays(setup)
        lines = {
            "data": _data(setup),
            "times": _times(setup),
            "target": _target(setup),
            "columns": _of_columns(columns),
            "groups": _groups(stream),
            "lags": _lags(stream),
            "labels": _labels(setup, delays),
            "prices": _prices(setup.prices, setup.currency),
            "store": _not_kept(setup) if on_disk else "",
        }
        warnings = (*_suspects(found), *_few(setup), *label_warnings(setup, windows))
        reading = stream.reading
        lines = {about: text for about, text in lines.items() if text}
        return cls(lines, reading, warnings, columns, delays)

    def plain(self) -> dict[str, Any]:
        """The same as plain data, as records keep it, of a wide table with its first columns."""
        columns = [asdict(column) for column in self.columns]
        told = [column for column in columns if column["remark"]]
        kept = [column for column in columns[:_KEPT] if not column["remark"]]
        return {
            "lines": dict(self.lines),
            "reading": list(self.reading),
            "warnings": [remark.says for remark in self.warnings],
            "columns": [*told, *kept][:_KEPT],
            "delays": {name: dict(own) for name, own in self.delays.items()},
        }

    def told(self, found: Result) -> Result:
        """A result that says what was understood when it was made."""
        return replace(found, info={**found.info, "understood": self.plain()})

    def __repr__(self) -> str:
        return str(self)

    def __str__(self) -> str:
        shown = [f"{about:<8}{text}" for about, text in self.lines.items()]
        shown += [f"{'read':<8}{sentence}" for sentence in self.reading]
        shown += [f"warning: {remark.says}" for remark in self.warnings]
        return printable("\n".join(shown))


@card.register
def _(of: Understood) -> Card:
    lines = [f"{about}: {text}" for about, text in of.lines.items()]
    read = [f"read: {sentence}" for sentence in of.reading]
    warned = [f"warning: {remark.says}" for remark in of.warnings]
    return Card("What was understood", "", (*lines, *read, *warned))


# --- lines ----------------------------------------------------------------------------------------


def _data(setup: Setup) -> str:
    first, last = (_date(setup, when) for when in setup.stream.span)
    return f"{setup.stream.name}: {len(setup.stream):,} rows, {first} to {last}"


def _times(setup: Setup) -> str:
    """Zone, tick, and what is known at ``start``."""
    zone = setup.stream.timezone
    tick = f"{setup.tick:,} rows" if isinstance(setup.tick, int) else setup.tick
    known, before = _known(setup), setup.served.start
    return (
        f"{zone or 'UTC (no zone given)'}; tick {tick}; start {_date(setup, setup.start_at)}: "
        f"{known:,} of {before:,} labels before it known"
    )


def _known(setup: Setup) -> int:
    """How many labels are known at ``start`` of rows before it."""
    before = slice(0, setup.served.start)
    return int((setup.label_at[before] <= setup.start_at.value).sum())


def _date(setup: Setup, at: pd.Timestamp) -> str:
    return as_start(setup, at.floor("min")).replace("T", " ").removesuffix(":00")


def _target(setup: Setup) -> str:
    stream = setup.stream
    kind = kind_of(stream.y[~np.isnat(stream.label_time)])
    model = type(last_step(setup.model)).__name__
    if setup.classes is None:
        if kind.task == "classification":
            return f"{stream.target}: {kind.holds}, a quantity, as {model} is a regressor"
        few = kind.holds.partition(" whole")[0]
        if few.isdigit() and int(few) <= _MAY_BE_CLASSES:
            otherwise = "taken as a quantity; task=classification otherwise"
            return f"{stream.target}: {kind.holds}, {otherwise}"
        return f"{stream.target}: {kind.holds}, a quantity"
    found = np.bincount(setup.truth[setup.truth >= 0], minlength=len(setup.classes))
    order = np.argsort(-found, kind="stable")[:_SHOWN].tolist()
    names = setup.classes.tolist()
    shares = [f"{_name(names[one])} ({_percent(found[one] / found.sum())})" for one in order]
    more = f" and {len(names) - _SHOWN} more" if len(names) > _SHOWN else ""
    why = f", as {model} is a classifier" if kind.task == "regression" else ""
    return f"{stream.target}: {len(names):,} classes{why}: {', '.join(shares)}{more}"


def _name(label: Any) -> str:
    return digits(label, 6) if isinstance(label, float) else str(label)


def _percent(share: float) -> str:
    return f"{digits(100 * share, 2)} %"


def _columns(stream: Stream, remarks: Mapping[str, str]) -> Iterable[Column]:
    first = max(0, len(stream) - _MOST_ROWS)
    for place, name in enumerate(stream.columns):
        values: Any = stream.X[name] if isinstance(stream.X, pd.DataFrame) else stream.X[:, place]
        missing = float(np.asarray(pd.isna(values)).mean())
        known = pd.unique(pd.Series(values[first:]).dropna())
        kind = _kind(values, known, missing)
        yield Column(name, kind, len(known), missing, remarks.get(f"column {name!r}", ""))


def _kind(values: Any, known: Any, missing: float) -> str:
    if missing == 1:
        return "empty"
    if isinstance(getattr(values, "dtype", None), pd.CategoricalDtype):
        return "category"
    numbers: NDArray[np.float64] = np.asarray(known, dtype=np.float64)
    if set(numbers.tolist()) <= {0.0, 1.0}:
        return "0 or 1"
    return "whole number" if (numbers == np.round(numbers)).all() else "number"


def _of_columns(columns: Iterable[Column]) -> str:
    by_kind: dict[str, list[Column]] = {}
    for column in columns:
        by_kind.setdefault(column.kind, []).append(column)
    numbers = sum(len(by_kind.get(kind, ())) for kind in ("number", "whole number", "0 or 1"))
    flags, words = len(by_kind.get("0 or 1", ())), by_kind.get("category", [])
    parts = []
    if numbers:
        parts.append(count(numbers, "number") + (f" ({flags} of them 0 or 1)" if flags else ""))
    if words:
        shown = [f"{column.name} ({column.values:,})" for column in words[:_SHOWN]]
        rest = f" and {len(words) - _SHOWN} more" if len(words) > _SHOWN else ""
        noun = "category" if len(words) == 1 else "categories"
        parts.append(f"{len(words)} {noun}: {', '.join(shown)}{rest}")
    if empty := by_kind.get("empty"):
        parts.append(f"without any value: {listing([column.name for column in empty[:_SHOWN]])}")
    gaps = [column for column in columns if 0 < column.missing < 1]
    if gaps:
        most = max(gaps, key=lambda column: column.missing)
        parts.append(f"gaps in {len(gaps)}, most in {most.name} ({_percent(most.missing)})")
    return "; ".join(parts)


def _groups(stream: Stream) -> str:
    if stream.group is None:
        return ""
    return f"{count(len(pd.unique(stream.group)), 'group')}; a feature only where features names it"


def _lags(stream: Stream) -> str:
    """What they are, and how old the newest label is that a row knows: of the newest rows."""
    series_of_it = stream if stream.series is None else stream.series
    if series_of_it.lags is None:
        return ""
    is_forecast, stream = stream.series is not None, series_of_it
    names = stream.lag_columns
    more = f" and {len(names) - _SHOWN} more" if len(names) > _SHOWN else ""
    assert stream.lags is not None
    observed, series, _ = observed_of(stream.lags, Rows.of(stream))
    if is_forecast:  # what was measured at its origin is known to it
        at_once = observed.known_at == observed.time + 1
        observed = observed._replace(known_at=observed.known_at - at_once)
    some, count = series[-_MOST_ROWS:], len(np.unique(series[series >= 0]))
    at = stream.event_time[-_MOST_ROWS:].view(np.int64)
    hours = as_of(Lags(age=True), observed, some, at)[:, 0]
    old = "no row knows a label"
    if not np.isnan(hours).all():
        who = "an origin" if is_forecast else "a row"
        ages = np.nanquantile(hours, [0.5, 0.95]).tolist()
        median, late = (_length(3600 * age) for age in ages)
        old = f"the newest that {who} knows is {median} old (median), {late} (95 %)"
        if not any(ages):
            old = f"the newest that {who} knows is its own"
    each = f" of its own series ({count:,})" if count > 1 else ""
    return f"{', '.join(names[:_SHOWN])}{more}: labels known by then{each}; {old}"


def _delays(setup: Setup) -> dict[str, dict[str, float]]:
    """Of all labels, and of each of a few classes: median, 95th percentile, longest, in seconds."""
    arrives = setup.label_at < np.iinfo(np.int64).max
    delay = (setup.label_at - setup.event_at)[arrives] / 1e9
    found = {"all": _quantiles(delay)} if len(delay) else {}
    if setup.classes is not None and 1 < len(setup.classes) <= _MAY_BE_CLASSES:
        truth = setup.truth[arrives]
        for code, name in enumerate(setup.classes.tolist()):
            if (own := truth == code).any():
                found[_name(name)] = _quantiles(delay[own])
    return found


def _quantiles(delay: NDArray[np.float64]) -> dict[str, float]:
    median, late = np.quantile(delay, [0.5, 0.95])
    ends = {"min": float(delay.min()), "max": float(delay.max())}
    return {"median": float(median), "p95": float(late), **ends}


def _labels(setup: Setup, delays: Mapping[str, Mapping[str, float]]) -> str:
    never = setup.label_at == np.iinfo(np.int64).max
    lost = ""
    if missing := int(never.sum()):
        share = f"{count(missing, 'row')} ({_percent(missing / len(never))})"
        lost = f"; the newest {share} have none" if never[-missing:].all() else f"; {share} never"
    whole = delays["all"]
    if whole["max"] == 0:
        return f"known at once{lost}"
    if whole["min"] == whole["max"]:
        return f"known after {_length(whole['max'])}{lost}"
    text = (
        f"known after {_length(whole['median'])} (median), {_length(whole['p95'])} (95 %), "
        f"{_length(whole['max'])} (longest)"
    )
    medians = {name: own["median"] for name, own in delays.items() if name != "all"}
    if medians and max(medians.values()) > 1.05 * min(medians.values()):
        shown = [f"{name} {_length(own)}" for name, own in list(medians.items())[:_SHOWN]]
        text += f"; medians by class: {', '.join(shown)}"
    return f"{text}{lost}"


def _length(seconds: float) -> str:
    return "0" if seconds == 0 else duration(pd.Timedelta(seconds=seconds))


def _prices(prices: Prices, currency: str) -> str:
    given = {field.name: getattr(prices, field.name) for field in fields(prices)}
    money = f" {currency}" if currency else ""
    shown = ", ".join(f"{name} {digits(value, 6)}{money}" for name, value in given.items() if value)
    return (shown or "all 0") + ("; the defaults, not yours" if prices == Prices() else "")


def _not_kept(setup: Setup) -> str:
    """Whose code has no version: what it has learnt cannot be told from what other code would."""
    names = unversioned(setup.model)
    if not names:
        return ""
    kind = names[0] if names[0] != "<lambda>" else "a function without a name"
    return (
        f"fits are not kept for later runs, as no version stands for the code of {kind}: give it "
        "cache_version = 1, and another number whenever its code changes"
    )


# --- warnings -------------------------------------------------------------------------------------


#: By history, and whether amounts decide: a command asks twice, a sweep for each job.
_FOUND: WeakKeyDictionary[Stream, dict[bool, list[Finding]]] = WeakKeyDictionary()


def _findings(stream: Stream, by_amount: bool) -> list[Finding]:
    known = _FOUND.setdefault(stream, {})
    if by_amount not in known:
        known[by_amount] = data_findings(stream, thorough=False, by_amount=by_amount)
    return known[by_amount]


def _suspects(found: list[Finding]) -> list[Remark]:
    """Columns that should not be learnt from, in one line."""
    line = in_a_line(found)
    names = [f.part.removeprefix("column ").strip("'\"") for f in found if "column" in f.part]
    keys = f"dataset.drop=[{','.join(names)}]" if names else ""
    return [] if line is None else [Remark(line, keys)]


def _few(setup: Setup) -> list[Remark]:
    """Too few labels are known at ``start`` for a first model that means anything."""
    known = _known(setup)
    if known >= FEW:
        return []
    says = f"only {count(known, 'label')} known at start={_date(setup, setup.start_at)}"
    label, event = setup.label_at, setup.event_at
    real = label < np.iinfo(np.int64).max
    known_at = np.maximum(label, event)[real]
    order = np.argsort(known_at, kind="stable")
    enough, of_two = FEW, ""
    if setup.classes is not None and len(order):  # a first model needs two of them
        truth = setup.truth[real][order]
        enough = max(FEW, int(np.argmax(truth != truth[0])) + 1)
        of_two = " of two classes" if enough > FEW else ""
    first, last = setup.stream.span
    if len(order) < enough or known_at[order[enough - 1]] >= last.value:
        return [Remark(says)]
    when = pd.Timestamp(known_at[order[enough - 1]]).ceil("min")
    share = math.ceil(1000 * ((when - first) / (last - first))) / 1000
    start = f"{share:g}" if isinstance(setup.start, float) else as_start(setup, when)
    return [Remark(f"{says}; {enough:,}{of_two} from {_date(setup, when)} on", f"start={start}")]
