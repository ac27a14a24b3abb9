"""Strategies ranked over data sets: the tests' statistics, and what is made of a sweep by them."""

import math
import re
import warnings
from itertools import pairwise
from pathlib import Path

import numpy as np
import pandas as pd
import pytest
from matplotlib import pyplot
from matplotlib.figure import Figure
from swept import failed, grid, job, sweep

from backtrain.reports.sweep.ranked import Ranked
from backtrain.reports.sweep.ranks import (
    blocks_needed,
    critical_difference,
    friedman,
    holm,
    ranks,
    wilcoxon,
)
from backtrain.reports.sweep.result import Result
from backtrain.reports.sweep.signed_rank import PRIOR, SignedRank, signed_rank

ROOT = Path(__file__).parent.parent


def slow(values: list[float], rope: float, draws: int = 3000) -> tuple[float, ...]:
    """The test as the paper says it: all pairs of each draw."""
    random, z = np.random.default_rng(1), np.array([0.0, *values])
    sums = z[:, None] + z[None, :]
    won = np.zeros(3)
    for _ in range(draws):
        w = random.dirichlet([PRIOR, *np.ones(len(values))])
        pairs = np.outer(w, w)
        less, more = pairs[sums < -2 * rope].sum(), pairs[sums > 2 * rope].sum()
        won[np.argmax([less, 1 - less - more, more])] += 1
    return tuple(won / draws)


SAMPLES = {
    "clear": ([-0.3, -0.2, -0.1, -0.2, -0.3, -0.2], 0.01),
    "in between": (list(np.random.default_rng(0).normal(-0.01, 0.05, 12)), 0.02),
    "equivalent": (list(np.random.default_rng(0).normal(0, 0.003, 12)), 0.01),
}


@pytest.mark.parametrize("name", SAMPLES)
def test_the_signed_rank_test_is_that_of_the_paper(name: str) -> None:
    values, rope = SAMPLES[name]
    assert signed_rank(values, rope=rope) == pytest.approx(slow(values, rope), abs=0.03)


@pytest.mark.parametrize("name", SAMPLES)
@pytest.mark.parametrize("some", [True, False])
def test_the_signed_rank_test_is_that_of_baycomp(name: str, some: bool) -> None:
    baycomp = pytest.importorskip("baycomp", reason="pip install 'backtrain[peers]'")
    values, rope = SAMPLES[name][0], SAMPLES[name][1] if some else 0.0
    own = signed_rank(values, rope=rope)
    theirs = baycomp.SignedRankTest.probs(
        np.zeros(len(values)), np.array(values), rope, nsamples=5000, random_state=0
    )
    assert (own if some else own[::2]) == pytest.approx(tuple(map(float, theirs)), abs=0.02)


def test_two_equal_numbers_by_hand() -> None:
    """One difference of -1: less wins where its weight squared is above a half or the other's.

    With the pseudo-difference's weight w, pairs are w^2 at 0, 2 w (1 - w) at -1/2, (1 - w)^2 at -1:
    less than -0.6 is only the last, so it wins where (1 - w)^2 > 1/2; w has the Beta(1/2, 1).
    """
    limit = 1 - math.sqrt(0.5)
    assert signed_rank([-1.0], rope=0.6).less == pytest.approx(math.sqrt(limit), abs=0.02)
    assert signed_rank([0.0, 0.0], rope=0.0) == (0.5, 0.0, 0.5)
    assert signed_rank([0.0, 0.0], rope=0.01) == (0.0, 1.0, 0.0)
    assert sum(signed_rank([0.1, -0.2], rope=0.01)) == pytest.approx(1)


def test_the_same_numbers_each_time_whatever_the_sign_and_the_order_of_blocks() -> None:
    values, blocks = [0.1, -0.3, 0.2, -0.4, -0.2], ["a", "b", "a", "c", "c"]
    one = signed_rank(values, blocks, rope=0.01)
    assert one == signed_rank(values, blocks, rope=0.01)
    turned = signed_rank([-v for v in values], blocks, rope=0.01)
    assert turned == pytest.approx(one[::-1], abs=0.02)
    assert one == pytest.approx(signed_rank(values[::-1], blocks[::-1], rope=0.01), abs=0.02)


