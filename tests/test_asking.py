"""What a part gives back: taken where it has one meaning, else refused with the remedy."""

from dataclasses import dataclass
from typing import Any

import numpy as np
import pandas as pd
import pytest
from hourly import At, hour, hourly
from sklearn.linear_model import Ridge

from backtrain import (
    FutureLeak,
    Gate,
    PartError,
    Prices,
    Reason,
    Selection,
    SetupError,
    Strategy,
    Stream,
    Verdict,
)
from backtrain.strategies import (
    AllOf,
    AnyOf,
    Chain,
    Cooldown,
    Decay,
    Every,
    Expanding,
    Immediate,
    Never,
    Not,
    Sliding,
)

ONCE = At((6,))


@dataclass(frozen=True)
class Says:
    """A trigger that says the same at every tick."""

    answer: Any

    def monitor(self) -> Any:
        return self

    def fires(self, view: Any) -> Any:
        return self.answer


@dataclass(frozen=True)
class Picks:
    """A window that gives what a function makes of the view."""

    pick: Any

    def select(self, view: Any) -> Any:
        return self.pick(view)


@dataclass(frozen=True)
class Judges:
    """A gate with these answers."""

    checks: Any = None
    reserves: Any = None
    reviews: Any = True

    def open(self) -> Any:
        return self

    def check(self, selection: Any, view: Any) -> Any:
        return self.checks

    def reserve(self, selection: Any) -> Any:
        return selection if self.reserves is None else self.reserves

    def review(self, view: Any) -> Any:
        return self.reviews


@dataclass(frozen=True)
class Opens:
    """A spec that opens what it is told."""

    what: Any

    def monitor(self) -> Any:
        return self.what

    def open(self) -> Any:
        return self.what


@dataclass(frozen=True)
class Fits:
    """An update that gives back what it is told."""

    what: Any

    def fit(self, model: Any, X: Any, y: Any, weights: Any, parent: Any, seed: int) -> Any:
        return self.what


def replayed(trigger: Any = ONCE, window: Any = None, **parts: Any) -> Any:
    return hourly(model=Ridge()).replay(Strategy(trigger, window or Sliding(3), **parts))


# --- triggers -------------------------------------------------------------------------------------


@pytest.mark.parametrize("answer", [True, np.True_, "it is due"])
def test_true_or_a_sentence_is_a_reason(answer: Any) -> None:
    run = replayed(Says(answer))
    assert run.totals["retrains"] == 8
    said = answer if isinstance(answer, str) else f"{Says(answer)!r} fired"
    assert set(run.versions["reason"][1:]) == {said}


@pytest.mark.parametrize("answer", [None, False, np.False_])
def test_none_or_false_is_to_wait(answer: Any) -> None:
    assert replayed(Says(answer)).totals["retrains"] == 0
    assert replayed(Not(Says(answer))).totals["retrains"] == 8


def test_triggers_of_triggers_take_the_same() -> None:
    assert replayed(AllOf(Says(True), Says("due"))).totals["retrains"] == 8
    assert replayed(AllOf(Says(True), Says(False))).totals["retrains"] == 0
    assert replayed(Cooldown(Says(np.True_), "4h")).totals["retrains"] == 2


@pytest.mark.parametrize("answer", [0, 1, 0.5, [], "", " ", float("nan"), Reason])
@pytest.mark.parametrize("around", [lambda t: t, AnyOf, lambda t: Cooldown(t, "1h"), Not])
def test_what_is_no_reason_is_refused(answer: Any, around: Any) -> None:
    with pytest.raises(
        PartError, match=r"^Says\(answer=.*return Reason\('why'\) or True to retrain, None"
    ):
        replayed(around(Says(answer)))


@pytest.mark.parametrize("what", [None, 3, Every("2h"), type])
def test_what_watches_nothing_is_refused(what: Any) -> None:
    for trigger in (Opens(what), AnyOf(Opens(what))):
        with pytest.raises(PartError, match=r"Opens\(what=.* monitor\(\) gave .* fires\(view\)"):
            replayed(trigger)


