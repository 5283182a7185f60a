"""The folder of a demo: refused where anything else is, known by its settings and its files."""

from __future__ import annotations

import os
from pathlib import Path
from typing import Final

from curate import errors, texts
from curate.checking.memory import FOLDER_NAME
from curate.config import CONFIG_NAME
from curate.demonstration.world import WorldPaths
from curate.files import atomic
from curate.files.state import STATE_NAME
from curate.scores import targets
from curate.training.run_folder import RUNS_NAME

AUDIT_NAME: Final = "audit.csv"
SHEET_NAME: Final = "sheet.png"
REPORT_NAME: Final = "report.html"
SCORES_NAME: Final = "weights.h5"
SUBSET_NAME: Final = "subset"
_RECORDS: Final = (CONFIG_NAME, STATE_NAME, FOLDER_NAME, RUNS_NAME)
_RESULTS: Final = (AUDIT_NAME, SUBSET_NAME, SHEET_NAME, REPORT_NAME)
_SCORES: Final = targets.Target(Path(SCORES_NAME), targets.Kind.H5)
_SCORE_FILES: Final = [path.name for path in (*_SCORES.places, _SCORES.pieces)]
OWN_NAMES: Final = frozenset((*WorldPaths._fields, *_RECORDS, *_SCORE_FILES, *_RESULTS))
"""What a folder may hold that is replaced."""


def prepare(out: Path, settings: str, *, resume: bool, overwrite: bool) -> None:
    """Refuse a folder that is in the way; write the settings, by which a demo is known.

    Parameters
    ----------
    out : Path
        New or empty, unless `resume` or `overwrite` is set.
    settings : str
        What its curate.toml holds; the first line is that of any demo.
    resume : bool
        Take a demo of these settings as it is.
    overwrite : bool
        Remove a demo of any settings, if nothing else is in its folder.

    Raises
    ------
    UsageError
        Naming what is in the way.
    StoreError
        If the disk does not let us.
    """
    if resume and overwrite:
        msg = "--overwrite and --resume exclude each other: give one of them."
        raise errors.UsageError(msg)
    is_there = out.is_dir() and any(out.iterdir())
    if is_there or (os.path.lexists(out) and not out.is_dir()):
        problem = _find_problem(out, settings if resume else settings.partition("\n")[0])
        if problem or not (resume or overwrite):
            choices = (
                "Name" if problem else "Go on with --resume, replace it with --overwrite, or name"
            )
            msg = f"{out} {problem or 'holds a demo.'} {choices} a new folder with --out."
            raise errors.UsageError(msg)
        if overwrite:
            atomic.remove_folder(out)
    atomic.check_writable(out)
    atomic.write_bytes(out / CONFIG_NAME, settings.encode())


def _find_problem(out: Path, settings: str) -> str:
    """Tell why a folder is no demo whose settings begin so; empty if it is one."""
    names = {path.name for path in out.iterdir()} if out.is_dir() else set()
    found = out / CONFIG_NAME
    if CONFIG_NAME not in names or found.is_symlink() or not found.is_file():
        return "exists and is not empty."
    if not texts.read_bytes(found).startswith(settings.encode()):
        return f"holds a {CONFIG_NAME} of other settings than this demo's."
    strange = sorted(n for n in names - OWN_NAMES if not atomic.is_aside(n, str))
    return f"holds {strange[0]!r}, which 'curate demo' did not write." if strange else ""
