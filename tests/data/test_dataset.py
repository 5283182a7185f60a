from __future__ import annotations

import os
import re
import subprocess
import sys

import pytest

from curate.data.classes import resolve_classes
from curate.data.dataset import default_classes, open_dataset
from curate.dataset_config import DatasetConfig
from curate.errors import ConfigError, DataError
from tests.data.making import full, save, save_folder

CLASSES = resolve_classes("camvid11")


def open_it(root, **options):
    return open_dataset(root, classes=CLASSES, **options)


def test_key_names_the_data_set(tmp_path):
    source = open_it(save_folder(tmp_path, {"a": 1}), key="s3")
    assert source.key_of(source.pairs[0]) == "s3:images/a"


def test_labels_option_overrides_the_layout(tmp_path):
    assert (
        open_it(save_folder(tmp_path, {"a": 1}), id_map="carla-legacy").id_map.name
        == "carla-legacy"
    )


def test_fingerprint_does_not_depend_on_dates_or_place(tmp_path):
    one = save_folder(tmp_path / "one", {"a": 1, "b": 2})
    two = save_folder(tmp_path / "two", {"b": 2, "a": 1})
    os.utime(two / "images/a.png", (0, 0))
    assert open_it(one).fingerprint() == open_it(two).fingerprint()
    assert re.fullmatch("[0-9a-f]{64}", open_it(one).fingerprint())


@pytest.mark.parametrize("change", ["image grows", "label grows", "image more", "label gone"])
def test_fingerprint_tells_changes(tmp_path, change):
    root = save_folder(tmp_path, {"a": 1, "b": 2})
    before = open_it(root).fingerprint()
    if change == "image more":
        save(root / "images/c.png", full((0, 0, 0)))
    elif change == "label gone":
        (root / "labels/b.png").unlink()
    else:
        folder = "images" if change == "image grows" else "labels"
        with (root / folder / "a.png").open("ab") as file:
            file.write(b"!")
    assert open_it(root).fingerprint() != before


def test_missing_folder_is_an_error(tmp_path):
    with pytest.raises(DataError, match="does not exist"):
        open_it(tmp_path / "gone")


def test_file_is_no_data_set(tmp_path):
    (tmp_path / "a.zip").touch()
    with pytest.raises(DataError, match=r"is a file\. Give the folder"):
        open_it(tmp_path / "a.zip")


def test_empty_folder_is_an_error(tmp_path):
    with pytest.raises(DataError, match="is empty"):
        open_it(tmp_path)


def test_folder_without_permission_is_an_error(tmp_path, monkeypatch):
    def refuse(path):
        raise PermissionError(13, "Permission denied")

    monkeypatch.setattr(os, "scandir", refuse)
    with pytest.raises(DataError, match="cannot be opened: Permission denied"):
        open_it(tmp_path)


def test_no_images_is_an_error(tmp_path):
    (tmp_path / "images").mkdir()
    save(tmp_path / "labels/a.png", full(1))
    with pytest.raises(
        DataError, match=r"holds no images: .* images/\{\} with labels/\{\};"
    ) as caught:
        open_it(tmp_path)
    assert caught.value.code == "no_images"


def test_no_labels_at_all_is_an_error(tmp_path):
    save(tmp_path / "images/a.png", full((0, 0, 0)))
    save(tmp_path / "labels/b.png", full(1))
    with pytest.raises(
        DataError, match=r"None of the 1 images.*There are 1 labels .*images/a\.png"
    ) as e:
        open_it(tmp_path)
    assert e.value.code == "no_labels"


def test_single_missing_label_is_no_error(tmp_path):
    save_folder(tmp_path, {"a": 1, "b": 1})
    (tmp_path / "labels/a.png").unlink()
    assert [pair.status for pair in open_it(tmp_path).pairs] == ["missing_label", "ok"]


def test_unknown_layout_is_an_error(tmp_path):
    save_folder(tmp_path, {"a": 1})
    with pytest.raises(ConfigError, match=r"layout = 'zzz' is not known\. Use auto, folder"):
        open_it(tmp_path, layout="zzz")


def test_classes_go_with_a_named_layout(tmp_path):
    assert default_classes(DatasetConfig(path=tmp_path, layout="gta5")).name == "cityscapes19"
    assert default_classes(DatasetConfig(path=tmp_path, layout="folder")) is None


def test_listing_a_data_set_loads_no_torch(tmp_path):
    root = save_folder(tmp_path, {"a": 1})
    code = f"""
import sys
from pathlib import Path
from curate.data.classes import resolve_classes
from curate.data.dataset import open_dataset
source = open_dataset(Path({str(root)!r}), classes=resolve_classes("camvid11"))
print(len(source.pairs), len(source.fingerprint()), "torch" in sys.modules)
"""
    done = subprocess.run([sys.executable, "-c", code], capture_output=True, text=True, check=True)
    assert done.stdout.split() == ["1", "64", "False"]


def test_folder_whose_name_only_looks_the_same_is_told_of(tmp_path):
    save_folder(tmp_path / "D\u00fcrer", {"a": 1})
    with pytest.raises(DataError, match=r"Beside it is 'D\\xfcrer', which looks the same but is"):
        open_it(tmp_path / "Du\u0308rer")
