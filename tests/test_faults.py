"""Faults strike the rows of their period as they say, and no others."""

from dataclasses import replace
from types import SimpleNamespace

import numpy as np
import pandas as pd
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from sklearn.dummy import DummyClassifier, DummyRegressor
from sklearn.linear_model import LinearRegression

from backtrain import Backtest, Prices, Strategy, Stream
from backtrain.datasets import faults
from backtrain.datasets.faults import (
    DroppedColumn,
    DuplicatedRows,
    LateLabels,
    MissingSpike,
    ReorderedLabels,
    StuckSensor,
    UnitChange,
    inject,
)
from backtrain.reports.faulty import costs, counts, faults_of, losses, section
from backtrain.strategies import DataCheck, Every, Expanding, Never, PerformanceDrop, Sliding

HOUR = np.timedelta64(1, "h")
T1, T2 = "2024-01-01 02:00", "2024-01-01 04:00"  # rows 2 and 3 of six
WHEN = {"start": T1, "stop": T2}


def six_rows(**changes):
    """One row an hour from midnight on, labels an hour later; x counts up, kind alternates."""
    event = np.datetime64("2024-01-01T00", "ns") + np.arange(6) * HOUR
    X = pd.DataFrame({"x": np.arange(6.0), "kind": list("ababab")})
    parts = {"X": X, "y": np.arange(10, 16), "event_time": event, "label_time": event + HOUR}
    return Stream(**(parts | changes))


def x_of(stream):
    return stream.X["x"].tolist()


def kinds_of(stream):
    return [None if pd.isna(kind) else kind for kind in stream.X["kind"]]


# --- by hand --------------------------------------------------------------------------------------


def test_a_unit_changes_in_the_period_alone_its_end_left_out():
    struck = inject(six_rows(), [UnitChange("x", 1.8, 32, **WHEN)])
    assert x_of(struck) == [0, 1, 2 * 1.8 + 32, 3 * 1.8 + 32, 4, 5]
    assert struck.y.tolist() == [10, 11, 12, 13, 14, 15]
    assert struck.truth is None


@pytest.mark.parametrize("column", [None, "y"])
def test_labels_in_another_unit_keep_what_they_really_were(column):
    struck = inject(six_rows(), [UnitChange(column, 100, **WHEN)])
    assert struck.y.tolist() == [10, 11, 1200, 1300, 14, 15]
    assert struck.truth.tolist() == [10, 11, 12, 13, 14, 15]
    again = inject(struck, [UnitChange(column, 0.5, start=T2, stop="2024-01-01 05:00")])
    assert again.y.tolist() == [10, 11, 1200, 1300, 7, 15]
    assert again.truth.tolist() == [10, 11, 12, 13, 14, 15]


def test_a_column_that_is_gone_is_missing():
    assert kinds_of(inject(six_rows(), [DroppedColumn("kind", **WHEN)])) == [
        *"ab",
        None,
        None,
        *"ab",
    ]
    assert np.isnan(inject(six_rows(), [DroppedColumn("x", **WHEN)]).X["x"]).tolist() == [
        False, False, True, True, False, False,
    ]  # fmt: skip


def test_a_stuck_sensor_repeats_the_last_value_before():
    assert x_of(inject(six_rows(), [StuckSensor("x", **WHEN)])) == [0, 1, 1, 1, 4, 5]
    assert kinds_of(inject(six_rows(), [StuckSensor("kind", **WHEN)])) == list("abbbab")


def test_a_spike_of_missing_values_takes_its_share():
    stream = Stream(
        np.ones((4_000, 2)), np.arange(4_000), six_rows().event_time[0] + np.arange(4_000) * HOUR
    )
    struck = inject(stream, [MissingSpike(share=0.3, seed=1, start=0.25, stop=0.75)])
    lost = np.isnan(struck.X)
    assert not lost[:1_000].any()
    assert not lost[3_000:].any()
    # 2,000 draws of 0.3 have a standard deviation of 0.01
    assert lost[1_000:3_000].mean(axis=0) == pytest.approx([0.3, 0.3], abs=0.04)
    assert 0.05 < (lost[:, 0] & lost[:, 1])[1_000:3_000].mean() < 0.13  # drawn each on its own
    one = inject(stream, [MissingSpike("x1", share=0.3, start=0.25, stop=0.75)])
    assert not np.isnan(one.X[:, 0]).any()


