"""The newest run and the newest score file, remembered in plain text beside curate.toml."""

import os
from pathlib import Path
from typing import Final

from pydantic import BaseModel, ConfigDict

from curate import texts
from curate.errors import StoreError, UsageError
from curate.files.atomic import disk_errors, write_bytes
from curate.reporting import Reporter

STATE_NAME: Final = ".curate.json"


class _State(BaseModel):
    """Paths are relative to the folder of the file when they are inside it."""

    model_config = ConfigDict(extra="allow", frozen=True)

    latest_run: str | None = None
    latest_scores: str | None = None


def remember(root: Path, *, run: Path | None = None, scores: Path | None = None) -> None:
    """Write down what later commands shall use by default; None leaves an entry as it is.

    A damaged record is written anew.

    Raises
    ------
    StoreError
        If the disk does not let us.
    """
    try:
        state = _read(root)
    except (UsageError, StoreError):
        state = _State()
    given = {"latest_run": run, "latest_scores": scores}
    update = {key: _relative(path, root) for key, path in given.items() if path is not None}
    text = state.model_copy(update=update).model_dump_json(indent=2)
    path = root / STATE_NAME
    if os.path.lexists(path) and (path.is_symlink() or not path.is_file()):
        msg = f"{path} is no ordinary file, and is not written through. Remove it."
        raise StoreError(msg)
    write_bytes(path, f"{text}\n".encode())


def note(
    root: Path, reporter: Reporter, *, run: Path | None = None, scores: Path | None = None
) -> None:
    """Do what `remember` does at the end of work that is whole, even if nothing can be written."""
    try:
        remember(root, run=run, scores=scores)
    except StoreError as error:
        option = "--run" if run else "--scores"
        reporter.warn(
            f"{run or scores} is finished, but later commands will not find it by themselves: "
            f"{error} Or name it with {option}."
        )


def latest_run(root: Path) -> Path:
    """Return the folder of the newest finished run.

    Raises
    ------
    UsageError
        If none is remembered, or it is gone.
    """
    advice = "Run 'curate fit' first; score and audit take another run by --run."
    return _existing(root, _read(root, advice).latest_run, "run", advice)


def latest_scores(root: Path) -> Path:
    """Return the path of the newest score file.

    Raises
    ------
    UsageError
        If none is remembered, or it is gone.
    """
    advice = "Run 'curate score' first; export-subset takes another file by --scores."
    return _existing(root, _read(root, advice).latest_scores, "score file", advice)


def _existing(root: Path, entry: str | None, what: str, advice: str) -> Path:
    """Turn an entry into a path that exists."""
    if entry is None:
        msg = f"no {what} is known in {root}. {advice}"
        raise UsageError(msg)
    path = root / entry
    # Of a score file without maps, only the tables exist.
    if not path.exists() and not path.with_name(f"{path.stem}.images{path.suffix}").exists():
        msg = f"the newest {what}, {path}, is no longer there. {advice}"
        raise UsageError(msg)
    return path


def _read(root: Path, advice: str = "") -> _State:
    """Read the record; an empty one if there is none."""
    path = root / STATE_NAME
    if not os.path.lexists(path):
        return _State()
    with disk_errors("read", path):
        content = texts.read_bytes(path)
    try:
        return _State.model_validate(texts.parse_json(content))
    except ValueError:  # a ValidationError is one
        msg = f"{path} is damaged; the next fit or score writes it anew. {advice}"
        raise UsageError(msg) from None


def _relative(path: Path, root: Path) -> str:
    """Write a path relative to `root` where it is inside, else as an absolute one."""
    path, root = path.absolute(), root.absolute()
    return path.relative_to(root).as_posix() if path.is_relative_to(root) else str(path)