def test_copies_within_a_block_add_nothing() -> None:
    """Five streams of eight equal models are five streams: a flat test takes them for forty."""
    values = np.array([-0.3, -0.2, 0.1, -0.05, -0.1])
    many, blocks = np.repeat(values, 8), list(np.repeat(np.arange(5), 8))
    once, nested = signed_rank(values, rope=0.01), signed_rank(many, blocks, rope=0.01)
    assert nested == pytest.approx(once, abs=0.02)
    assert signed_rank(many, rope=0.01).less > once.less + 0.05


def false_alarms(blocks: int, repeats: int, nested: bool, seed: int = 0) -> float:
    """How often less is found where no difference is: streams differ by 0.1, models by 0.03."""
    random, found = np.random.default_rng(seed), 0
    for repeat in range(repeats):
        own = random.normal(0, 0.1, (blocks, 1)) + random.normal(0, 0.03, (blocks, 3))
        labels = list(np.repeat(np.arange(blocks), 3)) if nested else None
        odds = signed_rank(own.ravel(), labels, rope=0.01, draws=500, seed=repeat)
        found += odds.less > 0.95
    return found / repeats


def test_it_finds_a_difference_that_is_not_there_in_one_of_twenty_cases_and_a_flat_test_in_more():
    """`python benchmarks/rank_tests.py` measures it for more numbers of streams."""
    assert false_alarms(30, 300, nested=True) <= 0.07
    assert false_alarms(30, 300, nested=False) >= 0.12


@pytest.mark.parametrize(
    ("given", "said"),
    [
        ({"differences": [0.1, math.nan]}, "finite"),
        ({"differences": [0.1], "blocks": ["a", "b"]}, "2 for 1"),
        ({"differences": [0.1], "rope": -1.0}, "rope=-1.0"),
    ],
)
def test_what_has_no_meaning_is_refused(given: dict, said: str) -> None:
    with pytest.raises(ValueError, match=said):
        signed_rank(**({"rope": 0.01} | given))


# --- ranks ----------------------------------------------------------------------------------------

#: Demšar (2006), table 6: AUC of four classifiers on fourteen data sets (as costs: 1 - AUC).
AUC = """
.763 .768 .771 .798
.599 .591 .590 .569
.954 .971 .968 .967
.628 .661 .654 .657
.882 .888 .886 .898
.936 .931 .916 .931
.661 .668 .609 .685
.583 .583 .563 .625
.775 .838 .866 .875
1.00 1.00 1.00 1.00
.940 .962 .965 .962
.619 .666 .614 .669
.972 .981 .9751 .975
.957 .978 .946 .970
"""
COSTS = 1 - np.array([line.split() for line in AUC.split("\n") if line], dtype=float)


def test_mean_ranks_of_the_textbook() -> None:
    """Demšar (2006), section 3.2.2: mean ranks 3.143, 2.000, 2.893, 1.964; CD 1.25 for k=4."""
    assert ranks(COSTS).mean(axis=0) == pytest.approx([3.143, 2.0, 2.893, 1.964], abs=6e-4)
    assert critical_difference(4, 14) == pytest.approx(
        2.569 * math.sqrt(4 * 5 / (6 * 14)), abs=2e-3
    )
    assert friedman(COSTS) < 0.05


def test_ranks_are_those_of_scikit_posthocs() -> None:
    posthocs = pytest.importorskip("scikit_posthocs", reason="pip install 'backtrain[peers]'")
    theirs = posthocs.posthoc_nemenyi_friedman(COSTS)
    means, apart = ranks(COSTS).mean(axis=0), critical_difference(4, 14)
    differ = np.abs(means[:, None] - means[None, :]) > apart
    assert ((theirs.to_numpy() < 0.05) == differ).all()
    assert differ.any() == bool((theirs.to_numpy() < 0.05).any())


def test_how_many_blocks_tell_two_ranks_apart() -> None:
    for strategies in (4, 15, 30):
        blocks = blocks_needed(strategies, 2.0)
        assert (
            critical_difference(strategies, blocks)
            <= 2
            < critical_difference(strategies, blocks - 1)
        )
    assert blocks_needed(15) == 116
    assert blocks_needed(15, 4.0) == 29


def test_ties_and_nothing_to_rank() -> None:
    same = np.ones((5, 3))
    assert friedman(same) == 1
    assert math.isnan(friedman(same[:, :2]))
    assert wilcoxon(np.zeros(5)) == 1
    assert wilcoxon(-np.arange(1.0, 6)) == pytest.approx(2 / 2**5)
    assert wilcoxon(np.array([0.0, 0, 1, 2, 3, 4])) < 1


