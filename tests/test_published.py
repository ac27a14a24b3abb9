"""Published figures come out as they were published, where nothing in them is left to chance."""

import numpy as np
import pandas as pd
import published
import pytest


@pytest.mark.parametrize("kind", published.NEVER)
def test_a_model_that_is_never_retrained_is_as_good_as_published(kind):
    assert published.never(kind, 42) == pytest.approx(published.NEVER[kind][0], abs=5e-5)


def test_the_last_label_by_hand():
    """Of 0, 0, 1, 1, 1 the label before is right in 3 of 4 rows, and that of 2 before in 1 of 3."""
    frame = pd.DataFrame({"x0": 0.0, "y": [0, 0, 1, 1, 1]})
    assert published.last_label(frame, 1) == 3 / 4
    assert published.last_label(frame, 2) == pytest.approx(1 / 3)


def test_retrains_are_as_many_as_published_beside_the_first_model(monkeypatch):
    seen = []

    def count(stream, start, rows, trigger, draw):
        seen.append((len(stream) - 1 - start) // rows)
        return 0.5

    monkeypatch.setattr(published, "_accuracy", count)
    for retrains in (5, 10, 20):
        published.periodic("abrupt", 42, retrains, 0)
    assert seen == [4, 9, 19]


def test_the_history_is_the_study_s():
    """Concepts change at row 5,000, two rows further down; the first row stands twice."""
    made = published.drifting("abrupt", 42)
    assert len(made) == 10_002
    assert (made.X[0] == made.X[2]).all()
    assert (made.X[0] == made.X[1]).all()
    assert made.y[0] == made.y[2] != made.y[1]
    before = np.random.default_rng(42).normal(size=10)
    right = (made.X[2:] @ before > 0) == made.y[2:]
    assert right[:5000].mean() > 0.8 > 0.6 > right[5000:].mean()
