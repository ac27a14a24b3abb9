"""The contract of a part as a test: what holds for every part that is shipped, for yours."""

import builtins
import copy
import dataclasses
import functools
import pickle
import sys
import warnings
from collections.abc import Callable, Iterable, Iterator
from typing import Any, Literal, get_args, get_type_hints

import numpy as np
import pandas as pd
from joblib import wrap_non_picklable_objects
from sklearn.ensemble import HistGradientBoostingClassifier, HistGradientBoostingRegressor
from sklearn.linear_model import Ridge, SGDClassifier, SGDRegressor
from sklearn.naive_bayes import GaussianNB
from sklearn.pipeline import make_pipeline
from sklearn.preprocessing import StandardScaler

import backtrain
from backtrain import strategies
from backtrain.audit.examine import audit
from backtrain.audit.records import differences, whole
from backtrain.audit.watch import name_of
from backtrain.backtest import Backtest
from backtrain.datasets.stream import Stream
from backtrain.simulator.answers import PartError
from backtrain.simulator.ledger import Delays, Prices
from backtrain.simulator.replay import check_strategy, replay
from backtrain.simulator.setup import Setup
from backtrain.simulator.texts import code
from backtrain.strategies.strategy import Strategy
from backtrain.strategies.triggers.schedules import EveryRows
from backtrain.strategies.windows.sliding import Sliding

__all__ = ["check_part", "history"]

Kind = Literal["trigger", "window", "update", "gate", "blackout"]

_HOUR = np.timedelta64(1, "h")
_MIDNIGHT = np.datetime64("2024-01-01T00", "ns")
_PRICES = Prices(retrain=5, per_1k_rows=100, label=0.25, check=0.5, review=2, release=3)
#: What tells what a part is.
_METHODS: dict[str, Kind] = {
    "monitor": "trigger",
    "fires": "trigger",
    "select": "window",
    "fit": "update",
    "open": "gate",
    "review": "gate",
    "until": "blackout",
}
_OPENERS = ("monitor", "open")
#: Models that a part is tried with: the first that it accepts.
_MODELS: dict[str, tuple[Any, ...]] = {
    "regression": (
        SGDRegressor(max_iter=5, tol=None),
        make_pipeline(StandardScaler(), Ridge()),
        HistGradientBoostingRegressor(max_iter=3, min_samples_leaf=3),
    ),
    "classification": (
        GaussianNB(),
        SGDClassifier(loss="log_loss", max_iter=5, tol=None),
        HistGradientBoostingClassifier(max_iter=3, min_samples_leaf=3),
    ),
}


def check_part(part: Any, setup: Setup | None = None, kind: Kind | None = None) -> None:
    """Hold a trigger, window, update, gate or blackout to what every part must keep.

    It cannot be changed, or a replay leaves it as it was; it can be copied and sent to other
    processes; its ``repr``, where it has one of its own, is the code that builds it; it opens a
    fresh state for each replay; numbers that are none are refused, where its class looks at its
    parameters at all (``__post_init__``). Replayed on small histories, regression and
    classification, with late and lost labels, groups and weights, it gives the same again, after
    other histories and as a copy, and nothing that is recorded before an instant moves when all
    that is not known at it is spoilt. Takes about a second.

    Parameters
    ----------
    part : Trigger, Window, Update, Gate, Blackout, Strategy or callable
        What is checked; a `Strategy` is replayed as it is, which tries its parts together.
    setup : Backtest, optional
        The model and history to try it on, where it does not fit the built-in ones.
    kind : {"trigger", "window"}, optional
        What a plain function is; a trigger unless it says otherwise.

    Raises
    ------
    AssertionError
        Naming what the part does not keep, and how to mend it.

    Examples
    --------
    >>> from backtrain.strategies import Every
    >>> check_part(Every("9h"))
    """
    if isinstance(part, type):
        _fail(part, f"a class; give an object of it, {part.__name__}(...)")
    function = _is_function(part)
    if not function:
        _check_copies(part)
        _check_repr(part)
        _check_frozen(part)
        _check_openers(part)
        _check_nonsense(part)
    strategy = part if isinstance(part, Strategy) else _strategy(part, kind or _kind_of(part))
    try:
        _check_in_replays(part, strategy, setup)
    except AssertionError as error:
        if function and kind is None:
            error.add_note("a function is taken for a trigger; of a window, say kind='window'")
        raise


