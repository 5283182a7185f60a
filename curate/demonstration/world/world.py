"""Data sets drawn from nothing: real, synthetic with known corruptions, and test."""

from __future__ import annotations

from typing import TYPE_CHECKING, Final, NamedTuple, Self

import numpy as np
from PIL import Image

from curate.corruptions import CORRUPTIONS, Corrupted, LabelledImage, Mixture
from curate.demonstration.world import canvas, street
from curate.seeding import stable_rng

if TYPE_CHECKING:
    from collections.abc import Callable
    from pathlib import Path

    from numpy.typing import NDArray

INJECTED: Final = ("style", "flat", "blur", "wrong_label", "wrong_label")
"""Corruptions that are mixed in synthetic images; wrong labels, which hurt most, are likelier."""

_SOUND_SHARE: Final = 0.4
"""Share of the synthetic images in which nothing is corrupted."""


class WorldPaths(NamedTuple):
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

    @classmethod
    def inside(cls, folder: Path) -> Self:
        """Return where a world is that was drawn into a folder."""
        return cls(*(folder / name for name in cls._fields))


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
    paths = WorldPaths.inside(out)
    tiles = canvas.draw_tiles(stable_rng(seed, "tiles"))
    numbers = ((paths.real, num_real), (paths.synthetic, num_synthetic), (paths.test, num_test))
    images = [(folder, index) for folder, number in numbers for index in range(number)]
    for drawn, (folder, index) in enumerate(images, start=1):
        name, is_synthetic = f"{index:05d}.png", folder == paths.synthetic
        rng = stable_rng(seed, folder.name, index)
        composition = street.SYNTHETIC if is_synthetic else street.REAL
        image, label_map = street.draw_street(composition, size, tiles, rng)
        if is_synthetic:
            corrupted = corrupt(image, label_map, rng)
            image, label_map = corrupted.image, corrupted.label_map
            _write(paths.truth / name, np.where(corrupted.is_corrupted, 0, 255))
        _write(folder / "images" / name, image.transpose(1, 2, 0))
        _write(folder / "labels" / name, label_map)
        if on_drawn is not None:
            on_drawn(drawn)
    return paths


def corrupt(
    image: NDArray[np.uint8], label_map: NDArray[np.uint8], rng: np.random.Generator
) -> Corrupted:
    """Leave two images of five as they are, and inject several corruptions into the others.

    `image` is (3, H, W) uint8, and `label_map` is (H, W) uint8.
    """
    if rng.random() < _SOUND_SHARE:
        return Corrupted(image, label_map, np.zeros(label_map.shape, bool))
    mixture = Mixture([CORRUPTIONS[name] for name in INJECTED])
    source = LabelledImage(image, label_map, donor_image=image, donor_label_map=label_map)
    return mixture.inject(source, rng, strength="strong", share=rng.uniform(0.4, 1))


def _write(path: Path, pixels: NDArray[np.integer]) -> None:
    """Write a PNG file, complete or not at all."""
    path.parent.mkdir(parents=True, exist_ok=True)
    partial = path.with_suffix(".partial")
    content = np.ascontiguousarray(pixels, np.uint8)
    Image.fromarray(content).save(partial, format="PNG", compress_level=1)
    partial.replace(path)
