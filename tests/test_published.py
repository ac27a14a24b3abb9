"""Published figures come out as they were published, where nothing in them is left to chance."""

import numpy as np
import pandas as pd
import published
import pytest


@pytest.mark.parametrize("kind", published.STATIC)
def test_a_model_of_the_first_row_is_as_good_as_published(kind):
    assert published.static(kind, 42) == pytest.approx(published.STATIC[kind][0], abs=5e-5)


def test_the_last_label_by_hand():
    """Of 0, 0, 1, 1, 1 the label before is right in 3 of 4 rows, and that of 2 before in 1 of 3."""
    hours = pd.date_range("2024-01-01", periods=5, freq="h")
    table = pd.DataFrame({"time": hours, "x0": 0.0, "y": [0, 0, 1, 1, 1]})
    assert published._accuracy_of_last_label(table, 1) == 3 / 4
    assert published._accuracy_of_last_label(table, 2) == pytest.approx(1 / 3)


def test_a_schedule_learns_from_the_rows_since_its_last_retrain(monkeypatch):
    """The study retrains at rows 0, 2,000, ..., 8,000: on row 0, then on the 2,000 newest rows."""
    seen = []

    class Noting(published.OneEpoch):
        def partial_fit(self, X, y, classes=None):
            seen.append(X)
            return super().partial_fit(X, y, classes=classes)

    monkeypatch.setattr(published, "OneEpoch", Noting)
    published.periodic("abrupt", 42, 5, 0)
    X, _ = published.concepts("abrupt", 42)
    expected = [X[:1], *(X[row + 1 : row + 2001] for row in range(0, 8000, 2000))]
    assert len(seen) == len(expected)
    for found, wanted in zip(seen, expected, strict=True):
        np.testing.assert_array_equal(found, wanted)
