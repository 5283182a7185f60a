"""Corruptions of what is in the image: wrong scale, pasted content, missing objects."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any, ClassVar

import numpy as np

from curate.corruptions.corruption import Corruption, ImageAndLabel, LabelledImage, Parameters
from curate.records import IGNORE_INDEX

if TYPE_CHECKING:
    from numpy.typing import NDArray


class WrongScale(Corruption):
    """Each superpixel's content magnified `factor` times about its middle."""

    ranges: ClassVar = {"mild": {"factor": (1.5, 1.9)}, "strong": {"factor": (3.0, 4.0)}}

    def change(self, source: LabelledImage, parameters: Parameters) -> ImageAndLabel:
        """Read every pixel nearer to the middle of its superpixel."""
        height, width = source.label_map.shape
        rows, columns = np.mgrid[:height, :width]
        y = _shrink(rows, source.superpixels, parameters.values["factor"])
        x = _shrink(columns, source.superpixels, parameters.values["factor"])
        return source.repaint(parameters.mask, _interpolate(source.image, y, x))


def _shrink(
    positions: NDArray[Any], superpixels: NDArray[np.int64], factor: float
) -> NDArray[np.float64]:
    """Move positions towards the mean of their superpixel."""
    groups = superpixels.ravel()
    means = np.bincount(groups, weights=positions.ravel()) / np.bincount(groups)
    middle = means[superpixels]
    return middle + (positions - middle) / factor


def _interpolate(
    image: NDArray[np.uint8], y: NDArray[np.float64], x: NDArray[np.float64]
) -> NDArray[np.float32]:
    """Read an image at real positions inside it, bilinearly."""
    top, left = y.astype(np.intp), x.astype(np.intp)
    bottom = np.minimum(top + 1, image.shape[1] - 1)
    right = np.minimum(left + 1, image.shape[2] - 1)
    down, across = (y - top).astype(np.float32), (x - left).astype(np.float32)
    upper = image[:, top, left] * (1 - across) + image[:, top, right] * across
    lower = image[:, bottom, left] * (1 - across) + image[:, bottom, right] * across
    return np.asarray(upper * (1 - down) + lower * down, np.float32)


class Pasted(Corruption):
    """Pixels of the donor under the old label, where their class is known and another.

    The donor is moved by `down` and `across` of its size. `match` is how far the brightness and
    contrast of the pasted content are brought to those of what it replaces.
    """

    ranges: ClassVar = {
        "mild": {"down": (0, 1), "across": (0, 1), "match": (0.7, 1)},
        "strong": {"down": (0, 1), "across": (0, 1), "match": (0, 0)},
    }
    is_mismatch: ClassVar = True

    def change(self, source: LabelledImage, parameters: Parameters) -> ImageAndLabel:
        """Paste into the mask."""
        rows, columns = _donor_positions(source, parameters)
        content = source.donor_image[:, rows, columns].astype(np.float32)
        labels = source.donor_label_map[rows, columns]
        differs = source.is_valid & (labels != IGNORE_INDEX) & (labels != source.label_map)
        mask = parameters.mask & differs
        image = source.image.copy()
        if mask.any():
            pasted, there = content[:, mask], source.image[:, mask].astype(np.float32)
            adapted = _match(pasted, there)
            mixed = pasted + np.float32(parameters.values["match"]) * (adapted - pasted)
            image[:, mask] = np.rint(np.clip(mixed, 0, 255)).astype(np.uint8)
        return image, source.label_map


def _donor_positions(
    source: LabelledImage, parameters: Parameters
) -> tuple[NDArray[np.intp], NDArray[np.intp]]:
    """Row and column of the donor for each pixel: scaled to fit, moved, wrapped around."""
    axes = []
    for axis, name in enumerate(("down", "across")):
        length, donor_length = source.label_map.shape[axis], source.donor_label_map.shape[axis]
        scaled = np.arange(length) * donor_length // length
        offset = int(parameters.values[name] * donor_length)
        axes.append((scaled + offset) % donor_length)
    return axes[0][:, None], axes[1][None, :]


