"""The real images that an audit injects corruptions into, read at the size of the run."""

from __future__ import annotations

import math
from dataclasses import dataclass, replace
from typing import TYPE_CHECKING

from curate import errors, records, reporting
from curate.data import augmentation, pairs
from curate.data.dataset import DataSource, open_dataset
from curate.training import loaded_run, run_record, task

if TYPE_CHECKING:
    from collections.abc import Sequence
    from pathlib import Path

    import numpy as np
    from numpy.typing import NDArray

    from curate.config import Config
    from curate.dataset_config import ReadingConfig

Candidate = tuple[DataSource, records.Pair]


@dataclass(frozen=True, slots=True)
class RealImage:
    """A real image at the size of the run.

    Attributes
    ----------
    key : str
        As in `curate.records.Batch`: identifies training images to methods that cross-fit.
    image, label_map : (3, H, W) uint8, (H, W) uint8
    shrinkage : float
        Side of a pixel of this image in pixels of the original one.
    """

    key: str
    image: NDArray[np.uint8]
    label_map: NDArray[np.uint8]
    shrinkage: float


def held_out_candidates(run: loaded_run.LoadedRun) -> list[Candidate]:
    """List the real images that the run's weighting networks never trained on.

    Raises
    ------
    DataError
        If a real data set of the run is gone or changed.
    """
    splits = run_record.read_splits(run.path)
    found = []
    for dataset, then in zip(run.config.real, run.provenance["real"], strict=True):
        advice = "Name held-out real images with --real DIR."
        try:
            source = open_dataset(dataset, classes=run.classes, key=then["key"])
        except errors.DataError as error:
            msg = f"The real data of {run.path} cannot be opened: {error} {advice}"
            raise errors.DataError(msg, code=error.code) from error
        if source.fingerprint() != then["fingerprint"]:
            msg = (
                f"{source.root} changed since {run.path} was trained on it (files were added, "
                f"removed or resized), so it is unknown which images were held out. {advice}"
            )
            raise errors.DataError(msg, code="data_changed")
        keys = [(pair, splits.get(source.key_of(pair))) for pair in source.pairs]
        found += [(source, pair) for pair, split in keys if split is not None and split.held_out]
    return found


def named_candidates(
    folders: Sequence[Path],
    run: loaded_run.LoadedRun,
    config: Config,
    *,
    reading: ReadingConfig | None,
    reporter: reporting.Reporter,
) -> list[Candidate]:
    """List the images of the given data sets; warn of those that the run was trained on."""
    splits = run_record.read_splits(run.path)
    found: list[Candidate] = []
    for folder in folders:
        source = loaded_run.open_known_dataset(folder, config, run, reading=reading)
        source = replace(source, key=run.source_key(source.fingerprint()) or source.key)
        keys = [splits.get(source.key_of(pair)) for pair in source.pairs]
        num_trained_on = sum(split is not None and not split.held_out for split in keys)
        if num_trained_on:
            reporter.warn(
                f"{num_trained_on} of {len(source.pairs)} images of {folder} were in the training "
                f"of {run.path}: the audit may find too much. Leave out --real to use its held-out "
                "ones."
            )
        found += [(source, pair) for pair in source.pairs]
    return found


def read_images(
    candidates: Sequence[Candidate],
    size: tuple[int, int],
    *,
    count: int,
    reporter: reporting.Reporter,
) -> list[RealImage]:
    """Read at most `count` evenly spaced images; warn of those that cannot be used.

    Raises
    ------
    DataError
        If none can be used.
    """
    chosen = task.pick_evenly(candidates, count)
    images, problems = [], []
    for source, pair in chosen:
        try:
            images.append(_read(source, pair, size))
        except errors.DataError as error:
            problems.append(error)
    first = f" First problem: {problems[0]}" if problems else ""
    if not images:
        msg = (
            f"None of {len(chosen)} real images can be used; at least one with labels is needed. "
            f"Name others with --real DIR.{first}"
        )
        raise errors.DataError(msg, code="too_few_real")
    if problems:
        reporter.warn(f"{len(problems)} of {len(chosen)} real images are left out.{first}")
    return images


def _read(source: DataSource, pair: records.Pair, size: tuple[int, int]) -> RealImage:
    """Read and resize one image; a `DataError` if it is unreadable or has no class at all."""
    loaded = pairs.read_pair(source, pair)
    image, label_map = augmentation.fit_to_size(loaded.image, loaded.label_map, size)
    if not (label_map != records.IGNORE_INDEX).any():
        msg = f"{pair.label_path}: every pixel is ignored."
        raise errors.DataError(msg, code="all_ignored")
    shrinkage = math.sqrt(loaded.label_map.numel() / label_map.numel())
    return RealImage(source.key_of(pair), image.numpy(), label_map.numpy(), shrinkage)


def region_side(image: RealImage, region_px: int) -> float:
    """Turn the side of a region from pixels of the original image into those of this one."""
    return max(float(records.GRID_STRIDE), region_px / image.shrinkage)
