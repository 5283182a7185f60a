"""Files: scores, runs, checkpoints, and how they get to the disk whole or not at all.

Everything below is imported when it is first used: reading scores needs no torch.
"""

from __future__ import annotations

import importlib
from typing import TYPE_CHECKING, Any, Final

if TYPE_CHECKING:
    from curate.store.atomic import check_writable, remove_stale, replacing, replacing_folder
    from curate.store.checkpoint import load_state, save_state
    from curate.store.digest import sha256_file
    from curate.store.ids import check_ids
    from curate.store.joining import Joined, join
    from curate.store.locks import claim
    from curate.store.provenance import Provenance, parse_provenance
    from curate.store.runs import RunRecord, next_run_name, read_run, write_run
    from curate.store.schema import stream_column
    from curate.store.scorefile import ScoreFile
    from curate.store.state import latest_run, latest_scores, remember
    from curate.store.tree import pack, unpack
    from curate.store.writer import ScoreWriter

__all__ = [
    "Joined",
    "Provenance",
    "RunRecord",
    "ScoreFile",
    "ScoreWriter",
    "check_ids",
    "check_writable",
    "claim",
    "join",
    "latest_run",
    "latest_scores",
    "load_state",
    "next_run_name",
    "pack",
    "parse_provenance",
    "read_run",
    "remember",
    "remove_stale",
    "replacing",
    "replacing_folder",
    "save_state",
    "sha256_file",
    "stream_column",
    "unpack",
    "write_run",
]

_MODULES: Final = {
    "Joined": "joining",
    "Provenance": "provenance",
    "RunRecord": "runs",
    "ScoreFile": "scorefile",
    "ScoreWriter": "writer",
    "check_ids": "ids",
    "check_writable": "atomic",
    "claim": "locks",
    "join": "joining",
    "latest_run": "state",
    "latest_scores": "state",
    "load_state": "checkpoint",
    "next_run_name": "runs",
    "pack": "tree",
    "parse_provenance": "provenance",
    "read_run": "runs",
    "remember": "state",
    "remove_stale": "atomic",
    "replacing": "atomic",
    "replacing_folder": "atomic",
    "save_state": "checkpoint",
    "sha256_file": "digest",
    "stream_column": "schema",
    "unpack": "tree",
    "write_run": "runs",
}


def __getattr__(name: str) -> Any:  # noqa: ANN401
    """Import what is asked for (PEP 562)."""
    if name not in _MODULES:
        msg = f"module 'curate.store' has no attribute '{name}'"
        raise AttributeError(msg)
    return getattr(importlib.import_module(f"curate.store.{_MODULES[name]}"), name)


def __dir__() -> list[str]:
    """List what can be imported."""
    return __all__
