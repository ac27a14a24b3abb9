"""Models that answer several quantiles, replayed: their answers, records, stores and refusals."""

import pickle
from dataclasses import replace

import numpy as np
import pytest
from omegaconf import OmegaConf
from sklearn.base import BaseEstimator, RegressorMixin, clone
from sklearn.compose import TransformedTargetRegressor
from sklearn.ensemble import GradientBoostingRegressor, HistGradientBoostingRegressor
from sklearn.linear_model import QuantileRegressor, Ridge
from sklearn.pipeline import make_pipeline
from sklearn.preprocessing import StandardScaler

from backtrain import Backtest, Comparison, PartError, Prices, Run, SetupError, Strategy, Stream
from backtrain.config.compose import composed
from backtrain.config.study import load
from backtrain.datasets.synthetic import abrupt
from backtrain.lossmatrix.trial_models import loss_matrix
from backtrain.models import Quantiles
from backtrain.reports import quantiles
from backtrain.simulator.probes import ModelError
from backtrain.store.fits import FitStore
from backtrain.strategies import (
    ABTest,
    BeatsChampion,
    Continue,
    Every,
    Expanding,
    Never,
    PartialFit,
    PerformanceDrop,
    Recalibrate,
    Recorded,
    Refit,
    Retune,
    Shadow,
    Sliding,
    Transfer,
    WarmStart,
)

LEVELS = [0.1, 0.5, 0.9]
COLUMNS = ["q0.1", "q0.5", "q0.9"]
LINEAR = QuantileRegressor(alpha=0.0)
WEEKLY = Strategy(Every("7D"), Sliding("10D"))


def first(X):
    """The first feature, of an array or a table."""
    return np.asarray(X)[:, 0]


class Spread(RegressorMixin, BaseEstimator):
    """The quantiles of the labels, moved by the first feature: what a net of three outputs does."""

    def __init__(self, levels=LEVELS, order=(0, 1, 2), refuse=None) -> None:
        self.levels, self.order, self.refuse = levels, order, refuse

    def fit(self, X, y, sample_weight=None):
        self.at_ = np.quantile(y - first(X), np.array(self.levels)[list(self.order)])
        return self

    def predict(self, X):
        answers = first(X)[:, None] + self.at_
        if self.refuse == "nan":
            answers[first(X) > 0.8, 1] = np.nan
        if self.refuse == "raise" and (first(X) > 0.8).any():
            raise ValueError("out of range")
        return answers.astype(np.float32)


def history(n: int = 700, **more) -> Stream:
    return replace(abrupt(n=n, task="regression"), **more)


def asked(model=None, stream=None, **more) -> Backtest:
    model = Spread() if model is None else model
    return Backtest(stream or history(), model, **({"quantiles": LEVELS} | more))


def served(run) -> np.ndarray:
    return run.predictions[COLUMNS].to_numpy()


def test_each_row_is_answered_scored_and_recorded_at_each_level() -> None:
    stream = history()
    backtest = asked(stream=stream, metrics=["MAE", "pinball 0.9", "coverage 0.1-0.9"])
    run = backtest.replay(Strategy(Never(), Expanding()))
    first, last = backtest.served.start, backtest.served.stop
    model = Spread().fit(stream.X[:first], stream.y[:first])
    expected = model.predict(stream.X[first:last]).astype(np.float64)
    label = stream.y[first:last][:, None]
    assert np.array_equal(served(run), expected)
    assert np.array_equal(run.predictions["prediction"], expected[:, 1])
    gap = label - expected
    loss = np.maximum(np.array(LEVELS) * gap, (np.array(LEVELS) - 1) * gap).mean(axis=1)
    assert run.predictions["loss"].to_numpy() == pytest.approx(loss)
    assert run.totals["loss"] == pytest.approx(loss.sum())
    assert run.info["loss"] == "mean pinball"
    assert run.info["quantiles"] == LEVELS
    assert run.metrics["MAE"] == pytest.approx(np.abs(label[:, 0] - expected[:, 1]).mean())
    within = (expected[:, 0] <= label[:, 0]) & (label[:, 0] <= expected[:, 2])
    assert run.metrics["coverage 0.1-0.9"] == within.mean()


