"""What a run's ``provenance.json`` says of classes and data sets, read with all checks."""

from __future__ import annotations

from typing import TYPE_CHECKING, Annotated

from pydantic import BaseModel, ConfigDict, Field, ValidationError

from curate import errors
from curate.training import run_record

if TYPE_CHECKING:
    from pathlib import Path

    from curate.training.task import Task


class Source(BaseModel):
    """What ``provenance.json`` says of a data set, as far as it is used."""

    model_config = ConfigDict(extra="allow", frozen=True)

    key: str
    fingerprint: str


class Classes(BaseModel):
    """The classes of a run."""

    name: str
    names: Annotated[tuple[str, ...], Field(min_length=1, max_length=254)]


class RunProvenance(BaseModel):
    """Content of ``provenance.json``, as far as it is used."""

    model_config = ConfigDict(extra="allow", frozen=True)

    classes: Classes
    real_class_px: list[Annotated[int, Field(ge=0, lt=2**63)]]
    real: list[Source]
    synthetic: list[Source]


def read_provenance(folder: Path) -> RunProvenance:
    """Read ``provenance.json`` of a run folder.

    Raises
    ------
    RunError
        If it is missing or damaged; the first wrong key is named.
    """
    path = folder / run_record.PROVENANCE_NAME
    try:
        found = RunProvenance.model_validate(run_record.read_json(path))
    except ValidationError as error:
        first = error.errors(include_url=False)[0]
        key = ".".join(map(str, first["loc"]))
        msg = f"{path}: key '{key}': {first['msg']}. The run is damaged: fit again."
        raise errors.RunError(msg) from None
    if len(found.real_class_px) != len(found.classes.names):
        msg = (
            f"{path} counts the pixels of {len(found.real_class_px)} classes, but names "
            f"{len(found.classes.names)}. The run is damaged: fit again."
        )
        raise errors.RunError(msg)
    return found


def changed_data(folder: Path, task: Task) -> list[Path]:
    """List the data sets that are not as they were when the run was started."""
    provenance = read_provenance(folder)
    then = [*provenance.real, *provenance.synthetic]
    now = [*task.real, *task.synthetic]
    known = [source.fingerprint for source in then] + [""] * len(now)
    return [s.root for s, was in zip(now, known, strict=False) if was != s.fingerprint()]
