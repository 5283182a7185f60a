"""What reference segmenters are trained on."""

from types import SimpleNamespace

import numpy as np
import torch

from curate.methods.references import paste_superpixels
from curate.records import Batch


def make_batch():
    """Four images of one colour each, which is their label, too."""
    labels = torch.arange(4, dtype=torch.uint8)[:, None, None].expand(4, 6, 8).contiguous()
    images = labels[:, None].expand(4, 3, 6, 8).contiguous()
    return Batch(images, labels, torch.ones(4, dtype=torch.bool), tuple("abcd"))


def choose_left(image, label_map, share, rng):
    mask = torch.zeros(label_map.shape, dtype=torch.bool)
    mask[:, :4] = True
    return mask


def paste(choose_superpixels):
    preparation = SimpleNamespace(choose_superpixels=choose_superpixels)
    return paste_superpixels(make_batch(), preparation, np.random.default_rng(1))


def test_superpixels_bring_their_labels_along():
    images, labels = paste(choose_left)
    assert torch.equal(images[:, 0], labels)
    assert labels[:, :, 4:].eq(make_batch().label_map[:, :, 4:]).all()
    changed = (labels != make_batch().label_map).any(dim=(1, 2))
    assert changed.any()
    assert not changed[3]  # a quarter of the images stays as it is


def test_images_without_a_class_stay_as_they_are():
    images, labels = paste(lambda *_: None)
    assert torch.equal(images, make_batch().images)
    assert torch.equal(labels, make_batch().label_map)
