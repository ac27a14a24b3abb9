"""Fits the setup's model on rows of its stream, and asks it for answers."""

import copy
import hashlib
from contextlib import AbstractContextManager, nullcontext
from functools import cached_property
from typing import Any, NamedTuple

import numpy as np
import pandas as pd
from numpy.typing import NDArray

from backtrain.simulator.answers import (
    AnyUpdate,
    Fit,
    FitError,
    NothingToLearnError,
    PartError,
    Rows,
    Selection,
    needs_parent,
)
from backtrain.simulator.process import LOCK, cpu_seconds, has_params, seeded
from backtrain.simulator.prototype import first_line, is_plain, needs_names, prototype_of
from backtrain.simulator.sealing import private
from backtrain.simulator.setup import Setup
from backtrain.store.code_version import environment, is_trusted, origin_of
from backtrain.store.content import content, content_for_seed
from backtrain.store.fits import Answers, FitStore, StoredFit

#: Rows of the first block that a model is asked for; each next one is twice as long, to a limit.
FIRST_BLOCK, LAST_BLOCK = 128, 65_536


class _Facts(NamedTuple):
    """An update's name, also for seeds; its code's versions, if they last; what it declares."""

    name: bytes
    seeded_as: bytes
    versions: bytes
    lasting: bool
    needs_parent: bool
    trusted: bool