def test_quantiles_that_cross_are_served_in_order() -> None:
    straight, crossing = (asked(Spread(order=order)) for order in [(0, 1, 2), (2, 0, 1)])
    assert np.array_equal(served(straight.replay(WEEKLY)), served(crossing.replay(WEEKLY)))


@pytest.mark.parametrize("how", ["nan", "raise"])
def test_rows_that_cannot_be_answered_get_the_quantiles_of_the_training_labels(how: str) -> None:
    stream, backtest = history(), asked(Spread(refuse=how))
    run = backtest.replay(Strategy(Never(), Expanding()))
    first, last = backtest.served.start, backtest.served.stop
    bad = stream.X[first:last, 0] > 0.8
    assert run.totals["fallback"] == bad.sum() > 0
    usual = np.quantile(stream.y[:first], LEVELS, method="inverted_cdf")
    assert np.array_equal(served(run)[bad], np.tile(usual, (bad.sum(), 1)))
    fine = asked().replay(Strategy(Never(), Expanding()))
    assert np.array_equal(served(run)[~bad], served(fine)[~bad])


@pytest.mark.parametrize("levels", [[0.1, 0.5, 0.9], [0.25]])
@pytest.mark.parametrize(
    ("estimator", "name", "loss"),
    [
        (LINEAR, "quantile", {}),
        (HistGradientBoostingRegressor(max_iter=5), "quantile", {"loss": "quantile"}),
        (GradientBoostingRegressor(n_estimators=5, random_state=0), "alpha", {"loss": "quantile"}),
        (make_pipeline(StandardScaler(), LINEAR), "quantileregressor__quantile", {}),
        (TransformedTargetRegressor(LINEAR, func=np.sinh, inverse_func=np.arcsinh),
         "regressor__quantile", {}),
    ],
)  # fmt: skip
def test_a_copy_is_fitted_for_each_level(estimator, name, loss, levels) -> None:
    stream = history(200)
    model = Quantiles(estimator, levels).fit(stream.X, stream.y)
    each = [
        clone(estimator).set_params(**loss, **{name: q}).fit(stream.X, stream.y) for q in levels
    ]
    expected = np.sort(np.column_stack([one.predict(stream.X) for one in each]), axis=1)
    assert np.array_equal(model.predict(stream.X), expected)


@pytest.mark.parametrize(
    ("package", "kind", "given", "told"),
    [
        ("lightgbm", "LGBMRegressor", {"n_estimators": 5, "verbose": -1},
         lambda q: {"objective": "quantile", "alpha": q}),
        ("xgboost", "XGBRegressor", {"n_estimators": 5},
         lambda q: {"objective": "reg:quantileerror", "quantile_alpha": q}),
        ("catboost", "CatBoostRegressor",
         {"iterations": 5, "verbose": 0, "allow_writing_files": False},
         lambda q: {"loss_function": f"Quantile:alpha={q}"}),
    ],
)  # fmt: skip
def test_boosters_are_told_their_level(package, kind, given, told) -> None:
    make = getattr(pytest.importorskip(package), kind)
    stream = history(300)
    model = Quantiles(make(**given), LEVELS).fit(stream.X, stream.y)
    each = [make(**given, **told(q)).fit(stream.X, stream.y).predict(stream.X) for q in LEVELS]
    assert np.array_equal(model.predict(stream.X), np.sort(np.column_stack(each), axis=1))
    run = asked(Quantiles(make(**given), LEVELS), stream).replay(WEEKLY)
    assert run.totals["fallback"] == 0


@pytest.mark.parametrize(
    ("package", "kind", "given", "update"),
    [
        ("xgboost", "XGBRegressor",
         {"objective": "reg:quantileerror", "quantile_alpha": LEVELS, "n_estimators": 5},
         Continue(rounds=2)),
        ("catboost", "CatBoostRegressor",
         {"loss_function": "MultiQuantile:alpha=0.1,0.5,0.9", "iterations": 5, "verbose": 0,
          "allow_writing_files": False},
         Refit()),
        ("quantile_forest", "RandomForestQuantileRegressor",
         {"default_quantiles": LEVELS, "n_estimators": 5}, Refit()),
    ],
)  # fmt: skip
def test_models_of_several_quantiles_are_asked_as_they_are(package, kind, given, update) -> None:
    model = getattr(pytest.importorskip(package), kind)(**given)
    stream = history(400)
    run = asked(model, stream).replay(Strategy(Every("3D"), Expanding(), update))
    assert run.totals["fallback"] == 0
    assert run.totals["failed"] == 0
    assert (np.diff(served(run), axis=1) >= 0).all()
    with pytest.raises(SetupError, match=r"say so: quantiles=\[0.1,0.5,0.9\]"):
        asked(model, stream, quantiles=None)
    with pytest.raises(SetupError, match="give both the same levels"):
        asked(model, stream, quantiles=[0.1, 0.9])


