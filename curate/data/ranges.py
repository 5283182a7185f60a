"""What becomes black and white in images of more than 8 bits: thermal, 12-bit cameras, radiances.

By default it is the .1 and the 99.9 percentile of evenly spaced images of the data set, so that all
its images are scaled alike, and a few dead pixels do not decide.
"""

from __future__ import annotations

import math
from concurrent.futures import ThreadPoolExecutor
from typing import TYPE_CHECKING, Any, Final, Literal

import numpy as np

from curate import errors, records
from curate.data import containers, images, png, shards

if TYPE_CHECKING:
    from collections.abc import Sequence
    from pathlib import Path

    from numpy.typing import NDArray

Range = Literal["auto", "full"] | tuple[float, float]

NUM_IMAGES: Final = 64
PERCENTILES: Final = (0.1, 99.9)
_MAX_SAMPLES: Final = 2**16
"""Samples of an image that are looked at, evenly spaced."""
_DEEP_SUFFIXES: Final = ("png", "tif", "tiff")
"""Kinds of files that can hold more than 8 bits."""


def resolve_range(
    asked: Range, root: Path, pairs: Sequence[records.Pair]
) -> tuple[float, float] | None:
    """Find what becomes black and white in the images of a data set.

    Parameters
    ----------
    asked : str or (float, float)
        ``auto``, ``full``, or the two values.

    Returns
    -------
    value_range : (float, float) or None
        None where all images have 8 bits, or all that the bits can hold is asked for.
    """
    if asked == "full":
        return None
    if not isinstance(asked, str):
        return asked
    chosen = _pick_evenly([pair for pair in pairs if pair.status == records.OK])
    paths = [root / pair.image_path for pair in chosen]
    with ThreadPoolExecutor(max_workers=4) as pool:
        are_deep = pool.map(_is_deep, paths)
        deep = [path for path, is_deep in zip(paths, are_deep, strict=True) if is_deep]
        found = [samples for samples in pool.map(_sample, deep) if samples is not None]
    if not found:
        return None
    low, high = (float(value) for value in np.percentile(np.concatenate(found), PERCENTILES))
    return (low, high) if high > low else (low, low + 1)


def _pick_evenly(pairs: Sequence[records.Pair]) -> list[records.Pair]:
    """Pick up to `NUM_IMAGES` of the images, evenly spaced."""
    count = min(NUM_IMAGES, len(pairs))
    return [pairs[i] for i in np.linspace(0, len(pairs) - 1, count).round().astype(int)]


def _is_deep(path: Path) -> bool:
    """Tell whether a file may have more than 8 bits, reading no more than its header of a PNG."""
    suffix = path.suffix.lower().removeprefix(".")
    if suffix not in _DEEP_SUFFIXES or containers.is_container(path):
        return False
    return suffix != "png" or shards.is_inside(path.as_posix()) or png.peek_bit_depth(path) == 16


def _sample(path: Path) -> NDArray[Any] | None:
    """Read some samples of an image; None where it has 8 bits, or cannot be read."""
    try:
        opened = images.open_image(images.read_file(path, "image"), path)
        if opened.bit_depth <= 8:
            return None
        samples = images.read_samples(opened, path)
    except errors.DataError:
        return None
    colours = samples if samples.ndim == 2 else samples[..., : 1 if samples.shape[2] < 3 else 3]
    flat = colours.reshape(-1)
    kept = flat[:: max(1, math.ceil(flat.size / _MAX_SAMPLES))]
    return kept[np.isfinite(kept)] if kept.dtype.kind == "f" else kept
