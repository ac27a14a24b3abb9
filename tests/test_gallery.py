"""The audit finds what people write by name, and passes what does the same honestly."""

import runpy
from pathlib import Path

import pytest
from gallery import GALLERY
from gallery.member import Member

DOCS = Path(__file__).parent.parent / "docs"
trust = runpy.run_path(str(DOCS / "trust.py"))


@pytest.mark.parametrize("member", GALLERY, ids=lambda member: member.writes)
@pytest.mark.filterwarnings("ignore")
def test_it_is_caught_by_name_and_its_honest_twin_passes(member: Member) -> None:
    audit = member.audit()
    assert member.caught(audit), str(audit)
    twin = member.audit(honest=True)
    assert twin.passed, str(twin)


def test_there_are_parts_models_and_tables_enough() -> None:
    assert len({member.writes for member in GALLERY}) == len(GALLERY) >= 20


def test_the_page_shows_the_table() -> None:
    page = (DOCS / "trust.md").read_text(encoding="utf-8")
    assert page == trust["render"](page), f"docs/trust.md is out of date; run `{trust['COMMAND']}`"
