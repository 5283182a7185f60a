"""Readers of export formats by the packages that they are for: name -> (image, ids)."""

from __future__ import annotations

import json
import os
import sys
import types
from importlib import import_module
from pathlib import Path

import numpy as np

from tests.selection.formats.readers import named


def pixels(image):
    return np.asarray(image.convert("RGB"))


def stem(path, folder):
    return Path(path).relative_to(folder).with_suffix("").as_posix().replace("/", "_")


def class_names(out):
    """Read what classes a subset is of."""
    about = json.loads((out / "subset.json").read_text())
    return about.get("sets", [about])[0]["provenance"]["classes"]["names"]


def import_mmseg():
    """Import MMSegmentation, be it with an mmcv that has no compiled operators."""
    import_module("mmengine")
    import_module("mmcv")
    if "mmcv._ext" not in sys.modules:
        try:
            import mmcv._ext  # noqa: F401
        except ImportError:  # mmcv-lite has no compiled operators; data sets use none
            extension = types.ModuleType("mmcv._ext")
            extension.__getattr__ = lambda name: name
            sys.modules["mmcv._ext"] = extension
    from mmengine.registry import init_default_scope

    init_default_scope("mmseg")
    return import_module("mmseg.datasets")


def read_mmseg(out):
    datasets = import_mmseg()
    from mmengine.config import Config
    from mmseg.registry import DATASETS

    settings = Config.fromfile(out / "mmseg_dataset.py").dataset
    settings.pipeline = [{"type": "LoadImageFromFile"}, {"type": "LoadAnnotations"}]
    dataset = DATASETS.build(settings)
    assert isinstance(dataset, datasets.BaseSegDataset)
    assert dataset.metainfo["classes"] == class_names(out)
    return read_items(dataset, out / "img_dir/train")


def read_items(dataset, images):
    """List what MMSegmentation loads; OpenCV has blue first."""
    return {
        stem(each["img_path"], images): (each["img"][..., ::-1], each["gt_seg_map"])
        for each in map(dataset.__getitem__, range(len(dataset)))
    }


def read_train_ids(out):
    """Cityscapes' folders by MMSegmentation, whatever the classes are."""
    dataset = import_mmseg().CityscapesDataset(
        data_root=str(out),
        data_prefix={"img_path": "leftImg8bit/train", "seg_map_path": "gtFine/train"},
        pipeline=[{"type": "LoadImageFromFile"}, {"type": "LoadAnnotations"}],
    )
    return {
        name.removesuffix("_leftImg8bit"): found
        for name, found in read_items(dataset, out / "leftImg8bit/train").items()
    }


def read_cityscapes(out):
    """By torchvision, whose ids are Cityscapes' own."""
    from torchvision.datasets import Cityscapes

    ids = np.full(256, 255)
    ids[[7, 23, 26]] = 0, 1, 2
    dataset = Cityscapes(out, split="train", mode="fine", target_type="semantic")
    found = {}
    for path, (image, label) in zip(dataset.images, dataset, strict=True):
        name = path.split("/train/")[1].removesuffix("_leftImg8bit.png").replace("/", "_")
        found[name.removeprefix("synthetic_")] = pixels(image), ids[np.asarray(label)]
    return found


def read_voc(out):
    """By torchvision."""
    from torchvision.datasets import VOCSegmentation

    dataset = VOCSegmentation(out, year="2012", image_set="train")
    return {
        stem(path, out / "VOCdevkit/VOC2012/JPEGImages"): (pixels(image), np.asarray(label))
        for path, (image, label) in zip(dataset.images, dataset, strict=True)
    }


def read_rows(rows):
    return {named(row["id"]): (pixels(row["image"]), np.asarray(row["label"])) for row in rows}


def read_huggingface(out):
    datasets = import_module("datasets")
    rows = datasets.load_dataset(str(out), split="train", cache_dir=str(out.parent / "cache"))
    assert isinstance(rows.features["label"], datasets.Image)
    return read_rows(rows)


def read_coco(out):
    tools = import_module("pycocotools.coco")
    content = tools.COCO(str(out / "annotations/stuff_train.json"))
    found = {}
    for number, about in content.imgs.items():
        label = np.full((about["height"], about["width"]), 255)
        for each in content.loadAnns(content.getAnnIds(imgIds=[number])):
            label[content.annToMask(each) == 1] = each["category_id"] - 1
        image = pixels(open_image(out / "images" / about["file_name"]))
        found[stem(about["file_name"], ".")] = image, label
    return found


