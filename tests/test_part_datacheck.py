"""`DataCheck`: what it refuses, on what grounds, and what that costs."""

import dataclasses

import numpy as np
import pandas as pd
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from sklearn.dummy import DummyClassifier, DummyRegressor
from sklearn.linear_model import LinearRegression

from backtrain import Backtest, Comparison, Prices, Strategy, Stream
from backtrain.datasets.faults import DroppedColumn, UnitChange, inject
from backtrain.reports.sections import happened
from backtrain.strategies import (
    AnyOf,
    DataCheck,
    Every,
    EveryRows,
    Expanding,
    PartialFit,
    PerformanceDrop,
    Sliding,
)

HOUR = np.timedelta64(1, "h")
MIDNIGHT = np.datetime64("2024-01-01T00", "ns")

PARTS = [
    DataCheck(),
    DataCheck(0.2, 0.1, outside=0.0, widen=2, min_rows=50, labels=False, exclude=["month"]),
]
NONSENSE = [
    (lambda: DataCheck(missing=1), "at least 0 and below 1"),
    (lambda: DataCheck(unseen=-0.1), r"DataCheck\(unseen=-0.1\)"),
    (lambda: DataCheck(outside=2), "at least 0 and below 1"),
    (lambda: DataCheck(widen=-1), "widen"),
    (lambda: DataCheck(min_rows=0), "1 or more"),
    (lambda: DataCheck(min_classes=0), "1 or more"),
    (lambda: DataCheck(max_reference=1), "2 or more"),
    (lambda: DataCheck(exclude="month"), r"give a list, such as \['month'\]"),
    (lambda: DataCheck(schema=3), "has no validate"),
]
REGRESSION = {
    "data check": Strategy(Every("5h"), Sliding(25), gate=DataCheck(outside=0.3, widen=0.2)),
    "data check on alarm": Strategy(
        AnyOf(PerformanceDrop("MAE", window=12, min_labels=5, drop="10%"), EveryRows(9)),
        Expanding(),
        gate=DataCheck(outside=0.3, widen=0.2, min_rows=20, max_reference=15),
    ),
    "data check without labels": Strategy(
        EveryRows(4), Sliding("1D"), gate=DataCheck(outside=0.3, widen=0.1, labels=False)
    ),
}
CLASSIFICATION = {
    "data check": Strategy(Every("7h"), Sliding(12), gate=DataCheck(outside=0.3, widen=0.1))
}
INCREMENTAL = {
    "data check": Strategy(
        Every("6h"), Expanding(), PartialFit(), DataCheck(outside=0.3, widen=0.1, min_rows=2)
    )
}


# --- by hand --------------------------------------------------------------------------------------


def replayed(X, y, gate, model=None, prices=None, **spec):
    """A row an hour, its label known at once; row 10 is the first that is served, at 10:00.

    The first model learns rows 0 to 9; the only later decision is before row 15 (at 15:00), on all
    rows up to there, of which 10 to 14 are new.
    """
    event = MIDNIGHT + np.arange(len(y)) * HOUR
    setup = Backtest(
        Stream(X, y, event, target="price"),
        model or DummyRegressor(),
        tick="5h",
        start=pd.Timestamp(event[10]),
        prices=prices or Prices(),
        features="frame" if isinstance(X, pd.DataFrame) else "array",
    )
    return setup.replay(Strategy(Every("5h"), Expanding(), gate=gate, **spec))


def refusals(*args, **more):
    run = replayed(*args, **more)
    return run.events.loc[run.events["kind"] == "refused", "reason"].tolist()


def column(new, old=range(10), after=(5.0,)):
    """Features of 16 rows: ten learnt from, five that are new at the decision, one after it."""
    return np.array([*old, *new, *after], dtype=float).reshape(-1, 1)


Y = np.tile([1.0, 2.0], 8)