def test_gates_triggers_and_money_see_all_levels() -> None:
    strategies = {
        "alarm": Strategy(PerformanceDrop("coverage error 0.1-0.9", drop=0.05), Sliding("10D")),
        "watched": Strategy(PerformanceDrop("mean pinball", window=50, drop="5%"), Sliding("10D")),
        "champion": replace(WEEKLY, gate=BeatsChampion(0.3, metric="interval score 0.1-0.9")),
        "shadow": replace(WEEKLY, gate=Shadow("2D")),
        "parts": replace(WEEKLY, gate=ABTest(share=0.5, max_duration="4D")),
    }
    backtest = asked(prices=Prices(retrain=1))
    comparison = backtest.compare(strategies, hindsight=False)
    for run in comparison.runs.values():
        assert run.totals["retrains"] > 0
        middle = run.predictions["prediction"].to_numpy()
        assert np.array_equal(served(run)[:, 1], middle)
        gap = run.predictions["label"].to_numpy()[:, None] - served(run)
        loss = np.maximum(np.array(LEVELS) * gap, (np.array(LEVELS) - 1) * gap).mean(axis=1)
        assert run.totals["loss"] == pytest.approx(loss.sum())


def test_records_and_the_report_say_how_often_labels_lay_below() -> None:
    strategies = {"static": Strategy(Never(), Sliding("10D")), "weekly": WEEKLY}
    comparison = asked().compare(strategies, hindsight=False)
    for run in comparison.runs.values():
        label = run.predictions["label"].to_numpy()
        for entry, answers in zip(run.totals["coverage"], served(run).T, strict=True):
            assert entry["share"] == (label <= answers).mean()
    section = quantiles.section(comparison, "static")
    sheet = section.exhibits[0].shows
    assert [column.label for column in sheet.columns[:4]] == [
        *("at or below q0.1", "at or below q0.5", "at or below q0.9", "farthest off")
    ]
    assert {row.name for row in sheet.rows} == set(strategies)
    assert "of the labels lie at or below the answer for" in section.finding
    plain = Backtest(history(300), Ridge()).replay(WEEKLY)
    assert "coverage" not in plain.totals
    assert "quantiles" not in plain.info
    assert quantiles.section(Comparison({"static": plain}), "static") is None


def test_a_loss_matrix_sums_the_same_losses() -> None:
    backtest = asked()
    matrix = loss_matrix(backtest, Sliding("10D"), Refit())
    static = backtest.replay(Strategy(Never(), Sliding("10D")))
    assert matrix.loss[0].sum() == pytest.approx(static.totals["loss"])


def test_answers_on_disk_know_their_levels(tmp_path) -> None:
    stream = history()
    backtest = asked(Quantiles(LINEAR, LEVELS), stream, cache=tmp_path / "store")
    fresh = backtest.replay(WEEKLY)
    store = FitStore(tmp_path / "store")
    again = replace(backtest, cache=store).replay(WEEKLY)
    assert store.computed == store.predicted == 0 < store.asked
    assert again.predictions.equals(fresh.predictions)


class Untold(Spread):
    """Has levels of which its parameters tell nothing."""

    def get_params(self, deep=True):
        return {}


def test_one_fit_may_be_asked_by_the_names_of_other_levels() -> None:
    stream, store, model = history(), FitStore(), Untold()
    one, two = (asked(model, stream, quantiles=q, cache=store) for q in (LEVELS, [0.3, 0.5, 0.7]))
    one.replay(WEEKLY)
    fits, blocks = store.computed, store.predicted
    assert list(two.replay(WEEKLY).predictions.columns[-3:]) == ["q0.3", "q0.5", "q0.7"]
    assert (store.computed, store.predicted) == (fits, 2 * blocks)