def test_a_trigger_that_is_tuned_into_nothing_is_refused() -> None:
    @dataclass(frozen=True)
    class Tunes(Says):
        def prepare(self, history: Any) -> Any:
            return None

    for trigger in (Tunes(None), AnyOf(Tunes(None))):
        with pytest.raises(PartError, match=r"prepare\(\) gave None; return the tuned trigger"):
            replayed(trigger)


@pytest.mark.parametrize("wrong", [(3,), ("x", "y"), ("x", 0.1, "z")])
def test_a_reason_is_a_sentence_and_two_numbers(wrong: tuple) -> None:
    with pytest.raises(PartError, match="give one sentence"):
        Reason(*wrong)


# --- windows --------------------------------------------------------------------------------------

MEANS = {
    "a slice": (lambda view: slice(1, 4), [1, 2, 3]),
    "the newest": (lambda view: slice(-2, None), [4, 5]),
    "all": (lambda view: slice(None), [0, 1, 2, 3, 4, 5]),
    "every other": (lambda view: slice(0, 4, 2), [0, 2]),
    "a range": (lambda view: range(1, 4), [1, 2, 3]),
    "a list": (lambda view: [0, 3], [0, 3]),
    "an array": (lambda view: np.array([1, 3], dtype=np.int32), [1, 3]),
    "a mask": (lambda view: np.arange(view.past) >= 2, [2, 3, 4, 5]),
    "a series": (lambda view: pd.Series([2, 3], index=[7, 8]), [2, 3]),
}


@pytest.mark.parametrize("what", MEANS)
@pytest.mark.parametrize("around", [lambda w: w, lambda w: Decay("9D", w)], ids=["alone", "inside"])
def test_rows_are_selected_as_numpy_would(what: str, around: Any) -> None:
    pick, rows = MEANS[what]
    seen = {}

    def watched(view: Any) -> Any:
        seen[(view.now - hour(0)) / pd.Timedelta("1h")] = pick(view)
        return pick(view)

    run = replayed(window=around(Picks(watched)))
    plain = Picks(lambda view: Selection(rows if view.past == 6 else [0, 1]))
    same = replayed(window=around(plain))
    assert set(seen) == {4, 6}
    assert run.versions["rows"].iloc[1] == len(rows)
    after = slice(2, None)  # rows that the second model answers
    np.testing.assert_array_equal(
        run.predictions["prediction"].to_numpy()[after],
        same.predictions["prediction"].to_numpy()[after],
    )


@pytest.mark.parametrize(
    "answer",
    [None, 3, "abc", [0.0, 1.0], [-1], [True, False], {0, 1}, [[0, 1], [1, 2]], slice("a", "b"),
     (Selection([0]), None), pd.DataFrame({"x": [1]}), Selection],
    ids=repr,
)  # fmt: skip
@pytest.mark.parametrize("around", [lambda w: w, lambda w: Decay("9D", w)], ids=["alone", "inside"])
def test_what_selects_nothing_is_refused(answer: Any, around: Any) -> None:
    with pytest.raises(PartError, match=r"^Picks\(.* select\(\) gave .*return Selection\(rows\)"):
        replayed(window=around(Picks(lambda view: answer)))


@pytest.mark.parametrize("future", [slice(0, 13), range(13), [12], [999]])
def test_rows_to_come_are_a_leak_in_any_form(future: Any) -> None:
    with pytest.raises(FutureLeak):
        replayed(window=Picks(lambda view: future))


def test_a_loss_matrix_and_a_candidate_take_the_same() -> None:
    backtest = hourly(model=Ridge())
    plain, slices = (
        backtest.loss_matrix(window) for window in (Expanding(), Picks(lambda view: slice(None)))
    )
    np.testing.assert_array_equal(plain.loss, slices.loss)
    with pytest.raises(PartError, match=r"select\(\) gave None"):
        backtest.loss_matrix(Picks(lambda view: None))


