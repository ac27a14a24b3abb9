"""Losses in money: what each mistake costs, also by what the row is about."""

import re
from collections.abc import Mapping
from dataclasses import dataclass, replace
from functools import cached_property
from typing import Any

import numpy as np
from numpy.typing import NDArray

from backtrain.datasets.columns import nearest
from backtrain.datasets.values import is_number
from backtrain.simulator.metrics import Floats, Known, Loss, MetricError, Outcomes, find_loss

_NUMBER = r"[-+]?(?:\d+\.?\d*|\.\d+)(?:e[-+]?\d+)?"
_OF_AMOUNT = re.compile(rf"(?:({_NUMBER})\*|(-))?amount(?:([-+])({_NUMBER}))?", re.IGNORECASE)
_SHOWN = "CostMatrix"
_NO_AMOUNTS = (
    "the stream has no amounts; name their column: Stream.from_frame(..., amount='value'), or "
    "dataset.amount=value with dataset=table"
)


@dataclass(frozen=True)
class CostMatrix:
    """What each answer costs: ``costs[label][answer]``, in money with ``Prices(error=1)``.

    Every mistake is named, with 0 where it costs nothing; right answers that are not named cost 0.
    A negative cost is a gain. An entry may be ``"amount"``, what the row is about (``amount`` of
    the stream), or a multiple of it plus a number: ``"0.75 * amount + 15"``.

    Raises
    ------
    MetricError
        For labels that the target does not have, mistakes without a cost, and entries that are
        neither a number nor an amount.

    Examples
    --------
    A missed fraud costs its amount, a false alarm 5:

    >>> import numpy as np
    >>> missed = CostMatrix({"fraud": {"ok": "amount"}, "ok": {"fraud": 5}})
    >>> labels, answers = np.array([0, 1, 1]), np.array([1, 0, 1])
    >>> rows = Outcomes(labels, answers, classes=np.array(["fraud", "ok"]),
    ...                 amount=np.array([120.0, 80.0, 10.0]))
    >>> missed.rows(rows).tolist()
    [120.0, 5.0, 0.0]
    """

    costs: Mapping[Any, Mapping[Any, float | str]]
    task = "classification"
    needs_probability = False
    name = "cost matrix"

    def __post_init__(self) -> None:
        _ = self._parsed

    @property
    def takes_amounts(self) -> bool:
        """Whether an entry asks for the amount of the row."""
        return any(times for row in self._parsed.values() for _, times in row.values())

    def check(self, classes: NDArray[Any] | None, has_amounts: bool) -> None:
        """Raise `MetricError` where it does not fit the classes, or there are no amounts."""
        assert classes is not None
        self.table(classes)
        if self.takes_amounts and not has_amounts:
            raise MetricError(f"{_SHOWN}: {_NO_AMOUNTS}")

    def table(self, classes: NDArray[Any]) -> tuple[Floats, Floats]:
        """What is fixed, and what is multiplied by the amount; each [label, answer], (k, k)."""
        names = classes.tolist()
        fixed, times = np.zeros((2, len(names), len(names)))
        named = np.eye(len(names), dtype=bool)
        for label, row in self._parsed.items():
            y = place(label, names, _SHOWN)
            for answer, (plus, factor) in row.items():
                p = place(answer, names, _SHOWN)
                fixed[y, p], times[y, p], named[y, p] = plus, factor, True
        if not named.all():
            missing = [(names[y], names[p]) for y, p in np.argwhere(~named)]
            more = f" and {len(missing) - 1} more" if len(missing) > 1 else ""
            label, answer = missing[0]
            raise MetricError(
                f"{_SHOWN}: no cost of answering {answer!r} where the label is {label!r}"
                f"{more}; name every mistake, 0 where it costs nothing: "
                f"costs[{label!r}][{answer!r}]"
            )
        return fixed, times

    def rows(self, outcomes: Outcomes) -> Floats:
        """Loss of each row, shape (n,)."""
        assert outcomes.classes is not None
        fixed, times = self.table(outcomes.classes)
        where = outcomes.label, outcomes.prediction
        if not self.takes_amounts:
            return np.asarray(fixed[where])
        return np.asarray(fixed[where] + times[where] * amounts_of(outcomes))

    def expected(
        self, probability: Floats, classes: NDArray[Any], amount: Floats | None
    ) -> NDArray[np.float64]:
        """What each answer is expected to cost, by the probability of each class; shape (n, k)."""
        fixed, times = self.table(classes)
        money = np.zeros(len(probability)) if amount is None else amount
        cost = np.zeros_like(probability)
        # Label by label: a product of matrices would round otherwise for other numbers of rows.
        for label in range(probability.shape[1]):
            each = fixed[label] + times[label] * money[:, None]
            cost += probability[:, label, None] * each
        return cost

    def threshold(self, classes: NDArray[Any]) -> dict[Any, float]:
        """The class that is dearer to miss, and from which probability on it is the cheaper answer.

        With two classes c_fp / (c_fp + c_fn), each less what the right answer costs (Elkan 2001,
        "The foundations of cost-sensitive learning"). Empty where it depends on the amount, where
        one answer is always the cheaper one, and for other numbers of classes.
        """
        if len(classes) != 2 or self.takes_amounts:
            return {}
        fixed, _ = self.table(classes)
        missed = fixed[[0, 1], [1, 0]] - fixed[[0, 1], [0, 1]]  # what it adds to miss each class
        if (missed <= 0).any():
            return {}
        dear = int(missed.argmax())
        return {classes.tolist()[dear]: float(missed[1 - dear] / missed.sum())}

    @cached_property
    def _parsed(self) -> dict[Any, dict[Any, tuple[float, float]]]:
        """Each entry as a number, and what the amount is multiplied by."""
        if not isinstance(self.costs, Mapping) or not self.costs:
            raise MetricError(f"{_SHOWN}: give costs[label][answer], a mapping of mappings")
        parsed = {}
        for label, row in self.costs.items():
            if not isinstance(row, Mapping):
                raise MetricError(
                    f"{_SHOWN}: costs[{label!r}] is {row!r}; give what each answer costs "
                    f"where the label is {label!r}: {{answer: cost}}"
                )
            parsed[label] = {answer: self._entry(label, answer, row[answer]) for answer in row}
        return parsed

    def _entry(self, label: Any, answer: Any, entry: Any) -> tuple[float, float]:
        if is_number(entry):
            return float(entry), 0.0
        found = _OF_AMOUNT.fullmatch("".join(entry.split())) if isinstance(entry, str) else None
        if found is None:
            raise MetricError(
                f"{_SHOWN}: costs[{label!r}][{answer!r}]={entry!r}; give a number, 'amount', "
                "or such as '0.75 * amount + 15'"
            )
        times, minus, sign, plus = found.groups()
        factor = -1.0 if minus else float(times or 1.0)
        return float(plus or 0.0) * (-1.0 if sign == "-" else 1.0), factor