def _match(pasted: NDArray[np.float32], there: NDArray[np.float32]) -> NDArray[np.float32]:
    """Give colours, (3, P), the mean and spread of others, channel by channel."""
    scale = there.std(axis=1, keepdims=True) / np.maximum(pasted.std(axis=1, keepdims=True), 1)
    centred = pasted - pasted.mean(axis=1, keepdims=True)
    return np.asarray(centred * scale + there.mean(axis=1, keepdims=True))


class MissingObject(Corruption):
    """Objects painted out with the texture around them, or given the class around them.

    `part` is the share of the wanted objects that is really taken; one injection does one of the
    two.
    """

    ranges: ClassVar = {"mild": {"part": (0.3, 0.5)}, "strong": {"part": (1, 1.4)}}
    is_mismatch: ClassVar = True
    is_regional: ClassVar = False

    def change(self, source: LabelledImage, parameters: Parameters) -> ImageAndLabel:
        """Replace the objects by what is nearest to them."""
        rng = parameters.rng()
        is_painted_out = rng.random() < 0.5
        gone = source.choose_objects(rng, parameters.share * parameters.values["part"])
        origin = spread(source.is_valid & ~gone, gone, steps=sum(gone.shape))
        if is_painted_out:
            return _mirror(source.image, gone, origin), source.label_map
        return source.image, source.label_map.ravel()[origin]


def _mirror(
    image: NDArray[np.uint8], gone: NDArray[np.bool_], origin: NDArray[np.int64]
) -> NDArray[np.uint8]:
    """Fill a hole with what lies as far outside as a pixel is inside.

    Where that is in a hole or outside the image, the nearest pixel at the edge does.
    """
    height, width = gone.shape
    rows, columns = np.nonzero(gone)
    edge_rows, edge_columns = np.divmod(origin[gone], width)
    far_rows = np.clip(2 * edge_rows - rows, 0, height - 1)
    far_columns = np.clip(2 * edge_columns - columns, 0, width - 1)
    is_hole = gone[far_rows, far_columns]
    far_rows = np.where(is_hole, edge_rows, far_rows)
    far_columns = np.where(is_hole, edge_columns, far_columns)
    filled = image.copy()
    filled[:, rows, columns] = image[:, far_rows, far_columns]
    return filled


_ALL: slice = slice(None)
_FIRST, _LAST = slice(None, -1), slice(1, None)
_NEIGHBOURS = (
    ((_LAST, _ALL), (_FIRST, _ALL)),
    ((_FIRST, _ALL), (_LAST, _ALL)),
    ((_ALL, _LAST), (_ALL, _FIRST)),
    ((_ALL, _FIRST), (_ALL, _LAST)),
)
"""Slices of the pixels that have a neighbour on one side, and of those neighbours."""


def spread(sources: NDArray[np.bool_], into: NDArray[np.bool_], *, steps: int) -> NDArray[np.int64]:
    """Let `sources` grow into `into` by one pixel a step, up, down, left and right.

    Parameters
    ----------
    sources, into : (H, W) bool
        Where growth begins, and the pixels it may take.
    steps : int
        It ends earlier once nothing is left to take.

    Returns
    -------
    origin : (H, W) int64
        Number of the source pixel, row * W + column, that took each pixel; a pixel that was not
        taken has its own number.
    """
    origin = np.arange(sources.size).reshape(sources.shape)
    is_taken = sources.copy()
    for _ in range(steps):
        grown, reached = is_taken.copy(), origin.copy()
        for here, there in _NEIGHBOURS:
            is_new = into[here] & is_taken[there] & ~grown[here]
            reached[here][is_new] = origin[there][is_new]
            grown[here] |= is_new
        if (grown == is_taken).all():
            break
        is_taken, origin = grown, reached
    return origin
