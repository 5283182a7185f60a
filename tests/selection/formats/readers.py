"""Readers of every export format by its documented schema: name -> (image, ids)."""

from __future__ import annotations

import json
import runpy

import numpy as np
from PIL import Image


def read_image(path):
    with Image.open(path) as image:
        return np.asarray(image.convert("RGB"))


def read_label(path):
    with Image.open(path) as label:
        assert label.mode in ("L", "P")
        return np.asarray(label)


def flat(path, folder, ending):
    """Name an image by its path below a folder, without its ending."""
    return path.relative_to(folder).as_posix().removesuffix(ending).replace("/", "_")


def read_folders(images, labels, image_ending=None, label_ending=".png"):
    """Pair the files of two folders by name."""
    found = {}
    for path in sorted(p for p in images.rglob("*") if p.is_file()):
        ending = image_ending or path.suffix
        name = path.relative_to(images).as_posix()
        assert name.endswith(ending), name
        label = labels / f"{name.removesuffix(ending)}{label_ending}"
        found[flat(path, images, ending)] = (read_image(path), read_label(label))
    return found


def read_original(out):
    ids = np.full(256, 255, np.uint8)
    ids[[7, 23, 26]] = 0, 1, 2
    found = read_folders(out / "images", out / "labels")
    return {name: (image, ids[raw]) for name, (image, raw) in found.items()}


def read_folder(out):
    return read_folders(out / "images", out / "labels")


def read_list(out):
    images, labels = ((out / f"{n}.txt").read_text().splitlines() for n in ("images", "labels"))
    return {
        label.removeprefix("labels/").removesuffix(".png").replace("/", "_"): (
            read_image(out / image),
            read_label(out / label),
        )
        for image, label in zip(images, labels, strict=True)
    }


def read_mmseg(out):
    settings = runpy.run_path(out / "mmseg_dataset.py")["dataset"]
    assert settings["data_root"] == "{{ fileDirname }}"
    prefix = settings["data_prefix"]
    return read_folders(
        out / prefix["img_path"],
        out / prefix["seg_map_path"],
        settings["img_suffix"],
        settings["seg_map_suffix"],
    )


def read_daformer(out):
    """As its ``uda_dataset.py``: labels of a class are looked up by their last part."""
    found = read_folders(out / "images", out / "labels", ".png", "_labelTrainIds.png")
    by_class = json.loads((out / "samples_with_class.json").read_text())
    for index, files in by_class.items():
        for file, count in files:
            name = file.split("/")[-1].removesuffix("_labelTrainIds.png")
            assert (found[name][1] == int(index)).sum() == count
    return found


def read_adaptsegnet(out):
    """As its ``gta5_dataset.py``: Cityscapes' ids become train ids, of which we know three."""
    ids = np.full(256, 255, np.uint8)
    ids[[7, 23, 26]] = 0, 1, 2
    names = (out / "train.txt").read_text().splitlines()
    return {
        name.removesuffix(".png").replace("/", "_"): (
            read_image(out / "images" / name),
            ids[read_label(out / "labels" / name)],
        )
        for name in names
    }


READERS = {
    "original": read_original,
    "folder": read_folder,
    "list": read_list,
    "mmseg": read_mmseg,
    "daformer": read_daformer,
    "adaptsegnet": read_adaptsegnet,
}
