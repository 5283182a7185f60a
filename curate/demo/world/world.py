"""A pair of data sets drawn from nothing: real, synthetic with known faults, and test."""

from __future__ import annotations

from dataclasses import dataclass
from typing import TYPE_CHECKING

import numpy as np
from PIL import Image

from curate.demo.world.corrupt import corrupt
from curate.demo.world.drawn_scene import draw_scene, draw_tiles
from curate.demo.world.palette import REAL, SYNTHETIC
from curate.seeding import stable_rng

if TYPE_CHECKING:
    from collections.abc import Callable
    from pathlib import Path

    from numpy.typing import NDArray

    from curate.demo.world.palette import Composition


@dataclass(frozen=True, slots=True)
class WorldPaths:
    """Folders of a drawn world.

    Attributes
    ----------
    real, synthetic, test : Path
        Data sets of the ``folder`` layout, labels in class indices; `test` is like `real`.
    truth : Path
        ``<stem>.png`` of each synthetic image: 255 where it is untouched, 0 where spoiled.
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
    sets: tuple[tuple[Path, int, Composition], ...] = (
        (paths.real, num_real, REAL),
        (paths.synthetic, num_synthetic, SYNTHETIC),
        (paths.test, num_test, REAL),
    )
    drawn = 0
    for folder, number, composition in sets:
        for index in range(number):
            rng = stable_rng(seed, folder.name, index)
            scene = draw_scene(rng, composition, tiles, size)
            image, label_map = scene.image, scene.label_map
            if folder == paths.synthetic:
                image, label_map, truth = corrupt(scene, rng)
                _write(paths.truth / f"{index:05d}.png", truth)
            _write(folder / "images" / f"{index:05d}.png", np.round(image * 255).astype(np.uint8))
            _write(folder / "labels" / f"{index:05d}.png", label_map)
            drawn += 1
            if on_drawn is not None:
                on_drawn(drawn)
    return paths


def _write(path: Path, pixels: NDArray[np.uint8]) -> None:
    """Write a PNG file, complete or not at all."""
    path.parent.mkdir(parents=True, exist_ok=True)
    partial = path.with_suffix(".partial")
    Image.fromarray(np.ascontiguousarray(pixels)).save(partial, format="PNG", compress_level=1)
    partial.replace(path)
