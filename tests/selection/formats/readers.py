"""Readers of every export format by its documented schema: name -> (image, ids)."""

from __future__ import annotations

import json
import runpy
import tarfile
from io import BytesIO
from itertools import pairwise

import numpy as np
import pyarrow.parquet as pq
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


def read_cityscapes(out):
    root = out / "gtFine/train"
    for path in root.rglob("*_labelIds.png"):  # there are some only if all classes have one
        ids = np.full(256, 0, np.uint8)
        ids[[0, 1, 2]] = 7, 23, 26
        made = path.with_name(path.name.replace("labelIds", "labelTrainIds"))
        np.testing.assert_array_equal(read_label(path), ids[read_label(made)])
    found = read_folders(
        out / "leftImg8bit/train", root, "_leftImg8bit.png", "_gtFine_labelTrainIds.png"
    )
    return {name.removeprefix("synthetic_").replace("-", "_"): pair for name, pair in found.items()}


def read_huggingface(out):
    rows = [json.loads(line) for line in (out / "train/metadata.jsonl").read_text().splitlines()]
    assert set(rows[0]) == {"file_name", "label_file_name", "id", "score", "weight"}
    return {
        named(row["id"]): (
            read_image(out / "train" / row["file_name"]),
            read_label(out / "train" / row["label_file_name"]),
        )
        for row in rows
    }


def named(image_id):
    """What an image is called by its id in the score file, or in one of several sets."""
    return image_id.replace("images/", "", 1).replace("/", "_")


def read_parquet(out):
    table = pq.read_table(out / "data")
    about = json.loads(table.schema.metadata[b"huggingface"])["info"]["features"]
    assert about["label"] == {"_type": "Image"}
    return {
        named(row["id"]): (
            read_image(BytesIO(row["image"]["bytes"])),
            read_label(BytesIO(row["label"]["bytes"])),
        )
        for row in table.to_pylist()
    }


def decode_runs(rle):
    """Unpack COCO's letters, one by one."""
    lengths, at, text = [], 0, rle["counts"]
    while at < len(text):
        value, place, goes_on = 0, 0, True
        while goes_on:
            letter = ord(text[at]) - 48
            value |= (letter & 31) << 5 * place
            goes_on = letter & 32
            at, place = at + 1, place + 1
            if not goes_on and letter & 16:
                value |= -1 << 5 * place
        lengths.append(value + (lengths[-2] if len(lengths) > 2 else 0))
    flat = np.repeat(np.arange(len(lengths)) % 2 == 1, lengths)
    return flat.reshape(rle["size"], order="F")


def read_coco(out):
    content = json.loads((out / "annotations/stuff_train.json").read_text())
    assert {c["id"]: c["name"] for c in content["categories"]} == {1: "road", 2: "sky", 3: "car"}
    labels = {i["id"]: np.full((i["height"], i["width"]), 255) for i in content["images"]}
    for each in content["annotations"]:
        mask = decode_runs(each["segmentation"])
        assert mask.sum() == each["area"]
        labels[each["image_id"]][mask] = each["category_id"] - 1
    return {
        i["file_name"].rpartition(".")[0].replace("/", "_"): (
            read_image(out / "images" / i["file_name"]),
            labels[i["id"]],
        )
        for i in content["images"]
    }


def read_panoptic(out):
    content = json.loads((out / "annotations/panoptic_train.json").read_text())
    images = {i["id"]: i["file_name"] for i in content["images"]}
    found = {}
    for each in content["annotations"]:
        with Image.open(out / "annotations/panoptic_train" / each["file_name"]) as image:
            colours = np.asarray(image).astype(int)
        segments = colours @ (1, 256, 65536)
        label = np.full(segments.shape, 255)
        for info in each["segments_info"]:
            assert (segments == info["id"]).sum() == info["area"]
            label[segments == info["id"]] = info["category_id"] - 1
        name = images[each["image_id"]]
        found[name.rpartition(".")[0].replace("/", "_")] = read_image(out / "images" / name), label
    return found


