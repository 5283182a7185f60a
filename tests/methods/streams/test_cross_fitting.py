"""Who is shown what, and whose logits are read, with images that are told by their brightness."""

import numpy as np
import pytest
import torch
from torch import nn

from curate.corruptions import Corrupted
from curate.methods import Split
from curate.methods.protocol import Preparation
from curate.methods.streams import features as features_module
from curate.methods.streams import streams
from curate.methods.streams.features import StreamFeatures
from curate.methods.streams.settings import StreamsSettings
from curate.methods.streams.streams import StreamTraining
from curate.records import Batch

FOLDS = (0, 1, 2, 0, 1, 2)
HELD_OUT = (False, False, False, False, True, True)
"""Of three real and three synthetic images; image i has the brightness 10 i."""


def make_batch(first, *, is_real):
    images = 10 * torch.arange(first, first + 3, dtype=torch.uint8)
    label_map = torch.zeros(3, 4, 8, dtype=torch.uint8)
    label_map[0, :, 4:] = 255  # of each domain's first image one cell of two is ignored
    keys = tuple(f"{'r0' if is_real else 's0'}:{row}" for row in range(first, first + 3))
    shape = (3, 3, 4, 8)
    return Batch(
        images[:, None, None, None].expand(shape), label_map, torch.full((3,), is_real), keys
    )


def make_training(injected=(), **settings):
    """Features of a cell: its image's number, then the fold that it was shown to."""

    def extract(fold, images, labels):
        asked.append((fold, len(images)))
        number = (images[:, :1, :1, :1] * 25.5).round().expand(-1, 1, *labels.shape[1:])
        return StreamFeatures(number.half(), torch.full_like(number, fold).half(), labels)

    def inject(names, times, most, folds):
        told.update(names=names, times=times, most=most, folds=list(folds))
        yield from injected

    asked, told = [], {}
    real, synthetic = make_batch(0, is_real=True), make_batch(3, is_real=False)
    preparation = Preparation(real, synthetic, None, inject, None, seed=0, num_steps=1)
    splits = {
        key: Split(held_out=held_out, fold=fold)
        for key, held_out, fold in zip(real.keys + synthetic.keys, HELD_OUT, FOLDS, strict=True)
    }
    chosen = StreamsSettings(folds=3, **settings)
    training = StreamTraining(preparation, splits, chosen, extract, torch.device("cpu"))
    training.asked, training.told = asked, told
    return training


class Shift(nn.Module):
    """Returns the number of an image, and a hundred more for each fold of its own."""

    def __init__(self, fold):
        super().__init__()
        self.fold = fold

    def forward(self, features):
        return features.appearance[:, 0].float() + 100 * self.fold


def test_features_come_from_the_images_own_fold(monkeypatch):
    monkeypatch.setattr(features_module, "CHUNK_IMAGES", 1)
    training = make_training()
    features = training.features
    assert features.appearance[:, 0, 0, 0].tolist() == [0, 1, 2, 3, 4, 5]
    assert features.log_predictions[:, 0, 0, 0].tolist() == list(FOLDS)
    assert features.label_map.tolist() == [[[0, 255]], [[0, 0]], [[0, 0]]] * 2
    assert training.asked == [(0, 1), (0, 1), (1, 1), (1, 1), (2, 1), (2, 1)]
    assert training.features is features  # gathered once


def test_logits_come_from_the_network_of_the_images_own_fold():
    training = make_training()
    logits = training.cross_fit([Shift(0), Shift(1), Shift(2)])
    assert logits[:, 0, 0].tolist() == [0, 101, 202, 3, 104, 205]
    assert logits.shape == (6, 1, 2)


def test_fold_without_images_is_passed_over():
    training = make_training()
    logits = training.cross_fit([Shift(0), Shift(1), Shift(2), Shift(3)])
    assert logits[:, 0, 0].tolist() == [0, 101, 202, 3, 104, 205]


def test_domains_count_the_same_in_what_is_learned_and_what_is_held_out():
    # fold 0 is trained on images 1 and 2, which are real; 4 and 5 are held out
    training = make_training()
    found = training.domain_training_set(0)
    assert (list(found.train), list(found.stop)) == ([1, 2], [4, 5])
    found = training.domain_training_set(1)
    assert (list(found.train), list(found.stop)) == ([0, 2, 3], [5])
    assert found.target[:, 0, 0].tolist() == [1, 1, 1, 0, 0, 0]
    # of three images two are real: 3 / 2 / 2 each, and 3 / 2 for the synthetic one
    assert found.weight[[0, 2, 3]].tolist() == [[[0.75, 0]], [[0.75, 0.75]], [[1.5, 0]]]
    assert found.weight[5].tolist() == [[0.5, 0.5]]


def corrupted(source, *, is_mismatch, value):
    mask = np.zeros((4, 8), np.bool_)
    mask[:, :4] = True
    image, label_map = np.full((3, 4, 8), value, np.uint8), np.zeros((4, 8), np.uint8)
    return source, Corrupted(image, label_map, mask), is_mismatch


def test_corrupted_images_are_shown_to_the_fold_of_their_source():
    injected = [
        corrupted(0, is_mismatch=True, value=60),
        corrupted(1, is_mismatch=False, value=70),
        corrupted(2, is_mismatch=True, value=80),
    ]
    training = make_training(injected)
    found = training.corruption_training_set(0)
    assert found.features.appearance[:, 0, 0, 0].tolist() == [6, 7, 8]
    assert found.features.log_predictions[:, 0, 0, 0].tolist() == [0, 1, 2]
    assert found.target.tolist() == [[[0, 1]]] * 3  # the left cell is corrupted
    assert found.weight.tolist() == [[[1, 1]]] * 3
    assert found.weight.dtype == found.target.dtype == torch.float32
    assert (list(found.train), list(found.stop)) == ([1, 2], [])
    assert list(training.mismatch_training_set(0).train) == [2]
    assert list(training.mismatch_training_set(1).train) == [0, 2]


def test_injections_are_asked_for_as_set():
    training = make_training(
        [corrupted(0, is_mismatch=True, value=60)], corruptions=("blur", "noise"), injections=4
    )
    training.corruption_training_set(0)
    # three images of two cells are few: as often as set, and at most 5,000,000 / 2 images
    assert training.told == {
        "names": ("blur", "noise"),
        "times": 4,
        "most": 2_500_000,
        "folds": [0, 1, 2],
    }


@pytest.mark.parametrize(("num_images", "times"), [(60, 4), (61, 3), (120, 2), (250, 1), (999, 1)])
def test_images_of_many_cells_are_injected_into_less_often(num_images, times):
    # as often as set up to 60 images of 120x160 pixels, or 30x40 cells, then in proportion
    assert streams.MANY_CELLS == 60 * 30 * 40
    training = make_training([corrupted(0, is_mismatch=True, value=60)], injections=4)
    label_map = torch.zeros(1, 1, 1, dtype=torch.uint8).expand(num_images, 120, 160)
    real = Batch(label_map, label_map, torch.ones(num_images), tuple(map(str, range(num_images))))
    training._real = real
    training.folds = [0] * num_images
    training.corruption_training_set(1)
    assert training.told["times"] == times
    assert training.told["most"] == 5_000_000 // 1200
