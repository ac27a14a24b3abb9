"""On what to train: windows that try, weigh or draw rows."""

from collections.abc import Sequence
from dataclasses import dataclass, field
from typing import Annotated, Any, ClassVar

import numpy as np
import pandas as pd

from backtrain.simulator.answers import Selection
from backtrain.simulator.asking import check_setup, select
from backtrain.simulator.constraints import Count, Length, Listed, Number, Seed, TwoOrMore
from backtrain.simulator.metrics import AnyMetric
from backtrain.simulator.parts import AnyWindow, Part
from backtrain.simulator.setup import Setup
from backtrain.simulator.view import FitError, View
from backtrain.strategies.updates.refit import fit_weighted
from backtrain.strategies.weighted import mean_loss
from backtrain.strategies.windows.sliding import Expanding, Sliding, need_weights

__all__ = ["Dynamic", "Representative", "Reservoir", "Thinned"]

_MAX_WEIGHT = Number("at least 1, which is the mean weight", 1, closed="both")


@dataclass(frozen=True, repr=False)
class Dynamic(Part):
    """Of several windows, the one that does best on the newest labelled rows.

    For each window a model is fitted from scratch on its rows without the newest ones, on which
    it is then judged; the winner's rows, the newest included, are what is trained on. All these
    fits are charged to the training. Of equals the first one wins; so it does where no model
    can be fitted or judged.

    Parameters
    ----------
    candidates : sequence of Window
        Windows to try.
    holdout : str or int
        The newest labelled rows, to judge on: a time offset or a number of rows, as in `Sliding`.
    metric : str, function or object, optional
        What to compare; default the backtest's own loss, averaged by weight.

    >>> Dynamic([Sliding("30D"), Sliding("90D"), Expanding()], holdout="7D")
    Dynamic((Sliding('30D'), Sliding('90D'), Expanding()), holdout='7D')
    """

    candidates: Annotated[Sequence[AnyWindow], Listed("a list of windows", least=1)]
    holdout: Length = 200
    metric: AnyMetric | None = None

    def check_parameters(self) -> None:
        """Keep the windows in one form: equal ones look equal, from code or from YAML."""
        object.__setattr__(self, "candidates", tuple(self.candidates))

    def check_setup(self, setup: Setup) -> None:
        """Hold windows and metric against the setup."""
        for window in self.candidates:
            check_setup(window, setup)
        if self.metric is not None:
            setup.metric(self.metric)

    def select(self, view: View) -> Selection:
        """The winner's rows."""
        held = select(Sliding(self.holdout), view)
        choices = [select(window, view) for window in self.candidates]
        return choices[int(np.argmin([self._judge(view, rows, held) for rows in choices]))]

    def _judge(self, view: View, rows: Selection, held: Selection) -> float:
        """How badly a model of these rows does on the held ones; infinite where none can be."""
        older = rows.take(np.flatnonzero(~np.isin(rows.indices(), held.indices())))
        if len(older) == 0 or len(held) == 0:
            return np.inf
        try:
            model = view.fit(view.update, older)
        except FitError:
            return np.inf
        if self.metric is None:
            value = mean_loss(view, model, held.rows)
        else:
            metric = view.metric(self.metric)
            value = metric(model.outcomes(held.rows)) * (-1 if metric.greater_is_better else 1)
        return value if np.isfinite(value) else np.inf


