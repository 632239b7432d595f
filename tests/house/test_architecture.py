"""The rules of the house that a machine can check: who imports whom, what nobody may call, how a file looks."""

from __future__ import annotations

import ast
import functools
import graphlib
import importlib.util
from collections.abc import Iterator, Mapping, Set
from pathlib import Path
from types import MappingProxyType

import grimp
import pytest
from importlinter import cli as importlinter
from places import ROOT

PACKAGES = ("fer_bench", "models_zoo", "attacks", "reports")
PRODUCT = sorted(path for name in PACKAGES for path in (ROOT / name).rglob("*.py"))
#: Lines; a file that needs more is two files, a function that needs more is two functions.
LONGEST, LONGEST_FUNCTION = 320, 60
#: Packages of which `import package` does not bring every submodule.
IN_PARTS = {"concurrent", "email", "http", "importlib", "logging", "multiprocessing", "urllib", "xml"}
IN_PARTS |= {"google", "matplotlib", "PIL", "pyarrow", "scipy", *PACKAGES}


def tree(path: Path) -> ast.Module:
    return ast.parse(path.read_text(encoding="utf-8"))


def imports(module: ast.Module) -> Iterator[str]:
    """Every module that is imported anywhere in a file, functions included."""
    for node in ast.walk(module):
        if isinstance(node, ast.Import):
            yield from (alias.name for alias in node.names)
        elif isinstance(node, ast.ImportFrom) and node.module:
            yield node.module
            yield from (f"{node.module}.{alias.name}" for alias in node.names)


def importers(*names: str) -> set[str]:
    """The files, by path in the repository, that import one of the modules."""
    return {
        path.relative_to(ROOT).as_posix()
        for path in PRODUCT
        if any(found == name or found.startswith(f"{name}.") for found in imports(tree(path)) for name in names)
    }


def callers(name: str) -> set[str]:
    """The files that call a function by that name."""
    return {
        path.relative_to(ROOT).as_posix()
        for path in PRODUCT
        for node in ast.walk(tree(path))
        if isinstance(node, ast.Call) and ast.unparse(node.func) == name
    }


def in_scope(scope: ast.AST) -> Iterator[ast.AST]:
    """The nodes of a module or function, a function within it as one node."""
    waiting = [*ast.iter_child_nodes(scope)]
    while waiting:
        node = waiting.pop()
        yield node
        if not isinstance(node, ast.FunctionDef | ast.AsyncFunctionDef):
            waiting += ast.iter_child_nodes(node)


@functools.cache
def is_module(name: str) -> bool:
    if name.startswith(PACKAGES):
        place = ROOT.joinpath(*name.split("."))
        return place.is_dir() or place.with_suffix(".py").is_file()
    try:
        return importlib.util.find_spec(name) is not None
    except ModuleNotFoundError:
        return False


def borrowed(scope: ast.AST, imported: Set[str] = frozenset(), bound: Mapping[str, str] = MappingProxyType({})) -> set:
    """Submodules that a file uses as `package.part` and imports nowhere: it leans on another file's import.

    `imported`, `bound`: what the scopes around have imported, and which names stand for which modules.
    """
    nodes = list(in_scope(scope))
    imported, bound, missing = set(imported), dict(bound), set()
    for node in nodes:
        if isinstance(node, ast.Import):
            imported |= {alias.name for alias in node.names}
            first = {alias: alias.name.partition(".")[0] for alias in node.names}
            bound |= {alias.asname or name: alias.name if alias.asname else name for alias, name in first.items()}
        elif isinstance(node, ast.ImportFrom) and node.module:
            imported |= {node.module, *(f"{node.module}.{alias.name}" for alias in node.names)}
            bound |= {alias.asname or alias.name: f"{node.module}.{alias.name}" for alias in node.names}
    brought = {".".join(parts[:n]) for name in imported for parts in [name.split(".")] for n in range(len(parts) + 1)}
    for node in nodes:
        if isinstance(node, ast.FunctionDef | ast.AsyncFunctionDef):
            missing |= borrowed(node, imported, bound)
        elif isinstance(node, ast.Attribute):
            first = node
            while isinstance(first, ast.Attribute):
                first = first.value
            module = bound.get(first.id, "") if isinstance(first, ast.Name) else ""
            if module.partition(".")[0] in IN_PARTS:
                name = f"{module}.{ast.unparse(node).partition('.')[2]}"
                missing |= {name} if name not in brought and is_module(name) else set()
    return missing


@pytest.mark.parametrize(
    ("text", "names"),
    [
        ("import urllib\nurllib.request.urlopen", {"urllib.request"}),
        ("import urllib.error\nurllib.request.urlopen", {"urllib.request"}),
        ("import urllib.request\nurllib.request.urlopen", set()),
        ("import pyarrow as pa\npa.parquet.read_table", {"pyarrow.parquet"}),
        ("from concurrent import futures\nfutures.thread.ThreadPoolExecutor", {"concurrent.futures.thread"}),
        ("import xml.etree.ElementTree\nxml.etree.ElementTree.parse", set()),
        ("import urllib\ndef f():\n import urllib.request\ndef g():\n urllib.request.urlopen", {"urllib.request"}),
        ("def f():\n import urllib.request\n def g():\n  urllib.request.urlopen", set()),
    ],
)
def test_a_borrowed_import_is_seen(text: str, names: set[str]) -> None:
    assert borrowed(ast.parse(text)) == names


def test_a_file_imports_the_modules_it_uses() -> None:
    """A submodule that another file imported is there until that file no longer is, or is not imported first."""
    assert {str(path.relative_to(ROOT)): names for path in PRODUCT if (names := borrowed(tree(path)))} == {}


