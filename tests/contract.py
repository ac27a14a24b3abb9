"""What each part's own test file hands to the suites that hold for every part.

A file ``test_part_*.py`` may have, at its top level,

- ``PARTS``: a list of parts, at least one for each new class;
- ``NONSENSE``: a list of ``(lambda, regular expression)``, what is refused and what is then said;
- ``GIVEN``: ``{(group, preset): [overrides]}``, what a preset leaves to the user;
- ``REGRESSION``, ``CLASSIFICATION``, ``INCREMENTAL``, ``PIPELINES``, ``LONG``:
  ``{name: Strategy}``, set for histories of 40 to 80 rows (``LONG``: 120 to 240) over a few days,
  in which the part acts. They are replayed row by row, and with the future spoilt. Models of
  ``INCREMENTAL`` go on by SGD, those of ``PIPELINES`` are a scaler and a ridge.
"""

import dataclasses
import importlib
from pathlib import Path
from typing import Any

FILES = sorted(path.stem for path in Path(__file__).parent.glob("test_part_*.py"))


def gathered(name: str, empty: Any = None) -> Any:
    """The lists or dictionaries of this name of all files, as one."""
    whole = {} if empty is None else list(empty)
    for file in FILES:
        own = getattr(importlib.import_module(file), name, type(whole)())
        if isinstance(whole, dict):
            assert not set(whole) & set(own), f"{file}.{name}: {set(whole) & set(own)} twice"
            whole |= own
        else:
            whole += own
    return whole


def parts_of(value: Any) -> set[str]:
    """Names of the classes that a strategy is built of."""
    if isinstance(value, (list, tuple)):
        return {name for entry in value for name in parts_of(entry)}
    if not dataclasses.is_dataclass(value):
        return set()
    fields = [getattr(value, field.name) for field in dataclasses.fields(value)]
    return {type(value).__name__} | parts_of(fields)
