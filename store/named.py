"""Objects by what they hold and by the code behind them, for names that hold at any time."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from typing import Any

from backtrain.store.content import ONLY_HERE, content
from backtrain.store.origins import Code


@dataclass(frozen=True)
class Named:
    """What names objects: equal in any process and at any time where they do the same.

    Attributes
    ----------
    held : tuple of str
        What each of them holds.
    code : tuple of str
        Versions of libraries and digests of sources behind them.
    why : str
        What cannot be named; else nothing.
    """

    held: tuple[str, ...]
    code: tuple[str, ...]
    why: str = ""

    @classmethod
    def of(cls, parts: Sequence[Any], *code_of: Any) -> Named:
        """Of these parts; of ``code_of`` the code counts, and not what it holds.

        >>> from sklearn.linear_model import Ridge
        >>> Named.of([Ridge(2.0)]) == Named.of([Ridge(2.0)]), Named.of([Ridge(2.0)]).why
        (True, '')
        >>> Named.of([lambda view: view]).why.partition(";")[0]
        'function holds what cannot be compared, such as a lambda'
        """
        held = [content(part) for part in parts]
        hidden = [part for part, name in zip(parts, held, strict=True) if ONLY_HERE in name]
        code = Code.behind(*parts, *code_of)
        kinds = sorted({type(part).__name__ for part in hidden})
        why = [f"{kind} holds what cannot be compared, such as a lambda" for kind in kinds]
        return cls(tuple(held), code.names, "; ".join([*why, *code.unnamed]))
