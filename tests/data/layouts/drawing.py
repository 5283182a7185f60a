"""Draw small data sets of every layout: one row a layout, as its own tools write it."""

from __future__ import annotations

from typing import NamedTuple

import h5py
import numpy as np

from tests.data.making import full, save, save_wide

PALETTE = bytes(range(192))


class Drawn(NamedTuple):
    """One image of a layout: its path, its label's, the id of road, how the label is saved."""

    image: str
    label: str
    road: object = 3
    kind: str = "grey"
    more: tuple[str, ...] = ()
    split: str = ""
    colour_of: str = "road"


DRAWN = {
    "folder": Drawn("images/a/1.png", "labels/a/1.png"),
    "masks": Drawn("images/train/b_1.jpg", "masks/train/b_1.png", split="train"),
    "annotations": Drawn("images/val/1.jpg", "annotations/val/1.png", split="val"),
    "mmseg": Drawn("img_dir/train/7.jpg", "ann_dir/train/7.png", split="train"),
    "split-folders": Drawn("train/images/7.jpg", "train/masks/7.png", split="train"),
    "gta5": Drawn("images/00007.png", "labels/00007.png", 7, "palette"),
    "synthia": Drawn("RGB/0000007.png", "GT/LABELS/0000007.png", 3, "wide"),
    "synthia-seqs": Drawn(
        "SYNTHIA-SEQS-01-FALL/RGB/Stereo_Left/Omni_F/000003.png",
        "SYNTHIA-SEQS-01-FALL/GT/LABELS/Stereo_Left/Omni_F/000003.png",
        12,
        "wide",
    ),
    "synthia-seq": Drawn(
        "RGB/Stereo_Right/Omni_B/000003.png", "GT/LABELS/Stereo_Right/Omni_B/000003.png", 3, "wide"
    ),
    "cityscapes": Drawn(
        "leftImg8bit/train/ulm/ulm_1_leftImg8bit.png",
        "gtFine/train/ulm/ulm_1_gtFine_labelIds.png",
        7,
        more=("gtFine/train/ulm/ulm_1_gtFine_color.png",),
        split="train",
    ),
    "idd": Drawn(
        "leftImg8bit/val/119/903127_leftImg8bit.png",
        "gtFine/val/119/903127_gtFine_labellevel3Ids.png",
        0,
        more=("gtFine/val/119/903127_gtFine_instancelevel3Ids.png",),
        split="val",
    ),
    "carla": Drawn("CameraRGB/7.png", "CameraSeg/7.png", 7, "red"),
    "lyft-udacity": Drawn("dataA/CameraRGB/02_00.png", "dataA/CameraSeg/02_00.png", 7, "red"),
    "camvid": Drawn("train/0001TP_7.png", "trainannot/0001TP_7.png", split="train"),
    "camvid32": Drawn(
        "701_StillsRaw_full/0001TP_006690.png",
        "LabeledApproved_full/0001TP_006690_L.png",
        (128, 64, 128),
        "colour",
    ),
    "camvid32-fastai": Drawn(
        "images/Seq05VD_f05100.png", "labels/Seq05VD_f05100_P.png", 17
    ),
    "camvid32-labels": Drawn(
        "images/0001TP_006690.png", "labels/0001TP_006690_L.png", (128, 0, 192), "colour"
    ),
    "camvid32-splits": Drawn(
        "val/0016E5_07959.png",
        "val_labels/0016E5_07959_L.png",
        (128, 64, 128),
        "colour",
        split="val",
    ),
    "ade20k": Drawn(
        "images/training/ADE_train_00000001.jpg",
        "annotations/training/ADE_train_00000001.png",
        7,
        split="training",
    ),
    "voc": Drawn("JPEGImages/2007_000032.jpg", "SegmentationClass/2007_000032.png", 7, "palette"),
    "voc-masks": Drawn("JPEGImages/x.jpg", "SegmentationClass/x.png"),
    "kitti": Drawn(
        "training/image_2/000000_10.png", "training/semantic/000000_10.png", 7,
        more=("training/semantic_rgb/000000_10.png",), split="training",
    ),
    "bdd100k": Drawn(
        "images/10k/train/0004a4c0-d4dff0ad.jpg",
        "labels/sem_seg/masks/train/0004a4c0-d4dff0ad.png",
        0,
        more=("labels/sem_seg/colormaps/train/0004a4c0-d4dff0ad.png",),
        split="train",
    ),
    "bdd100k-seg": Drawn(
        "images/train/0004a4c0.jpg",
        "labels/train/0004a4c0_train_id.png",
        0,
        more=("color_labels/train/0004a4c0_train_color.png",),
        split="train",
    ),
    "mapillary": Drawn(
        "training/images/_0L5.jpg",
        "training/v2.0/labels/_0L5.png",
        21,
        "palette",
        more=("training/v1.2/labels/_0L5.png", "training/v2.0/panoptic/_0L5.png"),
        split="training",
    ),
    "mapillary-v1": Drawn(
        "validation/images/_0L5.jpg", "validation/labels/_0L5.png", 13, "palette",
        more=("config.json",), split="validation",
    ),
    "vkitti2": Drawn(
        "Scene01/clone/frames/rgb/Camera_0/rgb_00000.jpg",
        "Scene01/clone/frames/classSegmentation/Camera_0/classgt_00000.png",
        (100, 60, 100),
        "colour",
        more=("Scene01/clone/frames/instanceSegmentation/Camera_0/instancegt_00000.png",),
    ),
    "synscapes": Drawn(
        "img/rgb/1.png", "img/class/1.png", 7, more=("img/instance/1.png", "img/rgb-2k/1.png")
    ),
    "urbansyn": Drawn(
        "rgb/rgb_0001.png", "ss/ss_0001.png", 0, more=("ss_colour/ss_colour_0001.png",)
    ),
    "acdc": Drawn(
        "rgb_anon/fog/train/GOPR0475/GOPR0475_frame_000041_rgb_anon.png",
        "gt/fog/train/GOPR0475/GOPR0475_frame_000041_gt_labelIds.png",
        7,
        more=("gt/fog/train/GOPR0475/GOPR0475_frame_000041_gt_invIds.png",),
        split="train",
    ),
    "dark-zurich": Drawn(
        "rgb_anon/val/night/GOPR0356/GOPR0356_frame_000321_rgb_anon.png",
        "gt/val/night/GOPR0356/GOPR0356_frame_000321_gt_labelTrainIds.png",
        0,
        split="val",
    ),
    "loveda": Drawn(
        "Train/Rural/images_png/0.png", "Train/Rural/masks_png/0.png", 3, split="Train"
    ),
    "nnunet": Drawn("imagesTr/road_002_0000.png", "labelsTr/road_002.png"),
    "replicator": Drawn(
        "rgb_0000.png", "semantic_segmentation_0000.png", more=("bounding_box_2d_0000.npy",)
    ),
    "replicator-folders": Drawn(
        "rgb/rgb_0000.png", "semantic_segmentation/semantic_segmentation_0000.png"
    ),
    "replicator-products": Drawn(
        "Camera_01/rgb/rgb_0000.png",
        "Camera_01/semantic_segmentation/semantic_segmentation_0000.png",
    ),
    "solo": Drawn(
        "sequence.0/step0.camera.png",
        "sequence.0/step0.camera.semantic segmentation.png",
        more=("sequence.0/step0.frame_data.json",),
    ),
    "blenderproc": Drawn("scene_1/0.hdf5", "scene_1/0.hdf5", kind="hdf5"),
    "airsim": Drawn("images/img_Drone1_0_0_1573.png", "images/img_Drone1_0_5_1573.png"),
    "fiftyone": Drawn("data/x.png", "labels/x.png"),
}  # fmt: skip
"""Layout -> one image of it, with whatever lies beside it."""


