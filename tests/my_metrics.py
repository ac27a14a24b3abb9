"""Metrics of a user's own, which configs and other processes find by module and name."""

from dataclasses import dataclass

import numpy as np


def bias(labels, predictions):
    return float(np.mean(predictions - labels))


bias.greater_is_better = False


def within_score(labels, predictions, width=1.0):
    return np.mean(np.abs(labels - predictions) <= width)


def weighted_bias_error(labels, predictions, sample_weight=None):
    return abs(np.average(predictions - labels, weights=sample_weight))


def misspelt_score(labels, predictions):
    return labels.meen()


def divided_score(labels, predictions):
    return 1 / (len(labels) < 300)


def money_loss(labels, predictions):
    return np.where(predictions < labels, 3.0, 1.0) * np.abs(labels - predictions)


@dataclass(frozen=True)
class WorstGroup:
    """Mean absolute error of the worst group."""

    least: int = 1
    task = "regression"
    greater_is_better = False

    def __call__(self, outcomes):
        error = np.abs(outcomes.label - outcomes.prediction)
        names, counts = np.unique(outcomes.group, return_counts=True)
        return max(error[outcomes.group == n].mean() for n in names[counts >= self.least])
