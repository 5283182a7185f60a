"""A tiny world of two classes, and a `Streams` method that learns it in a second or two."""

from functools import partial

import numpy as np
import torch
from torch import nn

from curate.config import parse
from curate.methods import MethodContext, Preparation, Split
from curate.methods.streams.method import Streams
from curate.methods.streams.networks import fit_epochs
from curate.models import build_segmenter
from curate.records import Batch, Evidence
from curate.training.preparation import choose_superpixels, inject_corruptions

SEGMENTER = "tests.methods.streams.making:make_segmenter"
SIZE = (32, 48)
IS_REAL = torch.tensor([True] * 8 + [False] * 8)
"""Of sixteen images of which nothing but logits is known."""


def make_segmenter(num_classes):
    return nn.Sequential(
        nn.Conv2d(3, 12, 3, padding=1), nn.ReLU(), nn.AvgPool2d(2), nn.Conv2d(12, num_classes, 1)
    )


def draw_images(count, prefix, *, is_real, seed):
    """Draw noisy blue sky over red ground, the horizon anywhere."""
    rng = np.random.default_rng(seed)
    labels = np.zeros((count, *SIZE), np.uint8)
    for row in range(count):
        labels[row, : rng.integers(10, 22)] = 1
    colours = np.array([[170, 60, 40], [60, 90, 190]])[labels]
    images = (colours + rng.normal(0, 12, colours.shape)).clip(0, 255).astype(np.uint8)
    return Batch(
        images=torch.from_numpy(images).permute(0, 3, 1, 2).contiguous(),
        label_map=torch.from_numpy(labels),
        is_real=torch.full((count,), is_real),
        keys=tuple(f"{prefix}:{row:02d}" for row in range(count)),
    )


def corrupt(batch, *, appearance=False, labels=False):
    """Flatten the colours, or swap the labels, of the left half of every image."""
    images, label_map = batch.images.clone(), batch.label_map.clone()
    left = slice(0, SIZE[1] // 2)
    if appearance:
        images[..., left] = images[..., left] // 64 * 64
    if labels:
        label_map[..., left] = 1 - label_map[..., left]
    return Batch(images, label_map, batch.is_real, batch.keys)


def mix(batch, other, is_other):
    """Take some images of a batch from another batch."""
    chosen = torch.tensor(is_other)[:, None, None]
    images = torch.where(chosen[..., None], other.images, batch.images)
    label_map = torch.where(chosen, other.label_map, batch.label_map)
    return Batch(images, label_map, batch.is_real, batch.keys)


def make_preparation(synthetic, *, real=None):
    real = real or draw_images(12, "r0", is_real=True, seed=1)

    def draw_real(excluded, steps):
        rows = [row for row, key in enumerate(real.keys) if key not in excluded]
        for step in range(steps):
            some = [rows[(4 * step + i) % len(rows)] for i in range(4)]
            yield Batch(
                real.images[some],
                real.label_map[some],
                real.is_real[some],
                tuple(real.keys[row] for row in some),
            )

    return Preparation(
        real,
        synthetic,
        draw_real,
        partial(inject_corruptions, real, 0),
        choose_superpixels,
        0,
        num_steps=100,
    )


def make_method(preparation, **settings):
    keys = (*preparation.real.keys, *preparation.synthetic.keys)
    torch.manual_seed(0)
    chosen = {
        "encoder": SEGMENTER,
        "appearance": ["1"],
        "folds": 2,
        "reference_steps": 60,
        "reference_learning_rate": 0.03,
        "injections": 1,
        "epochs": 30,
        "learning_rate": 0.01,
        "corruptions": ["style", "blur", "wrong_label"],
    }
    context = MethodContext(
        num_classes=2,
        feature_channels={},
        real_class_px=[10_000] * 2,
        splits={
            key: Split(held_out=index % 4 == 3, fold=index // 4 % 2)
            for index, key in enumerate(keys)
        },
        build_segmenter=partial(build_segmenter, SEGMENTER, 2),
        build_encoder=partial(build_segmenter, num_classes=2),
    )
    return Streams.build(parse(Streams.Settings, chosen | settings, where="test"), context)


def learn(synthetic, *, real=None, **settings):
    preparation = make_preparation(synthetic, real=real)
    method = make_method(preparation, **settings)
    for _ in method.prepare(preparation):
        pass
    return method.eval()


def evidence_of(batch):
    labels = batch.label_map[:, 2::4, 2::4].long()
    return Evidence(
        predictions=torch.full((len(labels), 2, *labels.shape[1:]), 0.5),
        label_map=labels,
        images=batch.images.float() / 255,
        is_real=batch.is_real,
        keys=batch.keys,
    )


def fit_network(*args, **options):
    """Train a network to the end; return the loss of the best state on the stopping images."""
    *_, best = fit_epochs(*args, **options)
    return best
