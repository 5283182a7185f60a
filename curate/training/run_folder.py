"""The folder of one training run: how it is begun, saved, resumed and finished."""

from __future__ import annotations

import shlex
import uuid
from contextlib import ExitStack, contextmanager
from typing import TYPE_CHECKING, Any, Final, Self

from curate import records
from curate.distributed import by_first_rank
from curate.errors import DataError, RunError, StoreError, UsageError
from curate.files import atomic, checkpoint
from curate.training import run_provenance, run_record

if TYPE_CHECKING:
    from collections.abc import Iterator
    from pathlib import Path

    from torch import Tensor

    from curate.config import Config
    from curate.training.task import Task
    from curate.training.trainer import Trainer

RUNS_NAME: Final = "runs"
CHECKPOINT_NAME: Final = "checkpoint.safetensors"
SEGMENTER_NAME: Final = "segmenter.safetensors"
METHOD_NAME: Final = "method.safetensors"

_OWN: Final = {
    *(CHECKPOINT_NAME, SEGMENTER_NAME, METHOD_NAME, run_record.RUN_NAME, run_record.SETTINGS_NAME),
    *(run_record.PROVENANCE_NAME, run_record.SPLITS_NAME, run_record.METRICS_NAME),
    *(run_record.EVENTS_NAME, records.AUDIT_RECORD),
}
"""What curate writes into a run folder."""


