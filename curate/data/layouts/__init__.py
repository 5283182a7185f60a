"""Layouts: how the folders of well-known data sets are arranged, one row of a table each."""

from __future__ import annotations

from typing import Final

from curate.data.layouts.layout import Layout

_LISTS: Final = "ImageSets/Segmentation"

_SHARD_LABELS: Final = (
    "label", "labels", "seg", "mask", "annotation", "segmentation_mask", "semantic_segmentation",
)  # fmt: skip
"""What labels in shards are called, beside their image."""


def _of_shards(key: str) -> dict[str, None]:
    """List the patterns of labels in shards."""
    return dict.fromkeys(f"{key}.{name}" for name in _SHARD_LABELS)


LAYOUTS: Final = {
    "folder": Layout("images/{}", {"labels/{}": None}, is_specific=False),
    "masks": Layout("images/{}", {"masks/{}": None}, is_specific=False),
    "annotations": Layout("images/{}", {"annotations/{}": None}, is_specific=False),
    "mmseg": Layout("img_dir/{}", {"ann_dir/{}": None}),
    "split-folders": Layout(
        "{split}/images/{}", {"{split}/labels/{}": None, "{split}/masks/{}": None},
        is_specific=False,
    ),
    "gta5": Layout(
        "images/{}", {"labels/{}": "gta5"}, "cityscapes19", num_digits=5, has_palette=True
    ),
    "synthia": Layout("RGB/{}", {"GT/LABELS/{}": "synthia"}, "synthia16"),
    "synthia-seqs": Layout(
        "{sequence}/RGB/Stereo_{side}/{n}",
        {"{sequence}/GT/LABELS/Stereo_{side}/{n}": "synthia-seqs"},
    ),
    "synthia-seq": Layout(
        "RGB/Stereo_{side}/{n}", {"GT/LABELS/Stereo_{side}/{n}": "synthia-seqs"}
    ),
    "cityscapes": Layout(
        "leftImg8bit/{}_leftImg8bit",
        {
            "gtFine/{}_gtFine_labelIds": "cityscapes",
            "gtFine/{}_gtFine_labelTrainIds": "cityscapes19",
        },
        "cityscapes19",
    ),
    "idd": Layout(
        "leftImg8bit/{}_leftImg8bit", {"gtFine/{}_gtFine_labellevel3Ids": "idd"}, "idd"
    ),
    "carla": Layout("CameraRGB/{}", {"CameraSeg/{}": "carla-legacy"}),
    "lyft-udacity": Layout("{run}/CameraRGB/{n}", {"{run}/CameraSeg/{n}": "lyft-udacity"}),
    "camvid": Layout(
        "{split}/{n}", {"{split}annot/{n}": "camvid"}, "camvid11", any_split=True
    ),
    "camvid32": Layout(
        "701_StillsRaw_full/{}", {"LabeledApproved_full/{}_L": "camvid32"}, "camvid11"
    ),
    "camvid32-fastai": Layout("images/{}", {"labels/{}_P": "camvid32"}, "camvid11"),
    "camvid32-labels": Layout("images/{}", {"labels/{}_L": "camvid32"}, "camvid11"),
    "camvid32-splits": Layout(
        "{split}/{}", {"{split}_labels/{}_L": "camvid32"}, "camvid11"
    ),
    "ade20k": Layout("images/{split}/ADE_{n}", {"annotations/{split}/ADE_{n}": "ade20k"}, "ade20k"),
    "voc": Layout(
        "JPEGImages/{}", {"SegmentationClass/{}": "voc"}, "voc", has_palette=True, lists=_LISTS
    ),
    "voc-masks": Layout(
        "JPEGImages/{}", {"SegmentationClass/{}": None}, is_specific=False, lists=_LISTS
    ),
    "kitti": Layout(
        "{split}/image_2/{}", {"{split}/semantic/{}": "kitti"}, "cityscapes19"
    ),
    "bdd100k": Layout(
        "images/10k/{split}/{n}", {"labels/sem_seg/masks/{split}/{n}": "bdd100k"}, "cityscapes19"
    ),
    "bdd100k-seg": Layout(
        "images/{split}/{n}", {"labels/{split}/{n}_train_id": "bdd100k"}, "cityscapes19"
    ),
    "mapillary": Layout(
        "{split}/images/{n}",
        {"{split}/v2.0/labels/{n}": "mapillary-v2", "{split}/v1.2/labels/{n}": "mapillary-v1.2"},
    ),
    "mapillary-v1": Layout(
        "{split}/images/{n}", {"{split}/labels/{n}": "mapillary-v1.2"},
        has_palette=True, needs="config.json",
    ),
    "vkitti2": Layout(
        "{scene}/{variant}/frames/rgb/{camera}/rgb_{n}",
        {"{scene}/{variant}/frames/classSegmentation/{camera}/classgt_{n}": "vkitti2"},
    ),
    "synscapes": Layout("img/rgb/{}", {"img/class/{}": "synscapes"}, "cityscapes19"),
    "urbansyn": Layout("rgb/rgb_{}", {"ss/ss_{}": "urbansyn"}, "cityscapes19"),
    "acdc": Layout(
        "rgb_anon/{condition}/{split}/{n}_rgb_anon",
        {
            "gt/{condition}/{split}/{n}_gt_labelIds": "acdc",
            "gt/{condition}/{split}/{n}_gt_labelTrainIds": "cityscapes-trainids",
        },
        "cityscapes19",
    ),
    "dark-zurich": Layout(
        "rgb_anon/{split}/{n}_rgb_anon",
        {
            "gt/{split}/{n}_gt_labelIds": "cityscapes",
            "gt/{split}/{n}_gt_labelTrainIds": "cityscapes-trainids",
        },
        "cityscapes19",
    ),
    "loveda": Layout(
        "{split}/{area}/images_png/{n}", {"{split}/{area}/masks_png/{n}": "loveda"}, "loveda"
    ),
    "nnunet": Layout("imagesTr/{}_0000", {"labelsTr/{}": None}),
    "replicator": Layout("rgb_{n}", {"semantic_segmentation_{n}": None}),
    "replicator-folders": Layout(
        "rgb/rgb_{}", {"semantic_segmentation/semantic_segmentation_{}": None}
    ),
    "replicator-products": Layout(
        "{product}/rgb/rgb_{n}",
        {"{product}/semantic_segmentation/semantic_segmentation_{n}": None},
    ),
    "solo": Layout(
        "{sequence}/step{n}.{camera}",
        {"{sequence}/step{n}.{camera}.semantic segmentation": None},
    ),
    "blenderproc": Layout("{}.hdf5", {"{}.hdf5": None}),
    "airsim": Layout("images/img_{vehicle}_0_{n}", {"images/img_{vehicle}_5_{n}": None}),
    "webdataset": Layout("{shard}.tar/{key}", _of_shards("{shard}.tar/{key}")),
    "webdataset-image": Layout("{shard}.tar/{key}.image", _of_shards("{shard}.tar/{key}")),
    "parquet": Layout("{shard}.parquet/{key}.image", _of_shards("{shard}.parquet/{key}")),
    "mds": Layout("{shard}.mds/{key}.image", _of_shards("{shard}.mds/{key}")),
    "fiftyone": Layout("data/{}", {"labels/{}": None}, is_specific=False),
}  # fmt: skip
"""Name, as ``--layout`` takes it, to layout."""