@dataclass(frozen=True)
class TimesAmount:
    """Another loss times what the row is about: an error costs more in a large order.

    Parameters
    ----------
    loss : str, Loss or callable
        The loss of a row, as for a `Backtest`.

    Examples
    --------
    >>> import numpy as np
    >>> rows = Outcomes(np.array([3.0]), np.array([5.0]), amount=np.array([100.0]))
    >>> TimesAmount("absolute").rows(rows).tolist()
    [200.0]
    """

    loss: Any = "absolute"
    takes_amounts = True

    def __post_init__(self) -> None:
        _ = self._inner

    @cached_property
    def _inner(self) -> Loss:
        return find_loss(self.loss, None)

    @property
    def name(self) -> str:
        """How the loss is called in records and reports."""
        return f"{self._inner.name} x amount"

    @property
    def task(self) -> str | None:
        """That of the other loss."""
        return self._inner.task

    @property
    def needs_probability(self) -> bool:
        """Whether the other loss does."""
        return self._inner.needs_probability

    @property
    def needs_quantiles(self) -> bool:
        """Whether the other loss needs several quantiles."""
        return bool(getattr(self._inner, "needs_quantiles", False))

    def check(self, classes: NDArray[Any] | None, has_amounts: bool) -> None:
        """Raise `MetricError` where there are no amounts."""
        if not has_amounts:
            raise MetricError(f"{self!r}: {_NO_AMOUNTS}")

    def at_start(self, known: Known) -> "TimesAmount":
        """The same, for a loss that takes something from the labels known at ``start``."""
        bind = getattr(self._inner, "at_start", None)
        return self if bind is None else replace(self, loss=bind(known))

    def rows(self, outcomes: Outcomes) -> Floats:
        """Loss of each row, shape (n,)."""
        return np.asarray(self._inner.rows(outcomes) * amounts_of(outcomes))


def place(key: Any, names: list[Any], said: str) -> int:
    """The position of the class that a key means: itself, or as text, as command lines have it."""
    if key in names:
        return names.index(key)
    texts = [str(name) for name in names]
    if str(key) in texts:
        return texts.index(str(key))
    hint = f"did you mean {nearest(key, names)}?"
    if isinstance(key, bool):
        hint = "in YAML, put yes and no into quotes"
    raise MetricError(
        f"{said}: {key!r} is not one of the classes of the target, {names[:10]}; {hint}"
    )


def amounts_of(outcomes: Outcomes) -> Floats:
    """What each row is about, shape (n,). Raises `MetricError` where the stream does not say."""
    if outcomes.amount is None:
        raise MetricError(_NO_AMOUNTS)
    return outcomes.amount
