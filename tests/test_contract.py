"""The house rules that a machine can check."""

from __future__ import annotations

import ast
import inspect
import statistics
import tokenize
from pathlib import Path

import pytest

import curate

ROOT = Path(curate.__file__).parent
FILES = {path.relative_to(ROOT).as_posix(): path for path in sorted(ROOT.rglob("*.py"))}
TREES = {name: ast.parse(path.read_text(encoding="utf-8")) for name, path in FILES.items()}
F1 = ("data", "models", "methods", "store", "downstream")
ENTRANCES = ("__init__.py", "__main__.py")  # the front door sees every floor


def module_of(name):
    """Name the module of a file: ``data/__init__.py`` -> ``curate.data``."""
    parts = ("curate", *Path(name).with_suffix("").parts)
    return ".".join(parts[:-1] if parts[-1] == "__init__" else parts)


MODULES = {module_of(name): name for name in FILES}


def package_of(module):
    """Name the part of curate that a module belongs to: ``curate.data.png`` -> ``data``."""
    return [*module.split("."), ""][1]


def floor_of(module):
    package = package_of(module)
    floors = {"cli": 3, "workflows": 2} | dict.fromkeys(F1, 1)
    return floors.get(package, 0)


def is_type_checking(node):
    return isinstance(node, ast.If) and "TYPE_CHECKING" in ast.unparse(node.test)


def statements(tree, *, at_import):
    """Walk over what runs, leaving out TYPE_CHECKING and, `at_import`, the inside of functions."""
    for node in ast.iter_child_nodes(tree):
        if is_type_checking(node):
            continue
        yield node
        if not (at_import and isinstance(node, (ast.FunctionDef, ast.AsyncFunctionDef))):
            yield from statements(node, at_import=at_import)


def imports(name, *, at_import=False):
    """Modules of curate that a file imports."""
    found = set()
    for node in statements(TREES[name], at_import=at_import):
        if isinstance(node, ast.Import):
            found |= {alias.name for alias in node.names}
        elif isinstance(node, ast.ImportFrom):
            assert node.level == 0, f"{name} has a relative import"
            names = {f"{node.module}.{alias.name}" for alias in node.names}
            found |= {full if full in MODULES else node.module for full in names}
    return {module for module in found if module.split(".")[0] == "curate"} - {"curate"}


def lines_of_code(name):
    """Numbers of the lines that are neither empty nor comments nor docstrings."""
    silent = (tokenize.COMMENT, tokenize.NL, tokenize.NEWLINE, tokenize.INDENT, tokenize.DEDENT)
    with FILES[name].open("rb") as file:
        tokens = [t for t in tokenize.tokenize(file.readline) if t.type not in silent and t.string]
    code = {line for token in tokens[1:] for line in range(token.start[0], token.end[0] + 1)}
    for node in ast.walk(TREES[name]):
        if isinstance(node, (ast.Module, ast.ClassDef, ast.FunctionDef)) and ast.get_docstring(
            node
        ):
            code -= set(range(node.body[0].lineno, node.body[0].end_lineno + 1))
    return code


def inside(names):
    return [name for name in names if name not in ENTRANCES]


@pytest.mark.parametrize("name", inside(FILES))
def test_file_imports_only_from_its_floor_and_below(name):
    floor = floor_of(module_of(name))
    assert {module for module in imports(name) if floor_of(module) > floor} == set()


@pytest.mark.parametrize("name", [name for name in FILES if name.split("/")[0] in F1])
def test_siblings_of_the_first_floor_never_meet(name):
    mine = package_of(module_of(name))
    others = {package_of(module) for module in imports(name)} & set(F1)
    assert others <= {mine}


def test_imports_form_no_circle():
    graph = {module: imports(name, at_import=True) for module, name in MODULES.items()}
    graph["curate"] = set()
    done, path = set(), []

    def visit(module):
        assert module not in path, " -> ".join([*path[path.index(module) :], module])
        if module not in done and module in graph:
            path.append(module)
            for other in sorted(graph[module]):
                visit(other)
            done.add(path.pop())

    for module in graph:
        visit(module)
    assert len(done) == len(graph)


