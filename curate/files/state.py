"""The newest run and the newest score files, remembered in plain text beside curate.toml."""

import os
from collections.abc import Callable, Sequence
from pathlib import Path
from typing import Any, Final

from pydantic import BaseModel, ConfigDict, field_validator

from curate import remote, texts
from curate.errors import StoreError, UsageError
from curate.files.atomic import disk_errors, write_bytes
from curate.reporting import Reporter

STATE_NAME: Final = ".curate.json"


class _State(BaseModel):
    """Paths are relative to the folder of the file when they are inside it."""

    model_config = ConfigDict(extra="allow", frozen=True)

    latest_run: str | None = None
    latest_scores: list[str] = []

    @field_validator("latest_scores", mode="before")
    @classmethod
    def _is_a_list(cls, value: Any) -> Any:  # noqa: ANN401 (not checked yet)
        return [value] if isinstance(value, str) else value  # as earlier versions wrote it


def remember(root: Path, *, run: Path | None = None, scores: Sequence[Path] = ()) -> None:
    """Write down what later commands shall use by default; what is not given stays as it is.

    Several score files are those of the data sets that were scored by one command.

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
    update: dict[str, Any] = {}
    if run is not None:
        update["latest_run"] = _relative(run, root)
    if scores:
        update["latest_scores"] = [_relative(path, root) for path in scores]
    text = state.model_copy(update=update).model_dump_json(indent=2, exclude_defaults=True)
    path = root / STATE_NAME
    if os.path.lexists(path) and (path.is_symlink() or not path.is_file()):
        msg = f"{path} is no ordinary file, and is not written through. Remove it."
        raise StoreError(msg)
    write_bytes(path, f"{text}\n".encode())


def note(
    root: Path, reporter: Reporter, *, run: Path | None = None, scores: Sequence[Path] = ()
) -> None:
    """Do what `remember` does at the end of work that is whole, even if nothing can be written."""
    try:
        remember(root, run=run, scores=scores)
    except StoreError as error:
        option = "--run" if run else "--scores"
        what = run or ", ".join(map(str, scores))
        reporter.warn(
            f"{what} is finished, but later commands will not find it by themselves: "
            f"{error} Or name it with {option}."
        )


def latest_run(root: Path, find: Callable[[], Sequence[Path]] = tuple) -> Path:
    """Return the folder of the newest finished run.

    Parameters
    ----------
    find : callable
        Lists what there is, which is asked only if nothing is remembered.

    Raises
    ------
    UsageError
        If none is remembered and not exactly one is found, or it is gone.
    """
    advice = "Run 'curate fit' first; score and audit take another run by --run."
    entry = _read(root, advice).latest_run
    entries = [] if entry is None else [entry]
    return _existing(root, entries, find, "run", "--run", advice)[0]


def latest_scores(root: Path, find: Callable[[], Sequence[Path]] = tuple) -> list[Path]:
    """Return the paths of the newest score files: several where one command wrote several.

    Parameters
    ----------
    find : callable
        As for `latest_run`.

    Raises
    ------
    UsageError
        As `latest_run`.
    """
    advice = "Run 'curate score' first; or name one, to export-subset with --scores."
    entries = _read(root, advice).latest_scores
    return _existing(root, entries, find, "score file", "--scores", advice)


def _existing(
    root: Path,
    entries: Sequence[str],
    find: Callable[[], Sequence[Path]],
    what: str,
    option: str,
    advice: str,
) -> list[Path]:
    """Turn entries into paths that exist; without any, take the only one that is found."""
    if not entries:
        found = [_relative(path, root) for path in find()]
        if len(found) > 1:
            msg = (
                f"{root} holds {len(found)} {what}s and no record of which is the newest: "
                f"{', '.join(found)}. Name one with {option}."
            )
            raise UsageError(msg)
        if not found:
            msg = f"no {what} is known in {root}. {advice}"
            raise UsageError(msg)
        entries = found
    named = [remote.as_path(entry) for entry in entries]
    paths = [path if path.is_absolute() else root / path for path in named]
    for path in paths:
        # Of a score file without maps, only the tables exist.
        if not path.exists() and not path.with_name(f"{path.stem}.images{path.suffix}").exists():
            msg = f"the newest {what}, {path}, is no longer there. {advice}"
            raise UsageError(msg)
    return paths


def _read(root: Path, advice: str = "") -> _State:
    """Read the record; an empty one if there is none."""
    path = root / STATE_NAME
    if not os.path.lexists(path):
        return _State()
    if not path.is_file():  # a link that leads nowhere, a pipe, ..
        msg = f"{path} is no ordinary file. Remove it."
        raise StoreError(msg)
    with disk_errors("read", path):
        content = texts.read_bytes(path)
    try:
        return _State.model_validate(texts.parse_json(content))
    except ValueError:  # a ValidationError is one
        msg = f"{path} is damaged; the next fit or score writes it anew. {advice}"
        raise UsageError(msg) from None


def _relative(path: Path, root: Path) -> str:
    """Write a path relative to `root` where it is inside, else as an absolute one."""
    path, root = remote.as_path(path).absolute(), root.absolute()
    return path.relative_to(root).as_posix() if path.is_relative_to(root) else str(path)
