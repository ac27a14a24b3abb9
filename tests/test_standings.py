"""The standings: what is ranked, what a row says, and that work is never done twice or lost."""

import re
import shutil
from dataclasses import replace
from pathlib import Path

import numpy as np
import pandas as pd
import pytest
import standings
import standings_cells
from standings_cells import PRICES, Cell, measured
from standings_policies import LEFT_OUT, PLAIN, STATIC, policies, unranked, window

from backtrain import Prices
from backtrain.lossmatrix.outlook import decided

ROOT = Path(__file__).parent.parent
CELL = Cell("abrupt", "tree", "short", 0)
OTHER = Cell("stationary", "tree", "short", 0)


@pytest.fixture(scope="module")
def rows() -> pd.DataFrame:
    return measured(CELL)


@pytest.fixture(scope="module")
def table(rows: pd.DataFrame, tmp_path_factory: pytest.TempPathFactory) -> Path:
    path = tmp_path_factory.mktemp("table") / "standings.parquet"
    standings.written({CELL: rows, OTHER: measured(OTHER)}, path)
    return path


# --- policies -------------------------------------------------------------------------------------


def test_every_part_is_ranked_or_left_out_for_a_reason() -> None:
    missing = unranked(policies("accuracy", 48)) - {"Immediate", "Strategy"}
    assert missing == set(LEFT_OUT)
    assert {STATIC, PLAIN} < set(policies("MAE", 10))


def test_what_looks_at_no_price_is_priced_afterwards_to_the_last_bit() -> None:
    backtest, day = CELL.backtest()
    unit = backtest.replay(policies("accuracy", day)[STATIC].strategy).totals["error"]
    dear = replace(
        backtest, prices=Prices(retrain=PRICES[-1] * unit, error=1.0), cache=backtest.store
    )
    looked = 0
    for name, policy in policies("accuracy", day).items():
        if policy.model:
            continue
        free, priced = (b.replay(policy.strategy) for b in (backtest, dear))
        same = np.array_equal(decided(free), decided(priced))
        assert same or policy.priced, name
        assert not same or free.totals["error"] == priced.totals["error"], name
        looked += not same
    assert looked  # so the check can fail


# --- rows -----------------------------------------------------------------------------------------


def test_static_costs_one_and_the_oracle_least_of_its_window(rows: pd.DataFrame) -> None:
    cost = rows.set_index(["policy", "price"])["cost"].unstack()
    assert (cost.loc[STATIC] == 1).all()
    schedules = [f"every {n}" for n in (1, 2, 5, 10, 20, 50)]
    assert (cost.loc["oracle"] <= cost.loc[schedules].min() + 1e-12).all()
    assert cost.loc["every 1", 0.02] == pytest.approx(cost.loc["every 1", 0.0] + 0.02 * 99)


def test_what_is_missing_says_why(rows: pd.DataFrame) -> None:
    assert (rows["cost"].isna() == rows["error"].ne("")).all()
    trained = rows["retrains"].fillna(0).gt(0) & ~rows["kind"].isin(["oracle", "no model"])
    assert (rows["luck"].notna() == trained).all()
    assert rows["luck"].dropna().between(0, 1).all()
    oracle = rows.set_index("price").query("policy == 'oracle'")
    assert (oracle["saved"].dropna() == 1).all()


def test_a_cell_is_named_by_what_it_depends_on(monkeypatch: pytest.MonkeyPatch) -> None:
    names = {cell.digest for cell in (CELL, OTHER, CELL._replace(seed=1))}
    assert len(names) == 3
    before = CELL.digest
    monkeypatch.setattr(standings_cells, "PRICES", (0.0, 0.5))
    assert before != CELL.digest


# --- work -----------------------------------------------------------------------------------------


def fabricated(cell: Cell) -> pd.DataFrame:
    size = len(cell.stream) + cell.seed
    facts = {"kind": "schedule", "tuned": False, "errors": 1.0, "luck": np.nan, "error": ""}
    made = [
        {"price": price, "policy": name, **facts, "cost": size + price, "saved": 0.5}
        for price in PRICES
        for name in (PLAIN, STATIC)
    ]
    order = ["price", "policy", "kind", "tuned", "cost", "errors", "retrains", "saved", "luck"]
    table = pd.DataFrame(made).assign(retrains=pd.array([1] * len(made), "Int32"))
    return table[[*order, "error"]].sort_values(["price", "policy"], ignore_index=True)


