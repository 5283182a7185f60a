"""Data sets drawn from nothing: real, synthetic with known corruptions, and test."""

from __future__ import annotations

from dataclasses import dataclass
from typing import TYPE_CHECKING

import numpy as np
from PIL import Image

from curate.demonstration.world.canvas import draw_tiles
from curate.demonstration.world.corrupt import corrupt
from curate.demonstration.world.street import REAL, SYNTHETIC, draw_street
from curate.seeding import stable_rng

if TYPE_CHECKING:
    from collections.abc import Callable
    from pathlib import Path

    from numpy.typing import NDArray


@dataclass(frozen=True, slots=True)
class WorldPaths:
    """Folders of a drawn world.

    Attributes
    ----------
    real, synthetic, test : Path
        Data sets of the ``folder`` layout, labels in class indices; `test` is like `real`.
    truth : Path
        ``<stem>.png`` of each synthetic image: 255 where it is sound, 0 where it is corrupted.
    """

    real: Path
    synthetic: Path
    test: Path
    truth: Path


def draw_world(
    out: Path,
    *,
    num_real: int,
    num_synthetic: int,
    num_test: int,
    size: tuple[int, int] = (96, 128),
    seed: int,
    on_drawn: Callable[[int], None] | None = None,
) -> WorldPaths:
    """Draw a world of streets into a folder; the same seed draws the same files.

    Parameters
    ----------
    out : Path
        Made if missing; files in it that bear the same names are replaced.
    size : (int, int)
        Height and width of the images in pixels.
    on_drawn : callable, optional
        Told after each image how many there are.
    """
    paths = WorldPaths(out / "real", out / "synthetic", out / "test", out / "truth")
    tiles = draw_tiles(stable_rng(seed, "tiles"))
    numbers = ((paths.real, num_real), (paths.synthetic, num_synthetic), (paths.test, num_test))
    images = [(folder, index) for folder, number in numbers for index in range(number)]
    for drawn, (folder, index) in enumerate(images, start=1):
        name, is_synthetic = f"{index:05d}.png", folder == paths.synthetic
        rng = stable_rng(seed, folder.name, index)
        composition = SYNTHETIC if is_synthetic else REAL
        image, label_map = draw_street(composition, size, tiles, rng)
        if is_synthetic:
            corrupted = corrupt(image, label_map, rng)
            image, label_map = corrupted.image, corrupted.label_map
            _write(paths.truth / name, np.where(corrupted.is_corrupted, 0, 255))
        _write(folder / "images" / name, image.transpose(1, 2, 0))
        _write(folder / "labels" / name, label_map)
        if on_drawn is not None:
            on_drawn(drawn)
    return paths


def _write(path: Path, pixels: NDArray[np.integer]) -> None:
    """Write a PNG file, complete or not at all."""
    path.parent.mkdir(parents=True, exist_ok=True)
    partial = path.with_suffix(".partial")
    content = np.ascontiguousarray(pixels, np.uint8)
    Image.fromarray(content).save(partial, format="PNG", compress_level=1)
    partial.replace(path)
