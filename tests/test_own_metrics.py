"""Metrics and losses that others wrote: functions, objects, scorers; and what is said of slips."""

import re
from dataclasses import replace
from functools import partial
from pathlib import Path

import my_metrics
import numpy as np
import pytest
from omegaconf import OmegaConf
from sklearn import metrics as sk
from sklearn.linear_model import LogisticRegression, Ridge

from backtrain import Backtest, Comparison, Metric, Outcomes, Pinball, Strategy
from backtrain.cli.list import main as listed
from backtrain.config.compose import composed
from backtrain.config.study import load
from backtrain.datasets.synthetic import abrupt
from backtrain.simulator.metrics import MetricError, find_metric, metric_names
from backtrain.strategies import (
    Dynamic,
    EstimatedDrop,
    Every,
    Expanding,
    Never,
    NoGroupWorse,
    PerformanceDrop,
    Shadow,
    Sliding,
)

STATIC = Strategy(Never(), Expanding())


def history(task: str = "regression", weighted: bool = False, n: int = 400):
    stream = abrupt(n=n, task=task)
    weight = np.random.default_rng(0).uniform(0.5, 2, n) if weighted else None
    return replace(stream, group=np.array(["a", "b", "c", "c"] * (n // 4)), weight=weight)


def of_run(metric, task: str = "regression", weighted: bool = False):
    """The metric of a replay, and the table that it is of."""
    model = Ridge() if task == "regression" else LogisticRegression()
    run = Backtest(history(task, weighted), model, metrics=[metric]).replay(STATIC)
    (value,) = run.metrics.values()
    return value, run.predictions


@pytest.mark.parametrize("name", ["neg_max_error", "neg_median_absolute_error", "r2"])
def test_a_scorer_of_a_regression_says_what_scikit_learn_says(name: str) -> None:
    value, rows = of_run(name)
    function = {"neg_max_error": sk.max_error, "r2": sk.r2_score}
    expected = function.get(name, sk.median_absolute_error)(rows["label"], rows["prediction"])
    assert value == pytest.approx(-expected if name.startswith("neg") else expected)


@pytest.mark.parametrize("weighted", [False, True])
@pytest.mark.parametrize(
    ("given", "function", "answers"),
    [
        ("matthews_corrcoef", sk.matthews_corrcoef, "prediction"),
        ("jaccard", sk.jaccard_score, "prediction"),
        ("d2_log_loss_score", sk.d2_log_loss_score, "score"),
        (sk.log_loss, sk.log_loss, "score"),
        (sk.roc_auc_score, sk.roc_auc_score, "score"),
        ("sklearn.metrics.brier_score_loss", sk.brier_score_loss, "score"),
        (sk.make_scorer(sk.fbeta_score, beta=2), partial(sk.fbeta_score, beta=2), "prediction"),
        (partial(sk.fbeta_score, beta=2), partial(sk.fbeta_score, beta=2), "prediction"),
    ],
)
def test_scorers_and_functions_of_scikit_learn_by_weight(given, function, answers, weighted):
    value, rows = of_run(given, "classification", weighted)
    weight = rows["weight"] if weighted else None
    assert value == pytest.approx(function(rows["label"], rows[answers], sample_weight=weight))


def test_several_classes_are_scored_by_all_probabilities() -> None:
    stream = history("classification")
    stream = replace(stream, y=np.array(list("xyz"))[np.digitize(stream.X[:, 0], [0.4, 0.7])])
    run = Backtest(stream, LogisticRegression(), metrics=["roc_auc_ovr"]).replay(STATIC)
    rows = run.predictions
    chances = rows[[f"probability {name}" for name in "xyz"]]
    expected = sk.roc_auc_score(rows["label"], chances, multi_class="ovr")
    assert run.metrics["roc_auc_ovr"] == pytest.approx(expected)


def test_functions_and_objects() -> None:
    value, rows = of_run(my_metrics.bias)
    assert value == pytest.approx((rows["prediction"] - rows["label"]).mean())
    value, rows = of_run(my_metrics.weighted_bias_error, weighted=True)
    gap = rows["prediction"] - rows["label"]
    assert value == pytest.approx(abs(np.average(gap, weights=rows["weight"])))
    value, rows = of_run(my_metrics.WorstGroup())
    by_group = rows["loss"].groupby(history().group[rows["row"]]).mean()
    assert value == pytest.approx(by_group.max())
    value, _ = of_run(Metric(lambda o: len(set(o.group.tolist())), True, "groups"))
    assert value == 3
    value, rows = of_run(Pinball(0.9))
    assert value == pytest.approx(
        sk.mean_pinball_loss(rows["label"], rows["prediction"], alpha=0.9)
    )


def test_a_function_of_a_classifier_gets_labels_and_not_positions() -> None:
    def seen_score(labels, predictions):
        assert set(labels) | set(predictions) <= {"no", "yes"}
        return 1.0

    rows = Outcomes(np.array([1, 0]), np.array([1, 1]), classes=np.array(["no", "yes"]))
    assert find_metric(seen_score)(rows) == 1.0


def test_weights_of_0_and_1_need_no_function_that_takes_weights() -> None:
    rows = Outcomes(np.zeros(3), np.array([1.0, 2.0, 9.0]), weight=np.array([1.0, 1.0, 0.0]))
    assert find_metric(my_metrics.bias)(rows) == 1.5
    with pytest.raises(MetricError, match="takes no sample_weight, but the rows have weights"):
        find_metric(my_metrics.bias)(replace(rows, weight=np.array([1.0, 2.0, 1.0])))


@pytest.mark.parametrize(
    ("metric", "name", "greater"),
    [
        (my_metrics.bias, "bias", False),
        ("my_metrics.bias", "bias", False),
        (my_metrics.within_score, "within_score", True),
        (partial(my_metrics.within_score, width=2), "within_score width=2", True),
        (my_metrics.WorstGroup(5), "WorstGroup", False),
        (Metric(my_metrics.bias, greater_is_better=True, name="up"), "up", True),
        (sk.make_scorer(sk.max_error, greater_is_better=False), "neg_max_error", True),
        (sk.make_scorer(sk.fbeta_score, beta=2), "fbeta_score beta=2", True),
        ("neg_max_error", "neg_max_error", True),
        (Pinball(0.1), "pinball 0.1", False),
        ("pinball 0.9 by group", "pinball 0.9 by group", False),
        ("PRECISION @ 5", "precision@5", True),
    ],
)
def test_names_and_directions(metric, name: str, greater: bool) -> None:
    found = find_metric(metric)
    assert (found.name, found.greater_is_better) == (name, greater)


@pytest.mark.parametrize(
    ("metric", "says"),
    [
        (lambda labels, predictions: 0.0, "is more better, or less.*greater_is_better=False"),
        (my_metrics.WorstGroup, r"is a class; give an object: WorstGroup\(\)"),
        (3, "not a metric; give a name, a function"),
        ("acuracy", "did you mean 'accuracy'"),
        ("my_metrics.biass", "has no attribute 'biass'"),
        ("no_such_module.bias", "No module named 'no_such_module'"),
        (Metric(my_metrics.misspelt_score, True), "misspelt_score' failed on .* 'meen'"),
        (Metric(lambda y, p: y, True, "many"), "'many': returned shape .*a metric is one number"),
        (Metric(lambda y, p: None, True, "none"), "'none': returned None"),
    ],
)  # fmt: skip
def test_slips_are_said_before_anything_is_trained(metric, says: str) -> None:
    with pytest.raises(MetricError, match=says):
        Backtest(history(), Ridge(), metrics=[metric])


def test_two_metrics_of_one_name_are_refused() -> None:
    again = Metric(my_metrics.bias, True)
    with pytest.raises(ValueError, match="two are called 'bias'"):
        Backtest(history(), Ridge(), metrics=[my_metrics.bias, again])


@pytest.mark.parametrize("n_jobs", [1, 2])
def test_what_only_fails_on_some_rows_is_one_error_of_the_run(n_jobs: int) -> None:
    backtest = Backtest(history(), Ridge(), metrics=[my_metrics.divided_score])
    with pytest.raises(MetricError, match=r"'divided_score' failed on 320 rows .*my_metrics.py, l"):
        backtest.compare({"a": STATIC, "b": STATIC}, n_jobs=n_jobs, hindsight=False)


def test_losses_of_ones_own() -> None:
    run = Backtest(history(), Ridge(), loss="my_metrics.money_loss").replay(STATIC)
    rows = run.predictions
    expected = my_metrics.money_loss(rows["label"], rows["prediction"])
    assert rows["loss"].to_numpy() == pytest.approx(expected)
    assert run.info["loss"] == "money_loss"

    def by_size(outcomes):
        return np.abs(outcomes.label - outcomes.prediction) / (1 + (outcomes.group == "c"))

    rows = Backtest(history(), Ridge(), loss=by_size).replay(STATIC).predictions
    half = 1 + (history().group[rows["row"]] == "c")
    assert rows["loss"].to_numpy() == pytest.approx(
        np.abs(rows["label"] - rows["prediction"]) / half
    )
    with pytest.raises(MetricError, match=r"loss 'misspelt_score' failed on .*'meen'"):
        Backtest(history(), Ridge(), loss=my_metrics.misspelt_score).replay(STATIC)


def test_parts_and_records_take_them(tmp_path) -> None:
    backtest = Backtest(
        history(), Ridge(), metrics=[my_metrics.bias, "MASE 7", my_metrics.WorstGroup()]
    )
    worst, within = my_metrics.WorstGroup(), my_metrics.within_score
    compared = {
        "watched": Strategy(
            PerformanceDrop(worst, window=60, drop="5%"),
            Dynamic([Sliding("7D"), Expanding()], 50, metric=within),
            gate=Shadow(metric="MASE 7", duration="2D", min_labels=5),
        ),
        "guarded": Strategy(Every("5D"), Expanding(), gate=NoGroupWorse(metric="my_metrics.bias")),
    }
    alone = backtest.compare(compared, hindsight=False)
    both = backtest.compare(compared, hindsight=False, n_jobs=2)
    names = ["bias", "MASE 7", "WorstGroup"]
    assert alone.table()[names].equals(both.table()[names])
    both.save(tmp_path / "kept")
    again = Comparison.load(tmp_path / "kept")
    assert again.table()[names].equals(alone.table()[names])
    assert "WorstGroup" in (tmp_path / "kept" / "report.html").read_text()
    assert alone.runs["watched"].events["reason"].str.contains("WorstGroup").any()


def test_what_cannot_be_estimated_is_refused() -> None:
    backtest = Backtest(history("classification"), LogisticRegression())
    with pytest.raises(ValueError, match=r"'matthews_corrcoef'\): cannot be estimated"):
        backtest.check({"a": Strategy(EstimatedDrop("matthews_corrcoef", drop=0.1), Expanding())})


CONFIG = ("dataset=abrupt", "dataset.n=300", "dataset.task=regression", "task=regression")


def test_the_command_line_takes_them() -> None:
    functions = "{_target_: my_metrics.bias},{_target_: my_metrics.within_score,width: 2}"
    objects = "{_target_: my_metrics.WorstGroup,least: 3},{_target_: backtrain.MASE,season: 7}"
    given = f"metrics=[{functions},{objects},MASE 24,my_metrics.within_score,r2]"
    gate = "gate.metric={_target_: my_metrics.bias}"
    watched = "strategy=performance_drop"
    (config,) = composed([*CONFIG, "model=linear", watched, given, "gate=beats_champion", gate])
    study = load(OmegaConf.masked_copy(config, [key for key in config if key != "hydra"]))
    names = [
        "bias",
        "within_score width=2",
        "WorstGroup",
        "MASE 7",
        "MASE 24",
        "within_score",
        "R2",
    ]
    assert [metric.name for metric in study.backtest.row_metrics] == names
    strategy = study.strategies["performance_drop"]
    assert study.backtest.metric(strategy.trigger.metric).name == "bias"  # it watches the first
    assert study.backtest.metric(strategy.gate.metric).name == "bias"


def test_the_python_in_the_document_runs(capsys) -> None:
    text = (Path(__file__).parent.parent / "docs" / "metrics.md").read_text()
    blocks = re.findall(r"```python\n(.*?)```", text, flags=re.DOTALL)
    for block in blocks:
        exec(block, {"__name__": "document"})
    shown = capsys.readouterr().out
    assert "WorstGroup" in shown
    assert "q0.9" in shown


def test_every_name_is_in_the_list_and_in_the_document(capsys) -> None:
    text = (Path(__file__).parent.parent / "docs" / "metrics.md").read_text()
    assert listed(["metrics"]) == 0
    shown = capsys.readouterr().out
    for name in metric_names():
        assert name in shown
        assert name in text
