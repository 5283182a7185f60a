"""Data sets and a segmenter so small that a whole run takes seconds."""

from functools import partial
from pathlib import Path

import numpy as np
from PIL import Image
from torch import nn

from curate.config import AugmentConfig, Config, DatasetConfig

SEGMENTER = "tests.tiny:make_segmenter"
SHAREABLE_SEGMENTER = "tests.tiny:make_shareable_segmenter"
STREAMS_METHOD = {"encoder": SEGMENTER, "appearance": ["0"], "folds": 2, "injections": 1}
"""Settings that make the method `streams` quick."""
CLASSES = ("ground", "thing", "sky")


def make_segmenter(num_classes, normalisation=nn.BatchNorm2d):
    return nn.Sequential(
        nn.Conv2d(3, 8, 3, stride=2, padding=1),
        normalisation(8),
        nn.ReLU(),
        nn.Conv2d(8, 8, 3, stride=2, padding=1),
        nn.ReLU(),
        nn.Conv2d(8, num_classes, 1),
    )


def make_shareable_segmenter(num_classes):
    """Normalise each image by itself: a share of a batch is what it is in the whole batch."""
    return make_segmenter(num_classes, partial(nn.GroupNorm, 2))


def draw_pair(rng, *, is_flat):
    """Sky above ground with a thing on it; flat ones are paler and have no noise."""
    label_map = np.zeros((40, 56), dtype=np.uint8)
    label_map[: rng.integers(10, 20)] = 2
    left = rng.integers(0, 40)
    label_map[18:30, left : left + 12] = 1
    image = np.array([[120, 90, 60], [200, 30, 30], [90, 140, 220]])[label_map].astype(float)
    image += 40 if is_flat else rng.normal(0, 20, image.shape)
    return image.clip(0, 255).astype(np.uint8), label_map


def write_dataset(root: Path, count: int, *, is_flat: bool, seed: int) -> Path:
    rng = np.random.default_rng(seed)
    for name in ("images", "labels"):
        (root / name).mkdir(parents=True)
    for index in range(count):
        image, label_map = draw_pair(rng, is_flat=is_flat)
        Image.fromarray(image).save(root / "images" / f"{index:03d}.png")
        Image.fromarray(label_map).save(root / "labels" / f"{index:03d}.png")
    return root


def tiny_config(root: Path, *, method=None, **settings) -> Config:
    """Make both data sets below `root`, where they are not there yet, and a config for them."""
    for name, count, is_flat, seed in (("real", 6, False, 1), ("synthetic", 9, True, 2)):
        if not (root / name).exists():
            write_dataset(root / name, count, is_flat=is_flat, seed=seed)
    config = Config(
        root=root,
        classes=CLASSES,
        real=(DatasetConfig(path=root / "real"),),
        synthetic=(DatasetConfig(path=root / "synthetic"),),
        method={"inputs": ["image"], "min_class_px": 10} if method is None else method,
        augment=AugmentConfig(scale=(0.8, 1.2), colour=0.0),
    )
    chosen = {
        "method": "hierarchical",
        "segmenter": SEGMENTER,
        "size": (32, 48),
        "steps": 8,
        "batch_size": 4,
        "evaluate_every": 3,
        "checkpoint_every": 2,
        "device": "cpu",
    }
    return config.with_fit(**(chosen | settings))


class RecordingReporter:
    """Keeps what it is told."""

    def __init__(self):
        self.warnings, self.values, self.tasks, self.notes = [], [], [], []

    def start(self, task, total, done=0, *, unit="images"):
        self.tasks.append((task, total, done, unit))

    def advance(self, done, values=None):
        self.values.append((done, values or {}))

    def warn(self, message):
        self.warnings.append(message)

    def note(self, message):
        self.notes.append(message)

    def finish(self):
        pass
