"""Two real data sets, cut as one, are read back by the packages that subsets are for."""

from __future__ import annotations

import importlib.metadata
import os
from pathlib import Path

import numpy as np
import pytest
from PIL import Image

from curate.data.idmaps import IdMap
from curate.records import OK, SCORE_NAMES, WEIGHT_NAMES, Pair
from curate.scores.columns import RegionTable, ScoredImage
from curate.scores.packing import pack
from curate.selection.export import export_subset
from tests.selection.formats.packages import PACKAGES, read_train_ids
from tests.selection.making import write_scores

pytestmark = [
    pytest.mark.data, pytest.mark.dialects, pytest.mark.filterwarnings("ignore"),
    pytest.mark.skipif("CURATE_TEST_DATA" not in os.environ, reason="needs real files"),
]  # fmt: skip

STRIDE, COUNT = 60, 4
CLASSES = [
    "sky", "building", "pole", "road", "pavement", "tree", "sign", "fence", "car", "pedestrian",
    "bicyclist",
]  # fmt: skip
LEGACY = {0: 0, 1: 1, 2: 7, 4: 9, 5: 2, 6: 3, 7: 3, 8: 4, 9: 5, 10: 8, 11: 7, 12: 6}
"""CARLA's ids to these classes, written down once more, by hand."""
ID_MAPS = {"carla": LEGACY, "airsim": {index: index for index in range(11)}}


def read_truth(root, ids, stem):
    """Read an image and its classes by Pillow, through a table of ids."""
    lookup = np.full(256, 255)
    lookup[list(ids)] = list(ids.values())
    with Image.open(root / f"images/{stem}.jpg") as image:
        pixels = np.asarray(image.convert("RGB"))
    with Image.open(root / f"labels/{stem}.png") as label:
        return pixels, lookup[np.asarray(label)]


def score(stem, label_map):
    """Score two regions: the left one, of the first half of all columns of cells, is the better."""
    height, width = label_map.shape
    cells = -(-height // STRIDE), -(-width // STRIDE)
    middle = cells[1] // 2 * STRIDE
    left = np.arange(cells[1]) < cells[1] // 2
    valid = [int((half != 255).sum()) for half in (label_map[:, :middle], label_map[:, middle:])]
    pixel_scores = np.broadcast_to(np.where(left, 230, 25).astype(np.uint8), cells).copy()
    return ScoredImage(
        pair=Pair(stem, f"images/{stem}.jpg", f"labels/{stem}.png"),
        height=height,
        width=width,
        status=OK,
        message="",
        valid_px=sum(valid),
        means=dict.fromkeys((*SCORE_NAMES, *WEIGHT_NAMES), 0.5),
        class_px=np.bincount(label_map[label_map != 255], minlength=11),
        class_score=np.zeros(11),
        pixel_scores=pack(pixel_scores),
        pixel_weights=pack(pixel_scores),
        region_ids=pack(np.broadcast_to(np.where(left, 0, 1).astype(np.uint16), cells).copy()),
        regions=RegionTable(
            class_id=np.zeros(2, np.int16),
            area_px=np.array([height * middle, height * (width - middle)]),
            valid_px=np.array(valid),
            top=np.zeros(2, np.int32),
            left=np.array([0, middle], np.int32),
            bottom=np.full(2, height, np.int32),
            right=np.array([middle, width], np.int32),
            score=np.array([0.9, 0.1]),
            weight=np.array([0.9, 0.1]),
        ),
    ), middle


@pytest.fixture(scope="module")
def joint(tmp_path_factory):
    """Score files of both sets, and what is left of each image where its right is left out."""
    folder, files, truth = tmp_path_factory.mktemp("real"), [], {}
    for name, ids in ID_MAPS.items():
        root, rows = Path(os.environ["CURATE_TEST_DATA"]) / name, []
        stems = sorted(path.stem for path in (root / "images").iterdir())
        for stem in stems[:: len(stems) // COUNT][:COUNT]:
            image, label_map = read_truth(root, ids, stem)
            row, middle = score(stem, label_map)
            rows.append(row)
            truth[stem] = image, np.where(np.arange(image.shape[1]) < middle, label_map, 255)
        files.append(
            write_scores(
                folder / f"{name}.h5",
                root,
                rows,
                classes={"name": "camvid11", "names": CLASSES},
                id_map=IdMap(name, ids, frozenset(range(256)) - set(ids)).to_json(),
                stride=STRIDE,
                dataset={"name": name, "layout": "folder", "id_map": name},
            )
        )
    return files, truth


@pytest.mark.parametrize("layout", PACKAGES)
def test_package_reads_the_pixels_of_both_sets(joint, tmp_path, layout):
    files, truth = joint
    package, reader = PACKAGES[layout]
    if layout == "cityscapes":  # torchvision reads label ids, which these classes have not
        package, reader = "mmsegmentation", read_train_ids
    try:
        version = importlib.metadata.version(package)
    except importlib.metadata.PackageNotFoundError:
        pytest.skip(f"{package} is not installed")
    print(f"{layout} of real sets was read by {package} {version}")  # noqa: T201 (shown by -s)
    export_subset(files, out=tmp_path / "out", threshold=0.5, by="region", format=layout)
    found = reader(tmp_path / "out")
    assert len(found) == len(truth) == 2 * COUNT
    for name, (image, classes) in found.items():
        (stem,) = [stem for stem in truth if name.endswith(stem)]
        np.testing.assert_array_equal(image, truth[stem][0])
        np.testing.assert_array_equal(classes, truth[stem][1])