# --- the part by itself ---------------------------------------------------------------------------


def _check_copies(part: Any) -> None:
    ways: dict[str, Callable[[Any], Any]] = {
        "sent to another process": _sent,
        "copied": copy.deepcopy,
    }
    for how, remake in ways.items():
        try:
            again = remake(part)
        except Exception as error:
            _fail(
                part,
                f"it cannot be {how} ({type(error).__name__}: {error}), as n_jobs= needs; define "
                "its class at the top of a module, and open files, locks and connections in "
                "monitor(), open() or fit()",
                error,
            )
        if "lambda" not in code(part) and not _same(again, part):
            _fail(
                part,
                f"{how}, it is another one: {code(again)}; keep all that matters in attributes "
                "that are equal when they are copied",
            )


def _sent(value: Any) -> Any:
    """A value as another process gets it, lambdas and classes of a notebook included."""
    return pickle.loads(pickle.dumps(wrap_non_picklable_objects(value, keep_wrapper=False)))


def _check_repr(part: Any) -> None:
    """A part with a `repr` of its own is shown in records by it."""
    if _inherits(part, "__repr__") or "<" in repr(part) or "lambda" in repr(part):  # no code
        return
    try:
        again = eval(repr(part), _names(part))
    except Exception as error:
        _fail(
            part,
            f"its repr is no code that builds it ({type(error).__name__}: {error}); write one, or "
            "make the class a dataclass, whose repr does, and whose fields have such a repr",
            error,
        )
    if not _same(again, part) or repr(again) != repr(part):
        _fail(part, f"its repr builds another one: {again!r}; show every parameter in it")


def _names(part: Any) -> dict[str, Any]:
    """What the code of a part may name: public parts, and the classes that it is made of."""
    names = {**vars(builtins), **vars(strategies), **vars(backtrain), "np": np, "pd": pd}
    for value in _held(part):
        names |= vars(sys.modules.get(type(value).__module__, builtins))
        names[type(value).__name__] = type(value)
        if _is_function(value):  # shown as module and name
            home = getattr(value, "func", value).__module__.partition(".")[0]
            names |= {"functools": functools, home: sys.modules[home]}
    return names


def _held(part: Any) -> Iterator[Any]:
    """The part, and the parts in its fields."""
    yield part
    inside = (
        [getattr(part, field.name) for field in dataclasses.fields(part)]
        if dataclasses.is_dataclass(part) and not isinstance(part, type)
        else list(part)
        if isinstance(part, (list, tuple))
        else []
    )
    for value in inside:
        yield from _held(value)


def _check_frozen(part: Any) -> None:
    """A frozen dataclass is; anything else must come out of a replay as it went in."""
    if not dataclasses.is_dataclass(part) or not part.__dataclass_params__.frozen:  # type: ignore[union-attr]
        return
    name = next((field.name for field in dataclasses.fields(part)), "anything")
    try:
        setattr(part, name, getattr(part, name, None))
    except (dataclasses.FrozenInstanceError, AttributeError):
        return
    _fail(part, f"it is declared frozen, and {name} can be set; leave __setattr__ alone")


def _check_openers(part: Any) -> None:
    for opener in _OPENERS:
        if not callable(getattr(part, opener, None)):
            continue
        try:
            state, other = getattr(part, opener)(), getattr(part, opener)()
        except Exception as error:
            shown = f"{type(error).__name__}: {error}"
            _fail(part, f"{opener}() raises {shown}; make what holds the state in it", error)
        if state is not part and state is other:
            _fail(
                part,
                f"{opener}() gives the same object twice, so one replay would go on where another "
                "ended; make a new one in it",
            )