def test_rows_that_arrive_twice_stand_side_by_side():
    stream = six_rows(weight=np.arange(6.0), group=list("uvwxyz"))
    struck = inject(stream, [DuplicatedRows(share=1, **WHEN)])
    assert x_of(struck) == [0, 1, 2, 2, 3, 3, 4, 5]
    assert struck.y.tolist() == [10, 11, 12, 12, 13, 13, 14, 15]
    assert struck.weight.tolist() == [0, 1, 2, 2, 3, 3, 4, 5]
    assert struck.group.tolist() == list("uvwwxxyz")
    assert ((struck.label_time - struck.event_time) == HOUR).all()


def test_late_labels_come_later_and_lost_ones_stay_lost():
    label = six_rows().label_time.copy()
    label[3] = np.datetime64("NaT", "ns")
    struck = inject(six_rows(label_time=label), [LateLabels("1D", **WHEN)])
    waits = (struck.label_time - struck.event_time) / HOUR
    assert [None if np.isnan(wait) else wait for wait in waits] == [1, 1, 25, None, 1, 1]


def test_reordered_labels_arrive_at_the_same_instants_and_none_before_its_row():
    event = six_rows().event_time
    stream = six_rows(label_time=event + 10 * HOUR)
    seen = set()
    for seed in range(20):
        fault = ReorderedLabels(seed, start="2024-01-01", stop="2024-01-01 03:00")
        times = inject(stream, [fault]).label_time
        assert sorted(times.tolist()) == stream.label_time.tolist()
        assert (times[3:] == stream.label_time[3:]).all()
        seen.add(tuple(times[:3].tolist()))
    assert len(seen) == 6  # every order of three turns up in 20 draws
    at_once = six_rows(label_time=event)  # only its own arrival is not before the last row
    assert (inject(at_once, [ReorderedLabels(start=0.0, stop=1.0)]).label_time == event).all()


def test_shares_are_shares_of_the_span():
    assert x_of(inject(six_rows(), [UnitChange("x", 100, start=0.4, stop=0.8)])) == x_of(
        inject(six_rows(), [UnitChange("x", 100, **WHEN)])
    )


def test_a_stream_remembers_its_faults_in_order():
    several = [LateLabels("1D", start=0.2, stop=1.0), UnitChange("x", 0.01, -1, **WHEN)]
    names, starts, stops = zip(*inject(six_rows(), several).faults, strict=True)
    assert names == ("labels 1D late", "x × 0.01 - 1")
    assert starts == (pd.Timestamp("2024-01-01 01:00"), pd.Timestamp(T1))
    assert stops == (pd.Timestamp("2024-01-01 05:00"), pd.Timestamp(T2))
    assert six_rows().faults == ()


def test_faults_at_one_time_are_applied_in_their_order():
    both = [UnitChange("x", 100, **WHEN), StuckSensor("x", **WHEN)]
    assert x_of(inject(six_rows(), both)) == [0, 1, 1, 1, 4, 5]
    assert x_of(inject(six_rows(), both[::-1])) == [0, 1, 100, 100, 4, 5]


@pytest.mark.parametrize(
    ("fault", "says"),
    [
        (UnitChange("xx", 100, **WHEN), "no column 'xx'; did you mean 'x'"),
        (UnitChange("kind", 100, **WHEN), r"'kind' holds no numbers \(such as 'a'\)"),
        (DroppedColumn("knd", **WHEN), "did you mean 'kind'"),
        (DroppedColumn("y", **WHEN), "'y' is the target"),
        (UnitChange("x", 100, start=T2, stop=T1), "the period is empty"),
        (UnitChange("x", 100, start=T1, stop=T1), "the period is empty"),
        (UnitChange("x", 100, start="2024-01-01 02:10", stop="2024-01-01 02:50"), "no row from"),
        (UnitChange("x", 100, start="2025-01-01", stop="2025-02-01"), "outside the stream"),
        (UnitChange("x", 100, start="2023-01-01", stop=T1), "outside the stream"),
        (StuckSensor("x", start=0.0, stop=0.5), "no row before"),
    ],
)
def test_what_does_not_fit_the_stream_is_refused(fault, says):
    with pytest.raises(ValueError, match=says):
        inject(six_rows(), [fault])


