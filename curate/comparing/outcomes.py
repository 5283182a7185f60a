"""The folder of a comparison: its settings, and one file a finished training."""

from __future__ import annotations

import json
import shutil
from typing import TYPE_CHECKING, Any, Final, Self

from curate import texts
from curate.checking.memory import FOLDER_NAME as MEMORY_NAME
from curate.comparing.results import Outcome
from curate.config import Config
from curate.errors import ConfigError, StoreError, UsageError
from curate.files.atomic import claim, create_file, is_aside, replacing
from curate.training.run_record import FREE_TO_CHANGE

if TYPE_CHECKING:
    from pathlib import Path

SETTINGS_NAME: Final = "settings.json"
OUTCOMES_NAME: Final = "trainings"
WORK_NAME: Final = "work"
SHARED_NAME: Final = "shared"
FITS_NAME: Final = "fits"
"""Runs of methods: what the trainings of other arms, today's or later ones, select by."""
LOCK_NAME: Final = "lock"


class CompareFolder:
    """Keeps outcomes; locked for one process at a time.

    More arms, draws and seeds may be asked for than before; everything else must be the same.

    Raises
    ------
    UsageError
        If both flags are set, there is a comparison and neither is, or there is something else.
    ConfigError
        If it was begun with other settings.
    StoreError
        If another process works on it, or the disk does not let us write.
    """

    def __init__(self, path: Path, config: Config, *, resume: bool, overwrite: bool) -> None:
        self.path = path
        if resume and overwrite:
            msg = "--overwrite and --resume exclude each other: give one of them."
            raise UsageError(msg)
        settings = self.path / SETTINGS_NAME
        wanted = _settings(config)
        if settings.exists():
            if not (resume or overwrite):
                msg = (
                    f"{path} holds a comparison. Go on with --resume, replace it with --overwrite, "
                    "or name another --out."
                )
                raise UsageError(msg)
            then = _read_json(settings)
            if then.get("format") != wanted["format"]:
                msg = f"{path} is no comparison. Name another --out."
                raise UsageError(msg)
            if resume:
                _check_same(then, wanted, settings)
            _refuse_strange_files(path)
        elif path.exists() and (not path.is_dir() or any(path.iterdir())):
            msg = f"{path} is no comparison, and not empty. Name another --out."
            raise UsageError(msg)
        path.mkdir(parents=True, exist_ok=True)
        create_file(path / LOCK_NAME, exist_ok=True)
        self._lock = claim(path / LOCK_NAME, path)
        if overwrite:
            for name in (OUTCOMES_NAME, WORK_NAME, FITS_NAME, SHARED_NAME):
                shutil.rmtree(path / name, ignore_errors=True)
        (path / OUTCOMES_NAME).mkdir(exist_ok=True)
        with replacing(settings) as partial:
            partial.write_text(json.dumps(wanted, indent=1), encoding="utf-8")

    def take_memory(self, project: Path) -> None:
        """Take over what is known of the data sets: no training has to look at them again."""
        known = project / MEMORY_NAME
        if known.is_dir():
            shutil.copytree(known, self.path / MEMORY_NAME, dirs_exist_ok=True)

    def read(self, name: str) -> Outcome | None:
        """Return the outcome of a finished training; None where there is none."""
        path = self._path(name)
        if not path.exists():
            return None
        try:
            return Outcome.from_json(_read_json(path))
        except (KeyError, TypeError, ValueError) as error:
            msg = f"{path} is damaged ({error}). Remove it, and go on with --resume."
            raise StoreError(msg) from error

    def write(self, name: str, outcome: Outcome) -> None:
        """Keep the outcome of a training."""
        with replacing(self._path(name)) as partial:
            partial.write_text(json.dumps(outcome.to_json()), encoding="utf-8")

    def __enter__(self) -> Self:
        return self

    def __exit__(self, *_: object) -> None:
        self._lock.close()

    def _path(self, name: str) -> Path:
        return self.path / OUTCOMES_NAME / f"{name}.json"


def _settings(config: Config) -> dict[str, Any]:
    """Return what must be the same when a comparison goes on."""
    kept = json.loads(config.model_dump_json(exclude={"fit": set(FREE_TO_CHANGE)}))
    return {"format": "curate-compare", "format_version": 1, "config": kept}


def _refuse_strange_files(path: Path) -> None:
    """Refuse to work where something is among the outcomes that is none, and would be removed."""
    folder = path / OUTCOMES_NAME
    inside = sorted(folder.iterdir()) if folder.is_dir() else []
    for file in inside:
        if file.suffix != ".json" and not is_aside(file.name, lambda name: name.endswith(".json")):
            msg = f"{file} is no outcome of a training. Move it away, or name another --out."
            raise UsageError(msg)
    for name in (OUTCOMES_NAME, WORK_NAME):
        if (path / name).is_symlink():
            msg = f"{path / name} is a link. Remove it, or name another --out."
            raise UsageError(msg)


def _check_same(then: dict[str, Any], now: dict[str, Any], path: Path) -> None:
    """Refuse other settings; arms of the user's own may be added."""
    before, after = then.get("config"), now["config"]
    if not isinstance(before, dict):
        msg = f"{path} is no file of 'curate compare'. Name another --out."
        raise StoreError(msg)
    defaults = json.loads(Config().model_dump_json())
    changed = [
        key
        for key in after
        if key != "arm" and _with_defaults(before.get(key), defaults[key]) != after[key]
    ]
    earlier, added = ({arm["name"]: arm for arm in c.get("arm", ())} for c in (before, after))
    changed += [f"arm {n}" for n, arm in earlier.items() if n in added and added[n] != arm]
    if changed:
        msg = (
            f"{path.parent} was begun with other settings of {', '.join(changed)} (see {path}). "
            "Restore them, or name another --out."
        )
        raise ConfigError(msg)


def _with_defaults(before: Any, defaults: Any) -> Any:  # noqa: ANN401 (any JSON)
    """Add to a table of settings those that there were not yet."""
    if not isinstance(before, dict) or not isinstance(defaults, dict):
        return before
    return {k: v for k, v in defaults.items() if k not in FREE_TO_CHANGE} | before


def _read_json(path: Path) -> dict[str, Any]:
    """Read a file of our own."""
    try:
        values = texts.parse_json(texts.read_bytes(path))
    except (OSError, ValueError) as error:
        msg = f"{path} cannot be read: {error}. Remove it, and go on with --resume."
        raise StoreError(msg) from error
    if not isinstance(values, dict):
        msg = f"{path} holds no table. Remove it, and go on with --resume."
        raise StoreError(msg)
    return values