def _check_nonsense(part: Any) -> None:
    """A class that looks at its parameters refuses a word where a number belongs."""
    if not dataclasses.is_dataclass(part) or not hasattr(part, "__post_init__"):
        return
    try:
        hints = get_type_hints(type(part))
    except Exception:  # names that cannot be looked up: nothing is known of the parameters
        return
    for field in dataclasses.fields(part):
        if not field.init or not _is_number(hints.get(field.name)):
            continue
        try:
            dataclasses.replace(part, **{field.name: "nonsense"})  # type: ignore[type-var]
        except (ValueError, TypeError):
            continue
        _fail(
            part,
            f"{field.name}='nonsense' is taken for a number; refuse it in __post_init__() with "
            "PartError, in a sentence that says what to give instead",
        )


def _is_number(hint: Any) -> bool:
    kinds = set(get_args(hint) or (hint,)) - {type(None)}
    return bool(kinds) and kinds <= {int, float}


# --- the part in replays --------------------------------------------------------------------------


def _check_in_replays(part: Any, strategy: Strategy, given: Setup | None) -> None:
    refused: dict[str, str] = {}
    setups = _setups(given)
    for task, some in setups.items():
        refusals: list[str] = []
        if not _tried(part, strategy, some, refusals):
            refused[task] = refusals[0]
    if len(refused) == len(setups):
        _fail(
            part,
            f"{next(iter(refused.values()))} (so on every history and model that it was tried on; "
            "where it needs another, give setup=Backtest(stream, model, ...))",
        )
    for task, why in refused.items():
        warnings.warn(f"{name_of(part)}: not tried on {task}: {why}", stacklevel=3)


def _tried(part: Any, strategy: Strategy, setups: Iterable[Setup], refusals: list[str]) -> bool:
    """Try it on the first of these that it fits; why it fits none is added to the refusals."""
    for setup in setups:
        try:
            check_strategy(setup, strategy)
            with warnings.catch_warnings():
                warnings.simplefilter("ignore")  # of small histories; not what is tried here
                _first_model(setup, strategy)
        except ValueError as error:
            refusals.append(" ".join(str(error).split()))
            continue
        except Exception:  # the audit says where, and to whom it happens
            pass
        _check_replays(part, strategy, setup)
        return True
    return False


def _first_model(setup: Setup, strategy: Strategy) -> None:
    """Raise what a part raises at the start, where nothing can be learnt or tuned."""
    first = pd.Timestamp(setup.stream.event_time[setup.served.start])
    replay(dataclasses.replace(setup, start=setup.start_at, end=first), strategy)


def _check_replays(part: Any, strategy: Strategy, setup: Setup) -> None:
    where = f"on {setup.stream.name!r}, {setup.task}, with {type(setup.model).__name__}"
    with warnings.catch_warnings():
        warnings.simplefilter("ignore")
        found = audit(setup, strategy, name=where, data=False).found
        if found:
            first = found[0]
            when = "" if first.at is None else f" at {first.at}"
            _fail(part, f"{first.check} {where}{when}: {first.says}")
        backtest = setup if isinstance(setup, Backtest) else _as_backtest(setup)
        runs = [backtest.replay(one) for one in (strategy, copy.deepcopy(strategy))]
    moved = differences(whole(runs[0]), whole(runs[1]))
    if moved:
        _fail(
            part,
            f"a copy of it does something else {where}: table {moved[0].table!r} differs at "
            f"{moved[0].at}; what it does may depend on its parameters and the view only",
        )


def _as_backtest(setup: Setup) -> Backtest:
    return Backtest(**{f.name: getattr(setup, f.name) for f in dataclasses.fields(Setup)})


