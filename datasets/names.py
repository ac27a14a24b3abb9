"""Names in messages: the one that was meant, and how several are written in a key."""

import difflib
import json
import re
import shlex
from collections.abc import Iterable, Sequence


def nearest(name: object, names: Iterable[object]) -> str:
    """Return the name most like `name`, quoted, for the end of an error message.

    >>> nearest("tmie", ["time", "target"])
    "'time'"
    """
    texts = [str(other) for other in names]
    return repr((difflib.get_close_matches(str(name), texts, n=1, cutoff=0.0) or ["?"])[0])


def of_columns(key: str, columns: Sequence[object]) -> str:
    """A key of a data set with a list of columns, as a shell takes it.

    >>> of_columns("drop", ["id", "age"])
    'dataset.drop=[id,age]'
    >>> print(of_columns("drop", ["signed at", "e,f"]))
    'dataset.drop=[signed at,"e,f"]'
    """
    plain = re.compile(r"[A-Za-z0-9_ -]+")
    texts = [str(name) for name in columns]
    shown = [t if plain.fullmatch(t) else json.dumps(t, ensure_ascii=False) for t in texts]
    key = f"dataset.{key}=[{','.join(shown)}]"
    return key if re.fullmatch(r"[\w.=,\[\]-]+", key) else shlex.quote(key)
