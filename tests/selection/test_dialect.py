from __future__ import annotations

import json

import numpy as np
import pytest
from PIL import Image

from curate.errors import UsageError
from curate.scores.score_file import ScoreFile
from curate.selection.dialect import make_label_ids
from curate.selection.export import export_subset
from tests.selection.making import edit, files, write_scores


def test_train_ids_are_those_of_cityscapes():
    label_ids = make_label_ids("train", ["sky", "car", "road"])
    assert label_ids.table[[0, 1, 2, 254, 255]].tolist() == [10, 13, 0, 255, 255]
    assert label_ids.names == {0: "road", 10: "sky", 13: "car"}
    assert label_ids.texts[:2] == ["road", "unused 1"]
    assert len(label_ids.texts) == 14


def test_class_without_a_train_id_is_refused():
    with pytest.raises(UsageError, match=r"no train id for tree\. Use --label-ids classes"):
        make_label_ids("train", ["sky", "tree"])


def test_labels_hold_what_is_asked_for(scores, out):
    for number, (layout, label_ids, expected) in enumerate(
        [
            ("original", "raw", [7, 8, 0]),
            ("original", "classes", [0, 1, 255]),
            ("original", "train", [0, 10, 255]),
            ("folder", "raw", [7, 8, 0]),
            ("folder", None, [0, 1, 255]),
        ]
    ):
        target = out / str(number)
        export_subset(scores, out=target, count=1, format=layout, label_ids=label_ids)
        with Image.open(target / "labels/a.png") as label:
            assert np.asarray(label)[[0, 0, 4], [0, 8, 12]].tolist() == expected
        settings = json.loads((target / "subset.json").read_text())["settings"]
        assert settings["label_ids"] == (label_ids or "classes")


def test_ids_that_a_format_cannot_hold_are_refused(scores, out):
    with pytest.raises(UsageError, match="raw is not available for --format mmseg: use classes or"):
        export_subset(scores, out=out, count=1, format="mmseg", label_ids="raw")


def test_names_leave_out_the_folders_that_all_ids_share(scores, out):
    export_subset(scores, out=out, top="100%", format="folder")
    assert files(out / "images") == ["a.png", "b.png", "c.png"]


def test_images_that_trainers_would_turn_are_written_upright(root, scores, out):
    pixels = np.random.default_rng(0).integers(0, 256, (16, 8, 3)).astype(np.uint8)
    exif = Image.Exif()
    exif[0x0112] = 6  # to be turned clockwise
    Image.fromarray(pixels).save(root / "images/a.png", exif=exif)
    edit(scores, "images/orientation", 0, 6)
    export_subset(scores, out=out, count=1, format="folder")
    assert not (out / "images/a.png").is_symlink()
    with Image.open(out / "images/a.png") as image:
        np.testing.assert_array_equal(np.asarray(image), np.rot90(pixels, -1))
        assert not image.getexif()


def test_mixed_kinds_of_images_get_one_suffix_where_a_trainer_needs_it(root, scores, out):
    (root / "images/a.png").unlink()
    Image.new("RGB", (16, 8), (9, 8, 7)).save(root / "images/a.jpg")
    edit(scores, "images/image_path", 0, "images/a.jpg")
    export_subset(scores, out=out / "0", top="100%", format="mmseg")
    assert files(out / "0/img_dir") == ["train/a.png", "train/b.png", "train/c.png"]
    with Image.open(out / "0/img_dir/train/a.png") as image:
        assert image.format == "PNG"
    export_subset(scores, out=out / "1", top="100%", format="folder")
    assert files(out / "1/images") == ["a.jpg", "b.png", "c.png"]


def test_weight_maps_say_what_score_files_say(tmp_path, root, out):
    scores = write_scores(tmp_path / "w.h5", root, weight_rule={"largest": 3.0})
    export_subset(scores, out=out, top="100%", format="folder", weight_maps=True)
    scale = json.loads((out / "weights.json").read_text())["weight_of_255"]
    with ScoreFile(scores) as file:
        for name in "abc":
            with Image.open(out / f"weights/{name}.png") as weights:
                np.testing.assert_allclose(
                    np.asarray(weights) * scale / 255, file.weight_map(f"images/{name}"), rtol=1e-6
                )
    assert len(files(out / "weights")) == 3


def test_weight_maps_need_maps(tmp_path, root, out):
    scores = write_scores(tmp_path / "w.h5", root, levels=["image"])
    with pytest.raises(UsageError, match="has no maps of weights, which --weight-maps writes"):
        export_subset(scores, out=out, count=1, weight_maps=True)