def test_text_labels_have_no_unit():
    with pytest.raises(ValueError, match=r"'y' holds no numbers \(such as 'a'\)"):
        inject(six_rows(y=np.array(list("ababab"))), [UnitChange(None, 100, **WHEN)])


@pytest.mark.parametrize(
    ("build", "says"),
    [
        (lambda: UnitChange("x", 1, **WHEN), "no change of unit"),
        (lambda: UnitChange("x", 0, **WHEN), "no change of unit"),
        (lambda: UnitChange("x", np.inf, **WHEN), "finite"),
        (lambda: MissingSpike(share=0, **WHEN), "above 0"),
        (lambda: DuplicatedRows(share=2, **WHEN), "at most 1"),
        (lambda: LateLabels("7X", **WHEN), "LateLabels.delay='7X': not a time offset"),
        (lambda: StuckSensor("x", start=3, stop=4), "between 0 and 1"),
        (lambda: StuckSensor("x", start="soon", stop=4), "not a date or time"),
    ],
)
def test_nonsense_is_refused(build, says):
    with pytest.raises(ValueError, match=says):
        build()


# --- what holds for every fault -------------------------------------------------------------------


def some_stream(rng, n=60):
    event = np.datetime64("2024-01-01T00", "ns") + np.cumsum(rng.choice([0, 1, 2], n)) * HOUR
    label = event + rng.choice([0, 1, 5, 30], n) * HOUR
    label[5:][rng.random(n - 5) < 0.1] = np.datetime64("NaT", "ns")
    X = pd.DataFrame({"x": rng.normal(size=n), "kind": rng.choice(list("abc"), n)})
    return Stream(X, rng.normal(size=n), event, label, weight=rng.random(n))


FAULTS = {
    "unit": lambda **when: UnitChange("x", 1.8, 32, **when),
    "label unit": lambda **when: UnitChange(None, 100, **when),
    "missing": lambda **when: MissingSpike(share=0.5, seed=3, **when),
    "dropped": lambda **when: DroppedColumn("kind", **when),
    "stuck": lambda **when: StuckSensor("x", **when),
    "doubled": lambda **when: DuplicatedRows(share=0.4, seed=3, **when),
    "late": lambda **when: LateLabels("2D", **when),
    "reordered": lambda **when: ReorderedLabels(seed=3, **when),
}
some_faults = st.sampled_from(sorted(FAULTS))
seeds = st.integers(0, 1000)


def some_instants(rng, stream):
    """Four instants in order, each that of a row, none that of the first."""
    return np.sort(rng.choice(np.unique(stream.event_time)[1:], 4, replace=False)).astype(str)


def table(stream, where=slice(None)):
    """Everything that is known of some rows."""
    frame = stream.X.astype({"kind": object}).assign(
        y=stream.y, event=stream.event_time, label=stream.label_time, weight=stream.weight
    )
    truth = stream.y if stream.truth is None else stream.truth
    return frame.assign(truth=truth)[where].reset_index(drop=True)


@settings(deadline=None)
@given(seed=seeds, name=some_faults)
def test_a_fault_changes_nothing_outside_its_period_and_is_the_same_twice(seed, name):
    rng = np.random.default_rng(seed)
    stream = some_stream(rng)
    start, stop, *_ = some_instants(rng, stream)
    struck = inject(stream, [FAULTS[name](start=start, stop=stop)])
    for bounds in ((None, start), (stop, None)):
        pd.testing.assert_frame_equal(
            table(struck, struck.rows(*bounds)), table(stream, stream.rows(*bounds))
        )
    assert struck.span == stream.span
    again = inject(stream, [FAULTS[name](start=start, stop=stop)])
    assert again.fingerprint == struck.fingerprint


