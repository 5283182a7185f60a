"""What a run folder records: state, result, settings, data sets, splits and measurements."""

from __future__ import annotations

import hashlib
import json
import platform
import re
import shlex
from contextlib import contextmanager, suppress
from importlib.metadata import version
from typing import TYPE_CHECKING, Any, Final, Literal

import pandas as pd
import pyarrow as pa
from pydantic import BaseModel, ConfigDict, ValidationError

from curate import errors, methods, records, texts
from curate.files import transfer
from curate.files.atomic import disk_errors, replacing, write_bytes

if TYPE_CHECKING:
    from collections.abc import Iterator, Mapping, Sequence
    from pathlib import Path

    from curate.config import Config
    from curate.data.dataset import DataSource
    from curate.training.task import Task

RUN_FORMAT: Final = "curate-run"
RUN_FORMAT_VERSION: Final = 1
RUN_NAME: Final = records.RUN_RECORD
SETTINGS_NAME: Final = "config.json"
PROVENANCE_NAME: Final = "provenance.json"
SPLITS_NAME: Final = "splits.parquet"
METRICS_NAME: Final = "metrics.parquet"
EVENTS_NAME: Final = "tensorboard"
PREPARED_PREFIX: Final = "prepared-"
"""Of the name of the file of what a method has prepared."""
PACKAGES: Final = ("curate-seg", "torch", "torchvision", "timm", "numpy")
"""Those that scores depend on."""

RECENT_STEPS: Final = 50
FREE_TO_CHANGE: Final = ("device", "workers", "keep_mib", "checkpoint_every", "tensorboard")
"""Keys of [fit] that may differ when a run is resumed."""

