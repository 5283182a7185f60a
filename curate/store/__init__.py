"""Until the rooms are moved: old names of what is in curate.files and curate.scores."""

from __future__ import annotations

import importlib
from typing import Any

_MODULES = {
    "Provenance": "scores.provenance",
    "RunRecord": "store.runs",
    "ScoreFile": "scores.score_file",
    "ScoreWriter": "scores.writer",
    "check_ids": "scores.checks",
    "check_writable": "files.atomic",
    "claim": "files.locks",
    "latest_run": "files.state",
    "latest_scores": "files.state",
    "load_state": "files.checkpoint",
    "next_run_name": "store.runs",
    "pack": "files.checkpoint",
    "parse_provenance": "scores.provenance",
    "read_run": "store.runs",
    "remember": "files.state",
    "remove_stale": "files.atomic",
    "replacing": "files.atomic",
    "replacing_folder": "files.atomic",
    "save_state": "files.checkpoint",
    "sha256_file": "files.atomic",
    "stream_column": "scores.schema",
    "unpack": "files.checkpoint",
    "write_run": "store.runs",
}


def __getattr__(name: str) -> Any:  # noqa: ANN401
    if name not in _MODULES:
        raise AttributeError(name)
    return getattr(importlib.import_module(f"curate.{_MODULES[name]}"), name)