class RunFolder:
    """One run folder; see `open`. Of several processes, only the first one reads and writes it.

    Files: ``run.json`` (status), ``config.json``, ``provenance.json``, ``splits.parquet``,
    ``metrics.parquet``; ``checkpoint.safetensors`` while it is running;
    ``segmenter.safetensors`` and ``method.safetensors`` once it is finished; ``prepared-<method>-
    <digest>.safetensors``, which other runs may take over; ``audit.json`` once it was audited.
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
    @by_first_rank
    def open(cls, config: Config, out: Path | None, *, resume: bool, overwrite: bool) -> Self:
        """Choose the folder, and keep other jobs out of it until `close`.

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
        newest = run_record.newest_run(runs) if resume else None
        path = out or newest or runs / run_record.next_run_name(runs)
        if not path.exists():
            return cls(path, is_resumed=False, is_named=out is not None)
        if not (resume or overwrite):
            msg = (
                f"{path} exists. Go on with --resume, replace it with --overwrite, or name another."
            )
            raise UsageError(msg)
        record = run_record.read_run(path)  # refuses a folder that is not a run
        if overwrite:
            _refuse_foreign(path)
        if resume:
            run_record.check_same_settings(path, config)
        folder = cls(path, is_resumed=resume, overwrite=overwrite)
        if record.status != "finished":
            folder._lock(path)
        return folder

    @property
    @by_first_rank
    def is_finished(self) -> bool:
        """Whether a resumed run had nothing left to do."""
        return self.is_resumed and run_record.read_run(self.path).status == "finished"

    @property
    @by_first_rank
    def has_checkpoint(self) -> bool:
        """Whether there is a state to go on from."""
        return self.is_resumed and (self.path / CHECKPOINT_NAME).exists()

    def begin(self, config: Config, task: Task) -> None:
        """Write what is known before training; on resume, make sure that the data is the same.

        A new folder without a name of its own may get the next one.
        """
        self.path = self._begin(config, task)

    @by_first_rank
    def save(self, trainer: Trainer, log: run_record.MetricLog, step: int) -> None:
        """Replace the checkpoint by the state after `step` steps."""
        tensors, structure = checkpoint.pack(trainer.state())
        meta = {"step": step, "structure": structure, "rows": log.rows}
        with self._saving():
            checkpoint.save_state(self.path / CHECKPOINT_NAME, tensors, meta)
            self._saved_step = step
            log.write()

    def restore(self, trainer: Trainer, log: run_record.MetricLog) -> int:
        """Load the checkpoint in every process, if there is one; return the finished steps."""
        saved = self._read_checkpoint()
        if saved is None:
            return 0
        tensors, meta = saved
        try:
            trainer.load_state(checkpoint.unpack(tensors, meta["structure"]))
            log.restore(meta["rows"])
            self._saved_step = int(meta["step"])
        except (KeyError, TypeError, ValueError, RuntimeError, AttributeError) as error:
            msg = (
                f"{self.path / CHECKPOINT_NAME} does not fit this run ({error}). Start a new run "
                "without --resume."
            )
            raise RunError(msg) from error
        return self._saved_step

    @by_first_rank
    def finish(self, trainer: Trainer, log: run_record.MetricLog, result: dict[str, Any]) -> None:
        """Write the final weights, mark the run finished, and drop the checkpoint."""
        with self._saving():
            checkpoint.save_state(self.path / SEGMENTER_NAME, trainer.segmenter.state_dict(), {})
            checkpoint.save_state(self.path / METHOD_NAME, trainer.method.state_dict(), {})
            log.write()
            run_record.write_run(
                self.path,
                status="finished",
                run_id=run_record.read_run(self.path).run_id,
                segmenter_sha256=atomic.sha256_file(self.path / SEGMENTER_NAME),
                method_sha256=atomic.sha256_file(self.path / METHOD_NAME),
                result=result,
            )
        self.clear_up()

    @by_first_rank
    def clear_up(self) -> None:
        """Remove what a finished run does not need, or what a killed process left behind."""
        path = self.path / CHECKPOINT_NAME
        if path.exists():  # on a read-only disk, removing nothing is an error, too
            path.unlink(missing_ok=True)
        atomic.remove_stale(path)

    def what_is_saved(self) -> str:
        """Say what is saved, and where."""
        return f"Step {self._saved_step} is saved in {self.path}."

    def how_to_go_on(self) -> str:
        """Say what is saved, and how to go on from there."""
        path = shlex.quote(str(self.path))
        return f"{self.what_is_saved()} Go on with: curate fit --resume --out {path}"

    def close(self) -> None:
        """Let other jobs in."""
        self._locks.close()

    def __getstate__(self) -> dict[str, Any]:
        """Locks stay in the process that holds them."""
        return vars(self) | {"_locks": ExitStack()}

    def __enter__(self) -> Self:
        return self

    def __exit__(self, *_: object) -> None:
        self.close()

    @by_first_rank
    def _begin(self, config: Config, task: Task) -> Path:
        """Make sure of the data of a resumed run, or write a new one; return its folder."""
        if self.is_resumed:
            for root in run_provenance.changed_data(self.path, task):
                msg = (
                    f"{root} changed since {self.path} was started (files were added, removed or "
                    "resized). Start a new run without --resume."
                )
                raise DataError(msg, code="data_changed")
            return self.path
        runs = self.path.parent
        atomic.check_writable(runs)
        while True:
            try:
                self._create(config, task)
            except StoreError:
                if self._is_named or not self.path.exists():
                    raise
                self.path = runs / run_record.next_run_name(runs)  # another job was faster
            else:
                return self.path

    def _create(self, config: Config, task: Task) -> None:
        """Write a new run, in which this job is the first to train."""
        run_id = uuid.uuid4().hex
        with atomic.replacing_folder(self.path, overwrite=self._overwrite) as partial:
            run_record.write_settings(partial, config)
            self._lock(partial)
            run_record.write_inputs(partial, run_id, config, task)
            run_record.write_run(partial, status="running", run_id=run_id)

    def _lock(self, folder: Path) -> None:
        """Keep others out; of all files of a run, its settings are never written again."""
        self._locks.enter_context(atomic.claim(folder / run_record.SETTINGS_NAME, self.path))

    @by_first_rank
    def _read_checkpoint(self) -> tuple[dict[str, Tensor], dict[str, Any]] | None:
        """Read the checkpoint, if there is one."""
        return checkpoint.load_state(self.path / CHECKPOINT_NAME) if self.has_checkpoint else None

    @contextmanager
    def _saving(self) -> Iterator[None]:
        """Say how to go on where something could not be saved."""
        try:
            yield
        except StoreError as error:
            msg = f"{error} {self.how_to_go_on()}"
            raise StoreError(msg) from error


def _is_own(name: str) -> bool:
    """Tell whether curate writes a file of this name into a run folder."""
    return name in _OWN or (
        name.startswith(run_record.PREPARED_PREFIX) and name.endswith(".safetensors")
    )


def _refuse_foreign(path: Path) -> None:
    """Refuse to replace a run folder in which somebody keeps files of their own."""
    for file in sorted(path.iterdir()):
        is_own = _is_own(file.name) or atomic.is_aside(file.name, _is_own)
        if not is_own or (file.is_dir() and file.name != run_record.EVENTS_NAME):
            msg = (
                f"{path} holds {file.name!r}, which 'curate fit' did not write, so that the run is "
                "not replaced. Move it away, or name another --out."
            )
            raise UsageError(msg)
