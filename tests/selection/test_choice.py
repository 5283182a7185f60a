from __future__ import annotations

import h5py
import numpy as np
import pytest
from PIL import Image

from curate.selection.choice import ClassShare, find_losses
from curate.selection.export import export_subset
from tests.selection.making import BLOCK, BLOCK_PX, Warnings, class_px


def kept(scores, out, **options):
    result = export_subset(scores, out=out, **options)
    assert [each.name for each in result.classes] == ["road", "sky"]
    return [each.kept // BLOCK_PX for each in result.classes]


def with_class_px(path):
    """Give the columns of the score file what the labels show: a 4 and 3, b 6, c 8 blocks."""
    px = np.array([[4, 3], [6, 0], [0, 8], [0, 0]]) * BLOCK_PX
    with h5py.File(path, "a") as file:
        file["images/class_px"][:] = px
        # left and right halves of a, b, c
        file["regions/class_id"][:] = [0, 1, 0, 0, 1, 1]
    return path


@pytest.fixture
def counted(scores):
    return with_class_px(scores)


def test_classes_of_whole_images_are_those_of_the_table(counted, out):
    result = export_subset(counted, out=out, count=2)  # a and c
    assert result.classes == [
        ClassShare("road", 10 * BLOCK_PX, 4 * BLOCK_PX),
        ClassShare("sky", 11 * BLOCK_PX, 11 * BLOCK_PX),
    ]


@pytest.fixture
def mixed(counted, root):
    """A row of sky in the left region of b, whose class is road: 1 block of 2 is road, 1 sky.

    By the labels, road and sky have: a 4 and 0, 0 and 3; b 1 and 1, 4 and 0; c 0 and 4, 0 and 4.
    """
    blocks = np.array([[7, 8, 7, 7], [0, 0, 7, 7]], np.uint8)
    Image.fromarray(blocks.repeat(BLOCK, 0).repeat(BLOCK, 1)).save(root / "labels/b.png")
    with h5py.File(counted, "a") as file:
        file["images/class_px"][1] = np.array([5, 1]) * BLOCK_PX
    return counted


def test_classes_of_regions_are_counted_in_the_labels(mixed, out):
    # best first: left of a, right of c, both of b, left of c, right of a
    assert kept(mixed, out, by="region", count=2) == [4, 4]
    assert kept(mixed, out, by="region", count=3, overwrite=True) == [5, 5]
    assert class_px(out) == {7: 5 * BLOCK_PX, 8: 5 * BLOCK_PX}
    assert kept(mixed, out, by="region", count=6, overwrite=True) == [9, 12]
    assert kept(mixed, out, by="region", per_class=True, top="100%", overwrite=True) == [9, 12]


def test_bounds_of_regions_are_pixels_of_the_labels(mixed, out):
    # 12 of sky: with the 5 of the three best, 40% (4.8) are reached, 45% (5.4) need left of c, too
    at_least = {"by": "region", "count": 3, "overwrite": True}
    assert kept(mixed, out, floors=["sky=40%"], **at_least) == [5, 5]
    assert kept(mixed, out, min_class_share="45%", **at_least) == [5, 9]
    # 9 of road: 5 are 55.6%; one region more of b would have 9. Left of b is passed over at 50%
    assert kept(mixed, out, quotas=["road=56%"], by="region", count=6, overwrite=True) == [5, 12]
    assert kept(mixed, out, quotas=["road=50%"], by="region", count=6, overwrite=True) == [4, 11]


def test_classes_of_pixels_are_counted_to_the_very_number(counted, out):
    # levels 250: 4 of road (a); 200: 4 of sky (c); 100: 6 of road (b); 30: 4 of sky; 10: 3
    assert kept(counted, out, by="pixel", count=6 * BLOCK_PX) == [4, 2]
    assert kept(counted, out, by="pixel", count=11 * BLOCK_PX, overwrite=True) == [7, 4]
    per_class = {"by": "pixel", "per_class": True, "top": "50%"}
    result = export_subset(counted, out=out, overwrite=True, **per_class)
    assert [each.kept for each in result.classes] == [5 * BLOCK_PX, 11 * BLOCK_PX // 2]


def test_class_that_a_cut_nearly_removes_is_warned_of(counted, out):
    warnings = Warnings()
    export_subset(counted, out=out, by="pixel", count=5 * BLOCK_PX, reporter=warnings)
    (text,) = warnings.texts
    # 5 of 21 blocks are kept (23.8 %), but 1 of 11 of sky (9.1 %)
    assert "lose more than half of their share, 23.8% of all pixels being kept: sky (9.1%)" in text
    assert "or --min-class-share 16%, keeps more" in text  # two thirds of 23.8 %
    assert "--min-class-share" in text


def test_balanced_cut_is_not_warned_of(counted, out):
    warnings = Warnings()
    export_subset(counted, out=out, by="pixel", top="50%", per_class=True, reporter=warnings)
    assert warnings.texts == []


def test_half_of_its_share_is_no_loss_and_less_is():
    def share(kept):
        return find_losses([ClassShare("a", 80, 40), ClassShare("b", 20, kept)])

    assert share(5) == []  # 45 of 100 kept; 5 of 20 are 25 % > 22.5 %
    assert [each.name for each in share(4)] == ["b"]  # 20 % < 22 %
    assert find_losses([ClassShare("a", 10, 5), ClassShare("absent", 0, 0)]) == []
