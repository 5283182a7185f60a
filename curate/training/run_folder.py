"""The folder of one training run: what is in it, and how it is begun, saved, resumed, finished."""

from __future__ import annotations

import json
import platform
import uuid
from contextlib import ExitStack, contextmanager
from importlib.metadata import version
from typing import TYPE_CHECKING, Any, Final, Self

from curate.distributed import first_decides
from curate.errors import ConfigError, DataError, RunError, StoreError, UsageError
from curate.files.atomic import check_writable, remove_stale, replacing, replacing_folder
from curate.files.checkpoint import load_state, save_state
from curate.files.digest import sha256_file
from curate.files.locks import claim
from curate.files.tree import pack, unpack
from curate.training.run_record import RunRecord, next_run_name, read_run, write_run
from curate.training.splits import write_splits

if TYPE_CHECKING:
    from collections.abc import Iterator
    from pathlib import Path

    from torch import Tensor

    from curate.config import Config
    from curate.data.dataset import DataSource
    from curate.training.metric_log import MetricLog
    from curate.training.task import Task
    from curate.training.trainer import Trainer

RUNS_NAME: Final = "runs"
CHECKPOINT_NAME: Final = "checkpoint.safetensors"
SEGMENTER_NAME: Final = "segmenter.safetensors"
METHOD_NAME: Final = "method.safetensors"
CONFIG_JSON: Final = "config.json"
PROVENANCE_JSON: Final = "provenance.json"
PACKAGES: Final = ("curate-seg", "torch", "torchvision", "timm", "numpy")
FREE_TO_CHANGE: Final = ("device", "workers", "checkpoint_every", "tensorboard")
"""Keys of [fit] that may differ when a run is resumed."""


def read_finished(path: Path) -> RunRecord:
    """Read ``run.json`` of a finished run; any other state of it is a `RunError`."""
    record = read_run(path)
    if record.status != "finished":
        msg = f"{path} is not finished. Finish it with: curate fit --resume --out {path}"
        raise RunError(msg)
    return record


class RunFolder:
    """One run folder; see `open`. Of several processes, only the first one reads and writes it.

    Files: ``run.json`` (status), ``config.json``, ``provenance.json``, ``splits.parquet``,
    ``metrics.parquet``; ``checkpoint.safetensors`` while it is running;
    ``segmenter.safetensors`` and ``method.safetensors`` once it is finished.
    """

    def __init__(
        self, path: Path, *, is_resumed: bool, is_named: bool = True, overwrite: bool = False
    ) -> None:
        self.path = path
        self.is_resumed = is_resumed
        self._is_named = is_named
        self._overwrite = overwrite
        self._saved_step = 0
        self._locks = ExitStack()

    @classmethod
    def open(cls, config: Config, out: Path | None, *, resume: bool, overwrite: bool) -> Self:
        """Choose the folder, and keep other processes out of it until `close`.

        Nothing is written before `begin`.

        Raises
        ------
        UsageError
            If the folder exists and neither flag is set.
        ConfigError
            If the run to resume was started with other settings.
        RunError
            If it is damaged or from a newer version.
        StoreError
            If another process is training in it.
        """
        runs = config.root / RUNS_NAME
        path = out or (newest_run(runs) if resume else None) or runs / next_run_name(runs)
        if not path.exists():
            return cls(path, is_resumed=False, is_named=out is not None)
        if not (resume or overwrite):
            msg = (
                f"{path} exists. Go on with --resume, replace it with --overwrite, or name another."
            )
            raise UsageError(msg)
        is_finished = read_run(path).status == "finished"  # refuses a folder that is not a run
        if resume:
            _compare_settings(path, config)
        folder = cls(path, is_resumed=resume, overwrite=overwrite)
        if not is_finished:
            folder._lock(path)
        return folder

    @property
    def is_finished(self) -> bool:
        """Whether a resumed run had nothing left to do."""
        return self.is_resumed and read_run(self.path).status == "finished"

    @property
    def has_checkpoint(self) -> bool:
        """Whether there is a state to go on from."""
        return self.is_resumed and (self.path / CHECKPOINT_NAME).exists()

    def begin(self, config: Config, task: Task) -> Path:
        """Write what is known before training; on resume, make sure that the data is the same.

        Returns
        -------
        path : Path
            The folder; a new one without a name of its own may have got the next one.
        """
        if self.is_resumed:
            self._refuse_other_data(task)
            return self.path
        runs = self.path.parent
        check_writable(runs)
        while True:
            try:
                self._create(config, task)
            except StoreError:
                if self._is_named or not self.path.exists():
                    raise
                self.path = runs / next_run_name(runs)  # another process was faster
            else:
                return self.path

    def save(self, trainer: Trainer, log: MetricLog, step: int) -> None:
        """Replace the checkpoint by the state after `step` steps."""
        tensors, structure = pack(trainer.state())
        meta = {"step": step, "structure": structure, "rows": log.rows}
        with self._saving():
            save_state(self.path / CHECKPOINT_NAME, tensors, meta)
            self._saved_step = step
            log.write()

    def restore(self, trainer: Trainer, log: MetricLog) -> int:
        """Load the checkpoint in every process, if there is one; return the finished steps."""
        saved = first_decides(self._read_checkpoint)
        if saved is None:
            return 0
        tensors, meta = saved
        trainer.load_state(unpack(tensors, meta["structure"]))
        log.restore(meta["rows"])
        self._saved_step = int(meta["step"])
        return self._saved_step

    def _read_checkpoint(self) -> tuple[dict[str, Tensor], dict[str, Any]] | None:
        """Read the checkpoint, if there is one."""
        return load_state(self.path / CHECKPOINT_NAME) if self.has_checkpoint else None

    def finish(self, trainer: Trainer, log: MetricLog, result: dict[str, Any]) -> None:
        """Write the final weights, mark the run finished, and drop the checkpoint."""
        with self._saving():
            save_state(self.path / SEGMENTER_NAME, trainer.segmenter.state_dict(), {})
            save_state(self.path / METHOD_NAME, trainer.method.state_dict(), {})
            log.write()
            write_run(
                self.path,
                status="finished",
                run_id=read_run(self.path).run_id,
                segmenter_sha256=sha256_file(self.path / SEGMENTER_NAME),
                method_sha256=sha256_file(self.path / METHOD_NAME),
                result=result,
            )
        self.clear_up()

    def clear_up(self) -> None:
        """Remove what a finished run does not need, or a process left that was killed then."""
        checkpoint = self.path / CHECKPOINT_NAME
        if checkpoint.exists():  # on a read-only disk, removing nothing is an error, too
            checkpoint.unlink(missing_ok=True)
        remove_stale(checkpoint)

    def changed_data(self, task: Task) -> list[Path]:
        """List the data sets that are not as they were when the run was started."""
        provenance = read_json(self.path / PROVENANCE_JSON)
        pairs = [
            (then, source)
            for domain, sources in (("real", task.real), ("synthetic", task.synthetic))
            for then, source in zip(provenance[domain], sources, strict=True)
        ]
        return [s.root for then, s in pairs if then["fingerprint"] != s.fingerprint()]

    def how_to_go_on(self) -> str:
        """Say what is saved, and how to go on from there."""
        return (
            f"Step {self._saved_step} is saved. Go on with: curate fit --resume --out {self.path}"
        )

    def close(self) -> None:
        """Let other processes in."""
        self._locks.close()

    def __getstate__(self) -> dict[str, Any]:
        """Locks stay in the process that holds them."""
        return vars(self) | {"_locks": ExitStack()}

    def __enter__(self) -> Self:
        return self

    def __exit__(self, *_: object) -> None:
        self.close()

    def _create(self, config: Config, task: Task) -> None:
        """Write a new run, in which this process is the first to train."""
        run_id = uuid.uuid4().hex
        with replacing_folder(self.path, overwrite=self._overwrite) as partial:
            _write_json(partial / CONFIG_JSON, config.model_dump(mode="json"))
            self._lock(partial)
            _write_json(partial / PROVENANCE_JSON, _provenance(run_id, config, task))
            write_splits(partial, task.splits)
            write_run(partial, status="running", run_id=run_id)

    def _lock(self, folder: Path) -> None:
        """Keep others out; of all files of a run, its settings are never written again."""
        self._locks.enter_context(claim(folder / CONFIG_JSON, self.path))

    def _refuse_other_data(self, task: Task) -> None:
        """Refuse to resume on data sets that changed."""
        for root in self.changed_data(task):
            msg = (
                f"{root} changed since {self.path} was started (files were added, removed or "
                "resized). Start a new run without --resume."
            )
            raise DataError(msg, code="data_changed")

    @contextmanager
    def _saving(self) -> Iterator[None]:
        """Say how to go on where something could not be saved."""
        try:
            yield
        except StoreError as error:
            msg = f"{error} {self.how_to_go_on()}"
            raise StoreError(msg) from error


