"""Choose the part of the synthetic data that an arm trains on: scored, cut as one, exported."""

from __future__ import annotations

from typing import TYPE_CHECKING

from curate.scores.score_file import ScoreFile
from curate.scoring.score import score
from curate.selection.export import export_jointly

if TYPE_CHECKING:
    from pathlib import Path

    from curate.comparing.arms import Selection
    from curate.config import Config
    from curate.reporting import Reporter


def select_synthetic(
    config: Config, selection: Selection, *, run: Path, work: Path, seed: int, reporter: Reporter
) -> tuple[Config, float]:
    """Put subsets in the place of the synthetic data sets.

    Parameters
    ----------
    run : Path
        Finished fit whose scores choose; all sets are cut by one threshold.
    work : Path
        Folder of score files and subsets.
    seed : int
        What a random control is drawn by.

    Returns
    -------
    config : Config
        With the subsets, those of which nothing is kept left out.
    share : float
        Share of the valid synthetic pixels that is kept.
    """
    files, folders = [], []
    for number, dataset in enumerate(config.synthetic):
        files.append(work / f"scores-{number}.h5")
        folders.append(work / f"subset-{number}")
        score(
            dataset.path,
            files[-1],
            config=config,
            run=run,
            reading=dataset,
            device=config.fit.device,
            resume=files[-1].exists(),
            trust_run=True,  # it was made here
            reporter=reporter,
        )
    results = export_jointly(
        files,
        folders,
        by=selection.by,
        top=f"{selection.share}%",
        per_class=selection.per_class,
        control="random" if selection.is_random else None,
        seed=seed,
        overwrite=True,
        reporter=reporter,
    )
    subsets = [
        dataset.model_copy(update={"path": folder, "layout": _layout_of(file)})
        for dataset, folder, file, result in zip(
            config.synthetic, folders, files, results, strict=True
        )
        if result.images_selected
    ]
    kept, total = (sum(getattr(r, f"pixels_{name}") for r in results) for name in ("kept", "total"))
    return config.model_copy(update={"synthetic": tuple(subsets)}), kept / max(total, 1)


def _layout_of(scores: Path) -> str:
    """Name the layout that a scored data set was recognised to have."""
    with ScoreFile(scores) as file:
        return str(file.provenance["dataset"]["layout"])
