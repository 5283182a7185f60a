from __future__ import annotations

import numpy as np
import pytest
from PIL import Image

from curate.data.png import encode_png
from curate.errors import LabelError
from curate.selection.export import export_subset
from tests.selection.making import files

RIGHT = np.arange(16) >= 8


@pytest.fixture
def companions(root):
    """What other tools may have left beside the label of image a: file -> pixels."""
    pixels = {
        "a_labelTrainIds": np.full((8, 16), 3, np.uint8),
        "a_instanceIds": np.full((8, 16), 26_000, np.uint16),
        "a_color": np.full((8, 16, 4), 200, np.uint8),
    }
    for name, samples in pixels.items():
        (root / f"labels/{name}.png").write_bytes(encode_png(samples))
    return pixels


def test_companions_are_placed_with_their_label(root, scores, out, companions):
    export_subset(scores, out=out, count=1)
    for name in companions:
        assert (out / f"labels/{name}.png").samefile(root / f"labels/{name}.png")
    assert len(files(out / "labels")) == 4


def test_companions_are_masked_alike(scores, out, companions):
    export_subset(scores, out=out, by="region", count=1)  # the left half
    ignored = {"a_labelTrainIds": 255, "a_instanceIds": 0, "a_color": (0, 0, 0, 200)}
    for name, samples in companions.items():
        with Image.open(out / f"labels/{name}.png") as label:
            found = np.asarray(label)
        assert (found[:, ~RIGHT] == samples[:, ~RIGHT]).all()
        assert (found[:, RIGHT] == ignored[name]).all()


def test_companion_of_another_size_is_refused(root, scores, out, companions):
    (root / "labels/a_color.png").write_bytes(encode_png(np.zeros((9, 16, 3), np.uint8)))
    with pytest.raises(LabelError, match=r"a_color\.png is"):
        export_subset(scores, out=out, by="region", count=1)
    assert not out.exists()


def test_other_formats_leave_companions_out(scores, out, companions):
    export_subset(scores, out=out, count=1, format="folder")
    assert files(out / "labels") == ["a.png"]


@pytest.mark.parametrize("by", ["image", "region"])
def test_files_that_say_what_ids_mean_are_placed_once(root, scores, out, by):
    (root / "labelmap.txt").write_text("thing:1,2,3::\n")
    (root / "labels/semantic_segmentation_labelsa.json").write_text('{"0": {"class": "thing"}}')
    export_subset(scores, out=out, by=by, count=2, media="copy")
    assert (out / "labelmap.txt").read_text() == "thing:1,2,3::\n"
    assert (out / "labels/semantic_segmentation_labelsa.json").exists()