class Learner:
    """Fits the setup's model on rows of its stream, and asks it for answers."""

    def __init__(self, setup: Setup, store: FitStore) -> None:
        self.setup = setup
        self.store = store
        self._trusted = is_trusted(setup.model)
        with nullcontext() if self._trusted else seeded(setup.seed):  # constructors may draw
            self._prototype = prototype_of(setup.model)
        params = self._prototype.get_params(deep=True) if has_params(setup.model) else {}
        # Scikit-learn's own constructors make nothing but parameters. Where none of these has a
        # state, a copy shares them; what another class makes in `__init__` must not be shared.
        own = type(setup.model).__module__.startswith("sklearn.")
        self._flat = own and bool(params) and all(map(is_plain, params.values()))
        self._unseeded = [
            name
            for name, value in params.items()
            if name.split("__")[-1] == "random_state" and value is None
        ]
        self._unseeded_inside = [  # a splitter has a seed, but no parameters of scikit-learn's kind
            name
            for name, value in params.items()
            if not has_params(value) and getattr(value, "random_state", 0) is None
        ]
        origin = origin_of(setup.model)
        identity = (
            setup.stream.fingerprint,
            content(setup.model),
            setup.features,
            environment(),
            origin.versions,
        )
        self._lasting = origin.lasting
        self._base = hashlib.blake2b(repr(identity).encode(), digest_size=16)
        self._updates: dict[int, tuple[AnyUpdate, _Facts]] = {}

    # --- fitting ------------------------------------------------------------------------------

    def fit(
        self, update: AnyUpdate, selection: Selection, parent: Fit | None, labels: bool = True
    ) -> tuple[Fit, bool]:
        """Fit on the selection, or find that fit; returns it and whether it was there already.

        Raises `FitError` when there is nothing to learn from or the estimator raises.
        """
        if len(selection) == 0:
            raise NothingToLearnError("no labelled rows to learn from")
        facts = self._facts(update)
        rows = selection.digest()
        if not facts.needs_parent:
            parent = None  # else a fit would be another one for every strategy that comes to it
        lineage = parent.seed.to_bytes(4, "big") if parent else b""
        # Neither the stream's fingerprint nor a version: a seed may not depend on rows that come
        # later, nor change with a library.
        seed = _integer(rows + facts.seeded_as + lineage, self.setup.seed)
        ancestor = parent.name.encode() if parent else b""
        sha = self._base.copy()
        sha.update(rows + facts.name + ancestor + seed.to_bytes(4, "big") + facts.versions)
        if not labels:
            sha.update(b"without labels")
        name = sha.hexdigest()
        lasting = self._lasting and facts.lasting and (parent is None or parent.lasting)
        fit, was_there = self.store.fit(
            name, lambda: self._make(name, update, selection, parent, seed, labels), lasting
        )
        return Fit(fit.name, fit.model, selection, fit.cpu_seconds, fit.seed, lasting), was_there

    def identity(self, update: AnyUpdate) -> tuple[str, bool]:
        """What the names of all fits by an update have in common, and whether these last."""
        facts = self._facts(update)
        sha = self._base.copy()
        sha.update(facts.name + facts.versions)
        return sha.hexdigest(), self._lasting and facts.lasting

    def _make(
        self,
        name: str,
        update: AnyUpdate,
        selection: Selection,
        parent: Fit | None,
        seed: int,
        labels: bool,
    ) -> StoredFit:
        blank = self._blank(seed)
        y: Any = private(self.setup.stream.y[selection.rows]) if labels else None
        if parent is None and labels:
            self._refuse_one_class(selection)
        weights = self._weights(selection)
        began = cpu_seconds()
        try:
            X = self.features(selection.rows, fitting=True)
            given = (blank, X, y, weights, parent.model if parent else None, seed)
            with self._seeded(update, seed):
                if parent is None and self.trusts(update):
                    named = self._facts(update).name, seed, X, y, weights
                    model = self.store.learnt(named, lambda: update.fit(*given))
                else:
                    model = update.fit(*given)
        except Exception as error:
            if labels:  # an update may go on from its parent with one class, but need not
                self._refuse_one_class(selection)
            raise FitError(f"{type(error).__name__}: {first_line(error)}") from error
        took = cpu_seconds() - began
        if model is None:
            raise PartError(f"{update!r}: fit() gave None; return the fitted model")
        for needed in ("predict", *(("classes_",) if self.setup.gives_probabilities else ())):
            if labels and not hasattr(model, needed):
                raise PartError(
                    f"{update!r}: fit() gave {type(model).__name__}, which has no {needed!r}; "
                    f"return the fitted {type(blank).__name__}"
                )
        return StoredFit(name, model, took, seed)

    def _refuse_one_class(self, selection: Selection) -> None:
        """Some estimators learn from one class without a word; there is nothing to learn."""
        if self.setup.classes is None:
            return
        found = np.unique(self.setup.truth[selection.rows])
        if len(found) == 1:
            only = self.setup.classes.tolist()[found[0]]
            raise NothingToLearnError(f"the window holds one class only: {only!r}")

    def _blank(self, seed: int) -> Any:
        if self._flat:
            # copy.copy would go through scikit-learn's pickling, at 30 times the price.
            model = object.__new__(type(self._prototype))
            model.__dict__.update(self._prototype.__dict__)
            model.__dict__.update(dict.fromkeys(self._unseeded, seed))
            return model
        model = copy.deepcopy(self._prototype)
        if self._unseeded:
            model.set_params(**dict.fromkeys(self._unseeded, seed))
        for name in self._unseeded_inside:
            model.get_params()[name].random_state = seed
        return model

    def trusts(self, update: AnyUpdate) -> bool:
        """Whether model and update are made of classes that are known to keep fits apart."""
        return self._trusted and self._facts(update).trusted

    def _seeded(self, update: AnyUpdate, seed: int) -> AbstractContextManager[None]:
        """Seed what the process draws from, for models that scikit-learn's seeds do not reach."""
        return nullcontext() if self.trusts(update) else seeded(seed)

    def _weights(self, selection: Selection) -> NDArray[np.float64] | None:
        own, given = self.setup.fit_weight, selection.weights
        if own is None:
            return None if given is None else given.copy()
        return private(own[selection.rows]) if given is None else own[selection.rows] * given

    def _facts(self, update: AnyUpdate) -> _Facts:
        """What there is to know of an update; looked up once."""
        known = self._updates.get(id(update))
        if known is None:
            origin = origin_of(update)
            facts = _Facts(
                content(update).encode(),
                content_for_seed(update).encode(),
                repr(origin.versions).encode(),
                origin.lasting,
                needs_parent(update),
                is_trusted(update),
            )
            # The update is kept beside its name, so that its id is not given to another one.
            known = self._updates[id(update)] = (update, facts)
        return known[1]

    # --- features -----------------------------------------------------------------------------

    @cached_property
    def _table(self) -> Any:
        """What models are given: the stream's array, or a frame with its column names."""
        X, mode = self.setup.stream.X, self.setup.features
        if isinstance(X, pd.DataFrame):
            return X if mode != "array" else X.to_numpy(dtype=np.float64)
        if mode == "frame" or (mode == "auto" and needs_names(self.setup.model)):
            return pd.DataFrame(X, columns=list(self.setup.stream.columns), copy=False)
        return X

    def features(self, rows: Rows, fitting: bool = False) -> Any:
        """Features of the rows as the model wants them, shape (n, p): a copy of its own."""
        table = self._table
        if not isinstance(table, pd.DataFrame):
            return private(table[rows])
        part = table.iloc[rows].copy()
        if fitting:
            # A category that has not occurred yet is not known yet.
            for name in part.columns[part.dtypes == "category"]:
                part = part.assign(**{name: part[name].cat.remove_unused_categories()})
        return part

    # --- answers ------------------------------------------------------------------------------

    def block(self, fit: Fit, origin: int, row: int, keep: bool = True) -> tuple[int, int, Answers]:
        """First row, stop row and answers of the block of ``fit`` in which ``row`` lies.

        Blocks start at ``origin``, the first row that was unknown when the fit was decided on, and
        double in length. Their borders thus depend on nothing that comes later and on nobody who
        asks: a batch of another shape would round differently in the last bit. ``keep`` puts the
        answers into the store.
        """
        start, stop = block_borders(origin, row)
        stop = min(stop, len(self.setup.stream))
        rows = slice(start, stop)
        return start, stop, self.kept(fit, rows) if keep else self.answers(fit, rows)

    def kept(self, fit: Fit, rows: slice) -> Answers:
        """What `answers` gives, put into the store."""
        # The score is that of the positive class, which depends on where serving starts.
        key = (f"{fit.name}.{self.setup.positive}", rows.start, rows.stop)
        answers = self.store.answers(key, lambda: self._undecided(fit, rows), fit.lasting)
        return self.setup.decided(answers, rows)

    def answers(self, fit: Fit, rows: Rows) -> Answers:
        """Ask the model about rows; those that it cannot score get the training mean or prior."""
        return self.setup.decided(self._undecided(fit, rows), rows)

    def _undecided(self, fit: Fit, rows: Rows) -> Answers:
        """What the model itself says: the store keeps that, whatever is made of it."""
        X = self.features(rows)
        try:
            prediction, probability = self._ask(fit.model, X)
        except Exception:
            if len(X) == 0:  # most estimators refuse to be asked about nothing
                return self._nothing()
            return self._around_failures(fit, X)
        return self._finish(fit, prediction, probability, None)

    def _nothing(self) -> Answers:
        classes = self.setup.classes
        if classes is None:
            return Answers(np.empty(0), None, None, None)
        score = np.empty(0) if self.setup.gives_probabilities else None
        return Answers(np.empty(0, dtype=np.int64), score, None, None)

    def _around_failures(self, fit: Fit, X: Any) -> Answers:
        """Find the rows that fail, and ask again with good ones in their places.

        The batch keeps its shape, so the answers to all other rows are the same to the last bit.
        """
        n = len(X)
        failed = np.zeros(n, dtype=bool)
        self._bisect(fit.model, X, np.arange(n), failed)
        good = np.flatnonzero(~failed)
        if len(good) == 0:
            shape = (n, len(fit.model.classes_)) if self.setup.gives_probabilities else None
            blank = (
                np.full(n, np.nan)
                if self.setup.classes is None
                else np.repeat(fit.model.classes_[:1], n)
            )
            return self._finish(fit, blank, None if shape is None else np.zeros(shape), failed)
        stand_in = np.where(failed, good[0], np.arange(n))
        patched = X.iloc[stand_in] if isinstance(X, pd.DataFrame) else X[stand_in]
        return self._finish(fit, *self._ask(fit.model, patched), failed)

    def _bisect(
        self, model: Any, X: Any, places: NDArray[np.int64], failed: NDArray[np.bool_]
    ) -> None:
        part = X.iloc[places] if isinstance(X, pd.DataFrame) else X[places]
        try:
            self._ask(model, part)
        except Exception:
            if len(places) == 1:
                failed[places] = True
                return
            half = len(places) // 2
            self._bisect(model, X, places[:half], failed)
            self._bisect(model, X, places[half:], failed)

    def _ask(self, model: Any, X: Any) -> tuple[NDArray[Any], NDArray[np.float64] | None]:
        # Asked about rows, a model may draw, too: skorch does, for each pass over its data.
        alone = nullcontext() if self._trusted else LOCK
        with alone:
            return self._asked(model, X)

    def _asked(self, model: Any, X: Any) -> tuple[NDArray[Any], NDArray[np.float64] | None]:
        prediction = np.asarray(model.predict(X))
        if prediction.ndim != 1:
            if len(prediction) == len(X) and prediction.size > len(X):
                many = prediction.size // len(X)
                raise ValueError(
                    f"predict gave {many} numbers to a row; a target has one: make a model, and a "
                    "backtest, of each"
                )
            prediction = prediction.reshape(len(X))
        if len(prediction) != len(X):
            raise ValueError(f"predict gave {len(prediction)} answers to {len(X)} rows")
        if not self.setup.gives_probabilities:
            return prediction, None
        probability = np.asarray(model.predict_proba(X))
        if probability.shape != (len(X), len(model.classes_)):
            raise ValueError(f"predict_proba gave {probability.shape} for {len(X)} rows")
        return prediction, probability

    def why(self, fit: Fit, row: int) -> str:
        """What a model says when it is asked about one row that it cannot score."""
        try:
            self._ask(fit.model, self.features(slice(row, row + 1)))
        except Exception as error:
            return f"{type(error).__name__}: {first_line(error)}"
        return "the answer is not a number, or not a class of the target"

    def _finish(
        self,
        fit: Fit,
        prediction: NDArray[Any],
        probability: NDArray[np.float64] | None,
        failed: NDArray[np.bool_] | None,
    ) -> Answers:
        if self.setup.classes is None:
            values = prediction.astype(np.float64)
            fine = np.isfinite(values)
            if failed is None and fine.all():
                return Answers(values, None, None, None)
            failed = np.asarray(~fine if failed is None else ~fine | failed)
            return Answers(np.where(failed, self._prior(fit), values), None, None, failed)
        return self._classified(fit, prediction, probability, failed)

    def _classified(
        self,
        fit: Fit,
        prediction: NDArray[Any],
        probability: NDArray[np.float64] | None,
        failed: NDArray[np.bool_] | None,
    ) -> Answers:
        classes = self.setup.classes
        assert classes is not None
        codes = np.searchsorted(classes, prediction).astype(np.int64)
        codes = np.minimum(codes, len(classes) - 1)
        strange = np.asarray(classes[codes] != prediction)
        if strange.any():
            failed = strange if failed is None else failed | strange
        full = None
        if probability is not None:
            full = np.zeros((len(codes), len(classes)))
            full[:, np.searchsorted(classes, fit.model.classes_)] = probability
            broken = np.asarray(~np.isfinite(full).all(axis=1))
            if broken.any():
                failed = broken if failed is None else failed | broken
        if failed is not None:
            prior = self._prior(fit)
            codes = np.where(failed, int(np.argmax(prior)), codes)
            if full is not None:
                full[failed] = prior
        if full is None:
            return Answers(codes, None, None, failed)
        positive = self.setup.positive
        answered = codes if positive is None else np.full(len(codes), positive)
        score = full[np.arange(len(codes)), answered]
        keep = len(classes) > 2 or positive is None
        return Answers(codes, score, full if keep else None, failed)

    def _prior(self, fit: Fit) -> Any:
        """Mean of the labels that the fit learnt from, or the share of each class among them."""
        y, weights = self.setup.truth[fit.selection.rows], self._weights(fit.selection)
        if weights is not None and not weights.any():
            weights = None
        if self.setup.classes is None:
            return float(np.average(y, weights=weights))
        counts = np.bincount(y, weights=weights, minlength=len(self.setup.classes))
        return counts / counts.sum()


def block_borders(origin: int, row: int) -> tuple[int, int]:
    """First and stop row of the block in which a row lies, of blocks that begin at ``origin``."""
    start, size = origin, FIRST_BLOCK
    while row >= start + size:
        start += size
        size = min(2 * size, LAST_BLOCK)
    return start, start + size


def _integer(text: bytes, seed: int) -> int:
    return int(hashlib.blake2b(text + str(seed).encode(), digest_size=4).hexdigest(), 16) >> 1
