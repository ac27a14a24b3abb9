"""Docstrings exist, and their examples run."""

import doctest
import importlib.util
import inspect
import pkgutil
import re
from pathlib import Path
from types import ModuleType

import pytest
from sklearn.linear_model import LogisticRegression

import backtrain
from backtrain import Backtest, strategies
from backtrain.datasets.bundled import bike
from backtrain.datasets.latency import Fixed, apply
from backtrain.datasets.synthetic import abrupt
from backtrain.lossmatrix.intervals import MOST_MODELS, usual_thinning
from backtrain.strategies import Sliding

ROOT = Path(__file__).parent.parent
README = (ROOT / "README.md").read_text()


def modules() -> list[str]:
    found = ["backtrain"]
    for package in ("", ".datasets", ".simulator", ".strategies", ".reports", ".reports.sweep"):
        parent = importlib.import_module(f"backtrain{package}")
        found += [
            f"{parent.__name__}.{module.name}" for module in pkgutil.iter_modules(parent.__path__)
        ]
    return [name for name in found if not name.endswith("__main__")]


#: Modules that import a library of an extra, and examples that use one.
EXTRAS = {"backtrain.models_xgboost": "xgboost", "backtrain.models_catboost": "catboost"}
EXAMPLES = {"backtrain.backtest.Backtest.search": "optuna"}


def loaded(name: str) -> ModuleType:
    if name in EXTRAS:
        pytest.importorskip(EXTRAS[name])
    return importlib.import_module(name)


def public(module: ModuleType) -> list[tuple[str, object]]:
    return [
        (name, value)
        for name, value in vars(module).items()
        if not name.startswith("_")
        and (inspect.isclass(value) or inspect.isfunction(value))
        and value.__module__ == module.__name__
    ]


@pytest.mark.parametrize("name", modules())
def test_examples_in_docstrings_run(name: str) -> None:
    module = loaded(name)
    shown = vars(strategies) if ".strategies" in name else {}  # parts show parts
    runner = doctest.DocTestRunner(optionflags=doctest.NORMALIZE_WHITESPACE | doctest.ELLIPSIS)
    for example in doctest.DocTestFinder().find(module, extraglobs={**vars(module), **shown}):
        needed = EXAMPLES.get(example.name)
        if needed is None or importlib.util.find_spec(needed):
            runner.run(example)
    assert runner.summarize().failed == 0


@pytest.mark.parametrize("name", modules())
def test_everything_public_says_what_it_is_for(name: str) -> None:
    module = loaded(name)
    assert module.__doc__, name
    for title, value in public(module):
        assert inspect.getdoc(value), f"{name}.{title} has no docstring"


def test_every_public_name_is_there() -> None:
    for name in backtrain.__all__:
        assert getattr(backtrain, name) is not None


def test_the_python_in_the_readme_runs(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.chdir(tmp_path)
    names = {"event_time": "ts", "count": "y", "label_time": "known_at"}
    bike().head(2_400).rename(columns=names).to_csv("my.csv", index=False)
    namespace: dict[str, object] = {"__name__": "readme"}
    for block in re.findall(r"```python\n(.*?)```", README, flags=re.DOTALL):
        exec(block, namespace)
    assert (tmp_path / "report.html").exists()


def test_what_is_cited_is_this_version() -> None:
    root = Path(__file__).parent.parent
    version = re.search(r'^version = "(.+)"$', (root / "pyproject.toml").read_text(), re.MULTILINE)
    assert version
    for page in (README, (root / "docs/index.md").read_text()):
        assert f"version = {{{version[1]}}}" in page
    assert f"\nversion: {version[1]}\n" in (root / "CITATION.cff").read_text()


def test_links_in_the_documents_lead_somewhere() -> None:
    root = Path(__file__).parent.parent
    for document in [root / "README.md", root / "DESIGN.md", *(root / "docs").glob("*.md")]:
        for target in re.findall(r"\]\(([^)#:]+)\)", document.read_text()):
            assert (document.parent / target).exists(), f"{document.name}: {target}"


def test_the_five_checks_are_found_by_the_words_of_their_page(tmp_path: Path) -> None:
    text = (Path(__file__).parent.parent / "docs/five_checks.md").read_text()
    checks = [line.split("|") for line in text.splitlines() if line.startswith("| **")]
    stream = apply(abrupt(n=600), Fixed("6h"))
    backtest = Backtest(stream, LogisticRegression(), tick="1D")
    tuning = backtest.tune(Sliding("5D"))
    report = tuning.to_html(tmp_path / "tune.html").read_text(encoding="utf-8")
    titles = re.findall(r"<h[23][^>]*>(.*?)</h[23]>", report)
    said = f"{backtest.understood()}\n{tuning}"
    assert len(checks) == 5
    for _, _, section, terminal, _, _ in checks:
        for title in re.findall(r"\*([^*]+)\*", section):
            assert title in titles
        for words in re.findall(r'"(.+?) \.\.\."', terminal):
            assert re.search(r"\s+".join(words.split()), said), words


def test_strategies_that_the_documents_name_are_shipped() -> None:
    root = Path(__file__).parent.parent
    shipped = {file.stem for file in (root / "conf/strategy").glob("*.yaml")}
    shipped |= {"advised", "mine", "searched", "tuned"}  # presets that a reader has saved
    for document in [root / "README.md", *(root / "docs").glob("*.md")]:
        for named in re.findall(r"[\s`]strategy=([a-z_0-9,]+)", document.read_text()):
            assert {*named.split(",")} <= shipped, f"{document.name}: strategy={named}"


def test_the_documents_say_how_many_models_a_matrix_is_made_of() -> None:
    """As the code thins ticks out, and no other number beside it."""
    told = [
        (ROOT / "docs/advice.md", r"At most (\d+) models are trained for each window"),
        (ROOT / "docs/five_checks.md", r"a model at every tick \(at most (\d+)\)"),
        (ROOT / "CHANGELOG.md", r"thin trial models out\s+above (\d+) ticks"),
        (ROOT / "DESIGN.md", r"Above (\d+) ticks the candidates are thinned out"),
    ]
    for page, pattern in told:
        assert re.findall(pattern, page.read_text()) == [str(MOST_MODELS)], page
    assert usual_thinning(MOST_MODELS) == 1 < usual_thinning(MOST_MODELS + 1)