@settings(deadline=None)
@given(seed=seeds, names=st.tuples(some_faults, some_faults))
def test_faults_of_disjoint_periods_commute(seed, names):
    rng = np.random.default_rng(seed)
    stream = some_stream(rng)
    # A row lies between the two periods: it is what a stuck sensor repeats in either order.
    cuts = some_instants(rng, stream)
    both = [
        FAULTS[name](start=start, stop=stop)
        for name, start, stop in zip(names, cuts[::2], cuts[1::2], strict=True)
    ]
    one, other = inject(stream, both), inject(stream, both[::-1])
    assert one.fingerprint == other.fingerprint
    assert one.faults == other.faults[::-1]


@pytest.mark.parametrize("name", FAULTS)
def test_every_fault_changes_the_fingerprint_and_is_rebuilt_by_its_repr(name):
    fault = FAULTS[name](start=0.3, stop=0.8)
    stream = some_stream(np.random.default_rng(0))
    assert inject(stream, [fault]).fingerprint != stream.fingerprint
    assert eval(repr(fault), vars(faults)) == fault
    assert hash(fault) == hash(eval(repr(fault), vars(faults)))


# --- in a replay ----------------------------------------------------------------------------------


def ten_days(fault=()):
    """y is always 1, one row a day at noon, known at once; days 5 and 6 record 100."""
    event = np.datetime64("2024-01-01T12", "ns") + np.arange(10) * 24 * HOUR
    y = np.ones(10)
    y[0] = 1.0 + 1e-9  # a stream wants two values
    return inject(Stream(np.arange(10.0).reshape(-1, 1), y, event), fault)


CENTS = UnitChange(None, 100, start="2024-01-06", stop="2024-01-08")


def test_rows_are_scored_against_what_labels_really_were_and_parts_see_what_was_recorded():
    # Served are days 2 to 9 (January 3rd to 10th). The first model says 1; the training before day
    # 6 has seen 1, 1, 1, 1, 1, 100: it says 17.5. That before day 8: 6 ones and 200, over 8.
    setup = Backtest(
        ten_days([CENTS]), DummyRegressor(), tick="1D", start="2024-01-03", prices=Prices(error=1)
    )
    run = setup.replay(Strategy(Every("2D", phase="0D"), Expanding()))
    assert run.predictions["label"].tolist() == pytest.approx([1, 1, 1, 100, 100, 1, 1, 1])
    assert run.predictions["truth"].tolist() == pytest.approx([1] * 8)
    said = [1, 1, 1, 1, 17.5, 17.5, 206 / 8, 206 / 8]
    assert run.predictions["prediction"].tolist() == pytest.approx(said)
    assert run.predictions["loss"].tolist() == pytest.approx([p - 1 for p in said], abs=1e-8)
    assert run.totals["error"] == pytest.approx(sum(said) - 8)
    assert run.steps["loss"].sum() == pytest.approx(sum(said) - 8)
    assert run.metrics["MAE"] == pytest.approx((sum(said) - 8) / 8)
    assert run.info["faults"] == [
        {"name": "y × 100", "start": "2024-01-06T00:00:00", "stop": "2024-01-08T00:00:00"}
    ]
    # An alarm about losses sees those against the record: 99 on day 5, though the answer was right.
    alarm = PerformanceDrop("MAE", window=1, min_labels=1, below=50)
    seen = setup.replay(Strategy(alarm, Expanding()))
    assert seen.events.loc[1, "at"] == pd.Timestamp("2024-01-07")


def test_a_loss_matrix_is_scored_alike():
    setup = Backtest(
        ten_days([CENTS]), DummyRegressor(), start="2024-01-03", prices=Prices(error=1)
    )
    run = setup.replay(Strategy(Every("2D"), Expanding()))
    cost = setup.loss_matrix().every(2).cost(setup.prices)[0]
    assert cost == pytest.approx(run.totals["total"])


def test_classes_are_scored_against_what_they_really_were():
    event = np.datetime64("2024-01-01T12", "ns") + np.arange(10) * 24 * HOUR
    stream = Stream(np.zeros((10, 1)), np.array([0, 1, 0, 1, 1, 1, 1, 1, 1, 1]), event)
    stream = inject(stream, [CENTS])
    setup = Backtest(stream, DummyClassifier(strategy="constant", constant=1), start="2024-01-04")
    run = setup.replay(Strategy(Never(), Expanding()))
    assert run.predictions["label"].tolist() == [1, 1, 100, 100, 1, 1, 1]
    assert run.predictions["loss"].tolist() == [0] * 7
    assert run.metrics["accuracy"] == 1