@pytest.mark.parametrize("name", FILES)
def test_file_is_short(name):
    assert len(FILES[name].read_text(encoding="utf-8").splitlines()) <= 500
    assert len(lines_of_code(name)) <= 300


def test_most_files_are_short():
    lengths = [len(path.read_text(encoding="utf-8").splitlines()) for path in FILES.values()]
    assert statistics.median(lengths) <= 120


@pytest.mark.parametrize("name", FILES)
def test_function_fits_a_screen(name):
    functions = [node for node in ast.walk(TREES[name]) if isinstance(node, ast.FunctionDef)]
    bodies = {f.name: f.end_lineno - f.body[0].lineno for f in functions}
    assert {long for long, length in bodies.items() if length > 100} == set()


def test_no_module_is_a_drawer():
    drawers = {"utils", "util", "common", "helpers", "helper", "misc"}
    assert {name for name in FILES if drawers & set(Path(name).with_suffix("").parts)} == set()


@pytest.mark.parametrize("name", FILES)
def test_what_is_public_is_documented(name):
    def undocumented(tree, prefix=""):
        for node in tree.body:
            if isinstance(node, (ast.FunctionDef, ast.ClassDef)) and not node.name.startswith("_"):
                if ast.get_docstring(node) is None and not overrides(node):
                    yield prefix + node.name
                if isinstance(node, ast.ClassDef):
                    yield from undocumented(node, f"{prefix}{node.name}.")

    def overrides(node):
        return any("overload" in ast.unparse(d) for d in node.decorator_list)

    empty = not TREES[name].body
    assert empty or ast.get_docstring(TREES[name]) is not None
    assert list(undocumented(TREES[name])) == []


@pytest.mark.parametrize("name", FILES)
def test_annotations_are_not_evaluated_unless_someone_reads_them(name):
    source = FILES[name].read_text(encoding="utf-8")
    readers = ("from pydantic import", "import typer\n")
    if len(TREES[name].body) > 1 and not any(reader in source for reader in readers):
        assert "from __future__ import annotations\n" in source


@pytest.mark.parametrize("name", FILES)
def test_nothing_is_printed_or_unpickled(name):
    calls = {ast.unparse(node.func) for node in ast.walk(TREES[name]) if isinstance(node, ast.Call)}
    forbidden = {"print", "pickle.load", "pickle.loads", "eval", "exec", "np.load"}
    assert calls & forbidden == set()
    loads = [
        node
        for node in ast.walk(TREES[name])
        if isinstance(node, ast.Call) and ast.unparse(node.func) == "torch.load"
    ]
    assert all("weights_only=True" in ast.unparse(node) for node in loads)


def test_front_door_offers_these_names():
    assert curate.__all__ == sorted(curate.__all__)
    assert set(curate.__all__) == {
        "Config",
        "ConfigError",
        "CurateError",
        "DataError",
        "LabelError",
        "RunError",
        "ScoreFile",
        "StoreError",
        "UsageError",
        "__version__",
        "demo",
        "evaluate",
        "export_subset",
        "fit",
        "init",
        "load_config",
        "merge",
        "score",
        "weights_from_scores",
    }
    assert dir(curate) == curate.__all__


@pytest.mark.parametrize("name", sorted(set(curate.__all__) - {"__version__"}))
def test_front_door_leads_to_something_documented(name):
    thing = getattr(curate, name)
    assert thing.__name__ == name
    assert inspect.getdoc(thing)


def test_front_door_agrees_with_what_type_checkers_see():
    (block,) = [node for node in TREES["__init__.py"].body if is_type_checking(node)]
    seen = {
        alias.name: node.module
        for node in block.body
        if isinstance(node, ast.ImportFrom)
        for alias in node.names
    }
    assert seen == curate._MODULES
    assert set(seen) | {"__version__"} == set(curate.__all__)


def test_front_door_names_what_it_does_not_have():
    with pytest.raises(AttributeError, match="module 'curate' has no attribute 'nonsense'"):
        _ = curate.nonsense
