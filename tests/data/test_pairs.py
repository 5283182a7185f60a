from __future__ import annotations

import numpy as np
import pytest
from PIL import Image

from curate.data.classes import resolve_classes
from curate.data.dataset import open_dataset
from curate.data.pairs import read_pair, read_upright
from curate.data.png import encode_png
from curate.errors import DataError, LabelError
from tests.data.making import full, png_file, save, save_folder

CLASSES = resolve_classes("camvid11")


def read_first(root):
    source = open_dataset(root, layout="folder", classes=CLASSES)
    return read_pair(source, source.pairs[0])


def code_of(root):
    with pytest.raises(DataError) as caught:
        read_first(root)
    return caught.value.code


def test_image_and_label_are_read(tmp_path):
    image, label_map = read_first(save_folder(tmp_path, {"a": 3}))
    assert image.shape == (3, 8, 8)
    assert label_map.shape == (8, 8)
    assert label_map.unique().tolist() == [3]


def test_label_that_is_all_ignored_is_read(tmp_path):
    assert read_first(save_folder(tmp_path, {"a": 11})).label_map.unique().tolist() == [255]


def test_sizes_must_agree(tmp_path):
    save_folder(tmp_path, {"a": 3})
    save(tmp_path / "labels/a.png", full(3, size=(8, 9)))
    with pytest.raises(DataError, match="is 8x9 pixels, its image 8x8") as caught:
        read_first(tmp_path)
    assert caught.value.code == "size_mismatch"


def test_unmapped_ids_name_the_file(tmp_path):
    save_folder(tmp_path, {"a": 77})
    with pytest.raises(
        LabelError, match=r"labels/a\.png does not fit: .*77 \(64 pixels\)"
    ) as caught:
        read_first(tmp_path)
    assert caught.value.code == "unmapped_ids"


def test_colour_coded_label_is_reported(tmp_path):
    save_folder(tmp_path, {"a": 3})
    save(tmp_path / "labels/a.png", full((128, 64, 128)))
    assert code_of(tmp_path) == "colour_coded"


def test_status_from_the_listing_is_the_code(tmp_path):
    save_folder(tmp_path, {"a": 3, "b": 3})
    (tmp_path / "labels/a.png").unlink()
    with pytest.raises(DataError, match=r"images/a\.png has no label"):
        read_first(tmp_path)
    assert code_of(tmp_path) == "missing_label"


@pytest.mark.parametrize(
    ("file", "content", "code"),
    [
        ("images", b"", "unreadable_image"),
        ("labels", b"", "unreadable_label"),
        ("images", encode_png(full((1, 2, 3)))[:-20], "unreadable_image"),
        ("labels", encode_png(full(3))[:-20], "unreadable_label"),
        ("images", png_file(8, 8, 8, 0, bytes(5)), "unreadable_image"),
        ("labels", png_file(8, 8, 8, 0, bytes(5)), "unreadable_label"),
        ("images", encode_png(full(3, size=(7, 9))), "too_small"),
        ("labels", png_file(2**14, 2**14, 8, 0, b""), "too_large"),
    ],
)
def test_unfit_files_have_a_code(tmp_path, file, content, code):
    save_folder(tmp_path, {"a": 3})
    (tmp_path / file / "a.png").write_bytes(content)
    assert code_of(tmp_path) == code


@pytest.mark.parametrize(
    ("file", "code"), [("images", "missing_image"), ("labels", "missing_label")]
)
def test_link_to_nothing_has_a_code(tmp_path, file, code):
    path = save_folder(tmp_path, {"a": 3}) / file / "a.png"
    path.unlink()
    path.symlink_to(tmp_path / "gone.png")
    assert code_of(tmp_path) == code


def test_folder_in_place_of_a_file_is_an_error(tmp_path):
    path = save_folder(tmp_path, {"a": 3}) / "images/a.png"
    path.unlink()
    (tmp_path / "elsewhere").mkdir()
    path.symlink_to(tmp_path / "elsewhere")
    assert code_of(tmp_path) == "unreadable_image"


def save_turned(path, samples, orientation):
    exif = Image.Exif()
    exif[0x0112] = orientation
    path.parent.mkdir(parents=True, exist_ok=True)
    Image.fromarray(samples).save(path, exif=exif, quality=98)


def test_photo_that_is_turned_is_read_as_it_is_shown(tmp_path):
    upright = full((200, 0, 0), size=(16, 8))
    upright[8:] = (0, 0, 200)
    save_turned(tmp_path / "images/a.jpg", np.rot90(upright, 1), 6)
    label = full(3, size=(16, 8))
    label[8:] = 0
    save(tmp_path / "labels/a.png", label)
    source = open_dataset(tmp_path, classes=CLASSES)
    (image, label_map), orientation = read_upright(source, source.pairs[0])
    assert orientation == 6
    assert image.shape == (3, 16, 8)
    assert image[0, 2, 4] > 150 > image[0, 13, 4]
    assert label_map.tolist() == label.tolist()


def test_photo_upside_down_is_read_upright(tmp_path):
    upright = full((200, 0, 0))
    upright[4:] = 0
    save_turned(tmp_path / "images/a.png", np.rot90(upright, 2), 3)
    save(tmp_path / "labels/a.png", full(3))
    image, _ = read_first(tmp_path)
    assert (int(image[0, 1, 1]), int(image[0, 6, 6])) == (200, 0)


def test_label_that_was_not_turned_is_told_why_it_does_not_fit(tmp_path):
    save_turned(tmp_path / "images/a.png", full((1, 2, 3), size=(8, 16)), 8)
    save(tmp_path / "labels/a.png", full(3, size=(8, 16)))
    with pytest.raises(DataError, match=r"turned by its EXIF tag \(orientation 8\)") as caught:
        read_first(tmp_path)
    assert caught.value.code == "size_mismatch"
    assert "resize" not in str(caught.value)
