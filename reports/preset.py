"""A strategy of a record as a preset that ``backtrain run`` takes back."""

from collections.abc import Iterator, Mapping
from typing import Any

from backtrain import strategies
from backtrain.datasets.calendar import Calendar
from backtrain.simulator.record import Run
from backtrain.simulator.texts import code, printable

_PACKAGE = strategies.__name__
#: Fields that are given one by one, without a name, after those that stand before them.
_UNNAMED = {"AnyOf": "triggers", "AllOf": "triggers", "AtLeast": "triggers", "Chain": "gates"}


def preset(run: Run) -> tuple[str | None, str]:
    """The strategy as the text of ``DIR/strategy/NAME.yaml``, for ``--config-dir=DIR``.

    Returns
    -------
    text, reason : str or None, str
        Without a text the reason says which part is not one of `backtrain.strategies`, or what
        the record does not hold; the text is one that builds the very strategy again.
    """
    from omegaconf import OmegaConf

    parts = run.info["parts"]
    if strangers := list(_strangers(parts)):
        return None, f"not of {_PACKAGE}: {', '.join(strangers)}"
    text = OmegaConf.to_yaml(_config(parts))
    config = OmegaConf.to_container(OmegaConf.create(text), resolve=True)
    try:
        # YAML knows one kind of sequence, code two; they mean the same to every part.
        again = [code(_built(config, sequence)) for sequence in (list, tuple)]
    except (ValueError, TypeError) as error:
        return None, f"the record does not build it again: {' '.join(str(error).split())}"
    if run.info["strategy"] not in again:
        return None, f"the record does not hold all of {run.info['strategy']}"
    name, until = " ".join(run.name.split()), Calendar.of(run.info).day(run.info["end"])
    about = f"# {name}, as it was compared on {run.info['stream']['name']} up to {until}."
    return f"{printable(about)}\n{text}", ""


def _strangers(value: Any, place: str = "strategy") -> Iterator[str]:
    """Parts that are no classes of the package."""
    if isinstance(value, Mapping) and "type" in value:
        name = str(value["type"])
        if "from" in value or not isinstance(getattr(strategies, name, None), type):
            yield f"{place} {value.get('from', '')}{'.' if 'from' in value else ''}{name}"
            return
        for key in ("trigger", "window", "update", "gate"):
            if isinstance(value.get(key), str):
                yield f"{key} {value[key]}"
    if isinstance(value, Mapping):
        for key, inner in value.items():
            yield from _strangers(inner, str(key))
    elif isinstance(value, list):
        for inner in value:
            yield from _strangers(inner, place)


def _config(value: Any) -> Any:
    """What is described, as what is built."""
    if isinstance(value, list):
        return [_config(inner) for inner in value]
    if not isinstance(value, Mapping):
        return value
    inside = {str(key): _config(inner) for key, inner in value.items() if key != "type"}
    if "type" not in value:
        return inside
    target = {"_target_": f"{_PACKAGE}.{value['type']}"}
    unnamed = _UNNAMED.get(value["type"])
    if unnamed is None:
        return target | inside
    listed = inside.pop(unnamed)
    return target | {"_args_": [*inside.values(), *listed]}


def _built(config: Any, sequence: type[list[Any]] | type[tuple[Any, ...]]) -> Any:
    if isinstance(config, list):
        return sequence(_built(inner, sequence) for inner in config)
    if not isinstance(config, Mapping):
        return config
    given = {str(key): _built(inner, sequence) for key, inner in config.items()}
    if "_target_" not in given:
        return given
    kind = getattr(strategies, given.pop("_target_").rpartition(".")[2])
    return kind(*given.pop("_args_", ()), **given)
