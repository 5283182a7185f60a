"""Run folders: ``runs/run-0001/run.json`` and whatever a workflow puts beside it."""

import hashlib
import json
import re
from pathlib import Path
from typing import Any, Final, Literal

from pydantic import BaseModel, ConfigDict, ValidationError

from curate.errors import RunError
from curate.files.atomic import write_bytes
from curate.files.disk_errors import disk_errors

RUN_FORMAT: Final = "curate-run"
RUN_FORMAT_VERSION: Final = 1
RUN_FILE: Final = "run.json"

_NAME: Final = re.compile(r"run-(\d{4,9})")


class RunRecord(BaseModel):
    """Content of ``run.json``; keys of later versions are kept.

    Attributes
    ----------
    status : str
        ``running`` until the training ended as planned, then ``finished``.
    run_id : str
        Unlike that of any other run.
    result : dict
        What the finished training reports.
    segmenter_sha256, method_sha256 : str
        Checksums of the final weights; empty before.
    """

    model_config = ConfigDict(extra="allow", frozen=True)

    format: Literal["curate-run"] = RUN_FORMAT
    format_version: int = RUN_FORMAT_VERSION
    status: Literal["running", "finished"]
    run_id: str = ""
    result: dict[str, Any] = {}
    segmenter_sha256: str = ""
    method_sha256: str = ""

    @property
    def checkpoint_sha256(self) -> str:
        """Return one checksum for all final weights together."""
        both = f"{self.segmenter_sha256}\n{self.method_sha256}\n"
        return hashlib.sha256(both.encode()).hexdigest()


def write_run(folder: Path, *, status: Literal["running", "finished"], **values: Any) -> None:  # noqa: ANN401
    """Write ``run.json`` of a run folder; `values` are further keys and must be JSON.

    Raises
    ------
    StoreError
        If the disk does not let us.
    """
    record = RunRecord(status=status, **values)
    write_bytes(folder / RUN_FILE, (record.model_dump_json(indent=2) + "\n").encode())


def read_run(folder: Path) -> RunRecord:
    """Read ``run.json`` of a run folder.

    Raises
    ------
    RunError
        If there is none, it is damaged or foreign, or a newer version wrote it.
    """
    path = folder / RUN_FILE
    if not path.is_file():
        msg = f"{folder} is no run: it has no {RUN_FILE}. Name a folder that 'curate fit' made."
        raise RunError(msg)
    with disk_errors("read", path):
        content = path.read_bytes()
    table = _parse(content, path)
    version = table.get("format_version")
    if isinstance(version, int) and version > RUN_FORMAT_VERSION:
        msg = (
            f"{path} has format version {version}; this curate reads versions up to "
            f"{RUN_FORMAT_VERSION}. Install a newer curate, or fit again."
        )
        raise RunError(msg)
    try:
        return RunRecord.model_validate(table)
    except ValidationError as error:
        first = error.errors(include_url=False)[0]
        key = ".".join(map(str, first["loc"]))
        msg = f"{path}: key '{key}': {first['msg']}. Fit again, or name another run."
        raise RunError(msg) from None


def next_run_name(folder: Path) -> str:
    """Return the name after the highest one in use: ``run-0001``, ``run-0002``, ..."""
    numbers = []
    if folder.is_dir():
        with disk_errors("read", folder):
            matches = [_NAME.fullmatch(path.name) for path in folder.iterdir()]
        numbers = [int(match[1]) for match in matches if match]
    return f"run-{1 + max(numbers, default=0):04d}"


def _parse(content: bytes, path: Path) -> dict[str, Any]:
    """Read the JSON of a run."""
    try:
        table = json.loads(content)
    except (ValueError, RecursionError):
        table = None
    if not isinstance(table, dict) or table.get("format") != RUN_FORMAT:
        msg = f"{path} is damaged or no run of curate. Fit again, or name another run."
        raise RunError(msg)
    return table