def read_panoptic(out):
    """By transformers, as DETR takes the annotations of an image."""
    processors = import_module("transformers.models.detr.image_processing_pil_detr")
    content = json.loads((out / "annotations/panoptic_train.json").read_text())
    about = {each["id"]: each for each in content["images"]}
    found = {}
    for each in content["annotations"]:
        image = pixels(open_image(out / "images" / about[each["image_id"]]["file_name"]))
        masks = processors.DetrImageProcessorPil(format="coco_panoptic").prepare_annotation(
            image, each, return_segmentation_masks=True,
            masks_path=out / "annotations/panoptic_train", input_data_format="channels_last",
        )  # fmt: skip
        label = np.full(image.shape[:2], 255)
        for mask, category in zip(masks["masks"], masks["class_labels"], strict=True):
            label[np.asarray(mask, bool)] = category - 1
        found[stem(about[each["image_id"]]["file_name"], ".")] = image, label
    return found


def open_image(path):
    from PIL import Image

    with Image.open(path) as image:
        return image.copy()


def read_ultralytics(out):
    import_module("ultralytics")
    from ultralytics.data.dataset import SemanticDataset
    from ultralytics.data.utils import check_det_dataset

    data = check_det_dataset(str(out / "data.yaml"), autodownload=False)
    dataset = SemanticDataset(img_path=data["train"], data=data, imgsz=32, augment=False)
    found = {}
    for index, path in enumerate(dataset.im_files):
        dataset.imgsz = max(open_image(path).size)  # what it resizes the longer side to
        image = dataset.load_image(index)[0][..., ::-1]
        found[stem(path, out / "images/train")] = image, dataset.load_mask(index)
    return found


def read_nnunet(out):
    import_module("nnunetv2")
    from nnunetv2.experiment_planning.verify_dataset_integrity import verify_dataset_integrity
    from nnunetv2.imageio.natural_image_reader_writer import NaturalImage2DIO
    from nnunetv2.utilities.label_handling.label_handling import LabelManager
    from nnunetv2.utilities.utils import get_filenames_of_train_images_and_targets

    root = str(out / "Dataset001_subset")
    verify_dataset_integrity(root, num_processes=1)
    files = get_filenames_of_train_images_and_targets(root)
    reader, found = NaturalImage2DIO(), {}
    about = json.loads((out / "Dataset001_subset/dataset.json").read_text())
    labels = LabelManager(about["labels"], None)
    num_classes = len(class_names(out))
    assert labels.ignore_label == num_classes + 1
    ids = np.array([255, *range(num_classes), 255])
    for name, each in files.items():
        image, _ = reader.read_images(each["images"])
        label, _ = reader.read_seg(each["label"])
        found[name] = image[:, 0].transpose(1, 2, 0), ids[label[0, 0].astype(int)]
    return found


def read_fiftyone(out):
    """By its importer, which needs no database."""
    importers = import_module("fiftyone.utils.data.importers")
    importer = importers.ImageSegmentationDirectoryImporter(
        data_path=str(out / "data"),
        labels_path=str(out / "labels"),
        compute_metadata=False,
        load_masks=True,
    )
    with importer:
        return {
            stem(path, out / "data"): (pixels(open_image(path)), label.mask)
            for path, _, label in importer
        }


def read_datumaro(out):
    datumaro = import_module("datumaro")
    dataset = datumaro.Dataset.import_from(str(out), "datumaro")
    found = {}
    for item in dataset:
        image = item.media.data[..., ::-1]
        label = np.full(image.shape[:2], 255)
        for mask in item.annotations:
            label[mask.image.astype(bool)] = mask.label
        found[item.id.replace("/", "_")] = image, label
    return found


def read_webdataset(out):
    webdataset = import_module("webdataset")
    shards = [str(path) for path in sorted(out.glob("train-*.tar"))]
    samples = webdataset.WebDataset(shards, shardshuffle=False, empty_check=False).decode("pil")
    return {
        named(sample["json"]["id"]): (
            pixels(sample["png"] if "png" in sample else sample["jpg"]),
            np.asarray(sample["label.png"].convert("L")),
        )
        for sample in samples
    }


def read_mds(out):
    streaming = import_module("streaming")
    return read_rows(streaming.LocalDataset(local=str(out)))


PACKAGES = {
    "mmseg": ("mmsegmentation", read_mmseg),
    "cityscapes": ("torchvision", read_cityscapes),
    "voc": ("torchvision", read_voc),
    "huggingface": ("datasets", read_huggingface),
    "parquet": ("datasets", read_huggingface),
    "coco": ("pycocotools", read_coco),
    "coco-panoptic": ("transformers", read_panoptic),
    "ultralytics": ("ultralytics", read_ultralytics),
    "nnunet": ("nnunetv2", read_nnunet),
    "fiftyone": ("fiftyone", read_fiftyone),
    "datumaro": ("datumaro", read_datumaro),
    "webdataset": ("webdataset", read_webdataset),
    "mds": ("mosaicml-streaming", read_mds),
}
"""Format -> package, reader."""

os.environ.setdefault("HF_HUB_OFFLINE", "1")
os.environ.setdefault("YOLO_OFFLINE", "true")
os.environ.setdefault("FIFTYONE_DATABASE_URI", "mongodb://127.0.0.1:9")  # never connected to
os.environ.setdefault("NO_ALBUMENTATIONS_UPDATE", "1")