@pytest.mark.parametrize(
    "rows", [slice(None, 3), slice(0, None), slice(-3, 5), slice(0, 9, 2), [-1, 0], "abc", None, 3,
             [[0, 1]], [0.5], [True]],
    ids=repr,
)  # fmt: skip
def test_a_selection_names_rows(rows: Any) -> None:
    with pytest.raises(PartError, match=r"^Selection: "):
        Selection(rows)


def test_weights_of_a_selection_are_numbers() -> None:
    assert Selection([0, 2], [1, 2]).weights.tolist() == [1.0, 2.0]
    with pytest.raises(PartError, match="give a number for each row"):
        Selection([0, 1], ["a", "b"])


# --- updates --------------------------------------------------------------------------------------


@pytest.mark.parametrize(("what", "says"), [(None, "gave None"), (3, "gave int, which has no")])
def test_an_update_that_gives_no_model_is_refused(what: Any, says: str) -> None:
    with pytest.raises(PartError, match=rf"Fits\(what=.*fit\(\) {says}.*return the fitted"):
        replayed(update=Fits(what))


def test_an_update_that_counts_no_rows_is_refused() -> None:
    class Counts(Fits):
        def rows_fitted(self, rows: int) -> None:
            return None

    with pytest.raises(PartError, match=r"rows_fitted\(3\) gave None; return a number of rows"):
        replayed(update=Counts(None))


# --- gates ----------------------------------------------------------------------------------------


@pytest.mark.parametrize("around", [lambda g: g, Chain], ids=["alone", "in a chain"])
def test_a_gate_may_say_yes_or_no(around: Any) -> None:
    for yes in (True, np.True_):
        run = replayed(gate=around(Judges(reviews=yes)))
        assert run.versions["outcome"].tolist() == ["initial", "deployed"]
    for no in (False, np.False_):
        run = replayed(gate=around(Judges(reviews=no)))
        assert run.versions["outcome"].tolist() == ["initial", "rejected"]
    refused = replayed(gate=around(Judges(checks="too few rows")))
    assert refused.totals["refused"] == 1
    assert refused.events["reason"].iloc[-1] == "too few rows"


@pytest.mark.parametrize("around", [lambda g: g, Chain], ids=["alone", "in a chain"])
@pytest.mark.parametrize(
    ("method", "answer"),
    [
        *(("review", answer) for answer in (None, 3, "deploy", Verdict)),
        *(("check", answer) for answer in (True, False, 3, "")),
        *(("reserve", answer) for answer in (3, (1, 2), (None, None), [], "abc")),
    ],
)
def test_what_is_no_answer_of_a_gate_is_refused(around: Any, method: str, answer: Any) -> None:
    gate = Judges(**{f"{method}s": answer})
    with pytest.raises(PartError, match=rf"^Judges\(.* {method}\(\) gave .*; return "):
        replayed(gate=around(gate))


@pytest.mark.parametrize("what", [None, 3, Immediate, Says(True)])
def test_what_is_no_trial_is_refused(what: Any) -> None:
    for gate in (Opens(what), Chain(Opens(what))):
        with pytest.raises(PartError, match=r"open\(\) gave .*, which has no method 'review'"):
            replayed(gate=gate)


@pytest.mark.parametrize(
    ("make", "says"),
    [
        (lambda: Verdict("accept"), r"Verdict\('accept'\): build it with Verdict\.deploy\(\)"),
        (lambda: Verdict.refit(None), r"Verdict\.refit\(None\): give the Selection"),
        (lambda: Verdict("refit"), r"Verdict\.refit\(None\): give the Selection"),
        (lambda: Verdict.wait(until="soon"), r"Verdict\.wait\(until\)='soon': not a date"),
        (lambda: Verdict.wait(share="half"), r"Verdict\.wait\(share='half'\): a share lies"),
        (lambda: Verdict.deploy("x", gain="b"), r"Verdict\(gain='b'\): a number"),
    ],
)
def test_a_verdict_that_makes_no_sense_is_refused(make: Any, says: str) -> None:
    with pytest.raises(PartError, match=says):
        make()


# --- what is compared -----------------------------------------------------------------------------

