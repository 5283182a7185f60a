from __future__ import annotations

import pytest

from curate.data.classes import resolve_classes
from curate.data.dataset import open_dataset
from curate.data.layouts.detection import take_sample
from curate.data.layouts.suggestions import guess, suggest
from curate.dataset_config import DatasetConfig
from tests.data.making import full, save

CAMVID = resolve_classes("camvid11")

FOREIGN = {
    "a2d2": ("2018/camera/cam_front/2018_camera_frontcenter_{}.png",
             "2018/label/cam_front/2018_label_frontcenter_{}.png"),
    "scenes": ("scene_{}/color/0001.jpg", "scene_{}/segm/0001.png"),
    "one folder": ("{}_rgb.png", "{}_mask.png"),
    "names, not numbers": ("photos/{}.jpg", "truth/{}_gt.png"),
    "prefixes": ("data/Img_{}.bmp", "data/Lab_{}.bmp"),
    "capitals": ("Images/{}.PNG", "Labels/{}.PNG"),
    "deeper labels": ("rgb/{}.png", "out/sem/{}.png"),
}  # fmt: skip


@pytest.mark.parametrize("kind", FOREIGN)
def test_lines_that_are_suggested_read_the_folder(tmp_path, kind):
    image, label = FOREIGN[kind]
    words = ("oak", "elm", "fir") if "names" in kind else ("0001", "0002", "0013")
    for word in words:
        save(tmp_path / image.format(word), full((1, 2, 3)))
        save(tmp_path / label.format(word), full(3))
    patterns = guess(tmp_path, take_sample(tmp_path))
    assert patterns is not None
    dataset = DatasetConfig(path=tmp_path, image=patterns[0], label=patterns[1])
    pairs = open_dataset(dataset, classes=CAMVID).pairs
    assert [(pair.image_path, pair.label_path) for pair in pairs] == [
        (image.format(word), label.format(word)) for word in sorted(words)
    ]


def test_folder_without_pairs_shows_an_example(tmp_path):
    save(tmp_path / "a/x.png", full((1, 2, 3)))
    text = suggest(tmp_path, take_sample(tmp_path))
    assert "a/x.png" in text
    assert 'image = "{scene}/rgb/{n}.jpg"' in text


def test_images_alone_of_two_kinds_are_no_pairs(tmp_path):
    for name in ("0001TP_006690", "0001TP_006720", "0006R0_f00960", "0006R0_f01260"):
        save(tmp_path / f"{name}.png", full((1, 2, 3)))
    assert guess(tmp_path, take_sample(tmp_path)) is None


def test_empty_folder_is_said_to_be_empty(tmp_path):
    assert suggest(tmp_path, []) == "It holds no files."


@pytest.mark.parametrize(
    ("label", "advice"),
    [
        ("labels/{}.jpg", "JPEG changes ids"),
        ("masks/{}_mask.jpeg", "JPEG changes ids"),
        ("labels/{}.npy", "Store them as PNG"),
        ("annotations/{}.json", "Draw their outlines"),
    ],
)
@pytest.mark.parametrize("image", ["images/{}.png", "images/{}.jpg"])
def test_labels_of_a_kind_that_is_not_read_are_named_and_never_taken_for_images(
    tmp_path, image, label, advice
):
    for word in ("0001", "0002", "0013"):
        save(tmp_path / image.format(word), full((1, 2, 3)))
        path = tmp_path / label.format(word)
        path.parent.mkdir(exist_ok=True)
        save(path, full((7, 7, 7))) if "jp" in path.suffix else path.write_bytes(b"{}")
    text = suggest(tmp_path, take_sample(tmp_path))
    assert f"Its labels seem to be {label.replace('{}', '{n}')}, which are not read." in text
    assert advice in text
    assert "image = " not in text
