"""The values that the rooms of curate hand to each other."""

from __future__ import annotations

from dataclasses import dataclass, field, replace
from typing import TYPE_CHECKING, Final, NamedTuple

if TYPE_CHECKING:
    from collections.abc import Sequence

    import torch
    from torch import Tensor


IGNORE_INDEX: Final = 255
"""Class index of pixels without a usable label."""

LEVELS: Final = ("image", "region", "pixel")
"""The three levels of the hierarchy, coarse to fine."""

SCORE_NAMES: Final = ("score", "image_score", "region_score", "pixel_score")
"""The combined score, and that of each level by itself: columns of score files."""

WEIGHT_NAMES: Final = ("weight", "image_weight", "region_weight", "pixel_weight")
"""The weights that follow from them, in the same order: columns of score files."""

GRID_STRIDE: Final = 4
"""Pixels of a resized image per cell of the grid that weighting networks work on."""

SUBSET_RECORD: Final = "subset.json"
"""File that marks a folder as a subset that was exported."""

RUN_RECORD: Final = "run.json"
"""File that marks a folder as a run."""

AUDIT_RECORD: Final = "audit.json"
"""File in the folder of a run that says what its newest audit found."""

OK: Final = "ok"
"""Status of an image that could be read and scored."""


class Pair(NamedTuple):
    """One image of a data set and its label file; a named tuple, as sets hold millions of them.

    Attributes
    ----------
    id : str
        Path of the image inside the data set without suffix, ``/``-separated; unique in it.
    image_path, label_path : str
        Paths inside the data set, ``/``-separated; `label_path` is empty where none was found.
    status : str
        ``"ok"``, or the code of a problem that was visible without opening the files
        (``"missing_label"``, ``"duplicate_id"``).
    split : str
        ``train``, ``val``, .. as its folder is called; empty where no folder says so.
    """

    id: str
    image_path: str
    label_path: str
    status: str = OK
    split: str = ""


@dataclass(frozen=True, slots=True)
class ClassSet:
    """The classes that a segmenter tells apart; the index of a name is its class index."""

    name: str
    names: tuple[str, ...]

    def __len__(self) -> int:
        return len(self.names)


class Uncropped(NamedTuple):
    """Synthetic images of a batch before their random changes, at the batch's size.

    Attributes
    ----------
    images : (M, 3, H, W) uint8
        Of the M synthetic ones, in the batch's order.
    label_map : (M, H, W) uint8
    views : (M, 2, 3) float32
        Where in the uncropped image a place of the changed one lies, across and down, each from
        -1 to 1: ``theta`` of `torch.nn.functional.affine_grid`.
    """

    images: Tensor
    label_map: Tensor
    views: Tensor


@dataclass(frozen=True, slots=True)
class Batch:
    """Images of one training step, real ones first.

    Attributes
    ----------
    images : (N, 3, H, W) uint8
    label_map : (N, H, W) uint8
        Class indices, 255 = ignore.
    is_real : (N,) bool
    keys : tuple of str
        ``"<source>:<id>"`` of each image, `source` being ``r0, r1, ..`` or ``s0, s1, ..``.
    problems : tuple of (str, str)
        ``(key, message)`` of each unreadable image that another one was drawn for.
    uncropped : Uncropped, optional
        Where they were asked for.
    """

    images: Tensor
    label_map: Tensor
    is_real: Tensor
    keys: tuple[str, ...]
    problems: tuple[tuple[str, str], ...] = ()
    uncropped: Uncropped | None = None

    def to(self, device: torch.device) -> Batch:
        """Copy to a device, without waiting where the memory is pinned."""

        def move(tensor: Tensor) -> Tensor:
            return tensor.to(device, non_blocking=True)

        return replace(
            self,
            images=move(self.images),
            label_map=move(self.label_map),
            is_real=move(self.is_real),
            uncropped=self.uncropped and Uncropped(*map(move, self.uncropped)),
        )


@dataclass(frozen=True, slots=True)
class Evidence:
    """What weighting networks see of a batch, detached, on a grid of `GRID_STRIDE` pixels a cell.

    Attributes
    ----------
    predictions : (N, C, h, w) float32
        Softmax of the segmenter's logits.
    label_map : (N, h, w) int64
        Class index of each cell, 255 = ignore.
    images : (N, 3, H, W) float32
        The network's input in [0, 1], H = 4h and W = 4w up to rounding.
    features : dict of str to (N, F, h', w') float32
        Outputs of the named backbone stages that the method asked for, at their own stride.
    is_real : (N,) bool
    keys : tuple of str
        As in `Batch`.
    """

    predictions: Tensor
    label_map: Tensor
    images: Tensor
    is_real: Tensor
    keys: tuple[str, ...]
    features: dict[str, Tensor] = field(default_factory=dict)

    def pick(self, rows: Sequence[int]) -> Evidence:
        """Keep some of the images, in the given order."""
        index = list(rows)
        return Evidence(
            predictions=self.predictions[index],
            label_map=self.label_map[index],
            images=self.images[index],
            is_real=self.is_real[index],
            keys=tuple(self.keys[row] for row in index),
            features={name: values[index] for name, values in self.features.items()},
        )


@dataclass(frozen=True, slots=True)
class LevelScores:
    """Scores of N images in [0, 1] on the grid of their `Evidence`; higher = more like real.

    Attributes
    ----------
    image, region, pixel : (N, h, w) float32
        One map per level (the image level is constant over an image, up to its class channel).
    combined : (N, h, w) float32
        All levels together.
    streams : dict of str to (N, h, w) float32
        One map for each active stream, where a method has streams.
    worth : LevelScores, optional
        What the weights follow from, where that is not these scores.
    """

    image: Tensor
    region: Tensor
    pixel: Tensor
    combined: Tensor
    streams: dict[str, Tensor] = field(default_factory=dict)
    worth: LevelScores | None = None