@pytest.mark.parametrize("seed", range(5))
def test_nothing_that_is_decided_depends_on_what_labels_really_were(seed):
    rng = np.random.default_rng(seed)
    stream = some_stream(rng, 120)
    X = np.column_stack((stream.X["x"], rng.normal(size=120)))
    stream = inject(replace(stream, X=X, columns=()), [UnitChange(None, 10, start=0.4, stop=0.6)])
    other = replace(stream, truth=rng.normal(scale=1e6, size=120))
    strategy = Strategy(
        PerformanceDrop("MAE", window=10, min_labels=5, drop="20%"), Sliding(30), gate=DataCheck()
    )
    runs = [
        Backtest(s, LinearRegression(), tick="3h", start=0.3, prices=Prices(label=1)).replay(
            strategy
        )
        for s in (stream, other)
    ]
    pd.testing.assert_frame_equal(*(run.events for run in runs))
    pd.testing.assert_frame_equal(
        *(run.predictions.drop(columns=["loss", "truth"]) for run in runs)
    )
    kept = [run.charges[run.charges["kind"] != "error"].reset_index(drop=True) for run in runs]
    pd.testing.assert_frame_equal(*kept)
    assert not runs[0].predictions["loss"].equals(runs[1].predictions["loss"])


# --- the report -----------------------------------------------------------------------------------


def in_cents():
    """Half a year, two prices in dollars; the target is in cents for six weeks."""
    rng = np.random.default_rng(7)
    n = 180 * 12
    event = np.datetime64("2024-01-01T00", "ns") + np.arange(n) * 2 * HOUR
    X = rng.uniform(10, 50, size=(n, 2))
    y = X[:, 0] + 0.5 * X[:, 1] + rng.normal(size=n) + np.linspace(0, 20, n)
    stream = Stream(X, y, event, event + 24 * HOUR, name="prices")
    return inject(stream, [UnitChange(None, 100, start="2024-03-15", stop="2024-04-26")])


@pytest.fixture(scope="module")
def comparison():
    setup = Backtest(
        in_cents(), LinearRegression(), tick="1D", start="2024-02-15",
        prices=Prices(retrain=20, error=1, check=0.5),
    )  # fmt: skip
    weekly = Strategy(Every("7D"), Sliding("30D"))
    strict = DataCheck(outside=0.0)
    return setup.compare(
        {
            "static": Strategy(Never(), Sliding("30D")),
            "weekly": weekly,
            "checked": replace(weekly, gate=strict),
        }
    )


def trained_on_cents(run):
    first, last = pd.Timestamp("2024-03-15"), pd.Timestamp("2024-04-26")
    versions = run.versions
    return versions[(versions["window_start"] < last) & (versions["window_end"] >= first)]


def test_who_checks_the_data_does_not_train_on_cents_and_who_does_not_pays(comparison):
    weekly, checked = comparison.runs["weekly"], comparison.runs["checked"]
    assert len(trained_on_cents(weekly)) > 5
    assert len(trained_on_cents(checked)) == 0
    refused = checked.events[checked.events["kind"] == "refused"]
    assert refused["at"].min() == pd.Timestamp("2024-03-21")  # the first look after their arrival
    assert refused["reason"].str.startswith("'y': ").all()
    assert checked.totals["retrains"] + len(refused) == weekly.totals["retrains"]
    saved = weekly.totals["total"] - checked.totals["total"]
    assert saved > 1_000_000  # measured: a hundred times as large as what the check costs
    assert checked.totals["check"] == 0.5 * weekly.totals["retrains"]


