"""What names code: versions, the sources of what has none, and what neither names."""

import importlib
import sys
import types

import pytest
from sklearn.linear_model import Ridge
from sklearn.pipeline import make_pipeline

from backtrain.store import origins
from backtrain.store.code_version import kinds_in, sources_of
from backtrain.store.content import ONLY_HERE, content
from backtrain.store.finished import Finished
from backtrain.store.origins import Code
from backtrain.strategies import Sliding


@pytest.fixture
def package(tmp_path, monkeypatch):
    """A package of the user's, whose parts import each other in several ways."""
    files = {
        "__init__.py": "",
        "model.py": "from .limits import LIMIT\nfrom mypackage import deep\nclass Mine: pass\n",
        "limits.py": "def limit():\n    import mypackage.inside\n    import river\nLIMIT = 1\n",
        "inside.py": "X = 1\n",
        "deep/__init__.py": "from . import deeper\n",
        "deep/deeper.py": "Y = 1\n",
        "other.py": "Z = 1\n",
    }
    for name, text in files.items():
        (tmp_path / "mypackage" / name).parent.mkdir(parents=True, exist_ok=True)
        (tmp_path / "mypackage" / name).write_text(text)
    monkeypatch.syspath_prepend(tmp_path)
    for name in [name for name in sys.modules if name.startswith("mypackage")]:
        monkeypatch.delitem(sys.modules, name)
    return importlib.import_module("mypackage.model")


def test_a_module_is_named_by_its_source_and_by_those_that_it_imports(package) -> None:
    code = Code.behind(package.Mine())
    own = {name.split()[0] for name in code.names if name.startswith("mypackage")}
    inside = {"model", "limits", "inside", "deep", "deep.deeper"}
    assert own == {"mypackage", *(f"mypackage.{name}" for name in inside)}
    assert any(name.startswith("river ") for name in code.names)
    assert not code.unnamed
    plain = Code.behind(Ridge())
    assert not any(name.startswith(("river", "mypackage")) for name in plain.names)


def test_what_has_neither_source_nor_version_is_said(tmp_path) -> None:
    kind = type("Nowhere", (), {"__module__": "nowhere_at_all"})
    (why,) = Code.behind(kind).unnamed
    assert why == "module nowhere_at_all: it has neither a file nor a version"
    main = type("Mine", (), {"__module__": "__main__"})
    assert Code.behind(main).unnamed
    vouched = type("Mine", (), {"__module__": "__main__", "cache_version": 3})
    assert "__main__.Mine 3" in Code.behind(vouched).names


def test_a_script_that_runs_is_named_by_its_source(tmp_path, monkeypatch) -> None:
    script = tmp_path / "study.py"
    script.write_text("import river")
    main = types.ModuleType("__main__")
    kind = type("Mine", (), {"__module__": "__main__"})
    monkeypatch.setitem(sys.modules, "__main__", main)
    origins._of_module.cache_clear()
    assert Code.behind(kind).unnamed  # as in a notebook
    main.__file__ = str(script)
    origins._of_module.cache_clear()
    names = Code.behind(kind).names
    assert any(name.startswith("river ") for name in names)
    script.write_text("import river, re")
    origins._of_module.cache_clear()
    assert names != Code.behind(kind).names
    origins._of_module.cache_clear()


def test_the_code_of_a_record_is_that_of_all_parts(package) -> None:
    inner, outer = make_pipeline(Ridge()), make_pipeline(package.Mine())
    assert {Ridge, type(inner)} <= kinds_in(inner)
    assert sources_of(inner) != sources_of(outer)


def test_a_number_of_what_only_this_process_knows_is_given_once() -> None:
    names = set()
    for _ in range(100):  # each is gone before the next one, which may get its id
        names.add(content((lambda: 0,)))
    assert len(names) == 100
    kept = (lambda: 0,)
    assert content(kept) == content(kept)
    assert content(kept).startswith(ONLY_HERE)


def test_an_index_of_results_is_only_a_hint(tmp_path) -> None:
    index = Finished(tmp_path)
    assert index.places("abcdef0123") == []
    for k in range(6):
        index.note("abcdef0123", tmp_path / str(k))
    index.note("abcdef0123", tmp_path / "4")
    assert index.places("abcdef0123") == [tmp_path / k for k in "4532"]
    (tmp_path / "v1/jobs/abcdef0123").write_text("][")
    assert index.places("abcdef0123") == []
    index.note("abcdef0123", tmp_path / "0")
    assert Finished(tmp_path).places("abcdef0123") == [tmp_path / "0"]
    (tmp_path / "v1/jobs/abcdef0123").chmod(0o666)  # somebody else may have written it
    assert index.places("abcdef0123") == []
    index.clear()
    assert index.places("abcdef0123") == []
    with pytest.raises(ValueError, match="no name of a job"):
        index.note("../abcdef0123", tmp_path)


def test_what_a_part_has_worked_out_is_no_code_of_it() -> None:
    """Else a run's record depends on whether its strategy has been replayed before."""
    fresh, used = Sliding("20D"), Sliding("20D")
    assert used._offset is not None
    assert sources_of(used) == sources_of(fresh)
    assert kinds_in(used) == kinds_in(fresh)
