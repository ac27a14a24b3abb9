"""What a part of a strategy is: base classes with defaults, and what is taken in their place.

No part has to inherit from a base class. A class that has the needed methods is a part as well; an
optional method that it lacks is the one of the base class. A plain function is a trigger or a
window. Parts are specifications: frozen, and reused by many replays. What changes during a replay
lives in the object that ``monitor()`` or ``open()`` returns.
"""

from __future__ import annotations

from collections.abc import Callable, Sequence
from dataclasses import MISSING, dataclass, fields
from typing import TYPE_CHECKING, Annotated, Any, ClassVar, Protocol

import numpy as np
from numpy.typing import NDArray

from backtrain.simulator.answers import AnyUpdate, PartError, Reason, Selection, Verdict
from backtrain.simulator.constraints import KINDS, check
from backtrain.simulator.texts import code

if TYPE_CHECKING:
    from backtrain.simulator.setup import Setup
    from backtrain.simulator.view import View


class _Base:
    """What all kinds of parts have."""

    def check_setup(self, setup: Setup) -> None:
        """Raise `PartError`, with a remedy, where the part does not fit history, model or loss.

        Called once for each strategy, before anything is trained.
        """


class Trigger(_Base):
    """When to retrain. A subclass writes ``fires``; one with a state writes ``monitor``, too.

    Attributes
    ----------
    latching : bool
        Whether an alarm stays on once it was raised, until a training is decided or another
        version comes into force; it may also stand on what ``monitor()`` returns. Without it a
        trigger that fires while a training is under way must fire again to be heard, as schedules
        do.
    """

    latching: ClassVar[bool] = False

    def monitor(self) -> Any:
        """What is asked at the ticks of one replay, by ``fires(view)``: itself, without a state.

        ``fires`` returns a `Reason`, a sentence or True to retrain, else None or False. A trigger
        with a state returns a fresh object here, which holds the state.
        """
        return self

    def prepare(self, history: View) -> Any:
        """The trigger as it is used, tuned on what was known at ``start`` only; itself here.

        No model serves yet: ``history.candidate`` gives what would have been trained earlier. What
        this takes is charged as ``initial``, and the tuned trigger noted as an event.
        """
        return self

    def instants(self) -> NDArray[np.int64] | None:
        """When production really retrained, in nanoseconds; None for all but recordings.

        With instants, rows are answered by `answers`, and no model is fitted. At each instant after
        ``start``, on a tick or not, the trigger is asked; a training and a release are charged, and
        no delay applies.
        """
        return None

    def answers(self, setup: Setup) -> RecordedAnswers | None:
        """What production really answered; raises `PartError` where a served row has no answer."""
        return None


class Window(_Base):
    """On what to train. A subclass writes ``select(view)``.

    ``select`` chooses among the past rows whose label has arrived and returns a `Selection`, a
    slice, positions, or a mask over the past rows. ``view.reason`` says why; it is None for the
    first model. A window that reads this, or what was trained or served before, has no loss matrix
    and so no regret.
    """


class Update(_Base):
    """How to train. A subclass writes ``fit(model, X, y, weights, parent, seed)``.

    ``fit`` returns a fitted model. ``model`` is an unfitted copy that may be fitted in place, ``X``
    has shape (n, p), ``y`` and ``weights`` (n,); ``weights`` is None where all weigh the same,
    ``y`` where a part fits without labels. ``parent`` is the fitted model that serves, or None for
    the first one; it must not be changed.

    Attributes
    ----------
    needs_parent : bool
        Whether a fit depends on its parent. False, for an update that always starts afresh, lets
        strategies share fits and gives them a loss matrix.
    """

    needs_parent: ClassVar[bool] = True

    def rows_fitted(self, rows: int) -> int:
        """Rows passed to all fits of a training on ``rows`` rows, as they are charged."""
        return rows

    def unlearnt(self, view: View, selection: Selection) -> Selection:
        """The rows of a selection that this update learns from: all of them.

        An update that goes on from the model that serves returns those that this was not offered.
        """
        return selection

    def starts_afresh(self, view: View, selection: Selection) -> bool:
        """Whether the training has no parent this time, although the update goes on from one."""
        return False