@pytest.mark.parametrize(
    ("new", "says"),
    [
        ([0, 9, 4, 5, 6], None),
        # q01 = 0.09 and q99 = 8.91 of 0..9 lie 8.82 apart: the range is -8.73 to 17.73.
        ([-8, 17, 4, 5, 6], None),
        ([-9, 17, 4, 5, 6], "'x0': 20% of 5 new values outside -8.73 to 17.73, such as -9"),
        ([18, 30, 4, 5, 6], "'x0': 40% of 5 new values outside -8.73 to 17.73, such as 18"),
        ([1.5, 2, 3, 4, 5], "'x0': 20% of 5 new values fractions, where all were whole, such as"),
        ([np.nan, 1, 2, 3, 4], "'x0': 20% missing, 0% was usual"),
        ([np.nan] * 5, "'x0' is gone, 0% was usual"),
        # Of the values that are there, one in four lies outside.
        ([np.nan, 99, 2, 3, 4], "'x0': 20% missing, 0% was usual; 'x0': 25% of 4 new values out"),
    ],
)  # fmt: skip
def test_a_column_is_held_against_the_rows_learnt_from(new, says):
    found = refusals(column(new), Y, DataCheck())
    assert found == [] if says is None else len(found) == 1 and found[0].startswith(says)


def test_each_limit_is_a_share_that_is_still_allowed():
    for new in ([99, 1, 2, 3, 4], [1.5, 2, 3, 4, 5]):
        assert refusals(column(new), Y, DataCheck(outside=0.2)) == []
    assert refusals(column([np.nan, 1, 2, 3, 4]), Y, DataCheck(missing=0.2)) == []
    some = [np.nan, np.nan, *range(8)]  # a fifth was missing before
    assert refusals(column([np.nan, np.nan, 2, 3, 4], some), Y, DataCheck(missing=0.2)) == []
    three = column([np.nan, np.nan, np.nan, 3, 4], some)
    assert refusals(three, Y, DataCheck(missing=0.2)) == ["'x0': 60% missing, 20% was usual"]


def test_a_nearly_constant_column_is_held_against_its_extremes_and_a_constant_one_is_not():
    old = [0] * 199 + [1]
    event = MIDNIGHT + np.arange(206) * HOUR

    def run(old, new):
        X = np.array([*old, *new, 0], dtype=float).reshape(-1, 1)
        setup = Backtest(
            Stream(X, np.tile([1.0, 2.0], 103), event),
            DummyRegressor(),
            tick="5h",
            start=pd.Timestamp(event[200]),
        )
        events = setup.replay(Strategy(Every("5h"), Expanding(), gate=DataCheck())).events
        return events.loc[events["kind"] == "refused", "reason"].tolist()

    assert run(old, [1, 2, -1, 0, 0]) == []
    assert run(old, [3, 0, 0, 0, 0]) == ["'x0': 20% of 5 new values outside -1 to 2, such as 3"]
    assert run([0] * 200, [3, 3, 3, 3, 3]) == []


def test_labels_are_looked_at_unless_told_otherwise():
    y = np.append(np.tile([1.0, 2.0], 5), [100, 200, 100, 200, 100, 1])
    said = ["'price': 100% of 5 new values outside 0 to 3, such as 100"]
    assert refusals(column([1, 2, 3, 4, 5]), y, DataCheck()) == said
    assert refusals(column([1, 2, 3, 4, 5]), y, DataCheck(labels=False)) == []


def test_categories_never_seen_are_named():
    kinds = pd.DataFrame({"kind": list("ababababab" + "abacb" + "d")})
    model = DummyRegressor()
    says = ["'kind': 20% of 5 new values in categories never seen, such as 'c'"]
    assert refusals(kinds, Y, DataCheck(), model) == says
    assert refusals(kinds, Y, DataCheck(unseen=0.2), model) == []
    assert refusals(kinds, Y, DataCheck(exclude=["kind"]), model) == []