PLAIN = Strategy(Never(), Sliding(3))


@pytest.mark.parametrize("given", [[PLAIN], PLAIN, (PLAIN,), None, {}, "static", 3])
def test_strategies_are_given_by_name(given: Any) -> None:
    with pytest.raises(SetupError, match=r"compare: .*such as \{'static': Strategy\(\.\.\.\)\}"):
        hourly().compare(given)


@pytest.mark.parametrize("name", [1, "", "  ", None, ("a", "b")])
def test_a_name_is_a_text(name: Any) -> None:
    with pytest.raises(SetupError, match="is no name; give a text"):
        hourly().compare({name: PLAIN})


@pytest.mark.parametrize("n_jobs", [0, 1.5, "2", None, True])
def test_processes_are_counted(n_jobs: Any) -> None:
    with pytest.raises(SetupError, match="give a number of processes"):
        hourly().compare({"static": PLAIN}, n_jobs=n_jobs)


def test_prices_and_delays_may_be_mappings() -> None:
    plain = hourly(prices=Prices(retrain=3), delays={"train": "1h"})
    assert hourly(prices={"retrain": 3}).prices == plain.prices
    assert plain.delays.train == "1h"


@pytest.mark.parametrize(
    ("wrong", "says"),
    [
        ({"prices": 5}, r"prices=5: give Prices\(retrain=\.\.\.\), or a mapping"),
        ({"prices": None}, r"prices=None: give Prices"),
        ({"delays": "2h"}, r"delays='2h': give Delays\(train=\.\.\.\), or a mapping"),
        ({"prices": {"retran": 5}}, r"prices\['retran'\]: no such key; did you mean 'retrain'"),
        ({"prices": {"retrain": "5"}}, r"Prices\(retrain='5'\): give an amount of money"),
        ({"metrics": 3}, r"metrics=3: give a list, such as \['MAE'\]"),
        ({"stream": pd.DataFrame({"y": [1]})}, r"stream: a DataFrame; make one with Stream"),
    ],
)
def test_what_a_backtest_is_not_made_of(wrong: dict, says: str) -> None:
    with pytest.raises(ValueError, match=says):
        hourly(**wrong)


def test_a_cache_is_a_directory() -> None:
    with pytest.raises(SetupError, match="cache=3: give a directory, or None"):
        hourly(cache=3).replay(PLAIN)


HOURS = pd.date_range("2024", periods=9, freq="h")
TABLE = pd.DataFrame({"t": HOURS, "x": range(9), "y": range(9)})
NESTED = TABLE.set_axis(pd.MultiIndex.from_product([["a"], TABLE.columns]), axis=1)


def test_columns_of_several_levels_are_named_whole() -> None:
    stream = Stream.from_frame(NESTED, target=("a", "y"), time=("a", "t"))  # type: ignore[arg-type]
    assert len(stream) == 9
    with pytest.raises(ValueError, match=r"time='a': several columns; name one whole, such as"):
        Stream.from_frame(NESTED, target=("a", "y"), time="a")  # type: ignore[arg-type]


@pytest.mark.parametrize("year", [1600, 2400])
def test_times_out_of_range_are_said_also_below_several_levels(year: int) -> None:
    far = NESTED.copy()
    far[("a", "t")] = pd.date_range(f"{year}-01-01", periods=9, freq="h", unit="s")
    with pytest.raises(ValueError, match="a time outside the years 1678 to 2261"):
        Stream.from_frame(far, target=("a", "y"), time=("a", "t"))  # type: ignore[arg-type]


@pytest.mark.parametrize("name", [None, ["t"], {"t": 1}])
def test_a_column_is_named(name: Any) -> None:
    with pytest.raises(ValueError, match="give the name of one column"):
        Stream.from_frame(TABLE, target="y", time=name)


def test_a_gate_that_inherits_and_forgets_its_review_is_told_to_write_one() -> None:
    class Forgets(Gate):
        pass

    with pytest.raises(
        PartError, match=r"a gate has no method 'review'; write review\(self, view\)"
    ):
        replayed(gate=Forgets())