def test_copies_and_records_keep_all_levels(tmp_path) -> None:
    backtest = asked(Quantiles(LINEAR, LEVELS), history(300), metrics=["coverage 0.1-0.9"])
    run = backtest.replay(WEEKLY)
    sent = pickle.loads(pickle.dumps(backtest)).replay(WEEKLY)
    run.save(tmp_path / "kept")
    for other in (sent, Run.load(tmp_path / "kept")):
        assert other.totals == run.totals
        assert np.array_equal(served(other), served(run))


def test_recorded_quantiles_are_read_back(tmp_path) -> None:
    backtest = asked()
    run = backtest.replay(WEEKLY)
    dates = [str(at) for at in run.deployments["at"][1:]] if "at" in run.deployments else []
    recorded = Strategy(Recorded(run.predictions, dates), Sliding("10D"))
    again = backtest.replay(recorded)
    assert np.array_equal(served(again), served(run))
    assert again.totals["loss"] == pytest.approx(run.totals["loss"])
    less = Recorded(run.predictions.drop(columns="q0.9"), dates)
    with pytest.raises(PartError, match=r"need columns .*; there is no 'q0.9'"):
        backtest.replay(replace(recorded, trigger=less))


def test_weights_count_in_fits_fallbacks_and_totals() -> None:
    weight = np.random.default_rng(0).uniform(0.5, 2, 400)
    stream = history(400, weight=weight)
    run = asked(Quantiles(LINEAR, LEVELS), stream).replay(Strategy(Never(), Expanding()))
    first = asked(stream=stream).served.start
    model = Quantiles(LINEAR, LEVELS).fit(stream.X[:first], stream.y[:first], weight[:first])
    assert served(run)[:5] == pytest.approx(model.predict(stream.X[first : first + 5]))
    plain = Quantiles(LINEAR, LEVELS).fit(stream.X[:first], stream.y[:first])
    assert not np.allclose(served(run)[:5], plain.predict(stream.X[first : first + 5]))
    assert run.totals["loss"] == pytest.approx(
        (run.predictions["loss"] * run.predictions["weight"]).sum()
    )

    class Unweighted(Spread):
        def fit(self, X, y):
            return super().fit(X, y)

    unweighted = asked(Quantiles(Unweighted(), LEVELS, parameter="refuse"), stream)
    with pytest.raises(PartError, match="takes no sample_weight"):
        unweighted.replay(WEEKLY)


class Shared(Spread):
    """Keeps what it has learnt where all versions see it."""

    kept: dict = {}  # noqa: RUF012 - the fault that is to be found

    def fit(self, X, y, sample_weight=None):
        super().fit(X, y)
        Shared.kept["at"] = self.at_ + len(y) / 1e3
        return self

    def predict(self, X):
        return first(X)[:, None] + Shared.kept["at"]


class Looking(Spread):
    """Widens the upper quantile by the row that follows."""

    def predict(self, X):
        answers = super().predict(X)
        answers[:-1, 2] += np.abs(np.diff(first(X)))
        return answers


@pytest.mark.parametrize(
    ("model", "said"), [(Shared(), "Versions share"), (Looking(), "come after")]
)
def test_probes_look_at_every_level(model, said: str) -> None:
    with pytest.raises(ModelError, match=said):
        asked(model).replay(Strategy(Every("3D"), Expanding()))


@pytest.mark.parametrize(
    ("model", "update", "said"),
    [
        (None, Recalibrate(), "moves one answer a row"),
        (None, WarmStart(), "has no warm_start; use Refit"),
        (None, PartialFit(), "has no partial_fit; use Refit"),
        (None, Continue(), "cannot go on; use Refit"),
        (None, Refit(validation=0.2), "takes neither eval_set nor X_val"),
        (None, Retune({"estimator__alpha": [0, 1]}, scoring="r2"), "leave scoring away"),
        (Spread(), Retune({"refuse": [None]}), "scores one answer a row"),
    ],
)
def test_updates_that_cannot_learn_several_say_so_at_once(model, update, said: str) -> None:
    model = Quantiles(LINEAR, LEVELS) if model is None else model
    with pytest.raises(PartError, match=said):
        asked(model).replay(Strategy(Every("7D"), Expanding(), update))


