"""The house rules that a machine can check."""

from __future__ import annotations

import ast
import inspect
import statistics
import tokenize
from collections import Counter, defaultdict
from pathlib import Path

import pytest

import curate

ROOT = Path(curate.__file__).parent
FILES = {path.relative_to(ROOT).as_posix(): path for path in sorted(ROOT.rglob("*.py"))}
LENGTHS = {name: len(path.read_text(encoding="utf-8").splitlines()) for name, path in FILES.items()}
TREES = {name: ast.parse(path.read_text(encoding="utf-8")) for name, path in FILES.items()}

LINES = (
    ("cli",),
    ("demonstration", "auditing", "comparing", "showing", "template"),
    ("downstream", "selection", "scoring", "checkup", "proposals"),
    ("training", "costs"),
    ("methods",),
    ("models", "scores", "checking"),
    ("data", "cluster"),
    ("files", "corruptions", "distributed", "config", "metrics", "weighting", "grid"),
    ("records", "dataset_config", "interrupts", "job", "reporting", "seeding", "texts"),
    ("remote",),
    ("errors",),
)
"""The house from the roof down: a file imports from lines below its own."""

SAME_LINE = {
    ("demonstration", "auditing"),
    ("demonstration", "showing"),
    ("training", "costs"),
}
"""Who may import whom on the same line; it never goes both ways."""

ENTRANCES = ("__init__.py", "__main__.py")  # the front door sees every line


def module_of(name):
    """Name the module of a file: ``data/__init__.py`` -> ``curate.data``."""
    parts = ("curate", *Path(name).with_suffix("").parts)
    return ".".join(parts[:-1] if parts[-1] == "__init__" else parts)


MODULES = {module_of(name): name for name in FILES}


def package_of(module):
    """Name the part of curate that a module belongs to: ``curate.data.png`` -> ``data``."""
    return [*module.split("."), ""][1]


def line_of(package):
    """Number of the line that a room or leaf stands on, 0 at the top."""
    (number,) = [number for number, line in enumerate(LINES) if package in line]
    return number


def may_import(package, other):
    return package == other or line_of(package) < line_of(other) or (package, other) in SAME_LINE


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
    inactive = (tokenize.COMMENT, tokenize.NL, tokenize.NEWLINE, tokenize.INDENT, tokenize.DEDENT)
    with FILES[name].open("rb") as file:
        tokens = [
            t for t in tokenize.tokenize(file.readline) if t.type not in inactive and t.string
        ]
    code = {line for token in tokens[1:] for line in range(token.start[0], token.end[0] + 1)}
    for node in ast.walk(TREES[name]):
        if isinstance(node, (ast.Module, ast.ClassDef, ast.FunctionDef)) and ast.get_docstring(
            node
        ):
            code -= set(range(node.body[0].lineno, node.body[0].end_lineno + 1))
    return code


def import_lines(name):
    """Numbers of the lines that import statements fill."""
    return {
        line
        for node in ast.walk(TREES[name])
        if isinstance(node, (ast.Import, ast.ImportFrom))
        for line in range(node.lineno, node.end_lineno + 1)
    }


def inside(names):
    return [name for name in names if name not in ENTRANCES]


def test_every_room_and_leaf_has_its_line():
    there = {package_of(module_of(name)) for name in inside(FILES)}
    listed = [package for line in LINES for package in line]
    assert sorted(listed) == sorted(there)


def test_files_import_only_from_lines_below():
    wrong = {
        f"{name} imports {other}"
        for name in inside(FILES)
        for other in {package_of(module) for module in imports(name)}
        if not may_import(package_of(module_of(name)), other)
    }
    assert wrong == set()


def test_rooms_on_one_line_import_one_way():
    for one, other in SAME_LINE:
        assert line_of(one) == line_of(other)
        assert (other, one) not in SAME_LINE


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


def test_files_are_short():
    long = {name for name, count in LENGTHS.items() if count > 400}
    assert long == set()


def test_most_files_are_short():
    assert statistics.median(LENGTHS.values()) <= 150


def test_folders_are_small():
    folders = Counter(str(Path(name).parent) for name in FILES)
    assert {folder for folder, count in folders.items() if count > 20} == set()


def test_names_are_not_used_twice():
    """A command and what it calls, and the parts of each method, are one idea each."""
    rooms = defaultdict(set)
    for name in inside(FILES):
        if Path(name).name not in ENTRANCES and not name.startswith(("cli/", "methods/")):
            rooms[Path(name).stem].add(str(Path(name).parent))
    assert {stem: where for stem, where in rooms.items() if len(where) > 1} == {}


