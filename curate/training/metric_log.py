"""Measurements of a training run: rows in memory, a Parquet file, and TensorBoard on request."""

from __future__ import annotations

from contextlib import contextmanager
from typing import TYPE_CHECKING, Any, Final

import pandas as pd

from curate.errors import ConfigError, StoreError
from curate.files.atomic import replacing

if TYPE_CHECKING:
    from collections.abc import Iterator, Sequence
    from pathlib import Path

METRICS_NAME: Final = "metrics.parquet"
RECENT_STEPS: Final = 50


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
            raise StoreError(msg) from error


def _open_tensorboard(folder: Path) -> Any:  # noqa: ANN401 (an optional package)
    """Open an event writer."""
    try:
        from torch.utils.tensorboard import SummaryWriter
    except ImportError as error:
        msg = (
            "tensorboard = true needs TensorBoard, which is not installed. "
            "Install it with: pip install 'curate-seg[tensorboard]'"
        )
        raise ConfigError(msg) from error
    return SummaryWriter(str(folder / "tensorboard"))
