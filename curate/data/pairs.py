"""Read an image together with its label."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any, Final, NamedTuple

import torch

from curate import errors, records
from curate.data import containers, images, labels

if TYPE_CHECKING:
    from pathlib import Path

    import numpy as np
    from numpy.typing import NDArray
    from torch import Tensor

    from curate.data.dataset import DataSource
    from curate.data.idmaps import IdMap

_PROBLEMS: Final = {
    "missing_label": "{path} has no label. Add one of the same name, or leave the image out.",
    "duplicate_id": "{path} differs from another image by its suffix only. Rename one of them.",
    "bad_name": "The name of {path} is no valid UTF-8. Rename the file.",
}


class LoadedPair(NamedTuple):
    """An image and its label.

    Attributes
    ----------
    image : (3, H, W) uint8
    label_map : (H, W) uint8
        Class indices, 255 = ignore.
    """

    image: Tensor
    label_map: Tensor


def read_pair(source: DataSource, pair: records.Pair) -> LoadedPair:
    """Read an image and its label from a data set; errors as `read_upright`."""
    return read_upright(source, pair)[0]


def read_upright(source: DataSource, pair: records.Pair) -> tuple[LoadedPair, int]:
    """Read an image and its label, and the EXIF orientation that was applied to the image.

    Raises
    ------
    DataError or LabelError
        With code ``missing_image``, ``missing_label``, ``duplicate_id``, ``bad_name``,
        ``unreadable_image``, ``unreadable_label``, ``size_mismatch``, ``unmapped_ids``,
        ``colour_coded``, ``too_small`` or ``too_large``. A label may be ignored everywhere.
    """
    image_path = source.root / pair.image_path
    if pair.status != records.OK:
        problem = _PROBLEMS.get(
            pair.status, "{path} is on the list of what to leave out (fix_list)."
        )
        raise errors.DataError(problem.format(path=image_path), code=pair.status)
    return read_files(image_path, source.root / pair.label_path, source.id_map, source.value_range)


def read_files(
    image_path: Path,
    label_path: Path,
    id_map: IdMap,
    value_range: tuple[float, float] | None = None,
) -> tuple[LoadedPair, int]:
    """Read an image and its label by their paths; see `read_upright`."""
    if containers.is_container(image_path):
        pixels = containers.read_image(image_path)
        raw = containers.read_ids(label_path)
        _check_sizes(label_path, pixels.shape[:2], raw.shape)
        label_map = _apply(id_map, raw, label_path)
        image = torch.from_numpy(pixels).permute(2, 0, 1)
        return LoadedPair(image, torch.from_numpy(label_map)), 1
    opened_image = images.open_image(images.read_file(image_path, "image"), image_path)
    opened_label = labels.open_label(images.read_file(label_path, "label"), label_path)
    size, label_size = ((each.height, each.width) for each in (opened_image, opened_label))
    _check_sizes(label_path, size, label_size, opened_image.orientation)
    samples = labels.decode_label(opened_label, label_path)
    raw = labels.pick_ids(samples, id_map, label_path, opened_label)
    label_map = _apply(id_map, raw, label_path)
    pixels = images.decode_image(opened_image, image_path, value_range)
    image = torch.from_numpy(pixels).permute(2, 0, 1)
    return LoadedPair(image, torch.from_numpy(label_map)), opened_image.orientation


def _check_sizes(
    label_path: Path, size: tuple[int, ...], label_size: tuple[int, ...], orientation: int = 1
) -> None:
    """Refuse an image and a label of different sizes."""
    if size == label_size:
        return
    msg = f"{label_path} is {label_size[0]}x{label_size[1]} pixels, its image {size[0]}x{size[1]}. "
    if orientation >= 5 and size == label_size[::-1]:
        msg += (
            f"The image is turned by its EXIF tag (orientation {orientation}), as every viewer "
            "shows it, and the label is not: turn the label as well, or draw it on the image as "
            "it is shown."
        )
    elif size == label_size[::-1]:
        msg += (
            "One of the two is turned: turn it back (an image may have lost the EXIF tag by which "
            "viewers turned it), or leave the image out."
        )
    else:
        msg += "Both must have the same size; resize one of them, or leave the image out."
    raise errors.DataError(msg, code="size_mismatch")


def _apply(id_map: IdMap, raw: NDArray[Any], label_path: Path) -> NDArray[np.uint8]:
    """Look up the classes of a label; an error names the file."""
    try:
        return id_map.apply(raw)
    except errors.LabelError as error:
        msg = f"{label_path} does not fit: {error}"
        raise errors.LabelError(msg, code=error.code) from error
