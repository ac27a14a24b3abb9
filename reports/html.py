"""Pages from templates, the drawings that stand in them, and the files beside them."""

import json
import math
from collections.abc import Callable, Collection, Iterable, Iterator, Mapping, Sequence
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any
from urllib.parse import quote

import pandas as pd
from jinja2 import Environment, PackageLoader, StrictUndefined
from markupsafe import Markup

from backtrain.datasets.calendar import Calendar
from backtrain.datasets.digits import digits
from backtrain.reports.archive import check_report, csv_text, save_files
from backtrain.reports.charged import loss_in_words
from backtrain.reports.exhibit import Exhibit, Section
from backtrain.reports.numbers import count, duration, listing, number, price
from backtrain.reports.svg import NARROW, WIDE, Drawing, Paper, alone, inline, plain_text
from backtrain.reports.tables import Sheet
from backtrain.reports.units import currency
from backtrain.simulator.manifest import Manifest, put, warn
from backtrain.simulator.texts import printable

#: What a setup says, in this order.
_SETUP = (
    *("data", "data hash", "faults put into it", "served", "labels", "model", "window", "update"),
    *("loss", "seed", "prices", "delays", "environment"),
)
_PAGES = Environment(
    loader=PackageLoader("backtrain.reports", package_path=""),
    autoescape=True,
    undefined=StrictUndefined,
    trim_blocks=True,
    lstrip_blocks=True,
)
_PAGES.globals |= {
    **{writer.__name__: writer for writer in (count, duration, listing, number, price)},
    "day": lambda info, when: Calendar.of(info).day(when),
    "seconds": lambda seconds: duration(pd.Timedelta(seconds=float(seconds))),
}


@dataclass(frozen=True)
class Picture:
    """A figure as it stands in a page, wide and narrow, and as files by their ending.

    Without any where it could not be drawn: the caption says why.
    """

    svg: Markup
    narrow: Markup
    caption: str
    files: Mapping[str, bytes] = field(default_factory=dict)


@dataclass(frozen=True, eq=False)
class Report:
    """A page of sections, and the files of its exhibits: every figure is drawn once for both."""

    template: str
    content: Mapping[str, Any]
    sections: Sequence[Section]
    pictures: Mapping[str, Picture]

    @classmethod
    def of(
        cls,
        template: str,
        content: Mapping[str, Any],
        sections: Sequence[Section],
        files: bool = False,
    ) -> "Report":
        """Draw what the sections show; ``files`` asks for the figures as files, too."""
        return cls(template, content, sections, draw(exhibits(sections), files))

    def files(self) -> dict[str, bytes]:
        """Pictures and data of every exhibit, by the names of their files."""
        files: dict[str, bytes] = {}
        for exhibit in exhibits(self.sections):
            stem, frame = f"{exhibit.folder}/{exhibit.id}", exhibit.frame()
            if exhibit.id in self.pictures:
                drawn = self.pictures[exhibit.id].files
                files |= {f"{stem}.{ending}": content for ending, content in drawn.items()}
            if frame is not None:
                files[f"{stem}.csv"] = csv_text(frame)
        return files

    def page(self, names: Mapping[str, str] | None = None) -> str:
        """As HTML: no request leaves the page, and it reads without script.

        ``names`` are the files that lie beside it, by what they were to be called; each exhibit
        links its own.
        """
        names = names or {}

        def links(exhibit: Exhibit) -> list[tuple[str, str]]:
            files = {e: f"{exhibit.folder}/{exhibit.id}.{e}" for e in ("csv", "png", "svg")}
            return [(e.upper(), quote(names[file])) for e, file in files.items() if file in names]

        drawn = {"sections": self.sections, "pictures": self.pictures, "links": links}
        return page(self.template, **self.content, **drawn)


def page(template: str, **content: Any) -> str:
    """A page from its template, with every string escaped."""
    return printable(_PAGES.get_template(template).render(content))


def setup(info: Mapping[str, Any], more: Mapping[str, str]) -> list[tuple[str, str]]:
    """How a report was set up, in pairs: what every report says, and ``more`` in its place."""
    stream, libraries = info["stream"], sorted((info.get("libraries") or {}).items())
    first, last = (moment(info, stream.get(key)) for key in ("first", "last"))
    pairs = {
        "data": f"{stream.get('name')}, {count(int(stream['rows']), 'row')}, target "
        f"{stream.get('target')}, {first} to {last}{in_zone(info)}",
        "data hash": str(stream["fingerprint"]),
        **{key: str(info.get(key)) for key in ("model", "seed")},
        "loss": loss_in_words(info),
        "environment": ", ".join(
            [f"Python {info.get('python')}", *(f"{name} {version}" for name, version in libraries)]
        ),
        **more,
    }
    return [(name, pairs[name]) for name in _SETUP if name in pairs]