def newest_run(runs: Path) -> Path | None:
    """Find the run with the highest number; None where there is none."""
    found = [path for path in runs.glob("run-*") if (path / "run.json").exists()]
    return max(found, key=lambda path: (len(path.name), path.name), default=None)


def read_json(path: Path) -> Any:  # noqa: ANN401 (any JSON)
    """Read a JSON file of a run."""
    try:
        return json.loads(path.read_text(encoding="utf-8"))
    except (OSError, ValueError) as error:
        msg = f"{path} cannot be read ({error}). The run is damaged: fit again."
        raise RunError(msg) from error


def _write_json(path: Path, value: object) -> None:
    """Replace a JSON file."""
    with replacing(path) as partial:
        partial.write_text(json.dumps(value, indent=2) + "\n", encoding="utf-8")


def _compare_settings(path: Path, config: Config) -> None:
    """Refuse to resume a run under other settings."""
    then = _flatten(read_json(path / CONFIG_JSON))
    now = _flatten(json.loads(json.dumps(config.model_dump(mode="json"))))
    ignored = {f"fit.{name}" for name in FREE_TO_CHANGE}
    keys = sorted(k for k in then.keys() | now.keys() if then.get(k) != now.get(k))
    changed = [key for key in keys if key not in ignored]
    if changed:
        first = changed[0]
        msg = (
            f"{path} was started with other settings: {', '.join(changed)} "
            f"(first: {then.get(first)!r} then, {now.get(first)!r} now). "
            "Restore them to resume, or start a new run without --resume."
        )
        raise ConfigError(msg)


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


def _provenance(run_id: str, config: Config, task: Task) -> dict[str, Any]:
    """Everything that says where a run comes from."""
    return {
        "run": run_id,
        "seed": config.fit.seed,
        "method": config.fit.method,
        "classes": {"name": task.classes.name, "names": list(task.classes.names)},
        "real_class_px": task.real_class_px.tolist(),
        "real": [describe_source(source) for source in task.real],
        "synthetic": [describe_source(source) for source in task.synthetic],
        "versions": package_versions(),
    }


def package_versions() -> dict[str, str]:
    """Versions of Python and of the packages that scores depend on."""
    return {"python": platform.python_version()} | {name: version(name) for name in PACKAGES}


def describe_source(source: DataSource) -> dict[str, Any]:
    """Describe a data set in plain values."""
    return {
        "key": source.key,
        "root": str(source.root),
        "layout": source.layout,
        "id_map": source.id_map.to_json(),
        "images": len(source.pairs),
        "fingerprint": source.fingerprint(),
    }
