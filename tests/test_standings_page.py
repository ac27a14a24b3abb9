"""The page of the standings says what its table says, and nothing else."""

import re
from pathlib import Path

import numpy as np
import pandas as pd
import pytest
import standings_page
from standings_page import PLAIN, Standings, facts, page, text
from standings_words import escaped

ROOT = Path(__file__).parent.parent

TABLE = ROOT / "benchmarks/standings.parquet"
FAMILIES = ("calendar", "drifting", "forecasting", "synthetic")
#: Of each policy: its kind, log of its errors beside static's, retrains, and how much it varies.
POLICIES = {
    "static": ("schedule", 0.0, 0, 0.0),
    PLAIN: ("schedule", -0.2, 10, 0.05),
    "every 10, warm": ("update", -0.2, 10, 0.05),
    "every tick": ("schedule", -0.25, 100, 0.05),
    "on_drop": ("trigger", -0.2, 9, 0.2),
    "late|alarm": ("trigger", 0.05, 2, 0.05),
}


def fabricated(seed: int = 0, streams: int = 16, **better: float) -> pd.DataFrame:
    """A table as the runner leaves it, made up: policies differ as `POLICIES` says.

    ``better`` is what is added to the log of a policy's errors, by its name.
    """
    random, rows = np.random.default_rng(seed), []
    for n in range(streams):
        family = FAMILIES[n % 4]
        drift = "none" if family == "synthetic" else "unknown"
        luck = {name: told[3] * (1 - 2 * (n // 4 % 2)) for name, told in POLICIES.items()}
        for model in ("linear", "boosted"):
            for delay in ("long", "short"):
                for run in (0, 1):
                    noise = {k: random.normal(0, told[3] / 4) for k, told in POLICIES.items()}
                    key = (f"stream_{n:02d}", family, drift, model, delay, run)
                    rows += _cell(key, luck, noise, better)
    names = ("stream", "family", "drift", "model", "delay", "seed", "price", "policy", "kind",
             "tuned", "cost", "errors", "retrains", "saved", "luck", "error")  # fmt: skip
    frame = pd.DataFrame(rows, columns=list(names))
    keys = list(names[:8])
    frame = frame.sort_values(keys, ignore_index=True)
    texts = ["stream", "family", "drift", "model", "delay", "policy", "kind"]
    floats = dict.fromkeys(["cost", "errors", "saved", "luck"], "float32")
    return frame.astype(dict.fromkeys(texts, "category") | floats)


def _cell(key: tuple, luck: dict, noise: dict, better: dict) -> list[tuple]:
    rows = []
    for price in (0.0, 0.001, 0.005, 0.02):
        oracle = 0.6 + 3 * price
        rows.append((*key, price, "oracle", "oracle", False, oracle, 0.6, 3, 1.0, np.nan, ""))
        rows.append((*key, price, "last label", "no model", False, 1.4, 1.4, 0, -1, np.nan, ""))
        for name, (kind, level, retrains, _) in POLICIES.items():
            if name == "every 10, warm" and key[3] == "boosted":
                why = "boosted models have no warm start"
                rows.append((*key, price, name, kind, False, *[np.nan] * 2, 0, *[np.nan] * 2, why))
                continue
            errors = float(np.exp(level + luck[name] + noise[name] + better.get(name, 0.0)))
            cost = errors + price * retrains
            saved = (1 - cost) / (1 - oracle)
            coin = np.nan if not retrains else 0.5
            tuned = name == "on_drop"
            rows.append((*key, price, name, kind, tuned, cost, errors, retrains, saved, coin, ""))
    return rows


DESCRIBED = pd.DataFrame({
    "name": [f"stream_{n:02d}" for n in range(17)],
    "title": [f"Title {n}" for n in range(17)],
    "licence": "CC BY 4.0", "citation": "Somebody, 2020", "origin": "https://example.org/a_b",
})  # fmt: skip


@pytest.fixture(scope="module")
def said() -> str:
    return text(Standings(fabricated(), DESCRIBED, {"Approval": "waits for a person"}))


def section(said: str, title: str) -> str:
    """What stands below a heading."""
    found = re.search(rf"^## {re.escape(title)}\n(.*?)(?=^## |\Z)", said, re.DOTALL | re.MULTILINE)
    assert found, title
    return found[1]


def row(part: str, name: str) -> list[str]:
    """The cells of a table's row."""
    (line,) = [one for one in part.splitlines() if one.startswith(f"| {name} |")]
    return [cell.strip().replace("\xa0", " ") for cell in line.split("|")[1:-1]]


def test_the_answer_comes_first_and_is_that_of_the_numbers(said: str) -> None:
    answer = said.split("\n\n")[2]
    assert answer.startswith("On 16 streams of 4 families, with 2 models, 4 policies were held")
    assert f"**{PLAIN}**, at 4 prices" in answer
    assert "none is found to cost less by more than 1 %" in answer
    assert "cost more by more than 1 %: " in answer
    assert "1 of 4 cannot be told from it either way" in answer  # the one that varies


def test_another_result_makes_another_answer() -> None:
    told = Standings(fabricated(on_drop=-0.3), DESCRIBED)
    answer = standings_page.answer(told)
    assert "1 costs less by more than 1 %: *on\\_drop*." in answer
    assert "By kind: 1 trigger. 3 cost more" in answer
    assert "; 4 hold whichever family is left out." in answer
    schedule = standings_page.answer(Standings(fabricated(**{"every tick": -0.9}), DESCRIBED))
    assert "By kind: 1 schedule. No trigger is among them." in schedule


def test_a_finding_that_rests_on_one_family_is_marked() -> None:
    """On calendar streams it costs 0.4 of what it did, on the others nothing has changed."""
    table = fabricated()
    own = (table["policy"] == "on_drop") & (table["family"] == "calendar")
    table.loc[own, "cost"] *= 0.4
    told = Standings(table, DESCRIBED)
    assert told.moved(told.overall) == {"on_drop"}
    assert "1 costs less by more than 1 %: *on\\_drop*°." in standings_page.answer(told)
    assert "; 3 hold whichever family is left out, and those marked with a ° do not." in text(told)
    assert row(text(told), "all")[1:] == [
        "1: *on\\_drop*°", "0", "3: *static*, *late&#124;alarm* and *every tick*", "0", "3 of 4",
    ]  # fmt: skip


def test_a_row_is_that_of_the_table(said: str) -> None:
    cells = row(section(said, "Where a retrain is free"), "every tick")
    own = fabricated().query("policy == 'every tick' and price == 0")
    cost = np.exp(
        np.log(own["cost"].astype(float)).groupby(own["stream"], observed=True).mean().mean()
    )
    assert cells[2].startswith(f"{cost:.3f} (")
    means = own.groupby("stream", observed=True)["cost"].mean()
    assert cells[4] == f"{100 * (1 - means.mean()) / 0.4:.0f} %"
    assert cells[5] == "50 %"
    assert sum(map(int, cells[3].split(" / "))) in (99, 100, 101)
    assert row(section(said, "Where a retrain is free"), f"**{PLAIN}**")[3] == ""


def test_names_cannot_break_a_table(said: str) -> None:
    assert "late&#124;alarm" in said
    assert "on\\_drop †" in said
    for block in re.findall(r"(?:^\|.*\n)+", said, re.MULTILINE):
        widths = {line.count("|") for line in block.splitlines()}
        assert len(widths) == 1, block
    assert escaped("https://example.org/a_b") == "<https://example.org/a_b>"


def test_what_is_missing_is_said_with_its_reason_and_compared_where_it_is_there(said: str) -> None:
    part = section(said, "What was left out")
    assert "every 10, warm is missing in 256 of 512 cells, and is not ranked." in part
    assert "Where it was run (16 streams)" in part
    assert row(part, "every 10, warm")[1:] == [
        "boosted", "16", "boosted models have no warm start",
    ]  # fmt: skip
    assert "Streams that were not at hand: stream\\_16." in part
    assert "In no policy are `Approval` (waits for a person)." in part


def test_all_that_a_reader_has_to_know_stands_there(said: str) -> None:
    without = section(said, "Without a model")
    assert row(without, "last label")[1:4] == ["1.400", "0 / 0 / 100", "0 of 16"]
    assert "0.600 where a retrain is free" in without
    families = re.compile(r"^\| (?:cal|dri|for|syn)", re.MULTILINE)
    assert len(families.findall(section(said, "One family left out"))) == 4
    assert len(families.findall(section(said, "Best by family and model"))) == 8
    assert row(section(said, "Streams"), "`stream_03`")[1:] == [
        "synthetic", "Title 3", "Somebody, 2020", "CC BY 4.0", "<https://example.org/a_b>",
    ]  # fmt: skip
    assert "4 calendar, 4 drifting, 4 forecasting, 4 synthetic" in section(said, "How it was made")
    for word in ("CITATION.cff", "--policy my.yaml", "goes on where it was stopped"):
        assert word in section(said, "Do it yourself")


def test_an_answer_that_fits_one_stream_has_a_cost_alone() -> None:
    table = fabricated(streams=4).astype({"policy": str})
    one = (table["policy"] == "last label") & (table["stream"] == "stream_02")
    table.loc[one, "policy"] = "season before"
    part = section(text(Standings(table, DESCRIBED)), "Without a model")
    assert row(part, "season before")[1:] == ["1.400", "–", "–", "–"]
    assert row(part, "last label")[3] == "0 of 3"


def test_on_few_streams_nothing_is_found_and_it_is_said() -> None:
    answer = standings_page.answer(Standings(fabricated(streams=4), DESCRIBED))
    assert "**4 of 4 cannot be told from it either way.**" in answer
    assert "4 streams are too few: nothing is found on fewer than 5." in answer
    assert "pairs" not in answer


def test_the_same_table_makes_the_same_bytes(tmp_path: Path) -> None:
    written = []
    for name in ("one", "two"):
        file = page(fabricated(), DESCRIBED, tmp_path / name)
        found = sorted((tmp_path / name).rglob("*.*"))
        assert {path.suffix for path in found} == {".md", ".svg", ".png"}
        linked = re.findall(r'(?:src|srcset)="([^"]+)"|\]\((standings/[^)]+)\)', file.read_text())
        assert all((file.parent / (a or b)).is_file() for a, b in linked)
        written.append([path.read_bytes() for path in found])
    assert written[0] == written[1]


def test_a_table_without_the_plain_schedule_is_refused() -> None:
    table = fabricated(streams=2)
    with pytest.raises(ValueError, match="'every 10', which all are held against"):
        Standings(table[table["policy"] != PLAIN], DESCRIBED)


def test_the_plain_schedule_is_that_of_the_policies() -> None:
    policies = pytest.importorskip("standings_policies")
    assert policies.PLAIN == PLAIN


@pytest.mark.skipif(not TABLE.exists(), reason="no table yet: python benchmarks/standings.py")
def test_the_committed_page_is_that_of_the_committed_table() -> None:
    from standings_policies import LEFT_OUT
    from standings_streams import SOURCES

    made = text(Standings(pd.read_parquet(TABLE), facts(SOURCES.values()), LEFT_OUT))
    committed = (ROOT / "docs/standings.md").read_text(encoding="utf-8")
    assert made == committed, "run `python benchmarks/standings.py --only-page`"
    for name in ("ranks.svg", "ranks-narrow.svg", "ranks.png"):
        assert (ROOT / "docs/standings" / name).is_file()