def read_voc(out):
    root = out / "VOCdevkit/VOC2012"
    names = (root / "ImageSets/Segmentation/train.txt").read_text().splitlines()
    assert "car:0,128,0::" in (root / "labelmap.txt").read_text()
    return {
        name.replace("/", "_"): (
            read_image(root / f"JPEGImages/{name}.jpg"),
            read_label(root / f"SegmentationClass/{name}.png"),
        )
        for name in names
    }


def read_ultralytics(out):
    settings = (out / "data.yaml").read_text()
    assert "masks_dir: masks" in settings
    assert '2: "car"' in settings
    return read_folders(out / "images/train", out / "masks/train")


def read_nnunet(out):
    root = out / "Dataset001_subset"
    about = json.loads((root / "dataset.json").read_text())
    assert about["labels"] == {"background": 0, "road": 1, "sky": 2, "car": 3, "ignore": 4}
    found = read_folders(root / "imagesTr", root / "labelsTr", "_0000.png")
    assert about["numTraining"] == len(found)
    ids = np.array([255, 0, 1, 2, 255])
    return {name: (image, ids[raw]) for name, (image, raw) in found.items()}


def read_fiftyone(out):
    targets = json.loads((out / "mask_targets.json").read_text())
    assert targets == {"0": "road", "1": "sky", "2": "car"}
    return read_folders(out / "data", out / "labels")


def read_datumaro(out):
    content = json.loads((out / "annotations/train.json").read_text())
    labels = [label["name"] for label in content["categories"]["label"]["labels"]]
    assert labels == ["road", "sky", "car"]
    found = {}
    for item in content["items"]:
        label = np.full(item["image"]["size"], 255)
        for each in item["annotations"]:
            label[decode_runs(each["rle"])] = each["label_id"]
        image = read_image(out / "images/train" / item["image"]["path"])
        found[item["id"].replace("/", "_")] = image, label
    return found


def read_webdataset(out):
    found = {}
    for path in sorted(out.glob("train-*.tar")):
        with tarfile.open(path) as tar:
            files = {about.name: tar.extractfile(about).read() for about in tar}
        for name, content in files.items():
            if name.endswith(".json"):
                key = name.removesuffix(".json")
                image = files.get(f"{key}.png") or files[f"{key}.jpg"]
                found[named(json.loads(content)["id"])] = (
                    read_image(BytesIO(image)),
                    read_label(BytesIO(files[f"{key}.label.png"])),
                )
    return found


def read_mds(out):
    found = {}
    for shard in json.loads((out / "index.json").read_text())["shards"]:
        assert shard["column_names"] == ["id", "image", "label"]
        data = (out / shard["raw_data"]["basename"]).read_bytes()
        assert len(data) == shard["raw_data"]["bytes"]
        (count,) = np.frombuffer(data[:4], np.uint32)
        begins = np.frombuffer(data[4 : 8 + 4 * count], np.uint32)
        for begin in begins[:-1].tolist():
            ends = np.cumsum([begin + 12, *np.frombuffer(data[begin : begin + 12], np.uint32)])
            image_id, image, label = (data[a:b] for a, b in pairwise(ends.tolist()))
            found[named(image_id.decode())] = read_image(BytesIO(image)), read_label(BytesIO(label))
        assert ends[-1] == len(data) == begins[-1]
    return found


READERS = {
    "original": read_original,
    "folder": read_folder,
    "list": read_list,
    "mmseg": read_mmseg,
    "daformer": read_daformer,
    "adaptsegnet": read_adaptsegnet,
    "cityscapes": read_cityscapes,
    "huggingface": read_huggingface,
    "parquet": read_parquet,
    "coco": read_coco,
    "coco-panoptic": read_panoptic,
    "voc": read_voc,
    "ultralytics": read_ultralytics,
    "nnunet": read_nnunet,
    "fiftyone": read_fiftyone,
    "datumaro": read_datumaro,
    "webdataset": read_webdataset,
    "mds": read_mds,
}