def test_the_report_says_what_the_fault_cost_whom(comparison, tmp_path):
    (fault,) = faults_of(comparison)
    assert fault.title == "y × 100, 2024-03-15 to 2024-04-26"
    weekly, checked = comparison.runs["weekly"], comparison.runs["checked"]
    events = checked.events[checked.events["kind"] == "refused"]
    inside = events["at"].between(fault.start, fault.stop, inclusive="left").sum()
    assert counts(checked, fault)["refused"] == inside == 6
    assert counts(checked, fault)["learnt from it"] == 0
    assert counts(weekly, fault)["learnt from it"] == len(trained_on_cents(weekly))
    assert counts(weekly, fault)["fired"] == counts(weekly, fault)["trained"] == 6
    for run in (weekly, checked):
        rows, charges = run.predictions, run.charges
        before = (
            rows.loc[rows["event_time"] < fault.start, "loss"].sum()
            + charges.loc[
                (charges["when"] < fault.start) & ~charges["kind"].isin(["initial", "error"]),
                "amount",
            ].sum()
        )
        assert sum(costs(run, fault)) + before == pytest.approx(run.totals["total"])
    assert losses(checked, fault)[0] < losses(weekly, fault)[0]
    (shown,) = section(comparison, "weekly").exhibits
    assert "1 of 3 strategies put models in force that had learnt from it" in shown.finding
    assert "gates refused 6 trainings" in shown.finding
    assert "From its start on checked cost the least" in shown.finding
    labels = [column.label for column in shown.shows.columns]
    row = next(row for row in shown.shows.rows if row.name == "checked")
    gap = row.cells[labels.index("against weekly")].sort
    assert gap == pytest.approx(costs(checked, fault)[0] - costs(weekly, fault)[0])
    page = comparison.to_html(tmp_path / "report.html", "weekly").read_text()
    assert "While the data were wrong" in page
    assert fault.title in page
    assert 'id="time-line-fault-upper-0"' in page
    assert "Shaded: while the data were wrong" in page


def test_a_history_without_faults_has_no_such_section(tmp_path):
    setup = Backtest(ten_days(), DummyRegressor(), start="2024-01-03")
    whole = setup.compare({"static": Strategy(Never(), Expanding())})
    assert "While the data were wrong" not in whole.to_html(tmp_path / "report.html").read_text()


def test_a_run_of_an_older_record_has_no_faults():
    info = {"start": "2024-01-01", "end": "2024-02-01"}
    assert faults_of(SimpleNamespace(info=info)) == []


def test_faults_of_one_period_are_told_together_and_those_that_were_never_served_not_at_all():
    def of(name, start, stop):
        return {"name": name, "start": f"2024-{start}", "stop": f"2024-{stop}"}

    faults = [
        of("late", "01-15", "01-16"),
        of("cents", "01-10", "01-12"),
        of("missing", "01-10", "01-12"),
        of("before", "01-01", "01-03"),
        of("after", "02-02", "02-03"),
    ]
    info = {"start": "2024-01-05", "end": "2024-02-01", "faults": faults}
    assert [fault.title for fault in faults_of(SimpleNamespace(info=info))] == [
        "cents and missing, 2024-01-10 to 2024-01-12",
        "late, 2024-01-15 to 2024-01-16",
    ]


@pytest.mark.parametrize("share", [(0, 1), (0.5, 0.8)], ids=["all along", "a while"])
def test_labels_that_come_later_are_no_damage(tmp_path, share):
    """Their values are right: nothing wrong is learnt, so nothing says that it was."""
    fault = LateLabels("1D", start=share[0], stop=share[1])
    setup = Backtest(ten_days([fault]), DummyRegressor(), start="2024-01-04")
    late = setup.compare({
        "static": Strategy(Never(), Expanding()), "daily": Strategy(Every("1D"), Expanding())
    })  # fmt: skip
    text = late.to_html(tmp_path / "report.html").read_text()
    assert "Labels that came later" in text
    assert "nothing wrong is learnt" in text
    for damage in ("While the data were wrong", "had learnt from it", "learnt from it</th>"):
        assert damage not in text
    assert ("cost after it" in text) == (share != (0, 1))


def test_a_delay_beside_a_fault_of_the_same_period_is_told_apart():
    period = {"start": "2024-01-10", "stop": "2024-01-12"}
    faults = [{"name": name, **period} for name in ("labels 7D late", "x0 gone")]
    info = {"start": "2024-01-05", "end": "2024-02-01", "faults": faults}
    found = faults_of(SimpleNamespace(info=info))
    assert [(fault.name, fault.delay) for fault in found] == [
        ("x0 gone", False), ("labels 7D late", True)
    ]  # fmt: skip
