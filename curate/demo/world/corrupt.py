"""Spoil known parts of an image the way bad renderings are bad."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any, Final

import numpy as np
from skimage.color import hsv2rgb, rgb2hsv
from skimage.filters import gaussian
from skimage.segmentation import slic

from curate.demo.world.palette import CLASS_NAMES
from curate.records import IGNORE_INDEX

if TYPE_CHECKING:
    from collections.abc import Callable

    from numpy.typing import NDArray

    from curate.demo.world.drawn_scene import Scene

UNTOUCHED: Final = 255
CORRUPTED: Final = 0

_SHARE_UNTOUCHED: Final = 0.4
_SHARE_MISLABELLED: Final = 0.45


def corrupt(
    scene: Scene, rng: np.random.Generator
) -> tuple[NDArray[np.float32], NDArray[np.uint8], NDArray[np.uint8]]:
    """Spoil nothing in two images of five, and 20 to 70 % of the area of the others.

    Returns
    -------
    image : (H, W, 3) float32
    label_map : (H, W) uint8
    truth : (H, W) uint8
        `UNTOUCHED` or `CORRUPTED`; what a fault did not change counts as spoiled all the same.
    """
    image, label_map = scene.image.copy(), scene.label_map.copy()
    truth = np.full(label_map.shape, UNTOUCHED, np.uint8)
    if rng.random() < _SHARE_UNTOUCHED:
        return image, label_map, truth
    wanted = rng.uniform(0.2, 0.7) * truth.size
    segments = slic(scene.plain, n_segments=48, compactness=12, sigma=1, start_label=0)
    kinds = list(CORRUPTIONS.values())
    while np.count_nonzero(truth == CORRUPTED) < wanted:
        patch = _draw_patch(scene, segments, rng) & (truth == UNTOUCHED)
        if not patch.any():
            continue
        image[patch] = kinds[rng.integers(len(kinds))](scene, patch, rng)
        if rng.random() < _SHARE_MISLABELLED:
            label_map[patch] = _other_class(scene.label_map[patch], rng)
        truth[patch] = CORRUPTED
    return image, label_map, truth


def _draw_patch(
    scene: Scene, segments: NDArray[Any], rng: np.random.Generator
) -> NDArray[np.bool_]:
    """Choose a thing, or the superpixels around a point."""
    height, width = segments.shape
    row, column = rng.integers(height), rng.integers(width)
    thing: NDArray[np.bool_] = scene.objects == scene.objects[row, column]
    if rng.random() < 0.5 and np.count_nonzero(thing) < 0.2 * thing.size:
        return thing
    radius = rng.uniform(0.08, 0.2) * min(height, width)
    rows, columns = np.ogrid[:height, :width]
    near = (rows - row) ** 2 + (columns - column) ** 2 <= radius**2
    return np.isin(segments, np.unique(segments[near]))


def _flat(scene: Scene, patch: NDArray[np.bool_], _rng: np.random.Generator) -> NDArray[Any]:
    """Give each thing one plain colour."""
    things = scene.objects[patch]
    colours = scene.plain[patch]
    _, number = np.unique(things, return_inverse=True)
    counts = np.bincount(number)[:, None]
    sums = np.stack([np.bincount(number, colours[:, c]) for c in range(3)], axis=1)
    return np.asarray((sums / counts)[number])


def _posterised(scene: Scene, patch: NDArray[np.bool_], rng: np.random.Generator) -> NDArray[Any]:
    """Leave three or four levels of each colour channel."""
    steps = int(rng.integers(2, 4))
    return np.round(scene.plain[patch] * steps) / steps


def _wrong_hue(scene: Scene, patch: NDArray[np.bool_], rng: np.random.Generator) -> NDArray[Any]:
    """Turn the hue and make colours glaring."""
    hsv = rgb2hsv(scene.image[patch])
    hsv[:, 0] = (hsv[:, 0] + rng.uniform(0.25, 0.75)) % 1
    hsv[:, 1] = np.clip(hsv[:, 1] * 1.5 + 0.25, 0, 1)
    return np.asarray(hsv2rgb(hsv))


def _smooth(scene: Scene, patch: NDArray[np.bool_], rng: np.random.Generator) -> NDArray[Any]:
    """Wash out all detail, sensor noise included."""
    washed = gaussian(scene.plain, sigma=rng.uniform(2.0, 3.5), channel_axis=-1, mode="nearest")
    return np.asarray(washed[patch])


def _other_class(labels: NDArray[np.uint8], rng: np.random.Generator) -> int:
    """Draw a class that is not the most frequent one of the patch."""
    counts = np.bincount(labels[labels != IGNORE_INDEX], minlength=len(CLASS_NAMES))
    others = np.delete(np.arange(len(CLASS_NAMES)), counts.argmax())
    return int(rng.choice(others))


CORRUPTIONS: Final[
    dict[str, Callable[[Scene, NDArray[np.bool_], np.random.Generator], NDArray[Any]]]
] = {"flat": _flat, "posterised": _posterised, "wrong_hue": _wrong_hue, "smooth": _smooth}
"""Each kind returns the new colours, (P, 3) in [0, 1], of the P pixels of a patch."""