def test_classes_never_seen_and_too_few_of_them():
    y = np.array([*[0, 1] * 5, 0, 1, 2, 2, 0, 1])
    model, X = DummyClassifier(), column([1, 2, 3, 4, 5])
    says = ["'price': 40% of 5 new values in categories never seen, such as 2"]
    assert refusals(X, y, DataCheck(), model) == says
    assert refusals(X, y, DataCheck(unseen=0.4), model) == []
    assert refusals(X, y, DataCheck(unseen=0.4, min_classes=4), model) == [
        "'price': 3 class(es) to learn; 4 are needed"
    ]


def test_several_columns_are_named_and_many_are_counted():
    X = np.hstack([column([99] * 5)] * 5)
    (said,) = refusals(X, Y, DataCheck())
    assert [name for name in ("'x0'", "'x1'", "'x2'", "'x3'") if name in said] == [
        "'x0'", "'x1'", "'x2'",
    ]  # fmt: skip
    assert said.endswith("; and 2 more")


def test_rows_learnt_from_are_not_looked_at_again():
    # With nothing new in the window there is nothing to find, however strict.
    X = column([99] * 5)
    event = MIDNIGHT + np.arange(16) * HOUR
    late = np.where(np.arange(16) < 10, event, event + 100 * HOUR)
    setup = Backtest(
        Stream(X, Y, event, late), DummyRegressor(), tick="5h", start="2024-01-01 10:00"
    )
    run = setup.replay(Strategy(Every("5h"), Expanding(), gate=DataCheck(outside=0.0, widen=0.0)))
    assert run.totals["refused"] == 0
    assert run.totals["retrains"] == 1


PRICES = Prices(retrain=5, per_1k_rows=100, label=0.25, check=0.5, review=2, release=3)


def test_a_look_is_paid_a_refused_training_is_not_and_the_labels_seen_are_bought():
    run = replayed(column([99] * 5), Y, DataCheck(), prices=PRICES, budget=1)
    later = run.charges[~run.charges["kind"].isin(["initial", "error"])]
    assert list(zip(later["kind"], later["amount"], later["version"], strict=True)) == [
        ("check", 0.5, 0),
        ("label", 1.25, 0),  # rows 10 to 14
    ]
    assert run.totals["retrains"] == 0
    (event,) = run.events[run.events["kind"] == "refused"].itertuples()
    assert (event.statistic, event.threshold) == (1.0, 0.05)
    blind = replayed(column([99] * 5), Y, DataCheck(labels=False), prices=PRICES)
    assert blind.totals["label"] == 0


def test_what_is_refused_before_it_is_trained_is_counted_apart_from_what_is_rejected():
    bad = replayed(column([99] * 5), Y, DataCheck())
    good = replayed(column([1, 2, 3, 4, 5]), Y, DataCheck())
    table = Comparison({"bad": bad, "good": dataclasses.replace(good, info=bad.info)}).table()
    assert table["refused"].to_dict() == {"bad": 1, "good": 0}
    assert table["rejected"].to_dict() == {"bad": 0, "good": 0}
    assert "refused" not in Comparison({"good": good}).table()
    shown = happened(Comparison({"bad": bad}), "bad")
    told = dict(
        zip([c.label for c in shown.columns], [c.text for c in shown.rows[0].cells], strict=True)
    )
    assert told["refused before training"] == "1"
    assert "rejected" not in told
    assert "1 refused before training" in bad._repr_html_()


def test_what_passes_is_deployed_at_once_and_nobody_reviews_it():
    run = replayed(column([1, 2, 3, 4, 5]), Y, DataCheck(), prices=PRICES)
    assert run.totals["deployed"] == 1
    assert run.totals["deploy"] == 3
    assert run.totals["check"] == 0.5


def test_too_few_rows_are_refused_unseen():
    run = replayed(column([1, 2, 3, 4, 5]), Y, DataCheck(min_rows=16), prices=PRICES)
    assert run.events["reason"].tolist()[1:] == ["15 rows to train on; 16 are needed"]
    assert run.totals["check"] == run.totals["label"] == 0


def test_a_column_that_is_not_there_is_refused_before_anything_starts():
    with pytest.raises(ValueError, match=r"no column 'z'; the stream has x0"):
        replayed(column([1, 2, 3, 4, 5]), Y, DataCheck(exclude=["z"]))


