"""What each kind of region costs beside reading the image, and how well it keeps to the labels.

    python -m tests.benchmarks.regions DATASET [--id-map NAME] [--classes NAME] [--images 50]
        [--size 1052x1914] [--suffix png]

DATASET is any labelled data set. With ``--size`` its images are enlarged first and written as PNG
or JPEG, so that costs are those of large images. Printed for each kind:

- time of cutting, and of cutting and tabulating, over the time of reading image and label (one
  thread, medians over images, all in turn);
- boundary recall: the share of the pixels at an edge of the labels that have an edge of the regions
  within 2 pixels (city-block);
- under-segmentation error: the pixels by which regions overlap the connected parts of the label map
  wrongly, the smaller share of each counted, over all pixels (Neubert and Protzel, "Superpixel
  Benchmark and Comparison", Forum Bildverarbeitung 2012).
"""

from __future__ import annotations

import argparse
import statistics
import tempfile
import time
from pathlib import Path
from typing import TYPE_CHECKING, Any

import numpy as np
import torch
from PIL import Image
from skimage.measure import label
from skimage.morphology import dilation

from curate.data.classes import resolve_classes
from curate.data.dataset import open_dataset
from curate.data.pairs import read_pair
from curate.scoring.cells import centre_labels, count_cell_classes
from curate.scoring.regions import REGION_KINDS, outline_regions
from curate.scoring.scored_image import mean_colours
from curate.selection.cuts import expand_cells

if TYPE_CHECKING:
    from numpy.typing import NDArray

    from curate.data.dataset import DataSource

STRIDE = 4
REGION_PX = 48
TOLERANCE = np.array([abs(i) + abs(j) <= 2 for i in range(-2, 3) for j in range(-2, 3)])


def edges(ids: NDArray[Any]) -> NDArray[np.bool_]:
    """Mark pixels whose right or lower neighbour differs."""
    found = np.zeros(ids.shape, np.bool_)
    found[:-1] |= ids[:-1] != ids[1:]
    found[:, :-1] |= ids[:, :-1] != ids[:, 1:]
    return found


def boundary_recall(regions: NDArray[Any], parts: NDArray[Any]) -> float:
    """Share of label edges with a region edge nearby."""
    near = dilation(edges(regions), TOLERANCE.reshape(5, 5))
    wanted = edges(parts)
    return float(near[wanted].mean())


def undersegmentation(regions: NDArray[Any], parts: NDArray[Any]) -> float:
    """Share of wrongly overlapped pixels."""
    key = regions.astype(np.int64) * (int(parts.max()) + 1) + parts
    pairs, overlap = np.unique(key, return_counts=True)
    sizes = np.bincount(regions.ravel())[pairs // (int(parts.max()) + 1)]
    return float(np.minimum(overlap, sizes - overlap).sum() / regions.size)


def enlarge(
    source: DataSource, folder: Path, size: tuple[int, int], suffix: str, count: int
) -> None:
    """Write the images of a data set in another size."""
    for name in ("images", "labels"):
        (folder / name).mkdir()
    for index, pair in enumerate(source.pairs[:: max(1, len(source.pairs) // count)][:count]):
        loaded = read_pair(source, pair)
        image = Image.fromarray(loaded.image.permute(1, 2, 0).numpy())
        image.resize(size[::-1], Image.Resampling.BICUBIC).save(
            folder / "images" / f"{index:04d}.{suffix}",
            **({"quality": 90} if suffix == "jpg" else {}),
        )
        labels = Image.fromarray(loaded.label_map.numpy())
        labels.resize(size[::-1], Image.Resampling.NEAREST).save(
            folder / "labels" / f"{index:04d}.png"
        )


def measure(source: DataSource, count: int) -> None:
    """Print a line a kind."""
    num_classes = len(source.classes)
    reading: list[float] = []
    figures: dict[str, list[tuple[float, ...]]] = {kind: [] for kind in REGION_KINDS}
    for pair in source.pairs[:: max(1, len(source.pairs) // count)][:count]:
        start = time.perf_counter()
        loaded = read_pair(source, pair)
        reading.append(time.perf_counter() - start)
        labels = loaded.label_map.numpy()
        height, width = labels.shape
        cells = count_cell_classes(labels, num_classes=num_classes, stride=STRIDE)
        parts = label(labels, background=-1, connectivity=1)
        for kind, cut in REGION_KINDS.items():
            start = time.perf_counter()
            ids = cut(
                centre_labels(labels, STRIDE),
                REGION_PX / STRIDE,
                lambda image=loaded.image: mean_colours(image, STRIDE),
            )
            middle = time.perf_counter()
            outline_regions(ids, cells, stride=STRIDE, height=height, width=width)
            end = time.perf_counter()
            regions = expand_cells(ids, height, width, STRIDE)
            figures[kind].append(
                (
                    middle - start, end - start, ids.max() + 1,
                    boundary_recall(regions, parts), undersegmentation(regions, parts),
                )
            )  # fmt: skip
    read = statistics.median(reading)
    print(f"{len(reading)} images of {width}x{height}, read in {read * 1e3:.2f} ms each (median)")
    for kind, rows in figures.items():
        cut, both, number, recall, error = np.median(rows, axis=0)[:5]
        recall, error = np.mean(rows, axis=0)[3:]
        print(
            f"{kind:12} {cut * 1e3:7.2f} ms = {cut / read:.3f} of reading, with tabulating "
            f"{both / read:.3f}; {number:.0f} regions; boundary recall {recall:.3f}, "
            f"under-segmentation error {error:.4f}"
        )


def main() -> None:
    """Measure and print."""
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("dataset", type=Path)
    parser.add_argument("--id-map", default="camvid11")
    parser.add_argument("--classes", default="camvid11")
    parser.add_argument("--images", type=int, default=50)
    parser.add_argument("--size")
    parser.add_argument("--suffix", default="png")
    options = parser.parse_args()
    torch.set_num_threads(1)
    settings = {"layout": "auto", "classes": resolve_classes(options.classes), "key": "new"}
    source = open_dataset(options.dataset, id_map=options.id_map, **settings)
    if not options.size:
        measure(source, options.images)
        return
    height, width = map(int, options.size.split("x"))
    with tempfile.TemporaryDirectory() as folder:
        enlarge(source, Path(folder), (height, width), options.suffix, options.images)
        large = open_dataset(Path(folder), id_map=options.classes, **settings)
        measure(large, options.images)


if __name__ == "__main__":
    main()
