"""Triggers on distributions: worked by hand, and replayed on tables with categories and gaps."""

from backtrain import Strategy
from backtrain.strategies import Expanding, FeatureDrift, MissingDrift, PredictionDrift, Sliding

PARTS = [
    FeatureDrift("PSI", threshold=0.2),
    FeatureDrift("domain classifier"),
    FeatureDrift(correction="Bonferroni", season="hour of week"),
    PredictionDrift(),
    PredictionDrift("JS", threshold=0.3, window=500),
    MissingDrift(),
    MissingDrift("none", alpha=0.001, exclude=["hour"], min_share=0.5),
]
SMALL = {"window": 20, "min_rows": 8}
DISTANCES = {"PSI": 2.5, "JS": 0.55, "domain classifier": 0.75, "PCA": 0.35, "MMD": "calibrated"}
REGRESSION = {
    f"feature drift: {test}": Strategy(FeatureDrift(test, threshold=limit, **SMALL), Sliding(24))
    for test, limit in DISTANCES.items()
} | {
    "feature drift: chi2": Strategy(FeatureDrift("chi2", alpha=0.3, **SMALL), Sliding(24)),
    "feature drift, corrected": Strategy(
        FeatureDrift("KS", correction="Bonferroni", alpha=0.3, **SMALL), Expanding()
    ),
    "feature drift, same hour": Strategy(
        FeatureDrift(alpha=0.3, season="hour", window=12, min_rows=3), Expanding()
    ),
    "distance, same weekday": Strategy(
        FeatureDrift("Wasserstein", threshold=0.6, season="weekday", window=16, min_rows=4),
        Expanding(),
        cooldown="5h",
    ),
    "prediction drift": Strategy(PredictionDrift(alpha=0.2, window=16, min_rows=6), Sliding(24)),
    "prediction drift, distance": Strategy(
        PredictionDrift("Wasserstein", threshold=1.5, window=16, min_rows=6), Expanding()
    ),
    "missing drift": Strategy(MissingDrift(alpha=0.3, **SMALL), Sliding(24)),
}
CLASSIFICATION = {
    "prediction drift of scores": Strategy(
        PredictionDrift(alpha=0.2, window=16, min_rows=6), Sliding(24)
    ),
    "prediction drift of counts": Strategy(
        PredictionDrift("chi2", alpha=0.2, window=16, min_rows=6), Expanding()
    ),
}
