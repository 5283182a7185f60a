"""MMSegmentation trains on an exported subset.

python examples/with_mmseg.py subset [STEPS], of curate export-subset --format mmseg
"""

import sys
from pathlib import Path

from mmengine.config import Config
from mmengine.runner import Runner

root, steps = Path(sys.argv[1]), int((sys.argv[2:] or ["200"])[0])
dataset = Config.fromfile(root / "mmseg_dataset.py").dataset
dataset.pipeline = [
    {"type": "LoadImageFromFile"},
    {"type": "LoadAnnotations"},
    {"type": "Resize", "scale": (128, 96), "keep_ratio": False},
    {"type": "RandomFlip", "prob": 0.5},
    {"type": "PackSegInputs"},
]
num_classes = len(dataset.metainfo.classes)
head = {
    "type": "FCNHead", "in_channels": 320, "in_index": -1, "channels": 32, "num_convs": 1,
    "num_classes": num_classes, "norm_cfg": {"type": "BN"},
}  # fmt: skip
model = {
    "type": "EncoderDecoder", "decode_head": head, "train_cfg": {}, "test_cfg": {"mode": "whole"},
    "data_preprocessor": {"type": "SegDataPreProcessor", "bgr_to_rgb": True, "size": (96, 128)},
    "backbone": {"type": "MobileNetV2", "out_indices": (4, 6), "norm_cfg": {"type": "BN"}},
}  # fmt: skip
Runner(
    model=model, work_dir="work_dir", default_scope="mmseg",
    train_dataloader={
        "batch_size": 8, "num_workers": 0, "dataset": dataset, "drop_last": False,
        "sampler": {"type": "InfiniteSampler"}, "collate_fn": {"type": "pseudo_collate"},
    },
    train_cfg={"type": "IterBasedTrainLoop", "max_iters": steps},
    optim_wrapper={"optimizer": {"type": "AdamW", "lr": 1e-3}},
    default_hooks={"logger": {"type": "LoggerHook", "interval": 1}},
).train()  # fmt: skip