def test_holm_by_hand() -> None:
    """0.01 x 4, 0.02 x 3, 0.03 x 2, and 0.9 x 1; none below the one before."""
    adjusted = holm(np.array([0.9, 0.01, 0.03, 0.02]))
    assert adjusted == pytest.approx([0.9, 0.04, 0.06, 0.06])
    assert holm(np.array([0.5, 0.6])).tolist() == [1.0, 1.0]


# --- strategies -----------------------------------------------------------------------------------


def table(**costs: list[float]) -> pd.DataFrame:
    """Data sets a, b, c, ... with a cost of each strategy."""
    wide = pd.DataFrame(costs).set_axis(list("abcdefghijklmnop")[: len(next(iter(costs.values())))])
    return wide.rename_axis("dataset").reset_index().melt("dataset", None, "strategy", "relative")


FEW = table(
    static=[1, 1, 1, 1, 1, 1],
    weekly=[0.8, 0.7, 0.9, 0.8, 0.7, 0.8],
    same=[1.001, 0.999, 1.002, 1, 1, 0.998],
    dear=[1.5, 1.4, 1.6, 1.5, 1.7, 1.2],
    unclear=[0.5, 1.6, 0.9, 1.2, 0.8, 1.1],
)


def test_each_strategy_is_held_against_the_one_that_was_named() -> None:
    found = Ranked.of(FEW, "static")
    assert found.found["finding"].to_dict() == {
        "weekly": "cheaper",
        "same": "equivalent",
        "dear": "dearer",
    }
    frame = found.to_frame().set_index("strategy")
    assert frame["relative"]["weekly"] == pytest.approx(
        np.exp(np.log(FEW["relative"][6:12]).mean())
    )
    assert frame["versus"]["weekly"] == pytest.approx(frame["relative"]["weekly"])
    assert frame["worst"]["weekly"] == pytest.approx(0.9)
    assert frame["worst_block"]["weekly"] == "c"
    assert frame.loc["static", ["cheaper", "p"]].isna().all()
    assert (frame["low"] <= frame["relative"]).drop("static").all()
    odds = frame.loc["weekly", ["cheaper", "equivalent", "dearer"]].astype(float)
    assert odds.tolist() == pytest.approx(list(found.odds("weekly")))
    turned = found.odds("static", "weekly")
    assert turned.more == pytest.approx(odds["cheaper"], abs=0.02)
    assert isinstance(turned, SignedRank)


def test_against_another_baseline_the_same_is_found() -> None:
    """Only ratios count: costs relative to something else change nothing between strategies."""
    scaled = FEW.assign(relative=FEW["relative"] * FEW["dataset"].map(ord))
    one, other = Ranked.of(FEW, "weekly"), Ranked.of(scaled, "weekly")
    columns = ["strategy", "rank", "versus", "cheaper", "equivalent", "dearer", "p"]
    pd.testing.assert_frame_equal(one.to_frame()[columns], other.to_frame()[columns])


def test_what_can_be_told_apart_is_said() -> None:
    told = Ranked.of(FEW, "static").findings()
    assert told[0] == "1 of 4 cost less than 'static' by more than 1 %: weekly."
    assert "1 of 4 cost as much as 'static', within 1 %: same." in told
    assert "1 of 4 cost more than 'static' by more than 1 %: dear." in told
    assert "1 of 4 cannot be told from 'static' either way: unclear." in told
    assert any("6 data sets" in one and "Friedman" in one for one in told)
    none = Ranked.of(FEW[FEW["strategy"].isin(["static", "unclear"])], "static").findings()
    assert none[0] == "No strategy is found to cost less than 'static' by more than 1 %."


def test_on_few_data_sets_little_is_found_and_it_is_said() -> None:
    some = [Ranked.of(FEW[FEW["dataset"] < last], "static") for last in ("e", "f")]
    assert [len(one.means) for one in some] == [4, 5]
    assert some[0].odds("weekly").less > 0.95
    assert some[0].found.empty
    assert "4 data sets are too few: nothing is found on fewer than 5." in some[0].findings()
    assert "weekly" in some[1].found.index
    assert any("in up to 1 of 10 cases" in one for one in some[1].findings())


def test_all_pairs() -> None:
    pairs = Ranked.of(FEW, "static").pairs()
    assert len(pairs) == 10
    one = pairs.set_index(["strategy", "other"]).loc[("weekly", "dear")]
    assert one["cheaper"] > 0.95
    assert one["p"] <= 10 * 2 / 2**6 + 1e-9  # six of six, two-sided, ten pairs
    assert (pairs["ranks"] >= 0).all()


