"""What the shell offers for the values of options; nothing heavy is imported for it."""

from __future__ import annotations

import ast
from pathlib import Path
from typing import TYPE_CHECKING

import curate
from curate import records

if TYPE_CHECKING:
    from collections.abc import Iterable


def complete_method(incomplete: str) -> list[str]:
    """Offer the weighting methods."""
    return _begin(_keys("methods/__init__.py", "METHODS"), incomplete)


def complete_segmenter(incomplete: str) -> list[str]:
    """Offer the built-in segmenters."""
    return _begin(_keys("models/registry.py", "SEGMENTERS"), incomplete)


def complete_layout(incomplete: str) -> list[str]:
    """Offer the layouts."""
    return _begin(("auto", *_keys("data/layouts/__init__.py", "LAYOUTS")), incomplete)


def complete_id_map(incomplete: str) -> list[str]:
    """Offer the built-in id maps, and TOML files."""
    from curate.data.id_tables import PUBLISHED_IDS

    return _begin((*PUBLISHED_IDS, "classes"), incomplete) + _files(incomplete, ".toml")


def complete_corruptions(incomplete: str) -> list[str]:
    """Offer the next kind of a list: ``style,bl`` becomes ``style,blur``."""
    before, comma, last = incomplete.rpartition(",")
    known = (*_keys("corruptions/__init__.py", "_SINGLE"), "mixture")
    named = before.split(",")
    fitting = _begin((name for name in known if name not in named), last)
    return [f"{before}{comma}{name}" for name in fitting]


def complete_column(incomplete: str) -> list[str]:
    """Offer what can rank: columns of scores and weights, and the streams."""
    streams = _keys("methods/streams/streams.py", "STREAMS")
    return _begin((*records.SCORE_NAMES, *records.WEIGHT_NAMES, *streams), incomplete)


def complete_run(incomplete: str) -> list[str]:
    """Offer the run folders beside curate.toml."""
    runs = sorted(Path("runs").glob("*/run.json"))
    return _begin((path.parent.as_posix() for path in runs), incomplete)


def complete_scores(incomplete: str) -> list[str]:
    """Offer score files."""
    return _files(incomplete, ".h5")


def _begin(names: Iterable[str], incomplete: str) -> list[str]:
    """Keep the names that begin so."""
    return [name for name in names if name.startswith(incomplete)]


def _files(incomplete: str, suffix: str) -> list[str]:
    """List files and folders that begin so, as the shell would."""
    folder, slash, last = incomplete.rpartition("/")
    found = sorted(Path(f"{folder}{slash}" or ".").glob(f"{last}*"))
    kept = [path for path in found if path.suffix == suffix or path.is_dir()]
    return [f"{folder}{slash}{path.name}{'/' if path.is_dir() else ''}" for path in kept]


def _keys(file: str, table: str) -> list[str]:
    """Read the keys of a literal dict of a module without importing what it needs."""
    path = Path(curate.__file__).parent / file
    for node in ast.parse(path.read_text(encoding="utf-8")).body:
        if not (isinstance(node, ast.AnnAssign) and isinstance(node.value, ast.Dict)):
            continue
        if isinstance(node.target, ast.Name) and node.target.id == table:
            keys = map(ast.unparse, filter(None, node.value.keys))
            # a key is a text, or a constant that is called as what it says, in capitals
            return [key.strip("'") if key.startswith("'") else key.lower() for key in keys]
    return []
