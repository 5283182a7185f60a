"""Random changes of training images: parameters are drawn first, then applied."""

from __future__ import annotations

from dataclasses import dataclass
from typing import TYPE_CHECKING, Final

import torch
import torch.nn.functional as F

from curate.records import IGNORE_INDEX

if TYPE_CHECKING:
    import numpy as np
    from torch import Tensor

    from curate.config import AugmentConfig

_GREY_OF_RGB: Final = (0.2989, 0.587, 0.114)  # ITU-R BT.601


@dataclass(frozen=True, slots=True)
class Augmentation:
    """One change of one image.

    Attributes
    ----------
    scale : float
        Zoom on top of fitting the image to the size asked for: 2 shows half of each side.
    top, left : float
        Offset of the section in the image, or of the shrunken image in the result, as a share of
        the largest possible one; 0 to 1.
    is_flipped : bool
        Left and right are swapped.
    brightness, contrast, saturation : float
        Factors; 1 changes nothing.
    """

    scale: float = 1.0
    top: float = 0.5
    left: float = 0.5
    is_flipped: bool = False
    brightness: float = 1.0
    contrast: float = 1.0
    saturation: float = 1.0


def sample_augmentation(rng: np.random.Generator, config: AugmentConfig) -> Augmentation:
    """Draw the parameters of a change; every call draws the same number of values."""
    low, high = config.scale
    scale = low * (high / low) ** rng.random()  # as much zooming in as out
    top, left, flip = rng.random(3)
    colour = 1 + config.colour * rng.uniform(-1, 1, 3)
    return Augmentation(
        scale=float(scale),
        top=float(top),
        left=float(left),
        is_flipped=bool(flip < config.flip),
        brightness=float(colour[0]),
        contrast=float(colour[1]),
        saturation=float(colour[2]),
    )


def augment(
    image: Tensor, label_map: Tensor, size: tuple[int, int], change: Augmentation
) -> tuple[Tensor, Tensor]:
    """Apply a change and bring image and label to `size`.

    Parameters
    ----------
    image : (3, H, W) uint8
    label_map : (H, W) uint8
    size : (int, int)
        Height and width of the result.

    Returns
    -------
    image : (3, height, width) uint8
        Where it is zoomed out, its edges are repeated.
    label_map : (height, width) uint8
        255 where the image does not reach.
    """
    image, label_map = _cut(image, label_map, change)
    inset = _find_inset(size, change)
    inner = inset[0][1], inset[1][1]
    image, label_map = fit_to_size(image, label_map, inner)
    if inner != tuple(size):
        image, label_map = _pad(image, label_map, size, inset)
    if change.is_flipped:
        image, label_map = image.flip(-1), label_map.flip(-1)
    return _recolour(image, change), label_map


def fit_to_size(image: Tensor, label_map: Tensor, size: tuple[int, int]) -> tuple[Tensor, Tensor]:
    """Resize an image and its label, without keeping the ratio of the sides.

    Returns
    -------
    image : (3, height, width) uint8
        Bilinear, antialiased.
    label_map : (height, width) uint8
        The label of the pixel nearest to each pixel's centre.
    """
    if tuple(image.shape[-2:]) == tuple(size):
        return image, label_map
    resized = F.interpolate(image[None], size, mode="bilinear", antialias=True)
    labels = F.interpolate(label_map[None, None], size, mode="nearest-exact")
    return resized[0], labels[0, 0]


def find_view(shape: tuple[int, int], size: tuple[int, int], change: Augmentation) -> Tensor:
    """Find out where in an image the pixels of the result of `augment` come from.

    Parameters
    ----------
    shape : (int, int)
        Height and width of the image.
    size : (int, int)
        Of the result of `augment`.

    Returns
    -------
    view : (2, 3) float32
        As in `Uncropped.views`.
    """
    view = torch.zeros(2, 3)
    section, inset = _find_section(shape, change), _find_inset(size, change)
    for row, axis in ((0, 1), (1, 0)):  # across, down
        start, length = section[axis]
        placed, inner = inset[axis]
        # of 0..1 in the result, what 0..1 in the section and then in the image is
        scale = size[axis] / inner * length / shape[axis]
        offset = (start - placed / inner * length) / shape[axis]
        view[row, row], view[row, 2] = scale, 2 * offset + scale - 1
    if change.is_flipped:
        view[0, 0] = -view[0, 0]
    return view


Span = tuple[int, int]
"""Start and length along an axis."""


def _find_section(shape: tuple[int, int], change: Augmentation) -> tuple[Span, Span]:
    """Find the rows and columns of an image that are shown."""
    zoom = max(change.scale, 1.0)
    inner = [max(1, round(length / zoom)) for length in shape]
    starts = (change.top * (shape[0] - inner[0]), change.left * (shape[1] - inner[1]))
    return (round(starts[0]), inner[0]), (round(starts[1]), inner[1])


def _find_inset(size: tuple[int, int], change: Augmentation) -> tuple[Span, Span]:
    """Find the rows and columns of the result in which they are shown."""
    shrink = min(change.scale, 1.0)
    inner = [max(1, round(length * shrink)) for length in size]
    starts = (change.top * (size[0] - inner[0]), change.left * (size[1] - inner[1]))
    return (round(starts[0]), inner[0]), (round(starts[1]), inner[1])


def _cut(image: Tensor, label_map: Tensor, change: Augmentation) -> tuple[Tensor, Tensor]:
    """Cut out the section that is zoomed in on: cheaper than enlarging all of the image first."""
    height, width = label_map.shape
    rows, columns = (slice(a, a + n) for a, n in _find_section((height, width), change))
    return image[:, rows, columns], label_map[rows, columns]


def _pad(
    image: Tensor, label_map: Tensor, size: tuple[int, int], inset: tuple[Span, Span]
) -> tuple[Tensor, Tensor]:
    """Place an image in a larger one."""
    (top, height), (left, width) = inset
    rows = (torch.arange(size[0]) - top).clamp(0, height - 1)
    columns = (torch.arange(size[1]) - left).clamp(0, width - 1)
    padded = label_map.new_full(size, IGNORE_INDEX)
    padded[top : top + height, left : left + width] = label_map
    return image[:, rows[:, None], columns], padded


def _recolour(image: Tensor, change: Augmentation) -> Tensor:
    """Change brightness, then contrast about the mean grey, then saturation about each grey."""
    if (change.brightness, change.contrast, change.saturation) == (1, 1, 1):
        return image
    pixels = (image * change.brightness).clamp_(0, 255)
    grey_of = pixels.new_tensor(_GREY_OF_RGB)
    mean_grey = torch.tensordot(grey_of, pixels.mean((1, 2)), 1)
    pixels.sub_(mean_grey).mul_(change.contrast).add_(mean_grey).clamp_(0, 255)
    grey = torch.tensordot(grey_of, pixels, 1)
    pixels.sub_(grey).mul_(change.saturation).add_(grey).clamp_(0, 255)
    return pixels.round_().to(torch.uint8)
