"""Measure the segmenter of a finished run on a labelled data set."""

from __future__ import annotations

from concurrent.futures import ThreadPoolExecutor
from dataclasses import dataclass
from pathlib import Path
from typing import TYPE_CHECKING

import numpy as np
import torch
import torch.nn.functional as F

from curate import errors, metrics, records
from curate.data import augmentation, pairs
from curate.data.dataset import DataSource, open_dataset
from curate.dataset_config import DatasetConfig, ReadingConfig
from curate.models import devices
from curate.training import loaded_run, networks

if TYPE_CHECKING:
    from collections.abc import Sequence

    from numpy.typing import NDArray

    from curate.config import Config


BATCH = 8


@dataclass(frozen=True, slots=True)
class Evaluation:
    """Agreement of a segmenter with labels, at the labels' own resolution.

    Attributes
    ----------
    confusion : (C, C) int64
        Pixels by true class (row) and predicted class (column).
    images, failed : int
        Images measured, and images that could not be read.
    """

    confusion: NDArray[np.int64]
    images: int
    failed: int

    def miou(self, classes: Sequence[int] | None = None) -> float:
        """Mean IoU in [0, 1] over the given classes that occur, or over all that occur."""
        return metrics.mean_iou(self.confusion, classes)

    @property
    def class_iou(self) -> NDArray[np.float64]:
        """IoU of each class in [0, 1], NaN where it never occurs."""
        return metrics.class_iou(self.confusion)


@torch.no_grad()
def evaluate(
    run: Path | str,
    dataset: Path | str,
    *,
    reading: ReadingConfig | None = None,
    device: str = "auto",
    config: Config | None = None,
    trust_run: bool = False,
) -> Evaluation:
    """Predict every image of `dataset` and count its pixels by true and predicted class.

    Parameters
    ----------
    reading : ReadingConfig, optional
        Layout, id map, split, .. of `dataset`.
    config, trust_run
        Which code of the run may run, see `curate.training.loaded_run.load_run`.

    Raises
    ------
    DataError
        If no image of the data set can be read.
    RunError
        If `run` is no finished run.
    """
    loaded = loaded_run.load_run(Path(run), config, trust_run=trust_run)
    chosen = devices.choose_device(device, loaded.config.fit.precision)
    segmenter = loaded.networks.segmenter.to(chosen.device).eval()
    source = open_dataset(
        DatasetConfig(path=Path(dataset)).read_as(reading or ReadingConfig()),
        classes=loaded.classes,
        key="e0",
    )
    num_classes = len(loaded.classes)
    confusion = np.zeros((num_classes, num_classes), dtype=np.int64)
    failed = 0
    with ThreadPoolExecutor(max_workers=2) as pool:
        for start in range(0, len(source.pairs), BATCH):
            some = source.pairs[start : start + BATCH]
            read = list(pool.map(lambda pair: _read(source, pair, loaded.config.fit.size), some))
            usable = [item for item in read if item is not None]
            failed += len(read) - len(usable)
            if not usable:
                continue
            images = networks.to_unit_range(torch.stack([image for image, _ in usable]))
            memory = devices.memory_errors(
                chosen.device, f"with batches of {BATCH}", 'Evaluate on the CPU: device="cpu".'
            )
            with memory, chosen.autocast():
                logits = segmenter(images.to(chosen.device)).logits.float()
            for row, (_, label_map) in zip(logits, usable, strict=True):
                pixels = F.interpolate(row[None], size=list(label_map.shape), mode="bilinear")
                predicted = pixels[0].argmax(dim=0).cpu().numpy()
                confusion += metrics.confusion_matrix(label_map, predicted, num_classes)
    if failed == len(source.pairs):
        msg = f"None of the {failed} images of {source.root} could be read; nothing was measured."
        raise errors.DataError(msg, code="nothing_read")
    return Evaluation(confusion, len(source.pairs) - failed, failed)


def _read(
    source: DataSource, pair: records.Pair, size: tuple[int, int]
) -> tuple[torch.Tensor, NDArray[np.uint8]] | None:
    """Read one image at the network's size and its labels at their own; None if unreadable."""
    try:
        loaded = pairs.read_pair(source, pair)
    except errors.DataError:
        return None
    image, _ = augmentation.fit_to_size(loaded.image, loaded.label_map, size)
    return image, loaded.label_map.numpy()
