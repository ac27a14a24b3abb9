"""Writes `strategies.md` from the docstrings of all parts: ``python docs/catalogue.py``."""

import dataclasses
import inspect
import re
from collections.abc import Iterator
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

from backtrain import strategies
from backtrain.config.presets import PARTS, exported, snake_case

HERE = Path(__file__).parent
COMMAND = "python docs/catalogue.py"
#: What a part of each group can do that no other can, and the heading of the group.
GROUPS = {
    "trigger": ("monitor", "Triggers: when to retrain"),
    "window": ("select", "Windows: on what"),
    "update": ("fit", "Updates: how"),
    "gate": ("open", "Gates: whether to deploy"),
    "strategy": ("obstacle", "The strategy that they make up"),
    "blackout": ("until", "Blackouts: when no training is decided"),
    "own": ("", "For parts of your own"),
}
_ITEM = re.compile(r"(\*{0,2}\w+(?:, \*{0,2}\w+)*)(?: : (.*))?$")
_RULE = re.compile(r"-{3,}$")


@dataclass
class Document:
    """A docstring, taken apart.

    Attributes
    ----------
    prose : list of str
        Lines of text before any section.
    parameters : dict
        Type and description, by name.
    sections : dict
        Lines of the other sections, by title.
    examples : list of str
        Lines of all doctests.
    """

    prose: list[str] = field(default_factory=list)
    parameters: dict[str, tuple[str, str]] = field(default_factory=dict)
    sections: dict[str, list[str]] = field(default_factory=dict)
    examples: list[str] = field(default_factory=list)

    @classmethod
    def of(cls, part: Any) -> "Document":
        """Read a part's docstring: text, numpydoc sections, doctests anywhere."""
        document = cls()
        lines = document._without_examples((inspect.getdoc(part) or "").splitlines())
        for title, body in _by_section(lines):
            if title == "Parameters":
                document._read_parameters(body)
            elif title:
                document.sections[title] = body
            else:
                document.prose += body
        return document

    def _without_examples(self, lines: list[str]) -> list[str]:
        kept, inside = [], False
        for line in lines:
            inside = line.startswith(">>>") or (inside and bool(line.strip()))
            (self.examples if inside else kept).append(line)
        return kept

    def _read_parameters(self, lines: list[str]) -> None:
        """Names stand to the left, what they mean is indented; other text is prose."""
        name = None
        for line in lines:
            item = _ITEM.match(line)
            if item:
                name = item[1]
                self.parameters[name] = (item[2] or "", "")
            elif name and (line.startswith(" ") or not line.strip()):
                kind, text = self.parameters[name]
                self.parameters[name] = (kind, f"{text} {line.strip()}".strip())
            else:
                self.prose += [*([""] if name else []), line]
                name = None


def kind_of(part: Any) -> str:
    """The group that a part belongs to, by what it can do."""
    if not dataclasses.is_dataclass(part):
        return "own"
    return next(
        group for group, (method, _) in GROUPS.items() if hasattr(part, method or "__doc__")
    )


def presets() -> dict[str, str]:
    """How each class is named on the command line, such as ``trigger=every``."""
    found = {}
    for group in PARTS:
        for kind in exported(group):
            found[kind.__name__] = f"{group}={snake_case(kind.__name__)}"
    return found


def render() -> str:
    """The whole catalogue as Markdown."""
    named, groups = presets(), {group: [] for group in GROUPS}
    for name in sorted(strategies.__all__):
        groups[kind_of(getattr(strategies, name))].append(name)
    lines = [
        "# Strategies: every part",
        "",
        "A strategy is a trigger, a window, an update and a gate. This page is written from their",
        f"docstrings by `{COMMAND}`; do not edit it by hand. Below each name stands how it is",
        "called on the command line; `backtrain list` shows all presets.",
    ]
    for group, names in groups.items():
        if names:
            links = " · ".join(f"[{name}](#{name.lower()})" for name in names)
            lines += ["", f"## {GROUPS[group][1]}", "", links]
        for name in names:
            lines += _entry(name, named.get(name))
    return "\n".join(_tidy(lines)) + "\n"


def _entry(name: str, preset: str | None) -> Iterator[str]:
    part = getattr(strategies, name)
    document = Document.of(part)
    yield from ("", f"### {name}", "")
    called = preset or f"_target_: {strategies.__name__}.{name}"
    if dataclasses.is_dataclass(part):
        yield from (f"`{called}`", "")
    yield from _lines(document.prose)
    yield ""
    for names, (kind, text) in document.parameters.items():
        said = [kind] if kind else []
        said += [f"default ``{shown}``" for shown in _defaults(part, names)]
        inside = f" ({_markdown(', '.join(said))})" if said else ""
        yield f"- {', '.join(f'`{n}`' for n in names.split(', '))}{inside}: {_markdown(text)}"
    for title, body in document.sections.items():
        if any(line.strip() for line in body):
            yield from ("", f"*{title}.*", *_lines(body))
    if document.examples:
        yield from ("", "```python", *document.examples, "```")


def _by_section(lines: list[str]) -> Iterator[tuple[str, list[str]]]:
    """Titles (none for what comes first) with the lines below them."""
    starts = [i for i in range(len(lines) - 1) if lines[i].strip() and _RULE.match(lines[i + 1])]
    yield "", lines[: starts[0] if starts else None]
    for start, stop in zip(starts, [*starts, len(lines)][1:], strict=True):
        yield lines[start].strip(), lines[start + 2 : stop]


def _defaults(part: Any, names: str) -> list[str]:
    """The defaults of parameters that are described together; None goes without saying."""
    known = {spec.name: spec.default for spec in dataclasses.fields(part)}
    shown = [known.get(name) for name in names.split(", ")]
    return [repr(value) for value in shown if value not in (None, dataclasses.MISSING)]


def _lines(lines: list[str]) -> list[str]:
    """Lines as Markdown; a literal may go on in the next one."""
    return _markdown("\n".join(lines)).split("\n")


def _markdown(text: str) -> str:
    """reStructuredText's literals as Markdown's; what Markdown would take for a tag is escaped."""
    pieces = re.split(r"(``.+?``|`[^`]+`)", text, flags=re.DOTALL)
    return "".join(
        f"`{piece.strip('`')}`" if piece.startswith("`") else re.sub(r"([<*])", r"\\\1", piece)
        for piece in pieces
    )


def _tidy(lines: list[str]) -> Iterator[str]:
    """No blank line twice, none at the end."""
    last = ""
    for line in lines:
        line = line.rstrip()
        if line or last:
            yield line
        last = line


if __name__ == "__main__":
    (HERE / "strategies.md").write_text(render(), encoding="utf-8")