@dataclass(frozen=True, repr=False)
class Representative(Part):
    """Past rows, weighted so that together they resemble the newest ones.

    A logistic regression learns to tell the newest rows from those of ``window``; the weight of a
    row is its odds of being one of the newest, divided by their mean over the window: the ratio of
    the two densities, as in Bickel, Brückner & Scheffer (2009), J. Mach. Learn. Res. 10, 2137-2155.
    Only features are looked at, so the newest rows need no label yet. The fit is charged to the
    training; it answers drift of the features, not of what they mean.

    Parameters
    ----------
    size : int
        Newest rows, labelled or not, that stand for the present.
    window : Window
        Which rows to weight; all that are known by default. Weights that it gives are multiplied.
    max_weight : float
        No weight is larger: few rows with huge weights make a poor model.

    >>> Representative(500, window=Sliding("365D"))
    Representative(500, window=Sliding('365D'))
    """

    size: Count
    window: AnyWindow = field(default_factory=Expanding)
    max_weight: Annotated[
        float, Number("at least 1, which is the mean weight", 1, closed="both")
    ] = 10.0

    def check_setup(self, setup: Setup) -> None:
        """Refuse models that take no weights."""
        need_weights(self, setup)
        check_setup(self.window, setup)

    def select(self, view: View) -> Selection:
        """The rows of ``window``, weighted by their odds."""
        inner = select(self.window, view)
        if len(inner) == 0:
            return inner
        newest = np.arange(max(0, view.past - self.size), view.past)
        both = np.concatenate((inner.indices(), newest))
        own = inner.weights
        weights = None if own is None else np.concatenate((own, np.ones(len(newest))))
        fit = view.fit(_Domain(len(newest)), Selection(both, weights), labels=False)
        log_odds = fit.estimator.decision_function(view.X(inner.rows))
        odds = np.exp(log_odds - log_odds.max())
        ratio = np.minimum(odds / np.average(odds, weights=own), self.max_weight)
        return Selection(inner.rows, ratio if own is None else own * ratio)


@dataclass(frozen=True)
class _Domain:
    """Learns to tell the last so many of its rows from the others."""

    newest: int
    needs_parent: ClassVar[bool] = False

    def fit(self, model: Any, X: Any, y: Any, weights: Any, parent: Any, seed: int) -> Any:
        from sklearn.compose import make_column_selector, make_column_transformer
        from sklearn.impute import SimpleImputer
        from sklearn.linear_model import LogisticRegression
        from sklearn.pipeline import make_pipeline
        from sklearn.preprocessing import OneHotEncoder, StandardScaler

        is_new = np.arange(len(X)) >= len(X) - self.newest
        numbers = make_pipeline(
            SimpleImputer(add_indicator=True, keep_empty_features=True), StandardScaler()
        )
        kinds = make_column_selector(dtype_include="category")
        if isinstance(X, pd.DataFrame) and kinds(X):
            encoder = OneHotEncoder(handle_unknown="ignore")
            features = make_column_transformer((encoder, kinds), remainder=numbers)
        else:
            X, features = np.asarray(X), numbers
        classifier = make_pipeline(features, LogisticRegression(max_iter=1_000))
        return fit_weighted(classifier, X, is_new, weights)


@dataclass(frozen=True, repr=False)
class Reservoir(Part):
    """A uniform sample of everything that is known.

    Each row has a random number of its own, drawn from the seed by its place in the stream; the
    labelled rows with the smallest numbers are the sample. So it depends on nothing but the rows
    known now, and a row that has left it never comes back, as in a reservoir (algorithm R: Vitter
    1985, ACM Trans. Math. Softw. 11, 37-57).

    Parameters
    ----------
    size : int
        Rows of the sample; all that are known where there are fewer.
    seed : int
        Seed of the numbers.

    >>> Reservoir(10_000, seed=1)
    Reservoir(10000, seed=1)
    """

    size: Count
    seed: Seed = 0

    def select(self, view: View) -> Selection:
        """The sample, in event order."""
        labelled = Selection(view.labelled.all())
        if len(labelled) <= self.size:
            return labelled
        # The numbers of the first rows: more rows do not change them.
        number = np.random.default_rng(self.seed).random(view.past)[labelled.rows]
        return labelled.take(np.sort(np.argpartition(number, self.size)[: self.size]))


@dataclass(frozen=True, repr=False)
class Thinned(Part):
    """At most so many rows of a window, evenly spaced in it: the same past at a lower price.

    Of n rows, those at the places ``round(i (n - 1) / (rows - 1))`` are kept, the oldest and the
    newest among them. Weights that the window gives stay as they are.

    Parameters
    ----------
    window : Window
        Which rows to thin out.
    rows : int
        How many to keep; all where there are fewer.

    >>> Thinned(Expanding(), 5_000)
    Thinned(Expanding(), 5000)
    """

    window: AnyWindow
    rows: TwoOrMore

    def check_setup(self, setup: Setup) -> None:
        """Hold the inner window against the setup."""
        check_setup(self.window, setup)

    def select(self, view: View) -> Selection:
        """Evenly spaced rows of ``window``."""
        inner = select(self.window, view)
        if len(inner) <= self.rows:
            return inner
        return inner.take(np.linspace(0, len(inner) - 1, self.rows).round().astype(np.int64))