def test_other_updates_go_on_as_ever() -> None:
    warm = GradientBoostingRegressor(loss="quantile", n_estimators=5)
    within = make_pipeline(StandardScaler(), Quantiles(LINEAR, LEVELS))
    for model, update in [
        (within, Transfer()),
        (Quantiles(LINEAR, LEVELS), Retune({"estimator__alpha": [0, 10]}, splits=2)),
        (Quantiles(warm, LEVELS), Refit()),
    ]:
        run = asked(model, history(300)).replay(Strategy(Every("5D"), Expanding(), update))
        assert run.totals["retrains"] > 0
        assert run.totals["failed"] == run.totals["fallback"] == 0


@pytest.mark.parametrize(
    ("model", "more", "said"),
    [
        (
            Quantiles(Ridge(), LEVELS),
            {},
            "Ridge has no level that is known here; name its parameter",
        ),
        (Quantiles(Ridge(), LEVELS, "alfa"), {}, "no such parameter; there are alpha"),
        (
            Quantiles(HistGradientBoostingRegressor(loss="poisson"), LEVELS),
            {},
            "use loss='quantile'",
        ),
        (Quantiles(LINEAR, LEVELS), {"quantiles": None}, r"say so: quantiles=\[0.1,0.5,0.9\]"),
        (Quantiles(LINEAR, None), {}, "quantiles=None: give levels"),
        (Quantiles(LINEAR, LEVELS), {"quantiles": [0.1, 0.9]}, "give both the same levels"),
        (Quantiles(LINEAR, LEVELS), {"metrics": ["coverage 0.2-0.9"]}, "answers no quantile 0.2"),
    ],
)
def test_what_does_not_fit_is_refused_when_it_is_asked(model, more, said: str) -> None:
    with pytest.raises((SetupError, PartError), match=said):
        asked(model, **more)


def test_a_model_of_one_number_a_row_is_told_what_is_missing() -> None:
    with pytest.raises(SetupError, match=r"are \(1, 3\): use model=quantiles"):
        asked(Ridge()).replay(WEEKLY)
    with pytest.raises(
        SetupError, match=r"say which quantiles they are: quantiles=\[0.1,0.5,0.9\]"
    ):
        asked(Spread(levels=None).set_params(levels=(*LEVELS, 2)), quantiles=None).replay(WEEKLY)


def study(*overrides: str):
    (config,) = composed(["dataset=abrupt", "dataset.n=400", "dataset.task=regression", *overrides])
    return load(OmegaConf.masked_copy(config, [key for key in config if key != "hydra"]))


def test_the_command_line_has_a_key_and_a_model() -> None:
    own = "{_target_: backtrain.Coverage,lower: 0.1,upper: 0.5}"
    given = f"metrics=[mean pinball,coverage error 0.1-0.9,{own}]"
    backtest = study("model=quantiles", "quantiles=[0.1,0.5,0.9]", given).backtest
    assert backtest.quantiles == (0.1, 0.5, 0.9)
    assert isinstance(backtest.model, Quantiles)
    assert list(backtest.model.levels) == LEVELS
    names = [metric.name for metric in backtest.row_metrics]
    assert names == ["mean pinball", "coverage error 0.1-0.9", "coverage 0.1-0.5"]
    assert backtest.row_loss.name == "mean pinball"
    chosen = study("model=quantiles", "quantiles=[0.1,0.5,0.9]", "loss=mean_pinball")
    assert chosen.backtest.row_loss.name == "mean pinball"


@pytest.mark.parametrize(
    ("given", "said"),
    [
        (["model=quantiles"], r"quantiles=None: give levels .* such as \[0.1,0.5,0.9\]"),
        (["quantiles=0.5"], "quantiles"),
        (["loss=mean_pinball"], r"model=quantiles.*quantiles=\[0.1,0.5,0.9\]"),
        (["model=quantiles", "quantiles=[0.9,0.1]"], "rising order"),
    ],
)
def test_the_command_line_names_the_keys(given, said: str) -> None:
    with pytest.raises(ValueError, match=said):
        study(*given)
