"""Data sets whose labels tell which pixels are corrupted: random changes carry the truth along."""

from __future__ import annotations

from dataclasses import replace
from typing import TYPE_CHECKING

import torch
from PIL import Image

from curate.data.augmentation import fit_to_size
from curate.data.classes import resolve_classes
from curate.data.dataset import DataSource, open_dataset
from curate.data.idmaps import IdMap
from curate.records import IGNORE_INDEX, Batch

if TYPE_CHECKING:
    from pathlib import Path

    from torch import Tensor

MARK = 100
"""Added to the class of a corrupted pixel."""


def shrink(batch: Batch, corrupted: Tensor, size: tuple[int, int]) -> tuple[Batch, Tensor]:
    """Bring images and truth to a size."""
    marked = mark(batch.label_map, corrupted)
    pairs = [fit_to_size(*pair, size) for pair in zip(batch.images, marked, strict=True)]
    images, label_map = (torch.stack(part) for part in zip(*pairs, strict=True))
    return unmark(replace(batch, images=images, label_map=label_map))


def mark(label_map: Tensor, corrupted: Tensor) -> Tensor:
    """Write the truth into labels (N, H, W) uint8; ignored pixels are never corrupted."""
    return torch.where(corrupted & (label_map != IGNORE_INDEX), label_map + MARK, label_map)


def unmark(batch: Batch) -> tuple[Batch, Tensor]:
    """Take the truth, (N, H, W) bool, out of a batch's labels."""
    label_map, corrupted = _unmark(batch.label_map)
    seen = batch.uncropped
    uncropped = seen and seen._replace(label_map=_unmark(seen.label_map)[0])
    return replace(batch, label_map=label_map, uncropped=uncropped), corrupted


def _unmark(label_map: Tensor) -> tuple[Tensor, Tensor]:
    corrupted = (label_map >= MARK) & (label_map != IGNORE_INDEX)
    return torch.where(corrupted, label_map - MARK, label_map), corrupted


def store(folder: Path, batch: Batch, corrupted: Tensor) -> DataSource:
    """Write a batch as a data set whose labels are marked, and open it."""
    source = batch.keys[0].partition(":")[0]
    marked = mark(batch.label_map, corrupted)
    for name in ("images", "labels"):
        (folder / name).mkdir(parents=True, exist_ok=True)
    for key, image, label_map in zip(batch.keys, batch.images, marked, strict=True):
        stem = key.rpartition("/")[2]
        Image.fromarray(image.permute(1, 2, 0).numpy()).save(folder / f"images/{stem}.png")
        Image.fromarray(label_map.numpy()).save(folder / f"labels/{stem}.png")
    classes = resolve_classes("camvid11")
    opened = open_dataset(folder, layout="folder", id_map="camvid11", classes=classes, key=source)
    ids = {raw: raw for first in (0, MARK) for raw in range(first, first + len(classes))}
    return replace(opened, id_map=IdMap("marked", ids))