def test_imports_point_down(capsys: pytest.CaptureFixture[str], monkeypatch: pytest.MonkeyPatch) -> None:
    """The contracts of pyproject.toml: layers, the engine knows no plug-in, models and attacks are strangers."""
    monkeypatch.chdir(ROOT)
    status = importlinter.lint_imports(config_filename=str(ROOT / "pyproject.toml"), no_cache=True)
    said = capsys.readouterr().out
    assert status == importlinter.EXIT_STATUS_SUCCESS, said
    assert "0 broken" in said


def test_every_module_has_its_layer() -> None:
    """A new module or folder that stands in no layer would be under no contract."""
    text = (ROOT / "pyproject.toml").read_text(encoding="utf-8")
    layers = {word for line in text.splitlines() for word in line.strip().strip('",').split(" | ")}
    for name in ("fer_bench", "reports"):
        for path in (ROOT / name).iterdir():
            if (path.suffix == ".py" and path.stem != "__init__") or (path / "__init__.py").is_file():
                assert f"{name}.{path.stem}" in layers, f"{name}.{path.stem} is in no layer of pyproject.toml"


def test_no_files_import_each_other_in_a_circle() -> None:
    """Within a folder the layers say nothing; a circle there is two files that are one."""
    graph = grimp.build_graph(*PACKAGES, cache_dir=None)
    order = graphlib.TopologicalSorter({name: graph.find_modules_directly_imported_by(name) for name in graph.modules})
    try:
        order.prepare()
    except graphlib.CycleError as error:
        pytest.fail(" -> ".join(error.args[1]))


def test_one_file_imports_torchattacks() -> None:
    assert importers("torchattacks") == {"attacks/wrapped/adapter.py"}


def test_one_file_imports_pydantic() -> None:
    assert importers("pydantic", "pydantic_core") == {"fer_bench/codec.py"}


def test_only_the_store_opens_the_database() -> None:
    assert callers("sqlite3.connect") == {"fer_bench/store/database.py"}


def test_only_reports_knows_tables_and_pages() -> None:
    assert {path.split("/")[0] for path in importers("pandas", "jinja2", "matplotlib")} <= {"reports", "fer_bench"}
    assert {path for path in importers("pandas") if path.startswith("fer_bench/")} <= {"fer_bench/api/benchmark.py"}
    assert not {path for path in importers("jinja2", "matplotlib") if path.startswith("fer_bench/")}


def test_nothing_unpickles() -> None:
    """A pickle runs code when it is read, and weights come from strangers."""
    assert importers("dill", "cloudpickle", "joblib", "shelve", "marshal") == set()
    for path in PRODUCT:
        for node in ast.walk(tree(path)):
            if not isinstance(node, ast.Call):
                continue
            called = ast.unparse(node.func)
            given = {keyword.arg: ast.unparse(keyword.value) for keyword in node.keywords}
            where = f"{path.relative_to(ROOT)}:{node.lineno}"
            if called == "torch.load":
                assert given.get("weights_only") == "True", where
            assert called not in ("pickle.load", "pickle.loads", "torch.hub.load", "eval", "exec"), where
            if called in ("np.load", "numpy.load"):
                assert given.get("allow_pickle", "False") == "False", where
            if "yaml" in called:
                assert "safe" in called, where


@pytest.mark.parametrize("name", ["print", "breakpoint", "input"])
def test_the_engine_is_silent(name: str) -> None:
    """Only the command line and `run` speak to people."""
    assert callers(name) <= ({"fer_bench/api/benchmark.py", "fer_bench/cli/main.py"} if name == "print" else set())


def test_errors_are_defined_in_one_place() -> None:
    from fer_bench import errors

    known = {name for name, value in vars(errors).items() if isinstance(value, type)}
    for path in PRODUCT:
        for node in tree(path).body:
            if isinstance(node, ast.ClassDef) and path.name != "errors.py":
                bases = {ast.unparse(base).split(".")[-1] for base in node.bases}
                assert not bases & known, f"{path.relative_to(ROOT)}: {node.name}"


@pytest.mark.parametrize("path", PRODUCT, ids=lambda path: str(path.relative_to(ROOT)))
def test_a_file_is_short_and_says_what_it_is_for(path: Path) -> None:
    docstring = ast.get_docstring(tree(path))
    assert docstring, "the module opens with no sentence"
    assert docstring.split("\n\n")[0].rstrip().endswith((".", ":", "?")), docstring
    assert len(path.read_text(encoding="utf-8").splitlines()) <= LONGEST
    assert path.name not in ("utils.py", "helpers.py", "misc.py", "common.py")


@pytest.mark.parametrize("path", PRODUCT, ids=lambda path: str(path.relative_to(ROOT)))
def test_a_function_is_short(path: Path) -> None:
    for node in ast.walk(tree(path)):
        if isinstance(node, ast.FunctionDef | ast.AsyncFunctionDef):
            assert node.end_lineno is not None
            assert node.end_lineno - node.lineno < LONGEST_FUNCTION, f"{node.name} of {path.relative_to(ROOT)}"


@pytest.mark.parametrize("path", PRODUCT, ids=lambda path: str(path.relative_to(ROOT)))
def test_no_name_of_a_module_is_bound_twice(path: Path) -> None:
    """A constant that a second one of the same name replaces is a silent change; linters see it in functions alone."""
    bound = [
        target.id
        for node in tree(path).body
        if isinstance(node, ast.Assign | ast.AnnAssign)
        for target in (node.targets if isinstance(node, ast.Assign) else [node.target])
        if isinstance(target, ast.Name)
    ]
    assert len(bound) == len(set(bound)), sorted(name for name in bound if bound.count(name) > 1)


def test_every_module_of_tests_says_what_it_is_for() -> None:
    for path in (ROOT / "tests").rglob("*.py"):
        assert ast.get_docstring(tree(path)), path
