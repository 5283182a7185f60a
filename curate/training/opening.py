"""Open the run that gives scores, and data sets as whoever knows them describes them."""

from __future__ import annotations

from pathlib import Path
from typing import TYPE_CHECKING

from curate.data.dataset import DataSource, open_dataset
from curate.errors import RunError
from curate.files.state import latest_run
from curate.training.loading import LoadedRun, load_run

if TYPE_CHECKING:
    from curate.config import Config


def open_scoring_run(run: Path | str | None, config: Config) -> LoadedRun:
    """Load a run, by default the newest finished one of the project.

    Raises
    ------
    UsageError
        If none is named and none is known.
    RunError
        If it is unfit, or its method gives no scores.
    """
    loaded = load_run(Path(run) if run else latest_run(config.root))
    if not loaded.networks.method.gives_scores:
        name = loaded.config.fit.method
        msg = f"{loaded.path} was trained with method '{name}', which gives no scores."
        raise RunError(msg)
    return loaded


def open_known_dataset(
    dataset: Path, config: Config, run: LoadedRun, *, layout: str | None, labels: str | None
) -> DataSource:
    """Open a data set as flags, curate.toml, or the run that knows it say."""
    listed = next(
        (
            item
            for item in (*config.synthetic, *config.real, *run.config.synthetic, *run.config.real)
            if item.path.resolve() == dataset.resolve()
        ),
        None,
    )
    if listed is not None:
        layout = layout or listed.layout
        labels = labels or listed.labels
    return open_dataset(
        dataset, layout=layout or "auto", labels=labels, classes=run.classes, key="new"
    )
