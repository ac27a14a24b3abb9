"""Alarms about a drift that matters beat as many retrains, evenly spaced: docs/detection.md."""

import runpy
from pathlib import Path

import numpy as np
import pytest

SCRIPT = Path(__file__).parent.parent / "benchmarks" / "detection.py"
SEEDS = range(100, 108)  # others than those of the table

PERFORMANCE, ADWIN = "PerformanceDrop test=0.01", "ErrorDrift ADWIN"
FEATURES = "FeatureDrift KS"


@pytest.fixture(scope="module")
def script():
    return runpy.run_path(str(SCRIPT))


@pytest.mark.parametrize(
    ("drift", "names"), [("abrupt concept", (PERFORMANCE, ADWIN)), ("covariate", (FEATURES,))]
)
def test_alarms_beat_even_spacing_where_they_can_see_the_drift(script, drift, names) -> None:
    played = [script["play"](drift, seed, names) for seed in SEEDS]
    for place, name in enumerate(names):
        found = [outcomes[place] for outcomes, _ in played]
        assert {outcome.trigger for outcome in found} == {name}
        assert np.mean([outcome.saved for outcome in found]) > 0.05
        assert np.nanmean([outcome.even for outcome in found]) > 0.5
        assert np.nanmedian([outcome.delay for outcome in found]) < 5
    lost = [each for _, stakes in played for each in stakes]
    assert np.mean([s.kept for s in lost]) > 1.5 * np.mean([s.retrained for s in lost])


def test_saved_and_delay_by_hand(script) -> None:
    # Two histories of one trigger: a fifth saved and late by 1 day, and no retrain at all.
    outcome = script["Outcome"]
    nan = float("nan")
    lines = script["table"](
        [
            outcome("abrupt concept", "t", 2, 1.0, 4.0, 0.75, 0.5, 0.2),
            outcome("abrupt concept", "t", 0, nan, 0.0, nan, nan, 0.0),
        ]
    )
    told = lines.iloc[0].to_dict()
    half = told.pop("±")
    assert told == {
        "drift": "abrupt concept",
        "trigger": "t",
        "retrains": 1.0,
        "before it, per 100 ticks": 2.0,
        "never": 0.5,
        "noticed": 0.5,
        "days late": 1.0,
        "beats even, %": 75.0,
        "beats random, %": 50.0,
        "saved, %": 10.0,
    }
    # Standard deviation 20 / sqrt(2), over sqrt(2), times 1.96.
    assert half == pytest.approx(19.6)
