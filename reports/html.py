"""Pages from templates, and the drawings that stand in them."""

import json
from collections.abc import Callable, Mapping
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import pandas as pd
from jinja2 import Environment, PackageLoader, StrictUndefined
from markupsafe import Markup

from backtrain.reports.charged import loss_in_words
from backtrain.reports.numbers import count, duration, listing, number, price
from backtrain.reports.svg import Drawing, plain_text
from backtrain.simulator.manifest import put, warn
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
    "seconds": lambda seconds: duration(pd.Timedelta(seconds=float(seconds))),
}


@dataclass(frozen=True)
class Picture:
    """A drawing as it stands in a page, and as a file; empty where it could not be drawn."""

    svg: Markup
    caption: str
    png: bytes = b""


def page(template: str, **content: Any) -> str:
    """A page from its template, with every string escaped."""
    return printable(_PAGES.get_template(template).render(content))


def setup(info: Mapping[str, Any], more: Mapping[str, str]) -> list[tuple[str, str]]:
    """How a report was set up, in pairs: what every report says, and ``more`` in its place."""
    stream, libraries = info["stream"], sorted((info.get("libraries") or {}).items())
    pairs = {
        "data": f"{stream.get('name')}, {count(int(stream['rows']), 'row')}, target "
        f"{stream.get('target')}, {stream.get('first')} to {stream.get('last')}",
        "data hash": str(stream["fingerprint"]),
        **{key: str(info.get(key)) for key in ("model", "seed")},
        "loss": loss_in_words(info),
        "environment": ", ".join(
            [f"Python {info.get('python')}", *(f"{name} {version}" for name, version in libraries)]
        ),
        **more,
    }
    return [(name, pairs[name]) for name in _SETUP if name in pairs]


def flat(settings: Mapping[str, Any]) -> str:
    """Settings in one line; None, which says nothing, is left out."""
    return ", ".join(
        f"{key} {value if isinstance(value, str) else json.dumps(value)}"
        for key, value in settings.items()
        if value is not None
    )


def draw(makers: Mapping[str, Callable[[], Drawing]], files: bool = False) -> dict[str, Picture]:
    """Draw what can be drawn; what fails is told in its place, and in a warning.

    ``files`` asks for the pictures as PNG, too.
    """
    pictures = {}
    for name, make in makers.items():
        try:
            with plain_text():
                drawing = make()
            # Our own drawing, in which every name is escaped already; the caption is not markup.
            svg, png = Markup(drawing.svg()), drawing.png() if files else b""
            pictures[name] = Picture(svg, drawing.caption, png)
        except Exception as error:
            why = " ".join(f"{type(error).__name__}: {error}".split())
            warn(f"the figure {name} could not be drawn: {why}")
            pictures[name] = Picture(Markup(""), f"This figure could not be drawn: {why}")
    return pictures


def as_files(pictures: Mapping[str, Picture], folder: str = "") -> dict[str, bytes]:
    """The pictures that could be drawn, by the names of their files."""
    drawn = {name: picture.png for name, picture in pictures.items() if picture.png}
    return {f"{folder}{name}.png": png for name, png in drawn.items()}


def write_figures(makers: Mapping[str, Callable[[], Drawing]], directory: Path) -> list[Path]:
    """Write every figure as a PNG file; one that cannot be drawn is left out."""
    directory.mkdir(parents=True, exist_ok=True)
    files = as_files(draw(makers, files=True))
    return [put(directory / name, png) for name, png in files.items()]