_UNREADABLE: Final = (OSError, KeyError, ValueError, TypeError, RuntimeError, pa.ArrowException)
_NUMBERED: Final = re.compile(r"run-(\d{4,9})")


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
        If the disk refuses it.
    """
    record = RunRecord(status=status, **values)
    write_bytes(folder / RUN_NAME, (record.model_dump_json(indent=2) + "\n").encode())


def read_run(folder: Path) -> RunRecord:
    """Read ``run.json`` of a run folder.

    Raises
    ------
    RunError
        If there is none, it is damaged or foreign, or a newer version wrote it.
    """
    path = folder / RUN_NAME
    if not path.is_file():
        msg = f"{folder} is no run: it has no {RUN_NAME}. Name a folder that 'curate fit' made."
        raise errors.RunError(msg)
    with disk_errors("read", path):
        content = texts.read_bytes(path)
    table = _parse(content, path)
    written = table.get("format_version")
    if isinstance(written, int) and written > RUN_FORMAT_VERSION:
        msg = (
            f"{path} has format version {written}; this curate reads versions up to "
            f"{RUN_FORMAT_VERSION}. Install a newer curate, or fit again."
        )
        raise errors.RunError(msg)
    try:
        return RunRecord.model_validate(table)
    except ValidationError as error:
        first = error.errors(include_url=False)[0]
        key = ".".join(map(str, first["loc"]))
        msg = f"{path}: key '{key}': {first['msg']}. Fit again, or name another run."
        raise errors.RunError(msg) from None


def read_finished(folder: Path) -> RunRecord:
    """Read ``run.json`` of a finished run; any other state of it is a `RunError`."""
    record = read_run(folder)
    if record.status != "finished":
        quoted = shlex.quote(str(folder))
        msg = f"{folder} is not finished. Finish it with: curate fit --resume --out {quoted}"
        raise errors.RunError(msg)
    return record


def newest_run(folder: Path) -> Path | None:
    """Find the run with the highest number; None where there is none."""
    found = [path for path in folder.glob("run-*") if (path / RUN_NAME).exists()]
    return max(found, key=lambda path: (len(path.name), path.name), default=None)


def find_finished(folder: Path) -> list[Path]:
    """List the finished runs in a folder whose methods give scores; what is damaged is none."""
    found = []
    for path in sorted(folder.glob(f"*/{RUN_NAME}")):
        with suppress(errors.CurateError, KeyError, TypeError):
            settings = read_json(path.parent / SETTINGS_NAME)
            method = str(settings["fit"]["method"]) if "fit" in settings else ""
            if read_run(path.parent).status == "finished" and gives_scores(method):
                found.append(path.parent)
    return found


def gives_scores(method: str) -> bool:
    """Tell whether a run of a method is one to score with; `uniform` and controls are none."""
    return method in methods.METHODS and methods.METHODS[method].gives_scores


def next_run_name(folder: Path) -> str:
    """Return the name after the highest one in use: ``run-0001``, ``run-0002``, ..."""
    numbers = []
    if folder.is_dir():
        with disk_errors("read", folder):
            matches = [_NUMBERED.fullmatch(path.name) for path in folder.iterdir()]
        numbers = [int(match[1]) for match in matches if match]
    return f"run-{1 + max(numbers, default=0):04d}"


def write_settings(folder: Path, config: Config) -> None:
    """Write ``config.json``."""
    _write_json(folder / SETTINGS_NAME, config.model_dump(mode="json"))


def write_inputs(folder: Path, run_id: str, config: Config, task: Task) -> None:
    """Write ``provenance.json`` and ``splits.parquet``."""
    provenance = {
        "run": run_id,
        "seed": config.fit.seed,
        "method": config.fit.method,
        "classes": {"name": task.classes.name, "names": list(task.classes.names)},
        "real_class_px": task.real_class_px.tolist(),
        "real": [describe_source(source) for source in task.real],
        "synthetic": [describe_source(source) for source in task.synthetic],
        "versions": package_versions(),
    }
    _write_json(folder / PROVENANCE_NAME, provenance)
    write_splits(folder, task.splits)


def describe_source(source: DataSource) -> dict[str, Any]:
    """Describe a data set in plain values."""
    return {
        "key": source.key,
        "name": source.name,
        "root": str(source.root),
        "layout": source.layout,
        "id_map": source.id_map.to_json(),
        "images": len(source.pairs),
        "range": source.value_range and list(source.value_range),
        "split": source.reading.split,
        "fingerprint": source.fingerprint(),
    }


def package_versions() -> dict[str, str]:
    """Versions of Python and of `PACKAGES`."""
    return {"python": platform.python_version()} | {name: version(name) for name in PACKAGES}


def check_same_settings(folder: Path, config: Config) -> None:
    """Refuse to resume a run under other settings."""
    then = _flatten(read_json(folder / SETTINGS_NAME))
    now = _flatten(json.loads(json.dumps(config.model_dump(mode="json"))))
    ignored = {f"fit.{name}" for name in FREE_TO_CHANGE}
    keys = sorted(k for k in then.keys() | now.keys() if then.get(k) != now.get(k))
    changed = [key for key in keys if key not in ignored]
    if changed:
        first = changed[0]
        msg = (
            f"{folder} was started with other settings: {', '.join(changed)} "
            f"(first: {then.get(first)!r} then, {now.get(first)!r} now). "
            "Restore them to resume, or start a new run without --resume."
        )
        raise errors.ConfigError(msg)


def write_splits(folder: Path, splits: Mapping[str, methods.Split]) -> None:
    """Write the columns ``key``, ``held_out`` and ``fold``."""
    table = pd.DataFrame(
        {
            "key": pd.Series(list(splits), dtype="str"),
            "held_out": [split.held_out for split in splits.values()],
            "fold": [split.fold for split in splits.values()],
        }
    )
    with replacing(folder / SPLITS_NAME) as partial:
        table.to_parquet(partial, index=False)


def read_splits(folder: Path) -> dict[str, methods.Split]:
    """Read what `write_splits` wrote."""
    path = transfer.fetch(folder) / SPLITS_NAME
    try:
        table = pd.read_parquet(path)
        columns = (table["key"], table["held_out"], table["fold"])
        return {
            key: methods.Split(held_out=bool(held_out), fold=int(fold))
            for key, held_out, fold in zip(*columns, strict=True)
        }
    except _UNREADABLE as error:
        raise _damaged(path, error) from error


def _write_json(path: Path, value: object) -> None:
    """Replace a JSON file."""
    with replacing(path) as partial:
        partial.write_text(json.dumps(value, indent=2) + "\n", encoding="utf-8")


def read_json(path: Path) -> Any:  # noqa: ANN401 (any JSON)
    """Read a JSON file of a run."""
    try:
        return texts.parse_json(texts.read_bytes(path))
    except (OSError, ValueError) as error:
        raise _damaged(path, error) from error


def read_metric(folder: Path, name: str) -> pd.Series[float] | None:
    """Read a measurement of every logged step, NaN where there is none; None if it never was."""
    path = folder / METRICS_NAME
    try:
        table = pd.read_parquet(path)
    except _UNREADABLE as error:
        raise _damaged(path, error) from error
    return table.get(name)


class MetricLog:
    """Rows of measurements by step.

    Parameters
    ----------
    folder : Path
        Run folder; ``metrics.parquet`` and TensorBoard files go there.
    use_tensorboard : bool
        Write event files, too; needs the extra ``tensorboard``.
    """

    def __init__(self, folder: Path, *, use_tensorboard: bool = False) -> None:
        self.path = folder / METRICS_NAME
        self.rows: list[dict[str, float]] = []
        self._writer = _open_tensorboard(folder) if use_tensorboard else None

    def add(self, step: int, values: dict[str, float]) -> None:
        """Add the measurements of a step."""
        self.rows.append({"step": step, **values})
        if self._writer is not None:
            with self._disk_errors():
                for name, value in values.items():
                    self._writer.add_scalar(name, value, step)

    def restore(self, rows: Sequence[dict[str, float]]) -> None:
        """Start from the rows of a checkpoint; what was written after it is forgotten."""
        self.rows = list(rows)

    def recent_mean(self, name: str) -> float | None:
        """Mean of a measurement over the last 50 rows that have it; None if there is none."""
        values = [row[name] for row in self.rows if name in row][-RECENT_STEPS:]
        return sum(values) / len(values) if values else None

    def write(self) -> None:
        """Replace ``metrics.parquet``: one column a measurement, NaN where it was not taken."""
        with replacing(self.path) as partial:
            pd.DataFrame(self.rows).to_parquet(partial, index=False)
        if self._writer is not None:
            with self._disk_errors():
                self._writer.flush()

    @contextmanager
    def _disk_errors(self) -> Iterator[None]:
        """Explain what failed in the thread in which TensorBoard writes, as a later call tells."""
        try:
            yield
        except OSError as error:
            msg = (
                f"cannot write the event files of TensorBoard in {self.path.parent}: "
                f"{error.strerror or error}. Free some space, or leave out tensorboard = true."
            )
            raise errors.StoreError(msg) from error


def _parse(content: bytes, path: Path) -> dict[str, Any]:
    """Read the JSON of a run."""
    try:
        table = texts.parse_json(content)
    except ValueError:
        table = None
    if not isinstance(table, dict) or table.get("format") != RUN_FORMAT:
        msg = f"{path} is damaged or no run of curate. Fit again, or name another run."
        raise errors.RunError(msg)
    return table


def _damaged(path: Path, error: Exception) -> errors.RunError:
    """Tell that a file of a run cannot be read."""
    return errors.RunError(f"{path} cannot be read ({error}). The run is damaged: fit again.")


def _flatten(table: Any, prefix: str = "") -> dict[str, Any]:  # noqa: ANN401
    """Flatten nested tables to dotted keys."""
    if isinstance(table, list):
        table = dict(enumerate(table))
    if not isinstance(table, dict):
        return {prefix.rstrip("."): table}
    flat: dict[str, Any] = {}
    for key, value in table.items():
        flat |= _flatten(value, f"{prefix}{key}.")
    return flat


def _open_tensorboard(folder: Path) -> Any:  # noqa: ANN401 (an optional package)
    """Open an event writer."""
    try:
        from torch.utils.tensorboard import SummaryWriter
    except ImportError as error:
        msg = (
            "tensorboard = true needs TensorBoard, which is not installed. "
            "Install it with: pip install 'curate-seg[tensorboard]'"
        )
        raise errors.ConfigError(msg) from error
    return SummaryWriter(str(folder / EVENTS_NAME))
