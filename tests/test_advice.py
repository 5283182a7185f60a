"""What messages tell people to do can be done: each option, key and command named is there.

Messages of a module are read by whoever uses a command that can reach it. So an option stands in a
message only if every such command has it, or if the message says whose option it is.
"""

from __future__ import annotations

import ast
import re

import pytest
from pydantic import BaseModel
from typer.main import get_command

import curate
from curate.checking.leave_out import FixList
from curate.cli.app import COMMANDS, app
from curate.config import Config
from curate.data.idmap_files import IdMapFile
from curate.methods import METHODS
from tests.test_contract import FILES, MODULES, TREES, imports

OPTIONS = {
    name: {option for param in command.params for option in (*param.opts, *param.secondary_opts)}
    for name, command in get_command(app).commands.items()
}
SETTLED = {
    *(("compare", "selection"), ("compare", "scoring"), ("audit", "training")),
    *(("report", "selection"), ("show", "selection"), ("show", "texts.py")),
}
"""Commands, and rooms whose options they choose themselves, or that they use of finished runs."""
FOREIGN = {"--shm-size", "--ipc", "--nproc-per-node"}
"""Options of other programs that messages name."""

VERBS = {"reads", "knows", "wrote", "writes", "made", "or"}
"""What follows the word curate where the program is meant."""

OPTION = re.compile(r"(?<![\w-])--[a-z][a-z-]*[a-z]")
COMMAND = re.compile(r"\bcurate ([a-z][a-z-]+)")
KEY = re.compile(r"(?<![\w.\"'-])([a-z][a-z_]+) = (?=[\"'\[{<]|\.\.|\d|true|false)")
TABLE = re.compile(r"(?<![\w\"'\\])\[\[?([a-z][a-z_]+)\]\]?(?!\w)")


def tables_and_keys():
    """Names of all tables, and all keys, of the TOML files that people write."""
    tables, keys = set(), set()
    waiting = [Config, IdMapFile, FixList, *(method.Settings for method in METHODS.values())]
    while waiting:
        for name, field in waiting.pop().model_fields.items():
            keys.add(name)
            inner = [field.annotation, *getattr(field.annotation, "__args__", ())]
            models = [t for t in inner if isinstance(t, type) and issubclass(t, BaseModel)]
            waiting += models
            if models or "dict" in str(field.annotation):
                tables.add(name)
    return tables, keys


TABLES, KEYS = tables_and_keys()


def front_door(tree):
    """Modules behind the names that a file takes from the front door: ``curate.fit``."""
    return {
        curate._MODULES[node.attr]
        for node in ast.walk(tree)
        if isinstance(node, ast.Attribute)
        and ast.unparse(node.value) == "curate"
        and node.attr in curate._MODULES
    }


def reached_by(command):
    """Names of the files that a command can run, its own first."""
    start = f"curate.cli.{command.replace('-', '_')}"
    waiting, seen = [start], set()
    while waiting:
        module = waiting.pop()
        name = MODULES.get(module)
        if name is None or name in seen or name == "__init__.py":
            continue
        seen.add(name)
        waiting += [*imports(name), *front_door(TREES[name])]
    return seen


APART = {"demo", "init"}
"""Commands whose settings are their own: what can go wrong in them is not for options to mend."""

REACHED = {command: reached_by(command) for command in COMMANDS}
READERS = {name: {c for c in COMMANDS if name in REACHED[c]} - APART for name in FILES}


def texts(tree):
    """Every string of a file that is no docstring; what an f-string puts in is `<..>`."""
    docs = {id(node.value) for node in ast.walk(tree) if isinstance(node, ast.Expr)}
    inside = set()
    for node in ast.walk(tree):
        if id(node) in docs or id(node) in inside:
            continue
        if isinstance(node, ast.JoinedStr):
            inside |= {id(child) for child in ast.walk(node)} - {id(node)}
            yield "".join(p.value if isinstance(p, ast.Constant) else "<..>" for p in node.values)
        elif isinstance(node, ast.Constant) and isinstance(node.value, str):
            yield node.value


MESSAGES = [
    (name, text)
    for name, tree in TREES.items()
    for text in texts(tree)
    if " " in text.strip() and not name.startswith("demonstration/")
]


def owners(sentence):
    """Commands that a sentence names: whoever reads it can tell that its options are theirs."""
    return {c for c in COMMANDS if re.search(rf"(?<![\w\[-]){c}(?![\w-])", sentence, re.IGNORECASE)}


def misplaced(name, text):
    """Yield options that a reader of a message may not have, though it does not say whose they are.

    An option that a message begins with is what the person gave.
    """
    given = (text.split() or [""])[0]
    for sentence in re.split(r"(?<=[.;:]) ", text):
        for option in set(OPTION.findall(sentence)) - FOREIGN:
            having = {command for command in COMMANDS if option in OPTIONS[command]}
            readers = {c for c in READERS[name] if (c, name.split("/")[0]) not in SETTLED}
            named = owners(sentence)
            given_too = given == "--image-pattern" and option == "--label-pattern"
            if given_too:
                continue
            if not having or not (option == given or readers <= having or set() < named <= having):
                yield f"{name}: {option} ({', '.join(sorted(readers - having))} lack it): {text}"


def test_messages_are_found():
    assert len(MESSAGES) > 500
    assert {"id_map", "split", "layout", "steps", "file"} & KEYS
    assert READERS["training/task.py"] >= {"fit", "compare"}
    assert "merge" not in READERS["training/task.py"]


def test_options_in_messages_exist_where_they_are_read():
    assert [problem for name, text in MESSAGES for problem in misplaced(name, text)] == []


@pytest.mark.parametrize(
    ("name", "text", "is_wrong"),
    [
        ("data/labels.py", "Give --id-map a file.", True),
        ("data/labels.py", "Name it by id_map, or by --id-map of score and audit.", False),
        ("data/labels.py", "Name it by --id-map of fit.", True),
        ("training/fit.py", "Go on with --resume.", False),
        ("training/fit.py", "Use --no-such-option.", True),
        ("job.py", "--shard 3: write 1/3.", False),
    ],
)
def test_misplaced_options_are_told_from_others(name, text, is_wrong):
    assert bool(list(misplaced(name, text))) == is_wrong


def test_commands_in_messages_exist():
    wrong = [
        f"{name}: {text}"
        for name, text in MESSAGES
        if not set(COMMAND.findall(text)) <= {*COMMANDS, *VERBS}
    ]
    assert wrong == []


def test_keys_and_tables_in_messages_exist():
    wrong = []
    for name, text in MESSAGES:
        wrong += [f"{name}: {key} =: {text}" for key in KEY.findall(text) if key not in KEYS]
        wrong += [f"{name}: [{t}]: {text}" for t in TABLE.findall(text) if t not in TABLES]
    assert wrong == []