def moment(info: Mapping[str, Any], when: Any) -> str:
    """An instant of a record as pages show it: in local time, where its stream has a zone.

    A record may come from elsewhere: what is no instant is shown as it stands there.
    """
    try:
        return str(when) if when is None else Calendar.of(info).iso(pd.Timestamp(when))
    except ValueError:
        return str(when)


def in_zone(info: Mapping[str, Any]) -> str:
    """What is to be known of the times that pages show; nothing where all are UTC."""
    zone = Calendar.of(info).zone
    return "" if zone is None else f"; pages show local times, {zone}, and files hold UTC"


def flat(settings: Mapping[str, Any]) -> str:
    """Settings in one line; None, which says nothing, is left out."""
    return ", ".join(
        f"{key} {_flat(value)}" for key, value in settings.items() if value is not None
    )


def prices(info: Mapping[str, Any]) -> str:
    """What is charged in one line, in the currency that was given."""
    called = currency(info)
    return f"{flat(info.get('prices') or {})}{f', in {called}' if called else ''}"


def _flat(value: Any) -> str:
    if isinstance(value, float) and math.isfinite(value) and "e" in repr(value):
        return digits(value, 6)
    return value if isinstance(value, str) else json.dumps(value)


def files(
    make: Callable[[bool], Report],
    name: str,
    wanted: str,
    places: Callable[[Collection[str]], Mapping[str, str]],
) -> dict[str, bytes]:
    """The files of a report that is ``wanted``: "all", "page" or "none", see `archive.REPORTS`.

    ``make`` draws it, with files or without; ``name`` is that of the page, and ``places`` says
    under which names files will lie, so that the page can link them.
    """
    if wanted == "none":
        return {}
    report = make(wanted == "all")
    beside = report.files() if wanted == "all" else {}
    return {**beside, name: report.page(places(beside)).encode()}


def save(
    place: Manifest,
    contents: Mapping[str, bytes],
    make: Callable[[bool], Report],
    page: str,
    wanted: str,
) -> Path:
    """Write a page, what is wanted beside it and other ``contents``; returns the folder.

    The page is called ``page``; where it cannot be made, the others are written all the same.
    """
    check_report(wanted)
    contents = dict(contents)
    try:
        contents |= files(make, page, wanted, place.names)
    finally:
        save_files(place, contents)
    return place.folder


def exhibits(sections: Iterable[Section]) -> Iterator[Exhibit]:
    """All figures and tables, in the order of the page."""
    for section in sections:
        yield from section.exhibits


def draw(figures: Iterable[Exhibit], files: bool = False) -> dict[str, Picture]:
    """Draw what can be drawn, by its id; what fails is told in its place, and in a warning.

    ``files`` asks for the pictures as files, too.
    """
    pictures = {}
    for exhibit in figures:
        if isinstance(exhibit.shows, Sheet):
            continue
        try:
            with plain_text():
                pictures[exhibit.id] = _picture(exhibit.id, exhibit.shows, exhibit.alt, files)
        except Exception as error:
            why = " ".join(f"{type(error).__name__}: {error}".split())
            warn(f"the figure {exhibit.id} could not be drawn: {why}")
            nothing = Markup("")
            told = f"This figure could not be drawn: {why}"
            pictures[exhibit.id] = Picture(nothing, nothing, told)
    return pictures


def _picture(name: str, make: Callable[[Paper], Drawing], alt: str, files: bool) -> Picture:
    wide, narrow = make(WIDE), make(NARROW)
    drawn = wide.svg(name, alt)
    # Our own drawings, in which every name is escaped already; the caption is not markup.
    page, phone = (Markup(inline(text)) for text in (drawn, narrow.svg(f"{name}-narrow", alt)))
    beside = {"png": wide.png(), "svg": alone(drawn)} if files else {}
    return Picture(page, phone, wide.caption, beside)


def write_figures(figures: Iterable[Exhibit], directory: Path) -> list[Path]:
    """Write every figure as a PNG file; one that cannot be drawn is left out."""
    directory.mkdir(parents=True, exist_ok=True)
    drawn = draw(figures, files=True)
    return [
        put(directory / f"{name}.png", picture.files["png"])
        for name, picture in drawn.items()
        if picture.files
    ]