def test_cells_are_averaged_within_models_and_models_within_data_sets() -> None:
    """By hand: logs of 1/4 and 1 are -ln 2 on average, and 0 with the other model's ln 2."""
    rows = [("a", "m", 0, 0.25), ("a", "m", 1, 1.0), ("a", "n", 0, 2.0), ("b", "m", 0, 0.5)]
    one = pd.DataFrame(rows, columns=["dataset", "model", "seed", "relative"])
    both = pd.concat([one.assign(strategy="x"), one.assign(strategy="static", relative=1.0)])
    found = Ranked.of(both, "static", within="model", cell="seed")
    assert found.costs["x"].tolist() == pytest.approx(np.log([0.5, 2.0, 0.5]).tolist())
    assert found.means["x"].tolist() == pytest.approx([0.0, -math.log(2)])
    with pytest.raises(ValueError, match=r"twice in the table; name with cell="):
        Ranked.of(both, "static", within="model")


def test_what_is_often_missing_is_not_ranked_and_a_cell_that_lacks_one_left_out() -> None:
    holes = FEW.copy()
    holes.loc[(holes["strategy"] == "dear") & holes["dataset"].isin(["a", "b"]), "relative"] = None
    holes.loc[(holes["strategy"] == "same") & (holes["dataset"] == "c"), "relative"] = -1.0
    found = Ranked.of(holes, "static")
    assert dict(found.left_out) == {"dear": "missing in 2 of 6 cells"}
    assert (len(found.means), found.incomplete) == (5, 1)
    assert "Not ranked: dear (missing in 2 of 6 cells)." in found.findings()
    with pytest.raises(ValueError, match="against='dear': no ranked strategy; it is missing in 2"):
        Ranked.of(holes, "dear")


def test_with_a_group_left_out_a_finding_that_rests_on_it_is_lost() -> None:
    costs = [0.5, 0.5, 0.5, 0.5, 0.5, 0.5, 1.2, 0.7, 1.3, 0.8, 1.0, 1.05]
    found = Ranked.of(table(static=[1.0] * 12, x=costs, dear=[2.0] * 12), "static")
    assert found.found["finding"]["x"] == "cheaper"
    groups = {name: "early" if name <= "f" else "late" for name in found.means.index}
    frame = found.leaving_out(groups).set_index("left_out")
    assert frame["blocks"].tolist() == [6, 6]
    assert frame["lost"].to_dict() == {"early": ["x"], "late": []}
    assert frame["hold"].to_dict() == {"early": 1, "late": 2}
    assert frame["tau"]["late"] == pytest.approx(1)
    assert len(found.leaving_out()) == 12
    assert found.leaving_out(dict.fromkeys(groups, "all")).empty


def test_mistakes_are_named() -> None:
    for given, said in (
        ({"against": "weakly"}, "did you mean 'weekly'"),
        ({"against": "static", "block": "data"}, "'data': no column of the table; did you mean"),
        ({"against": "static", "rope": math.nan}, "rope=nan"),
    ):
        with pytest.raises(ValueError, match=re.escape(said)):
            Ranked.of(FEW, **given)
    with pytest.raises(ValueError, match="two of each are needed"):
        Ranked.of(FEW[FEW["dataset"] == "a"], "static")
    with pytest.raises(ValueError, match="'stat': not ranked; did you mean 'static'"):
        Ranked.of(FEW, "static").odds("stat")


def test_columns_may_be_categories_and_rows_stand_in_any_order() -> None:
    shuffled = FEW.sample(frac=1, random_state=0)
    shuffled = shuffled.astype({"dataset": "category", "strategy": "category"})
    one, other = Ranked.of(FEW, "static"), Ranked.of(shuffled, "static")
    pd.testing.assert_frame_equal(one.to_frame(), other.to_frame())


@pytest.mark.parametrize("rows", [[0.0, 0.0, 0.0, 0.1], [0.0, 0.1], [0.1, 0.1, 0.1, 0.1, -0.1]])
def test_alarms_that_never_fire_leave_zeros(rows: list[float]) -> None:
    with warnings.catch_warnings():
        warnings.simplefilter("error")
        assert 0 < wilcoxon(np.array(rows)) <= 1
        assert signed_rank(rows, rope=0.01).less < 0.5


# --- the figure -----------------------------------------------------------------------------------