# --- schemas --------------------------------------------------------------------------------------


class SchemaErrors(Exception):  # noqa: N818 - its name in pandera
    """As pandera raises it."""

    def __init__(self, cases):
        super().__init__("many lines")
        self.failure_cases = pd.DataFrame(cases)


class Positive:
    """Takes the place of a pandera schema: no negative number anywhere."""

    def __init__(self, how="pandera"):
        self.how, self.seen = how, []

    def validate(self, frame, lazy=False):
        assert lazy
        self.seen.append(frame)
        cases = [
            {"column": name, "check": "positive", "failure_case": value}
            for name in frame.columns
            for value in frame.loc[frame[name] < 0, name]
        ]
        if cases and self.how == "pandera":
            raise SchemaErrors(cases)
        if cases:
            raise {"value": ValueError, "bug": KeyError}[self.how]("it is\nnegative")
        return frame


def test_a_schema_sees_all_rows_to_train_on_and_says_what_is_wrong():
    schema = Positive()
    found = refusals(column([-1, 2, -3, 4, 5]), Y, DataCheck(schema=schema))
    assert found == ["'x0' fails positive, such as -1.0 (2 failures)"]
    (frame,) = schema.seen
    assert list(frame.columns) == ["x0", "price"]
    assert frame["price"].tolist() == Y[:15].tolist()
    assert refusals(column([1, 2, 3, 4, 5]), Y, DataCheck(schema=Positive())) == []


def test_a_schema_knows_no_category_that_is_yet_to_come():
    class Keeper:
        def validate(self, frame, lazy):
            self.categories = frame["kind"].cat.categories.tolist()

    kinds = pd.DataFrame({"kind": list("ababababab" + "abaab" + "d")})
    assert refusals(kinds, Y, DataCheck(schema=(schema := Keeper()))) == []
    assert schema.categories == ["a", "b"]


def test_a_plain_value_error_refuses_and_a_slip_in_the_schema_is_raised():
    X = column([-1, 2, 3, 4, 5])
    assert refusals(X, Y, DataCheck(schema=Positive("value"))) == ["schema: it is"]
    with pytest.raises(KeyError):
        refusals(X, Y, DataCheck(schema=Positive("bug")))


# --- over time ------------------------------------------------------------------------------------


def a_month(rng, n=30 * 24):
    event = MIDNIGHT + np.arange(n) * HOUR
    X = rng.uniform(10, 50, size=(n, 2))
    return Stream(
        X, X.sum(axis=1) + rng.normal(size=n), event, event + rng.integers(0, 40, n) * HOUR
    )


BROKEN = {
    "cents": lambda **when: UnitChange("x0", 100, **when),
    "cents in the target": lambda **when: UnitChange(None, 100, **when),
    "gone": lambda **when: DroppedColumn("x0", **when),
}


@settings(deadline=None, max_examples=25)
@given(
    seed=st.integers(0, 10_000),
    name=st.sampled_from(sorted(BROKEN)),
    window=st.sampled_from((Sliding("5D"), Sliding(100), Expanding())),
    tick=st.sampled_from(("6h", "1D", "3D")),
)
def test_no_model_learns_from_a_fault_that_is_not_allowed(seed, name, window, tick):
    rng = np.random.default_rng(seed)
    start, length = rng.uniform(0.3, 0.7), rng.uniform(0.05, 0.25)
    stream = inject(a_month(rng), [BROKEN[name](start=start, stop=start + length)])
    model = LinearRegression() if "cents" in name else DummyRegressor()
    setup = Backtest(stream, model, tick=tick, start=0.25)
    fault = stream.faults[0]
    run = setup.replay(Strategy(Every(tick), window, gate=DataCheck(outside=0.0, missing=0.0)))
    versions = run.versions
    reach = (versions["window_start"] < fault.stop) & (versions["window_end"] >= fault.start)
    assert not reach.any()
    refused = run.events[run.events["kind"] == "refused"]
    assert len(refused) > 0
    assert (refused["at"] > fault.start).all()