def _strategy(part: Any, kind: Kind) -> Strategy:
    """A strategy in which the part acts."""
    every, window = EveryRows(9), Sliding(30)
    usual: dict[str, Any] = {"trigger": every, "window": window}
    try:
        return Strategy(**(usual | {kind: [part] if kind == "blackout" else part}))
    except PartError as error:
        _fail(part, str(error), error)
        raise


def _kind_of(part: Any) -> Kind:
    for method, kind in _METHODS.items():
        if callable(getattr(part, method, None)):
            return kind
    if not callable(part):
        _fail(
            part,
            "neither a trigger (fires), a window (select), an update (fit), a gate (review) nor a "
            "blackout (until)",
        )
    return "trigger"


def _is_function(part: Any) -> bool:
    return callable(part) and not any(hasattr(part, method) for method in _METHODS)


def _setups(given: Setup | None) -> dict[str, Iterable[Setup]]:
    """For each task what is tried in turn, short histories before long ones."""
    if given is not None:
        return {given.task: [given]}
    return {task: _built_in(task) for task in _MODELS}


def _built_in(task: str) -> Iterator[Setup]:
    for long in (False, True):
        yield from (_setup(task, model, long) for model in _MODELS[task])


def _setup(task: str, model: Any, long: bool) -> Backtest:
    """Some days by the hour; or, for what needs more rows or time, most of a year."""
    rows, slower = (600, 10) if long else (90, 1)
    stream = history(np.random.default_rng(3), rows, task)
    times = {
        name: _MIDNIGHT + (getattr(stream, name) - _MIDNIGHT) * slower
        for name in ("event_time", "label_time")
    }
    weight = np.arange(rows) % 3 + np.float64(0.5)
    name = f"{'a year' if long else 'four days'} of {task}"
    stream = dataclasses.replace(stream, weight=weight, name=name, **times)
    return Backtest(
        stream,
        model,
        tick="5D" if long else "5h",
        start=pd.Timestamp(stream.event_time[400 if long else 20]),
        prices=_PRICES,
        delays=Delays(train="2h", deploy="1h"),
    )


def history(rng: np.random.Generator, n: int, task: str = "regression") -> Stream:
    """Rows with ties, late and lost labels, groups, and a drift in the middle."""
    event = _MIDNIGHT + np.cumsum(rng.choice([0, 0, 1, 1, 2, 3], size=n)) * _HOUR
    late = (np.arange(n) > 0.5 * n).astype(float)
    X = rng.normal(size=(n, 3)) + late[:, None]
    y = 2 * X[:, 0] + 3 * late + rng.normal(scale=0.3, size=n)
    if task == "classification":
        y = ((X[:, 0] > 0.5) ^ (late > 0)).astype(int)
        y[:2] = 0, 1
    label = event + rng.choice([0, 1, 1, 5, 30], size=n) * _HOUR
    label[10:][rng.random(n - 10) < 0.1] = np.datetime64("NaT", "ns")
    label[:10] = event[:10]
    if task == "regression":
        y[np.isnat(label)] = np.nan
    return Stream(X, y, event, label, group=np.array(list("aababc"))[np.arange(n) % 6])


def _same(one: Any, other: Any) -> bool:
    """Whether two parts are equal; functions, and where the class does not say: look so."""
    if _inherits(one, "__eq__") or any(map(_is_function, _held(one))):
        return type(one) is type(other) and code(one) == code(other)
    return bool(one == other)


def _inherits(value: Any, method: str) -> bool:
    """Whether a class has only Python's own version of a method."""
    return all(method not in vars(kind) for kind in type(value).__mro__[:-1])


def _fail(part: Any, says: str, cause: Exception | None = None) -> None:
    text = " ".join(code(part).split())
    shown = text if len(text) <= 80 else f"{text[:77]}..."
    raise AssertionError(f"{shown}: {says}") from cause
