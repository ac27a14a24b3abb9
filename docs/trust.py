"""Audits the gallery and writes its table into `trust.md`: ``python docs/trust.py``.

Exit code 1, and nothing written, where a member is not caught by name or an honest twin is not
passed.
"""

import sys
import warnings
from pathlib import Path

HERE = Path(__file__).parent
sys.path.append(str(HERE.parent / "tests"))

from gallery import GALLERY  # noqa: E402 - it lies beside the tests
from gallery.member import Member  # noqa: E402

COMMAND = "python docs/trust.py"
PAGE = HERE / "trust.md"
BEGIN, END = "<!-- the gallery, by docs/trust.py -->", "<!-- its end -->"


def table(members: list[Member] = GALLERY) -> str:
    """The table, as Markdown: what is written, what the audit says, what it names."""
    lines = [
        f"{len(members)} members, each caught by name, and {len(members)} honest twins that pass:",
        "",
        "| what somebody has written | found as | named | honest twin |",
        "|---|---|---|---|",
    ]
    for member in members:
        named = f"`{member.part}`" if member.part else "the model, asked about two versions"
        lines.append(f"| {member.writes} | {member.check} | {named} | passes |")
    return "\n".join(lines)


def render(page: str) -> str:
    """The page with the table in its place."""
    before, rest = page.split(BEGIN)
    _, after = rest.split(END)
    return f"{before}{BEGIN}\n{table()}\n{END}{after}"


def wrong() -> list[str]:
    """What the audit does not find by name, and twins that it does not pass."""
    failures = []
    for member in GALLERY:
        caught, passed = member.caught(member.audit()), member.audit(honest=True).passed
        print(f"{'caught' if caught else 'MISSED':8}{'twin passes' if passed else 'FALSE ALARM':13}"
              f"{member.writes}")  # fmt: skip
        failures += [] if caught and passed else [member.writes]
    return failures


if __name__ == "__main__":
    warnings.simplefilter("ignore")
    failures = wrong()
    if failures:
        sys.exit(f"{len(failures)} of {len(GALLERY)} are not as the page says: {failures}")
    PAGE.write_text(render(PAGE.read_text(encoding="utf-8")), encoding="utf-8")
    print(f"{len(GALLERY)} members and as many twins; {PAGE} is written")