class Gate(_Base):
    """Whether to deploy. A subclass writes ``review``; one with a state writes ``open``, too.

    ``review(view)`` judges ``view.challenger`` when it is ready, and again when it asked to wait;
    it returns a `Verdict`, or True to deploy and False to reject.
    """

    def open(self) -> Any:
        """What decides about one challenger, by ``check``, ``reserve`` and ``review``: itself.

        A gate with a state returns a fresh object here, which holds the state.
        """
        return self

    def check(self, selection: Selection, view: View) -> Reason | str | None:
        """Refuse a training before anything is fitted, with the reason; None goes on."""
        return None

    def reserve(self, selection: Selection) -> tuple[Selection, Selection | None]:
        """Split into the rows to train on and the rows held out for the review, or None."""
        return selection, None


@dataclass(frozen=True, eq=False)
class RecordedAnswers:
    """What was really answered to the n served rows.

    Attributes
    ----------
    prediction : ndarray of shape (n,)
        Floats for regression, positions in ``setup.classes`` for classification.
    score : ndarray of shape (n,) or None
        Probability of the positive class, or with several classes of the predicted one.
    probability : ndarray of shape (n, k) or None
        Probability of every class.
    quantiles : ndarray of shape (n, q) or None
        The answer at each level, ascending, where ``setup.quantiles`` asks for them.
    """

    prediction: NDArray[Any]
    score: NDArray[np.float64] | None = None
    probability: NDArray[np.float64] | None = None
    quantiles: NDArray[np.float64] | None = None


# --- what stands in the place of a base class ---------------------------------------------------

#: What ``fires`` may return, and what ``select`` may.
Fired = Reason | str | bool | np.bool_ | None
Selected = Selection | slice | Sequence[int] | NDArray[Any]


class Monitor(Protocol):
    """Has ``fires``: a trigger without a state, or what a trigger opens for one replay."""

    def fires(self, view: View, /) -> Fired:
        """Whether to retrain now, and why; asked at every tick, also while a training runs."""


class Monitored(Protocol):
    """Has ``monitor``."""

    def monitor(self) -> Monitor:
        """What is asked at the ticks of one replay."""


class Selecting(Protocol):
    """Has ``select``."""

    def select(self, view: View, /) -> Selected:
        """Choose among the rows known now."""


class Trial(Protocol):
    """Has ``review``: a gate without a state, or what a gate opens for one challenger."""

    def review(self, view: View, /) -> Verdict | bool | np.bool_:
        """Judge ``view.challenger``."""


class Opened(Protocol):
    """Has ``open``."""

    def open(self) -> Trial:
        """What decides about one challenger."""


AnyTrigger = Annotated[Monitor | Monitored | Callable[[Any], Fired], KINDS["trigger"]]
AnyWindow = Annotated[Selecting | Callable[[Any], Selected], KINDS["window"]]
AnyGate = Annotated[Trial | Opened, KINDS["gate"]]


class Policy(Protocol):
    """A whole strategy, as the simulator sees it.

    One that was chosen by looking at a history says so by an attribute ``tuned_until``, an instant.
    """

    @property
    def trigger(self) -> AnyTrigger:
        """When."""

    @property
    def window(self) -> AnyWindow:
        """On what."""

    @property
    def update(self) -> AnyUpdate:
        """How."""

    @property
    def gate(self) -> AnyGate:
        """Whether to deploy."""

    def obstacle(self, view: View) -> tuple[str, str] | None:
        """Kind and sentence of what forbids a training now (cooldown, budget, blackout)."""


class Part:
    """Gives a frozen dataclass checked parameters, and a ``repr`` that builds it again.

    What a parameter may be stands beside its type: ``rows: Count`` of `simulator.constraints`, or
    ``since: Literal["start", "training"]``. The ``repr`` is the shortest code that builds the part.
    """

    def __post_init__(self) -> None:
        check(self)
        try:
            self.check_parameters()
        except ValueError as error:
            if type(error) is not ValueError:
                raise
            raise PartError(f"{type(self).__name__}: {error}") from None

    def check_parameters(self) -> None:
        """Raise `PartError` where values do not go together; each for itself is checked already."""

    def __repr__(self) -> str:
        shown: list[str] = []
        for spec in fields(self):  # type: ignore[arg-type]
            value = getattr(self, spec.name)
            if spec.default is MISSING and spec.default_factory is MISSING:
                shown.append(code(value))
                continue
            default = spec.default if spec.default_factory is MISSING else spec.default_factory()
            if value != default:
                shown.append(f"{spec.name}={code(value)}")
        return f"{type(self).__name__}({', '.join(shown)})"