def test_imports_are_a_tenth_of_the_code():
    code = sum(len(lines_of_code(name)) for name in FILES)
    assert sum(len(import_lines(name)) for name in FILES) <= 0.1 * code


def test_functions_fit_a_screen():
    long = {
        f"{name}:{node.name}"
        for name, tree in TREES.items()
        for node in ast.walk(tree)
        if isinstance(node, ast.FunctionDef) and node.end_lineno - node.body[0].lineno > 100
    }
    assert long == set()


def test_no_module_is_a_drawer():
    drawers = {"utils", "util", "common", "helpers", "helper", "misc"}
    assert {name for name in FILES if drawers & set(Path(name).with_suffix("").parts)} == set()


def undocumented(tree, prefix=""):
    """Public functions and classes without a docstring; overloads need none."""
    for node in tree.body:
        if isinstance(node, (ast.FunctionDef, ast.ClassDef)) and not node.name.startswith("_"):
            is_overload = any("overload" in ast.unparse(d) for d in node.decorator_list)
            if ast.get_docstring(node) is None and not is_overload:
                yield prefix + node.name
            if isinstance(node, ast.ClassDef):
                yield from undocumented(node, f"{prefix}{node.name}.")


def test_what_is_public_is_documented():
    for name, tree in TREES.items():
        assert ast.get_docstring(tree) is not None, name
        assert list(undocumented(tree)) == [], name


def test_annotations_are_not_evaluated_unless_someone_reads_them():
    readers = ("from pydantic import", "import typer\n")
    for name, path in FILES.items():
        source = path.read_text(encoding="utf-8")
        if len(TREES[name].body) > 1 and not any(reader in source for reader in readers):
            assert "from __future__ import annotations\n" in source, name


def test_nothing_is_printed_or_unpickled():
    forbidden = {"print", "pickle.load", "pickle.loads", "eval", "exec", "np.load"}
    for name, tree in TREES.items():
        calls = [node for node in ast.walk(tree) if isinstance(node, ast.Call)]
        assert {ast.unparse(node.func) for node in calls} & forbidden == set(), name
        loads = [node for node in calls if ast.unparse(node.func) == "torch.load"]
        assert all("weights_only=True" in ast.unparse(node) for node in loads), name


def test_type_checkers_may_read_it():
    assert (ROOT / "py.typed").is_file()


def test_tests_mirror_the_rooms():
    """A file of tests stands beside its module, or opens with the idea that it tests."""
    tests = Path(__file__).parent
    apart = {"benchmarks", "benchmarks/gpu", "disk_faults"}  # folders that stand for no room
    for path in sorted(tests.rglob("test_*.py")):
        folder = path.parent.relative_to(tests).as_posix()
        assert folder in apart or (ROOT / folder).is_dir(), f"{folder} is no room"
        module = (ROOT / folder / path.name.removeprefix("test_")).with_suffix("")
        if not (module.with_suffix(".py").exists() or module.is_dir()):
            tree = ast.parse(path.read_text(encoding="utf-8"))
            assert ast.get_docstring(tree), f"{path} names no module and states no idea"


def test_front_door_offers_these_names():
    assert curate.__all__ == sorted(curate.__all__)
    assert set(curate.__all__) == {
        "Config",
        "ConfigError",
        "CurateError",
        "DataError",
        "LabelError",
        "Reporter",
        "RunError",
        "ScoreFile",
        "StoreError",
        "UsageError",
        "__version__",
        "audit",
        "check",
        "compare",
        "demo",
        "evaluate",
        "export_subset",
        "fit",
        "init",
        "load_config",
        "merge",
        "report",
        "score",
        "score_all",
        "show",
        "weights_from_scores",
    }
    assert dir(curate) == curate.__all__


@pytest.mark.parametrize("name", sorted(set(curate.__all__) - {"__version__"}))
def test_front_door_leads_to_something_documented(name):
    thing = getattr(curate, name)
    assert thing.__name__ == name
    assert getattr(curate, name) is thing  # no module of its name has taken its place
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


def test_front_door_shares_no_name_with_a_module():
    """Importing ``curate.x`` would put the module where the function ``x`` is looked up."""
    assert {package_of(module) for module in MODULES} & set(curate.__all__) == set()


def test_front_door_names_what_it_does_not_have():
    with pytest.raises(AttributeError, match="module 'curate' has no attribute 'nonsense'"):
        _ = curate.nonsense