def draw(root, name, count=1):
    """Draw a data set of a layout: `count` images whose labels are all road."""
    drawn = DRAWN[name]
    for number in range(count):
        image, label = (_renumber(path, number) for path in (drawn.image, drawn.label))
        if drawn.kind == "hdf5":
            _save_hdf5(root / image, drawn.road)
            continue
        save(root / image, full((1, 2, 3)))
        save_label(root / label, drawn)
    for path in drawn.more:
        if path.endswith("png"):
            save(root / path, full((1, 0, 250)))
        else:
            (root / path).write_text("{}")
    return root


def save_label(path, drawn):
    """Save a label of one class as the layout has it."""
    if drawn.kind == "wide":
        save_wide(path, full((drawn.road, 700, 0), dtype=np.uint16))
    elif drawn.kind == "red":
        save(path, full((drawn.road, 0, 0)))
    elif drawn.kind == "palette":
        save(path, full(drawn.road), palette=PALETTE)
    else:
        save(path, full(drawn.road))


def _renumber(path, number):
    """Name the copy of a file: the first keeps its name."""
    return path if number == 0 else path.replace("7", f"{7 + number}")


def _save_hdf5(path, road):
    path.parent.mkdir(parents=True, exist_ok=True)
    with h5py.File(path, "w") as file:
        file["colors"] = full((1, 2, 3))
        file["category_id_segmaps"] = full(road)
