from __future__ import annotations

import pytest

from curate.data.classes import resolve_classes
from curate.data.dataset import open_dataset
from curate.data.pairs import read_pair
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