def test_work_that_was_stopped_goes_on_and_ends_in_the_same_bytes(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    made: list[Cell] = []
    monkeypatch.setattr(standings, "measured", lambda cell: made.append(cell) or fabricated(cell))
    wanted = [Cell("abrupt", "tree", delay, seed) for seed in (0, 1) for delay in ("short", "long")]
    whole = tmp_path / "whole.parquet"
    standings.run(wanted, tmp_path / "a", whole, 1, False)
    standings.run(wanted[:2], tmp_path / "b", tmp_path / "half.parquet", 1, False)
    (tmp_path / "b" / "left.part").write_text("half a file")  # by a process that was killed
    made.clear()
    standings.run(wanted[::-1], tmp_path / "b", tmp_path / "two.parquet", 1, False)
    assert made == wanted[:1:-1]
    assert (tmp_path / "two.parquet").read_bytes() == whole.read_bytes()

    made.clear()  # a table that lies there counts, without the files it was made of
    standings.run(wanted, tmp_path / "c", whole, 1, False)
    assert not made
    assert (tmp_path / "two.parquet").read_bytes() == whole.read_bytes()


def test_two_processes_make_the_same_bytes_as_one(table: Path, tmp_path: Path) -> None:
    standings.run([OTHER, CELL], tmp_path / "work", tmp_path / "two.parquet", 2, False)
    assert (tmp_path / "two.parquet").read_bytes() == table.read_bytes()


def test_fresh_does_all_anew_and_goes_on_where_it_was_stopped(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    made: list[Cell] = []

    def some(cell: Cell) -> pd.DataFrame:
        if len(made) == stopped_after:
            raise KeyboardInterrupt
        made.append(cell)
        return fabricated(cell)

    monkeypatch.setattr(standings, "measured", some)
    wanted, ever = [CELL, OTHER, CELL._replace(seed=1)], tmp_path / "t.parquet"
    stopped_after = -1
    standings.run(wanted, tmp_path, ever, 1, False)
    made.clear()
    stopped_after = 2
    with pytest.raises(KeyboardInterrupt):
        standings.run(wanted, tmp_path, ever, 1, True)
    stopped_after = -1
    standings.run(wanted, tmp_path, ever, 1, True)
    assert made == wanted
    standings.run(wanted, tmp_path, ever, 1, True)
    assert made == wanted * 2


def test_cells_of_the_table_stay_where_their_streams_are_not_here(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    monkeypatch.setattr(standings, "measured", fabricated)
    monkeypatch.setenv("BACKTRAIN_STREAMS", str(tmp_path))
    gone, path = Cell("sea", "tree", "short", 0), tmp_path / "t.parquet"
    assert standings.absent([gone.stream]) == {"sea"}
    standings.written({gone: fabricated(gone)}, path)
    later = gone._replace(seed=1)
    table = standings.run([gone, CELL, later], tmp_path, path, 1, False)
    assert set(table["stream"]) == {"sea", "abrupt"}
    assert not table.query("stream == 'sea' and seed == 1").size
    assert "left out: sea: no sea.parquet in" in capsys.readouterr().err


def test_fewer_cells_than_the_table_has_take_nothing_out_of_it(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(standings, "measured", fabricated)
    table = tmp_path / "t.parquet"
    standings.run([CELL, CELL._replace(seed=1)], tmp_path / "a", table, 1, False)
    before = table.read_bytes()
    standings.run([CELL], tmp_path / "b", table, 1, False)
    assert table.read_bytes() == before


def test_a_cell_that_fails_is_named_and_the_others_go_on(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    def some(cell: Cell) -> pd.DataFrame:
        if cell.seed:
            raise ValueError("static errs nowhere")
        return fabricated(cell)

    monkeypatch.setattr(standings, "measured", some)
    table = standings.run([CELL, CELL._replace(seed=1)], tmp_path, tmp_path / "t.parquet", 1, False)
    assert set(table["seed"]) == {0}
    assert "left out: abrupt/tree/short/1: ValueError: static errs" in capsys.readouterr().err


# --- a policy of one's own ------------------------------------------------------------------------


def test_the_policy_of_the_page_on_contributing_finds_its_place(
    tmp_path: Path, table: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    page = (ROOT / "CONTRIBUTING.md").read_text(encoding="utf-8")
    for kind, name in (("python", "doubling.py"), ("yaml", "doubling.yaml")):
        (block,) = re.findall(rf"^```{kind}\n(# doubling\..*?)^```", page, re.M | re.S)
        (tmp_path / name).write_text(block)
    own, cells = tmp_path / "standings.parquet", tmp_path / "cells"
    shutil.copy(table, own)
    asked = ["--policy", str(tmp_path / "doubling.yaml"), "--table", str(own), "--jobs", "1"]
    assert standings.main([*asked, "--work", str(cells), "--write"]) == 0
    said = capsys.readouterr().out
    assert "doubling on 2 cells, 0 of them done" in said
    assert re.search(r"mean rank \d+\.\d, place \d+ of \d+", said)
    assert f"beside '{PLAIN}': cheaper" in said
    added = pd.read_parquet(own).query("policy == 'doubling'")
    assert len(added) == 2 * len(PRICES)
    # 1 + 2 + 4 + ... + 32 days are 63; 64 more are not left of 100.
    assert set(added["retrains"]) == {6}

    work = tmp_path / "work"  # holds a cell as it was before the policy was added
    work.mkdir()
    kept, stale = standings.kept(table)
    assert (len(kept), stale) == (2, 0)
    kept[CELL].to_parquet(work / f"{CELL.digest}.parquet")
    before = own.read_bytes()
    standings.run([CELL, OTHER], work, own, 1, False)
    assert own.read_bytes() == before

    # Stopped after one cell it goes on, to the same bytes; another policy of that name begins anew.
    whole = own.read_bytes()
    next(cells.iterdir()).unlink()
    for code, done in (("", 1), ("\n", 0)):
        with (tmp_path / "doubling.py").open("a") as file:
            file.write(code)
        shutil.copy(table, own)
        standings.main([*asked, "--work", str(cells), "--write"])
        assert f"doubling on 2 cells, {done} of them done" in capsys.readouterr().out
        assert own.read_bytes() == whole

    with pytest.raises(ValueError, match="1 cells that can be measured; two streams are needed"):
        standings.main([*asked, "--work", str(cells), "--reduced"])


def test_a_submitted_policy_is_refused_where_its_rows_would_mislead(
    tmp_path: Path, table: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    asked = ["--table", str(table), "--work", str(tmp_path), "--jobs", "1", "--policy"]
    text = "trigger: {_target_: backtrain.strategies.BreakEven}\npriced: false"
    for name in (STATIC, "mine"):
        (tmp_path / f"{name}.yaml").write_text(text)
    with pytest.raises(ValueError, match="'static' is the name of another policy"):
        standings.main([*asked, str(tmp_path / "static.yaml")])
    with pytest.raises(ValueError, match="looks at prices: it needs priced: true"):
        standings.main([*asked, str(tmp_path / "mine.yaml")])
    before = table.read_bytes()
    monkeypatch.setattr(standings_cells, "PRICES", (0.0, 0.5))
    with pytest.raises(ValueError, match=r"2 cells of .* depend on other data"):
        standings.main([*asked, str(tmp_path / "mine.yaml"), "--write"])
    assert table.read_bytes() == before


def test_a_file_that_holds_no_policy_is_refused(tmp_path: Path) -> None:
    (tmp_path / "mine.yaml").write_text("triger: {}")
    with pytest.raises(ValueError, match="no policy; it needs trigger"):
        standings.submitted(tmp_path / "mine.yaml", 48)
    (tmp_path / "mine.yaml").write_text("trigger: {_target_: x.Y}\nwindows: 3")
    with pytest.raises(ValueError, match="windows: no key; there are"):
        standings.submitted(tmp_path / "mine.yaml", 48)


def test_the_window_of_all_is_that_of_twenty_days() -> None:
    assert repr(window(48)) == "Sliding(960)"