@pytest.mark.parametrize("many", [2, 30])
@pytest.mark.parametrize("inches", [3.4, 9.0])
def test_bars_are_a_critical_difference_long_and_stand_by_rank(many: int, inches: float) -> None:
    random = np.random.default_rng(0)
    names = ["static", *(f"policy ${n}$ with a long name" for n in range(1, many))]
    costs = {name: list(random.uniform(0.5, 2, 12)) for name in names}
    found = Ranked.of(table(**costs), "static")
    figure = Figure(figsize=(inches, 7), layout="constrained")
    axes = figure.subplots()
    assert found.plot(ax=axes) is axes
    figure.draw_without_rendering()
    bars = [line.get_xdata() for line in axes.lines if len(line.get_xdata()) == 2]
    assert [bar[1] - bar[0] for bar in bars] == pytest.approx([found.critical_difference] * many)
    assert [sum(bar) / 2 for bar in bars] == pytest.approx(found.mean_ranks.tolist())
    labels = [text.get_text() for text in axes.get_yticklabels()]
    assert len({*labels}) == many
    assert labels.index("static") == [*found.mean_ranks.index].index("static")
    boxes = [text.get_window_extent() for text in axes.get_yticklabels()]
    assert not any(one.overlaps(other) for one, other in pairwise(boxes))
    assert axes.get_ylim()[0] > axes.get_ylim()[1]  # the first stands above
    pyplot.close("all")


# --- sweeps ---------------------------------------------------------------------------------------


def test_a_sweep_is_ranked_over_its_data_sets() -> None:
    """`grid`: monthly costs 0.5 or 1.25 of static by price, with 0, 1 and 2 % more by seed."""
    found = sweep(*grid(), failed(99, {"dataset": "gone"})).ranked()
    assert (found.against, len(found.means)) == ("static", 2)
    expected = math.sqrt(0.5 * 1.25) * (1.01 * 1.02) ** (1 / 3)
    assert found.table["relative"]["monthly"] == pytest.approx(expected)
    assert found.table["low"].isna().all()  # two data sets have no interval
    by_seed = sweep(*grid()).ranked("monthly", block="seed")
    assert (by_seed.against, by_seed.block, len(by_seed.means)) == ("monthly", "seed", 3)
    assert "Seeds say nothing of other data." in by_seed.findings()
    with pytest.raises(ValueError, match=r"'sede': no axis .* did you mean 'seed'"):
        sweep(*grid()).ranked(block="sede")
    with pytest.raises(ValueError, match="3 strategies on 1 values of 'dataset'"):
        sweep(*grid()[:6]).ranked()


def test_models_are_nested_in_data_sets() -> None:
    jobs = [
        job(n, {"dataset": data, "model": model}, {"static": 10.0, "x": 10 * cost}, model=model)
        for n, (data, model, cost) in enumerate(
            [("a", "m", 0.5), ("a", "n", 0.6), ("b", "m", 0.7), ("b", "n", 0.8)]
        )
    ]
    found = sweep(*jobs).ranked()
    assert found.within == "model"
    assert len(found.costs) == 4
    assert sweep(*jobs).ranked(within="").costs["x"].tolist() == pytest.approx(
        found.means["x"].tolist()
    )


def test_data_sets_are_called_by_their_names_and_by_the_seed_that_made_them() -> None:
    def one(n: int, data: str, seed: int, made: int) -> Result:
        config = {"dataset": {"name": data, "seed": made}}
        costs = {"static": 10.0, "x": 9.0 + n}
        return job(n, {"dataset": data, "seed": seed}, costs, config=config)

    apart = sweep(one(0, "a", 0, 0), one(1, "a", 1, 1), one(2, "b", 0, 0)).ranked()
    assert apart.means.index.tolist() == ["a, seed 0", "a, seed 1", "b, seed 0"]
    same = sweep(one(0, "a", 0, 0), one(1, "a", 1, 0), one(2, "b", 0, 0)).ranked()
    assert same.means.index.tolist() == ["a", "b"]


def test_the_example_of_the_page_runs() -> None:
    pages = (ROOT / "docs/sweeps.md").read_text(encoding="utf-8")
    (code,) = re.findall(r"## Ranking strategies.*?```python\n(.*?)```", pages, re.DOTALL)
    names: dict[str, object] = {}
    exec(compile(code, "docs/sweeps.md", "exec"), names)
    found = names["ranked"]
    assert isinstance(found, Ranked)
    assert len(found.means) == 6
