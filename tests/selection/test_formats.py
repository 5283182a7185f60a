from __future__ import annotations

import numpy as np
import pytest
from PIL import Image

from curate.errors import StoreError
from curate.selection.formats import FORMATS
from curate.selection.placement import SubsetItem
from tests.selection.making import files, placement


def item(keep=None):
    return SubsetItem("x/a", "x/a.jpg", "y/a.png", None if keep is None else np.array(keep))


def test_original_format_keeps_names(tmp_path, data):
    place = placement(tmp_path, data)
    FORMATS["original"](place).add(item())
    assert files(place.folder) == ["x/a.jpg", "y/a.png"]
    assert (place.folder / "y/a.png").read_text() == "y/a.png"


def test_original_format_writes_masked_labels(tmp_path, data):
    place = placement(tmp_path, data)
    FORMATS["original"](place).add(item(keep=[[True]]))
    assert not (place.folder / "y/a.png").is_symlink()
    assert (place.folder / "y/a.png").read_text() == "y/a.png [[ True]] toy"
    assert (data / "y/a.png").read_text() == "y/a.png"


@pytest.mark.parametrize("keep", [None, [[True]]])
def test_original_format_carries_train_ids_along(tmp_path, data, keep):
    (data / "y/a_labelTrainIds.png").write_text("ids")
    (data / "y/b_labelTrainIds.png").write_text("of another")
    place = placement(tmp_path, data)
    FORMATS["original"](place).add(item(keep))
    assert files(place.folder) == ["x/a.jpg", "y/a.png", "y/a_labelTrainIds.png"]
    text = "ids" if keep is None else "y/a_labelTrainIds.png [[ True]] train ids"
    assert (place.folder / "y/a_labelTrainIds.png").read_text() == text


def test_folder_format_writes_class_indices(tmp_path, data):
    for keep, expected in ((None, [0, 1, 255]), ([[True, False, True]], [0, 255, 255])):
        place = placement(tmp_path / str(keep), data)
        FORMATS["folder"](place).add(item(keep))
        assert files(place.folder) == ["images/x/a.jpg", "labels/x/a.png"]
        with Image.open(place.folder / "labels/x/a.png") as label:
            assert label.mode == "L"
            assert np.asarray(label).tolist() == [expected]


def test_list_format_names_originals_and_rewritten_labels(tmp_path, data):
    place = placement(tmp_path, data)
    subset = FORMATS["list"](place)
    subset.add(item())
    subset.add(item(keep=[[True]]))
    subset.finish()
    assert files(place.folder) == ["images.txt", "labels.txt", "y/a.png"]
    assert (place.folder / "images.txt").read_text() == f"{data}/x/a.jpg\n{data}/x/a.jpg\n"
    assert (place.folder / "labels.txt").read_text().splitlines() == [
        f"{data}/y/a.png",
        f"{tmp_path}/out/y/a.png",
    ]


def test_line_breaks_cannot_forge_entries_of_a_list(tmp_path, data):
    subset = FORMATS["list"](placement(tmp_path, data))
    with pytest.raises(StoreError, match="holds a line break"):
        subset.add(SubsetItem("x", "x/a\nb.jpg", "y", None))


def test_two_files_of_one_name_are_refused(tmp_path, data):
    subset = FORMATS["original"](placement(tmp_path, data))
    subset.add(item())
    with pytest.raises(StoreError, match=r"would both be 'x/a\.jpg'"):
        subset.add(item())
